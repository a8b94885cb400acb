"""The command line: every command is a thin reading of a public function.

What is printed on standard output is the result; progress and errors go to standard error. Progress is shown on a
terminal only.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from ..errors import InfeasibleError, SolverError, SupplyRiskError, UnknownNameError
from . import commands
from .terminal import Parser, Progress, Refused, complain, day, fraction, given, usd

__all__ = ["EXIT_CODES", "fraction", "main", "usd"]

EXIT_CODES: dict[int, str] = {
    0: "done",
    2: "bad arguments, or a name that does not exist",
    3: "bad input data",
    4: "no plan meets all constraints; the message names the conflict",
    5: "the solver stopped without a proven optimum",
    6: "the output cannot be written",
}


# ------------------------------------------------------------------------------------------------- arguments


def _parser() -> Parser:
    from .. import __version__

    codes = "\n".join(f"  {k}  {v}" for k, v in EXIT_CODES.items())
    top = Parser(
        prog="supplyrisk",
        description="Who can stop this flow, how badly would it hurt, and what to buy, build or stock so that it can't.",
        epilog=f"exit codes:\n{codes}\n\nsupplyrisk COMMAND --help describes a command. No command touches the network.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"supplyrisk {__version__}")
    subs = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def command(
        name: str, run: Callable[..., int], text: str, *, graph: bool = True, at: bool = True
    ) -> argparse.ArgumentParser:
        p = subs.add_parser(
            name, help=text, description=text, epilog=f"exit codes:\n{codes}", formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )  # fmt: skip
        p.set_defaults(run=run)
        if graph:
            p.add_argument(
                "--graph",
                type=given,
                metavar="PATH",
                help="your own graph: whatever write() or to_parquet() wrote (parquet or csv folder, xlsx, sqlite, json, GraphML), or a folder of csv files named after the tables (default: the embedded atlas)",
            )
        if at:
            p.add_argument(
                "--at",
                type=day,
                metavar="DATE",
                help="as known on this day, e.g. 2025-06-30: figures published later are left out, and states of acts are of that day (default: all that is known)",
            )
        p.add_argument("--json", action="store_true", help="machine-readable result on standard output")
        p.add_argument("--quiet", action="store_true", help="no progress; for brief, no text either")
        return p

    def focal(p: argparse.ArgumentParser) -> None:
        p.add_argument(
            "--focal",
            type=given,
            default="CHN",
            metavar="CODE",
            help="whose grip is measured: ISO3 code(s) with '+' or ',' between (default: CHN, mainland alone)",
        )

    def products(p: argparse.ArgumentParser, what: str) -> None:
        p.add_argument("--product", type=given, action="append", metavar="ID", help=f"{what}; repeatable")

    def buyers(p: argparse.ArgumentParser, default: str) -> None:
        p.add_argument(
            "--buyer",
            type=given,
            action="append",
            metavar="WHO",
            help=f"coalition (MSP, G7, EU27 ...) or ISO3 codes, ',' between; repeatable (default: {default})",
        )

    b = command(
        "brief",
        commands.brief,
        "The main job: products, one act, one plan, as text and one HTML file. Needs no argument.",
    )
    products(b, "only this product")
    buyers(b, "MSP, the Minerals Security Partnership at its last date")
    focal(b)
    b.add_argument(
        "--measure",
        type=given,
        metavar="ID",
        help="act to apply (default: the newest that fits; `supplyrisk shock` lists them)",
    )
    b.add_argument(
        "--cap",
        type=fraction,
        metavar="SHARE",
        help="greatest focal share by control after the plan, 0.65 or 65%% (default: 65%%, or the lowest that can be reached)",
    )
    b.add_argument("--budget", type=usd, metavar="USD", help="most capital the plan may spend, e.g. 5e9 or 5bn")
    b.add_argument("--out", type=given, metavar="FILE", help=f"HTML file to write (default: {commands.DEFAULT_OUT})")

    s = command("score", commands.score, "Dependence of every link, or by product, buyer or stage.")
    products(s, "only this product")
    buyers(s, "all")
    focal(s)
    s.add_argument(
        "--view",
        type=given,
        default="location",
        metavar="VIEW",
        help="location, equity, control or origin (default: location)",
    )
    s.add_argument(
        "--by",
        type=given,
        action="append",
        metavar="KEY",
        help="product, buyer, stage ..., ',' between (default: a row per link)",
    )
    s.add_argument("--csv", action="store_true", help="comma-separated values on standard output")
    s.add_argument("--all", action="store_true", help="all rows")

    k = command(
        "shock",
        commands.shock,
        "Apply an act, or a hypothetical ban or licence. Without arguments: the acts on record and their state.",
    )
    k.add_argument("--measure", type=given, metavar="ID", help="act of the measures table, applied as if in force")
    k.add_argument(
        "--ban",
        type=given,
        action="append",
        metavar="WHO",
        help="hypothetical: the focal bans exports of --product to WHO (ISO3, or ALL)",
    )
    k.add_argument(
        "--licence",
        type=given,
        action="append",
        metavar="WHO",
        help="hypothetical: the focal licenses exports of --product to WHO",
    )
    products(k, "product of a hypothetical measure")
    buyers(k, "everyone hit")
    focal(k)
    k.add_argument("--all", action="store_true", help="all rows")

    o = command("optimize", commands.optimize, "The cheapest plan that meets the buyers' needs within caps and budget.")
    products(o, "only this product")
    buyers(o, "MSP")
    focal(o)
    o.add_argument("--view", type=given, default="control", metavar="VIEW", help="view of the cap (default: control)")
    o.add_argument("--cap", type=fraction, metavar="SHARE", help="greatest focal share in each product, 0.65 or 65%%")
    o.add_argument(
        "--min-suppliers", type=int, metavar="N", help="at least so many supplying countries for each product"
    )
    o.add_argument("--budget", type=usd, metavar="USD", help="most capital the plan may spend, e.g. 5e9 or 5bn")
    o.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop the solver after so long (exit code 5)")

    v = command(
        "validate",
        commands.validate,
        "Check a graph: every broken rule, grades, accounts that do not close.",
        graph=False,
        at=False,
    )
    v.add_argument(
        "folder", nargs="?", type=given, metavar="PATH", help="graph to check, as --graph (default: the embedded atlas)"
    )
    v.add_argument("--graph", type=given, metavar="PATH", help="the same as the argument without a name")
    v.add_argument(
        "--tolerance",
        type=fraction,
        default=0.02,
        metavar="SHARE",
        help="gap that still counts as closed (default: 2%%)",
    )

    m = command(
        "methods",
        commands.methods,
        "All metrics, measures, engines, levers, constraints, readers and plots.",
        graph=False,
        at=False,
    )
    m.add_argument("kind", nargs="?", metavar="KIND", help="only this kind")
    command(
        "sources",
        commands.sources,
        "Sources of the figures with their terms, and readers of published formats.",
        at=False,
    )
    command("cite", commands.cite, "How to cite the software and the data.", at=False)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default those of the process.

    Returns
    -------
    int
        Exit code, one of :data:`EXIT_CODES`.
    """
    progress = Progress(True)
    try:
        parser = _parser()
        args = parser.parse_args(argv)
        if not args.command:
            parser.print_help(sys.stdout)
            sys.stdout.flush()
            return 0
        progress = Progress(args.quiet)
        code = int(args.run(args, progress))
        sys.stdout.flush()
    except SystemExit as end:  # --help and --version
        return int(end.code or 0) if not isinstance(end.code, str) else 2
    except BrokenPipeError:
        # Whoever read has left (head, less): what was asked for was delivered as far as it was wanted.
        progress.done()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        progress.done()
        complain("stopped")
        return 130
    except (SupplyRiskError, OSError) as err:
        progress.done()
        complain(str(err))
        return _code(err)
    return code


def _code(err: Exception) -> int:
    """Exit code of an error."""
    if type(err).__name__ == "WriteError" or isinstance(err, OSError):
        return 6
    if isinstance(err, (Refused, UnknownNameError)):
        return 2
    if isinstance(err, InfeasibleError):
        return 4
    if isinstance(err, SolverError):
        return 5
    return 3

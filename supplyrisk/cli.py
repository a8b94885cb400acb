"""The command line: every command is a thin reading of a public function.

What is printed on standard output is the result; progress and errors go to standard error. Progress is shown on a
terminal only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import (
    InfeasibleError,
    Problem,
    SolverError,
    SourceError,
    SupplyRiskError,
    UnknownNameError,
    close_matches,
    unknown_name,
)

if TYPE_CHECKING:
    import pandas as pd

    from .graph import SupplyGraph

__all__ = ["EXIT_CODES", "fraction", "main", "usd"]

EXIT_CODES: dict[int, str] = {
    0: "done",
    2: "bad arguments, or a name that does not exist",
    3: "bad input data",
    4: "no plan meets all constraints; the message names the conflict",
    5: "the solver stopped without a proven optimum",
    6: "the output cannot be written",
}
DEFAULT_OUT = "supplyrisk-brief.html"
_SHOWN = ("share", "focal_share", "focal_share_low", "focal_share_high", "hhi", "effective_suppliers", "headline")
_MONEY = re.compile(
    r"^(?:USD|\$)?\s*([0-9][0-9_,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*(k|m|mn|mln|million|bn|b|billion|tn|trillion)?$",
    re.I,
)
_TIMES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


class _Refused(SupplyRiskError):
    """Arguments that cannot be read."""


def fraction(text: str) -> float:
    """A share as the user writes it: ``0.65`` or ``65%``.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> fraction("65%"), fraction("0.65")
    (0.65, 0.65)
    """
    raw = text.strip()
    scale = 100.0 if raw.endswith("%") else 1.0
    try:
        value = float(raw.rstrip("%").strip()) / scale
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        near = f" Did you mean {raw}%?" if scale == 1.0 and 1.0 < value <= 100.0 else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: write 0.65 or 65%.{near}")
    return value


def usd(text: str) -> float:
    """An amount of money as the user writes it: ``5e9``, ``5bn``, ``500m``, ``250,000``.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    float
        US dollars.

    Examples
    --------
    >>> usd("5bn"), usd("5e9"), usd("USD 750 million")
    (5000000000.0, 5000000000.0, 750000000.0)
    """
    hit = _MONEY.match(text.strip())
    if not hit:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount in US dollars: write 5e9, 5bn or 500m.")
    value = float(hit[1].replace(",", "").replace("_", "")) * _TIMES.get((hit[2] or " ")[0].lower(), 1.0)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite amount.")
    return value


class _Parser(argparse.ArgumentParser):
    """Raises instead of leaving the process, and says which option or command was nearly right."""

    def error(self, message: str) -> Any:
        known = [s for a in self._actions for s in a.option_strings]
        for action in self._actions:
            if isinstance(action.choices, Mapping):
                known += list(action.choices)
        near: list[str] = []
        for action in list(self._actions):
            if isinstance(action.choices, Mapping) and "unrecognized" in message:
                known += [o for p in action.choices.values() for a in p._actions for o in a.option_strings]
        for word in re.findall(r"'([^']+)'", message)[:1] + re.findall(r"arguments?: (\S+)", message):
            near += close_matches(word.split("=")[0], known)
        hint = f" Did you mean {' or '.join(dict.fromkeys(near))}?" if near and "invalid choice" not in message else ""
        if "invalid choice" in message and near:
            hint = f" Did you mean {near[0]}?"
        raise _Refused(f"{message}.{hint} See: {self.prog} --help".replace("..", "."))


class _Progress:
    """A line on standard error that is rewritten at each step, on a terminal only."""

    def __init__(self, quiet: bool) -> None:
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.dirty = False

    def __call__(self, text: str) -> None:
        if self.shown:
            sys.stderr.write(f"\r\x1b[2K{_ascii(text, sys.stderr)} ...")
            sys.stderr.flush()
            self.dirty = True

    def done(self) -> None:
        """Wipe the line."""
        if self.dirty:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self.dirty = False


_FOLD = {
    "–": "-",
    "—": "-",
    "−": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "…": "...",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "·": ".",
    "×": "x",
}


def _ascii(text: str, stream: Any) -> str:
    """The text as the stream can show it: letters lose their accents before anything becomes a question mark."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        folded = "".join(_FOLD.get(ch, ch) for ch in text)
        folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
        return folded.encode("ascii", "replace").decode()
    return text


def _say(text: str) -> None:
    sys.stdout.write(_ascii(text if text.endswith("\n") else text + "\n", sys.stdout))


def _complain(text: str) -> None:
    from .report.blocks import plain

    lines = [plain(line) for line in str(text).splitlines()] or ["failed"]
    sys.stderr.write(_ascii("supplyrisk: " + "\n".join(lines) + "\n", sys.stderr))


def _json(value: Any) -> str:
    return json.dumps(_clean(value), indent=1, ensure_ascii=True, allow_nan=False)


def _clean(value: Any) -> Any:
    """Plain JSON types; NaN and infinity become null, because JSON has neither."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): _clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [_clean(r) for r in value.to_dict("records")]
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        text = str(value)
        return None if text in ("<NA>", "NaT") else text
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) and "int" in type(value).__name__.lower() else number


def _table(frame: pd.DataFrame, top: int | None = None) -> str:
    """A frame as text for a terminal."""
    from .report.blocks import plain

    shown = frame if top is None else frame.head(top)
    text = []
    for name in shown.columns:
        column = shown[name]
        cells = [_cell(v) for v in column]
        text.append([plain(name), *map(plain, cells)])
    wide = [max(map(len, c)) for c in text]
    number = [shown[c].dtype.kind in "fiu" for c in shown.columns]
    lines = []
    for i in range(len(shown) + 1):
        row = [c[i].rjust(w) if n else c[i].ljust(w) for c, w, n in zip(text, wide, number, strict=True)]
        lines.append("  ".join(row).rstrip())
    if len(frame) > len(shown):
        lines.append(f"... {len(frame) - len(shown)} more rows; --all shows them, --json gives them whole")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    text = str(value)
    return "-" if text in ("<NA>", "nan", "None") else text


# --------------------------------------------------------------------------------------------------- commands


def _graph(args: argparse.Namespace, progress: Callable[[str], None]) -> SupplyGraph:
    """The atlas, or the user's own graph, as on the day asked for."""
    folder = getattr(args, "graph", None)
    if folder:
        from .graph import SupplyGraph

        progress(f"reading {folder}")
        graph = (
            _read_folder(Path(folder))
            if not (Path(folder) / "supplyrisk.json").exists()
            else SupplyGraph.from_parquet(folder)
        )
    else:
        from .atlas import load_atlas

        progress("loading the atlas")
        graph = load_atlas()
    return graph.at(args.at) if getattr(args, "at", None) else graph


def _read_folder(folder: Path) -> SupplyGraph:
    """A graph from a folder of csv files named after the tables; all problems of all files at once."""
    import pandas as pd

    from .graph import SupplyGraph
    from .schema import TABLES

    if not folder.is_dir():
        raise SourceError(
            [
                Problem(
                    str(folder),
                    "-",
                    "-",
                    "no such folder",
                    "",
                    "Give a folder written by to_parquet(), or of csv files named after the tables.",
                )
            ],
            str(folder),
        )
    files = sorted(folder.glob("*.csv"))
    problems = [
        Problem(f.name, "-", "-", "not the name of a table", "", f"Tables: {', '.join(TABLES)}.")
        for f in files
        if f.stem not in TABLES
    ]
    if not files:
        problems.append(
            Problem(
                str(folder),
                "-",
                "-",
                "holds neither a written graph nor csv files",
                "",
                f"Name files after tables: {', '.join(TABLES)}.",
            )
        )
    frames: dict[str, pd.DataFrame] = {}
    for f in files:
        try:
            frames[f.stem] = pd.read_csv(f, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (OSError, ValueError, pd.errors.ParserError) as err:
            problems.append(
                Problem(
                    f.name,
                    "-",
                    "-",
                    "cannot be read as csv",
                    str(err).splitlines()[0],
                    "Write utf-8 csv with one header row.",
                )
            )
    if problems:
        raise SourceError(problems, str(folder))
    return SupplyGraph.from_tables(frames, name=folder.name)


def _focal(args: argparse.Namespace) -> str | tuple[str, ...]:
    from .jurisdictions import SCOPES

    given = _many(args.focal)
    text = given[0] if len(given) == 1 else tuple(given)
    if isinstance(text, str) and text not in SCOPES and "+" in text:
        return tuple(text.split("+"))
    return text


def _many(values: Sequence[str] | str | None) -> list[str]:
    """Repeated and comma-separated values as one list."""
    given = [values] if isinstance(values, str) else list(values or [])
    return [p.strip() for v in given for p in str(v).split(",") if p.strip()]


def _brief(args: argparse.Namespace, progress: _Progress) -> int:
    from .report import brief

    out = Path(args.out) if args.out else Path(DEFAULT_OUT)
    if out.is_dir():
        raise _Refused(f"--out {args.out!r} is a folder: give a file name, e.g. {out / DEFAULT_OUT}.")
    graph = _graph(args, progress)
    progress("scoring")
    result = brief(
        graph,
        focal=_focal(args),
        buyers=_many(args.buyer) or None,
        products=_many(args.product) or None,
        measure=args.measure,
        cap=args.cap,
        budget=args.budget,
        at=args.at,
        path=out,
        progress=progress,
    )
    progress.done()
    if args.json:
        _say(_json(result.to_dict()))
    elif not args.quiet:
        _say(result.text())
    if not args.quiet and not args.json:
        _say(f"Written: {out}")
    return 0


def _score(args: argparse.Namespace, progress: _Progress) -> int:
    from .metrics import score

    graph = _graph(args, progress)
    products = [graph.check_product(p, "--product") for p in _many(args.product)]
    buyers: tuple[str, ...] = ()
    if args.buyer:
        from .report.who import buyers_named

        buyers = buyers_named(graph, _many(args.buyer))[0]
    progress("scoring")
    by = _many(args.by) or ["link"]
    for given, key, option in ((buyers, "buyer", "--buyer"), (products, "product", "--product")):
        if given and key not in by and "link" not in by:
            raise _Refused(f"{option} picks rows by {key}: add {key} to --by, e.g. --by product,buyer.")
    frame = score(graph, focal=_focal(args), view=args.view, by=by, bounds=True).reset_index()
    if products:
        frame = frame[frame["product"].isin(products)]
    if buyers:
        frame = frame[frame["buyer"].astype(str).map(_country_of).isin(buyers)]
    progress.done()
    frame = frame.reset_index(drop=True)
    if args.json:
        _say(_json({"format": "supplyrisk.score/1", "focal": args.focal, "view": args.view, "by": by, "rows": frame}))
    elif args.csv:
        _say(frame.to_csv(index=False, lineterminator="\n"))
    else:
        keys = [c for c in frame.columns if frame[c].dtype.kind not in "fiu" and c not in ("focal", "view")]
        shown = [*keys, *(c for c in _SHOWN if c in frame.columns)]
        _say(f"focal {args.focal}, view {args.view}; largest focal share first")
        order = frame.sort_values(["focal_share", *keys], ascending=[False, *[True] * len(keys)], kind="stable")
        _say(_table(order[shown], None if args.all else 30))
    return 0


def _country_of(buyer: str) -> str:
    from .schema import parse_node_id

    return parse_node_id(buyer)[1] if "@" in buyer else buyer


def _shock(args: argparse.Namespace, progress: _Progress) -> int:
    from .report.who import buyers_named, day_of, pool_rows
    from .shocks import enact, export_ban, export_licence, simulate, state, states

    graph = _graph(args, progress)
    day = day_of(graph, args.at)
    if not args.measure and not args.ban and not args.licence:
        frame = states(graph, day)
        progress.done()
        _say(
            _json({"format": "supplyrisk.measures/1", "on": day, "measures": frame})
            if args.json
            else _table(frame[["measure", "name", "state", "targets", "kind"]])
        )
        return 0
    if args.measure:
        known = graph.table("measures")["measure"].dropna().astype(str).unique()
        if args.measure not in known:
            raise unknown_name("measure", args.measure, known, "--measure")
        specs = list(enact(graph, args.measure))
    else:
        make = export_ban if args.ban else export_licence
        product = [graph.check_product(p, "--product") for p in _many(args.product)]
        if not product:
            raise _Refused("a hypothetical measure needs --product.")
        focal = _focal(args)
        actors = [focal] if isinstance(focal, str) else list(focal)
        specs = [
            make(a, product=product[0] if len(product) == 1 else product, to=_many(args.ban or args.licence))
            for a in actors
        ]
    progress("applying the measure")
    hit = simulate(graph, specs)
    progress.done()
    unmet = hit.unmet[hit.unmet["high"] > 0]
    if args.buyer:
        names = buyers_named(graph, _many(args.buyer))[0]
        unmet = unmet[
            unmet["node"].isin(pool_rows(graph, names)["node"])
            | ((unmet["kind"] == "producer") & unmet["buyer"].isin(names))
        ]
    unmet = unmet.sort_values(["unmet_share", "node"], ascending=[False, True], kind="stable").reset_index(drop=True)
    found = state(graph, args.measure, day) if args.measure else None
    if args.json:
        body: dict[str, Any] = {
            "format": "supplyrisk.shock/1",
            "measures": [repr(s) for s in specs],
            "on": day,
            "rows": unmet,
            "notes": hit.notes,
        }
        if found is not None:
            body["state"] = {"state": found.state, "because": found.because, "sources": found.sources}
        _say(_json(body))
        return 0
    if found is not None:
        _say(str(found))
    _say(hit.summary(0))
    _say(_table(unmet[["node", "kind", "unmet_share", "low", "high", "unmet", "unit"]], None if args.all else 30))
    return 0


def _optimize(args: argparse.Namespace, progress: _Progress) -> int:
    from .portfolio import budget, max_share, min_suppliers, optimize
    from .report.who import buyers_named

    graph = _graph(args, progress)
    buyers, name = buyers_named(graph, _many(args.buyer) or None)
    products = [graph.check_product(p, "--product") for p in _many(args.product)]
    specs = [] if args.cap is None else [max_share(_focal(args), args.cap, view=args.view)]
    if args.min_suppliers is not None:
        specs.append(min_suppliers(args.min_suppliers))
    if args.budget is not None:
        specs.append(budget(args.budget))
    progress(f"planning for {name}")
    plan = optimize(graph, buyers, product=products or None, constraints=specs, time_limit=args.time_limit)
    progress.done()
    if args.json:
        _say(
            _json(
                {
                    "format": "supplyrisk.plan/1", "buyers": buyers, "constraints": [repr(s) for s in specs], "status": plan.status,
                    "objective_usd_per_year": plan.objective_value, "costs": plan.costs, "shares": plan.shares, "decisions": plan.decisions,
                    "plants": plan.plants, "binding": plan.binding, "duals": plan.duals, "notes": plan.notes, "gaps": plan.gaps,
                    "solver": plan.solver, "solver_version": plan.version, "gap": plan.gap,
                }
            )
        )  # fmt: skip
    else:
        _say(plan.summary())
    return 0


def _validate(args: argparse.Namespace, progress: _Progress) -> int:
    args.graph, args.at = args.folder, None
    graph = _graph(args, progress)
    progress("checking accounts")
    faults = graph.validate()
    open_accounts = graph.balance(args.tolerance)
    progress.done()
    counts = open_accounts.groupby(["account", "status"]).size().reset_index(name="nodes")
    if args.json:
        _say(
            _json(
                {
                    "format": "supplyrisk.validate/1",
                    "graph": graph.name,
                    "fingerprint": graph.fingerprint,
                    "problems": faults,
                    "grades": graph.grades(),
                    "accounts": counts,
                }
            )
        )
    else:
        _say(repr(graph))
        _say(f"{len(faults)} problems")
        if len(faults):
            _say(_table(faults))
        _say("Figures by grade: " + ", ".join(f"{k} {v:.0%}" for k, v in graph.grades().items() if v))
        if len(counts):
            _say(
                f"Accounts that do not close within {args.tolerance:.0%}, or cannot be closed (a gap in the data, not an error):"
            )
            _say(_table(counts))
    return 3 if len(faults) else 0


def _methods(args: argparse.Namespace, progress: _Progress) -> int:
    import importlib

    from .registry import registries

    progress("loading")
    for module in (
        "metrics.score",
        "metrics.governance",
        "metrics.trade",
        "metrics.dependency",
        "portfolio",
        "shocks",
        "sources",
        "plots",
        "report",
    ):
        importlib.import_module(f".{module}", __package__)
    kinds = [args.kind] if args.kind else list(registries)
    for kind in kinds:
        if kind not in registries:
            raise unknown_name("kind", kind, registries, "methods")
    rows = [r for kind in kinds for r in registries[kind].listing()]
    progress.done()
    if args.json:
        _say(_json({"format": "supplyrisk.methods/1", "methods": rows}))
        return 0
    last = ""
    for r in rows:
        if r["kind"] != last:
            last = r["kind"]
            _say(f"\n{last}" if rows[0] is not r else last)
        where = f"  [{r['reference']}]" if r.get("reference") else ""
        _say(f"  {r['name']:<24} {r['summary']}{where}")
    return 0


def _sources(args: argparse.Namespace, progress: _Progress) -> int:
    from . import sources as _readers
    from .registry import registries

    graph = _graph(args, progress)
    progress.done()
    table = graph.table("sources").sort_values("source", kind="stable")
    readers = registries["source"].listing() if _readers else []
    if args.json:
        _say(_json({"format": "supplyrisk.sources/1", "sources": table, "readers": readers}))
        return 0
    _say(f"Sources of {graph.name}:")
    for r in table.to_dict("records"):
        year = "" if _cell(r["year"]) == "-" else f" ({_cell(r['year'])})"
        address = "" if _cell(r["url"]) == "-" else f" {r['url']}"
        _say(f"  {r['source']}: {r['title']}{year}. Terms: {r['licence']} [{r['licence_class']}].{address}")
    if readers:
        _say("Readers of published formats:")
        for entry in readers:
            _say(f"  {entry['name']:<24} {entry['summary']}  [{entry['licence']}]")
    return 0


def _cite(args: argparse.Namespace, progress: _Progress) -> int:
    from . import __version__

    graph = _graph(args, progress)
    progress.done()
    code = f"The supplyrisk developers. supplyrisk {__version__}: critical-mineral and semiconductor supply graphs. BSD-3-Clause."
    used = graph.table("sources").sort_values("source", kind="stable")
    if args.json:
        _say(
            _json(
                {
                    "format": "supplyrisk.cite/1",
                    "software": code,
                    "version": __version__,
                    "graph": graph.name,
                    "fingerprint": graph.fingerprint,
                    "data": used,
                }
            )
        )
        return 0
    _say("Software:")
    _say(f"  {code}")
    _say(f"Data ({graph.name}, fingerprint {graph.fingerprint}); cite the sources that your figures rest on:")
    for r in used.to_dict("records"):
        year = "" if _cell(r["year"]) == "-" else f" ({_cell(r['year'])})"
        _say(f"  {r['title']}{year}. {r['licence']}." + ("" if _cell(r["url"]) == "-" else f" {r['url']}"))
    return 0


# ------------------------------------------------------------------------------------------------- arguments


def _parser() -> _Parser:
    from . import __version__

    codes = "\n".join(f"  {k}  {v}" for k, v in EXIT_CODES.items())
    top = _Parser(
        prog="supplyrisk",
        description="Who can stop this flow, how badly would it hurt, and what to buy, build or stock so that it can't.",
        epilog=f"exit codes:\n{codes}\n\nsupplyrisk COMMAND --help describes a command. No command touches the network.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"supplyrisk {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(
        name: str, run: Callable[..., int], text: str, *, graph: bool = True, at: bool = True
    ) -> argparse.ArgumentParser:
        p = commands.add_parser(
            name, help=text, description=text, epilog=f"exit codes:\n{codes}", formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )  # fmt: skip
        p.set_defaults(run=run)
        if graph:
            p.add_argument(
                "--graph",
                metavar="FOLDER",
                help="your own graph: a folder written by to_parquet(), or csv files named after the tables (default: the embedded atlas)",
            )
        if at:
            p.add_argument(
                "--at", metavar="DATE", help="as known on this day, e.g. 2025-06-30 (default: all that is known)"
            )
        p.add_argument("--json", action="store_true", help="machine-readable result on standard output")
        p.add_argument("--quiet", action="store_true", help="no progress; for brief, no text either")
        return p

    def focal(p: argparse.ArgumentParser) -> None:
        p.add_argument(
            "--focal",
            default="CHN",
            metavar="CODE",
            help="whose grip is measured: ISO3 code(s) with '+' or ',' between (default: CHN, mainland alone)",
        )

    def products(p: argparse.ArgumentParser, what: str) -> None:
        p.add_argument("--product", action="append", metavar="ID", help=f"{what}; repeatable")

    def buyers(p: argparse.ArgumentParser, default: str) -> None:
        p.add_argument(
            "--buyer",
            action="append",
            metavar="WHO",
            help=f"coalition (MSP, G7, EU27 ...) or ISO3 codes, ',' between; repeatable (default: {default})",
        )

    b = command(
        "brief", _brief, "The main job: products, one act, one plan, as text and one HTML file. Needs no argument."
    )
    products(b, "only this product")
    buyers(b, "MSP, the Minerals Security Partnership at its last date")
    focal(b)
    b.add_argument(
        "--measure", metavar="ID", help="act to apply (default: the newest that fits; `supplyrisk shock` lists them)"
    )
    b.add_argument(
        "--cap",
        type=fraction,
        metavar="SHARE",
        help="greatest focal share by control after the plan, 0.65 or 65%% (default: 65%%, or the lowest that can be reached)",
    )
    b.add_argument("--budget", type=usd, metavar="USD", help="most capital the plan may spend, e.g. 5e9 or 5bn")
    b.add_argument("--out", metavar="FILE", help=f"HTML file to write (default: {DEFAULT_OUT})")

    s = command("score", _score, "Dependence of every link, or by product, buyer or stage.")
    products(s, "only this product")
    buyers(s, "all")
    focal(s)
    s.add_argument(
        "--view", default="location", metavar="VIEW", help="location, equity, control or origin (default: location)"
    )
    s.add_argument(
        "--by", action="append", metavar="KEY", help="product, buyer, stage ..., ',' between (default: a row per link)"
    )
    s.add_argument("--csv", action="store_true", help="comma-separated values on standard output")
    s.add_argument("--all", action="store_true", help="all rows")

    k = command(
        "shock",
        _shock,
        "Apply an act, or a hypothetical ban or licence. Without arguments: the acts on record and their state.",
    )
    k.add_argument("--measure", metavar="ID", help="act of the measures table, applied as if in force")
    k.add_argument(
        "--ban",
        action="append",
        metavar="WHO",
        help="hypothetical: the focal bans exports of --product to WHO (ISO3, or ALL)",
    )
    k.add_argument(
        "--licence", action="append", metavar="WHO", help="hypothetical: the focal licenses exports of --product to WHO"
    )
    products(k, "product of a hypothetical measure")
    buyers(k, "everyone hit")
    focal(k)
    k.add_argument("--all", action="store_true", help="all rows")

    o = command("optimize", _optimize, "The cheapest plan that meets the buyers' needs within caps and budget.")
    products(o, "only this product")
    buyers(o, "MSP")
    focal(o)
    o.add_argument("--view", default="control", metavar="VIEW", help="view of the cap (default: control)")
    o.add_argument("--cap", type=fraction, metavar="SHARE", help="greatest focal share in each product, 0.65 or 65%%")
    o.add_argument(
        "--min-suppliers", type=int, metavar="N", help="at least so many supplying countries for each product"
    )
    o.add_argument("--budget", type=usd, metavar="USD", help="most capital the plan may spend, e.g. 5e9 or 5bn")
    o.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop the solver after so long (exit code 5)")

    v = command(
        "validate",
        _validate,
        "Check a graph: every broken rule, grades, accounts that do not close.",
        graph=False,
        at=False,
    )
    v.add_argument("folder", nargs="?", metavar="FOLDER", help="as --graph elsewhere (default: the embedded atlas)")
    v.add_argument(
        "--tolerance",
        type=fraction,
        default=0.02,
        metavar="SHARE",
        help="gap that still counts as closed (default: 2%%)",
    )

    m = command(
        "methods",
        _methods,
        "All metrics, measures, engines, levers, constraints, readers and plots.",
        graph=False,
        at=False,
    )
    m.add_argument("kind", nargs="?", metavar="KIND", help="only this kind")
    command("sources", _sources, "Sources of the figures with their terms, and readers of published formats.", at=False)
    command("cite", _cite, "How to cite the software and the data.", at=False)
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
    progress = _Progress(True)
    try:
        parser = _parser()
        args = parser.parse_args(argv)
        if not args.command:
            parser.print_help(sys.stdout)
            sys.stdout.flush()
            return 0
        progress = _Progress(args.quiet)
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
        _complain("stopped")
        return 130
    except (SupplyRiskError, OSError) as err:
        progress.done()
        _complain(str(err))
        return _code(err)
    return code


def _code(err: Exception) -> int:
    """Exit code of an error."""
    if type(err).__name__ == "WriteError" or isinstance(err, OSError):
        return 6
    if isinstance(err, (_Refused, UnknownNameError)):
        return 2
    if isinstance(err, InfeasibleError):
        return 4
    if isinstance(err, SolverError):
        return 5
    return 3

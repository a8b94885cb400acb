"""One function per command; each reads a public function of the package."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Problem, SourceError, unknown_name
from .terminal import Progress, Refused, as_json, as_table, cell, say

if TYPE_CHECKING:
    import pandas as pd

    from ..graph import SupplyGraph

__all__ = ["DEFAULT_OUT", "brief", "cite", "methods", "optimize", "score", "shock", "sources", "validate"]

DEFAULT_OUT = "supplyrisk-brief.html"
_SHOWN = ("share", "focal_share", "focal_share_low", "focal_share_high", "hhi", "effective_suppliers", "headline")


def _graph(args: argparse.Namespace, progress: Callable[[str], None]) -> SupplyGraph:
    """The atlas, or the user's own graph, as on the day asked for."""
    folder = getattr(args, "graph", None)
    if folder:
        from ..formats import read

        at = Path(folder)
        progress(f"reading {at.name}")
        tables = at.is_dir() and not any((at / m).exists() for m in ("supplyrisk.json", "supplyrisk_csv.json"))
        graph = _read_folder(at) if tables else read(at)
    else:
        from ..atlas import load_atlas

        progress("loading the atlas")
        graph = load_atlas()
    return graph.at(args.at) if getattr(args, "at", None) else graph


def _read_folder(folder: Path) -> SupplyGraph:
    """A graph from a folder of csv files named after the tables; all problems of all files at once."""
    import pandas as pd

    from ..graph import SupplyGraph
    from ..schema import TABLES

    files = sorted(folder.glob("*.csv"))
    problems = [
        Problem(f.name, "-", "-", "not the name of a table", "", f"Tables: {', '.join(TABLES)}.")
        for f in files
        if f.stem not in TABLES
    ]
    if not files:
        problems.append(
            Problem(
                folder.name,
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
        raise SourceError(problems, folder.name)
    return SupplyGraph.from_tables(frames, name=folder.name)


def _focal(args: argparse.Namespace) -> str | tuple[str, ...]:
    from ..jurisdictions import SCOPES

    given = _many(args.focal)
    text = given[0] if len(given) == 1 else tuple(given)
    if isinstance(text, str) and text not in SCOPES and "+" in text:
        return tuple(text.split("+"))
    return text


def _many(values: Sequence[str] | str | None) -> list[str]:
    """Repeated and comma-separated values as one list."""
    given = [values] if isinstance(values, str) else list(values or [])
    return [p.strip() for v in given for p in str(v).split(",") if p.strip()]


def brief(args: argparse.Namespace, progress: Progress) -> int:
    """The brief: page, text or data."""
    from ..report import brief, check_target

    out = check_target(args.out or DEFAULT_OUT)
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
        say(as_json(result.to_dict()))
    elif not args.quiet:
        say(result.text())
    if not args.quiet and not args.json:
        say(f"Written: {out}")
    return 0


def score(args: argparse.Namespace, progress: Progress) -> int:
    """Scores as a table, csv or data."""
    from ..metrics import score

    graph = _graph(args, progress)
    products = [graph.check_product(p, "--product") for p in _many(args.product)]
    buyers: tuple[str, ...] = ()
    if args.buyer:
        from ..report.who import buyers_named

        buyers = buyers_named(graph, _many(args.buyer))[0]
    progress("scoring")
    by = _many(args.by) or ["link"]
    for given, key, option in ((buyers, "buyer", "--buyer"), (products, "product", "--product")):
        if given and key not in by and "link" not in by:
            raise Refused(f"{option} picks rows by {key}: add {key} to --by, e.g. --by product,buyer.")
    frame = score(graph, focal=_focal(args), view=args.view, by=by, bounds=True).reset_index()
    if products:
        frame = frame[frame["product"].isin(products)]
    if buyers:
        frame = frame[frame["buyer"].astype(str).map(_country_of).isin(buyers)]
    progress.done()
    frame = frame.reset_index(drop=True)
    if args.json:
        say(as_json({"format": "supplyrisk.score/1", "focal": args.focal, "view": args.view, "by": by, "rows": frame}))
    elif args.csv:
        say(frame.to_csv(index=False, lineterminator="\n"))
    else:
        keys = [c for c in frame.columns if frame[c].dtype.kind not in "fiu" and c not in ("focal", "view")]
        shown = [*keys, *(c for c in _SHOWN if c in frame.columns)]
        say(f"focal {args.focal}, view {args.view}; largest focal share first")
        order = frame.sort_values(["focal_share", *keys], ascending=[False, *[True] * len(keys)], kind="stable")
        say(as_table(order[shown], None if args.all else 30))
        gone = int(frame["focal_share"].isna().sum())
        if gone:
            say(f"{gone} rows have no focal share, shown as '-' and last: it is not known, which is not 0")
    return 0


def _country_of(buyer: str) -> str:
    from ..schema import parse_node_id

    return parse_node_id(buyer)[1] if "@" in buyer else buyer


def shock(args: argparse.Namespace, progress: Progress) -> int:
    """Acts on record, or one measure applied."""
    from ..report.who import buyers_named, day_of, pool_rows
    from ..shocks import enact, export_ban, export_licence, simulate, state, states

    graph = _graph(args, progress)
    day = day_of(graph, args.at)
    if not args.measure and not args.ban and not args.licence:
        frame = states(graph, day)
        progress.done()
        say(
            as_json({"format": "supplyrisk.measures/1", "on": day, "measures": frame})
            if args.json
            else as_table(frame[["measure", "name", "state", "targets", "kind"]])
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
            raise Refused("a hypothetical measure needs --product.")
        focal = _focal(args)
        actors = [focal] if isinstance(focal, str) else list(focal)
        specs = [
            make(a, product=product[0] if len(product) == 1 else product, to=_many(args.ban or args.licence))
            for a in actors
        ]
    progress("applying the measure")
    hit = simulate(graph, specs)
    progress.done()
    unmet = hit.unmet[(hit.unmet["high"] > 0) & ~(hit.unmet["demand"] <= 0)]  # all of nothing is no loss
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
        say(as_json(body))
        return 0
    if found is not None:
        say(str(found))
    say(hit.summary(0))
    say(as_table(unmet[["node", "kind", "unmet_share", "low", "high", "unmet", "unit"]], None if args.all else 30))
    return 0


def optimize(args: argparse.Namespace, progress: Progress) -> int:
    """A plan."""
    from ..portfolio import budget, max_share, min_suppliers, optimize
    from ..report.who import buyers_named

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
        say(
            as_json(
                {
                    "format": "supplyrisk.plan/1", "buyers": buyers, "constraints": [repr(s) for s in specs], "status": plan.status,
                    "objective_usd_per_year": plan.objective_value, "costs": plan.costs, "shares": plan.shares, "decisions": plan.decisions,
                    "plants": plan.plants, "binding": plan.binding, "duals": plan.duals, "notes": plan.notes, "gaps": plan.gaps,
                    "solver": plan.solver, "solver_version": plan.version, "gap": plan.gap,
                }
            )
        )  # fmt: skip
    else:
        say(plan.summary())
    return 0


def validate(args: argparse.Namespace, progress: Progress) -> int:
    """Broken rules, grades and open accounts of a graph."""
    if args.folder and args.graph and args.folder != args.graph:
        raise Refused(f"two graphs are given, {args.folder!r} and --graph {args.graph!r}: check one at a time.")
    args.graph, args.at = args.folder or args.graph, None
    graph = _graph(args, progress)
    progress("checking accounts")
    faults = graph.validate()
    open_accounts = graph.balance(args.tolerance)
    progress.done()
    counts = open_accounts.groupby(["account", "status"]).size().reset_index(name="nodes")
    if args.json:
        say(
            as_json(
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
        say(repr(graph))
        say(f"{len(faults)} problems")
        if len(faults):
            say(as_table(faults))
        say("Figures by grade: " + ", ".join(f"{k} {v:.0%}" for k, v in graph.grades().items() if v))
        if len(counts):
            say(
                f"Accounts that do not close within {args.tolerance:.0%}, or cannot be closed (a gap in the data, not an error):"
            )
            say(as_table(counts))
    return 3 if len(faults) else 0


def methods(args: argparse.Namespace, progress: Progress) -> int:
    """All that is registered."""
    import importlib

    from ..registry import registries

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
        importlib.import_module(f"supplyrisk.{module}")
    kinds = [args.kind] if args.kind else list(registries)
    for kind in kinds:
        if kind not in registries:
            raise unknown_name("kind", kind, registries, "methods")
    rows = [r for kind in kinds for r in registries[kind].listing()]
    progress.done()
    if args.json:
        say(as_json({"format": "supplyrisk.methods/1", "methods": rows}))
        return 0
    last = ""
    for r in rows:
        if r["kind"] != last:
            last = r["kind"]
            say(f"\n{last}" if rows[0] is not r else last)
        where = f"  [{r['reference']}]" if r.get("reference") else ""
        say(f"  {r['name']:<24} {r['summary']}{where}")
    return 0


def sources(args: argparse.Namespace, progress: Progress) -> int:
    """Sources with their terms, and readers."""
    from ..sources import listing

    graph = _graph(args, progress)
    progress.done()
    table = graph.table("sources").sort_values("source", kind="stable")
    readers = listing()
    if args.json:
        say(as_json({"format": "supplyrisk.sources/1", "sources": table, "readers": readers}))
        return 0
    say(f"Sources of {graph.name}:")
    for r in table.to_dict("records"):
        year = "" if cell(r["year"]) == "-" else f" ({cell(r['year'])})"
        address = "" if cell(r["url"]) == "-" else f" {r['url']}"
        say(f"  {r['source']}: {r['title']}{year}. Terms: {r['licence']} [{r['licence_class']}].{address}")
    if readers:
        say("Readers of published formats:")
        for entry in readers:
            say(f"  {entry['name']:<24} {entry['summary']}  [{entry['licence']}]")
    return 0


def cite(args: argparse.Namespace, progress: Progress) -> int:
    """How to cite software and data."""
    from .. import __version__

    graph = _graph(args, progress)
    progress.done()
    code = f"The supplyrisk developers. supplyrisk {__version__}: critical-mineral and semiconductor supply graphs. BSD-3-Clause."
    used = graph.table("sources").sort_values("source", kind="stable")
    if args.json:
        say(
            as_json(
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
    say("Software:")
    say(f"  {code}")
    say(f"Data ({graph.name}, fingerprint {graph.fingerprint}); cite the sources that your figures rest on:")
    for r in used.to_dict("records"):
        year = "" if cell(r["year"]) == "-" else f" ({cell(r['year'])})"
        say(f"  {r['title']}{year}. {r['licence']}." + ("" if cell(r["url"]) == "-" else f" {r['url']}"))
    return 0

"""Several readings put together into one graph, with nothing that a file said lost without a word."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..entry import in_own_units
from ..errors import Problem, SchemaError
from ..inputs import six_digits
from ..overlays import EARLIER
from ..retained import worked_out
from ..schema import TABLES, parse_node_id
from ..vintages import family
from .report import Reading

if TYPE_CHECKING:
    from ..graph import SupplyGraph
    from ..ledger import Mode

__all__ = ["MagnitudeWarning", "together"]

_ASSEMBLED = ("products", "production", "trade", "concordance", "demand", "sourcing", "costs", "recipes")
_TYPED = ("nodes", "links", "demand", "stocks", "holdings")
_ONE = {
    "production": ["product", "country", "site", "what", "year"],
    "demand": ["product", "country", "use", "year"],
    "sourcing": ["product", "buyer", "supplier", "year"],
    "trade": ["hs6", "origin", "destination", "year"],
}
# What a release states or what is worked out of it.
_FIGURES = {
    "nodes": ["output", "output_low", "output_high"],
    "links": ["quantity", "low", "high", "value"],
    "demand": ["quantity", "low", "high"],
}
_APART = ((2.5, 3.5), (5.5, 6.5), (8.5, 9.5))  # decades between kg and t, t and kt, g and t ...


class MagnitudeWarning(UserWarning):
    """One figure stands in two releases about a thousand times apart: a unit is wrong in one of them."""


def together(
    *readings: Reading,
    name: str = "from files",
    as_of: str | None = None,
    balanced: bool = False,
    conflicts: Mode = "report",
    **tables: pd.DataFrame,
) -> SupplyGraph:
    """One graph out of several readings: production, trade, use and registers put together by ``assemble``.

    Parameters
    ----------
    *readings : Reading
        What readers return. Statistics (``inputs``) are assembled; registers (``countries``, ``holdings`` ...) are
        taken as they are, and so are the nodes and links of readings that state them themselves (networks of firms,
        registers of mines).
    name, as_of, balanced, conflicts
        As for :func:`supplyrisk.assemble.assemble`.
    **tables : DataFrame
        Your own registers or statistics, e.g. ``holdings=...`` or ``recipes=...``.

    Returns
    -------
    SupplyGraph
        Its ``history`` says what was read and what of it is left out or no longer of today, and why.

    Raises
    ------
    SchemaError
        A product that two readings measure in different units, two publishers that state the same figure, an argument
        that is no table (an ensemble: :func:`supplyrisk.reconcile.balance_flows` of the graph), or what the assembly refuses.

    Warns
    -----
    MagnitudeWarning
        A figure of one place, product and year stands in two releases about a thousand (or a million) times apart, as
        kilograms taken for tonnes are; both rows are named, in the graph's history too, and marked in their notes.

    Notes
    -----
    Several years: the newest year of each publisher's statistic of a product is today's market; a flow or a producer that it
    no longer lists is history, in ``history`` and in the graph of its day (:meth:`SupplyGraph.at`).
    Two releases of one publisher: the newer figure counts, and the graph of an earlier day
    (:meth:`SupplyGraph.at`) has the figure that was out by then. Of trade the newer version counts by heading and year as
    a whole: a flow that it no longer has is no more. A mine inside a country whose output the statistics
    give is part of that total: it is not added to it, and its owners hold parts of the country's node.

    Examples
    --------
    >>> import pandas as pd
    >>> from supplyrisk.sources import Report
    >>> from supplyrisk.sources.hs import product_headings
    >>> from supplyrisk.sources.commodities import product_rows
    >>> trade = pd.DataFrame([dict(hs6="850511", origin="CHN", destination="USA", year=2024, quantity=3.0, value=9.0)])
    >>> reading = Reading({}, trade, Report("mine", "mine.csv", "private"), {"trade": trade,
    ...     "products": product_rows(["ndfeb.magnet"]), "concordance": product_headings(["ndfeb.magnet"])})
    >>> together(reading).links.query("method == 'observed'")[["supplier", "buyer"]].values.tolist()
    [['ndfeb.magnet@CHN', 'ndfeb.magnet@USA:demand']]
    """
    _tables_only(tables)
    parts, typed = _sorted_out(readings, tables)
    joined = {k: pd.concat([f for f in v if len(f)] or v[:1], ignore_index=True) for k, v in parts.items()}
    for key, frames in parts.items():
        gone = [entry for f in frames for entry in f.attrs.get("left_out", ())]
        joined[key].attrs = {"left_out": gone} if gone else {}
    joined["products"] = _products(joined, typed)
    for key, what in (("concordance", ["hs6", "product"]), ("sources", ["source"])):
        if key in joined:
            joined[key] = joined[key].drop_duplicates(what)
    joined.setdefault("production", pd.DataFrame())
    _own_units(joined)
    editions = _check_publishers(joined)
    history = [f"read {r.report.path} ({r.report.vintage}) ({r.report.licence_class})" for r in readings]
    history += _magnitudes(joined)
    graph = _assembled(joined, name, as_of, history)
    graph = _with_typed(graph, typed)
    older: dict[str, pd.DataFrame] = {}
    past: list[dict[str, pd.DataFrame]] = []
    for day in editions[:-1] if len(editions) > 1 else ():
        known = {k: _known_on(f, day) if k in _ONE else f for k, f in joined.items()}
        for f in known.values():
            f.attrs = {}  # said once
        older = _known_since(_assembled(known, name, as_of, history).tables, older, day)
        past.append(older)
    if past:
        graph = dataclasses.replace(graph, tables={**graph.tables, **_known_since(graph.tables, older, editions[-1])})
    from ..reconcile import balance_flows

    graph = _with_earlier(graph, past)
    # What readings state themselves (networks of firms, registers of mines) stays as they state it.
    stated = {str(p) for k in ("production", "trade", "demand", "sourcing") for p in _products_of(joined, k)}
    mine = sorted(stated & set(graph.index.links["product"].astype(str)))
    return balance_flows(graph, mine, conflicts=conflicts) if balanced and mine else graph


def _products_of(joined: dict[str, pd.DataFrame], key: str) -> set[str]:
    """Products that a table of statistics speaks of."""
    frame = joined.get(key)
    if frame is None or not len(frame):
        return set()
    if key == "trade":
        con = joined.get("concordance", pd.DataFrame(columns=["hs6", "product"]))
        return set(con.loc[six_digits(con["hs6"]).isin(six_digits(frame["hs6"])), "product"].astype(str))
    return set(frame["product"].dropna().astype(str)) if "product" in frame else set()


def _own_units(joined: dict[str, pd.DataFrame]) -> None:
    """Bring every statistic to the units of the graph's products, so that releases can be compared."""
    problems: list[Problem] = []
    for key in _ASSEMBLED:
        frame = joined.get(key)
        if frame is not None and {"unit", "basis"} & set(frame.columns) and key != "products":
            joined[key], odd = in_own_units(key, frame, joined["products"])
            joined[key].attrs = dict(frame.attrs)
            problems += odd
    if problems:
        raise SchemaError(problems, "the readings put together")


def _tables_only(tables: dict[str, pd.DataFrame]) -> None:
    """Refuse what is no table: options of the assembly, with the way to them, and everything else."""
    balancing = (
        "Draw from the graph afterwards: supplyrisk.reconcile.balance_flows(graph, {0}=...), or use assemble({0}=...)."
    )
    ways = ("ensemble", "seed")
    problems: list[Problem] = []
    for key, given in tables.items():
        if not isinstance(given, pd.DataFrame):
            remedy = balancing.format(key) if key in ways else "Give a DataFrame."
            problems.append(Problem("together", "-", key, "not a table", repr(given)[:60], remedy))
    if problems:
        raise SchemaError(problems, "the readings put together")


def _sorted_out(
    readings: tuple[Reading, ...], tables: dict[str, pd.DataFrame]
) -> tuple[dict[str, list[pd.DataFrame]], dict[str, list[pd.DataFrame]]]:
    """What is assembled or taken as a register, and what states nodes and links itself."""
    parts: dict[str, list[pd.DataFrame]] = {}
    typed: dict[str, list[pd.DataFrame]] = {}
    for reading in readings:
        # The nodes and links of a reading with statistics are the same figures in another shape.
        skip = {"nodes", "links", *reading.inputs} if reading.inputs else set()
        for key, frame in reading.tables.items():
            if key not in skip:
                (typed if key in _TYPED else parts).setdefault(key, []).append(frame)
        for key, frame in reading.inputs.items():
            parts.setdefault(key, []).append(frame)
    for key, frame in tables.items():
        own = key in _TYPED and (key != "demand" or "node" in frame.columns)
        (typed if own else parts).setdefault(key, []).append(frame)
    return parts, typed


def _products(joined: dict[str, pd.DataFrame], typed: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """One row a product; those that only rows speak of come from this package's own register."""
    from .commodities import declared, product_rows

    products = joined.get("products", TABLES["products"].empty())
    problems = []
    if len(products):
        several = products.groupby("product")[["unit", "basis"]].nunique().max(axis=1)
        rule, remedy = "two readings measure it differently", "Read one of them with products=."
        problems = [Problem("products", str(p), "unit", rule, "", remedy) for p in several.index[several > 1]]
    if problems:
        raise SchemaError(problems, "the readings put together")
    frames = [*joined.items(), *((k, f) for k, fs in typed.items() for f in fs)]
    spoken = {
        str(p) for k, f in frames if k != "products" for c in ("product", "input") if c in f for p in f[c].dropna()
    }
    for frames_of in typed.values():
        ids = (
            str(n) for f in frames_of for c in ("node", "supplier", "buyer") if c in f for n in f[c].dropna().unique()
        )
        spoken |= {n.partition("@")[0] for n in ids if "@" in n}
    new = (spoken - set(products["product"])) & declared()
    out = products.drop_duplicates("product")
    return pd.concat([out, product_rows(new, unit="t")], ignore_index=True) if new else out


def _check_publishers(joined: dict[str, pd.DataFrame]) -> list[str]:
    """Refuse one figure from two publishers; days of publication of one publisher's releases, oldest first."""
    days: set[str] = set()
    problems = []
    for key, columns in _ONE.items():
        frame = joined.get(key)
        if frame is None or not len(frame) or "source" not in frame:
            continue
        have = [c for c in columns if c in frame]
        again = frame[frame.duplicated(have, keep=False)]
        if not len(again):
            continue
        by = [again[c].astype("object").where(again[c].notna(), "") for c in have]
        several = family(again["source"]).groupby(by).transform("nunique") > 1
        for product, rows in again[several].groupby(columns[0]):
            who = ", ".join(sorted(set(rows["source"].astype(str))))
            remedy = "Read one of them with products= so that each product has one publisher."
            problems.append(Problem(key, str(product), "quantity", "two publishers state it for one year", who, remedy))
        if "published_on" in again:
            days |= set(again["published_on"].dropna().astype(str))
            # The newest comes last; of releases without a day, that whose id has the later year.
            joined[key] = frame.sort_values(
                ["published_on", "source"], kind="stable", na_position="first", ignore_index=True
            )
    if problems:
        raise SchemaError(problems, "the readings put together")
    return sorted(days)


def _magnitudes(joined: dict[str, pd.DataFrame]) -> list[str]:
    """Figures that two releases state in different orders of magnitude; their rows are marked, and named."""
    lines: list[str] = []
    for key, columns in _ONE.items():
        frame = joined.get(key)
        if frame is None or not len(frame) or not {"source", "quantity"} <= set(frame.columns):
            continue
        have = [c for c in columns if c in frame]
        amount = pd.to_numeric(frame["quantity"], errors="coerce").astype("float64")
        known = frame[have].astype("object").fillna("").assign(amount=amount, source=frame["source"].astype("string"))
        known = known[amount > 0]
        sides = known.sort_values("amount", kind="stable").groupby(have, sort=False)
        low, high = sides.head(1).set_index(have), sides.tail(1).set_index(have)
        times = (high["amount"] / low["amount"].reindex(high.index)).to_numpy(dtype=float)
        gap = pd.Series(np.log10(times), index=high.index)
        odd = pd.Series(False, index=gap.index)
        for a, b in _APART:
            odd |= gap.between(a, b)
        if not odd.any():
            continue
        at = pd.MultiIndex.from_frame(frame[have].astype("object").fillna(""))
        hit = at.isin(gap.index[odd])
        note = frame["note"].astype("object") if "note" in frame else pd.Series(None, index=frame.index, dtype="object")
        said = "about a thousand or a million times apart from another release: check the unit"
        joined[key] = frame.assign(
            note=note.where(~hit, note.where(note.isna(), note.astype("str") + "; ").fillna("") + said)
        )
        for where in gap.index[odd][:8]:
            pair = [f"{p.loc[where, 'amount']:g} ({p.loc[where, 'source']})" for p in (low, high)]
            lines.append(f"check the unit of {key} {' '.join(str(w) for w in where if w != '')}: {' and '.join(pair)}")
        if int(odd.sum()) > 8:
            lines.append(f"check the unit of {key}: {int(odd.sum()) - 8} more figures stand as far apart")
    if lines:
        warnings.warn("\n".join(lines), MagnitudeWarning, stacklevel=3)
    return lines


def _known_on(frame: pd.DataFrame, day: str) -> pd.DataFrame:
    if not len(frame) or "published_on" not in frame:
        return frame
    return frame[frame["published_on"].isna() | (frame["published_on"].astype("string") <= day)]


def _assembled(joined: dict[str, pd.DataFrame], name: str, as_of: str | None, history: list[str]) -> SupplyGraph:
    """The newest figure of each kind, assembled."""
    from ..assemble import assemble

    given: dict[str, Any] = {k: v for k, v in joined.items() if k in _ASSEMBLED}
    for key, columns in _ONE.items():
        if key in given and len(given[key]) and "published_on" in given[key]:
            given[key] = _latest(given[key], [c for c in columns if c in given[key]])
    if "trade" in given and len(given["trade"]) and "source" in given["trade"]:
        given["trade"] = _newest(given["trade"])
    rest = {k: v for k, v in joined.items() if k not in _ASSEMBLED}
    graph: SupplyGraph = assemble(name=name, as_of=as_of, history=history, tables=rest, balanced=False, **given)
    return graph


def _latest(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Of each figure the rows of the newest release, which comes last; what that says twice is for the assembly to refuse."""
    release = pd.Series("", index=frame.index, dtype="string")
    for c in [c for c in ("source", "published_on") if c in frame]:
        release = release + " " + frame[c].astype("string").fillna("")
    newest = release.groupby([frame[c] for c in columns], dropna=False).transform("last")
    kept = frame[release == newest]
    return kept[~kept.duplicated()]


def _newest(trade: pd.DataFrame) -> pd.DataFrame:
    """Of each heading and year the flows of a publisher's newest version, which comes last."""
    by = [trade["hs6"], trade["year"], family(trade["source"])]
    return trade[trade["source"] == trade.groupby(by)["source"].transform("last")]


def _known_since(
    tables: Mapping[str, pd.DataFrame], older: Mapping[str, pd.DataFrame], day: str
) -> dict[str, pd.DataFrame]:
    """Tables of statistics in which what was worked out otherwise on the day before is known from this day on.

    ``older`` are those of the release before; none of the first. What a release alters goes into everything that is
    worked out from it: rests of totals, flows that are what others leave, uses that are what is left of an inflow.
    """
    out = {}
    for key, figures in _FIGURES.items():
        frame, before = tables[key], older.get(key)
        out[key] = frame
        if before is None or not len(frame):
            continue
        keys = list(TABLES[key].key)
        same = [*keys, *figures]
        now, then = (f[same].astype(dict.fromkeys(figures, "float64")).round(9).fillna(-1.0) for f in (frame, before))
        told = pd.MultiIndex.from_frame(now.astype("object")).isin(pd.MultiIndex.from_frame(then.astype("object")))
        new = worked_out(key, frame) & ~told
        own = frame["published_on"].astype("object")
        late = new & (own.isna() | (own.fillna("").astype("str") < day))
        out[key] = frame.assign(published_on=own.mask(late, day).astype(frame["published_on"].dtype))
    return out


def _with_earlier(graph: SupplyGraph, past: list[dict[str, pd.DataFrame]]) -> SupplyGraph:
    """Keep what earlier releases said, oldest first, for the graph of an earlier day."""
    beneath = dict(graph.beneath)
    for key in _FIGURES:
        parts = [older[key] for older in past if len(older[key])]
        if parts:
            beneath[EARLIER + key] = pd.concat(parts, ignore_index=True)
    return dataclasses.replace(graph, beneath=beneath) if past else graph


def _with_typed(graph: SupplyGraph, typed: dict[str, list[pd.DataFrame]]) -> SupplyGraph:
    """Nodes, links, use, stocks and owners that readings state themselves, beside what was assembled."""
    given = {k: pd.concat([f for f in v if len(f)], ignore_index=True) for k, v in typed.items() if any(map(len, v))}
    if not given:
        return graph
    notes: list[str] = []
    have = graph.tables["nodes"]
    made = have[(have["kind"] == "producer") & have["site"].isna()]
    totals = set(zip(made["product"].astype(str), made["country"].astype(str), strict=True))
    nodes = given.get("nodes", pd.DataFrame({"node": pd.Series(dtype="object")}))
    ends = {"links": ("supplier", "buyer"), "demand": ("node",), "stocks": ("node",)}
    spoken = pd.Series(
        [str(n) for k, cs in ends.items() if k in given for c in cs if c in given[k] for n in given[k][c].dropna()],
        dtype="object",
    )
    ids = pd.Index(nodes["node"].dropna().astype(str)).union(pd.Index(spoken.unique()), sort=False)
    known = set(have["node"].astype(str))
    inside = {n for n in ids if n not in known and parse_node_id(n)[3] == "producer" and parse_node_id(n)[:2] in totals}
    doubled = nodes["node"].astype(str).isin(known)
    left = nodes["node"].astype(str).isin(inside)
    if left.any():
        which = ", ".join(sorted({parse_node_id(n)[0] for n in inside})[:8])
        notes.append(f"left out: {len(inside)} sites inside countries whose output the statistics give ({which})")
    if doubled.any():
        notes.append(f"left out: {int(doubled.sum())} rows of nodes for which the statistics have a figure")
    kept = nodes[~left & ~doubled]
    bare = sorted(set(spoken) - known - inside - set(kept["node"].astype(str)))
    out: dict[str, pd.DataFrame] = {}
    for key, columns in ends.items():
        if key not in given:
            continue
        lost = given[key][list(columns)].isin(inside).any(axis=1)
        if lost.any():
            notes.append(f"left out: {int(lost.sum())} rows of {key} of such sites")
        spec = TABLES[key]
        again = pd.concat([graph.tables[key], given[key][~lost]], ignore_index=True)
        first = ~again.duplicated([c for c in spec.key if c in again], keep="first")
        if (~first).any():
            notes.append(f"left out: {int((~first).sum())} rows of {key} that the statistics or another reading have")
        out[key] = again[first]
    extra = [kept, _bare(bare)] if bare else [kept]
    frames = [f.astype("object") for f in (have, *extra) if len(f)]
    both = pd.concat(frames, ignore_index=True) if frames else have
    out["nodes"] = both[~both.duplicated(["node", *(["year"] if "year" in both else [])], keep="first")]
    if "holdings" in given:
        out["holdings"] = _parts(given["holdings"], nodes[left], made, inside, notes)
    for text in notes:
        graph = graph._with(graph.tables, text)
    return graph.replace("with the nodes and links that readings state themselves", **out)


def _bare(ids: list[str]) -> pd.DataFrame:
    """Nodes that rows speak of and nobody describes."""
    parsed = [parse_node_id(n) for n in ids]
    return pd.DataFrame(
        [
            {"node": n, "product": p, "country": c, "site": s, "kind": k}
            for n, (p, c, s, k) in zip(ids, parsed, strict=True)
        ]
    )


def _parts(
    holdings: pd.DataFrame, sites: pd.DataFrame, made: pd.DataFrame, inside: set[str], notes: list[str]
) -> pd.DataFrame:
    """Owners of sites inside a country's total hold parts of the country's node, by what the site makes of it."""
    asset = holdings["asset"].astype(str)
    hit = asset.isin(inside)
    if not hit.any():
        return holdings
    parsed = {n: parse_node_id(n) for n in asset[hit].unique()}
    country = asset[hit].map({n: f"{p}@{c}" for n, (p, c, _, _) in parsed.items()})
    total = made.sort_values("year").drop_duplicates("node", keep="last").set_index("node")["output"]
    own = pd.Series(dtype=float)
    if "output" in sites and len(sites):
        newest = sites.sort_values("year").drop_duplicates("node", keep="last")
        own = pd.to_numeric(newest.set_index("node")["output"], errors="coerce")
    portion = pd.DataFrame({"site": list(parsed), "of": [f"{p}@{c}" for p, c, _, _ in parsed.values()]})
    portion["part"] = portion["site"].map(own).astype(float) / portion["of"].map(total).astype(float)
    sums = portion.groupby("of")["part"].transform("sum")
    portion["part"] = portion["part"].where((sums <= 1.0) & np.isfinite(portion["part"]))
    out = holdings.copy()
    site = asset[hit].map({n: s or "" for n, (_, _, s, _) in parsed.items()})
    out["part"] = out["part"].astype("object") if "part" in out else ""
    out.loc[hit, "part"] = [f"{s}, {p}" if p else s for s, p in zip(site, out.loc[hit, "part"].fillna(""), strict=True)]
    if "portion" not in out:
        out["portion"] = np.nan
    given = pd.to_numeric(out.loc[hit, "portion"], errors="coerce")
    several = out[hit].groupby(asset[hit])["part"].transform("nunique") > 1  # how a site is parted nobody says
    given = given.mask(given.isna() & ~several, 1.0)
    out.loc[hit, "portion"] = given * asset[hit].map(portion.set_index("site")["part"]).astype(float)
    for column in ("portion_low", "portion_high"):
        if column in out:
            out.loc[hit, column] = np.nan
    out.loc[hit, "asset"] = country
    notes.append(f"{len(parsed)} sites with owners are parts of their country's node")
    return out

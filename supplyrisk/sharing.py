"""The part of a graph that may be passed on: by licence class of the sources, and without overlays.

What an overlay covers comes back: the public row beneath an overlaid one, in facts and in registers. So does what an
earlier public release said where a later one stays at home. What was worked out of figures that stay at home goes, or is
worked out again of the public ones (:mod:`supplyrisk.implied`). Figures of private sources and of overlays are in no sum.
Restricted published figures may be in one if enough owners stand behind it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from .accounts import latest
from .books import BALANCED
from .graph import SupplyGraph
from .implied import bound_again, homes, left_uses, makers_named, pools_named, renamed, rests, stated_nodes, stated_uses
from .overlays import EARLIER, OVERLAID
from .retained import CUT, PUBLIC_LICENCES, STATED, WORKED, behind, rests_on_overlays, tied, worked_out
from .schema import LICENCES, TABLES, Table
from .vintages import ESTIMATED, NEWEST

__all__ = ["PUBLIC_LICENCES", "public_part"]

_SUM = "aggregate_of_restricted"
_FEWEST = 3  # owners behind a sum: with two, each knows the other's figure
_MOST = 0.8  # of a sum: an owner with more than that is the sum
_OTHERS = 0.1  # of the largest: so much at least the second largest must not know
# Lines of the history that count, or name, what was worked out.
_COUNTS = (*WORKED, "throughput of", "the newest year of each", "of today only", "holdout")
_OWN = tuple(
    f"({c})" for c in LICENCES if c not in PUBLIC_LICENCES
)  # lines of the history about files that are not for others
_NODES_OF = {"links": ("supplier", "buyer"), "demand": ("node",), "stocks": ("node",), "holdings": ("asset",)}
_STATISTICS = ("nodes", "links", "demand")
_TOLD = "worked out of figures that may not be passed on, by product"
_LEAVES = "what is left of it tells a figure that may not be passed on"
_WITHHELD = "a figure that may not be passed on"
Frames = Mapping[str, pd.DataFrame]


def public_part(graph: SupplyGraph, minimum: int) -> tuple[SupplyGraph, list[dict[str, Any]]]:
    """The graph without what may not be passed on, and counts of what went.

    Parameters
    ----------
    graph : SupplyGraph
        Graph.
    minimum : int
        As for :func:`supplyrisk.formats.export`.

    Returns
    -------
    tuple of (SupplyGraph, list of dict)
        Valid graph; ``table, what, reason, rows``.

    Examples
    --------
    >>> public_part(SupplyGraph.from_tables(), 3)[1]
    []
    """
    out = {k: v.copy() for k, v in graph.tables.items()}
    report: list[dict[str, Any]] = []

    def say(table: str, what: str, reasons: pd.Series) -> None:
        for reason, rows in reasons.dropna().value_counts(sort=False).items():
            report.append({"table": table, "what": what, "reason": str(reason), "rows": int(rows)})

    before = set(out["products"]["product"]) & _used(out)
    _uncover(out, graph.beneath, report)
    inferred = _inferred(graph, out)
    limited = _limited(graph, inferred)
    if inferred:
        _go_back(out, graph, inferred)
        out["nodes"] = stated_nodes(out["nodes"], inferred, limited)
        out["demand"], hidden = stated_uses(out["demand"], inferred, _drawn(graph, out, inferred))
        if hidden:
            report.append({"table": "demand", "what": "quantity blanked", "reason": _LEAVES, "rows": hidden})
    terms = dict(zip(out["sources"]["source"].astype(str), out["sources"]["licence_class"].astype(str), strict=True))
    barred = {s: t for s, t in terms.items() if t not in PUBLIC_LICENCES}
    if OVERLAID + "sources" in graph.beneath:  # a source that only an overlay names is the overlay's own
        barred |= {str(s): "overlay" for s in graph.beneath[OVERLAID + "sources"]["source"] if str(s) not in terms}

    def why(column: pd.Series) -> pd.Series:
        return column.astype("object").map(barred)

    products = out["products"] = out["products"].copy()
    hit = why(products["price_source"])
    say("products", "price blanked", hit)
    for c in ("price", "price_low", "price_high", "price_year", "price_source", "price_grade"):
        products[c] = products[c].mask(hit.notna())
    held: list[pd.DataFrame] = []
    lost: dict[str, pd.DataFrame] = {}
    worked: dict[str, pd.DataFrame] = {}
    for name, spec in TABLES.items():
        frame = out[name]
        if not spec.fact or not len(frame):
            continue
        reason = why(frame["source"]).astype("object")
        reason = reason.mask(frame["origin_tag"].astype("object") != "public", "overlay")
        told = _told(name, frame, inferred)
        open_ = reason.isna()
        reason = reason.mask(told)
        for q in spec.quantities:
            if q.prefixed:
                hit = why(frame[q.source]).where(reason.isna())
                if name == "nodes" and q.name == "output":
                    of = reason.mask(reason.eq("restricted") & why(frame[q.source]).notna(), why(frame[q.source]))
                    held.append(frame[(of.notna() | hit.notna())].assign(_why=of.fillna(hit)))
                say(name, f"{q.name} blanked", hit)
                _blank(frame, q.name, hit.notna(), spec)
        say(name, "dropped", reason)
        lost[name], worked[name] = frame[reason.notna()], frame[told & open_]
        out[name] = frame[reason.isna() & ~told]
    past = _past(graph.beneath, set(barred))
    if inferred:
        # What is worked out is counted by product: how many rows there were may rest on what stays at home.
        for name in _STATISTICS:
            report.append({"table": name, "what": "dropped", "reason": _TOLD, "rows": len(inferred)})
        _bring_back(out, lost, past, report)
        _work_out_again(out, worked, past, inferred, graph, report)
    out["nodes"] = _skeleton(
        out, pd.concat([lost[n] for n in ("nodes",) if n in lost] or [out["nodes"].iloc[:0]]), report
    )
    _add_sums(out, held, minimum, report)
    _let_stand(out, held, report)
    known = {
        str(n)
        for t in (graph.tables, graph.beneath)
        for k in ("nodes", EARLIER + "nodes")
        if k in t
        for n in t[k]["node"]
    }
    gone = known - set(out["nodes"]["node"])
    for name, columns in _NODES_OF.items():
        for c in columns:
            out[name] = out[name][~out[name][c].isin(gone)]
    out["gaps"] = out["gaps"][~out["gaps"]["product"].isin(inferred)]
    silent = before - _used(out)  # a product that only these rows spoke of is part of what they tell
    for name in ("products", "gaps"):
        out[name] = out[name][~out[name]["product"].isin(silent)]
    if silent:
        report.append({"table": "products", "what": "dropped", "reason": "no row left", "rows": len(silent)})
    out["sources"] = out["sources"][~out["sources"]["source"].isin(set(barred))]
    say("sources", "dropped", pd.Series([t for t in barred.values() if t != "overlay"], dtype="object"))
    history = _history(graph, {str(s) for s in barred} | gone, bool(inferred))
    frames = {k: v.reset_index(drop=True) for k, v in out.items()}
    shared = SupplyGraph.from_tables(
        frames, name=graph.name, as_of=graph.as_of, history=(*history, "public part"), policy=graph.policy
    )
    kept = _public_past(past, shared.tables, inferred, limited, gone)
    return (dataclasses.replace(shared, beneath=kept) if kept else shared), report


def _history(graph: SupplyGraph, hidden: set[str], counted: bool) -> list[str]:
    """Lines of the history that speak of nothing which stays at home: no file, source, node, figure or count of it."""
    kept = []
    for line in graph.history:
        if counted and line.startswith(_COUNTS):
            continue
        words = {w.strip("(),;:'\"") for w in line.split()}
        if not line.startswith(("overlay ", "replaced ")) and not line.endswith(_OWN) and not words & hidden:
            kept.append(line)
    return kept


def _past(beneath: Frames, barred: set[str]) -> dict[str, pd.DataFrame]:
    """What public sources said in earlier releases, and of which year public series are; nothing of overlays."""
    out = {}
    for key, frame in beneath.items():
        if key.startswith((EARLIER, NEWEST)) and len(frame):
            name = key.removeprefix(EARLIER).removeprefix(NEWEST)
            keep = frame["origin_tag"].astype("object").eq("public").to_numpy(dtype=bool)
            for c in {"source", *(q.source for q in TABLES[name].quantities)} & set(frame.columns):
                keep = keep & ~frame[c].isin(barred).to_numpy(dtype=bool)
            out[key] = frame[keep].reset_index(drop=True)
    return out


def _public_past(
    past: Frames, tables: Frames, inferred: set[str], limited: set[str], gone: set[str]
) -> dict[str, pd.DataFrame]:
    """What is kept beside the public part: nothing that was worked out of figures that stay at home, or that it has."""
    out: dict[str, pd.DataFrame] = {}
    ids = set(tables["nodes"]["node"].astype(str))
    products = set(tables["products"]["product"].astype(str))
    for key in sorted(past, key=lambda k: not k.endswith(":nodes")):
        name = key.removeprefix(EARLIER).removeprefix(NEWEST)
        frame = past[key]
        if name == "nodes":
            frame = stated_nodes(frame, inferred, limited)
        keep = ~_told(name, frame, inferred)
        if key.startswith(EARLIER):
            columns = [*TABLES[name].key, "published_on"]
            keep &= ~_pairs(frame, columns).isin(_pairs(tables[name], columns)) | ~_of(name, frame).isin(inferred)
        ends = ("node",) if name == "nodes" else _NODES_OF.get(name, ())
        if name == "nodes":
            silent = frame[["output", "output_low", "capacity"]].isna().all(axis=1)
            keep &= ~(silent & frame["product"].isin(inferred)) & frame["product"].isin(products)
        for c in ends:
            keep &= ~frame[c].isin(gone) if name == "nodes" or key.startswith(NEWEST) else frame[c].isin(ids)
        if keep.any():
            out[key] = frame[keep].reset_index(drop=True)
            if key == EARLIER + "nodes":
                ids |= set(out[key]["node"].astype(str))
    return out


def _pairs(frame: pd.DataFrame, columns: Iterable[str]) -> pd.MultiIndex:
    rows = frame[list(columns)].astype("object")
    return pd.MultiIndex.from_frame(rows.where(rows.notna(), ""))


def _of(name: str, frame: pd.DataFrame) -> pd.Series:
    """Product of each row."""
    of = frame["product"] if "product" in frame else frame["node"].astype("str").str.replace("@.*", "", regex=True)
    return of.astype("object")


def _inferred(graph: SupplyGraph, tables: Frames) -> set[str]:
    """Products with rows that may have been worked out of figures which are not for others.

    These are the products of barred rows that were there when the graph was put together, whether an overlay covers
    them, a selection left them out or an earlier release had them; and those of overlays where flows were balanced after
    them. ``tables`` are the graph's, without what covers them.
    """
    later = rests_on_overlays(graph.history)
    every = {**tables, "sources": pd.concat([tables["sources"], graph.tables["sources"]]).drop_duplicates("source")}
    found = behind(every, overlays=later)
    parts = {n: graph.beneath[EARLIER + n] for n in _STATISTICS if EARLIER + n in graph.beneath}
    found |= behind(
        {**every, **parts},
        {n: f["node" if n != "links" else "buyer"].notna().to_numpy() for n, f in parts.items()},
        overlays=later,
    )
    if CUT + "products" in graph.beneath:
        found |= set(graph.beneath[CUT + "products"]["product"].astype(str))
    return tied(_recipes(graph), found, _follow(graph))


def _follow(graph: SupplyGraph) -> set[str]:
    """Products with makers whose output balancing found from their inputs, or may have: estimates of these rest on both."""
    said = graph.tables["links"]["note"].astype("object").dropna().astype(str)
    if not any(h.startswith(WORKED) for h in graph.history) and not said.str.contains(BALANCED, regex=False).any():
        return set()
    out: set[str] = set()
    for f in _all_nodes(graph):
        open_ = (f["kind"] == "producer") & (f["output"].isna() | f["output_source"].isna())
        out |= set(f.loc[open_, "product"].astype(str))
    # Of what has left the graph nobody says whose output is known.
    return out | set(graph.beneath.get(CUT + "recipes", {"product": pd.Series(dtype="str")})["product"].astype(str))


def _recipes(graph: SupplyGraph) -> pd.DataFrame:
    """What is made of what, with recipes that have left the graph; nobody says of these whether they are by-products'."""
    own = graph.tables["recipes"][["product", "input", "host"]].astype("object")
    parts = [own.assign(host=own["host"].fillna(False).astype(bool))]
    for key in ("recipes", CUT + "recipes"):
        if key in graph.beneath:
            rows = graph.beneath[key][["product", "input"]].astype("object")
            of = graph.beneath[CUT + "products"]["product"] if key == CUT + "recipes" else rows["product"]
            parts.append(rows.assign(host=rows["product"].isin(set(of))))
    return pd.concat(parts, ignore_index=True)


def _limited(graph: SupplyGraph, inferred: set[str]) -> set[str]:
    """By-products whose bounds may tell the throughput of a host that stays at home."""
    r = _recipes(graph)
    return set(r.loc[r["host"].astype(bool) & r["input"].isin(inferred), "product"].astype(str))


def _drawn(graph: SupplyGraph, out: Frames, inferred: set[str]) -> pd.Series:
    """Uses of such products where something is made of them: beside the use that the source states, the rest tells the draw."""
    r = _recipes(graph)
    places = [f.loc[f["kind"] == "producer", ["product", "country"]] for f in _all_nodes(graph)]
    senders = out["links"].loc[~out["links"]["method"].isin(ESTIMATED), ["product", "supplier"]]
    where = senders["supplier"].astype("str").str.replace("^[^@]*@|[:#].*", "", regex=True)
    makers = pd.concat([*places, senders[["product"]].assign(country=where)]).astype("object").drop_duplicates()
    at = makers.merge(r[["product", "input"]].drop_duplicates(), on="product")
    hit = out["demand"]["node"].isin(set(at["input"] + "@" + at["country"] + ":demand"))
    if CUT + "recipes" in graph.beneath:
        hit |= _of("demand", out["demand"]).isin(set(graph.beneath[CUT + "recipes"]["input"].astype(str)))
    return hit


def _all_nodes(graph: SupplyGraph) -> list[pd.DataFrame]:
    return [t[k] for t in (graph.tables, graph.beneath) for k in ("nodes", EARLIER + "nodes") if k in t]


def _go_back(out: dict[str, pd.DataFrame], graph: SupplyGraph, inferred: set[str]) -> None:
    """Public rows of such products that balancing wrote anew, as they were stated."""
    if not any(h.startswith(WORKED) for h in graph.history):
        return
    ids = set(out["nodes"]["node"])
    for name in _STATISTICS:
        rows = graph.beneath.get(STATED + name, out[name].iloc[:0])
        rows = rows[_of(name, rows).isin(inferred).to_numpy(dtype=bool)]
        for c in _NODES_OF.get(name, ("node",)):
            rows = rows[rows[c].isin(ids)]
        frame, key = out[name], list(TABLES[name].key)
        again = _pairs(frame, key).isin(_pairs(rows, key)) & (frame["origin_tag"] == "public").to_numpy(dtype=bool)
        both = pd.concat([frame[~again], rows.astype(frame.dtypes.to_dict())]) if len(rows) else frame
        out[name] = both.sort_values(key, kind="stable", ignore_index=True)  # the order tells nothing of it either


def _told(name: str, frame: pd.DataFrame, inferred: set[str]) -> pd.Series:
    """Rows of such products that no source states."""
    if not inferred or name not in _STATISTICS:
        return pd.Series(False, index=frame.index)
    return _of(name, frame).isin(inferred) & worked_out(name, frame).to_numpy(dtype=bool)


def _bring_back(out: dict[str, pd.DataFrame], lost: Frames, past: Frames, report: list[dict[str, Any]]) -> None:
    """Rows of earlier public releases that lay beneath one which stays at home: the newest of each key."""
    for name in _STATISTICS:
        frame = past.get(EARLIER + name)
        if frame is None or name not in lost or not len(lost[name]):
            continue
        key = list(TABLES[name].key)
        frame = frame[~worked_out(name, frame).to_numpy(dtype=bool) & _pairs(frame, key).isin(_pairs(lost[name], key))]
        frame = frame[~_pairs(frame, key).isin(_pairs(out[name], key))]
        frame = frame.sort_values("published_on", kind="stable", na_position="first").drop_duplicates(key, keep="last")
        if name == "nodes":  # pools and names without a figure come with what speaks of them
            frame = frame[~_silent(frame)]
        if len(frame):
            out[name] = pd.concat([out[name], frame], ignore_index=True)
            because = "stated by an earlier public release"
            report.append({"table": name, "what": "restored", "reason": because, "rows": len(frame)})


def _silent(nodes: pd.DataFrame) -> pd.Series:
    """Pools that state nothing: they are there for the flows and uses that name them."""
    return nodes["kind"].eq("demand") & nodes["source"].isna() & nodes["firm"].isna()


def _work_out_again(
    out: dict[str, pd.DataFrame],
    worked: Frames,
    past: Frames,
    inferred: set[str],
    graph: SupplyGraph,
    report: list[dict[str, Any]],
) -> None:
    """Of what was worked out of figures that stay at home: what the public rows give, and nothing but these."""

    def put(name: str, rows: pd.DataFrame) -> None:
        if len(rows):
            rows = rows[out[name].columns].astype(out[name].dtypes.to_dict())
            out[name] = pd.concat([out[name], rows], ignore_index=True)

    before = past.get(EARLIER + "nodes", out["nodes"].iloc[:0])
    before = before[_told("nodes", before, inferred).to_numpy(dtype=bool)]
    before = before.sort_values("published_on", kind="stable", na_position="first").iloc[::-1]
    candidates = [f for f in (worked.get("nodes"), before) if f is not None and len(f)]
    if candidates:
        found = rests(out["nodes"], pd.concat(candidates, ignore_index=True), out["sources"])
        put("nodes", found)
        if len(found):
            because = "of public figures alone"
            report.append({"table": "nodes", "what": "worked out again", "reason": because, "rows": len(found)})
    nodes = out["nodes"] = out["nodes"][~(_silent(out["nodes"]) & out["nodes"]["product"].isin(inferred))]
    stated = [stated_nodes(f, inferred, set()) for f in _all_nodes(graph)]
    makers = set().union(*(set(f.loc[f["kind"] == "producer", "node"].astype(str)) for f in stated))
    out["links"] = renamed(out["links"], inferred, makers | {m.partition("#")[0] for m in makers})
    ours = out["links"]["product"].isin(inferred)
    put("nodes", makers_named(nodes, out["links"][ours & ~out["links"]["supplier"].isin(makers)], inferred))
    out["nodes"] = bound_again(out["nodes"], inferred)
    # A graph of stated rows alone is given no estimate.
    parts = [t[k] for t in (graph.tables, graph.beneath) for k in ("links", EARLIER + "links") if k in t]
    closed = {str(p) for f in parts for p in f.loc[f["method"].isin(ESTIMATED), "product"].unique()} & inferred
    if any(h.startswith(WORKED) for h in graph.history):  # where figures clash it leaves these as they are
        closed = inferred
    put("links", homes(out["nodes"], out["links"], closed, out["sources"]))
    needed = set(_recipes(graph)["input"].astype(str))
    put("demand", left_uses(out["links"], out["demand"], closed - needed))
    uses = pd.concat([out["demand"], out["stocks"]])[["node", "year", "published_on"]]
    put("nodes", pools_named(out["nodes"], out["links"], uses, inferred))


def _uncover(out: dict[str, pd.DataFrame], beneath: Mapping[str, pd.DataFrame], report: list[dict[str, Any]]) -> None:
    """Take overlaid registers out, and put what lies beneath overlays back; overlaid facts go later, by their tag."""
    for name, spec in TABLES.items():
        marked = beneath.get(OVERLAID + name)
        if marked is not None:
            keys = list(spec.key)
            mine = pd.MultiIndex.from_frame(marked.astype("object"))
            hit = pd.MultiIndex.from_frame(out[name][keys].astype("object")).isin(mine)
            out[name] = out[name][~hit].copy()
            report.append({"table": name, "what": "dropped", "reason": "overlay", "rows": int(hit.sum())})
        if name in beneath and len(beneath[name]):
            covered = beneath[name]
            parts = [f for f in (out[name], covered) if len(f)]
            out[name] = pd.concat(parts, ignore_index=True)
            report.append({"table": name, "what": "restored", "reason": "lay beneath an overlay", "rows": len(covered)})


def _used(tables: Mapping[str, pd.DataFrame]) -> set[str]:
    pairs = (("nodes", "product"), ("recipes", "product"), ("recipes", "input"), ("measures", "product"))
    return set().union(*(set(tables[t][c]) for t, c in (*pairs, ("projects", "product"))))


def _blank(frame: pd.DataFrame, name: str, hit: pd.Series, spec: Table) -> None:
    q = spec.quantity(name)
    for c in (q.name, q.low, q.high, q.year, q.source, q.grade):
        frame[c] = frame[c].mask(hit)
    frame[q.missing] = frame[q.missing].mask(hit, "withheld")


def _skeleton(out: Mapping[str, pd.DataFrame], lost: pd.DataFrame, report: list[dict[str, Any]]) -> pd.DataFrame:
    """Nodes that public links still need, without a figure or a name."""
    kept, spec = out["nodes"], TABLES["nodes"]
    needed = set().union(*(set(out[t][c]) for t, cs in _NODES_OF.items() if t != "holdings" for c in cs))
    bare = latest(lost[lost["node"].isin(needed - set(kept["node"]))], ["node"]).copy()
    if not len(bare):
        return kept
    for q in spec.quantities:
        _blank(bare, q.name, pd.Series(True, index=bare.index), spec)
    for c in (
        "firm",
        "source",
        "grade",
        "note",
        "valid_from",
        "valid_to",
        "published_on",
        "rest_low",
        "rest_high",
        "total",
    ):
        bare[c] = bare[c].mask(pd.Series(True, index=bare.index))
    bare["origin_tag"] = pd.Series("public", index=bare.index, dtype="string")
    report.append({"table": "nodes", "what": "kept bare", "reason": "public links need it", "rows": len(bare)})
    return pd.concat([kept, bare], ignore_index=True)


def _add_sums(
    out: dict[str, pd.DataFrame], held: list[pd.DataFrame], minimum: int, report: list[dict[str, Any]]
) -> None:
    """One anonymous producer for restricted producers of a product; nothing private and no overlay is ever in it.

    A rest of a total is no owner and in no sum, a producer of nothing is in none either; no sum is made where public
    figures of the same producers or a public total stand beside it, which hold them already.
    """
    if not held:
        return
    rows = held[0][(held[0]["kind"] == "producer") & (held[0]["output"] > 0).fillna(False).to_numpy(dtype=bool)]
    rows = rows[(rows["_why"] == "restricted") & ~rows["country"].isin(["ROW", "WLD"])]
    made_known = out["nodes"][(out["nodes"]["kind"] == "producer") & out["nodes"]["output"].notna()]
    rows = rows[~rows["node"].isin(made_known["node"])]
    rows = rows[~rows["product"].isin(made_known.loc[made_known["country"] == "ROW", "product"])]
    owner = rows["firm"].astype("object").where(rows["firm"].notna(), rows["node"].astype("object"))
    made = []
    for (product, year), part in rows.groupby(["product", "year"], dropna=False):
        parts = part["output"].groupby(owner[part.index]).sum().sort_values(ascending=False)
        total = float(parts.sum())
        if len(parts) < max(minimum, _FEWEST) or float(parts.iloc[0]) > _MOST * total:
            continue
        if float(parts.iloc[2:].sum()) < _OTHERS * float(parts.iloc[0]):
            continue
        low, high = part["output_low"].fillna(part["output"]).sum(), part["output_high"].fillna(part["output"]).sum()
        text = f"sum of {len(part)} producers of {len(parts)} owners whose rows may not be passed on"
        made.append({"node": f"{product}@ROW#aggregate", "product": product, "country": "ROW", "site": "aggregate",
                     "kind": "producer", "year": year, "output": total, "output_low": min(float(low), total),
                     "output_high": max(float(high), total), "output_source": _SUM, "output_grade": "C", "source": _SUM,
                     "grade": "C", "note": text})  # fmt: skip
        report.append({"table": "nodes", "what": "added up", "reason": "anonymous producer", "rows": len(part)})
    if made:
        out["nodes"] = pd.concat([out["nodes"].astype("object"), pd.DataFrame(made)], ignore_index=True)
        source = {"source": _SUM, "title": "Sums of restricted figures that may not be passed on singly",
                  "licence": "the terms of the restricted sources hold for the sum too", "licence_class": "restricted"}  # fmt: skip
        out["sources"] = pd.concat([out["sources"].astype("object"), pd.DataFrame([source])], ignore_index=True)


def _let_stand(out: dict[str, pd.DataFrame], held: list[pd.DataFrame], report: list[dict[str, Any]]) -> None:
    """Countries whose restricted output is in no sum, beside public producers: without them these would be the market.

    That a country makes a product is no figure. Who is in private rows only is not named.
    """
    if not held:
        return
    nodes, spec = out["nodes"], TABLES["nodes"]
    rows = held[0][(held[0]["kind"] == "producer") & (held[0]["_why"] == "restricted")]
    makers = nodes[(nodes["kind"] == "producer") & nodes["output"].notna()]
    summed = set(makers.loc[makers["node"].astype("str").str.endswith("@ROW#aggregate"), "product"])
    rows = rows[
        rows["product"].isin(set(makers["product"]) - summed) & (rows["output"] != 0).fillna(True).to_numpy(dtype=bool)
    ]
    rows = rows.assign(node=rows["product"].astype("object") + "@" + rows["country"].astype("object"))
    places = nodes["product"].astype("object") + "@" + nodes["country"].astype("object")
    known = set(places[nodes["kind"] == "producer"])
    bare = latest(rows[~rows["node"].isin(known)], ["node"]).drop(columns="_why")
    if not len(bare):
        return
    for q in spec.quantities:
        _blank(bare, q.name, pd.Series(True, index=bare.index), spec)
    gone = (
        "site",
        "firm",
        "source",
        "grade",
        "valid_from",
        "valid_to",
        "published_on",
        "inside",
        "rest_low",
        "rest_high",
        "total",
    )
    for c in gone:
        bare[c] = bare[c].mask(pd.Series(True, index=bare.index))
    last = makers.groupby("product")["year"].max()
    rest = bare["product"].astype("object") + "@ROW"
    inside = rest.isin(set(makers["node"])) & (bare["node"].astype("object") != rest)
    bare = bare.assign(
        year=bare["product"].map(last).astype(bare["year"].dtype),
        note=_WITHHELD,
        origin_tag="public",
        inside=rest.where(inside, None),
    )
    report.append(
        {"table": "nodes", "what": "kept bare", "reason": "part of a market that is public", "rows": len(bare)}
    )
    out["nodes"] = pd.concat([nodes.astype("object"), bare.astype("object")], ignore_index=True)

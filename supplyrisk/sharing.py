"""The part of a graph that may be passed on: by licence class of the sources, and without overlays.

What an overlay covers comes back: the public row beneath an overlaid one, in facts and in registers. Figures of private
sources and of overlays are in no sum. Restricted published figures may be in one if enough owners stand behind it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from .accounts import latest
from .graph import SupplyGraph
from .overlays import OVERLAID
from .schema import TABLES, Table
from .vintages import NEWEST

__all__ = ["PUBLIC_LICENCES", "public_part"]

# Terms under which a row may be passed on; what is private, restricted or non-commercial stays with its owner.
PUBLIC_LICENCES = ("public_domain", "cc0", "cc_by", "attribution", "facts")
_SUM = "aggregate_of_restricted"
_FEWEST = 3  # owners behind a sum: with two, each knows the other's figure
_WORKED = ("balance_flows", "draw ")  # what balancing writes into the history
_OWN = ("(private)", "(restricted)")  # lines of the history about files that are not for others
_NODES_OF = {"links": ("supplier", "buyer"), "demand": ("node",), "stocks": ("node",), "holdings": ("asset",)}


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
    inferred = _inferred(graph)
    _uncover(out, graph.beneath, report)
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
    for name, spec in TABLES.items():
        frame = out[name]
        if not spec.fact or not len(frame):
            continue
        reason = why(frame["source"]).astype("object")
        reason = reason.mask(frame["origin_tag"].astype("object") != "public", "overlay")
        for q in spec.quantities:
            if q.prefixed:
                hit = why(frame[q.source]).where(reason.isna())
                if name == "nodes" and q.name == "output":
                    held.append(frame[(reason.notna() | hit.notna())].assign(_why=reason.fillna(hit)))
                say(name, f"{q.name} blanked", hit)
                _blank(frame, q.name, hit.notna(), spec)
        # What was worked out of figures that stay at home would tell them: a difference gives the third figure.
        told = _told(name, frame, inferred) & reason.isna()
        reason = reason.mask(told, "worked out of figures that may not be passed on")
        say(name, "dropped", reason)
        lost[name] = frame[reason.notna()]
        out[name] = frame[reason.isna()]
    out["nodes"] = _skeleton(out, lost.get("nodes", out["nodes"].iloc[:0]), report)
    gone = {str(n) for t in (graph.tables, graph.beneath) if "nodes" in t for n in t["nodes"]["node"]}
    gone -= set(out["nodes"]["node"])
    for name, columns in _NODES_OF.items():
        for c in columns:
            out[name] = out[name][~out[name][c].isin(gone)]
    _add_sums(out, held, minimum, report)
    texts = out["gaps"]["product"].isin(inferred)
    if texts.any():
        because = "speaks of figures that may not be passed on"
        report.append({"table": "gaps", "what": "dropped", "reason": because, "rows": int(texts.sum())})
        out["gaps"] = out["gaps"][~texts]
    silent = before - _used(out)  # a product that only these rows spoke of is part of what they tell
    for name in ("products", "gaps"):
        out[name] = out[name][~out[name]["product"].isin(silent)]
    if silent:
        report.append({"table": "products", "what": "dropped", "reason": "no row left", "rows": len(silent)})
    out["sources"] = out["sources"][~out["sources"]["source"].isin(set(barred))]
    say("sources", "dropped", pd.Series([t for t in barred.values() if t != "overlay"], dtype="object"))
    history = [h for h in graph.history if not h.startswith(("overlay ", "replaced ")) and not h.endswith(_OWN)]
    frames = {k: v.reset_index(drop=True) for k, v in out.items()}
    shared = SupplyGraph.from_tables(
        frames, name=graph.name, as_of=graph.as_of, history=(*history, "public part"), policy=graph.policy
    )
    past = _public_past(graph.beneath, set(barred), inferred, gone)
    return (dataclasses.replace(shared, beneath=past) if past else shared), report


def _public_past(
    beneath: Mapping[str, pd.DataFrame], barred: set[str], inferred: set[str], gone: set[str]
) -> dict[str, pd.DataFrame]:
    """Of which year public series are that have lost rows; nothing of overlays, or of sources that stay at home."""
    out = {}
    for key in [k for k in beneath if k.startswith(NEWEST)]:
        name = key.removeprefix(NEWEST)
        frame = beneath[key]
        keep = (frame["origin_tag"].astype("object") == "public") & ~_told(name, frame, inferred)
        for c in {"source", *(q.source for q in TABLES[name].quantities)} & set(frame.columns):
            keep &= ~frame[c].isin(barred)
        for c in ("node", *_NODES_OF.get(name, ())):
            if c in frame:
                keep &= ~frame[c].isin(gone)
        if keep.any():
            out[key] = frame[keep].reset_index(drop=True)
    return out


def _inferred(graph: SupplyGraph) -> set[str]:
    """Products with rows that may have been worked out of figures which are not for others.

    These are the products of barred rows that were there when the graph was put together, and those of overlays
    where flows were balanced after them.
    """
    terms = graph.tables["sources"]
    barred = set(terms.loc[~terms["licence_class"].isin(PUBLIC_LICENCES), "source"].astype(str))
    laid = [i for i, h in enumerate(graph.history) if h.startswith("overlay ")]
    later = bool(laid) and any(h.startswith(_WORKED) for h in graph.history[laid[0] + 1 :])
    found: set[str] = set()
    for name, spec in TABLES.items():
        frame = graph.tables[name]
        if not spec.fact or not len(frame):
            continue
        own = frame["origin_tag"].astype("object") != "public"
        hit = frame["source"].isin(barred)
        for q in spec.quantities:
            if q.prefixed:
                hit |= frame[q.source].isin(barred)
        hit = (hit & ~own) | (own & later)
        column = (
            "product" if "product" in frame else "node" if "node" in frame else "asset" if "asset" in frame else None
        )
        if hit.any() and column is not None:
            found |= set(frame.loc[hit, column].astype("object").dropna().astype(str).str.partition("@")[0])
    return found


def _told(name: str, frame: pd.DataFrame, inferred: set[str]) -> pd.Series:
    """Rows of such products that no source states."""
    none = pd.Series(False, index=frame.index)
    if not inferred or name not in ("nodes", "links", "demand"):
        return none
    ids = frame["product"] if "product" in frame else frame["node"].astype("object").str.partition("@")[0]
    of = ids.astype("object").isin(inferred)
    if name == "links":
        return of & (frame["method"].isin(("balanced", "world_pool", "assumed")) | frame["source"].isna())
    if name == "demand":
        return of & frame["source"].isna()
    residual = frame["country"].astype("object").isin(("ROW", "WLD")) & frame["output"].notna()
    return of & (frame["kind"] == "producer") & (residual | (frame["output"].notna() & frame["output_source"].isna()))


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
    for c in ("firm", "source", "grade", "note", "valid_from", "valid_to", "published_on"):
        bare[c] = bare[c].mask(pd.Series(True, index=bare.index))
    bare["origin_tag"] = pd.Series("public", index=bare.index, dtype="string")
    report.append({"table": "nodes", "what": "kept bare", "reason": "public links need it", "rows": len(bare)})
    return pd.concat([kept, bare], ignore_index=True)


def _add_sums(
    out: dict[str, pd.DataFrame], held: list[pd.DataFrame], minimum: int, report: list[dict[str, Any]]
) -> None:
    """One anonymous producer for restricted producers of a product; nothing private and no overlay is ever in it."""
    if not held:
        return
    rows = held[0][(held[0]["kind"] == "producer") & held[0]["output"].notna()]
    rows = rows[rows["_why"] == "restricted"]
    owner = rows["firm"].astype("object").where(rows["firm"].notna(), rows["node"].astype("object"))
    made = []
    for (product, year), part in rows.groupby(["product", "year"], dropna=False):
        parts = part["output"].groupby(owner[part.index]).sum()
        total = float(parts.sum())
        if len(parts) < max(minimum, _FEWEST) or total <= 0 or float(parts.max()) > 0.8 * total:
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

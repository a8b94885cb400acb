"""The part of a graph that may be passed on: by licence class of the sources, and without overlays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .accounts import latest
from .graph import SupplyGraph
from .schema import TABLES, Table

__all__ = ["PUBLIC_LICENCES", "public_part"]

# Terms under which a row may be passed on; what is private, restricted or non-commercial stays with its owner.
PUBLIC_LICENCES = ("public_domain", "cc0", "cc_by", "attribution", "facts")
_SUM = "aggregate_of_restricted"
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
    terms = dict(zip(out["sources"]["source"].astype(str), out["sources"]["licence_class"].astype(str), strict=True))
    barred = {s: t for s, t in terms.items() if t not in PUBLIC_LICENCES}
    report: list[dict[str, Any]] = []

    def why(column: pd.Series) -> pd.Series:
        return column.astype("object").map(barred)

    def say(table: str, what: str, reasons: pd.Series) -> None:
        for reason, rows in reasons.dropna().value_counts(sort=False).items():
            report.append({"table": table, "what": what, "reason": str(reason), "rows": int(rows)})

    products = out["products"]
    hit = why(products["price_source"])
    say("products", "price blanked", hit)
    for c in ("price", "price_low", "price_high", "price_year", "price_source", "price_grade"):
        products[c] = products[c].mask(hit.notna())
    before = set(products["product"]) & _used(out)
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
        say(name, "dropped", reason)
        lost[name] = frame[reason.notna()]
        out[name] = frame[reason.isna()]
    out["nodes"] = _skeleton(out, lost.get("nodes", out["nodes"].iloc[:0]), report)
    gone = set(graph.tables["nodes"]["node"]) - set(out["nodes"]["node"])
    for name, columns in _NODES_OF.items():
        for c in columns:
            out[name] = out[name][~out[name][c].isin(gone)]
    _add_sums(out, held, minimum, report)
    silent = before - _used(out)  # a product that only these rows spoke of is part of what they tell
    for name in ("products", "gaps"):
        out[name] = out[name][~out[name]["product"].isin(silent)]
    if silent:
        report.append({"table": "products", "what": "dropped", "reason": "no row left", "rows": len(silent)})
    out["sources"] = out["sources"][~out["sources"]["source"].isin(set(barred))]
    say("sources", "dropped", pd.Series(list(barred.values()), dtype="object"))
    history = [h for h in graph.history if not h.startswith(("overlay ", "replaced "))]
    frames = {k: v.reset_index(drop=True) for k, v in out.items()}
    shared = SupplyGraph.from_tables(
        frames, name=graph.name, as_of=graph.as_of, history=(*history, "public part"), policy=graph.policy
    )
    return shared, report


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
    """One anonymous producer for the producers of a product that may not be shown one by one."""
    if not held:
        return
    rows = held[0][(held[0]["kind"] == "producer") & held[0]["output"].notna()]
    rows = rows[rows["_why"] != "non_commercial"]
    made = []
    for (product, year), part in rows.groupby(["product", "year"], dropna=False):
        total = float(part["output"].sum())
        if len(part) < minimum or total <= 0 or float(part["output"].max()) > 0.8 * total:
            continue
        low, high = part["output_low"].fillna(part["output"]).sum(), part["output_high"].fillna(part["output"]).sum()
        text = f"sum of {len(part)} producers whose rows may not be passed on"
        made.append({"node": f"{product}@ROW#aggregate", "product": product, "country": "ROW", "site": "aggregate",
                     "kind": "producer", "year": year, "output": total, "output_low": min(float(low), total),
                     "output_high": max(float(high), total), "output_source": _SUM, "output_grade": "C", "source": _SUM,
                     "grade": "C", "note": text})  # fmt: skip
        report.append({"table": "nodes", "what": "added up", "reason": "anonymous producer", "rows": len(part)})
    if made:
        out["nodes"] = pd.concat([out["nodes"].astype("object"), pd.DataFrame(made)], ignore_index=True)
        source = {"source": _SUM, "title": "Sums of figures that may not be passed on singly", "licence": "as exported",
                  "licence_class": "attribution"}  # fmt: skip
        out["sources"] = pd.concat([out["sources"].astype("object"), pd.DataFrame([source])], ignore_index=True)

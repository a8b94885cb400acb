"""Closed books written back into the tables of a graph: estimates, figures that moved, unknown suppliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .accounts import latest
from .bounding import UNIT_VALUES
from .equilibrate import tighten
from .errors import Problem
from .flows import worst
from .graph import SupplyGraph
from .ledger import LINK, OUTPUT, USE, Books, Closed, nothing
from .schema import TABLES

__all__ = ["Written", "rows_of", "write"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_BALANCED = "entropy balancing within the accounts; interval from their bounds"


def _keys(frame: pd.DataFrame, columns: Sequence[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([frame[c].astype("string").fillna("").to_numpy(dtype=object) for c in columns])


def rows_of(table: pd.DataFrame, latest_rows: pd.DataFrame, key: Sequence[str]) -> IntArray:
    """Position in a table of the newest vintages that an index holds."""
    return np.asarray(_keys(table, key).get_indexer(_keys(latest_rows, key)), dtype=np.int64)


@dataclass
class Written:
    """The balanced graph, and which rows of its tables the edges that an ensemble varies stand in."""

    graph: SupplyGraph
    links: tuple[IntArray, IntArray]  # edge, row of links
    demand: tuple[IntArray, IntArray]
    nodes: tuple[IntArray, IntArray]


def write(c: Closed, note: str, beyond: Mapping[str, Problem] | None = None) -> Written:
    """Estimated flows, derived use, figures that moved and residual suppliers, in the graph's tables.

    ``beyond`` are world totals that clash with their listed producers, by product.
    """
    books, x = c.books, c.x
    graph, e, ix = books.graph, books.edges, books.graph.index
    done = ~np.isnan(x)
    links, nodes, demand = (graph.table(t) for t in ("links", "nodes", "demand"))
    low, high = _spans(books, x, done)
    # Estimates that stand in the graph already.
    at = np.flatnonzero(done & (books.kind == LINK) & (books.row >= 0) & (~books.known | c.moved))
    spot = rows_of(links, ix.links.iloc[books.row[at]], TABLES["links"].key)
    old = links.iloc[spot]
    estimate = ~books.known[at]
    pool = (old["method"] == "world_pool").to_numpy(dtype=bool) | np.array(
        [books.name(int(a)).endswith("@WLD:demand") for a in e.tail[at]], dtype=bool
    )
    had = books.value[at]
    kept = old["note"].astype("object").where(old["note"].notna(), "").to_numpy(dtype=object)
    what = np.where(
        estimate,
        np.where(np.isnan(books.hint[at]), _BALANCED, f"{_BALANCED}, and by its value ({UNIT_VALUES})"),
        [
            f"moved by balancing from {v:.6g} ({m}), so that the accounts close"
            for v, m in zip(had, old["method"], strict=True)
        ],
    ).astype(object)
    # Bounds that somebody stated and that gave way are named in the note with what they were.
    broken = estimate & c.moved[at]
    for j in np.flatnonzero(broken):
        span = f"{books.span_low[at[j]]:.6g} to {books.span_high[at[j]]:.6g}"
        what[j] = f"moved by balancing beyond the bounds stated of it, {span}; {_BALANCED}"
    text = [k if t in k else f"{k}; {t}".lstrip("; ") for k, t in zip(kept, what, strict=True)]
    fresh = np.where(np.isnan(had) & estimate, "assumption", old["grade"].astype("object"))
    values = {
        "quantity": x[at],
        "low": np.where(estimate, low[at], np.fmin(np.fmin(old["low"], had), x[at])),
        "high": np.where(estimate, high[at], np.fmax(np.fmax(old["high"], had), x[at])),
        "method": np.where(estimate & pool, "world_pool", "balanced"),
        "grade": worst(fresh, ["B"] * len(at)),
        "missing": None,
        "note": np.array(text, dtype=object),
    }
    _put(links, spot, values)
    # Published totals that had to move, and the rest of a total that is estimated within its upper bound.
    made = done & (books.kind == OUTPUT) & (books.row >= 0)
    had_output = ix.nodes["output"].notna().to_numpy(dtype=bool)[np.where(made, books.row, 0)]
    rest = made & ~books.known & had_output & (x > 0)
    out = np.flatnonzero((made & c.moved) | rest)
    where = rows_of(nodes, ix.nodes.iloc[books.row[out]], TABLES["nodes"].key)
    was = ix.nodes["output"].to_numpy(dtype=float)[books.row[out]]
    said = nodes["note"].astype("object").where(nodes["note"].notna(), "").to_numpy(dtype=object)[where]
    moved_text = [f"{k}; output moved by balancing from {v:.6g}".lstrip("; ") for k, v in zip(said, was, strict=True)]
    _put(
        nodes,
        where,
        {
            "output": x[out],
            "output_low": np.fmin(books.span_low[out], x[out]),
            "output_high": np.fmax(books.span_high[out], x[out]),
            "output_grade": worst(nodes["output_grade"].to_numpy(dtype=object)[where], ["B"] * len(out)),
            "note": np.array(moved_text, dtype=object),
        },
    )
    nodes, links, new_nodes, new_links = _write_new(c, nodes, links, low, high)
    demand, use_rows = _write_use(c, demand, low, high, set(nodes["node"]))
    gaps = graph.table("gaps")
    clashes = [(books.products[k], "balanced flows", p) for k, p in sorted(c.clash.items())]
    clashes += [(product, "world total", p) for product, p in sorted((beyond or {}).items())]
    if clashes:
        told = pd.DataFrame(
            [
                {"product": product, "what": what, "where": "WLD", "reason": "unknown", "note": f"{p.rule}: {p.value}"}
                for product, what, p in clashes
            ]
        )
        key = ["product", "what", "where"]
        gaps = gaps[~_keys(gaps, key).isin(_keys(told, key))] if len(gaps) else gaps
        gaps = pd.concat([gaps, told], ignore_index=True) if len(gaps) else told
    vary = np.append(at[estimate], new_links[0]), np.append(spot[estimate], new_links[1])
    # An estimate of 0 that cannot be anything else is no link; one that may be more stays, with its interval.
    none = estimate & (x[at] == 0) & (high[at] <= nothing(books, x)[at]) & np.isnan(books.hint[at])
    keep = np.ones(len(links), dtype=bool)
    keep[spot[none]] = False
    links = links[keep].reset_index(drop=True)
    stays = keep[vary[1]]
    vary = vary[0][stays], (np.cumsum(keep) - 1)[vary[1][stays]]
    balanced = graph.replace(note, links=links, nodes=nodes, demand=demand, gaps=gaps)
    rests = np.flatnonzero(rest), where[rest[out]]
    return Written(balanced, vary, use_rows, (np.append(new_nodes[0], rests[0]), np.append(new_nodes[1], rests[1])))


def _put(frame: pd.DataFrame, rows: IntArray, values: dict[str, object]) -> None:
    """Write columns at row positions; columns keep their types."""
    for column, v in values.items():
        whole = frame[column].to_numpy(dtype=object if frame[column].dtype != np.float64 else float, copy=True)
        whole[rows] = v
        frame[column] = pd.Series(whole, index=frame.index).astype(frame[column].dtype)


def _spans(books: Books, x: FloatArray, done: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Outer bounds of every flow from all accounts, totals in their own intervals."""
    e = books.edges
    low, high = np.full(len(x), np.nan), np.full(len(x), np.nan)
    if not done.any():
        return low, high
    part, _ = e.part(done)
    # The interval of an answer may not be narrower than what was allowed for the answer.
    a, b = np.fmin(books.span_low, x)[done], np.fmax(books.span_high, x)[done]
    a, b = tighten(part, a, b)
    supply = (books.kind == OUTPUT)[done]
    top = np.where(np.isfinite(b), b, x[done]) * supply
    ceiling = np.bincount(part.block, top, part.block.max() + 1)[part.block]
    b = np.where(np.isinf(b), ceiling, b)
    low[done], high[done] = np.fmin(a, x[done]), np.fmax(b, x[done])
    return low, high


def _write_use(
    c: Closed, demand: pd.DataFrame, low: FloatArray, high: FloatArray, there: set[str]
) -> tuple[pd.DataFrame, tuple[IntArray, IntArray]]:
    """Use that nobody stated is what is left of the inflow; stated use that moved is scaled, each end use alike."""
    books, x, graph = c.books, c.x, c.books.graph
    uses = (books.kind == USE) & ~np.isnan(x)
    free = np.flatnonzero(uses & ~books.known)
    names = np.array([books.name(int(a)) for a in books.edges.tail[free]], dtype=object)
    real = np.array([n in there for n in names], dtype=bool)  # a world pool that was not needed is no node
    free, names = free[real], names[real]
    newest = latest(graph.tables["demand"], ["node", "use"])
    spot = pd.Series(rows_of(demand, newest, ("node", "use", "year")), dtype="int64")
    by_node = spot.groupby(newest["node"].to_numpy(dtype=object))
    lone, count = by_node.first(), by_node.size()
    single = count.reindex(names).to_numpy(dtype=float) == 1
    rows = lone.reindex(names[single]).to_numpy(dtype=np.int64)
    edges = free[single]
    note = "balanced: what is left of the inflow"
    values = {"quantity": x[edges], "low": low[edges], "high": high[edges], "grade": "assumption", "missing": None}
    _put(demand, rows, {**values, "note": note})
    absent = free[~single & np.isnan(count.reindex(names).to_numpy(dtype=float))]
    new = pd.DataFrame(
        {
            "node": [books.name(int(a)) for a in books.edges.tail[absent]],
            "use": "total",
            "year": graph.reference_year,
            "quantity": x[absent],
            "low": low[absent],
            "high": high[absent],
            "grade": "assumption",
            "note": note,
        }
    )
    shifted = np.flatnonzero(uses & books.known & c.moved)
    for j in shifted:
        its = spot[newest["node"].to_numpy(dtype=object) == books.name(int(books.edges.tail[j]))].to_numpy()
        part = x[j] / books.value[j]
        old = demand.iloc[its]
        said = old["note"].astype("object").where(old["note"].notna(), "")
        told = [
            f"{k}; moved by balancing from {v:.6g}".lstrip("; ") for k, v in zip(said, old["quantity"], strict=True)
        ]
        fresh = old["quantity"] * part
        values = {
            "quantity": fresh.to_numpy(),
            "low": np.fmin(np.fmin(old["low"], old["quantity"]), fresh).to_numpy(),
            "high": np.fmax(np.fmax(old["high"], old["quantity"]), fresh).to_numpy(),
            "grade": worst(old["grade"].to_numpy(dtype=object), ["B"] * len(its)),
            "note": np.array(told, dtype=object),
        }
        _put(demand, its, values)
    base = len(demand)
    if len(new):
        demand = pd.concat([demand, new], ignore_index=True)
    return demand, (np.append(edges, absent), np.append(rows, base + np.arange(len(absent))))


def _write_new(
    c: Closed, nodes: pd.DataFrame, links: pd.DataFrame, low: FloatArray, high: FloatArray
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[IntArray, IntArray], tuple[IntArray, IntArray]]:
    """Unknown suppliers and the world pool, where they were needed."""
    books, x, e = c.books, c.x, c.books.edges
    used = np.flatnonzero((books.kind == LINK) & (books.row < 0) & (x > 0))
    year = books.graph.reference_year
    ends = [[books.name(int(a)) for a in side[used]] for side in (e.tail, e.head)]
    unknown = np.array([s.endswith("@ROW") for s in ends[0]], dtype=bool)
    missing = "supply that the listed producers cannot give: an unknown supplier"
    spare = "output that no named buyer accounts for"
    new = pd.DataFrame(
        {
            "supplier": ends[0],
            "buyer": ends[1],
            "product": [books.products[k] for k in e.block[used]],
            "year": year,
            "method": np.where(unknown, "balanced", "world_pool"),
            "quantity": x[used],
            "low": np.where(unknown, 0.0, low[used]),
            "high": high[used],
            "grade": "assumption",
            "note": np.where(unknown, missing, spare),
        }
    )
    rows: list[dict[str, object]] = []
    made: list[int] = []
    named = set(nodes["node"])
    for node in sorted({n for side in ends for n in side} - named):
        product, _, place = node.partition("@")
        row: dict[str, object] = {"node": node, "product": product, "country": place.partition(":")[0], "year": year}
        account = next(a for a, name in books.new.items() if name == node)
        if place == "ROW":
            j = int(np.flatnonzero((books.kind == OUTPUT) & (e.head == account))[0])
            made.append(j)
            row.update(kind="producer", output=x[j], output_low=0.0, output_high=high[j], note=missing)
            row.update(output_grade="assumption", grade="assumption")
        else:
            row.update(kind="demand", grade="assumption")
        rows.append(row)
    at_links = len(links) + np.arange(len(used))
    at_nodes = len(nodes) + np.array([i for i, r in enumerate(rows) if r["kind"] == "producer"], dtype=np.int64)
    if len(new):
        links = pd.concat([links, new], ignore_index=True)
    if rows:
        nodes = pd.concat([nodes, pd.DataFrame(rows)], ignore_index=True)
    return nodes, links, (np.array(made, dtype=np.int64), at_nodes), (used, at_links)

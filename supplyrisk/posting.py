"""Closed books written back into the tables of a graph: estimates, figures that moved, unknown suppliers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .books import (
    BALANCED,
    DRAW,
    DRAWN_OFF,
    FED,
    GUESSED,
    LINK,
    MOVED,
    OUTPUT,
    REST_MOVED,
    STATED,
    USE,
    WHOLE,
    Books,
    open_books,
    own_bounds,
    use_bounds,
)
from .bounding import UNIT_VALUES
from .equilibrate import tighten
from .errors import Problem
from .flows import worst
from .graph import SupplyGraph
from .ledger import CLASH, Closed
from .schema import TABLES
from .settled import DRAWN, eased_draws, implied, nothing
from .ties import Ties, anchored, find_ties, tie_bounds
from .uses import draws_on_pools, final_use
from .vintages import stated_use

__all__ = ["BEYOND", "GUESSED", "Written", "rows_of", "write"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_BALANCED = f"{BALANCED}; interval from their bounds"
_UNKNOWN = "supply that the listed producers cannot give: an unknown supplier"
BEYOND = "moved by balancing beyond the bounds stated of it"
_LEFT = "balanced: what is left of the inflow"
_SPARE = "output that no named buyer accounts for"


def _keys(frame: pd.DataFrame, columns: Sequence[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([frame[c].astype("string").fillna("").to_numpy(dtype=object) for c in columns])


def _made(nodes: pd.Series) -> pd.Series:
    """Products of node ids."""
    return nodes.astype("object").str.partition("@")[0] if len(nodes) else nodes.astype("object")


def rows_of(table: pd.DataFrame, latest_rows: pd.DataFrame, key: Sequence[str]) -> IntArray:
    """Position in a table of the newest vintages that an index holds."""
    return np.asarray(_keys(table, key).get_indexer(_keys(latest_rows, key)), dtype=np.int64)


@dataclass
class Written:
    """The balanced graph, and which rows of its tables the edges that an ensemble varies stand in."""

    graph: SupplyGraph
    links: tuple[IntArray, IntArray]  # edge, row of links
    demand: tuple[IntArray, IntArray, FloatArray]  # and what part of the edge the row is
    nodes: tuple[IntArray, IntArray]


def write(
    c: Closed, note: str, beyond: Mapping[str, Problem] | None = None, caps: pd.DataFrame | None = None
) -> Written:
    """Estimated flows, derived use, figures that moved and residual suppliers, in the graph's tables.

    ``beyond`` are world totals that clash with their listed producers, by product; ``caps`` as in
    :func:`supplyrisk.books.open_books`. Intervals follow from the tables as written, so that to balance once more
    finds the same.
    """
    books, x = c.books, c.x
    graph, e, ix = books.graph, books.edges, books.graph.index
    done = ~np.isnan(x)
    links, nodes, demand = (graph.table(t) for t in ("links", "nodes", "demand"))
    low, high = _spans(books, x, done)
    days = _last_inputs(graph).drop([books.products[k] for k in c.calm], errors="ignore")
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
        [f"{MOVED} {v:.6g} ({m}), so that the accounts close" for v, m in zip(had, old["method"], strict=True)],
    ).astype(object)
    # Bounds that somebody stated and that gave way are named in the note with what they were.
    broken = estimate & c.moved[at]
    own, wide = own_bounds(old), 1 + 1e-6
    for j in np.flatnonzero(broken):
        span = f"{books.span_low[at[j]]:.6g} to {books.span_high[at[j]]:.6g}"
        what[j] = f"{BEYOND}, {span}; {_BALANCED}"
    text = [k if t in k else f"{k}; {t}".lstrip("; ") for k, t in zip(kept, what, strict=True)]
    fresh = np.where(np.isnan(had) & estimate, "assumption", old["grade"].astype("object"))
    values = {
        "quantity": x[at],
        "low": np.where(estimate, low[at], np.fmin(np.fmin(old["low"], had), x[at])),
        "high": np.where(estimate, high[at], np.fmax(np.fmax(old["high"], had), x[at])),
        "method": np.where(estimate & pool, "world_pool", "balanced"),
        "grade": worst(fresh, ["B"] * len(at)),
        "missing": None,
        "stated_low": np.where(broken, np.minimum(own[0], x[at]), own[0]),
        # What a trader may make itself is no bound once its users ask for more of an unlisted supplier.
        "stated_high": np.where(broken, np.maximum(own[1], x[at]), np.where(x[at] > wide * own[1], np.nan, own[1])),
        "published_on": _later(old["published_on"], old["product"], days),
        "note": np.array(text, dtype=object),
    }
    _put(links, spot, values)
    # Published totals that had to move, and the rest of a total that is estimated within its upper bound.
    made = done & (books.kind == OUTPUT) & (books.row >= 0)
    had_output = ix.nodes["output"].notna().to_numpy(dtype=bool)[np.where(made, books.row, 0)]
    rest = made & ~books.known & had_output & ((x > 0) | (books.value > 0))
    out = np.flatnonzero((made & c.moved) | rest)
    where = rows_of(nodes, ix.nodes.iloc[books.row[out]], TABLES["nodes"].key)
    was = ix.nodes["output"].to_numpy(dtype=float)[books.row[out]]
    said = nodes["note"].astype("object").where(nodes["note"].notna(), "").to_numpy(dtype=object)[where]
    bare = np.isnan(was) & ~rest[out]  # nobody gives it: only its bounds give way
    guessed = rest[out] & ((e.tail[out] >= 0) | books.inferred[out])  # an estimate before and after
    about = [f"{books.span_low[j]:.6g} to {books.span_high[j]:.6g}" for j in out]
    moved_text = [
        f"{k}; output {BEYOND}, {s}".lstrip("; ") if b else f"{k}; output {MOVED} {v:.6g}".lstrip("; ")
        for k, v, s, b in zip(said, was, about, bare, strict=True)
    ]
    same = np.isclose(was, x[out], rtol=1e-9, atol=0.0)
    moved_text = [
        (k if s or GUESSED in k else f"{k}; {GUESSED} {v:.6g}".lstrip("; ")) if g else t
        for k, v, s, g, t in zip(said, was, same, guessed, moved_text, strict=True)
    ]
    now = np.where(guessed & same, was, x[out])
    top = np.fmax(books.span_high[out], x[out])
    old_low, old_high = (nodes[c].to_numpy(dtype=float)[where] for c in ("output_low", "output_high"))
    top = np.where(np.isinf(top) | (guessed & same), old_high, top)
    _put(
        nodes,
        where,
        {
            "output": np.where(bare, np.nan, now),
            "output_low": np.where(guessed & same, old_low, np.fmin(books.span_low[out], x[out])),
            "output_high": top,
            "output_grade": worst(nodes["output_grade"].to_numpy(dtype=object)[where], ["B"] * len(out)),
            "published_on": _later(nodes["published_on"].iloc[where], nodes["product"].iloc[where], days),
            "note": np.array(moved_text, dtype=object),
        },
    )
    for j in np.flatnonzero(done & (books.kind == WHOLE) & c.moved):
        i = rows_of(nodes, ix.nodes.iloc[books.row[[j]]], TABLES["nodes"].key)
        ends = [books.value[j], x[j], *nodes[["rest_low", "rest_high"]].iloc[i[0]].dropna()]
        about_rest = f"{nodes['note'].iloc[i[0]]}; {REST_MOVED} {books.value[j]:.6g}"
        _put(nodes, i, {"rest_low": min(ends), "rest_high": max(ends), "note": about_rest})
    nodes, links, new_nodes, new_links = _write_new(c, nodes, links, low, high, days)
    demand, use_rows = _write_use(c, demand, low, high, set(nodes["node"]), days)
    gaps = graph.table("gaps")
    clashes = [(books.products[k], CLASH, p) for k, p in sorted(c.clash.items())]
    clashes += [(product, "world total", p) for product, p in sorted((beyond or {}).items())]
    found = [
        {"product": product, "what": what, "where": "WLD", "reason": "unknown", "note": f"{p.rule}: {p.value}"}
        for product, what, p in clashes
    ]
    for j in np.flatnonzero(done & (books.kind == DRAW) & c.moved):
        asked = f"asks for {e.low[j]:.12g} to {e.high[j]:.12g}, the accounts leave {x[j]:.12g}"
        draw = {"product": books.products[int(e.block[j])], "what": DRAWN, "where": str(ix.position[books.row[j]])}
        found.append({**draw, "reason": "unknown", "note": f"recipe times output {asked}"})
    if found:
        told = pd.DataFrame(found)
        key = ["product", "what", "where"]
        gaps = gaps[~_keys(gaps, key).isin(_keys(told, key))] if len(gaps) else gaps
        gaps = pd.concat([gaps, told], ignore_index=True) if len(gaps) else told
    vary = np.append(at[estimate], new_links[0]), np.append(spot[estimate], new_links[1])
    balanced = graph.replace(note, links=links, nodes=nodes, demand=demand, gaps=gaps)
    balanced, keep = _with_spans(balanced, books.products, np.unique(e.block[done]), caps)
    stays = keep[vary[1]]
    vary = vary[0][stays], (np.cumsum(keep) - 1)[vary[1][stays]]
    rests = np.flatnonzero(rest), where[rest[out]]
    return Written(balanced, vary, use_rows, (np.append(new_nodes[0], rests[0]), np.append(new_nodes[1], rests[1])))


def _with_spans(
    graph: SupplyGraph, products: Sequence[str], blocks: IntArray, caps: pd.DataFrame | None
) -> tuple[SupplyGraph, BoolArray]:
    """The graph with the intervals that its accounts leave of estimates, and which links are still in it."""
    books = open_books(graph, products, caps)
    x, ix = implied(books), graph.index
    done = np.isin(books.edges.block, blocks) & ~np.isnan(x)
    ties = _kept(books, x, done)
    low, high = _spans(books, x, done, ties)
    links, demand = graph.table("links"), graph.table("demand")
    at = np.flatnonzero(done & books.unsure)
    spot = rows_of(links, ix.links.iloc[books.row[at]], TABLES["links"].key)
    unknown = links["note"].iloc[spot].fillna("").str.startswith(_UNKNOWN).to_numpy(dtype=bool)
    _put(links, spot, {"low": np.where(unknown, 0.0, low[at]), "high": high[at]})
    free = np.flatnonzero(done & (books.kind == USE) & ~books.known)
    edge = pd.Series(free, index=_users(books, free))
    open_ = demand["note"].fillna("").str.contains(DRAWN_OFF, regex=False)
    mine = (open_ | demand["note"].fillna("").str.startswith(_LEFT)) & demand["node"].isin(edge.index)
    newest = (demand["year"].astype("float64") == demand.groupby("node")["year"].transform("max")).to_numpy(dtype=bool)
    rows = np.flatnonzero(mine.to_numpy(dtype=bool) & newest)
    its = edge.reindex(demand["node"].iloc[rows]).to_numpy(dtype=np.int64)
    value = demand["quantity"].to_numpy(dtype=float)[rows]
    # One of several uses of a pool may be all of what is left, or nothing.
    alone = demand["node"].iloc[rows].map(demand["node"].iloc[rows].value_counts()).to_numpy() == 1
    least = np.where(alone, low[its], 0.0)
    _put(demand, rows, {"low": np.fmin(least, value), "high": np.fmax(high[its], value)})
    # An estimate of 0 that cannot be anything else is no link; one that may be more stays, with its interval.
    none = (x[at] == 0) & (high[at] <= nothing(books, x)[at]) & np.isnan(books.hint[at])
    if ties is not None:  # without one of its alternatives another recipe would be read, with other bounds
        none &= ~np.isin(books.edges.head[at], books.edges.tail[ties.draw[~ties.alone]])
    keep = np.ones(len(links), dtype=bool)
    keep[spot[none]] = False
    tables = {**graph.tables, "links": links[keep].reset_index(drop=True), "demand": demand}
    tables["nodes"] = _fed_outputs(books, ties, high, np.unique(blocks))
    return dataclasses.replace(graph, tables=tables), keep


def _kept(books: Books, x: FloatArray, done: BoolArray) -> Ties | None:
    """Ties of makers of unknown output in the balanced products, but for draws of which it is told that they gave way."""
    ties = find_ties(books)
    ties = anchored(books, ties.part(done[ties.draw] & done[ties.output]), x)[0]
    if not len(ties):
        return None
    told = eased_draws(books.graph).index
    at = zip(books.edges.block[ties.draw], books.row[ties.draw], strict=True)
    eased = [(books.products[int(k)], str(books.graph.index.position[int(i)])) in told for k, i in at]
    return ties.part(~np.array(eased, dtype=bool))


def _fed_outputs(books: Books, ties: Ties | None, high: FloatArray, blocks: IntArray) -> pd.DataFrame:
    """Nodes with an upper bound of outputs that nobody gives where the most of their inputs is one, and a note of it."""
    graph, ix = books.graph, books.graph.index
    nodes = graph.table("nodes")
    note = nodes["note"].astype("object").where(nodes["note"].notna(), "")
    here = nodes["product"].isin([books.products[int(k)] for k in blocks]).to_numpy(dtype=bool)
    noted = note.str.contains(FED, regex=False).to_numpy(dtype=bool) & here
    top = pd.Series(dtype=float)
    if ties is not None and len(ties):
        most = np.where(ties.essential & ties.whole, ties.met(high, ties.low), np.inf)
        binds = (most <= high[ties.output] * (1 + 1e-9)) & ~books.known[ties.output]
        out = np.unique(ties.output[binds])
        top = pd.Series(high[out], index=rows_of(nodes, ix.nodes.iloc[books.row[out]], TABLES["nodes"].key))
        top = top[nodes["output_high"].isna().to_numpy()[top.index] | noted[top.index]]
    rows = np.union1d(np.flatnonzero(noted), top.index.to_numpy(dtype=np.int64))
    if len(rows):
        bound = top.reindex(rows).to_numpy(dtype=float)
        said = [[t for t in str(v).split("; ") if t and t != FED] for v in note.iloc[rows]]
        fresh = ["; ".join([*t, FED] if b == b else t) or None for t, b in zip(said, bound, strict=True)]
        _put(nodes, rows, {"output_high": bound, "note": np.array(fresh, dtype=object)})
    return nodes


def _last_inputs(graph: SupplyGraph) -> pd.DataFrame:
    """Newest data year and last publication of what estimates of a product rest on: its figures and its users'."""
    nodes, links, demand = (graph.tables[t] for t in ("nodes", "links", "demand"))
    used = pd.DataFrame({"product": links["product"], "user": _made(links["buyer"])})
    used = used.drop_duplicates().astype("object")
    figure = nodes[nodes["kind"] != "demand"]
    made = [figure, demand.assign(product=_made(demand["node"])), links]
    facts = pd.concat([f[["product", "year", "published_on"]].astype("object") for f in made], ignore_index=True)
    drawn = used[used["product"] != used["user"]].merge(
        facts.set_axis(["user", "year", "published_on"], axis=1), on="user"
    )
    year = pd.to_numeric(facts["year"]).astype("float64").groupby(facts["product"]).max()
    told = pd.concat([facts, drawn[facts.columns]], ignore_index=True).dropna(subset=["published_on"])
    day = told["published_on"].astype(str).groupby(told["product"]).max()
    return pd.DataFrame({"year": year, "day": day}).astype({"day": "object"})


def _later(own: pd.Series, product: pd.Series, days: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The later one of a row's own publication and that of the last figure that an estimate of its product rests on."""
    last = product.astype("object").map(days["day"]).to_numpy(dtype=object)
    mine = own.astype("object").to_numpy(dtype=object)
    pairs = zip(mine, last, strict=True)
    return np.array([max((d for d in p if isinstance(d, str) and d), default=None) for p in pairs], dtype=object)


def _year(product: pd.Series, days: pd.DataFrame, graph: SupplyGraph) -> pd.Series:
    """Data year of an estimate: the newest of its product."""
    return product.astype("object").map(days["year"]).astype("float64").fillna(graph.reference_year).astype("int64")


def _put(frame: pd.DataFrame, rows: IntArray, values: dict[str, object]) -> None:
    """Write columns at row positions; columns keep their types."""
    for column, v in values.items():
        whole = frame[column].to_numpy(dtype=object if frame[column].dtype != np.float64 else float, copy=True)
        whole[rows] = v
        frame[column] = pd.Series(whole, index=frame.index).astype(frame[column].dtype)


def _spans(books: Books, x: FloatArray, done: BoolArray, ties: Ties | None = None) -> tuple[FloatArray, FloatArray]:
    """Outer bounds of every flow from all accounts (and from ties between them), totals in their own intervals."""
    e = books.edges
    low, high = np.full(len(x), np.nan), np.full(len(x), np.nan)
    if not done.any():
        return low, high
    part, _ = e.part(done)
    # The interval of an answer may not be narrower than what was allowed for the answer.
    a, b = np.fmin(books.span_low, x)[done], np.fmax(books.span_high, x)[done]
    begin = a, b
    a, b = tighten(part, a, b)
    if ties is not None and len(ties):
        place = np.cumsum(done) - 1
        c, d = tie_bounds(part, dataclasses.replace(ties, draw=place[ties.draw], output=place[ties.output]), *begin)
        a, b = np.fmax(a, c), np.fmin(b, d)
    supply = (books.kind == OUTPUT)[done]
    top = np.where(np.isfinite(b), b, x[done]) * supply
    ceiling = np.bincount(part.block, top, part.block.max() + 1)[part.block]
    b = np.where(np.isinf(b), ceiling, b)
    low[done], high[done] = np.fmin(a, x[done]), np.fmax(b, x[done])
    return low, high


def _write_use(
    c: Closed, demand: pd.DataFrame, low: FloatArray, high: FloatArray, there: set[str], days: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[IntArray, IntArray, FloatArray]]:
    """Use that nobody stated is what is left of the inflow; stated use that moved is scaled, each end use alike."""
    books, x, graph = c.books, c.x, c.books.graph
    uses = (books.kind == USE) & ~np.isnan(x)
    stated = (books.kind == STATED) & ~np.isnan(x)
    given = np.isin(books.edges.tail, books.edges.head[stated])  # what makers leave of a stated use
    demand, left_rows = _write_left(c, demand, np.flatnonzero(stated), low, high, days)
    free = np.flatnonzero(uses & ~books.known & ~given)
    names = _users(books, free)
    real = np.array([n in there for n in names], dtype=bool)  # a world pool that was not needed is no node
    free, names = free[real], names[real]
    newest = stated_use(graph)
    spot = pd.Series(rows_of(demand, newest, ("node", "use", "year")), dtype="int64")
    by_node = spot.groupby(newest["node"].to_numpy(dtype=object))
    lone, count = by_node.first(), by_node.size()
    single = count.reindex(names).to_numpy(dtype=float) == 1
    rows = lone.reindex(names[single]).to_numpy(dtype=np.int64)
    edges = free[single]
    stirs = ~np.isin(books.edges.block[edges], list(c.calm))  # nothing is written anew of what is at rest
    to, of = rows[stirs], edges[stirs]
    values = {"quantity": x[of], "low": low[of], "high": high[of], "grade": "assumption", "missing": None}
    values["published_on"] = _later(demand["published_on"].iloc[to], _made(demand["node"].iloc[to]), days)
    held = use_bounds(demand.iloc[to])
    # Bounds that somebody states and that gave way are named with what they were.
    eased = c.moved[of]
    held = np.where(eased, np.fmin(held[0], x[of]), held[0]), np.where(eased, np.fmax(held[1], x[of]), held[1])
    spans = [f"{_LEFT}; {BEYOND}, {books.span_low[k]:.6g} to {books.span_high[k]:.6g}" for k in of]
    text = np.where(eased, np.array(spans, dtype=object), _LEFT)
    _put(demand, to, {**values, "note": text, "stated_low": held[0], "stated_high": held[1]})
    absent = free[~single & np.isnan(count.reindex(names).to_numpy(dtype=float))]
    new = pd.DataFrame(
        {
            "node": [books.name(int(a)) for a in books.edges.tail[absent]],
            "use": "total",
            "quantity": x[absent],
            "low": low[absent],
            "high": high[absent],
            "grade": "assumption",
            "note": _LEFT,
        }
    )
    new["year"] = _year(_made(new["node"]), days, graph)
    new["published_on"] = _later(pd.Series(None, index=new.index, dtype="object"), _made(new["node"]), days)
    shifted = np.flatnonzero(uses & books.known & c.moved)
    for j in shifted:
        its = spot[newest["node"].to_numpy(dtype=object) == books.name(int(books.edges.tail[j]))].to_numpy()
        part = x[j] / books.value[j]
        old = demand.iloc[its]
        said = old["note"].astype("object").where(old["note"].notna(), "")
        told = [f"{k}; {MOVED} {v:.6g}".lstrip("; ") for k, v in zip(said, old["quantity"], strict=True)]
        fresh = old["quantity"] * part
        values = {
            "quantity": fresh.to_numpy(),
            "low": np.fmin(np.fmin(old["low"], old["quantity"]), fresh).to_numpy(),
            "high": np.fmax(np.fmax(old["high"], old["quantity"]), fresh).to_numpy(),
            "grade": worst(old["grade"].to_numpy(dtype=object), ["B"] * len(its)),
            "published_on": _later(old["published_on"], _made(old["node"]), days),
            "note": np.array(told, dtype=object),
        }
        _put(demand, its, values)
    base = len(demand)
    if len(new):
        demand = pd.concat([demand, new], ignore_index=True)
    edges, rows = np.append(edges, absent), np.append(rows, base + np.arange(len(absent)))
    whole = np.ones(len(edges))
    one, two, three = (np.append(a, b) for a, b in zip((edges, rows, whole), left_rows, strict=True))
    return demand, (one, two, three)


def _users(books: Books, edges: IntArray) -> npt.NDArray[np.object_]:
    """Pools of uses."""
    at = [(int(books.row[j]), int(books.edges.tail[j])) for j in edges]
    return np.array([str(books.graph.index.position[i]) if i >= 0 else books.name(a) for i, a in at], dtype=object)


def _write_left(
    c: Closed, demand: pd.DataFrame, stated: IntArray, low: FloatArray, high: FloatArray, days: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[IntArray, IntArray, FloatArray]]:
    """Final use is what makers are found to leave of a use that was stated with their draws in it.

    With the rows: the edge of each, and what part of it.
    """
    books, x, e = c.books, c.x, c.books.edges
    found: list[tuple[int, int, float]] = []
    final = np.flatnonzero((books.kind == USE) & np.isin(e.tail, e.head[stated]))
    left_of = dict(zip(e.tail[final].tolist(), final.tolist(), strict=True))
    newest = stated_use(books.graph)
    spot = pd.Series(rows_of(demand, newest, ("node", "use", "year")), index=newest["node"].to_numpy(dtype=object))
    names = books.graph.tables["products"].set_index("product")["name"]
    for j in stated.tolist():
        account = int(e.head[j])
        k, node = left_of[account], str(books.graph.index.position[books.row[j]])
        its = np.atleast_1d(np.asarray(spot[node], dtype=np.int64))
        old = demand.iloc[its]
        whole, ends = _whole_use(old, float(x[j]), bool(books.known[j]))
        if int(e.block[j]) in c.calm:
            now = old["quantity"].to_numpy(dtype=float)
        else:
            drawn = draws_on_pools(_flows_out(books, x, account, node))
            bare = old[["node", "use", "note"]].assign(year=0.0, quantity=whole, low=np.nan, high=np.nan)
            now = final_use(bare, drawn, pd.Series(True, index=old.index), names)["quantity"].to_numpy(dtype=float)
            now = now * (x[k] / now.sum()) if now.sum() > 0 else np.full(len(its), x[k] / len(its))
            said = old["note"].astype("object").where(old["note"].notna(), "").astype(str)
            text = [t if DRAWN_OFF in t else f"{t}; {DRAWN_OFF}".lstrip("; ") for t in said]
            if c.moved[j]:
                span = f"{books.span_low[j]:.6g} to {books.span_high[j]:.6g}"
                moved = [f"{MOVED} {v:.6g}" if books.known[j] else f"{BEYOND}, {span}" for v in old["with_draws"]]
                text = [f"{t}; {v}" for t, v in zip(text, moved, strict=True)]
            alone = len(its) == 1
            values = {
                "quantity": now,
                "low": np.full(len(its), low[k] if alone else 0.0),
                "high": np.full(len(its), high[k]),
                "with_draws": whole if books.known[j] else old["with_draws"].to_numpy(dtype=float),
                "with_draws_low": ends[0],
                "with_draws_high": ends[1],
                "missing": None,
                "grade": worst(old["grade"].to_numpy(dtype=object), ["B"] * len(its)),
                "published_on": _later(old["published_on"], _made(old["node"]), days),
                "note": np.array(text, dtype=object),
            }
            _put(demand, its, values)
        part = now / now.sum() if now.sum() > 0 else np.full(len(its), 1.0 / len(its))
        found += [(k, int(i), float(p)) for i, p in zip(its, part, strict=True)]
    rows = np.array(found, dtype=float).reshape(-1, 3)
    return demand, (rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2])


def _whole_use(rows: pd.DataFrame, found: float, known: bool) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Stated uses of a pool that together are what was found, and their bounds, which hold them."""
    value, low, high = (rows[c].to_numpy(dtype=float) for c in ("with_draws", "with_draws_low", "with_draws_high"))
    middle = np.where(np.isfinite(high), 0.5 * (np.nan_to_num(low) + np.nan_to_num(high)), np.nan_to_num(low))
    base = np.where(np.isnan(value), middle, value)
    total = float(base.sum())
    whole = base * (found / total) if total > 0 else np.full(len(rows), found / len(rows))
    if known and np.isclose(found, total, rtol=1e-12):
        whole = value
    if len(rows) == 1:  # bounds that gave way hold what was found; of several nobody knows whose did
        low, high = (
            np.where(np.isnan(low), low, np.fmin(low, whole)),
            np.where(np.isnan(high), high, np.fmax(high, whole)),
        )
    return whole, (low, high)


def _flows_out(books: Books, x: FloatArray, account: int, node: str) -> pd.DataFrame:
    """What leaves an account, as links from its pool."""
    at = np.flatnonzero((books.kind == LINK) & (books.edges.tail == account))
    ix = books.graph.index
    heads = books.edges.head[at]
    to = np.where(heads >= ix.n, ix.segment_buyer[np.maximum(heads - ix.n, 0)] if len(ix.segment_buyer) else 0, heads)
    return pd.DataFrame({"supplier": node, "buyer": ix.position[to].astype(object), "quantity": x[at]})


def _write_new(
    c: Closed, nodes: pd.DataFrame, links: pd.DataFrame, low: FloatArray, high: FloatArray, days: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[IntArray, IntArray], tuple[IntArray, IntArray]]:
    """Unknown suppliers and the world pool, where they were needed."""
    books, x, e = c.books, c.x, c.books.edges
    used = np.flatnonzero((books.kind == LINK) & (books.row < 0) & (x > 0))
    ends = [[books.name(int(a)) for a in side[used]] for side in (e.tail, e.head)]
    unknown = np.array([s.endswith("@ROW") for s in ends[0]], dtype=bool)
    new = pd.DataFrame(
        {
            "supplier": ends[0],
            "buyer": ends[1],
            "product": [books.products[k] for k in e.block[used]],
            "method": np.where(unknown, "balanced", "world_pool"),
            "quantity": x[used],
            "low": np.where(unknown, 0.0, low[used]),
            "high": high[used],
            "grade": "assumption",
            "note": np.where(unknown, f"{_UNKNOWN}; {_BALANCED}", f"{_SPARE}; {_BALANCED}"),
        }
    )
    new["year"] = _year(new["product"], days, books.graph)
    new["published_on"] = _later(pd.Series(None, index=new.index, dtype="object"), new["product"], days)
    rows: list[dict[str, object]] = []
    made: list[int] = []
    named = set(nodes["node"])
    for node in sorted({n for side in ends for n in side} - named):
        product, _, place = node.partition("@")
        about = pd.Series([product])
        row: dict[str, object] = {"node": node, "product": product, "country": place.partition(":")[0]}
        row["year"] = int(_year(about, days, books.graph).iloc[0])
        row["published_on"] = _later(pd.Series([None], dtype="object"), about, days)[0]
        account = next(a for a, name in books.new.items() if name == node)
        if place == "ROW":
            j = int(np.flatnonzero((books.kind == OUTPUT) & (e.head == account))[0])
            made.append(j)
            row.update(kind="producer", output=x[j], output_low=0.0, output_high=high[j], note=_UNKNOWN)
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

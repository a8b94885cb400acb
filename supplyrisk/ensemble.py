"""Draws of the unknown flows of a balanced graph, spread as the known ones are about what would be guessed of them."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .books import LINK, OUTPUT, Books
from .equilibrate import Edges, solve
from .errors import Problem, SchemaError
from .graph import SupplyGraph
from .ledger import DUST, Closed, meet_ties, priors, residuals
from .ordering import segments
from .posting import Written, rows_of
from .schema import TABLES
from .settled import eased_draws
from .ties import Ties, anchored, broken, find_ties

__all__ = ["members", "spread"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_WIDTHS = (1.0, 1.25, 1.5, 1.8, 2.2, 2.6, 3.0)
_TARGET = 0.92  # part of hidden flows that nine tenths of the draws must cover; more, since totals may be wrong too
_FAR = 9.0  # ln of the factor by which a prior is drawn at most: 8,000
_ENOUGH = 40  # known flows below which the width of an ensemble is not measured
_OWN = 20  # hidden flows of a product from which it has a width of its own
_CHUNK = 150_000  # edges solved together


@dataclass
class _Loom:
    """What is drawn anew for each member of an ensemble."""

    books: Books
    live: BoolArray  # edges of balanced products
    part: Edges
    prior: FloatArray
    low: FloatArray
    high: FloatArray
    fallback: FloatArray  # flows that close the accounts, taken where a draw does not converge
    unsure: BoolArray
    pools: list[FloatArray]  # ln(flow / prior) of known flows, by product

    def draw(self, members: Sequence[int], seed: int, wider: FloatArray) -> tuple[FloatArray, FloatArray, int]:
        """Flows and priors of some members, one row each, and how many networks did not converge; ``wider`` by product."""
        books, part = self.books, self.part
        block = books.edges.block[self.live]
        blocks = np.unique(block)
        where = [np.flatnonzero(self.unsure & (block == k)) for k in blocks]
        marks = [zlib.crc32(books.products[k].encode()) for k in blocks]
        many, m = len(members), len(block)
        p = np.tile(self.prior, (many, 1))
        for row, i in zip(p, members, strict=True):
            for k, at, mark in zip(blocks, where, marks, strict=True):
                if len(at):
                    rng = np.random.default_rng([seed, i, mark])
                    row[at] *= np.exp(np.clip(wider[k] * rng.choice(self.pools[k], len(at)), -_FAR, _FAR))
        shift = np.repeat(np.arange(many) * part.n, m)
        tail, head = np.tile(part.tail, many), np.tile(part.head, many)
        whole = Edges(
            part.n * many,
            np.where(tail < 0, -1, tail + shift),
            np.where(head < 0, -1, head + shift),
            np.tile(self.low, many),
            np.tile(self.high, many),
            np.tile(part.block, many) + np.repeat(np.arange(many) * len(blocks), m),
        )
        aim = books.aim[self.live]
        stiff = np.tile(np.where(aim > 0, 0.05 * aim, np.nan), many)
        found, good = solve(whole, p.ravel(), price=np.tile(books.price[self.live], many), stiff=stiff)
        fine = good[whole.block].reshape(many, m)
        found = np.where(found < DUST * np.bincount(whole.block, found)[whole.block], 0.0, found)
        out = np.where(fine, found.reshape(many, m), self.fallback)
        ok = good.reshape(many, len(blocks))
        for i, k in zip(*np.nonzero(~ok), strict=True):  # another member's draw stands in for one that did not converge
            others = np.flatnonzero(ok[:, k])
            if len(others):
                cells = part.block == k
                out[i, cells] = out[others[i % len(others)], cells]
        return out, p, int((~good).sum())


def _loom(
    c: Closed, books: Books, live: BoolArray, prior: FloatArray, pools: list[FloatArray], ties: Ties | None = None
) -> _Loom:
    e, x = books.edges, c.x[live]
    stays = books.known | c.moved
    if ties is not None:  # what an estimated output draws is found with it
        stays[ties.draw] = False
    stays = stays[live]
    low = np.where(stays, x, np.fmin(e.low[live], x))
    high = np.where(stays, x, np.fmax(e.high[live], x))
    # What a maker of unknown output makes is drawn too: what it keeps at home follows.
    unsure = (books.unsure & ~books.home | (books.kind == OUTPUT) & ~books.known & np.isnan(books.value))[live]
    return _Loom(books, live, e.part(live)[0], prior[live], low, high, x, unsure, pools)


def _widening(c: Closed, live: BoolArray, pools: list[FloatArray], seed: int) -> FloatArray:
    """How much wider than the residuals the priors must be drawn for nine tenths of hidden flows to be covered.

    Balancing pulls draws together, by as much as the accounts are tight and their figures wrong. So a fifth of the
    known flows is hidden, with all that was made from them, and drawn with one width after another. Every product with
    enough hidden flows has a width of its own; the others share one.
    """
    books, e = c.books, c.books.edges
    at = np.flatnonzero(live & books.known & (books.kind == LINK) & (books.value > 0) & ~c.moved)
    if len(at) < _ENOUGH:
        return np.full(len(c.books.products), _WIDTHS[3])
    hide = np.zeros(len(live), dtype=bool)
    hide[np.random.default_rng([seed, 11]).permutation(at)[: len(at) // 5]] = True
    ends = np.zeros(e.n, dtype=bool)
    ends[np.concatenate([e.tail[hide], e.head[hide]])] = True
    made = books.unsure & (ends[np.maximum(e.tail, 0)] | ends[np.maximum(e.head, 0)])
    blind = hide | made | (books.inferred & ends[np.maximum(e.head, 0)])
    low, high = np.where(blind, 0.0, e.low), np.where(blind, np.inf, e.high)
    dark = dataclasses.replace(
        books,
        edges=dataclasses.replace(e, low=low, high=high),
        value=np.where(blind, np.nan, books.value),
        known=books.known & ~blind,
    )
    some = live & np.isin(e.block, np.unique(e.block[hide]))
    loom = _loom(c, dark, some, priors(dark), pools)
    loom.fallback = np.full(len(loom.fallback), np.nan)  # the truth, here
    spots = np.flatnonzero(hide[some])
    true = books.value[some][spots]
    of = books.edges.block[some][spots]
    count = np.bincount(of, minlength=len(books.products))
    found, shared = np.full(len(count), np.nan), np.nan
    for width in _WIDTHS:
        drawn = loom.draw(range(16), seed, np.full(len(count), width))[0][:, spots]
        drawn[:, np.isnan(drawn).all(axis=0)] = -1.0  # a width with which nothing converges covers nothing
        low_q, high_q = np.nanquantile(drawn, [0.05, 0.95], axis=0)
        room = 1e-6 * true
        hit = ((true >= low_q - room) & (true <= high_q + room)).astype(float)
        part = np.bincount(of, hit, len(count)) / np.maximum(count, 1)
        found = np.where(np.isnan(found) & (part >= _TARGET), width, found)
        shared = width if np.isnan(shared) and hit.mean() >= _TARGET else shared
        if not np.isnan(shared) and not np.isnan(found[count >= _OWN]).any():
            break
    found = np.where(count >= _OWN, np.where(np.isnan(found), _WIDTHS[-1], found), np.nan)
    return np.where(np.isnan(found), _WIDTHS[-1] if np.isnan(shared) else shared, found)


def members(c: Closed, base: Written, count: int, seed: int) -> list[SupplyGraph]:
    """Draws of the unknown flows: priors with the spread that known flows show about theirs, balanced anew.

    What makers of unknown output draw follows, by recipe, from what each member has them make.
    """
    books = c.books
    live = ~np.isnan(c.x) & ~((books.row < 0) & books.unsure & ~(c.x > 0))
    if not live.any():
        return [base.graph] * count
    pools = residuals(books)
    width = _widening(c, live, pools, seed)
    ties = _ties_of(c, live)
    loom = _loom(c, _loosened(books, ties), live, c.prior, pools, ties)
    here = np.full(len(c.x), -1, dtype=np.int64)
    here[np.flatnonzero(live)] = np.arange(int(live.sum()))
    # No member leaves the interval that the balanced graph states of a flow.
    edge, row = base.links
    top = base.graph.tables["links"]["high"].to_numpy(dtype=float)[row]
    loom.high[here[edge]] = np.fmin(loom.high[here[edge]], np.maximum(top, loom.fallback[here[edge]]))
    per = max(1, _CHUNK // max(int(live.sum()), 1))
    parts = [loom.draw(range(k, min(k + per, count)), seed, width) for k in range(0, count, per)]
    flows, priors_of = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    lost = sum(n for _, _, n in parts)
    if len(ties):
        flows = np.stack([_tied(c, loom, ties, live, row, p) for row, p in zip(flows, priors_of, strict=True)])
    out = []
    for i in range(count):
        tables = dict(base.graph.tables)
        for name, column, (edge, row), part in (
            ("links", "quantity", base.links, 1.0),
            ("demand", "quantity", base.demand[:2], base.demand[2]),
            ("nodes", "output", base.nodes, 1.0),
        ):
            if len(edge):
                tables[name] = _with_draw(tables[name], column, row, part * flows[i][here[edge]])
        span = f"{width.min():g}" if width.min() == width.max() else f"{width.min():g} to {width.max():g} by product"
        note = f"draw {i} of {count}, seed {seed}, spread times {span}"
        note += f"; {lost} networks of the ensemble did not converge; another draw of theirs stands in" if lost else ""
        out.append(dataclasses.replace(base.graph, tables=tables, history=(*base.graph.history, note)))
    return out


def _ties_of(c: Closed, live: BoolArray) -> Ties:
    """Makers whose output is drawn, each with what it draws; none of which it is told that its draw gave way."""
    ties = find_ties(c.books, every=True)
    held = live[ties.draw] & live[ties.output] & ~c.moved[ties.draw] & ~c.moved[ties.output]
    eased = eased_draws(c.books.graph).index
    names = [
        (c.books.products[int(c.books.edges.block[j])], str(c.books.graph.index.position[int(c.books.row[j])]))
        for j in ties.draw
    ]
    held &= ~np.array([n in eased for n in names], dtype=bool)
    ties = ties.part(held)
    size = np.asarray(np.bincount(c.books.edges.block, np.nan_to_num(c.x), len(c.books.products)), dtype=float)[
        c.books.edges.block
    ]
    return ties.part(~broken(ties, c.x, size)) if len(ties) else ties


def _loosened(books: Books, ties: Ties) -> Books:
    """Books in which what makers draw is as open as what they make."""
    e = books.edges
    low, high = e.low.copy(), e.high.copy()
    low[ties.draw], high[ties.draw] = 0.0, np.inf
    return dataclasses.replace(books, edges=dataclasses.replace(e, low=low, high=high))


def _tied(c: Closed, loom: _Loom, ties: Ties, live: BoolArray, flows: FloatArray, prior: FloatArray) -> FloatArray:
    """A member in which makers draw by recipe what they are drawn to make, as near to it as may be."""
    books = loom.books
    block = books.edges.block
    x, whole = c.x.copy(), c.prior.copy()
    x[live], whole[live] = flows, prior
    low, high = books.edges.low.copy(), books.edges.high.copy()
    low[:] = high[:] = x = np.nan_to_num(x)  # what is not drawn stays as it is
    low[live], high[live] = np.minimum(loom.low, flows), np.maximum(loom.high, flows)
    held, asked_of = anchored(books, ties, x)
    size = np.asarray(np.bincount(block, np.nan_to_num(x), len(books.products)), dtype=float)[block]
    bad = broken(held, x, size)
    if not bad.any():
        return flows
    blocks = set(block[held.draw[bad]].tolist()) | set(block[held.output[bad]].tolist())
    pairs = set(zip(block[held.draw].tolist(), block[held.output].tolist(), strict=True))
    while more := {k for p in pairs if blocks & set(p) for k in p} - blocks:
        blocks |= more
    held = held.part(np.isin(block[held.draw], list(blocks)))
    meet_ties(books, held, asked_of, whole, x, low, high, blocks)
    return np.where(x < DUST * size, 0.0, x)[live]


def _with_draw(frame: pd.DataFrame, column: str, rows: IntArray, values: FloatArray) -> pd.DataFrame:
    """The frame with one column exchanged, its bounds never narrower than what was drawn."""
    low, high = ("output_low", "output_high") if column == "output" else ("low", "high")
    fresh = {c: frame[c].to_numpy(dtype=float, copy=True) for c in (column, low, high)}
    fresh[column][rows] = values
    fresh[low][rows] = np.minimum(fresh[low][rows], values)
    fresh[high][rows] = np.maximum(fresh[high][rows], values)
    return frame.assign(**fresh)


def spread(graphs: Sequence[SupplyGraph], level: float = 0.9) -> pd.DataFrame:
    """Where the flows and shares of an ensemble lie.

    Parameters
    ----------
    graphs : sequence of SupplyGraph
        Draws of one graph, as from ``balance_flows(..., ensemble=N)``.
    level : float
        Part of the draws inside the interval, between 0 and 1.

    Returns
    -------
    DataFrame
        A row per link: ``supplier, buyer, product, quantity, low, high, share, share_low, share_high`` (median and
        central interval over the draws; a share is of its buyer's known inflow of the product).

    Raises
    ------
    SchemaError
        No graph, graphs that are not draws of one graph, or a level out of range.

    Examples
    --------
    >>> spread([])
    Traceback (most recent call last):
    supplyrisk.errors.SchemaError: spread has 1 problem:
      - spread.graphs: empty. Give an ensemble.
    """
    if not 0.0 < level < 1.0:
        raise SchemaError([Problem("spread", "-", "level", "out of range", str(level), "Give 0.9.")], "spread")
    if not len(graphs):
        raise SchemaError([Problem("spread", "-", "graphs", "empty", "", "Give an ensemble.")], "spread")
    first = graphs[0].tables["links"]
    key = list(TABLES["links"].key)
    for i, g in enumerate(graphs):
        theirs = g.tables["links"]
        if not all(theirs[c] is first[c] or theirs[c].equals(first[c]) for c in key):
            raise SchemaError(
                [Problem("spread", f"graph {i}", "graphs", "has other links than the first", "", "Give one ensemble.")],
                "spread",
            )
    ix = graphs[0].index
    order = rows_of(first, ix.links, key)
    product = pd.factorize(ix.links["product"])[0].astype(np.int64)
    flows = np.stack([g.tables["links"]["quantity"].to_numpy(dtype=float)[order] for g in graphs])
    shares = np.stack([segments(ix.dst, product, q)[2] for q in flows])
    edge = 0.5 * (1.0 - level)
    out = ix.links[["supplier", "buyer", "product"]].astype("object")
    for names, values in ((("quantity", "low", "high"), flows), (("share", "share_low", "share_high"), shares)):
        gone = np.isnan(values).any(axis=0)
        q = np.full((3, values.shape[1]), np.nan)
        q[:, ~gone] = np.quantile(values[:, ~gone], [0.5, edge, 1.0 - edge], axis=0)
        out[list(names)] = q.T
    return out

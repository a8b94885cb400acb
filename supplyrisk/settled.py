"""What the tables of a graph say of every flow already, and what of it is settled: nothing of that moves again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from .books import DRAW, LINK, OUTPUT, STATED, WHOLE, Books
from .graph import SupplyGraph
from .ties import TOLD

__all__ = ["DRAWN", "at_rest", "eased_draws", "implied", "nothing"]

FloatArray = npt.NDArray[np.float64]

DRAWN = "draw"  # what a gap of an industry is called that gets another amount of an input than its recipe asks for
_TRACE = 1e-9  # part of a product's sum below which an estimated flow is nothing
_TRACE_END = 1e-6  # the same, of what passes through both of its ends


def implied(books: Books) -> FloatArray:
    """Flow of every edge as the tables have it: figures and estimates as given, what is unknown is what is left."""
    e = books.edges
    x = np.where((books.known & (books.kind != DRAW)) | (books.kind == LINK), books.value, np.nan)
    x = np.where((books.kind == OUTPUT) & (e.head < 0), books.value, x)
    stated = books.kind == STATED
    # What a rest is follows from what those inside it make, final use from what is drawn of the stated one.
    for into in (books.kind == OUTPUT, stated, (books.kind != OUTPUT) & ~stated):
        comes = into & ((books.kind == OUTPUT) | (books.kind == WHOLE))
        left = e.net(np.nan_to_num(x))[np.where(comes, e.head, e.tail)]
        blank = np.isnan(x) & (books.kind != LINK) & into
        x = np.where(blank, np.maximum(np.where(comes, -left, left), 0.0), x)
    return x


def eased_draws(graph: SupplyGraph) -> pd.DataFrame:
    """What recipes ask of each input where the accounts leave another amount, as balancing recorded it in ``gaps``.

    Indexed by ``product, node``: ``asked_low, asked_high, left`` in product units.
    """
    gaps = graph.tables["gaps"]
    mine = gaps[gaps["what"] == DRAWN]
    read = mine["note"].astype("object").astype(str).str.extract(r"asks for (\S+) to (\S+), the accounts leave (\S+)")
    read.columns = ["asked_low", "asked_high", "left"]
    key = mine[["product", "where"]].astype("object").set_axis(["product", "node"], axis=1)
    return read.astype("float64").set_index(pd.MultiIndex.from_frame(key))


def at_rest(books: Books) -> tuple[FloatArray, set[int]]:
    """Flows of every edge, and the products that were balanced before and whose accounts still close within all bounds.

    Nothing moves in these: estimates move as little as they can, and what they are closes the accounts already.
    """
    e = books.edges
    x = implied(books)
    amount = np.nan_to_num(x)
    whole = np.bincount(e.block, amount, len(books.products))
    room = 1e-7 * np.abs(amount) + 1e-12 * whole[e.block]
    # What a maker whose output is an estimate draws is held to its recipe no nearer than draws are told.
    firm = books.row[(books.kind == OUTPUT) & books.known]
    guess = (books.kind == DRAW) & (books.row >= 0) & ~np.isin(books.row, firm)
    near = np.where(guess & np.isfinite(e.high), np.maximum(room, TOLD * e.high), room)
    off = (x < e.low - near) | (x > e.high + near)
    off &= np.isnan(books.hint)  # by its value alone no flow is bounded for good
    # An industry that was found to draw less than its recipe asks is told among the gaps, as long as it asks the same.
    eased = eased_draws(books.graph)
    if len(eased):
        at = np.flatnonzero(off & (books.kind == DRAW))
        names = [(books.products[int(e.block[i])], str(books.graph.index.position[int(books.row[i])])) for i in at]
        told = eased.reindex(pd.MultiIndex.from_tuples(names, names=eased.index.names)) if names else eased.iloc[:0]
        same = np.isclose(told["asked_low"], e.low[at], rtol=1e-6, atol=0)
        off[at[same & np.isclose(told["asked_high"], e.high[at], rtol=1e-6, atol=0)]] = False
    bad = np.isnan(x) | off | (books.unsure & ~books.again)
    of = np.full(e.n, -1, dtype=np.int64)
    for ends in (e.tail, e.head):
        of[ends[ends >= 0]] = e.block[ends >= 0]
    open_ = (of >= 0) & (np.abs(e.net(amount)) > 1e-7 * e.through(amount) + 1e-12 * np.append(whole, 0.0)[of])
    return x, set(range(len(books.products))) - set(e.block[bad].tolist()) - set(of[open_].tolist())


def nothing(books: Books, x: FloatArray) -> FloatArray:
    """Amount below which an estimated flow is nothing: a part of its product's sum, or of what passes at either end."""
    e, amount = books.edges, np.nan_to_num(x)
    through = np.append(e.through(amount), np.inf)
    size = np.bincount(e.block, amount, len(books.products))[e.block]
    return np.asarray(np.maximum(_TRACE * size, _TRACE_END * np.minimum(through[e.tail], through[e.head])))

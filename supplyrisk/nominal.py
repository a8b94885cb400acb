"""Buyers of whom only the shares of their imports are known: the level is nominal, and truly anything (``A-NOMINAL``).

A list of import sources without a quantity says who supplies a buyer, not how much it buys. Assembly gives such a buyer
a level so that its flows can stand in a graph. Within its imports the level cancels. As soon as they stand beside other
flows (the buyer's own makers, other buyers of a coalition) the level is a weight that nobody knows: anything from nothing
to what its suppliers make.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .flows import NOMINAL, NOT_SAID_WHO
from .graph import SupplyGraph

__all__ = ["Nominal", "flow_ends", "nominal_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Nominal:
    """Which links of a graph stand at a nominal level.

    Attributes
    ----------
    pool : ndarray of int
        By link of ``graph.index``: code of the buyer whose level is nominal, -1 where the quantity is a figure.
    top : ndarray
        By link, how many times as large the level may be at most: what the scarcest named supplier makes over what it is
        said to send, or what the world makes over the level; infinite where nobody's output bounds it. 1 where the quantity is a figure.
    """

    pool: IntArray
    top: FloatArray


_FOUND: weakref.WeakKeyDictionary[SupplyGraph, Nominal | None] = weakref.WeakKeyDictionary()


def nominal_of(graph: SupplyGraph) -> Nominal | None:
    """The nominal levels of a graph, found once; None where there are none.

    Parameters
    ----------
    graph : SupplyGraph
        The graph; links at a nominal level name the assumption ``A-NOMINAL`` in their note.

    Returns
    -------
    Nominal or None

    Examples
    --------
    >>> nominal_of(SupplyGraph.from_tables()) is None
    True
    """
    if graph not in _FOUND:
        _FOUND[graph] = _find(graph)
    return _FOUND[graph]


def _find(graph: SupplyGraph) -> Nominal | None:
    ix = graph.index
    if not len(ix.src):
        return None
    said = ix.links["note"]
    hits = [n for n in said.dropna().unique() if NOMINAL in f"{n}"]  # few different notes, however many links
    if not hits:
        return None
    flag = said.isin(hits).to_numpy(dtype=bool)
    flag = flag & (ix.nodes["kind"].astype("object").to_numpy() == "demand")[ix.dst]
    if not flag.any():
        return None
    kind, country, product = (ix.nodes[c].astype("object").to_numpy() for c in ("kind", "country", "product"))
    maker = kind == "producer"
    made, _, most = graph.interval("nodes", "output", ix.nodes)
    # Who sends the unnamed rest is itself a guess, and one who sends more than it makes sells on: they bound nothing.
    named = flag & (maker & (country != "ROW") & ~np.isnan(made))[ix.src] & (ix.low > 0)
    named &= ~said.isin([n for n in hits if f"{n}".startswith(NOT_SAID_WHO)]).to_numpy(dtype=bool)
    at = np.flatnonzero(named & (most[ix.src] >= ix.low))
    factor = np.full(ix.n, np.inf)
    np.minimum.at(factor, ix.dst[at], most[ix.src[at]] / ix.low[at])
    # Nobody gets more than all of the world makes.
    world = pd.Series(most[maker]).groupby(product[maker]).sum().reindex(product).to_numpy(dtype=np.float64)
    level = np.bincount(ix.dst[flag], ix.low[flag], ix.n)
    whole = np.divide(world, level, out=np.full(ix.n, np.inf), where=(level > 0) & np.isfinite(world))
    factor = np.fmin(factor, whole)
    return Nominal(np.where(flag, ix.dst, -1), np.where(flag, np.maximum(factor[ix.dst], 1.0), 1.0))


def flow_ends(graph: SupplyGraph) -> tuple[FloatArray, FloatArray]:
    """Least and most of every link where the shares of its buyer's supply are asked for.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    tuple of ndarray
        ``graph.index.low`` and ``high``; links at a nominal level that stand beside other flows of the same segment are
        anything from 0 to what their level may be. Where a segment is at a nominal level as a whole it cancels.

    Examples
    --------
    >>> [len(x) for x in flow_ends(SupplyGraph.from_tables())]
    [0, 0]
    """
    ix, found = graph.index, nominal_of(graph)
    if found is None:
        return ix.low, ix.high
    flag = found.pool >= 0
    count = len(ix.segment_start)
    mixed = np.bincount(ix.segment[~flag], minlength=count) > 0
    open_ = flag & mixed[ix.segment]
    high = np.multiply(ix.high, found.top, out=np.zeros(len(ix.high)), where=ix.high > 0)
    return np.where(open_, 0.0, ix.low), np.where(open_, high, ix.high)

"""What may stand behind a draw on the world pool: not the pool's mix, but any maker's output that is not spoken for.

A buyer of whom no supplier is on record draws on the world pool (``method="world_pool"``): that it gets the mix of the
pool is a presumption, and the value. Which part of it that buyer gets, nobody has said: the bounds run over all makers.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from .flows import FLOW_METHODS
from .graph import GraphIndex, SupplyGraph
from .nominal import nominal_of

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["Draws", "draws_of", "newcomers"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# How flows came about whose least their maker no longer has.
_SPOKEN_FOR = (*FLOW_METHODS, "assumed")


@dataclass(frozen=True, eq=False)
class Draws:
    """The presumed draws of a graph on its world pools, and who may be behind each.

    Attributes
    ----------
    link : ndarray of int
        Rows of ``graph.index.links``, ascending.
    node : ndarray of int
        The pool that each draws on.
    group : ndarray of int
        Position of that pool among the pools.
    need : ndarray
        Least amount of each draw; 0 where none is known.
    maker, head : ndarray of int
        Nodes that may be behind the draws, pool by pool: makers of the product and whoever feeds the pool; and the first
        of each pool.
    make : ndarray
        The most that each has left beside what it sends to named buyers: the least of what is on record, and of what is
        assumed with its interval, but for flows at a nominal level, which may be nothing.
    sent : ndarray of bool
        By link, whether its least is taken off what its maker has left.
    new : ndarray
        By pool, what may come from makers who began after its figures were taken: anybody.
    nodes : int
        Nodes of the graph.
    """

    link: IntArray
    node: IntArray
    group: IntArray
    need: FloatArray
    maker: IntArray
    head: IntArray
    make: FloatArray
    sent: npt.NDArray[np.bool_]
    new: FloatArray
    nodes: int

    def bound(self, x: FloatArray, high: bool) -> FloatArray:
        r"""Greatest (least) mean of each draw of amount q: any makers, each up to what it has left.

        No more than the most exposed of them, :math:`\max_v x_v`, and than all that they have of it,
        :math:`\sum_v x_v m_v / q`; the least bound likewise with :math:`1 - x`. Never tighter than the pool's own.

        Parameters
        ----------
        x : ndarray
            Bound of every node, in [0, 1].
        high : bool
            Whether it is the upper one.

        Returns
        -------
        ndarray
            One value per draw.
        """
        e = x[self.maker] if high else 1.0 - x[self.maker]
        most = np.where(self.new > 0, 1.0, np.maximum.reduceat(e, self.head))[self.group]
        most = np.where(self.need > self.spare[self.group], 1.0, most)
        mass = np.add.reduceat(np.multiply(e, self.make, out=np.zeros_like(e), where=e > 0), self.head) + self.new
        mass = mass[self.group]
        # More than all of them have is somebody's whom nobody has named.
        mass = mass + np.maximum(self.need - self.spare[self.group], 0.0)
        some = self.need > 0
        part = np.divide(mass, self.need, out=np.ones_like(mass), where=some)
        out = np.minimum(most, np.minimum(part, 1.0))
        pool = x[self.node] if high else 1.0 - x[self.node]
        out = np.fmax(out, pool)
        return out if high else 1.0 - out

    @cached_property
    def spare(self) -> FloatArray:
        """By pool, what all of them have left together, newcomers included."""
        return np.asarray(np.add.reduceat(self.make, self.head) + self.new)

    def held(self, units: sparse.csr_matrix) -> FloatArray:
        """What each unit may have of each pool at most, ``units`` being the part of each node that is each unit's."""
        part = units[self.maker].toarray()
        amount = np.multiply(part, self.make[:, None], out=np.zeros_like(part), where=part > 0)
        return np.asarray(np.add.reduceat(amount, self.head, axis=0)) if len(self.head) else amount

    @cached_property
    def left(self) -> FloatArray:
        """By node what it has left for draws; NaN for nodes that are behind none."""
        out = np.full(self.nodes, np.nan)
        out[self.maker] = self.make
        return out

    def direct(self, row: IntArray, node: IntArray, low: FloatArray, high: FloatArray) -> FloatArray:
        r"""What direct sales may add to what all draws together take of their maker's output.

        A maker sells :math:`x` in ``[low, high]`` to a buyer and :math:`y` through the pool, and
        :math:`x + y \le m + low`, where :math:`m` is what it has left beside the least of its sales: together they
        are at most :math:`m + \max(low, high - m)`, of which this is what comes on top of m.

        Parameters
        ----------
        row : ndarray of int
            Rows of ``graph.index.links``.
        node : ndarray of int
            Their suppliers.
        low, high : ndarray
            Bounds of their amounts.

        Returns
        -------
        ndarray
            One value per row; of a supplier that is behind no draw all of ``high``.
        """
        m = self.left[node]
        taken = np.where(self.sent[row], low, 0.0)
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(m), high, np.where(np.isinf(m), taken, np.maximum(taken, high - m)))

    def sources(self, source: IntArray) -> IntArray:
        """Supplying node of every link, with each draw as a node of its own behind those of the graph."""
        out = np.array(source, dtype=np.int64)
        out[self.link] = self.nodes + np.arange(len(self.link))
        return out

    def extended(self, x: FloatArray, high: bool) -> FloatArray:
        """Values of the nodes, with those of the draws behind them."""
        return np.append(x, self.bound(x, high))

    def of(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Which of some rows of links are draws: their positions, and which draw each is."""
        at = np.searchsorted(self.link, rows)
        at = np.minimum(at, len(self.link) - 1)
        hit = np.flatnonzero(self.link[at] == rows)
        return hit, at[hit]


def newcomers(graph: SupplyGraph, years: pd.Series, market: IntArray, n: int, quantity: FloatArray) -> FloatArray:
    """What suppliers may make who began after the figures of a market were taken (assumption A-AGE).

    A list of all producers is one of its own time: for every year beyond the first between the data and the reference
    date, newcomers may have as much of the volume as the policy widens a figure by.

    Parameters
    ----------
    graph : SupplyGraph
        Whose reference date and policy count.
    years : Series
        Year of each figure.
    market : ndarray of int
        Market of each figure, ``0 .. n-1``.
    n : int
        Number of markets.
    quantity : ndarray
        The figures; what is missing adds nothing.

    Returns
    -------
    ndarray, shape (n,)
    """
    age = graph.reference_year - years.astype("float64").to_numpy()
    known = np.nan_to_num(quantity)
    late = np.where(np.isnan(age), 0.0, np.maximum(age - 1.0, 0.0))
    return np.bincount(market, known * late, n).astype(np.float64) * graph.policy.per_year


_FOUND: weakref.WeakKeyDictionary[SupplyGraph, Draws | None] = weakref.WeakKeyDictionary()


def draws_of(graph: SupplyGraph) -> Draws | None:
    """The draws of a graph on its world pools, found once; None where there are none.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    Draws or None

    Examples
    --------
    >>> draws_of(SupplyGraph.from_tables()) is None
    True
    """
    if graph not in _FOUND:
        _FOUND[graph] = _find(graph, graph.index)
    return _FOUND[graph]


def _find(graph: SupplyGraph, ix: GraphIndex) -> Draws | None:
    kind = ix.nodes["kind"].astype("object").to_numpy()
    pool = (kind == "demand") & (ix.nodes["country"].astype("object").to_numpy() == "WLD")
    if not pool.any():
        return None
    link = np.flatnonzero(pool[ix.src] & ~pool[ix.dst])
    method = ix.links["method"].to_numpy()
    link = link[np.asarray(method[link] == "world_pool", dtype=bool)]
    if not len(link):
        return None
    pools, group = np.unique(ix.src[link], return_inverse=True)
    product = ix.nodes["product"].astype("object").to_numpy()
    which = {str(product[p]): i for i, p in enumerate(pools)}
    of = np.array([which.get(str(p), -1) for p in product], dtype=np.int64)
    makers = np.flatnonzero((kind == "producer") & (of >= 0))
    place = np.full(ix.n, -1, dtype=np.int64)
    place[pools] = np.arange(len(pools))
    into = np.flatnonzero((place[ix.dst] >= 0) & (ix.src != ix.dst))
    pairs = np.unique(
        np.concatenate([np.stack([of[makers], makers], axis=1), np.stack([place[ix.dst[into]], ix.src[into]], axis=1)]),
        axis=0,
    )
    bare = np.setdiff1d(np.arange(len(pools)), pairs[:, 0])  # nobody is known to feed it: the pool stands for itself
    pairs = np.concatenate([pairs, np.stack([bare, pools[bare]], axis=1)])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    made, _, top = graph.interval("nodes", "output", ix.nodes)
    years = ix.nodes["output_year"].fillna(ix.nodes["year"]).iloc[makers]
    top = np.where(np.isfinite(top) & (kind == "producer"), top, np.inf)
    # What is sent to a named buyer, on record or by assumption, is nobody else's.
    sent = (kind[ix.src] == "producer") & ~pool[ix.dst] & (ix.low > 0)
    sent &= np.isin(np.where(pd.isna(method), "", method).astype(str), _SPOKEN_FOR)
    nominal = nominal_of(graph)
    if nominal is not None:
        sent &= nominal.pool < 0
    left = np.maximum(top - np.bincount(ix.src[sent], ix.low[sent], ix.n), 0.0)
    fed = np.bincount(ix.src[into], np.nan_to_num(ix.high[into], nan=np.inf, posinf=np.inf), ix.n)
    return Draws(
        link=link,
        node=ix.src[link],
        group=np.asarray(group, dtype=np.int64),
        need=np.nan_to_num(ix.low[link]),
        maker=pairs[:, 1],
        head=np.searchsorted(pairs[:, 0], np.arange(len(pools))),
        make=np.maximum(left, fed)[pairs[:, 1]],
        sent=sent,
        new=newcomers(graph, years, of[makers], len(pools), made[makers]),
        nodes=ix.n,
    )

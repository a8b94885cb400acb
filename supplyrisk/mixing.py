"""Bounds of exposure when every flow may be anything within its interval: the best and the worst mix of each pool.

A supplier's share is not free: it is its own amount over that of all. Which amounts make a mean largest or smallest is
found for all segments at once, tier by tier, from the safe side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .drawing import draws_of
from .graph import SupplyGraph
from .kernels import solve_absorbing
from .nominal import flow_ends
from .ordering import look_up
from .tracing import Mode, bulky, hands, plan_of

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["Mixes", "flow_bounds", "pool_bounds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
# A mix of so small a part of a segment's flow is none.
_MASS = 1e-9
_CLOSE = 1e-12
# Sweeps before loops of pools are solved, sweeps at all, and mixes tried in solving them.
_PLAIN, _SWEEPS, _ROUNDS = 12, 200, 100
# Sweeps after which a slow loop of makers is followed only as far as this.
_MANY, _NEAR = 60, 1e-7


class Mixes:
    """Largest (smallest) mean of each segment when each share's amount may be anything from ``lo`` to ``lo + more``.

    Called with a value of every node it gives the mean of every segment; best called with values that move one way.

    Parameters
    ----------
    source, segment : ndarray of int
        Supplying node and segment of each link, sorted by segment.
    k : int
        Number of segments.
    lo, more : ndarray
        Least amount of each link and what may come on top.
    free : ndarray of bool
        Links without a limit.
    sign : float
        1 for the largest mean, -1 for the smallest.
    unknown : float
        Mean of a segment without any amount.

    Notes
    -----
    The best mean t takes all of the suppliers above it and the least of the others (Dinkelbach 1967): guess t, mix so,
    and the mean found is the next guess. It rises, and ends after a few steps; no sort. The last sweep's is the guess.

    Examples
    --------
    >>> two = np.array([0, 1]), np.array([0, 0]), 1
    >>> most = Mixes(*two, np.array([1.0, 1.0]), np.array([2.0, 0.0]), np.array([False, False]), 1.0, 1.0)
    >>> most(np.array([1.0, 0.0])).tolist()
    [0.75]
    """

    def __init__(
        self,
        source: IntArray,
        segment: IntArray,
        k: int,
        lo: FloatArray,
        more: FloatArray,
        free: BoolArray,
        sign: float,
        unknown: float,
    ) -> None:
        self.source, self.segment, self.k = source, segment, k
        self.lo, self.more, self.free, self.sign, self.unknown = lo, more, free, sign, unknown
        self.least = self._add(lo)
        self.most = self.least + self._add(more)
        self.loose = np.flatnonzero(free)  # a supplier without a limit can be as good as all
        self.owner, self.head = np.unique(segment[self.loose], return_index=True)
        self.guess = np.full(k, -np.inf)

    def _add(self, y: FloatArray) -> FloatArray:
        return np.bincount(self.segment, y, self.k).astype(np.float64, copy=False)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Mean of every segment, from a value of every node."""
        k, told = self.k, self.most > _MASS
        e = self.sign * look_up(x, self.source)
        base = self._add(self.lo * e)
        t = self.guess
        for step in range(100):
            w = self.more * (e >= look_up(t, self.segment))
            mass = self.least + self._add(w)
            w *= e
            part = base + self._add(w)
            new = np.divide(part, mass, out=np.full(k, -np.inf), where=mass > _MASS)
            if step:
                rise = float(np.max(np.subtract(new, t, out=np.zeros(k), where=np.isfinite(t)), initial=0.0))
                t = np.maximum(new, t)
                if rise <= 1e-15:
                    break
            else:  # a guess of an earlier sweep may be too high to be reached: begin at the mix of all
                lost = told & ~(mass > _MASS)
                t = np.where(
                    lost, np.divide(base + self._add(self.more * e), self.most, out=new.copy(), where=lost), new
                )
        self.guess = t
        if len(self.loose):
            t = t.copy()
            t[self.owner] = np.maximum(t[self.owner], np.maximum.reduceat(e[self.loose], self.head))
        return np.clip(np.where(np.isfinite(t), self.sign * t, self.unknown), 0.0, 1.0)

    def only(self, rows: IntArray) -> Mixes:
        """The same of some segments alone."""
        code = np.full(self.k, -1, dtype=np.int64)
        code[rows] = np.arange(len(rows))
        at = np.flatnonzero(code[self.segment] >= 0)
        of = code[self.segment[at]]
        lo, more, free = self.lo[at], self.more[at], self.free[at]
        return Mixes(self.source[at], of, len(rows), lo, more, free, self.sign, self.unknown)

    def mix(self, x: FloatArray) -> sparse.csr_matrix:
        """The mix behind the means of the last call, which was with ``x``: segments x sources, shares."""
        from scipy import sparse

        e = self.sign * look_up(x, self.source)
        amount = self.lo + self.more * (e >= look_up(self.guess, self.segment))
        if len(self.loose):
            size = np.diff(np.append(self.head, len(self.loose)))
            top = np.repeat(np.maximum.reduceat(e[self.loose], self.head), size)
            hit = (e[self.loose] >= top) & (top >= self.guess[self.segment[self.loose]])
            best = self.loose[hit]
            alone = np.isin(self.segment, self.segment[best])
            amount = np.where(alone, 0.0, amount)
            amount[best] = 1.0
        mass = self._add(amount)[self.segment]
        share = np.divide(amount, mass, out=np.zeros_like(amount), where=mass > _MASS)
        return sparse.csr_matrix((share, (self.segment, self.source)), shape=(self.k, len(x)))

    def settled(self, x: FloatArray, node: IntArray) -> FloatArray:
        """Values of the nodes that the segments are, all others held: the bound of the loops among them, not a sweep.

        Parameters
        ----------
        x : ndarray
            A value of every source, never tighter than what is sought.
        node : ndarray of int
            The node that each segment is.

        Returns
        -------
        ndarray
            One value per segment, never beyond ``x``.

        Notes
        -----
        Policy iteration (Howard 1960): hold the mix, solve, mix anew. Pools that may live on each other alone, so that
        no source is behind them, are unknown and found before; every other mix ends at sources, so that the solution
        is one. Definition of this library.
        """
        up = self.sign > 0
        f = x.copy() if up else 1.0 - x  # the unknown is 1 either way
        shut = self._shut(node, len(x))
        f[node[shut]] = 1.0
        rows, at, most = np.flatnonzero(~shut), node[~shut], f.copy()
        for _ in range(_ROUNDS if len(rows) else 0):
            y = f if up else 1.0 - f
            self(y)
            w = self.mix(y)[rows].tocsc()
            fixed = f.copy()
            fixed[at] = 0.0
            new = solve_absorbing(w[:, at].tocsr(), (w @ fixed).reshape(-1, 1))[:, 0]
            gap = float(np.max(np.abs(new - f[at])))
            f[at] = np.clip(new, 0.0, 1.0)
            if gap <= _CLOSE:
                break
        else:
            f = most
        out = np.minimum(f, most)[node]
        return out if up else 1.0 - out

    def _shut(self, node: IntArray, n: int) -> BoolArray:
        """Which nodes may live on each other alone, or have no amount at all: nothing says what is in them."""
        inside = np.zeros(n, dtype=bool)
        inside[node] = True
        bare = ~(self.most > _MASS)
        bare[self.segment[self.loose]] = False
        top = self.lo + self.more
        while True:
            within = inside[self.source]
            forced = self._add(np.where(within, 0.0, self.lo)) > _MASS
            able = (self._add(np.where(within, top, 0.0)) > _MASS) & ~forced
            able[self.segment[self.free & within]] = True
            left = inside[node] & ~(able | bare)
            if not left.any():
                return np.asarray(inside[node])
            inside[node[left]] = False


def _loops(graph: SupplyGraph, pools: BoolArray) -> BoolArray:
    """Pools that send to each other in a loop."""
    from scipy import sparse
    from scipy.sparse import csgraph

    ix = graph.index
    inner = pools[ix.src] & pools[ix.dst] & (ix.src != ix.dst)
    src, dst = ix.src[inner], ix.dst[inner]
    net = sparse.csr_matrix((np.ones(len(src), dtype=np.int8), (src, dst)), shape=(ix.n, ix.n))
    label = csgraph.connected_components(net, directed=True, connection="strong")[1]
    return np.asarray(np.bincount(label, minlength=ix.n)[label] > 1)


def pool_bounds(
    graph: SupplyGraph, pools: BoolArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bounds of pools as wide as their flows: each anything within its interval, a draw on the world pool any maker's.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    pools : ndarray of bool, shape (n,)
        Nodes that are the mix of what feeds them.
    low, high : ndarray, shape (n,)
        Bounds of every node; those of fed pools have no effect.

    Returns
    -------
    tuple of ndarray
        Low and high with those of fed pools filled in, in [0, 1].

    Notes
    -----
    Loops of pools are solved, so that however often goods go round, a bound is as tight as its flows. A pool that
    flows within their intervals may cut off from every source is open, 0 to 1.

    Examples
    --------
    >>> [x.shape for x in pool_bounds(SupplyGraph.from_tables(), np.zeros(0, dtype=bool), np.zeros(0), np.zeros(0))]
    [(0,), (0,)]
    """
    ix, draws = graph.index, draws_of(graph)
    at = np.flatnonzero(pools[ix.dst])
    if not len(at):
        return low, high
    code, segment = np.unique(ix.segment[at], return_inverse=True)
    least, most = (y[at] for y in flow_ends(graph))
    free = ~np.isfinite(most)
    lo = np.nan_to_num(least)
    hi = np.where(free, lo, np.maximum(most, lo))
    back = ix.src[at] == ix.dst[at]
    lo[back], hi[back], free[back] = 0.0, 0.0, False
    size = np.bincount(segment, hi, len(code))[segment]
    lo, hi = (np.divide(y, size, out=np.zeros_like(y), where=size > 0) for y in (lo, hi))
    buyer = ix.dst[at][np.unique(segment, return_index=True)[1]]
    source = (ix.src if draws is None else draws.sources(ix.src))[at]
    round_ = np.flatnonzero(_loops(graph, pools)[buyer])
    out = []
    for x, sign, unknown in ((low, -1.0, 0.0), (high, 1.0, 1.0)):
        mixed = Mixes(source, segment, len(code), lo, hi - lo, free, sign, unknown)
        y = x.copy()
        y[buyer] = unknown  # from the safe side: stopping early widens
        for i in range(_SWEEPS):
            wide = y if draws is None else draws.extended(y, sign > 0)
            if i >= _PLAIN and len(round_):  # goods would take for ever to go round: loops are solved
                y = y.copy()
                y[buyer[round_]] = mixed.only(round_).settled(wide, buyer[round_])
                wide = y if draws is None else draws.extended(y, sign > 0)
            new = mixed(wide)
            gap = float(np.max(np.abs(new - y[buyer]), initial=0.0))
            y[buyer] = new
            if gap <= _CLOSE:
                break
        out.append(y)
    return out[0], out[1]


def flow_bounds(
    graph: SupplyGraph, own: FloatArray, mode: Mode, *, high: bool, weights: FloatArray | None = None, sweeps: int = 240
) -> FloatArray:
    """Bound of the exposure of every node when each flow may be anything within its interval.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own : ndarray
        Low (or high) share of the focal at each node itself, ``(n,)``.
    mode : {"linear", "bottleneck", "partial", "strict"}
        As in :func:`trace`; what is drawn on the world pool is any maker's; value weights of inputs stay as they are where prices and amounts give them, and are
        anything where they had to be assumed, or where no input on record is essential.
    high : bool
        Upper bound, or lower.
    weights : ndarray, optional
        As in :func:`trace`.
    sweeps : int
        At most so many. Sweeps come from the safe side: stopping early widens the bound and never breaks it.

    Returns
    -------
    ndarray
        Shape ``(n,)``, in [0, 1].

    Examples
    --------
    >>> flow_bounds(SupplyGraph.from_tables(), np.zeros(0), "linear", high=True).shape
    (0,)
    """
    plan, ix = plan_of(graph), graph.index
    a = hands(plan, own)
    unknown = 1.0 if high else 0.0
    w = plan.weight if weights is None else weights / np.bincount(plan.buyer, weights, plan.n)[plan.buyer]
    ends = flow_ends(graph)
    lo = np.nan_to_num(ends[0])
    free = ~np.isfinite(ends[1])
    hi = np.where(free, lo, np.maximum(ends[1], lo))
    back = np.flatnonzero((ix.src == ix.dst) & ~plan.maker[ix.dst])  # a pool's returns are as the rest of it
    lo[back], hi[back], free[back] = 0.0, 0.0, False
    if len(lo):  # shares do not depend on the unit: one per segment keeps the running sums short
        size = np.add.reduceat(hi, ix.segment_start)[ix.segment]
        lo, hi = (np.divide(x, size, out=np.zeros_like(x), where=size > 0) for x in (lo, hi))
    stop = None if mode == "linear" else plan.stops(mode)
    # Where nobody knows the weights of a maker's inputs they may be anything: all of it the best of them, or the worst.
    vague = plan.vague if weights is None else np.zeros(plan.n, dtype=bool)
    some = np.flatnonzero(vague[plan.buyer])
    if stop is not None:
        some = some[np.isin(some, stop.soft)]
    owner, head = np.unique(plan.buyer[some], return_index=True)
    bare = ~bulky(plan)[owner]  # what goes in is for the most part not recorded: it may be free of the focal
    part = np.zeros(0) if stop is None else stop.soft_weight(np.where(vague[plan.buyer], 0.0, w))
    draws = draws_of(graph)
    source = ix.src if draws is None else draws.sources(ix.src)
    mixed = Mixes(source, ix.segment, len(ix.segment_start), lo, hi - lo, free, 1.0 if high else -1.0, unknown)
    pools = ~plan.maker[plan.buyer]
    # What a pool in the focal territory hands on is the focal's: it is in no loop.
    ring = np.flatnonzero(pools & (_loops(graph, ~plan.maker) & ~(a >= 1.0))[plan.buyer])

    x = np.full(plan.n, unknown)
    taken = x
    for i in range(sweeps):
        wide = x if draws is None else draws.extended(x, high)
        if i >= _PLAIN and len(ring):  # goods would take for ever to go round: loops are solved
            x = x.copy()
            x[plan.buyer[ring]] = mixed.only(ring).settled(wide, plan.buyer[ring])
            wide = x if draws is None else draws.extended(x, high)
        e = mixed(wide) if len(lo) else np.zeros(0)
        agg = np.zeros(plan.n)
        if stop is None:
            agg += np.bincount(plan.buyer, w * e, plan.n)
        else:
            stop.bind(e, agg, part)
        if len(owner) and high:
            agg[owner] = np.maximum(agg[owner], np.maximum.reduceat(e[some], head))
        elif len(owner) and stop is None:
            agg[owner] = np.where(bare, 0.0, np.minimum.reduceat(e[some], head))
        if stop is None:  # an input that no link brings is a part of what goes in
            agg = (1 - plan.most_absent) * agg + plan.most_absent * unknown
        else:
            agg[plan.lacking] = np.maximum(agg[plan.lacking], unknown)
        agg[plan.buyer[pools]] = e[pools]
        agg[plan.empty] = unknown
        new = np.clip(a + (1 - a) * agg, 0.0, 1.0)
        taken = np.where(plan.maker, new, np.clip(agg, 0.0, 1.0))
        gap = float(np.max(np.abs(new - x), initial=0.0))
        x = new
        if gap <= (_CLOSE if i < _MANY else _NEAR):
            break
    return taken

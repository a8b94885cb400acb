"""Bounds of exposure when every flow may be anything within its interval: the best and the worst mix of each pool.

A supplier's share is not free: it is its own amount over that of all. Which amounts make a mean largest or smallest is
found for all segments at once, tier by tier, from the safe side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .drawing import draws_of
from .graph import SupplyGraph
from .nominal import flow_ends
from .ordering import look_up
from .tracing import Mode, bulky, hands, plan_of

__all__ = ["best_mixes", "flow_bounds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
# A mix of so small a part of a segment's flow is none.
_MASS = 1e-9


def best_mixes(
    source: IntArray,
    segment: IntArray,
    k: int,
    lo: FloatArray,
    more: FloatArray,
    free: BoolArray,
    sign: float,
    unknown: float,
) -> Callable[[FloatArray], FloatArray]:
    """Largest (smallest) mean of each segment when each share's amount may be anything from ``lo`` to ``lo + more``.

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

    Returns
    -------
    callable
        From a value of every node to the mean of every segment; best called with values that move one way.

    Notes
    -----
    The best mean t takes all of the suppliers above it and the least of the others (Dinkelbach 1967): guess t, mix so,
    and the mean found is the next guess. It rises, and ends after a few steps; no sort. The last sweep's is the guess.

    Examples
    --------
    >>> two = np.array([0, 1]), np.array([0, 0]), 1
    >>> most = best_mixes(*two, np.array([1.0, 1.0]), np.array([2.0, 0.0]), np.array([False, False]), 1.0, 1.0)
    >>> most(np.array([1.0, 0.0])).tolist()
    [0.75]
    """

    def add(y: FloatArray) -> FloatArray:
        return np.bincount(segment, y, k).astype(np.float64, copy=False)

    least = add(lo)
    most = least + add(more)
    told = most > _MASS
    loose = np.flatnonzero(free)  # a supplier without a limit can be as good as all
    owner, head = np.unique(segment[loose], return_index=True)
    guess = np.full(k, -np.inf)

    def mixed(x: FloatArray) -> FloatArray:
        nonlocal guess
        e = sign * look_up(x, source)
        base = add(lo * e)
        t = guess
        for step in range(100):
            w = more * (e >= look_up(t, segment))
            mass = least + add(w)
            w *= e
            part = base + add(w)
            new = np.divide(part, mass, out=np.full(k, -np.inf), where=mass > _MASS)
            if step:
                rise = float(np.max(np.subtract(new, t, out=np.zeros(k), where=np.isfinite(t)), initial=0.0))
                t = np.maximum(new, t)
                if rise <= 1e-15:
                    break
            else:  # a guess of an earlier sweep may be too high to be reached: begin at the mix of all
                lost = told & ~(mass > _MASS)
                t = np.where(lost, np.divide(base + add(more * e), most, out=new.copy(), where=lost), new)
        guess = t
        if len(loose):
            t = t.copy()
            t[owner] = np.maximum(t[owner], np.maximum.reduceat(e[loose], head))
        return np.clip(np.where(np.isfinite(t), sign * t, unknown), 0.0, 1.0)

    return mixed


def flow_bounds(
    graph: SupplyGraph, own: FloatArray, mode: Mode, *, high: bool, weights: FloatArray | None = None, sweeps: int = 60
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
    mixed = best_mixes(source, ix.segment, len(ix.segment_start), lo, hi - lo, free, 1.0 if high else -1.0, unknown)

    x = np.full(plan.n, unknown)
    taken = x
    for _ in range(sweeps):
        e = mixed(x if draws is None else draws.extended(x, high)) if len(lo) else np.zeros(0)
        agg = np.zeros(plan.n)
        if stop is None:
            agg += np.bincount(plan.buyer, w * e, plan.n)
        else:
            stop.bind(e, agg, part)
        if len(owner) and high:
            agg[owner] = np.maximum(agg[owner], np.maximum.reduceat(e[some], head))
        elif len(owner) and stop is None:
            agg[owner] = np.where(bare, 0.0, np.minimum.reduceat(e[some], head))
        agg[plan.lacking] = np.maximum(agg[plan.lacking], unknown)
        pools = ~plan.maker[plan.buyer]
        agg[plan.buyer[pools]] = e[pools]
        agg[plan.empty] = unknown
        new = np.clip(a + (1 - a) * agg, 0.0, 1.0)
        taken = np.where(plan.maker, new, np.clip(agg, 0.0, 1.0))
        gap = float(np.max(np.abs(new - x), initial=0.0))
        x = new
        if gap <= 1e-12:
            break
    return taken

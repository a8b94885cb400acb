"""The arithmetic of closing accounts: can they close, what forbids it, and the flows of greatest entropy if they can.

A network is arrays of edges between accounts; -1 stands for the outside, so that output and use are edges like any
flow and one rule holds everywhere: what comes in goes out. Many networks (products, draws of an ensemble) stand side
by side as blocks and are solved together, each at its own pace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["Edges", "forced", "minimal_conflict", "shortfall", "solve", "tighten"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_CAP = 2**30  # scipy's maximum flow counts in 32-bit integers
_STEP = 0.995  # part of the way to a bound that one step may go
_DUST = 1e-13  # part of a network's sum below which a flow is nothing
_LEAST = 1e-60  # numbers below it would overflow their inverse
_SWEEPS = 80  # steps that bring a network near its answer
_CLOSED = 1e-10  # gap of an account, relative to what passes through it


@dataclass
class Edges:
    """Edges between ``n`` accounts.

    Attributes
    ----------
    n : int
        Number of accounts.
    tail, head : ndarray of int
        Account that gives and account that takes; -1 is the outside.
    low, high : ndarray
        Bounds of the flow, at least 0; ``inf`` for none.
    block : ndarray of int
        Network of each edge, from 0; an account has edges of one network only.
    """

    n: int
    tail: IntArray
    head: IntArray
    low: FloatArray
    high: FloatArray
    block: IntArray

    def net(self, x: FloatArray) -> FloatArray:
        """Inflow less outflow of each account."""
        into, out = self.head >= 0, self.tail >= 0
        return np.asarray(
            np.bincount(self.head[into], x[into], self.n) - np.bincount(self.tail[out], x[out], self.n), dtype=float
        )

    def through(self, x: FloatArray) -> FloatArray:
        """Inflow plus outflow of each account."""
        into, out = self.head >= 0, self.tail >= 0
        return np.asarray(
            np.bincount(self.head[into], x[into], self.n) + np.bincount(self.tail[out], x[out], self.n), dtype=float
        )

    def part(self, keep: BoolArray) -> tuple[Edges, IntArray]:
        """The chosen edges with their accounts numbered anew, and the old number of each account."""
        ends = np.unique(np.concatenate([self.tail[keep], self.head[keep]]))
        ends = ends[ends >= 0]
        new = np.full(self.n + 1, -1, dtype=np.int64)
        new[ends] = np.arange(len(ends))
        _, block = np.unique(self.block[keep], return_inverse=True)
        return (
            Edges(len(ends), new[self.tail[keep]], new[self.head[keep]], self.low[keep], self.high[keep], block),
            ends,
        )


# ---------------------------------------------------------------------- can it be met?


def forced(e: Edges) -> tuple[BoolArray, FloatArray]:
    """Edges that the accounts leave one value at the end of their bounds, and that value.

    Parameters
    ----------
    e : Edges
        One network that can be met.

    Returns
    -------
    tuple of ndarray
        Whether an edge is forced, and its flow. An interior point of a network has none such: they are fixed first.

    Notes
    -----
    One linear programme: as many flows as possible are kept off both ends of their bounds at once, by next to nothing.

    Examples
    --------
    >>> e = Edges(1, np.array([-1, 0, 0]), np.array([0, -1, -1]), np.array([0.0, 5.0, 0.0]), np.array([5.0, 5.0, 9.0]), np.zeros(3, int))
    >>> [x.tolist() for x in forced(e)]
    [[True, True, True], [5.0, 5.0, 0.0]]
    """
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    m, wide = len(e.tail), e.high > e.low
    size = max(float(np.max(np.abs(e.low), initial=0.0)), float(np.max(e.high[np.isfinite(e.high)], initial=0.0)), 1e-9)
    step = 1e-5 * size
    ends = [(e.head, 1.0), (e.tail, -1.0)]
    row = np.concatenate([a[a >= 0] for a, _ in ends])
    col = np.concatenate([np.flatnonzero(a >= 0) for a, _ in ends])
    value = np.concatenate([np.full(int((a >= 0).sum()), v) for a, v in ends])
    zero = sparse.csr_array((e.n, 2 * m))
    same = sparse.hstack([sparse.csr_array((value, (row, col)), shape=(e.n, m)), zero])
    eye, none = sparse.eye_array(m), sparse.csr_array((m, m))
    off = sparse.vstack([sparse.hstack([-eye, eye, none]), sparse.hstack([eye, none, eye])])
    most = np.where(np.isfinite(e.high), e.high, 1e6 * size)
    spare = np.where(wide, step, 0.0)
    rows = sparse.csr_array(sparse.vstack([same, off]))
    upper = np.concatenate([np.zeros(e.n), -e.low, most])
    lower = np.concatenate([np.zeros(e.n), np.full(2 * m, -np.inf)])
    none_off = np.zeros(2 * m)
    found = milp(
        np.concatenate([np.zeros(m), -np.ones(2 * m)]),
        constraints=LinearConstraint(rows, lower, upper),
        bounds=Bounds(np.concatenate([e.low, none_off]), np.concatenate([most, spare, spare])),
    )
    if found.status != 0:
        return np.zeros(m, dtype=bool), e.low.copy()
    at_low, at_high = (found.x[m * k : m * (k + 1)] <= 1e-3 * step for k in (1, 2))
    return at_low | at_high, np.where(at_low, e.low, e.high)


def shortfall(e: Edges, low: FloatArray | None = None, high: FloatArray | None = None) -> tuple[float, BoolArray]:
    """What cannot be routed within the bounds: a maximum flow (Hoffman 1960).

    Parameters
    ----------
    e : Edges
        One network.
    low, high : ndarray, optional
        Bounds in place of those of ``e``.

    Returns
    -------
    tuple
        The amount that finds no way, 0 if all accounts can close, and the accounts (the outside last) on the side
        of the tight cut that has too much. Amounts below about 1e-9 of the whole per account go unseen.

    Examples
    --------
    >>> one = Edges(1, np.array([-1, 0]), np.array([0, -1]), np.array([30.0, 50.0]), np.array([30.0, 50.0]), np.zeros(2, int))
    >>> round(shortfall(one)[0], 6)
    20.0
    """
    from scipy import sparse
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    low = e.low if low is None else low
    high = e.high if high is None else high
    n = e.n
    tail, head = np.where(e.tail < 0, n, e.tail), np.where(e.head < 0, n, e.head)
    extra = np.bincount(head, low, n + 1) - np.bincount(tail, low, n + 1)
    total = float(extra[extra > 0].sum())
    if total <= 0:
        return 0.0, np.zeros(n + 1, dtype=bool)
    scale = _CAP / total
    source, sink = n + 1, n + 2
    room = np.minimum(np.where(np.isinf(high), total, high - low), total)
    push, pull = np.rint(np.maximum(extra, 0.0) * scale), np.rint(np.maximum(-extra, 0.0) * scale)
    everyone = np.arange(n + 1)
    cells = sparse.coo_array(
        (
            np.concatenate([np.rint(room * scale), push, pull]),
            (
                np.concatenate([tail, np.full(n + 1, source), everyone]),
                np.concatenate([head, everyone, np.full(n + 1, sink)]),
            ),
        ),
        shape=(n + 3, n + 3),
    ).tocsr()
    cells.data = np.minimum(cells.data, _CAP)
    cap = sparse.csr_array(cells.astype(np.int32))
    cap.eliminate_zeros()
    flow = maximum_flow(cap, source, sink)
    miss = float(min(push.sum(), pull.sum()) - flow.flow_value)
    if miss <= 2 * n + 2 + len(e.tail):
        return 0.0, np.zeros(n + 1, dtype=bool)
    residual = sparse.csr_array(cap - flow.flow)
    residual.data = np.where(residual.data > 0, residual.data, 0)
    residual.eliminate_zeros()
    reached = np.zeros(n + 3, dtype=bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return miss / scale, reached[: n + 1]


def minimal_conflict(e: Edges) -> tuple[float, IntArray]:
    """A smallest set of bounded edges that cannot hold together: without any one of them all accounts could close.

    Parameters
    ----------
    e : Edges
        One network.

    Returns
    -------
    tuple
        By how much the whole is off, and the edges of the set, none if there is no conflict.

    Examples
    --------
    >>> ends = np.array([[-1, 0], [-1, 0], [0, -1], [-1, 0]])
    >>> v = np.array([50.0, 40.0, 30.0, 0.0])
    >>> top = np.array([50.0, 40.0, 30.0, np.inf])
    >>> minimal_conflict(Edges(1, ends[:, 0], ends[:, 1], v, top, np.zeros(4, int)))[1].tolist()
    [1, 2]
    """
    miss, reached = shortfall(e)
    if miss <= 0:
        return 0.0, np.zeros(0, dtype=np.int64)
    tail, head = np.where(e.tail < 0, e.n, e.tail), np.where(e.head < 0, e.n, e.head)
    cut = (reached[tail] != reached[head]) & ((e.low > 0) | np.isfinite(e.high))
    held = np.flatnonzero(cut).tolist()

    def clashes(rows: list[int]) -> bool:
        low, high = np.zeros(len(tail)), np.full(len(tail), np.inf)
        low[rows], high[rows] = e.low[rows], e.high[rows]
        return shortfall(e, low, high)[0] > 0

    if clashes(held):  # else the cut is at the edge of what the integers can see: name all of it
        for row in list(held):
            fewer = [r for r in held if r != row]
            if clashes(fewer):
                held = fewer
    return miss, np.array(held, dtype=np.int64)


def tighten(e: Edges, low: FloatArray, high: FloatArray, rounds: int = 60) -> tuple[FloatArray, FloatArray]:
    """Bounds that follow from the accounts: no more comes than the other side can take, and so on (outer bounds).

    Parameters
    ----------
    e : Edges
        The network.
    low, high : ndarray
        Bounds to begin with, ``low <= high``.
    rounds : int
        Passes at most; fewer leave the bounds wider, never wrong.

    Returns
    -------
    tuple of ndarray

    Examples
    --------
    >>> pair = Edges(1, np.array([-1, 0, 0]), np.array([0, -1, -1]), np.zeros(3), np.zeros(3), np.zeros(3, int))
    >>> lo, hi = tighten(pair, np.array([30.0, 10.0, 0.0]), np.array([30.0, 12.0, np.inf]))
    >>> lo.tolist(), hi.tolist()
    ([30.0, 10.0, 18.0], [30.0, 12.0, 20.0])
    """
    n = e.n
    low, high = low.copy(), high.copy()
    inside_h, inside_t = e.head >= 0, e.tail >= 0
    h, t = e.head[inside_h], e.tail[inside_t]
    for _ in range(rounds):
        before = low.copy(), high.copy()
        finite = np.where(np.isinf(high), 0.0, high)
        wild = np.isinf(high).astype(float)
        lo_in, hi_in, wi_in = (np.bincount(h, v[inside_h], n) for v in (low, finite, wild))
        lo_out, hi_out, wi_out = (np.bincount(t, v[inside_t], n) for v in (low, finite, wild))
        for mask, at, los, his, wis, o_lo, o_hi, o_wi in (
            (inside_h, h, lo_in, hi_in, wi_in, lo_out, hi_out, wi_out),
            (inside_t, t, lo_out, hi_out, wi_out, lo_in, hi_in, wi_in),
        ):
            top = np.where(o_wi[at] > 0, np.inf, o_hi[at] - (los[at] - before[0][mask]))
            others = np.where(wis[at] - wild[mask] > 0, np.inf, his[at] - finite[mask])
            bottom = o_lo[at] - others
            # Rounding must not push a bound past the other one: around a cycle that would feed on itself.
            high[mask] = np.minimum(high[mask], np.maximum(top, before[0][mask]))
            low[mask] = np.maximum(low[mask], np.minimum(bottom, before[1][mask]))
        cross = low > high
        middle = np.where(cross, 0.5 * (low + high), 0.0)
        low, high = np.where(cross, middle, low), np.where(cross, middle, high)
        moved = np.abs(low - before[0]) > 1e-9 * np.maximum(low, 1e-300)
        with np.errstate(invalid="ignore"):
            moved |= (high != before[1]) & ~(np.abs(high - before[1]) <= 1e-9 * high)
        if not moved.any():
            break
    return low, high


# ---------------------------------------------------------------------- the flows


def _least(values: FloatArray, block: IntArray, count: int) -> FloatArray:
    """Smallest value of each block, 1 at most."""
    out = np.ones(count)
    np.minimum.at(out, block, values)
    return out


def _laplacian(n: int, tail: IntArray, head: IntArray, inverse: FloatArray) -> sparse.csc_array:
    from scipy import sparse

    inner = (tail >= 0) & (head >= 0)
    own: FloatArray = np.zeros(n)
    for ends in (head, tail):
        own = own + np.bincount(ends[ends >= 0], inverse[ends >= 0], n)
    own = own * (1 + 1e-13) + 1e-290
    i, j, v = tail[inner], head[inner], -inverse[inner]
    everyone: IntArray = np.arange(n)
    return sparse.csc_array(
        sparse.coo_array(
            (np.concatenate([own, v, v]), (np.concatenate([everyone, i, j]), np.concatenate([everyone, j, i]))),
            shape=(n, n),
        )
    )


def solve(
    e: Edges,
    prior: FloatArray,
    *,
    stiff: FloatArray | None = None,
    price: FloatArray | None = None,
    weight: float | FloatArray = 1.0,
    start: FloatArray | None = None,
    rounds: int = 300,
) -> tuple[FloatArray, BoolArray]:
    """Flows that close all accounts within their bounds and move least, by an interior-point method.

    ``min sum_e w_e (x_e ln(x_e / p_e) - x_e + c_e x_e)`` over ordinary edges plus ``sum_e ((x_e - p_e) / s_e)^2 / 2``
    over stiff ones, subject to inflow = outflow at every account and ``low <= x <= high``.

    Parameters
    ----------
    e : Edges
        Networks side by side.
    prior : ndarray
        Prior flow of each edge; a prior of 0 keeps an ordinary edge at its lower bound.
    stiff : ndarray, optional
        The scale ``s`` of edges whose figure is held by least squares; NaN for ordinary ones.
    price : ndarray, optional
        The cost ``c`` of a unit, dimensionless.
    weight : float or ndarray
        The weight ``w`` of ordinary edges against stiff ones.
    start : ndarray, optional
        Flows from which networks with stiff edges start; default the prior, less where there is a price.
    rounds : int
        Newton steps at most.

    Returns
    -------
    tuple of ndarray
        The flows, and for each block whether it converged: every account closed to 1e-9 of what passes through it
        and optimality to 1e-6.

    Notes
    -----
    Per network all amounts are scaled by their sum. Source: Stone (1961), Bacharach (1970); Wright (1997) for the
    method. Evidence T.

    Examples
    --------
    >>> tail, head = np.array([-1, -1, 0, 0, 1, 1, 2, 3]), np.array([0, 1, 2, 3, 2, 3, -1, -1])
    >>> v = np.array([30.0, 10.0, 0.0, 0.0, 0.0, 0.0, 24.0, 16.0])
    >>> free = np.where(v > 0, v, np.inf)
    >>> x, good = solve(Edges(4, tail, head, v, free, np.zeros(8, int)), np.where(v > 0, v, 1.0))
    >>> x[2:6].round(6).tolist(), good.tolist()
    ([18.0, 12.0, 6.0, 4.0], [True])
    """
    count = int(e.block.max()) + 1 if len(e.block) else 0
    size = np.maximum(np.bincount(e.block, np.maximum(prior, e.low), count), 1e-300)[e.block]
    s = np.full(len(prior), np.nan) if stiff is None else stiff / size
    fixed = (e.high - e.low <= 1e-13 * size) | ((prior <= 0) & np.isnan(s))
    out = np.where(fixed, np.clip(prior, e.low, np.where(np.isinf(e.high), e.low, e.high)), 0.0)
    out = np.where(fixed & (e.high > e.low) & (prior <= 0), e.low, out)
    good = np.ones(count, dtype=bool)
    free = np.flatnonzero(~fixed)
    if len(free):
        w = np.full(len(free), weight) if isinstance(weight, float) else weight[free] * size[free]
        c = np.zeros(len(free)) if price is None else w * price[free]
        near = None if start is None else start[free] / size[free]
        point = _start(e, out, free, size, prior[free] / size[free], s[free], w, c, count, near)
        found, best = _newton(point, rounds)
        out[free] = found * size[free]
        asked = np.unique(e.block[free])
        good[asked] = best[asked]
    return out, _closed(e, out, good)


@dataclass
class _Point:
    """Where the iteration stands: arrays over edges, arrays over accounts, networks by their old numbers."""

    edge: dict[str, npt.NDArray[Any]]
    account: dict[str, npt.NDArray[Any]]

    def part(self, keep: BoolArray) -> _Point:
        """The networks that are to be kept."""
        on = keep[self.edge["block"]]
        stays = keep[self.account["block"]]
        new = np.append(np.cumsum(stays) - 1, -1)
        edge = {k: v[on] for k, v in self.edge.items()}
        edge["tail"], edge["head"] = new[edge["tail"]], new[edge["head"]]
        return _Point(edge, {k: v[stays] for k, v in self.account.items()})

    def net(self, x: FloatArray) -> FloatArray:
        """Inflow less outflow of each account."""
        n = len(self.account["block"])
        head, tail = self.edge["head"], self.edge["tail"]
        return np.asarray(np.bincount(head + 1, x, n + 1)[1:] - np.bincount(tail + 1, x, n + 1)[1:], dtype=float)

    def through(self, x: FloatArray) -> FloatArray:
        """Inflow plus outflow of each account."""
        n = len(self.account["block"])
        head, tail = self.edge["head"], self.edge["tail"]
        return np.asarray(np.bincount(head + 1, x, n + 1)[1:] + np.bincount(tail + 1, x, n + 1)[1:], dtype=float)


def _start(
    e: Edges,
    held: FloatArray,
    free: IntArray,
    size: FloatArray,
    p: FloatArray,
    s: FloatArray,
    w: FloatArray,
    c: FloatArray,
    count: int,
    near: FloatArray | None = None,
) -> _Point:
    """Free edges, scaled by the sum of their network, inside their bounds."""
    choice = np.zeros(len(e.tail), dtype=bool)
    choice[free] = True
    sub, accounts = e.part(choice)
    block, scale = e.block[free], size[free]
    lo, hi = e.low[free] / scale, e.high[free] / scale
    of_account = np.zeros(sub.n, dtype=np.int64)
    for ends in (sub.tail, sub.head):
        of_account[ends[ends >= 0]] = block[ends >= 0]
    unit = np.zeros(count)
    unit[block] = scale
    unit = unit[of_account]
    soft, has_u = ~np.isnan(s), np.isfinite(hi)
    b, carried = -e.net(held)[accounts] / unit, e.through(held)[accounts] / unit
    mixed = np.bincount(block, soft, count) > 0
    dear = np.where(soft, p, p * np.exp(-c / w))
    if near is not None:
        dear = np.where(mixed[block], np.where(soft, near, np.maximum(near, 1e-6 * dear)), dear)
    y, guess = _near(sub, block, dear, lo, hi, mixed, 0.5 * (carried - b), 0.5 * (carried + b))
    margin = 0.1 * np.where(has_u, hi - lo, 0.0)
    inside = 1e-2 * np.maximum(guess, 1e-10)
    nearest = lo + np.where(has_u, np.minimum(inside, margin), np.where(lo > 0, inside, 0.0))
    x = np.maximum(np.clip(guess, nearest, np.where(has_u, hi - margin, np.inf)), _LEAST)
    many = np.maximum(np.bincount(block, 1.0 + has_u, count), 1.0)
    begin = (np.where(mixed, 1.0, 1e-4) / many)[block]
    s = np.where(soft, s, 1.0)
    edge = {
        "tail": sub.tail, "head": sub.head, "block": block, "p": p, "lo": lo, "hi": hi, "s": s, "soft": soft, "w": w,
        "c": c, "has_u": has_u, "x": x, "zl": begin / (x - lo),
        "zu": np.where(has_u, begin / np.where(has_u, hi - x, 1.0), 0.0),
        "grain": 1e-17 * np.maximum(x, 1e-3),  # a bound that rounding has reached
        # Optimality is asked of the edges that carry something; of a stiff one in units of its own scale.
        "lively": np.where(soft, s, 1.0 / w),
    }  # fmt: skip
    account = {"block": of_account, "b": b, "carried": carried, "y": y}
    return _Point(edge, account)


def _near(
    sub: Edges,
    block: IntArray,
    p: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    mixed: BoolArray,
    given: FloatArray,
    taken: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Multipliers and flows near the answer: accounts scaled in turn (Sinkhorn), with bounded Newton steps between.

    In logarithms a flow may have to change by many orders of magnitude without doing harm on the way.
    """
    from scipy.sparse.linalg import splu

    y = np.zeros(sub.n + 1)  # the last one is the outside
    of_account = np.zeros(sub.n, dtype=np.int64)
    for ends in (sub.tail, sub.head):
        of_account[ends[ends >= 0]] = block[ends >= 0]
    calm = ~mixed[of_account]
    still = mixed[block]

    def flows() -> FloatArray:
        way = np.clip(y[sub.head] - y[sub.tail], -60.0, 60.0)
        return np.asarray(np.clip(np.where(still, p, p * np.exp(way)), lo, hi))

    x = flows()
    for turn in range(_SWEEPS if calm.any() else 0):
        net, through = sub.net(x), sub.through(x)
        have, need = 0.5 * (through + net) + given, 0.5 * (through - net) + taken
        off = np.where(calm, np.abs(have - need) / (have + need + _DUST), 0.0)
        if off.max(initial=0.0) < 1e-4:
            break
        if turn % 4 == 3:
            free = np.where((x > lo) & (x < hi) & ~still, x, 1e-12 * x)
            step = splu(_laplacian(sub.n, sub.tail, sub.head, np.maximum(free, 1e-290))).solve(need - have)
            step = np.where(np.isfinite(step), step, 0.0)
        else:
            step = 0.5 * np.log(np.maximum(need, 1e-30) / np.maximum(have, 1e-30))
        y[:-1] += np.where(calm, np.clip(step, -2.0, 2.0), 0.0)
        x = flows()
    return np.asarray(y[: sub.n]), x


def _newton(point: _Point, rounds: int) -> tuple[FloatArray, BoolArray]:
    """Interior-point steps; networks that are done are taken out of the system, then what rounding left is spread."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _iterate(point, rounds)


def _iterate(point: _Point, rounds: int) -> tuple[FloatArray, BoolArray]:
    from scipy.sparse.linalg import splu

    first = point
    count = int(point.edge["block"].max()) + 1
    many = np.maximum(np.bincount(point.edge["block"], 1.0 + point.edge["has_u"], count), 1.0)
    mixed = np.bincount(point.edge["block"], point.edge["soft"], count) > 0
    bottom = np.full(count, 1e-15)
    np.minimum.at(bottom, point.edge["block"], 1e-15 * point.edge["w"])
    near, rough = np.where(mixed, 1e-5, 1e-7), np.where(mixed, np.inf, 1e-3)
    settled = np.zeros(count, dtype=bool)
    final = np.zeros(len(point.edge["x"]))
    place = np.arange(len(final))
    best, lost = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    alive = np.bincount(point.edge["block"], minlength=count) > 0
    pace = np.zeros(count)
    for _ in range(rounds):
        d, a = point.edge, point.account
        tail, head, block, x, lo, hi, has_u = (d[k] for k in ("tail", "head", "block", "x", "lo", "hi", "has_u"))
        soft, s, w, zl, zu, of = d["soft"], d["s"], d["w"], d["zl"], d["zu"], a["block"]
        y = np.append(a["y"], 0.0)  # the last one is the outside
        above = np.maximum(x - lo, d["grain"])
        below = np.where(has_u, np.maximum(hi - x, d["grain"]), 1.0)
        slope = np.where(soft, (x - d["p"]) / s**2, w * np.log(x / np.where(soft, 1.0, d["p"]))) + d["c"]
        r_d = slope - (y[head] - y[tail]) - zl + zu
        gap = a["b"] - point.net(x)
        mu = np.bincount(block, zl * above + zu * below * has_u, count) / many
        off, slack = np.zeros(count), np.zeros(count)
        np.maximum.at(off, of, np.abs(gap) / (a["carried"] + point.through(x) + _DUST))
        np.maximum.at(slack, block, np.abs(r_d) * d["lively"] * np.where(soft, 1.0, np.minimum(1.0, x * 1e9)))
        fit = off <= _CLOSED
        # At the bottom of the barrier what is not closed cannot be; what is closed is as near as numbers allow.
        flat = mu <= 1e-4 * bottom
        best = np.where(alive & ~lost, fit & (mu <= bottom) & (slack <= np.where(flat, rough, near)), best)
        lost = np.where(alive, lost | (flat & ~best), lost)
        done = best | lost
        if not (alive & ~done).any():
            break
        if (alive & done).sum() > 0.3 * alive.sum():
            final[place] = x
            place = place[(alive & ~done)[block]]
            alive &= ~done
            point = point.part(alive)
            continue
        target = (np.where(pace > 0.9, 0.02, 0.2) * mu)[block]
        inverse = 1.0 / (np.where(soft, 1.0 / s**2, w / x) + zl / above + zu / below)
        rhs = -r_d + target / above - zl - np.where(has_u, target / below - zu, 0.0)
        factor = splu(
            _laplacian(len(of), tail, head, inverse),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        dy = np.append(factor.solve(gap - point.net(inverse * rhs)), 0.0)
        dx = inverse * (dy[head] - dy[tail] + rhs)
        wild = ~np.isfinite(dx)
        if wild.any():  # a network that runs away is given up, the others go on
            lost[block[wild]] = True
            done = best | lost
            dx, dy = np.where(np.isfinite(dx), dx, 0.0), np.where(np.isfinite(dy), dy, 0.0)
        dzl = target / above - zl - zl / above * dx
        dzu = np.where(has_u, target / below - zu + zu / below * dx, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            # An edge that stands at its bound as near as numbers can tell holds nobody up.
            near_l, near_h = above <= 1e-12 * x + d["grain"], below <= 1e-12 * x + d["grain"]
            reach = np.where((dx < 0) & ~near_l, _STEP * above / -dx, 1.0)
            reach = np.minimum(reach, np.where(has_u & (dx > 0) & ~near_h, _STEP * below / dx, 1.0))
            reach = np.minimum(reach, np.where(dx > 0, (1e6 + 1e6 * x) / dx, 1.0))
        pace = np.where(done, 0.0, _least(reach, block, count))
        step = pace[block]
        d["x"] = x = np.clip(x + step * dx, np.maximum(lo, _LEAST), np.maximum(hi, _LEAST))
        # A multiplier does not hold its network up: it stays near the central path instead.
        above, below = np.maximum(x - lo, d["grain"]), np.where(has_u, np.maximum(hi - x, d["grain"]), 1.0)
        d["zl"] = np.where(step > 0, np.clip(zl + step * dzl, 1e-2 * target / above, 1e2 * target / above), zl)
        d["zu"] = np.where(
            has_u & (step > 0), np.clip(zu + step * dzu, 1e-2 * target / below, 1e2 * target / below), zu
        )
        a["y"] = a["y"] + pace[of] * dy[:-1]
        settled = mixed & fit & (mu <= 1e-9)
    # Against figures that clash a nearly least change will do: how far they move is settled afterwards.
    best = np.where(alive & mixed, best | settled, best)
    final[place] = point.edge["x"]
    return _polished(first, final), best


def _polished(point: _Point, x: FloatArray) -> FloatArray:
    """What rounding left open is spread where there is room for it."""
    from scipy.sparse.linalg import splu

    d, a = point.edge, point.account
    tail, head, lo, hi, has_u = d["tail"], d["head"], d["lo"], d["hi"], d["has_u"]
    for _ in range(3):
        room = np.minimum(np.where(lo > 0, x - lo, x), np.where(has_u, hi - x, x))
        inverse = np.where(d["soft"], np.minimum(d["s"] ** 2, x), x) * np.clip(room / x, 0.0, 1.0)
        inverse = np.maximum(inverse, 1e-290)
        gap = a["b"] - point.net(x)
        dy = np.append(splu(_laplacian(len(a["b"]), tail, head, inverse)).solve(gap), 0.0)
        dx = inverse * (dy[head] - dy[tail])
        x = np.clip(np.where(np.abs(dx) <= 0.5 * x, x + dx, x), lo, hi)
    return x


def _closed(e: Edges, x: FloatArray, good: BoolArray) -> BoolArray:
    """Blocks that converged and in which every account closes."""
    ends = np.full(e.n, -1, dtype=np.int64)
    for side in (e.tail, e.head):
        ends[side[side >= 0]] = e.block[side >= 0]
    whole = np.append(np.bincount(e.block, x, len(good)), 0.0)[ends]
    off = np.abs(e.net(x)) > 1e-9 * (e.through(x) + _DUST * whole)
    bad = np.unique(ends[off])
    good = good.copy()
    good[bad[bad >= 0]] = False
    return good

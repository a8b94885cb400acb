"""Smallest and largest value of a metric over all admissible quantities, for many markets at once.

The quantities of a market are a box: each supplier's lies between its bounds, independently. What the suppliers who
are not listed make up (``residual``) may be one more supplier or infinitely many; what is nobody knows whose
(``unknown``) may besides belong to any supplier that is listed. All results are exact for such a box: minima of
concentration lie where every quantity is cut at one common level, maxima at corners of the box.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .mix import FloatArray, IntArray, Mix

__all__ = [
    "ENTROPY",
    "SQUARES",
    "Shape",
    "largest_of_boxes",
    "largest_with",
    "least_hhi",
    "least_top",
    "most_hhi",
    "most_top",
    "ordered",
    "others_demand",
    "part_bounds",
    "remainder_bounds",
]

# Nodes of one market's branch and bound after which the (still valid, slightly wide) relaxation is returned.
_NODES = 20_000
_TOL = 1e-13


def _outside(mix: Mix) -> FloatArray:
    return mix.residual_high + mix.unknown_high


def _undefined(mix: Mix) -> npt.NDArray[np.bool_]:
    return (mix.sum(mix.high) + _outside(mix)) <= 0


def ordered(mix: Mix) -> Mix:
    """The mix with sorted markets, only the fields that boxes need."""
    if mix.ordered:
        return mix
    order = np.argsort(mix.market, kind="stable")
    row = {
        k: getattr(mix, k)[order]
        for k in (
            "market",
            "unit",
            "quantity",
            "low",
            "high",
            "own_demand",
            "own_demand_low",
            "own_demand_high",
            "focal",
            "focal_low",
            "focal_high",
        )
    }
    row |= {k: getattr(mix, k)[order] for k in ("bottleneck", "bottleneck_low", "bottleneck_high", "headline")}
    return replace(mix, ordered=True, lines=None, **row)


def _once(function: Callable[[Mix], FloatArray]) -> Callable[[Mix], FloatArray]:
    """Keep the result with the (frozen) mix: several columns are made of the same bound."""

    @functools.wraps(function)
    def call(mix: Mix) -> FloatArray:
        kept: dict[str, FloatArray] = mix.__dict__.setdefault("_boxes", {})
        if function.__name__ not in kept:
            kept[function.__name__] = function(mix)
        return kept[function.__name__]

    return call


@_once
def least_hhi(mix: Mix) -> FloatArray:
    """Smallest HHI: all quantities cut at the level sum(q^2)/sum(q), everything unlisted spread without end."""
    mix = ordered(mix)
    spread = _outside(mix)
    low, high, market = mix.low, mix.high, mix.market
    finite = np.where(np.isfinite(high), high, low)
    a, b = np.zeros(mix.n), np.maximum(mix.max(finite), mix.max(low))
    # Where nothing has an upper end and nothing is known to flow, all alike are least concentrated, at any level.
    b = np.where((b <= 0) & np.isinf(mix.max(high)), 1.0, b)
    endless = ~np.isfinite(spread)
    mass = np.where(endless, 0.0, spread)
    for _ in range(70):
        level = 0.5 * (a + b)
        q = np.clip(level[market], low, high)
        # The derivative of N/Q^2 along the level has the sign of level*Q - N, which never falls.
        rising = level * (mix.sum(q) + mass) - mix.sum(q * q) > 0
        a, b = np.where(rising, a, level), np.where(rising, level, b)
    best = np.full(mix.n, np.inf)
    for level in (a, b):
        q = np.clip(level[market], low, high)
        total = mix.sum(q) + mass
        ratio = np.divide(mix.sum(q * q), total**2, out=np.full(mix.n, np.inf), where=total > 1e-150)
        best = np.minimum(best, ratio)
    # With no lower bound and something unlisted, the listed may be nothing at all.
    best = np.where(endless | ((mix.sum(low) <= 0) & (spread > 0)), 0.0, best)
    return np.where(_undefined(mix), np.nan, np.where(np.isinf(best), np.nan, best))


def with_residual(mix: Mix) -> tuple[IntArray, FloatArray, FloatArray]:
    """Market, low and high of all suppliers, the residual as one more."""
    has = np.flatnonzero(mix.residual_high > 0)
    if not len(has):
        return mix.market, mix.low, mix.high
    market = np.concatenate([mix.market, has])
    order = np.argsort(market, kind="stable")
    low = np.concatenate([mix.low, mix.residual_low[has]])[order]
    high = np.concatenate([mix.high, mix.residual_high[has]])[order]
    return market[order].astype(np.int64), low, high


@dataclass(frozen=True)
class Shape:
    """A measure of concentration that is a function of Q, the sum of the quantities, and N, the sum of a power of each.

    For it to be largest at a corner of a box, the power is convex and the value rises with N.
    """

    power: Callable[[FloatArray], FloatArray]
    value: Callable[[FloatArray, FloatArray], FloatArray]
    # Q at which the value peaks along a line N = a + b Q.
    peak: Callable[[FloatArray, FloatArray], FloatArray]
    most: float


def _squares_value(q: FloatArray, n: FloatArray) -> FloatArray:
    square = q**2
    return np.asarray(np.divide(n, square, out=np.zeros(np.shape(q)), where=square > 0))


def _squares_peak(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.divide(-2 * a, b, out=np.zeros(np.shape(a)), where=b > 0))


def _entropy_power(q: FloatArray) -> FloatArray:
    return np.asarray(q * np.log(q, out=np.zeros(np.shape(q)), where=q > 0))


def _entropy_value(q: FloatArray, n: FloatArray) -> FloatArray:
    ratio = np.divide(n, q, out=np.full(np.shape(q), -np.inf), where=q > 0)
    return np.asarray(ratio - np.log(q, out=np.zeros(np.shape(q)), where=q > 0))


# The HHI, and the entropy with the sign turned, so that both are largest where supply is most concentrated.
SQUARES = Shape(np.square, _squares_value, _squares_peak, 1.0)
ENTROPY = Shape(_entropy_power, _entropy_value, lambda a, b: -a, 0.0)


def _edge(
    shape: Shape, q0: FloatArray, n0: FloatArray, step_q: FloatArray, step_n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Value at the end of each step in the plane of (Q, N), and the largest along the step."""
    corner = shape.value(q0 + step_q, n0 + step_n)
    slope = np.divide(step_n, step_q, out=np.zeros(len(q0)), where=step_q > 0)
    with np.errstate(over="ignore"):  # a peak beyond all numbers is beyond the step
        q = np.clip(shape.peak(n0 - slope * q0, slope), q0, q0 + step_q)
    along = shape.value(q, n0 + slope * (q - q0))
    return corner, np.where(q > 0, np.maximum(along, corner), shape.most)


def _corner(market: IntArray, n: int, low: FloatArray, high: FloatArray, shape: Shape) -> tuple[FloatArray, FloatArray]:
    """Best corner found and proven ceiling of each box (all finite)."""
    base_q = np.bincount(market, low, n).astype(np.float64)
    base_n = np.bincount(market, shape.power(low), n).astype(np.float64)
    start = shape.value(base_q, base_n)
    best, ceiling = start.copy(), start.copy()
    wide = high > low
    m, lo, hi = market[wide], low[wide], high[wide]
    if not len(m):
        return best, ceiling
    # In the plane of (Q, N) each wide supplier is a step; steps of steepest slope first give the upper edge.
    step_q, step_n = hi - lo, shape.power(hi) - shape.power(lo)
    order = np.lexsort((-(step_n / step_q), m))
    m, step_q, step_n = m[order], step_q[order], step_n[order]
    first, length = Mix._runs(m)
    run_q, run_n = np.cumsum(step_q), np.cumsum(step_n)
    before_q = np.repeat(np.concatenate([[0.0], run_q])[first], length)
    before_n = np.repeat(np.concatenate([[0.0], run_n])[first], length)
    q0, n0 = base_q[m] + (run_q - before_q) - step_q, base_n[m] + (run_n - before_n) - step_n
    corner, peak = _edge(shape, np.maximum(q0, 0.0), n0, step_q, step_n)
    full = m[first]
    best[full] = np.maximum(best[full], np.maximum.reduceat(corner, first))
    ceiling[full] = np.maximum(ceiling[full], np.maximum.reduceat(peak, first))
    return best, np.minimum(ceiling, shape.most)


def _branch(low: FloatArray, high: FloatArray, best: float, shape: Shape) -> float:
    """Largest value of one box, by branch and bound on which bound each supplier sits at."""
    fixed = high <= low
    q, s = float(low[fixed].sum()), float(shape.power(low[fixed]).sum())
    lo, hi = low[~fixed], high[~fixed]
    dq, n_lo = hi - lo, shape.power(lo)
    dn = shape.power(hi) - n_lo
    order = np.argsort(-(dn / dq), kind="stable")
    rows: tuple[FloatArray, ...] = (lo[order], n_lo[order], dq[order], dn[order])
    stack: list[tuple[float, float, tuple[FloatArray, ...]]] = [(q, s, rows)]
    left = _NODES
    outer = best
    while stack:
        q, s, rows = stack.pop()
        lo, n_lo, dq, dn = rows
        q0, n0 = q + float(lo.sum()), s + float(n_lo.sum())
        k, bound = 0, -np.inf
        if len(lo):
            corner, peak = _edge(shape, q0 + np.cumsum(dq) - dq, n0 + np.cumsum(dn) - dn, dq, dn)
            best = max(best, float(corner.max()))
            k = int(peak.argmax())
            bound = min(shape.most, float(peak[k]))
        if q0 > 0:
            best = max(best, float(shape.value(np.array([q0]), np.array([n0]))[0]))
        if bound <= best + _TOL or not len(lo):
            continue
        if left == 0:
            outer = max(outer, bound)
            continue
        left -= 1
        rest = tuple(np.delete(x, k) for x in rows)
        stack.append((q + float(lo[k]), s + float(n_lo[k]), rest))
        stack.append((q + float(lo[k] + dq[k]), s + float(n_lo[k] + dn[k]), rest))
    return max(best, outer)


def largest_of_boxes(market: IntArray, n: int, low: FloatArray, high: FloatArray, shape: Shape = SQUARES) -> FloatArray:
    """Largest value of a measure of concentration over each box; market sorted."""
    endless = np.bincount(market, ~np.isfinite(high), n) > 0
    if endless.any():
        high = np.where(np.isfinite(high), high, low)
    # Running sums go over all markets: without one scale a market in tonnes would drown one in kilograms.
    peak = np.zeros(n)
    np.maximum.at(peak, market, high)
    scale = np.divide(1.0, peak, out=np.ones(n), where=peak > 1e-300)[market]
    low, high = low * scale, high * scale
    best, ceiling = _corner(market, n, low, high, shape)
    # No supplier has a lower bound: one of them may be alone.
    lone = np.bincount(market, low > 0, n) == 0
    best = np.where(endless | (lone & (np.bincount(market, high > 0, n) > 0)), shape.most, best)
    open_ = np.flatnonzero((ceiling > best + _TOL) & (best < shape.most))
    if len(open_):
        cut = np.searchsorted(market, open_), np.searchsorted(market, open_, side="right")
        for i, a, b in zip(open_, *cut, strict=True):
            best[i] = _branch(low[a:b], high[a:b], float(best[i]), shape)
    return best


def largest_with(
    market: IntArray,
    n: int,
    low: FloatArray,
    high: FloatArray,
    extra: tuple[FloatArray, FloatArray],
    shape: Shape = SQUARES,
) -> FloatArray:
    """The same where so much (low, high by market) belongs to whichever supplier it makes the largest of all."""
    joined = extra[1] > 0
    if not joined.any():
        return largest_of_boxes(market, n, low, high, shape)
    out = np.full(n, np.nan)
    plain = ~joined[market]
    out[~joined] = largest_of_boxes(market[plain], n, low[plain], high[plain], shape)[~joined]
    # Whoever the unknown joins ends up the largest, so only those who can be the largest are tried, each as a
    # market of its own.
    top = np.zeros(n)
    np.maximum.at(top, market, low)
    count = np.bincount(market, minlength=n)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    tries = np.flatnonzero(~plain & (high >= top[market]))
    out[joined & (count == 0)] = shape.most
    if len(tries):
        host = market[tries]
        length = count[host]
        rows = np.repeat(first[host] - np.concatenate([[0], np.cumsum(length)[:-1]]), length) + np.arange(length.sum())
        copy = np.repeat(np.arange(len(tries)), length)
        lo, hi = low[rows].copy(), high[rows].copy()
        chosen = rows == tries[copy]
        lo[chosen] += extra[0][host]
        hi[chosen] += extra[1][host]
        found = largest_of_boxes(copy.astype(np.int64), len(tries), lo, hi, shape)
        out[np.unique(host)] = -np.inf
        np.maximum.at(out, host, found)
    return out


@_once
def most_hhi(mix: Mix) -> FloatArray:
    """Largest HHI: a corner of the box, the residual as one supplier, the unknown with whoever it hurts most."""
    mix = ordered(mix)
    market, low, high = with_residual(mix)
    found = largest_with(market, mix.n, low, high, (mix.unknown_low, mix.unknown_high))
    return np.where(_undefined(mix), np.nan, found)


def most_top(mix: Mix, k: int) -> FloatArray:
    """Largest share that the k largest suppliers can have."""
    mix = ordered(mix)
    market, low, high = with_residual(mix)
    endless = (np.bincount(market, ~np.isfinite(high), mix.n) > 0) | ~np.isfinite(mix.unknown_high)
    high = np.where(np.isfinite(high), high, low)
    extra = np.where(np.isfinite(mix.unknown_high), mix.unknown_high, 0.0)
    base = np.bincount(market, low, mix.n)
    share = np.zeros(mix.n)
    for _ in range(60):
        # For a trial share t the best k are those with the largest (1-t)*high + t*low; t rises until it is met.
        key = (1 - share[market]) * high + share[market] * low
        order = np.lexsort((-key, market))
        rank = np.arange(len(order)) - np.repeat(*Mix._runs(market[order]))
        picked = np.zeros(len(order), dtype=bool)
        picked[order[rank < k]] = True
        upper = np.bincount(market, np.where(picked, high, 0.0), mix.n) + extra
        whole = upper + base - np.bincount(market, np.where(picked, low, 0.0), mix.n)
        new = np.divide(upper, whole, out=np.zeros(mix.n), where=whole > 0)
        if not (new > share + 1e-15).any():
            break
        share = np.maximum(share, new)
    share = np.where(endless, 1.0, share)
    return np.where(_undefined(mix), np.nan, share)


def least_top(mix: Mix, k: int) -> FloatArray:
    """Smallest share that the k largest suppliers can have: all cut at one level, one of the bounds."""
    mix = ordered(mix)
    spread = _outside(mix)
    endless = ~np.isfinite(spread)
    finite = np.where(np.isfinite(mix.high), mix.high, mix.low)
    level_market = np.concatenate([mix.market, mix.market])
    levels = np.concatenate([mix.low, finite])
    count = np.bincount(mix.market, minlength=mix.n)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    best = np.full(mix.n, np.inf)
    size = count[level_market]
    # A trial is a market at one level; trials are done in blocks so that memory stays flat.
    ends = np.cumsum(size)
    block = 2_000_000
    edges = np.searchsorted(ends, np.arange(block, (int(ends[-1]) if len(ends) else 0) + block, block))
    begin = 0
    for stop in [*(int(e) + 1 for e in edges), len(size)]:
        stop = min(stop, len(size))
        if stop <= begin:
            continue
        host, level, length = level_market[begin:stop], levels[begin:stop], size[begin:stop]
        rows = np.repeat(first[host] - np.concatenate([[0], np.cumsum(length)[:-1]]), length) + np.arange(length.sum())
        copy = np.repeat(np.arange(stop - begin), length)
        q = np.clip(level[copy], mix.low[rows], mix.high[rows])
        order = np.lexsort((-q, copy))
        rank = np.arange(len(q)) - np.repeat(*Mix._runs(copy))
        top = np.bincount(copy, np.where(rank < k, q[order], 0.0), stop - begin)
        whole = np.bincount(copy, q, stop - begin) + np.where(endless, 0.0, spread)[host]
        ratio = np.divide(top, whole, out=np.full(stop - begin, np.inf), where=whole > 0)
        np.minimum.at(best, host, ratio)
        begin = stop
    best = np.where(endless | ((mix.sum(mix.low) <= 0) & (spread > 0)), 0.0, best)
    # Nothing listed has a lower bound: any equal split is admissible.
    free = np.isinf(best)
    best[free] = np.minimum(1.0, np.divide(k, count[free], out=np.ones(int(free.sum())), where=count[free] > 0))
    return np.where(_undefined(mix), np.nan, best)


def remainder_bounds(mix: Mix) -> tuple[FloatArray, FloatArray]:
    """Bounds of what is left without the largest supplier; it rises with every quantity, so corners suffice."""
    mix = ordered(mix)
    largest = np.maximum(mix.max(mix.low), mix.residual_low)
    low = mix.sum(mix.low) + mix.residual_low - largest
    finite = np.isfinite(mix.high)
    capped = np.where(finite, mix.high, 0.0)
    gone = mix.count(~finite)
    high = mix.sum(capped) + _outside(mix) - np.where(gone > 0, 0.0, mix.max(capped))
    return low, np.where(gone > 1, np.inf, high)


def others_demand(mix: Mix) -> tuple[FloatArray, FloatArray]:
    """Least and most that is used by all but whoever may be the largest supplier; NaN where demand is unknown.

    Demand is the sum of what all use, so its lower bound holds the lower bound of the largest supplier's own. Where
    nobody knows what one that may be the largest uses, the others may use nothing, or all.
    """
    mix = ordered(mix)
    able = mix.high + mix.unknown_high[mix.market] >= mix.max(mix.low)[mix.market]
    here = mix.market
    least = np.where(np.isnan(mix.own_demand_low), 0.0, mix.demand_low[here] - mix.own_demand_low)
    most = mix.demand_high[here] - np.nan_to_num(mix.own_demand_high)
    low = mix._reduce(np.minimum, np.where(able, least, np.inf), np.nan)
    high = mix._reduce(np.maximum, np.where(able, most, -np.inf), np.nan)
    return np.where(np.isnan(mix.demand_low), np.nan, np.maximum(low, 0.0)), high


def part_bounds(
    mix: Mix, part_low: FloatArray, part_high: FloatArray, rest_low: FloatArray, rest_high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bounds of the quantity-weighted mean of a part in [0, 1]; what is not listed has part ``rest_low..rest_high``."""
    mix = ordered(mix)
    none = _undefined(mix)

    def largest(part: FloatArray, rest: FloatArray) -> FloatArray:
        endless = ~np.isfinite(mix.high)
        mean = mix.max(np.where(endless, part, 0.0))
        out_low = mix.residual_low + mix.unknown_low
        out_high = _outside(mix)
        mean = np.where(np.isfinite(out_high), mean, np.maximum(mean, rest))
        out_high = np.where(np.isfinite(out_high), out_high, out_low)
        for _ in range(80):
            above = part > mean[mix.market]
            q = np.where(above & ~endless, mix.high, mix.low)
            out = np.where(rest > mean, out_high, out_low)
            whole = mix.sum(q) + out
            new = np.divide(mix.sum(q * part) + out * rest, whole, out=mean.copy(), where=whole > 0)
            if not (new > mean + 1e-15).any():
                break
            mean = np.maximum(mean, new)
        # Only what lies above the mean is drawn upon, so a market without any lower bound reaches its largest part.
        bare = (mix.sum(mix.low) + out_low) <= 0
        reach = np.maximum(mix.max(np.where(mix.high > 0, part, 0.0)), np.where(_outside(mix) > 0, rest, 0.0))
        return np.where(bare, reach, mean)

    high = largest(part_high, rest_high)
    low = 1.0 - largest(1.0 - part_low, 1.0 - rest_low)
    return np.where(none, np.nan, np.clip(low, 0.0, 1.0)), np.where(none, np.nan, np.clip(high, 0.0, 1.0))

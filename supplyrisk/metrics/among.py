"""Bounds of the measures that compare named suppliers with each other: entropy, evenness, normalised HHI.

These are measures of the suppliers who are named, among themselves: what is not listed stays out of them, in the
value and in the bounds. The entropy alone has bounds of the whole market, whoever stands behind the rest. Each quantity lies anywhere between its bounds, and what is unknown may belong to any of the
named, or to none of them. The number of suppliers counts those with a quantity above 0, so that a supplier whose
quantity may be 0 may count or not. All bounds are exact for such a box: where concentration is least all quantities
are cut at one common level; where it is most they sit at corners; of suppliers who may be absent, those with the most
room are the ones to have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .boxes import ENTROPY, SQUARES, Shape, largest_with, ordered, with_residual
from .mix import FloatArray, IntArray, Mix

__all__ = ["entropy_interval", "evenness_interval", "normalized_interval", "theil_interval", "unctad_interval"]

Interval = tuple[FloatArray, FloatArray]
# Rows of the cases that are tried at once: what they need stays in cache.
_MANY = 1 << 16
# Value of a measure from the least (or most) concentration and the number of suppliers.
Rule = Callable[[FloatArray, FloatArray], FloatArray]


def _sums(market: IntArray, n: int, x: FloatArray) -> FloatArray:
    return np.bincount(market, x, n).astype(np.float64)


def _caps(market: IntArray, n: int, high: FloatArray, extra: FloatArray) -> FloatArray:
    """Upper bounds once ``extra`` of each market has been poured over them from below."""
    if not (extra > 0).any():
        return high
    order = np.lexsort((high, market))
    m, x = market[order], high[order]
    first, length = Mix._runs(m)
    rank = np.arange(len(m)) - np.repeat(first, length)
    finite = np.where(np.isfinite(x), x, 0.0)
    before = np.cumsum(finite) - finite
    before = before - np.repeat(before[first], length)
    # Pouring up to the level of a cap takes rank * cap - sum of the caps below it.
    wet = (rank * finite - before <= extra[m]) & np.isfinite(x)
    count, volume = _sums(m, n, wet.astype(np.float64)), _sums(m, n, np.where(wet, x, 0.0))
    level = np.divide(extra + volume, count, out=np.zeros(n), where=count > 0)
    return np.asarray(np.maximum(high, level[market]))


def _flattest(market: IntArray, n: int, low: FloatArray, high: FloatArray, shape: Shape) -> FloatArray:
    """Least concentration of each box: all quantities cut at one level, found by halving."""
    finite = np.where(np.isfinite(high), high, low)
    top, floor = np.zeros(n), np.full(n, np.inf)
    np.maximum.at(top, market, np.maximum(finite, low))
    top = np.where(top > 1e-300, top, 1.0)  # endless all, or as good as nothing: any common level
    some = high > 0  # one who can have nothing is no supplier, and says nothing of the level
    np.minimum.at(floor, market[some], np.minimum(high, top[market])[some])
    floor = np.where(np.isfinite(floor) & (floor > 0), floor, top)
    scale = 1.0 / top
    low, high = low * scale[market], np.minimum(high * scale[market], 1.0)
    a, b = floor * scale, np.ones(n)
    best = np.full(n, np.inf)

    def at(level: FloatArray) -> tuple[FloatArray, FloatArray]:
        q = np.clip(level[market], low, high)
        return _sums(market, n, q), _sums(market, n, shape.power(q))

    for _ in range(60):
        level = 0.5 * (a + b)
        total, power = at(level)
        # The slope of the value along the level has the sign of this, which rises with the level.
        rising = (level if shape is SQUARES else np.log(level)) * total - power > 0
        a, b = np.where(rising, a, level), np.where(rising, level, b)
    for level in (a, b):
        total, power = at(level)
        value = shape.value(total, power)
        best = np.where(total > 0, np.minimum(best, value), best)
    return best


def _best_support(mix: Mix, extra: FloatArray, shape: Shape, rule: Rule, most: bool, least_count: int) -> FloatArray:
    """Best value over which of the suppliers who may be absent are there, each set at its least concentration."""
    there = mix.low > 0
    spare = ~there & ((mix.high > 0) | (extra[mix.market] > 0))
    sure, maybe = mix.count(there).astype(np.int64), mix.count(spare).astype(np.int64)
    # Of each market those who are there, then those who may be: any case is a head of this list.
    order = np.lexsort((-mix.high, ~there, ~(there | spare), mix.market))
    low, high = mix.low[order], mix.high[order]
    first = np.searchsorted(mix.market[order], np.arange(mix.n))
    case = np.repeat(np.arange(mix.n), maybe + 1)
    number = np.arange(len(case)) - np.repeat(np.cumsum(maybe + 1) - maybe - 1, maybe + 1) + sure[case]
    case, number = (x[number >= max(least_count, 1)] for x in (case, number))
    better, out = (np.fmax, np.full(mix.n, -np.inf)) if most else (np.fmin, np.full(mix.n, np.inf))
    for few in np.split(np.arange(len(case)), np.flatnonzero(np.diff(np.cumsum(number) // _MANY)) + 1):
        m, count = case[few], number[few]
        own = np.repeat(np.arange(len(few)), count)
        rows = np.arange(len(own)) + np.repeat(first[m] - np.cumsum(count) + count, count)
        top = _caps(own, len(few), high[rows], extra[m])
        better.at(out, m, rule(_flattest(own, len(few), low[rows], top, shape), count.astype(np.float64)))
    return np.where(np.isinf(out), np.nan, out)


def _parts(mix: Mix) -> tuple[Mix, FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """The mix in order, what may be added to any supplier, the most suppliers there can be, and where none can."""
    mix = ordered(mix)
    extra = np.where(np.isnan(mix.unknown_high), 0.0, mix.unknown_high)
    extra = np.where(mix.count() > 0, extra, 0.0)
    number = mix.count((mix.high > 0) | (extra[mix.market] > 0))
    return mix, extra, number, number <= 0


def _peak(mix: Mix, extra: FloatArray, shape: Shape) -> FloatArray:
    endless = ~np.isfinite(extra)
    least = np.where(endless, 0.0, extra)
    found = largest_with(mix.market, mix.n, mix.low, mix.high, (least, least), shape)
    return np.where(endless, shape.most, found)


def _endless(extra: FloatArray) -> FloatArray:
    """Volume that may be anything: beyond all that is listed, without overflow."""
    return np.where(np.isfinite(extra), extra, 1e150)


def _of_all(mix: Mix) -> FloatArray:
    """Least entropy of a market, the residual as one supplier of its own, the unknown with whoever it makes largest."""
    market, low, high = with_residual(mix)
    endless = ~np.isfinite(mix.unknown_high)
    extra = np.where(endless, 0.0, mix.unknown_high)
    found = largest_with(market, mix.n, low, high, (extra, extra), ENTROPY)
    return np.maximum(-np.where(endless | np.isnan(found), ENTROPY.most, found), 0.0)


def entropy_interval(mix: Mix) -> Interval:
    """Bounds of the entropy: exact where all suppliers are named; else they hold whoever stands behind the rest.

    Parameters
    ----------
    mix : Mix
        Markets.

    Returns
    -------
    tuple of ndarray
        Low and high by market, in nats; NaN where nothing can have a quantity. What is not named may be one supplier or
        endlessly many, so that ``high`` is infinite there; ``low`` is the least with the rest as one supplier (what
        nobody knows may be a listed one's), and where more than half is named no more than that of the named among
        themselves, which is the value.
    """
    told = mix.told
    mix, extra, _, none = _parts(mix)
    low = np.maximum(-_peak(mix, extra, ENTROPY), 0.0)
    high = -_flattest(mix.market, mix.n, mix.low, _caps(mix.market, mix.n, mix.high, _endless(extra)), ENTROPY)
    low, high = np.where(none, np.nan, low), np.where(none, np.nan, np.maximum(high, 0.0))
    rest = (mix.residual_high > 0) | (mix.unknown_high > 0)
    if not rest.any():
        return low, high
    all_ = _of_all(mix)
    return np.where(rest, np.where(told, np.fmin(low, all_), all_), low), np.where(rest, np.inf, high)


def theil_interval(mix: Mix) -> Interval:
    """Exact bounds of the Theil index of the named suppliers; the upper one as a limit, the least going to nothing.

    Parameters
    ----------
    mix : Mix
        Markets.

    Returns
    -------
    tuple of ndarray
        Low and high by market, in nats.
    """
    mix, extra, number, none = _parts(mix)
    high = np.log(np.maximum(number, 1.0)) + np.minimum(_peak(mix, extra, ENTROPY), 0.0)
    low = _best_support(mix, _endless(extra), ENTROPY, lambda x, k: np.log(np.maximum(k, 1.0)) + x, False, 1)
    return np.where(none, np.nan, np.maximum(low, 0.0)), np.where(none, np.nan, np.maximum(high, 0.0))


def evenness_interval(mix: Mix) -> Interval:
    """Exact bounds of the evenness of the named suppliers; NaN where there can be no two.

    Parameters
    ----------
    mix : Mix
        Markets.

    Returns
    -------
    tuple of ndarray
        Low and high by market, in [0, 1].
    """
    mix, extra, number, _ = _parts(mix)
    none = number <= 1
    top = np.log(np.maximum(number, 2.0))
    low = np.clip(-_peak(mix, extra, ENTROPY) / top, 0.0, 1.0)
    high = _best_support(mix, _endless(extra), ENTROPY, lambda x, k: -x / np.log(np.maximum(k, 2.0)), True, 2)
    return np.where(none, np.nan, low), np.where(none, np.nan, np.clip(high, 0.0, 1.0))


def _normalized(mix: Mix, root: bool, count: float | None) -> Interval:
    mix, extra, number, none = _parts(mix)

    def rule(h: FloatArray, k: FloatArray) -> FloatArray:
        n = np.maximum(k if count is None else np.full(len(k), count), 1.0)
        value, even = (np.sqrt(h), np.sqrt(1 / n)) if root else (h, 1 / n)
        out = np.divide(value - even, 1 - even, out=np.ones(len(n)), where=n > 1)
        return np.clip(out, 0.0, 1.0)

    high = rule(_peak(mix, extra, SQUARES), number)
    low = _best_support(mix, _endless(extra), SQUARES, rule, False, 1)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def normalized_interval(mix: Mix, count: float | None = None) -> Interval:
    """Exact bounds of the normalised HHI of the named suppliers; the upper one as a limit.

    Parameters
    ----------
    mix : Mix
        Markets.
    count : float, optional
        A fixed number of suppliers.

    Returns
    -------
    tuple of ndarray
        Low and high by market, in [0, 1].
    """
    return _normalized(mix, False, count)


def unctad_interval(mix: Mix) -> Interval:
    """Exact bounds of the normalised root of the HHI of the named suppliers; the upper one as a limit.

    Parameters
    ----------
    mix : Mix
        Markets.

    Returns
    -------
    tuple of ndarray
        Low and high by market, in [0, 1].
    """
    return _normalized(mix, True, None)

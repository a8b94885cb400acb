"""What can be said of concentration when shares are incomplete, given as intervals, or only roughly known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError
from .arrays import CLOSES as TOLERANCE
from .governance import RESIDUALS, real
from .mix import FloatArray

__all__ = [
    "Bounds",
    "below_limit",
    "close_shares",
    "corner_bounds",
    "dirichlet_moments",
    "dirichlet_shares",
    "focal_bounds",
    "hhi_bounds",
    "hhi_interval",
    "share_bounds",
]


class Bounds(NamedTuple):
    """A lower and an upper bound."""

    low: Any
    high: Any


def _fail(what: str, rule: str, value: object, remedy: str) -> SchemaError:
    return SchemaError([Problem(what, "-", "-", rule, str(value), remedy)], what)


def _named(shares: Any, what: str = "shares") -> tuple[FloatArray, float]:
    """Shares of the suppliers that are listed, closed where they exceed 1 by rounding, and what is nobody knows whose.

    Of a Series or mapping ``ROW`` is part of the residual, and ``UNK`` is supply that may be anyone's.
    """
    unknown = 0.0
    if isinstance(shares, (pd.Series, Mapping)):
        series = shares if isinstance(shares, pd.Series) else pd.Series(shares)
        twice = series.index[series.index.duplicated()].unique().difference(pd.Index(RESIDUALS), sort=False)
        if len(twice):
            raise _fail(what, "a supplier stands twice", ", ".join(map(str, twice)), "Merge the rows.")
        s = _shares(series, what, TOLERANCE)
        whole = float(s.sum())
        s = s / whole if whole > 1 else s
        row, unk = (np.asarray(series.index.isin([k]), dtype=bool) for k in RESIDUALS)
        return s[~(row | unk)], float(s[unk].sum())
    s = _shares(shares, what, TOLERANCE)
    whole = float(s.sum())
    return (s / whole if whole > 1 else s), unknown


def _no_rest(shares: Any, what: str) -> None:
    """Refuse rows that are no supplier where every row is drawn as one."""
    labels = shares.index if isinstance(shares, pd.Series) else shares if isinstance(shares, Mapping) else ()
    keys = [k for k in labels if k in RESIDUALS]
    if keys:
        raise _fail(what, "an unnamed rest is no supplier", ", ".join(map(str, keys)), "Drop it, or use hhi_bounds.")


def _shares(shares: Any, what: str = "shares", tolerance: float = 1e-9) -> FloatArray:
    try:
        real(shares)
        s = np.asarray(list(shares.values()) if isinstance(shares, dict) else shares, dtype=np.float64)
    except (TypeError, ValueError) as e:
        raise _fail(what, "not numbers", e, "Give fractions.") from e
    problems = []
    if s.ndim != 1:
        raise _fail(what, f"has {s.ndim} dimensions", s.shape, "Give one column.")
    for i, x in enumerate(s):
        if np.isnan(x):
            problems.append(Problem(what, f"row {i}", "-", "missing: not zero", "nan", "Leave it in the residual."))
        elif x < 0:
            problems.append(Problem(what, f"row {i}", "-", "a share below 0", f"{x:g}", "Correct it."))
    if not problems and s.sum() > 1 + tolerance + 1e-12:
        problems.append(
            Problem(
                what, "-", "-", "shares add to more than 1", f"{s.sum():.6g}", "Correct them; percent? Divide by 100."
            )
        )
    if problems:
        raise SchemaError(problems, what)
    return s


def close_shares(shares: Any, tolerance: float = TOLERANCE, renormalize: bool = False) -> tuple[Any, float]:
    r"""Check printed shares and say what they leave open.

    With :math:`R = 1 - \sum s`: :math:`R < -tolerance` is rejected; :math:`|R| \le tolerance` is rounding and is
    spread over the shares only if asked for; anything larger is an unknown residual and stays one.

    Parameters
    ----------
    shares : array-like or Series
        Fractions, 0 to 1.
    tolerance : float
        Size of a gap that rounding explains. A table that lists only suppliers of 1 % or more adds to about 0.94:
        that is a residual, not rounding.
    renormalize : bool
        Divide by the sum where the gap is within the tolerance.

    Returns
    -------
    tuple
        The shares in the shape they came in, and the residual, 0 or more.

    Raises
    ------
    SchemaError
        Negative or missing shares, or a sum above ``1 + tolerance``.

    Examples
    --------
    >>> close_shares([0.5, 0.3, 0.21], renormalize=True)[1], close_shares([0.5, 0.2, 0.1])[1].__round__(6)
    (0.0, 0.2)
    """
    s = _shares(shares, tolerance=tolerance)
    rest = float(1.0 - s.sum())
    if renormalize and abs(rest) <= tolerance and s.sum() > 0:
        s, rest = s / s.sum(), 0.0
    out = pd.Series(s, index=shares.index, name=shares.name) if isinstance(shares, pd.Series) else s
    return out, max(rest, 0.0)


def below_limit(limit: float) -> tuple[float, float, float]:
    """Value, low and high of a cell printed as "less than the limit".

    Parameters
    ----------
    limit : float
        The printed limit, in the unit of the column.

    Returns
    -------
    tuple of float
        ``(limit / 2, 0, limit)``.

    Raises
    ------
    SchemaError
        A limit that is missing or below 0.

    Notes
    -----
    Missing policy: a cell below the limit is neither 0 nor missing: it is anything up to the limit. Definition of this
    package.

    Examples
    --------
    >>> below_limit(0.001)
    (0.0005, 0.0, 0.001)
    """
    if not limit >= 0:
        raise _fail("below_limit", "a limit below 0", limit, "Give the printed limit.")
    return limit / 2, 0.0, float(limit)


def hhi_bounds(shares: Any, largest: float | None = None, count: float | None = None, top: bool = False) -> Bounds:
    r"""Bounds of the HHI where only some suppliers are listed.

    With known shares :math:`s`, residual :math:`R = 1-\sum s`, unlisted suppliers of at most :math:`u` each, at most
    :math:`n` of them: lower :math:`\sum s^2 + R^2/n`, upper :math:`\sum s^2 + m u^2 + (R - m u)^2` with
    :math:`m = \lfloor R/u \rfloor`.

    Parameters
    ----------
    shares : array-like, Series or dict
        Known shares, fractions. Of a Series or dict the key ``ROW`` is part of the residual, and ``UNK``, supply that
        nobody has named, may besides be any listed supplier's.
    largest : float, optional
        Largest share an unlisted supplier may have. Default: the whole residual, or with ``top`` the smallest
        known share.
    count : float, optional
        Largest number of unlisted suppliers; default without limit.
    top : bool
        The list holds the largest suppliers, so that no other is larger than the smallest listed.

    Returns
    -------
    Bounds
        Dimensionless, from 0 to 1.

    Raises
    ------
    SchemaError
        Negative or missing shares, a sum above 1.02, a count that is no whole number from 0 on, a ``largest`` outside
        0 to 1, or bounds that cannot hold the residual.

    Notes
    -----
    Shares that add to more than 1 by the rounding of a print (at most 0.02) are divided by their sum; there is no
    residual then. Missing policy: a missing share is refused; leave it out of the list, and it is in the residual, which may be one
    supplier or many.

    References
    ----------
    Definition of this package; bounds from concentration ratios alone in Kvålseth (2018), Heliyon 4(10) e00846.

    Examples
    --------
    >>> [round(x, 6) for x in hhi_bounds([0.5, 0.2, 0.1], top=True)]
    [0.3, 0.32]
    >>> [round(x, 6) for x in hhi_bounds([0.5, 0.2, 0.1], count=8)]
    [0.305, 0.34]
    """
    s, unknown = _named(shares)
    if count is not None and not (count == np.inf or (count >= 0 and float(count).is_integer())):
        raise _fail("hhi_bounds", "count is no whole number from 0 on", count, "Give how many there may be, or None.")
    if largest is not None and not 0 <= largest <= 1:
        raise _fail("hhi_bounds", "largest is no fraction from 0 to 1", largest, "Give a share, or None.")
    rest = max(0.0, 1.0 - float(s.sum()))
    if rest < 1e-12:
        rest = 0.0
    u = rest if largest is None else float(largest)
    if top:
        if not (s > 0).any():
            raise _fail("hhi_bounds", "top=True without a listed supplier", list(s), "List them, or give largest=.")
        u = min(u, float(s[s > 0].min()))
    u = min(u, rest)
    n = np.inf if count is None else float(count)
    base = float((s * s).sum())
    if rest > 0 and (u <= 0 or n * u < rest * (1 - 1e-12)):
        raise _fail(
            "hhi_bounds",
            f"{n:g} unlisted suppliers of at most {u:g} cannot hold the residual {rest:g}",
            "",
            "Raise count= or largest=, or complete the list.",
        )
    if rest == 0:
        return Bounds(base, base)
    low = base + (0.0 if np.isinf(n) else rest**2 / n)

    def most(left: float) -> float:
        m = int(np.floor(left / u + 1e-12))
        return m * u * u + max(left - m * u, 0.0) ** 2

    high = base + most(rest)
    if unknown > 0 and len(s):  # it may be the largest supplier's
        first = float(s.max())
        high = max(high, base - first**2 + (first + unknown) ** 2 + most(max(rest - unknown, 0.0)))
    return Bounds(low, min(high, 1.0))


def _paired(low: Any, high: Any, what: str) -> tuple[FloatArray, FloatArray, pd.Index | None]:
    """Low and high side by side, by label where both have labels; and the labels."""
    low, high = (pd.Series(x) if isinstance(x, dict) else x for x in (low, high))
    if isinstance(low, pd.Series) and isinstance(high, pd.Series) and not low.index.equals(high.index):
        twice = [str(x) for s in (low, high) for x in s.index[s.index.duplicated()]]
        alone = [str(x) for x in low.index.symmetric_difference(high.index)] if not twice else []
        if twice or alone:
            rule = "a label stands twice" if twice else "a label of low is not one of high, or the reverse"
            raise _fail(what, rule, ", ".join((twice or alone)[:12]), "Give low and high for the same suppliers.")
        high = high.reindex(low.index)
    labels = low.index if isinstance(low, pd.Series) else high.index if isinstance(high, pd.Series) else None
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64), labels


def _interval(low: Any, high: Any) -> tuple[FloatArray, FloatArray, pd.Index | None]:
    lo, hi, labels = _paired(low, high, "shares")
    hi = np.minimum(hi, 1.0)
    if lo.shape != hi.shape or lo.ndim != 1:
        raise _fail("shares", "low and high differ in length", f"{lo.shape}, {hi.shape}", "Give one pair a supplier.")
    bad = ~((lo >= 0) & (lo <= hi))
    if bad.any():
        raise SchemaError(
            [
                Problem("shares", f"row {i}", "-", "0 <= low <= high does not hold", f"{lo[i]}, {hi[i]}", "Correct it.")
                for i in np.flatnonzero(bad)
            ],
            "shares",
        )
    if lo.sum() > 1 + 1e-9 or hi.sum() < 1 - 1e-9:
        raise _fail(
            "shares",
            "no set of shares that adds to 1 lies in the intervals",
            f"sum of low {lo.sum():.6g}, sum of high {hi.sum():.6g}",
            "Widen them, or add the missing supplier.",
        )
    return lo, hi, labels


def share_bounds(low: Any, high: Any, shares: bool = False) -> Bounds:
    r"""Bounds of each supplier's share.

    From quantities: :math:`l_c/(l_c + \sum_{j \ne c} u_j)` and :math:`u_c/(u_c + \sum_{j \ne c} l_j)`. From share
    intervals that must add to 1: :math:`\max(l_c, 1-\sum_{j \ne c} u_j)` and :math:`\min(u_c, 1-\sum_{j \ne c} l_j)`.

    Parameters
    ----------
    low, high : array-like, Series or dict
        Bounds of quantities (one unit, one period), or of shares; two with labels are paired by label.
    shares : bool
        Whether they are shares.

    Returns
    -------
    Bounds
        Fractions in [0, 1] as arrays, or Series in the order of ``low`` where labels came in. NaN where nothing is supplied at all.

    Raises
    ------
    SchemaError
        Bounds that cross or are negative or missing; labels that differ, or stand twice in another order; share
        intervals that no set of shares adding to 1 can meet.

    Notes
    -----
    Missing policy: a missing quantity is one from 0 to infinity; give ``low=0, high=inf`` and it may be all or nothing.
    Each supplier's bounds are exact over all quantities that are not all 0, and not all attained at once: a single
    supplier has 1 however little it makes.

    References
    ----------
    Definition of this package; textbook interval arithmetic.

    Examples
    --------
    >>> [x.round(6).tolist() for x in share_bounds([50, 20], [60, 30])]
    [[0.625, 0.25], [0.75, 0.375]]
    >>> [x.round(6).tolist() for x in share_bounds([0.4, 0.1], [0.7, 0.5], shares=True)]
    [[0.5, 0.3], [0.7, 0.5]]
    """
    if shares:
        lo, hi, labels = _interval(low, high)
        a = np.maximum(lo, 1.0 - (hi.sum() - hi))
        b = np.minimum(hi, 1.0 - (lo.sum() - lo))
    else:
        lo, hi, labels = _paired(low, high, "quantities")
        if lo.shape != hi.shape or lo.ndim != 1:
            raise _fail(
                "quantities", "low and high differ in length", f"{lo.shape}, {hi.shape}", "Give one pair a supplier."
            )
        bad = ~((lo >= 0) & (lo <= hi))
        if bad.any():
            raise _fail("quantities", "0 <= low <= high does not hold", list(np.flatnonzero(bad)), "Correct the rows.")
        endless = np.isinf(hi)
        finite = np.where(endless, 0.0, hi)
        others_inf = endless.sum() - endless > 0
        others = finite.sum() - finite
        a = np.divide(lo, lo + others, out=np.full(len(lo), np.nan), where=(lo + others) > 0)
        a = np.where(others_inf, 0.0, a)
        rest = lo.sum() - lo
        b = np.divide(hi, hi + rest, out=np.full(len(lo), np.nan), where=((hi + rest) > 0) & ~endless)
        b = np.where(endless, 1.0, b)
        b = np.where((hi <= 0) & (hi.sum() > 0), 0.0, b)
        if np.isnan(b).any():  # nothing at all
            a = np.where(np.isnan(b), np.nan, a)
        # Where something is supplied, a supplier beside whom there can be nobody has all of it.
        lone = (hi > 0) & (others <= 0) & ~others_inf
        a = np.where(lone, 1.0, np.where(np.isnan(a) & ~np.isnan(b), np.where(hi > 0, 0.0, b), a))
    if labels is not None:
        return Bounds(pd.Series(a, index=labels, name="low"), pd.Series(b, index=labels, name="high"))
    return Bounds(a, b)


def hhi_interval(low: Any, high: Any) -> Bounds:
    r"""Exact bounds of the HHI over all shares in intervals that add to 1.

    Minimum: water level :math:`\lambda` with :math:`s_c = clip(\lambda, l_c, u_c)`. Maximum: all but one share at a
    bound; found by branch and bound on chords, exact to 1e-13.

    Parameters
    ----------
    low, high : array-like, Series or dict
        Bounds of the shares, fractions; feasible if their sums embrace 1. Two with labels are paired by label.

    Returns
    -------
    Bounds
        0 to 1.

    Raises
    ------
    SchemaError
        Bounds that cross, or that no set of shares can meet; labels that differ.

    Examples
    --------
    >>> [round(x, 6) for x in hhi_interval([0.4, 0.1, 0.05, 0.0], [0.7, 0.3, 0.25, 0.2])]
    [0.28, 0.555]
    """
    lo, hi, _ = _interval(low, high)
    if not len(lo):
        return Bounds(np.nan, np.nan)
    # The sum of the cut shares is piecewise linear in the level: find the piece, then solve it.
    knots = np.unique(np.concatenate([lo, hi]))
    at = np.clip(knots[:, None], lo, hi).sum(axis=1)
    k = int(np.clip(np.searchsorted(at, 1.0), 1, len(knots) - 1)) if len(knots) > 1 else 0
    if k:
        span = at[k] - at[k - 1]
        level = knots[k] if span <= 0 else knots[k - 1] + (1.0 - at[k - 1]) / span * (knots[k] - knots[k - 1])
    else:
        level = knots[0]
    s = np.clip(level, lo, hi)
    least = float((s * s).sum())
    best, stack, left = least, [(lo, hi)], 200_000
    outer = 0.0
    while stack:
        a, b = stack.pop()
        free = 1.0 - float(a.sum())
        if free < -1e-12 or float(b.sum()) < 1.0 - 1e-12:
            continue
        order = np.argsort(-(a + b), kind="stable")
        width = (b - a)[order]
        used = np.clip(free - (np.cumsum(width) - width), 0.0, width)
        s = a.copy()
        s[order] += used
        value = float((s * s).sum())
        chord = float((a * a).sum() + (used * (a + b)[order]).sum())
        best = max(best, value)
        if chord <= best + 1e-13:
            continue
        if left == 0:
            outer = max(outer, chord)
            continue
        left -= 1
        partial = np.flatnonzero((used > 0) & (used < width))
        j = int(order[partial[0]])
        for part in (0, 1):
            a2, b2 = a.copy(), b.copy()
            (b2 if part == 0 else a2)[j] = s[j]
            stack.append((a2, b2))
    return Bounds(least, max(best, outer))


def focal_bounds(
    shares: Any, focal: str | tuple[str, ...], firms: bool = False, largest: float | None = None
) -> Bounds:
    """Bounds of the focal country's share where the list is incomplete.

    Parameters
    ----------
    shares : Series or mapping
        Known shares by country code; for firm-level lists, by the firms' country (summed over firms). The key ``ROW``
        is part of the residual; ``UNK`` may be anyone's, the focal's too. Shares above 1 by rounding are closed.
    focal : str or tuple of str
        Country code or codes.
    firms : bool
        The list is of firms: the residual may hold more firms of the focal. For a list of countries the residual
        cannot be a country that is listed.
    largest : float, optional
        Largest share of an unlisted country.

    Returns
    -------
    Bounds

    Examples
    --------
    >>> focal_bounds({"CHN": 0.5, "JPN": 0.3}, "CHN"), focal_bounds({"USA": 0.5, "JPN": 0.3}, "CHN").high.__round__(6)
    (Bounds(low=0.5, high=0.5), 0.2)
    >>> round(focal_bounds({"CHN": 0.5, "JPN": 0.3}, "CHN", firms=True).high, 6)
    0.7
    """
    series = pd.Series(shares, dtype="float64")
    s, unknown = _named(series)
    index = series.index[~series.index.isin(RESIDUALS)]
    codes = {focal} if isinstance(focal, str) else set(focal)
    known = float(s[index.isin(codes)].sum())
    rest = max(0.0, 1.0 - float(s.sum()))
    if firms:
        return Bounds(known, known + rest)
    if codes <= set(index):
        return Bounds(known, known + unknown)
    unlisted = len(codes - set(index))
    cap = rest if largest is None else min(rest, unlisted * float(largest) + unknown)
    return Bounds(known, known + cap)


def corner_bounds(measure: Callable[..., Any], **figures: float | tuple[float, float]) -> Bounds:
    r"""Bounds of a measure of a few figures, each of which lies in an interval.

    :math:`[\min_c f(c), \max_c f(c)]` over the corners c of the box of the figures.

    Parameters
    ----------
    measure : callable
        Function of the figures that returns a number, such as :func:`asymmetry`.
    **figures : float or (float, float)
        Its arguments by name: a number, or low and high.

    Returns
    -------
    Bounds
        In the unit of the measure. Both NaN where it is undefined at a corner.

    Raises
    ------
    SchemaError
        An interval whose ends are missing or cross, more than 16 intervals; whatever the measure refuses at a corner
        (a flow whose upper bound exceeds the lower bound of what it is a part of).

    Notes
    -----
    Exact for a measure that rises or falls in each figure whatever the others are, as ``asymmetry``,
    ``indispensability``, ``net_import_reliance``, ``eu_import_reliance``, ``eu_supply_risk``, ``nassar_type`` and, with
    something left outside the focal, ``resourcing_ratio`` do; of others it is the range over the corners and no bound.
    Missing policy: a missing figure is an interval from the least to the most it can be; say which. Definition of this
    package; textbook interval arithmetic.

    Examples
    --------
    >>> from supplyrisk.metrics import asymmetry
    >>> b = corner_bounds(asymmetry, flow=(30, 40), base=200, reverse_flow=40, reverse_base=(800, 900))
    >>> round(b.low, 6), round(b.high, 6)
    (0.1, 0.155556)
    """
    ends = {k: tuple(v) if isinstance(v, tuple | list) else (v,) for k, v in figures.items()}
    problems = [
        Problem("corner_bounds", k, "-", "not a number, or low and high in this order", str(figures[k]), "Correct it.")
        for k, v in ends.items()
        if len(v) > 2 or not v[0] <= v[-1]
    ]
    if problems:
        raise SchemaError(problems, "corner_bounds()")
    if sum(len(v) == 2 for v in ends.values()) > 16:
        raise _fail("corner_bounds", "more than 16 intervals", len(ends), "Fix those that matter least.")
    found = [float(measure(**dict(zip(ends, c, strict=True)))) for c in itertools.product(*ends.values())]
    if np.isnan(found).any():
        return Bounds(np.nan, np.nan)
    return Bounds(min(found), max(found))


def dirichlet_shares(
    shares: Any, reliability: float, samples: int = 1000, seed: int = 0, floor: float = 0.0
) -> npt.NDArray[np.float64]:
    r"""Draw shares around an estimate, :math:`s \sim Dir(a_0 \hat s)`.

    Each share has mean :math:`\hat s` and standard deviation :math:`\sqrt{\hat s (1-\hat s)/(a_0+1)}`.

    Parameters
    ----------
    shares : array-like
        Estimated shares that add to 1.
    reliability : float
        Pseudo-sample size :math:`a_0 > 0`: the larger, the closer to the estimate.
    samples : int
        Number of draws.
    seed : int
        The same seed gives the same bits.
    floor : float
        Added to every share before drawing, for suppliers estimated at 0 who may exist; else 0 stays 0.

    Returns
    -------
    ndarray, shape (samples, suppliers)
        Fractions in [0, 1]; each row adds to 1.

    Raises
    ------
    SchemaError
        Missing or negative shares, shares that do not add to 1 (within 0.02, and no floor is given), or a reliability
        that is not above 0.

    Notes
    -----
    Missing policy: a missing share is refused, and a residual too: it is no supplier whose share could be drawn.

    References
    ----------
    Textbook identity.

    Examples
    --------
    >>> x = dirichlet_shares([0.62, 0.18, 0.12, 0.08], 50, samples=4, seed=1)
    >>> x.shape, bool(abs(x.sum(axis=1) - 1).max() < 1e-12)
    ((4, 4), True)
    """
    _no_rest(shares, "dirichlet_shares")
    s = _shares(shares, tolerance=TOLERANCE) + floor
    if not s.sum() > 0 or not 0 < reliability < np.inf:
        raise _fail("dirichlet_shares", "shares and reliability must be positive and finite", reliability, "Give both.")
    if floor == 0 and abs(s.sum() - 1) > TOLERANCE + 1e-12:
        raise _fail("dirichlet_shares", "shares do not add to 1", f"{s.sum():.6g}", "Use hhi_bounds for a residual.")
    s = s / s.sum()
    out = np.zeros((samples, len(s)))
    alive = s > 0
    out[:, alive] = np.random.default_rng(seed).dirichlet(reliability * s[alive], size=samples)
    return out


def dirichlet_moments(shares: Any, reliability: float, coverage: float = 0.9) -> pd.DataFrame:
    r"""Standard deviation and interval of each share, and the expected HHI, without drawing.

    :math:`s_c \sim Beta(a_0 \hat s_c, a_0 (1-\hat s_c))`, :math:`sd = \sqrt{\hat s(1-\hat s)/(a_0+1)}`,
    :math:`E[HHI] = H + (1-H)/(a_0+1)`.

    Parameters
    ----------
    shares : array-like or Series
        Estimated shares that add to 1.
    reliability : float
        Pseudo-sample size.
    coverage : float
        Probability of the interval.

    Returns
    -------
    DataFrame
        ``share, sd, low, high`` by supplier; the expected HHI in ``.attrs["expected_hhi"]``.

    Examples
    --------
    >>> m = dirichlet_moments([0.62, 0.18, 0.12, 0.08], 50)
    >>> round(m.attrs["expected_hhi"], 6), round(float(m["sd"].iloc[0]), 6)
    (0.448627, 0.067968)
    """
    from scipy.stats import beta

    _no_rest(shares, "dirichlet_moments")
    s = _shares(shares, tolerance=TOLERANCE)
    if abs(s.sum() - 1) > TOLERANCE + 1e-12 or not 0 < reliability < np.inf:
        raise _fail("dirichlet_moments", "shares do not add to 1", f"{s.sum():.6g}", "Use hhi_bounds for a residual.")
    s = s / s.sum()
    tail = (1 - coverage) / 2
    inner = (s > 0) & (s < 1)
    lo, hi = s.copy(), s.copy()
    lo[inner] = beta.ppf(tail, reliability * s[inner], reliability * (1 - s[inner]))
    hi[inner] = beta.ppf(1 - tail, reliability * s[inner], reliability * (1 - s[inner]))
    sd = np.sqrt(s * (1 - s) / (reliability + 1))
    index = shares.index if isinstance(shares, pd.Series) else None
    out = pd.DataFrame({"share": s, "sd": sd, "low": lo, "high": hi}, index=index)
    h = float((s * s).sum())
    out.attrs["expected_hhi"] = h + (1 - h) / (reliability + 1)
    return out

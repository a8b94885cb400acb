"""Of how much it is: volume, suppliers, and the part of a market that is the focal's, that fails, that is known."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from .boxes import part_bounds
from .mix import UNTOLD, FloatArray, Mix
from .registering import metric
from .unknown import unfigured

__all__ = [
    "assumed_weights",
    "bottleneck",
    "bottleneck_headline",
    "coverage",
    "focal_share",
    "headline",
    "n_suppliers",
    "quantity",
]


# What is a part of the volume: by line where rows are links, whatever the volume's size and order.
_part = functools.partial(metric, grain="line", unit="1", bounds=(0.0, 1.0), laws=("scale", "permutation"))


@metric(
    grain="line",
    unit="product",
    bounds=(0.0, np.inf),
    reference="accounting",
    laws=("permutation",),
    interval=lambda mix: (
        mix.fine.sum(mix.fine.low) + mix.fine.residual_low + mix.fine.unknown_low,
        mix.fine.sum(mix.fine.high) + mix.fine.residual_high + mix.fine.unknown_high,
    ),
)
def quantity(mix: Mix) -> FloatArray:
    """Volume of the market in the product's unit, what is known of it.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.

    Returns
    -------
    float, Series or ndarray
        NaN where no quantity is known.

    Examples
    --------
    >>> quantity([620, 180])
    800.0
    """
    fine = mix.fine
    known = (fine.count(~np.isnan(fine.quantity)) > 0) | (fine.residual > 0) | (fine.unknown > 0)
    return np.where(known, fine.total, np.nan)


def count_interval(mix: Mix) -> tuple[FloatArray, FloatArray]:
    """How many of the named suppliers surely have, and how many may have, a quantity."""
    return mix.count(mix.low > 0), mix.count(mix.high > 0)


@metric(
    unit="supplier",
    bounds=(0.0, np.inf),
    reference="count",
    laws=("scale", "permutation"),
    interval=count_interval,
    worse="low",
)
def n_suppliers(mix: Mix) -> FloatArray:
    """Named suppliers with a quantity above 0; the residual counts as none.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.

    Returns
    -------
    float, Series or ndarray

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is not counted in the value; ``n_suppliers.interval`` counts
    those who surely have one, and those who may. Nobody is counted behind a residual.

    References
    ----------
    Definition of this package: a count.

    Examples
    --------
    >>> n_suppliers([620, 180, 0])
    2.0
    """
    if mix.known is mix.quantity:  # none is missing
        return mix.count(mix.known > 0)
    return np.where(
        mix.count(np.isnan(mix.quantity)) == mix.count(),
        np.where(mix.count() > 0, np.nan, 0.0),
        mix.count(mix.known > 0),
    )


def _mean_of_part(mix: Mix, part: FloatArray, unlisted: bool = True) -> FloatArray:
    """Quantity-weighted mean of a part over the known volume; rows whose part is unknown count as not it."""
    fine = mix.fine
    if unlisted and (
        part.dtype.kind == "b" or not np.isnan(part).any()
    ):  # nothing to leave out: fewer passes, the same sums
        whole = fine.total
        if part.dtype.kind == "b":
            hit = np.flatnonzero(part)
            mine = np.asarray(np.bincount(fine.at(hit), fine.known[hit], fine.n), dtype=np.float64)
        else:
            mine = fine.sum(fine.known * part)
        good = (fine.named > 0) & (whole > 0)
        if good.all():  # the usual case, and several times as fast as a division here and there
            return np.asarray(np.divide(mine, whole, out=mine))
        out = np.divide(mine, whole, out=np.full(mix.n, np.nan), where=good)
        if np.isnan(out).any():
            lone = (fine.count() == 1) & (fine.residual + fine.unknown <= 0) & (fine.sum(fine.high) > 0)
            out = np.where(np.isnan(out) & lone, fine.sum(part), out)
        return np.asarray(out)
    total = fine.total if unlisted else fine.sum(np.where(np.isnan(part), 0.0, fine.known))
    told = fine.count(~np.isnan(part) & (fine.known > 0)) > 0
    # A single line is its part whatever its quantity, known or not, but nothing of nothing.
    lone = (fine.count() == 1) & (fine.residual + fine.unknown <= 0) & (fine.sum(fine.high) > 0)
    single = fine.sum(np.nan_to_num(part))
    known = fine.count(~np.isnan(part)) > 0
    out = np.divide(
        fine.sum(fine.known * np.nan_to_num(part)), total, out=np.full(mix.n, np.nan), where=told & (total > 0)
    )
    return np.where(np.isnan(out) & lone & known, single, out)


def _part_interval(mix: Mix, low: FloatArray, high: FloatArray, rest: FloatArray) -> tuple[FloatArray, FloatArray]:
    fine = mix.fine
    told = fine.count(~np.isnan(low)) > 0
    a, b = part_bounds(fine, np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0), np.zeros(mix.n), rest)
    lone = (fine.count() == 1) & (fine.residual_high + fine.unknown_high <= 0)
    told &= ~(lone & (fine.sum(fine.high) <= 0))
    a = np.where(lone, fine.sum(np.nan_to_num(low, nan=0.0)), a)
    b = np.where(lone, fine.sum(np.nan_to_num(high, nan=1.0)), b)
    return np.where(told, a, np.nan), np.where(told, b, np.nan)


def _focal_interval(mix: Mix) -> tuple[FloatArray, FloatArray]:
    fine = mix.fine
    # A residual holds nobody who is listed; the unknown may be anyone.
    listed = fine.max(np.nan_to_num(fine.focal_high)) > 0
    rest = np.where((fine.unknown_high > 0) | ~listed, 1.0, 0.0)
    return _part_interval(mix, fine.focal_low, fine.focal_high, rest)


@_part(reference="textbook identity", interval=_focal_interval, worse="high", needs=("focal",))
def focal_share(mix: Mix) -> FloatArray:
    r"""Part of the market that is the focal's under the view, :math:`\sum q_l f_l / Q`.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of supply lines, with ``focal=`` (part of each that is the focal's; ``focal_low=, focal_high=``).

    Returns
    -------
    float, Series or ndarray
        In [0, 1], over the whole volume: what is unknown counts as not the focal's in the value and as the focal's
        in the upper bound. A residual cannot be a focal that is listed. NaN where no part of any supplier with a
        figure is known, where the focal's own supply has no figure, and where none is found in a market of which more
        than half may be anybody's: missing is not zero.

    Examples
    --------
    >>> focal_share([620, 180, 200], focal=[1, 0, 0.5])
    0.72
    >>> [round(x, 6) for x in focal_share.interval([60, 20], focal=[1, 0], unknown=20)]
    [0.6, 0.8]
    """
    fine = mix.fine
    out = _mean_of_part(mix, fine.focal)
    if fine.known is not fine.quantity:  # some figure is missing
        out = np.where(unfigured(fine, fine.focal), np.nan, out)
    if fine.focal_high.dtype.kind == "b" or fine.focal_low.dtype.kind == "b":  # flags: nothing is in doubt
        return out
    return np.where(_in_doubt(fine, out, fine.focal_low, fine.focal_high), np.nan, out)


def _in_doubt(fine: Mix, value: FloatArray, low: FloatArray, high: FloatArray) -> npt.NDArray[np.bool_]:
    """Markets of which a value would say more than is known."""
    # A market of unknown size has a share where its suppliers are beyond doubt, not where they may be anyone.
    doubt = (fine.sum(high - low) > 0) & ~(fine.sum(fine.known) > 0)
    none = value <= 0
    if none.any():  # nothing found in the smaller part of a market is nothing said of the market
        open_ = fine.known * (np.nan_to_num(high, nan=1.0) >= 1.0 - 1e-9)
        doubt |= none & (fine.sum(open_) + fine.residual + fine.unknown > UNTOLD * fine.total)
    return np.asarray(doubt, dtype=bool)


def _bottleneck_interval(mix: Mix) -> tuple[FloatArray, FloatArray]:
    fine = mix.fine
    return _part_interval(mix, fine.bottleneck_low, fine.bottleneck_high, np.ones(mix.n))


@_part(
    reference="definition of this package: exposure.trace, mode bottleneck",
    interval=_bottleneck_interval,
    worse="high",
    needs=("bottleneck",),
)
def bottleneck(mix: Mix) -> FloatArray:
    """Part of the market that fails if the focal withholds its own and every essential input, through all tiers.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of supply lines, with ``bottleneck=`` of each.

    Returns
    -------
    float, Series or ndarray
        In [0, 1]; NaN as for :func:`focal_share`. In a score the value counts what nobody has data on as free, in any
        tier: an alternative input in the dark makes its buyer's part 0 there, which says "a way out that nobody has
        looked at", not "safe". Where that alone makes all of the value 0 it is NaN; further up it lowers the value, and
        ``bottleneck_high`` is without it.

    Notes
    -----
    Missing policy: a part that is not known counts as free in the value and as anything in the bounds; NaN where that
    leaves everything open.

    References
    ----------
    Definition of this package: the weakest of the essential inputs, through all tiers.

    Examples
    --------
    >>> bottleneck([50, 50], bottleneck=[1, 0.2])
    0.6
    """
    fine = mix.fine
    out = _mean_of_part(mix, fine.bottleneck)
    if fine.known is not fine.quantity:  # some figure is missing
        out = np.where(unfigured(fine, fine.bottleneck), np.nan, out)
    low, high = fine.bottleneck_low, fine.bottleneck_high
    if low.dtype.kind == "b" or high.dtype.kind == "b":  # flags: nothing is in doubt
        return out
    return np.where(_in_doubt(fine, out, low, high), np.nan, out)


@_part(reference="definition of this package", worse="low")
def coverage(mix: Mix) -> FloatArray:
    """Part of the volume whose quantity and supplier (under the view) are known.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.

    Returns
    -------
    float, Series or ndarray
        In [0, 1]: known volume over all volume, a supplier without a quantity counted with the most that it can make
        (one inside a residual is in that). NaN where that is not known either: it may be most of the market. 0 where
        nothing is known. In the control view of a score a supplier is known as far as its holders are on record, or
        wholly where it stands in the focal.

    Notes
    -----
    Missing policy: what is missing is what this measures. A supplier without a quantity is not covered, and counts with
    the most that it can make.

    References
    ----------
    Definition of this package.

    Examples
    --------
    >>> coverage([60, 20], residual=20)
    0.8
    """
    fine = mix.fine
    whole = mix.total
    if fine.known is not fine.quantity:  # some figure is missing
        whole = whole + fine.sum(np.where(np.isnan(fine.quantity), fine.room, 0.0))
        whole = np.where(np.isinf(whole), np.nan, whole)
    named = mix.named if fine.recorded is None else fine.sum(fine.known * fine.recorded)
    part = np.divide(named, whole, out=np.full(mix.n, np.nan), where=whole > 0)
    nothing = (mix.named <= 0) & (fine.count(np.isnan(fine.quantity)) == fine.count()) & (fine.count() > 0)
    return np.where(nothing, 0.0, np.minimum(part, 1.0))


@_part(reference="definition of this package", worse="low", needs=("headline",))
def headline(mix: Mix) -> FloatArray:
    """Part of the volume whose figures are graded A or B: only such may carry a headline.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of supply lines, with ``headline=`` (part of each that is graded A or B).

    Returns
    -------
    float, Series or ndarray
        In [0, 1]: of the volume that has a figure, times the part of the rows that have one, as in :func:`coverage`.

    Notes
    -----
    Missing policy: a figure that is missing carries no headline; a grade that is missing is none.

    References
    ----------
    Definition of this package.

    Examples
    --------
    >>> headline([60, 40], headline=[1, 0])
    0.6
    """
    return _mean_of_part(mix, mix.fine.headline) * _counted(mix)[1]


@metric(
    grain="line",
    unit="1",
    bounds=(0.0, 1.0),
    reference="definition of this package: grounds.graded_part, mode bottleneck",
    laws=("scale", "permutation"),
    worse="low",
    needs=("bottleneck_headline",),
)
def bottleneck_headline(mix: Mix) -> FloatArray:
    """Part of the volume whose bottleneck rests on figures graded A or B in every tier: links, recipes and producers.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of supply lines, with ``bottleneck_headline=`` of each.

    Returns
    -------
    float, Series or ndarray
        In [0, 1], as :func:`headline`; the inputs that decide count.

    References
    ----------
    Definition of this package.

    Examples
    --------
    >>> bottleneck_headline(Mix.build(np.array([0, 0]), 1, np.array([60.0, 40.0]),
    ...     bottleneck_headline=np.array([1.0, 0.5]))).tolist()
    [0.8]
    """
    return _mean_of_part(mix, mix.fine.bottleneck_headline) * _counted(mix)[1]


@metric(
    grain="line",
    unit="1",
    bounds=(0.0, 1.0),
    reference="definition of this package: grounds.assumed_part",
    laws=("scale", "permutation"),
    worse="high",
    needs=("assumed_weights",),
    shown=False,
)
def assumed_weights(mix: Mix) -> FloatArray:
    """Part of the volume traced through inputs that count alike because a price or an amount is missing.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of supply lines, with ``assumed_weights=`` of each.

    Returns
    -------
    float, Series or ndarray
        In [0, 1]; a column of every score in the origin view, whose values it qualifies. NaN in other views.

    References
    ----------
    Definition of this package.

    Examples
    --------
    >>> assumed_weights(Mix.build(np.array([0, 0]), 1, np.array([60.0, 40.0]),
    ...     assumed_weights=np.array([1.0, 0.0]))).tolist()
    [0.6]
    """
    return _mean_of_part(mix, mix.fine.assumed_weights)


def _counted(mix: Mix) -> tuple[FloatArray, FloatArray]:
    """Rows of each market, and the part of them that have a quantity."""
    fine = mix.fine
    rows = fine.count()
    if fine.known is fine.quantity:
        return rows, np.ones(mix.n)
    return rows, np.divide(fine.count(~np.isnan(fine.quantity)), rows, out=np.ones(mix.n), where=rows > 0)

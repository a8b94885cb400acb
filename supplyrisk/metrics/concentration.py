"""How few suppliers a market has.

Every function takes quantities (one unit, one period) and divides itself; percent or fractions give the same.
``hhi([62, 18, 12, 8])`` is a float, ``hhi(series, by="product")`` a Series, ``hhi(mix)`` an array.
Rules shared by all: a negative or missing quantity is rejected; no supply is NaN, never 0; a residual
(``residual=`` or ``total=``) is never one supplier: it counts in the total only, and in the bounds
(``hhi.interval(...)``); where more than half of a market has no named supplier its concentration is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from .among import entropy_interval, normalized_interval, unctad_interval
from .arrays import rests
from .boxes import least_hhi, least_top, most_hhi, most_top, others_demand, remainder_bounds
from .governance import NUMBERS
from .information import entropy
from .mix import FloatArray, Mix, grouped
from .registering import metric
from .volume import count_interval, n_suppliers

__all__ = [
    "concentration_ratio",
    "contribution",
    "delta_hhi",
    "effective_suppliers",
    "hhi",
    "hhi_normalized",
    "hirschman_index",
    "n_minus_1",
    "share",
    "unctad_concentration",
]

_HHI = "Herfindahl (1950); Hirschman (1964), AER"


def share(supply: Any, by: Any = None, total: Any = None) -> Any:
    r"""Share of each supplier in its market, :math:`s_c = q_c / Q`.

    Parameters
    ----------
    supply : array-like, Series or mapping
        Quantities, 0 or more, one unit and period.
    by : array-like, Series, DataFrame, list of them, or index level names, optional
        Market of each row.
    total : float or array-like, optional
        Size of the market where not all suppliers are listed. They may add to 2 % more, the rounding of a print: then
        their own sum is the market.

    Returns
    -------
    ndarray or Series
        Dimensionless, in [0, 1], aligned to ``supply``; NaN where the market has no supply.

    Raises
    ------
    SchemaError
        Negative or missing quantities, or more than the total.

    Notes
    -----
    Missing policy: a missing quantity is refused. Rows named ``ROW`` (an unlisted rest) or ``UNK`` (nobody knows whom)
    are part of the market and no supplier: their share is NaN.

    References
    ----------
    Textbook identity.

    Examples
    --------
    >>> share([620, 180, 120, 80]).tolist()
    [0.62, 0.18, 0.12, 0.08]
    """
    supply = pd.Series(supply) if isinstance(supply, Mapping) else supply
    mix, _ = grouped(supply, {"by": by, "total": total})
    below = mix.total[mix.market]
    out = np.divide(mix.quantity, below, out=np.full(len(mix.quantity), np.nan), where=below > 0)
    out += 0.0  # a nothing has no sign
    return _aligned(out, supply, by, "share")


def contribution(supply: Any, by: Any = None) -> Any:
    r"""Part of the HHI that each supplier makes, :math:`s_c^2 / H`; the parts add to 1.

    Parameters
    ----------
    supply : array-like, Series or mapping
        Quantities, 0 or more, one unit and period.
    by : array-like, Series, DataFrame, list of them, or index level names, optional
        Market of each row.

    Returns
    -------
    ndarray or Series
        In [0, 1]; NaN where the market has no supply.

    Raises
    ------
    SchemaError
        Negative or missing quantities.

    Notes
    -----
    Missing policy: a missing quantity is refused. Rows named ``ROW`` or ``UNK`` are no supplier: they make no part of
    the index, and theirs is NaN.

    References
    ----------
    Definition of this package.

    Examples
    --------
    >>> contribution([620, 180, 120, 80]).round(6).tolist()
    [0.878428, 0.07404, 0.032907, 0.014625]
    """
    supply = pd.Series(supply) if isinstance(supply, Mapping) else supply
    mix, _ = grouped(supply, {"by": by})
    square = mix.quantity**2
    below = mix.sum(square)[mix.market]
    out = np.divide(square, below, out=np.full(len(square), np.nan), where=below > 0)
    return _aligned(out, supply, by, "contribution")


def _aligned(x: FloatArray, supply: Any, by: Any, name: str) -> Any:
    """Values of the suppliers in the rows they came in; NaN in rows that are no supplier."""
    rest = rests(supply, by)
    if rest is not None:
        wide = np.full(len(supply), np.nan)
        wide[~(rest[0] | rest[1])] = x
        x = wide
    return pd.Series(x, index=supply.index, name=name) if isinstance(supply, pd.Series) else x


def delta_hhi(first: float, second: float, scale: float = 1.0) -> float:
    r"""Rise of the HHI if two suppliers join, :math:`2 s_i s_j`.

    Parameters
    ----------
    first, second : float
        Shares, fractions.
    scale : float
        1, or 10,000 for points.

    Returns
    -------
    float

    Raises
    ------
    SchemaError
        Not two shares of one market.
    UnknownNameError
        Another scale.

    Notes
    -----
    Missing policy: a missing share is refused: what joins an unknown share is not known.

    References
    ----------
    Textbook identity.

    Examples
    --------
    >>> round(delta_hhi(0.12, 0.08, scale=10_000), 6)
    192.0
    """
    _check_scale(scale)
    if not all(isinstance(x, NUMBERS) for x in (first, second)):
        kinds = f"{type(first).__name__}, {type(second).__name__}"
        raise SchemaError([Problem("delta_hhi", "-", "-", "not two numbers", kinds, "Give two shares.")], "shares")
    if not (0 <= first <= 1 and 0 <= second <= 1 and first + second <= 1 + 1e-9):
        raise SchemaError(
            [Problem("delta_hhi", "-", "-", "not two shares of one market", f"{first}, {second}", "Percent?")], "shares"
        )
    return 2.0 * first * second * scale


def _check_scale(scale: float) -> None:
    if scale not in (1, 10_000):
        raise unknown_name("scale", scale, ["1", "10000"], "hhi")


def _hhi_interval(mix: Mix, scale: float = 1.0) -> tuple[FloatArray, FloatArray]:
    return least_hhi(mix) * scale, most_hhi(mix) * scale


@metric(
    unit="1",
    bounds=(0.0, 1.0),
    reference=_HHI,
    laws=("scale", "permutation", "merge_up"),
    interval=_hhi_interval,
    worse="high",
)
def hhi(mix: Mix, scale: float = 1.0) -> FloatArray:
    r"""Herfindahl-Hirschman index, :math:`H = \sum_c s_c^2`.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.
    scale : {1, 10_000}
        1 for fractions, range [1/n, 1]; 10,000 for points.

    Returns
    -------
    float, Series or ndarray
        Dimensionless, in [1/n, 1], or in points. A residual adds to the total and not to the sum: the value is the
        lower bound for infinitely many unlisted. NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``; more than the total.
    UnknownNameError
        Another scale.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual (``residual=``,
    ``total=``) is never one supplier; where more than half has no named supplier the value is NaN.

    ``hhi.interval`` is exact for independent quantities. A row ``ROW`` is the residual: one supplier or many, none of
    whom is listed. A row ``UNK`` is what nobody has named: with anyone, a listed supplier too, so that
    ``{CHN 60, UNK 20, AUS 20}`` reaches from 0.40 to 0.68.

    In a score by equity or control the suppliers are the home countries of owners or controllers; by control, what has
    no holder on record, or nobody in control of it, counts in the value as its host's, and less than half on record is
    NaN. The bounds give each country what it surely holds, and all else to anyone, as ``UNK``: safe, called so in
    ``.attrs["columns"]["hhi"]["bounds"]``, and exact where holders are known. By control what stands in the focal is its
    own, as in ``focal_share``, and what one focal country surely has is one hand.

    References
    ----------
    Herfindahl (1950), thesis; Hirschman (1964), AER.

    Examples
    --------
    >>> hhi([620, 180, 120, 80]), hhi([620, 180, 120, 80], scale=10_000)
    (0.4376, 4376.0)
    >>> round(hhi([0.5, 0.2, 0.1], total=1), 6), [round(x, 6) for x in hhi.interval([0.5, 0.2, 0.1], total=1)]
    (0.3, [0.3, 0.34])
    """
    _check_scale(scale)
    out = mix.squared_shares()
    return out if scale == 1 else scale * out


@metric(
    unit="1",
    bounds=(0.0, 1.0),
    reference="textbook identity",
    laws=("scale", "permutation"),
    interval=normalized_interval,
    worse="high",
    shown=False,
)
def hhi_normalized(mix: Mix, count: float | None = None) -> FloatArray:
    r"""HHI of the named suppliers from 0 (all equal) to 1 (one supplier), :math:`H^* = (H - 1/n)/(1 - 1/n)`.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.
    count : float, optional
        A fixed universe of suppliers; default: those with a quantity above 0. Inactive suppliers never count.

    Returns
    -------
    float, Series or ndarray
        Dimensionless, in [0, 1]; 1 for one supplier, NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``, or a ``count`` below
        the number of suppliers.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual is left
    out of both, they compare the named suppliers with each other; NaN where more than half has no named supplier. ``hhi_normalized.interval`` is exact.

    References
    ----------
    Textbook identity.

    Examples
    --------
    >>> round(hhi_normalized([620, 180, 120, 80, 0]), 6), hhi_normalized([5.0])
    (0.250133, 1.0)
    """
    n = mix.count(mix.known > 0) if count is None else np.full(mix.n, float(count))
    if count is not None and (n < mix.count(mix.known > 0)).any():
        raise SchemaError(
            [Problem("hhi_normalized", "-", "count", "fewer than there are suppliers", str(count), "Raise it.")],
            "count",
        )
    h = mix.per(mix.squares, mix.named**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = (h - 1 / n) / (1 - 1 / n)
    return np.where(np.isnan(h), np.nan, np.where(n <= 1, 1.0, out))


@metric(
    unit="1",
    bounds=(0.0, 1.0),
    reference="textbook identity",
    laws=("scale", "permutation", "merge_up"),
    columns={"cr3": {"n": 3}},
    interval=lambda mix, n=3: (least_top(mix, n), most_top(mix, n)),
    worse="high",
)
def concentration_ratio(mix: Mix, n: int = 3) -> FloatArray:
    r"""Share of the n largest suppliers, :math:`CR_n = \sum_{i \le n} s_{(i)}`; with fewer than n, of all.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.
    n : int
        How many, 1 or more.

    Returns
    -------
    float, Series or ndarray
        A fraction, in (0, 1]; NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``, or n
        below 1.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual (``residual=``,
    ``total=``) is never one supplier; where more than half has no named supplier the value is NaN. ``concentration_ratio.interval`` is
    exact.

    References
    ----------
    Textbook identity.

    Examples
    --------
    >>> concentration_ratio([620, 180, 120, 80], 1), concentration_ratio([620, 180, 120, 80])
    (0.62, 0.92)
    """
    if not isinstance(n, NUMBERS) or n < 1 or int(n) != n:
        raise SchemaError([Problem("concentration_ratio", "-", "n", "not 1, 2, 3 ...", str(n), "Give a count.")], "n")
    return mix.per(mix.top(mix.known, int(n)))


def _effective_interval(mix: Mix, order: float = 2) -> tuple[FloatArray, FloatArray]:
    if order == 2:
        low, high = most_hhi(mix), least_hhi(mix)
    elif np.isinf(order):
        low, high = most_top(mix, 1), least_top(mix, 1)
    elif order == 0:
        return count_interval(mix)
    else:
        low, high = entropy_interval(mix)
        # Order 1 is never below order 2, with any rest.
        with np.errstate(divide="ignore"):
            return np.asarray(np.fmax(np.exp(low), 1.0 / most_hhi(mix))), np.asarray(np.exp(high))
    with np.errstate(divide="ignore"):
        return 1.0 / low, 1.0 / high


@metric(
    unit="supplier",
    bounds=(1.0, np.inf),
    reference="Hill (1973), Ecology",
    laws=("scale", "permutation", "merge_down", "replication"),
    interval=_effective_interval,
    worse="low",
)
def effective_suppliers(mix: Mix, order: float = 2) -> FloatArray:
    r"""Number of equal suppliers that would be as concentrated.

    :math:`N_2 = 1/H`, :math:`N_1 = e^S`, :math:`N_\infty = 1/\max s`, :math:`N_0` their number.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.
    order : {2, 1, 0, inf}
        Weight on the large: 2 inverse HHI, 1 exponential of the entropy, 0 :func:`n_suppliers`, inf one over the
        largest share.

    Returns
    -------
    float, Series or ndarray
        In suppliers, 1 or more; it never rises with the order (from 0 to 1: without a residual). NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``.
    UnknownNameError
        Another order.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual (``residual=``,
    ``total=``) is never one supplier; where more than half has no named supplier the value is NaN. Order 1 is of
    the named suppliers among themselves, as the entropy it is made of, and never below order 2; order 0 counts those
    who are named. Bounds hold for any residual, one supplier or endlessly many: of order 1 the upper one is infinite
    then, of order 0 they are of the named alone.

    References
    ----------
    Hill (1973), "Diversity and evenness", Ecology.

    Examples
    --------
    >>> q = [620, 180, 120, 80]
    >>> [round(effective_suppliers(q, order=o), 6) for o in (1, 2, float("inf"))]
    [2.890807, 2.285192, 1.612903]
    """
    if order not in (0, 1, 2, np.inf):
        raise unknown_name("order", order, ["0", "1", "2", "inf"], "effective_suppliers")
    if order == 2:
        inverse = mix.squared_shares()
    elif order == 1:
        with np.errstate(divide="ignore"):
            return np.asarray(np.maximum(np.exp(entropy(mix)), 1.0 / mix.squared_shares()))
    elif order == 0:
        return np.asarray(n_suppliers(mix))
    else:
        inverse = mix.per(mix.max(mix.known))
    return np.asarray(np.divide(1.0, inverse, out=inverse))


def _n_minus_1_interval(mix: Mix, form: str = "gross") -> tuple[FloatArray, FloatArray]:
    if form == "share":
        return 1.0 - most_top(mix, 1), 1.0 - least_top(mix, 1)
    low, high = remainder_bounds(mix)
    below_low, below_high = mix.demand_low, mix.demand_high
    if form == "net":
        below_low, below_high = others_demand(mix)
    # Where demand may be nothing, what is left may cover it any number of times.
    told = ~np.isnan(below_low) & (below_high > 0)
    low = np.divide(low, below_high, out=np.full(mix.n, np.nan), where=told)
    high = np.divide(high, below_low, out=np.where(told, np.inf, np.nan), where=told & (below_low > 0))
    return low, high


@metric(
    unit="1",
    bounds=(0.0, np.inf),
    reference="IEA (2025), Global Critical Minerals Outlook; the net form is inferred",
    laws=("permutation",),
    columns={"n_minus_1_gross": {"form": "gross"}, "n_minus_1_net": {"form": "net"}},
    interval=_n_minus_1_interval,
    worse="low",
    needs=("demand", "own_demand"),
)
def n_minus_1(mix: Mix, form: str = "gross") -> FloatArray:
    r"""Supply left without the largest supplier, over demand.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers; ``demand=`` in the same unit, for ``net`` also ``demand_of_largest=``.
    form : {"gross", "net", "share"}
        ``gross`` :math:`(Q-q^*)/D`; ``net`` :math:`(Q-q^*)/(D-d^*)`, the supplier's own demand gone with it;
        ``share`` :math:`1 - CR_1`, without demand.

    Returns
    -------
    float, Series or ndarray
        Dimensionless, 0 or more, may exceed 1; NaN where demand is unknown, 0, or all the largest supplier's own. The two forms differ
        widely where the top refiner is the top user: report both.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``.
    UnknownNameError
        Another form.

    Notes
    -----
    Missing policy: what is not listed stays when the largest named supplier goes; NaN where more than half has no named
    supplier, and without demand: it is never taken from supply. The bounds of the net form are outer ones
    where another supplier may be the largest, and wide where the own demand of one who may be is unknown.

    References
    ----------
    IEA (2025), Global Critical Minerals Outlook.

    Examples
    --------
    >>> q = [620, 180, 120, 80]
    >>> round(n_minus_1(q, demand=950), 6), round(n_minus_1(q, form="net", demand=950, demand_of_largest=560), 6)
    (0.4, 0.974359)
    >>> round(n_minus_1(q, form="share"), 6)
    0.38
    """
    left = mix.total - mix.max(mix.known)
    if form == "share":
        return mix.per(left)
    if form == "gross":
        below = mix.demand
    elif form == "net":
        below = mix.demand - mix.of_largest(mix.own_demand)
    else:
        raise unknown_name("form", form, ["gross", "net", "share"], "n_minus_1")
    good = below > 1e-12 * np.nan_to_num(mix.demand)
    return mix.per(left, np.where(good, below, 0.0))


@metric(
    unit="1",
    bounds=(0.0, 100.0),
    reference="Hirschman (1945), National Power and the Structure of Foreign Trade (form as commonly cited)",
    laws=("scale", "permutation", "merge_up"),
    interval=lambda mix: (100 * np.sqrt(least_hhi(mix)), 100 * np.sqrt(most_hhi(mix))),
    worse="high",
    shown=False,
)
def hirschman_index(mix: Mix) -> FloatArray:
    r"""Hirschman's original index, :math:`100 \sqrt{H}`; older trade literature, not the HHI.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.

    Returns
    -------
    float, Series or ndarray
        In percent, in (0, 100]; NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual (``residual=``,
    ``total=``) is never one supplier; where more than half has no named supplier the value is NaN. ``hirschman_index.interval`` is exact.

    References
    ----------
    Hirschman (1945), in the form commonly cited.

    Examples
    --------
    >>> round(hirschman_index([620, 180, 120, 80]), 6)
    66.151342
    """
    return 100.0 * np.sqrt(mix.squared_shares())


@metric(
    unit="1",
    bounds=(0.0, 1.0),
    reference="normalised root of the HHI, as used in trade statistics (form as commonly cited)",
    laws=("scale", "permutation"),
    interval=unctad_interval,
    worse="high",
    shown=False,
)
def unctad_concentration(mix: Mix) -> FloatArray:
    r"""Normalised root of the HHI of the named suppliers, :math:`(\sqrt H - \sqrt{1/n})/(1 - \sqrt{1/n})`.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers; n counts those above 0.

    Returns
    -------
    float, Series or ndarray
        Dimensionless, in [0, 1]; 1 for one supplier, NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual is left
    out of both, they compare the named suppliers with each other; NaN where more than half has no named supplier. ``unctad_concentration.interval`` is
    exact.

    References
    ----------
    UNCTAD-type index, in the form commonly cited.

    Examples
    --------
    >>> round(unctad_concentration([620, 180, 120, 80]), 6)
    0.323027
    """
    n = np.maximum(mix.count(mix.known > 0), 1.0)
    root = np.sqrt(mix.per(mix.squares, mix.named**2))
    even = np.sqrt(1.0 / n)
    out = np.divide(root - even, 1.0 - even, out=np.ones(mix.n), where=n > 1)
    return np.where(np.isnan(root), np.nan, out)

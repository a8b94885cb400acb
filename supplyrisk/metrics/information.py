"""How evenly a market is spread over its suppliers: measures of information, in nats.

They are of the named suppliers among themselves: what is not listed stays out of them (but for the bounds of the
entropy, which hold whoever stands behind it). Rules shared by all are those of
:mod:`supplyrisk.metrics.concentration`.
"""

from __future__ import annotations

import numpy as np

from .among import entropy_interval, evenness_interval, theil_interval
from .mix import FloatArray, Mix
from .registering import metric

__all__ = ["entropy", "evenness", "shannon", "theil"]


def entropy(mix: Mix) -> FloatArray:
    """Entropy of the named suppliers among themselves, by market in nats; NaN where too few are named.

    Parameters
    ----------
    mix : Mix
        Markets.

    Returns
    -------
    ndarray
    """
    below = mix.named[mix.market]
    s = np.divide(mix.known, below, out=np.zeros(len(mix.known)), where=below > 0)
    term = -s * np.log(s, out=np.zeros(len(s)), where=s > 0)
    return np.where(mix.told, np.maximum(mix.sum(term), 0.0), np.nan)


@metric(
    unit="nat",
    bounds=(0.0, np.inf),
    reference="Shannon (1948)",
    laws=("scale", "permutation", "merge_down"),
    interval=entropy_interval,
    worse="low",
    shown=False,
)
def shannon(mix: Mix) -> FloatArray:
    r"""Entropy of the named suppliers' shares, :math:`S = -\sum s \ln s`, in nats; 0 ln 0 = 0.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.

    Returns
    -------
    float, Series or ndarray
        In nats, in [0, ln n]; NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds. The value is of
    the named suppliers among themselves, NaN where more than half has no named supplier. ``shannon.interval`` is exact
    where all are named; a residual is one supplier up to endlessly many in it, so that its upper bound is infinite.

    References
    ----------
    Shannon (1948).

    Examples
    --------
    >>> round(shannon([620, 180, 120, 80]), 6)
    1.061536
    """
    return entropy(mix)


@metric(
    unit="nat",
    bounds=(0.0, np.inf),
    reference="Theil (1967)",
    laws=("scale", "permutation"),
    interval=theil_interval,
    worse="high",
    shown=False,
)
def theil(mix: Mix) -> FloatArray:
    r"""Theil index of the suppliers with a quantity, :math:`T = \ln n - S`.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.

    Returns
    -------
    float, Series or ndarray
        In nats, in [0, ln n]: 0 where all are equal; NaN without supply.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual is left
    out of both, they compare the named suppliers with each other; NaN where more than half has no named supplier. ``theil.interval`` is exact; n counts
    suppliers above 0, so one that may be nothing may count or not.

    References
    ----------
    Theil (1967).

    Examples
    --------
    >>> round(theil([620, 180, 120, 80]), 6)
    0.324759
    """
    return np.maximum(np.log(np.maximum(mix.count(mix.known > 0), 1.0)) - entropy(mix), 0.0)


@metric(
    unit="1",
    bounds=(0.0, 1.0),
    reference="textbook identity",
    laws=("scale", "permutation"),
    interval=evenness_interval,
    worse="low",
    shown=False,
)
def evenness(mix: Mix) -> FloatArray:
    r"""Evenness of the suppliers with a quantity, :math:`J = S/\ln n`; undefined for one supplier.

    Parameters
    ----------
    mix : Mix or array-like
        Quantities of suppliers.

    Returns
    -------
    float, Series or ndarray
        Dimensionless, in [0, 1]; NaN without supply, and for one supplier.

    Raises
    ------
    SchemaError
        Quantities that are negative, or missing without ``low=`` and ``high=``.

    Notes
    -----
    Missing policy: a quantity that is missing but bounded is left out of the value and widens the bounds; a residual is left
    out of both, they compare the named suppliers with each other; NaN where more than half has no named supplier. ``evenness.interval`` is exact.

    References
    ----------
    Textbook identity.

    Examples
    --------
    >>> round(evenness([620, 180, 120, 80]), 6), evenness([5.0])
    (0.765736, nan)
    """
    n = mix.count(mix.known > 0)
    top = np.log(np.maximum(n, 1.0))
    out = np.full(mix.n, np.nan)
    np.divide(entropy(mix), top, out=out, where=n > 1)
    return out

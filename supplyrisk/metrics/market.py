"""Price and quantity after a loss of supply, and the indices that combine several scores into one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem
from .governance import NUMBERS, FloatArray, Value, Values, aligned, amounts, keyed, number, refuse

__all__ = [
    "PriceResponse",
    "doe_type",
    "expected_loss",
    "nassar_type",
    "nstc_screen",
    "price_response",
    "yale_concentration",
    "yale_magnitude",
]

_LOG_CEILING = 700.0  # exp(709) is the end of doubles; a price beyond 1e304 times the old one is no price


@dataclass(frozen=True)
class PriceResponse:
    """Equilibrium after a loss of supply; prices relative to before.

    Attributes
    ----------
    price_ratio : float
        New price over old, at least 1; ``inf`` where no finite price clears the market, NaN where undefined.
    quantity, quantity_ratio, shortfall : float
        Quantity sold, its ratio to demand before, and 1 minus that.
    supply : Series
        Quantity by supplier.
    status : str
        ``"balanced"``, ``"no shortage"``, ``"unbounded"`` or ``"undefined"``.
    reason : str
        Why it is unbounded or undefined.
    """

    price_ratio: float
    quantity: float
    quantity_ratio: float
    shortfall: float
    supply: pd.Series
    status: str
    reason: str = ""
    method: str = "USGS-type elasticity core"


def price_response(
    supply: Values,
    *,
    demand_elasticity: float,
    supply_elasticity: float | Values,
    remaining: Mapping[Any, float] | pd.Series,
    capacity: Values | None = None,
    demand: float | None = None,
) -> PriceResponse:
    """Price at which what is left of supply meets demand: USGS-type elasticity core.

    ``q_i(r) = min(q_i0 r^es_i, k_i)``, a disrupted supplier gives at most what remains of it; ``r = p / p0 >= 1``
    solves ``sum q_i(r) = D r^ed``. Both sides are monotone in r: bracketed, then bisected on ln r. Without
    capacities, with equal es and share phi lost: ``r = (1 - phi)^(1 / (ed - es))``.

    Parameters
    ----------
    supply : Series, mapping or array
        q_i0: quantity by supplier before.
    demand_elasticity : float
        ed, at most 0.
    supply_elasticity : float, Series, mapping or array
        es, at least 0; one for all or by supplier.
    remaining : mapping or Series
        Disrupted supplier to the quantity that it can still sell (0 = all lost); no price raises it.
    capacity : Series, mapping or array, optional
        k_i: most that a supplier can make; suppliers without a figure have no limit. A capacity below q_i0 counts.
    demand : float, optional
        D; left out, the sum of supply before (a market in balance).

    Returns
    -------
    PriceResponse
        ``price_ratio`` in [1, inf] and ``quantity_ratio`` are dimensionless, ``quantity`` is in the unit of ``supply``.
        ``unbounded`` where all supply is lost, or capped supply stays below a demand that no price moves;
        ``undefined`` where neither side responds to price and something is missing.

    Raises
    ------
    SchemaError
        Wrong sign of an elasticity, negative or missing quantities, a disrupted supplier that does not exist.

    Notes
    -----
    Missing policy: missing quantities are refused; nothing stands in for an elasticity. Source: partial equilibrium
    core defined here (D) after the description of USGS OFR 2025-1047 (S).

    Examples
    --------
    >>> r = price_response({"CHN": 30, "A": 60, "B": 10}, demand_elasticity=-0.15, supply_elasticity=0.2,
    ...     remaining={"CHN": 0})
    >>> round(r.price_ratio, 6), round(r.quantity_ratio, 6), round(r.shortfall, 6)
    (2.77062, 0.858249, 0.141751)
    >>> r = price_response({"CHN": 30, "A": 60, "B": 10}, demand_elasticity=-0.15, supply_elasticity=0.2,
    ...     remaining={"CHN": 0}, capacity={"A": 63, "B": 11})
    >>> round(r.price_ratio, 6), round(r.quantity, 6)
    (7.443694, 74.0)
    """
    q0 = amounts(supply, "supply")
    ed = number(demand_elasticity, "demand_elasticity", -math.inf, 0.0, "Demand falls with price: at most 0.")
    if isinstance(supply_elasticity, NUMBERS):
        es = np.full(len(q0), number(supply_elasticity, "supply_elasticity", 0.0))
    else:
        es = aligned(supply_elasticity, q0, "supply_elasticity", "Give one per supplier.", q0.to_numpy() > 0)
    es = np.where(q0.to_numpy() > 0, es, 0.0)
    if (es < 0).any():
        refuse([Problem("supply_elasticity", "-", "-", "negative", "", "Supply rises with price.")], "price_response")
    limit = _limits(q0, capacity, remaining)
    base = float(q0.sum()) if demand is None else number(demand, "demand", 0.0)
    start = q0.to_numpy()

    def quantities(x: float) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.asarray(np.minimum(start * np.exp(np.minimum(es * x, _LOG_CEILING)), limit), dtype=np.float64)

    def gap(x: float) -> float:
        return float(quantities(x).sum()) - base * math.exp(ed * x)

    def found(x: float, status: str) -> PriceResponse:
        q = quantities(x)
        sold = base * math.exp(ed * x)
        ratio = sold / base
        return PriceResponse(math.exp(x), sold, ratio, 1.0 - ratio, pd.Series(q, index=q0.index), status)

    def none(ratio: float, status: str, reason: str) -> PriceResponse:
        q = quantities(0.0 if status == "undefined" else _LOG_CEILING)
        got = float(q.sum())
        part = got / base if base > 0 else math.nan
        return PriceResponse(ratio, got, part, 1.0 - part, pd.Series(q, index=q0.index), status, reason)

    if base == 0:
        return none(math.nan, "undefined", "no demand")
    # The tolerance is rounding of the two sums, not a judgement on small shortages.
    if gap(0.0) >= -1e-12 * base:
        return found(0.0, "no shortage")
    if ed == 0 and not (es * (start > 0)).any():
        return none(math.nan, "undefined", "neither supply nor demand responds to price")
    if not (np.minimum(start, limit) > 0).any():
        return none(math.inf, "unbounded", "no supply is left: no finite price clears the market")
    top = 1.0
    while gap(top) < 0:
        if top >= _LOG_CEILING:
            return none(math.inf, "unbounded", "supply at capacity stays below what is wanted at any price")
        top = min(2.0 * top, _LOG_CEILING)
    low, high = 0.0, top
    while True:
        mid = 0.5 * (low + high)
        if mid in (low, high):
            break
        if gap(mid) < 0:
            low = mid
        else:
            high = mid
    return found(high, "balanced")


def _limits(q0: pd.Series, capacity: Values | None, remaining: Mapping[Any, float] | pd.Series) -> FloatArray:
    limit = np.full(len(q0), np.inf)
    problems: list[Problem] = []
    if capacity is not None:
        if isinstance(capacity, pd.Series | Mapping):
            k = keyed(capacity, "capacity").reindex(q0.index).to_numpy(dtype=np.float64)
        else:
            k = aligned(capacity, q0, "capacity", "Give one per supplier.", np.zeros(len(q0), dtype=bool))
        problems += [
            Problem("capacity", str(q0.index[int(i)]), "-", "negative", repr(float(k[i])), "Check sign.")
            for i in np.flatnonzero(k < 0)
        ]
        limit = np.where(np.isnan(k), np.inf, k)
    left = amounts(remaining, "remaining")
    names = ", ".join(map(str, q0.index[:8]))
    for key, v in left.items():
        if key not in q0.index:
            problems.append(Problem("remaining", str(key), "-", "no such supplier", "", f"Suppliers: {names}."))
            continue
        i = q0.index.get_loc(key)
        limit[i] = min(float(limit[i]), float(v))
    refuse(problems, "price_response")
    return np.asarray(limit, dtype=np.float64)


def expected_loss(probability: Values, loss: Values) -> Value:
    """Expected loss over disruptions.

    ``E[L] = sum_k pi_k L_k``.

    Parameters
    ----------
    probability : Series, mapping or array
        pi: probability of each disruption per period, [0, 1]. Need not sum to 1.
    loss : Series, mapping or array
        L, one currency; negative is a gain and stays one.

    Returns
    -------
    Value
        In the currency of ``loss``.

    Raises
    ------
    SchemaError
        A disruption without loss or with a probability outside [0, 1].

    Notes
    -----
    Source: as in USGS OFR 2025-1047. Evidence S.

    Examples
    --------
    >>> round(expected_loss([0.05, 0.02, 0.10], [800, 3000, -50]), 4)
    95.0
    """
    p = amounts(probability, "probability")
    problems = [
        Problem("probability", str(k), "-", "above 1", repr(v), "A fraction, not percent.") for k, v in p[p > 1].items()
    ]
    refuse(problems, "probability")
    x = aligned(loss, p, "loss", "Give the loss; missing is not zero.", np.ones(len(p), dtype=bool))
    return Value(float(p.to_numpy() @ x), unit="currency of loss", method="expected loss")


def _geometric(method: str, factors: Mapping[str, float]) -> Value:
    parts = {k: number(v, k, 0, 1, "Scale the sub-index to [0, 1].") for k, v in factors.items()}
    return Value(math.prod(parts.values()) ** (1.0 / len(parts)), method=method, parts=parts)


def nassar_type(disruption_potential: float, trade_exposure: float, economic_vulnerability: float) -> Value:
    """Nassar-type supply risk: geometric mean of three sub-indices.

    ``SR = (DP TE EV)^(1/3)``; any factor of 0 gives 0.

    Parameters
    ----------
    disruption_potential, trade_exposure, economic_vulnerability : float
        Sub-indices scaled to [0, 1]; how they are made is the caller's choice.

    Returns
    -------
    Value
        In [0, 1].

    Raises
    ------
    SchemaError
        A factor is missing or outside [0, 1].

    Notes
    -----
    Source: frame after Nassar et al. (2020), Science Advances 6 eaay8647. Evidence S for the frame, U for the
    sub-indices: call it Nassar-type.

    Examples
    --------
    >>> round(nassar_type(0.55, 0.80, 0.30), 6)
    0.509164
    """
    return _geometric("Nassar-type", {"DP": disruption_potential, "TE": trade_exposure, "EV": economic_vulnerability})


def nstc_screen(supply_risk: float, production_growth: float, market_dynamics: float) -> Value:
    """NSTC early-warning screen: geometric mean of supply risk, production growth and market dynamics.

    ``C = (R G M)^(1/3)``.

    Parameters
    ----------
    supply_risk, production_growth, market_dynamics : float
        Indicators scaled to [0, 1].

    Returns
    -------
    Value
        In [0, 1].

    Raises
    ------
    SchemaError
        A factor is missing or outside [0, 1].

    Notes
    -----
    Source: McCullough & Nassar (2017). Evidence S.

    Examples
    --------
    >>> round(nstc_screen(0.5, 0.5, 0.5), 6)
    0.5
    """
    return _geometric("NSTC screen", {"R": supply_risk, "G": production_growth, "M": market_dynamics})


def yale_concentration(hhi: float) -> Value:
    """Yale-type transform of the concentration of global supply to 0 to 100.

    ``GSC = 17.5 ln(10^4 H) - 61.18``, clipped to [0, 100].

    Parameters
    ----------
    hhi : float
        H of fraction shares, (0, 1].

    Returns
    -------
    Value
        Points, [0, 100].

    Raises
    ------
    SchemaError
        H outside (0, 1]: 0 would be supply spread over nobody.

    Notes
    -----
    Source: Graedel et al. (2012, 2015). Evidence U.

    Examples
    --------
    >>> round(yale_concentration(0.4376), 6), yale_concentration(1.0)
    (85.538081, 100.0)
    """
    h = number(hhi, "hhi", 1e-300, 1.0, "H of fraction shares is in (0, 1]; divide a 10,000-point figure by 1e4.")
    raw = 17.5 * math.log(1e4 * h) - 61.18
    return Value(min(max(raw, 0.0), 100.0), unit="points", method="Yale-type", parts={"raw": raw})


def yale_magnitude(supply_risk: float, economic_importance: float, vulnerability: float) -> Value:
    """Yale-type magnitude of criticality from three axes.

    ``|(SR, EI, VSR)| / sqrt(3)``.

    Parameters
    ----------
    supply_risk, economic_importance, vulnerability : float
        Axes, [0, 100].

    Returns
    -------
    Value
        Points, [0, 100].

    Raises
    ------
    SchemaError
        An axis is missing or outside [0, 100].

    Notes
    -----
    Source: Graedel et al. (2012, 2015). Evidence U.

    Examples
    --------
    >>> round(yale_magnitude(60, 45, 30), 6)
    46.636895
    """
    axes = {"SR": supply_risk, "EI": economic_importance, "VSR": vulnerability}
    v = [number(x, k, 0, 100) for k, x in axes.items()]
    return Value(math.sqrt(sum(x * x for x in v) / 3.0), unit="points", method="Yale-type", parts=axes)


def doe_type(
    basic_availability: float, competing_demand: float, political: float, codependence: float, producer_diversity: float
) -> Value:
    """DOE-type supply risk: weighted mean of five scores.

    ``0.4 availability + 0.1 competing demand + 0.2 political + 0.1 co-dependence + 0.2 producer diversity``.

    Parameters
    ----------
    basic_availability, competing_demand, political, codependence, producer_diversity : float
        Scores 1 to 4.

    Returns
    -------
    Value
        In [1, 4].

    Raises
    ------
    SchemaError
        A score is missing or outside [1, 4].

    Notes
    -----
    Source: after US Department of Energy (2010, 2011, 2019, 2023). Evidence U.

    Examples
    --------
    >>> round(doe_type(3, 2, 4, 2, 4), 6)
    3.2
    """
    scores = {
        "basic_availability": (basic_availability, 0.4),
        "competing_demand": (competing_demand, 0.1),
        "political": (political, 0.2),
        "codependence": (codependence, 0.1),
        "producer_diversity": (producer_diversity, 0.2),
    }
    value = sum(number(s, k, 1, 4) * w for k, (s, w) in scores.items())
    return Value(value, unit="points", method="DOE-type", parts={k: s for k, (s, _) in scores.items()})

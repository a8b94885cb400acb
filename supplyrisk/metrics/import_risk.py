"""GeoPolRisk: the risk of an importer's mix of origins, weighted by the concentration of world production."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import Problem
from .governance import (
    NUMBERS,
    RESIDUALS,
    Value,
    Values,
    aligned,
    amounts,
    check_choice,
    keyed,
    number,
    of_one_market,
    refuse,
    unnamed,
    weights_interval,
)

__all__ = ["GSP_COPPER", "geopolrisk"]

# Mean copper mid-point over OECD members 2017-2021 by which the public GeoPolRisk code divides.
GSP_COPPER = 0.409412948


def geopolrisk(
    world_production: Values,
    imports: Values,
    governance: Values | pd.DataFrame,
    *,
    production: float | Values,
    values: Values | None = None,
    region: Iterable[Any] = (),
    missing: Literal["raise", "neutral"] = "raise",
    copper_midpoint: float | None = None,
    by: str | list[str] | None = None,
) -> Any:
    """GeoPolRisk score of one raw material for one importer, with price, mid-point and copper equivalent.

    ``score = HHI_A sum_i g_i f_i / (p + F)``; ``mid-point = score * price``; ``price = value / quantity of imports``;
    ``GSP = mid-point / mid-point of copper``.

    Parameters
    ----------
    world_production : Series, mapping or array
        Production of the raw material by country. ``"ROW"`` and ``"UNK"`` are unnamed rests: part of the total, squared
        in the upper bound alone (``"UNK"`` there with a listed producer).
    imports : Series, mapping or array
        f: imports by origin, in the unit of ``production`` (tonnes; never values).
    governance : Series, mapping, array or DataFrame
        g: weights by origin, ``g01`` (:func:`governance_weight`).
    production : float or Series
        p: domestic production; a Series over the members of a region is summed.
    values : Series, mapping or array, optional
        Import value by origin; without it there is no price. An origin with a value and a quantity of 0 raises the
        price, as in the public code, and is named in ``flags``.
    region : iterable
        Members of a region taken as one unit: imports from them carry no risk.
    missing : {"raise", "neutral"}
        Origin without a weight: raise, or 0.5 as the public code does; the bounds then hold any weight.
    copper_midpoint : float, optional
        Mid-point of copper of the same unit and year; ``parts["gsp_constant"]`` always uses the constant of the
        public code, :data:`GSP_COPPER`.
    by : str or list of str, optional
        Index levels of ``imports`` that name importers, products or years: a row for each. Other Series that have
        some of these levels are cut alike; ``production`` is then one figure per market, by its key.

    Returns
    -------
    Value or DataFrame
        (With ``by`` a frame ``value, low, high, reason, flags``, a row per market.) Score, dimensionless, in [0, 1].
        Where some of the world's production is unnamed the score is the lower end, and ``flags`` says so; NaN with a
        reason, between bounds, where more than half is. ``parts``: ``hhi``, ``import_risk``, ``price``, ``midpoint`` (value per unit of quantity),
        ``gsp`` (with ``copper_midpoint``, else NaN), ``gsp_constant``. NaN with a reason where neither imports nor
        production exist (the public code returns 0). Imports of 0 with production: score 0, price NaN.

    Raises
    ------
    SchemaError
        Negative or missing quantities; origins without a weight.

    Notes
    -----
    Missing policy: missing quantities and origins without a weight are refused; where neither is imported nor made
    the score is NaN, not 0, and so where more than half of the world's production is unnamed. Source: Gemechu et al. (2015); Santillan-Saldivar et al. (2020, 2021); Koyamparambath
    et al. (2022, 2024). Evidence R.

    Examples
    --------
    >>> r = geopolrisk({"A": 500, "B": 200, "C": 100}, {"A": 30, "B": 10}, {"A": 0.60, "B": 0.32}, production=20,
    ...     values={"A": 270, "B": 110})
    >>> round(r, 6), round(r.parts["import_risk"], 6), round(r.parts["midpoint"], 6), round(r.parts["gsp_constant"], 6)
    (0.165625, 0.353333, 1.573438, 3.843155)
    """
    if by is not None:
        from .elementwise import by_group

        given: dict[str, Any] = {"world_production": world_production, "imports": imports, "governance": governance}
        given |= {"values": values}
        given |= {"production": production, "region": tuple(region), "missing": missing}
        given["copper_midpoint"] = copper_midpoint
        return by_group(geopolrisk, by, "imports", given, ("production", "copper_midpoint"))
    check_choice("missing policy", missing, ("raise", "neutral"), "geopolrisk")
    method = "GeoPolRisk"
    for name, column in (("world_production", world_production), ("imports", imports), ("governance", governance)):
        of_one_market(column, name)
    w = amounts(world_production, "world_production")
    f = amounts(imports, "imports")
    p = (
        number(production, "production", 0)
        if isinstance(production, NUMBERS)
        else float(amounts(production, "production").sum())
    )
    if float(w.sum()) == 0:
        return Value(math.nan, method=method, reason="no world production")
    made = (w / w.sum()).to_numpy()
    nobody = w.index.isin(list(RESIDUALS))
    # An unnamed rest is never one supplier: it counts in the total, and as a single hand in the upper bound, which may
    # be a listed one's where nobody knows whose it is.
    hhi_low = float((made[~nobody] ** 2).sum())
    rest, anyone = float(made[nobody].sum()), float(made[w.index == RESIDUALS[1]].sum())
    joined = anyone**2 + 2 * anyone * float(made[~nobody].max(initial=0.0)) + (rest - anyone) ** 2
    hhi_high = hhi_low + max(rest**2, joined)
    untold, flags = unnamed(rest, "world production")
    hhi = math.nan if untold else hhi_low
    fa = f.to_numpy()
    total = float(fa.sum())
    if total + p == 0:
        return Value(math.nan, method=method, reason="neither imports nor production", parts={"hhi": hhi})
    home = f.index.isin(list(region))
    weights: Values | pd.DataFrame = governance
    guessed = np.zeros(len(f), dtype=bool)
    if missing == "neutral" and not isinstance(governance, pd.DataFrame):
        known = (
            keyed(governance, "governance")
            if isinstance(governance, pd.Series | Mapping)
            else pd.Series(np.asarray(governance, dtype=np.float64), index=f.index)
        )
        full = known.reindex(f.index)
        guessed = full.isna().to_numpy() & ~home & (fa > 0)
        flags += tuple(f"neutral weight: {k}" for k in f.index[guessed])
        weights = full.fillna(0.5)
    g, g_lo, g_hi = weights_interval(weights, f, "governance", (fa > 0) & ~home)
    g_lo, g_hi = np.where(guessed, 0.0, g_lo), np.where(guessed, 1.0, g_hi)  # neutral is a guess: it may be any
    for one in (g_lo, g_hi):
        used = one[(fa > 0) & ~home]
        if ((used < 0) | (used > 1)).any():
            refuse([Problem("governance", "-", "-", "not in [0, 1]", "", "Use variant 'g01'.")], "governance")

    def risk(weight: np.ndarray) -> float:
        return float(np.where((fa > 0) & ~home, fa * weight, 0.0).sum()) / (p + total)

    price = math.nan
    if values is not None and total > 0:
        v = aligned(values, f, "values", "Give the import value.", fa > 0)
        # Value over quantity, as the method has it: a value without a quantity counts, and is said.
        price = float(np.nansum(v)) / total
        flags += tuple(f"value without quantity: {k}" for k in f.index[(fa == 0) & (np.nan_to_num(v) > 0)])
    # Where nothing at risk is imported the concentration of the world does not matter, not even an unknown one.
    score = 0.0 if risk(g_hi) == 0 else hhi * risk(g)
    midpoint = score * price
    copper = math.nan if copper_midpoint is None else number(copper_midpoint, "copper_midpoint", 1e-300)
    reason = (untold or "an origin has its weight only as an interval") if math.isnan(score) else ""
    return Value(
        score,
        method=method,
        low=hhi_low * risk(g_lo),
        high=hhi_high * risk(g_hi),
        reason=reason,
        flags=flags,
        parts={
            "hhi": hhi,
            "hhi_low": hhi_low,
            "hhi_high": hhi_high,
            "import_risk": risk(g),
            "price": price,
            "midpoint": midpoint,
            "gsp": midpoint / copper,
            "gsp_constant": midpoint / GSP_COPPER,
        },
    )

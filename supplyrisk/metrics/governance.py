"""Governance weights and governance-weighted concentration, and what all array-level metrics share.

Everything here is a pure function of numbers. Labelled inputs (Series, dicts) are matched by key, never by
position; plain arrays are matched by position and must have equal length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, close_matches, unknown_name

__all__ = ["RESIDUALS", "Value", "governance_weight", "hhi_governance"]

FloatArray = npt.NDArray[np.float64]
Values = pd.Series | Mapping[Any, float] | Sequence[float] | FloatArray

# Keys that stand for a rest nobody has named: counted in the total, never squared as one supplier.
RESIDUALS: tuple[str, ...] = ("ROW", "UNK")
SHARE_TOLERANCE = 0.02
# Of a market of which less than this part is named, nothing can be said but bounds; the rule of all metrics.
UNTOLD = 0.5
_NO_QUANTITY = (complex, np.complexfloating, np.datetime64, np.timedelta64, date, timedelta)
NUMBERS = (int, float, np.number)  # what counts as one number rather than several

_TOP = {"g10": 10.0, "g01": 1.0, "g_pr": 1.0}
_INDICATORS = ("VA", "PV", "GE", "RQ", "RL", "CC")  # of the Worldwide Governance Indicators
_POLICIES = ("raise", "neutral", "mean", "interval")
_KINDS = ("quantity", "fraction", "percent")


class Value(float):
    """A number that carries what is needed to read it; behaves as a float everywhere.

    Attributes
    ----------
    unit : str
        pint unit, ``"1"`` for a pure number.
    method : str
        Name of the formula; ``"<name>-type"`` where the primary text was not available.
    low, high : float
        Bounds; equal to the value where nothing is uncertain, NaN where nothing is known.
    reason : str
        Why the value is undefined (NaN) or infinite; empty otherwise.
    flags : tuple of str
        What a reader must know, e.g. ``"net exporter"``.
    parts : mapping
        Intermediate figures by name.

    Examples
    --------
    >>> r = Value(0.25, unit="1", method="share", parts={"total": 4.0})
    >>> r * 2, r.parts["total"], (r.low, r.high)
    (0.5, 4.0, (0.25, 0.25))
    """

    unit: str
    method: str
    low: float
    high: float
    reason: str
    flags: tuple[str, ...]
    parts: Mapping[str, Any]

    def __new__(
        cls,
        value: float,
        *,
        unit: str = "1",
        method: str = "",
        low: float | None = None,
        high: float | None = None,
        reason: str = "",
        flags: Iterable[str] = (),
        parts: Mapping[str, Any] | None = None,
    ) -> Value:
        """Build the number."""
        self = super().__new__(cls, value)
        self.unit = unit
        self.method = method
        self.low = float(value if low is None else low)
        self.high = float(value if high is None else high)
        self.reason = reason
        self.flags = tuple(flags)
        self.parts = MappingProxyType(dict(parts or {}))
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _value, (
            float(self),
            self.unit,
            self.method,
            self.low,
            self.high,
            self.reason,
            self.flags,
            dict(self.parts),
        )


def _value(
    value: float,
    unit: str,
    method: str,
    low: float,
    high: float,
    reason: str,
    flags: tuple[str, ...],
    parts: dict[str, Any],
) -> Value:
    return Value(value, unit=unit, method=method, low=low, high=high, reason=reason, flags=flags, parts=parts)


def refuse(problems: Sequence[Problem], what: str) -> None:
    """Raise one error that lists all problems, if there is any."""
    if problems:
        raise SchemaError(problems, what)


def unnamed(rest: float, of: str) -> tuple[str, tuple[str, ...]]:
    """Why a figure without its unnamed rest is undefined, or that it is the lower end; nothing where there is no rest."""
    if rest > 1.0 - UNTOLD + 1e-9:
        return f"{rest:.3g} of {of} is unnamed, more than half: see the bounds", ()
    return "", (f"lower end: {rest:.3g} of {of} is unnamed",) if rest > 1e-12 else ()


def check_choice(kind: str, value: str, choices: Iterable[str], where: str) -> None:
    """Raise, with close matches, for a word that is not one of the choices."""
    if value not in tuple(choices):
        raise unknown_name(kind, value, choices, where)


def real(values: Any) -> None:
    """Refuse, as a TypeError, what would turn into floats and is no quantity: dates, durations and complex numbers."""
    dtype = getattr(values, "dtype", None)
    cells = values.values() if isinstance(values, Mapping) else values
    if getattr(dtype, "kind", "O") in "mMc":
        raise TypeError(f"{dtype} is no quantity")
    if isinstance(values, complex):
        raise TypeError("a complex number is no quantity")
    if (dtype is None or dtype.kind == "O") and isinstance(cells, Iterable) and not isinstance(cells, str):
        odd = [x.__name__ for x in set(map(type, cells)) if issubclass(x, _NO_QUANTITY)]
        if odd:
            raise TypeError(f"{', '.join(sorted(odd))} is no quantity")


def keyed(values: Values, what: str) -> pd.Series:
    """Series of floats from any labelled or plain input; duplicate keys are an error."""
    try:
        real(values)
        if isinstance(values, pd.Series):
            out = values.astype("float64")
        elif isinstance(values, Mapping):
            out = pd.Series(dict(values), dtype="float64")
        else:
            array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise SchemaError([Problem(what, "-", "-", "not numbers", str(exc), "Give numbers.")], what) from exc
    if not isinstance(values, pd.Series | Mapping):
        if array.ndim != 1:
            refuse([Problem(what, "-", "-", "not one-dimensional", str(array.shape), "Give one value per key.")], what)
        out = pd.Series(array)
    twice = out.index[out.index.duplicated()].unique()
    refuse([Problem(what, str(k), "-", "key occurs twice", "", "Merge the rows first.") for k in twice], what)
    return out


def amounts(values: Values, what: str) -> pd.Series:
    """Like :func:`keyed`, for quantities: negative, missing and infinite cells are errors."""
    out = keyed(values, what)
    v = out.to_numpy()
    refuse(
        [
            Problem(
                what,
                str(out.index[int(i)]),
                "-",
                "missing" if np.isnan(v[i]) else "negative" if v[i] < 0 else "infinite",
                repr(float(v[i])),
                "Missing is not zero: give a number, leave the key out, or use bounds."
                if np.isnan(v[i])
                else "Check sign and unit.",
            )
            for i in np.flatnonzero(~np.isfinite(v) | (v < 0))
        ],
        what,
    )
    return out


def of_one_market(values: Any, what: str) -> None:
    """Refuse a Series of several index levels where nothing says which of them names the market."""
    if isinstance(values, pd.Series) and values.index.nlevels > 1:
        levels = [str(n) for n in values.index.names]
        remedy = "Give by= the index levels that name markets (named, by .rename_axis(...)), or one market's rows."
        refuse([Problem(what, "-", "index", "several levels, and no by= to tell markets", str(levels), remedy)], what)


def number(value: float, name: str, low: float = -math.inf, high: float = math.inf, hint: str = "") -> float:
    """One finite number within closed bounds."""
    try:
        real(value)
        v = float(value)
    except (TypeError, ValueError):
        v = math.nan
    if not math.isfinite(v):
        refuse(
            [Problem(name, "-", "-", "not a finite number", repr(value), "Missing is not zero: give a number.")], name
        )
    if v < low or v > high:
        rule = f"outside [{low:g}, {high:g}]"
        refuse([Problem(name, "-", "-", rule, repr(v), hint or "Check sign and unit.")], name)
    return v


def aligned(values: Values, like: pd.Series, what: str, remedy: str, needed: npt.NDArray[np.bool_]) -> FloatArray:
    """Values in the order of ``like``, matched by key; needed keys without a finite value are an error."""
    other = keyed(values, what)
    if not isinstance(values, pd.Series | Mapping):
        if len(other) != len(like):
            rule = f"{len(other)} values for {len(like)} keys"
            refuse([Problem(what, "-", "-", rule, "", "Give a Series with the same keys.")], what)
        other.index = like.index
    got = other.reindex(like.index).to_numpy(dtype=np.float64)
    gaps = needed & ~np.isfinite(got)
    problems = []
    for i in np.flatnonzero(gaps):
        key = like.index[int(i)]
        absent = key not in other.index
        close = close_matches(str(key), map(str, other.index), 1) if absent else []
        hint = f"Did you mean {close[0]!r}? " if close and isinstance(key, str) else ""
        problems.append(Problem(what, str(key), "-", "no such key" if absent else "no value", "", hint + remedy))
    refuse(problems, what)
    return got


def _indicator(name: Any) -> str:
    return str(name).upper().replace("_", ".").split(".")[0]


def _by_country(estimates: pd.DataFrame) -> None:
    """Refuse a table that is not a row per country with a column per indicator or year."""
    rows = [r for r in estimates.index if _indicator(r) in _INDICATORS]
    text = [c for c in estimates.columns if not pd.api.types.is_numeric_dtype(estimates[c])]
    remedy = "Give a row per country and a column per indicator or year: frame.pivot(index='country', columns=...)."
    problems = [Problem("estimate", "-", str(c), "a column of text", "", remedy) for c in text]
    if rows:
        problems.append(Problem("estimate", ", ".join(map(str, rows)), "-", "indicators as rows", "", "Give frame.T."))
    refuse(problems, "estimate")


def _stability(estimates: pd.DataFrame) -> pd.DataFrame:
    """Columns of political stability, where columns name indicators; years stay as they are."""
    kind = {c: _indicator(c) for c in estimates.columns}
    named = [c for c, k in kind.items() if k in _INDICATORS]
    kept = [c for c in named if kind[c] == "PV"]
    if named and not kept:
        remedy = "g01 is made of political stability alone: give PV, or take variant='g10'."
        refuse([Problem("estimate", "-", "PV", "absent", ", ".join(map(str, named)), remedy)], "estimate")
    return estimates[kept] if named else estimates


def governance_weight(
    estimate: float | Values | pd.DataFrame,
    variant: Literal["g10", "g01", "g_pr"] = "g10",
    *,
    countries: Iterable[Any] | None = None,
    missing: Literal["raise", "neutral", "mean", "interval"] = "raise",
    regions: Mapping[Any, str] | None = None,
    candidates: Iterable[Any] | None = None,
) -> Any:
    """Risk weight of bad governance: the World Bank estimate turned round, so that higher is worse.

    ``g10 = 2 (2.5 - e)``, e the mean of the six estimates averaged over the reference years (EU lists);
    ``g01 = clip((2.5 - e) / 5, 0, 1)``, e political stability and absence of violence (GeoPolRisk);
    ``g_pr = 1 - percentile rank / 100``. Estimates slightly beyond +-2.5 occur and are clipped.

    Parameters
    ----------
    estimate : float, Series, mapping, array or DataFrame
        Estimates, -2.5 to 2.5, higher is better governance (percentile ranks for ``g_pr``). A DataFrame has one
        row per country; its columns (indicators, years) are averaged, and a row with a gap counts as missing. Of
        columns by indicator (``VA, PV, GE, RQ, RL, CC``) ``g01`` takes ``PV`` alone.
    variant : {"g10", "g01", "g_pr"}
        Which weight.
    countries : iterable, optional
        Countries that are needed, where they are not simply those of ``estimate``.
    missing : {"raise", "neutral", "mean", "interval"}
        What to do for a country without an estimate. ``neutral`` is the middle of the scale (5 or 0.5); ``mean``
        the mean weight of its region (of all countries given, where ``regions`` is left out); ``interval``
        returns bounds. No policy gives 0: zero would read as free of risk.
    regions : mapping, optional
        Country to region, for ``missing="mean"``.
    candidates : iterable, optional
        For ``missing="interval"``: bounds are the least and the greatest weight of these countries, instead of
        the ends of the scale.

    Returns
    -------
    float, Series or DataFrame
        Weight, dimensionless, in [0, 10] (``g10``) or [0, 1]; a float for a float. With ``missing="interval"``
        a DataFrame with ``value`` (NaN where missing), ``low`` and ``high``.

    Raises
    ------
    SchemaError
        Countries without an estimate under ``missing="raise"``; estimates off the scale; several percentile ranks
        none of which is above 1 (fractions; a single one may be a rank, and is taken as it stands).

    Notes
    -----
    Missing policy: a country without an estimate is refused, unless ``missing`` says what it has: the middle of the
    scale, the mean of its region, or the whole range; never 0. Those two figures are presumptions, the range is not.
    Source: World Bank, Worldwide Governance Indicators; European Commission (2017), methodology for the list of
    critical raw materials (g10, evidence V); GeoPolRisk (g01, evidence R); ``g_pr`` in various studies (U).

    Examples
    --------
    >>> governance_weight([-0.30, 1.00, 1.50, -0.05]).tolist()
    [5.6, 3.0, 2.0, 5.1]
    >>> governance_weight({"CHN": -0.5, "AUS": 0.9}, "g01", countries=["CHN", "AUS", "TWN"], missing="neutral").to_dict()
    {'CHN': 0.6, 'AUS': 0.32, 'TWN': 0.5}
    """
    check_choice("variant", variant, _TOP, "governance_weight")
    check_choice("missing policy", missing, _POLICIES, "governance_weight")
    if isinstance(estimate, pd.DataFrame):
        _by_country(estimate)
        estimate = _stability(estimate) if variant == "g01" else estimate
        # skipna=False: the mean of five of six indicators is another figure than the mean of six.
        e = keyed(estimate.astype("float64").mean(axis=1, skipna=False), "estimate")
    elif isinstance(estimate, NUMBERS):
        e = pd.Series({0: float(estimate)}, dtype="float64")
    else:
        e = keyed(estimate, "estimate")
    lo, hi = (0.0, 100.0) if variant == "g_pr" else (-4.0, 4.0)
    v = e.to_numpy()
    with np.errstate(invalid="ignore"):
        off = (v < lo) | (v > hi)
    refuse(
        [
            Problem(
                "estimate",
                str(e.index[int(i)]),
                "-",
                f"outside [{lo:g}, {hi:g}]",
                repr(float(v[i])),
                "Check the scale of the release in use: percentile ranks and 0-100 scores are not estimates.",
            )
            for i in np.flatnonzero(off)
        ],
        "estimate",
    )
    ranks = v[~np.isnan(v)]
    if variant == "g_pr" and len(ranks) > 1 and 0 < ranks.max() <= 1:
        rule = "percentile ranks none of which is above 1: these are fractions"
        shown = ", ".join(f"{x:g}" for x in ranks[:5])
        refuse([Problem("estimate", "-", "-", rule, shown, "Multiply by 100: ranks are 0 to 100.")], "estimate")
    top = _TOP[variant]
    if variant == "g10":
        g = (2.0 * (2.5 - e)).clip(0.0, top)
    elif variant == "g01":
        g = ((2.5 - e) / 5.0).clip(0.0, top)
    else:
        g = (1.0 - e / 100.0).clip(0.0, top)
    known = g
    if countries is not None:
        g = g.reindex(pd.Index(list(dict.fromkeys(countries))))
    gone = g.isna()
    if missing == "interval":
        bounds = (0.0, top)
        if candidates is not None:
            pool = amounts(known.reindex(pd.Index(list(candidates))), "candidates")
            bounds = (float(pool.min()), float(pool.max()))
        return pd.DataFrame(
            {"value": g, "low": g.where(~gone, bounds[0]), "high": g.where(~gone, bounds[1])}, index=g.index
        )
    if gone.any():
        if missing == "raise":
            text = (
                "Give an estimate, name only the countries you need in countries=, or say missing='neutral', 'mean' or "
                "'interval'. Never 0: that reads as no risk."
            )
            refuse(
                [
                    Problem("estimate", str(k), "-", "no governance estimate", "", _near(k, known.index) + text)
                    for k in g.index[gone]
                ],
                "estimate",
            )
        elif missing == "neutral":
            g = g.where(~gone, top / 2.0)
        else:
            region = pd.Series(
                {k: (regions.get(k) if regions is not None else "all") for k in g.index.union(known.index)}
            )
            means = known.groupby(region.reindex(known.index)).mean()
            filled = region.reindex(g.index).map(means)
            refuse(
                [
                    Problem("regions", str(k), "-", "no known weight in its region", "", "Name its region, or another.")
                    for k in g.index[gone & filled.isna()]
                ],
                "regions",
            )
            g = g.where(~gone, filled)
    return float(g.iloc[0]) if isinstance(estimate, NUMBERS) else g


def _near(key: object, index: pd.Index) -> str:
    close = close_matches(key, map(str, index), 1) if isinstance(key, str) and key not in index else []
    return f"Did you mean {close[0]!r}? " if close else ""


def weights_interval(
    weights: Values | pd.DataFrame, like: pd.Series, what: str, needed: npt.NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value, low and high of weights in the order of ``like``; a frame of bounds may have gaps in ``value``."""
    remedy = "Give a weight, or use governance_weight(..., missing=...). Never 0."
    if isinstance(weights, pd.DataFrame):
        lo = aligned(weights["low"], like, f"{what}.low", remedy, needed)
        hi = aligned(weights["high"], like, f"{what}.high", remedy, needed)
        return keyed(weights["value"], what).reindex(like.index).to_numpy(dtype=np.float64), lo, hi
    g = aligned(weights, like, what, remedy, needed)
    return g, g, g


def _in_range(
    keys: pd.Index, what: str, columns: Iterable[FloatArray], needed: npt.NDArray[np.bool_], low: float, high: float,
    remedy: str,
) -> None:  # fmt: skip
    """Refuse weights that no scale of theirs holds."""
    off = np.zeros(len(keys), dtype=bool)
    shown = np.full(len(keys), np.nan)
    for x in columns:
        bad = needed & ((x < low - 1e-9) | (x > high + 1e-9))
        shown = np.where(bad & ~off, x, shown)
        off |= bad
    refuse(
        [
            Problem(what, str(keys[int(i)]), "-", f"outside [{low:g}, {high:g}]", f"{shown[i]:g}", remedy)
            for i in np.flatnonzero(off)
        ],
        what,
    )


def hhi_governance(
    supply: Values,
    governance: Values | pd.DataFrame,
    trade: Values | pd.DataFrame | None = None,
    *,
    kind: Literal["quantity", "fraction", "percent"] = "quantity",
    residual: Iterable[Any] = RESIDUALS,
    worst: float = 10.0,
    tolerance: float = SHARE_TOLERANCE,
    by: str | list[str] | None = None,
) -> Any:
    """Concentration of supply weighted by bad governance, and by trade restrictions where ``trade`` is given.

    ``HHI_WGI = sum s_c^2 g_c``; ``HHI_WGI,t = sum s_c^2 g_c t_c``.

    Parameters
    ----------
    supply : Series, mapping or array
        Supply by country: quantities in one unit and period, or shares (see ``kind``).
    governance : Series, mapping, array or DataFrame
        Weights g by country (:func:`governance_weight`); a DataFrame with ``value``, ``low``, ``high`` gives bounds.
    trade : same, optional
        Trade parameters t by country (:func:`supplyrisk.metrics.trade.trade_parameter`).
    kind : {"quantity", "fraction", "percent"}
        Quantities are divided by their sum. Fractions and percent are taken as they stand: what they lack of 1 is
        an unknown residual that widens the interval and is not spread over the known suppliers.
    residual : iterable
        Keys of unnamed rests (``"ROW"``): part of the total, never squared as one supplier. Of them ``"UNK"``, what
        nobody has named, may be a listed supplier's in ``high``.
    worst : float
        Worst weight there is: 10 for ``g10``, 1 for ``g01``. Used for ``high`` alone.
    tolerance : float
        How far shares may sum to more than 1 (rounding of the print).
    by : str or list of str, optional
        Index levels of ``supply`` that name markets (a Series by product and country, say): a row for each. Weights by
        country hold for all markets, weights by market and country for theirs.

    Returns
    -------
    Value or DataFrame
        (With ``by`` a frame ``value, low, high, reason, flags``, a row per market.) In [0, 10] with ``g10`` before t, [0, 1] with ``g01``; always of fraction shares.
        Where some supply is unnamed the value is the lower end, that of the named, and ``flags`` says so (beyond
        ``tolerance`` where shares just do not add to 1); ``high`` counts the residual as one supplier with the worst
        weight there is. NaN with a reason, between bounds, where more than half is unnamed; NaN without supply.

    Raises
    ------
    SchemaError
        Negative or missing supply, shares above 1, percent that are fractions, a supplier without a weight, a weight g outside [0, ``worst``] or t
        outside [0.8, 2].

    Notes
    -----
    Missing policy: missing supply or weights are refused; the residual has no country and counts in ``high`` alone;
    where it is more than half there is no value, as of :func:`hhi`. Source: European Commission (2017), methodology for the list of critical raw materials. Evidence V.

    Examples
    --------
    >>> q = {"CHN": 620, "CHL": 180, "AUS": 120, "ARG": 80}
    >>> g = {"CHN": 5.6, "CHL": 3.0, "AUS": 2.0, "ARG": 5.1}
    >>> t = {"CHN": 1.1, "CHL": 1.0, "AUS": 1.0, "ARG": 1.1}
    >>> round(hhi_governance(q, g), 6), round(hhi_governance(q, g, t), 6)
    (2.31128, 2.529808)
    """
    if by is not None:
        from .elementwise import by_group

        given = {"supply": supply, "governance": governance, "trade": trade, "kind": kind, "residual": tuple(residual)}
        return by_group(hhi_governance, by, "supply", given | {"worst": worst, "tolerance": tolerance})
    check_choice("kind", kind, _KINDS, "hhi_governance")
    method = "HHI_WGI" if trade is None else "HHI_WGI,t"
    for name, column in (("supply", supply), ("governance", governance), ("trade", trade)):
        of_one_market(column, name)
    q = amounts(supply, "supply")
    total = float(q.sum())
    if kind == "quantity" and not math.isfinite(total):  # beyond the range of numbers
        q = q / q.max()
        total = float(q.sum())
    if total == 0.0:
        return Value(math.nan, method=method, reason="no supply: concentration is undefined, not zero")
    if kind == "percent" and total <= 1.0 + tolerance:
        rule = "percent that add to 1 or less: these are fractions"
        refuse([Problem("supply", "-", "-", rule, f"{total:g}", "Say kind='fraction'.")], "supply")
    divisor = total if kind == "quantity" else 100.0 if kind == "percent" else 1.0
    s_all = q / divisor
    rest = 1.0 - float(s_all.sum())
    if rest < -tolerance:
        hint = "Are these percent? Say kind='percent'." if 90.0 <= total <= 110.0 else "Say kind='quantity'."
        refuse([Problem("supply", "-", "-", "shares sum to more than 1", f"{total:g}", hint)], "supply")
    nobody = q.index.isin(list(residual))
    anyone = float(s_all[nobody & (q.index == RESIDUALS[1])].sum())
    # What shares lack of 1 within the rounding of a print is no unnamed supply, but for the bounds.
    said = float(s_all[nobody].sum()) + (rest if rest > tolerance + 1e-12 else 0.0)
    rest = max(rest, 0.0) + float(s_all[nobody].sum())
    s = s_all[~nobody]
    sa = s.to_numpy()
    needed = sa > 0
    g, g_lo, g_hi = weights_interval(governance, s, "governance", needed)
    one = np.ones(len(s))
    t, t_lo, t_hi = (one, one, one) if trade is None else weights_interval(trade, s, "trade", needed)
    _in_range(s.index, "governance", (g, g_lo, g_hi), needed, 0.0, worst, "Another scale? Say worst=.")
    _in_range(s.index, "trade", (t, t_lo, t_hi), needed, 0.8, 2.0, "t is 0.8 inside the Union, 1 to 2 outside.")
    sq = sa**2

    def summed(a: FloatArray, b: FloatArray) -> float:
        return float(np.where(needed, sq * a * b, 0.0).sum()) if needed.any() else 0.0

    value, low, high = summed(g, t), summed(g_lo, t_lo), summed(g_hi, t_hi)
    if rest > 1e-12:
        top = worst * max(1.0, float(np.max(t_hi[needed], initial=1.0)))
        # What nobody has named may be a listed supplier's; the rest of the world is not.
        joined = np.where(needed, ((sa + anyone) ** 2 - sq) * g_hi * t_hi, 0.0) if anyone > 0 else np.zeros(1)
        high += max(rest**2 * top, float(np.max(joined, initial=0.0)) + (rest - anyone) ** 2 * top)
    reason, flags = unnamed(said, "the supply")
    if math.isnan(value):
        reason = "a supplier has a weight only as an interval"
    parts = {"total": total, "residual": max(rest, 0.0)}
    return Value(
        math.nan if reason else value, method=method, low=low, high=high, reason=reason, flags=flags, parts=parts
    )

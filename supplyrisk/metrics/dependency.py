"""Dependence on one supplier: net import reliance, screens on trade data, re-sourcing, asymmetry, indispensability."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from ..errors import Problem, unknown_name
from .elementwise import elementwise
from .governance import NUMBERS, FloatArray, Value, check_choice, number, refuse
from .origins import trade_profile

__all__ = [
    "SCREENS",
    "asymmetry",
    "dependency_screen",
    "indispensability",
    "net_import_reliance",
    "persistence",
    "resourcing_ratio",
    "trade_profile",
    "vulnerability_profile",
]

# Thresholds of each screen, by name; all strict (>) unless the name ends in "_at_least".
SCREENS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "EC2021": MappingProxyType({"cdf1": 0.4, "cdf2": 0.5, "cdf3": 1.0}),
        "HJS2020": MappingProxyType({"focal_import_share": 0.5, "focal_world_share": 0.3}),
        "MERICS2020": MappingProxyType({"focal_import_share": 0.5}),
        # The publication gives 30 %; what counts as a significant deficit and as few alternatives is set here.
        "MERICS2024": MappingProxyType({"deficit_ratio": 0.0, "focal_import_share_at_least": 0.3, "hhi_origins": 0.4}),
        "CEPII": MappingProxyType({"cdf1": 0.4, "cdf2": 0.5, "cdf3": 1.0, "k": 2.0, "n": 3.0}),
        "EU65": MappingProxyType({"top_share": 0.65}),
    }
)
# Limits on what may be above 1: imports over exports, and years.
_BEYOND_ONE = ("cdf3", "k", "n")
MERICS_SECTORS = ("electronics", "chemicals", "minerals/metals", "pharma/medical")

_NEEDS = {
    "EC2021": ("hhi_origins", "outside_imports", "inside_imports", "exports"),
    "HJS2020": ("outside_imports", "exports", "focal_imports", "world_exports", "focal_exports"),
    "MERICS2020": ("outside_imports", "focal_imports"),
    "MERICS2024": ("outside_imports", "exports", "focal_imports", "hhi_origins"),
    "CEPII": ("product", "year", "hhi_origins", "outside_imports", "inside_imports", "exports"),
    "EU65": ("top_imports", "consumption"),
}


# What the unnamed may change, where the table says so: see trade_profile.
_UNNAMED = "unnamed_imports"
_BOUNDED = ("hhi_origins_high", "focal_imports_high", "focal_exports_high", "top_imports_high")
Ends = tuple[pd.Series, pd.Series]


def _nir_numbers(
    production: Any, imports: Any, exports: Any, stock_increase: Any
) -> tuple[FloatArray, FloatArray, pd.Index | None]:
    given = {"production": production, "imports": imports, "exports": exports, "stock_increase": stock_increase}
    labelled = {k: v for k, v in given.items() if isinstance(v, pd.Series)}
    problems = [
        Problem(k, "-", "-", "a table where a number or a column is asked", "", "Give one column of it: frame['name'].")
        for k, v in given.items()
        if isinstance(v, pd.DataFrame)
    ]
    refuse(problems, "net_import_reliance")
    index: pd.Index | None = None
    if labelled:
        index = next(iter(labelled.values())).index
        for name, s in labelled.items():
            odd = index.symmetric_difference(s.index)
            problems += [Problem(name, str(k), "-", "key is not in all inputs", "", "Use the same keys.") for k in odd]
            if s.index.has_duplicates:
                problems.append(Problem(name, "-", "-", "a key occurs twice", "", "Merge the rows first."))
        refuse(problems, "net_import_reliance")
    cols: list[FloatArray] = []
    for name, v in given.items():
        s = v.reindex(index) if isinstance(v, pd.Series) else v
        a = np.atleast_1d(np.asarray(s, dtype=np.float64))
        cols.append(a)
        labels = [str(k) for k in index] if index is not None else [str(k) for k in range(len(a))]
        rows = labels if np.ndim(v) and len(labels) == len(a) else ["-"] * len(a)
        if name != "stock_increase":
            less = np.flatnonzero(a < 0)
            problems += [Problem(name, rows[i], "-", "negative", f"{a[i]:g}", "Check sign and unit.") for i in less]
        endless = np.flatnonzero(np.isinf(a))
        fix = "Give a number, or leave it empty."
        problems += [Problem(name, rows[i], "-", "not finite", f"{a[i]:g}", fix) for i in endless]
        if np.ndim(v) == 0 and np.isnan(a).any():
            problems.append(Problem(name, "-", "-", "missing", "", "Missing is not zero: give a number."))
    refuse(problems, "net_import_reliance")
    p, m, x, d = np.broadcast_arrays(*cols)
    return np.asarray(p), np.asarray(m - x - d), index


@overload
def net_import_reliance(production: float, imports: float, exports: float, stock_increase: float) -> Value: ...
@overload
def net_import_reliance(
    production: pd.Series, imports: pd.Series, exports: pd.Series, stock_increase: pd.Series | float
) -> pd.DataFrame: ...
def net_import_reliance(production: Any, imports: Any, exports: Any, stock_increase: Any) -> Any:
    """Net import reliance, in percent of apparent consumption; negative values are kept and labelled.

    ``AC = production + imports - exports - stock increase``; ``NIR = 100 (AC - production) / AC``.

    Parameters
    ----------
    production : float, Series or array
        Primary production and recovery from old scrap; not from new scrap, which circulates.
    imports, exports : float, Series or array
        In the unit of production. Re-exports stand in both and cancel.
    stock_increase : float, Series or array
        Rise of stocks; a fall is negative. Say 0 only where it is known to be 0.

    Returns
    -------
    Value or DataFrame
        Percent, (-inf, 100]. ``parts["apparent_consumption"]``; ``flags`` holds ``"net exporter"`` where NIR < 0,
        which is no sign of low risk by itself. NaN with a reason where AC <= 0. For Series and arrays a frame with ``value``,
        ``apparent_consumption``, ``label`` and ``reason``; a missing cell gives NaN.

    Raises
    ------
    SchemaError
        Negative quantities, missing numbers, Series with different keys.

    Notes
    -----
    Missing policy: a missing number is refused, a missing cell of a column gives NaN; nothing is read as 0.
    Source: USGS, Mineral Commodity Summaries. Evidence S. Definitions change: the summaries of 2026 net aluminium
    scrap differently from earlier ones; do not splice the series.

    Examples
    --------
    >>> r = net_import_reliance(120, 300, 40, -10)
    >>> round(r, 6), r.parts["apparent_consumption"]
    (69.230769, 390.0)
    >>> net_import_reliance(120, 10, 40, 0).flags
    ('net exporter',)
    """
    p, net, index = _nir_numbers(production, imports, exports, stock_increase)
    ac = p + net
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(ac > 0, 100.0 * net / ac, np.nan)
    reason = np.where(np.isnan(ac), "missing input", np.where(ac <= 0, "apparent consumption is not positive", ""))
    label = np.where(np.isnan(value), "undefined", np.where(value < 0, "net exporter", "net importer"))
    several = any(np.ndim(v) for v in (production, imports, exports, stock_increase))
    if index is not None or several:
        return pd.DataFrame({"value": value, "apparent_consumption": ac, "label": label, "reason": reason}, index=index)
    flags = ("net exporter",) if net[0] < 0 else ()
    return Value(
        float(value[0]),
        unit="percent",
        method="net import reliance",
        reason=str(reason[0]),
        flags=flags,
        parts={"apparent_consumption": float(ac[0])},
    )


def _over(value: pd.Series, limit: float, strict: bool = True, ends: Ends | None = None) -> pd.Series:
    """Three-valued comparison: undefined stays undefined, and so does what the ends of the figure do not agree on."""
    low, high = (value, value) if ends is None else ends
    passes, may = ((low > limit), (high > limit)) if strict else ((low >= limit), (high >= limit))
    certain = passes | (high.notna() & ~may)
    return passes.astype("boolean").mask(~certain)


def _ends(n: Mapping[str, pd.Series], name: str, over: pd.Series | None = None) -> Ends:
    """Least and most a column may be, over another one: its own bounds where the table has them."""
    # A named part may be nothing at all, where nobody is named; then the bound alone is there.
    high = n.get(f"{name}_high", n[name]).fillna(n[name])
    low = n[name].where(n[name].notna() | ~(high > 0), 0.0)
    return (low, high) if over is None else (_ratio(low, over), _ratio(high, over))


def _ratio(top: pd.Series, bottom: pd.Series) -> pd.Series:
    """Quotient; something over nothing is infinite, nothing over nothing undefined."""
    a, b = top.to_numpy(dtype=np.float64), bottom.to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return pd.Series(np.where(b == 0, np.where(a > 0, np.inf, np.nan), a / b), index=top.index)


def _limits(rule: str, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Limits of the caller; a limit that no figure could pass, or none could fail, would flag nothing in silence."""
    problems = []
    for name, limit in thresholds.items():
        if name not in SCREENS[rule]:
            raise unknown_name("threshold", name, SCREENS[rule], f"rule {rule}")
        usual = f"The rule has {SCREENS[rule][name]:g}."
        if isinstance(limit, bool) or not isinstance(limit, NUMBERS) or not math.isfinite(limit):
            problems.append(Problem("threshold", "-", name, "not a number", repr(limit), usual))
        elif name not in _BEYOND_ONE and limit > 1:
            hhi = name in ("cdf1", "hhi_origins")
            scale = "In percent? Divide by 100." + (" An HHI of 0 to 10,000? Divide by 1e4." if hhi else "")
            problems.append(Problem("threshold", "-", name, "a fraction above 1", f"{limit:g}", f"{scale} {usual}"))
        elif name != "deficit_ratio" and limit < 0:
            problems.append(Problem("threshold", "-", name, "negative", f"{limit:g}", usual))
    refuse(problems, "dependency_screen")
    return {name: float(limit) for name, limit in thresholds.items()}


def dependency_screen(
    table: pd.DataFrame | Mapping[str, float],
    rule: Literal["EC2021", "HJS2020", "MERICS2020", "MERICS2024", "CEPII", "EU65"],
    **thresholds: float,
) -> pd.DataFrame:
    """Flag products on which a buyer depends, by a published rule, with the value of every criterion.

    ========== =========================================================================================
    EC2021     CDF1 = HHI of outside origins > 0.4; CDF2 = outside / (outside + inside imports) > 0.5;
               CDF3 = outside imports / exports > 1 (no exports: infinite); all three
    HJS2020    net importer, focal share of imports > 0.5, focal share of world exports > 0.3
    MERICS2020 focal share of imports > 0.5; ``critical`` where ``sector`` is one of four
    MERICS2024 deficit, focal share of imports >= 0.3, HHI of origins above a limit (the limits on deficit and
               HHI are set here, the publication's are not known)
    CEPII      EC2021 in at least k = 2 of the last n = 3 years (columns ``product`` and ``year``)
    EU65       share of one third country in consumption > 0.65
    ========== =========================================================================================

    Parameters
    ----------
    table : DataFrame or mapping
        A row per product with the columns the rule needs, as :func:`trade_profile` makes them (``consumption`` for
        EU65: in the unit of ``top_imports``, a quantity rather than a value). A mapping is one product. Bounds of
        them (``hhi_origins_high``, ``focal_imports_high``, ``focal_exports_high``, ``top_imports_high``) are read where they are there.
    rule : str
        A key of :data:`SCREENS`.
    **thresholds
        Limits that replace those of the rule, by name, fractions as there (0.4, not 40); the ones used are in
        ``.attrs["thresholds"]``.

    Returns
    -------
    DataFrame
        By row (CEPII: by product): each criterion's value, its flag ``<criterion>_flag`` and ``dependent``; flags
        are nullable booleans: an undefined criterion is neither passed nor failed. ``reason`` (not CEPII) says what
        leaves ``dependent`` undefined, and is empty where it is not.

    Raises
    ------
    SchemaError
        Columns are absent, figures negative or infinite, an HHI above 1, a part above its whole; a limit on a share, an
        HHI or a deficit above 1 (percent), a negative limit (but on the deficit), or none.
    UnknownNameError
        No such rule or threshold.

    Notes
    -----
    Comparisons are strict (>) but for the 30 % of MERICS2024. Missing policy: a criterion whose figure is missing is
    undefined, neither passed nor failed, and so is ``dependent`` unless another criterion settles it; likewise a share of
    nothing, such as a share in a consumption of 0. Without imports there is no deficit. What comes from no named
    origin may be the focal's, or one supplier's: a criterion is judged at both ends of its bounds, and undefined where
    they differ; a share or HHI is NaN where more than half is unnamed, even where its flag is certain. Source: European Commission (2021), SWD(2021) 352
    (evidence U: "EC-type"); Henry Jackson Society (2020), MERICS (2020, 2024), Vicard & Wibaux (2023), CEPII PB
    2023-41, Regulation (EU) 2024/1252 (evidence S). Flags of a single year are unstable: average at least three.

    Examples
    --------
    >>> row = {"hhi_origins": 0.4752, "outside_imports": 1000, "inside_imports": 400, "exports": 700}
    >>> screen = dependency_screen(row, "EC2021")
    >>> screen[["cdf1", "cdf2", "cdf3"]].round(6).iloc[0].tolist(), bool(screen["dependent"].iloc[0])
    ([0.4752, 0.714286, 1.428571], True)
    """
    check_choice("rule", rule, SCREENS, "dependency_screen")
    limits = dict(SCREENS[rule]) | _limits(rule, thresholds)
    t = table if isinstance(table, pd.DataFrame) else pd.DataFrame([dict(table)])
    if rule == "CEPII" and {"product", "year"} & set(t.index.names):
        t = t.reset_index()
    problems = [
        Problem("table", "-", c, f"required by rule {rule}", "", "Add the column; see trade_profile.")
        for c in _NEEDS[rule]
        if c not in t.columns
    ]
    numbers = [c for c in _NEEDS[rule] if c not in ("product", "year")]
    numbers += [c for c in _BOUNDED if c in t.columns and c.rpartition("_")[0] in numbers]
    numbers += [_UNNAMED] if _UNNAMED in t.columns and "hhi_origins" in numbers else []
    for c in numbers if not problems else ():
        text = t[c][pd.to_numeric(t[c], errors="coerce").isna() & t[c].notna()]
        problems += [Problem("table", str(k), c, "not a number", repr(v), "Give the figure.") for k, v in text.items()]
    refuse(problems, "dependency_screen")
    n = {c: t[c].astype("float64") for c in numbers}
    for c, s in n.items():
        problems += [
            Problem("table", str(k), c, "negative", repr(float(v)), "Check sign.") for k, v in s[s < 0].items()
        ]
        problems += [
            Problem("table", str(k), c, "infinite", repr(float(v)), "Give the figure; leave empty what is not known.")
            for k, v in s[np.isposinf(s)].items()
        ]
    for c in [c for c in n if c.startswith("hhi_origins")]:
        problems += [
            Problem("table", str(k), c, "above 1", repr(float(v)), "An HHI of 0 to 10,000? Divide by 1e4.")
            for k, v in n[c][n[c] > 1 + 1e-9].items()
        ]
    for c in [c for c in n if c in _BOUNDED]:
        value = n[c.rpartition("_")[0]]
        problems += [
            Problem("table", str(k), c, "below the figure it bounds", repr(float(v)), "Correct one.")
            for k, v in n[c][n[c] < value * (1 - 1e-9)].items()
        ]
    for part, whole in (
        ("focal_imports", "outside_imports"), ("focal_imports_high", "outside_imports"), (_UNNAMED, "outside_imports"),
        ("focal_exports", "world_exports"), ("focal_exports_high", "world_exports"),
    ):  # fmt: skip
        if part in n and whole in n:
            over = n[part] > n[whole] * (1 + 1e-9)
            problems += [
                Problem("table", str(k), part, f"above {whole}, of which it is a part", repr(float(v)), "Correct one.")
                for k, v in n[part][over].items()
            ]
    refuse(problems, "dependency_screen")
    if rule in ("EC2021", "CEPII"):
        out = _ec(n, limits)
        if rule == "CEPII":
            k, last = int(limits["k"]), int(limits["n"])
            out = persistence(out["dependent"], t["product"], t["year"], k=k, n=last)
    elif rule == "EU65":
        # A share in a consumption of nothing is none, however much was imported.
        used = n["consumption"].where(n["consumption"] > 0)
        value, ends = _ratio(n["top_imports"], used), _ends(n, "top_imports", used)
        out = pd.DataFrame({"top_share": value, "top_share_flag": _over(value, limits["top_share"], ends=ends)})
        out["dependent"] = out["top_share_flag"]
    else:
        out = _focal(rule, n, limits)
        if rule == "MERICS2020" and "sector" in t.columns:
            known = t["sector"].isin(MERICS_SECTORS).astype("boolean").mask(t["sector"].isna())
            out["critical"] = out["dependent"] & known
    if rule != "CEPII":
        out["reason"] = _why(out["dependent"], n)
    out.attrs["thresholds"] = limits
    out.attrs["rule"] = "EC-type" if rule == "EC2021" else rule
    return out


def _why(dependent: pd.Series, n: Mapping[str, pd.Series]) -> pd.Series:
    """What leaves a row undecided: figures missing, or 0 where something is a share of them, or an unnamed origin."""
    text = np.full(len(dependent), "", dtype=object)
    told = {c: _ends(n, c) for c in n if f"{c}_high" in n}
    for i in np.flatnonzero(dependent.isna()):
        here = {c: float(s.iloc[i]) for c, s in n.items() if c not in (*_BOUNDED, _UNNAMED)}
        ends = {c: (float(a.iloc[i]), float(b.iloc[i])) for c, (a, b) in told.items()}
        wide = {c: (a, b) for c, (a, b) in ends.items() if b > a}
        gone = [c for c, v in here.items() if np.isnan(v) and c not in wide]
        none = [c for c, v in here.items() if v == 0 and c not in ("focal_imports", "focal_exports", "top_imports")]
        if gone:
            text[i] = f"{', '.join(gone)} missing"
        elif wide:
            shown = ", ".join(f"{c} {a:.4g} to {b:.4g}" for c, (a, b) in wide.items())
            text[i] = f"the part without a named origin could decide: {shown}"
        else:
            text[i] = f"a share of nothing: {', '.join(none)} 0"
    return pd.Series(text, index=dependent.index, dtype="str")


def _share_of(n: Mapping[str, pd.Series], part: str, whole: str) -> tuple[pd.Series, Ends]:
    """Share of the focal with its ends; undefined where more than half of the whole is unnamed and may be its own."""
    share, ends = _ratio(n[part], n[whole]), _ends(n, part, n[whole])
    return share.mask(ends[1] - ends[0] > 0.5), ends


def _origins(n: Mapping[str, pd.Series]) -> tuple[pd.Series, Ends]:
    """HHI of the origins with its ends, by the rule of :func:`hhi`: undefined where more than half is unnamed."""
    value = n["hhi_origins"]
    if _UNNAMED in n:
        value = value.mask(n[_UNNAMED] > 0.5 * n["outside_imports"] * (1 + 1e-12))
    return value, _ends(n, "hhi_origins")


def _ec(n: Mapping[str, pd.Series], limits: Mapping[str, float]) -> pd.DataFrame:
    outside = n["outside_imports"]
    origins, ends = _origins(n)
    out = pd.DataFrame(
        {"cdf1": origins, "cdf2": _ratio(outside, outside + n["inside_imports"]), "cdf3": _ratio(outside, n["exports"])}
    )
    for c in ("cdf1", "cdf2", "cdf3"):
        out[f"{c}_flag"] = _over(out[c], limits[c], ends=ends if c == "cdf1" else None)
    out["dependent"] = out["cdf1_flag"] & out["cdf2_flag"] & out["cdf3_flag"]
    return out


def _focal(rule: str, n: Mapping[str, pd.Series], limits: Mapping[str, float]) -> pd.DataFrame:
    m = n["outside_imports"]
    share, ends = _share_of(n, "focal_imports", "outside_imports")
    out = pd.DataFrame({"focal_import_share": share})
    if rule == "MERICS2024":
        limit = limits["focal_import_share_at_least"]
        out["focal_import_share_flag"] = _over(share, limit, strict=False, ends=ends)
        with np.errstate(divide="ignore", invalid="ignore"):
            out["deficit_ratio"] = (m - n["exports"]) / m
        # Where nothing is imported there is no deficit, at any limit.
        out["deficit_ratio_flag"] = _over(out["deficit_ratio"].mask(m == 0, -np.inf), limits["deficit_ratio"])
        out["hhi_origins"], ends = _origins(n)
        out["hhi_origins_flag"] = _over(out["hhi_origins"], limits["hhi_origins"], ends=ends)
        out["dependent"] = out["focal_import_share_flag"] & out["deficit_ratio_flag"] & out["hhi_origins_flag"]
        return out
    out["focal_import_share_flag"] = _over(share, limits["focal_import_share"], ends=ends)
    if rule == "MERICS2020":
        out["dependent"] = out["focal_import_share_flag"]
        return out
    out["net_imports"] = m - n["exports"]
    out["net_imports_flag"] = _over(out["net_imports"], 0.0)
    out["focal_world_share"], ends = _share_of(n, "focal_exports", "world_exports")
    out["focal_world_share_flag"] = _over(out["focal_world_share"], limits["focal_world_share"], ends=ends)
    out["dependent"] = out["focal_import_share_flag"] & out["net_imports_flag"] & out["focal_world_share_flag"]
    return out


def persistence(flags: pd.Series, product: pd.Series, year: pd.Series, *, k: int, n: int) -> pd.DataFrame:
    """Keep a yearly flag only where it stood in at least k of the last n years.

    Parameters
    ----------
    flags : Series of boolean
        Flag of each row, matched to ``product`` and ``year`` by index.
    product, year : Series
        What each row is about.
    k, n : int
        At least k of the n latest calendar years, ``1 <= k <= n``.

    Returns
    -------
    DataFrame
        By product: ``years_flagged``, ``years_known``, ``dependent`` (undefined where the unknown years could
        decide it).

    Raises
    ------
    SchemaError
        k and n do not fit, a product has a year twice.

    Notes
    -----
    Missing policy: a year without a flag is unknown; where it could decide, nothing is said. Source: after Vicard &
    Wibaux (2023), CEPII PB 2023-41. Evidence S.

    Examples
    --------
    >>> y = pd.Series([2021, 2022, 2023])
    >>> persistence(pd.Series([True, False, True]), pd.Series(["Ga"] * 3), y, k=2, n=3)["dependent"].to_dict()
    {'Ga': True}
    """
    if not 1 <= k <= n:
        refuse([Problem("persistence", "-", "k", "not 1 <= k <= n", f"k={k}, n={n}", "Say 2 of 3.")], "persistence")
    frame = pd.DataFrame({"flag": flags.astype("boolean"), "product": product, "year": year})
    twice = frame[frame.duplicated(["product", "year"])]
    refuse(
        [
            Problem("persistence", f"{r.product}, {r.year}", "-", "year occurs twice", "", "One row a year.")
            for r in twice.itertuples()
        ],
        "persistence",
    )
    if not len(frame):
        return pd.DataFrame({"years_flagged": [], "years_known": [], "dependent": pd.Series([], dtype="boolean")})
    recent = frame[frame["year"] > frame["year"].max() - n]
    grouped = recent.groupby("product", sort=True, observed=True)["flag"]
    out = pd.DataFrame({"years_flagged": grouped.sum().astype("int64"), "years_known": grouped.count()})
    out = out.reindex(sorted(frame["product"].unique()), fill_value=0)
    out.index.name = "product"
    sure = out["years_flagged"] >= k
    possible = out["years_flagged"] + (n - out["years_known"]) >= k
    out["dependent"] = sure.astype("boolean").mask(~sure & possible)
    return out


@elementwise("focal_imports", "imports", "world_exports", "focal_exports")
def resourcing_ratio(focal_imports: float, imports: float, world_exports: float, focal_exports: float) -> Value:
    """Share of the not-yet-used market outside the focal that would be needed to replace it.

    ``RS = m_focal / [(X_world - x_focal) - (M - m_focal)]``.

    Parameters
    ----------
    focal_imports, imports : float, Series or array
        Imports of the buyer from the focal, and from all.
    world_exports, focal_exports : float, Series or array
        Exports of all countries, and of the focal, of the same product.

    Returns
    -------
    Value or DataFrame
        (A frame ``value, low, high, reason, flags`` by key where columns are given.) Dimensionless, [0, inf]; ``flags`` holds ``"not replaceable from trade"`` at 1 or more. Infinite, with a reason, where
        nothing is left outside; NaN, with a reason, without imports.

    Raises
    ------
    SchemaError
        Missing or negative figures, a part above its whole.

    Notes
    -----
    Missing policy: missing figures are refused. Definition of this library (D). ``parts`` holds the other two of
    the triple: ``import_share``, ``world_share``.

    Examples
    --------
    >>> r = resourcing_ratio(520, 900, 9400, 3100)
    >>> round(r, 6), round(r.parts["import_share"], 6), round(r.parts["world_share"], 6)
    (0.087838, 0.577778, 0.329787)
    """
    m_all, x_all = number(imports, "imports", 0), number(world_exports, "world_exports", 0)
    m = number(focal_imports, "focal_imports", 0, m_all, "A part of imports.")
    x = number(focal_exports, "focal_exports", 0, x_all, "A part of world exports.")
    left = (x_all - x) - (m_all - m)
    import_share, world_share = (a / b if b else math.nan for a, b in ((m, m_all), (x, x_all)))
    parts = {"import_share": import_share, "world_share": world_share, "left_outside": left}
    if m_all == 0:
        return Value(math.nan, method="re-sourcing ratio", reason="no imports", parts=parts)
    value = 0.0 if m == 0 else m / left if left > 0 else math.inf
    return Value(
        value,
        method="re-sourcing ratio",
        reason="nothing is left outside the focal" if math.isinf(value) else "",
        flags=("not replaceable from trade",) if value >= 1 else (),
        parts=parts,
    )


def vulnerability_profile(weights: Any) -> pd.Series:
    """Trade that remains when exporters are removed one after another, greatest out-strength first.

    ``v_k = remaining weight / initial weight`` after k removals; ``1 - v_1`` is the trade that the first exporter
    touches, as seller or buyer.

    Parameters
    ----------
    weights : DataFrame, ndarray or sparse matrix
        Square; row exports to column; at least 0.

    Returns
    -------
    Series
        v_0 = 1 to v_n = 0; the index names the country removed (None for k = 0). Ties are broken by order.

    Raises
    ------
    SchemaError
        Not square, rows and columns differ, negative or missing weights.

    Notes
    -----
    Missing policy: missing weights are refused; they are not 0. Source: Piccardi & Tajoli (2018). Evidence V. NaN
    throughout where there is no trade.

    Examples
    --------
    >>> vulnerability_profile(np.array([[0, 50, 40], [6, 0, 4], [5, 5, 0]])).round(6).tolist()
    [1.0, 0.081818, 0.0, 0.0]
    """
    from scipy import sparse

    names: list[Any]
    if isinstance(weights, pd.DataFrame):
        if list(weights.index) != list(weights.columns):
            refuse([Problem("weights", "-", "-", "rows and columns differ", "", "Use the same order.")], "weights")
        names, matrix = list(weights.index), sparse.coo_array(weights.to_numpy(dtype=np.float64))
    else:
        matrix = sparse.coo_array(weights, dtype=np.float64)
        names = list(range(matrix.shape[0]))
    if matrix.shape[0] != matrix.shape[1]:
        refuse([Problem("weights", "-", "-", "not square", str(matrix.shape), "")], "weights")
    data = np.asarray(matrix.data, dtype=np.float64)
    if not np.isfinite(data).all() or (data < 0).any():
        refuse([Problem("weights", "-", "-", "negative or missing weights", "", "Missing is not zero.")], "weights")
    n = len(names)
    strength = np.bincount(matrix.row, data, n)
    order = np.argsort(-strength, kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    lost = np.bincount(np.minimum(rank[matrix.row], rank[matrix.col]), data, n)  # a flow ends with its first end
    total = float(data.sum())
    left = np.concatenate(([total], total - np.cumsum(lost)))
    left[n] = 0.0 if n else total
    index = pd.Index([None, *(names[i] for i in order)], dtype="object", name="removed")
    return pd.Series(
        np.maximum(left, 0.0) / total if total > 0 else np.nan, index=index, name="remaining", dtype="float64"
    )


@elementwise("flow", "base", "reverse_flow", "reverse_base")
def asymmetry(flow: float, base: float, reverse_flow: float, reverse_base: float) -> Value:
    """Hirschman-type asymmetry of two dependences.

    ``d_ij = m_ij / M_i``; ``a_ij = d_ij - d_ji``.

    Parameters
    ----------
    flow, base : float, Series or array
        What i gets from j, and all that i gets (or its consumption, or GDP: the same for both).
    reverse_flow, reverse_base : float, Series or array
        What j gets from i, and all that j gets.

    Returns
    -------
    Value or DataFrame
        (A frame ``value, low, high, reason, flags`` by key where columns are given.) Dimensionless, in [-1, 1]; positive: i depends more. ``parts`` keeps both dependences: a difference of 0 may be two strong
        or two weak ones. NaN with a reason where a base is 0.

    Raises
    ------
    SchemaError
        Missing or negative figures, a flow above its base.

    Notes
    -----
    Missing policy: missing figures are refused; a base of 0 makes the difference undefined. Source: after Hirschman
    (1945). Evidence U.

    Examples
    --------
    >>> a = asymmetry(40, 200, 40, 900)
    >>> round(a, 6), round(a.parts["d_ij"], 6), round(a.parts["d_ji"], 6)
    (0.155556, 0.2, 0.044444)
    """
    out = []
    for part, whole, name in ((flow, base, "base"), (reverse_flow, reverse_base, "reverse_base")):
        all_ = number(whole, name, 0)
        own = number(part, f"flow of {name}", 0, math.inf if all_ == 0 else all_, "A flow is a part of its base.")
        out.append(own / all_ if all_ > 0 else math.nan)
    value = out[0] - out[1]
    reason = "a base is 0" if math.isnan(value) else ""
    return Value(value, method="Hirschman-type", reason=reason, parts={"d_ij": out[0], "d_ji": out[1]})


@elementwise("world_share", also=("partner_dependence",))
def indispensability(world_share: float, partner_dependence: float | Iterable[float]) -> Value:
    """Strategic indispensability: share of the world market times the partner's dependence.

    ``IND = x_J / X_w * mean dependence of the key partners on J``.

    Parameters
    ----------
    world_share : float, Series or array
        Share of the country or coalition in world exports or in a process, [0, 1].
    partner_dependence : float or iterable of float
        Dependence of the key partner (or partners) on it, [0, 1]; beside a column of ``world_share`` one figure per case.

    Returns
    -------
    Value or DataFrame
        (A frame ``value, low, high, reason, flags`` by key where columns are given.) Dimensionless, in [0, 1]. Not the opposite of dependence: report both. NaN with a reason without a partner.

    Raises
    ------
    SchemaError
        Figures missing or outside [0, 1].

    Notes
    -----
    Missing policy: missing figures are refused; without a partner it is NaN. Definition of this library (D), after
    the idea of Japan's economic security debate (2020, 2022).

    Examples
    --------
    >>> round(indispensability(0.45, 0.70), 6)
    0.315
    """
    share = number(world_share, "world_share", 0, 1)
    given = [partner_dependence] if isinstance(partner_dependence, NUMBERS) else list(partner_dependence)
    deps = [number(d, "partner_dependence", 0, 1) for d in given]
    if not deps:
        return Value(math.nan, method="indispensability", reason="no partner")
    mean = sum(deps) / len(deps)
    return Value(share * mean, method="indispensability", parts={"world_share": share, "dependence": mean})

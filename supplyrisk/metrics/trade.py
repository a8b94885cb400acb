"""Trade parameter, EU supply risk and economic importance; GeoPolRisk is in the module beside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import Problem
from ..jurisdictions import check_country
from ..lifecycle import standing
from ..schema import date_ceil, is_date
from .elementwise import elementwise
from .governance import SHARE_TOLERANCE, Value, Values, aligned, amounts, check_choice, keyed, number, refuse, unnamed
from .import_risk import GSP_COPPER, geopolrisk

__all__ = [
    "EU27",
    "GSP_COPPER",
    "eu_economic_importance",
    "eu_group_supply_risk",
    "eu_import_reliance",
    "eu_material_supply_risk",
    "eu_supply_risk",
    "geopolrisk",
    "substitution_index",
    "trade_parameter",
    "trade_parameters",
]

EU27: tuple[str, ...] = (
    "AUT", "BEL", "BGR", "HRV", "CYP", "CZE", "DNK", "EST", "FIN", "FRA", "DEU", "GRC", "HUN", "IRL",
    "ITA", "LVA", "LTU", "LUX", "MLT", "NLD", "POL", "PRT", "ROU", "SVK", "SVN", "ESP", "SWE",
)  # fmt: skip

_EU_MEMBER, _PROHIBITED = 0.8, 1.5


@elementwise("eu_member", "fta", "tax", "quota", "production", "prohibition", "tax_cancelled")
def trade_parameter(
    *,
    eu_member: bool = False,
    fta: bool = False,
    tax: float | None = None,
    quota: float | None = None,
    production: float | None = None,
    prohibition: bool = False,
    tax_cancelled: bool = False,
) -> Value:
    """Trade parameter t of one material, stage and country under the EU method.

    ``t = max over measures in force``, else 1.0; 0.8 for a member of the EU and for nobody else; 1.0 where no restriction is in force, agreement partner or not;
    an export tax gives 1.1 (up to 25 %), 1.2 (up to 75 %) or 1.3; a quota ``1 + (1 - quota / production)``; a
    prohibition 1.5; of several measures the most severe. An agreement may cancel a tax; it never lowers t below 1.

    Parameters
    ----------
    eu_member : bool
        The exporter is a member state.
    fta : bool
        The exporter has a trade agreement with the EU. Changes nothing by itself.
    tax : float, optional
        Export tax as a fraction of value.
    quota, production : float, optional
        Quantity that may be exported, and output, in one unit.
    prohibition : bool
        Exports are forbidden.
    tax_cancelled : bool
        An agreement in force disciplines the tax; needs ``fta``.

    Returns
    -------
    Value or DataFrame
        t, dimensionless, 0.8 to 2; a frame ``value, low, high, reason, flags`` by key where any argument is a Series or an
        array. A quota that leaves nothing gives 2, more than a prohibition's 1.5: the quota formula is inferred.

    Raises
    ------
    SchemaError
        A tax below 0, a quota without production, a member state with export measures.

    Notes
    -----
    Missing policy: a measure that is not given counts as not in force; where that is not known use
    :func:`trade_parameters`, which gives bounds. Source: European Commission (2017, 2023). Evidence V for 0.8 and 1.0 and for the values that occur; the tax
    brackets and the prohibition are of evidence U, the quota formula is inferred: such a t is labelled
    ``"EU trade parameter-type"``.

    Examples
    --------
    >>> trade_parameter(eu_member=True), trade_parameter(fta=True), trade_parameter(tax=0.30)
    (0.8, 1.0, 1.2)
    >>> trade_parameter(tax=0.10, quota=30.0, production=100.0)
    1.7
    """
    out: dict[str, float] = {}
    problems: list[Problem] = []
    if eu_member and (tax or quota is not None or prohibition):
        problems.append(
            Problem("trade_parameter", "-", "eu_member", "a member state has no export measure towards the EU", "", "")
        )
    if tax is not None and not 0 <= float(tax) <= 10:
        problems.append(
            Problem("trade_parameter", "-", "tax", "not a fraction", repr(tax), "A tax of 25 % is 0.25, not 25.")
        )
    if quota is not None and (production is None or not production > 0 or not quota >= 0):
        problems.append(
            Problem("trade_parameter", "-", "quota", "needs production above 0", repr(production), "Give both.")
        )
    if tax_cancelled and not fta:
        problems.append(
            Problem("trade_parameter", "-", "tax_cancelled", "only an agreement cancels a tax", "", "Say fta=True.")
        )
    refuse(problems, "trade_parameter")
    if tax is not None and tax > 0 and not tax_cancelled:
        out["tax"] = _tax(float(tax))
    if quota is not None and production is not None:
        out["quota"] = 1.0 + max(0.0, 1.0 - float(quota) / float(production))
    if prohibition:
        out["prohibition"] = _PROHIBITED
    if eu_member:
        return Value(_EU_MEMBER, method="EU trade parameter", parts={"eu_member": _EU_MEMBER})
    value = max(out.values(), default=1.0)
    return Value(value, method="EU trade parameter-type" if out else "EU trade parameter", parts=out)


def _tax(rate: float) -> float:
    return 1.1 if rate <= 0.25 else 1.2 if rate <= 0.75 else 1.3


def _given(value: Any) -> bool:
    return value is not None and not pd.isna(value) and str(value) != ""


def trade_parameters(
    countries: Iterable[str],
    measures: pd.DataFrame,
    at: str | Iterable[str],
    *,
    product: str | None = None,
    destination: Iterable[str] = ("EUE",),
    eu: Iterable[str] = EU27,
    licence: float | None = None,
) -> pd.DataFrame:
    """Trade parameters of countries on a day, or averaged over several, from a dated table of measures.

    Each measure in force counts as :func:`trade_parameter` says: ``ban`` and ``customs_stop`` as a prohibition,
    ``tax`` with its severity as the rate, ``quota`` with its severity as the part withheld. A licence requirement
    has no value in the method: it gives an interval from 1 to 1.5 unless ``licence`` says what it counts.

    Parameters
    ----------
    countries : iterable of str
        Exporters, ISO3.
    measures : DataFrame
        Rows of the ``measures`` table (actor, target, product, kind, effective, suspended, ended, severity ...).
    at : str or iterable of str
        ISO day, or days; one day per reference year gives the official kind of average.
    product : str, optional
        Only measures on this product; required where the table holds several.
    destination : iterable of str
        Targets that count beside ``ALL``: who the buyer is.
    eu : iterable of str
        Members that carry 0.8. An agreement partner is not a member.
    licence : float, optional
        t of a licence requirement in force.

    Returns
    -------
    DataFrame
        By country: ``value`` (NaN where the state of a measure is unknown or has no value in the method), ``low``,
        ``high``, ``measures`` (ids that count) and ``reason`` (also that the table holds no measure on the product). Can be passed on as ``trade=`` as it is.

    Raises
    ------
    UnknownNameError
        A country that is no code.
    SchemaError
        Several products and none chosen; tax or quota without severity is not an error but widens to [1, 1.3], [1, 2].

    Notes
    -----
    Source: European Commission (2017, 2023); dated use is a definition of this library. Evidence as
    :func:`trade_parameter`.

    Examples
    --------
    >>> acts = pd.DataFrame({"measure": ["X-TAX"], "actor": ["IDN"], "target": ["ALL"], "product": ["nickel.mine"],
    ...     "kind": ["ban"], "effective": ["2020-01-01"]})
    >>> trade_parameters(["IDN", "FIN", "NOR"], acts, ["2019-07-01", "2020-07-01"])["value"].to_dict()
    {'IDN': 1.25, 'FIN': 0.8, 'NOR': 1.0}
    """
    days = [at] if isinstance(at, str) else list(at)
    problems = [
        Problem("trade_parameters", "-", "at", "not an ISO date", repr(d), "Write 2024-07-01.")
        for d in days or [""]
        if not is_date(str(d))
    ]
    problems += [
        Problem("measures", "-", c, "required column is absent", "", "Give rows of the measures table.")
        for c in ("actor", "target", "kind")
        if c not in measures.columns
    ]
    refuse(problems, "trade_parameters")
    days = [date_ceil(d) for d in days]
    rows = measures
    asked = list(countries)
    for c in asked:
        check_country(c, "trade_parameters(countries)")
    silent = ""
    if "product" in rows.columns and len(rows):
        if product is not None:
            silent = "" if (rows["product"] == product).any() else f"no measure on {product!r} is in this table"
            rows = rows[rows["product"] == product]
        elif rows["product"].nunique() > 1:
            shown = ", ".join(sorted(map(str, rows["product"].unique()))[:5])
            refuse(
                [Problem("measures", "-", "product", "several products", shown, "Say product=...: t is per stage.")],
                "measures",
            )
    members, wanted = set(eu), {"ALL", *destination}
    if wanted & (members | {"EUE"}):
        wanted |= {"EUE"}
    rows = rows[rows["target"].isin(wanted)] if len(rows) else rows
    by_actor: dict[str, list[dict[str, Any]]] = {}
    for record in rows.to_dict("records"):
        by_actor.setdefault(str(record["actor"]), []).append({str(k): v for k, v in record.items()})
    out = []
    for country in asked:
        if country in members:
            out.append((country, _EU_MEMBER, _EU_MEMBER, _EU_MEMBER, "", silent))
            continue
        per_day = [_on_day(by_actor.get(country, []), day, licence) for day in days]
        low = float(np.mean([d[0] for d in per_day]))
        high = float(np.mean([d[1] for d in per_day]))
        ids = sorted({i for d in per_day for i in d[2]})
        reasons = sorted({r for d in per_day for r in d[3]} | ({silent} if silent else set()))
        value = low if high - low < 1e-12 else math.nan
        out.append((country, value, low, high, ";".join(ids), "; ".join(reasons)))
    return pd.DataFrame(out, columns=["country", "value", "low", "high", "measures", "reason"]).set_index("country")


def _on_day(rows: list[dict[str, Any]], day: str, licence: float | None) -> tuple[float, float, list[str], list[str]]:
    low = high = 1.0
    ids: list[str] = []
    reasons: list[str] = []
    for row in rows:
        stands = standing(row, day)
        if not stands.may_bind:
            continue
        kind, name = str(row["kind"]), str(row.get("measure", row["kind"]))
        given = row.get("severity")
        severity = float(given) if _given(given) and given is not None else None
        if kind in ("ban", "customs_stop"):
            a = b = _PROHIBITED
        elif kind == "tax":
            a, b = (1.0, 1.3) if severity is None else (_tax(severity),) * 2
        elif kind == "quota":
            a, b = (1.0, 2.0) if severity is None else (1.0 + severity,) * 2
        elif kind == "licence":
            a, b = (1.0, _PROHIBITED) if licence is None else (float(licence), float(licence))
        else:
            continue  # technology bans, listings and the like do not tax or withhold this good
        if stands.state == "unknown":
            a = 1.0
            reasons.append(f"{name}: {stands.because}")
        elif a != b:
            what = "the method gives a licence no value" if kind == "licence" else f"no severity of the {kind}"
            reasons.append(f"{name}: {what}")
        ids.append(name)
        low, high = max(low, a), max(high, b)
    return low, high, ids, reasons


@elementwise("imports", "exports", "production")
def eu_import_reliance(imports: float, exports: float, production: float) -> Value:
    """Import reliance as it enters the EU supply risk.

    ``IR = (imports - exports) / (production + imports - exports)``, clamped to [0, 1].

    Parameters
    ----------
    imports, exports, production : float, Series or array
        In one physical unit and period; at least 0.

    Returns
    -------
    Value or DataFrame
        (A frame ``value, low, high, reason, flags`` by key where columns are given.) In [0, 1]; ``parts["raw"]`` is the figure before clamping and ``flags`` says what was clamped: ``"net
        exporter"``, ``"above 1"``, ``"no domestic use"`` (the denominator is not positive: never divided, since
        two negatives would give a false positive).

    Raises
    ------
    SchemaError
        Negative or missing figures.

    Notes
    -----
    Source: European Commission (2017). Evidence V. Undefined (NaN) where there is neither trade nor production.

    Examples
    --------
    >>> eu_import_reliance(90, 15, 25)
    0.75
    >>> eu_import_reliance(5, 60, 30).flags
    ('net exporter', 'no domestic use')
    """
    m = number(imports, "imports", 0)
    x = number(exports, "exports", 0)
    p = number(production, "production", 0)
    net, use = m - x, p + m - x
    unit, method = "1", "EU import reliance"
    if m == 0 and x == 0 and p == 0:
        return Value(math.nan, unit=unit, method=method, reason="neither production nor trade")
    if use <= 0:
        flags: tuple[str, ...] = ("net exporter", "no domestic use") if net < 0 else ("no domestic use",)
        return Value(0.0, unit=unit, method=method, flags=flags, parts={"raw": math.nan, "net_imports": net})
    raw = net / use
    flags = ("net exporter",) if raw < 0 else ("above 1",) if raw > 1 else ()
    return Value(min(max(raw, 0.0), 1.0), unit=unit, method=method, flags=flags, parts={"raw": raw})


def _hhi(value: float | None, name: str) -> float:
    if value is None or math.isnan(float(value)):
        return math.nan
    return number(value, name, 0.0, 20.0, "HHI_WGI,t of fraction shares and g10 is 0 to 10 times t; divide by 1e4.")


@elementwise("hhi_gs", "hhi_eu", "import_reliance", "eol_rir", "si_sr")
def eu_supply_risk(
    hhi_gs: float | None = None,
    hhi_eu: float | None = None,
    *,
    import_reliance: float | None = None,
    eol_rir: float,
    si_sr: float,
    scope: Literal["GS+EU", "GS only", "EU only", "available"] = "GS+EU",
) -> Value:
    """EU supply risk of one stage.

    ``SR = [HHI_GS IR/2 + HHI_EU (1 - IR/2)] (1 - EoL_RIR) SI_SR``.

    Parameters
    ----------
    hhi_gs, hhi_eu : float, Series or array, optional
        HHI_WGI,t over global supply, and over actual EU sourcing (:func:`hhi_governance`).
    import_reliance : float, Series or array, optional
        IR; values outside [0, 1] are clamped and flagged. Needed for ``GS+EU``.
    eol_rir : float, Series or array
        End-of-life recycling input rate, [0, 1].
    si_sr : float, Series or array
        Substitution index, [0, 1]; 1 = no substitutes.
    scope : {"GS+EU", "GS only", "EU only", "available"}
        Which concentrations to use. ``available`` falls back to the one that is there and says so in ``flags``;
        nothing falls back silently.

    Returns
    -------
    Value or DataFrame
        (A frame ``value, low, high, reason, flags`` by key where columns are given.) Dimensionless, about [0, 10 max t], not rounded: round once, at the end, to 0.1. ``parts`` holds ``gs_only``, ``eu_only``,
        ``without_recycling_and_substitution`` and the IR used. NaN with a reason if a needed concentration is NaN;
        bounds of the concentrations become bounds of the score, and their flags its flags: of concentrations that are
        lower ends the score is one.

    Raises
    ------
    SchemaError
        A needed input is missing or out of range.

    Notes
    -----
    Missing policy: a missing input that is needed is refused; a concentration that is NaN makes the score NaN.
    Source: European Commission (2017), methodology; Blengini et al. (2017). Evidence V.

    Examples
    --------
    >>> sr = eu_supply_risk(2.529808, 2.1134, import_reliance=0.75, eol_rir=0.12, si_sr=0.94)
    >>> round(sr, 6), round(sr.parts["gs_only"], 6), round(sr.parts["eu_only"], 6), round(sr, 1)
    (1.877374, 2.092657, 1.748204, 1.9)
    """
    check_choice("scope", scope, ("GS+EU", "GS only", "EU only", "available"), "eu_supply_risk")
    gs, eu = _hhi(hhi_gs, "hhi_gs"), _hhi(hhi_eu, "hhi_eu")
    keep = (1.0 - number(eol_rir, "eol_rir", 0, 1, "A fraction, not percent.")) * number(si_sr, "si_sr", 0, 1)
    flags: list[str] = []
    use = scope
    if scope == "available":
        use = "GS+EU" if not (math.isnan(gs) or math.isnan(eu)) else "GS only" if not math.isnan(gs) else "EU only"
        flags.append(use)
    problems = [
        Problem("eu_supply_risk", "-", name, f"needed for scope {use!r}", "", f"Give it, or say scope='{other} only'.")
        for name, given, side, other in (("hhi_gs", hhi_gs, "GS", "EU"), ("hhi_eu", hhi_eu, "EU", "GS"))
        if side in use and given is None
    ]
    if use == "GS+EU" and import_reliance is None:
        problems.append(
            Problem("eu_supply_risk", "-", "import_reliance", "needed for scope 'GS+EU'", "", "See eu_import_reliance.")
        )
    refuse(problems, "eu_supply_risk")
    ir = math.nan
    if use == "GS+EU" and import_reliance is not None:
        raw = float(import_reliance)
        if abs(raw) > 2:
            hint = "A fraction of apparent use is asked: divide percent by 100."
            refuse(
                [Problem("eu_supply_risk", "-", "import_reliance", "no fraction", f"{raw:g}", hint)], "eu_supply_risk"
            )
        flags += list(import_reliance.flags) if isinstance(import_reliance, Value) else []
        if raw < 0 or raw > 1:
            flags.append("import reliance clamped")
        ir = min(max(raw, 0.0), 1.0) if not math.isnan(raw) else math.nan

    def mixed(world: float, own: float) -> float:
        if use != "GS+EU":
            return world if use == "GS only" else own
        # At IR = 0 the world does not enter, not even an undefined one.
        return own if ir == 0.0 else world * ir / 2.0 + own * (1.0 - ir / 2.0)

    value = mixed(gs, eu) * keep
    used = [x for x, side in ((hhi_gs, "GS"), (hhi_eu, "EU")) if side in use and not (side == "GS" and ir == 0.0)]
    flags += [f for x in used if isinstance(x, Value) for f in x.flags if f not in flags]
    reason = ""
    if math.isnan(value):
        why = [x.reason for x in used if isinstance(x, Value) and x.reason]
        reason = "; ".join(dict.fromkeys(["a concentration or the import reliance is undefined", *why]))
    parts = {
        "gs_only": gs * keep,
        "eu_only": eu * keep,
        "without_recycling_and_substitution": mixed(gs, eu),
        "import_reliance": ir,
        "scope": use,
    }
    # SR rises with both concentrations: their bounds give its bounds.
    low, high = (mixed(getattr(hhi_gs, end, gs), getattr(hhi_eu, end, eu)) * keep for end in ("low", "high"))
    return Value(value, method="EU supply risk", low=low, high=high, reason=reason, flags=flags, parts=parts)


def eu_material_supply_risk(stages: Mapping[str, float] | pd.Series) -> Value:
    """EU supply risk of a material: the greatest of its stages (the bottleneck), never their mean.

    Parameters
    ----------
    stages : mapping or Series
        Stage to supply risk, unrounded; NaN where a stage is undefined.

    Returns
    -------
    Value
        ``flags`` names the stage. Bounds of the stages are kept; where a stage is undefined and without bounds the
        maximum is a lower bound and ``high`` is infinite.

    Raises
    ------
    SchemaError
        Negative values.

    Notes
    -----
    ``SR = max over stages``. Source: European Commission (2017). Evidence V.

    Examples
    --------
    >>> eu_material_supply_risk({"E": 0.44, "P": 1.21}).flags
    ('P',)
    """
    s = keyed(stages, "stages")
    known = s.dropna()
    amounts(known, "stages")
    # A stage known only by bounds counts with them; one not known at all may be anything.
    ends = [(getattr(v, "low", float(v)), getattr(v, "high", float(v))) for v in dict(stages).values()]
    low = max((a for a, _ in ends if not math.isnan(a)), default=math.nan)
    high = max((math.inf if math.isnan(b) else b for _, b in ends), default=math.nan)
    if not len(known):
        return Value(math.nan, method="EU supply risk", low=low, high=high, reason="no stage has a value")
    return Value(float(known.max()), method="EU supply risk", low=low, high=high, flags=(str(known.idxmax()),))


def eu_group_supply_risk(members: Mapping[str, float] | pd.Series) -> Value:
    """EU supply risk of a group (HREE, LREE, PGM): the arithmetic mean of its members.

    Parameters
    ----------
    members : mapping or Series
        Material to supply risk, unrounded.

    Returns
    -------
    Value
        Mean, with the mean of the members' bounds; NaN with a reason if there is no member.

    Raises
    ------
    SchemaError
        A member without a value: the mean of the others would be another group.

    Notes
    -----
    Source: European Commission (2017, 2023). Evidence V.

    Examples
    --------
    >>> round(eu_group_supply_risk({"Ir": 3.9, "Pd": 1.5, "Pt": 2.13, "Rh": 2.4, "Ru": 3.8}), 1)
    2.7
    """
    s = amounts(members, "members")
    if not len(s):
        return Value(math.nan, method="EU supply risk", reason="no member")
    given = list(dict(members).values()) if isinstance(members, (Mapping, pd.Series)) else list(members)
    low, high = (sum(getattr(v, end, float(v)) for v in given) / len(given) for end in ("low", "high"))
    return Value(float(s.mean()), method="EU supply risk", low=low, high=high, parts={"n": len(s)})


def _numbers(column: pd.Series) -> bool:
    return bool((pd.to_numeric(column, errors="coerce").isna() <= column.isna()).all())


def substitution_index(shares: Values, substitutes: pd.DataFrame, kind: Literal["SR", "EI"] = "SR") -> Value:
    """Substitution index of the EU method; the part that nothing replaces counts with weight 1.

    ``SI_SR = sum_i (SP_i SCr_i SCo_i)^(1/3) sum_a sub_ia share_a``; ``SI_EI = sum_i sum_a SCP_ia sub_ia share_a``;
    plus ``1 - sum_i sum_a sub_ia share_a`` in both.

    Parameters
    ----------
    shares : Series, mapping or array
        Share of each application in use, fractions that sum to at most 1.
    substitutes : DataFrame
        A row per substitute and application: ``application``, ``sub`` (part of the application that the substitute
        can take, [0, 1]), and ``SP``, ``SCr``, ``SCo`` (for SR) or ``SCP`` (for EI), each in (0, 1].
    kind : {"SR", "EI"}
        Which of the two.

    Returns
    -------
    Value
        Dimensionless, in (0, 1]; 1 = no substitutes; NaN with a reason without applications. ``EU-type``: scores and their use are of evidence U.

    Raises
    ------
    SchemaError
        Unknown applications, scores or parts out of range, more than all of an application replaced.

    Notes
    -----
    Missing policy: a missing share or score is refused, never taken for 1 (no relief) or 0; what of an application no
    substitute covers counts as not replaceable. Source: European Commission (2017), as described in the secondary
    literature. Evidence U.

    Examples
    --------
    >>> subs = pd.DataFrame({"application": ["magnets"], "sub": [0.6], "SP": [0.8], "SCr": [1.0], "SCo": [0.8],
    ...     "SCP": [0.8]})
    >>> round(substitution_index({"magnets": 0.25}, subs), 6), round(substitution_index({"magnets": 0.25}, subs, "EI"), 6)
    (0.979266, 0.97)
    """
    check_choice("kind", kind, ("SR", "EI"), "substitution_index")
    a = amounts(shares, "shares")
    problems: list[Problem] = []
    if float(a.sum()) > 1.02:
        problems.append(Problem("shares", "-", "-", "sum to more than 1", f"{a.sum():g}", "Fractions, not percent."))
    scores = ["SP", "SCr", "SCo"] if kind == "SR" else ["SCP"]
    lacking = [c for c in ("application", "sub", *scores) if c not in substitutes.columns]
    problems += [Problem("substitutes", "-", c, "required column is absent", "", "Add it.") for c in lacking]
    texts = [c for c in ("sub", *scores) if c not in lacking and not _numbers(substitutes[c])]
    problems += [Problem("substitutes", "-", c, "not numbers", "", "Give fractions.") for c in texts]
    refuse(problems, "substitution_index")
    share = a.reindex(pd.Index(substitutes["application"])).to_numpy(dtype=np.float64)
    sub = substitutes["sub"].to_numpy(dtype=np.float64)
    grid = substitutes[scores].to_numpy(dtype=np.float64)
    for i in np.flatnonzero(np.isnan(share)):
        problems.append(
            Problem("substitutes", str(i), "application", "not in shares", repr(substitutes["application"].iloc[i]), "")
        )
    for i in np.flatnonzero(~((sub >= 0) & (sub <= 1))):
        problems.append(Problem("substitutes", str(i), "sub", "not in [0, 1]", repr(float(sub[i])), "A fraction."))
    for i, j in np.argwhere(~((grid > 0) & (grid <= 1))):
        problems.append(
            Problem("substitutes", str(i), scores[j], "not in (0, 1]", repr(float(grid[i, j])), "1 = no relief.")
        )
    taken = substitutes.assign(sub=sub).groupby("application")["sub"].sum()
    problems += [
        Problem("substitutes", str(k), "sub", "more than all of the application is replaced", f"{v:g}", "At most 1.")
        for k, v in taken.items()
        if v > 1 + 1e-9
    ]
    refuse(problems, "substitution_index")
    if not len(a):
        return Value(math.nan, method=f"EU SI_{kind}-type", reason="no application")
    weight = np.prod(grid, axis=1) ** (1.0 / grid.shape[1])
    replaced = sub * share
    value = 1.0 - float(replaced.sum()) + float((weight * replaced).sum())
    return Value(value, method=f"EU SI_{kind}-type", parts={"replaced": float(replaced.sum())})


def eu_economic_importance(shares: Values, value_added: Values, si_ei: float, *, maximum: float | None = None) -> Value:
    """Economic importance of a material in the EU.

    ``EI = 10 SI_EI sum_s A_s Q_s / max_s Q_s``.

    Parameters
    ----------
    shares : Series, mapping or array
        A: end-use share by sector (NACE 2-digit), fractions. What they lack of 1 by more than 0.02, the rounding of a
        print, is a use whose sector nobody has named.
    value_added : Series, mapping or array
        Q: value added by sector, one currency. May hold more sectors than ``shares``.
    si_ei : float
        Substitution index, [0, 1].
    maximum : float, optional
        Greatest value added among the manufacturing sectors of the same table; left out, that of ``value_added``,
        which must then be the whole table.

    Returns
    -------
    Value
        Dimensionless, in [0, 10], not rounded. Where some use is unnamed the value is the lower end, that of the named,
        and ``flags`` says so; ``low`` takes the rest for a sector without value added, ``high`` for the greatest. NaN
        with a reason, between bounds, where more than half is unnamed; NaN where there is no value added at all.

    Raises
    ------
    SchemaError
        Missing figures (never read as 0), shares above 1, a sector without value added, a maximum below a sector's value.

    Notes
    -----
    Missing policy: missing figures are refused, never read as 0; a remainder of the use is unknown, not nothing.
    Source: European Commission (2017). Evidence V.

    Examples
    --------
    >>> a, q = {"C25": 0.5, "C26": 0.3, "C27": 0.2}, {"C25": 150_000, "C26": 90_000, "C27": 60_000}
    >>> round(eu_economic_importance(a, q, 0.93, maximum=200_000), 6)
    5.301
    """
    a = amounts(shares, "shares")
    if float(a.sum()) > 1.02:
        refuse([Problem("shares", "-", "-", "sum to more than 1", f"{a.sum():g}", "Fractions, not percent.")], "shares")
    table = amounts(value_added, "value_added")
    q = aligned(value_added, a, "value_added", "Give the sector's value added.", a.to_numpy() > 0)
    top = float(table.max()) if maximum is None else number(maximum, "maximum", 0.0)
    si = number(si_ei, "si_ei", 0, 1)
    if not top > 0:
        return Value(math.nan, method="EU economic importance", reason="no value added")
    if top < float(table.max()) * (1 - 1e-12):
        refuse(
            [Problem("maximum", "-", "-", "below a sector's value added", f"{top:g}", "Take the greatest.")], "maximum"
        )
    weighted = float(np.where(a.to_numpy() > 0, a.to_numpy() * q, 0.0).sum())
    rest = max(1.0 - float(a.sum()), 0.0)
    rest = rest if rest > SHARE_TOLERANCE + 1e-12 else 0.0
    reason, flags = unnamed(rest, "the use")
    low, high = (10.0 * x / top * si for x in (weighted, weighted + rest * top))
    parts = {"sum_AQ": weighted, "maximum": top, "unnamed": rest}
    return Value(
        math.nan if reason else low,
        method="EU economic importance", low=low, high=high, reason=reason, flags=flags, parts=parts,
    )  # fmt: skip

"""What can be measured: every metric that a score may hold, and every published method that is a plain function."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from . import registering

__all__ = ["methods"]

# How sure the formula is, by metric; a metric that a user registers has no tag.
_EVIDENCE = {
    "bottleneck": "D", "concentration_ratio": "T", "coverage": "D", "effective_suppliers": "T", "evenness": "T",
    "focal_share": "T", "headline": "D", "hhi": "T", "hhi_normalized": "T", "hirschman_index": "U", "n_minus_1": "S",
    "n_suppliers": "T", "quantity": "T", "shannon": "T", "theil": "T", "unctad_concentration": "U",
}  # fmt: skip

_INF = math.inf
_EC17 = "European Commission (2017), methodology for the EU list of critical raw materials"
_OWN = "definition of this library"
_YALE = "Graedel et al. (2012, 2015)"
# Call, meaning, unit, low, high, reference, evidence. Plain rows: the listing imports none of the modules.
_FUNCTIONS: tuple[tuple[str, str, str, float, float, str, str], ...] = (
    ("metrics.share", "Share of each supplier in its market", "1", 0, 1, "textbook identity", "T"),
    ("metrics.contribution", "Part of the HHI that each supplier makes", "1", 0, 1, _OWN, "D"),
    ("metrics.delta_hhi", "Rise of the HHI if two suppliers join", "1", 0, 1, "textbook identity", "T"),
    ("metrics.hhi_bounds", "Bounds of the HHI with an unknown rest", "1", 0, 1, "after Kvalseth (2018); " + _OWN, "D"),
    ("metrics.corner_bounds", "Bounds of a measure of a few figures", "as given", -_INF, _INF, _OWN, "D"),
    ("metrics.share_bounds", "Bounds of shares under intervals", "1", 0, 1, _OWN, "D"),
    ("metrics.dirichlet_shares", "Draws of shares around an estimate", "1", 0, 1, "textbook identity", "T"),
    ("metrics.governance_weight", "Risk weight of bad governance", "1", 0, 10, "World Bank, WGI; " + _EC17, "V"),
    ("metrics.hhi_governance", "HHI weighted by governance and trade (HHI_WGI,t)", "1", 0, 20, _EC17, "V"),
    ("metrics.trade_parameter", "EU trade parameter t", "1", 0.8, 2, _EC17 + "; brackets U", "V"),
    ("metrics.trade_parameters", "EU trade parameter on a day, from dated acts", "1", 0.8, 2, _EC17, "V"),
    ("metrics.eu_import_reliance", "EU import reliance, clamped", "1", 0, 1, _EC17, "V"),
    ("metrics.eu_supply_risk", "EU supply risk of a stage", "1", 0, 20, _EC17 + "; Blengini et al. (2017)", "V"),
    ("metrics.eu_material_supply_risk", "EU supply risk of a material: worst stage", "1", 0, 20, _EC17, "V"),
    ("metrics.eu_group_supply_risk", "EU supply risk of a group: mean of members", "1", 0, 20, _EC17, "V"),
    ("metrics.eu_economic_importance", "EU economic importance", "1", 0, 10, _EC17, "V"),
    ("metrics.substitution_index", "EU-type substitution index", "1", 0, 1, _EC17 + ", secondary", "U"),
    (
        "metrics.geopolrisk",
        "GeoPolRisk score of an importer",
        "1",
        0,
        1,
        "Gemechu et al. (2015); Koyamparambath et al. (2022, 2024)",
        "R",
    ),
    (
        "metrics.net_import_reliance",
        "Net import reliance",
        "percent",
        -_INF,
        100,
        "USGS, Mineral Commodity Summaries",
        "S",
    ),
    ("metrics.nassar_type", "Nassar-type supply risk", "1", 0, 1, "after Nassar et al. (2020)", "S"),
    ("metrics.nstc_screen", "NSTC early-warning screen", "1", 0, 1, "McCullough & Nassar (2017)", "S"),
    ("metrics.price_response", "Price and quantity after a loss of supply", "1", 1, _INF, _OWN + ", USGS-type", "D"),
    ("metrics.expected_loss", "Expected loss over disruptions", "currency", -_INF, _INF, "USGS OFR 2025-1047", "S"),
    ("metrics.yale_concentration", "Yale-type concentration of global supply", "points", 0, 100, _YALE, "U"),
    ("metrics.yale_magnitude", "Yale-type magnitude of criticality", "points", 0, 100, _YALE, "U"),
    ("metrics.doe_type", "DOE-type supply risk", "points", 1, 4, "US Department of Energy (2010-2023)", "U"),
    ("metrics.trade_profile", "What the screens need to know of a product", "1", 0, _INF, "accounting", "T"),
    (
        "metrics.dependency_screen",
        "Flag products by a published rule",
        "1",
        0,
        1,
        "EC SWD(2021) 352 (U); HJS (2020), MERICS (2020, 2024), CEPII (2023), Reg. (EU) 2024/1252 (S)",
        "S",
    ),
    ("metrics.persistence", "Flag that stood k of n years", "1", 0, 1, "after Vicard & Wibaux (2023)", "S"),
    ("metrics.resourcing_ratio", "Free market needed to replace the focal", "1", 0, _INF, _OWN, "D"),
    (
        "metrics.vulnerability_profile",
        "Trade left as exporters are removed in turn",
        "1",
        0,
        1,
        "Piccardi & Tajoli (2018)",
        "V",
    ),
    ("metrics.asymmetry", "Hirschman-type asymmetry of two dependences", "1", -1, 1, "after Hirschman (1945)", "U"),
    ("metrics.indispensability", "World share times the partner's dependence", "1", 0, 1, _OWN, "D"),
    ("metrics.ras", "Table that meets its totals", "as given", 0, _INF, "Stone (1961); Bacharach (1970)", "T"),
    (
        "metrics.gras",
        "Table with negative cells that meets its totals",
        "as given",
        -_INF,
        _INF,
        "Junius & Oosterhaven (2003)",
        "T",
    ),
    ("metrics.balance", "Entropy balancing with bounds on cells", "as given", 0, _INF, "Lenzen et al. (2009)", "T"),
    ("exposure.face_value", "Share of direct inputs by region", "1", 0, 1, "after Baldwin et al. (2022)", "S"),
    (
        "exposure.io_lookthrough",
        "Share of all upstream production by region",
        "1",
        0,
        1,
        "after Baldwin, Freeman & Theodorakopoulos (2023); exact form " + _OWN,
        "D",
    ),
    ("exposure.origin", "Primary origin through all mixing", "1", 0, 1, _OWN, "D"),
    ("exposure.touch_probability", "Chance that a unit's way meets the focal", "1", 0, 1, _OWN, "D"),
    ("exposure.bottleneck", "Exposure of an assembly, three ways", "1", 0, 1, _OWN, "D"),
    ("exposure.free_flow", "Most that arrives without the focal", "1", 0, 1, _OWN, "D"),
    ("exposure.dominators", "Nodes that everything must pass", "-", math.nan, math.nan, "graph theory", "T"),
    ("exposure.paths", "Ways by which a node depends on the focal", "1", 0, 1, _OWN, "D"),
    (
        "control.equity",
        "Integrated ownership",
        "1",
        0,
        1,
        "Brioschi, Buzzacchi & Colombo (1989); Baldone, Brioschi & Paleari (1998)",
        "V",
    ),
    ("control.majority", "Ultimate controller by majority chain", "-", math.nan, math.nan, _OWN, "D"),
    ("control.network_power", "Network power", "1", 0, 1, "after Mizuno, Doi & Kurizaki (2020)", "S"),
    ("control.effective_control", "What the focal can stop, by every rule", "1", 0, 1, _OWN, "D"),
    ("shocks.esri", "Economic systemic risk index", "1", 0, 1, "Diem et al. (2022)", "R"),
    ("shocks.inoperability", "Inoperability input-output model", "1", 0, 1, "Haimes & Jiang (2001)", "V"),
    ("shocks.inoperability_path", "Dynamic inoperability", "1", 0, 1, "Lian & Haimes (2006)", "V"),
)  # fmt: skip


def methods(shown: bool | None = None) -> pd.DataFrame:
    """Everything that measures: registered metrics, and published methods that are plain functions.

    Parameters
    ----------
    shown : bool, optional
        Only metrics that are (True), or only what is not (False), a column of every score.

    Returns
    -------
    DataFrame
        By name: ``meaning, unit, low, high, reference, evidence, call, laws, columns, bounds, needs, shown,
        signature``. ``evidence`` says how sure the formula is: V checked against an official table or the primary
        text, R against a running reference, T textbook identity, S from a summary, U from the literature at large,
        D defined here; empty for a metric that a user registered. ``call`` is how it is reached, without ``sr.``;
        ``-`` as unit: the answer is a name, not a number. Functions have no laws, columns or signature here.

    Examples
    --------
    >>> from supplyrisk import metrics
    >>> metrics.methods().loc[["hhi", "eu_supply_risk"], ["unit", "evidence"]].to_numpy().tolist()
    [['1', 'T'], ['1', 'V']]
    """
    registered = registering.methods(shown)
    registered.insert(5, "evidence", [_EVIDENCE.get(str(name), "") for name in registered.index])
    registered.insert(6, "call", [f"metrics.{name}" if name in _EVIDENCE else "score" for name in registered.index])
    if shown:
        return registered
    rows: list[dict[str, Any]] = [
        {
            "metric": call if call == "exposure.bottleneck" else call.split(".")[1],
            "meaning": f"{meaning}.",
            "unit": unit,
            "low": float(low),
            "high": float(high),
            "reference": reference,
            "evidence": evidence,
            "call": call,
            "laws": "",
            "columns": "",
            "bounds": "",
            "needs": "",
            "shown": False,
            "signature": "",
        }
        for call, meaning, unit, low, high, reference, evidence in _FUNCTIONS
    ]
    return pd.concat([registered, pd.DataFrame(rows).set_index("metric")])

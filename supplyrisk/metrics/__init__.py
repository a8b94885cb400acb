"""The ruler: every measure as a pure function of arrays, and :func:`score`, which lays them over a graph.

``concentration`` how few suppliers there are · ``bounds`` what incomplete shares allow · ``governance`` and ``trade``
published methods on governance and trade · ``dependency`` screens, substitution, indispensability · ``market`` prices ·
``balancing`` tables that must add up · ``published`` what there is · ``score`` a graph measured, ``explain`` and ``compare`` of what came out.
"""

from __future__ import annotations

import importlib
from typing import Any

from .bounds import (
    Bounds,
    below_limit,
    close_shares,
    corner_bounds,
    dirichlet_moments,
    dirichlet_shares,
    focal_bounds,
    hhi_bounds,
    hhi_interval,
    share_bounds,
)
from .concentration import (
    concentration_ratio,
    contribution,
    delta_hhi,
    effective_suppliers,
    hhi,
    hhi_normalized,
    hirschman_index,
    n_minus_1,
    share,
    unctad_concentration,
)
from .explain import compare, explain
from .information import evenness, shannon, theil
from .mix import Mix
from .published import methods
from .registering import metric, why
from .sampling import rank_stability
from .score import score
from .volume import (
    assumed_weights,
    bottleneck,
    bottleneck_headline,
    coverage,
    focal_share,
    headline,
    n_suppliers,
    quantity,
)

# Names that live in modules which are seldom used; resolved on first use. The others are imported at once: a
# function that shares its module's name would else give way to the module.
_LAZY: dict[str, str] = {
    "Value": "governance",
    "governance_weight": "governance",
    "hhi_governance": "governance",
    "EU27": "trade",
    "eu_economic_importance": "trade",
    "eu_group_supply_risk": "trade",
    "eu_import_reliance": "trade",
    "eu_material_supply_risk": "trade",
    "eu_supply_risk": "trade",
    "geopolrisk": "trade",
    "substitution_index": "trade",
    "trade_parameter": "trade",
    "trade_parameters": "trade",
    "SCREENS": "dependency",
    "asymmetry": "dependency",
    "calibration": "backtest",
    "interval_score": "backtest",
    "dependency_screen": "dependency",
    "indispensability": "dependency",
    "nassar_type": "market",
    "net_import_reliance": "dependency",
    "nstc_screen": "market",
    "persistence": "dependency",
    "resourcing_ratio": "dependency",
    "trade_profile": "dependency",
    "vulnerability_profile": "dependency",
    "composite": "composing",
    "cover_without": "cover",
    "doe_type": "market",
    "expected_loss": "market",
    "price_response": "market",
    "yale_concentration": "market",
    "yale_magnitude": "market",
    "balance": "balancing",
    "gras": "balancing",
    "ras": "balancing",
}

__all__ = [
    "EU27",
    "SCREENS",
    "Bounds",
    "Mix",
    "Value",
    "assumed_weights",
    "asymmetry",
    "balance",
    "below_limit",
    "bottleneck",
    "bottleneck_headline",
    "calibration",
    "close_shares",
    "compare",
    "composite",
    "concentration_ratio",
    "contribution",
    "corner_bounds",
    "cover_without",
    "coverage",
    "delta_hhi",
    "dependency_screen",
    "dirichlet_moments",
    "dirichlet_shares",
    "doe_type",
    "effective_suppliers",
    "eu_economic_importance",
    "eu_group_supply_risk",
    "eu_import_reliance",
    "eu_material_supply_risk",
    "eu_supply_risk",
    "evenness",
    "expected_loss",
    "explain",
    "focal_bounds",
    "focal_share",
    "geopolrisk",
    "governance_weight",
    "gras",
    "headline",
    "hhi",
    "hhi_bounds",
    "hhi_governance",
    "hhi_interval",
    "hhi_normalized",
    "hirschman_index",
    "indispensability",
    "interval_score",
    "methods",
    "metric",
    "n_minus_1",
    "n_suppliers",
    "nassar_type",
    "net_import_reliance",
    "nstc_screen",
    "persistence",
    "price_response",
    "quantity",
    "rank_stability",
    "ras",
    "resourcing_ratio",
    "score",
    "shannon",
    "share",
    "share_bounds",
    "substitution_index",
    "theil",
    "trade_parameter",
    "trade_parameters",
    "trade_profile",
    "unctad_concentration",
    "vulnerability_profile",
    "why",
    "yale_concentration",
    "yale_magnitude",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _LAZY.values():
        return importlib.import_module(f".{name}", __name__)
    from ..errors import close_matches

    close = close_matches(name, __all__)
    hint = f". Did you mean {' or '.join(close)}?" if close else ""
    raise AttributeError(f"module 'supplyrisk.metrics' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""The ruler: every measure as a pure function of arrays, and :func:`score`, which lays them over a graph.

``concentration`` how few suppliers there are · ``bounds`` what incomplete shares allow · ``governance`` and ``trade``
published methods on governance and trade · ``dependency`` screens, substitution, indispensability · ``market`` prices ·
``balancing`` tables that must add up · ``score`` a graph measured, ``explain`` and ``compare`` of what came out.
"""

from __future__ import annotations

import importlib
from typing import Any

from .bounds import (
    Bounds,
    below_limit,
    close_shares,
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
    evenness,
    hhi,
    hhi_normalized,
    hirschman_index,
    n_minus_1,
    shannon,
    share,
    theil,
    unctad_concentration,
)
from .explain import compare, explain
from .mix import Mix, methods, metric, why
from .sampling import rank_stability
from .score import score
from .volume import bottleneck, coverage, focal_share, headline, n_suppliers, quantity

# Names that live in modules which are seldom used; resolved on first use. The others are imported at once: a
# function that shares its module's name would else give way to the module.
_LAZY: dict[str, str] = {
    "governance_weight": "governance",
    "hhi_governance": "governance",
    "trade_parameter": "trade",
    "eu_supply_risk": "trade",
    "eu_economic_importance": "trade",
    "substitution_index": "trade",
    "geopolrisk": "trade",
    "net_import_reliance": "dependency",
    "resourcing_ratio": "dependency",
    "dependency_screen": "dependency",
    "asymmetry": "dependency",
    "indispensability": "dependency",
    "price_response": "market",
    "ras": "balancing",
}

__all__ = [
    "Bounds",
    "Mix",
    "asymmetry",
    "below_limit",
    "bottleneck",
    "close_shares",
    "compare",
    "concentration_ratio",
    "contribution",
    "coverage",
    "delta_hhi",
    "dependency_screen",
    "dirichlet_moments",
    "dirichlet_shares",
    "effective_suppliers",
    "eu_economic_importance",
    "eu_supply_risk",
    "evenness",
    "explain",
    "focal_bounds",
    "focal_share",
    "geopolrisk",
    "governance_weight",
    "headline",
    "hhi",
    "hhi_bounds",
    "hhi_governance",
    "hhi_interval",
    "hhi_normalized",
    "hirschman_index",
    "indispensability",
    "methods",
    "metric",
    "n_minus_1",
    "n_suppliers",
    "net_import_reliance",
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
    "unctad_concentration",
    "why",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    from ..errors import close_matches

    close = close_matches(name, __all__)
    hint = f". Did you mean {' or '.join(close)}?" if close else ""
    raise AttributeError(f"module 'supplyrisk.metrics' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted(__all__)

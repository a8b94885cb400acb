"""Who can stop this flow, how badly would it hurt, and what to buy, build or stock so that it can't.

The package models critical-mineral and semiconductor supply graphs, scores how concentrated each link is on a
focal country (default ``"CHN"``, always printed), simulates measures, and optimises diversification portfolios that
are credited only for diversification that survives look-through.

Importing it touches no file, socket or logger, and loads neither pyomo, highspy, networkx, pint nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> module that holds it. Resolved on first use, so that `import supplyrisk` stays light.
_WHERE: dict[str, str] = {
    # graphs
    "SupplyGraph": "graph",
    "load_atlas": "atlas",
    "coalition": "atlas.coalitions",
    "assemble": "assemble",
    "balance_flows": "reconcile",
    "holdout": "reconcile",
    "PrivateDataWarning": "overlays",
    "BasketWarning": "errors",
    "BoundaryWarning": "errors",
    "UnknownPlaceWarning": "errors",
    "write": "formats",
    "read": "formats",
    "export": "formats",
    "data_dictionary": "schema",
    "contents": "atlas",
    "node_id": "schema",
    # the ruler
    "score": "metrics",
    "explain": "metrics",
    "compare": "metrics",
    "rank_stability": "metrics",
    "methods": "metrics",
    "metric": "metrics",
    # measures
    "export_ban": "shocks",
    "export_licence": "shocks",
    "enact": "shocks",
    "state": "shocks",
    "states": "shocks",
    "simulate": "shocks",
    "measure": "registry",
    # plans
    "optimize": "portfolio",
    "resource": "portfolio",
    "build": "portfolio",
    "max_share": "portfolio",
    "min_suppliers": "portfolio",
    "budget": "portfolio",
    "cost": "portfolio",
    "cvar": "portfolio",
    "expected_loss": "portfolio",
    "frontier": "portfolio",
    "share": "portfolio",
    "shortfall": "portfolio",
    "concentration": "portfolio",
    "stockpile": "portfolio",
    "recycle": "portfolio",
    "substitute": "portfolio",
    "contract": "portfolio",
    "qualify": "portfolio",
    "max_hhi": "portfolio",
    "n_minus_1": "portfolio",
    "during": "portfolio",
    "alternatives": "portfolio",
    "rolling": "portfolio",
    "value_of_information": "portfolio",
    "stability": "portfolio",
    "max_supplier_share": "portfolio",
    "byproduct_ceiling": "portfolio",
    "equal_burden": "portfolio",
    "focal_free": "portfolio",
    "governance_floor": "portfolio",
    "lead_time": "portfolio",
    "min_stock_days": "portfolio",
    "no_decoupling": "portfolio",
    "stand_alone": "portfolio",
    "unmet": "portfolio",
    "attribute": "portfolio",
    "expand": "portfolio",
    "expected_unmet": "portfolio",
    "ramp_up": "portfolio",
    "reroute": "portfolio",
    "time_to_independence": "portfolio",
    "worst_loss": "portfolio",
    "worst_unmet": "portfolio",
    "constraint": "registry",
    "lever": "registry",
    "objective": "registry",
    # what people see
    "brief": "report",
}
# Rooms that are reached as attributes: sr.metrics.hhi(...), sr.sources.baci(...), sr.exposure.origin(...).
_MODULES = (
    "atlas", "control", "errors", "exposure", "formats", "graph", "jurisdictions", "metrics", "plots", "portfolio", "reconcile",
    "registry", "report", "schema", "shocks", "sources", "units",
)  # fmt: skip

__all__ = ["__version__", *sorted(_WHERE)]

if TYPE_CHECKING:
    from .assemble import assemble as assemble
    from .atlas import contents as contents
    from .atlas import load_atlas as load_atlas
    from .atlas.coalitions import coalition as coalition
    from .graph import SupplyGraph as SupplyGraph
    from .metrics.explain import compare as compare
    from .metrics.explain import explain as explain
    from .metrics.registering import methods as methods
    from .metrics.registering import metric as metric
    from .metrics.sampling import rank_stability as rank_stability
    from .metrics.score import score as score
    from .portfolio import budget as budget
    from .portfolio import build as build
    from .portfolio import cost as cost
    from .portfolio import cvar as cvar
    from .portfolio import max_share as max_share
    from .portfolio import min_suppliers as min_suppliers
    from .portfolio import n_minus_1 as n_minus_1
    from .portfolio import optimize as optimize
    from .portfolio import resource as resource
    from .registry import constraint as constraint
    from .registry import lever as lever
    from .registry import measure as measure
    from .registry import objective as objective
    from .report.brief import brief as brief
    from .schema import data_dictionary as data_dictionary
    from .schema import node_id as node_id
    from .shocks import enact as enact
    from .shocks import export_ban as export_ban
    from .shocks import export_licence as export_licence
    from .shocks import simulate as simulate
    from .shocks import state as state
    from .shocks import states as states


def _resolve(name: str) -> Any:
    value = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = value
    return value


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return _resolve(name)
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    from .errors import close_matches

    close = close_matches(name, [*_WHERE, *_MODULES])
    hint = f". Did you mean {' or '.join(close)}?" if close else ""
    raise AttributeError(f"module 'supplyrisk' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})

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
_WHERE: dict[str, str] = {"SupplyGraph": "graph"}
_MODULES = (
    "assemble",
    "atlas",
    "control",
    "errors",
    "exposure",
    "graph",
    "jurisdictions",
    "metrics",
    "plots",
    "portfolio",
    "registry",
    "report",
    "schema",
    "shocks",
    "sources",
    "units",
)

__all__ = ["__version__", *sorted(_WHERE)]

if TYPE_CHECKING:
    from .graph import SupplyGraph as SupplyGraph


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    from .errors import close_matches

    close = close_matches(name, [*_WHERE, *_MODULES])
    hint = f". Did you mean {' or '.join(close)}?" if close else ""
    raise AttributeError(f"module 'supplyrisk' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})

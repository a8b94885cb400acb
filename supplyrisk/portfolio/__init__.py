"""Plans: the cheapest portfolio of supply that meets the buyers' needs and respects what they ask for.

The only part of the package that imports pyomo and highspy, and it does so when a plan is solved or its model looked
at, never on import. ``model`` is the model while it is being stated; ``levers``, ``constraints`` and ``risk`` hold one
decorated function per idea; ``matrix`` is what they state, ``arrays`` shows it as a live Pyomo model, ``solve`` hands it
to HiGHS in one call; ``plan`` is the answer, ``explain`` its words.
"""

from __future__ import annotations

from .constraints import budget, max_share, max_supplier_share, min_suppliers
from .economics import capital_recovery
from .frontier import frontier
from .levers import build, resource, unmet
from .model import Build
from .plan import Portfolio
from .risk import cost, cvar, expected_loss
from .run import optimize

__all__ = [
    "Build",
    "Portfolio",
    "budget",
    "build",
    "capital_recovery",
    "cost",
    "cvar",
    "expected_loss",
    "frontier",
    "max_share",
    "max_supplier_share",
    "min_suppliers",
    "optimize",
    "resource",
    "unmet",
]

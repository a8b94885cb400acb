"""Plans: the cheapest portfolio of supply that meets the buyers' needs and respects what they ask for.

The only part of the package that imports pyomo and highspy, and it does so when a plan is solved or its model looked
at, never on import. ``model`` is the model while it is being stated; ``levers``, ``constraints`` and ``risk`` hold one
decorated function per idea; ``matrix`` is what they state, ``arrays`` shows it as a live Pyomo model, ``solve`` hands it
to HiGHS in one call; ``plan`` is the answer, ``explain`` its words.

All levers, constraints and terms are names of ``supplyrisk`` too. ``sr.n_minus_1`` is the constraint; the metric of the
same name is ``sr.metrics.n_minus_1``.
"""

from __future__ import annotations

from .aims import attribute, time_to_independence
from .answers import Information, Stability, stability, stand_alone, value_of_information
from .calendar import During, during
from .constraints import budget, max_share, max_supplier_share, min_suppliers
from .deflation import in_prices_of
from .diverse import Alternatives, alternatives
from .economics import capital_recovery
from .frontier import Frontier, concentration, frontier, share, shortfall
from .levers import build, resource, unmet
from .limits import equal_burden, governance_floor, max_hhi, n_minus_1, no_decoupling
from .model import Build
from .options import contract, qualify, recycle, substitute
from .periods import HorizonPlan
from .physical import byproduct_ceiling, focal_free, lead_time
from .plan import Portfolio
from .recourse import reroute
from .reserves import min_stock_days, stockpile
from .risk import cost, cvar, expected_loss, expected_unmet, worst_loss, worst_unmet
from .rolling import Rolled, rolling
from .run import optimize
from .stages import expand, ramp_up

__all__ = [
    "Alternatives",
    "Build",
    "During",
    "Frontier",
    "HorizonPlan",
    "Information",
    "Portfolio",
    "Rolled",
    "Stability",
    "alternatives",
    "attribute",
    "budget",
    "build",
    "byproduct_ceiling",
    "capital_recovery",
    "concentration",
    "contract",
    "cost",
    "cvar",
    "during",
    "equal_burden",
    "expand",
    "expected_loss",
    "expected_unmet",
    "focal_free",
    "frontier",
    "governance_floor",
    "in_prices_of",
    "lead_time",
    "max_hhi",
    "max_share",
    "max_supplier_share",
    "min_stock_days",
    "min_suppliers",
    "n_minus_1",
    "no_decoupling",
    "optimize",
    "qualify",
    "ramp_up",
    "recycle",
    "reroute",
    "resource",
    "rolling",
    "share",
    "shortfall",
    "stability",
    "stand_alone",
    "stockpile",
    "substitute",
    "time_to_independence",
    "unmet",
    "value_of_information",
    "worst_loss",
    "worst_unmet",
]

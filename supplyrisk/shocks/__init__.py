"""Shocks: measures go in, an :class:`~supplyrisk.shocks.rationing.Impact` comes out.

:mod:`~supplyrisk.shocks.measures` writes policy acts down as specs; an engine of ``registries["engine"]`` carries
them out through :func:`simulate`. :mod:`~supplyrisk.shocks.systemic` scores firms and sectors by what their loss costs.
"""

from __future__ import annotations

from .measures import Cut, State, enact, export_ban, export_licence, state, states
from .rationing import Impact, simulate
from .systemic import EsriResult, esri, inoperability, inoperability_path, interdependency, recovery_rate

__all__ = [
    "Cut",
    "EsriResult",
    "Impact",
    "State",
    "enact",
    "esri",
    "export_ban",
    "export_licence",
    "inoperability",
    "inoperability_path",
    "interdependency",
    "recovery_rate",
    "simulate",
    "state",
    "states",
]

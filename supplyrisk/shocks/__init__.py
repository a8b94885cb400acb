"""Shocks: measures go in, an :class:`~supplyrisk.shocks.rationing.Impact` comes out.

:mod:`~supplyrisk.shocks.measures` writes policy acts down as specs; an engine of ``registries["engine"]`` carries
them out through :func:`simulate`.
"""

from __future__ import annotations

from .measures import Cut, State, enact, export_ban, export_licence, state, states
from .rationing import Impact, simulate

__all__ = ["Cut", "Impact", "State", "enact", "export_ban", "export_licence", "simulate", "state", "states"]

"""Readers of published formats: one file each, one decorated function each.

``sr.sources.usgs_mcs("MCS2026_Commodities_Data.csv")`` returns a :class:`~supplyrisk.sources.base.Reading`. No reader
touches the network; none guesses: what a file does not say is reported as missing, and names that no concordance knows
are listed with their share of value.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from ..errors import unknown_name
from ..registry import registries
from .base import Reading, Report
from .join import MagnitudeWarning, together

__all__ = ["MagnitudeWarning", "Reading", "Report", "listing", "load_all", "together"]


def load_all() -> None:
    """Import every reader, so that the registry lists them.

    Examples
    --------
    >>> load_all()
    """
    for info in pkgutil.iter_modules(__path__):
        if info.name.startswith("read_"):
            importlib.import_module(f".{info.name}", __name__)


def listing() -> list[dict[str, Any]]:
    """All readers: name, what they read, licence class of the data.

    Returns
    -------
    list of dict

    Examples
    --------
    >>> all("licence" in row for row in listing())
    True
    """
    load_all()
    return registries["source"].listing()


def __dir__() -> list[str]:
    load_all()
    return sorted({*(n for n in globals() if not n.startswith("_")), *registries["source"].names()})


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    if name in {info.name for info in pkgutil.iter_modules(__path__)}:  # `from . import hs` asks here first
        return importlib.import_module(f".{name}", __name__)
    load_all()
    registry = registries["source"]
    if name in registry:
        return registry[name].function
    raise AttributeError(str(unknown_name("reader", name, registry.names())))

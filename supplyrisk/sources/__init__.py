"""Readers of published formats: one file each, one decorated function each.

``sr.sources.usgs_mcs("MCS2026_Commodities_Data.csv")`` returns a :class:`~supplyrisk.sources.base.Reading`. No reader
touches the network; none guesses: what a file does not say is reported as missing, and names that no concordance knows
are listed with their share of value.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..registry import registries
from ..schema import TABLES
from .base import Reading, Report

if TYPE_CHECKING:
    from ..graph import SupplyGraph

__all__ = ["Reading", "Report", "listing", "load_all", "together"]

_NOT_READERS = {"base", "cells", "report", "layout", "owners", "places", "commodities", "hs", "repair"}


def load_all() -> None:
    """Import every reader, so that the registry lists them.

    Examples
    --------
    >>> load_all()
    """
    for info in pkgutil.iter_modules(__path__):
        if info.name not in _NOT_READERS:
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


def together(
    *readings: Reading, name: str = "from files", as_of: str | None = None, **tables: pd.DataFrame
) -> SupplyGraph:
    """One graph out of several readings: production, trade, use and registers put together by ``assemble``.

    Parameters
    ----------
    *readings : Reading
        What readers return. Statistics (``inputs``) are assembled; registers (``countries``, ``holdings`` ...) are
        taken as they are.
    name, as_of
        As for :func:`supplyrisk.assemble.assemble`.
    **tables : DataFrame
        Your own registers or statistics, e.g. ``holdings=...`` or ``recipes=...``.

    Returns
    -------
    SupplyGraph

    Raises
    ------
    SchemaError
        A product that two readings measure in different units, or what the assembly refuses.

    Examples
    --------
    >>> import pandas as pd
    >>> from supplyrisk.sources.hs import product_headings
    >>> from supplyrisk.sources.commodities import product_rows
    >>> trade = pd.DataFrame([dict(hs6="850511", origin="CHN", destination="USA", year=2024, quantity=3.0, value=9.0)])
    >>> reading = Reading({}, trade, Report("mine", "mine.csv", "private"), {"trade": trade,
    ...     "products": product_rows(["ndfeb.magnet"]), "concordance": product_headings(["ndfeb.magnet"])})
    >>> together(reading).links.query("method == 'observed'")[["supplier", "buyer"]].values.tolist()
    [['ndfeb.magnet@CHN', 'ndfeb.magnet@USA:demand']]
    """
    from ..assemble import assemble

    assembled = ("products", "production", "trade", "concordance", "demand", "sourcing", "costs")
    parts: dict[str, list[pd.DataFrame]] = {}
    for reading in readings:
        skip = {"nodes", "links", *reading.inputs} if reading.inputs else set()
        for key, frame in {**{k: v for k, v in reading.tables.items() if k not in skip}, **reading.inputs}.items():
            parts.setdefault(key, []).append(frame)
    for key, frame in tables.items():
        parts.setdefault(key, []).append(frame)
    joined = {k: pd.concat([f for f in v if len(f)] or v[:1], ignore_index=True) for k, v in parts.items()}
    products = joined.get("products", TABLES["products"].empty())
    clash = (
        products.groupby("product")[["unit", "basis"]].nunique().max(axis=1) if len(products) else pd.Series(dtype=int)
    )
    problems = [
        Problem(
            "products", str(p), "unit", "two readings measure it differently", "", "Read one of them with products=."
        )
        for p in clash.index[clash > 1]
    ]
    if problems:
        raise SchemaError(problems, "the readings put together")
    joined["products"] = products.drop_duplicates("product")
    for key, what in (("concordance", ["hs6", "product"]), ("sources", ["source"])):
        if key in joined:
            joined[key] = joined[key].drop_duplicates(what)
    history = tuple(f"read {r.report.path} ({r.report.vintage})" for r in readings)
    joined.setdefault("production", pd.DataFrame())
    rest = {k: joined.pop(k) for k in list(joined) if k not in (*assembled, "recipes")}
    given: dict[str, Any] = dict(joined)
    return assemble(name=name, as_of=as_of, history=history, tables=rest, **given)


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

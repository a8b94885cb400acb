"""Money of one year: prices, unit costs and capital costs of a graph, converted with an index that the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError
from ..graph import SupplyGraph

__all__ = ["in_prices_of"]

# Table, its columns of money, and the year that they are of; a unit cost is of the vintage of its node.
_MONEY = (
    ("products", ("price", "price_low", "price_high"), "price_year"),
    ("nodes", ("unit_cost", "unit_cost_low", "unit_cost_high"), "year"),
    ("projects", ("capex", "capex_low", "capex_high"), "capex_year"),
)


def in_prices_of(graph: SupplyGraph, year: int, deflator: Mapping[int, float]) -> SupplyGraph:
    r"""The graph with all money in USD of one year.

    .. math:: c_{\text{year}} = c_t\, \frac{I_{\text{year}}}{I_t}

    for prices of products, unit costs of nodes and capital costs of projects. A plan adds up money as it stands in the
    graph and says of which years it is; of this graph it is of one. The library brings no index of its own: take that
    which suits the goods, e.g. the US GDP deflator or a plant cost index.

    Parameters
    ----------
    graph : SupplyGraph
        Money in USD of the years on record (``price_year``, ``capex_year``; of unit costs the node's ``year``). Money
        without a year is left as it is, and stays without one. Convert once: unit costs have no year of their own that
        would tell.
    year : int
        Year of the money that comes back.
    deflator : mapping
        Year to index, on any base.

    Returns
    -------
    SupplyGraph

    Raises
    ------
    SchemaError
        An index that is no number above 0, or that lacks a year in which the graph has money: each is named.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.load_atlas()
    >>> index = {y: 100 * 1.02 ** (y - 2024) for y in range(2015, 2027)}
    >>> h = in_prices_of(g, 2024, deflator=index)
    >>> sorted({int(y) for y in h.tables["projects"].dropna(subset=["capex"])["capex_year"]})
    [2024]
    """
    index = {int(k): float(v) for k, v in dict(deflator).items()}
    problems = [
        Problem("deflator", str(y), "index", "not a number above 0", repr(v), "Correct it.")
        for y, v in index.items()
        if not (np.isfinite(v) and v > 0)
    ]
    needed: dict[int, list[str]] = {int(year): ["the year asked for"]}
    for table, columns, when in _MONEY:
        frame = graph.tables[table]
        has = frame[columns[0]].notna() & frame[when].notna()
        for y, n in frame.loc[has, when].astype(int).value_counts().items():
            needed.setdefault(int(str(y)), []).append(f"{n} {columns[0]} of {table}")
    problems += [
        Problem("deflator", str(y), "index", "missing", "; ".join(who), f"Give {{{y}: ...}}.")
        for y, who in sorted(needed.items())
        if y not in index
    ]
    if problems:
        raise SchemaError(problems, "in_prices_of()")
    frames: dict[str, pd.DataFrame] = {}
    for table, columns, when in _MONEY:
        frame = graph.tables[table]
        factor = (index[int(year)] / frame[when].astype("float64").map(index)).fillna(1.0).to_numpy(dtype=float)
        changes: dict[str, Any] = {c: frame[c].astype("float64") * factor for c in columns if c in frame}
        if table != "nodes":
            has = frame[columns[0]].notna() & frame[when].notna()
            changes[when] = frame[when].mask(has, int(year))
        frames[table] = frame.assign(**changes)
    return graph.replace(note=f"money in USD of {int(year)}, by the index given", **frames)

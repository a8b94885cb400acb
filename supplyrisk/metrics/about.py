"""What a score rests on: data years, grades and how much of the volume is known, for each row and for the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..columns import GRADES
from .volume import coverage

if TYPE_CHECKING:
    from ..graph import SupplyGraph
    from .lens import Lines
    from .mix import FloatArray, Mix

__all__ = ["YEAR", "basis", "data_year", "data_years", "of_view", "place"]

_OF_CONTROL = "Of the control view: who owns a part gets its returns, who controls can stop it."
# What a listing of columns says of the data year.
YEAR = {
    "meaning": "Oldest data year of a figure of the market (of a link: its own).",
    "unit": "year",
    "low": 1900.0,
    "high": 2100.0,
    "method": "data_year",
    "params": {},
    "reference": "data year of each figure",
    "worse": "low",
    "bounds": "none",
    "statistic": "value",
}


def data_years(graph: SupplyGraph, lines: Lines, column: str = "output") -> FloatArray:
    """Data year of the volume of each line; NaN where it has none.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    lines : Lines
        Supply lines of its markets.
    column : {"output", "capacity"}
        Which figure of a producer.

    Returns
    -------
    ndarray
    """
    table = graph.index.links if lines.links else graph.index.nodes
    names = ("year",) if lines.links else (f"{column}_year", "year")
    years = [table[c].astype("float64").to_numpy() for c in names]
    year = years[0] if len(years) == 1 else np.where(np.isnan(years[0]), years[1], years[0])
    return np.where(np.isnan(lines.quantity), np.nan, year[lines.row])


def data_year(lines: Lines, year: FloatArray) -> FloatArray:
    """Oldest data year of a figure of each market; NaN where it has none."""
    out = np.full(lines.n, np.inf)
    known = ~np.isnan(year)
    np.minimum.at(out, lines.market[known], year[known])
    return np.where(np.isinf(out), np.nan, out)


def of_view(listing: dict[str, Any], view: str) -> dict[str, Any]:
    """A listing of a column that says where it is of another view than its row.

    Parameters
    ----------
    listing : dict
        Unit, range and method of a column.
    view : str
        View of the score.

    Returns
    -------
    dict
        In the equity view the bottleneck is that of control: equity alone gives no power to stop.
    """
    if view != "equity" or listing["method"] not in ("bottleneck", "bottleneck_headline"):
        return listing
    return listing | {"meaning": f"{listing['meaning']} {_OF_CONTROL}", "of_view": "control"}


def place(columns: dict[str, FloatArray], year: FloatArray) -> dict[str, FloatArray]:
    """Columns of a score with the data year after what else is said of the figures, before what users add."""
    names = list(columns)
    after = max((i for i, c in enumerate(names) if c.startswith("headline")), default=len(names) - 1) + 1
    return {c: year if c == "data_year" else columns[c] for c in [*names[:after], "data_year", *names[after:]]}


def basis(graph: SupplyGraph, lines: Lines, mix: Mix, year: FloatArray, column: str = "output") -> dict[str, Any]:
    """What every column of a score rests on.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    lines : Lines
        Supply lines of its markets.
    mix : Mix
        The markets.
    year : ndarray
        Data year of each line.
    column : {"output", "capacity"}
        Which figure of a producer.

    Returns
    -------
    dict
        ``coverage`` (mean over the markets of the part of the volume that is known; a market of which it cannot be
        told counts as 0), ``grade_mix`` (grade to part of the known volume, mean over the markets that have one),
        ``data_years`` (oldest and newest; None without a figure) and ``version`` of the methods.
    """
    from .. import __version__

    told = np.nan_to_num(coverage(mix))
    table = graph.index.links if lines.links else graph.index.nodes
    grade = table["grade" if lines.links else f"{column}_grade"].astype("object")
    codes = pd.Categorical(grade, categories=list(GRADES)).codes[lines.row]
    known = np.nan_to_num(lines.quantity)
    whole = np.bincount(lines.market, known, lines.n)
    part = np.divide(known, whole[lines.market], out=np.zeros(len(known)), where=whole[lines.market] > 0)
    mixed = np.bincount(codes + 1, part, len(GRADES) + 1) / max(int((whole > 0).sum()), 1)
    some = year[~np.isnan(year)]
    return {
        "coverage": float(told.mean()) if len(told) else float("nan"),
        "grade_mix": {g: round(float(x), 6) for g, x in zip(("ungraded", *GRADES), mixed, strict=True) if x > 0},
        "data_years": (int(some.min()), int(some.max())) if len(some) else None,
        "version": __version__,
    }

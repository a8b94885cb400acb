"""What a score rests on: data years, grades and how much of the volume is known, for each row and for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..columns import GRADES
from .volume import bottleneck_headline, coverage, headline

if TYPE_CHECKING:
    from ..graph import SupplyGraph
    from .lens import Lines
    from .mix import FloatArray
    from .score import Origin

__all__ = ["YEAR", "basis", "data_year", "data_years", "of_view", "place"]

_OF_CONTROL = "Of the control view: who owns a part gets its returns, who controls can stop it."
# Volumes of the market of values.
_IN_USD = {"unit": "USD", "meaning": "Value of the market in USD, as far as links state it."}
# What the figures behind a column are: of how much there is, of whose it is, or of what stands behind that.
_OF_VOLUME = "volume of the direct market, whoever has it"
_DIRECT = "direct market under the view"
_ALL_TIERS = "all tiers; coverage and data years are those of the direct market"
_HEADLINES = {"headline": headline, "bottleneck_headline": bottleneck_headline}
_NECK = frozenset({"bottleneck", "bottleneck_headline"})
_TRACED = frozenset({"focal_share", "focal", "headline", "assumed_weights"})
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


def of_view(listing: dict[str, Any], view: str, market: str = "supply") -> dict[str, Any]:
    """A listing of a column that says where it is of another view than its row, or of another unit than most.

    Parameters
    ----------
    listing : dict
        Unit, range and method of a column.
    view : str
        View of the score.
    market : str
        Its market.

    Returns
    -------
    dict
        In the equity view the bottleneck is that of control: equity alone gives no power to stop. The volume of
        ``import_value`` is in USD.
    """
    if market == "import_value" and listing["method"] == "quantity":
        return listing | _IN_USD
    if view != "equity" or listing["method"] not in ("bottleneck", "bottleneck_headline"):
        return listing
    return listing | {"meaning": f"{listing['meaning']} {_OF_CONTROL}", "of_view": "control"}


def place(columns: dict[str, FloatArray], year: FloatArray) -> dict[str, FloatArray]:
    """Columns of a score with the data year after what else is said of the figures, before what users add."""
    names = list(columns)
    after = max((i for i, c in enumerate(names) if c.startswith("headline")), default=len(names) - 1) + 1
    return {c: year if c == "data_year" else columns[c] for c in [*names[:after], "data_year", *names[after:]]}


def _footing(name: str, needs: Iterable[str], view: str) -> str:
    """What a column stands on: "volume", "view", or all tiers by the name of the column that says their grades."""
    of = {name, *needs}
    if name in ("quantity", "share", "data_year"):
        return "volume"
    if of & _NECK:
        return "bottleneck_headline"
    return "headline" if view == "origin" and of & _TRACED else "view"


def _headline_part(made: Origin, name: str, columns: Mapping[str, FloatArray]) -> dict[str, float]:
    """Part of the volume that rests on A or B in every tier, and the rest: mean over the rows, or the markets."""
    if name in columns and not made.group[2]:
        part = columns[name]
    else:
        part = _HEADLINES[name](made.mix if made.lone is None else made.lone)
    part = part[~np.isnan(part)]
    good = float(part.mean()) if len(part) else 0.0
    mixed = {"A or B": round(good, 6), "C, D, assumption, ungraded or missing": round(1.0 - good, 6)}
    return {k: x for k, x in mixed.items() if x > 0 and len(part)}


def basis(
    made: Origin,
    year: FloatArray,
    column: str,
    columns: Mapping[str, FloatArray],
    listing: Mapping[str, dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """A listing of the columns of a score that says what each rests on.

    Parameters
    ----------
    made : Origin
        The score.
    year : ndarray
        Data year of each line.
    column : {"output", "capacity"}
        Which figure of a producer.
    columns : mapping
        The columns of the frame.
    listing : mapping
        Unit, range and method of each column, of its bounds and quantiles.

    Returns
    -------
    dict
        The listing, and by column: ``rests_on`` (the volume, the direct market under the view, or all tiers); ``coverage``, mean over
        the markets of the part of the volume that is known (a market of which it cannot be told counts as 0): that has
        a figure, for volumes, and whose supplier under the view is known, for the rest; ``grade_mix``, grade to part
        of the known volume, mean over the markets that have one, and of what is traced through all tiers the part
        that is graded A or B throughout, as its column of headlines; ``data_years`` (oldest and newest; None without
        a figure) and ``version`` of the methods.
    """
    from .. import __version__

    lines, mix = made.market.lines, made.counted[0]
    table = made.graph.index.links if lines.links else made.graph.index.nodes
    grade = table["grade" if lines.links else f"{column}_grade"].astype("object")
    codes = pd.Categorical(grade, categories=list(GRADES)).codes[lines.row]
    known = np.nan_to_num(lines.quantity)
    whole = np.bincount(lines.market, known, lines.n)
    part = np.divide(known, whole[lines.market], out=np.zeros(len(known)), where=whole[lines.market] > 0)
    mixed = np.bincount(codes + 1, part, len(GRADES) + 1) / max(int((whole > 0).sum()), 1)
    some = year[~np.isnan(year)]
    told = np.nan_to_num(coverage(mix))
    direct = {
        "rests_on": _DIRECT,
        "coverage": float(told.mean()) if len(told) else float("nan"),
        "grade_mix": {g: round(float(x), 6) for g, x in zip(("ungraded", *GRADES), mixed, strict=True) if x > 0},
        "data_years": (int(some.min()), int(some.max())) if len(some) else None,
        "version": __version__,
    }
    found: dict[str, dict[str, Any]] = {"view": direct}
    asked = {a.name if a.entry is None else a.entry.name: a for a in made.asked}
    out = {}
    for name, said in listing.items():
        of = asked.get(said["method"])
        # A function of the caller may use anything of the market, whatever it is called.
        own = of is not None and of.entry is None
        at = "view" if own else _footing(said["method"], () if of is None else of.needs, made.view)
        if at not in found and at == "volume":
            figures = np.nan_to_num(coverage(replace(mix.fine, recorded=None)))
            share = float(figures.mean()) if len(figures) else float("nan")
            found[at] = direct | {"rests_on": _OF_VOLUME, "coverage": share}
        elif at not in found:
            found[at] = direct | {"rests_on": _ALL_TIERS, "grade_mix": _headline_part(made, at, columns)}
        out[name] = found[at] | said
    return out

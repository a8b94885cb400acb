"""World totals in lists of countries: only what is named as one is one, once; sums of regions are no world."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from .places import AGGREGATE
from .report import Report

__all__ = ["is_world", "one_world"]

_REGION = "a sum of several countries (a region, a union): never added to its members or to the world"
_AGAIN = "a further world total of the same: never added"
_WHOLE = {"world", "worldwide", "total", "global", "sum", "wld"}
_AROUND = {"grand", "all", "countries", "of", "the", "rounded", "production", "output", "estimated", "mine"}


def _words(name: object) -> list[str]:
    text = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", " ", str(name).casefold())
    return re.findall(r"[^\W\d_]+", text)


def is_world(names: pd.Series) -> pd.Series:
    """Whether a name is that of all countries together: ``World``, ``Total (rounded)``, never ``Total EU`` or ``Africa``.

    Examples
    --------
    >>> is_world(pd.Series(["World total (rounded) 10", "Total", "All countries", "Total EU", "World excluding China"])).tolist()
    [True, True, True, False, False]
    """

    def world(name: object) -> bool:
        words = set(_words(name))
        whole = bool(words & _WHOLE) or {"all", "countries"} <= words
        return whole and words <= _WHOLE | _AROUND

    found = {n: world(n) for n in names.dropna().unique()}
    return names.map(found).astype("object").eq(True).fillna(False).astype(bool)


def one_world(
    place: pd.Series, names: pd.Series, value: pd.Series, within: Sequence[pd.Series], report: Report, of: str
) -> pd.Series:
    """Countries with at most one published world total (``WLD``) for each group; sums of regions become missing.

    Parameters
    ----------
    place : Series
        Country of each row, :data:`~supplyrisk.sources.places.AGGREGATE` for sums of several.
    names : Series
        Places as printed.
    value : Series
        Figure of each row.
    within : sequence of Series
        What is one list of countries: commodity, unit, year.
    report : Report
        Told of what is left out; of totals that differ, too.
    of : str
        What the figures are, for shares.

    Returns
    -------
    Series
        Of several totals the one called world's total counts, then the world's, then the total, if it has a figure.
    """
    world = is_world(names)
    region = (place == AGGREGATE).fillna(False).astype(bool) & ~world
    out = place.mask(region).mask(world, "WLD")
    listed = value.mask(world)
    report.leave_out(_REGION, region, listed, within, of)
    if region.any():
        shown = sorted(set(names[region].astype("str")))
        more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
        report.notes.append(
            f"sums of several countries are in data alone: {', '.join(n[:60] for n in shown[:8])}{more}"
        )
    if not world.any():
        return out
    said = [set(_words(n)) for n in names[world]]
    rank = [0 if {"world", "total"} <= w else 1 if w & (_WHOLE - {"total", "sum"}) else 2 for w in said]
    rows = pd.DataFrame({"rank": rank, "none": value[world].isna(), "value": value[world]}, index=names.index[world])
    keys = [k[world].reindex(rows.index) for k in within]
    order = rows.sort_values(["none", "rank"], kind="stable").index
    twice = pd.concat([k.loc[order] for k in keys], axis=1).duplicated()
    again = twice[twice].index
    if len(again):
        figures = rows["value"].loc[order]
        first = figures.groupby([k.loc[order] for k in keys], dropna=False).transform("first")
        apart = ((figures - first).abs() > 0.005 * first.abs()).loc[again]
        hit = pd.Series(names.index.isin(again), index=names.index)
        report.leave_out(_AGAIN, hit)
        if apart.any():
            report.notes.append(f"{int(apart.sum())} world totals differ from the one of the same list that counts")
        out = out.mask(hit)
    return out

"""Workbook of the IEA's explorer: supply by country in two blocks side by side, demand by scenario across."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .layout import first_rows
from .places import country
from .report import PathLike, Report, day_in, refuse

__all__ = ["rows_of_book"]

_STAGE = re.compile(
    r"(.+?)\s*[-\u2013\u2014:]\s*(mining|mine|extraction|refining|refined|refinery|processing)\b.*", re.IGNORECASE
)
# The same otherwise: "Lithium, mining", "Lithium (mining)", "Graphite - natural mining", "Lithium mining".
_LOOSE = re.compile(
    r"([^,(/:]+?)(?:\s*[-\u2013\u2014:,(/]\s*|\s+)(?:(?:natural|primary)\s+)?"
    r"(mining|mine production|mine|extraction|refining|refined|refinery|processing)(?:\s+(?:production|supply|output))?\)?",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\(?(k|m|thousand |million )?(t|tonnes?|tons?)\b.*", re.IGNORECASE)
_YEAR = re.compile(r"((?:19|20)\d{2})(?:\.0)?[ep]?")
_NUMBER = re.compile(r"-?[\d,]*\.?\d+(?:[eE][-+]?\d+)?%?")
_ROWS = 5000
_SUMS = re.compile(r"(total|top \d|share of)", re.IGNORECASE)
_STAGES = {"mining": "mining", "mine": "mining", "mine production": "mining", "extraction": "mining"}

Row = tuple[Any, ...]


def rows_of_book(path: PathLike, report: Report) -> list[Row]:
    """Rows ``branch, mineral, stage, place, sector, scenario, year, text`` of a workbook; its totals are left out.

    Parameters
    ----------
    path : path-like
        Workbook.
    report : Report
        Rows read, and the date that a cover sheet states.

    Returns
    -------
    list of tuple

    Raises
    ------
    SourceError
        No workbook, or no sheet of supply.
    """
    sheets = first_rows(path, count=_ROWS)
    supply = [rows for name, rows in sheets.items() if re.search(r"total supply", name, re.IGNORECASE)]
    demand = [rows for name, rows in sheets.items() if re.search(r"total demand", name, re.IGNORECASE)]
    if not supply:
        remedy = "Its workbook has a sheet such as '2 Total supply for key minerals'."
        raise refuse(path, "no sheet of supply by country", remedy, ", ".join(sheets)[:120])
    out = [row for rows in supply for row in _supply(rows)] + [row for rows in demand for row in _demand(rows)]
    if not any(r[0] == "supply" for r in out):
        raise refuse(path, "no country with figures on the sheet of supply", "Is the workbook complete?")
    report.rows_read += len(out)
    other = [rows for name, rows in sheets.items() if not re.match(r"\d", name.strip())]
    dates = (day for rows in other for cells in rows[:60] for cell in cells[:8] if (day := day_in(cell)))
    report.published_on = next(dates, None)
    return out


def _supply(rows: list[list[str]]) -> Iterator[Row]:
    """Blocks of countries under headings such as ``Copper - Mining``; years stand in a row of their own.

    What stands over a block and names no stage ends the block above all the same: its rows have that name as the mineral.
    """
    starts = sorted({k for cells in rows for k, cell in enumerate(cells) if _heading(cell)})
    starts = sorted({*starts, *_unnamed(rows, starts)})
    for start, end in zip(starts, [*starts[1:], 10_000], strict=False):
        years: dict[int, int] = {}
        mineral = stage = ""
        filled = False  # the block at hand has rows
        for cells in rows:
            label, body = (
                (cells[start] if start < len(cells) else ""),
                dict(enumerate(cells[start + 1 : end], start + 1)),
            )
            found = {k: int(m[1]) for k, cell in body.items() if (m := _YEAR.fullmatch(cell))}
            if (
                len(found) > 1
                and len(found) == sum(bool(c) for c in body.values())
                and not _is_figure(label, found, years)
            ):
                years = found
            again = bool(found) and found == years  # the years once more
            bare = not any(body.values()) or (again and country(label) is None)
            head = _STAGE.fullmatch(label) or (_heading(label) if bare else None)
            if head:
                mineral, stage = head[1].strip(" -\u2013\u2014:"), _STAGES.get(head[2].casefold(), "refining")
                filled = False
                continue
            if label.casefold().startswith("note"):
                break
            if not label or not years or _SUMS.match(label) or (again and _UNIT.fullmatch(label)):
                continue
            if bare:
                if (filled or not mineral) and country(label) is None and not _UNIT.fullmatch(label):
                    mineral, stage, filled = label, "", False
                continue
            filled = True
            for k, year in years.items():
                if body.get(k):
                    yield "supply", mineral or "(no heading)", stage, label, None, None, year, body[k]


def _unnamed(rows: list[list[str]], starts: list[int]) -> Iterator[int]:
    """Columns of labels, before years that start anew, over which no heading names a stage."""
    for cells in rows:
        found = [(k, int(m[1])) for k, cell in enumerate(cells) if k and (m := _YEAR.fullmatch(cell))]
        if len(found) != sum(bool(c) for c in cells[1:]):
            continue
        for (before, last), (here, year) in pairwise(found):
            if year <= last and here - before > 1 and not any(before < s < here for s in starts):
                yield here - 1


def _heading(cell: str) -> re.Match[str] | None:
    """What a cell that is no sum and no prose names as mineral and stage."""
    loose = None if len(cell) > 60 or _SUMS.match(cell) else _LOOSE.fullmatch(cell)
    return _STAGE.fullmatch(cell) or loose


def _is_figure(label: str, found: dict[int, int], years: dict[int, int]) -> bool:
    """A country whose tonnages look like years: it has a name, stands where the years stand, and they do not ascend."""
    values = list(found.values())
    return bool(label and years and set(found) <= set(years) and values != sorted(set(values)))


def _demand(rows: list[list[str]]) -> Iterator[Row]:
    """Minerals over their sectors; scenarios over their years; the base year stands before the first scenario."""
    years: dict[int, int] = {}
    scenario: dict[int, str | None] = {}
    above: list[str] = []
    mineral = ""
    for cells in rows:
        label, body = (cells[0] if cells else ""), dict(enumerate(cells[1:], 1))
        found = {k: int(m[1]) for k, cell in body.items() if (m := _YEAR.fullmatch(cell))}
        if not years and len(found) > 1 and len(found) == sum(bool(c) for c in body.values()):
            years, now = found, None
            for k in range(1, max(found) + 1):
                now = above[k] if k < len(above) and above[k] else now
                scenario[k] = now
            continue
        if not years:
            above = cells
            continue
        if label.casefold().startswith("note"):
            break
        if label and not any(body.values()):
            mineral = label
        elif label and mineral and not label.casefold().startswith(("share of", "top ")):
            for k, year in years.items():
                if body.get(k) and _NUMBER.fullmatch(body[k]):
                    yield "demand", mineral, None, None, label, scenario.get(k), year, body[k]

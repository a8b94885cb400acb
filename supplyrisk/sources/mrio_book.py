"""Workbooks of inter-country tables with several rows and columns of headers, as WIOD publishes them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ..errors import SourceError
from .report import PathLike, Report, refuse
from .workbook import BROKEN, open_book

__all__ = ["stacked_headers", "stacked_sheets"]

_NUMBER = re.compile(r"c\d{1,3}", re.IGNORECASE)
_COUNTRY = re.compile(r"[A-Z]{3}|RoW|TOT", re.IGNORECASE)
_DEPTH = 12


def stacked_sheets(path: PathLike) -> list[str]:
    """Sheets that have countries over numbered sectors (``c1, c2 ...``).

    Parameters
    ----------
    path : path-like
        Workbook.

    Returns
    -------
    list of str

    Raises
    ------
    SourceError
        No workbook.
    """
    out = []
    try:
        with open_book(path) as book:
            for name in book.names:
                rows: list[list[object]] = []
                for number, values in book.rows(name):
                    if number > _DEPTH:
                        break
                    rows.append(list(values))
                    if _corner(rows):
                        out.append(name)
                        break
    except BROKEN as err:
        raise _broken(path, err) from err
    return out


def stacked_headers(path: PathLike, report: Report, sheet: str) -> pd.DataFrame | None:
    """The table of a sheet that has countries over numbered sectors (``c1, c2 ...``) on both sides.

    Rows may be numbered ``r1, r2 ...``, as in the release of 2016.

    Parameters
    ----------
    path : path-like
        Workbook.
    report : Report
        Rows read.
    sheet : str
        Its name.

    Returns
    -------
    DataFrame or None
        Labels ``AUS.c1`` on both sides; None where the sheet is not built so, or is not there.

    Raises
    ------
    SourceError
        Labels stand twice, or cells between the headers are no number.
    """
    try:
        with open_book(path) as book:
            rows: list[list[object]] = []
            start: tuple[int, int] | None = None
            for number, values in book.rows(sheet) if sheet in book.names else ():
                if start is None and number > _DEPTH:
                    break
                rows.append(list(values))
                start = start or _corner(rows)
            return None if start is None else _table(path, sheet, rows, start, report)
    except BROKEN as err:
        raise _broken(path, err) from err


def _broken(path: PathLike, err: BaseException) -> SourceError:
    return refuse(path, "not a readable workbook", "Save it as .xlsx again.", str(err)[:200])


def _corner(rows: list[list[object]]) -> tuple[int, int] | None:
    """Row of the numbers of sectors, and the first column with one, once countries stand right above them."""
    if len(rows) < 2:
        return None
    last = ["" if v is None else str(v).strip() for v in rows[-1]]
    above = ["" if v is None else str(v).strip() for v in rows[-2]]
    hits = [k for k, c in enumerate(last) if _NUMBER.fullmatch(c)]
    if len(hits) < 2 or hits[0] < 2:
        return None
    fits = all(k < len(above) and _COUNTRY.fullmatch(above[k]) for k in hits)
    return (len(rows) - 1, hits[0]) if fits else None


def _table(
    path: PathLike, sheet: str, rows: list[list[object]], start: tuple[int, int], report: Report
) -> pd.DataFrame:
    head, first = start
    width = max(k + 1 for k, v in enumerate(rows[head]) if v is not None)

    def label(country: object, number: object) -> str:
        name = re.sub(r"^r(?=\d)", "c", str(number).strip().casefold())  # rows r1 ... of the columns c1 ... (2016)
        return f"{str(country).strip().upper()}.{name}"

    columns = [label(a, b) for a, b in zip(rows[head - 1][first:width], rows[head][first:width], strict=True)]
    labels: list[str] = []
    body: list[list[object]] = []
    for row in rows[head + 1 :]:
        if len(row) <= first or not row[first - 1] or not row[first - 2]:
            continue
        labels.append(label(row[first - 2], row[first - 1]))
        body.append([*row[first:width], *[None] * (width - len(row))])
    if len(set(labels)) < len(labels) or len(set(columns)) < len(columns):
        raise refuse(path, "labels stand twice", "Every row and column needs a country and a number of its own.", sheet)
    cells = pd.Series(np.array(body, dtype=object).ravel(), dtype="object")
    value = pd.to_numeric(cells, errors="coerce")
    text = cells[value.isna() & cells.notna()]
    if len(text):
        shown = ", ".join(repr(str(v)[:40]) for v in text.head(5))
        raise refuse(path, "cells that are no number", "Keep labels in the first columns and rows only.", shown)
    report.rows_read += len(labels)
    report.notes.append(f"table of sheet {sheet!r}; sectors by country and number")
    total = next((c for c in reversed(columns) if c.startswith("TOT.")), None)
    names = ["TOT" if c == total else c for c in columns]
    rows_of = [r if not r.startswith("TOT.") else f"TOT {r[4:]}" for r in labels]
    matrix = value.to_numpy(dtype=float).reshape(len(labels), len(columns))
    return pd.DataFrame(np.nan_to_num(matrix), index=rows_of, columns=names)

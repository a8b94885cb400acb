"""Where the table starts: editions of one publication move the header down, add cover sheets and split into sheets.

A reader says which columns it must have; the first row of a file, or of a sheet of a workbook, that holds them all is
the header. Nothing is guessed: where no row does, the reader's own error names the columns that are absent.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from .base import MAX_CELL, PathLike, Report, find_columns, plain, read_delimited, read_sheet, read_text
from .report import refuse
from .workbook import BROKEN, open_book

__all__ = ["find_sheets", "first_rows", "first_sheet", "is_workbook", "read_table"]

DEPTH = 40  # rows in which a header is looked for
_SHEETS = 500


def is_workbook(path: PathLike) -> bool:
    """Whether a file's name says xlsx."""
    return Path(path).suffix.lower() in (".xlsx", ".xlsm")


def _fits(cells: Iterable[object], wanted: Mapping[str, Iterable[str]], required: Iterable[str]) -> bool:
    have = {plain(c) for c in cells}
    return all(any(plain(n) in have for n in wanted[part]) for part in required)


def read_table(
    path: PathLike,
    report: Report,
    wanted: Mapping[str, Iterable[str]],
    required: Sequence[str],
    *,
    sheet: str | None = None,
    delimiter: str | None = None,
    encodings: Iterable[str] = ("utf-8-sig", "cp1252"),
    member: str | None = None,
    stack: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a delimited file or a sheet of a workbook from its header on, wherever that stands.

    Where several sheets have such a header, all are read as one table if ``stack`` says which parts tell their rows apart
    and each has these; otherwise the first is, and the report names the others with their rows.

    Parameters
    ----------
    path : path-like
        csv, gzip, zip with one data file, or xlsx.
    report : Report
        Counts go here, and a note if the header is not in the first row or the table not on the first sheet.
    wanted : mapping
        Part to the names that publishers give it, as in :func:`find_columns`.
    required : sequence of str
        Parts that mark the header.
    sheet : str, optional
        Name of the sheet; default the first that has such a header.
    delimiter : str, optional
        Of a csv; default the one that the header holds most often.
    encodings : iterable of str
        Tried in turn.
    member : str, optional
        Member of a zip with several.
    stack : sequence of str, optional
        Parts that a sheet must have to be read together with the others.

    Returns
    -------
    DataFrame
        Text cells.

    Raises
    ------
    SourceError
        Not such a file.
    """
    if not Path(path).is_file():
        return read_delimited(path, report)  # says what is wrong
    if is_workbook(path):
        found = find_sheets(path, wanted, required, sheet)
        if not found:
            return read_sheet(path, report, sheet=sheet)
        return _sheets(path, report, wanted, found, stack, sheet is None)
    text, _ = read_text(path, encodings, member)
    row = _header_line(text, wanted, required, delimiter)
    if row:
        report.notes.append(f"the table starts in line {row + 1}")
    return read_delimited(path, report, delimiter=delimiter, encodings=encodings, member=member, header_row=row)


def first_sheet(
    path: PathLike, report: Report, remedy: str, unnamed: str = "", sheet: str | None = None
) -> pd.DataFrame:
    """The first sheet of a workbook, or one that the reader chose; the report names the others with their rows.

    Parameters
    ----------
    path : path-like
        Workbook.
    report : Report
        Counts go here.
    remedy : str
        How another sheet is read.
    unnamed, sheet
        As for :func:`read_sheet`.

    Returns
    -------
    DataFrame
        Text cells.
    """
    with open_book(path) as book:
        out = read_sheet(path, report, sheet=sheet, book=book, unnamed=unnamed)
        left, taken = [], sheet or book.names[0]
        for name in book.names[:_SHEETS]:
            try:
                rows = sum(any(v not in (None, "") for v in cells) for _, cells in book.rows(name)) - 1
            except BROKEN:
                continue
            if rows > 0 and name != taken:
                left.append(f"{name!r} ({rows:,} rows)")
    if left:
        more = ", ..." if len(left) > 8 else ""
        report.notes.append(f"read is the sheet {taken!r}; not read: {', '.join(left[:8])}{more}: {remedy}")
    return out


def _sheets(
    path: PathLike,
    report: Report,
    wanted: Mapping[str, Iterable[str]],
    found: list[tuple[str, int]],
    stack: Sequence[str],
    said: bool,
) -> pd.DataFrame:
    """The first of the sheets that were found, and those that can be read together with it; the others are named."""
    name, row = found[0]
    if row or (said and name != next(iter(first_rows(path, count=1)))):
        report.notes.append(f"the table starts in row {row + 1} of sheet {name!r}")
    out = read_sheet(path, report, sheet=name, header_row=row)
    roles = find_columns(path, out.columns, wanted)
    parts, taken, left = [out], [name], []
    for other, below in found[1:]:
        own = Report("", "", "")
        more = read_sheet(path, own, sheet=other, header_row=below)
        have = find_columns(path, more.columns, wanted)
        alike = set(have) == set(roles) and _dated(more) == _dated(out)
        if not stack or not set(stack) <= set(roles) or not alike:
            left.append(f"{other!r} ({own.rows_read:,} rows)")
            continue
        names = {have[k]: c for k, c in roles.items() if c not in more.columns}
        parts.append(more.rename(columns=names))
        taken.append(other)
        report.rows_read += own.rows_read
        report.notes += own.notes
    if len(parts) > 1:
        shown = ", ".join(repr(n) for n in taken[:8]) + (", ..." if len(taken) > 8 else "")
        report.notes.append(f"{len(taken)} sheets of the same layout are read as one table: {shown}")
        out = pd.concat(parts, ignore_index=True).astype("string").fillna("")
    if left:
        report.notes.append(
            f"sheets with such a header that are not read: {', '.join(left[:8])}; give a file of each, or sheet= where the reader takes it"
        )
    return out


def _dated(frame: pd.DataFrame) -> set[str]:
    """Columns that are of a year: sheets of other years are no part of one table."""
    return {name for c in frame.columns if re.search(r"(19|20)\d\d", name := plain(c))}


def _header_line(text: str, wanted: Mapping[str, Iterable[str]], required: Sequence[str], delimiter: str | None) -> int:
    """Line in which the header stands; 0 if no line fits, so that the error names what is absent."""
    before = csv.field_size_limit(MAX_CELL)
    try:
        lines = io.StringIO(text, newline="")
        for k in range(DEPTH):
            line = lines.readline()
            if not line:
                break
            for mark in (delimiter,) if delimiter else (",", ";", "\t", "|"):
                try:
                    cells = next(csv.reader([line], delimiter=mark), [])
                except csv.Error:
                    continue
                if _fits(cells, wanted, required):
                    return k
    finally:
        csv.field_size_limit(before)
    return 0


def first_rows(path: PathLike, sheet: str | None = None, count: int = DEPTH) -> dict[str, list[list[str]]]:
    """First rows of every sheet, or of one, as text.

    Parameters
    ----------
    path : path-like
        Workbook.
    sheet : str, optional
        Only this one.
    count : int
        How many rows.

    Returns
    -------
    dict of str to list of list of str
    """
    found: dict[str, list[list[str]]] = {}
    with open_book(path) as book:
        for name in book.names[:_SHEETS]:
            if sheet not in (None, name):
                continue
            rows = found[name] = []
            try:
                for number, values in book.rows(name):
                    if number > count:
                        break
                    rows += [[] for _ in range(number - 1 - len(rows))]
                    rows.append(["" if v is None else " ".join(str(v).split()) for v in values])
            except BROKEN as err:
                raise refuse(path, "not a readable workbook", "Save it as .xlsx again.", str(err)[:200]) from err
    return found


def find_sheets(
    path: PathLike, wanted: Mapping[str, Iterable[str]], required: Sequence[str], sheet: str | None = None
) -> list[tuple[str, int]]:
    """Sheets with such a header, and the row in which it stands.

    Parameters
    ----------
    path : path-like
        Workbook.
    wanted, required
        As in :func:`read_table`.
    sheet : str, optional
        Look at this one only.

    Returns
    -------
    list of (str, int)
        In the order of the workbook; empty where no sheet fits.

    Raises
    ------
    SourceError
        Not a workbook.
    """
    out = []
    for name, rows in first_rows(path, sheet).items():
        row = next((k for k, cells in enumerate(rows) if _fits(cells, wanted, required)), None)
        if row is not None:
            out.append((name, row))
    return out

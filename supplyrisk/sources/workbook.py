"""Workbooks, opened once and read sheet by sheet: nothing is evaluated, and only the sheets asked for are parsed.

openpyxl's own read-only mode parses every sheet of a workbook whenever it is opened, to find out how large they are;
here its parsers read strings and styles once, and each sheet when it is wanted.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import SourceError
from .report import PathLike, refuse

__all__ = ["BROKEN", "FOREIGN", "Book", "foreign", "open_book"]

FOREIGN = (".xls", ".xlsb", ".ods", ".numbers")  # workbooks that are not read

BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, OSError, SyntaxError, IndexError,
          AttributeError, RuntimeError, NotImplementedError)  # fmt: skip


class Book:
    """An open workbook: names of its sheets, and their rows as values.

    Attributes
    ----------
    names : list of str
        Sheets, as they stand.
    hollow : int
        Formula cells met so far that hold no stored value: they read as empty.
    """

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._paths = {str(sheet.name): str(rel.target) for sheet, rel in reader.parser.find_sheets()}
        self.names = [n for n, path in self._paths.items() if path in reader.valid_files]
        self.hollow = 0

    def rows(self, name: str) -> Iterator[tuple[int, list[Any]]]:
        """Number (from 1) and values of each row that the sheet states, gaps filled with None."""
        from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

        book = self
        workbook = self._reader.wb

        class Parser(WorkSheetParser):  # type: ignore[misc]
            def parse_cell(self, element: Any) -> dict[str, Any]:
                cell: dict[str, Any] = super().parse_cell(element)
                if cell["value"] is None and element.find(FORMULA_TAG) is not None:
                    book.hollow += 1
                return cell

        with self._reader.archive.open(self._paths[name]) as source:
            parser = Parser(
                source,
                self._reader.shared_strings,
                data_only=True,
                epoch=workbook.epoch,
                date_formats=workbook._date_formats,
                timedelta_formats=workbook._timedelta_formats,
            )
            for number, cells in parser.parse():
                values: list[Any] = [None] * max((c["column"] for c in cells), default=0)
                for cell in cells:
                    values[cell["column"] - 1] = cell["value"]
                yield number, values


def foreign(file: Path) -> SourceError:
    """What is said of a workbook that is no xlsx."""
    kind = file.suffix.lower()
    rule = "a binary workbook, another format than .xlsx" if kind == ".xlsb" else "a workbook in another format"
    return refuse(file, rule, "Open it in a spreadsheet program and save it as .xlsx, or its sheet as csv.", kind)


@contextmanager
def open_book(path: PathLike) -> Iterator[Book]:
    """Open a workbook that cannot be trusted.

    Parameters
    ----------
    path : path-like
        xlsx or xlsm.

    Yields
    ------
    Book

    Raises
    ------
    SourceError
        Absent, no workbook, or growth beyond all measure.
    """
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.styles.stylesheet import apply_stylesheet
    from openpyxl.utils.exceptions import InvalidFileException

    from .base import check_member

    file = Path(path)
    if not file.is_file():
        raise refuse(file, "no such file", "Check the path.")
    if file.suffix.lower() in FOREIGN:
        raise foreign(file)
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                check_member(file, info)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
            reader.read_manifest()
            reader.read_strings()
            reader.read_workbook()
            apply_stylesheet(reader.archive, reader.wb)
            book = Book(reader)
    except (*BROKEN, InvalidFileException) as err:
        raise refuse(file, "not a readable workbook", "Save it as .xlsx again.", str(err)[:200]) from err
    try:
        yield book
    finally:
        reader.archive.close()

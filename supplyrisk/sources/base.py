"""What every reader shares: opening files that cannot be trusted, counting what was read, naming what was not.

A published file is data, never code: nothing in it is executed, no path in it is followed, no cell is believed to be
small. Readers return a :class:`Reading`: typed tables for the graph, the tidy frame behind them, and a report of what
was read, dropped, unmapped and withheld.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError

__all__ = [
    "MAX_CELL",
    "MAX_MEMBER",
    "Reading",
    "Report",
    "files_in",
    "find_columns",
    "numbers",
    "open_binary",
    "read_delimited",
    "read_sheet",
    "source_row",
]

MAX_CELL = 1_000_000  # characters; statistics have no longer cells, and a 10 MB one is an attack or an accident
MAX_MEMBER = 8 << 30  # bytes that one compressed member may grow to
MAX_RATIO = 250.0  # compressed text seldom shrinks more than fiftyfold
PathLike = str | os.PathLike[str]


@dataclass
class Report:
    """What a reader did with a file.

    Parameters
    ----------
    source : str
        Registered name of the reader.
    path : str
        Name of what was read, without its folders.
    licence_class : str
        Class of the terms of the data.
    vintage : str
        Release or year that the file says it is.
    rows_read : int
        Rows seen.
    dropped : list of dict
        ``reason, rows, value`` of rows left out.
    unmapped : list of dict
        ``kind, name, rows, value_share`` of names that no concordance knows.
    missing : dict
        Missingness code to number of cells.
    notes : list of str
        What a reader of the figures must know.
    """

    source: str
    path: str
    licence_class: str
    vintage: str = ""
    rows_read: int = 0
    dropped: list[dict[str, Any]] = field(default_factory=list)
    unmapped: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def drop(self, reason: str, rows: int, value: float | None = None) -> None:
        """Count rows left out, and why."""
        if not rows:
            return
        for entry in self.dropped:
            if entry["reason"] == reason:
                entry["rows"] += int(rows)
                if value is not None:
                    entry["value"] = (entry["value"] or 0.0) + value
                return
        self.dropped.append({"reason": reason, "rows": int(rows), "value": value})

    def unknown(self, kind: str, names: pd.Series, value: pd.Series | None = None) -> None:
        """Record names that no concordance knows, with their share of value where there is one.

        ``value`` holds all rows, not only the unknown ones: the share is of all. A name met again in a later part of
        the same file adds its rows and keeps its larger share.
        """
        if not len(names):
            return
        before = {(u["kind"], u["name"]): u for u in self.unmapped}
        total = float(value.sum()) if value is not None else 0.0
        parts = value.reindex(names.index).groupby(names.astype("str")).sum() if value is not None and total else None
        for name, rows in names.value_counts().items():
            part = float(parts.get(str(name), 0.0)) / total if parts is not None else None
            entry = before.get((kind, str(name)[:120]))
            if entry is None:
                self.unmapped.append({"kind": kind, "name": str(name)[:120], "rows": int(rows), "value_share": part})
                continue
            entry["rows"] += int(rows)
            if part is not None:
                entry["value_share"] = max(part, entry["value_share"] or 0.0)

    @property
    def rows_dropped(self) -> int:
        """Rows left out, in all."""
        return sum(d["rows"] for d in self.dropped)

    def frame(self) -> pd.DataFrame:
        """The report as a table: what, detail, rows, share of value."""
        rows = [{"what": "read", "detail": self.path, "rows": self.rows_read, "value_share": None}]
        rows += [
            {"what": "dropped", "detail": d["reason"], "rows": d["rows"], "value_share": None} for d in self.dropped
        ]
        rows += [
            {"what": f"unmapped {u['kind']}", "detail": u["name"], "rows": u["rows"], "value_share": u["value_share"]}
            for u in self.unmapped
        ]
        rows += [{"what": "missing", "detail": k, "rows": v, "value_share": None} for k, v in self.missing.items()]
        rows += [{"what": "note", "detail": n, "rows": None, "value_share": None} for n in self.notes]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        out = [f"{self.source}: {self.path} ({self.vintage or 'vintage not stated'}; {self.licence_class})"]
        out.append(f"  {self.rows_read:,} rows read, {self.rows_dropped:,} dropped")
        out += [f"  dropped {d['rows']:,}: {d['reason']}" for d in self.dropped]
        for u in self.unmapped[:10]:
            share = "" if u["value_share"] is None else f", {u['value_share']:.2%} of value"
            out.append(f"  unmapped {u['kind']} {u['name']!r}: {u['rows']} rows{share}")
        if len(self.unmapped) > 10:
            out.append(f"  ... and {len(self.unmapped) - 10} more unmapped names")
        out += [f"  {n} cells {code}" for code, n in self.missing.items()]
        out += [f"  note: {n}" for n in self.notes]
        return "\n".join(out)


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader returns.

    Parameters
    ----------
    tables : mapping
        Tables of the data model that the file fills, ready for :meth:`SupplyGraph.overlay` or
        :func:`supplyrisk.assemble`.
    data : DataFrame
        The tidy frame behind them, in the publisher's own terms, with every row that was kept.
    report : Report
        What was read, dropped, unmapped and withheld.
    inputs : mapping
        The same as keyword arguments of :func:`supplyrisk.assemble.assemble`: ``products, production, trade,
        concordance, demand, sourcing``, as far as the file fills them.
    """

    tables: Mapping[str, pd.DataFrame]
    data: pd.DataFrame
    report: Report
    inputs: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{k} {len(v):,}" for k, v in {**self.inputs, **self.tables}.items())
        return f"<Reading of {self.report.path}: {sizes or 'no tables'}; {len(self.data):,} rows of data>"


def _refuse(path: PathLike, rule: str, remedy: str, value: str = "", row: str = "-") -> SourceError:
    name = Path(path).name
    return SourceError([Problem(name, row, "-", rule, value, remedy)], f"the file {name}")


@contextmanager
def open_binary(path: PathLike, member: str | None = None) -> Iterator[IO[bytes]]:
    """Open a plain, gzipped or zipped file as bytes; a zip must hold one data file, and no bomb.

    Parameters
    ----------
    path : path-like
        File.
    member : str, optional
        Member of a zip with several.

    Yields
    ------
    binary file

    Raises
    ------
    SourceError
        Absent, a folder, an archive in an archive, several members, or growth beyond all measure.
    """
    file = Path(path)
    if not file.exists():
        raise _refuse(file, "no such file", "Check the path.", str(file.name))
    if file.is_dir():
        raise _refuse(file, "is a folder", "Give a file; readers that take a folder of years say so.")
    head = b""
    with file.open("rb") as raw:
        head = raw.read(4)
    if head[:2] == b"\x1f\x8b":
        with gzip.open(file, "rb") as packed:
            yield io.BufferedReader(_Metered(packed, file, file.stat().st_size), 1 << 20)
        return
    if head[:4] == b"PK\x03\x04" and file.suffix.lower() not in (".xlsx", ".xlsm", ".ods"):
        try:
            archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile as err:
            raise _refuse(file, "damaged zip archive", "Download it again.", str(err)) from err
        with archive:
            infos = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX")]
            if member is not None:
                infos = [i for i in infos if i.filename == member]
            data = [
                i
                for i in infos
                if Path(i.filename).suffix.lower() in (".csv", ".tsv", ".txt", ".parquet", ".gz", ".zip")
            ]
            if any(Path(i.filename).suffix.lower() in (".zip", ".gz") for i in data):
                raise _refuse(file, "an archive inside an archive", "Unpack it first.")
            if len(data) != 1:
                names = ", ".join(i.filename for i in infos[:8]) or "nothing"
                raise _refuse(file, "a zip must hold exactly one data file here", "Name it with member=.", names)
            check_member(file, data[0])
            try:
                unpacked = archive.open(data[0])
            except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as err:
                raise _refuse(file, "cannot be unpacked", "Unpack it first.", str(err)) from err
            with unpacked:
                yield unpacked
        return
    with file.open("rb") as stream:
        yield stream


def check_member(path: PathLike, info: zipfile.ZipInfo) -> None:
    """Refuse a member of an archive that grows beyond all measure, or that is itself an archive or a link."""
    if info.file_size > MAX_MEMBER or info.file_size > MAX_RATIO * max(info.compress_size, 1 << 12):
        value = f"{info.file_size:,} bytes from {info.compress_size:,}"
        raise _refuse(path, "unpacks to far more than statistics do", "Unpack it yourself, if you trust it.", value)
    if Path(info.filename).suffix.lower() in (".zip", ".gz"):
        raise _refuse(path, "an archive inside an archive", "Unpack it first.")
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        raise _refuse(path, "an archive with a link in it", "Give the file itself.")


class _Metered(io.RawIOBase):
    """A gzip stream that stops where it grows beyond what text compresses to."""

    def __init__(self, stream: io.BufferedIOBase, path: Path, size: int) -> None:
        self.stream, self.path, self.seen = stream, path, 0
        self.limit = min(max(size, 1 << 12) * MAX_RATIO, MAX_MEMBER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self.stream.read(len(buffer))
        self.seen += len(chunk)
        if self.seen > self.limit:
            raise _refuse(self.path, "unpacks to far more than statistics do", "Unpack it yourself, if you trust it.")
        buffer[: len(chunk)] = chunk
        return len(chunk)


def read_text(
    path: PathLike, encodings: Iterable[str] = ("utf-8-sig", "cp1252"), member: str | None = None
) -> tuple[str, str]:
    """Whole text of a file and the encoding that it turned out to have.

    Parameters
    ----------
    path : path-like
        Plain, gzipped or zipped file.
    encodings : iterable of str
        Tried in turn; a byte-order mark decides by itself.
    member : str, optional
        Member of a zip with several.

    Returns
    -------
    tuple of (str, str)
    """
    with open_binary(path, member) as stream:
        try:
            raw = stream.read()
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError) as err:
            raise _refuse(path, "damaged or truncated", "Download it again.", str(err)) from err
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ("utf-16",)
    if b"\x00" in raw[:4096] and raw[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise _refuse(path, "binary, not text", "Give the file in its published format.")
    tried = []
    for encoding in encodings:
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError as err:
            tried.append(f"{encoding}: {err.reason} at byte {err.start}")
    raise _refuse(path, "in none of the known encodings", "Save it as UTF-8.", "; ".join(tried))


def read_delimited(
    path: PathLike,
    report: Report,
    *,
    delimiter: str | None = None,
    encodings: Iterable[str] = ("utf-8-sig", "cp1252"),
    required: Iterable[str] = (),
    member: str | None = None,
    header_row: int = 0,
) -> pd.DataFrame:
    """Read a delimited text file as text cells; ragged rows are dropped and counted, never shifted.

    Parameters
    ----------
    path : path-like
        Plain, gzipped or zipped file.
    report : Report
        Counts go here.
    delimiter : str, optional
        Default: the one of ``, ; tab |`` that the header holds most often.
    encodings : iterable of str
        Tried in turn.
    required : iterable of str
        Header names that must be there; matched without regard to case and spaces.
    member : str, optional
        Member of a zip with several.
    header_row : int
        Lines before the header.

    Returns
    -------
    DataFrame
        All cells text, header names stripped; no type is guessed.

    Raises
    ------
    SourceError
        No header, duplicate header names, absent columns, or a cell beyond :data:`MAX_CELL`.
    """
    text, _ = read_text(path, encodings, member)
    lines = io.StringIO(text, newline="")
    for _ in range(header_row):
        lines.readline()
    start = lines.tell()
    first = lines.readline()
    if not first.strip():
        raise _refuse(path, "empty, or without a header", "Give a file with a header line.")
    lines.seek(start)
    if delimiter is None:
        delimiter = max(",;\t|", key=first.count)
    before = csv.field_size_limit(MAX_CELL)
    header: list[str] = []
    rows: list[list[str]] = []
    ragged = 0
    try:
        for k, cells in enumerate(csv.reader(lines, delimiter=delimiter)):
            if k == 0:
                header = [" ".join(c.split()) for c in cells]
            elif not cells or not any(cells):
                continue
            elif len(cells) == len(header):
                rows.append(cells)
            elif len(cells) < len(header) and k and not any(header[len(cells) :]):
                rows.append(cells + [""] * (len(header) - len(cells)))
            elif len(cells) > len(header) and not any(cells[len(header) :]):
                rows.append(cells[: len(header)])
            else:
                ragged += 1
    except csv.Error as err:
        raise _refuse(
            path, "cannot be read as a table", f"Cells may hold {MAX_CELL:,} characters at most.", str(err)
        ) from err
    finally:
        csv.field_size_limit(before)
    _check_header(path, header, required)
    report.rows_read += len(rows) + ragged
    report.drop("another number of cells than the header", ragged)
    frame = pd.DataFrame(rows, columns=header, dtype="string")
    return frame.loc[:, [bool(h) for h in header]]


def _check_header(path: PathLike, header: list[str], required: Iterable[str]) -> None:
    """Every name once, and every required name there; all faults at once."""
    name, named = Path(path).name, [h for h in header if h]
    count = Counter(named)
    problems = [
        Problem(name, "header", t[:80], "column stands twice", "", "Keep one of the two.")
        for t in sorted(t for t, n in count.items() if n > 1)
    ]
    have = {plain(h) for h in named}
    shown = ", ".join(h[:40] for h in named[:12])
    problems += [
        Problem(name, "header", r, "column is absent", shown, "Is this the format that the reader is for?")
        for r in required
        if plain(r) not in have
    ]
    if problems:
        raise SourceError(problems, f"the file {name}")


def plain(name: object) -> str:
    """A header or commodity name as it is compared: letters and digits only, case folded."""
    return re.sub(r"[^0-9a-z]", "", str(name).casefold())


def find_columns(
    path: PathLike, columns: Iterable[object], wanted: Mapping[str, Iterable[str]], required: Iterable[str] = ()
) -> dict[str, str]:
    """Which column of a file plays which part; spelling, case and spaces do not matter.

    Parameters
    ----------
    path : path-like
        File, for the error.
    columns : iterable of str
        Header as it stands.
    wanted : mapping
        Part to the names that publishers give it, best first.
    required : iterable of str
        Parts without which the file cannot be read.

    Returns
    -------
    dict of str to str
        Part to column, for the parts that were found.

    Raises
    ------
    SourceError
        Required parts are absent; all of them are named.

    Examples
    --------
    >>> find_columns("f.csv", ["Trade Value (US$)", "Year"], {"value": ["trade value us"], "year": ["t", "year"]})
    {'value': 'Trade Value (US$)', 'year': 'Year'}
    """
    have: dict[str, str] = {}
    for c in columns:
        have.setdefault(plain(c), str(c))
    out = {}
    for part, names in wanted.items():
        hit = next((have[plain(n)] for n in names if plain(n) in have), None)
        if hit is not None:
            out[part] = hit
    shown = ", ".join(str(c)[:40] for c in list(columns)[:12])
    problems = [
        Problem(Path(path).name, "header", part, "column is absent", shown, f"Names known: {', '.join(wanted[part])}.")
        for part in required
        if part not in out
    ]
    if problems:
        raise SourceError(problems, f"the file {Path(path).name}")
    return out


_NUMBER = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+|\.)?([eE][-+]?\d{1,3})?")
_DECIMAL_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+,\d+|\d+,\d{1,2}|\d+,\d{4,})")
_BOUND = re.compile(r"(<=?|>=?|\u2264|\u2265)\s*(\d[\d,]*(?:\.\d+)?)")
_RANGE = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*(?:-|\u2013|\u2014|to)\s*(\d[\d,]*(?:\.\d+)?)")
_CODES = {
    "": "empty", "w": "withheld", "na": "not_available", "n/a": "not_available", "n.a.": "not_available",
    "..": "not_available", "...": "not_available", "nan": "not_available", "null": "not_available", "xx": "not_applicable",
    "x": "not_applicable", "e": "net_exporter", "s": "less_than_half_unit", "(s)": "less_than_half_unit",
}  # fmt: skip
_ZERO = frozenset(["—", "--", "---", "----", "-----", "–", "-", "nil"])


def numbers(cells: pd.Series, decimal: str = ".", percent: bool = False) -> pd.DataFrame:
    """Numbers as statisticians print them; every code is kept apart from zero and from each other.

    Parameters
    ----------
    cells : Series
        Text cells.
    decimal : {".", ","}
        Decimal mark; the other one parts thousands. With ``"."`` a cell like ``1.234,5`` is never guessed at.
    percent : bool
        Bounds such as ``>50`` close at 100.

    Returns
    -------
    DataFrame
        ``value, low, high, code``, indexed as the cells. ``code`` is empty for a number; else ``zero`` (a dash),
        ``withheld`` (W), ``not_available`` (NA), ``not_applicable`` (XX), ``net_exporter`` (E), ``bound`` (``>50``,
        ``<0.1``), ``range`` (``330 - 390``), ``less_than_half_unit`` (s), ``empty``, ``decimal_comma`` or ``text``.
        Bounds and ranges have no value: they have ``low`` and ``high``.

    Examples
    --------
    >>> numbers(pd.Series(["1,234.5", "W", "--", ">50", "1.234,5"]), percent=True)["code"].tolist()
    ['', 'withheld', 'zero', 'bound', 'decimal_comma']
    >>> numbers(pd.Series(["1,234.5", "--", ">50"]), percent=True)[["value", "low", "high"]].sum().tolist()
    [1234.5, 50.0, 100.0]
    """
    found = {v: _number(v, decimal, percent) for v in cells.dropna().unique()}
    blank = (np.nan, np.nan, np.nan, "empty")
    rows = [blank if v is pd.NA or v is None or v != v else found[v] for v in cells.astype("object")]
    return pd.DataFrame(rows, columns=["value", "low", "high", "code"], index=cells.index)


def _number(cell: object, decimal: str, percent: bool) -> tuple[float, float, float, str]:
    nan = float("nan")
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return (float(cell), nan, nan, "") if np.isfinite(cell) else (nan, nan, nan, "not_available")
    text = " ".join(str(cell).replace("\xa0", " ").replace("\u202f", " ").replace("\u2212", "-").split())
    if text.casefold() in _CODES:
        return nan, nan, nan, _CODES[text.casefold()]
    if text in _ZERO:
        return 0.0, nan, nan, "zero"
    if percent and text.endswith("%"):
        text = text[:-1].strip()
    if len(text) > 60:
        return nan, nan, nan, "text"
    if decimal == ",":
        text = text.replace(".", "").replace(" ", "").replace(",", ".")
    elif _DECIMAL_COMMA.fullmatch(text):
        return nan, nan, nan, "decimal_comma"
    if any(c.isdigit() for c in text):
        if _NUMBER.fullmatch(text):
            value = float(text.replace(",", ""))
            return (value, nan, nan, "") if np.isfinite(value) else (nan, nan, nan, "text")
        hit = _BOUND.fullmatch(text)
        if hit:
            bound = float(hit[2].replace(",", ""))
            if hit[1][0] in "<\u2264":
                return nan, 0.0, bound, "bound"
            return nan, bound, 100.0 if percent else nan, "bound"
        hit = _RANGE.fullmatch(text)
        if hit:
            low, high = (float(h.replace(",", "")) for h in hit.groups())
            if low <= high:
                return nan, low, high, "range"
    return nan, nan, nan, "text"


def refuse_decimal_comma(path: PathLike, cells: pd.Series, parsed: pd.DataFrame) -> None:
    """A column with ``1.234,5`` in it makes ``1.234`` ambiguous too: say so rather than read it a thousandfold wrong."""
    bad = parsed["code"] == "decimal_comma"
    if bad.any():
        shown = ", ".join(repr(str(v)) for v in cells[bad].head(3))
        raise _refuse(path, "numbers with a decimal comma", 'Give decimal="," if they are.', shown, str(bad.idxmax()))


def read_sheet(
    path: PathLike,
    report: Report,
    *,
    sheet: str | None = None,
    header_row: int = 0,
    required: Iterable[str] = (),
    max_rows: int = 2_000_000,
) -> pd.DataFrame:
    """Read one sheet of an xlsx workbook as text cells; formulas are neither evaluated nor trusted.

    Parameters
    ----------
    path : path-like
        Workbook.
    report : Report
        Counts go here; formula cells are noted, and read as the value that was last stored, if any.
    sheet : str, optional
        Name; default the first sheet.
    header_row : int
        Rows before the header.
    required : iterable of str
        Header names that must be there.
    max_rows : int
        Refuse longer sheets.

    Returns
    -------
    DataFrame
        Text cells; dates as ISO text.

    Raises
    ------
    SourceError
        Not a workbook, no such sheet, absent or duplicate headers, growth beyond all measure.
    """
    import warnings

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    file = Path(path)
    if not file.is_file():
        raise _refuse(file, "no such file", "Check the path.")
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                check_member(file, info)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, OSError, SyntaxError) as err:
        raise _refuse(file, "not a readable workbook", "Save it as .xlsx again.", str(err)[:200]) from err
    try:
        name = sheet or book.sheetnames[0]
        if name not in book.sheetnames:
            raise _refuse(file, "no such sheet", f"There are {', '.join(book.sheetnames[:20])}.", name)
        header: list[str] = []
        rows: list[list[str]] = []
        for k, row in enumerate(book[name].iter_rows(min_row=header_row + 1, values_only=True)):
            cells = [_cell(v) for v in row]
            if k == 0:
                header = [" ".join(c.split()) for c in cells]
            elif any(cells):
                if any(len(c) > MAX_CELL for c in cells):
                    raise _refuse(file, "a cell beyond all measure", f"{MAX_CELL:,} characters at most.", row=str(k))
                rows.append((cells + [""] * len(header))[: len(header)])
            if k > max_rows:
                raise _refuse(file, "more rows than statistics have", f"{max_rows:,} at most.")
    except (KeyError, ValueError, TypeError, SyntaxError, zipfile.BadZipFile, zlib.error) as err:
        raise _refuse(file, "not a readable workbook", "Save it as .xlsx again.", str(err)[:200]) from err
    finally:
        book.close()
    if not any(header):
        raise _refuse(file, "empty, or without a header", "Give a sheet with a header row.", name)
    _check_header(file, header, required)
    report.rows_read += len(rows)
    formulas = sum(c.startswith("=") for row in rows for c in row)
    if formulas:
        report.notes.append(f"{formulas} cells hold formulas as text; they were not evaluated")
    frame = pd.DataFrame(rows, columns=header, dtype="string")
    return frame.loc[:, [bool(h) for h in header]]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def files_in(folder: PathLike, suffixes: Iterable[str]) -> list[Path]:
    """Data files of a folder, sorted; links that lead out of it are refused.

    Parameters
    ----------
    folder : path-like
        Folder.
    suffixes : iterable of str
        Endings that count, e.g. ``(".csv", ".csv.gz")``.

    Returns
    -------
    list of Path
    """
    root = Path(folder).resolve()
    ends = tuple(suffixes)
    out = []
    for path in sorted(Path(folder).iterdir()):
        if not path.name.lower().endswith(ends) or path.name.startswith("."):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise _refuse(path, "a link that leads out of the folder", "Copy the file into the folder.")
        if path.is_file():
            out.append(path)
    if not out:
        raise _refuse(folder, "no data file in the folder", f"Expected files that end in {', '.join(ends)}.")
    return out


def source_row(source: str, title: str, year: int | None, licence: str, licence_class: str, **kw: Any) -> pd.DataFrame:
    """One row of the ``sources`` table.

    Parameters
    ----------
    source, title, licence, licence_class : str
        As the table's columns.
    year : int, optional
        Year of publication.
    **kw
        Further columns.

    Returns
    -------
    DataFrame
    """
    return pd.DataFrame(
        [{"source": source, "title": title, "year": year, "licence": licence, "licence_class": licence_class, **kw}]
    )

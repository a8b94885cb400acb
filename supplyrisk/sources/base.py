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
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pandas as pd

from ..errors import Problem, SourceError

__all__ = ["MAX_CELL", "MAX_MEMBER", "Reading", "Report", "files_in", "open_binary", "read_delimited", "source_row"]

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
        if rows:
            self.dropped.append({"reason": reason, "rows": int(rows), "value": value})

    def unknown(self, kind: str, names: pd.Series, value: pd.Series | None = None) -> None:
        """Record names that no concordance knows, with their share of value where there is one."""
        if not len(names):
            return
        total = float(value.sum()) if value is not None else float("nan")
        for name, rows in names.value_counts().items():
            part = float(value[names.index][names == name].sum()) / total if value is not None and total else None
            self.unmapped.append({"kind": kind, "name": str(name), "rows": int(rows), "value_share": part})

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
    """

    tables: Mapping[str, pd.DataFrame]
    data: pd.DataFrame
    report: Report

    def __repr__(self) -> str:
        sizes = ", ".join(f"{k} {len(v):,}" for k, v in self.tables.items())
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
        with gzip.open(file, "rb") as stream:
            yield io.BufferedReader(_Metered(stream, file, file.stat().st_size), 1 << 20)
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
            info = data[0]
            if info.file_size > MAX_MEMBER or info.file_size > MAX_RATIO * max(info.compress_size, 1 << 12):
                raise _refuse(file, "unpacks to far more than statistics do", "Unpack it yourself, if you trust it.",
                              f"{info.file_size:,} bytes from {info.compress_size:,}")  # fmt: skip
            with archive.open(info) as stream:
                yield stream
        return
    with file.open("rb") as stream:
        yield stream


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
        except (EOFError, OSError, zipfile.BadZipFile) as err:
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
    lines = text.splitlines(keepends=True)
    if len(lines) <= header_row or not lines[header_row].strip():
        raise _refuse(path, "empty, or without a header", "Give a file with a header line.")
    if delimiter is None:
        delimiter = max(",;\t|", key=lines[header_row].count)
    before = csv.field_size_limit(MAX_CELL)
    header: list[str] = []
    rows: list[list[str]] = []
    ragged = 0
    try:
        for k, cells in enumerate(csv.reader(lines[header_row:], delimiter=delimiter)):
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
    named = [h for h in header if h]
    twice = sorted({h for h in named if named.count(h) > 1})
    problems = [Problem(Path(path).name, "header", t, "column stands twice", "", "Keep one of the two.") for t in twice]
    have = {h.casefold().replace(" ", "") for h in named}
    problems += [
        Problem(
            Path(path).name,
            "header",
            r,
            "column is absent",
            ", ".join(named[:12]),
            "Is this the format that the reader is for?",
        )
        for r in required
        if r.casefold().replace(" ", "") not in have
    ]
    if problems:
        raise SourceError(problems, f"the file {Path(path).name}")
    report.rows_read += len(rows) + ragged
    report.drop("another number of cells than the header", ragged)
    frame = pd.DataFrame(rows, columns=header, dtype="string")
    return frame.loc[:, [bool(h) for h in header]]


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

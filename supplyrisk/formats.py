"""A graph as files that other people's tools open: csv folder, xlsx, SQLite, GraphML, JSON, parquet; and back, exactly.

Nothing is lost on the way: units, sources, intervals, missingness codes, dates and the graph's history come back as they
were, and equal graphs have equal fingerprints. Files are written beside their place and moved there once they are whole.
Text is data: what a spreadsheet would take for a formula is written with an apostrophe before it, and characters that a
format cannot hold as ``_x0007_``; reading takes both back.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from .celltext import Frames, Meta, PathLike, as_table, escape, number, records, refuse, shown, tame, unescape, untame
from .errors import Problem, SourceError, SupplyRiskError, unknown_name
from .graph import SupplyGraph
from .graphml import read_graphml, write_graphml
from .intervals import policy_from_json
from .overlays import beneath_from_json, warn_of_private_rows
from .schema import TABLES, data_dictionary
from .sharing import PUBLIC_LICENCES, public_part
from .storage import SCHEMA_VERSION, as_written, atomic_directory, described

__all__ = ["FORMATS", "PUBLIC_LICENCES", "export", "read", "write"]

FORMATS = ("parquet", "csv", "xlsx", "sqlite", "graphml", "json")

_SUFFIX = {".xlsx": "xlsx", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".graphml": "graphml",
           ".json": "json", "": "parquet"}  # fmt: skip
_EXCEL_CELL, _EXCEL_ROWS = 32_767, 1_048_575
_MAX_FILE = 4 << 30
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError)
_ABOUT = (
    "A supply graph: tables that belong together, one sheet or file each. Columns, units and admitted values are in the "
    "data dictionary. An empty figure says why in the column 'missing' beside it; empty never means zero. Text that "
    "starts with = + - @ ' or a tab is written with an apostrophe before it, so that no program takes it for a formula; "
    "_x0007_ stands for a character that the format cannot hold. Reading takes both back."
)


def write(graph: SupplyGraph, path: PathLike, format: str | None = None, *, private: bool = False) -> Path:
    """Write a graph as a file or folder that :func:`read` turns into the same graph.

    Parameters
    ----------
    graph : SupplyGraph
        Graph.
    path : path-like
        File, or folder for ``parquet`` and ``csv``. What is there is replaced as a whole and only at the end; a
        folder that was not written by this package is refused.
    format : {"parquet", "csv", "xlsx", "sqlite", "graphml", "json"}, optional
        Default: by the ending (``.xlsx``, ``.sqlite``, ``.db``, ``.graphml``, ``.json``); without one, ``parquet``.
    private : bool
        Rows of overlays and of private sources are meant to be in the file; else there is a warning.

    Returns
    -------
    Path

    Warns
    -----
    PrivateDataWarning
        The graph holds such rows. :func:`export` writes the graph without them.

    Raises
    ------
    UnknownNameError
        No such format, or an ending that says nothing.
    SourceError
        The place cannot be written to, or the format cannot hold the graph (rows or text too long for a sheet).

    Notes
    -----
    Quantities stay in the units of their products; the unit of each column stands in the data dictionary (csv, xlsx,
    sqlite), in the key of the attribute (graphml), beside the table (json) or in the field's metadata (parquet).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> graph = SupplyGraph.from_tables(name="empty")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read(write(graph, pathlib.Path(folder, "graph.json"))).fingerprint == graph.fingerprint
    True
    """
    target = Path(path)
    name = _format_of(target, format)
    if not private:
        warn_of_private_rows(graph.tables, target.name)
    if name == "parquet":
        return graph.to_parquet(target, private=True)
    meta = _meta(graph)
    frames = {k: graph.tables[k] for k in TABLES}
    if name == "csv":
        _write_csv(frames, meta, target)
        return target
    with _replaced(target) as work:
        _WRITERS[name](frames, meta, work)
    return target


def read(path: PathLike, format: str | None = None) -> SupplyGraph:
    """Read what :func:`write` wrote; the tables are validated like any others.

    Parameters
    ----------
    path : path-like
        File or folder.
    format : str, optional
        Default: told from the content, not from the name.

    Returns
    -------
    SupplyGraph
        With a line in its history if the content is not what was written.

    Raises
    ------
    SourceError
        Not a file that was written by this package, or damaged.
    SchemaError
        Tables that break the rules of the data model; all problems at once.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> graph = SupplyGraph.from_tables(name="empty")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read(write(graph, pathlib.Path(folder, "tables"), "csv"))
    <SupplyGraph 'empty': 0 products, 0 nodes, 0 links, as of no stated day>
    """
    file = Path(path)
    name = _told(file) if format is None else format
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS, "read()")
    if name == "parquet":
        return SupplyGraph.from_parquet(file)
    if not file.exists():
        raise refuse(file, "no such file", "Check the path.")
    if name != "csv" and file.stat().st_size > _MAX_FILE:
        raise refuse(file, "larger than any graph", "Give the file that write() returned.", f"{file.stat().st_size:,}")
    frames, meta = _READERS[name](file)
    if meta.get("schema") != SCHEMA_VERSION:
        raise refuse(
            file, "written with another data model", f"This version reads {SCHEMA_VERSION}.", repr(meta.get("schema"))
        )
    try:
        as_of, history, policy = meta.get("as_of"), [str(h) for h in meta["history"]], policy_from_json(meta["policy"])
        beneath = beneath_from_json(meta.get("beneath", {}))
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise refuse(file, "its own description is damaged", "Write the graph again.", str(err)[:200]) from err
    label = str(meta.get("name", "graph"))
    as_of = None if as_of is None else str(as_of)
    graph = SupplyGraph.from_tables(frames, name=label, as_of=as_of, history=history, policy=policy)
    return dataclasses.replace(as_written(graph, meta.get("fingerprint"), file.name), beneath=beneath)


def export(
    graph: SupplyGraph, path: PathLike, share: str = "public", format: str | None = None, *, minimum: int = 3
) -> pd.DataFrame:
    """Write the part of a graph that may be passed on, and say what was left out.

    Parameters
    ----------
    graph : SupplyGraph
        Graph.
    path : path-like
        As for :func:`write`.
    share : {"public", "all"}
        ``public`` leaves out what comes from sources that are private, restricted or non-commercial, and all rows of
        overlays, whatever source they cite; the public rows that overlays cover come back, and so does what an earlier
        public release said where a later one is left out. What was worked out of rows that are left out is worked out
        again of public ones (rests of world totals), kept where it follows from them, or left out. A country whose
        restricted output is in no sum stays as a producer without a figure, beside public ones. ``all`` is
        :func:`write` with a report.
    format : str, optional
        As for :func:`write`.
    minimum : int
        Producers of one product whose rows are restricted are added up to one anonymous producer if at least this many
        owners (three at the least; a row without a firm is an owner, the rest of a world total is none) make something,
        none of them more than 80 percent of the sum, and all but the two largest a tenth of the largest at least; other
        figures are dropped, and all where a public world total or public figures hold them. The sum stays ``restricted`` in its source's class. Figures of private and
        non-commercial sources and of overlays are never added up.

    Returns
    -------
    DataFrame
        ``table, what, reason, rows``: rows dropped, figures blanked, rows added up or restored. The same table stands beside the
        export as ``<name>.left_out.csv``. It counts; it names neither sources nor overlays.

    Raises
    ------
    UnknownNameError
        No such share or format.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(SupplyGraph.from_tables(), pathlib.Path(folder, "graph.json")).columns.tolist()
    ['table', 'what', 'reason', 'rows']
    """
    if share not in ("public", "all"):
        raise unknown_name("share", share, ("public", "all"), "export()")
    target = Path(path)
    name = _format_of(target, format)
    out, report = public_part(graph, minimum) if share == "public" else (graph, [])
    table = pd.DataFrame(report, columns=["table", "what", "reason", "rows"])
    write(out, target, name, private=True)
    with _replaced(target.with_name(f"{target.name}.left_out.csv")) as work:
        table.to_csv(work, index=False, lineterminator="\n")
    return table


# ---------------------------------------------------------------------- what all formats share


def _format_of(target: Path, name: str | None) -> str:
    if name is None:
        if target.suffix.lower() not in _SUFFIX and not target.is_dir():
            raise unknown_name("ending", target.suffix, [s for s in _SUFFIX if s], f"write({target.name!r})")
        return _SUFFIX.get(target.suffix.lower(), "parquet")
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS, "write()")
    return name


def _told(file: Path) -> str:
    """Format by what is there: marker files of folders, first bytes of files."""
    if file.is_dir():
        return "csv" if (file / "supplyrisk_csv.json").is_file() else "parquet"
    try:
        with file.open("rb") as stream:
            head = stream.read(64)
    except OSError as err:
        raise refuse(file, "cannot be read", "Check the path.", str(err.strerror)) from err
    if head.startswith(b"SQLite format 3\x00"):
        return "sqlite"
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"{"):
        return "json"
    if text.startswith(b"<"):
        return "graphml"
    raise refuse(file, "in none of the formats", f"Formats: {', '.join(FORMATS)}.", repr(head[:16]))


@contextmanager
def _replaced(target: Path) -> Iterator[Path]:
    """A temporary sibling that takes the target's place only if nothing failed."""
    if target.is_dir():
        raise refuse(target, "is a folder", "Give the path of a file.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    except OSError as err:
        raise refuse(target, "cannot be written to", "Give a folder that you may write to.", str(err.strerror)) from err
    os.close(handle)
    work = Path(name)
    try:
        yield work
        work.chmod(0o644)
        work.replace(target)
    finally:
        work.unlink(missing_ok=True)


def _meta(graph: SupplyGraph) -> Meta:
    return {"schema": SCHEMA_VERSION, **described(graph)}


def _dictionary() -> tuple[list[str], list[list[str]]]:
    frame = data_dictionary()
    return list(frame.columns), [[shown(v) for v in row] for row in records(frame)]


# ---------------------------------------------------------------------- csv folder


def _write_csv(frames: Frames, meta: Meta, target: Path) -> None:
    with atomic_directory(target, marker="supplyrisk_csv.json") as work:
        for name, frame in frames.items():
            _csv(work / f"{name}.csv", list(frame.columns), ([_shown_tame(v) for v in r] for r in records(frame)))
        _csv(work / "data_dictionary.csv", *_dictionary())
        (work / "README.txt").write_text(f"{_ABOUT}\n", encoding="utf-8")
        full = {**meta, "rows": {k: len(v) for k, v in frames.items()}}
        (work / "supplyrisk_csv.json").write_text(json.dumps(full, indent=1) + "\n", encoding="utf-8")


def _shown_tame(value: Any) -> str:
    return tame(value) if isinstance(value, str) else shown(value)


def _csv(file: Path, header: Sequence[str], rows: Any) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def _read_csv(folder: Path) -> tuple[Frames, Meta]:
    try:
        meta = json.loads((folder / "supplyrisk_csv.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise refuse(folder, "not a folder written by write()", "Give that folder.", str(err)) from err
    problems: list[Problem] = []
    frames: Frames = {}
    root = folder.resolve()
    for name, spec in TABLES.items():
        file = folder / f"{name}.csv"
        if not file.resolve().is_relative_to(root):
            problems.append(Problem(file.name, "-", "-", "a link that leads out of the folder", "", "Copy the file."))
            continue
        try:
            text = file.read_bytes().decode("utf-8-sig")
            header, rows = _parse_csv(text)
        except (OSError, UnicodeDecodeError, csv.Error) as err:
            problems.append(Problem(file.name, "-", "-", "cannot be read", str(err), "Write the graph again."))
            continue
        bad = [k + 2 for k, r in enumerate(rows) if len(r) != len(header)]
        for line in bad[:20]:
            problems.append(Problem(file.name, f"row {line}", "-", "another number of cells than the header", "", ""))
        if not bad:
            kinds = [spec.column(c).dtype if c in spec.names else "text" for c in header]
            frames[name] = as_table(spec, header, [[_cell(v, k) for v, k in zip(r, kinds, strict=True)] for r in rows])
    if problems:
        raise SourceError(problems, f"the folder {folder.name}")
    return frames, meta


def _parse_csv(text: str) -> tuple[list[str], list[list[str]]]:
    before = csv.field_size_limit(1 << 24)
    try:
        parsed = list(csv.reader(io.StringIO(text, newline="")))
    finally:
        csv.field_size_limit(before)
    return (parsed[0], [r for r in parsed[1:] if r]) if parsed else ([], [])


def _cell(text: str, dtype: str) -> Any:
    if text == "":
        return None
    return number(text, dtype) if dtype in ("float", "int") else untame(text)


# ---------------------------------------------------------------------- xlsx


def _write_xlsx(frames: Frames, meta: Meta, work: Path) -> None:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    _check_sheets(frames)
    book = openpyxl.Workbook(write_only=True)
    bold = Font(bold=True)

    def sheet(title: str, header: Sequence[str], rows: Any) -> None:
        page = book.create_sheet(title)
        page.freeze_panes = "A2"
        heads = [WriteOnlyCell(page, value=h) for h in header]
        for cell in heads:
            cell.font = bold
        page.append(heads)
        for row in rows:
            page.append([_sheet_cell(page, v, WriteOnlyCell) for v in row])

    facts = [("what", _ABOUT), *((k, part) for k, v in meta.items() for part in _parts(json.dumps(v)))]
    facts += [("sheet", f"{k}: {len(v)} rows; a row is {TABLES[k].meaning}") for k, v in frames.items()]
    sheet("README", ["key", "value"], [[k, v] for k, v in facts])
    for name, frame in frames.items():
        sheet(name, list(frame.columns), records(frame))
    sheet("data_dictionary", *_dictionary())
    book.save(work)


def _parts(text: str, size: int = _EXCEL_CELL // 8) -> list[str]:
    """A long text in pieces that each fit into a cell, whatever is escaped in them."""
    return [text[i : i + size] for i in range(0, len(text), size)]


def _check_sheets(frames: Frames) -> None:
    """Refuse what a sheet would cut off without a word: table, row and column, of the graph and not of a file."""
    where, remedy = "the graph to write as a workbook", "Write parquet, csv, sqlite or json."
    for name, frame in frames.items():
        if len(frame) > _EXCEL_ROWS:
            rule = "more rows than a sheet holds"
            raise SourceError([Problem(name, "-", "-", rule, f"{len(frame):,}", remedy)], where)
        for c in TABLES[name].columns:
            if c.dtype == "text":
                for i, text in frame.loc[frame[c.name].str.len().fillna(0) > _EXCEL_CELL // 8, c.name].items():
                    if len(tame(str(text))) > _EXCEL_CELL:
                        size, rule = f"{len(str(text)):,} characters", "text longer than a cell holds"
                        raise SourceError([Problem(name, f"row {i}", c.name, rule, size, remedy)], where)


def _sheet_cell(page: Any, value: Any, cell: Callable[..., Any]) -> Any:
    if isinstance(value, str):
        text = tame(value)
        out = cell(page, value=None)
        out.value, out.data_type = text, "s"  # never a formula, whatever it starts with
        return out
    if isinstance(value, float) and float(f"{value:.16g}") != value:
        out = cell(page, value=0.0)
        out._value = repr(value)  # the writer would keep 16 digits; a number has up to 17
        return out
    return value


def _read_xlsx(file: Path) -> tuple[Frames, Meta]:
    import warnings

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(i.file_size for i in archive.infolist())
        if size > _MAX_FILE or size > 400 * max(file.stat().st_size, 1 << 16):
            raise refuse(file, "unpacks to far more than a graph", "Give the file that write() returned.", f"{size:,}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except (*_BROKEN, InvalidFileException, KeyError, ValueError, TypeError, SyntaxError) as err:
        if isinstance(err, SourceError):
            raise
        raise refuse(file, "not a readable workbook", "Write the graph again.", str(err)[:200]) from err
    with closing(book):
        try:
            return _sheets(file, book)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, SyntaxError, *_BROKEN) as err:
            if isinstance(err, SupplyRiskError):
                raise
            raise refuse(file, "not a readable workbook", "Write the graph again.", str(err)[:200]) from err


def _sheets(file: Path, book: Any) -> tuple[Frames, Meta]:
    frames: Frames = {}
    if "README" not in book.sheetnames:
        raise refuse(file, "not a workbook written by write()", "Readers of other workbooks: sr.sources.tidy().")
    known = ("schema", "name", "as_of", "history", "fingerprint", "policy", "beneath")
    said: dict[str, str] = {}
    for row in book["README"].iter_rows(min_row=2, max_col=2, values_only=True):
        if row and row[0] in known:
            said[str(row[0])] = said.get(str(row[0]), "") + untame(str(row[1]))
    meta: Meta = {key: json.loads(text) for key, text in said.items()}
    for name, spec in TABLES.items():
        if name not in book.sheetnames:
            raise refuse(file, "a sheet is absent", "Write the graph again.", name)
        rows = [list(r) for r in book[name].iter_rows(values_only=True)]
        header = [str(h) for h in rows[0] if h is not None] if rows else []
        body = [[untame(v) or None if isinstance(v, str) else v for v in r] for r in rows[1:]]
        body = [(r + [None] * len(header))[: len(header)] for r in body]
        frames[name] = as_table(spec, header, [r for r in body if any(v is not None for v in r)])
    return frames, meta


# ---------------------------------------------------------------------- SQLite

_AFFINITY = {"text": "TEXT", "date": "TEXT", "float": "REAL", "int": "INTEGER", "bool": "INTEGER"}


def _write_sqlite(frames: Frames, meta: Meta, work: Path) -> None:
    with closing(sqlite3.connect(work)) as base, base:
        for name, frame in frames.items():
            spec = TABLES[name]
            columns = ", ".join(f'"{c}" {_AFFINITY[spec.column(c).dtype]}' for c in frame.columns)
            base.execute(f'CREATE TABLE "{name}" ({columns})')
            marks = ", ".join("?" * len(frame.columns))
            rows = ([escape(v) if isinstance(v, str) else v for v in r] for r in records(frame))
            base.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
        header, rows_ = _dictionary()
        columns = ", ".join(f'"{h}" TEXT' for h in header)
        base.execute(f"CREATE TABLE data_dictionary ({columns})")
        base.executemany(f"INSERT INTO data_dictionary VALUES ({', '.join('?' * len(header))})", rows_)
        base.execute("CREATE TABLE supplyrisk (key TEXT PRIMARY KEY, value TEXT)")
        base.executemany(
            "INSERT INTO supplyrisk VALUES (?, ?)",
            [("about", json.dumps(_ABOUT)), *((k, json.dumps(v)) for k, v in meta.items())],
        )


def _read_sqlite(file: Path) -> tuple[Frames, Meta]:
    frames: Frames = {}
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as base:
            base.execute("PRAGMA trusted_schema=OFF")
            have = {str(r[0]) for r in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            absent = sorted(({*TABLES, "supplyrisk"}) - have)
            if absent:
                raise refuse(file, "not a database written by write()", "Give that file.", ", ".join(absent[:5]))
            meta = {str(k): json.loads(v) for k, v in base.execute("SELECT key, value FROM supplyrisk")}
            for name, spec in TABLES.items():
                found = base.execute(f'SELECT * FROM "{name}"')
                header = [str(d[0]) for d in found.description]
                rows = [[unescape(v) if isinstance(v, str) else v for v in r] for r in found]
                frames[name] = as_table(spec, header, rows)
    except (sqlite3.Error, ValueError) as err:
        raise refuse(file, "damaged, or not such a database", "Write the graph again.", str(err)) from err
    return frames, meta


# ---------------------------------------------------------------------- JSON


def _write_json(frames: Frames, meta: Meta, work: Path) -> None:
    tables = {
        name: {
            "meaning": TABLES[name].meaning,
            "units": {c.name: c.unit for c in TABLES[name].columns if c.unit},
            "columns": list(frame.columns),
            "rows": list(records(frame)),
        }
        for name, frame in frames.items()
    }
    with work.open("w", encoding="utf-8") as stream:
        json.dump({"supplyrisk": meta, "about": _ABOUT, "tables": tables}, stream, allow_nan=False)
        stream.write("\n")


def _read_json(file: Path) -> tuple[Frames, Meta]:
    try:
        given = json.loads(file.read_text(encoding="utf-8-sig"))
        meta = dict(given["supplyrisk"])
        frames = {n: as_table(s, given["tables"][n]["columns"], given["tables"][n]["rows"]) for n, s in TABLES.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise refuse(file, "not a file written by write()", "Write the graph again.", str(err)[:200]) from err
    return frames, meta


_WRITERS: dict[str, Callable[[Frames, Meta, Path], None]] = {
    "xlsx": _write_xlsx, "sqlite": _write_sqlite, "json": _write_json, "graphml": write_graphml,
}  # fmt: skip
_READERS: dict[str, Callable[[Path], tuple[Frames, Meta]]] = {
    "csv": _read_csv, "xlsx": _read_xlsx, "sqlite": _read_sqlite, "json": _read_json, "graphml": read_graphml,
}  # fmt: skip

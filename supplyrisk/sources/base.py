"""What every reader shares: opening files that cannot be trusted, counting what was read, naming what was not.

A published file is data, never code: nothing in it is executed, no path in it is followed, no cell is believed to be
small. Readers return a :class:`Reading`: typed tables for the graph, the tidy frame behind them, and a report of what
was read, dropped, unmapped and withheld.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd

from ..errors import Problem, SourceError
from .cells import numbers, refuse_decimal_comma
from .quoting import END, noted, swallowed
from .report import PathLike, Reading, Report, plain, refuse, released
from .workbook import BROKEN, FOREIGN, Book, foreign, open_book

__all__ = [
    "MAX_CELL",
    "MAX_MEMBER",
    "PathLike",
    "Reading",
    "Report",
    "files_in",
    "find_columns",
    "looks_like",
    "numbers",
    "open_binary",
    "open_book",
    "parse_json",
    "plain",
    "read_columns",
    "read_delimited",
    "read_sheet",
    "read_text",
    "refuse",
    "refuse_decimal_comma",
    "released",
    "source_row",
]

MAX_CELL = 1_000_000  # characters; statistics have no longer cells, and a 10 MB one is an attack or an accident
MAX_MEMBER = 8 << 30  # bytes that one compressed member may grow to
_DOCUMENTS = (".md", ".rst", ".pdf", ".doc", ".docx", ".html", ".htm", ".rtf", ".odt", ".ppt", ".pptx")
MAX_RATIO = 250.0  # compressed text seldom shrinks more than fiftyfold


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
        Absent, a folder, a pipe, an archive in an archive, several members, or growth beyond all measure.
    """
    file = Path(path)
    if not file.exists():
        raise refuse(file, "no such file", "Check the path.", str(file.name))
    if file.is_dir():
        raise refuse(file, "is a folder", "Give a file; readers that take a folder say so.")
    if file.suffix.lower() in FOREIGN:
        raise foreign(file)
    if file.suffix.lower() in _DOCUMENTS:
        raise refuse(file, "a document, not data", "Give the csv, workbook or database that it describes.")
    if not file.is_file():
        raise refuse(file, "a pipe or a device, not a file", "Save what comes out of it as a file.")
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
            raise refuse(file, "damaged zip archive", "Download it again.", str(err)) from err
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
                raise refuse(file, "an archive inside an archive", "Unpack it first.")
            if len(data) != 1:
                names = ", ".join(i.filename for i in infos[:8]) or "nothing"
                remedy = "Unpack it, and give the file."
                raise refuse(file, "a zip must hold exactly one data file here", remedy, names)
            check_member(file, data[0])
            try:
                unpacked = archive.open(data[0])
            except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as err:
                raise refuse(file, "cannot be unpacked", "Unpack it first.", str(err)) from err
            with unpacked:
                yield unpacked
        return
    with file.open("rb") as stream:
        yield stream


def check_member(path: PathLike, info: zipfile.ZipInfo) -> None:
    """Refuse a member of an archive that grows beyond all measure, or that is itself an archive or a link."""
    if info.file_size > MAX_MEMBER or info.file_size > MAX_RATIO * max(info.compress_size, 1 << 12):
        value = f"{info.file_size:,} bytes from {info.compress_size:,}"
        raise refuse(path, "unpacks to far more than statistics do", "Unpack it yourself, if you trust it.", value)
    if Path(info.filename).suffix.lower() in (".zip", ".gz"):
        raise refuse(path, "an archive inside an archive", "Unpack it first.")
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        raise refuse(path, "an archive with a link in it", "Give the file itself.")


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
            raise refuse(self.path, "unpacks to far more than statistics do", "Unpack it yourself, if you trust it.")
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
            raise refuse(path, "damaged or truncated", "Download it again.", str(err)) from err
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ("utf-16",)
    if b"\x00" in raw[:4096] and raw[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise refuse(path, "binary, not text", "Give the file in its published format.")
    if raw[:3] == codecs.BOM_UTF8:  # the mark says UTF-8: a stray byte of another encoding makes no other of the whole
        return raw[3:].decode("utf-8", errors=_STRAY), "utf-8-sig"
    tried = []
    for encoding in encodings:
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError as err:
            tried.append(f"{encoding}: {err.reason} at byte {err.start}")
    raise refuse(path, "in none of the known encodings", "Save it as UTF-8.", "; ".join(tried))


_STRAY = "supplyrisk-stray-byte"


def _stray(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8, read as Windows does."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error(_STRAY, _stray)


_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str, report: Report) -> Any:
    r"""What json holds; half a character (an unpaired surrogate), which is no text, is shown as U+FFFD and noted.

    Parameters
    ----------
    text : str
        Of a file.
    report : Report
        Gets the note.

    Returns
    -------
    object

    Raises
    ------
    ValueError, RecursionError
        Not json, or nested beyond all measure: the caller says what it expected.

    Examples
    --------
    >>> parse_json(r'{"place": "\u00e9", "half": "\ud800"}', Report("", "", "")) == {"place": "\xe9", "half": "\ufffd"}
    True
    """
    given = json.loads(text)
    if not _ESCAPED_HALF.search(text):
        return given
    count = 0

    def whole(v: Any) -> Any:
        nonlocal count
        if isinstance(v, dict):
            return {whole(k): whole(x) for k, x in v.items()}
        if isinstance(v, list):
            return [whole(x) for x in v]
        if not isinstance(v, str):
            return v
        good = v.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        count += good != v
        return good

    given = whole(given)
    if count:
        report.notes.append(f"{count:,} texts with half a character (an unpaired surrogate), shown as \ufffd")
    return given


def read_delimited(
    path: PathLike,
    report: Report,
    *,
    delimiter: str | None = None,
    encodings: Iterable[str] = ("utf-8-sig", "cp1252"),
    required: Iterable[str] = (),
    member: str | None = None,
    header_row: int = 0,
    unnamed: str = "",
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
    unnamed : str
        Name of the first column where its header is empty; default none: such columns are left out.

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
        raise refuse(path, "empty, or without a header", "Give a file with a header line.")
    lines.seek(start)
    if delimiter is None:
        delimiter = max(",;\t|", key=first.count)
    report.delimiter = delimiter
    before = csv.field_size_limit(MAX_CELL)
    header: list[str] = []
    rows: list[list[str]] = []
    ragged = 0
    try:
        record: list[str] = []  # lines of the record at hand
        reader = csv.reader(noted(lines, record), delimiter=delimiter)
        last = 0
        for k, cells in enumerate(reader):
            at, last = last + 1, reader.line_num
            if cells == [END]:
                break
            said, record[:] = record[:], []
            if last > at and cells and swallowed(cells, said, len(header), delimiter):
                rule = "a quotation mark that is not closed: rows of the table are inside it"
                remedy = "Close it, or double it where it belongs to the text."
                raise refuse(path, rule, remedy, cells[0][:60].partition("\n")[0], f"line {header_row + at}")
            if k == 0:
                header = [" ".join(c.split()) for c in cells]
                if header and not header[0]:
                    header[0] = unnamed
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
        raise refuse(
            path, "cannot be read as a table", f"Cells may hold {MAX_CELL:,} characters at most.", str(err)
        ) from err
    finally:
        csv.field_size_limit(before)
    _check_header(path, header, required)
    report.rows_read += len(rows) + ragged
    report.drop("another number of cells than the header", ragged)
    frame = pd.DataFrame(rows, columns=header, dtype="string")
    return frame.loc[:, [bool(h) for h in header]]


def read_columns(path: PathLike, report: Report) -> pd.DataFrame:
    """Read a parquet file as text cells, as the readers of csv do: whole numbers without a point, missing cells empty.

    Parameters
    ----------
    path : path-like
        parquet.
    report : Report
        Counts go here.

    Returns
    -------
    DataFrame

    Raises
    ------
    SourceError
        Not a parquet file, duplicate names, or a column of lists, structures or bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = Path(path)
    if not file.is_file():
        raise refuse(file, "no such file", "Check the path.")
    try:
        with pq.ParquetFile(file) as reader:
            table = reader.read()
    except (OSError, pa.ArrowException) as err:
        raise refuse(file, "no readable parquet file", "Save it again.", str(err).splitlines()[0]) from err
    header = [" ".join(str(n).split()) for n in table.column_names]
    _check_header(file, header, ())
    out, odd = {}, []
    for name, column in zip(header, table.columns, strict=True):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            odd.append(name)
            continue
        cells = column.to_pylist()
        text = [_cell(v) if v == v else "" for v in cells]
        if any(len(t) > MAX_CELL for t in text):
            raise refuse(file, "a cell beyond all measure", f"{MAX_CELL:,} characters at most.", row=name)
        out[name] = pd.Series(text, dtype="string")
    if odd:
        report.notes.append(f"columns of lists, structures or bytes are not read: {', '.join(odd[:8])}")
    report.rows_read += table.num_rows
    return pd.DataFrame(out)


# Headers that tell what a file is, for the error of a reader that it is not for.
_LOOKS: tuple[tuple[set[str], str], ...] = (
    ({"countrycode", "countryiso3"}, "CEPII's country codes: give it to baci() as country_file="),
    ({"startid", "endid"}, "a table of the cobalt network: give its folder to cobalt_network()"),
    ({"amounttonnesraw"}, "a table of the cobalt network: give its folder to cobalt_network()"),
    ({"providerid", "providedid"}, "a table of the chip explorer: give its folder to eto_chipexplorer()"),
    ({"inputid", "goesintoid"}, "a table of the chip explorer: give its folder to eto_chipexplorer()"),
    ({"inputid", "inputname"}, "a table of the chip explorer: give its folder to eto_chipexplorer()"),
    ({"providerid", "providername"}, "a table of the chip explorer: give its folder to eto_chipexplorer()"),
    ({"stageid", "stagename"}, "a table of the chip explorer: give its folder to eto_chipexplorer()"),
    ({"hs6", "material"}, "a map from materials to headings: hs_map()"),
    ({"hscode", "eolrir2023"}, "a map from materials to headings: hs_map()"),
    ({"rawmaterial", "hscode"}, "a map from materials to headings: hs_map()"),
    ({"bgscommoditytrans"}, "the British Geological Survey's export: bgs()"),
    ({"icmmid"}, "ICMM's facilities: icmm_facilities()"),
    ({"minefac"}, "FINEPRINT's workbook: fineprint()"),
    ({"sharesize", "sector"}, "AEI's tracker: aei_investments()"),
    ({"aidatarecordid"}, "AidData's records: aiddata_projects()"),
    ({"aiddatarecordid"}, "AidData's records: aiddata_projects()"),
    ({"cmdcode", "primaryvalue"}, "UN Comtrade: comtrade()"),
    ({"perioddt", "broadgroup"}, "UN Comtrade, summed: comtrade()"),
    ({"t", "i", "j", "k"}, "BACI: baci()"),
    ({"material", "stage", "share"}, "the Commission's study: eu_crm()"),
    ({"mineral", "stage", "kt"}, "the IEA's explorer: iea()"),
    ({"indicator", "estimate"}, "Worldwide Governance Indicators: wgi()"),
    ({"mcschapter"}, "USGS Mineral Commodity Summaries: usgs_mcs()"),
    ({"unitmeas", "commodity"}, "USGS Mineral Commodity Summaries: usgs_mcs()"),
    ({"countryiso", "datasource"}, "World Mining Data: wmd()"),
    ({"regionsector", "outputmusd"}, "output of an inter-country table: give it to inter_country_table() as x="),
    ({"nirpct", "datasource"}, "U.S. statistics of one commodity: usgs_mcs()"),
    ({"datelisted", "issuingauthority"}, "an index of documents without figures: no reader takes it"),
    ({"dateannounced", "dateeffective"}, 'acts with dates: tidy(path, "measures", columns=...)'),
)


def looks_like(path: PathLike, columns: Iterable[object], wanted: Iterable[str] = ()) -> list[Problem]:
    """What a file of another kind seems to be, as a problem to be listed with the absent columns; nothing if unknown.

    ``wanted`` are the names that the reader itself looks for: where they tell the kind, it is no other.
    """
    have, own = {plain(c) for c in columns}, {plain(n) for n in wanted}
    hit = next((text for marks, text in _LOOKS if marks <= have and not marks <= own), None)
    return (
        []
        if hit is None
        else [Problem(Path(path).name, "header", "-", "a file of another kind", "", f"It looks like {hit}.")]
    )


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
        other = looks_like(path, named, required) if any(p.rule == "column is absent" for p in problems) else []
        raise SourceError([*problems, *other], f"the file {name}")


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
        Problem(
            Path(path).name,
            "header",
            part,
            "column is absent",
            shown,
            f"Names known: {', '.join([*wanted[part]][:8])}.",
        )
        for part in required
        if part not in out
    ]
    if problems:
        known = [n for names in wanted.values() for n in names]
        raise SourceError([*problems, *looks_like(path, list(columns), known)], f"the file {Path(path).name}")
    return out


def read_sheet(
    path: PathLike,
    report: Report,
    *,
    sheet: str | None = None,
    header_row: int = 0,
    required: Iterable[str] = (),
    max_rows: int = 2_000_000,
    book: Book | None = None,
    unnamed: str = "",
) -> pd.DataFrame:
    """Read one sheet of an xlsx workbook as text cells; formulas are neither evaluated nor trusted.

    Parameters
    ----------
    path : path-like
        Workbook.
    report : Report
        Counts go here; formula cells are read as the value that was last stored, and those without one are noted.
    sheet : str, optional
        Name; default the first sheet.
    header_row : int
        Rows before the header.
    required : iterable of str
        Header names that must be there.
    max_rows : int
        Refuse longer sheets.
    book : Book, optional
        The workbook, where it is open already.
    unnamed : str
        As for :func:`read_delimited`.

    Returns
    -------
    DataFrame
        Text cells; dates as ISO text.

    Raises
    ------
    SourceError
        Not a workbook, no such sheet, absent or duplicate headers, growth beyond all measure.
    """
    if book is None:
        with open_book(path) as own:
            return read_sheet(
                path, report, sheet=sheet, header_row=header_row, required=required, max_rows=max_rows, book=own,
                unnamed=unnamed,
            )  # fmt: skip
    file = Path(path)
    name = sheet or (book.names[0] if book.names else "")
    if name not in book.names:
        raise refuse(file, "no such sheet", f"There are {', '.join(book.names[:20]) or 'none'}.", name)
    header: list[str] = []
    rows: list[list[str]] = []
    before = book.hollow
    try:
        for number, values in book.rows(name):
            if number <= header_row:
                continue
            cells = [_cell(v) for v in values]
            if number == header_row + 1:
                header = [" ".join(c.split()) for c in cells]
                if header and not header[0]:
                    header[0] = unnamed
            elif any(cells):
                if any(len(c) > MAX_CELL for c in cells):
                    rule, remedy = "a cell beyond all measure", f"{MAX_CELL:,} characters at most."
                    raise refuse(file, rule, remedy, row=str(number - header_row - 1))
                rows.append((cells + [""] * len(header))[: len(header)])
            if number > max_rows:
                raise refuse(file, "more rows than statistics have", f"{max_rows:,} at most.")
    except BROKEN as err:
        raise refuse(file, "not a readable workbook", "Save it as .xlsx again.", str(err)[:200]) from err
    if not any(header):
        raise refuse(file, "empty, or without a header", "Give a sheet with a header row.", name)
    _check_header(file, header, required)
    report.rows_read += len(rows)
    formulas = sum(c.startswith("=") for row in rows for c in row)
    if formulas:
        report.notes.append(f"{formulas} cells hold formulas as text; they were not evaluated")
    if book.hollow > before:
        hollow = book.hollow - before
        report.notes.append(f"{hollow} formula cells of sheet {name!r} hold no stored value: they are read as empty")
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
        refuse_link_out(path, root)
        if path.is_file():
            out.append(path)
    if not out:
        raise refuse(folder, "no data file in the folder", f"Expected files that end in {', '.join(ends)}.")
    return out


def refuse_link_out(path: PathLike, folder: PathLike) -> None:
    """Refuse a link in a folder that leads out of it."""
    if Path(path).is_symlink() and not Path(path).resolve().is_relative_to(Path(folder).resolve()):
        raise refuse(path, "a link that leads out of the folder", "Copy the file into the folder.")


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

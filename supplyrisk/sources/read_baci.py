"""CEPII BACI: bilateral trade by HS heading, one file a year; streamed, so that memory does not grow with the years."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError
from ..registry import source
from . import hs
from .baci_files import baci_files, check_amounts, country_file_in, year_of
from .base import (
    MAX_CELL,
    PathLike,
    Reading,
    Report,
    check_member,
    find_columns,
    open_binary,
    read_delimited,
    released,
    source_row,
)
from .cells import as_years
from .commodities import map_products, product_rows, shares_of_world
from .places import AGGREGATE, agreed, countries
from .tally import UNREAD, Tally, amount_role, batch_amount
from .trade_links import links_of
from .workbook import FOREIGN

__all__ = ["baci", "dependence"]

_PARTS = {
    "t": ["t", "year", "period"],
    "i": ["i", "exporter", "origin", "sources"],
    "j": ["j", "importer", "destination", "targets"],
    "k": ["k", "hs6", "cmd", "cmdCode", "product"],
    "material": ["material"],
    "v": ["v"],
    "usd": ["value_usd", "value", "primaryValue"],
    "q": ["q", "qty_t", "quantity", "q_total"],
}
_BLOCK = 1 << 22  # bytes parsed at a time: larger blocks are no faster and cost memory
_AHEAD = 4
_NAME = re.compile(r"HS_?(\d{2})(?!\d)|^baci_?(92|96|02|07|12|17|22)(?!\d)", re.IGNORECASE)
_EMPTY = re.compile(rb"(?<=\n)\r?\n")
_VINTAGE = re.compile(r"V(\d{6})([a-z]?)", re.IGNORECASE)


@source(
    licence="attribution",
    publisher="CEPII",
    formats=("csv", "csv.gz", "zip", "parquet", "folder of years"),
    reads="bilateral trade by HS heading: value and tonnes",
)
def baci(
    path: PathLike | Iterable[PathLike],
    *,
    products: Iterable[str] | None = None,
    headings: Iterable[str] | str | None = None,
    years: Iterable[int] | None = None,
    revision: str | None = None,
    country_file: PathLike | None = None,
    year: int | None = None,
    decimal: str = ".",
    thousands: bool = False,
    published_on: str | None = None,
) -> Reading:
    r"""Read BACI: one year, a zip or a folder of years, any HS revision, in bounded memory.

    Parameters
    ----------
    path : path-like or iterable of path-like
        csv, csv.gz, zip (of one or of many years), parquet, a folder of these (or of partitions: ``t=2023/...``), or several files.
    products : iterable of str, optional
        Keep the headings of these products; a basket heading warns.
    headings : iterable of str or "all", optional
        Keep these headings. With neither, the headings of all products that the package knows are kept.
    years : iterable of int, optional
        Keep these years.
    revision : str, optional
        HS revision, e.g. ``"HS2012"``; default from the file's name.
    country_file : path-like, optional
        CEPII's ``country_codes_V....csv``; default one that lies in the folder, else the built-in codes.
    year : int, optional
        Year of a file that has no column for it and no year in its name.
    decimal : {".", ","}
        Decimal mark, should the file have been saved with another one.
    thousands : bool
        Whether a column ``value`` is in thousand USD, as BACI's own ``v`` is; default USD, with a note.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the month of the version in the file's name (``V202601``).

    Returns
    -------
    Reading
        ``inputs``: ``products``, ``trade`` (``hs6, origin, destination, year, quantity`` in tonnes, ``value`` in USD)
        and ``concordance``. ``tables``: ``nodes`` and observed ``links`` of the products whose headings hold nothing
        else, and ``sources``. ``data``: all flows kept, with a flag.

    Raises
    ------
    SourceError
        Not such a file, a decimal comma without ``decimal=","``, unknown columns (one that looks like the value too), a quotation mark that is not closed and
        takes in rows, files of several HS revisions or versions of BACI.

    Warns
    -----
    BasketWarning
        A product asked for by name stands in a basket such as HS 811292.

    Notes
    -----
    UN code 490, "Other Asia, nes", is where the statistics put Taiwan: read as TWN, flagged. Codes of former states
    (58, 280, 736) are added to their successors' flows. Column ``v`` is in thousand USD, ``value`` in USD. Nothing is
    repaired here; see :mod:`supplyrisk.sources.repair`. Rows with a number that cannot be read (``1.234,5``, negative, beyond
    all measure) are dropped and counted; where it is the value, what they carry is not known and in no share, and a note says
    so. An exporter is not thereby a producer: in ``tables`` a net
    importer's exports leave from its pool.

    References
    ----------
    Gaulier and Zignago (2010), BACI: International Trade Database at the Product-Level, CEPII WP 2010-23.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "t,i,j,k,v,q\n2024,156,842,850511,745.0,10\n2024,490,842,850511,255.0,5\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "BACI_HS17_Y2024_V202601.csv")
    ...     _ = file.write_text(text)
    ...     reading = baci(file, products=["ndfeb.magnet"])
    >>> reading.inputs["trade"][["origin", "destination", "value"]].values.tolist()
    [['CHN', 'USA', 745000.0], ['TWN', 'USA', 255000.0]]
    """
    notes: list[str] = []
    files, shown = baci_files(path, notes)
    versions = sorted({m[1] + m[2].lower() for f in files if (m := _VINTAGE.search(f.name))})
    if len(versions) > 1:
        rule = "files of several versions of BACI, which revise each other's years"
        raise _refuse(files[0], rule, "Read one version at a time.", ", ".join(f"V{v}" for v in versions))
    report = Report("baci", shown, "attribution", notes=notes)
    at = _revision(files, revision, report)
    con = _concordance(at, products, headings)
    wanted = None if headings == "all" else set(con["hs6"]) | _asked(headings)
    names = _country_names(path, country_file, report)
    parts, tally = [], Tally()
    for file in files:
        mine = [
            _finish(p, names, report, tally, file, decimal) for p in _file(file, wanted, report, tally, year, thousands)
        ]
        _other_years(file, mine, report)
        parts += mine
    data = pd.concat(parts, ignore_index=True) if parts else _finish(_empty(), names, report, tally, files[0], decimal)
    if len(parts) > 1:
        twice = data.duplicated(["year", "hs6", "origin", "destination"])
        if twice.any():
            shown = ", ".join(str(y) for y in sorted(data.loc[twice, "year"].unique())[:5])
            raise _refuse(files[0], "the same flows stand in two files", "Keep one file per year.", shown)
    if years is not None:
        keep = data["year"].isin([int(y) for y in years])
        tally.leave_out("year not asked for", ~keep, data)
        data = data[keep].reset_index(drop=True)
    tally.write(report)
    return _reading(data, con, at, files, report, published_on)


def _asked(headings: Iterable[str] | str | None) -> set[str]:
    if headings is None or headings == "all":
        return set()
    return {str(h).zfill(6) for h in ([headings] if isinstance(headings, str) else headings)}


def _concordance(at: str, products: Iterable[str] | None, headings: Iterable[str] | str | None) -> pd.DataFrame:
    con = hs.product_headings(products, at)
    if products is None and headings is not None and headings != "all":
        con = con[con["hs6"].isin(_asked(headings))].reset_index(drop=True)
    return con


def _revision(files: list[Path], given: str | None, report: Report) -> str:
    if given is not None:
        return hs.revision(given)
    found = {hs.revision(m[1] or m[2]) for f in files if (m := _NAME.search(f.name))}
    if len(found) > 1:
        rule = "files of several HS revisions"
        raise _refuse(files[0], rule, "Read them apart, and hs.convert() one of them.", ", ".join(sorted(found)))
    if found:
        return found.pop()
    report.notes.append(f"no HS revision in the name: headings taken as {hs.BASE}; give revision= if they are not")
    return hs.BASE


def _country_names(path: Any, country_file: PathLike | None, report: Report) -> dict[str, str]:
    """BACI's own code to ISO3, from its country file."""
    file = Path(country_file) if country_file is not None else country_file_in(path)
    if file is None:
        return {}
    frame = read_delimited(file, Report("", "", ""))
    cols = find_columns(
        file, frame.columns, {"code": ["country_code", "i"], "iso3": ["country_iso3", "iso_3digit_alpha", "iso3"],
                              "name": ["country_name", "country_name_full", "country_name_abbreviation"]}, ["code", "iso3"],
    )  # fmt: skip
    number = frame[cols["code"]].str.strip()
    place = countries(frame[cols["iso3"]], "iso3").fillna(countries(number, "numeric"))
    if "name" in cols:
        place = agreed(report, frame[cols["name"]], place)
    known = place.notna() & (number.fillna("") != "")
    return dict(zip(number[known].astype(str), place[known].astype(str), strict=True))


# ---------------------------------------------------------------------- streaming


def _empty() -> pd.DataFrame:
    return pd.DataFrame({c: pd.Series(dtype="object") for c in ("t", "i", "j", "k", "v", "usd", "q", "note")})


def _file(
    file: Path, wanted: set[str] | None, report: Report, tally: Tally, year: int | None, thousands: bool
) -> Iterator[pd.DataFrame]:
    """The kept rows of each member of a file, one frame per member."""
    with ExitStack() as stack:
        if file.suffix.lower() == ".parquet":
            yield _collect(_parquet(file, report), file, file.name, wanted, report, tally, year, thousands)
            return
        for name, stream in stack.enter_context(_members(file)):
            yield _collect(_csv(file, stream, report), file, name, wanted, report, tally, year, thousands)


@contextmanager
def _members(file: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """The years of an archive, each opened only when its turn comes; a plain file is its only member."""
    if not file.is_file() or not zipfile.is_zipfile(file) or file.suffix.lower() in FOREIGN:
        with open_binary(file) as stream:
            yield iter([(file.name, stream)])
        return
    with zipfile.ZipFile(file) as archive:
        infos = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX")]
        for info in infos:
            check_member(file, info)
        data = [
            i
            for i in infos
            if i.filename.lower().endswith(".csv")
            and not re.match(r"(country|product)_codes", Path(i.filename).name, re.I)
        ]
        if not data:
            raise _refuse(
                file,
                "no csv in the archive",
                "Give BACI's own zip, or unpack it.",
                ", ".join(i.filename for i in infos[:5]),
            )

        def opened() -> Iterator[tuple[str, IO[bytes]]]:
            for info in data:
                try:
                    with archive.open(info) as stream:
                        yield Path(info.filename).name, stream
                except (RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as err:
                    raise _refuse(file, "cannot be unpacked", "Unpack it first.", str(err)[:200]) from err

        yield opened()


def _csv(file: Path, stream: IO[bytes], report: Report) -> Iterator[Any]:
    """Batches of text columns; numbers are read only of rows that are kept."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    first, rest = _header(file, stream, report)
    delimiter = max(",;\t|", key=first.count)
    try:
        columns = [" ".join(c.split()) for c in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as err:
        raise _refuse(
            file, "a header that is no line of a table", "Save it with ordinary line ends.", str(err)
        ) from err
    _no_twins(file, columns)
    check_amounts(file, columns, _roles(file, columns), report)
    ragged = rows = 0

    def skip(_: Any) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    try:
        with pacsv.open_csv(
            pa.PythonFile(rest, mode="r"),
            read_options=pacsv.ReadOptions(block_size=_BLOCK, column_names=columns),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            convert_options=pacsv.ConvertOptions(
                column_types={c: pa.string() for c in columns},
                include_columns=_played(file, columns),
                strings_can_be_null=False,
            ),
        ) as reader:
            for batch in reader:
                rows += batch.num_rows
                yield batch
        taken = rest.raw.lines - rows - ragged
        if taken > 0:
            rule = "lines inside quotation marks: one that is not closed takes in the rows below it"
            remedy = "Close the quotation mark, or take line breaks out of the cells."
            raise _refuse(file, rule, remedy, f"{taken:,} lines more than rows")
    except (pa.ArrowInvalid, pa.ArrowKeyError, EOFError, OSError, zlib.error) as err:
        if "Empty CSV" in str(err):  # a header and nothing below
            yield pa.RecordBatch.from_pydict({c: pa.array([], pa.string()) for c in _played(file, columns)})
        else:
            rule = "a cell beyond all measure" if "straddl" in str(err) else "cannot be read as a table"
            raise _refuse(file, rule, "Download it again.", str(err)[:200]) from err
    finally:
        report.rows_read += ragged
        report.drop("another number of cells than the header", ragged)


class _Text(io.RawIOBase):
    """A stream whose first bytes were looked at already, handed on as UTF-8; what is none becomes U+FFFD and is noted."""

    def __init__(self, head: bytes, stream: IO[bytes], encoding: str, report: Report | None) -> None:
        self.decoder = codecs.getincrementaldecoder(encoding)("replace")
        self.wide, self.report, self.stream = encoding != "utf-8", report, stream
        self.lines, self.last = 0, b"\n"  # lines handed on that are not empty, and the last bytes
        self.ready = self._counted(head)

    def _counted(self, chunk: bytes) -> bytes:
        out = self._clean(chunk)
        if out:
            self.lines += out.count(b"\n") + (not out.endswith(b"\n")) - (not self.last.endswith(b"\n"))
            seam = self.last + out[:2]
            if any(e in part for e in (b"\n\n", b"\n\r\n") for part in (seam, out)):
                old = len(self.last)
                self.lines -= sum(hit.end() > old for hit in _EMPTY.finditer(self.last + out))
            self.last = (self.last + out[-2:])[-2:]
        return out

    def _clean(self, chunk: bytes) -> bytes:
        if chunk and not self.wide and chunk.isascii() and not self.decoder.getstate()[0]:
            return chunk
        text = self.decoder.decode(chunk, final=not chunk)
        if self.report is not None and "\ufffd" in text:
            self.report.notes.append("bytes that are no UTF-8 are shown as \ufffd: save the file as UTF-8")
            self.report = None
        return text.encode("utf-8", "replace")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.ready:
            chunk = self.stream.read(len(buffer))
            self.ready = self._counted(chunk)
            if not chunk:
                break
        part, self.ready = self.ready[: len(buffer)], self.ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _header(file: Path, stream: IO[bytes], report: Report | None) -> tuple[str, Any]:
    try:
        head = stream.read(1 << 16)
    except (EOFError, OSError, zlib.error) as err:
        raise _refuse(file, "damaged or truncated", "Download it again.", str(err)[:200]) from err
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _header(file, io.BufferedReader(_Text(head, stream, "utf-16", report), 1 << 20), None)
    if b"\x00" in head:
        raise _refuse(file, "binary, not plain text", "Save it as UTF-8.")
    line, mark, rest = head.partition(b"\n")
    if not mark and len(head) == 1 << 16:
        raise _refuse(file, "a header beyond all measure", "Is this BACI?")
    text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").strip("\r\n")
    if not text.strip():
        raise _refuse(file, "empty, or without a header", "Give a file with a header line.")
    return text, io.BufferedReader(_Text(rest, stream, "utf-8", report), 1 << 20)


def _no_twins(file: Path, columns: list[str]) -> None:
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise SourceError(
            [Problem(file.name, "header", t[:80], "column stands twice", "", "Keep one of the two.") for t in twice],
            f"the file {file.name}",
        )


def _played(file: Path, columns: list[str]) -> list[str]:
    return list(dict.fromkeys(_roles(file, columns).values()))


def _roles(file: Path, columns: list[str]) -> dict[str, str]:
    out = find_columns(file, columns, _PARTS, ["i", "j"])
    if "k" not in out and "material" not in out:
        find_columns(file, columns, _PARTS, ["k"])
    if not {"v", "usd", "q"} & set(out):
        find_columns(file, columns, _PARTS, ["v"])
    return out


def _parquet(file: Path, report: Report) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not file.is_file():
        raise _refuse(file, "no such file", "Check the path.")
    try:
        with pq.ParquetFile(file) as reader:
            names = list(reader.schema_arrow.names)
            _no_twins(file, names)
            keep = _played(file, names)
            check_amounts(file, names, _roles(file, names), report)
            for batch in reader.iter_batches(1 << 17, columns=keep):
                columns = [pc.cast(batch[c], pa.string()) for c in keep]
                yield pa.RecordBatch.from_arrays(columns, names=keep)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, OSError) as err:
        raise _refuse(file, "not a readable parquet file", "Download it again.", str(err)[:200]) from err


def _collect(
    batches: Iterator[Any],
    file: Path,
    name: str,
    wanted: set[str] | None,
    report: Report,
    tally: Tally,
    year: int | None,
    thousands: bool,
) -> pd.DataFrame:
    """Filter batch by batch; what is kept of one year is small enough for pandas."""
    import pyarrow as pa
    import pyarrow.compute as pc

    tables, read, roles = [], 0, {}
    codes: Any = None
    # What is left out is summed up beside the reading, in the order of the batches.
    sums: deque[Future[tuple[str, float, float]]] = deque()
    with ThreadPoolExecutor(1) as beside:
        for batch in batches:
            read += batch.num_rows
            if codes is None:
                roles = amount_role(_roles(file, list(batch.schema.names)), name, thousands, report)
                codes = _code_set(wanted, "k" in roles)
            column = batch[roles.get("k", roles.get("material"))]
            kept = batch
            if codes is not None:
                asked = pc.is_in(column, value_set=codes)
                kept = batch.filter(asked)
                sums.append(beside.submit(batch_amount, batch, roles, asked))
                while len(sums) > _AHEAD:  # so many batches are in memory at most
                    tally.filtered(*sums.popleft().result())
            if kept.num_rows:
                tables.append(kept)
    for done in sums:
        tally.filtered(*done.result())
    report.rows_read += read
    out = _empty()
    if tables:
        table = pa.Table.from_batches(tables)
        longest = max((pc.max(pc.binary_length(c)).as_py() or 0) for c in table.columns)
        if longest > min(MAX_CELL, 4096):
            raise _refuse(file, "a cell beyond all measure", "BACI has none.", f"{longest:,} characters")
        given = table.to_pandas()
        out = pd.DataFrame({part: given[c].astype("object") for part, c in roles.items()}, index=given.index)
        if "t" not in out:
            out["t"] = str(year_of(name, file, year))
        if "k" not in out:
            out["k"] = map_products("baci_trim", out["material"])["product"].astype("object").str.removeprefix("hs:")
        for part in ("v", "usd", "q"):
            if part not in out:
                out[part] = None
    tally.unasked += read - len(out)
    return out


def _code_set(wanted: set[str] | None, by_code: bool) -> Any:
    import pyarrow as pa

    if wanted is None:
        return None
    if by_code:  # leading zeros are often lost, and headings saved as decimals
        bare = wanted | {w.lstrip("0") for w in wanted}
        return pa.array(sorted(bare | {f"{w}.0" for w in bare}), pa.string())
    from .commodities import concordance

    table = concordance("baci_trim")
    return pa.array(table.loc[table["product"].str.removeprefix("hs:").isin(wanted), "commodity"].tolist(), pa.string())


def _other_years(file: Path, parts: list[pd.DataFrame], report: Report) -> None:
    """Say that a file holds rows of another year than the one in its name; the rows' own year counts."""
    named = re.findall(r"_Y((?:19|20)\d{2})(?=[^0-9]|$)", file.name)
    if len(named) != 1 or not parts:
        return
    held = pd.concat([p["year"] for p in parts]).value_counts().sort_index()
    other = held[held.index != int(named[0])]
    if len(other):
        shown = ", ".join(f"{n:,} of {y}" for y, n in other.items())
        report.notes.append(
            f"the name of {file.name} says {named[0]}, but rows are of another year ({shown}): the year in the rows counts"
        )


def _decimal_point(raw: pd.DataFrame, file: Path, decimal: str) -> pd.DataFrame:
    """Amounts with a decimal point; a comma that was not announced is refused, because 1,234 would be ambiguous."""
    out = raw.copy()
    for part in ("v", "usd", "q"):
        text = out[part].astype("str").str.strip()
        if decimal == ",":
            groups = r"[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?"
            point = text.str.contains(".", regex=False) & ~text.str.fullmatch(groups)
            if point.any():
                shown = ", ".join(text[point].head(3))
                raise _refuse(file, "numbers with a decimal point where decimal=','", 'Leave out decimal=",".', shown)
            out[part] = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False).astype("object")
        elif (comma := text[text.str.contains(",", regex=False)].str.fullmatch(r"[-+]?\d+,\d+")).any():
            shown = ", ".join(text[comma[comma].index].head(3))
            raise _refuse(file, "numbers with a decimal comma", 'Give decimal="," if they are.', shown)
    return out


def _finish(
    raw: pd.DataFrame, names: Mapping[str, str], report: Report, tally: Tally, file: Path, decimal: str = "."
) -> pd.DataFrame:
    """Numbers, places and years of the kept rows; rows that cannot be read are dropped and counted."""
    again = raw.duplicated([c for c in ("t", "i", "j", "k", "v", "usd", "q", "material") if c in raw])
    raw = _decimal_point(raw, file, decimal)
    span = raw["t"].astype("str").str.extract(r"^\s*(\d{4})(?:\D+(\d{4}))?(?:\.0)?\s*$")
    last = as_years(span[1].fillna(span[0]))
    width = last - pd.to_numeric(span[0], errors="coerce") + 1
    out = pd.DataFrame({"year": last, "hs6": raw["k"].astype("str").str.strip().str.removesuffix(".0").str.zfill(6)})
    bad = last.isna()
    unread = pd.DataFrame(index=raw.index)
    for part, name, scale in (("v", "kusd", 1000.0), ("usd", "usd", 1.0), ("q", "quantity", 1.0)):
        text = raw[part].astype("str").str.strip()
        number = pd.to_numeric(text, errors="coerce").astype("float64") * scale
        empty = raw[part].isna() | text.isin(["", "NA", "NaN", "nan", "None", "<NA>"])
        unread[name] = (number.isna() & ~empty) | (number < 0) | np.isinf(number)
        out[name] = number.mask(unread[name]) / width.fillna(1.0)
    bad |= unread.any(axis=1)
    out["value"] = out.pop("kusd").fillna(out.pop("usd"))
    # What such a row carries nobody can say: it is in no share.
    dark = (unread["kusd"] | unread["usd"]) & out["value"].isna() | unread["quantity"] & out["value"].isna()
    if (width > 1).any():
        report.notes.append("periods of several years: yearly means, dated by the last year")
    tally.add(out)
    tally.leave_out("the very same row once more", again, out)
    raw, out, bad, dark = raw[~again], out[~again].assign(flag=""), bad[~again], dark[~again]
    for part, name in (("i", "origin"), ("j", "destination")):
        text = raw[part].astype("str").str.strip()
        text = text.where(~text.str.fullmatch(r"\d+\.0"), text.str.removesuffix(".0"))
        place = countries(text, "any", names)
        out[name] = place.astype("object").where(place.notna(), None)
        other = text.isin(["490", "S19"]).to_numpy()
        out["flag"] = out["flag"].mask(other, "UN 490, Other Asia nes, read as TWN")
        lost = out[name].isna()
        if lost.any():
            tally.unknown(text[lost], out)
        bad |= lost | (out[name] == AGGREGATE)
    tally.leave_out(UNREAD, dark, out)
    tally.leave_out("unreadable year, number or place", bad & ~dark, out)
    out = out[~bad]
    same = out["origin"] == out["destination"]
    tally.leave_out("origin is destination", same, out)
    out = out[~same]
    keys = ["year", "hs6", "origin", "destination"]
    twins = out.duplicated(keys, keep=False)
    if twins.any():  # former states beside their successors, or materials that share a heading
        if raw["material"].notna().any() if "material" in raw else False:
            same = out.duplicated([*keys, "value"])
            tally.leave_out("the same flow under another material", same, out)
            out = out[~same]
        grouped = out.groupby(keys, sort=False)
        out = grouped[["quantity", "value"]].sum(min_count=1).join(grouped["flag"].max()).reset_index()
    out["year"] = out["year"].astype("int64")
    return out[[*keys, "quantity", "value", "flag"]].reset_index(drop=True)


# ---------------------------------------------------------------------- what comes out


def _reading(
    data: pd.DataFrame, con: pd.DataFrame, at: str, files: list[Path], report: Report, given: str | None
) -> Reading:
    hit = next((m for f in files if (m := _VINTAGE.search(f.name))), None)
    vintage = hit[1] + hit[2].lower() if hit else ""
    day = released(report, given, f"{hit[1][:4]}-{hit[1][4:6]}" if hit and 1 <= int(hit[1][4:6]) <= 12 else None)
    name = f"baci_{at[:2].lower()}{at[-2:]}" + (f"_{vintage}" if vintage else "")
    span = f", {data['year'].min()} to {data['year'].max()}" if len(data) else ""
    report.vintage = f"BACI {at}" + (f" V{vintage}" if vintage else ", version not stated") + span
    taiwan = data["flag"] != ""
    if taiwan.any():
        part = float(data.loc[taiwan, "value"].sum() / data["value"].sum())
        report.notes.append(f"UN 490, Other Asia nes, read as TWN: {taiwan.sum():,} flows, {part:.1%} of value")
    gone = data["quantity"].isna()
    if gone.any():
        share = float(data.loc[gone, "value"].sum() / data["value"].sum()) if data["value"].sum() else float("nan")
        report.missing["quantity not_available"] = int(gone.sum())
        report.notes.append(f"{int(gone.sum()):,} flows without weight, {share:.2%} of value: see sources.repair")
    con = con[con["hs6"].isin(set(data["hs6"]))].reset_index(drop=True)
    for code, rows in con[~con["use"]].groupby("hs6"):
        report.notes.append(
            f"HS {code} holds several goods ({', '.join(rows['product'])}): never add them; no link is made"
        )
    data = data.assign(published_on=day, source=name, grade="A")  # who repairs these rows says whose they are
    trade = data.drop(columns="flag")
    usable = con[~con["product"].isin(shares_of_world(con["product"]))]
    title = f"CEPII, BACI, {at}" + (f", version {vintage}" if vintage else "")
    sources = source_row(
        name, title, int(vintage[:4]) if vintage else None, "Etalab Open Licence 2.0 (attribution)", "attribution",
        lists="complete",
        url="https://www.cepii.fr/CEPII/en/bdd_modele/bdd_modele_item.asp?id=37",
    )  # fmt: skip
    tables = {**links_of(trade, usable, sources), "sources": sources}
    inputs = {"products": product_rows(con["product"], unit="t"), "trade": trade, "concordance": con}
    return Reading(tables, data, report, inputs)


def dependence(trade: Reading | pd.DataFrame, focal: str | Iterable[str] = "CHN", by: str = "value") -> pd.DataFrame:
    """What part of each importer's imports comes from a focal place, by heading and year.

    Parameters
    ----------
    trade : Reading or DataFrame
        What :func:`baci` returns, or ``year, hs6, origin, destination, value, quantity``.
    focal : str or iterable of str
        Place or places of origin; a scope is spelt out by the caller, so that TWN is never inside CHN.
    by : {"value", "quantity"}
        USD or tonnes.

    Returns
    -------
    DataFrame
        Indexed by ``hs6, year, importer``: ``imports``, ``focal_imports``, ``share`` (0 to 1), ``hhi`` (0 to 1),
        ``suppliers``.

    Warns
    -----
    BasketWarning
        A heading is a basket such as HS 811292: its figures are of the heading, not of any good in it. Headings of a frame are
        read as HS 2017.

    Examples
    --------
    >>> flows = pd.DataFrame({"year": 2024, "hs6": "850511", "origin": ["CHN", "JPN"], "destination": "USA",
    ...     "value": [75.0, 25.0], "quantity": [1.0, 1.0]})
    >>> dependence(flows)[["share", "hhi"]].values.tolist()
    [[0.75, 0.625]]
    """
    flows = trade.data if isinstance(trade, Reading) else trade
    said = re.search(r"HS\d{4}", trade.report.vintage or "") if isinstance(trade, Reading) else None
    hs.warn_of_mixed(flows["hs6"].unique(), hs.headings(said[0] if said else hs.BASE), "dependence", 2)
    places = {focal} if isinstance(focal, str) else set(focal)
    keys = ["hs6", "year", "importer"]
    frame = flows.rename(columns={"destination": "importer"})[[*keys, "origin", by]].dropna(subset=[by])
    total = frame.groupby(keys)[by].sum()
    frame = frame.assign(own=frame[by].where(frame["origin"].isin(places), 0.0))
    frame["square"] = (frame[by] / frame.groupby(keys)[by].transform("sum")) ** 2
    grouped = frame.groupby(keys)
    out = pd.DataFrame({"imports": total, "focal_imports": grouped["own"].sum()})
    out["share"] = (out["focal_imports"] / out["imports"]).where(out["imports"] > 0)
    out["hhi"] = grouped["square"].sum().where(out["imports"] > 0)
    out["suppliers"] = grouped["origin"].nunique()
    return out


def _refuse(file: Path, rule: str, remedy: str, value: str = "") -> SourceError:
    return SourceError([Problem(file.name, "-", "-", rule, value, remedy)], f"the file {file.name}")

"""World Mining Data (Austrian Federal Ministry of Finance): one sheet or table per commodity, years across."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ..errors import Problem, SourceError
from ..registry import source
from .base import (
    MAX_CELL,
    PathLike,
    Reading,
    Report,
    find_columns,
    looks_like,
    numbers,
    plain,
    read_delimited,
    read_sheet,
    refuse_decimal_comma,
    released,
    source_row,
)
from .cells import refuse_points
from .commodities import (
    in_product_units,
    map_products,
    node_rows,
    product_rows,
    production_rows,
    shares_of_world,
    tonnes,
)
from .layout import first_rows
from .places import AGGREGATE, REST, agreed, countries
from .twins import without_twins
from .world_total import is_world, one_world

__all__ = ["wmd"]

_PARTS = {
    "commodity": ["commodity", "raw material", "material", "mineral"],
    "country": ["Country", "country name"],
    "number": ["Country_Code"],
    "iso3": ["Country_ISO", "iso3"],
    "unit": ["unit"],
    "flag": ["data_source", "data source", "source"],
}
_MAX_TABLES = 500
# Units in which the publisher prints, by commodity: for rows that state none. What it lists besides is in tonnes.
_PRINTED = {
    **dict.fromkeys(["gold", "silver", "platinum", "palladium", "rhodium", "rhenium"], "kg"),
    **dict.fromkeys(["diamondsgem", "diamondsind"], "ct"),
    "naturalgas": "Mio m3",
}


@source(
    licence="restricted",
    publisher="Austrian Federal Ministry of Finance",
    formats=("sqlite", "xlsx", "csv"),
    reads="mine and refinery production by country, 60 and more commodities",
)
def wmd(
    path: PathLike,
    *,
    products: Iterable[str] | None = None,
    commodity: str | None = None,
    edition: int | None = None,
    decimal: str | None = None,
    published_on: str | None = None,
) -> Reading:
    r"""Read World Mining Data: a sqlite file, a workbook with a sheet per commodity, or a wide csv.

    Parameters
    ----------
    path : path-like
        ``.db``/``.sqlite`` (a table per commodity), ``.xlsx`` (a sheet per commodity) or csv with a column
        ``commodity`` and a column per year.
    products : iterable of str, optional
        Keep these products only.
    commodity : str, optional
        Commodity of a csv without such a column.
    edition : int, optional
        Year of the edition; default the one in the file's name or on its sheets.
    decimal : {".", ","}, optional
        Decimal mark; default a point, and a column in which points may part thousands is refused.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the year of the edition, where that is known.

    Returns
    -------
    Reading
        ``inputs``: ``products``, ``production`` in product units (Li2O, Nb2O5, Ta2O5 and beryl brought to the
        element; a country's total is never added to its parts). ``tables``: ``nodes``, ``sources``. ``data``: all
        rows, tidy.

    Raises
    ------
    SourceError
        Not such a file.

    Notes
    -----
    The database is opened read-only and immutable; only ordinary tables are read, and nothing in it is executed. Of
    rows of several countries only one named as the world is taken, as ``WLD``; regions and unions stay in ``data``. Terms of the data are
    those of the ministry: class ``restricted`` until the user knows better.

    References
    ----------
    Federal Ministry of Finance, Vienna (2024), World Mining Data, volume 39.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "commodity,Country,2021,2022,unit,data_source\nGallium,China,400,600,metr. t,e\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "wmd.csv")
    ...     _ = file.write_text(text)
    ...     wmd(file).inputs["production"][["year", "quantity", "unit"]].values.tolist()
    [[2021, 400000.0, 'kg'], [2022, 600000.0, 'kg']]
    """
    file = Path(path)
    report = Report("wmd", file.name, "restricted")
    parts = [(name, without_twins(frame, report)) for name, frame in _tables(file, report, commodity)]
    tidy = pd.concat([_tidy(file, name, frame) for name, frame in parts], ignore_index=True)
    mapped = map_products("wmd", tidy["commodity"])
    tidy["unit"] = _units(tidy, mapped["known"], report)
    parsed = numbers(tidy["text"], decimal)
    refuse_decimal_comma(path, tidy["text"], parsed)
    refuse_points(path, tidy["text"], decimal, report)
    report.unread(tidy["text"], parsed["code"])
    data = pd.concat([tidy, parsed], axis=1)
    data["estimated"] = data["flag"].str.casefold().isin(["e", "p"])
    data["note"] = ""
    named = countries(data["place"], "name")
    coded = countries(data["iso3"], "iso3").fillna(countries(data["number"], "numeric"))
    sums = named.isin([AGGREGATE, REST]).fillna(False).astype(bool)
    place = agreed(report, data["place"], coded).mask(sums, named)
    data["country"] = one_world(
        place, data["place"], data["value"], [data[c] for c in ("commodity", "unit", "year")], report, "quantity"
    )
    told = (place == AGGREGATE).fillna(False).astype(bool) | is_world(data["place"])
    listed = data["value"].mask(told)
    report.unknown("country", data.loc[data["country"].isna() & ~told, "place"], listed,
                   [data["commodity"], data["unit"], data["year"]], "quantity")  # fmt: skip
    data["product"], data["factor"] = mapped["product"], mapped["factor"]
    mass = tonnes(listed, data["unit"])
    report.unknown("commodity", data.loc[~mapped["known"], "commodity"], mass, [data["year"]], "tonnage")
    if products is not None:
        data["product"] = data["product"].where(data["product"].isin(set(products)))
    last = int(data["year"].max()) if len(data) else 0
    year = edition or _edition(file)
    day = released(report, published_on, str(year) if year else None)
    said = f"WMD {year}" if year else "WMD, edition not stated"
    report.vintage = f"{said} (data to {last})" if len(data) else "no data"
    name = f"wmd{year}" if year else f"wmd_{last}"
    report.missing = {str(k): int(v) for k, v in data["code"].value_counts().items() if k not in ("", "zero")}
    data["what"] = "output"
    converted = in_product_units(data[data["product"].notna()], report)
    production = production_rows(converted, name, day)
    ids = set(production["product"].dropna())
    share = shares_of_world(ids)
    tables = {
        "nodes": node_rows(production[~production["product"].isin(share)]),
        "sources": source_row(
            name,
            f"Federal Ministry of Finance, Vienna, World Mining Data{f' {year}' if year else ''}",
            year,
            "terms of the publisher; ask before redistributing",
            "restricted",
            lists="complete",
        ),
    }
    inputs = {"products": product_rows(ids, unit="t"), "production": production}
    return Reading(tables, data.drop(columns="factor"), report, inputs)


_EDITION = re.compile(r"(?:world[ _-]*mining[ _-]*data|wmd)[ _-]*(20\d\d)(?!\d|[ _-]+(?:19|20)\d\d)", re.IGNORECASE)


def _edition(file: Path) -> int | None:
    """Year of the edition, where the name of the file or the first rows of its sheets state it."""
    hit = _EDITION.search(file.stem)
    if hit is None and file.suffix.lower() in (".xlsx", ".xlsm"):
        rows = [cells for found in first_rows(file, count=16).values() for cells in found]
        hit = next((m for cells in rows for cell in cells if (m := _EDITION.search(cell))), None)
    return int(hit[1]) if hit else None


def _tables(file: Path, report: Report, commodity: str | None) -> list[tuple[str | None, pd.DataFrame]]:
    if not file.is_file():
        raise _refuse(file, "no such file", "Check the path.")
    with file.open("rb") as stream:
        head = stream.read(16)
    if head.startswith(b"SQLite format 3"):
        return list(_sqlite(file, report))
    if file.suffix.lower() in (".db", ".sqlite", ".sqlite3"):
        raise _refuse(file, "not a sqlite database", "Download it again.")
    if file.suffix.lower() in (".xlsx", ".xlsm"):
        return list(_workbook(file, report))
    frame = read_delimited(file, report, required=("Country",))
    return [(commodity, frame)]


def _sqlite(file: Path, report: Report) -> Iterable[tuple[str, pd.DataFrame]]:
    """Ordinary tables with a country and a year; names are quoted, whatever they are."""
    uri = file.resolve().as_uri() + "?mode=ro&immutable=1"
    out = []
    try:
        con = sqlite3.connect(uri, uri=True)
        try:
            con.execute("PRAGMA trusted_schema=OFF")
            con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL * 4)
            found = con.execute("SELECT name, sql FROM sqlite_master WHERE type='table' ORDER BY rowid").fetchall()
            if len(found) > _MAX_TABLES:
                raise _refuse(file, "more tables than World Mining Data has", f"{_MAX_TABLES} at most.")
            for name, sql in found:
                if str(sql or "").lstrip().upper().startswith("CREATE VIRTUAL"):
                    report.drop(f"virtual table {name[:40]!r}", 1)
                    continue
                quoted = '"' + str(name).replace('"', '""') + '"'
                cursor = con.execute(f"SELECT * FROM {quoted}")
                columns = [" ".join(str(d[0]).split()) for d in cursor.description]
                if not _looks_right(columns) or len(set(columns)) < len(columns):
                    continue
                rows = [["" if v is None else str(v) for v in row] for row in cursor]
                report.rows_read += len(rows)
                if not str(name).strip():  # the name is the commodity
                    report.drop(f"table {str(name)!r}: without a name nobody knows of what", len(rows))
                    continue
                out.append((str(name), pd.DataFrame(rows, columns=columns, dtype="string")))
        finally:
            con.close()
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as err:
        raise _refuse(file, "not a readable sqlite database", "Download it again.", str(err)[:200]) from err
    if not out:
        nameless = any(d["reason"].startswith("table ") for d in report.dropped)
        remedy = "Name the table after its commodity." if nameless else "Is this World Mining Data?"
        raise _refuse(file, "no table with a name, a country and years", remedy)
    return out


def _workbook(file: Path, report: Report) -> Iterable[tuple[str | None, pd.DataFrame]]:
    """Sheets with a country and a year within their first rows."""
    out: list[tuple[str | None, pd.DataFrame]] = []
    for name, rows in list(first_rows(file, count=16).items())[:_MAX_TABLES]:
        row = next((k for k, cells in enumerate(rows) if _looks_right(cells)), None)
        if row is not None:
            frame = read_sheet(file, report, sheet=name, header_row=row)
            has = any(plain(c) in ("commodity", "rawmaterial", "material", "mineral") for c in frame.columns)
            out.append((None if has else name, frame))
    if not out:
        seen = [cells for rows in first_rows(file, count=3).values() for cells in rows]
        other = next((p for cells in seen for p in looks_like(file, cells)), None)
        raise _refuse(
            file, "no sheet with a country and years", other.remedy if other else "Is this World Mining Data?"
        )
    return out


def _looks_right(columns: list[str]) -> bool:
    return any(plain(c).startswith("country") for c in columns) and any(_year(c) for c in columns)


def _year(column: object) -> int | None:
    hit = re.fullmatch(
        r"(?:production\s*)?((?:19|20)\d{2})(?:\.0|\s*\(?[ep]\)?)?", " ".join(str(column).split()), re.IGNORECASE
    )
    return int(hit[1]) if hit else None


def _tidy(file: Path, commodity: str | None, frame: pd.DataFrame) -> pd.DataFrame:
    cols = find_columns(file, frame.columns, _PARTS, ["country"] if commodity else ["country", "commodity"])
    years = {str(c): y for c in frame.columns if (y := _year(c))}
    if not years:
        raise _refuse(file, "no column for a year", "Years stand across: 2018, 2019, ...")
    blank = pd.Series("", index=frame.index, dtype="string")
    text = {k: frame[c].str.strip() for k, c in cols.items()}
    shared = pd.DataFrame(
        {
            "commodity": blank + commodity if commodity is not None else text["commodity"],
            "place": text["country"],
            **{k: text.get(k, blank) for k in ("iso3", "number", "flag")},
            "unit": text.get("unit", blank)
            .fillna("")
            .str.replace(r"^metr\.?\s*t(?:ons?)?\.?$", "metr. t", regex=True, case=False),
        }
    )
    parts = [shared.assign(year=y, text=frame[c].str.strip()) for c, y in years.items()]
    return pd.concat(parts, ignore_index=True)


def _units(tidy: pd.DataFrame, known: pd.Series, report: Report) -> pd.Series:
    """Unit of each row; where it states none, that of its commodity in this file, else the one that the publisher prints."""
    given = tidy["unit"].mask(tidy["unit"] == "")
    blank = given.isna()
    if not blank.any():
        return tidy["unit"]
    own = pd.DataFrame({"c": tidy["commodity"], "u": given}).dropna().drop_duplicates()
    stated = own.drop_duplicates("c", keep=False).set_index("c")["u"]
    printed = tidy["commodity"].map(plain).map(_PRINTED).astype("string")
    printed = printed.fillna(pd.Series("metr. t", index=tidy.index, dtype="string").where(known))
    out = given.fillna(tidy["commodity"].map(stated).astype("string")).fillna(printed)
    kinds = ", ".join(f"{u} (of {n})" for u, n in _by_unit(tidy["commodity"][blank], out[blank]).items())
    report.notes.append(
        f"{int(blank.sum()):,} figures without a unit: read in the unit that their commodity has elsewhere in the file, else "
        f"in the one that World Mining Data prints for it: {kinds or 'none known'}"
    )
    return out.fillna("")


def _by_unit(commodity: pd.Series, unit: pd.Series) -> dict[str, int]:
    return {str(u): int(n) for u, n in commodity.groupby(unit).nunique().items()}


def _refuse(file: Path, rule: str, remedy: str, value: str = "") -> SourceError:
    return SourceError([Problem(file.name, "-", "-", rule, value, remedy)], f"the file {file.name}")

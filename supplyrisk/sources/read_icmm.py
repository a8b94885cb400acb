"""ICMM, Global Mining Dataset: where mines, smelters and refineries stand, and for what."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd

from ..registry import source
from .base import (
    PathLike,
    Reading,
    Report,
    find_columns,
    numbers,
    open_book,
    plain,
    read_delimited,
    released,
    source_row,
)
from .commodities import concordance, schemes
from .layout import first_rows, first_sheet, is_workbook
from .places import AGGREGATE, countries
from .report import day_in

__all__ = ["icmm_facilities"]

_COLUMNS = {
    "facility": ["ICMMID", "ICMM ID", "ID"],
    "confidence": ["Confidence Factor", "Confidence"],
    "name": ["Mine Name", "Facility Name", "Name"],
    "other_names": ["Group Names"],
    "latitude": ["Latitude"],
    "longitude": ["Longitude"],
    "assets": ["Asset Type", "Asset Types"],
    "place": ["Country", "Country or Region", "Country/Region"],
    "primary": ["Primary Commodity"],
    "secondary": ["Secondary Commodity"],
    "others": ["Other Commodities"],
}
_GRADES = {"high": "A", "moderate": "B", "low": "C", "very low": "C"}
_NAMES = {"aluminum": "aluminium", "chromite": "chromium", "ironore": "iron", "rareearths": "rare_earths"}


@source(
    licence="cc_by",
    publisher="International Council on Mining and Metals",
    formats=("xlsx", "csv"),
    reads="locations, asset types and commodities of mines, smelters and refineries",
)
def icmm_facilities(path: PathLike, *, sheet: str | None = None, published_on: str | None = None) -> Reading:
    r"""Read the ICMM's Global Mining Dataset.

    Parameters
    ----------
    path : path-like
        Workbook, or its sheet of facilities as csv.
    sheet : str, optional
        Default ``External``, else the first sheet.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the one in the file's name (``2025-09``) or on its
        sheet of explanations, else unknown.

    Returns
    -------
    Reading
        ``data``: a row per facility with ``country, assets`` (tuple), ``commodities`` (tuple, the primary first), ``products``
        (tuple of product ids that asset type and primary commodity speak of), ``latitude, longitude, grade``. ``tables``:
        ``sources`` alone: the file has neither output nor owners, so it makes no node.

    Raises
    ------
    SourceError
        Not the dataset.

    Notes
    -----
    The public edition leaves facilities out (8,508 of 15,188 in 2025): an absent facility says nothing. Coordinates beyond
    the globe are emptied and counted. Confidence High is graded A, Moderate B, the rest C.

    References
    ----------
    ICMM (2025), Global Mining Dataset.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = ("ICMMID,Confidence Factor,Mine Name,Latitude,Longitude,Asset Type,Country,Primary Commodity\n"
    ...     "ICMM1,High,Kansanshi,-12.1,26.4,Mine;Smelter,Zambia,copper \n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "icmm.csv")
    ...     _ = file.write_text(text)
    ...     data = icmm_facilities(file).data
    >>> data[["country", "assets", "products", "grade"]].values.tolist()
    [['ZMB', ('Mine', 'Smelter'), ('copper.mine', 'copper.refined'), 'A']]
    """
    report = Report("icmm_facilities", Path(path).name, "cc_by")
    if Path(path).suffix.lower() in (".xlsx", ".xlsm"):
        raw = first_sheet(path, report, "name one with sheet=", sheet=sheet or _sheet(path))
    else:
        raw = read_delimited(path, report)
    cols = find_columns(path, raw.columns, _COLUMNS, ["facility", "name", "assets", "place", "primary"])
    blank = pd.Series("", index=raw.index, dtype="string")
    data = pd.DataFrame({k: raw[cols[k]].fillna("").str.strip() if k in cols else blank for k in _COLUMNS})
    twice = data["facility"].duplicated() & (data["facility"] != "")
    report.leave_out("a second row of the same facility", twice, pd.Series(1.0, index=data.index), (), "facilities")
    data = data[~twice].reset_index(drop=True)
    place = countries(data["place"].mask(data["place"] == ""), "name")
    ones = pd.Series(1.0, index=data.index)  # the file has locations alone: shares are of facilities
    report.unknown("country", data.loc[place.isna() & (data["place"] != ""), "place"], ones, (), "facilities")
    data["country"] = place.mask(place == AGGREGATE)
    lat, lon = numbers(data["latitude"]), numbers(data["longitude"])
    comma = int((lat["code"].eq("decimal_comma") | lon["code"].eq("decimal_comma")).sum())
    if comma:
        report.notes.append(
            f"{comma} facilities have coordinates with a decimal comma, which are not read: save with a point"
        )
    wrong = (lat["value"].abs() > 90) | (lon["value"].abs() > 180)
    data["latitude"], data["longitude"] = lat["value"].mask(wrong), lon["value"].mask(wrong)
    if wrong.any():
        report.notes.append(f"{int(wrong.sum())} coordinates lie beyond the globe and were emptied")
    report.missing = {"no coordinates": int((lat["value"].isna() | lon["value"].isna()).sum())}
    data["assets"] = [_parts(a) for a in data["assets"]]
    lists = zip(data["primary"], data["secondary"], data["others"], strict=True)
    data["commodities"] = [tuple(dict.fromkeys(c for cell in row for c in _parts(cell.casefold()))) for row in lists]
    data["products"] = [_products(a, p) for a, p in zip(data["assets"], data["primary"], strict=True)]
    data["grade"] = data["confidence"].str.casefold().map(_GRADES).astype("string")
    nothing = data["products"].map(len) == 0
    report.unknown("commodity", data.loc[nothing, "primary"].str.casefold(), ones, (), "facilities")
    report.notes.append("locations only: no output, no owners; absent facilities say nothing")
    day = released(report, published_on, _stated(path))
    report.vintage = f"edition of {day}" if day else "edition not stated"
    year = None if day is None else int(day[:4])
    out = source_row("icmm_gmd", "ICMM, Global Mining Dataset", year, "CC BY 4.0", "cc_by")
    return Reading({"sources": out}, data, report)


def _stated(path: PathLike) -> str | None:
    """Edition in the name of the file, or in words on a sheet beside that of the facilities."""
    hit = re.search(r"(?<!\d)(20\d\d)-([01]\d)(?!\d)", Path(path).stem)
    if hit:
        return f"{hit[1]}-{hit[2]}"
    sheets = first_rows(path, count=30) if is_workbook(path) else {}
    cells = (c for n, rows in sheets.items() if n != "External" for row in rows for c in row)
    return day_in(Path(path).stem.replace("_", " ")) or next((day for c in cells if (day := day_in(c))), None)


def _sheet(path: PathLike) -> str | None:
    with open_book(path) as book:
        return "External" if "External" in book.names else None


def _parts(cell: object) -> tuple[str, ...]:
    return tuple(p.strip() for p in str(cell).replace(",", ";").split(";") if p.strip())


@cache
def _known() -> frozenset[str]:
    return frozenset(p for s in schemes() for p in concordance(s)["product"] if p)


def _products(assets: tuple[str, ...], primary: str) -> tuple[str, ...]:
    """Product ids that are declared; a plant or a steel works says nothing of its product."""
    name = _NAMES.get(plain(primary), primary.casefold().strip().replace(" ", "_"))
    form = {"mine": "mine", "smelter": "refined", "refinery": "refined"}
    ids = [f"{name}.{form[plain(a)]}" for a in assets if plain(a) in form]
    if name == "aluminium":
        ids = ["bauxite.mine" if i.endswith(".mine") else i for i in ids]
    return tuple(dict.fromkeys(i for i in ids if i in _known()))

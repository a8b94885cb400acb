"""World Bank, Worldwide Governance Indicators: long workbook or csv, and the wide table of the DataBank."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError
from ..jurisdictions import is_country
from ..registry import source
from .base import (
    PathLike,
    Reading,
    Report,
    find_columns,
    numbers,
    plain,
    read_delimited,
    read_sheet,
    read_text,
    released,
    source_row,
)
from .layout import find_sheets, first_rows, is_workbook, read_table
from .places import agreed, countries
from .report import day_in

__all__ = ["wgi"]

_INDICATORS = {
    "cc": "wgi_cc", "controlofcorruption": "wgi_cc", "ge": "wgi_ge", "governmenteffectiveness": "wgi_ge",
    "pv": "wgi_pv", "politicalstability": "wgi_pv", "politicalstabilityandabsenceofviolence": "wgi_pv",
    "politicalstabilityandabsenceofviolenceterrorism": "wgi_pv", "politicalstabilitynoviolence": "wgi_pv",
    "ps": "wgi_pv", "rl": "wgi_rl", "ruleoflaw": "wgi_rl",
    "rq": "wgi_rq", "regulatoryquality": "wgi_rq", "va": "wgi_va", "voiceandaccountability": "wgi_va",
}  # fmt: skip
_LONG = {
    "code": ["code", "economy code", "country code", "iso3", "economy_code"],
    "name": ["countryname", "economy name", "country name", "country/territory", "economy"],
    "year": ["year"],
    "indicator": ["indicator", "governance dimension", "dimension", "series code"],
    "value": ["estimate", "governance estimate (approx. -2.5 to +2.5)", "governance estimate", "value"],
    "error": ["stddev", "standard error", "stderr", "std. error", "se", "standard error (estimate)"],
    "lower": ["lower threshold (90% conf. int. estimate)", "lower"],
    "upper": ["upper threshold (90% conf. int. estimate)", "upper"],
}
_WIDE = {
    "code": _LONG["code"],
    "name": _LONG["name"],
    "indicator": ["series code", "indicator code", "series name", "indicator name", "indicator"],
}
_UPDATED = re.compile(r'^"?Last Updated Date"?,"?(\d{4}-\d{2}-\d{2})', re.MULTILINE)
_SHEETED = ["code", "year", "value"]  # what a sheet of one indicator must have; its name says which
_WIDE_YEAR = re.compile(r"(\d{4}) \[YR\1\]|YR(\d{4})|(\d{4})")
_ENDS = ("lower", "upper")
_BEYOND = 4.0  # standard deviations; no estimate is so far off
_INTERVAL = 1.645  # 90 percent of a normal distribution, as the publisher prints it


@source(
    licence="cc_by",
    publisher="World Bank",
    formats=("xlsx", "csv", "csv.gz", "zip"),
    reads="six governance indicators by country and year",
)
def wgi(path: PathLike, *, sheet: str | None = None, decimal: str = ".", published_on: str | None = None) -> Reading:
    r"""Read the Worldwide Governance Indicators.

    Parameters
    ----------
    path : path-like
        ``wgidataset.xlsx`` or the same as csv (a row per country, year and indicator), a workbook with a sheet per indicator
        (the releases to 2022, with years over blocks of columns, and those from 2025), a DataBank table with a column per
        year (``2023 [YR2023]``) or per indicator (``RL.EST``, ``rle``), or a file of the World Bank's programming interface (``API_PV.EST_DS2_en_csv_v2_1.csv``), as it is or as
        the zip that it comes in (metadata beside it are left out), or a zip of several such files, e.g. one per indicator.
    sheet : str, optional
        Sheet of a workbook; default all that hold an indicator.
    decimal : {".", ","}
        Decimal mark of a csv.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the one that a cover sheet states, else unknown.

    Returns
    -------
    Reading
        ``tables``: ``countries`` (``wgi_cc, wgi_ge, wgi_pv, wgi_rl, wgi_rq, wgi_va``; estimate of about -2.5 to 2.5, higher
        is better; low and high are its 90 percent interval) and ``sources``. ``data``: every row.

    Raises
    ------
    SourceError
        Not such a file.

    Notes
    -----
    Without standard errors the bounds that the file states count, if they enclose the estimates: those of the percentile rank
    (``Lower``, ``Upper``) are not read. ``..`` is ``not_available``, never zero. Old World Bank codes (ADO, ROM, TMP, ZAR, WBG, KSV) become today's; Taiwan is
    TWN. Where a code is that of another place than the name, the name counts, with a note; places without a code today (Netherlands Antilles) stay in ``data`` alone.

    References
    ----------
    Kaufmann, D., Kraay, A., Mastruzzi, M. (2010), The Worldwide Governance Indicators: methodology and analytical issues.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = ("code,countryname,year,indicator,estimate,stddev\n"
    ...     'ZAR,"Congo, Dem. Rep.",2023,pv,-2.0,0.2\nTWN,Taiwan,2023,pv,..,..\n')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "wgi.csv")
    ...     _ = file.write_text(text)
    ...     table = wgi(file).tables["countries"]
    >>> table["country"].tolist(), table["value"].tolist()[0], table["missing"].tolist()[1]
    (['COD', 'TWN'], -2.0, 'not_available')
    """
    report = Report("wgi", Path(path).name, "cc_by")
    packed = _packed(path)
    if is_workbook(path):
        tidy = _workbook(path, report, sheet)
    else:
        tidy = _zip(path, report, packed) if packed else _table(path, _text(path, report))
    code = tidy["indicator"].map(_indicator).astype("object")
    ones = pd.Series(1.0, index=tidy.index)  # estimates have no sum: shares are of rows
    report.unknown("indicator", tidy.loc[code.isna(), "indicator"], ones, (), "rows")
    parsed = numbers(tidy["value"], decimal)
    error = numbers(tidy["error"], decimal)["value"]
    stated = _ends(tidy, parsed["value"], decimal, report)
    place = agreed(report, tidy["name"], tidy["code"]) if "name" in tidy else countries(tidy["code"], "iso3")
    known = place.map(lambda c: isinstance(c, str) and is_country(c)).astype(bool)
    report.unknown("country", tidy.loc[~known, "code"], ones, (), "rows")
    given = pd.to_numeric(tidy["year"], errors="coerce").astype("float64")
    year = given.where(given.between(1900, 2100) & (given % 1 == 0)).astype("Int64")
    code_of = parsed["code"].replace("empty", "not_available")
    comma = int(code_of.eq("decimal_comma").sum())
    if comma:
        report.notes.append(f'{comma} estimates have a decimal comma and are not read: give decimal=","')
    code_of = code_of.mask(code_of.isin(["text", "decimal_comma", "decimal_point"]), "unreadable")
    report.missing = {str(k): int(v) for k, v in code_of.value_counts().items() if k}
    data = tidy.assign(country=place, wgi=code, number=parsed["value"], code_of_cell=code_of, year=year)
    keep = known & code.notna() & year.notna()
    report.leave_out("no country, indicator or year that is known", ~keep, ones, (), "rows")
    last = int(year.max()) if year.notna().any() else None
    report.vintage = f"up to {last}" if last else ""
    beyond = keep & (data["number"].abs() > _BEYOND)
    report.leave_out("estimates beyond -4 to 4: no estimate is", beyond, ones, (), "rows")
    rows = data[keep & ~beyond]
    day = released(report, published_on, _stated(path))
    value, half = rows["number"], _INTERVAL * error[rows.index].abs()
    low, high = (value - half).fillna(stated[0][rows.index]), (value + half).fillna(stated[1][rows.index])
    missing = np.where(rows["code_of_cell"] == "not_available", "not_available", "unknown")
    table = pd.DataFrame(
        {
            "country": rows["country"],
            "indicator": rows["wgi"],
            "year": rows["year"],
            "value": value,
            "low": low.where(low <= value).clip(-_BEYOND, _BEYOND),
            "high": high.where(high >= value).clip(-_BEYOND, _BEYOND),
            "missing": pd.Series(missing, index=rows.index, dtype="object").where(value.isna(), None),
            "published_on": day,
            "source": "wgi",
            "grade": pd.Series("A", index=rows.index, dtype="object").where(value.notna(), None),
        }
    )
    twice = table.duplicated(["country", "indicator", "year"])
    again = twice.reindex(ones.index, fill_value=False)
    report.leave_out("a second row of the same country, indicator and year", again, ones, (), "rows")
    title = "World Bank, Worldwide Governance Indicators"
    tables = {
        "countries": table[~twice].reset_index(drop=True),
        "sources": source_row("wgi", title, None if day is None else int(day[:4]), "CC BY 4.0", "cc_by"),
    }
    return Reading(tables, data.reset_index(drop=True), report)


def _ends(tidy: pd.DataFrame, value: pd.Series, decimal: str, report: Report) -> list[pd.Series]:
    """Bounds that the file states; none where they are of something else (percentile rank, score) than the estimate."""
    blank = pd.Series(np.nan, index=tidy.index)
    low, high = (numbers(tidy[c], decimal)["value"] if c in tidy else blank for c in _ENDS)
    off = (low > value) | (high < value) | (low.abs() > _BEYOND) | (high.abs() > _BEYOND)
    if not off.any():
        return [low, high]
    said = "the columns Lower and Upper do not enclose the estimate (bounds of the percentile rank?)"
    report.notes.append(f"{said} in {int(off.sum())} rows: they are not read")
    return [blank, blank]


def _packed(path: PathLike) -> list[str]:
    """Tables in a zip of several, without what the World Bank puts beside them (metadata, notes); else none."""
    if not (Path(path).is_file() and zipfile.is_zipfile(path)) or is_workbook(path):
        return []
    with zipfile.ZipFile(path) as archive:
        names = [i.filename for i in archive.infolist() if not i.is_dir()]
    names = [n for n in names if n.casefold().endswith((".csv", ".txt")) and not n.startswith("__MACOSX")]
    return sorted(n for n in names if not re.match(r"metadata|read_?me|notes", Path(n).name, re.I))


def _zip(path: PathLike, report: Report, members: list[str]) -> pd.DataFrame:
    """All tables of a zip: a file per indicator, or the one table beside its metadata."""
    parts = []
    for name in members:
        own = Report(report.source, name, report.licence_class)
        raw = _text(path, own, name)
        long = not any(_year(c) for c in raw.columns)
        said = next((i for w in _words(name) if (i := _indicator(w))), None)
        if long and said and not {plain(c) for c in raw.columns} & {plain(n) for n in _LONG["indicator"]}:
            raw = raw.assign(indicator=said.removeprefix("wgi_"))
        parts.append(_table(path, raw))
        report.rows_read += own.rows_read
        report.notes += [f"{name}: {n}" for n in own.notes]
    return pd.concat(parts, ignore_index=True)


def _words(name: str) -> list[str]:
    """What of a file's name may say the indicator: ``pv``, ``RuleofLaw``, ``API_PV.EST_DS2``."""
    stem = Path(name).stem
    return [stem, *re.split(r"[_\-\s]+", stem)]


def _stated(path: PathLike) -> str | None:
    """Day that a sheet without indicators states (an introduction, notes, a read-me), or the lines above a csv."""
    if not is_workbook(path):
        members: list[str | None] = [*_packed(path)] or [None]
        heads = [read_text(path, member=m)[0][:2000] for m in members]
        return max((above[1] for h in heads if (above := _UPDATED.search(h))), default=None)
    sheets = {n: rows for n, rows in first_rows(path, count=30).items() if not _indicator(n)}
    cells = (
        c for rows in sheets.values() for row in rows for c in row if re.search("releas|updat|publish|edition", c, re.I)
    )
    return next((day for c in cells if (day := day_in(c))), None)


def _text(path: PathLike, report: Report, member: str | None = None) -> pd.DataFrame:
    """A csv: long with its header anywhere in the first lines, or wide."""
    marks = ["code", "indicator", "value"] if member is None else ["code", "value"]  # its name may say the indicator
    if not Path(path).is_file():
        return read_delimited(path, report)  # says what is wrong
    long = read_table(path, Report("", "", ""), _LONG, marks, member=member)
    if {plain(c) for c in long.columns} & {plain(n) for n in _LONG["value"]}:
        return read_table(path, report, _LONG, marks, member=member)
    raw = read_table(path, report, _WIDE, ["code", "indicator"], member=member)
    # The programming interface of the World Bank has a column per year since 1960, whether the indicator has one or not.
    hollow = [c for c in raw.columns if _year(c) and (raw[c].fillna("").str.strip() == "").all()]
    if hollow:
        report.notes.append(f"{len(hollow)} years without any figure, {hollow[0]} to {hollow[-1]}, are left out")
    return raw.drop(columns=hollow)


def _table(path: PathLike, raw: pd.DataFrame) -> pd.DataFrame:
    if (across := _across(raw)) is not None:
        return across
    years = {c: _year(c) for c in raw.columns}
    return _wide(path, raw, {c: y for c, y in years.items() if y}) if any(years.values()) else _long(path, raw)


def _workbook(path: PathLike, report: Report, sheet: str | None) -> pd.DataFrame:
    """One long sheet, a sheet per indicator, or a sheet per indicator with years over blocks of columns."""
    long = find_sheets(path, _LONG, ["code", "year", "indicator", "value"], sheet)
    if long:
        marks = ["code", "year", "indicator", "value"]
        return _table(path, read_table(path, report, _LONG, marks, sheet=sheet, stack=marks))
    parts, skipped = [], []
    for name, row in find_sheets(path, _LONG, _SHEETED, sheet):
        if _indicator(name):
            raw = read_sheet(path, report, sheet=name, header_row=row)
            parts.append(_long(path, raw.assign(indicator=name)))
        else:
            skipped.append(name)
    for name, rows in first_rows(path, sheet).items() if not parts else ():
        head = next(
            (k for k, cells in enumerate(rows) if k and {"code", "estimate"} <= {plain(c) for c in cells}), None
        )
        if head is not None and _indicator(name):
            parts.append(_blocks(path, name, head, report))
        elif head is not None:
            skipped.append(name)
    if parts:
        report.notes += [
            f"sheet {n!r} has estimates but its name is no indicator's: it is not read" for n in dict.fromkeys(skipped)
        ]
        return pd.concat(parts, ignore_index=True)
    return _table(path, read_sheet(path, report, sheet=sheet))


def _blocks(path: PathLike, name: str, head: int, report: Report) -> pd.DataFrame:
    """The layout to 2022: a row of years, under it Estimate, StdErr, NumSrc ... for each year anew."""
    rows = first_rows(path, name, 100_000)[name]
    years, titles, body = rows[head - 1], [plain(c) for c in rows[head]], rows[head + 1 :]
    code = titles.index("code")
    place = next((k for k, t in enumerate(titles) if t.startswith("country")), code)
    report.rows_read += len(body)
    out, year = [], ""
    for k, title in enumerate(titles):
        year = years[k] if k < len(years) and years[k] else year
        if title != "estimate":
            continue
        error = k + 1 if k + 1 < len(titles) and titles[k + 1] == "stderr" else None
        for cells in body:
            if cells[code]:
                out.append((cells[code], cells[place], year, name, cells[k], "" if error is None else cells[error]))
    if not out:
        raise SourceError(
            [Problem(Path(path).name, name, "Estimate", "no figures under the header", "", "Is the file complete?")],
            f"the file {Path(path).name}",
        )
    frame = pd.DataFrame(out, columns=["code", "name", "year", "indicator", "value", "error"], dtype="string")
    return frame.assign(value=frame["value"].replace("#N/A", ".."), error=frame["error"].replace("#N/A", ".."))


def _year(column: object) -> int | None:
    hit = _WIDE_YEAR.fullmatch(" ".join(str(column).split()))
    return int(next(g for g in hit.groups() if g)) if hit else None


def _indicator(text: object) -> str | None:
    """Code of ``pv``, ``PV.EST``, ``GOV_WGI_PV.EST`` or ``Political Stability: Estimate``; ranks and errors are not meant."""
    name = str(text)
    coded = re.fullmatch(r"(?:GOV_WGI_)?([A-Z]{2})\.EST", name.strip(), re.IGNORECASE)
    if coded:
        return _INDICATORS.get(coded[1].casefold())
    head, _, tail = name.partition(":")
    return None if tail and plain(tail) != "estimate" else _INDICATORS.get(plain(head))


def _across(raw: pd.DataFrame) -> pd.DataFrame | None:
    """A row per country and year and a column per indicator (``RL.EST``, ``Rule of Law``, ``rle``); None for others."""
    have = {plain(c): str(c) for c in raw.columns}
    code, name, year = (
        next((have[plain(n)] for n in _LONG[k] if plain(n) in have), None) for k in ("code", "name", "year")
    )
    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    for c in map(str, raw.columns):
        short = re.fullmatch(r"([a-z]{2})([es])", c.casefold())  # of its Stata file
        own = _INDICATORS.get(short[1]) if short else None
        if i := _indicator(c) or (own if short and short[2] == "e" else None):
            values.setdefault(i, c)
        elif i := _error_of(c) or own:
            errors.setdefault(i, c)
    if code is None or year is None or not values or {plain(n) for n in _LONG["indicator"]} & set(have):
        return None
    blank = pd.Series("", index=raw.index, dtype="string")
    parts = [
        pd.DataFrame(
            {
                "code": raw[code].str.strip(),
                "name": raw[name or code].str.strip(),
                "year": raw[year].str.strip(),
                "indicator": blank + i.removeprefix("wgi_"),
                "value": raw[c].str.strip(),
                "error": raw[errors[i]].str.strip() if i in errors else blank,
            }
        )
        for i, c in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _long(path: PathLike, raw: pd.DataFrame) -> pd.DataFrame:
    cols = find_columns(path, raw.columns, _LONG, ["code", "year", "indicator", "value"])
    out = pd.DataFrame({k: raw[c].str.strip() for k, c in cols.items()})
    return out if "error" in out else out.assign(error=pd.Series("", index=out.index, dtype="string"))


def _wide(path: PathLike, raw: pd.DataFrame, years: dict[str, int]) -> pd.DataFrame:
    cols = find_columns(path, raw.columns, _WIDE, ["code", "indicator"])
    parts = [
        pd.DataFrame({**{k: raw[c].str.strip() for k, c in cols.items()}, "value": raw[c_].str.strip()}).assign(year=y)
        for c_, y in years.items()
    ]
    out = pd.concat(parts, ignore_index=True)
    out = out[out["code"].fillna("") != ""].reset_index(drop=True)
    about = out["indicator"].fillna("").map(_error_of)
    errors = out[about.notna()].assign(of=about).drop_duplicates(["code", "of", "year"])
    out = out[about.isna()].reset_index(drop=True)
    out["of"] = out["indicator"].map(_indicator)
    out = out.merge(
        errors[["code", "of", "year", "value"]].rename(columns={"value": "error"}), "left", ["code", "of", "year"]
    )
    return out.drop(columns="of").assign(error=out["error"].fillna("").astype("string"))


def _error_of(text: str) -> str | None:
    """Which indicator ``RL.STD.ERR`` or ``Rule of Law: Standard Error`` is the standard error of."""
    coded = re.fullmatch(r"(?:GOV_WGI_)?([A-Z]{2})\.STD\.ERR", text.strip(), re.IGNORECASE)
    if coded:
        return _INDICATORS.get(coded[1].casefold())
    head, _, tail = text.partition(":")
    return _INDICATORS.get(plain(head)) if plain(tail) == "standarderror" else None

"""USGS Mineral Commodity Summaries: the wide release (to 2025), the long one (from 2026), and per-commodity files."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError
from ..registry import source
from .base import (
    PathLike,
    Reading,
    Report,
    files_in,
    find_columns,
    numbers,
    plain,
    refuse_decimal_comma,
    released,
    source_row,
)
from .cells import as_years, marks, refuse_points
from .commodities import (
    in_product_units,
    map_products,
    node_rows,
    product_rows,
    production_rows,
    shares_of_world,
    tonnes,
)
from .layout import read_table
from .places import AGGREGATE, countries
from .twins import without_twins
from .usgs_errata import correct_units, withheld_blanks
from .usgs_names import SHORT
from .usgs_salient import is_salient, tidy_salient
from .usgs_stage import as_capacity, fits_stage, other_forms, say_left_out
from .world_total import is_world

__all__ = ["usgs_mcs"]

_LONG = {
    "commodity": ["Commodity"], "chapter": ["MCS chapter", "Chapter"], "section": ["Section"], "country": ["Country", "Country or locality"],
    "statistic": ["Statistics", "Statistic"], "detail": ["Statistics_detail", "Statistic detail", "Type"],
    "unit": ["Unit", "UNIT_MEAS", "Units", "Units of measure", "Unit of measure"], "year": ["Year"], "value": ["Value"], "note": ["Notes", "Note"],
}  # fmt: skip
_WIDE = re.compile(r"(prod|cap|reserves?)(?:_(?!est|note)([a-z]+[0-9]?))?(?:_(est))?_?(\d{4})?")
_UNITS = {"t": "t", "kt": "kt", "kg": "kg", "mt": "million metric tons", "mct": "million carats", "kct": "thousand carats",
          "mcm": "million cubic meters", "m3": "m3", "cubicmeters": "m3", "g": "g"}  # fmt: skip
_WHAT = {"prod": "output", "cap": "capacity", "reserve": "reserves", "reserves": "reserves"}
_STATISTIC = {"production": "output", "capacity": "capacity", "reserves": "reserves", "netimportreliance": "reliance"}
_COLUMNS = ["commodity", "detail", "place", "what", "year", "text", "unit", "estimated", "note"]


@source(
    licence="public_domain",
    publisher="US Geological Survey",
    formats=("csv", "csv.gz", "zip", "xlsx", "folder"),
    reads="production, capacity, reserves, US use, import reliance and import sources",
)
def usgs_mcs(
    path: PathLike,
    *,
    products: Iterable[str] | None = None,
    commodity: str | None = None,
    member: str | None = None,
    decimal: str | None = None,
    published_on: str | None = None,
) -> Reading:
    r"""Read a data release of the USGS Mineral Commodity Summaries.

    Parameters
    ----------
    path : path-like
        ``MCS2026_Commodities_Data.csv`` (long), ``MCS2025_World_Data.csv`` (wide), a file of one commodity of an older
        release (``mcs2022-gallium_world.csv``, ``mcs2023-lithi_world.csv``; with U.S. statistics alone:
        ``mcs2023-lithi_salient.csv``), or a folder or zip of such files of one year.
    products : iterable of str, optional
        Keep these products only; default all that the concordance knows.
    commodity : str, optional
        Commodity of a file that does not name it; default from the file's name.
    member : str, optional
        Only this file of a zip.
    decimal : {".", ","}, optional
        Decimal mark, should the file have been saved with another one; default a point, and figures whose points may
        part thousands are refused.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the end of January of the release's year, when the summaries come out.

    Returns
    -------
    Reading
        ``inputs``: ``products``, ``production`` (world totals as country ``WLD``, unlisted countries as ``ROW``),
        ``demand`` and ``sourcing`` of the United States. ``tables``: ``nodes`` (in product units) and ``sources``.
        ``data``: every row with its code: ``withheld`` (W), ``not_available`` (NA), ``zero`` (a dash),
        ``net_exporter`` (E), ``bound`` (``>50``), ``range``, ``less_than_half_unit`` (s).

    Raises
    ------
    SourceError
        Not a release of the summaries, or numbers with a decimal comma.

    Notes
    -----
    Known faults of a release are corrected where the file still has them, with the reason in the row's note and in the
    report: in the 2025 release titanium minerals and industrial sand are in thousand tonnes and labelled tonnes. A release
    counts from the end of January of its year. A figure of another stage than its product's (a smelter's beside the mine's, scrap,
    reserves), a sum of two products and a further form of what has a figure already are never added: they go to the product of
    that stage, or stay in ``data`` with a note. A figure that the publisher marks as estimated is graded B, others A.
    Revisions between releases are large: Chinese
    mine output of antimony in 2024 is 60,000 t in the 2025 release and 40,000 t in that of 2026. Reserves stay in
    ``data``: the data model has no place for them.

    References
    ----------
    U.S. Geological Survey (2025, 2026), Mineral Commodity Summaries, data releases 10.5066/P13XCP3R, 10.5066/P1WKQ63T.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = ("MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes\n"
    ...     'GALLIUM,World Production,Gallium,China,Production,Primary production,kilograms,2024,"839,000",\n')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "MCS2026.csv")
    ...     _ = file.write_text(text)
    ...     reading = usgs_mcs(file)
    >>> reading.inputs["production"][["product", "country", "quantity", "unit"]].values.tolist()
    [['gallium.refined', 'CHN', 839000.0, 'kg']]
    """
    report = Report("usgs_mcs", Path(path).name, "public_domain")
    tidies, released = [], set()
    for file, raw in _files(path, report, member):
        if is_salient(raw.columns):
            tidies.append(tidy_salient(raw, commodity or _name_of(file)))
            released.add(_vintage(file, raw, tidies[-1]))
            continue
        wide = _wide_columns(raw.columns)
        odd = [str(c) for c in raw.columns if c not in wide and re.search(r"(prod|capac|reserve).*\d{4}", str(c), re.I)]
        odd = [c for c in odd if "note" not in c.casefold()]
        if odd:
            report.notes.append(
                f"columns that the reader does not know are not read: {', '.join(c[:40] for c in odd[:8])}"
            )
        one = _from_wide(file, raw, wide, commodity) if wide else _from_long(file, raw, report)
        tidies.append(one)
        released.add(_vintage(file, raw, one))
    if len(released) > 1:
        years = ", ".join(map(str, sorted(released)))
        problem = Problem(Path(path).name, "-", "-", "releases of several years", years, "Read one release at a time.")
        raise SourceError([problem], f"the file {Path(path).name}")
    vintage = released.pop()
    tidy = correct_units(pd.concat(tidies, ignore_index=True), vintage, report)
    tidy["what"] = as_capacity(tidy)
    if "world" in tidy:
        tidy["world"] = tidy["world"].astype("object").fillna(True).astype(bool)
    if not len(tidy):
        report.notes.append("no rows")
    parsed = numbers(tidy["text"], decimal, percent=bool((tidy["unit"] == "percent").all()) and len(tidy) > 0)
    refuse_decimal_comma(path, tidy["text"], parsed)
    refuse_points(path, tidy["text"], decimal, report)
    report.unread(tidy["text"], parsed["code"])
    share = (tidy["unit"] == "percent") & (parsed["code"] == "bound") & parsed["high"].isna()
    parsed["high"] = parsed["high"].mask(share, 100.0)
    data = pd.concat([tidy, parsed], axis=1)
    mark = marks(tidy["text"])
    data["estimated"] |= mark == "estimated"
    data["note"] = data["note"].mask(
        mark == "revised", (data["note"].fillna("") + "; revised by the publisher").str.strip("; ")
    )
    negative = (data["value"] < 0) & data["what"].isin(["output", "capacity", "use"])
    if negative.any():  # nothing is made in the negative: a slip, or an adjustment that the table does not explain
        data["note"] = data["note"].mask(negative, "negative in the file: " + tidy["text"].astype("string"))
        data["value"], data["code"] = data["value"].mask(negative), data["code"].mask(negative, "text")
        report.notes.append(f"{int(negative.sum())} negative figures are emptied and flagged in their notes")
    data["code"] = data["code"].mask(data["code"] == "empty", _code_of_note(data["note"], data["year"]))
    data["code"] = withheld_blanks(data, vintage)
    half = data["code"] == "less_than_half_unit"
    data.loc[half, ["low", "high"]] = [0.0, 0.5]
    data["country"] = _places(data)
    report.vintage = f"MCS {vintage}"
    report.count(data["code"])
    report.unknown("country", data.loc[data["country"].isna(), "place"], *_amount(data))
    return _reading(data, report, vintage, None if products is None else set(products), published_on)


_HEADER = {
    "country": ["Country", "Country or locality"],
    "what": ["Type", "Statistics", "Commodity", "Prod_notes", "Source"],
    "commodity": ["Commodity"],
}


def _files(path: PathLike, report: Report, member: str | None) -> Iterator[tuple[Path, pd.DataFrame]]:
    """The tables of a file, a folder or an archive; of many files, those of the world and of the United States."""
    file = Path(path)
    if file.is_dir():
        found = [f for f in files_in(file, (".csv", ".csv.gz")) if _is_world(f.name)]
        names: list[tuple[Path, str | None]] = [(f, None) for f in found]
    elif member is None and file.suffix.lower() == ".zip" and file.is_file() and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            inside = [i.filename for i in archive.infolist() if i.filename.lower().endswith((".csv", ".txt"))]
        several = [n for n in inside if _is_world(Path(n).name)]
        names = [(Path(n), n) for n in several] if len(inside) > 1 and several else [(file, None)]
    elif member is not None and file.is_file() and not zipfile.is_zipfile(file):
        raise SourceError(
            [Problem(file.name, "-", "member", "no archive, so it has no members", member, "Leave member= out.")],
            f"the file {file.name}",
        )
    else:
        names = [(Path(member), member) if member else (file, None)]
    if not names:
        rule, remedy = "no file of the summaries", "Such files are named like mcs2023-lithi_world.csv."
        raise SourceError([Problem(file.name, "-", "-", rule, "", remedy)], f"the folder {file.name}")
    for name, inner in names:
        source_file = file if inner else name
        raw = read_table(source_file, report, _HEADER, ["country", "what"], member=inner, stack=["commodity"])
        yield name, without_twins(raw, report)


def _is_world(name: str) -> bool:
    return bool(re.search(r"world|salient|commodities_data", name, re.IGNORECASE))


class _Wide(NamedTuple):
    """What the header of a column of figures says."""

    what: str
    unit: str | None
    estimated: bool
    year: int | None
    form: str  # "mine production" of ``Mine production_2020_t``


def _wide_columns(columns: pd.Index) -> dict[str, _Wide]:
    """Columns such as ``PROD_EST_ 2024``, ``CAP_2023``, ``Prod_kt_est_2021`` or ``Mine production_2021_t_estimated``."""
    out = {}
    for c in columns:
        hit = _WIDE.fullmatch(re.sub(r"\s", "", str(c)).casefold())
        if hit:
            out[str(c)] = _Wide(hit[1], hit[2], bool(hit[3]), int(hit[4]) if hit[4] else None, "")
            continue
        words = [w for w in re.split(r"[\s_]+", str(c).casefold()) if w]
        year = next((int(w) for w in words if re.fullmatch(r"(19|20)\d\d", w)), None)
        what = next((k for k in ("prod", "cap", "reserve") for w in words if w.startswith(k)), None)
        if what is None or any(w.startswith("note") for w in words) or (year is None and what != "reserve"):
            continue
        unit = next((w for w in words if w in _UNITS), None)
        estimated = any(w.startswith("est") or w == "e" for w in words)
        form = [w for w in words if w not in (unit, "e") and not w.startswith("est") and not w.isdigit()]
        out[str(c)] = _Wide(what, unit, estimated, year, " ".join(form) if len(form) > 1 else "")
    return out


def _from_wide(path: PathLike, raw: pd.DataFrame, wide: dict[str, _Wide], commodity: str | None) -> pd.DataFrame:
    cols = find_columns(
        path,
        raw.columns,
        {"commodity": ["COMMODITY"], "country": _LONG["country"], "type": ["TYPE"], "unit": _LONG["unit"],
         "prod": ["PROD_NOTES"], "cap": ["CAP_NOTES"], "reserves": ["RESERVE_NOTES", "RESERVES_NOTES"]},
        ["country"],
    )  # fmt: skip
    blank = pd.Series("", index=raw.index, dtype="string")
    name = raw[cols["commodity"]].str.strip() if "commodity" in cols else blank + (commodity or _name_of(path))
    years = [h.year for h in wide.values() if h.year]
    parts = []
    for column, hit in wide.items():
        what = _WHAT[hit.what]
        notes = (
            raw[cols[what_note]]
            if (what_note := hit.what.rstrip("s").replace("reserve", "reserves")) in cols
            else blank
        )
        unit = raw[cols["unit"]] if "unit" in cols else blank
        if hit.unit:
            unit = blank + _UNITS.get(hit.unit, hit.unit)
        year = hit.year if hit.year else (max(years) if years else None)
        kind = raw[cols["type"]] if "type" in cols else blank
        low = notes.str.casefold()
        parts.append(
            pd.DataFrame(
                {
                    "commodity": name,
                    "detail": (kind + ": " + hit.form).str.removeprefix(": ") if hit.form else kind,
                    "place": raw[cols["country"]].str.strip(),
                    "what": what,
                    "year": year,
                    "text": raw[column].str.strip(),
                    "unit": unit.str.strip(),
                    "estimated": hit.estimated | (low.str.contains("estimated") & ~low.str.contains("reported")),
                    "note": notes.str.strip(),
                }
            )
        )
    tidy = pd.concat(parts, ignore_index=True)
    world = tidy["place"].str.match(r"world total", case=False)
    tidy["detail"] = tidy["detail"].where(~world, tidy["detail"] + " " + tidy["place"])
    by = [tidy["commodity"], tidy["what"]]
    usual = tidy["unit"].where(tidy["unit"] != "").groupby(by).transform("first")
    tidy["unit"] = tidy["unit"].mask(tidy["unit"] == "", usual)
    said = (tidy["text"].fillna("") != "").groupby([*by, tidy["detail"]]).transform("any")
    return _mend_reserves(tidy[said | (tidy["what"] == "output")].reset_index(drop=True))


def _mend_reserves(tidy: pd.DataFrame) -> pd.DataFrame:
    """Capacity that stands in the column of reserves, and reserves in another unit than the row's."""
    reserves = tidy["what"] == "reserves"
    low = tidy["note"].str.casefold().fillna("")
    moved = set(tidy.loc[reserves & low.str.contains("not a reserve"), "commodity"])
    wrong = reserves & (tidy["commodity"].isin(moved) | tidy["commodity"].map(plain).eq("magnesiummetal"))
    tidy = tidy[~wrong].reset_index(drop=True)
    low, reserves = low[~wrong].reset_index(drop=True), reserves[~wrong].reset_index(drop=True)
    for phrase, unit in (
        ("thousand metric tons", "thousand metric tons"),
        ("million metric tons", "million metric tons"),
    ):
        said = reserves & low.str.contains(phrase)
        whole = set(tidy.loc[said & low.str.contains("reserve data"), "commodity"])
        hit = said | (reserves & tidy["commodity"].isin(whole))
        tidy["unit"] = tidy["unit"].mask(hit, unit)
    return tidy


def _from_long(path: PathLike, raw: pd.DataFrame, report: Report) -> pd.DataFrame:
    cols = find_columns(
        path, raw.columns, _LONG, ["commodity", "country", "statistic", "detail", "unit", "year", "value"]
    )
    text = {k: raw[c].str.strip() for k, c in cols.items()}
    section = text.get("section", pd.Series("", index=raw.index, dtype="string"))
    key = text["statistic"].map(plain)
    world = section.str.match(r"world", case=False)
    what = key.map(_STATISTIC).astype("object")
    what = what.mask(key.str.startswith("importsources"), "import_share")
    what = what.mask(key.isin(["consumption"]), "use")
    what = what.where(what.notna() & (world | ~what.isin(["output", "capacity", "reserves"])), "us_" + key)
    year = as_years(text["year"].str.extract(r"(?<!\d)(\d{4})(?!\d)(?!.*\d{4})")[0])
    odd = (text["year"].str.contains(r"\d").fillna(False) & year.isna()).astype(bool)
    report.leave_out("a year that is none", odd)
    tail = text["year"].str.extract(r"\d{4}\s*[-\u2013\u2014]\s*(\d{2,4})$")[0]
    end = pd.to_numeric(tail, errors="coerce")
    year = year.mask(end.notna(), end.where(end > 100, 2000 + end))
    note = text.get("note", pd.Series("", index=raw.index, dtype="string"))
    detail = text["detail"].str.replace(r"[:,]?\s*\brounded\b", "", regex=True)
    return pd.DataFrame(
        {
            "commodity": text["commodity"],
            "detail": detail,
            "place": text["country"],
            "what": what.astype("string"),
            "year": year,
            "text": text["value"],
            "unit": text["unit"],
            "estimated": note.str.match(r"\s*estimated", case=False).fillna(False),
            "note": note,
        }
    )[_COLUMNS].assign(world=world.fillna(False).to_numpy())[~odd.to_numpy()]


def _name_of(path: PathLike) -> str:
    """Commodity of ``mcs2022-gallium_world.csv``; nothing where the name does not say."""
    hit = re.fullmatch(
        r"mcs-?(?:\d{4})[-_](.+?)(?:[-_](?:world|salient))?\.(?:csv(?:\.gz)?|xlsx)", Path(path).name.casefold()
    )
    return SHORT.get(hit[1], hit[1].replace("_", " ")) if hit else ""


def _vintage(path: PathLike, raw: pd.DataFrame, data: pd.DataFrame) -> int:
    for c in raw.columns:
        if plain(c) in ("source", "datasource") and len(raw):
            hit = re.search(r"MCS\s*(\d{4})", str(raw[c].iloc[0]), re.IGNORECASE)
            if hit:
                return int(hit[1])
    hit = re.search(r"mcs[-_ ]?(\d{4})", Path(path).name, re.IGNORECASE)
    if hit:
        return int(hit[1])
    if data["year"].notna().any():
        return int(data["year"].max()) + 1
    raise SourceError(
        [
            Problem(
                Path(path).name, "-", "-", "no release year", "", "Name the file as published, e.g. MCS2026_....csv."
            )
        ],
        f"the file {Path(path).name}",
    )


def _code_of_note(note: pd.Series, year: pd.Series) -> pd.Series:
    """Why a cell is empty, where the note beside it says so; a year in the note limits it to that year."""
    text = note.fillna("").astype("str")
    code = pd.Series("empty", index=note.index, dtype="object")
    code = code.mask(text.str.match(r"\s*(NA|na)\b"), "not_available")
    code = code.mask(text.str.match(r"\s*(XX|xx)\b"), "not_applicable")
    code = code.mask(text.str.contains(r"(?:^|\W)W(?:\W|$)"), "withheld")
    code = code.mask(text.str.contains(r"less than 1/2 unit", case=False), "less_than_half_unit")
    only = pd.to_numeric(text.str.extract(r"for (\d{4})\s*$")[0], errors="coerce")
    return code.mask(only.notna() & (only != year), "empty")


def _places(data: pd.DataFrame) -> pd.Series:
    world = data["place"].str.match(r"world", case=False).fillna(False).astype(bool)
    out = countries(data["place"].mask(world), "name")
    out = out.mask(is_world(data["place"]), "WLD")
    return out.mask((out == AGGREGATE).fillna(False)).mask(world, "WLD")


def _amount(data: pd.DataFrame) -> tuple[pd.Series, list[pd.Series], str]:
    """What a row carries of the world's figure of one statistic of one commodity: the measure of what is left out."""
    listed = ~data["country"].isin(["WLD"]).fillna(False) & (data["code"] != "bound")
    within = [data[c] for c in ("commodity", "detail", "what", "unit", "year")]
    return data["value"].where(listed), within, "quantity"


def _reading(data: pd.DataFrame, report: Report, vintage: int, only: set[str] | None, given: str | None) -> Reading:
    year = f"usgs_mcs{vintage}"
    day = released(report, given, f"{vintage}-01-31")  # the summaries come out at the end of January
    world = data.pop("world") if "world" in data else pd.Series(True, index=data.index)
    made = data["what"].isin(["output", "capacity"]) & world
    mapped = map_products("usgs", data["commodity"], data["detail"])
    stage = fits_stage(mapped["product"], data["detail"])
    mapped["product"] = mapped["product"].where(stage)
    use = map_products("usgs_use", data["commodity"], data["detail"])
    bought = map_products("usgs_import", data["commodity"], data["detail"])
    for what, other in (("use", use), ("import_share", bought)):
        mapped = mapped.where(data["what"] != what, other)
    keep = made | data["what"].isin(["use", "import_share"])
    data["product"] = mapped["product"].where(keep)
    data["factor"] = mapped["factor"].astype("float64").where(data["what"] != "import_share", 1.0)
    # A known name none of whose forms fits is lost too; one left out on purpose has a note that says why.
    said = data["code"] != "empty"
    on_purpose = mapped["note"].fillna("") != ""
    lost = made & mapped["product"].isna() & ((stage & ~on_purpose) | (~stage & said))
    typed = data["commodity"] + ": " + data["detail"].fillna("")
    name = data["commodity"].where(~mapped["known"].astype(bool), typed)
    mass, within = tonnes(_amount(data)[0], data["unit"]), [data["what"], data["year"]]
    report.unknown("commodity", name[lost], mass, within, "tonnage")
    reason = mapped["note"].fillna("").mask(~stage, "another stage than the product that its commodity stands for")
    say_left_out(report, typed, reason, made & said & mapped["product"].isna() & (~stage | on_purpose))
    twice = other_forms(data)
    rule = "a further form of what has a figure already: forms are never added up"
    say_left_out(report, typed, pd.Series(rule, index=data.index), twice)
    report.leave_out(rule, twice, mass, within, "tonnage")
    data["product"] = data["product"].mask(twice)
    if only is not None:
        data["product"] = data["product"].where(data["product"].isin(only))
    tonnage = data[data["product"].notna() & data["what"].isin(["output", "capacity", "use"])]
    converted = in_product_units(tonnage, report)
    for column in ("quantity", "product_unit"):
        data[column] = converted[column].reindex(data.index)
    data["year"] = data["year"].astype("Int64")
    production = production_rows(converted[converted["what"] != "use"], year, day)
    if len(data) and not world.any() and not data["place"].ne("United States").any():
        report.notes.append(
            "U.S. statistics alone: no production of the world is in the file, see the one named _world.csv"
        )
    elif not len(production) and len(data):
        unitless = made & data["product"].notna() & (data["unit"].fillna("") == "")
        if unitless.any():
            report.notes.append(
                f"no production was read: {int(unitless.sum()):,} figures of known commodities have no unit; name its column UNIT_MEAS"
            )
        elif (made & data["product"].notna()).any():
            odd = ", ".join(repr(str(u)[:40]) for u in data.loc[made & data["product"].notna(), "unit"].unique()[:5])
            report.notes.append(f"no production was read: no unit of it is known or fits its commodity: {odd}")
        else:
            report.notes.append("no production was read: no column or no commodity of it is known")
    _check_totals(production, report)
    inputs = {"products": product_rows([]), "production": production}
    used = converted[(converted["what"] == "use") & converted["product_unit"].notna()]
    demand = production_rows(used, year, day).drop(columns=["what", "unit"])
    demand.insert(2, "use", "total")
    inputs["demand"] = demand
    inputs["sourcing"] = _sourcing(data, year, day)
    for column in ("low", "high"):
        data[f"quantity_{column}"] = converted[column].reindex(data.index)
    ids = set().union(*(set(f["product"].dropna()) for k, f in inputs.items() if k != "products"))
    inputs["products"] = product_rows(ids, unit="t")
    share = shares_of_world(ids)
    plain_rows = production[~production["product"].isin(share)]
    tables = {
        "nodes": node_rows(plain_rows),
        "sources": source_row(
            year,
            f"U.S. Geological Survey, Mineral Commodity Summaries {vintage}, data release",
            vintage,
            "work of the US government, public domain",
            "public_domain",
            lists="complete",
        ),
    }
    if share:
        left = ", ".join(sorted(share))
        report.notes.append(f"measured as a share of the world in the atlas, so not in tables['nodes']: {left}")
    return Reading(tables, data.drop(columns=["factor"]), report, inputs)


def _check_totals(production: pd.DataFrame, report: Report) -> None:
    """Note where the listed countries add up to far more than the published world total."""
    made = production[production["what"] == "output"]
    total = made[made["country"] == "WLD"].set_index(["product", "year"])["quantity"]
    listed = made[made["country"] != "WLD"].groupby(["product", "year"])["quantity"].sum()
    over = (listed / total - 1.0).dropna()
    big = over[over > 0.1].reset_index(name="part")
    for product, year, part in big.itertuples(index=False, name=None):
        report.notes.append(
            f"{product} {year}: listed countries exceed the published world total by {part:.0%}; check the file"
        )


def _sourcing(data: pd.DataFrame, source_id: str, day: str | None) -> pd.DataFrame:
    """Import shares of the United States, with net import reliance where one figure of it stands for the product."""
    rows = data[(data["what"] == "import_share") & data["product"].notna() & data["value"].notna()]
    rows = rows[rows["country"].notna() & ~rows["country"].isin(["ROW", "WLD"])]
    rows = rows.drop_duplicates(["product", "country", "year"])
    last = data[(data["what"] == "reliance")].sort_values("year", kind="stable")
    one = last.groupby("commodity")["detail"].transform("nunique") == 1
    reliance = last[one].drop_duplicates("commodity", keep="last").set_index("commodity")["value"]
    return pd.DataFrame(
        {
            "product": rows["product"],
            "buyer": "USA",
            "supplier": rows["country"],
            "share": rows["value"] / 100.0,
            "year": rows["year"],
            "reliance": rows["commodity"].map(reliance).astype("float64") / 100.0,
            "published_on": day,
            "source": source_id,
            "grade": "B",
            "note": np.where(rows["note"].fillna("") != "", "share of US imports; " + rows["note"].fillna(""), "share of US imports"),
        }
    ).reset_index(drop=True)  # fmt: skip

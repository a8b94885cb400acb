"""IEA, Critical Minerals Data Explorer: mining and refining by country, and demand; what is projected stays a projection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError
from ..registry import source
from ..units import convertible, factor, is_unit
from .base import (
    PathLike,
    Reading,
    Report,
    find_columns,
    numbers,
    parse_json,
    plain,
    read_delimited,
    read_text,
    refuse_decimal_comma,
    released,
    source_row,
)
from .cells import refuse_points
from .commodities import in_product_units, map_products, node_rows, product_rows, production_rows, shares_of_world
from .iea_book import rows_of_book
from .layout import is_workbook
from .places import AGGREGATE, countries
from .twins import without_twins

__all__ = ["iea"]

_COLUMNS = ["branch", "mineral", "stage", "place", "sector", "scenario", "year", "text"]
_STAGES = {"mining": "mining", "mine": "mining", "extraction": "mining", "refining": "refining", "refined": "refining",
           "processing": "refining", "refinery": "refining"}  # fmt: skip
_CSV = {
    "mineral": ["mineral", "commodity"],
    "stage": ["stage", "step"],
    "place": ["country", "region"],
    "year": ["year"],
    "text": ["kt", "value", "production"],
    "unit": ["unit", "units"],
    "scenario": ["scenario", "case", "pathway"],
    "kind": ["status", "type", "series", "data type"],
}
_YEAR = re.compile(r"((?:19|20)\d{2})(?:\.0)?[ep]?")
_IN_HEADER = re.compile(r"(value|production|supply)\s*[\[(,]\s*([^\])]+?)\s*[\])]?", re.IGNORECASE)
_LATEST = 2025
_HISTORY = ("", "historical", "history", "actual", "actuals", "base year", "base", "estimate", "estimated", "observed")


@source(
    licence="cc_by",
    publisher="International Energy Agency",
    formats=("json", "xlsx", "csv", "csv.gz"),
    reads="mining and refining by country with projections, demand by sector and scenario",
)
def iea(
    path: PathLike,
    *,
    actual_through: int | None = None,
    published: int | None = None,
    published_on: str | None = None,
    unit: str | None = None,
    decimal: str | None = None,
) -> Reading:
    r"""Read the IEA's Critical Minerals Data Explorer.

    Parameters
    ----------
    path : path-like
        The explorer's workbook (sheets ``1 Total demand ...`` and ``2 Total supply ...``), the same as json, or its supply
        as csv (``mineral, stage, country, year, kt``, or a column per year; with ``value`` and ``unit`` in the place of
        ``kt``, or ``value (t)``).
    actual_through : int, optional
        Last year that is a figure and not a projection. Default: the base year that the file states; where it states
        none, the last of the years that follow one another without a gap from the first (2024 in ``2024, 2030, 2035``),
        and never one after 2025, the last of which figures were out when this reader was written.
    published : int, optional
        Year of the release; default the year after ``actual_through``.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the one that the workbook's cover states, else the end of May of the release's year, when the outlook comes out.
    unit : str, optional
        Unit of a csv that states none; default thousand tonnes, as the explorer prints them, with a note.
    decimal : {".", ","}, optional
        Decimal mark of a csv; default a point, and a column in which points may part thousands is refused.

    Returns
    -------
    Reading
        ``inputs``: ``products`` and ``production`` of the years up to ``actual_through`` (rest of the world as ``ROW``).
        ``tables``: ``nodes`` and ``sources``. ``data``: every figure in thousand tonnes, ``projected`` true where it is a
        projection, with ``branch`` (``supply``, ``demand``), ``sector`` and ``scenario``.

    Raises
    ------
    SourceError
        Not such a file, a unit that is no mass, or a decimal comma without ``decimal=","``.

    Notes
    -----
    Projections are the publisher's base case on announced projects: they are in ``data`` and nowhere else, never production.
    A row with a scenario is a projection, whatever its year, unless the scenario says that it is history.
    Lithium is lithium content; rare earths are the magnet elements; refined graphite is of battery grade.

    References
    ----------
    IEA (2025), Global Critical Minerals Outlook, data explorer.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "mineral,stage,country,year,kt\nCopper,mining,Chile,2024,5476\nCopper,mining,Chile,2030,5505\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "supply.csv")
    ...     _ = file.write_text(text)
    ...     reading = iea(file)
    >>> reading.inputs["production"][["product", "country", "year", "quantity"]].values.tolist()
    [['copper.mine', 'CHL', 2024, 5476000.0]]
    """
    report = Report("iea", Path(path).name, "cc_by")
    suffix = Path(path).suffix.lower()
    tidy = _json(path, report) if suffix == ".json" else None
    if tidy is None:
        tidy = _book(path, report) if is_workbook(path) else _csv(path, report, unit)
    given = pd.to_numeric(tidy["year"], errors="coerce").astype("float64")
    year = given.where(given.between(1900, 2100) & (given % 1 == 0)).astype("Int64")
    parsed = numbers(tidy["text"], decimal if "unit" in tidy else ".")  # only a csv has units of its own
    refuse_decimal_comma(path, tidy["text"], parsed)
    refuse_points(path, tidy["text"], decimal, report)
    if "unit" in tidy:
        scale = _to_kt(path, tidy["unit"])
        parsed[["value", "low", "high"]] = parsed[["value", "low", "high"]].mul(scale, axis=0)
    notes = (tidy["branch"] == "supply") & tidy["place"].astype("str").str.len().gt(60)
    whole = [tidy[c] for c in ("branch", "mineral", "stage", "sector", "scenario")]
    report.leave_out("footnotes in the place of a country", notes, parsed["value"].fillna(0.0), whole, "quantity")
    if notes.any():
        report.notes += [str(t)[:200] for t in tidy.loc[notes, "place"].unique()]
    lost = ~notes & year.isna()
    report.leave_out("no year between 1900 and 2100", lost, parsed["value"], whole, "quantity")
    data = pd.concat([tidy, parsed], axis=1)[~(notes | lost)].copy()
    data["year"] = year[data.index]
    last = actual_through if actual_through is not None else _base_year(data, report)
    scenario = data["scenario"].astype("string").str.strip().str.casefold().fillna("")
    data["projected"] = (data["year"] > last).astype(bool) | ~scenario.isin(_HISTORY)
    made = (data["branch"] == "supply").astype(bool)
    place = countries(data["place"].where(made), "name")
    amount, within = data["value"].where(made), [data["mineral"], data["stage"], data["year"]]
    report.unknown("country", data.loc[made & place.isna(), "place"], amount, within, "quantity")
    report.leave_out("totals", made & (place == AGGREGATE), amount, within, "quantity, totals too")
    data["country"] = place.mask(place == AGGREGATE)
    mapped = map_products("iea", data["mineral"].where(made), data["stage"].where(made))
    data["product"], data["factor"] = mapped["product"], mapped["factor"]
    what = (data["mineral"] + " " + data["stage"]).str.strip()
    report.unknown("mineral", what[made & mapped["product"].isna()], amount, [data["year"]], "tonnage")
    report.count(data["code"])
    report.vintage = f"figures up to {last}"
    data["unit"] = "kt"
    figures = data[made & ~data["projected"] & data["product"].notna() & data["country"].notna()].copy()
    figures = in_product_units(figures.assign(what="output", estimated=True, note=""), report)
    out_of = "iea_cmde"
    release = published or (int(last) + 1 if last else None)
    day = released(report, published_on, report.published_on or (f"{release}-05-31" if release else None))
    production = production_rows(figures, out_of, day)
    ids = set(production["product"])
    share = shares_of_world(ids)
    projected = int(data["projected"].sum())
    if projected:
        report.notes.append(f"{projected} projections (after {last}, or of a scenario) are in data alone")
    tables = {
        "nodes": node_rows(production[~production["product"].isin(share)]),
        "sources": source_row(out_of, "IEA, Critical Minerals Data Explorer", release, "CC BY 4.0, as stated", "cc_by"),
    }
    inputs = {"products": product_rows(ids, unit="t"), "production": production}
    return Reading(tables, data.drop(columns="factor").reset_index(drop=True), report, inputs)


def _base_year(data: pd.DataFrame, report: Report) -> int:
    """The base year that the file states, else the end of the first run of years that can be one of figures."""
    stated = [int(y) for text in report.notes if text.startswith("IEA") for y in re.findall(r"\b(20\d\d)\b", text)]
    supply = data.loc[data["branch"] == "supply", "year"]
    seen = set(supply.dropna().astype(int))
    if stated and stated[0] in seen:
        return stated[0]
    run = _first_run(supply[supply <= _LATEST])
    if any(y > run for y in seen) and not any(y > run + 1 for y in seen if y - 1 not in seen):
        report.notes.append(f"years after {run} are taken as projections: give actual_through= if they are figures")
    return run


def _first_run(years: pd.Series) -> int:
    """Last of the years that follow one another from the first."""
    seen = np.unique(years.dropna().astype(int).to_numpy())
    if not len(seen):
        return 0
    gaps = np.flatnonzero(np.diff(seen) > 1)
    return int(seen[gaps[0]] if len(gaps) else seen[-1])


def _csv(path: PathLike, report: Report, unit: str | None) -> pd.DataFrame:
    raw = without_twins(read_delimited(path, report), report)
    heads = {c: m for c in raw.columns if (m := _IN_HEADER.fullmatch(c))}
    if heads and "kt" not in map(plain, raw.columns):
        column, hit = next(iter(heads.items()))
        raw = raw.rename(columns={column: "value"})
        if "unit" not in map(plain, raw.columns):
            raw = raw.assign(unit=hit[2])
    years = {c: int(m[1]) for c in raw.columns if (m := _YEAR.fullmatch(c))}
    if years and "year" not in map(plain, raw.columns):
        raw = raw.melt([c for c in raw.columns if c not in years], [*years], "year", "value")
        raw = raw.assign(year=raw["year"].map(years).astype("string"))
        raw = raw[raw["value"].fillna("").str.strip() != ""].reset_index(drop=True)
    required = [k for k in _CSV if k not in ("scenario", "kind", "unit")]
    cols = find_columns(path, raw.columns, _CSV, required)
    out = pd.DataFrame({k: raw[c].str.strip() for k, c in cols.items()})
    out["stage"] = out["stage"].map(lambda s: _STAGES.get(str(s).casefold(), str(s)))
    kind = out.pop("kind") if "kind" in out else pd.Series("", index=out.index, dtype="string")
    scenario = out.get("scenario", kind)
    out["scenario"] = scenario.mask(scenario.fillna("") == "", kind)
    given = out.get("unit", pd.Series("", index=out.index, dtype="string")).fillna("")
    lacking = given == ""
    if lacking.any() and plain(cols["text"]) != "kt" and unit is None:
        report.notes.append(
            f"{int(lacking.sum())} figures without a unit: read as kt (thousand tonnes), in which the explorer prints; give unit= if they are not"
        )
    out["unit"] = given.mask(lacking, unit or "kt")
    return out.assign(branch="supply", sector=None)[[*_COLUMNS, "unit"]]


def _to_kt(path: PathLike, units: pd.Series) -> pd.Series:
    """Factor from each row's unit to thousand tonnes; a unit that is no mass is refused."""
    own = [str(u) for u in units.unique()]
    problems = [
        Problem(Path(path).name, f"{int((units == u).sum())} rows", "unit", "no unit of mass", repr(u), "Give kt or t.")
        for u in own
        if not (is_unit(u) and convertible(u, "kt"))
    ]
    if problems:
        raise SourceError(problems, f"the file {Path(path).name}")
    return units.map({u: factor(u, "kt") for u in own}).astype("float64")


def _book(path: PathLike, report: Report) -> pd.DataFrame:
    rows = rows_of_book(path, report)
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"mineral": "object", "place": "object"})


def _json(path: PathLike, report: Report) -> pd.DataFrame:
    text, _ = read_text(path)
    try:
        given = parse_json(text, report)
        rows = [*_supply(given["supply"]), *_demand(given.get("totalDemand", {}))]
        report.notes += _unequal(given["supply"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        name = Path(path).name
        problem = Problem(name, "-", "supply", "not the explorer's json", str(err)[:120], "Is this the right file?")
        raise SourceError([problem], f"the file {name}") from err
    report.rows_read += len(rows)
    report.notes += [str(given["source"])[:200]] if "source" in given else []
    return pd.DataFrame(rows, columns=_COLUMNS)


def _supply(branch: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for mineral, stages in branch.items():
        for stage, content in stages.items():
            for place, years in content["countries"].items():
                for year, value in years.items():
                    yield "supply", mineral, _STAGES.get(str(stage).casefold(), stage), place, None, None, year, value


def _unequal(branch: Mapping[str, Any]) -> Iterator[str]:
    """Totals that the file states and its own countries do not add up to."""
    for mineral, stages in branch.items():
        for stage, content in stages.items():
            for year, total in content.get("total", {}).items():
                parts = [v for p, y in content["countries"].items() if len(p) <= 60 for k, v in y.items() if k == year]
                if abs(sum(parts) - float(total)) > 0.01 * float(total):
                    yield f"{mineral}, {stage}, {year}: countries sum to {sum(parts):.6g} kt, stated total {float(total):.6g}"


def _demand(branch: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for mineral, content in branch.items():
        groups = [*content.get("sectors", {}).items()]
        groups += [(k, content[k]) for k in ("totalClean", "otherUses", "totalDemand") if k in content]
        for sector, years in groups:
            for key, value in years.items():
                if isinstance(value, Mapping):  # a scenario
                    for year, figure in value.items():
                        yield "demand", mineral, None, None, sector, key, year, figure
                else:
                    yield "demand", mineral, None, None, sector, None, key, value

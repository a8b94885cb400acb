"""FINEPRINT, detailed data of mines: production, capacity, processing by facility, owners as text with percentages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..jurisdictions import check_country
from ..registry import source
from ..units import convertible, factor
from .base import (
    PathLike,
    Reading,
    Report,
    find_columns,
    numbers,
    open_book,
    plain,
    read_sheet,
    refuse_decimal_comma,
    released,
    source_row,
)
from .cells import refuse_points
from .commodities import product_rows
from .fineprint_csv import tables_of_folder
from .owners import control_type, parse_owners
from .places import AGGREGATE, countries
from .twins import without_twins

__all__ = ["fineprint"]

# Contained metal in what a mine sells; cathode from leaching is refined metal.
_PRODUCTS = {
    "gold": "gold.mine", "au": "gold.mine", "silver": "silver.mine", "ag": "silver.mine", "copper": "copper.mine",
    "coppercathode": "copper.refined", "coppercathodes": "copper.refined", "zinc": "zinc.mine", "lead": "lead.mine",
    "pb": "lead.mine", "nickel": "nickel.mine", "cobalt": "cobalt.mine", "co": "cobalt.mine",
    "molybdenum": "molybdenum.mine", "tin": "tin.mine", "platinum": "platinum.mine", "pt": "platinum.mine",
    "palladium": "palladium.mine", "pd": "palladium.mine", "rhodium": "rhodium.mine", "antimony": "antimony.mine",
    "niobium": "niobium.mine", "iron": "iron.mine",
}  # fmt: skip
_PRECIOUS = frozenset(["gold.mine", "silver.mine", "platinum.mine", "palladium.mine", "rhodium.mine"])
_TIMES = {"thousand": 1e3, "thousands": 1e3, "000": 1e3, "000s": 1e3, "k": 1e3, "kilo": 1e3, "million": 1e6,
          "millions": 1e6, "m": 1e6, "billion": 1e9, "billions": 1e9}  # fmt: skip
_BASES = {"t": "t", "tonne": "t", "tonnes": "t", "mt": "Mt", "kg": "kg", "kilogram": "kg", "kilograms": "kg",
          "pound": "lb", "pounds": "lb", "lb": "lb", "lbs": "lb", "ounce": "oz", "ounces": "oz", "oz": "oz", "ozt": "oz",
          "tons": "t", "ton": "t"}  # fmt: skip
_SHEETS = ("general", "commodities", "other_info", "capacity_reserves", "processing")
_SOURCE = "fineprint"
# Two years, or one and the tail of another: 2017-2018, 2017/18, 2016 to 2018; never the day 2017-06-30.
_PERIOD = re.compile(r"(?:19|20)\d{2}\D+(?:19|20)\d{2}(?!\d)|(?:19|20)\d{2}\s*[-\u2010-\u2015/]\s*\d{2}(?![\d/-])")


@source(
    licence="restricted",
    publisher="FINEPRINT, Vienna University of Economics and Business",
    formats=("xlsx", "folder of csv"),
    reads="production, capacity and processing by mine, owners with shares",
)
def fineprint(
    path: PathLike,
    *,
    homes: Mapping[str, str] | None = None,
    decimal: str | None = None,
    published_on: str | None = None,
) -> Reading:
    """Read FINEPRINT's workbook of detailed mine data.

    Parameters
    ----------
    path : path-like
        Workbook with the sheets ``general``, ``commodities``, ``other_info`` and, as far as they are there,
        ``capacity_reserves`` and ``processing``; or a folder with the final tables ``facilities`` (csv or gpkg),
        ``commodities.csv`` and ``ownership.csv``, where a metal in concentrate goes before the same metal in ore.
    homes : mapping of str to str, optional
        Home country (ISO3) of owners by name as printed. The file does not say it; others are ``UNK``.
    decimal : {".", ","}, optional
        Decimal mark of figures in text (production, capacity, processing); default a point, and production in which points
        may part thousands is refused. Shares in texts of owners may have either.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default unknown: the workbook does not state it.

    Returns
    -------
    Reading
        ``tables``: ``products``, ``nodes`` (a producer per product and mine, ``copper.mine@COD#Kolwezi``, output by year in
        product units), ``holdings`` (owners with shares, on nodes, or on ``Mine (ISO3)`` where no product is known) and
        ``sources``. ``data``: ``what`` (``production``, ``capacity``, ``reserves``, ``processing``, ``owners``) by facility,
        with value, unit and text as printed.

    Raises
    ------
    SourceError
        Not such a workbook, or a decimal comma without ``decimal=","``.

    Notes
    -----
    A figure of the whole mine goes before those of its sub-sites; the rows of one mine, product and year add up only if
    all have a unit that is understood. A period (``2017-2018``) is no year: its figures stay in ``data`` with their
    ``period``. Rows that say they are a company's part of production (``production_share`` below 1)
    stay in ``data``. ``tons`` may be short tons: graded C. Capacity and reserves count ore, so they make no node. Owners
    without a printed share get the share ``unknown``, with ``low`` and ``high`` where a bound is printed (``<5%``); shares above
    1 in all make no holding.

    References
    ----------
    Jasansky, S. et al. (2023), An open database on global coal and metal mine production, Scientific Data 10.

    Examples
    --------
    >>> import tempfile, pathlib, openpyxl
    >>> book = openpyxl.Workbook()
    >>> sheets = {"general": [["mine_fac", "country"], ["Kolwezi", "Congo, Dem. Rep."]],
    ...     "commodities": [["mine_fac", "sub_site", "commodity", "year", "unit", "value"],
    ...         ["Kolwezi", "", "Copper ", 2018, "Kt", 100]],
    ...     "other_info": [["mine_fac", "sub_site", "owners", "year"], ["Kolwezi", "", "Zijin Mining (72%)", 2018]]}
    >>> for name, rows in sheets.items():
    ...     sheet = book.create_sheet(name)
    ...     for row in rows:
    ...         sheet.append(row)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "mines.xlsx")
    ...     book.save(file)
    ...     reading = fineprint(file, homes={"Zijin Mining": "CHN"})
    >>> reading.tables["nodes"][["node", "output"]].values.tolist()
    [['copper.mine@COD#Kolwezi', 100000.0]]
    >>> reading.tables["holdings"][["asset", "holder", "holder_country", "share"]].values.tolist()
    [['copper.mine@COD#Kolwezi', 'Zijin Mining', 'CHN', 0.72]]
    """
    report = Report("fineprint", Path(path).name, "restricted", vintage="")
    own = {k: check_country(v, "homes") for k, v in (homes or {}).items()}
    if Path(path).is_dir():
        raw = tables_of_folder(path, report, decimal)
    else:
        with open_book(path) as book:
            wanted = [s for s in _SHEETS if s in book.names or s in _SHEETS[:3]]
            raw = {s: without_twins(read_sheet(path, report, sheet=s, book=book), report) for s in wanted}
    general = raw["general"]
    cols = find_columns(path, general.columns, {"fac": ["mine_fac"], "place": ["country"]}, ["fac", "place"])
    named = general.drop_duplicates(cols["fac"]).set_index(
        general.drop_duplicates(cols["fac"])[cols["fac"]].str.strip()
    )
    place = countries(named[cols["place"]].str.strip().mask(named[cols["place"]].str.strip() == ""), "name")
    stated = named[cols["place"]].reset_index(drop=True)
    ones = pd.Series(1.0, index=stated.index)
    report.unknown("country", stated[place.isna().to_numpy()].dropna(), ones, (), "facilities")
    where = {str(k): str(v) for k, v in place.mask(place == AGGREGATE).dropna().items()}
    made = _production(path, raw["commodities"], where, report, decimal)
    owners = _column_frame(path, raw["other_info"], "owners", {"text": "owners", "year": "year"}, where, decimal)
    parts = [made, owners.assign(what="owners")]
    for s, what, columns in _MORE:
        if s in raw:
            found = _column_frame(path, raw[s], columns["text"], columns, where, decimal)
            parts.append(found[found["text"].fillna("") != ""].assign(what=what))
    day = released(report, published_on)
    nodes = _nodes(made, report, decimal).assign(published_on=day)
    tables = {
        "products": product_rows(set(nodes["product"]) if len(nodes) else []),
        "nodes": nodes,
        "holdings": _holdings(owners, nodes, own, report),
        "sources": source_row(
            _SOURCE,
            "FINEPRINT, detailed data of mining",
            None if day is None else int(day[:4]),
            "unstated",
            "restricted",
        ),
    }
    data = pd.concat(parts, ignore_index=True)
    years = made["year"].dropna()
    report.vintage = f"production of {years.min()} to {years.max()}" if len(years) else ""
    return Reading(tables, data, report)


_MORE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("capacity_reserves", "capacity", {"text": "processing_capacity_value", "unit": "processing_capacity_unit",
     "year": "processing_capacity_year", "commodity": "commodity"}),
    ("capacity_reserves", "reserves", {"text": "reserves_commodity_value", "unit": "reserves_commodity_unit",
     "year": "reserves_year", "commodity": "commodity"}),
    ("processing", "processing", {"text": "process_output_value", "unit": "process_output_unit", "year": "year",
     "commodity": "process_output"}),
)  # fmt: skip


def _column_frame(
    path: PathLike,
    raw: pd.DataFrame,
    main: str,
    columns: Mapping[str, str],
    where: Mapping[str, str],
    decimal: str | None,
) -> pd.DataFrame:
    """Facility, country and the columns asked for, as text; columns that a vintage lacks are empty."""
    blank = pd.Series(pd.NA, index=raw.index, dtype="string")

    def column(name: str) -> pd.Series:
        if name not in raw.columns:
            return blank
        text = raw[name].str.strip()
        return text.mask(text == "")

    out = pd.DataFrame({"facility": column("mine_fac"), "site": column("sub_site")})
    for ours, theirs in columns.items():
        out[ours] = column(theirs)
    out["country"] = out["facility"].map(where).astype("string")
    first = out["year"].str.extract(r"((?:19|20)\d{2})")[0]
    period = out["year"].str.contains(_PERIOD).fillna(False).astype(bool)
    if period.any():
        out["period"] = out["year"].where(period)
        first = first.mask(period & (main != "owners"))  # owners are those of the first day, amounts of no one year
    out["year"] = pd.to_numeric(first, errors="coerce").astype("Int64")
    out["value"] = np.nan
    if main != "owners":
        parsed = numbers(out["text"], decimal)
        refuse_decimal_comma(path, out["text"], parsed)
        out["value"] = parsed["value"]
    return out


def _production(
    path: PathLike, raw: pd.DataFrame, where: Mapping[str, str], report: Report, decimal: str | None
) -> pd.DataFrame:
    needed = {c: [c] for c in ("mine_fac", "commodity", "year", "unit", "value")}
    find_columns(path, raw.columns, needed, list(needed))
    columns = {"text": "value", "unit": "unit", "year": "year", "commodity": "commodity", "part": "production_share"}
    out = _column_frame(path, raw, "value", columns, where, decimal).assign(what="production")
    refuse_points(path, out["text"], decimal, report)
    report.count(numbers(out["text"], decimal)["code"])
    if "period" in out:
        within = [out["commodity"], out["unit"]]
        report.leave_out("a period is no year: in data alone", out["period"].notna(), out["value"], within, "quantity")
        report.notes.append(f"periods are in no year's output: {', '.join(sorted(set(out['period'].dropna()))[:6])}")
    if (negative := out["value"] < 0).any():
        report.notes.append(
            f"{int(negative.sum())} negative figures: their nodes are unknown and say so in their notes"
        )
    out["product"] = out["commodity"].map(lambda c: _PRODUCTS.get(plain(c)), na_action="ignore").astype("string")
    mass = out["value"] * out["unit"].map({u: _scale(u, "", "t") for u in out["unit"].dropna().unique()}).astype(
        "float64"
    )
    report.unknown("commodity", out.loc[out["product"].isna(), "commodity"].dropna(), mass, [out["year"]], "tonnage")
    lost, within = out["country"].isna(), [out["commodity"], out["unit"], out["year"]]
    report.unknown("facility", out.loc[lost, "facility"].dropna(), out["value"], within, "quantity")
    return out


def _scale(unit: object, product: str, target: str) -> float:
    """Factor from a printed unit to the product's; NaN where the unit is not understood."""
    words = re.findall(r"[a-z]+|000s?", str(unit).casefold())
    words = [
        w for w in words if w not in ("metric", "troy", "fine", "recoverable", "dry", "contained", "payable", "of")
    ]
    times, base = 1.0, ""
    for w in words:
        if w in _TIMES and w != "m":
            times *= _TIMES[w]
        elif w in _BASES:
            base = _BASES[w]
        elif w[0] == "k" and w[1:] in _BASES:
            times, base = times * 1e3, _BASES[w[1:]]
        elif w[0] == "m" and w[1:] in _BASES and w != "mt":
            times, base = times * 1e6, _BASES[w[1:]]
        else:
            return np.nan
    if base == "Mt":
        times, base = times * 1e6, "t"
    if base == "oz":
        base = "troy_ounce" if product in _PRECIOUS else ""
    return times * factor(base, target) if base and convertible(base, target) else np.nan


def _nodes(made: pd.DataFrame, report: Report, decimal: str | None) -> pd.DataFrame:
    rows = made[made["product"].notna() & made["country"].notna() & made["year"].notna() & made["value"].notna()].copy()
    part = numbers(rows["part"], decimal)["value"]
    partial = part.notna() & (part < 1)
    within = [rows["commodity"], rows["unit"], rows["year"]]
    report.leave_out("a company's part of production: in data alone", partial, rows["value"], within, "quantity")
    rows = rows[~partial]
    units = product_rows(set(rows["product"])).set_index("product")["unit"].to_dict() if len(rows) else {}
    pairs = rows[["unit", "product"]].drop_duplicates()
    scale = {(u, p): _scale(u, p, units[p]) for u, p in pairs.itertuples(index=False, name=None)}
    rows["scale"] = [scale[k] for k in zip(rows["unit"], rows["product"], strict=True)]
    unread = rows["scale"].isna()
    held = [rows["product"], rows["year"]]
    ones = pd.Series(1.0, index=rows.index)
    report.unknown("unit", rows.loc[unread, "unit"].fillna("(none)"), ones, held, "rows of a product and year")
    keys = ["product", "country", "facility", "year"]
    whole = rows["site"].isna()
    rows = rows[whole | ~whole.groupby([rows[k] for k in keys]).transform("any")]  # a mine's own figure goes first
    rows["unread"], rows["quantity"] = rows["scale"].isna(), rows["value"] * rows["scale"]
    rows["negative"] = rows["value"] < 0  # nothing is made in the negative
    rows["loose"] = rows["unit"].astype("str").str.casefold().str.contains(r"\btons?\b")
    out = rows.groupby(keys, sort=True).agg(
        output=("quantity", "sum"), unread=("unread", "any"), negative=("negative", "any"), loose=("loose", "any")
    )
    out = out.reset_index()
    why = pd.Series(None, index=out.index, dtype="object")
    why = why.mask(out["negative"].astype(bool), "negative in the file")
    why = why.mask(out["unread"].astype(bool), "printed in a unit that is not understood")
    lost = why.notna()
    grade = pd.Series(np.where(out["loose"].astype(bool), "C", "B"), index=out.index, dtype="object")
    site = out["facility"].astype("str").str.replace(r"[#@:]", "-", regex=True)
    return pd.DataFrame(
        {
            "node": out["product"].astype("str") + "@" + out["country"].astype("str") + "#" + site,
            "product": out["product"],
            "country": out["country"],
            "site": site,
            "kind": "producer",
            "year": out["year"],
            "output": out["output"].mask(lost),
            "output_missing": pd.Series("unknown", index=out.index, dtype="object").where(lost, None),
            "output_source": _SOURCE,
            "output_grade": grade,
            "source": _SOURCE,
            "grade": grade,
            "note": why.astype("object").where(lost, None),
        }
    )


def _holdings(owners: pd.DataFrame, nodes: pd.DataFrame, homes: Mapping[str, str], report: Report) -> pd.DataFrame:
    where: dict[tuple[str, str], list[str]] = {}
    for node, site, land in nodes[["node", "site", "country"]].drop_duplicates().itertuples(index=False, name=None):
        where.setdefault((str(site), str(land)), []).append(str(node))
    rows: list[dict[str, Any]] = []
    reasons: dict[str, int] = {}
    given = owners[owners["text"].notna() & owners["country"].notna()]
    whole = set(given.loc[given["site"].isna(), "facility"])
    newest = given.assign(y=given["year"].astype("float64").fillna(0)).sort_values("y", kind="stable")
    newest = newest.drop_duplicates(["facility", "site"], keep="last")
    for r in newest.to_dict("records"):
        if not pd.isna(r["site"]) and r["facility"] in whole:
            continue  # the whole mine's owners are known
        found, rest = parse_owners(str(r["text"]))
        total = sum(o.low or 0.0 if o.share is None else o.share for o in found)
        why = "nothing understood" if not found else "shares add to more than 1" if total > 1.0 + 1e-6 else ""
        if why:
            reasons[why] = reasons.get(why, 0) + 1
            continue
        site = re.sub(r"[#@:]", "-", str(r["facility"]))
        assets = where.get((site, str(r["country"])), [f"{r['facility']} ({r['country']})"])
        for asset in assets:
            for o in found:
                rows.append(
                    {"asset": asset, "part": "" if pd.isna(r["site"]) else str(r["site"]), "holder": o.name,
                     "portion": 1.0 if pd.isna(r["site"]) else np.nan, "holder_country": homes.get(o.name, "UNK"),
                     "type": control_type(o.share, o.low, o.high), "share": np.nan if o.share is None else o.share,
                     "low": np.nan if o.low is None else o.low, "high": np.nan if o.high is None else o.high,
                     "missing": "unknown" if o.share is None else None, "valid_from": None, "valid_to": o.sold,
                     "year": r["year"], "source": _SOURCE, "grade": "B", "note": rest[:200] or None}
                )  # fmt: skip
    for why, n in reasons.items():
        report.notes.append(f"{n} texts of owners make no holding: {why}")
    if not rows:
        return pd.DataFrame({"asset": pd.Series(dtype="object")})
    return pd.DataFrame(rows)

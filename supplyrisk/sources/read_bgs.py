"""British Geological Survey, World Mineral Statistics: export of the OGC API, columns in any order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ..errors import Problem, SourceError
from ..registry import source
from .base import (
    PathLike,
    Reading,
    Report,
    find_columns,
    numbers,
    parse_json,
    read_text,
    refuse_decimal_comma,
    released,
    source_row,
)
from .cells import as_years, refuse_points
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
from .places import AGGREGATE, agreed
from .twins import without_twins
from .world_total import is_world, one_world

__all__ = ["bgs"]

_PARTS = {
    "country": ["country_trans", "country"],
    "iso3": ["country_iso3_code", "iso3"],
    "year": ["year"],
    "commodity": ["bgs_commodity_trans", "commodity"],
    "detail": ["bgs_sub_commodity_trans", "sub_commodity"],
    "statistic": ["bgs_statistic_type_trans", "statistic_type"],
    "unit": ["units", "unit"],
    "quantity": ["quantity"],
    "flag": ["sdmx_translation"],
    "precision": ["data_precision_description"],
    "note": ["concat_figure_notes_text"],
}


@source(
    licence="restricted",
    publisher="British Geological Survey",
    formats=("csv", "csv.gz", "zip", "xlsx", "json"),
    reads="production by country since 1970, mine and refined apart",
)
def bgs(
    path: PathLike,
    *,
    products: Iterable[str] | None = None,
    since: int | None = None,
    decimal: str | None = None,
    published_on: str | None = None,
) -> Reading:
    r"""Read an export of the World Mineral Statistics of the British Geological Survey.

    Parameters
    ----------
    path : path-like
        What the data service exports: csv or GeoJSON, or the same saved as a workbook; one commodity or many.
    products : iterable of str, optional
        Keep these products only.
    since : int, optional
        First data year to keep.
    decimal : {".", ","}, optional
        Decimal mark; default a point, and a column in which points may part thousands is refused.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default unknown: the service does not state it.

    Returns
    -------
    Reading
        ``inputs``: ``products``, ``production`` in product units. ``tables``: ``nodes``, ``sources``. ``data``: all
        rows. "Nil" is zero, "Figures not available" is missing, "more than 0 but less than 0.5" is an interval.
        Imports and exports, where the file has them, stay in ``data``.

    Raises
    ------
    SourceError
        Not such an export.

    Notes
    -----
    The service gives no world total; a row that is named as the world is one, a region or a union stays in ``data``.
    Figures that carry the note "Estimates." are graded B, others A. Former states
    (Soviet Union, Yugoslavia) keep their own codes: they are never added to a successor. Where the name and the code of a
    row are two places (``Congo`` with ``COD``) the name counts, with a note in the report.

    References
    ----------
    British Geological Survey (2025), World Mineral Statistics data, contains material copyright UKRI.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = ("year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
    ...         '2023-01-01 00:00:00,China,CHN,"gallium, primary",tonnes (metric),600,Production\n')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "bgs.csv")
    ...     _ = file.write_text(text)
    ...     bgs(file).inputs["production"][["country", "year", "quantity", "unit"]].values.tolist()
    [['CHN', 2023, 600000.0, 'kg']]
    """
    report = Report("bgs", Path(path).name, "restricted")
    required = ["year", "country", "commodity", "unit", "quantity"]
    is_json = Path(path).name.lower().endswith((".json", ".geojson"))
    raw = _features(path, report) if is_json else read_table(path, report, _PARTS, required, stack=required)
    raw = without_twins(raw, report)
    cols = find_columns(path, raw.columns, _PARTS, required)
    blank = pd.Series("", index=raw.index, dtype="string")
    text = {k: raw[c].str.strip() for k, c in cols.items()}
    parsed = numbers(text["quantity"], decimal)
    refuse_decimal_comma(path, text["quantity"], parsed)
    refuse_points(path, text["quantity"], decimal, report)
    report.unread(text["quantity"], parsed["code"])
    said = (text.get("flag", blank) + " " + text.get("precision", blank)).str.casefold()
    code = parsed["code"].mask((said.str.contains("less than 0.5")).fillna(False), "less_than_half_unit")
    code = code.mask((parsed["code"] == "empty") & said.str.contains("not available").fillna(False), "not_available")
    data = pd.DataFrame(
        {
            "commodity": text["commodity"],
            "detail": text.get("detail", blank),
            "statistic": text.get("statistic", blank + "Production"),
            "place": text["country"],
            "year": as_years(text["year"].str.extract(r"^(?:\d{1,2}[/.-]\d{1,2}[/.-])?(\d{4})(?!\d)")[0]),
            "unit": text["unit"].str.replace(r"\s*\((?:metric|metal content|[^()]*content)\)$", "", regex=True),
            "unit_as_published": text["unit"],
            "note": text.get("note", blank),
            "value": parsed["value"],
            "low": parsed["low"],
            "high": parsed["high"],
            "code": code,
        }
    )
    half = data["code"] == "less_than_half_unit"
    data.loc[half, "value"] = float("nan")
    data.loc[half, ["low", "high"]] = [0.0, 0.5]
    data["estimated"] = data["note"].str.contains("estimate", case=False).fillna(False).astype(bool)
    place = agreed(report, data["place"], text.get("iso3", blank))
    within = [data[c] for c in ("commodity", "detail", "statistic", "unit")]
    lists = [*within, data["year"]]
    data["country"] = one_world(place, data["place"], data["value"], lists, report, "quantity")
    told = (place == AGGREGATE).fillna(False).astype(bool) | is_world(data["place"])
    lost = data["country"].isna() & ~told
    report.unknown("country", data.loc[lost, "place"], data["value"].mask(told), lists, "quantity")
    undated = data["year"].isna()
    report.leave_out("year not readable", undated, data["value"], within, "quantity")
    late = data["year"] < since if since is not None else undated
    report.leave_out(f"before {since}", late & ~undated, data["value"], within, "quantity")
    data = data[~undated & ~late].reset_index(drop=True)
    data["year"] = data["year"].astype("int64")
    mapped = map_products("bgs", data["commodity"], data["detail"])
    made = data["statistic"].str.casefold().eq("production")
    for kind, count in data.loc[~made, "statistic"].value_counts().items():
        report.notes.append(f"{count} rows of {kind!r} are no production: they stay in data alone")
    data["product"], data["factor"] = mapped["product"].where(made), mapped["factor"]
    lost = data["commodity"] + (": " + data["detail"]).where(data["detail"] != "", "")
    lost = lost[made & (~mapped["known"] | (mapped["product"].isna() & mapped["factor"].isna()))]
    report.unknown("commodity", lost, tonnes(data["value"].where(made), data["unit"]), [data["year"]], "tonnage")
    named = data["detail"].fillna("") != ""
    whole = ~named & data["value"].notna() & data["product"].notna()
    beside = whole.groupby([data[c] for c in ("product", "country", "year")], dropna=False).transform("any")
    part = named & beside & data["product"].notna() & data["country"].notna()
    within = [data[c] for c in ("product", "year")]
    report.leave_out("a kind of what has a figure of all kinds: never added", part, data["value"], within, "quantity")
    data["product"] = data["product"].mask(part)
    if products is not None:
        data["product"] = data["product"].where(data["product"].isin(set(products)))
    last = int(data["year"].max()) if len(data) else 0
    report.vintage = f"data to {last}" if len(data) else "no data"
    report.missing = {str(k): int(v) for k, v in data["code"].value_counts().items() if k not in ("", "zero")}
    data["what"] = "output"
    converted = in_product_units(data[data["product"].notna()], report)
    name = f"bgs_wms_{last}" if last else "bgs_wms"
    day = released(report, published_on)
    production = production_rows(converted, name, day)
    ids = set(production["product"].dropna())
    share = shares_of_world(ids)
    tables = {
        "nodes": node_rows(production[~production["product"].isin(share)]),
        "sources": source_row(
            name,
            "British Geological Survey, World Mineral Statistics, export of the data service",
            None if day is None else int(day[:4]),
            "terms of BGS and UKRI; ask before redistributing",
            "restricted",
            lists="complete",
        ),
    }
    inputs = {"products": product_rows(ids, unit="t"), "production": production}
    return Reading(tables, data.drop(columns="factor"), report, inputs)


def _features(path: PathLike, report: Report) -> pd.DataFrame:
    """Properties of the features of a GeoJSON collection, as text cells; geometry is not needed."""
    name = Path(path).name
    text, _ = read_text(path)
    try:
        loaded = parse_json(text, report)
        rows = [f["properties"] for f in loaded["features"]]
        if not all(isinstance(r, dict) for r in rows):
            raise TypeError("properties must be objects")
    except (ValueError, TypeError, KeyError, RecursionError) as err:
        problem = Problem(name, "-", "-", "no collection of features", str(err)[:80], "Export GeoJSON or csv.")
        raise SourceError([problem], f"the file {name}") from err
    report.rows_read += len(rows)
    frame = pd.DataFrame(rows, dtype="object")
    return frame.map(lambda v: "" if v is None or v != v else str(v)).astype("string")

"""Chip explorer of the Emerging Technology Observatory: inputs of chip making, who provides them, what goes into what."""

from __future__ import annotations

import re
from pathlib import Path

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
    read_delimited,
    refuse_decimal_comma,
    released,
    source_row,
)
from .places import AGGREGATE, countries

__all__ = ["eto_chipexplorer"]

_FILES = ("inputs", "provision", "providers", "sequence", "stages")
_COLUMNS = {
    "inputs": {"id": ["input_id"], "name": ["input_name"], "type": ["type"], "stage": ["stage_id"], "year": ["year"],
               "size": ["market_share_chart_global_market_size_info"]},
    "stages": {"id": ["stage_id"], "name": ["stage_name"], "size": ["market_share_chart_global_market_size_info"]},
    "providers": {"id": ["provider_id"], "name": ["provider_name"], "alias": ["alias"],
                  "type": ["provider_type"], "country": ["country"]},
    "provision": {"provider": ["provider_id"], "name": ["provider_name"], "input": ["provided_id"],
                  "input_name": ["provided_name"], "text": ["share_provided"], "year": ["year"], "source": ["source"],
                  "negligible": ["negligible_market_share", "negligible_share", "minor_share"]},
    "sequence": {"input": ["input_id"], "into": ["goes_into_id"], "type_of": ["is_type_of_id"]},
}  # fmt: skip
_REQUIRED = {"inputs": ["id", "name", "type"], "providers": ["id", "name", "type"],
             "provision": ["provider", "input", "text"], "sequence": ["input", "into"], "stages": ["id", "name"]}  # fmt: skip
_STAGE_OF = {"tool_resource": "equipment", "material_resource": "chemical", "design_resource": "design",
             "ultimate_output": "device", "stage": "front_end"}  # fmt: skip
_BY_STAGE = {"S1": "design", "S2": "front_end", "S3": "back_end"}
_EXTRA = {
    "MAL": "MYS",
    "Various": "ROW",
    "Various countries": "ROW",
    "EUR": "ROW",
    "Europe": "ROW",
    "TAN": "TZA",
    "BAH": "BHS",
}
_SOURCE = "eto_chips"


@source(
    licence="non_commercial",
    publisher="Center for Security and Emerging Technology, Georgetown University",
    formats=("folder of csv",),
    reads="inputs of chip making, shares of countries and firms, sequence of steps",
)
def eto_chipexplorer(
    path: PathLike, *, published_on: str | None = None, year: int | None = None, decimal: str = "."
) -> Reading:
    r"""Read the chip explorer's five tables.

    Parameters
    ----------
    path : path-like
        Folder with ``inputs, provision, providers, sequence, stages`` (csv). Two layouts are read: that of 2026
        (``share_provided`` a number of percent, ``year`` and ``source`` beside it) and the older one (``61%`` as text,
        ``negligible_market_share`` or ``negligible_share``, no year: it is taken from the market size, ``$56 billion (2019)``).
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the folder's name, where it is a date (``2026-08``), else unknown.
    year : int, optional
        Year of the shares that state none (the files of 2022 have no years at all). Without it they stay in ``data`` alone.
    decimal : {".", ","}
        Decimal mark of shares.

    Returns
    -------
    Reading
        ``inputs``: ``products`` (``eto.n19``, measured in shares of the world), ``production`` (shares of countries, 0 to 1) and
        ``recipes``. ``tables``: ``products, nodes, recipes, sources``. ``data``: every row of provision, firms too, with
        ``country, kind, share`` (percent), ``code`` and the input's name.

    Raises
    ------
    SourceError
        A table or column is absent, no share is above 1 and they add to neither 1 nor 100, or a decimal comma without
        ``decimal=","``.

    Notes
    -----
    The terms are CC BY-NC 4.0: nothing of it ships with this package, and exports leave it out. A row without a share says
    who provides, not how much: ``not_available``; ``negligible`` keeps that code. Shares are by headquarters of the vendor.
    Shares none of which is above 1 and that add to 1 by country are fractions (a release of 2025): the report says so.
    ``Various countries`` and ``Europe`` are ROW: nobody in particular. Firms stay in ``data``: their shares are parts of their
    countries'. The sequence tells that something goes into something, never how much: coefficients are ``not_available``.

    References
    ----------
    Khan, S., Mann, A., Peterson, D. (2021), The semiconductor supply chain, CSET; Emerging Technology Observatory (2026).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> files = {"inputs": "input_id,input_name,type,stage_id,year\nN19,Steppers,tool_resource,,2025\n",
    ...     "stages": "stage_id,stage_name\nS1,Design\n",
    ...     "providers": "provider_name,provider_id,provider_type,country\nNLD,P1,country,\n",
    ...     "provision": "provider_id,provided_id,share_provided,year\nP1,N19,91,2025\n",
    ...     "sequence": "input_id,goes_into_id,is_type_of_id\n"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, text in files.items():
    ...         _ = pathlib.Path(folder, f"{name}.csv").write_text(text)
    ...     reading = eto_chipexplorer(folder)
    >>> reading.tables["nodes"][["node", "year", "output"]].values.tolist()
    [['eto.n19@NLD', 2025, 0.91]]
    """
    report = Report("eto_chipexplorer", Path(path).name, "non_commercial")
    t = _tables(path, report)
    firms = t["providers"].drop_duplicates("id").set_index("id")
    data = t["provision"].copy()
    data["kind"] = data["provider"].map(firms["type"]).astype("string")
    data["name"] = data["provider"].map(firms["name"]).astype("string").fillna(data["name"])
    seat = data["name"].where(data["kind"] == "country", data["provider"].map(firms["country"]))
    place = countries(seat.mask(seat.fillna("") == ""), "any", _EXTRA)
    ones, of = pd.Series(1.0, index=data.index), "rows"  # most rows state no share: they are counted
    report.unknown("country", seat[place.isna() & seat.notna() & (seat != "")].dropna(), ones, (), of)
    data["country"] = place.mask(place == AGGREGATE, "ROW")
    report.unknown("provider", data.loc[data["kind"].isna(), "provider"], ones, (), of)
    goods = _goods(t)
    lost = ~data["input"].isin(goods.index)
    report.unknown("input", data.loc[lost, "input"], ones, (), of)
    data["input_name"] = data["input"].map(goods["name"]).astype("string").fillna(data["input_name"])
    parsed = numbers(data["text"].fillna(""), decimal, percent=True)
    refuse_decimal_comma(path, data["text"], parsed)
    parsed["code"] = parsed["code"].replace("empty", "not_available")
    if _are_fractions(path, data, parsed):
        parsed[["value", "low", "high"]] *= 100.0
        report.notes.append("no share is above 1 and those of countries add to 1: read as fractions, not as percent")
    small = data["negligible"].fillna("").str.casefold().str.contains("negligible") & parsed["value"].isna()
    parsed["code"] = parsed["code"].mask(small, "negligible")
    wrong = (parsed["value"] < 0) | (parsed["value"] > 100)
    report.leave_out("shares beyond 0 to 100 percent", wrong, ones, (), of)
    parsed["value"], parsed["code"] = parsed["value"].mask(wrong), parsed["code"].mask(wrong, "not_available")
    data = pd.concat([data, parsed.rename(columns={"value": "share"})], axis=1)
    said = pd.to_numeric(data["year"].str.extract(r"((?:19|20)\d{2})")[0], errors="coerce")
    data["year"] = said.fillna(data["input"].map(goods["year"]).astype("float64")).astype("Int64")
    undated = data["year"].isna() & data["share"].notna()
    if year is not None and undated.any():
        data["year"] = data["year"].fillna(year)
        report.notes.append(f"{int(undated.sum())} shares without a year: taken as those of {year}, as asked")
    report.missing = {str(k): int(v) for k, v in data["code"].value_counts().items() if k}
    by_country = data[(data["kind"] == "country") & ~lost & data["country"].notna() & data["year"].notna()]
    dateless = (data["kind"] == "country") & data["year"].isna() & data["share"].notna()
    report.leave_out("shares without a year (give year= to read them)", dateless, ones, (), of)
    production = _production(by_country)
    recipes = _recipes(t["sequence"], set(goods.index), report)
    used = sorted(set(production["product"]) | set(recipes["product"]) | set(recipes["input"]))
    products = _products(goods, used)
    last = int(production["year"].max()) if len(production) else None
    named = Path(path).resolve().name
    day = released(report, published_on, named if re.fullmatch(r"20\d\d-[01]\d(-[0-3]\d)?", named) else None)
    production = production.assign(published_on=day)
    report.vintage = f"shares up to {last}" + (f", update of {day}" if day else "")
    sums = production.groupby(["product", "year"])["quantity"].sum(min_count=1).dropna()
    if len(sums):
        report.notes.append(f"shares of countries sum to {sums.min():.3f} to {sums.max():.3f}; kept as printed")
    report.notes.append("CC BY-NC 4.0: not for redistribution with this package, and left out of exports")
    tables = {
        "products": products,
        "nodes": _nodes(production),
        "recipes": recipes,
        "sources": source_row(
            _SOURCE, "Emerging Technology Observatory, chip supply chain data", last, "CC BY-NC 4.0", "non_commercial"
        ),
    }
    inputs = {"products": products, "production": production, "recipes": recipes}
    return Reading(tables, data.reset_index(drop=True), report, inputs)


def _tables(path: PathLike, report: Report) -> dict[str, pd.DataFrame]:
    name = Path(path).name
    if not Path(path).is_dir():
        problem = Problem(name, "-", "-", "not a folder", "", f"Give the folder with {', '.join(_FILES)} (csv).")
        raise SourceError([problem], name)
    files = {f.name.casefold().removesuffix(".gz").removesuffix(".csv"): f for f in files_in(path, (".csv", ".csv.gz"))}
    absent = [f for f in _FILES if f not in files]
    if absent:
        problems = [
            Problem(name, "-", "-", "a table is absent", f"{a}.csv", "Copy it into the folder.") for a in absent
        ]
        raise SourceError(problems, name)
    out = {}
    for key in _FILES:
        raw = read_delimited(files[key], report)
        cols = find_columns(files[key], raw.columns, _COLUMNS[key], _REQUIRED[key])
        blank = pd.Series("", index=raw.index, dtype="string")
        out[key] = pd.DataFrame({k: raw[cols[k]].fillna("").str.strip() if k in cols else blank for k in _COLUMNS[key]})
    return out


def _are_fractions(path: PathLike, data: pd.DataFrame, parsed: pd.DataFrame) -> bool:
    """Whether bare numbers are fractions: none above 1, and those of the countries of an input add to 1."""
    bare = parsed["value"].notna() & ~data["text"].fillna("").str.contains("%")
    if not bare.any() or bool((parsed["value"].where(bare) > 1.0).any()) or not parsed["value"].gt(0.0).any():
        return False
    own = parsed["value"].where(bare & (data["kind"] == "country"))
    sums = own.groupby([data["input"], data["year"]]).sum(min_count=1).dropna()
    if bool(sums.between(0.9, 1.1).any()):
        return True
    shown = ", ".join(f"{v:g}" for v in sums.head(3))
    problem = Problem(Path(path).name, "-", "share_provided", "no share is above 1 and they add to neither 1 nor 100", shown,
                      "Give percent, e.g. 61 or 61%.")  # fmt: skip
    raise SourceError([problem], Path(path).name)


def _goods(t: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Inputs and stages by id, with name, type, stage and the year of their market size."""
    stages = t["stages"].assign(type="stage", stage=t["stages"]["id"], year="")
    both = pd.concat([t["inputs"], stages], ignore_index=True).drop_duplicates("id").set_index("id")
    size = both["size"].str.extract(r"\(((?:19|20)\d{2})\)")[0]
    year = pd.to_numeric(both["year"].str.extract(r"((?:19|20)\d{2})")[0], errors="coerce")
    return both.assign(year=year.fillna(pd.to_numeric(size, errors="coerce")))


def _id(code: object) -> str:
    return "eto." + re.sub(r"[^a-z0-9]", "", str(code).casefold())


def _products(goods: pd.DataFrame, used: list[str]) -> pd.DataFrame:
    rows = goods.assign(product=[_id(i) for i in goods.index]).drop_duplicates("product").set_index("product").loc[used]
    stage = rows["type"].map(_STAGE_OF).astype("object")
    by = rows["stage"].map(_BY_STAGE)
    stage = stage.mask(rows["type"].isin(["process", "stage"]), by.fillna("front_end"))
    stage = stage.mask(rows["name"].map(plain) == "wafer", "wafer")
    return pd.DataFrame(
        {
            "product": rows.index,
            "name": rows["name"].to_numpy(),
            "commodity": "chips",
            "chain": "chips",
            "stage": stage.fillna("component").to_numpy(),
            "unit": "world_share",
            "basis": "market share by headquarters",
            "period": "year",
        }
    ).reset_index(drop=True)


def _production(rows: pd.DataFrame) -> pd.DataFrame:
    """Shares of countries; places that are nobody in particular add up."""
    part = pd.DataFrame(
        {
            "product": rows["input"].map(_id).astype("object"),
            "country": rows["country"],
            "year": rows["year"],
            "quantity": rows["share"] / 100.0,
            "known": rows["share"].notna(),
        }
    )
    out = part.groupby(["product", "country", "year"], sort=True).agg(
        quantity=("quantity", "sum"), known=("known", "all")
    )
    out = out.reset_index()
    known = out["known"].astype(bool)
    return pd.DataFrame(
        {
            "product": out["product"],
            "country": out["country"],
            "year": out["year"],
            "what": "output",
            "quantity": out["quantity"].where(known),
            "missing": pd.Series("not_available", index=out.index, dtype="object").where(~known, None),
            "source": _SOURCE,
            "grade": "B",
        }
    )


def _nodes(production: pd.DataFrame) -> pd.DataFrame:
    p = production
    return pd.DataFrame(
        {
            "node": p["product"].astype("str") + "@" + p["country"].astype("str"),
            "product": p["product"],
            "country": p["country"],
            "kind": "producer",
            "year": p["year"],
            "output": p["quantity"],
            "output_missing": p["missing"],
            "output_source": p["source"],
            "output_grade": p["grade"],
            "published_on": p["published_on"],
            "source": p["source"],
            "grade": p["grade"],
        }
    )


def _recipes(sequence: pd.DataFrame, known: set[str], report: Report) -> pd.DataFrame:
    pairs = []
    for column, process, kind in (("into", "main", "essential"), ("type_of", "type_of", "important")):
        rows = sequence[sequence[column] != ""]
        lost = ~(rows["input"].isin(known) & rows[column].isin(known))
        steps = pd.Series(1.0, index=rows.index)
        report.unknown("step", (rows["input"] + " > " + rows[column])[lost], steps, (), "steps")
        rows = rows[~lost & (rows["input"] != rows[column])]
        made = {
            "product": rows[column].map(_id),
            "input": rows["input"].map(_id),
            "process": process,
            "input_class": kind,
        }
        pairs.append(pd.DataFrame(made))
    out = pd.concat(pairs, ignore_index=True).drop_duplicates(["product", "input", "process"]).reset_index(drop=True)
    note = "the source says that it goes in, not how much"
    return out.assign(missing="not_available", source=_SOURCE, grade="B", note=note)

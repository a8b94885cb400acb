"""UN Comtrade: extracts of the present data service and of the older one, annual or monthly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError, unknown_name
from ..registry import source
from . import hs
from .base import (
    PathLike,
    Reading,
    Report,
    find_columns,
    numbers,
    parse_json,
    read_columns,
    read_delimited,
    read_text,
    refuse,
    refuse_decimal_comma,
    released,
    source_row,
)
from .cells import as_years, refuse_points
from .commodities import product_rows, shares_of_world
from .layout import is_workbook, read_table
from .places import AGGREGATE, REST, agreed, countries, country
from .repair import dedupe
from .trade_links import links_of

__all__ = ["comtrade"]

_PARTS = {
    "period": ["period", "period_dt", "Period", "refPeriodId"],
    "frequency": ["freqCode", "Frequency"],
    "year": ["refYear", "year", "yr", "Year"],
    "reporter": ["reporterISO", "Reporter ISO", "rt3ISO", "reporterCode", "Reporter Code", "rtCode", "reporter", "reporterDesc", "Reporter"],
    "reporter_code": ["reporterCode", "Reporter Code", "rtCode"],
    "reporter_name": ["reporterDesc", "Reporter", "rtTitle", "reporter_name"],
    "partner": ["partnerISO", "Partner ISO", "pt3ISO", "partnerCode", "Partner Code", "ptCode", "partner", "partnerDesc", "partner_name"],
    "partner_code": ["partnerCode", "Partner Code", "ptCode"],
    "partner_name": ["partnerDesc", "Partner", "ptTitle", "partner_name"],
    "second": ["partner2Code", "partner2ISO", "2nd Partner Code", "ptCode2"],
    "flow": ["flowCode", "Trade Flow Code", "rgCode", "flow", "flowDesc", "Trade Flow"],
    "hs6": ["cmdCode", "Commodity Code", "cmd", "hs6", "hs_code_queried"],
    "value": ["primaryValue", "Trade Value (US$)", "TradeValue", "value", "val", "value_usd", "total_value"],
    "weight": ["netWgt", "Netweight (kg)", "NetWeight", "netwgt", "net_kg"],
    "qty": ["qty", "Qty", "TradeQuantity", "total_qty"],
    "unit": ["qtyUnitAbbr", "Qty Unit", "qtyunit", "unit", "units"],
    "unit_code": ["qtyUnitCode", "Qty Unit Code", "qtCode"],
    "transport": ["motCode", "mot"],
    "customs": ["customsCode", "cstCode"],
    "edition": ["classificationCode", "Classification", "pfCode"],
    "group": ["broad_group", "group", "commodity_group"],
}  # fmt: skip
_FLOWS = {"m": "M", "x": "X", "1": "M", "2": "X", "import": "M", "imports": "M", "export": "X", "exports": "X"}
# Codes of the service that are no country: areas not elsewhere specified, bunkers, free zones, special categories, the rest
# of a continent. EUR is the Union as a whole, whose members report too.
_AREAS = dict.fromkeys(
    ("_X", "X1", "X2", "X3", "XX", "_O", "F19", "F49", "F97", "E19", "E29", "A49", "A59", "A79", "O19"), REST
)
_AREAS["EUR"] = AGGREGATE
_BEHIND = 3  # years after which what a reporter last said is called old
_NOTHING = ("", "null", "none", "nan")
_KILOS = ("8", "kg", "kgs", "kilogram", "kilograms", "weight in kilograms")
_PART = "part of a total (transport, customs or second partner)"
_PART_OF_SUM = "part of a flow that has no total in the file: in its sum"
_SUM = "sum of its parts: no total in the file"
_WHOLE = {"second": ("0", "w00", "world", ""), "transport": ("0", ""), "customs": ("c00", "0", "")}


@source(
    licence="restricted",
    publisher="United Nations Statistics Division",
    formats=("csv", "csv.gz", "zip", "xlsx", "json", "parquet"),
    reads="reported bilateral trade by HS heading, both sides",
)
def comtrade(
    path: PathLike,
    *,
    products: Iterable[str] | None = None,
    side: str | None = None,
    reporter: str | None = None,
    flow: str | None = None,
    revision: str | None = None,
    partial: str = "drop",
    decimal: str | None = None,
    published_on: str | None = None,
) -> Reading:
    r"""Read an extract of UN Comtrade.

    Parameters
    ----------
    path : path-like
        csv, json or parquet of the API, csv of the web site or of the older service; sums over groups of headings
        (``broad_group``) come as ``data`` alone, with ``unit_value`` in USD per kg.
    products : iterable of str, optional
        Keep the headings of these products only; a basket heading warns.
    side : {"import", "export"}, optional
        Whose report ``inputs["trade"]`` follows; default the only one at hand, else the importers', which include
        freight. ``repair(reading.data[reading.data["keep"]])`` brings both to one.
    reporter, flow : str, optional
        Place and flow (``M`` or ``X``) of a file without such a column; default what its name says
        (``china_exports_monthly.csv``).
    revision : str, optional
        HS revision; default from the file, else HS 2017 with a note.
    partial : {"drop", "keep"}
        A reporter's newest years of months that end before December, where an earlier year of it is whole: left out of
        ``inputs`` (its rows stay in ``data``, not kept), so that the last whole year is today's market; or taken as it is.
        Either way the report, ``flag`` and a row of ``gaps`` say how many months there are.
    decimal : {".", ","}, optional
        Decimal mark; default a point, and a column in which points may part thousands is refused.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default unknown: an extract does not state it.

    Returns
    -------
    Reading
        ``data``: ``year, month, reporter, partner, area`` (as the file names it, where it is part of ``ROW``), ``flow, hs6,
        value`` (USD), ``quantity`` (t), ``keep``, ``flag``.
        Nothing is deleted from it but rows that cannot be read. ``inputs``: ``products, trade, concordance`` of the
        rows with ``keep``, by year; ``flag`` of the trade says ``n of 12 months`` where a year of months is not whole, and so do
        the notes of links.

    Raises
    ------
    SourceError
        Not such an extract; no reporter or flow, and none given.

    Notes
    -----
    Flagged and not kept: the partner World (W00), re-exports and re-imports (parts of exports and imports), rows by
    transport, customs procedure or second partner (a flow without a total beside its parts is added as their sum, flagged
    and noted), months beside the year's figure of the same flow, and
    duplicates; see :func:`supplyrisk.sources.repair.dedupe`. Where a row has no ISO code, its number counts; where a code is that of another place than the name beside it, the name
    counts, with a note. Special areas
    (not elsewhere specified, bunkers, free zones) are the rest of the world, ``ROW``. A weight of 0 beside a value is a weight not reported;
    a quantity stands for it only in kilograms, by the name and the code of its unit (in a file without either, with a note).

    References
    ----------
    United Nations, UN Comtrade database; its policy on use and re-dissemination applies.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = ("period,reporterISO,partnerISO,flowCode,cmdCode,primaryValue,netWgt\n"
    ...         "2022,USA,W00,M,850511,100,9\n2022,USA,CHN,M,850511,75,5\n2022,USA,S19,M,850511,25,0\n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "extract.csv")
    ...     _ = file.write_text(text)
    ...     reading = comtrade(file)
    >>> reading.inputs["trade"][["origin", "destination", "value"]].values.tolist()
    [['CHN', 'USA', 75.0], ['TWN', 'USA', 25.0]]
    """
    if side not in (None, "import", "export"):
        raise unknown_name("side", side, ("import", "export"), "side")
    if partial not in ("drop", "keep"):
        raise unknown_name("policy", partial, ("drop", "keep"), "partial")
    report = Report("comtrade", Path(path).name, "restricted")
    kind = Path(path).suffix.lower()
    if kind == ".json":
        raw = _json(path, report)
    elif kind in (".parquet", ".pq"):
        raw = read_columns(path, report)
    else:
        apart = ["hs6", "reporter", "partner", "flow"]
        raw = (
            read_table(path, report, _PARTS, ["value"], stack=apart)
            if is_workbook(path)
            else read_delimited(path, report)
        )
    cols = find_columns(path, raw.columns, _PARTS)
    reporter, flow = _named(path, cols, reporter, flow, report)
    summed = "hs6" not in cols and "group" in cols  # sums of several headings
    parts = ["value"] if summed else ["hs6", "value", "partner"]
    absent = [p for p, given in (("reporter", reporter), ("flow", flow)) if p not in cols and not given]
    if absent and all(p in cols for p in parts):
        rule, remedy = "no column for who reports, or for the flow", 'Give reporter= and flow=, e.g. "CHN" and "X".'
        raise refuse(path, rule, remedy, ", ".join(absent))
    find_columns(path, raw.columns, _PARTS, [*parts, *absent])
    if "period" not in cols and "year" not in cols:
        find_columns(path, raw.columns, _PARTS, ["year"])
    text = {k: raw[c].str.strip() for k, c in cols.items()}
    if summed:
        blank = pd.Series("", index=raw.index, dtype="string")
        codes = {"hs6": blank + "000000", "partner": text.get("partner", blank + "World")}
        data = _rows(path, {**text, **codes}, raw.index, report, reporter, flow, decimal, text["group"])
        return _groups(data, report, published_on)
    data = _rows(path, text, raw.index, report, reporter, flow, decimal)
    at = _edition(text, revision, report)
    con = hs.product_headings(products, at)
    if products is not None:
        other = ~data["hs6"].isin(set(con["hs6"]))
        report.leave_out("heading not asked for", other, data["value"])
        data = data[~other].reset_index(drop=True)
    data = _flagged(data, report, partial)
    return _reading(data, con, at, side, report, published_on)


def _named(
    path: PathLike, cols: dict[str, str], reporter: str | None, flow: str | None, report: Report
) -> tuple[str | None, str | None]:
    """Reporter and flow out of a name such as ``china_exports_2024.csv``, where neither a column nor the caller says them."""
    hit = re.match(r"([a-z]+(?:[-_ ][a-z]+)?)[-_ ]((?:im|ex)ports?)(?![a-z])", Path(path).name, re.IGNORECASE)
    place = country(hit[1].replace("_", " ").replace("-", " "), "name") if hit else None
    if hit is None or place in (None, REST, AGGREGATE) or ("reporter" in cols and "flow" in cols):
        return reporter, flow
    said = []
    if "reporter" not in cols and reporter is None:
        reporter, said = place, [f"reporter {place}"]
    if "flow" not in cols and flow is None:
        flow = _FLOWS[hit[2].casefold()]
        said.append(f"flow {flow}")
    if said:
        report.notes.append(f"{' and '.join(said)} as the file's name says; reporter= and flow= overrule it")
    return reporter, flow


def _groups(data: pd.DataFrame, report: Report, given: str | None) -> Reading:
    """Sums over groups of headings: for looking at, not for links, because a group mixes goods."""
    report.notes.append("sums over groups of headings, which mix goods: data alone, no trade and no links")
    report.vintage = f"{data['year'].min()} to {data['year'].max()}" if len(data) else "no data"
    day = released(report, given)
    columns = ["year", "month", "reporter", "partner", "flow", "group", "value", "quantity"]
    out = data[columns].copy()
    out["partner"] = out["partner"].mask(out["partner"] == AGGREGATE, "WLD")
    out["unit_value"] = (out["value"] / (out["quantity"] * 1000.0)).where(out["quantity"] > 0)
    title, terms = "UN Comtrade, extract summed over groups of headings", "UN policy on use and re-dissemination"
    year = None if day is None else int(day[:4])
    return Reading({"sources": source_row("comtrade_groups", title, year, terms, "restricted")}, out, report)


def _json(path: PathLike, report: Report) -> pd.DataFrame:
    """The service's own answer: ``{"data": [...]}``, or the list alone; every cell as text."""
    text, _ = read_text(path)
    try:
        given = parse_json(text, report)
        rows = given.get("data", given.get("dataset")) if isinstance(given, dict) else given
        if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
            raise ValueError("no list of records under 'data'")
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise refuse(path, "not an answer of the service", "Save the answer as it came.", str(err)[:120]) from err
    report.rows_read += len(rows)
    if not rows:
        report.notes.append("the answer holds no rows: nothing was found for what was asked")
        columns = ("period", "reporterISO", "partnerISO", "flowCode", "cmdCode", "primaryValue", "netWgt")
        return pd.DataFrame({c: pd.Series(dtype="string") for c in columns})
    names = list(dict.fromkeys(str(k) for r in rows for k in r))
    cells = [["" if r.get(n) is None else str(r.get(n)) for n in names] for r in rows]
    return pd.DataFrame(cells, columns=names, dtype="string")


def _rows(
    path: PathLike,
    text: dict[str, pd.Series],
    index: pd.Index,
    report: Report,
    reporter: str | None,
    flow: str | None,
    decimal: str | None,
    group: pd.Series | None = None,
) -> pd.DataFrame:
    blank = pd.Series("", index=index, dtype="string")
    when = text.get("period", blank).where(text.get("period", blank).str.match(r"\d{4}"), text.get("year", blank))
    span = when.str.extract(r"^(\d{4})(?:[-/]?(\d{2}))?(?:[-/]?\d{2})?(?!\d)")
    out = pd.DataFrame({"year": as_years(span[0]), "month": pd.to_numeric(span[1], errors="coerce")})
    out["month"] = out["month"].where(out["month"].between(1, 12))
    # A year may be written as its first day.
    yearly = text["frequency"].str.upper().eq("A") if "frequency" in text else blank.ne("")
    first_days = when[when.str.len() > 0].str.fullmatch(r"\d{4}[-/]?01[-/]?01(?!\d).*").fillna(False)
    if len(first_days) and first_days.all() and out["year"].nunique() > 1:
        yearly |= True
        report.notes.append("all dates are the first of January: read as years, not as months")
    out["month"] = out["month"].mask(yearly.fillna(False).to_numpy(dtype=bool))
    for part, given in (("reporter", reporter), ("partner", None)):
        said = text.get(part, blank + (given or ""))
        said = said.mask(said.str.casefold().isin(_NOTHING).fillna(False), "")
        place = countries(said.where(~said.str.fullmatch(r"\d+\.0").fillna(False), said.str[:-2]), "any")
        place = place.fillna(said.map(_AREAS).astype("string"))
        if f"{part}_code" in text:
            code = text[f"{part}_code"].str.removesuffix(".0")
            place = place.fillna(countries(code, "numeric").where(code.str.fullmatch(r"\d+").fillna(False)))
            said = said.mask(said == "", code)
        if f"{part}_name" in text:
            place = agreed(report, text[f"{part}_name"], place)
        world = said.str.casefold().isin(["w00", "wld", "world", "0"]).fillna(False)
        place = place.mask(world, AGGREGATE)
        out[part] = place.astype("object").where(place.notna(), None)
        out[f"{part}_text"] = said
        out["taiwan"] = out.get("taiwan", False) | said.isin(["490", "S19", "490.0"]).fillna(False).to_numpy(dtype=bool)
    said = text.get("flow", blank + (flow or ""))
    out["flow"] = said.str.casefold().map(lambda v: _FLOWS.get(v, "other")).astype("object")
    out["hs6"] = text["hs6"].str.removesuffix(".0")
    short = out["hs6"].str.fullmatch(r"\d{5}").fillna(False)
    out["hs6"] = out["hs6"].mask(short, "0" + out["hs6"])
    if group is not None:
        out["group"] = group
    for part in ("value", "weight", "qty"):
        if part not in text:
            out[part] = np.nan
            continue
        parsed = numbers(text[part].replace({"inf": "", "Inf": ""}), decimal)
        refuse_decimal_comma(path, text[part], parsed)
        refuse_points(path, text[part], decimal, report)
        out[part] = parsed["value"].to_numpy()
        bad = parsed["code"].isin(["text", "bound", "range"])
        report.missing[f"{part} not a number"] = int(bad.sum())
        if part == "value":
            none = parsed["code"].isin(["empty", "not_available", "not_applicable", "withheld"])
            report.missing["value not_available"] = int(none.sum())
    report.missing = {k: v for k, v in report.missing.items() if v}
    weight = out["weight"].where(out["weight"] > 0)
    spare = weight.isna() & (out["qty"] > 0)
    out["quantity"] = weight.fillna(out["qty"].where(_kilos(text, index, spare, report))) / 1000.0
    out["whole"], out["level"], out["cell"] = True, "", ""
    for part, whole in _WHOLE.items():
        if part in text:
            code = text[part].fillna("").str.casefold().str.removesuffix(".0")
            split = ~code.isin(list(whole)).to_numpy(dtype=bool)
            out["whole"] &= ~split
            out["level"] += np.where(split, f"{part} ", "")
            out["cell"] += np.where(split, f"{part}=" + code.astype("object") + " ", "")
    bad = out["year"].isna() | (out["value"] < 0) | ~out["hs6"].str.fullmatch(r"\d{6}").fillna(False)
    report.leave_out("no year, a negative value, or not a six-digit heading", bad, out["value"])
    out = out[~bad]
    for part in ("reporter", "partner"):
        lost = out[part].isna()
        report.unknown(part, out.loc[lost, f"{part}_text"], out["value"])
    lost = out["reporter"].isna() | out["partner"].isna()
    report.leave_out("place that no concordance knows", lost, out["value"])
    out = out[~lost].reset_index(drop=True)
    out["year"] = out["year"].astype("int64")
    return out


def _kilos(text: dict[str, pd.Series], index: pd.Index, spare: pd.Series, report: Report) -> pd.Series:
    """Rows without a weight whose quantity is one: all that the file says of its unit must be kilograms.

    A blank name of the unit says nothing where its code stands beside it. A quantity of which nothing says the unit is
    a weight only in a file that has no column for weights or units, and then with a note.
    """
    said = pd.Series(False, index=index)
    other = said.copy()
    for part in ("unit", "unit_code"):
        if part in text:
            cells = text[part].fillna("").str.casefold().str.strip().str.removesuffix(".0")
            blank = cells.isin(["", *_NOTHING]).astype(bool)
            kilo = cells.isin(_KILOS).astype(bool)
            said |= kilo
            other |= ~kilo & ~blank
    spare = spare.set_axis(index)
    unsaid = spare & ~said & ~other
    if (spare & other).any():
        report.notes.append(f"{int((spare & other).sum()):,} quantities in another unit than kilograms are no weight")
    if unsaid.any():
        bare = not {"weight", "unit", "unit_code"} & set(text)
        taken = "are read as kilograms" if bare else "are no weight"
        report.notes.append(f"{int(unsaid.sum()):,} quantities whose unit the file does not say {taken}")
        said |= unsaid & bare
    return (spare & said & ~other).set_axis(spare.index)


def _edition(text: dict[str, pd.Series], revision: str | None, report: Report) -> str:
    if revision is not None:
        return hs.revision(revision)
    said = (
        text["edition"].str.upper().str.extract(r"^(H[0-6])$")[0].dropna()
        if "edition" in text
        else pd.Series(dtype="str")
    )
    if len(said):
        found = said.value_counts()
        if len(found) > 1:
            report.notes.append(
                f"reporters use several HS revisions ({', '.join(map(str, found.index))}): headings as in the commonest"
            )
        return hs.revision(str(found.index[0]))
    report.notes.append(f"no HS revision in the file: headings taken as {hs.BASE}; give revision= if they are not")
    return hs.BASE


def _flagged(data: pd.DataFrame, report: Report, partial: str) -> pd.DataFrame:
    """What each row is; only flows between two places, once each, are kept."""
    why = pd.Series("", index=data.index, dtype="object")
    why = why.mask(data["taiwan"], "UN 490, Other Asia nes, read as TWN")
    out_of_it = pd.Series("", index=data.index, dtype="object")
    out_of_it = out_of_it.mask(~data["whole"], _PART)
    out_of_it = out_of_it.mask(data["flow"] == "other", "re-export, re-import or another flow")
    out_of_it = out_of_it.mask(
        (data["partner"] == AGGREGATE) | (data["reporter"] == AGGREGATE), "World or another aggregate"
    )
    out_of_it = out_of_it.mask(data["partner"] == data["reporter"], "partner is reporter")
    data, why, out_of_it = _summed(data, why, out_of_it, report)
    flow = ["year", "reporter", "partner", "hs6", "flow"]
    plain = (out_of_it == "") & data["month"].isna() & data["value"].notna()
    yearly = plain.groupby([data[c] for c in flow]).transform("any")
    out_of_it = out_of_it.mask(
        (out_of_it == "") & data["month"].notna() & yearly, "month beside the figure of its year"
    )
    data["keep"], data["flag"] = out_of_it == "", why.where(out_of_it == "", out_of_it)
    rest = data[data["keep"]]
    area = rest["reporter_text"].where(rest["reporter"] == REST, "") + "/"  # two areas of the rest are two flows
    area += rest["partner_text"].where(rest["partner"] == REST, "")
    data["area"] = area.mask(area == "/", "").reindex(data.index).fillna("")
    keys = ["year", "month", "reporter", "partner", "area", "hs6", "flow"]
    found = dedupe(rest.assign(area=area.fillna("")), keys)
    found.index = rest.index
    data.loc[rest.index, "keep"] = found["keep"]
    data.loc[found.index[~found["keep"]], "flag"] = found.loc[~found["keep"], "flag"]
    data = _with_months(data, partial, report)
    for flag in sorted(set(data.loc[~data["keep"], "flag"]) - {_PART_OF_SUM}):
        report.leave_out(f"not kept: {flag}", ~data["keep"] & (data["flag"] == flag), data["value"])
    odd = int((data["flag"] == "smaller than another row of the key").sum())
    if odd:
        report.notes.append(
            f"{odd:,} rows share a key with a larger one that they do not add up to: the largest was kept"
        )
    light = data["keep"] & data["quantity"].isna()
    if light.any():
        part = float(data.loc[light, "value"].sum() / data.loc[data["keep"], "value"].sum())
        report.missing["quantity not_available"] = int(light.sum())
        report.notes.append(f"{int(light.sum()):,} flows without weight, {part:.2%} of value: see sources.repair")
    columns = ["year", "month", "reporter", "partner", "area", "flow", "hs6", "value", "quantity", "keep", "flag"]
    return data[[*columns, "months", "newest"]]


def _with_months(data: pd.DataFrame, partial: str, report: Report) -> pd.DataFrame:
    """Flags of years of months that are not whole; the newest that end before December are not kept.

    ``months`` is how many a reporter has in such a year, ``newest`` marks the rows of its newest year. A year without
    trade in some month looks like one without that month: only what ends before December, after a whole year, is
    taken for unfinished.
    """
    out = data.assign(months=np.nan, newest=False)
    kept = data[data["keep"]]
    if not kept["month"].notna().any():
        return out
    who = ["reporter", "flow"]
    by = kept.groupby([*who, "year"])["month"]
    years = pd.DataFrame({"n": by.nunique(), "last": by.max(), "whole": by.size() > by.count()}).reset_index()
    years["whole"] |= years["n"] == 12
    newest = years["year"] == years.groupby(who)["year"].transform("max")
    # What comes after the last year that is whole, or at least reaches its December, has not ended yet.
    ended = years[years["whole"] | (years["last"] == 12)].groupby(who)["year"].max()
    whole = years[years["whole"]].groupby(who)["year"].min()
    mine = pd.MultiIndex.from_frame(years[who])
    last, first = (s.reindex(mine).to_numpy(dtype=float) for s in (ended, whole))
    short = years["n"].between(1, 11) & ~years["whole"]
    years["open"] = short & (years["last"] < 12) & (last < years["year"]) & (first < years["year"])
    at = pd.MultiIndex.from_frame(data[[*who, "year"]])
    known = years.assign(n=years["n"].where(short), newest=newest).set_index([*who, "year"]).reindex(at)
    rows = data["keep"] & data["month"].notna()
    out["months"] = pd.Series(known["n"].to_numpy(dtype=float), index=data.index).where(rows)
    out["newest"] = known["newest"].eq(True).to_numpy(dtype=bool)
    text = out["months"].map(lambda n: f"{n:.0f} of 12 months" if n == n else "")
    unfinished = rows & known["open"].eq(True).to_numpy(dtype=bool) & (partial == "drop")
    text = text.where(~unfinished, text + " of a year that has not ended: not in inputs")
    out["flag"] = (out["flag"] + "; ").where((out["flag"] != "") & (text != ""), out["flag"]) + text
    out["keep"] &= ~unfinished
    for (year, n, unended), group in years[short].groupby(["year", "n", "open"], sort=True):
        names = sorted(set(group["reporter"]))
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        left = bool(unended) and partial == "drop"
        report.notes.append(
            f"WARNING: part of a year: {year} has {n} of 12 months ({shown}): "
            + ("not in inputs, which end with the last whole year; partial='keep' takes it as it is" if left
               else "its sums are no whole year; rows and links are flagged")
        )  # fmt: skip
    return out


_MONTH_GAP = "trade of a whole year"


def _unfinished(data: pd.DataFrame, con: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``gaps`` for reporters whose newest year is not whole, by product."""
    rows = data[data["months"].notna() & data["newest"]].merge(con[["hs6", "product"]], on="hs6")
    out = []
    for (product, who), group in rows.groupby(["product", "reporter"], sort=True):
        year, n, used = group["year"].max(), group["months"].min(), bool(group["keep"].any())
        end = "taken as it is" if used else "not used: the last whole year stands for today"
        note = f"{year}: {n:.0f} of 12 months in the file, {end}"
        out.append({"product": product, "what": _MONTH_GAP, "where": who, "reason": "not_available", "note": note})
    return pd.DataFrame(out, columns=["product", "what", "where", "reason", "note"])


def _summed(
    data: pd.DataFrame, why: pd.Series, out_of_it: pd.Series, report: Report
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Flows that the file has in parts only (by transport, customs procedure or second partner), as the sum of these.

    Of several ways in which a flow is split, the one with the fewest parts of parts counts, and of these the first: they
    are the same trade. A means of transport beside the group that it belongs to (2100 sea, 2000 water) adds nothing.
    """
    split = out_of_it == _PART
    if not split.any():
        return data, why, out_of_it
    key = ["year", "month", "reporter", "partner", "hs6", "flow", "reporter_text", "partner_text"]
    month = data["month"].fillna(0)
    keys = data[key].assign(month=month)
    total = (out_of_it == "").groupby([keys[c] for c in key], dropna=False).transform("any")
    if not (split & ~total).any():
        return data, why, out_of_it
    rows = data[split & ~total].assign(month=month)
    rows = rows.assign(depth=rows["level"].str.count(" "))
    best = rows.sort_values(["depth", "level"], kind="stable").drop_duplicates(key)[[*key, "level"]]
    rows = rows.reset_index().merge(best, on=[*key, "level"]).set_index("index")
    rows = rows.drop_duplicates([*key, "cell", "value", "quantity"])
    mode = rows["cell"].str.extract(r"transport=(\d)(\d{3})")
    group = rows["cell"].str.replace(r"transport=(\d)\d{3}", r"transport=\g<1>000", regex=True)
    heads = set(zip(*(rows.loc[mode[1] == "000", c] for c in key), rows.loc[mode[1] == "000", "cell"], strict=True))
    below = [k in heads for k in zip(*(rows[c] for c in key), group, strict=True)]
    rows = rows[~(np.array(below, dtype=bool) & (mode[1].notna() & (mode[1] != "000")).to_numpy(dtype=bool))]
    by = rows.groupby(key, sort=False)
    sums = by[["value", "quantity"]].sum(min_count=1).where(by[["value", "quantity"]].count().eq(by.size(), axis=0))
    sums["value"] = by["value"].sum(min_count=1)
    new = by.first().assign(value=sums["value"], quantity=sums["quantity"], whole=True).reset_index()
    new["month"] = new["month"].where(new["month"] > 0)
    report.notes.append(
        f"{len(new):,} flows are in the file in {len(rows):,} parts only (by transport, customs procedure or second partner): "
        f"inputs['trade'] has their sums, {float(new['value'].sum()):.6g} USD; parts that are not in the file are not in them"
    )
    out_of_it = out_of_it.mask(split & ~total, _PART_OF_SUM)
    size = range(len(data), len(data) + len(new))
    data = pd.concat([data, new[[c for c in data.columns if c in new]].set_axis(size)])
    taiwan = new["taiwan"].map({True: "; UN 490, Other Asia nes, read as TWN", False: ""})
    why = pd.concat([why, pd.Series((_SUM + taiwan).to_numpy(dtype=object), index=size, dtype="object")])
    return data, why, pd.concat([out_of_it, pd.Series("", index=size, dtype="object")])


def _behind(trade: pd.DataFrame, side: str, report: Report) -> None:
    """Name reporters whose newest year is far behind that of the file: what they say of today is that old."""
    if not len(trade):
        return
    last = trade.groupby(side)["year"].max()
    old = last[last < last.max() - _BEHIND].sort_values()
    if len(old):
        value = trade.loc[trade[side].isin(old.index) & (trade["year"] == trade[side].map(last)), "value"].sum()
        newest = trade.loc[trade["year"] == trade[side].map(last), "value"].sum()
        share = f", {value / newest:.2%} of the value of all newest years" if newest > 0 else ""
        shown = ", ".join(f"{c} {y}" for c, y in old.head(8).items()) + (", ..." if len(old) > 8 else "")
        report.notes.append(
            f"{len(old)} reporters last reported more than {_BEHIND} years before {last.max()} ({shown}{share}): their newest "
            "year stands for today and its interval widens with its age (A-AGE)"
        )


def _reading(
    data: pd.DataFrame, con: pd.DataFrame, at: str, side: str | None, report: Report, given: str | None
) -> Reading:
    kept = data[data["keep"]]
    have = set(kept["flow"])
    code = {"import": "M", "export": "X"}.get(side or "")
    if code is not None and code not in have and len(kept):
        raise SourceError(
            [Problem(report.path, "-", "flow", f"no {side} rows", ", ".join(sorted(have)), "Choose the other side.")],
            "the extract",
        )
    if code is None:
        code = "M" if "M" in have or not have else "X"
        if len(have) > 1:
            report.notes.append(
                "both sides are there: inputs['trade'] follows the importers; repair() brings both to one"
            )
    ends = ("partner", "reporter") if code == "M" else ("reporter", "partner")
    flows = kept[kept["flow"] == code].rename(columns={ends[0]: "origin", ends[1]: "destination"})
    keys = ["year", "hs6", "origin", "destination"]
    if data["month"].notna().any():
        report.notes.append("monthly: inputs['trade'] holds sums by year")
    grouped = flows.groupby(keys)
    trade = grouped[["quantity", "value"]].sum(min_count=1)
    part = (flows["quantity"].isna() & (flows["value"] > 0)).groupby([flows[k] for k in keys]).any()
    part &= trade["quantity"].notna()
    months = grouped["months"].min()
    if months.notna().any():
        trade["flag"] = months.map(lambda n: f"{n:.0f} of 12 months" if n == n else None).astype("object")
    if part.any():  # a month without a weight is no month of nothing
        trade["low"] = trade["quantity"].where(part)
        trade["quantity"] = trade["quantity"].mask(part)
        report.notes.append(
            f"{int(part.sum()):,} flows of inputs['trade'] are sums (of months, or areas of ROW) of which a part has no weight: "
            "theirs is not known, at least the others' (low)"
        )
    trade = trade.reset_index()
    years = f"{data['year'].min()} to {data['year'].max()}" if len(data) else "no data"
    report.vintage = f"{at}, {years}"
    name = f"comtrade_{at[:2].lower()}{at[-2:]}"
    trade = trade.assign(published_on=released(report, given), source=name, grade="A" if code == "X" else "B")
    _behind(trade, "origin" if code == "X" else "destination", report)
    known = con[con["hs6"].isin(set(trade["hs6"]))].reset_index(drop=True)
    for heading, rows in known[~known["use"]].groupby("hs6"):
        report.notes.append(
            f"HS {heading} holds several goods ({', '.join(rows['product'])}): never add them; no link is made"
        )
    report.unknown("heading", trade.loc[~trade["hs6"].isin(set(con["hs6"])), "hs6"], trade["value"])
    usable = known[~known["product"].isin(shares_of_world(known["product"]))]
    sources = source_row(
        name,
        f"UN Comtrade, extract, {at}",
        None,
        "UN policy on use and re-dissemination",
        "restricted",
        url="https://comtradeplus.un.org",
        lists="by_exporter" if code == "X" else "by_importer",
    )
    tables = {**links_of(trade, usable, sources), "sources": sources}
    if len(gaps := _unfinished(data[data["flow"] == code], usable[usable["use"]])):
        tables["gaps"] = gaps
    inputs = {"products": product_rows(known["product"], unit="t"), "trade": trade, "concordance": known}
    told = data.drop(columns=["months", "newest"]).reset_index(drop=True)
    # Whoever repairs these rows says whose they are: figures without a source would be taken for anybody's.
    told = told.assign(published_on=report.published_on, source=name, grade=told["flow"].map({"X": "A", "M": "B"}))
    return Reading(tables, told, report, inputs)

"""The tables that :func:`supplyrisk.assemble.assemble` takes: brought to their columns, and everything wrong with them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .entry import in_own_units
from .errors import Problem, UnknownPlaceWarning, close_matches, printable
from .flows import FLOW_METHODS
from .jurisdictions import code_of, is_country
from .schema import node_id
from .uses import used_twice

__all__ = ["INPUTS", "read_inputs", "say_left_out", "six_digits", "stock_nodes", "unmapped", "would_be_lost"]

# Columns of the tables that assemble() reads besides those of the data model; all but the required are optional.
INPUTS: dict[str, tuple[str, ...]] = {
    key: tuple(columns.split())
    for key, columns in {
        "production": "product country site firm year what quantity low high missing unit basis published_on source "
        "grade note",
        "trade": "hs6 origin destination year quantity low high value value_low value_high method flag published_on "
        "source grade",
        "concordance": "hs6 product factor factor_low factor_high purity purity_low purity_high purity_source coverage use note",
        "demand": "product country use year quantity low high missing unit basis published_on source grade note",
        "sourcing": "product buyer supplier share share_low share_high missing year reliance imports unit basis "
        "published_on source grade note",
        "costs": "product country what quantity low high year unit basis published_on source grade note",
    }.items()
}
_REQUIRED = {
    "production": ("product", "country", "year"),
    "trade": ("hs6", "origin", "destination", "year", "quantity"),
    "concordance": ("hs6", "product", "factor"),
    "demand": ("product", "country", "year"),
    "sourcing": ("product", "buyer", "supplier", "share", "year"),
    "costs": ("product", "country", "what", "quantity"),
}
_PLACES = {
    "production": ("country",),
    "trade": ("origin", "destination"),
    "demand": ("country",),
    "sourcing": ("buyer", "supplier"),
    "costs": ("country",),
}
_NO_CODE = {
    "production": "Give an ISO3 code; ROW is the unlisted rest, WLD the total.",
    "trade": "Give an ISO3 code; ROW is what a source lumps together. Leave totals out: they count every flow twice.",
}
_DIMENSIONS = ("product", "country", "site", "firm", "what", "hs6", "origin", "destination", "use", "buyer", "supplier")
_TEXT = frozenset(
    (*_DIMENSIONS, "missing", "unit", "basis", "published_on", "source", "grade", "note", "coverage", "purity_source")
) | {"method", "flag"}


def read_inputs(
    given: Mapping[str, pd.DataFrame | None], products: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], list[Problem]]:
    """Tables of statistics in the columns of :data:`INPUTS`, and all that is wrong with them.

    Parameters
    ----------
    given : mapping of str to DataFrame or None
        By the keys of :data:`INPUTS`.
    products : DataFrame
        Table of products.

    Returns
    -------
    tuple of dict and list of Problem
        Numbers are floats, text is object with None for nothing. Problems: unreadable or unknown columns, unknown
        products, a missing concordance, factors and bounds that cannot be, flows and uses that stand twice.

    Examples
    --------
    >>> made = pd.DataFrame(dict(product="x", country="JPN", year=2024, quantity="5"), index=[0])
    >>> products = pd.DataFrame({"product": ["x"], "unit": ["t"], "basis": ["gross"]})
    >>> frames, problems = read_inputs({"production": made, "demand": made}, products)
    >>> frames["production"]["quantity"].tolist(), frames["demand"]["use"].tolist(), problems
    ([5.0], [None], [])
    """
    frames, problems = {}, []
    for key in INPUTS:
        read, found = _read(given.get(key), key)
        frames[key], odd = in_own_units(key, read, products)
        problems += found + odd
    for key in ("trade", "concordance"):
        frames[key]["hs6"] = six_digits(frames[key]["hs6"])
    # Without a figure and a reason nobody knows it: such a maker is inside the rest like any other of unknown output.
    made = frames["production"]
    bare = made["quantity"].isna() & made["missing"].isna()
    frames["production"] = made.assign(missing=made["missing"].astype("object").mask(bare, "unknown"))
    problems += _unknown_products(frames, products)
    if len(frames["trade"]) and not len(frames["concordance"]):
        problems.append(
            Problem("trade", "-", "hs6", "no concordance", "", "Give one: hs6, product, factor (units per tonne).")
        )
    problems += _off_headings(frames) + _off_places(frames)
    problems += _off_scale(frames["concordance"])
    problems += _stated_twice(frames["trade"]) + _off_trade(frames["trade"]) + used_twice(frames["demand"])
    problems += _off_production(frames["production"])
    problems += _again("costs", frames["costs"], ["product", "country", "what", "year"])
    problems += _again("sourcing", frames["sourcing"], ["product", "buyer", "supplier", "year"])
    return frames, problems


def would_be_lost(tables: Mapping[str, pd.DataFrame], given: Mapping[str, pd.DataFrame]) -> list[Problem]:
    """Further tables that would be lost behind what is assembled; nodes of stocks are made of the stocks.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Further tables of the data model. What they say of products, recipes, makers and uses that the inputs speak of
        too is not lost: a reading has both, and the inputs are assembled.
    given : mapping of str to DataFrame
        The inputs: ``products, recipes, production, demand``.

    Returns
    -------
    list of Problem
        One for each table.

    Examples
    --------
    >>> [p.column for p in would_be_lost({"links": pd.DataFrame({"supplier": ["x@CHN"]})}, {})]
    ["tables['links']"]
    """

    def ids(name: str, *parts: str) -> pd.Series:
        rows = given.get(name)
        if rows is None or not len(rows):
            return pd.Series(dtype=object)
        return rows[list(parts)].astype("object").astype(str).agg("@".join, axis=1)

    said = {
        "products": ids("products", "product"),
        "recipes": ids("recipes", "product", "input"),
        "nodes": ids("production", "product", "country"),
        "demand": ids("demand", "product", "country"),
    }
    out = []
    for key in ("products", "recipes", "nodes", "links", "demand"):
        frame = tables.get(key)
        if frame is None or not len(frame):
            continue
        if key == "nodes":
            stocks = tables.get("stocks", frame.iloc[:0])
            frame = frame[~frame["node"].isin(stocks["node"])]
        if key == "recipes":
            frame = frame[~(frame["product"].astype(str) + "@" + frame["input"].astype(str)).isin(said[key])]
        elif key in said:
            column = "product" if key == "products" else "node"
            frame = frame[~frame[column].astype(str).str.replace("[#:].*", "", regex=True).isin(said[key])]
        way = "Lay it over the result: overlay()." if key in ("nodes", "links") else f"Give {key}=."
        if len(frame):
            out.append(
                Problem("assemble", "-", f"tables[{key!r}]", "this table is assembled", f"{len(frame)} rows", way)
            )
    return out


def say_left_out(given: Mapping[str, pd.DataFrame | None]) -> None:
    """One warning of all rows that readers left out of the tables because their place is unknown.

    Parameters
    ----------
    given : mapping of str to DataFrame or None
        Tables as readers give them: what they left out stands in ``attrs``.

    Warns
    -----
    UnknownPlaceWarning
        Once, of the caller's caller, with count and share.

    Examples
    --------
    >>> say_left_out({"demand": pd.DataFrame()})
    """
    told = []
    rows = 0
    for key, frame in given.items():
        for entry in [] if frame is None else frame.attrs.get("left_out", ()):
            share = "" if entry.get("share") is None else f", {entry['share']:.2%} of {entry['of']}"
            names = ", ".join(repr(n) for n in entry["names"][:5]) + (", ..." if len(entry["names"]) > 5 else "")
            rows += entry["rows"]
            told.append(f"{key} of {entry['path']}: {entry['rows']} rows{share} ({names})")
    if told:
        text = f"{rows} rows are not in the graph, no concordance knows their place: {'; '.join(told)}"
        warnings.warn(printable(text), UnknownPlaceWarning, stacklevel=3)


def _read(frame: pd.DataFrame | None, key: str) -> tuple[pd.DataFrame, list[Problem]]:
    """Bring an input table to its columns; numbers become floats, text becomes object with None for nothing."""
    columns = INPUTS[key]
    if frame is None or not len(frame):
        return pd.DataFrame({c: pd.Series(dtype="object") for c in columns}).astype(
            {c: "float64" for c in columns if c not in _TEXT}
        ), []
    problems: list[Problem] = []
    for c in frame.columns:
        if c not in columns:
            close = close_matches(str(c), columns)
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known: {', '.join(columns)}."
            problems.append(Problem(key, "-", str(c), "unknown column", "", hint))
    for c in _REQUIRED[key]:
        if c not in frame.columns:
            problems.append(Problem(key, "-", c, "required column is absent", "", f"{key} needs {_REQUIRED[key]}."))
    out: dict[str, Any] = {}
    n = len(frame)
    for c in columns:
        if c not in frame.columns:
            out[c] = np.full(n, np.nan) if c not in _TEXT else np.full(n, None, dtype=object)
            continue
        raw = frame[c].reset_index(drop=True)
        if c not in _TEXT:
            number = pd.to_numeric(raw, errors="coerce")
            bad = number.isna() & raw.notna() & (raw.astype("string").str.strip() != "")
            for i in np.flatnonzero(bad.to_numpy(dtype=bool)):
                problems.append(Problem(key, f"row {i}", c, "not a number", repr(raw.iloc[i]), "Give a number."))
            for i in np.flatnonzero(np.isinf(number.to_numpy(dtype=float))):
                fix = "Give a finite number, or leave it empty."
                problems.append(Problem(key, f"row {i}", c, "infinite", f"{raw.iloc[i]}", fix))
            out[c] = number.to_numpy(dtype=float)
        else:
            text = raw.astype("object").where(raw.notna(), None)
            out[c] = text.where(text.map(lambda v: v != "" and v is not None), None)
    return pd.DataFrame(out), problems


def six_digits(codes: pd.Series) -> pd.Series:
    """HS headings as six digits, however they are written: 8505.11, ``HS 8505 11``, 850511.0, and 10110 as a number.

    Parameters
    ----------
    codes : Series
        Codes as text or numbers.

    Returns
    -------
    Series
        Text; what is no six digits is left as it was, nothing is None.

    Examples
    --------
    >>> six_digits(pd.Series(["8505.11", "HS 8505 11", 850511, 850511.0, 10110, "85"])).tolist()
    ['850511', '850511', '850511', '850511', '010110', '85']
    """
    known = codes.astype("object").where(codes.notna(), None)
    seen: dict[object, str | None] = {None: None}
    for code in known.dropna().unique():
        text = (
            re.sub(r"\.0$", "", str(code).strip()) if not isinstance(code, str) or code.count(".") == 1 else str(code)
        )
        bare = re.sub(r"(?i)^hs|[\s.\-]", "", text)
        number = not isinstance(code, str) and bare.isdigit()
        bare = bare.zfill(6) if number else bare
        seen[code] = bare if re.fullmatch(r"\d{6}", bare) else str(code)
    return known.map(seen).astype("object").where(known.notna(), None)


def unmapped(frames: Mapping[str, pd.DataFrame]) -> str | None:
    """What no heading of the concordance takes of the trade, in words: rows, part of the value, headings.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        As :func:`read_inputs` returns them.

    Returns
    -------
    str or None

    Examples
    --------
    >>> t = pd.DataFrame(dict(hs6=["850511", "850519"], value=[30.0, 10.0], quantity=[1.0, 1.0]))
    >>> unmapped({"trade": t, "concordance": pd.DataFrame(dict(hs6=["850511"]))})
    '1 of 2 rows of trade, 25 % of its value, are of headings without concordance and not in the graph: 850519'
    """
    trade = frames["trade"]
    out = ~trade["hs6"].isin(set(frames["concordance"]["hs6"]))
    if not out.any():
        return None
    by = "value" if trade["value"].sum() > 0 else "quantity"
    whole = float(trade[by].sum())
    part = f", {100 * float(trade.loc[out, by].sum()) / whole:.3g} % of its {by}," if whole > 0 else ""
    names = sorted({str(h) for h in trade.loc[out, "hs6"]})
    many = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    rows = f"{int(out.sum())} of {len(trade)} rows of trade"
    return f"{rows}{part} are of headings without concordance and not in the graph: {many}"


def _off_headings(frames: Mapping[str, pd.DataFrame]) -> list[Problem]:
    """Codes that are neither in the concordance nor six digits, each once; and trade of which no heading is in it."""
    out = []
    cells, known = frames["trade"]["hs6"], set(frames["concordance"]["hs6"].dropna())
    six = cells.astype("string").str.fullmatch(r"\d{6}").fillna(False).astype(bool)
    odd = cells[~six & ~cells.isin(known)]
    for name, rows in odd.groupby(odd.astype("object").where(odd.notna(), ""), sort=True):
        where = f"row {rows.index[0]}" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")
        fix = "Give six digits; add up longer codes by their first six."
        out.append(Problem("trade", where, "hs6", "no heading of six digits", repr(name), fix))
    if not out and len(cells) and known and not cells.isin(known).any():
        fix = "Add them to it."
        out.append(Problem("trade", "-", "hs6", "no heading is in the concordance", unmapped(frames) or "", fix))
    return out


def _off_places(frames: Mapping[str, pd.DataFrame]) -> list[Problem]:
    """Places that no stored code names, each once with the rows that it stands in, and rows without one."""
    out = []
    for key, columns in _PLACES.items():
        for column in columns:
            cells = frames[key][column]
            for name, rows in cells.groupby(cells.astype("object").where(cells.notna(), ""), sort=True):
                if name != "" and is_country(str(name)):
                    continue
                where = f"row {rows.index[0]}" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")
                code = code_of(str(name)) if name != "" else None
                fix = f"Write {code}." if code else _NO_CODE.get(key, "Give an ISO3 code.")
                rule = "no place" if name == "" else "no stored country code"
                out.append(Problem(key, where, column, rule, repr(name), fix))
    return out


def _off_scale(con: pd.DataFrame) -> list[Problem]:
    """Factors and purities that cannot be: negative, percent for a part, bounds on the wrong side."""
    out = []
    for i in con.index[con["factor"] == 0]:
        fix = "A heading that holds nothing of the product: leave the row out, or use=false to keep it as a caveat."
        out.append(Problem("concordance", str(con.at[i, "hs6"]), "factor", "no flow is left of it", "0", fix))
    for c, top in (("factor", np.inf), ("purity", 1.0)):
        for column in (c, f"{c}_low", f"{c}_high"):
            bad = (con[column] < 0) | (con[column] > top)
            out += [
                Problem("concordance", str(con.at[i, "hs6"]), column, f"outside [0, {top:g}]", str(con[column].loc[i]),
                        "Correct it; percent? Divide by 100.")
                for i in con.index[bad]
            ]  # fmt: skip
        low, high = con[f"{c}_low"], con[f"{c}_high"]
        crossed = (low > high) | (con[c] < low) | (con[c] > high)
        out += [
            Problem("concordance", str(con.at[i, "hs6"]), c, "low <= value <= high does not hold", "", "Correct one.")
            for i in con.index[crossed]
        ]
    return out


def _off_production(made: pd.DataFrame) -> list[Problem]:
    """Outputs of less than nothing, bounds on the wrong side, and one output stated twice."""
    key = ["product", "country", "site", "what", "year"]
    keys = zip(made["product"], made["country"], made["year"], strict=True)
    name = {i: f"{p} | {c} | {y:g}" for i, (p, c, y) in zip(made.index, keys, strict=True)}
    out = []
    for column in ("quantity", "low", "high"):
        for i in made.index[made[column] < 0]:
            rule = "an output of less than nothing"
            out.append(Problem("production", name[i], column, rule, f"{float(made[column].loc[i]):g}", "Correct it."))
    crossed = (made["low"] > made["high"]) | (made["low"] > made["quantity"]) | (made["quantity"] > made["high"])
    for i in made.index[crossed & ~(made[["quantity", "low", "high"]] < 0).any(axis=1)]:
        given = ", ".join(f"{c} {float(made[c].loc[i]):g}" for c in ("low", "quantity", "high"))
        rule = "low <= quantity <= high does not hold"
        out.append(Problem("production", name[i], "quantity", rule, given, "Correct one."))
    named = made.assign(what=made["what"].fillna("output"), site=made["site"].fillna(""))
    return out + _again("production", named, key)


def _again(table: str, rows: pd.DataFrame, key: list[str]) -> list[Problem]:
    """Figures that stand in a table more than once: which of them holds, nobody says."""
    out = []
    figure = "share" if table == "sourcing" else "quantity"
    for names, its in rows[rows.duplicated(key, keep=False)].groupby(key, dropna=False, sort=True):
        said = [f"{x:g}" if isinstance(x, float) else str(x) for x in names]
        where = " | ".join(x for x in said if x not in ("", "nan"))
        value = ", ".join("missing" if np.isnan(q) else f"{q:g}" for q in its[figure])
        sources = sorted({str(s) for s in its["source"].dropna()})
        fix = (
            f"Keep one of the sources {', '.join(sources)}."
            if len(sources) > 1
            else "Keep one of them, or add them up."
        )
        out.append(Problem(table, where, "+".join(key), f"stands {len(its)} times", value, fix))
    return out


def _off_trade(trade: pd.DataFrame) -> list[Problem]:
    """Methods that no flow can have, places that do not trade, and bounds on the wrong side of their figure."""
    out = []
    for column in ("origin", "destination"):
        for hs6, rows in trade[trade[column] == "WLD"].groupby("hs6", sort=True):
            n = f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
            fix = "Leave totals out: they count every flow twice. ROW is what a source lumps together."
            out.append(Problem("trade", f"{hs6} | WLD", column, f"the world is no place that trades ({n})", "WLD", fix))
    for i in trade.index[trade["method"].notna() & ~trade["method"].isin(FLOW_METHODS)]:
        given, remedy = repr(trade.at[i, "method"]), f"Known: {', '.join(FLOW_METHODS)}."
        out.append(Problem("trade", f"row {i}", "method", "unknown method of a flow", given, remedy))
    for column, before, unit in (("quantity", "", "tonnes"), ("value", "value_", "USD")):
        for i in trade.index[trade[column] < 0]:
            rule, figure = "a flow of less than nothing", f"{float(trade[column].loc[i]):g}"
            out.append(Problem("trade", f"row {i}", column, rule, figure, "Correct it: sign, or unit."))
        low, high, slack = trade[f"{before}low"], trade[f"{before}high"], 1e-9 * trade[column].abs()
        for side, sign in (("low", 1.0), ("high", -1.0)):
            end = trade[before + side]
            wrong = (sign * (end - trade[column]) > slack) | (end < 0) | (low > high)
            for i in trade.index[wrong]:
                remedy = f"Give 0 <= {before}low <= {column} <= {before}high, in {unit}."
                rule = "on the wrong side of its figure"
                out.append(Problem("trade", f"row {i}", before + side, rule, repr(end.loc[i]), remedy))
    return out


def _stated_twice(trade: pd.DataFrame) -> list[Problem]:
    """Flows that stand in the trade table more than once: to add them up would count them twice."""
    key = ["hs6", "origin", "destination", "year"]
    again = trade[trade.duplicated(key, keep=False)]
    if not len(again):
        return []
    out = []
    for (hs6, origin, destination, year), rows in again.groupby(key, dropna=False, sort=True):
        sources = sorted({str(s) for s in rows["source"].dropna()})
        remedy = (
            "One figure twice: keep one. Parts of one flow: add them up (months: sources.repair; headings of another HS "
            "revision: sources.hs.convert)."
        )
        if len(sources) > 1:
            remedy = f"Keep one of the sources {', '.join(sources)}; parts of one flow: add them up under one of them."
        value = ", ".join(f"{q:g}" for q in rows["quantity"])
        row = f"{hs6} | {origin} | {destination} | {year:g}"
        out.append(Problem("trade", row, "hs6+origin+destination+year", f"stands {len(rows)} times", value, remedy))
    return out


def _unknown_products(frames: Mapping[str, pd.DataFrame], products: pd.DataFrame) -> list[Problem]:
    known = set(products["product"].astype(str))
    out = []
    for key, frame in frames.items():
        if "product" in frame.columns:
            for p in sorted({str(v) for v in frame["product"].dropna()} - known):
                close = close_matches(p, known)
                hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Add it to products."
                out.append(Problem(key, "-", "product", "not in products", repr(p), hint))
    return out


def stock_nodes(stocks: pd.DataFrame) -> pd.DataFrame:
    """Stocks of products and countries: at the stock node of the country, held by it where nobody is named.

    Parameters
    ----------
    stocks : DataFrame
        ``product, country`` and the columns of the table ``stocks``, or its columns alone.

    Returns
    -------
    DataFrame
        Columns of the table ``stocks``.

    Examples
    --------
    >>> stock_nodes(pd.DataFrame(dict(product=["x"], country=["JPN"], quantity=[5.0])))[["node", "holder"]].values.tolist()
    [['x@JPN:stock', 'JPN']]
    """
    if "node" in stocks or not {"product", "country"} <= set(stocks.columns):
        return stocks.drop(columns=[c for c in ("product", "country") if c in stocks and "node" in stocks])
    where = zip(stocks["product"], stocks["country"], strict=True)
    held = stocks["holder"] if "holder" in stocks else pd.Series(pd.NA, index=stocks.index, dtype="string")
    held = (
        held.astype("string").mask(held.astype("string").str.strip() == "").fillna(stocks["country"].astype("string"))
    )
    out = stocks.assign(holder=held).drop(columns=["product", "country"])
    out.insert(0, "node", [node_id(str(p), str(c), kind="stock") for p, c in where])
    return out

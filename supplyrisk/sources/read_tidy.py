"""Any tidy table of an analyst's own: csv, xlsx or parquet, with a mapping of its columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..assemble import INPUTS
from ..errors import Problem, SchemaError, SourceError, unknown_name
from ..inputs import stock_nodes
from ..registry import source as register
from ..schema import GRADES, LICENCES, PSEUDO_COUNTRIES, TABLES, Column, node_id
from ..units import convertible, factor, is_unit, near_units
from .base import (
    MAX_CELL,
    PathLike,
    Reading,
    Report,
    numbers,
    read_delimited,
    read_sheet,
    refuse,
    refuse_decimal_comma,
    source_row,
)
from .cells import refuse_points
from .commodities import MISSING_CODE
from .header_units import unit_of_columns
from .layout import first_sheet
from .places import AGGREGATE, countries
from .unions import less_members
from .world_total import one_world

__all__ = ["tidy"]

_NOWHERE = "place that no concordance knows"
_COUNTRY = ("country", "holder_country", "origin", "destination", "actor", "target", "partner", "buyer", "supplier")
_NETTED = {"production": "quantity", "demand": "quantity", "nodes": "output"}  # tables whose places add up
_WITH_UNITS = ("nodes", "links", "demand", "stocks", "projects", "production", "trade", "sourcing", "costs")
_MASS = ("quantity", "low", "high")  # of trade: in tonnes, whatever the goods
_USD = ("value", "value_low", "value_high")
_ASSEMBLE = tuple(k for k in INPUTS if k != "demand")


@register(
    licence="private",
    publisher="the user",
    formats=("csv", "csv.gz", "tsv", "zip", "xlsx", "parquet"),
    reads="any tidy table, with a mapping of its columns",
)
def tidy(
    path: PathLike,
    table: str = "links",
    columns: Mapping[str, str] | None = None,
    *,
    unit: str | None = None,
    year: int | None = None,
    source: str | None = None,
    title: str | None = None,
    licence: str = "private",
    grade: str = "B",
    decimal: str | None = None,
    sheet: str | None = None,
    values: Mapping[str, Any] | None = None,
    strict: bool = False,
    dash_is_zero: bool = False,
) -> Reading:
    r"""Read a tidy table into a table of the data model, or into one that assemble() takes.

    Parameters
    ----------
    path : path-like
        csv (``, ; tab |`` are told apart), xlsx or parquet.
    table : str
        A table of the data model (``links``, ``nodes``, ``holdings`` ...) or of :func:`supplyrisk.assemble`
        (``production``, ``trade``, ``sourcing``, ``concordance``, ``costs``).
    columns : mapping of str to str, optional
        Our column name to the file's. Default: columns with our names. For ``links``, ``origin`` and ``destination`` may
        stand for the producer and the pool of a country; for ``nodes``, the id is made of product, country, site and kind;
        for ``stocks`` of product and country, which holds what has no ``holder``.
    unit : str, optional
        Unit of the quantities, where no column is mapped to ``unit``; default the one in the headers of their columns
        (``Quantity [kt]``, ``quantity_kg``), else the products' own, tonnes for ``trade``, USD
        per unit of the product for ``costs`` (``USD/t``). A column ``basis`` says what they count (``LCE``, ``contained``).
    year : int, optional
        Data year, where no column holds it.
    source : str, optional
        Id of the source, where no column holds it; default the file's name.
    title : str, optional
        Title of the source.
    licence : str
        Class of the terms (:data:`supplyrisk.schema.LICENCES`); ``private`` rows stay out of exports.
    grade : str
        Grade of the figures, where no column holds it.
    decimal : {".", ","}, optional
        Decimal mark; with ``","`` a cell ``1.234,5`` is 1234.5. Default a point, and a column in which points may part
        thousands (``66.000`` beside ``502``; two of them in a file parted by semicolons) is refused.
    sheet : str, optional
        Sheet of a workbook; default the first, and the report names the others with their rows.
    values : mapping, optional
        Columns that are the same in every row, e.g. ``{"method": "observed", "kind": "producer"}``.
    strict : bool
        Raise where a place is unknown, instead of dropping its rows and reporting their share.
    dash_is_zero : bool
        Whether a lone dash (``-``) is nothing; default it is not available, and the report counts such cells. The
        signs that statisticians print for nothing (``--``, an em dash, ``nil``) are zero either way.

    Returns
    -------
    Reading
        ``tables`` (or ``inputs``) with the one table and ``sources``; ``data``: the file as read.

    Raises
    ------
    UnknownNameError
        A table, or a column of ours or of the file, that does not exist; with close matches.
    SchemaError
        Headers with a unit that cannot be told (``MT``), cells that are no number where one belongs, years such as 24 or 2024.5, and with ``strict`` unknown places; all at
        once.
    SourceError
        The file cannot be read, or has decimal commas that were not announced, or points that may part thousands.

    Notes
    -----
    Country names become ISO3. A row whose place no concordance knows is dropped and reported with its share of the
    quantity (or value, or share); the owner of an unknown home stays, as ``UNK``. World totals become ``WLD`` (of a
    list of production one: ``World`` before ``Total``), the European Union ``EUE``; other unions and continents, and the
    partner World of trade, are dropped as sums of other rows. Beside members of its own the Union is their sum: it keeps what they leave of it (the members not listed), or is dropped.
    Places of ``buyer`` and ``supplier`` are those of ``sourcing``; in ``links`` these are ids of nodes.
    ``W``, ``NA``, ``..`` become missingness codes (in ``trade`` and ``costs``, which have none, words in ``flag`` and
    ``note``); a double or long dash is zero, a lone one not available; ``<5`` and ``3-4`` become
    bounds without a value, and where the table has no room for bounds the note says what was read; ``45%`` is 0.45 where a fraction belongs. Text is never evaluated.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "Von;Nach;Gut;Menge\nChina;Japan;gallium.refined;1.234,5\nChina;Korea, South;gallium.refined;W\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "flows.csv")
    ...     _ = file.write_text(text)
    ...     reading = tidy(file, "links", {"origin": "Von", "destination": "Nach", "product": "Gut", "quantity": "Menge"},
    ...         unit="kg", year=2024, source="mine", decimal=",", values={"method": "observed"})
    >>> reading.tables["links"][["supplier", "buyer", "quantity", "missing"]].values.tolist()[0]
    ['gallium.refined@CHN', 'gallium.refined@JPN:demand', 1234.5, None]
    >>> reading.tables["links"]["missing"].tolist()[1]
    'withheld'
    """
    for kind, given, known in (
        ("licence", licence, LICENCES),
        ("grade", grade, GRADES),
        ("decimal", decimal or ".", (".", ",")),
    ):
        if given not in known:
            raise unknown_name(kind, given, known, "tidy()")
    report = Report("tidy", Path(path).name, licence)
    raw = _read(path, report, sheet)
    to_assemble = table in _ASSEMBLE
    if not to_assemble and table not in TABLES:
        raise unknown_name("table", table, [*TABLES, *_ASSEMBLE], "tidy()")
    mapping = dict(columns) if columns is not None else {c: c for c in raw.columns}
    if table == "demand" and "node" not in mapping and "country" in mapping:
        to_assemble = True
    declared = _columns(table, to_assemble)
    _check_names(path, mapping, dict(values or {}), declared, raw, strict=columns is not None)
    mapping = {ours: theirs for ours, theirs in mapping.items() if ours in declared}
    unread = [c for c in raw.columns if c not in set(mapping.values())]
    if unread:
        report.notes.append(f"columns not read: {', '.join(unread[:20])}")
    if "unit" in declared:
        measured = {o: t for o, t in mapping.items() if _measured(o, declared[o])}
        money = {o: t for o, t in mapping.items() if o in _USD and table in ("trade", "links")}
        fixed = unit or (values or {}).get("unit")
        stated = str(fixed) if fixed else "the column of units" if "unit" in mapping else None
        unit = unit_of_columns(measured, stated, money, report) or unit
    frame = _frame(path, raw, mapping, declared, decimal, report, dash_is_zero)
    netted = _NETTED.get(table)
    if netted and "country" in frame:
        frame["with_uk"] = frame["country"].astype("string").str.contains("28").fillna(False).astype(bool)
    frame = _known_places(frame, mapping, table, report, strict)
    for ours, value in {"year": year, "unit": unit, **(values or {})}.items():
        if value is not None and ours in declared and ours not in frame:
            frame[ours] = value
    out_of = source or Path(path).name.split(".")[0]
    for ours, value in (("source", out_of), ("grade", grade)):
        if ours in declared and ours not in frame:
            frame[ours] = value
    if unit is not None and table not in _WITH_UNITS and "unit" not in declared:
        hint = f"Give it with one of {', '.join(_WITH_UNITS)}."
        raise SchemaError([Problem(table, "-", "unit", "this table takes no unit", str(unit), hint)], "tidy()")
    _odd_units(frame, mapping, report)
    if table == "trade":
        frame = _in_tonnes(frame, mapping, report)
    if "with_uk" in frame:
        if netted in frame and {"product", "country"} <= set(frame.columns):
            frame = less_members(frame, str(netted), report)
        frame = frame.drop(columns="with_uk")
    if table == "links" and not to_assemble:
        frame = _ends(frame)
    if table == "nodes":
        frame = _ids(frame)
    if table == "stocks":
        frame = stock_nodes(frame)
    origin = source_row(out_of, title or f"{Path(path).name}, read by the user", year, licence, licence)
    if to_assemble:
        kept = frame.drop(columns=_beyond(frame, table))
        # assemble() has the table alone: what it says of the rows that are not in it goes along.
        gone = [d for d in report.dropped if d["reason"] == _NOWHERE]
        if gone:
            names = [u["name"] for u in report.unmapped if u["kind"] == "country"]
            kept.attrs["left_out"] = [{**d, "path": report.path, "names": names} for d in gone]
        return Reading({"sources": origin}, raw, report, {table: kept})
    return Reading({table: frame, "sources": origin}, raw, report)


def _measured(ours: str, column: Column | None) -> bool:
    """Whether a column holds amounts in the table's unit."""
    if column is not None:
        return column.unit in ("product", "product_total")
    return ours in (*_MASS, "imports")


def _odd_units(frame: pd.DataFrame, mapping: dict[str, str], report: Report) -> None:
    """Refuse units that nobody knows, with the rows that have them."""
    if "unit" not in frame:
        return
    text = frame["unit"].astype("string").str.strip()
    problems = []
    for unit, rows in text.dropna().groupby(text.dropna()):
        if unit and not is_unit(str(unit)):
            close = near_units(str(unit))
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Give one such as t, kg or items."
            row = f"{len(rows)} rows" if len(rows) > 1 else "1 row"
            problems.append(
                Problem(report.path, row, mapping.get("unit", "unit"), "unknown unit", repr(str(unit)[:60]), hint)
            )
    if problems:
        raise SchemaError(problems, f"the file {report.path}")


def _in_tonnes(frame: pd.DataFrame, mapping: dict[str, str], report: Report) -> pd.DataFrame:
    """Trade is in tonnes, whatever the goods; other units are converted here."""
    if "unit" not in frame:
        return frame
    text = frame["unit"].astype("string").str.strip()
    text = text.mask(text == "")
    problems, scale = [], pd.Series(1.0, index=frame.index)
    for name, rows in text.dropna().groupby(text.dropna()):
        if convertible(str(name), "t"):
            scale[rows.index] = factor(str(name), "t")
            continue
        rule, hint = "trade is in tonnes, and this is no unit of mass", "Leave the quantities of such rows out."
        problems.append(Problem(report.path, f"{len(rows)} rows", mapping.get("unit", "unit"), rule, repr(name), hint))
    if problems:
        raise SchemaError(problems, f"the file {report.path}")
    return frame.assign(**{c: frame[c] * scale for c in _MASS if c in frame}).drop(columns="unit")


def _read(path: PathLike, report: Report, sheet: str | None) -> pd.DataFrame:
    suffix = Path(path).suffix.lower()
    if suffix in (".xlsx", ".xlsm"):
        if sheet is not None:
            return read_sheet(path, report, sheet=sheet)
        return first_sheet(path, report, "name one with sheet=")
    if suffix == ".parquet":
        return _parquet(path, report)
    return read_delimited(path, report)


def _parquet(path: PathLike, report: Report) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = Path(path).name
    if Path(path).exists() and not (Path(path).is_file() or Path(path).is_dir()):
        raise refuse(path, "a pipe or a device, not a file", "Save what comes out of it as a file.")
    try:
        frame: pd.DataFrame = pq.read_table(Path(path)).to_pandas()
    except (OSError, pa.ArrowException) as err:
        problem = Problem(name, "-", "-", "no readable parquet file", str(err).splitlines()[0], "Save it again.")
        raise SourceError([problem], f"the file {name}") from err
    report.rows_read += len(frame)
    frame.columns = frame.columns.astype(str)
    for c in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[c].dtype):
            frame[c] = frame[c].astype("string")
            if len(frame) and frame[c].str.len().max() > MAX_CELL:
                problem = Problem(name, "-", c, "a cell beyond all measure", "", f"{MAX_CELL:,} characters at most.")
                raise SourceError([problem], f"the file {name}")
    return frame.reset_index(drop=True)


def _columns(table: str, to_assemble: bool) -> dict[str, Column | None]:
    """Names that may be mapped; a declaration where the data model has one."""
    if to_assemble:
        return dict.fromkeys([*INPUTS[table], *(["unit"] if table == "trade" else [])])
    out: dict[str, Column | None] = {c.name: c for c in TABLES[table].columns}
    if table in _WITH_UNITS and "unit" not in out:
        out |= {"unit": None, "basis": None}
    if table == "links":
        out |= {"origin": None, "destination": None}
    if table == "stocks":
        out |= {"product": None, "country": None}
    return out


def _check_names(
    path: PathLike,
    mapping: dict[str, str],
    values: dict[str, Any],
    declared: dict[str, Column | None],
    raw: pd.DataFrame,
    strict: bool,
) -> None:
    for ours in [*(mapping if strict else ()), *values]:
        if ours not in declared:
            raise unknown_name("column", ours, declared, "tidy(columns=...)")
    for theirs in mapping.values():
        if theirs not in raw.columns:
            raise unknown_name("column", theirs, list(raw.columns), f"the file {Path(path).name}")
    if not strict and not set(mapping) & set(declared):
        raise unknown_name("column", ", ".join(map(str, list(mapping)[:6])), declared, "tidy(): map columns=")


_NUMERIC = {"year", "quantity", "low", "high", "value", "value_low", "value_high", "share", "share_low", "share_high",
            "reliance", "imports", "factor", "factor_low", "factor_high", "purity", "purity_low", "purity_high"}  # fmt: skip
_FRACTION = {"share", "share_low", "share_high", "reliance", "purity", "purity_low", "purity_high"}
_YEARS = {"year", "start", *(c.name for t in TABLES.values() for c in t.columns if c.name.endswith("_year"))}
_WORLD = re.compile(r"(world|wld|w00|global|(grand )?total|all countries)\b", re.IGNORECASE)
_EVERYBODY = re.compile(
    r"(all|any|every)( (destinations?|countries|country|partners?|others?))?|(the )?world", re.IGNORECASE
)
_UNION = re.compile(r"(the )?(eu|eu-?2[78]|european union)( ?\((27|28|eu27|eu28).*\))?", re.IGNORECASE)


# Columns without which a row of a table is nobody's.
_PLACED = {
    "production": ("country",),
    "demand": ("country",),
    "stocks": ("country",),
    "trade": ("origin", "destination"),
    "links": ("origin", "destination"),
    "sourcing": ("buyer", "supplier"),
}


def _frame(
    path: PathLike,
    raw: pd.DataFrame,
    mapping: dict[str, str],
    declared: dict[str, Column | None],
    decimal: str | None,
    report: Report,
    dash_is_zero: bool,
) -> pd.DataFrame:
    out: dict[str, Any] = {}
    codes: dict[str, pd.DataFrame] = {}
    problems: list[Problem] = []
    for ours, theirs in mapping.items():
        column = declared[ours]
        cells = raw[theirs]
        number = column.dtype in ("float", "int") if column is not None else ours in _NUMERIC
        if not number:
            text = _as_text(cells, ours)
            out[ours] = text.mask(text == "").astype("object")
            continue
        fraction = column.unit == "1" if column is not None else ours in _FRACTION
        if pd.api.types.is_numeric_dtype(cells.dtype):
            out[ours] = cells.astype("float64")
            continue
        parsed = numbers(cells, decimal, percent=fraction)
        lone = cells.astype("string").str.strip().isin(["-", "\u2013"]).fillna(False).to_numpy(dtype=bool) & (
            not dash_is_zero
        )
        if lone.any():  # statisticians print "--" for nothing; a lone dash is as often a cell that nobody filled
            parsed["value"] = parsed["value"].mask(lone)
            parsed["code"] = parsed["code"].mask(lone, "not_available")
            report.notes.append(
                f"{int(lone.sum())} cells of {theirs!r} are a lone dash: read as not available; dash_is_zero=True if they mean nothing"
            )
        refuse_decimal_comma(path, cells, parsed)
        if not fraction:
            refuse_points(path, cells, decimal, report)
        if fraction:
            scale = np.where(cells.astype("string").str.strip().str.endswith("%").fillna(False), 0.01, 1.0)
            for c in ("value", "low", "high"):
                parsed[c] = parsed[c] * scale
        for i in np.flatnonzero((parsed["code"] == "text").to_numpy()):
            shown = repr(str(cells.iloc[i])[:60])
            problems.append(
                Problem(report.path, f"row {i + 1}", theirs, "not a number", shown, "Give a number or a code.")
            )
        codes[ours] = parsed
        out[ours] = parsed["value"]
        if fraction and (above := parsed["value"] > 1.0).any():
            shown = ", ".join(cells[above].astype(str).head(3))
            report.notes.append(f"{int(above.sum())} shares of {theirs!r} are above 1 (100 %): {shown}")
    for ours in set(out) & _YEARS:
        problems += _odd_years(out[ours], mapping[ours], report.path)
    if problems:
        raise SchemaError(problems, f"the file {report.path}")
    frame = pd.DataFrame(out, index=raw.index)
    _explain(frame, raw, mapping, codes, declared, report)
    for ours in set(frame.columns) & _YEARS:
        frame[ours] = pd.to_numeric(frame[ours], errors="coerce").astype("Int64")
    return frame.reset_index(drop=True)


def _as_text(cells: pd.Series, ours: str) -> pd.Series:
    """Cells as text; codes that a file holds as numbers without a decimal point, headings with their leading zero."""
    known = cells.dropna()
    if pd.api.types.is_float_dtype(cells.dtype) and len(known) and bool((known % 1 == 0).all()):
        cells = cells.astype("Int64")
    text = cells.astype("string").str.strip()
    return text.str.zfill(6).where(text.str.len() == 5, text) if ours == "hs6" and cells.dtype != text.dtype else text


def _odd_years(years: pd.Series, column: str, file: str) -> list[Problem]:
    """Years that are none: parts of a year, two digits, a date that was read as a number."""
    odd = years.notna() & ~(years.between(1500, 2200) & (years % 1 == 0))
    return [
        Problem(file, f"row {i + 1}", column, "not a year", f"{years.iloc[i]:g}", "Give four digits, e.g. 2024.")
        for i in np.flatnonzero(odd.to_numpy(dtype=bool))
    ]


def _explain(
    frame: pd.DataFrame,
    raw: pd.DataFrame,
    mapping: dict[str, str],
    codes: dict[str, pd.DataFrame],
    declared: dict[str, Column | None],
    report: Report,
) -> None:
    """Missing codes and bounds beside each quantity that has columns for them; in words where it has none."""
    main = next((n for n in ("quantity", "share", "coefficient", "value") if n in declared), None)
    for ours, parsed in codes.items():
        report.count(parsed["code"])
        if ours in _YEARS or re.search(r"_(low|high)$", ours) or ours in ("low", "high"):
            continue
        own = {s: f"{ours}_{s}" if f"{ours}_{s}" in declared else s if ours == main else "" for s in _SIDES}
        own = {s: c for s, c in own.items() if c in declared}
        for side in ("low", "high"):
            if side in own and own[side] not in frame and parsed[side].notna().any():
                frame[own[side]] = parsed[side]
        blank = parsed["value"].isna()
        if "missing" in own:
            if own["missing"] not in frame:
                missing = parsed["code"].map(MISSING_CODE).fillna("unknown").astype("object")
                frame[own["missing"]] = missing.where(blank, None)
            continue
        told = parsed["code"].where(blank & ~parsed["code"].isin(["", "empty"]))
        lost = told.isin(["bound", "range"]) & ("low" not in own or "high" not in own)
        if lost.any():
            shown = ", ".join(raw.loc[lost, mapping[ours]].astype(str).str[:20].drop_duplicates().head(3))
            report.notes.append(
                f"{int(lost.sum())} cells of {mapping[ours]!r} are bounds ({shown}), for which {ours} has no room: the "
                "figure is unknown"
            )
        words = next((c for c in ("flag", "note") if c in declared), None)
        if words is None or not told.notna().any():
            continue
        cells = raw[mapping[ours]].astype("string").str.strip().str[:40]
        said = (f"{ours} printed as " + cells + told.map(_IN_WORDS).fillna("")).where(told.notna())
        given = frame[words].astype("object") if words in frame else pd.Series(None, index=frame.index, dtype="object")
        both = given.astype("string") + "; " + said
        frame[words] = given.where(said.isna(), both.fillna(said)).astype("object")


_SIDES = ("low", "high", "missing")
_IN_WORDS = {c: f" ({m.replace('_', ' ')})" for c, m in MISSING_CODE.items() if c not in ("bound", "range")}


def _known_places(
    frame: pd.DataFrame, mapping: dict[str, str], table: str, report: Report, strict: bool
) -> pd.DataFrame:
    """The rows whose places are known, as ISO3; the others are reported with what they carry."""
    unknown = pd.Series(False, index=frame.index)
    sums = pd.Series(False, index=frame.index)
    nowhere = pd.Series(False, index=frame.index)
    problems: list[Problem] = []
    names: dict[str, pd.Series] = {}
    named = frame["country"].astype("string") if "country" in frame else pd.Series("", index=frame.index)
    for ours in [c for c in _COUNTRY if c in frame.columns and (table == "sourcing" or c not in ("buyer", "supplier"))]:
        text = frame[ours].astype("string")
        place = _place(text)
        if ours == "target":
            place = place.mask(text.str.fullmatch(_EVERYBODY).fillna(False), "ALL")
        lost = place.isna() & text.notna()
        if ours in _PLACED.get(table, ()):
            nowhere |= (text.isna() | (text.str.strip() == "")).fillna(True).astype(bool)
        wide = (place == AGGREGATE).fillna(False).astype(bool)
        if ours in ("origin", "destination", "partner", "holder_country", "actor") and table != "links":
            wide |= (place == "WLD").fillna(False).astype(bool) & (text != "WLD").fillna(False).astype(bool)
        if lost.any():
            names[ours] = text[lost]
            for i in np.flatnonzero(lost.to_numpy(dtype=bool)) if strict else ():
                shown, hint = repr(str(text.iloc[i])[:60]), "Give an ISO 3166 code or name, or correct it."
                problems.append(Problem(report.path, f"row {i + 1}", mapping[ours], "unknown place", shown, hint))
        if ours == "holder_country":  # an owner of unknown home is an owner all the same
            frame[ours] = place.mask(lost | wide, "UNK").astype("object")
            continue
        frame[ours] = place.astype("object").where(place.notna(), None)
        unknown |= lost.astype(bool)
        sums |= wide
    if problems:
        raise SchemaError(problems, f"the file {report.path}")
    of = next((c for c in ("quantity", "value", "share", "output") if c in frame and frame[c].notna().any()), None)
    amount = frame[of] if of is not None else pd.Series(1.0, index=frame.index)  # nothing that adds up: rows
    within = [frame[c] for c in ("product", "hs6", "what", "unit", "year") if c in frame and of != "value"]
    for text in names.values():
        report.unknown("country", text, amount, within, of or "rows")
    report.leave_out(_NOWHERE, unknown, amount, within, of or "rows")
    report.leave_out("a union, a continent or the world: a sum of places", sums, amount, within, of or "rows")
    report.leave_out("no place in the cell", nowhere & ~(unknown | sums), amount, within, of or "rows")
    again = _further_totals(frame, named, amount, report, of) if table == "production" else nowhere
    return frame[~(unknown | sums | nowhere | again)].reset_index(drop=True)


def _further_totals(
    frame: pd.DataFrame, named: pd.Series, amount: pd.Series, report: Report, of: str | None
) -> pd.Series:
    """World totals of a list of countries that has one already: ``World`` beside ``Total``, not the same row twice."""
    world = named.notna() & (frame["country"] == "WLD" if "country" in frame else False)
    keys = [c for c in ("product", "what", "unit", "year", "published_on", "source", "method", "note") if c in frame]
    if not world.any():
        return world
    within = [world[world], *(frame.loc[world, c] for c in keys)]  # what the user states for all rows is no column
    twice = pd.concat([named[world], *within], axis=1).duplicated(keep=False)
    if twice.any():  # which of them counts is for the user to say
        return world & False
    counted = one_world(frame.loc[world, "country"], named[world], amount[world], within, report, of or "rows")
    return world & (counted.reindex(frame.index) != "WLD")


def _place(text: pd.Series) -> pd.Series:
    """ISO3, ``WLD`` for the world, ``EUE`` for the Union, :data:`AGGREGATE` for other sums, missing where unknown."""
    special = text.isin(list(PSEUDO_COUNTRIES)).fillna(False)
    place = countries(text.mask(special | (text == "")))
    wide = (place == AGGREGATE).fillna(False)
    place = place.mask(wide & text.str.match(_WORLD).fillna(False), "WLD")
    place = place.mask(wide & text.str.fullmatch(_UNION).fillna(False), "EUE")
    return place.mask(special, text)


def _ends(frame: pd.DataFrame) -> pd.DataFrame:
    if not {"origin", "destination"} <= set(frame.columns):
        return frame.drop(columns=[c for c in ("origin", "destination") if c in frame])
    out = frame.drop(columns=["origin", "destination"])
    product = frame["product"] if "product" in frame else pd.Series("", index=frame.index)
    out.insert(0, "supplier", [node_id(str(p), str(c)) for p, c in zip(product, frame["origin"], strict=True)])
    pools = [node_id(str(p), str(c), kind="demand") for p, c in zip(product, frame["destination"], strict=True)]
    out.insert(1, "buyer", pools)
    return out


def _ids(frame: pd.DataFrame) -> pd.DataFrame:
    if "kind" not in frame:
        frame["kind"] = "producer"
    if "node" in frame or not {"product", "country"} <= set(frame.columns):
        return frame
    site = frame["site"] if "site" in frame else pd.Series(None, index=frame.index, dtype="object")
    parts = zip(frame["product"], frame["country"], site, frame["kind"], strict=True)
    frame.insert(0, "node", [node_id(str(p), str(c), None if pd.isna(s) else str(s), str(k)) for p, c, s, k in parts])
    return frame


def _beyond(frame: pd.DataFrame, table: str) -> list[str]:
    return [c for c in frame.columns if c not in INPUTS[table]]

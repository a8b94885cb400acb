"""Inter-country input-output tables: WIOD and OECD ICIO style, as one wide table or as Z, Y and x."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError
from ..registry import source
from .base import (
    PathLike,
    Reading,
    Report,
    find_columns,
    numbers,
    open_book,
    plain,
    read_columns,
    read_delimited,
    refuse_decimal_comma,
    released,
)
from .layout import first_sheet, is_workbook
from .mrio_book import stacked_headers, stacked_sheets
from .mrio_folder import Part, part_of, parts_in, two_headers
from .places import AGGREGATE, country

__all__ = ["InterCountryTable", "inter_country_table"]

# Parts of a country that some editions give apart; they are the country's own sectors, never others'.
_PARTS = {"CN1": "CHN", "CN2": "CHN", "CN3": "CHN", "CN4": "CHN", "MX1": "MEX", "MX2": "MEX", "MX3": "MEX"}
_REST = re.compile(r"^(FIGW\d|WRL|WW[ALEFMR]|W[ALEFMW]|ROW|ROWW?|ZZZ)$", re.IGNORECASE)
_TOTALS = re.compile(r"^(out(put)?|total( output)?|tot|x|go|row ?sum|gross output)$", re.IGNORECASE)
# Eurostat's flat FIGARO: who sells (area, industry), who buys, and the flow.
_FLAT = {
    "from": ("refarea", "geoori", "cori"),
    "row": ("rowpi", "rowii", "rowpiii", "prdava", "indava", "prodna"),
    "to": ("counterpartarea", "geodest", "cdest"),
    "column": ("colpi", "colii", "colpiii", "induse", "prduse"),
    "value": ("obsvalue", "values", "value"),
}
_LABEL = ("region_sector", "label", "sector_label", "v1", "row", "code")
_OUTPUT = ("output_musd", "output", "x", "indout", "out", "total", "gross output", "value")


@dataclass(frozen=True, eq=False, repr=False)
class InterCountryTable(Reading):
    """A reading with the parts of the table as frames.

    Parameters
    ----------
    z : DataFrame
        Flows between sectors, rows supply columns, labels alike on both sides.
    y : DataFrame
        Final use, rows as in ``z``.
    x : Series
        Output of each sector.
    balance : DataFrame
        ``sector, region, used, output, gap, relative``: what is used of each sector against its output.
    """

    z: pd.DataFrame = field(default_factory=pd.DataFrame)
    y: pd.DataFrame = field(default_factory=pd.DataFrame)
    x: pd.Series = field(default_factory=lambda: pd.Series(dtype="float64"))
    balance: pd.DataFrame = field(default_factory=pd.DataFrame)


@source(
    licence="attribution",
    publisher="WIOD, OECD and others",
    formats=("csv", "csv.gz", "zip", "txt", "xlsx", "parquet", "folder"),
    reads="inter-country input-output tables: flows between sectors, final use, output",
)
def inter_country_table(
    path: PathLike,
    *,
    y: PathLike | None = None,
    x: PathLike | None = None,
    sheet: str | None = None,
    separator: str | None = None,
    licence: str = "attribution",
    tolerance: float = 0.01,
    decimal: str = ".",
    published_on: str | None = None,
) -> InterCountryTable:
    r"""Read an inter-country input-output table.

    Parameters
    ----------
    path : path-like
        Flows between sectors, or the whole wide table with final use, value added and output around them, as the OECD
        publishes it; a row per flow, as Eurostat publishes FIGARO; or regions over sectors on both sides (``Z.txt``). Of
        EXIOBASE also the folder or the zip as published: its ``Z.txt`` (else ``A.txt`` times output), ``Y.txt`` and ``x.txt``,
        or as pymrio saves them (``Z.parquet``, with regions over sectors).
        Labels name region and sector: ``AUS.c1``, ``AUS_01T02``.
    y : path-like, optional
        Final use, where it is a file of its own. Default: that of the folder or zip, else columns of the table that are no sector.
    x : path-like, optional
        Output, where it is a file of its own (labels in one column, or ``region`` and ``sector``). Default: that of the
        folder or zip, else the row or column of totals, else flows plus final use.
    sheet : str, optional
        Sheet of a workbook; default the first that has a table, and the report names the others.
    separator : str, optional
        Between region and sector; default ``.`` or ``_``, whichever the labels hold.
    licence : str
        Class of the terms, for the report.
    tolerance : float
        Part of output that a row may be out of balance before the report names it.
    decimal : {".", ","}
        Decimal mark of csv files.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the edition in the file's name (``ICIO2023_2019``, ``24ed``, ``Nov16``), else unknown.

    Returns
    -------
    InterCountryTable
        ``.z, .y, .x, .balance``; ``inputs`` are the arguments of :func:`supplyrisk.exposure.io_lookthrough`:
        ``table, x, region``. ``data`` is the balance.

    Raises
    ------
    SourceError
        No sectors that stand on both sides, labels without a region, parts that do not fit, a folder or an archive without
        a table or with several, coefficients (``A.txt``) without output.

    Notes
    -----
    Regions are ISO3 where they are countries; China's export-processing parts (``CN1, CN2``) count as CHN, Taiwan as TWN,
    the rest as ROW. Nothing is rebalanced. Sectors without output stay, with zero rows.

    References
    ----------
    Timmer, M. P. et al. (2015), An illustrated user guide to the World Input-Output Database, Rev. Int. Econ. 23.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "V1,CHN_A,JPN_A,CHN_HFCE,OUT\nCHN_A,1,2,7,10\nJPN_A,3,1,1,5\nVA,6,2,,\nOUT,10,5,,\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "icio.csv")
    ...     _ = file.write_text(text)
    ...     table = inter_country_table(file)
    >>> table.z.to_numpy().tolist(), table.x.tolist(), list(table.inputs["region"])
    ([[1.0, 2.0], [3.0, 1.0]], [10.0, 5.0], ['CHN', 'JPN'])
    """
    report = Report("inter_country_table", Path(path).name, licence)
    parts = parts_in(path)
    main: PathLike | Part = parts.get("z") or parts.get("a") or path
    own_y: PathLike | Part | None = parts.get("y") if y is None else y
    own_x: PathLike | Part | None = parts.get("x") if x is None else x
    coefficients = part_of(main).name.casefold() == "a.txt" or ("a" in parts and "z" not in parts)
    if coefficients and own_x is None:
        remedy = "Give Z.txt, or output as x= (x.txt beside it)."
        raise _refuse(part_of(main).name, "coefficients without output are no flows", remedy)
    if sheet is None and is_workbook(path):
        sheet = _first_table(path, report)
    wide = _matrix(main, report, decimal, sheet)
    edition, stem = _edition(Path(path).stem)
    report.vintage = _year(sheet or "", stem, part_of(main)) + (f"; edition {edition}" if edition else "")
    released(report, published_on, edition)
    rows, columns = list(wide.index), set(wide.columns)
    sectors = [r for r in rows if r in columns and not _TOTALS.match(r.strip())]
    if not sectors:
        shown = ", ".join(map(str, rows[:4]))
        remedy = "Rows and columns must name the sectors alike. Final use alone is given as y=, output alone as x=."
        raise _refuse(path, "no label stands on both sides", remedy, shown)
    sign = separator or max("._|", key=lambda s: sum(s in r for r in sectors[:50]))
    region, unread = _regions(sectors, sign)
    if unread:
        raise _refuse(path, f"labels without a region before {sign!r}", "Give separator=.", ", ".join(unread[:5]))
    z = wide.loc[sectors, sectors]
    inner = set(sectors)
    others = [c for c in wide.columns if c not in inner]
    totals = [c for c in others if _TOTALS.match(str(c).strip())]
    final = (
        wide.loc[sectors, [c for c in others if c not in totals]] if own_y is None else _matrix(own_y, report, decimal)
    )
    if own_y is not None:
        final = _aligned(part_of(own_y).name, final, sectors)
    output = _output(own_x, wide, sectors, totals, report, decimal, sign)
    if coefficients and output is not None:
        z = z * output
        report.notes.append("flows are the coefficients of A times output")
    if "unit" in parts:
        report.notes.append(_units(parts["unit"]))
    if output is None:
        if not final.shape[1]:
            raise _refuse(path, "neither output nor final use", "Give x= or y=; of EXIOBASE the folder.")
        output = (z.sum(axis=1) + final.sum(axis=1)).rename("x")
        report.notes.append("output is the sum of flows and final use: the balance says nothing")
    negative = int((z.to_numpy() < 0).sum())
    if negative:
        report.notes.append(f"{negative} negative flows between sectors, kept")
    balance = _balance(z, final, output, region)
    open_ = balance["relative"].abs() > tolerance
    empty = int((output == 0).sum())
    report.notes.append(
        f"{len(sectors)} sectors of {len(set(region))} regions, {empty} without output; largest gap between use and output "
        f"{balance['gap'].abs().max():.6g}, {int(open_.sum())} rows beyond {tolerance:.1%} of output"
    )
    stray = int(((output == 0) & (z.sum(axis=0) > 0)).sum())
    if stray:
        report.notes.append(f"{stray} sectors use inputs but have no output")
    inputs: dict[str, Any] = {"table": z, "x": output, "region": pd.Series(region, index=sectors)}
    return InterCountryTable({}, balance, report, inputs, z=z, y=final, x=output, balance=balance)


def _first_table(path: PathLike, report: Report | None = None) -> str:
    """The first sheet with stacked headers, else the first; the report names the others that have them."""
    found = stacked_sheets(path)
    if not found:
        with open_book(path) as book:
            return book.names[0] if book.names else ""
    if len(found) > 1 and report is not None:
        left = ", ".join(map(repr, found[1:9])) + (", ..." if len(found) > 9 else "")
        report.notes.append(f"read is the sheet {found[0]!r}; not read: {left}: name one with sheet=")
    return found[0]


def _year(sheet: str, stem: str, main: Part) -> str:
    """Year of the table, as the sheet, the file or the folder (of an archive) says it; a span of years is none."""
    folder = (PurePosixPath(main.member) if main.member else main.file).parent.name
    names = {"sheet": sheet, "file": stem, "folder": folder if main.name[:2] in _ALIKE else ""}
    said = {what: list(dict.fromkeys(re.findall(r"(?<!\d)((?:19|20)\d{2})(?!\d)", n))) for what, n in names.items()}
    ones = [what for what, years in said.items() if len(years) == 1]
    if ones:
        what = "file" if said["file"] == said[ones[0]] else ones[0]
        return f"table of {said[what][0]}, as the {what}'s name says"
    several = [f" (the {what}'s name says {', '.join(years)})" for what, years in said.items() if years]
    return "year not stated" + "".join(several[:1])


_ALIKE = ("Z.", "A.", "z.", "a.")  # EXIOBASE calls its tables alike in every year
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _edition(name: str) -> tuple[str | None, str]:
    """Edition in a file's name, as year or month, and the name without it: ICIO2023, 24ed, Nov16, row12 of July 2014."""
    hit = re.search(r"ICIO[-_ ]?(20\d\d)(?!\d)", name, re.IGNORECASE)
    if hit and re.search(r"(19|20)\d\d", name.replace(hit[0], "", 1)):  # with one year alone it is that of the table
        return hit[1], name.replace(hit[0], "", 1)
    hit = re.search(r"(?<!\d)(\d\d)ed(?![a-z])", name, re.IGNORECASE)
    if hit:
        return f"20{hit[1]}", name.replace(hit[0], "", 1)
    hit = re.search(rf"(?<![a-z])({'|'.join(_MONTHS)})(\d\d)(?!\d)", name, re.IGNORECASE)
    if hit:
        return f"20{hit[2]}-{_MONTHS.index(hit[1].casefold()) + 1:02d}", name.replace(hit[0], "", 1)
    return None, name


def _refuse(path: PathLike, rule: str, remedy: str, value: str = "") -> SourceError:
    name = Path(path).name
    return SourceError([Problem(name, "-", "-", rule, value, remedy)], f"the file {name}")


def _matrix(table: PathLike | Part, report: Report, decimal: str, sheet: str | None = None) -> pd.DataFrame:
    """A table of numbers with labels on both sides."""
    part = part_of(table)
    path = part.file
    suffix = Path(path).suffix.lower()
    if suffix in (".rdata", ".rda", ".rds", ".mat"):
        remedy = "Save its matrices as csv or parquet with labels on both sides: Z here, Y as y=, x as x=."
        raise _refuse(path, "a format of another program", remedy)
    if suffix == ".parquet":
        return _from_parquet(path, report)
    if not is_workbook(path):
        two = two_headers(part, report)
        if two is not None:
            return two
    else:
        stacked = stacked_headers(path, report, sheet or _first_table(path))
        if stacked is not None:
            return stacked
    raw = (
        first_sheet(path, report, "name one with sheet=", "label", sheet)
        if is_workbook(path)
        else read_delimited(path, report, member=part.member, unnamed="label")
    )
    raw = _one_label(raw)
    flat = _flat(path, raw, report, decimal)
    if flat is not None:
        return flat
    label = raw.iloc[:, 0].str.strip() if raw.shape[1] else pd.Series(dtype="string")
    if not raw.shape[1] or label.duplicated().any():
        raise _refuse(path, "labels stand twice, or there are none", "The first column must name the rows.")
    body = raw.iloc[:, 1:]
    cells = pd.Series(body.to_numpy(dtype=object).ravel())
    fast = pd.to_numeric(cells, errors="coerce").astype("float64")
    rest = cells[fast.isna()]
    parsed = numbers(rest, decimal) if decimal != "," else numbers(cells, decimal)
    if decimal == ",":
        refuse_decimal_comma(path, cells, parsed)
        value = parsed["value"]
    else:
        refuse_decimal_comma(path, rest, parsed)
        value = fast.fillna(parsed["value"])
    code = parsed["code"]
    lost = code.isin(["text", "bound", "range"])
    if lost.any():
        shown = ", ".join(repr(str(v)[:40]) for v in cells[lost[lost].index].head(5))
        remedy = (
            "Keep labels in the first column and row only. Output alone is given as x=; a list of sectors is no table."
        )
        raise _refuse(path, "cells that are no number", remedy, shown)
    for c, n in code.value_counts().items():
        if c not in ("", "zero"):
            report.missing[str(c)] = report.missing.get(str(c), 0) + int(n)
    gone = code.isin(["not_available", "withheld", "not_applicable"])
    if gone.any():
        report.notes.append(
            f"{int(gone.sum())} cells hold a code instead of a number; they count as no flow: check them"
        )
    out = value.to_numpy(dtype=float).reshape(body.shape)
    return pd.DataFrame(np.nan_to_num(out), index=label.astype(str).tolist(), columns=[str(c) for c in body.columns])


def _one_label(raw: pd.DataFrame) -> pd.DataFrame:
    """WIOD as R keeps it: country and number of the row in columns of their own, both in one name over the columns."""
    have = {plain(c): str(c) for c in raw.columns}
    if not {"country", "rnr"} <= set(have):
        return raw
    label = raw[have["country"]].str.strip() + ".c" + raw[have["rnr"]].str.strip()
    texts = {have[c] for c in ("country", "rnr", "year", "industrycode", "industrydescription") if c in have}
    body = raw[[c for c in raw.columns if c not in texts]]
    names = [re.sub(r"^([A-Z]{3})(\d+)$", r"\1.c\2", str(c)) for c in body.columns]
    return pd.concat([label.rename("label"), body.set_axis(names, axis=1)], axis=1)


# Taxes, value added and purchases abroad, as Eurostat names such rows.
_ADDED = r"(?:B\d|D\d{1,2}X\d|D\d$|OP_|P\d|TLS|VA)"


def _flat(path: PathLike, raw: pd.DataFrame, report: Report, decimal: str) -> pd.DataFrame | None:
    """A row per flow, as Eurostat publishes FIGARO: area and industry of both sides, and the value."""
    have = {plain(c): str(c) for c in raw.columns}
    parts = {k: next((have[n] for n in names if n in have), None) for k, names in _FLAT.items()}
    if not all(parts.values()):
        return None
    cells = {k: raw[str(c)].str.strip() for k, c in parts.items()}
    parsed = numbers(cells["value"], decimal)
    refuse_decimal_comma(path, cells["value"], parsed)
    lost = parsed["value"].isna()
    report.drop("flows without a number", int(lost.sum()))
    frame = pd.DataFrame(
        {
            "row": cells["from"] + "_" + cells["row"],
            "column": cells["to"] + "_" + cells["column"],
            "value": parsed["value"],
            **{k: cells[k] for k in ("from", "to")},
            "sold": cells["row"],
            "bought": cells["column"],
        }
    )[~lost]
    twice = frame.duplicated(["row", "column"])
    if twice.any():
        shown = ", ".join(f"{r} to {c}" for r, c in frame.loc[twice, ["row", "column"]].head(3).itertuples(index=False))
        raise _refuse(path, "a flow stands twice", "Several years in one file? Keep one.", shown)
    wide = frame.pivot_table(index="row", columns="column", values="value", aggfunc="sum", fill_value=0.0, sort=False)
    # Where flows of nothing are not in the file, a sector that buys (or sells) nothing has no column (row) of its own. It is
    # told from value added and from final use by its industry, which stands on both sides, or by its area.
    industries = set(frame["sold"]) & set(frame["bought"])
    sells = frame["sold"].isin(industries) | (frame["from"].isin(set(frame["to"])) & ~frame["sold"].str.match(_ADDED))
    buys = frame["bought"].isin(industries)
    sectors = dict.fromkeys([*frame.loc[sells, "row"], *frame.loc[buys, "column"]])
    lone = [c for c in sectors if c not in wide.index or c not in wide.columns]
    if lone:
        shown = ", ".join(lone[:5]) + (", ..." if len(lone) > 5 else "")
        report.notes.append(f"{len(lone)} sectors buy nothing or sell nothing in the file: zeros ({shown})")
    rows = [*sectors, *[r for r in wide.index if r not in sectors]]
    columns = [*sectors, *[c for c in wide.columns if c not in sectors]]
    out = wide.reindex(index=rows, columns=columns, fill_value=0.0)
    return pd.DataFrame(out.to_numpy(dtype=float), index=rows, columns=[str(c) for c in columns])


def _from_parquet(path: PathLike, report: Report) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        frame = pq.read_table(Path(path)).to_pandas()
    except (OSError, pa.ArrowException) as err:
        raise _refuse(path, "no readable parquet file", "Save it again.", str(err).splitlines()[0]) from err
    numeric = [pd.api.types.is_numeric_dtype(t) for t in frame.dtypes]
    text = [frame.columns[k] for k, is_number in enumerate(numeric) if not is_number]
    named = {plain(c[0] if isinstance(c, tuple) else c): c for c in text}
    if {"region", "sector"} <= set(named):
        labels = frame[named["region"]].astype(str) + "." + frame[named["sector"]].astype(str)
    else:
        labels = frame[text[0]].astype(str) if text else pd.Series(_flattened(frame.index))
    report.rows_read += len(frame)
    frame = frame.loc[:, numeric]
    frame.index, frame.columns = pd.Index(labels.tolist()), pd.Index(_flattened(frame.columns))
    if frame.index.duplicated().any() or frame.columns.duplicated().any():
        raise _refuse(path, "labels stand twice", "Every row and column needs a label of its own.")
    values = frame.to_numpy(dtype=float)
    gaps = int(np.isnan(values).sum())
    if gaps:
        report.missing["empty"] = report.missing.get("empty", 0) + gaps
    return pd.DataFrame(np.nan_to_num(values), index=frame.index.tolist(), columns=frame.columns.tolist())


def _flattened(labels: pd.Index) -> list[str]:
    """Labels in one text each; of several levels (region over sector) ``AT.Wheat``."""
    if not isinstance(labels, pd.MultiIndex):
        return [str(v) for v in labels]
    return [".".join(str(v) for v in levels) for levels in labels]


def _regions(sectors: list[str], sign: str) -> tuple[list[str], list[str]]:
    known: dict[str, str] = {}
    unread = []
    out = []
    for s in sectors:
        head, mark, _ = s.partition(sign)
        if not mark or not head:
            unread.append(s)
        if head not in known:
            code = _PARTS.get(head.upper()) or country(head.upper() if len(head) <= 3 else head)
            if code is None and _REST.match(head):
                code = "ROW"  # rests of the world of several editions; they stay apart only by their labels
            known[head] = head if code is None or code == AGGREGATE else code
        out.append(known[head])
    return out, unread


def _aligned(path: PathLike, frame: pd.DataFrame, sectors: list[str]) -> pd.DataFrame:
    have = set(frame.index)
    absent = [s for s in sectors if s not in have]
    if absent:
        raise _refuse(
            path, "sectors of the table are absent", "Both files must be of one table.", ", ".join(absent[:5])
        )
    return frame.loc[sectors]


def _output(
    x: PathLike | Part | None,
    wide: pd.DataFrame,
    sectors: list[str],
    totals: list[str],
    report: Report,
    decimal: str,
    sign: str,
) -> pd.Series | None:
    if x is not None:
        part = part_of(x)
        if part.file.suffix.lower() == ".parquet":
            return _aligned(part.name, _from_parquet(part.file, report), sectors).iloc[:, 0].rename("x")
        raw = read_delimited(part.file, report, member=part.member)
        have = {plain(c): str(c) for c in raw.columns}
        if not {plain(n) for n in _LABEL} & set(have) and {"region", "sector"} <= set(have):
            raw = raw.assign(label=raw[have["region"]].str.strip() + sign + raw[have["sector"]].str.strip())
        cols = find_columns(part.name, raw.columns, {"label": _LABEL, "output": _OUTPUT}, ["label", "output"])
        parsed = numbers(raw[cols["output"]], decimal)
        refuse_decimal_comma(part.name, raw[cols["output"]], parsed)
        given = parsed["value"].set_axis(raw[cols["label"]].str.strip().astype(str))
        return _aligned(part.name, given.to_frame("x"), sectors)["x"].fillna(0.0)
    row = next((r for r in wide.index if _TOTALS.match(str(r).strip())), None)
    if totals:
        return wide.loc[sectors, totals[-1]].rename("x")
    return None if row is None else wide.loc[row, sectors].rename("x")


def _units(part: Part) -> str:
    """What the flows are measured in, as ``unit.txt`` says."""
    parquet = part.file.suffix.lower() == ".parquet"
    quiet = Report("", "", "")
    raw = read_columns(part.file, quiet) if parquet else read_delimited(part.file, quiet, member=part.member)
    column = next((c for c in raw.columns if plain(c) == "unit"), None)
    units = sorted(set(raw[column].dropna().str.strip())) if column is not None else []
    if len(units) > 1:
        return f"flows in several units ({', '.join(units[:6])}): sums over sectors and the balance mix them"
    return f"flows in {units[0]}" if units else "unit.txt names no unit"


def _balance(z: pd.DataFrame, y: pd.DataFrame, x: pd.Series, region: list[str]) -> pd.DataFrame:
    used = z.sum(axis=1) + y.sum(axis=1) if y.shape[1] else pd.Series(np.nan, index=z.index)
    gap = used - x
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(
            x.to_numpy() != 0, gap.to_numpy() / x.to_numpy(), np.where(gap.to_numpy() == 0, 0.0, np.nan)
        )
    return pd.DataFrame(
        {
            "sector": z.index,
            "region": region,
            "used": used.to_numpy(),
            "output": x.to_numpy(),
            "gap": gap.to_numpy(),
            "relative": relative,
        }
    )

"""Numbers as statisticians print them, and the codes that stand where no number does."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from .report import PathLike, Report, refuse

__all__ = ["as_years", "marks", "numbers", "refuse_decimal_comma", "refuse_points"]

_NUMBER = re.compile(r"[-+]?((\d{1,3}(,\d{3})+|\d+)(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
# No number starts with a group of thousands that is nothing: 0,125 has decimals.
_DECIMAL_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}|\d+,\d{1,2}|\d+,\d{4,}|0,\d+)")
# With a decimal comma, points and blanks part groups of three, or the cell has another mark than was announced.
_WITH_COMMA = re.compile(r"[1-9]\d{0,2}([. ]\d{3})+(,\d+)?|\d*,?\d+|\d+,")
# Thousands parted by a blank or an apostrophe: one to three digits, then groups of three.
_PARTED = re.compile(r"(?<![\d.,])\d{1,3}(?:([ '\u2019])\d{3})(?:\1\d{3})*(?![\d\s]*[\d/])")
# Two figures on lines of their own are two, whatever they would make together.
_BREAK = re.compile(r"[\t-\r\x1c-\x1e\x85\u2028\u2029]+")
_LINES = re.compile(r"\d\n\d(?!/)")
_BOUND = re.compile(r"(<=?|>=?|\u2264|\u2265)\s*(\d[\d.,]*)")
_RANGE = re.compile(r"(\d[\d.,]*)\s*(?:-|\u2013|\u2014|to)\s*(\d[\d.,]*)")
# A figure with the publisher's mark: e estimated, r revised, p preliminary, or a footnote's number in brackets.
_MARKED = re.compile(r"(?:[erp]\s*/?\s*)?([-+]?[\d.,]*\d)\s*(?:[erp]/?)?(?:\s*\(\d{1,2}\)|\s+\d/)?", re.IGNORECASE)
_ESTIMATE = re.compile(r"(?:e\s*/?\s*[\d.,]*\d|[\d.,]*\d\s*e/?)(?:\s*\(\d{1,2}\)|\s+\d/)?", re.IGNORECASE)
_REVISED = re.compile(r"(?:r\s*/?\s*[\d.,]*\d|[\d.,]*\d\s*r/?)(?:\s*\(\d{1,2}\)|\s+\d/)?", re.IGNORECASE)
_CODES = {
    "": "empty", "w": "withheld", "na": "not_available", "n/a": "not_available", "n.a.": "not_available",
    "..": "not_available", "...": "not_available", "nan": "not_available", "null": "not_available", "xx": "not_applicable",
    "x": "not_applicable", "e": "net_exporter", "s": "less_than_half_unit", "(s)": "less_than_half_unit",
}  # fmt: skip
_FIGURE = re.compile(r"\d[\d.,]*")
_POINTED = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_ZERO = frozenset(["—", "--", "---", "----", "-----", "–", "-", "nil"])


def as_years(cells: pd.Series) -> pd.Series:
    """Years from 1500 to 2200 as numbers; nothing of what is no year: -1, 24, 2024.5, 999999999999.

    Examples
    --------
    >>> as_years(pd.Series(["2024", "-1", "999999999999", None, "2024.5"])).tolist()
    [2024.0, nan, nan, nan, nan]
    """
    given = pd.to_numeric(cells, errors="coerce").astype("float64")
    return given.where(given.between(1500, 2200) & (given % 1 == 0))


def numbers(cells: pd.Series, decimal: str | None = ".", percent: bool = False) -> pd.DataFrame:
    """Numbers as statisticians print them; every code is kept apart from zero and from each other.

    Parameters
    ----------
    cells : Series
        Text cells.
    decimal : {".", ","}, optional
        Decimal mark, a point where it is None; the other one parts thousands. With ``"."`` a cell like ``1.234,5`` is never guessed at.
    percent : bool
        Bounds such as ``>50`` close at 100.

    Returns
    -------
    DataFrame
        ``value, low, high, code``, indexed as the cells. ``code`` is empty for a number; else ``zero`` (a dash),
        ``withheld`` (W), ``not_available`` (NA), ``not_applicable`` (XX), ``net_exporter`` (E), ``bound`` (``>50``,
        ``<0.1``), ``range`` (``330 - 390``), ``less_than_half_unit`` (s), ``empty``, ``decimal_comma`` or
        ``decimal_point`` (decimals in the other mark than announced) or ``text``.
        Bounds and ranges have no value: they have ``low`` and ``high``. A publisher's mark beside a figure is no part of
        it: see :func:`marks`.

    Examples
    --------
    >>> numbers(pd.Series(["1,234.5", "W", "--", ">50", "1.234,5"]), percent=True)["code"].tolist()
    ['', 'withheld', 'zero', 'bound', 'decimal_comma']
    >>> numbers(pd.Series(["500e", "e/ 500", "500 (7)", "r500"]))["value"].tolist()
    [500.0, 500.0, 500.0, 500.0]
    >>> numbers(pd.Series(["1,234.5", "--", ">50"]), percent=True)[["value", "low", "high"]].sum().tolist()
    [1234.5, 50.0, 100.0]
    """
    found = {v: _number(v, decimal, percent) for v in cells.dropna().unique()}
    blank = (np.nan, np.nan, np.nan, "empty")
    rows = [blank if v is pd.NA or v is None or v != v else found[v] for v in cells.astype("object")]
    return pd.DataFrame(rows, columns=["value", "low", "high", "code"], index=cells.index)


def marks(cells: pd.Series) -> pd.Series:
    """Mark that a publisher sets beside a figure: ``estimated`` (``500e``, ``e/ 500``), ``revised`` (``r500``), or none.

    Parameters
    ----------
    cells : Series
        Text cells.

    Returns
    -------
    Series of str
        Empty where there is no mark; a footnote's number is none.

    Examples
    --------
    >>> marks(pd.Series(["500e", "e/ 500", "r500", "500 (7)", "500"])).tolist()
    ['estimated', 'estimated', 'revised', '', '']
    """
    text = cells.astype("string").str.replace("\xa0", " ", regex=False).str.strip()
    out = pd.Series("", index=cells.index, dtype="object")
    out = out.mask(text.str.fullmatch(_REVISED).fillna(False).astype(bool), "revised")
    return out.mask(text.str.fullmatch(_ESTIMATE).fillna(False).astype(bool), "estimated")


def _number(cell: object, decimal: str | None, percent: bool) -> tuple[float, float, float, str]:
    nan = float("nan")
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return (float(cell), nan, nan, "") if np.isfinite(cell) else (nan, nan, nan, "not_available")
    lines = "\n".join(part for line in _BREAK.split(str(cell)) if (part := line.strip()))
    if _LINES.search(lines):
        return nan, nan, nan, "text"
    text = " ".join(lines.replace("\u2212", "-").split())  # of blanks of every width, too
    if text.casefold() in _CODES:
        return nan, nan, nan, _CODES[text.casefold()]
    if text in _ZERO:
        return 0.0, nan, nan, "zero"
    if percent and text.endswith("%"):
        text = text[:-1].strip()
    if len(text) > 60:
        return nan, nan, nan, "text"
    if decimal == ",":
        if not all(
            _WITH_COMMA.fullmatch(t) for t in re.findall(r"[\d.,]+(?: \d{3}(?!\d))*[\d.,]*", text) if t.strip(".,")
        ):
            return nan, nan, nan, "decimal_point"
        text = re.sub(r"(?<=\d) (?=\d{3}(?!\d))", "", text).replace(".", "").replace(",", ".")
    else:
        text = _PARTED.sub(lambda m: m[0].replace(m[1], ""), text)
    if not any(c.isdigit() for c in text):
        return nan, nan, nan, "text"
    whole, mark = _NUMBER.fullmatch(text), _MARKED.fullmatch(text)
    bound, span = _BOUND.fullmatch(text), _RANGE.fullmatch(text)
    figures = [bound[2]] if bound else [*span.groups()] if span else [mark[1]] if mark and not whole else [text]
    if decimal != "," and any(_DECIMAL_COMMA.fullmatch(f) for f in figures):
        return nan, nan, nan, "decimal_comma"
    if not all(_NUMBER.fullmatch(f) for f in figures):
        return nan, nan, nan, "text"
    values = [float(f.replace(",", "")) for f in figures]
    if not np.isfinite(values).all():
        return nan, nan, nan, "text"
    if bound and bound[1][0] in "<\u2264":
        return nan, 0.0, values[0], "bound"
    if bound:
        return nan, values[0], 100.0 if percent and values[0] <= 100.0 else nan, "bound"
    if span:
        return (nan, values[0], values[1], "range") if values[0] <= values[1] else (nan, nan, nan, "text")
    return values[0], nan, nan, ""


def refuse_decimal_comma(path: PathLike, cells: pd.Series, parsed: pd.DataFrame) -> None:
    """A column with ``1.234,5`` in it makes ``1.234`` ambiguous too: say so rather than read it a thousandfold wrong.

    With ``decimal=","`` so does a column with ``12.5`` in it.
    """
    for mark, other, remedy in (
        ("comma", ".", 'Give decimal="," if they are.'),
        ("point", ",", 'Leave out decimal=",".'),
    ):
        bad = parsed["code"] == f"decimal_{mark}"
        if bad.any():
            shown = ", ".join(repr(str(v)) for v in cells[bad].head(3))
            rule = f"numbers with a decimal {mark}" + (f" where decimal={other!r}" if mark == "point" else "")
            raise refuse(path, rule, remedy, shown, str(bad.idxmax()))


def refuse_points(path: PathLike, cells: pd.Series, decimal: str | None, report: Report) -> None:
    """Refuse a column of amounts whose points may as well part thousands: ``66.000`` is 66 or 66,000.

    It may where nothing in the column says otherwise: each figure with a point has one to three digits before it, the
    first of them no zero, and three behind, no figure has a comma, none has four digits without a point. It is refused where,
    beside that, ``66.000`` stands beside ``502`` (who prints decimals prints ``66`` or ``502.000``), or where the file is
    parted by semicolons or tabs, as spreadsheets do where a comma is the decimal mark, and has two such figures.

    Parameters
    ----------
    path : path-like
        The file, for the message.
    cells : Series
        Cells of one column of amounts, text.
    decimal : {".", ","}, optional
        Mark that the caller names: then there is nothing to ask.
    report : Report
        Knows what parted the cells of the file.

    Raises
    ------
    SourceError
        With both remedies.

    Examples
    --------
    >>> report = Report("", "", "", delimiter=";")
    >>> refuse_points("a.csv", pd.Series(["66.125", "4.5"]), None, report)
    >>> refuse_points("a.csv", pd.Series(["66.000", "4.500"]), ".", report)
    >>> refuse_points("a.csv", pd.Series(["66.000", "4.500"]), None, report)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    supplyrisk.errors.SourceError: the file a.csv has 1 problem:...
    """
    if decimal is not None or pd.api.types.is_numeric_dtype(cells.dtype):
        return
    text = cells.dropna().astype("str")
    pointed = text[text.str.contains(".", regex=False)]
    if not len(pointed):
        return
    figures = [f.rstrip(".,") for t in text for f in _FIGURE.findall(t)]
    parts = [f for f in figures if "." in f]
    whole = [f for f in figures if "." not in f]
    if not parts or not all(map(_POINTED.fullmatch, parts)) or any(len(f) > 3 for f in whole):
        return
    mixed = any(f.endswith("0") for f in parts) and any(f.strip("0") for f in whole)
    if mixed or (report.delimiter in (";", "\t") and len(parts) > 1):
        rule = "points that may part thousands or decimals"
        remedy = 'Give decimal="," if 66.000 is sixty-six thousand, decimal="." if it is sixty-six.'
        raise refuse(path, rule, remedy, ", ".join(map(repr, parts[:3])), str(pointed.index[0]))

"""Columns, quantities and tables as declarations, and what follows from a declaration: dtypes, checks, Arrow schema.

:mod:`supplyrisk.schema` declares the tables of the data model with these.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import Problem, close_matches, printable, unknown_name

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FACT",
    "GRADES",
    "MISSING",
    "Column",
    "Quantity",
    "Table",
    "arrow_schema",
    "coerce",
    "date_ceil",
    "date_floor",
    "date_text",
    "is_date",
    "validate_table",
]

MISSING = ("withheld", "not_available", "not_applicable", "unknown")
# A: read or derived, confidence high. B: the same, medium. C: low confidence. D: recalled, act or filing not opened.
GRADES = ("A", "B", "C", "D", "assumption")

DType = Literal["text", "float", "int", "bool", "date"]
_TRUTH = {"true": True, "1": True, "1.0": True, "yes": True, "y": True, "t": True,
          "false": False, "0": False, "0.0": False, "no": False, "n": False, "f": False}  # fmt: skip
_DATE = re.compile(r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$")


@dataclass(frozen=True)
class Column:
    """One column of one table.

    Parameters
    ----------
    name, meaning : str
        Name and what it holds, in a sentence.
    dtype : {"text", "float", "int", "bool", "date"}
        ``date`` is ISO text of any precision: ``2023``, ``2023-07`` or ``2023-07-03``.
    unit : str, optional
        pint unit; ``"product"`` for the unit of the row's product, ``"product_total"`` for the same without
        the period (stocks); ``"1"`` for a fraction; None for text.
    key : bool
        Part of the row's identity.
    nullable : bool
        Whether it may be empty.
    minimum, maximum : float, optional
        Closed bounds.
    choices : tuple of str
        The only admitted values, where not empty.
    refers : str, optional
        ``table.column`` in which the value must occur.
    """

    name: str
    meaning: str
    dtype: DType = "text"
    unit: str | None = None
    key: bool = False
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    refers: str | None = None


@dataclass(frozen=True)
class Quantity:
    """A number with all that belongs to it: interval, missingness, year, source and grade.

    A table with one quantity uses the plain names ``low, high, missing, year, source, grade``; where a table has
    several (``nodes``), the others carry their name as a prefix.
    """

    name: str
    meaning: str
    unit: str
    minimum: float | None = 0.0
    maximum: float | None = None
    prefixed: bool = False

    def _n(self, part: str) -> str:
        return f"{self.name}_{part}" if self.prefixed else part

    @property
    def low(self) -> str:
        """Name of the column with the lower bound."""
        return self._n("low")

    @property
    def high(self) -> str:
        """Name of the column with the upper bound."""
        return self._n("high")

    @property
    def missing(self) -> str:
        """Name of the column with the missingness code."""
        return self._n("missing")

    @property
    def year(self) -> str:
        """Name of the column with the data year."""
        return self._n("year")

    @property
    def source(self) -> str:
        """Name of the column with the source id."""
        return self._n("source")

    @property
    def grade(self) -> str:
        """Name of the column with the grade."""
        return self._n("grade")

    def columns(self) -> tuple[Column, ...]:
        """All columns of the quantity."""
        lo, hi = self.minimum, self.maximum
        own = (
            Column(self.name, self.meaning, "float", self.unit, minimum=lo, maximum=hi),
            Column(self.low, f"lower bound of {self.name}", "float", self.unit, minimum=lo, maximum=hi),
            Column(self.high, f"upper bound of {self.name}", "float", self.unit, minimum=lo, maximum=hi),
            Column(self.missing, f"why {self.name} is empty", choices=MISSING),
        )
        if not self.prefixed:
            return own
        return (
            *own,
            Column(self.year, f"data year of {self.name}", "int", minimum=1900, maximum=2100),
            Column(self.source, f"source of {self.name}", refers="sources.source"),
            Column(self.grade, f"grade of {self.name}", choices=GRADES),
        )


# What every row of a fact table carries.
FACT: tuple[Column, ...] = (
    Column("year", "data year of the figure", "int", minimum=1900, maximum=2100),
    Column("valid_from", "first day on which the fact holds", "date"),
    Column("valid_to", "last day on which the fact holds", "date"),
    Column("published_on", "day on which the figure became public", "date"),
    Column("source", "id of the source; rows without one must be graded 'assumption'", refers="sources.source"),
    Column("grade", "A read, high; B read, medium; C low confidence; D recalled; assumption", choices=GRADES),
    Column("origin_tag", "'public', or the name of the overlay that the row came from"),
    Column("note", "what a reader must know of the figure"),
)


@dataclass(frozen=True)
class Table:
    """One table: its columns and what a row is."""

    name: str
    meaning: str
    plain: tuple[Column, ...]
    quantities: tuple[Quantity, ...] = ()
    fact: bool = True

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in canonical order: keys and attributes, quantities, then what every fact carries."""
        out = list(self.plain)
        for q in self.quantities:
            out += q.columns()
        if self.fact:
            own = {c.name for c in out}
            out += [c for c in FACT if c.name not in own]
        return tuple(out)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names in canonical order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that identify a row; ``year`` is part of it where the table is a panel."""
        return tuple(c.name for c in self.columns if c.key)

    def column(self, name: str) -> Column:
        """The declaration of one column."""
        for c in self.columns:
            if c.name == name:
                return c
        raise unknown_name("column", name, self.names, f"table {self.name}")

    def quantity(self, name: str) -> Quantity:
        """The quantity of that name."""
        for q in self.quantities:
            if q.name == name:
                return q
        raise unknown_name("quantity", name, [q.name for q in self.quantities], f"table {self.name}")

    def empty(self) -> pd.DataFrame:
        """A frame with all columns and no row."""
        return self._empty.copy()

    @cached_property
    def _empty(self) -> pd.DataFrame:
        return pd.DataFrame({c.name: _blank(c, 0) for c in self.columns}, columns=list(self.names))

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """Pandas dtype of each column, as :func:`coerce` leaves it."""
        return {str(k): str(v) for k, v in self._empty.dtypes.items()}


def date_text(given: object) -> str:
    """A day as text: a year given as a number, and dates and time stamps, as ISO.

    Parameters
    ----------
    given : str, int, date or Timestamp
        What a user gives as a day.

    Returns
    -------
    str
        Text that is no date is returned as it is: :func:`is_date` says so.

    Examples
    --------
    >>> date_text(2023), date_text(pd.Timestamp("2023-07-03 12:00")), date_text("2023-07")
    ('2023', '2023-07-03', '2023-07')
    """
    return given.isoformat()[:10] if isinstance(given, date) and not pd.isna(given) else str(given)


def date_floor(text: str) -> str:
    """First day of a partial ISO date.

    Parameters
    ----------
    text : str
        ``2023``, ``2023-07`` or ``2023-07-03``; a number or a date, as :func:`date_text` takes it.

    Returns
    -------
    str

    Examples
    --------
    >>> date_floor("2023"), date_floor("2023-07")
    ('2023-01-01', '2023-07-01')
    """
    text = date_text(text)
    return (text + "-01-01") if len(text) == 4 else (text + "-01") if len(text) == 7 else text


def date_ceil(text: str) -> str:
    """Last day of a partial ISO date.

    Parameters
    ----------
    text : str
        ``2023``, ``2023-07`` or ``2023-07-03``; a number or a date, as :func:`date_text` takes it.

    Returns
    -------
    str

    Examples
    --------
    >>> date_ceil("2023"), date_ceil("2024-02")
    ('2023-12-31', '2024-02-29')
    """
    text = date_text(text)
    if len(text) == 4:
        return text + "-12-31"
    if len(text) == 7:
        return str((pd.Period(text, freq="M").end_time).date())
    return text


def is_date(text: str) -> bool:
    """Whether the text is an ISO date of any precision.

    Parameters
    ----------
    text : str
        Candidate.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_date("2023-07"), is_date("July 2023"), is_date("2023-02-29")
    (True, False, False)
    """
    return _is_date(date_text(text))


@functools.lru_cache(maxsize=4096)
def _is_date(text: str) -> bool:
    if not _DATE.match(text) or int(text[:4]) == 0:
        return False
    try:
        date.fromisoformat(date_floor(text))
    except ValueError:  # a day that its month has not
        return False
    return True


def _row_label(frame: pd.DataFrame, spec: Table, i: int) -> str:
    parts = [str(frame[k].iloc[i]) for k in spec.key if k in frame.columns and pd.notna(frame[k].iloc[i])]
    return " | ".join(parts) if parts else f"row {i}"


# Rows up to which a loop over the rows is faster than steps over the column.
_FEW = 256
_PANDAS = {"float": "float64", "int": "Int64", "bool": "boolean", "text": "string", "date": "string"}


def _blank(col: Column, n: int) -> pd.Series:
    """An empty column of the declared dtype; an optional text key is '' rather than missing."""
    if col.key and col.nullable and col.dtype == "text":
        return pd.Series([""] * n, dtype="string")
    value = np.nan if col.dtype == "float" else pd.NA
    return pd.Series([value] * n, dtype=_PANDAS[col.dtype])


def coerce(frame: pd.DataFrame, spec: Table) -> tuple[pd.DataFrame, list[Problem]]:
    """Bring a frame to a table's columns and dtypes; nothing is dropped silently.

    Parameters
    ----------
    frame : DataFrame
        Any column order; optional columns may be absent.
    spec : Table
        The declaration.

    Returns
    -------
    tuple of (DataFrame, list of Problem)
        The frame with all declared columns in canonical order, and everything that could not be read: unknown
        columns, text where a number belongs, absent required columns.
    """
    problems: list[Problem] = []
    if not len(frame) and not len(frame.columns):
        return spec.empty(), problems
    frame = frame.reset_index(drop=True)
    if tuple(frame.columns) == spec.names and {str(k): str(v) for k, v in frame.dtypes.items()} == spec.dtypes:
        return _complete(frame, spec), problems  # the frame came out of coerce() before: only gaps need filling
    twice = frame.columns[frame.columns.duplicated()]
    for name in twice:
        problems.append(Problem(spec.name, "-", str(name), "column stands twice", "", "Keep one of the two."))
    if len(twice):
        frame = frame.loc[:, ~frame.columns.duplicated()]
    for name in frame.columns:
        if not encodes(str(name)):
            problems.append(Problem(spec.name, "-", printable(str(name)), _HALF, "", "Rename the column."))
        elif name not in spec.names:
            close = close_matches(str(name), spec.names)
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known: {', '.join(spec.names)}."
            problems.append(Problem(spec.name, "-", str(name), "unknown column", "", hint))
    out: dict[str, pd.Series] = {}
    n = len(frame)
    for col in spec.columns:
        if col.name not in frame.columns:
            if not col.nullable and n:
                problems.append(
                    Problem(spec.name, "-", col.name, "required column is absent", "", f"Add it: {col.meaning}.")
                )
            out[col.name] = _blank(col, n)
        else:
            try:
                out[col.name] = _coerce_column(frame[col.name], col, frame, spec, problems)
            except UnicodeEncodeError:  # the price of looking for it is paid only where it is there
                raw, halves = mended_texts(frame, col.name, spec)
                problems += halves
                out[col.name] = _coerce_column(raw, col, frame, spec, problems)
    return _complete(pd.DataFrame(out, columns=list(spec.names)), spec), problems


_HALF = "half a character (an unpaired surrogate), which is no text"


def encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def mended_texts(frame: pd.DataFrame, name: str, spec: Table) -> tuple[pd.Series, list[Problem]]:
    """A column whose texts can be stored, and the rows in which they could not."""
    raw = frame[name].astype("object")
    bad = [i for i, v in enumerate(raw.array) if isinstance(v, str) and not encodes(v)]
    found = []
    for i in bad:
        row, value = printable(_row_label(frame, spec, i)), printable(repr(raw.iloc[i]))[:80]
        found.append(Problem(spec.name, row, name, _HALF, value, "Write the text as Unicode."))
    hit = set(bad)
    texts = [v.encode("utf-8", "replace").decode() if i in hit else v for i, v in enumerate(raw.array)]
    return pd.Series(texts, index=raw.index, dtype="object"), found


def _complete(out: pd.DataFrame, spec: Table) -> pd.DataFrame:
    """Fill what follows from the row itself: unknown for the unsaid, the row's year, source and grade, the tag."""
    for col in spec.columns:
        if col.dtype == "float":
            out[col.name] = _one_zero(out[col.name])
    for q in spec.quantities:
        if q.prefixed:  # a node need not state its capacity or cost; what it does not state is unknown, never zero
            silent = out[q.name].isna() & out[q.missing].isna()
            if silent.any():
                out[q.missing] = out[q.missing].mask(silent, "unknown")
            for own, shared in ((q.year, "year"), (q.source, "source"), (q.grade, "grade")):
                inherit = out[own].isna() & out[q.name].notna()  # what is not said of the figure is said of its row
                if inherit.any():
                    out[own] = out[own].mask(inherit, out[shared])
    if "origin_tag" in out and out["origin_tag"].isna().any():
        out["origin_tag"] = out["origin_tag"].fillna("public")
    return out


def _short_text(raw: pd.Series) -> list[object] | None:
    """Stripped texts of a short column, blank ones missing; None where it is long or holds anything but text.

    On a handful of rows each step of a column costs more than all the rows in it.
    """
    if len(raw) > _FEW or not (raw.dtype == object or isinstance(raw.dtype, pd.StringDtype)):
        return None
    out: list[object] = []
    for v in raw.array:
        if isinstance(v, str):
            out.append(v.strip() or pd.NA)
        elif v is None or v is pd.NA or (isinstance(v, float) and v != v):
            out.append(pd.NA)
        else:
            return None
    return out


def _one_zero(x: pd.Series) -> pd.Series:
    """Zero without a sign: not every format keeps one, and no figure has one."""
    values = x.to_numpy()
    return x + 0.0 if (np.signbit(values) & (values == 0.0)).any() else x


def _coerce_column(raw: pd.Series, col: Column, frame: pd.DataFrame, spec: Table, problems: list[Problem]) -> pd.Series:
    if str(raw.dtype) == _PANDAS[col.dtype] and col.dtype in ("float", "int", "bool"):
        return raw
    if col.dtype in ("float", "int"):
        if pd.api.types.is_numeric_dtype(raw.dtype) and col.dtype == "float":
            return raw.astype("float64")
        blank = raw.isna() | (raw.astype("string").str.strip() == "").fillna(False)
        num = pd.to_numeric(raw.where(~blank), errors="coerce").astype("float64")
        bad = num.isna() & ~blank
        # An explicit NaN is indistinguishable from an empty cell in pandas: both are "missing", with a code or without.
        for i in np.flatnonzero(bad.to_numpy()):
            problems.append(
                Problem(
                    spec.name,
                    _row_label(frame, spec, int(i)),
                    col.name,
                    "not a number",
                    repr(raw.iloc[int(i)]),
                    "Give a number; put withheld, not_available ... into the missing column.",
                )
            )
        if col.dtype == "float":
            return num
        whole = num.dropna()
        if not np.equal(np.mod(whole[np.isfinite(whole)], 1), 0).all():
            problems.append(Problem(spec.name, "-", col.name, "not a whole number", "", "Give whole numbers."))
            num = num.round()
        return num.replace([np.inf, -np.inf], np.nan).astype("Int64")
    if col.dtype == "bool":
        said = raw.map(lambda v: "" if v is None or pd.isna(v) else str(v).strip().casefold())
        odd = ~said.isin(list(_TRUTH)) & (said != "")
        for i in np.flatnonzero(odd.to_numpy(dtype=bool)):
            label, remedy = _row_label(frame, spec, int(i)), "Write true or false, or leave it empty."
            problems.append(
                Problem(spec.name, label, col.name, "neither true nor false", repr(raw.iloc[int(i)]), remedy)
            )
        return said.map(_TRUTH).astype("boolean")
    short = _short_text(raw)
    if short is not None:
        whole = pd.Series(short, index=raw.index, dtype="string")
        return whole.fillna("") if col.key and col.nullable and col.dtype == "text" else whole
    text = raw.astype("string")
    if len(text):
        text = text.str.strip()
        text = text.mask(text == "", pd.NA)
    if col.key and col.nullable and col.dtype == "text":
        text = text.fillna("")
    return text.astype("string")


def _among(s: pd.Series, known: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Which values are among the known ones."""
    if len(s) > _FEW:
        return np.asarray(s.isin(list(known)).to_numpy(), dtype=bool)
    known = known if isinstance(known, set) else set(known)
    return np.fromiter((isinstance(v, str) and v in known for v in s.array), dtype=bool, count=len(s))


def validate_table(
    frame: pd.DataFrame, spec: Table, others: Mapping[str, Iterable[str]] | None = None
) -> list[Problem]:
    """Every broken rule of one coerced table.

    Parameters
    ----------
    frame : DataFrame
        As returned by :func:`coerce`.
    spec : Table
        The declaration.
    others : mapping, optional
        ``"table.column"`` to the values that occur there, for references.

    Returns
    -------
    list of Problem
        Empty for a valid table. Checked: empty required cells, duplicate keys, infinite numbers, bounds, choices,
        dates, references, ``low <= value <= high``, and a source for every graded figure.
    """
    out: list[Problem] = []

    def add(mask: np.ndarray, col: str, rule: str, remedy: str) -> None:
        for i in np.flatnonzero(mask):
            got = frame[col].iloc[int(i)]
            shown = f"{got:g}" if isinstance(got, float) else repr(got)
            out.append(Problem(spec.name, _row_label(frame, spec, int(i)), col, rule, shown, remedy))

    if not len(frame):
        return out
    for col in spec.columns:
        s = frame[col.name]
        isna = s.isna().to_numpy()
        if not col.nullable:
            empty = isna | (_among(s, {""}) if col.dtype == "text" else False)
            add(np.asarray(empty), col.name, "required value is empty", f"Give {col.meaning}.")
        if col.dtype in ("float", "int"):
            v = s.to_numpy(dtype=np.float64, na_value=np.nan)
            if isna.all():
                continue
            add(np.isinf(v), col.name, "infinite", "Give a finite number, or leave it empty with a missing code.")
            with np.errstate(invalid="ignore"):
                if col.minimum is not None:
                    add(
                        (v < col.minimum) & np.isfinite(v),
                        col.name,
                        f"below {col.minimum:g}",
                        "Negative or too small: check sign and unit.",
                    )
                if col.maximum is not None:
                    add(
                        (v > col.maximum) & np.isfinite(v),
                        col.name,
                        f"above {col.maximum:g}",
                        "A fraction is 0 to 1, not percent." if col.maximum == 1.0 else "Check the unit.",
                    )
        if col.choices:
            bad = ~isna & ~_among(s, (*col.choices, ""))
            for i in np.flatnonzero(bad):
                value = str(s.iloc[int(i)])
                close = close_matches(value, col.choices)
                hint = f"Did you mean {close[0]!r}? " if close else ""
                out.append(
                    Problem(
                        spec.name,
                        _row_label(frame, spec, int(i)),
                        col.name,
                        "not an admitted value",
                        repr(value),
                        f"{hint}Admitted: {', '.join(col.choices)}.",
                    )
                )
        if col.dtype == "date":
            given = s.dropna()
            good = given.map(is_date)
            for i in given.index[~good.astype(bool)]:
                out.append(
                    Problem(
                        spec.name,
                        _row_label(frame, spec, int(i)),
                        col.name,
                        "not an ISO date",
                        repr(s.loc[i]),
                        "Write 2023, 2023-07 or 2023-07-03.",
                    )
                )
        if col.refers and others is not None and col.refers in others:
            known = set(others[col.refers])
            for i in np.flatnonzero(~isna & ~_among(s, known)):
                value = str(s.iloc[int(i)])
                if value == "":
                    continue
                close = close_matches(value, known) if len(known) < 20000 else []
                hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Add it to {col.refers}."
                out.append(
                    Problem(
                        spec.name, _row_label(frame, spec, int(i)), col.name, f"not in {col.refers}", repr(value), hint
                    )
                )
    if spec.key:
        dup = frame.duplicated(list(spec.key), keep=False).to_numpy()
        for i in np.flatnonzero(dup):
            out.append(
                Problem(
                    spec.name,
                    _row_label(frame, spec, int(i)),
                    "+".join(spec.key),
                    "duplicate row",
                    f"row {i}",
                    "Merge the two, or give them different years.",
                )
            )
    for q in spec.quantities:
        v, lo, hi = (frame[c].to_numpy(dtype=float) for c in (q.name, q.low, q.high))
        with np.errstate(invalid="ignore"):
            add(lo > hi, q.low, f"low above high ({q.high})", "Swap or correct them.")
            add(v < lo, q.name, f"below its own {q.low}", "low <= value <= high must hold.")
            add(v > hi, q.name, f"above its own {q.high}", "low <= value <= high must hold.")
        coded = frame[q.missing].notna().to_numpy()
        if q.prefixed and coded.all() and np.isnan([v, lo, hi]).all():
            continue  # nothing is said of it
        add(coded & ~np.isnan(v), q.missing, f"{q.name} has a value and a missing code", "Keep the value, or the code.")
        if not q.prefixed:
            add(
                np.isnan(v) & ~coded,
                q.name,
                "empty without a reason",
                f"Give a number, or say why not in {q.missing}: {', '.join(MISSING)}.",
            )
        sourceless = ~np.isnan(v) & frame[q.source].isna().to_numpy() & ~_among(frame[q.grade], {"assumption"})
        add(sourceless, q.source, f"{q.name} has no source", "Name a source, or grade the row 'assumption'.")
    return out


def arrow_schema(spec: Table, version: str = "1") -> pa.Schema:
    """Arrow schema of a table, with unit, meaning and key in the field metadata.

    Parameters
    ----------
    spec : Table
        The declaration.
    version : str
        Version of the data model.

    Returns
    -------
    pyarrow.Schema

    Examples
    --------
    >>> from supplyrisk.schema import table
    >>> arrow_schema(table("links")).field("value").metadata[b"unit"]
    b'USD'
    """
    import pyarrow as pa

    kinds = {"text": pa.string(), "date": pa.string(), "float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}
    fields = [
        pa.field(
            c.name,
            kinds[c.dtype],
            nullable=True,
            metadata={"unit": c.unit or "", "meaning": c.meaning, "key": str(c.key).lower()},
        )
        for c in spec.columns
    ]
    return pa.schema(fields, metadata={"supplyrisk.table": spec.name, "supplyrisk.schema": version})

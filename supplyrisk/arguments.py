"""What a user hands to a function on plain tables, read by name: figures by node, vectors, square tables.

A Series, a mapping and a frame of one column go by their labels, a list or an array by position. Whatever cannot be
laid beside the names of the table is refused with those names, never shifted, filled or taken letter by letter.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import Problem, SchemaError, close_matches, unknown_name

__all__ = [
    "by_name",
    "cell_faults",
    "choice",
    "faults",
    "flag",
    "floats",
    "in_order",
    "listed",
    "nameless",
    "names",
    "number",
    "one_name",
    "refuse",
    "shown",
    "single",
    "square",
    "truths",
    "vector",
    "whole",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_SHOWN = 8


def refuse(what: str, row: object, column: str, rule: str, value: object, remedy: str) -> SchemaError:
    """One fault of one argument, as an error to raise."""
    return SchemaError([Problem(what, str(row), column, rule, str(value), remedy)], what)


def _few(items: Iterable[Any]) -> str:
    all_ = [str(x) for x in items]
    return ", ".join(all_[:_SHOWN]) + (f" and {len(all_) - _SHOWN} more" if len(all_) > _SHOWN else "")


# ---------------------------------------------------------------------- numbers


def _real(x: Any) -> tuple[float, bool]:
    """A number as float, and whether it is none at all; what is missing is NaN."""
    if x is None or x is pd.NA or x is pd.NaT:
        return math.nan, x is pd.NaT
    if not isinstance(x, (Real, Decimal, np.bool_)):
        return math.nan, True
    try:
        return float(x), False
    except (TypeError, ValueError, OverflowError):  # a duration, a signalling NaN, an integer beyond all floats
        return math.nan, True


def floats(values: Any) -> tuple[FloatArray, BoolArray]:
    """Figures as floats, NaN where one is missing, and which of them are no numbers: text, dates, complex numbers.

    Parameters
    ----------
    values : Series or array-like, 1-D
        Numbers of any kind: int, float, Decimal, Fraction, bool.

    Returns
    -------
    tuple of ndarray
        Figures, and whether each is something else than a number.

    Examples
    --------
    >>> floats([1, None, "2"])[1].tolist()
    [False, False, True]
    """
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    if kind in "iufb":
        if isinstance(values, pd.Series):
            x = values.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            x = np.asarray(values, dtype=np.float64)
        return x, np.zeros(x.shape, dtype=bool)
    pairs = [_real(x) for x in values]
    return np.array([p[0] for p in pairs], dtype=np.float64), np.array([p[1] for p in pairs], dtype=bool)


def faults(
    x: FloatArray, odd: BoolArray, low: float, high: float, finite: bool, missing: bool = False
) -> list[tuple[int, str]]:
    """Position and rule of every figure that cannot be used."""
    with np.errstate(invalid="ignore"):
        good = (x >= low) & (x <= high)
    good = (good & (np.isfinite(x) | (not finite))) | (missing & np.isnan(x) & ~odd)
    out = []
    for i in np.flatnonzero(~good | odd).tolist():
        v = x[i]
        if odd[i]:
            rule = "not a number"
        elif np.isnan(v):
            rule = "missing"
        elif v < low:
            rule = "negative" if low == 0 else f"below {low:g}"
        elif v > high:
            rule = f"above {high:g}"
        else:
            rule = "infinite"
        out.append((i, rule))
    return out


def shown(value: Any) -> str:
    """A value as a message gives it: text in quotes."""
    return repr(value) if isinstance(value, str) else str(value)


def number(
    value: Any, what: str, column: str, low: float = 0.0, high: float = math.inf, *, remedy: str = "Give a number."
) -> float:
    """One finite number in [low, high].

    Raises
    ------
    SchemaError
        Anything else.

    Examples
    --------
    >>> number(1, "f()", "x")
    1.0
    """
    x, odd = _real(value)
    bad = faults(np.array([x]), np.array([odd]), low, high, True)
    if bad:
        raise refuse(what, "-", column, f"{bad[0][1]}: not one number from {low:g} to {high:g}", shown(value), remedy)
    return x


# ---------------------------------------------------------------------- names and figures by name


def names(given: Any, what: str, column: str) -> list[Any]:
    """Names as a list; a single one, text above all, is one name and not its letters.

    Raises
    ------
    SchemaError
        Something in it is no name: missing, or a list.

    Examples
    --------
    >>> names("CN", "f()", "to"), names(["CN", "FI"], "f()", "to"), names(None, "f()", "to")
    (['CN'], ['CN', 'FI'], [])
    """
    if given is None:
        return []
    many = isinstance(given, Iterable) and not isinstance(given, (str, bytes)) and not hasattr(given, "tocsr")
    if isinstance(given, np.ndarray) and given.ndim == 0:
        many, given = False, given.item()
    out = list(given) if many else [given]
    bad = [x for x in out if nameless(x)]
    if bad:
        raise refuse(what, "-", column, "not a name", _few(bad)[:80], "Give one name, or a list of them.")
    return out


def flag(given: Any, what: str, column: str) -> bool:
    """True or False, and nothing that only looks like it.

    Examples
    --------
    >>> flag(True, "f()", "keep")
    True
    """
    if not isinstance(given, (bool, np.bool_)):
        raise refuse(what, "-", column, "not True or False", shown(given)[:80], "Write True or False.")
    return bool(given)


def whole(given: Any, what: str, column: str, low: int = 0, high: int = 10_000_000) -> int:
    """One whole number in [low, high].

    Examples
    --------
    >>> whole(3, "f()", "tiers")
    3
    """
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not low <= given <= high:
        rule, got = f"not a whole number from {low} to {high}", shown(given)[:80]
        raise refuse(what, "-", column, rule, got, "Give one, e.g. 10.")
    return int(given)


def choice(kind: str, given: Any, known: Iterable[str], where: str) -> str:
    """One of some words, or the error that names them.

    Examples
    --------
    >>> choice("kind", "demand", ("demand", "supply"), "f()")
    'demand'
    """
    words = list(known)
    if not isinstance(given, str) or given not in words:
        raise unknown_name(kind, given, words, where)
    return given


def listed(given: Any, what: str, column: str) -> list[Any]:
    """A value per row, as a list.

    Raises
    ------
    SchemaError
        One name, a mapping, or nothing that has an order.

    Examples
    --------
    >>> listed(pd.Series([1, 2]), "f()", "x")
    [1, 2]
    """
    one = isinstance(given, (str, bytes, Mapping, set, frozenset, pd.DataFrame)) or hasattr(given, "tocsr")
    if one or not isinstance(given, Iterable) or getattr(given, "ndim", 1) != 1:
        raise refuse(
            what, "-", column, "not a value per row", type(given).__name__, "Give a list, an array or a Series."
        )
    out = list(given)
    if any(not isinstance(x, Hashable) for x in out):
        raise refuse(what, "-", column, "not a value per row", "lists", "Give one name or figure per row.")
    return out


def nameless(x: Any) -> bool:
    """Whether something cannot be a label: missing, or a list.

    Examples
    --------
    >>> nameless(None), nameless("CD")
    (True, False)
    """
    return x is None or x is pd.NA or not isinstance(x, Hashable) or bool(x != x)


def one_name(given: Any, what: str, column: str) -> Any:
    """The one name that is asked for.

    Raises
    ------
    SchemaError
        None, or several.

    Examples
    --------
    >>> one_name(["home"], "f()", "to")
    'home'
    """
    found = [given] if isinstance(given, tuple) else names(given, what, column)
    if len(found) != 1:
        raise refuse(what, "-", column, "not one node", _few(found), "Name one, e.g. by its id; ask one by one.")
    return found[0]


def single(given: Any, what: str, column: str) -> Any:
    """A mapping or a frame of one column as a Series; anything else as it is."""
    if isinstance(given, pd.DataFrame):
        if given.shape[1] != 1:
            remedy = "Give one column, named by its index: frame.set_index(<names>)[<figures>]."
            raise refuse(what, "-", column, "a frame of several columns", _few(given.columns), remedy)
        return given.iloc[:, 0]
    if isinstance(given, Mapping):
        return pd.Series(list(given.values()), index=pd.Index(list(given)), dtype=object)
    return given


def by_name(
    given: Any,
    what: str,
    column: str,
    *,
    low: float = 0.0,
    high: float = math.inf,
    finite: bool = True,
    remedy: str = "Missing is not zero: give the figure, or leave the name out.",
) -> dict[Any, float]:
    """Figures by name, from a mapping, a Series or a frame of one column; None is no figure at all.

    Parameters
    ----------
    given : mapping, Series, DataFrame or None
        Name to number.
    what, column : str
        Function and argument, for the messages.
    low, high : float
        Least and greatest figure.
    finite : bool
        Refuse infinity.
    remedy : str
        What to do about a figure that is refused.

    Returns
    -------
    dict
        Name to float, in the order given.

    Raises
    ------
    SchemaError
        Not by name, a name that is missing or occurs twice, a figure that is missing, no number or out of range.

    Examples
    --------
    >>> by_name(pd.Series({"CD": 100}), "f()", "supply")
    {'CD': 100.0}
    """
    if given is None:
        return {}
    s = single(given, what, column)
    if not isinstance(s, pd.Series):
        rule, fix = "not a mapping or Series of name to figure", "Name the nodes: {'CD': 100.0}, or a Series."
        raise refuse(what, "-", column, rule, f"{type(given).__name__}", fix)
    keys = list(s.index)
    problems = _label_faults(s.index, what, column)
    x, odd = floats(s)
    raw = list(s)
    problems += [
        Problem(what, str(keys[i]), column, rule, shown(raw[i]), remedy)
        for i, rule in faults(x, odd, low, high, finite)
    ]
    if problems:
        raise SchemaError(problems, what)
    return dict(zip(keys, x.tolist(), strict=True))


def _label_faults(labels: pd.Index, what: str, column: str) -> list[Problem]:
    gone = np.array([nameless(x) for x in labels], dtype=bool)
    problems = [
        Problem(what, f"row {i}", column, "a name is missing", str(labels[i]), "Name it, or drop the row.")
        for i in np.flatnonzero(gone).tolist()
    ]
    twice = labels[labels.duplicated() & ~gone].unique()
    return problems + [
        Problem(what, str(k), column, "given twice", "", "Add the figures up, or drop one.") for k in twice
    ]


# ---------------------------------------------------------------------- vectors beside a table


def _plain(labels: pd.Index) -> bool:
    """Whether labels are only row numbers."""
    return labels.nlevels == 1 and labels.equals(pd.RangeIndex(len(labels)))


def in_order(given: Any, labels: pd.Index | None, n: int, what: str, column: str, kind: str = "sector") -> Any:
    """Values in the order of a table: by label where they bear labels, by position where they bear none.

    Parameters
    ----------
    given : Series, mapping, frame of one column, or sequence
        A value for each row of the table; labelled values may hold more.
    labels : Index or None
        Names of the table's rows; None or row numbers where it has none.
    n : int
        Number of rows.
    what, column, kind : str
        Function, argument and what a row is, for the messages.

    Returns
    -------
    Series or ndarray, 1-D of length n

    Raises
    ------
    SchemaError
        Another number of values, labels that are not those of the table, a label twice.

    Examples
    --------
    >>> in_order({"b": 2, "a": 1}, pd.Index(["a", "b"]), 2, "f()", "x").tolist()
    [1, 2]
    """
    s = single(given, what, column)
    if isinstance(s, pd.Series):
        return _labelled(s, labels, n, what, column, kind, isinstance(given, Mapping))
    rule = f"not one per {kind}"
    if isinstance(s, (str, bytes, set, frozenset)) or not isinstance(s, Iterable) or hasattr(s, "tocsr"):
        raise refuse(
            what, "-", column, rule, repr(s)[:60], f"Give a list of {n} in the order of the table, or a Series."
        )
    if isinstance(s, pd.Index) and s.nlevels > 1:
        s = list(s)
    if not hasattr(s, "dtype"):
        cells = list(s)
        if any(isinstance(x, (list, np.ndarray, pd.Series, Mapping)) for x in cells):
            raise refuse(what, "-", column, rule, "a list of lists", f"Give {n}, one after the other.")
        s = np.empty(len(cells), dtype=object)
        s[:] = cells
    shape = np.shape(s)
    if len(shape) == 2 and 1 in shape:
        s, shape = np.asarray(s).ravel(), (max(shape),)
    if shape != (n,):
        got = len(s) if len(shape) == 1 else shape
        raise refuse(what, "-", column, rule, got, f"Give {n}, in the order of the table, or name them in a Series.")
    return s


def _labelled(s: pd.Series, labels: pd.Index | None, n: int, what: str, column: str, kind: str, mapping: bool) -> Any:
    named = labels is not None and not _plain(labels)
    target = labels if labels is not None and named else pd.RangeIndex(n)
    if len(target) != n:
        fix = f"Give all by the same names, or all in lists of {n}."
        raise refuse(what, "-", column, f"not one per {kind}", len(target), fix)
    if s.index.equals(target):
        return s
    met = bool(s.index.isin(target).any()) if s.index.nlevels == target.nlevels else False
    if not mapping and not met and len(s) == n and (_plain(s.index) or not named):
        return s  # row numbers beside names, or names beside a table that has none: the order is all there is
    problems = _label_faults(s.index, what, column)
    if problems:
        raise SchemaError(problems, what)
    at = s.index.get_indexer(target) if s.index.nlevels == target.nlevels else np.full(n, -1)
    if (at < 0).any():
        lack = [target[i] for i in np.flatnonzero(at < 0).tolist()]
        known = set(target)
        extra = [str(x) for x in s.index if x not in known]
        fix = f"Give one for each {kind}, by the labels of the table, or an array in its order."
        near = close_matches(str(lack[0]), extra, n=1)
        if extra:
            fix += f" No {kind} is called {_few(extra)}."
        if near:
            fix += f" Is {near[0]!r} {str(lack[0])!r}?"
        raise refuse(
            what, "-", column, f"its index is not that of the table: no value for some {kind}s", _few(lack), fix
        )
    return s.iloc[at]


def vector(
    given: Any,
    labels: pd.Index | None,
    n: int,
    what: str,
    column: str,
    *,
    kind: str = "sector",
    low: float = 0.0,
    high: float = math.inf,
    scalar: bool = False,
    remedy: str = "Missing is not zero: give the figure.",
) -> FloatArray:
    """Figures in the order of a table, finite and in [low, high]; see :func:`in_order`.

    Raises
    ------
    SchemaError
        As :func:`in_order`; every figure that is missing, no number or out of range, by its label.

    Examples
    --------
    >>> vector([1, 2], None, 2, "f()", "x")
    array([1., 2.])
    """
    if scalar and not isinstance(given, (str, bytes)) and np.ndim(given) == 0 and not isinstance(given, (Mapping, set)):
        return np.full(n, number(given, what, column, low, high, remedy=remedy))
    s = in_order(given, labels, n, what, column, kind)
    x, odd = floats(s)
    bad = faults(x, odd, low, high, True)
    if bad:
        raw = list(s)
        at = labels if labels is not None else pd.RangeIndex(n)
        raise SchemaError(
            [Problem(what, f"{kind} {at[i]}", column, rule, shown(raw[i]), remedy) for i, rule in bad], what
        )
    return x


def truths(given: Any, labels: pd.Index | None, n: int, what: str, column: str, kind: str = "sector") -> BoolArray:
    """True or False for each row of a table; 1 and 0 will do, text and missing cells will not.

    Raises
    ------
    SchemaError
        Anything else.

    Examples
    --------
    >>> truths([True, 0], None, 2, "f()", "rows").tolist()
    [True, False]
    """
    s = in_order(given, labels, n, what, column, kind)
    x, odd = floats(s)
    bad = np.flatnonzero(odd | ~np.isin(x, (0.0, 1.0)))
    if len(bad):
        raw = list(s)
        at = labels if labels is not None else pd.RangeIndex(n)
        remedy = "Write True or False for each."
        raise SchemaError(
            [
                Problem(what, f"{kind} {at[i]}", column, "not True or False", shown(raw[i]), remedy)
                for i in bad.tolist()
            ],
            what,
        )
    return x.astype(bool)


# ---------------------------------------------------------------------- tables


def square(table: Any, what: str, column: str, kind: str = "sector") -> tuple[Any, pd.Index | None]:
    """A square table of numbers, dense or sparse, and its labels; cells may still be anything that is a number.

    Parameters
    ----------
    table : DataFrame, array-like or sparse matrix
        Rows supply columns.
    what, column, kind : str
        Function, argument and what a row is, for the messages.

    Returns
    -------
    tuple
        ndarray or sparse matrix of floats; labels, None for an array.

    Raises
    ------
    SchemaError
        Not a square of numbers, or a frame whose rows and columns are not the same in one order.

    Examples
    --------
    >>> square([[0.5]], "f()", "table")[0].tolist()
    [[0.5]]
    """
    remedy = f"Rows supply columns: one of each per {kind}."
    if hasattr(table, "tocsr"):
        if table.dtype.kind not in "iufb":
            raise refuse(what, "-", column, "not numbers", table.dtype, "Give numbers.")
        if len(table.shape) != 2 or table.shape[0] != table.shape[1]:
            raise refuse(what, "-", column, "not square", table.shape, remedy)
        return table, None
    if isinstance(table, (str, bytes, Mapping, set)) or table is None:
        raise refuse(what, "-", column, "not a table", type(table).__name__, "Give a DataFrame or a 2-D array.")
    labels: pd.Index | None = None
    if isinstance(table, pd.DataFrame):
        rows, labels = table.index, table.columns
        if len(rows) != len(labels):
            extra = [x for x in labels if x not in set(rows)] if len(labels) > len(rows) else []
            got = f"{table.shape}" + (f"; columns that are no rows: {_few(extra)}" if extra else "")
            raise refuse(what, "-", column, "not square", got, remedy)
        if not rows.equals(labels) and not _plain(rows) and not _plain(labels):
            known = set(rows)
            lack = [x for x in labels if x not in known]
            rule = "rows and columns are not the same " + kind + "s in one order"
            fix = "Bring both to one order, e.g. table.reindex(index=table.columns)."
            if lack:
                fix = "Name both alike; if they are the same in one order: table.set_axis(table.columns, axis=0)."
            raise refuse(what, "-", column, rule, f"no row for {_few(lack)}" if lack else "", fix)
        if _plain(labels) and not rows.equals(labels):
            labels = rows
        if all(getattr(t, "kind", "O") in "iufb" for t in table.dtypes):
            return table.to_numpy(dtype=np.float64, na_value=np.nan), labels
        cells = table.to_numpy(dtype=object)
    else:
        if isinstance(table, np.ndarray):
            cells = table
        else:
            try:
                cells = np.array(table if hasattr(table, "__array__") else [list(r) for r in table], dtype=object)
            except (TypeError, ValueError) as exc:
                raise refuse(what, "-", column, "not a table", str(exc), "Give rows of one length.") from exc
        if cells.ndim != 2 or cells.shape[0] != cells.shape[1]:
            raise refuse(what, "-", column, "not square", cells.shape, remedy)
        if cells.dtype.kind in "iufb":
            return np.asarray(cells, dtype=np.float64), None
    x, odd = floats(cells.ravel())
    if odd.any():
        at = labels if labels is not None else pd.RangeIndex(len(cells))
        n = len(cells)
        raise SchemaError(
            [
                Problem(
                    what, f"{at[i // n]} to {at[i % n]}", column, "not a number", shown(cells.flat[i]), "Mend the cell."
                )
                for i in np.flatnonzero(odd).tolist()
            ],
            what,
        )
    return x.reshape(cells.shape), labels


def cell_faults(
    table: Any, labels: pd.Index | None, what: str, column: str, remedies: tuple[str, str]
) -> list[Problem]:
    """Cells of a square table that are missing, infinite or negative, by their labels.

    Parameters
    ----------
    table, labels
        As :func:`square` gives them.
    what, column : str
        Function and argument.
    remedies : tuple of str
        For a cell that is not finite, and for one below 0.

    Returns
    -------
    list of Problem
    """
    if hasattr(table, "tocsr"):
        coo = table.tocoo()
        at = np.flatnonzero(~np.isfinite(coo.data) | (coo.data < 0))
        found = [(int(coo.row[i]), int(coo.col[i]), float(coo.data[i])) for i in at.tolist()]
    else:
        with np.errstate(invalid="ignore"):
            where = np.argwhere(~np.isfinite(table) | (table < 0))
        found = [(i, j, float(table[i, j])) for i, j in where.tolist()]
    names_ = labels if labels is not None else pd.RangeIndex(table.shape[0])
    out = []
    for i, j, v in found:
        rule, fix = ("negative", remedies[1]) if v < 0 and np.isfinite(v) else ("missing or not finite", remedies[0])
        out.append(Problem(what, f"{names_[i]} to {names_[j]}", column, rule, f"{v:g}", fix))
    return out

"""One formula for a number, a column or a table: a function of numbers also takes Series and arrays.

The formula is written once, for one case. With Series or arrays it is applied case by case, matched by key where keys
are given; what one number would carry (bounds, reasons, flags) is a column of the result.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError
from .governance import Value

__all__ = ["by_group", "elementwise"]


def elementwise(*names: str, also: tuple[str, ...] = ()) -> Callable[[Callable[..., Value]], Callable[..., Any]]:
    """Let a function of numbers take Series or arrays in the arguments named.

    Parameters
    ----------
    *names : str
        Arguments that may be columns. Others are the same in every case.
    also : tuple of str
        Arguments that are columns only beside one of ``names``; alone, a list means something else to the function.

    Returns
    -------
    callable
        Decorator. Given numbers alone, the function returns what it always did, a :class:`Value`. Given a Series among
        the named arguments: a DataFrame with ``value, low, high, reason, flags`` (flags joined by ``"; "``) by the
        keys, which all Series must share. Given arrays or lists: the same, by position.

    Raises
    ------
    SchemaError
        Series with different or repeated keys, columns of different length.

    Examples
    --------
    >>> @elementwise("a")
    ... def double(a):
    ...     return Value(2.0 * a)
    >>> double(1.5), double(pd.Series([1.0, 2.0], ["x", "y"]))["value"].to_dict()
    (3.0, {'x': 2.0, 'y': 4.0})
    """

    def wrap(function: Callable[..., Value]) -> Callable[..., Any]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            frames = [k for k in names if isinstance(bound.arguments.get(k), pd.DataFrame)]
            if frames:
                rule, remedy = "a table where a number or a column is asked", "Give one column of it: frame['name']."
                raise SchemaError(
                    [Problem(function.__name__, "-", k, rule, "", remedy) for k in frames], f"{function.__name__}()"
                )
            if not any(_several(bound.arguments.get(k)) for k in names):
                return function(*args, **kwargs)
            columns = {k: v for k, v in bound.arguments.items() if k in (*names, *also) and _several(v)}
            index = _keys(function.__name__, columns)
            cells = {k: v.reindex(index) if isinstance(v, pd.Series) else v for k, v in columns.items()}
            lists = {k: _cells(v) for k, v in cells.items()}
            rows: list[Value] = []
            problems: list[Problem] = []
            for i, key in enumerate(index):
                for k, column in lists.items():
                    bound.arguments[k] = column[i]
                try:
                    rows.append(function(*bound.args, **bound.kwargs))
                except SchemaError as err:
                    problems += [
                        Problem(
                            p.table,
                            str(key) if p.row == "-" else f"{key}: {p.row}",
                            p.column,
                            p.rule,
                            p.value,
                            p.remedy,
                        )
                        for p in err.problems
                    ]
            if problems:
                raise SchemaError(problems, f"{function.__name__}()")
            return _frame(rows, index)

        return call

    return wrap


def _several(value: Any) -> bool:
    return isinstance(value, (pd.Series, np.ndarray, list, tuple)) and not (
        isinstance(value, np.ndarray) and value.ndim == 0
    )


def _cells(column: Any) -> list[Any]:
    """Python numbers, so that the formula sees what it was written for."""
    return [v.item() if isinstance(v, np.generic) else v for v in list(column)]


def _keys(what: str, columns: Mapping[str, Any]) -> pd.Index:
    labelled = {k: v.index for k, v in columns.items() if isinstance(v, pd.Series)}
    problems: list[Problem] = []
    index = next(iter(labelled.values()), None)
    for name, other in labelled.items():
        if other.has_duplicates:
            problems.append(Problem(what, "-", name, "a key occurs twice", "", "Merge the rows first."))
        elif index is not None and not index.has_duplicates:
            odd = index.symmetric_difference(other)
            problems += [
                Problem(what, str(k), name, "key is not in all columns", "", "Use the same keys.") for k in odd[:20]
            ]
    length = len(index) if index is not None else len(next(iter(columns.values())))
    problems += [
        Problem(what, "-", name, "columns of different length", f"{len(v)} and {length}", "Give one value per case.")
        for name, v in columns.items()
        if len(v) != length
    ]
    if problems:
        raise SchemaError(problems, f"{what}()")
    return index if index is not None else pd.RangeIndex(length)


def by_group(
    function: Callable[..., Value],
    by: str | list[str],
    lead: str,
    given: Mapping[str, Any],
    figures: Iterable[str] = (),
) -> pd.DataFrame:
    """A function of one market for every market of a Series whose index names them.

    Parameters
    ----------
    function : callable
        Takes ``given`` as keywords.
    by : str or list of str
        Index levels that say which market; what remains of the index is the key within it.
    lead : str
        Argument that lists the markets.
    given : mapping
        Arguments. A Series with levels of ``by`` is cut to each market by those that it has (to its single figure where
        nothing of its index remains); everything else is the same in every market.
    figures : iterable of str
        Arguments that are one figure per market: a Series or mapping of them goes by the market's key, whatever its
        index is called, and has a figure for every market.

    Returns
    -------
    DataFrame
        A row per market, sorted: ``value, low, high, reason, flags``.

    Raises
    ------
    SchemaError
        The lead is no Series with such levels, or a market has a fault; all are named.

    Examples
    --------
    >>> q = pd.Series([3.0, 1.0], pd.MultiIndex.from_tuples([("a", "x"), ("b", "x")], names=["market", "who"]))
    >>> by_group(lambda supply: Value(supply.sum()), "market", "supply", {"supply": q})["value"].to_dict()
    {'a': 3.0, 'b': 1.0}
    """
    levels = [by] if isinstance(by, str) else list(by)
    column = given[lead]
    what = getattr(function, "__name__", "function")
    names = list(column.index.names) if isinstance(column, pd.Series) else []
    if not set(levels) <= set(names) or len(names) <= len(levels):
        problem = Problem(
            what, "-", "by", f"{lead} has no such index levels", f"{levels} of {names}",
            "Give a Series indexed by the market and, within it, by the supplier: frame.set_index([...])[column].",
        )  # fmt: skip
        raise SchemaError([problem], f"{what}()")
    markets = column.groupby(level=levels, sort=True).size().index
    given = dict(given) | {k: _by_market(given[k], k, markets, levels, what) for k in figures}
    # What has some of the levels only (world production by product, of every importer) is cut by those.
    named = {k: [n for n in levels if n in v.index.names] for k, v in given.items() if isinstance(v, pd.Series)}
    cut = {k: given[k].reset_index().set_index(own if len(own) > 1 else own[0]) for k, own in named.items() if own}
    rows, keys, problems = [], [], []
    for key in markets:
        here: dict[str, Any] = {}
        for k, v in given.items():
            if k not in cut:
                here[k] = v
                continue
            rest = [n for n in v.index.names if n not in levels]
            whole = key if isinstance(key, tuple) else (key,)
            mine: Any = tuple(x for n, x in zip(levels, whole, strict=True) if n in named[k])
            mine = mine if len(mine) > 1 else mine[0]
            part = cut[k].loc[[mine]] if mine in cut[k].index else cut[k].iloc[:0]
            if rest:
                here[k] = part.set_index(rest).iloc[:, 0]
            elif len(part) == 1:
                here[k] = float(part.to_numpy(dtype=np.float64)[0, 0])
            else:
                problems.append(Problem(what, str(key), k, f"{len(part)} figures for one market", "", "Give one."))
        if problems and problems[-1].row == str(key):
            continue
        try:
            rows.append(function(**here))
            keys.append(key)
        except SchemaError as err:
            problems += [Problem(p.table, f"{key}: {p.row}", p.column, p.rule, p.value, p.remedy) for p in err.problems]
    if problems:
        raise SchemaError(problems, f"{what}()")
    index: Any = pd.MultiIndex.from_tuples(keys, names=levels) if len(levels) > 1 else pd.Index(keys, name=levels[0])
    return _frame(rows, index)


def _by_market(figure: Any, name: str, markets: pd.Index, levels: list[str], what: str) -> Any:
    """A figure per market, with the index of the markets; one figure for all of them as it is."""
    if isinstance(figure, Mapping):
        figure = pd.Series(dict(figure))
    if not isinstance(figure, pd.Series) or set(levels) <= set(figure.index.names):
        return figure
    lacking = [str(k) for k in markets if k not in figure.index]
    if lacking or figure.index.nlevels != len(levels):
        remedy = f"Give a figure for every market, by {', '.join(levels)}; or one number for all."
        raise SchemaError(
            [Problem(what, k, name, "no figure for this market", "", remedy) for k in lacking or ["-"]], f"{what}()"
        )
    return figure.rename_axis(levels)


def _frame(rows: list[Value], index: pd.Index) -> pd.DataFrame:
    out = pd.DataFrame(
        {
            "value": np.array([float(r) for r in rows], dtype=np.float64),
            "low": np.array([r.low for r in rows], dtype=np.float64),
            "high": np.array([r.high for r in rows], dtype=np.float64),
            "reason": pd.Series([r.reason for r in rows], dtype="object").to_numpy(),
            "flags": pd.Series(["; ".join(r.flags) for r in rows], dtype="object").to_numpy(),
        },
        index=index,
    )
    if rows:
        out.attrs.update(unit=rows[0].unit, method=rows[0].method)
    return out

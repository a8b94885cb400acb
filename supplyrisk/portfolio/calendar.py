"""Periods of a plan: years or quarters, what holds in which, and how much of a period a dated act covers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..columns import date_ceil, date_floor
from ..errors import Problem, SchemaError
from ..graph import SupplyGraph
from ..registry import Spec
from .supply import Case

__all__ = ["During", "Period", "during", "need_paths", "overlap", "path", "read_period", "read_periods", "supply_paths"]

FloatArray = npt.NDArray[np.float64]
Label = int | str
_QUARTER = re.compile(r"(\d{4})Q([1-4])")
_FIRST, _LAST = 1900, 2200


@dataclass(frozen=True)
class Period:
    """One step of a plan: its name, the moment it begins as a decimal year, and its length in years."""

    label: Label
    begin: float
    length: float

    @property
    def end(self) -> float:
        """Moment it ends, as a decimal year."""
        return self.begin + self.length

    def days(self) -> tuple[np.datetime64, np.datetime64]:
        """First day, and the day after the last."""
        first, last = (_day(x) for x in (self.begin, self.end))
        return first, last


def _day(moment: float) -> np.datetime64:
    year = int(np.floor(moment + 1e-9))
    month = round((moment - year) * 12.0)
    return np.datetime64(f"{year + month // 12:04d}-{month % 12 + 1:02d}-01", "D")


def _period(value: Any) -> Period | None:
    """A year or a quarter in the user's words; None for anything else."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and _FIRST <= value <= _LAST:
        return Period(int(value), float(value), 1.0)
    found = _QUARTER.fullmatch(value) if isinstance(value, str) else None
    if found and _FIRST <= int(found[1]) <= _LAST:
        return Period(value, int(found[1]) + (int(found[2]) - 1) / 4.0, 0.25)
    return None


def read_period(value: Any, where: str) -> Period:
    """A year or quarter in the user's words.

    Raises
    ------
    SchemaError
        Anything else.

    Examples
    --------
    >>> read_period("2027Q2", "now").begin
    2027.25
    """
    found = _period(value)
    if found is None:
        problem = Problem("plan", "-", "period", "not a year or quarter", repr(value), 'Write 2028 or "2028Q3".')
        raise SchemaError([problem], where)
    return found


def read_periods(horizon: Any) -> tuple[Period, ...] | None:
    """Periods of a horizon from a first to a last; None for one year or none.

    Parameters
    ----------
    horizon : tuple, int or None
        ``(2026, 2032)`` or ``("2026Q1", "2028Q4")``.

    Returns
    -------
    tuple of Period or None

    Raises
    ------
    SchemaError
        Not a pair of years, or of quarters, in order.

    Examples
    --------
    >>> [p.label for p in read_periods(("2026Q3", "2027Q1"))]
    ['2026Q3', '2026Q4', '2027Q1']
    """
    if not isinstance(horizon, (tuple, list)):
        return None
    ends = [p for x in horizon if (p := _period(x)) is not None]
    if len(horizon) != 2 or len(ends) != 2 or ends[0].length != ends[1].length or ends[0].begin > ends[1].begin:
        raise SchemaError(
            [
                Problem(
                    "optimize",
                    "-",
                    "horizon",
                    "not a first and a last year, or quarter",
                    repr(horizon),
                    'Write horizon=(2026, 2032) or horizon=("2026Q1", "2028Q4").',
                )
            ],
            "the plan",
        )
    first, last = ends
    n = round((last.begin - first.begin) / first.length) + 1
    out: list[Period] = []
    for i in range(n):
        begin = first.begin + i * first.length
        year = int(np.floor(begin + 1e-9))
        label: Label = year if first.length == 1.0 else f"{year}Q{round((begin - year) * 4.0) + 1}"
        out.append(Period(label, begin, first.length))
    return tuple(out)


def overlap(start: str | None, end: str | None, period: Period) -> float:
    """Part of a period that a dated act covers, by days; an open side has no limit.

    Examples
    --------
    >>> round(overlap("2026-07", None, Period(2026, 2026.0, 1.0)), 3)
    0.504
    """
    first, after = period.days()
    low = first if start is None else max(first, np.datetime64(date_floor(start), "D"))
    high = after if end is None else min(after, np.datetime64(date_ceil(end), "D") + np.timedelta64(1, "D"))
    covered = max(float((high - low) / np.timedelta64(1, "D")), 0.0)
    return covered / float((after - first) / np.timedelta64(1, "D"))


@dataclass(frozen=True)
class During:
    """A constraint that holds in some periods of a plan only; made by :func:`during`."""

    spec: Spec
    start: Label
    end: Label | None = None

    def __repr__(self) -> str:
        return f"during({self.spec!r}, {self.start!r}{'' if self.end is None else f', {self.end!r}'})"

    def holds(self, period: Period) -> bool:
        """Whether it holds in a period."""
        first = _period(self.start)
        last = None if self.end is None else _period(self.end)
        assert first is not None
        return period.end > first.begin + 1e-9 and (last is None or period.begin < last.end - 1e-9)


def during(spec: Spec, start: Label, end: Label | None = None) -> During:
    """A constraint that holds from a year or quarter on, to another if one is given; for plans over several periods.

    Parameters
    ----------
    spec : Spec
        A constraint.
    start, end : int or str
        First and last year (2030) or quarter ("2030Q1"). A year stands for all its quarters.

    Returns
    -------
    During

    Raises
    ------
    SchemaError
        Not a year or quarter, or the end before the start.

    Examples
    --------
    >>> from supplyrisk.portfolio import during, max_share
    >>> during(max_share("CHN", 0.5), 2030)
    during(max_share('CHN', 0.5), 2030)
    """
    ends = [_period(start), None if end is None else _period(end)]
    if ends[0] is None or (end is not None and (ends[1] is None or ends[1].end <= ends[0].begin)):
        raise SchemaError(
            [
                Problem(
                    "during",
                    "-",
                    "start",
                    "not a year or quarter, or the end before the start",
                    repr((start, end)),
                    'Write during(max_share("CHN", 0.5), 2028, 2030).',
                )
            ],
            "the plan",
        )
    return During(
        spec, int(start) if not isinstance(start, str) else start, int(end) if isinstance(end, np.integer) else end
    )


def path(given: Any, products: Sequence[str], periods: Sequence[Period], name: str) -> FloatArray:
    r"""Multiple of today's figure for each period and product.

    .. math:: (1 + g_p)^{\,t - t_0}

    Parameters
    ----------
    given : float, mapping or None
        Growth :math:`g` a year for all products, or by product: a rate, or a mapping from year to the multiple of
        today's figure, linear between the years given and constant beyond them; a DataFrame with a column a product and
        years as its index is such a mapping. None: no change.
    products : sequence of str
        Names that may stand in it.
    periods : sequence of Period
        Periods of the plan.
    name : str
        Argument, for messages.

    Returns
    -------
    ndarray, shape (periods, products)

    Raises
    ------
    SchemaError
        A growth rate not above -1, a multiple below 0, or a name that is not among the products.
    """
    from ..errors import unknown_name

    out = np.ones((len(periods), len(products)))
    if given is None:
        return out
    table = given if hasattr(given, "keys") else dict.fromkeys(products, given)
    elapsed = np.array([p.begin - periods[0].begin for p in periods])
    for who in table:
        if who not in products:
            raise unknown_name("product", str(who), products, f"{name}=")
        k, value = list(products).index(who), table[who]
        problem: str | None = None
        if hasattr(value, "keys"):
            years = sorted(value.keys(), key=str)
            when = [_period(y) for y in years]
            multiples = [value[y] for y in years]
            if not years or any(w is None for w in when) or not all(_number(x, 0.0) for x in multiples):
                problem = "not a mapping from year to a multiple of at least 0"
            else:
                begins = [w.begin for w in when if w is not None]
                out[:, k] = np.interp([p.begin for p in periods], begins, np.array(multiples, dtype=np.float64))
        elif not _number(value, -1.0) or float(value) <= -1.0:
            problem = "not a growth rate a year above -1"
        else:
            out[:, k] = (1.0 + float(value)) ** elapsed
        if problem:
            raise SchemaError(
                [
                    Problem(
                        "optimize",
                        "-",
                        name,
                        problem,
                        f"{who}: {value!r}",
                        f'Write {name}={{"{who}": 0.03}} or {name}={{"{who}": {{2026: 1.0, 2030: 1.4}}}}.',
                    )
                ],
                "the plan",
            )
    return out


def _number(value: Any, low: float) -> bool:
    good = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return bool(good and np.isfinite(float(value)) and float(value) >= low)


def need_paths(case: Case, periods: Sequence[Period], given: Any) -> FloatArray | None:
    """Multiple of each pool's need by period; None where nothing changes."""
    if given is None:
        return None
    products = list(case.products)
    country = case.graph.index.nodes["country"].to_numpy(dtype=object)[case.pool]
    pools = [f"{products[int(k)]}@{c}" for k, c in zip(case.pool_product, country, strict=True)]
    return _by_name(given, products, pools, [int(k) for k in case.pool_product], periods, "needs")


def supply_paths(
    graph: SupplyGraph, products: Sequence[str], periods: Sequence[Period], given: Any
) -> FloatArray | None:
    """Multiple of what each producer can deliver by period and node of the graph; None where nothing changes."""
    if given is None:
        return None
    node = graph.index.nodes["node"].astype(str).tolist()
    of = {p: k for k, p in enumerate(products)}
    made = [of.get(str(p), -1) for p in graph.index.nodes["product"].tolist()]
    return _by_name(given, list(products), node, made, periods, "supply")


def _by_name(
    given: Any, products: list[str], names: list[str], product: list[int], periods: Sequence[Period], what: str
) -> FloatArray:
    table = given if hasattr(given, "keys") else dict.fromkeys(products, given)
    found = path(table, list(dict.fromkeys([*products, *names])), periods, what)
    at = {n: i for i, n in enumerate(dict.fromkeys([*products, *names]))}
    out = np.ones((len(periods), len(names)))
    for i, (name, k) in enumerate(zip(names, product, strict=True)):
        if name in table:
            out[:, i] = found[:, at[name]]
        elif k >= 0:
            out[:, i] = found[:, at[products[k]]]
    return out

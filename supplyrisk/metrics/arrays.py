"""What a user hands to a metric, checked and turned into arrays: quantities, groups, bounds and parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from .cells import Cells, cells, compact, integers
from .governance import RESIDUALS, real

__all__ = ["CLOSES", "Given", "read", "rests"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
# Market, number of markets, quantities, units, whether sorted, other fields, and the label of each market.
# Where there are many rows, their markets stay with their keys until something asks for them.
Given = tuple[IntArray | Cells, int, FloatArray, IntArray | None, bool, dict[str, FloatArray | None], pd.Index | None]
# Parts of each row, 0 to 1.
PARTS = ("focal", "focal_low", "focal_high", "bottleneck", "headline", "bottleneck_headline", "assumed_weights")
# Every other argument of which figures are asked.
_FIGURES = (*PARTS, "low", "high", "total", "residual", "unknown", "demand", "demand_of_largest")
# Rows from which on a column is too long to be made when it is not needed.
LONG = 1 << 18
# Printed parts may add to so much more than their printed total: rounding.
CLOSES = 0.02


def _bad(name: str, rule: str, values: Sequence[Any], remedy: str) -> Problem:
    shown = ", ".join(str(v) for v in values[:5]) + (" ..." if len(values) > 5 else "")
    return Problem("supply", "-", name, rule, shown, remedy)


def _codes(key: Any) -> tuple[IntArray, pd.Index]:
    """Sorted integer codes of a key column; integers of a small range go through a table, not a hash."""
    whole = integers(key)
    if whole is not None:
        array, lo, size, name, _ = whole
        array = array.astype(np.int64, copy=False)
        shifted = array if lo == 0 else array - lo
        present = np.zeros(size, dtype=bool)
        present[shifted] = True
        if present.all():
            return shifted, pd.RangeIndex(lo, lo + size, name=name)
        code = np.cumsum(present) - 1
        return code[shifted], pd.Index(np.flatnonzero(present) + lo, name=name)
    values = key.array if isinstance(key, pd.Series) else key
    array = np.asarray(values)
    name = key.name if isinstance(key, (pd.Series, pd.Index)) else None
    codes, labels = pd.factorize(pd.Index(array) if array.dtype.kind in "OUS" else array, sort=True)
    if (codes < 0).any():
        raise SchemaError(
            [_bad("by", "a key is missing", [f"row {i}" for i in np.flatnonzero(codes < 0)], "Name every group.")], "by"
        )
    return codes.astype(np.int64), pd.Index(labels, name=name)


def _direct(keys: Sequence[Any], m: int) -> tuple[IntArray, int, pd.Index] | None:
    """Market of each row straight from integer keys, where all combinations fit into one table."""
    whole = [integers(k) for k in keys]
    if any(w is None for w in whole):
        return None
    given = [w for w in whole if w is not None]
    size = int(np.prod([float(w[2]) for w in given]))
    if size > max(4 * m, 1024):
        return None
    code, lo = given[0][0].astype(np.int64), given[0][1]
    for array, low, span, *_ in given[1:]:
        code *= span
        code += array
        lo = lo * span + low
    code -= lo
    code, used = compact(code, size)
    levels, rest = [], used
    for _, low, span, name, _ in reversed(given):
        at, top = compact(rest % span, span)
        levels.append((at, pd.Index(top + low, name=name)))
        rest = rest // span
    if len(given) == 1:
        return code, len(used), levels[0][1]
    tops: Any = [x for _, x in levels[::-1]]
    codes: Any = [x for x, _ in levels[::-1]]
    return code, len(used), pd.MultiIndex(levels=tops, codes=codes, names=[x.name for x in tops])


def _grouping(
    by: Any, supply: Any, m: int, far: bool, positive: FloatArray | None = None
) -> Cells | tuple[IntArray, int, pd.Index]:
    """Market code of each row and the label of each market; as cells where ``far`` and the rows allow it."""
    keys: list[Any]
    index = supply.index if isinstance(supply, pd.Series) else None

    def level(k: Any) -> Any:
        if isinstance(k, str) and index is not None:
            if k not in index.names:
                raise unknown_name("index level", k, [str(x) for x in index.names], "by")
            return index.get_level_values(k)
        return k

    if isinstance(by, pd.DataFrame):
        keys = [by[c] for c in by.columns]
    elif isinstance(by, (list, tuple)) and len(by) and not np.isscalar(by[0]):
        keys = list(by)
    elif isinstance(by, (list, tuple)) and index is not None and all(k in index.names for k in by):
        keys = [level(k) for k in by]
    else:
        keys = [level(by)]
    for k in keys:
        if not hasattr(k, "__len__"):
            names = [] if index is None else [str(x) for x in index.names]
            remedy = "Give the name of an index level, or a market for each supplier."
            raise SchemaError([_bad("by", f"names no level of {names}", [repr(k)], remedy)], "by")
        if len(k) != m:
            raise SchemaError([_bad("by", f"{len(k)} keys for {m} suppliers", [], "Give one per supplier.")], "by")
        if isinstance(k, pd.Series) and index is not None and not k.index.equals(index):
            raise SchemaError(
                [_bad("by", "its index is not that of supply", [], "Align them, or give an array.")], "by"
            )
    if far:
        late = cells(keys, m, positive)
        if late is not None:
            return late
    found = _direct(keys, m)
    if found is not None:
        return found
    parts = [_codes(k) for k in keys]
    if len(parts) == 1:
        return parts[0][0], len(parts[0][1]), parts[0][1]
    code, size = parts[0][0], len(parts[0][1])
    for c, labels in parts[1:]:
        code, size = code * len(labels) + c, size * len(labels)
    if size <= max(4 * m, 1024):
        code, used = compact(code, size)
    else:
        used, code = np.unique(code, return_inverse=True)
        code = code.reshape(-1)
    levels, rest = [], used
    for _, labels in reversed(parts):
        levels.append(rest % len(labels))
        rest = rest // len(labels)
    tops: Any = [labels for _, labels in parts]
    codes: Any = levels[::-1]
    index_out = pd.MultiIndex(levels=tops, codes=codes, names=[labels.name for _, labels in parts])
    return code, len(used), index_out


def rests(supply: Any, by: Any = None, unit: Any = None) -> tuple[Flags, Flags] | None:
    """Rows that are no supplier: an unlisted rest (``ROW``), and what nobody has named (``UNK``).

    Parameters
    ----------
    supply : array-like or Series
        Quantities; of a Series the index names the suppliers.
    by, unit
        As for every metric: with ``unit`` that names the suppliers, else levels of the index that are no market.

    Returns
    -------
    tuple of ndarray of bool or None
        Rest and unnamed by row; None where there is no such row.
    """
    keys: list[pd.Index] = []
    if unit is not None:
        keys = [unit if isinstance(unit, pd.Index) else pd.Index(np.asarray(unit))]
    elif isinstance(supply, pd.Series):
        index = supply.index
        markets = [by] if isinstance(by, str) else list(by) if isinstance(by, (list, tuple)) else []
        used = {k for k in markets if isinstance(k, str)}
        if isinstance(index, pd.MultiIndex):
            levels = [i for i, name in enumerate(index.names) if name not in used]
            # The labels of a level are few; its rows may be millions.
            keys = [index.get_level_values(i) for i in levels if index.levels[i].isin(RESIDUALS).any()]
        elif index.name is None or index.name not in used:
            keys = [index]
    out = [np.zeros(len(k), dtype=bool) for k in keys[:1] for _ in RESIDUALS]
    for key in keys:
        if key.dtype.kind in "biufcmM":
            continue
        for hit, name in zip(out, RESIDUALS, strict=True):
            hit |= np.asarray(key.isin([name]), dtype=bool)
    return (out[0], out[1]) if any(hit.any() for hit in out) else None


_TWICE = {"residual": 0, "unknown": 1}


def _apart(
    supply_names: Any, rest: tuple[Flags, Flags], given: Mapping[str, Any], fields: dict[str, FloatArray | None]
) -> list[Problem]:
    """What cannot be said beside rows that are no supplier."""
    problems = []
    for name, which in _TWICE.items():
        if given.get(name) is not None and rest[which].any():
            rule = f"{RESIDUALS[which]} in supply and {name}= say the same thing"
            problems.append(_bad(name, rule, [], "Give one of them."))
    for name in PARTS:
        x = fields.get(name)
        if x is not None and (np.nan_to_num(x[rest[0] | rest[1]].astype(np.float64)) > 0).any():
            where = [str(supply_names[int(i)]) for i in np.flatnonzero((rest[0] | rest[1]) & (x > 0))]
            problems.append(_bad(name, "what nobody has named is nobody's", where, "Give 0 there; the bounds widen."))
    return problems


def _outside(
    rest: tuple[Flags, Flags], market: IntArray, n: int, q: FloatArray, fields: dict[str, FloatArray | None]
) -> None:
    """Residual and unknown of each market, with bounds, out of the rows that are no supplier."""
    for name, hit in zip(("residual", "unknown"), rest, strict=True):
        if not hit.any():
            continue
        for field, x in ((name, q), (f"{name}_low", fields["low"]), (f"{name}_high", fields["high"])):
            if x is not None:
                fields[field] = np.bincount(market[hit], np.nan_to_num(x[hit], posinf=np.inf), n).astype(np.float64)


# Beyond these sizes squares and sums leave the range of numbers.
_HUGE, _TINY = 1e100, 1e-100
_PER_MARKET = ("residual", "unknown", "demand")


def _extreme(q: FloatArray, least: float, fields: Mapping[str, FloatArray | None]) -> bool:
    """Whether any figure is so large or small that its square is no number."""
    if not len(q):
        return False
    small = 0 < least < _TINY or (len(q) < LONG and bool(((q > 0) & (q < _TINY)).any()))
    large = q.max() > _HUGE or any(
        x is not None and bool((np.where(np.isfinite(x), x, 0.0) > _HUGE).any())
        for k, x in fields.items()
        if k.startswith((*_PER_MARKET, "high"))
    )
    return bool(small or large)


def _scaled(market: IntArray, n: int, q: FloatArray, fields: dict[str, FloatArray | None]) -> FloatArray:
    """Quantities of each market over a power of two, exactly, so that its largest is about 1."""
    peak = np.zeros(n)
    for x in (q, fields.get("high")):
        if x is not None:
            np.maximum.at(peak, market, np.where(np.isfinite(x), x, 0.0))
    for k, x in fields.items():
        if x is not None and k.startswith(("residual", "unknown")):
            peak = np.maximum(peak, np.where(np.isfinite(x), x, 0.0))
    power = -np.frexp(peak)[1]
    for k, x in fields.items():
        if x is None:
            continue
        if k.startswith(_PER_MARKET):
            fields[k] = np.ldexp(x, power)
        elif k in ("low", "high", "own_demand"):
            fields[k] = np.ldexp(x, power[market])
    return np.asarray(np.ldexp(q, power[market]))


def read(supply: Any, given: Mapping[str, Any], raw: bool = False) -> Given:
    """Arrays from what a user hands to a metric; every fault is reported at once.

    Parameters
    ----------
    supply : array-like, Series or mapping
        Quantities.
    given : mapping
        The keyword arguments that every metric takes.
    raw : bool
        Leave quantities as they are. Else those of a market whose squares would leave the range of numbers are divided
        by a power of two, all alike: shares are the same to the last bit.

    Returns
    -------
    tuple
        See :data:`Given`.

    Raises
    ------
    SchemaError
        With every problem found.

    Examples
    --------
    >>> read([3.0, 1.0], {})[2].tolist()
    [3.0, 1.0]
    """
    try:
        real(supply)
        for name in _FIGURES:
            if given.get(name) is not None:
                real(given[name])
        if isinstance(supply, Mapping):
            supply = pd.Series(supply, dtype="float64")
        q = np.asarray(supply, dtype=np.float64)
    except (TypeError, ValueError) as err:
        raise SchemaError([_bad("supply", "not numbers", [str(err)[:80]], "Give quantities.")], "supply") from err
    if q.ndim != 1:
        raise SchemaError([_bad("supply", f"has {q.ndim} dimensions", [q.shape], "Give one column.")], "supply")
    m = len(q)
    unit = given.get("unit")
    if isinstance(unit, pd.Series) and isinstance(supply, pd.Series) and not unit.index.equals(supply.index):
        rule = "its index is not that of supply"
        raise SchemaError([_bad("unit", rule, [], "Align them, or give an array.")], "the supply")
    rest = rests(supply, given.get("by"), unit) if m and (unit is None or len(unit) == m) else None
    least = float(q.min()) if m else 0.0  # one pass says whether anything is negative or missing
    problems: list[Problem] = []
    if m and np.isinf(q.max()):
        where = np.flatnonzero(np.isinf(q))
        problems.append(_bad("supply", "infinite", [f"row {i}" for i in where], "Correct it."))
    if isinstance(supply, pd.Series) and given.get("by") is None and given.get("unit") is None:
        # Two rows of one supplier are one supplier; left apart they would read as competition.
        twice = supply.index[supply.index.duplicated()].unique().difference(pd.Index(RESIDUALS), sort=False)
        if len(twice):
            remedy = "Merge the rows, or say unit=index to have them merged."
            problems.append(_bad("supply", "a supplier stands twice", list(twice), remedy))
    names = supply.index if isinstance(supply, pd.Series) else pd.RangeIndex(m)

    def row(name: str) -> FloatArray | None:
        x = given.get(name)
        if x is None:
            return None
        if isinstance(x, pd.Series) and isinstance(supply, pd.Series) and not x.index.equals(supply.index):
            problems.append(_bad(name, "its index is not that of supply", [], "Align them, or give an array."))
            return None
        flags = name == "focal" and unit is None and isinstance(x, np.ndarray) and x.dtype.kind == "b"
        out = np.asarray(x, dtype=bool if flags else np.float64)  # flags stay flags: an eighth of the memory
        out = np.full(m, float(out)) if out.ndim == 0 else out
        if len(out) != m:
            problems.append(_bad(name, f"{len(out)} values for {m} suppliers", [], "Give one per supplier."))
            return None
        return out

    by = given.get("by")
    late: Cells | None = None
    market = np.zeros(0, dtype=np.int64)
    if by is None:
        market, n, labels = np.zeros(m, dtype=np.int64), 1, None
    else:
        plain = rest is None and all(given.get(k) is None for k in ("unit", "total", "demand_of_largest"))
        grouped = _grouping(by, supply, m, m >= LONG and plain, q if least > 0 else None)
        if isinstance(grouped, Cells):
            late, n, labels = grouped, len(grouped.used), None
        else:
            market, n, labels = grouped

    def per(name: str) -> FloatArray | None:
        x = given.get(name)
        if x is None:
            return None
        if isinstance(x, pd.Series) and (labels is not None or late is not None):
            known = late.labels if late is not None else labels
            assert known is not None
            if name == "total" and not known.isin(x.index).all():
                remedy = "Give the total of every market, or residual= for those that have one."
                problems.append(_bad(name, "markets without a total", list(known[~known.isin(x.index)]), remedy))
            return x.reindex(known).to_numpy(dtype=np.float64)
        out = np.asarray(x, dtype=np.float64)
        if out.ndim == 0:
            return np.full(n, float(out))
        if len(out) != n:
            problems.append(_bad(name, f"{len(out)} values for {n} markets", [], "Give one per market."))
            return None
        return out

    low, high = row("low"), row("high")
    if not least >= 0 and (q < 0).any():
        where = np.flatnonzero(q < 0)
        problems.append(
            _bad(
                "supply", "a supplier has less than nothing", [f"{names[int(i)]}: {q[i]}" for i in where], "Correct it."
            )
        )
    if np.isnan(least) and (low is None or high is None):
        where = np.flatnonzero(np.isnan(q))
        problems.append(
            _bad(
                "supply",
                "missing: not zero, and not to be left out in silence",
                [str(names[int(i)]) for i in where],
                "Give low= and high=, move the supplier into residual=, or drop it on purpose.",
            )
        )
    if low is not None and high is not None:
        crossed = (low > high) | (q < low * (1 - 1e-12)) | (q > high * (1 + 1e-12)) | (low < 0)
        if crossed.any():
            where = np.flatnonzero(crossed)
            problems.append(_bad("low", "0 <= low <= value <= high does not hold", list(where), "Correct the bounds."))
    elif (given.get("low") is None) != (given.get("high") is None):
        problems.append(_bad("low", "only one of low= and high= is given", [], "Give both."))
    for name in ("demand", "demand_of_largest"):
        x = given.get(name)
        if x is not None and (np.asarray(x, dtype=np.float64) < 0).any():
            problems.append(_bad(name, "negative", [], "Give what is used, 0 or more."))
    if given.get("total") is not None and given.get("residual") is not None:
        problems.append(_bad("total", "total= and residual= say the same thing", [], "Give one of them."))
    fields: dict[str, FloatArray | None] = {k: row(k) for k in PARTS}
    if rest is not None:
        problems += _apart(names, rest, given, fields)
    if problems:
        raise SchemaError(problems, "the supply")
    units: IntArray | None = None
    if late is not None:
        ordered = late.ordered
    else:
        ordered = n <= 1 or bool((np.diff(market[:4096]) >= 0).all() and (market[1:] >= market[:-1]).all())
    fields |= {"low": low, "high": high}
    fields |= {k: per(k) for k in ("residual", "unknown", "demand")}
    own = per("demand_of_largest")
    if own is not None:
        fields["own_demand"] = own[market]
    if rest is not None:
        _outside(rest, market, n, q, fields)
        kept = ~(rest[0] | rest[1])
        market, q = market[kept], q[kept]
        unit = None if unit is None else np.asarray(unit)[kept]
        for k in ("low", "high", "own_demand", *PARTS):
            x = fields.get(k)
            fields[k] = None if x is None else x[kept]
        m = len(q)
    if unit is not None:
        codes, _ = _codes(unit)
        if len(codes) != m:
            problems.append(_bad("unit", f"{len(codes)} units for {m} suppliers", [], "Give one per supplier."))
            raise SchemaError(problems, "the supply")
        market, q, units, fields = _merge_units(market, q, codes, fields)
        ordered = True
    total = per("total")
    if total is not None and not problems:
        _close(total, market, n, q, fields, problems)
    for name in ("residual", "unknown"):
        x = fields.get(name)
        if x is not None and ((x < 0) | np.isnan(x)).any():
            problems.append(_bad(name, "negative or missing", list(x[(x < 0) | np.isnan(x)]), "Give 0 or more."))
    for name in PARTS:
        x = fields.get(name)
        if x is not None and x.dtype.kind != "b" and ((x < 0) | (x > 1)).any():
            problems.append(_bad(name, "not a part between 0 and 1", list(x[(x < 0) | (x > 1)]), "Percent?"))
    if problems:
        raise SchemaError(problems, "the supply")
    if late is None and not raw and _extreme(q, least, fields):
        q = _scaled(market, n, q, fields)
    return market if late is None else late, n, q, units, ordered, fields, labels


def _close(
    total: FloatArray,
    market: IntArray,
    n: int,
    q: FloatArray,
    fields: dict[str, FloatArray | None],
    problems: list[Problem],
) -> None:
    """What the listed suppliers leave of the total is the residual; what rounding adds to it is none."""
    unknown = fields.get("unknown")
    listed = np.bincount(market, np.nan_to_num(q), n) + (0.0 if unknown is None else unknown)
    stated = fields.get("residual")  # what is called the rest of the world is part of what is left
    rest = total - listed
    over = listed + (0.0 if stated is None else stated) - total > (CLOSES + 1e-12) * total
    if over.any():
        rule = f"suppliers add to more than the total, by more than rounding ({CLOSES:g} of it)"
        problems.append(_bad("total", rule, list(total[over]), "Correct one; percent?"))
    rest = np.where(rest <= 1e-12 * np.maximum(total, 1e-300), 0.0, rest)
    fields["residual"] = rest
    fields.pop("residual_low", None)
    fields.pop("residual_high", None)


def _merge_units(
    market: IntArray, q: FloatArray, codes: IntArray, fields: dict[str, FloatArray | None]
) -> tuple[IntArray, FloatArray, IntArray, dict[str, FloatArray | None]]:
    """Rows of the same unit in the same market become one supplier; parts are averaged by quantity."""
    size = int(codes.max()) + 1 if len(codes) else 1
    key, inverse = np.unique(market * size + codes, return_inverse=True)
    inverse = inverse.reshape(-1)
    k = len(key)
    weight = np.nan_to_num(q)
    total = np.bincount(inverse, weight, k).astype(np.float64)
    out: dict[str, FloatArray | None] = {}
    for name, x in fields.items():
        if x is None or name.startswith(_PER_MARKET):
            out[name] = x
        elif name in ("low", "high"):
            out[name] = np.bincount(inverse, x, k).astype(np.float64)
        elif name == "own_demand":
            first = np.zeros(k)
            first[inverse] = x
            out[name] = first
        else:
            plain = np.bincount(inverse, x, k) / np.bincount(inverse, minlength=k)
            out[name] = np.divide(np.bincount(inverse, weight * x, k), total, out=plain, where=total > 0)
    merged = total if not np.isnan(q).any() else np.bincount(inverse, q, k).astype(np.float64)
    return (key // size).astype(np.int64), merged, (key % size).astype(np.int64), out

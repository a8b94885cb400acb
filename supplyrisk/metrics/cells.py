"""Markets by integer keys: counted, not sorted, and block by block, so that no long array is made on the way.

A column of ten million rows is eighty megabytes, and fresh memory of that size often costs more than the arithmetic
done in it. Hence sums by market are taken from blocks of rows that fit into cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..compiled import keyed_sums, ready

__all__ = ["Cells", "add_up", "cells", "compact", "integers", "market_blocks", "peaks"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Rows of a block, codes counted from the block's least, that least, and how many codes the block spans.
Block = tuple[slice, IntArray, int, int]
# Ranges of integer keys up to which a lookup table is cheaper than a hash.
_LOOKUP = 1 << 24
# Rows handled at once where several steps follow one another: what they need stays in cache.
BLOCK = 1 << 15
# Blocks may span so many markets a row, on average, before adding them up one by one is a waste.
_SPREAD = 2
# Groups of at most so many rows are run through side by side where the largest are sought.
_SIDE = 256


def integers(key: Any) -> tuple[npt.NDArray[Any], int, int, Any, int] | None:
    """An integer key, its least value, range and name, and its range summed over blocks; None where it is another key.

    Parameters
    ----------
    key : array-like or Series
        A key column.

    Returns
    -------
    tuple or None

    Examples
    --------
    >>> integers(np.array([7, 5]))[1:3], integers(["a"])
    ((5, 3), None)
    """
    array = np.asarray(key.array if isinstance(key, pd.Series) else key)
    if array.dtype.kind not in "iu" or not len(array):
        return None
    ends = [
        (int(part.min()), int(part.max())) for part in (array[a : a + BLOCK] for a in range(0, len(array), BLOCK))
    ]  # both ends of a block while it is in cache
    lo, hi = min(a for a, _ in ends), max(b for _, b in ends)
    if hi - lo >= _LOOKUP or hi >= 1 << 32 or abs(lo) >= 1 << 31:
        return None
    name = key.name if isinstance(key, (pd.Series, pd.Index)) else None
    # In mixed sums unsigned 64 bits would turn into floats; narrower codes are widened block by block.
    held = array.astype(np.int64) if array.dtype == np.uint64 else array
    return held, lo, hi - lo + 1, name, sum(b - a for a, b in ends)


def compact(code: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Codes without gaps, and the old code of each; by counting, without a sort.

    Parameters
    ----------
    code : ndarray of int
        Codes ``0 .. size - 1``.
    size : int
        Number of possible codes.

    Returns
    -------
    tuple of ndarray

    Examples
    --------
    >>> [x.tolist() for x in compact(np.array([5, 2, 5]), 6)]
    [[1, 0, 1], [2, 5]]
    """
    seen = np.bincount(code, minlength=size) > 0
    used = np.flatnonzero(seen)
    if len(used) == size:
        return code, used
    lookup = np.cumsum(seen) - 1
    out = np.empty_like(code)
    for a in range(0, len(code), BLOCK):
        lookup.take(code[a : a + BLOCK], out=out[a : a + BLOCK], mode="clip")
    return out, used


def market_blocks(market: IntArray, ordered: bool = False) -> Iterator[Block]:
    """Rows of given markets, block by block; each block's codes are overwritten by the next."""
    room = np.empty(min(BLOCK, len(market)), dtype=np.int64)
    for a in range(0, len(market), BLOCK):
        part = market[a : a + BLOCK]
        lo, hi = (int(part[0]), int(part[-1])) if ordered else (int(part.min()), int(part.max()))
        yield slice(a, a + len(part)), np.subtract(part, lo, out=room[: len(part)]), lo, hi - lo + 1


def add_up(
    blocks: Iterable[Block],
    rows: int,
    n: int,
    columns: Sequence[Callable[[slice], FloatArray | None]],
    used: IntArray | None = None,
) -> list[FloatArray] | None:
    """Sums of columns by code, in one pass over the rows.

    Parameters
    ----------
    blocks : iterable
        The rows; see :meth:`Cells.blocks`.
    rows, n : int
        Number of rows, and of sums.
    columns : sequence of callable
        From a slice of rows to their values; a column that gives None counts rows.
    used : ndarray of int, optional
        Codes that occur, in order, where there are fewer sums than codes.

    Returns
    -------
    list of ndarray, or None
        A sum per code for each column; None where rows that follow one another lie too far apart for this to pay.

    Examples
    --------
    >>> q = np.array([3.0, 1.0, 5.0])
    >>> [x.tolist() for x in add_up(market_blocks(np.array([0, 0, 1])), 3, 2, [lambda rows: q[rows]])]
    [[4.0, 5.0]]
    """
    out = [np.zeros(n) for _ in columns]
    spread = 0
    for where, code, lo, span in blocks:
        spread += span
        if spread > _SPREAD * rows + 4 * BLOCK:
            return None
        if used is None:
            here, cells = slice(lo, lo + span), None
        else:
            a, b = np.searchsorted(used, (lo, lo + span))
            here = slice(int(a), int(b))
            cells = used[here] - lo
        for total, column in zip(out, columns, strict=True):
            part = np.bincount(code, column(where), span)
            total[here] += part if cells is None else part.take(cells)
    return out


def peaks(x: FloatArray, start: IntArray, k: int) -> list[FloatArray]:
    """The k largest of each group of neighbours, all groups side by side: no sort, no call per group.

    Parameters
    ----------
    x : ndarray
        Values, 0 or more.
    start : ndarray of int
        First of each group; none is empty.
    k : int
        How many.

    Returns
    -------
    list of ndarray
        The largest of each group, the second largest ...; 0 where a group has fewer.

    Examples
    --------
    >>> [t.tolist() for t in peaks(np.array([3.0, 5.0, 1.0, 2.0]), np.array([0, 3]), 2)]
    [[5.0, 2.0], [3.0, 0.0]]
    """
    out = [np.zeros(len(start)) for _ in range(k)]
    value, rest = np.empty(min(BLOCK, len(start))), np.empty(min(BLOCK, len(start)))
    for a in range(0, len(start), BLOCK):  # so many groups at once: their rows and the best of each stay in cache
        first = start[a : a + BLOCK]
        end = start[a + BLOCK] if a + BLOCK < len(start) else len(x)
        _peaks(x, first, np.diff(first, append=end), [t[a : a + BLOCK] for t in out], value, rest)
    return out


def _peaks(
    x: FloatArray, start: IntArray, length: IntArray, out: list[FloatArray], held: FloatArray, less: FloatArray
) -> None:
    """The largest of neighbouring groups, written to ``out``."""
    k, most = len(out), int(length.max())
    # The longest first: those that have a j-th row are then the head of the list.
    order = np.argsort(length.astype(np.int16) if most < 2**15 else length, kind="stable")[::-1]
    longer = np.cumsum(np.bincount(length, minlength=most + 1)[::-1])[::-1][1:]
    row = start.take(order)
    best = [np.zeros(len(start)) for _ in range(k)]
    for j in range(min(most, _SIDE)):
        n = int(longer[j])
        value, rest = held[:n], less[:n]
        x.take(row[:n], out=value, mode="clip")
        for t in best[: j + 1]:
            # Keep the larger, hand the smaller on to the next place.
            if t is not best[-1]:
                np.minimum(t[:n], value, out=rest)
            np.maximum(t[:n], value, out=t[:n])
            value, rest = rest, value
        row += 1
    for i in range(int(longer[_SIDE]) if most > _SIDE else 0):  # the few longer ones, each by itself
        head = start[order[i]]
        rows = x[head : head + length[order[i]]]
        top = np.sort(np.partition(rows, len(rows) - k)[len(rows) - k :])[::-1]
        for t, peak in zip(best, top, strict=True):
            t[i] = peak
    for t, found in zip(out, best, strict=True):
        t[order] = found


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows by integer keys. Every combination of keys is a cell, and a market is a cell with rows.

    Parameters
    ----------
    keys : tuple of ndarray of int
        Key columns, any integer type.
    low, span : tuple of int
        Least value and range of each.
    names : tuple
        Name of each.
    used : ndarray of int
        Cells that have rows: the markets, in order.
    ordered : bool
        Whether the rows are sorted by market.
    found : mapping
        What was summed up by market while the markets were sought: ``size``, or ``named`` and ``squares``.
    """

    keys: tuple[npt.NDArray[Any], ...]
    low: tuple[int, ...]
    span: tuple[int, ...]
    names: tuple[Any, ...]
    used: IntArray
    ordered: bool
    found: Mapping[str, FloatArray]

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod([float(s) for s in self.span]))

    def blocks(self) -> Iterator[Block]:
        """Rows block by block; each block's codes are overwritten by the next."""
        return _blocks(self.keys, self.low, self.span)

    def sums(self, columns: Sequence[Callable[[slice], FloatArray | None]]) -> list[FloatArray]:
        """Sums of columns by market, see :func:`add_up`."""
        gaps = None if len(self.used) == self.size else self.used
        found = add_up(self.blocks(), len(self.keys[0]), len(self.used), columns, gaps)
        if found is None:  # the census went the same way
            raise AssertionError("blocks that were near are not")
        return found

    def at(self, rows: IntArray) -> IntArray:
        """Market of some rows."""
        cell = np.zeros(len(rows), dtype=np.int64)
        for key, low, span in zip(self.keys, self.low, self.span, strict=True):
            cell = cell * span + (key[rows].astype(np.int64) - low)
        return np.searchsorted(self.used, cell).astype(np.int64) if len(self.used) < self.size else cell

    def market(self) -> IntArray:
        """Market of every row."""
        number = np.zeros(self.size, dtype=np.int64)
        number[self.used] = np.arange(len(self.used))
        out = np.empty(len(self.keys[0]), dtype=np.int64)
        for rows, code, lo, span in self.blocks():
            number[lo : lo + span].take(code, out=out[rows], mode="clip")
        return out

    @cached_property
    def labels(self) -> pd.Index:
        """Key of each market."""
        levels: list[pd.Index] = []
        codes: list[IntArray] = []
        rest = self.used
        for low, span, name in zip(self.low[::-1], self.span[::-1], self.names[::-1], strict=True):
            code, top = compact(rest % span, span)
            levels.append(pd.Index(top + low, name=name))
            codes.append(code)
            rest = rest // span
        if len(levels) == 1:
            return levels[0]
        tops: Any = levels[::-1]
        at: Any = codes[::-1]
        return pd.MultiIndex(levels=tops, codes=at, names=list(self.names), verify_integrity=False)


def _blocks(keys: Sequence[npt.NDArray[Any]], low: Sequence[int], span: Sequence[int]) -> Iterator[Block]:
    m = len(keys[0])
    room = np.empty(min(BLOCK, m), dtype=np.int64)
    base = 0
    for lo, s in zip(low, span, strict=True):
        base = base * s + lo
    for a in range(0, m, BLOCK):
        rows = slice(a, min(a + BLOCK, m))
        code = room[: rows.stop - a]
        np.copyto(code, keys[0][rows])
        for key, s in zip(keys[1:], span[1:], strict=True):
            code *= s
            code += key[rows]
        lo, hi = int(code.min()), int(code.max())
        code -= lo
        yield rows, code, lo - base, hi - lo + 1


def cells(keys: Sequence[Any], m: int, supply: FloatArray | None = None) -> Cells | None:
    """Markets of rows straight from integer keys.

    Parameters
    ----------
    keys : sequence of array-like
        Key columns, as long as there are rows.
    m : int
        Number of rows.
    supply : ndarray, optional
        Quantities, where all are above 0: then their sums and sums of squares say which cells have rows.

    Returns
    -------
    Cells or None
        None where a key is not of integers, where there are many more combinations than rows, or where rows that
        follow one another lie in markets far apart.

    Examples
    --------
    >>> found = cells([np.array([3, 3, 1]), np.array([0, 0, 2])], 3)
    >>> found.market().tolist(), found.found["size"].tolist(), found.labels.tolist()
    ([1, 1, 0], [1.0, 2.0], [(1, 2), (3, 0)])
    """
    given = [integers(k) for k in keys]
    if any(g is None for g in given):
        return None
    arrays, low, span, names, wide = (tuple(x) for x in zip(*[g for g in given if g is not None], strict=True))
    size = int(np.prod([float(s) for s in span]))
    if size > max(4 * m, 1024):
        return None
    spread = 0  # at most so many codes in all blocks together
    for s, w in zip(span, wide, strict=True):
        spread = spread * s + w
    if supply is not None and ready(m) and spread + m // BLOCK < _SPREAD * m:
        fused = keyed_sums(arrays, low, span, supply, BLOCK)
        if fused is not None:
            named, squares, ordered = fused
            used = np.flatnonzero(named > 0).astype(np.int64, copy=False)
            if len(used) < size:
                named, squares = named.take(used), squares.take(used)
            return Cells(arrays, low, span, names, used, ordered, {"named": named, "squares": squares})
    ordered, last = True, -1

    def watched() -> Iterator[Block]:
        nonlocal ordered, last
        for rows, code, lo, width in _blocks(arrays, low, span):
            if ordered:
                ordered = lo + int(code[0]) >= last and bool((code[1:] >= code[:-1]).all())
                last = lo + int(code[-1])
            yield rows, code, lo, width

    columns: dict[str, Callable[[slice], FloatArray | None]] = {"size": lambda rows: None}
    if supply is not None:
        columns = {"named": lambda rows: supply[rows], "squares": lambda rows: supply[rows] ** 2}
    sums = add_up(watched(), m, size, list(columns.values()))
    if sums is None:
        return None
    used = np.flatnonzero(sums[0] > 0).astype(np.int64, copy=False)
    if len(used) < size:
        sums = [x.take(used) for x in sums]
    return Cells(arrays, low, span, names, used, ordered, dict(zip(columns, sums, strict=True)))

"""Fused loops in compiled code, for very many rows where numba is installed (``pip install supplyrisk[fast]``).

Everything here has a numpy route beside it, which gives the same to rounding and is taken for fewer rows, without
numba, and within :func:`numpy_only`. A loop is compiled when it is first needed, for one set of types, and kept on
disk where that can be written; it holds no state and lets go of the interpreter's lock.
"""

from __future__ import annotations

import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "LARGE",
    "arranged",
    "keyed_sums",
    "numpy_only",
    "ratios",
    "ready",
    "route",
    "segmented",
    "settler",
    "sorted_peaks",
    "sorted_sums",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Codes = npt.NDArray[np.signedinteger[Any]]
# Rows from which on compiled code is taken: below, numpy is done in a few milliseconds.
LARGE = 1 << 17
# Products up to which suppliers are counted by product.
_KINDS = 1 << 20
# No code.
_NONE = (1 << 64) - 1
_LOCK = threading.RLock()
_PLAIN: ContextVar[bool] = ContextVar("supplyrisk_numpy_only", default=False)


@functools.cache
def _numba() -> Any:
    """The compiler, or None where it is not installed or does not fit the installed numpy."""
    try:
        return importlib.import_module("numba")
    except ImportError:
        return None


def ready(rows: int) -> bool:
    """Whether so many rows go through compiled code.

    Parameters
    ----------
    rows : int
        Number of rows.

    Returns
    -------
    bool

    Examples
    --------
    >>> ready(10)
    False
    """
    return rows >= LARGE and not _PLAIN.get() and _numba() is not None


def route(rows: int) -> str:
    """Name of the route that so many rows take: ``"compiled"`` or ``"numpy"``.

    Parameters
    ----------
    rows : int
        Number of rows.

    Returns
    -------
    str

    Examples
    --------
    >>> route(10)
    'numpy'
    """
    return "compiled" if ready(rows) else "numpy"


@contextmanager
def numpy_only() -> Iterator[None]:
    """Take the numpy route, whatever is installed, in this thread.

    Examples
    --------
    >>> with numpy_only():
    ...     ready(10**9)
    False
    """
    before = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(before)


def _kernel(types: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function when it is first called, for these types of arguments.

    ``i l f b`` are read-only arrays of int32, int64, float64 and bool, ``I L F B`` writable ones, ``n x`` an
    integer and a float; ``c`` is as many codes as the first argument has: int32 or int64. ``u v`` are codes of 64 and
    of 32 bits without a sign: an index that cannot be negative need not be tried for it at every row.
    """

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        held: dict[str, Any] = {}

        @functools.wraps(function)
        def call(*args: Any) -> Any:
            wanted = types.replace("c", "i" if args[0].dtype == np.int32 else "l")
            found = held.get(wanted)
            if found is None:
                with _LOCK:
                    found = held.get(wanted)
                    if found is None:
                        found = held[wanted] = _compile(function, wanted)
            return found(*args)

        return call

    return wrap


def _compile(function: Callable[..., Any], types: str) -> Any:
    nb = _numba()
    plain = {"i": nb.int32, "l": nb.int64, "f": nb.float64, "b": nb.boolean, "u": nb.uint64, "v": nb.uint32}

    def typed(letter: str) -> Any:
        if letter in "nx":
            return nb.int64 if letter == "n" else nb.float64
        return nb.types.Array(plain[letter.lower()], 1, "C", readonly=letter.islower())

    signature = tuple(typed(t) for t in types)
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return nb.njit(signature, cache=True, **options)(function)
    except (RuntimeError, OSError):  # nowhere to keep it, or no room: compiled anew in each process
        return nb.njit(signature, **options)(function)


def _flat(x: Any, kind: Any) -> npt.NDArray[Any]:
    return np.ascontiguousarray(x, dtype=kind)


def _unsigned(x: Any) -> npt.NDArray[Any]:
    """Codes, none negative, as 64 bits without a sign; no copy of codes that have 64 bits."""
    return _flat(x, np.int64).view(np.uint64)


# ---------------------------------------------------------------------- rows sorted by market


@_kernel("ufnnFF")
def _sums(market: Any, x: Any, low: Any, high: Any, named: Any, index: Any) -> bool:
    named[low:high] = 0.0
    index[low:high] = 0.0  # the squares, until all are in
    # Four runs of rows side by side: an addition need not wait for the one before. Each begins with a market.
    m = len(market)
    a1, a2, a3 = m // 4, m // 2, m // 4 * 3
    while a1 < m and market[a1] == market[a1 - 1]:
        a1 += 1
    a2 = max(a1, a2)
    while a2 < m and market[a2] == market[a2 - 1]:
        a2 += 1
    a3 = max(a2, a3)
    while a3 < m and market[a3] == market[a3 - 1]:
        a3 += 1
    m1, m2, m3 = market[a1:], market[a2:], market[a3:]
    x1, x2, x3 = x[a1:], x[a2:], x[a3:]
    s0 = s1 = s2 = s3 = q0 = q1 = q2 = q3 = 0.0
    p0 = p1 = p2 = p3 = np.uint64(_NONE)
    short = min(min(a1, a2 - a1), min(a3 - a2, m - a3))
    for i in range(short):
        c0, c1, c2, c3 = market[i], m1[i], m2[i], m3[i]
        v0, v1, v2, v3 = x[i], x1[i], x2[i], x3[i]
        s0 = (s0 if c0 == p0 else 0.0) + v0
        q0 = (q0 if c0 == p0 else 0.0) + v0 * v0
        s1 = (s1 if c1 == p1 else 0.0) + v1
        q1 = (q1 if c1 == p1 else 0.0) + v1 * v1
        s2 = (s2 if c2 == p2 else 0.0) + v2
        q2 = (q2 if c2 == p2 else 0.0) + v2 * v2
        s3 = (s3 if c3 == p3 else 0.0) + v3
        q3 = (q3 if c3 == p3 else 0.0) + v3 * v3
        named[c0], index[c0] = s0, q0
        named[c1], index[c1] = s1, q1
        named[c2], index[c2] = s2, q2
        named[c3], index[c3] = s3, q3
        p0, p1, p2, p3 = c0, c1, c2, c3
    for part in range(4):
        if part == 0:
            a, b = short, a1
        elif part == 1:
            a, b = a1 + short, a2
        elif part == 2:
            a, b = a2 + short, a3
        else:
            a, b = a3 + short, m
        for i in range(a, b):
            v = x[i]
            named[market[i]] += v
            index[market[i]] += v * v
    whole = True
    for i in range(low, high):
        s = named[i]
        whole &= s == s
        index[i] = index[i] / (s * s) if s * s > 0.0 else np.nan
    return whole


def _side_by_side(
    kernel: Callable[..., Any], market: npt.NDArray[Any], x: FloatArray, n: int, *out: FloatArray
) -> bool:
    """Run a kernel over both halves of rows sorted by market at once, each market within one half.

    A market is summed by one thread in the order of its rows: the figures do not depend on the number of threads.
    """
    rows = len(market)
    half = int(np.searchsorted(market, market[rows // 2])) if rows >= 4 * LARGE and _cores() > 1 else 0
    if half == 0:
        return bool(kernel(market, x, 0, n, *out))
    cut = int(market[half])
    other = _second().submit(kernel, market[half:], x[half:], cut, n, *out)
    first = kernel(market[:half], x[:half], 0, cut, *out)
    return bool(other.result() and first)


@functools.cache
def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _second() -> Any:
    """The thread beside the caller's, kept: to start one takes as long as a tenth of a million rows."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, thread_name_prefix="supplyrisk")


if hasattr(os, "register_at_fork"):  # a child has no threads but the one that forked
    os.register_at_fork(after_in_child=_second.cache_clear)


def sorted_sums(market: IntArray, x: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """Sum of each market, and its squares over the square of that, in one pass; rows sorted.

    Parameters
    ----------
    market : ndarray of int
        Market of each row, sorted, ``0 .. n-1``.
    x : ndarray
        Values, 0 or more; NaN, where one is missing, adds nothing.
    n : int
        Number of markets.

    Returns
    -------
    tuple of ndarray
        The ratio is NaN where the sum is 0.
    """
    out = np.empty(n), np.empty(n)
    codes, values = _unsigned(market), _flat(x, np.float64)
    if not _side_by_side(_sums, codes, values, n, *out):
        _side_by_side(_sums, codes, np.where(np.isnan(values), 0.0, values), n, *out)
    return out


@_kernel("fffnxF")
def _ratios(numerator: Any, below: Any, named: Any, power: Any, least: Any, out: Any) -> None:
    for i in range(len(out)):
        d = below[i]
        good = d > 0.0 and named[i] > 0.0 and named[i] >= least * d
        d = d * d if power == 2 else d
        out[i] = numerator[i] / d if good and d > 0.0 else np.nan


def ratios(numerator: FloatArray, total: FloatArray, named: FloatArray, power: int, least: float) -> FloatArray:
    """Ratio to the total, or to its square, in one pass; NaN where too little of the total is named.

    Parameters
    ----------
    numerator, total, named : ndarray
        By market.
    power : int
        1 or 2.
    least : float
        Part of the total that must be named.

    Returns
    -------
    ndarray
    """
    out = np.empty(len(total))
    _ratios(*(_flat(a, np.float64) for a in (numerator, total, named)), power, least, out)
    return out


@_kernel("ufnnFFFF")
def _peaks(market: Any, x: Any, low: Any, high: Any, first: Any, second: Any, third: Any, size: Any) -> bool:
    first[low:high], second[low:high], third[low:high], size[low:high] = 0.0, 0.0, 0.0, 0.0
    a = b = c = count = 0.0
    last = np.uint64(_NONE)
    for i in range(len(market)):
        code, v = market[i], x[i]
        if code != last:
            a = b = c = count = 0.0
        # Keep the larger, hand the smaller on to the next place.
        w = min(a, v)
        a = max(a, v)
        u = min(b, w)
        b = max(b, w)
        c = max(c, u)
        count += 1.0
        first[code], second[code], third[code], size[code] = a, b, c, count
        last = code
    return True


def sorted_peaks(market: IntArray, x: FloatArray, n: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Largest, second and third value of each market (0 where there is none) and its rows; rows sorted by market.

    Parameters
    ----------
    market, x, n
        As in :func:`sorted_sums`; values of 0 or more.

    Returns
    -------
    tuple of ndarray
    """
    out = (np.empty(n), np.empty(n), np.empty(n), np.empty(n))
    _side_by_side(_peaks, _unsigned(market), _flat(x, np.float64), n, *out)
    return out


# ---------------------------------------------------------------------- rows by integer keys


@_kernel("ccnnnfFFn")
def _keyed(
    first: Any, second: Any, by: Any, also: Any, base: Any, x: Any, named: Any, squares: Any, block: Any
) -> bool:
    ordered, last = True, np.uint64(0)
    for a in range(0, len(first), block):
        one, two, part = first[a : a + block], second[a : a + block], x[a : a + block]
        for i in range(len(one)):
            code = np.uint64(one[i] * by + two[i] * also - base)
            v = part[i]
            named[code] += v
            squares[code] += v * v
        if ordered:
            for i in range(len(one)):
                code = np.uint64(one[i] * by + two[i] * also - base)
                if code < last:
                    ordered = False
                    break
                last = code
    return ordered


def keyed_sums(
    keys: tuple[npt.NDArray[Any], ...], low: tuple[int, ...], span: tuple[int, ...], x: FloatArray, block: int
) -> tuple[FloatArray, FloatArray, bool] | None:
    """Sum and sum of squares of every combination of one or two integer keys, in one pass.

    Parameters
    ----------
    keys : tuple of ndarray of int
        Key columns.
    low, span : tuple of int
        Least value and range of each.
    x : ndarray
        Values.
    block : int
        Rows handled at once.

    Returns
    -------
    tuple of (ndarray, ndarray, bool), or None
        Sums, sums of squares, and whether rows are sorted by code. None where there are other keys than one or two of
        32 or of 64 bits.
    """
    kinds = {k.dtype for k in keys}
    if len(keys) > 2 or len(kinds) > 1 or not kinds <= {np.dtype(np.int32), np.dtype(np.int64)}:
        return None
    by, also, base, size = 1, 0, low[0], span[0]
    if len(keys) == 2:
        by, also, base, size = span[1], 1, low[0] * span[1] + low[1], span[0] * span[1]
    named, squares = np.zeros(size), np.zeros(size)
    first, second = np.ascontiguousarray(keys[0]), np.ascontiguousarray(keys[-1])
    ordered = _keyed(first, second, by, also, base, _flat(x, np.float64), named, squares, block)
    return named, squares, bool(ordered)


# ---------------------------------------------------------------------- links in order


@_kernel("lllnnLIIII")
def _arranged(
    src: Any, dst: Any, product: Any, n: Any, kinds: Any, pair: Any, order: Any, s_out: Any, d_out: Any, k_out: Any
) -> bool:
    m = len(src)
    made = np.full(n, -1, dtype=np.int32)
    at, to = np.zeros(n, dtype=np.int32), np.zeros(n + 1, dtype=np.int32)
    mixed = False
    for i in range(m):
        s = src[i]
        mixed |= (made[s] != product[i]) & (made[s] >= 0)
        made[s] = product[i]
        at[s] += 1
        to[dst[i] + 1] += 1
    if mixed:
        return False
    # Suppliers by (product, supplier), by counting; then where the links of each begin.
    room = np.zeros(kinds + 2, dtype=np.int32)
    for s in range(n):
        room[made[s] + 2] += 1
    for k in range(kinds + 1):
        room[k + 1] += room[k]
    ranked = np.empty(n, dtype=np.int32)
    for s in range(n):
        k = made[s] + 1
        ranked[room[k]] = s
        room[k] += 1
    total = 0
    for r in range(n):
        s = ranked[r]
        count = at[s]
        at[s] = total
        total += count
    for i in range(m):  # links by rank of their supplier
        s = src[i]
        pair[at[s]] = (dst[i] << 32) | i
        at[s] += 1
    for d in range(n):
        to[d + 1] += to[d]
    begin = 0
    both = np.empty(m, dtype=np.int64)
    for r in range(n):  # and then by buyer
        s = ranked[r]
        end = at[s]
        for p in range(begin, end):
            d = pair[p] >> 32
            both[to[d]] = ((pair[p] & 0xFFFFFFFF) << 32) | s
            to[d] += 1
        begin = max(begin, end)
    begin = 0
    for d in range(n):
        for q in range(begin, to[d]):
            d_out[q] = d
        begin = to[d]
    for q in range(m):
        s = both[q] & 0xFFFFFFFF
        order[q] = both[q] >> 32
        s_out[q] = s
        k_out[q] = made[s]
    return True


def arranged(src: IntArray, dst: IntArray, product: IntArray, n: int) -> tuple[Codes, Codes, Codes, Codes] | None:
    """Links by (buyer, product, supplier), by counting, where each supplier has one product; else None.

    Parameters
    ----------
    src, dst, product : ndarray of int
        Node code of supplier and buyer, product code of each link.
    n : int
        Number of nodes.

    Returns
    -------
    tuple of ndarray, or None
        As :func:`supplyrisk.ordering.arrange`.
    """
    m = len(src)
    least, most = int(product.min()), int(product.max())
    if least < 0 or most >= _KINDS or max(m, n) >= 1 << 31:
        return None
    out = tuple(np.empty(m, dtype=np.int32) for _ in range(4))
    pair = np.empty(m, dtype=np.int64)
    flat = (_flat(x, np.int64) for x in (src, dst, product))
    return (out[0], out[1], out[2], out[3]) if _arranged(*flat, n, most + 1, pair, *out) else None


@_kernel("ccfLLF")
def _segmented(dst: Any, product: Any, quantity: Any, start: Any, segment: Any, share: Any) -> int:
    m = len(dst)
    a = k = 0
    while a < m:
        d, p = dst[a], product[a]
        b, total = a, 0.0
        while b < m and dst[b] == d and product[b] == p:
            v = quantity[b]
            total += v if v == v else 0.0
            b += 1
        start[k] = a
        for i in range(a, b):
            v = quantity[i]
            segment[i] = k
            share[i] = (v if v == v else 0.0) / total if total > 0 else np.nan
        if b == a + 1 and quantity[a] != quantity[a]:
            share[a] = 1.0  # the only supplier, however much it is
        a = b
        k += 1
    return k


def segmented(dst: Codes, product: Codes, quantity: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """First link of each (buyer, product), segment of each link, and share in it; links in order.

    Parameters
    ----------
    dst, product : ndarray of int
        Buyer and product of each link, both of 32 or of 64 bits.
    quantity : ndarray
        Flows; NaN where missing.

    Returns
    -------
    tuple of ndarray
        As :func:`supplyrisk.ordering.segments`.
    """
    m = len(dst)
    kind = np.int32 if dst.dtype == product.dtype == np.int32 else np.int64
    start, segment, share = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64), np.empty(m)
    k = _segmented(_flat(dst, kind), _flat(product, kind), _flat(quantity, np.float64), start, segment, share)
    return start[:k].copy(), segment, share


# ---------------------------------------------------------------------- exposure through all tiers


@_kernel("uuvfbbffuuuuuufFxnxn")
def _settle(
    seg_of: Any, first: Any, src: Any, share: Any, blind: Any, pool: Any, floor: Any, mine: Any,
    hard: Any, hard_group: Any, hard_of: Any, soft: Any, soft_group: Any, soft_of: Any, weight: Any,
    x: Any, unknown: float, lazy: int, tolerance: float, rounds: int,
) -> float:  # fmt: skip
    n = len(x)
    one, none = np.uint64(1), np.uint64(_NONE)
    picked = np.full(n, none)
    whole, gap = 0.0, np.inf
    quick = 0
    for _ in range(rounds):
        full = quick == 0
        gap = 0.0
        for v in range(n):
            if mine[v] >= 1.0:
                new = 1.0
            else:
                best = floor[v]
                if pool[v]:
                    s = seg_of[v + 1]
                    if seg_of[v] < s:
                        s -= one
                        best = 0.0
                        for i in range(first[s], first[s + one]):
                            best += share[i] * x[src[i]]
                        best = unknown if blind[s] else best
                else:
                    g = picked[v]
                    last = g + one  # what decided before is a lower bound now
                    if full or g == none:
                        g, last = hard_of[v], hard_of[v + 1]
                    while g < last:
                        least = np.inf
                        for t in range(hard_group[g], hard_group[g + one]):
                            s = hard[t]
                            e = 0.0
                            for i in range(first[s], first[s + one]):
                                e += share[i] * x[src[i]]
                            e = unknown if blind[s] else e
                            least = e if e < least else least
                        if least >= best:
                            best = least
                            picked[v] = g
                        g += one
                    if soft_of[v] < soft_of[v + 1]:
                        total = 0.0
                        for h in range(soft_of[v], soft_of[v + 1]):
                            least = np.inf
                            for t in range(soft_group[h], soft_group[h + one]):
                                s = soft[t]
                                e = 0.0
                                for i in range(first[s], first[s + one]):
                                    e += share[i] * x[src[i]]
                                e = unknown if blind[s] else e
                                least = e if e < least else least
                            total += weight[h] * least
                        best = max(best, total)
                new = mine[v] + (1.0 - mine[v]) * best
            gap = max(gap, abs(new - x[v]))
            x[v] = new
        if full:
            if gap <= tolerance:
                return gap
            whole = gap
            quick = lazy
        else:
            quick -= 1
            if gap <= 0.03 * whole or gap <= 0.3 * tolerance:
                quick = 0
    return gap


def settler(
    first: Codes,
    src: Codes,
    share: FloatArray,
    seg_of: Codes,
    blind: npt.NDArray[np.bool_],
    pool: npt.NDArray[np.bool_],
    floor: FloatArray,
    hard: tuple[IntArray, IntArray, IntArray],
    soft: tuple[IntArray, IntArray, IntArray],
    weight: FloatArray,
    unknown: float,
) -> Callable[[FloatArray, FloatArray, float, int], float]:
    """Sweeps over all nodes that use what they have just found (Gauss-Seidel), for one focal set.

    Nodes are taken as they stand in memory: another order needs fewer sweeps and waits for memory in each. One focal
    set at a time stays in cache. From below, only what decided a node is looked at again in most sweeps: it can but understate, and every few
    sweeps all is. From above that could fall too low, and all is looked at each time.

    Parameters
    ----------
    first, src, share : ndarray
        First link of each segment (and the end), supplier and share of each link.
    seg_of : ndarray of int, shape (n + 1,)
        First segment of each buyer.
    blind : ndarray of bool
        Segments that count as ``unknown``.
    pool : ndarray of bool, shape (n,)
        Nodes that take what flows in.
    floor : ndarray, shape (n,)
        Least exposure of the inputs of each node.
    hard, soft : tuple of ndarray
        Binding segments; first of each group of alternatives (and the end); first group of each node (and the end).
    weight : ndarray
        Weight of each group of ``soft``.
    unknown : float
        Exposure of blind segments.

    Returns
    -------
    callable
        Takes what is the focal's own, the exposure to begin with (overwritten), a tolerance and a number of sweeps;
        gives the largest change of the last sweep.
    """
    fixed = [_unsigned(seg_of), _unsigned(first), _flat(src, np.int32).view(np.uint32), _flat(share, np.float64)]
    fixed += [_flat(blind, np.bool_), _flat(pool, np.bool_), _flat(floor, np.float64)]
    groups = [_unsigned(x) for x in (*hard, *soft)] + [_flat(weight, np.float64)]
    lazy = 0 if unknown >= 1.0 else 10

    def settle(mine: FloatArray, x: FloatArray, tolerance: float, rounds: int) -> float:
        return float(_settle(*fixed, _flat(mine, np.float64), *groups, x, unknown, lazy, tolerance, rounds))

    return settle

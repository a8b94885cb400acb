"""Fill a table of flows so that it meets its row and column totals: RAS, GRAS and entropy balancing with bounds.

Whether totals can be met at all is tested first, by a maximum flow over the cells that are not zero: otherwise
totals that clash look like slow convergence. The same flow finds cells that the totals leave no room: scaling would only
creep towards their bound.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import BoundaryWarning, InfeasibleError, Problem, SolverError
from .governance import FloatArray, Values, aligned, keyed, refuse

__all__ = ["balance", "gras", "ras"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_CAP = 2**30  # scipy's maximum flow counts in 32-bit integers


@dataclass(frozen=True)
class _Table:
    """Cells of a table in coordinate form, and how to give the caller back the form that came in."""

    row: IntArray
    col: IntArray
    x: FloatArray
    shape: tuple[int, int]
    rows: list[Any]
    cols: list[Any]
    form: str

    def back(self, x: FloatArray) -> Any:
        from scipy import sparse

        if self.form == "sparse":
            return sparse.csr_array((x, (self.row, self.col)), shape=self.shape)
        out = np.zeros(self.shape)
        out[self.row, self.col] = x
        return pd.DataFrame(out, index=self.rows, columns=self.cols) if self.form == "frame" else out

    def row_sum(self, x: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.row, x, self.shape[0]), dtype=np.float64)

    def col_sum(self, x: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.col, x, self.shape[1]), dtype=np.float64)


def _table(x0: Any, what: str, negative: bool = False) -> _Table:
    from scipy import sparse

    rows: list[Any]
    cols: list[Any]
    if isinstance(x0, pd.DataFrame):
        matrix, form = sparse.coo_array(x0.to_numpy(dtype=np.float64)), "frame"
        rows, cols = list(x0.index), list(x0.columns)
    else:
        form = "sparse" if sparse.issparse(x0) else "array"
        matrix = sparse.coo_array(x0, dtype=np.float64)
        matrix.sum_duplicates()
        if len(matrix.shape) != 2:
            refuse([Problem(what, "-", "-", "not a table", str(matrix.shape), "Give two dimensions.")], what)
        rows, cols = list(range(matrix.shape[0])), list(range(matrix.shape[1]))
    data = np.asarray(matrix.data, dtype=np.float64)
    problems: list[Problem] = []
    for i in np.flatnonzero(~np.isfinite(data) | ((data < 0) & (not negative))):
        cell = f"{rows[int(matrix.row[i])]}, {cols[int(matrix.col[i])]}"
        if np.isfinite(data[i]):
            problems.append(Problem(what, cell, "-", "negative", repr(float(data[i])), "Use gras for such tables."))
        else:
            problems.append(Problem(what, cell, "-", "missing or infinite", repr(float(data[i])), "Zeros stay zero."))
    refuse(problems, what)
    keep = data != 0
    shape = (len(rows), len(cols))
    return _Table(
        matrix.row[keep].astype(np.int64), matrix.col[keep].astype(np.int64), data[keep], shape, rows, cols, form
    )


def _totals(values: Values, keys: list[Any], what: str, negative: bool = False) -> FloatArray:
    like = pd.Series(0.0, index=pd.Index(keys))
    given = keyed(values, what) if isinstance(values, pd.Series | dict) else values
    out = aligned(given, like, what, "Give the total.", np.ones(len(keys), dtype=bool))
    if not negative:
        refuse(
            [
                Problem(what, str(keys[int(i)]), "-", "negative", repr(float(out[i])), "Check sign.")
                for i in np.flatnonzero(out < 0)
            ],
            what,
        )
    return out


def _same_sum(r: FloatArray, c: FloatArray) -> None:
    a, b = float(r.sum()), float(c.sum())
    scale = max(float(np.abs(r).sum()), float(np.abs(c).sum()))
    if abs(a - b) > 1e-9 * scale:
        text = f"rows {a!r}, columns {b!r}"
        refuse(
            [Problem("totals", "-", "-", "rows and columns sum to different totals", text, "Scale one to the other.")],
            "totals",
        )


def _carried(t: _Table, r: FloatArray, c: FloatArray, room: FloatArray | None = None) -> tuple[BoolArray, BoolArray]:
    """Whether a flow that meets the totals leaves more than rounding in each cell, and room for more than rounding.

    Raises, naming the rows and columns that clash, unless the pattern can carry the totals.

    Totals are scaled to integers, so that a clash below about one part in 10^9 of the sum per row is left to the
    iteration to find.
    """
    from scipy import sparse
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    total = max(float(r.sum()), float(c.sum()))
    if total <= 0:
        none = np.zeros(len(t.row), dtype=bool)
        return none, ~none
    n, m = t.shape
    scale = _CAP / total

    def units(v: FloatArray) -> IntArray:
        return np.minimum(np.rint(v * scale), _CAP).astype(np.int64)

    ri, ci = units(r), units(c)
    inner = np.full(len(t.row), _CAP, dtype=np.int64) if room is None else units(room)
    source, sink = n + m, n + m + 1
    tail = np.concatenate((np.full(n, source), t.row, n + np.arange(m)))
    head = np.concatenate((np.arange(n), n + t.col, np.full(m, sink)))
    cap = np.concatenate((ri, inner, ci))
    graph = sparse.csr_array((cap.astype(np.int32), (tail, head)), shape=(sink + 1, sink + 1))
    graph.eliminate_zeros()
    flow = maximum_flow(graph, source, sink)
    want = int(min(ri.sum(), ci.sum()))
    if want - int(flow.flow_value) <= n + m:
        sent = np.asarray(flow.flow[t.row, n + t.col], dtype=np.int64).ravel()
        # Room for all there is never binds.
        return sent > n + m, (sent < inner - (n + m)) | (True if room is None else room >= total)
    residual = sparse.csr_array(graph - flow.flow)
    residual.data = np.where(residual.data > 0, residual.data, 0)
    residual.eliminate_zeros()
    reached = np.zeros(sink + 1, dtype=bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    tight_r = [t.rows[i] for i in np.flatnonzero(reached[:n])]
    tight_c = [t.cols[j] for j in np.flatnonzero(reached[n : n + m])]
    need = float(r[reached[:n]].sum())
    can = float(c[reached[n : n + m]].sum())
    if room is not None:
        cut = reached[:n][t.row] & ~reached[n : n + m][t.col]
        can += float(room[cut].sum())
    shown_r, shown_c = (", ".join(map(str, k[:10])) + (", ..." if len(k) > 10 else "") for k in (tight_r, tight_c))
    raise InfeasibleError(
        f"the totals cannot be met: rows {shown_r} need {need:g}, but may only send to columns "
        f"{shown_c or '(none)'}, which take {can:g}. Zeros stay zero: give one of these rows another cell, or "
        "correct the totals.",
        [*(f"row {k}" for k in tight_r), *(f"column {k}" for k in tight_c)],
    )


def _settled(
    t: _Table, r: FloatArray, c: FloatArray, room: FloatArray | None, tol: float
) -> tuple[BoolArray, BoolArray]:
    """Cells that the totals leave no choice: at nothing, and at all their room, in every table that meets them.

    A cell may differ between two tables that meet the totals exactly if it lies on a ring of cells some of which can
    take more and others less. Where a set of rows and columns has no such way out, its columns take just what its rows
    give, and whatever crosses its border is at a bound; that is checked in the figures themselves.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    less, more = _carried(t, r, c, room)
    n, m = t.shape
    a, b = t.row, n + t.col
    tail, head = np.concatenate((a[more], b[less])), np.concatenate((b[more], a[less]))
    ways = sparse.csr_array((np.ones(len(tail)), (tail, head)), shape=(n + m, n + m))
    _, ring = csgraph.connected_components(ways, directed=True, connection="strong")
    apart = (ring[a] != ring[b]) & (r[t.row] > 0) & (c[t.col] > 0)
    at_low, at_high = np.zeros(len(a), dtype=bool), np.zeros(len(a), dtype=bool)
    limit = min(1e-12, tol) * max(float(r.sum()), float(c.sum()))
    for start in np.unique(np.where(more, ring[b], ring[a])[apart]):
        inside = np.zeros(n + m, dtype=bool)
        first = int(np.flatnonzero(ring == start)[0])
        inside[csgraph.breadth_first_order(ways, first, return_predecessors=False)] = True
        into, out = inside[b] & ~inside[a], inside[a] & ~inside[b]
        slack = float(c[inside[n:]].sum() - r[inside[:n]].sum())
        slack += float(room[out].sum()) if room is not None else 0.0
        if slack <= limit:
            at_low |= into
            at_high |= out
    return at_low & apart, at_high & apart


def _warned(t: _Table, gone: BoolArray, out: Any, stacklevel: int) -> Any:
    """The answer, with the cells named that totals alone have set to nothing."""
    cells = [(t.rows[int(t.row[i])], t.cols[int(t.col[i])]) for i in np.flatnonzero(gone)]
    if cells:
        shown = "; ".join(f"{i}, {j}" for i, j in cells[:10]) + ("; ..." if len(cells) > 10 else "")
        warnings.warn(
            f"the totals leave no room for {len(cells)} of the cells above 0, which are 0 in the answer: {shown}. It is "
            "the limit of scaling, which no factors reach.",
            BoundaryWarning,
            stacklevel=stacklevel,
        )
        if isinstance(out, pd.DataFrame):
            out.attrs["forced_to_zero"] = cells
    return out


def _check_iterations(tol: float, max_iter: int) -> None:
    problems = []
    if not tol > 0:
        problems.append(Problem("tol", "-", "-", "not above 0", repr(tol), "1e-10 is usual."))
    if max_iter < 1:
        problems.append(Problem("max_iter", "-", "-", "below 1", repr(max_iter), "1000 is usual."))
    refuse(problems, "balancing")


def _stalled(t: _Table, x: FloatArray, u: FloatArray, v: FloatArray, error: float, iterations: int) -> SolverError:
    row = t.rows[int(np.abs(t.row_sum(x) - u).argmax())]
    col = t.cols[int(np.abs(t.col_sum(x) - v).argmax())]
    return SolverError(
        f"not converged: after {iterations} rounds the totals are missed by {error:.3g} of their sum, most at row "
        f"{row} and column {col}. Some cell there can only tend to zero or to its bound, or the totals clash, by less "
        "than the test for it can see; take that cell out, or raise tol or max_iter.",
        "iteration limit",
    )


def ras(x0: Any, rows: Values, cols: Values, *, tol: float = 1e-10, max_iter: int = 10_000) -> Any:
    """Balance a table to given totals by scaling rows and columns (RAS, iterative proportional fitting).

    ``X = diag(r) X0 diag(s)`` with ``X 1 = u`` and ``1' X = v``; it minimises ``sum x ln(x / x0)``. Zeros stay zero.
    Where the totals can only be met with some cell above 0 at 0, no factors do it: the answer is the limit of the
    scaling, which is still that minimum, and a warning names the cells.

    Parameters
    ----------
    x0 : DataFrame, ndarray or sparse matrix
        Prior, at least 0, rows by columns.
    rows, cols : Series, mapping or array
        Totals; matched by key for a DataFrame. Must have the same sum.
    tol : float
        Largest miss of a total, relative to the sum of the table.
    max_iter : int
        Rounds at most.

    Returns
    -------
    DataFrame, ndarray or csr_array
        In the form and unit of ``x0``. Of a frame ``.attrs["forced_to_zero"]`` lists the (row, column) of cells above 0
        that the totals set to 0, if there are any.

    Raises
    ------
    SchemaError
        Negative or missing cells, totals with different sums, unknown keys.
    InfeasibleError
        The zeros of ``x0`` forbid the totals; ``.conflict`` names the rows and columns (tested before iterating).
    SolverError
        No convergence: totals so near to a clash, or to forcing a cell to 0, that ``max_iter`` rounds are too few.

    Warns
    -----
    BoundaryWarning
        The totals force cells above 0 to 0 (a row or column whose own total is 0 is not counted).

    Notes
    -----
    Missing policy: a missing cell or total is refused. Source: Stone (1961), Bacharach (1970), Miller & Blair (2009);
    the limit: Csiszár (1975). Evidence T.

    Examples
    --------
    >>> ras([[5, 3, 2], [1, 6, 2], [2, 2, 4]], [12, 10, 9], [10, 11, 10]).round(6)
    array([[6.369686, 3.032696, 2.597618],
           [1.282021, 6.103879, 2.614101],
           [2.348293, 1.863425, 4.788281]])
    """
    _check_iterations(tol, max_iter)
    t = _table(x0, "x0")
    u, v = _totals(rows, t.rows, "rows"), _totals(cols, t.cols, "cols")
    _same_sum(u, v)
    return _scaled(t, u, v, tol, max_iter)


def _scaled(t: _Table, u: FloatArray, v: FloatArray, tol: float, max_iter: int) -> Any:
    """A table without negative cells, its rows and columns scaled by turns."""
    total = float(u.sum())
    if total == 0:
        return t.back(np.zeros_like(t.x))
    gone, _ = _settled(t, u, v, None, tol)
    t = replace(t, x=np.where(gone, 0.0, t.x))
    s = np.ones(t.shape[1])
    x = t.x
    error = np.inf
    for _ in range(max_iter):
        have = t.row_sum(t.x * s[t.col])
        r = np.divide(u, have, out=np.zeros_like(u), where=have > 0)
        have = t.col_sum(t.x * r[t.row])
        s = np.divide(v, have, out=np.zeros_like(v), where=have > 0)
        x = t.x * r[t.row] * s[t.col]
        error = max(float(np.abs(t.row_sum(x) - u).max()), float(np.abs(t.col_sum(x) - v).max())) / total
        if error <= tol:
            return _warned(t, gone, t.back(x), 4)
    raise _stalled(t, x, u, v, error, max_iter)


def gras(x0: Any, rows: Values, cols: Values, *, tol: float = 1e-10, max_iter: int = 10_000) -> Any:
    """Balance a table with negative cells (GRAS): positive cells scale by r s, negative ones by 1 / (r s).

    With ``X0 = P - N``: ``x = r p s - n / (r s)``; each r solves ``p r^2 - u r - n = 0``, likewise each s.

    Parameters
    ----------
    x0 : DataFrame, ndarray or sparse matrix
        Prior of any sign. Signs and zeros are kept.
    rows, cols : Series, mapping or array
        Totals of any sign, same sum.
    tol : float
        Largest miss of a total, relative to the sum of absolute totals.
    max_iter : int
        Rounds at most.

    Returns
    -------
    DataFrame, ndarray or csr_array
        In the form and unit of ``x0``.

    Raises
    ------
    SchemaError
        Missing cells, totals with different sums.
    InfeasibleError
        A row or column has no cell of the sign that its total needs.
    SolverError
        No convergence.

    Notes
    -----
    Missing policy: a missing cell or total is refused. Source: Junius & Oosterhaven (2003). Evidence T. Equal to
    :func:`ras`, its warning included, where no cell is negative; elsewhere totals that force a cell to 0 do not converge.

    Examples
    --------
    >>> x = gras([[7, 3, -2], [5, 8, 1]], [9, 15], [13, 12, -1])
    >>> x.sum(axis=0).round(6).tolist(), x.sum(axis=1).round(6).tolist(), bool((x[0, 2] < 0) & (x[1, 2] > 0))
    ([13.0, 12.0, -1.0], [9.0, 15.0], True)
    """
    _check_iterations(tol, max_iter)
    t = _table(x0, "x0", negative=True)
    u, v = _totals(rows, t.rows, "rows", True), _totals(cols, t.cols, "cols", True)
    _same_sum(u, v)
    p, n = np.maximum(t.x, 0.0), np.maximum(-t.x, 0.0)
    conflict: list[str] = []
    for kind, keys, want, pos, neg in (
        ("row", t.rows, u, t.row_sum(p), t.row_sum(n)),
        ("column", t.cols, v, t.col_sum(p), t.col_sum(n)),
    ):
        bad = ((want > 0) & (pos == 0)) | ((want < 0) & (neg == 0)) | ((want == 0) & ((pos > 0) != (neg > 0)))
        conflict += [f"{kind} {keys[int(i)]}" for i in np.flatnonzero(bad)]
    if conflict:
        raise InfeasibleError(
            f"no cell of the sign that the total needs: {', '.join(conflict[:10])}. Signs and zeros stay.", conflict
        )
    if not n.any():
        return _scaled(t, u, v, tol, max_iter)
    scale = max(float(np.abs(u).sum()), 1e-300)
    s = np.ones(t.shape[1])
    x = t.x
    error = np.inf
    for _ in range(max_iter):
        r = _root(t.row_sum(p * s[t.col]), t.row_sum(n / s[t.col]), u)
        s = _root(t.col_sum(p * r[t.row]), t.col_sum(n / r[t.row]), v)
        f = r[t.row] * s[t.col]
        x = p * f - n / f
        error = max(float(np.abs(t.row_sum(x) - u).max()), float(np.abs(t.col_sum(x) - v).max())) / scale
        if error <= tol:
            return t.back(x)
    raise _stalled(t, x, u, v, error, max_iter)


def _root(p: FloatArray, n: FloatArray, want: FloatArray) -> FloatArray:
    """Positive root of ``p r^2 - want r - n``; 1 for a line without cells."""
    disc = np.sqrt(want**2 + 4.0 * p * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The second form avoids the cancellation that the first suffers where want < 0.
        out = np.where(want >= 0, (want + disc) / (2.0 * p), 2.0 * n / (disc - want))
    return np.where(
        (p == 0) & (n == 0), 1.0, np.where(p == 0, np.where(want < 0, -n / np.minimum(want, -1e-300), 1.0), out)
    )


def balance(
    x0: Any,
    rows: Values,
    cols: Values,
    *,
    low: Any = 0.0,
    high: Any = np.inf,
    tol: float = 1e-10,
    max_iter: int = 10_000,
) -> Any:
    """Entropy balancing with bounds: the table nearest to the prior that meets totals and intervals.

    ``min sum x ln(x / x0) - x`` subject to ``X 1 = u``, ``1' X = v``, ``low <= x <= high``; solved on the dual by turns:
    ``x = clip(x0 r s, low, high)`` with each r (then each s) such that its total is met.

    Parameters
    ----------
    x0 : DataFrame, ndarray or sparse matrix
        Prior, at least 0. Zeros stay zero.
    rows, cols : Series, mapping or array
        Totals with the same sum.
    low, high : float or the form of ``x0``
        Bounds of each cell; a figure that is known is an interval of no width.
    tol : float
        Largest miss of a total, relative to the sum of the table.
    max_iter : int
        Rounds at most.

    Returns
    -------
    DataFrame, ndarray or csr_array
        In the form and unit of ``x0``.

    Raises
    ------
    SchemaError
        Bounds that cross, a positive lower bound on a cell that is zero, totals with different sums.
    InfeasibleError
        Totals and bounds clash; ``.conflict`` names rows and columns.
    SolverError
        No convergence.

    Warns
    -----
    BoundaryWarning
        The totals force cells above 0 to 0; they are named, in a frame's ``.attrs["forced_to_zero"]`` too.

    Notes
    -----
    Missing policy: a missing cell, total or bound is refused. Source: entropy balancing with extra knowledge, as in Lenzen et al. (2009) for soft data. Evidence T.

    Examples
    --------
    >>> balance([[1, 1], [1, 1]], [10, 10], [10, 10], high=np.array([[4, 99], [99, 99]])).round(6)
    array([[4., 6.],
           [6., 4.]])
    """
    _check_iterations(tol, max_iter)
    t = _table(x0, "x0")
    u, v = _totals(rows, t.rows, "rows"), _totals(cols, t.cols, "cols")
    _same_sum(u, v)
    lo, hi = _bounds(t, low, "low"), _bounds(t, high, "high")
    cross = [
        Problem("bounds", f"{t.rows[int(t.row[i])]}, {t.cols[int(t.col[i])]}", "-", "low above high", "", "Swap them.")
        for i in np.flatnonzero(lo > hi)
    ]
    refuse(cross, "bounds")
    ru, cv = u - t.row_sum(lo), v - t.col_sum(lo)
    total = float(u.sum())
    short = [f"row {t.rows[int(i)]}" for i in np.flatnonzero(ru < -1e-12 * total)]
    short += [f"column {t.cols[int(j)]}" for j in np.flatnonzero(cv < -1e-12 * total)]
    if short:
        raise InfeasibleError(f"lower bounds exceed the total of {', '.join(short[:10])}.", short)
    room = np.minimum(hi - lo, max(total, 1.0))
    at_low, at_high = _settled(t, np.maximum(ru, 0.0), np.maximum(cv, 0.0), room, tol)
    gone = at_low & (lo == 0)
    lo, hi = np.where(at_high, hi, lo), np.where(at_low, lo, hi)
    r, s = np.ones(t.shape[0]), np.ones(t.shape[1])
    x = t.x
    error = 0.0
    for _ in range(max_iter):
        r = _multiplier(t.row, t.x * s[t.col], lo, hi, u, r)
        s = _multiplier(t.col, t.x * r[t.row], lo, hi, v, s)
        x = np.clip(t.x * r[t.row] * s[t.col], lo, hi)
        error = max(float(np.abs(t.row_sum(x) - u).max()), float(np.abs(t.col_sum(x) - v).max())) / max(total, 1e-300)
        if error <= tol:
            return _warned(t, gone, t.back(x), 3)
    raise _stalled(t, x, u, v, error, max_iter)


def _bounds(t: _Table, bound: Any, what: str) -> FloatArray:
    if np.ndim(bound) == 0 and not hasattr(bound, "tocoo"):
        return np.full(len(t.x), float(bound))
    if isinstance(bound, pd.DataFrame):
        full = bound.reindex(index=t.rows, columns=t.cols).to_numpy(dtype=np.float64)
    else:
        full = np.asarray(bound.toarray() if hasattr(bound, "toarray") else bound, dtype=np.float64)
    problems: list[Problem] = []
    if full.shape != t.shape:
        problems.append(Problem(what, "-", "-", "another shape than x0", str(full.shape), f"Give {t.shape}."))
    else:
        inside = np.zeros(t.shape, dtype=bool)
        inside[t.row, t.col] = True
        bad: Iterable[Any] = np.argwhere(np.isnan(full) | (full < 0) | ((full > 0) & ~inside & (what == "low")))
        problems += [
            Problem(what, f"{t.rows[i]}, {t.cols[j]}", "-", "missing, negative, or above 0 on a zero cell", "", "")
            for i, j in bad
        ]
    refuse(problems, what)
    return np.asarray(full[t.row, t.col], dtype=np.float64)


def _multiplier(
    line: IntArray, y: FloatArray, lo: FloatArray, hi: FloatArray, want: FloatArray, start: FloatArray
) -> FloatArray:
    """For each line the factor f with ``sum clip(f y, lo, hi) = want``: bisection on ln f, all lines at once."""
    n = len(want)

    def got(log_f: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(line, np.clip(y * np.exp(log_f)[line], lo, hi), n), dtype=np.float64)

    a, b = np.log(start), np.log(start)
    step = 1.0
    for _ in range(12):
        a = np.where(got(a) > want, a - step, a)
        b = np.where(got(b) < want, b + step, b)
        step *= 2.0
        a, b = np.maximum(a, -300.0), np.minimum(b, 300.0)
    for _ in range(80):
        mid = 0.5 * (a + b)
        under = got(mid) < want
        a, b = np.where(under, mid, a), np.where(under, b, mid)
    return np.asarray(np.exp(b), dtype=np.float64)

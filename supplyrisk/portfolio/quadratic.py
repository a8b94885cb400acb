r"""Squares that are only paid for: a convex quadratic programme, with a bound that its own duals prove.

A column :math:`t \ge q^2` (``cone.py``) that stands in no row and is bounded by nothing else equals :math:`q^2` wherever
it costs anything, so that a plan without yes-or-no decisions is

.. math:: \min_x\; c^\top x + \sum_j w_j\, q_j^2 \quad\text{s.t.}\quad \ell \le A x \le u, \quad a \le x \le b

HiGHS solves it by an active set that starts cold, so that a large one is solved in the columns that can matter only: those
that tangents leave between their bounds or at no reduced cost. The duals then price the others, as in column generation
(Dantzig and Wolfe, 1960), until they prove that none can better the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .cone import square_gap
from .highs import Solution, highs, load, power, relative_gap, status_of
from .matrix import Compiled

__all__ = ["PROVEN", "Quadratic", "lifted", "only_paid", "proven", "raised", "stated", "why_not"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Near = Callable[[Compiled, float | None, int], Solution]
# What HiGHS adds to the diagonal of a Hessian (without it its active set cycles), and most steps to take it out again.
_REGULAR = 1e-7
_PROXIMAL = 40
# What is tried: how much finer than the model's scales, and what is added to the diagonal. Of 250 random plans the first
# proved 238; most of the others stalled, and went through with more added around the plan of the tangents (247). Plans of
# the atlas with needs that are small beside their market want finer scales.
_TRIES = ((1.0, _REGULAR), (1.0, 1e-3), (1.0, 1e-1), (16.0, _REGULAR), (128.0, 1e-3), (1024.0, 1e-3))
# Relative gap, proven by the duals, at which a quadratic plan is exact, and the widest that is passed on.
_EXACT = 1e-11
PROVEN = 1e-8
# Columns of a quadratic programme that is handed over whole. Beyond, it is solved in the columns that can matter, found
# by tangents, and the duals prove that the others cannot: HiGHS's active set starts cold, and took 0.06 s at 1,260
# columns, 1 to 3 s at 6,120 and 9 s at 21,200, where tangents took 0.3 s. No more than so many may matter.
_WHOLE = 300
_MATTER = 4000
# Columns from which on the tries that can take seconds are left out where tangents came close enough by themselves.
_LARGE = 1000
_PRICINGS = 25
# Greatest violation of a row, relative to its size, that still counts as meeting it.
_FEASIBLE = 1e-6
# A dual of the wrong sign where there is no bound, in scaled units, that rounding explains.
_ROUND = 1e-9


def _in_rows(c: Compiled) -> BoolArray:
    """Squares that stand in a row that says anything."""
    says = np.isfinite(c.row_lower) | np.isfinite(c.row_upper)
    here = np.repeat(says, np.diff(c.start))
    return np.asarray(np.bincount(c.index[here], minlength=c.n)[c.square] > 0)


def _bounded(c: Compiled) -> BoolArray:
    """Squares that a bound of their own holds (a user's), or that are wanted large."""
    top = np.maximum(np.abs(c.lower[c.square_of]), np.abs(c.upper[c.square_of])) ** 2
    own = (c.lower[c.square] > 0.0) | (c.upper[c.square] < top * (1.0 - 1e-12))
    return np.asarray(own | (c.cost[c.square] < 0.0))


def only_paid(c: Compiled) -> BoolArray:
    """Squares that nothing but their cost asks for, whatever they are over."""
    return ~_in_rows(c) & ~_bounded(c)


def why_not(c: Compiled) -> str:
    """Why a model with squares is no convex quadratic programme; empty where it is one.

    Parameters
    ----------
    c : Compiled
        The model.

    Returns
    -------
    str
    """
    if c.integer.any():
        return "there are yes-or-no decisions"
    if _in_rows(c).any():
        return "a limit on squares is a cone"
    if (c.square_whole >= 0).any():
        return "what arrives is decided too, so that squares over it are a cone"
    if _bounded(c).any():
        return "squares are bounded by themselves"
    return ""


def lifted(c: Compiled, x: FloatArray) -> FloatArray:
    r"""The plan with every square that is only paid for at what it is, where tangents leave it a little below.

    Parameters
    ----------
    c : Compiled
        The model.
    x : ndarray
        A point.

    Returns
    -------
    ndarray
    """
    at = only_paid(c)
    if not at.any():
        return x
    real = x[c.square] + square_gap(c, x) * c.col_scale[c.square_of] ** 2
    out = x.copy()
    out[c.square[at]] = np.clip(real[at], 0.0, c.upper[c.square[at]])
    return out


def raised(c: Compiled, s: Solution) -> tuple[FloatArray, float, float]:
    """A plan by tangents with its squares at what they are: the plan, its objective and the relative gap to its bound.

    Parameters
    ----------
    c : Compiled
        The model.
    s : Solution
        A plan by tangents, so that its objective is a bound where there are no integers.

    Returns
    -------
    tuple of (ndarray, float, float)
    """
    x = lifted(c, s.x)
    objective = float((c.cost * x).sum()) + c.offset
    return x, objective, max(s.gap, relative_gap(objective, min(s.bound, objective)))


@dataclass(frozen=True, eq=False)
class Quadratic:
    """A quadratic programme with columns, rows and costs near 1; the columns of the squares are out of it.

    Attributes
    ----------
    cost, curve : ndarray
        Linear cost, and the diagonal of the Hessian, of each column.
    a : sparse array
        Rows by columns.
    lower, upper, row_lower, row_upper : ndarray
        Bounds.
    col, row : ndarray
        What a unit of a column and of a row is in the model's units.
    most : ndarray
        Upper bounds that follow from those and from rows of what is at least 0.
    top : float
        What a unit of the objective is.
    own : ndarray of bool
        Columns that are in it.
    """

    cost: FloatArray
    curve: FloatArray
    a: Any
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    col: FloatArray
    row: FloatArray
    most: FloatArray
    top: float
    own: BoolArray

    def objective(self, y: FloatArray) -> float:
        """Value of a point."""
        return float((self.cost * y).sum() + 0.5 * (self.curve * y**2).sum())

    def rows(self, free: BoolArray) -> IntArray:
        """Rows that some columns stand in and that say anything."""
        here = np.isfinite(self.row_lower) | np.isfinite(self.row_upper)
        met = np.bincount(self.a.indices[np.repeat(free, np.diff(self.a.indptr))], minlength=len(here)) > 0
        return np.flatnonzero(here & met)

    def part(self, free: BoolArray, y: FloatArray, shift: FloatArray | None = None) -> Compiled:
        """The programme in some columns, the others as they are.

        Parameters
        ----------
        free : ndarray of bool
            Columns that can move.
        y : ndarray
            Values of the others.
        shift : ndarray, optional
            Added to the cost.

        Returns
        -------
        Compiled
            Its Hessian is ``curve[free]``.
        """
        rows = self.rows(free)
        a = self.a[:, np.flatnonzero(free)].tocsr()[rows]
        rest = (self.a @ np.where(free, 0.0, y))[rows]
        n, m = int(free.sum()), len(rows)
        cost = self.cost if shift is None else self.cost + shift
        return Compiled(
            cost[free],
            0.0,
            self.lower[free],
            self.upper[free],
            np.zeros(n, dtype=bool),
            a.indptr.astype(np.int32, copy=False),
            a.indices.astype(np.int32, copy=False),
            a.data,
            self.row_lower[rows] - rest,
            self.row_upper[rows] - rest,
            np.ones(n),
            np.ones(m),
        )

    def reduced(self, y: FloatArray, dual: FloatArray) -> FloatArray:
        """Reduced cost of every column: gradient less what the rows pay for it."""
        out = np.asarray(self.cost + self.curve * y - self.a.T @ dual, dtype=np.float64)
        return np.where(self.own, out, 0.0)

    def apart(self, y: FloatArray, dual: FloatArray, reduced: FloatArray) -> tuple[float, FloatArray]:
        r"""How far the point may be above the least value, and the part of each column in it.

        A convex objective lies above its tangent, and the duals bound that from below:
        :math:`f(x') \ge f(x) - \sum_i |y_i|\,\text{slack}_i - \sum_j |z_j|\,\text{slack}_j` for every feasible
        :math:`x'`, with the slack to the bound that the sign of each dual stands for.

        Parameters
        ----------
        y, dual, reduced : ndarray
            The point, the duals of its rows and its reduced costs.

        Returns
        -------
        tuple of (float, ndarray)
            In units of the scaled objective; infinite where a dual leans on a bound that is none.
        """
        rows = _leans(dual, self.a @ y, self.row_lower, self.row_upper)
        cols = _leans(reduced, y, self.lower, self.most)
        return float(rows.sum() + cols.sum()), cols


def _leans(dual: FloatArray, value: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Each dual times the slack to the bound that it stands for."""
    bound = np.where(dual > 0.0, lower, upper)
    real = np.isfinite(bound)
    slack = np.where(real, np.abs(value - np.where(real, bound, 0.0)), np.where(np.abs(dual) <= _ROUND, 0.0, np.inf))
    return np.where(dual == 0.0, 0.0, np.abs(dual) * np.where(dual == 0.0, 0.0, slack))


def _most(a: Any, lower: FloatArray, upper: FloatArray, row_upper: FloatArray) -> FloatArray:
    """Upper bounds of columns: their own, and what a row of entries and columns that are at least 0 leaves them."""
    cols = np.repeat(np.arange(a.shape[1]), np.diff(a.indptr))
    bad = (a.data < 0.0) | (lower[cols] < 0.0)
    plain = (np.bincount(a.indices[bad], minlength=a.shape[0]) == 0) & np.isfinite(row_upper)
    use = plain[a.indices] & (a.data > 0.0)
    out = upper.copy()
    np.minimum.at(out, cols[use], row_upper[a.indices[use]] / a.data[use])
    return np.where(np.isfinite(upper), upper, np.maximum(out, lower))


def stated(c: Compiled, col: FloatArray, row: FloatArray) -> Quadratic:
    """The quadratic programme of a model for which :func:`why_not` has nothing to say.

    Parameters
    ----------
    c : Compiled
        The model.
    col, row : ndarray
        Scales of its columns and rows.

    Returns
    -------
    Quadratic
    """
    import scipy.sparse as sp

    own = np.ones(c.n, dtype=bool)
    own[c.square] = False
    curve = 2.0 * np.bincount(c.square_of, c.cost[c.square], minlength=c.n) * col**2
    cost = np.where(own, c.cost, 0.0) * col
    size = max(float(np.max(np.abs(cost), initial=0.0)), float(np.max(curve, initial=0.0)))
    top = float(np.exp2(np.round(np.log2(size)))) if size > 0.0 else 1.0
    a = sp.csr_array((c.value * col[c.index] / np.repeat(row, np.diff(c.start)), c.index, c.start), shape=(c.m, c.n))
    lower, upper = np.where(own, c.lower / col, 0.0), np.where(own, c.upper / col, 0.0)
    by_column, row_lower, row_upper = a.tocsc(), c.row_lower / row, c.row_upper / row
    most = _most(by_column, lower, upper, row_upper)
    return Quadratic(cost / top, curve / top, by_column, lower, upper, row_lower, row_upper, col, row, most, top, own)


def proven(
    c: Compiled, near: Near, time_limit: float | None, seed: int
) -> tuple[Solution | None, str, Solution | None]:
    """Solve a convex quadratic programme to a gap that its duals prove.

    Parameters
    ----------
    c : Compiled
        A model for which :func:`why_not` has nothing to say.
    near : callable
        Solves it by tangents; asked where it is too large to be handed over whole, or stops there.
    time_limit : float, optional
        Seconds, of which half are left for tangents where they were not asked yet.
    seed : int
        Of the solver.

    Returns
    -------
    tuple of (Solution or None, str, Solution or None)
        The solution; None where it was not proven, and why, and what tangents found if they were asked.
    """
    began = time.perf_counter()

    def left(part: float = 1.0) -> float | None:
        return None if time_limit is None else max(part * time_limit - (time.perf_counter() - began), 0.0)

    q = stated(c, power(c.col_scale), power(c.row_scale))
    moves = q.own & (q.upper > q.lower)
    fixed = np.where(moves, 0.0, np.where(np.isfinite(q.lower), q.lower, 0.0))
    if int(moves.sum()) <= _WHOLE:
        s, _ = _priced(c, q, moves, fixed, _REGULAR, left(0.5), seed)
        if s is not None:
            return s, "", None
    first, why = near(c, left(), seed), ""
    if first.status != "optimal":
        return None, f"the quadratic programme was not begun ({first.status})", first
    close = raised(c, first)[2] <= PROVEN
    for finer, added in _TRIES:
        if close and added > _REGULAR and int(moves.sum()) > _LARGE:
            continue  # tangents have proven it already: what takes long is not tried
        q = stated(c, power(c.col_scale) / finer, power(c.row_scale) / finer)
        y = np.clip(first.x / q.col, q.lower, q.upper)
        inside = (np.minimum(y - q.lower, q.upper - y) > 0.0) | (q.curve > 0.0)
        free = moves & (inside | (np.abs(first.col_dual) * q.col / q.top <= _REGULAR))
        s, why = _priced(c, q, free, y, added, left(), seed, first.row_dual * q.row / q.top)
        if s is not None:
            return replace(s, iterations=s.iterations + first.iterations), "", first
    return None, why, first


def _priced(
    c: Compiled,
    q: Quadratic,
    free: BoolArray,
    y: FloatArray,
    added: float,
    time_limit: float | None,
    seed: int,
    known: FloatArray | None = None,
) -> tuple[Solution | None, str]:
    """Solve in some columns, and in those that the duals ask for, until they ask for none; None where it stops, and why.

    Where a plan has several duals, those of some columns need not price the others: duals that are ``known`` may prove it.
    """
    began, iterations, why = time.perf_counter(), 0, ""
    for _ in range(_PRICINGS):
        if int(free.sum()) > _MATTER:
            return None, f"more than {_MATTER:,} columns matter to the quadratic programme"
        left = None if time_limit is None else max(time_limit - (time.perf_counter() - began), 0.0)
        status, version, y, dual, steps = _active_set(q, free, y, added, left, seed)
        iterations += steps
        if status != "optimal":
            return None, f"HiGHS's quadratic solver stopped ({status.replace('_', ' ')})"
        reduced = q.reduced(y, dual)
        far, each = q.apart(y, dual, reduced)
        if known is not None and not free.all():
            other = q.reduced(y, known)
            nearer, parts = q.apart(y, known, other)
            if nearer < far:
                dual, reduced, far, each = known, other, nearer, parts
        size = max(abs(q.objective(y)), 1e-12)
        outside = ~free & (each > _EXACT * size / c.n)
        if far <= PROVEN * size and (far <= _EXACT * size or not outside.any()):
            s = _answer(c, q, y, dual, reduced, far, version, iterations, time.perf_counter() - began)
            return s, "HiGHS's quadratic solver missed a row or the objective"
        why = f"HiGHS's quadratic solver came no closer than {far / size:.1e}"
        if not outside.any():
            break
        free = free | outside
    return None, why


def _active_set(
    q: Quadratic, free: BoolArray, y: FloatArray, added: float, time_limit: float | None, seed: int
) -> tuple[str, str, FloatArray, FloatArray, int]:
    """Solve in some columns, by proximal steps (Rockafellar, 1976) until what is added to the diagonal is out of it."""
    c = q.part(free, y)
    h, n, rows = load(c, time_limit=None, gap=None, seed=seed), c.n, q.rows(free)
    curve = q.curve[free]
    at = np.flatnonzero(curve)
    if len(at):
        start = np.concatenate([[0], np.cumsum(curve != 0.0)[:-1]]).astype(np.int32)
        h.passHessian(n, len(at), int(highs().HessianFormat.kTriangular), start, at.astype(np.int32), curve[at])
    h.setOptionValue("qp_regularization_value", added)
    h.setOptionValue("qp_iteration_limit", 1000 + 4 * (n + c.m))  # beyond it cycles: a count, so that runs are alike
    began, steps, version = time.perf_counter(), 0, str(h.version())
    best: tuple[float, FloatArray, FloatArray] | None = None
    if added > _REGULAR:  # around the plan at hand; what is little starts from nothing
        h.changeColsCost(n, np.arange(n, dtype=np.int32), c.cost - added * y[free])
    for k in range(_PROXIMAL):
        if time_limit is not None:
            left = max(time_limit - (time.perf_counter() - began), 0.0)
            h.setOptionValue("time_limit", float(h.getRunTime()) + left)
        h.run()
        status = status_of(h)
        sol, info = h.getSolution(), h.getInfo()
        steps += max(int(info.qp_iteration_count), int(info.simplex_iteration_count), 0)
        if status != "optimal" or not sol.dual_valid:
            break
        z, dual = np.clip(np.array(sol.col_value), c.lower, c.upper), np.zeros(len(q.row_lower))
        dual[rows] = np.array(sol.row_dual)
        whole = y.copy()
        whole[free] = z
        reduced = q.reduced(whole, dual)
        far = q.apart(whole, dual, np.where(free, reduced, 0.0))[0]
        if best is None or far <= max(best[0], _EXACT * abs(q.objective(whole))):
            best = (far, whole, dual)
        if not len(at) or (k and far <= _EXACT * max(abs(q.objective(whole)), 1e-12)):
            break  # once at least, since duals are off by what was added even where the plan is not
        h.changeColsCost(n, np.arange(n, dtype=np.int32), c.cost - added * z)
    if best is None:
        return status, version, y, np.zeros(len(q.row_lower)), steps
    return "optimal", version, best[1], best[2], steps


def _answer(
    c: Compiled,
    q: Quadratic,
    y: FloatArray,
    dual: FloatArray,
    reduced: FloatArray,
    far: float,
    version: str,
    iterations: int,
    took: float,
) -> Solution | None:
    """The solution of a quadratic programme in the model's own units, if it meets its rows."""
    x = lifted(c, np.clip(y * q.col, c.lower, c.upper))
    activity = c.activity(x)
    off = np.maximum(c.row_lower - activity, activity - c.row_upper) / q.row
    plain, value = float((c.cost * x).sum()), q.objective(y) * q.top
    if float(np.max(off, initial=0.0)) > _FEASIBLE or abs(plain - value) > PROVEN * max(abs(value), 1e-12 * q.top):
        return None  # never pass on as optimal what misses a row, or is worth another sum than was minimised
    objective = plain + c.offset
    bound = objective - far * q.top
    pair = dual * q.top / q.row, reduced * q.top / q.col
    gap = relative_gap(objective, bound)
    way = f"convex quadratic programme, solved by HiGHS; its duals prove a gap of at most {max(gap, 1e-16):.1e}"
    return Solution("optimal", x, objective, bound, gap, took, "HiGHS", version, iterations, 0.0, lambda: pair, way)

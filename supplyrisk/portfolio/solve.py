"""Linear programmes with or without integers and squares, handed to HiGHS as whole arrays; other solvers are in ``others``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError
from .cone import ROUNDS, square_gap, tangents, touching
from .firmer import FEASIBLE, firm, off
from .highs import DEFAULT_GAP, Solution, highs, load, power, refusal, relative_gap, status_of, usable
from .matrix import Compiled
from .others import SOLVERS, run_apart
from .quadratic import PROVEN, lifted, only_paid, proven, raised, why_not

__all__ = ["Persistent", "Solution", "conflict_rows", "feasible", "relative_gap", "solve", "usable"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# HiGHS strategies for an irreducible infeasible subsystem; 0 and 1 return nothing, from 2 on the set is found.
_IIS_STRATEGY = 6
# Greatest distance of a square from what it stands for, relative to its size.
_MET = 1e-5
# Objectives further above the bound than this times the gap that was asked are not what was promised.
_PROMISED = 10.0
# A row of a plan whose integers were rounded: missed by more, the rest is solved again around them.
_TIGHT = 1e-8
# Rows of a clash that are tried one by one, each with a solve.
_ONE_BY_ONE = 60
# Part of the gap asked that squares may take where integers have a gap too, the smallest that can be asked of squares, and
# rounds for it.
_PART = 0.5
_LEAST_GAP = 1e-9
_FINER, _FINER_WHOLE = 60, 15
_FINE, _TINY, _LARGE = 1e-10, 1e-12, 1e6
# Status of a point that meets all rows (HiGHS: SolutionStatus.kSolutionStatusFeasible).
_HAS_POINT = 2
# Points of earlier rounds that are tried when time ran out.
_BACK = 3
# Least seconds to settle the rest of a plan that was found when time ran out.
_AFTER = 2.0
# Sizes between 1 and this are handed over as they are.
_NEAR = 2.0**14


# A cost so many times the usual one does not set the scale of costs.
_DEAR = 1e3
# A cost that is less than a part of this of the others is still told apart from nothing.
_CHEAP = 1e5
# Beyond this the usual costs are smaller than the solver's tolerance for the greatest: its answer would be anything.
_FORBIDDING = 1e10


def _scaled(c: Compiled) -> tuple[Compiled, float]:
    """The same model with columns, rows and costs near 1, so that tolerances mean the same in any unit."""
    s, r = power(c.col_scale), power(c.row_scale)
    both = min(s.min(initial=1.0), r.min(initial=1.0)), max(s.max(initial=1.0), r.max(initial=1.0))
    if both[0] >= 1.0 and both[1] <= _NEAR:  # absolute tolerances mean enough as it is; the solver scales the rest
        s, r = np.ones(c.n), np.ones(c.m)
    cost = c.cost * s
    some = np.abs(cost[cost != 0.0])
    top = float(np.max(some, initial=0.0)) or 1.0
    usual = float(np.median(some)) if len(some) else top
    if top > _FORBIDDING * usual:
        _refuse_needs(c, top, usual)
        raise SchemaError(
            [
                Problem(
                    "the plan's costs",
                    "-",
                    "price or weight",
                    "so far above the others that a solver cannot tell these apart",
                    f"{top:.3g} beside {usual:.3g} USD",
                    "A price of unmet need a million times the usual cost forbids as well: lower it, or the term's weight.",
                )
            ],
            "optimize()",
        )
    if top > _DEAR * usual:  # one forbidding price would push all others below the solver's tolerance
        top = max(usual, 1e-7 * top)
    if top > _CHEAP * (least := float(np.min(some[some > _TINY * top], initial=top))):
        top = max(_CHEAP * least, 1e-7 * float(some.max()))
    top = float(power(np.array([top]))[0])
    plain = bool((s == 1.0).all()), bool((r == 1.0).all())
    value = c.value if plain[0] else c.value * s[c.index]
    if not plain[1]:
        value = value / np.repeat(r, np.diff(c.start))
    return (
        replace(
            c,
            cost=cost / top,
            offset=0.0,
            lower=c.lower / s,
            upper=c.upper / s,
            value=value,
            row_lower=c.row_lower / r,
            row_upper=c.row_upper / r,
            col_scale=s,
            row_scale=r,
        ),
        top,
    )


def _refuse_needs(c: Compiled, top: float, usual: float) -> None:
    """Needs, not prices, that are too far apart."""
    flows = ~c.integer & (c.cost != 0.0)  # a plant costs by the piece, however much it makes
    a_unit, size = np.abs(c.cost[flows]), c.col_scale[flows]
    if not flows.any() or float((a_unit * size).max()) * _DEAR < top:
        return
    if a_unit.max() / a_unit.min() > size.max() / size.min() and a_unit.max() > _FORBIDDING * np.median(a_unit):
        return
    what = "so far apart that a solver cannot tell what the least of them costs from nothing"
    hint = "Plan the buyers or products of very small needs by themselves (buyers=, product=)."
    told = f"{top:.3g} beside {usual:.3g} USD"
    raise SchemaError([Problem("the plan's needs", "-", "quantity", what, told, hint)], "optimize()")


def wanted(gap: float | None) -> float:
    """Relative gap at which a plan counts as optimal."""
    return max(DEFAULT_GAP if gap is None else gap, _LEAST_GAP)


def _missed(c: Compiled, x: FloatArray) -> float:
    """Greatest violation of a square, relative to its scale."""
    return float(np.max(square_gap(c, x), initial=0.0)) if len(c.square) else 0.0


def _by_tangents(c: Compiled, missed: float) -> str:
    return f"outer approximation by tangents, squares met within {missed:.1e} of their scale" if len(c.square) else ""


def _run(h: Any) -> str:
    h.run()
    status = status_of(h)
    if status == "unbounded_or_infeasible":  # presolve could not tell the two apart
        h.setOptionValue("presolve", "off")
        h.run()
        status = status_of(h)
    return status


class Persistent:
    """One model kept in the solver: bounds of rows and costs change, the last basis or plan starts the next solve.

    Parameters
    ----------
    c : Compiled
        The model.
    time_limit : float, optional
        Seconds of each solve.
    gap : float, optional
        Relative gap that counts as optimal where there are integers, or squares that are paid for.
    seed : int
        Of the solver.
    relax : bool
        Let integers be fractional.
    """

    def __init__(
        self,
        c: Compiled,
        *,
        time_limit: float | None = None,
        gap: float | None = None,
        seed: int = 0,
        relax: bool = False,
    ) -> None:
        self.compiled = c
        self.time_limit, self.gap, self.seed = time_limit, gap, seed
        scaled, self._top = _scaled(c)
        if np.isnan(scaled.cost).any() or np.isnan(scaled.value).any():  # HiGHS would take the process down with it
            raise refusal(scaled)
        self._col, self._row = scaled.col_scale, scaled.row_scale
        self.mip = bool(c.integer.any()) and not relax
        paid = self.mip and len(c.square) and bool(c.cost[c.square].any())
        self._h = load(scaled, time_limit=None, gap=(1 - _PART) * wanted(gap) if paid else gap, seed=seed, relax=relax)
        self._cuts: list[tuple[IntArray, FloatArray]] = []
        self._last: FloatArray | None = None
        self.solves = 0
        self._fine = False
        # Points of the rounds with integers and their bounds, in the solver's units.
        self._tried: list[tuple[FloatArray, float]] = []
        self._firm = False
        if len(c.square):
            # A tangent that is met only within 1e-6 would be found violated again and again.
            self._h.setOptionValue("mip_feasibility_tolerance", 1e-8)
            self._add_tangents(tangents(c))

    def set_rows(self, rows: Any, lower: Any, upper: Any) -> None:
        """Change the bounds of some rows, in the model's units."""
        at = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        c = self.compiled
        low, high = c.row_lower.copy(), c.row_upper.copy()
        low[at], high[at] = lower, upper
        self.compiled = replace(c, row_lower=low, row_upper=high)
        r = self._row[at]
        self._h.changeRowsBounds(len(at), at.astype(np.int32), low[at] / r, high[at] / r)

    def set_value(self, row: int, col: int, value: float) -> None:
        """Change one coefficient of a row that stands among the model's own, in the model's units."""
        c = self.compiled
        at = np.arange(c.start[row], c.start[row + 1])
        hit = at[c.index[at] == col]
        values = c.value.copy()
        values[hit] = value
        self.compiled = replace(c, value=values)
        self._h.changeCoeff(row, col, value * self._col[col] / self._row[row])

    def set_cost(self, cost: FloatArray, offset: float = 0.0) -> None:
        """Change the whole objective, in the model's units."""
        self.compiled = replace(self.compiled, cost=cost, offset=offset)
        scaled = cost * self._col
        self._top = float(power(np.array([np.max(np.abs(scaled), initial=0.0) or 1.0]))[0])
        self._h.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), scaled / self._top)

    def _add_tangents(self, cut: tuple[IntArray, FloatArray] | None) -> bool:
        if cut is None:
            return False
        self._cuts.append(cut)
        c, (which, at) = self.compiled, cut
        q, t = c.square_of[which], c.square[which]
        k = len(which)
        size = self._col[t]  # t >= 2 a q - a^2 w, divided by the size of t; w is 1 or a column
        large = np.clip(size / np.maximum(at**2, _TINY), 1.0, _LARGE) if self._fine else np.ones(k)
        size = size / large
        w = c.square_whole[which]
        own = w >= 0
        cols, values = np.column_stack([t, q, w]), np.ones((k, 3))
        values[:, 0] = large
        values[:, 1], values[:, 2] = -2.0 * at * self._col[q] / size, at**2 * self._col[w] / size
        real = np.column_stack([np.ones((k, 2), dtype=bool), own])
        start = np.append(0, np.cumsum(real.sum(axis=1))[:-1]).astype(np.int32)
        index, value = cols[real].astype(np.int32), values[real]
        self._h.addRows(k, np.where(own, 0.0, -(at**2) / size), np.full(k, np.inf), len(index), start, index, value)
        return True

    def _finer(self, y: FloatArray) -> tuple[IntArray, FloatArray] | None:
        """Tangents for squares that are only paid for, while they leave the objective further below than the gap asked."""
        c, x = self.compiled, y * self._col
        of, square = c.square_of, c.square
        if not c.cost[square].any():
            return None
        short = np.where(only_paid(c), c.cost[square] * square_gap(c, x) * c.col_scale[of] ** 2, 0.0)
        some = short > 0.0
        size = abs(float((c.cost * x).sum()) + c.offset + float(short[some].sum()))
        most = _PART * wanted(self.gap) * max(size, _TINY)
        if float(short[some].sum()) <= most:
            return None
        if not self._fine:  # what the solver lets pass is more than what is asked
            self._fine = True
            for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
                self._h.setOptionValue(name, _FINE)
        return touching(c, x, np.flatnonzero(short > 0.5 * most / max(int(some.sum()), 1)))

    def _integers(self, on: bool) -> None:
        at = np.flatnonzero(self.compiled.integer).astype(np.int32)
        self._h.changeColsIntegrality(len(at), at, np.full(len(at), int(on), dtype=np.uint8))

    def _go(self, began: float, part: float = 1.0) -> str:
        """Run until no square is violated any more, or a part of the time is over."""
        c, h = self.compiled, self._h
        self._tried.clear()
        more, met = (_FINER_WHOLE if self.mip else _FINER), False
        for i in range(ROUNDS + more):
            if self.time_limit is not None:
                left = part * self.time_limit - (time.perf_counter() - began)
                if i and left <= 0.0:  # small solves end before the solver looks at its clock
                    return "optimal" if met and not self.mip else "time_limit"
                # Over linear programmes the solver's clock runs on from solve to solve; with integers it begins anew.
                h.setOptionValue("time_limit", max(left, 0.0) + (0.0 if self.mip else float(h.getRunTime())))
            if self.mip and self._last is not None:
                h.setSolution(c.n, np.arange(c.n, dtype=np.int32), self._last)
            status = _run(h)
            self.solves += 1
            if status != "optimal" or not len(c.square):
                return status
            y = np.array(h.getSolution().col_value, dtype=np.float64)
            if self.mip:
                self._tried.append((y, float(h.getInfo().mip_dual_bound)))
            cut = tangents(c, y * self._col)
            if cut is None:  # each is met: now their sum, where it is paid for
                cut, more, met = (self._finer(y) if more else None), more - 1, True
            if not self._add_tangents(cut):
                return status
        return "optimal" if met and not self.mip else "round_limit"

    def solve(self, duals: bool = True) -> Solution:
        """Solve as it stands now.

        Parameters
        ----------
        duals : bool
            Whether the duals may be asked for later; those of a model with integers cost one more LP, when asked.

        Returns
        -------
        Solution
            What misses a row is solved a second time, more firmly, and is ``inaccurate`` if that does not help.
        """
        began, limit = time.perf_counter(), self.time_limit
        s = self._once(duals)
        if s.status != "inaccurate" or self._firm:
            return s
        self._firm = True
        firm(self._h, self.compiled, self._col)
        self._last = None
        if limit is not None:
            self.time_limit = max(limit - (time.perf_counter() - began), 0.0)
        s, self.time_limit = self._once(duals), limit
        return s

    def _once(self, duals: bool) -> Solution:
        began = time.perf_counter()
        c, h = self.compiled, self._h
        if self.mip and len(c.square):  # most tangents are found on the relaxation, where a round costs little
            self._integers(False)
            self.mip = False
            self._go(began, 0.5)
            self._integers(True)
            self.mip = True
        status = self._go(began)
        info = h.getInfo()
        version, mip, top = str(h.version()), self.mip, self._top
        bound = float(info.mip_dual_bound) * top + c.offset if mip else np.nan
        gap = float(info.mip_gap) if mip else 0.0
        if status != "optimal":
            if mip and self._tried:  # every round allows too much: the bound of each holds
                lows = [low * top + c.offset for _, low in self._tried]
                bound = max([b for b in (bound, *lows) if np.isfinite(b)], default=bound)
            found = self._incumbent(info, bound, version, began) if mip and status == "time_limit" else None
            took = time.perf_counter() - began
            none = Solution(status, np.zeros(0), np.nan, bound, np.nan, took, "HiGHS", version, 0)
            return none if found is None else found
        sol = h.getSolution()
        y = np.array(sol.col_value, dtype=np.float64)
        pair: Callable[[], tuple[FloatArray, FloatArray]]
        lost = False  # whether nothing is left once what is nearly whole is whole
        if mip:
            whole = np.round(y[c.integer])
            y[c.integer] = whole
            polished = self._fixed(whole)
            if self._off(y) > _TIGHT:  # rounding moved a row: settle the rest for these integers
                lost = polished.run() != "optimal"
                y = y if lost else polished.values()
                y[c.integer] = whole
            self._last = y
            pair = polished.duals
        else:
            valid = bool(sol.dual_valid)
            m, s, r = c.m, self._col, self._row
            # The lists are turned into arrays only when asked, but taken now: the next solve overwrites them.
            rows, cols = (sol.row_dual, sol.col_dual) if duals and valid else ([], [])

            def pair() -> tuple[FloatArray, FloatArray]:
                if not valid or not duals:
                    return np.full(m, np.nan), np.full(len(s), np.nan)
                return np.array(rows[:m]) * top / r, np.array(cols) * top / s

        x = np.clip(y * self._col, c.lower, c.upper)
        took = time.perf_counter() - began
        if lost or self._off(y) > FEASIBLE:  # never pass on as optimal what does not meet its own rows
            return Solution("inaccurate", np.zeros(0), np.nan, bound, gap, took, "HiGHS", version, 0)
        objective = float((c.cost * x).sum()) + c.offset  # no BLAS: its threads stall on a busy machine
        if mip and not len(c.square):  # numbers that were only nearly whole promised more than whole ones hold
            apart = objective - bound
            if apart > _PROMISED * (max(gap, wanted(self.gap)) * abs(objective) + DEFAULT_GAP * top):
                gap = relative_gap(objective, bound)
                status = "near_optimal" if self._firm else "inaccurate"
        missed = _missed(c, x)
        return Solution(
            status,
            x,
            objective,
            bound if mip else objective,
            gap,
            took,
            "HiGHS",
            version,
            int(max(info.simplex_iteration_count, 0)),
            missed,
            pair,
            _by_tangents(c, missed),
        )

    def _incumbent(self, info: Any, bound: float, version: str, began: float) -> Solution | None:
        """The best plan that was found in the time there was, if it meets its rows; its duals are those around it."""
        points = [y for y, _ in self._tried[-_BACK:]]
        if int(info.primal_solution_status) == _HAS_POINT:
            points.append(np.array(self._h.getSolution().col_value, dtype=np.float64))
        own = [s for y in reversed(points) if (s := self._settled(y, bound, version, began)) is not None]
        return min(own, key=lambda s: s.objective, default=None)

    def _settled(self, y: FloatArray, bound: float, version: str, began: float) -> Solution | None:
        """The best plan with the integers of a point."""
        c = self.compiled
        whole = np.round(y[c.integer])
        y[c.integer] = whole
        polished = self._fixed(whole, max(_AFTER, 0.1 * (self.time_limit or 0.0)))
        if polished.run() == "optimal":  # the best around these integers, so that duals belong to it
            y = polished.values()
            y[c.integer] = whole
        x = np.clip(y * self._col, c.lower, c.upper)
        missed = _missed(c, x)
        if self._off(y) > FEASIBLE or missed > _MET:
            return None
        objective = float((c.cost * x).sum()) + c.offset
        took = time.perf_counter() - began
        gap = relative_gap(objective, bound)
        way = _by_tangents(c, missed)
        # At the bound it is proven, however the time ran out.
        status = "optimal" if gap <= (DEFAULT_GAP if self.gap is None else self.gap) else "time_limit"
        return Solution(status, x, objective, bound, gap, took, "HiGHS", version, 0, missed, polished.duals, way)

    def _off(self, y: FloatArray) -> float:
        """Greatest violation of a row, relative to its size."""
        c = self.compiled
        return off(c, np.clip(y * self._col, c.lower, c.upper))

    def _fixed(self, whole: FloatArray, time_limit: float | None = None) -> _Fixed:
        c = self.compiled
        lower, upper = c.lower.copy(), c.upper.copy()
        lower[c.integer] = upper[c.integer] = whole * self._col[c.integer]
        return _Fixed(replace(c, lower=lower, upper=upper), list(self._cuts), self.seed, time_limit, self.gap)


class _Fixed:
    """The LP that is left when the integers stay as they are; solved once, when first asked."""

    def __init__(
        self,
        c: Compiled,
        cuts: list[tuple[IntArray, FloatArray]],
        seed: int,
        time_limit: float | None = None,
        gap: float | None = None,
    ) -> None:
        self._c, self._cuts, self._seed, self._limit, self._gap = c, cuts, seed, time_limit, gap
        self._p: Persistent | None = None
        self._status = ""

    def run(self) -> str:
        if self._p is None:
            plain = replace(self._c, square=self._c.square[:0], square_of=self._c.square_of[:0])
            self._p = Persistent(plain, time_limit=self._limit, gap=self._gap, seed=self._seed, relax=True)
            self._p.compiled = self._c
            for cut in self._cuts:
                self._p._add_tangents(cut)
            self._status = self._p._go(time.perf_counter())
        return self._status

    def values(self) -> FloatArray:
        assert self._p is not None
        return np.array(self._p._h.getSolution().col_value, dtype=np.float64)

    def duals(self) -> tuple[FloatArray, FloatArray]:
        c = self._c
        if self.run() != "optimal" or self._p is None:
            return np.full(c.m, np.nan), np.full(c.n, np.nan)
        p = self._p
        sol = p._h.getSolution()
        if not sol.dual_valid:
            return np.full(c.m, np.nan), np.full(c.n, np.nan)
        return np.array(sol.row_dual[: c.m]) * p._top / p._row, np.array(sol.col_dual) * p._top / p._col


def solve(
    c: Compiled,
    *,
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
    duals: bool = True,
    solver: str = "highs",
) -> Solution:
    """Solve to proven optimality; the duals of a model with integers are those of the LP with the integers fixed.

    Parameters
    ----------
    c : Compiled
        The model.
    time_limit : float, optional
        Seconds.
    gap : float, optional
        Relative gap that counts as optimal where there are integers or squares.
    seed : int
        Of the solver.
    duals : bool
        Whether the duals are wanted.
    solver : {"highs", "scip", "gurobi"}
        Which one, if it is installed (:mod:`supplyrisk.portfolio.others`).

    Returns
    -------
    Solution
        ``status`` is ``optimal``, ``near_optimal``, ``infeasible``, ``unbounded``, ``time_limit`` or what the solver calls
        it. Only an ``optimal`` solution has values, one at the ``time_limit`` where a plan with yes-or-no decisions was
        found, and a ``near_optimal`` one, whose squares could not be met as closely as was asked: then ``gap`` says how
        far it may be from the best.
    """
    began = time.perf_counter()
    if not c.n:  # HiGHS calls a model without columns optimal, whatever its rows ask for
        met = bool((c.row_lower <= 0.0).all() and (c.row_upper >= 0.0).all())
        status = "optimal" if met else "infeasible"
        version = str(highs().Highs().version())
        none = np.zeros(0)
        return Solution(
            status, none, c.offset, c.offset, 0.0, 0.0, "HiGHS", version, 0, 0.0, lambda: (np.zeros(c.m), none)
        )
    if solver != "highs":
        s = _elsewhere(c, solver, time_limit, gap, seed)
        if len(c.square):
            s = replace(s, way=f"squares as they are, by {s.solver}")
    elif len(c.square):
        s = _with_squares(c, time_limit, gap, seed, duals)
    else:
        s = Persistent(c, time_limit=time_limit, gap=gap, seed=seed).solve(duals)
    return replace(s, seconds=time.perf_counter() - began)


def _near(c: Compiled, time_limit: float | None, seed: int) -> Solution:
    return Persistent(c, time_limit=time_limit, gap=_LEAST_GAP, seed=seed).solve()


def _with_squares(c: Compiled, time_limit: float | None, gap: float | None, seed: int, duals: bool) -> Solution:
    """A plan with squares: as a convex quadratic programme where it is one, by tangents where not."""
    began, why, s = time.perf_counter(), why_not(c), None
    if not why and not c.cost[c.square].any():  # they follow what is decided and count for nothing
        none = np.zeros(0, dtype=np.int64)
        plain = replace(c, square=none, square_of=none, square_whole=none)
        s = Persistent(plain, time_limit=time_limit, gap=gap, seed=seed).solve(duals)
        return replace(s, x=lifted(c, s.x)) if usable(s) else s
    if not why and not (np.isnan(c.cost).any() or np.isnan(c.value).any()):
        found, why, s = proven(c, _near, time_limit, seed)
        if found is not None:
            return found
    if s is None:
        left = None if time_limit is None else max(time_limit - (time.perf_counter() - began), 0.0)
        s = Persistent(c, time_limit=left, gap=gap, seed=seed).solve(duals)
    if not usable(s):
        return s
    x, objective, apart = raised(c, s)
    far = f", objective within {apart:.1e}" if apart > s.gap else ""
    enough = apart <= max(wanted(gap), PROVEN)
    status = "near_optimal" if s.status == "optimal" and not enough else s.status
    return replace(s, status=status, x=x, objective=objective, gap=apart, way=f"{s.way}{far}, since {why}")


def _elsewhere(c: Compiled, solver: str, time_limit: float | None, gap: float | None, seed: int) -> Solution:
    """Solve with another solver; duals are those of HiGHS at the integers that it found."""
    d, top = _scaled(c)
    if np.isnan(d.cost).any() or np.isnan(d.value).any():
        raise refusal(d)
    one = np.append(d.col_scale, 1.0)
    model = {k: getattr(d, k) for k in ("cost", "lower", "upper", "integer", "start", "index", "value")}
    model |= {"row_lower": d.row_lower, "row_upper": d.row_upper, "of": c.square_of, "square": c.square}
    model |= {"whole": c.square_whole, "factor": one[c.square_of] ** 2 / (one[c.square] * one[c.square_whole])}
    found = run_apart(solver, model, time_limit, DEFAULT_GAP if gap is None else gap, seed)
    status, name, version = str(found["status"]), SOLVERS[solver][1], str(found["version"])
    bound = float(found["bound"]) * top + c.offset
    y = found["x"]
    if not len(y):
        return Solution(status, np.zeros(0), np.nan, bound, np.nan, 0.0, name, version, 0)
    y = np.where(c.integer, np.round(y), y)
    x = np.clip(y * d.col_scale, c.lower, c.upper)
    missed = _missed(c, x)
    if off(c, x) > FEASIBLE or missed > _MET:
        return Solution("inaccurate", np.zeros(0), np.nan, bound, np.nan, 0.0, name, version, 0)
    objective = float((c.cost * x).sum()) + c.offset
    lower, upper = np.where(c.integer, x, c.lower), np.where(c.integer, x, c.upper)
    none = np.zeros(c.n, dtype=bool)

    def pair() -> tuple[FloatArray, FloatArray]:
        near = Persistent(replace(c, lower=lower, upper=upper, integer=none), seed=seed).solve()
        return near.row_dual, near.col_dual

    return Solution(status, x, objective, bound, relative_gap(objective, bound), 0.0, name, version, 0, missed, pair)


def without_rows(c: Compiled, drop: IntArray) -> Compiled:
    """The model with some rows made free."""
    lower, upper = c.row_lower.copy(), c.row_upper.copy()
    lower[drop], upper[drop] = -np.inf, np.inf
    return replace(c, row_lower=lower, row_upper=upper)


def feasible(c: Compiled, seed: int = 0) -> bool:
    """Whether any point meets all rows."""
    if not c.n:
        return bool((c.row_lower <= 0.0).all() and (c.row_upper >= 0.0).all())
    return Persistent(replace(c, cost=np.zeros(c.n)), seed=seed).solve(duals=False).status == "optimal"


def conflict_rows(
    c: Compiled, groups: list[IntArray], seed: int = 0, finer: IntArray | None = None
) -> tuple[IntArray, str, IntArray]:
    """Rows of a minimal conflicting set of an infeasible model.

    Parameters
    ----------
    c : Compiled
        An infeasible model.
    groups : list of ndarray
        Rows that stand or fall together (one constraint as the user wrote it); every other row always stands.
    seed : int
        Of the solver.
    finer : ndarray of int, optional
        Other rows that are tried one by one where the clash needs the integers.

    Returns
    -------
    tuple of (ndarray, str, ndarray)
        Row numbers, and how they were found: ``iis`` where HiGHS reduced the LP, ``deletion`` where the clash needs
        the integers, so that each group was left out in turn and kept only if the rest can be met without it;
        and the columns whose bounds take part (``iis`` only).
    """
    highspy = highs()
    model = Persistent(replace(c, cost=np.zeros(c.n)), seed=seed, relax=True) if c.n else None
    if model is not None and model._go(time.perf_counter()) == "infeasible":
        h = model._h
        h.setOptionValue("iis_strategy", _IIS_STRATEGY)
        status, iis = h.getIis()
        rows = np.asarray(iis.row_index_, dtype=np.int64)
        rows = rows[rows < c.m]  # beyond them stand tangents, which always hold
        if status == highspy.HighsStatus.kOk and iis.valid_ and len(rows):
            return np.sort(rows), "iis", np.asarray(iis.col_index_, dtype=np.int64)
    kept = list(range(len(groups)))
    out: list[int] = []
    for g in list(kept):
        rest = [k for k in kept if k != g]
        gone = [groups[k] for k in range(len(groups)) if k not in rest]
        if feasible(without_rows(c, np.concatenate(gone)), seed):
            out.append(g)
        else:
            kept = rest
    gone = [groups[k] for k in range(len(groups)) if k not in kept]
    free = np.concatenate(gone) if gone else np.zeros(0, dtype=np.int64)
    rows = np.concatenate([groups[k] for k in kept]) if kept else np.zeros(0, dtype=np.int64)
    rows = np.unique(np.concatenate([rows, finer])) if finer is not None and len(kept) else np.sort(rows)
    if len(rows) <= _ONE_BY_ONE:
        for r in rows.tolist():
            without = np.append(free, r)
            if not feasible(without_rows(c, without), seed):
                free = without
    return rows[~np.isin(rows, free)], "deletion", np.zeros(0, dtype=np.int64)

"""HiGHS, called once with whole arrays. The only module that imports highspy."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SolverError
from .matrix import Compiled

__all__ = ["Solution", "conflict_rows", "feasible", "solve"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# HiGHS strategies for an irreducible infeasible subsystem; 0 and 1 return nothing, from 2 on the set is found.
_IIS_STRATEGY = 6
# Relative gap at which a plan with yes-or-no decisions counts as optimal.
DEFAULT_GAP = 1e-6
# Greatest violation of a row, relative to its size, that still counts as meeting it.
_FEASIBLE = 1e-5


@dataclass(frozen=True, eq=False)
class Solution:
    """What the solver found: primal and dual values in the model's own units, and how it ended."""

    status: str
    x: FloatArray
    row_dual: FloatArray
    col_dual: FloatArray
    objective: float
    bound: float
    gap: float
    seconds: float
    solver: str
    version: str
    iterations: int


def _highs() -> Any:
    try:
        import highspy
    except ImportError as err:
        raise SolverError(
            "the solver HiGHS is not installed. Install it with `pip install highspy`; everything but plans works without.",
            "missing_solver",
        ) from err
    return highspy


def _scaled(c: Compiled) -> tuple[Compiled, float]:
    """The same model with columns, rows and costs near 1, so that tolerances mean the same in any unit."""
    s, r = c.col_scale, c.row_scale
    cost = c.cost * s
    top = float(np.max(np.abs(cost), initial=0.0)) or 1.0
    value = c.value * s[c.index] / np.repeat(r, np.diff(c.start))
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
        ),
        top,
    )


def _load(c: Compiled, *, time_limit: float | None, gap: float | None, seed: int, relax: bool = False) -> Any:
    highspy = _highs()
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("random_seed", int(seed))
    h.setOptionValue("mip_rel_gap", DEFAULT_GAP if gap is None else float(gap))
    if time_limit is not None:
        h.setOptionValue("time_limit", float(time_limit))
    kinds = c.integer.astype(np.int32) if c.integer.any() and not relax else np.zeros(0, dtype=np.int32)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = c.n, c.m
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = c.cost, c.lower, c.upper
    lp.row_lower_, lp.row_upper_ = c.row_lower, c.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = c.n, c.m
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = c.start, c.index, c.value
    if len(kinds):
        lp.integrality_ = [
            highspy.HighsVarType.kInteger if k else highspy.HighsVarType.kContinuous for k in kinds.tolist()
        ]
    status = h.passModel(lp)
    if status == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refused the model: a coefficient or bound is not a number it can take.", "refused")
    return h


def _status(h: Any) -> str:
    highspy = _highs()
    s = highspy.HighsModelStatus
    names = {
        s.kOptimal: "optimal",
        s.kModelEmpty: "optimal",
        s.kInfeasible: "infeasible",
        s.kUnbounded: "unbounded",
        s.kUnboundedOrInfeasible: "unbounded_or_infeasible",
        s.kTimeLimit: "time_limit",
        s.kIterationLimit: "iteration_limit",
        s.kInterrupt: "interrupted",
    }
    status = h.getModelStatus()
    return str(names.get(status, h.modelStatusToString(status).lower().replace(" ", "_")))


def _run(h: Any) -> str:
    h.run()
    status = _status(h)
    if status == "unbounded_or_infeasible":  # presolve could not tell the two apart
        h.setOptionValue("presolve", "off")
        h.run()
        status = _status(h)
    return status


def solve(
    c: Compiled, *, time_limit: float | None = None, gap: float | None = None, seed: int = 0, duals: bool = True
) -> Solution:
    """Solve to proven optimality; the duals of a model with integers are those of the LP with the integers fixed.

    Parameters
    ----------
    c : Compiled
        The model.
    time_limit : float, optional
        Seconds.
    gap : float, optional
        Relative gap that counts as optimal where there are integers.
    seed : int
        Of the solver.
    duals : bool
        Whether the duals are wanted.

    Returns
    -------
    Solution
        ``status`` is ``optimal``, ``infeasible``, ``unbounded``, ``time_limit`` or what HiGHS calls it. Only an
        ``optimal`` solution has values.
    """
    began = time.perf_counter()
    scaled, top = _scaled(c)
    if not c.n:  # HiGHS calls a model without columns optimal, whatever its rows ask for
        met = bool((c.row_lower <= 0.0).all() and (c.row_upper >= 0.0).all())
        none = np.zeros(0)
        status = "optimal" if met else "infeasible"
        version = str(_highs().Highs().version())
        duals_ = np.zeros(c.m) if met else none
        return Solution(status, none, duals_, none, c.offset, c.offset, 0.0, 0.0, "HiGHS", version, 0)
    if np.isnan(scaled.cost).any() or np.isnan(scaled.value).any():  # HiGHS would take the process down with it
        raise SolverError(
            "a cost or coefficient of the plan is not a number: a unit cost or capital cost is missing.", "refused"
        )
    h = _load(scaled, time_limit=time_limit, gap=gap, seed=seed)
    status = _run(h)
    info = h.getInfo()
    empty = np.zeros(0)
    version = str(h.version())
    if status != "optimal":
        bound = float(info.mip_dual_bound) * top if c.integer.any() else np.nan
        incumbent = float(info.objective_function_value) * top + c.offset
        took = time.perf_counter() - began
        rel = float(info.mip_gap) if c.integer.any() else np.nan
        return Solution(status, empty, empty, empty, incumbent, bound, rel, took, "HiGHS", version, 0)
    sol = h.getSolution()
    y = np.array(sol.col_value, dtype=np.float64) if c.n else np.zeros(0)
    mip = bool(c.integer.any())
    rel_gap = float(info.mip_gap) if mip else 0.0
    iterations = int(max(info.simplex_iteration_count, 0))
    bound = float(info.mip_dual_bound) * top + c.offset if mip else np.nan
    if mip:
        whole = np.round(y[c.integer])
        y[c.integer] = whole
        if duals:
            lower, upper = scaled.lower.copy(), scaled.upper.copy()
            lower[c.integer] = upper[c.integer] = whole
            h = _load(replace(scaled, lower=lower, upper=upper), time_limit=time_limit, gap=gap, seed=seed, relax=True)
            if _run(h) == "optimal":
                sol = h.getSolution()
                y = np.array(sol.col_value, dtype=np.float64)
                y[c.integer] = whole
    row_dual = np.array(sol.row_dual, dtype=np.float64) if sol.dual_valid else np.full(c.m, np.nan)
    col_dual = np.array(sol.col_dual, dtype=np.float64) if sol.dual_valid else np.full(c.n, np.nan)
    x = np.clip(y * c.col_scale, c.lower, c.upper)
    activity = c.activity(x)
    off = np.maximum(c.row_lower - activity, activity - c.row_upper) / c.row_scale
    if float(np.max(off, initial=0.0)) > _FEASIBLE:  # never pass on as optimal what does not meet its own rows
        return Solution(
            "inaccurate", empty, empty, empty, np.nan, bound, rel_gap, time.perf_counter() - began, "HiGHS", version, 0
        )
    objective = float(c.cost @ x) + c.offset
    return Solution(
        "optimal",
        x,
        row_dual * top / c.row_scale if len(row_dual) == c.m else np.full(c.m, np.nan),
        col_dual * top / c.col_scale if len(col_dual) == c.n else np.full(c.n, np.nan),
        objective,
        bound if mip else objective,
        rel_gap,
        time.perf_counter() - began,
        "HiGHS",
        version,
        iterations,
    )


def without_rows(c: Compiled, drop: IntArray) -> Compiled:
    """The model with some rows made free."""
    lower, upper = c.row_lower.copy(), c.row_upper.copy()
    lower[drop], upper[drop] = -np.inf, np.inf
    return replace(c, row_lower=lower, row_upper=upper)


def feasible(c: Compiled, seed: int = 0) -> bool:
    """Whether any point meets all rows."""
    if not c.n:
        return bool((c.row_lower <= 0.0).all() and (c.row_upper >= 0.0).all())
    scaled, _ = _scaled(replace(c, cost=np.zeros(c.n)))
    return _run(_load(scaled, time_limit=None, gap=None, seed=seed)) == "optimal"


def conflict_rows(c: Compiled, groups: list[IntArray], seed: int = 0) -> tuple[IntArray, str]:
    """Rows of a minimal conflicting set of an infeasible model.

    Parameters
    ----------
    c : Compiled
        An infeasible model.
    groups : list of ndarray
        Rows that stand or fall together (one constraint as the user wrote it); every other row always stands.
    seed : int
        Of the solver.

    Returns
    -------
    tuple of (ndarray, str)
        Row numbers, and how they were found: ``iis`` where HiGHS reduced the LP, ``deletion`` where the clash needs
        the integers, so that each group was left out in turn and kept only if the rest can be met without it.
    """
    highspy = _highs()
    scaled, _ = _scaled(replace(c, cost=np.zeros(c.n)))
    h = _load(scaled, time_limit=None, gap=None, seed=seed, relax=True)
    if c.n and _run(h) == "infeasible":
        h.setOptionValue("iis_strategy", _IIS_STRATEGY)
        status, iis = h.getIis()
        rows = np.asarray(iis.row_index_, dtype=np.int64)
        if status == highspy.HighsStatus.kOk and iis.valid_ and len(rows):
            return np.sort(rows), "iis"
    kept = list(range(len(groups)))
    out: list[int] = []
    for g in list(kept):
        rest = [k for k in kept if k != g]
        gone = [groups[k] for k in range(len(groups)) if k not in rest]
        if feasible(without_rows(c, np.concatenate(gone)), seed):
            out.append(g)
        else:
            kept = rest
    rows = np.concatenate([groups[k] for k in kept]) if kept else np.zeros(0, dtype=np.int64)
    return np.sort(rows), "deletion"

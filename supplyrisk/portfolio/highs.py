"""HiGHS itself: the only module that imports highspy, how a model of arrays gets into it, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SolverError
from .matrix import Compiled

__all__ = ["DEFAULT_GAP", "Solution", "highs", "load", "power", "refusal", "relative_gap", "status_of", "usable"]

FloatArray = npt.NDArray[np.float64]
# Relative gap at which a plan with yes-or-no decisions or squares counts as optimal.
DEFAULT_GAP = 1e-6
# Coefficients from here on are refused, and bounds taken as none (HiGHS: large_matrix_value, infinite_bound).
_LARGEST, _WHOLE = 1e15, 1e20
# Rows that a refusal names.
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Solution:
    """What the solver found: primal and dual values in the model's own units, and how it ended."""

    status: str
    x: FloatArray
    objective: float
    bound: float
    gap: float
    seconds: float
    solver: str
    version: str
    iterations: int
    # Greatest violation of a square (see cone.py), relative to its size; 0 where there are none.
    violation: float = 0.0
    _duals: Callable[[], tuple[FloatArray, FloatArray]] = lambda: (np.zeros(0), np.zeros(0))
    # How squares were dealt with, in words; empty where there are none.
    way: str = ""

    @cached_property
    def _dual_pair(self) -> tuple[FloatArray, FloatArray]:
        return self._duals()

    @property
    def row_dual(self) -> FloatArray:
        """Change of the objective for one unit more on each row's right-hand side; integers stay as they are."""
        return self._dual_pair[0]

    @property
    def col_dual(self) -> FloatArray:
        """Reduced cost of each column; integers stay as they are."""
        return self._dual_pair[1]


def usable(s: Solution) -> bool:
    """Whether there is a plan: proven optimal, or near to it, or the best that was found when time ran out."""
    return s.status in ("optimal", "near_optimal") or (s.status == "time_limit" and len(s.x) > 0)


def relative_gap(objective: float, bound: float) -> float:
    """How far an objective may be above the least possible, as a part of itself.

    Examples
    --------
    >>> relative_gap(110.0, 99.0), relative_gap(0.0, 0.0)
    (0.1, 0.0)
    """
    apart = objective - bound
    return float(max(apart, 0.0) / max(abs(objective), 1e-12)) if apart != 0.0 else 0.0


def highs() -> Any:
    """The module highspy, or what to do where it is not installed."""
    try:
        import highspy
    except ImportError as err:
        raise SolverError(
            "the solver HiGHS is not installed. Install it with `pip install highspy`; everything but plans works without.",
            "missing_solver",
        ) from err
    return highspy


def power(scale: FloatArray) -> FloatArray:
    """Nearest powers of two: scaling by them rounds nothing."""
    return np.asarray(np.exp2(np.round(np.log2(scale))), dtype=np.float64)


def refusal(c: Compiled) -> SolverError:
    """Why no solver takes a model: the first rows with a coefficient or bound that is no number, or the costs."""
    with np.errstate(invalid="ignore"):
        bad = ~((c.row_lower < _WHOLE) & (c.row_upper > -_WHOLE))
        terms = ~(np.abs(c.value) < _LARGEST)
    bad[np.repeat(np.arange(c.m), np.diff(c.start))[terms]] = True
    rows = np.flatnonzero(bad).tolist()
    names = [c.name_of(i) if c.name_of is not None else f"row {i}" for i in rows[:_SHOWN]]
    more = f" and {len(rows) - _SHOWN} more rows" if len(rows) > _SHOWN else ""
    where = (
        "; ".join(names) + more
        if rows
        else "the costs or bounds of the decisions (a unit cost or capital cost is missing)"
    )
    return SolverError(
        f"a coefficient, cost or bound of the plan is not a number, or above what a solver takes: {where}. "
        "Check what the constraint divides by, and the figures behind it.",
        "refused",
    )


def load(c: Compiled, *, time_limit: float | None, gap: float | None, seed: int, relax: bool = False) -> Any:
    """A solver that holds the model as it is; with ``relax`` integers may be fractional."""
    highspy = highs()
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.setOptionValue("random_seed", int(seed))
    h.setOptionValue("mip_rel_gap", DEFAULT_GAP if gap is None else float(gap))
    if time_limit is not None:
        h.setOptionValue("time_limit", float(time_limit))
    kinds = np.zeros(c.n, dtype=np.int32) if relax else c.integer.astype(np.int32)
    # Whole arrays by pointer: the attributes of HighsLp would each go through a Python list.
    status = h.passModel(
        c.n,
        c.m,
        len(c.value),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        c.cost,
        c.lower,
        c.upper,
        c.row_lower,
        c.row_upper,
        c.start,
        c.index,
        c.value,
        kinds,
    )
    if status == highspy.HighsStatus.kError:
        raise refusal(c)
    return h


def status_of(h: Any) -> str:
    """How the last run of a solver ended, in the words of a plan."""
    highspy = highs()
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

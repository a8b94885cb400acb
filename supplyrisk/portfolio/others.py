"""SCIP and Gurobi for a plan, where they are installed: the same matrices and cones, solved in a process of their own.

Their wheels bring libraries that can clash with those of HiGHS, and SCIP's has been seen to crash on plans of 21,000
columns; in a process of its own the solver takes nothing down with it. Duals are those of HiGHS at the integers found.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SolverError, unknown_name

__all__ = ["SOLVERS", "available", "check", "run_apart"]

FloatArray = npt.NDArray[np.float64]
# Solver to the module it comes in and how it is called.
SOLVERS = {"highs": ("highspy", "HiGHS"), "scip": ("pyscipopt", "SCIP"), "gurobi": ("gurobipy", "Gurobi")}
_APART = str(Path(__file__).with_name("apart.py"))


def available() -> tuple[str, ...]:
    """Solvers that are installed.

    Examples
    --------
    >>> "highs" in available()
    True
    """
    return tuple(s for s, (module, _) in SOLVERS.items() if importlib.util.find_spec(module) is not None)


def check(solver: str) -> str:
    """A solver that is installed.

    Raises
    ------
    UnknownNameError
        No such solver.
    SolverError
        It is not installed; the error says which are.
    """
    if not isinstance(solver, str) or solver not in SOLVERS:
        raise unknown_name("solver", str(solver), SOLVERS, "the plan")
    module, name = SOLVERS[solver]
    if importlib.util.find_spec(module) is None:
        there = ", ".join(f"solver={s!r}" for s in available()) or "none"
        raise SolverError(
            f"the solver {name} is not installed. Install it with `pip install {module}`, or use one that is: {there}.",
            "missing_solver",
        )
    return solver


def run_apart(solver: str, model: dict[str, Any], time_limit: float | None, gap: float, seed: int) -> dict[str, Any]:
    """Solve a model of arrays in a process of its own.

    Parameters
    ----------
    solver : {"scip", "gurobi"}
        Which.
    model : dict of ndarray
        ``cost, lower, upper, integer, start, index, value, row_lower, row_upper``, and cones
        ``factor * x[of]^2 <= x[square] * x[whole]`` (-1: 1).
    time_limit, gap, seed
        As everywhere.

    Returns
    -------
    dict
        ``status, x, objective, bound, version``; ``x`` is empty where no point was found.

    Raises
    ------
    SolverError
        The process died.
    """
    name = SOLVERS[solver][1]
    limit = np.inf if time_limit is None else float(time_limit)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        np.savez(path / "model.npz", **model, options=np.array([limit, gap, float(seed)]))
        done = subprocess.run(
            [sys.executable, "-c", f"import runpy; runpy.run_path({_APART!r})['work']({solver!r}, {str(path)!r})"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            timeout=None if time_limit is None else 60.0 + 10.0 * limit,
        )
        if done.returncode or not (path / "answer.npz").exists():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise SolverError(
                f"{name} gave up: {last}. Nothing else is harmed; leave solver= out to use HiGHS.", "solver_died"
            )
        with np.load(path / "answer.npz") as found:
            return {k: found[k] for k in found.files}

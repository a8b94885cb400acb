"""A plan under a cap on its concentration (HHI): tangents on HiGHS beside the cone in Clarabel and SCIP."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any

import numpy as np

from supplyrisk.portfolio.cone import add_squares
from supplyrisk.portfolio.matrix import Matrix
from supplyrisk.portfolio.solve import solve

from ..harness import Missing, Phases, benchmark


@cache
def _apart() -> Any:
    """A process for SCIP alone: its wheel and highspy's bring libraries that crash each other in one process."""
    if importlib.util.find_spec("pyscipopt") is None:
        raise Missing("pyscipopt")
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _scip(cost: Any, limit: Any, need: Any, cap: float) -> tuple[float, float]:
    pyscipopt: Any = importlib.import_module("pyscipopt")

    s, b = cost.shape
    m = pyscipopt.Model()
    m.hideOutput()
    x = [[m.addVar(lb=0.0) for _ in range(b)] for _ in range(s)]
    q = [m.addVar(lb=0.0, ub=1.0) for _ in range(s)]
    total = float(need.sum())
    for i in range(s):
        m.addCons(pyscipopt.quicksum(x[i]) <= float(limit[i]))
        m.addCons(pyscipopt.quicksum(x[i]) == total * q[i])
    for j in range(b):
        m.addCons(pyscipopt.quicksum(x[i][j] for i in range(s)) == float(need[j]))
    m.addCons(pyscipopt.quicksum(v * v for v in q) <= cap)
    m.setObjective(pyscipopt.quicksum(float(cost[i, j]) * x[i][j] for i in range(s) for j in range(b)))
    m.optimize()
    return float(m.getObjVal()), sum(m.getVal(v) ** 2 for v in q)


@benchmark(
    sizes={
        "S": {"suppliers": 8, "buyers": 6},
        "M": {"suppliers": 100, "buyers": 210},
        "L": {"suppliers": 200, "buyers": 210},
    },
    aims={"clarabel": ("clarabel", 3.0), "scip": ("scip", 3.0)},
    repeat=3,
)
def plan_hhi(seed: int, suppliers: int, buyers: int) -> Phases:
    """Cheapest deliveries (42,000 columns at L) with the HHI of the suppliers' shares capped; model, transfer, solve."""
    try:
        cp: Any = importlib.import_module("cvxpy")
    except ImportError as err:
        raise Missing("cvxpy") from err
    rng = np.random.default_rng(seed)
    s, b = suppliers, buyers
    need = rng.uniform(1.0, 20.0, b)
    limit = need.sum() * rng.dirichlet(np.full(s, 0.5)) * 3.0 + need.sum() / s
    cost = rng.uniform(1.0, 3.0, (s, 1)) * rng.uniform(0.9, 1.2, (s, b))
    total = float(need.sum())
    free = _tangents(cost, limit, need, 1.0)[1]
    cap = float(0.5 * free + 0.5 / s)  # half way from the cheapest plan to the even one

    def clarabel() -> tuple[float, float]:
        x = cp.Variable((s, b), nonneg=True)
        q = cp.sum(x, axis=1)
        rows = [q <= limit, cp.sum(x, axis=0) == need, cp.sum_squares(q / total) <= cap]
        problem = cp.Problem(cp.Minimize(cp.sum(cp.multiply(cost, x))), rows)
        value = float(problem.solve(solver="CLARABEL"))
        return value, float(((x.value.sum(axis=1) / total) ** 2).sum())

    ours = _tangents(cost, limit, need, cap)
    peer = clarabel()
    if not np.isclose(ours[0], peer[0], rtol=1e-5) or ours[1] > cap * (1 + 1e-3) + 1e-6:
        raise AssertionError(f"objective and HHI: ours {ours}, Clarabel {peer}, cap {cap}")

    def mine() -> tuple[float, float]:
        return _tangents(cost, limit, need, cap)

    phases: dict[str, Any] = {"clarabel": {"supplyrisk": mine, "clarabel": clarabel}}
    try:
        pool = _apart()
        other = pool.submit(_scip, cost, limit, need, cap).result(timeout=600)
    except (Missing, BrokenProcessPool):  # not installed, or its process died: the other peer stands
        return phases
    if not np.isclose(ours[0], other[0], rtol=1e-5):
        raise AssertionError(f"objective: ours {ours[0]}, SCIP {other[0]}")
    phases["scip"] = {"supplyrisk": mine, "scip": lambda: pool.submit(_scip, cost, limit, need, cap).result()}
    return phases


def _tangents(cost: Any, limit: Any, need: Any, cap: float) -> tuple[float, float]:
    """Objective and HHI by the package's own route."""
    s, b = cost.shape
    total = float(need.sum())
    m = Matrix()
    x = m.add_columns("flow", s * b, scale=total / s)
    q = m.add_columns("part", s, upper=1.0, scale=4.0 / s)
    t = add_squares(m, "part_squared", q)
    who = np.repeat(np.arange(s), b)
    m.add_rows("need", b, np.tile(np.arange(b), s), x.at, 1.0, lower=need, upper=need, scale=total / b)
    m.add_rows("limit", s, who, x.at, 1.0, upper=limit, scale=total / s)
    m.add_rows(
        "part_of",
        s,
        np.concatenate([who, np.arange(s)]),
        np.concatenate([x.at, q.at]),
        np.concatenate([np.full(s * b, 1.0 / total), -np.ones(s)]),
        lower=0.0,
        upper=0.0,
        scale=4.0 / s,
    )
    m.add_rows("max_hhi", 1, np.zeros(s), t.at, 1.0, upper=cap, scale=cap)
    m.add_cost(x.at, cost.ravel())
    out = solve(m.compile(), duals=False)
    return out.objective, float((out.x[q.at] ** 2).sum())

"""The standard two-stage plan, from arrays to the solver's answer, beside bare matrices, linopy and cvxpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from supplyrisk.portfolio.arrays import complete, live_model
from supplyrisk.portfolio.solve import Persistent, solve

from ..harness import Phases, benchmark
from ..instances import cvxpy_problem, instance, linopy_model, ours, pass_raw, pyomo_rules, raw, raw_options

_SIZES = {
    "S": {"stages": 2, "suppliers": 6, "countries": 4, "scenarios": 5, "openings": 3},
    "M": {"stages": 3, "suppliers": 20, "countries": 10, "scenarios": 32, "openings": 6},
    "L": {"stages": 3, "suppliers": 30, "countries": 20, "scenarios": 32, "openings": 6},
}


def _ran(h: Any) -> Any:
    h.run()
    return h


@benchmark(
    sizes=_SIZES, aims={"solved": ("highspy, matrices", 1.15), "handed over": ("linopy", 1.0)}, repeat=5, aimed="ML"
)
def plan_two_stage(seed: int, **size: int) -> Phases:
    """Arcs, capacities, balances, share caps, openings, CVaR: build + transfer, and build + transfer + solve.

    Ours is the route of ``optimize``: the model layer and one hand-over. The live Pyomo model, all members made, is what
    ``plan.model`` costs when somebody asks for it; it is not needed to solve.
    """
    d = instance(**size, seed=seed)
    want = _ran(pass_raw(raw(d))).getInfo().objective_function_value
    got = {"supplyrisk": solve(ours(d).compile()).objective}
    got["linopy"] = _ran(raw_options(linopy_model(d).to_highspy())).getInfo().objective_function_value
    problem = cvxpy_problem(d)
    if size["scenarios"] <= 5:
        got["cvxpy"] = float(problem.solve(solver="HIGHS", mip_rel_gap=1e-6))
    for name, value in got.items():
        if not np.isclose(value, want, rtol=1e-5):
            raise AssertionError(f"{name} finds {value}, highspy {want}")

    def live() -> Any:
        m = ours(d)
        return complete(live_model("plan"), m)

    return {
        "handed over": {
            "supplyrisk": lambda: Persistent(ours(d).compile()),
            "highspy, matrices": lambda: pass_raw(raw(d)),
            "linopy": lambda: linopy_model(d).to_highspy(),
            "cvxpy": lambda: cvxpy_problem(d).get_problem_data("HIGHS"),
        },
        "solved": {
            "supplyrisk": lambda: solve(ours(d).compile()),
            "highspy, matrices": lambda: _ran(pass_raw(raw(d))),
            "linopy": lambda: _ran(raw_options(linopy_model(d).to_highspy())),
        },
        "live model": {"supplyrisk": live, "pyomo, rules": lambda: pyomo_rules(raw(d))},
    }

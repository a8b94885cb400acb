"""One plan on the atlas, beside the same matrices handed straight to highspy."""

from __future__ import annotations

from typing import Any

import numpy as np

import supplyrisk as sr

from ..harness import Phases, benchmark


def _raw(c: Any) -> Any:
    """Pass a compiled model to HiGHS as arrays, with no names and no Python objects."""
    import highspy

    h: Any = getattr(highspy, "Highs")()  # noqa: B009 - the class is untyped
    h.setOptionValue("output_flag", False)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = c.n, c.m
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = c.cost, c.lower, c.upper
    lp.row_lower_, lp.row_upper_ = c.row_lower, c.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = c.n, c.m
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = c.start, c.index, c.value
    if np.any(c.integer):
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(k)] for k in c.integer]
    h.passModel(lp)
    h.run()
    return h


@benchmark(sizes={"S": {"products": ("gallium.refined",)}, "M": {"products": None}})
def plan_against_highs(seed: int, products: tuple[str, ...] | None) -> Phases:
    """Whole plan (tables, model, solve, report) of the default buyers; the limit is the bare solver on its matrices."""
    graph = sr.load_atlas()
    ask: dict[str, Any] = {
        "product": products,
        "constraints": [sr.max_share("CHN", 0.95, view="control")],
        "seed": seed,
    }
    plan = sr.optimize(graph, **ask)
    compiled = plan._compiled
    value = _raw(compiled).getInfo().objective_function_value + compiled.offset
    if not np.isclose(value, plan.objective_value, rtol=1e-6):
        raise AssertionError(f"the two routes disagree: {value} and {plan.objective_value}")
    return {"plan": {"supplyrisk": lambda: sr.optimize(graph, **ask), "highspy, same matrices": lambda: _raw(compiled)}}

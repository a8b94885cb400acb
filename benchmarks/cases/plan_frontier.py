"""Fifty points of cost against focal share: one kept model, a raw warm-started sweep, a new model for each point."""

from __future__ import annotations

from typing import Any

import numpy as np

from supplyrisk.portfolio.solve import Persistent, solve

from ..harness import Phases, benchmark
from ..instances import instance, ours, pass_raw, raw


@benchmark(
    sizes={
        "S": {"stages": 2, "suppliers": 6, "countries": 4, "scenarios": 5, "points": 5},
        "M": {"stages": 3, "suppliers": 20, "countries": 10, "scenarios": 32, "points": 50},
    },
    aims={"kept": ("highspy, warm", 2.0), "rebuilt": ("a new model each", 0.1)},
    repeat=1,
    aimed="M",  # fifty points; five of a model of a hundred columns are over before a solver is warm
)
def plan_frontier(seed: int, points: int, **size: int) -> Phases:
    """Points of an epsilon constraint on the two-stage plan without openings (an LP)."""
    d = instance(**size, openings=0, seed=seed)
    args = raw(d, sweep=True)
    row = args[1] - 1
    start, index, value = args[11:14]
    mine = slice(start[row], start[row + 1])

    def amount(h: Any) -> float:
        return float(value[mine] @ np.array(h.getSolution().col_value)[index[mine]])

    h = pass_raw(args)
    h.run()
    top = amount(h)
    focal = np.zeros(args[0])
    focal[index[mine]] = value[mine]
    h.changeColsCost(args[0], np.arange(args[0], dtype=np.int32), focal)
    h.run()
    levels = np.linspace(top, max(h.getInfo().objective_function_value, 0.2 * top), points)

    def kept() -> list[float]:
        p = Persistent(ours(d, sweep=True).compile())
        out = []
        for level in levels:
            p.set_rows(row, -np.inf, level)
            out.append(p.solve(duals=False).objective)
        return out

    def warm() -> list[float]:
        h = pass_raw(raw(d, sweep=True))
        out = []
        for level in levels:
            h.changeRowBounds(row, -np.inf, level)
            h.run()
            out.append(h.getInfo().objective_function_value)
        return out

    def anew() -> list[float]:
        out = []
        for level in levels:
            m = ours(d, sweep=True)
            m.rows[-1].upper[:] = level
            out.append(solve(m.compile(), duals=False).objective)
        return out

    first = kept()
    if not np.allclose(first, warm(), rtol=1e-5):
        raise AssertionError("the kept model and the raw sweep disagree")
    return {
        "kept": {"supplyrisk": kept, "highspy, warm": warm},
        "rebuilt": {"supplyrisk": kept, "a new model each": anew},
    }

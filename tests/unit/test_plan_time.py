"""A time limit holds for plans with squares and yes-or-no decisions too, whose solves are many and short."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import P, link, node, product, project

import supplyrisk.portfolio as sp
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import build, max_share, min_suppliers, optimize, resource
from supplyrisk.portfolio import solve as module

B = ("DEU", "JPN", "USA")


def wide() -> SupplyGraph:
    rng = np.random.default_rng(0)
    places = ("CHN", "AUS", "CAN", "MYS", "IDN", "VNM", "BRA", "ZAF")
    nodes = [
        node(f"{P}@{c}", output=float(rng.integers(50, 200)), capacity=250.0, unit_cost=float(rng.uniform(2, 6)))
        for c in places
    ]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in B]
    links = [link(c, f"{b}:demand", 40.0 if c == "CHN" else float(rng.integers(1, 10))) for c in places for b in B]
    plants = [
        project(f"P{i}", str(rng.choice(places[1:])), float(rng.uniform(5, 25)), float(rng.uniform(50, 400)))
        for i in range(20)
    ]
    frames = {
        "products": pd.DataFrame([product(price=4.0)]),
        "nodes": pd.DataFrame(nodes),
        "links": pd.DataFrame(links),
    }
    return SupplyGraph.from_tables(frames | {"projects": pd.DataFrame(plants)})


class Timeless:
    """A solver that is told no limit of time: its own clock is the machine's."""

    def __init__(self, h: Any) -> None:
        self.h = h

    def setOptionValue(self, name: str, value: Any) -> None:
        if name != "time_limit":
            self.h.setOptionValue(name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.h, name)


def test_short_solves_look_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [max_share("CHN", 0.1), min_suppliers(6, 0.08, buyer="each"), sp.max_hhi(0.16)]
    levers = [resource(), build(), sp.contract(min_take=0.02)]
    plan = optimize(wide(), B, product=P, levers=levers, constraints=limits)
    free = module.Persistent(plan._compiled)
    best = free.solve(duals=False)
    assert best.status == "optimal"
    ticks = itertools.count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: 0.02 * next(ticks))
    short = module.Persistent(plan._compiled, time_limit=0.16)
    short._h = Timeless(short._h)  # only the clock above counts, so that every machine comes equally far
    s = short.solve(duals=False)
    monkeypatch.undo()
    assert short.solves < free.solves
    assert short.solves <= 12
    # What was found meets every row and square; its gap is to a bound that holds.
    assert s.status in ("time_limit", "optimal")
    assert len(s.x) == plan._compiled.n
    assert s.bound <= best.objective * (1 + 1e-6) <= s.objective * (1 + 2e-6)
    assert s.gap == pytest.approx(max(s.objective - s.bound, 0.0) / s.objective, abs=1e-9)
    assert s.violation <= 1e-5

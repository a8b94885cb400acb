"""A solver that runs out of time, with a plan and without; other solvers, present, absent and dying."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand, project

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, SolverError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import build, max_share, optimize, others, resource
from supplyrisk.registry import registries

PLANTS = 50


def many() -> SupplyGraph:
    rng = np.random.default_rng(4)
    rows = [project(f"New {j}", "AUS", 1.0, float(rng.integers(1000, 9000))) for j in range(PLANTS)]
    return hand(projects=pd.DataFrame(rows))


@pytest.fixture
def split() -> Iterator[Any]:
    """A market split (Cornuejols and Dawande, 1998): any choice is a plan, none is soon proven to be the best."""

    @sr.objective(unit="1", metric="odd")
    def odd_ends(m: Any) -> tuple[Any, Any]:
        """Sum of what is left over."""
        rng = np.random.default_rng(1)
        rows = 7
        a = rng.integers(0, 100, (rows, PLANTS)).astype(float)
        off = m.matrix.add_columns("odd_end", 2 * rows, scale=100.0)
        at = np.arange(rows)
        m.add_rows(
            "market_split",
            rows,
            np.concatenate([np.repeat(at, PLANTS), at, at]),
            np.concatenate([np.tile(m.projects.at, rows), off.at]),
            np.concatenate([a.ravel(), np.ones(rows), -np.ones(rows)]),
            lower=np.floor(a.sum(axis=1) / 2),
            upper=np.floor(a.sum(axis=1) / 2),
            scale=100.0,
        )
        return off.at, np.ones(2 * rows)

    yield odd_ends
    registries["objective"]._entries.pop("odd_ends", None)


LEVERS = [resource(), build()]


def test_out_of_time_with_a_plan_gives_the_plan_and_its_gap(split: Any) -> None:
    plan = optimize(many(), BUYERS, product=P, levers=LEVERS, objective=split(), time_limit=1.5)
    assert plan.status == "time_limit"
    assert plan.objective_value >= plan.bound
    assert plan.gap == pytest.approx((plan.objective_value - plan.bound) / plan.objective_value)
    assert plan.gap > 1e-6
    assert any("ran out of time" in n and "not proven best" in n for n in plan.notes)
    assert "time_limit" in repr(plan)
    assert "time_limit" in plan.summary()
    # It is a plan: every need is met by what can be had, and the objective is what its own columns say.
    got = plan.decisions.groupby("buyer")["quantity"].sum()
    assert got.to_numpy() == pytest.approx([90.0, 60.0])
    assert plan.projects.loc[~plan.projects["built"].astype(bool), "delivered"].eq(0.0).all()
    c = plan._compiled
    assert plan.objective_value == pytest.approx(float(c.cost @ plan._solution.x) + c.offset)
    assert len(plan.duals)
    # In a summary and a page it says what it is.
    assert "time_limit" in plan._repr_html_()


def test_out_of_time_over_several_years(split: Any) -> None:
    plan = optimize(
        many(), BUYERS, product=P, levers=LEVERS, objective=split(), horizon=(2028, 2028), time_limit=1.5
    )  # fmt: skip
    assert plan.status == "time_limit"
    assert plan.gap > 1e-6
    assert any("ran out of time" in n for n in plan.notes)


def test_out_of_time_without_a_plan_is_an_error_that_says_so() -> None:
    with pytest.raises(SolverError, match="before it found any plan") as caught:
        optimize(hand(), BUYERS, product=P, constraints=sp.min_suppliers(4, 0.1), time_limit=0.0)
    assert caught.value.status == "time_limit"


def test_an_unknown_solver_and_one_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="scip"):
        optimize(hand(), BUYERS, product=P, solver="scipp")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        others.importlib.util, "find_spec", lambda name: None if name in ("pyscipopt", "gurobipy") else find(name)
    )
    assert others.available() == ("highs",)
    for solver, module in (("scip", "pyscipopt"), ("gurobi", "gurobipy")):
        with pytest.raises(SolverError, match=f"pip install {module}.*solver='highs'") as caught:
            optimize(hand(), BUYERS, product=P, solver=solver)
        assert caught.value.status == "missing_solver"


def test_a_solver_that_dies_takes_nothing_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "check", lambda s: s)
    monkeypatch.setattr("supplyrisk.portfolio.run.check", lambda s: s)

    def dies(*a: Any, **k: Any) -> Any:
        return subprocess.CompletedProcess(a, -11, "", "Segmentation fault")

    monkeypatch.setattr(others.subprocess, "run", dies)
    with pytest.raises(SolverError, match=r"SCIP gave up: Segmentation fault.*HiGHS") as caught:
        optimize(hand(), BUYERS, product=P, solver="scip")
    assert caught.value.status == "solver_died"


@pytest.mark.parametrize(("solver", "module"), [("scip", "pyscipopt"), ("gurobi", "gurobipy")])
def test_another_solver_finds_the_same(solver: str, module: str) -> None:
    pytest.importorskip(module)
    cases: list[dict[str, Any]] = [
        {"levers": resource(), "constraints": max_share("CHN", 0.5)},
        {"levers": resource(), "constraints": sp.max_hhi(0.36)},
        {"levers": [resource(), sp.unmet(900.0)], "constraints": sp.max_hhi(0.3)},
        {"levers": LEVERS, "constraints": [sp.max_hhi(0.3), sp.min_suppliers(3, 0.1)]},
        {"levers": LEVERS, "constraints": max_share("CHN", 0.3), "horizon": (2028, 2030)},
    ]
    for case in cases:
        mine = optimize(hand(), BUYERS, product=P, **case)
        other = optimize(hand(), BUYERS, product=P, solver=solver, **case)
        assert other.objective_value == pytest.approx(mine.objective_value, rel=1e-5)
        assert other.status == "optimal"
        assert other.solver == others.SOLVERS[solver][1]
        assert len(other.duals) == len(mine.duals)
    with pytest.raises(InfeasibleError, match="These clash"):
        optimize(hand(), BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.1), solver=solver)


def test_a_frontier_is_swept_by_highs() -> None:
    with pytest.raises(SchemaError, match="sweeps one model"):
        sp.frontier(hand(), BUYERS, product=P, solver="scip")

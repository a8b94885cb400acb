"""Plans whose mixes follow the plan: every plan that is handed out has settled, and says how far it may be from the best."""

from __future__ import annotations

import sys
from pathlib import Path

import pyomo.environ as pyo
import pytest

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError
from supplyrisk.graph import SupplyGraph

sys.path.insert(0, str(Path(__file__).parents[1]))
from graphs import make

X0, X1 = "x0.form", "x1.form"


def proportional(cap: float) -> sr.registry.Spec:
    return sp.max_share("CHN", cap, view="origin", product=X1, mixing="proportional")


CASES = [
    (124420, 7, ["IDN", "DEU"], 0.888, [proportional(0.475), sp.max_supplier_share(0.446, product=X0)], 0.475),
    (473188, 6, ["DEU", "TWN"], 0.546, [proportional(0.312)], 0.312),
]


def plan_of(seed: int, n: int, buyers: list[str], redirect: float, specs: list[sr.registry.Spec]) -> sp.Portfolio:
    return sr.optimize(
        make(seed, 2, n), buyers, levers=[sp.resource(redirect=redirect, revealed=False)], constraints=specs
    )


@pytest.mark.parametrize(
    ("seed", "n", "buyers", "redirect", "specs", "cap"), [CASES[0], pytest.param(*CASES[1], marks=pytest.mark.deep)]
)
def test_alternatives_meet_the_cap_on_their_own_graphs(seed, n, buyers, redirect, specs, cap) -> None:
    plan = plan_of(seed, n, buyers, redirect, specs)
    bound = plan.bound
    found = sp.alternatives(plan, 3, 0.1)
    assert len(found.plans) > 1 or found.notes
    for other in found.plans:
        row = other.readings.iloc[0]
        assert row["score"] <= cap + 1e-6
        assert row["model"] == pytest.approx(row["score"], abs=1e-6)
    for other in found.plans[1:]:
        assert other.status == "near_optimal"
        assert other.gap == pytest.approx((other.objective_value - bound) / other.objective_value)
    # The plan itself stays what it was.
    assert plan.share("origin", product=X1)["after"] <= cap + 1e-6
    assert plan.readings["model"].iloc[0] == pytest.approx(plan.readings["score"].iloc[0], abs=1e-6)


@pytest.mark.deep
def test_points_of_a_frontier_meet_the_cap_and_state_their_gap() -> None:
    seed, n, buyers, redirect, specs, cap = CASES[1]
    front = sr.frontier(
        make(seed, 2, n),
        buyers,
        levers=[sp.resource(redirect=redirect, revealed=False)],
        constraints=specs,
        against=sp.concentration(product=X1),
        points=5,
    )
    for i, gap in enumerate(front.frame["gap"]):
        one = front.plan(i)
        assert one.readings["score"].iloc[0] <= cap + 1e-6
        assert one.gap == pytest.approx(gap)
        assert one.objective_value == pytest.approx(front.frame["objective"][i])
        assert one.bound <= one.objective_value
    # The cheapest point is the plan without an aim, whose gap is 11 %.
    assert front.frame["gap"].max() > 0.05


def test_solving_the_same_again_says_the_same() -> None:
    seed, n, buyers, redirect, specs, cap = CASES[1]
    plan = plan_of(seed, n, buyers, redirect, specs)
    assert plan.gap == pytest.approx(0.06996, abs=1e-4)
    assert plan.status == "locally_optimal"
    notes = plan.notes
    again = plan.resolve()
    assert again.gap == pytest.approx(plan.gap, abs=1e-6)
    assert again.status == plan.status
    assert sum("successive linearisation" in x for x in again.notes) == 1
    assert plan.__class__.notes.func(plan) == notes
    # What is added to the live model acts, at mixes of its own; the first plan keeps those it settled in.
    model = plan.model
    key = next(k for k in model.flow if pyo.value(model.flow[k]) > 1.0)
    half = 0.5 * pyo.value(model.flow[key])
    model.mine = pyo.Constraint(expr=model.flow[key] <= half)
    other = plan.resolve()
    assert other.readings["score"].iloc[0] <= cap + 1e-6
    assert other.gap > 0.0
    assert plan.readings["model"].iloc[0] == pytest.approx(plan.readings["score"].iloc[0], abs=1e-6)
    # A cap that is let go in the live model is gone.
    model.max_share.deactivate()
    del model.mine
    free = plan.resolve()
    assert free.objective_value < plan.objective_value


def test_what_needs_the_best_of_all_plans_is_refused() -> None:
    seed, n, buyers, redirect, specs, _ = CASES[1]
    plan = plan_of(seed, n, buyers, redirect, specs)
    with pytest.raises(SchemaError, match=r"mass_balance"):
        sp.value_of_information(plan)


@pytest.mark.deep
def test_over_several_periods_too() -> None:
    seed, n, buyers, redirect, specs, cap = CASES[1]
    graph: SupplyGraph = make(seed, 2, n)
    levers = [sp.resource(redirect=redirect, revealed=False)]
    plan = sr.optimize(graph, buyers, levers=levers, constraints=specs, horizon=(2026, 2027), discount=0.0)
    again = plan.resolve()
    assert again.gap == pytest.approx(plan.gap, abs=1e-6)
    assert plan.status == again.status == "locally_optimal"
    for other in sp.alternatives(plan, 1, 0.1).plans:
        assert (other.readings["score"] <= cap + 1e-6).all()
        assert other.readings["model"].to_numpy() == pytest.approx(other.readings["score"].to_numpy(), abs=1e-6)


def test_planned_products_that_feed_one_another_settle_by_themselves() -> None:
    """By default a cap on origin is met on the plan's own graph, whichever mixes that takes."""
    graph = make(93586, 3, 4)
    cap = {"cap": 0.403, "view": "origin", "product": "x2.form"}
    ask = {"levers": [sp.resource(redirect=0.711, revealed=False)]}
    other = sp.max_supplier_share(0.429, product=X0)
    plan = sr.optimize(graph, ["JPN", "HKG"], constraints=[sp.max_share("CHN", **cap), other], **ask)
    row = plan.readings.iloc[0]
    assert row["score"] <= 0.403 + 1e-6
    assert row["model"] == pytest.approx(row["score"], abs=1e-6)
    assert plan.status == "locally_optimal"
    assert any("proportional mixing" in n for n in plan.notes)
    # One product by itself changes nothing upstream: today's mixes are exact, and the plan is the best of all.
    loose = {**cap, "cap": 0.95}
    alone = sr.optimize(graph, ["JPN", "HKG"], product="x2.form", constraints=sp.max_share("CHN", **loose), **ask)
    row = alone.readings.iloc[0]
    assert row["model"] == pytest.approx(row["score"], abs=1e-6)
    assert alone.status == "optimal"
    assert any("leaves as they are" in n for n in alone.notes)
    # Who asks for today's mixes is told what that leaves open.
    fixed = sp.max_share("CHN", **cap, mixing="today")
    stale = sr.optimize(graph, ["JPN", "HKG"], constraints=[fixed, other], **ask)
    assert stale.readings["score"].iloc[0] > 0.403 + 0.1
    assert any("also above a cap" in n for n in stale.notes)
    with pytest.raises(SchemaError, match="worst=True"):
        sr.optimize(graph, ["JPN", "HKG"], constraints=sp.max_share("CHN", **cap, gamma=1.0), **ask)


@pytest.mark.parametrize("view", ["equity", "control"])
def test_a_share_of_which_nothing_is_known_is_none(view: str) -> None:
    from test_portfolio import P, simple

    graph = simple(10.0, {"CAN": 12.0, "USA": 5.0}, {"CAN": 1.0, "USA": 2.0}, flow={"CAN": 10.0})
    ask = {"product": P, "levers": [sp.resource(redirect=1.0)]}
    plan = sr.optimize(graph, "USA", constraints=sp.max_share("CHN", 0.3, view=view), **ask)
    row = plan.readings.iloc[0]
    assert row[["model", "score"]].isna().all()
    assert (row["low"], row["high"]) == (0.0, 1.0)
    said = next(n for n in plan.notes if "met only in what is known" in n)
    assert f"{P}@CAN" in said
    assert "100.0%" in said
    with pytest.raises(InfeasibleError):
        sr.optimize(graph, "USA", constraints=sp.max_share("CHN", 0.3, view=view, worst=True), **ask)
    with pytest.raises(InfeasibleError):
        sr.optimize(graph, "USA", constraints=sp.max_share("CHN", 0.3, view=view, gamma=2.0), **ask)

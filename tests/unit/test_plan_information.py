"""What knowing the scenario is worth under every measure of risk."""

from __future__ import annotations

from typing import Any

import pytest
from test_portfolio import P, simple

import supplyrisk.portfolio as sp
from supplyrisk.errors import SchemaError
from supplyrisk.portfolio import optimize, resource
from supplyrisk.shocks import export_ban

FREE = resource(redirect=1.0, switching=0.0, revealed=False)
BAN = export_ban("CHN", product=P, to=["USA"])
GOALS = (
    sp.cost() + sp.expected_loss(),
    sp.cost() + sp.cvar(0.95),
    sp.cost() + sp.cvar(0.5),
    sp.cost() + sp.worst_loss(),
    sp.cost() + 1e5 * sp.worst_unmet(),
    sp.cost() + 1e5 * sp.expected_unmet(),
    sp.cost() + 0.5 * sp.expected_loss(3.0) + 0.25 * sp.cvar(0.9, 3.0) + 0.25 * sp.worst_loss(3.0),
)


@pytest.mark.parametrize("goal", GOALS, ids=repr)
def test_knowing_of_a_ban_that_nobody_can_act_on_is_worth_nothing(goal: Any) -> None:
    alone = simple(100.0, {"CHN": 100.0}, {"CHN": 2.0}, flow={"CHN": 100.0})
    sets = {"calm": (0.8, []), "ban": (0.2, [BAN])}
    plan = optimize(alone, "USA", product=P, levers=FREE, scenarios=sets, objective=goal)
    known = sp.value_of_information(plan)
    assert known.perfect_information == pytest.approx(0.0, abs=1e-6 * plan.objective_value)
    assert known.stochastic_solution == pytest.approx(0.0, abs=1e-6 * plan.objective_value)


@pytest.mark.parametrize("goal", GOALS, ids=repr)
def test_knowing_is_never_worth_less_than_nothing(goal: Any) -> None:
    graph = simple(10.0, {"CHN": 10.0, "AUS": 6.0}, {"CHN": 1.0, "AUS": 901.0}, flow={"CHN": 10.0})
    sets = {"calm": (0.6, []), "ban": (0.3, [BAN]), "rest": (0.1, [export_ban("AUS", product=P, to=["USA"])])}
    plan = optimize(graph, "USA", product=P, levers=FREE, scenarios=sets, objective=goal)
    assert sp.value_of_information(plan).perfect_information >= -1e-6 * plan.objective_value


def test_the_tail_of_what_is_known_by_hand() -> None:
    graph = simple(10.0, {"CHN": 10.0, "AUS": 10.0}, {"CHN": 1.0, "AUS": 2001.0}, flow={"CHN": 10.0})
    sets = {"calm": (0.6, []), "ban": (0.4, [BAN])}
    plan = optimize(graph, "USA", product=P, levers=FREE, scenarios=sets, objective=sp.cost() + sp.cvar(0.5))
    # Chinese: 10 and a loss of 50,000 in 0.4 of the worst 0.5; Australian: 20,010. Known: 10 in calm, 20,010 in a ban.
    assert plan.objective_value == pytest.approx(20_010.0)
    known = sp.value_of_information(plan)
    assert known.wait_and_see == pytest.approx((0.4 * 20_010.0 + 0.1 * 10.0) / 0.5)
    assert known.perfect_information == pytest.approx(4_000.0)


def test_different_measures_of_different_losses_are_refused() -> None:
    graph = simple(10.0, {"CHN": 10.0, "AUS": 6.0}, {"CHN": 1.0, "AUS": 901.0}, flow={"CHN": 10.0})
    sets = {"calm": (0.8, []), "ban": (0.2, [BAN])}
    goal = sp.cost() + sp.expected_loss(3.0) + sp.cvar(0.9)
    plan = optimize(graph, "USA", product=P, levers=FREE, scenarios=sets, objective=goal)
    with pytest.raises(SchemaError, match="different losses"):
        sp.value_of_information(plan)

"""Terms of risk: their limits, and scenarios without probabilities."""

from __future__ import annotations

from typing import Any

import pytest
from test_portfolio import BUYERS, P, hand

import supplyrisk.portfolio as sp
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import optimize, resource
from supplyrisk.shocks import export_ban


@pytest.fixture(scope="module")
def g() -> SupplyGraph:
    return hand()


def bans(p: float = 0.2) -> dict[str, Any]:
    return {"calm": (1.0 - p, []), "ban": (p, [export_ban("CHN", product=P, to=list(BUYERS))])}


@pytest.mark.parametrize("alpha", [0.8, 0.9, 0.99, 0.99999, 0.999999, 1 - 1e-8, 1 - 1e-15, 1.0])
def test_cvar_is_the_worst_loss_from_the_first_level_where_it_must_be(g: SupplyGraph, alpha: float) -> None:
    plan = optimize(g, BUYERS, product=P, levers=resource(), scenarios=bans(), objective=sp.cost() + sp.cvar(alpha))
    assert plan.objective_value == pytest.approx(428_743.2, rel=1e-9)


def test_cvar_between_its_limits(g: SupplyGraph) -> None:
    def least(term: Any, p: float = 0.2) -> float:
        goal = sp.cost() + term
        return optimize(g, BUYERS, product=P, levers=resource(), scenarios=bans(p), objective=goal).objective_value

    values = [least(sp.cvar(a)) for a in (0.0, 0.3, 0.6, 0.79, 0.8, 1.0)]
    assert values[0] == pytest.approx(least(sp.expected_loss()))
    assert values == sorted(values)
    # A scenario that cannot come is not the worst, whatever the level.
    assert least(sp.cvar(1.0), 0.0) == pytest.approx(least(sp.cvar(0.0), 0.0))
    assert least(sp.cvar(1.0), 1e-12) == pytest.approx(values[-1])


def test_the_risk_of_a_plan_over_years_is_that_of_whole_paths_in_present_value(g: SupplyGraph) -> None:
    def plan(goal: Any) -> Any:
        return optimize(
            g,
            BUYERS,
            product=P,
            levers=[resource(), sp.unmet(50_000.0)],
            scenarios=bans(0.3),
            objective=goal,
            horizon=(2026, 2028),
            discount=0.1,
        )

    worst = plan(sp.cvar(0.6))
    assert worst.objective_value == pytest.approx(worst.risk["cvar"], rel=1e-7)
    assert worst.risk.name.endswith("of present value")
    whole = plan(sp.cost() + sp.expected_loss())
    spent = whole.objective_value - whole.risk["expected_loss"]
    assert 0 < spent < whole.objective_value
    one = whole.year(2027).risk
    assert one["expected_loss"] == pytest.approx(0.3 * one["worst_loss"])
    assert whole.risk["worst_loss"] == pytest.approx(
        sum(whole.year(y).risk["worst_loss"] / 1.1 ** (y - 2026) for y in (2026, 2027, 2028)), rel=1e-6
    )

"""The live Pyomo model: whatever a user does to it acts when it is solved again, or is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
import pytest
from test_portfolio import BUYERS, P, hand

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SupplyRiskError
from supplyrisk.portfolio import max_share, optimize, resource

FREE, CAPPED = 71200.0, 77265.0
LANE = ("re-source", f"{P}@CAN", f"{P}@JPN:demand")
JPN = f"{P}@JPN:demand"


def capped() -> sp.Portfolio:
    plan = optimize(hand(), BUYERS, product=P, levers=[resource()], constraints=max_share("CHN", 0.5))
    assert plan.objective_value == pytest.approx(CAPPED)
    return plan


def scalar(m: Any) -> None:
    m.c = pyo.Constraint(expr=m.flow[LANE] <= 1)


def indexed(m: Any) -> None:
    m.c = pyo.Constraint(pyo.RangeSet(3), rule=lambda m, i: m.flow[LANE] <= i)


def in_a_block(m: Any) -> None:
    m.b = pyo.Block()
    m.b.x = pyo.Var(bounds=(0, 1))
    m.b.c = pyo.Constraint(expr=m.flow[LANE] <= m.b.x)


def own_variable(m: Any) -> None:
    m.z = pyo.Var(domain=pyo.Binary)
    m.c = pyo.Constraint(expr=m.flow[LANE] <= m.z)


@pytest.mark.parametrize("write", [scalar, indexed, in_a_block, own_variable])
def test_a_plan_stands_after_a_constraint_was_added(write: Callable[[Any], None]) -> None:
    plan = capped()
    write(plan.model)
    after = plan.resolve()
    assert after.objective_value == pytest.approx(77979.0)
    for p in (plan, after):
        assert len(p.model.flow) == len(p.offers)
        p.duals, p.binding, p.summary(), p._repr_html_()
    assert pyo.value(after.model.flow[LANE]) == pytest.approx(1.0)
    assert after.resolve().objective_value == pytest.approx(77979.0)
    assert not plan.binding or not any("your constraint" in b for b in plan.binding)


def switch_off_members(m: Any) -> None:
    for k in m.max_share:
        m.max_share[k].deactivate()


def switch_off(m: Any) -> None:
    m.max_share.deactivate()


def delete(m: Any) -> None:
    m.del_component("max_share")


def delete_members(m: Any) -> None:
    for k in list(m.max_share):
        del m.max_share[k]


@pytest.mark.parametrize("edit", [switch_off_members, switch_off, delete, delete_members])
def test_a_constraint_that_is_taken_away_is_gone(edit: Callable[[Any], None]) -> None:
    plan = capped()
    edit(plan.model)
    after = plan.resolve()
    assert after.objective_value == pytest.approx(FREE)
    assert any("live model was edited" in n for n in after.notes)
    assert not any("live model was edited" in n for n in plan.notes)


def test_what_was_switched_off_can_be_switched_on_again() -> None:
    plan = capped()
    plan.model.max_share.deactivate()
    assert plan.resolve().objective_value == pytest.approx(FREE)
    plan.model.max_share.activate()
    assert plan.resolve().objective_value == pytest.approx(CAPPED)
    m = plan.model
    m.c = pyo.Constraint(expr=m.flow[LANE] <= 1)
    assert plan.resolve().objective_value == pytest.approx(77979.0)
    m.del_component("c")
    assert plan.resolve().objective_value == pytest.approx(CAPPED)
    m.lot = pyo.ConstraintList()
    m.lot.add(m.flow[LANE] <= 5)
    assert plan.resolve().decisions.query("lever == 're-source'")["quantity"].max() > 5 - 1e-6
    m.lot.add(m.flow[LANE] <= 1)
    assert plan.resolve().objective_value == pytest.approx(77979.0)


def test_a_row_that_is_written_anew_acts() -> None:
    plan = capped()
    m = plan.model
    m.need[JPN].set_value(sum(m.flow[k] for k in m.flow if k[2] == JPN) == 80)
    after = plan.resolve()
    assert after.decisions.groupby("buyer")["quantity"].sum()["JPN"] == pytest.approx(80.0)
    assert any("was written anew" in n for n in after.notes)
    m.need[JPN].deactivate()
    assert "JPN" not in plan.resolve().decisions["buyer"].tolist()


def new_objective(m: Any) -> None:
    m.objective.set_value(1000 * m.objective.expr)


def other_objective(m: Any) -> None:
    m.objective.deactivate()
    m.other = pyo.Objective(expr=m.flow[LANE])


def no_variable(m: Any) -> None:
    m.del_component("flow")


def whole_member(m: Any) -> None:
    m.flow[LANE].domain = pyo.NonNegativeIntegers


def ordered_set(m: Any) -> None:
    m.s = pyo.SOSConstraint(var=m.flow, index=list(m.flow)[:3], sos=1)


def curved(m: Any) -> None:
    m.c = pyo.Constraint(expr=m.flow[LANE] ** 2 <= 4)


@pytest.mark.parametrize("edit", [new_objective, other_objective, no_variable, whole_member, ordered_set, curved])
def test_what_a_plan_cannot_follow_is_refused(edit: Callable[[Any], None]) -> None:
    plan = capped()
    edit(plan.model)
    with pytest.raises(SupplyRiskError, match=r"objective|taken out|whole|SOS|linear"):
        plan.resolve()


def test_bounds_and_domains_of_variables_act() -> None:
    plan = capped()
    plan.model.flow[LANE].setub(1.0)
    assert plan.resolve().objective_value == pytest.approx(77979.0)
    plan.model.flow[LANE].setub(None)
    plan.model.flow[LANE].fix(0.0)
    assert plan.resolve().objective_value == pytest.approx(78030.0)


def test_users_limits_say_how_much_they_must_give() -> None:
    plan = optimize(hand(), BUYERS, product=P, levers=[resource()])
    m = plan.model
    m.mine = pyo.Constraint(expr=sum(m.flow[k] for k in m.flow if k[1].endswith("@CHN")) <= 30)
    with pytest.raises(InfeasibleError, match="your constraint mine would have to allow 70, not 30"):
        plan.resolve()
    m.del_component("mine")
    m.mine = pyo.Constraint(expr=sum(m.flow[k] for k in m.flow if k[1].endswith("@CHN")) <= 70)
    after = plan.resolve()
    assert "your constraint mine" in after.binding


def test_the_model_of_all_periods_takes_edits_too() -> None:
    plan = optimize(
        hand(), BUYERS, product=P, levers=[resource()], constraints=max_share("CHN", 0.5), horizon=(2026, 2027)
    )
    m = plan.model
    m.max_share[2026, P, "group"].deactivate()
    after = plan.resolve()
    assert after.objective_value < plan.objective_value
    assert after.year(2027).share("location")["after"] == pytest.approx(0.5)
    assert after.year(2026).share("location")["after"] > 0.6
    after.model, after.resolve()


def test_several_constraints_may_come_and_go() -> None:
    plan = optimize(hand(), BUYERS, product=P, levers=[resource()])
    m = plan.model
    take = {c: sum(m.flow[k] for k in m.flow if k[1] == f"{P}@{c}") for c in ("CHN", "CAN")}
    free = {c: float(pyo.value(take[c])) for c in take}
    m.mine = pyo.Constraint(expr=take["CHN"] <= 0.9 * free["CHN"])
    m.two = pyo.Constraint(expr=take["CAN"] <= 0.9 * free["CAN"] + 1.0)
    costs = []
    for _ in range(3):
        m.two.deactivate()
        costs.append(plan.resolve().objective_value)
        m.two.activate()
        costs.append(plan.resolve().objective_value)
    assert costs == pytest.approx(costs[:2] * 3)
    for part in (0.95, 0.92, 0.9):
        m.del_component(m.mine)
        m.del_component(m.two)
        m.mine = pyo.Constraint(expr=take["CHN"] <= part * free["CHN"])
        m.two = pyo.Constraint(expr=take["CAN"] <= 0.9 * free["CAN"] + 1.0)
        last = plan.resolve().objective_value
    assert last == pytest.approx(costs[1])

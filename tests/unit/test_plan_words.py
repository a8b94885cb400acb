"""Money adds up and says its year; other aims say their unit; what a plan tells is complete."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.portfolio import max_share, optimize, resource, unmet

BAN = sr.export_ban("CHN", product=P, to=["JPN", "USA"])
SCENARIOS = {"calm": (0.8, []), "ban": (0.2, [BAN])}
MIXES = [
    resource(),
    sp.build(),
    sp.contract(redirect=0.9),
    sp.qualify(usd=1000.0, redirect=0.9),
    sp.substitute(part=0.4, price=1.2),
    sp.recycle(rate=0.05),
    unmet(900.0),
    sp.stockpile(30.0),
]


@pytest.mark.parametrize("pair", list(itertools.combinations(range(len(MIXES)), 2)))
def test_costs_add_up_to_the_cost_of_the_objective(pair: tuple[int, int]) -> None:
    levers = [MIXES[i] for i in pair] + [unmet(5000.0)] * (6 not in pair)
    plan = optimize(hand(), BUYERS, product=P, levers=levers, constraints=max_share("CHN", 0.45))
    col, usd = plan._build.yearly_cost()
    assert plan.costs["plan"].sum() == pytest.approx(float(usd @ plan._solution.x[col]))
    assert plan.costs["plan"].sum() == pytest.approx(plan.objective_value)
    assert not plan.costs.duplicated(["product", "item"]).any()


def test_qualified_sources_cost_once() -> None:
    levers = [resource(redirect=0.0), sp.qualify(usd=1000.0, redirect=0.9)]
    plan = optimize(hand(), BUYERS, product=P, levers=levers, constraints=max_share("CHN", 0.45))
    assert plan.costs["plan"].sum() == pytest.approx(plan.objective_value)
    assert plan.cost_increase == pytest.approx(plan.objective_value - plan.unconstrained.objective_value)


def test_information_with_a_limit_on_concentration() -> None:
    plan = optimize(
        hand(),
        BUYERS,
        product=P,
        levers=[resource(), sp.stockpile(180.0)],
        scenarios=SCENARIOS,
        objective=sp.cost() + sp.cvar(0.9),
        constraints=sp.max_hhi(0.42),
    )
    found = sp.value_of_information(plan)
    assert found.perfect_information >= -1e-6 * plan.objective_value
    assert found.stochastic_solution >= -1e-6 * plan.objective_value
    assert "USD of 2024 a year" in repr(found)


def test_an_aim_that_is_no_money_says_its_unit() -> None:
    plan = optimize(
        hand(),
        BUYERS,
        product=P,
        levers=[resource()],
        objective=sp.share("CHN"),
        constraints=sp.max_supplier_share(0.6),
    )
    assert "share('CHN')" in repr(plan)
    words = " ".join(plan.duals["meaning"])
    assert "of share('CHN')" in words
    for text in (repr(plan), words):
        assert "USD" not in text
        assert "a year" not in text
    value = np.round(plan.objective_value, 3)
    assert f"{value:.3f}" in plan.summary() or f"{plan.objective_value:,.4g}" in plan.summary()


def test_money_says_its_year_and_a_plan_over_years_its_present_value() -> None:
    one = optimize(hand(), BUYERS, product=P, levers=[resource()], constraints=max_share("CHN", 0.5))
    assert "USD of 2024 a year" in repr(one)
    assert one.duals["meaning"].str.contains("USD of 2024 a year").any()
    assert not one.duals["meaning"].str.contains("yes-or-no").any()
    assert "USD with " not in one.summary().replace("USD of 2024", "")
    several = optimize(
        hand(), BUYERS, product=P, levers=[resource()], constraints=max_share("CHN", 0.5), horizon=(2026, 2028)
    )
    assert several.duals["meaning"].str.contains("USD of 2024 in present value").any()
    assert not several.duals["meaning"].str.contains("a year").any()
    yearly = several.year(2026).duals["meaning"]
    assert yearly.str.contains("USD of 2024 a year").any()


def test_duals_beside_yes_or_no_decisions_say_that_these_stay() -> None:
    plan = optimize(hand(), BUYERS, product=P, constraints=max_share("CHN", 0.3))
    assert plan.duals["meaning"].str.contains("yes-or-no decisions as they are").all()


def test_all_that_is_decided_is_told() -> None:
    plan = optimize(
        hand(),
        BUYERS,
        product=P,
        levers=[
            resource(redirect=0.0),
            sp.qualify(usd=1000.0, redirect=0.9),
            sp.substitute(part=0.2, price=1.2),
            sp.stockpile(60.0),
        ],
        scenarios=SCENARIOS,
        objective=sp.cost() + sp.cvar(0.9),
        constraints=[max_share("CHN", 0.45), sp.min_stock_days(10.0)],
    )
    d = plan.decisions
    arrives = d[~d["lever"].isin(["stockpile"])].groupby("buyer")["quantity"].sum()
    assert arrives.to_dict() == pytest.approx({"JPN": 90.0, "USA": 60.0})
    if (d["lever"] == "substitute").any():
        assert "substitute" in plan.summary()
    assert len(plan.agreements)
    assert plan.agreements["outlay"].sum() == pytest.approx(
        plan.costs.loc[plan.costs["item"] == "qualify outlay", "plan"].sum()
    )
    assert "in stock" in plan.summary()
    r, s = plan.risk, plan.scenarios
    by = s.groupby("scenario")["loss"].sum()
    assert r["expected_loss"] == pytest.approx(0.8 * by["calm"] + 0.2 * by["ban"])
    assert plan.objective_value == pytest.approx(plan.costs["plan"].sum() + r["cvar"])
    page = plan._repr_html_()
    for words in ("cvar(0.9)", "max_share", "Costs", "Stocks", "Scenarios", "released", "USD of 2024", "qualify"):
        assert words in page


def test_a_plan_over_years_shows_how_it_ended_and_what_it_decides() -> None:
    plan = optimize(
        hand(),
        BUYERS,
        product=P,
        levers=[resource(), sp.stockpile(60.0)],
        constraints=[max_share("CHN", 0.5), sp.min_stock_days(10.0)],
        horizon=(2026, 2027),
    )
    page = plan._repr_html_()
    for words in ("optimal", " s, seed 0", "Binding", "Marginal values", "in present value", "re-source", "Stocks"):
        assert words in page
    assert "in present value" in repr(plan)
    assert "more in stock" in plan.summary()
    assert plan.question in plan.summary()


def test_the_graph_of_a_plan_has_the_stocks_it_holds() -> None:
    plan = optimize(
        hand(), BUYERS, product=P, levers=[resource(), sp.stockpile(60.0)], constraints=sp.min_stock_days(30.0)
    )
    held = plan.graph.tables["stocks"]
    assert held["quantity"].sum() == pytest.approx(plan.stocks["added"].sum())
    again = optimize(plan.graph, BUYERS, product=P, levers=[resource(), sp.stockpile(60.0)])
    assert again.stocks["known"].sum() == pytest.approx(plan.stocks["added"].sum())


def test_the_knee_is_no_extreme_where_there_is_another_point() -> None:
    from supplyrisk.portfolio.frontier import _knee

    # The cheapest plan is near the best in both aims, and an extreme all the same.
    cost = np.array([0.0, 10.0, 9.0, 5.0])
    aims = np.array([[0.2, 0.2], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    assert _knee(cost, aims) == 3
    line = np.array([[1.0], [0.3], [0.1], [0.0]])
    assert _knee(np.array([0.0, 1.0, 6.0, 10.0]), line) == 1
    assert _knee(np.array([0.0, 1.0]), line[:2]) is None


def test_the_printed_tables_are_enough_to_write_the_instance_again() -> None:
    from scipy.optimize import Bounds, LinearConstraint, milp

    plan = optimize(
        hand(),
        BUYERS,
        product=P,
        levers=[
            resource(redirect=0.1),
            sp.contract(min_take=0.1, redirect=0.9, price=1.1),
            sp.substitute(part=0.1, price=1.6),
        ],
        scenarios=SCENARIOS,
        objective=sp.cost() + sp.expected_loss(),
        constraints=max_share("CHN", 0.45),
    )
    o, need, have, t, cut = plan.offers, plan.needs, plan.availability, plan.terms, plan.cuts
    deals = t[t["lever"] == "contract"].pivot_table(index="where", columns="what", values="value")
    swap = t[t["lever"] == "substitute"].pivot_table(index="where", columns="what", values="value")
    worth = t[t["lever"] == "scenarios"].set_index("where")["value"]
    n, k, b, names = len(o), len(deals), len(need), list(SCENARIOS)
    size = n + k + b + b * len(names)
    cost = np.zeros(size)
    cost[:n] = o["yearly_cost"]
    cost[n + k : n + k + b] = swap.loc[need["buyer"], "price of a unit"]
    rows, low, high = [], [], []

    def add(at: dict[int, float], least: float, most: float) -> None:
        row = np.zeros(size)
        for c, v in at.items():
            row[c] += v
        rows.append(row)
        low.append(least)
        high.append(most)

    for i, q in need.iterrows():
        mine = np.flatnonzero(o["buyer"] == q["buyer"])
        add({**dict.fromkeys(mine, 1.0), n + k + i: 1.0}, q["need"], q["need"])
        for s, name in enumerate(names):
            gone = cut[(cut["scenario"] == name) & (cut["buyer"] == q["buyer"])].set_index(["lever", "supplier"])[
                "left"
            ]
            left = {j: gone.get((o.at[j, "lever"], o.at[j, "supplier"]), 1.0) for j in mine}
            lost = n + k + b + s * b + i
            cost[lost] = worth[q["buyer"]] * SCENARIOS[name][0]
            add({**left, n + k + i: 1.0, lost: 1.0}, q["need"], np.inf)
    for _, a in have.iterrows():
        add(dict.fromkeys(np.flatnonzero(o["supplier"] == a["supplier"]), 1.0), -np.inf, a["available"])
    for d, (who, deal) in enumerate(deals.iterrows()):
        mine = np.flatnonzero((o["supplier"] == who) & (o["lever"] == "contract"))
        rest = np.flatnonzero((o["supplier"] == who) & (o["lever"] != "contract"))
        add({**dict.fromkeys(mine, 1.0), n + d: -deal["at most a period, once agreed"]}, -np.inf, 0.0)
        add({**dict.fromkeys(mine, 1.0), n + d: -deal["at least a period, once agreed"]}, 0.0, np.inf)
        free = have.set_index("supplier").loc[who]
        add(dict.fromkeys(rest, 1.0), -np.inf, free["available"] - free["contract"])
    share = o["share CHN (location)"].to_numpy()
    take = {n + k + i: 0.45 for i in range(b)}
    add({**{j: share[j] for j in range(n)}, **take}, -np.inf, 0.45 * need["need"].sum())
    upper = np.full(size, np.inf)
    upper[:n], upper[n : n + k] = o["upper"], 1.0
    upper[n + k : n + k + b] = swap.loc[need["buyer"], "at most a period"]
    whole = np.zeros(size)
    whole[n : n + k] = 1
    found = milp(
        cost, constraints=LinearConstraint(np.array(rows), low, high), bounds=Bounds(0, upper), integrality=whole
    )
    assert found.fun == pytest.approx(plan.objective_value, rel=1e-6)


def test_pages_and_summaries_are_for_people() -> None:
    plan = optimize(hand(), BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5, view="control"))
    page = plan._repr_html_()
    assert "e+0" not in page
    assert "50.0%" in page
    # The group stands before single buyers, in every view.
    assert page.index("control") < page.index("JPN</td>")
    front = sp.frontier(hand(), BUYERS, product=P, levers=resource(), points=3)
    assert "USD of 2024 a year" in front._repr_html_()
    none = pd.DataFrame(
        [
            {"node": f"{P}@{c}:demand", "use": "total", "year": 2024, "quantity": 0.0, "grade": "assumption"}
            for c in BUYERS
        ]
    )
    idle = optimize(hand(demand=none), BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5))
    assert idle.binding == ()
    text = idle.summary()
    assert "nan" not in text
    assert "not defined" in text
    bare = optimize(hand(), BUYERS, product=P, levers=[resource(), sp.recycle()], constraints=sp.byproduct_ceiling())
    assert any("no host with a coefficient" in n for n in bare.notes)
    assert "left out: gallium.refined" in bare.summary()


@pytest.mark.parametrize("horizon", [None, (2026, 2027)])
@pytest.mark.parametrize("goal", [1 * sp.share("CHN"), 2 * sp.share("CHN"), sp.share("CHN") + 0.5 * sp.concentration()])
def test_a_constraint_in_money_keeps_its_unit_where_the_objective_is_no_money(goal: Any, horizon: Any) -> None:
    limits = [sp.budget(2000.0, of="extra"), sp.equal_burden(1.5, against={"JPN": 800.0, "USA": 900.0})]
    for limit in limits:
        plan = optimize(
            hand(), BUYERS, product=P, levers=resource(), objective=goal, constraints=limit, horizon=horizon
        )
        own = plan.duals.loc[plan.duals["constraint"] == repr(limit), "meaning"]
        assert len(own)
        for text in own:
            assert "one more USD of 2024 " in text, text
            assert text.endswith("of the objective" if len(goal.terms) > 1 else f"of {goal!r}"), text


def test_money_without_a_year_on_record_says_so() -> None:
    from test_portfolio import product

    bare = hand(products=pd.DataFrame([product(price_year=None)]))
    plan = optimize(bare, BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5))
    assert "USD (year not recorded) a year" in repr(plan)
    for text in (plan.summary(), plan._repr_html_()):
        assert "unrecorded" not in text
        assert "USD (year not recorded) (" not in text

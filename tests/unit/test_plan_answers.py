"""What else would do, what new data change, what knowing is worth, how firm a plan is."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand, project, simple

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import max_share, optimize, resource

FREE = resource(redirect=1.0, switching=0.0, revealed=False)


@pytest.fixture(scope="module")
def g() -> SupplyGraph:
    return hand()


def three(**flow: float) -> SupplyGraph:
    return simple(
        10.0, {"CHN": 10.0, "AUS": 5.0, "CAN": 5.0}, {"CHN": 1.0, "AUS": 2.0, "CAN": 2.1}, flow=flow or {"CHN": 10.0}
    )


def test_alternatives_cost_little_more_and_differ() -> None:
    plan = optimize(three(), "USA", product=P, levers=FREE, constraints=max_share("CHN", 0.5))
    assert plan.objective_value == pytest.approx(15.0)
    found = sp.alternatives(plan, k=3, slack=0.03)
    assert len(found.plans) == len(found.table) >= 2
    assert (found.table["objective"] <= 15.0 * 1.03 + 1e-6).all()
    # 0.45 more buys 4.5 units from Canada instead of Australia: 45 % of the supply comes from elsewhere.
    assert found.table["distance"].iloc[1] == pytest.approx(0.45)
    for p in found.plans:
        assert p.share("location")["after"] <= 0.5 + 1e-9
        assert p.graph.validate().empty
    common = found.common.set_index("supplier")["least"]
    # China holds 50 %; 3 % more pay for 0.45 units from Australia instead of it at most.
    assert 0.455 - 1e-6 <= common[f"{P}@CHN"] <= 0.5 + 1e-6
    two = sp.alternatives(plan, k=2, slack=0.03).common.set_index("supplier")["least"]
    assert two[f"{P}@CHN"] == pytest.approx(0.5, abs=1e-6)
    assert "common" in repr(found)
    assert "<table" in found._repr_html_()
    alone = sp.alternatives(plan, k=3, slack=0.0)
    assert len(alone.plans) == 1
    with pytest.raises(SchemaError):
        sp.alternatives(plan, k=0)


def test_alternatives_with_projects(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3))
    found = sp.alternatives(plan, k=4, slack=0.5)
    assert {"Alpha", "Beta"} <= set(", ".join(found.table["plants"]).split(", "))
    for p in found.plans:
        assert p.costs["plan"].sum() == pytest.approx(p.objective_value)


def test_rolling_keeps_what_was_decided(g: SupplyGraph) -> None:
    cap = max_share("CHN", 0.3)
    plan = optimize(g, BUYERS, product=P, constraints=cap)
    assert plan.plants["project"].tolist() == ["Beta"]
    same = sp.rolling(plan, g)
    assert same.plan.objective_value == pytest.approx(plan.objective_value)
    assert same.changes.empty
    # Afterwards Alpha turns out to cost nothing: Beta stands all the same.
    cheap = hand(
        projects=pd.DataFrame(
            [
                project("Alpha", "AUS", 40.0, 0.0),
                project("Beta", "USA", 50.0, 50_000.0, holder_country="CHN", company="X"),
            ]
        )
    )
    rolled = sp.rolling(plan, cheap)
    assert "Beta" in set(rolled.plan.plants["project"])
    assert rolled.kept == (f"plant Beta ({P})",)
    free = optimize(cheap, BUYERS, product=P, constraints=cap)
    assert rolled.plan.objective_value >= free.objective_value - 1e-6
    assert "Beta" not in set(free.plants["project"])
    # Beta is given up: the commitment is lost, and the loss has a name.
    gone = hand(
        projects=pd.DataFrame(
            [project("Alpha", "AUS", 40.0, 160_000.0), project("Beta", "USA", 50.0, 50_000.0, status="cancelled")]
        )
    )
    lost = sp.rolling(plan, gone)
    assert lost.lost == (f"plant Beta ({P}): cancelled",)
    assert lost.plan.plants["project"].tolist() == ["Alpha"]
    assert "<table" in lost._repr_html_()
    with pytest.raises(UnknownNameError, match="plants"):
        sp.rolling(plan, g, fixed="plant")


def test_perfect_foresight_costs_no_more_than_rolling(g: SupplyGraph) -> None:
    """R59: a plan over years, rolled to the next year with the first year's decisions fixed."""
    late = sp.during(max_share("CHN", 0.3), 2029)
    plan = optimize(g, BUYERS, product=P, constraints=late, horizon=(2026, 2030), ramp=(0.2, 1.0))
    rolled = sp.rolling(plan, g, now=2026)
    assert rolled.plan.objective_value >= plan.objective_value - 1e-6
    first = plan.schedule.query("decided == 2026")["project"].tolist()
    assert first == rolled.plan.schedule.query("decided == 2026")["project"].tolist()
    assert len(rolled.kept) == len(first)


def bans(p: float = 0.4) -> dict[str, Any]:
    from supplyrisk.shocks import export_ban

    return {"calm": (1.0 - p, []), "ban": (p, [export_ban("CHN", product=P, to=["USA"])])}


def test_value_of_information_by_hand() -> None:
    graph = simple(10.0, {"CHN": 10.0, "AUS": 10.0}, {"CHN": 1.0, "AUS": 2001.0}, flow={"CHN": 10.0})
    plan = optimize(graph, "USA", product=P, levers=FREE, scenarios=bans(), objective=sp.cost() + sp.expected_loss())
    # Australia costs 2000 more and saves 0.4 * 5000 = 2000: a tie at 20010, up to the tie both plans are optimal.
    assert plan.objective_value == pytest.approx(20_010.0)
    known = sp.value_of_information(plan)
    # Known: calm costs 10, a ban 20010 (all from Australia).
    assert known.wait_and_see == pytest.approx(0.6 * 10.0 + 0.4 * 20_010.0)
    assert known.perfect_information == pytest.approx(12_000.0)
    assert known.stochastic_solution == pytest.approx(0.0, abs=1e-3)
    dear = sp.value_of_information(
        optimize(graph, "USA", product=P, levers=FREE, scenarios=bans(0.9), objective=sp.cost() + sp.expected_loss())
    )
    # The naive plan buys Chinese: 10 + 0.9 * 50000; the other 20010.
    assert dear.stochastic_solution == pytest.approx(45_010.0 - 20_010.0)
    assert "perfect forecast" in repr(dear)
    assert "<table" in dear._repr_html_()
    with pytest.raises(SchemaError, match="has none"):
        sp.value_of_information(optimize(graph, "USA", product=P, levers=FREE))


def test_stability_over_intervals() -> None:
    base = three(CHN=5.0, AUS=5.0)
    nodes = base.table("nodes")
    wide = nodes["node"] == f"{P}@AUS"
    for column, factor in (("unit_cost_low", 0.5), ("unit_cost_high", 1.5)):
        nodes.loc[wide, column] = nodes.loc[wide, "unit_cost"] * factor
    graph = base.replace(nodes=nodes)
    lever = resource(redirect=1.0, switching=0.0, revealed=False)
    plan = optimize(graph, "USA", product=P, levers=lever, constraints=max_share("CHN", 0.5))
    one, two = (sp.stability(plan, samples=8, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.suppliers, two.suppliers)
    assert one.drawn == 1
    often = one.suppliers.set_index("supplier")["often"]
    assert often[f"{P}@CHN"] == 1.0
    assert 0.0 < often[f"{P}@AUS"] < 1.0
    assert one.objective.loc[0.05, "objective"] <= one.objective.loc[0.95, "objective"]
    assert "8 samples" in repr(one)
    assert "<table" in one._repr_html_()
    with pytest.warns(UserWarning, match="no figure has an interval"):
        firm = sp.stability(optimize(base, "USA", product=P, levers=FREE), samples=2)
    assert firm.drawn == 0
    assert (firm.suppliers["often"] == 1.0).all()


def test_alone_no_cheaper_than_together() -> None:
    """R37: with room for all, what a coalition pays for a cap is no more than its members' own plans added up."""
    g = hand(projects=pd.DataFrame([project("Beta", "USA", 500.0, 50_000.0)]))
    levers = sp.build()
    alone = sp.stand_alone(g, BUYERS, product=P, levers=levers, constraints=max_share("CHN", 0.3))
    together = optimize(g, BUYERS, product=P, levers=levers, constraints=max_share("CHN", 0.3, buyer="each"))
    extra = float(together.costs["plan"].sum() - together.costs["today"].sum())
    assert set(alone.index) == set(BUYERS)
    assert extra < float(alone.sum())


def test_questions_to_a_plan_over_years(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5), horizon=(2026, 2027))
    with pytest.warns(UserWarning, match="no figure has an interval"):
        firm = sp.stability(plan, samples=1)
    assert firm.objective.loc["plan", "objective"] == pytest.approx(plan.objective_value)
    found = sp.alternatives(plan, k=2, slack=0.02)
    assert (found.table["objective"] <= plan.objective_value * (1.02 + 1e-6)).all()
    assert found.table["distance"].iloc[1] > 0.0
    for p in found.plans:
        assert p.share("location")["after"] <= 0.5 + 1e-9
    # One year of it is for reading only, and says what to do instead.
    year = plan.year(2026)
    for ask in (sp.alternatives, sp.stability, sp.value_of_information, lambda p: sp.rolling(p, g)):
        with pytest.raises(SchemaError, match="Ask the whole plan"):
            ask(year)
    with pytest.raises(SchemaError, match="Ask the whole plan"):
        year.resolve()
    with pytest.raises(SchemaError, match="Ask the whole plan"):
        _ = year.model


def test_information_over_years() -> None:
    from supplyrisk.shocks import export_ban

    graph = simple(10.0, {"CHN": 10.0, "AUS": 10.0}, {"CHN": 1.0, "AUS": 2001.0}, flow={"CHN": 10.0})
    ban = export_ban("CHN", product=P, to=["USA"], start="2027-01", months=12)
    plan = optimize(
        graph,
        "USA",
        product=P,
        levers=FREE,
        scenarios={"calm": (0.6, []), "ban": (0.4, [ban])},
        objective=sp.cost() + sp.expected_loss(),
        horizon=(2026, 2027),
        discount=0.0,
    )
    known = sp.value_of_information(plan)
    # As in one year, with a year of calm before it.
    assert known.wait_and_see == pytest.approx(10.0 + 0.6 * 10.0 + 0.4 * 20_010.0)
    assert known.perfect_information == pytest.approx(12_000.0)
    assert known.stochastic_solution >= -1e-6
    sets = {"calm": [], "ban": [ban]}
    goal = sp.cost() + sp.worst_loss()
    robust = optimize(graph, "USA", product=P, levers=FREE, scenarios=sets, objective=goal, horizon=(2026, 2027))
    with pytest.raises(SchemaError, match="no expected value"):
        sp.value_of_information(robust)


def test_the_past_stays_as_it_was(g: SupplyGraph) -> None:
    """A cap that comes two years earlier cannot be met by what should have been decided before."""
    plan = optimize(g, BUYERS, product=P, constraints=sp.during(max_share("CHN", 0.3), 2030), horizon=(2026, 2030))
    assert plan.schedule["decided"].tolist() == [2028]
    sooner = sp.during(max_share("CHN", 0.3), 2029)
    rolled = sp.rolling(plan, g, now=2026, constraints=sooner)
    assert rolled.plan.schedule["decided"].tolist() == [2027]
    with pytest.raises(InfeasibleError, match="2029"):
        sp.rolling(plan, g, now=2027, constraints=sooner)
    # What was decided stays decided where nobody needs it any more, and nothing is added to the past.
    freed = sp.rolling(plan, g, now=2028, constraints=())
    assert freed.plan.schedule["decided"].tolist() == [2028]
    assert freed.kept == (f"plant Beta ({P})",)
    assert sp.rolling(plan, g, now=2027, constraints=()).plan.schedule.empty


def test_unchanged_data_give_the_same_plan() -> None:
    """Two suppliers that cost the same: rolled on, the plan keeps the one that it has."""
    graph = simple(
        10.0, {"CHN": 10.0, "AUS": 10.0, "CAN": 10.0}, {"CHN": 1.0, "AUS": 2.0, "CAN": 2.0}, flow={"CHN": 10.0}
    )
    cap = max_share("CHN", 0.5)
    plan = optimize(graph, "USA", product=P, levers=FREE, constraints=cap)
    mine = plan.decisions.set_index("country")["quantity"]
    other = "AUS" if "CAN" in mine.index else "CAN"
    for horizon in (None, (2026, 2028)):
        first = optimize(graph, "USA", product=P, levers=FREE, constraints=cap, horizon=horizon)
        assert sp.rolling(first, graph).changes.empty
    # Even where the solver would come to the other: the plan in force buys there.
    forced = plan.model
    import pyomo.environ as pyo

    forced.there = pyo.Constraint(expr=sum(v for k, v in forced.flow.items() if k[1] == f"{P}@{other}") >= 5.0)
    moved = plan.resolve()
    assert moved.objective_value == pytest.approx(plan.objective_value)
    assert sp.rolling(moved, graph).changes.empty
    assert sp.rolling(plan, graph).changes.empty


def test_contracts_agreed_hold() -> None:
    g = hand()
    levers = [resource(redirect=0.0), sp.contract(redirect=0.9, min_take=0.05)]
    cap = sp.during(max_share("CHN", 0.45), 2026, 2026)
    plan = optimize(g, BUYERS, product=P, levers=levers, constraints=cap, horizon=(2026, 2028))
    assert isinstance(plan, sp.HorizonPlan)
    assert len(plan.agreements)
    free = optimize(g, BUYERS, product=P, levers=levers, horizon=(2026, 2028))
    assert free.agreements.empty
    rolled = sp.rolling(plan, g, fixed=("contracts",), now=2026, constraints=())
    pd.testing.assert_frame_equal(rolled.plan.agreements, plan.agreements)
    assert all(k.startswith("contract with") for k in rolled.kept)
    let_go = sp.rolling(plan, g, fixed=("plants",), now=2026, constraints=())
    assert let_go.plan.agreements.empty


def test_stocks_and_deliveries_of_the_past_can_be_held() -> None:
    from supplyrisk.shocks import export_ban

    graph = simple(10.0, {"CHN": 12.0, "AUS": 12.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})

    def paths(year: int) -> dict[str, Any]:
        return {"ban": (1.0, [export_ban("CHN", product=P, to=["USA"], start=f"{year}-01", months=12)])}

    plan = optimize(
        graph,
        "USA",
        product=P,
        levers=[resource(redirect=0.1, switching=0.0), sp.stockpile(365.0, holding=0.0)],
        scenarios=paths(2029),
        objective=sp.cost() + sp.expected_loss(),
        horizon=(2026, 2029),
    )
    before = plan.stocks.set_index("year")["added"]
    # The ban comes two years sooner than was thought: what was not put by until 2026 is not there.
    options = {"scenarios": paths(2027), "now": 2026}
    held = sp.rolling(plan, graph, **options)
    assert held.plan.stocks.set_index("year")["added"][2026] == pytest.approx(before[2026])
    free = sp.rolling(plan, graph, fixed=(), **options)
    assert free.plan.objective_value <= held.plan.objective_value + 1e-6
    firm = sp.rolling(plan, graph, fixed=("stocks", "deliveries"), **options)
    old, new = (p.decisions.query("year == 2026").groupby("supplier")["quantity"].sum() for p in (plan, firm.plan))
    pd.testing.assert_series_equal(old, new)
    assert sp.rolling(plan, graph).changes.empty


def test_information_of_a_plan_with_a_cap_on_its_concentration(g: SupplyGraph) -> None:
    from supplyrisk.shocks import export_ban

    sets = {"calm": (0.8, []), "ban": (0.2, [export_ban("CHN", product=P, to=list(BUYERS))])}
    plan = optimize(
        g,
        BUYERS,
        product=P,
        levers=[resource(), sp.stockpile(180)],
        scenarios=sets,
        objective=sp.cost() + sp.cvar(0.9),
        constraints=sp.max_hhi(0.42),
    )
    known = sp.value_of_information(plan)
    assert known.perfect_information >= -1e-6 * plan.objective_value
    assert known.stochastic_solution >= -1e-6 * plan.objective_value


def _far(a: Any, b: Any) -> float:
    one, other = (p.decisions.groupby("supplier")["quantity"].sum() for p in (a, b))
    return float(one.sub(other, fill_value=0.0).abs().sum() / 2.0 / one.sum())


def test_alternatives_go_on_where_the_weights_repeat_themselves(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.4))
    found = sp.alternatives(plan, 8, 0.05)
    assert len(found.plans) == 8
    assert not found.notes
    for i, p in enumerate(found.plans):
        assert p.objective_value <= 1.05 * plan.objective_value * (1 + 1e-9)
        assert min(_far(p, q) for j, q in enumerate(found.plans) if j != i) >= 0.01 - 1e-9
    wide = sp.alternatives(plan, 3, 0.05, distance=0.9)
    assert len(wide.plans) == 1
    assert "proven: no plan" in wide.notes[0]


def test_alternatives_say_why_they_are_fewer() -> None:
    plan = optimize(three(), "USA", product=P, levers=FREE, constraints=max_share("CHN", 0.5))
    alone = sp.alternatives(plan, k=3, slack=0.0)
    assert alone.notes == (
        "1 of 3 plans: proven: no plan within the margin gets 1.00% or more of its supply from elsewhere",
    )
    # 45 % may come from Canada instead of Australia at most: nobody is half of the supply away.
    far = sp.alternatives(plan, k=3, slack=0.03, distance=0.48)
    assert len(far.plans) == 1
    assert "proven" in far.notes[0]
    # Plans between the two ends lie too near: no direction leads there, and that is said.
    some = sp.alternatives(plan, k=5, slack=0.03, distance=0.3)
    assert len(some.plans) == 2
    assert "directions" in some.notes[0]
    assert "not proven" in some.notes[0]

"""Plans over several years by hand: lead times, ramps, stocks carried over, discounting, and what a year looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand, link, node, product, project, simple

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import during, max_share, optimize, resource


@pytest.fixture(scope="module")
def g() -> SupplyGraph:
    return hand()


def test_one_year_is_the_plan_of_one_year_bit_by_bit(g: SupplyGraph) -> None:
    spec = max_share("CHN", 0.3)
    ready = hand(projects=pd.DataFrame([project("Beta", "USA", 50.0, 50_000.0, start=2026)]))
    single = optimize(ready, BUYERS, product=P, constraints=spec)
    several = optimize(ready, BUYERS, product=P, constraints=spec, horizon=(2026, 2026))
    assert isinstance(several, sp.HorizonPlan)
    assert several.objective_value == pytest.approx(single.objective_value, rel=1e-12)
    one = several.year(2026).decisions
    built = one["lever"] == "build"
    assert one.loc[built, ["decided", "delivers"]].to_numpy().tolist() == [[2026, 2026]] * int(built.sum())
    pd.testing.assert_frame_equal(one.drop(columns=["decided", "delivers"]), single.decisions.drop(columns="delivers"))


def test_present_value_of_years_without_ties(g: SupplyGraph) -> None:
    single = optimize(g, BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5))
    plan = optimize(
        g, BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5), horizon=(2026, 2028), discount=0.1
    )
    factor = 1 + 1 / 1.1 + 1 / 1.21
    assert plan.objective_value == pytest.approx(single.objective_value * factor)
    assert plan.costs.groupby("year")["plan"].sum().tolist() == pytest.approx([single.objective_value] * 3)
    assert np.allclose(plan.shares.query("buyer == 'group' and view == 'location'")["after"], 0.5)
    # A dual of a year is that of the single year, seen from its own time.
    assert plan.year(2028).duals["dual"].abs().max() == pytest.approx(single.duals["dual"].abs().max())


def test_a_plant_arrives_after_its_lead_time(g: SupplyGraph) -> None:
    with pytest.raises(InfeasibleError, match=r"202[67]: max_share"):  # no year before the plant can be met
        optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3), horizon=(2026, 2030))
    late = during(max_share("CHN", 0.3), 2029)
    plan = optimize(g, BUYERS, product=P, constraints=late, horizon=(2026, 2030))
    row = plan.schedule.iloc[0]
    # Start on record is 2028, two years after the plan begins: decided in 2027 it arrives in 2029, when it is needed.
    assert row[["project", "decided", "delivers"]].tolist() == ["Beta", 2027, 2029]
    share = plan.shares.query("buyer == 'group' and view == 'location'").set_index("year")["after"]
    assert share[[2029, 2030]].tolist() == pytest.approx([0.3, 0.3])
    assert share[2028] > 0.6
    assert plan.graph.validate().empty
    assert plan.independent_from(0.3, "location") == 2029
    assert plan.independent_from(0.1, "location") is None
    assert "decide Beta (USA) in 2027" in plan.summary()
    assert "2029" in plan._repr_html_()
    with pytest.raises(UnknownNameError, match="2031"):
        plan.year(2031)


def test_ramp_asks_for_an_earlier_decision(g: SupplyGraph) -> None:
    late = during(max_share("CHN", 0.3), 2029)
    plan = optimize(g, BUYERS, product=P, constraints=late, horizon=(2026, 2030), ramp=(0.2, 1.0))
    assert plan.schedule.set_index("project")["decided"].to_dict()["Beta"] == 2026
    delivered = plan.decisions.query("lever == 'build'").groupby("year")["quantity"].sum()
    assert delivered.get(2028, 0.0) <= 0.2 * 42.5 + 1e-6
    with pytest.raises(SchemaError):
        optimize(g, BUYERS, product=P, horizon=(2026, 2030), ramp=(0.5, 0.0))


def test_stock_is_bought_held_and_run_down() -> None:
    """Deliveries of 12 a year against a need of 10: 6 more in stock take three years."""
    graph = simple(10.0, {"CHN": 12.0}, {"CHN": 1.0}, flow={"CHN": 10.0})
    lever = resource(redirect=1.0, switching=0.0)
    spec = during(sp.min_stock_days(219.0), 2028)
    plan = optimize(
        graph,
        "USA",
        product=P,
        levers=[lever, sp.stockpile(365.0, holding=0.0)],
        constraints=spec,
        horizon=(2026, 2029),
        discount=0.0,
    )
    held = plan.stocks.set_index("year")["added"]
    assert held[2028] == pytest.approx(6.0)
    assert held[2026] <= 2.0 + 1e-6
    bought = plan.decisions.groupby("year")["quantity"].sum()
    assert (bought - held.diff().fillna(held.iloc[0])).tolist() == pytest.approx([10.0] * 4)
    # Nothing is lost on it without holding cost or discount: what is left is worth its price.
    assert plan.objective_value == pytest.approx(40.0)
    with pytest.raises(InfeasibleError):
        optimize(
            graph,
            "USA",
            product=P,
            levers=[lever, sp.stockpile(365.0)],
            constraints=during(sp.min_stock_days(219.0), 2027),
            horizon=(2026, 2029),
        )


def test_the_model_of_all_years_is_live(g: SupplyGraph) -> None:
    import pyomo.environ as pyo

    plan = optimize(g, BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5), horizon=(2026, 2027))
    m = plan.model
    assert pyo.value(m.objective) == pytest.approx(plan.objective_value)
    m.mine = pyo.Constraint(expr=sum(v for k, v in m.flow.items() if k[0] == 2027 and k[2] == f"{P}@CAN") <= 29)
    after = plan.resolve()
    q = after.decisions[after.decisions["country"] == "CAN"].groupby("year")["quantity"].sum()
    assert q[2027] <= 29.0 + 1e-6
    assert q[2026] > 30.0


@pytest.mark.parametrize("horizon", [(2030, 2026), (2026,), ("2026", "2030"), (1, 2)])
def test_horizons_that_cannot_be(g: SupplyGraph, horizon: Any) -> None:
    with pytest.raises(SchemaError, match="horizon"):
        optimize(g, BUYERS, product=P, horizon=horizon)
    with pytest.raises(SchemaError, match="several years"):
        optimize(g, BUYERS, product=P, constraints=during(max_share("CHN", 0.5), 2028))


def test_hhi_and_projects_over_years(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=during(sp.max_hhi(0.3), 2028), horizon=(2026, 2029))
    for y in (2028, 2029):
        s = plan.year(y).decisions.groupby("country")["quantity"].sum() / 150.0
        assert float((s**2).sum()) <= 0.3 + 1e-6


def ban(start: str | None = None, months: float | None = None) -> Any:
    from supplyrisk.shocks import export_ban

    return export_ban("CHN", product=P, to=["USA"], start=start, months=months)


def stocked(scenarios: Any, horizon: Any = (2026, 2028), goal: Any = None, **more: Any) -> sp.HorizonPlan:
    """Deliveries of 12 a year against a need of 10, and a stock of at most 146 days."""
    graph = simple(10.0, {"CHN": 12.0}, {"CHN": 1.0}, flow={"CHN": 10.0})
    lever = {"holding": 0.0} | more
    plan = optimize(
        graph,
        "USA",
        product=P,
        levers=[resource(redirect=1.0, switching=0.0), sp.stockpile(146.0, **lever)],
        scenarios=scenarios,
        objective=sp.cost() + (goal or sp.cvar(0.0)),
        horizon=horizon,
        discount=0.0,
    )
    assert isinstance(plan, sp.HorizonPlan)
    return plan


def test_scenarios_and_stocks_in_every_year() -> None:
    plan = stocked({"calm": (0.5, []), "ban": (0.5, [ban("2028-01", 12)])})
    # Two units a year can be put by; of the need of 2028 all but the four in stock is lost in a ban.
    assert plan.stocks.set_index("year")["added"].tolist()[:2] == pytest.approx([2.0, 4.0])
    assert plan.objective_value == pytest.approx(30.0 + 0.5 * 5000.0 * 6.0)
    told = plan.releases[plan.releases["scenario"] == "ban"].set_index("year")
    assert told["lost"].tolist() == pytest.approx([0.0, 0.0, 6.0])
    assert told.loc[2028, "released"] == pytest.approx(4.0)
    # Nobody knows of it before: until then the stock is the plan's, and calm weather never draws on it.
    calm = plan.releases[plan.releases["scenario"] == "calm"]
    assert calm["lost"].sum() == pytest.approx(0.0)


def test_stock_is_used_up_over_a_long_ban() -> None:
    """Ten in stock before a ban of four years are released once; deliveries that the ban stops refill nothing."""
    graph = simple(10.0, {"CHN": 40.0}, {"CHN": 1.0}, flow={"CHN": 10.0})
    plan = optimize(
        graph,
        "USA",
        product=P,
        levers=[resource(redirect=1.0, switching=0.0), sp.stockpile(365.0, holding=0.0)],
        scenarios={"ban": (1.0, [ban("2027-01", 48)])},
        objective=sp.cost() + sp.expected_loss(),
        horizon=(2026, 2030),
        discount=0.0,
    )
    told = plan.releases.set_index("year")
    assert told["released"].sum() - told.loc[2026, "released"] == pytest.approx(10.0)
    assert told["lost"].sum() == pytest.approx(30.0)
    # A ban from the first day on finds no stock at all.
    first = stocked({"ban": (1.0, [ban("2026-01", 48)])}, (2026, 2029), sp.expected_loss())
    assert first.releases["released"].sum() == pytest.approx(first.releases["refilled"].sum(), abs=1e-6)
    assert first.releases["lost"].sum() == pytest.approx(40.0)


def test_part_of_a_period_counts_in_part() -> None:
    quarter = stocked({"ban": (1.0, [ban("2026-10-01", 3)])}, (2026, 2027), sp.expected_loss())
    assert quarter.releases.set_index("year")["lost"][2026] == pytest.approx(12.0 * 92 / 365 - 2.0, abs=1e-6)
    fine = stocked({"ban": (1.0, [ban("2026-10-01", 3)])}, ("2026Q1", "2026Q4"), sp.expected_loss())
    # By quarters the stock is filled in the first three (3 of 2.5 each) and released in the last.
    told = fine.releases.set_index("year")
    assert told["lost"].sum() == pytest.approx(2.5 - 1.5)
    assert told.loc["2026Q4", "released"] == pytest.approx(1.5)


def test_dates_that_do_nothing_are_said() -> None:
    past = stocked({"ban": (1.0, [ban("2020-01", 12)])}, (2026, 2027), sp.expected_loss())
    assert past.releases["lost"].sum() == pytest.approx(0.0)
    assert any("cuts nothing" in n for n in past.notes)
    graph = simple(10.0, {"CHN": 12.0}, {"CHN": 1.0}, flow={"CHN": 10.0})
    single = optimize(
        graph,
        "USA",
        product=P,
        levers=resource(),
        scenarios={"ban": (1.0, [ban("2027-01", 3)])},
        objective=sp.cost() + sp.expected_loss(),
    )
    assert any("not looked at" in n for n in single.notes)


def test_rotation_loses_part_of_the_stock() -> None:
    keeps = stocked({"ban": (1.0, [ban("2028-01", 12)])}, goal=sp.expected_loss())
    loses = stocked({"ban": (1.0, [ban("2028-01", 12)])}, goal=sp.expected_loss(), rotation=0.5)
    assert keeps.releases["lost"].sum() == pytest.approx(6.0)
    # 2 at the end of 2026, 1 + 2 at the end of 2027, half of it at hand in 2028.
    assert loses.releases["lost"].sum() == pytest.approx(10.0 - 1.5)


def test_stock_of_a_plan_of_one_year_takes_output_and_is_paid() -> None:
    def plan(output: float, **more: Any) -> Any:
        graph = simple(10.0, {"CHN": output}, {"CHN": 1.0}, flow={"CHN": 10.0})
        return optimize(
            graph,
            "USA",
            product=P,
            levers=[resource(redirect=1.0, switching=0.0), sp.stockpile(365.0, holding=0.0, rate=0.1, **more)],
            scenarios={"ban": (1.0, [ban()])},
            objective=sp.cost() + sp.expected_loss(),
        )

    assert plan(10.0).stocks["added"].sum() == pytest.approx(0.0)
    assert plan(13.0).stocks["added"].sum() == pytest.approx(3.0)
    assert plan(13.0, fill=2.0).stocks["added"].sum() == pytest.approx(6.0)
    costs = plan(13.0).costs.set_index("item")["plan"]
    assert costs["stock bought"] == pytest.approx(3.0 * 0.1)
    assert plan(13.0, rotation=0.5).stocks["added"].sum() == pytest.approx(2.0)
    assert plan(13.0, rotation=0.5).costs.set_index("item")["plan"]["stock bought"] == pytest.approx(2.0 * 0.6)


def test_a_users_constraint_clashes_by_name(g: SupplyGraph) -> None:
    import pyomo.environ as pyo

    plan = optimize(g, BUYERS, product=P, constraints=sp.max_hhi(0.35))
    m = plan.model
    m.all_chinese = pyo.Constraint(expr=sum(v for k, v in m.flow.items() if k[1] == f"{P}@CHN") >= 140)
    with pytest.raises(InfeasibleError, match="all_chinese"):
        plan.resolve()


def test_a_year_shows_its_own_constraints_only(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=during(max_share("CHN", 0.3), 2029), horizon=(2026, 2030))
    assert plan.year(2026).binding == ()
    assert len(plan.year(2029).binding) == 1
    assert not plan.year(2026).duals["constraint"].str.startswith("max_share").any()
    assert plan.year(2026).readings.empty
    assert plan.year(2029).readings[["model", "score"]].iloc[0].tolist() == pytest.approx([0.3, 0.3])
    assert set(plan.readings["year"]) == {2029, 2030}
    assert any(b.startswith("2029") for b in plan.binding)
    with pytest.raises(SchemaError, match="no period"):
        optimize(g, BUYERS, product=P, constraints=during(max_share("CHN", 0.3), 2040), horizon=(2026, 2030))


def test_money_is_limited_when_it_is_spent(g: SupplyGraph) -> None:
    late = during(max_share("CHN", 0.3), 2029)
    plan = optimize(g, BUYERS, product=P, constraints=late, horizon=(2026, 2030))
    # Beta takes two years from 2027 on: half of 50,000 in each.
    spent = plan.spending.set_index("year")["usd"]
    assert spent.to_dict() == pytest.approx({2027: 25_000.0, 2028: 25_000.0})
    with pytest.raises(InfeasibleError, match="budget"):
        optimize(g, BUYERS, product=P, constraints=[late, during(sp.budget(0.0), 2026, 2028)], horizon=(2026, 2030))
    with pytest.raises(InfeasibleError, match="budget"):
        optimize(g, BUYERS, product=P, constraints=[late, sp.budget(24_000.0)], horizon=(2026, 2030))
    for ok in (during(sp.budget(0.0), 2029), sp.budget(25_000.0), during(sp.budget(0.0), 2026, 2026)):
        same = optimize(g, BUYERS, product=P, constraints=[late, ok], horizon=(2026, 2030))
        assert same.objective_value == pytest.approx(plan.objective_value)


def test_decisions_say_when_they_are_taken_and_when_they_deliver(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=during(max_share("CHN", 0.3), 2029), horizon=(2026, 2030))
    row = plan.decisions.query("lever == 'build' and year == 2030").iloc[0]
    assert row[["decided", "delivers"]].tolist() == [2027, 2029]
    beta = plan.projects.set_index("project").loc["Beta"]
    assert beta[["decided", "delivers"]].tolist() == [2027, 2029]
    assert pd.isna(plan.projects.set_index("project").loc["Alpha", "decided"])
    assert "delivers" in optimize(g, BUYERS, product=P).decisions


def test_a_contract_holds_for_its_term(g: SupplyGraph) -> None:
    levers = [resource(redirect=0.0), sp.contract(redirect=0.9, min_take=0.05, term=3.0)]
    caps = [during(max_share("CHN", 0.45), 2026, 2026), during(max_share("CHN", 0.45), 2028, 2028)]
    plan = optimize(g, BUYERS, product=P, levers=levers, constraints=caps, horizon=(2026, 2030))
    assert isinstance(plan, sp.HorizonPlan)
    years = plan.agreements.groupby("with")["year"].apply(list)
    assert all(set(range(min(y), min(min(y) + 3, 2031))) <= set(y) for y in years)
    assert any({2026, 2027, 2028} <= set(y) for y in years)
    short = [resource(redirect=0.0), sp.contract(redirect=0.9, min_take=0.05, term=1.0)]
    free = optimize(g, BUYERS, product=P, levers=short, constraints=caps, horizon=(2026, 2030))
    assert free.objective_value < plan.objective_value - 1e-6


def test_a_source_is_qualified_once_and_open_from_then_on(g: SupplyGraph) -> None:
    def plan(years: float, since: int, usd: float = 1000.0) -> sp.HorizonPlan:
        levers = [resource(redirect=0.0), sp.qualify(usd=usd, years=years, redirect=0.9)]
        caps = during(max_share("CHN", 0.45), since)
        out = optimize(g, BUYERS, product=P, levers=levers, constraints=caps, horizon=(2026, 2031), discount=0.0)
        assert isinstance(out, sp.HorizonPlan)
        return out

    with pytest.raises(InfeasibleError):
        plan(4.0, 2029)
    late = plan(4.0, 2030)
    assert set(late.agreements["year"]) == {2030, 2031}
    # Paid in full, once: 1000 of it more or less makes that much difference, whatever is left of its life.
    used = late.agreements["with"].nunique()
    assert plan(4.0, 2030, 2000.0).objective_value - late.objective_value == pytest.approx(1000.0 * used)


def test_a_substitute_waits_until_it_is_ready(g: SupplyGraph) -> None:
    levers = [resource(), sp.substitute(part=0.3, price=0.1, ready=2030)]
    plan = optimize(g, BUYERS, product=P, levers=levers, horizon=(2026, 2031))
    used = plan.costs[plan.costs["item"] == "substitute"].set_index("year")["plan"]
    assert used[[2026, 2029]].tolist() == [0.0, 0.0]
    assert (used[[2030, 2031]] > 0.0).all()
    assert any("counts as ready" in n for n in optimize(g, BUYERS, product=P, levers=levers).notes)


def test_needs_and_supply_change() -> None:
    graph = simple(10.0, {"CHN": 30.0, "AUS": 4.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})
    lever = resource(redirect=1.0, switching=0.0, revealed=False)

    def plan(**more: Any) -> sp.HorizonPlan:
        out = optimize(graph, "USA", product=P, levers=lever, horizon=(2026, 2028), discount=0.0, **more)
        assert isinstance(out, sp.HorizonPlan)
        return out

    assert plan().objective_value == pytest.approx(30.0)
    assert any("needs of today in every period" in n for n in plan().notes)
    grown = plan(needs=0.1)
    assert grown.objective_value == pytest.approx(10.0 + 11.0 + 12.1)
    assert grown.needs.set_index("year")["need"].tolist() == pytest.approx([10.0, 11.0, 12.1])
    table = plan(needs={P: {2026: 1.0, 2028: 1.4}})
    assert table.needs["need"].tolist() == pytest.approx([10.0, 12.0, 14.0])
    assert table.shares.query("buyer == 'group'")["after"].notna().all()
    frame = plan(needs=pd.DataFrame({P: [1.0, 1.4]}, index=[2026, 2028]))
    assert frame.needs["need"].tolist() == pytest.approx([10.0, 12.0, 14.0])
    by_pool = plan(needs={f"{P}@USA": {2027: 2.0}})
    assert by_pool.needs["need"].tolist() == pytest.approx([20.0] * 3)
    cap = max_share("CHN", 0.6)
    with pytest.raises(InfeasibleError, match=r"202[78]: max_share"):  # no year after the first can be met
        plan(needs=0.1, constraints=cap)
    more = plan(needs=0.1, supply={f"{P}@AUS": 0.1}, constraints=cap)
    assert more.year(2028).share("location")["after"] == pytest.approx(0.6)
    for bad in ({"needs": -1.0}, {"needs": {P: {2026: -1.0}}}, {"needs": {P: {}}}, {"supply": "much"}):
        with pytest.raises((SchemaError, UnknownNameError)):
            plan(**bad)
    with pytest.raises(UnknownNameError):
        plan(needs={"x": 0.1})
    with pytest.raises(SchemaError, match="horizon"):
        optimize(graph, "USA", product=P, levers=lever, needs=0.1)


def test_quarters_cost_a_quarter_each(g: SupplyGraph) -> None:
    spec = max_share("CHN", 0.5)
    year = optimize(g, BUYERS, product=P, levers=resource(), constraints=spec, horizon=(2026, 2026))
    fine = optimize(
        g, BUYERS, product=P, levers=resource(), constraints=spec, horizon=("2026Q1", "2026Q4"), discount=0.0
    )
    assert fine.objective_value == pytest.approx(year.objective_value)
    assert fine.years == ("2026Q1", "2026Q2", "2026Q3", "2026Q4")
    late = during(max_share("CHN", 0.3), "2028Q3")
    plan = optimize(g, BUYERS, product=P, constraints=late, horizon=("2027Q3", "2028Q4"))
    # Beta starts with 2028, half a year after the plan begins: two quarters from the decision on.
    assert plan.schedule.iloc[0][["decided", "delivers"]].tolist() == ["2028Q1", "2028Q3"]
    with pytest.raises(SchemaError, match="quarter"):
        optimize(g, BUYERS, product=P, horizon=("2026Q1", 2027))


def test_a_frontier_over_years(g: SupplyGraph) -> None:
    horizon = {"horizon": (2026, 2028), "levers": [resource()], "product": P}
    front = sp.frontier(g, BUYERS, against=sp.share("CHN", view="location"), points=4, **horizon)
    plan = optimize(g, BUYERS, **horizon)
    assert front.frame["objective"].iloc[0] == pytest.approx(plan.objective_value)
    assert front.frame["objective"].is_monotonic_increasing
    for i in range(len(front)):
        at = front.plan(i)
        assert isinstance(at, sp.HorizonPlan)
        mean = at.shares.query("buyer == 'group' and view == 'location'")["after"].mean()
        assert mean == pytest.approx(front.frame["share"].iloc[i], abs=1e-6)
        assert "present value" in at.summary()
    one = sp.frontier(g, BUYERS, against=sp.share("CHN", view="location"), points=4, levers=[resource()], product=P)
    # The same every year: the ends are those of one year.
    assert front.frame["share"].iloc[[0, -1]].tolist() == pytest.approx(one.frame["share"].iloc[[0, -1]].tolist())
    squares = sp.frontier(g, BUYERS, against=sp.concentration(), points=3, **horizon)
    assert squares.frame["concentration"].is_monotonic_decreasing


def test_a_product_by_the_month_is_put_by_over_the_year() -> None:
    """Need of 10 a month, deliveries of 12: 24 put by in a year cover a ban of two months and a bit."""
    graph = simple(10.0, {"CHN": 12.0}, {"CHN": 1.0}, flow={"CHN": 10.0})
    products = graph.table("products").assign(period="month")
    monthly = graph.replace(products=products)
    plan = optimize(
        monthly,
        "USA",
        product=P,
        levers=[resource(redirect=1.0, switching=0.0), sp.stockpile(365.0, holding=0.0)],
        scenarios={"ban": (1.0, [ban("2027-01", 3)])},
        objective=sp.cost() + sp.expected_loss(),
        horizon=("2026Q1", "2027Q1"),
        discount=0.0,
    )
    told = plan.releases.set_index("year")
    assert plan.stocks.set_index("year")["added"]["2026Q4"] == pytest.approx(24.0)
    assert told.loc["2027Q1", "released"] == pytest.approx(24.0)
    assert told["lost"].sum() == pytest.approx(6.0)
    # Fifteen months of ten; what was put by is gone at the end of the plan's own path only if it is drawn.
    assert plan.objective_value == pytest.approx(150.0 + 6.0 * 5000.0)


def test_what_is_left_without_the_largest_is_of_the_need_as_it_grows(g: SupplyGraph) -> None:
    used = pd.DataFrame(
        [{"node": f"{P}@JPN:demand", "use": "total", "year": 2024, "quantity": 90.0, "grade": "assumption"}]
    )
    for graph in (g, hand(demand=used)):
        plan = optimize(
            graph,
            BUYERS,
            product=P,
            levers=resource(redirect=0.9),
            constraints=sp.n_minus_1(0.5, buyer="each"),
            horizon=(2026, 2028),
            needs=0.1,
        )
        both = plan.readings[["model", "score"]]
        assert both["model"].tolist() == pytest.approx(both["score"].tolist())
        assert both["score"].min() >= 0.5 - 1e-6


# ---------------------------------------------------------------------- what settles after a solve


def test_kept_re_exports_settle_in_every_year() -> None:
    nodes = [node(f"{P}@{c}", output=100.0, unit_cost=k) for c, k in (("CHN", 1.0), ("AUS", 3.0))]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in ("NLD", "USA")]
    links = [link("CHN", "NLD:demand", 30), link("AUS", "NLD:demand", 10)]
    links += [link("NLD:demand", "USA:demand", 20), link("CHN", "USA:demand", 20)]
    graph = SupplyGraph.from_tables(
        products=pd.DataFrame([product()]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )
    rules = [during(sp.max_share("CHN", 0.5), 2026), during(sp.max_share("CHN", 0.4), 2027, 2028)]
    plan = optimize(graph, "USA", product=P, levers=resource(), constraints=rules, horizon=(2026, 2028))
    # Half of what the United States get is Dutch; the cap of 2026 is met as things are, and all of it is kept.
    for year, cap in ((2026, 0.5), (2027, 0.4), (2028, 0.4)):
        part = plan.year(year)
        assert part.re_exports["quantity"].sum() == pytest.approx(20.0)
        assert part.readings["model"].to_numpy() == pytest.approx(part.readings["score"].to_numpy(), abs=2e-6)
        assert part.readings["score"].max() == pytest.approx(cap)


def test_proportional_mixing_over_years_follows_the_mixes_of_each() -> None:
    from test_plan_bounds import mixes

    ore, metal = "cobalt.mine", "cobalt.refined"
    ask: dict[str, Any] = {"product": (ore, metal), "levers": resource(redirect=1.0, switching=0.0, revealed=False)}

    def cap(theta: float) -> Any:
        return sp.max_share("CHN", theta, view="origin", product=metal, mixing="proportional")

    graph = mixes(2.0, 5.0)
    single = optimize(graph, "JPN", constraints=cap(0.5), **ask)
    one = optimize(graph, "JPN", constraints=cap(0.5), horizon=(2026, 2026), **ask)
    assert one.objective_value == pytest.approx(single.objective_value, rel=1e-6)
    assert one.gap == pytest.approx(single.gap, abs=1e-6)
    # Different caps in different years: each year is measured at its own mixes.
    specs = [during(cap(0.7), 2026, 2026), during(cap(0.5), 2027)]
    plan = optimize(graph, "JPN", constraints=specs, horizon=(2026, 2028), discount=0.0, **ask)
    for year, theta in ((2026, 0.7), (2027, 0.5), (2028, 0.5)):
        row = plan.year(year).share("origin", product=metal)
        assert row["after"] <= theta + 1e-6
        assert row["after"] == pytest.approx(row["model"], abs=1e-6)
    loose = optimize(graph, "JPN", constraints=cap(0.7), **ask)
    assert plan.objective_value == pytest.approx(loose.objective_value + 2 * single.objective_value, rel=1e-6)
    assert plan.bound <= plan.objective_value
    assert plan.gap == pytest.approx((plan.objective_value - plan.bound) / plan.objective_value)
    assert any("successive linearisation" in n and f"{plan.gap:.3%}" in n for n in plan.notes)


def test_a_delay_is_part_of_the_lead_and_late_decisions_are_barred() -> None:
    rows = [
        project("Beta", "USA", 50.0, 50_000.0, start=2028, status="construction"),
        project("Gamma", "NOR", 45.0, 40_000.0, start=2027),
        project("Dark", "NOR", 45.0, 30_000.0, start=None),
    ]
    g = hand(projects=pd.DataFrame(rows))

    def schedule(*specs: Any) -> list[list[Any]]:
        late = during(max_share("CHN", 0.3), 2030)
        plan = optimize(g, BUYERS, product=P, constraints=[late, *specs], horizon=(2026, 2032))
        return plan.schedule[["project", "decided", "delivers"]].to_numpy().tolist()

    assert schedule() == [["Dark", 2030, 2030]]
    # Gamma takes a year as planned and three with the slip; Dark has no start on record and counts as late.
    assert schedule(sp.lead_time(2032)) == [["Gamma", 2029, 2030]]
    assert schedule(sp.lead_time(2032, delay=2.0)) == [["Gamma", 2027, 2030]]
    # Who must deliver by 2028 must be decided in time; what is under construction does not slip.
    assert schedule(sp.lead_time(2028)) == [["Gamma", 2027, 2028]]
    assert schedule(sp.lead_time(2028, delay=2.0)) == [["Beta", 2026, 2028]]
    assert schedule(sp.lead_time(2029, delay=2.0)) == [["Gamma", 2026, 2029]]
    # From 2029 on nothing may be decided that delivers after 2028, or nobody knows when: it is decided before.
    assert schedule(during(sp.lead_time(2028), 2029)) == [["Beta", 2028, 2030]]
    assert schedule(sp.lead_time(2032, delay=2.0, only=("Gamma", "Beta")))[0][0] == "Dark"
    with pytest.raises(
        InfeasibleError, match=r"lead_time\(2027, delay=2\.0\): Beta .* decided in 2026 delivers from 2028"
    ):
        schedule(sp.lead_time(2027, delay=2.0))

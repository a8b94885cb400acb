"""Aims beside cost: independence soon, attributes of suppliers, the worst scenario; steps of plants; recourse."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from test_portfolio import BUYERS, P, hand, project, simple

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import during, max_share, optimize, resource
from supplyrisk.shocks import export_ban

FREE = resource(redirect=1.0, switching=0.0, revealed=False)


@pytest.fixture(scope="module")
def g() -> SupplyGraph:
    return hand()


def ban(*to: str, **dates: Any) -> Any:
    return export_ban("CHN", product=P, to=list(to) or ["USA"], **dates)


# ---------------------------------------------------------------------- scenarios as a set


def test_scenarios_without_probabilities_are_a_set(g: SupplyGraph) -> None:
    bans = [ban(*BUYERS)]
    given = {"calm": [], "ban": bans}
    p = {"calm": (0.9, []), "ban": (0.1, bans)}

    def least(scenarios: Any, term: Any) -> float:
        goal = sp.cost() + term
        return optimize(g, BUYERS, product=P, levers=resource(), scenarios=scenarios, objective=goal).objective_value

    worst = least(p, sp.cvar(1.0))
    for term in (sp.cvar(0.3), sp.expected_loss(), sp.worst_loss(), sp.cvar(1.0)):
        assert least(given, term) == pytest.approx(worst)
    assert least(p, sp.worst_loss()) == pytest.approx(worst)
    plan = optimize(g, BUYERS, product=P, levers=resource(), scenarios=given, objective=sp.cost() + sp.cvar())
    assert any("uncertainty set" in n for n in plan.notes)


def test_worst_unmet_is_the_greatest_part() -> None:
    graph = simple(10.0, {"CHN": 10.0, "AUS": 4.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})
    sets = {"calm": [], "ban": [ban()]}
    plan = optimize(graph, "USA", product=P, levers=FREE, scenarios=sets, objective=sp.cost() + 1e3 * sp.worst_unmet())
    # Four come from elsewhere: six tenths stay unmet.
    assert plan.objective_value == pytest.approx(6.0 + 8.0 + 1e3 * 0.6)
    odds = {"calm": (0.5, []), "ban": (0.5, [ban()])}
    mean = optimize(
        graph, "USA", product=P, levers=FREE, scenarios=odds, objective=sp.cost() + 1e3 * sp.expected_unmet()
    )
    assert mean.objective_value == pytest.approx(6.0 + 8.0 + 1e3 * 0.5 * 0.6)
    with pytest.raises(SchemaError, match="worst_unmet"):
        optimize(graph, "USA", product=P, levers=FREE, scenarios=sets, objective=sp.expected_unmet())
    over = optimize(
        graph,
        "USA",
        product=P,
        levers=FREE,
        scenarios={"ban": [ban("USA", start="2027-01", months=6)]},
        objective=1e6 * sp.worst_unmet() + sp.cost(),
        horizon=(2026, 2027),
        discount=0.0,
    )
    half = 181 / 365  # January to June
    assert over.objective_value == pytest.approx(1e6 * half * 0.6 + 10.0 + 14.0)


def test_minimax_over_paths() -> None:
    """Two bans in different years: a stock that serves either is worth the worse of them only."""
    graph = simple(10.0, {"CHN": 12.0}, {"CHN": 1.0}, flow={"CHN": 10.0})
    paths = {str(y): [ban(start=f"{y}-01", months=12)] for y in (2027, 2028)}
    plan = optimize(
        graph,
        "USA",
        product=P,
        levers=[resource(redirect=1.0, switching=0.0), sp.stockpile(365.0, holding=0.0)],
        scenarios=paths,
        objective=sp.cost() + sp.worst_loss(),
        horizon=(2026, 2028),
        discount=0.0,
    )
    # Two in stock by 2027, four by 2028: 8 or 6 are lost.
    assert plan.objective_value == pytest.approx(30.0 + 5000.0 * 8.0)


# ---------------------------------------------------------------------- recourse


def test_rerouting_within_spare_capacity() -> None:
    graph = simple(10.0, {"CHN": 10.0, "AUS": 4.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})
    odds = {"calm": (0.9, []), "ban": (0.1, [ban()])}
    goal = sp.cost() + sp.expected_loss()

    def plan(*levers: Any, **more: Any) -> Any:
        return optimize(graph, "USA", product=P, levers=[FREE, *levers], scenarios=odds, objective=goal, **more)

    # Beforehand four from Australia at 2 instead of 1; in the ban six are lost.
    assert plan().objective_value == pytest.approx(6.0 + 8.0 + 0.1 * 6.0 * 5000.0)
    # With recourse they are bought only when it comes: 10 + 0.1 * (4 * 2.2 + 6 * 5000).
    assert plan(sp.reroute(0.1)).objective_value == pytest.approx(10.0 + 0.1 * (8.8 + 30_000.0))
    # What the plan buys there itself is not to be had a second time.
    dated = {"calm": (0.9, []), "ban": (0.1, [ban(start="2027-01", months=12)])}
    two = optimize(
        graph,
        "USA",
        product=P,
        levers=[FREE, sp.reroute()],
        scenarios=dated,
        objective=goal,
        constraints=during(max_share("CHN", 0.7), 2027),
        horizon=(2026, 2027),
        discount=0.0,
    )
    # Of four, three are bought anyway: one more in the ban, six lost.
    assert two.objective_value == pytest.approx(10.0 + 7.0 + 6.0 + 0.1 * (2.0 + 6.0 * 5000.0))


def test_rerouting_to_plants_needs_the_plant(g: SupplyGraph) -> None:
    graph = hand(projects=pd.DataFrame([project("Alpha", "AUS", 40.0, 160_000.0, start=2026)]))
    odds = {"calm": (0.99, []), "ban": (0.01, [ban(*BUYERS)])}
    levers = [sp.build(utilisation=1.0), sp.reroute()]
    one = optimize(graph, BUYERS, product=P, levers=levers, scenarios=odds, objective=sp.cost() + sp.expected_loss())
    two = optimize(
        graph,
        BUYERS,
        product=P,
        levers=levers,
        scenarios=odds,
        objective=sp.cost() + sp.expected_loss(),
        horizon=(2026, 2026),
    )
    assert two.objective_value == pytest.approx(one.objective_value)
    again = {k: v.value for k, v in one.model.rerouted.items() if (v.value or 0.0) > 1e-6}
    assert bool(again) <= bool(one.plants["built"].any() if len(one.plants) else False)


# ---------------------------------------------------------------------- independence and attributes


def test_time_to_independence(g: SupplyGraph) -> None:
    def plan(worth: float) -> Any:
        goal = sp.cost() + worth * sp.time_to_independence(0.3, view="location")
        return optimize(g, BUYERS, product=P, objective=goal, horizon=(2026, 2030), discount=0.0)

    # Beta can stand from 2028 on; before that the cap is out of reach.
    soon, never = plan(1e6), plan(0.0)
    assert soon.independent_from(0.3, "location") == 2028
    assert soon.schedule.set_index("project")["decided"]["Beta"] == 2026
    assert never.independent_from(0.3, "location") is None
    forced = optimize(
        g, BUYERS, product=P, constraints=during(max_share("CHN", 0.3), 2028), horizon=(2026, 2030), discount=0.0
    )
    assert soon.objective_value == pytest.approx(forced.objective_value + 2e6)
    one = optimize(g, BUYERS, product=P, objective=sp.cost() + 1e6 * sp.time_to_independence(0.3, view="location"))
    assert one.share("location")["after"] <= 0.3 + 1e-6
    with pytest.raises(UnknownNameError):
        optimize(g, BUYERS, product=P, objective=sp.cost() + sp.time_to_independence(0.3, view="owner"))


def test_attributes_of_suppliers() -> None:
    graph = simple(10.0, {"CHN": 10.0, "AUS": 10.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})

    def bought(price: float) -> dict[str, float]:
        goal = sp.cost() + price * sp.attribute({"CHN": 8.0, f"{P}@AUS": 2.0, "AUS": 99.0})
        plan = optimize(graph, "USA", product=P, levers=FREE, objective=goal)
        return plan.decisions.groupby("country")["quantity"].sum().to_dict()

    # Six units less at a price of one sixth is worth the one USD more: beyond it all comes from Australia.
    assert bought(0.16) == pytest.approx({"CHN": 10.0})
    assert bought(0.17) == pytest.approx({"AUS": 10.0})
    with pytest.raises(SchemaError, match=f"{P}@AUS"):
        optimize(graph, "USA", product=P, levers=FREE, objective=sp.cost() + sp.attribute({"CHN": 8.0}))
    with pytest.raises(SchemaError, match="without a figure"):
        optimize(graph, "USA", product=P, levers=FREE, objective=sp.cost() + sp.attribute({"CHN": 8.0, "AUS": np.nan}))
    with pytest.raises(SchemaError, match="mapping"):
        optimize(graph, "USA", product=P, levers=FREE, objective=sp.cost() + sp.attribute(3.0))


# ---------------------------------------------------------------------- steps of plants


def test_stages_have_a_time_and_a_cost_each(g: SupplyGraph) -> None:
    stages = {"Beta": ((1.0, 10_000.0), (2.0, 30_000.0))}
    plan = optimize(
        g,
        BUYERS,
        product=P,
        levers=[resource(), sp.build(stages=stages)],
        constraints=during(max_share("CHN", 0.3), 2030),
        horizon=(2026, 2030),
    )
    row = plan.schedule.set_index("project").loc["Beta"]
    assert row[["decided", "delivers", "capex"]].tolist() == [2027, 2030, 40_000.0]
    spent = plan.spending.set_index("year")["usd"]
    assert spent.to_dict() == pytest.approx({2027: 10_000.0, 2028: 15_000.0, 2029: 15_000.0})
    for bad in ({"Beta": ()}, {"Beta": ((1.0, 0.0),)}):
        with pytest.raises(SchemaError):
            optimize(g, BUYERS, product=P, levers=sp.build(stages=bad))
    with pytest.raises(UnknownNameError, match="Beta"):
        optimize(g, BUYERS, product=P, levers=sp.build(stages={"Betta": ((1.0, 1.0),)}))


def test_ramps_by_project(g: SupplyGraph) -> None:
    late = during(max_share("CHN", 0.3), 2030)

    def decided(ramp: Any) -> dict[str, int]:
        plan = optimize(g, BUYERS, product=P, constraints=late, horizon=(2026, 2030), ramp=ramp)
        return plan.schedule.set_index("project")["decided"].to_dict()

    assert decided((1.0,))["Beta"] == 2028
    # A Beta that is slow to start would have to begin early, and pay for it: Alpha is built instead.
    assert "Beta" not in decided({"Beta": (0.1, 0.1, 1.0)})
    assert decided({"Alpha": (0.1, 0.1, 1.0)})["Beta"] == 2028
    assert decided({"*": (0.1, 0.1, 1.0)})["Beta"] == 2026
    with pytest.raises(UnknownNameError):
        decided({"Betta": (0.5, 1.0)})
    # In a plan of one year it is a constraint.
    year = {"horizon": 2028, "constraints": [max_share("CHN", 0.4), sp.ramp_up((0.5, 1.0))]}
    half = optimize(g, BUYERS, product=P, **year)
    assert (half.plants["delivered"] <= 0.5 * half.plants["usable"] + 1e-6).all()
    with pytest.raises(SchemaError, match="ramp="):
        optimize(g, BUYERS, product=P, constraints=sp.ramp_up(), horizon=(2026, 2030))
    with pytest.raises(SchemaError, match="horizon"):
        optimize(g, BUYERS, product=P, constraints=sp.ramp_up())


def test_expansion_is_an_option_on_a_plant_that_stands() -> None:
    graph = hand(projects=pd.DataFrame([project("Beta", "USA", 50.0, 50_000.0)]))
    levers = [resource(), sp.build(), sp.expand("Beta", 50.0, 20_000.0, years=1.0)]
    cap = during(max_share("CHN", 0.1), 2030)
    with pytest.raises(InfeasibleError):
        optimize(graph, BUYERS, product=P, levers=levers[:2], constraints=cap, horizon=(2026, 2030))
    plan = optimize(graph, BUYERS, product=P, levers=levers, constraints=cap, horizon=(2026, 2030))
    when = plan.schedule.set_index("project")
    # Two years for the plant; the expansion may be begun once it stands and takes another.
    assert when.loc["Beta", ["decided", "delivers"]].tolist() == [2027, 2029]
    assert when.loc["Beta expansion", ["decided", "delivers"]].tolist() == [2029, 2030]
    assert plan.graph.validate().empty
    with pytest.raises(InfeasibleError):
        optimize(
            graph,
            BUYERS,
            product=P,
            levers=levers,
            constraints=during(max_share("CHN", 0.1), 2028),
            horizon=(2026, 2030),
        )
    one = optimize(graph, BUYERS, product=P, levers=levers, constraints=max_share("CHN", 0.1))
    assert set(one.plants["project"]) == {"Beta", "Beta expansion"}
    with pytest.raises(UnknownNameError, match="Beta"):
        optimize(graph, BUYERS, product=P, levers=[sp.build(), sp.expand("Betta", 1.0, 1.0)])


def test_when_to_build_by_brute_force() -> None:
    """Every way to decide on three plants (one in two stages) and an expansion, and the model's own choice."""
    three = [
        project("Alpha", "AUS", 40.0, 160_000.0, start=2027),
        project("Beta", "USA", 50.0, 50_000.0, start=2028),
        project("Gamma", "CAN", 30.0, 45_000.0, start=2026),
    ]
    graph = hand(projects=pd.DataFrame(three))
    levers = [
        resource(),
        sp.build(stages={"Alpha": ((1.0, 60_000.0), (1.0, 90_000.0))}),
        sp.expand("Gamma", 30.0, 30_000.0, years=1.0),
    ]
    caps = [during(max_share("CHN", 0.4), 2028), during(sp.budget(80_000.0), 2026)]
    years = (2026, 2028)
    best = optimize(graph, BUYERS, product=P, levers=levers, constraints=caps, horizon=years, ramp=(0.6, 1.0))
    lead = {"Alpha": 2, "Beta": 2, "Gamma": 0, "Gamma expansion": 1}
    c, w = best._compiled, best._wide
    rows = sparse.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))
    place = {k: i for i, k in enumerate(w.decide.keys)}
    found: list[float] = []
    names = list(lead)
    for when in itertools.product(*[[None, *(y for y in range(2026, 2029) if y + lead[n] <= 2028)] for n in names]):
        chosen = np.zeros(len(place))
        for n, year in zip(names, when, strict=True):
            if year is not None:
                chosen[place[year, f"{n} ({P})"]] = 1.0
        lower, upper = c.lower.copy(), c.upper.copy()
        lower[w.decide.at] = upper[w.decide.at] = chosen
        answer = milp(c.cost, constraints=LinearConstraint(rows, c.row_lower, c.row_upper), bounds=Bounds(lower, upper))
        if answer.status == 0:
            found.append(float(answer.fun) + c.offset)
    assert len(found) > 3
    assert min(found) == pytest.approx(best.objective_value)

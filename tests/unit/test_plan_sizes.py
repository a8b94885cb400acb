"""Needs that are far apart: what is small is met, capped and priced as if it stood alone, or it is said that it cannot be."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import P, link, node, product, project

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, SolverError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import optimize, resource
from supplyrisk.portfolio.firmer import off, tighter
from supplyrisk.portfolio.matrix import Matrix
from supplyrisk.portfolio.solve import Persistent, solve

BIG = 1e6
FREE = resource(redirect=1.0, switching=0.0, revealed=False)


def world(
    needs: dict[str, float], costs: dict[str, float], plants: list[dict[str, object]] | None = None, room: float = 2.2
) -> SupplyGraph:
    """Buyers who all buy from China today; every maker could deliver all of it."""
    total = sum(needs.values())
    nodes = [node(f"{P}@{c}", output=2.0 * total, capacity=room * total, unit_cost=u) for c, u in costs.items()]
    nodes += [node(f"{P}@{b}:demand", "demand") for b in needs]
    tables = {
        "products": pd.DataFrame([product()]),
        "nodes": pd.DataFrame(nodes),
        "links": pd.DataFrame([link("CHN", f"{b}:demand", q) for b, q in needs.items()]),
    }
    if plants:
        tables["projects"] = pd.DataFrame(plants)
    return SupplyGraph.from_tables(tables)


def got(plan: Any, buyer: str) -> pd.Series:
    d = plan.decisions
    return d[d["buyer"] == buyer].groupby("country")["quantity"].sum()


CONSTRAINTS = {
    "share": lambda: sp.max_share("CHN", 0.5, buyer="each"),
    "supplier": lambda: sp.max_supplier_share(0.6, buyer="each"),
    "suppliers": lambda: sp.min_suppliers(2, 0.3, buyer="each"),
    "hhi": lambda: sp.max_hhi(0.6, buyer="each"),
    "loss": lambda: sp.n_minus_1(0.4, buyer="each"),
    "tie": lambda: sp.no_decoupling("AUS", 0.4, buyer="each"),
    "governance": lambda: sp.governance_floor({"CHN": 0.0, "AUS": 1.0}, 0.4, buyer="each"),
}


@pytest.mark.parametrize("ratio", [1e6, 5e8, 1e9])
@pytest.mark.parametrize("name", list(CONSTRAINTS))
def test_a_small_buyer_gets_what_it_would_get_alone(name: str, ratio: float) -> None:
    small = BIG / ratio
    g = world({"JPN": BIG, "KOR": small}, {"CHN": 3.0, "AUS": 4.0})
    both = optimize(g, ["JPN", "KOR"], levers=FREE, constraints=CONSTRAINTS[name]())
    alone = optimize(g, "KOR", levers=FREE, constraints=CONSTRAINTS[name]())
    assert both.status == alone.status == "optimal"
    pd.testing.assert_series_equal(got(both, "KOR"), got(alone, "KOR"), rtol=2e-5)
    assert got(both, "KOR").sum() == pytest.approx(small, rel=1e-6)


def test_limits_of_buyers_of_every_size_cost_what_they_cost_alone() -> None:
    rng = np.random.default_rng(5)
    buyers = ("JPN", "KOR", "DEU", "FRA", "MLT")
    for i in range(12):
        needs = {b: float(10.0 ** rng.uniform(-3, 6)) for b in buyers}
        costs = {"CHN": 3.0, "AUS": float(rng.uniform(3, 9)), "CAN": float(rng.uniform(3, 9))}
        g = world(needs, costs)
        limit = list(CONSTRAINTS.values())[i % 5]()
        both = optimize(g, buyers, levers=FREE, constraints=limit)
        assert both.status == "optimal"
        paid = both.decisions.groupby("buyer")["cost"].sum()
        for b in buyers:
            alone = optimize(g, b, levers=FREE, constraints=limit)
            assert paid[b] == pytest.approx(alone.objective_value, rel=1e-5), (i, b)


@pytest.mark.parametrize("small", [1.0, 1e-2, 1e-3])
def test_a_plant_for_a_small_buyer_is_built(small: float) -> None:
    g = world({"JPN": BIG, "KOR": small}, {"CHN": 3.0}, [project("New", "AUS", small / 0.85, 1.0)])
    plan = optimize(g, ["JPN", "KOR"], constraints=sp.max_share("CHN", 0.0, buyer="KOR"))
    assert plan.status == "optimal"
    assert plan.plants["project"].tolist() == ["New"]
    assert got(plan, "KOR").to_dict() == pytest.approx({"AUS": small})
    years = optimize(
        g,
        ["JPN", "KOR"],
        constraints=sp.max_share("CHN", 0.0, buyer="KOR"),
        levers=[resource(), sp.build(), sp.unmet(1e6)],
        horizon=(2027, 2029),
    )
    late = years.needs[years.needs["buyer"] == "KOR"].set_index("year")["unmet"]
    assert late.to_dict() == pytest.approx({2027: small, 2028: 0.0, 2029: 0.0})


@pytest.mark.parametrize("small", [1.0, 1e-2, 1e-3])
def test_a_plant_that_is_not_built_feeds_nobody(small: float) -> None:
    """It is as large as the large buyer: a millionth of it would feed the small one."""
    g = world({"JPN": BIG, "KOR": small}, {"CHN": 3.0}, [project("New", "AUS", BIG / 0.85, 1e9)])
    cap = sp.max_share("CHN", 0.0, buyer="KOR")
    must = optimize(g, ["JPN", "KOR"], constraints=cap)
    assert must.plants["project"].tolist() == ["New"]
    assert got(must, "KOR")["AUS"] == pytest.approx(small)
    may = optimize(g, ["JPN", "KOR"], constraints=cap, levers=[resource(), sp.build(), sp.unmet(1e6)])
    assert may.plants.empty
    assert may.needs.set_index("buyer")["unmet"]["KOR"] == pytest.approx(small)
    assert may.objective_value == pytest.approx(3.0 * BIG + 1e6 * small)


def test_needs_too_far_apart_are_refused_by_name() -> None:
    g = world({"JPN": BIG, "KOR": 1e-7, "DEU": 1e-2}, {"CHN": 3.0, "AUS": 4.0})
    with pytest.raises(SchemaError, match=r"KOR:demand.*1e-07 of 1e\+06.*by itself") as err:
        optimize(g, ["JPN", "KOR", "DEU"])
    assert len(err.value.problems) == 1
    assert optimize(g, "KOR").status == "optimal"


def test_what_cannot_be_met_is_still_told() -> None:
    g = world({"JPN": BIG, "KOR": 1.0}, {"CHN": 3.0})
    with pytest.raises(InfeasibleError, match="KOR"):
        optimize(g, ["JPN", "KOR"], constraints=sp.max_share("CHN", 0.5, buyer="KOR"))


def test_duals_of_a_small_buyer_are_what_one_point_costs() -> None:
    g = world({"JPN": BIG, "KOR": 1.0}, {"CHN": 3.0, "AUS": 4.0})

    def plan(cap: float) -> Any:
        limits = [sp.max_share("CHN", 0.5, buyer="JPN"), sp.max_share("CHN", cap, buyer="KOR")]
        return optimize(g, ["JPN", "KOR"], levers=FREE, constraints=limits)

    here = plan(0.5)
    mine = here.duals[here.duals["meaning"].str.contains("KOR") & here.duals["meaning"].str.contains("point less")]
    paid = [p.decisions[p.decisions["buyer"] == "KOR"]["cost"].sum() for p in (here, plan(0.49))]
    assert paid[1] - paid[0] == pytest.approx(0.01, rel=1e-6)
    assert float(mine["dual"].iloc[0]) == pytest.approx(-1.0, rel=1e-6)


def test_a_small_delivery_is_in_every_table() -> None:
    """The score of the plan's graph and the model agree on it."""
    needs = {"JPN": 2e6, "KOR": 0.01}
    g = world(needs, {"CHN": 3.0, "AUS": 4.0})
    plan = optimize(g, list(needs), levers=FREE, constraints=sp.max_share("CHN", 0.9, buyer="each"))
    assert got(plan, "KOR").to_dict() == pytest.approx({"CHN": 0.009, "AUS": 0.001})
    row = plan.share("location", "CHN", P, "KOR")
    assert row["after"] == pytest.approx(0.9)
    assert row["model"] == pytest.approx(0.9)
    inside = plan.readings["score"].between(plan.readings["low"] - 1e-9, plan.readings["high"] + 1e-9)
    assert inside.all()


def test_a_row_of_your_own_has_its_own_size() -> None:
    import pyomo.environ as pyo

    g = world({"JPN": BIG, "KOR": 1e-3}, {"CHN": 3.0, "AUS": 4.0})
    plan = optimize(g, ["JPN", "KOR"], levers=FREE)
    m = plan.model
    mine = {k: v for k, v in m.flow.items() if "KOR" in str(k)}
    m.half = pyo.Constraint(
        expr=sum(v for k, v in mine.items() if "@CHN" in k[1]) <= sum(v for k, v in mine.items() if "@AUS" in k[1])
    )
    again = plan.resolve()
    assert got(again, "KOR").to_dict() == pytest.approx({"CHN": 5e-4, "AUS": 5e-4})


# ---------------------------------------------------------------------- the check itself


def leaking(size: float = 1.0) -> Matrix:
    """A plant of a million that costs 1 and feeds one lane of 1, in rows scaled by the plant."""
    m = Matrix()
    x = m.add_columns("x", 2, upper=[np.inf, np.inf])
    y = m.add_columns("y", 1, upper=1.0, integer=True)
    m.add_rows("need", 2, [0, 1], x.at, [1.0, 1.0], lower=[1.0, 0.0], upper=[1.0, 1e6], scale=[1.0, 1e6])
    m.add_rows("plant", 1, [0, 0, 0], [0, 1, 2], [1.0, 1.0, -1e6], upper=0.0, scale=size)
    m.add_cost(y.at, np.array([1.0]))
    return m


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_numbers_that_are_nearly_whole_are_found_out(size: float) -> None:
    s = solve(leaking(size).compile())
    assert s.status == "optimal"
    assert s.x.tolist() == pytest.approx([1.0, 0.0, 1.0])
    assert s.objective == pytest.approx(1.0)


def test_what_is_tied_more_closely_follows_from_the_rows() -> None:
    col, whole, most = tighter(leaking().compile())
    assert (col.tolist(), whole.tolist(), most.tolist()) == ([0], [2], [1.0])


def test_a_row_that_is_missed_twice_is_not_called_optimal(monkeypatch: pytest.MonkeyPatch) -> None:
    c = leaking().compile()
    monkeypatch.setattr("supplyrisk.portfolio.solve.off", lambda c, x: 1.0)
    s = Persistent(c).solve()
    assert s.status == "inaccurate"
    assert len(s.x) == 0
    g = world({"JPN": 1.0}, {"CHN": 3.0})
    with pytest.raises(SolverError) as err:
        optimize(g, "JPN")
    assert err.value.status == "inaccurate"


def test_a_row_is_looked_at_by_its_own_size() -> None:
    c = leaking().compile()
    assert off(c, np.array([1.0, 0.0, 1.0])) == 0.0
    assert off(c, np.array([0.5, 0.0, 1.0])) == pytest.approx(0.5)
    assert off(c, np.array([1.0, 0.0, 0.0])) == pytest.approx(1.0)


# ---------------------------------------------------------------------- what does nothing is not decided


def test_a_free_plant_that_delivers_nothing_is_not_built() -> None:
    plants = [project("Free", "AUS", 9.0, 0.0), project("Used", "CAN", 9.0, 0.0)]
    g = world({"JPN": 5.0}, {"CHN": 3.0}, plants)
    plan = optimize(g, "JPN")
    assert plan.plants.empty
    capped = optimize(g, "JPN", constraints=sp.max_share("CHN", 0.5))
    assert len(capped.plants) == 1
    assert (capped.plants["delivered"] > 0).all()
    years = optimize(g, "JPN", constraints=sp.during(sp.max_share("CHN", 0.5), 2028), horizon=(2027, 2029))
    assert len(years.schedule) == len(years.plants) == 1
    assert optimize(g, "JPN", horizon=(2027, 2029)).schedule.empty


def test_years_in_html_are_no_amounts() -> None:
    plants = [project("New", "AUS", 9.0, 100.0, start=2027)]
    g = world({"JPN": 5.0}, {"CHN": 3.0}, plants)
    cap = sp.max_share("CHN", 0.5)
    for plan in (
        optimize(g, "JPN", constraints=cap),
        optimize(g, "JPN", constraints=sp.during(cap, 2028), horizon=(2027, 2029)),
    ):
        assert len(plan.plants) == 1
        assert not re.search(r"\b2,0[23]\d\b", plan._repr_html_())
        assert "2027" in plan._repr_html_()


def test_deliveries_of_a_known_nothing_are_a_need_of_nothing() -> None:
    nodes = [node(f"{P}@CHN", output=10.0, unit_cost=1.0)]
    nodes += [node(f"{P}@{b}:demand", "demand") for b in ("JPN", "KOR", "DEU")]
    links = [
        link("CHN", "JPN:demand", 0.0),
        link("CHN", "KOR:demand", 3.0),
        link("CHN", "DEU:demand", np.nan) | {"missing": "withheld"},
    ]
    g = SupplyGraph.from_tables(
        {"products": pd.DataFrame([product()]), "nodes": pd.DataFrame(nodes), "links": pd.DataFrame(links)}
    )
    plan = optimize(g, ["JPN", "KOR", "DEU"])
    assert plan.needs.set_index("buyer")["need"].to_dict() == {"JPN": 0.0, "KOR": 3.0}
    left_out = plan.gaps[plan.gaps["what"] == "demand"]["where"].astype(str)
    assert left_out.tolist() == [f"{P}@DEU:demand"]

"""What one more unit of a need costs, against plans that are made again with it; both sides of a kink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import link, node, product, project, simple

import supplyrisk.portfolio as sp
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import optimize
from supplyrisk.portfolio.model import Build
from supplyrisk.registry import constraint, registries

P, Q = "x.refined", "y.refined"
BUYERS = ("DEU", "JPN", "USA")
NEED = {"USA": 83.0, "JPN": 47.0, "DEU": 91.0}
COST = {"CHN": 2.0, "AUS": 3.0, "CAN": 3.5, "MYS": 2.8}
STANDARD = {"CHN": 40.0, "AUS": 90.0, "CAN": 92.0, "MYS": 60.0}
FREE = sp.resource(revealed=False)


def market(name: str = P, need: dict[str, float] | None = None, capacity: dict[str, float] | None = None) -> Any:
    output = {"CHN": 200.0, "AUS": 60.0, "CAN": 40.0, "MYS": 30.0}
    most = {"CHN": 260.0, "AUS": 100.0, "CAN": 50.0, "MYS": 60.0} | (capacity or {})
    nodes = [node(f"{name}@{c}", output=output[c], capacity=most[c], unit_cost=COST[c]) for c in output]
    nodes += [node(f"{name}@{c}:demand", "demand") for c in BUYERS]
    flows = {("CHN", "USA"): 60, ("AUS", "USA"): 20, ("CHN", "JPN"): 40, ("MYS", "JPN"): 10, ("CHN", "DEU"): 50}
    flows |= {("AUS", "DEU"): 20, ("CAN", "DEU"): 20}
    links = [link(a, f"{b}:demand", q, name) for (a, b), q in flows.items()]
    used = [
        {"node": f"{name}@{c}:demand", "use": "total", "year": 2024, "quantity": q, "grade": "assumption"}
        for c, q in (NEED | (need or {})).items()
    ]
    return nodes, links, used


def three(
    need: dict[str, float] | None = None,
    capacity: dict[str, float] | None = None,
    projects: bool = False,
    two: bool = False,
) -> SupplyGraph:
    """Four suppliers and three buyers, each of which uses what is on record."""
    parts = [market(P, need, capacity)] + ([market(Q)] if two else [])
    nodes, links, used = ([row for p in parts for row in p[i]] for i in range(3))
    more = {"projects": pd.DataFrame([project("Pa", "CAN", 40.0, 200.0, product=P)])} if projects else {}
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product(q, unit="t", price=4.0) for q in (P, Q)[: 1 + two]]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(links),
        demand=pd.DataFrame(used),
        **more,
    )


def both_sides(ask: Callable[..., Any], at: str, h: float = 1e-3) -> tuple[float, float]:
    now = ask({}).objective_value
    up, down = (ask({at: NEED[at] + s * h}).objective_value for s in (1.0, -1.0))
    return (up - now) / h, (now - down) / h


# Constraints of which the bounds or coefficients hold the need, where they bind.
BINDING: dict[str, tuple[Any, list[Any]]] = {
    "max_share": (sp.max_share("CHN", 0.45), [FREE]),
    "max_share, unmet": (sp.max_share("CHN", 0.15), [FREE, sp.unmet(6.0)]),
    "max_share, substituted": (sp.max_share("CHN", 0.2), [FREE, sp.substitute(0.2, loss=0.1, price=1.2)]),
    "max_share, each": (sp.max_share("CHN", 0.45, buyer="each"), [FREE]),
    "max_supplier_share": (sp.max_supplier_share(0.45), [FREE]),
    "max_supplier_share, unmet": (sp.max_supplier_share(0.27), [FREE, sp.unmet(5.0)]),
    "max_hhi": (sp.max_hhi(0.32), [FREE]),
    "n_minus_1": (sp.n_minus_1(0.5), [FREE]),
    "n_minus_1, unmet": (sp.n_minus_1(0.65), [FREE, sp.unmet(5.0)]),
    "n_minus_1, supply": (sp.n_minus_1(0.87, of="supply"), [FREE, sp.stockpile(400.0)]),
    "focal_free": (sp.focal_free("CHN", 0.5), [FREE]),
    "no_decoupling": ([sp.max_share("CHN", 0.9), sp.no_decoupling("CHN", 0.6)], [FREE]),
    "governance_floor": (sp.governance_floor(STANDARD, 62.0), [FREE]),
    "min_stock_days": (sp.min_stock_days(30.0), [FREE, sp.stockpile(100.0)]),
    "min_suppliers": (sp.min_suppliers(4, 0.1), [FREE]),
}


@pytest.mark.parametrize("name", sorted(BINDING))
def test_one_more_needed_is_what_a_new_plan_costs_more(name: str) -> None:
    limits, levers = BINDING[name]

    def ask(need: dict[str, float]) -> Any:
        return optimize(three(need), BUYERS, product=P, levers=levers, constraints=limits)

    plan = ask({})
    found = plan.need_prices.set_index("buyer")
    more, less = both_sides(ask, "USA", 0.05 if name == "max_hhi" else 1e-3)
    near = 5e-3 if name == "max_hhi" else 2e-5
    assert found.loc["USA", "one_more"] == pytest.approx(more, rel=near)
    assert found.loc["USA", "one_less"] == pytest.approx(less, rel=near)
    said = plan.duals.loc[plan.duals["meaning"].str.contains("needed in USA"), "meaning"].tolist()
    assert len(said) == 1
    assert f"one more t needed in USA of {P} costs {found.loc['USA', 'one_more']:.2f} USD" in said[0]


def test_at_a_kink_both_sides_are_told() -> None:
    # Use on record is what arrives: one more is bought beyond today's deliveries, one less saves the cheapest of them.
    today = {"USA": 80.0, "JPN": 50.0, "DEU": 90.0}

    def ask(more: float) -> Any:
        need = today | {"USA": 80.0 + more}
        return optimize(
            three(need), BUYERS, product=P, levers=[sp.resource()], constraints=sp.no_decoupling("CHN", 0.5)
        )

    plan = ask(0.0)
    row = plan.need_prices.set_index("buyer").loc["USA"]
    now = plan.objective_value
    assert row["one_more"] == pytest.approx((ask(1e-3).objective_value - now) / 1e-3, rel=1e-5)
    assert row["one_less"] == pytest.approx((now - ask(-1e-3).objective_value) / 1e-3, rel=1e-5)
    assert row["one_more"] != pytest.approx(row["one_less"], rel=1e-2)
    words = " ".join(plan.duals["meaning"])
    assert (
        f"needed in USA of {P} costs {row['one_more']:.2f} USD of 2024, one less saves {row['one_less']:.2f}" in words
    )


def test_what_cannot_be_had_more_of_is_said() -> None:
    graph = three({"USA": 0.0, "JPN": 0.0, "DEU": 0.0})
    most = float(optimize(graph, BUYERS, product=P, levers=[FREE]).availability["available"].sum())
    plan = optimize(three({"USA": most, "JPN": 0.0, "DEU": 0.0}), BUYERS, product=P, levers=[FREE])
    row = plan.need_prices.set_index("buyer").loc["USA"]
    assert np.isinf(row["one_more"])
    assert row["one_less"] == pytest.approx(max(COST.values()) * 1.02, rel=1e-5)
    assert f"one more t needed in USA of {P} cannot be met with the decisions as they are, one less saves" in " ".join(
        plan.duals["meaning"]
    )


@pytest.fixture
def own() -> Iterator[Any]:
    @constraint(reference="a test")
    def at_most_squared(m: Build, part: float = 0.001) -> None:
        """A user's own bound that is not linear in the need, and coefficients that hold it."""
        whole = float(m.case.need.sum())
        lanes = np.flatnonzero(m.country[m.supplier] == "CHN")
        m.add_rows(
            "mine", 1, np.zeros(len(lanes)), lanes, np.full(len(lanes), 1.0 / whole), upper=part * whole,
            keys=lambda: ["mine"], say=lambda i: "mine",
        )  # fmt: skip

    yield at_most_squared
    registries["constraint"].remove("at_most_squared")


def test_constraints_of_the_user_count_too(own: Any) -> None:
    def ask(need: dict[str, float]) -> Any:
        return optimize(three(need), BUYERS, product=P, levers=[FREE], constraints=own(0.002))

    row = ask({}).need_prices.set_index("buyer").loc["JPN"]
    more, less = both_sides(ask, "JPN")
    assert row["one_more"] == pytest.approx(more, rel=1e-4)
    assert row["one_less"] == pytest.approx(less, rel=1e-4)
    bare = optimize(three(), BUYERS, product=P, levers=[FREE]).need_prices.set_index("buyer").loc["JPN"]
    assert row["one_more"] != pytest.approx(bare["one_more"], rel=1e-2)


def test_yes_or_no_decisions_stay_as_they_are() -> None:
    def ask(need: dict[str, float]) -> Any:
        return optimize(
            three(need, projects=True),
            BUYERS,
            product=P,
            levers=[FREE, sp.build()],
            constraints=sp.max_share("CHN", 0.2),
        )

    plan = ask({})
    assert plan.plants["project"].tolist() == ["Pa"]
    row = plan.need_prices.set_index("buyer").loc["DEU"]
    assert (row["one_more"], row["one_less"]) == pytest.approx(both_sides(ask, "DEU"), rel=2e-5)


def test_markets_that_have_nothing_to_do_with_one_another_are_asked_together() -> None:
    limits = sp.max_share("CHN", 0.45)
    alone = optimize(three(), BUYERS, product=P, levers=[FREE], constraints=limits).need_prices
    both = optimize(three(two=True), BUYERS, product=(P, Q), levers=[FREE], constraints=limits).need_prices
    assert both["product"].tolist().count(P) == both["product"].tolist().count(Q) == 3
    for p in (P, Q):
        mine = both[both["product"] == p].set_index("buyer").sort_index()
        assert mine["one_more"].tolist() == pytest.approx(alone.set_index("buyer").sort_index()["one_more"].tolist())


def test_over_several_periods_each_has_its_own() -> None:
    span = (2026, 2027)

    def ask(needs: Any) -> Any:
        return optimize(
            three(), BUYERS, product=P, levers=[FREE], constraints=sp.max_share("CHN", 0.45), horizon=span, needs=needs
        )

    plan = ask(None)
    found = plan.need_prices.set_index(["year", "buyer"])
    h = 1e-4
    now = plan.objective_value
    up = ask({f"{P}@USA": {2026: 1.0, 2027: 1.0 + h}}).objective_value
    down = ask({f"{P}@USA": {2026: 1.0, 2027: 1.0 - h}}).objective_value
    step = h * NEED["USA"]
    assert found.loc[(2027, "USA"), "one_more"] == pytest.approx((up - now) / step, rel=1e-4)
    assert found.loc[(2027, "USA"), "one_less"] == pytest.approx((now - down) / step, rel=1e-4)
    assert found.loc[(2026, "USA"), "one_more"] > found.loc[(2027, "USA"), "one_more"]  # discounted
    of_year = plan.year(2027).need_prices.set_index("buyer")
    weight = plan._wide.weight[1]
    assert of_year.loc["USA", "one_more"] * weight == pytest.approx(found.loc[(2027, "USA"), "one_more"])
    assert plan.duals["meaning"].str.contains(f"2027: one more t needed in USA of {P} costs").any()


def test_what_a_supplier_has_more_is_worth_counts_wherever_it_stands() -> None:
    # Supply that is left without the largest holds what the others could deliver: more from Australia helps twice.
    limits = [sp.max_share("CHN", 0.5), sp.n_minus_1(0.87, of="supply")]
    levers = [FREE, sp.stockpile(400.0)]

    def ask(more: float) -> Any:
        graph = three(capacity={"MYS": 60.0 + more})
        return optimize(graph, BUYERS, product=P, levers=levers, constraints=limits)

    plan = ask(0.0)
    h = 1e-3
    saved = (plan.objective_value - ask(h).objective_value) / h
    words = plan.duals.loc[plan.duals["meaning"].str.contains(f"to be had from {P}@MYS"), "meaning"].tolist()
    assert len(words) == 1
    assert f"saves {saved:.2f} USD" in words[0]
    assert saved != pytest.approx(-float(plan.duals.set_index("row").loc[f"{P}@MYS", "dual"]), rel=1e-2)


def test_where_mixes_follow_the_plan_they_settle_anew() -> None:
    from test_plan_mixes import CASES, plan_of

    from supplyrisk.portfolio.run import plan_case

    seed, n, buyers, redirect, specs, _ = CASES[0]
    plan = plan_of(seed, n, buyers, redirect, specs)
    assert plan._build.movers
    assert plan.gap < 1e-6
    pool = plan.needs["product"] + "@" + plan.needs["buyer"]
    need = dict(zip(pool, plan.needs["need"], strict=True))

    def cost(who: str, more: float) -> float:
        w = plan.written
        given = {"scenarios": None, "objective": None, "horizon": None, "discount": 0.08, "ramp": (1.0,)}
        given |= {"levers": w["levers"], "constraints": w["constraints"], "time_limit": None, "gap": None, "seed": 0}
        exactly = need | {who: need[who] + more}
        return plan_case(
            plan._build.case.graph, buyers, product=w["products"], exactly=exactly, **given
        ).objective_value

    found = plan.need_prices
    assert found["one_less"].notna().all()
    r = found.iloc[0]
    who, h = f"{r['product']}@{r['buyer']}", 1e-3 * r["need"]
    now = cost(who, 0.0)
    assert r["one_more"] == pytest.approx((cost(who, h) - now) / h, rel=2e-2)
    assert r["one_less"] == pytest.approx((now - cost(who, -h)) / h, rel=2e-2)


def test_a_plan_that_another_start_found_says_nothing_of_needs() -> None:
    from test_plan_mixes import CASES, plan_of

    plan = plan_of(*CASES[1][:5])
    assert plan.status == "locally_optimal"
    assert plan.need_prices[["one_more", "one_less"]].isna().all(axis=None)  # those of the first start do not compare


def test_a_plan_too_large_says_nothing_of_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supplyrisk.portfolio.marginal._EFFORT", 0)
    plan = optimize(three(), BUYERS, product=P, levers=[FREE], constraints=sp.max_share("CHN", 0.45))
    assert plan.need_prices["one_more"].isna().all()
    assert not plan.duals["meaning"].str.contains("needed in").any()


@pytest.mark.parametrize("limits", [[], [sp.max_hhi(0.9)]], ids=["proven", "tangents"])
def test_one_less_of_a_need_a_little_beyond_today_is_what_a_new_plan_saves(limits: list[Any]) -> None:
    # With squares a wide step would go past the kink at today's deliveries, where others are given up.
    today = {"USA": 80.05, "JPN": 50.3, "DEU": 90.0}
    goal = sp.cost() + 50.0 * sp.concentration()

    def ask(need: dict[str, float]) -> Any:
        levers = [sp.resource()]
        return optimize(three(today | need), BUYERS, product=P, levers=levers, objective=goal, constraints=limits)

    plan = ask({})
    assert any(("tangents" if limits else "programme") in n for n in plan.notes)
    found = plan.need_prices.set_index("buyer")
    for buyer, h in (("USA", 0.02), ("JPN", 0.1)):
        up, down = (ask({buyer: today[buyer] + s * h}).objective_value for s in (1.0, -1.0))
        now = plan.objective_value
        for side, real in (("one_more", (up - now) / h), ("one_less", (now - down) / h)):
            told = found.loc[buyer, side]
            assert (limits and np.isnan(told)) or told == pytest.approx(real, rel=2e-3 if not limits else 3e-2)


@pytest.mark.parametrize(
    ("cap", "costs", "saves"), [(0.5, 0.308, 0.104), (0.45, 0.308, None), (0.55, 0.104, None), (0.0, None, 0.308)]
)
def test_a_limit_at_a_kink_tells_what_it_is_worth_both_ways(
    cap: float, costs: float | None, saves: float | None
) -> None:
    # Down to a half Australia's 5 at 2 (and 2 % for switching) stand in, below it Canada's at 4: by hand, a point of 10 kg.
    g = simple(10.0, {"CHN": 10.0, "AUS": 5.0, "CAN": 10.0}, {"CHN": 1.0, "AUS": 2.0, "CAN": 4.0}, flow={"CHN": 10.0})
    levers = sp.resource(redirect=1.0, revealed=False)
    name = "gallium.refined"

    def least(x: float) -> float:
        return optimize(g, "USA", product=name, levers=levers, constraints=sp.max_share("CHN", x)).objective_value

    plan = optimize(g, "USA", product=name, levers=levers, constraints=sp.max_share("CHN", cap))
    said = str(plan.duals["meaning"].iloc[0])
    assert said.startswith("one point less CHN share (location)")
    if costs is None:
        assert "cannot be met" in said
    else:
        assert f" costs {costs:.2f} USD of 2024 a year" in said
        assert (least(cap - 0.01) - least(cap)) == pytest.approx(costs, rel=1e-6)
    if saves is None:
        assert "the other way" not in said
    else:
        assert said.endswith(f"as much the other way saves {saves:.2f} USD of 2024 a year")
        assert (least(cap) - least(cap + 0.01)) == pytest.approx(saves, rel=1e-6)


def test_what_follows_from_todays_links_is_read_once_for_all_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    from supplyrisk.portfolio import senders

    to = ("JPN", "KOR", "USA", "DEU", "FRA", "ITA")
    nodes = [node(f"{P}@{c}", output=60.0, capacity=80.0, unit_cost=u) for c, u in (("CHN", 1.0), ("AUS", 2.0))]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in (*to, "NLD")]
    links = [link(c, f"{b}:demand", 8.0, P) for c in ("CHN", "AUS") for b in to]
    links += [link(c, "NLD:demand", 6.0, P) for c in ("CHN", "AUS")]
    links += [link("NLD:demand", f"{b}:demand", 2.0, P) for b in to]
    graph = SupplyGraph.from_tables(
        products=pd.DataFrame([product(P, unit="t", price=4.0)]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )
    read: list[int] = []
    plain = senders.relays
    monkeypatch.setattr(senders, "relays", lambda m, still=None: (read.append(1), plain(m, still))[1])
    limit = sp.max_share("CHN", 0.45, buyer="each", view="control")
    plan = optimize(graph, to, product=P, levers=sp.resource(), constraints=limit)
    once = len(read)
    prices = plan.need_prices
    assert len(prices) == len(to)
    assert len(read) == once == 1

"""Plans on small graphs solved by hand, wrong input, and what a plan says of itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from supplyrisk import registry
from supplyrisk.control import focal_share
from supplyrisk.errors import InfeasibleError, SchemaError, SolverError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import (
    Build,
    Portfolio,
    budget,
    build,
    capital_recovery,
    cost,
    cvar,
    expected_loss,
    frontier,
    max_share,
    max_supplier_share,
    min_suppliers,
    optimize,
    resource,
    share,
    unmet,
)
from supplyrisk.portfolio.supply import read_case, resolve_buyers

P = "gallium.refined"
BUYERS = ("JPN", "USA")


def product(name: str = P, **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "product": name,
        "name": name,
        "commodity": name.partition(".")[0],
        "chain": "test",
        "stage": "refine",
        "unit": "kg",
        "basis": "contained",
        "period": "year",
        "price": 500.0,
        "price_year": 2024,
        "price_grade": "assumption",
    }
    return row | more


def node(ident: str, kind: str = "producer", **more: object) -> dict[str, object]:
    name, _, rest = ident.partition("@")
    grades = {f"{q}_grade": "assumption" for q in ("output", "capacity", "unit_cost")}
    place = rest.partition(":")[0].partition("#")[0]
    return {"node": ident, "product": name, "country": place, "kind": kind, "year": 2024} | grades | more


def link(supplier: str, buyer: str, quantity: float, name: str = P) -> dict[str, object]:
    return {
        "supplier": f"{name}@{supplier}",
        "buyer": f"{name}@{buyer}",
        "product": name,
        "year": 2024,
        "method": "observed",
        "quantity": float(quantity),
        "grade": "assumption",
    }


def project(ident: str, country: str, capacity: float, capex: float, **more: object) -> dict[str, object]:
    row: dict[str, object] = {"project": ident, "name": ident, "product": P, "country": country, "status": "planned"}
    return row | {"capacity": capacity, "capex": capex, "start": 2028, "grade": "assumption"} | more


def hand(**tables: pd.DataFrame) -> SupplyGraph:
    """China cheap, Japan with spare capacity, Korea behind the world pool, Canada selling to others."""
    nodes = [
        node(f"{P}@CHN", output=1000.0, unit_cost=400.0),
        node(f"{P}@JPN", output=30.0, capacity=40.0, unit_cost=600.0),
        node(f"{P}@KOR", output=20.0, unit_cost=700.0),
        node(f"{P}@CAN", output=100.0, unit_cost=650.0),
        *(node(f"{P}@{c}:demand", "demand") for c in ("JPN", "USA", "WLD", "CHN")),
    ]
    links = [
        link("CHN", "JPN:demand", 60),
        link("JPN", "JPN:demand", 30),
        link("CHN", "WLD:demand", 200),
        link("KOR", "WLD:demand", 20),
        link("WLD:demand", "USA:demand", 44),
        link("CAN", "USA:demand", 16),
        link("CHN", "CHN:demand", 740),
    ]
    frames = {
        "products": pd.DataFrame([product()]),
        "nodes": pd.DataFrame(nodes),
        "links": pd.DataFrame(links),
        "projects": pd.DataFrame(
            [
                project("Alpha", "AUS", 40.0, 160_000.0),
                project("Beta", "USA", 50.0, 50_000.0, holder_country="CHN", company="X"),
            ]
        ),
    }
    return SupplyGraph.from_tables(frames | tables)


@pytest.fixture(scope="module")
def g() -> SupplyGraph:
    return hand()


# ---------------------------------------------------------------------- the case


def test_world_pool_is_looked_through(g: SupplyGraph) -> None:
    case = read_case(g, BUYERS, P)
    names = g.index.nodes["node"].to_numpy(dtype=object)
    got = {(names[s], names[case.pool[b]]): q for s, b, q in zip(case.supplier, case.base_pool, case.base, strict=True)}
    assert got == pytest.approx(
        {
            (f"{P}@CHN", f"{P}@JPN:demand"): 60.0,
            (f"{P}@JPN", f"{P}@JPN:demand"): 30.0,
            (f"{P}@CAN", f"{P}@USA:demand"): 16.0,
            (f"{P}@CHN", f"{P}@USA:demand"): 40.0,
            (f"{P}@KOR", f"{P}@USA:demand"): 4.0,
        }
    )
    assert case.need.tolist() == [90.0, 60.0]


def test_re_export_within_the_group_is_counted_once() -> None:
    links = [link("CHN", "NLD:demand", 50), link("NLD:demand", "DEU:demand", 20), link("CAN", "DEU:demand", 10)]
    nodes = [node(f"{P}@CHN", output=50.0, unit_cost=1.0), node(f"{P}@CAN", output=10.0, unit_cost=2.0)]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in ("NLD", "DEU")]
    graph = SupplyGraph.from_tables(
        products=pd.DataFrame([product()]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )
    case = read_case(graph, ["NLD", "DEU"], P)
    assert dict(zip(graph.index.nodes["country"].to_numpy()[case.pool], case.need, strict=True)) == {
        "DEU": 30.0,
        "NLD": 30.0,
    }
    plan = optimize(graph, ["NLD", "DEU"], product=P, levers=resource(redirect=0.0))
    assert plan.costs["today"].sum() == pytest.approx(70.0)
    # What is kept passes through the same pools as today.
    pd.testing.assert_frame_equal(plan.graph.balance(), graph.balance())
    assert dict(zip(plan.graph.index.links["supplier"], plan.graph.index.quantity, strict=True)) == {
        f"{P}@CHN": 50.0,
        f"{P}@NLD:demand": 20.0,
        f"{P}@CAN": 10.0,
    }


def test_pools_that_feed_only_each_other_have_an_unknown_maker() -> None:
    links = [
        link("NLD:demand", "BEL:demand", 5),
        link("BEL:demand", "NLD:demand", 5),
        link("NLD:demand", "DEU:demand", 4),
    ]
    nodes = [node(f"{P}@{c}:demand", "demand") for c in ("NLD", "BEL", "DEU")]
    graph = SupplyGraph.from_tables(
        products=pd.DataFrame([product()]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )
    case = read_case(graph, ["DEU"], P)
    assert case.base.sum() == pytest.approx(4.0)
    kinds = graph.index.nodes["kind"].to_numpy(dtype=object)[case.supplier]
    assert set(kinds) == {"demand"}


def test_union_pool_stands_for_its_members() -> None:
    members = pd.DataFrame(
        [
            {"coalition": c, "country": m, "role": "member", "valid_from": "1990", "grade": "assumption"}
            for c, m in (("MSP", "JPN"), ("MSP", "EUE"), ("EU27", "DEU"), ("EU27", "FRA"))
        ]
    )
    q = "germanium.refined"
    nodes = [node(f"{p}@CHN", output=100.0, unit_cost=1.0) for p in (P, q)]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in ("EUE", "JPN", "DEU")]
    nodes += [node(f"{q}@{c}:demand", "demand") for c in ("FRA", "DEU", "USA")]
    links = [link("CHN", f"{c}:demand", 10) for c in ("EUE", "JPN", "DEU")]
    links += [link("CHN", f"{c}:demand", 10, q) for c in ("FRA", "DEU", "USA")]
    graph = SupplyGraph.from_tables(
        products=pd.DataFrame([product(), product(q)]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(links),
        memberships=members,
    )
    assert resolve_buyers(graph, None) == ("EUE", "JPN")
    case = read_case(graph, None)
    countries = graph.index.nodes["country"].to_numpy(dtype=object)[case.pool]
    got = sorted(zip((case.products[k] for k in case.pool_product), countries, strict=True))
    assert got == [(P, "EUE"), (P, "JPN"), (q, "DEU"), (q, "FRA")]


def test_use_on_record_wins_over_deliveries_and_says_so(g: SupplyGraph) -> None:
    demand = pd.DataFrame(
        [{"node": f"{P}@USA:demand", "use": "total", "year": 2024, "quantity": 66.0, "grade": "assumption"}]
    )
    plan = optimize(hand(demand=demand), BUYERS, product=P)
    assert plan.needs["need"].tolist() == [90.0, 66.0]
    assert any("use on record" in n for n in plan.notes)
    # The 6 kg more are bought at the plain price of the cheapest, the rest stays as it is.
    new = plan.decisions[plan.decisions["lever"] != "keep"]
    assert new[["lever", "country", "quantity"]].to_numpy().tolist() == [["grow", "CHN", pytest.approx(6.0)]]
    assert new["unit_cost"].tolist() == [pytest.approx(408.0)]


# ---------------------------------------------------------------------- plans by hand


def test_cap_is_met_by_the_cheapest_alternatives(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.5))
    # 25 kg less from China than today: Japan gives 10 more at 612 and Canada 15 more to Japan at 663; the rest stays.
    expected = 75 * 400 + 30 * 600 + 10 * 612 + 16 * 650 + 15 * 663 + 4 * 700
    assert plan.objective_value == pytest.approx(expected)
    assert plan.status == "optimal"
    assert plan.share("location")["after"] == pytest.approx(0.5)
    said = plan.duals.set_index("constraint")["meaning"][repr(max_share("CHN", 0.5))]
    assert (
        said == "one point less CHN share (location) in gallium.refined for the group costs 394.50 USD of 2024 a year"
    )
    assert plan.binding == (
        "max_share('CHN', 0.5): share of CHN (location) in gallium.refined for the group at most 50.00%",
    )


def test_control_cap_refuses_the_plant_owned_by_the_focal(g: SupplyGraph) -> None:
    naive = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3))
    through = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3, view="control"))
    assert naive.plants["project"].tolist() == ["Beta"]
    assert through.plants["project"].tolist() == ["Alpha"]
    assert naive.share("control")["after"] > 0.3 + 1e-6
    assert through.share("control")["after"] == pytest.approx(0.3)
    assert through.objective_value > naive.objective_value
    assert through.plants["annuity"].iloc[0] == pytest.approx(160_000 * capital_recovery(0.08, 20))


@pytest.mark.parametrize("view", ["location", "equity", "control", "origin"])
def test_reported_share_is_the_share_of_the_plan_graph(g: SupplyGraph, view: str) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.4, view=view))
    mine = plan.shares[plan.shares["view"] == view]
    assert np.allclose(mine["after"], mine["model"], atol=1e-9, equal_nan=True)
    if view == "equity":  # nobody's owner is on record
        assert mine["after"].isna().all()
        assert (mine["after_low"] == 0.0).all()
        assert (mine["after_high"] == 1.0).all()
    elif view != "origin":
        value, _, _ = focal_share(plan.graph, "CHN", view)
        ix = plan.graph.index
        into = ix.nodes["country"].to_numpy(dtype=object)[ix.dst]
        sel = np.isin(into, BUYERS)
        share = (value[ix.src] * ix.quantity)[sel].sum() / ix.quantity[sel].sum()
        assert share == pytest.approx(mine.set_index("buyer")["after"]["group"])


def test_plan_graph_is_valid_and_balanced_for_the_buyers(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3))
    assert plan.graph.validate().empty
    ix = plan.graph.index
    arrives = pd.Series(ix.quantity).groupby(ix.links["buyer"].astype(str).to_numpy()).sum()
    assert arrives[f"{P}@JPN:demand"] == pytest.approx(90.0)
    assert arrives[f"{P}@USA:demand"] == pytest.approx(60.0)
    # Nobody sells more than it makes, and the world pool gives no more than it gets.
    sold = pd.Series(ix.quantity).groupby(ix.links["supplier"].astype(str).to_numpy()).sum()
    output = ix.nodes.set_index(ix.nodes["node"].astype(str))["output"].astype(float)
    makers = sold.index[~sold.index.str.endswith(":demand")]
    assert (sold[makers] <= output[makers] + 1e-6).all()
    assert sold.get(f"{P}@WLD:demand", 0.0) <= arrives.get(f"{P}@WLD:demand", 0.0) + 1e-6
    assert f"{P}@USA#beta" in set(ix.nodes["node"])
    assert f"{P}@AUS#alpha" not in set(ix.nodes["node"])
    assert g.fingerprint == hand().fingerprint  # nothing wrote back


def test_keeping_everything_returns_the_baseline(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, levers=())
    assert plan.objective_value == pytest.approx(plan.costs["today"].sum())
    shares = plan.shares[plan.shares["buyer"] == "group"]
    assert np.allclose(shares["before"], shares["after"])
    assert set(plan.decisions["lever"]) == {"keep"}


def test_min_suppliers_and_each_buyer(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=min_suppliers(4, 0.1))
    by = plan.decisions.groupby("country")["quantity"].sum() / 150.0
    assert (by >= 0.1 - 1e-9).sum() >= 4
    each = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.5, buyer="each"))
    assert (each.share("location", buyer="JPN")["after"], each.share("location", buyer="USA")["after"]) <= (
        0.5001,
        0.5001,
    )
    one = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.5, buyer="USA"))
    assert one.share("location", buyer="USA")["after"] == pytest.approx(0.5)
    assert one.share("location", buyer="JPN")["after"] == pytest.approx(2 / 3)


def test_without_constraints_nothing_changes_unless_prices_alone_decide(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P)
    assert set(plan.decisions["lever"]) == {"keep"}
    cheapest = optimize(g, BUYERS, product=P, levers=resource(revealed=False))
    assert cheapest.share("location")["after"] == pytest.approx(1.0)
    assert cheapest.objective_value < plan.objective_value


def test_max_supplier_share_caps_every_country(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=max_supplier_share(0.35))
    assert plan.decisions.groupby("country")["quantity"].sum().max() <= 0.35 * 150 + 1e-6


def test_budgets(g: SupplyGraph) -> None:
    cap = max_share("CHN", 0.3, view="control")
    free = optimize(g, BUYERS, product=P, constraints=cap)
    with pytest.raises(InfeasibleError) as caught:
        optimize(g, BUYERS, product=P, constraints=[cap, budget(100_000)])
    assert "budget(100000) would have to allow at least 160,000 USD of 2024, 60,000 USD of 2024 more" in str(
        caught.value
    )
    spent = float(free.objective_value - free.costs["today"].sum())
    again = optimize(g, BUYERS, product=P, constraints=[cap, budget(spent * 1.0001, of="extra")])
    assert again.objective_value == pytest.approx(free.objective_value)
    with pytest.raises(InfeasibleError):
        optimize(g, BUYERS, product=P, constraints=[cap, budget(spent * 0.99, of="extra")])


def test_unmet_need_has_a_price(g: SupplyGraph) -> None:
    tight = max_share("CHN", 0.0)
    with pytest.raises(InfeasibleError):
        optimize(g, BUYERS, product=P, levers=resource(), constraints=tight)
    plan = optimize(g, BUYERS, product=P, levers=[resource(), unmet(10_000.0)], constraints=tight)
    assert plan.needs["unmet"].sum() == pytest.approx(150 - 40 - 32.8 - 7.2)


def test_horizon_leaves_late_projects_out(g: SupplyGraph) -> None:
    with pytest.raises(InfeasibleError):
        optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3), horizon=2026)
    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3), horizon=2028)
    assert plan.plants["project"].tolist() == ["Beta"]


def test_objective_terms_compose() -> None:
    total = cost() + 0.5 * cvar(0.95)
    assert repr(total) == "cost() + 0.5*cvar(0.95)"
    assert repr(2 * (cost() + cvar(0.9))) == "2*cost() + 2*cvar(0.9)"
    with pytest.raises(TypeError):
        cost() + 1


def test_frontier_is_the_row_of_single_plans(g: SupplyGraph) -> None:
    front = frontier(g, BUYERS, product=P, against=share("CHN", view="control"), points=6).frame
    assert front["objective"].is_monotonic_increasing
    assert (front["share"].diff().dropna() < 0).all()
    assert front["share"].iloc[0] == pytest.approx(2 / 3)
    assert front["share"].iloc[-1] == pytest.approx(0.24)
    assert front["knee"].sum() == 1
    for r in front.iloc[1:].itertuples():
        cap = max_share("CHN", float(r.share) + 1e-8, view="control")
        assert optimize(g, BUYERS, product=P, constraints=cap).objective_value == pytest.approx(r.objective, rel=1e-6)


# ---------------------------------------------------------------------- scenarios


def scenarios(p: float = 0.2) -> dict[str, object]:
    from supplyrisk.shocks import export_ban

    return {"calm": (1 - p, []), "ban": (p, [export_ban("CHN", product=P, to=list(BUYERS))])}


def test_cvar_limits(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, scenarios=scenarios(), objective=cost() + 0.01 * cvar(0.0))
    neutral = optimize(g, BUYERS, product=P, scenarios=scenarios(), objective=cost() + 0.01 * expected_loss())
    assert plan.objective_value == pytest.approx(neutral.objective_value)
    # Above 1 - p the tail is the worst scenario alone: its loss at full weight.
    worst = optimize(g, BUYERS, product=P, scenarios=scenarios(), objective=cost() + 0.01 * cvar(0.9))
    lost = 150 - worst.decisions.loc[worst.decisions["country"] != "CHN", "quantity"].sum()
    assert worst.objective_value == pytest.approx(worst.costs["plan"].sum() + 0.01 * lost * 500 * 10)


def test_scenario_of_probability_zero_changes_nothing(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, scenarios=scenarios(0.0), objective=cost() + cvar(0.5))
    assert plan.objective_value == pytest.approx(optimize(g, BUYERS, product=P).objective_value)


def test_scenarios_that_cannot_be(g: SupplyGraph) -> None:
    with pytest.raises(SchemaError, match="nothing in the plan reads them"):
        optimize(g, BUYERS, product=P, scenarios=scenarios())
    with pytest.raises(SchemaError, match="needs scenarios"):
        optimize(g, BUYERS, product=P, objective=cvar(0.9))
    with pytest.raises(SchemaError, match="do not add to 1"):
        optimize(g, BUYERS, product=P, scenarios={"a": (0.5, []), "b": (0.6, [])}, objective=cost() + cvar())
    with pytest.raises(SchemaError, match="not a measure"):
        optimize(g, BUYERS, product=P, scenarios={"a": ["ban"]}, objective=cost() + cvar())
    with pytest.raises(SchemaError, match="missing"):
        optimize(g, BUYERS, product=P, scenarios={"a": (1.0, []), "b": []}, objective=cost() + cvar())


# ---------------------------------------------------------------------- no plan


def test_impossible_cap_names_cap_product_supply_and_by_how_much(g: SupplyGraph) -> None:
    cap = max_share("CHN", 0.2, view="control")
    with pytest.raises(InfeasibleError) as caught:
        optimize(g, BUYERS, product=P, constraints=[cap, max_supplier_share(0.9)])
    text = str(caught.value)
    assert "max_share('CHN', 0.2, view='control')" in text
    assert "max_supplier_share" not in text  # it plays no part in the clash
    assert P in text
    assert f"{P}@CAN can deliver at most 32.8 kg (today 16 + outbid 16.8)" in text
    assert f"{P}@JPN can deliver at most 40 kg (today 30 + spare 10)" in text
    assert "allow at least 24.00%" in text
    assert any("max_share" in c for c in caught.value.conflict)
    loose = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.24, view="control"))
    assert loose.share("control")["after"] == pytest.approx(0.24)


def test_clash_that_needs_the_integers(g: SupplyGraph) -> None:
    with pytest.raises(InfeasibleError) as caught:
        optimize(g, BUYERS, product=P, constraints=[max_share("CHN", 0.9), min_suppliers(6, 0.1)])
    text = str(caught.value)
    assert "min_suppliers(6, 0.1)" in text
    assert "max_share" not in text
    assert "ask for at most 5" in text


def test_need_beyond_all_supply_says_what_is_short() -> None:
    demand = pd.DataFrame(
        [{"node": f"{P}@USA:demand", "use": "total", "year": 2024, "quantity": 9e4, "grade": "assumption"}]
    )
    with pytest.raises(InfeasibleError, match="falls short by"):
        optimize(hand(demand=demand), BUYERS, product=P)


def test_time_limit_is_its_own_status(g: SupplyGraph) -> None:
    with pytest.raises(SolverError) as caught:
        optimize(g, BUYERS, product=P, constraints=min_suppliers(4, 0.1), time_limit=0.0)
    assert caught.value.status == "time_limit"


def test_missing_solver(g: SupplyGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    with pytest.raises(SolverError, match="pip install highspy") as caught:
        optimize(g, BUYERS, product=P)
    assert caught.value.status == "missing_solver"


def test_negative_weight_is_refused_because_it_has_no_lower_limit(g: SupplyGraph) -> None:
    with pytest.raises(SchemaError, match="grow without end"):
        optimize(g, BUYERS, product=P, levers=[resource(), unmet(1.0)], scenarios=scenarios(), objective=-1 * cvar(0.5))


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: optimize(g, ["Japan"]), "JPN"),
        (lambda g: optimize(g, BUYERS, product="galium.refined"), "gallium.refined"),
        (lambda g: optimize(g, ["DEU"], product=P), "demand pools"),
        (lambda g: optimize(g, BUYERS, constraints=max_share("CNH", 0.5)), "CHN"),
        (lambda g: optimize(g, BUYERS, constraints=max_share("CHN", 0.5, view="controll")), "control"),
        (lambda g: optimize(g, BUYERS, constraints=max_share("CHN", 0.5, product="galium.refined")), P),
        (lambda g: optimize(g, BUYERS, constraints=max_share("CHN", 0.5, product=P, buyer="DEU")), "JPN"),
        (lambda g: optimize(g, BUYERS, levers=build(only=("Alfa",))), "Alpha"),
        (lambda g: optimize(g), "MSP"),
    ],
)
def test_unknown_names_give_close_matches(g: SupplyGraph, call: object, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        call(g)


@pytest.mark.parametrize(
    "spec",
    [
        max_share("CHN", 1.5),
        max_share("CHN", float("nan")),
        max_share("CHN", -0.1),
        budget(-1),
        min_suppliers(3, 0.0),
        min_suppliers(3, 0.5),
        max_supplier_share(True),
        resource(redirect=2.0),
        build(utilisation=0.0),
        unmet(-5.0),
        unmet(float("inf")),
    ],
)
def test_parameters_out_of_range(g: SupplyGraph, spec: registry.Spec) -> None:
    where = {"levers": spec} if spec.kind == "lever" else {"constraints": spec}
    with pytest.raises(SchemaError):
        optimize(g, BUYERS, **where)


def test_things_in_the_wrong_place(g: SupplyGraph) -> None:
    with pytest.raises(SchemaError, match="not a constraint") as caught:
        optimize(g, BUYERS, constraints=[max_share, resource()])
    assert len(caught.value.problems) == 2
    with pytest.raises(SchemaError, match="not an objective"):
        optimize(g, BUYERS, objective=max_share("CHN", 0.5))


def test_product_without_a_price_is_refused_or_reported() -> None:
    q = "germanium.refined"
    base = hand()
    nodes = pd.concat([base.nodes, pd.DataFrame([node(f"{q}@CHN", output=10.0), node(f"{q}@JPN:demand", "demand")])])
    graph = hand(
        products=pd.DataFrame([product(), product(q, price=None, price_year=None, price_grade=None)]),
        nodes=nodes,
        links=pd.concat([base.links, pd.DataFrame([link("CHN", "JPN:demand", 5, q)])]),
    )
    with pytest.raises(SchemaError, match=r"germanium\.refined.*no price"):
        optimize(graph, BUYERS, product=q)
    plan = optimize(graph, BUYERS)
    assert plan.gaps["product"].tolist() == [q]
    assert plan.written["products"] == (P,)


def test_project_without_capital_cost_is_a_gap() -> None:
    projects = pd.DataFrame(
        [
            project("Alpha", "AUS", 40.0, 160_000.0),
            project("Gamma", "DEU", 20.0, np.nan, capex_missing="unknown"),
            project("Delta", "DEU", np.nan, 5.0, capacity_missing="unknown"),
            project("Old", "DEU", 40.0, 1.0, status="operating"),
        ]
    )
    graph = hand(projects=projects)
    plan = optimize(graph, BUYERS, product=P, levers=build(estimate=False))
    assert plan.projects["project"].tolist() == ["Alpha"]
    assert plan.gaps["where"].tolist() == ["Gamma", "Delta"]
    guessed = optimize(graph, BUYERS, product=P).projects.set_index("project")
    assert guessed["estimated"].to_dict() == {"Alpha": False, "Gamma": True}
    assert guessed["capex"]["Gamma"] == pytest.approx(20.0 * np.median([160_000 / 40, 1.0 / 40]))
    assert guessed["grade"]["Gamma"] == "assumption"


# ---------------------------------------------------------------------- degenerate input


def simple(
    need: float, outputs: dict[str, float], costs: dict[str, float] | None = None, flow: dict[str, float] | None = None
) -> SupplyGraph:
    costs = costs or dict.fromkeys(outputs, 1.0)
    nodes = [node(f"{P}@{c}", output=q, unit_cost=costs[c]) for c, q in outputs.items()]
    nodes.append(node(f"{P}@USA:demand", "demand"))
    demand = [{"node": f"{P}@USA:demand", "use": "total", "year": 2024, "quantity": need, "grade": "assumption"}]
    links = [link(c, "USA:demand", q) for c, q in (flow or {}).items()]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product()]),
        nodes=pd.DataFrame(nodes),
        demand=pd.DataFrame(demand),
        **({"links": pd.DataFrame(links)} if links else {}),
    )


def test_zero_demand() -> None:
    plan = optimize(simple(0.0, {"CHN": 5.0}), "USA", product=P, constraints=[max_share("CHN", 0.1), min_suppliers(2)])
    assert plan.objective_value == 0.0
    assert plan.decisions.empty
    assert np.isnan(plan.share("location")["after"])  # the share of nothing is undefined, not zero


def test_one_supplier_and_capacity_exactly_at_demand() -> None:
    graph = simple(5.0, {"CHN": 5.0})
    plan = optimize(graph, "USA", product=P, levers=resource(redirect=1.0, switching=0.0))
    assert plan.objective_value == pytest.approx(5.0)
    with pytest.raises(InfeasibleError):
        optimize(graph, "USA", product=P, levers=resource(redirect=0.999))


def test_zero_and_equal_costs() -> None:
    free = simple(5.0, {"CHN": 5.0, "AUS": 5.0}, {"CHN": 0.0, "AUS": 0.0})
    lever = resource(redirect=1.0)
    assert optimize(free, "USA", product=P, levers=lever).objective_value == 0.0
    equal = simple(5.0, {"CHN": 5.0, "AUS": 5.0}, flow={"CHN": 2.0, "AUS": 3.0})
    plan = optimize(equal, "USA", product=P, levers=lever, constraints=max_share("CHN", 0.4))
    assert plan.objective_value == pytest.approx(5.0)
    assert set(plan.decisions["lever"]) == {"keep"}  # nothing moves without reason


def test_no_supplier_at_all() -> None:
    with pytest.raises(InfeasibleError, match="falls short by 5 of 5 kg"):
        optimize(simple(5.0, {"CHN": 0.0}), "USA", product=P)


# ---------------------------------------------------------------------- invariances


def test_row_order_and_unit_never_change_the_plan(g: SupplyGraph) -> None:
    spec = [max_share("CHN", 0.3), min_suppliers(4)]
    one = optimize(g, BUYERS, product=P, constraints=spec)
    shuffled = SupplyGraph.from_tables({k: v.sample(frac=1.0, random_state=3) for k, v in g.tables.items()})
    two = optimize(shuffled, BUYERS, product=P, constraints=spec)
    assert two.objective_value == pytest.approx(one.objective_value, rel=1e-12)
    scaled = {k: g.table(k) for k in ("products", "nodes", "links", "projects")}
    factor = 1e-3
    scaled["products"]["unit"] = "t"
    scaled["products"]["price"] /= factor
    for table, columns in (("nodes", ("output", "capacity")), ("links", ("quantity",)), ("projects", ("capacity",))):
        for c in columns:
            scaled[table][c] *= factor
    scaled["nodes"]["unit_cost"] /= factor
    three = optimize(SupplyGraph.from_tables(scaled), BUYERS, product=P, constraints=spec)
    assert three.objective_value == pytest.approx(one.objective_value, rel=1e-9)
    assert three.plants["project"].tolist() == one.plants["project"].tolist()


def test_monthly_product_costs_a_year(g: SupplyGraph) -> None:
    products = pd.DataFrame([product(period="month")])
    plan = optimize(hand(products=products), BUYERS, product=P, levers=())
    assert plan.objective_value == pytest.approx(12 * optimize(g, BUYERS, product=P, levers=()).objective_value)


# ---------------------------------------------------------------------- the live model and the words


def test_live_model_takes_a_users_constraint_in_one_line(g: SupplyGraph) -> None:
    import pyomo.environ as pyo

    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3))
    m = plan.model
    assert pyo.value(m.objective) == pytest.approx(plan.objective_value)
    m.canada = pyo.Constraint(expr=sum(v for k, v in m.flow.items() if k[1] == f"{P}@CAN") <= 20)
    after = plan.resolve()
    assert after.decisions.loc[after.decisions["country"] == "CAN", "quantity"].sum() == pytest.approx(20.0)
    assert after.objective_value > plan.objective_value
    with pytest.raises(UnknownNameError):
        m.flow["keep", "nobody", "nowhere"]
    assert len(m.flow) == len(plan.offers)


def test_user_written_constraint_is_one_decorated_function(g: SupplyGraph) -> None:
    @registry.constraint(reference="a test")
    def no_deliveries_from(m: Build, country: str) -> None:
        """Buy nothing from a country."""
        hit = np.flatnonzero(m.country[m.supplier] == country)
        m.add_rows(
            "none", 1, np.zeros(len(hit), dtype=int), hit, 1.0, upper=0.0, say=lambda i: f"nothing from {country}"
        )

    @registry.constraint(reference="a test")
    def in_pyomo(m: Build, country: str) -> None:
        """The same, written in Pyomo."""
        import pyomo.environ as pyo

        rows = [m.model.flow[k] for k in m.flow.keys if k[1] == f"{P}@{country}"]
        m.model.none = pyo.Constraint(expr=sum(rows) <= 0)

    try:
        one = optimize(g, BUYERS, product=P, constraints=no_deliveries_from("CAN"))
        two = optimize(g, BUYERS, product=P, constraints=in_pyomo("CAN"))
        assert "CAN" not in set(one.decisions["country"])
        assert two.objective_value == pytest.approx(one.objective_value)
    finally:
        registry.registries["constraint"].remove("no_deliveries_from")
        registry.registries["constraint"].remove("in_pyomo")


def test_plan_speaks(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3))
    text = plan.summary()
    for word in ("build Beta (USA)", "CHN share (location)", "HiGHS", g.fingerprint, "assumption", "one point less"):
        assert word in text
    assert "max_share" in plan._repr_html_()
    assert isinstance(plan, Portfolio)
    assert "optimal" in repr(plan)


def test_same_seed_same_bits(g: SupplyGraph) -> None:
    a, b = (optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.3), seed=7) for _ in range(2))
    assert a._solution.x.tobytes() == b._solution.x.tobytes()


def test_importing_the_portfolio_loads_no_solver() -> None:
    code = (
        "import sys, supplyrisk, supplyrisk.portfolio; "
        "print([m for m in ('pyomo', 'highspy', 'scipy.sparse') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("price", [1e3, 1e8, 1e11])
def test_a_forbidding_price_leaves_the_others_their_say(price):
    levers = [resource(), unmet(price)]
    assert optimize(hand(), BUYERS, product=P, levers=levers).objective_value == pytest.approx(71_200.0)


def test_a_price_beyond_all_others_is_refused():
    with pytest.raises(SchemaError, match="lower it"):
        optimize(hand(), BUYERS, product=P, levers=[resource(), unmet(1e16)])

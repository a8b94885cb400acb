"""Duals against differences, clashes that say what must give, robust caps by enumeration, free flow, mixing by brute force."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from test_plan_limits import FREE, two
from test_portfolio import P, link, node, product, simple

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.exposure import free_flow
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import optimize, resource
from supplyrisk.portfolio.solve import solve
from supplyrisk.registry import Spec

MONEY = re.compile(r"(-?[\d,.]+(?:e[+-]?\d+)?)( thousand| million| billion)? USD")


def usd(text: str) -> float:
    """The amount of money in a sentence."""
    found = MONEY.search(text)
    assert found, text
    return float(found[1].replace(",", "")) * {None: 1.0, " thousand": 1e3, " million": 1e6, " billion": 1e9}[found[2]]


def five() -> SupplyGraph:
    return simple(
        100_000.0,
        {"CHN": 100_000.0, "AUS": 40_000.0, "CAN": 30_000.0, "KOR": 40_000.0},
        {"CHN": 1.0, "AUS": 2.0, "CAN": 3.5, "KOR": 4.0},
        flow={"CHN": 60_000.0, "AUS": 40_000.0},
    )


STANDARD = {"CHN": 40.0, "AUS": 80.0, "CAN": 85.0, "KOR": 75.0}
# From a parameter to the constraint, where it binds, what a unit of the words is in the parameter, and its sign.
LINEAR: dict[str, tuple[Callable[[float], Spec], float, float, float]] = {
    "max_share": (lambda t: sp.max_share("CHN", t), 0.45, 0.01, -1.0),
    "max_share control": (lambda t: sp.max_share("CHN", t, view="control"), 0.37, 0.01, -1.0),
    "max_supplier_share": (lambda t: sp.max_supplier_share(t), 0.47, 0.01, -1.0),
    "n_minus_1": (lambda t: sp.n_minus_1(t), 0.53, 0.01, 1.0),
    "governance_floor": (lambda t: sp.governance_floor(STANDARD, t), 62.0, 0.0, 1.0),
    "focal_free": (lambda t: sp.focal_free("CHN", t), 0.57, 0.01, 1.0),
    "min_stock_days": (lambda t: sp.min_stock_days(t), 41.0, 1.0, 1.0),
}


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_what_a_dual_says_is_what_a_difference_shows(name: str) -> None:
    make, at, unit, sign = LINEAR[name]
    graph, levers = five(), [FREE, sp.stockpile()]

    def cost(t: float) -> float:
        return optimize(graph, "USA", product=P, levers=levers, constraints=make(t)).objective_value

    plan = optimize(graph, "USA", product=P, levers=levers, constraints=make(at))
    spoken = plan.duals["meaning"].str.contains(" costs ")
    row = plan.duals[(plan.duals["constraint"] == repr(make(at))) & spoken].iloc[0]
    if not unit:  # "0.37 more in the mean of ... costs ..."
        unit = float(str(row["meaning"]).split(" ")[0])
        said = usd(str(row["meaning"]).split(" costs ")[1])
    else:
        said = usd(str(row["meaning"]).split(" costs ")[1])
    h = 1e-3 * at
    left, right = (cost(at) - cost(at - h)) / h, (cost(at + h) - cost(at)) / h
    assert left == pytest.approx(right, rel=1e-5)  # no kink here
    assert left * unit * sign == pytest.approx(said, rel=6e-3)  # the words have three digits


def test_the_dual_of_a_budget_is_a_difference_too() -> None:
    def share(extra: float) -> sp.Portfolio:
        return optimize(
            five(), "USA", product=P, levers=FREE, objective=sp.share("CHN"), constraints=sp.budget(extra, of="extra")
        )

    plan = share(20_000.0)
    row = plan.duals[plan.duals["constraint"].str.startswith("budget")].iloc[0]
    slope = (share(20_100.0).objective_value - share(19_900.0).objective_value) / 200.0
    assert row["dual"] == pytest.approx(slope, rel=1e-5)


# ---------------------------------------------------------------------- what must give

# From a parameter to a constraint that cannot be met, the parameter, and how the sentence gives the one that can.
CLASHES: dict[str, tuple[Callable[[float], Spec], float, str, float]] = {
    "max_share": (lambda t: sp.max_share("CHN", t), 0.1, r"allow at least ([\d.]+)%", 0.01),
    "n_minus_1": (lambda t: sp.n_minus_1(t), 0.9, r"content with ([\d.]+)%", 0.01),
    "focal_free": (lambda t: sp.focal_free("CHN", t), 0.9, r"content with ([\d.]+)%", 0.01),
    "governance_floor": (
        lambda t: sp.governance_floor({"CHN": 40.0, "AUS": 80.0}, t),
        79.0,
        r"content with ([\d.]+)",
        1.0,
    ),
    "min_stock_days": (lambda t: sp.min_stock_days(t), 90.0, r"content with ([\d.]+) days", 1.0),
    "max_supplier_share": (lambda t: sp.max_supplier_share(t), 0.2, r"allow (?:CHN|AUS) at least ([\d.]+)%", 0.01),
    "no_decoupling": (lambda t: sp.no_decoupling("AUS", t), 0.9, r"content with ([\d.]+)%", 0.01),
}


@pytest.mark.parametrize("name", sorted(CLASHES))
def test_a_clash_names_itself_its_data_and_how_much_it_must_give(name: str) -> None:
    make, at, pattern, unit = CLASHES[name]
    graph = simple(10.0, {"CHN": 10.0, "AUS": 6.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})
    levers = [FREE, sp.stockpile(60.0)]
    easy = sp.max_share("CAN", 0.9)  # not part of any clash

    def plan(t: float) -> sp.Portfolio:
        return optimize(graph, "USA", product=P, levers=levers, constraints=[easy, make(t)])

    with pytest.raises(InfeasibleError) as caught:
        plan(at)
    text = str(caught.value)
    assert repr(make(at)) in text
    assert repr(easy) not in text
    if name not in ("min_stock_days", "focal_free"):  # those clash with stock, and with what can be passed on
        assert f"{P}@AUS can deliver at most 6 kg" in text
    found = re.search(pattern, text)
    assert found, text
    enough = float(found[1]) * unit
    assert plan(enough).status == "optimal"
    less = enough + 0.03 * (at - enough)
    with pytest.raises(InfeasibleError):
        plan(less)


# ---------------------------------------------------------------------- robust


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 1.5])
def test_a_budget_of_uncertainty_is_the_worst_of_all_choices(seed: int, gamma: float) -> None:
    """Against the programme with a row for every choice of suppliers that turn out as bad as they may be."""
    rng = np.random.default_rng(seed)
    names = ["CHN", "AUS", "CAN", "KOR", "BRA"]
    unit = dict(zip(names, [1.0, *rng.uniform(1.5, 4.0, 4).round(2)], strict=True))
    graph = simple(10.0, dict.fromkeys(names, 8.0), unit, flow={"CHN": 8.0, "AUS": 2.0})
    held = [
        {"asset": f"{P}@{c}", "part": "", "portion": 1.0, "holder": f"firm {c}", "holder_country": "CHN"}
        | {"type": "equity", "grade": "assumption", "share": float(s), "low": float(s), "high": float(h)}
        for c in names[1:]
        for s, h in [np.sort(rng.uniform(0.0, 0.6, 2)).round(2)]
    ]
    graph = graph.replace(holdings=pd.DataFrame(held))
    spec = sp.max_share("CHN", 0.55, view="equity", gamma=gamma)
    loose = optimize(graph, "USA", product=P, levers=FREE)
    shares = loose._build.shares(("CHN",), "equity")
    value = np.where(np.isnan(shares.value), shares.high, shares.value)
    spread = np.maximum(np.nan_to_num(shares.high, nan=1.0) - value, 0.0)
    m = loose._build
    who = np.unique(m.supplier)
    column = np.searchsorted(who, m.supplier)
    rows: list[np.ndarray[Any, Any]] = []
    whole, part = int(gamma), gamma - int(gamma)
    for chosen in itertools.combinations(range(len(who)), min(whole, len(who))):
        for extra in [None, *(set(range(len(who))) - set(chosen))] if part else [None]:
            bad = np.zeros(len(who))
            bad[list(chosen)] = 1.0
            if extra is not None:
                bad[extra] = part
            rows.append((value[who] + bad * spread[who])[column])
    limit = [np.full(len(rows), 5.5)]
    have = [(m.supplier == v).astype(float) for v in m.rationed]
    a = np.vstack([*rows, *have])
    b = np.concatenate([*limit, m.availability[m.rationed]])
    best = linprog(
        m.lane_cost,
        A_ub=a,
        b_ub=b,
        A_eq=np.ones((1, m.n_lanes)),
        b_eq=[10.0],
        bounds=list(zip(np.zeros(m.n_lanes), m.flow.upper, strict=True)),
    )
    if not best.success:
        with pytest.raises(InfeasibleError):
            optimize(graph, "USA", product=P, levers=FREE, constraints=spec)
        return
    plan = optimize(graph, "USA", product=P, levers=FREE, constraints=spec)
    assert plan.objective_value == pytest.approx(best.fun, rel=1e-6)


def test_hazard_and_technology_take_the_credit_they_deserve() -> None:
    """A plant that the focal may buy with probability h, or that runs on its tools by a part t, counts by so much."""
    graph = two().replace(
        projects=pd.DataFrame(
            [
                {"project": "New", "name": "New", "product": P, "country": "CAN", "status": "planned", "start": 2028}
                | {"capacity": 10.0, "capex": 1.0, "grade": "assumption"}
            ]
        )
    )
    levers = [resource(redirect=0.0), sp.build(utilisation=1.0)]
    for h in (0.0, 0.25, 0.5):
        spec = sp.max_share("CHN", 0.6, view="control", hazard=h)
        plan = optimize(graph, "USA", product=P, levers=levers, constraints=spec)
        got = plan.decisions.groupby("country")["quantity"].sum()
        # 10 - n from China and h n of the plant: at most 6.
        assert got["CAN"] == pytest.approx(4.0 / (1.0 - h), rel=1e-6)


# ---------------------------------------------------------------------- free of the focal


def tiers(seed: int) -> SupplyGraph:
    """Ore of three countries through refiners of three to one buyer; a refiner makes what its ore makes."""
    rng = np.random.default_rng(seed)
    ore, metal = "cobalt.mine", "cobalt.refined"
    mines, plants = ("COD", "AUS", "CHN"), ("CHN", "FIN", "KOR")
    links, fed = [], dict.fromkeys(plants, 0.0)
    dug = dict.fromkeys(mines, 0.0)
    for c in plants:
        for o in mines:
            q = float(rng.integers(1, 40))
            links.append(link(o, f"{c}:demand", q, ore))
            fed[c] += q
            dug[o] += q
        links.append(link(f"{c}:demand", c, fed[c], ore) | {"buyer": f"{metal}@{c}"})
    need = 0.0
    for c in plants:
        q = float(rng.integers(1, int(fed[c])))
        links.append(link(c, "JPN:demand", q, metal))
        need += q
    nodes = [node(f"{ore}@{o}", output=dug[o]) for o in mines]
    nodes += [node(f"{metal}@{c}", output=fed[c], unit_cost=float(rng.integers(1, 9))) for c in plants]
    nodes += [node(f"{ore}@{c}:demand", "demand") for c in plants] + [node(f"{metal}@JPN:demand", "demand")]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product(ore, stage="mine"), product(metal)]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(links),
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("booked", [False, True])
def test_what_the_model_books_free_is_the_maximum_flow_of_the_plans_graph(seed: int, booked: bool) -> None:
    graph = tiers(seed)
    spec = sp.focal_free("CHN", 0.2)
    if booked:
        spec = sp.max_share("CHN", 0.8, view="origin", mixing="mass_balance")
    try:
        plan = optimize(graph, "JPN", product="cobalt.refined", levers=resource(redirect=1.0), constraints=spec)
    except InfeasibleError:
        assert seed  # the first has a plan
        return
    m, c, x = plan._build, plan._compiled, plan._solution.x
    free = next(g for g in m.matrix.columns if g.name == "free_flow")
    cost = np.zeros(c.n)
    cost[free.at] = -1.0
    lower, upper = c.lower.copy(), c.upper.copy()
    lower[: m.n_lanes] = upper[: m.n_lanes] = x[: m.n_lanes]
    booked_free = -solve(replace(c, cost=cost, offset=0.0, lower=lower, upper=upper), duals=False).objective
    # The same by the max-flow of the look-through module: mines are the sources, refiners pass on what they make.
    g = plan.graph
    ids = g.index.nodes["node"].astype(str)
    flows = pd.DataFrame(
        {"supplier": g.index.links["supplier"], "buyer": g.index.links["buyer"], "quantity": g.index.quantity}
    )
    output = dict(zip(ids, g.index.nodes["output"].astype(float), strict=True))
    ruler = free_flow(
        flows,
        supply={i: output[i] for i in ids if i.startswith("cobalt.mine@") and not i.endswith("demand")},
        demand={"cobalt.refined@JPN:demand": float(plan.needs["need"].iloc[0])},
        capacity={i: output[i] for i in ids if i.startswith("cobalt.refined@") and not i.endswith("demand")},
        without=[i for i in ids if "@CHN" in i],
    )
    assert booked_free == pytest.approx(ruler.flow, rel=1e-6)
    assert ruler.share >= 0.2 - 1e-6
    if booked:
        assert any("mass balance" in n for n in plan.notes)


# ---------------------------------------------------------------------- proportional mixing


def mixes(dear: float, cheap: float) -> SupplyGraph:
    """Japan refines ore out of its own pool; metal can also come from China ready made."""
    ore, metal = "cobalt.mine", "cobalt.refined"
    nodes = [node(f"{ore}@{c}", output=100.0, unit_cost=u) for c, u in (("CHN", 1.0), ("AUS", dear))]
    nodes += [node(f"{metal}@JPN", output=50.0, unit_cost=5.0), node(f"{metal}@CHN", output=60.0, unit_cost=cheap)]
    nodes += [node(f"{p}@JPN:demand", "demand") for p in (ore, metal)]
    links = [link("CHN", "JPN:demand", 40, ore), link("AUS", "JPN:demand", 10, ore)]
    links += [link("JPN:demand", "JPN", 50, ore) | {"buyer": f"{metal}@JPN"}]
    links += [link("JPN", "JPN:demand", 40, metal), link("CHN", "JPN:demand", 20, metal)]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product(ore, stage="mine"), product(metal)]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(links),
    )


@pytest.mark.parametrize(
    ("dear", "cheap", "cap"),
    [
        (2.0, 5.0, 0.5),
        (6.0, 4.5, 0.7),
        *(pytest.param(*x, marks=pytest.mark.deep) for x in [(3.0, 4.0, 0.6), (1.5, 3.0, 0.4)]),
    ],
)
def test_the_gap_of_proportional_mixing_is_a_true_bound(dear: float, cheap: float, cap: float) -> None:
    ore, metal = "cobalt.mine", "cobalt.refined"
    lever = resource(redirect=1.0, switching=0.0, revealed=False)
    spec = sp.max_share("CHN", cap, view="origin", product=metal, mixing="proportional")
    plan = optimize(mixes(dear, cheap), "JPN", product=(ore, metal), levers=lever, constraints=spec)
    found = plan.share("origin", product=metal)
    assert found["after"] <= cap + 1e-6
    assert found["after"] == pytest.approx(found["model"], abs=1e-6)
    # Every plan: o of 50 units of ore from Australia, j of 60 units of metal from Japan.
    o, j = np.meshgrid(np.linspace(0.0, 50.0, 1001), np.linspace(0.0, 50.0, 1001))
    share = (60.0 - j) / 60.0 + j / 60.0 * (50.0 - o) / 50.0
    cost = 5.0 * j + cheap * (60.0 - j) + (50.0 - o) + dear * o
    best = float(cost[share <= cap + 1e-12].min())
    note = next(n for n in plan.notes if "successive linearisation" in n)
    stated = re.search(r"at most ([\d.]+)% above", note)
    assert stated, note
    gap = float(stated[1]) / 100.0
    assert plan.objective_value >= best * (1.0 - 1e-3)
    assert best >= plan.objective_value * (1.0 - gap) * (1.0 - 1e-3)
    assert plan.gap == pytest.approx(gap, abs=1e-5)
    assert plan.bound == pytest.approx(plan.objective_value * (1.0 - plan.gap))
    # What the plan without the cap costs is a bound too, and a poor one.
    free = float(cost.min())
    assert plan.gap < 0.3 * (plan.objective_value - free) / plan.objective_value


@pytest.mark.parametrize("floor", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("view", ["location", "control"])
def test_what_is_guaranteed_free_is_never_more_than_the_ruler_finds(floor: float, view: str) -> None:
    """With re-exporters between makers and buyers: an inequality, with the floor on the safe side of it."""
    from test_portfolio import hand

    buyers = ("JPN", "USA")
    spec = sp.focal_free("CHN", floor, view=view)
    plan = optimize(hand(), buyers, product=P, levers=[resource(), sp.build()], constraints=spec)
    pools = [f"{P}@{c}:demand" for c in buyers]
    base = "control" if view == "control" else "location"
    ruler = free_flow(plan.graph, pools, demand=dict(zip(pools, (90.0, 60.0), strict=True)), focal="CHN", base=base)
    free = next(g for g in plan._build.matrix.columns if g.name == "free_flow")
    booked = float(plan._solution.x[free.at].sum())
    assert booked >= floor * 150.0 - 1e-6
    assert ruler.flow >= booked - 1e-6

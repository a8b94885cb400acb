"""Tiers of a plan that feed one another: output beyond today's takes its inputs from the buyers' pools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from test_portfolio import link, node, product

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import build, max_share, optimize, resource

R, ORE = "gallium.refined", "gallium.mine"
B = ("JPN", "KOR")
FED = f"{R}@KOR"


def chain(coefficient: float | None = 1.0, aus: float = 60.0, **tables: pd.DataFrame) -> SupplyGraph:
    """Ore of China and Australia, refined in China, Korea (where the ore is bought) and Australia."""
    makers = [(R, "CHN", 300.0, 400.0, 8.0), (R, "KOR", 60.0, 90.0, 10.0), (R, "AUS", 40.0, aus, 12.0)]
    makers += [(ORE, "CHN", 300.0, 400.0, 1.0), (ORE, "AUS", 120.0, 200.0, 2.5)]
    nodes = [node(f"{p}@{c}", output=q, capacity=k, unit_cost=u) for p, c, q, k, u in makers]
    nodes += [node(f"{R}@{c}:demand", "demand") for c in B]
    nodes += [node(f"{ORE}@{c}:demand", "demand") for c in ("KOR", "CHN", "AUS")]
    refined = [
        ("CHN", "KOR", 40.0),
        ("KOR", "KOR", 30.0),
        ("CHN", "JPN", 60.0),
        ("KOR", "JPN", 20.0),
        ("AUS", "JPN", 20.0),
    ]
    ore = [
        ("CHN", "KOR", 40.0),
        ("AUS", "KOR", 20.0),
        ("CHN", "CHN", 260.0),
        ("AUS", "CHN", 40.0),
        ("AUS", "AUS", 40.0),
    ]
    links = [link(a, f"{b}:demand", q, p) for p, rows in ((R, refined), (ORE, ore)) for a, b, q in rows]
    for c, q in (("KOR", 60.0), ("CHN", 300.0), ("AUS", 40.0)):
        links.append(link("x", "y", q, ORE) | {"supplier": f"{ORE}@{c}:demand", "buyer": f"{R}@{c}"})
    recipe = {"product": R, "input": ORE, "process": "m", "input_class": "essential", "grade": "assumption"}
    recipe |= {"coefficient": coefficient} if coefficient is not None else {"missing": "unknown"}
    frames = {
        "products": pd.DataFrame([product(R, price=10.0), product(ORE, price=2.0, stage="mine")]),
        "nodes": pd.DataFrame(nodes),
        "links": pd.DataFrame(links),
        "recipes": pd.DataFrame([recipe]),
    }
    return SupplyGraph.from_tables(frames | tables)


def written_again(plan: Any, part: dict[str, float], cap: float, mix: float | None = None) -> float:
    """Least cost from the printed tables, under a cap of given parts of what is refined; with a part of Chinese ore in Korea."""
    o, n, a, t = plan.offers, plan.needs, plan.availability, plan.terms
    t = t[t["lever"] == "draw"]
    rate = float(t.loc[t["unit"].str.contains("/"), "value"].iloc[0])
    most = float(t.loc[~t["unit"].str.contains("/"), "value"].iloc[0])
    k = len(o)
    cost = np.append(o["yearly_cost"].to_numpy(), 0.0)
    eq, to = [], []
    for r in n.itertuples():
        row = np.append(((o["buyer"] == r.buyer) & (o["product"] == r.product)).to_numpy(float), 0.0)
        row[k] = -rate if r.product == ORE else 0.0
        eq.append(row)
        to.append(r.need)
    ub, top = [], []
    for r in a.itertuples():
        row = np.append((o["supplier"] == r.supplier).to_numpy(float), 0.0)
        ub.append(row)
        top.append(r.available)
        if r.supplier == FED:
            ub.append(np.append(row[:k], -1.0))
            top.append(r.available - r.spare)
    if mix is not None:
        ore = (o["product"] == ORE).to_numpy()
        eq.append(np.append((o["supplier"] == f"{ORE}@CHN").to_numpy(float) - mix * ore, 0.0))
        to.append(0.0)
    ub.append(np.append(o["supplier"].map(part).fillna(0.0).to_numpy(float), 0.0))
    top.append(cap * float(n.loc[n["product"] == R, "need"].sum()))
    upper = [*o["upper"].to_numpy(), most]
    s = linprog(cost, ub, top, eq, to, [(0.0, None if np.isinf(u) else u) for u in upper], method="highs")
    return float(s.fun) if s.status == 0 else np.inf


def test_more_output_needs_more_input_where_it_is_made() -> None:
    limit = max_share("CHN", 0.26, product=R)
    plan = optimize(chain(), B, product=[ORE, R], levers=resource(redirect=0.3), constraints=limit)
    # 74 % of 170 from elsewhere, of which Australia 46 at most; Korea sells 53 of its present output.
    more = 0.74 * 170.0 - 46.0 - 53.0
    assert plan.graph.index.nodes.set_index("node").loc[FED, "output"] == pytest.approx(60.0 + more)
    need = plan.needs.set_index(["product", "buyer"]).loc[(ORE, "KOR")]
    assert need["need"] == pytest.approx(60.0)
    assert need["derived"] == pytest.approx(more)
    assert plan.decisions.loc[plan.decisions["product"] == ORE, "quantity"].sum() == pytest.approx(60.0 + more)
    links = plan.graph.tables["links"]
    assert float(links.loc[links["buyer"] == FED, "quantity"].sum()) == pytest.approx(60.0 + more)
    gaps = plan.graph.balance()
    assert not (gaps["node"].isin([FED, f"{ORE}@KOR:demand"]) & (gaps["gap"] < -1e-6)).any()
    assert "tiers: what is made beyond today's output" in " ".join(plan.notes)
    assert plan.graph.validate().empty


def test_what_is_not_bought_upstream_is_said_with_names_and_quantities() -> None:
    limit = max_share("CHN", 0.26, product=R)
    plan = optimize(chain(), B, product=[ORE, R], levers=resource(redirect=0.3), constraints=limit)
    told = next(n for n in plan.notes if n.startswith("tiers do not fit"))
    assert f"{R}@AUS 20 kg from {ORE}@AUS:demand (0% of CHN by origin, 80 kg of capacity beyond output" in told
    assert "tiers do not fit" in plan._repr_html_()
    blind = optimize(chain(None), B, product=[ORE, R], levers=resource(redirect=0.3), constraints=limit)
    said = next(n for n in blind.notes if "no coefficient on record" in n)
    assert f"{FED} for 30 kg more" in said
    assert blind.needs["derived"].sum() == 0.0
    alone = optimize(chain(), B, product=R, levers=resource(redirect=0.3), constraints=limit)
    assert not any("tiers" in n for n in alone.notes)


def test_what_new_output_asks_of_a_tier_that_is_not_planned_is_said_with_figures() -> None:
    limit = max_share("CHN", 0.26, product=R)
    alone = optimize(chain(), B, product=R, levers=resource(redirect=0.3), constraints=limit)
    more = alone.decisions.groupby("supplier")["quantity"].sum()
    told = [n for n in alone.notes if n.startswith("inputs outside the plan")]
    assert len(told) == 1
    # Korea makes 30 more and Australia 20, a kilogram of ore each; 40 of Korea's 60 kg of ore are Chinese, none of Australia's.
    assert f"asks for 50 kg more of {ORE}, which the plan neither buys nor limits" in told[0]
    assert f"{FED} 30 kg from {ORE}@KOR:demand (67% of CHN by origin" in told[0]
    assert f"{R}@AUS 20 kg from {ORE}@AUS:demand (0% of CHN by origin, 80 kg of capacity beyond output" in told[0]
    assert told[0].endswith(f"product=('{ORE}', '{R}'), with AUS among the buyers plans it too")
    assert more[FED] > 60.0
    # By what links carry today where the recipe has no coefficient; nothing where no more is made.
    blind = optimize(chain(None), B, product=R, levers=resource(redirect=0.3), constraints=limit)
    assert any("asks for 50 kg more" in n and "by what their links carry today" in n for n in blind.notes)
    still = optimize(chain(), B, product=R, levers=resource(redirect=0.3))
    assert not any("inputs outside the plan" in n for n in still.notes)
    years = optimize(chain(), B, product=R, levers=resource(redirect=0.3), constraints=limit, horizon=(2026, 2027))
    assert any("asks for 50 kg more" in n for n in years.notes)


def test_a_plan_of_two_tiers_is_that_of_its_tables() -> None:
    for cap in (1.0, 0.6, 0.45, 0.37):
        limit = max_share("CHN", cap, product=R)
        plan = optimize(chain(aus=40.0), B, product=[ORE, R], levers=resource(redirect=0.3), constraints=limit)
        again = written_again(plan, {f"{R}@CHN": 1.0}, cap)
        assert plan.objective_value == pytest.approx(again, rel=1e-9)
    assert plan.needs["derived"].sum() > 0


DEEP = pytest.mark.deep


@pytest.mark.parametrize("cap", [0.5, pytest.param(0.6, marks=DEEP), pytest.param(0.45, marks=DEEP)])
def test_proportional_mixing_of_coupled_tiers_by_brute_force(cap: float) -> None:
    graph = chain(aus=40.0)
    limit = max_share("CHN", cap, view="origin", product=R, mixing="proportional")
    plan = optimize(graph, B, product=[ORE, R], levers=resource(redirect=0.3), constraints=limit)
    found = min(written_again(plan, {FED: t, f"{R}@CHN": 1.0}, cap, t) for t in np.linspace(0.0, 1.0, 101))
    assert plan.objective_value <= found * (1 + 1e-6)
    assert plan.bound <= found * (1 + 1e-9)
    assert plan.objective_value >= found * (1 - 2e-3)
    line = plan.readings.iloc[0]
    assert line["model"] == pytest.approx(line["score"], abs=1e-7)
    assert line["score"] <= cap + 1e-6


@pytest.mark.parametrize("redirect", [0.0, 0.3])
@pytest.mark.parametrize("caps", [(0.7,), pytest.param((0.75, 0.6), marks=pytest.mark.deep)])
def test_mass_balance_is_never_dearer_where_the_note_says_so(redirect: float, caps: tuple[float, ...]) -> None:
    words = "proportional mixing would count as much or more"
    for cap in caps:
        for aus in (40.0, 60.0):
            cost = {}
            notes: dict[str, str] = {}
            for mixing in ("proportional", "mass_balance"):
                limit = max_share("CHN", cap, view="origin", product=R, mixing=mixing)
                try:
                    plan = optimize(
                        chain(aus=aus), B, product=[ORE, R], levers=resource(redirect=redirect), constraints=limit
                    )
                    cost[mixing], notes[mixing] = plan.objective_value, " ".join(plan.notes)
                except InfeasibleError:
                    cost[mixing] = np.inf
            if words in notes.get("mass_balance", ""):
                assert cost["mass_balance"] <= cost["proportional"] * (1 + 1e-7)
                assert (redirect, aus) == (0.0, 40.0)


def test_the_note_of_mass_balance_stands_where_it_is_true_only() -> None:
    def notes(graph: SupplyGraph, redirect: float) -> str:
        limit = max_share("CHN", 0.76, view="origin", product=R, mixing="mass_balance")
        plan = optimize(graph, B, product=[ORE, R], levers=resource(redirect=redirect), constraints=limit)
        return " ".join(plan.notes)

    words = "proportional mixing would count as much or more"
    chn = chain(aus=40.0)
    nodes = chn.table("nodes")
    nodes.loc[nodes["node"] == f"{R}@CHN", "capacity"] = 300.0
    closed = chn.replace(note="no spare refinery outside", nodes=nodes)
    assert words in notes(closed, 0.0)
    assert words not in notes(closed, 0.3)  # Chinese ore is outbid, and the refinery there makes on
    assert words not in notes(chn, 0.0)  # a refinery outside may make more of ore that is not planned


def test_plants_draw_on_the_pool_of_their_host() -> None:
    plant = {"project": "New", "name": "New", "product": R, "country": "KOR", "status": "planned", "capacity": 40.0}
    plant |= {"capex": 10.0, "start": 2026, "grade": "assumption"}
    graph = chain(2.0, 40.0, projects=pd.DataFrame([plant]))
    with pytest.raises(InfeasibleError):  # the plant's ore is not to be had: no ore maker may give more
        optimize(
            graph,
            B,
            product=[ORE, R],
            levers=[resource(redirect=0.0, spare=False), build(utilisation=1.0)],
            constraints=max_share("CHN", 0.5, product=R),
        )
    plan = optimize(
        graph,
        B,
        product=[ORE, R],
        levers=[resource(redirect=0.1), build(utilisation=1.0)],
        constraints=max_share("CHN", 0.2, product=R),
    )
    built = float(plan.plants["delivered"].sum())
    more = float(plan.graph.index.nodes.set_index("node").loc[FED, "output"]) - 60.0
    assert built > 0
    assert plan.needs["derived"].sum() == pytest.approx(2.0 * (built + more))
    gaps = plan.graph.balance()
    assert not (gaps["node"].eq(f"{ORE}@KOR:demand") & (gaps["gap"].abs() > 1e-6)).any()


def test_tiers_over_years_and_in_scenarios() -> None:
    sets = {"calm": (0.9, []), "ban": (0.1, [sr.export_ban("CHN", product=ORE, to=list(B))])}
    plan = optimize(
        chain(),
        B,
        product=[ORE, R],
        levers=[resource(redirect=0.3), sp.stockpile(30.0)],
        scenarios=sets,
        objective=sp.cost() + sp.expected_loss(3.0),
        constraints=sp.during(max_share("CHN", 0.3, product=R), 2027),
        horizon=(2026, 2027),
    )
    by_year = plan.needs.groupby("year")["derived"].sum()
    assert by_year[2026] == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < by_year[2027] <= 30.0 + 1e-6
    assert plan.year(2027).graph.validate().empty

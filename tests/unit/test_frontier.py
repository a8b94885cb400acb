"""Frontiers against single plans, squares by tangents against closed forms, one model kept in the solver."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import hand, link, node, product, simple

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.plots import alt_text, pareto
from supplyrisk.portfolio import (
    Frontier,
    build,
    concentration,
    cost,
    frontier,
    max_share,
    min_suppliers,
    optimize,
    resource,
    share,
    shortfall,
    unmet,
)
from supplyrisk.portfolio.arrays import complete, live_model
from supplyrisk.portfolio.cone import add_squares
from supplyrisk.portfolio.matrix import Columns, Matrix
from supplyrisk.portfolio.readings import AS_ONE, as_one
from supplyrisk.portfolio.solve import Persistent, solve

P, BUYERS = "gallium.refined", ("JPN", "USA")


@pytest.fixture(scope="module")
def g() -> SupplyGraph:
    return sr.load_atlas()


@pytest.fixture(scope="module")
def front(g: SupplyGraph) -> Frontier:
    return frontier(g, BUYERS, product=P, against=share("CHN", view="control"), points=7)


# ---------------------------------------------------------------------- frontiers


def test_every_point_is_the_cheapest_plan_at_its_level(g: SupplyGraph, front: Frontier) -> None:
    assert (front.frame["share"].diff().dropna() < 0).all()
    assert (front.frame["extra"].diff().dropna() > 0).all()
    for row in front.frame.iloc[1::2].itertuples():
        single = optimize(g, BUYERS, product=P, constraints=max_share("CHN", float(row.share) + 1e-7, view="control"))
        assert single.objective_value == pytest.approx(row.objective, rel=1e-5)


def test_a_point_is_a_full_plan(front: Frontier) -> None:
    plan = front.plan(2)
    row = front.frame.iloc[2]
    assert plan.objective_value == pytest.approx(row["objective"])
    assert plan.share("control")["after"] == pytest.approx(row["share"], abs=1e-6)
    assert plan.resolve().objective_value == pytest.approx(row["objective"], rel=1e-6)
    assert "one point less share('CHN', view='control') costs" in " ".join(plan.duals["meaning"])
    assert len(plan.model.frontier) == 1
    with pytest.raises(UnknownNameError):
        front.plan(99)


def test_marginal_is_the_slope_between_points(g: SupplyGraph) -> None:
    fine = frontier(
        g, BUYERS, product="nickel.refined", levers=resource(revealed=False), against=share(view="control"), points=40
    )
    frame = fine.frame
    slope = -0.01 * frame["objective"].diff() / frame["share"].diff()
    inner = frame["marginal"].iloc[1:-1]
    low = np.fmin(slope.iloc[1:-1], slope.shift(-1).iloc[1:-1])
    high = np.fmax(slope.iloc[1:-1], slope.shift(-1).iloc[1:-1])
    assert (inner >= low - 1e-3 * abs(low)).all()
    assert (inner <= high + 1e-3 * abs(high)).all()


def test_knee_is_a_suggestion_among_the_points(front: Frontier) -> None:
    assert front.frame["knee"].sum() == 1
    k = front.knee
    assert k is not None
    x = front.frame[["objective", "share"]].to_numpy(dtype=float)
    scaled = (x - x.min(axis=0)) / np.ptp(x, axis=0)
    assert scaled.sum(axis=1).argmin() == k


def test_two_aims_leave_no_point_that_another_betters(g: SupplyGraph) -> None:
    both = frontier(g, BUYERS, product=P, against=[share("CHN", view="control"), concentration()], points=16)
    table = both.frame[["objective", "share", "concentration"]].to_numpy(dtype=float)
    for a, b in itertools.permutations(table, 2):
        assert not ((a <= b).all() and (a < b - 1e-6 * np.abs(b)).any())
    plan = both.plan(len(both) - 1)
    ruler = as_one(plan.graph, plan.written["buyers"])
    found = sr.score(ruler, by=["product", "coalition"], coalition=AS_ONE, metrics=["hhi"])["hhi"]
    assert found.xs(P, level="product").iloc[0] == pytest.approx(table[-1, 2], abs=1e-5)


def test_unmet_need_against_dependence(g: SupplyGraph) -> None:
    levers = [resource(), unmet(2000.0)]
    out = frontier(g, BUYERS, product=P, levers=levers, against=[share("CHN"), shortfall()], points=9)
    assert out.columns == ["share", "shortfall"]
    assert out.frame["shortfall"].max() > 0.01
    assert out.frame["share"].min() < out.frame["share"].max()


def test_words_and_wrong_input(g: SupplyGraph, front: Frontier) -> None:
    assert repr(front).startswith("<Frontier: cost() against share('CHN', view='control'), ")
    assert "a suggestion" in front._repr_html_()
    with pytest.raises(SchemaError, match="several markets"):
        frontier(g, BUYERS, against=share("CHN"))
    with pytest.raises(SchemaError, match="not an objective term"):
        frontier(g, BUYERS, product=P, against=max_share("CHN", 0.5))
    with pytest.raises(SchemaError, match="at least one"):
        frontier(g, BUYERS, product=P, against=())
    with pytest.raises(SchemaError, match="Add the lever unmet"):
        frontier(g, BUYERS, product=P, against=shortfall())
    with pytest.raises(UnknownNameError, match="control"):
        frontier(g, BUYERS, product=P, against=share("CHN", view="contrl"))
    with pytest.raises(InfeasibleError):
        frontier(g, BUYERS, product=P, levers=resource(), constraints=max_share("CHN", 0.01))


def test_share_composes_with_cost(g: SupplyGraph) -> None:
    price = 5e8
    plan = optimize(g, BUYERS, product=P, objective=cost() + price * share("CHN", view="control"))
    plain = optimize(g, BUYERS, product=P)
    assert plan.share("control")["after"] < plain.share("control")["after"]
    total = plan.costs["plan"].sum() + price * plan.share("control")["model"]
    assert plan.objective_value == pytest.approx(total, rel=1e-6)


def test_pareto_draws_the_points_and_says_them(front: Frontier) -> None:
    figure, drawn = pareto(front, buyers="two buyers")
    assert len(drawn) == len(front)
    assert "suggestion" in drawn.attrs["footer"]
    assert "(knee)" in alt_text(figure)
    for text in (drawn.attrs["title"], drawn.attrs["footer"], alt_text(figure)):
        assert "USD of 2024" in text
    assert "price year not stated" in pareto(front.frame)[1].attrs["footer"]
    with pytest.raises(UnknownNameError):
        pareto(front, x="shre")


# ---------------------------------------------------------------------- squares


def _hhi(prices: list[float], cap: float | None, integer: bool = False) -> tuple[Matrix, Columns, Columns]:
    """Buy a whole from suppliers at prices, under a cap on the index; with integers each supplier has a fixed cost."""
    k = len(prices)
    m = Matrix()
    q = m.add_columns("q", k, upper=1.0)
    t = add_squares(m, "t", q)
    m.add_rows("whole", 1, np.zeros(k), q.at, 1.0, lower=1.0, upper=1.0)
    m.add_rows("hhi", 1, np.zeros(k), t.at, 1.0, upper=np.inf if cap is None else cap)
    m.add_cost(q.at, np.array(prices))
    if integer:
        y = m.add_columns("y", k, upper=1.0, integer=True)
        rows = np.tile(np.arange(k), 2)
        m.add_rows("open", k, rows, np.concatenate([q.at, y.at]), np.repeat([1.0, -1.0], k), upper=0.0)
        m.add_cost(y.at, np.full(k, 0.3))
    return m, q, t


@pytest.mark.parametrize("cap", [0.5, 0.55, 0.8, 1.0])
def test_cap_on_two_suppliers_in_closed_form(cap: float) -> None:
    # q^2 + (1-q)^2 = cap gives q = (1 + sqrt(2 cap - 1)) / 2 for the cheap one.
    m, q, _ = _hhi([1.0, 2.0], cap)
    s = solve(m.compile())
    cheap = 0.5 * (1.0 + np.sqrt(2.0 * cap - 1.0))
    assert s.status == "optimal"
    assert s.violation <= 2e-7
    assert s.objective == pytest.approx(cheap + 2.0 * (1.0 - cheap), abs=2e-3 if cap == 0.5 else 1e-6)
    assert float((s.x[q.at] ** 2).sum()) <= cap + 5e-7


def test_dual_of_the_cap_is_the_finite_difference() -> None:
    m, _, _ = _hhi([1.0, 1.4, 2.0, 2.3], 0.4)
    model = Persistent(m.compile())
    row = 1
    dual = model.solve().row_dual[row]
    values = []
    for cap in (0.401, 0.399):
        model.set_rows(row, -np.inf, cap)
        values.append(model.solve().objective)
    assert dual == pytest.approx((values[0] - values[1]) / 0.002, rel=2e-2)


def test_index_as_an_objective_spreads_evenly() -> None:
    m, q, t = _hhi([1.0] * 5, None)
    m.add_cost(t.at, np.full(5, 10.0))
    assert np.allclose(solve(m.compile()).x[q.at], 0.2, atol=1e-3)


def test_cap_below_what_can_be_reached_is_infeasible() -> None:
    m, _, _ = _hhi([1.0, 2.0, 3.0], 0.3)
    assert solve(m.compile()).status == "infeasible"


def test_squares_beside_integers_against_all_subsets() -> None:
    prices = [1.0, 1.2, 1.5, 2.0]
    m, _, _ = _hhi(prices, 0.45, integer=True)
    got = solve(m.compile(), gap=1e-9).objective
    best = np.inf
    for n in range(1, 5):
        for chosen in itertools.combinations(range(4), n):
            part, _, _ = _hhi([prices[i] for i in chosen], 0.45)
            s = solve(part.compile())
            if s.status == "optimal":
                best = min(best, s.objective + 0.3 * n)
    assert got == pytest.approx(best, abs=1e-5)


def test_live_model_holds_the_squares() -> None:
    m, _, _ = _hhi([1.0, 2.0], 0.6)
    model = complete(live_model("x"), m)
    assert str(model.t_square[0].expr) == "q[0]**2 - t[0]  <=  0.0"
    with pytest.raises(ValueError, match="finite"):
        add_squares(m, "u", m.add_columns("free", 1))


# ---------------------------------------------------------------------- one model kept


def test_kept_model_agrees_with_new_ones() -> None:
    rng = np.random.default_rng(0)
    m = Matrix()
    x = m.add_columns("x", 30, upper=rng.uniform(1, 5, 30), scale=3.0)
    y = m.add_columns("y", 5, upper=1.0, integer=True)
    m.add_rows("need", 1, np.zeros(30), x.at, 1.0, lower=20.0, scale=1000.0)
    m.add_rows("open", 5, np.concatenate([np.arange(30) % 5, np.arange(5)]), np.concatenate([x.at, y.at]),
               np.concatenate([np.ones(30), np.full(5, -12.0)]), upper=0.0)  # fmt: skip
    m.add_cost(x.at, rng.uniform(1, 2, 30))
    m.add_cost(y.at, rng.uniform(3, 9, 5))
    kept = Persistent(m.compile())
    for need in (5.0, 20.0, 40.0, 12.0):
        kept.set_rows(0, need, np.inf)
        m.rows[0].lower[:] = need
        fresh = solve(m.compile())
        mine = kept.solve()
        assert mine.objective == pytest.approx(fresh.objective, rel=1e-7)
        assert mine.row_dual == pytest.approx(fresh.row_dual, abs=1e-7)
    kept.set_cost(np.ones(35))
    assert kept.solve().objective == pytest.approx(12.0 + 1.0)


def test_time_limit_is_for_each_solve(g: SupplyGraph) -> None:
    plan = optimize(g, BUYERS, product=P, levers=[resource(), build()], constraints=min_suppliers(3), time_limit=60.0)
    kept = Persistent(plan._compiled, time_limit=60.0)
    assert [kept.solve().status for _ in range(3)] == ["optimal"] * 3
    assert Persistent(plan._compiled, time_limit=0.0).solve().status == "time_limit"


# ---------------------------------------------------------------------- where some need goes without


@pytest.mark.parametrize("lever", [sp.unmet(900.0), sp.substitute(part=0.4, price=1.6)], ids=["unmet", "substitute"])
@pytest.mark.parametrize("view", ["location", "control"])
def test_a_share_on_the_frontier_is_of_what_arrives(view: str, lever: Any) -> None:
    g = hand()
    levers = [resource(), lever]
    found = frontier(g, BUYERS, product=P, levers=levers, against=share("CHN", view=view), points=5)
    assert len(found) >= 4
    for i, at in enumerate(found.frame["share"]):
        plan = found.plan(i)
        if plan.decisions["quantity"].sum() > 1e-6:
            assert plan.share(view)["after"] == pytest.approx(at, abs=1e-6, nan_ok=True)
        cap = 1e-7 + (0.0 if np.isnan(at) else at)  # nothing is known of who is left at the end
        alone = optimize(g, BUYERS, product=P, levers=levers, constraints=sp.max_share("CHN", cap, view=view))
        assert alone.objective_value == pytest.approx(found.frame["objective"][i], rel=1e-5)


def test_an_index_on_the_frontier_is_of_what_arrives() -> None:
    levers = [resource(), sp.unmet(900.0)]
    found = frontier(hand(), BUYERS, product=P, levers=levers, against=sp.concentration(), points=4)
    for i, at in enumerate(found.frame["concentration"]):
        got = found.plan(i).decisions.groupby("country")["quantity"].sum()
        assert float(((got / got.sum()) ** 2).sum()) == pytest.approx(at, abs=1e-5)


def test_to_go_without_is_no_diversification() -> None:
    for aim in (share("CHN"), sp.concentration()):
        plan = optimize(hand(), BUYERS, product=P, levers=[resource(), sp.unmet(0.0)], objective=aim)
        assert plan.needs["unmet"].sum() == pytest.approx(0.0, abs=1e-6)
        if aim.name == "share":
            assert plan.objective_value == pytest.approx(plan.share("location")["after"], abs=1e-6)


@pytest.mark.parametrize("view", ["location", "control", "origin"])
def test_a_share_on_the_frontier_counts_re_exporters_in_the_focal(view: str) -> None:
    nodes = [node(f"{P}@{c}", output=100.0, unit_cost=k) for c, k in (("CHN", 1.0), ("KOR", 2.0), ("AUS", 3.0))]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in ("CHN", "USA", "KOR")]
    links = [link("KOR", "CHN:demand", 40), link("CHN", "CHN:demand", 40)]
    links += [link("CHN:demand", "USA:demand", 40), link("AUS", "USA:demand", 20)]
    g = SupplyGraph.from_tables(
        products=pd.DataFrame([product()]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )
    aim = share("CHN", view=view)
    found = frontier(g, "USA", product=P, levers=[resource(redirect=0.5)], against=aim, points=4)
    for i, at in enumerate(found.frame["share"]):
        assert found.plan(i).share(view)["after"] == pytest.approx(at, abs=1e-6, nan_ok=True)


def test_the_ends_of_a_linear_frontier_are_what_they_are() -> None:
    # Room above a level is used by a linear programme: 1e-7 of China's would be bought at the end where none is needed.
    g = simple(10.0, {"CHN": 10.0, "AUS": 10.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})
    found = frontier(g, "USA", product=P, levers=[resource(redirect=1.0)], against=share("CHN"), points=4)
    assert found.frame["share"].tolist() == pytest.approx([1.0, 2 / 3, 1 / 3, 0.0], abs=1e-8)
    assert found.frame["share"].iloc[-1] == 0.0
    assert found.frame["objective"].tolist() == pytest.approx([10.0, 10 + 10.4 / 3, 10 + 20.8 / 3, 20.4], rel=1e-9)
    end = found.plan(len(found) - 1)
    assert end.decisions["country"].tolist() == ["AUS"]
    assert end.share("location")["after"] == 0.0
    # A control share of which nothing is known is none, neither in the table nor in the plan.
    owned = frontier(
        g, "USA", product=P, levers=[resource(redirect=1.0)], against=share("CHN", view="control"), points=4
    )
    assert np.isnan(owned.frame["share"].iloc[-1]) == np.isnan(owned.plan(len(owned) - 1).share("control")["after"])


@pytest.mark.parametrize("horizon", [None, (2026, 2027)])
def test_aims_are_parts_of_what_arrives_also_over_years(horizon: Any) -> None:
    g = hand()
    ask: dict[str, Any] = {"product": P, "levers": [resource(), unmet(750.0)], "horizon": horizon, "points": 6}
    if horizon:
        ask |= {"needs": {P: {2026: 1.0, 2027: 1.4}}}

    def years(plan: Any) -> list[Any]:
        return [plan] if horizon is None else [plan.year(y) for y in plan.years]

    front = frontier(g, BUYERS, against=share("CHN"), **ask)
    assert len(front) >= 4
    for i, row in enumerate(front.frame.itertuples()):
        focal = total = 0.0
        for p in years(front.plan(i)):
            got = float(p.decisions["quantity"].sum() / p.needs["need"].sum())
            focal += float(p.share("location")["after"]) * got
            total += got
        assert row.share == pytest.approx(focal / total, abs=2e-6)
    # HHI: of nothing there is none, so that no plan without deliveries is the least concentrated.
    front = frontier(g, BUYERS, against=concentration(), **ask)
    assert len(front) >= 5
    assert front.frame["concentration"].min() > 0.2
    for i, row in enumerate(front.frame.itertuples()):
        index = total = 0.0
        for p in years(front.plan(i)):
            part = p.decisions.groupby("country")["quantity"].sum()
            got = float(part.sum() / p.needs["need"].sum())
            index += float(((part / part.sum()) ** 2).sum()) * got if got else 0.0
            total += got
        assert row.concentration == pytest.approx(index / total, abs=1e-5)


# ---------------------------------------------------------------------- what a frontier does not know, and how near it is


def _makers() -> SupplyGraph:
    cost = {"CHN": 1.0, "KOR": 2.0, "AUS": 3.0, "CAN": 3.5}
    nodes = [node(f"{P}@{c}", output=60.0, capacity=90.0, unit_cost=k) for c, k in cost.items()]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in ("USA", "JPN")]
    links = [link("CHN", "USA:demand", 40), link("KOR", "USA:demand", 10), link("AUS", "USA:demand", 20)]
    links += [link("CHN", "JPN:demand", 20), link("CAN", "JPN:demand", 20), link("KOR", "JPN:demand", 10)]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product()]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )


def test_a_frontier_says_what_is_not_known_of_owners_as_its_plans_do() -> None:
    aim = share("CHN", view="control")
    ask: dict[str, Any] = {"product": P, "levers": [resource()]}
    found = frontier(_makers(), ["USA", "JPN"], against=aim, points=4, **ask)
    for i, value in enumerate(found.frame["share"]):
        assert value == pytest.approx(found.plan(i).share("control")["after"], abs=1e-6, nan_ok=True)
    (note,) = found.notes
    assert "is that of what is known" in note
    assert "up to 100.0%" in note
    for other in (share("CHN"), share("CHN", view="control", worst=True)):
        assert frontier(_makers(), "USA", against=other, points=3, **ask).notes == ()
    years = frontier(_makers(), ["USA", "JPN"], against=aim, points=3, horizon=(2026, 2027), **ask)
    assert "up to 100.0%" in years.notes[0]


def test_a_share_of_which_nothing_is_known_is_none_on_the_frontier() -> None:
    # Of equity nothing is on record: no level of it can be aimed at, and nothing of it is drawn.
    found = frontier(
        _makers(), ["USA", "JPN"], product=P, levers=[resource()], against=share("CHN", view="equity"), points=4
    )
    assert found.frame["share"].isna().all()
    assert np.isnan(found.plan(0).share("equity")["after"])
    assert not found.frame["knee"].any()
    assert "nothing is known of it in point 0 (NaN)" in found.notes[0]
    assert "nan" not in alt_text(pareto(found)[0])


def test_squares_of_a_frontier_are_at_what_they_are_and_the_note_says_how_near() -> None:
    goal = sp.cost() + 40.0 * sp.concentration()
    ask: dict[str, Any] = {"product": P, "levers": [resource()], "objective": goal}
    found = frontier(_makers(), ["USA", "JPN"], against=share("CHN"), points=5, **ask)
    assert any(n.startswith("concentration: outer approximation by tangents") for n in found.notes)
    assert (found.frame["gap"] > 0.0).any()
    for i, row in enumerate(found.frame.itertuples()):
        plan = found.plan(i)
        part = plan.decisions.groupby("country")["quantity"].sum() / plan.needs["need"].sum()
        assert row.objective == pytest.approx(plan.decisions["cost"].sum() + 40.0 * (part**2).sum(), rel=1e-11)
        best = optimize(_makers(), ["USA", "JPN"], **ask, constraints=max_share("CHN", float(row.share)))
        assert best.objective_value <= row.objective * (1 + 1e-9)
        assert row.objective - best.objective_value <= (row.gap + 1e-7) * row.objective
        assert plan.gap == row.gap

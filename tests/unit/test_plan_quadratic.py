"""An HHI in the objective: the convex quadratic programme against closed forms, Clarabel, tangents and differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand, link, node, product

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk import jurisdictions
from supplyrisk.errors import InfeasibleError, SolverError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import concentration, cost, optimize, quadratic, resource
from supplyrisk.portfolio.cone import add_squares
from supplyrisk.portfolio.matrix import Columns, Matrix
from supplyrisk.portfolio.solve import Persistent, solve

QP = "convex quadratic programme"
TANGENTS = "outer approximation by tangents"


def split(
    prices: list[float], weight: float, upper: list[float] | None = None, need: float = 1.0
) -> tuple[Matrix, Columns, Columns]:
    """Buy a need from suppliers at prices, with a price on the sum of squares of what each sends."""
    k = len(prices)
    m = Matrix()
    q = m.add_columns("q", k, upper=np.ones(k) if upper is None else np.array(upper))
    t = add_squares(m, "t", q)
    m.add_rows("whole", 1, np.zeros(k), q.at, 1.0, lower=need, upper=need)
    m.add_cost(q.at, np.array(prices))
    m.add_cost(t.at, np.full(k, weight))
    return m, q, t


def transport(s: int, b: int, weight: float, seed: int = 0) -> dict[str, Any]:
    """Suppliers to buyers, with a price on the HHI of the suppliers' shares."""
    rng = np.random.default_rng(seed)
    need = rng.uniform(1.0, 20.0, b)
    total = float(need.sum())
    limit = total * rng.dirichlet(np.full(s, 0.5)) * 3.0 + total / s
    price = rng.uniform(1.0, 3.0, (s, 1)) * rng.uniform(0.9, 1.2, (s, b))
    m = Matrix()
    x = m.add_columns("flow", s * b, scale=total / s)
    q = m.add_columns("part", s, upper=1.0, scale=4.0 / s)
    t = add_squares(m, "part_squared", q)
    who = np.repeat(np.arange(s), b)
    m.add_rows("need", b, np.tile(np.arange(b), s), x.at, 1.0, lower=need, upper=need, scale=total / b)
    m.add_rows("limit", s, who, x.at, 1.0, upper=limit, scale=total / s)
    parts = np.concatenate([np.full(s * b, 1.0 / total), -np.ones(s)])
    m.add_rows("part_of", s, np.concatenate([who, np.arange(s)]), np.concatenate([x.at, q.at]), parts, lower=0.0,
               upper=0.0, scale=4.0 / s)  # fmt: skip
    m.add_cost(x.at, price.ravel())
    m.add_cost(t.at, np.full(s, weight * total))
    return {"m": m, "x": x, "q": q, "need": need, "limit": limit, "price": price, "total": total, "weight": weight}


def market(prices: dict[str, float], need: float = 90.0, capacity: float = 90.0) -> SupplyGraph:
    """Producers that the only buyer draws on evenly today; each could send the whole need."""
    nodes = [node(f"{P}@{c}", output=capacity, capacity=2 * capacity, unit_cost=k) for c, k in prices.items()]
    nodes += [node(f"{P}@USA:demand", "demand")]
    links = [link(c, "USA:demand", need / len(prices)) for c in prices]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product()]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )


def mix(plan: Any) -> pd.Series:
    got = plan.decisions.groupby("country")["quantity"].sum()
    return got / got.sum()


def way(plan: Any) -> str:
    return next(iter(n for n in plan.notes if n.startswith("concentration: ")), "")


# ---------------------------------------------------------------------- closed forms


def test_equal_prices_give_equal_shares_exactly() -> None:
    m, q, t = split([1.0] * 5, 10.0)
    s = solve(m.compile())
    assert s.way.startswith(QP)
    assert s.x[q.at] == pytest.approx(np.full(5, 0.2), abs=1e-10)
    assert s.x[t.at] == pytest.approx(np.full(5, 0.04), abs=1e-10)
    assert s.objective == pytest.approx(1.0 + 10.0 / 5.0, rel=1e-12)


def test_who_cannot_send_its_share_leaves_the_rest_to_the_others_evenly() -> None:
    m, q, _ = split([1.0] * 3, 4.0, upper=[0.2, 1.0, 1.0])
    s = solve(m.compile())
    assert s.x[q.at] == pytest.approx([0.2, 0.4, 0.4], abs=1e-10)
    # One more of the cap of the first is one less of the others': 2 w (0.2 - 0.4).
    assert s.col_dual[q.start] == pytest.approx(2.0 * 4.0 * (0.2 - 0.4), rel=1e-8)


@pytest.mark.parametrize("weight", [0.05, 0.3, 1.0, 7.0, 400.0])
def test_prices_and_index_by_the_conditions_of_karush_kuhn_and_tucker(weight: float) -> None:
    prices = np.array([1.0, 1.2, 1.9, 2.4])
    m, q, _ = split(prices.tolist(), weight)
    s = solve(m.compile())
    # q_i = max(0, (y - p_i) / 2w) with the y at which they add up to 1.
    for k in range(1, 5):
        y = (2.0 * weight + prices[:k].sum()) / k
        if k == 4 or y <= prices[k]:
            break
    expected = np.maximum(y - prices, 0.0) / (2.0 * weight)
    assert s.x[q.at] == pytest.approx(expected, abs=1e-9)
    assert s.objective == pytest.approx(float(prices @ expected + weight * (expected**2).sum()), rel=1e-11)
    assert s.row_dual[0] == pytest.approx(y, rel=1e-8)
    assert 0.0 <= s.gap <= 1e-10
    assert s.bound <= s.objective


def test_a_plan_takes_the_quadratic_programme_and_says_so() -> None:
    g = market({"AUS": 1.0, "CAN": 1.0, "CHN": 1.0})
    plan = optimize(g, "USA", product=P, levers=resource(), objective=concentration())
    assert mix(plan).to_numpy() == pytest.approx(np.full(3, 1 / 3), abs=1e-9)
    assert plan.objective_value == pytest.approx(1 / 3, rel=1e-10)
    assert plan.status == "optimal"
    assert way(plan).startswith(f"concentration: {QP}, solved by HiGHS; its duals prove a gap of at most ")
    assert plan.gap <= 1e-9
    assert way(plan) in plan.summary()
    assert "quadratic" in plan._repr_html_()


@pytest.mark.parametrize("name", ["gallium.refined", "nickel.refined", "ndfeb.magnet"])
def test_plans_of_the_atlas_are_proven(name: str) -> None:
    # Needs of some members are tiny beside the market's, and many plans cost the same: both stall the active set.
    goal = cost() + 5e8 * concentration(product=name)
    plan = optimize(sr.load_atlas(), "MSP", product=name, levers=resource(), objective=goal)
    assert QP in way(plan)
    assert plan.gap <= 1e-8
    near = Persistent(plan._compiled).solve()
    assert near.objective == pytest.approx(plan.objective_value, rel=1e-6)


def test_cost_and_index_compose_in_closed_form() -> None:
    # Kept at 1, 1.5 and 2 a kg, re-sourced at 2 % more than the dearest: between what is kept and what is new the price
    # of the index decides. With w on the HHI and D the need, q_i = D (y - p_i) D / 2w where it is between its bounds.
    g, need, w = market({"AUS": 1.0, "CAN": 1.5, "CHN": 2.0}), 90.0, 400.0
    plan = optimize(g, "USA", product=P, levers=resource(), objective=cost() + w * concentration())
    at = plan._build.case
    assert float(at.need.sum()) == pytest.approx(need)
    table = plan.offers
    q = mix(plan) * need
    value = float((plan.decisions["cost"]).sum()) + w * float((mix(plan) ** 2).sum())
    assert plan.objective_value == pytest.approx(value, rel=1e-9)
    # No swap of a little between two countries is worth while, at the prices of the offers in use.
    used = plan.decisions.assign(price=plan.decisions["cost"] / plan.decisions["quantity"])
    top = used.groupby("country")["price"].max() + 2.0 * w * q / need**2
    assert len(table)
    assert plan.duals.set_index("constraint").loc["need", "dual"] >= float(top.max()) - 1e-6


def test_the_price_of_need_is_the_difference() -> None:
    g = market({"AUS": 1.0, "CAN": 1.5, "CHN": 2.0})
    goal = cost() + 400.0 * concentration()
    plan = optimize(g, "USA", product=P, levers=resource(), objective=goal)
    c = plan._compiled
    rows = np.flatnonzero(np.isfinite(c.row_lower) | np.isfinite(c.row_upper))
    checked = 0
    for row in rows.tolist():
        values = []
        for sign in (1.0, -1.0):
            low, high = c.row_lower.copy(), c.row_upper.copy()
            low[row] += sign * 1e-3 * c.row_scale[row]
            high[row] += sign * 1e-3 * c.row_scale[row]
            values.append(solve(_with_bounds(c, low, high)).objective)
        middle, step = plan.objective_value, 1e-3 * float(c.row_scale[row])
        up, down = (values[0] - middle) / step, (middle - values[1]) / step
        assert min(up, down) - 1e-2 <= plan._solution.row_dual[row] <= max(up, down) + 1e-2
        checked += abs(float(plan._solution.row_dual[row])) > 1e-6
    assert checked >= 3


def _with_bounds(c: Any, low: Any, high: Any) -> Any:
    from dataclasses import replace

    return replace(c, row_lower=low, row_upper=high)


# ---------------------------------------------------------------------- another solver, tangents, differences


@pytest.mark.parametrize(("s", "b"), [(4, 3), (8, 6), (30, 40)], ids=["whole", "S", "priced"])
@pytest.mark.parametrize("weight", [0.1, 2.0, 20.0])
def test_against_clarabel(s: int, b: int, weight: float) -> None:
    cp = pytest.importorskip("cvxpy")
    t = transport(s, b, weight)
    x = cp.Variable((s, b), nonneg=True)
    q = cp.sum(x, axis=1)
    goal = cp.sum(cp.multiply(t["price"], x)) + weight * t["total"] * cp.sum_squares(q / t["total"])
    rows = [q <= t["limit"], cp.sum(x, axis=0) == t["need"]]
    value = float(cp.Problem(cp.Minimize(goal), rows).solve(solver="CLARABEL"))
    found = solve(t["m"].compile())
    assert found.way.startswith(QP)
    assert found.objective == pytest.approx(value, rel=1e-7)
    assert found.x[t["q"].at] == pytest.approx(q.value / t["total"], abs=1e-5)
    # Clarabel's duals of equalities have the other sign.
    assert found.row_dual[:b] == pytest.approx(-rows[1].dual_value, abs=2e-4)
    assert found.row_dual[b : b + s] == pytest.approx(-rows[0].dual_value, abs=2e-4)


@pytest.mark.parametrize(("s", "b"), [(8, 6), (30, 40)], ids=["whole", "priced"])
def test_tangents_agree_to_their_own_gap(s: int, b: int) -> None:
    for weight in (0.0, 0.1, 20.0):
        c = transport(s, b, weight)["m"].compile()
        exact, near = solve(c), Persistent(c).solve()
        assert near.objective <= exact.objective * (1 + 1e-9)
        far = c.cost[c.square] @ (2e-7 * c.col_scale[c.square_of] ** 2)
        assert exact.objective <= near.objective + float(far) + 1e-9 * exact.objective
        assert exact.gap <= 1e-9
        assert near.objective >= exact.bound - float(far)


@pytest.mark.parametrize(("s", "b"), [(6, 5), (30, 40)], ids=["whole", "priced"])
def test_duals_are_differences(s: int, b: int) -> None:
    t = transport(s, b, 5.0)
    c = t["m"].compile()
    found = solve(c)
    rng = np.random.default_rng(1)
    for row in rng.choice(b + s, 8, replace=False).tolist():
        step = 1e-3 * float(c.row_scale[row])
        ends = []
        for sign in (1.0, -1.0):
            low, high = c.row_lower.copy(), c.row_upper.copy()
            low[row] += sign * step
            high[row] += sign * step
            ends.append(solve(_with_bounds(c, low, high)).objective)
        dual, size = float(found.row_dual[row]), 1e-3 * float(np.abs(found.row_dual).max())
        assert (ends[0] - found.objective) / step >= dual - size  # convex in the right-hand side
        assert (found.objective - ends[1]) / step <= dual + size


@pytest.mark.parametrize("columns", [30, 20_000])
def test_a_hessian_that_does_not_arrive_is_found_out(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    c = transport(8, 6, 5.0)["m"].compile()
    right = solve(c)
    monkeypatch.setattr(quadratic, "_WHOLE", columns)
    load = quadratic.load

    class Deaf:
        def __init__(self, h: Any) -> None:
            self.h = h

        def passHessian(self, *_: Any) -> None:
            return None

        def __getattr__(self, name: str) -> Any:
            return getattr(self.h, name)

    monkeypatch.setattr(quadratic, "load", lambda *a, **k: Deaf(load(*a, **k)))
    s = solve(c)
    assert s.way.startswith(TANGENTS)
    assert "since HiGHS's quadratic solver came no closer than" in s.way
    assert s.objective == pytest.approx(right.objective, rel=1e-6)
    assert s.gap >= (s.objective - right.objective) / s.objective - 1e-12


@pytest.mark.parametrize(
    ("name", "value", "says"), [("PROVEN", -1.0, "came no closer than"), ("_MATTER", 3, "more than 3 columns matter")]
)
def test_what_is_not_proven_is_finished_by_tangents(
    name: str, value: float, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    t = transport(8, 6, 5.0)
    right = solve(t["m"].compile())
    monkeypatch.setattr(quadratic, name, value)
    s = solve(t["m"].compile())
    assert s.status == "optimal"
    assert s.way.startswith(TANGENTS)
    assert says in s.way
    assert s.objective >= right.objective * (1 - 1e-10)
    assert s.objective == pytest.approx(right.objective, rel=1e-6)
    assert s.bound <= right.objective * (1 + 1e-12)


def test_too_many_steps_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadratic, "_active_set", lambda q, free, y, *_: ("iteration_limit", "1", y, y[:0], 0))
    s = solve(split([1.0, 2.0], 3.0)[0].compile())
    assert "since HiGHS's quadratic solver stopped (iteration limit)" in s.way
    assert s.status == "optimal"


PLACES = sorted(jurisdictions.country_codes() - {"CHN", "TWN"})[:120]


def strained(makers: int, buyers: int, tight: float, spread: float = 0.3) -> tuple[SupplyGraph, list[str]]:
    """Every producer sends to every buyer and is near its limit: the quadratic solver stops there."""
    rng = np.random.default_rng(0)
    who, to = PLACES[:makers], PLACES[-buyers:]
    need = rng.uniform(1.0, 20.0, buyers)
    out = need.sum() * rng.dirichlet(np.full(makers, spread))
    price = rng.uniform(1.0, 3.0, makers)
    nodes = [
        node(f"{P}@{c}", output=float(o), capacity=float(o * tight), unit_cost=float(k))
        for c, o, k in zip(who, out, price, strict=True)
    ]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in to]
    links = [
        link(c, f"{d}:demand", float(o * n / need.sum()))
        for c, o in zip(who, out, strict=True)
        for d, n in zip(to, need, strict=True)
    ]
    frames = {"products": pd.DataFrame([product()]), "nodes": pd.DataFrame(nodes), "links": pd.DataFrame(links)}
    return SupplyGraph.from_tables(frames), to


@pytest.mark.parametrize("goal", [concentration(), cost() + 1e4 * concentration()], ids=["index", "both"])
@pytest.mark.parametrize(("makers", "buyers", "tight"), [(40, 15, 1.3), (60, 20, 1.0), (60, 20, 1.3)])
def test_optimal_means_within_the_gap_where_every_producer_is_near_its_limit(
    makers: int, buyers: int, tight: float, goal: Any
) -> None:
    g, to = strained(makers, buyers, tight)
    plan = optimize(g, to, product=P, levers=resource(), objective=goal)
    c = plan._compiled
    assert c.n >= 1200
    assert plan.status == "optimal"
    assert 0.0 <= plan.gap <= 1e-8
    # The gap is that of the squares as they are to what the best of all plans costs at least.
    x = plan._solution.x
    assert x[c.square] == pytest.approx(x[c.square_of] ** 2, abs=1e-12)
    assert plan.objective_value == pytest.approx(float(c.cost @ x) + c.offset, rel=1e-12)
    assert plan.bound <= plan.objective_value * (1 + 1e-12)
    assert plan.gap == pytest.approx((plan.objective_value - plan.bound) / plan.objective_value, abs=1e-12)
    exact = pytest.importorskip("cvxpy")
    v = exact.Variable(c.n)
    import scipy.sparse as sparse

    a = sparse.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))
    low, high = np.isfinite(c.row_lower), np.isfinite(c.row_upper)
    rows = [a[low] @ v >= c.row_lower[low], a[high] @ v <= c.row_upper[high]]
    some = np.isfinite(c.upper)
    rows += [v >= c.lower, v[np.flatnonzero(some)] <= c.upper[some]]
    flat = np.where(np.isin(np.arange(c.n), c.square), 0.0, c.cost)
    paid = exact.sum(exact.multiply(c.cost[c.square], exact.square(v[c.square_of])))
    value = float(exact.Problem(exact.Minimize(flat @ v + paid), rows).solve(solver="CLARABEL")) + c.offset
    assert plan.objective_value == pytest.approx(value, rel=1e-6)


def test_yes_or_no_decisions_and_squares_share_the_gap_that_was_asked() -> None:
    g, to = strained(10, 3, 1.5, spread=3.0)
    ask: dict[str, Any] = {"product": P, "levers": resource(), "objective": concentration()}
    limits = sp.min_suppliers(7, 0.12)
    gaps = []
    for gap in (None, 1e-3):
        plan = optimize(g, to, constraints=limits, gap=gap, **ask)
        assert plan.status == "optimal"
        assert plan.gap <= (gap or 1e-6)
        gaps.append(plan)
    assert gaps[0].objective_value >= gaps[1].bound
    assert gaps[0].objective_value <= gaps[1].objective_value * (1 + 1e-6)


def test_squares_that_are_not_met_as_closely_as_asked_are_called_near(monkeypatch: pytest.MonkeyPatch) -> None:
    from supplyrisk.portfolio import solve as module

    monkeypatch.setattr(module, "_FINER", 0)
    g, to = strained(40, 15, 1.3)
    plan = optimize(g, to, product=P, levers=resource(), objective=concentration())
    assert plan.gap > 1e-6
    assert plan.status == "near_optimal"
    assert any("squares could not be met as closely as was asked" in n for n in plan.notes)
    assert "near_optimal" in repr(plan)
    assert optimize(g, to, product=P, levers=resource(), objective=concentration(), gap=1e-3).status == "optimal"


def test_points_of_a_frontier_are_within_their_gap() -> None:
    g, to = strained(40, 6, 1.3)
    front = sp.frontier(
        g, to, product=P, levers=resource(), objective=concentration(), against=sp.share(PLACES[3]), points=3
    )
    assert len(front.frame) >= 2
    assert (front.frame["gap"] <= 1e-6).all()


# ---------------------------------------------------------------------- where it is no quadratic programme


def test_yes_or_no_decisions_caps_and_unmet_need_go_by_tangents_and_say_so() -> None:
    g = hand()
    goal = cost() + 500.0 * concentration()
    ask: dict[str, Any] = {"product": P, "objective": goal}
    exact = optimize(g, BUYERS, levers=resource(), **ask)
    assert QP in way(exact)
    capped = optimize(g, BUYERS, levers=resource(), constraints=sp.max_hhi(1.0), **ask)
    assert way(capped).endswith("since a limit on squares is a cone")
    assert capped.objective_value == pytest.approx(exact.objective_value, rel=1e-6)
    short = optimize(g, BUYERS, levers=[resource(), sp.unmet(5000.0)], **ask)
    assert way(short).endswith("since what arrives is decided too, so that squares over it are a cone")
    assert short.objective_value == pytest.approx(exact.objective_value, rel=1e-6)
    whole = optimize(g, BUYERS, levers=resource(), constraints=sp.min_suppliers(2), **ask)
    assert way(whole).endswith("since there are yes-or-no decisions")
    for plan in (capped, short, whole):
        assert TANGENTS in way(plan)
        c = plan._compiled
        assert plan.bound <= plan.objective_value
        assert plan.objective_value == pytest.approx(float(c.cost @ plan._solution.x) + c.offset)


def test_an_index_that_weighs_nothing_leaves_a_linear_programme() -> None:
    g = hand()
    plain = optimize(g, BUYERS, product=P, levers=resource())
    plan = optimize(g, BUYERS, product=P, levers=resource(), objective=cost() + 0.0 * concentration())
    assert plan.objective_value == pytest.approx(plain.objective_value, rel=1e-12)
    assert way(plan) == ""
    c = plan._compiled
    assert plan._solution.x[c.square] == pytest.approx(plan._solution.x[c.square_of] ** 2, abs=1e-12)


def test_another_solver_takes_the_squares_as_they_are() -> None:
    pytest.importorskip("pyscipopt")
    ask: dict[str, Any] = {"product": P, "levers": resource(), "objective": cost() + 500.0 * concentration()}
    plan = optimize(hand(), BUYERS, solver="scip", **ask)
    assert way(plan) == "concentration: squares as they are, by SCIP"
    assert plan.objective_value == pytest.approx(optimize(hand(), BUYERS, **ask).objective_value, rel=1e-5)


# ---------------------------------------------------------------------- the live model


@pytest.fixture
def live() -> Any:  # of each test's own: what is asked of a live model stays in it
    return optimize(hand(), BUYERS, product=P, levers=resource(), objective=cost() + 500.0 * concentration())


def test_the_live_model_is_the_quadratic_programme(live: Any, tmp_path: Path) -> None:
    import highspy
    import pyomo.environ as pyo

    model = live.model
    assert model.objective.expr.polynomial_degree() == 2
    assert len(model.hhi_square_square) == 0
    assert pyo.value(model.objective) == pytest.approx(live.objective_value, rel=1e-10)
    model.write(str(tmp_path / "plan.lp"))
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    h.readModel(str(tmp_path / "plan.lp"))
    h.run()
    assert h.getInfo().objective_function_value == pytest.approx(live.objective_value, rel=1e-6)


def test_a_user_can_ask_more_of_the_squares(live: Any) -> None:
    import pyomo.environ as pyo

    model = live.model
    before = float((mix(live) ** 2).sum())
    model.mine = pyo.Constraint(expr=sum(model.hhi_square[c] for c in model.hhi_square) <= before - 0.01)
    tight = live.resolve()
    assert way(tight).endswith("since a limit on squares is a cone")
    assert float((mix(tight) ** 2).sum()) == pytest.approx(before - 0.01, abs=1e-5)
    assert len(model.hhi_square_square) == len(model.hhi_square)
    assert pyo.value(tight.model.objective) == pytest.approx(tight.objective_value, rel=1e-6)
    del model.mine
    again = tight.resolve()
    assert QP in way(again)
    assert sum(n.startswith("concentration: ") for n in again.notes) == 1
    assert again.objective_value == pytest.approx(live.objective_value, rel=1e-10)
    first = next(iter(model.hhi_square))
    model.hhi_square[first].fix(0.01)
    held = live.resolve()
    assert way(held).endswith("since squares are bounded by themselves")
    assert float(mix(held).get(first, 0.0)) <= 0.1 + 1e-4
    model.hhi_square[first].unfix()
    assert live.resolve().objective_value == pytest.approx(live.objective_value, rel=1e-10)
    model.open = pyo.Var(within=pyo.Binary)
    model.say = pyo.Constraint(expr=model.open >= 1)
    assert way(live.resolve()).endswith("since there are yes-or-no decisions")
    model.del_component("say")
    model.del_component("open")


@pytest.mark.parametrize(
    ("variable", "most"), [("hhi_square", 0.001), ("hhi_part", 0.01), ("flow", 0.1)], ids=lambda x: str(x)
)
def test_a_bound_that_a_user_set_is_named_where_it_clashes(live: Any, variable: str, most: float) -> None:
    own = getattr(live.model, variable)
    was = {k: own[k].ub for k in own}
    for k in own:
        own[k].setub(most)
    with pytest.raises(InfeasibleError) as caught:
        live.resolve()
    text = str(caught.value)
    assert f"your limit: {own[next(iter(own))].name} at most {most:g}" in text
    assert f"it becomes feasible if:\n  - what you set on {variable} in the live model is taken back" in text
    assert "concentration()" not in text
    assert "falls short" not in text
    for k in own:
        own[k].setub(was[k])
    after = live.resolve()
    assert not after._build.edits
    assert after.objective_value == pytest.approx(live.objective_value, rel=1e-10)


def test_a_bound_that_a_user_set_is_a_note_of_the_plan(live: Any) -> None:
    first, second = list(live.model.hhi_part)[:2]
    live.model.hhi_part[first].setub(0.2)
    live.model.hhi_part[second].fix(0.6)
    notes = " ".join(live.resolve().notes)
    assert f"the live model was edited: hhi_part[{first}] at most 0.2; hhi_part[{second}] fixed at 0.6" in notes


def test_what_else_is_asked_of_such_a_plan() -> None:
    g = hand()
    goal = cost() + 500.0 * concentration()
    ask: dict[str, Any] = {"product": P, "levers": resource(), "objective": goal}
    plan = optimize(g, BUYERS, **ask)
    near = sp.alternatives(plan, k=2, slack=0.05)
    assert all(p.objective_value <= plan.objective_value * 1.05 * (1 + 1e-6) for p in near.plans)
    front = sp.frontier(g, BUYERS, against=sp.share("CHN"), points=4, **ask)
    assert front.frame["objective"].iloc[0] == pytest.approx(plan.objective_value, rel=1e-6)
    assert way(front.plan(1)).endswith("since a sweep starts each solve from the last")
    for row in front.frame.itertuples():
        cap = sp.max_share("CHN", float(row.share) + 1e-7)
        one = optimize(g, BUYERS, constraints=cap, **ask)
        assert QP in way(one)
        assert one.objective_value == pytest.approx(row.objective, rel=1e-5)
    with pytest.raises(InfeasibleError, match="max_share"):
        optimize(g, BUYERS, constraints=sp.max_share("CHN", 0.0001), **ask)
    with pytest.raises(SolverError) as stopped:
        optimize(g, BUYERS, time_limit=0.0, **ask)
    assert stopped.value.status == "time_limit"
    assert optimize(g, BUYERS, time_limit=60.0, **ask).objective_value == plan.objective_value


def test_years_and_scenarios() -> None:
    g = hand()
    goal = cost() + 500.0 * concentration()
    one = optimize(g, BUYERS, product=P, levers=resource(), objective=goal)
    years = optimize(g, BUYERS, product=P, levers=resource(), objective=goal, horizon=(2026, 2028), discount=0.1)
    assert QP in way(years)
    assert years.objective_value == pytest.approx(one.objective_value * (1 + 1 / 1.1 + 1 / 1.21), rel=1e-9)
    assert mix(years.year(2027)).to_numpy() == pytest.approx(mix(one).to_numpy(), abs=1e-7)
    assert pytest.approx(years.objective_value, rel=1e-9) == _value(years.model)
    ban = sr.export_ban("CHN", product=P, start="2026-01", months=12)
    risky: dict[str, Any] = {"scenarios": {"calm": (0.9, []), "ban": (0.1, [ban])}, "product": P, "levers": resource()}
    plan = optimize(g, BUYERS, objective=cost() + 0.5 * sp.cvar(0.9) + 500.0 * concentration(), **risky)
    assert QP in way(plan)
    c = plan._compiled
    near = Persistent(c).solve()
    assert near.objective == pytest.approx(plan.objective_value, rel=1e-6)
    assert near.objective <= plan.objective_value * (1 + 1e-9)


def _value(model: Any) -> float:
    import pyomo.environ as pyo

    return float(pyo.value(model.objective))

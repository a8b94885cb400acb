"""Plans against independent answers: raw HiGHS from the printed tables, brute force, Pyomo's compiler, differences."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supplyrisk.errors import InfeasibleError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import (
    Portfolio,
    budget,
    build,
    cost,
    cvar,
    during,
    equal_burden,
    focal_free,
    lead_time,
    max_hhi,
    max_share,
    max_supplier_share,
    min_suppliers,
    n_minus_1,
    optimize,
    resource,
    unmet,
)
from supplyrisk.portfolio.arrays import complete
from supplyrisk.portfolio.run import plan_case

P, Q = "gallium.refined", "germanium.refined"
BUYERS = ("JPN", "USA")
COUNTRIES = ("CHN", "CAN", "KOR", "JPN", "DEU")
SLOW = settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@functools.cache
def random_graph(seed: int, products: tuple[str, ...] = (P, Q), projects: int = 4) -> SupplyGraph:
    """Random suppliers, flows, holders and projects; every pool is fed."""
    rng = np.random.default_rng(seed)
    nodes: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    plans: list[dict[str, Any]] = []
    holdings: list[dict[str, Any]] = []
    grade = {f"{q}_grade": "assumption" for q in ("output", "capacity", "unit_cost")}
    for p in products:
        for c in COUNTRIES:
            out = float(rng.integers(20, 200))
            capacity = out * float(rng.choice([1.0, 1.3])) if rng.random() < 0.6 else None
            nodes.append(
                {
                    "node": f"{p}@{c}",
                    "product": p,
                    "country": c,
                    "kind": "producer",
                    "output": out,
                    "capacity": capacity,
                }
                | {"unit_cost": float(rng.integers(200, 400) if c == "CHN" else rng.integers(300, 900)), "year": 2024}
                | grade
            )
            if rng.random() < 0.4:
                holdings.append(
                    {"asset": f"{p}@{c}", "part": "", "portion": 1.0, "holder": "Firm", "holder_country": "CHN"}
                    | {"type": "equity", "share": float(rng.choice([0.3, 0.6])), "grade": "assumption"}
                )
        for b in (*BUYERS, "WLD"):
            nodes.append({"node": f"{p}@{b}:demand", "product": p, "country": b, "kind": "demand", "year": 2024})
        for b in (*BUYERS, "WLD"):
            for c in COUNTRIES:
                if rng.random() < 0.7 or c == "CHN":
                    links.append(
                        {"supplier": f"{p}@{c}", "buyer": f"{p}@{b}:demand", "product": p, "year": 2024}
                        | {"method": "observed", "quantity": float(rng.integers(1, 7)), "grade": "assumption"}
                    )
        links.append(
            {"supplier": f"{p}@WLD:demand", "buyer": f"{p}@USA:demand", "product": p, "year": 2024}
            | {"method": "world_pool", "quantity": 3.0, "grade": "assumption"}
        )
        for j in range(projects):
            plans.append(
                {"project": f"{p}-{j}", "name": "x", "product": p, "status": "planned", "start": 2028}
                | {"country": str(rng.choice(["AUS", "USA", "CHN"])), "capacity": float(rng.integers(3, 12))}
                | {"capex": float(rng.integers(1, 60)) * 1000.0, "grade": "assumption"}
            )
    meta = {"stage": "refine", "unit": "kg", "basis": "contained", "period": "year", "price": 500.0}
    rows = [
        {"product": p, "name": p, "commodity": p.partition(".")[0], "chain": "t", "price_grade": "assumption"} | meta
        for p in products
    ]
    tables = {
        "products": pd.DataFrame(rows),
        "nodes": pd.DataFrame(nodes),
        "links": pd.DataFrame(links),
        "projects": pd.DataFrame(plans),
    }
    if holdings:
        tables["holdings"] = pd.DataFrame(holdings)
    return SupplyGraph.from_tables(tables)


def raw(plan: Portfolio, cap: float, view: str, fixed: tuple[int, ...] | None = None) -> float:
    """Optimal cost by raw HiGHS of the model that the plan's printed tables describe; inf where infeasible.

    ``fixed`` gives the numbers of the projects that are built; None leaves the choice to the solver.
    """
    import highspy

    from supplyrisk.control import focal_share

    offers, need, have, projects = plan.offers, plan.needs, plan.availability, plan.projects
    value, _, _ = focal_share(plan._build.graph, "CHN", view)
    share = dict(zip(plan._build.graph.index.nodes["node"], value, strict=True))
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    x = [
        h.addVariable(lb=0.0, ub=float(u), obj=float(c))
        for u, c in zip(offers["upper"], offers["yearly_cost"], strict=True)
    ]
    y = []
    for j, annuity in enumerate(projects["annuity"]):
        lo, hi = (0.0, 1.0) if fixed is None else (float(j in fixed),) * 2
        y.append(h.addBinary(obj=float(annuity)) if fixed is None else h.addVariable(lb=lo, ub=hi, obj=float(annuity)))
    number = {p: j for j, p in enumerate(zip(projects["product"], projects["project"], strict=True))}

    def rows(mask: pd.Series) -> list[Any]:
        return [x[i] for i in np.flatnonzero(mask.to_numpy())]

    for r in need.itertuples():
        mine = rows((offers["product"] == r.product) & (offers["buyer"] == r.buyer))
        h.addConstr(sum(mine) == float(r.need))
    for r in have.itertuples():
        mine = rows((offers["supplier"] == r.supplier) & offers["project"].isna())
        h.addConstr(sum(mine) <= float(r.available))
    for key, j in number.items():
        mine = rows((offers["product"] == key[0]) & (offers["project"] == key[1]))
        h.addConstr(sum(mine) - float(projects["usable"].iloc[j]) * y[j] <= 0.0)
    for p, total in need.groupby("product")["need"].sum().items():
        hit = np.flatnonzero((offers["product"] == p).to_numpy())
        weights = [share[s] for s in offers["supplier"].iloc[hit]]
        h.addConstr(sum(w * x[i] for w, i in zip(weights, hit, strict=True) if w) + 0.0 * x[0] <= cap * float(total))
    h.run()
    if h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return float("inf")
    return float(h.getInfo().objective_function_value)


@pytest.mark.parametrize("view", ["location", "equity", "control"])
@pytest.mark.parametrize("seed", [0, 2])
def test_objective_equals_raw_highs_from_the_printed_tables(seed: int, view: str) -> None:
    graph = random_graph(seed)
    loose = optimize(graph, BUYERS)
    shares = loose.share(view)["after"]
    for cap in (0.9 * shares, 0.6 * shares):
        try:
            plan = optimize(graph, BUYERS, constraints=max_share("CHN", float(cap), view=view))
        except InfeasibleError:
            assert raw(loose, float(cap), view) == float("inf")
            continue
        assert plan.objective_value == pytest.approx(raw(plan, float(cap), view), rel=1e-6)
        bought = float(plan.costs["plan"].sum())
        assert bought == pytest.approx(plan.objective_value, rel=1e-9)


@pytest.mark.parametrize("seed", [3, 4])
def test_projects_against_every_subset(seed: int) -> None:
    graph = random_graph(seed, products=(P,), projects=4)
    loose = optimize(graph, BUYERS, levers=[resource(redirect=0.02), build()])
    cap = 0.5 * float(loose.share("control")["after"])
    spec = max_share("CHN", cap, view="control")
    best = min(raw(loose, cap, "control", subset) for k in range(5) for subset in itertools.combinations(range(4), k))
    if np.isinf(best):
        with pytest.raises(InfeasibleError):
            optimize(graph, BUYERS, levers=[resource(redirect=0.02), build()], constraints=spec)
        return
    plan = optimize(graph, BUYERS, levers=[resource(redirect=0.02), build()], constraints=spec)
    assert plan.objective_value == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("seed", [0, 2])
def test_duals_against_finite_differences(seed: int) -> None:
    graph = random_graph(seed, products=(P,))
    base = float(optimize(graph, BUYERS, levers=resource()).share("location")["after"])
    cap = 0.8 * base

    def value(c: float) -> float:
        return optimize(graph, BUYERS, levers=resource(), constraints=max_share("CHN", c)).objective_value

    plan = optimize(graph, BUYERS, levers=resource(), constraints=max_share("CHN", cap))
    need = float(plan.needs["need"].sum())
    row = plan.duals[plan.duals["constraint"].str.startswith("max_share")].iloc[0]
    step = 1e-5
    right, left = (value(cap + step) - value(cap)) / step, (value(cap) - value(cap - step)) / step
    per_share = float(row["dual"]) * need
    assert min(left, right) - 1e-2 * abs(left) <= per_share <= max(left, right) + 1e-2 * abs(left)
    point = float(str(row["meaning"]).split(" costs ")[1].split(" ")[0].replace(",", ""))
    scale = 1e3 if " thousand " in row["meaning"] else 1.0
    assert point * scale == pytest.approx(-per_share * 0.01, rel=1e-2)


@SLOW
@given(seed=st.integers(0, 40), caps=st.tuples(st.floats(0.05, 1.0), st.floats(0.05, 1.0)))
def test_a_tighter_cap_never_costs_less(seed: int, caps: tuple[float, float]) -> None:
    graph = random_graph(seed, products=(P,), projects=2)
    low, high = sorted(caps)
    costs = []
    for cap in (low, high):
        try:
            costs.append(optimize(graph, BUYERS, constraints=max_share("CHN", cap, view="control")).objective_value)
        except InfeasibleError:
            costs.append(np.inf)
    assert costs[0] >= costs[1] - 1e-6 * abs(costs[1])


@SLOW
@given(seed=st.integers(0, 40), cap=st.floats(0.05, 1.0), redirect=st.floats(0.0, 1.0))
def test_an_extra_lever_never_costs_more(seed: int, cap: float, redirect: float) -> None:
    graph = random_graph(seed, products=(P,), projects=2)
    ladder = [(), (resource(redirect=redirect),), (resource(redirect=redirect), build())]
    ladder.append((*ladder[-1], unmet(1e5)))
    costs = []
    for levers in ladder:
        try:
            costs.append(optimize(graph, BUYERS, levers=levers, constraints=max_share("CHN", cap)).objective_value)
        except InfeasibleError:
            costs.append(np.inf)
    for less, more in itertools.pairwise(costs):
        assert more <= less * (1 + 1e-7) + 1e-6


@SLOW
@given(
    seed=st.integers(0, 40), cap=st.floats(0.2, 0.9), view=st.sampled_from(["location", "equity", "control", "origin"])
)
def test_what_the_plan_reports_is_what_the_ruler_measures(seed: int, cap: float, view: str) -> None:
    graph = random_graph(seed)
    try:
        plan = optimize(graph, BUYERS, constraints=max_share("CHN", cap, view=view))
    except InfeasibleError:
        return
    mine = plan.shares[plan.shares["view"] == view]
    assert np.allclose(mine["after"], mine["model"], atol=1e-7)
    assert (mine.loc[mine["buyer"] == "group", "after"] <= cap + 1e-6).all()
    assert (mine["after_low"] <= mine["after"] + 1e-9).all()
    assert (mine["after"] <= mine["after_high"] + 1e-9).all()


@SLOW
@given(seed=st.integers(0, 40), n=st.integers(1, 6), part=st.floats(0.02, 0.16), cap=st.floats(0.1, 1.0))
def test_infeasible_is_said_only_if_nothing_works(seed: int, n: int, part: float, cap: float) -> None:
    graph = random_graph(seed, products=(P,), projects=2)
    spec = [max_share("CHN", cap), min_suppliers(n, part)]
    failed = ""
    try:
        plan = optimize(graph, BUYERS, constraints=spec)
    except InfeasibleError as err:
        failed = str(err)
    if failed:
        assert any(repr(s) in failed for s in spec)
        assert "becomes feasible if" in failed
        return
    by = plan.decisions.groupby("country")["quantity"].sum() / plan.needs["need"].sum()
    assert (by >= part - 1e-6).sum() >= n
    assert by.get("CHN", 0.0) <= cap + 1e-6


@pytest.mark.parametrize("cap", [0.24, 0.3, 0.5])
def test_hhi_against_a_nonlinear_solver(cap: float) -> None:
    """The same cone, handed to a sequential quadratic method from the printed tables."""
    from scipy.optimize import minimize

    graph = random_graph(1, products=(P,), projects=0)
    levers = resource(redirect=0.3)
    plan = optimize(graph, BUYERS, levers=levers, constraints=max_hhi(cap))
    offers, need, have = plan.offers, plan.needs["need"].to_numpy(), plan.availability
    buyer = np.array([plan.needs["buyer"].tolist().index(b) for b in offers["buyer"]])
    who = pd.factorize(offers["country"])[0]
    made = [np.flatnonzero((offers["supplier"] == s).to_numpy()) for s in have["supplier"]]
    total, price = need.sum(), offers["yearly_cost"].to_numpy()

    def index(x: Any) -> float:
        return float(((np.bincount(who, x) / total) ** 2).sum())

    found = minimize(
        lambda x: price @ x / 1e4,
        plan._solution.x[: len(offers)] * 0.9 + 0.1 * total / len(offers),
        jac=lambda _: price / 1e4,
        bounds=[(0.0, min(u, total)) for u in offers["upper"]],
        constraints=[
            {"type": "eq", "fun": lambda x: np.bincount(buyer, x) - need},
            {"type": "ineq", "fun": lambda x: cap - index(x)},
            {"type": "ineq", "fun": lambda x: [a - x[k].sum() for a, k in zip(have["available"], made, strict=True)]},
        ],
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert found.success
    assert plan.objective_value == pytest.approx(found.fun * 1e4, rel=1e-5)


def test_years_against_every_schedule() -> None:
    """Two plants, each decided in any year or never: the years are then single plans with the plants forced."""
    graph = random_graph(3, products=(P,), projects=2)
    years, cap = range(2026, 2030), None
    levers = [resource(redirect=0.02), build()]
    share = float(optimize(graph, BUYERS, levers=levers).share("location")["after"])
    cap = max_share("CHN", 0.75 * share)
    late = during(cap, 2028)
    plan = optimize(graph, BUYERS, levers=levers, constraints=late, horizon=(2026, 2029), discount=0.1)

    @functools.cache
    def one(built: tuple[bool, ...], capped: bool) -> float:
        def fix(m: Any) -> None:
            m.projects.lower[:] = m.projects.upper[:] = np.array(built, dtype=float)

        options: dict[str, Any] = {
            "product": P,
            "levers": levers,
            "scenarios": None,
            "objective": None,
            "horizon": None,
        }
        options |= {"discount": 0.1, "ramp": (1.0,), "time_limit": None, "gap": None, "seed": 0, "fix": fix}
        try:
            return plan_case(graph, BUYERS, constraints=(cap,) if capped else (), **options).objective_value
        except InfeasibleError:
            return float("inf")

    best = float("inf")
    for when in itertools.product([*years, 9999], repeat=2):  # start on record 2028: two years after a decision
        standing = [tuple(y >= w + 2 for w in when) for y in years]
        best = min(best, sum(one(s, y >= 2028) / 1.1 ** (y - 2026) for s, y in zip(standing, years, strict=True)))
    assert plan.objective_value == pytest.approx(best, rel=1e-6)


TIGHTER: list[tuple[Any, Any]] = [
    (max_hhi(0.5), max_hhi(0.3)),
    (n_minus_1(0.3), n_minus_1(0.5)),
    (focal_free("CHN", 0.3), focal_free("CHN", 0.6)),
    (focal_free("CHN", 0.3, view="control"), focal_free("CHN", 0.4, view="control")),
    (max_share("CHN", 0.6, view="control", gamma=0.0), max_share("CHN", 0.6, view="control", gamma=0.5)),
    (lead_time(2030), lead_time(2027)),
    (equal_burden(2.0), equal_burden(1.0)),
]


@pytest.mark.parametrize("pair", TIGHTER, ids=lambda p: repr(p[1]))
def test_tighter_limits_never_cost_less(pair: tuple[Any, Any]) -> None:
    for seed in (0, 5):
        graph = random_graph(seed, products=(P,), projects=2)
        costs = []
        for spec in pair:
            try:
                cap = max_share("CHN", 0.6)
                costs.append(optimize(graph, BUYERS, constraints=[cap, spec]).objective_value)
            except InfeasibleError:
                costs.append(np.inf)
        assert costs[1] >= costs[0] - 1e-6 * abs(costs[0])


def models() -> list[Portfolio]:
    from supplyrisk.shocks import export_ban

    graph = random_graph(7)
    ban = {"calm": (0.7, []), "ban": (0.3, [export_ban("CHN", product=P, to=list(BUYERS))])}
    return [
        optimize(graph, BUYERS, constraints=[max_share("CHN", 0.5), min_suppliers(3), max_supplier_share(0.8)]),
        optimize(graph, BUYERS, levers=[resource(), unmet(1e4)], scenarios=ban, objective=cost() + 0.1 * cvar(0.8)),
        optimize(
            graph, BUYERS, constraints=[budget(1e6), budget(1e6, of="extra"), max_share("CHN", 0.6, buyer="each")]
        ),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_arrays_are_the_pyomo_model(which: int) -> None:
    """The completed model, compiled by Pyomo itself, is the matrix that went to the solver, and solves alike."""
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    plan = models()[which]
    m = complete(plan._build.model, plan._build.matrix)
    c = plan._compiled
    form = LinearStandardFormCompiler().write(m, mixed_form=True)
    column: dict[int, int] = {}
    for group in plan._build.matrix.columns:
        var = m.component(group.name)
        column |= {id(var[k]): group.start + i for i, k in enumerate(group.keys)}
    row = {
        id(m.component(b.name)[k]): b.start + i
        for b in plan._build.matrix.rows
        for i, k in enumerate(b.keys)
        if k in m.component(b.name)
    }
    at = [column[id(v)] for v in form.columns]
    theirs = np.zeros((c.m, c.n))
    dense = form.A.toarray()
    for k, entry in enumerate(form.rows):
        i = row[id(entry.constraint)]
        theirs[i, at] = dense[k]
        limit = c.row_upper[i] if entry.bound_type >= 0 else c.row_lower[i]
        assert form.rhs[k] == pytest.approx(limit, rel=1e-12, abs=1e-12)
    import scipy.sparse as sp

    ours = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n)).toarray()
    assert np.allclose(theirs, ours, rtol=1e-12, atol=0)
    price = np.zeros(c.n)
    price[at] = form.c.toarray().ravel()
    assert np.allclose(price, c.cost, rtol=1e-12, atol=0)
    for v, i in zip(form.columns, at, strict=True):
        lo, hi = v.bounds
        assert (lo if lo is not None else -np.inf) == c.lower[i]
        assert (hi if hi is not None else np.inf) == c.upper[i]
        assert v.is_integer() == bool(c.integer[i])


def test_a_stock_solver_takes_the_live_model() -> None:
    import pyomo.environ as pyo

    plan = models()[0]
    m = plan.model
    for v in m.component_data_objects(pyo.Var):
        v.set_value(None)
    solver = pyo.SolverFactory("appsi_highs")
    if not solver.available(exception_flag=False):
        pytest.skip("Pyomo's own HiGHS interface is not available")
    solver.solve(m)
    assert pyo.value(m.objective) == pytest.approx(plan.objective_value, rel=1e-6)

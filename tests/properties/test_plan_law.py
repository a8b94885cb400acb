"""Law 6: what a plan's constraints read is what the score reads on the plan's graph, for every registered one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import supplyrisk.portfolio as sp
from supplyrisk.atlas import load_atlas
from supplyrisk.errors import InfeasibleError
from supplyrisk.graph import SupplyGraph
from supplyrisk.metrics.score import columns_of
from supplyrisk.portfolio import optimize, resource
from supplyrisk.registry import Spec, registries

P = "gallium.refined"
GRADES = {f"{q}_grade": "assumption" for q in ("output", "capacity", "unit_cost")}
# The solver meets rows to 1e-7 of their size; a share adds a few of them.
SAME = 2e-6


@functools.cache
def relayed(seed: int) -> tuple[SupplyGraph, tuple[str, ...]]:
    """Makers, buyers that pass goods to each other, re-exporters in chains and loops, a world pool, uses on record."""
    rng = np.random.default_rng(seed)
    makers = ["CHN", "CAN", "KOR", "AUS", "BRA", "ROW"][: int(rng.integers(3, 7))]
    buyers = ["JPN", "USA", "DEU"][: int(rng.integers(1, 4))]
    outside = ["NLD", "HKG", "SGP", "CHN"][: int(rng.integers(1, 5))]
    rng.shuffle(outside)
    links: list[dict[str, Any]] = []
    sold = dict.fromkeys(makers, 0.0)

    def link(a: str, b: str, q: float, method: str = "observed") -> None:
        links.append(
            {"supplier": f"{P}@{a}", "buyer": f"{P}@{b}:demand", "product": P, "year": 2024, "method": method}
            | {"quantity": float(q), "grade": "assumption"}
        )
        if a in sold:
            sold[a] += q

    world = ["WLD"] if rng.random() < 0.6 else []
    order = [*outside, *world]
    for b in [*buyers, *order]:
        from_here = [c for c in makers if rng.random() < 0.5] or makers[:1]
        for c in from_here:
            link(c, b, rng.integers(1, 30))
    for i, a in enumerate(order):
        for j, b in enumerate(order):
            if a != b and rng.random() < (0.3 if i < j else 0.08):
                link(f"{a}:demand", b, rng.integers(1, 8))
        for b in buyers:
            if rng.random() < 0.6:
                link(f"{a}:demand", b, rng.integers(1, 12), "world_pool" if a == "WLD" else "observed")
    for a in buyers:
        for b in [*buyers, *outside]:
            if a != b and rng.random() < 0.2:
                link(f"{a}:demand", b, rng.integers(1, 6))
    nodes, holdings = [], []
    for c in makers:
        out = sold[c] * float(rng.choice([1.0, 1.2])) + float(rng.integers(0, 20))
        nodes.append(
            {"node": f"{P}@{c}", "product": P, "country": c, "kind": "producer", "year": 2024, "output": out}
            | {"capacity": out * 1.2 if rng.random() < 0.6 else None}
            | {"unit_cost": 1.0 if c == "CHN" else float(rng.integers(2, 9))}
            | GRADES
        )
        if c != "ROW" and rng.random() < 0.5:
            holdings.append(
                {"asset": f"{P}@{c}", "part": "", "portion": 1.0, "holder": "Firm", "holder_country": "CHN"}
                | {"type": "equity", "share": float(rng.choice([0.3, 0.6])), "grade": "assumption"}
            )
    for b in [*buyers, *order]:
        nodes.append({"node": f"{P}@{b}:demand", "product": P, "country": b, "kind": "demand", "year": 2024})
    used = [
        {"node": f"{P}@{b}:demand", "use": "total", "year": 2024, "quantity": float(rng.integers(10, 60))}
        | {"grade": "assumption"}
        for b in buyers
        if rng.random() < 0.3
    ]
    projects = [
        {"project": f"new {j}", "name": "x", "product": P, "status": "planned", "start": 2028, "grade": "assumption"}
        | {"country": str(rng.choice(["NOR", "USA", "CHN"])), "capacity": float(rng.integers(5, 20))}
        | {"capex": float(rng.integers(1, 60))}
        for j in range(2)
    ]
    meta = {"stage": "refine", "unit": "kg", "basis": "contained", "period": "year", "price": 10.0}
    row = {"product": P, "name": P, "commodity": "gallium", "chain": "t", "price_grade": "assumption"} | meta
    tables = {"products": [row], "nodes": nodes, "links": links, "projects": projects}
    more = {k: v for k, v in (("holdings", holdings), ("demand", used)) if v}
    return SupplyGraph.from_tables({k: pd.DataFrame(v) for k, v in (tables | more).items()}), tuple(buyers)


Maker = Callable[[float, Any, str | None], Spec]
# Every constraint on a metric of the score: from a number in [0, 1], a focal and a buyer to a bound that may bind.
BOUNDS: dict[str, dict[str, Maker]] = {
    "max_share": {
        view: (lambda t, f, b, view=view: sp.max_share(f, 0.05 + 0.5 * t, view=view, buyer=b))
        for view in ("location", "equity", "control", "origin")
    }
    | {"worst": lambda t, f, b: sp.max_share(f, 0.3 + 0.6 * t, view="control", buyer=b, worst=True)}
    | {"robust": lambda t, f, b: sp.max_share(f, 0.3 + 0.6 * t, view="control", buyer=b, gamma=1.0)}
    | {"creditor": lambda t, f, b: sp.max_share(f, 0.05 + 0.6 * t, view="control", buyer=b, rule="creditor")},
    "no_decoupling": {
        view: (lambda t, f, b, view=view: sp.no_decoupling(f, 0.8 * t, view=view, buyer=b))
        for view in ("location", "equity", "control", "origin")
    },
    "max_supplier_share": {"location": lambda t, f, b: sp.max_supplier_share(0.3 + 0.4 * t, buyer=b)},
    "max_hhi": {"location": lambda t, f, b: sp.max_hhi(0.25 + 0.3 * t, buyer=b)},
    "n_minus_1": {"location": lambda t, f, b: sp.n_minus_1(0.7 - 0.4 * t, buyer=b)},
    "min_suppliers": {"location": lambda t, f, b: sp.min_suppliers(2 + int(3 * t), 0.1, buyer=b)},
}
# Constraints on what the score does not measure, and where they are tried against an independent figure.
ELSEWHERE = {
    "budget": "costs of the printed tables",
    "byproduct_ceiling": "output of the plan's graph",
    "equal_burden": "costs by member of the printed decisions",
    "focal_free": "exposure.free_flow on the plan's graph",
    "governance_floor": "weighted mean of the printed decisions",
    "lead_time": "start years of the printed plants",
    "min_stock_days": "days of the printed stocks",
    "ramp_up": "deliveries of the printed plants by year",
}


def ours() -> dict[str, Any]:
    return {e.name: e for e in registries["constraint"] if e.function.__module__.startswith("supplyrisk.portfolio.")}


def test_every_registered_constraint_is_tried() -> None:
    assert set(ours()) == set(BOUNDS) | set(ELSEWHERE)
    # A constraint that names a metric of the score must be measured by it.
    measured = {c.name for c in columns_of()} | set(registries["metric"].names()) | {"cr1"}
    for name, entry in ours().items():
        score_of = set(entry.meta.get("score", {}))
        assert score_of <= measured, name
        assert bool(score_of) == (name in BOUNDS), name
        if entry.meta.get("metric") in measured:
            assert name in BOUNDS, name


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_a_bound_reads_as_the_metric_it_declares(name: str) -> None:
    graph, buyers = relayed(3)
    levers = [resource(redirect=1.0), sp.unmet(30.0)]
    for make in BOUNDS[name].values():
        plan = optimize(graph, buyers, product=P, levers=levers, constraints=make(0.6, "CHN", None))
        found = plan.readings
        assert set(found["metric"]) == set(ours()[name].meta["score"])
        assert set(found["sense"]) == set(ours()[name].meta["score"].values())


def agree(plan: sp.Portfolio) -> int:
    """Model and score of a plan are one."""
    found = plan.readings
    assert len(found)
    # A market that gets nothing has no share in the model; the score may still know its only supplier.
    known = found["score"].notna() & found["model"].notna()
    lone = found["model"].isna() & found["score"].notna()
    assert found.loc[lone, "score"].isin([0.0, 1.0]).all(), found
    apart = (found["model"] - found["score"]).abs()[known]
    assert (apart <= SAME).all(), found
    over = np.where(found["sense"] == "<=", found["score"] - found["limit"], found["limit"] - found["score"])[known]
    assert (over <= SAME).all(), found
    table = plan.shares
    assert not ((table["after"] - table["model"]).abs() > 2 * SAME).any(), table
    return int(known.sum())


@pytest.mark.parametrize("seed", [*range(13), *(pytest.param(s, marks=pytest.mark.deep) for s in range(13, 30))])
def test_the_model_reads_what_the_score_reads(seed: int) -> None:
    graph, buyers = relayed(seed)
    rng = np.random.default_rng(seed + 999)
    levers: list[Spec] = [resource(redirect=float(rng.choice([0.1, 0.3, 1.0])))]
    levers += [sp.build()] if rng.random() < 0.4 else []
    levers += [sp.unmet(30.0)] if rng.random() < 0.6 else []
    every = [make for kinds in BOUNDS.values() for make in kinds.values()]
    tried = 0
    for i in range(seed, seed + 3 * 5, 5):  # all of them come up in both forms, three a graph
        focal = ("CHN", ("CHN", "HKG"), ("NLD",))[i % 3]
        buyer = "each" if (i // 2) % 2 else None
        spec = every[i % len(every)](float(rng.random()), focal, buyer)
        try:
            plan = optimize(graph, buyers, product=P, levers=levers, constraints=spec)
        except InfeasibleError:
            continue
        tried += agree(plan)
    assert tried or seed  # some graphs have no plan for any; the first has


@pytest.mark.parametrize(
    "product",
    [
        "ndfeb.magnet",
        pytest.param("gallium.refined", marks=pytest.mark.deep),
        pytest.param("nickel.refined", marks=pytest.mark.deep),
    ],
)
def test_the_model_reads_what_the_score_reads_on_the_atlas(product: str) -> None:
    atlas = load_atlas()
    tried = 0
    specs = [sp.max_share("CHN", 0.995, view="origin", buyer="each"), sp.max_hhi(0.9), sp.n_minus_1(0.05)]
    if product != "ndfeb.magnet":  # all of them take long
        specs += [sp.max_share("CHN", 1.0, view=v) for v in ("location", "equity", "control")]
        specs += [sp.max_share("CHN", 0.95), sp.no_decoupling("CHN", 0.2, buyer="each"), sp.max_supplier_share(0.95)]
        specs += [sp.min_suppliers(2, 0.02)]
    for spec in specs:
        try:
            plan = optimize(atlas, product=product, levers=resource(redirect=0.5), constraints=spec)
        except InfeasibleError:
            continue
        tried += agree(plan)
    assert tried >= (1 if product in ("gallium.refined", "ndfeb.magnet") else 6)  # most caps have no plan for those two


def test_who_sends_and_who_makes() -> None:
    """The Netherlands pass on Chinese goods: by location they count as Dutch, by control as Chinese."""
    nodes = [
        {"node": f"{P}@{c}", "product": P, "country": c, "kind": "producer", "year": 2024, "output": q, "unit_cost": u}
        | GRADES
        for c, q, u in (("CHN", 30.0, 1.0), ("AUS", 30.0, 2.0))
    ]
    nodes += [
        {"node": f"{P}@{c}:demand", "product": P, "country": c, "kind": "demand", "year": 2024} for c in ("NLD", "USA")
    ]
    links = [
        {"supplier": f"{P}@{a}", "buyer": f"{P}@{b}:demand", "product": P, "year": 2024, "method": "observed"}
        | {"quantity": q, "grade": "assumption"}
        for a, b, q in (("CHN", "NLD", 15.0), ("AUS", "NLD", 5.0), ("NLD:demand", "USA", 8.0), ("CHN", "USA", 2.0))
    ]
    graph = SupplyGraph.from_tables(
        products=relayed(0)[0].tables["products"], nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )
    free = resource(redirect=1.0, switching=0.0, revealed=False)

    def plan(*specs: Spec) -> sp.Portfolio:
        return optimize(graph, "USA", product=P, levers=free, constraints=specs)

    # Today 2 of 10 come from China by location, 2 + 8 * 15/20 = 8 by who makes them.
    kept = plan(sp.max_share("CHN", 0.2))
    assert kept.objective_value == pytest.approx(8.0 * 1.0 + 2.0 * 2.0)
    assert kept.re_exports["quantity"].tolist() == pytest.approx([8.0])
    assert kept.share("control")["after"] == pytest.approx(0.8)
    # Below that, a Chinese delivery is replaced; the Dutch one stays what it is.
    less = plan(sp.max_share("CHN", 0.1))
    assert less.objective_value == pytest.approx(7.0 * 1.0 + 3.0 * 2.0)
    assert less.share("location")["after"] == pytest.approx(0.1)
    through = plan(sp.max_share("CHN", 0.2, view="control"))
    assert through.objective_value == pytest.approx(2.0 * 1.0 + 8.0 * 2.0)
    # The largest supplier country is the Netherlands; no country may bring more than half.
    even = plan(sp.max_supplier_share(0.5))
    assert even.readings["model"].iloc[0] == pytest.approx(0.5)
    assert even.readings["score"].iloc[0] == pytest.approx(0.5)
    # Where the Dutch pool is the focal's, its deliveries are, whoever made them.
    held = plan(sp.max_share("NLD", 0.5, view="control"))
    assert held.re_exports["quantity"].sum() <= 5.0 + 1e-9
    assert held.share("location", focal="NLD")["after"] <= 0.5 + 1e-9
    # What is left comes of makers nobody has an owner of: that none of it is Dutch is not known.
    assert np.isnan(held.share("control", focal="NLD")["after"])

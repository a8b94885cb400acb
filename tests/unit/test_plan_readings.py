"""Every registered constraint has a row in the plan's readings, and what it reads is worked out a second time."""

from __future__ import annotations

from typing import Any

import pytest
from test_portfolio import P, simple

import supplyrisk.portfolio as sp
from supplyrisk.metrics.score import columns_of
from supplyrisk.portfolio import build, optimize, resource
from supplyrisk.portfolio.recomputed import READINGS
from supplyrisk.registry import Spec, registries

SPECS: dict[str, Spec] = {
    "max_share": sp.max_share("CHN", 0.6),
    "max_supplier_share": sp.max_supplier_share(0.6),
    "max_hhi": sp.max_hhi(0.6),
    "min_suppliers": sp.min_suppliers(2, 0.1),
    "no_decoupling": sp.no_decoupling("CHN", 0.3),
    "n_minus_1": sp.n_minus_1(0.3, of="supply"),
    "focal_free": sp.focal_free("CHN", 0.4),
    "governance_floor": sp.governance_floor({"CHN": 1.0, "AUS": 2.0, "NOR": 3.0}, 1.5),
    "equal_burden": sp.equal_burden(1.0),
    "budget": sp.budget(1e6, of="cost"),
    "min_stock_days": sp.min_stock_days(30.0),
    "byproduct_ceiling": sp.byproduct_ceiling(),
    "lead_time": sp.lead_time(2030),
    "ramp_up": sp.ramp_up((0.5, 1.0)),
}


def ours() -> dict[str, Any]:
    return {e.name: e for e in registries["constraint"] if e.function.__module__.startswith("supplyrisk.portfolio.")}


def test_every_constraint_names_a_reading_that_exists() -> None:
    known = {c.name for c in columns_of()} | set(registries["metric"].names()) | set(READINGS)
    for name, entry in ours().items():
        assert entry.meta.get("metric") in known, name
    assert set(SPECS) == set(ours())


@pytest.mark.parametrize("name", sorted(set(SPECS) - {"byproduct_ceiling", "ramp_up", "lead_time"}))
def test_every_constraint_has_a_row_that_is_worked_out_again(name: str) -> None:
    graph = simple(10.0, {"CHN": 12.0, "AUS": 12.0}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 6.0, "AUS": 4.0})
    levers = [resource(redirect=1.0), sp.stockpile()]
    plan = optimize(graph, "USA", product=P, levers=levers, constraints=SPECS[name])
    rows = plan.readings
    assert len(rows)
    assert (rows["constraint"] == repr(SPECS[name])).all()
    for r in rows.to_dict("records"):
        assert r["model"] == pytest.approx(r["score"], rel=1e-5, abs=1e-5)
        slack = r["limit"] - r["score"] if r["sense"] == "<=" else r["score"] - r["limit"]
        assert slack >= -1e-5 * max(1.0, abs(r["limit"])), r


@pytest.mark.parametrize("of", ["capex", "cost", "extra"])
def test_every_budget_is_worked_out_again(of: str) -> None:
    from test_portfolio import hand

    plan = optimize(hand(), ("JPN", "USA"), product=P, levers=[resource(), build()], constraints=sp.budget(1e9, of=of))
    row = plan.readings.iloc[0]
    assert row["model"] == pytest.approx(row["score"], rel=1e-6, abs=1e-3)


def test_plants_are_read_from_the_table_of_plants() -> None:
    from test_portfolio import hand

    specs = [sp.lead_time(2035), sp.ramp_up((0.5, 1.0)), sp.max_share("CHN", 0.5, view="origin", mixing="mass_balance")]
    plan = optimize(hand(), ("JPN", "USA"), product=P, levers=[resource(), build()], constraints=specs, horizon=2032)
    rows = plan.readings
    assert repr(specs[0]) in set(rows["constraint"])
    for r in rows[rows["metric"].isin(["start_year", "plant_output"])].to_dict("records"):
        assert r["model"] == pytest.approx(r["score"], nan_ok=True)
    free = rows[rows["metric"] == "free_flow"]
    assert len(free)
    # The world pool on the way could lead all that it gets from Korea to the buyers; the plan keeps its mix.
    assert (free["score"] >= free["model"] - 1e-6).all()


LOOSE = {
    "focal_free": sp.focal_free("CHN", 0.1),
    "focal_free, each": sp.focal_free("CHN", 0.1, buyer="each"),
    "focal_free, control": sp.focal_free("CHN", 0.1, view="control"),
    "mass balance": sp.max_share("CHN", 0.95, view="origin", mixing="mass_balance"),
}


@pytest.mark.parametrize("name", sorted(LOOSE))
def test_what_does_not_bind_reads_as_it_is(name: str) -> None:
    # A flow that the solver left just above its floor is not what can be delivered free.
    from test_plan_marginal import BUYERS, three
    from test_plan_marginal import P as product

    plan = optimize(three(), BUYERS, product=product, levers=[resource()], constraints=LOOSE[name])
    rows = plan.readings
    assert rows["model"].tolist() == pytest.approx(rows["score"].tolist(), abs=1e-6)
    assert (rows["model"] > rows["limit"] + 0.05).any()


def test_new_output_that_is_allowed_and_not_made_reads_as_none() -> None:
    from test_plan_limits import hosted

    graph = hosted({"JPN": 60.0})
    for cap in (1.0, 0.7, 0.6):
        limits = [sp.max_share("CHN", cap), sp.byproduct_ceiling(recovery=10.0)]
        plan = optimize(graph, ("JPN", "USA"), product=P, constraints=limits)
        rows = plan.readings[plan.readings["metric"] == "new_output"]
        assert rows["model"].tolist() == pytest.approx(rows["score"].tolist(), abs=1e-6)
        # What the solver may leave allowed and unused is no output either.
        for _, new in plan._build.raised:
            plan._solution.x[new] = plan._compiled.upper[new]
        again = optimize(graph, ("JPN", "USA"), product=P, constraints=limits)
        again._solution.x[:] = plan._solution.x
        rows = again.readings[again.readings["metric"] == "new_output"]
        assert rows["model"].tolist() == pytest.approx(rows["score"].tolist(), abs=1e-6)


def test_capital_spent_in_a_period_is_worked_out_again() -> None:
    from test_portfolio import hand

    limits = [sp.during(sp.max_share("CHN", 0.45, view="control"), 2029, 2030), sp.budget(1e9)]
    plan = optimize(
        hand(), ("JPN", "USA"), product=P, levers=[resource(), build()], constraints=limits, horizon=(2026, 2030)
    )
    rows = plan.readings[plan.readings["metric"] == "spending"]
    assert len(plan.spending)
    assert rows["model"].tolist() == pytest.approx(rows["score"].tolist())
    assert rows["score"].sum() == pytest.approx(plan.spending["usd"].sum())

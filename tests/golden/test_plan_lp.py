"""A golden LP file for every registered constraint, lever and objective term: what a word of the user becomes.

Write them anew, after looking at the difference, with ``SUPPLYRISK_GOLDEN=write pytest tests/golden/test_plan_lp.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import supplyrisk.portfolio as sp
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import Portfolio
from supplyrisk.registry import registries

FOLDER = Path(__file__).parent / "plan_lp"
P, ORE = "x.refined", "x.ore"


def tiny() -> SupplyGraph:
    """Two producers (one owned by the focal in part), one project, one buyer of 10 units."""
    grade = {f"{q}_grade": "assumption" for q in ("output", "capacity", "unit_cost")}
    nodes = [
        {"node": f"{P}@CHN", "country": "CHN", "kind": "producer", "output": 20.0, "unit_cost": 2.0} | grade,
        {"node": f"{P}@AUS", "country": "AUS", "kind": "producer", "output": 10.0, "capacity": 12.0, "unit_cost": 3.0}
        | grade,
        {"node": f"{P}@USA:demand", "country": "USA", "kind": "demand"},
    ]
    flows = [("CHN", 8.0), ("AUS", 2.0)]
    fact = {"product": P, "year": 2024}
    mines = [
        {"node": f"{ORE}@{c}", "country": c, "kind": "producer", "output": q} for c, q in (("AUS", 88.0), ("CAN", 16.0))
    ]
    mines = [m | fact | grade | {"product": ORE} for m in mines]
    meta = {"commodity": "x", "chain": "x", "unit": "kg", "basis": "gross", "period": "year"}
    return SupplyGraph.from_tables(
        products=pd.DataFrame(
            [
                {"product": P, "name": "X", "stage": "refine", "price": 4.0, "price_grade": "assumption"} | meta,
                {"product": ORE, "name": "Ore", "stage": "mine"} | meta,
            ]
        ),
        nodes=pd.DataFrame([*(n | fact for n in nodes), *mines]),
        links=pd.DataFrame(
            [
                {"supplier": f"{P}@{c}", "buyer": f"{P}@USA:demand", "method": "observed", "quantity": q}
                | {"grade": "assumption"}
                | fact
                for c, q in flows
            ]
        ),
        holdings=pd.DataFrame(
            [
                {"asset": f"{P}@AUS", "part": "", "portion": 1.0, "holder": "Firm", "holder_country": "CHN"}
                | {"type": "equity", "share": 0.25, "grade": "assumption"}
            ]
        ),
        recipes=pd.DataFrame(
            [
                {"product": P, "input": ORE, "process": "side stream", "host": True}
                | {"input_class": "essential", "coefficient": 8.0, "grade": "assumption"}
            ]
        ),
        projects=pd.DataFrame(
            [
                {"project": "New", "name": "New", "product": P, "country": "CAN", "status": "planned", "start": 2028}
                | {"capacity": 5.0, "capex": 100.0, "grade": "assumption"}
            ]
        ),
    )


def constrained(*specs: object) -> Portfolio:
    return sp.optimize(tiny(), "USA", product=P, constraints=specs)


def risky(term: object, *levers: object) -> Portfolio:
    from supplyrisk.shocks import export_ban

    bans = {"calm": (0.75, []), "ban": (0.25, [export_ban("CHN", product=P, to=["USA"])])}
    return sp.optimize(
        tiny(), "USA", product=P, levers=[sp.resource(), *levers], scenarios=bans, objective=sp.cost() + term
    )


CASES: dict[str, dict[str, Callable[[], Portfolio]]] = {
    "constraint": {
        "max_share": lambda: constrained(sp.max_share("CHN", 0.5), sp.max_share("CHN", 0.6, view="equity")),
        "max_supplier_share": lambda: constrained(sp.max_supplier_share(0.6)),
        "min_suppliers": lambda: constrained(sp.min_suppliers(2, 0.1)),
        "budget": lambda: constrained(sp.budget(150.0), sp.budget(30.0, of="extra")),
        "max_hhi": lambda: constrained(sp.max_hhi(0.5)),
        "n_minus_1": lambda: constrained(sp.n_minus_1(0.4), sp.n_minus_1(0.5, of="supply")),
        "no_decoupling": lambda: constrained(sp.max_share("CHN", 0.6), sp.no_decoupling("CHN", 0.5)),
        "governance_floor": lambda: constrained(sp.governance_floor({"CHN": 40.0, "AUS": 80.0, "CAN": 85.0}, 60.0)),
        "byproduct_ceiling": lambda: constrained(sp.byproduct_ceiling(1.0)),
        "lead_time": lambda: constrained(sp.lead_time(2027), sp.max_share("CHN", 0.6)),
        "focal_free": lambda: constrained(sp.focal_free("CHN", 0.4), sp.focal_free("CHN", 0.3, view="control")),
        "ramp_up": lambda: sp.optimize(
            tiny(), "USA", product=P, constraints=[sp.ramp_up((0.5, 1.0)), sp.max_share("CHN", 0.6)], horizon=2028
        ),
        "equal_burden": lambda: constrained(sp.equal_burden(1.0), sp.equal_burden(2.0, {"USA": 50.0})),
        "min_stock_days": lambda: sp.optimize(
            tiny(), "USA", product=P, levers=[sp.resource(), sp.stockpile(90.0)], constraints=sp.min_stock_days(73.0)
        ),
    },
    "lever": {
        "resource": lambda: sp.optimize(tiny(), "USA", product=P, levers=sp.resource()),
        "build": lambda: sp.optimize(tiny(), "USA", product=P, levers=sp.build()),
        "stockpile": lambda: risky(sp.cvar(0.8), sp.stockpile(73.0)),
        "recycle": lambda: sp.optimize(tiny(), "USA", product=P, levers=sp.recycle(0.2)),
        "substitute": lambda: sp.optimize(tiny(), "USA", product=P, levers=sp.substitute(0.2, loss=0.2)),
        "contract": lambda: sp.optimize(tiny(), "USA", product=P, levers=[sp.resource(), sp.contract(0.1)]),
        "qualify": lambda: sp.optimize(tiny(), "USA", product=P, levers=[sp.resource(), sp.qualify(10.0)]),
        "unmet": lambda: sp.optimize(tiny(), "USA", product=P, levers=sp.unmet(9.0)),
        "reroute": lambda: risky(sp.cvar(0.8), sp.reroute(0.1), sp.build()),
        "expand": lambda: sp.optimize(tiny(), "USA", product=P, levers=[sp.build(), sp.expand("New", 2.0, 30.0, 1.0)]),
    },
    "objective": {
        "cost": lambda: sp.optimize(tiny(), "USA", product=P),
        "expected_loss": lambda: risky(sp.expected_loss()),
        "expected_unmet": lambda: risky(100.0 * sp.expected_unmet()),
        "cvar": lambda: risky(sp.cvar(0.8)),
        "attribute": lambda: sp.optimize(
            tiny(), "USA", product=P, objective=sp.cost() + 0.5 * sp.attribute({"CHN": 8.0, "AUS": 2.0, "New": 1.0})
        ),
        "time_to_independence": lambda: sp.optimize(
            tiny(), "USA", product=P, objective=sp.cost() + 9.0 * sp.time_to_independence(0.5, view="location")
        ),
        "worst_loss": lambda: risky(sp.worst_loss()),
        "worst_unmet": lambda: risky(100.0 * sp.worst_unmet()),
        "share": lambda: sp.optimize(tiny(), "USA", product=P, objective=sp.cost() + 20.0 * sp.share("CHN")),
        "shortfall": lambda: sp.optimize(
            tiny(), "USA", product=P, levers=sp.unmet(9.0), objective=sp.cost() + 20.0 * sp.shortfall()
        ),
        "concentration": lambda: sp.optimize(tiny(), "USA", product=P, objective=sp.cost() + 20.0 * sp.concentration()),
    },
}


@pytest.mark.parametrize("kind", sorted(CASES))
def test_every_registered_word_has_a_golden_file(kind: str) -> None:
    # Terms registered elsewhere (a report may bring its own) are not of this room.
    ours = {e.name for e in registries[kind] if e.function.__module__.startswith("supplyrisk.portfolio.")}
    assert ours == set(CASES[kind])
    assert {f"{kind}-{name}.lp" for name in ours} <= {f.name for f in FOLDER.glob("*.lp")}


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in sorted(CASES) for n in sorted(CASES[k])])
def test_golden_lp(kind: str, name: str, tmp_path: Path) -> None:
    written = tmp_path / "plan.lp"
    CASES[kind][name]().model.write(str(written), io_options={"symbolic_solver_labels": True})
    text = written.read_text(encoding="utf-8")
    golden = FOLDER / f"{kind}-{name}.lp"
    if os.environ.get("SUPPLYRISK_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["constraint", "objective", "lever"])
def test_docstring_holds_the_maths(kind: str) -> None:
    for entry in registries[kind]:
        if entry.function.__module__.startswith("supplyrisk.portfolio.") and entry.name != "unmet":
            assert ".. math::" in (entry.function.__doc__ or ""), entry.name

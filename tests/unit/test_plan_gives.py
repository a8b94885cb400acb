"""What an infeasible plan says a constraint must give is enough, to the digit that is printed, and hardly more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_plan_marginal import BUYERS, NEED, P, three
from test_portfolio import node, product

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import optimize
from supplyrisk.portfolio.amounts import above, below
from supplyrisk.registry import Spec, registries

NUMBER = r"(-?[\d,]+(?:\.\d+)?)"
STANDARD = {"CHN": 40.0, "AUS": 90.0, "CAN": 92.0, "MYS": 60.0}
SHARE, LEAST = rf"allow at least {NUMBER}%", rf"content with {NUMBER}%"
PART = 0.01
# Constraint by its parameter, where nothing is feasible, how the give is printed, its unit, a hair in the tight direction,
# and constraints beside it.
Case = tuple[Callable[[float], Spec], float, str, float, float, tuple[Spec, ...]]
CASES: dict[str, Case] = {
    "max_share": (lambda t: sp.max_share("CHN", t), 0.05, SHARE, PART, -2e-4, ()),
    "max_share, control": (lambda t: sp.max_share("CHN", t, view="control"), 0.05, SHARE, PART, -2e-4, ()),
    "max_share, equity at worst": (
        lambda t: sp.max_share("CHN", t, view="equity", worst=True), 0.05, SHARE, PART, -2e-4, (),
    ),
    "max_share, each": (lambda t: sp.max_share("CHN", t, buyer="each"), 0.03, SHARE, PART, -2e-4, ()),
    "max_share, mass balance": (
        lambda t: sp.max_share("CHN", t, view="origin", mixing="mass_balance"), 0.05, rf"content with {NUMBER}%", -PART, -2e-4, (),
    ),
    "max_supplier_share": (lambda t: sp.max_supplier_share(t), 0.2, rf"at least {NUMBER}%", PART, -2e-4, ()),
    "max_hhi": (lambda t: sp.max_hhi(t), 0.2, rf"allow about {NUMBER}", 1.0, -3e-4, ()),
    "min_suppliers": (lambda t: sp.min_suppliers(int(t), 0.05), 8.0, rf"at most {NUMBER}", 1.0, 1.0, ()),
    "n_minus_1": (lambda t: sp.n_minus_1(t), 0.99, LEAST, PART, 2e-4, ()),
    "n_minus_1, supply": (lambda t: sp.n_minus_1(t, of="supply"), 0.99, LEAST, PART, 2e-4, ()),
    "no_decoupling": (lambda t: sp.no_decoupling("CHN", t), 0.9, LEAST, PART, 2e-4, (sp.max_share("CHN", 0.6347),)),
    "governance_floor": (lambda t: sp.governance_floor(STANDARD, t), 91.0, rf"content with {NUMBER} in", 1.0, 1e-3, ()),
    "governance ceiling": (
        lambda t: sp.governance_floor(STANDARD, t, least=False), 31.0, rf"content with {NUMBER} in", 1.0, -1e-3, (),
    ),
    "focal_free": (lambda t: sp.focal_free("CHN", t), 0.97, LEAST, PART, 2e-4, ()),
    "min_stock_days": (lambda t: sp.min_stock_days(t), 500.0, rf"content with {NUMBER} days", 1.0, 1e-2, ()),
    "min_stock_days, group": (
        lambda t: sp.min_stock_days(t, buyer=None), 500.0, rf"content with {NUMBER} days", 1.0, 1e-2, (),
    ),
    "budget": (lambda t: sp.budget(t), 100.0, rf"at least {NUMBER} USD", 1.0, -1.0, (sp.max_share("CHN", 0.22),)),
    "budget, extra": (
        lambda t: sp.budget(t, of="extra"), 1.0, rf"at least {NUMBER} USD", 1.0, -0.05, (sp.max_share("CHN", 0.43),),
    ),
    "budget, cost": (lambda t: sp.budget(t, of="cost"), 1.0, rf"at least {NUMBER} USD", 1.0, -1.5, ()),
    "equal_burden": (
        lambda t: sp.equal_burden(1.0, dict.fromkeys(BUYERS, t)), 0.5, rf"pay {NUMBER} USD[^.]*? more", np.nan, -0.05,
        (sp.max_share("CHN", 0.43),),
    ),
}  # fmt: skip
ASIDE = {"byproduct_ceiling", "lead_time", "ramp_up"}  # no parameter to move: hosts, and plants that are waited for


def levers(limits: Any) -> list[Spec]:
    # Stocks can stand in for whole countries.
    return [sp.resource(revealed=False), sp.build()] + (
        [] if any("supply" in repr(c) for c in limits if c.name == "n_minus_1") else [sp.stockpile(123.6)]
    )


def graphs(seed: int) -> SupplyGraph:
    rng = np.random.default_rng(seed)
    need = {c: round(float(q * rng.uniform(0.95, 1.1)), 3) for c, q in NEED.items()}
    return three(need, {"MYS": float(rng.uniform(50.0, 60.0)), "AUS": float(rng.uniform(90.0, 100.0))}, projects=True)


def refused(graph: SupplyGraph, limits: Any) -> str | None:
    try:
        optimize(graph, BUYERS, product=P, levers=levers(limits), constraints=limits)
    except InfeasibleError as err:
        return str(err)
    return None


def test_every_constraint_of_the_registry_is_asked() -> None:
    ours = {e.name for e in registries["constraint"] if e.function.__module__.startswith("supplyrisk.portfolio.")}
    assert {case[0](0.5).name for case in CASES.values()} | ASIDE == ours


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.deep)])
@pytest.mark.parametrize("name", sorted(CASES))
def test_at_the_printed_give_the_plan_is_feasible(name: str, seed: int) -> None:
    make, at, how, unit, hair, beside = CASES[name]
    graph = graphs(seed)
    said = refused(graph, [make(at), *beside])
    assert said is not None, "feasible as it is"
    lines = [x for x in said.split("feasible if:")[1].splitlines() if make(at).name in x]
    told = [float(x.replace(",", "")) for line in lines for x in re.findall(how, line)]
    assert told, said
    if name == "equal_burden":
        enough = at + max(told)
    elif name == "max_share, mass balance":
        enough = 1.0 - min(told) * PART
    else:
        enough = (max if hair < 0 else min)(told) * unit
    assert refused(graph, [make(enough), *beside]) is None, (enough, said)
    if enough + hair > 0:
        assert refused(graph, [make(enough + hair), *beside]) is not None, (enough, said)


def test_hosts_that_carry_what_is_printed_are_enough() -> None:
    host = "h.refined"
    base = three({"USA": 100.0})

    def ask(more: float) -> str | None:
        recipe = {"product": P, "input": host, "process": "side stream", "host": True, "input_class": "essential"}
        today = {"AUS": 60.0, "CAN": 40.0, "MYS": 30.0}  # what exists is carried
        hosts = [node(f"{host}@{c}", output=3.0 * (q + more)) for c, q in today.items()]
        graph = SupplyGraph.from_tables(
            products=pd.DataFrame([product(P, unit="t", price=4.0), product(host, unit="t", price=1.0)]),
            nodes=pd.concat([base.nodes, pd.DataFrame(hosts)], ignore_index=True),
            links=base.links,
            demand=base.tables["demand"],
            recipes=pd.DataFrame([recipe | {"coefficient": 3.0, "grade": "assumption"}]),
        )
        return refused(graph, [sp.byproduct_ceiling(), sp.max_share("CHN", 0.57)])

    said = ask(0.0)
    assert said is not None
    more = [float(x) for x in re.findall(rf"hosts in \w+ would have to carry {NUMBER} t more", said)]
    assert len(more) == 3
    assert ask(max(more)) is None
    assert ask(max(more) - 1e-3) is not None


def test_numbers_are_cut_in_the_safe_direction() -> None:
    rng = np.random.default_rng(0)
    for x in np.concatenate([rng.uniform(-2.0, 2.0, 200) * 10.0 ** rng.integers(-6, 9, 200), [0.0, 60.0, 1e6]]):
        up, low = (float(f(float(x), 4).replace(",", "")) for f in (above, below))
        assert low <= x * (1.0 + 1e-9 * np.sign(x)) + 1e-300
        assert up >= x * (1.0 - 1e-9 * np.sign(x)) - 1e-300
        assert up - low <= 1.1e-3 * abs(x) + 1e-300

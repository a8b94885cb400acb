"""By how much a constraint must give: what is told is enough, and a thousandth less is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.portfolio import optimize, resource
from supplyrisk.registry import Spec

HELD = [
    {"asset": f"{P}@{c}", "part": "", "portion": 1.0, "holder": "Firm", "holder_country": "CHN"}
    | {"type": "equity", "share": s, "grade": "assumption"}
    for c, s in (("CAN", 0.3), ("KOR", 0.6), ("JPN", 0.2), ("CHN", 1.0))
]
GRAPH = hand(holdings=pd.DataFrame(HELD))
# Ways to get less than all that is needed, each limited, so that a cap can still be out of reach.
LEVERS: dict[str, list[Spec]] = {
    "all met": [resource()],
    "substitutes": [resource(), sp.substitute(0.25)],
    "unmet, dear": [resource(), sp.unmet(5000.0)],
}
PURSE = 200_000.0


def told(levers: list[Spec], specs: list[Spec], pattern: str) -> float | None:
    """What the error says a constraint would have to be; None where there is a plan."""
    try:
        optimize(GRAPH, BUYERS, product=P, levers=levers, constraints=specs)
    except InfeasibleError as err:
        ways = str(err).partition("it becomes feasible if:")[2]
    else:
        return None
    found = [float(x.replace(",", "")) for x in re.findall(pattern, ways)]
    assert found, ways
    return max(found) if "at least" in pattern or "about" in pattern else min(found)


def holds(levers: list[Spec], specs: list[Spec]) -> bool:
    try:
        optimize(GRAPH, BUYERS, product=P, levers=levers, constraints=specs)
    except InfeasibleError:
        return False
    return True


PERCENT = r"at least ([\d.]+)%"
CONTENT = r"content with ([\d.]+)%"
Maker = Callable[[float], Spec]
CASES: dict[str, tuple[Maker, float, str, float, float]] = {
    **{
        view: (lambda t, view=view: sp.max_share("CHN", t, view=view), 0.02, PERCENT, 0.01, 1.0)
        for view in ("location", "equity", "control", "origin")
    },
    "robust": (lambda t: sp.max_share("CHN", t, view="equity", gamma=1.5), 0.02, PERCENT, 0.01, 1.0),
    "worst": (lambda t: sp.max_share("CHN", t, view="control", worst=True), 0.02, PERCENT, 0.01, 1.0),
    "each": (lambda t: sp.max_share("CHN", t, buyer="each"), 0.02, PERCENT, 0.01, 1.0),
    "mass balance": (
        lambda t: sp.max_share("CHN", t, view="origin", mixing="mass_balance"), 0.02, CONTENT, 0.01, -1.0,
    ),
    "supplier": (lambda t: sp.max_supplier_share(t), 0.2, r"at least ([\d.]+)%", 0.01, 1.0),
    "hhi": (lambda t: sp.max_hhi(t), 0.2, r"about ([\d.]+)", 1.0, 1.0),
    "n_minus_1": (lambda t: sp.n_minus_1(t), 0.9, CONTENT, 0.01, -1.0),
    "no_decoupling": (lambda t: sp.no_decoupling("CAN", t), 0.9, CONTENT, 0.01, -1.0),
    "free": (lambda t: sp.focal_free("CHN", t), 0.9, CONTENT, 0.01, -1.0),
    "governance": (
        lambda t: sp.governance_floor({"CHN": 1.0, "JPN": 8.0, "KOR": 7.0, "CAN": 9.0}, t),
        8.5, r"content with ([\d.]+)", 1.0, -1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("levers", LEVERS)
@pytest.mark.parametrize("name", CASES)
def test_what_is_told_is_enough_and_a_thousandth_less_is_not(name: str, levers: str) -> None:
    make, ask, pattern, unit, sign = CASES[name]
    more: list[Spec] = [sp.budget(PURSE, of="cost")] if levers == "unmet, dear" else []
    given = LEVERS[levers]
    amount = told(given, [make(ask), *more], rf"{make(ask).name}\([^\n]*?{pattern}")
    assert amount is not None, "nothing clashes: the case tries nothing"
    amount *= unit
    if name == "mass balance":  # it is told as what arrives free
        amount, sign = 1.0 - amount, 1.0
    assert holds(given, [make(amount), *more])
    least = 1e-3 * (10.0 if name == "governance" else 1.0)
    assert not holds(given, [make(amount - sign * least), *more])


def test_a_budget_is_told_to_the_dollar() -> None:
    for of in ("cost", "extra", "capex"):
        levers = [resource(), sp.build()] if of == "capex" else LEVERS["substitutes"]
        cap = sp.max_share("CHN", 0.45 if of != "capex" else 0.3)
        amount = told(levers, [cap, sp.budget(1000.0, of=of)], r"budget\([^\n]*?at least ([\d,.]+) USD of 2024")
        assert amount is not None
        assert holds(levers, [cap, sp.budget(amount, of=of)])
        assert not holds(levers, [cap, sp.budget(amount * 0.999, of=of)])


@pytest.mark.parametrize("levers", ["all met", "substitutes"])
def test_a_number_of_suppliers(levers: str) -> None:
    given = LEVERS[levers]
    pattern = r"at most (\d+)"
    n = told(given, [sp.min_suppliers(6, 0.1)], pattern)
    assert n is not None
    assert holds(given, [sp.min_suppliers(int(n), 0.1)])
    assert not holds(given, [sp.min_suppliers(int(n) + 1, 0.1)])


def test_over_several_years() -> None:
    ask: dict[str, Any] = {"product": P, "levers": LEVERS["substitutes"], "horizon": (2026, 2028)}
    ask["needs"] = {P: {2026: 1.0, 2028: 1.3}}

    def run(cap: float) -> str:
        try:
            optimize(GRAPH, BUYERS, constraints=sp.max_share("CHN", cap), **ask)
        except InfeasibleError as err:
            return str(err).partition("it becomes feasible if:")[2]
        return ""

    to = max(float(x) for x in re.findall(PERCENT, run(0.1))) / 100
    assert run(to) == ""
    assert run(to - 1e-3)

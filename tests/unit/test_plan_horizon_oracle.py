"""A plan over three years with stocks, plants and a ban, written a second time for scipy from its printed tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from test_plan_oracle import random_graph
from test_portfolio import P

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.portfolio import HorizonPlan, optimize, resource
from supplyrisk.shocks import export_ban

BUYERS = ("JPN", "USA")
YEARS = (2026, 2027, 2028)


class Rows:
    """Rows of a linear model by the names of its columns."""

    def __init__(self) -> None:
        self.at: dict[Any, int] = {}
        self.cost: list[float] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.whole: list[int] = []
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def col(self, key: Any, cost: float = 0.0, low: float = 0.0, high: float = np.inf, whole: bool = False) -> None:
        self.at[key] = len(self.cost)
        self.cost.append(cost)
        self.low.append(low)
        self.high.append(high)
        self.whole.append(int(whole))

    def row(self, terms: list[tuple[Any, float]], low: float, high: float) -> None:
        out: dict[int, float] = {}
        for key, value in terms:
            out[self.at[key]] = out.get(self.at[key], 0.0) + value
        self.rows.append((out, low, high))

    def solve(self) -> float:
        a = sparse.lil_array((len(self.rows), len(self.cost)))
        for i, (terms, _, _) in enumerate(self.rows):
            for j, v in terms.items():
                a[i, j] = v
        found = milp(
            np.array(self.cost),
            constraints=LinearConstraint(
                sparse.csr_array(a), np.array([r[1] for r in self.rows]), np.array([r[2] for r in self.rows])
            ),
            integrality=np.array(self.whole),
            bounds=Bounds(np.array(self.low), np.array(self.high)),
            options={"mip_rel_gap": 1e-9},
        )
        assert found.status == 0, found.message
        return float(found.fun)


def second(plan: HorizonPlan, price: float, p: float, alpha: float, rate: float, lost: float, days: float) -> float:
    """The least objective, from the tables of the plan's first year; the ban takes all of 2027 and half of 2028."""
    first = plan.year(2026)
    offers, needs, supply, plants = first.offers, first.needs, first.availability, first.projects
    f = [(1.0 + rate) ** -i for i in range(len(YEARS))]
    m = Rows()
    names = list(offers.index)
    pools = list(zip(needs["product"], needs["buyer"], needs["need"], needs["beyond_today"], strict=True))
    need = {(a, b): q for a, b, q, _ in pools}
    cut = {
        i: 1.0 if offers.at[i, "country"] == "CHN" and offers.at[i, "buyer"] != "CHN" else 0.0 for i in names
    }  # the ban is on both buyers
    part = {2026: 0.0, 2027: 1.0, 2028: 182 / 366}
    lead = {
        j: max(int(np.nan_to_num(s, nan=2026.0)) - 2026, 0)
        for j, s in zip(plants["project"], plants["start"], strict=True)
    }
    annuity = dict(zip(plants["project"], plants["annuity"], strict=True))
    usable = dict(zip(plants["project"], plants["usable"], strict=True))
    cheapest = {k: offers[(offers["product"] == k[0]) & (offers["buyer"] == k[1])]["unit_cost"].min() for k in need}
    for t, y in enumerate(YEARS):
        for i in names:
            m.col(("x", y, i), f[t] * offers.at[i, "yearly_cost"], 0.0, offers.at[i, "upper"])
        for j in lead:
            fits = t + lead[j] < len(YEARS)
            paid = sum(f[u] for u in range(t + lead[j], len(YEARS))) * annuity[j]
            m.col(("y", y, j), paid, 0.0, float(fits), whole=True)
        for k, q in need.items():
            worth = -cheapest[k] * (1.0 + rate) ** -len(YEARS) if y == YEARS[-1] else 0.0
            m.col(("S", y, k), f[t] * 0.02 * price + worth, 0.0, q * days / 365.0)
            for name in ("out", "in"):
                m.col((name, y, k))
            for name in ("r", "g", "H", "w"):
                m.col((name, y, k), 0.0, 0.0, q if name == "w" else np.inf)
    m.col("eta", 1.0, -np.inf)
    m.col("over calm", (1.0 - p) / (1.0 - alpha))
    m.col("over ban", p / (1.0 - alpha))
    for t, y in enumerate(YEARS):
        for k in need:
            mine = [i for i in names if (offers.at[i, "product"], offers.at[i, "buyer"]) == k]
            m.row([*((("x", y, i), 1.0) for i in mine), (("out", y, k), 1.0), (("in", y, k), -1.0)], need[k], need[k])
            before = [(("S", YEARS[t - 1], k), -(1.0 - lost))] if t else []
            m.row([(("S", y, k), 1.0), *before, (("out", y, k), 1.0), (("in", y, k), -1.0)], 0.0, 0.0)
            grown = next(b for a, c, _, b in pools if (a, c) == k)
            m.row([(("x", y, i), 1.0) for i in mine if offers.at[i, "lever"] == "grow"], -np.inf, grown)
            if y == 2026:
                continue
            left = [(("x", y, i), 1.0 - cut[i] * part[y]) for i in mine]
            m.row([*left, (("r", y, k), 1.0), (("g", y, k), -1.0), (("w", y, k), 1.0)], need[k], np.inf)
            held = ("S", 2026, k) if y == 2027 else ("H", 2027, k)
            m.row([(("H", y, k), 1.0), (held, -(1.0 - lost)), (("r", y, k), 1.0), (("g", y, k), -1.0)], 0.0, 0.0)
            m.row([(("H", y, k), 1.0)], 0.0, need[k] * days / 365.0)
        for u, most in zip(supply["supplier"], supply["available"], strict=True):
            out = [i for i in names if offers.at[i, "supplier"] == u and not isinstance(offers.at[i, "project"], str)]
            m.row([(("x", y, i), 1.0) for i in out], -np.inf, most)
        for j in lead:
            made = [i for i in names if offers.at[i, "project"] == j]
            built = [(("y", s, j), -usable[j]) for u, s in enumerate(YEARS) if u + lead[j] <= t]
            m.row([*((("x", y, i), 1.0) for i in made), *built], -np.inf, 0.0)
    for j in lead:
        m.row([(("y", y, j), 1.0) for y in YEARS], 0.0, 1.0)
    loss = [(("w", y, k), f[t] * 10.0 * price) for t, y in enumerate(YEARS) for k in need if y > 2026]
    m.row([*loss, ("eta", -1.0), ("over ban", -1.0)], -np.inf, 0.0)
    m.row([("eta", -1.0), ("over calm", -1.0)], -np.inf, 0.0)
    return m.solve()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("p", "alpha", "lost"), [(0.3, 0.0, 0.0), (0.3, 0.5, 0.1), (0.05, 0.9, 0.3)])
def test_three_years_two_scenarios_stock_and_ban(seed: int, p: float, alpha: float, lost: float) -> None:
    graph = random_graph(seed, products=(P,))
    ban = export_ban("CHN", product=P, to=list(BUYERS), start="2027-01-01", end="2028-06-30")
    price, days, rate = 500.0, 90.0, 0.06
    try:
        plan = optimize(
            graph,
            BUYERS,
            product=P,
            levers=[resource(redirect=0.3), sp.build(), sp.stockpile(days, rotation=lost)],
            scenarios={"calm": (1.0 - p, []), "ban": (p, [ban])},
            objective=sp.cost() + sp.cvar(alpha),
            horizon=(YEARS[0], YEARS[-1]),
            discount=rate,
        )
    except InfeasibleError:
        pytest.skip("no plan for this draw")
    assert isinstance(plan, HorizonPlan)
    price = float(graph.tables["products"].set_index("product")["price"][P])
    assert second(plan, price, p, alpha, rate, lost, days) == pytest.approx(plan.objective_value, rel=1e-6)

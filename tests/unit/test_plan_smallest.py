"""What is small beside the rest of a plan is told, priced and refused in its own size."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import link, node, product

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import optimize, resource

FREE = resource(redirect=0.1, switching=0.0, revealed=False)
ALL = resource(redirect=0.5, switching=0.0, revealed=False)
STANDARD = {"CHN": 0.0, "AUS": 1.0, "CAN": 1.0}
TWO = ("gallium.refined", "germanium.refined")


def world(
    sizes: dict[str, float], price: float = 30.0, out: float = 4.0, buyers: tuple[str, ...] = ("JPN", "DEU")
) -> SupplyGraph:
    """Products of one shape in different sizes: mostly from China, with two dearer partners."""
    rng = np.random.default_rng(1)
    cost = {"CHN": 0.5, "AUS": 0.9, "CAN": 1.2}
    first = {(b, c): float(rng.uniform(0.1, 0.3)) if c != "CHN" else 1.0 for b in buyers for c in cost}
    nodes: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    for p, s in sizes.items():
        nodes += [node(f"{p}@{c}", output=s * out, capacity=s * out, unit_cost=u * price) for c, u in cost.items()]
        nodes += [node(f"{p}@{b}:demand", "demand") for b in buyers]
        links += [link(c, f"{b}:demand", s * q, p) for (b, c), q in first.items()]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product(p, price=price) for p in sizes]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(links),
    )


@pytest.mark.parametrize("size", [1e-3, 1e-1, 1.0, 1e5])
def test_the_give_of_a_mean_is_the_same_in_every_unit(size: float) -> None:
    """A floor of a mean has no bound of its own: it gives in the row's size."""

    def told(s: float) -> float | None:
        try:
            optimize(world({TWO[0]: s}), ["JPN", "DEU"], levers=FREE, constraints=limit)
        except InfeasibleError as err:
            return float(re.findall(r"content with ([\d.]+) in", str(err))[0])
        return None

    limit = sp.governance_floor(STANDARD, 0.97, buyer="each")
    here = told(size)
    assert here is not None
    assert here == pytest.approx(told(10.0), abs=1e-5)
    limit = sp.governance_floor(STANDARD, here, buyer="each")
    assert told(size) is None
    limit = sp.governance_floor(STANDARD, here + 1e-4, buyer="each")
    assert told(size) is not None


def test_caps_of_a_small_pool_keep_their_price_beside_a_large_one() -> None:
    def priced(sizes: dict[str, float]) -> pd.Series:
        plan = optimize(
            world(sizes, 500.0), ["JPN", "DEU"], levers=ALL, constraints=sp.max_share("CHN", 0.4, buyer="each")
        )
        d = plan.duals[plan.duals["meaning"].str.contains("point less") & plan.duals["row"].str.contains(TWO[0])]
        return d.set_index("row")["dual"].sort_index()

    alone, beside = priced({TWO[0]: 1.0}), priced({TWO[0]: 1.0, TWO[1]: 1e9})
    assert len(alone) == 2
    pd.testing.assert_series_equal(alone, beside, rtol=1e-6)

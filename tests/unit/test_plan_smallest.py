"""What is small beside the rest of a plan is told, priced and refused in its own size."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import link, node, product, project

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, SolverError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import optimize, resource
from supplyrisk.portfolio.matrix import Matrix
from supplyrisk.portfolio.unseen import say_unseen
from supplyrisk.registry import constraint, registries

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


@pytest.mark.parametrize("size", [1.1e-3, 1.3e-3, 0.14, 1.7e5])
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


@pytest.fixture
def min_from() -> Any:
    """The constraint of the notebook on constraints of one's own; ``odd`` is added to its coefficients."""

    @constraint(reference="linear; a test")
    def min_from(m: Any, partners: tuple[str, ...], part: float = 0.3, odd: float = 0.0) -> None:
        """At least a part of the need comes from partners."""
        for p, _, _, pools in m.pick(None, None):
            lanes, need = m.lanes_of(pools), float(m.case.need[pools].sum())
            lanes = lanes[np.isin(m.country[m.supplier[lanes]], partners)]
            m.add_rows(
                "min_from", 1, 0 * lanes, lanes, 1.0 + odd, lower=part * need, scale=need, keys=lambda p=p: [p],
                say=lambda i, p=p, spec=m.spec: f"{spec!r}: of {p}",
            )  # fmt: skip

    yield min_from
    registries["constraint"].remove("min_from")


def without_need() -> SupplyGraph:
    g = world(dict.fromkeys(TWO, 1.0))
    links = g.tables["links"].copy()
    links.loc[links["product"] == TWO[1], "quantity"] = 0.0
    return SupplyGraph.from_tables({**{k: g.tables[k] for k in ("products", "nodes")}, "links": links})


def test_a_row_of_a_product_without_need_is_met_by_nothing(min_from: Any) -> None:
    plan = optimize(without_need(), ["JPN", "DEU"], levers=ALL, constraints=min_from(("AUS", "CAN"), 0.5))
    got = plan.decisions.groupby("country")["quantity"].sum()
    assert got.drop("CHN").sum() == pytest.approx(0.5 * got.sum())


def test_a_row_without_terms_is_dropped_or_named(min_from: Any) -> None:
    assert optimize(without_need(), ["JPN", "DEU"], levers=ALL, constraints=min_from(("ZAF",), 0.0)).status == "optimal"
    with pytest.raises(InfeasibleError, match=r"min_from\(\('ZAF',\), 0.5\): of gallium"):
        optimize(without_need(), ["JPN", "DEU"], levers=ALL, constraints=min_from(("ZAF",), 0.5))


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30])
def test_a_row_that_no_solver_takes_is_named(min_from: Any, odd: float) -> None:
    with pytest.raises(SolverError, match=r"not a number.*min_from\(\('AUS',\), 0.5, .*\) at gallium\.refined"):
        optimize(world({TWO[0]: 1.0}), ["JPN", "DEU"], levers=ALL, constraints=min_from(("AUS",), 0.5, odd))


@pytest.mark.parametrize("scale", [0.0, np.nan, -1.0, np.inf])
def test_a_row_without_a_size_has_that_of_its_terms(scale: float) -> None:
    m = Matrix()
    x = m.add_columns("x", 2, scale=[4.0, 10.0])
    rows = m.add_rows("r", 3, [0, 0, 1], [0, 1, 0], [2.0, 0.5, 0.0], lower=[1.0, -7.0, 0.0], scale=scale)
    assert rows.scale.tolist() == [8.0, 7.0, 1.0]
    assert m.add_rows("s", 1, [0], x.at[:1], [1.0], scale=3.0).scale.tolist() == [3.0]


THREE = ("gallium.refined", "nickel.refined", "copper.refined")


def test_a_small_product_in_the_minority_is_refused_by_name() -> None:
    g = world(dict(zip(THREE, (1e-3, 1e9, 1e9), strict=True)))
    limit = sp.max_share("CHN", 0.4, buyer="each")
    with pytest.raises(SchemaError, match=r"gallium.refined@JPN:demand.*by itself") as err:
        optimize(g, ["JPN", "DEU"], levers=ALL, constraints=limit)
    assert len(err.value.problems) == 2
    assert optimize(g, ["JPN", "DEU"], product=THREE[0], levers=ALL, constraints=limit).status == "optimal"


@pytest.mark.parametrize("ratio", [1e6, 2e10])
def test_a_small_product_that_is_not_refused_costs_what_it_costs_alone(ratio: float) -> None:
    g = world(dict(zip(THREE, (1.0, ratio, ratio), strict=True)))
    limit = sp.max_share("CHN", 0.4, buyer="each")
    plan = optimize(g, ["JPN", "DEU"], levers=ALL, constraints=limit)
    alone = optimize(g, ["JPN", "DEU"], product=THREE[0], levers=ALL, constraints=limit)
    paid = plan.decisions.groupby("product")["cost"].sum()
    assert paid[THREE[0]] == pytest.approx(alone.objective_value, rel=1e-6)
    assert not [x for x in plan.notes if "by itself" in x]


@pytest.mark.parametrize(
    ("ratio", "named"), [(5e10, "the plan's needs.quantity"), (1e13, "gallium.refined@JPN:demand")]
)
def test_needs_are_named_beside_plants_too(ratio: float, named: str) -> None:
    sizes = dict(zip(THREE, (1.0, 1.0, ratio), strict=True))
    plants = [project(f"{p}-0", "AUS", s, 300.0 * s) | {"product": p} for p, s in sizes.items()]
    tables = {k: world(sizes).tables[k] for k in ("products", "nodes", "links")}
    g = SupplyGraph.from_tables({**tables, "projects": pd.DataFrame(plants)})
    for levers in ([ALL], [ALL, sp.build()]):
        with pytest.raises(SchemaError, match=re.escape(named)) as err:
            optimize(g, ["JPN", "DEU"], levers=levers)
        assert "unmet" not in str(err.value)


def test_forbidding_prices_and_gaps_that_hide_a_product_are_said() -> None:
    g = world(dict(zip(THREE, (1e-2, 1e6, 1e6), strict=True)))
    limit = sp.max_share("CHN", 0.4, buyer="each")
    plan = optimize(g, ["JPN", "DEU"], levers=[ALL, sp.unmet(3e5)], constraints=limit)
    assert [x for x in plan.notes if "gallium.refined@JPN:demand" in x and "Lower that price" in x]
    assert not [x for x in optimize(g, ["JPN", "DEU"], levers=ALL, constraints=limit).notes if "by itself" in x]
    s = replace(plan._solution, gap=1e-6)
    said = say_unseen(plan._build, plan._compiled, s)
    assert [x for x in said if "gap of 1.0e-06" in x and "what gallium.refined costs" in x]

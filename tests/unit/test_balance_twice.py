"""To balance twice is to balance once: stated bounds stay, what gave way is listed, estimates are dated by their inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_balance_bounds import GOODS, NAN, SOLD, P, graph, link
from test_balance_gaps import flow, traded

import supplyrisk as sr
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows, conflicts, moved
from supplyrisk.schema import TABLES


def same(one: SupplyGraph, two: SupplyGraph, loose: float = 1e-9) -> None:
    """Tables that balancing writes hold the same rows, texts and (to rounding) figures."""
    for name in ("links", "nodes", "demand", "gaps"):
        key = list(TABLES[name].key)
        a, b = (g.tables[name].sort_values(key).reset_index(drop=True) for g in (one, two))
        figures = [c for c in a.columns if a[c].dtype == np.float64]
        texts = a.columns.difference(figures)
        pd.testing.assert_frame_equal(a[texts], b[texts])
        pd.testing.assert_frame_equal(a[figures], b[figures], rtol=loose, atol=1e-12)


def blank(bounds: tuple[float, float], made: float = 30.0, used: float = 50.0) -> SupplyGraph:
    """One maker, one user, and one flow between them of which only bounds are stated; nobody else can be either."""
    g = graph({"CHN": made}, {"JPN": used}, [("CHN", "JPN:demand", NAN, NAN, "assumed")])
    links = g.table("links").assign(low=bounds[0], high=bounds[1])
    nodes = g.table("nodes").assign(
        output_low=made - 0.1, output_high=made + 0.1
    )  # sure enough for the bounds to give way
    nodes[["output_low", "output_high"]] = nodes[["output_low", "output_high"]].where(nodes["output"].notna())
    return g.replace("bounds", links=links, nodes=nodes)


@pytest.mark.parametrize("quantity", [0.5, NAN])
def test_stated_bounds_hold_in_the_second_pass_and_when_something_else_has_changed(quantity: float) -> None:
    g = traded((0.0, 1.0), quantity, missing="unknown" if np.isnan(quantity) else None)
    one = balance_flows(g)
    assert flow(one)["high"] <= 1.0 + 1e-9
    assert (flow(one)["stated_low"], flow(one)["stated_high"]) == (0.0, 1.0)
    two = balance_flows(one)
    same(one, two)
    links = two.table("links")
    other = (links["supplier"] == f"{P}@CHN") & (links["buyer"] == f"{P}@USA:demand")
    links.loc[other, ["quantity", "low", "high", "method", "note"]] = [4.0, NAN, NAN, "observed", None]
    three = balance_flows(two.replace("seen", links=links))
    assert link(three, "CHN", "USA:demand")["quantity"] == 4.0
    assert flow(three)["quantity"] <= flow(three)["high"] <= 1.0 + 1e-9
    assert three.balance(1e-6).empty


def test_a_flow_without_a_weight_is_bounded_by_its_value_in_every_pass() -> None:
    g = graph({"CHN": NAN}, {}, [*SOLD, ("CHN", "USA:demand", NAN, 2e5, "observed")])
    one = balance_flows(g)
    row = link(one, "CHN", "USA:demand")
    assert row["high"] == pytest.approx(200.0)  # 2e5 USD at a tenth of 1e4 USD a tonne
    same(one, balance_flows(one))


@pytest.mark.parametrize("mode", ["report", "relax"])
def test_the_atlas_balanced_twice_is_the_atlas_balanced_once(mode: Any) -> None:
    one = balance_flows(sr.load_atlas(), conflicts=mode)
    two = balance_flows(one, conflicts=mode)
    same(one, two, 1e-6)
    assert moved(one, two).empty


def fed(top: float) -> SupplyGraph:
    """A plant that makes 100 of y, a unit of x each, and draws it through a flow of which only an upper bound is stated."""
    g = graph({"CHN": 200.0}, {}, [("CHN", "JPN:demand", NAN, NAN, "assumed")])
    other = pd.DataFrame([{"product": "y.refined", "name": "Y"}]).assign(**GOODS.iloc[0].drop(["product", "name"]))
    plant = {"node": "y.refined@JPN", "product": "y.refined", "country": "JPN", "kind": "producer", "year": 2024}
    made = {"output": 100.0, "output_low": 99.9, "output_high": 100.1, "output_grade": "assumption"}
    into = {"supplier": f"{P}@JPN:demand", "buyer": "y.refined@JPN", "product": P, "year": 2024, "method": "assumed"}
    need = {"product": "y.refined", "input": P, "process": "all", "input_class": "essential", "coefficient": 1.0}
    return SupplyGraph.from_tables(
        products=pd.concat([GOODS, other], ignore_index=True),
        nodes=pd.concat([g.nodes, pd.DataFrame([{**plant, **made}])], ignore_index=True),
        links=pd.concat([g.links, pd.DataFrame([{**into, "high": top, "missing": "unknown"}])], ignore_index=True),
        recipes=pd.DataFrame([{**need, "grade": "assumption"}]),
    )


def test_the_upper_bound_of_a_flow_without_a_quantity_gives_way_when_told_to_and_is_listed() -> None:
    g = fed(60.0)
    told = conflicts(g)["rows"].iloc[0]
    assert "0 to 60 (assumed" in told
    assert "draw of x.refined by y.refined@JPN" in told
    done = balance_flows(g, conflicts="relax")
    into = done.links.set_index("buyer").loc["y.refined@JPN"]
    assert 95.0 < into["quantity"] < 100.0  # the bound is far less sure than the output of the plant
    assert "beyond the bounds stated of it, 0 to 60" in into["note"]
    assert into["stated_high"] == into["quantity"]
    m = moved(g, done).set_index("what")
    assert (m.loc["high", "before"], m.loc["high", "after"]) == (60.0, into["quantity"])
    assert m.loc["high", "row"] == f"{P}@JPN:demand | y.refined@JPN | {P} | 2024"
    assert m.loc["draw", "before"] == pytest.approx(100.0)
    assert m.loc["draw", "after"] == pytest.approx(into["quantity"])
    same(done, balance_flows(done, conflicts="relax"))
    assert moved(fed(120.0), balance_flows(fed(120.0), conflicts="relax")).empty


def test_bounds_of_blank_flows_that_clash_are_named_moved_and_listed_with_their_rows() -> None:
    g = blank((40.0, 45.0))  # 30 are made
    assert "40 to 45" in conflicts(g)["rows"].iloc[0]
    done = balance_flows(g, conflicts="relax")
    m = moved(g, done)
    assert {"links", "nodes"} >= set(m["table"])
    x = link(done, "CHN", "JPN:demand")["quantity"]
    # By hand: (x - 30) / 0.3^2 + (x - 40) / 2.5^2 = 0 but for a pull of the unknown supplier's price.
    assert x == pytest.approx(30.14, abs=0.15)
    bounds = m[(m["table"] == "links") & (m["what"] == "low")]
    assert bounds["before"].tolist() == [40.0]
    assert bounds["after"].tolist() == [x]
    assert "beyond the bounds stated of it, 40 to 45" in link(done, "CHN", "JPN:demand")["note"]
    same(done, balance_flows(done, conflicts="relax"))


def test_what_an_industry_cannot_get_is_a_gap_and_is_listed() -> None:
    g = sr.load_atlas()
    done = balance_flows(g, conflicts="relax")
    draws = moved(g, done).query("what == 'draw'")
    gaps = done.gaps[done.gaps["what"] == "draw"]
    assert len(draws) == len(gaps) > 0
    first = draws.iloc[0]
    node, product = first["row"].split(" | ")
    into = done.links[(done.links["buyer"] == node) & (done.links["product"] == product)]
    assert into["quantity"].sum() == pytest.approx(first["after"], rel=1e-6)
    assert set(moved(g, done)["table"]) <= {"links", "nodes", "demand", "recipes"}


def dated() -> SupplyGraph:
    """Two makers published in 2024, a use published in March 2025, all of 2023; nothing sold is known."""
    g = graph({"CHN": 30.0, "CHL": 10.0}, {"JPN": 50.0}, [("CHN", "JPN:demand", NAN, NAN, "assumed")])
    nodes = g.table("nodes").assign(published_on="2024-06-30", year=2023)
    demand = g.table("demand").assign(published_on="2025-03-01", year=2023)
    links = g.table("links").assign(published_on="2024-06-30", year=2023)
    other = pd.DataFrame([{"product": "y.refined", "name": "Y"}]).assign(**GOODS.iloc[0].drop(["product", "name"]))
    more = {"node": "y.refined@CHN", "product": "y.refined", "country": "CHN", "kind": "producer", "output": 1.0}
    late = pd.DataFrame([{**more, "year": 2025, "published_on": "2025-09-01", "output_grade": "assumption"}])
    return SupplyGraph.from_tables(
        products=pd.concat([GOODS, other], ignore_index=True),
        nodes=pd.concat([nodes, late], ignore_index=True),
        demand=demand,
        links=links,
    )


def test_estimates_bear_the_date_of_their_last_input() -> None:
    g = dated()
    assert g.reference_date == "2025-12-31"
    done = balance_flows(g)
    assert done.reference_date == "2025-12-31"
    assert "2026" not in repr(done)
    rows = done.links
    assert set(rows["method"]) <= {"balanced", "world_pool"}
    assert set(rows["published_on"]) == {"2025-03-01"}  # the use is what they rest on
    assert set(rows["year"]) == {2023}
    fresh = done.nodes[~done.nodes["node"].isin(g.nodes["node"])]
    assert len(fresh)
    assert set(fresh["published_on"]) == {"2025-03-01"}
    assert set(done.demand["published_on"]) == {"2025-03-01"}


def test_a_balanced_graph_is_seen_as_of_a_day_and_as_known_on_it() -> None:
    done = balance_flows(dated())
    then = done.at("2025-06-01", known_on="2025-06-01")
    assert then.links["quantity"].notna().all()
    assert "y.refined" not in set(then.nodes["product"])
    before = done.at("2024-12-31", known_on="2024-12-31")
    assert before.links["quantity"].isna().all()  # not estimated before the use was published
    assert before.nodes.set_index("node")["output"][f"{P}@CHN"] == 30.0
    assert done.at("2022-12-31").links.empty

"""Ceilings of by-products whose host has no figure: stated bounds, what balancing finds, and what assembling estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.byproducts import byproduct_limits
from supplyrisk.errors import SchemaError
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows

HOST, BY = "alumina.refined", "gallium.refined"
NAN = float("nan")


def goods(by_stage: str = "refine") -> pd.DataFrame:
    rows = [{"product": HOST, "stage": "refine"}, {"product": BY, "stage": by_stage}]
    about = {"name": "n", "commodity": "c", "chain": "x", "unit": "t", "basis": "gross", "period": "year"}
    return pd.DataFrame(rows).assign(**about)


def tables(
    host: dict[str, Any],
    by: dict[str, Any],
    use: dict[str, float],
    trade: list[tuple[str, str, float]] | None = None,
    more: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Korea makes both; a tonne of gallium takes 50 of alumina."""
    made = [{"product": HOST, "country": "KOR", **host}, {"product": BY, "country": "KOR", **by}, *(more or [])]
    used = [{"product": p.partition("@")[0], "country": p.partition("@")[2], "quantity": q} for p, q in use.items()]
    recipe = {"product": BY, "input": HOST, "coefficient": 50.0, "process": "bayer", "input_class": "essential"}
    out = {
        "products": goods(),
        "production": pd.DataFrame(made).assign(year=2024, grade="assumption"),
        "demand": pd.DataFrame(used).assign(year=2024, grade="assumption"),
        "recipes": pd.DataFrame([recipe]).assign(host=True, grade="assumption", year=2024),
    }
    if trade:
        flows = [{"hs6": "811292", "origin": a, "destination": b, "quantity": q} for a, b, q in trade]
        out["trade"] = pd.DataFrame(flows).assign(year=2024)
        heading = {"hs6": "811292", "product": BY, "factor": 1.0, "coverage": "complete"}
        out["concordance"] = pd.DataFrame([heading])
    return out


def sent(g: SupplyGraph, node: str = f"{BY}@KOR") -> pd.DataFrame:
    return g.links[g.links["supplier"] == node]


WITHHELD = {"quantity": NAN, "missing": "withheld"}
BOUNDED = {**WITHHELD, "low": 100.0, "high": 200.0}


@pytest.mark.parametrize("trade", [None, [("KOR", "JPN", 1.0)]])
def test_a_host_of_which_only_bounds_are_stated_limits_its_byproduct_by_the_upper_one(trade: Any) -> None:
    given = tables(BOUNDED, WITHHELD, {f"{BY}@JPN": 30.0, f"{BY}@KOR": 20.0}, trade)
    plain = byproduct_limits(sr.assemble(**given)).set_index("node").loc[f"{BY}@KOR"]
    assert (plain["throughput"], plain["limit"], plain["likely"]) == (200.0, 4.0, 4.0)
    g = sr.assemble(**given, balanced=True)
    assert sent(g)["quantity"].sum() <= 4.0 * (1 + 1e-9)
    assert g.nodes.set_index("node").loc[f"{BY}@KOR", "output_high"] <= 4.0 * (1 + 1e-9)
    assert (sent(g)["high"].dropna() <= 4.0 * (1 + 1e-9)).all()
    for member in sr.assemble(**given, ensemble=3, seed=1):
        assert sent(member)["quantity"].sum() <= 4.0 * (1 + 1e-9)
    again = balance_flows(g)
    key = ["supplier", "buyer"]
    one, two = (x.links.set_index(key)[["quantity", "low", "high"]].astype(float) for x in (g, again))
    pd.testing.assert_frame_equal(one, two.loc[one.index])


def test_stated_figures_above_what_the_bounds_of_a_host_allow_stay_and_are_told() -> None:
    given = tables(BOUNDED, {"quantity": 30.0}, {f"{BY}@JPN": 30.0})
    for balanced in (False, True):
        g = sr.assemble(**given, balanced=balanced)
        assert g.nodes.set_index("node").loc[f"{BY}@KOR", "output"] == 30.0
        assert "(200 / 50 = 4)" in g.gaps.set_index("what").loc["by-product limit", "note"]
        row = g.balance().set_index("account").loc["by-product"]
        assert (row["have"], row["need"], row["status"]) == (30.0, 4.0, "open")
    with pytest.raises(SchemaError, match="throughput of alumina"):
        sr.assemble(**given, balanced=True, conflicts="raise")


def test_what_balancing_finds_of_a_host_limits_the_estimate_of_its_byproduct() -> None:
    given = tables(WITHHELD, WITHHELD, {f"{HOST}@KOR": 100.0, f"{BY}@JPN": 30.0})
    before = byproduct_limits(sr.assemble(**given)).set_index("node").loc[f"{BY}@KOR"]
    assert before["status"] == "unknown"  # what assembling guesses of a host is no throughput
    g = sr.assemble(**given, balanced=True)
    host = sent(g, f"{HOST}@KOR")["quantity"].sum()
    assert host > 0
    assert sent(g)["quantity"].sum() <= host / 50.0 * (1 + 1e-9)
    limits = byproduct_limits(g).set_index("node").loc[f"{BY}@KOR"]
    assert limits["likely"] == pytest.approx(host / 50.0)
    for member in sr.assemble(**given, ensemble=3, seed=1):
        assert sent(member)["quantity"].sum() <= host / 50.0 * (1 + 1e-6)


def test_a_stated_figure_above_what_an_estimated_host_allows_is_doubtful_and_no_conflict() -> None:
    given = tables(WITHHELD, {"quantity": 30.0}, {f"{HOST}@KOR": 100.0, f"{BY}@JPN": 30.0})
    g = sr.assemble(**given, balanced=True, conflicts="raise")  # an estimate refutes no figure
    assert byproduct_limits(g)["status"].tolist() == ["doubtful"]
    assert g.gaps[g.gaps["what"] == "by-product limit"].empty
    row = g.balance().set_index("account").loc["by-product"]
    assert (row["have"], row["status"]) == (30.0, "unknown")
    assert row["reason"] == "throughput of alumina.refined is an estimate"


def test_a_host_worked_up_within_stated_bounds_limits_its_byproduct() -> None:
    """Indium from ores that the pool gets: of one of its flows only bounds are stated."""
    nodes = [("h.ore@AUS", "producer"), ("h.ore@CHN:demand", "demand"), ("b.metal@CHN", "producer")]
    flows = [("h.ore@AUS", "h.ore@CHN:demand", 100.0), ("h.ore@CHN:demand", "b.metal@CHN", NAN)]
    links = pd.DataFrame(flows, columns=["supplier", "buyer", "high"])
    links["missing"] = np.where(links["high"].isna(), "not_applicable", "unknown")
    rows = [{"product": "h.ore", "stage": "mine"}, {"product": "b.metal", "stage": "metal"}]
    about = {"name": "n", "commodity": "c", "chain": "x", "unit": "t", "basis": "gross", "period": "year"}
    recipe = {"product": "b.metal", "input": "h.ore", "coefficient": 50.0, "process": "p", "input_class": "essential"}
    g = SupplyGraph.from_tables(
        products=pd.DataFrame(rows).assign(**about),
        nodes=pd.DataFrame(nodes, columns=["node", "kind"]).assign(
            product=[n.partition("@")[0] for n, _ in nodes],
            country=[n.partition("@")[2][:3] for n, _ in nodes],
            year=2024,
            output_missing=[None if k == "demand" else "unknown" for _, k in nodes],
        ),
        links=links.assign(product="h.ore", year=2024, method="observed", grade="assumption"),
        recipes=pd.DataFrame([recipe]).assign(host=True, grade="assumption", year=2024),
    )
    row = byproduct_limits(g).set_index("node").loc["b.metal@CHN"]
    assert (row["throughput"], row["limit"], row["likely"]) == (100.0, 2.0, 2.0)


def test_what_was_said_of_a_limit_goes_when_it_is_mended() -> None:
    given = tables(BOUNDED, {"quantity": 30.0}, {f"{BY}@JPN": 30.0})
    g = sr.assemble(**given)
    nodes = g.table("nodes")
    for column in ("output", "output_low"):
        nodes[column] = nodes[column].mask(nodes["node"] == f"{BY}@KOR", 3.0)
    mended = balance_flows(g.replace("corrected", nodes=nodes))
    assert mended.gaps[mended.gaps["what"] == "by-product limit"].empty
    assert "above what the throughput" not in str(mended.nodes.set_index("node").loc[f"{BY}@KOR", "note"])


def test_what_a_host_is_seen_to_send_is_no_ceiling_before_balancing() -> None:
    g = sr.assemble(**tables(WITHHELD, WITHHELD, {f"{BY}@JPN": 30.0}))
    links = g.table("links")
    mine = links["supplier"] == f"{HOST}@KOR"
    links.loc[mine, ["quantity", "method", "grade"]] = [10.0, "observed", "assumption"]
    links["missing"] = links["missing"].mask(mine)
    seen = g.replace("seen", links=links)
    assert byproduct_limits(seen)["status"].tolist() == ["unknown"]  # it may keep any amount


JAPAN = {"product": BY, "country": "JPN", "quantity": 20.0}
TOTAL = {"product": BY, "country": "WLD", "quantity": 100.0}


@pytest.mark.parametrize(("more", "rest"), [([JAPAN], NAN), ([JAPAN, TOTAL], 32.0)])
def test_assembling_estimates_no_more_of_a_byproduct_than_its_host_allows(
    more: list[dict[str, Any]], rest: float
) -> None:
    """China's 35 come out of the world pool; of 1500 of alumina come 30 of gallium, 27 of which go to Japan."""
    given = tables({"quantity": 1500.0}, WITHHELD, {f"{BY}@CHN": 35.0}, [("KOR", "JPN", 27.0)], more)
    g = sr.assemble(**given)
    assert sent(g)["quantity"].sum() == pytest.approx(30.0)
    assert g.gaps[g.gaps["what"] == "by-product limit"].empty
    other = g.links.set_index(["supplier", "buyer"]).loc[(f"{BY}@ROW", f"{BY}@WLD:demand"), "quantity"]
    assert other == pytest.approx(rest, nan_ok=True)
    if np.isnan(rest):  # who sends what is left of it nobody says
        row = g.balance().set_index("node").loc[f"{BY}@WLD:demand"]
        assert (row["have"], row["reason"].split(";")[0]) == (3.0, "1 of 2 flows in not known")
    done = sr.assemble(**given, balanced=True)
    assert sent(done)["quantity"].sum() <= 30.0 * (1 + 1e-6)
    assert done.gaps.empty
    assert not done.balance()["status"].eq("open").any()


def test_observed_flows_above_what_a_host_allows_stay_and_are_told_and_nothing_is_estimated_beside_them() -> None:
    given = tables({"quantity": 500.0}, WITHHELD, {f"{BY}@CHN": 35.0}, [("KOR", "JPN", 27.0)], [JAPAN])
    for balanced in (False, True):
        g = sr.assemble(**given, balanced=balanced)
        assert sent(g)["quantity"].fillna(0.0).sum() == pytest.approx(27.0, rel=0.02)
        assert "what it sends is above what the throughput" in g.gaps.set_index("what").loc["by-product limit", "note"]
        assert g.balance().set_index("account").loc["by-product", "status"] == "open"


def test_a_nominal_level_of_imports_keeps_within_what_the_host_allows() -> None:
    """Three buyers name Korea, whose gallium nobody counts: a tenth of what the world is known to make would be 20 each."""
    given = tables({"quantity": 500.0}, WITHHELD, {}, None, [{**JAPAN, "quantity": 200.0}])
    del given["demand"]
    rows = [{"buyer": b, "supplier": "KOR", "share": 1.0} for b in ("DEU", "FRA", "ITA")]
    shares = pd.DataFrame(rows).assign(product=BY, year=2024, grade="assumption")
    g = sr.assemble(**given, sourcing=shares)
    assert 0 < sent(g)["quantity"].sum() <= 10.0
    assert g.gaps[g.gaps["what"] == "by-product limit"].empty

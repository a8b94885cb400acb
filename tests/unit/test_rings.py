"""Re-exporters in long chains and in loops: what is known of a maker is known of all it reaches."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

import supplyrisk as sr

P = "x.mine"


def graph(links, pools, home):
    """One maker in Australia of exact output, wholly owned from ``home`` by a graded register; exact flows."""
    fixed = {"source": "s", "grade": "A"}
    maker = {"node": f"{P}@AUS", "product": P, "country": "AUS", "kind": "producer", "year": 2024, "output": 100.0}
    maker |= {"output_low": 100.0, "output_high": 100.0, "output_grade": "A", "output_source": "s"}
    nodes = [maker] + [
        {"node": f"{P}@{c}:demand", "product": P, "country": c, "kind": "demand", "year": 2024} for c in pools
    ]
    rows = [
        {"supplier": f"{P}@{a}", "buyer": f"{P}@{b}", "product": P, "year": 2024, "method": "observed"}
        | {"quantity": q, "low": q, "high": q}
        | fixed
        for a, b, q in links
    ]
    held = {"asset": f"{P}@AUS", "part": "", "portion": 1.0, "portion_low": 1.0, "portion_high": 1.0, "holder": "Z"}
    held |= {"holder_country": home, "type": "majority", "share": 1.0, "low": 1.0, "high": 1.0} | fixed
    product = {"product": P, "name": "x", "commodity": "x", "chain": "x", "stage": "mine", "unit": "t"}
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame([product | {"basis": "contained", "period": "year"}]),
        sources=pd.DataFrame([{"source": "s", "title": "t", "licence": "CC0", "licence_class": "cc0"}]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(rows),
        holdings=pd.DataFrame([held]),
    )


@pytest.mark.parametrize("view", ["control", "equity"])
def test_what_is_known_of_a_maker_is_known_through_any_number_of_pools(view):
    pools = ["SGP", "NLD", "DEU", "FRA", "ESP", "ITA", "PRT"]
    chain = [("AUS", "SGP:demand", 100.0)]
    chain += [(f"{a}:demand", f"{b}:demand", 100.0) for a, b in itertools.pairwise(pools)]
    s = sr.score(graph(chain, pools, "CHN"), by=["product", "buyer"], view=view, bounds=True)
    assert len(s) == len(pools)
    for name in ("focal_share", "focal_share_low", "focal_share_high", "coverage", "headline"):
        assert s[name].tolist() == pytest.approx([1.0] * len(pools)), name


@pytest.mark.parametrize("times", [3.0, 300.0])
@pytest.mark.parametrize("view", ["control", "equity", "origin"])
@pytest.mark.parametrize(("home", "share"), [("CHN", 1.0), ("USA", 0.0)])
def test_bounds_are_exact_however_often_goods_go_round(times, view, home, share):
    ring = [("AUS", "SGP:demand", 100.0), ("SGP:demand", "NLD:demand", 100.0 + 100 * times)]
    ring += [("NLD:demand", "SGP:demand", 100.0 * times), ("NLD:demand", "DEU:demand", 100.0)]
    share = 0.0 if view == "origin" else share
    s = sr.score(graph(ring, ["SGP", "NLD", "DEU"], home), by=["product", "buyer"], view=view, bounds=True)
    for name in ("focal_share", "focal_share_low", "focal_share_high"):
        assert s[name].tolist() == pytest.approx([share] * 3, abs=1e-8), name
    assert s["coverage"].tolist() == pytest.approx([1.0] * 3)
    assert s["headline"].tolist() == pytest.approx([1.0] * 3)


def test_the_bottleneck_of_the_equity_view_says_that_it_is_of_control():
    g = graph([("AUS", "JPN:demand", 100.0)], ["JPN"], "CHN")
    for view, said in (("equity", True), ("control", False)):
        s = sr.score(g, by=["product", "buyer"], view=view)
        for name in ("bottleneck", "bottleneck_headline"):
            assert ("Of the control view" in s.attrs["columns"][name]["meaning"]) == said
        assert "control view" not in s.attrs["columns"]["focal_share"]["meaning"]
        assert ("Of the control view" in sr.explain(s, s.index[0], column="bottleneck").method["meaning"]) == said


def test_a_bottleneck_that_rests_on_one_guessed_way_says_so():
    e = sr.explain(sr.load_atlas(), product="front_end.logic_lt10nm", column="bottleneck")
    assert e.value > 0.9
    assert "for 0% of the volume; anything from 0 to 1 is possible" in e.rule
    assert "It is no finding" in e.rule
    sure = sr.explain(sr.load_atlas(), product="gallium.refined", column="bottleneck")
    assert "no finding" not in sure.rule

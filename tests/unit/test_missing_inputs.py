"""An essential input that no link brings is not known: it is no evidence for, nor against, nor spread over others."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import control, exposure, tracing
from supplyrisk.tracing import known_alternatives

INPUTS = ("a.mine", "b.mine", "c.mine")
MADE = "z.refined"


def graph(part, need, price, dropped=(), group=(), wide=1.0):
    """One producer of three essential inputs, from China and Australia; amounts are those of the recipe."""
    row = {"commodity": "x", "chain": "x", "unit": "t", "basis": "contained", "period": "year"}
    products = [row | {"product": MADE, "name": MADE, "stage": "refine"}]
    products += [
        row | {"product": k, "name": k, "stage": "mine", "price": p} for k, p in zip(INPUTS, price, strict=True)
    ]
    figure = {"output": 10.0, "output_low": 10.0, "output_high": 10.0, "output_grade": "A", "output_source": "s"}
    nodes = [{"node": f"{MADE}@JPN", "product": MADE, "country": "JPN", "kind": "producer"} | figure]
    nodes += [{"node": f"{MADE}@DEU:demand", "product": MADE, "country": "DEU", "kind": "demand"}]
    links, recipes = [(f"{MADE}@JPN", f"{MADE}@DEU:demand", MADE, 10.0)], []
    for k, x, q in zip(INPUTS, part, need, strict=True):
        nodes += [{"node": f"{k}@{c}", "product": k, "country": c, "kind": "producer"} | figure for c in ("CHN", "AUS")]
        if k not in dropped:
            links += [(f"{k}@CHN", f"{MADE}@JPN", k, q * x), (f"{k}@AUS", f"{MADE}@JPN", k, q * (1 - x))]
        recipes.append(
            {"product": MADE, "input": k, "process": "main", "input_class": "essential", "source": "s", "grade": "A"}
            | {"coefficient": q, "low": q / wide, "high": q * wide, "substitute_group": "s" if k in group else None}
        )
    fixed = {"year": 2024, "method": "observed", "source": "s", "grade": "A"}
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame(products),
        nodes=pd.DataFrame(nodes).assign(year=2024),
        recipes=pd.DataFrame(recipes),
        sources=pd.DataFrame([{"source": "s", "title": "t", "licence": "CC0", "licence_class": "cc0"}]),
        links=pd.DataFrame(
            [
                {"supplier": a, "buyer": b, "product": k, "quantity": q, "low": q, "high": q} | fixed
                for a, b, k, q in links
            ]
        ),
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("priced", [True, False])
def test_the_truth_with_the_link_lies_in_the_bounds_without_it(seed, priced):
    rng = np.random.default_rng(seed)
    part = rng.integers(0, 3, 3) / 2
    need, price = rng.uniform(0.5, 4.0, 3), rng.uniform(1.0, 9.0, 3) if priced else np.full(3, np.nan)
    dropped = set(rng.choice(INPUTS, rng.integers(1, 4), replace=False).tolist())
    truth, less = graph(part, need, price), graph(part, need, price, dropped)
    e, known = (
        exposure.exposure(g).set_index("node").loc[[f"{MADE}@JPN", f"{MADE}@DEU:demand"]] for g in (truth, less)
    )
    for name in ("linear", "bottleneck"):
        assert (known[f"{name}_low"] <= e[name] + 1e-12).all()
        assert (e[name] <= known[f"{name}_high"] + 1e-12).all()
        assert (known[f"{name}_low"] <= known[name] + 1e-12).all()
        assert (known[name] <= known[f"{name}_high"] + 1e-12).all()
    gone = np.isin(INPUTS, list(dropped))
    weight = need * price if priced else np.ones(3)
    unknown = float(weight[gone].sum() / weight.sum())
    y, there = (exposure.origin(g).loc[f"{MADE}@DEU:demand"] for g in (less, truth))
    assert y["UNK"] == pytest.approx(unknown)
    assert there["UNK"] == pytest.approx(0.0)
    for c in ("CHN", "AUS"):
        assert y.get(c, 0.0) <= there.get(c, 0.0) + 1e-12
        assert there.get(c, 0.0) <= y.get(c, 0.0) + unknown + 1e-12
    if priced:  # every supplier and weight is exact but what is missing
        seen = float((weight * part)[~gone].sum() / weight.sum())
        assert known["linear_low"].tolist() == pytest.approx([seen] * 2)
        assert known["linear_high"].tolist() == pytest.approx([seen + unknown] * 2)
    else:
        assert known["linear_low"].tolist() == [0.0, 0.0]
        assert known["linear_high"].tolist() == pytest.approx([1.0] * 2)
    for flows in (True, False):
        low, high = (exposure.exposure(less, flows=flows)[f"linear_{end}"] for end in ("low", "high"))
        assert (low <= high + 1e-12).all()


@pytest.mark.parametrize(
    ("dropped", "value", "low", "high"), [(("b.mine", "c.mine"), 1.0, 0.5, 1.0), (("a.mine",), 0.0, 0.0, 0.5)]
)
def test_a_score_by_origin_is_open_by_the_weight_of_what_is_missing(dropped, value, low, high):
    g = graph([1.0, 0.0, 0.0], [1.0, 0.5, 0.5], [1.0, 1.0, 1.0], dropped)
    s = sr.score(g, by="product", view="origin", bounds=True).xs(MADE, level="product").iloc[0]
    assert s[["focal_share", "focal_share_low", "focal_share_high"]].tolist() == pytest.approx([value, low, high])
    assert s["headline"] == 0.0


def test_an_alternative_that_is_linked_leaves_nothing_missing_and_two_that_are_not_count_as_the_dearer():
    need, price = [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]
    met = graph([1.0, 0.5, 0.0], need, price, {"b.mine"}, ("b.mine", "c.mine"))
    assert exposure.origin(met).loc[f"{MADE}@JPN", "UNK"] == pytest.approx(0.0)
    none = graph([1.0, 0.5, 0.0], need, price, {"b.mine", "c.mine"}, ("b.mine", "c.mine"))
    assert exposure.origin(none).loc[f"{MADE}@JPN", ["CHN", "UNK"]].tolist() == pytest.approx([0.25, 0.75])


def test_amounts_of_a_recipe_that_are_not_exact_widen_what_may_be_missing():
    g = graph([1.0, 0.0, 0.0], [1.0, 0.5, 0.5], [1.0, 1.0, 1.0], {"b.mine", "c.mine"}, wide=2.0)
    row = exposure.exposure(g).set_index("node").loc[f"{MADE}@JPN"]
    assert row["linear_low"] == pytest.approx(0.5 / 2.5)
    assert exposure.origin(g).loc[f"{MADE}@JPN", "UNK"] == pytest.approx(0.5)


def test_in_the_atlas_producers_whose_inputs_nobody_traces_are_of_unknown_origin():
    g = sr.load_atlas()
    e, y = exposure.exposure(g).set_index("node"), exposure.origin(g)
    bare = e.index[e["gap"] & ~np.isin(np.arange(g.index.n), g.index.segment_buyer)]
    assert len(bare) >= 14
    assert y.loc[bare, "UNK"].tolist() == pytest.approx([1.0] * len(bare))
    np.testing.assert_allclose(y.sum(axis=1), 1.0, atol=1e-9)


@pytest.mark.parametrize("ring", [False, True])
def test_an_alternative_behind_many_pools_that_nobody_feeds_is_no_way_out(ring):
    g = graph([1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], {"b.mine", "c.mine"}, INPUTS)
    pools = ["JPN", "SGP", "NLD", "DEU", "FRA", "ESP", "ITA"]
    nodes = [
        {"node": f"b.mine@{c}:demand", "product": "b.mine", "country": c, "kind": "demand", "year": 2024} for c in pools
    ]
    pairs = [(f"b.mine@{b}:demand", f"b.mine@{a}:demand") for a, b in itertools.pairwise(pools)]
    pairs += [("b.mine@JPN:demand", f"{MADE}@JPN")]
    pairs += [("b.mine@SGP:demand", "b.mine@ITA:demand")] if ring else []
    fixed = {"product": "b.mine", "quantity": 1.0, "low": 1.0, "high": 1.0, "year": 2024}
    fixed |= {"method": "observed", "source": "s", "grade": "A"}
    links = pd.DataFrame([{"supplier": a, "buyer": b} | fixed for a, b in pairs])
    more = g.replace(
        nodes=pd.concat([g.tables["nodes"], pd.DataFrame(nodes)], ignore_index=True),
        links=pd.concat([g.tables["links"], links], ignore_index=True),
    )
    own = control.focal_share(more)
    known = known_alternatives(more, own[0], own[2])
    assert known is not None
    assert known[more.index.code(f"{MADE}@JPN")] == 1.0


def test_a_trace_with_all_unknown_the_focals_holds_what_is_missing():
    """Half of what goes in is traced, a quarter of it Chinese; the other half has no link: at most 0.25 + 0.5."""
    g = graph([0.5, 0.0, 0.0], [1.0, 0.5, 0.5], [1.0, 1.0, 1.0], {"b.mine", "c.mine"})
    ix = g.index
    own = (ix.nodes["country"] == "CHN").to_numpy(dtype=float)
    at = ix.code(f"{MADE}@JPN")
    assert tracing.trace(g, own, "linear", unknown=1.0)[at] == pytest.approx(0.75)
    assert tracing.trace(g, own, "linear", unknown=0.0, whole=True)[at] == pytest.approx(0.25)

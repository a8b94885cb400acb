"""Buyers of whom only the shares of imports are known: every weight that such a buyer may have is within the bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.nominal import flow_ends, nominal_of

NOTE = "import share; quantity unknown: a nominal level (A-NOMINAL), only the shares are facts"
GROUP = {"coalition": "MSP", "role": "member", "valid_from": "2022"}


def graph(outputs, flows, members, use=None):
    """Makers as country: output; flows as (maker, buyer, quantity, nominal)."""
    product = {"product": "x", "name": "X", "commodity": "x", "chain": "x", "stage": "mine", "unit": "t"}
    nodes = [
        {"node": f"x@{c}", "country": c, "kind": "producer", "output": q, "output_grade": "A", "output_source": "s"}
        for c, q in outputs.items()
    ]
    nodes += [{"node": f"x@{b}:demand", "country": b, "kind": "demand"} for b in sorted({f[1] for f in flows})]
    links = [
        {"supplier": f"x@{u}", "buyer": f"x@{v}:demand", "product": "x", "quantity": q, "source": "s", "year": 2024}
        | {"grade": "assumption" if nominal else "A", "method": "assumed" if nominal else "observed"}
        | {"note": NOTE if nominal else "stated"}
        for u, v, q, nominal in flows
    ]
    stated = [
        {"node": f"x@{b}:demand", "use": "all", "year": 2024, "quantity": q, "grade": "A", "source": "s"}
        for b, q in (use or {}).items()
    ]
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame([product | {"basis": "gross", "period": "year"}]),
        nodes=pd.DataFrame(nodes).assign(product="x", year=2024),
        links=pd.DataFrame(links),
        memberships=pd.DataFrame([GROUP | {"country": c} for c in members]),
        sources=pd.DataFrame([{"source": "s", "title": "T", "licence": "public", "licence_class": "facts"}]),
        **({"demand": pd.DataFrame(stated)} if stated else {}),
        as_of="2024",
    )


def measures(amounts):
    """Focal share, HHI, share of the largest, effective number of suppliers, total of suppliers' amounts."""
    total = amounts.sum(axis=1)
    s = amounts / total[:, None]
    hhi = (s**2).sum(axis=1)
    return {"focal_share": s[:, 0], "hhi": hhi, "cr1": s.max(axis=1), "effective_suppliers": 1 / hhi, "quantity": total}


def truths(g, makers, members, rng):
    """Admissible supply of a coalition: corners of all figures and levels, and points in between."""
    ix, found = g.index, nominal_of(g)
    into = np.flatnonzero(ix.nodes["country"].isin(members).to_numpy()[ix.dst])
    pools = sorted({int(p) for p in found.pool[into] if p >= 0})
    at = {f"x@{c}": i for i, c in enumerate(makers)}
    who = np.array([at[s] for s in ix.links["supplier"].to_numpy(dtype=object)[into]])
    corners = list(itertools.product((0.0, 1.0), repeat=len(into)))
    points = np.vstack([corners, rng.random((600, len(into)))]) if len(into) < 11 else rng.random((1500, len(into)))
    out = []
    tops = [float(found.top[found.pool == p][0]) for p in pools]
    finite = [t if np.isfinite(t) else 1e4 for t in tops]
    for t in (*itertools.product((1e-9, 1.0), repeat=len(pools)), *rng.random((20, len(pools)))):
        factor = np.ones(len(into))
        for p, top, part in zip(pools, finite, t, strict=True):
            factor[found.pool[into] == p] = top * part
        x = (ix.low[into] + points * (ix.high - ix.low)[into]) * factor
        amounts = np.zeros((len(points), len(makers)))
        for j, w in enumerate(who):
            amounts[:, w] += x[:, j]
        out.append(amounts)
    return np.vstack(out)


def columns(g, **more):
    names = ["focal_share", "hhi", "concentration_ratio", "effective_suppliers", "quantity", "coverage"]
    return sr.score(g, "CHN", by=["product", "coalition"], bounds=True, metrics=names, **more).iloc[0]


@pytest.mark.parametrize("seed", range(12))
def test_bounds_of_a_coalition_hold_for_every_weight_of_a_buyer_of_unknown_volume(seed):
    rng = np.random.default_rng(seed)
    makers, members = ["CHN", "AUS", "CAN"], ["USA", "JPN", "KOR"][: 2 + seed % 2]
    nominal = {c for i, c in enumerate(members) if i < 1 + seed % 3 % len(members)}
    flows = [
        (m, b, float(rng.integers(1, 60)), b in nominal)
        for b in members
        for m in makers
        if rng.random() < 0.75 or m == "CHN"
    ]
    outputs = {m: float(rng.integers(150, 900)) if rng.random() < 0.8 else np.nan for m in makers}
    g = graph(outputs, flows, members)
    s = columns(g)
    for name, x in measures(truths(g, makers, members, rng)).items():
        column = name if name != "cr1" else None
        if column is None:
            continue
        assert s[f"{column}_low"] <= x.min() + 1e-9, column
        assert s[f"{column}_high"] >= x.max() - 1e-9, column
        assert s[f"{column}_low"] - 1e-12 <= s[column] <= s[f"{column}_high"] + 1e-12


def test_the_bounds_of_shares_are_those_of_the_buyers_and_not_empty():
    # 60 t to the USA, half of it Chinese; Japan buys a tenth Chinese, nobody knows how much.
    flows = [("CHN", "USA", 30.0, False), ("AUS", "USA", 30.0, False), ("CHN", "JPN", 1.0, True)]
    flows += [("AUS", "JPN", 9.0, True)]
    g = graph({"CHN": 500.0, "AUS": 4000.0}, flows, ["USA", "JPN"])
    s = columns(g)
    each = sr.score(g, "CHN", by=["product", "buyer"], bounds=True, metrics=["focal_share"])["focal_share_low"]
    high = sr.score(g, "CHN", by=["product", "buyer"], bounds=True, metrics=["focal_share"])["focal_share_high"]
    assert each.min() < s["focal_share_low"] < 0.12  # nearly all of it may be Japan's
    assert s["focal_share_high"] == pytest.approx(high.max())  # and nothing at all
    assert s["hhi_high"] < 0.95


def test_the_shares_of_one_such_buyer_do_not_widen():
    flows = [("CHN", "JPN", 1.0, True), ("AUS", "JPN", 9.0, True)]
    outputs = {"CHN": 500.0, "AUS": 4000.0}
    g = graph(outputs, flows, ["JPN"])
    plain = g.replace(links=g.tables["links"].assign(note="stated"))
    for by in (["product", "buyer"], ["product", "coalition"], "link"):
        both = [
            sr.score(x, "CHN", by=by, bounds=True, metrics=["focal_share", "hhi", "n_minus_1", "bottleneck"])
            for x in (g, plain)
        ]
        pd.testing.assert_frame_equal(*both)
    assert [list(x) for x in flow_ends(g)] == [list(x) for x in flow_ends(plain)]
    # What it buys is anything up to what its suppliers make.
    s = sr.score(g, "CHN", by=["product", "buyer"], bounds=True, metrics=["quantity"]).iloc[0]
    assert s["quantity_low"] == 0
    assert s["quantity_high"] > 900


def test_home_make_beside_imports_of_unknown_volume():
    flows = [("CHN", "USA", 10.0, True), ("AUS", "USA", 10.0, True), ("USA", "USA", 40.0, False)]
    g = graph({"CHN": 300.0, "AUS": 300.0, "USA": 40.0}, flows, ["USA"])
    e = sr.exposure.exposure(g, "CHN")
    pool = e[e["node"] == "x@USA:demand"].iloc[0] if "node" in e else e.loc["x@USA:demand"]
    # Imports may be next to nothing, or most of what there is.
    assert pool["linear_low"] == pytest.approx(0.0, abs=1e-12)
    assert pool["linear_high"] > 0.7
    s = sr.score(g, "CHN", by="link", bounds=True, metrics=["quantity"]).reset_index().set_index("supplier")
    assert s.loc["x@USA", "share_high"] == 1.0
    assert s.loc["x@USA", "share_low"] < 0.1
    assert s.loc["x@CHN", "share_low"] == 0.0


def test_a_nominal_volume_is_none_that_is_known():
    flows = [("CHN", "USA", 30.0, False), ("AUS", "USA", 30.0, False), ("CHN", "JPN", 1.0, True)]
    flows += [("AUS", "JPN", 9.0, True)]
    g = graph({"CHN": 500.0, "AUS": 4000.0}, flows, ["USA", "JPN"])
    assert columns(g)["coverage"] < 0.2
    by = sr.score(g, "CHN", by=["product", "buyer"], metrics=["coverage"])["coverage"].droplevel([0, 1])
    assert by.loc[("x", "USA")] == 1.0
    assert by.loc[("x", "JPN")] == 0.0
    e = sr.explain(sr.score(g, "CHN", by=["product", "coalition"]), column="coverage", product="x", coalition="MSP")
    assert e.contributions["contribution"].sum() == pytest.approx(e.value)
    assert e.contributions.loc[e.contributions["buyer"] == "x@JPN:demand", "contribution"].sum() == 0


def test_draws_let_the_level_go():
    flows = [("CHN", "USA", 30.0, False), ("AUS", "USA", 30.0, False), ("CHN", "JPN", 1.0, True)]
    flows += [("AUS", "JPN", 9.0, True)]
    g = graph({"CHN": 500.0, "AUS": 4000.0}, flows, ["USA", "JPN"])
    plain = g.replace(links=g.tables["links"].assign(note="stated"))
    wide, narrow = (columns(x, samples=400) for x in (g, plain))
    assert wide["focal_share_p05"] < narrow["focal_share_p05"] - 0.1
    assert wide["focal_share_low"] <= wide["focal_share_p05"] <= wide["focal_share_p95"] <= wide["focal_share_high"]
    assert wide["coverage_p05"] <= wide["coverage"] <= wide["coverage_p95"] < 0.4


def test_use_at_a_nominal_level_makes_demand_open():
    flows = [("CHN", "USA", 30.0, False), ("AUS", "USA", 30.0, False), ("AUS", "JPN", 10.0, True)]
    g = graph({"CHN": 500.0, "AUS": 1000.0}, flows, ["USA", "JPN"])
    plain = g.replace(links=g.tables["links"].assign(note="stated"))
    wide, narrow = (sr.score(x, "CHN", by="product", bounds=True, metrics=["n_minus_1"]).iloc[0] for x in (g, plain))
    assert wide["n_minus_1_gross_low"] < 0.5 * narrow["n_minus_1_gross_low"]
    assert wide["n_minus_1_gross_high"] > narrow["n_minus_1_gross_high"]


def test_assembly_says_which_flows_stand_at_a_nominal_level():
    from tests.unit.test_assemble import SHARES, production, products

    made = production([("x.refined", "CHN", 2024, 900.0), ("x.refined", "RUS", 2024, 100.0)])
    g = sr.assemble(products=products("x.refined"), production=made, sourcing=SHARES.drop(columns="reliance"))
    into = g.links[g.links["buyer"] == "x.refined@USA:demand"]
    assert into["note"].str.contains("A-NOMINAL").all()  # the unnamed rest of it too
    assert set(g.index.links.loc[nominal_of(g).pool >= 0, "buyer"]) == {"x.refined@USA:demand"}


@pytest.mark.parametrize("by", [["product", "buyer"], ["product", "coalition"]])
def test_every_value_and_every_draw_lies_within_its_bounds(atlas, by):
    s = sr.score(atlas, by=by, bounds=True, samples=40)
    for name in [c for c in s.columns if f"{c}_low" in s.columns]:
        low, high = s[f"{name}_low"], s[f"{name}_high"]
        slack = 1e-6 * (1.0 + s[name].abs())
        for column in (name, f"{name}_p05", f"{name}_p95"):
            assert not (s[column] < low - slack).any(), column
            assert not (s[column] > high + slack).any(), column


def test_a_bound_over_levels_comes_apart_into_buyers():
    flows = [("CHN", "USA", 30.0, False), ("AUS", "USA", 30.0, False), ("CHN", "JPN", 1.0, True)]
    flows += [("AUS", "JPN", 9.0, True)]
    g = graph({"CHN": 500.0, "AUS": 4000.0}, flows, ["USA", "JPN"])
    s = sr.score(g, "CHN", by=["product", "coalition"], bounds=True, metrics=["focal_share"])
    for end in ("low", "high"):
        e = sr.explain(s, column=f"focal_share_{end}", product="x", coalition="MSP")
        assert e.contributions["contribution"].sum() == pytest.approx(e.value)
        assert "scaled" not in e.rule

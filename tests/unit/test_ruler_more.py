"""Exposure by tier, N-1 with spare capacity and stocks, composites, and the rule of what binds an assembly."""

import numpy as np
import pytest

import supplyrisk as sr
from supplyrisk import exposure, metrics
from supplyrisk.errors import SchemaError, UnknownNameError


@pytest.fixture(scope="module")
def atlas():
    return sr.load_atlas()


def test_tiers_add_up_to_the_linear_exposure(atlas):
    t = exposure.by_tier(atlas, tiers=4)
    whole = exposure.exposure(atlas, flows=False).set_index("node")["linear"]
    np.testing.assert_allclose(t["total"], whole[t.index], atol=1e-12)
    assert t.loc["gallium.refined@CHN", "tier_0"] == 1
    with pytest.raises(SchemaError):
        exposure.by_tier(atlas, tiers=0)


def test_cover_in_three_steps(atlas):
    c = metrics.cover_without(atlas)
    s = metrics.score(atlas, by="product", metrics=["n_minus_1"]).droplevel([0, 1])["n_minus_1_gross"].dropna()
    np.testing.assert_allclose(c["cover"].reindex(s.index), s, atol=1e-12)
    for better in ("cover_spare", "cover_stocks"):
        both = c["cover"].notna() & c[better].notna()
        assert (c.loc[both, better] >= c.loc[both, "cover"]).all()
    ga = c.loc["gallium.refined"]
    assert ga["without"] == "CHN"
    assert ga["cover_spare"] == pytest.approx((ga["left"] + ga["spare"]) / ga["demand"])
    assert np.isnan(c.loc["copper.refined", "cover_spare"])  # nobody's capacity is on record: not known, not none
    with pytest.raises(UnknownNameError):
        metrics.cover_without(atlas, "CHM")


@pytest.mark.parametrize("how", ["arithmetic", "geometric", "outranking"])
def test_a_composite_orders_and_says_what_the_weights_do(atlas, how):
    s = metrics.score(atlas, by="product")
    c = metrics.composite(s, {"focal_share": 2, "hhi": 1, "bottleneck": 1}, how, samples=100, seed=3)
    known = c["composite"].notna()
    assert known.sum() > 50
    assert c.loc[known, "composite"].between(0, 1).all()
    assert not known.iloc[-1]
    assert (c.loc[known, "rank_p05"] <= c.loc[known, "rank_p95"]).all()
    assert c["top_k"].sum() == pytest.approx(10, abs=1.5)
    row = c.loc[("CHN", "location", "gallium.refined")]
    assert row["at_risk"] == pytest.approx(
        row["quantity"] * s.loc[("CHN", "location", "gallium.refined"), "focal_share"]
    )
    again = metrics.composite(s, {"focal_share": 2, "hhi": 1, "bottleneck": 1}, how, samples=100, seed=3)
    np.testing.assert_array_equal(c["top_k"], again["top_k"])
    if how == "arithmetic":
        want = (2 * s["focal_share"] + s["hhi"] + s["bottleneck"]) / 4
        np.testing.assert_allclose(c["composite"].reindex(s.index), want, atol=1e-12)


def test_a_composite_of_what_is_no_fraction_is_refused(atlas):
    s = metrics.score(atlas, by="product")
    with pytest.raises(SchemaError, match="no fraction"):
        metrics.composite(s, {"effective_suppliers": 1})
    with pytest.raises(SchemaError, match="not above 0"):
        metrics.composite(s, {"hhi": 0})
    with pytest.raises(UnknownNameError):
        metrics.composite(s, {"hii": 1})


def test_an_assembly_binds_by_class_and_alternatives():
    y, w = [0.2, 0.75, 0.5], [0.6, 0.1, 0.3]
    b = exposure.bottleneck(y, w, classes=["essential", "important", "minor"])
    assert b[["bottleneck", "partial", "strict"]].tolist() == pytest.approx([0.2, 0.2, 0.75])
    b = exposure.bottleneck(y, w, classes=["minor", "important", "important"])
    assert b["bottleneck"] == pytest.approx(0.1 * 0.75 + 0.3 * 0.5)
    b = exposure.bottleneck([0.9, 0.0], classes=["essential"] * 2, group=["s", "s"])
    assert b[["linear", "bottleneck", "partial", "strict"]].tolist() == pytest.approx([0.45, 0, 0.9, 0.9])
    with pytest.raises(SchemaError):
        exposure.bottleneck(y, classes=["essential", "x", "minor"])


def test_one_flow_without_a_figure_does_not_drop_a_pool_from_demand(atlas):
    from supplyrisk.metrics import why

    s = metrics.score(atlas, by="product", metrics=["n_minus_1"], bounds=True).droplevel([0, 1])
    known = s["n_minus_1_gross"].dropna()
    assert (known <= 1.0).all()  # nothing in this data is in such surplus that the largest supplier is not missed
    zinc = s.loc["zinc.refined"]  # all but the USA draws on the world's pool, and two of its ten inflows have no figure
    assert np.isnan(zinc["n_minus_1_gross"])
    assert zinc["n_minus_1_gross_low"] < 0.55 < zinc["n_minus_1_gross_high"]
    assert why(metrics.n_minus_1, [3.0, 4.0]).startswith("no figure for demand")
    assert not (s["n_minus_1_gross"] < s["n_minus_1_gross_low"] - 1e-9).any()
    assert not (s["n_minus_1_gross"] > s["n_minus_1_gross_high"] + 1e-9).any()


def test_producers_of_whom_only_a_least_output_is_known_have_no_output(atlas):
    s = metrics.score(atlas, by="product", bounds=True).droplevel([0, 1])
    for p in ("fluorspar.acid", "arsenic.metal"):  # net exports are all that is known of anybody
        assert s.loc[p, ["quantity", "hhi", "focal_share", "cr3", "n_minus_1_gross"]].isna().all()
        assert s.loc[p, "quantity_low"] > 0
        assert s.loc[p, "hhi_high"] == 1.0


def test_a_ranking_comes_with_what_it_is_worth(atlas):
    bare = metrics.score(atlas, by="product", metrics=["focal_share"])
    assert "stability not computed" in bare.attrs["ranking"]["caution"]
    s = metrics.score(atlas, by="product", metrics=["focal_share"], samples=30, seed=1)
    got = s.attrs["ranking"].stability("focal_share", k=5)
    assert got.equals(metrics.rank_stability(s, "focal_share", k=5))
    assert s.copy().attrs["ranking"] is s.attrs["ranking"]
    ways = exposure.paths(atlas, to="gallium.refined@USA:demand")
    assert "stability not computed" in ways.attrs["ranking"]


def test_an_alternative_that_nobody_has_data_on_is_no_way_out(atlas):
    # Zinc residues, or coal of which no flow and no maker is on record: 0 would say that the coal is nobody's.
    s = metrics.score(atlas, view="origin", by="link", metrics=["focal_share", "bottleneck"], bounds=True)
    bel = s.droplevel([0, 1]).loc["germanium.refined@BEL"].iloc[0]
    assert np.isnan(bel["bottleneck"])
    assert (bel["bottleneck_low"], bel["bottleneck_high"] > bel["focal_share"]) == (0.0, True)

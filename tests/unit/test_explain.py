"""explain: every column of a score, and every bound, comes apart into lines that add up, down to source rows."""

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import exposure, grounds, metrics
from supplyrisk.control import focal_share
from tests.unit.test_unknown import graph

EVERY = ["shannon", "theil", "evenness", "effective_suppliers", "hhi_normalized", "hhi", "cr3", "unctad_concentration"]


@pytest.fixture(scope="module")
def atlas():
    return sr.load_atlas()


@pytest.fixture(scope="module")
def chain():
    """Ore of China and Australia, through a re-exporter, to metal in Japan that needs an auxiliary besides."""
    return graph(
        {
            "ore@CHN": 90.0,
            "ore@AUS": 10.0,
            "aux@USA": 5.0,
            "met@JPN": 20.0,
            "ore@SGP:demand": None,
            "met@KOR:demand": None,
        },
        links=[
            ("ore@CHN", "ore@SGP:demand", 6.0),
            ("ore@AUS", "ore@SGP:demand", 2.0),
            ("ore@SGP:demand", "met@JPN", 8.0),
            ("aux@USA", "met@JPN", 2.0),
            ("met@JPN", "met@KOR:demand", 10.0),
        ],
        recipes=[
            {"product": "met", "input": "ore", "input_class": "essential", "coefficient": 1.0},
            {"product": "met", "input": "aux", "input_class": "essential", "coefficient": 0.1},
        ],
        products=("ore", "aux", "met"),
    )


@pytest.mark.parametrize("column", EVERY)
def test_every_measure_of_concentration_has_a_rule_that_adds_up(column):
    g = graph({"x@CHN": 620.0, "x@CHL": 180.0, "x@AUS": 120.0, "x@ARG": 80.0})
    e = metrics.explain(metrics.score(g, by="product", metrics=[column]), product="x", column=column)
    assert e.contributions["contribution"].sum() == pytest.approx(e.value, abs=1e-12)
    assert "no rule" not in e.rule
    part = e.contributions.set_index("supplier")["contribution"]
    s = np.array([0.62, 0.18, 0.12, 0.08])
    want = {
        "shannon": -s * np.log(s),
        "theil": s * np.log(4 * s),
        "evenness": -s * np.log(s) / np.log(4),
        "hhi": s**2,
        "hhi_normalized": (s**2 - 1 / 16) / 0.75,
        "effective_suppliers": s**2 / (s**2).sum() ** 2,
    }
    if column in want:
        assert part[["x@CHN", "x@CHL", "x@AUS", "x@ARG"]].tolist() == pytest.approx(want[column].tolist())


def test_a_traced_score_names_what_drives_it(chain):
    s = metrics.score(chain, view="origin", by=["product", "buyer"], bounds=True)
    e = metrics.explain(s, product="met", buyer="KOR", column="bottleneck")
    assert e.value == pytest.approx(0.75)
    assert e.drivers.path["supplier"].tolist() == ["ore@SGP:demand", "ore@CHN"]
    assert e.by_tier.to_dict() == {1: pytest.approx(0.75)}
    assert e.by_country.to_dict() == {"CHN": pytest.approx(0.75)}
    assert {"links", "recipes", "nodes"} <= set(e.rows["table"])
    assert e.rows["grade"].notna().all()
    assert "Most of it by: met@JPN < ore@SGP:demand < ore@CHN" in repr(e)
    linear = metrics.explain(s, product="met", buyer="KOR")
    assert linear.by_tier.sum() == pytest.approx(linear.value)
    # The inputs count alike: nobody knows their prices.
    assert s["assumed_weights"].loc[("CHN", "origin", "met", "KOR")] == 1
    assert s["headline"].loc[("CHN", "origin", "met", "KOR")] == 0
    assert s["bottleneck_headline"].loc[("CHN", "origin", "met", "KOR")] == 1


def test_grades_and_tiers_of_the_chain(chain):
    own = focal_share(chain, "CHN")[0]
    at = chain.index.code("met@JPN")
    assert grounds.tiers(chain, own)[at][:3].tolist() == pytest.approx([0, 0.375, 0])
    np.testing.assert_allclose(grounds.tiers(chain, own).sum(axis=1), exposure.trace(chain, own), atol=1e-12)
    weak = graph(
        {"ore@CHN": 90.0, "met@JPN": 20.0},
        links=[("ore@CHN", "met@JPN", 8.0)],
        recipes=[{"product": "met", "input": "ore", "input_class": "essential", "coefficient": 1.0, "grade": "D"}],
        products=("ore", "met"),
    )
    s = metrics.score(weak, view="origin", by="product").droplevel([0, 1])
    assert s.loc["met", ["focal_share", "bottleneck", "headline", "bottleneck_headline"]].tolist() == [1, 1, 0, 0]
    assert s.loc["ore", "headline"] == 1


@pytest.mark.parametrize("view", ["location", "origin"])
def test_bounds_come_apart(atlas, view):
    s = metrics.score(atlas, by="product", view=view, bounds=True)
    for product in ("cobalt.refined", "fluorspar.acid"):
        for column in s.columns[s.columns.str.endswith(("_low", "_high"))]:
            e = metrics.explain(s, product=product, column=column)
            want = s.loc[("CHN", view, product), column]
            assert e.value == pytest.approx(want, nan_ok=True)
            if np.isfinite(want):
                assert e.contributions["contribution"].sum() == pytest.approx(want, abs=1e-9)


def test_shares_of_links_come_apart(atlas):
    s = metrics.score(atlas, bounds=True, metrics=["quantity"])
    for column in ("share", "share_low", "share_high"):
        e = metrics.explain(s, s.index[40], column=column)
        assert e.value == s[column].iloc[40]
        assert e.contributions["contribution"].sum() == pytest.approx(e.value)


def test_rows_of_a_figure_stated_as_a_range_are_found(atlas):
    assert len(metrics.explain(metrics.score(atlas, by="product"), product="arsenic.metal").rows)


def test_the_chip_score_reaches_its_sources(atlas):
    s = metrics.score(atlas, by="product", view="origin")
    e = metrics.explain(s, product="front_end.logic_lt10nm", column="bottleneck")
    assert {"links", "recipes", "nodes"} <= set(e.rows["table"])
    assert len(e.drivers.path) >= 2
    assert e.by_tier.sum() == pytest.approx(e.value)
    assert s.loc[("CHN", "origin", "front_end.logic_lt10nm"), "bottleneck_headline"] == 0  # every recipe is grade D


def test_years_that_are_not_given_are_unknown() -> None:
    def year(value: float) -> pd.DataFrame:
        key = pd.MultiIndex.from_tuples([("CHN", "location", "x")], names=["focal", "view", "product"])
        return pd.DataFrame({"focal_share": [value]}, index=key)

    two, three = [year(0.6), year(0.4)], [year(0.6), year(0.6), year(0.4)]
    out = sr.metrics.compare(two, three, persistence=(2, 3)).iloc[0]
    assert (out["status"], out["dependent"]) == ("unknown", "")
    assert out["reason"] == "before: too few years with a value"
    # Two years of three settle it, one way or the other.
    assert sr.metrics.compare([year(0.6), year(0.6)], three, persistence=(2, 3)).iloc[0]["dependent"] == "both"
    assert sr.metrics.compare([year(0.4), year(0.4)], three, persistence=(2, 3)).iloc[0]["status"] == "new"

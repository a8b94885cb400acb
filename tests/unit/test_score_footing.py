"""What each column of a score says it rests on, and refusals of limits, ranks, seeds and columns that are none."""

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import metrics as m
from supplyrisk.errors import SchemaError

PRODUCT = {"commodity": "gallium", "chain": "gallium", "unit": "t", "basis": "contained", "period": "year"}
RECIPE = {"product": "metal", "process": "melt", "input": "feed", "coefficient": 1.0, "input_class": "essential"}
RECIPE |= {"grade": "A", "source": "s"}
ROW = {"hhi_origins": 0.4752, "outside_imports": 1000, "inside_imports": 400, "exports": 700}


def graph():
    """A refined metal made of feed: good figures of the metal, and none that may carry a headline behind it."""
    grades = {"feed": "C", "metal": "A"}
    made = {"feed": {"CHN": 80.0, "AUS": 20.0}, "metal": {"DEU": 60.0, "JPN": 40.0}}
    nodes = [
        {"node": f"{p}@{c}", "product": p, "country": c, "kind": "producer", "year": 2024}
        | {"output": q, "output_grade": grades[p], "output_source": "s"}
        for p, of in made.items()
        for c, q in of.items()
    ]
    nodes.append({"node": "metal@USA:demand", "product": "metal", "country": "USA", "kind": "demand", "year": 2024})
    links = [
        {"supplier": "feed@CHN", "buyer": "metal@DEU", "product": "feed", "quantity": 60.0, "grade": "C"},
        {"supplier": "feed@AUS", "buyer": "metal@JPN", "product": "feed", "quantity": 20.0, "grade": "C"},
        {"supplier": "metal@DEU", "buyer": "metal@USA:demand", "product": "metal", "quantity": 6.0, "grade": "A"},
        {"supplier": "metal@JPN", "buyer": "metal@USA:demand", "product": "metal", "quantity": 4.0, "grade": "A"},
    ]
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame(
            [PRODUCT | {"product": p, "name": p, "stage": s} for p, s in zip(made, ("mine", "refine"), strict=True)]
        ),
        recipes=pd.DataFrame([RECIPE]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame([x | {"year": 2024, "source": "s", "method": "observed"} for x in links]),
        sources=pd.DataFrame([{"source": "s", "title": "T", "licence": "public", "licence_class": "facts"}]),
    )


@pytest.fixture(scope="module")
def g():
    return graph()


def test_volumes_rest_on_their_figures_whoever_holds_the_supplier(g):
    s = m.score(g, view="equity", by="product", bounds=True)
    said = s.attrs["columns"]
    for c in ("quantity", "quantity_low", "quantity_high", "data_year"):
        assert said[c]["coverage"] == 1.0  # every figure is known, no holder is
        assert said[c]["rests_on"].startswith("volume")
    for c in ("focal_share", "focal_share_high", "hhi", "coverage"):
        assert said[c]["coverage"] == s["coverage"].mean() == 0.0


@pytest.mark.parametrize("by", ["product", "link", ["product", "buyer"]], ids=str)
@pytest.mark.parametrize("view", ["location", "control", "equity", "origin"])
def test_traced_columns_have_the_grades_of_all_tiers(g, view, by):
    s = m.score(g, view=view, by=by, bounds=True)
    said = s.attrs["columns"]
    for c in ("bottleneck", "bottleneck_low", "bottleneck_headline"):
        assert said[c]["grade_mix"].get("A or B", 0) == pytest.approx(s["bottleneck_headline"].mean(), abs=1e-6)
        assert said[c]["rests_on"].startswith("all tiers")
        assert sum(said[c]["grade_mix"].values()) == pytest.approx(1)
    if view == "origin":
        assert said["focal_share"]["grade_mix"].get("A or B", 0) == pytest.approx(s["headline"].mean(), abs=1e-6)
    else:
        assert said["focal_share"]["grade_mix"] == said["hhi"]["grade_mix"]
    if by != "link":
        assert said["hhi"]["coverage"] == pytest.approx(s["coverage"].mean())
    assert set(said) == set(s.columns)


def test_the_footing_does_not_hang_on_which_columns_are_asked(g):
    for view, by in (("equity", "product"), ("origin", "link"), ("origin", "stage")):
        every = m.score(g, view=view, by=by).attrs["columns"]
        for c in ("quantity", "bottleneck", "focal_share", "hhi"):
            alone = m.score(g, view=view, by=by, metrics=[c]).attrs["columns"][c]
            assert alone == every[c]


def test_a_function_of_the_caller_rests_on_the_view_whatever_its_name(g):
    def quantity(mix):
        """Mine."""
        return mix.total

    said = m.score(g, view="equity", by="product", metrics=[quantity]).attrs["columns"]["quantity"]
    assert said["rests_on"] == "direct market under the view"
    assert said["coverage"] == 0.0


def test_quantiles_of_draws_have_the_footing_of_their_column(g):
    said = m.score(g, view="equity", by="product", samples=5, metrics=["quantity", "bottleneck"]).attrs["columns"]
    for c in ("quantity", "bottleneck"):
        for key in ("rests_on", "coverage", "grade_mix"):
            assert said[f"{c}_p05"][key] == said[c][key]


def test_values_are_in_usd(g):
    value = m.score(g, by=["product", "buyer"], market="import_value", bounds=True).attrs["columns"]
    volume = m.score(g, by=["product", "buyer"], market="imports").attrs["columns"]["quantity"]
    for c in ("quantity", "quantity_high"):
        assert value[c]["unit"] == "USD"
        assert "USD" in value[c]["meaning"]
    assert volume["unit"] == "product"
    assert value["hhi"]["unit"] == "1"


def test_limits_in_percent_are_refused_with_the_remedy():
    with pytest.raises(SchemaError, match="Divide by 100") as e:
        m.dependency_screen(ROW, "EC2021", cdf1=4000, cdf2=50)
    assert "cdf1" in str(e.value)
    assert "cdf2" in str(e.value)
    assert "Divide by 1e4" in str(e.value)
    for wrong in (np.nan, np.inf, "0.4", True, -0.1):
        with pytest.raises(SchemaError, match="cdf1"):
            m.dependency_screen(ROW, "EC2021", cdf1=wrong)
    with pytest.raises(SchemaError, match="top_share"):
        m.dependency_screen({"top_imports": 65, "consumption": 100}, "EU65", top_share=65)
    with pytest.raises(SchemaError, match="deficit_ratio"):
        m.dependency_screen(ROW | {"focal_imports": 500}, "MERICS2024", deficit_ratio=10)
    # Imports over exports have no top, and a deficit below nothing is a surplus.
    assert not bool(m.dependency_screen(ROW, "EC2021", cdf3=20)["dependent"].iloc[0])
    assert bool(
        m.dependency_screen(ROW | {"focal_imports": 500}, "MERICS2024", deficit_ratio=-0.5)["dependent"].iloc[0]
    )


def test_fractions_are_no_percentile_ranks():
    with pytest.raises(SchemaError, match="Multiply by 100"):
        m.governance_weight({"CHN": 0.55, "AUS": 0.9}, "g_pr")
    with pytest.raises(SchemaError, match="Multiply by 100"):
        m.governance_weight(pd.Series({"CHN": 0.55, "AUS": 0.9, "TWN": np.nan}), "g_pr", missing="neutral")
    assert m.governance_weight(0.55, "g_pr") == pytest.approx(0.9945)
    assert m.governance_weight({"SOM": 0.5, "AUS": 90.0}, "g_pr").round(3).to_dict() == {"SOM": 0.995, "AUS": 0.1}


@pytest.mark.parametrize("seed", ["x", -1, 1.5, True, None])
def test_seeds_that_are_none_are_refused_by_name(g, seed):
    with pytest.raises(SchemaError, match="seed"):
        m.score(g, by="product", samples=10, seed=seed)


def test_quantiles_of_draws_are_not_taken_apart(g):
    s = m.score(g, by="product", samples=5)
    with pytest.raises(SchemaError, match="Explain focal_share itself"):
        m.explain(s, s.index[0], column="focal_share_p95")
    assert m.explain(s, s.index[0], column="focal_share").value == s["focal_share"].iloc[0]

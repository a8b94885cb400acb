"""What is missing never reads as 0: values about the focal that nothing is known of are NaN, with a reason."""

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import metrics as m
from supplyrisk.graph import SupplyGraph

NO_FIGURE = "no figure for the focal's own supply: missing is not zero, see the bounds"


def graph(outputs, links=(), holdings=(), recipes=(), products=("x",), grade="A"):
    """Producers by id, links as (supplier, buyer, quantity)."""
    nodes = []
    for node, output in outputs.items():
        pool = node.endswith(":demand")
        row = {
            "node": node,
            "product": node.split("@")[0],
            "country": node.split("@")[1].split(":")[0],
            "kind": "demand" if pool else "producer",
            "year": 2024,
        }
        if not pool:
            row |= {"output": output, "output_grade": grade, "output_source": "s"}
            if output is None:
                row |= {"output_missing": "withheld"}
        nodes.append(row)
    tables = {
        "products": pd.DataFrame(
            [
                {
                    "product": p,
                    "name": p.upper(),
                    "commodity": p,
                    "chain": "c",
                    "stage": "refine",
                    "unit": "t",
                    "basis": "contained",
                    "period": "year",
                }
                for p in products
            ]
        ),
        "nodes": pd.DataFrame(nodes),
        "sources": pd.DataFrame([{"source": "s", "title": "T", "licence": "x", "licence_class": "facts"}]),
    }
    if links:
        tables["links"] = pd.DataFrame(
            [
                {
                    "supplier": a,
                    "buyer": b,
                    "product": a.split("@")[0],
                    "year": 2024,
                    "method": "observed",
                    "quantity": q,
                    "missing": None if q is not None else "unknown",
                    "grade": grade,
                    "source": "s",
                }
                for a, b, q in links
            ]
        )
    if holdings:
        tables["holdings"] = pd.DataFrame(
            [{"type": "equity", "grade": "A", "source": "s", "year": 2024} | h for h in holdings]
        )
    if recipes:
        tables["recipes"] = pd.DataFrame(
            [{"process": "r", "grade": "A", "source": "s", "year": 2024} | r for r in recipes]
        )
    return SupplyGraph.from_tables(**tables)


def test_a_withheld_focal_figure_is_not_zero():
    s = m.score(graph({"x@CHN": None, "x@USA": 10.0, "x@AUS": 5.0}), by="product", bounds=True)
    row = s.iloc[0]
    assert np.isnan(row["focal_share"])
    assert np.isnan(row["bottleneck"])
    assert (row["focal_share_low"], row["focal_share_high"]) == (0, 1)
    assert row["headline"] == pytest.approx(2 / 3)
    assert s.attrs["reasons"]["focal_share"] == {NO_FIGURE: 1}
    assert s.attrs["reasons"].rows("focal_share").tolist() == [NO_FIGURE]
    e = m.explain(s, product="x")
    assert np.isnan(e.value)
    assert e.reason == NO_FIGURE


def test_arrays_follow_the_same_rule():
    def of(focal):
        return m.focal_share([np.nan, 10.0, 5.0], low=[0, 10, 5], high=[9, 10, 5], focal=focal)

    assert np.isnan(of([1, 0, 0]))
    assert of([0, 1, 0]) == pytest.approx(2 / 3)  # of what is known
    assert of([1, 1, 0]) == pytest.approx(2 / 3)  # the focal's known part


def test_who_does_not_produce_has_a_share_of_zero():
    s = m.score(graph({"x@USA": 10.0, "x@AUS": None}), by="product")
    assert s["focal_share"].tolist() == [0.0]


def test_a_range_stands_in_for_a_figure():
    g = graph({"x@CHN": None, "x@USA": 10.0})
    nodes = g.tables["nodes"].copy()
    nodes.loc[nodes["country"] == "CHN", ["output_low", "output_high"]] = [20.0, 40.0]
    nodes.loc[nodes["country"] == "CHN", "output_missing"] = None
    s = m.score(g.replace(note="range", nodes=nodes), by="product")
    assert s["focal_share"].tolist() == [pytest.approx(0.75)]


def test_no_owner_on_record_is_not_an_equity_share_of_zero():
    g = graph({"x@IDN": 60.0, "x@PHL": 40.0})
    s = m.score(g, view="equity", by="product", bounds=True)
    assert s["focal_share"].isna().all()
    assert (s["focal_share_high"] == 1).all()
    assert list(s.attrs["reasons"]["focal_share"]) == ["no owner is on record for any supplier with a figure"]
    for known, rest in ((60.0, 40.0), (40.0, 60.0)):
        held = graph(
            {"x@IDN": rest, "x@PHL": known},
            holdings=[{"asset": "x@PHL", "holder": "P", "holder_country": "PHL", "share": 1.0}],
        )
        frame = m.score(held, view="equity", by="product", bounds=True)
        s = frame.iloc[0]
        assert rest / 100 - 0.01 < s["focal_share_high"] < rest / 100 + 0.05
        if known > rest:  # most is known to be somebody else's: partial knowledge is a value with a width
            assert s["focal_share"] == 0
        else:  # nothing of the focal's in the smaller part says nothing of the whole
            assert np.isnan(s["focal_share"])
            assert "more than half" in next(iter(frame.attrs["reasons"]["focal_share"]))


def test_draws_and_ranks_say_nothing_of_rows_of_which_nothing_is_known():
    g = graph({"x@CHN": None, "x@USA": 10.0, "y@CHN": 1.0, "y@USA": 3.0}, products=("x", "y"))
    s = m.score(g, by="product", samples=50, bounds=True)
    assert np.isnan(s.loc[("CHN", "location", "x"), "focal_share_p05"])
    r = m.rank_stability(s)
    assert r.index.get_level_values("product").tolist() == ["y", "x"]
    assert np.isnan(r["rank"].iloc[-1])


def test_the_atlas_reads_no_gap_as_zero():
    g = sr.load_atlas()
    for view in ("location", "equity", "control", "origin"):
        for by in ("product", ["product", "buyer"]):
            s = m.score(g, by=by, view=view, bounds=True)
            for column in ("focal_share", "bottleneck"):
                open_ = (s[column] == 0) & (s[f"{column}_high"] >= 1 - 1e-9)
                assert not open_.any()
                assert s.attrs["reasons"].rows(column).index.equals(s.index[s[column].isna()])
    assert np.isnan(m.score(g, by="product").loc[("CHN", "location", "fluorspar.acid"), "focal_share"])

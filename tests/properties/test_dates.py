"""What was not known on a day is missing on that day, never nothing."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr

DATES = ("2021-12-31", "2022-06", "2023-06-30", "2024-06-01", "2024-12-31", "2025-06-30", "2025-12-31", "2026-01-01")


@pytest.fixture(scope="module")
def atlas() -> sr.SupplyGraph:
    return sr.load_atlas()


@pytest.mark.parametrize("date", DATES)
def test_never_nothing_where_the_focal_is_on_record_as_a_producer(atlas, date):
    nodes = atlas.nodes
    made = nodes[(nodes["kind"] == "producer") & ~(nodes["output"] <= 0)]
    here = atlas.at(date)
    for focal in ("CHN", "COD", "USA", "JPN"):
        s = sr.score(here, focal, by="product", bounds=True, metrics=["focal_share", "coverage"]).droplevel([0, 1])
        mine = s.index.isin(made.loc[made["country"] == focal, "product"])
        zero = (s["focal_share_low"] <= 0) & (s["focal_share_high"] <= 0)
        assert not (mine & zero).any(), s.index[mine & zero].tolist()
        nothing = mine & (s["focal_share"] <= 0) & (s["coverage"] >= 1 - 1e-9)
        assert not nothing.any(), s.index[nothing].tolist()


@pytest.mark.parametrize("date", ["2024-06-01", "2025-06-30"])
def test_a_buyer_whose_suppliers_were_published_later_does_not_read_as_free(atlas, date):
    now = sr.score(atlas, by=["product", "buyer"], metrics=["focal_share"])["focal_share"]
    then = sr.score(atlas, by=["product", "buyer"], bounds=True, at=date, metrics=["focal_share"])
    freed = (then["focal_share_high"] <= 0) & (now.reindex(then.index) > 0)
    assert not freed.any(), then.index[freed].tolist()


@pytest.mark.parametrize("date", DATES)
def test_the_value_of_a_day_lies_within_what_was_open_on_it(atlas, date):
    """Who is missing on a day widens its bounds, so that nobody reads a part of the market as all of it."""
    s = sr.score(atlas, by="product", bounds=True, at=date)
    for c in ("focal_share", "hhi", "cr3"):
        known = s[c].notna() & s[f"{c}_low"].notna()
        assert (s.loc[known, c] >= s.loc[known, f"{c}_low"] - 1e-9).all()
        assert (s.loc[known, c] <= s.loc[known, f"{c}_high"] + 1e-9).all()


def test_on_its_own_date_the_atlas_is_itself(atlas):
    s = sr.score(atlas, by="product", bounds=True)
    again = sr.score(atlas, by="product", bounds=True, at=s.attrs["as_of"])
    pd.testing.assert_frame_equal(s, again)
    assert s.attrs["as_of"] in repr(atlas)
    here = atlas.at(s.attrs["as_of"])
    for name in ("nodes", "links", "demand", "recipes"):
        pd.testing.assert_frame_equal(here.tables[name], atlas.tables[name])
    ended = atlas.holdings["valid_to"].fillna("9999") < "2026"
    assert ended.any()
    assert not (here.holdings["valid_to"].fillna("9999") < "2026").any()


def test_everything_is_known_on_the_own_date(atlas):
    from supplyrisk.dating import known_from

    for name in ("nodes", "links", "demand", "stocks"):
        assert max(known_from(atlas.tables, name)) <= atlas.reference_date


def _nodes(rows: list[tuple[str, float, int, str | None, str | None]]) -> sr.SupplyGraph:
    frame = pd.DataFrame(
        [
            {
                "node": f"x.refined@{c}",
                "product": "x.refined",
                "country": c,
                "kind": "producer",
                "year": year,
                "output": q,
                "output_grade": "A",
                "output_source": "s",
                "published_on": day,
                "inside": inside,
            }
            for c, q, year, day, inside in rows
        ]
    )
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame(
            [
                {
                    "product": "x.refined",
                    "name": "X",
                    "commodity": "x",
                    "chain": "x",
                    "stage": "refine",
                    "unit": "t",
                    "basis": "gross",
                    "period": "year",
                }
            ]
        ),
        nodes=frame,
        sources=pd.DataFrame([{"source": "s", "title": "T", "licence": "public", "licence_class": "facts"}]),
    )


def test_a_producer_published_later_stays_without_its_figure():
    g = _nodes([("CHN", 90.0, 2024, "2026-02", None), ("JPN", 10.0, 2024, "2025-02", None)])
    then = g.at("2025-06-30")
    row = then.nodes.set_index("country").loc["CHN"]
    assert pd.isna(row["output"])
    assert row["output_missing"] == "unknown"
    assert row["note"].startswith("published later")
    s = sr.score(then, by="product", bounds=True).iloc[0]
    assert pd.isna(s["focal_share"])
    assert (s["focal_share_low"], s["focal_share_high"]) == (0, 1)
    assert then.validate().empty
    assert not len(g.at("2025-01").nodes)  # nothing was known: the product is absent
    assert g.at("2026-03").nodes["output"].sum() == 100


def test_an_earlier_vintage_stands_for_itself():
    g = _nodes(
        [
            ("CHN", 80.0, 2023, "2024-02", None),
            ("CHN", 90.0, 2024, "2026-02", None),
            ("JPN", 10.0, 2024, "2025-02", None),
        ]
    )
    assert sr.score(g, by="product", at="2025-06-30")["focal_share"].iloc[0] == pytest.approx(80 / 90)


def test_a_statistic_without_a_date_is_known_a_year_after_its_own():
    g = _nodes([("CHN", 90.0, 2024, None, None), ("JPN", 10.0, 2024, "2025-02", None)])
    assert pd.isna(g.at("2025-06-30").nodes.set_index("country").loc["CHN", "output"])
    assert g.at("2025-12-31").nodes["output"].notna().all()
    assert g.reference_date == "2025-12-31"
    bare = _nodes([("CHN", 90.0, 2024, None, None), ("JPN", 10.0, 2024, None, None)])
    assert bare.at("2024-12-31").nodes["output"].notna().all()  # a graph without dates goes by data years
    assert bare.reference_date == "2024-12-31"


def test_a_member_of_the_rest_that_was_not_known_yet_is_in_it_again():
    g = _nodes(
        [
            ("CHN", 60.0, 2024, "2025-02", None),
            ("JPN", 15.0, 2024, "2026-01", "x.refined@ROW"),
            ("ROW", 25.0, 2024, "2025-02", None),
        ]
    )
    then = g.at("2025-06-30")
    assert then.nodes.set_index("country").loc["ROW", "output"] == 40
    s = sr.score(then, by="product", bounds=True).iloc[0]
    assert s["focal_share"] == pytest.approx(0.6)
    assert s["focal_share_low"] > 0.5

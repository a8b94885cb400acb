from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from supplyrisk.errors import SchemaError, SourceError, UnitError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from tests.graphs import SOURCE, graphs, make


def tables(g):
    return {k: v for k, v in g.tables.items() if len(v)}


@settings(max_examples=8)
@given(graphs())
def test_networkx_round_trip_is_identity(g):
    assert SupplyGraph.from_networkx(g.to_networkx()).fingerprint == g.fingerprint


@settings(max_examples=8)
@given(graphs())
def test_parquet_round_trip_is_identity(tmp_path_factory, g):
    folder = g.to_parquet(tmp_path_factory.mktemp("p") / "g")
    back = SupplyGraph.from_parquet(folder)
    assert back.fingerprint == g.fingerprint
    for name, frame in g.tables.items():
        pd.testing.assert_frame_equal(back.tables[name], frame)


def test_parquet_carries_units_in_the_field_metadata(tmp_path):
    import pyarrow.parquet as pq

    make(1).to_parquet(tmp_path / "g")
    schema = pq.read_schema(tmp_path / "g" / "links.parquet")
    assert schema.field("value").metadata[b"unit"] == b"USD"
    assert schema.field("quantity").metadata[b"unit"] == b"product"


@settings(max_examples=8)
@given(graphs())
def test_row_order_never_matters(g):
    rng = np.random.default_rng(0)
    shuffled = {k: v.sample(frac=1.0, random_state=int(rng.integers(1 << 30))) for k, v in tables(g).items()}
    h = SupplyGraph.from_tables(shuffled, name=g.name)
    assert h.fingerprint == g.fingerprint
    pd.testing.assert_frame_equal(h.index.links, g.index.links)
    np.testing.assert_array_equal(h.index.share, g.index.share)


def test_missing_kinds_survive_a_round_trip(tmp_path):
    g = make(3)
    nodes = g.nodes
    codes = ["withheld", "not_available", "not_applicable", "unknown"]
    for i, code in enumerate(codes):
        nodes.loc[i, ["capacity", "capacity_missing"]] = [np.nan, code]
    nodes.loc[4, ["unit_cost", "unit_cost_missing", "unit_cost_source"]] = [0.0, None, "made"]
    h = SupplyGraph.from_parquet(g.replace(nodes=nodes).to_parquet(tmp_path / "g"))
    assert h.nodes["capacity_missing"].head(4).tolist() == codes
    assert h.nodes.loc[4, "unit_cost"] == 0.0
    assert h.nodes["capacity"].head(4).isna().all()


def test_a_users_edit_never_reaches_the_graph():
    g = make(2)
    before = g.fingerprint
    frame = g.links
    frame["quantity"] = 0.0
    assert SupplyGraph(g.tables).fingerprint == before
    with pytest.raises(AttributeError):
        g.name = "other"


def test_all_problems_of_an_input_come_at_once():
    g = make(5, holdings=False)
    t = tables(g)
    nodes, links = t["nodes"].copy(), t["links"].copy()
    nodes.loc[0, "country"] = "JAPAN"
    links.loc[0, "quantity"] = -1.0
    links.loc[1, "quantity"] = np.inf
    links.loc[2, "quantity"] = np.nan
    links.loc[3, ["low", "high"]] = [9e9, 1.0]
    links.loc[4, "product"] = "x0.frm"
    links = pd.concat([links, links.tail(1)])
    holdings = pd.DataFrame(
        [
            {"asset": "firm c", "holder": "firm d", "holder_country": "CHN", "type": "equity", "share": 0.7},
            {"asset": "firm c", "holder": "firm e", "holder_country": "CHN", "type": "equity", "share": 0.6},
            {"asset": "firm c", "holder": "firm f", "holder_country": "CHN", "type": "minority", "share": 1.6},
        ]
    ).assign(source="made", grade="A")
    with pytest.raises(SchemaError) as caught:
        SupplyGraph.from_tables({**t, "nodes": nodes, "links": links, "holdings": holdings})
    text = "\n".join(map(str, caught.value.problems))
    for words in (
        "unknown country",
        "'JPN'",
        "below 0",
        "infinite",
        "empty without a reason",
        "low above high",
        "not in products.product",
        "'x0.form'",
        "duplicate row",
        "add to more than 1",
        "above 1",
    ):
        assert words in text, words


def test_units_convert_once_at_the_boundary_and_clashes_name_both():
    g = make(7, holdings=False)
    t = tables(g)
    kilos = t["links"].assign(quantity=t["links"]["quantity"] * 1000, unit="kg")
    h = SupplyGraph.from_tables({**t, "links": kilos})
    np.testing.assert_allclose(h.links["quantity"], g.links["quantity"], rtol=1e-14)
    with pytest.raises(UnitError, match=r"'wafer' does not convert to 't'"):
        SupplyGraph.from_tables({**t, "links": t["links"].assign(unit="wafer")})
    with pytest.raises(UnitError, match=r"basis 'oxide' is not 'contained'"):
        SupplyGraph.from_tables({**t, "links": t["links"].assign(basis="oxide")})
    with pytest.raises(UnitError, match="unknown unit"):
        SupplyGraph.from_tables({**t, "links": t["links"].assign(unit="bushel of wishes")})


def test_truncated_and_foreign_folders_are_refused_whole(tmp_path):
    g = make(1)
    folder = g.to_parquet(tmp_path / "g")
    links = folder / "links.parquet"
    links.write_bytes(links.read_bytes()[:100])
    (folder / "nodes.parquet").unlink()
    with pytest.raises(SourceError) as caught:
        SupplyGraph.from_parquet(folder)
    assert {p.table for p in caught.value.problems} == {"links.parquet", "nodes.parquet"}
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("keep me")
    with pytest.raises(SourceError, match="not written by this package"):
        g.to_parquet(foreign)
    assert (foreign / "chapter.txt").read_text() == "keep me"
    with pytest.raises(SourceError, match="to_parquet"):
        SupplyGraph.from_parquet(foreign)


def test_a_failed_write_leaves_the_old_folder(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    g = make(1)
    folder = g.to_parquet(tmp_path / "g")

    def fail(*a, **k):
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        make(2).to_parquet(folder)
    monkeypatch.undo()
    assert SupplyGraph.from_parquet(folder).fingerprint == g.fingerprint
    assert [p.name for p in tmp_path.iterdir()] == ["g"]


def test_at_filters_by_validity_year_and_publication():
    g = make(4, holdings=False)
    nodes = g.nodes
    early = nodes.assign(year=2020, output=nodes["output"] / 2, capacity=nodes["capacity"] / 2, published_on="2021-03")
    late = nodes.assign(published_on="2025-02")
    both = g.replace(nodes=pd.concat([early, late]))
    assert len(both.nodes) == 2 * len(nodes)
    assert set(both.at("2022").nodes["year"]) == {2020}
    assert set(both.at("2024").nodes["year"]) == {2020}  # the figures of 2024 were not out yet
    assert set(both.at("2024", known_on="latest").nodes["year"]) == {2020, 2024}
    assert both.index.nodes["year"].eq(2024).all()
    with pytest.raises(SchemaError, match="ISO date"):
        both.at("last summer")


def test_overlay_overrides_by_key_and_tags_its_rows():
    g = make(6, holdings=False)
    row = g.links.head(1).drop(columns="origin_tag").assign(quantity=123.0)
    h = g.overlay({"links": row}, name="our company")
    assert len(h.links) == len(g.links)
    hit = h.links[h.links["origin_tag"] == "our company"]
    assert hit["quantity"].tolist() == [123.0]
    assert (g.links["origin_tag"] == "public").all()


def test_ageing_only_widens():
    g = make(8)
    for name, quantity in (("nodes", "output"), ("links", "quantity")):
        v0, lo0, hi0 = g.interval(name, quantity)
        old = SupplyGraph(g.tables, as_of="2034-12-31")
        v1, lo1, hi1 = old.interval(name, quantity)
        dark_sources = SOURCE.assign(dark_from="2025-01-01")
        _, lo2, hi2 = SupplyGraph(
            {**g.tables, "sources": old.replace(sources=dark_sources).sources}, as_of="2034-12-31"
        ).interval(name, quantity)
        known = ~np.isnan(v0)
        np.testing.assert_array_equal(v0, v1)
        assert (lo1 <= lo0)[known].all()
        assert (hi1 >= hi0)[known].all()
        assert (lo2 <= lo1)[known].all()
        assert (hi2 >= hi1)[known].all()
        assert (lo0 <= v0)[known].all()
        assert (v0 <= hi0)[known].all()


def test_names_that_match_nothing_raise_with_close_matches():
    g = make(1)
    for call, close in (
        (lambda: g.select(product="x0.fom"), "x0.form"),
        (lambda: g.explain("x0.form@CHM:demand"), "x0.form@CHN:demand"),
        (lambda: g.table("lnks"), "links"),
        (lambda: g.check_product("x1.from"), "x1.form"),
    ):
        with pytest.raises(UnknownNameError) as caught:
            call()
        assert close in caught.value.close


def test_explain_reaches_the_source():
    g = make(1)
    rows = g.explain("links", product="x0.form")
    assert len(rows) == (g.links["product"] == "x0.form").sum()
    assert set(rows["title"]) == {"made up for a test"}
    assert set(rows["unit"]) == {"t (contained)"}


def test_balance_lists_what_does_not_close():
    g = make(1, products=1, holdings=False, loops=False)
    assert (g.balance()["account"] == "supply").all()  # demand is drawn at random, output is the sum of its links
    links = g.links
    links.loc[0, "quantity"] += 1000.0
    open_ = g.replace(links=links).balance()
    row = open_[(open_["account"] == "output") & (open_["node"] == links.loc[0, "supplier"])]
    assert row["status"].tolist() == ["open"]
    assert row["gap"].tolist() == pytest.approx([-1000.0])


def test_repr_is_one_line_and_html_is_escaped():
    g = make(1)
    assert "\n" not in repr(g)
    evil = SupplyGraph(g.tables, name="<script>alert(1)</script>")
    assert "<script>" not in evil._repr_html_()


@pytest.mark.parametrize("unit", ["tonz", "banana", "parsec", "m/s", "kg/"])
def test_a_product_is_counted_in_a_unit_of_goods(unit):
    t = tables(make(1))
    with pytest.raises(SchemaError, match="not a unit that goods are counted in"):
        SupplyGraph.from_tables({**t, "products": t["products"].assign(unit=unit)})


def test_dates_in_order_and_holdings_on_things_that_exist():
    t = tables(make(1, holdings=False))
    held = {"holder": "h", "holder_country": "CHN", "type": "equity", "share": 0.4, "source": "made", "grade": "A"}
    holdings = pd.DataFrame(
        [
            {"asset": "x0.form@CHN", "valid_from": "2024-05", "valid_to": "2023", **held},
            {"asset": "x0.fomr@CHN", **held},
        ]
    )
    with pytest.raises(SchemaError) as caught:
        SupplyGraph.from_tables({**t, "holdings": holdings})
    text = str(caught.value)
    assert "ends before it begins" in text
    assert "no such product or place" in text


def test_explain_answers_for_every_node_and_product_of_the_atlas(atlas):
    import supplyrisk as sr

    for node in [*atlas.index.nodes["node"].iloc[::25], "cobalt.mine@COD", "nickel.refined@IDN"]:
        atlas.explain(node)
    for product in [*atlas.products["product"].iloc[::12], "cobalt.mine"]:
        for view in ("location", "control"):
            sr.explain(atlas, product=product, view=view)


def test_a_market_that_nobody_has_measured_has_no_share(atlas):
    import supplyrisk as sr

    s = sr.score(atlas, by="product", bounds=True)
    assert s.loc[s["coverage"] == 0, "focal_share"].isna().all()
    assert s["focal_share_high"].ge(s["focal_share"].fillna(0)).all()


def test_a_past_data_year_of_the_atlas_can_be_scored(atlas):
    import supplyrisk as sr

    past = atlas.select(year=2024)
    assert past.validate().empty
    share = sr.score(past, by="product").droplevel(["focal", "view"])["focal_share"]
    assert share["gallium.refined"] == pytest.approx(0.989, abs=5e-4)


def test_a_kind_left_out_of_one_row_is_a_listed_problem():
    nodes = pd.DataFrame(
        {"node": ["p@CHN", "p@USA:demand"], "product": "p", "country": ["CHN", "USA"], "kind": [None, "demand"]}
    )
    with pytest.raises(SchemaError, match=r"nodes.*kind.*required"):
        SupplyGraph.from_tables(nodes=nodes.assign(year=2024, source="s"))

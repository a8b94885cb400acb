"""HS headings between revisions and to products."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import supplyrisk as sr
from supplyrisk.errors import BasketWarning, SchemaError, UnknownNameError
from supplyrisk.intervals import DEFAULT_POLICY
from supplyrisk.sources import hs
from supplyrisk.sources.commodities import product_rows

revisions = st.sampled_from(hs.REVISIONS)


@given(revisions, revisions, st.data())
def test_weights_of_every_source_sum_to_one_and_targets_exist(a, b, data):
    code = data.draw(st.sampled_from(sorted(hs._relation(a, b)["source"].unique())))
    out = hs.concord(code, a, b)
    assert out["weight"].sum() == pytest.approx(1.0)
    assert set(out["target"]) <= hs._known(b)
    assert (out["weight"] > 0).all()


@given(revisions, revisions, st.data())
def test_backward_is_the_inverse_of_forward(a, b, data):
    code = data.draw(st.sampled_from(sorted(hs._relation(a, b)["source"].unique())))
    for target in hs.concord(code, a, b)["target"]:
        assert code in set(hs.concord(target, b, a)["target"])


def test_one_to_many_is_said_and_weighed():
    out = hs.concord("810600", "HS2012", "HS2022")
    assert out[["target", "weight", "relation", "basis"]].values.tolist() == [
        ["810610", 0.5, "1:n", "equal parts, assumption"],
        ["810690", 0.5, "1:n", "equal parts, assumption"],
    ]
    weighed = hs.concord("810600", "HS2012", "HS2022", values=pd.Series({"810610": 1.0, "810690": 3.0}))
    assert weighed["weight"].tolist() == [0.25, 0.75]
    assert set(weighed["basis"]) == {"trade of the targets"}
    assert hs.concord("810610", "HS2022", "HS2012")[["target", "relation"]].values.tolist() == [["810600", "n:1"]]
    assert hs.concord("850511", "HS1992", "HS2022")["relation"].tolist() == ["1:1"]


def test_many_to_one_and_on():
    assert hs.concord(["252810", "252890"], "HS2007", "HS2012")["target"].tolist() == ["252800", "252800"]
    assert set(hs.concord("811230", "HS2002", "HS2017")["target"]) == {"811292", "811299"}


def test_chips_and_the_machines_for_them_have_headings_since_2007():
    for code in ("854231", "854232", "854239", "848620"):
        for a, b in (("HS2012", "HS2022"), ("HS2022", "HS2007"), ("HS2017", "HS2012")):
            assert hs.concord(code, a, b)[["target", "relation"]].values.tolist() == [[code, "1:1"]]
        with pytest.raises(SchemaError, match="exists from HS2007 to HS2022"):
            hs.concord(code, "HS2012", "HS2002")
    for code in ("854110", "720299"):
        assert hs.concord(code, "HS1992", "HS2022")["target"].tolist() == [code]
    assert hs.concord("902780", "HS2017", "HS2022")["target"].tolist() == ["902781", "902789"]
    assert hs.concord("902780", "HS2012", "HS2017")["relation"].tolist() == ["1:1"]


def test_headings_may_have_the_dots_of_a_tariff():
    for code in ("8505.11", "85.05.11", "8505 11", 850511):
        assert hs.concord([code], "HS2012", "HS2022")["source"].tolist() == ["850511"]
    trade = pd.DataFrame({"hs6": ["8505.11", "2825.20"], "value": [1.0, 2.0]})
    assert hs.convert(trade, "HS2012", "HS2022")["hs6"].tolist() == ["850511", "282520"]


def test_unmapped_codes_fail_with_count_and_share_of_value():
    trade = pd.DataFrame({"hs6": ["850511", "999999", "999999"], "value": [90.0, 6.0, 4.0]})
    with pytest.raises(SchemaError, match=r"999999.*2 rows, 10\.00% of value"):
        hs.convert(trade, "HS2012", "HS2022")
    assert hs.convert(trade, "HS2012", "HS2022", unmapped="drop")["value"].sum() == 90.0
    with pytest.raises(SchemaError, match="from HS2022 to HS2022"):
        hs.concord("811231", "HS2012", "HS2022")


def test_conversion_keeps_totals_and_takes_an_own_table():
    trade = pd.DataFrame({"hs6": ["810600", "850511"], "value": [10.0, 5.0], "quantity": [4.0, 2.0]})
    out = hs.convert(trade, "HS2017", "HS2022")
    assert (out["value"].sum(), out["quantity"].sum()) == (15.0, 6.0)
    own = pd.DataFrame({"source": ["850511"], "target": ["999999"]})
    assert hs.concord("850511", "HS2017", "HS2022", table=own)["target"].tolist() == ["999999"]


WIDTH = DEFAULT_POLICY.by_grade["C"]  # of a part without bounds beside one that has them
AMOUNTS = ["quantity", "low", "high", "value", "value_low", "value_high"]


@given(revisions, revisions, st.data())
def test_there_and_back_keeps_every_total_of_every_flow(a, b, data):
    there, back = hs._relation(a, b), hs._relation(b, a)
    apart = there["target"].isin(set(back["source"])).groupby(there["source"]).all()
    codes = data.draw(st.lists(st.sampled_from(sorted(apart.index[apart])), min_size=1, max_size=12))
    many = sorted(set(there.loc[there["relation"] != "1:1", "source"]) & set(apart.index[apart]))
    codes += data.draw(st.lists(st.sampled_from(many), max_size=8)) if many else []
    ends = st.sampled_from(["CHN", "USA", "JPN"])
    rows = {(c, data.draw(ends), data.draw(ends), data.draw(st.integers(2022, 2023))): None for c in codes}
    trade = pd.DataFrame(list(rows), columns=["hs6", "origin", "destination", "year"])
    number = st.floats(0.5, 1e6)
    for name, low, high in (("quantity", "low", "high"), ("value", "value_low", "value_high")):
        trade[name] = [data.draw(number) for _ in rows]
        trade[low], trade[high] = trade[name] * 0.9, trade[name] * 1.2
    flow = ["origin", "destination", "year"]
    before = trade.groupby(flow)[AMOUNTS].sum()
    out = trade
    for source, target in ((a, b), (b, a)):
        out = hs.convert(out, source, target)
        assert not out.duplicated(["hs6", *flow]).any()
        assert set(out.columns) == {*trade.columns, "flag"}
        pd.testing.assert_frame_equal(out.groupby(flow)[AMOUNTS].sum(), before, check_exact=False, rtol=1e-12)
        assert ((out["low"] <= out["quantity"]) & (out["quantity"] <= out["high"])).all()
        once = sr.sources.repair.repair(out, weights=False).trade
        assert once["quantity"].sum() == pytest.approx(before["quantity"].sum())


def _to_one(**columns):
    keys = {"hs6": ["811231", "811241", "811292"], "origin": "CHN", "destination": "USA", "year": 2024}
    return hs.convert(pd.DataFrame({**keys, **columns}), "HS2022", "HS2017")


def test_headings_that_become_one_are_added_up_and_go_into_the_assembly():
    trade = _to_one(quantity=[1.0, 1.0, 3.0], value=[10.0, 10.0, 30.0], grade=["A", "D", "B"], flag=["", "odd", "odd"],
                    published_on=["2025-01", None, "2025-03"], method=["observed", "imputed", "observed"])  # fmt: skip
    row = trade.iloc[0].to_dict()
    assert len(trade) == 1
    assert (row["quantity"], row["value"], row["grade"], row["method"]) == (5.0, 50.0, "D", "imputed")
    assert row["published_on"] == "2025-03"
    assert row["flag"] == "odd; sum of HS2022 811231, 811241, 811292"
    assert {r["source"] for r in trade.attrs["hs"]} == {"811231", "811241", "811292"}
    made = pd.DataFrame([{"product": "gallium.refined", "country": "CHN", "year": 2024, "quantity": 9.0}])
    con = pd.DataFrame([{"hs6": "811292", "product": "gallium.refined", "factor": 1.0}])
    for given_ in (trade, sr.sources.repair.repair(trade, weights=False).inputs["trade"]):
        g = sr.assemble(products=product_rows(["gallium.refined"], unit="t"), production=made.assign(grade="assumption"),
                        trade=given_.assign(grade="assumption"), concordance=con)  # fmt: skip
        link = g.links[g.links["buyer"] == "gallium.refined@USA:demand"].iloc[0]
        assert link["quantity"] == 5.0
        assert "sum of HS2022 811231, 811241, 811292" in link["note"]


def test_a_sum_of_which_a_part_is_missing_is_missing_and_at_least_the_rest():
    out = _to_one(quantity=[1.0, None, 3.0], value=[10.0, 10.0, None])
    assert out[["quantity", "value"]].isna().all(axis=None)
    assert (out["low"].tolist(), out["value_low"].tolist()) == ([4.0], [20.0])
    assert "quantity is not known of a part: at least the others'" in out["flag"].iloc[0]
    bounded = _to_one(quantity=[1.0, None, 3.0], low=[0.5, 2.0, None], high=[2.0, 4.0, None], value=[1.0, 1.0, 1.0],
                      grade="C")  # fmt: skip
    assert bounded["quantity"].isna().all()
    assert (bounded["low"].tolist(), bounded["high"].tolist()) == (
        pytest.approx([2.5 + 3.0 * (1.0 - WIDTH)]),
        pytest.approx([6.0 + 3.0 * (1.0 + WIDTH)]),
    )
    zero = _to_one(quantity=[1.0, 0.0, 3.0], value=[10.0, 10.0, 1.0])  # a weight not reported
    assert zero["quantity"].isna().all()
    assert zero["low"].tolist() == [4.0]
    assert _to_one(quantity=[None, None, None], value=[1.0, 1.0, 1.0]).get("low") is None


def test_a_split_divides_bounds_and_is_told():
    b = pd.DataFrame({"hs6": ["811292"], "origin": "CHN", "destination": "USA", "year": 2024, "quantity": [3.0],
                      "low": [2.7], "high": [3.3], "grade": "A", "weight": "a column of one's own"})  # fmt: skip
    out = hs.convert(b, "HS2017", "HS2022")
    assert out["low"].tolist() == pytest.approx([0.9] * 3)
    assert set(out["grade"]) == {"C"}
    assert set(out["flag"]) == {"0.3333 of HS2017 811292 (equal parts, assumption)"}
    assert set(out["weight"]) == {"a column of one's own"}
    whole = hs.convert(b.assign(hs6="850511"), "HS2017", "HS2022")
    assert whole[["grade", "flag"]].values.tolist() == [["A", ""]]
    usd = hs.convert(b.assign(usd=6.0, usd_low=3.0), "HS2017", "HS2022", amounts=["usd"])
    assert usd["usd_low"].tolist() == pytest.approx([1.0] * 3)
    assert usd["quantity"].tolist() == [3.0] * 3


def test_what_stood_twice_or_has_two_publishers_is_not_added_up():
    row = {"origin": "CHN", "destination": "USA", "year": 2024, "quantity": 1.0}
    twice = hs.convert(pd.DataFrame([{"hs6": "811231", **row}] * 2), "HS2022", "HS2017")
    assert twice["quantity"].tolist() == [1.0, 1.0]
    rows = [{"hs6": h, **row, "source": s} for h, s in (("811231", "a"), ("811292", "b"))]
    assert hs.convert(pd.DataFrame(rows), "HS2022", "HS2017")["source"].tolist() == ["a", "b"]
    months = [{"hs6": h, **row, "month": m} for h in ("811231", "811292") for m in (1, 2)]
    assert hs.convert(pd.DataFrame(months), "HS2022", "HS2017")[["month", "quantity"]].values.tolist() == [
        [1, 2],
        [2, 2],
    ]
    nothing = hs.convert(pd.DataFrame(rows).iloc[:0], "HS2022", "HS2017")
    assert (len(nothing), "flag" in nothing) == (0, True)


@pytest.mark.parametrize("name", ["HS17", "H5", "hs2017", "HS 2017", "17"])
def test_names_of_revisions(name):
    assert hs.revision(name) == "HS2017"


def test_unknown_revision():
    with pytest.raises(UnknownNameError):
        hs.revision("HS2018")


@pytest.mark.parametrize("at", hs.REVISIONS)
def test_headings_are_known_products_once_each(at):
    table = hs.headings(at)
    assert not table.duplicated(["hs6", "product"]).any()
    assert len(product_rows(table["product"])) == table["product"].nunique()
    used = table[table["use"]]
    assert used["factor"].notna().all()
    assert not used.duplicated("hs6").any()  # no heading is counted for two products
    if at in ("HS2007", "HS2012", "HS2017", "HS2022"):
        assert not table.loc[table["hs6"] == "811292", "use"].any()


def test_the_atlas_and_this_table_agree():
    from supplyrisk.atlas import figures

    con = figures()["concordance"].set_index(["hs6", "product"])
    mine = hs.headings().set_index(["hs6", "product"])
    both = con.index.intersection(mine.index)
    assert len(both) == len(con)
    pd.testing.assert_series_equal(
        con.loc[both, "factor"].astype(float), mine.loc[both, "factor"].astype(float), check_names=False
    )


def test_products_of_a_basket_warn():
    with pytest.warns(hs.BasketWarning, match="never be added"):
        hs.product_headings(["gallium.refined", "indium.refined"])
    with pytest.raises(UnknownNameError, match="tungsten"):
        hs.product_headings(["tungsten.powdr"])


@pytest.mark.parametrize("at", hs.REVISIONS)
def test_every_heading_has_a_purity_or_a_stated_unknown(at):
    table = hs.headings(at)
    assert table["purity_source"].notna().all()
    assert (table["purity_low"] <= table["purity_high"]).all()
    unknown = table["purity"].isna()
    assert (table.loc[unknown, "purity_low"] < 1.0).all()
    assert table.loc[unknown, "purity_source"].str.contains("not known|assumption").all()
    assert (table.loc[~unknown, ["purity_low", "purity_high"]] == 1.0).all().all()


def test_links_of_a_basket_are_marked_and_wide_and_scores_say_so():
    import supplyrisk as sr

    goods = ["ndfeb.magnet", "copper.refined"]
    trade = pd.DataFrame(
        [{"hs6": h, "origin": o, "destination": "USA", "year": 2024, "quantity": 10.0, "value": 10.0}
         for h in ("850511", "740311") for o in ("CHN", "JPN")]
    ).assign(grade="assumption")  # fmt: skip
    g = sr.assemble(
        products=product_rows(goods), production=pd.DataFrame(), trade=trade, concordance=hs.product_headings(goods)
    )
    rows = g.links[g.links["method"] == "observed"]
    magnets = rows["product"] == "ndfeb.magnet"
    assert rows.loc[magnets, ["low", "quantity", "high"]].to_numpy().tolist() == [[5.0, 10.0, 10.0]] * 2
    assert rows.loc[magnets, "note"].str.endswith("basket: purity 0.5 to 1").all()
    assert rows.loc[~magnets, "low"].isna().all()
    scored = sr.score(g, by=["product", "buyer"])
    assert set(scored.attrs["baskets"]) == {"ndfeb.magnet"}
    with pytest.warns(BasketWarning, match=r"ndfeb\.magnet \(HS 850511") as caught:
        sr.score(g, by=["product", "buyer"], bounds=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(BasketWarning, match=r"This simulation rests .*ndfeb\.magnet \(HS 850511") as caught:
        sr.simulate(g, sr.export_ban("CHN", product="ndfeb.magnet"))
    assert [c.filename for c in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error", BasketWarning)
        sr.score(g, by="product")  # output is not read off a heading
        sr.simulate(g, sr.export_ban("CHN", product="copper.refined"))
    assert "purity 0.5 to 1" in scored.attrs["baskets"]["ndfeb.magnet"]


def test_headings_that_were_renamed_or_merged_as_the_united_nations_have_it():
    found = {
        ("285310", "HS2022", "HS2002"): ["285100"],  # 28.51 was renumbered 28.53 in 2007
        ("285100", "HS1992", "HS2012"): ["285300"],
        ("285390", "HS2017", "HS1992"): ["284810", "284890", "285100"],
        ("850780", "HS2022", "HS2017"): ["850740", "850780"],  # nickel-iron accumulators joined the others in 2022
        ("850740", "HS1996", "HS2022"): ["850780"],
    }
    for (code, source, target), want in found.items():
        assert sorted(hs.concord(code, source, target)["target"]) == want, (code, source, target)


def test_printed_codes_of_a_map_are_six_digits(tmp_path):
    file = tmp_path / "map.csv"
    rows = ["gallium,8112.92", "magnesium,8104.11", "silicon,2804 61", "antimony,811010", "niobium,8112.9; 8112.99"]
    file.write_text("material,hs6\n" + "\n".join([*rows, "lithium,2836.91.00", "tin,26090000"]) + "\n")
    r = sr.sources.hs_map(file)
    assert r.data["hs6"].tolist() == ["811292", "810411", "280461", "811010", "811290", "811299", "283691", "260900"]
    assert r.data["line"].dropna().tolist() == ["28369100", "26090000"]
    assert "chapter or heading of four digits" not in r.report.missing


def test_concord_says_whether_source_or_target_lacks_the_heading_and_refuses_numbers():
    with pytest.raises(
        SchemaError, match=r"of HS2022, has no counterpart in HS1992 .*exists from HS2007 to HS2022"
    ) as back:
        hs.concord("854231", "HS2022", "HS1992")
    assert "is the revision right" not in str(back.value)
    with pytest.raises(SchemaError, match="is the revision right"):
        hs.concord("854231", "HS1992", "HS2022")
    assert hs.concord(811292, "HS2012", "HS2022").equals(hs.concord("811292", "HS2012", "HS2022"))
    for code in (8112.92, None, True, ["811292", None]):
        with pytest.raises(SchemaError, match="no heading"):
            hs.concord(code, "HS2012", "HS2022")


def test_repaired_flows_of_both_sides_are_converted_with_all_that_repair_says():
    rows = [("CHN", "USA", "X", h, v, q) for h, v, q in (("811231", 90.0, 9.0), ("811292", 30.0, 4.0))]
    rows += [("USA", "CHN", "M", h, v, q) for h, v, q in (("811231", 99.0, 10.0), ("811292", 500.0, 4.0))]
    sides = pd.DataFrame(rows, columns=["reporter", "partner", "flow", "hs6", "value", "quantity"]).assign(year=2024)
    mended = sr.sources.repair.repair(sides, weights=False)
    for trade in (mended.trade, mended.inputs["trade"]):
        out = hs.convert(trade, "HS2022", "HS2017")
        amounts = [c for c in ("quantity", "value", "value_import", "quantity_export", "value_original") if c in trade]
        assert len(out) == 1
        assert out[amounts].iloc[0].to_dict() == pytest.approx(trade[amounts].sum().to_dict())
        assert "threefold" in out["flag"].iloc[0]
        assert "sum of HS2022 811231, 811292" in out["flag"].iloc[0]
    assert out["method"].tolist() == ["mirrored"]

"""Repair of trade: hand-solved cases and laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import supplyrisk
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.sources.commodities import product_rows
from supplyrisk.sources.repair import dedupe, fill_weights, reconcile, repair, trace_origins

PLACES = list("ABCDEF")


def flows(rows, **more):
    out = pd.DataFrame(rows, columns=["origin", "destination", "quantity"])
    return out.assign(year=2024, hs6="850511", **more)


def test_parts_in_several_dimensions_and_rows_that_do_not_add_up():
    base = {"year": 2022, "reporter": "USA", "partner": "CHN", "hs6": "850511", "flow": "M"}
    twice = pd.DataFrame([{**base, "value": v} for v in (100.0, 70.0, 30.0, 55.0, 45.0)])
    assert dedupe(twice)["flag"].tolist() == ["", *["part of a total"] * 4]
    odd = pd.DataFrame([{**base, "value": v} for v in (100.0, 33.0)])
    assert dedupe(odd)["flag"].tolist() == ["", "smaller than another row of the key"]
    assert dedupe(odd)["keep"].tolist() == [True, False]


def test_reconcile_refuses_repeated_keys_and_names_what_each_side_said():
    f = pd.DataFrame({"year": 2022, "hs6": "1", "reporter": ["U", "U", "C"], "partner": ["C", "C", "U"], "flow": ["M", "M", "X"],
                      "value": [1.0, 2.0, 3.0], "quantity": 1.0})  # fmt: skip
    with pytest.raises(SchemaError, match="dedupe"):
        reconcile(f)
    out = reconcile(f.iloc[1:], cif_fob=0.0)
    assert out[["value_import", "value_export"]].values.tolist() == [[2.0, 3.0]]
    assert 2.0 <= out["value"].iloc[0] <= 3.0


def test_one_sided_flows_and_the_margin():
    f = pd.DataFrame({"year": 2022, "hs6": "1", "reporter": ["U", "D"], "partner": ["C", "F"], "flow": ["M", "X"],
                      "value": [110.0, 50.0], "quantity": [1.0, np.nan]})  # fmt: skip
    out = reconcile(f, cif_fob=0.1).set_index("origin")
    assert out.loc["C", "value"] == pytest.approx(100.0)
    assert out.loc["C", "method"] == "importer's figure, margin taken off"
    assert out.loc["D", "value"] == 50.0
    assert pd.isna(out.loc["D", "quantity"])


@given(st.integers(40, 80), st.floats(0.01, 0.3))
def test_margin_is_recovered_from_pairs(n, margin):
    rng = np.random.default_rng(n)
    fob = rng.lognormal(5, 1, n)
    m = pd.DataFrame(
        {"reporter": "U", "partner": [f"P{k}" for k in range(n)], "flow": "M", "value": fob * (1 + margin)}
    )
    x = pd.DataFrame({"reporter": [f"P{k}" for k in range(n)], "partner": "U", "flow": "X", "value": fob})
    out = reconcile(pd.concat([m, x]).assign(year=2022, hs6="1", quantity=1.0))
    assert out["margin"].iloc[0] == pytest.approx(margin)
    assert out["value"].to_numpy() == pytest.approx(out["value_export"].to_numpy())


def test_weights_keep_the_original_beside_and_say_how():
    t = flows([(p, "X", 10.0) for p in [*PLACES, "G", "H"]], value=100.0)
    t.loc[2, "quantity"] = np.nan
    t.loc[3, "quantity"] = 1e6
    out = fill_weights(t)
    assert out.loc[2, "quantity"] == pytest.approx(10.0)
    assert pd.isna(out.loc[2, "quantity_original"])
    assert out.loc[3, "quantity_original"] == 1e6
    assert out.loc[3, "flag"] == "unit value out of range"
    assert out.loc[[2, 3], "method"].str.startswith("weight from").all()
    assert (out.loc[[2, 3], "low"] <= out.loc[[2, 3], "quantity"]).all()
    assert (out.loc[[2, 3], "quantity"] <= out.loc[[2, 3], "high"]).all()
    assert (out.loc[[0, 1, 4, 5, 6, 7], "method"] == "").all()
    assert out["value"].tolist() == t["value"].tolist()


def test_too_few_flows_stay_as_they_are():
    t = flows([("A", "X", 1.0), ("B", "X", np.nan)], value=5.0)
    out = fill_weights(t)
    assert pd.isna(out.loc[1, "quantity"])
    assert out.loc[1, "flag"] == "no weight"
    assert out.loc[1, "method"] == ""


def test_entrepot_is_seen_through_and_keeps_what_it_uses():
    t = flows([("CHN", "HKG", 10.0), ("HKG", "USA", 8.0), ("JPN", "USA", 2.0)], value=[100.0, 96.0, 40.0])
    out = trace_origins(t, ["CHN", "JPN"]).set_index(["origin", "destination"])
    assert out["quantity"].to_dict() == pytest.approx(
        {("CHN", "HKG"): 2.0, ("CHN", "USA"): 8.0, ("JPN", "USA"): 2.0, ("HKG", "USA"): 0.0}
    )
    assert out.loc[("HKG", "USA"), "flag"] == "passed on"
    assert out.loc[("CHN", "USA"), "flag"] == "came through others"
    assert out.loc[("HKG", "USA"), "quantity_original"] == 8.0


def test_an_entrepot_that_exports_more_than_it_gets_sends_from_unknown_origin():
    out = trace_origins(flows([("CHN", "HKG", 10.0), ("HKG", "USA", 15.0)]), ["CHN"]).set_index(
        ["origin", "destination"]
    )
    assert out.loc[("CHN", "USA"), "quantity"] == pytest.approx(10.0)
    assert out.loc[("ROW", "USA"), "quantity"] == pytest.approx(5.0)


def test_a_closed_circle_without_a_maker_is_of_unknown_origin():
    out = trace_origins(flows([("A", "B", 5.0), ("B", "A", 5.0)]), ["CHN"])
    assert out["quantity"].sum() == pytest.approx(0.0, abs=1.5)
    assert set(out.loc[out["quantity"] > 0, "origin"]) <= {"ROW"}


def test_a_maker_on_record_sends_its_own_make_first_and_the_mix_is_a_bound():
    t = flows([("CHN", "JPN", 10.0), ("JPN", "USA", 10.0)])
    made = pd.DataFrame({"hs6": ["850511"], "country": ["JPN"], "quantity": [30.0]})
    out = trace_origins(t, ["CHN", "JPN"], made).set_index(["origin", "destination"])
    assert out["quantity"].to_dict() == {("CHN", "JPN"): 10.0, ("JPN", "USA"): 10.0}
    assert out["low"].to_dict() == pytest.approx({("CHN", "JPN"): 7.5, ("JPN", "USA"): 7.5})
    less = made.assign(quantity=4.0)
    out = trace_origins(t, ["CHN", "JPN"], less).set_index(["origin", "destination"])["quantity"]
    assert out.to_dict() == pytest.approx({("CHN", "JPN"): 4.0, ("CHN", "USA"): 6.0, ("JPN", "USA"): 4.0})


def test_where_nothing_is_to_be_traced_nothing_changes():
    t = flows([("CHN", "USA", 10.0), ("JPN", "USA", 10.0)], value=[100.0, 900.0])
    for by in ("quantity", "value"):
        done = repair(t, weights=False, reexports=["CHN", "JPN"], by=by)
        assert done.trade[["quantity", "value"]].values.tolist() == [[10.0, 100.0], [10.0, 900.0]]
        assert (done.trade[["flag", "method"]] == "").all().all()
        assert done.trade[["low", "high", "value_low", "value_high"]].isna().all().all()


def test_traced_flows_keep_their_own_unit_value_and_destinations_their_totals():
    rows = [("CHN", "HKG", 6.0), ("JPN", "HKG", 2.0), ("HKG", "USA", 4.0), ("JPN", "USA", 1.0), ("CHN", "DEU", 3.0)]
    t = flows(rows, value=[60.0, 80.0, 100.0, 70.0, 20.0])
    out = trace_origins(t, ["CHN", "JPN"])
    at = out.set_index(["origin", "destination"])
    assert at.loc[("CHN", "USA"), ["quantity", "value"]].tolist() == pytest.approx([3.0, 75.0])
    assert at.loc[("JPN", "USA"), ["quantity", "value"]].tolist() == pytest.approx([2.0, 95.0])
    assert at.loc[("CHN", "DEU"), ["quantity", "value"]].tolist() == [3.0, 20.0]
    for c in ("quantity", "value"):
        before, after = t.groupby("destination")[c].sum(), out.groupby("destination")[c].sum()
        assert after[["USA", "DEU"]].tolist() == pytest.approx(before[["USA", "DEU"]].tolist())
    assert at.loc[[("CHN", "HKG"), ("JPN", "HKG")], "quantity"].tolist() == pytest.approx([3.0, 1.0])


def test_a_flow_without_weight_keeps_its_value_and_stays_without_weight():
    t = flows([("CHN", "USA", 10.0), ("JPN", "USA", np.nan), ("CHN", "HKG", 5.0), ("HKG", "DEU", 4.0), ("HKG", "USA", np.nan)],
              value=[100.0, 900.0, 60.0, 44.0, 7.0])  # fmt: skip
    done = repair(t, weights=False, reexports=["CHN", "JPN"])
    out = done.trade.set_index(["origin", "destination"])
    assert out["value"].to_dict() == pytest.approx(
        {("CHN", "USA"): 100.0, ("JPN", "USA"): 900.0, ("CHN", "HKG"): 12.0, ("CHN", "DEU"): 44.0, ("HKG", "DEU"): 0.0, ("HKG", "USA"): 7.0}
    )  # fmt: skip
    assert out.loc[[("JPN", "USA"), ("HKG", "USA")], "quantity"].isna().all()
    assert out.loc[("HKG", "USA"), "flag"] == "no weight: not traced"
    assert out.loc[("JPN", "USA"), "flag"] == ""
    assert done.report["flows_not_traced"] == 1.0
    by_value = trace_origins(t, ["CHN", "JPN"], by="value").set_index(["origin", "destination"])
    both = by_value.loc[("CHN", "USA")]
    assert both["value"] == pytest.approx(107.0)
    assert pd.isna(both["quantity"])
    assert both["low"] == 10.0


def test_without_any_weight_tracing_is_refused_or_by_value():
    t = flows([("CHN", "HKG", np.nan), ("HKG", "USA", np.nan)], value=[10.0, 8.0])
    with pytest.raises(SchemaError, match='by="value"'):
        repair(t, reexports=["CHN"])
    out = repair(t, reexports=["CHN"], by="value").trade.set_index(["origin", "destination"])
    assert out["value"].to_dict() == pytest.approx({("CHN", "HKG"): 2.0, ("CHN", "USA"): 8.0, ("HKG", "USA"): 0.0})
    assert out.loc[[("CHN", "HKG"), ("CHN", "USA")], "quantity"].isna().all()


def test_tracing_keeps_what_repair_said_before():
    places = ["HKG", "USA", "DEU", "FRA", "GBR", "ITA"]
    t = flows([("CHN", d, q) for d, q in zip(places, [10.0, 5.0, 16.0, 3.0, 1.0, np.nan], strict=True)],
              value=[100.0, 50.0, 80.0, 30.0, 20.0, 10.0], source="b", grade="A", published_on="2026-01")  # fmt: skip
    t = pd.concat([t, flows([("HKG", "MAC", 4.0)], value=40.0, source="h", grade="B", published_on="2026-02")])
    before = repair(t).trade.query("destination == 'ITA'").iloc[0]
    out = repair(t, reexports=["CHN"]).trade
    after = out.query("destination == 'ITA'").iloc[0]
    kept = ["quantity", "value", "low", "high", "flag", "method", "source", "grade", "published_on", "value_original"]
    assert after[kept].tolist() == before[kept].tolist()
    assert pd.isna(after["quantity_original"])
    assert after["method"].startswith("weight from")
    new = out.query("origin == 'CHN' and destination == 'MAC'").iloc[0]
    assert new[["source", "grade", "published_on", "flag", "method"]].tolist() == [
        "h", "B", "2026-02", "came through others", "origin traced"]  # fmt: skip
    less = out.query("destination == 'HKG'").iloc[0]
    assert less[["quantity", "quantity_original", "flag"]].tolist() == [6.0, 10.0, "in part passed on"]


def test_a_maker_without_a_record_keeps_what_it_exports_and_bounds_say_what_is_not_known():
    t = flows(
        [("CHN", "JPN", 10.0), ("JPN", "USA", 8.0), ("CHN", "USA", 4.0), ("CHN", "HKG", 1.0), ("HKG", "USA", 0.5)]
    )
    done = repair(t, weights=False, reexports=["CHN", "JPN"])
    out = done.trade.set_index(["origin", "destination"])
    assert out.loc[("JPN", "USA"), ["low", "quantity", "high"]].tolist() == [0.0, 8.0, 8.0]
    assert out.loc[("CHN", "USA"), ["low", "quantity", "high"]].tolist() == pytest.approx([4.5, 4.5, 12.5])
    assert "own make or re-exports" in out.loc[("JPN", "USA"), "flag"]
    assert done.report["makers_without_record"] == 2.0
    assert "without one" in done.rules[2]
    assert done.report["quantity_open"] > 0.5
    assert repair(t, weights=False).rules == ()


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(PLACES), st.floats(0.1, 100.0)), min_size=1, max_size=25),
       st.sets(st.sampled_from(PLACES), max_size=4))  # fmt: skip
def test_what_each_country_keeps_is_what_it_gets_less_what_it_passes_on(rows, makers):
    t = flows([r for r in rows if r[0] != r[1]] or [("A", "B", 1.0)])
    out = trace_origins(t, makers)
    got, sold = t.groupby("destination")["quantity"].sum(), t.groupby("origin")["quantity"].sum()
    kept = out.groupby("destination")["quantity"].sum()
    for place in PLACES:
        limit = got.get(place, 0.0)
        assert kept.get(place, 0.0) <= limit * (1 + 1e-9) + 1.0 * (
            place not in makers and sold.get(place, 0.0) >= limit
        )
    assert (out["quantity"] >= 0).all()
    assert not set(out.loc[out["quantity"] > 0, "origin"]) - makers - {"ROW"}


def test_repair_is_opt_in_and_reports_the_share_imputed():
    t = flows([(p, "X", 10.0) for p in PLACES], value=100.0)
    t.loc[0, "quantity"] = np.nan
    nothing = repair(t, weights=False)
    assert nothing.trade["quantity"].isna().sum() == 1
    done = repair(t.assign(source="s", grade="A"))
    assert done.report["tonnage_imputed"] == pytest.approx(1 / 6)
    assert done.inputs["trade"]["grade"].tolist() == ["C", "A", "A", "A", "A", "A"]
    assert "quantity_original" not in done.inputs["trade"]
    assert list(t.columns) == ["origin", "destination", "quantity", "year", "hs6", "value"]


def test_absent_columns_and_unknown_amounts():
    with pytest.raises(SchemaError, match="value"):
        fill_weights(pd.DataFrame({"hs6": ["1"]}))
    with pytest.raises(UnknownNameError):
        trace_origins(flows([("A", "B", 1.0)]), ["A"], by="weight")


def test_averages_of_two_sides_count_as_imputed_and_far_sides_have_bounds():
    rows = [
        ("USA", "CHN", "M", 106.0, 10.0), ("CHN", "USA", "X", 100.0, 9.0),
        ("JPN", "CHN", "M", 53.0, None), ("CHN", "JPN", "X", 500.0, 5.0),
        ("KOR", "CHN", "M", 100.0, 4.0), ("CHN", "KOR", "X", 100.0, 4.0),
    ]  # fmt: skip
    flows = pd.DataFrame(rows, columns=["reporter", "partner", "flow", "value", "quantity"])
    done = repair(flows.assign(year=2022, hs6="850511"), weights=False)
    t = done.trade.set_index("destination")
    assert done.report["weights_averaged"] == 1.0
    assert done.report["tonnage_imputed"] == pytest.approx(t.loc["USA", "quantity"] / t["quantity"].sum())
    far = t.loc["JPN"]
    assert far["flag"] != ""
    assert far["value_low"] < far["value"] < far["value_high"] == 500.0
    assert far["low"] < far["quantity"] < far["high"]
    assert t.loc[["USA", "KOR"], ["low", "high", "value_low", "value_high"]].isna().all().all()


def test_rows_that_a_reader_does_not_keep_stay_out():
    rows = [("USA", "CHN", "M", 100.0, 10.0), ("USA", "aggregate", "M", 150.0, 15.0), ("USA", "JPN", "M", 50.0, 5.0)]
    flows = pd.DataFrame(rows, columns=["reporter", "partner", "flow", "value", "quantity"])
    flows = flows.assign(year=2022, hs6="850511", keep=[True, False, True])
    done = repair(flows, weights=False)
    assert set(done.trade["origin"]) == {"CHN", "JPN"}
    assert done.report["subtotals_dropped"] == 1.0
    as_text = repair(flows.assign(keep=["True", "False", "True"]), weights=False)
    assert as_text.trade["value"].sum() == done.trade["value"].sum()
    with pytest.raises(SchemaError, match="keep"):
        repair(flows.assign(keep=[True, None, True]))


SOURCE = pd.DataFrame([{"source": "s1", "title": "s", "licence": "x", "licence_class": "cc_by"}])


def assembled(trade, heading="810411", product="magnesium.refined"):
    made = pd.DataFrame(
        [{"product": product, "country": "CHN", "year": 2024, "quantity": 900.0, "grade": "assumption"}]
    )
    return supplyrisk.assemble(
        products=product_rows([product]),
        production=made,
        trade=trade,
        concordance=pd.DataFrame({"hs6": [heading], "product": [product], "factor": [1.0], "purity": [1.0]}),
        tables={"sources": SOURCE},
    )


def test_imputed_weights_enter_a_graph_with_their_interval_method_and_a_weaker_grade():
    places = ["HKG", "USA", "DEU", "FRA", "GBR", "ITA", "ESP"]
    t = flows([("CHN", d, q) for d, q in zip(places, [20.0, 5.0, 16.0, 3.0, 1.0, np.nan, 30.0], strict=True)],
              value=[100.0, 50.0, 80.0, 30.0, 20.0, 10.0, 90.0], source="s1", grade="A", published_on="2026-01")  # fmt: skip
    done = repair(t.assign(hs6="810411"))
    row = done.inputs["trade"].query("destination == 'ITA'").iloc[0]
    assert row[["quantity", "low", "high"]].tolist() == pytest.approx([2.0, 1.0, 2.0])
    assert row[["method", "flag", "grade"]].tolist() == [
        "imputed", "no weight: weight from unit values of the same origin", "C"]  # fmt: skip
    links = assembled(done.inputs["trade"]).links.set_index("buyer")
    imputed, seen = (links.loc[f"magnesium.refined@{c}:demand"] for c in ("ITA", "ESP"))
    assert imputed[["low", "quantity", "high"]].tolist() == pytest.approx([1.0, 2.0, 2.0])
    assert imputed[["method", "grade"]].tolist() == ["imputed", "C"]
    assert "no weight" in imputed["note"]
    assert seen[["method", "grade"]].tolist() == ["observed", "A"]
    assert seen[["low", "high"]].isna().all()
    # A grade that is weak already is not lifted by an imputation.
    worse = repair(t.assign(hs6="810411", grade="D")).inputs["trade"]
    assert set(worse["grade"]) == {"D"}


def test_sides_far_apart_enter_a_graph_as_mirrored_with_both_as_bounds():
    rows = [("DEU", "CHN", "M", 10.5, 2.0), ("CHN", "DEU", "X", 100.0, 20.0), ("USA", "CHN", "M", 10.5, 2.0)]
    f = pd.DataFrame(rows, columns=["reporter", "partner", "flow", "value", "quantity"])
    done = repair(f.assign(year=2024, hs6="810411", source="s1", grade="A"), weights=False)
    links = assembled(done.inputs["trade"]).links.set_index("buyer")
    far, one = (links.loc[f"magnesium.refined@{c}:demand"] for c in ("DEU", "USA"))
    assert far[["low", "high", "method"]].tolist() == [2.0, 20.0, "mirrored"]
    assert "threefold" in far["note"]
    assert one["method"] == "observed"


def test_quartiles_that_meet_do_not_make_an_imputed_weight_exact():
    t = flows([(p, "X", 10.0) for p in PLACES], value=100.0, grade="A")
    t.loc[0, "quantity"] = np.nan
    row = repair(t).inputs["trade"].iloc[0]
    assert row[["low", "high"]].isna().all()
    assert row["grade"] == "C"


def test_a_graph_refuses_flows_of_unknown_method_and_bounds_on_the_wrong_side():
    t = flows([("CHN", "USA", 10.0), ("CHN", "DEU", 5.0)]).assign(hs6="810411")
    with pytest.raises(SchemaError, match="unknown method of a flow"):
        assembled(t.assign(method="guessed"))
    with pytest.raises(SchemaError, match="wrong side"):
        assembled(t.assign(low=[11.0, np.nan]))
    wide = assembled(t.assign(low=[8.0, np.nan], high=[12.0, np.nan])).links.set_index("buyer")
    assert wide.loc["magnesium.refined@USA:demand", ["low", "high"]].tolist() == [8.0, 12.0]


def test_traced_trade_is_assembled_with_entrepots_gone_and_open_makers_wide():
    t = flows([("CHN", "JPN", 10.0), ("JPN", "USA", 8.0), ("CHN", "HKG", 3.0), ("HKG", "USA", 3.0)])
    done = repair(t.assign(hs6="810411", grade="A", source="s1"), weights=False, reexports=["CHN", "JPN"])
    trade = done.inputs["trade"].set_index(["origin", "destination"])
    assert ("HKG", "USA") not in trade.index
    assert trade.loc[("CHN", "USA"), "method"] == "imputed"
    open_ = trade.loc[("JPN", "USA")]
    assert open_["low"] == 0.0
    assert open_["grade"] == "B"
    assert open_["high"] == pytest.approx(8.0 * 1.10)
    links = assembled(done.inputs["trade"]).links
    assert not links["supplier"].str.contains("HKG").any()


def test_two_sides_keep_source_grade_and_date_and_a_record_of_output_makes_a_maker():
    rows = [("USA", "CHN", "M", 106.0, 10.0, "imports", "A", "2025-01"), ("CHN", "USA", "X", 100.0, 9.0, "exports", "B", "2025-06"),
            ("CHN", "DEU", "X", 50.0, 4.0, "exports", "B", "2025-06")]  # fmt: skip
    names = ["reporter", "partner", "flow", "value", "quantity", "source", "grade", "published_on"]
    done = repair(pd.DataFrame(rows, columns=names).assign(year=2022, hs6="850511"), reexports="CHN")
    out = done.inputs["trade"].set_index("destination")
    record = ["source", "grade", "published_on", "method"]
    assert out.loc["USA", record].tolist() == ["imports", "B", "2025-06", "mirrored"]
    assert out.loc["DEU", record].tolist() == ["exports", "B", "2025-06", "observed"]
    made = pd.DataFrame({"hs6": ["850511"], "country": ["JPN"], "quantity": [30.0]})
    traced = trace_origins(flows([("JPN", "USA", 10.0)]), ["CHN"], made)
    assert traced[["origin", "quantity"]].values.tolist() == [["JPN", 10.0]]


def test_a_flow_whose_origin_is_open_but_whose_figure_stands_is_observed():
    t = flows(
        [("CHN", "JPN", 10.0), ("JPN", "USA", 8.0), ("CHN", "HKG", 0.01), ("HKG", "USA", 0.01), ("CHN", "USA", 4.0)]
    )
    done = repair(t.assign(grade="A"), weights=False, reexports=["CHN", "JPN"])
    trade = done.inputs["trade"].set_index(["origin", "destination"])
    assert trade["method"].tolist() == ["observed"] * 3
    assert trade.loc[("CHN", "USA"), "quantity"] == pytest.approx(4.01)
    assert done.trade.set_index(["origin", "destination"]).loc[("CHN", "USA"), "method"] == "origin traced"


def test_bounds_of_one_heading_outlive_another_heading_of_the_product():
    t = flows([("CHN", "USA", 10.0), ("CHN", "USA", 5.0)]).assign(hs6=["810411", "810419"], grade="A", source="s1")
    con = pd.DataFrame({"hs6": ["810411", "810419"], "product": "magnesium.refined", "factor": 1.0, "purity": 1.0})
    made = pd.DataFrame(
        {"product": ["magnesium.refined"], "country": "CHN", "year": 2024, "quantity": 900.0, "grade": "assumption"}
    )
    t = t.assign(low=[8.0, np.nan], high=[12.0, np.nan], method=["imputed", None], flag=["no weight", None])
    g = supplyrisk.assemble(
        products=product_rows(["magnesium.refined"]),
        production=made,
        trade=t,
        tables={"sources": SOURCE},
        concordance=con,
    )
    link = g.links.set_index("buyer").loc["magnesium.refined@USA:demand"]
    assert link[["low", "quantity", "high"]].tolist() == pytest.approx([8.0 + 4.75, 15.0, 12.0 + 5.25])
    assert link["method"] == "imputed"
    assert link["note"].endswith("no weight")


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(PLACES), st.floats(0.1, 100.0), st.floats(1.0, 900.0)), min_size=1, max_size=25),
       st.sets(st.sampled_from(PLACES), max_size=5))  # fmt: skip
def test_destinations_that_pass_nothing_on_get_the_same_weight_and_value(rows, makers):
    t = pd.DataFrame(rows, columns=["origin", "destination", "quantity", "value"]).assign(year=2024, hs6="850511")
    t = t[t["origin"] != t["destination"]].drop_duplicates(["origin", "destination"])
    out = trace_origins(t, makers)
    for place in set(t["destination"]) - (set(t["origin"]) - makers):
        for c in ("quantity", "value"):
            assert out.loc[out["destination"] == place, c].sum() == pytest.approx(
                t.loc[t["destination"] == place, c].sum()
            )
    own = out.merge(t, on=["origin", "destination"], suffixes=("", "_was"))
    own = own[own["method"] == ""]
    assert own["quantity"].to_numpy() == pytest.approx(own["quantity_was"].to_numpy())
    bounded = out[out["low"].notna() & out["quantity"].notna()]
    assert (bounded["low"] <= bounded["quantity"] * (1 + 1e-9)).all()
    assert (bounded["quantity"] <= bounded["high"] * (1 + 1e-9)).all()


@pytest.mark.parametrize("key", ["850511", 850511])
def test_a_heading_that_a_mapping_leaves_out_stays_as_it_was_and_says_so(key):
    one = flows([("CHN", "HKG", 10.0), ("HKG", "USA", 8.0)], value=[100.0, 96.0])
    two = one.assign(hs6="810411")
    assert one["hs6"].iloc[0] == "850511"
    done = repair(pd.concat([one, two], ignore_index=True), weights=False, reexports={key: ["CHN"]})
    out = done.trade.set_index(["hs6", "origin", "destination"])
    kept = out.loc["810411"]
    assert kept["quantity"].to_dict() == {("CHN", "HKG"): 10.0, ("HKG", "USA"): 8.0}  # not: of unknown origin
    assert set(kept["flag"]) == {"nobody says who makes it: not traced"}
    assert set(kept["method"]) == {""}
    assert out.loc["850511"].loc[("CHN", "USA"), "quantity"] == 8.0
    assert "ROW" not in out.index.get_level_values("origin")
    assert done.report["flows_of_unsaid_makers"] == 2.0
    assert done.report["quantity_of_unsaid_makers"] == pytest.approx(0.5)
    alone = repair(two, weights=False, reexports={key: ["CHN"]})
    assert alone.trade["quantity"].tolist() == [10.0, 8.0]
    made = pd.DataFrame({"hs6": ["810411"], "country": ["CHN"], "quantity": [20.0]})
    on_record = trace_origins(two, {key: ["CHN"]}, made).set_index(["origin", "destination"])["quantity"]
    assert on_record[("CHN", "USA")] == 8.0  # output on record says who makes it
    nobody = trace_origins(two, {"810411": []}).set_index(["origin", "destination"])["quantity"]
    assert nobody.loc["ROW"].sum() == pytest.approx(10.0)  # to say that nobody named makes it is a statement


def monthly(*rows):
    columns = ["month", "reporter", "partner", "flow", "value", "quantity"]
    return pd.DataFrame(rows, columns=columns).assign(year=2023, hs6="250410")


def test_months_are_no_duplicates_and_add_up_to_the_year():
    months = [(m, "USA", "CHN", "M", 10.0 + m, 0.1) for m in range(1, 13)]
    done = repair(monthly(*months, months[0]), weights=False)
    assert done.report["duplicates_dropped"] == 1.0
    assert done.report["rows_added_up_to_years"] == 12.0
    (row,) = done.trade.to_dict("records")
    assert (row["value_import"], row["quantity"]) == (pytest.approx(198.0), pytest.approx(1.2))
    assert row["value"] == pytest.approx(198.0 / 1.05)
    assert dedupe(monthly(*months))["keep"].all()
    with pytest.raises(SchemaError, match="months"):
        reconcile(monthly(*months))
    one_sided = monthly(*months).rename(columns={"partner": "origin", "reporter": "destination"}).drop(columns="flow")
    assert repair(one_sided, weights=False).trade[["value", "quantity"]].to_numpy() == pytest.approx(
        np.array([[198.0, 1.2]])
    )


def test_months_beside_the_figure_of_their_year_are_parts_of_it():
    months = [(m, "USA", "CHN", "M", 10.0, 0.1) for m in range(1, 13)]
    flows = monthly((None, "USA", "CHN", "M", 130.0, 1.3), *months, (1, "USA", "JPN", "M", 5.0, 1.0))
    marked = dedupe(flows)
    assert marked["flag"].value_counts().to_dict() == {"month beside the figure of its year": 12, "": 2}
    done = repair(flows, weights=False)
    assert done.report["months_beside_their_year_dropped"] == 12.0
    assert done.report["duplicates_dropped"] == 0.0
    assert done.trade.set_index("origin")["value_import"].to_dict() == {"CHN": 130.0, "JPN": 5.0}
    with pytest.raises(SchemaError, match="not a month"):
        dedupe(flows.assign(month=13))


@pytest.mark.parametrize("weight", [np.nan, 0.0])
def test_a_month_without_a_weight_leaves_the_year_without_one(weight):
    done = repair(monthly((1, "USA", "CHN", "M", 10.0, 2.0), (2, "USA", "CHN", "M", 30.0, weight)), weights=False)
    assert done.trade["value_import"].tolist() == [40.0]
    assert done.trade["quantity"].isna().all()


def test_two_areas_of_the_rest_of_the_world_are_two_flows():
    flows = monthly((None, "USA", "ROW", "M", 10.0, 2.0), (None, "USA", "ROW", "M", 30.0, 3.0))
    done = repair(flows.assign(area=["X1/", "E19/"], grade=["A", "B"]), weights=False)
    assert done.trade[["value_import", "quantity", "grade"]].values.tolist() == [[40.0, 5.0, "B"]]


@pytest.mark.parametrize(("reported", "value", "flag"), [(6, 1200.0, ""), (12, 1228.239158, ""), (0, 1200.0, "")])
def test_half_a_year_and_a_whole_one_have_no_mean(reported, value, flag):
    """The exporter gives twelve months of 100; the importer as many as asked, of 110 (CIF)."""
    row = {"year": 2023, "hs6": "850511", "quantity": 0.01}
    out = [row | {"month": m, "reporter": "CHN", "partner": "DEU", "flow": "X", "value": 100.0} for m in range(1, 13)]
    into = [
        row | {"month": m, "reporter": "DEU", "partner": "CHN", "flow": "M", "value": 110.0}
        for m in range(1, reported + 1)
    ]
    found = repair(pd.DataFrame(out + into), weights=False)
    assert found.trade["value"].tolist() == pytest.approx([value])
    assert found.trade["quantity"].tolist() == pytest.approx([0.12])
    assert found.trade["flag"].tolist() == [flag]
    assert found.report.get("months_of_a_shorter_year_left_out", 0.0) == (6.0 if reported == 6 else 0.0)


def test_a_year_of_which_both_sides_give_half_says_so():
    row = {"year": 2023, "hs6": "850511", "quantity": 0.01, "reporter": "DEU", "partner": "CHN", "flow": "M"}
    half = pd.DataFrame([row | {"month": m, "value": 110.0} for m in range(1, 7)])
    assert repair(half, weights=False).trade["flag"].tolist() == ["6 of 12 months"]

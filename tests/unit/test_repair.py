"""Repair of trade: hand-solved cases and laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplyrisk.errors import SchemaError, UnknownNameError
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


def test_production_of_a_maker_sets_the_mix():
    t = flows([("CHN", "JPN", 10.0), ("JPN", "USA", 10.0)])
    made = pd.DataFrame({"hs6": ["850511"], "country": ["JPN"], "quantity": [30.0]})
    out = trace_origins(t, ["CHN", "JPN"], made).set_index(["origin", "destination"])["quantity"]
    assert out["JPN", "USA"] == pytest.approx(7.5)
    assert out["CHN", "USA"] == pytest.approx(2.5)
    assert out["CHN", "JPN"] == pytest.approx(7.5)


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
    assert done.inputs["trade"]["grade"].tolist() == ["B", "A", "A", "A", "A", "A"]
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

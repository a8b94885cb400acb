"""Data on its way into a graph and out again: faults that were found by trying, each with its case."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import formats
from supplyrisk.sources.repair import reconcile, repair, trace_origins

# ---------------------------------------------------------------------- re-exports of some headings only


def mixed_headings():
    rows = [
        ("260400", "IDN", "CHN", 5.0, "D", "unsaid"),
        ("850511", "CHN", "HKG", 10.0, "A", "customs"),
        ("850511", "HKG", "USA", 8.0, "C", "guess"),
        ("850511", "CHN", "DEU", 3.0, "A", "customs"),
    ]
    frame = pd.DataFrame(rows, columns=["hs6", "origin", "destination", "quantity", "grade", "source"])
    return frame.assign(year=2024, value=frame["quantity"] * 10)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 3), slice(0, 2)])
def test_a_heading_of_which_nobody_says_who_makes_it_lends_nothing_to_the_traced_one(rows):
    given = mixed_headings()[rows]
    whole = trace_origins(given, {"850511": ["CHN"]})
    alone = trace_origins(given[given["hs6"] == "850511"], {"850511": ["CHN"]})
    told = whole[whole["hs6"] == "850511"].reset_index(drop=True)
    pd.testing.assert_frame_equal(told, alone, check_dtype=False)
    assert whole.loc[whole["hs6"] == "260400", ["source", "grade"]].values.tolist() == [["unsaid", "D"]]


# ---------------------------------------------------------------------- repaired flows


def two_sides(weights_m, weights_x, values=(100.0, 97.0)):
    rows = []
    for k, (m, x) in enumerate(zip(weights_m, weights_x, strict=True)):
        base = {"year": 2022, "hs6": "850511"}
        here, there = f"A{k % 26:02d}", f"B{k // 26:02d}"
        rows.append({**base, "reporter": here, "partner": there, "flow": "M", "value": values[0] + k, "quantity": m})
        rows.append({**base, "reporter": there, "partner": here, "flow": "X", "value": values[1], "quantity": x})
    return pd.DataFrame(rows)


def test_a_mean_of_two_sides_lies_between_them_to_the_last_digit():
    weights = np.random.default_rng(1).lognormal(2.0, 1.0, 300)
    same = reconcile(two_sides(weights, weights, (1000.0, 10.0)))
    assert (same["quantity"] == same["quantity_import"]).all()
    assert ((same["low"] <= same["quantity"]) & (same["quantity"] <= same["high"])).all()
    other = weights * np.random.default_rng(2).choice([0.2, 1.0, 5.0], 300)
    out = reconcile(two_sides(weights, other, (1000.0, 10.0)))
    for value, low, high in (("quantity", "low", "high"), ("value", "value_low", "value_high")):
        far = out[low].notna()
        assert far.any()
        assert ((out[low] <= out[value]) & (out[value] <= out[high]))[far].all()


@pytest.mark.realdata
def test_repaired_extracts_cite_their_source_and_stay_at_home(published, tmp_path):
    reading = sr.sources.comtrade(published / "comtrade" / "comtrade_raw_2022_10codes.csv.gz")
    mended = repair(reading.data).inputs["trade"]
    assert set(mended["source"]) == {"comtrade_hs17"}
    assert mended["grade"].isin(["B", "C"]).all()
    bounded = mended.dropna(subset=["low", "high"])
    assert ((bounded["low"] <= bounded["quantity"]) & (bounded["quantity"] <= bounded["high"])).all()
    mined = sr.sources.usgs_mcs(published / "usgs_mcs" / "MCS2025_World_Data.csv")
    products, sources = (
        pd.concat([a, b]).drop_duplicates(key)
        for a, b, key in (
            (reading.inputs["products"], mined.inputs["products"], "product"),
            (reading.tables["sources"], mined.tables["sources"], "source"),
        )
    )
    graph = sr.assemble(
        products=products,
        production=mined.inputs["production"],
        trade=mended,
        concordance=reading.inputs["concordance"],
        tables={"sources": sources},
    )
    flows = graph.links["method"].isin(["observed", "mirrored", "imputed"])
    assert set(graph.links.loc[flows, "source"]) == {"comtrade_hs17"}
    formats.export(graph, tmp_path / "g.json")
    public = formats.read(tmp_path / "g.json").links
    assert not public["method"].isin(["observed", "mirrored", "imputed"]).any()

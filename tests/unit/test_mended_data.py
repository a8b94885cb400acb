"""Data on its way into a graph and out again: faults that were found by trying, each with its case."""

from __future__ import annotations

import pandas as pd
import pytest

from supplyrisk.sources.repair import trace_origins

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

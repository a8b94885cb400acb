"""What was said before an act against what came of it: reference classes, nothing known later is used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError

# act, flow, when it was seen, part of the flow that was lost (negative: it grew), source. A flow of one year against
# the year before or, where only months are on record, against the same months.
OUTCOMES = pd.DataFrame(
    [
        ("CHN-2010-REE-QUOTA", "rare earths, export quota", "2010-12", 0.40, "telecomasia (2010) and press"),
        ("CHN-2020-AUS-WINE", "wine of Australia to China", "2022-09", 0.92, "Wine Australia via press (2022)"),
        ("CHN-2021-LTU", "goods of Lithuania to China", "2022-04", 0.83, "press on customs data (2022)"),
        ("CHN-2023-GAGE", "gallium, China to the world", "2024-03", 0.813, "China customs data in trade press (2024)"),
        (
            "CHN-2023-GAGE",
            "germanium, China to the world",
            "2024-03",
            0.318,
            "China customs data in trade press (2024)",
        ),
        ("CHN-2024-SB", "antimony, China to the world", "2024-12", 0.569, "customs data in trade press (2025)"),
        ("CHN-2025-MREE", "NdFeB magnets, China to the world", "2025-05", 0.74, "customs data in trade press (2025)"),
        ("CHN-2025-W-TE-BI-MO-IN", "bismuth, China to the USA", "2025-12", 0.395, "USGS (2026)"),
        ("CHN-2024-US-BAN", "germanium to the USA", "2025-12", 0.67, "USGS (2026)"),
        ("CHN-2024-US-BAN", "gallium to the USA", "2025-12", -1.273, "USGS (2026)"),
        ("CHN-2024-US-BAN", "antimony oxide to the USA", "2025-12", -0.625, "USGS (2026)"),
    ],
    columns=["act", "flow", "seen", "lost", "source"],
)


def forecasts() -> pd.DataFrame:
    """For each outcome, the range and mean of all that had been seen of other acts before; too few: no forecast."""
    rows = []
    for _, case in OUTCOMES.iterrows():
        past = OUTCOMES.loc[(OUTCOMES["seen"] < case["seen"]) & (OUTCOMES["act"] != case["act"]), "lost"]
        if len(past) >= 3:
            rows.append((case["act"] + ": " + case["flow"], past.min(), past.mean(), past.max(), case["lost"]))
    return pd.DataFrame(rows, columns=["case", "low", "value", "high", "actual"]).set_index("case")


def test_the_range_of_past_acts_beats_the_constant_worst_case_and_its_misses_are_kept():
    f = forecasts()
    worst = np.ones(len(f))
    got = sr.metrics.calibration(
        f["low"],
        f["high"],
        f["actual"],
        value=f["value"],
        before=pd.Series(0.0, index=f.index),
        reference=(worst, worst),
        level=0.8,
    )
    assert got.cases == 8
    assert got.skill > 0.4  # everything stops, always: loses
    # The misses are all on one side: stops were overestimated where others sold on (gallium and antimony oxide rose).
    missed = got.table.index[~got.table["inside"]]
    assert [m.split(": ")[1] for m in missed] == [
        "germanium, China to the world",
        "gallium to the USA",
        "antimony oxide to the USA",
    ]
    assert (got.too_low, got.too_high) == (0.0, 3 / 8)
    assert got.bias > 0
    assert got.direction == pytest.approx(6 / 8)
    assert got.coverage == pytest.approx(5 / 8)
    assert got.coverage_low < 0.8 < got.coverage_high  # eight cases cannot tell 62 from 80 per cent


def test_severities_of_the_atlas_hold_the_months_that_came_after(atlas):
    # The figure after the year that the severity of the row was read from.
    later = {
        ("CHN-2023-GAGE", "gallium.refined"): 0.721,  # November 2024 on a year before
        ("CHN-2023-GAGE", "germanium.refined"): 0.795,  # January to September 2025 on two years before
        ("CHN-2024-SB", "antimony.refined"): 0.845,  # first half of 2025 on a year before
    }
    m = atlas.measures.set_index(["measure", "product"]).loc[list(later)]
    got = sr.metrics.calibration(m["low"], m["high"], later, value=m["severity"])
    assert got.coverage == 1.0
    assert got.too_low == got.too_high == 0.0


def test_the_interval_score_is_proper():
    # Who believes in N(0, 1) and reports its 5 and 95 per cent points expects the least among symmetric intervals.
    rng = np.random.default_rng(7)
    drawn = rng.normal(size=40_000)
    mean = {
        z: float(sr.metrics.interval_score(np.full(drawn.size, -z), np.full(drawn.size, z), drawn, level=0.9).mean())
        for z in (0.8, 1.2, 1.645, 2.1, 3.0)
    }
    assert min(mean, key=lambda z: mean[z]) == 1.645


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(SchemaError, match="above high"):
        sr.metrics.interval_score([1.0], [0.0], [0.5])
    with pytest.raises(SchemaError, match="no value"):
        sr.metrics.interval_score({"a": 0.0}, {"a": np.inf}, {"a": 1.0})
    with pytest.raises(SchemaError, match="no such case"):
        sr.metrics.calibration({"a": 0.0}, {"a": 1.0}, {"b": 1.0})
    with pytest.raises(SchemaError, match="no such key"):
        sr.metrics.calibration({"a": 0.0}, {"a": 1.0}, {"a": 1.0, "b": 1.0})
    with pytest.raises(SchemaError, match="infinite"):
        sr.metrics.calibration([0.0], [1.0], [np.inf])
    with pytest.raises(SchemaError, match="not numbers"):
        sr.metrics.calibration(["low"], [1.0], [0.5])
    for said in ("value", "before"):  # a figure for a case that is none: not passed over
        with pytest.raises(SchemaError, match="Did you mean 'gallium'"):
            sr.metrics.calibration({"gallium": 0.0}, {"gallium": 1.0}, {"gallium": 0.5}, **{said: {"galium": 0.5}})
    with pytest.raises(SchemaError, match="no case has an outcome"):
        sr.metrics.calibration([0.0], [1.0], [np.nan])
    for level in (0.0, 1.0):
        with pytest.raises(SchemaError, match="outside"):
            sr.metrics.interval_score([0.0], [1.0], [0.5], level=level)

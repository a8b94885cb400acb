"""Series whose labels say otherwise are never put together by position."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError

NAMES = ["s1", "s2"]
Z = pd.DataFrame([[150.0, 500.0], [200.0, 100.0]], index=NAMES, columns=NAMES)
X = pd.Series([1000.0, 2000.0], index=NAMES)


def visits(*args, **kwargs):
    return sr.exposure.io_lookthrough(*args, **kwargs)["visits"].tolist()


def test_outputs_and_regions_of_a_table_go_by_label():
    region = pd.Series(["a", "b"], index=NAMES)
    told = visits(Z, X, region=region)
    assert visits(Z, X.iloc[::-1], region=region.iloc[::-1]) == told
    assert visits(Z, X.to_frame("indout"), region=["a", "b"]) == told
    # Labels of their own say nothing: by position, as arrays.
    assert visits(Z, X.reset_index(drop=True), region=["a", "b"]) == told
    face = sr.exposure.face_value(Z, X.iloc[::-1], region=region)
    pd.testing.assert_frame_equal(face, sr.exposure.face_value(Z, X, region=region))
    with pytest.raises(SchemaError, match="its index is not that of the table"):
        visits(Z, X.rename({"s2": "s3"}), region=region)


def test_a_table_has_one_order():
    with pytest.raises(SchemaError, match="one order"):
        visits(Z[["s2", "s1"]], X, region=["a", "b"])
    by_position = visits(Z.set_axis([0, 1]), X.to_numpy(), region=["a", "b"])
    assert by_position == visits(Z, X, region=["a", "b"])


@pytest.mark.parametrize("what", [sr.control.equity, sr.control.majority, sr.control.network_power])
def test_holders_and_assets_are_of_one_frame(what):
    rows = pd.DataFrame({"holder": ["A", "B"], "asset": ["B", "C"], "share": [0.6, 0.7]})
    pd.testing.assert_index_equal(
        what(rows["holder"], rows["asset"], rows["share"]).index, what(["A", "B"], ["B", "C"], [0.6, 0.7]).index
    )
    with pytest.raises(SchemaError, match="its index is not that of holder"):
        what(rows["holder"], rows["asset"].iloc[::-1], rows["share"])


def test_power_without_loops_leaves_nobody_a_rounding():
    power = sr.control.network_power(["A", "B", "C"], ["X", "X", "X"], [0.5, 0.3, 0.2])
    assert power.loc["unidentified", "X"] == 0.0


def test_inputs_of_a_bottleneck_are_of_one_frame():
    one = pd.Series([0.2, 0.7], index=["p", "q"])
    weights = pd.Series([0.5, 0.5], index=["q", "p"])
    with pytest.raises(SchemaError, match="different indexes"):
        sr.exposure.bottleneck(one, weights)
    assert np.isclose(sr.exposure.bottleneck(one, weights[["p", "q"]])["bottleneck"], 0.7)


def test_a_reliability_without_end_is_no_sample_size():
    for what in (sr.metrics.dirichlet_shares, sr.metrics.dirichlet_moments):
        with pytest.raises(SchemaError):
            what([0.5, 0.5], np.inf)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sr.control.equity(["A"], ["B"], ["x"]),
        lambda: sr.metrics.hhi_bounds(["x"]),
        lambda: sr.metrics.dependency_screen(
            {"hhi_origins": "x", "outside_imports": 1, "inside_imports": 1, "exports": 1}, "EC2021"
        ),
        lambda: sr.metrics.substitution_index(
            {"a": 1.0}, pd.DataFrame({"application": ["a"], "sub": ["x"], "SP": 1.0, "SCr": 1.0, "SCo": 1.0})
        ),
    ],
)
def test_text_is_refused_in_the_words_of_the_library(call):
    with pytest.raises(SchemaError, match=r"not (a )?number"):
        call()

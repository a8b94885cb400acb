"""Governance weights and the concentration weighted by them."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pandas as pd
import pytest

from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.metrics.governance import Value, governance_weight, hhi_governance

E = pd.Series({"CHN": -0.30, "CHL": 1.00, "AUS": 1.50, "ARG": -0.05})
Q = pd.Series({"CHN": 620.0, "CHL": 180.0, "AUS": 120.0, "ARG": 80.0})


def test_variants_and_clipping() -> None:
    assert governance_weight(-0.3) == pytest.approx(5.6)
    assert governance_weight(3.0, "g01") == 0.0
    assert governance_weight(-2.9, "g10") == 10.0
    assert governance_weight(np.int64(1)) == 3.0
    with pytest.raises(SchemaError, match="not numbers"):
        governance_weight({"CHN": "bad"})
    assert governance_weight(25.0, "g_pr") == pytest.approx(0.75)
    frame = pd.DataFrame({"cc": [1.0, 0.0], "rl": [2.0, np.nan]}, index=["AUS", "TWN"])
    assert governance_weight(frame, countries=["AUS"])["AUS"] == pytest.approx(2.0)
    with pytest.raises(SchemaError, match="TWN"):  # a mean of one of two indicators is another figure
        governance_weight(frame)


def test_missing_policies_never_give_zero() -> None:
    who = ["CHN", "TWN"]
    with pytest.raises(SchemaError, match=r"TWN.*Never 0"):
        governance_weight(E, countries=who)
    assert governance_weight(E, countries=who, missing="neutral")["TWN"] == 5.0
    assert governance_weight(E, "g01", countries=who, missing="neutral")["TWN"] == 0.5
    regions = {"CHN": "Asia", "TWN": "Asia", "CHL": "America"}
    assert governance_weight(E, countries=who, missing="mean", regions=regions)["TWN"] == pytest.approx(5.6)
    assert governance_weight(E, countries=who, missing="mean")["TWN"] == pytest.approx((5.6 + 3 + 2 + 5.1) / 4)
    with pytest.raises(SchemaError, match="region"):
        governance_weight(E, countries=who, missing="mean", regions={"CHN": "Asia", "TWN": "Moon"})
    box = governance_weight(E, countries=who, missing="interval")
    assert math.isnan(box.loc["TWN", "value"])
    assert box.loc["TWN", ["low", "high"]].tolist() == [0.0, 10.0]
    box = governance_weight(E, countries=who, missing="interval", candidates=["AUS", "CHL"])
    assert box.loc["TWN", ["low", "high"]].tolist() == pytest.approx([2.0, 3.0])


def test_wrong_scale_and_names_are_refused() -> None:
    with pytest.raises(SchemaError, match="scale of the release"):
        governance_weight({"CHN": 27.4})
    with pytest.raises(UnknownNameError, match="g10"):
        governance_weight(E, "g100")
    with pytest.raises(SchemaError, match="Did you mean 'CHN'"):
        governance_weight({"CHN": 0.0}, countries=["CHNN"])


def test_alignment_is_by_key() -> None:
    g = governance_weight(E)
    shuffled = g.sample(frac=1.0, random_state=3)
    assert hhi_governance(Q, shuffled) == pytest.approx(hhi_governance(Q, g))
    assert hhi_governance(Q.to_dict(), shuffled.to_dict()) == pytest.approx(2.31128, abs=5e-7)
    assert hhi_governance(Q.to_numpy(), g.to_numpy()) == pytest.approx(2.31128, abs=5e-7)
    with pytest.raises(SchemaError, match="AUS"):
        hhi_governance(Q, g.drop("AUS"))
    assert hhi_governance({**Q, "XXX": 0.0}, g) == pytest.approx(2.31128, abs=5e-7)  # no supply, no weight needed


def test_edges_of_supply() -> None:
    g = governance_weight(E)
    empty = hhi_governance(Q * 0.0, g)
    assert math.isnan(empty)
    assert empty.reason
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(SchemaError, match="CHN"):
            hhi_governance({**Q, "CHN": bad}, g)
    with pytest.raises(SchemaError, match="twice"):
        hhi_governance(pd.concat([Q, Q]), g)


def test_residual_is_an_interval_not_a_supplier() -> None:
    g = {"A": 4.0, "B": 2.0}
    named = hhi_governance({"A": 50.0, "B": 30.0, "ROW": 20.0}, g)
    short = hhi_governance({"A": 0.5, "B": 0.3}, g, kind="fraction")
    expected = 0.25 * 4 + 0.09 * 2
    for r in (named, short):
        assert float(r) == pytest.approx(expected)
        assert r.low == pytest.approx(expected)
        assert r.high == pytest.approx(expected + 0.04 * 10)


def test_bounds_of_weights_pass_through() -> None:
    box = governance_weight({"A": 0.0}, countries=["A", "TWN"], missing="interval")
    r = hhi_governance({"A": 1.0, "TWN": 1.0}, box)
    assert math.isnan(r)
    assert (r.low, r.high) == pytest.approx((0.25 * 5, 0.25 * 5 + 0.25 * 10))


def test_value_is_a_float_and_survives_pickling() -> None:
    r = Value(0.5, unit="kg", method="m", low=0.1, high=0.9, reason="why", flags=["f"], parts={"a": 1})
    back = pickle.loads(pickle.dumps(r))
    assert back == 0.5
    assert (back.unit, back.low, back.high, back.flags, dict(back.parts)) == ("kg", 0.1, 0.9, ("f",), {"a": 1})
    assert isinstance(r, float)

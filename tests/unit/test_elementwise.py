"""One formula for a number, a column or a table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError

m = sr.metrics
KEYS = ["Ga", "Ge"]


def column(a, b):
    return pd.Series([a, b], index=KEYS)


CASES = {
    "asymmetry": ({"flow": 40, "base": 200, "reverse_flow": 40, "reverse_base": 900}, {"flow": 10, "base": 20}),
    "resourcing_ratio": (
        {"focal_imports": 520, "imports": 900, "world_exports": 9400, "focal_exports": 3100},
        {"focal_imports": 0, "imports": 0},
    ),
    "indispensability": ({"world_share": 0.45, "partner_dependence": 0.7}, {"world_share": 0.2}),
    "eu_supply_risk": (
        {"hhi_gs": 2.529808, "hhi_eu": 2.1134, "import_reliance": 0.75, "eol_rir": 0.12, "si_sr": 0.94},
        {"hhi_gs": 5.0, "eol_rir": 0.0},
    ),
    "trade_parameter": ({"tax": 0.3}, {"tax": 0.9}),
}


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("kind", ["series", "array", "mixed"])
def test_columns_give_what_the_numbers_give(name, kind):
    function = getattr(m, name)
    first, change = CASES[name]
    second = first | change
    want = [function(**first), function(**second)]
    columns = {k: column(first[k], second[k]) for k in first}
    if kind == "array":
        columns = {k: v.to_numpy() for k, v in columns.items()}
    if kind == "mixed":  # what does not change may be one number
        columns = {k: v if k in change else first[k] for k, v in columns.items()}
    got = function(**columns)
    np.testing.assert_array_equal(got["value"].to_numpy(), [float(v) for v in want])
    assert got["reason"].tolist() == [v.reason for v in want]
    assert got["flags"].tolist() == ["; ".join(v.flags) for v in want]
    assert got.attrs["unit"] == want[0].unit
    assert list(got.index) == (list(range(2)) if kind == "array" else KEYS)


def test_columns_are_matched_by_key_and_faults_are_named_together():
    got = m.asymmetry(column(40, 10), column(200, 20)[::-1], 40, 900)
    assert got.loc["Ga", "value"] == pytest.approx(0.2 - 40 / 900)
    with pytest.raises(SchemaError, match="key is not in all columns"):
        m.asymmetry(column(40, 10), pd.Series([1.0, 2.0], ["Ga", "Sb"]), 40, 900)
    with pytest.raises(SchemaError) as caught:
        m.asymmetry(column(-1, math.nan), 200, 40, 900)
    assert {p.row for p in caught.value.problems} == set(KEYS)
    with pytest.raises(SchemaError, match="different length"):
        m.asymmetry([1.0, 2.0], [3.0, 4.0, 5.0], 1, 2)


def test_partners_alone_are_partners_and_beside_a_column_cases():
    assert m.indispensability(0.5, [0.2, 0.4]) == pytest.approx(0.15)
    assert m.indispensability([0.5, 0.5], [0.2, 0.4])["value"].tolist() == pytest.approx([0.1, 0.2])


def test_net_import_reliance_of_arrays_is_that_of_series():
    args = [np.array([120.0, 50.0]), np.array([300.0, 60.0]), np.array([40.0, 10.0]), 0.0]
    by_key = m.net_import_reliance(*(pd.Series(a, KEYS) for a in args[:3]), 0.0)
    got = m.net_import_reliance(*args)
    np.testing.assert_array_equal(got["value"], by_key["value"])
    assert got["label"].tolist() == by_key["label"].tolist()


def test_governance_weighted_concentration_of_many_markets():
    q = pd.Series({("Ga", "CHN"): 98.0, ("Ga", "JPN"): 2.0, ("Sb", "CHN"): 60.0, ("Sb", "TJK"): 40.0})
    q.index.names = ["product", "country"]
    g = {"CHN": 5.6, "JPN": 2.0, "TJK": 7.0}
    got = m.hhi_governance(q, g, by="product")
    for product, part in q.groupby(level="product"):
        assert got.loc[product, "value"] == m.hhi_governance(part.droplevel("product"), g)
    with pytest.raises(SchemaError, match="no such index levels"):
        m.hhi_governance(q.droplevel("product").iloc[:2], g, by="product")
    with pytest.raises(SchemaError) as caught:
        m.hhi_governance(q, {"CHN": 5.6, "JPN": 2.0}, by="product")
    assert [p.row for p in caught.value.problems] == ["Sb: TJK"]


def test_geopolrisk_of_many_importers():
    world = {"A": 500.0, "B": 200.0, "C": 100.0}
    f = pd.Series({("X", "A"): 30.0, ("X", "B"): 10.0, ("Y", "A"): 5.0})
    f.index.names = ["importer", "origin"]
    home = pd.Series({"X": 20.0, "Y": 0.0}).rename_axis("importer")
    g = {"A": 0.6, "B": 0.32}
    got = m.geopolrisk(world, f, g, production=home, by="importer")
    assert got.loc["X", "value"] == m.geopolrisk(world, {"A": 30, "B": 10}, g, production=20.0)
    assert got.loc["Y", "value"] == m.geopolrisk(world, {"A": 5}, g, production=0.0)


def test_figures_off_their_scale_are_refused():
    row = {"hhi_origins": 4752.0, "outside_imports": 1000.0, "inside_imports": 400.0, "exports": 700.0}
    with pytest.raises(SchemaError, match="Divide by 1e4"):
        m.dependency_screen(row, "EC2021")
    row = {
        "outside_imports": 10.0,
        "exports": 1.0,
        "focal_imports": 20.0,
        "world_exports": 100.0,
        "focal_exports": 300.0,
    }
    with pytest.raises(SchemaError, match="of which it is a part") as caught:
        m.dependency_screen(row, "HJS2020")
    assert len(caught.value.problems) == 2
    for weight in (-5.0, 50.0):
        with pytest.raises(SchemaError, match=r"outside \[0, 10\]"):
            m.hhi_governance({"CHN": 1.0}, {"CHN": weight})
    for t in (0.0, 3.0):
        with pytest.raises(SchemaError, match=r"outside \[0\.8, 2\]"):
            m.hhi_governance({"CHN": 1.0}, {"CHN": 5.0}, {"CHN": t})


def test_what_is_no_supply_is_refused_and_an_unnamed_rest_is_no_supplier():
    for bad, words in (
        ([np.inf, 1.0], "infinite"),
        (["a", "b"], "not numbers"),
        (pd.Series([50.0, 50.0], ["CHN", "CHN"]), "stands twice"),
    ):
        with pytest.raises(SchemaError, match=words):
            m.hhi(bad)
    with pytest.raises(SchemaError, match="negative"):
        m.n_minus_1([1.0, 2.0], demand=-5.0)
    assert m.hhi({"CHN": 60.0, "ROW": 40.0}) == m.hhi([60.0], residual=40.0) == pytest.approx(0.36)
    # Within a stated total the rest of the world is part of what the named suppliers leave.
    assert m.hhi({"CHN": 60.0, "ROW": 40.0}, total=120.0) == m.hhi([60.0], total=120.0) == pytest.approx(0.25)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplyrisk.errors import UnitError
from supplyrisk.units import BASIS_FACTORS, basis_factor, convertible, factor, is_unit

MASS = ["t", "kg", "g", "kt", "Mt", "metric tons", "thousand metric tons", "kilograms", "pound", "troy_ounce", "carat"]


@given(st.sampled_from(MASS), st.sampled_from(MASS), st.sampled_from(MASS))
def test_factors_compose_and_invert(a, b, c):
    assert factor(a, b) * factor(b, c) == pytest.approx(factor(a, c), rel=1e-12)
    assert factor(a, b) * factor(b, a) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("source", "target", "want"),
    [
        ("t", "kg", 1000.0),
        ("thousand metric tons", "t", 1000.0),
        ("troy ounces", "g", 31.1034768),
        ("million liters", "m3", 1000.0),
        ("Mio m3", "m^3", 1e6),
        ("kusd", "USD", 1000.0),
        ("% of world market", "world_share", 0.01),
        ("carats", "g", 0.2),
        ("short_ton", "kg", 907.18474),
    ],
)
def test_known_factors(source, target, want):
    assert factor(source, target) == pytest.approx(want, rel=1e-12)


def test_dimensions_do_not_mix():
    assert not convertible("wafer", "t")
    assert not convertible("world_share", "t")
    with pytest.raises(UnitError, match=r"'wafer'.*'t'"):
        factor("wafer", "t")
    with pytest.raises(UnitError, match="unknown unit"):
        factor("tonness", "kg")
    assert not is_unit("")


def test_bases_convert_by_stated_factor_only():
    assert basis_factor("lithium", "contained", "LCE") == pytest.approx(5.323, abs=5e-4)
    assert basis_factor("wafer", "300mm", "200mm_eq") == 2.25
    for row in BASIS_FACTORS:
        there, back = (basis_factor(row.commodity, *p) for p in ((row.source, row.target), (row.target, row.source)))
        assert there * back == pytest.approx(1.0)
        assert row.reference
    with pytest.raises(UnitError, match="contained->LCE"):
        basis_factor("lithium", "contained", "oxide")


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9 t",
        "9^9^9 t",
        "t/0",
        "0 t",
        "t**9**9",
        "1/3 t",
        "-5 t",
        "nan t",
        "(t)",
        "t.__class__",
        "a" * 10_000_000,
        "t " * 400,
    ],
)
def test_no_unit_text_is_worked_out(text):
    assert not is_unit(text)
    with pytest.raises(UnitError, match="unknown unit"):
        factor(text, "t")


@pytest.mark.parametrize(
    ("text", "tonnes"),
    [
        *(("ton", 1.0), ("tons", 1.0), ("T", 1.0), ("m.t.", 1.0), ("KG", 1e-3), ("kgs", 1e-3), ("000 t", 1e3)),
        *(
            ("'000 tonnes", 1e3),
            ("1000 t", 1e3),
            ("kilotons", 1e3),
            ("kton", 1e3),
            ("KT", 1e3),
            ("Mt", 1e6),
            ("mln t", 1e6),
        ),
    ],
)
def test_spellings_of_tonnes(text, tonnes):
    assert factor(text, "t") == pytest.approx(tonnes, rel=1e-12)


@pytest.mark.parametrize(("text", "plain"), [("mt", "'t' or 'Mt'"), ("MT", "'t' or 'Mt'"), ("gr", "'g'")])
def test_a_spelling_of_two_meanings_is_refused_with_both(text, plain):
    assert not is_unit(text)
    with pytest.raises(UnitError, match=plain):
        factor(text, "t")

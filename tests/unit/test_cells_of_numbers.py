"""Figures in text: which mark parts decimals, and what parts thousands."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError
from supplyrisk.sources.cells import numbers


def read(cell: str, decimal: str) -> tuple[float, str]:
    row = numbers(pd.Series([cell]), decimal).iloc[0]
    return row["value"], row["code"]


@pytest.mark.parametrize("cell", ["12.5", "0.5", "1,234.5", "1.5e3", "1.23.4", "12,345,678"])
def test_an_announced_comma_is_not_read_into_points(cell):
    value, code = read(cell, ",")
    assert math.isnan(value)
    assert code == "decimal_point"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
        ("1.234.567", 1234567.0),
        ("-12,5", -12.5),
        ("1.234", 1234.0),
        ("7", 7.0),
    ],
)
def test_decimal_commas(cell, value):
    assert read(cell, ",") == (value, "")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1 234", 1234.0),
        ("12\u202f345\u202f678", 12345678.0),
        ("1\u2009234", 1234.0),
        ("1'234.5", 1234.5),
        ("500 (7)", 500.0),
    ],
)
def test_thousands_may_be_parted_by_a_blank(cell, value):
    assert read(cell, ".") == (value, "")


@pytest.mark.parametrize("cell", ["12 34", "2024 100", "500 123/"])
def test_two_numbers_are_none(cell):
    assert read(cell, ".")[1] == "text"


@pytest.mark.parametrize("cell", ["1.234.567", "1.234,5", "1 234,5"])
def test_a_comma_that_was_not_announced(cell):
    assert read(cell, ".")[1] == "decimal_comma"


@pytest.mark.parametrize("cell", ["12.5", "1,234.5"])
def test_tidy_and_baci_refuse_the_other_mark(tmp_path, cell):
    path = tmp_path / "t.csv"
    path.write_text(f"o;d;t\nChina;Germany;{cell}\n", encoding="utf-8")
    names = {"origin": "o", "destination": "d", "quantity": "t"}
    with pytest.raises(SourceError, match="decimal point"):
        sources.tidy(
            path, "links", names, decimal=",", unit="t", year=2024, source="x",
            values={"product": "ndfeb.magnet", "method": "observed"},
        )  # fmt: skip
    path = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    path.write_text(f't,i,j,k,v,q\n2024,156,842,850511,"{cell}","1,5"\n', encoding="utf-8")
    with pytest.raises(SourceError, match="decimal point"):
        sources.baci(path, decimal=",")


@pytest.mark.parametrize("cell", ["<0,1", "> 0,5", "0,5-1,5", "0,05 - 0,1", "1,5 e", "r1.234,5", "0,125", "<0,125"])
def test_a_decimal_comma_is_seen_in_bounds_ranges_and_marked_figures_too(cell):
    row = numbers(pd.Series([cell])).iloc[0]
    assert row["code"] == "decimal_comma"
    assert row[["value", "low", "high"]].isna().all()


def test_bounds_and_ranges_with_an_announced_comma():
    got = numbers(pd.Series(["<0,1", "0,5-1,5", "1 000 - 2.000,5", "1,5 e"]), ",")
    assert got[["low", "high"]].to_numpy()[:3].tolist() == [[0.0, 0.1], [0.5, 1.5], [1000.0, 2000.5]]
    assert got["value"].iloc[3] == 1.5


@pytest.mark.parametrize("cell", ["0.125", "-0.125"])
def test_no_group_of_thousands_is_nothing(cell):
    assert read(cell, ",")[1] == "decimal_point"


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("cell", ["500\n600", "1\n200", "12\t345", "1\r\n200", "12 \n 345"])
def test_figures_on_lines_of_their_own_are_not_one(cell, decimal):
    assert read(cell, decimal)[1] == "text"


@pytest.mark.parametrize("cell", ["500\n", "\n500", "500\n7/", "500\n(7)", "e\n500"])
def test_a_figure_with_its_mark_on_another_line(cell):
    assert read(cell, ".") == (500.0, "")


@pytest.mark.parametrize(
    ("cell", "value"), [("e500", 500.0), ("E5", 5.0), ("e1", 1.0), ("5e3", 5000.0), ("e/ 12", 12.0)]
)
def test_a_mark_before_a_figure_is_no_power_of_ten(cell, value):
    assert read(cell, ".") == (value, "")


def test_two_numbers_with_an_announced_comma_are_none():
    assert math.isnan(read("12 34", ",")[0])
    assert math.isnan(read("2024 100", ",")[0])


def test_a_bound_beyond_all_of_it_is_not_closed_below_itself():
    got = numbers(pd.Series([">50%", "> 1,000"]), percent=True)
    assert got["low"].tolist() == [50.0, 1000.0]
    assert got["high"].iloc[0] == 100.0
    assert math.isnan(got["high"].iloc[1])

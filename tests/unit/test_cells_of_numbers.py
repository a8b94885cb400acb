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

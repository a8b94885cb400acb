"""Units in the headers of an analyst's columns: used, or asked about, never passed over."""

from __future__ import annotations

import pandas as pd
import pytest

from supplyrisk import sources
from supplyrisk.errors import SchemaError
from supplyrisk.sources.header_units import unit_in_header


def _made(tmp_path, header, table="production", **k):
    file = tmp_path / "own.csv"
    file.write_text(f'country,product,year,"{header}"\nChina,cobalt.refined,2022,5\n')
    names = {c: c for c in ("country", "product", "year")} | {"quantity": header}
    return sources.tidy(file, table, columns=names, **k)


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("Quantity [kt]", "kt"), ("Quantity (kt)", "kt"), ("quantity_kt", "kt"), ("Menge in kg", "kg"), ("kg", "kg"),
        ("Output (thousand t)", "thousand t"), ("output_thousand_tonnes_2022", "thousand tonnes"), ("Output, kt/a", "kt"),
        ("Output 2022 t", "t"), ("Output (kt) [estimated]", "kt"), ("Quantity [wafers]", "wafers"),
        ("Menge (Tausend Tonnen)", "thousand t"),
    ],
)  # fmt: skip
def test_the_unit_of_a_header_is_used(tmp_path, header, unit):
    reading = _made(tmp_path, header)
    assert reading.inputs["production"]["unit"].tolist() == [unit]
    assert f"amounts are in {unit}, as the column {header!r} says" in reading.report.notes


@pytest.mark.parametrize(
    "header",
    [
        "Output (MT)",
        "Quantity (oz)",
        "Quantity [tpa]",
        "quantity_oz",
        "Menge [Paletten]",
        "Quantity (kt LCE)",
        "output MT",
    ],
)
def test_a_unit_that_cannot_be_told_is_asked_about(tmp_path, header):
    with pytest.raises(SchemaError, match="unit that cannot be told"):
        _made(tmp_path, header)
    reading = _made(tmp_path, header, unit="kt")
    assert reading.inputs["production"]["unit"].tolist() == ["kt"]


@pytest.mark.parametrize(
    "header",
    ["Quantity", "Output 2022", "Output (2022)", "quantity (est.)", "Quantity (a)", "net weight", "crushed stone", "Total (rounded)", "Menge"],
)  # fmt: skip
def test_headers_without_a_unit_state_none(tmp_path, header):
    assert unit_in_header(header) == (None, None)
    assert "unit" not in _made(tmp_path, header).inputs["production"]


def test_what_is_stated_beside_a_header_counts_and_a_header_that_differs_is_noted(tmp_path):
    reading = _made(tmp_path, "Quantity [kt]", unit="t")
    assert reading.inputs["production"]["unit"].tolist() == ["t"]
    assert any("says kt; t counts" in n for n in reading.report.notes)
    reading = _made(tmp_path, "Quantity [kt]", values={"unit": "t"})
    assert reading.inputs["production"]["unit"].tolist() == ["t"]


def test_trade_in_a_header_of_kilotonnes_becomes_tonnes_and_values_in_thousands_are_refused(tmp_path):
    file = tmp_path / "flows.csv"
    file.write_text("year,hs6,origin,destination,q_kt,V (thousand USD),low [t]\n2022,850511,China,Japan,5,10,1\n")
    names = {c: c for c in ("year", "hs6", "origin", "destination")} | {"quantity": "q_kt"}
    assert sources.tidy(file, "trade", columns=names).inputs["trade"]["quantity"].tolist() == [5000.0]
    with pytest.raises(SchemaError, match="values are in USD") as found:
        sources.tidy(file, "trade", columns={**names, "value": "V (thousand USD)", "low": "low [t]"})
    assert "several units" in str(found.value)


def test_headings_that_a_file_holds_as_numbers_are_six_digits(tmp_path):
    flows = pd.DataFrame(
        {"year": 2022, "origin": "China", "destination": "Japan", "quantity": 1.0, "value": 1.0}, index=range(3)
    )
    for codes in ([850511.0, 10110.0, None], pd.array([850511, 10110, None], dtype="Int64")):
        flows.assign(hs6=codes).to_parquet(tmp_path / "t.parquet")
        read = sources.tidy(tmp_path / "t.parquet", "trade").inputs["trade"]["hs6"]
        assert read.tolist()[:2] == ["850511", "010110"]
        assert read.isna().tolist() == [False, False, True]

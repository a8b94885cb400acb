"""ICMM facilities: locations, several assets in one cell, trailing spaces."""

from __future__ import annotations

import openpyxl
import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError

HEAD = ["ICMMID", "Confidence Factor", "Mine Name", "Group Names", "Latitude", "Longitude", "Asset Type", "Country",
        "Primary Commodity", "Secondary Commodity", "Other Commodities"]  # fmt: skip


def book(tmp_path, *rows, sheet="External"):
    out = openpyxl.Workbook()
    out.active.title = "About"
    page = out.create_sheet(sheet)
    for row in (HEAD, *rows):
        page.append(row)
    path = tmp_path / "icmm.xlsx"
    out.save(path)
    return path


def test_assets_commodities_and_products(tmp_path):
    rows = [["I1", "High", "A", None, 1.5, 2.5, "Smelter;Refinery", "Congo, Dem. Rep.", "copper ", "cobalt", "gold;silver"],
            ["I2", "Very Low", "B", None, 95, 2.5, "Refinery; Steel Plant", "Chile", "aluminium", None, None],
            ["I2", "Very Low", "B again", None, 5, 2.5, "Mine", "Chile", "aluminium", None, None]]  # fmt: skip
    reading = sources.icmm_facilities(book(tmp_path, *rows))
    data = reading.data
    assert data["country"].tolist() == ["COD", "CHL"]
    assert data["commodities"].tolist()[0] == ("copper", "cobalt", "gold", "silver")
    assert data["products"].tolist() == [("copper.refined",), ("aluminium.refined",)]
    assert data["latitude"].isna().tolist() == [False, True]
    assert data["grade"].tolist() == ["A", "C"]
    assert reading.report.rows_dropped == 1
    assert set(reading.tables) == {"sources"}  # no output, no owners: no nodes


def test_formula_cells_are_not_evaluated(tmp_path):
    rows = [["I1", "High", "=1+1", None, 1.5, 2.5, "Mine", "Chile", "copper", None, None]]
    data = sources.icmm_facilities(book(tmp_path, *rows)).data
    assert data["name"].tolist() == [""]  # never computed by anybody, so there is no value


def test_another_workbook_is_refused(tmp_path):
    with pytest.raises(SourceError):
        sources.icmm_facilities(book(tmp_path, sheet="Other"))
    (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(SourceError):
        sources.icmm_facilities(tmp_path / "x.xlsx")


@pytest.mark.realdata
def test_the_published_workbook(published):
    data = sources.icmm_facilities(published / "facilities" / "ICMM_global_mining_dataset_2025-09.xlsx").data
    assert len(data) == 8508
    assert data["country"].notna().all()
    assert data["latitude"].notna().all()
    assert (data["products"].map(lambda p: "copper.refined" in p)).sum() > 100


@pytest.mark.parametrize("name", ["Country or Region", "country/region"])
def test_other_names_of_the_column_of_countries(tmp_path, monkeypatch, name):
    monkeypatch.setitem(globals(), "HEAD", [name if c == "Country" else c for c in HEAD])
    row = ["I1", "High", "A", None, 1.5, 2.5, "Mine", "Zambia", "Copper", None, None]
    assert sources.icmm_facilities(book(tmp_path, row)).data["country"].tolist() == ["ZMB"]

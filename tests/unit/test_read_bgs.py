"""World Mineral Statistics: columns in any order, nil and not available, units in words."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError

TEXT = (
    "country_iso3_code,units,bgs_commodity_trans,quantity,year,bgs_sub_commodity_trans,country_trans,"
    "bgs_statistic_type_trans,sdmx_translation,data_precision_description,concat_figure_notes_text\n"
    'CHN,tonnes (metal content),"antimony, mine",41000,2023-01-01 00:00:00,,China,Production,Normal value,,Estimates.\n'
    'AUS,tonnes (metal content),"antimony, mine",0,2023-01-01 00:00:00,,Australia,Production,Normal Value,Nil (nothing produced),\n'
    'MEX,tonnes (metal content),"antimony, mine",,2023-01-01 00:00:00,,Mexico,Production,Missing value,Figures not available,\n'
    'CAN,tonnes (metal content),"antimony, mine",0,2023-01-01 00:00:00,,Canada,Production,Not Significant,Quantity is more than 0 but less than 0.5,\n'
    'SUN,tonnes (metal content),"antimony, mine",7000,1985-01-01 00:00:00,,Soviet Union,Production,Normal value,,\n'
    "CHN,tonnes (metric),ferro-alloys,5,2023-01-01 00:00:00,Silicon metal,China,Production,Normal value,,\n"
    "CHN,tonnes (metric),ferro-alloys,9,2023-01-01 00:00:00,Ferro-silicon,China,Production,Normal value,,\n"
    "CHN,kilograms (metal content),\"platinum group metals, mine\",3,2023-01-01 00:00:00,Platinum,China,Production,Normal value,,\n"
    'CHN,tonnes (metal content),"antimony, mine",77,2023-01-01 00:00:00,,China,Exports,Normal value,,\n'
)  # fmt: skip


@pytest.fixture
def reading(tmp_path):
    (tmp_path / "b.csv").write_text(TEXT)
    return sr.sources.bgs(tmp_path / "b.csv")


def test_nil_missing_and_less_than_half_are_three_things(reading):
    p = reading.inputs["production"]
    p = p[(p["product"] == "antimony.mine") & (p["year"] == 2023)].set_index("country")
    assert (p.loc["CHN", "quantity"], p.loc["CHN", "grade"]) == (41000.0, "B")
    assert p.loc["AUS", "quantity"] == 0.0
    assert (pd.isna(p.loc["MEX", "quantity"]), p.loc["MEX", "missing"]) == (True, "not_available")
    assert (p.loc["CAN", "low"], p.loc["CAN", "high"], pd.isna(p.loc["CAN", "quantity"])) == (0.0, 0.5, True)


def test_former_states_keep_their_code(reading):
    p = reading.inputs["production"]
    assert p[p["year"] == 1985]["country"].tolist() == ["SUN"]


def test_forms_are_told_apart_and_exports_are_no_production(reading):
    p = reading.inputs["production"].set_index(["product", "country"])["quantity"]
    assert p["silicon.metal", "CHN"] == 5.0
    assert p["ferrosilicon.gross", "CHN"] == 9.0
    assert p["platinum.mine", "CHN"] == 3.0
    assert 77.0 not in p.tolist()
    assert (reading.data["statistic"] == "Exports").sum() == 1


def test_absent_columns_are_all_named(tmp_path):
    (tmp_path / "x.csv").write_text("year,quantity\n2023,5\n")
    with pytest.raises(SourceError) as caught:
        sr.sources.bgs(tmp_path / "x.csv")
    assert {p.column for p in caught.value.problems} == {"country", "commodity", "unit"}


@pytest.mark.realdata
def test_every_published_file(published):
    files = sorted((published / "bgs_wms").glob("*.csv.gz"))
    assert len(files) == 12
    last = {}
    for file in files:
        out = sr.sources.bgs(file)
        assert not [u for u in out.report.unmapped if u["kind"] in ("country", "unit")]
        p = out.inputs["production"].query("year == 2023").set_index(["product", "country"])["quantity"]
        last.update(p.to_dict())
    assert last["antimony.mine", "CHN"] == 41000.0
    assert last["gallium.refined", "CHN"] == 621000.0
    assert last["rare_earths.mine", "CHN"] == 255000.0


def test_rows_of_trade_are_told(tmp_path):
    path = tmp_path / "bgs.csv"
    head = "year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
    row = '2023-01-01 00:00:00,China,CHN,"gallium, primary",tonnes (metric),60,'
    path.write_text(head + row + "Production\n" + row + "Imports\n", encoding="utf-8")
    assert "1 rows of 'Imports' are no production" in str(sr.sources.bgs(path).report)

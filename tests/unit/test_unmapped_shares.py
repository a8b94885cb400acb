"""Every name that no concordance knows, and every class of dropped rows, comes with its share of what the file carries."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.sources import Report

HEAD = "year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"


def reported(report, kind):
    return {u["name"]: (u["value_share"], u.get("of")) for u in report.unmapped if u["kind"] == kind}


def left_out(report):
    return {d["reason"]: (d["rows"], d.get("share"), d.get("of")) for d in report.dropped}


def test_world_mining_data(tmp_path):
    file = tmp_path / "wmd.csv"
    file.write_text(
        "commodity,Country,2021,2022,unit\nGallium,China,300,300,metr. t\nGallium,Atlantis,100,200,metr. t\n"
        "Gallium,Total,400,500,metr. t\nUnobtainium,China,200,500,metr. t\nUnobtainium,Total,200,500,metr. t\n"
    )
    report = sr.sources.wmd(file).report
    assert reported(report, "country") == {"Atlantis": (pytest.approx(0.4), "quantity")}  # of gallium in 2022
    assert reported(report, "commodity") == {"Unobtainium": (pytest.approx(0.5), "tonnage")}
    assert "40.00% of the " in str(report)


def test_world_mineral_statistics(tmp_path):
    file = tmp_path / "bgs.csv"
    rows = [("2023", "China", "CHN", '"gallium, primary"', 300), ("2023", "Atlantis", "ATL", '"gallium, primary"', 100),
            ("2023", "China", "CHN", "unobtainium", 1200), ("1999", "China", "CHN", '"gallium, primary"', 400),
            ("never", "China", "CHN", '"gallium, primary"', 800)]  # fmt: skip
    file.write_text(HEAD + "".join(f"{y},{n},{c},{k},tonnes (metric),{q},Production\n" for y, n, c, k, q in rows))
    report = sr.sources.bgs(file, since=2000).report
    assert reported(report, "country") == {"Atlantis": (pytest.approx(0.25), "quantity")}
    assert reported(report, "commodity") == {"unobtainium": (pytest.approx(0.75), "tonnage")}
    assert left_out(report) == {
        "year not readable": (1, pytest.approx(0.5), "quantity"),
        "before 2000": (1, pytest.approx(0.25), "quantity"),
    }


def test_shares_of_the_commission(tmp_path):
    file = tmp_path / "GlobalSupplyShares.csv"
    file.write_text(
        "Material,Stage,Country,Share\nGallium,P,China,60%\nGallium,P,Atlantis,20%\nGallium,P,Total,80%\n"
        "Unobtainium,E,China,90%\nUnobtainium,E,Japan,<0.1%\n"
    )
    report = sr.sources.eu_crm(file, edition=2023).report
    assert reported(report, "country") == {"Atlantis": (pytest.approx(0.25), "supply of a material")}
    assert reported(report, "material") == {"Unobtainium E": (pytest.approx(90 / 170), "the shares of all materials")}
    assert left_out(report) == {"totals and unions": (1, pytest.approx(0.5), "the shares of a material, totals too")}


def test_baci_by_value_and_by_weight(tmp_path):
    file = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    file.write_text(
        "t,i,j,k,v,q\n2024,156,842,850511,60,10\n2024,9999,842,850511,20,5\n2024,392,392,850511,10,5\n"
        "x,392,842,850511,10,5\n2024,156,842,850511,60,10\n2024,156,842,010121,300,1\n"
    )
    report = sr.sources.baci(file, products=["ndfeb.magnet"]).report
    assert reported(report, "country") == {"9999": (pytest.approx(20 / 160), "value")}
    assert left_out(report) == {
        "heading not asked for": (1, pytest.approx(300 / 460), "value"),
        "the very same row once more": (1, pytest.approx(60 / 160), "value"),
        "unreadable year, number or place": (2, pytest.approx(30 / 160), "value"),
        "origin is destination": (1, pytest.approx(10 / 160), "value"),
    }
    file.write_text("t,i,j,k,q\n2024,156,842,850511,30\n2024,9999,842,850511,10\n2024,9999,842,010121,x\n")
    report = sr.sources.baci(file, products=["ndfeb.magnet"]).report
    assert reported(report, "country") == {"9999": (pytest.approx(0.25), "quantity")}


def test_governance_indicators_by_rows(tmp_path):
    file = tmp_path / "wgi.csv"
    file.write_text(
        "code,countryname,year,indicator,estimate,stddev\nCHN,China,2023,pv,-0.5,0.2\nATL,Atlantis,2023,pv,0.5,0.2\n"
        "CHN,China,2023,xx,0,0.2\nCHN,China,2023,rl,9,0.2\n"
    )
    report = sr.sources.wgi(file).report
    assert reported(report, "country") == {"ATL": (0.25, "rows")}
    assert reported(report, "indicator") == {"xx": (0.25, "rows")}
    assert {k: v[1:] for k, v in left_out(report).items()} == {
        "no country, indicator or year that is known": (0.5, "rows"),
        "estimates beyond -4 to 4: no estimate is": (0.25, "rows"),
    }


def test_units_that_do_not_convert_are_weighed_by_rows(tmp_path):
    file = tmp_path / "wmd.csv"
    file.write_text("commodity,Country,2022,unit\nGallium,China,300,metr. t\nGallium,Japan,3,barrels\n")
    assert reported(sr.sources.wmd(file).report, "unit") == {"barrels": (0.5, "rows of a product and year")}


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "path"),
    [("wmd", "world_mining_data/world_mining_data.db"), ("bgs", "bgs_wms/BGS_REs_production.csv.gz"),
     ("bgs", "bgs_wms/BGS_ferroalloys_production.csv.gz"), ("eu_crm", "eu_crm/fact_GlobalSupplyShares&t.csv"),
     ("eu_crm", "eu_crm/fact_EUSupplyShares&t.csv"), ("wgi", "wgi/wgidataset.csv.gz"),
     pytest.param("baci", "baci/baci_crm32_panel_2002_2024.parquet", marks=pytest.mark.deep), ("iea", "iea/iea_critical_minerals_explorer.json"),
     ("usgs_mcs", "usgs_mcs/MCS2026_Commodities_Data.csv"), ("usgs_mcs", "usgs_mcs/MCS2025_World_Data.csv"),
     ("comtrade", "comtrade/comtrade_raw_2022_10codes.csv.gz"), ("eto_chipexplorer", "eto_chipexplorer/2026-08"),
     ("cobalt_network", "cobalt_chain"), ("aiddata_projects", "china_outbound/gcdf3_geo_projects.csv.gz"),
     ("aei_investments", "china_outbound/china_investment_tracker.csv")],
)  # fmt: skip
def test_no_name_and_no_class_of_rows_of_a_real_file_is_without_a_share(published, name, path):
    report = getattr(sr.sources, name)(published / path).report
    assert [u for u in report.unmapped if u["value_share"] is None] == []
    assert [d for d in report.dropped if d.get("share") is None] == []


def test_a_table_without_amounts_is_weighed_by_rows(tmp_path):
    file = tmp_path / "acts.csv"
    file.write_text(
        "id,target,good,day\n1,all destinations,gallium.refined,2023-07-03\n2,Atlantis,gallium.refined,2023-07-03\n"
    )
    columns = {"measure": "id", "target": "target", "product": "good", "announced": "day"}
    reading = sr.sources.tidy(file, "measures", columns, values={"actor": "CHN", "kind": "licence"})
    assert reading.tables["measures"]["target"].tolist() == ["ALL"]
    assert reported(reading.report, "country") == {"Atlantis": (0.5, "rows")}
    assert left_out(reading.report) == {"place that no concordance knows": (1, 0.5, "rows")}


def test_the_table_of_a_report_says_of_what_each_share_is():
    names = pd.Series(["Atlantis", "Atlantis"], index=[0, 2])
    amount = pd.Series([4.0, 3.0, 0.0, 9.0])
    group = pd.Series(["Ga", "Ga", "Sb", "Sb"], name="commodity")
    report = Report("mine", "mine.csv", "private", rows_read=4)
    report.unknown("country", names, amount, [group], of="quantity")
    report.unknown("heading", names, amount)
    report.leave_out("before 2000", pd.Series([True, False, False, False]), amount)
    report.drop("odd", 1)
    report.notes.append("a note")
    rows = report.frame().set_index(["what", "detail"])
    said = rows["share_of"].fillna("").to_dict()
    assert said["unmapped country", "Atlantis"] == "at most: the quantity of rows with the same commodity"
    assert said["unmapped heading", "Atlantis"] == said["dropped", "before 2000"] == "value"
    assert {said["dropped", "odd"], said["note", "a note"], said["read", "mine.csv"]} == {""}
    assert (rows["share_of"].notna() == rows["value_share"].notna()).all()
    assert "1 rows, at most" not in str(report)
    assert "2 rows, at most 57.14% of the quantity of rows with the same commodity" in str(report)
    assert "2 rows, 25.00% of value" in str(report)

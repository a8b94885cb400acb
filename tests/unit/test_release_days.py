"""When a release came out is the caller's word or the file's; where neither says it, it is not known, and a note says so."""

from __future__ import annotations

import openpyxl
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError

WMD = "commodity,Country,2021,2022,unit\nGallium,China,300,300,metr. t\n"
BGS = ("year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
       '2023,China,CHN,"gallium, primary",tonnes (metric),600,Production\n')  # fmt: skip
WGI = "code,countryname,year,indicator,estimate,stddev\nCHN,China,2023,pv,-0.5,0.2\n"
EU = "Material,Stage,Country,Share\nGallium,P,China,60%\n"
BACI = "t,i,j,k,v,q\n2024,156,842,850511,745.5,10\n"
COMTRADE = "period,reporterISO,partnerISO,flowCode,cmdCode,primaryValue,netWgt\n2022,USA,CHN,M,850511,75,5\n"
AID = "AidData Record ID,{},Title,Status,Sector Name,Recipient,Commitment Year\n1,5,Loan,Completion,INDUSTRY,Zambia,2010\n"
ICMM = "ICMMID,Mine Name,Asset Type,Country,Primary Commodity\nICMM1,Kansanshi,Mine,Zambia,copper\n"
ICIO = "V1,CHN_A,JPN_A,CHN_HFCE,OUT\nCHN_A,1,2,7,10\nJPN_A,3,1,1,5\nVA,6,2,,\nOUT,10,5,,\n"
AEI = "Year,Month,Investor,Millions,Share Size,Partner/Target,Sector,Country\n2007,June,C,$790 ,100%,P,Metals,Peru\n"
CASES = [
    ("wmd", "production.csv", WMD, None),
    ("wmd", "World_Mining_Data_2024.csv", WMD, "2024"),
    ("wmd", "wmd_production_2018_2022.csv", WMD, None),
    ("bgs", "bgs.csv", BGS, None),
    ("wgi", "wgidataset.csv", WGI, None),
    ("eu_crm", "CRM_2020_GlobalSupplyShares.csv", EU, "2020"),
    ("baci", "BACI_HS17_Y2024_V202601.csv", BACI, "2026-01"),
    ("baci", "trade_2024.csv", BACI, None),
    ("comtrade", "extract.csv", COMTRADE, None),
    ("aiddata_projects", "a.csv", AID.format("Amount (Constant USD 2021)"), "2023"),
    ("aiddata_projects", "a.csv", AID.format("Amount (Constant USD2017)"), "2021"),
    ("aei_investments", "t.csv", AEI, None),
    ("icmm_facilities", "icmm.csv", ICMM, None),
    ("icmm_facilities", "ICMM_global_mining_dataset_2025-09.csv", ICMM, "2025-09"),
    ("inter_country_table", "2019_SML.csv", ICIO, None),
    ("inter_country_table", "ICIO2023_2019.csv", ICIO, "2023"),
    ("inter_country_table", "matrix_eu-ic-io_ind-by-ind_24ed_2019.csv", ICIO, "2024"),
    ("inter_country_table", "WIOT2014_Nov16_ROW.csv", ICIO, "2016-11"),
]


@pytest.mark.parametrize(("reader", "name", "text", "day"), CASES)
def test_the_file_says_it_or_nobody_does(tmp_path, reader, name, text, day):
    file = tmp_path / name
    file.write_text(text)
    read = getattr(sr.sources, reader)
    reading = read(file)
    assert reading.report.published_on == day
    assert any("published_on=" in n for n in reading.report.notes) == (day is None)
    given = read(file, published_on="2025-03-31")
    assert given.report.published_on == "2025-03-31"
    assert not any("published_on=" in n for n in given.report.notes)
    for want, r in ((day, reading), ("2025-03-31", given)):
        for frame in [
            *r.tables.values(),
            *(f for k, f in r.inputs.items() if k in ("production", "trade", "sourcing")),
        ]:
            if "published_on" in frame and len(frame):
                assert set(frame["published_on"].astype("object").where(frame["published_on"].notna(), None)) == {want}
    with pytest.raises(SchemaError, match="no date"):
        read(file, published_on="last spring")


def test_the_year_of_a_table_is_not_that_of_its_edition(tmp_path):
    for name, said in (("ICIO2023_2019.csv", "table of 2019"), ("WIOT2014_Nov16_ROW.csv", "table of 2014")):
        (tmp_path / name).write_text(ICIO)
        assert sr.sources.inter_country_table(tmp_path / name).report.vintage.startswith(said)


def test_days_on_cover_sheets(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "Readme"
    book.active.append(["Worldwide Governance Indicators, released October 30, 2024"])
    sheet = book.create_sheet("Sheet1")
    for row in (
        ["code", "countryname", "year", "indicator", "estimate", "stddev"],
        ["CHN", "China", 2023, "rl", -0.1, 0.2],
    ):
        sheet.append(row)
    book.save(tmp_path / "wgi.xlsx")
    reading = sr.sources.wgi(tmp_path / "wgi.xlsx")
    assert reading.report.published_on == "2024-10-30"
    assert reading.tables["sources"]["year"].tolist() == [2024]
    book = openpyxl.Workbook()
    book.active.title = "Gallium"
    for row in (["World Mining Data 2025"], ["Country", "unit", 2023], ["China", "metr. t", 5]):
        book.active.append(row)
    book.save(tmp_path / "6.4.xlsx")
    reading = sr.sources.wmd(tmp_path / "6.4.xlsx")
    assert (reading.report.published_on, reading.report.vintage) == ("2025", "WMD 2025 (data to 2023)")


def test_of_two_releases_without_a_day_the_later_data_count(tmp_path):
    rows = {2022: 300, 2023: 400}
    readings = []
    for last, made in rows.items():
        (tmp_path / f"w{last}.csv").write_text(
            f"commodity,Country,2021,{last},unit\nGallium,China,{made},{made},metr. t\n"
        )
        readings.append(sr.sources.wmd(tmp_path / f"w{last}.csv"))
    for order in (readings, readings[::-1]):
        nodes = sr.sources.together(*order).nodes
        assert nodes.loc[nodes["year"] == 2021, "output"].tolist() == [400_000.0]


@pytest.mark.realdata
def test_real_files(published):
    s = sr.sources
    assert (
        s.icmm_facilities(published / "facilities/ICMM_global_mining_dataset_2025-09.xlsx").report.published_on
        == "2025-09"
    )
    assert s.eto_chipexplorer(published / "eto_chipexplorer/2026-08").report.published_on == "2026-08"
    assert s.bgs(published / "bgs_wms/BGS_gallium_production.csv.gz").report.published_on is None
    assert s.usgs_mcs(published / "usgs_mcs/MCS2025_World_Data.csv").report.published_on == "2025-01-31"
    reading = s.wmd(published / "world_mining_data/wmd_production_2018_2022.csv")
    assert reading.report.published_on is None
    assert (
        s.wmd(published / "world_mining_data/wmd_production_2018_2022.csv", edition=2024).report.published_on == "2024"
    )

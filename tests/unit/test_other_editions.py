"""Other editions of the published formats: moved headers, cover sheets, renamed columns, other packings."""

from __future__ import annotations

import json
import sqlite3
import zipfile

import openpyxl
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError

BACI = "t,i,j,k,v,q\n2024,156,842,850511,745.5,10\n2024,490,842,850511,255.25,5\n"


def book(path, **sheets):
    wb = openpyxl.Workbook()
    wb.remove(wb.active)
    for name, rows in sheets.items():
        sheet = wb.create_sheet(name)
        for row in rows:
            sheet.append(row)
    wb.save(path)
    return path


# ---------------------------------------------------------------------- governance indicators


def test_wgi_with_a_sheet_per_indicator_and_thresholds(tmp_path):
    head = ["Economy (code)", "Economy (name)", "Year", "Governance estimate (approx. -2.5 to +2.5)"]
    ends = ["Lower threshold (90% conf. int. estimate)", "Upper threshold (90% conf. int. estimate)"]
    china = ["CHN", "China", 2024, -0.1, -0.4, 0.2]
    file = book(
        tmp_path / "wgi.xlsx",
        Readme=[["about"]],
        rl=[["World Bank"], [None], [*head, *ends], china],
        va=[[*head, *ends], ["NAM", "Namibia", 2024, 0.5, 0.25, 0.75]],
    )
    table = sr.sources.wgi(file).tables["countries"].set_index(["country", "indicator"])
    assert table.loc[("CHN", "wgi_rl"), ["value", "low", "high"]].tolist() == [-0.1, -0.4, 0.2]
    assert table.loc[("NAM", "wgi_va"), ["value", "low", "high"]].tolist() == [0.5, 0.25, 0.75]
    assert len(sr.sources.wgi(file, sheet="rl").tables["countries"]) == 1


def test_wgi_with_years_over_blocks_of_columns(tmp_path):
    titles = ["Estimate", "StdErr", "NumSrc", "Rank", "Lower", "Upper"]
    rows = [["Notes"], [None, None, *[2020] * 6, *[2021] * 6], ["Country/Territory", "Code", *titles, *titles]]
    rows.append(["China", "CHN", -1.6, 0.1, 9, 5, 0, 10, "#N/A", "#N/A", 9, 5, 0, 10])
    file = book(tmp_path / "wgi.xlsx", Introduction=[["WGI"]], RuleofLaw=rows)
    table = sr.sources.wgi(file).tables["countries"].set_index("year")
    assert table.loc[2020, "value"] == -1.6
    assert table.loc[2020, "low"] == pytest.approx(-1.6 - 1.645 * 0.1)
    assert table.loc[2021, "missing"] == "not_available"


def test_wgi_of_the_databank_keeps_its_standard_errors(tmp_path):
    file = tmp_path / "bank.csv"
    file.write_text(
        "Country Name,Country Code,Series Name,Series Code,2023 [YR2023]\n"
        "China,CHN,Rule of Law: Estimate,RL.EST,-0.2\nChina,CHN,Rule of Law: Standard Error,RL.STD.ERR,0.2\n"
    )
    reading = sr.sources.wgi(file)
    row = reading.tables["countries"].iloc[0]
    assert (row["value"], row["high"]) == (-0.2, pytest.approx(-0.2 + 1.645 * 0.2))
    assert not reading.report.unmapped


def test_a_governance_score_of_0_to_100_is_no_estimate(tmp_path):
    file = tmp_path / "score.csv"
    file.write_text("Economy (code),Year,Governance dimension,Governance score (0-100)\nCHN,2024,rl,48\n")
    with pytest.raises(SourceError, match="column is absent"):
        sr.sources.wgi(file)


# ---------------------------------------------------------------------- China abroad


def test_the_investment_tracker_under_a_cover_sheet(tmp_path):
    head = ["Year", "Month", "Investor", "Quantity in Millions", "Share Size", "Transaction Party", "Sector", "Country"]
    deals = [
        [2018, "May", "Tianqi", 4070, 0.24, "SQM", "Metals", "Chile"],
        [2019, "May", "X", 100, ">50%", "Y", "Metals", "Chile"],
        [2019, "May", "X", 100, "60%", "NA", "Metals", "Chile"],
    ]
    file = book(tmp_path / "t.xlsx", Cover=[["tracker"]], Data=[["This dataset ..."], [None], head, *deals])
    reading = sr.sources.aei_investments(file)
    assert reading.tables["holdings"][["asset", "share"]].values.tolist() == [["SQM (CHL)", 0.24]]
    notes = " ".join(reading.report.notes)
    assert "row 3 of sheet 'Data'" in notes
    assert "1 deals state a bound" in notes


def test_aiddata_of_version_2(tmp_path):
    file = tmp_path / "gcdf.csv"
    file.write_text(
        "AidData TUFF Project ID,Recommended For Aggregates,Title,Status,Commitment Year,AidData Sector Name,Recipient,"
        "Amount (Constant USD2017)\n1,No,Loan for X copper mine,Completion,2010,INDUSTRY,Zambia,5000000\n"
    )
    reading = sr.sources.aiddata_projects(file)
    row = reading.data.iloc[0]
    assert (row["country"], row["value_usd"], row["aggregate"], row["product"]) == ("ZMB", 5e6, "No", "copper.mine")
    assert any("USD2017" in n for n in reading.report.notes)


# ---------------------------------------------------------------------- European Commission


@pytest.mark.parametrize("text", ["0.80", "80%", "80"])
def test_eu_shares_as_fraction_or_percent(tmp_path, text):
    other = "0.08" if text == "0.80" else "8%"
    file = tmp_path / "GlobalSupplyShares.csv"
    file.write_text(f"Raw material,Stage,Supplier,Share of supply\nGallium,P,China,{text}\nGallium,P,Germany,{other}\n")
    made = sr.sources.eu_crm(file, edition=2023).inputs["production"].set_index("country")["quantity"]
    assert made.to_dict() == pytest.approx({"CHN": 0.8, "DEU": 0.08})


def test_eu_decimal_comma_is_asked_for_and_the_edition_is_the_users(tmp_path):
    file = tmp_path / "GlobalSupplyShares.csv"
    file.write_text("Material;Stage;Country;Share;t\nGallium;P;China;80,5%;1,3\n")
    with pytest.raises(SourceError, match="decimal comma"):
        sr.sources.eu_crm(file)
    reading = sr.sources.eu_crm(file, decimal=",", edition=2020)
    assert reading.data[["share", "t"]].values.tolist() == [[80.5, 1.3]]
    assert reading.inputs["production"][["year", "source", "published_on"]].values.tolist() == [
        [2016, "ec_crm_2020", "2020"]
    ]


# ---------------------------------------------------------------------- trade


def test_baci_in_utf_16_and_in_partitions(tmp_path):
    wide = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    wide.write_text(BACI, encoding="utf-16")
    (tmp_path / "years" / "t=2024").mkdir(parents=True)
    frame = pd.DataFrame({"i": [156, 490], "j": 842, "k": 850511, "v": [745.5, 255.25], "q": [10.0, 5.0]})
    frame.to_parquet(tmp_path / "years" / "t=2024" / "part-0.parquet")
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / wide.name).write_text(BACI)
    want = sr.sources.baci(plain / wide.name).data
    pd.testing.assert_frame_equal(sr.sources.baci(wide).data, want)
    parts = sr.sources.baci(tmp_path / "years").data  # names no version: another source, of no stated day
    whose = ["published_on", "source"]
    pd.testing.assert_frame_equal(parts.drop(columns=whose), want.drop(columns=whose))


def test_baci_with_a_decimal_comma_twins_and_two_versions(tmp_path):
    file = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    file.write_text(BACI.replace(",", ";").replace(".", ","))
    with pytest.raises(SourceError, match="decimal comma"):
        sr.sources.baci(file)
    assert sr.sources.baci(file, decimal=",").data["value"].tolist() == [745_500.0, 255_250.0]
    file.write_text(BACI + BACI.splitlines()[1] + "\n")
    reading = sr.sources.baci(file)
    assert reading.data["value"].sum() == 1_000_750.0
    assert reading.report.rows_dropped == 1
    (tmp_path / "BACI_HS17_Y2023_V202401.csv").write_text(BACI.replace("2024", "2023"))
    with pytest.raises(SourceError, match="several versions"):
        sr.sources.baci(tmp_path)


# ---------------------------------------------------------------------- production


def test_bgs_as_features_and_as_a_workbook(tmp_path):
    row = {"year": "2023-01-01", "country_trans": "China", "country_iso3_code": "CHN", "units": "tonnes (metric)"}
    row |= {"bgs_commodity_trans": "gallium, primary", "quantity": "600", "bgs_statistic_type_trans": "Production"}
    (tmp_path / "b.json").write_text(json.dumps({"features": [{"properties": row, "geometry": None}]}))
    pd.DataFrame([row]).to_excel(tmp_path / "b.xlsx", index=False)
    for name in ("b.json", "b.xlsx"):
        made = sr.sources.bgs(tmp_path / name).inputs["production"]
        assert made[["country", "year", "quantity", "unit"]].values.tolist() == [["CHN", 2023, 600_000.0, "kg"]]
    (tmp_path / "b.json").write_text('{"features": [1]}')
    with pytest.raises(SourceError, match="no collection of features"):
        sr.sources.bgs(tmp_path / "b.json")


def test_world_mining_data_with_a_low_header(tmp_path):
    rows = [["World Mining Data"], [None], ["Production"], [None], [None], ["Country", "Unit", "2017", "2018 e"]]
    rows += [["Australia", "metr.t", 1, 2], ["Total", "metr.t", 1, 2], ["Source: ministry", None, None, None]]
    file = book(tmp_path / "w.xlsx", Contents=[["World Mining Data"]], **{"Lithium (Li2O)": rows})
    made = sr.sources.wmd(file).inputs["production"].set_index(["country", "year"])["quantity"]
    assert made[("AUS", 2018)] == pytest.approx(2 * 0.4645)
    assert ("WLD", 2017) in made.index


# ---------------------------------------------------------------------- inter-country tables


def test_figaro_row_per_flow_and_two_headers_and_workbook(tmp_path):
    wide = "V1,AR_A,CN_A,FIGW1_A,AR_P3,CN_P3,FIGW1_P3\nAR_A,1,2,0,7,0,0\nCN_A,1,1,1,0,5,0\nFIGW1_A,0,3,1,0,0,3\n"
    (tmp_path / "wide.csv").write_text(wide)
    want = sr.sources.inter_country_table(tmp_path / "wide.csv")
    assert list(want.inputs["region"]) == ["ARG", "CHN", "ROW"]
    frame = pd.read_csv(tmp_path / "wide.csv").melt("V1").query("value != 0")
    parts = {"refArea": frame["V1"], "counterpartArea": frame["variable"]}
    flat = pd.DataFrame({k: v.str.partition("_")[0] for k, v in parts.items()})
    flat["rowIi"], flat["colIi"] = frame["V1"].str.partition("_")[2], frame["variable"].str.partition("_")[2]
    flat.assign(obsValue=frame["value"]).to_csv(tmp_path / "flat.csv", index=False)
    got = sr.sources.inter_country_table(tmp_path / "flat.csv")
    pd.testing.assert_frame_equal(got.z.loc[want.z.index, want.z.columns], want.z)
    assert got.x[want.x.index].tolist() == want.x.tolist()
    pd.read_csv(tmp_path / "wide.csv").to_excel(tmp_path / "wide.xlsx", index=False)
    pd.testing.assert_frame_equal(sr.sources.inter_country_table(tmp_path / "wide.xlsx").z, want.z)
    z = "\t\tAT\tAT\tCN\n\t\twheat\trice\twheat\nregion\tsector\t\t\t\nAT\twheat\t1\t2\t3\nAT\trice\t4\t5\t6\nCN\twheat\t7\t8\t9\n"
    y = "region\t\tAT\tCN\ncategory\t\thh\thh\nregion\tsector\t\t\nAT\twheat\t1\t1\nAT\trice\t1\t1\nCN\twheat\t1\t1\n"
    (tmp_path / "Z.txt").write_text(z)
    (tmp_path / "Y.txt").write_text(y)
    table = sr.sources.inter_country_table(tmp_path / "Z.txt", y=tmp_path / "Y.txt")
    assert table.z.loc["CN.wheat"].tolist() == [7.0, 8.0, 9.0]
    assert table.x.tolist() == [8.0, 17.0, 26.0]


WORLD = (
    "Source,Country,Type,Prod_t_2021,Prod_t_est_2022,Prod_notes,Reserves_t,Reserves_notes\n"
    'MCS2023,China,"{type}",100,110,,1,\nMCS2023,World total (rounded),"{type}",130,140,,2,\n'
)


def test_usgs_files_of_one_commodity_by_their_short_names(tmp_path):
    kinds = {"lithi": ("Mine production, contained lithium content", "lithium.mine"), "cobal": ("Mine production", "cobalt.mine"),
             "raree": ("Mine production, rare-earth-oxide equivalent", "rare_earths.mine"), "mgmet": ("Smelter production", "magnesium.refined"),
             "zirco-hafni": ("Mine production", "zirconium.mine"), "plati": ("Mine production: Platinum", "platinum.mine")}  # fmt: skip
    for short, (kind, product) in kinds.items():
        file = tmp_path / f"mcs2023-{short}_world.csv"
        file.write_text(WORLD.format(type=kind))
        made = sr.sources.usgs_mcs(file).inputs["production"]
        assert set(made["product"]) == {product}
        assert set(made["country"]) == {"CHN", "WLD"}
    folder = sr.sources.usgs_mcs(tmp_path)
    assert set(folder.inputs["production"]["product"]) == {p for _, p in kinds.values()}
    packed = tmp_path / "world.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(tmp_path.glob("*.csv")):
            archive.write(file, file.name)
    pd.testing.assert_frame_equal(sr.sources.usgs_mcs(packed).inputs["production"], folder.inputs["production"])
    one = sr.sources.usgs_mcs(packed, member="mcs2023-lithi_world.csv").inputs["production"]
    assert set(one["product"]) == {"lithium.mine"}
    (tmp_path / "mcs2024-tin_world.csv").write_text(WORLD.format(type="Mine production").replace("MCS2023", "MCS2024"))
    with pytest.raises(SourceError, match="several years"):
        sr.sources.usgs_mcs(tmp_path)


def test_usgs_with_lines_above_the_header_and_forms_that_fit_no_product(tmp_path):
    file = tmp_path / "mcs2023-simet_world.csv"
    file.write_text("U.S. Geological Survey\n\n" + WORLD.format(type="Production, silicon content"))
    reading = sr.sources.usgs_mcs(file)
    assert "line 3" in " ".join(reading.report.notes)
    assert not len(reading.inputs["production"])
    assert any(u["name"].startswith("Silicon: Production") for u in reading.report.unmapped)


def test_what_no_edition_holds_is_refused_or_emptied(tmp_path):
    shares = tmp_path / "GlobalSupplyShares.csv"
    shares.write_text("Material,Stage,Country,Share\nGallium,P,China,-5%\nGallium,P,Japan,50%\n")
    reading = sr.sources.eu_crm(shares, edition=2023)
    assert reading.data["code"].tolist() == ["no_share", ""]
    assert "1 shares below 0" in " ".join(reading.report.notes)
    flows = tmp_path / "flows.csv"
    row = "AR,A,AR,A,1\n"
    flows.write_text("refArea,rowIi,counterpartArea,colIi,obsValue\n" + row + row)
    with pytest.raises(SourceError, match="a flow stands twice"):
        sr.sources.inter_country_table(flows)
    plain = tmp_path / "mcs2023-tin_world.csv"
    plain.write_text(WORLD.format(type="Mine production"))
    with pytest.raises(SourceError, match="no archive"):
        sr.sources.usgs_mcs(plain, member="other.csv")


def test_world_mining_data_of_more_sheets_than_sixty(tmp_path):
    rows = [["Country", "unit", 2021], ["China", "metr. t", 5]]
    sheets = {f"Nothing {k}": [["x"]] for k in range(70)}
    file = book(tmp_path / "w.xlsx", **sheets, **{"Lithium (Li2O)": rows})
    assert sr.sources.wmd(file).inputs["production"]["country"].tolist() == ["CHN"]


# ---------------------------------------------------------------------- IEA


def explorer(path, cover="Last updated: 21 May 2025", base=2024, dash=" - "):
    """The explorer's workbook in small: two blocks of supply side by side, scenarios across the demand."""
    years = [None, base, 2030, None, None, base, 2030]
    demand = [
        ["Total demand for key minerals (kt)"], [None],
        [None, None, None, "Stated policies scenario", None, None, "Net Zero Emissions by 2050 scenario"],
        [None, base, None, 2030, 2040, None, 2030, 2040], ["Copper"], ["Solar PV", 1657.2, None, 2373, 2230, None, 2848, 2569],
        ["Total demand", 27_000, None, 30_000, 33_000, None, 34_000, 39_000],
        ["Share of clean technologies in total demand", 0.2, None, 0.3, 0.3, None, 0.4, 0.4], ["Notes: x"],
    ]  # fmt: skip
    supply = [
        ["Total supply for key minerals (kt)"], [None], years,
        [f"Copper{dash}Mining", None, None, None, f"Copper{dash}Refining"], ["Chile", 5476, 5505, None, "China", 12_000, 14_000],
        ["Democratic Republic of Congo", 2876, 3578, None, "Rest of world", base, 2030],
        ["Total", 8352, 9083, None, "Total", 14_024, 16_030], ["Top 3 share", 0.5, 0.5, None, "Top 3 share", 0.5, 0.5], [None],
        [f"Graphite{dash}Mining (natural)", None, None, None, f"Graphite{dash}Refining (battery grade)"],
        ["China", 1200, 1300, None, "Atlantis", 1100, 2000], ["Notes: base case"], ["2024 figures are estimates"],
    ]  # fmt: skip
    sheets = {"Cover": [["Critical Minerals Dataset"], [cover]], "1 Total demand for key minerals": demand,
              "2 Total supply for key minerals": supply, "4.1 Solar PV": [["Copper", 1]]}  # fmt: skip
    return book(path, **sheets)


@pytest.mark.parametrize(("base", "dash"), [(2024, " - "), (2023, " \u2013 "), (2022, ": ")])
def test_the_workbook_of_the_iea(tmp_path, base, dash):
    reading = sr.sources.iea(explorer(tmp_path / "CM_Data_Explorer.xlsx", base=base, dash=dash))
    made = reading.inputs["production"].set_index(["product", "country"])
    assert made["quantity"].to_dict() == {
        ("copper.mine", "CHL"): 5_476_000.0, ("copper.mine", "COD"): 2_876_000.0, ("copper.refined", "CHN"): 12_000_000.0,
        ("copper.refined", "ROW"): base * 1000.0, ("graphite_natural.mine", "CHN"): 1_200_000.0}  # fmt: skip
    assert set(made["year"]) == {base}
    assert set(made["published_on"]) == {"2025-05-21"}
    assert [u["name"] for u in reading.report.unmapped] == ["Atlantis"]
    demand = reading.data[reading.data["branch"] == "demand"]
    first = demand[demand["sector"] == "Solar PV"]
    assert first[["mineral", "year", "value"]].iloc[0].tolist() == ["Copper", base, 1657.2]
    assert first["projected"].tolist() == [False, True, True, True, True]
    assert set(first["scenario"].dropna()) == {"Stated policies scenario", "Net Zero Emissions by 2050 scenario"}


def test_a_workbook_of_the_iea_without_supply_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no sheet of supply"):
        sr.sources.iea(book(tmp_path / "x.xlsx", Cover=[["a"]]))
    with pytest.raises(SourceError, match="no country with figures"):
        sr.sources.iea(book(tmp_path / "y.xlsx", **{"2 Total supply": [["a", 2024, 2030]]}))


# ---------------------------------------------------------------------- UN Comtrade, old and new

FLOW = ("850511", "CHN", "USA", 2016, 5.0, 75.0)
LEGACY = (
    "Classification,Year,Period,Aggregate Level,Trade Flow Code,Trade Flow,Reporter Code,Reporter,Reporter ISO,Partner Code,"
    "Partner,Partner ISO,2nd Partner Code,Customs Proc. Code,Mode of Transport Code,Commodity Code,Qty Unit Code,Qty Unit,"
    "Qty,Netweight (kg),Gross weight (kg),Trade Value (US$),Flag\n"
    "H4,2016,2016,6,1,Import,842,United States of America,USA,156,China,CHN,,,,850511,8,Weight in kilograms,5000,5000,,75,0\n"
    "H4,2016,2016,6,2,Re-Export,842,United States of America,USA,156,China,CHN,,,,850511,8,Weight in kilograms,9,9,,9,0\n"
)
OLD_API = (
    "pfCode,yr,period,periodDesc,aggrLevel,rgCode,rgDesc,rtCode,rtTitle,rt3ISO,ptCode,ptTitle,pt3ISO,cmdCode,qtCode,qtDesc,"
    "TradeQuantity,NetWeight,TradeValue,estCode\nH4,2016,2016,2016,6,1,Import,842,USA,USA,156,China,CHN,850511,8,kg,5000,5000,75,0\n"
)
OLD_JSON = (
    '{"validation": {}, "dataset": [{"pfCode": "H4", "yr": 2016, "period": 2016, "rgCode": 1, "rtCode": 842, "rt3ISO": "USA", '
    '"ptCode": 156, "pt3ISO": "CHN", "cmdCode": "850511", "qtCode": 8, "TradeQuantity": 5000, "NetWeight": 5000, "TradeValue": 75}]}'
)
BULK = (
    "typeCode\tfreqCode\trefPeriodId\trefYear\trefMonth\tperiod\treporterCode\tflowCode\tpartnerCode\tpartner2Code\t"
    "classificationCode\tcmdCode\tcustomsCode\tmotCode\tqtyUnitCode\tqty\tnetWgt\tprimaryValue\n"
    "C\tA\t20160101\t2016\t52\t2016\t842\tM\t156\t0\tH4\t850511\tC00\t0\t8\t5000\t5000\t75.0\n"
)
FROM_R = (
    "type_code,ref_year,period,reporter_code,reporter_iso,reporter_desc,flow_code,partner_code,partner_iso,partner2_code,"
    "classification_code,cmd_code,customs_code,mot_code,qty_unit_code,qty,net_wgt,primary_value\n"
    "C,2016,2016,842,USA,USA,M,156,CHN,0,H4,850511,C00,0,8,5000,5000,75\n"
)


@pytest.mark.parametrize(("name", "text"), [("legacy.csv", LEGACY), ("old_api.csv", OLD_API), ("old_api.json", OLD_JSON),
    ("COMTRADE-FINAL-CA842201604H4.txt", BULK), ("from_r.csv", FROM_R)])  # fmt: skip
def test_comtrade_of_every_age(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    reading = sr.sources.comtrade(tmp_path / name)
    columns = ["hs6", "origin", "destination", "year", "quantity", "value"]
    assert reading.inputs["trade"][columns].values.tolist() == [list(FLOW)]
    assert reading.report.vintage.startswith("HS2012")


def test_comtrade_saved_as_a_workbook(tmp_path):
    rows = [["refYear", "reporterISO", "partnerISO", "flowCode", "cmdCode", "primaryValue", "netWgt"],
            [2016, "USA", "CHN", "M", "850511", 75, 5000]]  # fmt: skip
    made = sr.sources.comtrade(book(tmp_path / "c.xlsx", About=[["x"]], Data=[["UN Comtrade"], *rows]))
    assert made.inputs["trade"][["origin", "quantity"]].values.tolist() == [["CHN", 5.0]]


# ---------------------------------------------------------------------- inter-country tables of other makers


def test_wiod_as_published_with_four_headers(tmp_path):
    head = [
        ["Intercountry Input-Output Table"], ["(industry-by-industry)"],
        [None, None, None, None, "A01", "A02", "A01", "A02", "CONS_h", "GFCF", "CONS_h", "GO"],
        [None, None, None, None, "Crop", "Forestry", "Crop", "Forestry", "Final", "Final", "Final", "Gross output"],
        [None, None, None, None, "AUS", "AUS", "ROW", "ROW", "AUS", "AUS", "ROW", "TOT"],
        [None, None, None, None, "c1", "c2", "c1", "c2", "c57", "c60", "c57", "c62"],
    ]  # fmt: skip
    places = [("AUS", "c1"), ("AUS", "c2"), ("ROW", "c1"), ("ROW", "c2")]
    body = [["A", "x", place, number, 1, 2, 3, 4, 5, 6, 7, 28] for place, number in places]
    foot = [["II_fob", "Total", "TOT", "r65", 4, 8, 12, 16], ["GO", "Output", "TOT", "r73", 28, 28, 28, 28]]
    file = book(tmp_path / "WIOT2014_Nov16_ROW.xlsx", **{"2014": [*head, *body, *foot]})
    table = sr.sources.inter_country_table(file)
    assert table.z.loc["AUS.c1"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert list(table.y.columns) == ["AUS.c57", "AUS.c60", "ROW.c57"]
    assert table.x.tolist() == [28.0] * 4
    assert table.inputs["region"].tolist() == ["AUS", "AUS", "ROW", "ROW"]
    assert table.report.vintage == "table of 2014, as the file's name says; edition 2016-11"
    body[1][5] = "a note"
    with pytest.raises(SourceError, match="no number"):
        sr.sources.inter_country_table(book(tmp_path / "b.xlsx", **{"2014": [*head, *body]}))
    body[1] = body[0]
    with pytest.raises(SourceError, match="labels stand twice"):
        sr.sources.inter_country_table(book(tmp_path / "c.xlsx", **{"2014": [*head, *body]}))
    (tmp_path / "WIOT2014_Nov16_ROW.xlsb").write_bytes(b"PK\x03\x04xx")
    with pytest.raises(SourceError, match="another format"):
        sr.sources.inter_country_table(tmp_path / "WIOT2014_Nov16_ROW.xlsb")


def test_wiod_out_of_r_and_the_oecd_with_an_unnamed_column(tmp_path):
    head = "IndustryCode,IndustryDescription,Country,RNr,Year,AUS1,AUS2,ROW1,ROW2,AUS57,ROW57,TOT\n"
    rows = [f"A,x,{c},{n},2014,1,2,3,4,5,6,21\n" for c in ("AUS", "ROW") for n in (1, 2)]
    (tmp_path / "WIOT2014.csv").write_text(head + "".join(rows) + "GO,Out,TOT,73,2014,21,21,21,21,,,\n")
    table = sr.sources.inter_country_table(tmp_path / "WIOT2014.csv")
    assert table.z.shape == (4, 4)
    assert table.x.tolist() == [21.0] * 4
    (tmp_path / "ICIO2021_2018.csv").write_text(
        ",AUS_01T02,CHN_01T02,AUS_HFCE,CHN_NPISH,TOTAL\nAUS_01T02,1,2,7,0,10\nCHN_01T02,3,1,1,0,5\nAUS_TAXSUB,0,0,0,0,0\n"
        "VALU,6,2,,,\nOUTPUT,10,5,,,\n"
    )
    table = sr.sources.inter_country_table(tmp_path / "ICIO2021_2018.csv")
    assert table.x.tolist() == [10.0, 5.0]
    assert "edition 2021" in table.report.vintage


# ---------------------------------------------------------------------- USGS, WMD, BACI, EU


def test_usgs_releases_of_2021_to_2027(tmp_path):
    cases = {
        "mcs2022-coppe_world.csv": (
            "\ufeffSource,Country,Type,Prod_kt_2020,Prod_kt_est_2021,Prod_Notes,Cap_kt_2020,Reserves_kt,Reserves_Notes\n"
            'MCS2022,Chile,"Mine production, recoverable copper content",5730,5600,,,200000,\n', "copper.mine", 2021, 5_600_000.0),
        "MCS2024_World_Data.csv": (
            "SOURCE,COMMODITY,COUNTRY,TYPE,UNIT_MEAS,PROD_2022,PROD_EST_2023,PROD_NOTES,CAP_2022,CAP_EST_2023,CAP_NOTES\n"
            "MCS2024,Gallium,China,Primary production,kilograms,600000,610000,,,,\n", "gallium.refined", 2023, 610_000.0),
        "MCS2027_Commodities_Data.csv": (
            "MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes,New column\n"
            'GALLIUM,World Production and Capacity,Gallium,China,Production,Primary production,kilograms,2026,"900,000",,x\n',
            "gallium.refined", 2026, 900_000.0),
    }  # fmt: skip
    for name, (text, product, year, amount) in cases.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        made = sr.sources.usgs_mcs(tmp_path / name).inputs["production"]
        row = made[(made["what"] == "output") & (made["year"] == year)].iloc[0]
        assert (row["product"], row["quantity"]) == (product, amount), name
    old = tmp_path / "mcs2021-tungs_world.csv"
    old.write_bytes(
        "Source,Country,Type,Prod_t_2019,Prod_t_est_2020,Prod_notes\nMCS2021,C\u00f4te d\u2019Ivoire,Mine production,1,2,\n".encode(
            "cp1252"
        )
    )
    assert sr.sources.usgs_mcs(old).inputs["production"]["country"].tolist() == ["CIV", "CIV"]
    sheet = book(tmp_path / "mcs2024-galli_world.xlsx", S=[["Source", "Country", "Type", "Prod_kg_2022", "Prod_kg_est_2023"],
                 ["MCS2024", "China", "Primary production", 1, 2]])  # fmt: skip
    assert set(sr.sources.usgs_mcs(sheet).inputs["production"]["product"]) == {"gallium.refined"}


def test_us_statistics_of_one_commodity(tmp_path):
    header = (
        "DataSource,Commodity,Year,USprod_Primary_kg,Imports_Metal_kg,Exports_kg,Consump_kg,Price_Metal_dkg,NIR_pct"
    )
    rows = ["MCS2023,Germanium,2021,W,13000,3500,26000,1187,>50", "MCS2023,Germanium,2022,W,14000,5800,30000,1300,>50"]
    salient = tmp_path / "mcs2023-germa_salient.csv"
    salient.write_text("\n".join(["\ufeff" + header, *rows, ""]), encoding="utf-8")
    reading = sr.sources.usgs_mcs(salient)
    use = reading.inputs["demand"].set_index("year")
    assert set(use["product"]) == {"germanium.refined"}
    assert set(use["country"]) == {"USA"}
    unit = sr.sources.commodities.product_rows(["germanium.refined"], unit="t")["unit"].iloc[0]
    assert use.loc[2022, "quantity"] == {"kg": 30000.0, "t": 30.0}[unit]
    assert set(use["source"]) == {"usgs_mcs2023"}
    assert not len(reading.inputs["production"])
    data = reading.data.set_index(["what", "year"])
    assert data.loc[("us_production", 2022), "code"] == "withheld"
    assert (data.loc[("reliance", 2022), "low"], data.loc[("reliance", 2022), "high"]) == (50.0, 100.0)
    assert data.loc[("us_price", 2022), "unit"] == "dollars per kilogram"
    assert "U.S. statistics alone" in str(reading.report)
    world = "Source,Country,Type,Prod_kg_2021,Prod_kg_est_2022\nMCS2023,China,Refinery production,95000,95000\n"
    (tmp_path / "mcs2023-germa_world.csv").write_text(world)
    both = sr.sources.usgs_mcs(tmp_path)
    assert set(both.inputs["production"]["country"]) == {"CHN"}
    assert both.inputs["demand"]["quantity"].tolist() == use["quantity"].tolist()
    plain = tmp_path / "mcs2023-cobal_salient.csv"
    plain.write_text("DataSource,Commodity,Year,Imports_t,Exports_t,NIR_pct\nMCS2023,Cobalt,2018,11900,6960,64\n")
    assert not len(sr.sources.usgs_mcs(plain).inputs["demand"])


def test_world_mining_data_of_2023_and_2025(tmp_path):
    iron = [["Iron (Fe)"], ["Country", "unit", 2019, 2023, "data source"], ["Congo, D.R.", "metr. t", 1, None, "e"],
            ["Australia", "metr. t", 1, 5, "r"], ["Total", "metr. t", 2, 5, None]]  # fmt: skip
    gold = [["Gold"], ["Country", "unit", 2019, 2023], ["China", "kg", 380_226, 365_345]]
    made = sr.sources.wmd(book(tmp_path / "6.4.xlsx", **{"Iron (Fe)": iron, "Gold": gold})).inputs["production"]
    at = made.set_index(["product", "country", "year"])["quantity"]
    assert at["gold.mine", "CHN", 2023] == pytest.approx(365.345)
    assert at["iron.mine", "AUS", 2023] == 5.0
    ranks = [["World Mining Data 2023"], ["Rank 2021", "Country", "unit", "Production 2021", "Share in %", "Share cum.%"],
             [1, "China", "metr. t", 423, 98.4, 98.4], [None, "Total", "metr. t", 430, 100, None]]  # fmt: skip
    reading = sr.sources.wmd(book(tmp_path / "6.5.xlsx", Gallium=ranks))
    assert reading.inputs["production"].set_index("country")["quantity"].to_dict() == {
        "CHN": 423_000.0,
        "WLD": 430_000.0,
    }
    assert reading.report.vintage == "WMD 2023 (data to 2021)"


def test_baci_of_1995_with_padded_cells_and_the_older_country_file(tmp_path):
    files = {
        "BACI_HS92_Y1995_V202401b.csv": "t,i,j,k,v,q\n1995,156,842,850511,   745.5,          NA\n1995,757,842,850511,1.5, 0.1\n",
        "country_codes_V202401b.csv": "country_code,country_name_abbreviation,country_name_full,iso_2digit_alpha,"
        'iso_3digit_alpha\n156,China,China,CN,CHN\n757,Switzerland,"Switzerland, Liechtenstein",CH,CHE\n842,USA,USA,US,USA\n',
        "product_codes_HS92_V202401b.csv": "code,description\n850511,Magnets\n",
        "Readme.txt": "hello\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with zipfile.ZipFile(tmp_path / "BACI_HS92_V202401b.zip", "w") as archive:
        for name in files:
            archive.write(tmp_path / name, name)
    (tmp_path / "years").mkdir()
    for name in files:
        (tmp_path / name).rename(tmp_path / "years" / name)
    for path in (tmp_path / "years", tmp_path / "BACI_HS92_V202401b.zip"):
        reading = sr.sources.baci(path)
        trade = reading.inputs["trade"]
        assert trade[["origin", "value"]].values.tolist() == [["CHN", 745_500.0], ["CHE", 1500.0]]
        assert trade["quantity"].isna().tolist() == [True, False]
        assert reading.report.vintage == "BACI HS1992 V202401b, 1995 to 1995"


def test_eu_workbooks_say_whose_shares_they_hold_in_the_header(tmp_path):
    rows = [["Annex"], ["Raw material", "Stage", "Country", "EU sourcing share (%)"], ["Gallium", "P", "China", 94],
            ["Gallium", "P", "Germany", 6]]  # fmt: skip
    union = sr.sources.eu_crm(book(tmp_path / "annexes.xlsx", A=rows), edition=2023).inputs["sourcing"]
    assert union[["supplier", "reliance"]].values.tolist() == [["CHN", 0.94]]
    rows = [["Material", "Stage", "Country", "Share of global supply"], ["Gallium", "Processing", "China", 0.94],
            ["Gallium", "Processing", "Japan", 0.06]]  # fmt: skip
    world = sr.sources.eu_crm(book(tmp_path / "CRM_2020.xlsx", A=rows)).inputs["production"]
    assert world.set_index("country")["quantity"].to_dict() == pytest.approx({"CHN": 0.94, "JPN": 0.06})
    assert set(world["year"]) == {2016}


# ---------------------------------------------------------------------- FINEPRINT's final tables

FACILITIES = (
    "facility_id,facility_name,facility_other_names,sub_site_name,country,GID_0,geom\nCOM1.00,Kolwezi,,,Democratic Republic of Congo,COD,\n"
    'COM1.01,Kolwezi,,North,Democratic Republic of Congo,COD,\nCOM2.00,777,,,Canada,CAN,"c(-1, 2)"\nCOM3.00,777,,,Chile,CHL,\n'
)
MADE = (
    "id,facility_id,year,material,commodity,value_tonnes,grade_ppm,comment\n1,COM1.00,2019,Con.Cu,Me.Cu,100,,\n2,COM1.00,2019,O.Cu,Me.Cu,130,,\n"
    "3,COM1.00,2019,O.oxi,Oth.cuca,7,,\n4,COM2.00,2019,O.bulk,Me.Au,0.5,,\n5,COM3.00,2019,O.bulk,Me.Zn,9,,\n6,COM1.01,2018,O.Cu,Me.Cu,30,,\n"
)
OWNERS = 'id,facility_id,year,owners,operators\n1,COM1.00,2019,"Zijin (72%), Gecamines (28%)",\n2,COM2.00,2018,Hudbay Minerals Inc (100%),\n'


@pytest.mark.parametrize("packed", [False, True])
def test_the_final_tables_of_fineprint(tmp_path, packed):
    (tmp_path / "commodities.csv").write_text(MADE)
    (tmp_path / "ownership.csv").write_text(OWNERS)
    (tmp_path / "facilities.csv").write_text(FACILITIES)
    if packed:
        con = sqlite3.connect(tmp_path / "facilities.gpkg")
        pd.read_csv(tmp_path / "facilities.csv", dtype=str).to_sql("facilities", con, index=False)
        con.close()
        (tmp_path / "facilities.csv").unlink()
    reading = sr.sources.fineprint(tmp_path, homes={"Zijin": "CHN"})
    made = reading.tables["nodes"].set_index(["node", "year"])["output"].to_dict()
    assert made == pytest.approx({
        ("copper.mine@COD#Kolwezi", 2019): 100.0, ("copper.mine@COD#Kolwezi", 2018): 30.0,
        ("copper.refined@COD#Kolwezi", 2019): 7.0, ("gold.mine@CAN#777 (COM2)", 2019): 0.5,
        ("zinc.mine@CHL#777 (COM3)", 2019): 9.0})  # fmt: skip
    assert reading.report.dropped[0]["reason"] == "metal in ore that stands in concentrate too"
    held = reading.tables["holdings"]
    assert set(held.loc[held["asset"] == "copper.mine@COD#Kolwezi", "share"]) == {0.72, 0.28}
    assert held.loc[held["holder"] == "Hudbay Minerals Inc", "asset"].tolist() == ["gold.mine@CAN#777 (COM2)"]
    sr.SupplyGraph.from_tables(reading.tables)
    (tmp_path / "ownership.csv").unlink()
    with pytest.raises(SourceError, match=r"ownership\.csv"):
        sr.sources.fineprint(tmp_path)

"""Other editions of the published formats: moved headers, cover sheets, renamed columns, other packings."""

from __future__ import annotations

import json
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
    made = sr.sources.eu_crm(file).inputs["production"].set_index("country")["quantity"]
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
    pd.testing.assert_frame_equal(sr.sources.baci(tmp_path / "years").data, want)


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
    reading = sr.sources.eu_crm(shares)
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

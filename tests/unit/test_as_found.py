"""Files as strangers have them: old releases, units that nobody states, rows that stand twice."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

from supplyrisk import sources
from supplyrisk.errors import SchemaError, SourceError
from supplyrisk.sources.places import country
from supplyrisk.sources.repair import repair
from supplyrisk.sources.report import Report


def write(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_wgi_of_2022_has_its_sheet_of_political_stability_and_names_what_it_skips(tmp_path):
    book = openpyxl.Workbook()
    for name in ("Political StabilityNoViolence", "RuleofLaw", "Press Freedom"):
        sheet = book.create_sheet(name)
        for row in (["", "", 2021, 2021, 2022, 2022], ["Country/Territory", "Code", *["Estimate", "StdErr"] * 2],
                    ["France", "FRA", 0.5, 0.2, 0.6, 0.2]):  # fmt: skip
            sheet.append(row)
    book.save(tmp_path / "wgidataset.xlsx")
    reading = sources.wgi(tmp_path / "wgidataset.xlsx")
    assert set(reading.tables["countries"]["indicator"]) == {"wgi_pv", "wgi_rl"}
    assert "'Press Freedom'" in str(reading.report)


def test_wmd_without_units_is_read_in_those_that_the_publisher_prints(tmp_path):
    rows = "commodity,Country,2022{}\nGold,China,3000{}\nGallium,China,600{}\nUnheard of,China,9{}\n"
    file = write(tmp_path, "wmd.csv", rows.format("", "", "", ""))
    reading = sources.wmd(file)
    made = reading.inputs["production"].set_index("product")["quantity"]
    assert made["gold.mine"] == 3.0  # t, of 3000 kg
    assert made["gallium.refined"] == 600_000.0  # kg
    assert "without a unit" in str(reading.report)
    file = write(tmp_path, "stated.csv", rows.format(",unit", ",t", ",metr. t", ",t"))
    assert sources.wmd(file).inputs["production"].set_index("product")["quantity"]["gold.mine"] == 3000.0


@pytest.mark.parametrize(
    ("head", "tail", "tonnes", "told"),
    [
        ("value,unit", "50,t", 50.0, False),
        ("value,unit", "50,thousand tonnes", 50_000.0, False),
        ("value (t)", "50", 50.0, False),
        ("value", "50", 50_000.0, True),
        ("kt", "50", 50_000.0, False),
        ("2024", "50", 50_000.0, True),
        ("2024,unit", "50,t", 50.0, False),
    ],
)
def test_iea_figures_have_the_unit_that_the_file_states(tmp_path, head, tail, tonnes, told):
    wide = head.startswith("2024")
    file = write(tmp_path, "s.csv", f"mineral,stage,country{'' if wide else ',year'},{head}\n"
                 f"Copper,mining,Chile{'' if wide else ',2024'},{tail}\n")  # fmt: skip
    reading = sources.iea(file)
    assert reading.inputs["production"]["quantity"].tolist() == [tonnes]
    assert reading.data["value"].tolist() == [tonnes / 1000]
    assert ("without a unit" in str(reading.report)) is told
    if told:
        assert sources.iea(file, unit="t").inputs["production"]["quantity"].tolist() == [50.0]


def test_iea_units_that_are_no_mass_are_refused(tmp_path):
    with pytest.raises(SourceError, match="litres"):
        sources.iea(
            write(tmp_path, "s.csv", "mineral,stage,country,year,value,unit\nCopper,mining,Chile,2024,5,litres\n")
        )


@pytest.mark.parametrize(
    ("cells", "shares"),
    [
        (["1", "85", "45; 35"], [0.01, 0.85]),
        (["1", "0.85", ".2"], [1.0, 0.85, 0.2]),
        (["1%", "85%", "0.2"], [0.01, 0.85, 0.2]),
        (["1%", "85", "1"], [0.01, 0.85, 0.01]),
    ],
)
def test_shares_of_the_tracker_without_a_mark_are_read_by_their_column(tmp_path, cells, shares):
    rows = [f"2007,May,Firm,$100,{c},Mine {k},Metals,Copper,Peru" for k, c in enumerate(cells)]
    head = "Year,Month,Investor/Contractor,Millions,Share Size,Partner/Target,Sector,Subsector,Country"
    reading = sources.aei_investments(write(tmp_path, "t.csv", "\n".join([head, *rows]) + "\n"))
    assert reading.tables["holdings"]["share"].tolist() == pytest.approx(shares)
    assert ("without a % sign" in str(reading.report)) is any(c in cells for c in ("85",))


def test_a_mark_at_one_share_stands_for_all_of_the_cell(tmp_path):
    head = "Year,Month,Investor,Millions,Share Size,Partner/Target,Sector,Subsector,Country"
    row = '2007,May,"A, B, C",$100,"45%, 35%, 20",Mine,Metals,Copper,Peru'
    held = sources.aei_investments(write(tmp_path, "t.csv", f"{head}\n{row}\n")).tables["holdings"]
    assert held["share"].tolist() == pytest.approx([0.45, 0.35, 0.2])


def test_a_share_that_is_no_number_is_not_said_to_be_absent(tmp_path):
    head = "Year,Month,Investor,Millions,Share Size,Partner/Target,Sector,Subsector,Country"
    row = "2007,May,Firm,$100,most of it,Mine,Metals,Copper,Peru"
    notes = str(sources.aei_investments(write(tmp_path, "t.csv", f"{head}\n{row}\n")).report)
    assert "the share cannot be read" in notes
    assert "no share is given" not in notes


def chips(tmp_path, *shares, year=",2024"):
    tables = {
        "inputs": f"input_id,input_name,type,stage_id{',year' if year else ''}\nN19,Steppers,tool_resource,{year}\n",
        "stages": "stage_id,stage_name\nS1,Design\n",
        "providers": "provider_name,provider_id,provider_type,country\nNLD,P1,country,\nJPN,P2,country,\n",
        "provision": "provider_id,provided_id,share_provided\n"
        + "".join(f"P{k + 1},N19,{s}\n" for k, s in enumerate(shares)),
        "sequence": "input_id,goes_into_id,is_type_of_id\n",
    }
    for name, text in tables.items():
        write(tmp_path, f"{name}.csv", text)
    return tmp_path


@pytest.mark.parametrize("shares", [("0.9", "0.1"), ("90", "10"), ("90%", "10%"), ("99%", "1%")])
def test_chip_shares_as_fractions_or_percent(tmp_path, shares):
    reading = sources.eto_chipexplorer(chips(tmp_path, *shares))
    assert reading.inputs["production"]["quantity"].sum() == pytest.approx(1.0)
    assert ("read as fractions" in str(reading.report)) is (shares[0] == "0.9")


def test_chip_shares_that_are_neither_are_refused(tmp_path):
    with pytest.raises(SourceError, match="neither 1 nor 100"):
        sources.eto_chipexplorer(chips(tmp_path, "0.3", "0.1"))


def test_chip_shares_without_a_year_need_one(tmp_path):
    folder = chips(tmp_path, "90%", "10%", year="")
    reading = sources.eto_chipexplorer(folder)
    assert not len(reading.inputs["production"])
    assert "year=" in str(reading.report)
    reading = sources.eto_chipexplorer(folder, year=2021)
    assert reading.inputs["production"]["year"].tolist() == [2021, 2021]
    assert "2 shares without a year" in str(reading.report)


PLACED = {"country": "c", "product": "p", "quantity": "q", "year": "y"}


@pytest.mark.parametrize(
    ("label", "figure", "left"),
    [("EU27", 10, None), ("EU27", 13, 3.0), ("European Union", 9, None), ("EU28", 14, 2.0), ("EU27", 14, 4.0)],
)
def test_the_union_beside_its_members_is_their_sum(tmp_path, label, figure, left):
    rows = [("Germany", 5), ("France", 5), ("United Kingdom", 2), (label, figure), ("China", 20)]
    text = "c,p,q,y\n" + "".join(f"{c},gallium.refined,{q},2024\n" for c, q in rows)
    text += "EU27,gallium.refined,7,2023\n"  # no member beside it
    reading = sources.tidy(write(tmp_path, "x.csv", text), "production", PLACED, source="x", unit="t")
    made = reading.inputs["production"].set_index(["country", "year"])["quantity"]
    assert made.get(("EUE", 2024)) == left
    assert made["EUE", 2023] == 7.0
    assert "with_uk" not in reading.inputs["production"]
    if left is None:
        assert "the European Union beside its members" in str(reading.report)
    else:
        assert "members that are not listed" in str(reading.report)


def test_a_member_of_unknown_output_leaves_the_union_a_bound(tmp_path):
    text = "c,p,q,y\nGermany,gallium.refined,W,2024\nFrance,gallium.refined,4,2024\nEU,gallium.refined,10,2024\n"
    made = sources.tidy(write(tmp_path, "x.csv", text), "production", PLACED, source="x", unit="t").inputs["production"]
    row = made.set_index("country").loc["EUE"]
    assert (row["low"], row["high"], row["missing"]) == (0.0, 6.0, "unknown")
    assert row["quantity"] != row["quantity"]


USGS = "SOURCE,COMMODITY,COUNTRY,TYPE,UNIT_MEAS,PROD_2023,PROD_EST_ 2024,PROD_NOTES\n"
ROW = 'MCS2025,Gallium,China,"Primary production, gallium",kilograms,500000,600000,\n'


def test_rows_that_stand_twice_count_once(tmp_path):
    file = write(tmp_path, "MCS2025_World_Data.csv", USGS + ROW * 2)
    reading = sources.usgs_mcs(file)
    assert reading.inputs["production"]["quantity"].tolist() == [500_000.0, 600_000.0]
    assert "dropped 1: a row that stands twice" in str(reading.report)
    head = "year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
    row = '2023-01-01,China,CHN,"gallium, primary",tonnes (metric),600,Production\n'
    reading = sources.bgs(write(tmp_path, "bgs.csv", head + row * 2))
    assert reading.inputs["production"]["quantity"].tolist() == [600_000.0]
    assert "a row that stands twice" in str(reading.report)
    rows = "commodity,Country,2022,unit\n" + "Gallium,China,600,metr. t\n" * 2
    assert sources.wmd(write(tmp_path, "wmd.csv", rows)).inputs["production"]["quantity"].tolist() == [600_000.0]
    rows = "mineral,stage,country,year,kt\n" + "Copper,mining,Chile,2024,5\n" * 2
    assert sources.iea(write(tmp_path, "iea.csv", rows)).inputs["production"]["quantity"].tolist() == [5000.0]
    book = openpyxl.Workbook()
    sheets = {
        "general": [["mine_fac", "country"], ["Kolwezi", "Congo, Dem. Rep."]],
        "commodities": [
            ["mine_fac", "sub_site", "commodity", "year", "unit", "value"],
            *[["Kolwezi", "", "Copper ", 2018, "Kt", 100]] * 2,
            ["Kolwezi", "", "Copper ", 2017, "Kt", 100],
        ],
        "other_info": [["mine_fac", "sub_site", "owners", "year"], ["Kolwezi", "", "Zijin Mining (72%)", 2018]],
    }
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    book.save(tmp_path / "mines.xlsx")
    reading = sources.fineprint(tmp_path / "mines.xlsx")
    assert reading.tables["nodes"]["output"].tolist() == [100_000.0, 100_000.0]
    assert reading.report.rows_dropped == 1


def test_repair_of_flows_that_stand_twice_and_width_of_what_is_imputed():
    flows = pd.DataFrame({"hs6": "850511", "year": 2024, "origin": "CHN", "destination": list("ABCDEFG"),
                          "value": 100.0, "quantity": [10.0] * 6 + [None]})  # fmt: skip
    done = repair(pd.concat([flows, flows]))
    assert done.report["duplicates_dropped"] == 7
    assert done.trade["quantity"].sum() == 70.0
    row = done.trade.iloc[6]  # unit values that are all equal make no estimate exact
    assert [row["low"], row["quantity"], row["high"]] == pytest.approx([7.5, 10.0, 12.5])
    assert done.trade["low"].notna().sum() == 1


def test_figures_that_cannot_be_read_are_told_with_their_part(tmp_path):
    text = USGS + ROW + ROW.replace("China", "Japan").replace("600000", "six hundred").replace("500000", "")
    report = str(sources.usgs_mcs(write(tmp_path, "MCS2025_World_Data.csv", text)).report)
    assert "1 of 3 figures (33.3%) cannot be read: 'six hundred'" in report


def test_thousands_parted_by_blanks_or_apostrophes_are_read_and_by_points_refused(tmp_path):
    for mark in (" ", "\u202f", "'"):
        text = USGS + ROW.replace("500000", f"1{mark}500{mark}000").replace("600000", f"60{mark}000")
        made = sources.usgs_mcs(write(tmp_path, "MCS2025_World_Data.csv", text)).inputs["production"]
        assert made["quantity"].tolist() == [1_500_000.0, 60_000.0]
    text = USGS + ROW.replace("500000", "1.500.000").replace("600000", "60.000")
    with pytest.raises(SourceError, match='decimal=","'):
        sources.usgs_mcs(write(tmp_path, "MCS2025_World_Data.csv", text))


def test_unmapped_names_are_shown_by_their_share():
    report = Report("x", "f", "private")
    report.unmapped = [
        {"kind": "country", "name": n, "rows": 1, "value_share": s} for n, s in (("A", 0.1), ("B", None), ("C", 0.7))
    ]
    shown = str(report)
    assert shown.index("'C'") < shown.index("'A'") < shown.index("'B'")


@pytest.mark.parametrize(("name", "extra", "usd", "told"), [
    ("BACI_HS17_Y2024_V202601.csv", {}, 745.0, True),
    ("BACI_HS17_Y2024_V202601.csv", {"thousands": True}, 745_000.0, False),
    ("baci_2024_value_usd.csv", {"revision": "HS2017"}, 745.0, False),
])  # fmt: skip
def test_baci_with_a_bare_value_says_of_what(tmp_path, name, extra, usd, told):
    text = "year,exporter,importer,product,value,quantity\n2024,156,842,850511,745.0,10\n"
    reading = sources.baci(write(tmp_path, name, text), products=["ndfeb.magnet"], **extra)
    assert reading.inputs["trade"]["value"].tolist() == [usd]
    assert ("read as USD" in str(reading.report)) is told


def test_baci_headings_saved_as_decimals(tmp_path):
    file = write(tmp_path, "BACI_HS17_Y2024_V202601.csv", "t,i,j,k,v,q\n2024,156,842,850511.0,745.0,10\n")
    assert sources.baci(file, products=["ndfeb.magnet"]).inputs["trade"]["value"].tolist() == [745_000.0]


def test_a_heading_of_four_digits_is_shown_as_given():
    with pytest.raises(SchemaError, match="has six digits, this has 4") as err:
        sources.hs.concord("8112", "HS2017", "HS2022")
    assert "'8112'" in str(err.value)
    assert sources.hs.concord("810411.0", "HS2017", "HS2022")["source"].tolist() == ["810411"]


def test_usgs_without_a_unit_says_so(tmp_path):
    text = USGS + ROW
    for old, new, cause in (
        ("UNIT_MEAS", "Measure", "have no unit"),
        ("kilograms", "bushels of it", "no unit of it is known"),
        ("Gallium", "Unheard of", "no commodity of it is known"),
    ):
        reading = sources.usgs_mcs(write(tmp_path, "MCS2025_World_Data.csv", text.replace(old, new)))
        assert not len(reading.inputs["production"])
        assert cause in str(reading.report)
    for old, new in (("UNIT_MEAS", "Units of measure"), ("COUNTRY", "Country or locality")):
        file = write(tmp_path, "MCS2025_World_Data.csv", text.replace(old, new))
        assert len(sources.usgs_mcs(file).inputs["production"]) == 2


def test_two_names_of_one_place_an_ampersand_and_sums():
    names = {"Myanmar (Burma)": "MMR", "Czechia (Czech Republic)": "CZE", "Serbia & Montenegro": "SCG",
             "Antigua & Barbuda": "ATG", "Sub-total": "aggregate", "Global": "aggregate", "China (Taiwan)": "TWN",
             "Germany (France)": None, "China & Taiwan": None, "Korea & Japan": None}  # fmt: skip
    assert {n: country(n) for n in names} == names


def test_wiod_of_2016_numbers_its_rows_apart(tmp_path):
    rows = [["Intercountry Input-Output Table"],
            [None, None, None, None, "A01", "A02", "A01", "A02", "CONS_h", "CONS_h", "GO"],
            ["IndustryCode", "IndustryDescription", "Country", "RNr", "AUS", "AUS", "ROW", "ROW", "AUS", "ROW", "TOT"],
            [None, None, None, None, "c1", "c2", "c1", "c2", "c57", "c57", "c62"],
            *[["A", "x", c, n, 1, 2, 3, 4, 5, 6, 21] for c in ("AUS", "ROW") for n in ("r1", "r2")],
            ["II_fob", "Total", "TOT", "r65", 4, 8, 12, 16, None, None, 40],
            ["GO", "Output", "TOT", "r73", 21, 21, 21, 21, None, None, 84]]  # fmt: skip
    book = openpyxl.Workbook()
    book.active.title = "2014"
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "WIOT2014_Nov16_ROW.xlsx")
    table = sources.inter_country_table(tmp_path / "WIOT2014_Nov16_ROW.xlsx")
    assert table.z.loc["AUS.c2"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert list(table.y.columns) == ["AUS.c57", "ROW.c57"]
    assert table.x.tolist() == [21.0] * 4


@pytest.mark.parametrize(
    ("columns", "wide"),
    [("rl,pv", None), ("RL.EST,PV.EST,RL.STD.ERR", 0.2), ("rle,pve,rls", 0.2), ("Rule of Law,Political Stability", None),
     ("Rule of Law: Estimate,Political Stability: Estimate,Rule of Law: Standard Error", 0.2)],
)  # fmt: skip
def test_wgi_with_a_column_per_indicator(tmp_path, columns, wide):
    text = f"countryname,code,year,{columns}\nFrance,FRA,2023,1.0,0.3{',0.2' if wide else ''}\n"
    table = sources.wgi(write(tmp_path, "wgi.csv", text)).tables["countries"].set_index("indicator")
    assert table["value"].to_dict() == {"wgi_rl": 1.0, "wgi_pv": 0.3}
    assert table.loc["wgi_rl", "year"] == 2023
    if wide:
        assert table.loc["wgi_rl", "high"] == pytest.approx(1 + 1.645 * wide)
    else:
        assert table["high"].isna().all()


def test_bgs_years_in_dates_of_the_day_first(tmp_path):
    head = "year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
    row = 'YEAR,China,CHN,"gallium, primary",tonnes (metric),600,Production\n'
    for year in ("01/01/2022", "1.1.2022", "2022-01-01", "2022"):
        reading = sources.bgs(write(tmp_path, "bgs.csv", head + row.replace("YEAR", year)))
        assert reading.inputs["production"]["year"].tolist() == [2022]

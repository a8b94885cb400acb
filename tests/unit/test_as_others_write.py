"""Files as others write them: two names of one place, periods for years, owners in many notations."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

from supplyrisk.errors import SchemaError
from supplyrisk.sources import eu_crm, fineprint, usgs_mcs
from supplyrisk.sources.owners import parse_owners
from supplyrisk.sources.places import country
from supplyrisk.sources.repair import fill_weights, repair


def _shares(tmp_path, *rows):
    file = tmp_path / "fact_GlobalSupplyShares&t.csv"
    file.write_text("Material,Stage,Country,Share,t\n" + "\n".join(f"Tungsten,E,{r},1" for r in rows) + "\n")
    reading = eu_crm(file, edition=2023)
    return reading.inputs["production"].set_index("country"), reading.report


def test_shares_of_one_place_under_two_names_add_up(tmp_path):
    rows = ("Brazil,3%", "Brasilia,2%", "China,60%", "Others,8%", "Rest of the world,10%", "China,60%", "Austria,<0.1%")
    found, report = _shares(tmp_path, *rows, "Republic of Austria,1%")
    assert found["quantity"].round(3).drop("AUT").to_dict() == {"BRA": 0.05, "CHN": 0.6, "ROW": 0.18}
    assert pd.isna(found.loc["AUT", "quantity"])  # a bound among them leaves a bound
    assert found.loc["AUT", ["low", "high"]].astype(float).round(4).tolist() == [0.01, 0.011]
    assert any("added up, BRA: Brazil 3% + Brasilia 2%" in n for n in report.notes)
    assert "Brasilia 2%" in found.loc["BRA", "note"]
    assert "+" not in found.loc["CHN", "note"]
    assert report.rows_dropped == 1  # the second row of China is the same in every cell


def test_shares_that_make_more_than_all_are_not_added(tmp_path):
    found, report = _shares(tmp_path, "China,60%", "PR China,55%")
    assert pd.isna(found.loc["CHN", "quantity"])
    assert any("more than all" in n for n in report.notes)


def _mines(tmp_path, *figures):
    book = openpyxl.Workbook()
    sheets = {
        "general": [["mine_fac", "country"], ["M1", "Chile"]],
        "commodities": [["mine_fac", "sub_site", "commodity", "year", "unit", "value"], *figures],
        "other_info": [["mine_fac", "sub_site", "owners", "year"], ["M1", "", "A (60%)", "2016-2017"]],
    }
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "mines.xlsx")
    return fineprint(tmp_path / "mines.xlsx")


@pytest.mark.parametrize("period", ["2017-2018", "2017/18", "2016 to 2018", "2017\u201318"])
def test_a_period_is_no_year(tmp_path, period):
    reading = _mines(tmp_path, ["M1", "", "Copper", 2017, "t", 1000], ["M1", "", "Copper", period, "t", 700])
    nodes = reading.tables["nodes"]
    assert nodes[["year", "output"]].values.tolist() == [[2017, 1000.0]]
    held = reading.data[reading.data["what"] == "production"]
    assert held["period"].dropna().tolist() == [period]
    assert held["value"].tolist() == [1000.0, 700.0]
    assert any(period in n for n in reading.report.notes)
    assert reading.report.rows_dropped == 1
    assert reading.tables["holdings"]["year"].tolist() == [2016]


@pytest.mark.parametrize("year", [2017, "2017-06-30", "FY2017", "2017.0"])
def test_a_day_and_a_business_year_are_of_one_year(tmp_path, year):
    nodes = _mines(tmp_path, ["M1", "", "Copper", year, "t", 700]).tables["nodes"]
    assert nodes[["year", "output"]].values.tolist() == [[2017, 700.0]]


def test_nothing_is_made_in_the_negative(tmp_path):
    reading = _mines(tmp_path, ["M1", "", "Copper", 2017, "t", -9], ["M1", "", "Copper", 2018, "t", 5])
    nodes = reading.tables["nodes"].set_index("year")
    assert pd.isna(nodes.loc[2017, "output"])
    assert nodes.loc[2018, "output"] == 5.0
    assert nodes.loc[2017, "note"] == "negative in the file"
    assert nodes.loc[2017, "output_missing"] == "unknown"
    assert any("1 negative figures" in n for n in reading.report.notes)


def test_the_sum_of_ilmenite_and_rutile_is_no_third_product(tmp_path):
    head = "MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes\n"
    row = "TITANIUM,World Mine Production and Reserves,Titanium Mineral Concentrates,{},Production,{},kt,2024,{},\n"
    row = row.replace("kt", "thousand metric tons")
    rows = [("China", "Mine production: Ilmenite", 3300), ("Australia", "Mine production: Rutile", 200)]
    rows += [("World total", f'"Mine production: {k}, rounded"', v)
             for k, v in (("ilmenite", 9210), ("rutile", 460), ("ilmenite and rutile", 9680))]  # fmt: skip
    file = tmp_path / "MCS2026_Commodities_Data.csv"
    file.write_text(head + "".join(row.format(*r) for r in rows))
    reading = usgs_mcs(file)
    assert set(reading.inputs["production"]["product"]) == {"ilmenite.mine", "rutile.mine"}
    assert any("sum of the ilmenite and the rutile row" in n for n in reading.report.notes)


def test_weights_of_none_are_weights_that_are_absent():
    flows = pd.DataFrame({"year": 2024, "hs6": "850511", "origin": ["A", "B"], "destination": "X", "value": [1.0, 2.0]})
    flows["quantity"] = pd.Series([None, None], dtype="object")
    for trade in (repair(flows).trade, fill_weights(flows)):
        assert trade["quantity"].isna().all()
        assert (trade["flag"] == "no weight").all()
    both = flows.assign(reporter="X", partner=flows["origin"], flow="M").drop(columns=["origin", "destination"])
    assert repair(both.assign(origin=flows["origin"], destination="X")).trade["quantity"].isna().all()
    twice = pd.concat(
        [flows.assign(quantity=q, month=m, value="7") for m, q in ((1, "5"), (2, "6"))]
    )  # figures of months, as text
    assert repair(twice).trade["quantity"].tolist() == [11.0, 11.0]
    with pytest.raises(SchemaError, match=r"quantity: no number \(got 'much'\)"):
        repair(flows.assign(quantity=["much", None]))


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        ("A = 60%, B = 40%", {"A": 0.6, "B": 0.4}),
        ("ZCCM 20.6% + First Quantum 79.4%", {"ZCCM": 0.206, "First Quantum": 0.794}),
        ("A owns 80%, B holds 20%", {"A": 0.8, "B": 0.2}),
        ("A (60%) [operator], B (40%)", {"A": 0.6, "B": 0.4}),
        ("A\uff0872\uff05\uff09\u3001B\uff0828\uff05\uff09", {"A": 0.72, "B": 0.28}),
        ("A (72 pct), B 28 pct.", {"A": 0.72, "B": 0.28}),
        ("A (1)", {"A": None}),
        ("A (60), B (40)", {}),
        ("BHP 50:50 Mitsubishi", {}),
        ("60:40 A and B", {}),
    ],
)
def test_owners_in_other_notations(text, owners):
    found = {o.name: o.share for o in parse_owners(text)[0]}
    assert found == {k: v if v is None else pytest.approx(v) for k, v in owners.items()}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Hong Kong SAR", "HKG"), ("Hong Kong (SAR), China", "HKG"), ("Macau S.A.R.", "MAC"), ("Czech Rep.", "CZE"),
        ("Kyrgyz Rep.", "KGZ"), ("Cayman Is.", "CYM"), ("Egypt Arab Rep.", "EGY"), ("Moldova Rep", "MDA"),
        ("Hong Kong and Macao SAR", None), ("Atlantis SAR", None), ("Virgin Is.", None),
    ],
)  # fmt: skip
def test_abbreviated_names(name, code):
    assert country(name) == code

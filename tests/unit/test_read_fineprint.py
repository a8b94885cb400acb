"""FINEPRINT: owners as text with percentages, units in every spelling, sub-sites that would count twice."""

from __future__ import annotations

import openpyxl
import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.sources.owners import parse_owners
from supplyrisk.sources.read_fineprint import _scale


def workbook(tmp_path, commodities, owners=(), capacity=()):
    out = openpyxl.Workbook()
    out.remove(out.active)
    sheets = {
        "general": [["mine_fac", "country"], ["Kolwezi", "Congo, Dem. Rep."], ["Morenci", "USA"]],
        "commodities": [["mine_fac", "sub_site", "commodity", "year", "unit", "value", "production_share"], *commodities],
        "other_info": [["mine_fac", "sub_site", "owners", "year"], *owners],
        "capacity_reserves": [["mine_fac", "sub_site", "commodity", "processing_capacity_year",
                               "processing_capacity_unit", "processing_capacity_value"], *capacity],
    }  # fmt: skip
    for name, rows in sheets.items():
        page = out.create_sheet(name)
        for row in rows:
            page.append(row)
    path = tmp_path / "mines.xlsx"
    out.save(path)
    return path


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("Zijin Mining Group Co., Ltd. (72%)", {"Zijin Mining Group Co., Ltd.": 0.72}),
        ("Barrick (45%), AngloGold (45%), Société Minière (SOK IMO)(10%)",
         {"Barrick": 0.45, "AngloGold": 0.45, "Société Minière (SOK IMO)": 0.10}),
        ("Minera X S.A. (MBM) (wholly-owned subsidiary of Barrick) (100%)",
         {"Minera X S.A. (MBM) (wholly-owned subsidiary of Barrick)": 1.0}),
        ("Sibanye-Stillwater (50%), Impala Platinum (50%(", {"Sibanye-Stillwater": 0.5, "Impala Platinum": 0.5}),
        ("A (53.56%), SMM B.V. (21.%), C\nD (19.58%)", {"A": 0.5356, "SMM B.V.": 0.21, "C D": 0.1958}),
        ("Southern Copper Corporation", {"Southern Copper Corporation": None}),
        ("Acacia Mining plc, 63.9% subsidiary of Barrick Gold Corporation", {}),
        ("Jinchuan via Metorex (75%) / Gecamines (25%)", {"Jinchuan via Metorex": 0.75, "Gecamines": 0.25}),
        ("ECOPRO BM (subsidiary of ECOPRO - 60%) / Samsung SDI (40%)", {"ECOPRO BM": 0.6, "Samsung SDI": 0.4}),
        ("Huayou (57%), CMOC (30%), Tsingshan (10%), Others (3%)", {"Huayou": 0.57, "CMOC": 0.3, "Tsingshan": 0.1}),
        ("Huayou / POSCO", {"Huayou": None, "POSCO": None}),
        ("BHP 57.5%, Rio Tinto 30%, JECO 12.5%", {"BHP": 0.575, "Rio Tinto": 0.3, "JECO": 0.125}),
        ("A 56% | B 20% | C 24%", {"A": 0.56, "B": 0.2, "C": 0.24}),
        ("A (39.6%); B (39,6%), C 0.8%, DRC Government (20%)", {"A": 0.396, "B": 0.396, "C": 0.008, "DRC Government": 0.2}),
        ("51% A, 49% B", {"A": 0.51, "B": 0.49}),
        ("A - 50.0 per cent; B - 50.0 per cent", {"A": 0.5, "B": 0.5}),
        ("A: 100%", {"A": 1.0}),
        ("A (0.75), B (0.25)", {"A": 0.75, "B": 0.25}),
        ("A (51%; operator), B (49%)", {"A": 0.51, "B": 0.49}),
        ("A (37.5%) (operator), B (62.5%)", {"A": 0.375, "B": 0.625}),
        ("A (50%), A (25%)", {"A": 0.75}),
        ("A 57,5%, B 42,5%", {"A": 0.575, "B": 0.425}),
        ("A (each 50%)", {}),
        ("A (100% owned by X (50%))", {}),
        ("A (60% of class B), C (40%)", {}),
        ("A (50/50 with B)", {}),
        ("A 1/3, B 2/3", {}),
    ],
)  # fmt: skip
def test_owners_in_text(text, shares):
    found = {o.name: o.share for o in parse_owners(text)[0]}
    assert found == pytest.approx(shares)


def test_owners_that_sold_have_an_end(tmp_path):
    rows = [["Morenci", None, "Rio Tinto (46.7%), sold on 31 December 2014", 2013]]
    held = sources.fineprint(workbook(tmp_path, [["Morenci", None, "Copper", 2018, "Kt", 400, 1]], rows)).tables[
        "holdings"
    ]
    assert held[["holder", "share", "valid_to"]].values.tolist() == [["Rio Tinto", pytest.approx(0.467), "2014-12-31"]]


@pytest.mark.parametrize(
    ("unit", "product", "target", "factor"),
    [
        ("Kt", "copper.mine", "t", 1e3), ("thousand metric tons", "copper.mine", "t", 1e3), ("kg", "gold.mine", "kg", 1.0),
        ("million recoverable pounds", "copper.mine", "t", 453.59237), ("koz", "gold.mine", "kg", 31.1034768),
        ("000 troy oz", "silver.mine", "kg", 31.1034768), ("Kozt", "gold.mine", "kg", 31.1034768),
        ("million ounces", "gold.mine", "kg", 31103.4768), ("Klbs", "zinc.mine", "t", 0.45359237), ("Mt", "iron.mine", "t", 1e6),
        ("ktonnes", "zinc.mine", "t", 1e3),
    ],
)  # fmt: skip
def test_units_in_their_spellings(unit, product, target, factor):
    assert _scale(unit, product, target) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("unit", "product"), [("ounces", "copper.mine"), ("000 carats", "gold.mine"), ("", "gold.mine")]
)
def test_units_that_are_not_understood(unit, product):
    assert _scale(unit, product, "kg") != _scale(unit, product, "kg")


def test_whole_mine_before_sub_sites_and_partial_production_aside(tmp_path):
    rows = [["Kolwezi", None, "Copper ", 2018, "Kt", 100, 1], ["Kolwezi", "North", "Copper", 2018, "Kt", 60, 1],
            ["Morenci", "A", "Copper", 2018, "tons", 10, 1], ["Morenci", "B", "Copper", 2018, "tonnes", 5, None],
            ["Kolwezi", None, "Cobalt", 2018, "bags", 7, 1], ["Kolwezi", None, "Cobalt", 2017, "t", 9, 0.5]]  # fmt: skip
    reading = sources.fineprint(workbook(tmp_path, rows, capacity=[["Kolwezi", None, "Copper", 2019, "Mtpa", 1.5]]))
    nodes = reading.tables["nodes"].set_index(["node", "year"])
    assert nodes.loc[("copper.mine@COD#Kolwezi", 2018), "output"] == 1e5
    assert nodes.loc[("copper.mine@USA#Morenci", 2018), "output"] == 15.0
    assert nodes.loc[("copper.mine@USA#Morenci", 2018), "output_grade"] == "C"
    assert nodes.loc[("cobalt.mine@COD#Kolwezi", 2018), "output_missing"] == "unknown"
    assert ("cobalt.mine@COD#Kolwezi", 2017) not in nodes.index
    assert "capacity" not in nodes.columns  # it counts ore
    assert reading.data.loc[reading.data["what"] == "capacity", "value"].tolist() == [1.5]
    SupplyGraph.from_tables(reading.tables)


def test_owners_join_nodes_and_homes_are_the_users(tmp_path):
    rows = [["Kolwezi", None, "Zijin (72%), Gécamines (28%)", 2018], ["Kolwezi", "North", "Other (100%)", 2018],
            ["Morenci", None, "A (80%), B (30%)", 2018]]  # fmt: skip
    path = workbook(tmp_path, [["Kolwezi", None, "Copper", 2018, "Kt", 100, 1]], rows)
    reading = sources.fineprint(path, homes={"Zijin": "CHN"})
    held = reading.tables["holdings"]
    assert held[["asset", "holder", "holder_country", "type"]].values.tolist() == [
        ["copper.mine@COD#Kolwezi", "Zijin", "CHN", "majority"],
        ["copper.mine@COD#Kolwezi", "Gécamines", "UNK", "minority"],
    ]
    assert "add to more than 1" in " ".join(reading.report.notes)
    with pytest.raises(UnknownNameError, match="CHN"):
        sources.fineprint(path, homes={"Zijin": "China"})


def test_another_workbook_is_refused(tmp_path):
    out = openpyxl.Workbook()
    out.save(tmp_path / "x.xlsx")
    with pytest.raises(SourceError, match="sheet"):
        sources.fineprint(tmp_path / "x.xlsx")


@pytest.mark.realdata
def test_the_published_workbook(published):
    reading = sources.fineprint(published / "facilities" / "fineprint_detailed_data_mining.xlsx")
    g = SupplyGraph.from_tables(reading.tables)
    assert len(g.holdings) > 1000
    zijin = g.holdings[g.holdings["holder"] == "Zijin Mining Group Co., Ltd."]
    assert zijin["share"].between(0.4, 1.0).all()
    assert 0.72 in zijin["share"].tolist()
    made = g.nodes[(g.nodes["year"] == 2018).fillna(False)].groupby("product")["output"].sum()
    assert 5e6 < made["copper.mine"] < 20.6e6  # less than the world mined
    assert made["cobalt.mine"] < 170_000


def test_decimal_commas_are_refused_or_read_as_such(tmp_path):
    rows = [["Kolwezi", "", "Copper", 2018, "t", "100.000", ""], ["Morenci", "", "Copper", 2018, "t", "1.234,5", "0,5"]]
    book = workbook(tmp_path, rows)
    with pytest.raises(SourceError, match='decimal=","'):
        sources.fineprint(book)
    reading = sources.fineprint(book, decimal=",")
    assert reading.data["value"].tolist() == [100_000.0, 1234.5]
    assert reading.tables["nodes"]["output"].tolist() == [100_000.0]  # the other is a company's part


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("A (<5%), B (95%)", [("A", None, 0.0, 0.05), ("B", 0.95, None, None)]),
        ("A (10-15%)", [("A", None, 0.10, 0.15)]),
        ("A (10 - 15%)", [("A", None, 0.10, 0.15)]),
        ("A (15-10%)", [("A", None, 0.10, 0.15)]),
        ("A / A", [("A", None, None, None)]),
        ("A (X-60%), B (2016: 5%)", [("A", 0.6, None, None), ("B", 0.05, None, None)]),
        ("A (> 50 %), B up to 20%", [("A", None, 0.5, 1.0), ("B", None, 0.0, 0.2)]),
        ("A (10% to 15%) / A (5%)", [("A", None, 0.15, 1.0)]),
    ],
)
def test_bounds_of_owners_are_bounds(text, bounds):
    found = parse_owners(text)[0]
    assert [(o.name, o.share) for o in found] == [b[:2] for b in bounds]
    assert [v for o in found for v in (o.low, o.high)] == pytest.approx([v for b in bounds for v in b[2:]])


def test_bounds_become_bounds_of_holdings(tmp_path):
    rows = [["Kolwezi", "", "Copper", 2018, "t", 100, 1]]
    book = workbook(tmp_path, rows, [["Kolwezi", "", "A (<5%), B (>60%), C (10%)", 2018]])
    tables = sources.fineprint(book).tables
    held = tables["holdings"].set_index("holder")
    assert held["type"].to_dict() == {"A": "minority", "B": "majority", "C": "minority"}
    assert held.loc["A", ["low", "high", "missing"]].tolist() == [0.0, 0.05, "unknown"]
    assert held["low"].isna().to_dict() == {"A": False, "B": False, "C": True}
    SupplyGraph.from_tables(tables)


def test_owners_in_a_text_without_end():
    for text in ("(" * 100_000, "A (" * 50_000, "1" * 200_000, "A 5" * 50_000, "up to " * 40_000, "-" * 100_000 + "%"):
        assert len(parse_owners(text)[0]) <= 1

"""Sums, regions, other stages and other forms of a good: in a file beside what they are made of, never added to it."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.sources.commodities import concordance
from supplyrisk.sources.usgs_stage import fits_stage
from supplyrisk.sources.world_total import is_world

LONG = "MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes\n"
WIDE = "SOURCE,COMMODITY,COUNTRY,TYPE,UNIT_MEAS,PROD_2022,PROD_EST_2023,PROD_NOTES\n"


def usgs(folder, text, name):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return sr.sources.usgs_mcs(file)


def wide(folder, *rows):
    lines = [f"MCS2024,{c},{place},{kind},metric tons,{a},{b},\n" for c, place, kind, a, b in rows]
    return usgs(folder, WIDE + "".join(lines), "MCS2024_World_Data.csv")


def made(reading, year, what="output"):
    rows = reading.inputs["production"]
    rows = rows[(rows["year"] == year) & (rows["what"] == what)]
    return {(p, c): q for p, c, q in rows[["product", "country", "quantity"]].itertuples(index=False)}


# ---------------------------------------------------------------------- USGS


def test_the_sum_of_natural_and_synthetic_is_in_neither(tmp_path):
    head = "SODA ASH,World Production,Soda Ash,{},Production,Mine production: {},thousand metric tons,2024,{},\n"
    rows = [
        ("Kenya", "Natural", "265"),
        ("World total", "natural", '"18,400"'),
        ("World total", "synthetic", '"52,200"'),
        ("World total", "natural and synthetic", '"70,600"'),
    ]
    reading = usgs(tmp_path, LONG + "".join(head.format(*r) for r in rows), "MCS2026_Commodities_Data.csv")
    assert made(reading, 2024) == {
        ("soda_ash.natural", "KEN"): 265e3,
        ("soda_ash.natural", "WLD"): 18_400e3,
        ("soda_ash.synthetic", "WLD"): 52_200e3,
    }
    assert any("natural and synthetic" in n and "sum of" in n for n in reading.report.notes)


def test_world_totals_of_either_form_are_read_where_their_sum_stands_below(tmp_path):
    reading = wide(
        tmp_path,
        ("Soda ash", "Kenya", '"Mine production, natural"', 300, 300),
        ("Soda ash", '"World total (rounded), natural"', '"Mine production, natural"', 23000, 24000),
        ("Soda ash", '"World total (rounded), synthetic"', '"Production, Synthetic"', 45900, 49000),
        ("Soda ash", "World total (rounded)", '"Soda ash, total natural and synthetic"', 68900, 73000),
    )
    assert made(reading, 2022) == {
        ("soda_ash.natural", "KEN"): 300,
        ("soda_ash.natural", "WLD"): 23000,
        ("soda_ash.synthetic", "WLD"): 45900,
    }


@pytest.mark.parametrize(
    "kind", ["Smelter production", "Refinery production", "Secondary production", "Reserve base", "Recycled", "Stocks"]
)
@pytest.mark.parametrize("commodity", ["Tungsten", "Antimony", "Lead", "Lithium", "Rare earths", "Chromium", "Cobalt"])
def test_another_stage_is_not_added_to_the_mine_and_is_said(tmp_path, commodity, kind):
    reading = wide(tmp_path, (commodity, "China", "Mine production", 100, 110), (commodity, "China", kind, 7, 8))
    mines = {k: v for k, v in made(reading, 2022).items() if k[0].endswith(".mine")}
    assert list(mines.values()) == [100]
    if len(made(reading, 2022)) == 1:  # no product of that stage is known
        assert any(u["name"] == f"{commodity}: {kind}" for u in reading.report.unmapped)
        assert any(f"{commodity}: {kind}" in n and "another stage" in n for n in reading.report.notes)


def test_a_stage_that_has_a_product_goes_to_that(tmp_path):
    reading = wide(
        tmp_path,
        ("Tin", "China", "Mine production", 90, 95),
        ("Tin", "China", "Smelter production", 160, 170),
        ("Zinc", "Peru", "Refinery production", 5, 6),
        ("Copper", "Chile", "Smelter production", 3, 4),
        ("Bismuth", "China", "Mine production", 1, 2),
        ("Bismuth", "China", "Refinery production", 8, 9),
    )
    assert made(reading, 2023) == {
        ("tin.mine", "CHN"): 95,
        ("tin.refined", "CHN"): 170,
        ("zinc.refined", "PER"): 6,
        ("copper.smelter", "CHL"): 4,
        ("bismuth.mine", "CHN"): 2,
        ("bismuth.refined", "CHN"): 9,
    }


def test_a_mine_is_no_refinery_and_scrap_is_counted_only_where_the_publisher_adds_it(tmp_path):
    reading = wide(
        tmp_path,
        ("Gallium", "China", "Primary production", 600, 700),
        ("Gallium", "China", "Secondary production", 50, 60),
        ("Gallium", "Guinea", "Mine production", 4, 4),
        ("Germanium", "China", "Primary and secondary refinery production", 95, 96),
        ("Iodine", "Chile", '"Mine production, elemental iodine"', 22, 23),
    )
    assert made(reading, 2022) == {
        ("gallium.refined", "CHN"): 600_000,  # kg
        ("germanium.refined", "CHN"): 95_000,
        ("iodine.refined", "CHL"): 22,
    }


def test_two_forms_of_one_product_and_place_are_not_added(tmp_path):
    reading = wide(
        tmp_path,
        ("Lime", "China", "Production", 300, 310),
        ("Lime", "India", "Production", 16, 17),
        ("Lime", "India", "Production: quicklime only", 9, 9),
        ("Lime", "Peru", "Production: quicklime only", 2, 2),
    )
    assert made(reading, 2022) == {
        ("lime.refined", "CHN"): 300,
        ("lime.refined", "IND"): 16,
        ("lime.refined", "PER"): 2,
    }
    assert any("Lime: Production: quicklime only" in n and "never added up" in n for n in reading.report.notes)


def test_two_world_totals_of_one_product_are_not_added(tmp_path):
    reading = wide(
        tmp_path,
        ("Gallium", "China", "Primary production", 600, 700),
        ("Gallium", "World total", "Primary production", "", 750),
        ("Gallium", "World total (rounded)", "Primary production", 633, 760),
    )
    assert made(reading, 2022) == {("gallium.refined", "CHN"): 600_000, ("gallium.refined", "WLD"): 633_000}
    assert made(reading, 2023) == {("gallium.refined", "CHN"): 700_000, ("gallium.refined", "WLD"): 750_000}
    text = LONG + "".join(
        f"GALLIUM,World Production,Gallium,{place},Production,Primary production,kilograms,2025,{v},\n"
        for place, v in (("China", 600), ("World total", 633), ("Total", 630), ("Total Asia", 600))
    )
    again = usgs(tmp_path, text, "MCS2026_Commodities_Data.csv")
    assert made(again, 2025) == {("gallium.refined", "CHN"): 600, ("gallium.refined", "WLD"): 633}


def test_a_capacity_in_the_column_of_production_is_no_output(tmp_path):
    reading = wide(
        tmp_path,
        ("Cement", "China", '"Cement production, estimated"', 2000, 1900),
        ("Cement", "China", '"Clinker capacity, estimated"', 2100, 1950),
    )
    assert made(reading, 2022) == {("cement.refined", "CHN"): 2000}
    assert made(reading, 2022, "capacity") == {("cement.clinker", "CHN"): 2100}
    assert reading.tables["nodes"].set_index(["product", "year"])["output"].isna()["cement.clinker"].all()


def test_every_product_of_the_summaries_takes_the_production_of_its_own_stage():
    rules = concordance("usgs")
    rules = rules[rules["product"] != ""]
    stage = rules["product"].str.partition(".")[2]
    own = stage.map({"mine": "Mine production", "refined": "Refinery production"}).fillna("Production")
    assert fits_stage(rules["product"], own).all()
    other = stage.map({"mine": "Refinery production", "refined": "Mine production"})
    known = other.notna() & (rules["product"] != "iodine.refined")
    assert not fits_stage(rules["product"][known], other[known]).any()


@pytest.mark.realdata
def test_world_totals_of_soda_ash_are_the_published_ones(published):
    for name, year, natural, synthetic in (
        ("MCS2026_Commodities_Data.csv", 2024, 18_400e3, 52_200e3),
        ("MCS2026_Commodities_Data.csv", 2025, 19_000e3, 52_000e3),
        ("MCS2025_World_Data.csv", 2023, 23_000e3, 45_900e3),
    ):
        found = made(sr.sources.usgs_mcs(published / "usgs_mcs" / name), year)
        assert found["soda_ash.natural", "WLD"] == natural
        assert found["soda_ash.synthetic", "WLD"] == synthetic


# ---------------------------------------------------------------------- regions and the world


@pytest.mark.parametrize(
    "name", ["World", "Total", "World total (rounded) 10", "TOTAL WORLD", "All countries", "Sum", "WLD"]
)
def test_names_of_the_world(name):
    assert is_world(pd.Series([name])).tolist() == [True]


@pytest.mark.parametrize(
    "name",
    ["Total EU", "Total OECD", "Sub-total", "Africa", "World excluding China", "Rest of world", "Other countries", ""],
)
def test_names_that_are_not_the_world(name):
    assert is_world(pd.Series([name], dtype="string")).tolist() == [False]


def wmd(folder, *rows):
    file = folder / "WMD2025.xlsx"
    book = openpyxl.Workbook()
    book.active.title = "Cobalt"
    book.active.append(["Country", "unit", "2023"])
    for name, figure in rows:
        book.active.append([name, "metr. t", figure])
    book.save(file)
    return sr.sources.wmd(file)


def bgs(folder, *rows):
    file = folder / "bgs.csv"
    text = "year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
    text += "".join(f'2023,"{name}",,"cobalt, refined",tonnes (metric),{figure},Production\n' for name, figure in rows)
    file.write_text(text, encoding="utf-8")
    return sr.sources.bgs(file)


@pytest.mark.parametrize("read", [wmd, bgs])
@pytest.mark.parametrize(
    "region", ["EU27", "European Union", "Europe", "Africa", "Asia", "OECD", "Latin America", "Total EU", "Sub-total"]
)
def test_a_region_is_no_part_of_the_world_total_and_is_said(tmp_path, read, region):
    reading = read(tmp_path, ("China", 120), ("Finland", 20), (region, 20), ("World", 140))
    found = {c: q for (_, c), q in made(reading, 2023).items()}
    assert found == {"CHN": 120, "FIN": 20, "WLD": 140}
    assert any(region in n for n in reading.report.notes)
    assert reading.report.rows_dropped == 1
    alone = read(tmp_path, ("China", 120), ("Finland", 20), (region, 20))
    assert {c for _, c in made(alone, 2023)} == {"CHN", "FIN"}


@pytest.mark.parametrize("read", [wmd, bgs])
def test_of_several_world_totals_one_counts(tmp_path, read):
    reading = read(
        tmp_path, ("China", 120), ("Total", 139), ("World", ""), ("World total", 150), ("Other countries", 5)
    )
    assert {c: q for (_, c), q in made(reading, 2023).items()} == {"CHN": 120, "WLD": 150, "ROW": 5}
    assert any("1 world totals differ" in n for n in reading.report.notes)


def test_a_kind_beside_the_figure_of_all_kinds_is_not_added(tmp_path):
    head = "year,country_trans,bgs_commodity_trans,bgs_sub_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
    rows = [
        ("Indonesia", "", 1000),
        ("Indonesia", "Ferro-nickel", 500),
        ("Brazil", "Ferro-nickel", 50),
        ("Cuba", "", ""),
    ]
    rows += [("Cuba", "Ferro-nickel", 7), ("Indonesia", "Sulfate", 30)]
    text = "".join(f'2023,{c},"nickel, smelter/refinery",{d},tonnes (metric),{q},Production\n' for c, d, q in rows)
    file = tmp_path / "bgs.csv"
    file.write_text(head + text)
    reading = sr.sources.bgs(file)
    found = made(reading, 2023)
    assert found["nickel.refined", "IDN"] == 1000
    assert found["nickel.refined", "BRA"] == 50
    assert found["nickel.refined", "CUB"] == 7
    assert found["nickel.sulphate", "IDN"] == 30
    assert any("figure of all kinds" in d["reason"] and d["rows"] == 1 for d in reading.report.dropped)

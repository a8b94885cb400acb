"""USGS Mineral Commodity Summaries: both layouts, every trap, the published totals."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError

WIDE = (
    "\ufeffSOURCE,COMMODITY,COUNTRY,TYPE,UNIT_MEAS,PROD_2023,PROD_EST_ 2024,PROD_NOTES,CAP_2023,CAP_EST_ 2024,CAP_NOTES,"
    "RESERVES_2024,RESERVE_NOTES\n"
    "MCS2025,Gallium ,China,Primary production,kilograms,621000,750000,,,1000000,,,\n"
    "MCS2025,Gallium ,Other Countries,Primary production,kilograms,,,note,,88000,estimated,,\n"
    "MCS2025,Gallium ,World total (rounded),Primary production,kilograms,633000,760000,,,1100000,,,\n"
    "MCS2025,Gemanium,China,Primary and secondary refinery production,kilograms,,,W for 23-24,,,,,\n"
    "MCS2025,Antimony,Congo (Kinshasa),\"Mine production, antimony content\",metric tons,1,2,,,,,>2000000,\n"
    "MCS2025,Antimony,Burma,\"Mine production, antimony content\",metric tons,,5,na for 2023,,,,NA,\n"
    "MCS2025,Antimony,World total (rounded) 10,\"Mine production, antimony content\",metric tons,80,100,,,,,,\n"
    "MCS2025,Magnesium metal,United States,Magnesium smelter production,thousand metric tons,W,W,,64,64,,64,Moved to capacity column not a reserve\n"
    "MCS2025,Magnesium metal,China,Magnesium smelter production,thousand metric tons,805,950,,1800,1800,,1800,\n"
    "MCS2025,Vanadium,China,\"Mine production, vanadium content\",metric tons,70000,70000,estimated 2023,,,,4100,\n"
    "MCS2025,Vanadium,World total (rounded),\"Mine production, vanadium content\",metric tons,104000,100000,,,,,18000,(Reserve data is thousand metric tons).\n"
    "MCS2025,Silicon,Norway,\"Plant production, Ferosilicon, silicon content\",thousand metric tons,160,170,,,,,,\n"
    "MCS2025,Silicon,Norway,\"Plant production, silicon metal\",thousand metric tons,140,150,,,,,,\n"
    "MCS2025,Atlantium,China,Mine production,metric tons,7,7,,,,,,\n"
)  # fmt: skip
LONG = (
    "MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes\n"
    'GALLIUM,World Production,Gallium,China,Production,Primary production,kilograms,2024,"839,000",Estimated.\n'
    "GALLIUM,World Production,Gallium,United States,Production,Primary production,kilograms,2024,\u2014,\n"
    'GALLIUM,World Production,Gallium,World total,Production,Primary production: rounded,kilograms,2024,"848,000",\n'
    "SILICON,World Production,Silicon,United States,Production,Silicon metal,thousand metric tons,2024,W,\n"
    "SILICON,World Production,Silicon,Bhutan,Production,Silicon metal,thousand metric tons,2024,s,\n"
    "SILICON,World Production,Silicon,Turkey,Production,Silicon metal,thousand metric tons,2024,330 - 390,\n"
    "SILICON,Salient Statistics\u2014United States,Silicon,United States,Net import reliance,Total,percent,2024,>50,\n"
    "GOLD,Salient Statistics\u2014United States,Gold,United States,Net import reliance,Total,percent,2024,E,\n"
    "GALLIUM,Import Sources,Gallium,Canada,Import sources 2021-2024,Metal,percent,2021\u201324,28,\n"
    "GALLIUM,Import Sources,Gallium,Other countries,Import sources 2021-2024,Metal,percent,2021\u201324,72,\n"
    'GALLIUM,Salient Statistics\u2014United States,Gallium,United States,Consumption,"Consumption, reported",kilograms,2024,"19,000",\n'
)  # fmt: skip


@pytest.fixture
def wide(tmp_path):
    file = tmp_path / "MCS2025_World_Data.csv"
    file.write_text(WIDE, encoding="utf-8")
    return sr.sources.usgs_mcs(file)


@pytest.fixture
def long(tmp_path):
    file = tmp_path / "MCS2026_Commodities_Data.csv"
    file.write_bytes(LONG.encode("cp1252"))
    return sr.sources.usgs_mcs(file)


def row(reading, product, country, year, what="output"):
    p = reading.inputs["production"]
    hit = p[(p["product"] == product) & (p["country"] == country) & (p["year"] == year) & (p["what"] == what)]
    assert len(hit) == 1, hit
    return hit.iloc[0]


def test_wide_layout_byte_order_mark_padded_names_and_space_in_a_header(wide):
    assert row(wide, "gallium.refined", "CHN", 2024)["quantity"] == 750000.0
    assert row(wide, "gallium.refined", "CHN", 2024)["grade"] == "B"
    assert row(wide, "gallium.refined", "CHN", 2023)["grade"] == "A"
    assert row(wide, "gallium.refined", "WLD", 2024)["quantity"] == 760000.0
    assert row(wide, "gallium.refined", "ROW", 2024, "capacity")["quantity"] == 88000.0
    assert wide.report.vintage == "MCS 2025"


def test_misspelt_commodity_is_withheld_not_zero(wide):
    germanium = row(wide, "germanium.refined", "CHN", 2024)
    assert pd.isna(germanium["quantity"])
    assert germanium["missing"] == "withheld"
    assert row(wide, "ferrosilicon.refined", "NOR", 2024)["quantity"] == 170000.0
    assert row(wide, "silicon.metal", "NOR", 2024)["quantity"] == 150000.0


def test_totals_with_footnotes_are_totals(wide):
    assert row(wide, "antimony.mine", "WLD", 2024)["quantity"] == 100.0
    assert set(wide.inputs["production"]["country"]) <= {"CHN", "ROW", "WLD", "COD", "MMR", "USA", "NOR"}


def test_a_note_of_one_year_does_not_speak_of_the_other(wide):
    assert row(wide, "antimony.mine", "MMR", 2023)["missing"] == "not_available"
    assert row(wide, "antimony.mine", "MMR", 2024)["quantity"] == 5.0


def test_capacity_that_stands_under_reserves_is_no_reserve(wide):
    reserves = wide.data[wide.data["what"] == "reserves"]
    assert "Magnesium metal" not in set(reserves["commodity"])
    assert row(wide, "magnesium.refined", "CHN", 2024, "capacity")["quantity"] == 1_800_000.0
    assert row(wide, "magnesium.refined", "USA", 2024)["missing"] == "withheld"


def test_reserves_in_another_unit_than_the_row(wide):
    reserves = wide.data[(wide.data["what"] == "reserves") & (wide.data["commodity"] == "Vanadium")]
    assert set(reserves["unit"]) == {"thousand metric tons"}
    bound = wide.data[(wide.data["what"] == "reserves") & (wide.data["code"] == "bound")].iloc[0]
    assert (bound["low"], pd.isna(bound["value"]), pd.isna(bound["high"])) == (2000000.0, True, True)


def test_unknown_commodities_are_named_and_not_dropped_silently(wide):
    (lost,) = [u for u in wide.report.unmapped if u["name"].startswith("Atlantium")]
    assert (lost["kind"], lost["rows"], lost["of"]) == ("commodity", 2, "tonnage")
    assert 0.0 < lost["value_share"] < 0.001


def test_long_layout_keeps_every_code_apart(long):
    assert row(long, "gallium.refined", "USA", 2024)["quantity"] == 0.0
    us = row(long, "silicon.metal", "USA", 2024)
    assert (us["missing"], pd.isna(us["high"])) == ("withheld", True)
    bhutan = row(long, "silicon.metal", "BTN", 2024)
    assert (bhutan["low"], bhutan["high"], pd.isna(bhutan["quantity"])) == (0.0, 500.0, True)
    turkey = row(long, "silicon.metal", "TUR", 2024)
    assert (turkey["low"], turkey["high"]) == (330000.0, 390000.0)
    reliance = long.data[long.data["what"] == "reliance"].set_index("commodity")
    assert (reliance.loc["Silicon", "low"], reliance.loc["Silicon", "high"]) == (50.0, 100.0)
    assert reliance.loc["Gold", "code"] == "net_exporter"
    assert long.report.missing["withheld"] == 1


def test_import_sources_and_use_of_the_united_states(long):
    sourcing = long.inputs["sourcing"]
    assert sourcing[["product", "buyer", "supplier", "share", "year"]].values.tolist() == [
        ["gallium.refined", "USA", "CAN", 0.28, 2024]
    ]
    assert long.inputs["demand"][["product", "country", "quantity"]].values.tolist() == [
        ["gallium.refined", "USA", 19000.0]
    ]


def test_old_release_with_one_commodity_per_file(tmp_path):
    file = tmp_path / "mcs2022-gallium_world.csv"
    file.write_text("Source,Country,Type,Prod_kg_2020,Prod_kg_est_2021,Prod_notes,Reserves_kg,Reserves_notes\n"
                    "MCS2022,China,Primary production,317000,420000,,,\n")  # fmt: skip
    reading = sr.sources.usgs_mcs(file)
    assert row(reading, "gallium.refined", "CHN", 2021)["quantity"] == 420000.0
    assert reading.tables["sources"]["source"].tolist() == ["usgs_mcs2022"]


def test_decimal_comma_is_refused_with_the_remedy_and_read_when_said(tmp_path):
    file = tmp_path / "MCS2026.csv"
    file.write_text(LONG.replace('"839,000"', '"839.000,5"').replace("\u2014", "0"))
    with pytest.raises(SourceError, match="decimal comma"):
        sr.sources.usgs_mcs(file)


def test_reading_goes_over_a_graph(long, atlas):
    g = atlas.overlay(long, name="usgs")
    node = g.nodes[(g.nodes["node"] == "gallium.refined@CHN") & (g.nodes["year"] == 2024)].iloc[0]
    assert (node["output"], node["origin_tag"]) == (839000.0, "usgs")


def test_products_filter(tmp_path):
    file = tmp_path / "MCS2026.csv"
    file.write_text(LONG)
    only = sr.sources.usgs_mcs(file, products=["gallium.refined"])
    assert set(only.inputs["production"]["product"]) == {"gallium.refined"}


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "antimony", "share"),
    [("MCS2025_World_Data.csv", 60000, 0.60), ("MCS2026_Commodities_Data.csv", 40000, 0.34)],
)
def test_published_figures_and_totals(published, name, antimony, share):
    reading = sr.sources.usgs_mcs(published / "usgs_mcs" / name)
    made = reading.inputs["production"].query("what == 'output' and year == 2024").set_index(["product", "country"])
    q = made["quantity"]
    assert q["antimony.mine", "CHN"] == antimony
    assert round(q["antimony.mine", "CHN"] / q["antimony.mine", "WLD"], 2) == share
    assert q["gallium.refined", "CHN"] / q["gallium.refined", "WLD"] == pytest.approx(0.99, abs=0.01)
    assert q["rare_earths.mine", "CHN"] == 270000.0
    listed = q.drop("WLD", level=1).groupby(level=0).sum()
    total = q.xs("WLD", level=1)
    gap = (listed / total - 1).drop(["kaolin.mine"]).dropna()  # a digit is missing in the published total of 2025
    assert (gap.abs() > 0.10).sum() <= 2  # withheld producers and rounded totals, nothing else
    assert not [u for u in reading.report.unmapped if u["kind"] == "country" and "and" not in u["name"].split()]


def errata(tmp_path, unit="metric tons", scale=1):
    head = "SOURCE,COMMODITY,COUNTRY,TYPE,UNIT_MEAS,PROD_2023,PROD_EST_ 2024,PROD_NOTES,RESERVES_2024,RESERVE_NOTES\n"
    kind = '"Mine production, ilmentite, titanium dioxide (TiO2) content"'
    rows = [("Titanium Mineral Concentrates", p, kind, unit, 3250 * scale, 3300 * scale) for p in ("China", "Kenya")]
    rows += [("Titanium Mineral Concentrates", "World total (rounded)", kind, unit, 6500 * scale, 6600 * scale)]
    rows += [("Gemanium", p, "Primary refinery production", "kilograms", "", "") for p in ("China", "World total")]
    rows += [("Antimony", "Atlantis", "Mine production", "metric tons", 30, 30)]
    rows += [("Antimony", "China", "Mine production", "metric tons", 70, "\u2014")]
    path = tmp_path / "MCS2025_World_Data.csv"
    path.write_text(head + "".join(",".join(map(str, ("MCS2025", *r, "", "", ""))) + "\n" for r in rows))
    return sr.sources.usgs_mcs(path)


def test_a_known_fault_of_a_release_is_corrected_with_a_note_and_only_while_it_is_there(tmp_path):
    wrong = errata(tmp_path)
    made = wrong.inputs["production"].set_index(["product", "country", "year"])
    assert made.loc[("ilmenite.mine", "WLD", 2024), "quantity"] == 6_600_000.0
    noted = wrong.data[wrong.data["commodity"].str.startswith("Titanium")]
    assert noted["note"].str.contains("unit corrected from metric tons").all()
    assert any("Titanium" in n and "corrected" in n for n in wrong.report.notes)
    mended = errata(tmp_path, scale=1000)
    right = mended.inputs["production"].set_index(["product", "country", "year"])
    assert right.loc[("ilmenite.mine", "WLD", 2024), "quantity"] == 6_600_000.0
    assert not any("corrected" in n for n in mended.report.notes)


def test_blanks_that_are_withheld_dashes_and_shares_of_the_unknown(tmp_path):
    r = errata(tmp_path)
    assert r.data.loc[r.data["commodity"] == "Gemanium", "code"].eq("withheld").all()
    assert r.report.missing["zero"] == 1
    lost = {u["name"]: u["value_share"] for u in r.report.unmapped}
    assert lost["Atlantis"] == 1.0  # of the antimony of 2024
    assert r.inputs["production"]["published_on"].eq("2025-01-31").all()


@pytest.mark.realdata
def test_the_releases_of_2025_and_2026_agree_in_magnitude(published):
    a, b = (
        sr.sources.usgs_mcs(published / "usgs_mcs" / f)
        for f in ("MCS2025_World_Data.csv", "MCS2026_Commodities_Data.csv")
    )
    keys = ["product", "year", "what"]
    total = [r.inputs["production"].query("country == 'WLD'").set_index(keys)["quantity"] for r in (a, b)]
    ratio = (total[0] / total[1]).dropna()
    assert ratio.between(0.01, 100).all(), ratio[~ratio.between(0.01, 100)]


def test_marks_beside_figures_and_figures_that_cannot_be(tmp_path):
    head = "MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes\n"
    cells = {
        "China": "500e",
        "Japan": "e/ 500",
        "Canada": "500 (7)",
        "Korea,\u00a0Republic of": "r500",
        "Russia": "-500",
    }
    rows = [f'GALLIUM,World Production,Gallium,"{c}",Production,Primary production,kilograms,2024,{v},\n'
            for c, v in cells.items()]  # fmt: skip
    path = tmp_path / "MCS2026.csv"
    path.write_text(head + "".join(rows), encoding="utf-8")
    r = sr.sources.usgs_mcs(path)
    made = r.inputs["production"].set_index("country")
    assert made.loc[["CHN", "JPN", "CAN", "KOR"], "quantity"].tolist() == [500.0] * 4
    assert made.loc[["CHN", "JPN", "CAN"], "grade"].tolist() == ["B", "B", "A"]
    assert pd.isna(made["quantity"].get("RUS"))
    assert "negative" in r.data.set_index("country").loc["RUS", "note"]
    assert any("negative" in n for n in r.report.notes)
    assert "revised" in r.data.set_index("country").loc["KOR", "note"]


def test_columns_named_in_words_are_read_and_unknown_ones_are_told(tmp_path):
    path = tmp_path / "mcs2022-antim_world.csv"
    head = "Source,Country,Type,Mine production_2020_t,Mine production_2021_t_estimated,Reserves_t,Reserves_notes\n"
    rows = 'MCS2022,United States,Antimony,--,--,"60,000",\nMCS2022,China,Antimony,"61,000","60,000","480,000",\n'
    path.write_text(head + rows, encoding="utf-8")
    made = sr.sources.usgs_mcs(path).inputs["production"]
    china = made[made["country"] == "CHN"].sort_values("year")
    assert china[["product", "year", "quantity", "grade"]].values.tolist() == [
        ["antimony.mine", 2020, 61000.0, "A"],
        ["antimony.mine", 2021, 60000.0, "B"],
    ]
    path.write_text(head.replace("Mine production", "Yield") + rows, encoding="utf-8")
    assert "no production was read" in str(sr.sources.usgs_mcs(path).report)
    path.write_text(head.replace("Mine production_2020_t", "Outproduct2020") + rows, encoding="utf-8")
    assert "does not know are not read: Outproduct2020" in str(sr.sources.usgs_mcs(path).report)

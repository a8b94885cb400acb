"""Every published file is read, or refused in words that say what it is and what to do with it."""

from __future__ import annotations

import re
import warnings

import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError

READ = {
    "usgs_mcs/MCS2025_World_Data.csv": "usgs_mcs",
    "usgs_mcs/MCS2026_Commodities_Data.csv": "usgs_mcs",
    "eto_chipexplorer/2026-08": "eto_chipexplorer",
    "baci/BACI_HS17_Y2024_V202601_crm30.csv.gz": "baci",
    "baci/baci_2022_value_usd.csv.gz": "baci",
    "baci/crm_hs6_codes.csv": "hs_map",
    "baci/baci_crm32_panel_2002_2024.parquet": "baci",
    "baci/baci_cobalt_products_quantity_2012_2020.parquet": "baci",
    "comtrade/UN_nickel_trade.csv.gz": "comtrade",
    "comtrade/comtrade_raw_2022_10codes.csv.gz": "comtrade",
    "comtrade/china_exports_monthly_hs6_partner.csv": "comtrade",
    "comtrade/china_exports_monthly_group_country.csv": "comtrade",
    "comtrade/china_exports_monthly_overview.csv": "comtrade",
    "comtrade/china_hs8_map.csv": "hs_map",
    "wgi/wgidataset.xlsx": "wgi",
    "wgi/wgidataset.csv.gz": "wgi",
    "world_mining_data/world_mining_data.db": "wmd",
    "world_mining_data/wmd_production_2018_2022.csv": "wmd",
    "world_mining_data/wmd_hs_code_map.csv": "hs_map",
    "world_mining_data/raw_material_hs_map_eol_rir.xlsx": "hs_map",
    **{f"bgs_wms/BGS_{m}_production.csv.gz": "bgs" for m in ("REs", "antimony", "copper", "ferroalloys", "gallium",
       "germanium", "graphite", "magnesium", "manganese", "nickel", "platinum", "tungsten")},
    **{f"eu_crm/{n}.csv": "eu_crm" for n in ("fact_GlobalSupplyShares&t", "fact_EUSupplyShares&t", "fact_MaterialUseShares",
       "dimension_CRMsOverTime", "dimension_ScreenedMatGroupings")},
    "iea/iea_critical_minerals_explorer.json": "iea",
    "iea/iea_supply_by_country.csv": "iea",
    "facilities/ICMM_global_mining_dataset_2025-09.xlsx": "icmm_facilities",
    "facilities/fineprint_detailed_data_mining.xlsx": "fineprint",
    "cobalt_chain": "cobalt_network",
    "china_outbound/china_investment_tracker.csv": "aei_investments",
    "china_outbound/gcdf3_geo_projects.csv.gz": "aiddata_projects",
}  # fmt: skip
# What is no table of its own: a reader, and what its refusal must say.
REFUSED = {
    "baci/country_codes_V202601.csv": ("baci", "country_file="),
    "cobalt_chain/graph_companies.csv": ("cobalt_network", "Give the folder"),
    "cobalt_chain/links.tsv": ("cobalt_network", "raw form"),
    "eto_chipexplorer/2026-08/inputs.csv": ("eto_chipexplorer", "Give the folder"),
    "eto_chipexplorer/2026-08/provision.csv": ("bgs", "eto_chipexplorer()"),
    "eu_crm/data_cleaning.md": ("eu_crm", "a document"),
    "export_controls/china_export_control_events_compiled.csv": ("comtrade", "measures"),
    "export_controls/mofcom_documents_index.csv": ("comtrade", "an index of documents"),
    "wiod/wiot_2011.RData": ("inter_country_table", "csv or parquet"),
    "wiod/wiot_2011_Z.parquet": ("inter_country_table", "Give x= or y="),
    "wiod/wiot_2011_Y.parquet": ("inter_country_table", "as y="),
    "wiod/wiot_2011_x.csv": ("inter_country_table", "as x="),
    "wiod/wiod13_sectors.csv": ("inter_country_table", "no table"),
    "world_mining_data/wmd_hs_code_map.csv": ("wmd", "hs_map"),
    "world_mining_data/raw_material_hs_map_eol_rir.xlsx": ("wmd", "hs_map"),
    "bgs_wms/BGS_gallium_production.csv.gz": ("comtrade", "bgs()"),
    "facilities/fineprint_detailed_data_mining.xlsx": ("icmm_facilities", "fineprint()"),
    "comtrade/UN_nickel_trade.csv.gz": ("bgs", "comtrade()"),
}
ELSEWHERE = ("PROVENANCE.md", "README.md", "technical_notes.md")


# Read in full by the tests of their own readers too.
LONG = (
    "baci/baci_crm32_panel_2002_2024.parquet",
    "wgi/wgidataset.xlsx",
    "facilities/fineprint_detailed_data_mining.xlsx",
)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("path", "reader"), [pytest.param(*p, marks=[pytest.mark.deep] if p[0] in LONG else []) for p in READ.items()]
)
def test_it_is_read(published, path, reader):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        reading = getattr(sr.sources, reader)(published / path)
    assert len(reading.data) > 10
    assert reading.report.rows_read > 10
    assert reading.report.licence_class


@pytest.mark.realdata
@pytest.mark.parametrize(("path", "how"), REFUSED.items())
def test_it_is_refused_with_a_word_on_what_to_do(published, path, how):
    reader, words = how
    with pytest.raises(SourceError, match=re.escape(words)):
        getattr(sr.sources, reader)(published / path)


@pytest.mark.realdata
def test_no_file_is_forgotten(published):
    held = [f for f in published.rglob("*") if f.is_file() and f.name not in ELSEWHERE]
    known = {*READ, *REFUSED}
    lost = [str(f.relative_to(published)) for f in held
            if not any(str(p.relative_to(published)) in known for p in (f, *f.parents) if p.is_relative_to(published))]  # fmt: skip
    assert lost == []
    for name in READ:
        assert (published / name).exists(), name


@pytest.mark.realdata
def test_the_world_table_of_2011_in_its_parts(published):
    folder = published / "wiod"
    table = sr.sources.inter_country_table(
        folder / "wiot_2011_Z.parquet", y=folder / "wiot_2011_Y.parquet", x=folder / "wiot_2011_x.csv"
    )
    assert table.z.shape == (1435, 1435)
    assert table.balance["gap"].abs().max() < 110


@pytest.mark.realdata
def test_sums_over_groups_are_no_trade(published):
    reading = sr.sources.comtrade(published / "comtrade/china_exports_monthly_overview.csv")
    assert not reading.inputs
    assert set(reading.data["reporter"]) == {"CHN"}
    assert set(reading.data["partner"]) == {"WLD"}
    assert len(reading.data) == 384


def test_a_file_without_reporter_asks_for_it(tmp_path):
    file = tmp_path / "extract.csv"
    file.write_text("period_dt,partner_name,hs6,val,qty\n2017-01-01,Australia,250410,10,5\n")
    with pytest.raises(SourceError, match="reporter= and flow="):
        sr.sources.comtrade(file)
    reading = sr.sources.comtrade(file, reporter="China", flow="X")
    assert reading.inputs["trade"][["origin", "destination", "value"]].values.tolist() == [["CHN", "AUS", 10.0]]
    named = file.rename(tmp_path / "south-korea_imports_2017.csv")
    reading = sr.sources.comtrade(named)
    assert reading.inputs["trade"][["origin", "destination"]].values.tolist() == [["AUS", "KOR"]]
    assert any("as the file's name says" in n for n in reading.report.notes)


def test_a_map_of_headings(tmp_path):
    file = tmp_path / "map.csv"
    file.write_text(
        "Sheet_name,HS Code - Complementary,HS Code,EoL-RIR (2023)\nAluminium,,760110,0.32\nGraphite,250490,250410,3%\n"
        "Asbestos,,,0\nKaolin,250830;250840,2507.0,\n"
    )
    reading = sr.sources.hs_map(file)
    assert set(reading.inputs["concordance"]["product"]) >= {"aluminium.refined", "graphite_natural.powder"}
    assert reading.data.groupby("material")["recycling"].first().dropna().to_dict() == {
        "Aluminium": 0.32,
        "Graphite": 0.03,
    }
    assert reading.data.loc[reading.data["material"] == "Kaolin", "code"].tolist() == ["2507", "250830", "250840"]
    assert [(d["reason"], d["rows"]) for d in reading.report.dropped] == [("no code of four to ten digits", 1)]
    sr.sources.together(reading, name="codes alone")

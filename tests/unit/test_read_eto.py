"""Chip explorer: two layouts, rows without a share, places that are nobody."""

from __future__ import annotations

import pytest

from supplyrisk import formats, sources
from supplyrisk.errors import SourceError
from supplyrisk.graph import SupplyGraph
from supplyrisk.registry import registries

INPUTS = """input_id,input_name,type,stage_id,year,market_share_chart_global_market_size_info
N19,Lithography tools,tool_resource,,2025,
N20,EUV lithography tools,tool_resource,,2025,
N25,Photolithography,process,S2,,
N26,Wafer,material_resource,,2019,
"""
STAGES = "stage_id,stage_name,market_share_chart_global_market_size_info\nS2,Fabrication,$56.2 billion (2019)\n"
PROVIDERS = """provider_name,alias,provider_id,provider_type,country
NLD,Netherlands,P45,country,
TWN,Taiwan,P8,country,
Various countries,,P5,country,
EUR,Europe,P312,country,
MAL,Malaysia,P46,country,
ASML,,P88,organization,NLD
"""
SEQUENCE = """input_name,input_id,goes_into_name,goes_into_id,is_type_of_name,is_type_of_id
Lithography tools,N19,Photolithography,N25,,
EUV lithography tools,N20,,,Lithography tools,N19
Wafer,N26,Photolithography,N25,,
"""
NEW = """provider_name,provider_id,provided_name,provided_id,share_provided,year,source
NLD,P45,EUV lithography tools,N20,100,2025,x
ASML,P88,EUV lithography tools,N20,100.0,2025,x
TWN,P8,Wafer,N26,16,2019,x
Various countries,P5,Wafer,N26,2,2019,x
EUR,P312,Wafer,N26,3,2019,x
NLD,P45,Lithography tools,N19,,2025,x
"""
OLD = """Order added,provider_name,provider_id,provided_name,provided_id,share_provided,negligible_market_share
1,TWN,P8,Fabrication,S2,47%,
2,MAL,P46,Fabrication,S2,2%,
3,ASML,P88,EUV scanners,N20,,Negligible
4,NLD,P45,Wafer,N26,,negligible
"""


def folder(tmp_path, provision, **changed):
    files = {"inputs": INPUTS, "stages": STAGES, "providers": PROVIDERS, "sequence": SEQUENCE, "provision": provision}
    for name, text in {**files, **changed}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_layout_of_2026(tmp_path):
    reading = sources.eto_chipexplorer(folder(tmp_path, NEW))
    g = SupplyGraph.from_tables(reading.tables)
    nodes = g.nodes.set_index("node")
    assert nodes.loc["eto.n20@NLD", "output"] == 1.0
    assert nodes.loc["eto.n26@TWN", "output"] == pytest.approx(0.16)
    assert nodes.loc["eto.n26@ROW", "output"] == pytest.approx(0.05)
    assert nodes.loc["eto.n19@NLD", "output_missing"] == "not_available"
    assert reading.data.loc[reading.data["provider"] == "P88", "country"].tolist() == ["NLD"]
    assert not g.nodes["node"].str.contains("ASML").any()  # a firm's share is part of its country's
    recipes = g.recipes.set_index(["product", "input"])
    assert recipes.loc[("eto.n25", "eto.n19"), ["process", "input_class"]].tolist() == ["main", "essential"]
    assert recipes.loc[("eto.n19", "eto.n20"), ["process", "input_class"]].tolist() == ["type_of", "important"]
    assert g.recipes["missing"].eq("not_available").all()
    assert g.products.set_index("product")["stage"].to_dict() == {
        "eto.n19": "equipment", "eto.n20": "equipment", "eto.n25": "front_end", "eto.n26": "wafer"}  # fmt: skip


def test_older_layout_with_percent_text_and_no_year(tmp_path):
    reading = sources.eto_chipexplorer(folder(tmp_path, OLD))
    nodes = reading.tables["nodes"].set_index("node")
    assert nodes.loc["eto.s2@TWN", ["output", "year"]].tolist() == [0.47, 2019]
    assert nodes.loc["eto.s2@MYS", "output"] == pytest.approx(0.02)
    assert nodes.loc["eto.n26@NLD", "output_missing"] == "not_available"
    assert reading.data["code"].tolist() == ["", "", "negligible", "negligible"]


def test_terms_are_non_commercial_and_exports_leave_it_out(tmp_path):
    reading = sources.eto_chipexplorer(folder(tmp_path, NEW))
    assert registries["source"]["eto_chipexplorer"].licence == "non_commercial"
    g = SupplyGraph.from_tables(reading.tables)
    report = formats.export(g, tmp_path / "public.json")
    assert report["rows"].sum() > 0
    assert not len(formats.read(tmp_path / "public.json").nodes)


def test_absent_tables_and_strange_shares(tmp_path):
    reading = sources.eto_chipexplorer(
        folder(tmp_path, NEW.replace(",16,", ",160,").replace("N19,,2025", "N99,5,2025"))
    )
    assert reading.report.rows_dropped == 1
    assert [u["name"] for u in reading.report.unmapped if u["kind"] == "input"] == ["N99"]
    (tmp_path / "stages.csv").unlink()
    (tmp_path / "inputs.csv").unlink()
    with pytest.raises(SourceError) as err:
        sources.eto_chipexplorer(tmp_path)
    assert len(err.value.problems) == 2


@pytest.mark.realdata
def test_the_published_folder(published):
    reading = sources.eto_chipexplorer(published / "eto_chipexplorer" / "2026-08")
    g = SupplyGraph.from_tables(reading.tables)
    assert len(reading.data) == 1300
    assert reading.report.missing["not_available"] == 246
    assert len(g.products) == 129
    assert len(g.recipes) == 139
    assert not reading.report.unmapped
    nodes = g.nodes.set_index("node")
    assert nodes.loc["eto.n20@NLD", "output"] == 1.0  # EUV
    assert nodes.loc["eto.n26@JPN", "output"] == pytest.approx(0.56)  # wafers
    assert "TWN" in set(g.nodes["country"])


def test_decimal_commas_are_refused_or_read_as_such(tmp_path):
    there = folder(tmp_path, OLD.replace("47%", '"47,5%"').replace("2%", '"<2,5%"'))
    with pytest.raises(SourceError, match='decimal=","'):
        sources.eto_chipexplorer(there)
    data = sources.eto_chipexplorer(there, decimal=",").data
    assert data["share"].iloc[0] == 47.5
    assert data["high"].iloc[1] == 2.5

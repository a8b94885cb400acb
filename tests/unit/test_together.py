"""Any reading alone and any two together are a graph, or an error that says what to do; nothing is lost in silence."""

from __future__ import annotations

import itertools
import warnings

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import sources
from supplyrisk.errors import SchemaError
from supplyrisk.sources import Reading, Report
from supplyrisk.sources.commodities import product_rows
from supplyrisk.sources.hs import product_headings

COBALT = ["cobalt.mine", "gallium.refined"]
READERS = {
    "usgs_mcs": lambda d: sources.usgs_mcs(d / "usgs_mcs" / "MCS2026_Commodities_Data.csv", products=COBALT),
    "baci": lambda d: sources.baci(d / "baci" / "baci_2022_value_usd.csv.gz", products=["magnesium.refined"]),
    "comtrade": lambda d: sources.comtrade(
        d / "comtrade" / "comtrade_raw_2022_10codes.csv.gz", products=["ndfeb.magnet"]
    ),
    "wgi": lambda d: sources.wgi(d / "wgi" / "wgidataset.csv.gz"),
    "wmd": lambda d: sources.wmd(d / "world_mining_data" / "wmd_production_2018_2022.csv", products=["antimony.mine"]),
    "bgs": lambda d: sources.bgs(d / "bgs_wms" / "BGS_tungsten_production.csv.gz"),
    "eu_crm global": lambda d: sources.eu_crm(d / "eu_crm" / "fact_GlobalSupplyShares&t.csv"),
    "eu_crm sourcing": lambda d: sources.eu_crm(d / "eu_crm" / "fact_EUSupplyShares&t.csv"),
    "eu_crm list": lambda d: sources.eu_crm(d / "eu_crm" / "dimension_CRMsOverTime.csv"),
    "iea": lambda d: sources.iea(d / "iea" / "iea_supply_by_country.csv"),
    "icmm_facilities": lambda d: sources.icmm_facilities(d / "facilities" / "ICMM_global_mining_dataset_2025-09.xlsx"),
    "aei_investments": lambda d: sources.aei_investments(d / "china_outbound" / "china_investment_tracker.csv"),
    "aiddata_projects": lambda d: sources.aiddata_projects(d / "china_outbound" / "gcdf3_geo_projects.csv.gz"),
    "eto_chipexplorer": lambda d: sources.eto_chipexplorer(d / "eto_chipexplorer" / "2026-08"),
    "cobalt_network": lambda d: sources.cobalt_network(d / "cobalt_chain"),
    "fineprint": lambda d: sources.fineprint(d / "facilities" / "fineprint_detailed_data_mining.xlsx"),
}
_read: dict[str, Reading] = {}


def reading(name, folder):
    if name not in _read:
        _read[name] = READERS[name](folder)
    return _read[name]


def test_every_reader_is_tried():
    # The user's own columns, a matrix, and a map of codes: none of them states tables of a graph.
    apart = {"tidy", "inter_country_table", "hs_map"}
    assert {r["name"] for r in sources.listing()} - apart == {n.split()[0] for n in READERS}


@pytest.mark.realdata
@pytest.mark.parametrize("name", READERS)
def test_every_reader_alone_becomes_a_graph(published, name):
    r = reading(name, published)
    g = sources.together(r)
    assert not len(g.validate())
    assert not len(sources.together(r, balanced=True).validate())
    stated = 0 if r.inputs else len(r.tables.get("nodes", []))
    assert len(g.nodes) >= stated
    assert len(g.holdings) == len(r.tables.get("holdings", []))


@pytest.mark.deep
@pytest.mark.realdata
@pytest.mark.parametrize("name", READERS)
def test_every_pair_becomes_a_graph_or_says_what_to_do(published, name):
    names, refused = list(READERS), {}
    for other in names[names.index(name) + 1 :]:
        a, b = reading(name, published), reading(other, published)
        try:
            g = sources.together(a, b)
        except SchemaError as err:
            refused[other] = str(err)
            continue
        for r in (a, b):
            if not r.inputs and "nodes" in r.tables:
                there = r.tables["nodes"]["node"].astype(str).isin(set(g.nodes["node"]))
                assert there.all() or any("left out" in h for h in g.history), f"{name} and {other}"
            assert len(g.holdings) >= len(r.tables.get("holdings", [])), f"{name} and {other}"
    assert all("products=" in text for text in refused.values()), refused


def production(rows, source="mine", published="2026"):
    frame = pd.DataFrame(rows, columns=["country", "year", "quantity"])
    frame = frame.assign(product="cobalt.mine", source=source, grade="A", published_on=published)
    register = pd.DataFrame([{"source": source, "title": "t", "licence": "l", "licence_class": "cc0"}])
    return Reading(
        {"sources": register},
        frame,
        Report(source, "f.csv", "cc0"),
        {"production": frame, "products": product_rows(["cobalt.mine"])},
    )


def mines():
    rows = [("cobalt.mine@COD#deep", "COD", "deep", 60.0), ("cobalt.mine@CUB#east", "CUB", "east", 9.0)]
    nodes = pd.DataFrame(rows, columns=["node", "country", "site", "output"]).assign(
        product="cobalt.mine",
        kind="producer",
        year=2024,
        output_source="reg",
        output_grade="B",
        source="reg",
        grade="B",
    )
    owner = {"holder": "H", "holder_country": "CHN", "share": 1.0, "type": "majority", "source": "reg", "grade": "B"}
    holdings = pd.DataFrame([{"asset": n, "part": "", **owner} for n in nodes["node"]])
    link = {"supplier": "cobalt.mine@CUB#east", "buyer": "cobalt.mine@CAN:demand", "product": "cobalt.mine",
            "year": 2024, "quantity": 4.0, "method": "observed", "source": "reg", "grade": "B"}  # fmt: skip
    register = pd.DataFrame([{"source": "reg", "title": "t", "licence": "l", "licence_class": "cc0"}])
    tables = {"nodes": nodes, "holdings": holdings, "links": pd.DataFrame([link]), "sources": register}
    return Reading(tables, nodes, Report("reg", "r.csv", "cc0"))


def test_mines_beside_statistics_are_kept_or_named_and_never_added_twice():
    g = sources.together(production([("COD", 2024, 100.0), ("RUS", 2024, 20.0)]), mines())
    ids = set(g.nodes["node"])
    assert "cobalt.mine@CUB#east" in ids
    assert "cobalt.mine@COD#deep" not in ids
    assert any("left out: 1 sites" in h for h in g.history)
    h = g.holdings.set_index("asset")
    assert h.loc["cobalt.mine@COD", ["part", "portion"]].tolist() == ["deep", 0.6]
    assert pd.isna(h.loc["cobalt.mine@CUB#east", "portion"])
    assert g.links.set_index("supplier").loc["cobalt.mine@CUB#east", "quantity"] == 4.0
    assert "cobalt.mine@CAN:demand" in ids
    assert g.nodes["output"].sum() == 129.0


def test_two_releases_hold_the_revision():
    old = production([("COD", 2023, 90.0), ("COD", 2024, 60.0)], "mcs2025", "2025-01-31")
    new = production([("COD", 2024, 40.0), ("COD", 2025, 45.0)], "mcs2026", "2026-01-31")
    for pair in itertools.permutations((old, new)):
        g = sources.together(*pair)

        def output(graph, year):
            rows = graph.nodes[(graph.nodes["node"] == "cobalt.mine@COD") & (graph.nodes["year"] == year)]
            return rows[["output", "source"]].values.tolist()

        assert output(g, 2024) == [[40.0, "mcs2026"]]
        assert output(g.at("2025-06"), 2024) == [[60.0, "mcs2025"]]
        assert output(g.at("2025-01-15"), 2024) == []
        assert output(g.at("2026-06"), 2024) == [[40.0, "mcs2026"]]
        assert not len(g.at("2025-06").validate())


def test_two_publishers_of_one_figure_are_refused():
    with pytest.raises(SchemaError, match="two publishers"):
        sources.together(production([("COD", 2024, 60.0)]), production([("COD", 2024, 40.0)], "other"))


def test_exports_of_two_countries_alone_are_a_graph():
    flows = {"hs6": "850511", "year": 2024, "quantity": 3.0, "value": 9.0}
    for places in ([("CHN", "USA")], [("CHN", "USA"), ("USA", "CHN")], [("CHN", "ROW")]):
        trade = pd.DataFrame([{**flows, "origin": a, "destination": b} for a, b in places]).assign(grade="assumption")
        good = ["ndfeb.magnet"]
        g = sr.assemble(
            products=product_rows(good), production=pd.DataFrame(), trade=trade, concordance=product_headings(good)
        )
        assert len(g.links) >= len(places)


def test_a_reading_lies_over_a_graph_with_the_products_that_it_brings(atlas):
    before = atlas.products.set_index("product")["unit"]
    g = atlas.overlay(production([("COD", 2024, 60.0)]), name="mine")
    pd.testing.assert_series_equal(g.products.set_index("product")["unit"], before)
    fresh = product_rows(["cobalt.mine"]).assign(product="cobalt.ore", unit="t")
    h = sr.SupplyGraph.from_tables(name="empty").overlay(
        Reading({}, fresh, Report("m", "m.csv", "private"), {"products": fresh}), name="mine"
    )
    assert h.products["product"].tolist() == ["cobalt.ore"]


def test_kilograms_taken_for_tonnes_are_flagged_with_both_rows():
    old = production([("COD", 2024, 60_000.0), ("RUS", 2024, 20.0)], "mcs2025", "2025-01-31")
    new = production([("COD", 2024, 64.0), ("RUS", 2024, 25.0)], "mcs2026", "2026-01-31")
    said = r"cobalt.mine COD 2024: 64 \(mcs2026\) and 60000 \(mcs2025\)"
    for pair in itertools.permutations((old, new)):
        with pytest.warns(sources.MagnitudeWarning, match=said) as caught:
            g = sources.together(*pair)
        assert "RUS" not in str(caught[0].message)
        assert any(h.startswith("check the unit of production cobalt.mine COD") for h in g.history)
        assert g.nodes.set_index("node").loc["cobalt.mine@COD", "note"].endswith("check the unit")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sources.together(new, production([("COD", 2024, 40.0), ("RUS", 2024, 0.0)], "mcs2025", "2025-01-31"))


def test_two_versions_of_trade_hold_the_revision(tmp_path):
    rows = {
        "202501": "2024,156,842,850511,745.5,10\n2024,410,842,850511,9,1\n",
        "202601b": "2024,156,842,850511,800,11\n",
    }
    readings = []
    for version, text in rows.items():
        (tmp_path / f"BACI_HS17_Y2024_V{version}.csv").write_text("t,i,j,k,v,q\n" + text)
        readings.append(sources.baci(tmp_path / f"BACI_HS17_Y2024_V{version}.csv"))
    for pair in itertools.permutations(readings):
        g = sources.together(*pair)
        flows = g.links[g.links["method"] == "observed"]
        assert flows[["supplier", "quantity", "source"]].values.tolist() == [
            ["ndfeb.magnet@CHN", 11.0, "baci_hs17_202601b"]
        ]
        then = g.at("2025-06").links
        assert then.loc[then["method"] == "observed", "quantity"].sum() == 11.0  # 10 from China, 1 from Korea
    file = tmp_path / "extract.csv"
    file.write_text(
        "period,reporterISO,partnerISO,flowCode,cmdCode,primaryValue,netWgt\n2024,USA,CHN,M,850511,75,5000\n"
    )
    with pytest.raises(SchemaError, match="two publishers"):
        sources.together(readings[0], sources.comtrade(file))

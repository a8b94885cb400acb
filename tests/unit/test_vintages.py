"""The newest year of a series is the market: what stopped years ago is history, and the graph of its day has it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError
from supplyrisk.reconcile import balance_flows
from supplyrisk.sources import Reading, Report
from supplyrisk.sources.commodities import product_rows
from supplyrisk.vintages import NEWEST, counts, family, only_today, stated_use, today, vintages

P = "ndfeb.magnet"
HEAD = "t,i,j,k,v,q\n"
GOODS = pd.DataFrame(
    [
        {
            "product": P,
            "name": "Magnets",
            "commodity": "ndfeb",
            "chain": "magnet",
            "stage": "component",
            "unit": "t",
            "basis": "gross",
            "period": "year",
        }
    ]
)


def source(name: str, lists: str | None = None, **more: object) -> dict[str, object]:
    row = dict(source=name, title=name, licence="x", licence_class="public_domain", **more)
    return row | ({} if lists is None else {"lists": lists})


def shares(graph: sr.SupplyGraph, market: str = "import_value") -> pd.Series:
    out = sr.score(graph, by=["product", "buyer"], market=market)["focal_share"]
    return out.droplevel([n for n in out.index.names if n != "buyer"])


@pytest.fixture
def folder(tmp_path):
    """Two years of BACI: Viet Nam sold in the first one only."""
    (tmp_path / "BACI_HS17_Y2023_V202601.csv").write_text(
        HEAD + "2023,156,842,850511,900,90\n2023,276,842,850511,100,10\n2023,704,842,850511,1000,100\n"
    )
    (tmp_path / "BACI_HS17_Y2024_V202601.csv").write_text(
        HEAD + "2024,156,842,850511,500,50\n2024,276,842,850511,500,50\n"
    )
    return tmp_path


def test_a_flow_that_stopped_is_history(folder):
    graph = sr.sources.together(sr.sources.baci(folder, products=[P]))
    assert shares(graph)["USA"] == pytest.approx(0.5)
    assert shares(graph, "supply")["USA"] == pytest.approx(0.5)
    assert "ndfeb.magnet@VNM" not in set(graph.index.nodes["node"])
    assert any("no longer lists are history" in line for line in graph.history)
    told = vintages(graph).set_index("table")
    assert told.loc["links", ["newest", "gone"]].tolist() == [2024, 2]  # what it sold, and what it kept
    assert len(graph.balance())
    assert not graph.balance()["node"].str.contains("VNM").any()


def test_the_graph_of_an_earlier_day_has_the_market_of_its_year(folder):
    graph = sr.sources.together(sr.sources.baci(folder, products=[P]))
    then = graph.at("2023-12-31", known_on="latest")
    assert shares(then)["USA"] == pytest.approx(0.45)
    alone = sr.sources.together(sr.sources.baci(folder, products=[P], years=[2023]))
    key = ["supplier", "buyer", "year", "quantity", "method", "note"]
    assert then.index.links[key].fillna(-1).values.tolist() == alone.index.links[key].fillna(-1).values.tolist()
    now = sr.sources.together(sr.sources.baci(folder, products=[P], years=[2024]))
    assert graph.index.links[key].fillna(-1).values.tolist() == now.index.links[key].fillna(-1).values.tolist()
    assert graph.index.nodes["node"].tolist() == now.index.nodes["node"].tolist()


def test_a_balanced_graph_keeps_its_earlier_years(folder):
    plain = sr.sources.together(sr.sources.baci(folder, products=[P]))
    graph = sr.sources.together(sr.sources.baci(folder, products=[P]), balanced=True)
    now = sr.sources.together(sr.sources.baci(folder, products=[P], years=[2024]), balanced=True)
    key = ["supplier", "buyer", "quantity", "low", "high", "method"]
    assert graph.index.links[key].fillna(-1).values.tolist() == now.index.links[key].fillna(-1).values.tolist()
    assert graph.index.links["method"].isin(["balanced", "world_pool"]).any()
    assert not any(line.startswith("of today only") for line in graph.history)
    then, before = (g.at("2023-12-31", known_on="latest") for g in (graph, plain))
    assert then.index.links[key].fillna(-1).values.tolist() == before.index.links[key].fillna(-1).values.tolist()
    assert set(then.index.links["year"]) == {2023}
    again = balance_flows(graph)
    for name in ("nodes", "links", "demand"):
        pd.testing.assert_frame_equal(again.tables[name], graph.tables[name], rtol=1e-9)


def test_links_of_a_reader_without_any_assembly_go_by_the_newest_year_too(folder):
    reading = sr.sources.baci(folder, products=[P])
    graph = sr.SupplyGraph.from_tables(dict(reading.tables) | {"products": reading.inputs["products"]})
    assert len(graph.links) == 5
    assert shares(graph).tolist() == [pytest.approx(0.5)]
    assert shares(graph.at("2023-12-31", known_on="latest")).tolist() == [pytest.approx(0.45)]


def test_nothing_in_common_between_the_years_is_no_excuse(tmp_path):
    (tmp_path / "BACI_HS17_Y2023_V202601.csv").write_text(HEAD + "2023,704,842,850511,1000,100\n")
    (tmp_path / "BACI_HS17_Y2024_V202601.csv").write_text(HEAD + "2024,156,392,850511,500,50\n")
    graph = sr.sources.together(sr.sources.baci(tmp_path, products=[P]))
    assert shares(graph).to_dict() == {"JPN": 1.0}
    assert set(graph.index.links["year"]) == {2024}
    assert shares(graph.at("2023-06-30", known_on="latest")).to_dict() == {"USA": 0.0}


def test_what_acts_on_flows_acts_on_those_of_today(folder):
    graph = sr.sources.together(sr.sources.baci(folder, products=[P]))
    alone = sr.sources.together(sr.sources.baci(folder, products=[P], years=[2024]))
    ban = sr.export_ban("CHN", product=P, to=["USA"])
    hit, same = (sr.simulate(g, [ban]) for g in (graph, alone))
    pd.testing.assert_frame_equal(hit.unmet, same.unmet)
    assert only_today(alone) is alone
    less = only_today(graph)
    assert set(less.links["year"]) == {2024}
    assert "of today only" in less.history[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        priced = graph.replace(products=graph.products.assign(price=60_000.0, price_grade="assumption"))
        plan = sr.optimize(priced, buyers=["USA"], product=P)
    assert shares(plan.graph, "supply")["USA"] == pytest.approx(0.5)
    assert set(plan.graph.links["year"]) == {2024}


def made(rows, sources) -> sr.SupplyGraph:
    columns = ["product", "country", "year", "quantity", "source"]
    production = pd.DataFrame([(P, *r) for r in rows], columns=columns).assign(grade="A")
    return sr.assemble(products=GOODS, production=production, tables={"sources": pd.DataFrame(sources)})


def outputs(graph: sr.SupplyGraph) -> dict[str, float]:
    nodes = graph.index.nodes
    nodes = nodes[nodes["kind"] == "producer"]
    return dict(zip(nodes["country"], nodes["output"], strict=True))


def test_a_producer_of_decades_ago_is_no_producer():
    rows = [
        ("COD", 1975, 12.0, "bgs_wms_2023"),
        ("CHN", 2022, 80.0, "bgs_wms_2023"),
        ("CHN", 2023, 90.0, "bgs_wms_2023"),
        ("USA", 2023, 10.0, "bgs_wms_2023"),
    ]
    graph = made(rows, [source("bgs_wms_2023")])
    assert outputs(graph) == {"CHN": 90.0, "USA": 10.0}
    assert sr.score(graph, by="product")["focal_share"].tolist() == [0.9]
    assert outputs(graph.at("1980", known_on="latest")) == {"COD": 12.0}
    assert len(graph.nodes.query("country == 'COD' and kind == 'producer'")) == 1  # kept


def test_editions_of_one_publisher_are_one_series():
    old, new = "usgs_mcs2025", "usgs_mcs2026"
    rows = [
        ("CHN", 2023, 60.0, old),
        ("KAZ", 2023, 30.0, old),
        ("WLD", 2023, 100.0, old),
        ("CHN", 2024, 70.0, old),
        ("KAZ", 2024, 20.0, old),
        ("WLD", 2024, 100.0, old),
        ("CHN", 2025, 80.0, new),
        ("WLD", 2025, 100.0, new),
    ]
    graph = made(rows, [source(old, "complete"), source(new, "complete")])
    assert outputs(graph) == {"CHN": 80.0, "ROW": 20.0}  # who is not listed any more is in the rest
    assert outputs(graph.at("2024-12-31", known_on="latest")) == {"CHN": 70.0, "KAZ": 20.0, "ROW": 10.0}


def test_a_rest_that_is_gone_is_not_todays():
    rows = [
        ("CHN", 2023, 60.0, "s"),
        ("WLD", 2023, 100.0, "s"),
        ("CHN", 2024, 70.0, "s"),
        ("USA", 2024, 30.0, "s"),
        ("WLD", 2024, 100.0, "s"),
    ]
    now = outputs(made(rows, [source("s", "complete")]))
    assert now["CHN"] == 70.0
    assert now["USA"] == 30.0
    assert not now.get("ROW")


def test_single_facts_of_several_years_all_count():
    rows = [("TWN", 2019, 28.0, "a"), ("USA", 2022, 43.0, "a"), ("CHN", 2024, 6.0, "b")]
    assert outputs(made(rows, [source("a"), source("b")])) == {"TWN": 28.0, "USA": 43.0, "CHN": 6.0}
    rows = [*rows, ("CHN", 2022, 3.0, "a"), ("CHN", 2019, 2.0, "a")]  # now a states a place twice
    assert set(outputs(made(rows, [source("a"), source("b")]))) == {"USA", "CHN"}
    assert set(outputs(made(rows, [source("a", "single"), source("b")]))) == {"TWN", "USA", "CHN"}


def test_the_atlas_loses_no_fact(atlas):
    nodes, links = today(atlas.tables)
    assert set(nodes["node"]) == set(atlas.nodes["node"])
    assert len(links) == len(atlas.links)
    assert not vintages(atlas)["gone"].any()


def test_rows_of_a_company_stay(folder):
    graph = sr.sources.together(sr.sources.baci(folder, products=[P]))
    own = pd.DataFrame(
        [
            {
                "supplier": f"{P}@VNM",
                "buyer": f"{P}@USA:demand",
                "product": P,
                "year": 2022,
                "quantity": 50.0,
                "method": "observed",
                "grade": "A",
                "source": "acme",
            }
        ]
    )
    nodes = pd.DataFrame(
        [{"node": f"{P}@VNM", "product": P, "country": "VNM", "kind": "producer", "year": 2022, "source": "acme"}]
    )
    more = {"links": own, "nodes": nodes, "sources": pd.DataFrame([source("acme")])}
    laid = graph.overlay(more, name="acme")
    sold = laid.index.links.set_index("supplier")["quantity"]
    # It says so of 2022, the public statistic of 2023: the last word is that of 2023, and that it stopped.
    assert f"{P}@VNM" not in sold.index
    laid = graph.overlay({**more, "links": own.assign(year=2024)}, name="acme")
    assert laid.index.links.set_index("supplier")["quantity"][f"{P}@VNM"] == 50.0


def test_a_late_reporter_keeps_its_last_year():
    rows = [("CHN", "JPN", 2023, 5.0), ("VNM", "JPN", 2023, 5.0), ("CHN", "JPN", 2024, 8.0), ("VNM", "USA", 2023, 9.0)]
    trade = pd.DataFrame(rows, columns=["origin", "destination", "year", "quantity"])
    trade = trade.assign(hs6="850511", source="comtrade_hs17")
    sources = pd.DataFrame([source("comtrade_hs17", "by_importer")])
    keep = counts(trade.assign(product=P), ["product"], ["origin", "destination"], sources, whole=True)
    assert keep.tolist() == [False, False, True, True]
    heading = pd.DataFrame([{"hs6": "850511", "product": P, "factor": 1.0}])
    none = pd.DataFrame(columns=["product", "country", "year"])
    graph = sr.assemble(products=GOODS, production=none, trade=trade, concordance=heading, tables={"sources": sources})
    seen = graph.index.links.query("method == 'observed'")
    assert dict(zip(seen["buyer"].str[-10:-7], seen["year"], strict=True)) == {"JPN": 2024, "USA": 2023}


def test_import_shares_of_a_buyer_are_one_list():
    made_ = pd.DataFrame(
        [
            {"product": P, "country": c, "year": 2024, "quantity": 50.0, "grade": "assumption"}
            for c in ("CHN", "DEU", "VNM")
        ]
    )
    shares_ = pd.DataFrame(
        [
            {
                "product": P,
                "buyer": "USA",
                "supplier": c,
                "year": y,
                "share": s,
                "imports": 10.0,
                "source": f"usgs_mcs{y + 1}",
            }
            for c, y, s in (("CHN", 2023, 0.5), ("VNM", 2023, 0.5), ("CHN", 2024, 0.5), ("DEU", 2024, 0.5))
        ]
    )
    sources = pd.DataFrame([source(f"usgs_mcs{y}", "complete") for y in (2024, 2025)])
    graph = sr.assemble(products=GOODS, production=made_, sourcing=shares_, tables={"sources": sources})
    into = graph.index.links.query("buyer == 'ndfeb.magnet@USA:demand'")
    assert dict(zip(into["supplier"], into["quantity"], strict=True)) == {f"{P}@CHN": 5.0, f"{P}@DEU": 5.0}


def test_a_dated_link_keeps_a_pool_that_states_nothing():
    day = "2025-01-31"
    nodes = pd.DataFrame(
        [
            {
                "node": f"{P}@CHN",
                "product": P,
                "country": "CHN",
                "kind": "producer",
                "year": 2024,
                "output": 9.0,
                "output_source": "s",
                "output_grade": "B",
                "source": "s",
                "published_on": day,
            },
            {"node": f"{P}@JPN:demand", "product": P, "country": "JPN", "kind": "demand", "year": 2024, "source": "s"},
            {"node": f"{P}@DEU:demand", "product": P, "country": "DEU", "kind": "demand", "year": 2024, "source": "s"},
        ]
    )
    links = pd.DataFrame(
        [
            {
                "supplier": f"{P}@CHN",
                "buyer": f"{P}@JPN:demand",
                "product": P,
                "year": 2024,
                "quantity": 5.0,
                "method": "observed",
                "grade": "B",
                "source": "s",
                "published_on": day,
            }
        ]
    )
    graph = sr.SupplyGraph.from_tables(products=GOODS, nodes=nodes, links=links, sources=pd.DataFrame([source("s")]))
    then = graph.at("2025-03-01")
    assert len(then.links) == 1
    assert f"{P}@DEU:demand" not in set(then.nodes["node"])
    assert not len(graph.at("2025-01-01").links)


def test_one_year_costs_nothing():
    reading = Reading(
        {},
        pd.DataFrame(),
        Report("mine", "mine.csv", "private"),
        {
            "products": product_rows([P]),
            "production": pd.DataFrame(
                [{"product": P, "country": "CHN", "year": 2024, "quantity": 1.0, "grade": "assumption"}]
            ),
        },
    )
    graph = sr.sources.together(reading)
    nodes, links = today(graph.tables)
    assert nodes is graph.tables["nodes"]
    assert links is graph.tables["links"]


@pytest.mark.realdata
def test_germanium_of_today_is_that_of_the_last_year(published):
    file = published / "bgs_wms" / "BGS_germanium_production.csv.gz"
    graph = sr.sources.together(sr.sources.bgs(file))
    row = sr.score(graph, by="product").iloc[0]
    assert row["focal_share"] == pytest.approx(0.948, abs=5e-4)
    assert row["quantity"] == pytest.approx(211_000)
    assert row["data_year"] == 2023


@pytest.mark.realdata
def test_every_importer_of_a_panel_has_the_mix_of_its_year(published):
    reading = sr.sources.baci(
        published / "baci" / "baci_crm32_panel_2002_2024.parquet", products=[P], years=[2012, 2018, 2024]
    )
    graph, trade = sr.sources.together(reading), reading.inputs["trade"]
    for year in (2012, 2018, 2024):
        here = graph if year == 2024 else graph.at(f"{year}-12-31", known_on="latest")
        rows = trade[(trade["year"] == year) & (trade["value"] > 0)]
        of = rows.groupby("destination")["value"].sum()
        true = rows[rows["origin"] == "CHN"].groupby("destination")["value"].sum().reindex(of.index).fillna(0.0) / of
        got = shares(here).dropna()
        assert set(got.index) <= set(true.index)
        assert len(got) >= len(true) - 1  # Saint Helena got 0 t for 1,268 USD in 2024: its share is not told
        assert np.abs(got - true.reindex(got.index)).max() < 1e-4
    assert shares(graph)["USA"] == pytest.approx(0.750, abs=5e-4)


OWN = pd.DataFrame([source("own") | {"licence_class": "private"}])


def covered(graph: sr.SupplyGraph) -> sr.SupplyGraph:
    """The graph with a company's rows over all public flows of the newest year, word for word."""
    links = graph.links
    newest = links[(links["year"] == 2024) & (links["method"] == "observed")]
    return graph.overlay({"links": newest.assign(source="own").drop(columns="origin_tag"), "sources": OWN}, name="acme")


def test_an_overlay_over_the_newest_year_brings_no_earlier_one_back(folder, tmp_path):
    graph = sr.sources.together(sr.sources.baci(folder, products=[P]))
    laid = covered(graph)
    assert shares(laid)["USA"] == pytest.approx(0.5)
    assert set(laid.index.links["year"]) == {2024}
    assert "ndfeb.magnet@VNM" not in set(laid.index.nodes["node"])
    assert shares(laid.at("2024-12-31", known_on="latest"))["USA"] == pytest.approx(0.5)
    assert shares(laid.at("2023-12-31", known_on="latest"))["USA"] == pytest.approx(0.45)
    assert set(only_today(laid).links["year"]) == {2024}
    again = [sr.read(sr.write(laid, tmp_path / f"laid.{f}", private=True)) for f in ("json", "xlsx", "sqlite")]
    again.append(sr.SupplyGraph.from_parquet(laid.to_parquet(tmp_path / "laid", private=True)))
    again.append(sr.SupplyGraph.from_networkx(laid.to_networkx()))
    for same in again:
        assert same.fingerprint == laid.fingerprint
        assert shares(same)["USA"] == pytest.approx(0.5)
    sr.export(laid, tmp_path / "public.json")
    public = sr.read(tmp_path / "public.json")
    assert public.fingerprint == graph.fingerprint
    assert shares(public)["USA"] == pytest.approx(0.5)


def test_an_overlay_over_outputs_and_uses_brings_no_earlier_year_back():
    graph = made(
        [("CHN", 2023, 90.0, "a"), ("DEU", 2023, 50.0, "a"), ("CHN", 2024, 90.0, "a")], [source("a", "complete")]
    )
    row = {"node": f"{P}@CHN", "product": P, "country": "CHN", "kind": "producer", "year": 2024, "output": 90.0}
    row |= {"output_grade": "A", "output_source": "own", "source": "own"}
    laid = graph.overlay({"nodes": pd.DataFrame([row]), "sources": OWN}, name="acme")
    both = [sr.score(g, by="product")[["focal_share", "quantity"]].values.tolist() for g in (graph, laid)]
    assert both == [[[1.0, 90.0]]] * 2
    node = {"product": P, "kind": "demand", "year": 2024}
    use = {"use": "all", "grade": "A", "source": "a"}
    old = sr.SupplyGraph.from_tables(
        products=GOODS,
        sources=pd.DataFrame([source("a", "complete")]),
        nodes=pd.DataFrame([node | {"node": f"{P}@{c}:demand", "country": c} for c in ("DEU", "FRA")]),
        demand=pd.DataFrame(
            [
                use | {"node": f"{P}@{c}:demand", "year": y, "quantity": q}
                for c, y, q in (("DEU", 2023, 5.0), ("FRA", 2023, 7.0), ("DEU", 2024, 6.0))
            ]
        ),
    )
    mine = old.demand[old.demand["year"] == 2024].assign(source="own", quantity=8.0).drop(columns="origin_tag")
    over = old.overlay({"demand": mine, "sources": OWN}, name="acme")
    assert stated_use(old)["quantity"].tolist() == [6.0]
    assert stated_use(over)["quantity"].tolist() == [8.0]
    assert stated_use(over.at("2023-12-31", known_on="latest"))["quantity"].tolist() == [5.0, 7.0]


def test_a_selection_is_of_the_same_day_as_the_whole(folder, tmp_path):
    graph = sr.sources.together(sr.sources.baci(folder, products=[P]))
    part = graph.select(country=["USA", "VNM"])
    assert len(part.links)
    assert not len(part.index.links)
    assert part.at("2023-12-31", known_on="latest").index.links["supplier"].tolist()
    sr.export(part, tmp_path / "part.json")
    assert not len(sr.read(tmp_path / "part.json").index.links)
    assert len(graph.select(country=["USA", "VNM"], year=2023).index.links)
    assert shares(graph.select(country=["USA", "CHN", "DEU"]))["USA"] == pytest.approx(0.5)
    kept = [f for n, f in part.beneath.items() if n.startswith(NEWEST)]
    assert kept
    for frame in kept:  # that there was a figure, not which
        figures = frame.select_dtypes("number")
        assert not figures[[c for c in figures if not c.endswith("year")]].fillna(0.0).to_numpy(dtype=float).any()


def test_a_selection_of_a_covered_graph_keeps_both(folder):
    laid = covered(sr.sources.together(sr.sources.baci(folder, products=[P])))
    part = laid.select(country=["USA", "VNM"]).select(country="USA")
    assert part.index.links["year"].tolist() in ([], [2024])
    part = laid.select(country=["USA", "VNM", "DEU"])
    assert set(part.index.links["year"]) == {2024}
    assert shares(part.at("2023-06-30", known_on="latest"))["USA"] == 0.0


def test_digits_of_a_name_are_no_year():
    ids = [
        "s1",
        "s2",
        "usgs_mcs2025",
        "baci_hs92_202401b",
        "baci_hs17",
        "bgs_wms_2018_2022",
        "wmd2025",
        "aiddata_gcdf3",
    ]
    names = ["s1", "s2", "usgs_mcs", "baci_hs", "baci_hs", "bgs_wms", "wmd", "aiddata_gcdf3"]
    assert family(pd.Series(ids)).tolist() == names
    rows = [("CHN", 2022, 90.0, "s1"), ("CHN", 2023, 90.0, "s1"), ("DEU", 2024, 10.0, "s2")]
    graph = made(rows, [source("s1"), source("s2")])
    assert sr.score(graph, by="product")["focal_share"].tolist() == [pytest.approx(0.9)]


def test_together_names_the_way_to_balanced_flows(folder):
    reading = sr.sources.baci(folder, products=[P])
    with pytest.raises(SchemaError, match="balance_flows") as error:
        sr.sources.together(reading, balanced=True, ensemble=3, holdings="mine.csv")
    assert [p.column for p in error.value.problems] == ["ensemble", "holdings"]

"""Several releases, some of which may not be passed on: what a day knew, and what an export may tell."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.sharing import public_part
from supplyrisk.sources import Reading, Report, together
from supplyrisk.sources.commodities import product_rows

P = "antimony.mine"
OLD = [("CHN", 2022, 50.0), ("RUS", 2022, 20.0), ("WLD", 2022, 100.0)]
NEW = [("CHN", 2022, 55.0), ("CHN", 2023, 60.0), ("RUS", 2023, 33.0), ("WLD", 2023, 110.0)]


def edition(year: int, licence: str, rows: list[tuple[str, int, float]], publisher: str = "acme") -> Reading:
    source = f"{publisher}{year}"
    made = pd.DataFrame(rows, columns=["country", "year", "quantity"])
    made = made.assign(product=P, source=source, grade="B", published_on=f"{year}-05")
    register = pd.DataFrame([{"source": source, "title": "t", "licence": "l", "licence_class": licence}])
    inputs = {"production": made, "products": product_rows([P])}
    return Reading({"sources": register}, made, Report("acme", "f.csv", licence), inputs)


def outputs(graph: Any) -> dict[tuple[str, int], float]:
    n = graph.nodes
    n = n[(n["kind"] == "producer") & n["output"].notna() & n["site"].isna()]
    return {(c, int(y)): round(q, 6) for c, y, q in zip(n["country"], n["year"], n["output"], strict=True)}


def flows(graph: Any) -> dict[tuple[str, str, int], float]:
    key = graph.links[["supplier", "buyer", "year"]].itertuples(index=False, name=None)
    return {k: q for k, q in zip(key, graph.links["quantity"], strict=True) if q == q}


def public(graph: Any) -> Any:
    return public_part(graph, 3)[0]


def share(graph: Any, focal: str = "CHN") -> list[float]:
    return [float(v) for v in sr.score(graph, focal, by="product")["focal_share"]]


@pytest.fixture
def both() -> Any:
    return together(edition(2023, "cc_by", OLD), edition(2024, "restricted", NEW))


# ---------------------------------------------------------------------- a day


def test_a_rest_is_known_with_the_last_figure_that_it_was_worked_out_from(both: Any) -> None:
    rest = both.nodes[(both.nodes["country"] == "ROW") & (both.nodes["year"] == 2022)].iloc[0]
    assert (rest["output"], rest["published_on"]) == (25.0, "2024-05")
    then = both.at("2023-06-30")
    assert outputs(then) == {("CHN", 2022): 50.0, ("RUS", 2022): 20.0, ("ROW", 2022): 30.0}
    assert sorted(flows(then).values()) == [20.0, 30.0, 50.0]
    assert share(then) == [0.5]
    assert outputs(then) == outputs(together(edition(2023, "cc_by", OLD)))
    assert outputs(both.at("2024-06-30")) == outputs(both)


def test_without_an_earlier_release_such_a_rest_is_missing_on_the_day() -> None:
    made = pd.DataFrame(OLD, columns=["country", "year", "quantity"]).assign(product=P, source="s", grade="B")
    made["published_on"] = ["2024-05", "2023-05", "2023-05"]
    register = pd.DataFrame([{"source": "s", "title": "t", "licence": "l", "licence_class": "cc0"}])
    graph = sr.assemble(products=product_rows([P]), production=made, tables={"sources": register})
    then = graph.at("2023-06-30")
    assert outputs(then) == {("RUS", 2022): 20.0}
    assert set(then.nodes.query("kind == 'producer'")["country"]) == {"CHN", "ROW", "RUS"}


def test_of_three_releases_each_day_has_the_figures_of_its_own() -> None:
    last = [("CHN", 2022, 40.0), ("RUS", 2022, 21.0)]
    releases = [edition(2023, "cc0", OLD), edition(2024, "cc0", NEW), edition(2025, "cc0", last)]
    graph = together(*releases)
    for day, known in (("2023-06-30", 1), ("2024-06-30", 2), ("2025-06-30", 3)):
        mine = {k: v for k, v in outputs(graph.at(day)).items() if k[1] == 2022}
        want = {k: v for k, v in outputs(together(*releases[:known])).items() if k[1] == 2022}
        assert mine == want
        assert flows(graph.at(day).index) == flows(together(*releases[:known]).index)


def test_what_stays_at_home_is_that_of_the_trade_that_was_known() -> None:
    def trade(year: int, sold: float) -> Reading:
        made = edition(2023, "cc0", OLD).inputs["production"].assign(published_on="2023-01")
        flow = {"hs6": "261710", "origin": "CHN", "destination": "USA", "year": 2022, "quantity": sold}
        sales = pd.DataFrame([flow]).assign(source=f"baci_hs17_{year}01", published_on=f"{year}-01", grade="A")
        heading = pd.DataFrame([{"hs6": "261710", "product": P, "factor": 1.0}])
        rows = [
            {"source": s, "title": "t", "licence": "l", "licence_class": "cc0"}
            for s in ("acme2023", sales["source"][0])
        ]
        inputs = {"production": made, "products": product_rows([P]), "trade": sales, "concordance": heading}
        return Reading({"sources": pd.DataFrame(rows)}, sales, Report("x", "f.csv", "cc0"), inputs)

    one, two = trade(2024, 10.0), trade(2025, 30.0)
    del two.inputs["production"]
    home = (f"{P}@CHN", f"{P}@CHN:demand", 2022)
    graph = together(one, two)
    assert flows(graph)[home] == 20.0
    assert flows(graph.at("2024-06-30"))[home] == 40.0 == flows(together(one))[home]


# ---------------------------------------------------------------------- an export


def test_the_export_of_a_past_day_tells_nothing_of_a_later_restricted_release(both: Any) -> None:
    assert outputs(public(both.at("2023-06-30"))) == outputs(together(edition(2023, "cc_by", OLD)))


@pytest.mark.parametrize("licence", ["restricted", "private"])
def test_what_an_earlier_public_release_said_comes_back(licence: str, tmp_path: Any) -> None:
    graph = together(edition(2023, "cc_by", OLD), edition(2024, licence, NEW))
    alone = together(edition(2023, "cc_by", OLD))
    for ending in (".json", "", ".xlsx", ".sqlite"):
        report = sr.export(graph, tmp_path / f"e{ending}", share="public")
        back = sr.read(tmp_path / f"e{ending}")
        assert outputs(back) == outputs(alone)
        assert flows(back) == flows(alone)
        assert share(back) == [0.5]
        assert "acme2024" not in str(back.beneath) + str(back.tables) + str(back.history)
        assert report.query("what == 'restored' and table == 'nodes'")["rows"].tolist() == [1]


def test_a_rest_of_a_public_total_is_worked_out_of_the_public_rows() -> None:
    rows = [("RUS", 2023, 20.0), ("WLD", 2023, 200.0)]
    hidden = edition(2024, "restricted", [("CHN", 2023, 60.0), ("JPN", 2023, 0.0)], "other")
    graph = together(edition(2024, "cc0", rows), hidden)
    assert outputs(graph)["ROW", 2023] == 120.0
    for g in (graph, graph.select(country=["RUS", "ROW"]), graph.select(year=2023)):
        out, report = public_part(g, 3)
        assert outputs(out) == {("RUS", 2023): 20.0, ("ROW", 2023): 180.0}
        assert "worked out again" in {r["what"] for r in report}
    bare = public(graph).nodes.set_index("country").loc["CHN"]
    assert (bare["output_missing"], bare["inside"]) == ("withheld", f"{P}@ROW")
    assert pd.isna(share(public(graph))[0])


def test_a_restricted_row_beneath_an_overlay_is_not_told_by_the_rest() -> None:
    hidden = edition(2024, "restricted", [("CHN", 2023, 60.0)], "other")
    graph = together(edition(2024, "cc0", [("RUS", 2023, 20.0), ("WLD", 2023, 200.0)]), hidden)
    mine = graph.nodes.query("country == 'CHN'").assign(output=70.0, output_source="own", source="own")
    own = pd.DataFrame([{"source": "own", "title": "o", "licence": "p", "licence_class": "private"}])
    laid = graph.overlay({"nodes": mine.drop(columns="origin_tag"), "sources": own}, name="me")
    assert outputs(public(laid))["ROW", 2023] == 180.0


def test_without_public_producers_a_restricted_product_is_not_named() -> None:
    out, report = public_part(together(edition(2024, "restricted", NEW)), 3)
    assert not len(out.nodes)
    assert not len(out.products)
    assert "no row left" in {r["reason"] for r in report}


def test_a_market_of_which_part_is_restricted_does_not_read_as_whole() -> None:
    graph = together(
        edition(2024, "cc0", [("RUS", 2023, 20.0)]), edition(2024, "restricted", [("CHN", 2023, 60.0)], "b")
    )
    out = public(graph)
    assert outputs(out) == {("RUS", 2023): 20.0}
    assert out.nodes.set_index("country").loc["CHN", "output_missing"] == "withheld"
    assert pd.isna(share(out)[0])
    private = together(
        edition(2024, "cc0", [("RUS", 2023, 20.0)]), edition(2024, "private", [("CHN", 2023, 60.0)], "b")
    )
    assert "CHN" not in set(public(private).nodes["country"])


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        ([("CHN", 60.0), ("RUS", 40.0), ("JPN", 0.0)], None),
        ([("CHN", 60.0), ("RUS", 40.0), ("WLD", 120.0)], None),
        ([("CHN", 60.0), ("RUS", 39.0), ("JPN", 1.0)], None),
        ([("CHN", 60.0), ("RUS", 30.0), ("JPN", 10.0)], 100.0),
        ([("CHN", 60.0), ("RUS", 30.0), ("JPN", 10.0), ("WLD", 130.0)], 100.0),
    ],
)
def test_owners_behind_a_sum_make_something_and_a_rest_is_none(
    rows: list[tuple[str, float]], total: float | None
) -> None:
    graph = together(edition(2024, "restricted", [(c, 2023, q) for c, q in rows]))
    nodes = public(graph).nodes
    sums = nodes.loc[nodes["node"].str.endswith("#aggregate"), "output"].tolist()
    assert sums == ([] if total is None else [total])


def test_a_figure_with_a_private_source_is_in_no_sum() -> None:
    rows = [(c, 2023, q) for c, q in (("CHN", 60.0), ("RUS", 30.0), ("JPN", 10.0))]
    graph = together(edition(2024, "restricted", rows))
    own = pd.DataFrame([{"source": "own", "title": "o", "licence": "p", "licence_class": "private"}])
    nodes = graph.nodes.assign(output_source=lambda f: f["output_source"].mask(f["country"] == "RUS", "own"))
    graph = graph.replace(nodes=nodes, sources=pd.concat([graph.sources, own]))
    assert not public(graph).nodes["node"].str.endswith("#aggregate").any()


def test_public_releases_keep_what_each_of_them_said(tmp_path: Any) -> None:
    graph = together(edition(2023, "cc_by", OLD), edition(2024, "cc0", NEW))
    assert not len(sr.export(graph, tmp_path / "e.json", share="public"))
    back = sr.read(tmp_path / "e.json")
    assert outputs(back.at("2023-06-30")) == outputs(graph.at("2023-06-30"))
    assert share(back.at("2023-06-30")) == [0.5]


def drawn(seed: int) -> list[tuple[str, Reading]]:
    """Two or three releases with restated years, with and without totals, under any terms."""
    rnd = random.Random(seed)
    out = []
    for k in range(1, rnd.choice([2, 3, 3]) + 1):
        rows = []
        for year in range(2019 + k - rnd.choice([0, 1]), 2020 + k):
            places = rnd.sample(["CHN", "RUS", "JPN", "TJK", "BOL"], rnd.randint(1, 5))
            made = [float(rnd.choice([0, rnd.randint(1, 60)])) for _ in places]
            rows += [(c, year, v) for c, v in zip(places, made, strict=True)]
            if rnd.random() < 0.7:
                rows.append(("WLD", year, sum(made) + rnd.choice([0.0, 0.0, 15.0, 40.0])))
        terms = rnd.choice(["cc_by", "restricted", "private"])
        out.append((terms, edition(2020 + k, terms, rows)))
    return out


DEEP = [pytest.param(s, marks=pytest.mark.deep) for s in (32, 37, 92, 97, 138)]


@pytest.mark.parametrize("seed", [5, 12, 24, *DEEP])
def test_an_export_is_the_graph_of_the_public_releases_alone(seed: int) -> None:
    """So that nothing follows from it, by whatever subtraction, that does not follow from the public rows."""
    releases = drawn(seed)
    graph = together(*(r for _, r in releases))
    open_ = [r for terms, r in releases if terms == "cc_by"]
    out = public(graph)
    if not open_:
        assert not outputs(out)
        assert not flows(out)
        return
    alone = together(*open_)
    assert outputs(out) == outputs(alone)
    for day in ("2021-12-31", "2022-12-31"):
        want = outputs(alone.at(day))
        for then in (out.at(day), public(graph.at(day))):
            got = outputs(then)
            assert got.items() <= want.items()
            assert {k for k in want if k not in got} <= {k for k in want if k[0] == "ROW"}
    stated = {(c, y, q) for r in open_ for c, y, q in r.data[["country", "year", "quantity"]].itertuples(index=False)}
    for frame in (f for n, f in out.beneath.items() if n == "earlier:nodes"):
        rows = frame[frame["output"].notna() & (frame["country"] != "ROW")]
        assert set(rows[["country", "year", "output"]].itertuples(index=False, name=None)) <= stated


@pytest.mark.parametrize("cut", ["whole", "the input", "other places"])
def test_what_an_input_is_drawn_for_does_not_tell_a_restricted_output(cut: str) -> None:
    """Magnets of China (100, restricted) draw 30 of a stated use of 45: neither the draw nor what is left may be told."""
    oxide, magnet = "neodymium.oxide", "ndfeb.magnet"
    made = [(oxide, "CHN", 80.0, "pub"), (oxide, "USA", 20.0, "pub"), (magnet, "CHN", 100.0, "hid"), (magnet, "JPN", 50.0, "pub")]  # fmt: skip
    production = pd.DataFrame(made, columns=["product", "country", "quantity", "source"]).assign(year=2023, grade="A")
    goods = [
        {"product": p, "name": p, "commodity": "nd", "chain": "magnet", "stage": s, "unit": "t", "basis": "gross",
         "period": "year"} for p, s in ((oxide, "refine"), (magnet, "component"))
    ]  # fmt: skip
    need = {"product": magnet, "input": oxide, "process": "x", "coefficient": 0.3, "input_class": "essential"}
    use = {"product": oxide, "country": "CHN", "year": 2023, "quantity": 45.0, "source": "pub", "grade": "A"}
    terms = (("pub", "cc0"), ("hid", "restricted"))
    sources = [{"source": s, "title": s, "licence": "l", "licence_class": t} for s, t in terms]
    graph = sr.assemble(
        products=pd.DataFrame(goods),
        production=production,
        recipes=pd.DataFrame([need | {"source": "pub", "grade": "A"}]),
        demand=pd.DataFrame([use]),
        tables={"sources": pd.DataFrame(sources)},
    )
    assert graph.demand["quantity"].tolist()[0] == 15.0
    part = {
        "whole": lambda: graph,
        "the input": lambda: graph.select(product=oxide),
        "other places": lambda: graph.select(country=["USA", "JPN", "WLD"]),
    }[cut]()
    out = public(part)
    figures = {*out.links["quantity"].dropna(), *out.demand["quantity"].dropna()}
    assert figures <= {20.0, 50.0, 80.0}  # outputs that public rows state
    left = out.demand.set_index("node")["missing"].to_dict()
    assert left.get(f"{oxide}@CHN:demand", "withheld") == "withheld"


def test_who_is_inside_a_rest_is_bound_by_the_rest_of_the_public_rows() -> None:
    rows = pd.DataFrame([("RUS", 20.0, None), ("JPN", None, "withheld"), ("WLD", 200.0, None)])
    rows = rows.set_axis(["country", "quantity", "missing"], axis=1).assign(source="pub")
    hidden = pd.DataFrame([("CHN", 60.0, "hid")], columns=["country", "quantity", "source"])
    made = pd.concat([rows, hidden]).assign(product=P, year=2023, grade="A")
    sources = [{"source": s, "title": s, "licence": "l", "licence_class": t} for s, t in (("pub", "cc0"), ("hid", "restricted"))]  # fmt: skip
    graph = sr.assemble(
        products=product_rows([P]),
        production=made,
        tables={"sources": pd.DataFrame(sources)},
        history=["check the unit of production: 60 (hid) and 60000 (pub)", "read a.csv (pub) (cc0)"],
    )
    assert graph.nodes.set_index("country").loc["JPN", "output_high"] == 120.0
    out = public(graph)
    node = out.nodes.set_index("country")
    assert node.loc[["JPN", "ROW"], "output_high"].tolist() == [180.0, 180.0]
    assert node.loc["JPN", "inside"] == f"{P}@ROW"
    assert "read a.csv (pub) (cc0)" in out.history
    assert not any("hid" in line for line in out.history)
    for g in (graph.select(country=["JPN", "RUS"]), graph.select(country="JPN")):
        bound = public(g).nodes.set_index("country").loc["JPN", "output_high"]
        assert pd.isna(bound)


@pytest.mark.parametrize("ending", [".json", "", ".xlsx", ".sqlite", ".graphml"])
def test_what_a_selection_left_out_is_known_in_every_format(ending: str, tmp_path: Any) -> None:
    hidden = edition(2024, "restricted", [("CHN", 2023, 60.0)], "other")
    graph = together(edition(2024, "cc0", [("RUS", 2023, 20.0), ("WLD", 2023, 200.0)]), hidden)
    place = sr.write(graph.select(country=["RUS", "ROW"]), tmp_path / f"part{ending}")
    assert outputs(sr.read(place))["ROW", 2023] == 120.0
    assert outputs(public(sr.read(place)))["ROW", 2023] == 180.0
    assert outputs(public(sr.read(place).at("2024-12-31")))["ROW", 2023] == 180.0

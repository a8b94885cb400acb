"""Balancing moves figures no further than it must, keeps stated bounds of uses, and says nothing of what nobody knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_balance_twice import same

import supplyrisk as sr
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows, conflicts, moved

P, Q = "x.metal", "y.part"
A: dict[str, Any] = {"year": 2024, "grade": "assumption"}
NAN = float("nan")


def goods() -> pd.DataFrame:
    common = {"commodity": "x", "chain": "x", "unit": "t", "basis": "gross", "period": "year"}
    return pd.DataFrame([{"product": p, "name": p, "stage": s, **common} for p, s in ((P, "metal"), (Q, "refine"))])


def market(
    outputs: dict[str, Any], uses: dict[str, Any], flows: list[tuple[str, str, float]], **more: Any
) -> SupplyGraph:
    """Nodes of one product: a figure, or a pair of bounds of what is withheld."""

    def told(value: Any, low: str, high: str, missing: str, figure: str) -> dict[str, Any]:
        if isinstance(value, tuple):
            return {low: value[0], high: value[1], missing: "withheld"}
        return {figure: value} if not np.isnan(value) else {missing: "withheld"}

    pools = sorted({b for _, b, _ in flows} | set(uses))
    nodes = [
        {"node": f"{P}@{c}", "product": P, "country": c, "kind": "producer", "year": 2024,
         "output_grade": "assumption", **told(v, "output_low", "output_high", "output_missing", "output")}
        for c, v in outputs.items()
    ]  # fmt: skip
    nodes += [{"node": f"{P}@{c}:demand", "product": P, "country": c, "kind": "demand", "year": 2024} for c in pools]
    links = [
        {"supplier": f"{P}@{a}", "buyer": f"{P}@{b}:demand", "product": P, **A,
         **({"method": "assumed", "missing": "unknown"} if np.isnan(q) else {"method": "observed", "quantity": q})}
        for a, b, q in flows
    ]  # fmt: skip
    demand = [
        {"node": f"{P}@{c}:demand", "use": "total", **A, **told(v, "low", "high", "missing", "quantity")}
        for c, v in uses.items()
    ]
    tables = {"demand": pd.DataFrame(demand)} if demand else {}
    return SupplyGraph.from_tables(
        products=goods(), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links), **tables, **more
    )


def flow(g: SupplyGraph, supplier: str, buyer: str) -> float:
    links = g.links
    hit = (links["supplier"] == f"{P}@{supplier}") & (links["buyer"] == f"{P}@{buyer}:demand")
    return float(links.loc[hit, "quantity"].sum())


def use_of(g: SupplyGraph, country: str) -> pd.Series:
    return g.demand.set_index("node").loc[f"{P}@{country}:demand"]


@pytest.mark.parametrize("mode", ["report", "relax"])
@pytest.mark.parametrize(("output", "use"), [(270.0, 169.0), (169.0, 250.0)])
def test_a_small_clash_stays_small_beside_a_last_resort(mode: Any, output: float, use: float) -> None:
    # 170 observed against a figure of 169: both give way by half of it, and the rest comes from or goes to others
    g = market({"DEU": output}, {"ZAF": use}, [("DEU", "ZAF", 170.0)])
    done = balance_flows(g, conflicts=mode)
    assert conflicts(g).empty
    assert flow(done, "DEU", "ZAF") == pytest.approx(169.5, abs=0.5)
    other = flow(done, "DEU", "WLD") if output > use else flow(done, "ROW", "ZAF")
    assert other == pytest.approx(max(output, use) - 169.5, abs=0.5)
    assert moved(g, done)["relative"].abs().max() < 0.005


def test_figures_that_clash_are_moved_by_least_squares() -> None:
    done = balance_flows(market({"DEU": 270.0}, {"ZAF": 120.0}, [("DEU", "ZAF", 170.0)]), conflicts="relax")
    best = (1 / 170 + 1 / 120) / (1 / 170**2 + 1 / 120**2)  # of equal relative half-widths
    assert flow(done, "DEU", "ZAF") == pytest.approx(best, rel=0.01)


def test_what_holds_within_the_tolerance_of_each_figure_is_no_conflict() -> None:
    # the use of JPN would take all of the change by its half-width; within 2 percent of each figure all can hold
    flows = [("BRA", "USA", 809.45), ("BRA", "JPN", 11.03)]
    g = market({"BRA": 815.03}, {"JPN": 11.03, "USA": 809.45}, flows)
    assert conflicts(g).empty
    assert len(conflicts(g, tolerance=0.001))
    done = balance_flows(g)
    assert done.balance(1e-6).empty
    assert moved(g, done)["relative"].abs().max() <= 0.02 * (1 + 1e-6)


def test_a_clash_within_the_tolerance_is_none_wherever_it_would_be_put() -> None:
    # 4.56 sent of 4.47 made: by least squares one of them would move by 33 percent, though 1 percent of each is enough
    g = market(
        {"DEU": 18.384390, "JPN": 4.470661, "USA": 2.523080},
        {"DEU": 4.789417},
        [
            ("DEU", "DEU", NAN),
            ("JPN", "DEU", 4.560020),
            ("USA", "DEU", NAN),
            ("DEU", "JPN", 15.840003),
            ("USA", "JPN", NAN),
        ],
    )
    assert conflicts(g).empty
    done = balance_flows(g, conflicts="relax")
    assert moved(g, done)["relative"].abs().max() <= 0.02 * (1 + 1e-6)


def test_stated_bounds_of_a_use_hold_and_stay() -> None:
    g = market({"CHN": 100.0}, {"JPN": (5.0, 20.0)}, [("CHN", "JPN", NAN), ("CHN", "DEU", NAN)])
    one = balance_flows(g)
    assert 5.0 <= flow(one, "CHN", "JPN") <= 20.0 * (1 + 1e-9)
    assert use_of(one, "JPN")[["stated_low", "stated_high"]].tolist() == [5.0, 20.0]
    assert use_of(one, "JPN")["high"] <= 20.0 * (1 + 1e-9)
    same(one, balance_flows(one), 1e-9)


def test_bounds_of_a_use_that_give_way_are_told() -> None:
    g = market({"CHN": 100.0}, {"JPN": (5.0, 20.0)}, [("CHN", "JPN", 60.0), ("CHN", "DEU", NAN)])
    assert "use at x.metal@JPN:demand = 5 to 20" in conflicts(g)["rows"].iloc[0]
    done = balance_flows(g, conflicts="relax")
    told = moved(g, done)
    high = told[(told["table"] == "demand") & (told["what"] == "high")]
    assert high["before"].tolist() == [20.0]
    assert high["after"].tolist() == [pytest.approx(flow(done, "CHN", "JPN"))]


def test_bounds_of_uses_reach_from_tables_to_the_balanced_graph() -> None:
    made = pd.DataFrame([{"product": P, "country": "CHN", "quantity": 1000.0, **A}])
    need = [("CHN", 300.0, NAN, NAN), ("JPN", NAN, 50.0, 80.0), ("DEU", NAN, 100.0, 120.0)]
    use = pd.DataFrame(
        [{"product": P, "country": c, "quantity": q, "low": a, "high": b, "missing": None if q == q else "withheld", **A}
         for c, q, a, b in need]
    )  # fmt: skip
    sold = pd.DataFrame([{"hs6": "810411", "origin": "CHN", "destination": c, "year": 2024, "quantity": NAN,
                          "value": 1e6} for c in ("JPN", "DEU")])  # fmt: skip
    heading = pd.DataFrame([{"hs6": "810411", "product": P, "factor": 1.0}])
    g = sr.assemble(products=goods(), production=made, trade=sold, concordance=heading, demand=use, balanced=True)
    assert 50.0 <= use_of(g, "JPN")["quantity"] <= 80.0 * (1 + 1e-9)
    assert 100.0 <= use_of(g, "DEU")["quantity"] <= 120.0 * (1 + 1e-9)


def test_an_output_with_a_lower_bound_may_send_beyond_its_known_flows() -> None:
    g = market({"USA": (143.0, 473.0)}, {}, [("USA", "CHL", 117.0)])
    assert conflicts(g).empty
    assert flow(balance_flows(g), "USA", "WLD") >= 143.0 - 117.0 - 1e-6


def test_a_product_without_any_amount_stays_unknown() -> None:
    g = market({"CHN": NAN, "CHL": NAN}, {}, [(a, b, NAN) for a in ("CHN", "CHL") for b in ("JPN", "DEU")])
    done = balance_flows(g)
    assert done.links["quantity"].isna().all()
    assert "1 of which nobody states any amount" in done.history[-1]
    assert set(done.balance()["status"]) == {"unknown"}


def test_a_product_that_is_known_to_be_nothing_is_no_conflict() -> None:
    g = market({"CHN": 0.0}, {"JPN": 0.0}, [("CHN", "JPN", NAN)])
    assert conflicts(g).empty
    assert flow(balance_flows(g), "CHN", "JPN") == 0.0


def test_members_of_an_ensemble_draw_by_recipe() -> None:
    nodes = [{"node": f"{P}@AUS", "product": P, "country": "AUS", "kind": "producer", "output": 100.0,
              "output_grade": "assumption", "year": 2024}]  # fmt: skip
    links = []
    for c in ("CHL", "KOR"):
        nodes += [{"node": f"{P}@{c}:demand", "product": P, "country": c, "kind": "demand", "year": 2024},
                  {"node": f"{Q}@{c}", "product": Q, "country": c, "kind": "producer", "output_missing": "withheld",
                   "year": 2024}]  # fmt: skip
        links += [(f"{P}@AUS", f"{P}@{c}:demand", P), (f"{P}@{c}:demand", f"{Q}@{c}", P)]
    for c in ("JPN", "DEU"):
        nodes.append({"node": f"{Q}@{c}:demand", "product": Q, "country": c, "kind": "demand", "year": 2024})
        links += [(f"{Q}@{d}", f"{Q}@{c}:demand", Q) for d in ("CHL", "KOR")]
    rows = [dict(zip(("supplier", "buyer", "product"), k, strict=True), method="assumed", missing="unknown", year=2024)
            for k in links]  # fmt: skip
    use = [(f"{Q}@JPN", 30.0), (f"{Q}@DEU", 20.0), (f"{P}@CHL", 0.0), (f"{P}@KOR", 0.0)]
    g = SupplyGraph.from_tables(
        products=goods(),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(rows),
        demand=pd.DataFrame([{"node": f"{n}:demand", "use": "total", "quantity": q, **A} for n, q in use]),
        recipes=pd.DataFrame([{"product": Q, "input": P, "coefficient": 2.0, "process": "std",
                               "input_class": "essential", "grade": "assumption"}]),
    )  # fmt: skip
    seen = set()
    for member in balance_flows(g, ensemble=6, seed=1):
        links_of = member.links
        for c in ("CHL", "KOR"):
            drawn = links_of.loc[links_of["buyer"] == f"{Q}@{c}", "quantity"].sum()
            made = links_of.loc[links_of["supplier"] == f"{Q}@{c}", "quantity"].sum()
            assert drawn == pytest.approx(2 * made, rel=2e-3, abs=1e-3)
        seen.add(round(float(made), 3))
    assert len(seen) == 6


def test_a_withheld_maker_with_bounds_is_inside_the_rest_of_the_total() -> None:
    made = [("CHN", 80.0, NAN, NAN), ("JPN", NAN, 10.0, 30.0), ("WLD", 100.0, NAN, NAN)]
    rows = [{"product": P, "country": c, "quantity": q, "low": a, "high": b, "missing": None if q == q else "withheld", **A}
            for c, q, a, b in made]  # fmt: skip
    use = pd.DataFrame([{"product": P, "country": c, "quantity": 50.0, **A} for c in ("DEU", "JPN")])
    g = sr.assemble(products=goods(), production=pd.DataFrame(rows), demand=use, balanced=True)
    links = g.links
    sent = links[~links["supplier"].str.contains(":")].groupby("supplier")["quantity"].sum()
    assert sent.sum() == pytest.approx(100.0)
    assert 10.0 <= sent[f"{P}@JPN"] <= 20.0


@pytest.mark.parametrize(("sent", "clash"), [(NAN, False), (50.0, True)])
def test_a_stock_gives_no_more_than_it_held(sent: float, clash: bool) -> None:
    nodes = [{"node": f"{P}@JPN{k}", "product": P, "country": "JPN", "kind": kind, "year": 2024}
             for k, kind in ((":stock", "stock"), (":demand", "demand"))]  # fmt: skip
    told = {"method": "assumed", "missing": "unknown"} if np.isnan(sent) else {"method": "observed", "quantity": sent}
    g = SupplyGraph.from_tables(
        products=goods(),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame([{"supplier": f"{P}@JPN:stock", "buyer": f"{P}@JPN:demand", "product": P, **told, **A}]),
        stocks=pd.DataFrame([{"node": f"{P}@JPN:stock", "holder": "JPN", "quantity": 10.0, **A}]),
        demand=pd.DataFrame([{"node": f"{P}@JPN:demand", "use": "total", "quantity": 60.0, **A}]),
    )
    assert bool(len(conflicts(g))) == clash
    done = balance_flows(g)
    if not clash:
        assert done.links.set_index("supplier")["quantity"].to_dict() == pytest.approx(
            {f"{P}@JPN:stock": 10.0, f"{P}@ROW": 50.0}
        )
        same(done, balance_flows(done), 1e-9)


def chain(use: list[dict[str, Any]], maker: dict[str, Any], trade: float | None, **how: Any) -> Any:
    """Metal of which a part takes 2: 220 made in AUS, used in CHN where the part is made."""
    made = [{"product": P, "country": "AUS", "quantity": 220.0, **A}, {"product": Q, "country": "CHN", **maker, **A}]
    more: dict[str, Any] = {}
    if trade:
        sold = {"hs6": "260500", "origin": "AUS", "destination": "CHN", "year": 2024, "quantity": trade}
        more = {
            "trade": pd.DataFrame([sold]),
            "concordance": pd.DataFrame([{"hs6": "260500", "product": P, "factor": 1.0}]),
        }
    recipe = {"product": Q, "input": P, "coefficient": 2.0, "process": "x", "input_class": "essential", **A}
    return sr.assemble(
        products=goods(),
        production=pd.DataFrame(made),
        recipes=pd.DataFrame([recipe]),
        demand=pd.DataFrame([{"product": P, "country": "CHN", **u, **A} for u in use]),
        **more,
        **how,
    )


def used_and_drawn(g: SupplyGraph) -> float:
    links = g.links
    drawn = links.loc[links["supplier"] == f"{P}@CHN:demand", "quantity"].sum()
    return float(drawn + g.demand.loc[g.demand["node"] == f"{P}@CHN:demand", "quantity"].sum())


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("trade", [None, 210.0])
def test_a_stated_use_is_counted_once_whoever_feeds_its_pool(balanced: bool, trade: float | None) -> None:
    for use in ([{"quantity": 210.0}], [{"use": Q, "quantity": 200.0}, {"use": "other", "quantity": 10.0}]):
        g = chain(use, {"quantity": 100.0}, trade, balanced=balanced)
        assert used_and_drawn(g) == pytest.approx(210.0)
        assert f"{P}@ROW" not in set(g.nodes["node"])


@pytest.mark.parametrize("trade", [None, 210.0])
def test_a_bounded_use_holds_what_a_withheld_maker_draws(trade: float | None) -> None:
    bounds = {"low": 190.0, "high": 215.0, "missing": "unknown"}
    g = chain([bounds], {"low": 90.0, "high": 105.0, "missing": "withheld"}, trade, balanced=True)
    assert 190.0 - 1e-6 <= used_and_drawn(g) <= 215.0 + 1e-6
    assert 180.0 - 1e-6 <= g.links.set_index("buyer")["quantity"][f"{Q}@CHN"] <= 210.0 + 1e-6
    row = use_of(g, "CHN")
    assert row[["with_draws_low", "with_draws_high"]].tolist() == [190.0, 215.0]
    same(g, balance_flows(g), 1e-9)


def test_members_meet_stated_uses_beside_an_unknown_supplier() -> None:
    maker = {"missing": "withheld", "low": 100.0, "high": 200.0}
    made = [{"product": Q, "country": "CHN", **maker, **A}, {"product": P, "country": "DEU", "quantity": 250.0, **A}]
    use = [
        {"product": Q, "country": "JPN", "quantity": 400.0, **A},
        {"product": P, "country": "CHN", "quantity": 235.0, **A},
    ]
    recipe = {"product": Q, "input": P, "coefficient": 1.5, "process": "x", "input_class": "essential", **A}
    drawn = sr.assemble(
        products=goods(),
        production=pd.DataFrame(made),
        recipes=pd.DataFrame([recipe]),
        demand=pd.DataFrame(use),
        ensemble=3,
    )
    for g in drawn:
        got = g.links.loc[g.links["buyer"] == f"{Q}@JPN:demand", "quantity"].sum()
        assert got == pytest.approx(400.0)
        assert not (g.balance()["status"] == "open").any()


@pytest.mark.parametrize(("least", "told"), [(38.9, False), (39.5, False), (41.0, True), (60.0, True)])
def test_a_least_output_above_the_rest_is_a_rounding_or_is_told(least: float, told: bool) -> None:
    rows = [("AUS", 60.0, NAN, NAN), ("USA", NAN, least, least + 15.0), ("WLD", 99.0, NAN, NAN)]
    made = pd.DataFrame([{"product": P, "country": c, "quantity": q, "low": a, "high": b,
                          "missing": None if q == q else "withheld", **A} for c, q, a, b in rows])  # fmt: skip
    use = pd.DataFrame([{"product": P, "country": "DEU", "quantity": 50.0, **A}])
    g = sr.assemble(products=goods(), production=made, demand=use, balanced=True)
    sent = g.links.loc[~g.links["supplier"].str.contains(":"), "quantity"].sum()
    assert (sent > 99.0 * (1 + 1e-6)) == told
    assert ("world" in set(g.balance()["account"])) == told
    assert ("world total" in set(g.gaps["what"])) == told


def test_a_bounded_use_leaves_supply_to_those_who_are_listed() -> None:
    g = market({"CHN": (12.0, 44.0)}, {"CHN": (4.8, 10.8), "DEU": 6.1, "USA": 35.2},
               [("CHN", c, NAN) for c in ("CHN", "DEU", "USA")])  # fmt: skip
    done = balance_flows(g)
    assert moved(g, done).empty
    assert sum(flow(done, "CHN", c) for c in ("CHN", "DEU", "USA")) == pytest.approx(44.0, rel=1e-3)


def test_headings_are_read_however_they_are_written_and_what_is_left_out_is_said() -> None:
    made = pd.DataFrame([{"product": P, "country": "CHN", "quantity": 1000.0, **A}])
    heading = pd.DataFrame([{"hs6": "850511", "product": P, "factor": 1.0}])

    def sold(*codes: Any) -> pd.DataFrame:
        rows = [{"hs6": h, "origin": "CHN", "destination": d, "year": 2024, "quantity": 5.0, "value": v}
                for h, d, v in zip(codes, ("JPN", "DEU"), (30.0, 10.0), strict=False)]  # fmt: skip
        return pd.DataFrame(rows)

    for code in ("8505.11", "HS 8505 11", 850511, 850511.0, "850511.0", " 850511 "):
        g = sr.assemble(products=goods(), production=made, trade=sold(code), concordance=heading)
        assert flow(g, "CHN", "JPN") == 5.0
    g = sr.assemble(products=goods(), production=made, trade=sold("850511", "850519"), concordance=heading)
    assert any("1 of 2 rows of trade, 25 % of its value, are of headings without" in h for h in g.history)
    for code, words in (("85051100", "no heading of six digits"), ("850519", "no heading is in the concordance")):
        with pytest.raises(sr.errors.SchemaError, match=words):
            sr.assemble(products=goods(), production=made, trade=sold(code), concordance=heading)


@pytest.mark.parametrize("output", [60.0, NAN])
def test_alternatives_together_are_what_the_recipe_asks_for(output: float) -> None:
    other = "z.scrap"
    common = {"commodity": "x", "chain": "x", "unit": "t", "basis": "gross", "period": "year"}
    products = pd.concat([goods(), pd.DataFrame([{"product": other, "name": other, "stage": "refine", **common}])])
    made = [(P, "AUS", 110.0), (other, "AUS", 20.0), (Q, "CHN", output)]
    sold = [("260500", "AUS", 100.0), ("261000", "AUS", 15.0)]
    recipe = [{"product": Q, "input": k, "coefficient": c, "process": "x", "input_class": "essential",
               "substitute_group": "g", **A} for k, c in ((P, 2.0), (other, 1.5))]  # fmt: skip
    g = sr.assemble(
        products=products,
        production=pd.DataFrame([{"product": p, "country": c, "quantity": q,
                                  "missing": None if q == q else "withheld", **A} for p, c, q in made]),
        trade=pd.DataFrame([{"hs6": h, "origin": o, "destination": "CHN", "year": 2024, "quantity": q} for h, o, q in sold]),
        concordance=pd.DataFrame([{"hs6": "260500", "product": P, "factor": 1.0}, {"hs6": "261000", "product": other, "factor": 1.0}]),
        demand=pd.DataFrame([{"product": Q, "country": "CHN", "quantity": 60.0, **A}]),
        recipes=pd.DataFrame(recipe),
        balanced=True,
    )  # fmt: skip
    drawn = g.links[g.links["buyer"] == f"{Q}@CHN"].set_index("product")["quantity"]
    assert drawn[P] / 2.0 + drawn[other] / 1.5 == pytest.approx(60.0, rel=3e-3)
    assert not (g.balance()["status"] == "open").any()
    less = g.links.assign(quantity=g.links["quantity"].where(g.links["buyer"] != f"{Q}@CHN", 0.5 * g.links["quantity"]))
    rows = g.replace("halved", links=less).balance()
    rows = rows[rows["account"] == "input"]
    assert len(rows) == 1  # one row for both, not one each
    if output == output:
        assert rows["reason"].tolist() == [f"less than the recipe asks for, of {P} or {other} together"]
    same(g, balance_flows(g), 1e-9)

"""assemble(): each rule on a case small enough to check by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.assemble import assemble
from supplyrisk.errors import SchemaError
from supplyrisk.exposure import exposure
from supplyrisk.graph import SupplyGraph


def products(*names: str, **over: Any) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "product": n,
                "name": n,
                "commodity": n.split(".")[0],
                "chain": "test",
                "stage": "mine" if n.endswith("mine") else "refine",
                "unit": "t",
                "basis": "contained",
                "period": "year",
                **over,
            }
            for n in names
        ]
    )


def production(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["product", "country", "year", "quantity"])
    return frame.assign(grade="assumption")


def trade(rows: list[tuple[str, str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["origin", "destination", "quantity"])
    return frame.assign(hs6="1", year=2024, value=frame["quantity"] * 10.0, grade="assumption")


HEADING = pd.DataFrame([{"hs6": "1", "product": "x.refined", "factor": 1.0, "purity": 1.0}])


def flow(g: SupplyGraph, supplier: str, buyer: str) -> float:
    links = g.links.set_index(["supplier", "buyer"])["quantity"]
    return float(links[supplier, buyer])


def test_rest_of_the_world_is_a_residual() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production(
            [("x.refined", "CHN", 2024, 60.0), ("x.refined", "WLD", 2024, 100.0), ("x.refined", "DEU", 2023, 10.0)]
        ),
    )
    out = g.nodes.set_index("node")["output"]
    assert out["x.refined@ROW"] == pytest.approx(30.0)
    assert flow(g, "x.refined@CHN", "x.refined@WLD:demand") == 60.0
    assert g.balance()["status"].tolist() == []


def test_withheld_is_no_part_of_the_sum_and_never_zero() -> None:
    p = production([("x.refined", "CHN", 2024, 60.0), ("x.refined", "WLD", 2024, 100.0)])
    p = pd.concat([p, pd.DataFrame([{"product": "x.refined", "country": "USA", "year": 2024, "missing": "withheld"}])])
    g = assemble(products=products("x.refined"), production=p)
    n = g.nodes.set_index("node")
    assert n.loc["x.refined@USA", "output_missing"] == "withheld"
    assert np.isnan(n.loc["x.refined@USA", "output"])
    assert n.loc["x.refined@ROW", "output"] == pytest.approx(40.0)


@pytest.mark.parametrize("missing", ["withheld", "not_available", "unknown"])
def test_a_maker_of_unknown_output_and_the_rest_share_what_the_total_leaves(missing: str) -> None:
    rows = [("x.refined", "AUS", 2024, 100.0), ("x.refined", "WLD", 2024, 150.0)]
    use = pd.DataFrame({"product": "x.refined", "country": ["AUS", "USA"], "year": 2024, "quantity": [100.0, 50.0]})
    p = production(rows)
    p = pd.concat([p, pd.DataFrame([{"product": "x.refined", "country": "USA", "year": 2024, "missing": missing}])])
    for balanced in (False, True):
        g = assemble(
            products=products("x.refined"), production=p, demand=use.assign(grade="assumption"), balanced=balanced
        )
        n = g.nodes[g.nodes["kind"] == "producer"].set_index("node")
        _, low, high = g.interval("nodes", "output", n.reset_index())
        at = {c: k for k, c in enumerate(n["country"])}
        assert (low[at["ROW"]], high[at["ROW"]]) == (0.0, 50.0)
        assert (low[at["USA"]], high[at["USA"]]) == (0.0, 50.0)
        assert n.loc["x.refined@USA", "inside"] == "x.refined@ROW"
        if not balanced:
            made = sr.score(g, by="product", focal="USA", bounds=True, metrics=["quantity"]).iloc[0]
            assert made["quantity_high"] == pytest.approx(150 * 1.5)  # of 150 by the grade, never of 200
    # Whatever flows say together more than the total allows is told.
    links = g.table("links")
    links = links.assign(
        quantity=links["quantity"].mask(links["supplier"].isin(["x.refined@USA", "x.refined@ROW"]), 50.0)
    )
    world = g.replace("both", links=links).balance().set_index("account").loc["world"]
    assert (world["node"], world["need"]) == ("x.refined@ROW", 150.0)


@pytest.mark.parametrize(
    ("own", "total", "out"),
    [
        (None, "Estimated. -- Excludes U.S. production.", True),
        (None, "excludes U.S. production", True),
        (None, "Inadequate data. Does not include production in the United States.", True),
        ("withheld, and the world total leaves it out", None, True),
        (None, "Countries that do not recover it are excluded. Includes U.S. production.", False),
        (None, "Excludes China.", False),
        ("withheld", None, False),
    ],
)
def test_only_words_of_the_source_take_a_withheld_figure_out_of_the_total(
    own: str | None, total: str | None, out: bool
) -> None:
    p = production([("x.refined", "CHN", 2024, 60.0), ("x.refined", "WLD", 2024, 100.0)]).assign(note=[None, total])
    hidden = {"product": "x.refined", "country": "USA", "year": 2024, "missing": "withheld", "note": own}
    g = assemble(products=products("x.refined"), production=pd.concat([p, pd.DataFrame([hidden])], ignore_index=True))
    n = g.nodes.set_index("node")
    assert pd.isna(n.loc["x.refined@USA", "inside"]) == out
    assert pd.isna(n.loc["x.refined@USA", "output_high"]) == out
    assert pd.isna(n.loc["x.refined@ROW", "output_low"]) == out


def test_a_rest_of_a_year_in_which_all_are_listed_keeps_its_interval() -> None:
    p = production([("x.refined", "CHN", y, 60.0) for y in (2020, 2024)]
                   + [("x.refined", "WLD", y, 100.0) for y in (2020, 2024)] + [("x.refined", "USA", 2024, 10.0)])  # fmt: skip
    old = {"product": "x.refined", "country": "USA", "year": 2020, "missing": "not_available"}
    g = assemble(products=products("x.refined"), production=pd.concat([p, pd.DataFrame([old])], ignore_index=True))
    rest = g.nodes[g.nodes["node"] == "x.refined@ROW"].set_index("year")
    assert (rest.loc[2020, "output_low"], rest.loc[2020, "output_high"]) == (0.0, 40.0)
    assert pd.isna(rest.loc[2024, "output_low"])


def test_rounding_of_the_source_is_no_producer() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 1000.0), ("x.refined", "WLD", 2024, 1000.4)]),
    )
    assert g.nodes.set_index("node")["output"]["x.refined@ROW"] == 0.0
    assert "x.refined@ROW" not in set(g.links["supplier"])


def test_a_residual_of_nothing_supersedes_an_older_one() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production(
            [
                ("x.refined", "CHN", 2023, 60.0),
                ("x.refined", "WLD", 2023, 100.0),
                ("x.refined", "CHN", 2024, 90.0),
                ("x.refined", "WLD", 2024, 90.0),
            ]
        ),
    )
    rest = g.nodes[g.nodes["node"] == "x.refined@ROW"].set_index("year")["output"]
    assert rest.to_dict() == {2023: 40.0, 2024: 0.0}


def test_trade_domestic_and_re_export() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 100.0)]),
        trade=trade([("CHN", "HKG", 30.0), ("CHN", "JPN", 20.0), ("HKG", "JPN", 25.0)]),
        concordance=HEADING,
    )
    assert flow(g, "x.refined@CHN", "x.refined@CHN:demand") == 50.0
    assert flow(g, "x.refined@HKG:demand", "x.refined@JPN:demand") == 25.0  # passes on, makes nothing
    use = g.demand.set_index("node")["quantity"]
    assert use["x.refined@HKG:demand"] == 5.0
    assert use["x.refined@JPN:demand"] == 45.0
    assert g.links.set_index(["supplier", "buyer"]).loc[("x.refined@CHN", "x.refined@JPN:demand"), "value"] == 200.0
    assert g.balance().empty


def test_an_entrepot_that_imports_nothing_draws_on_the_world() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 100.0)]),
        trade=trade([("CHN", "JPN", 80.0), ("HKG", "JPN", 10.0)]),
        concordance=HEADING,
    )
    assert "x.refined@HKG" not in set(g.nodes["node"])
    assert flow(g, "x.refined@WLD:demand", "x.refined@HKG:demand") == 10.0
    into = g.links[g.links["buyer"] == "x.refined@WLD:demand"]["quantity"].sum()
    assert into == pytest.approx(10.0)


def test_unlisted_users_buy_of_makers_and_not_of_other_countries_stocks() -> None:
    """What China has bought of ore is not Chinese ore, whoever may draw on the world's (trap 11)."""
    made = [("x.refined", "ZAF", 2024, 700.0), ("x.refined", "AUS", 2024, 300.0), ("x.refined", "CHN", 2024, 50.0)]
    flows = [("ZAF", "CHN", 600.0), ("AUS", "CHN", 200.0), ("CHN", "JPN", 5.0), ("HKG", "JPN", 10.0)]
    g = assemble(products=products("x.refined"), production=production(made), trade=trade(flows), concordance=HEADING)
    into = g.links[g.links["buyer"] == "x.refined@WLD:demand"].set_index("supplier")["quantity"]
    assert not into.index.str.endswith(":demand").any()
    assert into.sum() == pytest.approx(10.0)
    assert into["x.refined@ZAF"] / into["x.refined@AUS"] == pytest.approx(3.0)  # by what they are known to export
    assert flow(g, "x.refined@ZAF", "x.refined@ZAF:demand") == pytest.approx(100.0 - into["x.refined@ZAF"])
    assert g.balance().empty
    e = exposure(g, "CHN").set_index("node").loc["x.refined@HKG:demand"]
    assert e["linear"] == pytest.approx(into.get("x.refined@CHN", 0.0) / 10.0)
    assert e["linear"] < 0.01


def test_a_world_pool_that_nobody_is_known_to_feed_is_unknown() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 20.0)]),
        trade=trade([("CHN", "JPN", 20.0), ("HKG", "JPN", 10.0)]),
        concordance=HEADING,
    )
    assert not (g.links["buyer"] == "x.refined@WLD:demand").any()
    e = exposure(g, "CHN").set_index("node").loc["x.refined@HKG:demand"]
    assert (e["linear_low"], e["linear_high"]) == (0.0, 1.0)


def test_a_net_exporter_without_a_record_makes_it() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 100.0)]),
        trade=trade([("TJK", "JPN", 30.0), ("JPN", "TJK", 5.0), ("CHN", "JPN", 20.0)]),
        concordance=HEADING,
    )
    n = g.nodes.set_index("node")
    assert np.isnan(n.loc["x.refined@TJK", "output"])
    assert n.loc["x.refined@TJK", "output_missing"] == "unknown"
    assert n.loc["x.refined@TJK", "output_low"] == 25.0


def test_exports_of_the_unlisted_come_out_of_the_rest() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 60.0), ("x.refined", "WLD", 2024, 100.0)]),
        trade=trade([("TJK", "JPN", 30.0), ("CHN", "JPN", 20.0)]),
        concordance=HEADING,
    )
    n = g.nodes.set_index("node")
    assert n.loc["x.refined@TJK", ["output", "output_low", "output_high"]].tolist() == [30.0, 30.0, 40.0]
    assert n.loc["x.refined@TJK", "output_grade"] == "assumption"
    assert n.loc["x.refined@ROW", "output"] == 10.0
    makers = n[n["kind"] == "producer"]["output"]
    assert makers.sum() == pytest.approx(100.0)


def test_partly_covered_trade_keeps_only_net_importers_rest_at_home() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 100.0), ("x.refined", "IDN", 2024, 200.0)]),
        trade=trade([("IDN", "CHN", 10.0)]),
        concordance=HEADING.assign(coverage="partial"),
    )
    assert flow(g, "x.refined@CHN", "x.refined@CHN:demand") == 100.0
    assert flow(g, "x.refined@IDN", "x.refined@WLD:demand") == 190.0


def test_exports_above_output_are_kept_and_shown() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 10.0)]),
        trade=trade([("CHN", "JPN", 30.0)]),
        concordance=HEADING,
    )
    row = g.balance().set_index("node").loc["x.refined@CHN"]
    assert (row["account"], row["have"], row["need"]) == ("output", 10.0, 30.0)


def test_a_caveat_row_makes_no_link() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 10.0)]),
        trade=trade([("CHN", "JPN", 3.0)]),
        concordance=HEADING.assign(use=False),
    )
    assert not (g.links["method"] == "observed").any()


def test_factor_and_its_interval() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "ZAF", 2024, 100.0)]),
        trade=trade([("ZAF", "CHN", 100.0)]),
        concordance=HEADING.assign(factor=0.44, factor_low=0.35, factor_high=0.54),
    )
    row = g.links.set_index(["supplier", "buyer"]).loc[("x.refined@ZAF", "x.refined@CHN:demand")]
    assert row[["quantity", "low", "high"]].tolist() == pytest.approx([44.0, 35.0, 54.0])


SHARES = pd.DataFrame(
    [
        {"product": "x.refined", "buyer": "USA", "supplier": "CHN", "share": 0.5, "year": 2024, "reliance": 0.8},
        {"product": "x.refined", "buyer": "USA", "supplier": "CAN", "share": 0.3, "year": 2024, "reliance": 0.8},
    ]
)


def test_import_shares_times_use_times_reliance() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 900.0), ("x.refined", "RUS", 2024, 100.0)]),
        demand=pd.DataFrame([{"product": "x.refined", "country": "USA", "year": 2024, "quantity": 50.0}]).assign(
            grade="assumption"
        ),
        sourcing=SHARES,
    )
    assert flow(g, "x.refined@CHN", "x.refined@USA:demand") == pytest.approx(20.0)
    assert flow(g, "x.refined@CAN:demand", "x.refined@USA:demand") == pytest.approx(12.0)
    assert flow(g, "x.refined@RUS", "x.refined@USA:demand") == pytest.approx(8.0)  # the unnamed rest
    assert flow(g, "x.refined@WLD:demand", "x.refined@CAN:demand") == pytest.approx(12.0)
    assert flow(g, "x.refined@CHN", "x.refined@WLD:demand") == pytest.approx(880.0)


def test_unknown_level_is_nominal_and_says_so() -> None:
    shares = SHARES.drop(columns="reliance")
    made = production([("x.refined", "CHN", 2024, 900.0), ("x.refined", "RUS", 2024, 100.0)])
    g = assemble(products=products("x.refined"), production=made, sourcing=shares)
    into = g.links[g.links["buyer"] == "x.refined@USA:demand"].set_index("supplier")
    assert into.loc["x.refined@CHN", "quantity"] / into["quantity"].sum() == pytest.approx(0.5)
    assert into["quantity"].sum() == pytest.approx(100.0)
    assert "nominal" in into.loc["x.refined@CHN", "note"]
    smaller = assemble(products=products("x.refined"), production=made, sourcing=shares, nominal=0.05)
    assert smaller.links[smaller.links["buyer"] == "x.refined@USA:demand"]["quantity"].sum() == pytest.approx(50.0)


def test_rest_beyond_other_producers_comes_from_unnamed_re_exporters() -> None:
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 100.0)]),
        sourcing=SHARES.iloc[:1].drop(columns="reliance"),
    )
    assert flow(g, "x.refined@ROW:demand", "x.refined@USA:demand") == pytest.approx(5.0)
    assert flow(g, "x.refined@WLD:demand", "x.refined@ROW:demand") == pytest.approx(5.0)


def test_an_unnamed_seller_is_elsewhere_by_location_and_seen_through_by_origin() -> None:
    from supplyrisk.control import focal_share

    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 100.0)]),
        sourcing=SHARES.iloc[:1].drop(columns="reliance"),
    )
    seller = g.index.code("x.refined@ROW:demand")
    assert focal_share(g, "CHN", "location")[0][seller] == 0.0
    assert focal_share(g, "CHN", "control")[0][seller] == 1.0
    named = g.links.set_index("supplier").loc["x.refined@CHN"]
    into = named[named["buyer"] == "x.refined@USA:demand"]
    assert into["grade"].tolist() == ["assumption"]
    assert into["method"].tolist() == ["assumed"]


def test_no_unnamed_seller_sells_more_than_the_smallest_of_the_largest() -> None:
    more = pd.DataFrame([{**SHARES.iloc[1].to_dict(), "supplier": "NOR", "share": 0.05}])
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 900.0), ("x.refined", "RUS", 2024, 100.0)]),
        sourcing=pd.concat([SHARES, more]).assign(imports=100.0),
    )
    assert flow(g, "x.refined@RUS", "x.refined@USA:demand") == pytest.approx(5.0)
    assert flow(g, "x.refined@ROW:demand", "x.refined@USA:demand") == pytest.approx(10.0)


def test_a_supplier_that_mines_the_ore_is_a_producer() -> None:
    shares = SHARES.replace({"CAN": "BOL"})
    made = production(
        [("x.mine", "BOL", 2024, 50.0), ("x.refined", "CHN", 2024, 900.0), ("x.refined", "WLD", 2024, 1000.0)]
    )
    use = pd.DataFrame(
        [{"product": "x.refined", "country": "USA", "year": 2024, "quantity": 50.0, "grade": "assumption"}]
    )
    g = assemble(
        products=products("x.mine", "x.refined"), production=made, sourcing=shares, demand=use, recipes=recipe(1.0)
    )
    n = g.nodes.set_index("node")
    assert flow(g, "x.refined@BOL", "x.refined@USA:demand") == pytest.approx(12.0)
    assert n.loc["x.refined@BOL", ["output", "output_high"]].tolist() == pytest.approx([12.0, 100.0])
    assert n.loc["x.refined@ROW", "output"] == pytest.approx(88.0)


def recipe(coefficient: float | None, **over: Any) -> pd.DataFrame:
    row = {
        "product": "x.refined",
        "input": "x.mine",
        "process": "p",
        "input_class": "essential",
        "coefficient": coefficient,
        "missing": None if coefficient is not None else "unknown",
        "grade": "assumption",
    }
    return pd.DataFrame([{**row, **over}])


MADE = production(
    [
        ("x.mine", "COD", 2024, 80.0),
        ("x.mine", "CHN", 2024, 20.0),
        ("x.refined", "CHN", 2024, 70.0),
        ("x.refined", "FIN", 2024, 10.0),
    ]
)


def test_industry_draws_on_its_own_country_first() -> None:
    g = assemble(products=products("x.mine", "x.refined"), production=MADE, recipes=recipe(1.0))
    assert flow(g, "x.mine@CHN", "x.mine@CHN:demand") == 20.0
    assert flow(g, "x.mine@WLD:demand", "x.mine@CHN:demand") == 50.0
    assert flow(g, "x.mine@CHN:demand", "x.refined@CHN") == 70.0
    assert flow(g, "x.mine@WLD:demand", "x.refined@FIN") == 10.0
    use = g.demand.set_index("node")["quantity"]
    assert use["x.mine@WLD:demand"] == 20.0
    assert g.balance().empty


def test_recipe_without_coefficient_is_a_link_of_unknown_quantity() -> None:
    g = assemble(products=products("x.mine", "x.refined"), production=MADE, recipes=recipe(None))
    links = g.links.set_index(["supplier", "buyer"])
    row = links.loc[("x.mine@WLD:demand", "x.refined@CHN")]
    assert np.isnan(row["quantity"])
    assert row["missing"] == "unknown"


def test_host_is_throughput_not_consumption() -> None:
    g = assemble(products=products("x.mine", "x.refined"), production=MADE, recipes=recipe(100.0, host=True))
    into = g.links[g.links["buyer"].isin(["x.refined@CHN", "x.refined@FIN"])]
    assert into["missing"].tolist() == ["not_applicable"] * 2
    assert g.demand.set_index("node")["quantity"]["x.mine@WLD:demand"] == 100.0


def test_alternatives_state_an_upper_bound_only() -> None:
    two = pd.concat([recipe(1.0, substitute_group="ore"), recipe(2.0, input="y.mine", substitute_group="ore")])
    made = pd.concat([MADE, production([("y.mine", "AUS", 2024, 500.0)])])
    g = assemble(products=products("x.mine", "y.mine", "x.refined"), production=made, recipes=two)
    into = g.links[g.links["buyer"] == "x.refined@CHN"].set_index("product")
    assert into["quantity"].isna().all()
    assert into["high"].to_dict() == {"x.mine": 70.0, "y.mine": 140.0}


def test_no_producer_of_the_input_no_link() -> None:
    made = MADE[MADE["product"] == "x.refined"]
    g = assemble(products=products("x.mine", "x.refined"), production=made, recipes=recipe(1.0))
    assert not (g.links["product"] == "x.mine").any()


def test_stated_use_is_less_what_producers_draw() -> None:
    use = pd.DataFrame([{"product": "x.mine", "country": "CHN", "year": 2024, "quantity": 90.0, "grade": "assumption"}])
    g = assemble(products=products("x.mine", "x.refined"), production=MADE, recipes=recipe(1.0), demand=use)
    assert g.demand.set_index("node")["quantity"]["x.mine@CHN:demand"] == 20.0


def test_units_are_converted() -> None:
    made = production([("x.refined", "CHN", 2024, 2.0)]).assign(unit="kt")
    g = assemble(products=products("x.refined"), production=made)
    assert g.nodes.set_index("node")["output"]["x.refined@CHN"] == 2000.0


def test_costs_of_the_rest_are_lent_and_graded_down() -> None:
    costs = pd.DataFrame(
        [
            {
                "product": "x.refined",
                "country": "CHN",
                "what": "unit_cost",
                "quantity": 2.0,
                "grade": "A",
                "source": "s",
            },
            {
                "product": "x.refined",
                "country": "ROW",
                "what": "unit_cost",
                "quantity": 3.0,
                "grade": "A",
                "source": "s",
            },
        ]
    )
    sources = pd.DataFrame([{"source": "s", "title": "s", "licence": "own", "licence_class": "cc0"}])
    g = assemble(products=products("x.refined"), production=MADE[2:], costs=costs, tables={"sources": sources})
    n = g.nodes.set_index("node")
    assert n.loc["x.refined@CHN", ["unit_cost", "unit_cost_grade"]].tolist() == [2.0, "A"]
    assert n.loc["x.refined@FIN", ["unit_cost", "unit_cost_grade"]].tolist() == [3.0, "C"]


def test_row_order_changes_nothing() -> None:
    kw: dict[str, Any] = {
        "products": products("x.refined"),
        "production": production(
            [("x.refined", "CHN", 2024, 60.0), ("x.refined", "WLD", 2024, 100.0), ("x.refined", "RUS", 2023, 5.0)]
        ),
        "trade": trade([("CHN", "JPN", 30.0), ("JPN", "USA", 10.0), ("TJK", "USA", 9.0), ("USA", "ROW", 1.0)]),
        "concordance": HEADING,
    }
    turned = {k: v.iloc[::-1].reset_index(drop=True) for k, v in kw.items()}
    assert assemble(**kw).fingerprint == assemble(**turned).fingerprint


def test_all_problems_at_once() -> None:
    bad = production([("x.refind", "CHN", 2024, 1.0)]).assign(colour="red")
    with pytest.raises(SchemaError) as err:
        assemble(
            products=products("x.refined"),
            production=bad.assign(quantity=["many"]),
            trade=trade([("CHN", "JPN", 1.0)]),
            nominal=2.0,
        )
    text = str(err.value)
    for piece in ("x.refind", "x.refined", "colour", "not a number", "concordance", "nominal"):
        assert piece in text


def test_inputs_are_not_changed() -> None:
    made, flows = MADE.copy(), trade([("CHN", "JPN", 3.0)])
    before = (made.copy(), flows.copy())
    assemble(products=products("x.mine", "x.refined"), production=made, trade=flows, concordance=HEADING)
    pd.testing.assert_frame_equal(made, before[0])
    pd.testing.assert_frame_equal(flows, before[1])


def test_a_flow_without_weight_is_missing_and_no_zero() -> None:
    flows = trade([("CHN", "JPN", 5.0), ("CHN", "DEU", np.nan)])
    flows.loc[1, "value"] = 70.0
    g = assemble(
        products=products("x.refined"),
        production=production([("x.refined", "CHN", 2024, 60.0)]),
        trade=flows,
        concordance=HEADING,
    )
    links = g.links.set_index(["supplier", "buyer"])
    bare = links.loc[("x.refined@CHN", "x.refined@DEU:demand")]
    assert np.isnan(bare["quantity"])
    assert (bare["missing"], bare["value"]) == ("not_available", 70.0)
    assert flow(g, "x.refined@CHN", "x.refined@JPN:demand") == 5.0


def test_a_trader_may_make_what_it_exports() -> None:
    flows = trade([("CHN", "VNM", 30.0), ("VNM", "JPN", 25.0), ("CHN", "HKG", 30.0), ("HKG", "JPN", 25.0)])
    made = production([("x.refined", "CHN", 2024, 100.0)])
    g = assemble(products=products("x.refined"), production=made, trade=flows, concordance=HEADING)
    doubt = g.links.set_index(["supplier", "buyer"]).loc[("x.refined@ROW", "x.refined@VNM:demand")]
    assert np.isnan(doubt["quantity"])
    assert (doubt["low"], doubt["high"]) == (0.0, 25.0)
    assert not ((g.links["supplier"] == "x.refined@ROW") & (g.links["buyer"] == "x.refined@HKG:demand")).any()
    seen = exposure(g, "CHN").set_index("node").loc["x.refined@VNM:demand"]
    assert seen["linear"] == 1.0
    assert seen["linear_low"] < 30.0 / (30.0 + 25.0)
    # Where the listed producers make all there is, nobody else can.
    whole = production([("x.refined", "CHN", 2024, 100.0), ("x.refined", "WLD", 2024, 100.0)])
    g = assemble(products=products("x.refined"), production=whole, trade=flows, concordance=HEADING)
    assert g.nodes.set_index("node")["output"]["x.refined@ROW"] == 0.0
    assert "x.refined@ROW" not in set(g.links["supplier"])


def test_balanced_and_ensemble_from_tables() -> None:
    made = production([("x.refined", "CHN", 2024, 60.0), ("x.refined", "CHL", 2024, 40.0)])
    used = pd.DataFrame([{"product": "x.refined", "country": c, "year": 2024, "quantity": q, "grade": "assumption"}
                         for c, q in (("JPN", 45.0), ("DEU", 55.0))])  # fmt: skip
    tables = {"products": products("x.refined"), "production": made, "demand": used}
    assert assemble(**tables, balanced=True).balance(1e-9).empty
    draws = assemble(**tables, ensemble=3, seed=1)
    assert len(draws) == 3
    assert all(g.balance(1e-9).empty for g in draws)
    again = assemble(**tables, ensemble=3, seed=1)
    assert [g.fingerprint for g in draws] == [g.fingerprint for g in again]


def test_what_is_wrong_with_production_is_said_of_production() -> None:
    bad = production([("x.refined", "CHN", 2024, 900.0), ("x.refined", "CHN", 2024, 800.0), ("x.refined", "Japan", 2024, 5.0),
                      ("x.refined", "DEU", 2024, -5.0)])  # fmt: skip
    with pytest.raises(SchemaError) as error:
        assemble(products=products("x.refined"), production=bad)
    told = {(p.table, p.column): (p.rule, p.remedy) for p in error.value.problems}
    assert told["production", "product+country+site+what+year"][0] == "stands 2 times"
    assert told["production", "country"][1] == "Write JPN."
    assert told["production", "quantity"][0] == "an output of less than nothing"


def test_a_maker_without_figure_and_reason_is_inside_the_rest() -> None:
    rows = [("x.refined", "CHN", 2024, 500.0), ("x.refined", "JPN", 2024, np.nan), ("x.refined", "WLD", 2024, 600.0)]
    bare = production(rows)
    said = bare.assign(missing=[None, "unknown", None])
    a, b = (assemble(products=products("x.refined"), production=p).nodes for p in (bare, said))
    pd.testing.assert_frame_equal(a, b)
    assert a.set_index("node").loc["x.refined@JPN", "inside"] == "x.refined@ROW"


def test_the_world_does_not_trade_and_a_heading_of_nothing_is_no_heading() -> None:
    made = production([("x.refined", "CHN", 2024, 500.0)])
    sold = pd.DataFrame([{"hs6": "810411", "origin": a, "destination": b, "year": 2024, "quantity": q}
                         for a, b, q in (("CHN", "USA", 300.0), ("WLD", "USA", 400.0))])  # fmt: skip
    heading = pd.DataFrame([{"hs6": "810411", "product": "x.refined", "factor": 0.0}])
    with pytest.raises(SchemaError) as error:
        assemble(products=products("x.refined"), production=made, trade=sold, concordance=heading)
    assert {(p.column, p.value) for p in error.value.problems} == {("origin", "WLD"), ("factor", "0")}


def test_what_a_source_lumps_together_may_send_to_a_trader() -> None:
    made = production([("x.refined", "CHN", 2024, 500.0)])
    flows = [("ROW", "JPN", 30.0), ("CHN", "JPN", 100.0), ("JPN", "USA", 60.0), ("CHN", "USA", 50.0)]
    sold = pd.DataFrame(
        [{"hs6": "810411", "origin": a, "destination": b, "year": 2024, "quantity": q} for a, b, q in flows]
    )
    heading = pd.DataFrame([{"hs6": "810411", "product": "x.refined", "factor": 1.0}])
    g = assemble(
        products=products("x.refined"), production=made, trade=sold.assign(grade="assumption"), concordance=heading
    )
    assert flow(g, "x.refined@ROW", "x.refined@JPN:demand") == 30.0


def test_a_cost_or_an_import_share_that_stands_twice_is_refused() -> None:
    made = production([("x.refined", "CHN", 2024, 900.0)])
    cost = pd.DataFrame(
        [{"product": "x.refined", "country": "CHN", "what": "unit_cost", "quantity": q} for q in (2.0, 3.0)]
    )
    with pytest.raises(SchemaError, match=r"costs\[x.refined \| CHN \| unit_cost\].*stands 2 times \(got 2, 3\)"):
        assemble(products=products("x.refined"), production=made, costs=cost)
    twice = pd.concat([SHARES, SHARES.iloc[:1]])
    with pytest.raises(SchemaError, match=r"sourcing\[x.refined \| USA \| CHN \| 20\d\d\].*stands 2 times"):
        assemble(products=products("x.refined"), production=made, sourcing=twice)


def test_stocks_are_an_input_of_their_own() -> None:
    unit = {"unit": "t", "basis": "gross", "period": "year"}
    goods = pd.DataFrame(
        [{"product": "x.metal", "name": "X", "commodity": "x", "chain": "x", "stage": "metal", **unit}]
    )
    here = {"product": "x.metal", "year": 2024, "grade": "assumption"}
    made = pd.DataFrame([{**here, "country": "CHN", "quantity": 100.0}])
    held = pd.DataFrame([{**here, "country": "JPN", "quantity": 20.0}])
    g = sr.assemble(products=goods, production=made, stocks=held)
    assert g.stocks[["node", "holder", "quantity"]].values.tolist() == [["x.metal@JPN:stock", "JPN", 20.0]]
    assert "x.metal@JPN:stock" in set(g.nodes["node"])
    whole = held.assign(node="x.metal@JPN:stock", holder="JOGMEC").drop(columns=["product", "country"])
    assert sr.assemble(products=goods, production=made, stocks=whole).stocks["holder"].tolist() == ["JOGMEC"]
    with pytest.raises(SchemaError, match="given twice"):
        sr.assemble(products=goods, production=made, stocks=held, tables={"stocks": whole})


def test_places_and_amounts_that_cannot_be_are_refused_where_they_stand() -> None:
    unit = {"unit": "t", "basis": "gross", "period": "year"}
    goods = pd.DataFrame(
        [{"product": "x.metal", "name": "X", "commodity": "x", "chain": "x", "stage": "metal", **unit}]
    )
    made = pd.DataFrame([{"product": "x.metal", "country": "CHN", "year": 2024, "quantity": 100.0, "grade": "B"}])
    heading = pd.DataFrame([{"hs6": "810411", "product": "x.metal", "factor": 1.0}])
    ends = [("CHN", "W00", 5.0), ("CHN", "W00", 6.0), ("Germany", None, -1.0), ("CHN", "DEU", np.inf)]
    sold = pd.DataFrame([{"hs6": "810411", "origin": o, "destination": d, "year": 2020 + i, "quantity": q}
                         for i, (o, d, q) in enumerate(ends)])  # fmt: skip
    with pytest.raises(SchemaError) as caught:
        sr.assemble(products=goods, production=made, trade=sold, concordance=heading)
    told = [(p.table, p.row, p.column) for p in caught.value.problems]
    assert told == [
        ("trade", "row 3", "quantity"),
        ("trade", "row 2", "origin"),
        ("trade", "row 2", "destination"),
        ("trade", "row 0 and 1 more", "destination"),
        ("trade", "row 2", "quantity"),
    ]
    assert "Write DEU." in str(caught.value)

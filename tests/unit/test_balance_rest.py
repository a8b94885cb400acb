"""The rest of a world total is shared by the residual and the makers inside it; inferred outputs are estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.reconcile import balance_flows, conflicts, moved

P = "magnesium.refined"
GOODS = pd.DataFrame(
    [{"product": P, "name": "Magnesium", "commodity": "magnesium", "chain": "magnesium", "stage": "metal", "unit": "t", "basis": "gross",
          "period": "year"}]
)  # fmt: skip
HEADING = pd.DataFrame([{"hs6": "810411", "product": P, "factor": 1.0}])


def made(*rows: tuple[str, float, str | None]) -> pd.DataFrame:
    columns = ["country", "quantity", "missing"]
    return pd.DataFrame(rows, columns=columns).assign(product=P, year=2024, grade="assumption")


def sold(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["origin", "destination", "quantity"]).assign(
        hs6="810411", year=2024, grade="assumption"
    )


def graph(production: pd.DataFrame, trade: pd.DataFrame, **kw: Any) -> Any:
    return sr.assemble(products=GOODS, production=production, trade=trade, concordance=HEADING, **kw)


def sent(g: Any, *places: str) -> float:
    of = g.links[g.links["supplier"].isin([f"{P}@{c}" for c in places])]
    return float(of["quantity"].sum())


def test_the_rest_and_those_inside_it_send_what_the_total_leaves() -> None:
    # 100 in the world, 60 of it listed; Chile makes an unknown part of the other 40 and is seen to send 10.
    g = graph(
        made(("CHN", 60.0, None), ("CHL", float("nan"), "not_available"), ("WLD", 100.0, None)),
        sold(("CHN", "DEU", 20.0), ("CHL", "DEU", 10.0), ("ROW", "DEU", 5.0)),
    )
    b = balance_flows(g)
    assert sent(b, "CHL", "ROW") == pytest.approx(40.0)
    assert sent(b, "CHN") == pytest.approx(60.0)
    assert not (b.balance()["account"] == "world").any()
    assert not (b.balance()["account"] == "output").any()
    again = balance_flows(b)
    assert again.links["quantity"].tolist() == pytest.approx(b.links["quantity"].tolist())
    assert moved(g, b).empty


def test_a_withheld_maker_of_unknown_output_is_inside_the_rest_too() -> None:
    g = graph(
        made(("CHN", 60.0, None), ("USA", float("nan"), "withheld"), ("WLD", 100.0, None)),
        sold(("CHN", "DEU", 20.0), ("ROW", "DEU", 35.0)),
    )
    links = pd.DataFrame(
        [
            {
                "supplier": f"{P}@USA",
                "buyer": f"{P}@WLD:demand",
                "product": P,
                "year": 2024,
                "method": "world_pool",
                "missing": "unknown",
            }
        ]
    )
    pool = {"node": f"{P}@WLD:demand", "product": P, "country": "WLD", "kind": "demand", "year": 2024}
    g = g.replace(
        "one more",
        nodes=pd.concat([g.table("nodes"), pd.DataFrame([pool])]),
        links=pd.concat([g.table("links"), links]),
    )
    b = balance_flows(g)
    assert sent(b, "USA", "ROW") == pytest.approx(40.0)
    assert b.nodes.set_index("node")["output"].isna()[f"{P}@USA"]  # withheld stays withheld


@pytest.mark.parametrize("mode", ["report", "raise"])
def test_what_was_inferred_of_an_output_is_no_fact_that_clashes(mode: Any) -> None:
    # What Chile is seen to send stands for its output; one of its flows has a value alone, and so weighs something more.
    trade = sold(("CHN", "DEU", 20.0), ("CHL", "DEU", 10.0), ("CHL", "FRA", float("nan")), ("CHL", "ITA", 2.0))
    trade["value"] = [40.0, 20.0, 8.0, 4.0]
    production = made(("CHN", 60.0, None), ("CHL", float("nan"), "not_available"), ("WLD", 100.0, None))
    g = graph(production, trade)
    assert conflicts(g).empty
    b = balance_flows(g, conflicts=mode)
    made_of = b.nodes.set_index("node")["output"]
    assert made_of[f"{P}@CHL"] == pytest.approx(sent(b, "CHL"))
    assert made_of[f"{P}@CHL"] + made_of[f"{P}@ROW"] == pytest.approx(40.0)
    assert b.tables["gaps"].empty


def test_those_inside_who_send_more_than_the_total_leaves_are_named() -> None:
    g = graph(
        made(("CHN", 60.0, None), ("CHL", float("nan"), "not_available"), ("WLD", 70.0, None)),
        sold(("CHN", "DEU", 20.0), ("CHL", "DEU", 30.0)),
    )
    b = balance_flows(g)
    told = b.tables["gaps"].set_index("what")["note"]["world total"]
    assert "world total of magnesium.refined = 70" in told
    assert "what is sent of magnesium.refined@CHL = 30" in told
    with pytest.raises(sr.errors.SchemaError, match="more than the world total of 70"):
        balance_flows(g, conflicts="raise")


def test_real_trade_beside_one_world_total_balances(published: Path) -> None:
    p = "ndfeb.magnet"
    b = sr.sources.baci(published / "baci" / "BACI_HS17_Y2024_V202601_crm30.csv.gz", products=[p])
    from supplyrisk.sources.commodities import product_rows

    production = made(("CHN", 200000.0, None), ("JPN", 20000.0, None), ("WLD", 240000.0, None)).assign(product=p)
    g = sr.assemble(
        products=product_rows([p]),
        production=production,
        trade=b.inputs["trade"],
        concordance=b.inputs["concordance"],
        tables={"sources": b.tables["sources"]},
        balanced=True,
        conflicts="raise",
    )
    rest = g.nodes[g.nodes["inside"].notna() | (g.nodes["country"] == "ROW")]
    sends = g.links[g.links["supplier"].isin(rest["node"])]["quantity"].sum()
    assert sends == pytest.approx(20000.0)
    assert not (g.balance()["account"] == "world").any()


def test_draws_spread_what_a_maker_inside_the_rest_makes() -> None:
    g = graph(
        made(("CHN", 60.0, None), ("USA", float("nan"), "withheld"), ("WLD", 100.0, None)), sold(("CHN", "DEU", 20.0))
    )
    draws = balance_flows(g, ensemble=12, seed=3)
    of = pd.Series([sent(d, "USA") for d in draws])
    assert of.max() - of.min() > 5.0
    assert of.between(0.0, 40.0).all()
    for d in draws:
        assert sent(d, "USA", "ROW") == pytest.approx(40.0)
        assert sent(d, "CHN") == pytest.approx(60.0)


def test_figures_that_leave_one_solution_are_no_conflict() -> None:
    # 150 in the world, all of them made in the USA, which sends 50 and uses 100: nothing is left for anybody else.
    use = pd.DataFrame([{"product": P, "country": "USA", "year": 2024, "quantity": 100.0, "grade": "assumption"}])
    made_by = made(("USA", float("nan"), "not_available"), ("WLD", 150.0, None))
    g = graph(made_by, sold(("USA", "JPN", 50.0)), demand=use)
    b = balance_flows(g, conflicts="raise")
    flows = b.links.set_index(["supplier", "buyer"])["quantity"]
    assert flows[f"{P}@USA", f"{P}@USA:demand"] == pytest.approx(100.0, rel=1e-4)
    assert sent(b, "ROW") == pytest.approx(0.0, abs=0.02)
    assert not len(conflicts(g))


@pytest.mark.realdata
def test_short_of_relaxing_no_figure_moves_by_more_than_the_tolerance(published: Path) -> None:
    trade = sr.sources.baci(published / "baci" / "BACI_HS17_Y2024_V202601_crm30.csv.gz", products=["palladium.metal"])
    g = sr.sources.together(trade)
    for tolerance in (0.02, 1e-6):
        shifted = moved(g, balance_flows(g, tolerance=tolerance))
        shifted = shifted[shifted["what"] == "quantity"]
        assert (shifted["relative"].abs() <= tolerance * 1.001 + 1e-9).all()

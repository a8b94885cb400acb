"""Diversification that was a detour, and capacity that moved and kept its owner: figures of flags must not be believed."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr

PRODUCT = {
    "name": "a material",
    "commodity": "c",
    "chain": "c",
    "stage": "refine",
    "unit": "t",
    "basis": "contained",
    "period": "year",
}
SOURCES = pd.DataFrame(
    [{"source": "s", "title": "printed", "year": 2012, "licence": "facts", "licence_class": "facts"}]
)


def assembled(product: str, production: list, trade: list, year: int, balanced: bool = False):
    """Graph of one product from production (country, quantity) and trade (exporter, importer, quantity)."""
    common = {"product": product, "year": year, "source": "s", "grade": "B"}
    return sr.assemble(
        products=pd.DataFrame([{"product": product, **PRODUCT}]),
        production=pd.DataFrame([{**common, "country": c, "quantity": q} for c, q in production]),
        trade=pd.DataFrame(
            [{**common, "hs6": "280530", "origin": a, "destination": b, "quantity": q} for a, b, q in trade]
        ).drop(columns="product"),
        concordance=pd.DataFrame([{"hs6": "280530", "product": product, "factor": 1.0}]),
        tables={"sources": SOURCES},
        balanced=balanced,
    )


def of(graph, buyer: str, view: str, column: str = "focal_share") -> float:
    scores = sr.score(graph, focal="CHN", view=view, by=["product", "buyer"], bounds=True).reset_index()
    row = scores[scores["buyer"] == buyer]
    return float(row[column].iloc[0])


@pytest.mark.parametrize("balanced", [False, True])
def test_japan_after_2010_bought_chinese_rare_earths_from_france(balanced):
    # Wharton (2012): the direct share of China fell from over 80 to under 60 %, 17 % came through France and was largely
    # Chinese, more through Viet Nam and Estonia. Levels are percent of what Japan imports.
    world = [("CHN", 1000.0), ("AUS", 30.0), ("USA", 30.0)]
    before = assembled("rare_earths", world, [("CHN", "JPN", 82.0), ("AUS", "JPN", 9.0), ("USA", "JPN", 9.0)], 2010)
    after = assembled(
        "rare_earths",
        world,
        [
            ("CHN", "JPN", 59.0), ("CHN", "FRA", 30.0), ("FRA", "JPN", 17.0), ("CHN", "VNM", 12.0),
            ("VNM", "JPN", 6.0), ("AUS", "JPN", 9.0), ("USA", "JPN", 9.0),
        ],
        2012, balanced,
    )  # fmt: skip
    assert of(before, "JPN", "location") == pytest.approx(0.82)
    assert of(after, "JPN", "location") == pytest.approx(0.59)
    assert of(before, "JPN", "origin") == pytest.approx(0.82)
    assert of(after, "JPN", "origin") == pytest.approx(0.82)


@pytest.mark.parametrize("balanced", [False, True])
def test_antimony_oxide_through_thailand_and_mexico_is_no_new_supply(balanced):
    # Reuters (July 2025): 3,834 t in five months from two countries that hardly make any, after the ban on the USA.
    made = [("CHN", 80_000.0), ("BEL", 10_000.0)]
    before = assembled("antimony_oxide", made, [("CHN", "USA", 3_000.0), ("BEL", "USA", 1_500.0)], 2024)
    after = assembled(
        "antimony_oxide",
        made,
        [("CHN", "THA", 3_400.0), ("CHN", "MEX", 600.0), ("THA", "USA", 3_300.0), ("MEX", "USA", 534.0), ("BEL", "USA", 1_500.0)],
        2025, balanced,
    )  # fmt: skip
    assert of(after, "USA", "location") == pytest.approx(0.0)
    assert of(after, "USA", "origin") == pytest.approx(3_834 / 5_334)
    assert of(after, "USA", "origin") >= of(before, "USA", "origin")


def moved(quantities: dict[str, float]):
    """Nickel of one owner, made in the countries given."""
    product = "nickel.refined"
    nodes = [
        {"node": f"{product}@{c}", "product": product, "country": c, "kind": "producer", "output": q, "year": 2024, "source": "s", "grade": "B"}
        for c, q in quantities.items()
    ]  # fmt: skip
    pool = f"{product}@WLD:demand"
    nodes.append({"node": pool, "product": product, "country": "WLD", "kind": "demand", "year": 2024, "source": "s"})
    held = {c for c in quantities if c in ("CHN", "IDN")}
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame([{"product": product, **PRODUCT}]),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(
            [
                {"supplier": f"{product}@{c}", "buyer": pool, "product": product, "quantity": q, "method": "observed", "year": 2024, "source": "s", "grade": "B"}
                for c, q in quantities.items()
            ]
        ),
        holdings=pd.DataFrame(
            [
                {"asset": f"{product}@{c}", "holder": "Tsingshan" if c in held else f"{c} smelter", "holder_country": "CHN" if c in held else c,
                 "type": "majority", "share": 1.0, "year": 2024, "source": "s", "grade": "B"}
                for c in quantities
            ]
        ),
        sources=SOURCES,
    )  # fmt: skip


def test_a_plant_that_moves_abroad_with_its_owner_changes_no_control():
    at_home, abroad = moved({"CHN": 80.0, "RUS": 20.0}), moved({"CHN": 30.0, "IDN": 50.0, "RUS": 20.0})
    view = {
        (name, v): sr.score(g, focal="CHN", view=v, by="product").iloc[0]
        for name, g in (("home", at_home), ("abroad", abroad))
        for v in ("location", "equity", "control")
    }
    assert view["abroad", "location"]["hhi"] < view["home", "location"]["hhi"]
    assert view["abroad", "location"]["focal_share"] == pytest.approx(0.3)
    for v in ("equity", "control"):
        assert view["abroad", v]["focal_share"] == pytest.approx(view["home", v]["focal_share"]) == pytest.approx(0.8)

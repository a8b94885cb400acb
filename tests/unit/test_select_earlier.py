"""What earlier releases said is selected with the rest."""

from __future__ import annotations

from typing import Any

import pandas as pd

import supplyrisk as sr
from supplyrisk.schema import TABLES

P = "cobalt.mine"


def releases() -> Any:
    """Two places of which a later release revised the figures, with a flow of each."""
    goods = [
        {"product": p, "name": p, "commodity": "cobalt", "chain": "cobalt", "stage": "mine", "unit": "t",
         "basis": "contained", "period": "year"} for p in (P, "nickel.mine")
    ]  # fmt: skip
    places = ("COD", "CHL")

    def rows(published: str, factor: float) -> dict[str, pd.DataFrame]:
        common = {"year": 2024, "published_on": published}
        nodes = [
            {"node": f"{p}@{c}", "product": p, "country": c, "kind": "producer", "output": factor,
             "output_grade": "assumption", **common} for p in (P, "nickel.mine") for c in places
        ]  # fmt: skip
        nodes += [{"node": f"{P}@{c}:demand", "product": P, "country": c, "kind": "demand", **common} for c in places]
        links = [
            {"supplier": f"{P}@{c}", "buyer": f"{P}@{d}:demand", "product": P, "method": "observed", "quantity": factor,
             "grade": "assumption", **common} for c in places for d in places
        ]  # fmt: skip
        return {"nodes": pd.DataFrame(nodes), "links": pd.DataFrame(links)}

    new, old = rows("2026-01-31", 40.0), rows("2025-01-31", 60.0)
    g = sr.SupplyGraph.from_tables(products=pd.DataFrame(goods), **new)
    before = sr.SupplyGraph.from_tables(products=pd.DataFrame(goods), **old)
    return g._with(dict(g.tables), "beneath", beneath={f"earlier:{n}": before.tables[n] for n in ("nodes", "links")})


def test_a_country_is_selected_of_earlier_releases_too() -> None:
    g = releases()
    one = g.select(country="CHL")
    assert set(one.beneath["earlier:nodes"]["country"]) == {"CHL"}
    assert set(one.beneath["earlier:links"]["supplier"]) == {f"{P}@CHL"}
    day = one.at("2025-06")
    assert set(day.nodes["country"]) == {"CHL"}
    assert day.links["quantity"].tolist() == [60.0]
    assert not len(day.validate())


def test_a_product_and_a_year_are_selected_of_earlier_releases_too() -> None:
    g = releases()
    assert set(g.select(product="nickel.mine").beneath["earlier:nodes"]["product"]) == {"nickel.mine"}
    assert "earlier:links" not in g.select(product="nickel.mine").beneath
    assert not [n for n in g.select(year=2023).beneath if n.startswith("earlier:")]
    assert set(g.select(product=P).at("2025-06").nodes["product"]) == {P}
    assert set(TABLES) >= {n.removeprefix("earlier:") for n in g.beneath}

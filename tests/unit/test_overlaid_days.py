"""Days on which a row of an overlay does not hold yet, and on which a release is out for some producers only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.graph import SupplyGraph

X, BUYER = "x.refined", "x.refined@USA:demand"


def product(name: str = X) -> pd.DataFrame:
    row = {"product": name, "name": "X", "commodity": "x", "chain": "x", "stage": "refine", "unit": "t"}
    return pd.DataFrame([row | {"basis": "contained", "period": "year"}])


def market() -> SupplyGraph:
    fact = {"year": 2024, "published_on": "2025-01-31"}
    nodes = [
        {"node": f"{X}@{c}", "country": c, "kind": "producer", "output": q} for c, q in (("CHN", 60.0), ("JPN", 40.0))
    ]
    nodes.append({"node": BUYER, "country": "USA", "kind": "demand", "output": np.nan})
    links = [{"supplier": f"{X}@{c}", "buyer": BUYER, "quantity": q} for c, q in (("CHN", 50.0), ("JPN", 20.0))]
    return SupplyGraph.from_tables(
        products=product(),
        nodes=pd.DataFrame(nodes).assign(product=X, output_source="s", output_grade="A", **fact),
        links=pd.DataFrame(links).assign(product=X, method="observed", source="s", grade="A", **fact),
        sources=pd.DataFrame([{"source": "s", "title": "S", "licence": "CC0", "licence_class": "cc0"}]),
    )  # fmt: skip


def share(graph: SupplyGraph) -> float:
    return sr.score(graph, by=["product", "buyer"], metrics=["focal_share"])["focal_share"].item()


@pytest.mark.parametrize(
    "when",
    [
        {"published_on": "2026-03-01"},
        {"valid_from": "2026-01-01", "published_on": "2025-01-31"},
        {"valid_to": "2025-03-01", "published_on": "2025-01-31"},
    ],
    ids=["published later", "valid later", "valid earlier"],
)
def test_a_row_of_an_overlay_that_is_not_of_the_day_covers_no_public_row(when) -> None:
    row = {"supplier": f"{X}@CHN", "buyer": BUYER, "product": X, "year": 2024, "method": "observed", "quantity": 5.0}
    own = pd.DataFrame([row | {"source": "acme", "grade": "A"} | when])
    source = {"source": "acme", "title": "A", "licence": "private", "licence_class": "private"}
    over = market().overlay({"links": own, "sources": pd.DataFrame([source])}, name="acme")
    day = over.at("2025-06-30")
    assert share(day) == pytest.approx(share(market().at("2025-06-30"))) == pytest.approx(5 / 7)
    assert set(day.links["origin_tag"]) == {"public"}
    if "valid_to" not in when:
        assert share(over.at("2026-06-30")) == pytest.approx(5 / 25)
    else:
        assert share(over.at("2025-02-15")) == pytest.approx(5 / 25)


def test_who_is_not_out_yet_in_a_year_begun_is_missing_in_it() -> None:
    rows = [("KOR", 2023, 30.0, "2024-02"), ("CHN", 2023, 60.0, "2024-02"), ("KOR", 2024, 33.0, "2025-02"),
            ("CHN", 2024, 70.0, "2026-02")]  # fmt: skip
    nodes = pd.DataFrame(rows, columns=["country", "year", "output", "published_on"])
    nodes = nodes.assign(
        node=X + "@" + nodes["country"], product=X, kind="producer", output_source="s", output_grade="A"
    )
    source = {"source": "s", "title": "S", "licence": "CC0", "licence_class": "cc0", "lists": "complete"}
    g = SupplyGraph.from_tables(products=product(), nodes=nodes, sources=pd.DataFrame([source]))
    found = {}
    for day in ("2024-06-30", "2025-06-30", "2026-06-30"):
        found[day] = sr.score(g.at(day), by="product", bounds=True, metrics=["focal_share"]).iloc[0]
    assert found["2024-06-30"]["focal_share"] == pytest.approx(60 / 90)
    between = found["2025-06-30"]
    assert np.isnan(between["focal_share"])  # missing is not zero: China makes it, how much is not known on the day
    assert between["focal_share_low"] <= 60 / 93 <= between["focal_share_high"]
    assert found["2026-06-30"]["focal_share"] == pytest.approx(70 / 103)

"""A coalition of the graph may be the focal, with the members of the day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from supplyrisk.control import effective_control, focal_share
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.exposure import exposure
from supplyrisk.graph import SupplyGraph
from supplyrisk.jurisdictions import scope
from supplyrisk.metrics import score


@pytest.fixture(scope="module")
def graph() -> SupplyGraph:
    made = {"CHN": 40.0, "JPN": 20.0, "FRA": 15.0, "USA": 25.0}
    nodes = [
        {
            "node": f"ga@{c}",
            "product": "ga",
            "country": c,
            "kind": "producer",
            "year": 2020,
            "output": q,
            "output_grade": "assumption",
        }
        for c, q in made.items()
    ]
    rolls = [
        {"coalition": "CLUB", "country": "JPN", "role": "member", "valid_from": "2015", "valid_to": "2023"},
        {"coalition": "CLUB", "country": "USA", "role": "member", "valid_from": "2019", "valid_to": "2023"},
        {"coalition": "WIDE", "country": "EUE", "role": "member", "valid_from": "2015"},
        {"coalition": "EU27", "country": "FRA", "role": "member", "valid_from": "1958"},
        {"coalition": "EU27", "country": "DEU", "role": "member", "valid_from": "1958"},
    ]
    return SupplyGraph.from_tables(
        products=pd.DataFrame(
            [
                {
                    "product": "ga",
                    "name": "G",
                    "commodity": "g",
                    "chain": "g",
                    "stage": "refine",
                    "unit": "t",
                    "basis": "contained",
                    "period": "year",
                }
            ]
        ),
        nodes=pd.DataFrame(nodes),
        memberships=pd.DataFrame(rolls).assign(grade="assumption"),
    )


def test_the_focal_may_be_a_coalition_of_the_graph(graph: SupplyGraph) -> None:
    s = score(graph, focal="CLUB", by="product", metrics=["focal_share"])
    assert s.index[0][0] == s.attrs["focal"] == "CLUB"
    assert s.attrs["places"] == ["JPN", "USA"]
    assert s["focal_share"].item() == pytest.approx(0.45)
    named = score(graph, focal=("JPN", "USA"), by="product", metrics=["focal_share"])
    np.testing.assert_array_equal(s.to_numpy(), named.to_numpy())
    at = {n: i for i, n in enumerate(graph.index.nodes["node"])}
    assert focal_share(graph, "CLUB")[0][[at["ga@JPN"], at["ga@CHN"]]].tolist() == [1, 0]
    assert effective_control(graph, "CLUB").attrs["focal"] == exposure(graph, "CLUB").attrs["focal"] == ("JPN", "USA")


def test_members_are_those_of_the_day(graph: SupplyGraph) -> None:
    assert scope("CLUB", graph) == ("JPN", "USA")  # on its last day
    assert scope("CLUB", graph, "2016") == ("JPN",)
    assert scope("CLUB", graph.at("2016", known_on="latest")) == ("JPN",)
    assert score(graph, focal="CLUB", by="product", at="2022", metrics=["hhi"]).attrs["places"] == ["JPN", "USA"]
    with pytest.raises(SchemaError, match=r"without a member on 2024.*last JPN, USA"):
        score(graph, focal="CLUB", by="product", at="2024")


def test_the_union_stands_with_its_members(graph: SupplyGraph) -> None:
    assert scope("WIDE", graph) == ("DEU", "EUE", "FRA") == scope("EU27", graph)
    assert scope(["CLUB", "CHN"], graph) == ("CHN", "JPN", "USA")
    assert score(graph, focal="WIDE", by="product", metrics=["focal_share"])["focal_share"].item() == pytest.approx(
        0.15
    )


def test_a_name_that_is_neither_has_close_matches_of_both(graph: SupplyGraph) -> None:
    with pytest.raises(UnknownNameError, match=r"coalition 'CLUP'.*'CLUB'"):
        score(graph, focal="CLUP", by="product")
    with pytest.raises(UnknownNameError, match=r"coalition 'China'.*mean 'CHN'\?"):
        score(graph, focal="China", by="product")
    with pytest.raises(UnknownNameError, match=r"coalition 'Germany'.*mean 'DEU'\?"):
        score(graph, focal="Germany", by="product")
    with pytest.raises(UnknownNameError, match="country 'CLUB'"):
        scope("CLUB")

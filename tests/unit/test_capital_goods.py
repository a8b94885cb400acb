"""Tools are capital: a fab that has them runs on when no more come; the loss shows in the high bound."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr
from tests.graphs import SOURCE


def fab(stage: str) -> sr.SupplyGraph:
    products = pd.DataFrame(
        [
            {
                "product": "in.put",
                "name": "Input",
                "commodity": "in",
                "chain": "x",
                "stage": stage,
                "unit": "t",
                "basis": "gross",
                "period": "year",
            },
            {
                "product": "out.put",
                "name": "Output",
                "commodity": "out",
                "chain": "x",
                "stage": "front_end",
                "unit": "t",
                "basis": "gross",
                "period": "year",
            },
        ]
    )
    fact = {"year": 2024, "source": "made", "grade": "A"}
    nodes = pd.DataFrame(
        [
            {"node": "in.put@CHN", "product": "in.put", "country": "CHN", "kind": "producer", "output": 10.0, **fact},
            {"node": "in.put@JPN:demand", "product": "in.put", "country": "JPN", "kind": "demand", **fact},
            {"node": "out.put@JPN", "product": "out.put", "country": "JPN", "kind": "producer", "output": 5.0, **fact},
            {"node": "out.put@JPN:demand", "product": "out.put", "country": "JPN", "kind": "demand", **fact},
        ]
    )
    links = pd.DataFrame(
        [
            {"supplier": "in.put@CHN", "buyer": "in.put@JPN:demand", "product": "in.put", "quantity": 10.0},
            {"supplier": "in.put@JPN:demand", "buyer": "out.put@JPN", "product": "in.put", "quantity": 10.0},
            {"supplier": "out.put@JPN", "buyer": "out.put@JPN:demand", "product": "out.put", "quantity": 5.0},
        ]
    ).assign(method="observed", **fact)
    recipes = pd.DataFrame(
        [
            {
                "product": "out.put",
                "input": "in.put",
                "process": "main",
                "input_class": "essential",
                "coefficient": 2.0,
                **fact,
            }
        ]
    )
    demand = pd.DataFrame([{"node": "out.put@JPN:demand", "use": "total", "quantity": 5.0, **fact}])
    return sr.SupplyGraph.from_tables(
        products=products, nodes=nodes, links=links, recipes=recipes, demand=demand, sources=SOURCE
    )


@pytest.mark.parametrize(("stage", "value"), [("chemical", 1.0), ("equipment", 0.0), ("design", 0.0)])
def test_a_ban_on_tools_stops_no_running_fab(stage, value):
    hit = sr.simulate(fab(stage), [sr.export_ban("CHN", product="in.put", to="JPN")]).unmet.set_index("node")
    assert hit.loc["out.put@JPN:demand", "unmet_share"] == pytest.approx(value)
    assert hit.loc["out.put@JPN:demand", "high"] == pytest.approx(1.0)
    assert hit.loc["in.put@JPN:demand", "unmet_share"] == pytest.approx(1.0)

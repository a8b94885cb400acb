"""Why nothing is feasible: the clash itself, with the data behind it, and what would have to give."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand, project

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.portfolio import max_share, optimize, resource


def clash(levers: Any, constraints: Any, graph: Any = None) -> str:
    with pytest.raises(InfeasibleError) as err:
        optimize(graph or hand(), BUYERS, product=P, levers=levers, constraints=constraints)
    return str(err.value)


def test_the_least_take_of_a_contract_is_named() -> None:
    levers = [resource(redirect=0.0), sp.contract(min_take=0.9, redirect=0.9)]
    text = clash(levers, max_share("CHN", 0.3))
    assert "contract(min_take=0.9, redirect=0.9): a contract with gallium.refined@CAN takes at least 135" in text
    assert "would have to be content with 50.40% of the need" in text
    # What is said to help does.
    less = [resource(redirect=0.0), sp.contract(min_take=0.5039, redirect=0.9)]
    assert optimize(hand(), BUYERS, product=P, levers=less, constraints=max_share("CHN", 0.3)).status == "optimal"


def test_rows_that_play_no_part_are_not_named() -> None:
    text = clash([resource()], [max_share("CHN", 0.5), sp.no_decoupling("CHN", 0.6), sp.max_supplier_share(0.9)])
    assert "no_decoupling" in text
    for other in ("need of", "max_supplier_share", "can deliver"):
        assert other not in text
    text = clash([resource(), sp.stockpile(10.0)], sp.min_stock_days(60.0))
    assert "lever stockpile: at most" in text
    assert "need of" not in text


def test_supply_is_told_with_its_source_and_grade() -> None:
    nodes = hand().tables["nodes"].copy()
    nodes["output_source"] = nodes["output_source"].astype(object)
    nodes["output_grade"] = nodes["output_grade"].astype(object)
    hit = nodes["node"] == f"{P}@CAN"
    nodes.loc[hit, ["output_grade", "output_source"]] = ["B", "mcs"]
    one = {"source": "mcs", "title": "Mineral Commodity Summaries, USGS", "licence": "public domain"}
    sources = pd.DataFrame([one | {"licence_class": "public_domain"}])
    text = clash([resource()], max_share("CHN", 0.3), hand().replace(nodes=nodes, sources=sources))
    assert "outbid 16.8) [output 2024: mcs, grade B]" in text
    assert "[output 2024: no source on record, assumption]" in text


def test_a_project_is_told_with_its_own_source_and_grade() -> None:
    one = {"source": "mcs", "title": "Mineral Commodity Summaries, USGS", "licence": "public domain"}
    rows = [
        project("Alpha", "AUS", 4.0, 160_000.0, source="mcs", grade="B"),
        project("Beta", "USA", 5.0, 50_000.0, start=None),
    ]
    graph = hand(
        projects=pd.DataFrame(rows), sources=pd.DataFrame([one | {"licence_class": "public_domain"}])
    )  # fmt: skip
    text = clash([resource(), sp.build()], max_share("CHN", 0.1), graph)
    assert "once built [project, first output 2028: mcs, grade B]" in text
    assert "once built [project, no start on record: no source on record, assumption]" in text

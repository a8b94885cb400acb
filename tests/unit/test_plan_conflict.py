"""Why nothing is feasible: the clash itself, with the data behind it, and what would have to give."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from test_plan_oracle import random_graph
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


def _listed(text: str, specs: list[Any]) -> list[Any]:
    clashing = text.partition("These clash:")[2].partition("supply behind")[0].partition(" if:")[0]
    return [s for s in specs if repr(s) in clashing]


@pytest.mark.parametrize(
    ("seed", "redirect", "specs", "levers"),
    [
        (575, 0.002, [max_share("CHN", 0.384, view="control"), sp.max_supplier_share(0.185),
                      max_share("CHN", 0.416, view="control", buyer="each")], []),
        (554, 0.011, [sp.n_minus_1(0.784), sp.max_hhi(0.343), sp.no_decoupling("CHN", 0.671)], []),
        (274, 0.028, [max_share("CHN", 0.241, view="control", buyer="each"),
                      sp.no_decoupling("CHN", 0.947, view="control"), sp.budget(13258.79, of="cost")], [sp.build()]),
        (381, 0.03, [sp.max_hhi(0.209), sp.no_decoupling("CHN", 0.88), sp.budget(1768.052, of="cost")],
         [sp.substitute(part=0.1)]),
    ],
)  # fmt: skip
def test_every_constraint_that_is_named_is_needed_for_the_clash(
    seed: int, redirect: float, specs: list[Any], levers: list[Any]
) -> None:
    graph = random_graph(seed, products=(P,), projects=0 if not levers or levers[0].name != "build" else 2)
    given = [resource(redirect=redirect), *levers]
    named = _listed(clash(given, specs, graph), specs)
    assert named
    clash(given, named, graph)
    for out in named:
        rest = [s for s in named if s is not out]
        assert optimize(graph, BUYERS, product=P, levers=given, constraints=rest).status == "optimal"


def test_a_constraint_is_told_the_one_number_that_it_needs() -> None:
    graph = random_graph(575, products=(P,), projects=0)
    levers = [resource(redirect=0.002)]
    ways = clash(levers, sp.max_supplier_share(0.185), graph).partition("feasible if:")[2]
    assert ways.count("would have to allow") == 1
    number = float(re.findall(r"at least ([\d.]+)%", ways)[0]) / 100.0
    done = optimize(graph, BUYERS, product=P, levers=levers, constraints=sp.max_supplier_share(number))
    assert done.status == "optimal"
    clash(levers, sp.max_supplier_share(number - 0.001), graph)


def test_one_number_over_all_years() -> None:
    def asked(cap: float) -> Any:
        return optimize(
            hand(), BUYERS, product=P, levers=resource(), constraints=max_share("CHN", cap),
            horizon=(2026, 2028), needs={P: {2026: 1.0, 2027: 1.02, 2028: 0.97}},
        )  # fmt: skip

    with pytest.raises(InfeasibleError) as err:
        asked(0.05)
    ways = str(err.value).partition("feasible if:")[2].strip().splitlines()
    assert len(ways) == 1
    assert ways[0].startswith("- max_share('CHN', 0.05) would have to allow at least ")
    number = float(re.findall(r"at least ([\d.]+)%", ways[0])[0]) / 100.0
    assert asked(number).status == "optimal"
    with pytest.raises(InfeasibleError):
        asked(number - 0.001)


def test_what_suppliers_could_deliver_without_one_is_told_as_a_part_of_the_need() -> None:
    def asked(kappa: float) -> Any:
        limit = sp.n_minus_1(kappa, of="supply")
        return optimize(hand(), BUYERS, product=P, levers=resource(redirect=0.0), constraints=limit)

    with pytest.raises(InfeasibleError) as err:
        asked(0.99)
    number = float(re.findall(r"content with ([\d.]+)% without CHN", str(err.value))[0]) / 100.0
    assert number > 0.0
    assert asked(number).status == "optimal"
    with pytest.raises(InfeasibleError):
        asked(number + 0.001)


def test_too_few_suppliers_are_listed_and_plants_say_how_they_ramp_up() -> None:
    text = clash(resource(), sp.min_suppliers(9))
    assert "supply behind them" in text
    assert "@CAN can deliver at most" in text
    graph = hand(projects=pd.DataFrame([project("Alpha", "AUS", 4.0, 160_000.0)]))
    with pytest.raises(InfeasibleError, match=r"once built \(50%, 100% of it in its first periods\)"):
        optimize(
            graph,
            BUYERS,
            product=P,
            levers=[resource(), sp.build()],
            constraints=max_share("CHN", 0.01),
            horizon=(2026, 2035),
            ramp=(0.5, 1.0),
        )

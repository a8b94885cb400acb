"""Money of several years: each capital cost is told in its own, what is added up says so, an index converts it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand, project

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.errors import SchemaError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import max_share, optimize, resource

INDEX = {2012: 80.0, 2021: 92.0, 2024: 100.0}


def old(*years: int | None) -> SupplyGraph:
    rows = [
        project(name, place, 40.0, 160_000.0 + 1000.0 * i, capex_year=year, start=2026)
        for i, (name, place, year) in enumerate(zip(("Alpha", "Beta"), ("AUS", "CAN"), years, strict=False))
    ]
    return hand(projects=pd.DataFrame(rows))


def plan_of(graph: SupplyGraph, **more: object) -> sp.Portfolio:
    options = {"product": P, "constraints": max_share("CHN", 0.3), "levers": [resource(), sp.build()]} | more
    return optimize(graph, BUYERS, **options)


def test_a_capital_cost_is_told_in_money_of_its_own_year() -> None:
    plan = plan_of(old(2012, 2021))
    built = set(plan.plants["project"])
    assert built
    own = {"Alpha": 2012, "Beta": 2021}
    assert plan.plants.set_index("project")["capex_year"].to_dict() == {p: own[p] for p in built}
    text = plan.summary()
    for p in built:
        (line,) = [x for x in text.splitlines() if x.startswith(f"build {p}")]
        assert f"USD of {own[p]}" in line
    assert "USD of 2012-2024 (not deflated) a year" in repr(plan)
    (note,) = [n for n in plan.notes if "different years" in n]
    assert "prices of 2024" in note
    assert "2012 (1), 2021 (1)" in note
    page = plan._repr_html_()
    for words in ("USD of 2012-2024 (not deflated) a year", "capex_year", "2012"):
        assert words in page


def test_one_year_is_told_as_one_and_none_is_counted() -> None:
    plan = plan_of(old(2024, 2024))
    assert "USD of 2024 a year" in repr(plan)
    assert not any("different years" in n for n in plan.notes)
    unknown = plan_of(old(2024, None))
    assert any("1 projects has no year on record" in n.replace("have", "has") for n in unknown.notes)
    none = plan_of(old(2012, 2021), levers=[resource()], constraints=max_share("CHN", 0.5))
    assert "USD of 2024 a year" in repr(none)


def test_an_index_converts_to_one_year() -> None:
    graph = old(2012, 2021)
    one = sp.in_prices_of(graph, 2024, deflator=INDEX)
    capex = one.tables["projects"].set_index("project")["capex"]
    assert capex["Alpha"] == pytest.approx(160_000.0 * 100 / 80)
    assert capex["Beta"] == pytest.approx(161_000.0 * 100 / 92)
    plan, before = plan_of(one), plan_of(graph)
    assert "USD of 2024 a year" in repr(plan)
    assert plan.objective_value > before.objective_value
    again = plan_of(sp.in_prices_of(graph, 2012, deflator=INDEX))
    assert "USD of 2012 a year" in repr(again)
    assert again.objective_value == pytest.approx(plan.objective_value * 0.8)
    with pytest.raises(SchemaError, match=r"2021(.|\n)*1 capex of projects"):
        sp.in_prices_of(graph, 2024, deflator={2012: 80.0, 2024: 100.0})
    with pytest.raises(SchemaError, match="not a number above 0"):
        sp.in_prices_of(graph, 2024, deflator=INDEX | {2012: np.nan})


def test_every_table_of_money_says_its_year() -> None:
    ban = sr.export_ban("CHN", product=P, to=["JPN", "USA"])
    plan = plan_of(
        hand(),
        levers=[resource(), sp.stockpile(60.0), sp.substitute(part=0.2, price=1.2)],
        constraints=max_share("CHN", 0.45),
        scenarios={"calm": (0.8, []), "ban": (0.2, [ban])},
        objective=sp.cost() + sp.cvar(0.9),
    )
    assert plan.risk.name == "USD of 2024 a year"
    money = plan.terms.loc[plan.terms["unit"].str.contains("USD"), "unit"]
    assert len(money)
    assert money.str.contains("USD of 2024").all()
    assert "Risk, USD of 2024 a year" in plan._repr_html_()


def test_a_lever_without_data_leaves_a_gap() -> None:
    plan = plan_of(hand(projects=hand().tables["projects"].iloc[:0]), constraints=max_share("CHN", 0.5))
    assert "lever build" in set(plan.gaps["what"])
    assert P in set(plan.gaps.loc[plan.gaps["what"] == "lever build", "product"])


def test_answers_say_the_year_of_their_money_and_what_they_rest_on() -> None:
    plan = plan_of(hand(), levers=[resource()], constraints=max_share("CHN", 0.5))
    with pytest.warns(UserWarning, match="no figure has an interval"):
        firm = sp.stability(plan, samples=2)
    assert firm.drawn == 0
    for found in (firm, sp.alternatives(plan, k=2)):
        assert "objective, USD of 2024 a year" in found._repr_html_()


def test_probabilities_of_three_decimals_are_made_to_add_to_one() -> None:
    ban = sr.export_ban("CHN", product=P, to=["JPN", "USA"])
    three = {"a": (0.333, []), "b": (0.333, [ban]), "c": (0.333, [ban])}
    exact = {"a": (1 / 3, []), "b": (1 / 3, [ban]), "c": (1 / 3, [ban])}
    options = {"levers": [resource()], "objective": sp.cost() + sp.expected_loss()}
    plan = plan_of(hand(), constraints=max_share("CHN", 0.5), scenarios=three, **options)
    same = plan_of(hand(), constraints=max_share("CHN", 0.5), scenarios=exact, **options)
    assert plan.objective_value == pytest.approx(same.objective_value)
    assert any("add to 0.999 as written" in n for n in plan.notes)
    assert not any("as written" in n for n in same.notes)
    for off in ({"a": (0.33, []), "b": (0.66, [ban])}, {"a": (0.5, []), "b": (0.501, [ban])}):
        with pytest.raises(SchemaError, match=r"do not add to 1(.|\n)*divide each by their sum"):
            plan_of(hand(), constraints=max_share("CHN", 0.5), scenarios=off, **options)

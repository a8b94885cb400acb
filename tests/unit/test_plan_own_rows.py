"""A constraint of a user's own in ten lines: it binds, gives and is refused by name like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_portfolio import BUYERS, P, hand

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError
from supplyrisk.portfolio import optimize, resource


@pytest.fixture
def min_from() -> Iterator[Any]:
    @sr.constraint(reference="linear; example")
    def min_from(m: Any, partners: Any, part: float = 0.3) -> None:
        r"""At least a part of the need comes from partners: $\sum_{u \in P, b} x_{ub} \ge \mu \sum_b D_b$."""
        for product, _, _, pools in m.pick(None, None):
            lanes, point = m.lanes_of(pools), 100 / m.case.need[pools].sum()
            lanes = lanes[np.isin(m.country[m.supplier[lanes]], partners)]
            words = f"{m.spec!r}: at least {part:.0%} of {product} from {', '.join(partners)}"
            cost = "one point more from partners costs {:,.0f} USD a year"
            m.add_rows(
                "min_from", 1, 0 * lanes, lanes, point, lower=100 * part, keys=[product], say=words, say_dual=cost
            )

    yield min_from
    sr.registry.registries["constraint"].remove("min_from")


def test_it_binds_and_speaks(min_from: Any) -> None:
    plan = optimize(hand(), BUYERS, product=P, levers=resource(), constraints=min_from(("CAN",), 0.2))
    assert plan.binding == (f"min_from(('CAN',), 0.2): at least 20% of {P} from CAN",)
    assert plan.duals["meaning"].str.contains("one point more from partners costs").any()


def test_it_says_by_how_much_it_must_give(min_from: Any) -> None:
    with pytest.raises(InfeasibleError) as error:
        optimize(hand(), BUYERS, product=P, levers=resource(), constraints=min_from(("CAN",), 0.95))
    text = str(error.value)
    amount = float(text.split("would have to give by ")[1].split(",")[0])
    most = optimize(
        hand(), BUYERS, product=P, levers=resource(), constraints=min_from(("CAN",), 0.95 - (amount + 1e-3) / 100)
    )
    assert most.status == "optimal"
    with pytest.raises(InfeasibleError):
        optimize(
            hand(), BUYERS, product=P, levers=resource(), constraints=min_from(("CAN",), 0.95 - (amount - 0.1) / 100)
        )


@pytest.mark.parametrize(
    ("row", "col", "what"),
    [([3], [0], "row"), ([0], [99_999], "col"), ([0], [-1], "col"), ([0], [0.5], "col"), ([0, 0], [0], "row, col")],
)
def test_coordinates_that_are_none_are_refused(row: list[int], col: list[float], what: str) -> None:
    @sr.constraint(reference="linear; example")
    def astray(m: Any) -> None:
        """A row that stands nowhere."""
        m.add_rows("astray", 1, row, col, 1.0, lower=0.0)

    try:
        with pytest.raises(SchemaError) as error:
            optimize(hand(), BUYERS, product=P, levers=resource(), constraints=astray())
        assert [p.column for p in error.value.problems] == [what]
    finally:
        sr.registry.registries["constraint"].remove("astray")


def test_what_makers_deliver_more_in_a_later_year_is_new_output_and_stands_in_the_graph_of_the_year() -> None:
    graph = hand()
    grown = {P: {2026: 1.0, 2027: 3.0}}
    plan = optimize(graph, BUYERS, product=P, levers=resource(redirect=0.0), constraints=sp.max_share("CHN", 0.65), horizon=(2026, 2027),
                    supply=grown)  # fmt: skip
    nodes = plan.year(2027).graph.tables["nodes"].set_index("node")
    before = graph.tables["nodes"].set_index("node")
    told = before.index[(before["kind"] == "producer") & before["capacity"].notna()]
    assert len(told)
    assert (nodes.loc[told, "capacity"] / before.loc[told, "capacity"]).tolist() == pytest.approx([3.0] * len(told))
    sent = plan.year(2027).graph.links.groupby("supplier")["quantity"].sum()
    makers = sent.index.intersection(before.index[before["output"].notna()])
    assert (nodes.loc[makers, "output"] >= sent[makers] - 1e-6).all()


def test_alternatives_at_no_margin_are_found_with_an_hhi_too() -> None:
    plan = optimize(hand(), BUYERS, product=P, levers=resource(), constraints=sp.max_hhi(0.45))
    found = sp.alternatives(plan, 3, 0.0)
    assert all(p.objective_value <= plan.objective_value * (1 + 2e-6) for p in found.plans)


def test_what_would_have_to_give_is_looked_for_no_longer_than_the_time_limit(monkeypatch: Any) -> None:
    from supplyrisk.portfolio import run

    def at_once(m: Any, c: Any, seed: int, seconds: float | None) -> InfeasibleError:
        assert seconds == 60.0
        return named(m, c, seed, seconds=0.0)

    named = run.infeasible
    monkeypatch.setattr(run, "infeasible", at_once)
    with pytest.raises(InfeasibleError, match="the time limit ended the search"):
        optimize(hand(), BUYERS, product=P, levers=resource(), constraints=sp.max_share("CHN", 0.01), time_limit=60.0)


def test_a_plan_is_rolled_within_its_periods() -> None:
    plan = optimize(hand(), BUYERS, product=P, levers=resource(), horizon=(2026, 2027))
    with pytest.raises(SchemaError, match=r"now: after the plan \(got 2035\)"):
        sp.rolling(plan, hand(), now=2035)
    assert sp.rolling(plan, hand(), now=2026).plan.status == "optimal"
    one = optimize(hand(), BUYERS, product=P, levers=resource())
    with pytest.raises(SchemaError, match="of a plan of one year"):
        sp.rolling(one, hand(), now=2026)

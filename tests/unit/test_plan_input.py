"""Wrong input to a plan is refused in words; terms of an objective compose."""

from __future__ import annotations

from typing import Any

import pytest
from test_portfolio import BUYERS, P, hand

import supplyrisk.portfolio as sp
from supplyrisk.errors import SchemaError
from supplyrisk.portfolio import max_share, optimize, resource


@pytest.mark.parametrize(
    "wrong",
    [
        {"gap": -1},
        {"gap": float("nan")},
        {"time_limit": float("nan")},
        {"time_limit": -1},
        {"time_limit": "x"},
        {"seed": -5},
        {"seed": 1.5},
        {"scenarios": ["ban"]},
        {"scenarios": "ban"},
        {"scenarios": {"ban": None}},
        {"scenarios": {"ban": "export_ban"}},
        {"scenarios": {"ban": (0.5, None)}},
        {"objective": sp.cost() - sp.cvar()},
        {"objective": sp.cost() * float("nan")},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        optimize(hand(), BUYERS, product=P, levers=[resource()], **wrong)


def test_a_constraint_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(SchemaError):
        sp.during(max_share("CHN", 0.5), 2029, 2027)


def test_terms_of_an_objective_compose() -> None:
    half = sp.cost() / 2
    assert repr(half) == "0.5*cost()"
    total = sum([sp.cost(), sp.attribute({"*": 2.0})])
    assert repr(total) == "cost() + attribute({'*': 2.0})"
    assert repr(sp.cost() - sp.attribute({"*": 2.0})) == "cost() + -1*attribute({'*': 2.0})"
    whole = optimize(hand(), BUYERS, product=P, levers=[resource()], constraints=max_share("CHN", 0.5))
    part = optimize(hand(), BUYERS, product=P, levers=[resource()], constraints=max_share("CHN", 0.5), objective=half)
    assert part.objective_value == pytest.approx(whole.objective_value / 2)
    with pytest.raises(TypeError):
        sp.cost() - 3


def test_the_question_has_a_hash_of_its_own() -> None:
    one, same, other = (
        optimize(hand(), BUYERS, product=P, levers=[resource()], constraints=max_share("CHN", cap))
        for cap in (0.5, 0.5, 0.6)
    )
    assert one.fingerprint == other.fingerprint
    assert one.question == same.question != other.question
    assert one.question in one.summary()

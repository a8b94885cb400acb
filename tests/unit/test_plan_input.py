"""Wrong input to a plan is refused in words; terms of an objective compose."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError, SchemaError, UnknownNameError
from supplyrisk.portfolio import max_share, optimize, resource
from supplyrisk.registry import registries


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


@pytest.mark.parametrize("view", ["location", "equity", "control", "origin"])
def test_a_coalition_is_a_focal_in_plans_as_in_the_score(view: str) -> None:
    roll = pd.DataFrame(
        [{"coalition": "PACT", "country": c, "role": "member", "valid_from": "2020-01-01"} for c in ("CHN", "KOR")]
    )
    g = hand().replace(memberships=roll)
    for make in (
        lambda f: {"constraints": sp.max_share(f, 0.5, view=view)},
        lambda f: {"objective": sp.cost() + 500.0 * sp.share(f, view=view)},
    ):
        named = optimize(g, BUYERS, product=P, **make("PACT"))
        listed = optimize(g, BUYERS, product=P, **make(("CHN", "KOR")))
        assert named.objective_value == pytest.approx(listed.objective_value, rel=1e-12)
        one, other = named.share(view, "PACT"), listed.share(view, ("CHN", "KOR"))
        assert one["after"] == pytest.approx(other["after"], nan_ok=True)
    front = [sp.frontier(g, BUYERS, product=P, against=sp.share(f), points=3).frame for f in ("PACT", ("CHN", "KOR"))]
    pd.testing.assert_frame_equal(*front)
    with pytest.raises(UnknownNameError, match="PACT"):
        optimize(g, BUYERS, product=P, constraints=sp.max_share("PACTT", 0.5))


OF_A_FOCAL = sorted(e.name for e in registries["constraint"] if "focal" in inspect.signature(e.function).parameters)


@pytest.mark.parametrize("name", OF_A_FOCAL)
def test_every_constraint_with_a_focal_takes_a_coalition(name: str) -> None:
    g = hand().replace(
        memberships=pd.DataFrame(
            [{"coalition": "PACT", "country": "CHN", "role": "member", "valid_from": "2020-01-01"}]
        )
    )
    told = []
    for focal in ("PACT", "CHN"):
        try:
            plan = optimize(g, BUYERS, product=P, constraints=getattr(sp, name)(focal=focal))
            told.append(plan.objective_value)
        except InfeasibleError:
            told.append(np.inf)
    assert told[0] == pytest.approx(told[1], rel=1e-12)


# ---------------------------------------------------------------------- what was called, and what it takes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: sp.frontier(g, BUYERS, product=P, poins=3), r"frontier\(\) got .*'poins'. Did you mean 'points'"),
        (lambda g: sp.frontier(g, BUYERS, product=P, aims=()), r"frontier\(\) got an unexpected keyword .*'aims'"),
        (lambda g: sp.stand_alone(g, BUYERS, constrain=()), r"stand_alone\(\) got .*Did you mean 'constraints'"),
        (lambda g: sp.rolling(optimize(g, BUYERS, product=P), g, constrain=()), r"rolling\(\) got .*'constraints'"),
        (lambda g: sp.max_share("CHN", limit=0.3), r"max_share\(\): .*'limit'"),
    ],
)
def test_a_misspelt_keyword_is_told_by_the_function_that_was_called(
    call: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        call(hand())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: sp.frontier(g, BUYERS, product=P, against="share"), "not an objective term .*'share'"),
        (lambda g: optimize(g, BUYERS, constraints="max_share"), "not a constraint .*'max_share'.*max_share"),
        (lambda g: optimize(g, BUYERS, constraints=sp.max_share), "not a constraint .*Call it"),
        (lambda g: optimize(g, BUYERS, levers="build"), r"not a lever .*'build'.*build\(\)"),
        (lambda g: optimize("atlas", BUYERS), "not a graph .*'atlas'.*load_atlas"),
        (lambda g: sp.frontier("atlas", BUYERS), "not a graph .*'atlas'.*load_atlas"),
        (lambda g: sp.rolling(optimize(g, BUYERS, product=P), "atlas"), r"rolling.graph: not a graph"),
        (lambda g: optimize(g, BUYERS, levers=sp.build(stages=((3,),))), "stages: not a mapping by project"),
        (lambda g: optimize(g, BUYERS, levers=sp.build(stages={"Alpha": ((3,),)})), "not pairs of years and USD"),
        (lambda g: optimize(g, BUYERS, levers=sp.build(stages={"Alpha": 5})), "not pairs of years and USD"),
        (lambda g: optimize(g, BUYERS, constraints=sp.governance_floor({"CHN": "x"}, 0.5)), r"CHN\].*not a number"),
        (lambda g: optimize(g, BUYERS, constraints=sp.governance_floor((1, 2), 0.5)), "not a mapping"),
        (
            lambda g: optimize(g, BUYERS, constraints=sp.governance_floor({"CHN": np.nan}, 0.5)),
            r"countries\[CHN\].value: has no figure, and the plan may buy there",
        ),
        (
            lambda g: optimize(g, BUYERS, constraints=sp.equal_burden(1.0, {"JPN": np.nan, "USA": 3.0})),
            r"equal_burden\[JPN\].against: has no figure",
        ),
        (lambda g: optimize(g, BUYERS, constraints=sp.equal_burden(1.0, {"JPN": 3.0})), r"\[USA\].against: has no"),
        (
            lambda g: optimize(g, BUYERS, scenarios={"a": (0.0, []), "b": (0.0, [])}),
            "do not add to 1 .*a probability above 0",
        ),
    ],
)
def test_what_cannot_be_read_is_told_once_for_what_it_is(call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(SchemaError, match=message) as err:
        call(hand())
    assert len(err.value.problems) >= 1
    assert "/ 0" not in str(err.value)


def test_variables_of_your_own_have_their_value() -> None:
    import pyomo.environ as pyo

    g = hand()
    for plan in (optimize(g, BUYERS, product=P), optimize(g, BUYERS, product=P, horizon=(2026, 2027))):
        m = plan.model
        m.mine = pyo.Var(bounds=(0, 5))
        m.twice = pyo.Constraint(expr=2 * m.mine == 3)
        plan.resolve()
        assert m.mine.value == pytest.approx(1.5)

"""Levers that can do nothing say so; words and hints are those of the case."""

from __future__ import annotations

import pandas as pd
import pytest
from test_portfolio import BUYERS, P, hand, project

import supplyrisk.portfolio as sp
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.portfolio import build, max_share, optimize, resource
from supplyrisk.shocks import export_ban


def test_an_expansion_of_a_plant_after_the_horizon_is_a_gap() -> None:
    plants = [project("Pa", "CAN", 40.0, 200.0, start=2027), project("Pb", "USA", 30.0, 90.0, start=2028)]
    g = hand(projects=pd.DataFrame(plants))
    levers = [resource(), build(), sp.expand("Pb", 20.0, 40.0, 1.0)]
    plan = optimize(g, BUYERS, product=P, levers=levers, horizon=2027)
    gap = plan.gaps.set_index("what").loc["expansion"]
    assert gap["where"] == "Pb expansion"
    assert "2028" in gap["note"]
    with pytest.raises(UnknownNameError):
        optimize(g, BUYERS, product=P, levers=[resource(), build(), sp.expand("Pz", 20.0, 40.0, 1.0)])


def test_a_contract_that_nobody_can_sign_is_a_gap() -> None:
    g, cap = hand(), max_share("CHN", 0.6)
    never = optimize(g, BUYERS, product=P, levers=[resource(redirect=0.1), sp.contract(0.99, 0.2)], constraints=cap)
    note = never.gaps.set_index("what").loc["lever contract", "note"]
    assert "must take at least" in note
    assert "none can be signed" in note
    same = optimize(g, BUYERS, product=P, levers=[resource(redirect=0.5), sp.contract(0.01, 0.5)], constraints=cap)
    assert "opens nothing" in same.gaps.set_index("what").loc["lever contract", "note"]
    good = optimize(g, BUYERS, product=P, levers=[resource(redirect=0.1), sp.contract(0.01, 0.9)], constraints=cap)
    assert not len(good.gaps)


def test_the_summary_says_what_the_extra_cost_is_for() -> None:
    g = hand()
    sets = {"calm": (0.8, []), "ban": (0.2, [export_ban("CHN", product=P, to=list(BUYERS))])}
    goal = sp.cost() + sp.expected_loss(3.0)
    risky = optimize(g, BUYERS, product=P, scenarios=sets, objective=goal).summary()
    assert "without expected_loss(3.0) in the objective (" in risky
    capped = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.6)).summary()
    assert "without the constraints (" in capped
    plain = optimize(g, BUYERS, product=P).summary()
    assert "of the same need (" in plain


def test_only_shares_are_called_fractions() -> None:
    with pytest.raises(SchemaError) as time:
        optimize(hand(), BUYERS, product=P, time_limit=-1)
    assert "Shares" not in str(time.value)
    with pytest.raises(SchemaError, match="Shares are fractions"):
        optimize(hand(), BUYERS, product=P, constraints=max_share("CHN", 65))


def test_a_share_of_which_nothing_is_known_is_no_share() -> None:
    g = hand(projects=pd.DataFrame([project("Pa", "CAN", 40.0, 200.0, start=2027, capex_year=2021)]))
    plan = optimize(g, BUYERS, product=P, constraints=max_share("CHN", 0.6, view="equity"))
    mine = plan.shares.set_index(["view", "buyer"])
    assert mine.loc[("equity", "group"), ["before", "after", "model"]].isna().all()
    assert mine.loc[("equity", "group"), ["after_low", "after_high"]].tolist() == [0.0, 1.0]
    assert mine.loc[("location", "group"), "after"] > 0
    score = plan.readings.iloc[0]
    assert pd.isna(score["score"])
    assert "CHN share (equity) not known [0.0%, 100.0%]" in plan.summary()
    cap = sp.during(max_share("CHN", 0.3), 2028)
    years = optimize(g, BUYERS, product=P, constraints=cap, horizon=(2026, 2028))
    assert "(control)" in years.summary()
    assert years.schedule["capex_year"].tolist() == [2021.0] * len(years.schedule)
    assert len(years.schedule)

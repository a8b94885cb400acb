"""Price response against an independent root finder, and its limits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from supplyrisk.errors import SchemaError
from supplyrisk.metrics.market import doe_type, expected_loss, price_response, yale_concentration, yale_magnitude


@given(phi=st.floats(0.01, 0.95), es=st.floats(0.0, 2.0), ed=st.floats(-2.0, 0.0), n=st.integers(1, 6))
def test_closed_form_without_capacities(phi: float, es: float, ed: float, n: int) -> None:
    if es - ed < 0.02:
        return
    rest = {f"s{i}": (1 - phi) / n for i in range(n)}
    r = price_response({"lost": phi, **rest}, demand_elasticity=ed, supply_elasticity=es, remaining={"lost": 0.0})
    assert math.log(r.price_ratio) == pytest.approx(math.log(1 - phi) / (ed - es), rel=1e-9)
    assert r.quantity_ratio == pytest.approx(r.price_ratio**ed)
    assert r.supply.sum() == pytest.approx(r.quantity)


def test_against_scipy_with_capacities() -> None:
    rng = np.random.default_rng(1)
    solved = 0
    for _ in range(300):
        n = int(rng.integers(2, 7))
        q = rng.random(n) * 100
        es = rng.choice([0.0, 0.1, 0.5, 1.0], n)
        cap = q * (1 + rng.random(n) * rng.choice([0.0, 0.5, 5.0], n))
        ed = -float(rng.choice([0.05, 0.2, 0.8]))
        keep = float(rng.random()) * q[0]
        limit = cap.copy()
        limit[0] = keep

        def gap(x: float, q: np.ndarray = q, es: np.ndarray = es, lim: np.ndarray = limit, ed: float = ed) -> float:
            return float(np.minimum(q * np.exp(es * x), lim).sum() - q.sum() * math.exp(ed * x))

        r = price_response(
            pd.Series(q),
            demand_elasticity=ed,
            supply_elasticity=pd.Series(es),
            remaining={0: keep},
            capacity=pd.Series(cap),
        )
        assert r.status == "balanced"
        assert math.log(r.price_ratio) == pytest.approx(brentq(gap, 0.0, 300.0, xtol=1e-13), abs=1e-9)
        solved += 1
    assert solved == 300


def test_limits() -> None:
    kw = {"demand_elasticity": -0.15, "supply_elasticity": 0.2}
    everything = price_response({"A": 10.0}, remaining={"A": 0.0}, **kw)
    assert (everything.price_ratio, everything.status) == (math.inf, "unbounded")
    stiff = price_response({"A": 5.0, "B": 5.0}, demand_elasticity=0.0, supply_elasticity=0.0, remaining={"A": 0.0})
    assert math.isnan(stiff.price_ratio)
    assert stiff.status == "undefined"
    assert stiff.reason
    capped = price_response(
        {"A": 5.0, "B": 5.0}, demand_elasticity=0.0, supply_elasticity=0.3, remaining={"A": 0}, capacity={"B": 9.0}
    )
    assert (capped.price_ratio, capped.status, capped.quantity) == (math.inf, "unbounded", 9.0)
    none = price_response({"A": 5.0, "B": 5.0}, remaining={}, **kw)
    assert (none.price_ratio, none.shortfall, none.status) == (1.0, 0.0, "no shortage")
    glut = price_response({"A": 5.0, "B": 5.0}, remaining={"A": 4.0}, demand=8.0, **kw)
    assert glut.price_ratio == 1.0  # prices are not let fall below 1
    part = price_response({"A": 5.0, "B": 5.0}, remaining={"A": 5.0}, **kw)
    assert part.price_ratio == 1.0


def test_refuses() -> None:
    kw = {"demand_elasticity": -0.15, "supply_elasticity": 0.2, "remaining": {"A": 0.0}}
    with pytest.raises(SchemaError, match="no such supplier"):
        price_response({"B": 1.0}, **kw)
    with pytest.raises(SchemaError, match="at most 0"):
        price_response({"A": 1.0}, **{**kw, "demand_elasticity": 0.15})
    with pytest.raises(SchemaError, match="supply_elasticity"):
        price_response({"A": 1.0}, **{**kw, "supply_elasticity": -0.1})
    with pytest.raises(SchemaError, match="not zero"):
        price_response({"A": math.nan}, **kw)
    with pytest.raises(SchemaError, match="B"):
        price_response({"A": 1.0, "B": 1.0}, **{**kw, "supply_elasticity": {"A": 0.1}})


def test_small_formulas() -> None:
    assert expected_loss({"a": 0.5, "b": 0.1}, {"b": 100.0, "a": 10.0}) == pytest.approx(15.0)
    with pytest.raises(SchemaError, match="percent"):
        expected_loss([5.0], [1.0])
    assert yale_concentration(0.001) == 0.0
    assert yale_concentration(1.0).parts["raw"] == pytest.approx(100.0010, abs=5e-5)
    with pytest.raises(SchemaError):
        yale_concentration(0.0)
    assert yale_magnitude(100, 100, 100) == pytest.approx(100.0)
    assert doe_type(1, 1, 1, 1, 1) == pytest.approx(1.0)

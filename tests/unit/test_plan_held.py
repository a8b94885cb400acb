"""Stock carries its origin: goods count in the period in which they are used."""

from __future__ import annotations

from typing import Any

import pytest
from test_portfolio import P, simple

import supplyrisk.portfolio as sp
from supplyrisk.errors import InfeasibleError
from supplyrisk.portfolio import max_share, optimize, resource

FREE = resource(redirect=1.0, switching=0.0, revealed=False)
STORE = sp.stockpile(3650.0, holding=0.0)


def plan(free: float, *limits: Any, **more: Any) -> Any:
    graph = simple(10.0, {"CHN": 20.0, "AUS": free}, {"CHN": 1.0, "AUS": 2.0}, flow={"CHN": 10.0})
    asked = {"levers": [FREE, STORE], "constraints": limits, "horizon": (2026, 2027), "discount": 0.0} | more
    return optimize(graph, "USA", product=P, **asked)


def bought(p: Any) -> dict[tuple[int, str], float]:
    found = p.decisions.groupby(["year", "country"])["quantity"].sum()
    return {k: float(v) for k, v in found.items()}


def test_stock_does_not_launder_a_share() -> None:
    limit = sp.during(max_share("CHN", 0.0), 2027)
    # Free of China come 4 a year: 8 in both years, and 10 are used in 2027.
    with pytest.raises(InfeasibleError):
        plan(4.0, limit)
    # With 6 a year the 4 that lack in 2027 are put by in 2026, when others use Chinese goods.
    found = plan(6.0, limit)
    amounts = bought(found)
    assert amounts[(2026, "AUS")] + amounts[(2027, "AUS")] == pytest.approx(10.0)
    assert amounts[(2026, "AUS")] >= 4.0 - 1e-6
    assert amounts[(2026, "CHN")] == pytest.approx(10.0)
    assert (2027, "CHN") not in amounts
    assert found.objective_value == pytest.approx(10.0 + 8.0 + 12.0)
    assert any("goods count in the period in which they are used" in n for n in found.notes)


@pytest.mark.parametrize("view", ["location", "control", "origin"])
def test_what_is_drawn_counts_as_what_filled_it(view: str) -> None:
    mixing = {"mixing": "today"} if view == "origin" else {}
    found = plan(4.0, sp.during(max_share("CHN", 0.2, view=view, **mixing), 2027))
    assert found.objective_value == pytest.approx(10.0 + 8.0 + 8.0 + 2.0)
    line = found.readings.set_index("year").loc[2027]
    assert line["model"] == pytest.approx(0.2)
    assert line["score"] == pytest.approx(0.2)
    with pytest.raises(InfeasibleError) as err:
        plan(4.0, sp.during(max_share("CHN", 0.19, view=view, **mixing), 2027))
    assert "20.00%" in str(err.value)


def test_no_more_is_put_by_as_free_than_is_delivered_of_it() -> None:
    both = max_share("CHN", 0.6)
    # Of 20 that are used in two years 8 are free at most: 60 % in each year, whatever is stored when.
    assert bought(plan(4.0, both))[(2026, "AUS")] == pytest.approx(4.0)
    with pytest.raises(InfeasibleError):
        plan(4.0, max_share("CHN", 0.59))
    # Put by in the first year out of what the first year may not spare.
    with pytest.raises(InfeasibleError):
        plan(5.0, sp.during(max_share("CHN", 0.5), 2026), sp.during(max_share("CHN", 0.45), 2027))
    plan(5.25, sp.during(max_share("CHN", 0.5), 2026), sp.during(max_share("CHN", 0.45), 2027))


def test_constraints_that_count_what_is_bought_say_so() -> None:
    found = plan(10.0, sp.max_supplier_share(0.6), max_share("CHN", 0.6))
    told = next(n for n in found.notes if "in which they are bought" in n)
    assert "max_supplier_share(0.6)" in told
    assert "max_share" not in told.partition(":")[0]
    alone = plan(10.0, max_share("CHN", 0.6), levers=[FREE])
    assert not any("goods count" in n for n in alone.notes)

"""What bounds a flow that balancing estimates: its value, a world total, the host of a by-product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from supplyrisk.bounding import weight_bounds
from supplyrisk.errors import SchemaError
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows, conflicts, moved

P = "x.refined"
NAN = float("nan")
GOODS = pd.DataFrame([{"product": P, "name": "X", "commodity": "x", "chain": "x", "stage": "refine"}]).assign(
    unit="t", basis="gross", period="year"
)


def graph(
    makers: dict[str, float], users: dict[str, float], flows: list[tuple[str, str, float, float, str]]
) -> SupplyGraph:
    """Outputs, uses, and flows as (supplier, buyer, quantity, value, method) by country, pools with ``:demand``."""
    rows: list[dict[str, Any]] = [
        {"node": f"{P}@{c}", "product": P, "country": c, "kind": "producer", "year": 2024, "output": q,
         "output_missing": "unknown" if np.isnan(q) else None, "output_grade": "assumption", "grade": "assumption"}
        for c, q in makers.items()
    ]  # fmt: skip
    pools = {e.removesuffix(":demand") for f in flows for e in f[:2] if e.endswith(":demand")} | set(users)
    rows += [
        {"node": f"{P}@{c}:demand", "product": P, "country": c, "kind": "demand", "year": 2024, "grade": "assumption"}
        for c in sorted(pools)
    ]
    use = [
        {"node": f"{P}@{c}:demand", "use": "total", "year": 2024, "quantity": q, "grade": "assumption"}
        for c, q in users.items()
    ]
    links = [
        {"supplier": f"{P}@{a}", "buyer": f"{P}@{b}", "product": P, "year": 2024, "quantity": q, "value": v,
         "method": m, "missing": "not_available" if np.isnan(q) else None, "grade": "assumption"}
        for a, b, q, v, m in flows
    ]  # fmt: skip
    return SupplyGraph.from_tables(
        products=GOODS, nodes=pd.DataFrame(rows), demand=pd.DataFrame(use), links=pd.DataFrame(links)
    )


def link(g: SupplyGraph, a: str, b: str) -> pd.Series:
    rows = g.links[(g.links["supplier"] == f"{P}@{a}") & (g.links["buyer"] == f"{P}@{b}")]
    assert len(rows) == 1
    return rows.iloc[0]


SOLD = [("CHN", f"{c}:demand", q, 1e4 * q, "observed") for c, q in (("JPN", 70.0), ("DEU", 30.0), ("FRA", 5.0))]


def test_a_flow_of_a_few_dollars_does_not_become_kilotonnes() -> None:
    lone = [("BEL:demand", "USA:demand", NAN, 11.0, "observed"), ("CHN", "BEL:demand", 50.0, 5e5, "observed")]
    g = balance_flows(graph({"CHN": 155.0}, {"USA": 40.0}, [*SOLD, *lone]), conflicts="relax")
    row = link(g, "BEL:demand", "USA:demand")
    assert row["quantity"] <= row["high"] <= 11.0 / 1e4 * 10 * (1 + 1e-9)
    assert row["low"] >= 11.0 / 1e4 / 10 * (1 - 1e-9)
    assert "A-UNITVALUE" in row["note"]
    assert link(g, "ROW", "USA:demand")["quantity"] == pytest.approx(40.0, rel=1e-3)  # somebody else sends it


def test_a_flow_without_a_weight_weighs_what_its_value_suggests() -> None:
    g = balance_flows(graph({"CHN": NAN}, {}, [*SOLD, ("CHN", "USA:demand", NAN, 2e5, "observed")]))
    assert link(g, "CHN", "USA:demand")["quantity"] == pytest.approx(20.0, rel=1e-3)


def test_ranges_of_unit_values_come_from_the_same_source_and_are_wider_where_few() -> None:
    many = pd.DataFrame({"product": "x", "source": "a", "quantity": 1.0, "value": np.linspace(90.0, 110.0, 50)})
    other = many.assign(source="b", value=7.0)
    few = pd.DataFrame({"product": "y", "source": "a", "quantity": 1.0, "value": [5.0, 20.0]})
    asked = pd.DataFrame({"product": ["x", "y", "z"], "source": "a", "quantity": NAN, "value": 100.0})
    f = pd.concat([many, other, few, asked], ignore_index=True)
    low, middle, high = (b[-3:] for b in weight_bounds(f, f["quantity"].notna().to_numpy()))
    assert middle[0] == pytest.approx(1.0)
    assert (low[0], high[0]) == pytest.approx((100 / (2 * 110), 100 * 2 / 90), rel=0.02)
    assert (low[1], middle[1], high[1]) == pytest.approx((0.5, 8.0, 200.0))
    assert np.isnan([low[2], middle[2], high[2]]).all()  # nothing is known of its unit value


def test_a_value_that_no_account_can_carry_is_named_as_such() -> None:
    flows = [*SOLD, ("CHL", "USA:demand", NAN, 1e6, "observed")]  # 10 t at least, of a maker of nothing
    text = conflicts(graph({"CHN": 105.0, "CHL": 0.0}, {}, flows))
    done = balance_flows(graph({"CHN": 105.0, "CHL": 0.0}, {}, flows), conflicts="raise")
    assert text.empty  # an assumption gives way to figures
    assert link(done, "CHL", "USA:demand")["quantity"] == pytest.approx(0.0, abs=1e-6)


def test_traders_of_whose_supply_nothing_is_recorded_get_it_from_an_unknown_supplier() -> None:
    flows = [(f"{c}:demand", "USA:demand", q, NAN, "assumed") for c, q in (("CHN", 0.06), ("DEU", 0.03), ("FRA", 0.01))]
    g = graph({}, {}, flows)
    assert conflicts(g).empty
    done = balance_flows(g, conflicts="raise")
    got = done.links.set_index(["supplier", "buyer"])["quantity"]
    assert got[f"{P}@ROW", f"{P}@CHN:demand"] == pytest.approx(got[f"{P}@CHN:demand", f"{P}@USA:demand"], rel=0.05)
    sent = got[[s.endswith(":demand") for s, _ in got.index]]
    assert (sent / sent.sum()).tolist() == pytest.approx([0.6, 0.3, 0.1], rel=1e-3)  # the shares are facts, they stay
    assert done.balance(1e-6).empty


def test_small_clashes_beside_flows_of_few_dollars_move_few_figures() -> None:
    rng = np.random.default_rng(4)
    places = ["JPN", "DEU", "FRA", "ITA", "KOR", "ESP", "GBR", "IND", "MEX", "BRA"]
    sold, paid = rng.lognormal(6, 2, 10).tolist(), rng.lognormal(4, 2, 10).tolist()
    flows = [("CHN", f"{c}:demand", q, 1e4 * q, "observed") for c, q in zip(places, sold, strict=True)]
    ring = zip(places, places[1:] + places[:1], paid, strict=True)
    flows += [(f"{a}:demand", f"{b}:demand", NAN, v, "observed") for a, b, v in ring]
    total = sum(f[2] for f in flows[:10])
    g = graph({"CHN": 0.5 * total}, {}, flows)
    done = balance_flows(g, conflicts="relax")
    assert done.balance(1e-6).empty
    m = moved(g, done)
    assert 1 <= len(m) <= 11
    assert (m["relative"].abs() > 1e-5).all()
    with pytest.raises(SchemaError, match=r"output of x\.refined@CHN"):
        balance_flows(g, conflicts="raise")

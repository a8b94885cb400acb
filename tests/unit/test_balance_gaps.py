"""What balancing may not lose: stated bounds, the least of a by-product, and gaps that nobody closes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_balance_bounds import GOODS, NAN, P, graph, host_and_byproduct

from supplyrisk.byproducts import cap_byproducts
from supplyrisk.errors import SchemaError
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows, byproduct_limits, conflicts


def traded(bounds: tuple[float, float], guess: float = 3.0, **more: Any) -> SupplyGraph:
    """Three makers and three users of whose flows nothing is known but the bounds of one."""
    made, used = {"CHN": 60.0, "CHL": 25.0, "AUS": 15.0}, {"JPN": 40.0, "DEU": 35.0, "USA": 25.0}
    nodes = [
        {"node": f"{P}@{c}", "product": P, "country": c, "kind": "producer", "year": 2024, "output": q}
        for c, q in made.items()
    ] + [{"node": f"{P}@{c}:demand", "product": P, "country": c, "kind": "demand", "year": 2024} for c in used]
    use = [{"node": f"{P}@{c}:demand", "use": "total", "year": 2024, "quantity": q} for c, q in used.items()]
    links = []
    for a in made:
        for b in used:
            row = {"supplier": f"{P}@{a}", "buyer": f"{P}@{b}:demand", "product": P, "year": 2024, "method": "assumed"}
            about = {"missing": "unknown"}
            if (a, b) == ("CHL", "USA"):
                about = {"quantity": guess, "low": bounds[0], "high": bounds[1], "grade": "assumption", **more}
            links.append({**row, **about})
    grade = {"output_grade": "assumption"}
    return SupplyGraph.from_tables(
        products=GOODS,
        nodes=pd.DataFrame(nodes).assign(**grade),
        demand=pd.DataFrame(use).assign(grade="assumption"),
        links=pd.DataFrame(links),
    )


def flow(g: SupplyGraph) -> pd.Series:
    return g.links.set_index(["supplier", "buyer"]).loc[(f"{P}@CHL", f"{P}@USA:demand")]


@pytest.mark.parametrize(("low", "high", "guess"), [(0.0, 1.0, 0.5), (20.0, 22.0, 21.0), (12.0, NAN, 14.0)])
def test_stated_bounds_of_an_assumed_flow_hold_in_the_estimate_and_in_every_draw(
    low: float, high: float, guess: float
) -> None:
    g = traded((low, high), guess)
    top = np.inf if np.isnan(high) else high
    for one in (balance_flows(g), *balance_flows(g, ensemble=8, seed=1)):
        row = flow(one)
        assert low - 1e-9 <= row["quantity"] <= top + 1e-9
        assert (
            low - 1e-9 <= row["low"] <= row["high"] <= min(top, 37.5) + 1e-6
        )  # an assumed total may be half as much again


def test_stated_bounds_that_cannot_hold_are_named_and_give_way_only_when_told_to() -> None:
    g = traded((30.0, 300.0), 31.0)  # Chile makes 25, the United States use 25
    assert "30 to 300 (assumed" in conflicts(g)["rows"].iloc[0]
    left = balance_flows(g)
    assert flow(left)["quantity"] == 31.0
    assert left.gaps["what"].tolist() == ["balanced flows"]
    with pytest.raises(SchemaError, match="30 to 300"):
        balance_flows(g, conflicts="raise")
    done = balance_flows(g, conflicts="relax")
    assert done.balance(1e-6).empty
    assert "beyond the bounds stated of it, 30 to 300" in flow(done)["note"]
    assert "30 to 300" in done.gaps["note"].iloc[0]


def test_a_limit_from_above_says_nothing_of_the_least_that_a_byproduct_can_be() -> None:
    for g in (host_and_byproduct(NAN), host_and_byproduct(NAN, 90.0), host_and_byproduct(6.0)):
        done = balance_flows(g, conflicts="relax")
        rows = done.nodes[done.nodes["node"] == "g.refined@CHN"]
        before = g.interval("nodes", "output", g.nodes[g.nodes["node"] == "g.refined@CHN"])
        value, low, high = done.interval("nodes", "output", rows)
        assert low == before[1]  # 0 where nothing is known
        assert not low[0] > value[0]
        assert high == pytest.approx(7.5)


def test_the_estimate_of_a_byproduct_keeps_within_its_hosts_figure_and_its_interval_within_the_upper_end() -> None:
    done = balance_flows(host_and_byproduct(NAN, 90.0))
    row = done.links.set_index("supplier").loc["g.refined@CHN"]
    assert row["quantity"] == pytest.approx(5.0)  # 1000 / 200; the throughput may be up to 1500
    assert row["high"] == pytest.approx(7.5)
    limits = byproduct_limits(done).set_index("node").loc["g.refined@CHN"]
    assert (limits["limit"], limits["likely"]) == (7.5, 5.0)
    for member in balance_flows(host_and_byproduct(NAN, 90.0), ensemble=3):
        assert member.links.set_index("supplier")["quantity"]["g.refined@CHN"] <= 5.0 * (1 + 1e-9)


def test_a_byproduct_of_unknown_output_that_is_seen_to_send_more_clashes_only_above_the_upper_end() -> None:
    for sent, clash in ((6.0, False), (9.0, True)):
        g = host_and_byproduct(NAN, sent)
        links = g.table("links")
        mine = links["supplier"] == "g.refined@CHN"
        links.loc[mine, ["quantity", "method", "grade"]] = [sent, "observed", "assumption"]
        links["missing"] = links["missing"].mask(mine)
        found = conflicts(g.replace("sent", links=links))
        assert bool(len(found)) == clash


def test_every_gap_is_listed_and_what_is_withheld_is_no_zero() -> None:
    made = {"CHN": 100.0, "AUS": NAN, "ZAF": 7.0, "PER": 0.0}
    rows = [
        ("CHN", "JPN:demand", 120.0, NAN, "assumed"),
        ("AUS", "DEU:demand", NAN, NAN, "observed"),
        ("CHN", "GBR:demand", 3.0, NAN, "assumed"),
    ]
    told = graph(made, {"JPN": 40.0, "DEU": 30.0, "USA": 5.0}, rows).balance().set_index("node")
    assert told["status"].value_counts().to_dict() == {"open": 4, "unknown": 3}
    lone = told.loc[f"{P}@ZAF"]
    assert (lone["have"], lone["need"], lone["gap"], lone["status"]) == (7.0, 0.0, 7.0, "open")
    dark = told.loc[f"{P}@AUS"]
    assert np.isnan(dark[["have", "need", "gap"]].astype(float)).all()
    assert dark["reason"] == "output unknown; 1 of 1 flows out not known"
    fed = told.loc[f"{P}@GBR:demand"]
    assert (fed["have"], fed["status"], fed["reason"]) == (3.0, "unknown", "use unknown")
    assert np.isnan(fed["need"])
    assert np.isnan(told.loc[f"{P}@DEU:demand", "have"])
    assert f"{P}@PER" not in told.index  # makes nothing, sends nothing: closed


def test_what_explain_shows_holds_no_control_characters_and_the_tables_keep_theirs() -> None:
    g = graph({"CHN": 10.0}, {"JPN": 10.0}, [("CHN", "JPN:demand", 10.0, NAN, "assumed")])
    evil = "red\x1b[31m, bell\x07, turned\u202e, line\nbreak"
    links = g.table("links").assign(note=evil)
    nodes = g.table("nodes").assign(note=evil)
    g = g.replace("notes", links=links, nodes=nodes)
    for told in (g.explain(f"{P}@CHN"), g.explain("links", product=P)):
        assert set(told["note"].dropna()) == {"red\\x1b[31m, bell\\x07, turned\\u202e, line\nbreak"}
        assert not {"\x1b", "\x07", "\u202e"} & set(str(told.to_dict()) + told.to_string())
    assert set(g.links["note"]) == {evil}


def test_a_graph_without_dates_speaks_of_no_day() -> None:
    g = graph({"CHN": 10.0}, {}, [("CHN", "JPN:demand", 10.0, NAN, "assumed")])
    assert "as of 2024-12-31" in repr(g)
    bare = g.replace("no years", links=g.table("links").assign(year=pd.NA), nodes=g.table("nodes").assign(year=pd.NA))
    assert "as of no stated day" in repr(bare)
    assert "as of no stated day" in bare._repr_html_()


def test_the_throughput_of_a_host_is_no_flow_that_is_missing() -> None:
    told = host_and_byproduct(5.0, 5.0).balance().set_index("node")
    assert "input" not in set(told["account"])
    pool = told.loc["a.refined@CHN:demand"]
    assert (pool["have"], pool["reason"]) == (1000.0, "use unknown")


def test_a_reported_byproduct_above_its_limit_is_an_open_account_and_estimated_flows_keep_within_it() -> None:
    for g in (host_and_byproduct(9.0), balance_flows(host_and_byproduct(9.0))):
        row = g.balance().set_index("account").loc["by-product"]
        assert (row["node"], row["have"], row["need"], row["status"]) == ("g.refined@CHN", 9.0, 7.5, "open")
    assert "by-product" not in set(host_and_byproduct(7.0).balance()["account"])
    # An estimate is capped at the limit wherever it ends, also where its throughput was found to be smaller later on.
    for high in (90.0, 15.0):
        done = balance_flows(host_and_byproduct(NAN, high))
        links = done.table("links")
        mine = links["supplier"] == "g.refined@CHN"
        wide = done.replace("wide", links=links.assign(high=links["high"].mask(mine, 15.0)))
        limits = byproduct_limits(wide)
        shut = cap_byproducts(wide, limits, ())
        assert (shut.links.loc[mine.to_numpy(), "high"] <= 7.5).all()

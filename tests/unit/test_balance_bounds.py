"""What bounds a flow that balancing estimates: its value, a world total, the host of a by-product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.bounding import weight_bounds
from supplyrisk.byproducts import flag_byproducts
from supplyrisk.errors import SchemaError, UnknownPlaceWarning
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows, byproduct_limits, conflicts, moved
from supplyrisk.sources.places import country

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


def test_an_output_of_nothing_gives_way_to_what_its_maker_is_seen_to_send() -> None:
    g = graph({"CHN": 105.0, "ESP": 0.0}, {}, [*SOLD, ("ESP", "USA:demand", 95.0, 9.5e5, "observed")])
    rule, rows = conflicts(g).iloc[0][["rule", "rows"]]
    assert "off by 95" in rule
    assert f"output of {P}@ESP = 0" in rows
    done = balance_flows(g, conflicts="relax")
    assert done.balance(1e-6).empty
    node = done.nodes.set_index("node").loc[f"{P}@ESP"]
    assert node["output_low"] == 0.0 < node["output"] <= 95.0 <= node["output_high"] + 50.0
    assert "output moved by balancing from 0" in node["note"]


# ---------------------------------------------------------------------- world totals


def assembled(made: dict[str, float], used: dict[str, float], **options: Any) -> SupplyGraph:
    rows = [{"product": P, "country": c, "year": 2024, "quantity": q, "grade": "assumption"} for c, q in made.items()]
    use = [{"product": P, "country": c, "year": 2024, "quantity": q, "grade": "assumption"} for c, q in used.items()]
    out = sr.assemble(products=GOODS, production=pd.DataFrame(rows), demand=pd.DataFrame(use), **options)
    assert isinstance(out, SupplyGraph)
    return out


def test_no_supplier_is_invented_where_the_world_total_is_known() -> None:
    made = {"CHN": 900.0, "WLD": 900.0}
    with pytest.raises(SchemaError, match="world total of 900") as e:
        assembled(made, {"DEU": 1400.0}, balanced=True, conflicts="raise")
    for row in (f"output of {P}@CHN = 900", f"use at {P}@DEU:demand = 1400", f"output of {P}@ROW = 0", "off by 500"):
        assert row in str(e.value)
    relaxed = assembled(made, {"DEU": 1400.0}, balanced=True, conflicts="relax")
    outputs = relaxed.nodes.set_index("node")["output"]
    assert outputs[f"{P}@ROW"] == 0.0
    assert "world total of 900" in relaxed.gaps.set_index("what").loc["balanced flows", "note"]
    fine = assembled({"CHN": 900.0, "WLD": 1500.0}, {"DEU": 1400.0}, balanced=True, conflicts="raise")
    assert fine.nodes.set_index("node")["output"][f"{P}@ROW"] == 600.0
    free = assembled({"CHN": 900.0}, {"DEU": 1400.0}, balanced=True, conflicts="raise")  # nobody knows the world
    assert free.nodes.set_index("node")["output"][f"{P}@ROW"] == pytest.approx(500.0, rel=1e-6)


def test_the_rest_is_at_most_what_the_upper_bound_of_the_total_leaves() -> None:
    rows = [{"country": "CHN", "quantity": 900.0}, {"country": "WLD", "quantity": 900.0, "low": 880.0, "high": 1000.0}]
    made = pd.DataFrame(rows).assign(product=P, year=2024, grade="assumption")
    use = pd.DataFrame([{"product": P, "country": "DEU", "year": 2024, "grade": "assumption", "quantity": 960.0}])
    g = sr.assemble(products=GOODS, production=made, demand=use, balanced=True, conflicts="raise")
    assert g.nodes.set_index("node")["output"][f"{P}@ROW"] == pytest.approx(60.0, rel=1e-6)
    assert g.balance(1e-6).empty
    with pytest.raises(SchemaError, match="world total of 900"):
        sr.assemble(
            products=GOODS, production=made, demand=use.assign(quantity=1300.0), balanced=True, conflicts="raise"
        )


@pytest.mark.parametrize("rest", [{}, {"ROW": 99.0}])
def test_a_total_below_its_producers_is_a_gap_and_a_conflict(rest: dict[str, float]) -> None:
    g = assembled({"CHN": 800.0, "USA": 200.0, **rest, "WLD": 100.0}, {"DEU": 500.0})
    row = g.balance().set_index("account").loc["world"]
    assert (row["node"], row["have"], row["need"], row["status"]) == (
        f"{P}@ROW",
        1000 + sum(rest.values()),
        100,
        "open",
    )
    told = conflicts(g).iloc[0]
    assert "more than the world total of 100" in told["rule"]
    assert f"world total of {P} = 100; output of {P}@CHN = 800; output of {P}@USA = 200" in told["rows"]
    with pytest.raises(SchemaError, match="more than the world total of 100"):
        balance_flows(g, conflicts="raise")
    done = balance_flows(g)
    assert "more than the world total" in done.gaps.set_index("what").loc["world total", "note"]
    assert balance_flows(done).gaps["what"].tolist().count("world total") == 1
    rounded = assembled({"CHN": 800.0, "USA": 210.0, "WLD": 1000.0}, {"DEU": 500.0})
    assert "world" not in set(rounded.balance()["account"])
    assert conflicts(rounded).empty


def test_a_total_that_is_withheld_is_no_total() -> None:
    g = assembled({"CHN": 900.0, "WLD": NAN}, {"DEU": 1400.0}, balanced=True, conflicts="raise")
    assert g.nodes.set_index("node")["output"][f"{P}@ROW"] == pytest.approx(500.0, rel=1e-6)


# ---------------------------------------------------------------------- by-products


def host_and_byproduct(gallium: float, use: float = NAN, host_known: bool = True) -> SupplyGraph:
    """Alumina of 1,000 +- 50 % allows 1,500 / 200 = 7.5 of gallium."""
    goods = pd.concat([GOODS.assign(product=p) for p in ("a.refined", "g.refined")], ignore_index=True)
    nodes = pd.DataFrame(
        [
            {"node": "a.refined@CHN", "product": "a.refined", "kind": "producer", "output": 1000.0, "country": "CHN"},
            {"node": "a.refined@CHN:demand", "product": "a.refined", "kind": "demand", "country": "CHN"},
            {"node": "g.refined@CHN", "product": "g.refined", "kind": "producer", "output": gallium, "country": "CHN"},
            {"node": "g.refined@JPN:demand", "product": "g.refined", "kind": "demand", "country": "JPN"},
        ]
    ).assign(year=2024)
    nodes["output_grade"] = np.where(nodes["output"].notna(), "assumption", None)
    flow = 1000.0 if host_known else NAN
    links = pd.DataFrame(
        [
            {"supplier": "a.refined@CHN", "buyer": "a.refined@CHN:demand", "product": "a.refined", "quantity": flow,
             "method": "observed" if host_known else "assumed", "missing": None if host_known else "unknown"},
            {"supplier": "a.refined@CHN:demand", "buyer": "g.refined@CHN", "product": "a.refined",
             "method": "assumed", "missing": "not_applicable"},
            {"supplier": "g.refined@CHN", "buyer": "g.refined@JPN:demand", "product": "g.refined",
             "method": "assumed", "missing": "unknown"},
        ]
    ).assign(year=2024, grade="assumption")  # fmt: skip
    recipes = pd.DataFrame([{"product": "g.refined", "input": "a.refined", "process": "p", "host": True}]).assign(
        input_class="essential", coefficient=200.0, grade="assumption"
    )
    tables = {"products": goods, "nodes": nodes, "links": links, "recipes": recipes}
    if not np.isnan(use):
        tables["demand"] = pd.DataFrame([{"node": "g.refined@JPN:demand", "use": "total", "quantity": use}]).assign(
            year=2024, grade="assumption"
        )
    return SupplyGraph.from_tables(**tables)


@pytest.mark.parametrize("host_known", [True, False])
def test_an_estimated_byproduct_never_exceeds_its_host(host_known: bool) -> None:
    g = balance_flows(host_and_byproduct(NAN, 20.0, host_known), conflicts="relax")
    q = g.links.set_index("supplier")["quantity"]
    assert q["g.refined@CHN"] <= 7.5 * (1 + 1e-9)
    assert q["g.refined@ROW"] == pytest.approx(20.0 - q["g.refined@CHN"])  # the rest is an unknown supplier
    assert "exceeded" not in set(byproduct_limits(g)["status"])
    for member in balance_flows(host_and_byproduct(NAN, 20.0, host_known), conflicts="relax", ensemble=4):
        assert member.links.set_index("supplier")["quantity"]["g.refined@CHN"] <= 7.5 * (1 + 1e-9)


def test_a_reported_byproduct_above_its_limit_is_a_conflict_and_its_interval_holds_the_limit() -> None:
    g = host_and_byproduct(12.0)
    assert "throughput of a.refined allows (1500 / 200 = 7.5)" in conflicts(g)["rule"].iloc[0]
    assert conflicts(g)["rows"].iloc[0] == "g.refined@CHN = 12"
    done = flag_byproducts(g)
    for _ in range(3):
        node = done.nodes.set_index("node").loc["g.refined@CHN"]
        assert node["output"] == 12.0
        assert node["output_low"] <= 7.5
        assert node["note"].startswith("output above what the throughput of a.refined allows")
        assert node["note"].count("above what the throughput") == 1
        assert done.gaps["what"].tolist() == ["by-product limit"]
        assert done.gaps["note"].iloc[0].startswith("g.refined@CHN = 12: output above")
        done = balance_flows(done, conflicts="relax")
    with pytest.raises(SchemaError, match="throughput"):
        balance_flows(g, conflicts="raise")


def test_relaxing_lifts_no_byproduct_above_its_limit() -> None:
    g = host_and_byproduct(7.0, 9.0)
    links = g.table("links")
    links.loc[links["supplier"] == "g.refined@CHN", ["quantity", "method"]] = [9.0, "observed"]
    links["missing"] = links["missing"].mask(links["supplier"] == "g.refined@CHN")
    done = balance_flows(g.replace("sold more", links=links), conflicts="relax")
    assert done.nodes.set_index("node").loc["g.refined@CHN", "output"] <= 7.5 * (1 + 1e-9)
    assert done.balance(1e-6).query("product == 'g.refined'").empty


# ---------------------------------------------------------------------- what is read


def test_a_flow_that_stands_twice_is_refused_and_headings_of_one_product_add_up() -> None:
    goods = pd.DataFrame([{"product": "x.refined", "name": "X", "commodity": "x", "chain": "x", "stage": "refine"}])
    goods = goods.assign(unit="t", basis="gross", period="year")
    made = pd.DataFrame([{"product": "x.refined", "country": "CHN", "year": 2024, "quantity": 90.0}])
    flow = {"origin": "CHN", "destination": "DEU", "year": 2024, "quantity": 10.0, "source": None}
    headings = pd.DataFrame([{"hs6": h, "product": "x.refined", "factor": 1.0} for h in ("810411", "810419")])
    given = {"products": goods, "production": made.assign(grade="assumption"), "concordance": headings}
    two = pd.DataFrame([{**flow, "hs6": "810411"}, {**flow, "hs6": "810419"}])
    links = sr.assemble(**given, trade=two).links
    assert links.set_index("buyer")["quantity"]["x.refined@DEU:demand"] == 20.0
    with pytest.raises(SchemaError, match=r"810411 \| CHN \| DEU \| 2024.*stands 2 times \(got 10, 10\)"):
        sr.assemble(**given, trade=pd.concat([two, two.iloc[:1]]))
    other = two.iloc[:1].assign(source="b")
    with pytest.raises(SchemaError, match="Keep one of the sources a, b"):
        sr.assemble(**given, trade=pd.concat([two.assign(source="a"), other]))


def test_rows_of_unknown_place_are_told_once_when_they_are_assembled(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    rows = ["product,country,year,quantity", "ndfeb.magnet,China,2024,60", "ndfeb.magnet,China (Taiwan),2024,10"]
    path.write_text("\n".join([*rows, "ndfeb.magnet,Atlantis,2024,30"]), encoding="utf-8")
    reading = sr.sources.tidy(path, "production", grade="assumption")
    text = r"1 rows are not in the graph.*made\.csv: 1 rows, 30\.00% of quantity \('Atlantis'\)"
    with pytest.warns(UnknownPlaceWarning, match=text) as said:
        g = sr.sources.together(reading)
    assert len(said) == 1
    assert set(g.nodes["country"]) >= {"CHN", "TWN"}
    goods = sr.sources.commodities.product_rows(["ndfeb.magnet"])
    with pytest.warns(UnknownPlaceWarning, match=text):
        sr.assemble(products=goods, tables={"sources": reading.tables["sources"]}, **reading.inputs)


@pytest.mark.parametrize(
    "name",
    ["Taiwan", "China (Taiwan)", "Taiwan, Province of China", "Taipei, Chinese", "Chinese Taipei", "Other Asia, nes",
     "China, Taiwan Province of", "Taiwan (China)"],
)  # fmt: skip
def test_no_name_of_taiwan_is_china_or_nowhere(name: str) -> None:
    assert country(name) == "TWN"

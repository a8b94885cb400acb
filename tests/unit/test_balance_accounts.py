"""What ``graph.balance()`` lists: inputs that nothing brings, pools that nothing feeds, stocks that run out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.graph import SupplyGraph

ORE, METAL = "x.ore", "x.metal"
NAN = float("nan")


def goods() -> pd.DataFrame:
    rows = [
        {"product": ORE, "stage": "mine"},
        {"product": METAL, "stage": "metal"},
        {"product": "x.scrap", "stage": "scrap"},
    ]
    about = {"name": "n", "commodity": "x", "chain": "x", "unit": "t", "basis": "gross", "period": "year"}
    return pd.DataFrame(rows).assign(**about)


def recipe(*inputs: str, input_class: str = "essential", host: bool = False, group: str | None = None) -> pd.DataFrame:
    rows = [{"product": METAL, "input": i, "substitute_group": group, "coefficient": 2.0} for i in inputs]
    about = {"process": "p", "input_class": input_class, "host": host, "grade": "assumption", "year": 2024}
    return pd.DataFrame(rows).assign(**about)


def graph(
    outputs: dict[str, float],
    flows: list[tuple[str, str, float]],
    use: dict[str, float] | None = None,
    held: dict[str, float] | None = None,
    recipes: pd.DataFrame | None = None,
) -> SupplyGraph:
    ids = list(dict.fromkeys([*outputs, *(n for a, b, _ in flows for n in (a, b)), *(use or {}), *(held or {})]))
    kinds = {"demand": "demand", "stock": "stock"}
    nodes = pd.DataFrame({"node": ids, "output": [outputs.get(n, NAN) for n in ids]}).assign(year=2024)
    nodes["product"], nodes["country"] = ([n.partition("@")[i] for n in ids] for i in (0, 2))
    nodes["country"] = nodes["country"].str[:3]
    nodes["kind"] = [kinds.get(n.rpartition(":")[2], "producer") for n in ids]
    nodes["output_grade"] = np.where(nodes["output"].notna(), "assumption", None)
    nodes["output_missing"] = np.where(nodes["output"].isna() & (nodes["kind"] == "producer"), "withheld", None)
    links = pd.DataFrame(flows, columns=["supplier", "buyer", "quantity"]).assign(year=2024, method="observed")
    links["product"] = [n.partition("@")[0] for n in links["supplier"]]
    links["missing"] = np.where(links["quantity"].isna(), "unknown", None)
    tables: dict[str, Any] = {"products": goods(), "nodes": nodes, "links": links.assign(grade="assumption")}
    if use:
        tables["demand"] = pd.DataFrame({"node": list(use), "quantity": list(use.values())})
        tables["demand"] = tables["demand"].assign(use="total", year=2024, grade="assumption")
    if held:
        tables["stocks"] = pd.DataFrame({"node": list(held), "quantity": list(held.values())})
        missing = np.where(tables["stocks"]["quantity"].isna(), "withheld", None)
        tables["stocks"] = tables["stocks"].assign(holder="gov", year=2024, grade="assumption", missing=missing)
    return SupplyGraph.from_tables({**tables, **({} if recipes is None else {"recipes": recipes})})


def told(g: SupplyGraph) -> list[tuple[Any, ...]]:
    columns = ["node", "product", "account", "status", "reason"]
    return [tuple(r) for r in g.balance()[columns].itertuples(index=False)]


MADE = {f"{METAL}@CHN": 100.0, f"{ORE}@AUS": 50.0}
SOLD = [(f"{METAL}@CHN", f"{METAL}@CHN:demand", 100.0), (f"{ORE}@AUS", f"{ORE}@AUS:demand", 50.0)]
USED = {f"{METAL}@CHN:demand": 100.0, f"{ORE}@AUS:demand": 50.0}


def test_an_essential_input_that_no_link_brings_is_a_gap() -> None:
    g = graph(MADE, SOLD, USED, recipes=recipe(ORE))
    assert told(g) == [(f"{METAL}@CHN", ORE, "input", "unknown", f"no flow of {ORE} in is listed")]
    row = g.balance().iloc[0]
    assert np.isnan(row["have"])  # not 0: nobody says that nothing comes in
    assert row["need"] == 200.0
    for mild in (recipe(ORE, input_class="important"), recipe(ORE, host=True)):  # it does without; it uses up nothing
        assert graph(MADE, SOLD, USED, recipes=mild).balance().empty
    idle = graph({**MADE, f"{METAL}@USA": 0.0}, SOLD, USED, recipes=recipe(ORE))
    assert f"{METAL}@USA" not in set(idle.balance()["node"])  # makes nothing, needs nothing


def test_of_alternatives_one_that_is_linked_is_enough_and_none_is_one_gap() -> None:
    either = recipe(ORE, "x.scrap", group="feed")
    row = (f"{METAL}@CHN", ORE, "input", "unknown", f"no flow of {ORE} or x.scrap in is listed")
    assert told(graph(MADE, SOLD, USED, recipes=either)) == [row]
    fed = [*SOLD, ("x.scrap@CHN:demand", f"{METAL}@CHN", 200.0), ("x.scrap@CHN", "x.scrap@CHN:demand", 200.0)]
    assert graph({**MADE, "x.scrap@CHN": 200.0}, fed, USED, recipes=either).balance().empty


@pytest.mark.parametrize("balanced", [False, True])
def test_an_essential_input_that_nobody_makes_is_told_after_assembling(balanced: bool) -> None:
    made = pd.DataFrame([{"product": METAL, "country": "CHN", "year": 2024, "quantity": 100.0, "grade": "assumption"}])
    g = sr.assemble(products=goods(), production=made, recipes=recipe(ORE), balanced=balanced)
    reason = f"no flow of {ORE} in is listed, and nobody is listed to make it"
    assert told(g) == [(f"{METAL}@CHN", ORE, "input", "unknown", reason)]


def test_a_pool_that_sends_or_is_used_and_gets_nothing_is_a_gap() -> None:
    hub, sink = f"{METAL}@HKG:demand", f"{METAL}@CHN:demand"
    row = (hub, METAL, "supply", "open", "no flow in is listed")
    g = graph({}, [(hub, sink, 50.0)], {sink: 50.0})
    assert told(g) == [row]
    assert g.balance()[["have", "need", "gap"]].iloc[0].tolist() == [0.0, 50.0, -50.0]
    assert told(graph({}, [(hub, sink, 50.0)], {sink: 50.0, hub: 5.0})) == [row]
    assert told(graph({}, [], {hub: 5.0})) == [row]
    dark = graph({}, [(hub, sink, NAN)], {sink: 50.0}).balance().set_index("node").loc[hub]
    assert dark["reason"] == "1 of 1 flows out not known; no flow in is listed"
    assert np.isnan(dark["need"])  # what it sends is not known, and not 0


def test_a_stock_that_sends_more_than_it_held_is_a_gap() -> None:
    stock, pool = f"{METAL}@JPN:stock", f"{METAL}@CHN:demand"
    flow, use = [(stock, pool, 50.0)], {pool: 50.0}
    row = graph({}, flow, use, {stock: 10.0}).balance().iloc[0]
    assert row[["node", "account", "status"]].tolist() == [stock, "stock", "open"]
    assert row[["have", "need"]].tolist() == [10.0, 50.0]
    assert row["reason"] == "more is sent than was held and came in"
    assert graph({}, flow, use, {stock: 60.0}).balance().empty  # part of it stays
    filled = [*flow, (f"{METAL}@JPN", stock, 45.0)]
    assert graph({f"{METAL}@JPN": 45.0}, filled, use, {stock: 10.0}).balance().empty
    for held in ({stock: NAN}, None):
        unsure = graph({}, flow, use, held).balance().iloc[0]
        assert unsure[["account", "status", "reason"]].tolist() == ["stock", "unknown", "what it held is not known"]


def test_a_maker_of_which_nothing_is_known_is_listed_and_every_row_has_a_reason() -> None:
    g = graph({f"{METAL}@CHN": NAN, f"{METAL}@USA": 7.0}, [], {f"{METAL}@JPN:demand": 3.0})
    rows = {r[0]: r[3:] for r in told(g)}
    assert rows[f"{METAL}@CHN"] == ("unknown", "output withheld; no flow out is listed")
    assert rows[f"{METAL}@USA"] == ("open", "no flow out is listed")
    more = graph({f"{METAL}@CHN": 5.0}, [(f"{METAL}@CHN", f"{METAL}@JPN:demand", 9.0)], {f"{METAL}@JPN:demand": 3.0})
    reasons = ["more leaves than is made", "more comes in than is used and sent"]
    assert more.balance()["reason"].tolist() == reasons


def test_the_atlas_gives_a_reason_for_every_gap_and_lists_an_input_only_where_no_link_brings_it() -> None:
    g = sr.load_atlas()
    rows = g.balance()
    assert rows["reason"].notna().all()
    links = set(zip(g.index.links["buyer"].astype(str), g.index.links["product"].astype(str), strict=True))
    bare = rows[rows["reason"].str.contains("no flow of")]
    assert not any((n, p) in links for n, p in zip(bare["node"], bare["product"], strict=True))
    assert len(bare) <= 5

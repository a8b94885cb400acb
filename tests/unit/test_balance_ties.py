"""Makers of unknown output: no more than what reaches them allows, and of each input what the recipe asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_balance_twice import same

import supplyrisk as sr
from supplyrisk.errors import SchemaError
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows, conflicts, moved

A: dict[str, Any] = {"grade": "assumption", "year": 2024}
STAGES = {"a.mine": "mine", "s.mine": "mine", "b.refined": "refine", "c.metal": "metal"}
HEADINGS = dict(zip(STAGES, ("100000", "150000", "200000", "300000"), strict=True))


def recipe(product: str, needed: str, coefficient: float = 2.0, **more: Any) -> dict[str, Any]:
    row = {"product": product, "input": needed, "process": "std", "coefficient": coefficient}
    return {**row, "input_class": "essential", "grade": "assumption", **more}


def assembled(
    made: list[tuple[str, str, float]], sold: list[tuple[str, str, str, float]], recipes: list[dict[str, Any]]
) -> SupplyGraph:
    """A market of some makers (NaN: of unknown output) and flows; not balanced yet."""
    goods = {"commodity": "x", "chain": "x", "unit": "t", "basis": "gross", "period": "year"}
    rows = [
        {"product": p, "country": c, "quantity": q, "missing": "unknown" if np.isnan(q) else None, **A}
        for p, c, q in made
    ]
    flows = [{"hs6": HEADINGS[p], "origin": o, "destination": d, "quantity": q, **A} for p, o, d, q in sold]
    heads = [{"hs6": h, "product": p, "factor": 1.0, "purity": 1.0} for p, h in HEADINGS.items()]
    return sr.assemble(
        products=pd.DataFrame([{"product": p, "name": p, "stage": s, **goods} for p, s in STAGES.items()]),
        production=pd.DataFrame(rows),
        trade=pd.DataFrame(flows),
        concordance=pd.DataFrame(heads),
        recipes=pd.DataFrame(recipes),
    )


def carried(g: SupplyGraph, **ends: str) -> float:
    rows = g.links
    for side, node in ends.items():
        rows = rows[rows[side] == node]
    return float(rows["quantity"].sum())


def drawn_by_recipe(g: SupplyGraph) -> bool:
    """Whether every maker of unknown output draws recipe times what it sends, of each input without alternative."""
    told = set(g.gaps.loc[g.gaps["what"] == "draw", "where"])
    nodes = g.nodes[(g.nodes["kind"] == "producer") & g.nodes["output"].isna() & ~g.nodes["node"].isin(told)]
    for row in g.tables["recipes"].to_dict("records"):
        for node in nodes.loc[nodes["product"] == row["product"], "node"]:
            into = g.links[(g.links["buyer"] == node) & (g.links["product"] == row["input"])]
            need = row["coefficient"] * carried(g, supplier=node)
            if len(into) and abs(into["quantity"].sum() - need) > 2e-3 * need + 1e-6:
                return False
    return True


def japan(exports: float = 40.0, *more: tuple[str, str, float]) -> SupplyGraph:
    """Japan refines an unknown amount of the 100 t that it is known to get, two for one, and exports some of it."""
    made = [("a.mine", "AUS", 100.0), ("b.refined", "JPN", np.nan), ("b.refined", "CHN", 200.0), *more]
    sold = [("a.mine", "AUS", "JPN", 100.0), ("b.refined", "JPN", "USA", exports), ("b.refined", "CHN", "USA", 40.0)]
    return assembled(made, sold, [recipe("b.refined", "a.mine")])


def test_a_maker_of_unknown_output_makes_no_more_than_its_inputs_allow() -> None:
    g = balance_flows(japan())
    home = g.links[(g.links["supplier"] == "b.refined@JPN") & (g.links["buyer"] == "b.refined@JPN:demand")].iloc[0]
    assert 0 <= home["quantity"] <= 10 + 1e-6
    assert carried(g, buyer="b.refined@JPN") == pytest.approx(2 * (40 + home["quantity"]), rel=1e-3)
    # By the intervals of the two flows: 150 / 2 less 20.
    assert home["high"] == pytest.approx(55.0)
    node = g.nodes.set_index("node").loc["b.refined@JPN"]
    assert np.isnan(node["output"])
    assert node["output_high"] == pytest.approx(75.0)
    assert not (g.gaps["what"] == "draw").any()
    two = balance_flows(g)
    same(g, two)
    assert moved(g, two).empty


def test_what_its_exports_need_comes_of_an_unknown_supplier_as_for_a_known_output() -> None:
    g = balance_flows(japan(80.0))
    assert carried(g, supplier="a.mine@ROW", buyer="a.mine@JPN:demand") >= 60 - 1e-3
    assert drawn_by_recipe(g)
    same(g, balance_flows(g))


def test_what_no_flows_can_mend_is_a_row_of_gaps() -> None:
    g = balance_flows(assembled(
        [("a.mine", "AUS", 100.0), ("a.mine", "WLD", 100.0), ("b.refined", "JPN", np.nan)],
        [("a.mine", "AUS", "JPN", 100.0), ("b.refined", "JPN", "USA", 80.0)],
        [recipe("b.refined", "a.mine")],
    ))  # fmt: skip
    told = g.gaps[g.gaps["what"] == "draw"]
    assert told[["product", "where"]].values.tolist() == [["a.mine", "b.refined@JPN"]]
    assert "asks for 160" in told["note"].iloc[0]
    assert float(told["note"].iloc[0].rpartition(" ")[2]) == pytest.approx(100.0, rel=1e-3)
    assert carried(g, supplier="b.refined@JPN") == pytest.approx(80.0, rel=1e-3)
    same(g, balance_flows(g))


def test_makers_share_what_there_is_of_an_input() -> None:
    """Two makers in one country get one pool: together no more than it has, and neither is left out."""
    made = [("a.mine", "AUS", 100.0), ("b.refined", "JPN", np.nan), ("c.metal", "JPN", np.nan)]
    sold = [("a.mine", "AUS", "JPN", 100.0), ("b.refined", "JPN", "USA", 10.0), ("c.metal", "JPN", "USA", 10.0)]
    g = balance_flows(assembled(made, sold, [recipe("b.refined", "a.mine"), recipe("c.metal", "a.mine", 1.0)]))
    assert drawn_by_recipe(g)
    assert 2 * carried(g, supplier="b.refined@JPN") + carried(g, supplier="c.metal@JPN") <= 100.1
    assert min(carried(g, supplier=f"{p}@JPN") for p in ("b.refined", "c.metal")) >= 10 - 1e-6
    same(g, balance_flows(g))


def test_alternatives_count_together() -> None:
    made = [("a.mine", "AUS", 60.0), ("s.mine", "CHL", 20.0), ("b.refined", "JPN", np.nan)]
    sold = [("a.mine", "AUS", "JPN", 60.0), ("s.mine", "CHL", "JPN", 20.0), ("b.refined", "JPN", "USA", 35.0)]
    either = [recipe("b.refined", "a.mine", substitute_group="ore"), recipe("b.refined", "s.mine", 1.0, substitute_group="ore")]  # fmt: skip
    g = balance_flows(assembled(made, sold, either))
    out = carried(g, supplier="b.refined@JPN")
    a, s = (carried(g, buyer="b.refined@JPN", product=p) for p in ("a.mine", "s.mine"))
    assert 35 - 1e-6 <= out <= 50.05  # 60 / 2 + 20 / 1
    assert a / 2 + s >= out * (1 - 2e-3)
    assert not (g.gaps["what"] == "draw").any()
    same(g, balance_flows(g))


def test_a_recipe_with_bounds_bounds_the_output_by_its_lower_end() -> None:
    some = [recipe("b.refined", "a.mine", low=1.5, high=2.5)]
    g = balance_flows(assembled(
        [("a.mine", "AUS", 100.0), ("b.refined", "JPN", np.nan)],
        [("a.mine", "AUS", "JPN", 100.0), ("b.refined", "JPN", "USA", 40.0)], some,
    ))  # fmt: skip
    assert g.nodes.set_index("node").loc["b.refined@JPN", "output_high"] == pytest.approx(100.0)  # 150 / 1.5


@pytest.mark.parametrize("seed", range(12))
def test_random_chains_hold_their_recipes(seed: int) -> None:
    rng = np.random.default_rng([seed, 71])
    places = ["CHN", "USA", "JPN", "DEU", "AUS", "CHL", "KOR"]
    made, sold = [], []
    for p, scale in (("a.mine", 1000.0), ("b.refined", 450.0), ("c.metal", 200.0)):
        for c in rng.choice(places[:6], rng.integers(1, 5), replace=False):
            made.append((p, str(c), np.nan if rng.random() < 0.4 else float(rng.integers(0, int(scale)))))
        sold += [
            (p, i, j, float(rng.uniform(0, 0.15 * scale)))
            for i in places
            for j in places
            if i != j and rng.random() < 0.15
        ]
    g = assembled(made, sold, [recipe("b.refined", "a.mine"), recipe("c.metal", "b.refined", 1.5)])
    g = balance_flows(g, conflicts="relax")
    assert drawn_by_recipe(g)
    rows = g.links[g.links["quantity"].notna() & g.links["method"].isin(["balanced", "world_pool"])]
    room = 1e-6 * rows["quantity"] + 1e-9
    assert ((rows["quantity"] <= rows["high"] + room) & (rows["quantity"] >= rows["low"] - room)).all()
    same(g, balance_flows(g, conflicts="relax"), 1e-6)


@pytest.mark.parametrize("balanced", [False, True])
def test_an_exporter_beyond_the_rest_of_a_world_total_is_a_contradiction(balanced: bool) -> None:
    made = [("a.mine", "DEU", 880.0), ("a.mine", "WLD", 900.0)]
    g = assembled(made, [("a.mine", "AUS", "CHL", 200.0), ("a.mine", "DEU", "CHL", 100.0)], [])
    g = balance_flows(g) if balanced else g
    world = g.balance().query("account == 'world'").iloc[0]
    assert world["node"] == "a.mine@ROW"
    assert world["need"] == 900
    assert world["have"] >= 1080
    if balanced:
        told = g.gaps[g.gaps["what"] == "world total"].iloc[0]
        assert "what is sent of a.mine@AUS = 200" in told["note"]
    assert "world total" in conflicts(g)["rule"].iloc[0]
    with pytest.raises(SchemaError, match=r"a\.mine@AUS"):
        balance_flows(g, conflicts="raise")


def test_an_exporter_within_the_rest_is_none() -> None:
    made = [("a.mine", "DEU", 880.0), ("a.mine", "WLD", 900.0)]
    g = assembled(made, [("a.mine", "AUS", "CHL", 15.0), ("a.mine", "DEU", "CHL", 100.0)], [])
    assert not (g.balance()["account"] == "world").any()
    assert not (balance_flows(g).gaps["what"] == "world total").any()


def parts(outputs: list[tuple[str, str, float]], uses: list[tuple[str, str, float]]) -> SupplyGraph:
    """Metal b of CHN and DEU, part c (2 b each) of makers without a figure; sent 100 by DEU and 50 by USA."""
    goods = {"commodity": "x", "chain": "x", "unit": "t", "basis": "gross", "period": "year"}
    stages = {k: STAGES[k] for k in ("b.refined", "c.metal")}
    rows = [
        {"product": p, "country": c, "quantity": q, "missing": "unknown" if np.isnan(q) else None, **A}
        for p, c, q in outputs
    ]
    sold = [("b.refined", "CHN", "USA", 200.0), ("b.refined", "DEU", "USA", 200.0), ("c.metal", "DEU", "JPN", 100.0),
            ("c.metal", "USA", "JPN", 50.0)]  # fmt: skip
    return sr.assemble(
        products=pd.DataFrame([{"product": p, "name": p, "stage": s, **goods} for p, s in stages.items()]),
        production=pd.DataFrame(rows),
        trade=pd.DataFrame([{"hs6": HEADINGS[p], "origin": o, "destination": d, "quantity": q, **A} for p, o, d, q in sold]),
        concordance=pd.DataFrame([{"hs6": h, "product": p, "factor": 1.0, "purity": 1.0} for p, h in HEADINGS.items() if p in stages]),
        recipes=pd.DataFrame([recipe("c.metal", "b.refined")]),
        demand=pd.DataFrame([{"product": p, "country": c, "quantity": q, **A} for p, c, q in uses]) if uses else None,
        balanced=True,
    )  # fmt: skip


METAL = [("b.refined", "CHN", 200.0), ("b.refined", "DEU", 500.0), ("b.refined", "WLD", 700.0)]
MAKERS = [("c.metal", "DEU", np.nan), ("c.metal", "USA", np.nan)]
PART_USES = [("c.metal", "USA", 100.0), ("c.metal", "JPN", 150.0)]
METAL_USES = [("b.refined", "USA", 400.0), ("b.refined", "DEU", 300.0)]


@pytest.mark.parametrize("total", [[], [("c.metal", "WLD", 250.0)]])
def test_a_stated_use_holds_what_makers_of_unknown_output_draw(total: list[tuple[str, str, float]]) -> None:
    g = parts(METAL + MAKERS + total, METAL_USES + PART_USES)
    assert g.gaps[g.gaps["what"] == "draw"].empty
    drawn = {c: carried(g, supplier=f"b.refined@{c}:demand", buyer=f"c.metal@{c}") for c in ("DEU", "USA")}
    made = {c: carried(g, supplier=f"c.metal@{c}") for c in ("DEU", "USA")}
    assert drawn == pytest.approx({c: 2 * q for c, q in made.items()}, rel=2e-3)
    final = g.demand.set_index("node")["quantity"]
    for c, use in (("USA", 400.0), ("DEU", 300.0)):  # the stated use is final use and draws, and no more
        assert final[f"b.refined@{c}:demand"] + drawn[c] == pytest.approx(use, rel=1e-6)
    assert made["USA"] == pytest.approx(150.0, rel=1e-3)  # who makes what is used is the only one that can
    if total:
        assert made["DEU"] == pytest.approx(100.0, rel=1e-3)
    assert moved(parts(METAL + MAKERS + total, METAL_USES + PART_USES), g).empty
    same(g, balance_flows(g), 1e-6)


def test_makers_that_share_the_rest_of_a_total_draw_what_their_recipe_asks() -> None:
    g = parts([*METAL, *MAKERS, ("c.metal", "WLD", 250.0)], PART_USES)
    assert g.gaps[g.gaps["what"] == "draw"].empty
    assert g.balance().empty
    assert carried(g, buyer="c.metal@DEU") == pytest.approx(200.0, rel=2e-3)
    assert carried(g, buyer="c.metal@USA") == pytest.approx(300.0, rel=2e-3)
    same(g, balance_flows(g), 1e-6)


def test_nothing_is_supplied_for_a_use_that_nobody_states() -> None:
    g = parts([*METAL[:2], *MAKERS, ("c.metal", "WLD", 250.0)], METAL_USES + PART_USES)
    assert carried(g, supplier="b.refined@ROW") < 1e-2


def test_an_ensemble_draws_final_use_with_its_accounts() -> None:
    g = parts([*METAL[:2], *MAKERS], METAL_USES + PART_USES)
    for member in balance_flows(g, ensemble=4, seed=1):
        final = member.demand.set_index("node")["quantity"]
        for c, use in (("USA", 400.0), ("DEU", 300.0)):
            out = carried(member, supplier=f"b.refined@{c}:demand")
            assert final[f"b.refined@{c}:demand"] + out == pytest.approx(use, rel=1e-6)


def test_a_use_that_was_edited_stands_for_itself() -> None:
    g = parts([*METAL[:2], *MAKERS], METAL_USES + PART_USES)
    d = g.table("demand")
    d.loc[d["node"] == "b.refined@DEU:demand", "quantity"] = 30.0
    again = balance_flows(g.replace("edited", demand=d))
    assert again.demand.set_index("node")["quantity"]["b.refined@DEU:demand"] == pytest.approx(30.0, rel=0.021)

"""The rationing engine: worked numbers by hand, and the laws over random graphs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.schema import TABLES, parse_node_id
from supplyrisk.shocks import export_ban, export_licence, simulate
from tests.graphs import SOURCE, graphs

STAGE = {"gallium.refined": "refine", "germanium.refined": "refine", "gaas.wafer": "wafer", "rf.device": "device"}
FLOWS = {
    ("gallium.refined@CHN", "gallium.refined@CHN:demand"): 100.0,
    ("gallium.refined@CHN", "gallium.refined@JPN:demand"): 60.0,
    ("gallium.refined@CHN", "gallium.refined@KOR:demand"): 30.0,
    ("gallium.refined@CAN", "gallium.refined@JPN:demand"): 40.0,
    ("gallium.refined@JPN:demand", "gaas.wafer@JPN"): 80.0,
    ("germanium.refined@CHN", "germanium.refined@JPN:demand"): 10.0,
    ("germanium.refined@JPN:demand", "gaas.wafer@JPN"): 10.0,
    ("gaas.wafer@JPN", "gaas.wafer@JPN:demand"): 1000.0,
    ("gaas.wafer@JPN:demand", "rf.device@JPN"): 1000.0,
    ("rf.device@JPN", "rf.device@USA:demand"): 500.0,
}
USE = {"gallium.refined@JPN:demand": 20.0, "gallium.refined@KOR:demand": 30.0, "rf.device@USA:demand": 500.0}
RECIPES = (
    ("gaas.wafer", "gallium.refined", "essential", None),
    ("gaas.wafer", "germanium.refined", "minor", None),
    ("rf.device", "gaas.wafer", "essential", None),
)


def build(flows=FLOWS, use=USE, recipes=RECIPES, **kw) -> SupplyGraph:
    """A graph from flows by (supplier, buyer); the supplier's product is what is sent. A flow of None is unknown."""
    ids = sorted({n for pair in flows for n in pair} | set(use))
    made: dict[str, float] = {}
    for (s, _), q in flows.items():
        made[s] = made.get(s, 0.0) + (q or 0.0)
    nodes = []
    for n in ids:
        p, c, _, kind = parse_node_id(n)
        row = {"node": n, "product": p, "country": c, "kind": kind, "year": 2024}
        if kind == "producer":
            row |= {"output": made.get(n, 1.0), "output_source": "made", "output_grade": "A"}
        nodes.append(row)
    links = [
        {"supplier": s, "buyer": b, "product": s.split("@")[0], "year": 2024, "method": "observed", "quantity": q}
        | ({"source": "made", "grade": "A"} if q is not None else {"missing": "unknown"})
        for (s, b), q in flows.items()
    ]
    products = sorted({n["product"] for n in nodes} | {r[0] for r in recipes} | {r[1] for r in recipes})
    prices = kw.pop("prices", {})
    return SupplyGraph.from_tables(
        products=pd.DataFrame(
            [
                {
                    "product": p,
                    "name": p,
                    "commodity": p.split(".")[0],
                    "chain": "rf",
                    "stage": STAGE.get(p, "chemical"),
                    "unit": "kg",
                    "basis": "contained",
                    "period": "year",
                    "price": prices.get(p),
                    "price_grade": "assumption" if p in prices else None,
                }
                for p in products
            ]
        ),
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(links),
        demand=pd.DataFrame(
            [
                {"node": n, "use": "total", "year": 2024, "quantity": q, "source": "made", "grade": "A"}
                for n, q in use.items()
            ]
        ),
        recipes=pd.DataFrame(
            [
                {
                    "product": p,
                    "input": k,
                    "process": "main",
                    "input_class": c,
                    "substitute_group": g,
                    "coefficient": 1.0,
                    "source": "made",
                    "grade": "A",
                }
                for p, k, c, g in recipes
            ]
        )
        if recipes
        else TABLES["recipes"].empty(),
        sources=SOURCE,
        **kw,
    )


def loss(hit, node):
    return float(hit.unmet.set_index("node").loc[node, "unmet_share"])


BAN = export_ban("CHN", product="gallium.refined", to="JPN")


def test_a_ban_travels_down_the_chain():
    hit = simulate(build(), BAN)
    for node in ("gallium.refined@JPN:demand", "gaas.wafer@JPN", "rf.device@JPN", "rf.device@USA:demand"):
        assert loss(hit, node) == pytest.approx(0.6, abs=1e-12)
    assert loss(hit, "gallium.refined@KOR:demand") == 0.0
    row = hit.unmet.set_index("node").loc["rf.device@USA:demand"]
    assert (row["demand"], row["unmet"]) == (500.0, pytest.approx(300.0))
    assert row["low"] < row["unmet_share"] < row["high"]  # the shares of the two suppliers are known within grade A
    assert row["unit"] == "kg/year"


def test_the_path_of_the_shock_is_printed():
    path = simulate(build(), BAN).transmission("rf.device@USA:demand")
    assert path["product"].tolist() == ["gallium.refined", "gallium.refined", "gaas.wafer", "gaas.wafer", "rf.device"]
    assert path["supplier"].iloc[0] == "gallium.refined@CHN"
    assert path["buyer"].iloc[-1] == "rf.device@USA:demand"
    assert path["cut"].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert simulate(build(), BAN).transmission("gallium.refined@KOR:demand").empty
    with pytest.raises(UnknownNameError, match=r"rf\.device@USA:demand"):
        simulate(build(), BAN).transmission("rf.device@USA:demnd")


def test_minor_inputs_never_bind_and_essential_ones_do():
    ban = export_ban("CHN", product="germanium.refined", to="JPN")
    hit = simulate(build(), ban)
    assert loss(hit, "germanium.refined@JPN:demand") == 1.0
    assert loss(hit, "gaas.wafer@JPN") == 0.0
    essential = [RECIPES[0], ("gaas.wafer", "germanium.refined", "essential", None), RECIPES[2]]
    assert loss(simulate(build(recipes=essential), ban), "rf.device@USA:demand") == 1.0


def test_alternatives_count_as_the_best_of_them_with_the_worst_as_high_bound():
    either = [("gaas.wafer", k, "essential", "metal") for k in ("gallium.refined", "germanium.refined")]
    hit = simulate(build(recipes=either), export_ban("CHN", product=["gallium.refined", "germanium.refined"], to="JPN"))
    row = hit.unmet.set_index("node").loc["gaas.wafer@JPN"]
    assert row["unmet_share"] == pytest.approx(0.6)
    assert row["high"] == 1.0


def test_important_inputs_bind_by_their_part_of_the_input_value():
    soft = [
        ("gaas.wafer", "gallium.refined", "important", None),
        ("gaas.wafer", "germanium.refined", "essential", None),
    ]
    equal = simulate(build(recipes=soft), BAN)
    assert loss(equal, "gaas.wafer@JPN") == pytest.approx(0.3)  # half of the inputs' value, assumed
    assert any("weigh equally" in n for n in equal.notes)
    priced = simulate(build(recipes=soft, prices={"gallium.refined": 3.0, "germanium.refined": 1.0}), BAN)
    assert loss(priced, "gaas.wafer@JPN") == pytest.approx(0.75 * 0.6)
    assert not any("weigh equally" in n for n in priced.notes)


def test_an_input_without_a_recipe_counts_but_the_low_bound_ignores_it():
    hit = simulate(build(recipes=[]), BAN)
    row = hit.unmet.set_index("node").loc["gaas.wafer@JPN"]
    assert (row["unmet_share"], row["low"]) == (pytest.approx(0.6), 0.0)
    assert any("without a recipe" in n for n in hit.notes)


def test_an_essential_input_that_no_link_brings_shows_in_the_high_bound_only():
    flows = {k: v for k, v in FLOWS.items() if k != ("gallium.refined@JPN:demand", "gaas.wafer@JPN")}
    row = simulate(build(flows), BAN).unmet.set_index("node").loc["gaas.wafer@JPN"]
    assert (row["low"], row["unmet_share"], row["high"]) == (0.0, 0.0, 1.0)


def test_unknown_flows_take_any_split_in_the_bounds():
    flows = {
        ("gallium.refined@CHN", "gallium.refined@JPN:demand"): None,
        ("gallium.refined@CAN", "gallium.refined@JPN:demand"): None,
    }
    row = simulate(build(flows, {}, []), BAN).unmet.set_index("node").loc["gallium.refined@JPN:demand"]
    assert (row["low"], row["unmet_share"], row["high"]) == (0.0, 0.5, 1.0)
    assert np.isnan(row["unmet"])
    assert row["reason"]
    flows[("gallium.refined@CAN", "gallium.refined@JPN:demand")] = 40.0
    row = simulate(build(flows, {}, []), BAN).unmet.set_index("node").loc["gallium.refined@JPN:demand"]
    assert (row["low"], row["high"]) == (0.0, 1.0)


def test_bounds_match_brute_force_over_the_shares():
    g = build()
    row = simulate(g, BAN).unmet.set_index("node").loc["gallium.refined@JPN:demand"]
    ix = g.index
    at = ix.dst == ix.code("gallium.refined@JPN:demand")
    lo, hi = ix.low[at], ix.high[at]
    cut = np.array([float("CHN" in s) for s in ix.links["supplier"][at]])
    ends = [q @ cut / q.sum() for a in (lo[0], hi[0]) for b in (lo[1], hi[1]) for q in [np.array([a, b])]]
    assert (row["low"], row["high"]) == (pytest.approx(min(ends)), pytest.approx(max(ends)))


def test_cycles_converge():
    flows = {
        ("gallium.refined@CHN", "gallium.refined@JPN:demand"): 50.0,
        ("gallium.refined@JPN:demand", "gallium.refined@KOR:demand"): 50.0,
        ("gallium.refined@KOR:demand", "gallium.refined@JPN:demand"): 50.0,
    }
    hit = simulate(build(flows, {}, []), export_ban("CHN", product="gallium.refined", severity=0.5))
    # x = (0.5 + x) / 2 in the ring, so both pools end at what their only source delivers.
    assert loss(hit, "gallium.refined@KOR:demand") == pytest.approx(0.5, abs=1e-10)


def test_third_countries_may_resell():
    g = build()
    plain, resold = simulate(g, BAN), simulate(g, BAN, resale=True)
    # 60 kg are cut; Korea may take in as much again as it takes today, 30 kg, and pass all of it on.
    assert loss(resold, "gallium.refined@JPN:demand") == pytest.approx(0.3)
    assert loss(resold, "rf.device@USA:demand") < loss(plain, "rf.device@USA:demand")
    after = resold.graph.index.links.set_index(["supplier", "buyer"])["quantity"]
    assert after[("gallium.refined@CHN", "gallium.refined@JPN:demand")] == 0.0
    assert after[("gallium.refined@CHN", "gallium.refined@KOR:demand")] == pytest.approx(60.0)
    assert after[("gallium.refined@KOR:demand", "gallium.refined@JPN:demand")] == pytest.approx(30.0)
    assert resold.resold["quantity"].tolist() == [pytest.approx(30.0)]
    assert resold.graph.validate().empty
    # The high bound leaves resale out; a ban on everyone leaves no third country.
    high = resold.unmet.set_index("node").loc["gallium.refined@JPN:demand", "high"]
    assert high == plain.unmet.set_index("node").loc["gallium.refined@JPN:demand", "high"]
    everyone = export_ban("CHN", product="gallium.refined")
    assert loss(simulate(g, everyone, resale=True), "gallium.refined@JPN:demand") == pytest.approx(0.6)


def test_the_world_pool_is_cut_by_the_actors_part():
    flows = {
        ("gallium.refined@CHN", "gallium.refined@WLD:demand"): 75.0,
        ("gallium.refined@CAN", "gallium.refined@WLD:demand"): 25.0,
        ("gallium.refined@WLD:demand", "gallium.refined@JPN:demand"): 10.0,
        ("gallium.refined@WLD:demand", "gallium.refined@KOR:demand"): 90.0,
    }
    g = build(flows, {}, [])
    one = simulate(g, BAN).unmet.set_index("node")
    assert one.loc["gallium.refined@JPN:demand", "unmet_share"] == pytest.approx(0.75)
    assert (one.loc["gallium.refined@JPN:demand", ["low", "high"]] == [0.0, 1.0]).all()
    assert one.loc["gallium.refined@KOR:demand", "unmet_share"] == 0.0
    every = simulate(g, export_ban("CHN", product="gallium.refined")).unmet.set_index("node")
    assert every.loc["gallium.refined@KOR:demand", "unmet_share"] == pytest.approx(0.75)


def test_what_the_actor_may_use_itself_is_not_counted_as_lost():
    flows = {
        ("gallium.refined@CHN", "gallium.refined@WLD:demand"): 90.0,
        ("gallium.refined@CAN", "gallium.refined@WLD:demand"): 10.0,
        ("gallium.refined@WLD:demand", "gaas.wafer@ROW"): 30.0,
        ("gaas.wafer@ROW", "gaas.wafer@WLD:demand"): 5.0,
    }
    ban = export_ban("CHN", product="gallium.refined")
    recipes, use = [RECIPES[0]], {"gallium.refined@WLD:demand": 70.0}
    hit = simulate(build(flows, use, recipes), ban)
    u = hit.unmet.set_index("node")
    # Anonymous use may be the actor's own: high bound only. The wafer maker is abroad, or is the actor: low bound 0.
    assert u.loc["gallium.refined@WLD:demand", "unmet_share"] == 0.0
    assert u.loc["gallium.refined@WLD:demand", "high"] >= 0.9
    assert u.loc["gaas.wafer@ROW", ["low", "unmet_share", "high"]].tolist() == [0.0, pytest.approx(0.9), 1.0]
    assert any("use at home" in n for n in hit.notes)
    # Where the actor itself draws on that maker, the maker may be the actor.
    draws = flows | {("gaas.wafer@WLD:demand", "rf.device@CHN"): 5.0}
    hit = simulate(build(draws, use, RECIPES), ban)
    assert loss(hit, "gaas.wafer@ROW") == loss(hit, "rf.device@CHN") == 0.0
    assert hit.unmet.set_index("node").loc["gaas.wafer@ROW", "high"] == 1.0
    assert any("may be itself" in n for n in hit.notes)
    # Where use at home is recorded apart, what goes to the world pool is export.
    home = flows | {("gallium.refined@CHN", "gallium.refined@CHN:demand"): 50.0}
    assert loss(simulate(build(home, use, recipes), ban), "gallium.refined@WLD:demand") == pytest.approx(0.9)


def test_the_path_goes_through_the_input_that_binds():
    flows = {
        **FLOWS,
        ("gallium.refined@CHN", "gallium.refined@JPN:demand"): 10.0,
        ("gallium.refined@CAN", "gallium.refined@JPN:demand"): 90.0,
    }
    both = [RECIPES[0], ("gaas.wafer", "germanium.refined", "important", None), RECIPES[2]]
    ban = export_ban("CHN", product=["gallium.refined", "germanium.refined"], to="JPN")
    path = simulate(build(flows, recipes=both), ban).transmission("gaas.wafer@JPN")
    assert loss(simulate(build(flows, recipes=both), ban), "gaas.wafer@JPN") == pytest.approx(0.5)
    assert path["product"].tolist() == ["germanium.refined", "germanium.refined"]


def test_groups_summary_and_html():
    hit = simulate(build(), BAN)
    by = hit.by("buyer").set_index("buyer")
    assert by.loc["USA", "unmet"] == pytest.approx(300.0)
    assert np.isnan(by.loc["JPN", "unmet"])  # products do not add up
    assert hit.by(["chain", "stage"])["worst"].notna().all()
    with pytest.raises(UnknownNameError, match="buyer"):
        hit.by("byer")
    assert "export_ban('CHN', product='gallium.refined', to='JPN')" in hit.summary()
    assert "60.0% unmet" in hit.summary()
    assert "<table" in hit._repr_html_()
    assert "short" in repr(hit)


def test_unknown_engine_day_and_things_that_are_no_measure():
    g = build()
    with pytest.raises(UnknownNameError, match="rationing"):
        simulate(g, BAN, engine="rationng")
    with pytest.raises(SchemaError, match="ISO date"):
        simulate(g, BAN, at="next week")
    with pytest.raises(SchemaError) as err:
        simulate(g, [export_ban("CHN", product="galium.refined"), "ban", export_ban("CHN", product="rf.devic")])
    assert len(err.value.problems) == 3


def test_dates_matter_with_a_day():
    g = build()
    ban = export_ban("CHN", product="gallium.refined", to="JPN", start="2026-01", months=12)
    assert loss(simulate(g, ban, at="2026-06"), "gallium.refined@JPN:demand") == pytest.approx(0.6)
    late = simulate(g, ban, at="2027-01-01")
    assert loss(late, "gallium.refined@JPN:demand") == 0.0
    assert any("does not bind" in n for n in late.notes)


# ------------------------------------------------------------------------------------------------------ the laws


# Every example builds and validates a graph or more; the thorough profile draws many.
FEW = settings(max_examples=max(5, settings.default.max_examples // 3))


def drawn(g: SupplyGraph):
    """Links out of China of some product, or None."""
    ix = g.index
    out = ix.links["supplier"].str.contains("@CHN") & ~ix.links["buyer"].str.contains("@CHN")
    return sorted(set(ix.links.loc[out, "product"].astype(str)))


@FEW
@given(graphs())
def test_no_shock_returns_the_baseline_exactly(g):
    for measures in ([], [export_ban("CHN", product=p, severity=0.0) for p in drawn(g)]):
        hit = simulate(g, measures)
        for name in (t for t in TABLES if len(g.tables[t])):
            pd.testing.assert_frame_equal(hit.graph.tables[name], g.tables[name])
        assert hit.graph.fingerprint == g.fingerprint
        assert (hit.unmet["high"] == 0.0).all()


@FEW
@given(graphs(), st.floats(0, 1), st.floats(0, 1))
def test_a_stronger_measure_never_helps_and_bounds_hold(g, a, b):
    weak, strong = sorted((a, b))
    for p in drawn(g)[:1]:
        one = simulate(g, export_ban("CHN", product=p, severity=weak)).unmet
        two = simulate(g, export_ban("CHN", product=p, severity=strong)).unmet
        for column in ("unmet_share", "low", "high"):
            assert (two[column] >= one[column] - 1e-12).all()
        for f in (one, two):
            assert ((f["low"] <= f["unmet_share"]) & (f["unmet_share"] <= f["high"])).all()
            assert f["high"].le(1.0).all()
            assert f["low"].ge(0.0).all()


@FEW
@given(graphs(), st.booleans())
def test_mass_balances_before_and_after(g, resale):
    goods = drawn(g)
    if not goods:
        return
    hit = (
        simulate(g, export_ban("CHN", product=goods, to=["JPN", "HKG"], severity=0.7), resale=resale)
        if any(
            ("@JPN" in b or "@HKG" in b) and "@CHN" in s and p in goods
            for s, b, p in zip(g.links["supplier"], g.links["buyer"], g.links["product"], strict=True)
        )
        else simulate(g, export_ban("CHN", product=goods, severity=0.7), resale=resale)
    )
    u = hit.unmet
    np.testing.assert_allclose((u["supplied"] + u["unmet"]).to_numpy(), u["demand"].to_numpy(), rtol=1e-12)

    def accounts(h):
        ix = h.index
        own = ix.nodes["product"].to_numpy()[ix.dst] == ix.links["product"].to_numpy()
        q = np.nan_to_num(ix.quantity)
        made = ix.nodes["kind"].to_numpy() == "producer"
        got = np.where(made, np.nan_to_num(ix.nodes["output"].to_numpy(float)), np.bincount(ix.dst[own], q[own], ix.n))
        return np.bincount(ix.src, q, ix.n) - got

    # What a node sends beyond what it makes or gets is a gap of the data; a shock never widens it.
    assert (accounts(hit.graph) <= np.maximum(accounts(g), 0.0) + 1e-9).all()


@FEW
@given(graphs(), st.randoms())
def test_order_of_rows_and_of_measures_never_matters(g, rnd):
    goods = drawn(g)
    if not goods:
        return
    ms = [export_ban("CHN", product=p, severity=0.4) for p in goods] + [export_licence("CHN", product=goods)]
    base = simulate(g, ms)
    mixed = SupplyGraph.from_tables(
        {k: v.sample(frac=1, random_state=rnd.randint(0, 10**6)) for k, v in g.tables.items()}, as_of=g.as_of
    )
    for other in (simulate(g, ms[::-1]), simulate(mixed, ms)):
        pd.testing.assert_frame_equal(other.unmet, base.unmet)
        pd.testing.assert_frame_equal(other.links, base.links)


def test_disjoint_shocks_commute():
    flows = {
        **FLOWS,
        ("tungsten.apt@CHN", "tungsten.apt@USA:demand"): 8.0,
        ("tungsten.apt@VNM", "tungsten.apt@USA:demand"): 2.0,
    }
    g = build(flows)
    other = export_ban("CHN", product="tungsten.apt", to="USA", severity=0.5)
    joint = simulate(g, [BAN, other])
    one, two = simulate(simulate(g, BAN).graph, other), simulate(simulate(g, other).graph, BAN)
    for t in ("links", "nodes"):
        pd.testing.assert_frame_equal(one.graph.tables[t], two.graph.tables[t])
        pd.testing.assert_frame_equal(one.graph.tables[t], joint.graph.tables[t])
    assert loss(joint, "tungsten.apt@USA:demand") == pytest.approx(0.4)


@FEW
@given(graphs())
def test_the_graph_after_the_shock_is_valid(g):
    goods = drawn(g)
    if goods:
        assert simulate(g, export_ban("CHN", product=goods, severity=(0.1, 0.5, 1.0))).graph.validate().empty

"""The eight laws of the architecture, over the registries: a new metric or measure is tested once it is registered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import supplyrisk as sr
from supplyrisk.graph import SupplyGraph
from supplyrisk.registry import registries
from supplyrisk.schema import VIEWS
from tests.graphs import graphs, make

BYS = ("product", ["product", "buyer"], "link")


def tables(g):
    return {k: v for k, v in g.tables.items() if len(v)}


def agree(a, b, rtol=1e-9):
    pd.testing.assert_frame_equal(a.sort_index(), b.sort_index(), check_exact=False, rtol=rtol, atol=1e-12)


# ---------------------------------------------------------------- 2: order, names, units, unit of account


@settings(max_examples=8)
@given(graphs(), st.sampled_from(VIEWS), st.sampled_from(BYS))
def test_row_order_changes_no_score(g, view, by):
    shuffled = SupplyGraph.from_tables(
        {k: v.sample(frac=1.0, random_state=3) for k, v in tables(g).items()}, name=g.name
    )
    agree(sr.score(shuffled, view=view, by=by, bounds=True), sr.score(g, view=view, by=by, bounds=True), rtol=1e-12)


@settings(max_examples=8)
@given(graphs(), st.sampled_from(VIEWS), st.sampled_from(("kg", "kt")))
def test_the_input_unit_changes_no_score(g, view, unit):
    t = tables(g)
    k = {"kg": 1000.0, "kt": 0.001}[unit]
    nodes = t["nodes"].assign(
        output=t["nodes"]["output"] * k,
        capacity=t["nodes"]["capacity"] * k,
        unit_cost=t["nodes"]["unit_cost"] / k,
        unit=unit,
    )
    links = t["links"].assign(quantity=t["links"]["quantity"] * k, unit=unit)
    demand = t["demand"].assign(quantity=t["demand"]["quantity"] * k, unit=unit)
    h = SupplyGraph.from_tables({**t, "nodes": nodes, "links": links, "demand": demand}, name=g.name)
    agree(sr.score(h, view=view, by="product"), sr.score(g, view=view, by="product"))


@settings(max_examples=6)
@given(graphs(holdings=False))
def test_renaming_firms_and_programmes_changes_no_number(g):
    holdings = pd.DataFrame(
        [
            {
                "asset": n,
                "holder": f"firm {i}",
                "holder_country": "CHN",
                "type": "majority",
                "share": 0.6,
                "portion": 1.0,
                "source": "made",
                "grade": "A",
            }
            for i, n in enumerate(g.index.nodes.query("kind == 'producer'")["node"].head(3))
        ]
    )
    a = g.replace(holdings=holdings)
    b = g.replace(holdings=holdings.assign(holder="renamed " + holdings["holder"]))
    for view in VIEWS:
        pd.testing.assert_frame_equal(sr.score(a, view=view, by="product"), sr.score(b, view=view, by="product"))


# ---------------------------------------------------------------- 3: bounds


@settings(max_examples=10)
@given(graphs(), st.sampled_from(VIEWS), st.sampled_from(BYS))
def test_low_value_high(g, view, by):
    s = sr.score(g, view=view, by=by, bounds=True)
    for column in [c for c in s.columns if c + "_low" in s.columns]:
        v, lo, hi = s[column], s[column + "_low"], s[column + "_high"]
        known = v.notna() & lo.notna() & hi.notna()
        slack = 1e-9 * (1 + v.abs())
        assert (lo[known] <= (v + slack)[known]).all(), column
        assert (v[known] <= (hi + slack)[known]).all(), column


@settings(max_examples=6)
@given(graphs(), st.sampled_from(VIEWS))
def test_ageing_only_widens_scores(g, view):
    young = sr.score(g, view=view, by="product", bounds=True)
    old = sr.score(SupplyGraph(g.tables, g.name, as_of="2033-12-31"), view=view, by="product", bounds=True)
    for column in ("focal_share", "hhi", "cr3"):
        assert (old[f"{column}_low"] <= young[f"{column}_low"] + 1e-9).all()
        assert (old[f"{column}_high"] >= young[f"{column}_high"] - 1e-9).all()


@settings(max_examples=10)
@given(graphs(), st.sampled_from(VIEWS))
def test_metrics_stay_in_their_stated_range(g, view):
    s = sr.score(g, view=view, by="product", bounds=True)
    said = s.attrs["columns"]
    for column in s.columns:
        lo, hi = said[column]["range"] if column in said and "range" in said[column] else (-np.inf, np.inf)
        x = s[column].dropna()
        assert ((x >= lo - 1e-9) & (x <= hi + 1e-9)).all(), (column, lo, hi)


def location_within_origin(g: SupplyGraph, focal: object, by: object) -> None:
    """What stands in the focal depends on it: location <= origin in the value and at both ends."""
    here = sr.score(g, focal, "location", by=by, bounds=True, metrics=["focal_share"]).droplevel("view")
    traced = sr.score(g, focal, "origin", by=by, bounds=True, metrics=["focal_share"]).droplevel("view")
    for column in here.columns:
        over = here[column] > traced[column] + 1e-9
        assert not over.any(), (focal, by, column, here[column][over].head(3))


def with_a_world_pool(g: SupplyGraph, seed: int) -> SupplyGraph:
    """The graph with a pool of the world that some makers feed and some pools draw on."""
    t, rng = tables(g), np.random.default_rng(seed)
    pools = t["nodes"][t["nodes"]["kind"] == "demand"]
    made = t["nodes"][t["nodes"]["kind"] == "producer"]
    rows, links = [], []
    for product, here in made.groupby(made["product"].astype("object")):
        world = f"{product}@WLD:demand"
        rows.append({"node": world, "product": product, "country": "WLD", "kind": "demand", "year": 2024})
        links += [(n, world) for n in here["node"].head(3)]
        links += [(world, n) for n in pools.loc[pools["product"] == product, "node"].head(2)]
    new = pd.DataFrame(rows).reindex(columns=t["nodes"].columns).astype(t["nodes"].dtypes)
    flows = pd.DataFrame(links, columns=["supplier", "buyer"])
    flows = flows.assign(
        product=flows["supplier"].str.partition("@")[0],
        quantity=rng.uniform(1, 20, len(flows)),
        year=2024,
        method="world_pool",
        source="made",
        grade=rng.choice(["A", "C", "D"], len(flows)),
    )
    flows = flows.reindex(columns=t["links"].columns).astype(t["links"].dtypes)
    return SupplyGraph.from_tables(
        {**t, "nodes": pd.concat([t["nodes"], new]), "links": pd.concat([t["links"], flows])}, name=g.name
    )


@settings(max_examples=12)
@given(graphs(), st.sampled_from(("CHN", ("CHN", "IDN"))), st.sampled_from(BYS), st.integers(0, 99))
def test_location_is_never_above_origin(g, focal, by, seed):
    location_within_origin(g, focal, by)
    location_within_origin(with_a_world_pool(g, seed), focal, by)


@pytest.mark.parametrize("focal", ["CHN", "USA", "IDN", ("CHN", "RUS")])
def test_location_is_never_above_origin_on_the_atlas(focal):
    for by in (*BYS, ["product", "coalition"]):
        location_within_origin(sr.load_atlas(), focal, by)


# ---------------------------------------------------------------- 4: what the policy was made to change


def test_moving_a_plant_abroad_leaves_control_and_lowers_location():
    g = make(11, products=1, countries=6, holdings=False, loops=False)
    t = tables(g)
    plant = "x0.form@CHN"
    nodes, links = t["nodes"], t["links"]
    if plant not in set(nodes["node"]):
        pytest.fail("the made graph has no plant in CHN: choose another seed")
    moved = "x0.form@IDN#moved"
    n2 = nodes.copy()
    hit = n2["node"] == plant
    n2.loc[hit, ["node", "country", "site"]] = [moved, "IDN", "moved"]
    l2 = links.assign(supplier=links["supplier"].mask(links["supplier"] == plant, moved))
    held = {
        "holder": "group",
        "holder_country": "CHN",
        "type": "majority",
        "share": 1.0,
        "portion": 1.0,
        "source": "made",
        "grade": "A",
    }
    at_home = SupplyGraph.from_tables({**t, "holdings": pd.DataFrame([{"asset": plant, **held}])})
    abroad = SupplyGraph.from_tables(
        {**t, "nodes": n2, "links": l2, "holdings": pd.DataFrame([{"asset": moved, **held}])}
    )

    def share(h, view):
        return sr.score(h, view=view, by="product")["focal_share"].iloc[0]

    assert share(abroad, "control") == pytest.approx(share(at_home, "control"), abs=1e-12)
    assert share(abroad, "location") < share(at_home, "location") - 0.01
    assert share(at_home, "location") == pytest.approx(share(at_home, "control"), abs=1e-12)


# ---------------------------------------------------------------- 5: shocks


def unmet(g, *measures):
    """Part of each node that is lost; stated for every node, where the amount may be unknown."""
    return sr.simulate(g, list(measures)).unmet.set_index("node")["unmet_share"].sort_index()


@settings(max_examples=8)
@given(graphs())
def test_zero_shock_is_the_baseline(g):
    hit = sr.simulate(g, [])
    assert hit.unmet["unmet"].fillna(0.0).abs().max() == 0.0
    for name, frame in g.tables.items():
        pd.testing.assert_frame_equal(hit.graph.tables[name], frame)


def bans(g):
    """Every product that China sends abroad."""
    links = g.index.links
    sent = links["supplier"].str.contains("@CHN") & ~links["buyer"].str.contains("@CHN")
    return sorted(set(links.loc[sent, "product"]))


@settings(max_examples=8)
@given(graphs(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_stronger_measure_never_helps_its_victim(g, a, b):
    weak, strong = sorted((round(a, 6), round(b, 6)))
    for p in bans(g)[:1]:
        lo, hi = (unmet(g, sr.export_ban("CHN", product=p, severity=s)) for s in (weak, strong))
        assert (hi >= lo - 1e-9).all()


@settings(max_examples=8)
@given(graphs())
def test_disjoint_shocks_commute(g):
    products = bans(g)
    if len(products) < 2:
        return
    a, b = (sr.export_ban("CHN", product=p) for p in products[:2])
    pd.testing.assert_series_equal(unmet(g, a, b), unmet(g, b, a))


# ---------------------------------------------------------------- 1, 7: registries and seeds


def test_no_registered_metric_reads_missing_as_safe():
    for entry in registries["metric"]:
        assert entry.meta["unit"], entry.name
        assert entry.meta["reference"], entry.name


@settings(max_examples=4)
@given(graphs(), st.integers(0, 1000))
def test_the_same_seed_gives_the_same_bits(g, seed):
    a = sr.score(g, by="product", samples=50, seed=seed)
    b = sr.score(g, by="product", samples=50, seed=seed)
    pd.testing.assert_frame_equal(a, b, check_exact=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda g: sr.score(g, focal="CHM"),
        lambda g: sr.score(g, view="controll"),
        lambda g: sr.score(g, by="prodct"),
        lambda g: sr.score(g, metrics=["hhhi"]),
        lambda g: sr.simulate(g, [sr.export_ban("CHN", product="x0.frm")]),
        lambda g: sr.score(g, by=["product", "coalition"], coalition="MPS"),
    ],
)
def test_a_name_that_matches_nothing_raises(call):
    with pytest.raises(sr.errors.UnknownNameError):
        call(make(1))

"""Who may be behind a draw on the world pool, and pools whose inflow is uncertain, in every view."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import control
from supplyrisk.drawing import draws_of

SOURCE = "s"
VIEWS = ("location", "equity", "control", "origin")


def market(makers, links, holdings=True):
    """Makers as country: (output, low, high), and links as (supplier, buyer, quantity, low, high, method)."""
    products = pd.DataFrame(
        [
            {
                "product": "x",
                "name": "X",
                "commodity": "x",
                "chain": "x",
                "stage": "mine",
                "unit": "t",
                "basis": "gross",
                "period": "year",
            }
        ]
    )
    nodes = [
        {
            "node": f"x@{c}",
            "country": c,
            "kind": "producer",
            "output": q,
            "output_low": a,
            "output_high": b,
            "output_grade": "A",
        }
        | {"output_source": SOURCE}
        for c, (q, a, b) in makers.items()
    ]
    pools = sorted({n for s, b, *_ in links for n in (s, b) if n.endswith(":demand")})
    nodes += [{"node": n, "country": n[2:5], "kind": "demand"} for n in pools]
    held = [
        {
            "asset": f"x@{c}",
            "part": "",
            "portion": 1.0,
            "holder": f"Firm {c}",
            "holder_country": c,
            "type": "equity",
            "share": 1.0,
        }
        | {"grade": "A", "source": SOURCE}
        for c in makers
    ]
    return sr.SupplyGraph.from_tables(
        products=products,
        nodes=pd.DataFrame(nodes).assign(product="x", year=2024),
        links=pd.DataFrame(
            [
                {
                    "supplier": s,
                    "buyer": b,
                    "product": "x",
                    "year": 2024,
                    "quantity": q,
                    "low": a,
                    "high": z,
                    "method": m,
                    "grade": "A",
                }
                | {"source": SOURCE}
                for s, b, q, a, z, m in links
            ]
        ),
        holdings=pd.DataFrame(held) if holdings else None,
        sources=pd.DataFrame([{"source": SOURCE, "title": "T", "licence": "public", "licence_class": "facts"}]),
    )


def japan(graph, view, *columns):
    frame = sr.score(graph, by=["product", "buyer"], view=view, bounds=True)
    return frame.xs("JPN", level="buyer").iloc[0][list(columns)].tolist()


W, J = "x@WLD:demand", "x@JPN:demand"


@pytest.mark.parametrize("view", VIEWS)
def test_flows_into_a_pool_widen_every_view(view):
    made = {"CHN": (90.0, 60.0, 120.0), "AUS": (10.0, 5.0, 15.0)}
    links = [("x@CHN", W, 90.0, 60.0, 120.0, "observed"), ("x@AUS", W, 10.0, 5.0, 15.0, "observed")]
    g = market(made, [*links, (W, J, 50.0, 50.0, 50.0, "observed")])
    value, low, high = japan(g, view, "focal_share", "focal_share_low", "focal_share_high")
    # CHN 60 of 75 at least, 120 of 125 at most.
    assert (value, low, high) == pytest.approx((0.9, 0.8, 0.96))
    pool = control.effective_control(g).set_index("node").loc[W]
    for rule in ("equity", "majority", "aggregate", "creditor"):
        assert pool[f"{rule}_low"] <= 0.8 + 1e-9
        assert pool[f"{rule}_high"] >= 0.96 - 1e-9


@pytest.mark.parametrize("view", VIEWS)
def test_a_presumed_draw_may_be_any_makers(view):
    made = {"CHN": (90.0, 90.0, 90.0), "AUS": (10.0, 10.0, 10.0)}
    feed = [("x@CHN", W, 90.0, 90.0, 90.0, "world_pool"), ("x@AUS", W, 10.0, 10.0, 10.0, "world_pool")]
    small = market(made, [*feed, (W, J, 8.0, 8.0, 8.0, "world_pool")])
    assert japan(small, view, "focal_share", "focal_share_low", "focal_share_high") == pytest.approx([0.9, 0.0, 1.0])
    # Of 40 t no more than 10 can be another's.
    large = market(made, [*feed, (W, J, 40.0, 40.0, 40.0, "world_pool")])
    assert japan(large, view, "focal_share", "focal_share_low", "focal_share_high") == pytest.approx([0.9, 0.75, 1.0])
    low, high = japan(large, view, "hhi_low", "hhi_high")
    assert low <= 0.75**2 + 0.25**2
    assert high == pytest.approx(1.0)


def test_a_maker_whose_sales_are_on_record_has_less_left():
    made = {"CHN": (90.0, 90.0, 90.0), "AUS": (10.0, 10.0, 10.0)}
    links = [
        ("x@CHN", W, 90.0, 90.0, 90.0, "world_pool"),
        ("x@AUS", "x@USA:demand", 6.0, 6.0, 6.0, "observed"),
        (W, J, 40.0, 40.0, 40.0, "world_pool"),
    ]
    g = market(made, links)
    # Australia is not in the pool's mix, yet 4 t of it may be what Japan draws.
    assert japan(g, "location", "focal_share", "focal_share_low", "focal_share_high") == pytest.approx([1.0, 0.9, 1.0])


@pytest.mark.parametrize("seed", range(8))
def test_the_bounds_of_a_draw_against_every_split(seed):
    rng = np.random.default_rng(seed)
    codes = ["CHN", "AUS", "CHL", "ZAF"][: int(rng.integers(2, 5))]
    made = {c: (float(q),) * 3 for c, q in zip(codes, rng.integers(1, 6, len(codes)), strict=True)}
    need = float(rng.integers(1, int(sum(m[0] for m in made.values())) + 1))
    feed = [(f"x@{c}", W, q, q, q, "world_pool") for c, (q, _, _) in made.items()]
    g = market(made, [*feed, (W, J, need, need, need, "world_pool")])
    splits = [
        dict(zip(codes, s, strict=True))
        for s in itertools.product(*(range(int(made[c][0]) + 1) for c in codes))
        if sum(s) == need
    ]
    shares = [s["CHN"] / need for s in splits]
    for view in ("location", "control"):
        low, high = japan(g, view, "focal_share_low", "focal_share_high")
        assert low == pytest.approx(min(shares))
        assert high == pytest.approx(max(shares))
    squares = [sum((q / need) ** 2 for q in s.values()) for s in splits]
    low, high = japan(g, "location", "hhi_low", "hhi_high")
    assert low <= min(squares) + 1e-9
    assert high >= max(squares) - 1e-9


@pytest.mark.parametrize("need", [50.0, 99.0])
def test_the_index_of_a_draw_is_bounded_by_what_each_maker_has(need):
    made = {"CHN": (10.0, 10.0, 10.0), "AUS": (90.0, 90.0, 90.0)}
    feed = [("x@CHN", W, 10.0, 10.0, 10.0, "world_pool"), ("x@AUS", W, 90.0, 90.0, 90.0, "world_pool")]
    g = market(made, [*feed, (W, J, need, need, need, "world_pool")])
    most, least = min(10.0 / need, 1.0), max(0.0, 1.0 - 90.0 / need)
    index = [x**2 + (1 - x) ** 2 for x in (most, least)]
    assert japan(g, "location", "hhi_low", "hhi_high") == pytest.approx([min(index), max(index)])


def test_more_than_all_makers_have_is_somebodys():
    made = {"CHN": (10.0, 10.0, 10.0), "AUS": (90.0, 90.0, 90.0)}
    feed = [("x@CHN", W, 10.0, 10.0, 10.0, "world_pool"), ("x@AUS", W, 90.0, 90.0, 90.0, "world_pool")]
    g = market(made, [*feed, (W, J, 150.0, 150.0, 150.0, "world_pool")])
    # 50 t of 150 come from nobody who is known; 10 t are China's at least.
    low, high = japan(g, "location", "focal_share_low", "focal_share_high")
    assert (low, high) == pytest.approx((10 / 150, 60 / 150))


def test_a_supply_of_nothing_has_no_share():
    g = market({"CHN": (10.0, 10.0, 10.0), "AUS": (90.0, 90.0, 90.0)}, [("x@AUS", J, 0.0, 0.0, 0.0, "observed")])
    for view in VIEWS:
        assert np.isnan(japan(g, view, "focal_share", "focal_share_low", "focal_share_high", "bottleneck", "hhi")).all()


def test_recorded_flows_are_no_draws(atlas):
    draws = draws_of(atlas)
    rows = atlas.index.links.iloc[draws.link]
    assert (rows["method"] == "world_pool").all()
    assert rows["supplier"].str.endswith("@WLD:demand").all()
    x = np.random.default_rng(1).random(atlas.index.n)
    assert (draws.bound(x, True) >= x[draws.node] - 1e-12).all()
    assert (draws.bound(x, False) <= x[draws.node] + 1e-12).all()


def test_none_found_in_the_smaller_part_of_a_market_is_not_none():
    rest = sr.metrics.focal_share([20.0, 80.0], focal=[0.0, 0.0], focal_low=[0.0, 0.0], focal_high=[0.0, 1.0])
    assert np.isnan(rest)
    assert sr.metrics.focal_share([60.0, 40.0], focal=[0.0, 0.0], focal_low=[0.0, 0.0], focal_high=[0.0, 1.0]) == 0.0
    assert sr.metrics.focal_share([20.0, 80.0], focal=[0.1, 0.0], focal_low=[0.1, 0.0], focal_high=[0.1, 1.0]) > 0.0


def test_the_atlas_says_nothing_of_markets_nobody_has_named(atlas):
    frame = sr.score(atlas, by="product", bounds=True).loc[("CHN", "location")]
    dark = frame[(frame["focal_share_low"] <= 0) & (frame["focal_share_high"] > 0.9)]
    assert len(dark)
    assert not (dark["focal_share"] == 0).any()


def _makers_that_sell_both_ways(rng):
    """Makers with sales in a range to Japan and others, and a need of the pool that what is left to them can meet."""
    codes = ["CHN", "AUS", "CHL"][: int(rng.integers(2, 4))]
    made = {c: (float(q),) * 3 for c, q in zip(codes, rng.integers(3, 8, len(codes)), strict=True)}
    links, direct, others = [], {}, {}
    for c, (q, _, _) in made.items():
        if rng.random() < 0.7:
            low = int(rng.integers(0, 3))
            direct[c] = (low, min(low + int(rng.integers(0, 4)), int(q)))
            method = "observed" if rng.random() < 0.5 else "assumed"
            links.append((f"x@{c}", J, float(sum(direct[c])) / 2, *map(float, direct[c]), method))
        if rng.random() < 0.4:
            others[c] = min(int(rng.integers(1, 3)), int(q) - direct.get(c, (0,))[0])
            links.append((f"x@{c}", "x@USA:demand", *(float(others[c]),) * 3, "observed"))
    spare = {c: int(q) - others.get(c, 0) for c, (q, _, _) in made.items()}
    room = sum(spare.values()) - sum(d[0] for d in direct.values())
    need = (int(rng.integers(1, 3)), int(rng.integers(3, 6)))
    if room < need[1] or not direct:
        return _makers_that_sell_both_ways(rng)
    return made, codes, links, direct, spare, need


@pytest.mark.parametrize("seed", range(12))
def test_direct_sales_and_draws_of_a_maker_are_bounded_together(seed):
    made, codes, links, direct, spare, need = _makers_that_sell_both_ways(np.random.default_rng(seed))
    links += [(f"x@{c}", W, 1.0, 0.0, float(spare[c]), "world_pool") for c in codes]
    links.append((W, J, float(sum(need)) / 2, float(need[0]), float(need[1]), "world_pool"))
    g = market(made, links)
    ranges = [range(direct[c][0], direct[c][1] + 1) if c in direct else (0,) for c in codes]
    parts = [range(q + 1) for q in spare.values()]
    seen = []
    for x in itertools.product(*ranges):
        for y in itertools.product(*parts):
            total = [a + b for a, b in zip(x, y, strict=True)]
            if need[0] <= sum(y) <= need[1] and all(t <= spare[c] for t, c in zip(total, codes, strict=True)):
                seen.append(total)
    amounts = np.array(seen, dtype=float)
    shares = amounts / amounts.sum(axis=1)[:, None]
    low, high = japan(g, "location", "focal_share_low", "focal_share_high")
    assert low <= shares[:, 0].min() + 1e-9
    assert high >= shares[:, 0].max() - 1e-9
    low, high = japan(g, "location", "hhi_low", "hhi_high")
    assert low <= (shares**2).sum(axis=1).min() + 1e-9
    assert high >= (shares**2).sum(axis=1).max() - 1e-9


def test_no_maker_sells_more_than_it_makes():
    made = {"CHN": (60.0, 60.0, 60.0), "AUS": (200.0, 200.0, 200.0)}
    links = [
        ("x@CHN", J, 40.0, 30.0, 50.0, "observed"),
        ("x@AUS", J, 40.0, 40.0, 40.0, "observed"),
        ("x@CHN", W, 20.0, 20.0, 20.0, "world_pool"),
        ("x@AUS", W, 100.0, 100.0, 100.0, "world_pool"),
        (W, J, 50.0, 50.0, 50.0, "world_pool"),
    ]
    high = japan(market(made, links), "location", "focal_share_high")[0]
    # 50 t sold and 30 t drawn would be 80 t of a maker of 60 t.
    assert high == pytest.approx(60 / 120)


def test_what_is_assumed_of_a_maker_is_spoken_for():
    made = {"CHN": (50.0, 50.0, 50.0), "AUS": (50.0, 50.0, 50.0)}
    links = [
        ("x@CHN", "x@CHN:demand", 40.0, 20.0, 50.0, "assumed"),
        ("x@CHN", W, 10.0, 0.0, 30.0, "world_pool"),
        ("x@AUS", W, 50.0, 50.0, 50.0, "world_pool"),
        (W, J, 40.0, 40.0, 40.0, "world_pool"),
    ]
    assert japan(market(made, links), "location", "focal_share_high")[0] == pytest.approx(30 / 40)


def test_what_is_only_presumed_to_come_from_home_is_no_exact_point(atlas):
    links = atlas.index.links
    presumed = links[links["note"].fillna("").str.startswith("no trade at hand")]
    assert (presumed["grade"] == "assumption").all()
    frame = sr.score(atlas, by=["product", "buyer"], bounds=True, metrics=["focal_share", "hhi"])
    frame = frame.reset_index().assign(pool=lambda f: f["product"] + "@" + f["buyer"] + ":demand").set_index("pool")
    served = set(links.loc[links["method"] == "world_pool", "buyer"].astype(str))
    at = frame.index.intersection([b for b in presumed["buyer"].astype(str) if b in served])
    assert {"alumina.refined@IND:demand", "copper.mine@USA:demand"} <= set(at)
    assert (frame.loc[at, "hhi_low"] < frame.loc[at, "hhi_high"]).all()
    assert frame.loc["alumina.refined@IND:demand", "focal_share"] == 0.0
    assert frame.loc["alumina.refined@IND:demand", "focal_share_high"] > 0.1


def test_no_bottleneck_found_in_the_smaller_part_of_a_market_is_not_none(atlas):
    bounds = {"bottleneck_low": [0.0, 0.0], "bottleneck_high": [0.0, 1.0]}
    mix = sr.metrics.Mix.build(
        np.array([0, 0]),
        1,
        np.array([20.0, 80.0]),
        bottleneck=np.zeros(2),
        **{k: np.array(x) for k, x in bounds.items()},
    )
    assert np.isnan(sr.metrics.bottleneck(mix)).all()
    # Nobody says who makes 60 per cent of the photoresist, and none of the rest depends on China.
    frame = sr.score(atlas, by="product").loc[("CHN", "location")]
    assert np.isnan(frame.loc["photoresist.arf", ["focal_share", "bottleneck"]].astype(float)).all()

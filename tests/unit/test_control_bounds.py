"""Bounds of control and equity hold every completion of the record, by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from supplyrisk import control
from supplyrisk.atlas import load_atlas
from supplyrisk.errors import SchemaError, UnknownNameError
from tests.unit.test_control import at, graph

RULES = (("equity", "majority"), ("control", "majority"), ("control", "aggregate"), ("control", "creditor"))
NETS = 100


def _net(rng, k):
    """Rows of one random network: firms in loops, groups across borders, stated majorities, ranges, unnamed rest."""
    firms = [f"F{k}.{i}" for i in range(rng.integers(1, 4))]
    owners = [f"H{k}.{i}" for i in range(rng.integers(3, 6))]
    home = {h: str(rng.choice(["CHN", "USA", "UNK"], p=[0.45, 0.4, 0.15])) for h in (*firms, *owners)}
    groups = [f"g{k}.{i}" for i in range(2)]
    member = {h: str(rng.choice(groups)) if rng.random() < 0.4 else None for h in (*firms, *owners)}
    rows = []
    for asset in (f"x{k}@IDN", *firms):
        others = [f for f in firms if f != asset]
        who = [h for h in others if rng.random() < (0.8 if "@" in asset else 0.35)]
        who += [h for h in owners if rng.random() < 0.6] or owners[:1]
        spread = rng.dirichlet(np.full(len(who) + 1, 0.7))[:-1] * (1.0 if rng.random() < 0.5 else 0.9)
        if rng.random() < 0.4:  # no rest: somebody has it
            spread[-1] += 1 - spread.sum()
        spread = np.floor(spread * 20) / 20
        for h, s in zip(who, spread, strict=True):
            if h in firms and asset in firms:
                s = min(s, 0.4)
            if s <= 0:
                continue
            wide = float(rng.choice([0.0, 0.05, 0.1]))
            cap = 0.45 if h in firms and asset in firms else 1.0
            low, high = max(s - wide, 0.0), min(s + wide, cap)
            kind = "majority" if low > 0.5 and rng.random() < 0.5 else "joint" if rng.random() < 0.05 else "equity"
            rows.append(
                {
                    "asset": asset,
                    "holder": h,
                    "holder_country": home[h],
                    "share": s,
                    "low": low,
                    "high": high,
                    "type": kind,
                }
                | ({"group": member[h]} if member[h] and rng.random() < 0.8 else {})
            )
        if rng.random() < 0.15:
            h = str(rng.choice(owners))
            kind = str(rng.choice(["golden_share", "offtake", "finance"]))
            s, wide = float(rng.choice([0.3, 0.7])), float(rng.choice([0.0, 0.2]))
            rows.append(
                {
                    "asset": asset,
                    "holder": h,
                    "holder_country": home[h],
                    "share": s,
                    "low": s - wide,
                    "high": s + wide,
                    "type": kind,
                }
            )
    return rows


def _complete(rng, rows):
    """One admissible completion: exact shares, homes for all, somebody (or nobody) for the rest."""
    home: dict[str, str] = {}
    out = []
    for asset in dict.fromkeys(r["asset"] for r in rows):
        mine = [r for r in rows if r["asset"] == asset]
        votes = [r for r in mine if r["type"] in ("equity", "majority", "joint")]
        ends = rng.random(len(votes))
        s = np.array(
            [r["low"] if e < 0.4 else r["high"] if e < 0.8 else rng.uniform(r["low"], r["high"])
             for r, e in zip(votes, ends, strict=True)]
        )  # fmt: skip
        low = np.array([r["low"] for r in votes])
        if s.sum() > 1:  # back towards the lows, in random order
            for i in rng.permutation(len(s)):
                s[i] -= min(s[i] - low[i], max(s.sum() - 1, 0.0))
        left = max(1 - float(s.sum()), 0.0)
        out += [r | {"share": v, "low": v, "high": v} for r, v in zip(votes, s, strict=True) if v > 0]
        for r in mine:
            if r not in votes:
                v = float(rng.choice([r["low"], r["high"]]))
                out.append(r | {"share": v, "low": v, "high": v})
        if left > 1e-9 and rng.random() < 0.8:
            group = [r["group"] for r in votes if r.get("group")]
            h = {"group": str(rng.choice(group))} if group and rng.random() < 0.4 else {}
            row = {
                "asset": asset,
                "holder": f"new {asset}",
                "holder_country": str(rng.choice(["CHN", "USA"])),
                "type": "equity",
            }
            out.append(row | {"share": left, "low": left, "high": left} | h)
    for r in out:
        if r["holder_country"] == "UNK":
            home.setdefault(r["holder"], str(rng.choice(["CHN", "USA"])))
    return [r | {"holder_country": home.get(r["holder"], r["holder_country"])} for r in out]


@pytest.mark.parametrize(
    ("seed", "threshold"),
    [
        (0, 0.5),
        pytest.param(1, 0.5, marks=pytest.mark.deep),
        pytest.param(2, 0.3, marks=pytest.mark.deep),
        pytest.param(3, 0.66, marks=pytest.mark.deep),
    ],
)
def test_bounds_hold_every_completion(seed, threshold):
    rng = np.random.default_rng(seed)
    nets = [rows for rows in (_net(rng, k) for k in range(NETS)) if any("@" in r["asset"] for r in rows)]
    nodes = sorted({r["asset"] for rows in nets for r in rows if "@" in r["asset"]})
    whole = graph(nodes, [r for rows in nets for r in rows])
    bounds = {v: control.focal_share(whole, "CHN", v[0], rule=v[1], threshold=threshold) for v in RULES}
    reached = dict.fromkeys(RULES, 0)
    for _ in range(5):
        full = graph(nodes, [r for rows in nets for r in _complete(rng, rows)])
        assert list(full.index.nodes["node"]) == list(whole.index.nodes["node"])
        for v, (_, low, high) in bounds.items():
            value, sharp_low, _ = control.focal_share(full, "CHN", v[0], rule=v[1], threshold=threshold)
            name = np.array(full.index.nodes["node"])
            assert not (bad := name[(value < low - 1e-9) | (value > high + 1e-9)]).size, (v, bad)
            assert (sharp_low <= value + 1e-9).all()
            reached[v] += int(((low > 0) & (value > 0)).sum() + ((high < 1) & (value < 1)).sum())
    assert all(n > 50 for n in reached.values())  # the bounds say something


def test_a_group_that_may_be_led_by_either():
    row = {"asset": "x@IDN", "group": "g", "low": 0.25, "high": 0.35, "share": 0.3}
    us = {"asset": "x@IDN", "holder": "U", "holder_country": "USA", "share": 0.4}
    both = [row | {"holder": "A", "holder_country": "CHN"}, row | {"holder": "B", "holder_country": "USA"}]
    assert at(graph(["x@IDN"], [*both, us]), "x@IDN") == (0, 0, 1)
    sharp = [r | {"low": s, "high": s, "share": s} for r, s in zip(both, (0.35, 0.25), strict=True)]
    assert at(graph(["x@IDN"], [*sharp, us]), "x@IDN") == (1, 1, 1)
    lost = [r | {"low": s, "high": s, "share": s} for r, s in zip(both, (0.25, 0.35), strict=True)]
    assert at(graph(["x@IDN"], [*lost, us]), "x@IDN") == (0, 0, 0)


def test_a_firm_at_home_may_have_a_foreign_master():
    rows = [
        {"asset": "x@IDN", "holder": "F", "holder_country": "CHN", "share": 1.0},
        {"asset": "F", "holder": "U", "holder_country": "USA", "share": 0.45, "low": 0.35, "high": 0.6},
        {"asset": "F", "holder": "C", "holder_country": "CHN", "share": 0.4},
    ]
    assert at(graph(["x@IDN"], rows), "x@IDN") == (1, 0, 1)
    rows[1] |= {"share": 0.8, "low": 0.8, "high": 0.8}
    rows[2]["share"] = 0.2
    assert at(graph(["x@IDN"], rows), "x@IDN") == (0, 0, 0)


def _graded(rows, **kw):
    return graph(["x@IDN"], [{"asset": "x@IDN", "grade": "A", "source": "made"} | r for r in rows], exact=False, **kw)


US = {"holder": "U", "holder_country": "USA"}
CN = {"holder": "A", "holder_country": "CHN"}


def test_a_majority_of_less_than_half_is_an_error():
    with pytest.raises(SchemaError, match=r"x@IDN: A.*majority of less than half.*0\.3"):
        _graded([CN | {"share": 0.3, "type": "majority"}, US | {"share": 0.7}])
    with pytest.raises(SchemaError, match=r"x@IDN: A 0\.5, U 0\.6.*add to more than 1"):
        _graded([CN | {"type": "majority"}, US | {"share": 0.6}])
    # Sources that differ give ranges, and the range is kept.
    g = _graded([CN | {"share": 0.3, "low": 0.3, "high": 0.6, "type": "majority"}, US | {"share": 0.5, "low": 0.4}])
    assert at(g, "x@IDN")[0] == 1
    g = _graded([CN | {"share": 0.3, "low": 0.3, "high": 0.6}, US | {"share": 0.7, "low": 0.4, "high": 0.7}])
    assert at(g, "x@IDN") == (0, 0, 1)
    value, low, high = at(g, "x@IDN", "equity")
    assert low == 0.3
    assert high == 0.6
    assert value == 0.3


def test_shares_of_a_register_are_exact_but_for_rounding():
    half = [CN | {"share": 0.5}, US | {"share": 0.5}]
    assert at(_graded(half), "x@IDN") == (0, 0, 0)
    most = [CN | {"share": 0.51}, US | {"share": 0.49}]
    assert at(_graded(most), "x@IDN") == (1, 1, 1)
    assert at(_graded(most), "x@IDN", "equity") == pytest.approx((0.51, 0.505, 0.515))
    fine = [CN | {"share": 0.2216}, US | {"share": 0.7784}]
    assert at(_graded(fine), "x@IDN", "equity") == pytest.approx((0.2216, 0.22155, 0.22165))
    # It ages, by a tenth of a point a year; estimates stay as wide as their grade.
    assert at(_graded(most, as_of="2027-06-01"), "x@IDN", "equity") == pytest.approx((0.51, 0.502, 0.518))
    assert at(_graded(most, as_of="2034-06-01"), "x@IDN") == (1, 0, 1)
    assert at(_graded([r | {"grade": "C"} for r in most]), "x@IDN") == (1, 0, 1)


def test_coverage_is_what_is_recorded():
    e = control.effective_control(_graded([CN | {"share": 0.4}])).iloc[0]
    assert e["coverage"] == pytest.approx(0.4)
    assert (e["majority"], e["majority_high"]) == (0, 1)
    part = {"part": "a", "portion": 0.5}
    assert control.effective_control(_graded([CN | part | {"share": 0.4}]))["coverage"].iloc[0] == pytest.approx(0.2)


def test_a_contract_of_unknown_size_is_width():
    lent = [CN | {"type": "finance"}, US | {"share": 1.0}]
    assert at(_graded(lent), "x@IDN", rule="creditor") == (0, 0, 1)
    lent[0] |= {"missing": "not_applicable"}  # a lien on the whole: no fraction applies
    assert at(_graded(lent), "x@IDN", rule="creditor") == (1, 0, 1)
    lent[0] |= {"missing": None, "share": 0.3, "low": 0.2, "high": 0.4}
    assert at(_graded(lent), "x@IDN", rule="creditor") == (0.3, 0.2, 0.4)
    assert at(_graded(lent), "x@IDN") == (0, 0, 0)


def test_a_host_override_is_by_part():
    state = {"holder": "State", "holder_country": "IDN", "type": "host_override"}
    owned = CN | {"share": 1.0}
    e = control.effective_control(_graded([owned, state | {"share": 0.4, "low": 0.3, "high": 0.5}])).iloc[0]
    assert e[["majority", "majority_low", "majority_high"]].tolist() == pytest.approx([0.6, 0.5, 0.7])
    assert (e["owner_can_stop"], e["overridden"], e["equity"]) == pytest.approx((0.6, 0.4, 1.0))
    total = _graded([owned, state | {"missing": "not_applicable"}])
    assert at(total, "x@IDN") == (0, 0, 0)
    assert at(_graded([owned, state]), "x@IDN") == (1, 0, 1)  # nobody knows how much
    unknown = {"holder": "unknown", "holder_country": "UNK", "share": 1.0}
    assert at(_graded([unknown, state | {"missing": "not_applicable"}]), "x@IDN") == (0, 0, 0)  # whoever owns it
    assert at(_graded([unknown, state | {"missing": "not_applicable"}]), "x@IDN", focal="IDN") == (1, 1, 1)
    m, names = control.composition(_graded([owned, state | {"share": 0.4}]), "control")
    assert m[0, names.index("CHN")] == pytest.approx(0.6)
    assert m[0, names.index("IDN")] == pytest.approx(0.4)


def test_aggregate_counts_the_groups_that_the_focal_leads():
    group = [CN | {"share": 0.31, "group": "g"}, {"holder": "B", "holder_country": "USA", "share": 0.29, "group": "g"}]
    g = _graded([*group, {"holder": "J", "holder_country": "JPN", "share": 0.4}])
    assert at(g, "x@IDN") == at(g, "x@IDN", rule="aggregate") == (1, 1, 1)
    assert at(g, "x@IDN", rule="aggregate", focal="USA") == (0, 0, 0)


def test_on_the_atlas_an_offtake_binds_what_majority_does_not():
    """All concentrate of Mountain Pass was sold to a Chinese firm until April 2025; none since."""
    atlas = load_atlas()
    then = (
        control.effective_control(atlas.at("2025-03-01", known_on="2026-04-01"))
        .set_index("node")
        .loc["rare_earths.mine@USA"]
    )
    now = control.effective_control(atlas).set_index("node").loc["rare_earths.mine@USA"]
    assert (then["majority"], then["aggregate"], then["creditor"]) == (0, 0, 1)
    assert (now["majority"], now["creditor"]) == (0, 0)


def test_a_quota_takes_from_the_owner_what_ownership_leaves_him():
    """The owner's part falls by the host's quota although ownership is unchanged (27 per cent of his output left)."""
    atlas = load_atlas()
    mines = [f"cobalt.mine@COD / {m}" for m in ("Tenke Fungurume", "Kisanfu (KFM)")]
    bound = control.override(atlas, dict.fromkeys(mines, 0.73))
    before, after = (control.effective_control(g).set_index("node").loc["cobalt.mine@COD"] for g in (atlas, bound))
    assert after["owner_can_stop"] == pytest.approx(0.27 * before["owner_can_stop"])
    assert after["overridden"] == pytest.approx(0.73 * before["owner_can_stop"])
    assert after["equity"] == pytest.approx(before["equity"])
    assert after["high"] < before["high"]
    assert after["high"] >= after["value"]
    with pytest.raises(UnknownNameError, match="Kisanfu"):
        control.override(atlas, {"cobalt.mine@COD / Kisanfu": 0.5})


def _ruled(rows, firm, state):
    """The same holdings where the state has the firm, all of it, and the firm is in no group."""
    out = [r for r in rows if r["asset"] != firm]
    out = [{k: v for k, v in r.items() if k != "group"} if r["holder"] == firm else r for r in out]
    whole = {"asset": firm, "holder": "State", "holder_country": state, "type": "equity"}
    return [*out, whole | {"share": 1.0, "low": 1.0, "high": 1.0}]


@pytest.mark.parametrize(
    ("state", "size"),
    [
        ("USA", (1.0, 1.0, 1.0)),
        ("CHN", (0.6, 0.4, 0.9)),
        pytest.param("CHN", (1.0, 1.0, 1.0), marks=pytest.mark.deep),
        pytest.param("USA", (0.6, 0.4, 0.9), marks=pytest.mark.deep),
        pytest.param("USA", (0.5, 0.0, 1.0), marks=pytest.mark.deep),
    ],
)
def test_an_order_on_a_firm_is_an_order_on_what_it_controls(state, size):
    rng = np.random.default_rng(5)
    nets = [rows for rows in (_net(rng, k) for k in range(30)) if any("@" in r["asset"] for r in rows)]
    orders, firms = [], []
    for rows in nets:
        held = [r["asset"] for r in rows if "@" not in r["asset"]]
        firms.append(str(rng.choice(held)) if held else "")
        order = dict(zip(("share", "low", "high"), size, strict=True))
        row = {"asset": firms[-1], "holder": "State", "holder_country": state, "type": "host_override"}
        orders += [row | order] if held else []
    nodes = sorted({r["asset"] for rows in nets for r in rows if "@" in r["asset"]})
    free = graph(nodes, [r for rows in nets for r in rows])
    whole = graph(nodes, [*(r for rows in nets for r in rows), *orders])
    taken = graph(
        nodes, [r for rows, f in zip(nets, firms, strict=True) for r in (_ruled(rows, f, state) if f else rows)]
    )
    for view, rule in RULES:
        value, low, high = control.focal_share(whole, "CHN", view, rule=rule)
        ends = [control.focal_share(g, "CHN", view, rule=rule)[0] for g in (free, taken)]
        part = 0.0 if view == "equity" else size[0]
        np.testing.assert_allclose(value, (1 - part) * ends[0] + part * ends[1], atol=1e-12)
        for _ in range(2):
            full = [_complete(rng, rows) for rows in nets]
            v = 0.0 if view == "equity" else float(rng.choice(size[1:]))
            owned = [_ruled(rows, f, state) if f else rows for rows, f in zip(full, firms, strict=True)]
            truth = sum(
                w * control.focal_share(graph(nodes, [r for rows in s for r in rows]), "CHN", view, rule=rule)[0]
                for w, s in ((1 - v, full), (v, owned))
            )
            assert ((truth >= low - 1e-9) & (truth <= high + 1e-9)).all(), (view, rule)


def test_orders_golden_shares_and_contracts_on_a_firm_reach_what_it_has():
    mine = {"asset": "x@IDN", "holder": "U", "holder_country": "NLD", "share": 1.0}
    owned = [mine, {"asset": "U", "holder": "P", "holder_country": "CHN", "share": 1.0}]
    state = {"asset": "U", "holder": "State", "holder_country": "NLD", "type": "host_override"}
    g = graph(["x@IDN"], [*owned, state | {"missing": "not_applicable"}])
    assert (at(g, "x@IDN"), at(g, "x@IDN", focal="NLD")) == ((0, 0, 0), (1, 1, 1))
    assert at(g, "x@IDN", "equity") == (1, 1, 1)  # ownership stays as it is
    e = control.effective_control(g).iloc[0]
    assert e[["owner_can_stop", "overridden"]].tolist() == [0, 1]
    m, names = control.composition(g, "control")
    assert m[0, names.index("NLD")] == 1
    half = graph(["x@IDN"], [*owned, state | {"share": 0.5, "low": 0.4, "high": 0.7}])
    assert at(half, "x@IDN") == pytest.approx((0.5, 0.3, 0.6))
    m, names = control.composition(half, "control")
    assert (m[0, names.index("NLD")], m[0, names.index("CHN")]) == pytest.approx((0.5, 0.5))
    assert at(graph(["x@IDN"], [*owned, state]), "x@IDN") == (1, 0, 1)  # nobody knows how much
    two = [state | {"holder": s, "holder_country": s, "missing": "not_applicable"} for s in ("NLD", "GBR")]
    g = graph(["x@IDN"], [*owned, *two])  # whichever of them
    assert (at(g, "x@IDN"), at(g, "x@IDN", focal="NLD")[1:]) == ((0, 0, 0), (0, 1))
    golden = [mine | {"holder_country": "USA"}, owned[1] | {"holder_country": "USA"}]
    golden.append({"asset": "U", "holder": "Fund", "holder_country": "CHN", "type": "golden_share"})
    g = graph(["x@IDN"], golden)
    assert at(g, "x@IDN") == (1, 1, 1)
    m, names = control.composition(g, "control")
    assert m[0, names.index("CHN")] == 1
    for kind in ("offtake", "finance", "technology", "operator"):
        lent = [*golden[:2], golden[2] | {"type": kind, "share": 0.4, "low": 0.3, "high": 0.5}]
        g = graph(["x@IDN"], lent)
        assert at(g, "x@IDN", rule="creditor")[:2] == pytest.approx((0.4, 0.3))
        assert at(g, "x@IDN", rule="creditor")[2] == pytest.approx(1.0 if kind == "operator" else 0.5)
        assert at(g, "x@IDN") == (0, 0, 1.0 if kind == "operator" else 0)
    # A firm of which only a contract is on record is nobody's but its own.
    g = graph(["x@IDN"], [mine, golden[2] | {"type": "offtake", "share": 0.4}])
    assert at(g, "x@IDN", "equity") == (0, 0, 0)
    assert at(g, "x@IDN", "equity", focal="NLD") == (1, 1, 1)
    assert at(g, "x@IDN", rule="creditor") == (0.4, 0.4, 0.4)


def test_contracts_may_be_of_other_parts_or_of_the_same():
    us = {"asset": "x@IDN", "holder": "U", "holder_country": "USA", "share": 1.0}
    cn = {"asset": "x@IDN", "holder_country": "CHN"}
    both = [
        cn | {"holder": "T", "type": "technology", "share": 0.4},
        cn | {"holder": "B", "type": "offtake", "share": 0.6},
    ]
    assert at(graph(["x@IDN"], [us, *both]), "x@IDN", rule="creditor") == pytest.approx((0.6, 0.6, 1.0))
    both[1] |= {"type": "finance", "share": 0.3}
    assert at(graph(["x@IDN"], [us, *both]), "x@IDN", rule="creditor") == pytest.approx((0.4, 0.4, 0.7))
    both = [r | {"type": "offtake"} for r in both]
    assert at(graph(["x@IDN"], [us, *both]), "x@IDN", rule="creditor") == pytest.approx((0.7, 0.4, 0.7))

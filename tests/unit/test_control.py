"""Ownership and control: worked examples, laws, and brute force on small random firms."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplyrisk import control, voting
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.metrics import lens as metrics_lens
from tests.graphs import SOURCE

HOLDER = ["P", "Q", "F2", "F1", "Q", "P"]
ASSET = ["F1", "F1", "F1", "F2", "F2", "F2"]
SHARE = [0.6, 0.3, 0.1, 0.5, 0.4, 0.1]


def graph(nodes, holdings=(), links=(), recipes=(), exact=True, **kw):
    """A graph from short rows; shares and flows are exact unless asked otherwise."""
    ids = [n if isinstance(n, tuple) else (n, 100.0) for n in nodes]
    frame, products = [], {}
    for node, output in ids:
        product, _, rest = node.partition("@")
        kind = "demand" if rest.endswith(":demand") else "stock" if rest.endswith(":stock") else "producer"
        country, _, site = rest.removesuffix(f":{kind}").partition("#")
        products[product] = {
            "product": product,
            "name": product,
            "commodity": product,
            "chain": "c",
            "stage": "refine",
            "unit": "t",
            "basis": "contained",
            "period": "year",
        }
        frame.append(
            {
                "node": node,
                "product": product,
                "country": country,
                "site": site or None,
                "kind": kind,
                "year": 2024,
                "output": output if kind == "producer" else None,
                "output_grade": "assumption",
            }
        )
    h = pd.DataFrame(
        [
            {"part": "", "year": 2024, "grade": "assumption", "holder_country": "UNK", "type": "equity", **dict(row)}
            for row in holdings
        ]
    )
    if len(h):
        if "share" not in h:
            h["share"] = np.nan
        if "missing" not in h:
            h["missing"] = None
        h["missing"] = h["missing"].where(h["missing"].notna(), np.where(h["share"].isna(), "unknown", None))
        for c in ("low", "high"):
            if c not in h:
                h[c] = np.nan
            if exact:
                h[c] = h[c].fillna(h["share"])
    rows = [
        {
            "supplier": s,
            "buyer": b,
            "product": s.partition("@")[0],
            "year": 2024,
            "method": "observed",
            "quantity": q,
            "missing": "unknown" if q is None else None,
            "grade": "assumption",
            "low": q,
            "high": q,
        }
        for s, b, q in links
    ]
    r = pd.DataFrame(
        [
            dict(process="p", input_class="essential", coefficient=1.0, grade="assumption", year=2024, **dict(x))
            for x in recipes
        ]
    )
    for x in recipes:
        for p in (x["product"], x["input"]):
            products.setdefault(
                p,
                {
                    "product": p,
                    "name": p,
                    "commodity": p,
                    "chain": "c",
                    "stage": "refine",
                    "unit": "t",
                    "basis": "contained",
                    "period": "year",
                },
            )
    tables = {"products": pd.DataFrame(products.values()), "nodes": pd.DataFrame(frame), "sources": SOURCE}
    for name, t in (("holdings", h), ("links", pd.DataFrame(rows)), ("recipes", r)):
        if len(t):
            tables[name] = t
    return SupplyGraph.from_tables(tables, **kw)


def at(g, node, view="control", **kw):
    i = g.index.code(node)
    return tuple(round(float(x[i]), 9) for x in control.focal_share(g, kw.pop("focal", "CHN"), view, **kw))


# ---------------------------------------------------------------- F8


def test_integrated_ownership():
    y = control.equity(HOLDER, ASSET, SHARE)
    np.testing.assert_allclose(y.loc["P"], [0.642105, 0.421053], atol=5e-7)
    np.testing.assert_allclose(y.loc["Q"], [0.357895, 0.578947], atol=5e-7)
    np.testing.assert_allclose(y.sum(), 1.0, atol=1e-12)
    np.testing.assert_allclose((y * [100, 60]).sum(axis=1)[["P", "Q"]], [89.473684, 70.526316], atol=5e-7)


def test_majority_chain():
    top = control.majority(HOLDER, ASSET, SHARE)
    output = pd.Series([100.0, 60.0], index=["F1", "F2"])
    assert output.groupby(top).sum().to_dict() == {"P": 160.0}


def test_network_power():
    np.testing.assert_allclose(control.shapley_shubik([0.5, 0.4, 0.1]), [0.666667, 0.166667, 0.166667], atol=5e-7)
    # F2 holds 10 % of F1, but never tips it: P decides F1 alone, and the two make no loop.
    p = control.network_power(HOLDER, ASSET, SHARE)
    assert p.attrs == {"method": "exact", "loops": 0, "rounded": 0.0}
    assert p.loc["P", "F1"] == 1.0
    assert p.loc["P", "F2"] == pytest.approx(0.833333, abs=5e-7)
    home = {"P": "x", "Q": "y", "F1": "z", "F2": "z"}
    by = control.network_power(HOLDER, ASSET, SHARE, by=[home[h] for h in HOLDER])
    assert by.index.tolist() == ["x", "y", "unidentified"]
    np.testing.assert_allclose(by.to_numpy(), p.to_numpy())
    one = control.network_power(HOLDER, ASSET, SHARE, by=["all"] * 6)
    np.testing.assert_allclose(one.loc["all"], 1)
    with pytest.raises(SchemaError, match="one label"):
        control.network_power(HOLDER, ASSET, SHARE, by=list("xyzzyy"))
    with pytest.raises(SchemaError, match="quota"):
        control.network_power(HOLDER, ASSET, SHARE, quota=1.0)


def _tips_by_orders(votes, quota=0.5):
    """Every order of the holders, one after the other."""
    out = np.zeros(len(votes))
    orders = list(itertools.permutations(range(len(votes))))
    for order in orders:
        total = 0.0
        for i in order:
            total += votes[i]
            if total > quota + 1e-12:
                out[i] += 1 / len(orders)
                break
    return out


def _random_holdings(rng, firms, owners):
    """Rows of (holder, firm, votes) in twentieths, so that ties at the quota occur."""
    rows = []
    for j in range(firms):
        who = rng.choice(firms + owners, rng.integers(1, 4), replace=False)
        cut = rng.multinomial(20, [1 / (len(who) + 1)] * (len(who) + 1))[:-1]
        rows += [(str(h), str(j), v / 20) for h, v in zip(who, cut, strict=True) if v]
    return rows


def test_network_power_in_loops_against_every_order_of_every_firm():
    rng = np.random.default_rng(11)
    loops = 0
    for _ in range(60):
        firms, owners = int(rng.integers(2, 5)), 2
        rows = _random_holdings(rng, firms, owners)
        if not rows:
            continue
        holder, asset, votes = (list(x) for x in zip(*rows, strict=True))
        p = control.network_power(holder, asset, votes)
        assert p.attrs["method"] == "exact"
        loops += p.attrs["loops"]
        np.testing.assert_allclose(p.sum(), 1, atol=1e-12)
        held = {}
        for h, a, v in rows:
            held.setdefault(a, {})[h] = v
        for a, by in held.items():
            rest = 1 - sum(by.values())
            if rest > 1e-9:
                by["unidentified"] = rest
            held[a] = dict(zip(by, _tips_by_orders(list(by.values())), strict=True))
        want = pd.DataFrame(0.0, index=p.index, columns=p.columns)
        for pick in itertools.product(*[list(held[a].items()) for a in held]):
            above = dict(zip(held, (k for k, _ in pick), strict=True))
            chance = np.prod([c for _, c in pick])
            for a in held:
                end, met = a, set()
                while end in above and end not in met:
                    met.add(end)
                    end = above[end]
                want.loc["unidentified" if end in met else end, a] += chance
        np.testing.assert_allclose(p.to_numpy(), want.to_numpy(), atol=1e-12)
    assert loops > 20


def test_network_power_is_drawn_where_a_loop_has_too_many_paths(monkeypatch):
    n = 30
    holder = [f"F{i}" for j in range(n) for i in range(n) if i != j] + [x for _ in range(n) for x in ("P", "Q")]
    asset = [f"F{j}" for j in range(n) for i in range(n) if i != j] + [f"F{j}" for j in range(n) for _ in "PQ"]
    votes = [0.017] * (n * (n - 1)) + [0.3, 0.2] * n
    monkeypatch.setattr(voting, "_PATHS", 20_000)
    a, b = (control.network_power(holder, asset, votes, draws=400, seed=s) for s in (1, 1))
    pd.testing.assert_frame_equal(a, b)
    assert a.attrs["method"] == "sampled"
    assert len(a.attrs["sampled"]) == n
    assert a.attrs["standard_error"] == pytest.approx(0.025)
    np.testing.assert_allclose(a.sum(), 1, atol=1e-12)
    # a loop of which both are known
    pick = [i for i in range(len(holder)) if asset[i] in FEW and holder[i] in (*FEW, "P", "Q")]
    rows = [[x[i] for i in pick] for x in (holder, asset, votes)]
    exact = control.network_power(*rows)
    monkeypatch.setattr(voting, "_PATHS", 1)
    drawn = control.network_power(*rows, draws=4000)
    assert exact.attrs["method"] == "exact"
    assert drawn.attrs["method"] == "sampled"
    np.testing.assert_allclose(drawn, exact, atol=4 * drawn.attrs["standard_error"])


FEW = tuple(f"F{i}" for i in range(7))


@pytest.mark.parametrize("n", [17, 24, 41])
def test_power_of_many_holders(n):
    rng = np.random.default_rng(n)
    votes = np.sort(rng.multinomial(1000, rng.dirichlet(np.ones(n)))) / 1000
    got = control.shapley_shubik(votes)
    assert got.sum() == pytest.approx(1, abs=1e-12)
    assert (np.diff(got) >= -1e-12).all()
    assert (got[votes == 0] == 0).all()
    # merging nobody: against draws of orders
    order = np.argsort(rng.random((20_000, n)), axis=1)
    first = (np.cumsum(votes[order], axis=1) > 0.5 + 1e-12).argmax(axis=1)
    drawn = np.bincount(order[np.arange(len(order)), first], minlength=n) / len(order)
    np.testing.assert_allclose(got, drawn, atol=0.02)


def test_power_by_quadrature_is_power_by_counting():
    rng = np.random.default_rng(2)
    for n in (2, 3, 5, 9, 14):
        for quota in (0.3, 0.5, 0.66):
            votes = rng.multinomial(100, rng.dirichlet(np.ones(n))) / 100
            exact, gap = voting._integrated(votes, quota)
            np.testing.assert_allclose(exact, voting._counted(votes, quota), atol=1e-12)
            assert gap == 0
    equal = control.shapley_shubik([1 / 30] * 30)  # thirtieths fit no grid: rounded alike
    np.testing.assert_allclose(equal, 1 / 30, atol=1e-12)
    assert voting.tips(np.full(30, 1 / 30), 0.5)[1] < 1e-5
    with pytest.raises(SchemaError, match=r"holder 1.*missing"):
        control.shapley_shubik([0.5, np.nan])
    assert control.shapley_shubik([0.3, 0.2]).tolist() == [0, 0]  # together they do not win
    assert control.shapley_shubik([]).tolist() == []


def test_trap_15_transposed_ownership():
    """Swapping holder and asset is caught where it makes shares add to more than one."""
    with pytest.raises(SchemaError, match="holder and asset are swapped"):
        control.equity(["F1", "F2"], ["P", "P"], [0.6, 0.5])
    right = control.equity(["P", "Q"], ["F", "F"], [0.9, 0.1])
    assert list(right.columns) == ["F"]
    assert right.loc["P", "F"] == 0.9


def test_bad_shares_are_all_named():
    with pytest.raises(SchemaError) as err:
        control.equity(["A", "B", "C"], ["F", "F", "G"], [1.2, np.nan, -0.1])
    assert len(err.value.problems) == 3


def test_closed_loop_names_the_firms():
    with pytest.raises(SchemaError, match="A, B"):
        control.equity(["A", "B", "P"], ["B", "A", "C"], [1.0, 1.0, 0.5])
    with pytest.raises(SchemaError, match="A, B"):
        control.majority(["A", "B"], ["B", "A"], [1.0, 1.0])
    # With an outside owner the ring is one hand that nobody controls.
    top = control.majority(["A", "B", "B"], ["B", "A", "C"], [0.8, 0.7, 1.0])
    assert pd.isna(top["B"]) != pd.isna(top["A"])
    assert top["C"] == top[top.isna()].index[0]


def _brute_equity(h, a, s):
    names = sorted({*h, *a})
    m = np.zeros((len(names), len(names)))
    for x, y, z in zip(h, a, s, strict=True):
        m[names.index(x), names.index(y)] += z
    return pd.DataFrame(m @ np.linalg.inv(np.eye(len(names)) - m), names, names)


def _brute_control(h, a, s, u):
    """Firms that u controls, straight from the definition."""
    have = set()
    while True:
        new = {
            f
            for f in set(a)
            if sum(z for x, y, z in zip(h, a, s, strict=True) if y == f and (x == u or x in have)) > 0.5 + 1e-12
        }
        if new == have:
            return new
        have = new


@st.composite
def firms(draw):
    n_firms, n_out = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    names = [f"F{i}" for i in range(n_firms)] + [f"O{i}" for i in range(n_out)]
    rows = []
    for f in names[:n_firms]:
        who = [x for x in names if x != f and rng.random() < 0.5]
        if not who:
            continue
        w = rng.dirichlet(np.full(len(who), 0.5)) * rng.choice([1.0, 0.95, 0.7])
        rows += [(x, f, float(np.floor(z * 999) / 1000)) for x, z in zip(who, w, strict=True)]
    return [r for r in rows if r[2] > 0]


@settings(max_examples=100, deadline=None)
@given(firms())
def test_equity_and_majority_against_brute_force(rows):
    if not rows:
        return
    h, a, s = (list(x) for x in zip(*rows, strict=True))
    want = _brute_equity(h, a, s)
    got = control.equity(h, a, s)
    for owner in got.index[:-1]:
        np.testing.assert_allclose(got.loc[owner], want.loc[owner, got.columns], atol=1e-9)
    by = {u: _brute_control(h, a, s, u) for u in {*h, *a}}
    top = control.majority(h, a, s)
    for f in top.index:
        over = {u for u in by if f in by[u]}
        last = {u for u in over if not any(u in by[v] for v in by)}
        if last:
            assert {top[f]} == last
        elif over:  # a ring above it that nobody outside controls; its head has no controller
            assert top[f] in over or (pd.isna(top[f]) and f in by[f])
        else:
            assert pd.isna(top[f])


# ---------------------------------------------------------------- nodes


def test_moving_a_plant_abroad_keeps_control_and_lowers_location():
    own = {"part": "plant", "portion": 1.0, "holder": "Firm", "holder_country": "CHN", "share": 0.8}
    rest = {"part": "plant", "portion": 1.0, "holder": "Other", "holder_country": "JPN", "share": 0.2}
    home = graph(["x@CHN#a"], [{"asset": "x@CHN#a", **own}, {"asset": "x@CHN#a", **rest}])
    away = graph(["x@IDN#a"], [{"asset": "x@IDN#a", **own}, {"asset": "x@IDN#a", **rest}])
    assert at(home, "x@CHN#a") == at(away, "x@IDN#a") == (1, 1, 1)
    assert at(home, "x@CHN#a", "location") == (1, 1, 1)
    assert at(away, "x@IDN#a", "location") == (0, 0, 0)
    assert at(home, "x@CHN#a", "equity") == at(away, "x@IDN#a", "equity") == (0.8, 0.8, 0.8)


def test_parts_unknown_rest_and_presumption():
    g = graph(
        ["x@IDN"],
        [
            {"asset": "x@IDN", "part": "a", "portion": 0.5, "holder": "Firm", "holder_country": "CHN", "share": 0.6},
            {"asset": "x@IDN", "part": "b", "portion": 0.2, "holder": "Local", "holder_country": "IDN", "share": 0.9},
        ],
    )
    assert at(g, "x@IDN") == (0.5, 0.5, 0.8)
    assert at(g, "x@IDN", unlisted="host") == (0.5, 0.5, 0.5)
    assert at(g, "x@IDN", "equity") == (0.3, 0.3, 0.82)
    assert at(g, "x@IDN", "equity", focal="IDN", unlisted="host") == pytest.approx((0.7, 0.7, 0.7))


def test_missing_portion_only_widens():
    g = graph(
        ["x@IDN"],
        [
            {
                "asset": "x@IDN",
                "part": "a",
                "portion_low": 0.1,
                "portion_high": 0.4,
                "holder": "Firm",
                "holder_country": "CHN",
                "share": 0.6,
            },
            {"asset": "x@IDN", "part": "b", "holder": "Firm", "holder_country": "CHN", "share": 0.6},
        ],
    )
    assert at(g, "x@IDN") == (0.1, 0.1, 1.0)


def test_concert_before_threshold():
    rows = [
        {"asset": "x@IDN", "holder": f"H{i}", "holder_country": "CHN", "share": s}
        for i, s in enumerate((0.4, 0.3, 0.3))
    ]
    assert at(graph(["x@IDN"], rows), "x@IDN") == (0, 0, 1)
    assert at(graph(["x@IDN"], rows), "x@IDN", rule="aggregate") == (1, 1, 1)
    assert at(graph(["x@IDN"], [r | {"group": "G"} for r in rows]), "x@IDN") == (1, 1, 1)


def test_concert_reaches_through_firms():
    """A group member's subsidiary votes with the group."""
    row = {"asset": "x@IDN", "holder_country": "CHN"}
    g = graph(
        ["x@IDN"],
        [
            row | {"holder": "A", "share": 0.3, "group": "G"},
            row | {"holder": "B", "share": 0.1, "group": "G"},
            row | {"holder": "Sub", "share": 0.2, "holder_country": "SGP"},
            {"asset": "Sub", "holder": "A", "holder_country": "CHN", "share": 0.9},
        ],
    )
    assert at(g, "x@IDN") == (1, 1, 1)
    m, names = control.composition(g, "control")
    assert m[0, names.index("CHN")] == 1.0


def test_two_tiers_equity_and_control_differ():
    g = graph(
        ["li@AUS"],
        [
            {"asset": "li@AUS", "holder": "TLEA", "holder_country": "AUS", "share": 0.51},
            {"asset": "li@AUS", "holder": "Alb", "holder_country": "USA", "share": 0.49},
            {"asset": "TLEA", "holder": "Tianqi", "holder_country": "CHN", "share": 0.51},
            {"asset": "TLEA", "holder": "IGO", "holder_country": "AUS", "share": 0.49},
        ],
    )
    assert at(g, "li@AUS", "equity") == pytest.approx((0.2601, 0.2601, 0.2601))
    assert at(g, "li@AUS") == (1, 1, 1)
    m, names = control.composition(g, "equity")
    assert m[0, names.index("USA")] == pytest.approx(0.49)
    assert m[0, names.index("AUS")] == pytest.approx(0.2499)
    m, names = control.composition(g, "control")
    assert m[0, names.index("CHN")] == 1.0


def test_creditor_golden_share_and_override():
    g = graph(
        ["cu@KAZ", "cu@ZMB", "cu@NLD"],
        [
            {"asset": "cu@KAZ", "holder": "Local", "holder_country": "KAZ", "share": 1.0},
            {
                "asset": "cu@KAZ",
                "holder": "Bank",
                "holder_country": "CHN",
                "type": "finance",
                "missing": "not_applicable",
            },
            {"asset": "cu@ZMB", "holder": "Local", "holder_country": "ZMB", "share": 1.0},
            {"asset": "cu@ZMB", "holder": "State", "holder_country": "CHN", "type": "golden_share"},
            {"asset": "cu@NLD", "holder": "Wing", "holder_country": "CHN", "share": 1.0},
            {
                "asset": "cu@NLD",
                "holder": "Ministry",
                "holder_country": "NLD",
                "type": "host_override",
                "missing": "not_applicable",
            },
        ],
    )
    assert at(g, "cu@KAZ") == (0, 0, 0)
    assert at(g, "cu@KAZ", rule="creditor") == (1, 0, 1)
    assert at(g, "cu@ZMB") == (1, 1, 1)
    assert at(g, "cu@ZMB", golden_share=False)[0] == 0
    assert at(g, "cu@NLD") == (0, 0, 0)  # in force, it settles the question
    assert at(g, "cu@NLD", "equity") == (1, 1, 1)
    t = control.effective_control(g).set_index("node")
    assert t.loc["cu@NLD", "overridden"] == 1.0
    assert t.loc["cu@KAZ", ["majority", "creditor"]].tolist() == [0.0, 1.0]
    assert (t["low"] <= t["value"]).all()
    assert (t["value"] <= t["high"]).all()
    assert t["coverage"].tolist() == [1.0, 1.0, 1.0]


def test_unknown_holder_is_width():
    g = graph(
        ["x@COD"],
        [
            {"asset": "x@COD", "holder": "unknown", "holder_country": "UNK", "share": 0.6},
            {"asset": "x@COD", "holder": "Gov", "holder_country": "COD", "share": 0.4},
        ],
    )
    assert at(g, "x@COD") == (0, 0, 1)
    assert at(g, "x@COD", "equity") == (0, 0, 0.6)
    assert at(g, "x@COD", "equity", focal="COD") == (0.4, 0.4, 1.0)
    assert control.effective_control(g)["coverage"].iloc[0] == 0.4


def test_taiwan_is_not_china_and_scope_is_explicit():
    g = graph(["x@TWN", "x@HKG", "x@CHN"])
    value, _, _ = control.focal_share(g, "CHN", "location")
    assert dict(zip(g.index.nodes["node"], value, strict=True)) == {"x@TWN": 0.0, "x@HKG": 0.0, "x@CHN": 1.0}
    value, _, _ = control.focal_share(g, "CHN+HKG+MAC", "control")
    assert dict(zip(g.index.nodes["node"], value, strict=True)) == {"x@TWN": 0.0, "x@HKG": 1.0, "x@CHN": 1.0}
    with pytest.raises(UnknownNameError):
        control.focal_share(g, "CHN", "controll")
    with pytest.raises(UnknownNameError):
        control.focal_share(g, "CHN", "control", rule="any")


def test_rest_of_world_may_hide_who_is_not_listed():
    g = graph(["x@ROW", "y@ROW", "x@CHN"])
    assert at(g, "x@ROW", "location") == (0, 0, 0)
    assert at(g, "y@ROW", "location") == (0, 0, 1)


def test_trap_11_pool_that_re_exports_is_seen_through():
    """Singapore's pool buys 60 % from a Chinese-owned plant and sends half of it back through Malaysia's pool."""
    g = graph(
        ["x@IDN", "x@JPN", "x@CHN", ("x@SGP:demand", None), ("x@MYS:demand", None), ("x@WLD:demand", None)],
        [
            {"asset": "x@IDN", "holder": "F", "holder_country": "CHN", "share": 1.0},
            {"asset": "x@JPN", "holder": "J", "holder_country": "JPN", "share": 1.0},
        ],
        [
            ("x@IDN", "x@SGP:demand", 60.0),
            ("x@JPN", "x@SGP:demand", 20.0),
            ("x@MYS:demand", "x@SGP:demand", 20.0),
            ("x@SGP:demand", "x@MYS:demand", 50.0),
            ("x@CHN", "x@WLD:demand", 30.0),
            ("x@JPN", "x@WLD:demand", 10.0),
        ],
    )
    assert at(g, "x@SGP:demand") == pytest.approx((0.75, 0.75, 0.75))
    assert at(g, "x@MYS:demand") == pytest.approx((0.75, 0.75, 0.75))
    assert at(g, "x@SGP:demand", "location") == (0, 0, 0)
    assert at(g, "x@WLD:demand", "location") == pytest.approx((0.75, 0.75, 0.75))
    for view in ("location", "equity", "control"):
        m, names = control.composition(g, view)
        np.testing.assert_allclose(np.asarray(m.sum(axis=1)).ravel(), 1.0, atol=1e-12)
        assert "UNK" in names
    links = control.effective_control(g, of="links")
    assert len(links) == 6
    assert links.loc[links["supplier"] == "x@SGP:demand", "majority"].tolist() == pytest.approx([0.75])


def test_closed_loop_in_a_graph():
    ring = [{"asset": a, "holder": h, "holder_country": "HKG", "share": 0.5} for a in "ABC" for h in "ABC" if a != h]
    g = graph(["x@IDN"], [{"asset": "x@IDN", "holder": "A", "holder_country": "HKG", "share": 1.0}, *ring])
    # Nobody outside has any of it: whose it is is open, of the nodes concerned alone.
    assert [x.tolist() for x in control.focal_share(g, "CHN", "equity")] == [[0.0], [0.0], [1.0]]
    row = control.effective_control(g).iloc[0]
    assert row["reason"] == "owners that own only each other, nobody outside: A, B, C"
    both = [{"asset": "x@IDN", "holder": h, "holder_country": "CHN", "share": 0.5} for h in ("A", "P")]
    own = {"asset": "x@AUS", "holder": "P", "holder_country": "CHN", "share": 1.0}
    g = graph(["x@IDN", "x@AUS"], [*both, own, *ring])
    value, low, high = control.focal_share(g, "CHN", "equity")
    assert (value.tolist(), low.tolist(), high.tolist()) == ([1.0, 0.5], [1.0, 0.5], [1.0, 1.0])
    assert control.effective_control(g)["reason"].ne("").tolist() == [False, True]
    matrix, names = control.composition(g, "equity")
    assert matrix[:, [names.index("UNK")]].toarray().ravel().tolist() == pytest.approx([0.0, 0.5])


def test_majority_loops_with_an_outside_owner_are_looked_through():
    """F1 owns all of F0, which owns 55 % of F1; P owns the rest of F1, and so in the end all of both."""
    ring = [("F0", "F1", "USA", 1.0), ("F1", "F0", "USA", 0.55), ("F1", "P", "CHN", 0.45), ("x@AUS", "F0", "USA", 1.0)]
    rows = [dict(zip(("asset", "holder", "holder_country", "share"), r, strict=True)) for r in ring]
    g = graph(["x@AUS"], rows)
    y = control.equity([r[1] for r in ring], [r[0] for r in ring], [r[3] for r in ring])
    assert y.loc["P", "x@AUS"] == pytest.approx(1.0)
    row = control.effective_control(g).iloc[0]
    assert row[["equity", "equity_low", "equity_high"]].tolist() == pytest.approx([1.0, 1.0, 1.0])
    # Of votes the ring holds itself, and is one hand that nobody outside controls.
    assert pd.isna(control.majority([r[1] for r in ring], [r[0] for r in ring], [r[3] for r in ring])["F0"])
    assert row["majority_low"] <= row["majority"] <= row["majority_high"]
    assert row["reason"] == ""


def test_holdings_are_dated():
    rows = [
        {
            "asset": "x@GBR",
            "holder": "Nex",
            "holder_country": "CHN",
            "share": 1.0,
            "valid_from": "2021-07",
            "valid_to": "2022-11",
        }
    ]
    assert at(graph(["x@GBR"], rows, as_of="2022-01"), "x@GBR")[0] == 1
    assert at(graph(["x@GBR"], rows, as_of="2021-01"), "x@GBR")[0] == 0
    assert at(graph(["x@GBR"], rows, as_of="2024-01"), "x@GBR")[0] == 0


@settings(max_examples=10, deadline=None)
@given(firms(), st.integers(0, 10**6))
def test_bounds_hold_the_value_and_aging_widens(rows, seed):
    if not rows:
        return
    rng = np.random.default_rng(seed)
    land = {f"{k}{i}": rng.choice(["CHN", "USA", "UNK"]) for k in "FO" for i in range(8)}
    h = [
        {"asset": "x@IDN" if y == "F0" else y, "holder": "x" if x == "F0" else x, "holder_country": land[x], "share": z}
        for x, y, z in rows
        if x != "F0"
    ]
    if not h:
        return
    try:
        young, aged = graph(["x@IDN"], h, exact=False), graph(["x@IDN"], h, exact=False, as_of="2034-01-01")
    except SchemaError as err:
        assert "cycle" in str(err)  # noqa: PT017
        return
    for view, rule in (
        ("equity", "majority"),
        ("control", "majority"),
        ("control", "aggregate"),
        ("control", "creditor"),
    ):
        try:
            now = control.focal_share(young, "CHN", view, rule=rule)
            old = control.focal_share(aged, "CHN", view, rule=rule)
        except SchemaError as err:
            assert "loop" in str(err)  # noqa: PT017
            return
        for v, lo, hi in (now, old):
            assert (lo <= v).all()
            assert (v <= hi).all()
        assert (old[1] <= now[1] + 1e-12).all()
        assert (old[2] >= now[2] - 1e-12).all()


def test_parts_without_known_output_have_no_say_in_grade_or_coverage():
    held = {"source": "made", "asset": "co@COD", "holder_country": "CHN", "type": "majority", "share": 0.8}
    unknown = {"portion": np.nan, "portion_low": 0.0, "portion_high": 0.6}
    rows = [
        {**held, "part": "large", "holder": "A", "portion": 0.4, "grade": "B"},
        {**held, "part": "unknown", "holder": "B", "grade": "D", **unknown},
        {**held, "part": "nil", "holder": "C", "portion": 0.0, "grade": "assumption"},
    ]
    g = graph(["co@COD"], rows, exact=False)
    e = control.effective_control(g).iloc[0]
    assert (e["grade"], e["coverage"], e["value"]) == ("B", pytest.approx(0.32), 0.4)
    assert e["high"] == 1.0
    assert metrics_lens.lens(g, "CHN", "equity").graded[0] == 1.0
    e = control.effective_control(graph(["co@COD"], rows[1:], exact=False)).iloc[0]
    assert e["coverage"] == 0
    assert e["grade"] is None or np.isnan(e["grade"])


def test_firms_that_are_looked_through_take_no_room_of_their_own():
    n = 40_000  # a table of firms by firms would be 13 GB
    firm = np.arange(n)
    y = control.equity(np.append((firm + 1) % n, n).tolist(), np.append(firm, 0).tolist(), [0.5] * n + [0.25])
    assert y.shape == (2, n)
    # The outsider holds a quarter of the first firm, which holds half of the last, and so on around the loop.
    np.testing.assert_allclose(y.loc[n, [0, n - 1, n - 2]].to_numpy(dtype=float), [0.25, 0.125, 0.0625], rtol=1e-9)


def test_trade_alone_says_little_of_control():
    """Without a register the value is what the focal hosts, the rest is open, and coverage says how little is known."""
    from supplyrisk.metrics import score

    g = graph(
        [("x@CHN", 30.0), ("x@JPN", 70.0), ("x@USA:demand", None), ("x@KOR:demand", None)],
        links=[("x@CHN", "x@USA:demand", 30.0), ("x@JPN", "x@USA:demand", 30.0), ("x@JPN", "x@KOR:demand", 40.0)],
    )
    columns = ["focal_share", "coverage", "headline"]
    s = score(g, "CHN", "control", ["product", "buyer"], bounds=True, metrics=columns).droplevel([0, 1, 2])
    assert s.loc["USA", ["focal_share", "focal_share_low", "focal_share_high"]].tolist() == [0.5, 0.5, 1.0]
    assert s.loc["USA", "coverage"] == pytest.approx(0.5)
    assert np.isnan(s.loc["KOR", "focal_share"])
    assert s.loc["KOR", ["focal_share_low", "focal_share_high", "coverage"]].tolist() == [0.0, 1.0, 0.0]
    assert "not on record" in next(iter(s.attrs["reasons"]["focal_share"]))
    host = score(g, "CHN", "control", ["product", "buyer"], unlisted="host", bounds=True, metrics=columns)
    assert host["coverage"].tolist() == [1.0, 1.0]  # presumed, because asked to
    assert host["focal_share_high"].tolist() == [0.0, 0.5]
    held = {"asset": "x@JPN", "holder": "Firm", "holder_country": "JPN", "share": 1.0}
    known = g.replace(holdings=graph(["x@JPN"], [held]).tables["holdings"])
    s = score(known, "CHN", "control", ["product", "buyer"], metrics=columns).droplevel([0, 1, 2])
    assert s["coverage"].tolist() == [1.0, 1.0]
    assert s["focal_share"].tolist() == [0.0, 0.5]


def test_a_tie_has_no_controller_whatever_the_order_of_the_rows():
    for holders in (["P", "Q"], ["Q", "P"]):
        assert control.majority(holders, ["F", "F"], [0.3, 0.3], threshold=0.25).isna().all()
        assert control.majority([*holders, "P"], ["F", "F", "F"], [0.3, 0.3, 0.1], threshold=0.25).to_dict() == {
            "F": "P"
        }


@pytest.mark.parametrize(
    "rows", list(itertools.permutations([("B", "A", 0.6), ("C", "B", 0.6), ("A", "C", 0.6), ("C", "P", 0.9)]))
)
def test_a_ring_has_one_name_whatever_the_order_of_the_rows(rows):
    found = control.majority(*zip(*rows, strict=True))
    assert found.to_dict() == {"A": None, "B": "A", "C": "A", "P": "A"}


def test_a_ring_that_closes_through_votes_together_is_called_by_its_first_firm():
    """A has B, A and B have C together, C has A: A and C lead each other, B leads nobody."""
    for a, b, c in itertools.permutations("ABC"):
        rows = [(a, b, 0.6), (a, c, 0.3), (b, c, 0.3), (c, a, 0.6)]
        head = min(a, c)
        want = {x: None if x == head else head for x in "ABC"}
        for order in itertools.permutations(rows):
            assert control.majority(*zip(*order, strict=True)).to_dict() == want


def test_shares_that_exceed_the_whole_by_rounding_are_closed():
    third = [0.335] * 3
    assert control.equity(["P", "Q", "R"], ["F"] * 3, third).to_numpy().sum() == pytest.approx(1.0)
    assert control.majority(["P", "Q", "R"], ["F"] * 3, third).isna().all()
    with pytest.raises(SchemaError):
        control.majority(["P", "Q", "R"], ["F"] * 3, [0.345] * 3)


def test_the_interval_beside_the_value_is_that_of_the_values_rule(atlas):
    t = control.effective_control(atlas).set_index("node")
    assert t.loc["gallium.refined@CHN", ["value", "low", "high"]].tolist() == [1.0, 1.0, 1.0]
    assert (t["any_low"] <= t["low"] + 1e-12).all()
    assert (t["any_high"] >= t["high"] - 1e-12).all()
    assert t.loc["gallium.refined@CHN", "any_low"] == pytest.approx(t.loc["gallium.refined@CHN", "equity_low"])


def test_below_half_the_largest_holder_controls_and_a_golden_share_that_does_not_count_opens_nothing() -> None:
    def owned(*rows: tuple[str, str, float | None]):
        held = [{"holder": c, "holder_country": c, "type": t, "share": s, "asset": "x@IDN"} for c, t, s in rows]
        return graph(["x@IDN"], [h | ({"missing": "not_applicable"} if h["share"] is None else {}) for h in held])

    def ruled(g, focal: str, **kw):
        return control.effective_control(g, focal, **kw)[["majority", "majority_low", "majority_high"]].iloc[0].tolist()

    g = owned(("CHN", "equity", 0.3), ("AUS", "equity", 0.4), ("CAN", "equity", 0.3))
    assert [ruled(g, c, threshold=0.25)[0] for c in ("CHN", "AUS", "CAN")] == [0.0, 1.0, 0.0]
    even = owned(("CHN", "equity", 0.4), ("AUS", "equity", 0.4))
    assert ruled(even, "CHN", threshold=0.25)[0] == 0.0
    gold = owned(("CHN", "golden_share", None), ("IDN", "equity", 1.0))
    assert ruled(gold, "CHN") == [1.0, 1.0, 1.0]
    assert ruled(gold, "CHN", golden_share=False) == [0.0, 0.0, 0.0]


def test_below_half_the_strongest_hands_are_settled_first() -> None:
    rows = [("O2", "F3", 0.40), ("O0", "F3", 0.25), ("F2", "F3", 0.35), ("O0", "F2", 1.0)]
    for threshold in (0.25, 0.5):  # O0 has 60 percent, most of it through F2
        assert control.majority(*zip(*rows, strict=True), threshold=threshold)["F3"] == "O0"
    chain = [
        ("O0", "F0", 0.45),
        ("O0", "F1", 0.15),
        ("F0", "F1", 0.25),
        ("O1", "F1", 0.35),
        ("F1", "X", 0.25),
        ("O1", "X", 0.35),
    ]
    found = control.majority(*zip(*[*chain, ("O3", "X", 0.40)], strict=True), threshold=0.25)
    assert found[["F0", "F1", "X"]].tolist() == ["O0", "O0", "O3"]


@pytest.mark.parametrize("seed", range(8))
def test_at_any_threshold_the_largest_hand_above_it_controls(seed: int) -> None:
    # Brute force down the tiers of firms without rings: votes of each hand added up, the largest above the threshold, of equals none.
    rng = np.random.default_rng(seed)
    for _ in range(40):
        firms, rows = [f"F{i}" for i in range(rng.integers(1, 5))], []
        for i, firm in enumerate(firms):
            pool = [*(f"O{j}" for j in range(4)), *firms[:i]]
            k = int(rng.integers(1, min(5, len(pool)) + 1))
            votes = rng.multinomial(20, np.ones(k + 1) / (k + 1))[:k]
            rows += [(h, firm, v) for h, v in zip(rng.choice(pool, k, replace=False), votes.tolist(), strict=True) if v]
        if not rows:
            continue
        holder, asset, twentieths = zip(*rows, strict=True)
        threshold = float(rng.choice([0.1, 0.25, 0.33, 0.5, 0.66]))
        found = control.majority(holder, asset, [v / 20 for v in twentieths], threshold=threshold)
        hand: dict[str, str] = {}
        for firm in dict.fromkeys(asset):
            held: dict[str, int] = {}
            for h, a, v in rows:
                if a == firm:
                    held[hand.get(h, h)] = held.get(hand.get(h, h), 0) + v
            most = max(held.values())
            lead = [h for h, v in held.items() if v == most]
            if most > threshold * 20 + 1e-9 and len(lead) == 1:
                hand[firm] = lead[0]
            got = found.get(firm)
            assert (None if pd.isna(got) else got) == hand.get(firm)

"""Exposure through all tiers: worked examples, laws, and brute force on small random graphs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplyrisk import control, exposure
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph


def graph(nodes, links=(), recipes=(), prices=None, **kw):
    """A graph from short rows: node ids (with output), links (supplier, buyer, quantity), recipes."""
    made = [n if isinstance(n, tuple) else (n, 100.0) for n in nodes]
    names = {n.partition("@")[0] for n, _ in made} | {x for r in recipes for x in (r["product"], r["input"])}
    products = pd.DataFrame(
        [
            {
                "product": p,
                "name": p,
                "commodity": p,
                "chain": "c",
                "stage": "refine",
                "unit": "t",
                "basis": "contained",
                "period": "year",
                "price": (prices or {}).get(p),
            }
            for p in sorted(names)
        ]
    )
    rows = []
    for node, output in made:
        product, _, rest = node.partition("@")
        kind = "demand" if rest.endswith(":demand") else "stock" if rest.endswith(":stock") else "producer"
        country, _, site = rest.removesuffix(f":{kind}").partition("#")
        rows.append(
            {
                "node": node,
                "product": product,
                "country": country,
                "site": site or None,
                "kind": kind,
                "year": 2024,
                "output": output if kind == "producer" else None,
                "output_low": output if kind == "producer" else None,
                "output_high": output if kind == "producer" else None,
                "output_grade": "assumption",
            }
        )
    tables = {"products": products, "nodes": pd.DataFrame(rows)}
    if links:
        tables["links"] = pd.DataFrame(
            [
                {
                    "supplier": s,
                    "buyer": b,
                    "product": s.partition("@")[0],
                    "year": 2024,
                    "method": "observed",
                    "quantity": q,
                    "low": q,
                    "high": q,
                    "missing": "unknown" if q is None else None,
                    "grade": "assumption",
                }
                for s, b, q in links
            ]
        )
    if recipes:
        tables["recipes"] = pd.DataFrame(
            [
                {"process": "p", "input_class": "essential", "coefficient": 1.0, "grade": "assumption", "year": 2024}
                | r
                for r in recipes
            ]
        )
    return SupplyGraph.from_tables(tables, **kw)


def flag(g, *nodes):
    out = np.zeros(g.index.n)
    out[[g.index.code(n) for n in nodes]] = 1.0
    return out


def value(g, x, node):
    return round(float(x[g.index.code(node)]), 9)


# ---------------------------------------------------------------- tracing


def assembly():
    """The F6 example as a graph: one product of three inputs, exposed .20, .75 and .50."""
    links = []
    for k, y, q in (("a", 0.2, 60.0), ("b", 0.75, 10.0), ("c", 0.5, 30.0)):
        links += [(f"{k}@CHN", "z@JPN", q * y), (f"{k}@USA", "z@JPN", q * (1 - y))]
    return graph(
        ["z@JPN", *(f"{k}@{c}" for k in "abc" for c in ("CHN", "USA"))], links, prices=dict.fromkeys("abc", 1.0)
    )


def test_assembly_linear_and_bottleneck():
    g = assembly()
    own = flag(g, "a@CHN", "b@CHN", "c@CHN")
    assert value(g, exposure.trace(g, own), "z@JPN") == pytest.approx(0.345)
    assert value(g, exposure.trace(g, own, "bottleneck"), "z@JPN") == pytest.approx(0.75)
    frame = exposure.exposure(g, "CHN").set_index("node")
    assert frame.loc["z@JPN", ["linear", "bottleneck"]].tolist() == pytest.approx([0.345, 0.75])
    assert not frame["assumed_weights"].any()


def test_substitutes_minor_inputs_and_gaps():
    g = graph(
        ["z@JPN", "a@CHN", "b@USA", "c@CHN"],
        [("a@CHN", "z@JPN", 1.0), ("b@USA", "z@JPN", 1.0), ("c@CHN", "z@JPN", 1.0)],
        [
            {"product": "z", "input": "a", "substitute_group": "s"},
            {"product": "z", "input": "b", "substitute_group": "s"},
            {"product": "z", "input": "c", "input_class": "minor"},
        ],
    )
    own = flag(g, "a@CHN", "c@CHN")
    assert value(g, exposure.trace(g, own, "bottleneck"), "z@JPN") == 0.0
    assert value(g, exposure.trace(g, own), "z@JPN") == pytest.approx(2 / 3)
    assert exposure.exposure(g).set_index("node").loc["z@JPN", "assumed_weights"]
    g = graph(["z@JPN", "a@USA"], [("a@USA", "z@JPN", 1.0)], [{"product": "z", "input": k} for k in "ab"])
    row = exposure.exposure(g).set_index("node").loc["z@JPN"]
    assert row[["linear_low", "linear", "linear_high"]].tolist() == [0, 0, 1]
    assert row[["bottleneck_low", "bottleneck", "bottleneck_high"]].tolist() == [0, 0, 1]
    assert row["gap"]


def test_trap_11_a_hub_that_produces_nothing_is_seen_through():
    g = graph(
        ["x@CHN", "x@AUS", ("x@SGP:demand", None), ("x@JPN:demand", None)],
        [
            ("x@CHN", "x@SGP:demand", 80.0),
            ("x@AUS", "x@SGP:demand", 20.0),
            ("x@SGP:demand", "x@JPN:demand", 50.0),
            ("x@AUS", "x@JPN:demand", 50.0),
        ],
    )
    assert value(g, exposure.trace(g, flag(g, "x@CHN")), "x@JPN:demand") == pytest.approx(0.4)


def test_unknown_flows_are_width_not_zero():
    g = graph(
        ["x@CHN", "x@AUS", ("x@JPN:demand", None), ("x@KOR:demand", None)],
        [("x@CHN", "x@JPN:demand", None), ("x@AUS", "x@JPN:demand", None)],
    )
    f = exposure.exposure(g).set_index("node")
    for node in ("x@JPN:demand", "x@KOR:demand"):
        for c in ("linear", "bottleneck"):
            assert f.loc[node, [f"{c}_low", c, f"{c}_high"]].tolist() == [0, 0, 1]


def test_loop_without_a_source_is_unknown():
    g = graph(
        [("x@JPN:demand", None), ("x@KOR:demand", None)],
        [("x@JPN:demand", "x@KOR:demand", 5.0), ("x@KOR:demand", "x@JPN:demand", 5.0)],
    )
    f = exposure.exposure(g)
    assert f[["linear_low", "linear", "linear_high"]].to_numpy().tolist() == [[0, 0, 1]] * 2
    assert f[["bottleneck_low", "bottleneck", "bottleneck_high"]].to_numpy().tolist() == [[0, 0, 1]] * 2


def test_bad_arguments():
    g = assembly()
    with pytest.raises(UnknownNameError):
        exposure.trace(g, np.zeros(g.index.n), "worst")
    with pytest.raises(SchemaError):
        exposure.trace(g, np.zeros(3))
    with pytest.raises(SchemaError):
        exposure.trace(g, np.full(g.index.n, 1.5))
    with pytest.raises(SchemaError):
        exposure.trace(g, np.zeros(g.index.n), unknown=2.0)
    with pytest.raises(SchemaError):
        exposure.trace(g, np.zeros(g.index.n), weights=np.zeros(2))


@st.composite
def supply(draw):
    """Random graphs with pools, producers of three products, cycles, alternatives, unknown flows."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    lands = ["CHN", "JPN", "USA", "AUS"][: draw(st.integers(2, 4))]
    nodes = [f"{p}@{c}" for p in "abc" for c in lands] + [(f"{p}@{c}:demand", None) for p in "abc" for c in lands]
    links = []
    for p in "abc":
        for c in lands:
            for d in lands:
                if rng.random() < 0.6:
                    links.append((f"{p}@{d}", f"{p}@{c}:demand", float(rng.integers(1, 9))))
                if c != d and rng.random() < 0.4:
                    links.append((f"{p}@{d}:demand", f"{p}@{c}:demand", float(rng.integers(1, 9))))
            for k in "abc":
                if rng.random() < 0.4:
                    links.append((f"{k}@{c}:demand", f"{p}@{c}", None if rng.random() < 0.2 else 1.0))
                    if rng.random() < 0.3:
                        links.append((f"{k}@{rng.choice(lands)}", f"{p}@{c}", None if rng.random() < 0.5 else 2.0))
    links = list({(s, b): (s, b, q) for s, b, q in links if s != b}.values())
    recipes = []
    for p in "abc":
        for k in "abc":
            if p != k and rng.random() < 0.5:
                recipes.append(
                    {
                        "product": p,
                        "input": k,
                        "input_class": str(rng.choice(["essential", "important", "minor"])),
                        "substitute_group": "s" if rng.random() < 0.5 else None,
                    }
                )
    return nodes, links, recipes


def _brute(g, own, mode, unknown):
    """The rule of tracing, node by node, until nothing moves."""
    ix = g.index
    ids, kind = ix.nodes["node"].tolist(), ix.nodes["kind"].tolist()
    product = ix.nodes["product"].tolist()
    weights, _ = exposure.input_weights(g)
    rec = {(r.product, r.input): (r.input_class, r.substitute_group) for r in g.recipes.itertuples()}
    x = np.full(len(ids), float(unknown))
    for _ in range(3000):
        new = x.copy()
        handed = np.where([k == "demand" and a >= 1 for k, a in zip(kind, own, strict=True)], 1.0, x)
        for v in range(len(ids)):
            segs = [s for s in range(len(ix.segment_buyer)) if ix.segment_buyer[s] == v]
            e = {}
            for s in segs:
                hit = np.flatnonzero(ix.segment == s)
                share = ix.share[hit]
                e[s] = unknown if np.isnan(share).any() else float(share @ handed[ix.src[hit]])
            if kind[v] == "demand":
                new[v] = e[segs[0]] if segs else unknown
                continue
            have = {ix.segment_product[s] for s in segs}
            groups = {}
            for (p, k), (cls, grp) in rec.items():
                if p == product[v] and cls == "essential":
                    groups.setdefault(k if pd.isna(grp) else ("g", grp), set()).add(k)
            lacking = any(not (ks & have) for ks in groups.values())
            if mode == "linear":
                agg = sum(weights[s] * e[s] for s in segs)
                agg = agg if not (lacking and unknown) else 1.0
            else:
                hard, soft = {}, {}
                for s in segs:
                    k = ix.segment_product[s]
                    cls, grp = rec.get((product[v], k), ("essential", None))
                    key = k if pd.isna(grp) or mode != "bottleneck" else ("g", grp)
                    if cls == "essential" or mode == "strict":
                        hard.setdefault(key, []).append(e[s])
                    elif cls == "important":
                        soft.setdefault(key, []).append((e[s], weights[s]))
                held = sum(min(a for a, _ in z) * sum(b for _, b in z) for z in soft.values())
                agg = max([min(z) for z in hard.values()] + ([unknown] if lacking else []) + [held])
            new[v] = own[v] + (1 - own[v]) * agg
        if np.abs(new - x).max() < 1e-14:
            break
        x = new
    return x


@settings(max_examples=8, deadline=None)
@given(supply(), st.integers(0, 10**6))
def test_trace_against_brute_force(spec, seed):
    nodes, links, recipes = spec
    g = graph(nodes, links, recipes)
    rng = np.random.default_rng(seed)
    own = rng.choice([0.0, 0.0, 0.4, 1.0], size=(g.index.n, 3))
    for mode in ("linear", "bottleneck", "partial", "strict"):
        for unknown in (0.0, 1.0):
            got = exposure.trace(g, own, mode, unknown=unknown)
            for j in range(2):
                np.testing.assert_allclose(got[:, j], _brute(g, own[:, j], mode, unknown), atol=1e-7)
            np.testing.assert_allclose(got[:, 1], exposure.trace(g, own[:, 1], mode, unknown=unknown), atol=1e-9)
    f = exposure.exposure(g, rules=True)
    for c in ("own", "linear", "bottleneck", "partial", "strict"):
        assert (f[f"{c}_low"] <= f[c] + 1e-12).all()
        assert (f[c] <= f[f"{c}_high"] + 1e-12).all()
    for end in ("", "_low", "_high"):
        for a, b in (("linear", "strict"), ("bottleneck", "partial"), ("partial", "strict")):
            assert (f[a + end] <= f[b + end] + 1e-9).all()


@settings(max_examples=6, deadline=None)
@given(supply(), st.sampled_from(["product", ("product", "buyer"), "link"]))
def test_location_is_never_above_origin_nor_bottleneck(spec, by):
    """What a pool in the focal territory hands on is the focal's, wherever it was made: re-exports do not hide it."""
    from supplyrisk.metrics import score

    g = graph(*spec)
    by = [by] if isinstance(by, str) else list(by)
    here, traced = (score(g, view=v, by=by).droplevel(["focal", "view"]) for v in ("location", "origin"))
    for column, frame in (("focal_share", traced), ("bottleneck", traced), ("bottleneck", here)):
        both = here["focal_share"].notna() & frame[column].notna()
        assert (here["focal_share"][both] <= frame[column][both] + 1e-9).all()


def test_a_re_export_through_the_focal_counts_and_home_use_does_not():
    g = graph(
        ["a@AUS", ("a@CHN:demand", None), ("a@JPN:demand", None), "b@CHN"],
        [("a@AUS", "a@CHN:demand", 8.0), ("a@CHN:demand", "a@JPN:demand", 3.0), ("a@CHN:demand", "b@CHN", 5.0)],
    )
    f = exposure.exposure(g).set_index("node")
    assert f.loc["a@CHN:demand", ["linear", "bottleneck", "linear_high"]].tolist() == [0, 0, 0]
    assert f.loc["a@JPN:demand", ["linear_low", "linear", "bottleneck", "bottleneck_high"]].tolist() == [1, 1, 1, 1]


# ---------------------------------------------------------------- inter-country tables (F2, F3)

A = np.array([[0.40, 0.02, 0.03], [0.05, 0.45, 0.08], [0.08, 0.06, 0.35]])
REGION = ["HOME", "CHN", "ROW"]


def test_face_value_and_lookthrough():
    r = exposure.io_lookthrough(A, region=REGION, value_added=True)
    home = r[r["sector"] == 0]
    np.testing.assert_allclose(home["face"], [0.754717, 0.094340, 0.150943], atol=5e-7)
    np.testing.assert_allclose(home["lookthrough"], [0.625166, 0.169744, 0.205090], atol=5e-7)
    np.testing.assert_allclose(home["value_added"], [0.791517, 0.087298, 0.121185], atol=5e-7)
    assert home["value_added"].sum() == pytest.approx(1.0, abs=1e-12)
    china = home.set_index("focal").loc["CHN"]
    assert china["hidden"] == pytest.approx(0.075405, abs=5e-7)
    assert china["multiplier"] == pytest.approx(1.799291, abs=5e-7)
    f = exposure.io_lookthrough(A, region=REGION, of="foreign", focal=["CHN", "ROW"]).head(2)
    np.testing.assert_allclose(f["face"], [0.384615, 0.615385], atol=5e-7)
    np.testing.assert_allclose(f["lookthrough"], [0.452852, 0.547148], atol=5e-7)
    np.testing.assert_allclose(exposure.face_value(A, region=REGION).iloc[0], [0.754717, 0.094340, 0.150943], atol=5e-7)


def test_trap_14_the_identity_is_left_out():
    full = np.linalg.inv(np.eye(3) - A)
    right = exposure.io_lookthrough(A, region=REGION, focal="CHN")["lookthrough"].iloc[0]
    assert right == pytest.approx((full - np.eye(3))[1, 0] / (full - np.eye(3))[:, 0].sum(), abs=1e-12)
    assert right != pytest.approx(full[1, 0] / full[:, 0].sum(), abs=1e-2)


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6))
def test_lookthrough_against_the_inverse(n, seed):
    from scipy import sparse

    rng = np.random.default_rng(seed)
    z = rng.random((n, n)) * (rng.random((n, n)) < 0.6)
    x = z.sum(axis=0) + rng.random(n) + 0.01
    x[0], z[:, 0] = 0.0, 0.0  # a sector without output
    region = rng.choice(["a", "b", "c"], n)
    a = np.divide(z, x, out=np.zeros_like(z), where=x > 0)
    deep = np.linalg.inv(np.eye(n) - a) - np.eye(n)
    focal = sorted(set(region))
    for table in (z, pd.DataFrame(z), sparse.csr_matrix(z)):
        r = exposure.io_lookthrough(table, x, region=region, focal=focal)
        for i, f in enumerate(focal):
            got = r["lookthrough"].to_numpy().reshape(n, -1)[:, i]
            total = deep.sum(axis=0)
            want = np.divide(deep[region == f].sum(axis=0), total, out=np.full(n, np.nan), where=total > 0)
            np.testing.assert_allclose(got, want, atol=1e-9)
            np.testing.assert_allclose(
                r["visits"].to_numpy().reshape(n, -1)[:, i], deep[region == f].sum(axis=0), atol=1e-9
            )
    assert np.isnan(r["lookthrough"].iloc[0])


def _wide_table(rng, sizes, scale):
    n = sum(sizes)
    region = np.repeat([f"R{i}" for i in range(len(sizes))], sizes)
    z = rng.lognormal(0, 2, (n, n)) * (1 + 30 * (region[:, None] == region[None, :]))
    z[:, 3] *= 1e-9  # next to no inputs
    x = z.sum(axis=0) * scale
    x[7], z[:, 7] = 0.0, 0.0  # no output, yet others buy from it: an import that nobody makes
    x[3] = 1.0
    return z, x, region


@pytest.mark.parametrize(("scale", "atol"), [(1.5, 1e-11), (1 + 1e-5, 1e-9)])
def test_lookthrough_of_large_and_scattered_regions(scale, atol):
    rng = np.random.default_rng(3)
    z, x, region = _wide_table(rng, [150, 40, 40, 1, 69], scale)  # one region is cut into two blocks
    mixed = rng.permutation(len(x))
    z, x, region = z[np.ix_(mixed, mixed)], x[mixed], region[mixed]
    a = np.divide(z, x, out=np.zeros_like(z), where=x > 0)
    deep = np.linalg.solve(np.eye(len(x)) - a.T, a.T).T
    for table in (z, np.asfortranarray(z)):
        r = exposure.io_lookthrough(table, x, region=region, focal=["R0", "R3"])
        got = r["lookthrough"].to_numpy().reshape(-1, 2)
        for i, f in enumerate(["R0", "R3"]):
            with np.errstate(invalid="ignore"):
                np.testing.assert_allclose(got[:, i], deep[region == f].sum(axis=0) / deep.sum(axis=0), atol=atol)
    every = exposure.io_lookthrough(z, x, region=region).groupby("sector")["lookthrough"].sum(min_count=1)
    np.testing.assert_allclose(every.dropna(), 1, atol=1e-10)


@pytest.mark.parametrize("form", [np.asarray, "sparse"])
def test_lookthrough_falls_back_on_elimination(form, monkeypatch):
    from scipy import sparse

    from supplyrisk import lookthrough

    z, x, region = _wide_table(np.random.default_rng(5), [20, 15, 5], 1.2)
    want = exposure.io_lookthrough(z, x, region=region)
    monkeypatch.setattr(lookthrough, "_cycle", lambda table, undo, b: np.zeros_like(b))
    table = sparse.csr_matrix(z) if form == "sparse" else z
    got = exposure.io_lookthrough(table, x, region=region)
    np.testing.assert_allclose(got["lookthrough"], want["lookthrough"], atol=1e-12)
    with pytest.raises(SchemaError, match="do not converge"):  # singular
        exposure.io_lookthrough(np.array([[0.5, 0.5], [0.5, 0.5]]), region=["a", "b"])


def test_restricted_rows():
    rows = [True, True, False]
    deep = np.linalg.inv(np.eye(3) - A) - np.eye(3)
    r = exposure.io_lookthrough(A, region=REGION, focal="CHN", rows=rows)
    np.testing.assert_allclose(r["lookthrough"], deep[1] / deep[:2].sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("form", [np.asarray, "sparse"])
def test_a_sector_that_takes_in_and_makes_nothing_has_an_empty_column(form):
    from scipy import sparse

    z, x, region = _wide_table(np.random.default_rng(11), [6, 4, 5], 1.5)
    x[[2, 9]] = 0.0  # as pymrio's calc_A: 1 / x is 0 where x is 0, so the column of A is 0 too; sector 7 buys nothing
    a = np.divide(z, x, out=np.zeros_like(z), where=x > 0)
    deep = np.linalg.inv(np.eye(len(x)) - a) - np.eye(len(x))
    table = sparse.csr_matrix(z) if form == "sparse" else z
    got = exposure.io_lookthrough(table, x, region=region)
    face = exposure.face_value(table, x, region=region)
    for f in dict.fromkeys(region):
        with np.errstate(invalid="ignore"):
            want, direct = (m[np.asarray(region) == f].sum(axis=0) / m.sum(axis=0) for m in (deep, a))
        np.testing.assert_allclose(got.loc[got["focal"] == f, "lookthrough"], want, atol=1e-12)
        np.testing.assert_allclose(got.loc[got["focal"] == f, "face"], direct, atol=1e-12)
        np.testing.assert_allclose(face[f], direct, atol=1e-12)
    assert np.isnan(face.loc[[2, 7, 9]]).to_numpy().all()
    assert got.attrs["without_output"] == face.attrs["without_output"] == [2, 9]
    named = pd.DataFrame(z, index=[f"s{i}" for i in range(len(x))], columns=[f"s{i}" for i in range(len(x))])
    assert exposure.face_value(named, x, region=region).attrs["without_output"] == ["s2", "s9"]
    assert exposure.io_lookthrough(A, region=REGION).attrs["without_output"] == []


def test_tables_that_cannot_be_right():
    with pytest.raises(SchemaError, match="do not converge"):
        exposure.io_lookthrough(A * 3, region=REGION)
    with pytest.raises(SchemaError, match="not square"):
        exposure.io_lookthrough(A[:2], region=REGION)
    with pytest.raises(UnknownNameError, match="CHN"):
        exposure.io_lookthrough(A, region=REGION, focal="CHM")
    with pytest.raises(SchemaError, match="finite"):
        exposure.face_value(np.where(A > 0.4, np.nan, A), region=REGION)


# ---------------------------------------------------------------- flows with primary sources (F4, F5, F6)

FLOWS = pd.DataFrame(
    [
        ("CD", "CN", 80.0),
        ("CD", "FI", 20.0),
        ("AU", "CN", 10.0),
        ("AU", "FI", 30.0),
        ("CN", "home", 54.0),
        ("FI", "home", 36.0),
    ],
    columns=["supplier", "buyer", "quantity"],
)
SUPPLY = {"CD": 100.0, "AU": 40.0}


def test_primary_origin():
    y = exposure.origin(FLOWS, SUPPLY).loc["home"]
    np.testing.assert_allclose(y[["CD", "AU"]], [0.693333, 0.306667], atol=5e-7)
    by = exposure.origin(FLOWS, SUPPLY, by={"CD": "Africa", "AU": "Oceania"}).loc["home"]
    assert by["Africa"] == pytest.approx(y["CD"])


def test_touch_probability():
    t = exposure.touch_probability(FLOWS, {"CN": 1.0, "CD": 0.8}, SUPPLY)
    assert t["home"] == pytest.approx(0.728, abs=5e-7)
    assert exposure.touch_probability(FLOWS, {"CN": 1.0}, SUPPLY)["home"] == pytest.approx(0.6)


def test_loops_recycle_and_sourceless_loops_are_named():
    loop = pd.concat([FLOWS, pd.DataFrame([("home", "FI", 10.0)], columns=FLOWS.columns)])
    y = exposure.origin(loop, SUPPLY)
    np.testing.assert_allclose(y.sum(axis=1), 1.0, atol=1e-12)
    lost = pd.concat([FLOWS, pd.DataFrame([("X", "Y", 1.0), ("Y", "X", 1.0)], columns=FLOWS.columns)])
    with pytest.raises(SchemaError, match="X, Y"):
        exposure.origin(lost, SUPPLY)
    with pytest.raises(SchemaError, match="CD, AU, CN"):
        exposure.touch_probability(FLOWS, {"home": 0.5}, {})
    with pytest.raises(SchemaError, match="negative"):
        exposure.origin(FLOWS.assign(quantity=-1.0), SUPPLY)
    with pytest.raises(UnknownNameError):
        exposure.touch_probability(FLOWS, {"CNN": 1.0}, SUPPLY)


def test_assembly_three_ways():
    got = exposure.bottleneck([0.20, 0.75, 0.50], [0.6, 0.1, 0.3])
    np.testing.assert_allclose(got, [0.345, 0.75, 0.9], atol=5e-7)
    assert exposure.bottleneck([0.2, 0.75, 0.5], essential=[True, False, True])["bottleneck"] == 0.5
    assert exposure.bottleneck([0.2, 0.75, 0.5], group=["s", "s", None])["bottleneck"] == 0.5
    with pytest.raises(SchemaError):
        exposure.bottleneck([0.2, np.nan])
    with pytest.raises(SchemaError):
        exposure.bottleneck([])


def test_origin_of_a_graph():
    g = graph(
        ["x@CHN", "x@AUS", "z@JPN", ("z@KOR:demand", None), ("x@SGP:demand", None)],
        [
            ("x@CHN", "x@SGP:demand", 30.0),
            ("x@AUS", "x@SGP:demand", 10.0),
            ("x@SGP:demand", "z@JPN", 5.0),
            ("z@JPN", "z@KOR:demand", 4.0),
        ],
    )
    y = exposure.origin(g)
    assert y.loc["z@KOR:demand", ["CHN", "AUS", "UNK"]].tolist() == pytest.approx([0.75, 0.25, 0.0])
    assert exposure.touch_probability(g, {"x@CHN": 1.0})["z@KOR:demand"] == pytest.approx(0.75)
    assert exposure.origin(g, view="equity").loc["z@KOR:demand", "UNK"] == pytest.approx(1.0)


# ---------------------------------------------------------------- free flow (F7), dominators, paths

CAPS = FLOWS.assign(quantity=[80.0, 20.0, 10.0, 30.0, np.inf, np.inf])


def test_china_free_deliverable():
    kw = {"supply": SUPPLY, "demand": {"home": 90.0}, "capacity": {"FI": 50.0}}
    r = exposure.free_flow(CAPS, without=["CN"], **kw)
    assert r.share == pytest.approx(0.555556, abs=5e-7)
    assert r.cut["capacity"].sum() == pytest.approx(r.flow)
    assert exposure.free_flow(CAPS, without=["CN", "CD"], **kw).share == pytest.approx(0.333333, abs=5e-7)
    whole = exposure.free_flow(CAPS, **kw)
    assert whole.share == 1.0
    assert whole.cut["kind"].tolist() == ["demand"]
    with pytest.raises(UnknownNameError):
        exposure.free_flow(CAPS, without=["CNN"], **kw)
    with pytest.raises(SchemaError):
        exposure.free_flow(CAPS, supply=SUPPLY)


def _min_cut(links, supply, demand, through, nodes):
    """Smallest cut by trying every set of nodes on the source's side (node in, node through)."""
    best = np.inf
    for code in range(3 ** len(nodes)):
        state, c = {}, code
        for v in nodes:  # 0: behind the cut; 1: entered but not passed; 2: on the source's side
            state[v], c = c % 3, c // 3
        cut = sum(q for v, q in supply.items() if state[v] == 0)
        cut += sum(through.get(v, np.inf) for v in nodes if state[v] == 1)
        cut += sum(q for (s, b), q in links.items() if state[s] == 2 and state[b] == 0)
        cut += sum(q for v, q in demand.items() if state[v] == 2)
        best = min(best, cut)
    return best


@settings(max_examples=16, deadline=None)
@given(st.integers(0, 10**6))
def test_minimum_cut_against_brute_force(seed):
    rng = np.random.default_rng(seed)
    nodes = [f"n{i}" for i in range(6)]
    links = {
        (a, b): float(rng.choice([rng.random() * 10, 1e-6, 12345.678]))
        for a in nodes
        for b in nodes
        if a != b and rng.random() < 0.35
    }
    links = links or {("n0", "n5"): 1.0}
    through = {v: float(rng.random() * 9) for v in nodes if rng.random() < 0.5}
    supply, demand = {"n0": 7.3, "n1": float(rng.random() * 1e4)}, {"n5": 9.1, "n4": 2.2}
    f = pd.DataFrame([(a, b, q) for (a, b), q in links.items()], columns=["supplier", "buyer", "quantity"])
    for v in {*supply, *demand} - {*f["supplier"], *f["buyer"]}:  # a node without a way is named by a link of nothing
        f.loc[len(f)] = [v, "n2" if v != "n2" else "n3", 0.0]
    known = {*f["supplier"], *f["buyer"]}
    r = exposure.free_flow(f, supply=supply, demand=demand, capacity={k: v for k, v in through.items() if k in known})
    want = _min_cut(links, supply, demand, through, nodes)
    assert r.flow == pytest.approx(want, rel=1e-11, abs=1e-11)
    assert r.cut["capacity"].sum() == pytest.approx(want, rel=1e-11, abs=1e-11)


def test_free_flow_of_a_graph():
    g = graph(
        [("x@CHN", 100.0), ("x@AUS", 30.0), ("x@JPN:demand", None), ("x@CHN:demand", None)],
        [
            ("x@CHN", "x@JPN:demand", 60.0),
            ("x@AUS", "x@JPN:demand", 20.0),
            ("x@AUS", "x@CHN:demand", 10.0),
            ("x@CHN:demand", "x@JPN:demand", 10.0),
        ],
    )
    r = exposure.free_flow(g, "x@JPN:demand")
    assert (r.flow, r.demand) == (pytest.approx(20.0), pytest.approx(90.0))
    assert r.cut[["kind", "name", "to"]].to_numpy().tolist() == [["link", "x@AUS", "x@JPN:demand"]]
    assert exposure.free_flow(g, "x@JPN:demand", focal="USA").share == 1.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_dominators_by_removing_each_node(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 11))
    pairs = [
        (f"n{a}", f"n{b}") for a in range(n) for b in range(n) if a != b and rng.random() < rng.choice([0.12, 0.25])
    ]
    if not pairs:
        return
    f = pd.DataFrame(pairs, columns=["supplier", "buyer"])
    nodes = sorted({*f["supplier"], *f["buyer"]})
    sources = [v for v in nodes if v not in set(f["buyer"])] or nodes[:1]
    to = str(rng.choice(nodes))

    def fed(without=None):
        have = {s for s in sources if s != without}
        while True:
            new = have | {b for s, b in pairs if s in have and b != without}
            if new == have:
                return to in have
            have = new

    got = exposure.dominators(f, to, sources=sources)
    want = {v for v in nodes if v != to and not fed(v)} if fed() and to not in sources else set()
    assert set(got) == want


def test_dominators_of_a_graph():
    g = graph(
        ["x@CHN", "x@AUS", ("x@SGP:demand", None), ("x@JPN:demand", None)],
        [
            ("x@CHN", "x@SGP:demand", 1.0),
            ("x@AUS", "x@SGP:demand", 1.0),
            ("x@SGP:demand", "x@JPN:demand", 1.0),
            ("x@AUS", "x@JPN:demand", 0.0),
        ],
    )
    assert exposure.dominators(g, "x@JPN:demand") == ["x@SGP:demand"]
    with pytest.raises(UnknownNameError):
        exposure.dominators(g, "x@JPN")


@settings(max_examples=20, deadline=None)
@given(supply())
def test_paths_add_up_and_are_ranked(spec):
    nodes, links, _ = spec
    ring = [x for x in links if not (x[0].endswith(":demand") and x[1].endswith(":demand"))]
    ring = [x for x in ring if x[1].endswith(":demand") or x[0][0] < x[1][0]]  # no loops: shares add up exactly
    g = graph(nodes, ring)
    own = np.zeros(g.index.n)
    own[
        [
            i
            for i, (c, k) in enumerate(zip(g.index.nodes["country"], g.index.nodes["kind"], strict=True))
            if c == "CHN" and k == "producer"
        ]
    ] = 1.0
    whole = exposure.trace(g, own)
    for to in ("c@JPN:demand", "b@CHN:demand"):
        p = exposure.paths(g, to, via="CHN", k=10_000)
        assert p["share"].is_monotonic_decreasing
        assert p["share"].sum() == pytest.approx(whole[g.index.code(to)], abs=1e-9)
        assert all("@CHN" in names[0] and names[-1] == to for names in p["nodes"])
        top = exposure.paths(g, to, via="CHN", k=2)
        np.testing.assert_allclose(top["share"], p["share"].head(2))


def test_paths_carry_evidence():
    g = assembly()
    p = exposure.paths(g, "z@JPN", via="CHN", k=2)
    assert p["path"].tolist() == ["c@CHN > z@JPN", "a@CHN > z@JPN"]
    assert p["share"].tolist() == pytest.approx([0.15, 0.12])
    assert set(p["grade"]) == {"assumption"}
    assert p["part"].iloc[0] == pytest.approx(0.15 / 0.345)
    assert len(exposure.paths(g, "z@JPN", k=100)) == 6
    assert exposure.paths(g, "z@JPN", via="a@USA")["path"].tolist() == ["a@USA > z@JPN"]
    with pytest.raises(UnknownNameError):
        exposure.paths(g, "z@JPN", via="CHM")


@settings(max_examples=5, deadline=None)
@given(supply(), st.integers(0, 10**6))
def test_flow_intervals_are_carried_exactly_one_tier_and_safely_through_all(spec, seed):
    nodes, links, recipes = spec
    rng = np.random.default_rng(seed)
    g = graph(nodes, links, recipes)
    t = g.links
    known = t["quantity"].notna()
    t["low"] = t["low"].mask(known, t["quantity"] * rng.uniform(0.3, 1.0, len(t)))
    t["high"] = t["high"].mask(known, t["quantity"] * rng.uniform(1.0, 3.0, len(t)))
    wide = g.replace(links=t)
    f = exposure.exposure(wide)
    weights, _ = exposure.input_weights(g)
    own = control.focal_share(g)[0]
    for _ in range(3):  # whatever the flows are within their intervals, the truth lies within the bounds
        s = t.copy()
        s["quantity"] = (s["low"] + (s["high"] - s["low"]) * rng.choice([0.0, 0.5, 1.0], len(s))).where(known)
        s["quantity"] = s["quantity"].fillna(pd.Series(rng.uniform(0.1, 5.0, len(s))))
        drawn = g.replace(links=s.assign(low=s["quantity"], high=s["quantity"], missing=None))
        linear = exposure.trace(drawn, own, weights=weights)
        worst = exposure.trace(drawn, own, "bottleneck", weights=weights)
        for name, x in (("linear", linear), ("bottleneck", worst)):
            assert (x >= f[f"{name}_low"] - 1e-9).all()
            assert (x <= f[f"{name}_high"] + 1e-9).all()


def test_one_tier_bounds_are_exact():
    g = graph(
        ["x@CHN", "x@AUS", ("x@JPN:demand", None)], [("x@CHN", "x@JPN:demand", 6.0), ("x@AUS", "x@JPN:demand", 4.0)]
    )
    t = g.links
    t["low"], t["high"] = (
        t["supplier"].map({"x@CHN": 5.0, "x@AUS": 3.0}),
        t["supplier"].map({"x@CHN": 8.0, "x@AUS": 5.0}),
    )
    row = exposure.exposure(g.replace(links=t)).set_index("node").loc["x@JPN:demand"]
    assert row[["linear_low", "linear", "linear_high"]].tolist() == pytest.approx([5 / 10, 0.6, 8 / 11])


def test_weights_that_nobody_knows_make_no_bound() -> None:
    """Inputs without a price may be all of the one or all of the other; minor things on record are not the bulk."""
    import supplyrisk as sr

    e = sr.exposure.exposure(sr.load_atlas(), "CHN").set_index("node")
    assert e["assumed_weights"]["front_end.logic_lt10nm@TWN"]
    assert e["linear_low"]["front_end.logic_lt10nm@TWN"] == 0.0
    assert e["linear_high"]["front_end.logic_lt10nm@TWN"] == 1.0
    magnets = e.loc["tool.etch@ROW"]  # the one input on record is a magnet, and not essential
    assert magnets["linear"] > 0.9
    assert magnets["linear_low"] == 0.0
    assert magnets["bottleneck_low"] == 0.0
    for mode in ("linear", "bottleneck"):
        assert (e[f"{mode}_low"] <= e[mode] + 1e-12).all()
        assert (e[mode] <= e[f"{mode}_high"] + 1e-12).all()


def test_a_misspelt_source_or_buyer_is_no_answer():
    f = pd.DataFrame([("a", "b", 1.0), ("b", "c", 1.0)], columns=["supplier", "buyer", "quantity"])
    assert exposure.free_flow(f, supply={"a": 1}, demand={"c": 1}).share == 1.0
    for wrong in ({"supply": {"A": 1}, "demand": {"c": 1}}, {"supply": {"a": 1}, "demand": {"C": 1}}):
        with pytest.raises(UnknownNameError):
            exposure.free_flow(f, **wrong)
    assert np.isnan(exposure.free_flow(f, supply={"a": 1}, demand={"c": 0}).share)


def test_negative_inputs_have_no_shares():
    for of in (exposure.io_lookthrough, exposure.face_value):
        with pytest.raises(SchemaError, match="less than nothing"):
            of([[-0.1, 0.1], [0.1, 0.1]], region=["A", "B"])

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
        for v in range(len(ids)):
            segs = [s for s in range(len(ix.segment_buyer)) if ix.segment_buyer[s] == v]
            e = {}
            for s in segs:
                hit = np.flatnonzero(ix.segment == s)
                share = ix.share[hit]
                e[s] = unknown if np.isnan(share).any() else float(share @ x[ix.src[hit]])
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
                by = {}
                for s in segs:
                    k = ix.segment_product[s]
                    cls, grp = rec.get((product[v], k), ("essential", None))
                    if cls == "essential":
                        by.setdefault(k if pd.isna(grp) else ("g", grp), []).append(e[s])
                agg = max([min(z) for z in by.values()] + ([unknown] if lacking else []) + [0.0])
            new[v] = own[v] + (1 - own[v]) * agg
        if np.abs(new - x).max() < 1e-14:
            break
        x = new
    return x


@settings(max_examples=25, deadline=None)
@given(supply(), st.integers(0, 10**6))
def test_trace_against_brute_force(spec, seed):
    nodes, links, recipes = spec
    g = graph(nodes, links, recipes)
    rng = np.random.default_rng(seed)
    own = rng.choice([0.0, 0.0, 0.4, 1.0], size=(g.index.n, 3))
    for mode in ("linear", "bottleneck"):
        for unknown in (0.0, 1.0):
            got = exposure.trace(g, own, mode, unknown=unknown)
            for j in range(2):
                np.testing.assert_allclose(got[:, j], _brute(g, own[:, j], mode, unknown), atol=1e-7)
            np.testing.assert_allclose(got[:, 1], exposure.trace(g, own[:, 1], mode, unknown=unknown), atol=1e-9)
    f = exposure.exposure(g)
    for c in ("own", "linear", "bottleneck"):
        assert (f[f"{c}_low"] <= f[c] + 1e-12).all()
        assert (f[c] <= f[f"{c}_high"] + 1e-12).all()
    assert (f["linear"] <= f["bottleneck"] + 1e-12).all()

"""Bounds of concentration hold every completion of who holds what, by equity and by control."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.graph import SupplyGraph

COLUMNS = ["focal_share", "hhi", "cr3", "effective_suppliers", "n_suppliers", "quantity"]
PLACES = ["CHN", "AUS", "USA", "JPN"]


def graph(outputs, holdings=()):
    """Producers with exact outputs by node; holdings with stated bounds."""
    products = sorted({n.split("@")[0] for n in outputs})
    rows = [
        {
            "node": n,
            "product": n.split("@")[0],
            "country": n.split("@")[1],
            "kind": "producer",
            "year": 2024,
            "output": q,
            "output_low": q,
            "output_high": q,
            "output_grade": "A",
            "output_source": "s",
        }
        for n, q in outputs.items()
    ]
    base = {"commodity": "x", "chain": "x", "stage": "mine", "unit": "t", "basis": "contained", "period": "year"}
    held = {}
    if holdings:
        held["holdings"] = pd.DataFrame([{"source": "s", "grade": "A", "type": "equity"} | h for h in holdings])
    return SupplyGraph.from_tables(
        products=pd.DataFrame([base | {"product": p, "name": p} for p in products]),
        sources=pd.DataFrame([{"source": "s", "title": "T", "licence": "x", "licence_class": "facts"}]),
        nodes=pd.DataFrame(rows),
        **held,
    )


def stake(node, country, share, low=None, high=None, **more):
    low, high = share if low is None else low, share if high is None else high
    row = {"asset": node, "holder": f"{country} of {node}", "holder_country": country}
    return row | {"share": share, "low": low, "high": high} | more


def scored(g, view, **more):
    return sr.score(g, by="product", view=view, bounds=True, metrics=COLUMNS, **more).droplevel([0, 1])


def test_an_unknown_owner_may_be_who_is_listed():
    g = graph({"x@CHN": 50.0, "x@AUS": 50.0})
    s = scored(g, "control")
    row = s.loc["x"]
    assert (row["focal_share_low"], row["focal_share_high"]) == (0.5, 1)
    assert (row["hhi"], row["hhi_high"], row["cr3_high"], row["effective_suppliers_low"]) == (0.5, 1, 1, 1)
    assert row["n_suppliers_high"] == np.inf
    full = scored(g, "control", unlisted="host")
    assert (full.loc["x", "hhi_low"], full.loc["x", "hhi_high"]) == (0.5, 0.5)
    assert full.attrs["columns"]["hhi"]["bounds"] == "exact"
    assert s.attrs["columns"]["hhi_high"]["bounds"].startswith("safe")
    assert s.attrs["columns"]["focal_share"]["bounds"] == "exact"
    sharp = scored(graph({"x@CHN": 50.0, "x@AUS": 50.0}, [stake(f"x@{c}", c, 1.0) for c in ("CHN", "AUS")]), "control")
    assert (sharp.loc["x", "hhi_low"], sharp.loc["x", "hhi_high"], sharp.loc["x", "n_suppliers_high"]) == (0.5, 0.5, 2)
    assert sharp.attrs["columns"]["hhi"]["bounds"] == "exact"


def test_without_holders_on_record_concentration_of_control_is_not_known():
    s = scored(graph({"x@CHN": 40.0, "x@AUS": 30.0, "x@USA": 30.0}), "control")
    assert np.isnan(s.loc["x", "hhi"])
    # What stands in the focal it can stop; of all else nothing is known.
    assert (s.loc["x", "hhi_low"], s.loc["x", "hhi_high"]) == pytest.approx((0.16, 1))
    assert s.attrs["reasons"]["hhi"] == {"more than half has no holder on record: see the bounds": 1}


def test_stakes_within_bounds_are_in_bounds_and_draws():
    pair = [stake("x@AUS", "CHN", 0.5, 0.2, 0.9), stake("x@AUS", "USA", 0.5, 0.1, 0.8)]
    s = scored(graph({"x@AUS": 100.0}, pair), "equity", samples=500)
    row = s.loc["x"]
    assert row["hhi"] == 0.5
    assert row["hhi_high"] == pytest.approx(0.82)
    assert row["effective_suppliers_low"] == pytest.approx(1 / 0.82)
    assert 0.5 <= row["hhi_p05"] < row["hhi_p95"] <= 0.82
    for r, c in zip(pair, ("JPN", "USA"), strict=True):
        r["holder_country"] = c
    row = scored(graph({"x@AUS": 100.0}, pair), "equity", samples=500).loc["x"]
    assert row["hhi_p95"] - row["hhi_p05"] > 0.05


def test_nobody_in_control_leaves_it_to_the_host():
    thirds = [stake("x@AUS", c, s) for c, s in (("CHN", 0.3), ("USA", 0.3), ("JPN", 0.4))]
    row = scored(graph({"x@AUS": 100.0}, thirds), "control").loc["x"]
    assert (row["hhi_low"], row["hhi"], row["hhi_high"], row["n_suppliers_high"]) == (1, 1, 1, 1)


def test_what_stands_in_the_focal_is_one_hand_in_every_column():
    owners = [stake("x@CHN", "USA", 1.0), stake("x@AUS", "AUS", 1.0)]
    g = graph({"x@CHN": 60.0, "x@AUS": 40.0}, owners)
    row = scored(g, "control").loc["x"]
    assert (row["focal_share"], row["hhi"], row["hhi_low"], row["hhi_high"]) == pytest.approx((0.6, 0.52, 0.52, 0.52))
    g = graph({"x@CHN": 60.0, "x@AUS": 40.0}, [stake("x@CHN", "AUS", 1.0), owners[1]])
    assert scored(g, "control").loc["x", "hhi"] == pytest.approx(0.52)
    assert scored(g, "equity").loc["x", "hhi"] == pytest.approx(1.0)
    assert sr.score(g, "AUS", by="product", view="control", metrics=["hhi"])["hhi"].item() == pytest.approx(1.0)


def _market(rng, k):
    """One product: makers, and holders of some with stakes within bounds, parts, or nobody on record."""
    places = rng.choice(PLACES, rng.integers(1, 5), replace=False)
    outputs = {f"p{k}@{c}": float(rng.integers(1, 40)) for c in places}
    rows = []
    for node in outputs:
        if rng.random() < 0.35:
            continue
        parts = ["a", "b"] if rng.random() < 0.3 else [""]
        for part in parts:
            portion = {"part": part, "portion": 0.4, "portion_low": 0.3, "portion_high": 0.5} if part else {}
            who = rng.choice(PLACES, rng.integers(1, 4), replace=False)
            share = np.round(rng.dirichlet(np.ones(len(who) + 1))[:-1] * 20) / 20
            if rng.random() < 0.5:
                share[-1] += 1 - share.sum()
            wide = float(rng.choice([0.0, 0.1]))
            rows += [
                stake(node, str(c), s, max(s - wide, 0.0), min(s + wide, 1.0)) | portion
                for c, s in zip(who, share, strict=True)
                if s > 0
            ]
    return outputs, rows


def _complete(rng, outputs, rows):
    """Everything held by somebody: shares within their bounds, the rest with anyone, alone or split."""
    out = []
    one = str(rng.choice(PLACES)) if rng.random() < 0.6 else None
    for node in outputs:
        mine = [r for r in rows if r["asset"] == node]
        parts = {r.get("part", ""): r.get("portion") for r in mine} or {"": None}
        sizes = {p: 1.0 if q is None else float(rng.choice([0.3, 0.4, 0.5])) for p, q in parts.items()}
        if "" not in sizes:
            sizes["rest"] = 1.0 - sum(sizes.values())
        for part, size in sizes.items():
            if size <= 1e-9:
                continue
            here = {"part": part, "portion": size, "portion_low": size, "portion_high": size}
            votes = [r for r in mine if r.get("part", "") == part]
            low, high = (np.array([r[k] for r in votes]) for k in ("low", "high"))
            s = np.where(rng.random(len(votes)) < 0.5, low, high) if votes else np.zeros(0)
            for i in rng.permutation(len(s)):  # back to the lows where they add to more than all
                s[i] -= min(s[i] - low[i], max(s.sum() - 1, 0.0))
            out += [r | here | {"share": v, "low": v, "high": v} for r, v in zip(votes, s, strict=True) if v > 1e-9]
            left = 1 - float(s.sum())
            if left > 1e-9:
                cut = float(rng.choice([0.0, 0.5])) * left
                for i, v in enumerate((cut, left - cut)):
                    if v > 1e-9:
                        c = one or str(rng.choice([*PLACES, "GBR", "CHN"]))
                        out.append(stake(node, c, v) | here | {"holder": f"new {i} {node} {part}"})
    return out


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.deep), pytest.param(2, marks=pytest.mark.deep)])
def test_bounds_hold_every_completion(seed):
    rng = np.random.default_rng(seed)
    markets = [_market(rng, k) for k in range(80)]
    outputs = {n: q for o, _ in markets for n, q in o.items()}
    whole = graph(outputs, [r for _, rows in markets for r in rows])
    bounds = {v: scored(whole, v) for v in ("equity", "control")}
    reached = dict.fromkeys(bounds, 0)
    for _ in range(8):
        full = graph(outputs, [r for o, rows in markets for r in _complete(rng, o, rows)])
        for v, b in bounds.items():
            truth = scored(full, v)
            for c in COLUMNS:
                x, low, high = truth[c], b[f"{c}_low"], b[f"{c}_high"]
                bad = (x < low - 1e-9) | (x > high + 1e-9)
                assert not bad.any(), (v, c, pd.concat([x, low, high], axis=1)[bad])
            reached[v] += int((truth["hhi"] > 0.95 * b["hhi_high"]).sum())
    assert all(n > 100 for n in reached.values())  # the bounds are not far from what is attained


@pytest.fixture(scope="module")
def atlas():
    return sr.load_atlas()


@pytest.mark.parametrize(
    ("view", "unlisted"),
    [("location", "unknown"), *itertools.product(["equity", "control"], ["unknown", "host"])],  # places have no holders
)
@pytest.mark.parametrize("by", ["product", ["product", "buyer"]], ids=["product", "buyer"])
def test_what_one_country_may_have_is_in_the_bounds_of_concentration(atlas, view, by, unlisted):
    s = sr.score(
        atlas, "CHN", by=by, view=view, bounds=True, unlisted=unlisted, samples=20 if by == "product" else None
    )
    assert not (s["hhi_high"] < s["focal_share_high"] ** 2 - 1e-9).any()
    assert not (s["cr3_high"] < s["focal_share_high"] - 1e-9).any()
    least = s["focal_share_low"]  # surely in one hand
    assert not (s["hhi_low"] < least**2 - 1e-9).any()
    assert not (s["hhi"] < s["focal_share"] ** 2 - 1e-9).any()
    assert not (s["cr3_low"] < least - 1e-9).any()
    assert not (s["effective_suppliers_high"] > (1 + 1e-9) / least**2).any()
    for c in ("focal_share", "hhi", "cr3", "effective_suppliers", "n_suppliers", "n_minus_1_gross", "n_minus_1_net"):
        for x in (c, f"{c}_p05", f"{c}_p95"):
            if x in s:
                slack = 1e-9 * np.maximum(1.0, s[x].abs())
                bad = (s[x] < s[f"{c}_low"] - slack) | (s[x] > s[f"{c}_high"] + slack)
                assert not bad.any(), (x, s.loc[bad, [x, f"{c}_low", f"{c}_high"]])

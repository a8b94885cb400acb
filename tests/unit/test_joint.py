"""Suppliers inside one residual: exact bounds against brute force, draws that add up, and the atlas inside its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.metrics.score import origin_of

COLUMNS = ("focal_share", "hhi", "cr3", "effective_suppliers", "quantity")
COUNTRIES = ("CHN", "JPN", "DEU", "FRA", "KOR", "POL")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


def _graph(rows: list[dict[str, object]]) -> sr.SupplyGraph:
    nodes = [
        {
            "product": "x.refined",
            "node": f"x.refined@{r['country']}",
            "kind": "producer",
            "year": 2024,
            "output_source": "s",
            "output_grade": "A",
        }
        | r
        for r in rows
    ]
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame(
            [
                {
                    "product": "x.refined",
                    "name": "X",
                    "commodity": "x",
                    "chain": "x",
                    "stage": "refine",
                    "unit": "t",
                    "basis": "gross",
                    "period": "year",
                }
            ]
        ),
        nodes=pd.DataFrame(nodes),
        sources=pd.DataFrame([{"source": "s", "title": "T", "licence": "public", "licence_class": "facts"}]),
    )


def _measures(q: np.ndarray, spread: float, focal: np.ndarray) -> tuple[float, ...]:
    """Of named quantities, with so much made by others without number."""
    total = q.sum() + spread
    top = np.sort(q)[::-1]
    h = float((q**2).sum() / total**2)
    return float(q @ focal / total), h, float(top[:3].sum() / total), 1 / h if h > 0 else np.inf, float(total)


def _market(rng: np.random.Generator) -> tuple[list[dict[str, object]], dict[str, np.ndarray]]:
    listed, inside = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    low = rng.uniform(1, 10, listed)
    high = low + rng.uniform(0, 5, listed)
    least = np.where(rng.random(inside) < 0.5, 0.0, rng.uniform(0, 2, inside))
    r_low = least.sum() + rng.uniform(0, 2)
    r_high = r_low + rng.uniform(0, 6)
    rows: list[dict[str, object]] = [
        {"country": COUNTRIES[i], "output": (low[i] + high[i]) / 2, "output_low": low[i], "output_high": high[i]}
        for i in range(listed)
    ]
    for i in range(inside):
        rows.append(
            {
                "country": COUNTRIES[listed + i],
                "output": least[i],
                "output_low": least[i],
                "output_high": r_high,
                "inside": "x.refined@ROW",
            }
        )
    rows.append(
        {
            "country": "ROW",
            "output": r_low - least.sum(),
            "output_low": 0.0,
            "output_high": r_high,
            "rest_low": r_low,
            "rest_high": r_high,
        }
    )
    return rows, {"low": low, "high": high, "least": least, "total": np.array([r_low, r_high])}


@pytest.mark.parametrize("focal_at", ["listed", "inside"])
def test_bounds_are_those_of_the_joint_residual(rng, focal_at):
    for _ in range(12):
        rows, m = _market(rng)
        n, k = len(m["low"]), len(m["least"])
        focal = str(rows[0 if focal_at == "listed" else n]["country"])
        s = sr.score(_graph(rows), focal, by="product", bounds=True).iloc[0]
        mine = np.array([float(r["country"] == focal) for r in rows[:-1]])
        tried = []
        for corner in range(400):
            take = rng.random(n) if corner % 2 else np.round(rng.random(n))
            q = m["low"] + take * (m["high"] - m["low"])
            total = m["total"][0] + (rng.random() if corner % 4 else np.round(rng.random())) * np.ptp(m["total"])
            spare = total - m["least"].sum()
            who = rng.dirichlet(np.ones(k + 1)) if corner % 3 else np.eye(k + 1)[rng.integers(k + 1)]
            inside, rest = m["least"] + spare * who[:k], spare * who[k]
            # The residual is nobody's: at most one more supplier, at least so many that none counts.
            tried.append(_measures(np.append(q, inside), rest, mine))
            tried.append(_measures(np.concatenate([q, inside, [rest]]), 0.0, np.append(mine, 0.0)))
        # Where the extremes lie: listed suppliers at their ends or cut at one level, all that is left with one.
        ends = np.array(np.meshgrid(*[[0, 1]] * n)).reshape(n, -1).T
        levels = np.linspace(m["low"].min(), m["high"].max(), 400)
        boxes = [m["low"] + e * (m["high"] - m["low"]) for e in ends] + [
            np.clip(x, m["low"], m["high"]) for x in levels
        ]
        for q in boxes:
            for total in m["total"]:
                for who in np.eye(k + 1):
                    spare = total - m["least"].sum()
                    inside, rest = m["least"] + spare * who[:k], spare * who[k]
                    tried.append(_measures(np.append(q, inside), rest, mine))
                    tried.append(_measures(np.concatenate([q, inside, [rest]]), 0.0, np.append(mine, 0.0)))
        found = np.array(tried)
        for i, c in enumerate(COLUMNS):
            assert s[f"{c}_low"] <= found[:, i].min() + 1e-9, c
            assert s[f"{c}_high"] >= found[:, i].max() - 1e-9, c
            assert s[f"{c}_low"] == pytest.approx(found[:, i].min(), abs=2e-3, rel=2e-3), c
            assert s[f"{c}_high"] == pytest.approx(found[:, i].max(), abs=1e-9, rel=2e-3), c


def test_draws_share_one_residual():
    rows = [{"country": "CHN", "output": 60.0, "output_low": 60.0, "output_high": 60.0}]
    rows += [
        {"country": c, "output": 2.0, "output_low": 1.0, "output_high": 40.0, "inside": "x.refined@ROW"}
        for c in ("JPN", "DEU", "FRA", "KOR")
    ]
    rows.append(
        {
            "country": "POL",
            "output": np.nan,
            "output_missing": "unknown",
            "output_high": 40.0,
            "inside": "x.refined@ROW",
        }
    )
    rows.append(
        {"country": "ROW", "output": 32.0, "output_low": 32.0, "output_high": 40.0, "rest_low": 38.0, "rest_high": 40.0}
    )
    g = _graph(rows)
    s = sr.score(g, by="product", bounds=True, samples=500, seed=3)
    made = origin_of(s, "test")
    total, share = made.drawn("quantity"), made.drawn("focal_share")
    assert total.min() >= 98 - 1e-9
    assert total.max() <= 100 + 1e-9
    assert s["focal_share"].iloc[0] == pytest.approx(0.6)
    assert (s["focal_share_low"].iloc[0], s["focal_share_high"].iloc[0]) == pytest.approx((60 / 100, 60 / 98))
    assert share.min() >= 0.6 - 1e-9
    assert share.max() <= 60 / 98 + 1e-9
    # The one without a figure takes part, and nobody makes less than what is sure.
    assert made.drawn("n_suppliers").max() == 6
    again = sr.score(g, by="product", samples=500, seed=3)
    assert (origin_of(again, "test").drawn("hhi") == made.drawn("hhi")).all()


def test_a_residual_that_is_not_there_binds_nobody():
    rows = [
        {"country": "CHN", "output": 60.0, "output_low": 60.0, "output_high": 60.0},
        {"country": "JPN", "output": 2.0, "output_low": 1.0, "output_high": 40.0, "inside": "x.refined@ROW"},
    ]
    s = sr.score(_graph(rows), by="product", bounds=True, samples=10).iloc[0]
    assert (s["focal_share_low"], s["focal_share_high"]) == pytest.approx((60 / 100, 60 / 61))


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    return sr.score(sr.load_atlas(), by="product", bounds=True, samples=400, seed=1)


def test_every_atlas_value_lies_within_its_exact_bounds(measured):
    for c in ("quantity", "n_suppliers", "focal_share", "hhi", "cr3", "effective_suppliers", "n_minus_1_gross"):
        value, low, high = measured[c], measured[f"{c}_low"], measured[f"{c}_high"]
        known = value.notna() & low.notna()
        slack = 1e-9 * value.abs().clip(lower=1)
        out = known & ((value < low - slack) | (value > high + slack))
        assert not out.any(), measured.index[out].tolist()


def test_atlas_values_lie_within_what_is_drawn(measured):
    made = origin_of(measured, "test")
    for c in ("focal_share", "hhi", "cr3", "quantity"):
        drawn, value = made.drawn(c), measured[c].to_numpy()
        told = ~np.isnan(value) & ~np.isnan(drawn).any(axis=0)
        a, b = np.quantile(drawn[:, told], [0.01, 0.99], axis=0)
        slack = 1e-9 * np.maximum(np.abs(value[told]), 1)
        inside = (value[told] >= a - slack) & (value[told] <= b + slack)
        assert inside.mean() >= 0.95, measured.index[told][~inside].tolist()

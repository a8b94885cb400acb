"""Markets counted from integer keys, block by block, are those of any other route."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from supplyrisk.metrics import (
    Mix,
    arrays,
    concentration_ratio,
    effective_suppliers,
    focal_share,
    hhi,
    n_minus_1,
    n_suppliers,
    quantity,
    shannon,
)
from supplyrisk.metrics.cells import BLOCK, add_up, cells, integers, market_blocks

ROWS = 3 * BLOCK + 17


def keys(kind: str, rng: np.random.Generator) -> list[np.ndarray]:
    a, b = np.sort(rng.integers(5, 90, ROWS)), rng.integers(-3, 60, ROWS)
    if kind == "sorted":
        order = np.lexsort((b, a))
        return [a[order], b[order]]
    if kind == "far":
        return [b, a]
    if kind == "narrow":
        return [a.astype(np.int8), b.astype(np.int8)]
    if kind == "unsigned":
        return [a.astype(np.uint64), (b + 3).astype(np.uint16)]
    return [a] if kind == "one" else [a, b]


@pytest.mark.parametrize("kind", ["plain", "sorted", "far", "narrow", "unsigned", "one"])
@pytest.mark.parametrize("flags", [True, False])
@pytest.mark.parametrize("zeros", [True, False])
def test_late_markets_measure_the_same(kind, flags, zeros, monkeypatch):
    rng = np.random.default_rng(3)
    by = keys(kind, rng)
    q = rng.lognormal(0, 2, ROWS)
    if zeros:
        q[rng.random(ROWS) < 0.1] = 0.0
    focal = rng.random(ROWS) < 0.1
    part = focal if flags else focal * 0.5
    monkeypatch.setattr(arrays, "LONG", 1)
    late = Mix.of(q, by=by, focal=part)
    monkeypatch.setattr(arrays, "LONG", 10 * ROWS)
    plain = Mix.of(q, by=by, focal=part)
    assert type(plain) is Mix
    assert "market" not in late.__dict__
    for measure in (hhi, effective_suppliers, focal_share, quantity, n_suppliers, concentration_ratio, shannon):
        np.testing.assert_allclose(measure(late), measure(plain), rtol=1e-12)
    for n in (1, 2, 4, 5):
        np.testing.assert_allclose(concentration_ratio(late, n), concentration_ratio(plain, n), rtol=1e-12)
    np.testing.assert_allclose(n_minus_1(late, form="share"), n_minus_1(plain, form="share"), rtol=1e-12, atol=1e-15)
    assert np.array_equal(late.market, plain.market)
    assert np.array_equal(late.unit, plain.unit)
    assert late.labels.equals(plain.labels)
    assert late.ordered == plain.ordered
    some = rng.integers(0, ROWS, 50)
    assert np.array_equal(Mix.at(plain, some), late.at(some))


def test_a_series_by_its_levels_keeps_its_names(monkeypatch):
    monkeypatch.setattr(arrays, "LONG", 1)
    s = pd.Series(
        [3.0, 1.0, 5.0], index=pd.MultiIndex.from_arrays([[2, 2, 1], [7, 7, 9]], names=["product", "importer"])
    )
    out = hhi(s, by=["product", "importer"])
    assert out.to_dict() == {(1, 9): 1.0, (2, 7): 0.625}
    assert out.index.names == ["product", "importer"]
    residual = pd.Series([4.0, 0.0], index=pd.MultiIndex.from_tuples([(2, 7), (1, 9)]))
    assert hhi(s, by=["product", "importer"], residual=residual).to_dict() == {(1, 9): 1.0, (2, 7): 10 / 64}


def test_what_cells_are_not_for():
    assert integers(np.array([0.5])) is None
    assert integers(np.array([0, 1 << 30])) is None
    assert cells([np.array([0, 9000]), np.array([0, 9000])], 2) is None  # far more combinations than rows
    scattered = np.random.default_rng(0).permutation(8 * BLOCK)
    assert cells([scattered], len(scattered)) is None  # neighbours far apart: blocks would not pay
    assert add_up(market_blocks(scattered), len(scattered), len(scattered), [lambda rows: None]) is None
    q = np.ones(len(scattered))
    np.testing.assert_allclose(hhi(Mix.of(q, by=scattered // 2)), 0.5)


@pytest.mark.parametrize("seed", range(12))
def test_largest_of_many_markets_as_by_sorting(seed):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 12, 400)
    size[rng.integers(0, 400, 3)] = (300, 700, 257)  # longer than those that are run through side by side
    market = np.repeat(np.sort(rng.choice(900, 400, replace=False)), size)
    q = rng.integers(0, 5, len(market)) * rng.random(len(market))
    mix = Mix.build(market, 900, q)
    for k in (1, 2, 3, 4, 6):
        want = np.zeros(900)
        for m in np.unique(market):
            want[m] = np.sort(q[market == m])[::-1][:k].sum()
        np.testing.assert_allclose(mix.top(q, k), want, rtol=1e-13)
    np.testing.assert_array_equal(mix.count(), np.bincount(market, minlength=900))

"""Bounds of exposure over the intervals of flows: the best mix of suppliers, against all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from supplyrisk.mixing import Mixes


def brute(e: np.ndarray, lo: np.ndarray, hi: np.ndarray, free: np.ndarray, unknown: float) -> float:
    """Largest mean over the corners of the box; a supplier without a limit can outweigh all others."""
    found = [e[i] for i in np.flatnonzero(free)]
    for corner in itertools.product((0, 1), repeat=len(e)):
        q = np.where(np.array(corner) == 1, hi, lo)
        if q.sum() > 1e-9:
            found.append(float(q @ e / q.sum()))
    return max(found, default=unknown)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_best_mix_is_the_best_of_all_corners(seed, sign):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 6, 12)
    segment = np.repeat(np.arange(12), size)
    m = len(segment)
    lo = rng.random(m) * rng.integers(0, 2, m)
    hi = lo + rng.random(m) * rng.integers(0, 2, m)
    free = rng.random(m) < 0.1
    hi[free] = lo[free]
    lo[segment == 3] = hi[segment == 3] = 0.0
    free[segment == 3] = False
    src = rng.integers(0, 9, m).astype(np.int64)
    unknown = 1.0 if sign > 0 else 0.0
    mixed = Mixes(src, segment, 12, lo, hi - lo, free, sign, unknown)
    for _ in range(4):  # the guess of one sweep must not hold back the next
        x = np.round(rng.random(9), 1)
        want = [
            sign * brute(sign * x[src[segment == k]], lo[segment == k], hi[segment == k], free[segment == k], np.nan)
            for k in range(12)
        ]
        np.testing.assert_allclose(mixed(x), np.where(np.isnan(want), unknown, want), atol=1e-12)


def corners(src, segment, k, lo, hi, node, x):
    """Largest value of each node over the corners of the box, each a linear system; what has no source is 1."""
    best = np.zeros(k)
    inner = {v: i for i, v in enumerate(node.tolist())}
    for corner in itertools.product((0, 1), repeat=len(lo)):
        q = np.where(np.array(corner) == 1, hi, lo)
        total = np.bincount(segment, q, k)
        if ((total <= 0) & (np.bincount(segment, hi, k) > 0)).any():
            continue  # a pool of which something flows in somehow
        w, b, reach = np.zeros((k, k)), np.zeros(k), total <= 0
        unknown = total <= 0
        for u, s, amount in zip(src.tolist(), segment.tolist(), q.tolist(), strict=True):
            if amount <= 0:
                continue
            if u in inner:
                w[s, inner[u]] += amount / total[s]
            else:
                b[s] += amount / total[s] * x[u]
                reach[s] = True
        for _ in range(k):
            reach |= (w[:, reach] > 0).any(axis=1)
        b = np.where(unknown | ~reach, 1.0, b)
        w[unknown | ~reach] = 0.0
        best = np.maximum(best, np.linalg.solve(np.eye(k) - w, b))
    return best


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_loops_of_pools_are_solved_and_not_swept(seed, sign):
    rng = np.random.default_rng(seed)
    k, makers = 3, 2  # nodes 0 to 2 are pools, 3 and 4 makers
    pairs = [(u, s) for s in range(k) for u in range(k + makers) if u != s and rng.random() < 0.7]
    src = np.array([u for u, _ in pairs] or [3], dtype=np.int64)
    segment = np.array([s for _, s in pairs] or [0], dtype=np.int64)
    size = np.where(src < k, rng.choice([1.0, 30.0, 3000.0]), 1.0)
    lo = size * rng.random(len(src)) * rng.integers(0, 2, len(src))
    hi = lo + size * rng.random(len(src)) * rng.integers(0, 2, len(src))
    node = np.arange(k, dtype=np.int64)
    own = rng.integers(0, 3, makers) / 2
    x = np.append(np.ones(k), own) if sign > 0 else np.append(np.zeros(k), own)
    free = np.zeros(len(src), dtype=bool)
    mixed = Mixes(src, segment, k, lo, hi - lo, free, sign, 1.0 if sign > 0 else 0.0)
    found = mixed.settled(x, node)
    want = corners(src, segment, k, lo, hi, node, x if sign > 0 else 1 - x)
    np.testing.assert_allclose(found, want if sign > 0 else 1 - want, atol=1e-9)

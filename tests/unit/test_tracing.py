"""Bounds of exposure over the intervals of flows: the best mix of suppliers, against all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from supplyrisk.mixing import best_mixes


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
    mixed = best_mixes(src, segment, 12, lo, hi - lo, free, sign, unknown)
    for _ in range(4):  # the guess of one sweep must not hold back the next
        x = np.round(rng.random(9), 1)
        want = [
            sign * brute(sign * x[src[segment == k]], lo[segment == k], hi[segment == k], free[segment == k], np.nan)
            for k in range(12)
        ]
        np.testing.assert_allclose(mixed(x), np.where(np.isnan(want), unknown, want), atol=1e-12)

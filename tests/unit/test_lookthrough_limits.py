"""Tables at which iteration ends early or hardly converges: the shares are those of the inverse."""

from __future__ import annotations

import numpy as np
import pytest

from supplyrisk.exposure import io_lookthrough


def _checked(a: np.ndarray) -> float:
    """Largest error of the shares beside the inverse."""
    n = len(a)
    region = np.array([("H", "C", "W")[i % 3] for i in range(n)])
    inverse = np.linalg.inv(np.eye(n) - a) - np.eye(n)
    total = inverse.sum(axis=0)
    got = io_lookthrough(a, region=region)
    wanted = [
        inverse[region == f, s].sum() / total[s] if total[s] > 0 else np.nan
        for s, f in zip(got["sector"], got["focal"], strict=True)
    ]
    error = np.abs(got["lookthrough"].to_numpy(dtype=float) - wanted)
    assert (np.isnan(error) == np.isnan(wanted)).all()
    return float(np.nanmax(error))


def test_a_table_whose_space_is_soon_exhausted_is_solved() -> None:
    assert _checked(np.array([[0.086, 0.094, 0.266], [0.767, 0.11, 0.031], [0.156, 0.587, 0.735]])) < 1e-11


@pytest.mark.parametrize(("n", "part"), [(3, 0.3), (80, 0.5), (200, 0.5), (200, 0.9)])
def test_a_ring_is_solved(n: int, part: float) -> None:
    ring = np.zeros((n, n))
    ring[np.arange(n), (np.arange(n) + 1) % n] = part
    assert _checked(ring) < 1e-11


@pytest.mark.parametrize("part", [0.99, 0.999, 0.9999])
def test_shares_hold_where_inputs_are_next_to_all_of_the_output(part: float) -> None:
    assert _checked(np.array([[0.0, part], [part, 0.0]])) < 1e-10
    rng = np.random.default_rng(5)
    a = rng.random((6, 6))
    assert _checked(a * part / np.abs(np.linalg.eigvals(a)).max()) < 1e-10

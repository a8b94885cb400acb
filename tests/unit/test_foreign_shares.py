"""Shares of foreign inputs where next to nothing, or nothing at all, comes from abroad."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from supplyrisk.exposure import io_lookthrough

REGION = ["H", "H", "C", "R"]


def _exact(a: np.ndarray, focal: list[int], of: list[int]) -> list[float]:
    """Column sums of (I - A)^-1 - I in fractions: the focal rows over the rows that count."""
    n = len(a)
    rows = [
        [Fraction(int(i == j)) - Fraction(a[i, j]) for j in range(n)] + [Fraction(int(i == j)) for j in range(n)]
        for i in range(n)
    ]
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(n):
            if r != i and rows[r][i]:
                rows[r] = [v - rows[r][i] * w for v, w in zip(rows[r], rows[i], strict=True)]
    deep = [[rows[i][n + j] - int(i == j) for j in range(n)] for i in range(n)]
    return [float(sum(deep[i][j] for i in focal) / sum(deep[i][j] for i in of)) for j in range(2)]


@pytest.mark.parametrize("size", [1e-6, 1e-9, 1e-12, 1e-30])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_next_to_nothing_from_abroad_is_shared_out_exactly(size: float, form: type) -> None:
    a = np.array([[0.1, 0.5, 0, 0], [0.5, 0.1, 0, 0], [size, 0, 0.2, 0.1], [3 * size, size / 7, 0, 0.3]])
    got = io_lookthrough(form(a), region=REGION, focal="C", of="foreign")["lookthrough"].to_numpy()[:2]
    assert got == pytest.approx(_exact(a, [2], [2, 3]), rel=1e-9)


def test_a_wholly_domestic_chain_has_no_foreign_shares_in_any_of_its_sectors() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        a = rng.random((6, 6)) * 0.16
        a[2:, :2] = 0  # nothing from abroad at home, of any tier
        t = io_lookthrough(a, region=list("HHCCRR"), of="foreign")
        home = t[t["region"] == "H"]
        assert home[["face", "lookthrough", "hidden"]].isna().all(axis=None)
        assert (home.loc[home["focal"] != "H", "visits"] == 0).all()
        assert t.loc[(t["region"] == "C") & (t["focal"] == "R"), "lookthrough"].notna().all()


def test_small_sectors_are_as_right_as_large_ones() -> None:
    """A sector with a millionth of the inputs of others, through firms that trade with each other."""
    rng = np.random.default_rng(1)
    a = rng.random((4, 4)) * 0.24
    a[:, 0] *= 1e-8
    for of, rows in (("all", [0, 1, 2, 3]), ("foreign", [2, 3])):
        got = io_lookthrough(a, region=REGION, focal="C", of=of)["lookthrough"].to_numpy()[:2]
        assert got == pytest.approx(_exact(a, [2], rows), rel=1e-9)

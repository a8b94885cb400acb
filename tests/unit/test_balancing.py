"""RAS, GRAS and bounded balancing against independent minimisation, and totals that clash."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import linprog, minimize

from supplyrisk.errors import BoundaryWarning, InfeasibleError, SchemaError, SolverError
from supplyrisk.metrics.balancing import balance, gras, ras

X0 = np.array([[5.0, 3, 2], [1, 6, 2], [2, 2, 4]])
R, C = [12.0, 10.0, 9.0], [10.0, 11.0, 10.0]


def _kl_minimum(
    x0: np.ndarray, r: np.ndarray, c: np.ndarray, lo: float = 1e-12, hi: np.ndarray | None = None
) -> np.ndarray:
    n, m = x0.shape
    rows = np.kron(np.eye(n), np.ones(m))
    cols = np.kron(np.ones(n), np.eye(m))[:-1]  # the last total follows from the others
    a, b = np.vstack([rows, cols]), np.concatenate([r, c[:-1]])
    p = x0.ravel()
    top = np.full(p.size, None) if hi is None else hi.ravel()
    start = np.outer(r, c).ravel() / r.sum()
    out = minimize(
        lambda x: float(np.sum(x * np.log(x / p) - x)),
        start,
        jac=lambda x: np.log(x / p),
        bounds=[(lo, t) for t in top],
        constraints=[{"type": "eq", "fun": lambda x: a @ x - b, "jac": lambda x: a}],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-14},
    )
    return out.x.reshape(n, m)


def test_ras_minimises_the_divergence() -> None:
    np.testing.assert_allclose(ras(X0, R, C), _kl_minimum(X0, np.array(R), np.array(C)), atol=1e-5)


def test_forms_keys_and_zeros() -> None:
    frame = pd.DataFrame(X0, index=list("abc"), columns=list("xyz"))
    out = ras(frame, pd.Series(R, index=list("abc")).iloc[::-1], dict(zip("zyx", C[::-1], strict=True)))
    np.testing.assert_allclose(out.to_numpy(), ras(X0, R, C), rtol=1e-12)
    assert list(out.columns) == list("xyz")
    holes = X0 * [[1, 0, 1], [1, 1, 1], [0, 1, 1]]
    got = ras(sparse.csr_array(holes), R, C)
    assert sparse.issparse(got)
    assert (got.toarray()[holes == 0] == 0).all()
    np.testing.assert_allclose(got.sum(axis=1), R)
    empty = ras([[1.0, 1.0], [0.0, 0.0]], [2.0, 0.0], [1.0, 1.0])
    np.testing.assert_allclose(empty, [[1, 1], [0, 0]])
    assert ras([[1.0]], [0.0], [0.0]).tolist() == [[0.0]]


def test_feasibility_agrees_with_a_linear_programme() -> None:
    rng = np.random.default_rng(3)
    seen = {True: 0, False: 0}
    for _ in range(200):
        n, m = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        mask = rng.random((n, m)) < 0.55
        r, c = rng.integers(1, 6, n).astype(float), rng.integers(1, 6, m).astype(float)
        c *= r.sum() / c.sum()
        rows, cols = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
        # Strictly inside: every cell of the pattern may be positive, so that the iteration converges fast.
        floor = 1e-3
        lp = linprog(
            np.zeros(n * m),
            A_eq=np.vstack([rows, cols]),
            b_eq=np.concatenate([r, c]),
            bounds=[(floor, None) if k else (0, 0) for k in mask.ravel()],
        )
        loose = linprog(
            np.zeros(n * m),
            A_eq=np.vstack([rows, cols]),
            b_eq=np.concatenate([r, c]),
            bounds=[(0, None) if k else (0, 0) for k in mask.ravel()],
        )
        x0 = mask * (0.5 + rng.random((n, m)))
        if lp.status == 0:
            x = ras(x0, r, c, max_iter=200_000)
            np.testing.assert_allclose(x.sum(axis=1), r, rtol=1e-8)
            np.testing.assert_allclose(x.sum(axis=0), c, rtol=1e-8)
            seen[True] += 1
        elif loose.status == 2:
            with pytest.raises(InfeasibleError) as e:
                ras(x0, r, c)
            assert e.value.conflict
            seen[False] += 1
    assert min(seen.values()) > 20


def test_infeasible_totals_name_rows_and_columns() -> None:
    frame = pd.DataFrame([[1.0, 0, 0], [1, 1, 1], [0, 1, 1]], index=["CHN", "JPN", "USA"], columns=["ore", "b", "c"])
    with pytest.raises(InfeasibleError, match="CHN") as e:
        ras(frame, [5, 1, 1], [2, 3, 2])
    assert e.value.conflict == ("row CHN", "column ore")


@pytest.mark.filterwarnings("ignore::supplyrisk.errors.BoundaryWarning")
def test_conflict_of_any_clash_is_a_true_clash() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for bits in itertools.islice(itertools.product([0, 1], repeat=9), 0, 512, 3):
        x0 = np.array(bits, dtype=float).reshape(3, 3)
        r = rng.integers(1, 5, 3).astype(float)
        c = rng.multinomial(int(r.sum()), [1 / 3] * 3).astype(float)
        try:
            ras(x0, r, c, max_iter=50)
        except InfeasibleError as e:
            rows = [int(k.split()[1]) for k in e.conflict if k.startswith("row")]
            cols = {int(k.split()[1]) for k in e.conflict if k.startswith("column")}
            reach = {j for i in rows for j in range(3) if x0[i, j]}
            assert reach <= cols
            assert r[rows].sum() > c[sorted(cols)].sum()
            found += 1
        except SolverError:
            pass
    assert found > 50


def test_refuses() -> None:
    with pytest.raises(SchemaError, match="different totals"):
        ras(X0, R, [1.0, 2.0, 3.0])
    with pytest.raises(SchemaError, match="gras"):
        ras(-X0, R, C)
    with pytest.raises(SchemaError, match="missing"):
        ras(X0 * np.nan, R, C)
    with pytest.raises(SchemaError, match="no such key"):
        ras(pd.DataFrame(X0, index=list("abc")), {"a": 12, "b": 10, "q": 9}, C)
    with pytest.raises(SolverError, match="not converged"):
        ras(X0, R, C, max_iter=2)


def test_gras_keeps_signs_and_equals_ras_without_negatives() -> None:
    np.testing.assert_allclose(gras(X0, R, C), ras(X0, R, C), rtol=1e-9)
    rng = np.random.default_rng(2)
    for _ in range(50):
        x0 = rng.normal(2.0, 1.5, (4, 5))
        truth = x0 * np.exp(np.sign(x0) * (rng.normal(0, 0.3, (4, 1)) + rng.normal(0, 0.3, (1, 5))))
        got = gras(x0, truth.sum(axis=1), truth.sum(axis=0), tol=1e-12, max_iter=100_000)
        # Positive cells scale by r s, negative ones by 1 / (r s): the truth is of that form, and it is the only one.
        np.testing.assert_allclose(got, truth, rtol=1e-6, atol=1e-8)
    with pytest.raises(InfeasibleError, match="row 0"):
        gras([[1.0, 2.0], [1.0, -1.0]], [-3.0, 4.0], [0.5, 0.5])


def test_balance_meets_bounds_and_minimises() -> None:
    np.testing.assert_allclose(balance(X0, R, C), ras(X0, R, C), atol=1e-8)
    hi = np.full((3, 3), 1e6)
    hi[0, 0], hi[1, 1] = 5.5, 5.0
    got = balance(X0, R, C, high=hi)
    assert (got <= hi + 1e-12).all()
    np.testing.assert_allclose(got, _kl_minimum(X0, np.array(R), np.array(C), hi=hi), atol=1e-4)
    known = np.zeros((3, 3))
    known[2, 2] = 6.0
    fixed = np.full((3, 3), np.inf)
    fixed[2, 2] = 6.0
    got = balance(X0, R, C, low=known, high=fixed)
    assert got[2, 2] == pytest.approx(6.0)
    np.testing.assert_allclose(got.sum(axis=0), C)
    with pytest.raises(InfeasibleError, match="lower bounds"):
        balance(X0, R, C, low=np.full((3, 3), 5.0))
    with pytest.raises(InfeasibleError):
        balance(X0, R, C, high=np.full((3, 3), 2.0))
    with pytest.raises(SchemaError, match="low above high"):
        balance(X0, R, C, low=np.full((3, 3), 1.0), high=np.full((3, 3), 0.5))


def test_cells_without_room_are_named_and_the_limit_is_given() -> None:
    x0 = pd.DataFrame([[1.0, 2, 3], [1, 0, 0], [0, 1, 2]], index=list("abc"), columns=list("xyz"))
    with pytest.warns(BoundaryWarning, match=r"for 1 of the cells above 0.*: a, x\."):
        out = ras(x0, [4, 2, 3], [2, 4, 3])  # b can only go to x, and fills it
    assert out.attrs["forced_to_zero"] == [("a", "x")]
    assert out.loc["a", "x"] == 0
    np.testing.assert_allclose(out.loc[["a", "c"], ["y", "z"]], ras([[2, 3], [1, 2]], [4, 3], [4, 3]), rtol=1e-8)
    for form in (sparse.csr_array, np.asarray):
        for function in (ras, gras, balance):
            with pytest.warns(BoundaryWarning):
                got = function(form(x0.to_numpy()), [4, 2, 3], [2, 4, 3])
            np.testing.assert_allclose(got.toarray() if form is sparse.csr_array else got, out, atol=1e-8)


def test_forced_cells_are_those_that_no_table_can_fill() -> None:
    rng = np.random.default_rng(11)
    forced = free = 0
    for _ in range(150):
        n, m = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        x0 = pd.DataFrame(rng.integers(0, 4, (n, m)) * (0.1 + rng.random((n, m))))
        r = rng.integers(1, 6, n) / 7.0
        c = rng.multinomial(round(7 * r.sum()), np.ones(m) / m) / 7.0
        cells = list(zip(*np.nonzero(x0.to_numpy()), strict=True))
        rows = np.array([[i == k for i, _ in cells] for k in range(n)] + [[j == k for _, j in cells] for k in range(m)])
        best = [
            linprog(-np.eye(len(cells))[k], A_eq=rows.astype(float), b_eq=np.concatenate([r, c])).fun
            for k, (_, j) in enumerate(cells)
            if c[j] > 0
        ]
        if None in best or not best:
            continue
        want = [
            cells[k] for k, f in zip((k for k, (_, j) in enumerate(cells) if c[j] > 0), best, strict=True) if -f < 1e-9
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error" if not want else "ignore", BoundaryWarning)
            out = ras(x0, r, c)
        assert out.attrs.get("forced_to_zero", []) == want
        np.testing.assert_allclose(out.sum(axis=1), r, atol=1e-8)
        np.testing.assert_allclose(out.sum(axis=0), c, atol=1e-8)
        forced += bool(want)
        free += not want
    assert min(forced, free) >= 10


def test_balance_holds_what_the_totals_leave_at_a_bound() -> None:
    high = np.full((3, 3), 9.0)
    high[0, 0] = 3.0
    # The first row meets its total only with all that its first cell may take and all that the second column wants.
    with pytest.warns(BoundaryWarning, match=r"for 2 of the cells above 0.*: 1, 1; 2, 1\."):
        out = balance([[1.0, 1, 0], [1, 1, 1], [1, 1, 1]], [5, 3, 2], [5, 2, 3], high=high)
    np.testing.assert_allclose(out, [[3, 2, 0], [1.2, 0, 1.8], [0.8, 0, 1.2]], atol=1e-8)

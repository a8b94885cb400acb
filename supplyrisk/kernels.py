"""Sparse kernels shared by ownership and exposure: one linear solver for absorbing chains, several columns at once.

Tracing an origin, looking through owners and mixing pools are the same equation ``X = B + S * (W @ X)`` with a
non-negative ``W`` whose rows add to at most one. It is solved by sweeps, which end exactly on a graph without cycles,
then by BiCGSTAB on all columns together; only columns that still miss the tolerance are factorised. No inverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["closed_rows", "solve_absorbing"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
TOLERANCE = 1e-13
_SWEEPS = 40
_PATIENCE = 10
_KRYLOV = 400


def closed_rows(w: sparse.csr_matrix, leak: BoolArray) -> BoolArray:
    """Rows from which no leaking row can be reached: loops that lead nowhere.

    Parameters
    ----------
    w : scipy.sparse.csr_matrix
        ``w[v, u] > 0`` means that v looks at u.
    leak : ndarray of bool
        Rows that end somewhere: their weights add to less than one, or they carry a value of their own.

    Returns
    -------
    ndarray of bool
        True for rows that are closed.

    Examples
    --------
    >>> from scipy import sparse
    >>> w = sparse.csr_matrix(([1.0, 1.0, 1.0], ([0, 1, 2], [1, 0, 3])), shape=(4, 4))
    >>> closed_rows(w, np.array([False, False, False, True])).tolist()
    [True, True, False, False]
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    n = w.shape[0]
    if leak.all() or n == 0:
        return np.zeros(n, dtype=bool)
    # One more node points at every leaking row; along reversed edges it finds all rows that reach one.
    ends = np.flatnonzero(leak)
    coo = w.tocoo()
    keep = coo.data > 0
    rows = np.concatenate([coo.col[keep], np.full(len(ends), n)])
    cols = np.concatenate([coo.row[keep], ends])
    rev = sparse.csr_matrix((np.ones(len(rows), dtype=np.int8), (rows, cols)), shape=(n + 1, n + 1))
    order = csgraph.breadth_first_order(rev, n, directed=True, return_predecessors=False)
    out = np.ones(n + 1, dtype=bool)
    out[order] = False
    return np.asarray(out[:n])


def solve_absorbing(
    w: sparse.csr_matrix,
    b: FloatArray,
    scale: FloatArray | None = None,
    *,
    tolerance: float = TOLERANCE,
    start: FloatArray | None = None,
) -> FloatArray:
    r"""Least non-negative solution of :math:`X = B + S \circ (W X)`.

    Parameters
    ----------
    w : scipy.sparse.csr_matrix
        n x n, non-negative, rows adding to at most 1.
    b : ndarray
        n x k, non-negative.
    scale : ndarray, optional
        n x k or n x 1 in [0, 1]; default 1.
    tolerance : float
        Largest residual of any entry.
    start : ndarray, optional
        n x k, a guess to begin with; it changes how long it takes, not what is found.

    Returns
    -------
    ndarray
        n x k. Rows in closed loops without a value of their own are 0 (the least solution).

    Examples
    --------
    >>> from scipy import sparse
    >>> w = sparse.csr_matrix([[0.0, 0.5], [0.5, 0.0]])
    >>> solve_absorbing(w, np.array([[1.0], [0.0]])).ravel().round(6).tolist()
    [1.333333, 0.666667]
    """
    n, k = b.shape
    if n == 0 or k == 0:
        return b.copy()
    s = np.ones((n, 1)) if scale is None else scale
    total = np.asarray(w.sum(axis=1)).reshape(-1, 1)
    dead: BoolArray | None = None
    open_rows = (total < 1.0 - 1e-12).ravel()
    if closed_rows(w, open_rows).any():
        inner = np.broadcast_to(s < 1.0 - 1e-12, (n, k))
        dead = np.column_stack([closed_rows(w, open_rows | inner[:, j]) for j in range(k)])
        # A closed loop that is fed from inside would grow without end; its owner must check before.
        s = np.where(dead, 0.0, np.broadcast_to(s, (n, k)))

    def step(x: FloatArray) -> FloatArray:
        return np.asarray(b + s * (w @ x))

    x = b.copy() if start is None else start
    gap = np.inf
    for i in range(_SWEEPS):
        new = step(x)
        last, gap = gap, float(np.max(np.abs(new - x)))
        x = new
        if gap <= tolerance:
            break
        if i >= _PATIENCE and np.log(tolerance / gap) < _SWEEPS * np.log(min(gap / last, 0.999)):
            break  # at this pace the sweeps would not end in time
    if gap > tolerance:
        x = _bicgstab(w, s, b, x, tolerance)
        short = np.max(np.abs(step(x) - x), axis=0) > 10 * tolerance * np.maximum(1.0, np.max(np.abs(x), axis=0))
        for j in np.flatnonzero(short):
            x[:, j] = _direct(w, s[:, j if s.shape[1] > 1 else 0], b[:, j])
    return x


def _bicgstab(w: Any, s: FloatArray, b: FloatArray, x: FloatArray, tolerance: float) -> FloatArray:
    """BiCGSTAB on every column at once; each column has its own scalars and stops on its own."""

    def apply(y: FloatArray) -> FloatArray:
        return np.asarray(y - s * (w @ y))

    def ratio(a: FloatArray, c: FloatArray) -> FloatArray:
        return np.divide(a, c, out=np.zeros_like(a), where=np.abs(c) > 1e-300)

    def dot(a: FloatArray, c: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("ij,ij->j", a, c))

    x = x.copy()
    r = b - apply(x)
    shadow = r.copy()
    rho = alpha = omega = np.ones(b.shape[1])
    v = p = np.zeros_like(b)
    for _ in range(_KRYLOV):
        if float(np.max(np.abs(r))) <= tolerance:
            r = b - apply(x)  # the recurrence drifts: trust only the true residual
            if float(np.max(np.abs(r))) <= tolerance:
                break
            shadow, rho, alpha, omega = r.copy(), np.ones_like(rho), np.ones_like(rho), np.ones_like(rho)
            v, p = np.zeros_like(b), np.zeros_like(b)
        fresh = dot(shadow, r)
        beta = ratio(fresh, rho) * ratio(alpha, omega)
        rho = fresh
        p = r + beta * (p - omega * v)
        v = apply(p)
        alpha = ratio(rho, dot(shadow, v))
        half = r - alpha * v
        t = apply(half)
        omega = ratio(dot(t, half), dot(t, t))
        x += alpha * p + omega * half
        r = half - omega * t
        if not np.isfinite(r).all():
            return np.asarray(b.copy())  # breakdown: the caller's residual check sends it to the factorisation
    return x


def _direct(w: Any, s: FloatArray, b: FloatArray) -> FloatArray:
    from scipy import sparse
    from scipy.sparse.linalg import splu

    n = len(b)
    lu = splu((sparse.identity(n, format="csc") - sparse.diags(s) @ w).tocsc())
    x = np.asarray(lu.solve(b))
    for _ in range(2):
        x = x + lu.solve(b - (x - s * (w @ x)))
    return x

r"""Squares: :math:`t \ge q^2`, and tangents for them that are added where they are violated.

HHI caps and HHI objectives are rows and costs over such :math:`t`. Where a plan without yes-or-no decisions only pays for
them, they are a convex quadratic programme (``quadratic.py``). Everywhere else tangents stand for them, so that duals,
conflicts and sweeps are those of any other row, and the solver stays HiGHS warm started. Each square
has its own tangents (over a whole that varies, :math:`t w \ge q^2`, they go through the origin; the extended formulation of Vielma, Dunning, Huchette and Lubin, 2017), which takes far fewer
rounds than cutting the ball as a whole (Kelley, 1960; Duran and Grossmann, 1986).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .matrix import Columns, Compiled, Matrix

__all__ = ["ROUNDS", "TOLERANCE", "add_squares", "square_gap", "tangents", "touching"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Greatest q^2 - t that counts as met, relative to the square of q's upper bound; the sum over a market is an HHI error
# of some 1e-6 on [0, 1], below what HiGHS itself lets pass on the rows.
TOLERANCE = 2e-7
ROUNDS = 200
# A whole below this is none.
_NOTHING = 1e-9
# Tangent points to start with, as parts of each quantity's upper bound.
_FIRST = np.array([1 / 32, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0])


def add_squares(matrix: Matrix, name: str, quantity: Columns, whole: Columns | None = None) -> Columns:
    r"""State a column :math:`t_j \ge q_j^2 / w_j` for each quantity of a group; an HHI is a sum of them.

    Where the whole is a column, :math:`\sum_j t_j \le \theta w` is the cone :math:`\lVert q \rVert_2 \le
    \sqrt{\theta}\, w`.

    Parameters
    ----------
    matrix : Matrix
        Extended in place.
    name : str
        Name of the new columns in the Pyomo model; the relation is the block ``name_square`` there.
    quantity : Columns
        The :math:`q_j`, with finite bounds, best as shares of the need (0 to 1).
    whole : Columns, optional
        The :math:`w_j \ge 0`, one for each quantity; default 1.

    Returns
    -------
    Columns
        The :math:`t_j`. The relation only pushes from below: use them where less is better (a cap, a cost).

    Raises
    ------
    ValueError
        A quantity without finite bounds.
    """
    top = np.maximum(np.abs(quantity.lower), np.abs(quantity.upper))
    if not np.isfinite(top).all():
        raise ValueError(f"squares of {quantity.name!r} need finite bounds")
    out = matrix.add_columns(
        name,
        quantity.n,
        upper=np.where(top > 0, top, 1.0) ** 2,
        scale=quantity.scale**2,
        keys=lambda: quantity.keys,
        meaning=f"at least the square of {quantity.name}",
    )
    matrix.squares.append((quantity, out))
    if whole is not None:
        matrix.wholes[out.name] = whole
    return out


def _slopes(c: Compiled, x: FloatArray) -> FloatArray:
    """Each quantity over its whole; 0 where there is no whole."""
    q = x[c.square_of]
    over = np.where(c.square_whole < 0, 1.0, x[c.square_whole])
    return np.asarray(np.divide(q, over, out=np.zeros(len(q)), where=over > _NOTHING), dtype=np.float64)


def square_gap(c: Compiled, x: FloatArray) -> FloatArray:
    """How far each square is above its column at a point, relative to the square of the quantity's scale."""
    return np.asarray((x[c.square_of] * _slopes(c, x) - x[c.square]) / c.col_scale[c.square_of] ** 2, dtype=np.float64)


def tangents(
    c: Compiled, x: FloatArray | None = None, tolerance: float = TOLERANCE
) -> tuple[IntArray, FloatArray] | None:
    r"""Tangents :math:`t \ge 2aq - a^2 w` that a point violates, or those to start with.

    Parameters
    ----------
    c : Compiled
        The model.
    x : ndarray, optional
        A point; without it the first tangents, spread over the bounds.
    tolerance : float
        Violation that is let pass.

    Returns
    -------
    tuple of (ndarray, ndarray) or None
        Number of the square and :math:`a` of each tangent; None where nothing is violated.
    """
    if x is None:
        top = np.maximum(np.abs(c.lower[c.square_of]), np.abs(c.upper[c.square_of]))
        which = np.repeat(np.arange(len(top)), len(_FIRST))
        at = (top[:, None] * _FIRST).ravel()
        if (c.lower[c.square_of] < 0).any():
            which, at = np.concatenate([which, which]), np.concatenate([at, -at])
        keep = at != 0
        return which[keep], at[keep]
    off = np.flatnonzero(square_gap(c, x) > tolerance)
    if not len(off):
        return None
    return touching(c, x, off)


def touching(c: Compiled, x: FloatArray, which: IntArray) -> tuple[IntArray, FloatArray]:
    """Tangents of some squares at a point."""
    return which, _slopes(c, x)[which]

"""Whether a solution meets its own rows, each by its own size, and what is tried where it does not.

A solver meets a row to an absolute tolerance and calls a number whole that is nearly so. A plant a million times as large
as a buyer can then feed it while it is "not built", and a need far below the others can be forgotten. Rows are therefore
handed over in their own size, what comes back is looked at in the units of the model, and where a row is missed, or whole
numbers cost more than was promised, the model is solved again more firmly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .matrix import Compiled

__all__ = ["FEASIBLE", "firm", "off", "tighter"]

FloatArray = npt.NDArray[np.float64]
# Greatest violation of a row, relative to its size, that still counts as meeting it.
FEASIBLE = 1e-6
# What the solver may let pass at the second attempt; HiGHS takes no less than 1e-10.
_FIRM = 1e-9
# A plant that is larger than this times what one lane can take is tied to the lane by a row of its own.
_LARGE = 1e2


def off(c: Compiled, x: FloatArray) -> float:
    """Greatest violation of a row at a point, as a part of the row's size.

    Parameters
    ----------
    c : Compiled
        The model, in its own units.
    x : ndarray
        A point.

    Returns
    -------
    float
        At least 0.
    """
    activity = c.activity(x)
    return float(np.max(np.maximum(c.row_lower - activity, activity - c.row_upper) / c.row_scale, initial=0.0))


def firm(h: Any, c: Compiled, size: FloatArray) -> None:
    """Make a solver let less pass, and tie what is small to each yes-or-no decision that is large.

    Parameters
    ----------
    h : highspy.Highs
        Holds the model.
    c : Compiled
        The model, in its own units.
    size : ndarray
        By what the solver's columns are multiplied.
    """
    for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance", "mip_feasibility_tolerance"):
        h.setOptionValue(name, _FIRM)
    h.setOptionValue("mip_abs_gap", 0.0)
    col, whole, ratio = tighter(c)
    if not len(col):
        return
    ratio = ratio / size[col]
    k = len(col)
    index = np.column_stack([col, whole]).ravel().astype(np.int32)
    value = np.column_stack([np.ones(k), -ratio]).ravel()
    start = np.arange(0, 2 * k, 2, dtype=np.int32)
    size = np.repeat(np.maximum(ratio, 1e-12), 2)
    h.addRows(k, np.full(k, -np.inf), np.zeros(k), 2 * k, start, index, value / size)


def tighter(c: Compiled) -> tuple[Any, Any, FloatArray]:
    r"""Rows :math:`x_l \le u_l\, y` that follow from :math:`\sum_l a_l x_l \le C y` with :math:`a_l u_l \ll C`.

    The most that a column can be, :math:`u_l`, is its own bound or what a row without negative parts leaves of it.

    Parameters
    ----------
    c : Compiled
        The model.

    Returns
    -------
    tuple of ndarray
        The column, the yes-or-no column, and :math:`u_l`.
    """
    row = np.repeat(np.arange(c.m), np.diff(c.start))
    col, value = c.index.astype(np.int64), c.value
    free = (c.lower[col] < 0.0) | (value < 0.0)
    plain = np.ones(c.m, dtype=bool)
    plain[row[free]] = False
    plain &= np.isfinite(c.row_upper) & (c.row_upper >= 0.0)
    most = c.upper.copy()
    mine = plain[row] & (value > 0.0)
    np.minimum.at(most, col[mine], c.row_upper[row[mine]] / value[mine])
    # Rows of one whole number with a negative part, nothing else below 0.
    below = value < 0.0
    tied = np.bincount(row[below], minlength=c.m) == 1
    tied &= np.bincount(row[below], c.integer[col[below]], minlength=c.m) == 1
    tied &= c.row_upper == 0.0
    of, capacity = np.full(c.m, -1, dtype=np.int64), np.zeros(c.m)
    hit = below & tied[row]
    of[row[hit]], capacity[row[hit]] = col[hit], -value[hit]
    small = tied[row] & (value > 0.0) & ~c.integer[col] & np.isfinite(most[col]) & (c.lower[col] >= 0.0)
    small &= value * most[col] * _LARGE < capacity[row]
    return col[small], of[row[small]], most[col[small]]

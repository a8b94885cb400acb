"""Decisions that cost nothing and do nothing: a solver may take them or leave them, a plan leaves them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from .firmer import FEASIBLE
from .matrix import Compiled
from .model import Build

__all__ = ["bundles", "without_idle"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Columns of decisions by supplier, each by itself.
_AGREED = ("contract_with", "qualify_with")


def bundles(m: Build, wide: Any = None) -> list[IntArray]:
    """Columns of each plant, over all periods, and of each contract and qualified source of a plan of one year.

    Parameters
    ----------
    m : Build
        The model of one period.
    wide : Wide, optional
        All periods.
    """
    if wide is not None:
        if wide.decide is None:
            return []
        k = len(wide.lead)
        own = [wide.at[s][b.projects.at] for s, b in enumerate(wide.bases) if b.projects is not None]
        # Plants that stand on others come first, so that both can go.
        return [np.concatenate([wide.decide.at[j::k], *([x[j]] for x in own)]) for j in reversed(range(k))]
    out = [] if m.projects is None else [np.array([i]) for i in reversed(m.projects.at.tolist())]
    for group in m.matrix.columns:
        if group.name in _AGREED and group.integer:
            out += [np.array([i]) for i in group.at.tolist()]
    return out


def without_idle(c: Compiled, x: FloatArray, parts: Iterable[IntArray]) -> FloatArray:
    """The same plan without decisions that are free and that nothing rests on.

    Parameters
    ----------
    c : Compiled
        The model.
    x : ndarray
        A solution.
    parts : iterable of ndarray
        Columns that stand or fall together.

    Returns
    -------
    ndarray
        As good a solution: every row is met as it was.
    """
    import scipy.sparse as sp

    taken = [p for p in parts if x[p].max(initial=0.0) > 0.5 and not c.cost[p].any() and not (c.lower[p] > 0.5).any()]
    if not taken:
        return x
    x = x.copy()
    a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n)).tocsc()
    activity = c.activity(x)
    for p in taken:
        change = np.asarray(a[:, p] @ (c.lower[p] - x[p]))
        hit = np.flatnonzero(change)
        after = activity[hit] + change[hit]
        slack = FEASIBLE * c.row_scale[hit]
        if ((after >= c.row_lower[hit] - slack) & (after <= c.row_upper[hit] + slack)).all():
            x[p] = c.lower[p]
            activity[hit] = after
    return x

"""Voting power: one level exactly, and what becomes of it where firms own each other.

Arrays only. A firm's *tips* are the chances that each of its holders is the one who tips its vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from .arguments import listed, number, vector

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["loop_exits", "sampled_exits", "shapley_shubik", "tips"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_FEW = 16  # holders of one firm whose coalitions are all counted
_GRIDS = (100, 1_000, 10_000, 100_000)
_WORK = 3e9
_PATHS = 300_000
_SLACK = 1e-12


def shapley_shubik(votes: Sequence[float] | FloatArray | pd.Series, quota: float = 0.5) -> FloatArray:
    r"""Shapley-Shubik power of the holders of one asset: how often each tips the vote over the quota.

    :math:`\phi_i = \sum_{S \not\ni i} \frac{|S|!\,(n-|S|-1)!}{n!}\,[v(S) \le q < v(S) + v_i]`: the part of all orders
    of the holders in which i is the one whose vote lifts the sum over the quota.

    Parameters
    ----------
    votes : sequence of float
        Votes, fractions 0 to 1; any number of holders.
    quota : float
        A coalition wins with strictly more than this; 0 or more.

    Returns
    -------
    ndarray
        Fractions in [0, 1]; they add to 1 if all together win, and are all 0 if not.

    Raises
    ------
    SchemaError
        Votes that are missing or negative, or a quota below 0.

    Notes
    -----
    Missing policy: none is filled in; the unnamed rest of the votes is a holder like any other, if it is given. Up to
    16 holders all coalitions are counted; beyond, with :math:`\phi_i = \int_0^1 \Pr(q - v_i < V_t \le q)\,dt`, where
    each of the others joins with chance t, which Gauss-Legendre quadrature of :math:`\lceil n/2 \rceil` points
    integrates exactly. That takes votes on a grid: 0.01, 0.001, 0.0001 or 0.00001, the coarsest that holds them all;
    votes that fit none are rounded to the finest that the number of holders allows. Source: Shapley & Shubik (1954);
    integral form: Owen (1972).

    Examples
    --------
    >>> shapley_shubik([0.5, 0.4, 0.1]).round(6).tolist()
    [0.666667, 0.166667, 0.166667]
    """
    what = "shapley_shubik()"
    rows = listed(votes, what, "votes")
    labels = votes.index if isinstance(votes, pd.Series) else None
    v = vector(rows, labels, len(rows), what, "votes", kind="holder", remedy="Drop the holder, or mend it.")
    quota = number(quota, what, "quota", remedy="Give 0.5 for a majority.")
    return tips(v, quota)[0]


def tips(v: FloatArray, quota: float) -> tuple[FloatArray, float]:
    """Shapley-Shubik power, and by how much a vote was rounded at the most to find it."""
    if not v.sum() > quota + _SLACK:
        return np.zeros(len(v)), 0.0
    over = v > quota + _SLACK
    if over.any() and v.sum() - v.max() <= quota + _SLACK:  # one hand decides, whoever joins
        return np.where(over, 1.0, 0.0), 0.0
    if len(v) <= _FEW:
        return _counted(v, quota), 0.0
    return _integrated(v, quota)


def _counted(v: FloatArray, quota: float) -> FloatArray:
    n = len(v)
    total = np.zeros(1)
    size = np.zeros(1, dtype=np.int64)
    for x in v:  # bit i of a coalition's code says whether holder i is in it
        total, size = np.concatenate([total, total + x]), np.concatenate([size, size + 1])
    fact = np.cumprod(np.concatenate([[1.0], np.arange(1.0, n + 1)]))
    weight = fact[size] * fact[np.maximum(n - size - 1, 0)] / fact[n]
    wins = total > quota + _SLACK
    code = np.arange(1 << n)
    out = np.zeros(n)
    for i in range(n):
        without = code[(code >> i) & 1 == 0]
        tipped = without[~wins[without] & wins[without | (1 << i)]]
        out[i] = weight[tipped].sum()
    return out


def _integrated(v: FloatArray, quota: float) -> tuple[FloatArray, float]:
    n = len(v)
    points = (n + 1) // 2
    fits = [g for g in _GRIDS if np.abs(v * g - np.rint(v * g)).max() <= 1e-6]
    work = points * n * np.log2(n) * min(quota, float(v.sum()))
    able = [g for g in _GRIDS if work * g <= _WORK] or [_GRIDS[0]]
    grid = fits[0] if fits else able[-1]
    w = np.rint(v * grid).astype(np.int64)
    gap = 0.0 if fits else float(np.abs(v - w / grid).max())
    top = int(np.floor(quota * grid + 1e-6))  # the most that still loses
    t, weight = np.polynomial.legendre.leggauss(points)
    out = np.zeros(n)
    # Batches of points keep the table of chances (points x sums) small.
    batch = max(1, 2_000_000 // (top + 1))
    for i in range(0, points, batch):
        chance = np.zeros((len(t[i : i + batch]), top + 1))
        chance[:, 0] = 1.0
        _without_one(w, np.arange(n), chance, (t[i : i + batch, None] + 1) / 2, weight[i : i + batch] / 2, out)
    return out, gap


def _without_one(
    w: IntArray, who: IntArray, chance: FloatArray, t: FloatArray, weight: FloatArray, out: FloatArray
) -> None:
    """Add each holder's integral; ``chance`` is that of each sum of all others but those of ``who``."""
    if len(who) == 1:
        i = int(who[0])
        if w[i] > 0:
            first = max(chance.shape[1] - int(w[i]), 0)
            out[i] += float(weight @ chance[:, first:].sum(axis=1))
        return
    half = len(who) // 2
    for stay, join in ((who[:half], who[half:]), (who[half:], who[:half])):
        inside = chance
        for x in w[join]:
            new = inside * (1 - t)
            if x < inside.shape[1]:
                new[:, x:] += t * inside[:, : inside.shape[1] - x]
            inside = new
        _without_one(w, stay, inside, t, weight, out)


def loop_exits(step: sparse.csr_matrix) -> sparse.csr_matrix | None:
    """Where the chain of tipping holders that starts at one firm of a loop leaves it, exactly.

    ``step[i, j]`` is the chance that firm j of the loop tips firm i; what is missing to 1 tips it from outside. In one
    draw of all orders each firm has one tipping holder, so the chain either leaves the loop or runs into itself: the
    sum goes over paths that meet no firm twice, gathered by the set of firms met. None where there are too many sets.
    """
    from scipy import sparse

    n = step.shape[0]
    first, target, weight = step.indptr.astype(np.int64), step.indices, step.data
    words = n // 63 + 1
    bit = np.zeros((n, words), dtype=np.int64)
    bit[np.arange(n), np.arange(n) // 63] = np.int64(1) << (np.arange(n) % 63)
    # A row per (firm it starts at, firm it has come to, firms met).
    start = now = np.arange(n, dtype=np.int64)
    met, chance = bit, np.ones(n)
    visits = [(start, now, chance)]
    seen = 0
    while True:
        count = first[now + 1] - first[now]
        seen += int(count.sum())
        if seen > _PATHS:
            return None
        row = np.repeat(np.arange(len(now)), count)
        edge = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[now][row]
        to = target[edge]
        fresh = (met[row, to // 63] >> (to % 63)) & 1 == 0
        row, to, edge = row[fresh], to[fresh], edge[fresh]
        if not len(row):
            break
        key, same = np.unique(np.column_stack([start[row], to, met[row] | bit[to]]), axis=0, return_inverse=True)
        chance = np.bincount(same.ravel(), chance[row] * weight[edge], len(key)).astype(np.float64)
        start, now, met = key[:, 0], key[:, 1], key[:, 2:]
        visits.append((start, now, chance))
    leave = np.clip(1 - np.asarray(step.sum(axis=1)).ravel(), 0.0, 1.0)
    i, j, p = (np.concatenate(x) for x in zip(*visits, strict=True))
    return sparse.csr_matrix((p * leave[j], (i, j)), shape=(n, n))


def sampled_exits(step: sparse.csr_matrix, draws: int, rng: np.random.Generator) -> sparse.csr_matrix:
    """The same by draws."""
    from scipy import sparse

    n = step.shape[0]
    firm = np.arange(n)
    row = np.repeat(firm, np.diff(step.indptr))
    reach = np.cumsum(step.data)
    reach = reach - np.append(0.0, reach)[step.indptr[row]] + row  # within the row, on one rising scale
    out = sparse.csr_matrix((n, n))
    for _ in range(draws):
        at = np.searchsorted(reach, firm + rng.random(n), side="right")
        inside = at < step.indptr[1:]
        to = np.where(inside, step.indices[np.minimum(at, len(row) - 1)], firm)
        for _ in range(max(1, int(np.ceil(np.log2(n + 1))))):
            to = to[to]
        ended = ~inside[to]  # the others go round for ever
        out = out + sparse.csr_matrix((np.ones(int(ended.sum())), (firm[ended], to[ended])), shape=(n, n))
    return sparse.csr_matrix(out / draws)

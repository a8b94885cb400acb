"""Which inputs bind a producer, and how hard: three rules over the same recipes.

``strict`` (Leontief): every recorded input stops its producer, whatever its class, and alternatives are no help.
``partial``: *essential* inputs stop it, *important* ones by their weight in the value of its inputs, *minor* ones never.
``bottleneck`` (substitution allowed): as ``partial``, and inputs of one substitute group are alternatives: the least
exposed of them counts. The engine of shocks holds to the last rule too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from .ordering import maxima

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["RULES", "Rule", "Stops", "stops"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Rule = Literal["bottleneck", "partial", "strict"]
RULES: tuple[Rule, ...] = ("bottleneck", "partial", "strict")
_ESSENTIAL, _IMPORTANT = 2, 1


@dataclass(frozen=True, eq=False)
class Stops:
    """Segments that bind their buyer under one rule, alternatives side by side.

    Attributes
    ----------
    hard, soft : ndarray of int
        Segments that stop their buyer, and those that hold it back by their weight; by buyer and group.
    hard_group, soft_group : ndarray of int
        First of each group of alternatives in ``hard`` and ``soft``.
    hard_start, soft_start : ndarray of int
        First group of each buyer.
    hard_buyer, soft_buyer : ndarray of int
        The buyers.
    """

    hard: IntArray
    hard_group: IntArray
    hard_start: IntArray
    hard_buyer: IntArray
    soft: IntArray
    soft_group: IntArray
    soft_start: IntArray
    soft_buyer: IntArray

    def soft_weight(self, weight: FloatArray) -> FloatArray:
        """Weight of each group of ``soft``, from that of every segment."""
        return np.add.reduceat(weight[self.soft], self.soft_group) if len(self.soft) else np.zeros(0)

    def ranges(self, n: int) -> tuple[tuple[IntArray, IntArray, IntArray], tuple[IntArray, IntArray, IntArray]]:
        """Segments, first of each group, and first group of each of n nodes, with their ends; hard, and soft."""

        def of(
            which: IntArray, group: IntArray, start: IntArray, buyer: IntArray
        ) -> tuple[IntArray, IntArray, IntArray]:
            count = np.zeros(n, dtype=np.int64)
            count[buyer] = np.diff(start, append=len(group))
            return which, np.append(group, len(which)), np.append(0, np.cumsum(count))

        return (
            of(self.hard, self.hard_group, self.hard_start, self.hard_buyer),
            of(self.soft, self.soft_group, self.soft_start, self.soft_buyer),
        )

    def bind(self, e: FloatArray, agg: FloatArray, soft_weight: FloatArray) -> None:
        """Raise what holds each buyer back, ``(n, k)``, by what its inputs do, ``e`` of ``(segments, k)``."""
        if len(self.hard):
            worst = e[self.hard]
            if len(self.hard_group) < len(self.hard):
                worst = np.minimum.reduceat(worst, self.hard_group, axis=0)
            worst = maxima(worst, self.hard_start)
            agg[self.hard_buyer] = np.maximum(agg[self.hard_buyer], worst)
        if len(self.soft):
            least = e[self.soft]
            if len(self.soft_group) < len(self.soft):
                least = np.minimum.reduceat(least, self.soft_group, axis=0)
            sum_ = np.add.reduceat((least.T * soft_weight).T, self.soft_start, axis=0)
            agg[self.soft_buyer] = np.maximum(agg[self.soft_buyer], sum_)

    def chosen(self, e: FloatArray, floor: FloatArray, weight: FloatArray) -> sparse.csr_matrix:
        """What decides each buyer at ``e`` of ``(segments,)``: buyers x segments, weights of the deciding segments.

        Rows are empty where ``floor`` decides or nothing binds.
        """
        from scipy import sparse

        n = len(floor)
        best = floor.copy()
        one = np.full(n, -1, dtype=np.int64)
        if len(self.hard):
            least = _pick(e, self.hard, self.hard_group, 1.0)
            most = _pick(e, least, self.hard_start, -1.0)
            better = (e[most] >= best[self.hard_buyer]) & (e[most] > 0)
            one[self.hard_buyer[better]] = most[better]
            best[self.hard_buyer[better]] = e[most[better]]
        rows, cols, data = [np.flatnonzero(one >= 0)], [one[one >= 0]], [np.ones(int((one >= 0).sum()))]
        if len(self.soft):
            least = _pick(e, self.soft, self.soft_group, 1.0)
            w = self.soft_weight(weight)
            size = np.diff(np.append(self.soft_start, len(least)))
            buyer = np.repeat(self.soft_buyer, size)
            total = np.add.reduceat(w * e[least], self.soft_start)
            wins = np.repeat(total > best[self.soft_buyer], size)
            one[buyer[wins]] = -1
            keep = one[rows[0]] >= 0
            rows, cols, data = [rows[0][keep], buyer[wins]], [cols[0][keep], least[wins]], [data[0][keep], w[wins]]
        shape = (n, len(e))
        return sparse.csr_matrix((np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=shape)


def _pick(e: FloatArray, segments: IntArray, start: IntArray, sign: float) -> IntArray:
    """Of each run of segments the one with the least (``sign`` 1) or the most (-1) of ``e``."""
    if len(start) == len(segments):
        return segments
    x = -sign * e[segments]
    hit = np.flatnonzero(x >= np.repeat(maxima(x, start), np.diff(start, append=len(x))))
    return np.asarray(segments[hit[np.searchsorted(hit, start)]])


def _runs(
    which: IntArray, buyer: IntArray, code: npt.NDArray[np.object_]
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Segments by buyer and group, first of each group, first group of each buyer, the buyers."""
    import pandas as pd

    label = pd.factorize(code[which])[0]
    by = np.lexsort((label, buyer[which]))
    order, label = which[by], label[by]
    b = buyer[order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (b[1:] != b[:-1]) | (label[1:] != label[:-1])
    group = np.flatnonzero(fresh).astype(np.int64)
    gb = b[group]
    first = np.ones(len(gb), dtype=bool)
    first[1:] = gb[1:] != gb[:-1]
    start = np.flatnonzero(first).astype(np.int64)
    return order, group, start, gb[start]


def stops(
    rule: Rule,
    buyer: IntArray,
    product: npt.NDArray[np.object_],
    rank: FloatArray,
    group: npt.NDArray[np.object_],
    maker: npt.NDArray[np.bool_],
) -> Stops:
    """Sort the segments of makers by how they bind under a rule.

    Parameters
    ----------
    rule : {"bottleneck", "partial", "strict"}
        The rule.
    buyer, product : ndarray
        Buying node and input of each segment.
    rank : ndarray
        Class of the input: 2 essential (or without a recipe), 1 important, 0 minor.
    group : ndarray of str
        Substitute group, '' for none.
    maker : ndarray of bool
        Nodes that make something of inputs.

    Returns
    -------
    Stops

    Examples
    --------
    >>> two = np.array([0, 0]), np.array(["a", "b"], dtype=object), np.array([2.0, 1.0])
    >>> s = stops("partial", *two, np.array(["", ""], dtype=object), np.array([True]))
    >>> s.hard.tolist(), s.soft.tolist()
    ([0], [1])
    """
    mine = maker[buyer] if len(buyer) else np.zeros(0, dtype=bool)
    code = np.where(group == "", product, "\x1f" + group) if rule == "bottleneck" else product
    hard = np.flatnonzero(mine & ((rank == _ESSENTIAL) | (rule == "strict")))
    soft = np.flatnonzero(mine & (rank == _IMPORTANT) & (rule != "strict"))
    return Stops(*_runs(hard, buyer, code), *_runs(soft, buyer, code))

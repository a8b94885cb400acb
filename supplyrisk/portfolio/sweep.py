"""Levels of aims on one model that is kept in the solver: the sweep behind :func:`supplyrisk.portfolio.frontier`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .explain import stopped
from .highs import relative_gap
from .quadratic import lifted
from .solve import Persistent, Solution, usable

__all__ = ["Sweep", "way"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Weight of the other aims beside the cost, as a part of the range of the cost: breaks ties, moves nothing else.
_TIE = 1e-6
_SAME = 1e-7
# Room above a level: as little as the solver's rounding asks for, so that none of it is used; more where that is too little,
# and for squares, which are met within a tolerance.
_SLACKS = (1e-11, 1e-7)
_ROUNDS = 50


def _dot(a: FloatArray, b: FloatArray) -> float:
    """Without BLAS, whose threads spin between the solves and slow them tenfold on a busy machine (measured)."""
    return float((a * b).sum())


class Sweep:
    """Levels of the aims on one model kept in the solver."""

    def __init__(
        self,
        c: Any,
        rows: IntArray,
        cost_row: int,
        time_limit: float | None,
        gap: float | None,
        seed: int,
        over: dict[int, tuple[IntArray, FloatArray]],
    ) -> None:
        self.model = Persistent(c, time_limit=time_limit, gap=gap, seed=seed)
        self.rows, self.cost_row = rows, cost_row
        self.cost, self.offset = c.cost, c.offset
        self.slacks = _SLACKS[1:] if len(c.square) else _SLACKS
        import scipy.sparse as sp

        a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))
        self.aims = np.asarray(a[rows].todense(), dtype=np.float64)
        # Aims that are parts of what arrives: f = N(x) / (1 - L(x)).
        self.less = np.zeros_like(self.aims)
        for k, row in enumerate(rows.tolist()):
            if row in over:
                col, part = over[row]
                np.add.at(self.less[k], col, part)
                self.aims[k][col] = 0.0

    def whole(self, x: FloatArray) -> FloatArray:
        """What each aim is a part of, over the need."""
        return np.asarray(1.0 - (self.less * x).sum(axis=1), dtype=np.float64)

    def values(self, x: FloatArray) -> FloatArray:
        """The aims at a plan; 0 where nothing arrives."""
        of = self.whole(x)
        return np.asarray(np.divide((self.aims * x).sum(axis=1), of, out=np.zeros(len(of)), where=of > _SAME))

    def _hold(self, k: int, level: float) -> None:
        """Cap an aim."""
        if np.isfinite(level):
            for col in np.flatnonzero(self.less[k]).tolist():
                self.model.set_value(int(self.rows[k]), col, level * float(self.less[k][col]))
        self.model.set_rows(self.rows[k], -np.inf, level)

    def _lowest(self, k: int) -> float:
        """Least value of an aim; of one that is a ratio by Dinkelbach's (1967) parametric rule."""
        x = self._least(self.aims[k]).x
        if not self.less[k].any():
            return _dot(self.aims[k], x)
        low = float(self.values(x)[k])
        for _ in range(_ROUNDS):
            x = self._least(self.aims[k] + low * self.less[k]).x
            new = float(self.values(x)[k])
            if new >= low - 1e-10:
                break
            low = new
        return low

    def _least(self, cost: FloatArray) -> Solution:
        self.model.set_cost(cost)
        s = self.model.solve(duals=False)
        if not usable(s):
            raise stopped(s)
        return s

    def _payoff(self) -> tuple[FloatArray, float, float]:
        """Values of the aims at the ends of the frontier, each end settled in the other aims too, and cost's range."""
        free = np.full(len(self.rows), np.inf)
        table: list[FloatArray] = []
        costs: list[float] = []
        cheap = self._least(self.cost)
        best = _dot(self.cost, cheap.x)
        self.model.set_rows(self.cost_row, -np.inf, best + 1e-9 * abs(best))
        s = self._least(self.aims.sum(axis=0))
        table.append(self.values(s.x))
        costs.append(best)
        self.model.set_rows(self.cost_row, -np.inf, np.inf)
        for k in range(len(self.rows)):
            low = self._lowest(k)
            self.model.set_cost(self.cost)
            for slack in self.slacks:
                self._hold(k, low + slack)
                s = self.model.solve(duals=False)
                if s.status != "infeasible":
                    break
            if not usable(s):
                raise stopped(s)
            table.append(self.values(s.x))
            table[-1][k] = low
            costs.append(_dot(self.cost, s.x))
            self.model.set_rows(self.rows, np.full(len(free), -np.inf), free)
        return np.array(table), min(costs), max(costs)

    def run(self, points: int) -> Iterator[tuple[Solution, FloatArray, tuple[float, ...]]]:
        """Solve the levels; yields the solution, the aims' values and the levels."""
        table, low_cost, high_cost = self._payoff()
        top, bottom = table.max(axis=0), table.min(axis=0)
        reach = np.where(top - bottom > 1e-9, top - bottom, 1.0)
        weight = _TIE * max(high_cost - low_cost, _TIE * max(abs(high_cost), 1.0)) / reach
        goal = self.cost + weight @ self.aims
        self.model.set_cost(goal)
        n = points if len(top) == 1 else max(2, round(points ** (1.0 / len(top))))
        axes = [np.linspace(t, b, n) if t - b > 1e-9 else np.array([t]) for t, b in zip(top, bottom, strict=True)]
        for outer in itertools.product(*axes[1:]):
            met = np.inf
            for level in axes[0].tolist():
                if level >= met + 1e-9 and level > axes[0][-1]:
                    continue  # the last plan meets this level already: it would come again
                first = level == axes[0][0]  # no limit yet: what one less costs is that of the next levels
                for slack in self.slacks[-1:] if first else self.slacks:
                    levels = np.array([level, *outer]) + slack
                    for k, at in enumerate(levels.tolist()):
                        self._hold(k, at)
                    s = self.model.solve()
                    if s.status != "infeasible":
                        break
                if s.status == "infeasible":
                    break  # with the other aims as they are, lower levels cannot be reached either
                if not usable(s):
                    raise stopped(s)
                aims = self.values(s.x)
                aims = np.where(np.abs(aims - bottom) <= 2.0 * _SLACKS[0], bottom, aims)
                met = float(aims[0])
                plain = _dot(self.cost, s.x) + self.offset
                way = f"{s.way}, since a sweep starts each solve from the last" if s.way else ""
                yield replace(s, objective=plain, way=way), aims, tuple(levels.tolist())

    def real(
        self, c: Any, s: Solution, aims: FloatArray, level: tuple[float, ...]
    ) -> tuple[Solution, FloatArray, tuple[float, ...]]:
        """A point with its squares at what they are, where tangents leave them a little below."""
        x = lifted(c, s.x)
        if np.array_equal(x, s.x):
            return s, aims, level
        own = float((c.cost * x).sum()) + c.offset
        bound = min(s.bound, s.objective)  # what tangents allow is too much, so that it is a bound
        s = replace(s, x=x, objective=own, bound=bound, gap=max(s.gap, relative_gap(own, min(bound, own))))
        return s, self.values(x), level


def way(found: list[Solution]) -> list[str]:
    """How squares were dealt with in the points, the least exact of them."""
    least = max((s for s in found if s.way), key=lambda s: s.violation, default=None)
    if least is None:
        return []
    most = max(s.gap for s in found)
    return [f"concentration: {least.way}" + (f"; objectives within {most:.1e}" if most > 0.0 else "")]

"""Other starts for a plan that is a local optimum: mixes follow the plan, so that where it starts decides where it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .highs import relative_gap, usable
from .matrix import Compiled
from .mixing import own_part
from .settling import Live
from .solve import Solution

__all__ = ["CLOSED", "better"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Gap up to which no other start is tried.
CLOSED = 0.01
# Starts in a row that bring nothing better, after which no more are tried.
_IDLE = 3
# Share above the cap that counts as none; linearisations until a start meets it; steps from there on.
_MET = 1e-8
_TRIES, _STEPS = 5, 25
# Radius of a step over the need, at which none is tried any more; what is left of it after a miss; gain that counts.
_LEAST, _SHRINK, _GAIN = 1e-4, 0.4, 1e-7
# Most that may stand in the focal of what the capped products are made from, and of these themselves (None: any).
_LEVELS: tuple[tuple[float, float | None], ...] = (
    (0.1, 0.0),
    (0.0, None),
    (0.3, 0.1),
    (0.0, 0.0),
    (0.1, None),
    (0.5, 0.0),
)


def better(
    live: Live,
    s: Solution | None,
    c: Compiled,
    bound: float,
    first: FloatArray | None,
    solve: Callable[[Compiled], Solution],
    left: Callable[[], float | None],
) -> tuple[Live, Solution, Compiled] | None:
    """The best plan that other starts settle in, with the model that stands at its mixes; None where none is better.

    Starts are the point of the relaxation that gives the bound, and the least costs with the capped products and what
    they are made from under caps by location at several levels. Each is followed until its mixes settle, and no more are
    tried once a plan is within one percent of the bound.

    Parameters
    ----------
    live : Live
        The model.
    s : Solution, optional
        The plan to be better than, if there is one.
    c : Compiled
        Its model.
    bound : float
        Least objective under any mixes.
    first : ndarray, optional
        Point of the relaxation.
    solve : callable
        Solves a model.
    left : callable
        Seconds that are left of the time limit, if there is one.
    """
    best = None if s is None else s.objective
    out: tuple[Live, Solution, Compiled] | None = None

    def closed() -> bool:
        return best is not None and relative_gap(best, min(bound, best)) <= CLOSED

    if closed():
        return None
    blank = live.fork()
    blank.restart()
    plain, idle = blank.whole.matrix.compile(), 0
    for x in _starts(blank, plain, first, solve):
        if idle >= _IDLE or (left() is not None and not (left() or 0.0) > 0.0):
            break
        idle += 1
        met = _met(blank, x, solve)
        found = None if met is None else _improved(blank, met, solve)
        if found is None or (best is not None and not found[1].objective < best - 1e-9 * max(abs(best), 1.0)):
            continue
        out, best, idle = found, found[1].objective, 0
        if closed():
            break
    return out


def _over(live: Live) -> float:
    """By how much the caps are missed at the point that the model stands at, in parts of the need."""
    return max(b.mixed[1] for b in live.bases if b.mixed)


def _met(blank: Live, x: FloatArray, solve: Callable[[Compiled], Solution]) -> FloatArray | None:
    """A point that meets the caps on its own graph, found by a few linearisations; None where they do not lead to one."""
    for _ in range(_TRIES):
        own = blank.fork()
        own.around(x)
        if _over(own) <= _MET:
            return x
        s = solve(own.whole.matrix.compile())
        if not usable(s):
            return None
        x = s.x
    return None


def _improved(
    blank: Live, x: FloatArray, solve: Callable[[Compiled], Solution]
) -> tuple[Live, Solution, Compiled] | None:
    """A local optimum from a point that meets the caps: steps within a radius that shrinks where they miss them."""
    own = blank.fork()
    own.around(x)
    c = own.whole.matrix.compile()
    lanes, misses = _columns(own)
    best, radius, last, n = float(c.cost @ x) + c.offset, 1.0, None, 0
    while n < _STEPS and radius > _LEAST:
        n += 1
        lower, upper = c.lower.copy(), c.upper.copy()
        step = radius * c.col_scale[lanes]
        lower[lanes] = np.maximum(lower[lanes], np.minimum(x[lanes], upper[lanes]) - step)
        upper[lanes] = np.minimum(upper[lanes], np.maximum(x[lanes], lower[lanes]) + step)
        upper[misses] = 0.0
        s = solve(replace(c, lower=lower, upper=upper))
        if s.status != "optimal":
            break
        if last is None or not s.objective < best - _GAIN * max(abs(best), 1.0):
            last = s
        if not s.objective < best - _GAIN * max(abs(best), 1.0):
            break
        near = blank.fork()
        near.around(s.x)
        if _over(near) <= _MET:
            own, x, best, last, c = near, s.x, s.objective, s, near.whole.matrix.compile()
        else:
            radius *= _SHRINK
    if last is None:
        return None
    for b in own.bases:
        if b.mixed:
            b.mixed = (n, b.mixed[1])
    return own, replace(last, x=x, objective=best, bound=min(last.bound, best)), c


def _columns(live: Live) -> tuple[IntArray, IntArray]:
    """Deliveries, and what of the caps is missed, in the model of all."""
    lanes, misses = [], []
    for i, m in enumerate(live.bases):
        at = np.arange(m.matrix.n) if live.wide is None else live.wide.at[i]
        lanes.append(at[: m.n_lanes])
        misses += [at[f.miss(m).at] for f in m.movers]
    return np.unique(np.concatenate(lanes)), np.unique(np.concatenate(misses))


def _starts(live: Live, c: Compiled, first: FloatArray | None, solve: Callable[[Compiled], Solution]) -> Iterator[Any]:
    if first is not None and len(first) == c.n:
        yield first
    tiers = [_tiers(live, i) for i in range(len(live.bases))]
    for up, down in _LEVELS:
        asked = [(rows, up if tier == 0 else down) for of in tiers for tier, rows in of]
        kept = [(*rows, level) for rows, level in asked if level is not None]
        if not kept:
            continue
        found = solve(_capped(c, kept))
        if usable(found):
            yield found.x


def _tiers(live: Live, i: int) -> list[tuple[int, tuple[IntArray, IntArray]]]:
    """Lanes of each product, those from the focal and all, in the model of all: 0 for what feeds, 1 for what is capped."""
    m = live.bases[i]
    at = np.arange(m.matrix.n) if live.wide is None else live.wide.at[i]
    out: list[tuple[int, tuple[IntArray, IntArray]]] = []
    for f in m.movers:
        there = own_part(m, f.focal)[m.supplier] >= 0.5
        capped = {k for _, k, *_ in f.markets}
        for k in range(len(m.case.products)):
            mine = m.lane_product == k
            out.append((int(k in capped), (at[np.flatnonzero(mine & there)], at[np.flatnonzero(mine)])))
    return out


def _capped(c: Compiled, rows: list[tuple[IntArray, IntArray, float]]) -> Compiled:
    """The model with more rows: of some columns no more than a part may be some of them."""
    import scipy.sparse as sp

    a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))
    more = sp.lil_array((len(rows), c.n))
    for r, (some, every, level) in enumerate(rows):
        more[r, every] = -level
        more[r, some] = 1.0 - level
    whole = sp.csr_array(sp.vstack([a, sp.csr_array(more)]))
    k = len(rows)
    return replace(
        c,
        start=whole.indptr.astype(np.int32),
        index=whole.indices.astype(np.int32),
        value=np.asarray(whole.data, dtype=np.float64),
        row_lower=np.concatenate([c.row_lower, np.full(k, -np.inf)]),
        row_upper=np.concatenate([c.row_upper, np.zeros(k)]),
        row_scale=np.concatenate([c.row_scale, [float(np.max(c.col_scale[e], initial=1e-12)) for _, e, _ in rows]]),
    )

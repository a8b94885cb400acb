"""What one unit more of a need, of a supplier or of a plant is worth: the model is stated again with it, and solved.

The dual of the row that states a need is not that figure. Caps on shares, tests without the largest supplier, stocks in
days and much else, also in constraints that a user writes, have the need in their own bounds and coefficients. So the
whole model is stated twice more, with a little more and a little less, and what has moved is added to the model that was
solved. Decisions of yes or no stay as they are. At a kink the two sides differ, and both are told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import SolverError
from .explain import dual_table
from .matrix import Compiled, Matrix
from .model import Build, money
from .quadratic import PROVEN
from .solve import Solution, solve
from .words import spoken, unit_for

__all__ = ["Ask", "Nudge", "Price", "dual_words", "need_prices", "of_period", "prices", "sides", "told"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Step, as a part of what the group needs of the product; with squares by tangents, which are met to 1e-6 only, a wider
# one, that may go past a kink: what a part of it does not find too is not told.
_STEP, _STEP_SQUARES, _PART = 1e-4, 2e-3, 1 / 8
# Up to which part of each other the two sides count as one.
_SAME, _SAME_MIXES, _SAME_SQUARES = 1e-4, 1e-3, 3e-2
# Columns times solves that are spent on it at most; the largest needs come first.
_EFFORT = 40_000
# Relative difference of objectives up to which a plan that settled again is the same.
_SAME_PLAN = 1e-7


@dataclass(frozen=True, eq=False)
class Nudge:
    """More (or less) of some needs, of what nodes can deliver, of what plants can deliver, while a model is stated."""

    need: FloatArray
    supply: FloatArray
    plant: FloatArray

    @classmethod
    def none(cls, m: Build) -> Nudge:
        """Nothing more of anything."""
        return cls(np.zeros(len(m.case.pool)), np.zeros(m.graph.index.n), np.zeros(len(m.project_capacity)))

    def levers(self, m: Build) -> None:
        """What can be delivered, once the levers have said so."""
        m.availability = m.availability + self.supply
        m.project_capacity = m.project_capacity + self.plant


@dataclass(frozen=True)
class Ask:
    """One unit of what: the period, ``need``, ``supply`` or ``plant``, its number there, step, and how much there is."""

    period: int
    kind: str
    at: int
    step: float
    has: float


@dataclass(frozen=True, eq=False)
class _Model:
    """A stated model, of one period or several, and where the rows of an ask stand in it."""

    build: Build
    bases: Sequence[Build]
    rows: Sequence[IntArray]

    @classmethod
    def of(cls, stated: Any) -> _Model:
        if isinstance(stated, Build):
            return cls(stated, [stated], [np.arange(stated.matrix.m)])
        return cls(stated.build, stated.bases, stated.row)

    @property
    def matrix(self) -> Matrix:
        return self.build.matrix

    def row(self, ask: Ask) -> int:
        """The row in which what is asked for stands."""
        m = self.bases[ask.period]
        if ask.kind == "need":
            own = m.need_rows.start + ask.at
        elif ask.kind == "supply":
            own = m.availability_block.start + int(np.searchsorted(m.rationed, ask.at))
        else:
            own = next(b for b in m.matrix.rows if b.name == "plant").start + ask.at
        return int(self.rows[ask.period][own])

    def shape(self) -> list[tuple[str, int]]:
        return [(g.name, g.n) for g in self.matrix.columns] + [(b.name, b.n) for b in self.matrix.rows]


def _components(c: Compiled) -> tuple[IntArray, IntArray]:
    """Parts of a model that have nothing to do with one another: the label of each row and of each column."""
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    row = np.repeat(np.arange(c.m), np.diff(c.start))
    whole = c.square_whole >= 0
    a = np.concatenate([row, c.m + c.square, c.m + c.square[whole]])
    b = np.concatenate([c.m + c.index, c.m + c.square_of, c.m + c.square_whole[whole]])
    links = sp.coo_array((np.ones(len(a)), (a, b)), shape=(c.m + c.n, c.m + c.n))
    label = connected_components(links, directed=False)[1].astype(np.int64)
    return label[: c.m], label[c.m :]


def _sparse(c: Compiled) -> Any:
    import scipy.sparse as sp

    return sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))


def _moved(a: FloatArray, b: FloatArray) -> FloatArray:
    """By how much bounds have moved; what is free stays free."""
    both = np.isfinite(a) & np.isfinite(b)
    return np.subtract(b, a, out=np.zeros(len(a)), where=both)


def _with(c: Compiled, before: Compiled, after: Compiled) -> Compiled:
    """A model with what moved between two others of the same shape; rows the user wrote anew stay as they are."""
    import scipy.sparse as sp

    n, k = before.n, before.m
    a, b = _sparse(before), _sparse(after)
    own = _sparse(c)
    other = np.zeros(k, dtype=bool)
    off = sp.coo_array(abs(own[:k, :n] - a) > 1e-9 * abs(a).max())
    other[off.row] = True
    change = sp.coo_array(sp.diags_array((~other).astype(float)) @ (b - a))
    whole = sp.csr_array(own + sp.coo_array((change.data, (change.row, change.col)), shape=(c.m, c.n)))
    out = replace(c, start=whole.indptr.astype(np.int32), index=whole.indices.astype(np.int32), value=whole.data)
    bounds: dict[str, Any] = {}
    for name, size in (("row_lower", k), ("row_upper", k), ("lower", n), ("upper", n), ("cost", n)):
        was, now, mine = getattr(before, name), getattr(after, name), getattr(c, name).copy()
        with np.errstate(invalid="ignore"):
            same = (mine[:size] == was) if name != "cost" else np.ones(size, dtype=bool)
        mine[:size] = mine[:size] + np.where(same, _moved(was, now), 0.0)
        bounds[name] = mine
    return replace(out, **bounds)


def _held(c: Compiled, x: FloatArray) -> Compiled:
    """Yes-or-no decisions as they are."""
    at = c.integer
    lower, upper = c.lower.copy(), c.upper.copy()
    lower[at] = upper[at] = np.round(x[at])
    return replace(c, lower=lower, upper=upper, integer=np.zeros(c.n, dtype=bool))


def _held_by_name(c: Compiled, after: Matrix, now: Matrix, x: FloatArray) -> Compiled | None:
    """The same in a model with other columns: decisions are found by their names."""
    lower, upper = c.lower.copy(), c.upper.copy()
    mine = {g.name: g for g in now.columns}
    for g in after.columns:
        if not g.integer:
            continue
        if g.name not in mine or list(mine[g.name].keys) != list(g.keys):
            return None
        lower[g.at] = upper[g.at] = np.round(x[mine[g.name].at])
    return replace(c, lower=lower, upper=upper, integer=np.zeros(c.n, dtype=bool))


def _equal(a: Compiled, b: Compiled) -> bool:
    names = ("cost", "lower", "upper", "start", "index", "value", "row_lower", "row_upper")
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in names)


def _settled(stated: Any, now: Matrix, x: FloatArray) -> float:
    """Objective of a stated model whose rows follow the mixes of its own solution; NaN where they do not settle."""
    from .settling import ROUNDS, Live

    model = _Model.of(stated)
    mine = {g.name: g for g in now.columns}
    for g in model.matrix.columns:
        if g.integer and g.name in mine and mine[g.name].n == g.n:
            g.lower[:] = g.upper[:] = np.round(x[mine[g.name].at])
    live = Live(model.bases[0], None if isinstance(stated, Build) else stated)
    try:
        for _ in range(ROUNDS):
            s = solve(model.matrix.compile(), duals=False)
            if s.status != "optimal":
                return np.inf if s.status == "infeasible" else np.nan
            if not live.follow(s.x):
                return s.objective
    except SolverError as err:
        if err.status != "not_settled":
            raise
    return np.nan


def _sides_of_mixes(
    plan: _Model, s: Solution, anew: Callable[[dict[int, Nudge]], Any], asks: Sequence[Ask], n: int
) -> list[tuple[float, float]]:
    """The same where rows follow the mixes: each model settles by itself, from the same start.

    NaN where the plan is better than the one of that start: the two would not compare.
    """
    x, rough = s.x, bool(plan.matrix.squares)
    out = [(np.nan, np.nan)] * len(asks)
    start = _settled(anew({}), plan.matrix, x)
    if not abs(start - s.objective) <= _SAME_PLAN * max(abs(start), 1e-9):
        return out
    for i, a in enumerate(asks[: _EFFORT // (20 * max(n, 1) * (1 + rough))]):

        def at(sign: float, part: float, a: Ask = a) -> float:
            nudge = Nudge.none(plan.bases[a.period])
            getattr(nudge, a.kind)[a.at] += sign * part * a.step
            return _settled(anew({a.period: nudge}), plan.matrix, x)

        def both(part: float, a: Ask = a, at: Callable[..., float] = at) -> tuple[float, float]:
            less = (start - at(-1.0, part)) / (part * a.step) if a.has > a.step else np.nan
            return (at(1.0, part) - start) / (part * a.step), less if np.isfinite(less) else np.nan

        out[i] = _agreed(both(1.0), both(_PART)) if rough else both(1.0)
    return out


def sides(
    now: Any, c: Compiled, s: Solution, anew: Callable[[dict[int, Nudge]], Any], asks: Sequence[Ask]
) -> list[tuple[float, float]]:
    """Change of the objective for one unit more, and for one less (as a saving), of each thing asked for.

    Parameters
    ----------
    now : Build or Wide
        The model that was solved.
    c, s : Compiled, Solution
        The same, compiled, and its solution.
    anew : callable
        States the model again, with nudges by period.
    asks : sequence of Ask
        What is asked for.

    Returns
    -------
    list of tuple of float
        ``inf`` where one more is not to be had with the decisions as they are; NaN where that is not worked out, or, with
        squares by tangents, where a smaller step finds another figure.
    """
    plan = _Model.of(now)
    if any(m.movers for m in plan.bases):
        return _sides_of_mixes(plan, s, anew, asks, c.n)
    before = _Model.of(anew({}))
    c0 = before.matrix.compile()
    fixed = _held(c, s.x)
    plain, shape = _equal(c, c0), before.shape()
    base = solve(fixed, duals=False)
    rough = _by_tangents(base)
    if len(c.square) and not rough:  # proven, so that a step as small as without squares is above the tolerance
        asks = [replace(a, step=a.step * _STEP / _STEP_SQUARES) for a in asks]
    out = [[np.nan, np.nan] for _ in asks]
    if base.status != "optimal" or c.m < c0.m or c.n < c0.n:
        return [(a, b) for a, b in out]
    row_of, col_of = _components(fixed)
    start = np.bincount(col_of, fixed.cost * base.x, int(max(row_of.max(initial=0), col_of.max(initial=0))) + 1)
    label = [int(row_of[plan.row(a)]) for a in asks]

    def solved(which: list[int], sign: float, part: float, out: list[list[float]]) -> None:
        nudges: dict[int, Nudge] = {}
        for i in which:
            a = asks[i]
            n = nudges.setdefault(a.period, Nudge.none(plan.bases[a.period]))
            getattr(n, a.kind)[a.at] += sign * part * a.step
        after = _Model.of(anew(nudges))
        cu = after.matrix.compile()
        d: Compiled | None
        if after.shape() == shape:
            d = _with(fixed, c0, cu)
            rows = [plan.row(asks[i]) for i in which]
        else:
            d = _held_by_name(cu, after.matrix, plan.matrix, s.x) if plain else None
            rows = [after.row(asks[i]) for i in which]
        if d is None:
            return
        found = solve(d, duals=False)
        r, k = _components(d)
        if len(which) > 1 and (found.status != "optimal" or len({int(r[j]) for j in rows}) < len(which)):
            for i in which:
                solved([i], sign, part, out)
            return
        side = 0 if sign > 0 else 1
        if found.status == "infeasible" and sign > 0:
            out[which[0]][side] = np.inf
        if found.status != "optimal" or (_by_tangents(found) != rough and max(found.gap, base.gap) > PROVEN):
            return
        own = np.bincount(k, d.cost * found.x, int(max(r.max(initial=0), k.max(initial=0))) + 1)
        for i, j in zip(which, rows, strict=True):
            more = own[r[j]] - start[label[i]] + (d.offset - fixed.offset if len(which) == 1 else 0.0)
            out[i][side] = float(sign * more / (part * asks[i].step))

    finer = [[np.nan, np.nan] for _ in asks]
    for turn in _turns(label, c.n * (1 + rough)):
        for sign in (1.0, -1.0):
            if which := [i for i in turn if sign > 0 or asks[i].has > asks[i].step]:
                solved(which, sign, 1.0, out)
                if rough:
                    solved(which, sign, _PART, finer)
    return [_agreed(a, b) if rough else (a[0], a[1]) for a, b in zip(out, finer, strict=True)]


def _by_tangents(s: Solution) -> bool:
    """Whether squares are met within a tolerance only, where a proof has the objective to 1e-8 at least."""
    return s.way.startswith("outer approximation")


def _agreed(wide: Sequence[float], fine: Sequence[float]) -> tuple[float, float]:
    """Both sides by the finer step; NaN where the wider one finds another figure: there is a kink within it, or noise."""

    def one(a: float, b: float) -> float:
        near = a == b or bool(np.isfinite(a) and abs(a - b) <= _SAME_SQUARES * max(abs(a), abs(b)))
        return b if near else np.nan

    return one(wide[0], fine[0]), one(wide[1], fine[1])


def _turns(label: list[int], n: int) -> list[list[int]]:
    """Asks that have nothing to do with one another are answered together; as many turns as are worth their time."""
    seen: dict[int, int] = {}
    turns: list[list[int]] = []
    for i, k in enumerate(label):
        t = seen.get(k, 0)
        seen[k] = t + 1
        if t == len(turns):
            turns.append([])
        turns[t].append(i)
    return turns[: _EFFORT // (2 * max(n, 1))]


def step(m: Build, c: Compiled, product: int, has: float) -> float:
    """How much more or less is tried: little, but far more than the solver's tolerance."""
    size = float(m.size[product])
    part = _STEP_SQUARES if len(c.square) else _STEP
    return max(min(part * size, 0.1 * has if has > 0 else np.inf), 1e-2 * part * size)


def same(m: Build, c: Compiled, more: float, less: float) -> bool:
    """Whether both sides are one figure."""
    tolerance = _SAME_SQUARES if len(c.square) else _SAME_MIXES if m.movers else _SAME
    return bool(np.isfinite(more) and abs(more - less) <= tolerance * max(abs(more), abs(less)))


def _asks(plan: _Model, c: Compiled, s: Solution) -> list[tuple[Ask, int]]:
    """Needs, largest first, then suppliers and plants whose limit is worth something, with the rows they stand in."""
    asks: list[tuple[float, Ask, int]] = []
    dual = np.abs(s.row_dual) if len(s.row_dual) == c.m else np.zeros(c.m)

    def add(weight: float, ask: Ask) -> None:
        row = plan.row(ask)
        if 0 <= row < c.m and (ask.kind == "need" or dual[row] > 0):
            asks.append((weight, ask, row))

    for t, m in enumerate(plan.bases):
        for i in np.flatnonzero(m.case.need > 0).tolist():
            has = float(m.case.need[i])
            add(has, Ask(t, "need", i, step(m, c, int(m.case.pool_product[i]), has), has))
        for i, v in enumerate(m.rationed.tolist()):
            has = float(m.availability[v])
            add(0.0, Ask(t, "supply", int(v), step(m, c, int(m.rationed_product[i]), has), has))
        if m.projects is not None and len(plan.bases) == 1:
            for i in np.flatnonzero(s.x[m.projects.at] > 0.5).tolist():
                has = float(m.project_capacity[i])
                add(0.0, Ask(t, "plant", i, step(m, c, int(m.project_product[i]), has), has))
    return [(a, r) for _, a, r in sorted(asks, key=lambda q: -q[0])]


@dataclass(frozen=True)
class Price:
    """What one more of something changes the objective by, and what one less would save."""

    ask: Ask
    row: int
    more: float
    less: float
    one: bool

    @property
    def known(self) -> bool:
        """Whether anything was found."""
        return not (np.isnan(self.more) and np.isnan(self.less))


def _parts(plan: Any) -> tuple[Any, Sequence[Build], Sequence[Any]]:
    """The model of a plan, those of its periods, and their names; one without a name in a plan of one year."""
    wide = getattr(plan, "_wide", None)
    return (plan._build, [plan._build], [None]) if wide is None else (wide, wide.bases, wide.labels)


def prices(plan: Any) -> list[Price]:
    """Both sides of all needs and of what limits a plan."""
    now, bases, _ = _parts(plan)
    c, s, anew = plan._compiled, plan._solution, plan._build.anew
    if anew is None:
        return []
    asks = _asks(_Model.of(now), c, s)
    found = sides(now, c, s, anew, [a for a, _ in asks])
    return [
        Price(a, r, more, less, same(bases[0], c, more, less)) for (a, r), (more, less) in zip(asks, found, strict=True)
    ]


def of_period(plan: Any, label: Any) -> list[Price]:
    """Those of one period of a plan over several, as its own model numbers rows, not discounted."""
    s = plan.years.index(label)
    rows, weight = plan._wide.row[s], float(plan._wide.weight[s])
    place = {int(r): i for i, r in enumerate(rows.tolist()) if r >= 0}
    return [
        replace(p, ask=replace(p.ask, period=0), row=place[p.row], more=p.more / weight, less=p.less / weight)
        for p in plan._prices
        if p.ask.period == s
    ]


def need_prices(plan: Any) -> pd.DataFrame:
    """``year, product, buyer, need, unit, one_more, one_less`` of the needs; no ``year`` in a plan of one."""
    _, bases, labels = _parts(plan)
    rows = []
    for p in plan._prices:
        if p.ask.kind != "need":
            continue
        m, i = bases[p.ask.period], p.ask.at
        k = int(m.case.pool_product[i])
        more, less = (0.5 * (p.more + p.less),) * 2 if p.one else (p.more, p.less)
        who = {"year": labels[p.ask.period], "product": m.case.products[k], "buyer": str(m.pool_country[i])}
        rows.append(who | {"need": p.ask.has, "unit": m.unit[k], "one_more": more, "one_less": less})
    columns = ["year", "product", "buyer", "need", "unit", "one_more", "one_less"]
    return pd.DataFrame(rows, columns=columns if labels[0] is not None else columns[1:])


def dual_words(plan: Any, both: bool) -> pd.DataFrame:
    """Marginal values in words; without ``both`` those of constraints only, which ask for no other solve."""
    now, bases, labels = _parts(plan)
    goal = plan.written["objective"]
    several = labels[0] is not None
    with unit_for(goal):
        words = told(plan._prices, bases, labels) if both else {}
        words |= _kinks(now.build if several else now, plan._compiled, plan._solution, bases) if both else {}
        frame = dual_table(now.build if several else now, plan._compiled, plan._solution, words)
    return spoken(frame, goal, plan._build, present=several, fixed=bool(plan._compiled.integer.any()))


def _kinks(m: Build, c: Compiled, s: Solution, bases: Sequence[Build]) -> dict[int, tuple[str, float]]:
    """Words of limits of which a little less and a little more differ, by row: the dual is any figure between the two.

    Each is solved with its bound moved, decisions of yes or no as they are; as many as are worth their time.
    """
    out: dict[int, tuple[str, float]] = {}
    if any(b.movers for b in bases) or len(s.row_dual) != c.m or _by_tangents(s):
        return out
    rows = [
        (b, i, b.start + i)
        for b in m.matrix.rows
        if b.spec is not None and b.say_dual is not None and b.start + b.n <= c.m
        for i in np.flatnonzero(np.abs(s.row_dual[b.start : b.start + b.n]) > 0.0).tolist()
    ][: _EFFORT // (2 * max(c.n, 1))]
    fixed = _held(c, s.x) if rows else c
    middle = float((fixed.cost * s.x).sum()) + fixed.offset
    m.found = s.x
    for b, i, row in rows:
        upper, by = bool(s.row_dual[row] < 0.0), _STEP * float(c.row_scale[row])

        def moved(sign: float, row: int = row, upper: bool = upper, by: float = by) -> float:
            low, high = fixed.row_lower.copy(), fixed.row_upper.copy()
            (high if upper else low)[row] += sign * by
            if low[row] > high[row]:
                return np.nan
            found = solve(replace(fixed, row_lower=low, row_upper=high), duals=False)
            return found.objective if found.status == "optimal" else np.inf if found.status == "infeasible" else np.nan

        tight = abs(moved(-1.0 if upper else 1.0) - middle) / by
        loose = abs(middle - moved(1.0 if upper else -1.0)) / by
        assert b.say_dual is not None
        dual, noise = abs(float(s.row_dual[row])), 1e-9 * abs(middle) / by
        if np.isnan(tight + loose) or np.isinf(loose) or same(bases[0], c, tight, loose) or tight - loose <= noise:
            continue
        if not loose * (1.0 - _SAME) - noise <= dual <= tight * (1.0 + _SAME) + noise:
            continue  # no side of it: the step is past another kink
        sign = -1.0 if upper else 1.0
        less, more = (b.say_dual(i, sign * x) for x in (0.0 if np.isinf(tight) else tight, loose))
        verb, parts = (
            ("costs", less.rpartition(" costs ")) if " costs " in less else ("saves", more.rpartition(" saves "))
        )
        other = (more if verb == "costs" else less).rpartition(f" {verb} ")
        if not parts[1] or not other[1]:
            continue
        if np.isinf(tight):
            said = f"{parts[0]} cannot be met with the decisions as they are, as much the other way saves {other[2]}"
            said = f"{more}, the other way cannot be met" if verb == "saves" else said
        else:
            back = "saves" if verb == "costs" else "costs"
            said = f"{parts[0]} {verb} {parts[2]}, as much the other way {back} {other[2]}"
        out[row] = said, float(abs(s.row_dual[row]))
    return out


def _need(m: Build, p: Price) -> str:
    k = int(m.case.pool_product[p.ask.at])
    what = f"one more {m.unit[k]} needed in {m.pool_country[p.ask.at]} of {m.case.products[k]}"
    if np.isinf(p.more):
        what += " cannot be met with the decisions as they are"
        return what if np.isnan(p.less) else f"{what}, one less saves {money(p.less)} a year"
    if np.isnan(p.more):
        return what.replace("one more", "one less", 1) + f" saves {money(p.less)} a year"
    if p.one or np.isnan(p.less):
        return f"{what} costs {money(0.5 * (p.more + p.less) if p.one else p.more)} a year"
    return f"{what} costs {money(p.more)}, one less saves {money(p.less)} a year"


def _limit(m: Build, p: Price) -> str:
    if p.ask.kind == "supply":
        i = int(np.searchsorted(m.rationed, p.ask.at))
        what = f"one more {m.unit[int(m.rationed_product[i])]} to be had from {m.node[p.ask.at]}"
    else:
        unit = m.unit[int(m.project_product[p.ask.at])]
        what = f"one more {unit} from project {m.project_label[p.ask.at]}"
    more, less = -p.more, -p.less  # a saving, and what goes with less
    if np.isnan(more):
        return what.replace("one more", "one less", 1) + f" costs {money(less)} a year"
    if p.one or np.isnan(less):
        return f"{what} saves {money(0.5 * (more + less) if p.one else more)} a year"
    lost = "is not to be missed" if np.isinf(less) else f"costs {money(less)} a year"
    return f"{what} saves {money(more)}, one less {lost}"


def told(found: Sequence[Price], bases: Sequence[Build], labels: Sequence[Any]) -> dict[int, tuple[str, float]]:
    """Words of each row that was priced, and the larger of its two sides."""
    out: dict[int, tuple[str, float]] = {}
    for p in found:
        if not p.known:
            continue
        m = bases[p.ask.period]
        words = _need(m, p) if p.ask.kind == "need" else _limit(m, p)
        label = labels[p.ask.period]
        known = [abs(v) for v in (p.more, p.less) if np.isfinite(v)]
        out[p.row] = (words if label is None else f"{label}: {words}", max(known, default=0.0))
    return out

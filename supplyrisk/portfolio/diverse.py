"""What else would do: plans that cost little more and differ as much as they can."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .answers import page, unit_of, whole_plan
from .explain import stopped
from .matrix import Compiled
from .mixing import SAID
from .model import number
from .periods import HorizonPlan
from .plan import Portfolio
from .settling import Live
from .solve import Solution, relative_gap, solve

__all__ = ["Alternatives", "alternatives"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_SAME = 1e-6
_PROVEN = 1e-6  # margin within which a plan with squares is proven
# Suppliers that are made as large and as small as can be, and directions that are drawn, in search of other plans.
_ENDS = 100
_DRAWS = 50
# Price of missing a cap while mixes settle, over that of the dearest delivery.
_DEAR = 100.0


def _lanes(plan: Portfolio) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Columns of all deliveries, in every period, their suppliers, sizes and products."""
    if not isinstance(plan, HorizonPlan):
        m = plan._build
        return np.arange(m.n_lanes), m.supplier, m.size[m.lane_product], m.lane_product
    w = plan._wide
    bases = w.bases
    return (
        np.concatenate([w.at[s][: b.n_lanes] for s, b in enumerate(bases)]),
        np.concatenate([b.supplier for b in bases]),
        np.concatenate([b.size[b.lane_product] for b in bases]) * len(bases),
        np.concatenate([b.lane_product for b in bases]),
    )


@dataclass(frozen=True, eq=False, repr=False)
class Alternatives:
    """Plans that cost little more and differ as much as they can.

    Attributes
    ----------
    plans : tuple of Portfolio
        The plan itself first. Each meets all constraints, caps on mixes that follow the plan included (it is measured
        on its own graph). Status ``near_optimal``; ``gap`` is how far its objective is above the least possible.
    table : DataFrame
        A row a plan: ``objective, extra`` (over the first, as a part), ``distance`` (part of the supply that comes from
        elsewhere than in the nearest other plan, in [0, 1]), ``plants``.
    mix : DataFrame
        Part of the need of each product from each supplier; a column a plan.
    common : DataFrame
        ``product, supplier, least``: what every one of the plans does.
    notes : tuple of str
        What was sought and not handed out, and why.
    """

    plans: tuple[Portfolio, ...]
    table: pd.DataFrame
    mix: pd.DataFrame
    common: pd.DataFrame
    slack: float
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<Alternatives: {len(self.plans)} plans within {self.slack:.1%}, {len(self.common)} things common to all>"
        )

    def _repr_html_(self) -> str:
        said = "".join(f"<small>{html.escape(n)}</small>" for n in self.notes)
        table = self.table.rename(columns={"objective": f"objective, {unit_of(self.plans[0])}"})
        return page(repr(self).strip("<>"), table, self.common, self.mix) + said


def _with_row(c: Compiled, value: FloatArray, upper: float, scale: float) -> Compiled:
    """The model with one more row."""
    at = np.flatnonzero(value).astype(np.int32)
    return replace(
        c,
        start=np.append(c.start, c.start[-1] + len(at)).astype(np.int32),
        index=np.concatenate([c.index, at]).astype(np.int32),
        value=np.concatenate([c.value, value[at]]),
        row_lower=np.append(c.row_lower, -np.inf),
        row_upper=np.append(c.row_upper, upper),
        row_scale=np.append(c.row_scale, scale),
    )


def _mixes(plan: Portfolio, x: FloatArray) -> pd.Series:
    """Part of the need of each product from each supplier, over all periods."""
    m = plan._build
    col, supplier, size, product = _lanes(plan)
    flow = np.where(x[col] > 1e-9 * size, x[col], 0.0)
    names = np.array(m.case.products, dtype=object)[product]
    frame = pd.DataFrame({"product": names, "supplier": m.node[supplier], "part": flow / size})
    out = frame.groupby(["product", "supplier"])["part"].sum()
    return out[out > 0]


@dataclass(frozen=True, eq=False)
class _Other:
    """A plan, and its mix."""

    plan: Portfolio
    mix: pd.Series


class _Search:
    """Plans within a margin of another, in directions of suppliers."""

    def __init__(self, plan: Portfolio, slack: float) -> None:
        c = plan._compiled
        self.plan, self.notes, self.tried = plan, list[str](), 0
        slack = (
            max(slack, _PROVEN) if plan._build.matrix.squares else slack
        )  # no solver proves squares closer than that
        self.top = plan.objective_value - c.offset + slack * abs(plan.objective_value)
        self.room = max(abs(self.top), 1.0)
        self.rng = np.random.default_rng(plan.seed)
        self.col, self.supplier, self.size, _ = _lanes(plan)
        self.whole: list[tuple[float, float]] | None = None  # least and most of every supplier, where all are known
        self.named = np.unique(self.supplier[c.upper[self.col] > 0])

    def toward(self, weight: FloatArray) -> _Other | None:
        """The plan within the margin of which suppliers weigh least; None where its mixes do not settle."""
        plan, c = self.plan, self.plan._compiled
        self.tried += 1
        cost = np.zeros(c.n)
        cost[self.col] = weight[self.supplier] / self.size
        live = Live.of(plan)
        for group in live.whole.matrix.columns:  # no part of the margin is spent on missing a cap
            if group.name.startswith("missed_cap"):
                cost[group.at] = _DEAR * float(np.abs(cost).max(initial=0.0))

        def near(now: Compiled) -> Solution:
            whole = _with_row(now, c.cost, self.top + 1e-9 * self.room, self.room)
            return solve(replace(whole, cost=cost, offset=0.0), seed=plan.seed, duals=False)

        if live.moves:
            found = live.settled(near)
            if found is None:
                told = "a plan that differs more was sought, and its mixes did not settle within the margin"
                self.notes[:] = [told]
                return None
            s, own = found
        else:
            own, s = c, near(c)
            if s.status != "optimal":
                raise stopped(s)
        value = float(c.cost @ s.x) + c.offset
        far = relative_gap(value, min(plan.bound, value))
        solution = replace(s, objective=value, bound=plan.bound, gap=far, status="near_optimal", _duals=_unknown(c))
        mix = _mixes(plan, s.x)
        if live.moves:
            for b in live.bases:
                b.notes[:] = [n for n in b.notes if not n.startswith(SAID)]
            over = max(b.mixed[1] for b in live.bases if b.mixed)
            live.build.notes.append(
                f"{SAID}: an alternative, measured on its own graph; cap met within {over:.2g} of the need"
            )
            return _Other(live.into(plan, solution, own), mix)
        more: dict[str, Any] = {"objective_value": value, "gap": far, "status": solution.status}
        return _Other(replace(plan, _solution=solution, **more), mix)

    def ends(self) -> list[_Other]:
        """Plans in which a supplier delivers as little, and as much, as the margin allows."""
        out: list[_Other] = []
        names = self.named if len(self.named) <= _ENDS else self.rng.choice(self.named, _ENDS, replace=False)
        ends: list[tuple[float, float]] = []
        for u in names.tolist():
            weight = np.zeros(self.plan._build.graph.index.n)
            part = []
            for sign in (1.0, -1.0):
                weight[u] = sign
                other = self.toward(weight)
                if other is not None:
                    out.append(other)
                    part.append(self._part(other, u))
            if len(part) == 2:
                ends.append((part[0], part[1]))
        if len(ends) == len(self.named) and not Live.of(self.plan).moves:
            self.whole = ends
        return out

    def _part(self, other: _Other, u: int) -> float:
        mine = self.supplier == u
        return float((other.plan._solution.x[self.col[mine]] / self.size[mine]).sum())

    def drawn(self) -> _Other | None:
        """The plan in a direction at random."""
        return self.toward(self.rng.standard_normal(self.plan._build.graph.index.n))

    def none_beyond(self, distance: float, mix: pd.Series) -> bool:
        """Whether no plan within the margin can be that far from the first: by how far each supplier can move."""
        if self.whole is None:
            return False
        own = _Other(self.plan, mix)
        move = sum(
            max(high - self._part(own, u), self._part(own, u) - low, 0.0)
            for u, (low, high) in zip(self.named.tolist(), self.whole, strict=True)
        )
        products = max(len(set(mix.index.get_level_values(0))), 1)
        return move / 2.0 / products < distance


def alternatives(plan: Portfolio, k: int = 3, slack: float = 0.05, distance: float = 0.01) -> Alternatives:
    r"""Plans within a margin of the least cost that differ as much as possible.

    .. math:: \min \sum_u \omega_u \sum_b x_{ub} / D \quad\text{s.t.}\quad c^\top x \le (1 + \epsilon)\, c^\top x^*

    with the weight :math:`\omega_u` of a supplier growing with its part in the plans found so far (modelling to generate
    alternatives; Brill, Chang and Hopkins, 1982). Where that comes back to a plan that is known, every supplier is
    made as large and as small as the margin allows, then weights are drawn at random; of the plans so found the one
    farthest from its nearest neighbour is taken, until there are :math:`k`.

    Parameters
    ----------
    plan : Portfolio
        A plan.
    k : int
        How many plans, the first included, at least 1. Fewer come back where no other was found; ``notes`` say how many
        directions were tried, and whether it is proven that there is none.
    slack : float
        Margin :math:`\epsilon`, at least 0; with an HHI counted as at least 1e-6, to which such plans are proven.
    distance : float
        Part of the supply, in [0, 1], that must come from elsewhere than in any other of the plans; above 1e-6.

    Returns
    -------
    Alternatives
    """
    whole_plan(plan, "alternatives")
    k = int(number("k", k, 1.0))
    slack = number("slack", slack, 0.0)
    distance = max(number("distance", distance, 0.0, 1.0), _SAME)
    search = _Search(plan, slack)
    found = [_Other(plan, _mixes(plan, plan._solution.x))]
    weight = np.zeros(plan._build.graph.index.n)
    col, supplier, size, _ = _lanes(plan)

    def apart(other: _Other) -> float:
        return min(_distance(other.mix, f.mix) for f in found)

    while len(found) < k:
        weight += np.bincount(supplier, found[-1].plan._solution.x[col] / size, len(weight))
        other = search.toward(weight)
        if other is None or apart(other) < distance:
            break
        found.append(other)
    if len(found) < k:
        waiting = search.ends()
        draws = 0
        while len(found) < k:
            far = [apart(o) for o in waiting]
            if waiting and max(far) >= distance:
                found.append(waiting.pop(int(np.argmax(far))))
            elif draws >= _DRAWS or search.none_beyond(distance, found[0].mix):
                break
            else:
                draws += 1
                other = search.drawn()
                waiting = [o for o, d in zip(waiting, far, strict=True) if d >= distance]
                waiting += [] if other is None else [other]
    notes = list(search.notes)
    if len(found) < k:
        what = f"{len(found)} of {k} plans: "
        if search.none_beyond(distance, found[0].mix):
            notes.append(
                f"{what}proven: no plan within the margin gets {distance:.2%} or more of its supply from elsewhere"
            )
        else:
            notes.append(
                f"{what}none of {search.tried} directions (each supplier most and least, weights at random) led to "
                f"another at least {distance:.2%} away; that there is none is not proven"
            )
    plans, mixes = [f.plan for f in found], [f.mix for f in found]
    wide = pd.concat(mixes, axis=1, keys=range(len(mixes))).fillna(0.0).sort_index()
    n = len(plans)
    away = [[_distance(mixes[i], mixes[j]) for j in range(n) if j != i] for i in range(n)]
    table = pd.DataFrame(
        {
            "objective": [p.objective_value for p in plans],
            "extra": [
                (p.objective_value - plan.objective_value) / abs(plan.objective_value) if plan.objective_value else 0.0
                for p in plans
            ],
            "distance": [min(a, default=np.nan) for a in away],
            "plants": [", ".join(p.plants["project"].astype(str)) for p in plans],
        },
        index=pd.RangeIndex(n, name="plan"),
    )
    least = wide.min(axis=1)
    common = least[least > _SAME].rename("least").reset_index()
    return Alternatives(tuple(plans), table, wide, common, slack, tuple(notes))


def _unknown(c: Compiled) -> Callable[[], tuple[FloatArray, FloatArray]]:
    """An alternative has no duals: its objective is another."""
    return lambda: (np.full(c.m, np.nan), np.full(c.n, np.nan))


def _distance(a: pd.Series, b: pd.Series) -> float:
    """Part of the supply that comes from elsewhere, averaged over products."""
    diff = a.sub(b, fill_value=0.0).abs()
    products = max(len(set(diff.index.get_level_values(0))), 1)
    return float(diff.sum() / 2.0 / products)

"""Cost against dependence: the plans that nobody can better in all respects at once."""

from __future__ import annotations

import copy
import html
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..registry import Objective, Spec, Term, objective
from ..schema import VIEWS
from .calendar import read_periods
from .cone import add_squares
from .explain import stopped
from .model import Build, money, number
from .periods import HorizonPlan, settle
from .plan import Portfolio
from .run import defaults, plan_case
from .senders import by_place, relayed
from .solve import Persistent, Solution
from .widen import Wide

__all__ = ["Frontier", "concentration", "frontier", "share", "shortfall"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Weight of the other aims beside the cost, as a part of the range of the cost: breaks ties, moves nothing else.
_TIE = 1e-6
_SAME = 1e-7


def _market(m: Build, product: Any, buyer: str | None) -> tuple[str, IntArray, float]:
    """The one market a term means, and its need."""
    markets = m.pick(product, buyer)
    if len(markets) != 1:
        names = ", ".join(dict.fromkeys(f"{p} for {b}" for p, _, b, _ in markets))
        raise SchemaError(
            [
                Problem(
                    "objective",
                    "-",
                    "product",
                    f"{m.spec!r} means several markets, which do not add up",
                    names,
                    "Name one product and one buyer (or the group).",
                )
            ],
            "the plan",
        )
    product, _, _, pools = markets[0]
    need = float(m.case.need[pools].sum())
    if not need > 0:
        raise SchemaError(
            [
                Problem(
                    "objective", "-", "product", f"{m.spec!r}: nothing is needed, so no share is defined", product, ""
                )
            ],
            "the plan",
        )
    return product, pools, need


@objective(unit="1", metric="share")
def share(
    m: Build,
    focal: Any = "CHN",
    view: str = "location",
    product: str | None = None,
    buyer: str | None = None,
    worst: bool = False,
) -> tuple[object, object]:
    r"""Focal share of what the buyers need of one product, by any view: an aim, or a part of an objective.

    .. math:: \frac{1}{D} \sum_{u,b} s_u\, x_{ub}

    the left side of :func:`supplyrisk.portfolio.max_share` over the need :math:`D`.

    Parameters
    ----------
    m : Build
        Given by the engine.
    focal : str or tuple of str
        Country, scope preset or several countries.
    view : {"location", "equity", "control", "origin"}
        Which share.
    product : str, optional
        Default: the product of the plan, where it has one.
    buyer : str, optional
        ISO3 of one buyer; default the group as a whole.
    worst : bool
        Count the upper bound of each supplier's share (unknown owners may all be focal), not the value.

    Returns
    -------
    tuple of ndarray
        Columns and the part of the need that a unit of each is.

    Examples
    --------
    >>> share("CHN", view="control")
    share('CHN', view='control')
    """
    if view not in VIEWS:
        raise unknown_name("view", view, VIEWS, f"{m.spec!r}")
    _, pools, need = _market(m, product, buyer)
    places = scope(focal)
    s = m.shares(places, view)
    part = s.high if worst else np.where(np.isnan(s.value), s.high, s.value)
    part = np.where(np.isnan(part), 1.0, part)  # nothing known of a supplier: it may be the focal's
    lanes = m.lanes_of(pools)
    if view == "equity":
        return lanes, part[m.supplier[lanes]] / need
    _, col, extra = relayed(m, m.pick(product, buyer), part, places if view != "location" else None)
    return np.concatenate([lanes, col]), np.concatenate([part[m.supplier[lanes]], extra]) / need


@objective(unit="1", metric="unmet")
def shortfall(m: Build, product: str | None = None, buyer: str | None = None) -> tuple[object, object]:
    r"""Part of the need that stays unmet; the plan needs the lever ``unmet(price)`` to have any.

    .. math:: \frac{1}{D} \sum_b w_b

    Parameters
    ----------
    m : Build
        Given by the engine.
    product, buyer
        As in :func:`share`.
    """
    _, pools, need = _market(m, product, buyer)
    if m.shortfall is None:
        raise SchemaError(
            [Problem("objective", "-", "levers", f"{m.spec!r}: all need is met", "", "Add the lever unmet(price).")],
            "the plan",
        )
    return m.shortfall.at[pools], np.full(len(pools), 1.0 / need)


@objective(unit="1", metric="hhi")
def concentration(m: Build, product: str | None = None, buyer: str | None = None) -> tuple[object, object]:
    r"""Herfindahl-Hirschman index of what the buyers get, by supplier country, in [0, 1].

    .. math:: \sum_c s_c^2, \qquad s_c = \frac{1}{D} \sum_{u \in c,\, b} x_{ub}

    as in :func:`supplyrisk.portfolio.max_hhi`: squares by tangents, so that a cost on them stays a linear programme.

    Parameters
    ----------
    m : Build
        Given by the engine.
    product, buyer
        As in :func:`share`.
    """
    _, _, need = _market(m, product, buyer)
    pair, row, lane, amount = by_place(m, m.pick(product, buyer))
    k = len(pair)
    names = [c for _, c in pair]
    part = m.matrix.add_columns("hhi_part", k, upper=1.0, keys=lambda: names, meaning="share of a country in the need")
    square = add_squares(m.matrix, "hhi_square", part)
    m.add_rows(
        "hhi_part_of",
        k,
        np.concatenate([row, np.arange(k)]),
        np.concatenate([lane, part.at]),
        np.concatenate([amount / need, -np.ones(k)]),
        lower=0.0,
        upper=0.0,
        keys=lambda: names,
    )
    return square.at, np.ones(k)


@dataclass(frozen=True, eq=False, repr=False)
class Frontier:
    """Plans that nobody can better in all aims at once, cheapest first.

    Attributes
    ----------
    frame : DataFrame
        ``objective`` (USD a year where it is a cost), ``extra`` over the cheapest plan, a column per aim, ``marginal``
        (what one point, 0.01, less of the first aim would cost, from the dual; NaN for plans with yes-or-no decisions),
        ``gap`` (relative, of each solve), ``knee``: True at the point farthest from the plane through the extremes, a
        suggestion and no more.
    objective : Objective
        What was minimised.
    against : tuple of Term
        The aims, in the order of their columns.
    points, solves : int
        Levels tried, and solves that they took.
    seconds : float
        Wall time, the first plan included.
    """

    frame: pd.DataFrame
    objective: Objective
    against: tuple[Term, ...]
    points: int
    solves: int
    seconds: float
    _plan: Portfolio = field(repr=False)
    _found: tuple[Solution, ...] = field(repr=False)
    _levels: tuple[tuple[float, ...], ...] = field(repr=False)
    _rows: IntArray = field(repr=False)

    @property
    def columns(self) -> list[str]:
        """Names of the aims' columns."""
        return _labels(self.against)

    @property
    def knee(self) -> int | None:
        """Number of the suggested point; None where there are fewer than three."""
        hit = np.flatnonzero(self.frame["knee"].to_numpy(dtype=bool))
        return int(hit[0]) if len(hit) else None

    def plan(self, i: int) -> Portfolio:
        """The plan of a point, as :func:`supplyrisk.portfolio.optimize` returns it.

        Parameters
        ----------
        i : int
            Row of :attr:`frame`.

        Returns
        -------
        Portfolio
            Its model holds the point's levels as the rows ``frontier``.
        """
        if not 0 <= i < len(self._found):
            raise unknown_name("point", i, map(str, range(len(self._found))), "the frontier")
        s, p = self._found[i], self._plan
        m = copy.copy(p._wide.build if isinstance(p, HorizonPlan) else p._build)
        rows = []
        level = dict(zip(self._rows.tolist(), self._levels[i], strict=True))
        upper = p._compiled.row_upper.copy()
        for block in m.matrix.rows:
            if block.start in level:
                block = replace(block, upper=np.array([level[block.start]]))
                upper[block.start] = level[block.start]
            rows.append(block)
        m.matrix = replace(m.matrix, rows=rows)
        m._model = None
        holds: dict[str, Any] = {"_build": m}
        if isinstance(p, HorizonPlan):
            wide = replace(p._wide, build=m)
            s, holds = settle(wide, s), {"_wide": wide}
        return replace(
            p,
            objective_value=s.objective,
            gap=s.gap,
            bound=s.bound,
            timing={"build": p.timing["build"], "solve": s.seconds},
            **holds,
            _compiled=replace(p._compiled, row_upper=upper),
            _solution=s,
        )

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        aims = ", ".join(repr(t) for t in self.against)
        return f"<Frontier: {self.objective!r} against {aims}, {len(self)} points of {self.points} levels>"

    def _repr_html_(self) -> str:
        note = "knee: farthest from the line between the extremes, a suggestion. "
        note += f"{self.solves} solves of one model in {self.seconds:.2f} s."
        table = self.frame.to_html(index=True, border=0, float_format="{:,.4g}".format)
        return f"<div><b>{html.escape(repr(self)[1:-1])}</b>{table}<small>{html.escape(note)}</small></div>"


def _labels(terms: Iterable[Term]) -> list[str]:
    out: list[str] = []
    for t in terms:
        name, i = t.name, 2
        while name in out:
            name, i = f"{t.name}_{i}", i + 1
        out.append(name)
    return out


def _aims(against: Any) -> tuple[Term, ...]:
    if against is None:
        return (share("CHN", view="control"),)
    given = (against,) if isinstance(against, Spec) else tuple(against)
    problems = [
        Problem(
            "frontier", "-", "against", "not an objective term", repr(t), "Write e.g. share('CHN', view='control')."
        )
        for t in given
        if not isinstance(t, Term)
    ]
    if not given:
        problems.append(Problem("frontier", "-", "against", "empty", "()", "Name at least one aim."))
    if problems:
        raise SchemaError(problems, "the frontier")
    return given


def _knee(cost: FloatArray, aims: FloatArray) -> int | None:
    """Point farthest below the plane through the extremes, where three or more points span at least two aims."""
    if len(cost) < 3:
        return None
    table = np.column_stack([cost, aims])
    low, span = table.min(axis=0), np.ptp(table, axis=0)
    wide = span > 0
    if wide.sum() < 2:
        return None
    return int(np.argmin(((table - low)[:, wide] / span[wide]).sum(axis=1)))


def _better(table: FloatArray) -> npt.NDArray[np.bool_]:
    """Rows that no other row is at least as good as, within the solver's tolerance; of equal rows the first."""
    span = np.maximum(np.ptp(table, axis=0), 1e-12)
    scaled = (table - table.min(axis=0)) / span
    keep = np.ones(len(table), dtype=bool)
    for i in range(len(table)):
        as_good = (scaled <= scaled[i] + _SAME).all(axis=1)
        strictly = (scaled < scaled[i] - _SAME).any(axis=1)
        twin = as_good & ~strictly & (np.arange(len(table)) < i)
        keep[i] = not ((as_good & strictly).any() or (twin & keep).any())
    return keep


def frontier(
    graph: SupplyGraph,
    buyers: str | Iterable[str] | None = None,
    *,
    product: str | None = None,
    objective: Objective | Term | None = None,
    against: Term | Iterable[Term] | None = None,
    points: int = 20,
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
    **options: Any,
) -> Frontier:
    r"""Least cost for each level of one or several aims, from no limit down to the lowest that can be reached.

    .. math:: \min\; C(x) + \delta \sum_k \frac{f_k(x)}{r_k} \quad\text{s.t.}\quad f_k(x) \le \varepsilon_k

    The augmented epsilon constraint (Haimes, Lasdon and Wismer, 1971; Mavrotas, 2009) with :math:`\delta` a millionth of
    the cost's range over the aim's range :math:`r_k`, so that ties are broken for the aims. The model is built and
    handed over once; each level moves right-hand sides and starts from the last basis. Levels that the last plan
    already meets are skipped, dominated points left out.

    Parameters
    ----------
    graph, buyers
        As in :func:`supplyrisk.portfolio.optimize`.
    product : str, optional
        One product.
    objective : Objective, optional
        What is minimised; default ``cost()``.
    against : Term or iterable of Term, optional
        Aims, less is better: :func:`share` by any view, :func:`shortfall`, :func:`concentration` (HHI), or any other
        linear term. Default ``share("CHN", view="control")``.
    points : int
        Levels tried in all, at least 2; with several aims they form a grid.
    time_limit : float, optional
        Seconds of each solve.
    gap, seed
        As in :func:`~supplyrisk.portfolio.optimize`.
    **options
        Passed on: ``levers``, ``constraints``, ``scenarios``, ``horizon`` and what goes with it. Over several periods the
        objective is the present value, and an aim is the mean over time of what it is in each period.

    Returns
    -------
    Frontier

    Raises
    ------
    InfeasibleError
        Not even without a limit is there a plan.
    SolverError
        The solver stopped without proof.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.load_atlas()
    >>> front = sr.frontier(g, ["JPN", "USA"], product="gallium.refined", points=6)
    >>> bool(front.frame["share"].is_monotonic_decreasing)
    True
    """
    began = time.perf_counter()
    points = int(number("points", points, 2))
    aims = _aims(against)
    given: dict[str, Any] = {"product": product, "objective": objective, "time_limit": time_limit, "gap": gap}
    several = read_periods(options.get("horizon")) is not None
    stated = {"aims": aims} if several else {}
    plan = plan_case(graph, buyers, **(given | defaults() | {"seed": seed} | options | stated))
    m = plan._wide.build if isinstance(plan, HorizonPlan) else plan._build
    rows: list[int] = []
    for k, term in enumerate(aims):
        m.spec = term
        col, value = _over_time(plan._wide, k) if isinstance(plan, HorizonPlan) else term.build(m)
        block = m.add_rows(
            "frontier",
            1,
            np.zeros(len(col), dtype=np.int64),
            col,
            value,
            say=lambda i, t=term: f"frontier: {t!r} at its level",
            say_dual=lambda i, d, t=term: f"one point less {t!r} costs {money(-d * 0.01)} a year",
        )
        rows.append(block.start)
    m.spec = None
    cost = m.matrix.cost()
    used = np.flatnonzero(cost)
    worth = float(np.max(np.abs(cost * _scales(m)), initial=0.0)) or 1.0
    c = m.matrix.compile()
    # A row that holds the cost at its least while the aims are settled; it is free in every point of the frontier.
    wide = m.matrix.add_rows("frontier_cost", 1, np.zeros(len(used), dtype=np.int64), used, cost[used], scale=worth)
    sweep = _Sweep(m.matrix.compile(), np.array(rows), wide.start, time_limit, gap, seed)
    del m.matrix.rows[-1]
    m.matrix.m -= 1
    found = list(sweep.run(points))
    values = np.array([[s.objective, *f] for s, f, _ in found])
    keep = _better(values)
    order = np.lexsort(values[:, ::-1].T)
    order = order[keep[order]]
    values = values[order]
    kept = [found[i] for i in order]
    frame = pd.DataFrame({"objective": values[:, 0], "extra": values[:, 0] - values[0, 0]})
    for k, name in enumerate(_labels(aims)):
        frame[name] = values[:, k + 1]
    frame["marginal"] = [-0.01 * float(s.row_dual[rows[0]]) if not c.integer.any() else np.nan for s, _, _ in kept]
    frame["gap"] = [s.gap for s, _, _ in kept]
    frame["knee"] = False
    best = _knee(values[:, 0], values[:, 1:])
    if best is not None:
        frame.loc[best, "knee"] = True
    goal = plan.written["objective"]
    return Frontier(
        frame,
        goal,
        aims,
        points,
        sweep.model.solves + 1,
        time.perf_counter() - began,
        replace(plan, _compiled=c),
        tuple(s for s, _, _ in kept),
        tuple(level for _, _, level in kept),
        np.array(rows, dtype=np.int64),
    )


def _over_time(w: Wide, k: int) -> tuple[IntArray, FloatArray]:
    """An aim over several periods: the mean over time of what it is in each."""
    once = w.bases[0].once
    length = np.array([p.length for p in w.periods])
    col: list[IntArray] = []
    value: list[FloatArray] = []
    for s, b in enumerate(w.bases):
        c, v = b.aims[k]
        shared = np.zeros(b.matrix.n, dtype=bool)
        for g in b.matrix.columns:
            shared[g.at] = g.name in once
        keep = ~shared[c] | (s == 0)
        col.append(w.at[s][c[keep]])
        value.append((v * np.where(shared[c], 1.0, length[s] / length.sum()))[keep])
    return np.concatenate(col), np.concatenate(value)


def _scales(m: Build) -> FloatArray:
    return np.concatenate([g.scale for g in m.matrix.columns])


def _dot(a: FloatArray, b: FloatArray) -> float:
    """Without BLAS, whose threads spin between the solves and slow them tenfold on a busy machine (measured)."""
    return float((a * b).sum())


class _Sweep:
    """Levels of the aims on one model kept in the solver."""

    def __init__(
        self, c: Any, rows: IntArray, cost_row: int, time_limit: float | None, gap: float | None, seed: int
    ) -> None:
        self.model = Persistent(c, time_limit=time_limit, gap=gap, seed=seed)
        self.rows, self.cost_row = rows, cost_row
        self.cost, self.offset = c.cost, c.offset
        import scipy.sparse as sp

        a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))
        self.aims = np.asarray(a[rows].todense(), dtype=np.float64)

    def _least(self, cost: FloatArray) -> Solution:
        self.model.set_cost(cost)
        s = self.model.solve(duals=False)
        if s.status != "optimal":
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
        table.append((self.aims * s.x).sum(axis=1))
        costs.append(best)
        self.model.set_rows(self.cost_row, -np.inf, np.inf)
        for k, row in enumerate(self.rows.tolist()):
            low = _dot(self.aims[k], self._least(self.aims[k]).x)
            self.model.set_rows(row, -np.inf, low + 1e-7)
            s = self._least(self.cost)
            table.append((self.aims * s.x).sum(axis=1))
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
                levels = np.array([level, *outer]) + 1e-7
                self.model.set_rows(self.rows, np.full(len(levels), -np.inf), levels)
                s = self.model.solve()
                if s.status == "infeasible":
                    break  # with the other aims as they are, lower levels cannot be reached either
                if s.status != "optimal":
                    raise stopped(s)
                aims = (self.aims * s.x).sum(axis=1)
                met = float(aims[0])
                plain = _dot(self.cost, s.x) + self.offset
                yield replace(s, objective=plain), aims, tuple(levels.tolist())

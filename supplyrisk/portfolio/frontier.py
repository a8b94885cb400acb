"""Cost against dependence: the plans that nobody can better in all respects at once."""

from __future__ import annotations

import copy
import html
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, SolverError, unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..registry import Objective, Term, objective
from ..schema import VIEWS
from .asked import known_words, listed
from .calendar import read_periods
from .cone import add_squares
from .lookthrough import todays_mixes
from .model import Build, money, number
from .periods import HorizonPlan
from .plan import Portfolio
from .readings import share_in_what_is_known
from .run import defaults, optimize, plan_case
from .senders import by_place, relayed
from .settling import Live, settle
from .solve import Solution, solve
from .sweep import Sweep, way
from .widen import Wide
from .words import dated, goal_unit

__all__ = ["Frontier", "concentration", "frontier", "share", "shortfall"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_SAME = 1e-7
# Part of the need that must arrive where an aim is a part of what arrives: of nothing there is no share.
_ARRIVES = 1e-3


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
    r"""Focal share of what the buyers get of one product, by any view: an aim, or a part of an objective.

    .. math:: \frac{1}{D} \Big( \sum_{u,b} s_u\, x_{ub} + \sum_b w_b \Big)

    with :math:`D` the need and :math:`w_b` what of it stays unmet, which counts as the focal's in an objective: to go
    without is no diversification. As an aim of :func:`frontier` it is the share of what arrives, as the score has it,

    .. math:: \sum_{u,b} s_u\, x_{ub} \Big/ \Big(D - \sum_b (w_b + z_b)\Big)

    with :math:`z_b` what is substituted. Where all need is met by deliveries the two are the same. Of nothing there is no
    share: a frontier leaves out plans that deliver less than a thousandth of the need.

    Parameters
    ----------
    m : Build
        Given by the engine.
    focal : str or tuple of str
        Country, scope preset, coalition of the graph (its members of the day), or several of these.
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
    places = scope(focal, m.graph)
    todays_mixes(m, view, m.pick(product, buyer))
    s = m.shares(places, view)
    part = s.high if worst else np.where(np.isnan(s.value), s.high, s.value)
    part = np.where(np.isnan(part), 1.0, part)  # nothing known of a supplier: it may be the focal's
    lanes = m.lanes_of(pools)
    less = _of_what_arrives(m, pools, need)
    if view == "equity":
        return np.append(lanes, less), np.append(part[m.supplier[lanes]], np.ones(len(less))) / need
    _, col, extra = relayed(m, m.pick(product, buyer), part, places if view != "location" else None)
    value = np.concatenate([part[m.supplier[lanes]], extra, np.ones(len(less))])
    return np.concatenate([lanes, col, less]), value / need


def _of_what_arrives(m: Build, pools: IntArray, need: float) -> IntArray:
    """Note that an aim is a part of what arrives; the columns of need that is not met."""
    missed = m.missed(pools)[0]
    if len(missed):
        m.over[repr(m.spec)] = (missed, np.full(len(missed), 1.0 / need))
    return m.shortfall.at[pools] if m.shortfall is not None else missed[:0]


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

    .. math:: \sum_c s_c^2, \qquad s_c = \frac{1}{Q} \sum_{u \in c,\, b} x_{ub}

    Countries are counted as in :func:`supplyrisk.portfolio.max_hhi`. In an objective need that stays unmet counts as one
    more country's, weighed by what it is of the need, as in :func:`share`.

    Parameters
    ----------
    m : Build
        Given by the engine.
    product, buyer
        As in :func:`share`.

    Notes
    -----
    In the objective of a plan without yes-or-no decisions, where what arrives is the need, HiGHS solves the convex quadratic
    programme, and the duals prove its gap (where proven, at most 1e-8; ``plan.notes`` and ``plan.gap`` say it of each plan). HiGHS's active set starts cold: up to 300
    columns it is handed over whole; a larger one, or one that stalls, is solved in the columns that tangents leave in
    question, priced by the duals until they prove that no other column can better the plan.

    Where the quadratic solver stops without a proof (often where many producers are at their limits), and otherwise (with
    yes-or-no decisions; where need may stay unmet or is substituted, :math:`\sum_c q_c^2 / Q` with :math:`Q` decided too,
    a cone; beside :func:`~supplyrisk.portfolio.max_hhi`; as an aim of :func:`frontier`, which starts each solve from the
    last) the squares are an outer approximation by tangents: what they allow is too much, so that their optimum is a bound.
    Squares in the objective get more of them until the plan is proven within the gap that was asked (Kelley, 1960; 1e-6
    unless ``gap=`` says otherwise, and 1e-9 without yes-or-no decisions), else the status is ``near_optimal``; those in
    rows are met to within 2e-7 of their scale. The plan's ``.notes`` say which it was and why, ``.gap`` and ``.bound`` how
    far it may be from the least. SCIP and Gurobi take the squares as they are.

    Measured, with a price on the index: 1,280 columns 0.1 to 0.4 s, 6,300 columns 0.2 to 0.9 s, of which every producer
    is near its limit; 21,200 columns 0.2 to 0.7 s, where the whole took 4 to 9 s; 150,300 columns 10 s.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> from supplyrisk.portfolio import resource
    >>> goal = sr.cost() + 5e7 * concentration()
    >>> plan = sr.optimize(sr.load_atlas(), ["JPN", "USA"], product="gallium.refined", levers=resource(), objective=goal)
    >>> [n.split(",")[0] for n in plan.notes if n.startswith("concentration")]
    ['concentration: convex quadratic programme']
    """
    _, pools, need = _market(m, product, buyer)
    less = _of_what_arrives(m, pools, need)
    pair, row, lane, amount = by_place(m, m.pick(product, buyer))
    k = len(pair)
    names = [c for _, c in pair]
    part = m.matrix.add_columns("hhi_part", k, upper=1.0, keys=lambda: names, meaning="share of a country in the need")
    arrives = None
    if repr(m.spec) in m.over:
        missed, each = m.over[repr(m.spec)]
        arrives = m.matrix.add_columns(
            "hhi_arrives", k, keys=lambda: names, meaning="part of the need that is delivered"
        )
        m.add_rows(
            "hhi_arrives_of",
            k,
            np.concatenate([np.arange(k), np.repeat(np.arange(k), len(missed))]),
            np.concatenate([arrives.at, np.tile(missed, k)]),
            np.concatenate([np.ones(k), np.tile(each, k)]),
            lower=1.0,
            upper=1.0,
            keys=lambda: names,
        )
    square = add_squares(m.matrix, "hhi_square", part, arrives)
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
    return np.append(square.at, less), np.append(np.ones(k), np.full(len(less), 1.0 / need))


@dataclass(frozen=True, eq=False, repr=False)
class Frontier:
    """Plans that nobody can better in all aims at once, cheapest first.

    Attributes
    ----------
    frame : DataFrame
        ``objective`` (USD a year where it is a cost), ``extra`` over the cheapest plan, a column per aim, ``marginal``
        (what one point, 0.01, less of the first aim would cost, from the dual; NaN for plans with yes-or-no decisions),
        ``gap`` (relative, of each solve; with squares in the objective also how far tangents leave it below), ``knee``:
        True at the point farthest from the plane through the extremes, a suggestion and no more.
    objective : Objective
        What was minimised.
    against : tuple of Term
        The aims, in the order of their columns.
    points, solves : int
        Levels tried, and solves that they took.
    seconds : float
        Wall time, the first plan included.
    notes : tuple of str
        What was left out; where a share by equity or control is that of what is known of owners only, with how much it may
        be (where nothing is known it is NaN, whatever the row counts); and how squares were dealt with.
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
    # Columns that lessen what an aim is a part of, by the aim's row.
    _over: dict[int, tuple[IntArray, FloatArray]] = field(repr=False, default_factory=dict)
    # Plans of points whose mixes follow the plan: each has settled in its own.
    _settled: tuple[Portfolio, ...] = field(repr=False, default=())
    notes: tuple[str, ...] = ()

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
        if self._settled:
            return self._settled[i]
        s, p = self._found[i], self._plan
        m = copy.copy(p._wide.build if isinstance(p, HorizonPlan) else p._build)
        _at_level(m, self._rows, self._levels[i], self._over)
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
            _compiled=m.matrix.compile(),
            _solution=s,
        )

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        aims = ", ".join(repr(t) for t in self.against)
        return f"<Frontier: {self.objective!r} against {aims}, {len(self)} points of {self.points} levels>"

    def _repr_html_(self) -> str:
        note = "knee: farthest from the line between the extremes, a suggestion. "
        note += "".join(f"{n}. " for n in self.notes)
        note += f"{self.solves} solves of one model in {self.seconds:.2f} s."
        if goal_unit(self.objective) == "USD/year":
            when = "in present value" if isinstance(self._plan, HorizonPlan) else "a year"
            note = f"objective, extra and marginal: {dated('USD', self._plan._build)} {when}. {note}"
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
    given = listed(against)
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
    """Point farthest below the line (plane) through the extremes, where three or more points span at least two aims.

    An extreme, the least of the cost or of an aim, is never the knee where there is any other point.
    """
    if len(cost) < 3:
        return None
    table = np.column_stack([cost, aims])
    low, span = table.min(axis=0), np.ptp(table, axis=0)
    wide = span > 0
    if wide.sum() < 2:
        return None
    part = (table - low)[:, wide] / span[wide]
    total = part.sum(axis=1)
    # Of several points with the least of one aim the one that is best in the others stands for it.
    ends = np.array([int(np.lexsort((total, part[:, k]))[0]) for k in range(part.shape[1])])
    inner = np.setdiff1d(np.flatnonzero((part > _SAME).all(axis=1)), ends)
    if not len(inner):
        inner = np.setdiff1d(np.arange(len(part)), ends)
    if not len(inner):
        return int(np.argmin(total))
    normal = np.ones(part.shape[1])
    if len(np.unique(ends)) == part.shape[1] and abs(np.linalg.det(part[ends])) > _SAME:
        through = np.linalg.solve(part[ends], np.ones(len(ends)))
        normal = through if (through > 0).all() else normal
    return int(inner[np.argmin(part[inner] @ normal)])


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
    already meets are skipped, dominated points left out. An HHI, aimed at or in the objective, is swept by tangents, since
    HiGHS's quadratic solver cannot start from the last point: squares of an aim are met to within 2e-7 of their scale,
    those of the objective until each point is proven within ``gap``.

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
        Seconds of each solve; where they run out, the best plan found stands, and ``gap`` says by how much it may be bettered.
    gap, seed
        As in :func:`~supplyrisk.portfolio.optimize`.
    **options
        Passed on: ``levers``, ``constraints``, ``scenarios``, ``horizon`` and what goes with it. Over several periods the
        objective is the present value, and an aim is the mean over time of what it is in each period, where need stays
        unmet weighed by the part of it that arrives in each.

    Returns
    -------
    Frontier

    Raises
    ------
    InfeasibleError
        Not even without a limit is there a plan.
    SolverError
        The solver stopped without a plan.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.load_atlas()
    >>> front = sr.frontier(g, ["JPN", "USA"], product="gallium.refined", points=6)
    >>> bool(front.frame["share"].is_monotonic_decreasing)
    True
    """
    began = time.perf_counter()
    known_words("frontier", frontier, options, optimize)
    points = int(number("points", points, 2))
    aims = _aims(against)
    if options.get("solver", "highs") != "highs":
        problem = Problem(
            "frontier", "-", "solver", "sweeps one model that HiGHS keeps", repr(options["solver"]), "Leave it out."
        )
        raise SchemaError([problem], "the frontier")
    given: dict[str, Any] = {"product": product, "objective": objective, "time_limit": time_limit, "gap": gap}
    several = read_periods(options.get("horizon")) is not None
    stated = {"aims": aims} if several else {}
    plan = plan_case(graph, buyers, **(given | defaults() | {"seed": seed} | options | stated))
    m = plan._wide.build if isinstance(plan, HorizonPlan) else plan._build
    rows: list[int] = []
    over: dict[int, tuple[IntArray, FloatArray]] = {}
    for k, term in enumerate(aims):
        m.spec = term
        name = repr(term)
        if isinstance(plan, HorizonPlan):
            col, value = _over_time(plan._wide, [b.aims[k] for b in plan._wide.bases])
            lost = [b.over.get(name) for b in plan._wide.bases]
            less = _over_time(plan._wide, [x for x in lost if x is not None]) if None not in lost else None
        else:
            col, value = term.build(m)
            less = m.over.get(name)
        if less is not None:  # a part of what arrives: below a level e, N + e * missed <= e
            rest = ~np.isin(col, less[0])
            col, value = np.concatenate([col[rest], less[0]]), np.concatenate([value[rest], less[1]])
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
        if less is not None:
            over[block.start] = less
            m.add_rows(
                "frontier_arrives",
                1,
                np.zeros(len(less[0]), dtype=np.int64),
                *less,
                upper=1.0 - _ARRIVES,
                say=lambda i, t=term: f"frontier: {t!r} is a part of what arrives, at least {_ARRIVES:.1%} of the need",
            )
    m.spec = None
    cost = m.matrix.cost()
    used = np.flatnonzero(cost)
    worth = float(np.max(np.abs(cost * _scales(m)), initial=0.0)) or 1.0
    c = m.matrix.compile()
    # A row that holds the cost at its least while the aims are settled; it is free in every point of the frontier.
    wide = m.matrix.add_rows("frontier_cost", 1, np.zeros(len(used), dtype=np.int64), used, cost[used], scale=worth)
    sweep = Sweep(m.matrix.compile(), np.array(rows), wide.start, time_limit, gap, seed, over)
    del m.matrix.rows[-1]
    m.matrix.m -= 1
    found = [sweep.real(c, *point) for point in sweep.run(points)]
    base, settled, unsettled = replace(plan, _compiled=c), [], 0
    if Live.of(plan).moves:  # the sweep is at the mixes of the first plan: each point settles in its own
        raw, found = found, []
        for s, _, level in raw:
            one = _settled(base, s, level, rows, over, gap, seed)
            if one is None:
                unsettled += 1
                continue
            settled.append(one)
            found.append((one._solution, sweep.values(one._solution.x), level))
        if not found:
            text = "the mixes of no point settled: use mixing='today' or 'mass_balance', or a looser cap"
            raise SolverError(text, "not_settled")
    values = np.array([[s.objective, *f] for s, f, _ in found])
    keep = _better(values)
    order = np.lexsort(values[:, ::-1].T)
    order = order[keep[order]]
    values = values[order]
    kept = [found[i] for i in order]
    frame = pd.DataFrame({"objective": values[:, 0], "extra": values[:, 0] - values[0, 0]})
    for k, name in enumerate(_labels(aims)):
        frame[name] = values[:, k + 1]
    worth_of = [-0.01 * float(s.row_dual[rows[0]]) * float(sweep.whole(s.x)[0]) for s, _, _ in kept]
    frame["marginal"] = worth_of if not c.integer.any() else np.nan
    frame["gap"] = [s.gap for s, _, _ in kept]
    goal = plan.written["objective"]
    notes = (
        [f"{unsettled} of {unsettled + len(found)} points left out: their mixes did not settle"] if unsettled else []
    )
    for term, name in zip(aims, _labels(aims), strict=True):
        notes += share_in_what_is_known(plan, term, frame, name, [s.x for s, _, _ in kept])
    notes += way([s for s, _, _ in kept])
    frame["knee"] = False
    # What is not known is no suggestion.
    told = np.flatnonzero(frame[_labels(aims)].notna().all(axis=1))
    best = _knee(values[told, 0], values[told, 1:])
    if best is not None:
        frame.loc[int(told[best]), "knee"] = True
    return Frontier(
        frame,
        goal,
        aims,
        points,
        sweep.model.solves + 1,
        time.perf_counter() - began,
        base,
        tuple(s for s, _, _ in kept),
        tuple(level for _, _, level in kept),
        np.array(rows, dtype=np.int64),
        over,
        tuple(settled[i] for i in order) if settled else (),
        tuple(notes),
    )


def _at_level(
    m: Build, rows: IntArray | list[int], levels: tuple[float, ...], over: dict[int, tuple[IntArray, FloatArray]]
) -> None:
    """Hold the aims of a model at their levels."""
    held = []
    level = dict(zip(np.asarray(rows).tolist(), levels, strict=True))
    for block in m.matrix.rows:
        if block.start in level:
            at, of = level[block.start], over.get(block.start)
            value = block.value.copy()
            if of is not None:
                value[len(value) - len(of[0]) :] = at * of[1]
            block = replace(block, upper=np.array([at]), value=value)
        held.append(block)
    m.matrix = replace(m.matrix, rows=held)
    m._model = None


def _settled(
    plan: Portfolio,
    s: Solution,
    levels: tuple[float, ...],
    rows: list[int],
    over: dict[int, tuple[IntArray, FloatArray]],
    gap: float | None,
    seed: int,
) -> Portfolio | None:
    """The plan of a point at its own mixes, with the gap to the bound of its levels; None where they do not settle."""
    live = Live.of(plan)
    _at_level(live.whole, rows, levels, over)
    start = Live.of(live.into(plan, s, plan._compiled))
    start.restart()
    bound = start.bound(time_limit=None, gap=gap, seed=seed)
    found = live.settled(lambda c: solve(c, gap=gap, seed=seed))
    if found is None:
        return None
    own, c = found
    own = live.said(own, bound, gap)
    return live.into(plan, own, c, timing={"build": plan.timing["build"], "solve": own.seconds})  # type: ignore[no-any-return]


def _over_time(w: Wide, each: list[Any]) -> tuple[IntArray, FloatArray]:
    """An aim over several periods: the mean over time of what it is in each, stated as columns and values."""
    once = w.bases[0].once
    length = np.array([p.length for p in w.periods])
    col: list[IntArray] = []
    value: list[FloatArray] = []
    for s, b in enumerate(w.bases):
        c, v = each[s]
        shared = np.zeros(b.matrix.n, dtype=bool)
        for g in b.matrix.columns:
            shared[g.at] = g.name in once
        keep = ~shared[c] | (s == 0)
        col.append(w.at[s][c[keep]])
        value.append((v * np.where(shared[c], 1.0, length[s] / length.sum()))[keep])
    return np.concatenate(col), np.concatenate(value)


def _scales(m: Build) -> FloatArray:
    return np.concatenate([g.scale for g in m.matrix.columns])

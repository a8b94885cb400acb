"""``optimize()``: from a graph and a few words to a proven plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError
from ..graph import SupplyGraph, check_graph
from ..jurisdictions import scope
from ..registry import Objective, Spec, Term
from ..schema import VIEWS
from ..vintages import only_today
from .asked import listed, require_comparable
from .calendar import During, Period, need_paths, read_periods, supply_paths
from .candidates import Candidates, read_candidates
from .economics import RATE
from .explain import cut_short, infeasible, stopped
from .idle import bundles, without_idle
from .levers import build, keep, resource
from .marginal import Nudge
from .model import Build, missing_costs, number
from .options import with_recyclers
from .others import check
from .periods import solve_periods
from .plan import Portfolio
from .restarts import better
from .risk import cost
from .scenarios import read_scenarios
from .settling import ROUNDS, Live
from .solve import solve, usable
from .stages import with_expansion, with_stages
from .supply import drop_products, read_case
from .unseen import refuse_unseen, say_unseen
from .views import told_view
from .widen import read_ramp, widen

__all__ = ["optimize"]

_DEFAULT_LEVERS = (resource(), build())
_DEFAULT_FOCAL = "CHN"
# Terms that add up what is delivered and nothing else: less of them and more of them can both be aimed at.
_EITHER_WAY = ("attribute",)


def _specs(given: Any, kind: str, argument: str) -> tuple[Spec, ...]:
    items = listed(given)
    problems: list[Problem] = []
    for s in items:
        if not isinstance(s, Spec):
            example = "build()" if kind == "lever" else "max_share('CHN', 0.65)"
            hint = f"Call it: a decorated function gives its words when called, e.g. {example}."
            problems.append(Problem("optimize", "-", argument, f"not a {kind}", repr(s), hint))
        elif s.kind != kind:
            problems.append(Problem("optimize", "-", argument, f"a {s.kind}, not a {kind}", repr(s), ""))
    if problems:
        raise SchemaError(problems, "the plan")
    return items


def read_options(time_limit: Any, gap: Any, seed: Any) -> None:
    """Check what is handed to the solver."""
    if time_limit is not None:
        number("time_limit", time_limit, 0.0)
    if gap is not None:
        number("gap", gap, 0.0)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**31:
        what = "must be a whole number of at least 0 and below 2^31"
        raise SchemaError([Problem("parameter", "-", "seed", what, repr(seed), "Write seed=0.")], "the plan")


def _objective(given: Any) -> Objective:
    if given is None:
        return Objective(((1.0, cost()),))
    if isinstance(given, Term):
        return Objective(((1.0, given),))
    if isinstance(given, Objective):
        bad = [(w, t) for w, t in given.terms if not np.isfinite(w) or (w < 0 and t.name not in _EITHER_WAY)]
        if bad:
            why = "a weight that is no number of at least 0: what is least at its limits would grow without end"
            hint = "Bound it with a constraint instead; attribute(...) may have a weight below 0."
            raise SchemaError(
                [Problem("optimize", "-", "objective", why, f"{w:g}*{t!r}", hint) for w, t in bad], "the plan"
            )
        return given
    raise SchemaError(
        [Problem("optimize", "-", "objective", "not an objective", repr(given), "Write e.g. cost().")], "the plan"
    )


def _asked(constraints: Sequence[Spec], graph: SupplyGraph) -> tuple[tuple[Any, str], ...]:
    """Focal and view of every cap, and location and control of each focal beside them."""
    pairs: dict[tuple[Any, str], None] = {}
    for c in constraints:
        a = c.arguments
        if "focal" in a:
            focal = scope(a["focal"], graph)
            for view in ("location", "control"):
                pairs[(focal, view)] = None
            if a.get("view") in VIEWS:
                pairs[(focal, a["view"])] = None
            if a.get("view") == "control" and a.get("rule", "majority") != "majority":
                pairs[(focal, told_view("control", a["rule"]))] = None
    if not pairs:
        pairs = {(scope(_DEFAULT_FOCAL), view): None for view in ("location", "control")}
    return tuple(pairs)


def optimize(
    graph: SupplyGraph,
    buyers: str | Iterable[str] | None = None,
    *,
    product: str | Iterable[str] | None = None,
    levers: Spec | Iterable[Spec] = _DEFAULT_LEVERS,
    scenarios: Mapping[str, Any] | None = None,
    objective: Objective | Term | None = None,
    constraints: Spec | During | Iterable[Spec | During] = (),
    horizon: int | tuple[int, int] | tuple[str, str] | None = None,
    discount: float = RATE,
    ramp: tuple[float, ...] | Mapping[str, tuple[float, ...]] = (1.0,),
    needs: float | Mapping[str, Any] | None = None,
    supply: float | Mapping[str, Any] | None = None,
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
    solver: str = "highs",
) -> Portfolio:
    r"""Find the cheapest way for a group of buyers to meet its needs within all constraints.

    .. math:: \min_{x, y}\; \text{objective} \quad\text{s.t.}\quad \sum_u x_{ub} = D_b, \quad
        \sum_b x_{ub} \le A_u, \quad \text{constraints}

    with a delivery :math:`x_{ub} \ge 0` for each producer :math:`u` and demand pool :math:`b` of the buyers, and a
    decision :math:`y_j \in \{0, 1\}` for each project. Suppliers that only pass goods on are looked through.

    Parameters
    ----------
    graph : SupplyGraph
        The supply graph.
    buyers : str or iterable of str, optional
        ISO3 codes and coalitions. Default: the Minerals Security Partnership at its last date.
    product : str or iterable of str, optional
        Products to plan. Default: all that the buyers use and that have a price; the others are listed in ``.gaps``.
    levers : Spec or iterable of Spec
        What the plan can do.
    scenarios : mapping, optional
        Name to measures, or to ``(probability, measures)``. Without probabilities they are an uncertainty set, and the
        worst counts.
    objective : Objective, optional
        Default ``cost()``.
    constraints : Spec or iterable of Spec
        What the plan must respect.
    horizon : int or tuple, optional
        A year: projects with a later start are left out. A first and a last year, ``(2026, 2032)``, or quarter,
        ``("2026Q1", "2028Q4")``: a plan by period, see Notes; its constraints hold in every period, or in some with
        :func:`supplyrisk.portfolio.during`.
    discount : float
        Discount rate of a plan over several periods.
    ramp : tuple of float or mapping
        Output of a plant over its full output in its first, second, ... year, over several periods; by project id, with
        ``"*"`` for the others.
    needs, supply : float or mapping, optional
        How needs, and what existing producers can deliver, change over several periods: growth a year, for all or by
        product (or pool ``product@ISO3``, or producer), or a mapping from year to the multiple of today's figure.
        Default: today's, which the plan's notes say.
    time_limit : float, optional
        Seconds.
    gap : float, optional
        Relative gap at which a plan with yes-or-no decisions, or with :func:`supplyrisk.portfolio.concentration` in the
        objective, counts as optimal; default 1e-6. Squares are worked out to 1e-8 or better wherever that is quick, and no
        closer than rounding allows.
    seed : int
        Of the solver.
    solver : {"highs", "scip", "gurobi"}
        HiGHS comes with the package; SCIP (``pip install pyscipopt``) and Gurobi (``pip install gurobipy``, and its
        licence) solve the plan itself where they are installed, each in a process of its own. Whatever is asked of the
        plan afterwards (duals, conflicts, alternatives, frontiers) is worked out by HiGHS.

    Returns
    -------
    Portfolio
        ``.status`` is ``optimal``; ``locally_optimal`` where mixes follow the plan (``max_share(view="origin")``) and
        ``.gap`` says how far it may be from the least cost of all; or ``time_limit`` where a plan with yes-or-no decisions was found and time ran out
        before it was proven best, and ``near_optimal`` where squares could not be met within ``gap``: ``.gap`` says by how much it may be bettered.

    Raises
    ------
    InfeasibleError
        No plan meets all constraints: a smallest clashing set, the supply behind it, and by how much it must give.
    SolverError
        The solver is missing, or stopped without a plan (``.status``, e.g. ``time_limit``).
    SchemaError
        A product that was asked for has no price, or a parameter is out of range.
    UnknownNameError
        A buyer, product, project, view or country that does not exist.

    Notes
    -----
    Demand is met exactly; unmet need is allowed only with the lever ``unmet(price)``. Missing costs are never zero:
    a product without a price is refused, or reported as a gap where all products are planned. Linear programme, or
    mixed-integer with projects, or convex quadratic with :func:`supplyrisk.portfolio.concentration` in the objective;
    formulation of this library.

    Products that are planned together feed one another: what is made beyond today's output takes its inputs from the buyers'
    pools (:mod:`supplyrisk.portfolio.tiers`), and the notes say with names and quantities where that is not so, and what
    new output asks of inputs that are not planned (from which pool, how much, what part of it is the focal's).

    Over several periods every one has its own deliveries and recourse; a plant decided in year :math:`t` delivers from
    :math:`t + L` on, with :math:`L` from the first year of the plan to the start on record (0 where none is), longer by
    the slip of :func:`supplyrisk.portfolio.lead_time`. Stocks are bought from real deliveries and carried over. A scenario is a path through all periods: an act with dates holds for
    the part of each period that it lasts, one without dates in all of them. The objective is the present value; the
    answer is a :class:`supplyrisk.portfolio.HorizonPlan`.
    """
    return plan_case(
        graph,
        buyers,
        product=product,
        levers=levers,
        scenarios=scenarios,
        objective=objective,
        constraints=constraints,
        horizon=horizon,
        discount=discount,
        ramp=ramp,
        needs=needs,
        supply=supply,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
        solver=solver,
    )


def defaults() -> dict[str, Any]:
    """What :func:`optimize` takes where nothing else is said."""
    return {
        "levers": _DEFAULT_LEVERS,
        "scenarios": None,
        "constraints": (),
        "horizon": None,
        "discount": RATE,
        "ramp": (1.0,),
    }


def plan_case(
    graph: SupplyGraph,
    buyers: str | Iterable[str] | None,
    *,
    product: Any,
    levers: Any,
    scenarios: Any,
    objective: Any,
    constraints: Any,
    horizon: Any,
    discount: float,
    ramp: Any,
    needs: Any = None,
    supply: Any = None,
    time_limit: float | None,
    gap: float | None,
    seed: int,
    solver: str = "highs",
    fix: Callable[[Any], Any] | None = None,
    exactly: Mapping[str, float] | None = None,
    aims: Sequence[Term] = (),
) -> Portfolio:
    """:func:`optimize`, with what holds already.

    ``fix`` is given the stated model (of all periods) before it is solved; what it returns may choose among plans that
    cost the same. ``exactly`` replaces the needs of pools, ``product@ISO3``. ``aims`` are terms that are stated beside the
    objective, for a frontier over several periods.
    """
    began = time.perf_counter()
    check_graph(graph, "optimize()")
    read_options(time_limit, gap, seed)
    check(solver)
    periods = read_periods(horizon)
    span, horizon = horizon, (int(periods[-1].begin + 1e-9) if periods else horizon)
    lever_specs = _specs(levers, "lever", "levers")
    asked = listed(constraints)
    when = [c if isinstance(c, During) else None for c in asked]
    _dates(when, periods, span, needs, supply)
    constraint_specs = _specs([c.spec if isinstance(c, During) else c for c in asked], "constraint", "constraints")
    goal = _objective(objective)
    graph = only_today(graph)
    case = read_case(graph, buyers, product)
    m = Build(case, horizon=horizon)
    lacking = missing_costs(m)
    if lacking and product is not None:
        raise SchemaError(
            [
                Problem("products", p, "price", why, "", "Give nodes a unit_cost, or the product a price.")
                for p, why in lacking.items()
            ],
            "the plan",
        )
    case = drop_products(case, lacking)
    if not case.products:
        raise SchemaError(
            [Problem(g.product, g.where, g.what, g.note, "", "") for g in case.gaps]
            or [Problem("demand", "-", "node", "no product has a pool of these buyers", ", ".join(case.buyers), "")],
            "the plan has nothing to decide: the input",
        )
    if exactly is not None:
        country = case.graph.index.nodes["country"].to_numpy(dtype=object)[case.pool]
        pools = [f"{case.products[int(k)]}@{c}" for k, c in zip(case.pool_product, country, strict=True)]
        case = replace(case, need=np.array([exactly[p] for p in pools], dtype=np.float64))
    require_comparable(case)
    candidates: Candidates | None = None
    utilisation = 1.0
    for spec in lever_specs:
        if spec.name == "build":
            utilisation = float(spec.arguments["utilisation"])
            found = read_candidates(case.graph, case.products, utilisation, horizon, bool(spec.arguments["estimate"]))
            candidates = with_stages(found, spec)
    for spec in lever_specs:
        if spec.name == "expand":
            candidates = with_expansion(candidates, utilisation, spec)
    if any(spec.name == "recycle" for spec in lever_specs):
        candidates = with_recyclers(case, candidates)
    known = read_scenarios(scenarios)
    shares: dict[Any, Any] = {}
    cuts: dict[Any, Any] = {}
    links: dict[Any, Any] = {}

    def state(here: Period | None, holds: tuple[bool, ...], need: Any, more: Any, nudge: Nudge | None = None) -> Build:
        """The model of one period."""
        own = case if need is None else replace(case, need=case.need * need)
        own = own if nudge is None else replace(own, need=own.need + nudge.need)
        m = Build(
            own, horizon=horizon, periods=periods, here=here, gaps=list(case.gaps), notes=list(case.notes),
            utilisation=utilisation, candidates=candidates, scenarios=known, _shares=shares, _cuts=cuts, known=links, grown=need,
            added=None if nudge is None else nudge.need,
        )  # fmt: skip
        keep(m)
        for spec in lever_specs:
            m.spec = spec
            spec.build(m)
        if more is not None:
            _grow_supply(m, more)
        if nudge is not None:
            nudge.levers(m)
        m.freeze()
        for spec, on in zip(constraint_specs, holds, strict=True):
            m.spec = spec
            before = _kept(m)
            spec.build(m)
            if not on:
                _leave_out(m, before)
        for weight, term in goal.terms:
            m.spec = term
            col, value = term.build(m)
            m.matrix.add_cost(col, weight * value)
        for term in aims:
            m.spec = term
            m.aims.append(term.build(m))
        m.spec = None
        return m

    written = {
        "buyers": case.buyers,
        "products": case.products,
        "levers": lever_specs,
        "objective": goal,
        "constraints": constraint_specs,
        "scenarios": scenarios,
        "horizon": span,
        "asked": asked,
        "discount": discount,
        "ramp": ramp,
        "needs": needs,
        "supply": supply,
        "solver": solver,
    }
    if periods is None:
        m = state(None, (True,) * len(constraint_specs), None, None)
        m.anew = lambda more: state(None, (True,) * len(constraint_specs), None, None, more.get(0))
        _read_scenarios(m)
        then = fix(m) if fix is not None else None
        return solve_build(
            m,
            written,
            _asked(constraint_specs, graph),
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            began=began,
            then=then,
        )
    need, more = need_paths(case, periods, needs), supply_paths(case.graph, case.products, periods, supply)
    bases: list[Build] = []
    stated: dict[Any, Build] = {}
    asked_of: list[tuple[Any, Any, Any, Any]] = []
    for s, period in enumerate(periods):
        holds = tuple(c is None or c.holds(period) for c in when)
        row = None if need is None else need[s]
        up = None if more is None else more[s]
        key = (holds, None if row is None else row.tobytes(), None if up is None else up.tobytes())
        asked_of.append((period, holds, row, up))
        if key not in stated or stated[key].dated:
            stated[key] = state(period, holds, row, up)
        bases.append(stated[key])
    bases[0].anew = lambda more: widen(
        [state(*a, more.get(s)) for s, a in enumerate(asked_of)], periods, discount, read_ramp(ramp, bases[0])
    )
    _read_scenarios(bases[0])
    return solve_periods(
        bases,
        periods,
        discount,
        ramp,
        written,
        _asked(constraint_specs, graph),
        fix=fix,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
        began=began,
    )


def _kept(m: Build) -> dict[str, Any]:
    """What a constraint may change of a model beside its rows."""
    lists = {"rows": len(m.matrix.rows), "raised": len(m.raised), "refine": len(m.refine), "movers": len(m.movers)}
    return lists | {"sent": dict(m.sent), "still": set(m.still), "apart": set(m.apart), "settling": m.settling}


def _leave_out(m: Build, before: dict[str, Any]) -> None:
    """A constraint that does not hold in a period: it is stated, so that all periods are alike, and free."""
    for block in m.matrix.rows[before["rows"] :]:
        block.lower[:], block.upper[:] = -np.inf, np.inf
        block.reading, block.moves = None, False
    del m.raised[before["raised"] :], m.refine[before["refine"] :], m.movers[before["movers"] :]
    m.sent, m.still, m.apart, m.settling = (before[k] for k in ("sent", "still", "apart", "settling"))


def _dates(when: Sequence[During | None], periods: Any, span: Any, needs: Any, supply: Any) -> None:
    """What names a period needs a plan that has it."""
    problems: list[Problem] = []
    for c in when:
        if c is None:
            continue
        if periods is None:
            problems.append(
                Problem("optimize", "-", "constraints", "needs a horizon of several years", repr(c), "horizon=(a, b).")
            )
        elif not any(c.holds(p) for p in periods):
            problems.append(
                Problem(
                    "optimize", "-", "constraints", f"holds in no period of {span!r}", repr(c), "Correct the years."
                )
            )
    for name, value in (("needs", needs), ("supply", supply)):
        if value is not None and periods is None:
            problems.append(
                Problem("optimize", "-", name, "needs a horizon of several years", repr(value), "horizon=(a, b).")
            )
    if problems:
        raise SchemaError(problems, "the plan")


def _read_scenarios(m: Build) -> None:
    if m.scenarios is None:
        return
    if m.losses is None:
        raise SchemaError(
            [
                Problem(
                    "optimize",
                    "-",
                    "scenarios",
                    "given, but nothing in the plan reads them",
                    ", ".join(m.scenarios.names),
                    "Add cvar() or expected_loss() to the objective, or leave them out.",
                )
            ],
            "the plan",
        )
    if m.scenarios.added is not None:
        m.notes.append(
            f"the probabilities of the scenarios add to {m.scenarios.added:.6g} as written: rounded to three decimals, and "
            "divided by that"
        )
    if m.scenarios.assumed:
        m.notes.append("scenarios without probabilities are an uncertainty set: the worst of them counts")


def _grow_supply(m: Build, factor: Any) -> None:
    """What existing producers can deliver, times its path."""
    at = m.graph.index.position.get_indexer(pd.Index(m.case.graph.index.nodes["node"], dtype=object))
    wide = np.ones(m.graph.index.n)
    wide[at] = factor
    m.supply_factor = wide
    own = {k: v * (wide - 1.0) for k, v in m.availability_parts.items() if k in ("today", "spare", "outbid")}
    m.availability = m.availability + sum(own.values())
    m.availability_parts = m.availability_parts | {k: m.availability_parts[k] + v for k, v in own.items()}


def solve_build(
    m: Build,
    written: dict[str, Any],
    focal: tuple[tuple[Any, str], ...],
    *,
    time_limit: float | None,
    gap: float | None,
    seed: int,
    began: float | None = None,
    then: Callable[[Any, Any], Any] | None = None,
) -> Portfolio:
    """Compile and solve a stated model, and put the answer into tables."""
    began = time.perf_counter() if began is None else began
    m.absorb()
    compiled = m.matrix.compile()
    built = time.perf_counter()
    refuse_unseen(m)
    live, mixing = Live(m), bool(m.movers)
    solver = written.get("solver", "highs")

    def left() -> float | None:
        """Seconds that are left of the limit."""
        return None if time_limit is None else max(time_limit - (time.perf_counter() - built), 0.0)

    s = solve(compiled, time_limit=time_limit, gap=gap, seed=seed, solver=solver)
    bound, first = -np.inf, None
    if mixing and usable(s):
        bound, first = live.relaxed(time_limit=left(), gap=gap, seed=seed)
    for _ in range(ROUNDS):
        if not usable(s) or not live.follow(s.x):
            break
        compiled = m.matrix.compile()
        s = solve(compiled, time_limit=left(), gap=gap, seed=seed, solver=solver)
    if mixing and s.status in ("optimal", "infeasible"):
        again = partial(solve, gap=gap, seed=seed, solver=solver)
        found = better(
            live, s if usable(s) else None, compiled, bound, first, lambda c: again(c, time_limit=left()), left
        )
        if found is not None:
            live, s, compiled = found
            m = live.build
    if s.status == "infeasible":
        raise infeasible(m, compiled, seed, seconds=time_limit)
    if not usable(s) or (mixing and s.status == "time_limit"):
        raise stopped(s)
    if mixing:
        s = live.said(s, bound, gap)
    if s.status in ("time_limit", "near_optimal"):
        m.notes.append(cut_short(s))
    m.notes.extend(x for x in say_unseen(m, compiled, s) if x not in m.notes)
    # Where mixes follow the plan, another plan at the same cost has other mixes.
    if then is not None and not mixing and s.status == "optimal":
        s = then(compiled, s)
        for settle in m.refine:
            settle(m, s.x)
    s = replace(s, x=without_idle(compiled, s.x, bundles(m)))
    timing = {"build": built - began, "solve": s.seconds}
    return Portfolio(
        objective_value=s.objective,
        status=s.status,
        solver=s.solver,
        version=s.version,
        gap=s.gap,
        bound=s.bound,
        timing=timing,
        seed=seed,
        written=written,
        focal=focal,
        _build=m,
        _compiled=compiled,
        _solution=s,
    )

"""``optimize()``: from a graph and a few words to a proven plan."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..registry import Objective, Spec, Term
from ..schema import VIEWS
from . import constraints as _constraints
from .candidates import read_candidates
from .explain import binding_rows, dual_table, infeasible, stopped
from .levers import build, keep, resource
from .matrix import Compiled
from .model import Build, missing_costs
from .plan import Portfolio
from .risk import cost
from .scenarios import read_scenarios
from .solve import Solution, solve
from .supply import drop_products, read_case

__all__ = ["optimize"]

_DEFAULT_LEVERS = (resource(), build())
_DEFAULT_FOCAL = "CHN"
assert _constraints  # registers the constraints


def _specs(given: Any, kind: str, argument: str) -> tuple[Spec, ...]:
    items = (given,) if isinstance(given, Spec) else tuple(given)
    problems: list[Problem] = []
    for s in items:
        if not isinstance(s, Spec):
            hint = "Call it: a decorated function gives its words when called, e.g. max_share('CHN', 0.65)."
            problems.append(Problem("optimize", "-", argument, f"not a {kind}", repr(s), hint))
        elif s.kind != kind:
            problems.append(Problem("optimize", "-", argument, f"a {s.kind}, not a {kind}", repr(s), ""))
    if problems:
        raise SchemaError(problems, "the plan")
    return items


def _objective(given: Any) -> Objective:
    if given is None:
        return Objective(((1.0, cost()),))
    if isinstance(given, Term):
        return Objective(((1.0, given),))
    if isinstance(given, Objective):
        return given
    raise SchemaError(
        [Problem("optimize", "-", "objective", "not an objective", repr(given), "Write e.g. cost().")], "the plan"
    )


def _asked(constraints: Sequence[Spec]) -> tuple[tuple[Any, str], ...]:
    """Focal and view of every cap, and location and control of each focal beside them."""
    pairs: dict[tuple[Any, str], None] = {}
    for c in constraints:
        a = c.arguments
        if "focal" in a:
            focal = scope(a["focal"])
            for view in ("location", "control"):
                pairs[(focal, view)] = None
            if a.get("view") in VIEWS:
                pairs[(focal, a["view"])] = None
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
    constraints: Spec | Iterable[Spec] = (),
    horizon: int | None = None,
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
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
        Name to measures, or to ``(probability, measures)``.
    objective : Objective, optional
        Default ``cost()``.
    constraints : Spec or iterable of Spec
        What the plan must respect.
    horizon : int, optional
        Year; projects with a later start are left out.
    time_limit : float, optional
        Seconds.
    gap : float, optional
        Relative gap at which a plan with yes-or-no decisions counts as optimal; default 1e-6.
    seed : int
        Of the solver.

    Returns
    -------
    Portfolio

    Raises
    ------
    InfeasibleError
        No plan meets all constraints: a smallest clashing set, the supply behind it, and by how much it must give.
    SolverError
        The solver is missing, or stopped without proof (``.status``, e.g. ``time_limit``).
    SchemaError
        A product that was asked for has no price, or a parameter is out of range.
    UnknownNameError
        A buyer, product, project, view or country that does not exist.

    Notes
    -----
    Demand is met exactly; unmet need is allowed only with the lever ``unmet(price)``. Missing costs are never zero:
    a product without a price is refused, or reported as a gap where all products are planned. Linear programme, or
    mixed-integer with projects; formulation of this library.
    """
    began = time.perf_counter()
    lever_specs = _specs(levers, "lever", "levers")
    constraint_specs = _specs(constraints, "constraint", "constraints")
    goal = _objective(objective)
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
    m = Build(case, horizon=horizon, gaps=list(case.gaps), notes=list(case.notes))
    for spec in lever_specs:
        if spec.name == "build":
            m.utilisation = float(spec.arguments["utilisation"])
            m.candidates = read_candidates(
                case.graph, case.products, m.utilisation, horizon, bool(spec.arguments["estimate"])
            )
    m.scenarios = read_scenarios(scenarios)
    keep(m)
    for spec in lever_specs:
        m.spec = spec
        spec.build(m)
    m.freeze()
    for spec in constraint_specs:
        m.spec = spec
        spec.build(m)
    for weight, term in goal.terms:
        m.spec = term
        col, value = term.build(m)
        m.matrix.add_cost(col, weight * value)
    m.spec = None
    if m.scenarios is not None and m.losses is None:
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
    if m.scenarios is not None and m.scenarios.assumed:
        m.notes.append("scenarios without probabilities count alike (assumption)")
    written = {
        "buyers": case.buyers,
        "products": case.products,
        "levers": lever_specs,
        "objective": goal,
        "constraints": constraint_specs,
        "scenarios": scenarios,
        "horizon": horizon,
    }
    return solve_build(m, written, _asked(constraint_specs), time_limit=time_limit, gap=gap, seed=seed, began=began)


def solve_build(
    m: Build,
    written: dict[str, Any],
    focal: tuple[tuple[Any, str], ...],
    *,
    time_limit: float | None,
    gap: float | None,
    seed: int,
    began: float | None = None,
) -> Portfolio:
    """Compile and solve a stated model, and put the answer into tables."""
    began = time.perf_counter() if began is None else began
    m.absorb()
    compiled = m.matrix.compile()
    built = time.perf_counter()
    s = solve(compiled, time_limit=time_limit, gap=gap, seed=seed)
    if s.status == "infeasible":
        raise infeasible(m, compiled, seed)
    if s.status != "optimal":
        raise stopped(s)
    timing = {"build": built - began, "solve": s.seconds}
    return _portfolio(m, compiled, s, written, focal, seed, timing)


def _portfolio(
    m: Build,
    c: Compiled,
    s: Solution,
    written: dict[str, Any],
    focal: tuple[tuple[Any, str], ...],
    seed: int,
    timing: dict[str, float],
) -> Portfolio:
    case = m.case
    x = s.x
    flow = x[: m.n_lanes]
    names = np.array(case.products, dtype=object)
    units = np.array(m.unit, dtype=object)
    yearly = m.lane_cost * m.period[m.lane_product]
    frame = m.candidates.frame if m.candidates is not None else pd.DataFrame()
    project_id = np.full(m.n_lanes, None, dtype=object)
    start = np.full(m.n_lanes, np.nan)
    on = m.project >= 0
    if len(frame):
        project_id[on] = frame["project"].to_numpy(dtype=object)[m.project[on]]
        start[on] = frame["start"].to_numpy(dtype=float)[m.project[on]]
    offers = pd.DataFrame(
        {
            "lever": m.lever,
            "product": names[m.lane_product],
            "supplier": m.node[m.supplier],
            "country": m.country[m.supplier],
            "project": project_id,
            "buyer": m.pool_country[m.pool],
            "upper": c.upper[: m.n_lanes],
            "unit": units[m.lane_product],
            "unit_cost": m.lane_cost,
            "yearly_cost": yearly,
            "grade": m.lane_grade,
        }
    )
    taken = flow > 1e-9 * m.size[m.lane_product]
    decisions = offers[taken].drop(columns=["upper", "yearly_cost"])
    decisions.insert(6, "quantity", flow[taken])
    decisions.insert(9, "cost", (flow * yearly)[taken])
    decisions.insert(10, "when", start[taken])
    decisions = decisions.sort_values(["product", "cost"], ascending=[True, False], kind="stable")
    needs = pd.DataFrame(
        {
            "product": names[case.pool_product],
            "buyer": m.pool_country,
            "need": case.need,
            "unit": units[case.pool_product],
            "unmet": x[m.shortfall.at] if m.shortfall is not None else 0.0,
            "unmet_price": np.nan if m.shortfall_price is None else m.shortfall_price,
        }
    )
    parts = {k: v[m.rationed] for k, v in m.availability_parts.items()}
    availability = pd.DataFrame(
        {
            "product": names[m.rationed_product],
            "supplier": m.node[m.rationed],
            **parts,
            "available": m.availability[m.rationed],
            "used": np.bincount(m.supplier[~on], flow[~on], m.graph.index.n)[m.rationed],
            "unit": units[m.rationed_product],
        }
    )
    projects, plants = _plants(m, x, flow, units)
    made_cost = flow * yearly
    items: list[dict[str, Any]] = []
    for k, p in enumerate(case.products):
        for lever in dict.fromkeys(m.lever.tolist()):
            mine = (m.lane_product == k) & (m.lever == lever)
            keeps = lever == "keep"
            today = float((case.base[case.pool_product[case.base_pool] == k] * yearly[mine]).sum()) if keeps else 0.0
            items.append({"product": p, "item": lever, "today": today, "plan": float(made_cost[mine].sum())})
        if m.projects is not None:
            own = m.project_product == k
            annuity = float((x[m.projects.at] * m.project_annuity)[own].sum())
            items.append({"product": p, "item": "plants", "today": 0.0, "plan": annuity})
        if m.shortfall is not None and m.shortfall_price is not None:
            own = case.pool_product == k
            lost = float((x[m.shortfall.at] * np.nan_to_num(m.shortfall_price))[own].sum() * m.period[k])
            items.append({"product": p, "item": "unmet", "today": 0.0, "plan": lost})
    notes = list(m.notes)
    graded = decisions["grade"].isin(["C", "D", "assumption"])
    if graded.any():
        part = float(decisions.loc[graded, "cost"].sum() / max(float(decisions["cost"].sum()), 1e-300))
        notes.append(f"{int(graded.sum())} of {len(decisions)} unit costs ({part:.0%} of spending) rest on assumptions")
    if any(view == "origin" for _, view in focal):
        notes.append("origin shares use the upstream mixes of today (linearised proportional mixing)")
    gaps = pd.DataFrame([vars(g) for g in m.gaps], columns=["product", "what", "where", "note"])
    return Portfolio(
        decisions=decisions.reset_index(drop=True),
        plants=plants,
        costs=pd.DataFrame(items, columns=["product", "item", "today", "plan"]),
        offers=offers,
        needs=needs,
        availability=availability,
        projects=projects,
        duals=dual_table(m, c, s),
        binding=binding_rows(m, c, x),
        objective_value=s.objective,
        status=s.status,
        solver=s.solver,
        version=s.version,
        gap=s.gap,
        bound=s.bound,
        seconds=sum(timing.values()),
        timing=timing,
        seed=seed,
        fingerprint=case.graph.fingerprint,
        written=written,
        focal=focal,
        notes=tuple(dict.fromkeys(notes)),
        gaps=gaps,
        _build=m,
        _compiled=c,
        _solution=s,
    )


def _plants(m: Build, x: Any, flow: Any, units: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    columns = ["project", "name", "product", "country", "node", "capacity", "usable", "delivered", "unit", "capex"]
    columns += ["estimated", "annuity", "start", "status", "built", "grade"]
    if m.projects is None or m.candidates is None:
        empty = pd.DataFrame(columns=columns)
        return empty, empty
    frame = m.candidates.frame
    on = m.project >= 0
    out = pd.DataFrame(
        {
            **{c: frame[c].to_numpy() for c in ("project", "name", "product", "country", "node", "capacity")},
            "usable": m.project_capacity,
            "delivered": np.bincount(m.project[on], flow[on], len(frame)),
            "unit": units[m.project_product],
            "capex": frame["capex"].to_numpy(),
            "estimated": frame["estimated"].to_numpy(),
            "annuity": m.project_annuity,
            "start": frame["start"].to_numpy(),
            "status": frame["status"].to_numpy(),
            "built": x[m.projects.at] > 0.5,
            "grade": frame["grade"].to_numpy(),
        }
    )[columns]
    return out, out[out["built"]].reset_index(drop=True)

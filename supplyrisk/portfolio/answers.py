"""Questions to a plan: what changes with new data, what knowing more is worth, how firm it is."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InfeasibleError, Problem, SchemaError
from ..graph import SupplyGraph
from .asked import known_words
from .explain import stopped
from .matrix import Columns, Compiled
from .model import money, number
from .periods import HorizonPlan, PeriodPlan, refuse_period
from .plan import Portfolio
from .recourse import scenario_columns
from .run import plan_case
from .settling import refuse_mixes
from .solve import Solution, solve
from .supply import resolve_buyers
from .words import dollars, goal_unit

__all__ = ["Information", "Stability", "stability", "stand_alone", "value_of_information"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Terms of an objective that measure losses over the scenarios, and how.
_MEASURES = {
    "expected_loss": "mean",
    "expected_unmet": "mean",
    "cvar": "cvar",
    "worst_loss": "worst",
    "worst_unmet": "worst",
}
# Intervals that samples are drawn from: table, and the column with its bounds.
_DRAWN = (
    ("nodes", "output"),
    ("nodes", "capacity"),
    ("nodes", "unit_cost"),
    ("projects", "capacity"),
    ("projects", "capex"),
    ("products", "price"),
    ("links", "quantity"),
    ("demand", "quantity"),
)


def whole_plan(plan: Portfolio, what: str) -> None:
    """One period of a plan over several is for reading only."""
    if isinstance(plan, PeriodPlan):
        raise refuse_period(what, plan._label)


def columns_of(plan: Portfolio) -> list[Columns]:
    """Columns of the model that was solved."""
    return (plan._wide.build if isinstance(plan, HorizonPlan) else plan._build).matrix.columns


def page(title: str, *frames: pd.DataFrame) -> str:
    body = "".join(f.to_html(float_format="{:,.4g}".format, border=0) for f in frames if len(f))
    return f"<div><b>{html.escape(title)}</b>{body}</div>"


# ---------------------------------------------------------------------- solved again


def again(plan: Portfolio, graph: SupplyGraph, fix: Any = None, **changes: Any) -> Portfolio:
    w = plan.written
    options = {
        "product": w["products"],
        "levers": w["levers"],
        "scenarios": w["scenarios"],
        "objective": w["objective"],
        "constraints": w["asked"],
        "horizon": w["horizon"],
        "discount": w["discount"],
        "ramp": w["ramp"],
        "needs": w["needs"],
        "supply": w["supply"],
        "time_limit": None,
        "gap": None,
        "seed": plan.seed,
    }
    return plan_case(graph, w["buyers"], fix=fix, **(options | changes))


def bought(plan: Portfolio, by: tuple[str, ...] = ("product", "supplier")) -> pd.Series:
    """Deliveries by product and supplier: of a year, or the mean of all periods."""
    d = plan.decisions
    total = d[~d["lever"].isin(["substitute", "stockpile"])].groupby(list(by))["quantity"].sum()
    periods = len(plan.years) if isinstance(plan, HorizonPlan) and "year" not in by else 1
    return total / periods


# ---------------------------------------------------------------------- information


def _told_apart(a: float, b: float) -> float:
    """A difference of two optima, 0 where it is within what a solver can tell."""
    return 0.0 if abs(a - b) <= 1e-9 * max(abs(a), abs(b)) else a - b


@dataclass(frozen=True, repr=False)
class Information:
    """What knowing the scenario, and what thinking in scenarios, is worth; in the objective's unit.

    Attributes
    ----------
    recourse : float
        Objective of the plan under uncertainty.
    wait_and_see : float
        Objective if the scenario were known before deciding: by the risk measure of the plan, of what each would come to.
    naive : float
        Objective of the plan that ignores the scenarios, once they come.
    perfect_information, stochastic_solution : float
        ``recourse - wait_and_see`` and ``naive - recourse``, both at least 0.
    by_scenario : tuple of (str, float)
        Objective in each scenario if it were known.
    """

    recourse: float
    wait_and_see: float
    naive: float
    by_scenario: tuple[tuple[str, float], ...] = field(default=())
    _unit: str = "USD a year"

    def _told(self, value: float) -> str:
        return money(value).removesuffix(" USD") + f" {self._unit}"

    @property
    def perfect_information(self) -> float:
        """Most that a perfect forecast is worth."""
        return _told_apart(self.recourse, self.wait_and_see)

    @property
    def stochastic_solution(self) -> float:
        """What the plan saves over one that ignores the scenarios."""
        return _told_apart(self.naive, self.recourse)

    def __repr__(self) -> str:
        return (
            f"<Information: a perfect forecast is worth {self._told(self.perfect_information)}, thinking in scenarios "
            f"{self._told(self.stochastic_solution)}>"
        )

    def _repr_html_(self) -> str:
        frame = pd.DataFrame(self.by_scenario, columns=["scenario", f"objective if known, {self._unit}"])
        return page(repr(self).strip("<>"), frame)


def value_of_information(plan: Portfolio) -> Information:
    r"""Value of perfect information, and value of the stochastic solution (Birge and Louveaux, 2011).

    .. math:: \mathrm{EVPI} = \mathrm{RP} - \rho(\mathrm{WS}), \qquad \mathrm{VSS} = \mathrm{EEV} - \mathrm{RP}, \qquad
        \rho(\mathrm{WS}) = \sum_s p_s\, \mathrm{WS}_s \;\text{for expected losses}

    with :math:`\mathrm{WS}_s` the objective if scenario :math:`s` were known before deciding, and :math:`\rho` the risk
    measure of the objective: the expectation, the CVaR at its level, the worst, or, where an objective weighs several
    measures of one loss, their mean with these weights. Each is monotone and moves with a constant, so that
    :math:`\mathrm{WS}_s \le c(x) + \lambda L_s(x)` at the plan :math:`x` gives :math:`\mathrm{EVPI} \ge 0`: what nobody can act
    on is worth nothing (Pflug and Roemisch, 2007). EEV keeps the decisions of the plan that minimises the same objective without
    losses (a plan for calm weather).

    Parameters
    ----------
    plan : Portfolio
        A plan with scenarios that have probabilities.

    Returns
    -------
    Information

    Raises
    ------
    SchemaError
        The plan has no scenarios, or they have no probabilities; its mixes follow the plan, so that it is a local
        optimum; or its objective weighs different measures of different losses, which no single one stands for.
    """
    whole_plan(plan, "value_of_information")
    for b in plan._wide.bases if isinstance(plan, HorizonPlan) else (plan._build,):
        refuse_mixes(b, "value_of_information")
    m, c = plan._build, plan._compiled
    if m.scenarios is None:
        raise SchemaError(
            [Problem("value_of_information", "-", "scenarios", "the plan has none", "", "Plan with scenarios=.")],
            "value_of_information()",
        )
    if m.scenarios.assumed:
        text = "an uncertainty set has no expected value"
        problem = Problem("value_of_information", "-", "scenarios", text, "", "Give the scenarios probabilities.")
        raise SchemaError([problem], "value_of_information()")
    rulers = _rulers(plan)
    every = any(name == "worst" for _, name, _ in rulers)  # it counts what has no probability too
    known: list[tuple[str, float]] = []
    chance: list[float] = []
    for name, p, bundle in zip(m.scenarios.names, m.scenarios.probability, m.scenarios.measures, strict=True):
        if p > 0 or every:
            known.append((name, again(plan, m.case.graph, scenarios={name: (1.0, list(bundle))}).objective_value))
            chance.append(p)
    each, p_of = np.array([v for _, v in known]), np.array(chance)
    seen = sum(w * _measured(name, alpha, each, p_of) for w, name, alpha in rulers)
    cost = c.cost.copy()
    first = np.ones(c.n, dtype=bool)
    for group in columns_of(plan):
        if scenario_columns(group.name):
            cost[group.at] = 0.0
            first[group.at] = False
    calm = _optimal(replace(c, cost=cost), plan.seed)
    lower, upper = c.lower.copy(), c.upper.copy()
    lower[first] = upper[first] = calm.x[first]
    # What only those decisions enter is met by them: stated again, it could fail by the solver's tolerance alone.
    own = np.add.reduceat(np.append(~first[c.index], False), c.start[:-1]) * (np.diff(c.start) > 0) == 0
    low, high = np.where(own, -np.inf, c.row_lower), np.where(own, np.inf, c.row_upper)
    none = np.zeros(0, dtype=np.int64)
    left = replace(c, lower=lower, upper=upper, row_lower=low, row_upper=high, square=none, square_of=none)
    naive = _optimal(left, plan.seed)
    return Information(plan.objective_value, float(seen), naive.objective, tuple(known), unit_of(plan))


def _rulers(plan: Portfolio) -> list[tuple[float, str, float]]:
    """Risk measures of a plan's objective, as weights that add to 1, names and levels."""
    found: list[tuple[float, str, float]] = []
    lost: set[tuple[Any, ...]] = set()
    for weight, term in plan.written["objective"].terms:
        a = term.arguments
        if weight <= 0 or term.name not in _MEASURES:
            continue
        level = float(a.get("alpha", 0.0))
        name = "mean" if _MEASURES[term.name] == "cvar" and level == 0.0 else _MEASURES[term.name]
        found.append((weight, name, level if name == "cvar" else 0.0))
        # Parts of the need that are added up, and the largest of them, are different losses where there are several.
        lost.add((a.get("times_price"),) if "times_price" in a else (term.name, a.get("product")))
    kinds = {(name, level) for _, name, level in found}
    if len(kinds) > 1 and len(lost) > 1:
        text = "the objective weighs different measures of different losses"
        hint = "Take one measure, or one value of what does not arrive (times_price=) in all of them."
        problem = Problem("value_of_information", "-", "objective", text, f"{plan.written['objective']}", hint)
        raise SchemaError([problem], "value_of_information()")
    if len(kinds) == 1:
        return [(1.0, *next(iter(kinds)))]
    total = sum(w for w, *_ in found)
    return [(w / total, name, level) for w, name, level in found] or [(1.0, "mean", 0.0)]


def _measured(name: str, alpha: float, value: FloatArray, p: FloatArray) -> float:
    """Mean, mean of the worst part, or worst of what scenarios come to."""
    if name == "mean":
        return float(p @ value)
    if name == "worst":
        return float(value.max())
    value, p = value[p > 0], p[p > 0]
    if alpha >= 1.0:
        return float(value.max())
    order = np.argsort(-value, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    part = np.clip(1.0 - alpha - before, 0.0, p[order])
    return float(part @ value[order] / part.sum())


def unit_of(plan: Portfolio) -> str:
    """Unit of a plan's objective: money with its year, or that it is none."""
    if goal_unit(plan.written["objective"]) != "USD/year":
        return "of the objective"
    return dollars(plan._build) + (" in present value" if isinstance(plan, HorizonPlan) else " a year")


def _optimal(c: Compiled, seed: int) -> Solution:
    s = solve(c, seed=seed, duals=False)
    if s.status != "optimal":
        raise stopped(s)
    return s


# ---------------------------------------------------------------------- how firm it is


@dataclass(frozen=True, eq=False, repr=False)
class Stability:
    """A plan solved again on data drawn from their intervals.

    Attributes
    ----------
    suppliers : DataFrame
        ``product, supplier, plan, often, p05, median, p95``: quantity of the plan, part of the samples that buy there,
        quantiles over all samples.
    plants : DataFrame
        ``project, plan, often``.
    objective : DataFrame
        Quantiles of the objective.
    samples, infeasible, drawn : int
        Samples solved, samples without any plan, figures that had an interval to draw from.
    unit : str
        Of the objective.
    """

    suppliers: pd.DataFrame
    plants: pd.DataFrame
    objective: pd.DataFrame
    samples: int
    infeasible: int
    drawn: int
    seed: int
    unit: str = ""

    def __repr__(self) -> str:
        return (
            f"<Stability: {self.samples} samples over {self.drawn} uncertain figures, {self.infeasible} without a plan, "
            f"seed {self.seed}>"
        )

    def _repr_html_(self) -> str:
        goal = self.objective.rename(columns={"objective": f"objective, {self.unit}"} if self.unit else {})
        return page(repr(self).strip("<>"), goal, self.suppliers, self.plants)


def _draw(graph: SupplyGraph, rng: np.random.Generator) -> tuple[SupplyGraph, int]:
    frames: dict[str, pd.DataFrame] = {}
    count = 0
    for table, column in _DRAWN:
        frame = frames.get(table, graph.tables[table])
        plain = column == "quantity"
        low = frame["low" if plain else f"{column}_low"].astype(float).to_numpy()
        high = frame["high" if plain else f"{column}_high"].astype(float).to_numpy()
        value = frame[column].astype(float).to_numpy()
        wide = np.flatnonzero((high > low) & (value >= low) & (value <= high))
        if not len(wide):
            continue
        new = value.copy()
        new[wide] = rng.triangular(low[wide], value[wide], high[wide])
        frames[table] = frame.assign(**{column: new})
        count += len(wide)
    return (graph.replace(note="a draw from the intervals", **frames) if frames else graph), count


def _projects(plan: Portfolio) -> set[str]:
    frame = plan.schedule if isinstance(plan, HorizonPlan) else plan.plants
    return set(frame["project"].astype(str))


def stability(plan: Portfolio, samples: int = 20, seed: int = 0) -> Stability:
    """How much of a plan stands when its data move within their intervals.

    Every figure with bounds (outputs, capacities, costs, prices, flows, use) is drawn from the triangle of its low,
    value and high, and the plan is solved again.

    Parameters
    ----------
    plan : Portfolio
        A plan. Over several periods quantities are the mean of all of them.
    samples : int
        Draws, at least 1.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    Stability
    """
    whole_plan(plan, "stability")
    samples = int(number("samples", samples, 1.0))
    rng = np.random.default_rng(seed)
    graph = plan._build.case.graph
    if not _draw(graph, np.random.default_rng(seed))[1]:
        warnings.warn(
            "stability(): no figure has an interval to draw from, so every sample is the plan itself; this says nothing of "
            "how firm it is. Give figures low and high bounds.",
            UserWarning,
            stacklevel=2,
        )
    quantity: list[pd.Series] = []
    objective: list[float] = []
    plants: list[set[str]] = []
    drawn = infeasible = 0
    for _ in range(samples):
        other, drawn = _draw(graph, rng)
        try:
            p = again(plan, other)
        except InfeasibleError:
            infeasible += 1
            continue
        quantity.append(bought(p))
        objective.append(p.objective_value)
        plants.append(_projects(p))
    own = bought(plan).rename("plan")
    solved = len(quantity)
    table = pd.concat(quantity, axis=1, keys=range(solved)) if solved else pd.DataFrame(index=own.index)
    table = table.reindex(table.index.union(own.index)).fillna(0.0)
    out = pd.DataFrame({"plan": own.reindex(table.index).fillna(0.0)})
    out["often"] = (table > 0).sum(axis=1) / samples
    for name, q in (("p05", 0.05), ("median", 0.5), ("p95", 0.95)):
        out[name] = table.quantile(q, axis=1) if solved else np.nan
    named = sorted(set().union(*plants, _projects(plan)))
    mine = _projects(plan)
    built = pd.DataFrame(
        {
            "project": named,
            "plan": [n in mine for n in named],
            "often": [sum(n in s for s in plants) / samples for n in named],
        }
    )
    goal = pd.Series(objective, dtype=float).quantile([0.05, 0.5, 0.95]).rename("objective").to_frame()
    goal.loc["plan"] = plan.objective_value
    index = out.index.set_names(["product", "supplier"])
    told = unit_of(plan)
    return Stability(out.set_axis(index).reset_index(), built, goal, samples, infeasible, drawn, seed, told)


def stand_alone(graph: SupplyGraph, buyers: str | Iterable[str] | None = None, **options: Any) -> pd.Series:
    """What each member would pay above today if it planned for itself, for :func:`supplyrisk.portfolio.equal_burden`.

    Parameters
    ----------
    graph, buyers
        As in :func:`supplyrisk.portfolio.optimize`.
    **options
        Passed on to it.

    Returns
    -------
    Series
        USD a year by ISO3. A member that has no plan of its own (infeasible alone) is NaN; one without a pool of the
        products is left out.

    Notes
    -----
    Each member may use all that suppliers can redirect, as if nobody else did.
    """
    from ..errors import UnknownNameError
    from .run import optimize

    known_words("stand_alone", stand_alone, options, optimize)
    out: dict[str, float] = {}
    for member in resolve_buyers(graph, buyers):
        try:
            plan = optimize(graph, member, **options)
        except InfeasibleError:
            out[member] = np.nan
        except UnknownNameError as err:
            if "demand pools" not in str(err):
                raise
        else:
            out[member] = float(plan.costs["plan"].sum() - plan.costs["today"].sum())
    return pd.Series(out, name="usd", dtype=float)

"""A diversification plan read for a brief: caps, purchases, projects, cost, prices of a point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import SchemaError, UnknownNameError
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..registry import Spec, objective
from .dependence import dependence

if TYPE_CHECKING:
    from ..portfolio import Portfolio

FloatArray = npt.NDArray[np.float64]

__all__ = ["PlanReading", "focal_deliveries", "make_plan", "read_plan"]


def _empty(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))


@dataclass(frozen=True, eq=False)
class PlanReading:
    """A plan in the brief's words.

    Attributes
    ----------
    status : str
        ``optimal``, ``nothing_to_do`` or ``none``; ``why`` says the reason of the last.
    cap : float
        Cap asked for, a fraction.
    view : str
        View of the cap.
    shares : DataFrame
        ``product, name, before, before_low, before_high, after, after_low, after_high, grade`` of the group.
    caps : DataFrame
        ``product, name, asked, used``: where the cap cannot be reached, the lowest that can, rounded up to a full per cent.
    buys : DataFrame
        ``product, name, supplier, today, plan, change, unit`` by country of the supplier, changes only, largest first.
    builds : DataFrame
        ``project, name, product, product_name, country, capacity, delivered, unit, capex, status``.
    cost, cost_without_cap, capex : float
        USD a year, USD a year, USD. ``cost_without_cap`` is the least cost of the same need without the cap.
    binding, prices, notes, left_out, conflict : tuple of str
        In words.
    solver, solver_status : str
        Which solver, and how it ended.
    portfolio : Portfolio or None
        The whole result.
    """

    status: str
    cap: float
    view: str
    why: str = ""
    shares: pd.DataFrame = field(default_factory=lambda: _empty("product", "name", "before", "after"))
    caps: pd.DataFrame = field(default_factory=lambda: _empty("product", "name", "asked", "used"))
    buys: pd.DataFrame = field(default_factory=lambda: _empty("product", "name", "supplier"))
    builds: pd.DataFrame = field(default_factory=lambda: _empty("project", "name"))
    cost: float = math.nan
    cost_without_cap: float = math.nan
    capex: float = math.nan
    binding: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    conflict: tuple[str, ...] = ()
    solver: str = ""
    solver_status: str = ""
    written: str = ""
    portfolio: Any = None

    @property
    def cost_change(self) -> float:
        """USD a year more than the least cost of the same need without the cap."""
        return self.cost - self.cost_without_cap

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "status": self.status,
            "why": self.why or None,
            "cap": self.cap,
            "view": self.view,
            "shares": self.shares.to_dict("records"),
            "caps": self.caps.to_dict("records"),
            "buys": self.buys.to_dict("records"),
            "builds": self.builds.to_dict("records"),
            "cost_usd_per_year": self.cost,
            "cost_without_cap_usd_per_year": self.cost_without_cap,
            "cost_change_usd_per_year": self.cost_change,
            "capex_usd": self.capex,
            "binding": list(self.binding),
            "prices": list(self.prices),
            "notes": list(self.notes),
            "left_out": list(self.left_out),
            "solver": self.solver,
            "solver_status": self.solver_status,
            "written": self.written,
        }


@objective(unit="sum of shares")
def focal_deliveries(m: Any, focal: str | tuple[str, ...] = "CHN", view: str = "control") -> tuple[object, object]:
    r"""Sum over the products of the focal's share in what the group gets, :math:`\sum_p \sum_{u,b} s_u x_{ub} / D_p`.

    Minimised, it gives the lowest share that can be reached in each product, because products do not compete for suppliers.

    Parameters
    ----------
    m : Build
        Given by the engine.
    focal : str or tuple of str
        As everywhere.
    view : str
        As everywhere.

    Returns
    -------
    tuple of ndarray
        Columns and their coefficients.
    """
    part = focal_deliveries_of(m, focal, view)
    need = np.bincount(m.case.pool_product, m.case.need, len(m.case.products))
    return np.arange(m.n_lanes), part / np.maximum(need[m.lane_product], 1e-300)


def focal_deliveries_of(m: Any, focal: str | tuple[str, ...], view: str) -> FloatArray:
    """Part of each possible delivery that is the focal's; what is not known counts as the focal's."""
    s = m.shares(scope(focal), view)
    part = np.where(np.isnan(s.value), s.high, s.value)
    return np.asarray(np.where(np.isnan(part), 1.0, part)[m.supplier], dtype=np.float64)


def make_plan(
    graph: SupplyGraph,
    focal: Sequence[str],
    buyers: Sequence[str],
    products: Sequence[str],
    scored: pd.DataFrame,
    cap: float | None,
    default_cap: float,
    view: str,
    budget: float | None,
) -> PlanReading:
    """Least-cost plan that brings the focal share in each product to the cap, or as near as can be where none was given.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal, buyers, products : sequence of str
        Whose share, of whom, in what.
    scored : DataFrame
        As of :func:`supplyrisk.report.dependence.dependence`; for grades.
    cap : float or None
        Cap asked for; None: ``default_cap``, and where that cannot be reached the lowest share that can.
    default_cap : float
        See ``cap``.
    view : str
        View of the cap.
    budget : float or None
        Most capital, USD.

    Returns
    -------
    PlanReading

    Raises
    ------
    InfeasibleError
        A cap that was given cannot be met.
    SolverError
        The solver stopped.
    """
    from ..portfolio import budget as budget_of
    from ..portfolio import cost, max_share, optimize

    wanted = default_cap if cap is None else cap
    usable, left = _usable(graph, buyers, products)
    if not usable:
        why = (
            "no product named has what a plan needs (a price and a pool of the buyers)"
            if products
            else "no product is named"
        )
        return PlanReading("none", wanted, view, why, left_out=tuple(left))
    place = focal[0] if len(focal) == 1 else tuple(focal)
    money: list[Spec] = [] if budget is None else [budget_of(budget)]
    # A plan never leaves a buyer more dependent than before, and a cap that nobody asked for gives way to what can be reached.
    lowest = optimize(graph, buyers, product=usable, objective=focal_deliveries(place, view=view), constraints=money)
    reach = _reached(lowest, place, view)
    caps = {p: min(wanted, reach[p][1]) for p in usable}
    if cap is None:
        # Rounded up to a full per cent: the very lowest share would be bought at any price.
        caps = {p: max(caps[p], min(math.ceil(reach[p][0] * 100 - 1e-6) / 100, reach[p][1])) for p in usable}
    specs = [max_share(place, min(math.ceil(caps[p] * 1e6) / 1e6, 1.0), view=view, product=p) for p in usable]
    plan = optimize(graph, buyers, product=usable, objective=cost(), constraints=[*specs, *money])
    return read_plan(graph, plan, focal, buyers, view, cap, scored=scored, caps=caps, asked=wanted, left=left)


def _usable(graph: SupplyGraph, buyers: Sequence[str], products: Sequence[str]) -> tuple[list[str], list[str]]:
    """Products that can be planned, and why the others cannot."""
    from ..portfolio.model import Build, missing_costs
    from ..portfolio.supply import read_case

    names = graph.tables["products"].set_index("product")["name"]
    good: list[str] = []
    left: list[str] = []
    for p in products:
        try:
            case = read_case(graph, buyers, [p])
        except SchemaError as err:
            left.append(f"{names[p]}: {err.problems[0].rule}")
            continue
        except UnknownNameError:  # none of the buyers has a pool of it
            left.append(f"{names[p]}: no pool of these buyers")
            continue
        if p not in case.products or not len(case.pool):
            left += [f"{names[p]}: {g.note}" for g in case.gaps] or [f"{names[p]}: no pool of these buyers"]
            continue
        lacking = missing_costs(Build(case))
        if p in lacking:
            left.append(f"{names[p]}: {lacking[p]}")
            continue
        good.append(p)
    return good, left


def _reached(plan: Portfolio, focal: str | tuple[str, ...], view: str) -> dict[str, tuple[float, float]]:
    """Share of the focal in each product as the optimiser counts it: in the plan, and in today's deliveries."""
    m = plan._build
    part = focal_deliveries_of(m, focal, view)
    flow = plan._solution.x[: m.n_lanes]
    today = plan.offers["upper"].where(plan.offers["lever"] == "keep", 0.0).to_numpy(dtype=float)
    n = len(m.case.products)
    out = {}
    for k, x in {"plan": flow, "today": today}.items():
        total = np.bincount(m.lane_product, x, n)
        mine = np.bincount(m.lane_product, x * part, n)
        out[k] = np.divide(mine, total, out=np.ones(n), where=total > 0)
    return {str(p): (float(out["plan"][i]), float(out["today"][i])) for i, p in enumerate(m.case.products)}


def read_plan(
    graph: SupplyGraph,
    plan: Any,
    focal: Sequence[str],
    buyers: Sequence[str],
    view: str,
    cap: float | None,
    *,
    scored: pd.DataFrame | None = None,
    caps: Mapping[str, float] | None = None,
    asked: float | None = None,
    left: Sequence[str] = (),
) -> PlanReading:
    """A portfolio in the brief's words.

    Parameters
    ----------
    graph : SupplyGraph
        The graph that was planned on.
    plan : Portfolio
        Result of :func:`supplyrisk.optimize`.
    focal, buyers : sequence of str
        ISO3 codes.
    view : str
        View of the shares shown: location or control.
    cap : float or None
        Cap asked for.
    scored : DataFrame, optional
        For the grades.
    caps : mapping, optional
        Product to the cap that was used.
    asked : float, optional
        Cap asked for where ``cap`` is None.
    left : sequence of str
        What could not be planned, in words.

    Returns
    -------
    PlanReading
    """
    from ..portfolio.marginal import dual_words

    names = _names(graph)
    products = [str(p) for p in plan.written["products"]]
    before = scored if scored is not None else dependence(graph, focal, buyers, products)
    shares = _side_by_side(before, dependence(plan.graph, focal, buyers, products), products, view)
    wanted = cap if cap is not None else asked if asked is not None else math.nan
    used = dict.fromkeys(shares["product"], wanted) if caps is None else dict(caps)
    table = pd.DataFrame(
        {"product": shares["product"], "name": shares["name"], "asked": wanted, "used": shares["product"].map(used)}
    )
    titles = graph.tables["projects"].drop_duplicates("project").set_index("project")["name"].astype(str).to_dict()
    builds = plan.plants.assign(
        name=plan.plants["project"].map(lambda p: titles.get(p, str(p))), product_name=plan.plants["product"].map(names)
    ).sort_values(["capex", "project"], ascending=[False, True], kind="stable")
    duals = dual_words(plan, both=False)  # of constraints only
    words = duals[duals["meaning"].astype(bool)]
    caps_said = [
        str(m)
        for c, m in zip(words["constraint"], words["meaning"], strict=True)
        if str(c).startswith(("max_share", "budget"))
    ]
    left_out = [
        *left,
        *(f"{names.get(g['product'], g['product'])}, {g['what']}: {g['note']}" for g in plan.gaps.to_dict("records")),
    ]
    integer = bool(len(plan.projects))
    proven = plan.status == "optimal"
    far = f", relative gap {plan.gap:.1g}" if plan.gap > 0 and (integer or not proven) else ""
    how = ("proven optimal" if proven else f"not proven optimal ({plan.status.replace('_', ' ')})") + far
    return PlanReading(
        "optimal",
        wanted,
        view,
        "",
        shares,
        table,
        _buys(plan, names),
        builds.reset_index(drop=True),
        float(plan.costs["plan"].sum()),
        float(plan.costs["unconstrained"].sum()),
        float(plan.plants["capex"].sum()),
        tuple(dict.fromkeys(plan.binding)),
        tuple(dict.fromkeys(caps_said)),
        tuple(dict.fromkeys(plan.notes)),
        tuple(dict.fromkeys(left_out)),
        (),
        f"Pyomo and {plan.solver} {plan.version}",
        how,
        "; ".join(map(repr, plan.written["constraints"])),
        plan,
    )


def _side_by_side(before: pd.DataFrame, after: pd.DataFrame, products: Sequence[str], view: str) -> pd.DataFrame:
    """The same share of two graphs, by the same ruler."""
    a, b = (f.set_index("product").reindex(list(products)) for f in (before, after))
    out = pd.DataFrame({"product": products, "name": a["name"].to_numpy()})
    for label, frame in (("before", a), ("after", b)):
        for tail in ("", "_low", "_high"):
            out[f"{label}{tail}"] = frame[f"{view}{tail}"].to_numpy(dtype=float)
    out["grade"] = a["grade"].to_numpy()
    return out


def _names(graph: SupplyGraph) -> dict[str, str]:
    products = graph.tables["products"]
    return dict(zip(products["product"].astype(str), products["name"].astype(str), strict=True))


def _buys(plan: Portfolio, names: Mapping[str, str]) -> pd.DataFrame:
    """Purchases by product and country of the supplier, today and in the plan, where they differ."""
    offers, taken = plan.offers, plan.decisions
    key = ["product", "country"]
    today = offers[offers["lever"] == "keep"].groupby(key)["upper"].sum()
    bought = ~taken["lever"].isin(["substitute", "stockpile"])  # no purchase, or beside the need
    after = taken[bought].groupby(key)["quantity"].sum()
    both = pd.concat([today.rename("today"), after.rename("plan")], axis=1).fillna(0.0).reset_index()
    both = both.rename(columns={"country": "supplier"})
    both["change"] = both["plan"] - both["today"]
    total = both.groupby("product")["plan"].transform("sum")
    both = both[both["change"].abs() > 1e-3 * total]
    unit = offers.drop_duplicates("product").set_index("product")["unit"]
    both = both.assign(
        name=both["product"].map(names), unit=both["product"].map(unit), _part=both["change"].abs() / total
    )
    both = both.sort_values(["_part", "product", "supplier"], ascending=[False, True, True], kind="stable")
    return both[["product", "name", "supplier", "today", "plan", "change", "unit"]].reset_index(drop=True)

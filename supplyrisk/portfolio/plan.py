"""``Portfolio``: a plan as plain tables, with the graph it leads to and the model it came from."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..metrics.unknown import nothing_known
from . import show, tables
from .explain import binding_rows
from .inputs import asked_outside
from .kept import carried, uses
from .marginal import Price, dual_words, need_prices, prices
from .matrix import Compiled
from .model import GROUP, Build
from .options import RECYCLER
from .readings import bound_but_not_counted, counted, entering, met_in_what_is_known
from .reserves import stock_table
from .solve import Solution
from .tables import NOISE
from .tiers import derived, drawn_links, unfed
from .views import cap_part, node_shares
from .words import worth

__all__ = ["Portfolio", "market_shares", "plan_graph"]

FloatArray = npt.NDArray[np.float64]
_SHOWN = 8


@dataclass(frozen=True, eq=False, repr=False)
class Portfolio:
    """An optimal diversification plan.

    Attributes
    ----------
    decisions : DataFrame
        ``lever, product, supplier, country, project, buyer, quantity, unit, unit_cost, cost, delivers, grade``: a
        row per delivery of the plan, per pool that substitutes (lever ``substitute``, no supplier) and per delivery into
        stock (``stockpile``, beside the need); ``delivers`` is the first year of a plant's output on record; quantities
        a period of the product, ``cost`` in USD a year without the plants' annuity.
    plants : DataFrame
        ``project, product, country, capacity, delivered, unit, capex, annuity, start, status``: what is built.
    costs : DataFrame
        ``product, item, today, plan, unconstrained`` in USD a year. ``today`` pays for today's deliveries, which may be
        less or more than the need; compare ``plan`` with ``unconstrained``, the least cost of the same need
        (:attr:`cost_increase`).
    offers : DataFrame
        Every delivery the plan could choose from: ``lever, product, supplier, buyer, upper, unit_cost, project``, and
        ``share <focal> (<view>)``, the coefficient of a cap on that share.
    needs, availability, projects : DataFrame
        The rest of the model's data: what each pool needs, what each supplier can deliver, what can be built.
    duals : DataFrame
        Marginal values in words, with yes-or-no decisions as they are; at a kink both sides are told, of needs
        (:attr:`need_prices`), supply and limits.
    binding : tuple of str
        Constraints that hold with equality.
    objective_value : float
        In USD a year, where the objective is a cost.
    status, solver, version : str
        How the solver ended: ``optimal``; ``locally_optimal`` where mixes follow the plan and ``gap`` is not closed;
        ``time_limit`` where the plan is the best found in the time there was; ``near_optimal`` where squares could not be met
        within the gap asked, and for what :func:`supplyrisk.portfolio.alternatives` adds.
    gap, seconds, seed : float, float, int
        Relative gap, wall time of build and solve, seed.
    fingerprint, question : str
        Hash of the input graph, and of what was asked of it.
    written : dict
        The call in the user's words.
    notes, gaps : tuple
        Assumptions made, how squares of a concentration were solved, and what was left out and why.
    """

    objective_value: float
    status: str
    solver: str
    version: str
    gap: float
    bound: float
    timing: dict[str, float]
    seed: int
    written: dict[str, Any]
    focal: tuple[tuple[Any, str], ...]
    _build: Build = field(repr=False)
    _compiled: Compiled = field(repr=False)
    _solution: Solution = field(repr=False)

    @property
    def seconds(self) -> float:
        """Wall time of build and solve."""
        return sum(self.timing.values())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the input graph."""
        return self._build.case.graph.fingerprint

    @cached_property
    def question(self) -> str:
        """Hash of what was asked: buyers, products, levers, objective, constraints, scenarios, horizon and paths."""
        names = ("buyers", "products", "levers", "objective", "asked", "scenarios", "horizon")
        asked = {k: self.written.get(k) for k in (*names, "discount", "ramp", "needs", "supply")}
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """A row per delivery of the plan."""
        return tables.decisions(self._build, self._solution.x)

    @cached_property
    def offers(self) -> pd.DataFrame:
        """Every delivery the plan could choose from, and the focal part of it in each view of the plan's shares.

        A cap with a ``rule``, ``worst`` or ``hazard`` of its own has a column of that name: what a unit counts in it.
        """
        out = tables.offers(self._build, self._solution.x)
        for name, flag in tables.counted_parts(self._build, self.focal, self.written["constraints"]).items():
            out[name] = flag[self._build.supplier]
        return out

    @cached_property
    def re_exports(self) -> pd.DataFrame:
        """Kept re-exports that a constraint by location counts, and what a unit adds to each focal share over its makers'."""
        out = tables.re_exports(self._build, self._solution.x)
        for name, flag in tables.counted_parts(self._build, self.focal, self.written["constraints"]).items():
            extra = [flag[s.relay] - s.mix @ flag for s in self._build.sent.values()]
            out[name] = np.concatenate([np.zeros(0), *extra])
        return out

    @cached_property
    def re_export_mixes(self) -> pd.DataFrame:
        """``product, re_exporter, supplier, part``: makers behind re-exporters, who bring no more of each than the buyer buys."""
        return tables.re_export_mixes(self._build)

    @cached_property
    def outbids(self) -> pd.DataFrame:
        """What re-exporters send elsewhere and is outbid at their mix: beyond ``without_outbids`` of :attr:`availability`."""
        return tables.outbids(self._build, self._solution.x)

    @cached_property
    def needs(self) -> pd.DataFrame:
        """What each pool needs."""
        return tables.needs(self._build, self._solution.x)

    @cached_property
    def availability(self) -> pd.DataFrame:
        """What each producer can deliver."""
        return tables.availability(self._build, self._solution.x)

    @cached_property
    def projects(self) -> pd.DataFrame:
        """Every project on offer."""
        return tables.plants(self._build, self._solution.x)

    @cached_property
    def plants(self) -> pd.DataFrame:
        """The projects that are built."""
        return self.projects[self.projects["built"].astype(bool)].reset_index(drop=True)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """USD a year by product and item: today's deliveries, the plan, and the same need met without constraints."""
        mine = tables.costs(self._build, self._solution.x)
        free = self.unconstrained
        other = tables.costs(free._build, free._solution.x).drop(columns="today")
        out = mine.merge(
            other.rename(columns={"plan": "unconstrained"}), on=["product", "item"], how="outer", sort=False
        )
        return out.fillna({"today": 0.0, "plan": 0.0, "unconstrained": 0.0})

    @cached_property
    def unconstrained(self) -> Portfolio:
        """The least-cost plan for the same need with the same levers and no constraints: what costs compare with."""
        from .run import optimize

        w, m = self.written, self._build
        return optimize(
            m.case.graph, w["buyers"], product=w["products"], levers=w["levers"], horizon=m.horizon, seed=self.seed
        )

    @property
    def cost_increase(self) -> float:
        """USD a year that the constraints cost: the plan over the least cost of the same need without them."""
        return float(self.costs["plan"].sum() - self.costs["unconstrained"].sum())

    @cached_property
    def duals(self) -> pd.DataFrame:
        """Marginal values in words, in the unit of the objective; of needs, suppliers and plants those of both sides."""
        return dual_words(self, both=True)

    @cached_property
    def _prices(self) -> list[Price]:
        return prices(self)

    @cached_property
    def need_prices(self) -> pd.DataFrame:
        """``product, buyer, need, unit, one_more, one_less``: the objective for one unit more needed, and saved for one less.

        Every bound that holds the need counts; yes-or-no decisions stay as they are. The two differ at a kink. ``inf``: no
        more can be had; NaN: mixes that settled from another start than today's, a large model of many needs, of which the
        greatest come first, or squares by tangents that do not tell the figure.
        """
        return need_prices(self)

    @cached_property
    def binding(self) -> tuple[str, ...]:
        """Constraints that hold with equality."""
        return binding_rows(self._build, self._compiled, self._solution.x)

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """What was left out, and why."""
        return pd.DataFrame([vars(g) for g in self._build.gaps], columns=["product", "what", "where", "note"])

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Assumptions made."""
        m = self._build
        notes = list(m.notes)
        d = self.decisions
        graded = d["grade"].isin(["C", "D", "assumption"])
        if graded.any():
            part = float(d.loc[graded, "cost"].sum() / max(float(d["cost"].sum()), 1e-300))
            notes.append(f"{int(graded.sum())} of {len(d)} unit costs ({part:.0%} of spending) rest on assumptions")
        notes += met_in_what_is_known(m, self._solution.x)
        notes += bound_but_not_counted(m, self._solution.x, self.written["constraints"])
        focal = self.focal[0][0] if self.focal else scope("CHN")
        notes += unfed(m, self._solution.x, focal)
        notes += asked_outside(m, self._solution.x, focal)
        if self._solution.way:
            notes.append(f"concentration: {self._solution.way}")
        if m.edits:
            shown = "; ".join(m.edits[:_SHOWN]) + (
                f"; and {len(m.edits) - _SHOWN} more" if len(m.edits) > _SHOWN else ""
            )
            notes.append(f"the live model was edited: {shown}")
        return tuple(dict.fromkeys(notes))

    @cached_property
    def stocks(self) -> pd.DataFrame:
        """What is held where: quantity added and on record, days of cover, value and yearly cost in USD."""
        return stock_table(self._build, self._solution.x)

    @cached_property
    def readings(self) -> pd.DataFrame:
        """Every constraint: ``model``, the constraint's own expression, beside ``score``, that of :attr:`graph`."""
        from .readings import readings

        return readings(self)

    @cached_property
    def graph(self) -> SupplyGraph:
        """The graph with the plan carried out: its links, its plants, and what it takes from others."""
        return plan_graph(self._build, self._solution.x)

    @property
    def model(self) -> Any:
        """The live Pyomo model, complete, with the plan's values; add to it and call :meth:`resolve`.

        Variables: ``flow[lever, supplier, pool]``, ``project[id]``, ``shortfall[pool]``, ``stock[pool]``. A constraint
        of your own is one line, ``plan.model.mine = pyo.Constraint(expr=plan.model.project["New (x.refined)"] <= 0)``,
        and it is solved with all the rest, and named if it clashes with them. So are variables and blocks of your own.
        An HHI that is only paid for stands in the objective as its squares. Members of the plan's own constraints that are
        deactivated, deleted or written anew, and bounds, fixed values and domains of its variables, act as they stand;
        the notes of the new plan list them. What a plan cannot follow (another objective, curved constraints, variables
        taken out) is refused by :meth:`resolve`.
        """
        from .arrays import complete, load_values

        m = complete(self._build.model, self._build.matrix)
        if len(self._solution.x) == self._build.matrix.n:
            load_values(m, self._solution.x)
        return m

    def resolve(self, time_limit: float | None = None) -> Portfolio:
        """Solve the live model again, with what was added to, fixed or deactivated in :attr:`model`.

        Parameters
        ----------
        time_limit : float, optional
            Seconds.

        Returns
        -------
        Portfolio
        """
        from .run import solve_build
        from .settling import Live, forked

        own = copy.copy(self._build)  # this plan keeps its own words and notes
        own.notes = list(own.notes)
        if own.movers:  # and the mixes that it settled in
            own.absorb()
            own = forked(own)
            Live(own).restart()
        plan = solve_build(own, self.written, self.focal, time_limit=time_limit, gap=None, seed=self.seed)
        if own._model is not None:
            _ = plan.model  # the live model holds the new values, those of the user's own variables too
        return plan

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Focal shares before and after, by the ruler of the score.

        A row per product, buyer (the group and every pool), focal and view: ``before`` and ``after`` with their
        bounds, and ``model``, the share as the optimiser counted it. ``before`` is measured on the input graph and
        ``after`` on :attr:`graph`, both as the score does: by location, a pool that passes goods on is where it
        stands, and goods count where they enter the group; in the other views the group is the mean of its buyers.
        A share of which nothing is known, with bounds of 0 and 1, is NaN, as in the score.
        ``before_made`` attributes today's deliveries to who makes them. ``model`` counts the plan's deliveries with the
        shares of the input graph; it differs from ``after`` by origin only, where the plan changes the upstream mixes.
        """
        return _share_table(self)

    def share(self, view: str, focal: Any = "CHN", product: str | None = None, buyer: str = GROUP) -> pd.Series:
        """One row of :attr:`shares`; another focal or view than the plan's is computed on the spot."""
        product = product or self._build.case.products[0]
        frame = _share_table(self, ((scope(focal, self._build.graph), view),))
        hit = frame[(frame["product"] == product) & (frame["buyer"] == buyer)]
        if not len(hit):
            from ..errors import unknown_name

            raise unknown_name("market", f"{product} / {buyer}", frame["product"] + " / " + frame["buyer"])
        return hit.iloc[0]

    def __repr__(self) -> str:
        return (
            f"<Portfolio: {self.status}, {worth(self.objective_value, self.written['objective'], self._build)}, "
            f"{len(self.decisions)} deliveries, {len(self.plants)} plants, {self.solver} {self.version}>"
        )

    @cached_property
    def agreements(self) -> pd.DataFrame:
        """``kind, with, product, quantity, unit, outlay``: contracts that are signed and sources that are qualified."""
        return show.agreements(self._build, self._solution.x)

    @cached_property
    def scenarios(self) -> pd.DataFrame:
        """What happens in each scenario, by product.

        ``scenario, probability, product, need, lost, released, rerouted, unit, loss``: product units a period, and the
        loss in USD a year as the objective values it (ten times the price where it has no figure of its own).
        """
        return show.scenario_table(self._build, self._solution.x, self.written["objective"])

    @cached_property
    def terms(self) -> pd.DataFrame:
        """What levers allow and cost beside deliveries and plants: ``lever, product, where, what, value, unit``.

        Least and most of contracts, outlays of qualified sources, limits and prices of substitutes, limits and charges of
        stocks, the value of a unit lost. With :attr:`offers`, :attr:`needs`, :attr:`availability`, :attr:`projects`,
        :attr:`cuts`, :attr:`re_exports`, their mixes and :attr:`outbids` the instance can be written again by other means.
        """
        return show.terms(self._build, self.written["objective"])

    @cached_property
    def cuts(self) -> pd.DataFrame:
        """``scenario, probability, lever, supplier, buyer, left``: what scenarios leave of deliveries, where not all."""
        return show.cuts(self._build)

    @cached_property
    def risk(self) -> pd.Series:
        """Expected loss, value at risk, CVaR and worst loss over :attr:`scenarios`, USD a year; ``alpha`` is the level."""
        return show.risk(self.scenarios, self.written["objective"])

    def summary(self) -> str:
        """The plan in a dozen lines of text."""
        return show.summary_of_plan(self)

    def _repr_html_(self) -> str:
        return show.html_of_plan(self)


def market_shares(graph: SupplyGraph, pools: list[str], focal: Any, view: str) -> pd.DataFrame:
    """Focal share of what each pool gets, weighed over its direct suppliers.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    pools : list of str
        Demand node ids.
    focal : str or tuple of str
        As everywhere.
    view : str
        As everywhere.

    Returns
    -------
    DataFrame
        Index pool; ``quantity`` and the focal part of it: ``value, low, high``. A pool without known inflow is NaN.
    """
    ix = graph.index
    s = node_shares(graph, focal, view)
    code = ix.position.get_indexer(pd.Index(pools, dtype=object))
    product = ix.nodes["product"].to_numpy(dtype=object)
    own = ix.links["product"].to_numpy(dtype=object) == product[ix.dst] if len(ix.dst) else np.zeros(0, bool)
    q = np.nan_to_num(ix.quantity) * own
    total = np.bincount(ix.dst, q, ix.n)[code] if len(q) else np.zeros(len(code))
    out: dict[str, FloatArray] = {"quantity": np.where(total > 0, total, np.nan)}
    for name in ("value", "low", "high"):
        part = getattr(s, name)[ix.src]
        part = np.where(np.isnan(part), s.high[ix.src] if name != "low" else 0.0, part)
        amount = np.bincount(ix.dst, q * part, ix.n)[code] if len(q) else np.zeros(len(code))
        out[name] = np.where(total > 0, amount, np.nan)
    return pd.DataFrame(out, index=pd.Index(pools, name="pool"))


def _share_table(p: Portfolio, which: tuple[tuple[Any, str], ...] | None = None) -> pd.DataFrame:
    m = p._build
    case = m.case
    pools = case.graph.index.nodes["node"].to_numpy(dtype=object)[case.pool].tolist()
    whole = p._solution.x
    x = whole[: m.n_lanes]
    taken = uses(m, whole)
    fed = carried(m, taken.flow, taken.outbid, whole)[0]
    rows: list[dict[str, Any]] = []
    for focal, view in which if which is not None else p.focal:
        direct = market_shares(case.graph, pools, focal, view)
        after = market_shares(p.graph, pools, focal, view)
        s = m.shares(focal, view)
        base = {"quantity": np.bincount(case.base_pool, case.base, len(pools))}
        for name in ("value", "low", "high"):
            part = getattr(s, name)[m.base_supplier]
            part = np.where(np.isnan(part), 0.0 if name == "low" else s.high[m.base_supplier], part)
            base[name] = np.bincount(case.base_pool, case.base * part, len(pools))
        made = pd.DataFrame(base, index=direct.index)
        flag = cap_part(m, focal, view)
        got = np.bincount(m.pool, x, len(pools))
        for k, product in enumerate(case.products):
            mine = np.flatnonzero(case.pool_product == k)
            markets = [(GROUP, mine), *((str(m.pool_country[i]), np.array([i])) for i in mine)]
            for buyer, sel in markets:
                row: dict[str, Any] = {"product": product, "buyer": buyer, "focal": "+".join(focal), "view": view}
                for label, frame, weight in (
                    ("before", direct, made["quantity"]),
                    ("before_made", made, made["quantity"]),
                    ("after", after, got),
                ):
                    f = frame.iloc[sel]
                    # Pools weigh by what they use, so that what is passed on within the group counts once.
                    w = np.where(np.isnan(f["quantity"]), 0.0, np.asarray(weight, dtype=np.float64)[sel])
                    part = f[["value", "low", "high"]].div(f["quantity"], axis=0).fillna(0.0)
                    total = float(w.sum())
                    for name, tag in (("value", ""), ("low", "_low"), ("high", "_high")):
                        row[label + tag] = float(w @ part[name].to_numpy(dtype=float)) / total if total > 0 else np.nan
                    if buyer == GROUP and view == "location" and label != "before_made":
                        where = case.graph if label == "before" else p.graph
                        row |= _entering(where, [pools[i] for i in sel], focal, label)
                whole_group = buyer == GROUP and view != "location"
                parts = [np.array([i]) for i in sel.tolist()] if whole_group else [sel]
                each = np.array([counted(m, fed, flag, i) for i in parts])
                weight = np.array([float(got[i].sum()) for i in parts]) * ~np.isnan(each)
                row["model"] = float(np.nan_to_num(each) @ weight / weight.sum()) if weight.sum() > 0 else np.nan
                for label in ("before", "before_made", "after"):  # 0 that only says that nothing is known is no share
                    if nothing_known(*(np.array([row[label + t]]) for t in ("", "_low", "_high")))[0]:
                        row[label] = np.nan
                if np.isnan(row["after"]) and row["model"] <= NOISE:
                    row["model"] = np.nan
                rows.append(row)
    bounds = [f"{label}{t}" for label in ("before", "after") for t in ("", "_low", "_high")]
    columns = ["product", "buyer", "focal", "view", *bounds[:3], "before_made", *bounds[3:], "model"]
    return pd.DataFrame(rows, columns=columns)


def _entering(graph: SupplyGraph, pools: list[str], focal: Any, label: str) -> dict[str, float]:
    """Focal share by location of what enters several pools, value and bounds."""
    s = node_shares(graph, focal, "location")
    value = np.where(np.isnan(s.value), s.high, s.value)
    parts = (("", value), ("_low", np.nan_to_num(s.low)), ("_high", s.high))
    return {label + tag: entering(graph, pools, part) for tag, part in parts}


def plan_graph(m: Build, x: FloatArray) -> SupplyGraph:
    """The graph with a plan carried out.

    The group's pools are fed by the plan's deliveries alone. What the plan keeps keeps its sender, also where that is
    a re-exporter (:func:`supplyrisk.portfolio.kept.carried`), and its source, method, grade and scaled bounds; only
    what is added is an assumption, with the interval of its grade. Pools outside the group that pass less on to it get
    less, at unchanged mixes. Spare capacity that is used becomes output; what is outbid is taken from a producer's
    other buyers in proportion, those who pass nothing on to the group first. Plants that are built stand as nodes
    with their inputs and owners.

    Parameters
    ----------
    m : Build
        The model.
    x : ndarray
        A solution.

    Returns
    -------
    SupplyGraph
    """
    case, base = m.case, m.graph
    taken = uses(m, x)
    flow, used, from_spare, outbid = taken.flow, taken.used, taken.spare, taken.outbid
    ids = m.node
    ix = base.index
    nodes, links, holdings = (base.tables[t].copy() for t in ("nodes", "links", "holdings"))
    # Links of older vintages go with the newest: the plan replaces the relation.
    supplier = links["supplier"].astype("object").to_numpy()
    buyer = links["buyer"].astype("object").to_numpy()
    product = links["product"].astype("object").to_numpy()
    src = ix.position.get_indexer(pd.Index(supplier, dtype=object))
    dst = ix.position.get_indexer(pd.Index(buyer, dtype=object))
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    node_product = ix.nodes["product"].to_numpy(dtype=object)
    # Codes of the case and of the graph with candidates differ: translate by id.
    case_ids = case.graph.index.nodes["node"].to_numpy(dtype=object)
    code = ix.position.get_indexer(pd.Index(case_ids, dtype=object))
    group = np.zeros(ix.n, dtype=bool)
    group[code[case.pool]] = True
    own = product == node_product[dst]
    in_scope = np.isin(product, case.products)
    into = group[dst] & own & in_scope
    fed, left, relaying, outbid = carried(m, flow, outbid, x)
    quantity = links["quantity"].astype(float).to_numpy()
    current = pd.DataFrame({"s": supplier, "b": buyer, "p": product, "y": links["year"].astype(float).fillna(-1)})
    newest = ~current.sort_values("y", kind="stable").duplicated(["s", "b", "p"], keep="last").reindex(current.index)
    scale = np.ones(len(links))
    outside = (kind[dst] == "demand") & own & in_scope & ~group[dst]
    scale[outside] = left[dst[outside]]
    sells = ~into & in_scope & (node_product[src] == product)
    count = sells & newest.to_numpy()
    # Who passes nothing on to the group gives first: so what the group keeps of a re-exporter keeps its mix.
    free = ~(outside & relaying[dst])
    leaves = np.nan_to_num(quantity * scale)
    give = np.bincount(src[count & free], leaves[count & free], ix.n)
    rest = np.bincount(src[count & ~free], leaves[count & ~free], ix.n)
    # Output that no link records goes to buyers nobody names; they are outbid like the others.
    output = np.nan_to_num(ix.nodes["output"].to_numpy(dtype=float))
    sold = np.bincount(ix.src, np.nan_to_num(ix.quantity), ix.n)
    give = give + np.maximum(output - sold, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        squeeze = np.where(give > 0, np.clip(1.0 - outbid / give, 0.0, 1.0), 1.0)
        more = np.where(rest > 0, np.clip(1.0 - np.maximum(outbid - give * (1.0 + NOISE), 0.0) / rest, 0.0, 1.0), 1.0)
    scale[sells] *= np.where(free, squeeze[src], more[src])[sells]

    # Links into the group: kept ones keep their evidence, scaled; only what is added is an assumption.
    key = fed["src"].to_numpy(dtype=np.int64) * ix.n + fed["dst"].to_numpy(dtype=np.int64)
    base_now = fed["base"].to_numpy(dtype=float)
    after = pd.Series(fed["quantity"].to_numpy(dtype=float), index=key)
    today_in = pd.Series(base_now, index=key)
    pair = src * ix.n + dst
    to, was = (s.reindex(pair).to_numpy(dtype=float) for s in (after, today_in))
    grown = into & (to > was) & (was > 0)
    untouched = np.ones(ix.n, dtype=bool)
    untouched[fed["dst"].to_numpy(dtype=int)[~(fed["quantity"].to_numpy() == base_now)]] = False
    unknown = into & ~(np.nan_to_num(quantity) > 0) & untouched[dst]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(was > 0, to / was, 0.0)
    scale[into] = np.where(unknown, 1.0, np.where(grown, 1.0, np.nan_to_num(ratio)))[into]
    drop = (scale <= 1e-12) & ((quantity > 0) | into)
    changed = (scale != 1.0) & ~drop
    for column in ("quantity", "low", "high", "value"):
        links[column] = links[column].astype(float) * scale
    added = np.where(grown & newest.to_numpy(), to - was, 0.0)
    for column in ("quantity", "low", "high"):
        links[column] = links[column].astype(float) + added
    larger = added > 0
    # Makers that make more draw more.
    drawn = drawn_links(m, from_spare)
    if drawn.any():
        at = pd.MultiIndex.from_arrays([ix.src, ix.dst, ix.links["product"].to_numpy(dtype=object)])
        more = pd.Series(drawn, index=at).reindex(pd.MultiIndex.from_arrays([src, dst, product])).fillna(0.0).to_numpy()
        more = np.where(newest.to_numpy(), more, 0.0)
        for column in ("quantity", "low", "high"):
            links[column] = links[column].astype(float) + more
        larger |= more > 0
    links.loc[larger, "value"] = np.nan
    links.loc[changed & ~into, "note"] = "less by what the plan takes"
    links.loc[changed & into, "note"] = "kept in part by the plan"
    links.loc[larger, "note"] = "more by a delivery of the plan"
    links.loc[larger, "grade"] = "assumption"
    links.loc[(changed & ~into) | larger, "method"] = "assumed"

    fresh = fed[~(base_now > 0)]
    new = pd.DataFrame(
        {
            "supplier": ids[fresh["src"].to_numpy(dtype=int)],
            "buyer": ids[fresh["dst"].to_numpy(dtype=int)],
            "product": node_product[fresh["dst"].to_numpy(dtype=int)],
            "year": base.reference_year,
            "method": "assumed",
            "quantity": fresh["quantity"].to_numpy(dtype=float),
            "grade": "assumption",
            "note": "delivery of the plan",
        }
    )
    # Spare capacity put to use is output; a plant's output is what it delivers.
    node_code = ix.position.get_indexer(pd.Index(nodes["node"].astype("object"), dtype=object))
    raise_by = from_spare[node_code]
    hit = raise_by > 0
    for column in ("output", "output_low", "output_high"):
        nodes[column] = nodes[column].astype(float) + np.where(hit, raise_by, 0.0)
    # Recyclers that recycle nothing do not exist.
    keep_node = ~((nodes["note"] == RECYCLER).to_numpy(dtype=bool, na_value=False) & (used <= 0)[node_code])
    links_kept = links[~drop]
    if m.candidates is not None and len(m.candidates.frame):
        frame = m.candidates.frame
        made = np.bincount(m.project[m.project >= 0], flow[m.project >= 0], len(frame)) if len(flow) else np.zeros(0)
        built = made > 0
        if m.projects is not None:
            built |= x[m.projects.start : m.projects.start + m.projects.n] > 0.5
        gone = set(frame.loc[~built, "node"])
        keep_node &= ~nodes["node"].astype("object").isin(gone).to_numpy(dtype=bool)
        links_kept = links_kept[~links_kept["buyer"].astype("object").isin(gone)]
        holdings = holdings[~holdings["asset"].astype("object").isin(gone)]
        full = m.candidates.frame["capacity"].to_numpy(dtype=float) * m.utilisation
        rate = dict(zip(frame["node"], np.divide(made, full, out=np.zeros_like(made), where=full > 0), strict=True))
        amount = dict(zip(frame["node"], made, strict=True))
        mine = nodes["node"].astype("object").isin(set(frame["node"])).to_numpy(dtype=bool)
        nodes.loc[mine, "output"] = nodes.loc[mine, "node"].astype("object").map(amount).astype(float)
        feeds = links_kept["buyer"].astype("object").isin(set(frame["node"])).to_numpy(dtype=bool)
        part = links_kept["buyer"].astype("object").map(rate).astype(float).fillna(1.0).to_numpy()
        links_kept = links_kept.assign(quantity=links_kept["quantity"] * np.where(feeds, part, 1.0))
    frames = {"nodes": nodes[keep_node], "links": pd.concat([links_kept, new], ignore_index=True), "holdings": holdings}
    told = _use_told(m, x, dst[unknown & np.isnan(quantity)], links.loc[unknown & np.isnan(quantity), "high"])
    if len(told):
        dark = base.tables["demand"]["node"].isin(told["node"])
        frames["demand"] = pd.concat([base.tables["demand"][~dark], told], ignore_index=True)
    stocks = _stocks_held(m, x)
    if len(stocks):
        frames["stocks"] = pd.concat([base.tables["stocks"], stocks], ignore_index=True)
    return base.replace(note="a plan carried out", **frames)


def _use_told(m: Build, x: FloatArray, dst: npt.NDArray[np.int64], high: pd.Series) -> pd.DataFrame:
    """Use of pools into which something of unknown quantity flows, as rows of the table ``demand``.

    What such a pool uses cannot be told from its links, and the score leaves it out. The plan meets its recorded
    deliveries, and takes them for its need; what may come beside them, home make mostly, may be used on top.
    """
    ix, case = m.graph.index, m.case
    used = m.graph.tables["demand"]
    stated = set(used.loc[used["quantity"].notna(), "node"].astype(str))
    at = np.flatnonzero(np.isin(m.pool_code, dst) & ~np.isin(m.node[m.pool_code].astype(str), list(stated)))
    if not len(at):
        return pd.DataFrame()
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    draws = (kind[ix.dst] == "producer") & (
        ix.links["product"].to_numpy(dtype=object) == ix.nodes["product"].to_numpy(dtype=object)[ix.src]
    )
    drawn = np.bincount(ix.src[draws], np.nan_to_num(ix.quantity[draws]), ix.n)[m.pool_code[at]]
    col, row = m.missed(at)
    lost = np.bincount(row, x[col], len(at)) if len(col) else np.zeros(len(at))
    lost = lost + derived(m, x)[at]  # what production draws on top is no use of the pool
    need = np.maximum(case.need[at] - lost - drawn, 0.0) / (1.0 if m.grown is None else m.grown[at])
    # An open end stays open: what is not told of the flow is not told of the use.
    top = np.bincount(dst, np.nan_to_num(high.to_numpy(dtype=float), nan=np.inf), ix.n)[m.pool_code[at]]
    return pd.DataFrame(
        {
            "node": m.node[m.pool_code[at]],
            "use": "total",
            "year": m.graph.reference_year,
            "quantity": need,
            "low": need,
            "high": np.where(np.isfinite(top), need + top, np.nan),
            "grade": "assumption",
            "note": "need as the plan counts it: what is delivered on record; something of unknown quantity comes beside it",
        }
    )


def _stocks_held(m: Build, x: FloatArray) -> pd.DataFrame:
    """Stock that the plan adds, as rows of the table; of the year of what is on record there, so that both count."""
    if m.stock is None:
        return pd.DataFrame()
    held = x[m.stock.at]
    at = np.flatnonzero(held > NOISE * m.pool_size)
    node = m.case.graph.index.nodes["node"].to_numpy(dtype=object)[m.case.pool][at]
    known = m.graph.tables["stocks"]
    newest = known.assign(place=known["node"].astype(str).str.split(":").str[0]).groupby("place")["year"].max()
    year = newest.reindex([str(n).partition(":")[0] for n in node]).astype(float).to_numpy()
    return pd.DataFrame(
        {
            "node": node,
            "holder": "the plan",
            "year": np.where(np.isnan(year), m.graph.reference_year, year).astype(int),
            "quantity": held[at],
            "grade": "assumption",
            "note": "stock of the plan",
        }
    )

"""Plans over several periods: years or quarters, plants that are decided early and arrive late, stocks carried over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..graph import SupplyGraph
from .calendar import Period
from .explain import binding_rows, cut_short, infeasible, stopped
from .held import origin_notes
from .idle import bundles, without_idle
from .marginal import Price, of_period
from .matrix import Compiled
from .model import Build, number
from .plan import Portfolio
from .settling import ROUNDS, Live, forked_wide, settle
from .show import html_of_periods, risk, share_words, steps_of_periods
from .solve import Solution, solve, usable
from .unseen import refuse_unseen
from .widen import Wide, read_ramp, spending, widen
from .words import dated, worth

__all__ = ["HorizonPlan", "PeriodPlan", "settle", "solve_periods"]

FloatArray = npt.NDArray[np.float64]
Label = int | str
# Columns of tables that say when a plant is decided and when it first delivers.
WHEN = ["decided", "delivers"]
_STATED = ("with_draws", "with_draws_low", "with_draws_high")
_LONG = 80
_ASK = {"model": "plan.model", "resolve": "plan.resolve()"}


def refuse_period(what: str, label: Label) -> SchemaError:
    """The error for a question that one period of a plan cannot answer by itself."""
    return SchemaError(
        [
            Problem(
                what,
                str(label),
                "plan",
                "is one period of a plan over several, and is for reading only",
                "",
                f"Ask the whole plan: {_ASK.get(what, what + '(plan)')}; or plan the year by itself with optimize(...).",
            )
        ],
        f"{what}()",
    )


def _as_supplied(graph: SupplyGraph, m: Build) -> SupplyGraph:
    """The graph with what existing producers can make in the period; their output is at least what they send."""
    factor = np.broadcast_to(np.asarray(m.supply_factor, dtype=float), (m.graph.index.n,))
    moved = factor != 1.0
    if not moved.any():
        return graph
    times = dict(zip(m.node[moved].tolist(), factor[moved].tolist(), strict=True))
    nodes, links = graph.tables["nodes"], graph.tables["links"]
    hit = nodes["node"].isin(set(times)).to_numpy(dtype=bool)
    by = nodes["node"].astype("object").map(times).astype(float).fillna(1.0).to_numpy()
    sent = links.groupby("supplier")["quantity"].sum().astype(float)
    least = nodes["node"].astype("object").map(sent).astype(float).fillna(0.0).to_numpy()
    new = {c: nodes[c].astype(float) * by for c in ("capacity", "capacity_low", "capacity_high")}
    made, top = (nodes[c].to_numpy(dtype=float) for c in ("output", "output_high"))
    enough = np.where(hit & ~np.isnan(made), np.fmax(made, least), made)
    sides = {"output": enough, "output_high": np.where(hit & ~np.isnan(top), np.fmax(top, enough), top)}
    new |= {c: pd.Series(v, index=nodes.index) for c, v in sides.items()}
    return graph.replace(note="supply of the period", nodes=nodes.assign(**new))


@dataclass(frozen=True, eq=False, repr=False)
class PeriodPlan(Portfolio):
    """One period of a plan over several, to be read: tables, graph, shares, duals.

    What would solve it again is refused: the period's stocks, plants and contracts hang together with the others.
    """

    _when: pd.DataFrame = field(kw_only=True)
    _label: Label = field(kw_only=True)
    _whole: HorizonPlan = field(kw_only=True)

    def _dated(self, frame: pd.DataFrame) -> pd.DataFrame:
        """With the period in which each plant is decided and that in which it first delivers."""
        known = self._when.drop_duplicates(["project", "product"]).set_index(["project", "product"])
        keys = pd.MultiIndex.from_frame(frame[["project", "product"]].astype(object))
        out = frame.copy()
        for c in WHEN:
            out[c] = known[c].reindex(keys).to_numpy(dtype=object)
        return out

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """A row per delivery of the period."""
        return self._dated(Portfolio.decisions.func(self))  # type: ignore[attr-defined]

    @cached_property
    def projects(self) -> pd.DataFrame:
        """Every project on offer, and whether it stands."""
        return self._dated(Portfolio.projects.func(self))  # type: ignore[attr-defined]

    @cached_property
    def graph(self) -> SupplyGraph:
        """The graph with the plan carried out in the period; use on record and what is passed on grow as the needs do."""
        found: SupplyGraph = Portfolio.graph.func(self)  # type: ignore[attr-defined]
        m = self._build
        found = _as_supplied(found, m)
        if m.grown is None:
            return found
        factor = dict(zip(m.node[m.pool_code].tolist(), m.grown.tolist(), strict=True))
        frame = found.tables["demand"]
        times = frame["node"].astype("object").map(factor).astype(float).fillna(1.0).to_numpy()
        used = {c: frame[c].astype(float) * times for c in ("quantity", "low", "high", *_STATED)}
        # What a buyer sends on to places that the plan does not supply grows with what it gets.
        links = found.tables["links"]
        sends = links["supplier"].astype("object").map(factor).astype(float)
        beyond = links["buyer"].str.endswith(":demand") & ~links["buyer"].isin(set(factor))
        more = sends.where(beyond.to_numpy(dtype=bool)).fillna(1.0).to_numpy()
        sent = {c: links[c].astype(float) * more for c in ("quantity", "low", "high", "stated_low", "stated_high")}
        note = "needs of the period"
        return found.replace(note=note, demand=frame.assign(**used), links=links.assign(**sent))

    @property
    def unconstrained(self) -> Portfolio:
        """The least-cost plan of one year for the same need with the same levers and no constraints."""
        from .run import plan_case

        w, m = self.written, self._build
        need = {f"{m.case.products[int(k)]}@{c}": v for k, c, v in zip(
            m.case.pool_product, m.pool_country, m.case.need, strict=True
        )}  # fmt: skip
        return plan_case(
            m.case.graph,
            w["buyers"],
            product=w["products"],
            levers=w["levers"],
            scenarios=None,
            objective=None,
            constraints=(),
            horizon=m.horizon,
            discount=0.0,
            ramp=(1.0,),
            time_limit=None,
            gap=None,
            seed=self.seed,
            exactly=need,
        )

    @cached_property
    def _prices(self) -> list[Price]:
        return of_period(self._whole, self._label)

    @property
    def model(self) -> Any:
        """Refused: the live model is that of the whole plan."""
        raise refuse_period("model", self._label)

    def resolve(self, time_limit: float | None = None) -> Portfolio:
        """Refused: solve the whole plan again."""
        raise refuse_period("resolve", self._label)


@dataclass(frozen=True, eq=False, repr=False)
class HorizonPlan(Portfolio):
    """A plan over several periods. Tables have a ``year``; :meth:`year` gives one period to read by itself.

    ``objective_value`` is the present value of all periods in USD of the first. ``graph`` and ``shares`` without a year
    are those of the last. ``schedule`` says what is decided when and delivers from when.
    """

    _wide: Wide = field(kw_only=True)

    @property
    def years(self) -> tuple[Label, ...]:
        """Periods of the plan: years, or quarters like ``2026Q1``."""
        return self._wide.labels

    @property
    def _last(self) -> Portfolio:
        return self.year(self.years[-1])

    @cached_property
    def _by_year(self) -> dict[Label, Portfolio]:
        return {}

    def year(self, year: Label) -> Portfolio:
        """One period of the plan, with its own tables and graph; costs are those of a year, not discounted.

        Parameters
        ----------
        year : int or str
            One of :attr:`years`.

        Returns
        -------
        Portfolio
            To be read. What would solve it again (``resolve``, ``model``, alternatives ...) is refused: ask the plan.
        """
        if year not in self.years:
            raise unknown_name("year", str(year), map(str, self.years))
        if year not in self._by_year:
            w = self._wide
            s = self.years.index(year)
            m = w.bases[s]
            x = w.part(self._solution.x, s)
            c = m.matrix.compile()
            value = float(c.cost @ x) + c.offset

            def duals() -> tuple[FloatArray, FloatArray]:
                at = w.row[s]
                row = np.where(at >= 0, self._solution.row_dual[at], 0.0) / w.weight[s]
                return row, np.full(c.n, np.nan)

            solution = replace(self._solution, x=x, objective=value, _duals=duals)
            keep = {k: getattr(self, k) for k in ("status", "solver", "version", "gap", "timing", "seed", "focal")}
            self._by_year[year] = PeriodPlan(
                objective_value=value,
                bound=np.nan,
                written=self.written,
                _build=m,
                _compiled=c,
                _solution=solution,
                _when=self.schedule,
                _label=year,
                _whole=self,
                **keep,
            )
        return self._by_year[year]

    @cached_property
    def _twins(self) -> dict[Label, Label]:
        """Of each period the first that is the same in all respects: its tables are made once."""
        out: dict[Label, Label] = {}
        for s, label in enumerate(self.years):
            m, x = self._wide.bases[s], self._wide.part(self._solution.x, s)
            out[label] = label
            for i, other in enumerate(self.years[:s]):
                if self._wide.bases[i] is m and out[other] == other:
                    size = 1e-9 * np.concatenate([g.scale for g in m.matrix.columns])
                    if (np.abs(x - self._wide.part(self._solution.x, i)) <= size).all():
                        out[label] = other
                        break
        return out

    def _stack(self, what: Callable[[Portfolio], pd.DataFrame]) -> pd.DataFrame:
        frames = []
        for y in self.years:
            frame = what(self.year(self._twins[y])).copy()
            frame.insert(0, "year", y)
            frames.append(frame)
        return pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """A row per period and delivery; ``decided`` and ``delivers`` of plants are periods."""
        return self._stack(lambda p: p.decisions)

    @cached_property
    def needs(self) -> pd.DataFrame:
        """What each pool needs, by period."""
        return self._stack(lambda p: p.needs)

    @cached_property
    def availability(self) -> pd.DataFrame:
        """What each producer can deliver, by period."""
        return self._stack(lambda p: p.availability)

    @cached_property
    def re_exports(self) -> pd.DataFrame:
        """Kept re-exports, by period."""
        return self._stack(lambda p: p.re_exports)

    @cached_property
    def outbids(self) -> pd.DataFrame:
        """What re-exporters send elsewhere and the plan outbids, by period."""
        return self._stack(lambda p: p.outbids)

    @cached_property
    def readings(self) -> pd.DataFrame:
        """Every bound on a metric, by period; see :attr:`Portfolio.readings`."""
        return self._stack(lambda p: p.readings)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """USD a year by period, product and item, not discounted."""
        return self._stack(lambda p: p.costs)

    @cached_property
    def unconstrained(self) -> Portfolio:
        """The plan over the same periods with the same levers and no constraints, at the least cost."""
        from .run import plan_case

        w = self.written
        return plan_case(
            self._build.case.graph,
            w["buyers"],
            product=w["products"],
            levers=w["levers"],
            scenarios=None,
            objective=None,
            constraints=(),
            horizon=w["horizon"],
            discount=w["discount"],
            ramp=w["ramp"],
            needs=w["needs"],
            supply=w["supply"],
            time_limit=None,
            gap=None,
            seed=self.seed,
        )

    @property
    def cost_increase(self) -> float:
        """USD of present value that the plan costs over the least cost of the same needs without constraints."""
        w = self._wide
        mine = sum(
            float(w.weight[s]) * float(b.yearly_cost()[1] @ w.part(self._solution.x, s)[b.yearly_cost()[0]])
            for s, b in enumerate(w.bases)
        )
        return mine + self._stock_left - self.unconstrained.objective_value

    @property
    def _stock_left(self) -> float:
        """What is left in stock at the end, as the objective counts it (below 0: an asset)."""
        w = self._wide
        if w.bases[0].stock is None:
            return 0.0
        x, cost = self._solution.x, self._compiled.cost
        last = w.cols("stock", len(w.periods) - 1)
        holding = next(o for o in w.bases[-1].outlays if o.item == "stockpile")
        return float((cost[last] - holding.usd * w.weight[-1]) @ x[last])

    @cached_property
    def stocks(self) -> pd.DataFrame:
        """What is held at the end of each period."""
        return self._stack(lambda p: p.stocks)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Focal shares before and after, by period; see :attr:`Portfolio.shares`."""
        return self._stack(lambda p: p.shares)

    @cached_property
    def plants(self) -> pd.DataFrame:
        """The projects that are built, as they stand in the last period."""
        return self._last.plants

    @cached_property
    def projects(self) -> pd.DataFrame:
        """Every project on offer, as it stands in the last period."""
        return self._last.projects

    @cached_property
    def offers(self) -> pd.DataFrame:
        """Every delivery the plan could choose from, by period."""
        return self._stack(lambda p: p.offers)

    @cached_property
    def graph(self) -> SupplyGraph:
        """The graph of the last period."""
        return self._last.graph

    @cached_property
    def schedule(self) -> pd.DataFrame:
        """``project, product, country, decided, delivers, capex, capex_year`` of what is decided; None where it is after the plan."""
        w, columns = self._wide, ["project", "product", "country", *WHEN, "capex", "capex_year"]
        if w.decide is None or self._build.candidates is None:
            return pd.DataFrame(columns=columns)
        s, j = np.divmod(np.flatnonzero(self._solution.x[w.decide.at] > 0.5), len(w.lead))
        known = self._build.candidates.frame.assign(capex_year=lambda f: f.get("capex_year", np.nan))
        frame = known.iloc[j][["project", "product", "country", "capex", "capex_year"]].reset_index(drop=True)
        label = np.array(w.labels, dtype=object)
        out = frame.assign(decided=label[s], delivers=label[s + w.lead[j]])[columns]
        return out.infer_objects()

    @cached_property
    def spending(self) -> pd.DataFrame:
        """``year, project, product, usd``: capital that is spent in each period on what was decided."""
        w, columns = self._wide, ["year", "project", "product", "usd"]
        if w.decide is None or self._build.candidates is None:
            return pd.DataFrame(columns=columns)
        row, col, value = spending(w)
        on = self._solution.x[col] > 0.5
        j = (col[on] - w.decide.start) % len(w.lead)
        frame = self._build.candidates.frame.iloc[j][["project", "product"]].reset_index(drop=True)
        out = frame.assign(year=np.array(w.labels, dtype=object)[row[on]], usd=value[on])[columns]
        return (
            out[out["usd"] > 0].sort_values(["year", "project"], kind="stable").reset_index(drop=True).infer_objects()
        )

    @cached_property
    def agreements(self) -> pd.DataFrame:
        """``year, kind, with``: contracts in force and sources that are open, by period."""
        rows = [
            {"year": label, "kind": kind, "with": who}
            for s, label in enumerate(self.years)
            for g in self._wide.bases[s].matrix.columns
            for kind in ("contract", "qualify")
            if g.name == f"{kind}_with"
            for who, on in zip(g.keys, self._solution.x[self._wide.at[s][g.at]] > 0.5, strict=True)
            if on
        ]
        return pd.DataFrame(rows, columns=["year", "kind", "with"])

    @cached_property
    def scenarios(self) -> pd.DataFrame:
        """What happens in each scenario, by period; see :attr:`Portfolio.scenarios`."""
        return self._stack(lambda p: p.scenarios)

    @cached_property
    def terms(self) -> pd.DataFrame:
        """What levers allow and cost, by period; see :attr:`Portfolio.terms`."""
        return self._stack(lambda p: p.terms)

    @cached_property
    def cuts(self) -> pd.DataFrame:
        """What scenarios leave of deliveries, by period."""
        return self._stack(lambda p: p.cuts)

    @cached_property
    def risk(self) -> pd.Series:
        """Expected loss, value at risk, CVaR and worst loss of whole paths in present value; :meth:`year` has those of a period."""
        frame = self.scenarios
        weight = {p.label: float(self._wide.weight[s]) for s, p in enumerate(self._wide.periods)}
        whole = frame.assign(loss=frame["loss"].astype(float) * frame["year"].map(weight).astype(float))
        whole.attrs = dict(frame.attrs)
        out = risk(whole, self.written["objective"])
        return out.rename(str(out.name).replace(" a year", " of present value"))

    @cached_property
    def releases(self) -> pd.DataFrame:
        """``year, scenario, product, buyer, released, refilled, held, lost`` in product units, where there are scenarios."""
        columns = ["year", "scenario", "product", "buyer", "released", "refilled", "held", "lost"]
        m, w = self._build, self._wide
        if m.losses is None or m.scenarios is None:
            return pd.DataFrame(columns=columns)
        n, k = len(m.case.pool), len(m.scenarios.names)
        frames = []
        for s, p in enumerate(w.periods):
            dt = np.tile(m.period[m.case.pool_product] * p.length, k)
            got = {c: np.full(n * k, np.nan) for c in ("release", "refill", "held")}
            if m.stock is not None:
                got = {c: self._solution.x[w.cols(c, s)] for c in got}
            lost = self._solution.x[w.cols("lost", s)]
            frames.append(
                pd.DataFrame(
                    {
                        "year": p.label,
                        "scenario": np.repeat(np.array(m.scenarios.names, dtype=object), n),
                        "product": np.tile(np.array(m.case.products, dtype=object)[m.case.pool_product], k),
                        "buyer": np.tile(m.pool_country, k),
                        "released": got["release"] * dt,
                        "refilled": got["refill"] * dt,
                        "held": got["held"],
                        "lost": lost * dt,
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)[columns]

    def independent_from(
        self, cap: float, view: str = "control", focal: Any = "CHN", product: str | None = None
    ) -> Label | None:
        """Time to independence: first period from which the group's focal share stays at or below a cap; None if never.

        Parameters
        ----------
        cap : float
            Share in [0, 1].
        view, focal, product
            As in :meth:`Portfolio.share`.
        """
        each = {
            y: float(self.year(y).share(view, focal, product)["after"]) for y in dict.fromkeys(self._twins.values())
        }
        after = [each[self._twins[y]] for y in self.years]
        late = [i for i, a in enumerate(after) if not a <= cap + 1e-6]
        first = late[-1] + 1 if late else 0
        return self.years[first] if first < len(self.years) else None

    @cached_property
    def binding(self) -> tuple[str, ...]:
        """Constraints that hold with equality, by period."""
        return binding_rows(self._wide.build, self._compiled, self._solution.x)

    @property
    def model(self) -> Any:
        """The live Pyomo model of all periods; its members have the period as the first index."""
        from .arrays import complete, load_values

        b = self._wide.build
        m = complete(b.model, b.matrix)
        if len(self._solution.x) == b.matrix.n:
            load_values(m, self._solution.x)
        return m

    def resolve(self, time_limit: float | None = None) -> HorizonPlan:
        """Solve the live model again; see :meth:`Portfolio.resolve`."""
        wide = self._wide
        if any(b.movers for b in wide.bases):  # this plan keeps the mixes that it settled in
            wide.build.absorb()
            wide = forked_wide(wide)
            Live(wide.bases[0], wide).restart()
        plan = finish(wide, self.written, self.focal, time_limit=time_limit, gap=None, seed=self.seed)
        if wide.build._model is not None:
            _ = plan.model  # the live model holds the new values, those of the user's own variables too
        return plan

    def share(self, view: str, focal: Any = "CHN", product: str | None = None, buyer: str = "group") -> pd.Series:
        """A share in the last period; ``plan.year(2028).share(...)`` gives that of another."""
        return self._last.share(view, focal, product, buyer)

    def __repr__(self) -> str:
        return (
            f"<HorizonPlan {self.years[0]} to {self.years[-1]}: {self.status}, "
            f"{worth(self.objective_value, self.written['objective'], self._build, present=True)}, {len(self.schedule)} plants decided, {self.solver} {self.version}>"
        )

    def summary(self) -> str:
        """The plan in a few lines of text."""
        lines = [
            f"Plan for {', '.join(self.written['products'])} of {', '.join(self.written['buyers'])}, "
            f"{self.years[0]} to {self.years[-1]}",
            f"objective {self.written['objective']}: "
            f"{worth(self.objective_value, self.written['objective'], self._build, present=True)} ({self.status}, gap {self.gap:.2g}, {self.solver} "
            f"{self.version}, {self.seconds:.2f} s, seed {self.seed}, input {self.fingerprint}, "
            f"question {self.question})",
        ]
        for q in self.schedule.to_dict("records"):
            lines.append(f"decide {q['project']} ({q['country']}) in {q['decided']}, output from {q['delivers']}")
        lines += steps_of_periods(self)
        shares: Any = self.shares
        for r in shares[shares["buyer"] == "group"].itertuples():
            lines.append(
                f"{r.year} {r.product}: {r.focal} share ({r.view}) {share_words(r.before, r.before_low, r.before_high)} -> "
                f"{share_words(r.after, r.after_low, r.after_high)}"
            )
        lines += [f"binds: {b}" for b in self.binding]
        return dated("\n".join([*lines, *(f"note: {n}" for n in self.notes)]), self._build)

    def _repr_html_(self) -> str:
        return html_of_periods(self)


def _changes(name: str, given: Any) -> str:
    words = " ".join(repr(given).split())
    short = words if len(words) <= _LONG else f"{words[:_LONG]} ..."
    return f"{name} of today in every period" if given is None else f"{name} change as given ({short})"


def solve_periods(
    bases: list[Build],
    periods: tuple[Period, ...],
    discount: float,
    ramp: Any,
    written: dict[str, Any],
    focal: tuple[tuple[Any, str], ...],
    *,
    fix: Callable[[Wide], Any] | None = None,
    time_limit: float | None,
    gap: float | None,
    seed: int,
    began: float,
) -> HorizonPlan:
    """State and solve the model of all periods; see :func:`supplyrisk.portfolio.optimize` for the arguments."""
    discount = number("discount", discount, 0.0)
    m = bases[0]
    steps = read_ramp(ramp, m)
    for b in {id(b): b for b in bases}.values():
        b.absorb()
    wide = widen(bases, periods, discount, steps)
    then = fix(wide) if fix is not None else None
    m.notes.append(
        f"{periods[0].label} to {periods[-1].label}: present value at {discount:.0%}; "
        f"{_changes('needs', written['needs'])}, {_changes('supply', written['supply'])}; plants cost their annuity from "
        "their first period on; a plant decided later arrives as much later"
    )
    m.notes += origin_notes(bases)
    if m.scenarios is not None:
        for i, (name, acts) in enumerate(zip(m.scenarios.names, m.scenarios.measures, strict=True)):
            if acts and all((b.factors[i] >= 1.0).all() for b in bases):
                m.notes.append(
                    f"scenario {name} cuts nothing in the periods of the plan: look at the dates of its acts"
                )
    return finish(wide, written, focal, time_limit=time_limit, gap=gap, seed=seed, began=began, then=then)


def finish(
    wide: Wide,
    written: dict[str, Any],
    focal: tuple[tuple[Any, str], ...],
    *,
    time_limit: float | None,
    gap: float | None,
    seed: int,
    began: float | None = None,
    then: Callable[[Compiled, Solution], Solution] | None = None,
) -> HorizonPlan:
    """Compile and solve all periods; ``then`` may choose among plans that cost the same."""
    began = time.perf_counter() if began is None else began
    wide.build.absorb()
    compiled: Compiled = wide.build.matrix.compile()
    built = time.perf_counter()
    refuse_unseen(wide.bases[0])
    s: Solution = solve(compiled, time_limit=time_limit, gap=gap, seed=seed, solver=written.get("solver", "highs"))
    live = Live(wide.bases[0], wide)
    mixing = live.moves
    bound = -np.inf
    if mixing and usable(s):
        bound = live.bound(time_limit=time_limit, gap=gap, seed=seed)
    for _ in range(ROUNDS if mixing else 0):
        if not usable(s) or not live.follow(s.x):
            break
        compiled = wide.build.matrix.compile()
        s = solve(compiled, time_limit=time_limit, gap=gap, seed=seed, solver=written.get("solver", "highs"))
    if s.status == "infeasible":
        raise infeasible(wide.build, compiled, seed, wide.ramp, time_limit)
    if not usable(s) or (mixing and s.status == "time_limit"):
        raise stopped(s)
    if mixing:
        s = live.said(s, bound, gap)
    if s.status in ("time_limit", "near_optimal"):
        wide.bases[0].notes.append(cut_short(s))
    if then is not None and s.status == "optimal" and not mixing:
        s = then(compiled, s)
    s = s if mixing else settle(wide, s)
    s = replace(s, x=without_idle(compiled, s.x, bundles(wide.bases[0], wide)))
    return HorizonPlan(
        objective_value=s.objective,
        status=s.status,
        solver=s.solver,
        version=s.version,
        gap=s.gap,
        bound=s.bound,
        timing={"build": built - began, "solve": s.seconds},
        seed=seed,
        written=written,
        focal=focal,
        _build=wide.bases[0],
        _compiled=compiled,
        _solution=s,
        _wide=wide,
    )

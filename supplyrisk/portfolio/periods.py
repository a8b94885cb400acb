"""Plans over several years: the same model a year, plants that are decided early and arrive late, stocks carried over."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError
from ..graph import SupplyGraph
from ..registry import Spec
from .explain import binding_rows, dual_table, infeasible, stopped
from .matrix import Columns, Compiled, Matrix, Rows
from .model import Build, money, number
from .plan import Portfolio
from .solve import Solution, solve

__all__ = ["During", "HorizonPlan", "during", "read_years", "solve_years"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class During:
    """A constraint that holds in some years of a plan only; made by :func:`during`."""

    spec: Spec
    start: int
    end: int | None = None

    def __repr__(self) -> str:
        return f"during({self.spec!r}, {self.start}{'' if self.end is None else f', {self.end}'})"


def during(spec: Spec, start: int, end: int | None = None) -> During:
    """A constraint that holds from a year on, to another if one is given; for plans over several years.

    Parameters
    ----------
    spec : Spec
        A constraint.
    start, end : int
        First and last year.

    Returns
    -------
    During

    Examples
    --------
    >>> from supplyrisk.portfolio import during, max_share
    >>> during(max_share("CHN", 0.5), 2030)
    during(max_share('CHN', 0.5), 2030)
    """
    return During(spec, int(start), None if end is None else int(end))


def read_years(horizon: Any) -> tuple[int, ...] | None:
    """Years of a horizon of two years; None for one year or none.

    Raises
    ------
    SchemaError
        Not a pair of years in order.
    """
    if not isinstance(horizon, (tuple, list)):
        return None
    good = len(horizon) == 2 and all(isinstance(y, (int, np.integer)) and not isinstance(y, bool) for y in horizon)
    if not good or not 1900 <= horizon[0] <= horizon[1] <= 2200:
        raise SchemaError(
            [
                Problem(
                    "optimize",
                    "-",
                    "horizon",
                    "not a first and a last year",
                    repr(horizon),
                    "Write horizon=(2026, 2032).",
                )
            ],
            "the plan",
        )
    return tuple(range(int(horizon[0]), int(horizon[1]) + 1))


@dataclass(eq=False)
class Wide:
    """The model of all years: one copy of every column and row a year, and what ties the years together."""

    base: Build
    build: Build
    years: tuple[int, ...]
    discount: FloatArray
    lead: IntArray
    ramp: tuple[float, ...]
    groups: list[Columns]
    decide: Columns | None

    def year(self, x: FloatArray, s: int) -> FloatArray:
        """The solution of one year, as the one-year model numbers it."""
        n = [g.n for g in self.base.matrix.columns]
        parts = [x[w.start + s * k : w.start + (s + 1) * k] for w, k in zip(self.groups, n, strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0)


def _copy_columns(m: Build, years: tuple[int, ...], wide: Matrix) -> list[Columns]:
    t = len(years)
    out: list[Columns] = []
    for g in m.matrix.columns:
        plants = m.projects is not None and g is m.projects

        def keys(g: Columns = g) -> list[Any]:
            return [(y, *(k if isinstance(k, tuple) else (k,))) for y in years for k in g.keys]

        out.append(
            wide.add_columns(
                g.name,
                g.n * t,
                lower=np.tile(g.lower, t),
                upper=np.tile(g.upper, t),
                scale=np.tile(g.scale, t),
                integer=g.integer and not plants,  # whole because the decisions are
                keys=keys,
                meaning=f"{g.meaning}, by year",
            )
        )
    return out


def widen(
    m: Build, years: tuple[int, ...], discount: float, ramp: tuple[float, ...], active: dict[int, During]
) -> Wide:
    r"""State the model of all years.

    .. math:: \min \sum_s (1+r)^{-(s - s_0)}\, c^\top x_s, \quad A x_s \le b, \quad
        p_{js} = \sum_{t + L_j \le s} y_{jt}, \quad \sum_b x_{jbs} \le K_j \sum_t \rho_{s - t - L_j}\, y_{jt}, \quad
        \sum_u x_{ubs} = D_b + S_{bs} - S_{b,s-1}

    with :math:`y_{jt}` the decision in year :math:`t` to build plant :math:`j`, which arrives :math:`L_j` years later
    and then ramps up by :math:`\rho`.
    """
    t, wide = len(years), Matrix()
    groups = _copy_columns(m, years, wide)
    at = np.zeros(
        m.matrix.n, dtype=np.int64
    )  # where a column stands in the first year, and how far the years are apart
    step = np.zeros(m.matrix.n, dtype=np.int64)
    for g, w in zip(m.matrix.columns, groups, strict=True):
        at[g.at], step[g.at] = w.at[: g.n], g.n
    factor = (1.0 + discount) ** -np.arange(t, dtype=np.float64)
    new = copy.copy(m)
    new.matrix, new._model, new.user_blocks = wide, None, set()
    lead = np.zeros(0, dtype=np.int64)
    decide: Columns | None = None
    if m.projects is not None and m.candidates is not None:
        start = m.candidates.frame["start"].to_numpy(dtype=float)
        lead = np.maximum(np.where(np.isnan(start), years[0], start) - years[0], 0.0).astype(np.int64)
        n = m.projects.n
        arrives = np.arange(t)[:, None] + lead[None, :]
        offered = m.projects.upper[None, :] * (arrives < t)
        decide = wide.add_columns(
            "decide",
            n * t,
            upper=offered.ravel(),
            integer=True,
            keys=lambda: [(y, k) for y in years for k in m.project_label],
            meaning="1 = decide in this year to build it",
        )
    for block in m.matrix.rows:
        _copy_rows(m, new, wide, block, years, at, step, active.get(id(block)), decide, lead, ramp)
    if decide is not None and m.projects is not None:
        p = groups[m.matrix.columns.index(m.projects)]
        n = m.projects.n
        then, when, j = np.nonzero(np.arange(t)[:, None, None] >= np.arange(t)[None, :, None] + lead[None, None, :])
        wide.add_rows(
            "standing",
            n * t,
            np.concatenate([np.arange(n * t), then * n + j]),
            np.concatenate([p.at, decide.at[when * n + j]]),
            np.concatenate([np.ones(n * t), -np.ones(len(j))]),
            lower=0.0,
            upper=0.0,
            keys=lambda: p.keys,
            say=lambda i: f"{years[i // n]}: {m.project_label[i % n]} stands once decided {lead[i % n]} years before",
        )
        wide.add_rows(
            "once",
            n,
            np.tile(np.arange(n), t),
            decide.at,
            np.ones(n * t),
            upper=1.0,
            keys=lambda: m.project_label,
            say=lambda i: f"{m.project_label[i]} is built once",
        )
        new.projects = p
    for col, value in m.matrix.costs:
        for s in range(t):
            wide.add_cost(at[col] + s * step[col], value * factor[s])
    wide.offset = m.matrix.offset * float(factor.sum())
    if m.stock is not None:
        _end_value(m, wide, at[m.stock.at] + (t - 1) * m.stock.n, float(factor[-1]) / (1.0 + discount))
    for q, square in m.matrix.squares:
        i, k = m.matrix.columns.index(q), m.matrix.columns.index(square)
        wide.squares.append((groups[i], groups[k]))
    return Wide(m, new, years, factor, lead, ramp, groups, decide)


def _end_value(m: Build, wide: Matrix, col: IntArray, factor: float) -> None:
    """What is left in stock at the end is worth the cheapest delivery, so that buying to keep never pays by itself."""
    cheapest = np.full(len(m.case.pool), np.inf)
    np.minimum.at(cheapest, m.pool, m.lane_cost)
    worth = np.where(np.isfinite(cheapest), cheapest, 0.0) * m.period[m.case.pool_product]
    wide.add_cost(col, -worth * factor)


def _copy_rows(
    m: Build,
    new: Build,
    wide: Matrix,
    block: Rows,
    years: tuple[int, ...],
    at: IntArray,
    step: IntArray,
    only: During | None,
    decide: Columns | None,
    lead: IntArray,
    ramp: tuple[float, ...],
) -> None:
    t, n = len(years), block.n
    row, col, value = block.row, block.col, block.value
    extra: list[tuple[IntArray, IntArray, FloatArray]] = []
    if block.name == "plant" and decide is not None and m.projects is not None:
        mine = (col >= m.projects.start) & (col < m.projects.start + m.projects.n)
        s, u, j = np.nonzero(np.arange(t)[:, None, None] >= np.arange(t)[None, :, None] + lead[None, None, :])
        part = np.array(ramp)[np.minimum(s - u - lead[j], len(ramp) - 1)]
        extra.append((s * n + j, decide.at[u * n + j], -m.project_capacity[j] * part))
        row, col, value = row[~mine], col[~mine], value[~mine]
    if block.name == "need" and m.stock is not None:  # what goes into stock is bought, what comes out is not
        k = m.stock.n
        first = at[m.stock.at]
        s_now = (np.arange(t)[:, None] * k + first[None, :]).ravel()
        extra.append((np.arange(k * t), s_now, -np.ones(k * t)))
        extra.append((np.arange(k, k * t), s_now[: k * (t - 1)], np.ones(k * (t - 1))))
    rows = np.concatenate([*(row + s * n for s in range(t)), *(e[0] for e in extra)])
    cols = np.concatenate([*(at[col] + s * step[col] for s in range(t)), *(e[1] for e in extra)])
    values = np.concatenate([*(value for _ in range(t)), *(e[2] for e in extra)])
    lower, upper = np.tile(block.lower, t), np.tile(block.upper, t)
    if only is not None:
        off = np.array([not only.start <= y <= (only.end if only.end is not None else y) for y in years])
        lower[np.repeat(off, n)], upper[np.repeat(off, n)] = -np.inf, np.inf

    def words(f: Callable[..., str] | None) -> Callable[..., str] | None:
        if f is None:
            return None
        return lambda i, *more: f"{years[i // n]}: {f(i % n, *more)}"

    pools = block.pools
    made = wide.add_rows(
        block.name,
        n * t,
        rows,
        cols,
        values,
        lower=lower,
        upper=upper,
        scale=np.tile(block.scale, t),
        keys=lambda: [(y, *(k if isinstance(k, tuple) else (k,))) for y in years for k in block.keys],
        spec=block.spec,
        say=words(block.say),
        say_dual=words(block.say_dual),
        say_relax=words(block.say_relax),
        pools=None if pools is None else lambda i: pools(i % n),
    )
    if block is m.need_rows:
        new.need_rows = made
    if block is m.availability_block:
        new.availability_block = block  # spoken of by supplier, whatever the year


@dataclass(frozen=True, eq=False, repr=False)
class HorizonPlan(Portfolio):
    """A plan over several years. Tables have a ``year``; :meth:`year` gives one year as a plan of its own.

    ``objective_value`` is the present value of all years in USD of the first. ``graph`` and ``shares`` without a year
    are those of the last. ``schedule`` says what is decided when and stands when.
    """

    _wide: Wide = field(kw_only=True)

    @property
    def years(self) -> tuple[int, ...]:
        """Years of the plan."""
        return self._wide.years

    @property
    def _last(self) -> Portfolio:
        return self.year(self.years[-1])

    @cached_property
    def _by_year(self) -> dict[int, Portfolio]:
        return {}

    def year(self, year: int) -> Portfolio:
        """One year of the plan, with its own tables and graph; costs are those of that year, not discounted.

        Parameters
        ----------
        year : int
            One of :attr:`years`.

        Returns
        -------
        Portfolio
        """
        from ..errors import unknown_name

        if year not in self.years:
            raise unknown_name("year", str(year), map(str, self.years))
        if year not in self._by_year:
            m = self._build
            s = self.years.index(year)
            x = self._wide.year(self._solution.x, s)
            c = m.matrix.compile()
            duals = self._solution.row_dual
            mine = [duals[w.start + s * b.n : w.start + (s + 1) * b.n] for b, w in self._pairs]
            row = np.concatenate([np.zeros(0), *mine]) / self._wide.discount[s]
            value = float(c.cost @ x) + c.offset
            solution = replace(self._solution, x=x, objective=value, _duals=lambda: (row, np.full(c.n, np.nan)))
            keep = {k: getattr(self, k) for k in ("status", "solver", "version", "gap", "timing", "seed", "focal")}
            self._by_year[year] = Portfolio(
                objective_value=value,
                bound=np.nan,
                written=self.written,
                _build=m,
                _compiled=c,
                _solution=solution,
                **keep,
            )
        return self._by_year[year]

    @property
    def _pairs(self) -> list[tuple[Rows, Rows]]:
        rows = self._wide.build.matrix.rows
        return list(zip(self._build.matrix.rows, rows, strict=False))

    def _stack(self, what: Callable[[Portfolio], pd.DataFrame]) -> pd.DataFrame:
        frames = []
        for y in self.years:
            frame = what(self.year(y)).copy()
            frame.insert(0, "year", y)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """A row per year and delivery."""
        return self._stack(lambda p: p.decisions)

    @cached_property
    def needs(self) -> pd.DataFrame:
        """What each pool needs, by year."""
        return self._stack(lambda p: p.needs)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """USD a year by year, product and item, not discounted."""
        return self._stack(lambda p: p.costs)

    @cached_property
    def stocks(self) -> pd.DataFrame:
        """What is held at the end of each year."""
        return self._stack(lambda p: p.stocks)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Focal shares before and after, by year; see :attr:`Portfolio.shares`."""
        return self._stack(lambda p: p.shares)

    @cached_property
    def plants(self) -> pd.DataFrame:
        """The projects that are built, as they stand in the last year."""
        return self._last.plants

    @cached_property
    def projects(self) -> pd.DataFrame:
        """Every project on offer, as it stands in the last year."""
        return self._last.projects

    @cached_property
    def offers(self) -> pd.DataFrame:
        """Every delivery the plan could choose from, by year."""
        return self._stack(lambda p: p.offers)

    @cached_property
    def graph(self) -> SupplyGraph:
        """The graph of the last year."""
        return self._last.graph

    @cached_property
    def schedule(self) -> pd.DataFrame:
        """``project, product, country, decided, arrives, capex`` of what is built."""
        w, columns = self._wide, ["project", "product", "country", "decided", "arrives", "capex"]
        if w.decide is None or self._build.candidates is None:
            return pd.DataFrame(columns=columns)
        n = len(w.lead)
        s, j = np.divmod(np.flatnonzero(self._solution.x[w.decide.at] > 0.5), n)
        frame = self._build.candidates.frame.iloc[j][["project", "product", "country", "capex"]].reset_index(drop=True)
        first = self.years[0]
        return frame.assign(decided=first + s, arrives=first + s + w.lead[j])[columns]

    def independent_from(
        self, cap: float, view: str = "control", focal: Any = "CHN", product: str | None = None
    ) -> int | None:
        """Time to independence: first year from which the group's focal share stays at or below a cap; None if never.

        Parameters
        ----------
        cap : float
            Share in [0, 1].
        view, focal, product
            As in :meth:`Portfolio.share`.
        """
        after = [float(self.year(y).share(view, focal, product)["after"]) for y in self.years]
        late = [i for i, a in enumerate(after) if not a <= cap + 1e-6]
        first = late[-1] + 1 if late else 0
        return self.years[first] if first < len(self.years) else None

    @cached_property
    def duals(self) -> pd.DataFrame:
        """Marginal values in words, in present value."""
        return dual_table(self._wide.build, self._compiled, self._solution)

    @cached_property
    def binding(self) -> tuple[str, ...]:
        """Constraints that hold with equality, by year."""
        return binding_rows(self._wide.build, self._compiled, self._solution.x)

    @property
    def model(self) -> Any:
        """The live Pyomo model of all years; its members have the year as the first index."""
        from .arrays import complete, load_values

        b = self._wide.build
        m = complete(b.model, b.matrix)
        if len(self._solution.x) == b.matrix.n:
            load_values(m, self._solution.x)
        return m

    def resolve(self, time_limit: float | None = None) -> HorizonPlan:
        """Solve the live model again; see :meth:`Portfolio.resolve`."""
        return finish(self._wide, self.written, self.focal, time_limit=time_limit, gap=None, seed=self.seed)

    def share(self, view: str, focal: Any = "CHN", product: str | None = None, buyer: str = "group") -> pd.Series:
        """A share in the last year; ``plan.year(2028).share(...)`` gives that of another."""
        return self._last.share(view, focal, product, buyer)

    def summary(self) -> str:
        """The plan in a few lines of text."""
        lines = [
            f"Plan for {', '.join(self.written['products'])} of {', '.join(self.written['buyers'])}, "
            f"{self.years[0]} to {self.years[-1]}",
            f"present value {money(self.objective_value)} ({self.status}, gap {self.gap:.2g}, {self.solver} "
            f"{self.version}, {self.seconds:.2f} s, seed {self.seed}, input {self.fingerprint})",
        ]
        for q in self.schedule.to_dict("records"):
            lines.append(f"decide {q['project']} ({q['country']}) in {q['decided']}, output from {q['arrives']}")
        for r in self.shares[self.shares["buyer"] == "group"].itertuples():
            lines.append(f"{r.year} {r.product}: {r.focal} share ({r.view}) {r.before:.1%} -> {r.after:.1%}")
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])

    def _repr_html_(self) -> str:
        group = self.shares[self.shares["buyer"] == "group"]
        wide = group.pivot_table(index=["product", "focal", "view"], columns="year", values="after")
        total = self.costs.groupby("year")["plan"].sum().to_frame("USD").T
        return (
            f"<div><b>Plan {self.years[0]} to {self.years[-1]}</b>, present value {money(self.objective_value)}"
            + wide.to_html(float_format="{:.3f}".format, border=0)
            + self.schedule.to_html(index=False, border=0)
            + total.to_html(float_format="{:,.4g}".format, border=0)
            + f"<small>{self.solver} {self.version}, gap {self.gap:.2g}, seed {self.seed}, input {self.fingerprint}"
            + "</small></div>"
        )


def solve_years(
    m: Build,
    years: tuple[int, ...],
    discount: float,
    ramp: Any,
    active: dict[int, During],
    written: dict[str, Any],
    focal: tuple[tuple[Any, str], ...],
    *,
    fix: Callable[[Wide], None] | None = None,
    time_limit: float | None,
    gap: float | None,
    seed: int,
    began: float,
) -> HorizonPlan:
    """State and solve the model of all years; see :func:`supplyrisk.portfolio.optimize` for the arguments."""
    discount = number("discount", discount, 0.0)
    steps = tuple(number("ramp", r, 0.0, 1.0) for r in ((ramp,) if isinstance(ramp, (int, float)) else tuple(ramp)))
    if not steps or steps[-1] <= 0.0:
        raise SchemaError(
            [Problem("optimize", "-", "ramp", "ends at nothing", repr(ramp), "Write e.g. (0.5, 0.8, 1.0).")], "the plan"
        )
    if m.refine:
        raise SchemaError(
            [
                Problem(
                    "optimize",
                    "-",
                    "horizon",
                    "proportional mixing is solved for one year at a time",
                    repr((years[0], years[-1])),
                    "Use mixing='today' or 'mass_balance', or one year.",
                )
            ],
            "the plan",
        )
    m.absorb()
    wide = widen(m, years, discount, steps, active)
    if fix is not None:
        fix(wide)
    m.notes.append(
        f"{years[0]} to {years[-1]}: present value at {discount:.0%}; needs and supply of today in every year; plants "
        "cost their annuity from their first year on; a plant decided a year later arrives a year later"
    )
    return finish(wide, written, focal, time_limit=time_limit, gap=gap, seed=seed, began=began)


def finish(
    wide: Wide,
    written: dict[str, Any],
    focal: tuple[tuple[Any, str], ...],
    *,
    time_limit: float | None,
    gap: float | None,
    seed: int,
    began: float | None = None,
) -> HorizonPlan:
    """Compile and solve all years."""
    began = time.perf_counter() if began is None else began
    wide.build.absorb()
    compiled: Compiled = wide.build.matrix.compile()
    built = time.perf_counter()
    s: Solution = solve(compiled, time_limit=time_limit, gap=gap, seed=seed)
    if s.status == "infeasible":
        raise infeasible(wide.build, compiled, seed)
    if s.status != "optimal":
        raise stopped(s)
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
        _build=wide.base,
        _compiled=compiled,
        _solution=s,
        _wide=wide,
    )

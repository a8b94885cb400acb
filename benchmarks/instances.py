"""The standard two-stage case: suppliers x stages x countries, openings, share caps, recourse and CVaR over scenarios.

One instance as arrays; the model is stated by hand in each contestant's own words (``ours`` here, raw matrices, linopy,
cvxpy), in the same order of columns and rows, so that a solver that is handed either takes the same path.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from supplyrisk.portfolio.matrix import Matrix

from .harness import Missing

__all__ = [
    "Instance",
    "cvxpy_problem",
    "instance",
    "linopy_model",
    "ours",
    "pass_raw",
    "pyomo_rules",
    "raw",
    "raw_options",
]

ALPHA, WEIGHT, PENALTY, SPOT = 0.9, 0.5, 20.0, 1.6


@dataclass(frozen=True, eq=False)
class Instance:
    """Axes: ``k`` stage, ``s`` supplier, ``c`` country, ``w`` scenario."""

    cost: Any  # k, s, c
    capacity: Any  # k, s
    opening: Any  # k, s: fixed cost of a supplier that has to be opened first, 0 where it stands
    place: Any  # k, s: country that draws the inputs, -1 elsewhere
    recipe: Any  # k: input of stage k-1 per unit
    final: Any  # k, c
    focal: Any  # k, s: part that the focal can stop
    cap: float
    factor: Any  # w, k, s: what is left of a supplier
    probability: Any  # w

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Stages, suppliers, countries, scenarios."""
        return (*self.cost.shape, len(self.probability))


def instance(stages: int, suppliers: int, countries: int, scenarios: int, openings: int, seed: int = 0) -> Instance:
    """Draw an instance: dear distant suppliers, a cheap focal one that can be cut off in some scenarios."""
    rng = np.random.default_rng(seed)
    k, s, c, w = stages, suppliers, countries, scenarios
    base = rng.uniform(60.0, 120.0, (k, s, 1))
    focal = np.where(rng.random((k, s)) < 0.3, rng.uniform(0.4, 1.0, (k, s)), 0.0)
    cost = base * rng.uniform(1.0, 1.3, (k, s, c)) * np.where(focal > 0, 0.7, 1.0)[:, :, None]
    final = np.where(np.arange(k)[:, None] == k - 1, 1.0, 0.25) * rng.uniform(20.0, 120.0, (k, c))
    place = np.where(rng.random((k, s)) < 0.6, rng.integers(0, c, (k, s)), -1)
    recipe = np.concatenate([[0.0], np.full(k - 1, 0.6)])
    total = final.sum(1)[:, None]
    for stage in range(k - 2, -1, -1):
        total[stage] += 0.6 * total[stage + 1]
    capacity = total * rng.dirichlet(np.full(s, 3.0), k) * 2.2
    opening = np.zeros((k, s))
    shut = rng.choice(np.flatnonzero((focal == 0).ravel()), size=openings, replace=False)
    opening.ravel()[shut] = capacity.ravel()[shut] * rng.uniform(4.0, 12.0, openings)
    factor = np.where(
        focal[None] > 0, rng.choice([1.0, 0.5, 0.1], (w, 1, 1), p=[0.5, 0.3, 0.2]), rng.uniform(0.85, 1.0, (w, k, s))
    )
    return Instance(cost, capacity, opening, place, recipe, final, focal, 0.35, factor, rng.dirichlet(np.full(w, 5.0)))


def _draws(d: Instance) -> tuple[Any, Any]:
    """Pool (stage, country) and arc of every input draw: what a supplier delivers takes from the stage below."""
    k, s, c, _ = d.shape
    stage, supplier = np.nonzero((d.place >= 0) & (np.arange(k)[:, None] > 0))
    pool = np.repeat((stage - 1) * c + d.place[stage, supplier], c)
    arc = (((stage * s + supplier) * c)[:, None] + np.arange(c)).ravel()
    return pool, arc


def ours(d: Instance, sweep: bool = False) -> Matrix:
    """The instance through the model layer of the package; ``sweep`` adds a free row with all that the focal can stop."""
    k, s, c, w = d.shape
    m = Matrix()
    arcs, pools, sites = k * s * c, k * c, k * s
    a = np.arange(arcs)
    stage, supplier, country = np.unravel_index(a, (k, s, c))
    pool, site = stage * c + country, stage * s + supplier
    size = np.maximum(d.final.sum(1), 1.0)
    shut = np.flatnonzero(d.opening.ravel())
    standing = np.where(d.opening.ravel() > 0, 0.0, d.capacity.ravel())

    def arc_keys() -> Any:
        return list(zip(stage.tolist(), supplier.tolist(), country.tolist(), strict=True))

    x = m.add_columns("contract", arcs, scale=size[stage], keys=arc_keys, meaning="t a year")
    y = m.add_columns("open", len(shut), upper=1.0, integer=True, keys=shut.tolist, meaning="1 = build")
    z = m.add_columns(
        "spot", w * arcs, scale=np.tile(size[stage], w), keys=lambda: [(i, *q) for i in range(w) for q in arc_keys()]
    )
    lost = m.add_columns("lost", w * pools, scale=np.tile(np.repeat(size, c), w))
    loss = m.add_columns("loss", w, scale=1e4)
    tail = m.add_columns("tail", w, scale=1e4)
    var = m.add_columns("value_at_risk", 1, scale=1e4)
    pulled, by = _draws(d)
    draw = -d.recipe[stage[by]]
    pool_size, site_size = np.repeat(size, c), np.repeat(size, s)
    m.add_rows(
        "need",
        pools,
        np.concatenate([pool, pulled]),
        np.concatenate([x.at, x.at[by]]),
        np.concatenate([np.ones(arcs), draw]),
        lower=d.final.ravel(),
        scale=pool_size,
    )
    m.add_rows(
        "capacity",
        sites,
        np.concatenate([site, shut]),
        np.concatenate([x.at, y.at]),
        np.concatenate([np.ones(arcs), -d.capacity.ravel()[shut]]),
        upper=standing,
        scale=site_size,
    )
    m.add_rows("share", pools, pool, x.at, d.focal.ravel()[site] - d.cap, upper=0.0, scale=pool_size)
    f = d.factor.reshape(w, sites)
    at = np.arange(w)[:, None]
    m.add_rows(
        "delivered",
        w * pools,
        np.concatenate([(at * pools + q).ravel() for q in (pool, pulled, pool, np.arange(pools))]),
        np.concatenate([np.tile(x.at, w), np.tile(x.at[by], w), z.at, lost.at]),
        np.concatenate([f[:, site].ravel(), np.tile(draw, w), np.ones(w * arcs), np.ones(w * pools)]),
        lower=np.tile(d.final.ravel(), w),
        scale=np.tile(pool_size, w),
    )
    m.add_rows(
        "spot_capacity",
        w * sites,
        np.concatenate([(at * sites + q).ravel() for q in (site, site, shut)]),
        np.concatenate([np.tile(x.at, w), z.at, np.tile(y.at, w)]),
        np.concatenate([f[:, site].ravel(), np.ones(w * arcs), -(f * d.capacity.ravel())[:, shut].ravel()]),
        upper=(f * standing).ravel(),
        scale=np.tile(site_size, w),
    )
    m.add_rows(
        "scenario_loss",
        w,
        np.concatenate([np.repeat(np.arange(w), arcs), np.repeat(np.arange(w), pools), np.arange(w)]),
        np.concatenate([z.at, lost.at, loss.at]),
        np.concatenate([np.tile(SPOT * d.cost.ravel(), w), np.full(w * pools, PENALTY * 100.0), -np.ones(w)]),
        lower=0.0,
        upper=0.0,
        scale=1e4,
    )
    m.add_rows(
        "tail_loss",
        w,
        np.tile(np.arange(w), 3),
        np.concatenate([loss.at, tail.at, np.full(w, var.start)]),
        np.repeat([1.0, -1.0, -1.0], w),
        upper=0.0,
        scale=1e4,
    )
    if sweep:
        m.add_rows("focal_total", 1, np.zeros(arcs), x.at, d.focal.ravel()[site], scale=float(size.sum()))
    m.add_cost(x.at, d.cost.ravel())
    m.add_cost(y.at, d.opening.ravel()[shut])
    m.add_cost(loss.at, (1.0 - WEIGHT) * d.probability)
    m.add_cost(tail.at, WEIGHT * d.probability / (1.0 - ALPHA))
    m.add_cost(var.at, np.array([WEIGHT]))
    return m


def raw(d: Instance, sweep: bool = False) -> tuple[Any, ...]:
    """The same model as matrices and nothing else: what ``passModel`` takes."""
    k, s, c, w = d.shape
    arcs, pools, sites = k * s * c, k * c, k * s
    a = np.arange(arcs)
    pool = (a // (s * c)) * c + a % c
    site = a // c
    shut = np.flatnonzero(d.opening.ravel())
    n0, nz = arcs, arcs + len(shut)
    nl = nz + w * arcs
    no, nt = nl + w * pools, nl + w * pools + w
    n = nt + w + 1
    pulled, by = _draws(d)
    draw = -d.recipe[by // (s * c)]
    f = d.factor.reshape(w, sites)
    at = np.arange(w)[:, None]
    r1, r2 = pools, pools + sites
    r3 = r2 + pools
    r4 = r3 + w * pools
    r5 = r4 + w * sites
    rows = r5 + 2 * w
    row = [pool, pulled, r1 + site, r1 + shut, r2 + pool]
    col = [a, by, a, n0 + np.arange(len(shut)), a]
    val = [np.ones(arcs), draw, np.ones(arcs), -d.capacity.ravel()[shut], d.focal.ravel()[site] - d.cap]
    row += [(r3 + at * pools + q).ravel() for q in (pool, pulled, pool, np.arange(pools))]
    col += [np.tile(a, w), np.tile(by, w), nz + np.arange(w * arcs), nl + np.arange(w * pools)]
    val += [f[:, site].ravel(), np.tile(draw, w), np.ones(w * arcs), np.ones(w * pools)]
    row += [(r4 + at * sites + q).ravel() for q in (site, site, shut)]
    col += [np.tile(a, w), nz + np.arange(w * arcs), np.tile(n0 + np.arange(len(shut)), w)]
    val += [f[:, site].ravel(), np.ones(w * arcs), -(f * d.capacity.ravel())[:, shut].ravel()]
    row += [r5 + np.repeat(np.arange(w), arcs), r5 + np.repeat(np.arange(w), pools), r5 + np.arange(w)]
    col += [nz + np.arange(w * arcs), nl + np.arange(w * pools), no + np.arange(w)]
    val += [np.tile(SPOT * d.cost.ravel(), w), np.full(w * pools, PENALTY * 100.0), -np.ones(w)]
    row += [r5 + w + np.tile(np.arange(w), 3)]
    col += [np.concatenate([no + np.arange(w), nt + np.arange(w), np.full(w, n - 1)])]
    val += [np.repeat([1.0, -1.0, -1.0], w)]
    if sweep:
        row, col, val = [*row, np.full(arcs, rows)], [*col, a], [*val, d.focal.ravel()[site]]
        rows += 1
    m = sp.csr_array((np.concatenate(val), (np.concatenate(row), np.concatenate(col))), shape=(rows, n))
    standing = np.where(d.opening.ravel() > 0, 0.0, d.capacity.ravel())
    inf = np.inf
    final = d.final.ravel()
    low = np.concatenate([final, np.full(sites + pools, -inf), np.tile(final, w), np.full(w * sites, -inf)])
    low = np.concatenate([low, np.zeros(w), np.full(w + int(sweep), -inf)])
    high = np.concatenate([np.full(pools, inf), standing, np.zeros(pools), np.full(w * pools, inf)])
    high = np.concatenate([high, (f * standing).ravel(), np.zeros(2 * w), np.full(int(sweep), inf)])
    cost = np.zeros(n)
    cost[:arcs], cost[n0:nz] = d.cost.ravel(), d.opening.ravel()[shut]
    cost[no:nt], cost[nt : n - 1] = (1.0 - WEIGHT) * d.probability, WEIGHT * d.probability / (1.0 - ALPHA)
    cost[n - 1] = WEIGHT
    upper = np.full(n, inf)
    upper[n0:nz] = 1.0
    kind = np.zeros(n, dtype=np.int32)
    kind[n0:nz] = 1
    start, index = m.indptr.astype(np.int32, copy=False), m.indices.astype(np.int32, copy=False)
    return n, rows, m.nnz, 2, 1, 0.0, cost, np.zeros(n), upper, low, high, start, index, m.data, kind


def raw_options(h: Any) -> Any:
    """The options that plans are solved with."""
    h.setOptionValue("output_flag", False)
    h.setOptionValue("random_seed", 0)
    h.setOptionValue("mip_rel_gap", 1e-6)
    return h


def pass_raw(args: tuple[Any, ...]) -> Any:
    """A HiGHS instance with the matrices in it."""
    import highspy

    h: Any = raw_options(getattr(highspy, "Highs")())  # noqa: B009 - the class is untyped
    h.passModel(*args)
    return h


def pyomo_rules(args: tuple[Any, ...]) -> Any:
    """The matrices as a Pyomo model in the usual way: a rule for each row, terms summed one by one."""
    import pyomo.environ as pyo

    n, m, cost, upper, low, high = args[0], args[1], args[6].tolist(), args[8], args[9].tolist(), args[10].tolist()
    start, index, value, kind = args[11].tolist(), args[12].tolist(), args[13].tolist(), args[14]

    def row(model: Any, i: int) -> Any:
        body = sum(value[k] * model.x[index[k]] for k in range(start[i], start[i + 1]))
        sides = (None if np.isinf(low[i]) else low[i], None if np.isinf(high[i]) else high[i])
        return (body, sides[1]) if sides[0] == sides[1] else (sides[0], body, sides[1])

    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(range(n), bounds=lambda _, j: (0, None if np.isinf(upper[j]) else upper[j]))
    for j in np.flatnonzero(kind).tolist():
        model.x[j].domain = pyo.Binary
    model.row = pyo.Constraint(range(m), rule=row)
    model.goal = pyo.Objective(expr=sum(v * model.x[j] for j, v in enumerate(cost) if v))
    return model


def linopy_model(d: Instance) -> Any:
    """The same model in linopy's own words."""
    try:
        linopy: Any = importlib.import_module("linopy")
        xr: Any = importlib.import_module("xarray")
    except ImportError as err:
        raise Missing("linopy") from err
    k, s, c, w = d.shape
    shut = np.flatnonzero(d.opening.ravel())
    axes = {"k": range(k), "s": range(s), "c": range(c), "w": range(w)}

    def array(value: Any, *dims: str) -> Any:
        return xr.DataArray(value, dims=dims, coords={q: list(axes[q]) for q in dims})

    m: Any = linopy.Model()
    x = m.add_variables(lower=0, coords=[axes["k"], axes["s"], axes["c"]], dims=["k", "s", "c"], name="contract")
    z = m.add_variables(
        lower=0, coords=[axes["w"], axes["k"], axes["s"], axes["c"]], dims=["w", "k", "s", "c"], name="spot"
    )
    lost = m.add_variables(lower=0, coords=[axes["w"], axes["k"], axes["c"]], dims=["w", "k", "c"], name="lost")
    loss = m.add_variables(lower=0, coords=[axes["w"]], dims=["w"], name="loss")
    tail = m.add_variables(lower=0, coords=[axes["w"]], dims=["w"], name="tail")
    var = m.add_variables(lower=0, name="var")
    closed = array(d.opening > 0, "k", "s")
    y = m.add_variables(binary=True, coords=[axes["k"], axes["s"]], dims=["k", "s"], name="open", mask=closed).fillna(0)
    capacity, final = array(d.capacity, "k", "s"), array(d.final, "k", "c")
    standing = capacity.where(~closed, 0.0)
    f = array(d.factor, "w", "k", "s")
    focal = array(d.focal, "k", "s")
    here = array(d.place[:, :, None] == np.arange(c), "k", "s", "c").astype(float)
    out = x.sum("c")
    got = x.sum("s")
    cover = (f * x).sum("s")
    for stage in range(k):  # what the next stage draws
        net = got.isel(k=stage, drop=True)
        reach = (cover + z.sum("s") + lost).isel(k=stage, drop=True)
        if stage + 1 < k:
            drawn = out.isel(k=stage + 1, drop=True) * here.isel(k=stage + 1, drop=True)
            pulled = (drawn * float(d.recipe[stage + 1])).sum("s")
            net, reach = net - pulled, reach - pulled
        m.add_constraints(net >= final.isel(k=stage, drop=True), name=f"need_{stage}")
        m.add_constraints(reach >= final.isel(k=stage, drop=True), name=f"delivered_{stage}")
    m.add_constraints(out - y * capacity <= standing, name="capacity")
    m.add_constraints((x * (focal - d.cap)).sum("s") <= 0, name="share")
    m.add_constraints(z.sum("c") + f * out - y * (f * capacity) <= f * standing, name="spot_capacity")
    unit = array(d.cost, "k", "s", "c")
    spent = (z * (SPOT * unit)).sum(["k", "s", "c"]) + lost.sum(["k", "c"]) * (PENALTY * 100.0)
    m.add_constraints(spent - loss == 0, name="scenario_loss")
    m.add_constraints(loss - tail - var <= 0, name="tail_loss")
    p = array(d.probability, "w")
    goal = (x * unit).sum() + (loss * ((1.0 - WEIGHT) * p)).sum() + (tail * (WEIGHT / (1.0 - ALPHA) * p)).sum()
    goal = goal + WEIGHT * var
    if len(shut):
        goal = goal + (y * array(d.opening, "k", "s")).sum()
    m.add_objective(goal)
    return m


def cvxpy_problem(d: Instance) -> Any:
    """The same model in cvxpy's own words."""
    try:
        cp: Any = importlib.import_module("cvxpy")
    except ImportError as err:
        raise Missing("cvxpy") from err
    k, s, c, w = d.shape
    sites = k * s
    x = cp.Variable((sites, c), nonneg=True)
    shut = np.flatnonzero(d.opening.ravel())
    y = cp.Variable(len(shut), boolean=True)
    z = [cp.Variable((sites, c), nonneg=True) for _ in range(w)]
    lost = [cp.Variable((k, c), nonneg=True) for _ in range(w)]
    loss, tail, var = cp.Variable(w, nonneg=True), cp.Variable(w, nonneg=True), cp.Variable(nonneg=True)
    stage = np.repeat(np.arange(k), s)
    by_stage = sp.csr_array((np.ones(sites), (stage, np.arange(sites))), shape=(k, sites))
    place = d.place.ravel()
    feeds = np.flatnonzero((place >= 0) & (stage > 0))
    pull = sp.csr_array((d.recipe[stage[feeds]], ((stage[feeds] - 1) * c + place[feeds], feeds)), shape=(k * c, sites))
    pick = sp.csr_array((d.capacity.ravel()[shut], (shut, np.arange(len(shut)))), shape=(sites, len(shut)))
    standing = np.where(d.opening.ravel() > 0, 0.0, d.capacity.ravel())
    out = cp.sum(x, axis=1)
    drawn = cp.reshape(pull @ out, (k, c), order="C")
    rows = [by_stage @ x - drawn >= d.final, out <= standing + (pick @ y if len(shut) else 0.0)]
    rows += [sp.csr_array(by_stage.multiply(d.focal.ravel() - d.cap)) @ x <= 0, loss - tail - var <= 0]
    for i in range(w):
        f = d.factor[i].ravel()
        rows.append(sp.csr_array(by_stage.multiply(f)) @ x + by_stage @ z[i] + lost[i] - drawn >= d.final)
        most = f * standing + (sp.csr_array(pick.multiply(f[:, None])) @ y if len(shut) else 0.0)
        rows.append(cp.sum(z[i], axis=1) + cp.multiply(f, out) <= most)
        spent = cp.sum(cp.multiply(SPOT * d.cost.reshape(sites, c), z[i])) + PENALTY * 100.0 * cp.sum(lost[i])
        rows.append(spent == loss[i])
    goal = cp.sum(cp.multiply(d.cost.reshape(sites, c), x)) + (1.0 - WEIGHT) * d.probability @ loss
    goal += WEIGHT / (1.0 - ALPHA) * d.probability @ tail + WEIGHT * var
    if len(shut):
        goal += d.opening.ravel()[shut] @ y
    return cp.Problem(cp.Minimize(goal), rows)

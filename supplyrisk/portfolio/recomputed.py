"""Readings of constraints on what the score does not measure: worked out again from the plan's printed tables and graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..paths import free_flow
from ..registry import Spec
from . import tables
from .kept import uses
from .matrix import Rows
from .model import GROUP
from .solve import solve

if TYPE_CHECKING:
    from .plan import Portfolio

__all__ = ["READINGS", "others"]

FloatArray = npt.NDArray[np.float64]
Line = tuple[str, str, str, float, float, float]
DAYS = 365.0
# Readings that are no columns of the score: unit and what they are. A constraint's ``metric`` is one of these or a metric.
READINGS: dict[str, tuple[str, str]] = {
    "cr1": ("1", "share of the largest named supplier country"),
    "n_suppliers": ("1", "suppliers that deliver a part or more"),
    "free_flow": ("1", "part that a largest flow can bring free of the focal, supplyrisk.paths.free_flow; above the model's only where a pool on the way can lead more of what is free to the buyers than its mix"),
    "n_minus_1_supply": ("1", "part of use that supply covers without its largest country"),
    "attribute_mean": ("own", "mean of a country attribute over deliveries"),
    "burden": ("USD/year", "what a member pays above today, over its fair part of that"),
    "spending": ("USD", "capital outlay of plants, or cost a year"),
    "stock_days": ("d", "days of need in stock"),
    "new_output": ("product units", "output of a country above today's"),
    "start_year": ("year", "latest start of a plant that is built, slips included"),
    "plant_output": ("product units", "deliveries of a plant"),
}  # fmt: skip


def _pools(plan: Portfolio, product: str, buyer: str) -> Any:
    m = plan._build
    own = m.case.pool_product == m.case.products.index(product)
    return np.flatnonzero(own if buyer == GROUP else own & (m.pool_country == buyer))


def _network(m: Any) -> list[Any]:
    """Groups of columns that carry what is free of a focal."""
    return [g for g in m.matrix.columns if re.fullmatch(r"free_(flow|upstream)(_\d+)?", g.name)]


def _most_free(m: Any, x: FloatArray, b: Rows) -> FloatArray:
    """Each row of free deliveries at the most that the network can carry of what the plan delivers.

    Where a floor does not bind, the solver leaves the flow anywhere above it. Each market is asked by itself, as the metric
    is: the other rows of the same floor let go.
    """
    c = m.matrix.compile()
    loose = np.zeros(c.n, dtype=bool)
    for g in _network(m):
        loose[g.at] = True
    row = np.repeat(np.arange(c.m), np.diff(c.start))
    touched = np.zeros(c.m, dtype=bool)
    touched[row[loose[c.index]]] = True
    for other in m.matrix.rows:
        if other.name.startswith("focal_free"):
            touched[other.at] = False
    now = c.activity(x)
    held = replace(
        c,
        lower=np.where(loose, c.lower, x),
        upper=np.where(loose, c.upper, x),
        integer=np.zeros(c.n, dtype=bool),
        # What the plan meets within the solver's tolerance it meets.
        row_lower=np.where(touched, np.minimum(c.row_lower, now), -np.inf),
        row_upper=np.where(touched, np.maximum(c.row_upper, now), np.inf),
        square=c.square[:0],
        square_of=c.square_of[:0],
        square_whole=c.square_whole[:0],
    )
    out = np.zeros(b.n)
    for i in range(b.n):
        at, value = b.col[b.row == i], b.value[b.row == i]
        cost = np.zeros(c.n)
        np.add.at(cost, at, -value * loose[at])
        s = solve(replace(held, cost=cost, offset=0.0), duals=False)
        best = s.x if s.status == "optimal" else x
        out[i] = max(float(value @ best[at]), float(value @ x[at]))
    return out


def _free(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    m, x, given = plan._build, plan._solution.x, spec.arguments
    floor = float(given["floor"] if spec.name == "focal_free" else 1.0 - given["cap"])
    base: Literal["location", "control"] = "control" if given.get("view") == "control" else "location"
    out: list[Line] = []
    a = _most_free(m, x, b)
    for i, (p, who) in enumerate(b.keys):
        pools = _pools(plan, p, who)
        got = {str(m.node[m.pool_code[k]]): float(x[m.lanes_of(np.array([k]))].sum()) for k in pools.tolist()}
        whole = sum(got.values())
        if not whole > 0:
            out.append((p, who, "free_flow", floor, np.nan, np.nan))
            continue
        booked = float(a[i]) - floor * float(x[m.missed(pools)[0]].sum())
        taken = {k: v for k, v in got.items() if v > 0}
        found = free_flow(plan.graph, list(taken), demand=taken, focal=given["focal"], base=base).flow
        out.append((p, who, "free_flow", floor, booked / whole, float(found) / whole))
    return out


def _without_largest(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    kappa = float(spec.arguments["kappa"])
    has, built, held = plan.availability, plan.plants, plan.stocks
    country = has["supplier"].astype(str).str.extract(r"@([A-Z]{3})", expand=False)
    least: dict[tuple[str, str], tuple[float, float]] = {}
    for i, (p, who, c) in enumerate(b.keys):
        mine = float(has.loc[(has["product"] == p) & (country != c), "available"].sum())
        mine += float(built.loc[(built["product"] == p) & (built["country"] != c), "usable"].sum())
        mine += float(held.loc[held["product"] == p, ["added", "known"]].to_numpy(dtype=float).sum())
        one = (kappa + float(a[i] - b.lower[i]) / b.scale[i], mine / b.scale[i])
        was = least.get((p, who), (np.inf, np.inf))
        least[(p, who)] = (min(was[0], one[0]), min(was[1], one[1]))
    return [(p, who, "n_minus_1_supply", kappa, *pair) for (p, who), pair in least.items()]


def _mean(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    from .limits import attribute_of

    m, given = plan._build, spec.arguments
    of = attribute_of(m, given["indicator"])[1]
    d = plan.decisions
    d = d[~d["lever"].isin(["substitute", "stockpile"])]
    out: list[Line] = []
    for i, (p, who) in enumerate(b.keys):
        got = float(plan._solution.x[m.lanes_of(_pools(plan, p, who))].sum())
        mine = d[(d["product"] == p) & ((d["buyer"] == who) | (who == GROUP))]
        q, g = mine["quantity"].to_numpy(dtype=float), mine["country"].astype(str).map(of).to_numpy(dtype=float)
        score = float(q @ g / q.sum()) if q.sum() > 0 else np.nan
        sign = 1.0 if given["least"] else -1.0
        model = float(given["floor"]) + sign * float(a[i]) / got if got > 0 else np.nan
        out.append((p, who, "attribute_mean", float(given["floor"]), model, score))
    return out


def _burden(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    m, given = plan._build, spec.arguments
    d, need, held = plan.decisions, plan.needs, plan.stocks
    bought = any(o.item == "stock bought" and o.pool is not None for o in m.outlays)
    d = d if bought else d[d["lever"] != "stockpile"]
    year = dict(zip(m.case.products, m.period.tolist(), strict=True))
    unmet = need["unmet"] * need["unmet_price"].fillna(0.0) * need["product"].map(year).astype(float)
    keep = m.lever == "keep"
    base = m.case.base * m.lane_cost[keep] * m.period[m.lane_product[keep]]
    paid_by = m.pool_country[m.pool[keep]]
    today = {c: float(base[paid_by == c].sum()) for c in b.keys}
    extra = {
        c: float(d.loc[d["buyer"] == c, "cost"].sum() + unmet[need["buyer"] == c].sum())
        + float(held.loc[held["buyer"] == c, "cost"].sum())
        - today[c]
        for c in b.keys
    }
    whole, total, times = sum(today.values()), sum(extra.values()), float(given["times"])
    out: list[Line] = []
    for i, c in enumerate(b.keys):
        if isinstance(given["against"], str):
            fair = times * (today[c] / whole if whole > 0 else 1.0 / b.n) * total
        else:
            fair = times * float(dict(given["against"])[c])
        out.append(("", str(c), "burden", 0.0, float(a[i] - b.upper[i]), extra[c] - fair))
    return out


def _spent(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    from .periods import PeriodPlan

    m, of, usd = plan._build, spec.arguments["of"], float(spec.arguments["usd"])
    if of == "capex":
        paid_for = float(plan.plants["capex"].sum())
        if isinstance(plan, PeriodPlan):  # of one period among several it is what falls in it
            table = plan._whole.spending
            paid_for = float(table.loc[table["year"] == plan._label, "usd"].sum())
        return [("", GROUP, "spending", usd, float(a[0]), paid_for)]
    paid = tables.costs(m, plan._solution.x)
    less = float(paid["today"].sum()) if of == "extra" else 0.0
    model = float(a[0]) - (m.cost_today if of == "extra" else 0.0)
    return [("", GROUP, "spending", usd, model, float(paid["plan"].sum()) - less)]


def _days(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    m, days, held, need = plan._build, float(spec.arguments["days"]), plan.stocks, plan.needs
    out: list[Line] = []
    for i, (p, who) in enumerate(b.keys):
        mine, ask = (f[(f["product"] == p) & ((f["buyer"] == who) | (who == GROUP))] for f in (held, need))
        daily = float(ask["need"].sum()) * float(m.period[m.case.products.index(p)]) / DAYS
        if not daily > 0:
            out.append((p, who, "stock_days", days, np.nan, np.nan))
            continue
        have = float(mine[["added", "known"]].to_numpy(dtype=float).sum())
        out.append((p, who, "stock_days", days, days + float(a[i] - b.lower[i]) / daily, have / daily))
    return out


def _new_output(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    def made(graph: Any, p: str, c: str) -> float:
        n = graph.index.nodes
        return float(n.loc[(n["product"] == p) & (n["country"] == c) & (n["kind"] == "producer"), "output"].sum())

    m, x = plan._build, plan._solution.x.copy()
    then, now = m.case.graph, plan.graph
    spare = uses(m, x).spare
    for node_at, new_at in m.raised:  # what is allowed as new output and not made is none
        x[new_at] = spare[node_at]
    a = np.bincount(b.row, b.value * x[b.col], b.n).astype(np.float64)
    return [
        (p, str(c), "new_output", float(b.upper[i]), float(a[i]), made(now, p, c) - made(then, p, c))
        for i, (p, c) in enumerate(b.keys)
    ]


def _start(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    from .physical import UNDER_WAY

    m, x, given = plan._build, plan._solution.x, spec.arguments
    if m.projects is None or m.candidates is None:
        return []
    wanted = (given["only"],) if isinstance(given["only"], str) else tuple(given["only"])
    delay, by = float(given["delay"]), float(given["by"])
    frame, on = m.candidates.frame, x[m.projects.at] > 0.5
    if wanted:
        on = on & frame["project"].astype(str).isin(wanted).to_numpy(dtype=bool)
    began = frame["start"].to_numpy(dtype=float)[on]
    began = began + np.where(frame["status"].isin(UNDER_WAY).to_numpy(dtype=bool)[on], 0.0, delay)
    p = plan.plants if not wanted else plan.plants[plan.plants["project"].astype(str).isin(wanted)]
    if "delivers" in p:  # over several periods a decision moves the start
        seen = [float(str(v)[:4]) for v in p["delivers"] if v is not None and v == v]
        began = np.array(seen)
    else:
        seen = [float(s) + (0.0 if k in UNDER_WAY else delay) for s, k in zip(p["start"], p["status"], strict=True)]
    known = [v for v in seen if v == v]
    model = float(np.nanmax(began)) if len(began) and not np.isnan(began).all() else np.nan
    return [("", GROUP, "start_year", by, model, max(known, default=np.nan))]


def _delivered(plan: Portfolio, spec: Spec, b: Rows, a: FloatArray) -> list[Line]:
    m, x = plan._build, plan._solution.x
    table = plan.projects
    out: list[Line] = []
    for i, label in enumerate(b.keys):
        k = m.project_label.index(label)
        mine = float(x[: m.n_lanes][m.project == k].sum())
        product = str(table["product"].iloc[k])
        out.append((product, str(label), "plant_output", mine - float(a[i]), mine, float(table["delivered"].iloc[k])))
    return out


# Block of rows that carries each constraint: how it is read, and which way it is bounded.
_BLOCKS: dict[str, tuple[Callable[[Any, Spec, Rows, FloatArray], list[Line]], str]] = {
    "focal_free": (_free, ">="),
    "n_minus_1": (_without_largest, ">="),
    "governance": (_mean, ">="),
    "equal_burden": (_burden, "<="),
    "budget": (_spent, "<="),
    "min_stock_days": (_days, ">="),
    "byproduct": (_new_output, "<="),
    "lead_time": (_start, "<="),
    "ramp_up": (_delivered, "<="),
}


def others(plan: Portfolio) -> list[dict[str, Any]]:
    """Rows of :attr:`Portfolio.readings` for constraints on what the score does not measure.

    ``model`` is the row of the model, in the unit of the reading (:data:`READINGS`); ``score`` the same figure worked
    out from the printed tables, or from the plan's graph.
    """
    m, x = plan._build, plan._solution.x
    rows: list[dict[str, Any]] = []
    for b in m.matrix.rows:
        how = _BLOCKS.get(re.sub(r"_\d+$", "", b.name) if b.name not in _BLOCKS else b.name)
        if how is None or b.spec is None or b.reading is not None:
            continue
        if b.n and not (np.isfinite(b.lower) | np.isfinite(b.upper)).any():
            continue  # it does not hold in this period, or was let go
        read, sense = how
        activity = np.asarray(np.bincount(b.row, b.value * x[b.col], b.n), dtype=np.float64)
        if b.spec.name == "governance_floor" and not b.spec.arguments["least"]:
            sense = "<="
        for p, who, metric, limit, model, score in read(plan, b.spec, b, activity):
            rows.append(
                {"constraint": repr(b.spec), "product": p, "buyer": who, "view": b.spec.arguments.get("view", "")}
                | {"metric": metric, "sense": sense, "limit": limit, "model": model, "score": score}
                | {"low": model, "high": model}
            )
    return rows

"""A plan in force solved again on new data: what was committed holds, and only what has to move moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..graph import SupplyGraph, check_graph
from .answers import again, bought, columns_of, page, whole_plan
from .asked import known_words
from .calendar import read_period
from .matrix import Columns, Compiled
from .model import Build, money
from .periods import HorizonPlan
from .plan import Portfolio
from .quadratic import lifted
from .run import optimize
from .solve import Solution, solve
from .widen import Wide

__all__ = ["Rolled", "rolling"]

FloatArray = npt.NDArray[np.float64]
_SAME = 1e-6
# How far the cost of two plans may be apart, relative to it, for them to cost the same: with yes-or-no decisions, without.
_GAP, _TOLERANCE = 1e-6, 1e-8
_FEASIBLE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Rolled:
    """A plan solved again with new data.

    Attributes
    ----------
    plan, before : Portfolio
        New and old.
    changes : DataFrame
        ``product, supplier, before, after, change``: product units a period, for what differs; with ``year`` over
        several periods.
    kept, lost : tuple of str
        Commitments that hold, and those that the new data no longer offer, with the reason.
    """

    plan: Portfolio
    before: Portfolio
    changes: pd.DataFrame
    kept: tuple[str, ...]
    lost: tuple[str, ...]

    def __repr__(self) -> str:
        extra = self.plan.objective_value - self.before.objective_value
        cost = f"{money(abs(extra))} {'less' if extra < 0.0 else 'more'}"
        return f"<Rolled: {cost}, {len(self.changes)} deliveries change, {len(self.lost)} commitments lost>"

    def _repr_html_(self) -> str:
        return page(repr(self).strip("<>"), self.changes, pd.DataFrame({"lost": self.lost}))


# Groups of columns that are decisions of the plan, and the commitment that fixes each.
_DECIDED = {
    "decide": "plants",
    "project": "plants",
    "contract_with": "contracts",
    "contract_signed": "contracts",
    "qualify_with": "contracts",
    "qualify_signed": "contracts",
    "stock": "stocks",
}
# Groups of columns that are what a plan delivers, or does instead.
_DELIVERED = ("flow", "shortfall", "substitute", "drawn")
_COMMITMENTS = ("plants", "contracts", "stocks", "deliveries")


def _never(now: object, remedy: str, rule: str) -> SchemaError:
    return SchemaError([Problem("rolling", "-", "now", rule, str(now), remedy)], "rolling()")


def rolling(
    plan: Portfolio,
    graph: SupplyGraph,
    fixed: Iterable[str] = ("plants", "contracts", "stocks"),
    now: Any = None,
    **changes: Any,
) -> Rolled:
    r"""Solve a plan again on new data, with what was committed fixed: only later decisions move.

    .. math:: \min\; C(x) \quad\text{s.t.}\quad y_t = y^0_t \;\; (t \le t_0), \qquad
        \text{then} \min \sum_j |x_j - x^0_j| / D_j \quad\text{at that cost}

    Of plans that cost the same the one with the fewest moves is taken, so that the same data give the same plan.

    Parameters
    ----------
    plan : Portfolio
        The plan in force.
    graph : SupplyGraph
        New data. A project that is no longer on offer there is a lost commitment (sold, cancelled) or stands already.
    fixed : iterable of {"plants", "contracts", "stocks", "deliveries"}
        Commitments that hold. In a plan of one year: the plants that are built, the contracts agreed, stocks at no less
        than they were, deliveries and what is unmet or substituted exactly as they were. Over several periods, up to
        ``now``: what was decided and what was not, in each of them; stocks as they were held, deliveries as they were made.
    now : int or str, optional
        For a plan over several periods: decisions up to this year or quarter hold; default its first.
    **changes
        Arguments of :func:`supplyrisk.portfolio.optimize` that are new, e.g. ``constraints``.

    Returns
    -------
    Rolled
        Over the same data and arguments the cost is never less than the plan's own.

    Raises
    ------
    InfeasibleError
        What is fixed and the new data cannot both be.
    """
    whole_plan(plan, "rolling")
    check_graph(graph, "rolling()")
    known_words("rolling", rolling, changes, optimize)
    names = (fixed,) if isinstance(fixed, str) else tuple(fixed)
    for name in names:
        if name not in _COMMITMENTS:
            raise unknown_name("commitment", name, _COMMITMENTS, "rolling(fixed=)")
    kept: list[str] = []
    lost: list[str] = []
    several = isinstance(plan, HorizonPlan)
    old = {g.name: dict(zip(g.keys, plan._solution.x[g.at].tolist(), strict=True)) for g in columns_of(plan)}
    past: set[Any] = set()
    if isinstance(plan, HorizonPlan):
        until = read_period(plan.years[0] if now is None else now, "rolling(now=)")
        if until.begin >= read_period(plan.years[-1], "rolling(now=)").end:
            raise _never(now, f"Give a period of the plan: {plan.years[0]} to {plan.years[-1]}.", "after the plan")
        past = {p.label for p in plan._wide.periods if p.begin < until.end - 1e-9}
    elif now is not None:
        raise _never(now, "Leave it out, or plan over several periods with horizon=.", "of a plan of one year")
    status = (
        graph.tables["projects"].drop_duplicates(["project", "product"]).set_index(["project", "product"])["status"]
    )

    def gone(label: str) -> str:
        project, _, product = label.removesuffix(")").rpartition(" (")
        return str(status.get((project, product), "no longer on record"))

    def hold(group: Columns, key: Any, value: float, says: str) -> None:
        at = group.keys.index(key)
        group.lower[at] = max(group.lower[at], min(value, group.upper[at]))
        kept.append(says)

    def fix(model: Any) -> Any:
        wide = model if isinstance(model, Wide) else None
        m: Build = model.build if wide is not None else model
        now_there = {g.name: g for g in m.matrix.columns}
        if wide is not None:
            begins = set(wide.labels)
            for name, of in _DECIDED.items():
                group = now_there.get(name)
                if of not in names or group is None or name == "project":
                    continue
                _freeze(group, old.get(name, {}), past, whole=name != "stock")
            if "deliveries" in names:
                for name in _DELIVERED:
                    if name in now_there:
                        _freeze(now_there[name], old.get(name, {}), past, whole=False)
            if "plants" in names and wide.decide is not None:
                place = {k: i for i, k in enumerate(wide.decide.keys)}
                for (year, label), value in old.get("decide", {}).items():
                    if value < 0.5 or year not in past:
                        continue
                    # What was decided before the new plan begins is decided in its first period.
                    i = place.get((year if year in begins else wide.labels[0], label))
                    if i is None:
                        lost.append(f"plant {label}: {gone(label)}")
                    elif wide.decide.upper[i] < 0.5:
                        lost.append(f"plant {label}: arrives after the plan ends")
                    else:
                        wide.decide.lower[i] = 1.0
                        kept.append(f"plant {label}")
            if "contracts" in names:
                _agreed(old, now_there, past, kept, lost)
        else:
            for name, of in _DECIDED.items():
                if of not in names or of == "stocks" or name not in old:
                    continue
                group = now_there.get(name)
                for key, value in old[name].items():
                    if value < 0.5:
                        continue
                    says = f"plant {key}" if of == "plants" else f"{name.partition('_')[0]} with {key}"
                    if group is not None and key in group.keys:
                        hold(group, key, 1.0, says)
                    else:
                        lost.append(f"{says}: {gone(key) if of == 'plants' else 'nothing to be had'}")
            if "stocks" in names:
                _stocks(old.get("stock", {}), now_there.get("stock"), kept, lost)
            if "deliveries" in names:
                for name in _DELIVERED:
                    _deliveries(name, old.get(name, {}), now_there.get(name), kept, lost)
        return lambda c, s: _fewest_moves(c, s, m.matrix.columns, old, plan.seed)

    after = again(plan, graph, fix, **changes)
    by = ("year", "product", "supplier") if several and isinstance(after, HorizonPlan) else ("product", "supplier")
    both = pd.concat([bought(plan, by), bought(after, by)], axis=1, keys=["before", "after"]).fillna(0.0)
    both["change"] = both["after"] - both["before"]
    moved = both[both["change"].abs() > _SAME * both[["before", "after"]].max(axis=1)]
    return Rolled(after, plan, moved.reset_index(), tuple(dict.fromkeys(kept)), tuple(dict.fromkeys(lost)))


def _freeze(group: Columns, was: dict[Any, float], past: set[Any], whole: bool) -> None:
    """Bring columns of past periods to what they were; what is new in the data was not chosen then."""
    for i, key in enumerate(group.keys):
        if key[0] not in past:
            continue
        value = was.get(key, 0.0)
        value = float(round(value)) if whole else value
        value = min(max(value, group.lower[i]), group.upper[i])
        group.lower[i] = group.upper[i] = value


def _stocks(was: dict[Any, float], group: Columns | None, kept: list[str], lost: list[str]) -> None:
    """Stocks of a plan of one year: held at no less than they were, as far as the new plan may hold them."""
    at = {} if group is None else {k: i for i, k in enumerate(group.keys)}
    for key, value in was.items():
        i = at.get(key)
        size = 1.0 if group is None or i is None else float(group.scale[i])
        if value <= _SAME * size:
            continue
        most = 0.0 if group is None or i is None else min(value, float(group.upper[i]))
        if group is not None and i is not None and most > _SAME * size:
            group.lower[i] = max(group.lower[i], most)
            kept.append(f"stock of {most:.6g} at {key}")
        if value - most > _SAME * size:
            lost.append(f"stock of {value - most:.6g} at {key}: no more than {most:.6g} may be held")


def _deliveries(name: str, was: dict[Any, float], group: Columns | None, kept: list[str], lost: list[str]) -> None:
    """Deliveries of a plan of one year, and what it does instead: exactly as they were, as far as they are on offer."""
    at = {} if group is None else {k: i for i, k in enumerate(group.keys)}
    if group is not None:
        for key, i in at.items():
            value = float(np.clip(was.get(key, 0.0), group.lower[i], group.upper[i]))
            group.lower[i] = group.upper[i] = value
    for key, value in was.items():
        there = at.get(key)
        have = 0.0 if group is None or there is None else float(group.upper[there])
        size = 1.0 if group is None or there is None else float(group.scale[there])
        says = f"{key[0]} of {key[1]} to {key[2]}" if name == "flow" else f"{name} at {key}"
        if value <= _SAME * size:
            continue
        if have > _SAME * size:
            kept.append(says)
        if value - have > _SAME * size:
            lost.append(f"{says}: {value - have:.6g} of {value:.6g} no longer on offer")


def _agreed(
    old: dict[str, dict[Any, float]], there: dict[str, Columns], past: set[Any], kept: list[str], lost: list[str]
) -> None:
    """What of the contracts agreed up to now holds."""
    for kind in ("contract", "qualify"):
        signed = {k for k, v in old.get(f"{kind}_signed", {}).items() if v > 0.5 and k[0] in past}
        group = there.get(f"{kind}_signed")
        known = set(group.keys) if group is not None else set()
        for year, who in sorted(signed, key=str):
            says = f"{kind} with {who}"
            if (year, who) in known:
                kept.append(says)
            else:
                lost.append(f"{says}: nothing to be had")


def _as_it_was(c: Compiled, columns: list[Columns], old: dict[str, dict[Any, float]]) -> FloatArray | None:
    """The plan in force in the columns of the new model, where it has all of them and meets all rows; else None."""
    parts: list[FloatArray] = []
    for g in columns:
        before = old.get(g.name)
        if before is None or any(k not in before for k in g.keys):
            return None
        parts.append(np.array([before[k] for k in g.keys], dtype=np.float64))
    x = np.concatenate(parts) if parts else np.zeros(0)
    if len(x) != c.n:
        return None
    off = np.maximum(c.lower - x, x - c.upper) / c.col_scale
    activity = c.activity(x)
    rows = np.maximum(c.row_lower - activity, activity - c.row_upper) / c.row_scale
    if max(float(np.max(off, initial=0.0)), float(np.max(rows, initial=0.0))) > _FEASIBLE:
        return None
    return np.asarray(np.clip(x, c.lower, c.upper), dtype=np.float64)


def _fewest_moves(
    c: Compiled, s: Solution, columns: list[Columns], old: dict[str, dict[Any, float]], seed: int
) -> Solution:
    """Of the plans that cost the same, the one that changes least."""
    import scipy.sparse as sp

    best = float(c.cost @ s.x)
    near = best + (_GAP if c.integer.any() else _TOLERANCE) * max(abs(best), 1.0)
    same = _as_it_was(c, columns, old)
    if same is not None and float(c.cost @ same) <= near:
        return replace(s, x=same, objective=float(c.cost @ same) + c.offset)
    col: list[int] = []
    was: list[float] = []
    for g in columns:
        before = old.get(g.name)
        if before is None or (g.name not in _DECIDED and g.name != "flow"):
            continue
        col += g.at.tolist()
        was += [before.get(k, 0.0) for k in g.keys]
    at, v = np.array(col, dtype=np.int64), np.array(was)
    v = np.clip(v, c.lower[at], c.upper[at])
    size = c.col_scale[at]
    if not len(at) or (np.abs(s.x[at] - v) <= 1e-9 * size).all():
        return s
    low = v <= c.lower[at] + 1e-12 * size
    cost = np.zeros(c.n)
    cost[at[low]] = 1.0 / size[low]
    both, value, unit = at[~low], v[~low], size[~low]
    n = len(both)
    used = np.flatnonzero(c.cost)
    a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))
    move = sp.csr_array((np.ones(n), (np.arange(n), both)), shape=(n, c.n))
    one = sp.eye_array(n, format="csr")
    spend = sp.csr_array((c.cost[used], (np.zeros(len(used), dtype=np.int64), used)), shape=(1, c.n))
    full = sp.block_array([[a, None], [move, -one], [-move, -one], [spend, None]], format="csr") if n else None
    full = full if full is not None else sp.vstack([a, spend], format="csr")
    worth = float(np.max(np.abs(c.cost * c.col_scale), initial=0.0)) or 1.0
    wide = replace(
        c,
        cost=np.concatenate([cost, 1.0 / unit]),
        offset=0.0,
        lower=np.concatenate([c.lower, np.zeros(n)]),
        upper=np.concatenate([c.upper, np.full(n, np.inf)]),
        integer=np.concatenate([c.integer, np.zeros(n, dtype=bool)]),
        start=full.indptr.astype(np.int32),
        index=full.indices.astype(np.int32),
        value=np.asarray(full.data, dtype=np.float64),
        row_lower=np.concatenate([c.row_lower, np.full(2 * n + 1, -np.inf)]),
        row_upper=np.concatenate([c.row_upper, value, -value, [near]]),
        col_scale=np.concatenate([c.col_scale, unit]),
        row_scale=np.concatenate([c.row_scale, unit, unit, [worth]]),
    )
    found = solve(wide, seed=seed, duals=False)
    if found.status != "optimal":
        return s
    x = lifted(c, found.x[: c.n])
    duals = s._duals
    whole = np.flatnonzero(c.integer)
    if len(whole) and (np.round(x[whole]) != np.round(s.x[whole])).any():
        lower, upper = c.lower.copy(), c.upper.copy()
        lower[whole] = upper[whole] = np.round(x[whole])
        duals = solve(replace(c, lower=lower, upper=upper), seed=seed)._duals
    value_now = float(c.cost @ x) + c.offset
    return replace(s, x=x, objective=value_now, seconds=s.seconds + found.seconds, _duals=duals)

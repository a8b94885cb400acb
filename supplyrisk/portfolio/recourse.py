"""What happens in a scenario: deliveries that are left, stock that is drawn down, supply that is led elsewhere, losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError
from ..registry import lever
from .matrix import Columns
from .model import Build, number

__all__ = ["Losses", "losses", "reroute", "scenario_columns"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Groups of columns that belong to a scenario, not to the plan.
_OF_SCENARIOS = ("lost", "release", "refill", "held", "rerouted", "tail", "value_at_risk", "worst_loss", "worst_part")


def scenario_columns(name: str) -> bool:
    """Whether a group of columns belongs to the scenarios."""
    return any(name == s or (name.startswith(f"{s}_") and name[len(s) + 1 :].isdigit()) for s in _OF_SCENARIOS)


@dataclass(frozen=True, eq=False)
class Losses:
    """Columns that make up the loss of each scenario: USD a year of a unit of each.

    Attributes
    ----------
    col, scenario : ndarray of int
        Column, and scenario it belongs to.
    usd : ndarray
        USD a year of a unit.
    names : tuple of str
        Scenarios.
    probability : ndarray, optional
        None where they are an uncertainty set.
    lost : Columns
        Need that stays unmet, by scenario and pool.
    size : float
        Typical size of a loss.
    """

    col: IntArray
    scenario: IntArray
    usd: FloatArray
    names: tuple[str, ...]
    probability: FloatArray | None
    lost: Columns
    size: float


@lever()
def reroute(m: Build, premium: float = 0.0) -> None:
    r"""Buy elsewhere once a scenario has come: from what suppliers and plants could still deliver.

    .. math:: w_{bs} \ge D_b - \sum_u f_{ubs}\,(x_{ub} + y_{ubs}), \qquad
        \sum_b (x_{ub} + y_{ubs}) \le A_u, \qquad 0 \le y_{ubs}

    A delivery :math:`y` of the second stage costs :math:`(1 + \pi)` times what it would in the plan; it is part of the
    scenario's loss. What was ordered is paid, whether it arrives or not. Deliveries under contracts and from sources that
    have to be qualified are decided before.

    Parameters
    ----------
    m : Build
        Given by the engine.
    premium : float
        Extra price :math:`\pi` of a delivery at short notice, as a part of its cost, at least 0. 0 is an assumption.
    """
    m.reroute = number("premium", premium, 0.0)
    m.notes.append(f"rerouting: at short notice a delivery costs {m.reroute:.0%} more (assumption)")


def _needs_scenarios(m: Build) -> None:
    if m.scenarios is None:
        raise SchemaError(
            [
                Problem(
                    "optimize",
                    "-",
                    "scenarios",
                    f"{m.spec!r} needs scenarios",
                    "",
                    "Give scenarios={'calm': (0.8, []), 'ban': (0.2, [export_ban(...)])}.",
                )
            ],
            "the plan",
        )


def losses(m: Build, times_price: float) -> Losses:
    r"""State the second stage once, and say what its columns cost.

    .. math:: w_{bs} \ge D_b - \sum_u f_{ubs}\,(x_{ub} + y_{ubs}) - r_{bs} + g_{bs}

    with what is left :math:`f` of a delivery, rerouted deliveries :math:`y`, stock released :math:`r` and refilled
    :math:`g`.

    Parameters
    ----------
    m : Build
        After the lanes are frozen.
    times_price : float
        Value of a unit that does not arrive, over its price.

    Returns
    -------
    Losses

    Raises
    ------
    SchemaError
        The plan has no scenarios.
    """
    _needs_scenarios(m)
    assert m.scenarios is not None
    case, names = m.case, m.scenarios.names
    n, k = len(case.pool), len(names)
    if m.losses is None:
        _state(m)
    assert m.losses is not None
    price = m.case.graph.tables["products"].drop_duplicates("product").set_index("product")["price"]
    dearest = np.array(
        [float(np.max(m.lane_cost[m.lane_product == p], initial=0.0)) for p in range(len(case.products))]
    )
    listed = price.reindex(list(case.products)).to_numpy(dtype=float)
    unit = np.where(np.isnan(listed), dearest, listed)[case.pool_product] * m.period[case.pool_product] * times_price
    m.notes.append(
        f"losses: a unit that does not arrive counts {times_price:g} times its price (assumption); direct cuts of "
        "deliveries only, no substitution in the scenario"
    )
    col, scenario, usd = m.losses.at, np.repeat(np.arange(k), n), np.tile(unit, k)
    again = next((g for g in m.matrix.columns if g.name == "rerouted"), None)
    if again is not None:
        lanes, of = m.rerouted
        yearly = m.lane_cost[lanes] * m.period[m.lane_product[lanes]] * (1.0 + (m.reroute or 0.0))
        col, scenario = np.concatenate([col, again.at]), np.concatenate([scenario, of])
        usd = np.concatenate([usd, yearly])
    p = None if m.scenarios.assumed else np.array(m.scenarios.probability)
    top = float(np.max(unit, initial=1.0) * np.max(case.need, initial=1.0)) or 1.0
    return Losses(col, scenario, usd, names, p, m.losses, top)


def _state(m: Build) -> None:
    """Columns and rows of the second stage."""
    assert m.scenarios is not None
    case, names = m.case, m.scenarios.names
    n, k = len(case.pool), len(names)
    factors = m.factors
    pool_size = m.pool_size
    pool_names = case.graph.index.nodes["node"].to_numpy(dtype=object)[case.pool].tolist()

    def keys() -> list[tuple[str, str]]:
        return [(s, p) for s in names for p in pool_names]

    several = m.periods is not None
    lost = m.matrix.add_columns(
        "lost",
        n * k,
        upper=np.tile(case.need, k) if several else np.inf,
        scale=np.tile(pool_size, k),
        keys=keys,
        meaning="need unmet in a scenario, product units",
    )
    lanes = np.arange(m.n_lanes)
    row = [m.pool + s * n for s in range(k)] + [np.arange(n * k)]
    col = [np.tile(lanes, k), lost.at]
    value = [factors.ravel(), np.ones(n * k)]
    # What is substituted does not need to arrive; what is left unmet on purpose is lost in every scenario.
    for relief in m.reliefs:
        if not relief.stock:
            row += [relief.pool + s * n for s in range(k)]
            col.append(np.tile(relief.at, k))
            value.append(np.ones(k * len(relief.pool)))
    if m.reroute is not None:
        lane, of = _rerouted(m, factors)
        again = m.matrix.add_columns(
            "rerouted",
            len(lane),
            scale=m.lane_size[lane],
            keys=lambda: [(names[s], *m.flow.keys[j]) for s, j in zip(of.tolist(), lane.tolist(), strict=True)],
            meaning="delivery bought once the scenario has come, product units a period",
        )
        row.append(m.pool[lane] + of * n)
        col.append(again.at)
        value.append(factors[of, lane])
        _within_spare(m, again, lane, of)
    if m.stock is not None and m.stock_known is not None:
        released = m.matrix.add_columns(
            "release", n * k, scale=np.tile(pool_size, k), keys=keys, meaning="stock released, product units a period"
        )
        row.append(np.arange(n * k))
        col.append(released.at)
        value.append(np.ones(n * k))
        if several:
            refilled = m.matrix.add_columns(
                "refill",
                n * k,
                scale=np.tile(pool_size, k),
                keys=keys,
                meaning="put by in a scenario, product units a period",
            )
            row.append(np.arange(n * k))
            col.append(refilled.at)
            value.append(-np.ones(n * k))
            most = m.stock.upper + m.stock_known
            m.matrix.add_columns(
                "held",
                n * k,
                upper=np.tile(most, k),
                scale=np.tile(pool_size, k),
                keys=keys,
                meaning="stock at the end of the period in a scenario, product units",
            )
        else:
            m.matrix.add_rows(
                "release_from_stock",
                n * k,
                np.tile(np.arange(n * k), 2),
                np.concatenate([released.at, np.tile(m.stock.at, k)]),
                np.concatenate([np.ones(n * k), -np.ones(n * k)]),
                upper=np.tile(m.stock_known, k),
                scale=np.tile(pool_size, k),
                keys=keys,
                say=lambda i: f"release at {pool_names[i % n]} in scenario {names[i // n]}: no more than is in stock",
            )
    m.matrix.add_rows(
        "delivered",
        n * k,
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=np.tile(case.need, k),
        scale=np.tile(pool_size, k),
        keys=keys,
        say=lambda i: f"need of {pool_names[i % n]} in scenario {names[i // n]}: delivered or lost",
    )
    m.losses = lost


def _rerouted(m: Build, factors: FloatArray) -> tuple[IntArray, IntArray]:
    """Lanes that can be used once a scenario has come, and the scenario of each."""
    open_ = np.isin(m.lever, ("re-source", "build")) & (m.flow.upper > 0)
    of, lane = np.nonzero((factors > 0) & open_[None, :] & np.any(factors < 1.0, axis=1, keepdims=True))
    m.rerouted = (lane.astype(np.int64), of.astype(np.int64))
    return m.rerouted


def _within_spare(m: Build, again: Columns, lane: IntArray, of: IntArray) -> None:
    """What is bought in a scenario fits into what suppliers and plants can deliver beside the plan."""
    assert m.scenarios is not None
    names = m.scenarios.names
    parts = m.availability_parts
    limit = m.availability - parts.get("contract", 0.0) - parts.get("qualify", 0.0)
    free = np.flatnonzero((m.project < 0) & ~np.isin(m.lever, ("contract", "qualify")))
    old = m.project[lane] < 0
    pair, r = np.unique(np.stack([of[old], m.supplier[lane[old]]]), axis=1, return_inverse=True)
    r = np.ravel(r)
    where = np.full((len(names), m.graph.index.n), -1, dtype=np.int64)
    where[pair[0], pair[1]] = np.arange(pair.shape[1])
    rows, cols, values = [r], [again.at[old]], [np.ones(int(old.sum()))]
    for s in range(len(names)):
        at = where[s, m.supplier[free]]
        rows.append(at[at >= 0])
        cols.append(free[at >= 0])
        values.append(np.ones(int((at >= 0).sum())))
    product = np.zeros(m.graph.index.n, dtype=np.int64)
    product[m.supplier] = m.lane_product
    m.matrix.add_rows(
        "rerouted_within",
        pair.shape[1],
        np.concatenate(rows),
        np.concatenate(cols),
        np.concatenate(values),
        upper=limit[pair[1]],
        scale=m.scale_of(limit[pair[1]], product[pair[1]]),
        keys=lambda: [(names[s], m.node[u]) for s, u in pair.T.tolist()],
        say=lambda i: f"{m.node[pair[1, i]]} can deliver no more in scenario {names[pair[0, i]]} than it can at all",
    )
    if m.projects is None or old.all():
        return
    n, k = m.projects.n, len(names)
    fed = np.flatnonzero(m.project >= 0)
    new = ~old
    hit = np.unique(of[new])
    m.matrix.add_rows(
        "rerouted_plant",
        n * k,
        np.concatenate(
            [
                of[new] * n + m.project[lane[new]],
                *(s * n + m.project[fed] for s in hit),
                *(s * n + np.arange(n) for s in hit),
            ]
        ),
        np.concatenate([again.at[new], *(fed for _ in hit), *(m.projects.at for _ in hit)]),
        np.concatenate(
            [np.ones(int(new.sum())), *(np.ones(len(fed)) for _ in hit), *(-m.project_capacity for _ in hit)]
        ),
        upper=0.0,
        scale=np.tile(m.tied(m.project[fed], fed, m.project_capacity), k),
        keys=lambda: [(s, p) for s in names for p in m.project_label],
        say=lambda i: (
            f"project {m.project_label[i % n]} can deliver no more in scenario {names[i // n]} than it can at all"
        ),
    )


def stock_paths(wide: Any, dt: list[FloatArray], kept: list[float]) -> None:
    r"""Tie the stocks of each scenario together over the periods.

    .. math:: H_{bst} = (1-\lambda)\, H_{bs,t-1} + (g_{bst} - r_{bst})\,\tau_t, \qquad
        H_{bs,t_s-1} = S_{b,t_s-1} + K_b

    from the period :math:`t_s` in which a scenario first cuts anything; before it the stock is the plan's.

    Parameters
    ----------
    wide : Wide
        All periods.
    dt : list of ndarray
        Product periods in each period of the plan, by pool.
    kept : list of float
        Part of a stock that is left of the period before.
    """
    m = wide.bases[0]
    n, k, t = len(m.case.pool), len(m.scenarios.names), len(wide.periods)
    names = m.scenarios.names
    pool_names = m.case.graph.index.nodes["node"].to_numpy(dtype=object)[m.case.pool].tolist()
    stock = [wide.cols("stock", s) for s in range(t)]
    drawn = [wide.cols("drawn", s) for s in range(t)]
    part = {c: [wide.cols(c, s) for s in range(t)] for c in ("release", "refill", "held")}
    row: list[IntArray] = []
    col: list[IntArray] = []
    value: list[FloatArray] = []
    bound: list[FloatArray] = []
    keys: list[tuple[Any, str, str]] = []
    size: list[FloatArray] = []
    at = 0

    def put(c: IntArray, v: Any) -> None:
        row.append(np.arange(at, at + n))
        col.append(c)
        value.append(np.broadcast_to(np.asarray(v, dtype=np.float64), (n,)))

    pools = m.reliefs[[r.stock for r in m.reliefs].index(True)].pool
    free = wide.build.matrix.columns
    held = next(g for g in free if g.name == "held")
    for i in range(k):
        struck = [bool((b.factors[i] < 1.0).any()) for b in wide.bases]
        first = struck.index(True) if any(struck) else t
        for s in range(t):
            mine = slice(i * n, (i + 1) * n)
            release, refill, now = (part[c][s][mine] for c in ("release", "refill", "held"))
            if s < first:  # nothing has happened: the plan is carried out
                put(release, 1.0)
                put(refill, -1.0)
                row.append(at + pools)
                col.append(drawn[s])
                value.append(-np.ones(len(pools)))
                bound.append(np.zeros(n))
                held.upper[now - held.start] = 0.0
            else:
                put(now, 1.0)
                put(release, dt[s])
                put(refill, -dt[s])
                known = np.zeros(n)
                if s > first:
                    put(part["held"][s - 1][mine], -kept[s])
                else:
                    known = kept[s] * m.stock_known
                    if s > 0:
                        put(stock[s - 1], -kept[s])
                bound.append(known)
            at += n
            keys += [(wide.periods[s].label, names[i], p) for p in pool_names]
            size.append(m.pool_size)
    total = np.concatenate(bound)
    wide.build.matrix.add_rows(
        "stock_in_scenario",
        at,
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=total,
        upper=total,
        scale=np.concatenate(size),
        keys=lambda: keys,
        say=lambda i: (
            f"{keys[i][0]}: stock at {keys[i][2]} in scenario {keys[i][1]}: what was held, less what is released"
        ),
    )

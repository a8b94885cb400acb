"""Stocks: how much to hold where, what it costs, and what it covers when deliveries fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..accounts import latest
from ..errors import Problem, SchemaError
from ..registry import constraint, lever
from .amounts import below
from .economics import RATE
from .limits import where
from .model import Build, Outlay, Relief, money, number
from .recourse import stock_paths

__all__ = ["HOLDING", "min_stock_days", "stockpile", "stocks_known"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Storage, insurance and handling, as a part of the stock's value a year: an assumption.
HOLDING = 0.02
DAYS = 365.0


def stocks_known(m: Build) -> FloatArray:
    """Stock on record for each pool: all holders of the newest year in the pool's country, product units; 0 if none."""
    frame = m.graph.tables["stocks"]
    out = np.zeros(len(m.case.pool))
    if not len(frame):
        return out
    last = latest(frame, ["node", "holder"])
    newest = last.groupby("node")["year"].transform("max")
    last = last[(last["year"] == newest) | newest.isna()]
    place = last["node"].astype(str).str.partition(":")[0]
    per_day = daily(m)
    names = np.array(m.case.products, dtype=object)[m.case.pool_product]
    for i, key in enumerate(f"{p}@{c}" for p, c in zip(names, m.pool_country, strict=True)):
        mine = last[(place == key).to_numpy(dtype=bool)]
        amount = mine["quantity"].astype(float)
        out[i] = float(amount.where(amount.notna(), mine["days"].astype(float) * per_day[i]).sum())
    return out


def daily(m: Build) -> FloatArray:
    """Need of each pool a day."""
    return np.asarray(m.case.need * m.period[m.case.pool_product] / DAYS, dtype=np.float64)


def unit_value(m: Build) -> FloatArray:
    """What a unit in stock is worth, by pool: the product's price, else its dearest delivery."""
    price = m.case.graph.tables["products"].drop_duplicates("product").set_index("product")["price"]
    listed = price.reindex(list(m.case.products)).to_numpy(dtype=float)
    dearest = [float(np.max(m.lane_cost[m.lane_product == p], initial=0.0)) for p in range(len(m.case.products))]
    return np.asarray(np.where(np.isnan(listed), dearest, listed)[m.case.pool_product], dtype=np.float64)


@lever()
def stockpile(
    m: Build,
    days: float = 180.0,
    holding: float = HOLDING,
    rate: float = RATE,
    product: Any = None,
    known: bool = True,
    fill: float = 1.0,
    rotation: float = 0.0,
) -> None:
    r"""Hold stocks, and release them when a scenario cuts deliveries.

    .. math:: w_{bs} \ge D_b - \sum_u f_{ubs}\, x_{ub} - r_{bs}, \qquad 0 \le r_{bs} \le S_b + K_b, \qquad
        \sum_u z_{ub} = (1/\tau + \lambda)\, S_b, \quad \sum_b (x_{ub} + z_{ub}) \le A_u

    with :math:`S_b` the stock that the plan adds and :math:`K_b` the stock on record. What is put by (:math:`z`) is bought
    from suppliers that can deliver it beside the need, within :math:`\tau` years; what is turned over and lost is bought
    again every year. The stock costs :math:`h\,v_b` a unit a year to hold, and the capital cost :math:`r` and the
    loss :math:`\lambda` on what was paid for it.

    Over several periods the stock is bought out of the plan's deliveries, held, turned over and run down,

    .. math:: S_{bt} = (1-\lambda)^{\ell}\, S_{b,t-1} - o_{bt},\qquad \sum_u x_{ubt} + o_{bt} = D_{bt}

    and every scenario has a stock of its own from the period in which it first cuts anything: released stock is gone, and
    is refilled only from deliveries that the scenario leaves. The discount rate is then the cost of capital, and what is
    left at the end counts as much as the pool's cheapest delivery.

    Parameters
    ----------
    m : Build
        Given by the engine.
    days : float
        Most days of need that the plan may add, at least 0. Japan holds 60 and up to 180 days, Korea 100 (IEA).
    holding : float
        Storage, insurance and handling as a part of the value a year; 2 % is an assumption.
    rate : float
        Cost of capital; 8 % as for plants.
    product : str or tuple of str, optional
        Default every product in scope.
    known : bool
        Whether stocks on record (table ``stocks``) may be released too.
    fill : float
        Years :math:`\tau` in which the stock is bought, in a plan of one year; above 0. One year is an assumption.
    rotation : float
        Part :math:`\lambda` of the stock that is lost each year by turning it over, in [0, 1]. 0 is an assumption.
    """
    days = number("days", days, 0.0)
    several = m.periods is not None
    holding, rate = number("holding", holding, 0.0), number("rate", rate, 0.0)
    fill = number("fill", fill, 0.0, open_low=True)
    rotation = number("rotation", rotation, 0.0, 1.0)
    pools = np.unique(np.concatenate([x[3] for x in m.pick(product, None)]))
    have = stocks_known(m) if known else np.zeros(len(m.case.pool))
    upper = np.zeros(len(m.case.pool))
    upper[pools] = daily(m)[pools] * days
    if several:
        none = np.full(len(pools), np.inf)
        m.reliefs.append(Relief("drawn", pools, none, np.zeros(len(pools)), stock=True))
        m.tracked["rotation"] = rotation

    def state() -> None:
        names = m.case.graph.index.nodes["node"].to_numpy(dtype=object)[m.case.pool]
        m.stock = m.matrix.add_columns(
            "stock", len(upper), upper=upper, scale=m.pool_size, keys=names.tolist, meaning="stock held, product units"
        )
        every = np.arange(len(m.case.pool))
        m.outlays.append(Outlay("stockpile", m.stock.at, unit_value(m) * holding, m.case.pool_product, every))
        if not several:
            m.later.append(lambda: _buy(m, fill, rotation, rate))  # after every lever has stated its limits

    m.stock_known = have
    m.later.append(state)
    if several:
        m.across.append(lambda wide: _balance(wide, rotation))
    m.notes.append(
        f"stocks: holding {holding:.1%} of the value a year, {rotation:.1%} lost in rotation (assumptions), capital "
        + ("at the discount rate" if several else f"{rate:.0%}; bought within {fill:g} years (assumption)")
        + ("" if several else "; a scenario lasts one period of the product")
    )


def _buy(m: Build, fill: float, rotation: float, rate: float) -> None:
    """Stock of a plan of one year is bought from what suppliers can deliver beside the need."""
    assert m.stock is not None
    open_ = np.isin(m.lever, ("re-source", "build")) & (m.stock.upper[m.pool] > 0) & (m.flow.upper > 0)
    lane = np.flatnonzero(open_)
    pools = np.flatnonzero(m.stock.upper > 0)
    a_year = 1.0 / fill + rotation
    keys = m.flow.keys
    bought = m.matrix.add_columns(
        "stocked",
        len(lane),
        scale=m.lane_size[lane],
        keys=lambda: [keys[j] for j in lane.tolist()],
        meaning="delivery into stock by (lever, supplier, pool), product units a period",
    )
    place = np.full(len(m.case.pool), -1, dtype=np.int64)
    place[pools] = np.arange(len(pools))
    names = m.case.graph.index.nodes["node"].to_numpy(dtype=object)[m.case.pool]
    m.matrix.add_rows(
        "stock_bought",
        len(pools),
        np.concatenate([place[m.pool[lane]], np.arange(len(pools))]),
        np.concatenate([bought.at, m.stock.at[pools]]),
        np.concatenate([m.period[m.lane_product[lane]], np.full(len(pools), -a_year)]),
        lower=0.0,
        upper=0.0,
        scale=m.pool_size[pools],
        keys=lambda: names[pools].tolist(),
        say=lambda i: f"stock at {names[pools[i]]} is bought within {fill:g} years, beside the need",
    )
    yearly = m.lane_cost[lane] * m.period[m.lane_product[lane]]
    usd = yearly * (rate + rotation) / a_year
    m.outlays.append(Outlay("stock bought", bought.at, usd, m.lane_product[lane], m.pool[lane]))
    # It takes output like any other delivery.
    for block in m.matrix.rows:
        name = block.name
        if name not in ("availability", "plant", "without_contract", "without_qualify", "made_beyond_today"):
            continue
        inside = block.col < m.n_lanes
        of = np.full(m.n_lanes, -1, dtype=np.int64)
        of[block.col[inside]] = block.row[inside]
        hit = of[lane] >= 0
        block.row = np.concatenate([block.row, of[lane[hit]]])
        block.col = np.concatenate([block.col, bought.at[hit]])
        block.value = np.concatenate([block.value, np.ones(int(hit.sum()))])


def _balance(wide: Any, rotation: float) -> None:
    """Stock over the periods: what was held, less what is lost and taken out, more what is put by."""
    m, t = wide.bases[0], len(wide.periods)
    pools = next(r.pool for r in m.reliefs if r.stock)
    n = len(m.case.pool)
    dt = [m.period[m.case.pool_product] * p.length for p in wide.periods]
    kept = [(1.0 - rotation) ** p.length for p in wide.periods]
    stock = [wide.cols("stock", s) for s in range(t)]
    row = [np.arange(n * t)]
    col = [np.concatenate(stock)]
    value = [np.ones(n * t)]
    for s in range(t):
        row.append(s * n + pools)
        col.append(wide.cols("drawn", s))
        value.append(dt[s][pools])
        if s:
            row.append(s * n + np.arange(n))
            col.append(stock[s - 1])
            value.append(np.full(n, -kept[s]))
    names = m.case.graph.index.nodes["node"].to_numpy(dtype=object)[m.case.pool].tolist()
    wide.build.matrix.add_rows(
        "stock_balance",
        n * t,
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=0.0,
        upper=0.0,
        scale=np.tile(m.pool_size, t),
        keys=lambda: [(p.label, b) for p in wide.periods for b in names],
        say=lambda i: f"{wide.periods[i // n].label}: stock at {names[i % n]} is what was held, bought and taken out",
    )
    # What is left at the end is worth the cheapest delivery, so that buying to keep never pays by itself.
    cheapest = np.full(n, np.inf)
    np.minimum.at(cheapest, m.pool, m.lane_cost)
    worth = np.where(np.isfinite(cheapest), cheapest, 0.0)
    wide.build.matrix.add_cost(stock[-1], -worth * wide.end)
    if m.losses is not None:
        stock_paths(wide, dt, kept)


@constraint(reference="days of cover as in the reserves of Japan (60 to 180) and Korea (100), IEA", metric="stock_days")
def min_stock_days(m: Build, days: float = 60.0, product: Any = None, buyer: str | None = "each") -> None:
    r"""Stock on hand must cover a number of days of the need.

    .. math:: S_b + K_b \ge \frac{d}{365}\, D_b

    Parameters
    ----------
    m : Build
        Given by the engine; needs the lever :func:`stockpile`.
    days : float
        Days :math:`d`, at least 0.
    product, buyer
        As in :func:`supplyrisk.portfolio.max_share`; by default every buyer by itself.

    Raises
    ------
    SchemaError
        The plan has no lever that holds stocks.
    """
    days = number("days", days, 0.0)
    if m.stock is None or m.stock_known is None:
        raise SchemaError(
            [Problem("optimize", "-", "levers", f"{m.spec!r} needs stocks", "", "Add the lever stockpile().")],
            "the plan",
        )
    markets = m.pick(product, buyer)
    pools = [x[3] for x in markets]
    per_day = daily(m)
    ask = np.array([days * per_day[p].sum() for p in pools])
    have = np.array([m.stock_known[p].sum() for p in pools])
    spec = m.spec
    col = m.stock.at[np.concatenate(pools)]
    m.add_rows(
        "min_stock_days",
        len(markets),
        np.repeat(np.arange(len(markets)), [len(p) for p in pools]),
        col,
        np.ones(len(col)),
        lower=ask - have,
        scale=np.where(ask > 0, ask, 1.0),
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        say=lambda i: f"{spec!r}: {ask[i]:.6g} in stock for {where(markets[i])}, {have[i]:.6g} on record",
        say_dual=lambda i, d: (
            f"one more day of stock for {where(markets[i])} costs {money(d * per_day[pools[i]].sum())} a year"
        ),
        say_relax=lambda i, a: (
            f"{spec!r} would have to be content with {below(max(days - a, 0.0))} days for {where(markets[i])}"
        ),
        slope=(col[:0], col[:0], np.zeros(0), np.array([per_day[p].sum() for p in pools])),
        pools=lambda i: pools[i],
    )


def stock_table(m: Build, x: FloatArray) -> pd.DataFrame:
    """What is held where: quantity, days of cover, value and yearly cost."""
    columns = ["product", "buyer", "added", "known", "unit", "days", "value", "cost"]
    if m.stock is None or m.stock_known is None:
        return pd.DataFrame(columns=columns)
    outlay = next(o for o in m.outlays if o.item == "stockpile")
    held = x[m.stock.at]
    per_day = daily(m)
    with np.errstate(invalid="ignore", divide="ignore"):
        cover = np.where(per_day > 0, (held + m.stock_known) / per_day, np.nan)
    return pd.DataFrame(
        {
            "product": np.array(m.case.products, dtype=object)[m.case.pool_product],
            "buyer": m.pool_country,
            "added": held,
            "known": m.stock_known,
            "unit": np.array(m.unit, dtype=object)[m.case.pool_product],
            "days": cover,
            "value": held * unit_value(m),
            "cost": held * outlay.usd,
        }
    )[columns]

"""Stocks: how much to hold where, what it costs, and what it covers when deliveries fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..accounts import latest
from ..errors import Problem, SchemaError
from ..registry import constraint, lever
from .economics import RATE
from .limits import where
from .model import Build, Outlay, money, number

__all__ = ["HOLDING", "min_stock_days", "stockpile", "stocks_known"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Storage, insurance, handling and rotation, as a part of the stock's value a year: an assumption.
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
    m: Build, days: float = 180.0, holding: float = HOLDING, rate: float = RATE, product: Any = None, known: bool = True
) -> None:
    r"""Hold stocks, and release them when a scenario cuts deliveries.

    .. math:: w_{bs} \ge D_b - \sum_u f_{ubs}\, x_{ub} - r_{bs}, \qquad 0 \le r_{bs} \le S_b + K_b, \qquad
        \text{cost } = (h + r)\, v_b\, S_b

    with :math:`S_b` the stock that the plan adds, :math:`K_b` the stock on record, :math:`v_b` the value of a unit,
    :math:`h` holding and rotation and :math:`r` the cost of capital a year. Over several years the stock is bought from
    real deliveries and carried from year to year (see ``horizon`` of :func:`supplyrisk.portfolio.optimize`); the cost of
    capital is then the discount rate, and what is left at the end counts as much as the pool's cheapest delivery. A
    scenario lasts one period of the product.

    Parameters
    ----------
    m : Build
        Given by the engine.
    days : float
        Most days of need that the plan may add, at least 0. Japan holds 60 and up to 180 days, Korea 100 (IEA).
    holding : float
        Storage, insurance and rotation as a part of the value a year; 2 % is an assumption.
    rate : float
        Cost of capital; 8 % as for plants.
    product : str or tuple of str, optional
        Default every product in scope.
    known : bool
        Whether stocks on record (table ``stocks``) may be released too.
    """
    days = number("days", days, 0.0)
    # Over several years the stock is bought, and the discount rate is its cost of capital.
    yearly = number("holding", holding, 0.0) + (number("rate", rate, 0.0) if m.years is None else 0.0)
    pools = np.concatenate([x[3] for x in m.pick(product, None)])
    have = stocks_known(m) if known else np.zeros(len(m.case.pool))

    def state() -> None:
        upper = np.zeros(len(m.case.pool))
        upper[pools] = daily(m)[pools] * days
        names = m.case.graph.index.nodes["node"].to_numpy(dtype=object)[m.case.pool]
        size = m.size[m.case.pool_product]
        m.stock = m.matrix.add_columns(
            "stock", len(upper), upper=upper, scale=size, keys=names.tolist, meaning="stock held, product units"
        )
        m.outlays.append(Outlay("stockpile", m.stock.at, unit_value(m) * yearly, m.case.pool_product))

    m.stock_known = have
    m.later.append(state)
    m.notes.append(
        f"stocks: holding and rotation {number('holding', holding, 0.0):.1%} of the value a year (assumption), "
        f"capital {number('rate', rate, 0.0):.0%}; a scenario lasts one period of the product"
    )


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
            f"{spec!r} would have to be content with "
            f"{days - a / per_day[pools[i]].sum() if per_day[pools[i]].sum() > 0 else 0.0:.3g} days for "
            f"{where(markets[i])}"
        ),
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

"""What a plan minimises: terms that add up, ``cost() + 0.5 * cvar(0.95)``."""

from __future__ import annotations

import numpy as np

from ..errors import Problem, SchemaError
from ..registry import objective
from .matrix import Columns
from .model import Build, number

__all__ = ["cost", "cvar", "expected_loss"]

# Value of a unit that does not arrive, over its price: an assumption.
LOSS_TIMES_PRICE = 10.0


@objective(unit="USD/year")
def cost(m: Build) -> tuple[object, object]:
    r"""Yearly cost: deliveries at their unit cost, plants at their annuity, unmet need at its price.

    .. math:: \sum_{u,b} c_u x_{ub} + \sum_j \mathrm{crf}\, I_j y_j + \sum_b v\, w_b

    Parameters
    ----------
    m : Build
        Given by the engine.

    Returns
    -------
    tuple of ndarray
        Columns and their USD a year.
    """
    return m.yearly_cost()


def _losses(m: Build, times_price: float) -> tuple[Columns, np.ndarray]:
    """Columns with the need that stays unmet by scenario and pool, and USD a year of a unit of each."""
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
    case, names = m.case, m.scenarios.names
    n, k = len(case.pool), len(names)
    if m.losses is None:
        factors = m.factors
        pool_size = m.size[case.pool_product]
        pool_names = case.graph.index.nodes["node"].to_numpy(dtype=object)[case.pool].tolist()

        def keys() -> list[tuple[str, str]]:
            return [(s, p) for s in names for p in pool_names]

        lost = m.matrix.add_columns(
            "lost", n * k, scale=np.tile(pool_size, k), keys=keys, meaning="need unmet in a scenario, product units"
        )
        lanes = np.arange(m.n_lanes)
        row = np.concatenate([m.pool + s * n for s in range(k)] + [np.arange(n * k)])
        col = np.concatenate([np.tile(lanes, k), lost.at])
        value = np.concatenate([factors.ravel(), np.ones(n * k)])
        # What is substituted does not need to arrive; what is left unmet on purpose is lost in every scenario.
        for relief in m.reliefs:
            row = np.concatenate([row] + [relief.pool + s * n for s in range(k)])
            col = np.concatenate([col, np.tile(relief.at, k)])
            value = np.concatenate([value, np.ones(k * len(relief.pool))])
        if m.stock is not None and m.stock_known is not None:
            released = m.matrix.add_columns(
                "release", n * k, scale=np.tile(pool_size, k), keys=keys, meaning="stock released, product units"
            )
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
            row = np.concatenate([row, np.arange(n * k)])
            col = np.concatenate([col, released.at])
            value = np.concatenate([value, np.ones(n * k)])
        m.matrix.add_rows(
            "delivered",
            n * k,
            row,
            col,
            value,
            lower=np.tile(case.need, k),
            scale=np.tile(pool_size, k),
            keys=keys,
            say=lambda i: f"need of {pool_names[i % n]} in scenario {names[i // n]}: delivered or lost",
        )
        m.losses = lost
    price = m.case.graph.tables["products"].drop_duplicates("product").set_index("product")["price"]
    dearest = np.array(
        [float(np.max(m.lane_cost[m.lane_product == p], initial=0.0)) for p in range(len(case.products))]
    )
    listed = price.reindex(list(case.products)).to_numpy(dtype=float)
    unit = np.where(np.isnan(listed), dearest, listed)[case.pool_product] * m.period[case.pool_product]
    m.notes.append(
        f"losses: a unit that does not arrive counts {times_price:g} times its price (assumption); direct cuts of "
        "deliveries only, no substitution in the scenario"
    )
    return m.losses, np.tile(unit * times_price, k)


@objective(unit="USD/year")
def expected_loss(m: Build, times_price: float = LOSS_TIMES_PRICE) -> tuple[object, object]:
    r"""Expected value of need that stays unmet, over the scenarios.

    .. math:: \sum_s p_s L_s,\qquad L_s = \sum_b v_b w_{bs},\qquad w_{bs} \ge D_b - \sum_u f_{ubs} x_{ub}

    with :math:`f` what is left of a delivery in the scenario.

    Parameters
    ----------
    m : Build
        Given by the engine.
    times_price : float
        Value :math:`v` of a unit that does not arrive, over its price. The default is an assumption.
    """
    lost, value = _losses(m, number("times_price", times_price, 0.0))
    assert m.scenarios is not None
    p = np.repeat(np.array(m.scenarios.probability), len(m.case.pool))
    return lost.at, value * p


@objective(unit="USD/year")
def cvar(m: Build, alpha: float = 0.95, times_price: float = LOSS_TIMES_PRICE) -> tuple[object, object]:
    r"""Conditional value at risk of the loss: its mean over the worst :math:`1-\alpha` of the scenarios.

    .. math:: \min_\eta\; \eta + \frac{1}{1-\alpha} \sum_s p_s\, (L_s - \eta)^+

    (Rockafellar and Uryasev, 2000). ``alpha = 0`` is the expected loss, 1 the loss of the worst scenario that has a
    probability above 0. A weight :math:`p_s / (1-\alpha)` above 1 means that no loss of :math:`s` can lie above the value
    at risk, so that it is stated as :math:`L_s \le \eta`: the numbers stay of one size up to the limit.

    Parameters
    ----------
    m : Build
        Given by the engine.
    alpha : float
        Level, in [0, 1].
    times_price : float
        As in :func:`expected_loss`.
    """
    alpha = number("alpha", alpha, 0.0, 1.0)
    lost, value = _losses(m, number("times_price", times_price, 0.0))
    assert m.scenarios is not None
    names = m.scenarios.names
    n, k = len(m.case.pool), len(names)
    top = float(np.max(value, initial=1.0) * np.max(m.case.need, initial=1.0)) or 1.0
    p = np.array(m.scenarios.probability)
    # Where p_s >= 1 - alpha a loss above the value at risk would cost more than raising that does.
    over = (p > 0) & (p >= 1.0 - alpha)
    weight = np.where(over, 0.0, np.divide(p, 1.0 - alpha, out=np.zeros(k), where=p < 1.0 - alpha))
    tail = m.matrix.add_columns(
        "tail",
        k,
        upper=np.where(over, 0.0, np.inf),
        scale=top,
        keys=lambda: list(names),
        meaning="loss of a scenario above the value at risk, USD/year",
    )
    var = m.matrix.add_columns(
        "value_at_risk", 1, scale=top, keys=lambda: [f"{alpha:g}"], meaning="value at risk of the loss, USD/year"
    )
    scenario = np.repeat(np.arange(k), n)
    m.matrix.add_rows(
        "tail_loss",
        k,
        np.concatenate([scenario, np.arange(k), np.arange(k)]),
        np.concatenate([lost.at, tail.at, np.full(k, var.start)]),
        np.concatenate([value, -np.ones(k), -np.ones(k)]),
        upper=0.0,
        scale=top,
        keys=lambda: list(names),
        say=lambda i: f"loss in scenario {names[i]}",
    )
    return np.concatenate([tail.at, var.at]), np.concatenate([weight, np.ones(1)])

"""What a plan minimises: terms that add up, ``cost() + 0.5 * cvar(0.95)``."""

from __future__ import annotations

import numpy as np

from ..errors import Problem, SchemaError
from ..registry import objective
from .model import Build, number
from .recourse import Losses, losses

__all__ = ["cost", "cvar", "expected_loss", "expected_unmet", "worst_loss", "worst_unmet"]

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


def _tail(m: Build, found: Losses, alpha: float) -> tuple[object, object]:
    """CVaR of the losses; of an uncertainty set the worst, whatever the level."""
    names = found.names
    k = len(names)
    p = found.probability
    # Where p_s >= 1 - alpha a loss above the value at risk would cost more than raising that does.
    over = np.ones(k, dtype=bool) if p is None else (p > 0) & (p >= 1.0 - alpha)
    weight = np.zeros(k)
    if p is not None:
        np.divide(p, 1.0 - alpha, out=weight, where=~over & (p > 0))
    top = found.size
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
    rows = m.matrix.add_rows(
        "tail_loss",
        k,
        np.concatenate([found.scenario, np.arange(k), np.arange(k)]),
        np.concatenate([found.col, tail.at, np.full(k, var.start)]),
        np.concatenate([found.usd, -np.ones(k), -np.ones(k)]),
        upper=0.0,
        scale=top,
        keys=lambda: list(names),
        say=lambda i: f"loss in scenario {names[i]}",
    )
    m.once |= {tail.name, var.name, rows.name}
    return np.concatenate([tail.at, var.at]), np.concatenate([weight, np.ones(1)])


@objective(unit="USD/year")
def expected_loss(m: Build, times_price: float = LOSS_TIMES_PRICE) -> tuple[object, object]:
    r"""Expected value of need that stays unmet, over the scenarios.

    .. math:: \sum_s p_s L_s,\qquad L_s = \sum_b v_b w_{bs},\qquad w_{bs} \ge D_b - \sum_u f_{ubs} x_{ub}

    with :math:`f` what is left of a delivery in the scenario. Scenarios without probabilities are an uncertainty set: the
    greatest expected loss under any probabilities is then that of the worst scenario. Over several periods
    :math:`L_s` is the present value of the scenario's whole path.

    Parameters
    ----------
    m : Build
        Given by the engine.
    times_price : float
        Value :math:`v` of a unit that does not arrive, over its price. The default is an assumption.
    """
    found = losses(m, number("times_price", times_price, 0.0))
    if found.probability is None:
        return _tail(m, found, 1.0)
    return found.col, found.usd * found.probability[found.scenario]


@objective(unit="USD/year")
def cvar(m: Build, alpha: float = 0.95, times_price: float = LOSS_TIMES_PRICE) -> tuple[object, object]:
    r"""Conditional value at risk of the loss: its mean over the worst :math:`1-\alpha` of the scenarios.

    .. math:: \min_\eta\; \eta + \frac{1}{1-\alpha} \sum_s p_s\, (L_s - \eta)^+

    (Rockafellar and Uryasev, 2000). ``alpha = 0`` is the expected loss, 1 the loss of the worst scenario that has a
    probability above 0. A weight :math:`p_s / (1-\alpha)` above 1 means that no loss of :math:`s` can lie above the value
    at risk, so that it is stated as :math:`L_s \le \eta`: the numbers stay of one size up to the limit. Scenarios without
    probabilities are an uncertainty set: the worst counts, whatever the level.

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
    return _tail(m, losses(m, number("times_price", times_price, 0.0)), alpha)


@objective(unit="USD/year")
def worst_loss(m: Build, times_price: float = LOSS_TIMES_PRICE) -> tuple[object, object]:
    r"""Loss of the worst scenario, whatever its probability: robust over the set of scenarios.

    .. math:: \max_s L_s

    Parameters
    ----------
    m : Build
        Given by the engine.
    times_price : float
        As in :func:`expected_loss`.
    """
    found = losses(m, number("times_price", times_price, 0.0))
    k = len(found.names)
    top = m.matrix.add_columns(
        "worst_loss", 1, scale=found.size, keys=lambda: ["worst"], meaning="loss of the worst scenario, USD/year"
    )
    rows = m.matrix.add_rows(
        "loss_at_most",
        k,
        np.concatenate([found.scenario, np.arange(k)]),
        np.concatenate([found.col, np.full(k, top.start)]),
        np.concatenate([found.usd, -np.ones(k)]),
        upper=0.0,
        scale=found.size,
        keys=lambda: list(found.names),
        say=lambda i: f"loss in scenario {found.names[i]}",
    )
    m.once |= {top.name, rows.name}
    return top.at, np.ones(1)


@objective(unit="1", metric="unmet")
def expected_unmet(m: Build, product: str | None = None) -> tuple[object, object]:
    r"""Expected part of the need that stays unmet, over the scenarios, added up over the products.

    .. math:: \sum_s p_s \frac{\sum_b w_{bs}}{\sum_b D_b}

    Over several periods it is added up over the years like a cost, at present value. Scenarios without probabilities have
    no expectation: see :func:`worst_unmet`.

    Parameters
    ----------
    m : Build
        Given by the engine.
    product : str, optional
        One product; default all, each by itself.

    Raises
    ------
    SchemaError
        The scenarios have no probabilities.
    """
    found = losses(m, LOSS_TIMES_PRICE)
    if found.probability is None:
        problem = Problem(
            "objective", "-", "scenarios", f"{m.spec!r} needs probabilities", "", "Give them, or take worst_unmet()."
        )
        raise SchemaError([problem], "the plan")
    n = len(m.case.pool)
    col: list[np.ndarray] = []
    value: list[np.ndarray] = []
    for s, p in enumerate(found.probability.tolist()):
        for _, _, _, pools in m.pick(product, None):
            need = float(m.case.need[pools].sum())
            if need > 0:
                col.append(found.lost.start + s * n + pools)
                value.append(np.full(len(pools), p / need))
    return np.concatenate([found.lost.at[:0], *col]), np.concatenate([np.zeros(0), *value])


@objective(unit="1", metric="unmet")
def worst_unmet(m: Build, product: str | None = None) -> tuple[object, object]:
    r"""Greatest part of the need that stays unmet, over the scenarios (and the periods) and the products.

    .. math:: \max_{s,t} \frac{\sum_b w_{bst}}{\sum_b D_{bt}}

    Parameters
    ----------
    m : Build
        Given by the engine.
    product : str, optional
        One product; default the worst of all.
    """
    found = losses(m, LOSS_TIMES_PRICE)
    n, names = len(m.case.pool), found.names
    markets = [x for x in m.pick(product, None) if m.case.need[x[3]].sum() > 0]
    top = m.matrix.add_columns(
        "worst_part", 1, keys=lambda: ["worst"], meaning="greatest part of a need that stays unmet in a scenario"
    )
    row: list[np.ndarray] = []
    col: list[np.ndarray] = []
    value: list[np.ndarray] = []
    keys: list[tuple[str, str]] = []
    for s, name in enumerate(names):
        for p, _, _, pools in markets:
            row.append(np.full(len(pools) + 1, len(keys)))
            col.append(np.append(found.lost.start + s * n + pools, top.start))
            value.append(np.append(np.full(len(pools), 1.0 / m.case.need[pools].sum()), -1.0))
            keys.append((name, p))
    m.matrix.add_rows(
        "unmet_at_most",
        len(keys),
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        upper=0.0,
        keys=lambda: keys,
        say=lambda i: f"part of the need of {keys[i][1]} that stays unmet in scenario {keys[i][0]}",
    )
    m.once.add(top.name)
    return top.at, np.ones(1)

"""More that a plan can aim at: independence soon, and attributes of suppliers such as emissions or governance."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError, unknown_name
from ..jurisdictions import scope
from ..registry import objective
from ..schema import VIEWS
from .lookthrough import todays_mixes
from .model import Build, number
from .senders import relayed

__all__ = ["attribute", "time_to_independence"]

FloatArray = npt.NDArray[np.float64]
_SHOWN = 8


@objective(unit="years")
def time_to_independence(
    m: Build, cap: float = 0.5, focal: Any = "CHN", view: str = "control", product: str | None = None
) -> tuple[object, object]:
    r"""Years until the focal share of the group is at or below a cap, and stays there.

    .. math:: \min \sum_t \ell_t\, d_t, \qquad \sum_{u,b} s_u x_{ubt} \le \theta D_t + (1 - \theta)\, M_t\, d_t, \qquad
        d_t \ge d_{t+1}, \quad d_t \in \{0, 1\}

    Years are not discounted. In a plan of one year it is 0 or 1. With several products the slowest counts for each by
    itself: name one. Weigh it against the cost: ``cost() + 1e9 * time_to_independence(0.3)`` values a year at 1e9 USD.

    Parameters
    ----------
    m : Build
        Given by the engine.
    cap : float
        Share :math:`\theta`, in [0, 1].
    focal : str or tuple of str
        As in :func:`supplyrisk.portfolio.max_share`.
    view : {"location", "equity", "control", "origin"}
        Which share; origin at the upstream mixes of today.
    product : str, optional
        Default: the product of the plan, where it has one.
    """
    cap = number("cap", cap, 0.0, 1.0)
    if view not in VIEWS:
        raise unknown_name("view", view, VIEWS, f"{m.spec!r}")
    places = scope(focal, m.graph)
    name = focal if isinstance(focal, str) else "+".join(places)
    markets = m.pick(product, None)
    if len(markets) != 1:
        problem = Problem(
            "objective", "-", "product", f"{m.spec!r} means several", ", ".join(x[0] for x in markets), ""
        )
        raise SchemaError([problem], "the plan")
    p, _, _, pools = markets[0]
    todays_mixes(m, view, markets)
    shares = m.shares(places, view)
    s = np.where(np.isnan(shares.value), shares.high, shares.value)
    s = np.where(np.isnan(s), 1.0, s)
    row, col, value = m.share_rows(markets, cap, s[m.supplier])
    if view != "equity":
        own = relayed(m, markets, s, places if view != "location" else None)
        row, col, value = (np.concatenate([a, b]) for a, b in zip((row, col, value), own, strict=True))
    need = float(m.case.need[pools].sum())
    room = need
    if m.stock is not None and m.here is not None:  # what is put by may come from the focal too
        room += float((m.stock.upper[pools] / (m.period[m.case.pool_product[pools]] * m.here.length)).sum())
    dependent = m.matrix.add_columns(
        "dependent", 1, upper=1.0, integer=True, keys=lambda: [p], meaning="1 = the share is above the cap, or will be"
    )
    rows = m.add_rows(
        "independence",
        1,
        np.append(row, 0),
        np.append(col, dependent.start),
        np.append(value, -(1.0 - cap) * room),
        upper=cap * need,
        scale=need if need > 0 else 1.0,
        keys=lambda: [p],
        say=lambda i: f"{m.spec!r}: share of {name} ({view}) in {p} at most {cap:.2%}, once independent",
    )
    assert rows.n == 1
    m.undiscounted.add(dependent.name)
    own_name = dependent.name

    def tie(wide: Any) -> None:
        t = len(wide.periods)
        at = np.concatenate([wide.cols(own_name, i) for i in range(t)])
        wide.build.matrix.add_rows(
            "independent_for_good",
            t - 1,
            np.tile(np.arange(t - 1), 2),
            np.concatenate([at[:-1], at[1:]]),
            np.concatenate([np.ones(t - 1), -np.ones(t - 1)]),
            lower=0.0,
            keys=lambda: list(wide.labels[:-1]),
            say=lambda i: f"{wide.labels[i]}: not independent while a later period is not",
        )

    if m.periods is not None:
        m.across.append(tie)
    return dependent.at, np.ones(1)


@objective(unit="as given, a year")
def attribute(m: Build, values: Any, product: Any = None) -> tuple[object, object]:
    r"""An attribute of suppliers, added up over what they deliver: emissions, water, a governance score.

    .. math:: \sum_{u,b} a_u\, x_{ub}

    in units of the attribute a year. Weigh it against the cost: ``cost() + 80 * attribute(t_co2)`` prices a tonne at
    80 USD. For a score of which more is better give its opposite.

    Parameters
    ----------
    m : Build
        Given by the engine.
    values : mapping
        Figure for a product unit, by node id (``product@ISO3``), project id or ISO3, looked for in this order; ``"*"`` for
        all others, if you mean it. A supplier that the plan could buy from and that has none is an error, never 0.
    product : str or tuple of str, optional
        Default every product in scope.

    Raises
    ------
    SchemaError
        Suppliers without a figure, or figures that are no numbers.
    """
    try:
        table = {str(k): v for k, v in dict(values).items()}
    except (TypeError, ValueError) as err:
        problem = Problem("objective", "-", "values", "not a mapping", repr(values), 'Write {"AUS": 2.0, "CHN": 8.5}.')
        raise SchemaError([problem], "the plan") from err
    pools = np.concatenate([x[3] for x in m.pick(product, None)])
    lanes = m.lanes_of(pools)
    lanes = lanes[m.flow.upper[lanes] > 0]
    project: dict[int, str] = {}
    if m.candidates is not None and len(m.candidates.frame):
        ids = m.candidates.frame["project"].astype(str).tolist()
        project = {int(u): ids[j] for u, j in zip(m.supplier.tolist(), m.project.tolist(), strict=True) if j >= 0}
    figure = np.full(m.graph.index.n, np.nan)
    lacking: list[str] = []
    for u in np.unique(m.supplier[lanes]).tolist():
        node = str(m.node[u])
        names = [node, *([project[u]] if u in project else []), str(m.country[u]), "*"]
        hit = next((n for n in names if n in table), None)
        value = table[hit] if hit is not None else None
        if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and np.isfinite(float(value)):
            figure[u] = float(value)
        else:
            lacking.append(node)
    if lacking:
        shown = ", ".join(lacking[:_SHOWN]) + (f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else "")
        problem = Problem(
            "objective", "-", "values", "suppliers without a figure", shown, 'Give each one, its country, or "*".'
        )
        raise SchemaError([problem], "the plan")
    return lanes, figure[m.supplier[lanes]] * m.period[m.lane_product[lanes]]

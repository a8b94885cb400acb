"""What is too small beside the rest of a plan for its solver to tell good from bad: refused, or said."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError
from .matrix import Compiled
from .model import Build
from .solve import Solution

__all__ = ["refuse_unseen", "say_unseen"]

FloatArray = npt.NDArray[np.float64]
# Costs further below the greatest than this are within the solver's tolerance (its 1e-7, on costs scaled as far as it helps).
_FURTHEST = 1e11
# Part of what a product costs that the plan's gap may hide without a word.
_HIDDEN = 0.01
_SHOWN = 5


def _stakes(m: Build, cost: FloatArray) -> FloatArray:
    """Greatest cost of a delivery of all that each pool needs; 0 where the plan does not pay for its deliveries."""
    out = np.zeros(len(m.case.pool))
    np.maximum.at(out, m.pool, np.abs(cost[m.flow.at]) * m.lane_size)
    return np.where(m.case.need > 0.0, out, 0.0)


def _names(m: Build, pools: npt.NDArray[np.int64]) -> list[str]:
    names = m.case.graph.index.nodes["node"].to_numpy(dtype=object)[m.case.pool]
    return [str(names[i]) for i in pools]


def refuse_unseen(m: Build) -> None:
    """Refuse pools that cost so little beside the dearest that any supplier would look as good as the best.

    Parameters
    ----------
    m : Build
        The model of one period, as stated.

    Raises
    ------
    SchemaError
        Naming each pool.
    """
    stake = _stakes(m, m.matrix.cost())
    top = float(stake.max(initial=0.0))
    small = np.flatnonzero((stake > 0.0) & (stake * _FURTHEST < top))
    if not len(small):
        return
    what = (
        f"costs less than {1.0 / _FURTHEST:.0e} of the dearest: a solver cannot tell its best supplier from the others"
    )
    hint = "Plan this product or buyer by itself (product=, buyers=)."
    told = [f"{stake[i]:.3g} beside {top:.3g} USD" for i in small]
    rows = [Problem("the plan's needs", p, "cost", what, t, hint) for p, t in zip(_names(m, small), told, strict=True)]
    raise SchemaError(rows, "the plan")


def say_unseen(m: Build, c: Compiled, s: Solution) -> list[str]:
    """Notes on what forbidding prices, or the gap of yes-or-no decisions, leave undecided.

    Parameters
    ----------
    m : Build
        The model of one period.
    c : Compiled
        The same, compiled.
    s : Solution
        Its plan.

    Returns
    -------
    list of str
    """
    out: list[str] = []
    stake = _stakes(m, c.cost)
    top = float(np.max(np.abs(c.cost * c.col_scale), initial=0.0))
    small = np.flatnonzero((stake > 0.0) & (stake * _FURTHEST < top))
    if len(small):
        more = f" and {len(small) - _SHOWN} more" if len(small) > _SHOWN else ""
        out.append(
            f"what {', '.join(_names(m, small[:_SHOWN]))}{more} would cost is less than {1.0 / _FURTHEST:.0e} of the greatest "
            "price in the plan: its suppliers need not be the cheapest. Lower that price or weight, or plan it by itself"
        )
    if len(m.case.products) > 1 and s.gap > 0.0:
        paid = np.bincount(m.lane_product, c.cost[m.flow.at] * s.x[m.flow.at], len(m.case.products))
        room = s.gap * abs(s.objective)
        names = [p for p, v in zip(m.case.products, paid.tolist(), strict=True) if 0.0 < v * _HIDDEN < room]
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            out.append(
                f"the plan's gap of {s.gap:.1e} is {room:.3g} USD, more than {_HIDDEN:.0%} of what "
                f"{', '.join(names[:_SHOWN])}{more} costs: that part need not be the best. Plan it by itself (product=), or "
                "ask for a smaller gap (gap=)"
            )
    return out

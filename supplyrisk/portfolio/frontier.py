"""Cost against dependence: the plans that nobody can better in both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..graph import SupplyGraph
from ..registry import Spec
from .constraints import max_share
from .explain import stopped
from .model import number
from .run import optimize
from .solve import solve

__all__ = ["frontier"]


def frontier(
    graph: SupplyGraph,
    buyers: str | Iterable[str] | None = None,
    *,
    product: str,
    focal: Any = "CHN",
    view: str = "control",
    points: int = 20,
    constraints: Iterable[Spec] = (),
    **options: Any,
) -> pd.DataFrame:
    """Least cost for each level of focal share, from no cap down to the lowest that can be reached.

    The model is built once; each point moves one right-hand side (epsilon constraint; Haimes, Lasdon and Wismer, 1971)
    and dominated points are left out.

    Parameters
    ----------
    graph, buyers
        As in :func:`supplyrisk.portfolio.optimize`.
    product : str
        One product.
    focal : str or tuple of str
        Whose share.
    view : {"location", "equity", "control", "origin"}
        Which share.
    points : int
        Levels tried, at least 2.
    constraints : iterable of Spec
        What every plan must respect besides.
    **options
        Passed on to :func:`~supplyrisk.portfolio.optimize`, e.g. ``levers``, ``objective``.

    Returns
    -------
    DataFrame
        ``cap, share, objective, extra, knee``: share of the focal in [0, 1], objective in USD a year, extra over the
        cheapest plan, and True at the point farthest from the line between the two ends. Only non-dominated points,
        cheapest first.

    Raises
    ------
    InfeasibleError
        Not even without a cap is there a plan.
    """
    points = int(number("points", points, 2))
    cap = max_share(focal, 1.0, view=view, product=product)
    plan = optimize(graph, buyers, product=product, constraints=(*constraints, cap), **options)
    m, c = plan._build, plan._compiled
    block = next(b for b in reversed(m.matrix.rows) if b.spec == cap)
    need = float(m.case.need.sum())
    gap, seed = options.get("gap"), plan.seed
    cost = np.bincount(block.col, block.value, c.n).astype(np.float64)
    least = solve(replace(c, cost=cost, offset=0.0), gap=gap, seed=seed, duals=False)
    if least.status != "optimal":
        raise stopped(least)
    top = float(cost @ plan._solution.x) / need if need > 0 else 0.0
    bottom = least.objective / need if need > 0 else 0.0
    rows = [{"cap": 1.0, "share": top, "objective": plan.objective_value}]
    for level in np.linspace(top, bottom, points)[1:]:
        upper = c.row_upper.copy()
        upper[block.start] = level * need + 1e-9 * need
        s = solve(replace(c, row_upper=upper), gap=gap, seed=seed, duals=False)
        if s.status != "optimal":
            raise stopped(s)
        rows.append({"cap": float(level), "share": float(cost @ s.x) / max(need, 1e-300), "objective": s.objective})
    out = pd.DataFrame(rows).sort_values(["objective", "share"], kind="stable")
    better = out["share"].cummin().shift(fill_value=np.inf)
    out = out[out["share"] < better - 1e-9].reset_index(drop=True)
    out["extra"] = out["objective"] - out["objective"].iloc[0]
    span_s, span_c = out["share"].iloc[0] - out["share"].iloc[-1], out["extra"].iloc[-1]
    out["knee"] = False
    if len(out) > 2 and span_s > 0 and span_c > 0:
        bend = (out["share"].iloc[0] - out["share"]) / span_s - out["extra"] / span_c
        out.loc[bend.idxmax(), "knee"] = True
    return out

"""Shares through all tiers: booked by mass balance, or at the mixes that the plan itself leads to; and robust shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .limits import Market, needs
from .matrix import Rows
from .model import Build
from .physical import free_network, free_rows
from .views import NodeShares, node_shares

__all__ = ["book_origin", "follow_mixes", "protect"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Change of a market's share between two linearisations that counts as none.
_SETTLED = 1e-8
# From this round on a step goes half way only, so that mixes that chase each other settle.
_DAMPED = 12


def protect(
    m: Build, markets: list[Market], value: FloatArray, high: FloatArray, gamma: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Columns and rows of the budget of uncertainty (Bertsimas and Sim, 2004); what they add to each market's row."""
    row: list[int] = []
    col: list[int] = []
    coefficient: list[float] = []
    spread = high - value
    for i, (p, k, b, pools) in enumerate(markets):
        lanes = m.lanes_of(pools)
        lanes = lanes[spread[m.supplier[lanes]] > 0]
        who, at = np.unique(m.supplier[lanes], return_inverse=True)
        n = len(who)
        names = [(p, b, str(v)) for v in m.node[who]]
        size = float(m.size[k])
        z = m.matrix.add_columns(
            "protect", 1, scale=size, keys=lambda p=p, b=b: [(p, b)], meaning="price of the budget of uncertainty"
        )
        q = m.matrix.add_columns(
            "protect_of", n, scale=size, keys=lambda names=names: names, meaning="uncertain part of a supplier"
        )
        m.add_rows(
            "protection",
            n,
            np.concatenate([at, np.arange(n), np.arange(n)]),
            np.concatenate([lanes, q.at, np.full(n, z.start)]),
            np.concatenate([-spread[m.supplier[lanes]], np.ones(n), np.ones(n)]),
            lower=0.0,
            scale=size,
            keys=lambda names=names: names,
        )
        row += [i] * (n + 1)
        col += [z.start, *q.at.tolist()]
        coefficient += [gamma, *([1.0] * n)]
    return np.array(row, dtype=np.int64), np.array(col, dtype=np.int64), np.array(coefficient, dtype=np.float64)


def book_origin(m: Build, focal: tuple[str, ...], name: str, cap: float, product: Any, buyer: str | None) -> None:
    """Origin by mass balance: at least the rest of the need is booked free of the focal."""
    markets = m.pick(product, buyer)
    flows = free_network(m, focal, "location").lane
    free_rows(m, markets, needs(m, markets), flows, 1.0 - cap, f"free of {name} (origin, mass balance)")
    m.notes.append(
        "origin by mass balance: focal-free inputs are booked to where they free most (linear); proportional mixing "
        "would count more as the focal's"
    )


def follow_mixes(m: Build, block: Rows, focal: tuple[str, ...], markets: list[Market]) -> None:
    """Let a share row follow the mixes of the plan: solve, measure on the plan's graph, state anew, until it settles."""
    from .plan import plan_graph

    lanes = block.col < m.n_lanes
    need = np.maximum(needs(m, markets), 1e-300)
    rounds = [0]
    said: list[str] = []

    def again(x: FloatArray) -> bool:
        rounds[0] += 1
        graph = plan_graph(m, x)
        found = node_shares(graph, focal, "origin")
        old = m.shares(focal, "origin")
        at = graph.index.position.get_indexer(pd.Index(m.node, dtype=object))
        there = at >= 0
        new: dict[str, FloatArray] = {}
        for part in ("value", "low", "high"):
            new[part] = getattr(old, part).copy()
            new[part][there] = getattr(found, part)[at[there]]
        measured = np.where(np.isnan(new["value"]), new["high"], new["value"])
        measured = np.where(np.isnan(measured), 1.0, measured)
        col, row = block.col[lanes], block.row[lanes]
        used = np.bincount(row, x[col] * (measured[m.supplier[col]] - block.value[lanes]), block.n) / need
        gap = float(np.max(np.abs(used), initial=0.0))
        m.notes[:] = [n for n in m.notes if n not in said]
        said[:] = [
            f"origin under proportional mixing: successive linearisation, {rounds[0]} rounds, share met within {gap:.2g}"
        ]
        m.notes.extend(said)
        if gap <= _SETTLED:
            m._shares[(focal, "origin")] = NodeShares(new["value"], new["low"], new["high"])
            return False
        step = 0.5 if rounds[0] > _DAMPED else 1.0
        block.value[lanes] += step * (measured[m.supplier[col]] - block.value[lanes])
        m._shares[(focal, "origin")] = NodeShares(new["value"], new["low"], new["high"])
        return True

    m.refine.append(again)

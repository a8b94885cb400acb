"""Shares through all tiers: booked by mass balance, or at the mixes that the plan itself leads to; and robust shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .. import control
from ..errors import Problem, SchemaError, SolverError
from ..graph import SupplyGraph
from ..tracing import tracing_matrix
from .limits import Market, needs
from .matrix import Columns, Rows, held
from .mixing import outbid_pools, relaxed
from .model import Build
from .physical import free_network, free_rows
from .readings import Coordinates
from .senders import relayed
from .tiers import proportional_counts_more
from .views import NodeShares, node_shares

__all__ = ["Mover", "book_origin", "counted_part", "follow_mixes", "protect", "which_mixes"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Change of a market's share between two linearisations that counts as none.
_SETTLED = 1e-8
# From this round on a step goes half way only, so that mixes that chase each other settle.
_DAMPED = 12
_ROUNDS = 30
# Price of missing the cap while the mixes settle, over that of the dearest delivery; rounds after which it must be met.
_DEAR = 100.0
_PATIENCE = 10


def protect(
    m: Build,
    markets: list[Market],
    value: FloatArray,
    high: FloatArray,
    gamma: float,
    own: tuple[IntArray, IntArray, FloatArray] | None = None,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Columns and rows of the budget of uncertainty (Bertsimas and Sim, 2004); what they add to each market's row.

    ``own`` are the coordinates of kept re-exports in the row (:func:`supplyrisk.portfolio.senders.relayed`): what a
    re-exporter sends that counts as its own is as uncertain as the re-exporter, not as the makers behind it.
    """
    row: list[int] = []
    col: list[int] = []
    coefficient: list[float] = []
    spread, spec = high - value, m.spec
    for i, (p, k, b, pools) in enumerate(markets):
        lanes = m.lanes_of(pools)
        key, at_col, part = [m.supplier[lanes]], [lanes], [np.ones(len(lanes))]
        if own is not None and k in m.sent:
            s = m.sent[k]
            mine = np.flatnonzero(np.isin(s.keep.at, own[1][own[0] == i]))
            mix = s.mix[mine].tocoo()
            key += [s.relay[mine], mix.col.astype(np.int64)]
            at_col += [s.keep.at[mine], s.keep.at[mine][mix.row]]
            part += [np.ones(len(mine)), -mix.data]
        who_of, cols, parts = np.concatenate(key), np.concatenate(at_col), np.concatenate(part)
        open_ = spread[who_of] > 0
        who, at = np.unique(who_of[open_], return_inverse=True)
        n = len(who)
        names = [(p, b, str(v)) for v in m.node[who]]
        size = float(m.pool_size[pools].sum())
        z = m.matrix.add_columns(
            "protect", 1, scale=size, keys=held([(p, b)]), meaning="price of the budget of uncertainty"
        )
        q = m.matrix.add_columns("protect_of", n, scale=size, keys=held(names), meaning="uncertain part of a supplier")
        m.add_rows(
            "protection",
            n,
            np.concatenate([at, np.arange(n), np.arange(n)]),
            np.concatenate([cols[open_], q.at, np.full(n, z.start)]),
            np.concatenate([-(spread[who_of] * parts)[open_], np.ones(n), np.ones(n)]),
            lower=0.0,
            scale=size,
            keys=lambda names=names: names,
            say=lambda i, names=names: f"{spec!r}: {names[i][2]} may be as much the focal's as its upper bound says",
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
        "origin by mass balance: focal-free inputs are booked to where they free most (linear)"
        + (
            "; proportional mixing would count as much or more as the focal's"
            if proportional_counts_more(m, focal)
            else ""
        )
    )


def _pull(graph: SupplyGraph, own: FloatArray, weight: FloatArray) -> FloatArray:
    """How much a weighted sum of exposures moves with the exposure of each node: one solve with the transpose."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import spsolve

    n = graph.index.n
    a = sp.csr_array(sp.diags_array(1.0 - own) @ tracing_matrix(graph))
    return np.asarray(spsolve(sp.csc_matrix(sp.eye_array(n) - a.T), weight), dtype=np.float64)


def movable(m: Build, markets: list[Market]) -> bool:
    """Whether a plan can change what suppliers of the markets are made of: it feeds, or outbids, somebody upstream."""
    import scipy.sparse as sp

    w = sp.csr_array(tracing_matrix(m.graph))
    ix = m.graph.index
    maker = (ix.nodes["kind"] == "producer").to_numpy(dtype=bool)
    used = np.zeros(ix.n, dtype=bool)
    used[ix.src[maker[ix.dst]]] = True
    reach = np.zeros(ix.n, dtype=bool)
    reach[m.pool_code] = True
    reach = (reach | outbid_pools(m, w)) & used
    while True:
        more = reach | (np.asarray(w @ reach.astype(np.float64)) > 0)
        if (more == reach).all():
            break
        reach = more
    lanes = np.concatenate([m.lanes_of(pools) for *_, pools in markets])
    made = m.supplier[lanes[m.flow.upper[lanes] > 0]]
    return bool((reach & maker)[made].any())


def which_mixes(m: Build, given: str | None, markets: list[Market], gamma: bool) -> str:
    """Mixes at which an origin is counted: as asked, or today's exactly where the plan leaves them as they are."""
    moves = movable(m, markets)
    mixing = given or ("proportional" if moves else "today")
    if mixing == "proportional" and gamma:
        text = "gamma protects shares that stand still, and the plan changes the mixes that they come from"
        hint = "Use worst=True, or mixing='today' (shares as of today)."
        raise SchemaError([Problem("constraint", "-", "gamma", text, repr(m.spec), hint)], "the plan")
    if mixing == "today":
        m.notes.append(
            f"{m.spec!r}: at the upstream mixes of today, which the plan changes: the share that the score finds on "
            "its graph may be another, also above a cap (see plan.readings)"
            if moves
            else f"{m.spec!r}: at the upstream mixes of today, which the plan leaves as they are"
        )
    return mixing


def todays_mixes(m: Build, view: str, markets: list[Market]) -> None:
    """Note that an origin which cannot follow the plan is counted at today's mixes."""
    if view == "origin":
        which_mixes(m, "today", markets, False)


def follow_mixes(m: Build, block: Rows, focal: tuple[str, ...], markets: list[Market], worst: bool = False) -> None:
    r"""Let a share row follow the mixes of the plan, by successive linearisation.

    The share of a maker in the row is itself linear in what the plan delivers to the pools upstream of it, so that the
    row is bilinear. Around a plan :math:`x^0` it becomes

    .. math:: \sum_l s_l x_l + \sum_b \frac{\lambda_b}{D_b} \sum_{l \to b} s_l (x_l - x_l^0) \le \theta D

    with :math:`\lambda_b` how much the group's total moves with the exposure of pool :math:`b`. The first plan has no
    cap; the row is linearised half way between it and today's deliveries, and may be missed at a price until a plan
    meets it; each further one is measured on its own graph, until the row says what is measured. What is found is a
    plan that meets the cap; the least cost is local, as the feasible set is not convex. How far it may be from the
    least of all is the plan's gap, to the bound of :mod:`supplyrisk.portfolio.mixing`. Over several periods each follows
    its own mixes.
    """
    _ = m.now  # each period has mixes of its own
    m._shares = dict(m._shares)
    kept = np.concatenate([s.keep.at for s in m.sent.values()]) if m.sent else np.zeros(0, dtype=np.int64)
    miss = m.matrix.add_columns(
        "missed_cap",
        block.n,
        scale=block.scale,
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        meaning="by how much the share is above its cap while the mixes settle, product units",
    )
    yearly = m.lane_cost * m.period[m.lane_product]
    m.matrix.add_cost(miss.at, np.full(block.n, _DEAR * float(np.max(yearly, initial=1.0))))
    mover = Mover(
        block.name,
        miss.name,
        focal,
        markets,
        # Not deliveries, and not kept re-exports either: what these count for follows the mixes (senders.py).
        (block.row.copy(), block.col.copy(), block.value.copy()),
        (block.col >= m.n_lanes) & ~np.isin(block.col, kept),
        block.upper.copy(),
        worst,
        m.shares(focal, "origin"),
    )
    block.upper[:] = np.inf
    block.moves = True
    m.movers.append(mover)
    m.refine.append(mover.follow)


@dataclass(frozen=True, eq=False)
class Mover:
    """A share row that follows the mixes of the plan: what it was stated as; where it stands now is the model's."""

    block: str
    missed: str
    focal: tuple[str, ...]
    markets: list[Market]
    stated: tuple[IntArray, IntArray, FloatArray]
    fixed: npt.NDArray[np.bool_]
    cap: FloatArray
    worst: bool
    today: NodeShares

    def rows(self, m: Build) -> Rows:
        """The block in a model, which may be a copy of the one that it was stated in."""
        return next(b for b in m.matrix.rows if b.name == self.block)

    def miss(self, m: Build) -> Columns:
        """The columns of what is missed while the mixes settle."""
        return next(c for c in m.matrix.columns if c.name == self.missed)

    def limits(self, m: Build) -> FloatArray:
        """The caps, without those that were deactivated in the live model."""
        return np.where(np.isin(np.arange(len(self.cap)), list(m.off.get(self.block, ()))), np.inf, self.cap)

    def restart(self, m: Build) -> None:
        """Forget the plan around which the row is linearised; a row that was let go since stays free."""
        block = self.rows(m)
        if m.before.pop(self.block, None):
            m.off[self.block] = set(np.flatnonzero(np.isinf(block.upper)).tolist())
        row, col, value = self.stated
        block.row, block.col, block.value = row.copy(), col.copy(), value.copy()
        block.upper[:] = np.inf
        self.miss(m).upper[:] = np.inf
        m._shares[(self.focal, "origin")] = self.today

    def relaxed(self, m: Build) -> Any:
        """The linear relaxation (mixing.py)."""
        row, col, value = self.stated
        fixed = (row[self.fixed], col[self.fixed], value[self.fixed])
        return relaxed(m, self.focal, self.markets, fixed, self.limits(m))

    def measured(self, m: Build, x: FloatArray) -> tuple[SupplyGraph, IntArray, FloatArray, Coordinates]:
        """A solution's graph, where the model's nodes stand in it, the focal part of each lane, and of re-exports."""
        from .plan import plan_graph

        graph = plan_graph(m, x)
        found, old = node_shares(graph, self.focal, "origin"), m.shares(self.focal, "origin")
        at = graph.index.position.get_indexer(pd.Index(m.node, dtype=object))
        there = at >= 0
        new: dict[str, FloatArray] = {}
        for part in ("value", "low", "high"):
            new[part] = getattr(old, part).copy()
            new[part][there] = getattr(found, part)[at[there]]
        m._shares[(self.focal, "origin")] = NodeShares(new["value"], new["low"], new["high"])
        s = counted_part(m, self.focal, self.worst)
        return graph, at.astype(np.int64), s[m.supplier], relayed(m, self.markets, s, self.focal)

    def follow(self, m: Build, x: FloatArray) -> bool:
        """Measure a solution on its own graph; True where the row moved, so that the model is solved again."""
        block, miss, before = self.rows(m), self.miss(m), m.before.setdefault(self.block, [])
        base_row, base_col, base_value = self.stated
        fixed, markets, cap = self.fixed, self.markets, self.limits(m)
        need = np.maximum(needs(m, markets), 1e-300)
        mine = [m.lanes_of(pools) for *_, pools in markets]
        all_lanes = np.flatnonzero(m.lane_product >= 0)
        flow = x[: m.n_lanes]
        first = not before
        graph, at, s, sends = self.measured(m, x)
        arrived = np.array([float(flow[own] @ s[own]) for own in mine])
        arrived = arrived + np.bincount(sends[0], sends[2] * x[sends[1]], block.n)
        activity = np.bincount(block.row, block.value * x[block.col], block.n)
        missed = np.bincount(base_row[fixed], base_value[fixed] * x[base_col[fixed]], block.n)
        on = np.isfinite(cap)
        over = float(np.max(((arrived + missed - cap) / need)[on], initial=0.0))
        apart = np.inf
        if not first:
            apart = float(np.max((np.abs(activity - block.upper + cap - arrived - missed) / need)[on], initial=0.0))
        m.mixed = (len(before) + 1, max(over, 0.0))
        if over <= _SETTLED and (first or len(before) > _DAMPED or apart <= _SETTLED * 10):
            return False
        if len(before) >= _ROUNDS:
            raise SolverError(
                f"the mixes of the plan did not settle in {_ROUNDS} rounds: the cap is missed by {over:.2g} of the need. "
                "Use mixing='today' or 'mass_balance', or a looser cap.",
                "not_settled",
            )
        if first:  # a plan that leaves a pool without deliveries says nothing of its mix: start between it and today
            today = np.zeros(m.n_lanes)
            today[m.lever == "keep"] = m.case.base
            flow = 0.5 * (flow + today)
        elif len(before) > _DAMPED:
            flow = 0.5 * (flow + before[-1])
        if first or len(before) > _DAMPED:
            graph, at, s, sends = self.measured(m, np.concatenate([flow, x[m.n_lanes :]]))
        if len(before) >= _PATIENCE and x[miss.at].max() > _SETTLED * float(need.max()):
            miss.upper[:] = 0.0  # no plan found that meets it: let the solver say what clashes
        before.append(flow)
        own = control.focal_share(graph, self.focal, "location")[0]
        maker = (graph.index.nodes["kind"] == "producer").to_numpy(dtype=bool)
        own = np.where(maker, np.nan_to_num(own), np.where(np.nan_to_num(own) >= 1.0, 1.0, 0.0))
        row, col, value = [base_row[fixed], sends[0]], [base_col[fixed], sends[1]], [base_value[fixed], sends[2]]
        row.append(np.arange(block.n))
        col.append(miss.at)
        value.append(-np.ones(block.n))
        supplier = at[m.supplier]
        pool = graph.index.position.get_indexer(pd.Index(m.node[m.pool_code], dtype=object))
        scale = np.maximum(m.case.need, 1e-300)
        mean = np.zeros(len(scale))
        if m.draws is not None:  # where the plan itself moves what a pool gets, one unit more also thins its mix
            got = np.bincount(m.pool, flow, len(scale))
            fed = m.draws.pools[got[m.draws.pools] > 0]
            scale[fed] = got[fed]
            mean[fed] = np.bincount(m.pool, flow * s, len(scale))[fed] / got[fed]
        for i, lanes_i in enumerate(mine):
            known = lanes_i[supplier[lanes_i] >= 0]
            weight = np.bincount(supplier[known], flow[known], graph.index.n).astype(np.float64)
            pull = _pull(graph, own, weight)
            per_pool = np.where(pool >= 0, pull[pool], 0.0) / scale
            slope = per_pool[m.pool] * (s - mean[m.pool])
            total = slope.copy()
            total[lanes_i] += s[lanes_i]
            row.append(np.full(m.n_lanes, i, dtype=np.int64))
            col.append(all_lanes)
            value.append(total)
            block.upper[i] = cap[i] + float(slope @ flow)
        block.row, block.col, block.value = np.concatenate(row), np.concatenate(col), np.concatenate(value)
        return True


def counted_part(m: Build, focal: tuple[str, ...], worst: bool) -> FloatArray:
    """Origin of each node at the mixes that the model stands at, as a cap counts it."""
    found = m.shares(focal, "origin")
    s = found.high if worst else np.where(np.isnan(found.value), found.high, found.value)
    return np.asarray(np.where(np.isnan(s), 1.0, s), dtype=np.float64)

r"""How little a plan under proportional mixing can cost: a linear relaxation of what mixes make of shares.

The focal part of what a market gets of a maker is :math:`e_u X_u`, the exposure of the maker times its deliveries, and
the exposure of a pool that the plan feeds is such a sum over its need. Every product is held by the lower half of its
envelope (McCormick, 1976),

.. math:: F_u \ge \underline{e}_u X_u, \qquad F_u \ge X_u + \overline{X}_u (e_u - 1),

with :math:`\underline{e}_u` the least that any plan could make of the exposure (:func:`least_shares`) and
:math:`\overline{X}_u` the most that the maker can deliver. What the cap asks of :math:`F` is asked of every plan, so that the
least cost of the relaxation is a bound for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import control
from ..tracing import tracing_matrix
from .matrix import Compiled
from .model import Build
from .senders import relayed
from .solve import Persistent, Solution, relative_gap, solve
from .tiers import most_derived

__all__ = ["SAID", "Relaxed", "bounded", "least_shares", "outbid_pools", "own_part", "relaxed", "with_gap"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Market = tuple[str, int, str, IntArray]
# Sweeps that carry lower bounds of exposures downstream; each is valid, so they may stop early.
_SPREAD = 100
SAID = "origin under proportional mixing"
# Gap up to which a plan is the best of all.
_OPTIMAL = 1e-6


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Columns and rows of the relaxation of one cap, beside a model's own; ``col`` from ``n`` on are new."""

    n: int
    lower: FloatArray
    row: IntArray
    col: IntArray
    value: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    row_scale: FloatArray


def relaxed(
    m: Build, focal: tuple[str, ...], markets: list[Market], fixed: tuple[Any, Any, Any], cap: FloatArray
) -> Relaxed:
    """State the relaxation of a cap on shares under proportional mixing.

    Parameters
    ----------
    m : Build
        The model.
    focal : tuple of str
        Resolved.
    markets : list of tuple
        From :meth:`Build.pick`.
    fixed : tuple of ndarray
        Row, column and value of what stands in the cap's rows beside deliveries.
    cap : ndarray
        Their upper bounds.

    Returns
    -------
    Relaxed
    """
    import scipy.sparse as sp

    low = least_shares(m, focal)
    derived = most_derived(m)
    ix = m.graph.index
    n0 = m.matrix.n
    w = sp.csr_array(tracing_matrix(m.graph))
    own = own_part(m, focal)
    maker = (ix.nodes["kind"] == "producer").to_numpy(dtype=bool)
    group = np.zeros(ix.n, dtype=bool)
    group[m.pool_code] = True
    firm = ~outbid_pools(m, w) & ~group & (np.diff(w.indptr) > 0)
    open_ = low < 1.0 - 1e-9
    # Nodes whose exposure the plan moves: its pools that something is made from, and what is made there at today's mix.
    used = np.zeros(ix.n, dtype=bool)
    used[ix.src[maker[ix.dst]]] = True
    moving = group & used & open_
    reach = moving.copy()
    for _ in range(_SPREAD):
        more = reach | (firm & open_ & (np.asarray(w @ reach.astype(np.float64)) > 0))
        if (more == reach).all():
            break
        reach = more
    nodes = np.flatnonzero(reach)
    place = np.full(ix.n, -1, dtype=np.int64)
    place[nodes] = n0 + np.arange(len(nodes))
    n = n0 + len(nodes)
    lower = [low[nodes]]
    row: list[Any] = []
    col: list[Any] = []
    value: list[Any] = []
    low_of: list[Any] = []
    high_of: list[Any] = []
    size: list[Any] = []
    count = 0

    def rows(k: int, r: Any, c: Any, v: Any, least: Any, most: Any, scale: Any) -> None:
        nonlocal count
        row.append(np.asarray(r, dtype=np.int64) + count)
        col.append(np.asarray(c, dtype=np.int64))
        value.append(np.broadcast_to(np.asarray(v, dtype=np.float64), np.shape(r)))
        for into, x in ((low_of, least), (high_of, most), (size, scale)):
            into.append(np.broadcast_to(np.asarray(x, dtype=np.float64), (k,)))
        count += k

    # What is made at today's mix: e >= a + (1 - a) sum w e, with what does not move at its least.
    made = np.flatnonzero(reach & firm)
    part = sp.csr_array(sp.diags_array(1.0 - own[made]) @ w[made]).tocoo()
    moves = reach[part.col]
    still = np.bincount(part.row[~moves], (part.data * low[part.col])[~moves], len(made))
    rows(
        len(made),
        np.concatenate([np.arange(len(made)), part.row[moves]]),
        np.concatenate([place[made], place[part.col[moves]]]),
        np.concatenate([np.ones(len(made)), -part.data[moves]]),
        own[made] + still,
        np.inf,
        1.0,
    )
    limit = np.full(ix.n, np.inf)
    limit[m.rationed] = m.availability[m.rationed]
    fed = m.project >= 0
    if fed.any():
        limit[m.supplier[fed]] = m.project_capacity[m.project[fed]]

    def parts(lanes: IntArray, need: float) -> tuple[IntArray, FloatArray, IntArray, FloatArray]:
        """Focal part of some lanes: columns and values of what does not move, and of one new column a maker."""
        nonlocal n
        lanes = lanes[m.flow.upper[lanes] > 0]
        moves = reach[m.supplier[lanes]]
        who, at = np.unique(m.supplier[lanes[moves]], return_inverse=True)
        k, mine = len(who), lanes[moves]
        new = n + np.arange(k)
        n += k
        lower.append(np.zeros(k))
        most = np.minimum(np.minimum(limit[who], need), np.bincount(at, m.flow.upper[mine], k))
        for weight, slope, const in ((low[who], np.zeros(k), np.zeros(k)), (np.ones(k), most, -most)):
            rows(
                k,
                np.concatenate([np.arange(k), at, np.arange(k)]),
                np.concatenate([new, mine, place[who]]),
                np.concatenate([np.ones(k), -weight[at], -slope]),
                const,
                np.inf,
                max(need, 1e-12),
            )
        return lanes[~moves], low[m.supplier[lanes[~moves]]], new, np.ones(k)

    # A pool that the plan feeds: D e >= the focal part of what it gets.
    number = {int(v): i for i, v in enumerate(m.pool_code.tolist())}
    for code in np.flatnonzero(moving).tolist():
        b = number[code]
        need = float(m.case.need[b])
        if need <= 0:
            continue
        c1, v1, c2, v2 = parts(m.lanes_of(np.array([b])), need + float(derived[b]))
        # With need that the plan adds, (D + d) e >= F, and d e <= d.
        add = m.draws.derived[0].at[m.draws.pools == b] if derived[b] > 0 else c1[:0]
        at = np.zeros(1 + len(c1) + len(c2) + len(add), dtype=np.int64)
        rows(
            1,
            at,
            np.concatenate([[place[code]], c1, c2, add]),
            np.concatenate([[need], -v1, -v2, -np.ones(len(add))]),
            0.0,
            np.inf,
            need,
        )
    # The cap. What re-exporters in the focal add counts at the least that it could add.
    flag = np.where(reach & maker, 1.0, low)
    sends = relayed(m, markets, flag, focal)
    r: list[Any] = [fixed[0], sends[0]]
    c: list[Any] = [fixed[1], sends[1]]
    v: list[Any] = [fixed[2], sends[2]]
    needs = [float((m.case.need + derived)[pools].sum()) for *_, pools in markets]
    for i, (*_, pools) in enumerate(markets):
        c1, v1, c2, v2 = parts(m.lanes_of(pools), needs[i])
        r.append(np.full(len(c1) + len(c2), i, dtype=np.int64))
        c.append(np.concatenate([c1, c2]))
        v.append(np.concatenate([v1, v2]))
    rows(len(markets), np.concatenate(r), np.concatenate(c), np.concatenate(v), -np.inf, cap, np.maximum(needs, 1e-12))
    return Relaxed(n0, *(np.concatenate(x) for x in (lower, row, col, value, low_of, high_of, size)))


def bounded(
    c: Compiled, parts: Sequence[tuple[Relaxed, IntArray]], *, time_limit: float | None, gap: float | None, seed: int
) -> tuple[float, FloatArray | None]:
    """Least objective of a model with the relaxations of its caps, and where; -inf where that is not found.

    Parameters
    ----------
    c : Compiled
        The model, with the rows of the caps free.
    parts : sequence of tuple
        A relaxation, and where the columns of its own model stand in this one.
    time_limit, gap, seed
        As everywhere.
    """
    import scipy.sparse as sp

    a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n)).tocoo()
    row: list[Any] = [a.row]
    col: list[Any] = [a.col]
    value: list[Any] = [a.data]
    n, m = c.n, c.m
    lower, low, high, size = [c.lower], [c.row_lower], [c.row_upper], [c.row_scale]
    for x, at in parts:
        col.append(np.where(x.col < x.n, at[np.minimum(x.col, x.n - 1)], x.col - x.n + n))
        row.append(x.row + m)
        value.append(x.value)
        lower.append(x.lower)
        low.append(x.row_lower)
        high.append(x.row_upper)
        size.append(x.row_scale)
        n, m = n + len(x.lower), m + len(x.row_lower)
    whole = sp.coo_array((np.concatenate(value), (np.concatenate(row), np.concatenate(col))), shape=(m, n)).tocsr()
    new = n - c.n
    wide = replace(
        c,
        cost=np.concatenate([c.cost, np.zeros(new)]),
        lower=np.concatenate(lower),
        upper=np.concatenate([c.upper, np.full(new, np.inf)]),
        integer=np.concatenate([c.integer, np.zeros(new, dtype=bool)]),
        start=whole.indptr.astype(np.int32),
        index=whole.indices.astype(np.int32),
        value=whole.data,
        row_lower=np.concatenate(low),
        row_upper=np.concatenate(high),
        row_scale=np.concatenate(size),
        col_scale=np.concatenate([c.col_scale, np.ones(new)]),
    )
    s = solve(wide, time_limit=time_limit, gap=gap, seed=seed, duals=False)
    found = s.status in ("optimal", "time_limit") and np.isfinite(s.bound)
    return float(s.bound) if found else -np.inf, s.x[: c.n] if found and len(s.x) else None


def own_part(m: Build, focal: tuple[str, ...]) -> FloatArray:
    """What of each node stands in the focal, before any trace."""
    own = np.nan_to_num(control.focal_share(m.graph, focal, "location")[0])
    maker = (m.graph.index.nodes["kind"] == "producer").to_numpy(dtype=bool)
    return np.asarray(np.where(maker, own, np.where(own >= 1.0, 1.0, 0.0)), dtype=np.float64)


def outbid_pools(m: Build, w: Any) -> npt.NDArray[np.bool_]:
    """Nodes of which a supplier can be outbid, so that their mix may change though the plan does not feed them."""
    outbid = m.availability_parts.get("outbid", np.zeros(m.graph.index.n)) > 0
    return np.asarray(np.asarray(w @ outbid.astype(np.float64)) > 0, dtype=bool)


def least_shares(m: Build, focal: tuple[str, ...]) -> FloatArray:
    r"""A lower bound of every node's exposure under any plan: what it comes to whatever the plan mixes.

    .. math:: e_v \ge a_v + (1 - a_v) \sum_u w_{vu}\, e_u, \qquad e_b \ge \min_x \sum_u e_u\, x_{ub} / D_b

    with today's mix :math:`w` where no plan changes it, the least exposed of its suppliers where one may, and for a pool
    that the plan feeds the least mix that supply allows (one linear programme for each that something is made from).
    """
    import scipy.sparse as sp

    ix = m.graph.index
    n = ix.n
    own = own_part(m, focal)
    maker = (ix.nodes["kind"] == "producer").to_numpy(dtype=bool)
    w = sp.csr_array(tracing_matrix(m.graph))
    w.eliminate_zeros()
    group = np.zeros(n, dtype=bool)
    group[m.pool_code] = True
    fed = np.diff(w.indptr) > 0
    mixed = outbid_pools(m, w) & fed & ~group
    offered = np.flatnonzero(m.flow.upper > 0)
    order = offered[np.argsort(m.pool[offered], kind="stable")]
    pools, start = np.unique(m.pool[order], return_index=True)
    rows = np.flatnonzero(fed)

    def spread(low: FloatArray) -> FloatArray:
        for _ in range(_SPREAD):
            part = w @ low
            least = np.zeros(n)
            least[rows] = np.minimum.reduceat(low[w.indices], w.indptr[rows])
            part = np.where(mixed, least, part)
            part[group] = 0.0
            if len(pools):
                part[m.pool_code[pools]] = np.minimum.reduceat(low[m.supplier[order]], start)
            new = np.maximum(low, own + (1.0 - own) * part)
            done = float(np.max(new - low, initial=0.0)) <= 1e-12
            low = new
            if done:
                break
        return low

    low = spread(own.copy())
    used = np.zeros(n, dtype=bool)
    used[ix.src[maker[ix.dst]]] = True
    upstream = np.flatnonzero(used[m.pool_code])
    if not len(upstream) or m.shortfall is not None or any(not r.made for r in m.reliefs):
        return low
    more = most_derived(m)
    model = Persistent(m.matrix.compile(), relax=True)
    for b in upstream.tolist():
        lanes, need = m.lanes_of(np.array([b])), float(m.case.need[b] + more[b])
        if need > 0:
            cost = np.zeros(m.matrix.n)
            cost[lanes] = low[m.supplier[lanes]] / need
            model.set_cost(cost)
            s = model.solve(duals=False)
            if s.status == "optimal":
                v = int(m.pool_code[b])
                low[v] = max(low[v], own[v] + (1.0 - own[v]) * min(max(s.objective - 1e-7, 0.0), 1.0))
    return spread(low)


def with_gap(s: Solution, bound: float, bases: Iterable[Build], tolerance: float | None = None) -> Solution:
    """A plan whose mixes have settled, with its true gap, said in the notes of the first model.

    Its status is ``locally_optimal`` where the gap is wider than the tolerance: nothing says that no other mixes cost less.
    """
    models = list({id(b): b for b in bases}.values())
    rounds = max(b.mixed[0] for b in models if b.mixed)
    over = max(b.mixed[1] for b in models if b.mixed)
    gap = relative_gap(s.objective, min(bound, s.objective)) if np.isfinite(bound) else np.inf
    far = f"at most {gap:.3%} above" if np.isfinite(gap) else "of unknown distance to"
    models[0].notes[:] = [n for n in models[0].notes if not n.startswith(SAID)]
    models[0].notes.append(
        f"{SAID}: successive linearisation, {rounds} rounds, cap met within {over:.2g} of the "
        f"need; a local optimum, {far} the least objective that is possible (bound: McCormick's "
        "envelope of what the mixes make)"
    )
    near = gap <= (_OPTIMAL if tolerance is None else tolerance)
    status = "optimal" if near else "locally_optimal"
    return replace(s, status=status, bound=min(bound, s.objective), gap=gap)

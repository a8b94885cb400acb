r"""Who sends a delivery: its maker, or a re-exporter that the plan keeps; what caps by location count.

The score counts a delivery by location where its direct supplier stands, re-exporters included. A plan decides on
makers. So that both say the same, a constraint that counts by location gives every kept re-export a column of its own,

.. math:: 0 \le v_{wb} \le E_{wb}, \qquad \sum_w \mu_{wu}\, v_{wb} \le x_{ub},

with :math:`E_{wb}` what reaches buyer :math:`b` through re-exporter :math:`w` today and :math:`\mu_w` the mix of makers
behind :math:`w`; what is left of :math:`x_{ub}` is the maker's own delivery. A flag :math:`a` of senders then adds up to

.. math:: \sum_u a_u\, x_{ub} + \sum_w \Big(a_w - \sum_u \mu_{wu}\, a_u\Big) v_{wb},

which is linear. Re-exporters whose own supply the plan can change (fellow buyers, and pools that buyers feed) have no
such column: what comes through them counts, and in the plan's graph arrives, from where it entered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import control
from .kept import Relays, altered, relays, traced
from .matrix import Columns
from .model import GROUP, Build, money

__all__ = ["Sent", "by_place", "relayed", "sent", "trigger"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Market = tuple[str, int, str, IntArray]
# Part of a re-exporter's deliveries below which its mix and its place count as the same.
_SAME = 1e-9
# Columns that only follow the deliveries.
_FOLLOW = ("part", "part_square", "hhi_part", "hhi_square", "protect", "protect_of")
_RESIDUAL = ("ROW", "UNK", "WLD", "ALL")


@dataclass(frozen=True, eq=False)
class Sent:
    """Kept re-exports of one product.

    Attributes
    ----------
    relay, pool : ndarray of int
        Re-exporter (node code) and pool number of each column.
    most : ndarray
        What comes that way today.
    mix : sparse array, shape (columns, nodes)
        Part of each column's delivery by who makes it.
    keep : Columns
        The columns.
    cut : ndarray of bool
        Nodes of the product that pass goods on and are not kept as senders.
    outbid : tuple, optional
        Re-exporters whose other customers can be outbid, the columns of how much, and the makers behind them.
    """

    relay: IntArray
    pool: IntArray
    most: FloatArray
    mix: Any
    keep: Columns
    cut: BoolArray
    outbid: tuple[IntArray, Columns, Any] | None = None


def _reached(r: Relays, stop: BoolArray) -> BoolArray:
    """Nodes whose goods reach the group without passing one of ``stop``."""
    seen = r.group.copy()
    while True:
        more = seen.copy()
        more[r.src[(seen & ~stop)[r.dst] & (r.quantity > 0)]] = True
        if (more == seen).all():
            return seen
        seen = more


def _places(m: Build) -> tuple[Any, list[str]]:
    """Where each node stands, as the score counts it: nodes by country, and the countries."""
    if "places" not in m.known:
        m.known["places"] = control.composition(m.graph, "location")
    found: tuple[Any, list[str]] = m.known["places"]
    return found


def _relays_of(m: Build, k: int) -> tuple[Relays, BoolArray]:
    """Today's links of one product, and its re-exporters whose own supply no plan changes."""
    if ("relays", k) in m.known:
        found: tuple[Relays, BoolArray] = m.known["relays", k]
        return found
    r = relays(m, ())
    made = m.graph.index.nodes["product"].to_numpy(dtype=object) == m.case.products[k]
    down = altered(r, r.group)
    steady = r.pool & ~down & made
    m.known["relays", k] = r, steady & _reached(r, steady)
    return r, m.known["relays", k][1]


def trigger(m: Build, k: int, focal: tuple[str, ...]) -> bool:
    """Whether a re-exporter stands in the focal: only then does it matter who sends by control or origin."""
    if (k, focal) in m.known:
        return bool(m.known[k, focal])
    r, _ = _relays_of(m, k)
    made = m.graph.index.nodes["product"].to_numpy(dtype=object) == m.case.products[k]
    mine = r.pool & made & np.isin(m.country, focal) & _reached(r, np.zeros(len(made), dtype=bool)) & ~r.group
    m.known[k, focal] = bool(mine.any())
    return bool(mine.any())


def sent(m: Build, k: int) -> Sent:
    """State the columns of kept re-exports of a product, once.

    Parameters
    ----------
    m : Build
        After the lanes are frozen.
    k : int
        Position of the product.

    Returns
    -------
    Sent
    """
    import scipy.sparse as sp

    if k in m.sent:
        found: Sent = m.sent[k]
        return found
    r, steady = _relays_of(m, k)
    n, case = m.graph.index.n, m.case
    made = m.graph.index.nodes["product"].to_numpy(dtype=object) == m.case.products[k]
    who = np.flatnonzero(steady)
    mix = sp.csr_array((len(who), n))
    if len(who):
        where, _ = _places(m)
        full = traced(r, who, r.pool)[who]
        apart = abs(sp.csr_array(where[who]) - sp.csr_array(full @ sp.csr_array(where))).sum(axis=1)
        differs = np.asarray(apart).ravel() > _SAME
        who, mix = who[differs], sp.csr_array(full[np.flatnonzero(differs)])
    still = np.zeros(n, dtype=bool)
    still[who] = True
    # What reaches each pool through each of them, along whatever chain of other pools.
    through = r.pool & ~still
    at = r.group[r.dst] & made[r.dst] & (r.quantity > 0)
    senders = np.unique(r.src[at])
    behind = traced(r, senders, through)
    number = np.full(n, -1, dtype=np.int64)
    number[m.pool_code] = np.arange(len(m.pool_code))
    into = number[r.dst[at]]
    keep = into >= 0
    own = sp.csr_array(
        ((r.own[r.dst[at]] * r.quantity[at])[keep], (into[keep], r.src[at][keep])), shape=(len(case.pool), n)
    )
    reach = sp.coo_array(sp.csr_array(own @ behind)[:, who]) if len(who) else sp.coo_array((len(case.pool), 0))
    size = m.size[k]
    real = reach.data > 1e-12 * size
    pool, of, most = reach.row[real].astype(np.int64), reach.col[real].astype(np.int64), reach.data[real]
    relay = who[of]
    pool_name = case.graph.index.nodes["node"].to_numpy(dtype=object)[case.pool]
    columns = m.matrix.add_columns(
        "relayed",
        len(relay),
        upper=most,
        scale=m.pool_size[pool],
        keys=lambda: list(zip(m.node[relay].tolist(), pool_name[pool].tolist(), strict=True)),
        meaning="delivery kept through a re-exporter by (re-exporter, pool), product units a period",
    )
    cut = r.pool & made & ~still
    out = Sent(relay, pool, most, sp.csr_array(mix[of]), columns, cut)
    m.sent[k] = out
    if len(relay):
        m.still |= set(relay.tolist())
        _rows(m, k, out, pool_name)
        out = m.sent[k] = replace(out, outbid=_outbid(m, k, out, r))
        if not m.settling:
            m.settling = True
            m.refine.append(_settle)
        m.notes.append(
            f"{case.products[k]}: by location a re-exporter that is kept counts as the supplier, as in the score; "
            "equity, control and origin see through it, the latter two unless it stands in the focal"
        )
    return out


def _rows(m: Build, k: int, s: Sent, pool_name: npt.NDArray[np.object_]) -> None:
    """A re-exporter passes on no more of a maker than the plan keeps of that maker."""
    mix = s.mix.tocoo()
    n = len(m.case.pool)
    key = mix.col.astype(np.int64) * n + s.pool[mix.row]
    pairs, row = np.unique(key, return_inverse=True)
    lanes = np.flatnonzero(m.lane_product == k)
    at = np.searchsorted(pairs, m.supplier[lanes] * n + m.pool[lanes])
    at = np.minimum(at, len(pairs) - 1)
    mine = pairs[at] == m.supplier[lanes] * n + m.pool[lanes]
    spec = m.spec
    m.add_rows(
        "relayed_of",
        len(pairs),
        np.concatenate([row, at[mine]]),
        np.concatenate([s.keep.at[mix.row], lanes[mine]]),
        np.concatenate([mix.data, -np.ones(int(mine.sum()))]),
        upper=0.0,
        scale=m.pool_size[pairs % n],
        keys=lambda: [(m.node[p // n], pool_name[p % n]) for p in pairs.tolist()],
        say=lambda i: (
            f"{spec!r}: re-exporters bring {pool_name[pairs[i] % n]} no more of {m.node[pairs[i] // n]} than is bought"
        ),
    )


def _outbid(m: Build, k: int, s: Sent, r: Relays) -> tuple[IntArray, Columns, Any] | None:
    r"""What kept re-exporters get of a maker is outbid at their mix only, so that what they send stays what it is.

    .. math:: \sum_b x_{ub} \le b_u + o_u + f_u + \sum_w \mu_{wu}\, y_w, \qquad
        0 \le y_w \le \text{what } w \text{ sends elsewhere}

    with :math:`b_u` today's deliveries, :math:`o_u` new output and :math:`f_u` sales that reach no such re-exporter.
    """
    n = m.graph.index.n
    feeds = np.zeros(n, dtype=bool)
    feeds[s.relay] = True
    while True:
        more = feeds.copy()
        more[r.src[feeds[r.dst] & (r.quantity > 0)]] = True
        more = (more & r.pool) | feeds
        if (more == feeds).all():
            break
        feeds = more
    ix = m.graph.index
    fixed = np.bincount(r.src[feeds[r.dst]], r.quantity[feeds[r.dst]], n)
    inside = np.bincount(r.src[r.group[r.dst]], r.quantity[r.group[r.dst]], n)
    sold = np.bincount(ix.src, np.nan_to_num(ix.quantity), n)
    output = ix.nodes["output"].to_numpy(dtype=float)
    # What reaches the group through other pools is among today's deliveries already.
    part = np.divide(r.visits, r.inflow, out=np.zeros(n), where=r.inflow > 0) * ~(feeds | r.group)
    passing = np.bincount(r.src, r.quantity * np.minimum(part, 1.0)[r.dst], n)
    free = np.maximum(np.fmax(sold, output) - inside - fixed - passing, 0.0)
    parts = m.availability_parts
    limit = parts["today"] + parts.get("spare", 0.0) + parts.get("recycled", 0.0) + free
    known = m.rationed[m.rationed_product == k]
    who = known[(fixed[known] > 0) & (limit[known] < m.availability[known] * (1.0 - _SAME))]
    if not len(who):
        return None
    place = np.full(n, -1, dtype=np.int64)
    place[who] = np.arange(len(who))
    lanes = np.flatnonzero((m.lane_product == k) & (m.project < 0) & (place[m.supplier] >= 0))
    relay = np.flatnonzero(feeds)
    elsewhere = np.maximum(r.inflow - np.bincount(r.src, r.quantity * (feeds | r.group)[r.dst], n), 0.0)[relay]
    relay, elsewhere = relay[elsewhere > 0], elsewhere[elsewhere > 0]
    mix = traced(r, relay, r.pool)[relay]
    column = m.matrix.add_columns(
        "outbid_of",
        len(relay),
        upper=elsewhere,
        scale=m.size[k],
        keys=lambda: m.node[relay].tolist(),
        meaning="what a re-exporter sends elsewhere and is outbid, product units a period",
    )
    coo = mix.tocoo()
    real = place[coo.col] >= 0
    spec, unit = m.spec, m.unit[k]
    m.add_rows(
        "left_to_relays",
        len(who),
        np.concatenate([place[m.supplier[lanes]], place[coo.col[real]]]),
        np.concatenate([lanes, column.at[coo.row[real]]]),
        np.concatenate([np.ones(len(lanes)), -coo.data[real]]),
        upper=limit[who],
        scale=m.scale_of(limit[who], np.full(len(who), k)),
        keys=lambda: m.node[who].tolist(),
        say=lambda i: (
            f"{spec!r}: what re-exporters to the buyers get of {m.node[who[i]]} is outbid at their mix only; "
            f"{limit[who[i]]:.6g} {unit} without it"
        ),
        say_dual=lambda i, d: f"one more {unit} to be outbid at {m.node[who[i]]} saves {money(-d)} a year",
    )
    return relay, column, mix


def _settle(m: Build, x: FloatArray) -> bool:
    """Keep as many re-exports as the plan allows, and outbid no more: where nothing is gained, all stays as it is."""
    from .solve import solve

    at = np.concatenate([s.keep.at for s in m.sent.values()])
    most = np.concatenate([s.most for s in m.sent.values()])
    taken = np.concatenate([at[:0], *(s.outbid[1].at for s in m.sent.values() if s.outbid is not None)])
    if (most - x[at] <= _SAME * np.maximum(most, 1e-300)).all() and not x[taken].any():
        return False
    c = m.matrix.compile()
    if len(x) != c.n:
        return False
    loose = np.zeros(c.n, dtype=bool)
    loose[at] = loose[taken] = True
    for group in m.matrix.columns:
        if any(group.name == f or group.name.startswith(f"{f}_") for f in _FOLLOW):
            loose[group.at] = True
    loose &= (c.cost == 0) & ~c.integer
    cost = np.zeros(c.n)
    cost[at] = -1.0 / c.col_scale[at]
    cost[taken] = 1e-3 / c.col_scale[taken]
    cost[~loose] = 0.0
    lower, upper = np.where(loose, c.lower, x), np.where(loose, c.upper, x)
    lower, upper = np.clip(lower, c.lower, c.upper), np.clip(upper, c.lower, c.upper)
    s = solve(replace(c, cost=cost, offset=0.0, lower=lower, upper=upper), duals=False)
    if s.status == "optimal":
        x[loose] = s.x[loose]
    return False


def relayed(
    m: Build, markets: list[Market], flag: FloatArray, focal: tuple[str, ...] | None = None
) -> tuple[IntArray, IntArray, FloatArray]:
    r"""What kept re-exports add to :math:`\sum_l a_{u(l)} x_l` of each market: coordinates over their columns.

    Parameters
    ----------
    m : Build
        The model.
    markets : list of tuple
        From :meth:`Build.pick`.
    flag : ndarray
        The ruler's flag :math:`a` of every node.
    focal : tuple of str, optional
        For a view in which a pool counts as its makers do unless it stands in the focal (control, origin).

    Returns
    -------
    tuple of ndarray
        Row (market), column, value.
    """
    row: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    col: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    value: list[FloatArray] = [np.zeros(0)]
    for i, (_, k, buyer, pools) in enumerate(markets):
        if focal is not None and k not in m.sent and not trigger(m, k, focal):
            continue
        s = sent(m, k)
        # The score asks who can stop the direct sender: goods must not reach a buyer through a fellow buyer then.
        if buyer != GROUP or focal is not None:
            m.apart.add(k)
        at = np.flatnonzero(np.isin(s.pool, pools))
        extra = flag[s.relay[at]] - np.asarray(s.mix[at] @ flag)
        at, extra = at[np.abs(extra) > _SAME], extra[np.abs(extra) > _SAME]
        row.append(np.full(len(at), i, dtype=np.int64))
        col.append(s.keep.at[at])
        value.append(extra)
    return np.concatenate(row), np.concatenate(col), np.concatenate(value)


def by_place(m: Build, markets: list[Market]) -> tuple[list[tuple[int, str]], IntArray, IntArray, FloatArray]:
    """What each market gets by country of the sender, as the score counts suppliers by location.

    Parameters
    ----------
    m : Build
        The model.
    markets : list of tuple
        From :meth:`Build.pick`.

    Returns
    -------
    tuple
        ``(market, country)`` pairs, and coordinates: pair, column, amount of a unit of the column. The unlisted rest
        and nobody knows who are no country.
    """
    pool = (m.graph.index.nodes["kind"] == "demand").to_numpy(dtype=bool)
    pair: list[tuple[int, str]] = []
    row: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    col: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    value: list[FloatArray] = [np.zeros(0)]
    for i, (_, k, buyer, pools) in enumerate(markets):
        s = sent(m, k)
        if buyer != GROUP:
            m.apart.add(k)
        lanes = m.lanes_of(pools)
        who = m.supplier[lanes]
        plain = ~pool[who]
        country = [m.country[who[plain]].astype(str)]
        c, v = [lanes[plain]], [np.ones(int(plain.sum()))]
        at = np.flatnonzero(np.isin(s.pool, pools))
        if not plain.all() or len(at):
            where, names = _places(m)
            label = np.array(names, dtype=object)
            odd = where[who[~plain]].tocoo()
            country.append(label[odd.col].astype(str))
            c.append(lanes[~plain][odd.row])
            v.append(odd.data)
            if len(at):
                extra = (where[s.relay[at]] - (s.mix[at] @ where)).tocoo()
                country.append(label[extra.col].astype(str))
                c.append(s.keep.at[at][extra.row])
                v.append(extra.data)
        names_of = np.concatenate(country)
        cols, vals = np.concatenate(c), np.concatenate(v)
        real = ~np.isin(names_of, _RESIDUAL) & (np.abs(vals) > 1e-12)
        places, code = np.unique(names_of[real], return_inverse=True)
        row.append(code.astype(np.int64) + len(pair))
        col.append(cols[real])
        value.append(vals[real])
        pair += [(i, str(x)) for x in places]
    return pair, np.concatenate(row), np.concatenate(col), np.concatenate(value)

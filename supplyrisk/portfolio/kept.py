"""Links that a plan leaves as they are: what is kept keeps its sender, its intermediaries and its evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .model import Build
from .tables import NOISE

__all__ = ["Relays", "Uses", "altered", "carried", "relays", "traced", "uses"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
# Difference of two flows, as a part of the larger, that counts as none.
_SAME = 1e-9
_ROUNDS = 500


@dataclass(frozen=True, eq=False)
class Relays:
    """Baseline links into pools, with the mix of makers behind every pool that passes goods on to the group.

    Attributes
    ----------
    src, dst, quantity, share : ndarray
        Links of the products in scope between a node and a pool, codes of ``Build.graph.index``; part of the pool's
        inflow.
    mix : sparse array, shape (n, n)
        Part of what a sender passes on, by who makes it; a maker is its own, and so is a re-exporter that the plan
        keeps as a sender (:mod:`supplyrisk.portfolio.senders`).
    group, pool, through : ndarray of bool
        Pools of the buyers; pools that are fed by somebody; those of them that are looked through.
    inflow : ndarray
        What each node gets.
    own : ndarray
        Part of each group pool's inflow that it does not pass on.
    visits : ndarray
        What passes through each pool on its way to the group.
    """

    src: IntArray
    dst: IntArray
    quantity: FloatArray
    share: FloatArray
    mix: Any
    group: BoolArray
    pool: BoolArray
    through: BoolArray
    inflow: FloatArray
    own: FloatArray
    visits: FloatArray


def relays(m: Build, still: Iterable[int] | None = None) -> Relays:
    """Read the baseline's links into pools, and what stands behind each sender.

    Parameters
    ----------
    m : Build
        The model.
    still : iterable of int, optional
        Re-exporters that are not looked through; default those that the model keeps as senders.

    Returns
    -------
    Relays
    """
    case, ix = m.case, m.graph.index
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    product = ix.nodes["product"].to_numpy(dtype=object)
    linked = ix.links["product"].to_numpy(dtype=object)
    at = (kind[ix.dst] == "demand") & (linked == product[ix.dst]) & np.isin(linked, case.products)
    src, dst = ix.src[at].astype(np.int64), ix.dst[at].astype(np.int64)
    q = np.nan_to_num(ix.quantity[at])
    pool = np.zeros(ix.n, dtype=bool)
    pool[dst[np.nan_to_num(ix.share[at]) > 0]] = True
    through = pool.copy()
    through[list(m.still if still is None else still)] = False
    group = np.zeros(ix.n, dtype=bool)
    group[m.pool_code] = True
    inflow = np.bincount(dst, q, ix.n).astype(np.float64)
    base = np.zeros(ix.n)
    np.add.at(base, m.pool_code[case.base_pool], case.base)
    own = np.divide(base, inflow, out=np.zeros(ix.n), where=inflow > 0)
    share = np.nan_to_num(ix.share[at])
    visits = np.zeros(ix.n)
    names = case.graph.index.nodes["node"].to_numpy(dtype=object)
    visits[ix.position.get_indexer(pd.Index(names, dtype=object))] = case.visits
    r = Relays(src, dst, q, share, None, group, pool, through, inflow, own, visits)
    return replace(r, mix=traced(r, np.unique(src[group[dst]]), through))


def traced(r: Relays, start: IntArray, through: BoolArray) -> Any:
    """Part of what each of some nodes passes on, by where it comes from, looking through some pools.

    Parameters
    ----------
    r : Relays
        Links; its mix is not read.
    start : ndarray of int
        Nodes.
    through : ndarray of bool
        Pools that are looked through.

    Returns
    -------
    sparse array, shape (n, n)
        Rows of ``start`` are filled.
    """
    import scipy.sparse as sp

    n = len(r.group)
    w = sp.csr_array((r.share, (r.dst, r.src)), shape=(n, n))
    stop = sp.diags_array((~through).astype(float))
    look = sp.diags_array(through.astype(float))
    first = sp.csr_array((np.ones(len(start)), (start, start)), shape=(n, n))
    made, passing = first @ stop, sp.csr_array(first @ look)
    for _ in range(_ROUNDS):
        passing.eliminate_zeros()
        if not passing.nnz or float(passing.sum()) <= 1e-12 * len(start):
            break
        step = passing @ w
        made, passing = made + step @ stop, sp.csr_array(step @ look)
    else:
        made = made + passing
    return sp.csr_array(made)


def altered(r: Relays, changed: BoolArray) -> BoolArray:
    """Pools whose mix is not today's: the changed ones and all that are fed by one."""
    out = changed.copy()
    while True:
        more = out.copy()
        more[r.dst[out[r.src] & (r.quantity > 0)]] = True
        if (more == out).all():
            return out
        out = more


@dataclass(frozen=True, eq=False)
class Uses:
    """What a solution takes from makers.

    Attributes
    ----------
    flow : ndarray
        Deliveries by lane, without the solver's noise.
    used, spare, outbid : ndarray
        By node: all that existing makers deliver; what of it is new output; what is taken from other buyers.
    """

    flow: FloatArray
    used: FloatArray
    spare: FloatArray
    outbid: FloatArray


def uses(m: Build, x: FloatArray) -> Uses:
    """Read what a solution takes from makers.

    Parameters
    ----------
    m : Build
        The model.
    x : ndarray
        A solution.

    Returns
    -------
    Uses
    """
    flow = x[: m.n_lanes]
    flow = np.where(flow > NOISE * m.lane_size, flow, 0.0)
    n = m.graph.index.n
    used = np.bincount(m.supplier[m.project < 0], flow[m.project < 0], n).astype(np.float64)
    extra = np.maximum(used - m.availability_parts["today"], 0.0)
    spare = m.availability_parts.get("spare", np.zeros(n))
    spare = spare + m.availability_parts.get("recycled", 0.0)
    for node_at, new_at in m.raised:  # where a constraint says how much of it is new output
        spare[node_at] = x[new_at]
    from_spare = np.minimum(extra, spare)
    return Uses(flow, used, from_spare, extra - from_spare)


def carried(
    m: Build, flow: FloatArray, outbid: FloatArray, x: FloatArray
) -> tuple[pd.DataFrame, FloatArray, BoolArray, FloatArray]:
    r"""Links into the group's pools under a plan, and what is left of each outside pool's inflow.

    A pool's delivery from a re-exporter :math:`w` is kept as far as the plan keeps every maker behind it,

    .. math:: f_{wb} = \min_{u:\, \mu_{wu} > 0} x_{ub} / x^0_{ub},

    if what :math:`w` passes on has today's mix :math:`\mu_w`; the rest of what the plan keeps of a maker goes directly,
    as its own link. So every pool gets from every maker what the plan says, and an unchanged plan has today's links.
    Re-exporters that the model keeps as senders (:mod:`supplyrisk.portfolio.senders`) count as makers here, with the
    quantity that the solution keeps; the other pools between them and the buyers are then cut out.

    Parameters
    ----------
    m : Build
        The model.
    flow : ndarray
        Deliveries by lane.
    outbid : ndarray
        What the plan takes from each maker's other buyers.
    x : ndarray
        The solution.

    Returns
    -------
    tuple
        Links ``src, dst, quantity, base`` (codes; base is today's quantity or NaN); the part that is left of the
        inflow of each node; which nodes pass goods on to the group; and what of ``outbid`` is not taken from
        re-exporters at their mix.
    """
    r = relays(m)
    n = m.graph.index.n
    cut_back = _cut_back(m, r, x)
    maker_part = ~r.pool[r.src]
    freed = np.bincount(r.src[maker_part], (r.share * cut_back[r.dst])[maker_part], n)
    outbid = np.maximum(outbid - freed, 0.0)
    got, base = _items(m, flow, x)
    both = pd.concat([base.rename("base"), got.rename("got")], axis=1).fillna(0.0).reset_index()
    both = both[(both["base"] > 0) | (both["got"] > 0)]
    cut = np.zeros(n, dtype=bool)
    for k, s in m.sent.items():
        cut |= s.cut & (~r.group if k not in m.apart else True)
    with np.errstate(divide="ignore", invalid="ignore"):
        both["ratio"] = np.where(both["base"] > 0, both["got"] / both["base"], np.inf)
    spread = both.groupby("b")["ratio"].agg(["min", "max"])
    most, least_kept = spread["max"].to_numpy(dtype=float), spread["min"].to_numpy(dtype=float)
    new = np.isinf(most)  # somebody who did not deliver before
    uneven = np.where(new, 0.0, most) - np.where(new, 0.0, least_kept) > _SAME * np.maximum(least_kept, 1e-300)
    moved = spread.index[new | uneven].to_numpy()
    changed = np.zeros(n, dtype=bool)
    changed[moved] = True
    into = r.group[r.dst]
    src, dst, q = r.src[into], r.dst[into], r.quantity[into]
    kept_part = np.minimum(both["ratio"].to_numpy(dtype=float), 1.0)
    kept = pd.Series(kept_part, index=pd.MultiIndex.from_frame(both[["u", "b"]]))
    mix = r.mix.tocoo()
    behind = pd.DataFrame({"src": mix.row, "u": mix.col, "part": mix.data})
    links = pd.DataFrame({"src": src, "dst": dst, "q": q, "relay": r.through[src] & ~cut[src]})
    relay = links[links["relay"] & (links["q"] > 0)].merge(behind, on="src")
    relay["keep"] = kept.reindex(pd.MultiIndex.from_frame(relay[["u", "dst"]])).fillna(0.0).to_numpy()
    least = relay.groupby(["src", "dst"])["keep"].min()
    while True:
        stale = altered(r, changed)
        f = least.reindex(pd.MultiIndex.from_frame(links[["src", "dst"]])).to_numpy(dtype=float)
        f = np.where(links["relay"], np.where(stale[src], 0.0, np.nan_to_num(f)), 0.0)
        amount = f * r.own[dst] * q
        via = relay.merge(pd.DataFrame({"src": src, "dst": dst, "amount": amount}), on=["src", "dst"])
        spent = (via["amount"] * via["part"]).groupby([via["u"], via["dst"]]).sum()
        direct = both.set_index(["u", "b"])["got"]
        direct = direct - spent.rename_axis(["u", "b"]).reindex(direct.index).fillna(0.0)
        size = np.maximum(both["got"].to_numpy(), both["base"].to_numpy())
        direct = direct.where(direct.to_numpy() > _SAME * size, 0.0)
        own = pd.concat(
            [
                pd.DataFrame({"src": src, "dst": dst, "x": amount}),
                direct.rename("x").rename_axis(["src", "dst"]).reset_index(),
            ]
        )
        own = own.groupby(["src", "dst"])["x"].sum().reset_index()
        own = own[own["x"] > 0]
        out, left, visits = _balance(r, own, n)
        # What is outbid comes from buyers that pass nothing on to the group, as far as they have it.
        feeds = ~r.group[r.dst] & (visits[r.dst] > 0)
        fixed = np.bincount(r.src[feeds], r.quantity[feeds], n)
        sold = np.bincount(m.graph.index.src, np.nan_to_num(m.graph.index.quantity), n)
        everything = np.fmax(sold, m.graph.index.nodes["output"].to_numpy(dtype=float))
        inside = np.bincount(r.src[r.group[r.dst]], r.quantity[r.group[r.dst]], n)
        short = outbid > (everything - inside - fixed) * (1.0 + _SAME)
        fresh = np.unique(r.dst[feeds & short[r.src]])
        if not len(fresh) or changed[fresh].all():
            break
        changed[fresh] = True
    today = pd.DataFrame({"src": src, "dst": dst, "base": q}).groupby(["src", "dst"])["base"].sum().reset_index()
    out = out.merge(today, on=["src", "dst"], how="left")
    same = (out["quantity"] - out["base"]).abs() <= _SAME * out["base"]
    out["quantity"] = out["quantity"].where(~same, out["base"])
    left = np.maximum(left - np.divide(cut_back, r.inflow, out=np.zeros(n), where=r.inflow > 0), 0.0)
    return out, left, visits > 0, outbid


def _cut_back(m: Build, r: Relays, x: FloatArray) -> FloatArray:
    """What each outside pool gets less because others of its customers are outbid, passed back to who feeds it."""
    n = len(r.group)
    first = np.zeros(n)
    for s in m.sent.values():
        if s.outbid is not None:
            relay, column, _ = s.outbid
            y = np.clip(x[column.at], 0.0, column.upper)
            first[relay] += np.where(y > _SAME * column.scale, y, 0.0)
    if not first.any():
        return first
    total = first
    for _ in range(_ROUNDS):
        nxt = first + np.bincount(r.src, r.share * np.where(r.group[r.dst], 0.0, total[r.dst]), n) * r.pool
        if np.abs(nxt - total).max() <= 1e-13 * first.max():
            break
        total = nxt
    return np.asarray(np.where(r.pool & ~r.group, total, 0.0), dtype=np.float64)


def _items(m: Build, flow: FloatArray, x: FloatArray) -> tuple[pd.Series, pd.Series]:
    """What each pool gets and got from every sender, (sender, pool): makers, and re-exporters kept as senders."""
    case = m.case
    u, b = [m.supplier], [m.pool_code[m.pool]]
    got = [flow]
    u0, b0, was = [m.base_supplier], [m.pool_code[case.base_pool]], [case.base]
    for s in m.sent.values():
        if not len(s.relay):
            continue
        mix = s.mix.tocoo()
        kept = np.clip(x[s.keep.at], 0.0, s.most)
        kept = np.where(kept > _SAME * s.most, kept, 0.0)
        pool = m.pool_code[s.pool]
        # What a re-exporter sends is not sent by its makers.
        u += [s.relay, mix.col]
        b += [pool, pool[mix.row]]
        got += [kept, -mix.data * kept[mix.row]]
        u0 += [s.relay, mix.col]
        b0 += [pool, pool[mix.row]]
        was += [s.most, -mix.data * s.most[mix.row]]

    def total(who: list[Any], where: list[Any], amount: list[Any]) -> pd.Series:
        frame = pd.DataFrame(
            {"u": np.concatenate(who), "b": np.concatenate(where), "x": np.concatenate(amount)}
        ).assign(size=lambda f: f["x"].abs())
        out = frame.groupby(["u", "b"])[["x", "size"]].sum()
        return out["x"].where(out["x"] > _SAME * out["size"], 0.0)

    return total(u, b, got), total(u0, b0, was)


def _balance(r: Relays, own: pd.DataFrame, n: int) -> tuple[pd.DataFrame, FloatArray, FloatArray]:
    """Add what pools pass on to what they need themselves."""
    s, d = own["src"].to_numpy(dtype=np.int64), own["dst"].to_numpy(dtype=np.int64)
    x = own["x"].to_numpy(dtype=float)
    need = np.bincount(d, x, n)
    # A pool that uses nothing itself gets what it passes on, at today's mix.
    idle = r.group & (need <= 0) & (r.inflow > 0)
    pure = idle[r.dst] & (r.quantity > 0)
    s, d, x = (np.concatenate(z) for z in ((s, r.src[pure]), (d, r.dst[pure]), (x, r.quantity[pure])))
    outside = ~r.group[r.dst]
    os, od, oq = r.src[outside], r.dst[outside], r.quantity[outside]
    part = np.divide(oq, r.inflow[od], out=np.zeros(len(oq)), where=r.inflow[od] > 0)

    def passed(to_group: FloatArray) -> FloatArray:
        v = to_group.copy()
        for _ in range(_ROUNDS):
            nxt = to_group + np.bincount(os, part * np.where(r.group[od], 0.0, v[od]), n)
            nxt[r.group] = to_group[r.group]
            if np.abs(nxt - v).max(initial=0.0) <= 1e-13 * max(float(v.max(initial=0.0)), 1e-300):
                break
            v = nxt
        return v

    into = r.group[r.dst]
    base_visits = passed(np.bincount(r.src[into], r.quantity[into], n).astype(np.float64))
    # Own use of the baseline is inflow times ``own``; the rest of it goes on and in part comes back.
    base_link = np.where(into, r.quantity, 0.0)
    base_on = np.bincount(r.src, base_link, n)
    back = np.where(r.group, np.maximum(r.inflow * (1.0 - r.own) - base_on, 0.0), 0.0)
    more = np.zeros(n)
    amount, visits = x, base_visits
    loops = outside & r.group[r.src] & (base_visits[r.dst] > 0)
    loop_q = np.bincount(
        r.src[loops], (r.quantity * np.divide(base_visits[r.dst], np.maximum(r.inflow[r.dst], 1e-300)))[loops], n
    )
    for _ in range(_ROUNDS):
        grow = np.divide(more, need, out=np.zeros(n), where=need > 0)
        amount = x * np.where(idle[d], more[d] / np.maximum(r.inflow[d], 1e-300), 1.0 + grow[d])
        visits = passed(np.bincount(s, np.where(r.pool[s], amount, 0.0), n).astype(np.float64))
        rate = np.divide(visits, base_visits, out=np.zeros(n), where=base_visits > 0)
        looped = np.bincount(
            r.src[loops],
            (r.quantity * rate[r.dst] * base_visits[r.dst] / np.maximum(r.inflow[r.dst], 1e-300))[loops],
            n,
        )
        kept_back = back * np.divide(looped, loop_q, out=np.zeros(n), where=loop_q > 0)
        nxt = np.where(r.group, np.bincount(s, np.where(r.pool[s], amount, 0.0), n) + kept_back, 0.0)
        if np.abs(nxt - more).max(initial=0.0) <= 1e-13 * max(float(need.max(initial=0.0)), 1e-300):
            break
        more = nxt
    # What passes through a pool twice counts twice in the case: so a buyer's outflow less its return is what goes away.
    twice = np.divide(r.visits, base_visits, out=np.ones(n), where=base_visits > 0)
    lost = np.where(r.group, 0.0, (base_visits - visits) * twice)
    # A pool on record as sending more than it gets loses in proportion to what it sends.
    through = np.maximum(r.inflow, np.where(r.group, 0.0, np.maximum(r.visits, base_visits)))
    left = np.where(r.inflow > 0, np.clip(1.0 - lost / np.where(through > 0, through, 1.0), 0.0, 1.0), 1.0)
    left = np.where(np.abs(left - 1.0) <= _SAME, 1.0, left)
    out = pd.DataFrame({"src": s, "dst": d, "quantity": amount})
    return out[out["quantity"] > 0].reset_index(drop=True), left, np.where(r.group, 0.0, visits)

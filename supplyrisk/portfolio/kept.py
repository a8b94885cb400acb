"""Links that a plan leaves as they are: what is kept keeps its sender, its intermediaries and its evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .model import Build

__all__ = ["Relays", "carried", "hosted", "relays"]

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
    src, dst, quantity : ndarray
        Links of the products in scope between a node and a pool, codes of ``Build.graph.index``.
    mix : sparse array, shape (n, n)
        Part of what a sender passes on, by who makes it; a maker is its own.
    group, pool : ndarray of bool
        Pools of the buyers; pools that are fed by somebody and are looked through.
    inflow : ndarray
        What each node gets.
    own : ndarray
        Part of each group pool's inflow that it does not pass on.
    """

    src: IntArray
    dst: IntArray
    quantity: FloatArray
    mix: object
    group: BoolArray
    pool: BoolArray
    inflow: FloatArray
    own: FloatArray


def relays(m: Build) -> Relays:
    """Read the baseline's links into pools, and what stands behind each sender."""
    import scipy.sparse as sp

    case, ix = m.case, m.graph.index
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    product = ix.nodes["product"].to_numpy(dtype=object)
    linked = ix.links["product"].to_numpy(dtype=object)
    at = (kind[ix.dst] == "demand") & (linked == product[ix.dst]) & np.isin(linked, case.products)
    src, dst = ix.src[at].astype(np.int64), ix.dst[at].astype(np.int64)
    q = np.nan_to_num(ix.quantity[at])
    share = np.nan_to_num(ix.share[at])
    pool = np.zeros(ix.n, dtype=bool)
    pool[dst[share > 0]] = True
    w = sp.csr_array((share, (dst, src)), shape=(ix.n, ix.n))
    group = np.zeros(ix.n, dtype=bool)
    group[m.pool_code] = True
    stop = sp.diags_array((~pool).astype(float))
    through = sp.diags_array(pool.astype(float))
    senders = np.unique(src[group[dst]])
    start = sp.csr_array((np.ones(len(senders)), (senders, senders)), shape=(ix.n, ix.n))
    made, passing = start @ stop, sp.csr_array(start @ through)
    for _ in range(_ROUNDS):
        passing.eliminate_zeros()
        if not passing.nnz or float(passing.sum()) <= 1e-12 * len(senders):
            break
        step = passing @ w
        made, passing = made + step @ stop, sp.csr_array(step @ through)
    else:
        made = made + passing
    inflow = np.bincount(dst, q, ix.n).astype(np.float64)
    base = np.zeros(ix.n)
    np.add.at(base, m.pool_code[case.base_pool], case.base)
    own = np.divide(base, inflow, out=np.zeros(ix.n), where=inflow > 0)
    return Relays(src, dst, q, sp.csr_array(made), group, pool, inflow, own)


def _altered(r: Relays, changed: BoolArray) -> BoolArray:
    """Pools whose mix is not today's: the changed ones and all that are fed by one."""
    out = changed.copy()
    while True:
        more = out.copy()
        more[r.dst[out[r.src] & (r.quantity > 0)]] = True
        if (more == out).all():
            return out
        out = more


def carried(m: Build, flow: FloatArray, outbid: FloatArray) -> tuple[pd.DataFrame, FloatArray, BoolArray]:
    r"""Links into the group's pools under a plan, and what is left of each outside pool's inflow.

    A pool's delivery from a re-exporter :math:`w` is kept as far as the plan keeps every maker behind it,

    .. math:: f_{wb} = \min_{u:\, \mu_{wu} > 0} x_{ub} / x^0_{ub},

    if what :math:`w` passes on has today's mix :math:`\mu_w`; the rest of what the plan keeps of a maker goes directly,
    as its own link. So every pool gets from every maker what the plan says, and an unchanged plan has today's links.

    Parameters
    ----------
    m : Build
        The model.
    flow : ndarray
        Deliveries by lane.
    outbid : ndarray
        What the plan takes from each maker's other buyers.

    Returns
    -------
    tuple
        Links ``src, dst, quantity, base`` (codes; base is today's quantity or NaN); the part that is left of the
        inflow of each node; and which nodes pass goods on to the group.
    """
    r = relays(m)
    n, case = m.graph.index.n, m.case
    made = pd.DataFrame({"u": m.supplier, "b": m.pool_code[m.pool], "x": flow})
    got = made.groupby(["u", "b"])["x"].sum()
    first = pd.DataFrame({"u": m.base_supplier, "b": m.pool_code[case.base_pool], "x": case.base})
    base = first.groupby(["u", "b"])["x"].sum()
    both = pd.concat([base.rename("base"), got.rename("got")], axis=1).fillna(0.0).reset_index()
    both = both[(both["base"] > 0) | (both["got"] > 0)]
    with np.errstate(divide="ignore", invalid="ignore"):
        both["ratio"] = np.where(both["base"] > 0, both["got"] / both["base"], np.inf)
    spread = both.groupby("b")["ratio"].agg(["min", "max"])
    moved = spread.index[(spread["max"] - spread["min"]) > _SAME * np.maximum(spread["max"], 1e-300)].to_numpy()
    changed = np.zeros(n, dtype=bool)
    changed[moved] = True
    into = r.group[r.dst]
    src, dst, q = r.src[into], r.dst[into], r.quantity[into]
    kept_part = np.minimum(both["ratio"].to_numpy(dtype=float), 1.0)
    kept = pd.Series(kept_part, index=pd.MultiIndex.from_frame(both[["u", "b"]]))
    mix = r.mix.tocoo()  # type: ignore[attr-defined]
    behind = pd.DataFrame({"src": mix.row, "u": mix.col, "part": mix.data})
    links = pd.DataFrame({"src": src, "dst": dst, "q": q, "relay": r.pool[src]})
    relay = links[links["relay"] & (links["q"] > 0)].merge(behind, on="src")
    relay["keep"] = kept.reindex(pd.MultiIndex.from_frame(relay[["u", "dst"]])).fillna(0.0).to_numpy()
    least = relay.groupby(["src", "dst"])["keep"].min()
    while True:
        stale = _altered(r, changed)
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
    return out, left, visits > 0


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
    lost = np.where(r.group, 0.0, base_visits - visits)
    left = np.where(r.inflow > 0, np.clip(1.0 - lost / np.where(r.inflow > 0, r.inflow, 1.0), 0.0, 1.0), 1.0)
    left = np.where(np.abs(left - 1.0) <= _SAME, 1.0, left)
    out = pd.DataFrame({"src": s, "dst": d, "quantity": amount})
    return out[out["quantity"] > 0].reset_index(drop=True), left, np.where(r.group, 0.0, visits)


def hosted(m: Build, flag: FloatArray) -> FloatArray:
    r"""What focal re-exporters add to the focal part of each delivery that can be kept, by lane.

    A pool that stands in the focal is the focal's in the ruler, whoever made what it sends. With :math:`a` the
    ruler's flag of a sender and :math:`s_u` that of a maker, a kept delivery counts

    .. math:: s_u + \sum_w \mu_{wu}\, q_{wb}\, (a_w - s_u)^+ / x^0_{ub},

    exact for what is kept whole and never too little for what is kept in part.

    Parameters
    ----------
    m : Build
        The model.
    flag : ndarray
        The ruler's share of each node.

    Returns
    -------
    ndarray
        To be added to the share of each lane's maker; 0 for what is not kept.
    """
    out = np.zeros(m.n_lanes)
    ix, case = m.graph.index, m.case
    pool = (ix.nodes["kind"] == "demand").to_numpy(dtype=bool)
    if not (pool[ix.src] & pool[ix.dst] & (flag[ix.src] >= 1.0)).any():
        return out
    r = relays(m)
    at = r.group[r.dst] & r.pool[r.src] & (r.quantity > 0) & (flag[r.src] >= 1.0)
    mix = r.mix.tocoo()  # type: ignore[attr-defined]
    behind = pd.DataFrame({"src": mix.row, "u": mix.col, "part": mix.data})
    links = pd.DataFrame({"src": r.src[at], "b": r.dst[at], "q": (r.own[r.dst] * r.quantity)[at]})
    via = links.merge(behind, on="src")
    more = (via["q"] * via["part"] * (1.0 - flag[via["u"].to_numpy(dtype=int)])).groupby([via["u"], via["b"]]).sum()
    lanes = np.flatnonzero(m.lever == "keep")
    key = pd.MultiIndex.from_arrays([m.supplier[lanes], m.pool_code[m.pool[lanes]]])
    extra = more.reindex(key).fillna(0.0).to_numpy()
    out[lanes] = np.divide(extra, case.base, out=np.zeros(len(lanes)), where=case.base > 0)
    return np.asarray(np.minimum(out, 1.0 - flag[m.supplier]), dtype=np.float64)

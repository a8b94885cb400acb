r"""Tiers of a plan that feed one another: output beyond today's takes its inputs from the pools that the plan feeds.

Where product :math:`p` is made from :math:`k` and both are planned, more of :math:`p` than is made today needs more of
:math:`k` where it is made. With :math:`n_v` what maker :math:`v` delivers beyond today's output (all that a plant
delivers), :math:`a_{pk}` input units a unit of output (table ``recipes``) and :math:`\mu_{bv}` the part of its
:math:`k` that it draws from pool :math:`b`,

.. math:: \sum_u x_{ub} = D_b + \sum_v \mu_{bv}\, a_{pk}\, n_v, \qquad
    n_v \ge \sum_c x_{vc} - b_v - o_v, \qquad 0 \le n_v \le \text{spare}_v

for every pool of the buyers, beside today's deliveries :math:`b_v` and what is outbid :math:`o_v`, of which the inputs
are drawn already. Output that the plan does not ask for is not taken back: a maker it buys less from sells elsewhere.

Where that is not defined (no recipe, a coefficient that is not known, inputs that are alternatives, or drawn from pools
that the plan does not feed), nothing is coupled, and the plan's notes say so with names and quantities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .matrix import Columns
from .model import Build, Relief

__all__ = [
    "Draws",
    "couple",
    "derived",
    "draw_terms",
    "drawn_links",
    "draws_of",
    "most_derived",
    "proportional_counts_more",
    "unfed",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
DERIVED = "derived"
# Difference of two coefficients, as a part, that counts as none.
_SAME = 1e-6
_SHOWN = 8
# Codes that are no place: nobody knows whose it is.
_NOBODY = ("ROW", "WLD", "UNK", "ALL")


@dataclass(frozen=True, eq=False)
class Draws:
    """What makers draw of planned inputs for a unit of output beyond today's.

    Attributes
    ----------
    maker : ndarray of int
        Node codes of makers that may make more, plants included; each has a column of :attr:`more`.
    most : ndarray
        Most that each can make beyond today.
    row, pool : ndarray of int
        Position in ``maker``, and pool of the buyers that it draws from.
    rate : ndarray
        Input units a unit of output that come from the pool.
    link : ndarray of int
        Link of ``Build.graph.index`` that carries it.
    open : DataFrame
        ``row, input, place, rate, why``: what is not coupled, by maker; the rate is NaN where it is not known.
    pools : ndarray of int
        Pools that are drawn from.
    more, derived : list of Columns
        Output beyond today's, and (below 0) the need that follows; filled once the model is frozen.
    """

    maker: IntArray
    most: FloatArray
    row: IntArray
    pool: IntArray
    rate: FloatArray
    link: IntArray
    open: pd.DataFrame
    pools: IntArray
    more: list[Columns]
    derived: list[Columns]


def couple(m: Build) -> None:
    """Let tiers of the plan feed one another, once all levers have said what they offer."""
    m.last.append(("tiers", lambda: _couple(m)))


def _coefficients(m: Build) -> pd.DataFrame:
    """``product, input, rate, why`` of what planned products are made from, where that is planned too."""
    frame = m.graph.tables["recipes"]
    inside = frame["product"].isin(m.case.products) & frame["input"].isin(m.case.products)
    # What a by-product comes with is its host's throughput, no input that it uses up.
    frame = frame[inside & ~frame["host"].fillna(False).astype(bool)]
    kinds = frame.groupby(["product", "substitute_group"])["input"].nunique()
    rows: list[dict[str, Any]] = []
    for (p, k), mine in frame.groupby(["product", "input"], sort=True):
        known = mine["coefficient"].astype(float).dropna().unique()
        groups = mine["substitute_group"].dropna().unique()
        why = ""
        if not len(known) or mine["coefficient"].isna().any():
            why = "no coefficient on record"
        elif len(known) > 1:
            why = "processes with different coefficients on record"
        elif any(kinds.get((p, g), 1) > 1 for g in groups):
            why = "inputs on record that stand in for one another"
        rows.append({"product": p, "input": k, "rate": np.nan if why else float(known[0]), "why": why})
    return pd.DataFrame(rows, columns=["product", "input", "rate", "why"])


def _raising(m: Build) -> tuple[IntArray, FloatArray]:
    """Makers that may make more than today, and how much more."""
    n = m.graph.index.n
    most = m.availability_parts.get("spare", np.zeros(n)).astype(np.float64)
    if m.candidates is not None and len(m.project_capacity):
        node = m.graph.index.position.get_indexer(pd.Index(m.candidates.frame["node"], dtype=object))
        most[node] = m.project_capacity * m.project_offered
    who = np.flatnonzero(most > 0)
    return who.astype(np.int64), most[who]


def _couple(m: Build) -> None:
    if len(m.case.products) < 2:
        return
    ix = m.graph.index
    made = ix.nodes["product"].to_numpy(dtype=object)
    linked = ix.links["product"].to_numpy(dtype=object) if len(ix.src) else np.zeros(0, dtype=object)
    who, most = _raising(m)
    place = np.full(ix.n, -1, dtype=np.int64)
    place[who] = np.arange(len(who))
    recipe = _coefficients(m)
    at = np.flatnonzero((place[ix.dst] >= 0) & np.isin(linked, m.case.products) & (linked != made[ix.dst]))
    number = np.full(ix.n, -1, dtype=np.int64)
    number[m.pool_code] = np.arange(len(m.pool_code))
    links = pd.DataFrame(
        {
            "row": place[ix.dst[at]],
            "product": made[ix.dst[at]],
            "input": linked[at],
            "link": at,
            "src": ix.src[at],
            "pool": number[ix.src[at]],
            "q": np.nan_to_num(ix.quantity[at]),
        }
    )
    # Makers of which nothing says where the input comes from.
    asked = pd.DataFrame({"row": np.arange(len(who)), "product": made[who]}).merge(recipe, on="product")
    frame = asked.merge(links.drop(columns="product"), on=["row", "input"], how="left")
    stray = links[~pd.MultiIndex.from_frame(links[["product", "input"]]).isin(_hosts(m))]
    stray = stray.merge(recipe[["product", "input"]], on=["product", "input"], how="left", indicator=True)
    stray = stray[stray["_merge"] == "left_only"].drop(columns="_merge").assign(rate=np.nan, why="no recipe on record")
    frame = pd.concat([frame, stray[stray["q"] > 0]], ignore_index=True)
    if not len(frame):
        return
    total = frame.groupby(["row", "input"])["q"].transform("sum")
    count = frame.groupby(["row", "input"])["q"].transform("size")
    part = np.where(total > 0, frame["q"] / total.where(total > 0), np.where(count == 1, 1.0, np.nan))
    frame["rate"] = frame["rate"] * part
    src = frame["src"].to_numpy(dtype=float)
    frame["why"] = np.where(
        frame["why"] != "",
        frame["why"],
        np.where(np.isnan(src), "no supplier on record", np.where(np.isnan(part), "shares of suppliers unknown", "")),
    )
    outside = (frame["why"] == "") & ~(frame["pool"].fillna(-1.0) >= 0)
    frame.loc[outside, "why"] = "drawn where the plan does not buy"
    names = m.node
    frame["place"] = [str(names[int(s)]) if s == s else "" for s in src]
    good = frame[(frame["why"] == "") & (frame["rate"] > 0)]
    left = frame.loc[frame["why"] != "", ["row", "input", "place", "rate", "why"]].reset_index(drop=True)
    pool = good["pool"].to_numpy(dtype=np.int64)
    d = Draws(
        who, most, good["row"].to_numpy(dtype=np.int64), pool, good["rate"].to_numpy(dtype=np.float64),
        good["link"].to_numpy(dtype=np.int64), left, np.unique(pool), [], [],
    )  # fmt: skip
    m.draws = d
    if not len(pool):
        return
    relief = Relief(DERIVED, d.pools, np.zeros(len(d.pools)), np.zeros(len(d.pools)), made=True)
    m.reliefs.append(relief)
    m.later.append(lambda: _state(m, d, relief))
    made_of = ", ".join(f"{p} of {k}" for p, k in sorted(set(zip(good["product"], good["input"], strict=True))))
    m.notes.append(
        f"tiers: what is made beyond today's output ({made_of}) takes its inputs from the buyers' pools by the recipes; "
        "the plan buys them beside today's needs"
    )


def _hosts(m: Build) -> pd.MultiIndex:
    frame = m.graph.tables["recipes"]
    frame = frame[frame["host"].fillna(False).astype(bool)]
    return pd.MultiIndex.from_frame(frame[["product", "input"]].astype(object))


def _state(m: Build, d: Draws, relief: Relief) -> None:
    """Columns and rows of output beyond today's and of what it draws."""
    used = np.unique(d.row)
    who, most = d.maker[used], d.most[used]
    place = np.full(m.graph.index.n, -1, dtype=np.int64)
    place[who] = np.arange(len(who))
    product = np.array([m.case.products.index(str(p)) for p in m.graph.index.nodes["product"].to_numpy()[who]])
    size = m.scale_of(most, product)
    names = m.node[who].tolist()
    more = m.matrix.add_columns(
        "made_more",
        len(who),
        upper=most,
        scale=size,
        keys=lambda: names,
        meaning="output beyond today's, product units a period",
    )
    plant = np.zeros(m.graph.index.n, dtype=bool)
    plant[m.supplier[m.project >= 0]] = True
    lanes = np.flatnonzero((place[m.supplier] >= 0) & ((m.project >= 0) == plant[m.supplier]))
    today = np.where(plant[who], 0.0, m.availability[who] - most)
    m.matrix.add_rows(
        "made_beyond_today",
        len(who),
        np.concatenate([place[m.supplier[lanes]], np.arange(len(who))]),
        np.concatenate([lanes, more.at]),
        np.concatenate([np.ones(len(lanes)), -np.ones(len(who))]),
        upper=today,
        scale=size,
        keys=lambda: names,
        say=lambda i: f"what {names[i]} delivers beyond {today[i]:.6g} is made beyond today's output",
    )
    spot = np.full(len(m.case.pool), -1, dtype=np.int64)
    spot[d.pools] = np.arange(len(d.pools))
    pool_name = m.node[m.pool_code[d.pools]].tolist()
    back = np.full(len(d.maker), -1, dtype=np.int64)
    back[used] = np.arange(len(used))
    m.matrix.add_rows(
        "derived_need",
        len(d.pools),
        np.concatenate([np.arange(len(d.pools)), spot[d.pool]]),
        np.concatenate([relief.at, more.at[back[d.row]]]),
        np.concatenate([np.ones(len(d.pools)), d.rate]),
        lower=0.0,
        upper=0.0,
        scale=m.pool_size[d.pools],
        keys=lambda: pool_name,
        say=lambda i: f"what is made beyond today's output draws on {pool_name[i]}",
    )
    old = ~plant[who]
    m.raised.append((who[old], more.at[old]))
    d.more.append(more)
    d.derived.append(relief.columns[0])


def derived(m: Build, x: FloatArray) -> FloatArray:
    """Need of each pool that follows from what the plan makes beyond today's output."""
    out = np.zeros(len(m.case.pool))
    if m.draws is not None and m.draws.derived:
        out[m.draws.pools] = np.maximum(-x[m.draws.derived[0].at], 0.0)
    return out


def most_derived(m: Build) -> FloatArray:
    """Most that it can be."""
    out = np.zeros(len(m.case.pool))
    if m.draws is not None:
        np.add.at(out, m.draws.pool, m.draws.rate * m.draws.most[m.draws.row])
    return out


def draws_of(m: Build) -> FloatArray:
    """By link of the graph, what existing makers draw of it for a unit of output beyond today's; 0 elsewhere."""
    out = np.zeros(len(m.graph.index.src))
    if m.draws is not None and m.draws.more:
        d = m.draws
        plant = np.isin(d.maker[d.row], m.supplier[m.project >= 0])
        np.add.at(out, d.link[~plant], d.rate[~plant])
    return out


def _made_more(m: Build, spare: FloatArray, flow: FloatArray) -> FloatArray:
    """By maker of the draws, what a solution makes beyond today."""
    d = m.draws
    built = np.bincount(m.supplier[m.project >= 0], flow[m.project >= 0], m.graph.index.n)
    return np.asarray((spare + built)[d.maker], dtype=np.float64)


def drawn_links(m: Build, spare: FloatArray) -> FloatArray:
    """What every link of the graph carries beyond today for output beyond today's; plants' links stand at full output."""
    out = np.zeros(len(m.graph.index.src))
    if m.draws is not None:
        np.add.at(out, m.draws.link, m.draws.rate * spare[m.draws.maker[m.draws.row]])
    return out


def draw_terms(m: Build) -> list[tuple[str, str, str, str, float, str]]:
    """Rows of :attr:`Portfolio.terms`: what a unit of output beyond today's draws, and how much more can be made."""
    d = m.draws
    if d is None or not len(d.pool):
        return []
    made = m.graph.index.nodes["product"].to_numpy(dtype=object)
    names, units = m.case.products, m.unit
    rows: list[tuple[str, str, str, str, float, str]] = []
    for r, b, rate in zip(d.row.tolist(), d.pool.tolist(), d.rate.tolist(), strict=True):
        k, p = int(m.case.pool_product[b]), names.index(str(made[d.maker[r]]))
        own = str(m.node[d.maker[r]])
        rows.append(
            (
                "draw",
                names[k],
                own,
                f"from {m.pool_country[b]}, of output beyond today's",
                rate,
                f"{units[k]}/{units[p]}",
            )
        )
    for r in np.unique(d.row).tolist():
        p = names.index(str(made[d.maker[r]]))
        rows.append(
            ("draw", names[p], str(m.node[d.maker[r]]), "output beyond today's, at most", float(d.most[r]), units[p])
        )
    return rows


def _amount(x: float) -> str:
    return f"{x:,.0f}" if x >= 1e5 else f"{x:,.6g}"


def unfed(m: Build, x: FloatArray, focal: tuple[str, ...]) -> list[str]:
    """By which products, places and quantities the tiers of a plan do not fit together, in words."""
    from .inputs import whose
    from .kept import uses

    if m.draws is None:
        return []
    d, taken = m.draws, uses(m, x)
    more = _made_more(m, taken.spare, taken.flow)
    made = m.graph.index.nodes["product"].to_numpy(dtype=object)
    notes: list[str] = []
    left = d.open.assign(more=more[d.open["row"].to_numpy(dtype=np.int64)])
    tiny = 1e-6 * m.size[[m.case.products.index(str(made[d.maker[r]])) for r in left["row"]]] if len(left) else 0.0
    left = left[left["more"] > tiny]
    for (k, why), mine in left.groupby(["input", "why"], sort=True):
        unit = m.unit[m.case.products.index(str(k))]
        said = []
        for r, place, rate, n in mine[["row", "place", "rate", "more"]].itertuples(index=False):
            own = str(m.node[d.maker[int(r)]])
            at = f" from {place}" if place else ""
            of = m.unit[m.case.products.index(str(made[d.maker[int(r)]]))]
            amount = f"{_amount(rate * n)} {unit}{at}" if rate == rate else f"for {_amount(n)} {of} more{at}"
            code = int(m.graph.index.position.get_indexer(pd.Index([place], dtype=object))[0])
            said.append(f"{own} {amount}" + (f" ({whose(m, code, focal)})" if code >= 0 else ""))
        shown = "; ".join(said[:_SHOWN]) + (f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else "")
        notes.append(f"tiers do not fit: {k} for output beyond today's is not bought by the plan ({why}): {shown}")
    notes += _outbid_inputs(m, taken.outbid, taken.flow)
    return notes


def _outbid_inputs(m: Build, outbid: FloatArray, flow: FloatArray) -> list[str]:
    """Inputs that are taken from where others make what the plan buys."""
    ix = m.graph.index
    made = ix.nodes["product"].to_numpy(dtype=object)
    linked = ix.links["product"].to_numpy(dtype=object) if len(ix.src) else np.zeros(0, dtype=object)
    group = np.zeros(ix.n, dtype=bool)
    group[m.pool_code] = True
    sold = np.bincount(m.supplier, flow, ix.n) > 0
    host = pd.MultiIndex.from_arrays([made[ix.dst], linked]).isin(_hosts(m))
    eats = (linked != made[ix.dst]) & ~group[ix.src] & sold[ix.dst] & (np.nan_to_num(ix.quantity) > 0) & ~host
    notes = []
    for p, k in enumerate(m.case.products):
        gone = np.where(made == k, outbid, 0.0)
        if gone.sum() <= 1e-6 * m.size[p]:
            continue
        fed = np.flatnonzero(eats & (linked == k))
        # Pools outside that the outbid makers feed, and who makes something there that the plan buys.
        short = np.zeros(ix.n, dtype=bool)
        short[ix.dst[(gone > 0)[ix.src] & ~group[ix.dst]]] = True
        hit = sorted({str(m.node[v]) for v in ix.dst[fed[short[ix.src[fed]] | (gone > 0)[ix.src[fed]]]]})
        if hit:
            who = ", ".join(sorted(str(v) for v in m.node[gone > 0])[:_SHOWN])
            notes.append(
                f"tiers do not fit: {_amount(float(gone.sum()))} {m.unit[p]} of {k} are outbid at {who}, and "
                f"{', '.join(hit[:_SHOWN])}, of which the plan buys, draw on the same; their output is not lessened"
            )
    return notes


def proportional_counts_more(m: Build, focal: tuple[str, ...]) -> bool:
    """Whether proportional mixing surely counts no less as the focal's than mass balance.

    So it is where a plan's flows at its mixes are among those that mass balance may choose from: every need is met, origins
    are known, every maker has one input at most, nobody is outbid for an input, and whoever may make more draws
    all of it from the buyers' pools, at today's coefficient.
    """
    ix = m.graph.index
    if np.isnan(m.shares(focal, "origin").value[m.supplier]).any() or m.shortfall is not None:
        return False
    if np.isin(m.country[np.concatenate([m.supplier, ix.src])], _NOBODY).any():
        return False
    if any(not r.made for r in m.reliefs):
        return False
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    made = ix.nodes["product"].to_numpy(dtype=object)
    linked = ix.links["product"].to_numpy(dtype=object) if len(ix.src) else np.zeros(0, dtype=object)
    into = np.flatnonzero((kind[ix.dst] == "producer") & (linked != made[ix.dst]))
    segments = pd.DataFrame({"dst": ix.dst[into], "input": linked[into], "q": np.nan_to_num(ix.quantity[into])})
    inputs = segments.groupby("dst")["input"].nunique()
    if (inputs > 1).any() or not (segments["q"] > 0).all():
        return False
    parts = m.availability_parts
    beyond = m.availability - parts["today"] - parts.get("spare", 0.0) - parts.get("recycled", 0.0)
    if (beyond[np.isin(made, linked[into])] > 0).any():
        return False
    who, _ = _raising(m)
    uses_some = np.zeros(ix.n, dtype=bool)
    uses_some[ix.dst[into]] = True
    who = who[uses_some[who]]
    if not len(who):
        return True
    if m.draws is None or len(m.draws.open):
        return False
    rate = np.bincount(m.draws.maker[m.draws.row], m.draws.rate, ix.n)
    output = np.nan_to_num(ix.nodes["output"].to_numpy(dtype=float))
    taken = np.bincount(ix.dst[into], np.nan_to_num(ix.quantity[into]), ix.n)
    today = np.divide(taken, output, out=np.full(ix.n, np.nan), where=output > 0)[who]
    return bool((np.abs(rate[who] - today) <= _SAME * today).all())

"""Constraints of matter and time: by-products follow their host, plants take years, and what reaches the buyers free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..byproducts import throughput
from ..errors import Problem, SchemaError, unknown_name
from ..jurisdictions import scope
from ..registry import constraint
from .amounts import above
from .levers import NOBODY
from .limits import down, needs, where
from .matrix import Columns, held
from .model import Build, money, number
from .readings import part_of_arrivals
from .senders import sent, trigger
from .tiers import draws_of

__all__ = ["Free", "byproduct_ceiling", "focal_free", "free_network", "lead_time"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
# Statuses of a project that is past the point where plans slip most.
UNDER_WAY = ("construction", "commissioning")


@constraint(reference="companion metals: Nassar, Graedel and Harper (2015), Science Advances 1(3)", metric="new_output")
def byproduct_ceiling(m: Build, recovery: float = 1.0, product: Any = None) -> None:
    r"""New output of a by-product stays within what the host metal of the country carries.

    .. math:: \sum_{u \in c} n_u \le \Big(\rho \sum_{h} \frac{H_{hc}}{k_h} - Q_c\Big)^+, \qquad
        \sum_b x_{ub} \le b_u + o_u + n_u,\quad 0 \le n_u \le \text{spare}_u

    with :math:`H_{hc}` the throughput of the host in country :math:`c` (what is made there, or worked up there where the
    by-product is of a later stage: :func:`supplyrisk.byproducts.throughput`), :math:`k_h` host units per unit of by-product on
    record (table ``recipes``, ``host`` true), :math:`Q_c` today's output of the by-product, :math:`n_u` output above today's
    (plants included) and :math:`o_u` what is outbid. Output that exists is proof of its own recovery. Routes from
    several hosts add up; a host without a known coefficient or throughput carries nothing that could be counted, and
    where no host figure of a country is known at all the plan adds nothing there.

    Parameters
    ----------
    m : Build
        Given by the engine.
    recovery : float
        Multiple :math:`\rho` of the recovery that the coefficient stands for. Coefficients on record are mostly
        realised world ratios, so 1 is today's practice and more is better extraction. At least 0.
    product : str or tuple of str, optional
        By-products; default every product in scope that has a host on record.

    Raises
    ------
    SchemaError
        A product was asked for that has no host with a coefficient on record.
    """
    recovery = number("recovery", recovery, 0.0)
    frame = m.graph.tables["recipes"]
    hosts = frame[frame["host"].fillna(False).astype(bool)].dropna(subset=["coefficient"])
    names = list(m.case.products) if product is None else [product] if isinstance(product, str) else list(product)
    m.pick(tuple(names), None)
    lacking = [p for p in names if not (hosts["product"] == p).any()]
    if product is not None and lacking:
        raise SchemaError(
            [Problem("recipes", p, "host", "no host with a coefficient on record", "", "Add one.") for p in lacking],
            f"{m.spec!r}",
        )
    nodes = m.graph.index.nodes
    maker = (nodes["kind"] == "producer").to_numpy(dtype=bool)
    output = np.nan_to_num(nodes["output"].to_numpy(dtype=float))
    if len(lacking) == len(names):
        m.notes.append(f"by-products: no host with a coefficient is on record for {', '.join(names)}; no ceiling binds")
    made = nodes["product"].to_numpy(dtype=object)
    # Plants on offer stand in the graph with their planned output; they are not today's.
    new_plants = pd.Series(dtype=object) if m.candidates is None else m.candidates.frame["node"]
    planned = nodes["node"].isin(new_plants).to_numpy(dtype=bool)
    spare = m.availability_parts.get("spare", np.zeros(len(nodes)))
    grown = np.broadcast_to(np.asarray(m.supply_factor, dtype=float), (len(nodes),))
    spec = m.spec
    for p in [q for q in names if q not in lacking]:
        k = m.case.products.index(p)
        lanes = np.flatnonzero(m.lane_product == k)
        who = np.unique(m.supplier[lanes[m.project[lanes] < 0]])
        grows = who[(spare[who] > 0) | (grown[who] > 1.0)]
        base = (m.availability[grows] - spare[grows]) / np.maximum(grown[grows], 1.0)  # what is delivered today
        places = sorted({str(c) for c in m.country[m.supplier[lanes]]} - set(NOBODY))
        number_of = {c: i for i, c in enumerate(places)}
        today = np.array([output[maker & ~planned & (made == p) & (m.country == c)].sum() for c in places])
        mine = hosts[hosts["product"] == p]
        wanted = (
            mine[["product", "input", "coefficient"]]
            .rename(columns={"input": "host"})
            .merge(pd.DataFrame({"country": places}, dtype=object), how="cross")
        )
        wanted["carried"] = throughput(m.graph, wanted, new_plants)["known"] / wanted["coefficient"]
        hosts_of = [
            maker & ~planned & (made == h) & (m.country == c)
            for h, c in zip(wanted["host"], wanted["country"], strict=True)
        ]
        more = [float(output[at] @ grown[at] / output[at].sum()) if output[at].sum() > 0 else 1.0 for at in hosts_of]
        wanted["carried"] *= more
        carried = recovery * wanted.groupby("country")["carried"].sum()  # what is not known carries nothing
        room = np.maximum(carried.reindex(places, fill_value=0.0).to_numpy() - today, 0.0)
        new = m.matrix.add_columns(
            "new_output",
            len(grows),
            upper=m.availability[grows] - base,
            scale=m.size[k],
            keys=held(m.node[grows].tolist()),
            meaning="output above today's, product units",
        )
        m.raised.append((grows, new.at))
        place = np.full(len(nodes), -1, dtype=np.int64)
        place[grows] = np.arange(len(grows))
        old = lanes[(m.project[lanes] < 0) & (place[m.supplier[lanes]] >= 0)]
        m.add_rows(
            "output_above_today",
            len(grows),
            np.concatenate([place[m.supplier[old]], np.arange(len(grows))]),
            np.concatenate([old, new.at]),
            np.concatenate([np.ones(len(old)), -np.ones(len(grows))]),
            upper=base,
            scale=m.size[k],
            keys=lambda g=grows: m.node[g].tolist(),
            say=lambda i, g=grows: f"what {m.node[g[i]]} delivers above today's output counts as new",
        )
        built = lanes[m.project[lanes] >= 0]
        row = [number_of[str(c)] for c in m.country[m.supplier[built]]] + [number_of[str(c)] for c in m.country[grows]]
        m.add_rows(
            "byproduct",
            len(places),
            row,
            np.concatenate([built, new.at]),
            np.ones(len(row)),
            upper=room,
            scale=m.size[k],
            keys=lambda p=p, places=places: [(p, c) for c in places],
            say=lambda i, p=p, places=places, room=room: (
                f"{spec!r}: hosts in {places[i]} carry at most {room[i]:.6g} {m.unit[m.case.products.index(p)]} of "
                f"{p} beyond today's output"
            ),
            say_dual=lambda i, d, p=p, places=places: (
                f"one more {m.unit[m.case.products.index(p)]} of {p} recovered in {places[i]} saves {money(-d)} a year"
            ),
            say_relax=lambda i, a, p=p, places=places: (
                f"hosts in {places[i]} would have to carry {above(a)} {m.unit[m.case.products.index(p)]} more of {p}"
            ),
        )


@constraint(reference="projects slip: lead times as recorded, delays as of a reference class", metric="start_year")
def lead_time(m: Build, by: int, delay: float = 0.0, unknown: str = "exclude", only: tuple[str, ...] = ()) -> None:
    r"""Plants that do not deliver by a year are no part of the plan.

    .. math:: y_j = 0 \quad \text{where } t_j + \delta > T

    Over several periods a plant may be decided in any of them, so that the rule is on what each decision leads to: the
    slip is part of the lead time, :math:`L_j = t_j + \delta - t_0`, everywhere in the plan (stages included), and

    .. math:: y_{jt} = 0 \quad \text{where } t + L_j > T.

    With :func:`supplyrisk.portfolio.during` it bars decisions in those periods only; the slip stays.

    Parameters
    ----------
    m : Build
        Given by the engine.
    by : int
        Year :math:`T`: the plant delivers from its first day on or before.
    delay : float
        Years :math:`\delta` that projects not yet under construction slip beyond their planned start
        :math:`t_j` (reference class; Eneabba 2, Taylor 2, Temiskaming 5 years).
    unknown : {"exclude", "allow"}
        What a project without a start year on record counts as: late, or in time (an assumption that is noted).
    only : tuple of str
        Project ids that this concerns; default all.
    """
    by = int(number("by", by, 1900.0, 2200.0))
    delay = number("delay", delay, 0.0)
    if unknown not in ("exclude", "allow"):
        raise unknown_name("rule", unknown, ("exclude", "allow"), f"{m.spec!r}")
    if m.projects is None or m.candidates is None:
        return
    frame = m.candidates.frame
    ids = frame["project"].astype(str)
    wanted = (only,) if isinstance(only, str) else tuple(only)
    for name in wanted:
        if name not in set(ids):
            raise unknown_name("project", name, ids, f"{m.spec!r}")
    start = frame["start"].to_numpy(dtype=float)
    start = start + np.where(frame["status"].isin(UNDER_WAY), 0.0, delay)
    late = np.where(np.isnan(start), unknown == "exclude", start > by).astype(bool)
    if wanted:
        late &= ids.isin(wanted).to_numpy(dtype=bool)
    blind = int(np.isnan(start).sum())
    if blind:
        m.notes.append(
            f"lead time: {blind} projects have no start year on record and count as "
            + ("late" if unknown == "exclude" else f"ready by {by} (assumption)")
        )
    spec = m.spec
    if m.periods is not None:
        slow = np.ones(len(frame), dtype=bool) if not wanted else ids.isin(wanted).to_numpy(dtype=bool)
        slip = np.where(frame["status"].isin(UNDER_WAY) | np.isnan(start), 0.0, delay) * slow
        m.slip = slip if m.slip is None else np.maximum(m.slip, slip)
        never = np.isnan(start) & (unknown == "exclude")
        j = np.flatnonzero(slow)
        rows = m.add_rows("lead_time", len(j), np.arange(len(j)), m.projects.at[j], np.ones(len(j)), upper=0.0)
        m.deadlines[rows.name] = (float(by), j, never[j])
        return
    j = np.flatnonzero(late)
    m.add_rows(
        "lead_time",
        len(j),
        np.arange(len(j)),
        m.projects.at[j],
        np.ones(len(j)),
        upper=0.0,
        keys=lambda: [m.project_label[i] for i in j],
        say=lambda i: (
            f"{spec!r}: {m.project_label[j[i]]} delivers "
            + (f"from {start[j[i]]:g}" if np.isfinite(start[j[i]]) else "from a year that is not on record")
        ),
        say_relax=lambda i, a: f"{spec!r} would have to wait for {m.project_label[j[i]]}",
    )


# ---------------------------------------------------------------------- what arrives free of the focal


@dataclass(frozen=True, eq=False)
class Free:
    """Flow columns of the focal-free network: what of each delivery is free, by lane."""

    lane: Columns
    free: FloatArray


def _upstream(m: Build, start: IntArray) -> BoolArray:
    ix = m.graph.index
    seen = np.zeros(ix.n, dtype=bool)
    seen[start] = True
    while True:
        add = seen.copy()
        add[ix.src[seen[ix.dst]]] = True
        if (add == seen).all():
            return seen
        seen = add


def free_network(m: Build, focal: Any, view: str) -> Free:
    r"""State the network that carries what is free of the focal through all tiers to the buyers.

    Nodes keep the part of their output that is not the focal's; a producer that has inputs on record can send on only
    as much as its free essential inputs make at today's input coefficients; links carry no more than is on record, and
    deliveries no more than the plan makes them. Shared by :func:`focal_free` and mass-balance origin.

    Parameters
    ----------
    m : Build
        After the lanes are frozen.
    focal : tuple of str
        Resolved.
    view : {"location", "control"}
        Whose a node is.

    Returns
    -------
    Free
    """
    ix = m.graph.index
    own = m.shares(focal, view)
    s = np.where(np.isnan(own.value), own.high, own.value)
    free = np.clip(1.0 - np.where(np.isnan(s), 1.0, s), 0.0, 1.0)
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    product = ix.nodes["product"].to_numpy(dtype=object)
    maker = kind == "producer"
    # Pools pass on what they get, unless they stand where it can be stopped.
    free = np.where(maker, free, ~np.isin(m.country, focal)).astype(np.float64)
    q = np.nan_to_num(ix.quantity)
    traded = ix.links["product"].to_numpy(dtype=object) if len(ix.src) else np.zeros(0, dtype=object)
    group = np.zeros(ix.n, dtype=bool)
    group[m.pool_code] = True
    # The plan's lanes replace what flows into the group's pools of the products in scope.
    replaced = group[ix.dst] & (traded == product[ix.dst]) & np.isin(traded, m.case.products)
    seen = _upstream(m, np.unique(m.supplier))
    essential = np.ones(len(q), dtype=bool)
    recipes = m.graph.tables["recipes"]
    minor = recipes[recipes["input_class"].astype("object").fillna("essential") != "essential"]
    if len(minor) and len(q):
        pairs = pd.MultiIndex.from_arrays([minor["product"].astype("object"), minor["input"].astype("object")])
        essential = ~pd.MultiIndex.from_arrays([product[ix.dst], traded]).isin(pairs)
    link = np.flatnonzero(seen[ix.dst] & seen[ix.src] & ~replaced & (q > 0) & (free[ix.src] > 0))
    output = ix.nodes["output"].to_numpy(dtype=float)
    capacity = ix.nodes["capacity"].to_numpy(dtype=float)
    sold = np.bincount(ix.src, q, ix.n) if len(q) else np.zeros(ix.n)
    made = np.where(np.isnan(output), sold, output)
    # A recycler has no output on record and no capacity: it makes what the plan takes of it.
    recycled = m.availability_parts.get("recycled", np.zeros(ix.n))
    top = free * (np.fmax(made, np.nan_to_num(capacity)) + recycled)
    lanes = np.arange(m.n_lanes)
    z = m.matrix.add_columns(
        "free_flow",
        m.n_lanes,
        upper=np.where((free[m.supplier] > 0) & maker[m.supplier], np.inf, 0.0),
        scale=m.lane_size,
        keys=lambda: m.flow.keys,
        meaning="part of a delivery that is free of the focal, product units",
    )
    scale_link = np.maximum(q[link], 1e-12)
    drawn = draws_of(m)
    up = m.matrix.add_columns(
        "free_upstream",
        len(link),
        upper=np.where(drawn[link] > 0, np.inf, q[link]),
        scale=scale_link,
        keys=lambda: list(zip(m.node[ix.src[link]].tolist(), m.node[ix.dst[link]].tolist(), traded[link], strict=True)),
        meaning="part of a recorded flow that is free of the focal",
    )
    m.add_rows(
        "free_of",
        m.n_lanes,
        np.concatenate([lanes, lanes]),
        np.concatenate([z.at, lanes]),
        np.concatenate([np.ones(m.n_lanes), -np.ones(m.n_lanes)]),
        upper=0.0,
        scale=m.lane_size,
        keys=lambda: m.flow.keys,
    )
    _through_the_focal(m, focal, z)
    _upstream_more(m, link, up, q, drawn)
    # Out of every node: producers within their free capacity, pools within what comes in.
    node = np.flatnonzero(seen)
    at = np.full(ix.n, -1, dtype=np.int64)
    at[node] = np.arange(len(node))
    pool_in = np.isin(m.pool_code[m.pool], node)
    passes = link[~maker[ix.dst[link]]]
    to_pool = np.searchsorted(link, passes)
    row = [at[m.supplier], at[ix.src[link]], at[m.pool_code[m.pool]][pool_in], at[ix.dst[passes]]]
    col = [z.at, up.at, z.at[pool_in], up.at[to_pool]]
    value = [np.ones(m.n_lanes), np.ones(len(link)), -np.ones(int(pool_in.sum())), -np.ones(len(passes))]
    size = np.where(top[node] > 0, top[node], np.maximum(sold[node], 1.0))
    m.add_rows(
        "free_node",
        len(node),
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        upper=np.where(maker[node], top[node], 0.0),
        scale=size,
        keys=lambda: m.node[node].tolist(),
        say=lambda i: f"{m.node[node[i]]} can pass on at most {top[node[i]]:.6g} that is free of the focal",
    )
    # Into producers: free inputs in the proportions of today, each essential input by itself.
    feeds = np.flatnonzero(seen[ix.dst] & maker[ix.dst] & essential & (q > 0) & (made[ix.dst] > 0))
    if not len(feeds):
        return Free(z, free)
    segment = pd.MultiIndex.from_arrays([ix.dst[feeds], traded[feeds]])
    code, names = pd.factorize(segment)
    inflow = np.bincount(code, q[feeds])
    head = np.array([int(k[0]) for k in names], dtype=np.int64)
    ratio = inflow / made[head]
    inside = np.isin(feeds, link)
    out_col: list[IntArray] = []
    out_row: list[IntArray] = []
    for who, column in ((m.supplier, z.at), (ix.src[link], up.at)):
        # Every segment of a node counts the node's whole free output.
        order = np.argsort(who, kind="stable")
        lo, hi = np.searchsorted(who[order], head, "left"), np.searchsorted(who[order], head, "right")
        count = hi - lo
        rows = np.repeat(np.arange(len(head)), count)
        offset = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        out_row.append(rows)
        out_col.append(column[order[np.repeat(lo, count) + offset]])
    o_row, o_col = np.concatenate(out_row), np.concatenate(out_col)
    m.add_rows(
        "free_input",
        len(head),
        np.concatenate([o_row, code[inside]]),
        np.concatenate([o_col, up.at[np.searchsorted(link, feeds[inside])]]),
        np.concatenate([ratio[o_row], -np.ones(int(inside.sum()))]),
        upper=0.0,
        scale=np.maximum(inflow, 1e-12),
        keys=lambda: [(m.node[h], str(n[1])) for h, n in zip(head, names, strict=True)],
        say=lambda i: f"{m.node[head[i]]} needs {ratio[i]:.6g} of {names[i][1]} a unit, free of the focal",
    )
    return Free(z, free)


def _upstream_more(m: Build, link: IntArray, up: Columns, q: FloatArray, drawn: FloatArray) -> None:
    """Links that carry more for output beyond today's: what is free of them grows with it."""
    hit = np.flatnonzero(drawn[link] > 0)
    if not len(hit):
        return
    d = m.draws
    more, used = d.more[0], np.unique(d.row)
    place = np.full(len(drawn), -1, dtype=np.int64)
    place[link[hit]] = np.arange(len(hit))
    on = place[d.link] >= 0
    m.add_rows(
        "free_upstream_of",
        len(hit),
        np.concatenate([np.arange(len(hit)), place[d.link[on]]]),
        np.concatenate([up.at[hit], more.at[np.searchsorted(used, d.row[on])]]),
        np.concatenate([np.ones(len(hit)), -d.rate[on]]),
        upper=q[link[hit]],
        scale=np.maximum(q[link[hit]], 1e-12),
        keys=lambda: [(m.node[m.graph.index.src[e]], m.node[m.graph.index.dst[e]]) for e in link[hit].tolist()],
        say=lambda i: f"what {m.node[m.graph.index.dst[link[hit[i]]]]} draws that is free, within what it draws",
    )


def _through_the_focal(m: Build, focal: Any, z: Columns) -> None:
    """What re-exporters in the focal keep handing on is not free, whoever made it."""
    lanes = np.arange(m.n_lanes)
    for k in range(len(m.case.products)):
        if not trigger(m, k, focal):
            continue
        s = sent(m, k)
        m.apart.add(k)
        held = np.flatnonzero(np.isin(m.country[s.relay], focal))
        mix = s.mix[held].tocoo()
        n = len(m.case.pool)
        key = mix.col.astype(np.int64) * n + s.pool[held][mix.row]
        pairs, row = np.unique(key, return_inverse=True)
        if not len(pairs):
            continue
        own = m.supplier * n + m.pool
        at = np.minimum(np.searchsorted(pairs, own), len(pairs) - 1)
        mine = lanes[(pairs[at] == own) & (m.lane_product == k)]
        m.add_rows(
            "free_through",
            len(pairs),
            np.concatenate([at[mine], at[mine], row]),
            np.concatenate([z.at[mine], mine, s.keep.at[held][mix.row]]),
            np.concatenate([np.ones(len(mine)), -np.ones(len(mine)), mix.data]),
            upper=0.0,
            scale=m.pool_size[pairs % n],
            keys=lambda pairs=pairs, n=n: [(m.node[p // n], int(p % n)) for p in pairs.tolist()],
            say=lambda i, pairs=pairs, n=n: f"what of {m.node[pairs[i] // n]} comes through the focal is not free",
        )


@constraint(
    reference="maximum flow without the focal's nodes, over demand (Ford and Fulkerson, 1956); mass-balance accounting",
    metric="free_flow",
)
def focal_free(
    m: Build,
    focal: Any = "CHN",
    floor: float = 0.5,
    view: str = "location",
    product: Any = None,
    buyer: str | None = None,
) -> None:
    r"""At least a part of the need must be deliverable free of the focal, through all tiers.

    .. math:: \max_f \sum_{u,b} f_{ub} \ge \phi \sum_b D_b, \quad f_{ub} \le x_{ub},\quad
        \sum_w f_{vw} \le (1 - s_v)\,\bar q_v,\quad a_{vk} \sum_w f_{vw} \le \sum_{u:\,k} f_{uv}

    A maximum flow inside the model: the solver may lead free inputs to where they free most, which is what
    mass-balance accounting books, and an upper bound of what proportional mixing gives. A producer without inputs on
    record is a source. Suppliers nobody knows are not free, and what the plan keeps of re-exporters in the focal is not.
    What holds is an inequality: :func:`supplyrisk.paths.free_flow` on the plan's graph is never below :math:`\phi`. For the
    plan's :math:`f` is a flow of that graph: it stays within the deliveries, which are links there; out of a maker it
    stays within what is free of its output, and out of a pool within what comes in. The largest flow is no smaller than
    any. The two are equal where no pool between makers and buyers can lead more of its free inflow to the buyers than its
    mix brings them.

    Parameters
    ----------
    m : Build
        Given by the engine.
    focal : str or tuple of str
        As everywhere.
    floor : float
        Part :math:`\phi` of the need, in [0, 1].
    view : {"location", "control"}
        Which nodes are taken out: those that stand in the focal, or also those (by part) that the focal can stop.
    product, buyer
        As in :func:`supplyrisk.portfolio.max_share`.
    """
    floor = number("floor", floor, 0.0, 1.0)
    if view not in ("location", "control"):
        raise unknown_name("view", view, ("location", "control"), f"{m.spec!r}")
    places = scope(focal, m.graph)
    name = focal if isinstance(focal, str) else "+".join(places)
    markets = m.pick(product, buyer)
    need = needs(m, markets)
    z = free_network(m, places, view).lane
    free_rows(m, markets, need, z, floor, f"free of {name} ({view})")


def free_rows(m: Build, markets: list[Any], need: FloatArray, z: Columns, floor: float, words: str) -> None:
    """Ask that a part of what each market gets is free: rows over the free flows of its lanes."""
    row: list[IntArray] = []
    col: list[IntArray] = []
    value: list[FloatArray] = []
    for i, (*_, pools) in enumerate(markets):
        lanes, missed = m.lanes_of(pools), m.missed(pools)[0]
        row.append(np.full(len(lanes) + len(missed), i, dtype=np.int64))
        col += [z.at[lanes], missed]
        value += [np.ones(len(lanes)), np.full(len(missed), floor)]
    spec = m.spec
    m.add_rows(
        "focal_free",
        len(markets),
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=floor * need,
        scale=np.where(need > 0, need, 1.0),
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        say=lambda i: f"{spec!r}: {where(markets[i])} deliverable {words} at least {floor:.2%}",
        say_dual=lambda i, d: (
            f"one point more of {where(markets[i])} deliverable {words} costs "
            f"{money(d * 0.01 * m.arriving(markets[i][3]))} a year"
        ),
        say_relax=lambda i, a: f"{spec!r} would have to be content with {down(floor - a)} in {where(markets[i])}",
        slope=part_of_arrivals(m, markets),
        pools=lambda i: markets[i][3],
    )

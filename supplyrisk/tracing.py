"""The rule of tracing on a graph, linear and bottleneck, several focal sets at once; cycles allowed.

A pool of demand is as exposed as the mix of what flows in; a producer is exposed by itself, and for the rest through
its inputs, weighted by value (``linear``) or by the worst of those it cannot do without (``bottleneck``).
What a pool in the focal territory hands on is the focal's to withhold, wherever it was made: a re-export can be stopped
too. What is used there is as exposed as what flows in.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .arguments import choice, floats, number, vector
from .binding import RULES, Rule, Stops, stops
from .compiled import ready, settler
from .errors import Problem, SchemaError
from .graph import GraphIndex, SupplyGraph, check_graph
from .kernels import solve_absorbing

if TYPE_CHECKING:
    from scipy import sparse

__all__ = [
    "Plan",
    "bulky",
    "chosen",
    "hands",
    "input_weights",
    "known_alternatives",
    "plan_of",
    "solve_trace",
    "trace",
    "tracing_matrix",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Mode = Literal["linear", "bottleneck", "partial", "strict"]
_TOLERANCE = 1e-13
_SWEEPS = 60
_PATIENCE = 6
# Compiled sweeps before the choice of inputs is held and solved for.
_RUN = 33


@dataclass(frozen=True, eq=False)
class Plan:
    """A graph ready for tracing: one row per segment (buyer, product), segments of a buyer side by side."""

    n: int
    segments: sparse.csr_matrix  # segment x node, shares within the segment; empty rows where no flow is known
    buyer: IntArray  # of each segment
    blind: BoolArray  # segments whose split among suppliers nobody knows
    maker: BoolArray  # nodes that make something of inputs; the others mix
    gate: BoolArray  # pools of a country, which can withhold what they hand on; the world's cannot
    empty: BoolArray  # pools without any recorded inflow
    lacking: BoolArray  # nodes without a link for an input they cannot do without
    absent: FloatArray  # part of the value of what goes in that is such inputs; 0 where nothing is lacking
    most_absent: FloatArray  # the same, 1 where no price or amount tells
    weight: FloatArray  # of each segment in its buyer, adding to 1
    rank: FloatArray  # of each segment: 2 essential, 1 important, 0 minor
    group: npt.NDArray[np.object_]  # of alternatives, '' for none
    product: npt.NDArray[np.object_]  # of each segment
    vague: BoolArray  # makers whose inputs have no known weight: no price, no amount, or none that is essential
    kept: dict[str, Stops]

    def stops(self, rule: Rule = "bottleneck") -> Stops:
        """Segments that bind under a rule."""
        if rule not in self.kept:
            self.kept[rule] = stops(rule, self.buyer, self.product, self.rank, self.group, self.maker)
        return self.kept[rule]


_PLANS: weakref.WeakKeyDictionary[SupplyGraph, Plan] = weakref.WeakKeyDictionary()


def _by_buyer(ix: GraphIndex) -> IntArray:
    """First segment of each buyer that has one."""
    change = np.ones(len(ix.segment_buyer), dtype=bool)
    change[1:] = ix.segment_buyer[1:] != ix.segment_buyer[:-1]
    return np.flatnonzero(change).astype(np.int64)


def input_weights(graph: SupplyGraph) -> tuple[FloatArray, BoolArray]:
    """Value weight of each input segment in its buyer, and whether equal weights had to be assumed.

    Parameters
    ----------
    graph : SupplyGraph
        The graph; prices come from ``products``, amounts from the links, or from the recipes where a flow is missing.

    Returns
    -------
    tuple of ndarray
        Per segment of ``graph.index``: the weight (adding to 1 over a buyer's segments), and True where a price or
        an amount of one of the buyer's inputs is missing, so that its inputs count alike.

    Examples
    --------
    >>> weights, assumed = input_weights(SupplyGraph.from_tables())
    >>> len(weights), len(assumed)
    (0, 0)
    """
    check_graph(graph, "input_weights()")
    ix = graph.index
    if not len(ix.segment_buyer):
        return np.zeros(0), np.zeros(0, dtype=bool)
    start = _by_buyer(ix)
    count = np.diff(np.append(start, len(ix.segment_buyer)))
    products = graph.tables["products"]
    price = pd.Series(products["price"].to_numpy(dtype=float), index=products["product"].astype("object"))
    flow = np.add.reduceat(ix.quantity, ix.segment_start)  # unknown if any flow is
    p = price.reindex(ix.segment_product).to_numpy(dtype=float)
    recipe = graph.tables["recipes"]
    mean = recipe.groupby([recipe["product"].astype("object"), recipe["input"].astype("object")], observed=True)[
        "coefficient"
    ].mean()
    made = ix.nodes["product"].astype("object").to_numpy()[ix.segment_buyer]
    need = mean.reindex(pd.MultiIndex.from_arrays([made, ix.segment_product])).to_numpy(dtype=float)

    def good(x: FloatArray) -> BoolArray:
        with np.errstate(invalid="ignore"):
            fine = np.logical_and.reduceat(x > 0, start)
        return np.asarray(np.repeat(fine, count))

    by_flow, by_recipe = p * flow, p * need
    value = np.where(good(by_flow), by_flow, np.where(good(by_recipe), by_recipe, 1.0))
    assumed = ~(good(by_flow) | good(by_recipe)) & np.repeat(count > 1, count)
    return value / np.repeat(np.add.reduceat(value, start), count), assumed


def plan_of(graph: SupplyGraph) -> Plan:
    """The graph made ready for tracing, once."""
    found = _PLANS.get(graph)
    if found is None:
        found = _make_plan(graph)
        _PLANS[graph] = found
    return found


def _make_plan(graph: SupplyGraph) -> Plan:
    from scipy import sparse

    ix = graph.index
    n, m, k = ix.n, len(ix.src), len(ix.segment_start)
    kind = ix.nodes["kind"].astype("object").to_numpy()
    fed = np.bincount(ix.segment_buyer, minlength=n) > 0
    maker = (kind == "producer") | ((kind == "stock") & ~fed)
    segments = sparse.csr_matrix((_shares(ix, maker), ix.src, np.append(ix.segment_start, m)), shape=(k, n), copy=False)
    blind = np.isnan(np.maximum.reduceat(ix.share, ix.segment_start)) if m else np.zeros(0, dtype=bool)

    # Class and alternatives of each segment, by recipe; an input without a recipe counts as essential.
    recipe = graph.tables["recipes"]
    rank = {"essential": 2, "important": 1, "minor": 0}
    r = pd.DataFrame(
        {
            "product": recipe["product"].astype("object"),
            "input": recipe["input"].astype("object"),
            "rank": recipe["input_class"].astype("object").map(rank).astype("float64").fillna(2.0),
            **dict(zip(("amount", "least", "most"), graph.interval("recipes", "coefficient"), strict=True)),
            "group": recipe["substitute_group"].astype("object").fillna(""),
        }
    )
    r = r.groupby(["product", "input"], as_index=False).agg(
        rank=("rank", "max"),
        group=("group", "max"),
        amount=("amount", "mean"),
        least=("least", "min"),
        most=("most", "max"),
    )
    product = ix.nodes["product"].astype("object").to_numpy()
    seg_key = pd.MultiIndex.from_arrays([product[ix.segment_buyer], ix.segment_product])
    at = pd.MultiIndex.from_frame(r[["product", "input"]]).get_indexer(seg_key) if k and len(r) else np.full(k, -1)
    known = at >= 0
    grade = np.where(known, r["rank"].to_numpy()[at], 2.0) if len(r) else np.full(k, 2.0)
    group = np.where(known, r["group"].to_numpy(dtype=object)[at], "") if len(r) else np.full(k, "", dtype=object)
    weight, assumed = input_weights(graph)
    vague = np.zeros(n, dtype=bool)
    vague[ix.segment_buyer[assumed]] = True
    # What is recorded of inputs that are none of them essential is not the bulk of what goes in.
    vague[maker & fed & (np.bincount(ix.segment_buyer, grade >= 2.0, n) == 0)] = True
    absent, most_absent = _lacking(graph, r, maker)
    return Plan(
        n=n,
        segments=segments,
        buyer=ix.segment_buyer,
        blind=np.asarray(blind, dtype=bool),
        maker=maker,
        gate=~maker & (ix.nodes["country"].astype("object").to_numpy() != "WLD"),
        empty=~maker & ~fed,
        lacking=most_absent > 0,
        absent=absent,
        most_absent=most_absent,
        weight=weight,
        rank=grade,
        group=group,
        product=ix.segment_product,
        vague=vague,
        kept={},
    )


def bulky(plan: Plan) -> BoolArray:
    """Makers with an input on record that they cannot do without.

    Parameters
    ----------
    plan : Plan
        The graph.

    Returns
    -------
    ndarray of bool
    """
    return np.asarray(np.bincount(plan.buyer, plan.rank >= 2.0, plan.n) > 0)


def _shares(ix: GraphIndex, maker: BoolArray) -> FloatArray:
    """Share of each link in its segment, 0 where not known; what a pool returns to itself is as the rest of it."""
    share = np.nan_to_num(ix.share)
    own = np.flatnonzero((ix.src == ix.dst) & ~maker[ix.dst])
    if len(own):
        rest = np.ones(len(ix.segment_start))
        rest[ix.segment[own]] -= share[own]
        share[own] = 0.0
        rest = rest[ix.segment]
        share = np.divide(share, rest, out=np.zeros_like(share), where=rest > 0)
    return np.asarray(share)


def hands(plan: Plan, own: FloatArray) -> FloatArray:
    """What is the focal's of each node as a supplier, before its inputs: of a pool only one that is wholly the focal's.

    Parameters
    ----------
    plan : Plan
        The graph.
    own : ndarray
        Share of the focal at each node itself, ``(n,)`` or ``(n, k)``.

    Returns
    -------
    ndarray
        Same shape.
    """
    maker = plan.maker if own.ndim == 1 else plan.maker.reshape(-1, 1)
    gate = plan.gate if own.ndim == 1 else plan.gate.reshape(-1, 1)
    return np.where(maker, own, np.where(gate & (own >= 1.0), 1.0, 0.0))


def _lacking(graph: SupplyGraph, r: pd.DataFrame, maker: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Part of the value of a maker's inputs that its recipe asks for as essential and no link brings; and at most.

    Of alternatives none of which is linked the dearest counts. By the recipe's amounts and prices, where all those of
    the maker's inputs are known; else each input counts alike, and at most it is all.
    """
    ix = graph.index
    out = np.zeros(ix.n), np.zeros(ix.n)
    if not (r["rank"] == 2).any():
        return out
    products = graph.tables["products"]
    price = pd.Series(products["price"].to_numpy(dtype=float), index=products["product"].astype("object"))
    worth = price.reindex(r["input"]).to_numpy(dtype=float)
    r = r.assign(
        need=np.where(r["group"] == "", r["input"], "\x1f" + r["group"]),
        **{name: r[name].to_numpy(dtype=float) * worth for name in ("amount", "least", "most")},
    )
    nodes = pd.DataFrame(
        {"v": np.flatnonzero(maker), "product": ix.nodes["product"].astype("object")[maker].to_numpy()}
    )
    asked = nodes.merge(r, on="product")
    have = pd.MultiIndex.from_arrays([ix.segment_buyer, ix.segment_product])
    asked["got"] = pd.MultiIndex.from_arrays([asked["v"], asked["input"]]).isin(have)
    must = asked[asked["rank"] == 2]
    met = must.groupby(["v", "need"])["got"].any()
    gone = met.index[~met.to_numpy(dtype=bool)]
    if not len(gone):
        return out
    v = gone.get_level_values(0).unique().to_numpy(dtype=np.int64)
    asked = asked[asked["v"].isin(v)]
    missing = pd.MultiIndex.from_arrays([asked["v"], asked["need"]]).isin(gone) & (asked["rank"] == 2).to_numpy()

    def value(rows: pd.DataFrame, name: str) -> FloatArray:
        """Value of the needs of each maker, infinite where one of them has none."""
        each = rows[name].fillna(np.inf).groupby([rows["v"], rows["need"]]).max()
        return np.asarray(each.groupby(level=0).sum().reindex(v, fill_value=0.0).to_numpy(), dtype=np.float64)

    brought = asked[asked["got"].to_numpy(dtype=bool) & ~missing]
    segments = np.bincount(ix.segment_buyer, minlength=ix.n)[v]
    told = brought.groupby("v").size().reindex(v, fill_value=0).to_numpy() == segments
    count = pd.Series(1, index=gone).groupby(level=0).size().reindex(v).to_numpy(dtype=float)
    for k, (without, within) in enumerate((("amount", "amount"), ("most", "least"))):
        part = value(asked[missing], without)
        whole = part + value(brought, within)
        sure = told & (part > 0) & np.isfinite(whole)
        alike = count / (count + segments) if k == 0 else np.ones(len(v))
        out[k][v] = np.where(sure, np.divide(part, whole, out=np.ones(len(v)), where=sure), alike)
    return out[0], np.maximum(*out)


def _columns(own: Any, graph: SupplyGraph) -> tuple[FloatArray, bool]:
    ids = pd.Index(graph.index.nodes["node"].astype("object"))
    n, flat = len(ids), np.ndim(own) == 1 or isinstance(own, Mapping)
    fix = "Give control.focal_share(...)[0], or several such columns side by side."
    if flat or np.ndim(own) != 2 or not isinstance(own, (np.ndarray, pd.DataFrame)):
        a = vector(own, ids, n, "trace()", "own", kind="node", high=1.0, remedy=fix)
    elif isinstance(own, pd.DataFrame):
        each = [own.iloc[:, i] for i in range(own.shape[1])]
        cols = [vector(x, ids, n, "trace()", f"own[{x.name}]", kind="node", high=1.0, remedy=fix) for x in each]
        a = np.column_stack([np.zeros((n, 0)), *cols])
    else:
        a, odd = floats(np.asarray(own).ravel())
        a = np.where(odd, np.nan, a).reshape(np.shape(own))
    a = a.reshape(n, 1) if flat and len(a) == n else a
    if a.ndim != 2 or a.shape[0] != n or not ((a >= 0) & (a <= 1)).all():
        raise SchemaError(
            [
                Problem(
                    "own",
                    "-",
                    "-",
                    f"not a fraction from 0 to 1 for each of {n} nodes",
                    f"shape {np.shape(own)}",
                    "Give control.focal_share(...)[0], or several such columns side by side.",
                )
            ],
            "trace()",
        )
    return a, flat


def trace(
    graph: SupplyGraph,
    own: FloatArray,
    mode: Mode = "linear",
    *,
    unknown: float = 0.0,
    weights: FloatArray | None = None,
    whole: bool = False,
) -> FloatArray:
    r"""Exposure of every node through all its tiers, for one or several focal sets at once.

    A pool: :math:`e_v = \sum_u s_{uv} e_u`, where a supplier that is itself a pool in the focal territory (``own`` is 1)
    counts as the focal's: its re-exports can be stopped too. A producer: :math:`e_v = a_v + (1 - a_v) G_v`, where
    :math:`E_k = \sum_u s_{uv} e_u` over the suppliers of input k, and :math:`G_v = \sum_k w_k E_k` (linear) or
    :math:`G_v = \max(\max_k E_k, \sum_j w_j E_j)` over essential inputs k and important inputs j, alternatives
    counting as their minimum (bottleneck); minor inputs do not count.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own : ndarray, Series, mapping or DataFrame
        Share of the focal at each node itself, ``(n,)`` or ``(n, k)`` in the order of ``graph.index.nodes``; by node id
        where it bears the ids of all nodes.
    mode : {"linear", "bottleneck", "partial", "strict"}
        How inputs are combined; the last two are stricter than ``bottleneck``, see :mod:`supplyrisk.binding`.
    unknown : float
        Exposure of what nobody knows: pools and inputs without a known flow, essential inputs without a link (linear:
        by their part of the value of what goes in), loops without a source. 0 gives the value, 1 the high bound.
    weights : ndarray, optional
        Weight of each segment in its buyer; default :func:`input_weights`.
    whole : bool
        Linear, ``unknown=0``: an essential input without a link is part of what goes in, by its value in the recipe, or
        possibly all of it where no price or amount tells; known inputs are the rest: the low bound. Else it counts
        neither for nor against: the value.

    Returns
    -------
    ndarray
        Same shape as ``own``, in [0, 1]. Never below ``own`` at a producer.

    Raises
    ------
    SchemaError
        ``own``, ``weights`` or ``unknown`` of the wrong shape or outside 0 to 1.
    UnknownNameError
        No such mode.

    Notes
    -----
    Recorded producers without recorded inputs end the chain. Inputs without a recipe count as essential. With
    ``unknown=0`` the result is what is known to depend on the focal, the least that can be said: an alternative of which
    nobody has data counts as 0 in whatever tier it is, so that its buyer, and all who depend on that buyer, have the value
    of "a way out that nobody has looked at". It is never a finding of safety: ``unknown=1`` and :func:`known_alternatives`
    are without it. Definition of this library; the linear mode is an absorbing Markov chain.

    Examples
    --------
    >>> trace(SupplyGraph.from_tables(), np.zeros(0)).shape
    (0,)
    """
    choice("mode", mode, ("linear", *RULES), "trace()")
    check_graph(graph, "trace()")
    plan = plan_of(graph)
    a, flat = _columns(own, graph)
    unknown = number(unknown, "trace()", "unknown", 0.0, 1.0, remedy="0 for value, 1 for high.")
    w = plan.weight
    if weights is not None:
        w = vector(weights, None, len(plan.weight), "trace()", "weights", kind="segment")
        total = np.bincount(plan.buyer, w, plan.n)[plan.buyer]
        w = np.divide(w, total, out=np.zeros_like(w), where=total > 0)
    if plan.n == 0:
        return np.asarray(a.ravel() if flat else a)
    if mode == "linear":
        if unknown in (0.0, 1.0):
            out = _linear(plan, a, w, unknown == 1.0, whole)
        else:
            out = (1 - unknown) * _linear(plan, a, w, False) + unknown * _linear(plan, a, w, True)
    else:
        out = _bottleneck(plan, a, w, unknown, mode)
    out = np.clip(out, 0.0, 1.0)
    return np.asarray(out[:, 0] if flat else out)


def known_alternatives(
    graph: SupplyGraph, own: FloatArray, high: FloatArray, weights: FloatArray | None = None
) -> FloatArray | None:
    """Bottleneck of the value where some alternatives are in the dark: those of which something is known decide.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own, high : ndarray, shape (n,)
        Share of the focal at each node itself, and its upper bound.
    weights : ndarray, optional
        As in :func:`trace`.

    Returns
    -------
    ndarray, shape (n,), or None
        None where no alternative is in the dark beside one that is not: then :func:`trace` says it all. An input that
        nobody has data on is no way out; that it may be one is in the low bound.
    """
    plan = plan_of(graph)
    if not (plan.group != "").any():
        return None
    pools = np.bincount(plan.buyer, minlength=plan.n)
    # Makers nobody names, of inputs nobody records: nothing is known of them at all.
    nobody = plan.empty | (plan.maker & (pools == 0) & (own <= 0) & (high >= 1 - 1e-9))
    lit_node = plan.maker & ~nobody
    while True:  # through any number of pools; a loop of them that nobody feeds stays in the dark
        dark = plan.blind | (np.asarray(plan.segments @ lit_node.astype(np.float64)) <= 0)
        found = lit_node | (~plan.maker & (np.bincount(plan.buyer, ~dark, plan.n) > 0))
        if (found == lit_node).all():
            break
        lit_node = found
    frame = pd.DataFrame({"buyer": plan.buyer, "group": plan.group, "lit": ~dark})
    lit = frame.groupby(["buyer", "group"])["lit"].transform("any").to_numpy(dtype=bool)
    out = dark & lit & (plan.group != "") & plan.maker[plan.buyer]
    if not out.any():
        return None
    known = replace(plan, rank=np.where(out, 0.0, plan.rank), kept={})
    w = plan.weight if weights is None else np.asarray(weights, dtype=np.float64)
    return np.asarray(_bottleneck(known, own.reshape(-1, 1), w, 0.0, "bottleneck")[:, 0])


def _matrix(plan: Plan, weight: FloatArray) -> sparse.csr_matrix:
    from scipy import sparse

    per_link = np.repeat(weight, np.diff(plan.segments.indptr))
    first = np.searchsorted(plan.buyer, np.arange(plan.n + 1))
    return sparse.csr_matrix(
        (plan.segments.data * per_link, plan.segments.indices, plan.segments.indptr[first]), shape=(plan.n, plan.n)
    )


def tracing_matrix(graph: SupplyGraph, whole: bool = False) -> sparse.csr_matrix:
    """Part of each node (row) that comes from each supplier, by value; entries in the order of the graph's links.

    With ``whole`` an essential input that no link brings is a part as well: rows of its makers add to less than 1.
    """
    plan = plan_of(graph)
    return _matrix(plan, plan.weight * (1 - plan.absent)[plan.buyer] if whole else plan.weight)


def solve_trace(graph: SupplyGraph, own: FloatArray) -> FloatArray:
    """Linear exposure when any node, pools included, can be a hand of its own."""
    return np.asarray(solve_absorbing(tracing_matrix(graph), own.reshape(-1, 1), 1 - own.reshape(-1, 1))[:, 0])


def _linear(plan: Plan, a: FloatArray, weight: FloatArray, pessimist: bool, whole: bool = False) -> FloatArray:
    """Linear trace with unknown 0, or with unknown 1 as one minus the trace of what is surely free."""
    if pessimist or whole:  # of what goes in, what no link brings is nobody's that is known
        weight = weight * (1 - plan.most_absent)[plan.buyer]
    w = _matrix(plan, weight)
    maker = plan.maker.reshape(-1, 1)
    mine = hands(plan, a)
    gate = np.flatnonzero(~plan.maker & mine.any(axis=1))
    if not pessimist:
        out = solve_absorbing(w, mine, 1 - mine)
        if len(gate):  # what a pool hands on is the focal's; what it takes in is as its suppliers
            out[gate] = w[gate] @ out
        return out
    # Free: not the focal's own, and every input free. Inputs nobody recorded are free, those unknown are not.
    fed = (np.bincount(plan.buyer, minlength=plan.n) > 0).reshape(-1, 1)
    free = np.where(maker & ~fed & ~plan.lacking.reshape(-1, 1), 1 - mine, 0.0)
    sure = solve_absorbing(w, free, 1 - mine)
    if len(gate):
        sure[gate] = w[gate] @ sure
    return 1 - sure


def _bottleneck(plan: Plan, a: FloatArray, weight: FloatArray, unknown: float, rule: Rule) -> FloatArray:
    """Fixed point of a rule of what binds, from below (unknown < 1) or from above (unknown = 1)."""
    n = plan.n
    k = a.shape[1]
    mine = hands(plan, a)
    mixed = ~plan.maker[plan.buyer]
    pool = plan.buyer[mixed]
    blind = plan.blind
    stop = plan.stops(rule)
    part = stop.soft_weight(weight)
    floor = np.zeros((n, 1))
    floor[plan.lacking] = unknown
    floor[plan.empty] = unknown

    def inputs(x: FloatArray) -> FloatArray:
        e = np.asarray(plan.segments @ x)
        e[blind] = unknown
        return e

    def step(x: FloatArray) -> FloatArray:
        e = inputs(x)
        agg = np.broadcast_to(floor, (n, k)).copy()
        stop.bind(e, agg, part)
        agg[pool] = e[mixed]
        return np.asarray(mine + (1 - mine) * agg)

    def taken(x: FloatArray) -> FloatArray:
        """What pools take in, where what they hand on is the focal's."""
        if (mine[~plan.maker] > 0).any():
            e = inputs(x)[mixed]
            x = x.copy()
            x[plan.empty] = unknown
            x[pool] = e
        return x

    if ready(plan.segments.nnz):
        seg_of = np.searchsorted(plan.buyer, np.arange(n + 1))
        w = plan.segments
        hard, soft = stop.ranges(n)
        settle = settler(
            w.indptr, w.indices, w.data, seg_of, blind, ~plan.maker, floor[:, 0], hard, soft, part, unknown
        )
        x = np.empty((n, k))
        for j in range(k):
            y = np.full(n, 1.0 if unknown == 1.0 else 0.0)
            for _ in range(8):
                gap = settle(mine[:, j], y, _TOLERANCE, _RUN)
                if gap <= _TOLERANCE:
                    break
                e = inputs(y)  # slow loops, as below
                y = _held(plan, stop, weight, mine[:, j], floor[:, 0], e, unknown, y.reshape(-1, 1), 1e-6 * gap)
            else:
                settle(mine[:, j], y, _TOLERANCE, 200 * _SWEEPS)
            x[:, j] = y
        return taken(x)
    x = step(np.full((n, k), 1.0 if unknown == 1.0 else 0.0))
    for round_ in range(200):
        gap = np.inf
        for i in range(_SWEEPS):
            new = step(x)
            last, gap = gap, float(np.max(np.abs(new - x)))
            x = new
            if gap <= _TOLERANCE:
                return taken(x)
            if round_ < 8 and i >= _PATIENCE and np.log(_TOLERANCE / gap) < _SWEEPS * np.log(min(gap / last, 0.999)):
                break  # at this pace the sweeps would not end in time
        if round_ < 8:
            # Slow loops: hold each node's choice of input, solve exactly, and go on from there.
            e = inputs(x)
            x = np.column_stack(
                [
                    _held(plan, stop, weight, mine[:, j], floor[:, 0], e[:, j], unknown, x[:, [j]], 1e-6 * gap)
                    for j in range(k)
                ]
            )
    return taken(x)


def chosen(plan: Plan, stop: Stops, weight: FloatArray, floor: FloatArray, e: FloatArray) -> sparse.csr_matrix:
    """What decides each node when inputs are exposed by ``e``: nodes x segments; of a pool all that it takes in."""
    from scipy import sparse

    mixed = np.flatnonzero(~plan.maker[plan.buyer])
    pools = sparse.csr_matrix((np.ones(len(mixed)), (plan.buyer[mixed], mixed)), shape=(plan.n, len(plan.buyer)))
    return (stop.chosen(e, floor, weight) + pools).tocsr()


def _held(
    plan: Plan,
    stop: Stops,
    weight: FloatArray,
    mine: FloatArray,
    floor: FloatArray,
    e: FloatArray,
    unknown: float,
    x: FloatArray,
    tolerance: float,
) -> FloatArray:
    """Exposure of one column, from ``x`` on, when what decides every node stays what it is at inputs' exposure ``e``."""
    pick = chosen(plan, stop, weight, floor, e)
    w = (pick @ plan.segments).tocsr()
    total = np.asarray(w.sum(axis=1)).ravel()
    scale, tolerance = (1 - mine).reshape(-1, 1), max(tolerance, _TOLERANCE)
    base = np.where(np.diff(pick.indptr) > 0, unknown * np.asarray(pick @ plan.blind.astype(np.float64)), floor)
    if unknown == 1.0:  # from above: one minus what is surely free
        free = (1 - mine) * np.maximum(1 - base - total, 0.0)
        rest = solve_absorbing(w, free.reshape(-1, 1), scale, tolerance=tolerance, start=1 - x)
        return np.asarray(1 - rest[:, 0])
    b = mine + (1 - mine) * base
    return np.asarray(solve_absorbing(w, b.reshape(-1, 1), scale, tolerance=tolerance, start=x)[:, 0])

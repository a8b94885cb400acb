"""Unknown flows of a graph, estimated by entropy balancing within what is known, and how sure that is.

Per product the graph is a flow network: producers send, pools receive and pass on, industries draw by recipe. Output
and stated use are edges from and to the outside, so that one rule holds everywhere: what comes in goes out. Figures
that are known stay; the others move as little as they can (relative entropy) until all accounts close. Whether they
can close at all is tested first, by a maximum flow. What is missing of supply is an unknown supplier, ``p@ROW``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from .accounts import latest
from .errors import Problem, SchemaError, SolverError
from .flows import worst
from .graph import SupplyGraph
from .schema import TABLES

__all__ = ["balance_flows", "byproduct_limits", "holdout", "spread"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_ESTIMATED = frozenset(("balanced", "world_pool", "assumed"))
_DERIVED = "what is left of the inflow"  # the note of assemble() on use that it derived: no total to meet
_CAP = 2**30  # scipy's maximum flow counts in 32-bit integers
_FIRM = 20.0  # a total moves this much less than an estimate where it may move at all
_PRIOR_SPREAD = 0.7  # standard deviation of ln(flow / prior) where too few known flows tell it


@dataclass
class _Network:
    """One product's flows: edges between nodes, -1 is the outside; ``kind`` is link, output, use or draw."""

    product: str
    names: list[str]
    tail: IntArray
    head: IntArray
    kind: npt.NDArray[np.object_]
    row: IntArray  # link: position in index.links; output and use: node code; residual links: -1
    value: FloatArray  # NaN where unknown
    low: FloatArray
    high: FloatArray
    prior: FloatArray
    known: BoolArray
    grown: BoolArray  # prior is made from totals, not read
    label: list[str]
    loose: float = _PRIOR_SPREAD
    residual: float = 0.0
    span_low: FloatArray = field(default_factory=lambda: np.zeros(0))
    span_high: FloatArray = field(default_factory=lambda: np.zeros(0))


@overload
def balance_flows(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = ...,
    *,
    tolerance: float = ...,
    ensemble: None = ...,
    seed: int = ...,
) -> SupplyGraph: ...


@overload
def balance_flows(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = ...,
    *,
    tolerance: float = ...,
    ensemble: int,
    seed: int = ...,
) -> list[SupplyGraph]: ...


def balance_flows(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = None,
    *,
    tolerance: float = 0.02,
    ensemble: int | None = None,
    seed: int = 0,
) -> SupplyGraph | list[SupplyGraph]:
    """Estimate unknown flows by entropy balancing within their bounds; one graph, or an ensemble.

    ``min sum_e w_e (x_e ln(x_e / p_e) - x_e)`` subject to inflow = outflow at every node and ``low <= x <= high``.
    Unknown are links without a quantity and links of method ``balanced``, ``world_pool`` or ``assumed``; every other
    flow is fixed. Producers send what they make, pools use what is stated, industries draw recipe times output.

    Parameters
    ----------
    graph : SupplyGraph
        The graph; only links that it has are estimated, and the latest vintage only.
    products : str or iterable of str, optional
        Which products; default all that have links.
    tolerance : float
        Relative part by which totals (output, use) may be missed, used only if they clash when taken exactly.
    ensemble : int, optional
        Return so many consistent graphs instead: totals drawn in their intervals, priors with the spread that
        known flows show about theirs.
    seed : int
        Seed of the ensemble; the same seed gives the same bits.

    Returns
    -------
    SupplyGraph or list of SupplyGraph
        Estimated links are ``balanced`` (or ``world_pool``), graded B at best, with ``low`` and ``high`` from the
        bounds of all accounts (outer bounds). Withheld and unknown outputs stay so. Supply that no listed producer
        can give is a residual ``p@ROW``. ``history`` says what was done.

    Raises
    ------
    SchemaError
        Totals and known flows clash (the rows that do are named), a by-product exceeds what its host's throughput
        allows, or an argument is out of range.
    UnknownNameError
        No such product.
    SolverError
        No convergence.

    Notes
    -----
    Links of a by-product's host carry no quantity (throughput, not use) and are left alone. Alternatives (a
    substitute group) may each be drawn on anywhere from 0 to what the recipe asks. A flow without any finite bound
    is bounded by all known supply of the product: an assumption. Source: Stone (1961); Bacharach (1970); Lenzen et
    al. (2009). Evidence T for the balancing, assumption for every single estimate.

    Examples
    --------
    >>> import pandas as pd
    >>> p = "x.refined"
    >>> nodes = pd.DataFrame([dict(node=f"{p}@{c}", product=p, country=c, kind="producer", year=2024, output=q,
    ...     output_grade="assumption") for c, q in (("CHN", 30.0), ("CHL", 10.0))] +
    ...     [dict(node=f"{p}@{c}:demand", product=p, country=c, kind="demand", year=2024) for c in ("JPN", "DEU")])
    >>> use = pd.DataFrame([dict(node=f"{p}@{c}:demand", use="total", year=2024, quantity=20.0, grade="assumption")
    ...     for c in ("JPN", "DEU")])
    >>> links = pd.DataFrame([dict(supplier=f"{p}@{a}", buyer=f"{p}@{b}:demand", product=p, year=2024,
    ...     method="assumed", missing="unknown") for a in ("CHN", "CHL") for b in ("JPN", "DEU")])
    >>> goods = pd.DataFrame([dict(product=p, name="X", commodity="x", chain="x", stage="refine", unit="t",
    ...     basis="gross", period="year")])
    >>> g = balance_flows(SupplyGraph.from_tables(products=goods, nodes=nodes, demand=use, links=links))
    >>> g.links[["supplier", "buyer", "quantity"]].round(6).values.tolist()[0]
    ['x.refined@CHN', 'x.refined@JPN:demand', 15.0]
    """
    if not 0.0 <= tolerance < 1.0:
        _refuse("tolerance", tolerance, "Give e.g. 0.02.")
    if ensemble is not None and ensemble < 1:
        _refuse("ensemble", ensemble, "Give how many graphs, 1 or more.")
    if products is None:
        wanted = sorted(set(graph.index.links["product"].astype(str)))
    else:
        wanted = [products] if isinstance(products, str) else list(dict.fromkeys(products))
        wanted = [graph.check_product(p, "balance_flows") for p in wanted]
    nets: list[_Network] = []
    base: list[FloatArray] = []
    problems: list[Problem] = []
    for product in wanted:
        net = _network(graph, product)
        if net is None:
            continue
        found, x = _point(net, tolerance)
        problems += found
        if not found:
            nets.append(net)
            base.append(x)
    if problems:
        raise SchemaError(problems, "the flows to balance")
    first = _write(graph, nets, base, f"balance_flows: {len(nets)} products balanced, tolerance {tolerance:g}")
    first = _cap_byproducts(first, wanted)
    if ensemble is None:
        return first
    out = []
    for i in range(ensemble):
        drawn = [_draw(net, np.random.default_rng([seed, i, zlib.crc32(net.product.encode())])) for net in nets]
        note = f"balance_flows: draw {i} of {ensemble}, seed {seed}, {len(nets)} products"
        out.append(_cap_byproducts(_write(graph, nets, drawn, note), wanted, strict=False))
    return out


def _refuse(name: str, value: object, remedy: str) -> None:
    raise SchemaError([Problem("balance_flows", "-", name, "out of range", str(value), remedy)], "balance_flows")


# ---------------------------------------------------------------------- the network of a product


def _network(graph: SupplyGraph, product: str) -> _Network | None:
    ix = graph.index
    of = np.flatnonzero(
        (ix.links["product"] == product).to_numpy(dtype=bool)
        & (ix.links["missing"].fillna("") != "not_applicable").to_numpy(dtype=bool)
    )
    if not len(of):
        return None
    ids = ix.position.to_numpy(dtype=object)
    made = ix.nodes["product"].to_numpy(dtype=object)
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    src, dst = ix.src[of], ix.dst[of]
    method = ix.links["method"].to_numpy(dtype=object)[of]
    quantity = ix.quantity[of]
    raw_low = ix.links["low"].to_numpy(dtype=float)[of]
    raw_high = ix.links["high"].to_numpy(dtype=float)[of]
    known = ~np.isnan(quantity) & ~np.isin(method, list(_ESTIMATED))
    codes = np.unique(np.concatenate([src, dst]))
    place = {int(c): i for i, c in enumerate(codes)}
    names = [str(ids[c]) for c in codes]
    sources = ix.links["source"].astype("object").where(ix.links["source"].notna(), "no source").to_numpy()[of]
    label = [
        f"link {ids[a]} -> {ids[b]}" + (f" = {q:g} ({m}, {s})" if k else "")
        for a, b, q, m, s, k in zip(src, dst, quantity, method, sources, known, strict=True)
    ]
    tail = [place[int(c)] for c in src]
    head = [place[int(c)] for c in dst]
    value, low, high = (
        list(quantity),
        list(np.nan_to_num(raw_low)),
        list(np.where(np.isnan(raw_high), np.inf, raw_high)),
    )
    span_low, span_high = list(ix.low[of]), list(ix.high[of])
    for j in np.flatnonzero(known):
        low[j] = high[j] = quantity[j]
    for j in np.flatnonzero(~known):  # the interval of an estimate follows from its neighbours, not from its grade
        span_low[j], span_high[j] = low[j], high[j]
    kinds, row, firm = ["link"] * len(of), of.tolist(), known.tolist()
    output, out_low, out_high = graph.interval("nodes", "output", ix.nodes)
    out_source = ix.nodes["output_source"].astype("object").where(ix.nodes["output_source"].notna(), "no source")
    use = _use(graph)
    recipe = graph.tables["recipes"]
    asks = recipe[(recipe["input"] == product) & ~recipe["host"].fillna(False).astype(bool)]
    least = asks.groupby("product")["coefficient"].min().to_dict()
    most = asks.groupby("product")["coefficient"].max().to_dict()
    choice = set(asks.loc[asks["substitute_group"].fillna("") != "", "product"])

    def edge(
        t: int, h: int, what: str, at: int, v: float, bounds: tuple[float, float], span: tuple[float, float], text: str
    ) -> None:
        tail.append(t)
        head.append(h)
        kinds.append(what)
        row.append(at)
        value.append(v)
        low.append(bounds[0])
        high.append(bounds[1])
        span_low.append(span[0])
        span_high.append(span[1])
        firm.append(not np.isnan(v))
        label.append(text)

    for i, c in enumerate(codes.tolist()):
        if made[c] == product and kind[c] == "producer":
            q = float(output[c])
            text = f"output of {ids[c]}"
            if np.isnan(q):
                edge(-1, i, "output", c, np.nan, (out_low[c], out_high[c]), (out_low[c], out_high[c]), text)
            else:
                edge(-1, i, "output", c, q, (q, q), (out_low[c], out_high[c]), f"{text} = {q:g} ({out_source.iloc[c]})")
        elif made[c] == product:
            q, a, b, source = use.get(str(ids[c]), (np.nan, 0.0, np.inf, ""))
            text = f"use at {ids[c]}"
            if np.isnan(q):
                edge(i, -1, "use", c, np.nan, (0.0, np.inf), (0.0, np.inf), text)
            else:
                edge(i, -1, "use", c, q, (q, q), (a, b), f"{text} = {q:g} ({source})")
        else:
            k = str(made[c])
            q, a, b = float(output[c]), float(out_low[c]), float(out_high[c])
            cl, ch = float(least.get(k, np.nan)), float(most.get(k, np.nan))
            text = f"draw of {ids[c]} (recipe times output)"
            if np.isnan(q) or np.isnan(cl):
                edge(i, -1, "draw", c, np.nan, (0.0, np.inf), (0.0, np.inf), text)
            elif k in choice:
                edge(i, -1, "draw", c, np.nan, (0.0, ch * q), (0.0, ch * b), text)
            else:
                edge(i, -1, "draw", c, 0.5 * (cl + ch) * q, (cl * q, ch * q), (cl * a, ch * b), f"{text} = {cl * q:g}")
    net = _Network(
        product,
        names,
        np.array(tail, dtype=np.int64),
        np.array(head, dtype=np.int64),
        np.array(kinds, dtype=object),
        np.array(row, dtype=np.int64),
        np.array(value, dtype=float),
        np.array(low, dtype=float),
        np.array(high, dtype=float),
        np.zeros(len(tail)),
        np.array(firm, dtype=bool),
        np.zeros(len(tail), dtype=bool),
        label,
        span_low=np.array(span_low, dtype=float),
        span_high=np.array(span_high, dtype=float),
    )
    _priors(net)
    return net


def _use(graph: SupplyGraph) -> dict[str, tuple[float, float, float, str]]:
    """Stated use of each pool with its interval and source; use that was derived from inflow is no total."""
    d = latest(graph.tables["demand"], ["node", "use"])
    if not len(d):
        return {}
    value, low, high = graph.interval("demand", "quantity", d)
    derived = (d["note"].fillna("").str.startswith((_DERIVED, "balanced: ")) | np.isnan(value)).to_numpy(dtype=bool)
    source = d["source"].astype("object").where(d["source"].notna(), "no source")
    frame = pd.DataFrame({"node": d["node"].astype(str), "v": value, "a": low, "b": high, "s": source, "no": derived})
    g = frame.groupby("node").agg(v=("v", "sum"), a=("a", "sum"), b=("b", "sum"), s=("s", "first"), no=("no", "any"))
    g = g[~g["no"]]
    return {str(n): (float(v), float(a), float(b), str(s)) for n, v, a, b, s in g[["v", "a", "b", "s"]].itertuples()}


def _priors(net: _Network) -> None:
    """Prior of every edge: its figure, else what its ends have left over total (gravity), else what flows by."""
    n = len(net.names)
    link = net.kind == "link"
    into, out = net.head >= 0, net.tail >= 0
    total_in, total_out = np.zeros(n), np.zeros(n)
    sure = net.known & into
    np.add.at(total_in, net.head[sure], net.value[sure])
    sure = net.known & out
    np.add.at(total_out, net.tail[sure], net.value[sure])
    own, need = np.full(n, np.nan), np.full(n, np.nan)
    given = net.known & (net.kind == "output")
    own[net.head[given]] = net.value[given]
    given = net.known & ((net.kind == "use") | (net.kind == "draw"))
    need[net.tail[given]] = net.value[given]
    # A pool's strength is what passes through it.
    supply = np.where(np.isnan(own), np.where(total_in > 0, total_in, np.nan), own)
    demand = np.where(np.isnan(need), np.where(total_out > 0, total_out, np.nan), need)
    middle = [float(np.nanmean(v)) if np.isfinite(v).any() else 1.0 for v in (supply, demand)]
    supply, demand = np.where(np.isnan(supply), middle[0], supply), np.where(np.isnan(demand), middle[1], demand)
    scale = max(float(np.nansum(own)), float(np.nansum(need)), 1e-300)
    if scale <= 1e-300:
        scale = max(float(demand.sum()), 1e-300)
    gravity = np.zeros(len(net.tail))
    gravity[link] = supply[net.tail[link]] * demand[net.head[link]] / scale
    left_s, left_d = supply.copy(), demand.copy()
    fixed = net.known & link
    np.subtract.at(left_s, net.tail[fixed], net.value[fixed])
    np.subtract.at(left_d, net.head[fixed], net.value[fixed])
    left_s, left_d = np.maximum(left_s, 1e-3 * supply), np.maximum(left_d, 1e-3 * demand)
    blank = link & np.isnan(net.value)
    rest = max(float(left_d[np.unique(net.head[blank])].sum()), 1e-300)
    net.prior = np.where(np.isnan(net.value), 0.0, net.value)
    net.prior[blank] = (left_s[net.tail] * left_d[net.head] / rest)[blank]
    net.grown = blank
    seen = fixed & (net.value > 0) & (gravity > 0)
    if int(seen.sum()) >= 8:
        net.loose = float(np.clip(np.std(np.log(net.value[seen] / gravity[seen])), 0.2, 2.0))
    inflow, outflow = np.zeros(n), np.zeros(n)
    np.add.at(inflow, net.head[link], net.prior[link])
    np.add.at(outflow, net.tail[link], net.prior[link])
    free = np.isnan(net.value) & (net.kind == "output")
    net.prior[free] = np.maximum(outflow, 1e-9)[net.head[free]]
    free = np.isnan(net.value) & (net.tail >= 0) & ~link
    net.prior[free] = np.maximum(inflow - outflow, np.maximum(0.01 * inflow, 1e-9))[net.tail[free]]
    net.prior = np.where(net.kind == "link", net.prior, np.clip(net.prior, net.low, net.high))


# ---------------------------------------------------------------------- can it be met?


def _shortfall(net: _Network, low: FloatArray, high: FloatArray) -> tuple[float, BoolArray]:
    """What cannot be routed (0 if the accounts can close) and the nodes on the side that has too much."""
    from scipy import sparse
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n = len(net.names)
    tail, head = np.where(net.tail < 0, n, net.tail), np.where(net.head < 0, n, net.head)
    extra = np.zeros(n + 1)
    np.add.at(extra, head, low)
    np.subtract.at(extra, tail, low)
    total = float(extra[extra > 0].sum())
    if total <= 0:
        return 0.0, np.zeros(n + 1, dtype=bool)
    scale = _CAP / total
    source, sink = n + 1, n + 2
    room = np.minimum(np.where(np.isinf(high), total, high - low), total)
    push, pull = np.rint(np.maximum(extra, 0.0) * scale), np.rint(np.maximum(-extra, 0.0) * scale)
    cells = sparse.coo_array(
        (
            np.concatenate([np.rint(room * scale), push, pull]),
            (
                np.concatenate([tail, np.full(n + 1, source), np.arange(n + 1)]),
                np.concatenate([head, np.arange(n + 1), np.full(n + 1, sink)]),
            ),
        ),
        shape=(n + 3, n + 3),
    ).tocsr()
    cells.data = np.minimum(cells.data, _CAP)
    cap = sparse.csr_array(cells.astype(np.int32))
    cap.eliminate_zeros()
    flow = maximum_flow(cap, source, sink)
    miss = float(min(push.sum(), pull.sum()) - flow.flow_value)
    if miss <= 2 * n + 2:
        return 0.0, np.zeros(n + 1, dtype=bool)
    residual = sparse.csr_array(cap - flow.flow)
    residual.data = np.where(residual.data > 0, residual.data, 0)
    residual.eliminate_zeros()
    reached = np.zeros(n + 3, dtype=bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return miss / scale, reached[: n + 1]


def _conflict(net: _Network, miss: float, reached: BoolArray) -> Problem:
    """Name the rows that clash: everything that is known at the border of the tight set."""
    n = len(net.names)
    tail, head = np.where(net.tail < 0, n, net.tail), np.where(net.head < 0, n, net.head)
    border = (reached[tail] != reached[head]) & (net.known | np.isfinite(net.high))
    rows = [net.label[int(i)] for i in np.flatnonzero(border)]
    nodes = [net.names[int(i)] for i in np.flatnonzero(reached[:n] != reached[n])]
    shown = "; ".join(rows[:12]) + ("; ..." if len(rows) > 12 else "")
    where = ", ".join(nodes[:10]) + (", ..." if len(nodes) > 10 else "")
    return Problem(
        "links",
        net.product,
        "quantity",
        f"the accounts cannot close: {where} are off by {miss:g}",
        shown,
        "Correct one of these rows, give another link between these nodes and the rest, or raise tolerance.",
    )


def _point(net: _Network, tolerance: float) -> tuple[list[Problem], FloatArray]:
    """Test, add what is missing of supply as an unknown supplier, and balance."""
    miss, reached = _shortfall(net, net.low, net.high)
    firm = net.known & (net.kind != "link")
    if miss > 0 and tolerance > 0:
        wide_low = np.where(firm, net.low * (1 - tolerance), net.low)
        wide_high = np.where(firm, net.high * (1 + tolerance), net.high)
        wide, seen = _shortfall(net, wide_low, wide_high)
        if wide <= 0:
            net.low, net.high, miss = wide_low, wide_high, 0.0
        else:
            reached = seen
    if miss > 0 and _with_residual(net, miss):
        left, _ = _shortfall(net, net.low, net.high)
        miss = 0.0 if left <= 0 else miss
    if miss > 0:
        return [_conflict(net, miss, reached)], np.zeros(0)
    # The interval of an answer may not be narrower than what was allowed for the answer.
    net.span_low, net.span_high = np.minimum(net.span_low, net.low), np.maximum(net.span_high, net.high)
    x = _solve(net, net.prior, *_tighten(net, net.low, net.high))
    net.span_low, net.span_high = _tighten(net, net.span_low, net.span_high)
    supply = net.kind == "output"
    ceiling = float(np.where(np.isfinite(net.span_high[supply]), net.span_high[supply], x[supply]).sum())
    net.span_high = np.where(np.isinf(net.span_high), ceiling, net.span_high)
    net.span_low, net.span_high = np.minimum(net.span_low, x), np.maximum(net.span_high, x)
    return [], x


def _with_residual(net: _Network, miss: float) -> bool:
    """Let an unlisted supplier send what is missing to the pools; not where the rest of the world is known."""
    rest = f"{net.product}@ROW"
    if rest in net.names:
        return False
    pools = [i for i, name in enumerate(net.names) if name.startswith(f"{net.product}@") and name.endswith(":demand")]
    if not pools:
        return False
    keep = {f.name: getattr(net, f.name) for f in net.__dataclass_fields__.values()}
    new = len(net.names)
    k = len(pools) + 1
    net.names = [*net.names, rest]
    net.tail = np.append(net.tail, [-1] + [new] * len(pools))
    net.head = np.append(net.head, [new, *pools])
    net.kind = np.append(net.kind, np.array(["output"] + ["link"] * len(pools), dtype=object))
    net.row = np.append(net.row, np.full(k, -1))
    net.value = np.append(net.value, [miss] + [np.nan] * len(pools))
    net.low = np.append(net.low, np.zeros(k))
    net.high = np.append(net.high, [miss * (1 + 1e-6), *([np.inf] * len(pools))])
    net.span_low, net.span_high = np.append(net.span_low, np.zeros(k)), np.append(net.span_high, np.full(k, np.inf))
    net.prior = np.append(net.prior, [miss] + [miss / len(pools)] * len(pools))
    net.known = np.append(net.known, np.zeros(k, dtype=bool))
    net.grown = np.append(net.grown, np.ones(k, dtype=bool))
    net.label = [*net.label, f"output of {rest}", *(f"link {rest} -> {net.names[i]}" for i in pools)]
    net.residual = miss
    if _shortfall(net, net.low, net.high)[0] > 0:
        for name, old in keep.items():
            setattr(net, name, old)
        return False
    return True


# ---------------------------------------------------------------------- the numbers


def _tighten(net: _Network, low: FloatArray, high: FloatArray, rounds: int = 60) -> tuple[FloatArray, FloatArray]:
    """Bounds that follow from the accounts: no more comes than the other side can take, and so on."""
    n = len(net.names)
    low, high = low.copy(), high.copy()
    inside_h, inside_t = net.head >= 0, net.tail >= 0
    h, t = net.head[inside_h], net.tail[inside_t]
    for _ in range(rounds):
        before = low.copy(), high.copy()
        finite = np.where(np.isinf(high), 0.0, high)
        wild = np.isinf(high).astype(float)
        lo_in, hi_in, wi_in = (np.bincount(h, v[inside_h], n) for v in (low, finite, wild))
        lo_out, hi_out, wi_out = (np.bincount(t, v[inside_t], n) for v in (low, finite, wild))
        for mask, at, los, his, wis, o_lo, o_hi, o_wi in (
            (inside_h, h, lo_in, hi_in, wi_in, lo_out, hi_out, wi_out),
            (inside_t, t, lo_out, hi_out, wi_out, lo_in, hi_in, wi_in),
        ):
            top = np.where(o_wi[at] > 0, np.inf, o_hi[at] - (los[at] - before[0][mask]))
            others = np.where(wis[at] - wild[mask] > 0, np.inf, his[at] - finite[mask])
            bottom = o_lo[at] - others
            # Rounding must not push a bound past the other one: around a cycle that would feed on itself.
            high[mask] = np.minimum(high[mask], np.maximum(top, before[0][mask]))
            low[mask] = np.maximum(low[mask], np.minimum(bottom, before[1][mask]))
        cross = low > high  # rounding, since feasibility was tested
        middle = np.where(cross, 0.5 * (low + high), 0.0)
        low, high = np.where(cross, middle, low), np.where(cross, middle, high)
        moved = np.abs(low - before[0]) > 1e-9 * np.maximum(low, 1e-300)
        with np.errstate(invalid="ignore"):
            moved |= (high != before[1]) & ~(np.abs(high - before[1]) <= 1e-9 * high)
        if not moved.any():
            break
    return low, high


def _solve(net: _Network, prior: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Newton ascent on the dual: ``x = clip(p exp((m_head - m_tail) / w), low, high)``, one multiplier per node."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    n, m = len(net.names), len(prior)
    scale = max(float(prior.sum()), float(low.sum()), 1e-300)
    p, lo, hi = prior / scale, low / scale, high / scale
    w = np.where(net.known & (net.kind != "link"), _FIRM, 1.0)
    inside_h, inside_t = net.head >= 0, net.tail >= 0
    e = np.arange(m)
    a = sparse.csr_array(
        (
            np.concatenate([np.ones(inside_h.sum()), -np.ones(inside_t.sum())]),
            (np.concatenate([net.head[inside_h], net.tail[inside_t]]), np.concatenate([e[inside_h], e[inside_t]])),
        ),
        shape=(n, m),
    )
    back = a.T.tocsr()
    positive = p > 0

    def at(lam: FloatArray) -> tuple[FloatArray, float, BoolArray]:
        y = np.asarray(back @ lam)
        raw = p * np.exp(np.clip(y / w, -600.0, 600.0))
        x = np.clip(raw, lo, hi)
        logs = np.log(np.where(positive & (x > 0), x, 1.0) / np.where(positive & (x > 0), p, 1.0))
        dual = float((np.where(positive, w * (x * logs - x), 0.0) - y * x).sum())
        return x, dual, (raw > lo) & (raw < hi)

    lam = np.zeros(n)
    x, dual, free = at(lam)
    damp = 1e-12
    for _ in range(400):
        miss = np.asarray(a @ x)
        size = np.asarray(abs(a) @ x)
        if bool((np.abs(miss) <= 1e-8 * size + 1e-13).all()):
            break
        bend = sparse.csr_array(a * np.where(free, x / w, 0.0)) @ back
        better = False
        for _ in range(40):
            step = -np.asarray(spsolve(sparse.csc_array(bend + damp * sparse.eye_array(n)), miss))
            top = float(np.abs(step).max())
            step = step * min(1.0, 30.0 / top) if top > 0 else step
            x1, dual1, free1 = at(lam + step)
            if np.isfinite(dual1) and dual1 >= dual + 1e-6 * float(-(miss @ step)) - 1e-15 * max(abs(dual), 1.0):
                lam, x, dual, free, better = lam + step, x1, dual1, free1, True
                damp = max(damp * 0.1, 1e-14)
                break
            damp = max(damp * 10.0, 1e-12)
        if not better:
            break
    miss, size = np.abs(np.asarray(a @ x)), np.asarray(abs(a) @ x)
    if bool((miss > 1e-6 * size + 1e-9).any()):
        i = int((miss - 1e-6 * size).argmax())
        raise SolverError(
            f"{net.product}: the balancing did not converge; {net.names[i]} is off by {miss[i] * scale:.3g}. "
            "A flow there may have a prior of zero that it needs: give it a quantity, or raise tolerance.",
            "iteration limit",
        )
    return np.asarray(x * scale, dtype=np.float64)


def _draw(net: _Network, rng: np.random.Generator) -> FloatArray:
    """One consistent set of flows: totals drawn in their intervals, priors with their spread."""
    total = net.known & (net.kind != "link")
    low = np.where(total, net.span_low, net.low)
    high = np.where(total, net.span_high, net.high)
    spread = np.where(net.grown, net.loose, 0.5 * net.loose)
    bell, even = rng.standard_normal(len(low)), rng.random(len(low))
    prior = np.where(
        total,
        net.span_low + even * (net.span_high - net.span_low),
        np.where(net.known, net.value, net.prior * np.exp(spread * bell)),
    )
    return _solve(net, prior, *_tighten(net, low, high))


# ---------------------------------------------------------------------- back to tables


def _keys(frame: pd.DataFrame, columns: Sequence[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([frame[c].astype("string").fillna("").to_numpy(dtype=object) for c in columns])


def _write(graph: SupplyGraph, nets: Sequence[_Network], flows: Sequence[FloatArray], note: str) -> SupplyGraph:
    """The graph with the estimated flows, derived use and residual suppliers in its tables."""
    ix = graph.index
    links, nodes, demand = (graph.table(t) for t in ("links", "nodes", "demand"))
    where = _keys(links, TABLES["links"].key).get_indexer(_keys(ix.links, TABLES["links"].key))
    at_node = _keys(nodes, TABLES["nodes"].key).get_indexer(_keys(ix.nodes, TABLES["nodes"].key))
    newest = latest(graph.tables["demand"], ["node", "use"])
    rows_of = pd.Series(_keys(demand, ("node", "use", "year")).get_indexer(_keys(newest, ("node", "use", "year"))))
    rows_of = rows_of.groupby(newest["node"].astype("object").to_numpy()).agg(list)
    ids = ix.position.to_numpy(dtype=object)
    year_of = graph.reference_year
    notes: list[str] = []
    new_links: list[dict[str, object]] = []
    new_nodes: list[dict[str, object]] = []
    new_use: list[dict[str, object]] = []
    text = links["note"].astype("object").to_numpy().copy()
    for net, x in zip(nets, flows, strict=True):
        lo, hi = np.minimum(net.span_low, x), np.maximum(net.span_high, x)
        mine = np.flatnonzero((net.kind == "link") & ~net.known & (net.row >= 0))
        at = where[net.row[mine]]
        method = links["method"].to_numpy(dtype=object)
        links.loc[at, "method"] = np.where(method[at] == "world_pool", "world_pool", "balanced")
        links.loc[at, "quantity"], links.loc[at, "low"], links.loc[at, "high"] = x[mine], lo[mine], hi[mine]
        links.loc[at, "missing"] = None
        grade = links["grade"].astype("object").to_numpy()[at]
        whose = links["source"].notna().to_numpy()[at]
        links.loc[at, "grade"] = np.where(
            whose & ~pd.isna(grade), worst(grade, ["B"] * len(at)), np.array(["assumption"] * len(at), dtype=object)
        )
        for i, old in zip(at, text[at], strict=True):
            kept = old if isinstance(old, str) and old else ""
            links_note = "entropy balancing within the accounts; interval from their bounds"
            text[i] = kept if links_note in kept else f"{kept}; {links_note}".lstrip("; ")
        made = np.flatnonzero((net.kind == "output") & net.known & (net.row >= 0))
        moved = made[np.abs(x[made] - net.value[made]) > 1e-6 * np.maximum(net.value[made], 1e-300)]
        if len(moved):
            spots = at_node[net.row[moved]]
            low0 = np.fmin(nodes.loc[spots, "output_low"].to_numpy(dtype=float), x[moved])
            high0 = np.fmax(nodes.loc[spots, "output_high"].to_numpy(dtype=float), x[moved])
            if "draw" in note:  # a draw replaces the figure; the published one stays in the graph it was drawn from
                nodes.loc[spots, "output"] = x[moved]
                nodes.loc[spots, "output_low"] = np.where(np.isnan(low0), np.nan, low0)
                nodes.loc[spots, "output_high"] = np.where(np.isnan(high0), np.nan, high0)
        for j in np.flatnonzero(net.kind == "use"):
            node = str(ids[net.row[j]])
            spots_of = rows_of.get(node, [])
            if net.known[j]:
                if "draw" in note and spots_of and net.value[j] > 0:
                    part = x[j] / net.value[j]
                    for column in ("quantity", "low", "high"):
                        demand.loc[spots_of, column] = demand.loc[spots_of, column] * part
                continue
            fresh = {"quantity": x[j], "low": lo[j], "high": hi[j], "grade": "assumption"}
            fresh["note"] = "balanced: what is left of the inflow"
            if len(spots_of) == 1:
                for column, v in {**fresh, "missing": None}.items():
                    demand.loc[spots_of[0], column] = v
            elif not spots_of:
                new_use.append({"node": node, "use": "total", "year": year_of, **fresh})
        if net.residual > 0:
            rest = f"{net.product}@ROW"
            k = int(np.flatnonzero((net.kind == "output") & (net.row < 0))[0])
            missing = "supply that the listed producers cannot give: an unknown supplier"
            new_nodes.append(
                {
                    "node": rest,
                    "product": net.product,
                    "country": "ROW",
                    "kind": "producer",
                    "year": year_of,
                    "output": x[k],
                    "output_low": 0.0,
                    "output_high": hi[k],
                    "output_grade": "assumption",
                    "grade": "assumption",
                    "note": missing,
                }
            )
            for j in np.flatnonzero((net.kind == "link") & (net.row < 0)):
                new_links.append(
                    {
                        "supplier": rest,
                        "buyer": net.names[net.head[j]],
                        "product": net.product,
                        "year": year_of,
                        "method": "balanced",
                        "quantity": x[j],
                        "low": lo[j],
                        "high": hi[j],
                        "grade": "assumption",
                        "note": missing,
                    }
                )
            notes.append(f"{net.product}: {x[k]:g} from an unknown supplier")
    links["note"] = text
    frames = {"links": _more(links, new_links), "nodes": _more(nodes, new_nodes), "demand": _more(demand, new_use)}
    return graph.replace("; ".join([note, *notes]), **frames)


def _more(frame: pd.DataFrame, rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.concat([frame, pd.DataFrame(rows)], ignore_index=True) if rows else frame


# ---------------------------------------------------------------------- by-products


def byproduct_limits(graph: SupplyGraph, products: Iterable[str] | None = None) -> pd.DataFrame:
    """What the throughput of its host allows of each by-product, and where that binds.

    ``limit = throughput x grade x recovery = throughput / coefficient``: the coefficient of a host recipe is host
    units per unit of by-product. Throughput is the known inflow of the pools that the producer is linked to.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    products : iterable of str, optional
        By-products; default all with a host recipe.

    Returns
    -------
    DataFrame
        ``node, product, host, throughput, coefficient, limit, output, output_high, status`` in product units, a row
        per producer and host. Limit uses the recipe's lower coefficient and the upper end of the throughput.
        Status: ``exceeded`` (output above the sum of its hosts' limits), ``binds`` (output_high above it or
        unbounded), ``slack``, or ``unknown`` (throughput or coefficient is not known: no limit, never zero).

    Notes
    -----
    A producer with several hosts has the sum of their limits; one unknown host makes the sum unknown. The world pool
    and the pool of another country tell nothing of a producer's own host: unknown.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> byproduct_limits(sr.load_atlas())["status"].isin(["exceeded", "binds", "slack", "unknown"]).all().item()
    True
    """
    columns = ["node", "product", "host", "throughput", "coefficient", "limit", "output", "output_high", "status"]
    ix = graph.index
    r = graph.tables["recipes"]
    r = r[r["host"].fillna(False).astype(bool)]
    if products is not None:
        chosen = [graph.check_product(p, "byproduct_limits") for p in products]
        r = r[r["product"].isin(chosen)]
    if not len(r) or not len(ix.links):
        return pd.DataFrame(columns=columns)
    least = pd.DataFrame(
        {
            "product": r["product"].astype("object"),
            "host": r["input"].astype("object"),
            "coefficient": r["low"].fillna(r["coefficient"]).astype(float),
        }
    )
    least = least.groupby(["product", "host"])["coefficient"].agg(lambda v: v.min(skipna=False)).reset_index()
    nodes = ix.nodes[ix.nodes["kind"] == "producer"]
    _, _, top = graph.interval("nodes", "output", nodes)
    makers = pd.DataFrame(
        {
            "node": nodes["node"].astype("object"),
            "product": nodes["product"].astype("object"),
            "country": nodes["country"].astype("object"),
            "output": nodes["output"].astype(float),
            "output_high": top,
        }
    ).merge(least, on="product")
    made = ix.links["product"].to_numpy(dtype=object)
    pool = ix.nodes["product"].to_numpy(dtype=object)[ix.dst] == made
    inflow = pd.DataFrame({"pool": ix.links["buyer"].astype("object")[pool], "high": ix.high[pool]})
    value = pd.Series(ix.quantity[pool]).isna().to_numpy()
    inflow.loc[value, "high"] = np.nan
    through = inflow.groupby("pool")["high"].agg(lambda v: v.sum(skipna=False))
    use = makers["host"] + "@" + makers["country"] + ":demand"
    linked = set(zip(ix.links["supplier"].astype("object"), ix.links["buyer"].astype("object"), strict=True))
    own = [k in linked for k in zip(use, makers["node"], strict=True)]
    makers["throughput"] = use.map(through).astype(float).where(pd.Series(own, index=makers.index))
    makers["limit"] = makers["throughput"] / makers["coefficient"].where(makers["coefficient"] > 0)
    total = makers.groupby("node")["limit"].transform(lambda v: v.sum(skipna=False))
    slackness = 1 + 1e-9
    makers["status"] = np.select(
        [total.isna(), makers["output"] > total * slackness, makers["output_high"] > total * slackness],
        ["unknown", "exceeded", "binds"],
        "slack",
    )
    return makers[columns].sort_values(["product", "node", "host"]).reset_index(drop=True)


def _cap_byproducts(graph: SupplyGraph, products: Sequence[str], strict: bool = True) -> SupplyGraph:
    """Bring upper ends of by-products down to what their hosts allow; an output above that is a conflict."""
    limits = byproduct_limits(graph)
    limits = limits[limits["product"].isin(products)]
    over = limits[limits["status"] == "exceeded"]
    if len(over) and strict:
        raise SchemaError(
            [
                Problem(
                    "nodes",
                    str(row.node),
                    "output",
                    f"above what the throughput of {row.host} allows ({row.throughput:g} / {row.coefficient:g} "
                    f"= {row.limit:g})",
                    f"{row.output:g}",
                    "Correct the output, the throughput or the recipe's coefficient, or leave the product out.",
                )
                for row in over.itertuples()
            ],
            "by-products",
        )
    binds = limits[limits["status"].isin(["binds", "exceeded"])].groupby("node")["limit"].sum()
    if not len(binds):
        return graph
    nodes = graph.table("nodes")
    newest = nodes.groupby("node")["year"].transform("max") == nodes["year"]
    cap = nodes["node"].astype("object").map(binds).where(newest.astype(bool))
    cap = cap.where(
        ~(nodes["output"] > cap), nodes["output"]
    )  # a draw of its host may fall below an output that is known
    hit = nodes["node"].isin(binds.index) & newest.astype(bool)
    nodes["output_high"] = nodes["output_high"].where(~hit, cap)
    nodes["output_low"] = nodes["output_low"].where(
        ~hit | nodes["output_low"].isna(), np.fmin(nodes["output_low"], nodes["output_high"])
    )
    text = ", ".join(f"{n} <= {v:g}" for n, v in binds.items())
    return graph.replace(f"balance_flows: throughput of the host binds: {text}", nodes=nodes)


# ---------------------------------------------------------------------- how sure it is


def spread(graphs: Sequence[SupplyGraph], level: float = 0.9) -> pd.DataFrame:
    """Where the flows and shares of an ensemble lie.

    Parameters
    ----------
    graphs : sequence of SupplyGraph
        Draws of one graph, as from ``balance_flows(..., ensemble=N)``.
    level : float
        Part of the draws inside the interval, between 0 and 1.

    Returns
    -------
    DataFrame
        A row per link: ``supplier, buyer, product, quantity, low, high, share, share_low, share_high`` (median and
        central interval over the draws; a share is of its buyer's known inflow of the product).

    Raises
    ------
    SchemaError
        No graph, or a level out of range.

    Examples
    --------
    >>> spread([])
    Traceback (most recent call last):
    supplyrisk.errors.SchemaError: spread has 1 problem:
      - spread.graphs: empty. Give an ensemble.
    """
    if not 0.0 < level < 1.0:
        raise SchemaError([Problem("spread", "-", "level", "not between 0 and 1", str(level), "Give 0.9.")], "spread")
    if not len(graphs):
        raise SchemaError([Problem("spread", "-", "graphs", "empty", "", "Give an ensemble.")], "spread")
    key = ["supplier", "buyer", "product"]
    frames = []
    for g in graphs:
        ix = g.index
        frame = ix.links[key].astype("object").assign(quantity=ix.quantity, share=ix.share)
        frames.append(frame)
    both = pd.concat(frames, ignore_index=True).groupby(key, sort=True)[["quantity", "share"]]
    edge = 0.5 * (1.0 - level)
    middle, low, high = both.quantile(0.5), both.quantile(edge), both.quantile(1.0 - edge)
    out = pd.DataFrame(
        {
            "quantity": middle["quantity"],
            "low": low["quantity"],
            "high": high["quantity"],
            "share": middle["share"],
            "share_low": low["share"],
            "share_high": high["share"],
        }
    )
    return out.reset_index()


def holdout(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = None,
    *,
    part: float = 0.2,
    ensemble: int = 50,
    level: float = 0.9,
    seed: int = 0,
    tolerance: float = 0.02,
    hidden: Literal["observed", "all"] = "observed",
) -> pd.DataFrame:
    """Hide known flows, estimate them, and see how often the truth lies in the interval that is reported.

    Parameters
    ----------
    graph : SupplyGraph
        A graph with known flows (a synthetic one, or the observed part of a real one).
    products : str or iterable of str, optional
        Which products; default all.
    part : float
        Part of the known flows of each product to hide, between 0 and 1; at least one.
    ensemble, seed, tolerance
        As in :func:`balance_flows`.
    level : float
        Part of the draws inside the interval.
    hidden : {"observed", "all"}
        Hide observed and mirrored flows only, or any flow with a quantity.

    Returns
    -------
    DataFrame
        A row per hidden flow: ``supplier, buyer, product, true, low, high, true_share, share, share_low, share_high,
        inside``; ``.attrs["coverage"]`` is the mean of ``inside``.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> seen = holdout(sr.load_atlas(), "silicon.metal", ensemble=5)
    >>> list(seen.columns)[-1], 0 <= seen.attrs["coverage"] <= 1
    ('inside', True)
    """
    if not 0.0 < part < 1.0:
        _refuse("part", part, "Give e.g. 0.2.")
    ix = graph.index
    good = ~np.isnan(ix.quantity)
    if hidden == "observed":
        good &= ~ix.links["method"].isin(_ESTIMATED).to_numpy(dtype=bool)
    of = ix.links["product"].to_numpy(dtype=object)
    if products is not None:
        chosen = [products] if isinstance(products, str) else list(products)
        good &= np.isin(of, [graph.check_product(p, "holdout") for p in chosen])
    rng = np.random.default_rng([seed, 7])
    picked: list[int] = []
    for product in sorted({str(p) for p in of[good]}):
        mine = np.flatnonzero(good & (of == product))
        picked += rng.choice(mine, max(1, round(part * len(mine))), replace=False).tolist()
    if not picked:
        _refuse("graph", "no known flow", "Give a graph with observed flows.")
    hide = np.sort(np.array(picked, dtype=np.int64))
    links = graph.table("links")
    spots = _keys(links, TABLES["links"].key).get_indexer(_keys(ix.links.iloc[hide], TABLES["links"].key))
    for column in ("quantity", "low", "high", "value"):
        links.loc[spots, column] = np.nan
    links.loc[spots, "missing"] = "unknown"
    blind = graph.replace("holdout: known flows hidden", links=links)
    about = sorted({str(p) for p in of[hide]})
    key = ["supplier", "buyer", "product"]
    truth = ix.links.iloc[hide][key].astype("object").assign(true=ix.quantity[hide], true_share=ix.share[hide])
    drawn = spread(balance_flows(blind, about, tolerance=tolerance, ensemble=ensemble, seed=seed), level)
    out = truth.merge(drawn, on=key, how="left")
    room = 1e-9
    out["inside"] = (out["true_share"] >= out["share_low"] - room) & (out["true_share"] <= out["share_high"] + room)
    columns = ["true", "low", "high", "true_share", "share", "share_low", "share_high", "inside"]
    out = out[[*key, *columns]]
    out.attrs["coverage"] = float(out["inside"].mean())
    return out

"""What gets through, what everything must pass, and by which ways: free flow, dominators, ranked paths."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import control
from .arguments import by_name, names, one_name, whole
from .errors import Problem, SchemaError, unknown_name
from .graph import SupplyGraph, check_graph
from .jurisdictions import SCOPES, is_country, scope
from .linked import links
from .schema import GRADES
from .tracing import solve_trace, tracing_matrix

__all__ = ["FreeFlow", "dominators", "free_flow", "paths"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_SCALE = 2**29
_EXPANDED = 200_000


@dataclass(frozen=True)
class FreeFlow:
    """What can be delivered without the focal, and what holds it back.

    Attributes
    ----------
    flow : float
        Most that can arrive, in the unit of the capacities.
    demand : float
        What is asked for.
    share : float
        flow / demand, at most 1; NaN where nothing is asked for.
    cut : DataFrame
        The minimum cut, ``kind`` (supply, node, link or demand), ``name``, ``to``, ``capacity``: the capacities that
        must grow. They add up to ``flow``.
    """

    flow: float
    demand: float
    share: float
    cut: pd.DataFrame


def max_flow(src: IntArray, dst: IntArray, capacity: FloatArray, n: int, source: int, sink: int) -> tuple[float, Any]:
    """Value of the largest flow, and which nodes lie on the source's side of a smallest cut.

    scipy's solver takes 32-bit integers: capacities are scaled down to them, and what the rounding left over is sent
    through the residual network again, until flow and cut agree.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    # Opposite and parallel arcs share a residual matrix.
    residual = sparse.csr_matrix((capacity, (src, dst)), shape=(n, n))
    given = residual.copy()
    top = min(float(capacity[src == source].sum()), float(capacity[dst == sink].sum()))
    side = np.zeros(n, dtype=bool)
    side[source] = True
    if top <= 0:
        return 0.0, _side(residual, source, 0.0)
    sent = 0.0
    tiny = 1e-13 * top
    room = top
    for _ in range(12):
        capped = residual.copy()
        capped.data = np.floor(np.minimum(capped.data, room) * (_SCALE / room))
        capped.data[residual.data <= tiny] = 0
        capped.eliminate_zeros()
        got = csgraph.maximum_flow(sparse.csr_array(capped.astype(np.int32)), source, sink)
        step = got.flow.astype(np.float64) * (room / _SCALE)
        residual = (residual - sparse.csr_matrix(step)).tocsr()
        residual.data = np.maximum(residual.data, 0.0)
        sent += float(got.flow_value) * room / _SCALE
        side = _side(residual, source, tiny)
        if not side[sink]:
            break
        room = max(room * len(capacity) * 4 / _SCALE, tiny * 8)
    crossing = given.tocoo()
    across = side[crossing.row] & ~side[crossing.col]
    return (float(crossing.data[across].sum()) if not side[sink] else sent), side


def _side(residual: Any, source: int, tiny: float) -> Any:
    from scipy import sparse
    from scipy.sparse import csgraph

    open_ = residual.tocoo()
    keep = open_.data > tiny
    n = residual.shape[0]
    net = sparse.csr_matrix((np.ones(int(keep.sum())), (open_.row[keep], open_.col[keep])), shape=(n, n))
    out = np.zeros(n, dtype=bool)
    out[csgraph.breadth_first_order(net, source, return_predecessors=False)] = True
    return out


def _bad(what: str, row: str, column: str, rule: str, value: object, remedy: str) -> SchemaError:
    return SchemaError([Problem(what, row, column, rule, str(value), remedy)], what)


def free_flow(
    flows: SupplyGraph | pd.DataFrame,
    to: str | Iterable[str] | None = None,
    *,
    supply: Mapping[Any, float] | pd.Series | None = None,
    demand: Mapping[Any, float] | pd.Series | None = None,
    capacity: Mapping[Any, float] | pd.Series | None = None,
    without: str | Iterable[str] = (),
    focal: str | Iterable[str] = "CHN",
    base: Literal["location", "equity", "control"] = "location",
) -> FreeFlow:
    r"""Most that can reach demand without the focal, with the minimum cut.

    :math:`\min(1, \max_f |f| / \sum_d D_d)`: the largest flow from all primary sources to the demand nodes, with capacities of links and nodes and the focal's nodes
    removed, over what is asked for, capped at 1.

    Parameters
    ----------
    flows : DataFrame or SupplyGraph
        Links with columns ``supplier, buyer, quantity`` (capacity of the link; infinite for none). Of a graph: the
        links of the product that is asked for, sources its producers with their output.
    to : str or iterable of str, optional
        Demand nodes. For a graph required; all of one product. For a frame: those of ``demand`` that count.
    supply : mapping or Series, optional
        Primary supply by node. For a graph: replaces the outputs.
    demand : mapping or Series, optional
        What is asked for by node. For a graph the default is the recorded inflow.
    capacity : mapping or Series, optional
        What a node can put through; nodes that are not named have no limit.
    without : str or iterable of str
        Nodes to remove.
    focal, base
        For a graph: the focal's part of each producer is removed from its output, and its pools from the network.

    Returns
    -------
    FreeFlow
        Flow and demand in the unit of the input, share in [0, 1], and the cut.

    Raises
    ------
    SchemaError
        Negative or missing capacities, by node or link; a column of the frame that is missing; a name given twice;
        nothing asked for.
    UnknownNameError
        A node that does not occur, in ``supply`` and ``demand`` too; one in ``to`` of which no demand is given.

    Notes
    -----
    Where 0 is asked for the share is NaN, not 1: there is nothing to deliver. Missing policy: for a graph, a producer without known output supplies nothing, a link without known flow carries
    nothing; both make the answer a lower bound. Definition of this library, on the max-flow min-cut theorem of Ford
    & Fulkerson (1956).

    Examples
    --------
    >>> f = pd.DataFrame([("CD", "CN", 80.), ("CD", "FI", 20.), ("AU", "CN", 10.), ("AU", "FI", 30.),
    ...     ("CN", "home", 54.), ("FI", "home", 36.)], columns=["supplier", "buyer", "quantity"])
    >>> f["quantity"] = [80., 40., 10., 30., np.inf, np.inf]
    >>> r = free_flow(f, supply={"CD": 100, "AU": 40}, demand={"home": 90}, capacity={"FI": 50}, without=["CN"])
    >>> round(r.share, 6), r.cut["name"].tolist()
    (0.555556, ['FI'])
    """
    if isinstance(flows, SupplyGraph):
        return _free_of_graph(flows, to, supply, demand, capacity, without, focal, base)
    return _free_of_links(flows, to, supply, demand, capacity, without, frozenset())


def _free_of_links(
    flows: pd.DataFrame, to: Any, supply: Any, demand: Any, capacity: Any, without: Any, own: frozenset[str]
) -> FreeFlow:
    what = "free_flow()"
    fix = "Give a number from 0 up."
    want = by_name(demand, what, "demand", remedy=fix)
    send = by_name(supply, what, "supply", finite=False, remedy=fix)
    limit = by_name(capacity, what, "capacity", finite=False, remedy=fix)
    gone = names(without, what, "without")
    if to is not None:
        keep = names(to, what, "to")
        for name in keep:
            if want and name not in want:
                raise unknown_name("node with demand", name, [str(x) for x in want], f"{what} to")
        want = {k: want[k] for k in keep if k in want}
    if not want or supply is None:
        raise _bad(what, "-", "demand" if not want else "supply", "nothing given", "", "Give it by node.")
    net = links(flows, what, finite=False)
    q = net.quantity
    # Of a graph the names are its own: a producer without a customer, a pool without a supplier are no misspellings.
    # What is both asked for and supplied needs no link.
    met = set(net.nodes)
    alone = [x for x in dict.fromkeys([*send, *want]) if x not in met and (x in own or (x in send and x in want))]
    net = links(flows, what, finite=False, extra=alone) if alone else net
    ids = net.nodes
    at_s, at_d, at_c, at_w = (
        net.at(given, what, column)
        for given, column in ((send, "supply"), (want, "demand"), (limit, "capacity"), (gone, "without"))
    )
    n = len(ids)
    asked, sent = np.array(list(want.values()), dtype=float), np.array(list(send.values()), dtype=float)
    bound = float(sent.sum()) if np.isfinite(sent.sum()) else float(asked.sum())
    through = np.full(n, np.inf)
    through[at_c] = list(limit.values())
    through[at_w] = 0.0
    # Node v is the arc v -> n + v; 2n is the source, 2n + 1 the sink.
    s, d = net.src, net.dst
    src = np.concatenate([np.arange(n), s + n, np.full(len(at_s), 2 * n), at_d + n])
    dst = np.concatenate([np.arange(n) + n, d, at_s, np.full(len(at_d), 2 * n + 1)])
    cap = np.concatenate([through, q, sent, asked])
    kind = np.repeat(["node", "link", "supply", "demand"], [n, len(q), len(at_s), len(at_d)])
    flow, side = max_flow(src, dst, np.minimum(cap, 2 * bound + 1.0), 2 * n + 2, 2 * n, 2 * n + 1)
    removed = np.zeros(n, dtype=bool)
    removed[at_w] = True
    across = side[src] & ~side[dst] & ~((kind == "node") & np.append(removed, np.zeros(len(src) - n, dtype=bool)))
    label = np.append(ids.to_numpy(dtype=object), ids.to_numpy(dtype=object))
    label = np.append(label, ["", ""])
    cut = pd.DataFrame(
        {
            "kind": kind[across],
            "name": np.where(kind == "supply", label[dst], label[src])[across],
            "to": np.where(kind == "link", label[dst], "")[across],
            "capacity": cap[across],
        }
    ).sort_values(["kind", "name", "to"], ignore_index=True)
    total = float(asked.sum())
    return FreeFlow(flow, total, min(1.0, flow / total) if total > 0 else float("nan"), cut)


def _free_of_graph(
    graph: SupplyGraph,
    to: Any,
    supply: Any,
    demand: Any,
    capacity: Any,
    without: Any,
    focal: str | Iterable[str],
    base: Literal["location", "equity", "control"],
) -> FreeFlow:
    ix = graph.index
    ends = names(to, "free_flow()", "to")
    if not ends:
        raise _bad(
            "free_flow()", "-", "to", "no demand node", "", "Name one or more, e.g. 'cobalt.refined@JPN:demand'."
        )
    codes = np.array([ix.code(e) for e in ends], dtype=np.int64)
    product = ix.nodes["product"].astype("object").to_numpy()
    if len(set(product[codes])) > 1:
        raise _bad(
            "free_flow()", "-", "to", "demand for several products", sorted(set(product[codes])), "Ask one by one."
        )
    p = product[codes[0]]
    ids = ix.nodes["node"].astype("object").to_numpy()
    kind = ix.nodes["kind"].astype("object").to_numpy()
    share, _, _ = control.focal_share(graph, focal, base)
    rows = ix.links["product"].astype("object").to_numpy() == p
    flows = pd.DataFrame(
        {"supplier": ids[ix.src[rows]], "buyer": ids[ix.dst[rows]], "quantity": np.nan_to_num(ix.quantity[rows])}
    )
    if supply is None:
        makers = np.flatnonzero((product == p) & (kind == "producer") & (share < 1))
        out = np.nan_to_num(ix.nodes["output"].to_numpy(dtype=float)[makers]) * (1 - share[makers])
        supply = {str(ids[m]): float(x) for m, x in zip(makers, out, strict=True)}
    if demand is None:
        inflow = np.bincount(ix.dst[rows], np.nan_to_num(ix.quantity[rows]), ix.n)
        demand = {str(ids[c]): float(inflow[c]) for c in codes}
    # Pools in the focal's hands pass nothing on; those asked about are not removed.
    home = np.isin(ix.nodes["country"].astype("object").to_numpy(), scope(focal, graph)) & (kind != "producer")
    home[codes] = False
    met = set(flows["supplier"]) | set(flows["buyer"])
    gone = {str(i) for i in ids[home] if i in met} | set(names(without, "free_flow()", "without"))
    named = frozenset(str(i) for i in ids)
    return _free_of_links(flows, None, supply, demand, capacity, sorted(gone, key=str), named)


def dominators(flows: SupplyGraph | pd.DataFrame, to: str, *, sources: str | Iterable[str] | None = None) -> list[str]:
    """Single points of failure: nodes that everything on its way to a node must pass.

    Node d dominates t if every way from a source to t goes through d: without d nothing arrives.

    Parameters
    ----------
    flows : SupplyGraph or DataFrame
        A graph, or links with columns ``supplier, buyer``; links known to carry nothing are left out.
    to : str
        The node that is supplied.
    sources : str or iterable of str, optional
        Where supply begins; default: every node that nothing flows into.

    Returns
    -------
    list of str
        Node ids from the source end to the target's door, the target itself left out. Removing any one of them cuts
        every way from a source to the target. Names, without a unit; a list of 0 or more. Empty where no node has
        that power, or nothing arrives at all.

    Raises
    ------
    SchemaError
        A column of the frame that is missing, a link without name, a quantity that is negative or no number.
    UnknownNameError
        A node that does not occur.

    Notes
    -----
    All links count alike, whatever product they carry: this is reachability, not recipe. A lone source counts as
    its own single point. Missing policy: a link whose flow is unknown may carry something, and counts; only links
    known to carry 0 do not. Linear in the links. Source: dominators of a flow graph, Lengauer & Tarjan (1979).

    Examples
    --------
    >>> f = pd.DataFrame([("a", "b"), ("s", "b"), ("b", "c"), ("b", "d"), ("c", "t"), ("d", "t")],
    ...                  columns=["supplier", "buyer"])
    >>> dominators(f, "t")
    ['b']
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    what = "dominators()"
    if isinstance(flows, SupplyGraph):
        ix = flows.index
        ids, src, dst, q = ix.position, ix.src, ix.dst, ix.quantity
    else:
        net = links(flows, what, quantity=False, finite=False, missing=True)
        ids, src, dst, q = net.nodes, net.src, net.dst, net.quantity
    keep = ~(q == 0)
    src, dst = src[keep], dst[keep]
    n = len(ids)
    named = [one_name(to, what, "to"), *names(sources, what, "sources")]
    at = ids.get_indexer(pd.Index(named, dtype="object", tupleize_cols=False))
    for name, code in zip(named, at, strict=True):
        if code < 0:
            raise unknown_name("node", name, [str(x) for x in ids], what)
    goal = int(at[0])
    start = at[1:] if sources is not None else np.flatnonzero(np.bincount(dst, minlength=n) == 0)
    if goal in start:
        return []
    # One source n feeds all; p is one way from it to the goal. A node of p is passed by all ways exactly if no way
    # leaves p before it and comes back behind it.
    rows, cols = np.concatenate([src, np.full(len(start), n)]), np.concatenate([dst, start])
    ways = sparse.csr_matrix((np.ones(len(rows), dtype=np.int8), (rows, cols)), shape=(n + 1, n + 1))
    _, before = csgraph.breadth_first_order(ways, n)
    if before[goal] < 0:
        return []
    way = [goal]
    while way[-1] != n:
        way.append(int(before[way[-1]]))
    way.reverse()
    place = np.full(n + 1, -1, dtype=np.int64)
    place[way] = np.arange(len(way))
    seen = place >= 0
    out: list[str] = []
    far = 0
    for i, v in enumerate(way[:-1]):
        if i and far == i:
            out.append(str(ids[v]))
        front = np.array([v])
        while len(front):
            nxt = np.unique(np.concatenate([ways.indices[ways.indptr[f] : ways.indptr[f + 1]] for f in front]))
            on = place[nxt]
            far = max(far, int(on.max(initial=0)))
            front = nxt[~seen[nxt]]
            seen[front] = True
    return out


def paths(
    graph: SupplyGraph,
    to: str,
    via: str | Iterable[str] | None = None,
    k: int = 10,
    *,
    base: Literal["location", "equity", "control"] = "location",
    longest: int = 24,
) -> pd.DataFrame:
    r"""Ways by which a node depends on the focal, ranked by what part of the node's supply they carry.

    A way leads upstream from the node to the first hand of the focal (or to a source). Its share is the product of the
    shares along it, :math:`\prod w_{uv}` times the focal's part of its source; the shares of all ways add up to the node's linear exposure (:func:`supplyrisk.exposure.trace`),
    loops aside.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    to : str
        Node id.
    via : str or iterable of str, optional
        A node id, or a focal scope (country, preset or several countries); default: all sources.
    k : int
        How many, at most.
    base : {"location", "equity", "control"}
        What makes a node the focal's.
    longest : int
        Ways of more links are left out.

    Returns
    -------
    DataFrame
        ``rank, path`` (source first), ``share`` in [0, 1], ``part`` of all the node's exposure to ``via``, ``links``,
        ``grade`` (the weakest of the links' figures), ``methods``, ``sources``, ``nodes`` (list of ids).
        ``.attrs["complete"]`` says whether the search ended by itself; ``.attrs["ranking"]`` that the order is by value and
        that how sure it is was not computed.

    Raises
    ------
    SchemaError
        Not a graph, several target nodes, or a number of ways that is none.
    UnknownNameError
        No such node, country or scope.

    Notes
    -----
    Fractions of the node's supply, dimensionless. Missing policy: a segment of which no flow is known has no shares and
    carries no way; what is unknown is in the bounds of :func:`supplyrisk.exposure.exposure`, not here. Definition of
    this library; best-first search bounded by the exposure of what lies upstream, so that the k ways are the largest.

    Examples
    --------
    >>> from supplyrisk.graph import SupplyGraph
    >>> g = SupplyGraph.from_tables(
    ...     products=pd.DataFrame([dict(product="x", name="X", commodity="x", chain="x", stage="mine", unit="t",
    ...         basis="gross", period="year")]),
    ...     nodes=pd.DataFrame([dict(node="x@CHN", product="x", country="CHN", kind="producer", year=2024),
    ...         dict(node="x@JPN:demand", product="x", country="JPN", kind="demand", year=2024)]),
    ...     links=pd.DataFrame([dict(supplier="x@CHN", buyer="x@JPN:demand", product="x", year=2024,
    ...         method="observed", quantity=5.0, grade="assumption")]))
    >>> paths(g, "x@JPN:demand", via="CHN")[["path", "share", "grade"]].values.tolist()
    [['x@CHN > x@JPN:demand', 1.0, 'assumption']]
    """
    what = "paths()"
    check_graph(graph, what)
    whole(k, what, "k")
    whole(longest, what, "longest")
    ix = graph.index
    goal = ix.code(one_name(to, what, "to"))
    plan = tracing_matrix(graph)
    maker = ix.nodes["kind"].astype("object").to_numpy() == "producer"
    own = np.zeros(ix.n)
    if via is None:
        own[np.diff(plan.indptr) == 0] = 1.0
    elif isinstance(via, str) and via not in SCOPES and not is_country(via) and "@" in via:
        own[ix.code(via)] = 1.0
    else:
        own, _, _ = control.focal_share(graph, via, base)
        own = np.where(maker, own, 0.0)
    reach = solve_trace(graph, own)
    heap: list[tuple[float, int, float, tuple[int, ...], tuple[int, ...], bool]] = [
        (-float(reach[goal]), 0, 1.0, (goal,), (), False)
    ]
    count, expanded = 0, 0
    found: list[tuple[float, tuple[int, ...], tuple[int, ...]]] = []
    while heap and len(found) < k and expanded < _EXPANDED:
        bound, _, share, nodes, links, done = heapq.heappop(heap)
        if done:
            found.append((-bound, nodes, links))
            continue
        v = nodes[-1]
        if own[v] > 0:
            count += 1
            heapq.heappush(heap, (-share * float(own[v]), count, share, nodes, links, True))
        if own[v] >= 1 or len(links) >= longest:
            continue
        expanded += 1
        lo, hi = plan.indptr[v], plan.indptr[v + 1]
        passed = share * (1 - float(own[v]))
        for j in range(lo, hi):
            u, w = int(plan.indices[j]), float(plan.data[j])
            top = passed * w * float(reach[u])
            if top > 0 and u not in nodes:
                count += 1
                heapq.heappush(heap, (-top, count, passed * w, (*nodes, u), (*links, j), False))
    ids = ix.nodes["node"].astype("object").to_numpy()
    rank = {g: i for i, g in enumerate(GRADES)}
    rows = []
    for i, (share, nodes, links) in enumerate(found):
        part = ix.links.iloc[list(links)]
        worst = max((rank.get(str(g), len(GRADES) - 1) for g in part["grade"]), default=None)
        way = [str(ids[v]) for v in reversed(nodes)]
        rows.append(
            {
                "rank": i + 1,
                "path": " > ".join(way),
                "share": share,
                "part": share / float(reach[goal]) if reach[goal] > 0 else np.nan,
                "links": len(links),
                "grade": None if worst is None else GRADES[worst],
                "methods": ", ".join(sorted(set(part["method"].astype(str)))),
                "sources": ", ".join(sorted(set(part["source"].dropna().astype(str)))),
                "nodes": way,
            }
        )
    columns = ["rank", "path", "share", "part", "links", "grade", "methods", "sources", "nodes"]
    out = pd.DataFrame(rows, columns=columns).astype({"rank": "int64", "share": "float64", "part": "float64"})
    out.attrs["ranking"] = "ranked by value; stability not computed: shares within the bounds may change the order"
    out.attrs["complete"] = expanded < _EXPANDED
    out.attrs["exposure"] = float(reach[goal])
    return out

"""Who can stop a node: location, equity looked through, control by rule, each with low and high.

A node is a sum of *parts* (portions of its output, :mod:`supplyrisk.holdings`); each part has holders; holders that are firms are looked through (:mod:`supplyrisk.ownership`). What is not
recorded is the width of the interval, never zero risk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .arguments import by_name, choice, flag, number, vector
from .errors import unknown_name
from .graph import GraphIndex, SupplyGraph, check_graph
from .hands import bound, levels, ordered, overridden, possible, reached, settled, sure, taken_part, tops
from .holdings import STAKES, Book, book, holders
from .jurisdictions import scope
from .kernels import solve_absorbing
from .ownership import equity, majority, network_power, ownership_matrix, shapley_shubik
from .schema import GRADES

if TYPE_CHECKING:
    from scipy import sparse

__all__ = [
    "RULES",
    "composition",
    "effective_control",
    "equity",
    "focal_share",
    "holders",
    "majority",
    "mixed",
    "network_power",
    "override",
    "shapley_shubik",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ObjectArray = npt.NDArray[np.object_]
View = Literal["location", "equity", "control"]
Rule = Literal["majority", "aggregate", "creditor"]
Unlisted = Literal["unknown", "host"]
RULES = ("majority", "aggregate", "creditor")
# Codes that are no place: whoever stands behind them may be the focal.
_NOBODY = ("UNK", "ROW", "WLD", "ALL", "ASE")
# Pools that are nobody's place: by location, too, they are what feeds them. Unnamed sellers (ROW) are elsewhere.
_MIXED = tuple(c for c in _NOBODY if c != "ROW")


# ---------------------------------------------------------------------- of entities and parts


def _flags(country: ObjectArray, focal: tuple[str, ...]) -> FloatArray:
    """Whether each home is focal, n x 3; a home that nobody knows may be."""
    series = pd.Series(country, dtype=object)
    hit = series.isin(focal).to_numpy(dtype=float)
    maybe = series.isin([c for c in _NOBODY if c not in focal]).to_numpy(dtype=float)
    return np.column_stack([hit, hit, np.maximum(hit, maybe)])


def _equity(b: Book, focal: tuple[str, ...], unlisted: Unlisted) -> FloatArray:
    """Looked-through focal equity of each entity: value, low, high."""
    flag = _flags(b.country[: b.n], focal)
    free = ~b.held
    total = np.bincount(b.asset, b.share, b.n)
    rest = np.where(b.held, np.maximum(1 - total, 0.0), 0.0) * (unlisted == "host")
    mine = flag[:, 0]
    value = solve_absorbing(
        ownership_matrix(b.holder, b.asset, b.share, b.n), np.where(free, mine, rest * mine).reshape(-1, 1)
    )
    # The high bound is one minus what surely belongs to others.
    floor = np.column_stack(
        [np.where(free, flag[:, 1], rest * mine), np.where(free, 1 - flag[:, 2], rest * (1 - flag[:, 2]))]
    )
    bounds = solve_absorbing(ownership_matrix(b.holder, b.asset, b.low, b.n), floor)
    out = np.column_stack([value[:, 0], bounds[:, 0], 1 - bounds[:, 1]])
    return ordered(out)


def _control(
    b: Book, focal: tuple[str, ...], rule: str, threshold: float, unlisted: Unlisted, golden: bool
) -> FloatArray:
    """Focal control of each entity by owners alone (no host): value, low, high."""
    pooled, host = rule == "aggregate", unlisted == "host"

    def flags(land: ObjectArray) -> FloatArray:
        return _flags(land, focal)

    def hand(k: Book) -> FloatArray:
        flag = flags(k.country[: k.n])
        value = reached(k, flag[:, 0], threshold, pooled, golden)
        low = sure(k, flag[:, 1], threshold, pooled, golden, host)
        high = possible(k, flag[:, 2], threshold, golden, host)
        x = ordered(np.column_stack([value, low, high]))
        if rule == "creditor" and len(k.c_type):
            x = ordered(np.maximum(x, bound(k, x, threshold, golden, host)))
        return x

    return overridden(b, settled(b, flags, hand), flags(b.country[: b.n]))


def _nodes_from_parts(b: Book, x: FloatArray, ix: GraphIndex, focal: tuple[str, ...], unlisted: Unlisted) -> FloatArray:
    """Sum of the parts of each node; the part of its output without a recorded holder is unknown, or the host's."""
    n = ix.n
    p = x[b.part]
    value = np.asarray(np.bincount(b.node, b.portion * p[:, 0], n), dtype=np.float64)
    host = _flags(ix.nodes["country"].astype("object").to_numpy(), focal)
    if unlisted == "host":
        rest = np.maximum(1 - np.bincount(b.node, b.portion, n), 0.0)
        value = value + rest * host[:, 0]
        # Bounds: each portion at the end that helps least or most, the host taking what is left.
        lo_if_mine = 1 - np.bincount(b.node, b.portion_high * (1 - p[:, 1]), n)
        lo_if_not = np.bincount(b.node, b.portion_low * p[:, 1], n)
        hi_if_mine = 1 - np.bincount(b.node, b.portion_low * (1 - p[:, 2]), n)
        hi_if_not = np.minimum(hi_if_mine, np.bincount(b.node, b.portion_high * p[:, 2], n))
        low = np.where(host[:, 1] > 0, lo_if_mine, lo_if_not)
        high = np.where(host[:, 2] > 0, hi_if_mine, hi_if_not)
    else:
        low = np.bincount(b.node, b.portion_low * p[:, 1], n)
        high = 1 - np.bincount(b.node, b.portion_low * (1 - p[:, 2]), n)
    return ordered(np.column_stack([value, low, high]))


# ---------------------------------------------------------------------- of nodes


def _mix(ix: GraphIndex, pools: BoolArray, x: FloatArray) -> FloatArray:
    """Fill the rows of pools with the share-weighted mean of what feeds them.

    Rows of pools with unknown inflow add to less than the whole.
    """
    from scipy import sparse

    if not pools.any():
        return x
    code = np.full(ix.n, -1, dtype=np.int64)
    where = np.flatnonzero(pools)
    code[where] = np.arange(len(where))
    share = np.nan_to_num(ix.share)
    into = pools[ix.dst]
    inner = into & pools[ix.src]
    outer = into & ~pools[ix.src]
    size = (len(where), len(where))
    w = sparse.csr_matrix((share[inner], (code[ix.dst[inner]], code[ix.src[inner]])), shape=size)
    feed = sparse.csr_matrix((share[outer], (code[ix.dst[outer]], ix.src[outer])), shape=(len(where), ix.n))
    out = x.copy()
    out[where] = solve_absorbing(w, np.asarray(feed @ x))
    return out


def _pools(graph: SupplyGraph) -> BoolArray:
    """Nodes that are whose their suppliers are: pools of demand, and stocks that are fed and have no holder of their own."""
    ix = graph.index
    fed = np.bincount(ix.dst, minlength=ix.n) > 0
    recorded = np.bincount(book(graph).node, minlength=ix.n) > 0
    kind = _kinds(ix)[0]
    return np.asarray((kind == "demand") | ((kind == "stock") & fed & ~recorded))


def mixed(graph: SupplyGraph, x: FloatArray) -> FloatArray:
    """A value of every node, that of pools being the share-weighted mean of what feeds them.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    x : ndarray, shape (n,), Series or mapping
        Values in [0, 1] in the order of ``graph.index.nodes``, or by node id; those of pools have no effect.

    Returns
    -------
    ndarray, shape (n,)
        A flow that is not known adds nothing, nor does a loop of pools that nothing feeds.

    Notes
    -----
    One sparse solve: exact through any number of re-exporters, and where they send to each other.

    Examples
    --------
    >>> mixed(SupplyGraph.from_tables(), np.zeros(0)).shape
    (0,)
    """
    check_graph(graph, "mixed()")
    ids = pd.Index(graph.index.nodes["node"].astype("object"))
    values = vector(x, ids, len(ids), "mixed()", "x", kind="node", high=1.0, remedy="Give a fraction from 0 to 1.")
    return np.clip(_mix(graph.index, _pools(graph), values.reshape(-1, 1))[:, 0], 0.0, 1.0)


def _mix_interval(ix: GraphIndex, pools: BoolArray, x: FloatArray) -> FloatArray:
    y = np.column_stack([x[:, 0], x[:, 1], 1 - x[:, 2]])
    y = _mix(ix, pools, y)
    return ordered(np.column_stack([y[:, 0], y[:, 1], 1 - y[:, 2]]))


def _kinds(ix: GraphIndex) -> tuple[ObjectArray, ObjectArray]:
    return ix.nodes["kind"].astype("object").to_numpy(), ix.nodes["country"].astype("object").to_numpy()


def _location(graph: SupplyGraph, focal: tuple[str, ...]) -> FloatArray:
    ix = graph.index
    kind, country = _kinds(ix)
    hit = pd.Series(country, dtype=object).isin(focal).to_numpy(dtype=float)
    high = hit.copy()
    # The unlisted rest may hide a focal place only if that place is not listed for the product already.
    world = np.isin(country, [c for c in _MIXED if c not in focal]) & (kind == "demand")
    rest = np.isin(country, [c for c in _NOBODY if c not in focal]) & ~world
    if rest.any():
        product = ix.nodes["product"].astype("object").to_numpy()
        listed = pd.Series(country[(hit > 0) & (kind == "producer")], dtype=object)
        by = listed.groupby(product[(hit > 0) & (kind == "producer")]).nunique()
        full = set(by.index[by == len(focal)])
        high[rest] = np.array([p not in full for p in product[rest]], dtype=float)
    return _widened(graph, world, _mix_interval(ix, world, np.column_stack([hit, hit, high])))


def _widened(graph: SupplyGraph, pools: BoolArray, x: FloatArray) -> FloatArray:
    """Bounds of pools as wide as their flows."""
    from .mixing import pool_bounds

    return ordered(np.column_stack([x[:, 0], *pool_bounds(graph, pools, x[:, 1], x[:, 2])]))


def _view(view: str) -> None:
    choice("view", view, ("location", "equity", "control"), "control")


def focal_share(
    graph: SupplyGraph,
    focal: str | Iterable[str] = "CHN",
    view: View = "location",
    *,
    rule: Rule = "majority",
    unlisted: Unlisted = "unknown",
    threshold: float = 0.5,
    golden_share: bool = True,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Part of each node that is the focal's: value, low and high, in the order of ``graph.index.nodes``.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal : str or iterable of str
        ISO3 code, scope preset, coalition of the graph, or several of these.
    view : {"location", "equity", "control"}
        Where it stands; who owns the output, looked through; what part of it the focal can stop, as host or as owner.
    rule : {"majority", "aggregate", "creditor"}
        Control by one holder or group above the threshold, chains included (a group is focal if more than half of its
        votes are); by all focal holders and the groups they lead added up; or by majority, offtake, finance, technology
        or operation.
    unlisted : {"unknown", "host"}
        Output and equity without a recorded holder: 0 for the value and 1 for the high bound, or presumed to belong
        to the host country (an assumption). In the ``location`` view it has no effect.
    threshold : float
        Votes above which a holder controls, strictly.
    golden_share : bool
        Whether a golden share controls.

    Returns
    -------
    tuple of ndarray
        ``value, low, high`` in [0, 1], dimensionless. Pools of demand are, by location, where they are; by equity and
        control, and for the world pool by location too, the share-weighted mean of what feeds them. In the control
        view a node that stands in the focal is 1, 1, 1.

    Raises
    ------
    UnknownNameError
        A view, rule, ``unlisted`` or country that does not exist.

    Notes
    -----
    Missing policy: see ``unlisted``, which owners that own only each other, nobody outside having any of it, are read
    as (loops with an outside owner are looked through); the unlisted rest of the world (``ROW``) may hide a focal place that is not
    listed for the product. The bounds hold every completion of the record: shares anywhere within theirs, the unnamed
    rest with anyone, alone or in a recorded group. Shares of a register (grade A or B, no bounds stated) are exact but
    for half their last digit, one half and the whole fully, and 0.1 points a year of age; estimates are as wide as
    their grade. A contract or override to which no fraction applies (``not_applicable``) is of the whole asset; one of
    unknown size is 0 with a high bound of 1; a stated one counts by part. On a firm they reach what it controls: an
    override puts the state in the place of whoever controls the firm (its equity stays), a golden share is a veto over
    all of it, a contract binds that part of it. Several contracts may be of one part or of many: the low bound is the
    largest, the high bound all of them. Definition of this library.

    Examples
    --------
    >>> import pandas as pd
    >>> from supplyrisk.graph import SupplyGraph
    >>> g = SupplyGraph.from_tables(
    ...     products=pd.DataFrame([dict(product="nickel.refined", name="Nickel", commodity="nickel", chain="nickel",
    ...         stage="refine", unit="t", basis="contained", period="year")]),
    ...     nodes=pd.DataFrame([dict(node="nickel.refined@IDN", product="nickel.refined", country="IDN",
    ...         kind="producer", year=2024, output=100.0, output_grade="assumption")]),
    ...     holdings=pd.DataFrame([dict(asset="nickel.refined@IDN", part="park", portion=0.75, holder="Firm",
    ...         holder_country="CHN", type="majority", share=0.8, grade="assumption", year=2024)]))
    >>> [x.round(2).tolist() for x in focal_share(g, "CHN", "control")]
    [[0.75], [0.75], [1.0]]
    >>> [x.round(2).tolist() for x in focal_share(g, "CHN", "location")]
    [[0.0], [0.0], [0.0]]
    """
    check_graph(graph, "focal_share()")
    _view(view)
    choice("rule", rule, RULES, "focal_share()")
    choice("unlisted", unlisted, ("unknown", "host"), "focal_share()")
    threshold = number(threshold, "focal_share()", "threshold", 0.0, 1.0, remedy="Give 0.5 for a majority.")
    flag(golden_share, "focal_share()", "golden_share")
    codes = scope(focal, graph)
    if view == "location":
        x = _location(graph, codes)
    else:
        x = _owners(graph, codes, view, rule, unlisted, threshold, golden_share)
    if view == "control":
        x[np.isin(_kinds(graph.index)[1], codes)] = 1.0
    return x[:, 0].copy(), x[:, 1].copy(), x[:, 2].copy()


def _owners(
    graph: SupplyGraph, codes: tuple[str, ...], view: str, rule: str, unlisted: Unlisted, threshold: float, golden: bool
) -> FloatArray:
    """Equity or owner control of nodes, pools mixed; the host is not counted yet in the control view."""
    ix, b = graph.index, book(graph)
    entity = _equity(b, codes, unlisted) if view == "equity" else _control(b, codes, rule, threshold, unlisted, golden)
    x = _nodes_from_parts(b, entity, ix, codes, unlisted)
    kind, country = _kinds(ix)
    if view == "control":  # a pool draws on producers, whose host can stop them
        x[np.isin(country, codes) & (kind == "producer")] = 1.0
    pools = _pools(graph)
    return _widened(graph, pools, _mix_interval(ix, pools, x))


def override(graph: SupplyGraph, taken: Mapping[str, float] | pd.Series, *, name: str = "host override") -> SupplyGraph:
    """The graph in which hosts withhold parts of an output from its owners: expropriation, quota, screening.

    Parameters
    ----------
    graph : SupplyGraph
        The graph; ownership stays as it is.
    taken : mapping of str to float, or Series
        Node id, or ``"node / part"``, to the part of its output withheld, fraction 0 to 1. A node id stands for every
        part of it that has a recorded owner.
    name : str
        Name of the new graph.

    Returns
    -------
    SupplyGraph
        With a row of type ``host_override`` for each part, graded ``assumption``. :func:`effective_control` then gives
        ``owner_can_stop`` of what is left to the owner and ``overridden``; the bounds take it for settled: an order
        that may not be, or of part of the output, is a row with ``low`` and ``high``, and one that ended has ``valid_to``.

    Raises
    ------
    UnknownNameError
        No recorded holding of such a node or part.
    SchemaError
        A fraction outside 0 to 1.

    Notes
    -----
    Missing policy: output without a recorded owner stays unknown. Definition of this library.

    Examples
    --------
    >>> override(SupplyGraph.from_tables(), {}).tables["holdings"].empty
    True
    """
    check_graph(graph, "override()")
    parts = by_name(taken, "override()", "taken", high=1.0, remedy="Give the part withheld, a fraction from 0 to 1.")
    held = graph.tables["holdings"]
    held = held[held["asset"].isin(graph.index.nodes["node"]) & held["type"].isin(STAKES)]
    place = held["asset"].astype("object") + " / " + held["part"].fillna("").astype("object")
    place = place.str.removesuffix(" / ")
    rows = []
    for key, part in parts.items():
        hit = held[(held["asset"] == key) | (place == key)].drop_duplicates(["asset", "part"])
        if not len(hit):
            raise unknown_name("asset", key, sorted({*place, *held["asset"].astype("object")}), "override()")
        host = hit["asset"].str.partition("@")[2].str[:3]
        rows.append(
            hit[["asset", "part", "portion", "portion_low", "portion_high"]].assign(
                holder="host (" + host + ")",
                holder_country=host,
                type="host_override",
                share=float(part),
                low=float(part),
                high=float(part),
                year=graph.reference_year,
                grade="assumption",
            )
        )
    if not rows:
        return graph
    return graph.replace(name, holdings=pd.concat([graph.tables["holdings"], *rows], ignore_index=True))


def _unowned(b: Book, n: int) -> ObjectArray:
    """Of each node: the firms behind it that own only each other; empty where there are none."""
    out = np.full(n, "", dtype=object)
    if not b.closed.any():
        return out
    behind = ownership_matrix(b.holder, b.asset, (b.share > 0).astype(np.float64), b.n)
    found = b.closed.astype(np.float64)
    while True:  # whoever holds part of it through others
        more = np.maximum(found, (behind @ found > 0).astype(np.float64))
        if np.array_equal(more, found):
            break
        found = more
    names = sorted({str(x) for x in b.name[: b.n][b.closed]})
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    out[b.node[found[b.part] > 0]] = f"owners that own only each other, nobody outside: {shown}"
    return out


def composition(
    graph: SupplyGraph,
    view: View = "location",
    *,
    unlisted: Unlisted | None = None,
    threshold: float = 0.5,
    hosts: str | Iterable[str] | None = None,
) -> tuple[sparse.csr_matrix, list[str]]:
    """Who holds each node, by country.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    view : {"location", "equity", "control"}
        Place; equity looked through, by home of the last holder; home of the controller of each part.
    unlisted : {"unknown", "host"}, optional
        Where what nobody is named for goes: to column ``UNK``, or to the host country. Default: ``unknown`` for
        equity; ``host`` for control, since a host can stop what stands in its territory and nobody else is known to.
    threshold : float
        Votes above which a holder controls.
    hosts : str or iterable of str, optional
        Countries that can stop what stands in them: in the ``control`` view it is theirs, but for what another of them
        controls. In other views it has no effect. Default: whoever controls the owner comes first.

    Returns
    -------
    tuple of (scipy.sparse.csr_matrix, list of str)
        Nodes x countries, rows adding to 1, in the order of ``graph.index.nodes``; and the countries. ``UNK`` and
        ``ROW`` are residuals, never one supplier.

    Raises
    ------
    UnknownNameError
        No such view.

    Examples
    --------
    >>> import supplyrisk.control as c
    >>> from supplyrisk.graph import SupplyGraph
    >>> matrix, countries = composition(SupplyGraph.from_tables())
    >>> matrix.shape, countries
    ((0, 1), ['UNK'])
    """
    from scipy import sparse

    check_graph(graph, "composition()")
    _view(view)
    if unlisted is not None:
        choice("unlisted", unlisted, ("unknown", "host"), "composition()")
    threshold = number(threshold, "composition()", "threshold", 0.0, 1.0, remedy="Give 0.5 for a majority.")
    presume = unlisted or ("unknown" if view == "equity" else "host")
    ix = graph.index
    kind, country = _kinds(ix)
    b = book(graph)
    names = sorted({*country.tolist(), *b.country.tolist(), "UNK"})
    col = pd.Index(names, dtype=object)
    unk = names.index("UNK")
    place = col.get_indexer(pd.Index(country, dtype=object))
    k, n = len(names), ix.n
    pools = (
        np.isin(country, _MIXED) & (kind == "demand")
        if view == "location"
        else (kind == "demand") | ((kind == "stock") & (np.bincount(ix.dst, minlength=n) > 0))
    )
    rest_col = place if presume == "host" or view == "location" else np.full(n, unk)
    if view == "location" or not len(b.part):
        held: FloatArray = np.zeros(n)
        m = sparse.csr_matrix((n, k))
    else:
        rows, cols, vals = _part_countries(b, view, presume, col, unk, threshold)
        m = sparse.csr_matrix((b.portion[rows] * vals, (b.node[rows], cols)), shape=(n, k))
        held = np.asarray(np.bincount(b.node, b.portion, n), dtype=np.float64)
    rest = np.where(pools, 0.0, np.maximum(1 - held, 0.0))
    m = sparse.diags(np.where(pools, 0.0, 1.0)) @ m + sparse.csr_matrix((rest, (np.arange(n), rest_col)), shape=(n, k))
    if hosts is not None and view == "control":
        m = _at_home(m, place, np.isin(names, scope(hosts, graph)), ~pools)
    if pools.any():
        used = np.unique(ix.src[pools[ix.dst]])
        dense = np.zeros((n, k))
        dense[used] = m[used].toarray()
        mixed = _mix(ix, pools, dense)[pools]
        mixed[:, unk] += np.maximum(1 - mixed.sum(axis=1), 0.0)
        where = np.flatnonzero(pools)
        r, c = np.nonzero(mixed)
        m = m + sparse.csr_matrix((mixed[r, c], (where[r], c)), shape=(n, k))
    m = m.tocsr()
    m.eliminate_zeros()
    return m, names


def _at_home(m: sparse.csr_matrix, place: IntArray, mine: BoolArray, maker: BoolArray) -> sparse.csr_matrix:
    """What stands in one of these countries and none of them controls is its host's."""
    from scipy import sparse

    here = maker & mine[place]
    c = m.tocoo()
    moved = here[c.row] & ~mine[c.col]
    col = np.where(moved, place[c.row], c.col)
    return sparse.csr_matrix((c.data, (c.row, col)), shape=m.shape)


def _part_countries(
    b: Book, view: str, presume: str, col: pd.Index, unk: int, threshold: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Position of the part, column and weight of each (part, country) pair."""
    home = col.get_indexer(pd.Index(b.country, dtype=object))
    if view == "equity":
        used, column = np.unique(np.append(home[: b.n], unk), return_inverse=True)
        rhs = np.zeros((b.n, len(used)))
        free = ~b.held
        rhs[np.flatnonzero(free), column[:-1][free]] = 1.0
        rest = np.where(b.held, np.maximum(1 - np.bincount(b.asset, b.share, b.n), 0.0), 0.0)
        np.add.at(rhs, (np.arange(b.n), column[:-1] if presume == "host" else np.full(b.n, column[-1])), rest)
        x = solve_absorbing(ownership_matrix(b.holder, b.asset, b.share, b.n), rhs)[b.part]
        r, c = np.nonzero(x)
        return r, used[c], x[r, c]
    out: list[tuple[IntArray, IntArray, FloatArray]] = []
    part, rows = taken_part(b)[b.part, 0], np.arange(len(b.part))
    for k, weight, _ in levels(b):
        top = tops(k, threshold)[b.part]
        where = np.asarray(col.get_indexer(pd.Index(k.country, dtype=object))[top], dtype=np.int64)
        if presume != "host":
            where = np.where(top == b.part, unk, where)
        out.append((rows, where, weight * (1 - part)))
    over = np.flatnonzero(b.c_type == "host_override")
    over = over[np.argsort(b.c_share[over], kind="stable")]
    host = np.full(b.n, unk, dtype=np.int64)
    host[b.c_asset[over]] = home[b.c_holder[over]]
    taken = np.flatnonzero(part > 0)
    out.append((taken, host[b.part[taken]], part[taken]))
    r, c, x = (np.concatenate(y) for y in zip(*out, strict=True))
    return r, c, x


def _ruled(b: Book) -> FloatArray:
    """Of each part: how much of it a state has taken from its owner, or from whoever controls the firm that has it."""
    part = taken_part(b)[b.part, 0]
    firm = np.zeros(len(b.part))
    for k, weight, ruled in levels(b):
        if ruled.any():
            top = tops(k, 0.5)[b.part]
            firm += weight * np.append(ruled, np.zeros(len(b.country) - b.n, dtype=bool))[top]
    return np.asarray(part + (1 - part) * firm)


def effective_control(
    graph: SupplyGraph,
    focal: str | Iterable[str] = "CHN",
    *,
    of: Literal["nodes", "links"] = "nodes",
    unlisted: Unlisted = "unknown",
    threshold: float = 0.5,
    golden_share: bool = True,
) -> pd.DataFrame:
    r"""How much of each node or link the focal can stop, by every rule side by side, each with its interval.

    With :math:`p_i` the part of the node's output that part i makes: location is 1 where the host is the focal; equity
    :math:`\sum_i p_i Y_{Fi}`, Y the share looked through all tiers; majority :math:`\sum_i p_i [c(i) \in F]`, c(i) the
    end of the chain of majorities; aggregate the same with all focal holders voting as one; creditor as majority or,
    where that is more, what focal offtake (added up), finance, technology or operation (the largest) binds of it or of the
    firm that controls it. A focal host can stop all of it under the last three. Pools are the mean of what feeds them.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal : str or iterable of str
        ISO3 code, scope preset, coalition of the graph, or several of these.
    of : {"nodes", "links"}
        A row per node, or a row per link (what its supplier can be made to stop).
    unlisted, threshold, golden_share
        As in :func:`focal_share`.

    Returns
    -------
    DataFrame
        Keys, then for each of ``location``, ``equity``, ``majority``, ``aggregate`` and ``creditor`` the value and its
        ``_low`` and ``_high``; ``value, low, high`` (the majority rule, host included: who stands in the focal can be
        stopped, 1, 1, 1); ``any_low`` and ``any_high``, the least and the most over equity and all rules of control;
        ``owner_can_stop`` and ``host_can_stop`` (the two hands behind ``value``); ``overridden`` (part whose owner, or
        the firm that controls it, the state has overruled); ``coverage`` (part of the output whose holder is recorded:
        portions times the shares on record, a majority without a share being half) and ``grade`` (the weakest
        that ``value`` rests on; a part of which no output is known, or none, widens the interval and has no say in the
        grade; none where nothing is recorded); ``reason`` names the owners that own only each other, which leave open
        whose the node is. All fractions in [0, 1]; links add ``quantity`` in product units.

    Raises
    ------
    UnknownNameError
        As in :func:`focal_share`.

    Notes
    -----
    Rules may differ, and that is the finding: a stake of 51 % of 51 % is 26 % of the equity and all of the control;
    a plant that lives on focal loans appears under the creditor rule alone. Missing policy: output nobody is named for
    counts as not the focal's in a value and as the focal's in its ``_high``. Definition of this library.

    Examples
    --------
    >>> from supplyrisk.graph import SupplyGraph
    >>> list(effective_control(SupplyGraph.from_tables()).columns[:4])
    ['node', 'product', 'country', 'kind']
    """
    check_graph(graph, "effective_control()")
    choice("of", of, ("nodes", "links"), "effective_control()")
    threshold = number(threshold, "effective_control()", "threshold", 0.0, 1.0, remedy="Give 0.5 for a majority.")
    codes = scope(focal, graph)
    ix, b = graph.index, book(graph)
    columns: dict[str, FloatArray] = {}
    for name in ("location", "equity", *RULES):
        view: View = "location" if name == "location" else "equity" if name == "equity" else "control"
        rule: Rule = "aggregate" if name == "aggregate" else "creditor" if name == "creditor" else "majority"
        got = focal_share(
            graph, codes, view, rule=rule, unlisted=unlisted, threshold=threshold, golden_share=golden_share
        )
        columns[name], columns[f"{name}_low"], columns[f"{name}_high"] = got
    kind, country = _kinds(ix)
    owner = _nodes_from_parts(b, _control(b, codes, "majority", threshold, unlisted, golden_share), ix, codes, unlisted)
    fed = np.bincount(ix.dst, minlength=ix.n) > 0
    pools = (kind == "demand") | ((kind == "stock") & fed)
    over = _ruled(b)
    facts = np.column_stack(
        [owner[:, 0], np.bincount(b.node, b.portion * b.recorded, ix.n), np.bincount(b.node, b.portion * over, ix.n)]
    )
    facts = _mix(ix, pools, facts)
    grade = np.full(ix.n, -1, dtype=np.int64)
    np.maximum.at(grade, b.node, b.grade)
    ladder = np.array([*GRADES, None], dtype=object)
    out = pd.DataFrame(
        {
            "node": ix.nodes["node"].astype("object").to_numpy(),
            "product": ix.nodes["product"].astype("object").to_numpy(),
            "country": country,
            "kind": kind,
            **columns,
            "value": columns["majority"],
            "low": columns["majority_low"],
            "high": columns["majority_high"],
            "any_low": np.minimum.reduce([columns[f"{r}_low"] for r in ("equity", *RULES)]),
            "any_high": np.maximum.reduce([columns[f"{r}_high"] for r in ("equity", *RULES)]),
            "owner_can_stop": facts[:, 0],
            "host_can_stop": np.isin(country, codes).astype(float),
            "overridden": facts[:, 2],
            "coverage": np.clip(facts[:, 1], 0.0, 1.0),
            "grade": ladder[grade],
            "reason": _unowned(b, ix.n),
        }
    )
    out.attrs.update(focal=codes, unlisted=unlisted, threshold=threshold, golden_share=golden_share)
    if of == "nodes":
        return out
    rows = out.drop(columns=["node", "product", "country", "kind"]).iloc[ix.src].reset_index(drop=True)
    head = ix.links[["supplier", "buyer", "product", "quantity"]].reset_index(drop=True)
    head["share"] = ix.share
    out = pd.concat([head, rows], axis=1)
    out.attrs.update(focal=codes, unlisted=unlisted, threshold=threshold, golden_share=golden_share)
    return out

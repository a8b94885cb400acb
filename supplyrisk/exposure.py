"""Exposure through all tiers: origin and bottleneck on a graph, look-through in inter-country tables.

On a graph one rule serves all (:mod:`supplyrisk.tracing`); tables and assemblies are in :mod:`supplyrisk.lookthrough`,
free flow, single points of failure and ranked paths in :mod:`supplyrisk.paths`. This module is where to call them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import control
from .arguments import by_name, flag, vector, whole
from .errors import Problem, SchemaError
from .graph import SupplyGraph, check_graph
from .jurisdictions import scope
from .kernels import solve_absorbing
from .lookthrough import bottleneck, face_value, io_lookthrough, mix_origin, mix_touch, origin_labels
from .mixing import flow_bounds
from .paths import FreeFlow, dominators, free_flow, paths
from .tracing import Mode, input_weights, plan_of, trace, tracing_matrix

__all__ = [
    "FreeFlow",
    "bottleneck",
    "by_tier",
    "dominators",
    "exposure",
    "face_value",
    "free_flow",
    "input_weights",
    "io_lookthrough",
    "origin",
    "paths",
    "touch_probability",
    "trace",
]

FloatArray = npt.NDArray[np.float64]


def exposure(
    graph: SupplyGraph,
    focal: str | Iterable[str] = "CHN",
    base: Literal["location", "equity", "control"] = "location",
    *,
    rule: Literal["majority", "aggregate", "creditor"] = "majority",
    unlisted: Literal["unknown", "host"] = "unknown",
    weights: FloatArray | None = None,
    flows: bool = True,
    rules: bool = False,
) -> pd.DataFrame:
    """Exposure of every node to the focal, by itself and through all tiers, linear and bottleneck side by side.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal : str or iterable of str
        ISO3 code, scope preset, coalition of the graph, or several of these. For the reverse direction (what the focal needs of others) give
        the others as focal and read the focal's rows.
    base : {"location", "equity", "control"}
        What makes a node the focal's.
    rule, unlisted
        As in :func:`supplyrisk.control.focal_share`.
    weights : ndarray, optional
        As in :func:`trace`.
    flows : bool
        Let the bounds carry the intervals of the flows too, each flow moving freely within its own, and weights of
        inputs that had to be assumed: they may be anything (slower on graphs of a million links). Otherwise only
        unknown owners, flows and inputs make their width.
    rules : bool
        Add ``partial`` and ``strict``: what binds under stricter rules than ``bottleneck``, see below.

    Returns
    -------
    DataFrame
        ``node, product, country, kind``; ``own``, ``linear`` and ``bottleneck`` with their ``_low`` and ``_high``;
        ``assumed_weights`` where inputs count alike for want of prices, ``gap`` where an essential input has no link.
        Fractions in [0, 1], ``own <= linear`` and ``own <= bottleneck <= partial <= strict`` at producers,
        ``linear <= strict``. At a pool ``linear`` and ``bottleneck`` are of
        what it takes in; what a pool in the focal territory hands on counts as the focal's, wherever it was made.

    Raises
    ------
    UnknownNameError
        A base, rule or country that does not exist.

    Notes
    -----
    Missing policy: the value takes what is not known as free, the high bound as the focal's. An essential input that no
    link brings (``gap``) counts in the linear value neither for nor against; in its bounds it is free, or the focal's, by
    its value in the recipe, or it is all that goes in where no price or amount tells. Inputs without price or
    amount count alike in the value; in the bounds all may be the least or the most exposed of them, and where none of
    those on record is essential, most of what goes in may be free. Three rules of what binds:
    ``strict``, every recorded input stops its producer; ``partial``, essential inputs do, important ones hold it back by
    their weight, minor ones do not; ``bottleneck`` allows substitution besides: of alternatives of one
    class the least exposed counts.
    An alternative of which nothing is known counts as free in the value, in every tier: there the value is the least
    that is known, not a finding that there is a way out. A score says NaN where it alone makes the value 0, and the high
    bound leaves it out. ``linear`` is content, not
    loss: ``linear <= bottleneck`` holds where every input is essential and has no alternative; where inputs are minor
    or have alternatives it may be above ``bottleneck``.

    Examples
    --------
    >>> list(exposure(SupplyGraph.from_tables()).columns[4:7])
    ['own', 'own_low', 'own_high']
    """
    check_graph(graph, "exposure()")
    flag(flows, "exposure()", "flows")
    flag(rules, "exposure()", "rules")
    value, low, high = control.focal_share(graph, focal, base, rule=rule, unlisted=unlisted)
    ix = graph.index
    floor = np.column_stack([value, low])
    out: dict[str, Any] = {
        "node": ix.nodes["node"].astype("object").to_numpy(),
        "product": ix.nodes["product"].astype("object").to_numpy(),
        "country": ix.nodes["country"].astype("object").to_numpy(),
        "kind": ix.nodes["kind"].astype("object").to_numpy(),
        "own": value,
        "own_low": low,
        "own_high": high,
    }
    lin = np.column_stack(
        [
            trace(graph, value, "linear", weights=weights),
            trace(graph, low, "linear", weights=weights, whole=True),
            trace(graph, high, "linear", unknown=1.0, weights=weights),
        ]
    )
    found: list[tuple[Mode, FloatArray]] = [("linear", lin)]
    for mode in ("bottleneck", *(("partial", "strict") if rules else ())):
        each = (trace(graph, x, mode, unknown=u, weights=weights) for x, u in ((floor, 0.0), (high, 1.0)))
        found.append((mode, np.column_stack(list(each))))
    for mode, x in found:
        out[mode] = x[:, 0]
        below, above = x[:, 1], x[:, 2]
        if flows:
            below = np.minimum(below, flow_bounds(graph, low, mode, high=False, weights=weights))
            above = np.maximum(above, flow_bounds(graph, high, mode, high=True, weights=weights))
        out[f"{mode}_low"] = np.minimum(below, x[:, 0])
        out[f"{mode}_high"] = np.maximum(above, x[:, 0])
    assumed = np.zeros(ix.n, dtype=bool)
    if weights is None:
        assumed[ix.segment_buyer[input_weights(graph)[1]]] = True
    out["assumed_weights"] = assumed
    out["gap"] = plan_of(graph).lacking
    frame = pd.DataFrame(out)
    frame.attrs.update(focal=scope(focal, graph), base=base, rule=rule, unlisted=unlisted)
    return frame


def by_tier(
    graph: SupplyGraph,
    focal: str | Iterable[str] = "CHN",
    base: Literal["location", "equity", "control"] = "location",
    *,
    tiers: int = 6,
) -> pd.DataFrame:
    r"""Linear exposure of every node by the tier in which the focal enters: direct, one step of making up, and so on.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal, base
        As in :func:`exposure`.
    tiers : int
        Tiers told apart, 1 to 1,000.

    Returns
    -------
    DataFrame
        Nodes x ``tier_0 ... tier_<n-1>, beyond, total``, fractions; the tiers add to ``total``, the linear exposure.
        Tier 0 is the node itself, of a pool what its suppliers are; pools between makers are no tier of their own.

    Raises
    ------
    SchemaError
        Fewer than one tier, or more than 1,000.
    UnknownNameError
        A base or country that does not exist.

    Notes
    -----
    The terms of the series :math:`\sum_t ((1 - a) W)^t a`, each by a sparse solve over the pools. Definition of this
    library.

    Examples
    --------
    >>> list(by_tier(SupplyGraph.from_tables(), tiers=2).columns)
    ['tier_0', 'tier_1', 'beyond', 'total']
    """
    from .grounds import tiers as split

    check_graph(graph, "by_tier()")
    whole(tiers, "by_tier()", "tiers", 1, 1_000)
    own = control.focal_share(graph, focal, base)[0]
    names = [*(f"tier_{t}" for t in range(tiers)), "beyond"]
    ids = pd.Index(graph.index.nodes["node"].astype("object"), name="node")
    out = pd.DataFrame(split(graph, own, tiers), index=ids, columns=names)
    return out.assign(total=out.sum(axis=1))


def origin(
    flows: SupplyGraph | pd.DataFrame,
    supply: Mapping[Any, float] | pd.Series | None = None,
    *,
    by: Mapping[Any, Any] | pd.Series | None = None,
    view: Literal["location", "equity", "control"] = "location",
) -> pd.DataFrame:
    r"""Primary origin of what each node holds, traced through every mixing and recycling on the way.

    :math:`Y = (I - W)^{-1} B`: ``W`` is the part of a node that comes from each supplier, ``B`` its own primary
    supply; inside a node all is mixed perfectly. Losses of mass cancel in shares.

    Parameters
    ----------
    flows : DataFrame or SupplyGraph
        Flows with columns ``supplier, buyer, quantity``; or a graph, in which producers without recorded inputs are
        the primary sources, unless their recipe asks for an essential one, and inputs are weighed by value.
    supply : mapping or Series, optional
        Primary supply by node, in the unit of the flows (needed with a frame).
    by : mapping or Series, optional
        Node to label by which sources are added up; default: the node, for a graph the country by ``view``. A longer
        list, with places that are no nodes, will do as long as it has every source.
    view : {"location", "equity", "control"}
        For a graph: whose a source is, see :func:`supplyrisk.control.composition`.

    Returns
    -------
    DataFrame
        Nodes x origins, fractions in [0, 1]; rows add to 1 (for a graph, what is not known is in column ``UNK``).

    Raises
    ------
    SchemaError
        Nodes from which no primary source can be reached (all named; for a graph they are ``UNK``); a column of the
        frame that is missing; a flow, a supply or a label that is missing, negative or no number; a name given twice.
    UnknownNameError
        ``supply`` or ``by`` names a node that does not occur.

    Notes
    -----
    An absorbing Markov chain; several origins are several right-hand sides of one sparse system. Missing policy: a
    missing flow is refused in a frame; in a graph what is not known is ``UNK``, never spread over the known origins: so is
    an essential input that no link brings, by its value in the recipe, or as one input among equals where no price or
    amount tells.
    Definition of this library; textbook absorbing chain (Kemeny & Snell, 1960).

    Examples
    --------
    >>> f = pd.DataFrame([("CD", "CN", 80.), ("CD", "FI", 20.), ("AU", "CN", 10.), ("AU", "FI", 30.),
    ...     ("CN", "home", 54.), ("FI", "home", 36.)], columns=["supplier", "buyer", "quantity"])
    >>> origin(f, {"CD": 100., "AU": 40.}).loc["home"].round(6).to_dict()
    {'CD': 0.693333, 'AU': 0.306667}
    """
    if not isinstance(flows, SupplyGraph):
        if supply is None or (isinstance(supply, (Mapping, pd.Series)) and not len(supply)):
            raise SchemaError(
                [Problem("origin()", "-", "supply", "no primary source given", "", "Give the supply of each source.")],
                "origin()",
            )
        return mix_origin(flows, supply, by)
    if supply is not None:
        fix = "Leave it out: a graph has its own sources; or give the links as a frame."
        raise SchemaError([Problem("origin()", "-", "supply", "given beside a graph", "", fix)], "origin()")
    ix = flows.index
    w, plan = tracing_matrix(flows, whole=True), plan_of(flows)
    ids = ix.nodes["node"].astype("object").to_numpy()
    source = plan.maker & (np.diff(w.indptr) == 0) & ~plan.lacking
    if by is None:
        held, names = control.composition(flows, view)
        b = np.where(source.reshape(-1, 1), held.toarray(), 0.0)
    else:
        code, labels = pd.factorize(
            np.asarray(pd.Series(origin_labels(by, list(ids), source, "origin()"), dtype="object"))
        )
        names = [str(x) for x in labels]
        b = np.zeros((ix.n, len(names)))
        b[np.flatnonzero(source), code[source]] = 1.0
    used = np.asarray(b.any(axis=0))
    y = solve_absorbing(w, b[:, used])
    out = pd.DataFrame(
        y, index=pd.Index(ids, name="node"), columns=[c for c, u in zip(names, used.tolist(), strict=True) if u]
    )
    rest = np.maximum(1 - y.sum(axis=1), 0.0)
    out["UNK"] = out.get("UNK", 0.0) + np.where(rest > 1e-12, rest, 0.0)
    return out


def touch_probability(
    flows: SupplyGraph | pd.DataFrame,
    own: Mapping[Any, float] | pd.Series | FloatArray,
    supply: Mapping[Any, float] | pd.Series | None = None,
) -> pd.Series:
    r"""Chance that the way of a unit, traced upstream, meets the focal at least once.

    Hitting probability of an absorbing chain: :math:`y_v = a_v + (1 - a_v) \sum_u w_{uv} y_u`.

    Parameters
    ----------
    flows : DataFrame or SupplyGraph
        As in :func:`origin`.
    own : mapping, Series or ndarray
        The focal's share of each node itself, 0 to 1: by node (unnamed nodes 0), or for a graph an array in the order
        of ``graph.index.nodes``, e.g. ``focal_share(graph)[0]``.
    supply : mapping or Series, optional
        Primary supply by node (needed with a frame where a node has its own supply besides inflows).

    Returns
    -------
    Series
        Node to probability in [0, 1]; never below the face-value share, nor below the share by origin.

    Raises
    ------
    SchemaError
        A value outside 0 to 1; a node from which neither a source nor the focal can be reached; flows and figures as
        :func:`origin` refuses them.
    UnknownNameError
        ``own`` or ``supply`` names a node that does not occur.

    Notes
    -----
    For a graph this is the linear :func:`trace`. Missing policy: a missing flow or share is refused in a frame; in a
    graph a node without recorded inputs adds nothing, and its bounds are in :func:`exposure`. Definition of this
    library.

    Examples
    --------
    >>> f = pd.DataFrame([("CD", "CN", 80.), ("CD", "FI", 20.), ("AU", "CN", 10.), ("AU", "FI", 30.),
    ...     ("CN", "home", 54.), ("FI", "home", 36.)], columns=["supplier", "buyer", "quantity"])
    >>> float(touch_probability(f, {"CN": 1.0, "CD": 0.8}, {"CD": 100., "AU": 40.}).round(6)["home"])
    0.728
    """
    what = "touch_probability()"
    if not isinstance(flows, SupplyGraph):
        return mix_touch(flows, own, supply)
    if supply is not None:
        fix = "Leave it out: a graph has its own sources; or give the links as a frame."
        raise SchemaError([Problem(what, "-", "supply", "given beside a graph", "", fix)], what)
    ix = flows.index
    fix = "Give the focal's share of the node, a fraction from 0 to 1."
    numbered = isinstance(own, pd.Series) and len(own) == ix.n and own.index.equals(pd.RangeIndex(ix.n))
    if not numbered and isinstance(own, (Mapping, pd.Series, pd.DataFrame)):
        a = np.zeros(ix.n)
        for node, x in by_name(own, what, "own", high=1.0, remedy=fix).items():
            a[ix.code(node)] = x
    else:
        a = vector(own, None, ix.n, what, "own", kind="node", high=1.0, remedy=fix)
    ids = pd.Index(ix.nodes["node"].astype("object"), name="node")
    return pd.Series(trace(flows, a), index=ids, name="touch")

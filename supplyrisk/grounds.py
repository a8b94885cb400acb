"""What a traced exposure rests on: how much of it on graded figures, which inputs decide it, in which tier it enters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .graph import SupplyGraph
from .holdings import HEADLINE_GRADES
from .kernels import solve_absorbing
from .tracing import chosen, hands, input_weights, plan_of, trace, tracing_matrix

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["assumed_part", "graded_part", "routes", "row_grades", "tiers"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Traced = Literal["linear", "bottleneck"]


def row_grades(graph: SupplyGraph) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Whether the figures behind each node, link and segment are graded A or B.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    tuple of ndarray of bool
        Nodes: the output, else the capacity, else the row; pools are as their links. Links. Segments: every recipe
        that asks for the input; pools need none, an input without a recipe has none.

    Examples
    --------
    >>> [len(x) for x in row_grades(SupplyGraph.from_tables())]
    [0, 0, 0]
    """
    ix, plan = graph.index, plan_of(graph)
    said = ix.nodes["output_grade"].astype("object")
    for other in ("capacity_grade", "grade"):
        said = said.where(said.notna(), ix.nodes[other].astype("object"))
    node = said.isin(HEADLINE_GRADES).to_numpy(dtype=bool) | ~plan.maker
    link = ix.links["grade"].isin(HEADLINE_GRADES).to_numpy(dtype=bool)
    r = graph.tables["recipes"]
    fine = r["grade"].isin(HEADLINE_GRADES).groupby([r["product"].astype("object"), r["input"].astype("object")]).all()
    made = ix.nodes["product"].astype("object").to_numpy()[ix.segment_buyer]
    keys = pd.MultiIndex.from_arrays([made, ix.segment_product])
    at = fine.index.get_indexer(keys) if len(fine) else np.full(len(keys), -1)
    good = np.append(fine.to_numpy(dtype=bool), False)[at]
    return node, link, good | ~plan.maker[ix.segment_buyer]


def routes(
    graph: SupplyGraph, own: FloatArray, mode: Traced, idle: bool = False
) -> tuple[sparse.csr_matrix, FloatArray]:
    """By which inputs exposure reaches each node: nodes x segments, and what each node is as a supplier.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own : ndarray
        Share of the focal at each node itself, ``(n,)``.
    mode : {"linear", "bottleneck"}
        All inputs by weight, or those that decide.
    idle : bool
        Whether inputs count, all by weight, where none decides: nothing of their exposure reaches such a node, since an
        alternative is free of it or in the dark, but what is said of it rests on all of them.

    Returns
    -------
    tuple
        The weights of segments in each node, and exposure as a supplier: ``(n,)``.
    """
    from scipy import sparse

    plan = plan_of(graph)
    mine = hands(plan, own)
    taken = trace(graph, own, mode)
    whole = np.where(plan.maker, taken, np.maximum(taken, mine))
    k = len(plan.buyer)
    every = sparse.csr_matrix((plan.weight, (plan.buyer, np.arange(k))), shape=(plan.n, k))
    if mode == "linear":
        return every, whole
    e = np.asarray(plan.segments @ whole)
    pick = chosen(plan, plan.stops(), plan.weight, np.zeros(plan.n), e)
    if not idle:
        return pick.tocsr(), whole
    none = (np.diff(pick.indptr) == 0).astype(np.float64)
    return (pick + sparse.diags(none) @ every).tocsr(), whole


def graded_part(
    graph: SupplyGraph, own: FloatArray, mode: Traced = "linear", held: FloatArray | None = None
) -> FloatArray:
    r"""Part of each node's traced exposure, as a supplier, that rests on figures graded A or B all the way up.

    .. math:: q_v = g_v \Bigl(a_v + (1 - a_v) \sum_k w_k r_k \sum_u s_{uv} l_{uv} q_u\Bigr)

    with g, l and r whether the node, the link and the recipe are graded, and w the weight of the input, which is 0
    where equal weights had to be assumed.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own : ndarray
        Share of the focal at each node itself, ``(n,)``.
    mode : {"linear", "bottleneck"}
        In ``bottleneck`` only the inputs that decide count, and weights matter only where important inputs decide.
    held : ndarray, optional
        Part of what is said of each node's holders that is graded, ``(n,)``.

    Returns
    -------
    ndarray
        ``(n,)`` in [0, 1]. A producer without inputs ends the chain; one that lacks an essential input, or whose
        flows are not known, is not graded.

    Notes
    -----
    An absorbing chain, one solve. Definition of this library.

    Examples
    --------
    >>> graded_part(SupplyGraph.from_tables(), np.zeros(0)).shape
    (0,)
    """
    from scipy import sparse

    plan = plan_of(graph)
    if not plan.n:
        return np.zeros(0)
    node, link, recipe = row_grades(graph)
    mine = hands(plan, own)
    way, _ = routes(graph, own, mode, idle=True)
    guessed = input_weights(graph)[1]
    if mode == "linear":
        factor = recipe & ~guessed
        w = way @ sparse.diags(factor.astype(np.float64))
    else:
        # One input that decides needs no weight; several do.
        row = np.repeat(np.arange(plan.n), np.diff(way.indptr))
        alone = (np.diff(way.indptr) == 1)[row] | (way.data >= 1.0 - 1e-12)
        w = way.copy()
        w.data = w.data * recipe[w.indices] * (alone | ~guessed[w.indices])
    parts = plan.segments.copy()
    parts.data = parts.data * link
    m = (w @ parts).tocsr()
    g = node.astype(np.float64) if held is None else node * held
    fed = np.bincount(plan.buyer, minlength=plan.n) > 0
    leaf = (plan.maker & ~fed & ~plan.lacking).astype(np.float64)
    b = g * (mine + (1 - mine) * leaf)
    scale = g * (1 - mine) * ~plan.lacking
    return np.clip(solve_absorbing(m, b.reshape(-1, 1), scale.reshape(-1, 1))[:, 0], 0.0, 1.0)


def assumed_part(graph: SupplyGraph, own: FloatArray) -> FloatArray:
    """Part of each node, as a supplier, that is traced through inputs whose weights had to be assumed equal.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own : ndarray
        Share of the focal at each node itself, ``(n,)``: what is its own needs no tracing.

    Returns
    -------
    ndarray
        ``(n,)`` in [0, 1].

    Examples
    --------
    >>> assumed_part(SupplyGraph.from_tables(), np.zeros(0)).shape
    (0,)
    """
    plan = plan_of(graph)
    if not plan.n:
        return np.zeros(0)
    guess = np.zeros(plan.n)
    guess[plan.buyer[input_weights(graph)[1]]] = 1.0
    guess = np.where(plan.maker, guess, 0.0)
    free = 1 - hands(plan, own)
    out = solve_absorbing(tracing_matrix(graph), (free * guess).reshape(-1, 1), (free * (1 - guess)).reshape(-1, 1))
    return np.clip(out[:, 0], 0.0, 1.0)


def tiers(graph: SupplyGraph, own: FloatArray, most: int = 12) -> FloatArray:
    """Linear exposure of every node by the tier in which it enters: nodes x (``most`` + 1), the last is all beyond.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own : ndarray
        Share of the focal at each node itself, ``(n,)``.
    most : int
        Tiers told apart.

    Returns
    -------
    ndarray
        Column 0 is what the node is itself (of a pool: its suppliers), column t what enters t steps of making
        further up; pools between makers are no tier. Rows add to ``trace(graph, own)``.

    Examples
    --------
    >>> tiers(SupplyGraph.from_tables(), np.zeros(0)).shape
    (0, 13)
    """
    from scipy import sparse

    plan = plan_of(graph)
    if not plan.n:
        return np.zeros((0, most + 1))
    w = tracing_matrix(graph)
    mine = hands(plan, own)
    pool = sparse.diags((~plan.maker).astype(np.float64))
    mixing = (pool @ w).tocsr()

    def through(makers: FloatArray, gates: FloatArray) -> FloatArray:
        """What pools hand on when makers, and pools of the focal, are worth so much."""
        b = np.where(plan.maker, makers, gates)
        held = np.where(plan.maker, 0.0, mine)
        return np.asarray(solve_absorbing(mixing, b.reshape(-1, 1), (1 - held).reshape(-1, 1))[:, 0])

    handed = through(mine, mine)
    found = [handed]
    for _ in range(most - 1):
        makers = np.where(plan.maker, (1 - mine) * (w @ handed), 0.0)
        handed = through(makers, np.zeros(plan.n))
        found.append(handed)
    out = np.column_stack(found)
    gate = np.flatnonzero(~plan.maker & (mine > 0))
    if len(gate):  # what such a pool takes in, not what it hands on
        out[gate] = w[gate] @ out
    rest = trace(graph, own) - out.sum(axis=1)
    return np.column_stack([out, np.maximum(rest, 0.0)])

"""What drives a traced score: where the focal enters, in which tier, and along which links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .. import grounds
from ..errors import UnknownNameError
from ..tracing import hands, plan_of

if TYPE_CHECKING:
    from ..graph import SupplyGraph
    from .mix import FloatArray, IntArray

__all__ = ["Drivers", "drivers", "evidence"]

_SMALL = 1e-14
_MOST = 200
# Links that carry at least this part of a score are named in its evidence.
_TELLING = 0.01


@dataclass(frozen=True, eq=False)
class Drivers:
    """What drives a traced score.

    Attributes
    ----------
    sources : DataFrame
        Where the focal enters: ``node, product, country, tier, contribution``, largest first; adds to the score.
    links : DataFrame
        What passes on the way: ``supplier, buyer, product, tier, passes, grade, source``, largest first.
    path : DataFrame
        The links of the largest single way, from the scored supply up to where the focal enters.
    """

    sources: pd.DataFrame
    links: pd.DataFrame
    path: pd.DataFrame


def drivers(graph: SupplyGraph, own: FloatArray, mode: Any, node: IntArray, weight: FloatArray) -> Drivers:
    """Follow a traced score up to where it comes from.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    own : ndarray
        Share of the focal at each node itself.
    mode : {"linear", "bottleneck"}
        As in :func:`supplyrisk.exposure.trace`; in ``bottleneck`` only the inputs that decide are followed.
    node, weight : ndarray
        Supplying nodes of the market and their share in it.

    Returns
    -------
    Drivers
    """
    ix, plan = graph.index, plan_of(graph)
    mine = hands(plan, own)
    way, whole = grounds.routes(graph, own, mode)
    m = (way @ plan.segments).tocsr()
    up = m.T.tocsr()
    pool = ~plan.maker
    mass = np.bincount(node, weight, ix.n).astype(np.float64)
    through = np.zeros(ix.n)
    first = np.full(ix.n, -1)
    tiers: list[npt.NDArray[np.float64]] = []
    for tier in range(_MOST):
        if float(mass.sum()) <= _SMALL:
            break
        made, entered = np.zeros(ix.n), np.zeros(ix.n)
        for _ in range(_MOST):  # pools are no tier of their own
            through += mass
            first = np.where((first < 0) & (mass > 0), tier, first)
            entered += mine * mass
            left = (1 - mine) * mass
            made += np.where(pool, 0.0, left)
            mass = up @ np.where(pool, left, 0.0)
            if float(mass.sum()) <= _SMALL:
                break
        tiers.append(entered)
        mass = up @ made
    rows = []
    ids, product, country = (ix.nodes[c].to_numpy(dtype=object) for c in ("node", "product", "country"))
    for tier, entered in enumerate(tiers):
        rows += [(ids[u], product[u], country[u], tier, entered[u]) for u in np.flatnonzero(entered > 1e-12)]
    sources = pd.DataFrame(rows, columns=["node", "product", "country", "tier", "contribution"])
    sources = sources.sort_values(["contribution", "node"], ascending=[False, True], kind="stable", ignore_index=True)

    # A link carries what reaches its buyer, by its weight there, times what its supplier is.
    at = np.asarray(way.sum(axis=0)).ravel()  # one buyer per segment
    share: FloatArray = plan.segments.data * at[ix.segment] if len(ix.src) else np.zeros(0)
    passes = through[ix.dst] * (1 - mine[ix.dst]) * share * whole[ix.src]
    telling = np.flatnonzero(passes > 1e-12)
    telling = telling[np.argsort(-passes[telling], kind="stable")]
    links = _link_rows(graph, telling, passes, first)
    return Drivers(sources, links, _link_rows(graph, _widest(ix, mine, node, weight, whole, share), passes, first))


def _widest(
    ix: Any, mine: FloatArray, node: IntArray, weight: FloatArray, whole: FloatArray, share: FloatArray
) -> npt.NDArray[np.int64]:
    """Links of the largest way: at every node the link that carries most, until the focal's own part is larger."""
    path: list[int] = []
    if not len(node):
        return np.zeros(0, dtype=np.int64)
    v = int(node[int(np.argmax(weight * whole[node]))])
    seen = {v}
    carried = share * whole[ix.src] if len(ix.src) else np.zeros(0)
    while mine[v] < 0.5 and len(path) < _MOST:
        into = np.flatnonzero(ix.dst == v)
        if not len(into) or carried[into].max() <= 0:
            break
        best = int(into[int(np.argmax(carried[into]))])
        path.append(best)
        v = int(ix.src[best])
        if v in seen:
            break
        seen.add(v)
    return np.array(path, dtype=np.int64)


def _link_rows(
    graph: SupplyGraph, at: npt.NDArray[np.int64], passes: FloatArray, first: npt.NDArray[np.int64]
) -> pd.DataFrame:
    ix = graph.index
    rows = ix.links.iloc[at]
    return pd.DataFrame(
        {
            "supplier": rows["supplier"].to_numpy(dtype=object),
            "buyer": rows["buyer"].to_numpy(dtype=object),
            "product": rows["product"].to_numpy(dtype=object),
            "tier": first[ix.dst[at]] if len(at) else np.zeros(0, dtype=np.int64),
            "passes": passes[at] if len(at) else np.zeros(0),
            "grade": rows["grade"].to_numpy(dtype=object),
            "source": rows["source"].to_numpy(dtype=object),
        }
    )


def evidence(graph: SupplyGraph, found: Drivers, value: float) -> list[pd.DataFrame]:
    """Source rows of what drives a score: the links, recipes and nodes that carry at least a hundredth of it.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    found : Drivers
        From :func:`drivers`.
    value : float
        The score.

    Returns
    -------
    list of DataFrame
        As :meth:`SupplyGraph.explain` gives them, the path's own first.
    """
    keep = found.links[found.links["passes"] >= _TELLING * value]
    links = pd.concat([found.path, keep], ignore_index=True).drop_duplicates(["supplier", "buyer", "product"])
    nodes = list(dict.fromkeys([*links["buyer"], *links["supplier"], *found.sources["node"].head(20)]))
    out: list[pd.DataFrame] = []
    if len(links):
        wanted = pd.MultiIndex.from_frame(links[["supplier", "buyer", "product"]].astype("object"))
        rows = graph.explain("links", supplier=sorted(set(links["supplier"])), buyer=sorted(set(links["buyer"])))
        names = {f"{a} | {b} | {p}" for a, b, p in wanted}
        out.append(rows[[str(r).rsplit(" | ", 1)[0] in names or str(r) in names for r in rows["row"]]])
    made = {(n.partition("@")[0], p) for n, p in zip(links["buyer"], links["product"], strict=True)}
    made = {(a, b) for a, b in made if a != b}
    for product in sorted({a for a, _ in made}):
        inputs = sorted(b for a, b in made if a == product)
        try:
            out.append(graph.explain("recipes", product=product, input=inputs))
        except UnknownNameError:  # a link without a recipe
            continue
    if nodes:
        out.append(graph.explain("nodes", node=sorted(nodes)))
    return out

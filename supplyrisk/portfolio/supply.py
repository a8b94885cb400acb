"""The case a plan decides on: what the buyers need, who delivers it today, and what each supplier could deliver.

Pools that pass goods on (re-exporters, the world market) are looked through: the buyers' supply is attributed to the
producers behind them at the pools' present mixes, so that a plan buys from those who make.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import UnknownNameError, unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import check_country
from ..vintages import stated_use

__all__ = ["Case", "Gap", "read_case", "resolve_buyers"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]
# Members of the European Union stand under this coalition id where a product has no pool of the Union as one buyer.
_UNION, _UNION_MEMBERS = "EUE", "EU27"
_TOLERANCE = 1e-12
_ROUNDS = 500


@dataclass(frozen=True)
class Gap:
    """Something a plan could not use, and why."""

    product: str
    what: str
    where: str
    note: str


@dataclass(frozen=True, eq=False)
class Case:
    """Needs and present supply, as arrays over pools and over baseline lanes.

    Attributes
    ----------
    graph : SupplyGraph
        The graph decided on.
    buyers : tuple of str
        Countries as they were given, resolved.
    products : tuple of str
        Products in scope.
    pool : ndarray of int
        Node code of each pool.
    pool_product : ndarray of int
        Position in ``products`` of each pool.
    need : ndarray
        Quantity each pool must get, in product units a period: final use, what its producers draw, and what it
        passes on to buyers outside the group.
    supplier, base_pool, base : ndarray
        Baseline lanes: node code of who makes it (or of a pool whose own supply is unknown), pool number, quantity.
    visits : ndarray
        Quantity that reaches the group through each node that is a pool outside it, by node code.
    notes : tuple of str
        Assumptions made on the way.
    gaps : tuple of Gap
        What was left out.
    """

    graph: SupplyGraph
    buyers: tuple[str, ...]
    products: tuple[str, ...]
    pool: IntArray
    pool_product: IntArray
    need: FloatArray
    supplier: IntArray
    base_pool: IntArray
    base: FloatArray
    visits: FloatArray
    notes: tuple[str, ...]
    gaps: tuple[Gap, ...]

    @property
    def product_need(self) -> FloatArray:
        """Need of the group by product."""
        return np.bincount(self.pool_product, self.need, len(self.products)).astype(np.float64)


def resolve_buyers(graph: SupplyGraph, buyers: str | Iterable[str] | None) -> tuple[str, ...]:
    """Countries behind a buyers argument; coalitions may stand among them.

    Parameters
    ----------
    graph : SupplyGraph
        Its memberships are read.
    buyers : str, iterable of str, optional
        ISO3 codes and coalition ids. Default: the Minerals Security Partnership at its last date.

    Returns
    -------
    tuple of str
        Sorted ISO3 codes; the Union as a party stays ``EUE``.
    """
    given = ["MSP"] if buyers is None else [buyers] if isinstance(buyers, str) else list(buyers)
    coalitions = set(graph.tables["memberships"]["coalition"].dropna().astype(str))
    out: set[str] = set()
    for name in given:
        if name in coalitions:
            out |= set(graph.members(name))
        else:
            try:
                out.add(check_country(name, "buyers"))
            except UnknownNameError as err:
                if coalitions and not err.close:
                    raise unknown_name("buyer", name, coalitions, "buyers") from None
                raise
    if not out:
        raise unknown_name("buyer", "(empty)", ["MSP", "JPN", "USA", "EUE"], "buyers")
    return tuple(sorted(out))


def _union(graph: SupplyGraph) -> tuple[str, ...]:
    m = graph.tables["memberships"]
    if (m["coalition"] == _UNION_MEMBERS).any():
        return graph.members(_UNION_MEMBERS)
    return ()


def _pools(graph: SupplyGraph, buyers: tuple[str, ...], products: list[str]) -> pd.DataFrame:
    nodes = graph.index.nodes
    frame = pd.DataFrame(
        {
            "code": np.arange(len(nodes)),
            "product": nodes["product"].to_numpy(dtype=object),
            "country": nodes["country"].to_numpy(dtype=object),
        }
    )[(nodes["kind"] == "demand").to_numpy(dtype=bool)]
    frame = frame[frame["product"].isin(products)]
    if _UNION in buyers:
        as_one = set(frame.loc[frame["country"] == _UNION, "product"])
        members = [c for c in _union(graph) if c not in buyers]
        keep = frame["country"].isin(buyers) | (frame["country"].isin(members) & ~frame["product"].isin(as_one))
        # A member that buys for itself beside the Union would be counted twice where the Union is one pool.
        twice = frame["product"].isin(as_one) & frame["country"].isin(_union(graph))
        keep &= ~twice
    else:
        keep = frame["country"].isin(buyers)
    return frame[keep]


def _attribute(graph: SupplyGraph, group: IntArray, products: list[str]) -> tuple[FloatArray, pd.DataFrame, FloatArray]:
    """What each pool of the group gets and keeps, by who makes it, and what passes through pools on the way."""
    import scipy.sparse as sp

    ix = graph.index
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    product = ix.nodes["product"].to_numpy(dtype=object)
    link_product = ix.links["product"].to_numpy(dtype=object)
    into_pool = (kind[ix.dst] == "demand") & (link_product == product[ix.dst]) & np.isin(link_product, products)
    share = np.where(into_pool, np.nan_to_num(ix.share), 0.0)
    w = sp.csr_array((share[into_pool], (ix.dst[into_pool], ix.src[into_pool])), shape=(ix.n, ix.n))
    looked_through = np.zeros(ix.n, dtype=bool)
    looked_through[ix.dst[into_pool & (share > 0)]] = True
    mine = np.isin(ix.dst, group) & into_pool
    flow = np.nan_to_num(ix.quantity)
    inflow = np.bincount(ix.dst[mine], flow[mine], ix.n)
    number = np.full(ix.n, -1, dtype=np.int64)
    number[group] = np.arange(len(group))
    # What a pool passes on within the group is counted where it ends, not where it passes.
    passed = mine & np.isin(ix.src, group)
    gone = np.bincount(ix.src[passed], flow[passed], ix.n)
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.where(inflow > 0, np.maximum(inflow - gone, 0.0) / inflow, 0.0)
    data = flow[mine] * kept[ix.dst[mine]]
    mass = sp.csr_array((data, (number[ix.dst[mine]], ix.src[mine])), shape=(len(group), ix.n))
    through = sp.diags_array(looked_through.astype(float))
    stop = sp.diags_array((~looked_through).astype(float))
    made = mass @ stop
    passing = mass @ through
    visits = np.asarray(passing.sum(axis=0)).ravel()
    total = float(inflow.sum())
    rounds = 0
    while passing.nnz and float(passing.sum()) > _TOLERANCE * max(total, 1e-300):
        nxt = passing @ w
        made = made + nxt @ stop
        passing = sp.csr_array(nxt @ through)
        passing.eliminate_zeros()
        visits += np.asarray(passing.sum(axis=0)).ravel()
        rounds += 1
        if rounds >= _ROUNDS:  # pools that feed only each other: what circulates has no known maker
            made = made + passing
            break
    coo = sp.coo_array(made)
    lanes = pd.DataFrame({"pool": coo.row, "supplier": coo.col, "quantity": coo.data})
    lanes = lanes[lanes["quantity"] > 0].groupby(["pool", "supplier"])["quantity"].sum().reset_index()
    return inflow[group].astype(np.float64), lanes, np.asarray(visits, dtype=np.float64)


def _product_scope(graph: SupplyGraph, product: str | Iterable[str] | None) -> list[str]:
    if product is None:
        return [str(p) for p in graph.tables["products"]["product"]]
    given = [product] if isinstance(product, str) else list(product)
    return [graph.check_product(p, "optimize(product=)") for p in dict.fromkeys(given)]


def read_case(
    graph: SupplyGraph, buyers: str | Iterable[str] | None, product: str | Iterable[str] | None = None
) -> Case:
    """Read needs and present supply of a group of buyers.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    buyers : str, iterable of str, optional
        See :func:`resolve_buyers`.
    product : str or iterable of str, optional
        Products in scope; default all of which the group has a pool with a known need.

    Returns
    -------
    Case

    Raises
    ------
    UnknownNameError
        An unknown buyer or product, or no pool of the group for a product asked for.
    """
    who = resolve_buyers(graph, buyers)
    scope = _product_scope(graph, product)
    ix = graph.index
    frame = _pools(graph, who, scope)
    asked = product is not None
    notes: list[str] = []
    gaps: list[Gap] = []
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    for p in scope:
        if asked and not (frame["product"] == p).any():
            pools = ix.nodes.loc[(kind == "demand") & (ix.nodes["product"] == p), "country"]
            raise unknown_name("buyer", ", ".join(who), pools.astype(str), f"the demand pools of {p}")
    order = {p: i for i, p in enumerate(scope)}
    frame = frame.assign(order=frame["product"].map(order)).sort_values(["order", "code"], kind="stable")
    group = frame["code"].to_numpy(dtype=np.int64)
    inflow, lanes, visits = _attribute(graph, group, scope)
    member = np.zeros(ix.n, dtype=bool)
    member[group] = True

    # What leaves each pool: drawn by producers, passed on within the group (looked through), passed on outside it.
    flow = np.nan_to_num(ix.quantity)
    own = ix.links["product"].to_numpy(dtype=object) == ix.nodes["product"].to_numpy(dtype=object)[ix.src]
    to_pool = (kind[ix.dst] == "demand") & own
    pool_inflow = np.bincount(ix.dst[to_pool], flow[to_pool], ix.n)
    with np.errstate(invalid="ignore", divide="ignore"):
        returned = np.where(pool_inflow > 0, np.minimum(visits / pool_inflow, 1.0), 0.0)
    inside = to_pool & member[ix.dst]
    outside = to_pool & ~member[ix.dst]
    drawn = np.bincount(ix.src[own & ~to_pool], flow[own & ~to_pool], ix.n)[group]
    passed_in = np.bincount(ix.src[inside], flow[inside], ix.n)[group]
    back = np.bincount(ix.src[outside], flow[outside] * returned[ix.dst[outside]], ix.n)[group]
    away = np.bincount(ix.src[outside], flow[outside] * (1.0 - returned[ix.dst[outside]]), ix.n)[group]
    used = stated_use(graph)
    use = used.groupby(used["node"].astype("object"))["quantity"].sum(min_count=1)
    final = use.reindex(ix.position).to_numpy(dtype=float)[group]
    retained = np.maximum(inflow - passed_in - back, 0.0)
    retained = np.where(retained > _TOLERANCE * inflow, retained, 0.0)
    need = np.where(np.isnan(final), retained, np.nan_to_num(final) + drawn + away)
    names = ix.nodes["node"].to_numpy(dtype=object)[group]
    apart = ~np.isnan(final) & (inflow > 0) & (np.abs(need - retained) > 0.02 * np.maximum(need, retained))
    for i in np.flatnonzero(apart):
        notes.append(
            f"{names[i]}: use on record needs {need[i]:.6g}, recorded deliveries bring {retained[i]:.6g}; "
            "the plan meets the use on record"
        )
    # Deliveries that are all known to be nothing are a need of nothing, not an unknown one.
    into = np.bincount(ix.dst[to_pool], minlength=ix.n)[group]
    blank = np.bincount(ix.dst[to_pool], np.isnan(ix.quantity[to_pool]), ix.n)[group]
    unknown = np.isnan(final) & (inflow <= 0) & ((into == 0) | (blank > 0))
    for i in np.flatnonzero(unknown):
        p = str(frame["product"].iloc[int(i)])
        gaps.append(Gap(p, "demand", str(names[i]), "neither use nor deliveries are known; the pool is left out"))
    keep = ~unknown
    renumber = np.cumsum(keep) - 1
    lanes = lanes[keep[lanes["pool"].to_numpy(dtype=int)]]
    at = lanes["pool"].to_numpy(dtype=np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        kept_part = np.where(inflow - passed_in > 0, retained / (inflow - passed_in), 0.0)
    base = lanes["quantity"].to_numpy(dtype=float) * kept_part[at]
    pool_product_name = frame["product"].to_numpy(dtype=object)[keep]
    products = tuple(p for p in scope if (pool_product_name == p).any())
    position = {p: i for i, p in enumerate(products)}
    return Case(
        graph,
        who,
        products,
        group[keep],
        np.array([position[p] for p in pool_product_name], dtype=np.int64),
        need[keep],
        lanes["supplier"].to_numpy(dtype=np.int64),
        renumber[at].astype(np.int64),
        base,
        visits,
        tuple(notes),
        tuple(gaps),
    )


def drop_products(case: Case, gone: Mapping[str, str]) -> Case:
    """The case without some products, each with the reason as a gap."""
    if not gone:
        return case
    keep_product = np.array([p not in gone for p in case.products], dtype=bool)
    keep = keep_product[case.pool_product] if len(case.pool) else np.zeros(0, dtype=bool)
    renumber = np.cumsum(keep) - 1
    new_product = np.cumsum(keep_product) - 1
    lane = keep[case.base_pool] if len(case.base) else np.zeros(0, dtype=bool)
    gaps = tuple(Gap(p, "price", "WLD", why) for p, why in gone.items())
    return Case(
        case.graph,
        case.buyers,
        tuple(p for p in case.products if p not in gone),
        case.pool[keep],
        new_product[case.pool_product[keep]].astype(np.int64),
        case.need[keep],
        case.supplier[lane],
        renumber[case.base_pool[lane]].astype(np.int64),
        case.base[lane],
        case.visits,
        case.notes,
        (*case.gaps, *gaps),
    )

"""Of each node what is surely each country's, and what may be anybody's: bounds of concentration start from these.

A composition says who holds a node by what is known. What is not recorded, or only within bounds, may be with anyone:
somebody listed or somebody new, alone or many. The least that each country surely has, and the rest, which is free, hold
every completion of the record; what :func:`supplyrisk.control.focal_share` allows any one country is never more than its
own least and all that is free.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import control
from ..drawing import draws_of
from ..holdings import book
from ..kernels import solve_absorbing
from ..nominal import flow_ends
from ..ownership import ownership_matrix
from .boxes import remainder_bounds

if TYPE_CHECKING:
    from scipy import sparse

    from ..graph import SupplyGraph
    from ..holdings import Book
    from .lens import Lens, Lines, Recipe
    from .mix import FloatArray, IntArray, Mix
    from .score import Asked, Origin

__all__ = ["LABEL", "OPEN", "Stakes", "drawn_stakes", "hidden", "labelled", "surely", "widened"]

# Codes that are no place: whoever stands behind them may be anyone.
_NOBODY = frozenset(("UNK", "ROW", "WLD", "ALL", "ASE"))
# Stands for every country that no record names.
_NEW = "-"
_SWEEPS = 50

# Columns whose bounds depend on who holds what has no holder on record, and what is said of such bounds.
OPEN = frozenset(
    (
        "concentration_ratio",
        "effective_suppliers",
        "hhi",
        "hhi_normalized",
        "hirschman_index",
        "n_minus_1",
        "n_suppliers",
        "unctad_concentration",
        "shannon",
        "evenness",
        "theil",
    )
)
# Columns that a large share in one hand bounds.
_ONE_HAND = frozenset(("hhi", "hirschman_index", "concentration_ratio", "effective_suppliers", "n_minus_1"))
LABEL = (
    "safe: hold every completion; what no holder on record surely has may be with anyone, listed or not, one or many, "
    "whatever the volumes are"
)

_FOUND: weakref.WeakKeyDictionary[SupplyGraph, dict[tuple[str, ...], tuple[list[str], sparse.csr_matrix]]] = (
    weakref.WeakKeyDictionary()
)


def surely(
    graph: SupplyGraph,
    view: str,
    unlisted: str,
    units: sparse.csr_matrix,
    countries: list[str],
    focals: tuple[str, ...] = (),
) -> tuple[sparse.csr_matrix, FloatArray]:
    """The least that each country has of each node under every completion of the record, and the rest, which is free.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    view : {"equity", "control"}
        Who owns, or who controls.
    unlisted : {"unknown", "host"}
        What nobody is recorded to hold may be anyone's, or is presumed the host's.
    units : csr_matrix
        The composition by what is known, nodes x countries.
    countries : list of str
        Its columns.
    focals : tuple of str
        The focal's countries; what stands in the one focal is surely its to stop in the ``control`` view.

    Returns
    -------
    tuple of (csr_matrix, ndarray)
        Entries where ``units`` has any (0 where nothing is sure), never more than these; and what may be anybody's.
    """
    from scipy import sparse

    kept = _FOUND.setdefault(graph, {})
    host = focals if view == "control" and len(focals) == 1 else ()
    if (view, unlisted, *host) not in kept:
        kept[view, unlisted, *host] = _least(graph, view, unlisted, host)
    names, least = kept[view, unlisted, *host]
    place = {c: i for i, c in enumerate(names)}
    column = np.array([place.get(c, -1) for c in countries], dtype=np.int64)
    row = np.repeat(np.arange(units.shape[0]), np.diff(units.indptr))
    col = column[units.indices] if len(column) else units.indices
    found = np.zeros(len(row))
    hit = np.flatnonzero(col >= 0)
    if len(hit) and least.nnz:
        found[hit] = np.asarray(least[row[hit], col[hit]]).ravel()
    data = np.minimum(found, units.data)
    out = sparse.csr_matrix((data, units.indices.copy(), units.indptr.copy()), shape=units.shape)
    free = 1.0 - np.bincount(row, data, units.shape[0])
    return out, np.where(free > 1e-9, np.minimum(free, 1.0), 0.0)


def labelled(listing: dict[str, Any], view: Lens, lines: Lines) -> dict[str, Any]:
    """What a listing says of a column, its bounds called safe where who holds some line is not surely known.

    Parameters
    ----------
    listing : dict
        Of a column, with ``method`` and ``bounds``.
    view, lines : Lens, Lines
        Who stands behind the supply lines.

    Returns
    -------
    dict
    """
    wide = view.wide
    if listing["method"] not in OPEN or listing["bounds"] == "none" or wide is view:
        return listing
    return listing | {"bounds": LABEL} if (wide.anyone[lines.node] > 0).any() else listing


def hidden(
    name: str | None, params: Mapping[str, Any], mix: Mix, found: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Bounds of a metric, widened where who is not listed may be a supplier, or the largest of all.

    Parameters
    ----------
    name : str or None
        The metric.
    params : mapping
        Its parameters.
    mix : Mix
        Markets in which suppliers have what is surely theirs, and the rest is unknown.
    found : sequence of ndarray
        Its bounds over the listed.

    Returns
    -------
    tuple of ndarray
        Low and high by market.
    """
    low, high = found
    some = mix.unknown_high > 0
    if name == "n_suppliers":  # what nobody is named for may be with the listed, or with any number of others
        return low, np.where(some, np.inf, high)
    if name == "n_minus_1" and params.get("form") == "net":  # and nobody knows what such a one uses
        some &= mix.unknown_high >= mix.max(mix.low)
        least = np.divide(remainder_bounds(mix)[0], mix.demand_high, out=np.zeros(mix.n), where=mix.demand_high > 0)
        low = np.where(some & ~np.isnan(low), np.fmin(low, least), low)
        return low, np.where(some & ~np.isnan(high), np.inf, high)
    return low, high


def widened(
    made: Origin, c: Asked, mix: Mix, wide: Mix | None, found: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Bounds of a column: as wide as who is not listed makes them, no wider than what the focal surely has allows.

    What one country surely has is in one hand, however the rest is spread: of a share of at least :math:`f` the HHI is at
    least :math:`f^2` and the share of the n largest at least :math:`f`.

    Parameters
    ----------
    made : Origin
        The score.
    c : Asked
        The column.
    mix : Mix
        The markets.
    wide : Mix or None
        Markets in which suppliers have what is surely theirs; None where all is certain, as places are.
    found : sequence of ndarray
        Its bounds over the listed.

    Returns
    -------
    tuple of ndarray
        Low and high by market.
    """
    name = c.entry.name if c.entry is not None else None
    low, high = (found[0], found[1]) if wide is None else hidden(name, c.params, wide, found)
    if name not in _ONE_HAND or mix is not made.mix or made.view == "origin" or len(made.lens.focals) != 1:
        return low, high
    f, value = _held(made), c.value(mix)
    if name in ("hhi", "hirschman_index", "concentration_ratio"):
        least = f**2 * c.params.get("scale", 1.0) if name == "hhi" else 100.0 * f if name == "hirschman_index" else f
        return np.where(np.isnan(low), low, np.maximum(low, np.fmin(np.fmin(least, value), high))), high
    most = np.full(len(f), np.inf)
    if name == "effective_suppliers":
        order = float(c.params.get("order", 2))
        power = 1.0 if np.isinf(order) else order / (order - 1.0) if order > 1 else 0.0
        if power:
            most = np.power(f, -power, out=most, where=f > 0)
    elif c.params.get("form") == "share":
        most = 1.0 - f
    return low, np.where(np.isnan(high), high, np.minimum(high, np.fmax(np.fmax(most, value), low)))


def _held(made: Origin) -> FloatArray:
    """The least share of each market that is the focal's; 0 where none is known."""
    from .score import columns_of

    kept: dict[str, FloatArray] = made.__dict__.setdefault("_held", {})
    if not kept:
        found = made.fine(columns_of(["focal_share"])[0], "bounds")[0]
        at = None if made.lone is None else made.market.lines.market
        low = np.zeros(made.mix.n)
        low[slice(None) if at is None else at] = np.nan_to_num(found)
        kept["focal_share"] = low
    return kept["focal_share"]


@dataclass(frozen=True, eq=False)
class Stakes:
    """Draws of who holds the lines of some markets: quantities by unit, and of nobody knows whom."""

    how: Recipe
    units: FloatArray
    unlisted: FloatArray
    anyone: FloatArray

    def figures(self, given: FloatArray) -> FloatArray:
        """Lines with a figure by unit."""
        if not len(self.how.start):
            return np.zeros((len(given), 0))
        return np.asarray(np.add.reduceat(given[:, self.how.line], self.how.start, axis=-1))


def drawn_stakes(
    lines: Lines, view: Lens, quantity: FloatArray, focal: FloatArray, rng: np.random.Generator
) -> Stakes | None:
    """Draw who holds each line, the focal's part being drawn already.

    Each country has what is surely its own. The focal has the part drawn; what is left is shared out among the others
    as they draw from the triangle of the least they surely have, the value and the most they can have, and among the
    unlisted and the unknown as in the value.

    Parameters
    ----------
    lines : Lines
        Supply lines.
    view : Lens
        Who stands behind each node.
    quantity, focal : ndarray, shape (draws, lines)
        Draws of each line's volume, 0 where there is none, and of the focal's part of it.
    rng : Generator
        Stream of the others' stakes.

    Returns
    -------
    Stakes or None
        None where all is certain, as places are.
    """
    from .lens import recipe
    from .sampling import triangular

    if view.wide is view:
        return None
    first, least = view.spread
    how = recipe(lines, first)
    sure, value = recipe(lines, least).weight, how.weight
    d, m = quantity.shape
    p = len(value)
    pair_unit = np.repeat(how.unit, np.diff(how.start, append=p)) if p else np.zeros(0, dtype=np.int64)
    mine = np.array([c in first.focals for c in first.countries], dtype=bool)[pair_unit]

    def by_line(x: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(how.line, x, m), dtype=np.float64)

    ours, theirs = by_line(np.where(mine, sure, 0.0)), by_line(np.where(mine, 0.0, sure))
    part = np.clip(np.where(np.isnan(focal), 0.0, focal), ours, np.maximum(1.0 - theirs, ours))
    # The focal's countries share as in the value, or alike.
    more = np.where(mine, value - sure, 0.0)
    whole, count = by_line(more)[how.line], by_line(mine.astype(np.float64))[how.line]
    alike = np.where(mine, 1.0 / np.maximum(count, 1.0), 0.0)
    split = np.where(whole > 1e-12, np.divide(more, whole, out=np.zeros(p), where=whole > 1e-12), alike)
    left = np.maximum(1.0 - theirs - part, 0.0)
    left = np.where((by_line(mine.astype(np.float64)) > 0) | (ours + theirs >= 1), left, np.maximum(1 - theirs, 0.0))
    top = 1.0 - (ours + theirs)[how.line] + sure
    u = rng.random((p, d)).T
    extra = np.where(mine, 0.0, np.maximum(triangular(u, value, sure, np.maximum(top, value)) - sure, 0.0))
    lost, nobody = view.unlisted[lines.node], view.anyone[lines.node]
    among = np.empty((d, m))
    for i in range(d):
        among[i] = by_line(extra[i])
    among = among + lost + nobody
    scale = np.divide(left, among, out=np.zeros((d, m)), where=among > 0)
    weight = sure + np.where(mine, (part - ours)[:, how.line] * split, extra * scale[:, how.line])
    amount = quantity[:, how.line] * weight
    units = np.add.reduceat(amount, how.start, axis=-1) if p else np.zeros((d, 0))
    unknown = np.where(among > 0, scale * nobody, left)
    return Stakes(how, units, how.markets(quantity * scale * lost), how.markets(quantity * unknown))


def _least(graph: SupplyGraph, view: str, unlisted: str, hosts: tuple[str, ...]) -> tuple[list[str], sparse.csr_matrix]:
    """Least part of each node that is each country's: nodes x countries, all that is sure."""
    from scipy import sparse

    ix, b = graph.index, book(graph)
    kind = ix.nodes["kind"].astype("object").to_numpy()
    land = ix.nodes["country"].astype("object").to_numpy()
    names = sorted({*land.tolist(), *b.country[: b.n].tolist()} - _NOBODY)
    place = {c: i for i, c in enumerate(names)}
    k, n = len(names), ix.n
    host = np.array([place.get(c, -1) for c in land], dtype=np.int64)
    # Of held firms and parts, whose each surely is.
    whose = _owners(b, names, unlisted) if view == "equity" else _controllers(b, names, unlisted)
    part = whose[b.part] if len(b.part) else np.zeros((0, k))
    r, c = np.nonzero(part)
    least = sparse.csr_matrix((b.portion_low[r] * part[r, c], (b.node[r], c)), shape=(n, k))
    fed = np.bincount(ix.dst, minlength=n) > 0
    pools = (kind == "demand") | ((kind == "stock") & fed)
    if unlisted == "host":  # it has whatever others have not
        at = host[b.node]
        own = np.where(at >= 0, part[np.arange(len(at)), at], 0.0) if k else np.zeros(len(at))
        left = np.clip(1.0 - np.bincount(b.node, b.portion_high * (1.0 - own), n), 0.0, 1.0)
        home = np.flatnonzero((host >= 0) & ~pools)
        mine = sparse.csr_matrix((left[home], (home, host[home])), shape=(n, k))
        wider: Any = least.maximum(mine)
        least = sparse.csr_matrix(wider)
    here = ~pools & np.isin(land, hosts)
    makers: Any = sparse.diags((~pools & ~here).astype(np.float64)) @ least
    at_home = np.flatnonzero(here)
    least = sparse.csr_matrix(makers) + sparse.csr_matrix(
        (np.ones(len(at_home)), (at_home, host[at_home])), shape=(n, k)
    )
    if pools.any() and least.nnz:
        least = least + _of_pools(graph, pools, least)
    return names, least.tocsr()


def _owners(b: Book, names: list[str], unlisted: str) -> FloatArray:
    """Equity that is surely each country's, looked through, by entity."""
    place = {c: i for i, c in enumerate(names)}
    home = np.array([place.get(c, -1) for c in b.country[: b.n]], dtype=np.int64)
    told = home >= 0
    rhs = np.zeros((b.n, len(names)))
    free = np.flatnonzero(told & ~b.held)
    rhs[free, home[free]] = 1.0
    if unlisted == "host":
        rest = np.maximum(1 - np.bincount(b.asset, b.share, b.n), 0.0)
        at = np.flatnonzero(told & b.held)
        rhs[at, home[at]] += rest[at]
    used = np.flatnonzero(rhs.any(axis=0))
    out = np.zeros_like(rhs)
    out[:, used] = solve_absorbing(ownership_matrix(b.holder, b.asset, b.low, b.n), rhs[:, used])
    return _no_more(np.clip(out, 0.0, 1.0))


def _controllers(b: Book, names: list[str], unlisted: str) -> FloatArray:
    """What is surely controlled from each country, by entity; what nobody can control is its host's."""
    out = np.zeros((b.n, len(names)))
    if not b.n:
        return out
    presumed: Any = unlisted
    place = {c: i for i, c in enumerate(names)}
    open_ = np.zeros(b.n)
    for c in (*sorted({*b.country.tolist()} - _NOBODY), _NEW):
        x = control._control(b, (c,), "majority", 0.5, presumed, True)
        open_ = np.maximum(open_, x[:, 2])
        if c in place:
            out[:, place[c]] = x[:, 1]
    for i in np.flatnonzero(b.held & (open_ <= 0)):
        if b.country[i] in place:
            out[i, place[b.country[i]]] = 1.0
    return _no_more(out)


def _no_more(x: FloatArray) -> FloatArray:
    """Rows that add to 1 at most."""
    return np.asarray(x / np.maximum(x.sum(axis=1, keepdims=True), 1.0))


def _of_pools(graph: SupplyGraph, pools: npt.NDArray[np.bool_], least: sparse.csr_matrix) -> sparse.csr_matrix:
    r"""What is surely each country's of pools, whatever flows in within its bounds.

    Of flows :math:`q_i \in [l_i, u_i]` with parts :math:`a_i` the mean is at least
    :math:`\sum l_i a_i / (\sum l_i a_i + \sum u_i (1-a_i))`, and at least the smallest :math:`a_i`.
    """
    from scipy import sparse

    ix, n = graph.index, graph.index.n
    lo, hi = flow_ends(graph)
    there = pools[ix.dst] & (ix.src != ix.dst) & ~(hi <= 0)
    at = np.flatnonzero(there)
    lo, hi = np.nan_to_num(lo[at]), np.where(np.isnan(hi[at]), np.inf, hi[at])
    draws = draws_of(graph)
    drawn = np.isin(at, draws.link) if draws is not None else np.zeros(len(at), dtype=bool)  # any maker's
    src, dst = ix.src[at], ix.dst[at]
    order = np.argsort(dst, kind="stable")
    lo, hi, drawn, src, dst = lo[order], hi[order], drawn[order], src[order], dst[order]
    if not len(dst):
        return sparse.csr_matrix(least.shape)
    start = np.flatnonzero(np.diff(dst, prepend=-1))
    pool = dst[start]
    by_column = least.tocsc()
    rows: list[IntArray] = []
    cols: list[IntArray] = []
    data: list[FloatArray] = []
    for j in np.flatnonzero(np.diff(by_column.indptr)):
        x = np.asarray(by_column[:, [j]].toarray(), dtype=np.float64).ravel()
        for _ in range(_SWEEPS):  # from below: stopping early widens
            a = np.where(drawn, 0.0, x[src])
            held = np.add.reduceat(lo * a, start)
            other = np.add.reduceat(np.multiply(hi, 1 - a, out=np.zeros(len(a)), where=a < 1), start)
            mean = np.divide(held, held + other, out=np.zeros(len(pool)), where=held > 0)
            mean = np.maximum(mean, np.minimum.reduceat(a, start))
            if np.max(np.abs(mean - x[pool]), initial=0.0) <= 1e-12:
                break
            x[pool] = mean
        some = np.flatnonzero(x[pool] > 0)
        rows.append(pool[some])
        cols.append(np.full(len(some), j, dtype=np.int64))
        data.append(x[pool[some]])
    if not rows:
        return sparse.csr_matrix(least.shape)
    at_rows, at_cols, values = np.concatenate(rows), np.concatenate(cols), np.concatenate(data)
    return sparse.csr_matrix((values, (at_rows, at_cols)), shape=(n, least.shape[1]))

"""Links in canonical order, from codes and in linear time: what stands between the table and its sparse view."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .compiled import arranged, ready, segmented
from .errors import Problem, SchemaError

__all__ = ["arrange", "codes", "in_own_order", "latest_links", "link_order", "look_up", "maxima", "segments"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Codes and orders on the way: as narrow as they may be, since sorting them is a matter of memory.
Codes = npt.NDArray[np.signedinteger[Any]]
# Rows handled at once where one step follows another: they stay in cache.
_BLOCK = 1 << 15
# Groups of at most so many rows are run through side by side.
_SIDE = 16


def look_up(values: npt.NDArray[Any], code: Codes) -> npt.NDArray[Any]:
    """``values[code]`` for codes known to be in range, block by block: no wide copy of the codes, and all in cache.

    Parameters
    ----------
    values : ndarray
        One entry per code.
    code : ndarray of int
        Codes ``0 .. len(values) - 1``; none is checked.

    Returns
    -------
    ndarray
        One entry per code given.

    Examples
    --------
    >>> look_up(np.array([0.5, 2.0]), np.array([1, 1, 0])).tolist()
    [2.0, 2.0, 0.5]
    """
    out = np.empty(len(code), dtype=values.dtype)
    for a in range(0, len(code), _BLOCK):
        values.take(code[a : a + _BLOCK], out=out[a : a + _BLOCK], mode="clip")
    return out


def _sorted_by(code: Codes, size: int) -> tuple[Codes, Codes]:
    """Stable order of small codes in linear time, and where each code begins: a sparse matrix, turned, counts them."""
    from scipy import sparse

    m = len(code)
    # One entry a column: turned by rows they stand by code, those of equal code as they came.
    matrix = sparse.csc_matrix((np.zeros(m, dtype=np.int8), code, np.arange(m + 1, dtype=np.int32)), shape=(size, m))
    turned = matrix.tocsr()
    return np.asarray(turned.indices), np.asarray(turned.indptr)


def arrange(src: IntArray, dst: IntArray, product: IntArray, n: int) -> tuple[Codes, Codes, Codes, Codes]:
    """Links by (buyer, product, supplier), from codes, without comparing: their order and their codes in it.

    Parameters
    ----------
    src, dst, product : ndarray of int
        Node code of supplier and buyer, product code of each link.
    n : int
        Number of nodes.

    Returns
    -------
    tuple of ndarray
        Order (links of equal keys keep the order in which they came), and supplier, buyer and product of each link
        in that order; 32 bits each.

    Examples
    --------
    >>> [x.tolist() for x in arrange(np.array([1, 0, 2]), np.array([0, 0, 0]), np.array([1, 1, 0]), 3)]
    [[2, 1, 0], [2, 0, 1], [0, 0, 0], [0, 1, 1]]
    """
    from scipy import sparse

    m = len(src)
    if ready(m):
        found = arranged(src, dst, product, n)
        if found is not None:
            return found
    made = np.zeros(n, dtype=np.int32)
    made[src] = product
    if not all(
        np.array_equal(made.take(src[a : a + _BLOCK], mode="clip"), product[a : a + _BLOCK])
        for a in range(0, m, _BLOCK)
    ):
        return _arrange_by_each(src.astype(np.int32), dst.astype(np.int32), product.astype(np.int32), n)
    # Each supplier has one product: rank suppliers once, by (product, supplier); then links by rank, then by buyer.
    short = m > 0 and made.min() >= 0 and made.max() < 2**15
    ranked = np.argsort(made.astype(np.int16) if short else made, kind="stable").astype(np.int32)
    rank = np.empty(n, dtype=np.int32)
    rank[ranked] = np.arange(n, dtype=np.int32)
    order, first = _sorted_by(look_up(rank, src), n)
    turned = sparse.csr_matrix((order, look_up(dst.astype(np.int32), order), first), shape=(n, n)).tocsc()
    return (
        np.asarray(turned.data),
        look_up(ranked, turned.indices),
        np.repeat(np.arange(n, dtype=np.int32), np.diff(turned.indptr)),
        look_up(made[ranked], turned.indices),
    )


def _arrange_by_each(src: Codes, dst: Codes, product: Codes, n: int) -> tuple[Codes, Codes, Codes, Codes]:
    """The same where a supplier has several products: by each of the three keys in turn, the last first."""
    order = _sorted_by(src, n)[0]
    code, labels = pd.factorize(product, sort=True)
    order = look_up(order, _sorted_by(look_up(code.astype(np.int32), order), len(labels))[0])
    order = look_up(order, _sorted_by(look_up(dst, order), n)[0])
    return order, look_up(src, order), look_up(dst, order), look_up(product, order)


def link_order(src: IntArray, dst: IntArray, product: IntArray, n: int) -> IntArray:
    """Order of links by (buyer, product, supplier), see :func:`arrange`.

    Parameters
    ----------
    src, dst, product : ndarray of int
        Node code of supplier and buyer, product code of each link.
    n : int
        Number of nodes.

    Returns
    -------
    ndarray of int
        Links of equal keys keep the order in which they came.

    Examples
    --------
    >>> link_order(np.array([1, 0, 2]), np.array([0, 0, 0]), np.array([1, 1, 0]), 3).tolist()
    [2, 1, 0]
    """
    return arrange(src, dst, product, n)[0].astype(np.int64)


def segments(dst: Codes, product: Codes, quantity: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """First link of each (buyer, product), segment of each link, and share in it; links in order."""
    m = len(dst)
    if not m:
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros(0)
    if ready(m):
        return segmented(dst, product, quantity)
    change = np.empty(m, dtype=bool)
    change[0] = True
    np.not_equal(dst[1:], dst[:-1], out=change[1:])
    change[1:] |= product[1:] != product[:-1]
    start = np.flatnonzero(change).astype(np.int64, copy=False)
    segment = np.cumsum(change, dtype=np.int64)
    segment -= 1
    gone = np.isnan(quantity)
    missing = bool(gone.any())
    known = np.where(gone, 0.0, quantity) if missing else quantity
    total = np.bincount(segment, known).astype(np.float64, copy=False)
    if (total > 0).all():
        share = look_up(total, segment)
        np.divide(known, share, out=share)
    else:
        below = look_up(total, segment)
        share = np.divide(known, below, out=np.full(m, np.nan), where=below > 0)
    if missing:
        lone = start[np.diff(start, append=m) == 1]
        share[lone[gone[lone]]] = 1.0
    return start, segment, share


def maxima(x: FloatArray, start: IntArray) -> FloatArray:
    """Largest of each group of neighbouring rows; short groups are run through side by side.

    Parameters
    ----------
    x : ndarray
        Values, ``(rows,)`` or ``(rows, k)``.
    start : ndarray of int
        First row of each group; none is empty.

    Returns
    -------
    ndarray
        ``(groups,)`` or ``(groups, k)``.

    Examples
    --------
    >>> maxima(np.array([1.0, 3.0, 2.0]), np.array([0, 2])).tolist()
    [3.0, 2.0]
    """
    size = np.diff(start, append=len(x))
    most = int(size.max(initial=1))
    if most > _SIDE:
        return np.asarray(np.maximum.reduceat(x, start, axis=0))
    out = x.take(start, axis=0)
    for j in range(1, most):
        more = np.flatnonzero(size > j)
        if len(more) == len(out):
            np.maximum(out, x.take(start + j, axis=0), out=out)
        else:
            out[more] = np.maximum(out.take(more, axis=0), x.take(start.take(more) + j, axis=0))
    return out


def in_own_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order of their own, by all columns from the first: nothing depends on how somebody sorted a file.

    Parameters
    ----------
    frame : DataFrame
        Of text and numbers; what is missing stands first among text and numbers alike.

    Returns
    -------
    DataFrame
        The frame itself where its rows stand so already.

    Examples
    --------
    >>> in_own_order(pd.DataFrame(dict(country=["JPN", "CHN", "CHN"], year=[2024, 2024, 2023]))).values.tolist()
    [['CHN', 2023], ['CHN', 2024], ['JPN', 2024]]
    """
    if len(frame) < 2:
        return frame
    keys: list[IntArray] = []
    apart = np.zeros(len(frame), dtype=np.int64)
    found = 1
    for c in frame.columns:
        ids, names = pd.factorize(frame[c])  # -1 is missing
        if len(names) + bool((ids < 0).any()) < 2:
            continue
        values = np.asarray(names)
        if values.dtype.kind not in "iufb":
            values = np.array([str(n) for n in names], dtype=object)
        rank = np.empty(len(values) + 1, dtype=np.int64)
        rank[np.argsort(values, kind="stable")] = np.arange(len(values))
        rank[-1] = -1
        keys.insert(0, rank[ids])
        apart = apart * (len(names) + 1) + ids + 1
        if found * (len(names) + 1) < len(frame):  # too few to tell all rows apart: no need to count
            found *= len(names) + 1
            continue
        apart, rest = pd.factorize(apart)
        found = len(rest)
        if found == len(frame):
            break
    order = np.lexsort(keys) if keys else np.arange(len(frame))
    if (order == np.arange(len(order))).all():
        return frame
    return frame.iloc[order].reset_index(drop=True)


def codes(ids: pd.Series, position: pd.Index) -> IntArray:
    """Code of each id, -1 where there is none; Arrow hashes its own strings without turning them into objects.

    Parameters
    ----------
    ids : Series of str
        Node ids.
    position : pandas.Index
        Node id to code.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> codes(pd.Series(["b", "z"]), pd.Index(["a", "b"])).tolist()
    [1, -1]
    """
    if not isinstance(ids.dtype, pd.StringDtype) or ids.dtype.storage != "pyarrow" or not len(position):
        return position.get_indexer(pd.Index(ids.astype("object"))).astype(np.int64)
    import pyarrow as pa
    import pyarrow.compute as pc

    own = pa.array(ids.array)
    found = pc.index_in(own, value_set=pa.array(position.to_numpy(dtype=object), type=own.type))
    return np.asarray(pc.fill_null(found, -1)).astype(np.int64)


def _taken(frame: pd.DataFrame, order: IntArray) -> pd.DataFrame:
    """Rows in a new order; a column in which nothing is said needs no reordering, only its length."""
    said = {c: bool(x.notna().any()) for c, x in frame.items()}
    out = {c: (x.take(order) if said[c] else x.iloc[: len(order)]).reset_index(drop=True) for c, x in frame.items()}
    return pd.DataFrame(out, columns=frame.columns)


def latest_links(
    links: pd.DataFrame, position: pd.Index
) -> tuple[pd.DataFrame, IntArray, IntArray, IntArray, npt.NDArray[np.object_]]:
    """Newest vintage of each link in order of (buyer, product, supplier), with its codes and the product names."""
    src, dst = (codes(links[c], position) for c in ("supplier", "buyer"))
    product, labels = pd.factorize(links["product"], sort=True)
    made = product.astype(np.int64)
    year = links["year"].astype("float64").fillna(-np.inf).to_numpy()
    if (
        (src < 0).any() or (dst < 0).any() or (made < 0).any()
    ):  # ends that are not nodes: only in a graph that was not validated
        raise SchemaError(
            [
                Problem(
                    "links", "-", "supplier", "a link's end or product is not in the graph", "", "Use from_tables()."
                )
            ],
            "the graph",
        )
    order, s, d, k = (x.astype(np.int64) for x in arrange(src, dst, made, len(position)))
    twin = (s[1:] == s[:-1]) & (d[1:] == d[:-1]) & (k[1:] == k[:-1])
    if twin.any():  # several vintages: the newest of each, of equals the last
        order = np.lexsort((year, src, made, dst))
        s, d, k = src[order], dst[order], made[order]
        keep = np.append(~((s[1:] == s[:-1]) & (d[1:] == d[:-1]) & (k[1:] == k[:-1])), True)
        order, s, d, k = order[keep], s[keep], d[keep], k[keep]
    same = len(order) == len(links) and np.array_equal(order, np.arange(len(links)))
    return (links.reset_index(drop=True) if same else _taken(links, order)), s, d, k, np.asarray(labels, dtype=object)

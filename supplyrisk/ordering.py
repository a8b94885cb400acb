"""Links in canonical order, from codes and in linear time: what stands between the table and its sparse view."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import Problem, SchemaError

__all__ = ["latest_links", "link_order", "segments"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Codes and orders on the way: as narrow as they may be, since sorting them is a matter of memory.
Codes = npt.NDArray[np.signedinteger[Any]]


def _sorted_by(code: Codes, size: int) -> Codes:
    """Stable order of small codes in linear time: the counting sort that makes a sparse matrix."""
    from scipy import sparse

    m = len(code)
    row = (code, np.arange(m, dtype=np.int32))
    matrix = sparse.coo_matrix((np.ones(m, dtype=np.int8), row), shape=(size, max(m, 1))).tocsr()
    return np.asarray(matrix.indices)


def link_order(src: IntArray, dst: IntArray, product: IntArray, n: int) -> IntArray:
    """Order of links by (buyer, product, supplier), from codes, without comparing.

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
    if not len(src):
        return np.zeros(0, dtype=np.int64)
    order = _sorted_by(src.astype(np.int32), n)
    made = product.astype(np.int16 if product.max() < 2**15 else np.int64)[order]
    order = order[np.argsort(made, kind="stable")]
    return order[_sorted_by(dst.astype(np.int32)[order], n)].astype(np.int64)


def segments(dst: IntArray, product: IntArray, quantity: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """First link of each (buyer, product), segment of each link, and share in it; links in order."""
    m = len(dst)
    change = np.ones(m, dtype=bool)
    change[1:] = (dst[1:] != dst[:-1]) | (product[1:] != product[:-1])
    start = np.flatnonzero(change).astype(np.int64)
    count = np.diff(np.append(start, m))
    segment = np.repeat(np.arange(len(start), dtype=np.int64), count)
    if not m:
        return start, segment, np.zeros(0)
    gone = np.isnan(quantity)
    known = np.where(gone, 0.0, quantity) if gone.any() else quantity
    total = np.repeat(np.bincount(segment, known), count)
    share = np.divide(known, total, out=np.full(m, np.nan), where=total > 0)
    lone = start[count == 1]
    share[lone[np.isnan(quantity[lone])]] = 1.0
    return start, segment, share


def _codes(ids: pd.Series, position: pd.Index) -> IntArray:
    """Code of each id, -1 where there is none; Arrow hashes its own strings without turning them into objects."""
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
    src, dst = (_codes(links[c], position) for c in ("supplier", "buyer"))
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
    order = link_order(src, dst, made, len(position))
    s, d, k = src[order], dst[order], made[order]
    twin = (s[1:] == s[:-1]) & (d[1:] == d[:-1]) & (k[1:] == k[:-1])
    if twin.any():  # several vintages: the newest of each, of equals the last
        order = np.lexsort((year, src, made, dst))
        s, d, k = src[order], dst[order], made[order]
        keep = np.append(~((s[1:] == s[:-1]) & (d[1:] == d[:-1]) & (k[1:] == k[:-1])), True)
        order, s, d, k = order[keep], s[keep], d[keep], k[keep]
    same = len(order) == len(links) and np.array_equal(order, np.arange(len(links)))
    return (links.reset_index(drop=True) if same else _taken(links, order)), s, d, k, np.asarray(labels, dtype=object)

"""Integer arrays behind the tables: what the sparse kernels read instead of text.

The nodes and links of today are sorted, numbered and cut into segments (the links of one buyer and product) once per
graph; every score, trace and plan works on these arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .accounts import latest
from .errors import unknown_name
from .jurisdictions import ended
from .ordering import latest_links, segments
from .vintages import today

__all__ = ["GraphIndex", "numbered"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GraphIndex:
    """Integer arrays behind the tables: figures of today only (:mod:`supplyrisk.vintages`), sorted, for sparse kernels.

    Attributes
    ----------
    nodes : DataFrame
        Latest row of each node, sorted by id; positions are node codes.
    position : pandas.Index
        Node id to node code, by ``get_indexer``.
    links : DataFrame
        Latest row of each link, sorted by (buyer, product, supplier).
    src, dst : ndarray
        Node codes of supplier and buyer of each link.
    quantity, low, high : ndarray
        Flow in product units; NaN where missing (low 0, high inf).
    segment : ndarray
        Code of the (buyer, product) pair of each link; links of a segment are neighbours.
    segment_start : ndarray
        First link of each segment, for ``reduceat``.
    segment_buyer : ndarray
        Node code of each segment.
    segment_product : ndarray of str
        Product of each segment.
    share : ndarray
        Part of its segment's known inflow; 1 for a segment's only link; NaN where a segment has no known flow.
    """

    nodes: pd.DataFrame
    position: pd.Index
    links: pd.DataFrame
    src: IntArray
    dst: IntArray
    quantity: FloatArray
    low: FloatArray
    high: FloatArray
    segment: IntArray
    segment_start: IntArray
    segment_buyer: IntArray
    segment_product: npt.NDArray[np.object_]
    share: FloatArray

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    def code(self, node: str) -> int:
        """Code of a node id; unknown ids raise with close matches."""
        pos = self.position.get_indexer(pd.Index([node], dtype=object))[0]
        if pos < 0:
            raise unknown_name("node", node, self.position.astype(str))
        return int(pos)


def numbered(
    tables: Mapping[str, pd.DataFrame],
    beneath: Mapping[str, pd.DataFrame],
    year: int,
    interval: Callable[[pd.DataFrame], tuple[FloatArray, FloatArray, FloatArray]],
) -> GraphIndex:
    """The figures of today as sorted integer arrays.

    Parameters
    ----------
    tables, beneath : mapping of str to DataFrame
        Tables of a graph, and the rows that overlays cover.
    year : int
        Reference year; places that are no more by then make nothing.
    interval : callable
        Value, low and high of the quantity of rows of ``links``.

    Returns
    -------
    GraphIndex
    """
    nodes, link = today(tables, beneath)
    nodes = latest(nodes, ["node"])
    gone = ended(nodes["country"], year)
    if gone.any():  # a state that is no more makes nothing: its last figures stay in the tables
        lost = set(nodes.loc[gone, "node"])
        nodes = nodes[~gone].reset_index(drop=True)
        link = link[~(link["supplier"].isin(lost) | link["buyer"].isin(lost))]
    position = pd.Index(nodes["node"].astype("object"))
    links, src, dst, made, products = latest_links(link, position)
    quantity, low, high = interval(links)
    start, segment, share = segments(dst, made, quantity)
    product = products[made]
    return GraphIndex(
        nodes, position, links, src, dst, quantity, low, high, segment, start, dst[start], product[start], share
    )

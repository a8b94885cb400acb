"""Resale: what is cut comes back through third countries that are still supplied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import SchemaError
from ..graph import SupplyGraph
from ..schema import TABLES, coerce
from .reach import Cut

__all__ = ["add_detours", "through_third_countries"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def through_third_countries(
    graph: SupplyGraph, cuts: Sequence[Cut], cut: FloatArray
) -> tuple[FloatArray, pd.DataFrame]:
    """Part of each cut that comes back through third countries, and who passes on how much of what.

    Hubs are the pools abroad that the same country still supplies with the product, untouched by any measure. Together
    they take in up to what is cut, at most as much again as they take today (an assumption), and pass all of it on.

    Parameters
    ----------
    graph : SupplyGraph
        Baseline.
    cuts : sequence of Cut
        Every measure; a link that any of them may touch is no detour.
    cut : ndarray
        Part of each link that is cut.

    Returns
    -------
    tuple of (ndarray, DataFrame)
        Part of each cut that comes back, and ``supplier, hub, buyer, product, quantity, row`` of each detour.
    """
    ix = graph.index
    country = ix.nodes["country"].to_numpy(dtype=object)
    pool = ix.nodes["kind"].to_numpy(dtype=object) == "demand"
    touched = np.zeros(len(cut), dtype=bool)
    for c in cuts:
        touched |= c.mask
    frame = pd.DataFrame(
        {
            "supplier": ix.src,
            "buyer": ix.dst,
            "product": ix.links["product"].to_numpy(dtype=object),
            "origin": country[ix.src],
            "quantity": np.nan_to_num(ix.quantity),
            "row": np.arange(len(cut)),
        }
    ).assign(freed=lambda f: f["quantity"] * cut)
    nowhere = ["WLD", "ROW", "UNK"]
    foreign = (country[ix.src] != country[ix.dst]) & ~np.isin(country[ix.src], nowhere) & (frame["quantity"] > 0)
    lost = frame[foreign & (cut > 0)]
    hubs = frame[foreign & ~touched & pool[ix.dst] & ~np.isin(country[ix.dst], nowhere)]
    back = np.zeros(len(cut))
    key = ["origin", "product"]
    freed = lost.groupby(key)["freed"].sum()
    room = hubs.groupby(key)["quantity"].sum()
    part = (np.minimum(freed, room.reindex(freed.index).fillna(0.0)) / freed).rename("part").reset_index()
    lost = lost.merge(part, on=key)
    back[lost["row"].to_numpy(dtype=np.int64)] = lost["part"].to_numpy(dtype=np.float64)
    via = hubs.groupby([*key, "buyer"], as_index=False)["quantity"].sum().rename(columns={"buyer": "hub"})
    via["weight"] = via["quantity"] / via.groupby(key)["quantity"].transform("sum")
    pairs = lost[lost["part"] > 0].merge(via[[*key, "hub", "weight"]], on=key)
    ids = ix.nodes["node"].to_numpy(dtype=object)
    out = pd.DataFrame(
        {
            **{c: ids[pairs[c].to_numpy(dtype=np.int64)] for c in ("supplier", "hub", "buyer")},
            "product": pairs["product"],
            "quantity": pairs["freed"] * pairs["part"] * pairs["weight"],
            "row": pairs["row"],
        }
    )
    return back, out.sort_values(["product", "buyer", "hub", "supplier"], kind="stable").reset_index(drop=True)


def add_detours(links: pd.DataFrame, rows: IntArray, resold: pd.DataFrame, graph: SupplyGraph) -> pd.DataFrame:
    """Add what third countries take in and pass on, to existing links or as new ones marked as assumed.

    Parameters
    ----------
    links : DataFrame
        Table of links after the cut.
    rows : ndarray
        Its rows of the newest vintage.
    resold : DataFrame
        Detours, as from :func:`through_third_countries`.
    graph : SupplyGraph
        Baseline.

    Returns
    -------
    DataFrame
    """
    key = ["supplier", "buyer", "product"]
    inward = resold.drop(columns="buyer").rename(columns={"hub": "buyer"})
    onward = resold.drop(columns="supplier").rename(columns={"hub": "supplier"})
    legs = pd.concat([inward[[*key, "quantity"]], onward[[*key, "quantity"]]])
    legs = legs.groupby(key)["quantity"].sum().reset_index()
    newest = links.iloc[rows]
    where = pd.MultiIndex.from_frame(newest[key].astype("object")).get_indexer(
        pd.MultiIndex.from_frame(legs[key].astype("object"))
    )
    there = where >= 0
    at = rows[where[there]]
    for name in ("quantity", "high"):
        column = links[name].to_numpy(dtype=np.float64).copy()
        column[at] = column[at] + legs["quantity"].to_numpy(dtype=np.float64)[there]
        links[name] = column
    fresh = legs[~there].assign(
        year=graph.reference_year,
        method="assumed",
        low=0.0,
        high=lambda f: f["quantity"],
        grade="assumption",
        origin_tag="shock",
        note="resale through a third country",
    )
    if not len(fresh):
        return links
    frame, problems = coerce(fresh, TABLES["links"])
    if problems:
        raise SchemaError(problems, "links of the resale")
    return pd.concat([links, frame], ignore_index=True)

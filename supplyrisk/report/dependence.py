"""How much a group of buyers depends on the focal, product by product, by location and by control."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..graph import SupplyGraph
from ..plots.shares import worst_grade
from ..portfolio.plan import market_shares
from .who import pool_rows

__all__ = ["HEADLINE", "VIEWS_SHOWN", "dependence"]

# A product carries a headline where at least this part of the volume behind it is graded A or B.
HEADLINE = 0.8
VIEWS_SHOWN = ("location", "control")


def dependence(
    graph: SupplyGraph, focal: Sequence[str], buyers: Sequence[str], products: Sequence[str] = ()
) -> pd.DataFrame:
    """TEMP."""
    pools = pool_rows(graph, buyers)
    if products:
        pools = pools[pools["product"].isin(list(products))]
    ix = graph.index
    p = graph.tables["products"].set_index("product")
    frames = {v: market_shares(graph, pools["node"].tolist(), tuple(focal), v) for v in VIEWS_SHOWN}
    rows = []
    node = ix.nodes["node"].to_numpy(dtype=object)
    good = ix.links["grade"].isin(["A", "B"]).to_numpy(dtype=bool)
    for product, part in pools.groupby("product", sort=True):
        row = {
            "product": product,
            "name": p.loc[product, "name"],
            "chain": p.loc[product, "chain"],
            "stage": p.loc[product, "stage"],
            "unit": p.loc[product, "unit"],
        }
        for v, f in frames.items():
            f = f.loc[part["node"]]
            total = f["quantity"].sum()
            row["volume"] = total
            for k, s in (("value", ""), ("low", "_low"), ("high", "_high")):
                row[v + s] = f[k].sum() / total if total > 0 else np.nan
        into = np.isin(node[ix.dst], part["node"])
        q = np.nan_to_num(ix.quantity[into])
        row["graded"] = float(q[good[into]].sum() / q.sum()) if q.sum() > 0 else np.nan
        row["headline"] = bool(row["graded"] >= HEADLINE)
        row["grade"] = worst_grade(ix.links["grade"][into])
        if total > 0:
            rows.append(row)
    out = pd.DataFrame(rows)
    return out.sort_values(["control", "product"], ascending=[False, True], kind="stable").reset_index(drop=True)

"""Observed links out of bilateral trade: who sends from a producer, and who from a pool."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..exporters import net_exporters
from ..vintages import BY_EXPORTER, BY_IMPORTER, counts

__all__ = ["links_of"]


def links_of(trade: pd.DataFrame, con: pd.DataFrame, sources: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    """Observed links of unmixed headings: from the producer if a country is one by its trade, else from its pool.

    The rule is that of :func:`supplyrisk.assemble.assemble`, :func:`supplyrisk.exporters.net_exporters`, by product and
    year: net exports above half of the exports and 0.2 percent of all trade, and no entrepot. What a source that lists by
    reporter has of a year is the newest that each of them has said by then. Where no flow of a product has a weight in a
    year, values stand for weights. A ``flag`` of the trade becomes the link's note.
    """
    flows = trade.merge(con.loc[con["use"], ["hs6", "product", "factor", "purity"]], on="hs6", how="inner")
    flows["quantity"] *= flows["factor"]
    flows["grade"] = np.where(flows["purity"].fillna(0.0) < 1.0, "B", "A")
    keys = ["product", "origin", "destination", "year"]
    grouped = flows.groupby(keys)
    sums = grouped[["quantity", "value"]].sum(min_count=1).join(grouped["grade"].max())
    # A heading without a weight is no heading of nothing: the sum is not known, at least the others'.
    part = (flows["quantity"].isna() & (flows["value"] > 0)).groupby([flows[k] for k in keys]).any()
    part &= sums["quantity"].notna()
    sums["low"] = sums["quantity"].where(part)
    sums["known"] = sums["quantity"]
    sums["quantity"] = sums["quantity"].mask(part)
    if "flag" in flows:
        said = flows[flows["flag"].notna()].groupby(keys)["flag"]
        sums["note"] = said.agg(lambda v: "; ".join(dict.fromkeys(v))).reindex(sums.index)
    flows = sums.reset_index()
    flows["source"] = trade["source"].iloc[0] if len(trade) else None
    flows["published_on"] = trade["published_on"].iloc[0] if len(trade) else None
    maker = _makes(flows, sources)
    producer = flows["product"] + "@" + flows["origin"]
    flows["supplier"] = producer.where(maker, producer + ":demand")
    flows["buyer"] = flows["product"] + "@" + flows["destination"] + ":demand"
    flows["method"] = "observed"
    flows["missing"] = pd.Series("not_available", index=flows.index).where(flows["quantity"].isna())
    ends = pd.concat(
        [
            flows[["supplier", "product", "origin", "year", "source"]].set_axis(
                ["node", "product", "country", "year", "source"], axis=1
            ),
            flows[["buyer", "product", "destination", "year", "source"]].set_axis(
                ["node", "product", "country", "year", "source"], axis=1
            ),
        ]
    ).drop_duplicates(["node", "year"])
    ends["kind"] = np.where(ends["node"].str.endswith(":demand"), "demand", "producer")
    links = flows[
        [
            "supplier",
            "buyer",
            "product",
            "year",
            "method",
            "value",
            "quantity",
            *(["low"] if flows["low"].notna().any() else []),
            "missing",
            "published_on",
            "source",
            "grade",
            *(["note"] if "note" in flows else []),
        ]
    ]
    return {"nodes": ends.reset_index(drop=True), "links": links}


def _makes(flows: pd.DataFrame, sources: pd.DataFrame | None) -> npt.NDArray[np.bool_]:
    """Flows from those who make what they send, by the trade of the year."""
    out = np.zeros(len(flows), dtype=bool)
    amount = flows[["product", "origin", "destination", "year", "source", "quantity", "value"]].copy()
    by = [flows["product"], flows["year"]]
    weighed = (flows["known"] > 0).groupby(by).transform("any")
    amount["known"] = flows["known"].where(weighed, flows["value"]).fillna(0.0)
    year = flows["year"].to_numpy(dtype=float)
    whole = sources is None or not sources["lists"].isin([BY_IMPORTER, BY_EXPORTER]).any()
    for y in np.unique(year):
        then = amount[(year == y) if whole else (year <= y)]
        if not whole:
            then = then[counts(then, ["product"], ["origin", "destination"], sources, whole=True)]
        sold = then.groupby(["product", "origin"])["known"].sum()
        got = then.groupby(["product", "destination"])["known"].sum()
        got.index.names = sold.index.names
        makes = net_exporters(sold, got, sold.index.get_level_values(0), sold.index.get_level_values(1))
        at = np.flatnonzero(year == y)
        out[at] = pd.MultiIndex.from_frame(flows[["product", "origin"]].iloc[at]).isin(makes.index)
    return out

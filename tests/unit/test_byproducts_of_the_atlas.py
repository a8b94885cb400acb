"""By-products of the published figures: what is estimated stays within host throughput x grade x recovery."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.byproducts import byproduct_limits
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows


@pytest.fixture(scope="module")
def markets() -> SupplyGraph:
    """The by-products of the atlas and their hosts, before balancing."""
    atlas = sr.load_atlas()
    hosts = atlas.tables["recipes"]
    hosts = hosts[hosts["host"].fillna(False).astype(bool)]
    part = atlas.select(product=sorted(set(hosts["product"]) | set(hosts["input"])))
    held = part.tables["holdings"]
    held = held[held["asset"].isin(set(part.nodes["node"]))]
    return SupplyGraph.from_tables({**part.tables, "holdings": held}, as_of=part.as_of)


def allowed(graph: SupplyGraph) -> pd.Series:
    """Units of by-product that the own host pools of each producer allow, worked out anew; unknown hosts are absent."""
    links = graph.index.links
    _, _, high = graph.interval("links", "quantity", links)
    known = pd.Series(graph.index.quantity).notna().to_numpy()
    inflow = pd.DataFrame({"pool": links["buyer"].astype(str), "product": links["product"].astype(str)})
    inflow["high"] = np.where(known, high, np.nan)
    inflow = inflow[inflow["pool"].str.fullmatch(r"[^@]+@[A-Z]{3}:demand")]
    inflow = inflow[inflow["pool"].str.partition("@")[0] == inflow["product"]]
    through = inflow.groupby("pool")["high"].agg(lambda v: v.sum(skipna=False))
    fed = set(zip(links["supplier"].astype(str), links["buyer"].astype(str), strict=True))
    recipes = graph.tables["recipes"]
    recipes = recipes[recipes["host"].fillna(False).astype(bool)]
    out = {}
    makers = graph.index.nodes
    for node in makers.loc[makers["kind"] == "producer", "node"].astype(str).unique():
        product, _, place = node.partition("@")
        pools = [
            (f"{r.input}@{place.partition('#')[0]}:demand", r.coefficient)
            for r in recipes[recipes["product"] == product].itertuples()
        ]
        if pools and all((pool, node) in fed for pool, _ in pools):
            out[node] = sum(through.get(pool, np.nan) / c for pool, c in pools)
    return pd.Series(out, dtype=float).dropna()


def test_what_is_estimated_of_a_byproduct_stays_within_its_hosts(markets: SupplyGraph) -> None:
    before = markets.index.nodes.set_index("node")["output"]
    graph = balance_flows(markets, conflicts="relax")
    limit = allowed(graph)
    limits = byproduct_limits(graph).dropna(subset="limit").groupby("node")["limit"].sum()
    common = limit.index.intersection(limits.index)
    assert len(common) >= 8
    assert limit[common].to_numpy() == pytest.approx(limits[common].to_numpy(), rel=1e-9)
    nodes = graph.index.nodes.set_index("node")
    links = graph.index.links
    sent = pd.Series(graph.index.quantity).groupby(links["supplier"].astype(str).to_numpy()).sum()
    for node, most in limit.items():
        row, published = nodes.loc[node], before[node]
        if np.isnan(published):  # an estimate never exceeds the limit
            assert sent.get(node, 0.0) <= most * (1 + 1e-9), node
            assert not row["output_high"] > most * (1 + 1e-9), node
        elif published > most * (1 + 1e-9):  # a published figure stays, says so, and its interval holds the limit
            assert row["output"] == published
            assert "above what the throughput of" in row["note"], node
            assert row["output_low"] <= most * (1 + 1e-9), node
        else:
            assert "above what the throughput of" not in str(row["note"]), node
    assert np.isnan(before[limit.index]).any()
    assert (before[limit.index] > limit).any()

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
    """Units of by-product that the hosts of each producer allow, worked out anew; unknown hosts are absent.

    A host of the same stage counts with what is made of it in the place, one of an earlier stage with what the pool gets.
    """
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
    stage = graph.products.set_index("product")["stage"]
    _, _, top = graph.interval("nodes", "output", makers)
    made: dict[str, list[float]] = {}
    for row, high in zip(makers.itertuples(), top, strict=True):
        if row.kind == "producer" and row.country != "ROW":
            made.setdefault(f"{row.product}@{row.country}", []).append(high if row.output == row.output else np.nan)
    for node in makers.loc[makers["kind"] == "producer", "node"].astype(str).unique():
        product, _, place = node.partition("@")
        total = 0.0
        mine = recipes[recipes["product"] == product]
        for r in mine.itertuples():
            host = f"{r.input}@{place.partition('#')[0]}"
            per = r.coefficient if np.isnan(r.low) else r.low
            if stage[r.input] == stage[product]:
                total += sum(made.get(host, [np.nan])) / per
            else:
                total += (through.get(f"{host}:demand", np.nan) if (f"{host}:demand", node) in fed else np.nan) / per
        if len(mine):
            out[node] = total
    return pd.Series(out, dtype=float).dropna()


def test_what_is_estimated_of_a_byproduct_stays_within_its_hosts(markets: SupplyGraph) -> None:
    before = markets.index.nodes.set_index("node")["output"]
    graph = balance_flows(markets, conflicts="relax")
    limit = allowed(graph)
    limits = byproduct_limits(graph).groupby("node")["limit"].agg(lambda v: v.sum(skipna=False)).dropna()
    common = limit.index.intersection(limits.index)
    assert len(common) >= 8
    assert len(limits) == len(limit)
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


def test_a_byproduct_of_the_same_stage_follows_what_is_made_whatever_is_exported() -> None:
    """75.6 t of cobalt fit beside 1,000 t of mined copper though 900 t of it leave as ore (13.23 t per t)."""
    row = {"unit": "t", "basis": "contained", "period": "year"}
    products = pd.DataFrame(
        [row | {"product": f"{c}.mine", "name": c, "commodity": c, "chain": c, "stage": "mine"} for c in ("cu", "co")]
    )
    made = [("cu.mine", "COD", 1000.0), ("cu.mine", "CHN", 100.0), ("co.mine", "COD", 70.0), ("co.mine", "ZMB", 1.0)]
    graph = sr.assemble(
        products=products,
        production=pd.DataFrame(made, columns=["product", "country", "quantity"]).assign(year=2024, grade="assumption"),
        trade=pd.DataFrame([{"hs6": "260300", "origin": "COD", "destination": "CHN", "year": 2024, "quantity": 900.0}]),
        concordance=pd.DataFrame([{"hs6": "260300", "product": "cu.mine", "factor": 1.0, "purity": 1.0}]),
        recipes=pd.DataFrame(
            [
                {
                    "product": "co.mine",
                    "input": "cu.mine",
                    "process": "leach",
                    "coefficient": 13.23,
                    "host": True,
                    "input_class": "essential",
                    "grade": "assumption",
                }
            ]
        ),
    )
    limits = byproduct_limits(graph).set_index("node")
    assert limits.loc["co.mine@COD", "likely"] == pytest.approx(1000 / 13.23)
    assert limits.loc["co.mine@COD", "status"] == "slack"
    assert limits.loc["co.mine@ZMB", "status"] == "unknown"  # nobody is known to mine copper there: not zero
    assert not (graph.balance()["account"] == "by-product").any()


def test_an_export_tells_no_throughput_of_a_host_that_stays_at_home(tmp_path) -> None:
    row = {"unit": "t", "basis": "contained", "period": "year", "stage": "mine"}
    products = pd.DataFrame(
        [row | {"product": f"{c}.mine", "name": c, "commodity": c, "chain": c} for c in ("cu", "co")]
    )
    made = [("cu.mine", "COD", 777.25, "secret"), ("co.mine", "COD", 70.0, "pub"), ("co.mine", "AUS", np.nan, "pub")]
    production = pd.DataFrame(made, columns=["product", "country", "quantity", "source"]).assign(year=2024, grade="A")
    recipe = {"product": "co.mine", "input": "cu.mine", "process": "leach", "coefficient": 100.0, "host": True}
    terms = [("secret", "restricted"), ("pub", "cc_by")]
    graph = sr.assemble(
        products=products,
        production=production,
        recipes=pd.DataFrame([recipe | {"input_class": "essential", "grade": "assumption"}]),
        tables={
            "sources": pd.DataFrame([{"source": s, "title": s, "licence": t, "licence_class": t} for s, t in terms])
        },
    )
    limit = byproduct_limits(graph).set_index("node").loc["co.mine@COD", "limit"]
    assert "above what the throughput of cu.mine" in str(graph.nodes.set_index("node").loc["co.mine@COD", "note"])
    assert graph.nodes.set_index("node").loc["co.mine@COD", "output_low"] == pytest.approx(limit)
    sr.export(graph, tmp_path / "out", share="public")
    text = "".join(p.read_text(errors="ignore") for p in (tmp_path / "out").rglob("*") if p.is_file())
    public = sr.read(tmp_path / "out")
    assert "throughput of" not in " ".join(public.history) + public.nodes["note"].fillna("").str.cat()
    assert not public.gaps["what"].eq("by-product limit").any()
    assert public.nodes[["output_low", "output_high"]].isna().all(axis=None)
    assert public.nodes.set_index("node").loc["co.mine@COD", "output"] == 70.0
    assert f"{limit:.4g}" not in text
    assert "777.25" not in text

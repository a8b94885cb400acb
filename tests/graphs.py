"""Random but valid supply graphs, for the laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from supplyrisk.graph import SupplyGraph
from supplyrisk.schema import node_id

COUNTRIES = ("CHN", "HKG", "TWN", "JPN", "USA", "DEU", "IDN", "COD", "AUS")
SOURCE = pd.DataFrame([{"source": "made", "title": "made up for a test", "licence": "CC0", "licence_class": "cc0"}])


def make(seed: int, products: int = 3, countries: int = 5, *, holdings: bool = True, loops: bool = True) -> SupplyGraph:
    """A chain of products made in several countries, traded into country pools, with owners and price tags."""
    rng = np.random.default_rng(seed)
    places = list(COUNTRIES[:countries])
    stages = ["mine", "refine", "metal", "component", "device"]
    chain = [f"x{k}.form" for k in range(products)]
    prod = pd.DataFrame(
        [
            {
                "product": p,
                "name": p,
                "commodity": f"x{k}",
                "chain": "x",
                "stage": stages[min(k, 4)],
                "unit": "t",
                "basis": "contained",
                "period": "year",
                "price": float(rng.integers(1, 50)),
                "price_grade": "assumption",
            }
            for k, p in enumerate(chain)
        ]
    )
    nodes, links, demand, recipes, held = [], [], [], [], []

    def node(p, c, kind="producer", **kw):
        n = node_id(p, c, kind=kind)
        nodes.append({"node": n, "product": p, "country": c, "kind": kind, "year": 2024, **kw})
        return n

    def link(a, b, p, q):
        links.append(
            {
                "supplier": a,
                "buyer": b,
                "product": p,
                "year": 2024,
                "method": "observed",
                "quantity": float(q),
                "source": "made",
                "grade": "A",
            }
        )

    for k, p in enumerate(chain):
        makers = [c for c in places if rng.random() < 0.7] or places[:1]
        pools = {c: node(p, c, "demand") for c in places}
        made = {}
        for c in makers:
            flows = rng.integers(1, 100, len(places)).astype(float) * (rng.random(len(places)) < 0.8)
            if not flows.sum():
                flows[0] = 1.0
            n = node(
                p,
                c,
                output=float(flows.sum()),
                output_source="made",
                output_grade="A",
                unit_cost=float(rng.integers(1, 20)),
                unit_cost_source="made",
                unit_cost_grade="A",
                capacity=float(flows.sum() * 1.25),
                capacity_source="made",
                capacity_grade="B",
            )
            made[c] = n
            for d, q in zip(places, flows, strict=True):
                if q:
                    link(n, pools[d], p, q)
            if holdings and rng.random() < 0.5:
                h = places[int(rng.integers(len(places)))]
                s = float(np.round(rng.uniform(0.1, 1.0), 2))
                held.append(
                    {
                        "asset": n,
                        "part": "",
                        "portion": 1.0,
                        "holder": f"firm {h}",
                        "holder_country": h,
                        "type": "majority" if s > 0.5 else "minority",
                        "share": s,
                        "source": "made",
                        "grade": "A",
                    }
                )
        if loops and len(places) > 2 and rng.random() < 0.5:  # re-exports in a ring
            a, b = rng.choice(len(places), 2, replace=False)
            link(pools[places[a]], pools[places[b]], p, rng.integers(1, 10))
            link(pools[places[b]], pools[places[a]], p, rng.integers(1, 10))
        if k:
            recipes.append(
                {
                    "product": p,
                    "input": chain[k - 1],
                    "process": "main",
                    "input_class": "essential",
                    "coefficient": 1.0,
                    "source": "made",
                    "grade": "A",
                }
            )
            for c, n in made.items():
                link(node_id(chain[k - 1], c, kind="demand"), n, chain[k - 1], rng.integers(1, 50))
        if k == products - 1:
            for c in places:
                demand.append(
                    {
                        "node": pools[c],
                        "use": "total",
                        "year": 2024,
                        "quantity": float(rng.integers(1, 100)),
                        "source": "made",
                        "grade": "B",
                    }
                )
    return SupplyGraph.from_tables(
        products=prod,
        nodes=pd.DataFrame(nodes),
        links=pd.DataFrame(links),
        demand=pd.DataFrame(demand),
        recipes=pd.DataFrame(recipes),
        sources=SOURCE,
        name=f"made {seed}",
        **({"holdings": pd.DataFrame(held)} if held else {}),
    )


@st.composite
def graphs(draw, **kw) -> SupplyGraph:
    """Hypothesis strategy over :func:`make`."""
    return make(draw(st.integers(0, 2**20)), draw(st.integers(1, 4)), draw(st.integers(2, 8)), **kw)

"""From the embedded atlas to scores, beside pandas doing the same arithmetic group by group."""

from __future__ import annotations

import pandas as pd

import supplyrisk as sr

from ..harness import Phases, benchmark
from .import_time import fresh_python


@benchmark(sizes={"S": {}}, aims={"buyer_score": ("pandas groupby-apply", 1.0)})
def atlas_score(seed: int) -> Phases:
    """Load the atlas; share, HHI, CR3 and effective suppliers of every (buyer, product), and by product in four views."""
    graph = sr.load_atlas()
    links = graph.index.links.query("quantity > 0").assign(  # a market of nothing has no shares
        country=lambda d: d["supplier"].str.partition("@")[2].str.slice(0, 3)
    )

    def by_hand() -> pd.DataFrame:
        def one(group: pd.DataFrame) -> pd.Series:
            q = group.groupby("country")["quantity"].sum()
            s = q / q.sum()
            hhi = float((s**2).sum())
            return pd.Series(
                {"focal_share": float(s.get("CHN", 0.0)), "hhi": hhi, "cr3": float(s.nlargest(3).sum()), "n": 1.0 / hhi}
            )

        return pd.DataFrame(links.groupby(["product", "buyer"])[["country", "quantity"]].apply(one))

    metrics = ["focal_share", "hhi", "concentration_ratio", "effective_suppliers"]

    def ours() -> pd.DataFrame:
        return sr.score(graph, by=["product", "buyer"], metrics=metrics)

    def views() -> None:
        for view in ("location", "equity", "control", "origin"):
            sr.score(graph, by="product", view=view, bounds=True)

    return {
        "load": {
            "supplyrisk": fresh_python("import supplyrisk as sr; sr.load_atlas()"),
            "reading the same tables": fresh_python("import supplyrisk as sr; sr.atlas.figures(); sr.coalition('MSP')"),
        },
        "buyer_score": {"supplyrisk": ours, "pandas groupby-apply": by_hand},
        "four_views_bounds": {"supplyrisk": views, "pandas groupby-apply": by_hand},
    }

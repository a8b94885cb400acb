"""Who makes what part of each product: the numbers behind the heat map and the Sankey."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..graph import SupplyGraph
from ..schema import GRADES, STAGES

__all__ = ["output_shares", "stage_rank", "worst_grade"]

_RANK = {g: i for i, g in enumerate(GRADES)}


def worst_grade(grades: pd.Series) -> str:
    """Lowest grade among several; an ungraded figure counts as an assumption.

    Parameters
    ----------
    grades : Series
        Grades.

    Returns
    -------
    str

    Examples
    --------
    >>> worst_grade(pd.Series(["A", "C", "B"]))
    'C'
    """
    if not len(grades):
        return "assumption"
    ranks = grades.astype("object").map(_RANK).fillna(len(GRADES) - 1)
    return GRADES[int(ranks.max())]


def stage_rank(stage: pd.Series) -> pd.Series:
    """Position of each stage in the order of a chain."""
    return stage.astype("object").map({s: i for i, s in enumerate(STAGES)}).fillna(len(STAGES))


def output_shares(graph: SupplyGraph) -> pd.DataFrame:
    """Share of each country in the recorded world output of each product, latest vintage.

    Parameters
    ----------
    graph : SupplyGraph
        The graph. Sites of a country are added; ``ROW`` is the unlisted rest.

    Returns
    -------
    DataFrame
        ``product, name, chain, stage, country, output, share, grade, year, source, status``. Status is
        ``known``, or ``missing`` where a producer is recorded without a figure: its share is NaN, never zero.
    """
    nodes = graph.index.nodes
    nodes = nodes[nodes["kind"] == "producer"]
    columns = ["product", "name", "chain", "stage", "country", "output", "share", "grade", "year", "source", "status"]
    if not len(nodes):
        return pd.DataFrame(columns=columns)
    part = pd.DataFrame(
        {
            "product": nodes["product"].astype("object"),
            "country": nodes["country"].astype("object"),
            "output": nodes["output"].to_numpy(dtype=float),
            "grade": nodes["output_grade"].astype("object"),
            "year": nodes["output_year"].fillna(nodes["year"]).astype("float64"),
            "source": nodes["output_source"].astype("object"),
        }
    )
    part["rank"] = part["grade"].map(_RANK).fillna(len(GRADES) - 1).where(part["output"].notna())
    by = part.groupby(["product", "country"], sort=True)
    out = by.agg(
        output=("output", lambda s: s.sum(min_count=1)),
        rank=("rank", "max"),
        year=("year", "max"),
        source=("source", "first"),
    ).reset_index()
    out["grade"] = [GRADES[int(r)] if not np.isnan(r) else None for r in out["rank"]]
    total = out.groupby("product")["output"].transform("sum")
    with np.errstate(invalid="ignore", divide="ignore"):
        out["share"] = np.where(total > 0, out["output"] / total, np.nan)
    out["status"] = np.where(out["output"].isna(), "missing", "known")
    products = graph.tables["products"][["product", "name", "chain", "stage"]].astype("object")
    out = out.merge(products, on="product", how="left")
    return out[columns]

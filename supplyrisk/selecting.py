"""The part of a graph that meets conditions: products, places and years, and everything that hangs on them.

A row stays with the nodes and products that it speaks of: links with both their ends, recipes with both their products,
the owners of what is left. Firms that own something stay, whatever they own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from .errors import unknown_name

__all__ = ["selected"]


def selected(
    tables: Mapping[str, pd.DataFrame],
    product: str | Iterable[str] | None,
    chain: str | Iterable[str] | None,
    stage: str | Iterable[str] | None,
    country: str | Iterable[str] | None,
    year: int | None,
) -> tuple[dict[str, pd.DataFrame], list[str] | None]:
    """Tables cut to what is asked, and the places asked for (None: everywhere).

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of a graph.
    product, chain, stage, country : str or iterable of str, optional
        Values to keep.
    year : int, optional
        Figures of later data years leave, with the links and uses of nodes that leave.

    Returns
    -------
    dict of DataFrame, list of str or None

    Raises
    ------
    UnknownNameError
        A value that nothing in the tables has, with close matches.
    """
    products, nodes = tables["products"], tables["nodes"]
    keep = pd.Series(True, index=products.index)
    for column, wanted in (("product", product), ("chain", chain), ("stage", stage)):
        if wanted is None:
            continue
        values = [wanted] if isinstance(wanted, str) else list(wanted)
        for v in values:
            if not (products[column] == v).any():
                raise unknown_name(column, v, products[column].unique(), "select()")
        keep &= products[column].isin(values)
    kept = set(products.loc[keep, "product"])
    n = nodes[nodes["product"].isin(kept)]
    places: list[str] | None = None
    if country is not None:
        places = [country] if isinstance(country, str) else list(country)
        for v in places:
            if not (nodes["country"] == v).any():
                raise unknown_name("country", v, nodes["country"].unique(), "select()")
        n = n[n["country"].isin(places)]
    ids = set(n["node"])
    out = dict(tables)
    out["products"], out["nodes"] = products[keep], n
    link = out["links"]
    out["links"] = link[link["supplier"].isin(ids) & link["buyer"].isin(ids)]
    out["demand"] = out["demand"][out["demand"]["node"].isin(ids)]
    out["stocks"] = out["stocks"][out["stocks"]["node"].isin(ids)]
    r = out["recipes"]
    out["recipes"] = r[r["product"].isin(kept) & r["input"].isin(kept)]
    for name in ("measures", "projects", "gaps"):
        out[name] = out[name][out[name]["product"].isin(kept)]
    asset = out["holdings"]["asset"].astype("str")
    cut = asset.isin(set(nodes["node"]) - ids) | ~asset.str.replace("@.*", "", regex=True).isin(kept)
    out["holdings"] = out["holdings"][~(cut & asset.str.contains("@", regex=False))]  # firms that own stay
    if year is not None:
        for name in ("nodes", "links", "demand", "stocks", "countries"):
            f = out[name]
            out[name] = f[f["year"].astype("float64").fillna(-1) <= year]
        alive = set(out["nodes"]["node"])  # a link whose end has left has left too
        for name, columns in (("links", ("supplier", "buyer")), ("demand", ("node",)), ("stocks", ("node",))):
            for c in columns:
                out[name] = out[name][out[name][c].isin(alive)]
    return out, places

"""What given figures imply: rests of totals, flows that are what others leave, uses that are what is left of an inflow.

A figure that follows from those that stand beside it tells nothing more. What was worked out of figures that may not be
passed on is told by this test alone, not by where it comes from: it stays where the public rows give it, and a rest is
worked out again of them where they give another one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .remainder import worked_out_on
from .vintages import BoolArray, mark, newest_of

__all__ = ["bound_again", "closing", "closing_uses", "pools_of", "rests", "unbounded"]

REST = "world total less the listed producers"
_NEAR = 1e-9
_ROUNDING = 1e-3  # of a total: no producer, see flows


def rests(nodes: pd.DataFrame, candidates: pd.DataFrame, sources: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Residuals of published totals, as the given producers leave them.

    Parameters
    ----------
    nodes : DataFrame
        Rows of the table, without the residuals.
    candidates : DataFrame
        Rows of residuals as they were worked out before, the one that counts for a total and a year first. Those
        without a published total tell nothing that could be worked out.
    sources : DataFrame
        Table of sources.

    Returns
    -------
    DataFrame, int
        A row per residual and year: the first candidate that is what its total less the newest outputs of the others,
        of its year or before, leaves; else the first one with that figure. And how many were worked out again.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> empty = sr.SupplyGraph.from_tables()
    >>> len(rests(empty.nodes, empty.nodes, empty.sources)[0])
    0
    """
    given = candidates[candidates["total"].notna()]
    if not len(given):
        return given, 0
    makers = nodes[(nodes["kind"] == "producer") & nodes["product"].isin(given["product"])]
    makers = makers[~makers["country"].isin(["ROW", "WLD"])]
    # A total of two years shows, as any figure, that its source lists whole years.
    totals = given.drop_duplicates(["node", "year"]).assign(output=given["total"], output_low=np.nan)
    both = pd.concat([makers.astype("object"), totals.astype("object")], ignore_index=True)
    both = both.astype({"output": "float64", "output_low": "float64", "year": "float64"})
    made = both.assign(quantity=both["output"], low=both["output_low"])
    made = mark(made.assign(source=made["output_source"].fillna(made["source"])), ["product"], ["node"], sources)
    made = made[~made["node"].isin(given["node"])]
    by_product = dict(tuple(made.groupby(made["product"].astype("object"))))
    found, again = [], 0
    for _, rows in given.groupby(["node", "year"], sort=True, dropna=False):
        top = rows.iloc[0]
        mine = by_product.get(top["product"], made.iloc[:0])
        until = mine[(mine["year"] <= float(top["year"])).to_numpy(dtype=bool)]
        taken = newest_of(until, "node")
        whole = newest_of(until[until["site"].isna()], "node")  # sites that were added later are in no rest
        total = float(top["total"])
        left = [_left(total, float(t["quantity"].sum())) for t in (taken, whole)]
        same = rows[(rows["total"].astype(float) - total).abs() <= _NEAR * total]
        amount = same["output"].astype(float).to_numpy()
        fits = np.zeros(len(same), dtype=bool)
        for value in left:
            fits |= np.isclose(amount, value, rtol=_NEAR, atol=_NEAR * total)
        known = taken.loc[taken["quantity"].notna(), ["year", "published_on"]]
        days = sorted(str(d) for d in same["published_on"].dropna())
        day = worked_out_on(days[0] if days else None, float(top["year"]), known)
        if fits.any():
            new = same[fits].iloc[0].copy()
        else:
            again += 1
            new = top.copy()
            new["output"], new["output_missing"], new["note"] = left[0], None, REST
            for c in ("output_low", "output_high", "rest_low", "rest_high"):
                new[c] = np.nan
            if taken["quantity"].isna().any():
                new["output_low"], new["output_high"] = 0.0, left[0]
        new["published_on"] = day
        found.append(new)
    return pd.DataFrame(found).astype(candidates.dtypes.to_dict()), again


def _left(total: float, known: float) -> float:
    value = total - known
    return value if value > _ROUNDING * total else 0.0


def closing(links: pd.DataFrame, nodes: pd.DataFrame, candidates: pd.DataFrame) -> BoolArray:
    """Which estimated flows are what the other given flows of a producer leave of its given output.

    Parameters
    ----------
    links : DataFrame
        Given flows, without estimates.
    nodes : DataFrame
        Given nodes.
    candidates : DataFrame
        Estimated flows, the ones that count first.

    Returns
    -------
    ndarray of bool
        Of a producer's output of a year the first such flow. Where an estimate is split over several, none is: how it is
        split rests on more than its own figures.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> closing(g.links, g.nodes, g.links).tolist()
    []
    """
    if not len(candidates):
        return np.zeros(0, dtype=bool)
    made = nodes[(nodes["kind"] == "producer") & nodes["output"].notna()]
    made = made[["node", "product", "year", "output"]].astype({"node": "object", "product": "object"})
    c = candidates[["supplier", "product", "year", "quantity"]].reset_index(drop=True)
    c = c.astype({"supplier": "object", "product": "object", "quantity": "float64"}).assign(_row=np.arange(len(c)))
    key = ["supplier", "product", "year"]
    pairs = c.merge(made, left_on=["supplier", "product"], right_on=["node", "product"], suffixes=("", "_of"))
    pairs = pairs[(pairs["year_of"] <= pairs["year"]).fillna(False).to_numpy(dtype=bool)]
    newest = pairs.sort_values("year_of", kind="stable").drop_duplicates("_row", keep="last").set_index("_row")
    output = newest["output"].reindex(c["_row"]).to_numpy(dtype=float)
    flow = links.groupby([links[k].astype("object") for k in key])["quantity"].sum()
    sent = flow.reindex(pd.MultiIndex.from_frame(c[key].astype("object"))).fillna(0.0).to_numpy(dtype=float)
    fits = np.isclose(np.maximum(output - sent, 0.0), c["quantity"], rtol=1e-6, atol=_NEAR)
    plain = candidates[["value", "value_low", "value_high"]].isna().all(axis=1).to_numpy(dtype=bool)
    fits = np.asarray(fits & plain, dtype=bool)
    fits[fits] = ~c[fits].duplicated(key).to_numpy(dtype=bool)
    return fits


def closing_uses(links: pd.DataFrame, candidates: pd.DataFrame) -> BoolArray:
    """Which uses are what the given flows into a pool leave there, less those out of it.

    Parameters
    ----------
    links : DataFrame
        Given flows.
    candidates : DataFrame
        Rows of ``demand``.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> closing_uses(g.links, g.demand).tolist()
    []
    """
    node, year = (candidates[c].astype("object") for c in ("node", "year"))
    at = pd.MultiIndex.from_arrays([node, year])
    flow = {
        end: links.groupby([links[end].astype("object"), links["year"].astype("object")])["quantity"].sum()
        for end in ("buyer", "supplier")
    }
    got, given = (flow[e].reindex(at).fillna(0.0).to_numpy(dtype=float) for e in ("buyer", "supplier"))
    amount = candidates["quantity"].astype("float64").to_numpy()
    return np.asarray(np.isclose(np.maximum(got - given, 0.0), amount, rtol=1e-6, atol=_NEAR) & (got > 0), dtype=bool)


def pools_of(candidates: pd.DataFrame, links: pd.DataFrame, uses: pd.DataFrame) -> pd.DataFrame:
    """Pools that state nothing, as given flows and uses name them: of their years, known with the first of them.

    Parameters
    ----------
    candidates : DataFrame
        Rows of ``nodes``, the ones that count first.
    links, uses : DataFrame
        Given flows, and rows of use or stock.

    Returns
    -------
    DataFrame
        Of every named pool the rows of years in which it is named; where there is none, one of the last such year.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> len(pools_of(g.nodes, g.links, g.demand))
    0
    """
    ends = [links[[c, "year", "published_on"]].set_axis(["node", "year", "day"], axis=1) for c in ("supplier", "buyer")]
    parts = [*ends, uses[["node", "year", "published_on"]].set_axis(["node", "year", "day"], axis=1)]
    named = pd.concat([p.astype("object") for p in parts], ignore_index=True)
    named = named[named["node"].isin(set(candidates["node"]))]
    there = pd.MultiIndex.from_frame(named[["node", "year"]])
    own = pd.MultiIndex.from_frame(candidates[["node", "year"]].astype("object"))
    kept = candidates[own.isin(there)].drop_duplicates(["node", "year"])
    bare = candidates[candidates["node"].isin(set(named["node"]) - set(kept["node"]))].drop_duplicates("node")
    if len(bare):
        last = named.dropna(subset=["year"]).groupby("node")["year"].max()
        bare = bare.assign(year=bare["node"].map(last).astype("Int64").astype(bare["year"].dtype))
    out = pd.concat([kept, bare])
    first = named.dropna(subset=["day"]).astype({"day": "str"}).groupby("node")["day"].min()
    day = out["node"].astype("object").map(first).astype("object")
    return out.assign(published_on=day.where(day.notna(), None).astype(out["published_on"].dtype))


def unbounded(nodes: pd.DataFrame, hit: pd.Series, links: pd.DataFrame) -> pd.DataFrame:
    """Nodes without what a rest of a total or exports say of makers whose output nobody gives.

    Parameters
    ----------
    nodes : DataFrame
        Rows of the table.
    hit : Series of bool
        Rows to look at.
    links : DataFrame
        Given flows: what a maker is known to send may stand for its output where it is what these add up to.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> len(unbounded(g.nodes, g.nodes["node"].notna(), g.links))
    0
    """
    hit = hit & nodes["kind"].eq("producer") & ~nodes["country"].isin(["ROW", "WLD"])
    inside = hit & nodes["inside"].notna()
    open_ = inside & nodes["output"].isna()
    guess = hit & nodes["output"].isna() & nodes["output_grade"].astype("object").isin(["assumption"])
    sent = links[links["supplier"].isin(nodes.loc[inside, "node"])].groupby("supplier")["quantity"].sum()
    stands = nodes["output"].astype("float64")
    alike = np.isclose(stands, nodes["node"].astype("object").map(sent).astype("float64"), rtol=1e-6)
    carved = inside & nodes["output"].notna() & ~alike
    if not (open_ | guess | carved).any():
        return nodes
    out = nodes.copy()
    for c in ("output", "output_low", "output_high"):
        out[c] = out[c].mask(open_ | guess | carved)
    missing = out["output_missing"].mask(carved, "unknown")
    out["output_missing"] = missing
    return out


def bound_again(nodes: pd.DataFrame, products: set[str]) -> pd.DataFrame:
    """Nodes in which makers inside a rest make no more than the rest that stands there; inside none where none does.

    Parameters
    ----------
    nodes : DataFrame
        Rows of the table.
    products : set of str
        Products to look at.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import supplyrisk as sr
    >>> len(bound_again(sr.SupplyGraph.from_tables().nodes, set()))
    0
    """
    hit = nodes["inside"].notna() & nodes["product"].isin(products) & nodes["output"].isna()
    if not hit.any():
        return nodes
    rest = nodes[(nodes["country"] == "ROW") & nodes["output"].notna() & nodes["site"].isna()]
    rest = rest.sort_values("year", kind="stable").drop_duplicates("node", keep="last").set_index("node")
    top = nodes["inside"].astype("object").map(rest["output_high"].fillna(rest["output"])).astype("float64")
    out = nodes.copy()
    out["output_high"] = out["output_high"].where(~hit, top)
    out["inside"] = out["inside"].mask(hit & top.isna())
    return out

"""What unlisted users of a traded product buy, and of whom: the inflow of the world pool."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

__all__ = ["world_feed"]

_WORLD = "@WLD:demand"


def world_feed(links: pd.DataFrame, traded: Collection[str], nominal: float) -> pd.DataFrame:
    """Links from makers to the world pools on which unlisted users of traded products draw.

    Never from the pools of other countries: a sender that nobody observed would count as the origin of what it only
    bought. Makers send in proportion to what they are known to export, the unlisted rest of the world (whose exports
    nobody records) to what it has left, and a maker of known output no more than it keeps at home.

    Parameters
    ----------
    links : DataFrame
        All links so far, in the columns of the data model.
    traded : collection of str
        Products of which trade is at hand.
    nominal : float
        Level where nobody says how much is asked for, as a part of what makers have to spare (assumption
        ``A-NOMINAL``).

    Returns
    -------
    DataFrame
        ``supplier, buyer, product, year, quantity`` in product units, and ``row``: the link, by position, from which
        it is to be taken; -1 where what the maker keeps is not known.

    Notes
    -----
    Missing policy: where no maker is known to export and nothing is left with the unlisted rest there is no link, and
    what comes of the world pool is unknown.

    Examples
    --------
    >>> link = dict(product="x.refined", year=2024, method="observed", quantity=30.0)
    >>> links = pd.DataFrame([
    ...     link | dict(supplier="x.refined@CHN", buyer="x.refined@DEU:demand"),
    ...     link | dict(supplier="x.refined@CHN", buyer="x.refined@CHN:demand", method="balanced", quantity=50.0),
    ...     link | dict(supplier="x.refined@WLD:demand", buyer="y.wafer@ROW", quantity=4.0)])
    >>> world_feed(links, {"x.refined"}, 0.1)[["supplier", "quantity", "row"]].values.tolist()
    [['x.refined@CHN', 4.0, 1]]
    """
    empty = pd.DataFrame(columns=["supplier", "buyer", "product", "year", "quantity", "row"])
    supplier = links["supplier"].astype(str)
    world = links[supplier.str.endswith(_WORLD) & links["product"].isin(traded)]
    asked = world.groupby("product", as_index=False).agg(
        known=("quantity", "sum"), unsure=("quantity", lambda q: bool(q.isna().any())), year=("year", "max")
    )
    if not len(asked):
        return empty
    got, given = (links.groupby(c)["quantity"].sum(min_count=0) for c in ("buyer", "supplier"))
    asked["has"] = (asked["product"] + _WORLD).map(got).astype(float).fillna(0.0)
    asked = asked[(asked["has"] <= 0) | (asked["known"] > asked["has"])]
    makers = links.assign(row=np.arange(len(links)))[
        ~supplier.str.endswith(":demand") & links["product"].isin(asked["product"])
    ]
    home = makers[(makers["method"] == "balanced") & makers["buyer"].eq(makers["supplier"].astype(str) + ":demand")]
    home = home.drop_duplicates("supplier").set_index("supplier")
    sent = makers[makers["method"].isin(("observed", "mirrored", "imputed"))].groupby("supplier")["quantity"].sum()
    # What a maker has left is in the pool already where it sends there at all.
    done = makers.loc[makers["buyer"].astype(str).str.endswith(_WORLD), "supplier"]
    s = makers[~makers["supplier"].isin(done)].drop_duplicates("supplier")
    s = s[["supplier", "product"]].astype("object").reset_index(drop=True)
    name = s["supplier"].astype(str)
    s["row"] = name.map(home["row"]).astype(float)
    s["kept"] = name.map(home["quantity"]).astype(float)
    pool = name + ":demand"
    spare = (pool.map(got).astype(float) - pool.map(given).astype(float).fillna(0.0)).clip(lower=0.0)
    s["spare"] = pd.concat([s["kept"], spare], axis=1).min(axis=1, skipna=False).fillna(0.0)
    sold = name.map(sent).astype(float).fillna(0.0)
    s["weight"] = sold.where(~name.str.endswith("@ROW"), s["kept"].fillna(0.0))
    # Of what a maker of unknown output keeps nobody knows; one without such a link keeps nothing.
    s["most"] = np.where(s["row"].isna(), 0.0, s["kept"].fillna(np.inf))
    pairs = s[(s["weight"] > 0) & (s["most"] > 0)].merge(asked, on="product")
    if not len(pairs):
        return empty
    by = pairs.groupby("product")
    level = by["spare"].transform("sum")
    level = nominal * level.where(level > 0, by["weight"].transform("sum"))
    short = pairs["known"] - pairs["has"]
    need = short.where(~(pairs["unsure"] & (pairs["has"] <= 0)), np.fmax(short, level))
    pairs["quantity"] = _shared(pairs["product"], pairs["weight"], pairs["most"], need)
    pairs = pairs[pairs["quantity"] > 0.005 * need]  # the small ones would add rows, not knowledge
    pairs["row"] = pairs["row"].where(pairs["kept"].notna(), -1.0).astype("int64")
    return pairs.assign(buyer=pairs["product"] + _WORLD)[list(empty.columns)].reset_index(drop=True)


def _shared(group: pd.Series, weight: pd.Series, most: pd.Series, need: pd.Series) -> pd.Series:
    """Split each group's need in proportion to weights, nobody beyond the most that it has."""
    out = pd.Series(0.0, index=group.index)
    for _ in range(len(group)):  # each round is the last, or uses somebody up
        able = weight.where(out < most, 0.0)
        total = able.groupby(group).transform("sum")
        left = need - out.groupby(group).transform("sum")
        step = (left * able / total).where((total > 0) & (left > 1e-9 * need), 0.0)
        if not (step > 0).any():
            break
        out = (out + step).clip(upper=most)
    return out

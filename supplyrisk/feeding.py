"""What flows into world pools and is drawn on them: unlisted users of traded products, pools that lack something."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from .intervals import DEFAULT_POLICY

__all__ = ["UNLISTED", "shortfalls", "world_feed"]

_WORLD = "@WLD:demand"
# Note of the unlisted rest of a product without a world total.
UNLISTED = "producers that nobody lists, if there are any"


def world_feed(
    links: pd.DataFrame,
    traded: Collection[str],
    nominal: float,
    ceiling: pd.Series | None = None,
    whole: Collection[str] = (),
) -> pd.DataFrame:
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
    ceiling : Series, optional
        The most that makers (index) of unknown output can make.
    whole : collection of str
        Products of which there is a rest, or a total, beside whose makers nobody else makes any.

    Returns
    -------
    DataFrame
        ``supplier, buyer, product, year, quantity`` in product units, and ``row``: the link, by position, from which
        it is to be taken; -1 where what the maker keeps is not known. What ceilings leave unmet is a flow of unknown
        quantity from the unlisted rest of the world, where nobody says how much that makes.

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
    allowed = pd.Series(np.inf, index=s.index) if ceiling is None else name.map(ceiling).astype(float).fillna(np.inf)
    room = (allowed - name.map(given).astype(float).fillna(0.0)).clip(lower=0.0)
    s["most"] = np.where(s["row"].isna(), 0.0, s["kept"].fillna(room))
    s["bound"] = s["row"].notna() & s["kept"].isna() & np.isfinite(room)
    pairs = s[(s["weight"] > 0) & ((s["most"] > 0) | s["bound"])].merge(asked, on="product")
    if not len(pairs):
        return empty
    by = pairs.groupby("product")
    level = by["spare"].transform("sum")
    level = nominal * level.where(level > 0, by["weight"].transform("sum"))
    short = pairs["known"] - pairs["has"]
    need = short.where(~(pairs["unsure"] & (pairs["has"] <= 0)), np.fmax(short, level))
    pairs["quantity"] = _shared(pairs["product"], pairs["weight"], pairs["most"], need)
    unmet = need - pairs.groupby("product")["quantity"].transform("sum")
    full = pairs["bound"] & (pairs["quantity"] >= pairs["most"] * (1 - 1e-9))
    lacks = pairs.assign(supplier=pairs["product"] + "@ROW", quantity=np.nan, row=-1)
    lacks = lacks[full & (unmet > 0.005 * need) & ~lacks["product"].isin(whole)].drop_duplicates("product")
    pairs = pairs[pairs["quantity"] > 0.005 * need]  # the small ones would add rows, not knowledge
    pairs["row"] = pairs["row"].where(pairs["kept"].notna(), -1.0).astype("int64")
    pairs = pd.concat([pairs, lacks], ignore_index=True) if len(lacks) else pairs
    return pairs.assign(buyer=pairs["product"] + _WORLD)[list(empty.columns)].reset_index(drop=True)


def shortfalls(
    links: pd.DataFrame, use: pd.DataFrame, traded: Collection[str], whole: Collection[str], presumed: pd.Series
) -> pd.DataFrame:
    """Draws on world pools: of pools that give more than they get, and of pools only presumed to be served at home.

    Where all trade is covered, only what is sent on to other countries counts: an industry that asks for more than
    its country gets is a contradiction of the sources, which the balance should show.

    Parameters
    ----------
    links : DataFrame
        All links so far.
    use : DataFrame
        ``product, country, year, quantity, low, high`` of the stated use of each country, one row each, of which no list
        of import sources speaks. Of products of which trade is at hand only those count into whose pool nothing flows.
    traded, whole : collection of str
        Products of which trade is at hand, and those of which all of it is.
    presumed : Series
        What pools (index) are presumed to get from makers at home, for want of trade data.

    Returns
    -------
    DataFrame
        ``buyer, product, supplier, need, quantity, low, high, year, note``. The presumption is as wide as any assumption: a
        pool that is all served at home draws 0, and at most what home make may fall short by.

    Notes
    -----
    Missing policy: a pool with an inflow of unknown quantity draws nothing more. A use of unknown quantity whose pool gets
    nothing draws an unknown quantity, within the bounds of the use.

    Examples
    --------
    >>> links = pd.DataFrame([dict(supplier="x@IND", buyer="x@IND:demand", product="x", quantity=8.0),
    ...                       dict(supplier="x@IND:demand", buyer="y@IND", product="x", quantity=8.0)])
    >>> home = pd.Series([8.0], index=["x@IND:demand"])
    >>> none = pd.DataFrame(columns=["product", "country", "year", "quantity", "low", "high"])
    >>> shortfalls(links, none, (), (), home)[["supplier", "quantity", "low", "high"]].values.tolist()
    [['x@WLD:demand', 0.0, 0.0, 4.0]]
    """
    got = links.groupby("buyer")["quantity"].sum(min_count=0)
    onward = links[~links["product"].isin(whole) | links["buyer"].astype(str).str.endswith(":demand")]
    given = onward.groupby("supplier")["quantity"].sum()
    unsure = set(links.loc[links["quantity"].isna(), "buyer"])
    pool = use["product"].astype(str) + "@" + use["country"].astype(str) + ":demand"
    bare = ~pool.isin(links["buyer"].astype(str))
    keep = bare | (use["quantity"].notna() & ~use["product"].isin(traded))
    use = use[keep].set_index(pool[keep])
    used = use["quantity"].astype(float)
    unfed = used.index[bare[keep].to_numpy(dtype=bool)]
    silent = unfed.intersection(used.index[used.isna()])
    outside = unfed.intersection(used.index[use["product"].isin(traded)])
    names = {str(n) for n in links["supplier"] if str(n).endswith(":demand")} | {
        *used.index,
        *presumed.index.astype(str),
    }
    out = pd.DataFrame({"buyer": pd.Series(sorted(names), dtype="object")})
    out["product"] = out["buyer"].map(lambda n: n.partition("@")[0]).astype("object")
    out["supplier"] = out["product"] + _WORLD
    out["need"] = np.fmax(
        out["buyer"].map(given).astype(float).fillna(0.0), out["buyer"].map(used).astype(float).fillna(0.0)
    )
    lack = out["need"] - out["buyer"].map(got).astype(float).fillna(0.0)
    short = lack > 1e-6 * out["need"]
    home = out["buyer"].map(presumed).astype(float)
    out["quantity"] = lack.where(short, 0.0)
    # Of users of whom only the use is known: as unknown as the use is.
    blank = out["buyer"].isin(silent) & ~short
    wide = DEFAULT_POLICY.by_grade["assumption"] * (home + out["quantity"])
    out["low"], out["high"] = (out["quantity"] - wide).clip(lower=0.0), out["quantity"] + wide
    out["note"] = np.where(
        short,
        "sent on or used beyond the known inflow: drawn on the world pool",
        "that all of it comes from home is assumed: what may be drawn on the world pool instead",
    )
    alone = blank | out["buyer"].isin(outside)
    out["note"] = out["note"].mask(alone, "stated use of which no supplier is known: drawn on the world pool")
    out["quantity"] = out["quantity"].mask(blank)
    for side in ("low", "high"):
        out[side] = out[side].mask(blank, out["buyer"].map(use[side]).astype(float))
    out["year"] = out["buyer"].map(use["year"]).astype(float)
    keep = (short | (home > 0) | blank) & (out["buyer"] != out["supplier"])
    return out[keep & ~out["buyer"].isin(unsure)].reset_index(drop=True)


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

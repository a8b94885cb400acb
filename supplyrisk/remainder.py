"""The unlisted rest of a world total, and the makers of unknown output that are part of it."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import pandas as pd

from .accounts import OVER_REST
from .intervals import DEFAULT_POLICY
from .jurisdictions import display_name
from .schema import GRADES

__all__ = ["bound_by_rest", "joined_texts", "last_text", "left_out", "share_rest", "spanned_values", "unsaid_rest",
           "worked_out_on"]  # fmt: skip

# What is said of a withheld figure that is in no total: with the figure itself, or in a sentence of the total's note.
_NO_PART = re.compile(r"world total leaves it out", re.IGNORECASE)
_EXCLUDES = re.compile(r"\bexclud(?:es?|ed|ing)\b|\bnot includ(?:e|es|ed|ing)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<!\bU\.S)\. |; | -- |\n")
_ALSO = {"USA": ("U.S.", "United States of America"), "GBR": ("U.K.", "UK"), "CHN": ("PRC",)}
_SHARED = "makers of unknown output are inside it"
_ROUNDING = 0.02  # of sources: what a least may be above the rest of a total and still inside it


def last_text(frame: pd.DataFrame, keys: str | list[str], column: str, least: bool = False) -> pd.Series:
    """Greatest (or least) text of each group, as ``groupby(keys)[column].max()`` without a call of Python for each group.

    Parameters
    ----------
    frame : DataFrame
        Rows; what is missing in ``column`` counts for nothing.
    keys : str or list of str
        Columns of the groups; rows without one are in no group.
    column : str
        Texts, such as ISO days.
    least : bool
        Whether the least one is asked for.

    Returns
    -------
    Series
        By group, in sorted order; NaN where a group has no text.

    Examples
    --------
    >>> f = pd.DataFrame({"k": ["b", "a", "b"], "day": ["2025-01", None, "2026-01"]})
    >>> last_text(f, "k", "day").to_dict()
    {'a': nan, 'b': '2026-01'}
    """
    codes, texts = pd.factorize(frame[column].to_numpy(dtype=object), sort=True)
    at = pd.Series(codes, index=frame.index, dtype="float64").where(codes >= 0)
    names = [keys] if isinstance(keys, str) else keys
    groups = at.groupby([frame[k] for k in names])
    ends = groups.min() if least else groups.max()
    found = np.append(texts, np.nan).astype(object)[ends.fillna(len(texts)).astype("int64")]
    return pd.Series(found, index=ends.index, name=column, dtype="object")


def joined_texts(frame: pd.DataFrame, keys: list[str], column: str, between: str) -> pd.Series:
    """Texts of each group in one, in the order of the rows; only groups of several rows cost a call of Python.

    Parameters
    ----------
    frame : DataFrame
        Rows with a text each.
    keys : list of str
        Columns of the groups.
    column : str
        Texts.
    between : str
        What stands between two of them.

    Returns
    -------
    Series
        By group.

    Examples
    --------
    >>> joined_texts(pd.DataFrame({"k": ["b", "a", "b"], "t": ["x", "y", "z"]}), ["k"], "t", ", ").to_dict()
    {'a': 'y', 'b': 'x, z'}
    """
    several = frame.duplicated(keys, keep=False)
    out = frame.drop_duplicates(keys).set_index(keys)[column].astype("object")
    if several.any():
        more = frame[several].groupby(keys)[column].agg(between.join)
        out.loc[more.index] = more.astype("object")
    return out.sort_index()


def spanned_values(trade: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Bounds of values of headings that add up: beside one with bounds, one without is as wide as its grade.

    Parameters
    ----------
    trade : DataFrame
        ``value, value_low, value_high, rank`` (of the grade) and the keys.
    keys : list of str
        Columns of a flow.

    Returns
    -------
    DataFrame
        The same with ``value_low`` and ``value_high`` of every heading of a flow, or of none.

    Examples
    --------
    >>> t = pd.DataFrame({"k": "x", "rank": 0, "value": [100.0, 10.0], "value_low": [80.0, np.nan], "value_high": [np.nan] * 2})
    >>> spanned_values(t, ["k"])[["value_low", "value_high"]].round(6).values.tolist()
    [[80.0, nan], [9.5, nan]]
    """
    t = trade.copy()
    width = np.array([DEFAULT_POLICY.by_grade[g] for g in GRADES])[t["rank"].astype(int)]
    for side, sign in (("value_low", -1.0), ("value_high", 1.0)):
        if t[side].notna().any():
            several = t[side].notna().groupby([t[k] for k in keys]).transform("any") & t[side].isna()
            t[side] = t[side].mask(several, t["value"] * (1.0 + sign * width))
    return t


def left_out(production: pd.DataFrame) -> set[tuple[str, str]]:
    """Withheld figures that a source says are no part of its world total.

    A publisher that withholds a figure may leave it out of the total, or hide it in the total. Only words tell: a note of
    the withheld row ("the world total leaves it out"), or a sentence in the note of the total that excludes the place
    by name ("Excludes U.S. production.", "Does not include production in the United States."). They hold for all years.

    Parameters
    ----------
    production : DataFrame
        As ``production`` of :func:`supplyrisk.assemble.assemble`.

    Returns
    -------
    set of (str, str)
        Product and country.

    Examples
    --------
    >>> p = pd.DataFrame({"product": "x", "country": ["USA", "WLD"], "missing": ["withheld", None],
    ...                   "note": [None, "Estimated. -- Excludes U.S. production."]})
    >>> left_out(p)
    {('x', 'USA')}
    """
    hidden = production.loc[production["missing"] == "withheld", ["product", "country", "note"]].astype("object")
    out: set[tuple[str, str]] = set()
    totals = production.loc[(production["country"] == "WLD") & production["note"].notna(), ["product", "note"]]
    sentences: dict[str, list[str]] = {}
    for product, note in totals.drop_duplicates().itertuples(index=False):
        found = [s for s in _SENTENCE.split(f"{note}") if _EXCLUDES.search(s)]
        sentences.setdefault(str(product), []).extend(found)
    for product, place, note in hidden.drop_duplicates().itertuples(index=False):
        names = {str(place), display_name(str(place)), *_ALSO.get(str(place), ())}
        name = re.compile("|".join(rf"(?<!\w){re.escape(n)}(?!\w)" for n in names))
        if _NO_PART.search(f"{note}") or any(name.search(s) for s in sentences.get(str(product), ())):
            out.add((str(product), str(place)))
    return out


def bound_by_rest(outputs: pd.DataFrame, production: pd.DataFrame, idle: Collection[str] = ()) -> pd.DataFrame:
    """Makers whose output nobody gives are part of the unlisted rest, unless the total is said to leave them out.

    Parameters
    ----------
    outputs : DataFrame
        ``node, product, country, year, quantity, high, missing, inside``, the residuals ``product@ROW`` among them.
    production : DataFrame
        The rows that they come from, with the world totals and their notes.
    idle : collection of str
        Products of which the listed producers make all of the total.

    Returns
    -------
    DataFrame
        The same with ``high`` (no more than the newest rest) and ``inside`` of these makers. Where there is no rest,
        nothing but their own bounds does.
    """
    p = outputs.copy()
    rest = p[p["country"] == "ROW"].sort_values("year", kind="stable").drop_duplicates("product", keep="last")
    top = rest.set_index("product")["high"].fillna(rest.set_index("product")["quantity"])
    out = left_out(production)
    none = [(str(a), str(b)) in out for a, b in zip(p["product"], p["country"], strict=True)]
    part = p["missing"].isin(["not_available", "unknown"]) | (p["missing"] == "withheld") & ~np.array(none, dtype=bool)
    most = p["product"].map(top).astype(float)
    inside = part & p["quantity"].isna() & most.notna() & (p["country"] != "ROW")
    # Who is said to make more than the rest, and by more than a rounding, is not inside it: sources contradict.
    low = p["low"].astype(float)
    above = inside & (low > most * (1.0 + _ROUNDING))
    inside &= ~above
    above |= part & p["quantity"].isna() & (low > 0) & most.isna() & p["product"].isin(list(idle))
    said = p["note"].astype("object").where(p["note"].notna(), "").astype(str)
    p["note"] = p["note"].astype("object").mask(above, (said + f"; {OVER_REST}").str.lstrip("; "))
    p["low"] = low.mask(inside, np.minimum(low, most))
    p["high"] = p["high"].astype(float).mask(inside, np.fmin(p["high"].astype(float), most))
    p["inside"] = p["inside"].mask(inside, p["product"].astype(str) + "@ROW")
    return p


def share_rest(outputs: pd.DataFrame) -> pd.DataFrame:
    """The rest of a total as an interval: those inside it whose output is open may make all of it, so its least is 0.

    Together the residual and those inside it make the rest (``rest_low`` to ``rest_high``), whoever makes how much.

    Parameters
    ----------
    outputs : DataFrame
        ``node, product, country, year, quantity, low, high, inside, note``, all makers that were found.

    Returns
    -------
    DataFrame
        The same with ``low``, ``high`` and ``note`` of residuals that others are inside of. Where no upper bound is stated
        it is the whole rest. Figures of makers later than the last total stand beside that total.
    """
    p = outputs.reset_index(drop=True)
    rest = p.loc[(p["country"] == "ROW") & p["quantity"].notna(), ["product", "year"]].reset_index()
    mine = p.loc[p["inside"].notna(), "node"].unique()
    own = p.loc[p["node"].isin(mine), ["product", "node", "year", "inside", "quantity", "high"]]
    pairs = rest.merge(own, on="product", suffixes=("", "_of"))
    newest = pairs["year"] == pairs.groupby("product")["year"].transform("max")
    first = pairs.groupby("node")["year_of"].transform("min")
    pairs = pairs[(pairs["year_of"] <= pairs["year"]) | (newest & (first > pairs["year"]))]
    pairs = pairs.sort_values("year_of", kind="stable").drop_duplicates(["index", "node"], keep="last")
    pairs = pairs[pairs["inside"].notna() & ~(pairs["high"] <= pairs["quantity"])]
    rows = pd.Index(pairs["index"].unique())
    if not len(rows):
        return p
    whole = p.loc[rows, "quantity"] + pairs.groupby("index")["quantity"].sum().reindex(rows)
    p.loc[rows, "low"] = 0.0
    p.loc[rows, "high"] = p.loc[rows, "high"].fillna(whole)
    said = p.loc[rows, "note"].astype("object")
    p.loc[rows, "note"] = said.map(lambda v: f"{v}; {_SHARED}" if isinstance(v, str) and v else _SHARED)
    return p


def worked_out_on(total: object, year: float, rows: pd.DataFrame) -> str | None:
    """Day on which what a total leaves was known: that of the last publication of what it was worked out from.

    Parameters
    ----------
    total : str or None
        ISO day on which the total was published; None where nobody says.
    year : float
        Data year of the total.
    rows : DataFrame
        ``year, published_on`` of what is taken out of it.

    Returns
    -------
    str or None
        ISO day. Of a figure without one, beside others that have one, the end of the year after its data year; None
        where that is the last, or where nobody says of any.

    Examples
    --------
    >>> rows = pd.DataFrame({"year": [2022.0, 2022.0], "published_on": ["2023-05", "2024-05"]})
    >>> worked_out_on("2023-05", 2022.0, rows)
    '2024-05'
    >>> worked_out_on("2023-05", 2022.0, rows.iloc[:1]), worked_out_on(None, 2022.0, rows.iloc[:0])
    ('2023-05', None)
    """
    own = str(total) if isinstance(total, str) and total else None
    said = rows["published_on"].astype("object")
    bare = said.isna()
    days = {str(d) for d in said[~bare].unique()}
    if not days and own is None:
        return None
    days |= {f"{int(y) + 1:04d}-12-31" for y in rows.loc[bare, "year"].dropna().unique()}
    last = max(days, default="")
    mine = own if own is not None else f"{int(year) + 1:04d}-12-31"
    return own if last <= mine else last


def unsaid_rest(rest: pd.DataFrame, note: str) -> pd.DataFrame:
    """What unnamed suppliers send a buyer of whom the share of a named one is not known: not known either.

    ``rest`` has ``product, buyer, level`` and the sums of the least (``bottom``) and the most (``top``) that the named have.
    """
    return rest.assign(
        supplier=rest["product"].astype(str) + "@ROW:demand",
        buyer=rest["product"].astype(str) + "@" + rest["buyer"].astype(str) + ":demand",
        quantity=np.nan,
        low=(1.0 - rest["top"]).clip(lower=0.0) * rest["level"],
        high=(1.0 - rest["bottom"]).clip(lower=0.0) * rest["level"],
        missing="unknown",
        grade="assumption",
        note=f"{note}: what named suppliers of unknown share leave" + rest["of"].astype(str),
    )

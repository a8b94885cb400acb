"""Holdings compiled once per graph into integer arrays: who holds which part of which node or firm, and how.

A node is a sum of *parts* (portions of its output). Parts and held firms are entities, and so are the holders nobody is
recorded to hold. Everything in :mod:`supplyrisk.control` runs on these arrays.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .graph import SupplyGraph
from .kernels import closed_rows
from .ownership import ownership_matrix
from .schema import GRADES, date_ceil, date_floor

__all__ = ["CONTRACTS", "HEADLINE_GRADES", "STAKES", "Book", "book", "holders"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ObjectArray = npt.NDArray[np.object_]
# Grades that may carry a headline.
HEADLINE_GRADES = ("A", "B")
STAKES = ("equity", "majority", "joint", "minority")
CONTRACTS = ("offtake", "finance", "technology", "operator")


@dataclass(frozen=True, eq=False)
class Book:
    """Holdings in force, as codes. Entities: firms and parts that are held, then holders nobody is recorded to hold."""

    name: ObjectArray  # of each entity; groups follow
    country: ObjectArray  # home of each entity; groups follow
    n: int
    home: IntArray  # node code of a part, -1 for firms and holders
    held: BoolArray
    # stakes
    holder: IntArray
    asset: IntArray
    share: FloatArray
    low: FloatArray
    high: FloatArray
    group: IntArray
    mate: IntArray  # of each entity: the group it acts with, -1 for none
    sure: BoolArray
    joint: BoolArray
    # other channels: golden shares, contracts, host overrides
    c_type: ObjectArray
    c_holder: IntArray
    c_asset: IntArray
    c_share: FloatArray
    c_low: FloatArray
    c_high: FloatArray
    # parts
    part: IntArray  # entity code
    node: IntArray  # node code
    portion: FloatArray
    portion_low: FloatArray
    portion_high: FloatArray
    recorded: FloatArray  # shares of each part held by holders with a name or a country
    grade: IntArray  # weakest grade of each part, position in GRADES; -1 where no output is known to be its
    fine: FloatArray  # of each part: what of its stakes is graded for a headline
    closed: BoolArray  # entities in rings that nobody outside holds any of: their owners are as good as not on record


_BOOKS: weakref.WeakKeyDictionary[SupplyGraph, Book] = weakref.WeakKeyDictionary()


def _day(graph: SupplyGraph) -> str:
    return graph.reference_date


def holders(graph: SupplyGraph) -> pd.DataFrame:
    """Holdings in force on the graph's date, the newest row of each (asset, part, holder, type).

    Parameters
    ----------
    graph : SupplyGraph
        The graph; its date is its ``reference_date``.

    Returns
    -------
    DataFrame
        Rows of table ``holdings``; those of nodes that are not in the graph are left out.
    """
    h = graph.tables["holdings"]
    if not len(h):
        return h
    day = _day(graph)
    first = {d: date_floor(str(d)) for d in h["valid_from"].dropna().unique() if d != ""}
    last = {d: date_ceil(str(d)) for d in h["valid_to"].dropna().unique() if d != ""}
    start = np.array([first.get(d, "0000") for d in h["valid_from"].astype("object")], dtype=object)
    end = np.array([last.get(d, "9999") for d in h["valid_to"].astype("object")], dtype=object)
    keep = (start <= day) & (end >= day)
    at = graph.index.position.get_indexer(pd.Index(h["asset"].astype("object")))
    keep &= (at >= 0) | ~h["asset"].str.contains("@", regex=False).fillna(False).to_numpy(dtype=bool)
    h = h[keep].assign(_start=start[keep])
    h = h.sort_values(["asset", "part", "holder", "type", "_start"], kind="stable")
    return h.drop_duplicates(["asset", "part", "holder", "type"], keep="last").drop(columns="_start")


def book(graph: SupplyGraph) -> Book:
    """The graph's holdings as arrays, compiled on first use."""
    found = _BOOKS.get(graph)
    if found is None:
        found = _compile(graph)
        _BOOKS[graph] = found
    return found


def _compile(graph: SupplyGraph) -> Book:
    h = holders(graph).reset_index(drop=True)
    ix = graph.index
    asset = h["asset"].astype("object").to_numpy()
    at = ix.position.get_indexer(pd.Index(asset, dtype=object)).astype(np.int64)
    on_node = at >= 0
    firm = set(asset[~on_node])
    who = h["holder"].astype("object").to_numpy()
    land = h["holder_country"].astype("object").to_numpy()
    kind = h["type"].astype("object").to_numpy()
    part = h["part"].fillna("").astype("object").to_numpy()
    # A part is an entity of its own; a holder is known by name and home, a held firm by name alone.
    asset_key = np.where(on_node, asset + "\x1f" + part, asset + "\x1e")
    is_firm = pd.Series(who, dtype=object).isin(firm).to_numpy(dtype=bool)
    holder_key = np.where(is_firm, who + "\x1e", who + "\x1d" + land)
    codes, keys = pd.factorize(np.concatenate([asset_key, holder_key])) if len(h) else (np.zeros(0, int), np.zeros(0))
    a, u = codes[: len(h)].astype(np.int64), codes[len(h) :].astype(np.int64)
    n = len(keys)
    # A firm of which only contracts or orders are on record is nobody's but its own.
    held = np.zeros(n, dtype=bool)
    held[a[on_node | np.isin(kind, STAKES)]] = True
    home = np.full(n, -1, dtype=np.int64)
    home[a[on_node]] = at[on_node]
    name = np.empty(n, dtype=object)
    name[a] = np.where(part == "", asset, asset + " / " + part) if len(h) else asset
    name[u] = who
    country = np.full(n, "UNK", dtype=object)
    known = land != "UNK"
    if known.any():  # the home that most rows state
        count = pd.DataFrame({"u": u[known], "c": land[known]}).groupby(["u", "c"]).size().reset_index(name="count")
        count = count.sort_values("count", ascending=False, kind="stable")
        best = count.drop_duplicates("u")
        country[best["u"].to_numpy()] = best["c"].to_numpy(dtype=object)
    country[home >= 0] = ix.nodes["country"].astype("object").to_numpy()[home[home >= 0]]

    value, low, high = _shares(graph, h)
    sure = kind == "majority"
    low = np.where(sure, np.maximum(low, 0.5), low)
    high = np.maximum(high, low)
    stake = np.isin(kind, STAKES)
    share = np.where(np.isnan(value), low, np.maximum(value, low))[stake]
    low_s, sa, su = low[stake], a[stake], u[stake]
    total = np.maximum(np.bincount(sa, share, n), 1.0)[sa]
    share = share / total
    low_s = np.minimum(low_s, share)
    # Nobody can have more than what the others surely leave.
    high_s = np.minimum(high[stake], 1 - (np.bincount(sa, low_s, n)[sa] - low_s))
    high_s = np.maximum(high_s, share)

    # Owners who own only each other say nothing of whose it is: what they hold of each other is dropped.
    told = ~_among_themselves(su, sa, share, held)
    closed = np.zeros(n, dtype=bool)
    closed[sa[~told]] = True
    sa, su, of = sa[told], su[told], np.flatnonzero(stake)[told]
    share, low_s, high_s = share[told], low_s[told], high_s[told]

    text = h["group"].fillna("").astype("object").to_numpy()
    g_code, g_name = (
        pd.factorize(np.asarray([t or None for t in text], dtype=object)) if len(h) else (np.zeros(0, int), np.zeros(0))
    )
    g_land = np.full(len(g_name), "UNK", dtype=object)
    grouped = (g_code >= 0) & known
    if grouped.any():  # home of a group: where most of what it holds sits; a tie stays unknown
        weight = np.where(stake, np.nan_to_num(value), 0.0) + 1e-9
        w = pd.DataFrame({"g": g_code[grouped], "c": land[grouped], "w": weight[grouped]})
        w = w.groupby(["g", "c"])["w"].sum().reset_index().sort_values("w", ascending=False, kind="stable")
        first = w.drop_duplicates("g")
        runner = w[w.duplicated("g")].drop_duplicates("g").set_index("g")["w"].reindex(first["g"]).to_numpy()
        clear = ~(np.abs(first["w"].to_numpy() - runner) < 1e-12)
        g_land[first["g"].to_numpy()[clear]] = first["c"].to_numpy(dtype=object)[clear]
    group = np.where(g_code >= 0, g_code + n, -1).astype(np.int64)[of]

    # A holder that acts in concert somewhere, always with the same, does so everywhere.
    mate = np.full(n, -1, dtype=np.int64)
    if (g_code >= 0).any():
        seen = pd.DataFrame({"u": u, "g": g_code})[g_code >= 0].groupby("u")["g"].agg(["min", "max"])
        one = (seen["min"] == seen["max"]).to_numpy()
        mate[seen.index.to_numpy()[one]] = seen["min"].to_numpy()[one] + n
    parts, portions, grades, fine = _parts(h, a, on_node, n)
    nodes = home[parts]
    named = (who != "unknown") | known
    recorded = np.minimum(np.bincount(sa, share * named[of], n), 1.0)
    other = ~stake
    # A contract to which no fraction applies is of the whole asset; of one whose size is unknown its low bound counts.
    c_whole = np.isnan(value) & h["missing"].eq("not_applicable").fillna(False).to_numpy(dtype=bool)
    return Book(
        name=np.concatenate([name, np.asarray(g_name, dtype=object)]),
        country=np.concatenate([country, g_land]),
        n=n,
        home=home,
        held=held,
        holder=su,
        asset=sa,
        share=share,
        low=low_s,
        high=high_s,
        group=group,
        mate=mate,
        sure=sure[of],
        joint=(kind == "joint")[of],
        c_type=kind[other],
        c_holder=u[other],
        c_asset=a[other],
        c_share=np.where(c_whole, 1.0, np.where(np.isnan(value), low, value))[other],
        c_low=np.where(c_whole & (kind == "host_override"), 1.0, low)[other],
        c_high=np.where(c_whole, 1.0, high)[other],
        part=parts,
        node=nodes,
        portion=portions[0],
        portion_low=portions[1],
        portion_high=portions[2],
        recorded=recorded[parts],
        grade=grades,
        fine=fine,
        closed=closed,
    )


def _among_themselves(holder: IntArray, asset: IntArray, share: FloatArray, held: BoolArray) -> BoolArray:
    """Rows within rings of owners of whom nobody outside holds any part."""
    from scipy import sparse
    from scipy.sparse import csgraph

    n = len(held)
    w = ownership_matrix(holder, asset, share, n)
    closed = closed_rows(w, ~held | (np.asarray(w.sum(axis=1)).ravel() < 1 - 1e-9))
    if not closed.any():
        return np.zeros(len(holder), dtype=bool)
    at = closed[asset] & (share > 0)
    net = sparse.csr_matrix((np.ones(int(at.sum())), (asset[at], holder[at])), shape=(n, n))
    ring = csgraph.connected_components(net, directed=True, connection="strong")[1]
    return np.asarray(at & (ring[asset] == ring[holder]), dtype=bool)


def _shares(graph: SupplyGraph, h: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shares with their bounds: those of a register (grade A or B) are exact but for their rounding and their age.

    The widths of :mod:`supplyrisk.intervals` are of estimates. A share stated to the per cent, or finer, is at most half
    its last digit off; one half and the whole are what was agreed, not roundings. Each year adds a tenth of the yearly
    widening of the policy, in points (by default 0.1 per cent of the firm): stakes change by events, not by drift.
    """
    value, low, high = graph.interval("holdings", "share", h)
    low, high = np.nan_to_num(low), np.minimum(high, 1.0)
    plain = h["low"].isna() & h["high"].isna() & h["grade"].isin(HEADLINE_GRADES) & h["share"].notna()
    at = np.flatnonzero(plain.to_numpy(dtype=bool) & h["type"].isin(STAKES).to_numpy(dtype=bool))
    if not len(at):
        return value, low, high
    v = value[at]
    digits = np.full(len(v), 2)
    for _ in range(4):
        digits += np.abs(v * 10.0**digits - np.rint(v * 10.0**digits)) > 1e-7
    agreed = np.isclose(v, 0.5, rtol=0, atol=1e-12) | np.isclose(v, 1.0, rtol=0, atol=1e-12)
    width = np.where(agreed, 0.0, 0.5 * 10.0**-digits)
    rows = h.iloc[at]
    year = rows["year"].astype("float64").fillna(float(graph.reference_year)).to_numpy()
    width = width + 0.1 * graph.policy.per_year * np.maximum(graph.reference_year - year, 0.0)
    if graph.dark_from:
        dark = graph.reference_year - rows["source"].map(dict(graph.dark_from)).astype("float64").to_numpy()
        width = width + v * graph.policy.per_dark_year * np.maximum(np.nan_to_num(dark), 0.0)
    low[at], high[at] = np.maximum(v - width, 0.0), np.minimum(v + width, 1.0)
    return value, low, high


def _parts(
    h: pd.DataFrame, a: IntArray, on_node: BoolArray, n: int
) -> tuple[IntArray, tuple[FloatArray, FloatArray, FloatArray], IntArray, FloatArray]:
    """Part entities with their portion (value, low, high), weakest grade, and what is graded for a headline."""
    rank = h["grade"].map({g: i for i, g in enumerate(GRADES)}).astype("float64").fillna(len(GRADES) - 1)
    frame = pd.DataFrame(
        {
            "e": a,
            "node": h["asset"].astype("object"),
            "whole": (h["part"].fillna("") == "").to_numpy(dtype=bool),
            "p": h["portion"].astype("float64"),
            "lo": h["portion_low"].astype("float64"),
            "hi": h["portion_high"].astype("float64"),
            "grade": rank,
            "share": h["share"].astype("float64").fillna(1.0),
            "good": h["share"].astype("float64").fillna(1.0) * h["grade"].isin(HEADLINE_GRADES),
        }
    )[on_node]
    f = frame.groupby("e", sort=True).agg(
        node=("node", "first"),
        whole=("whole", "first"),
        p=("p", "max"),
        lo=("lo", "max"),
        hi=("hi", "max"),
        grade=("grade", "max"),
        share=("share", "sum"),
        good=("good", "sum"),
    )
    # A row for the whole node without a portion stands for what the named parts leave over.
    stated = f["p"].fillna(f["lo"]).fillna(0.0)
    others = (stated * ~f["whole"]).groupby(f["node"]).transform("sum")
    silent = f["whole"] & f["p"].isna() & f["lo"].isna() & f["hi"].isna()
    p = f["p"].mask(silent, (1.0 - others).clip(0.0, 1.0))
    lo = f["lo"].fillna(p).fillna(0.0)
    value = p.fillna(lo)
    hi = f["hi"].fillna(p).fillna(1.0)
    total = value.groupby(f["node"]).transform("sum").clip(lower=1.0)
    v = (value / total).to_numpy(dtype=float)
    return (
        f.index.to_numpy(dtype=np.int64),
        (v, np.minimum(lo.to_numpy(dtype=float), v), np.maximum(hi.to_numpy(dtype=float), v)),
        # A part of which no output is known widens the interval; no value rests on what is said of it.
        np.where(v > 0, f["grade"].to_numpy(dtype=np.int64), -1),
        (f["good"] / f["share"]).fillna(0.0).to_numpy(dtype=np.float64),
    )

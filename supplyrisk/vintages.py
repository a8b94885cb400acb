"""Which figures are of today: the newest year of a series is the market, what it no longer lists is history.

The one place where several years of one table meet. A *series* is what one publisher states of one product with one
kind of figure, whatever the edition: ``usgs_mcs2025`` and ``usgs_mcs2026`` are one. Rows that are older than the newest
year of their series do not count; they stay in the tables, for the graph of an earlier day. What a source that lists no
whole years says (single facts, a company's own rows) counts until it says something newer of the same place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .ordering import codes

if TYPE_CHECKING:
    from .graph import SupplyGraph

__all__ = ["BY_EXPORTER", "BY_IMPORTER", "COMPLETE", "ENTITY", "LEFT", "NEWEST", "SINGLE", "among", "beside", "counts", "current", "family", "figured",
           "listed", "lists_of", "mark", "newest_of", "one_year", "only_today", "panels", "stated_again", "stated_use", "today",
           "today_of", "vintages", "years"]  # fmt: skip

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
COMPLETE, BY_IMPORTER, BY_EXPORTER, SINGLE = "complete", "by_importer", "by_exporter", "single"
OVERLAID = "complete_overlay"
LEFT = "what is left of the inflow"  # note of a use that nobody states
# Before the name of a table, beside a graph: of which years a series is whose rows were covered or not selected.
NEWEST = "newest:"
ESTIMATED = ("balanced", "world_pool", "assumed")
_STATED = ("withheld", "not_available")  # a place that is listed, with no figure
_OWN = ("output", "capacity")
Frames = Mapping[str, pd.DataFrame]
NOTHING: Frames = MappingProxyType({})
# What a row of a table of statistics speaks of.
ENTITY = {
    "nodes": ["node"],
    "links": ["supplier", "buyer", "product"],
    "demand": ["node", "use"],
    "stocks": ["node", "holder"],
}


def family(source: pd.Series) -> pd.Series:
    """Publisher behind source ids: the ids without their year or version. Other digits are part of a name.

    Parameters
    ----------
    source : Series of str
        Ids of sources.

    Returns
    -------
    Series of str
        ``""`` where there is none.

    Examples
    --------
    >>> family(pd.Series(["usgs_mcs2025", "usgs_mcs2026", "baci_hs17_202601", None])).tolist()
    ['usgs_mcs', 'usgs_mcs', 'baci_hs', '']
    >>> family(pd.Series(["s1", "s2", "mill_v2", "comtrade_hs22"])).tolist()
    ['s1', 's2', 'mill', 'comtrade_hs']
    """
    ids, names = pd.factorize(source)
    year = r"[_.-]?(?<!\d)(?:19|20)\d{2}[\d_.-]*[a-z]?"
    end = re.compile(rf"(?:(?<=hs)\d{{2}}(?:{year})?|{year}|[_.-]v\d[\d.]*)$")
    short = np.array([*(end.sub("", str(n)) for n in names), ""], dtype=object)
    return pd.Series(short[ids], index=source.index, dtype="string")


def lists_of(source: pd.Series, sources: pd.DataFrame | None, tag: pd.Series | None = None) -> npt.NDArray[np.object_]:
    """What each row's source lists of a year, as its row in ``sources`` says; None where it does not.

    ``tag`` is the origin of each row: what an overlay says of a source that is one of single facts beneath it holds of
    the rows of the overlay.
    """
    blank = np.full(len(source), None, dtype=object)
    if sources is None or "lists" not in sources or not sources["lists"].notna().any():
        return blank
    said = dict(zip(sources["source"].to_numpy(dtype=object), sources["lists"].to_numpy(dtype=object), strict=True))
    ids, names = pd.factorize(source)
    found = [said.get(n) for n in np.asarray(names, dtype=object)]
    table = np.array([*(None if pd.isna(f) else f for f in found), None], dtype=object)
    out = np.asarray(table[ids], dtype=object)
    mixed = out == OVERLAID
    if mixed.any():
        public = np.ones(len(out), dtype=bool) if tag is None else (tag == "public").to_numpy(dtype=bool)
        out[mixed] = np.where(public[mixed], SINGLE, COMPLETE)
    return out


def _code(*columns: Any) -> IntArray:
    """One code per distinct combination; nothing is a value of its own."""
    out = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        ids, names = pd.factorize(column)
        out = out * (len(names) + 1) + ids + 1
        if len(columns) > 1:
            out = pd.factorize(out)[0].astype(np.int64)
    return out


def years(frame: pd.DataFrame) -> FloatArray:
    """Data years of rows; NaN where there is none."""
    return frame["year"].to_numpy(dtype=np.float64, na_value=np.nan)


def one_year(year: FloatArray) -> bool:
    """Whether nothing is older than anything else."""
    return not len(year) or bool(np.nanmin(year, initial=np.inf) >= np.nanmax(year, initial=-np.inf))


def panels(year: FloatArray, series: IntArray, entity: IntArray, whole: BoolArray, single: BoolArray) -> BoolArray:
    """Rows of series of several years that list whole years; arguments as for :func:`current`."""
    out = np.zeros(len(year), dtype=bool)
    at = np.flatnonzero(~np.isnan(year) & ~single)
    if one_year(year[at]):
        return out
    y, s = pd.Series(year[at]), series[at]
    by = y.groupby(_code(s, entity[at]))
    again = pd.Series((by.transform("min") < by.transform("max")).to_numpy(dtype=bool) | whole[at])
    several = y.groupby(s)
    out[at] = again.groupby(s).transform("any").to_numpy(dtype=bool)
    out[at] &= (several.transform("min") < several.transform("max")).to_numpy(dtype=bool)
    return out


def current(
    year: FloatArray,
    series: IntArray,
    entity: IntArray,
    whole: BoolArray,
    single: BoolArray,
    stated: BoolArray | None = None,
) -> BoolArray:
    """Rows that count today.

    Parameters
    ----------
    year : ndarray
        Data year of each row; NaN rows always count.
    series, entity : ndarray of int
        Code of the series of each row, and of what it speaks of (a node, a link).
    whole, single : ndarray of bool
        Rows of sources that list all of a year; of sources that do not. Of the others a series of several years lists
        whole years if it states anything in two of them.
    stated : ndarray of bool, optional
        Rows that state a figure: only they open a year. Default all.

    Returns
    -------
    ndarray of bool
        False: the series has a newer year, which does not list it or states it anew.

    Examples
    --------
    >>> year, one = np.array([2023.0, 2023.0, 2024.0]), np.zeros(3, dtype=int)
    >>> no = np.zeros(3, dtype=bool)
    >>> current(year, one, np.array([0, 1, 0]), no, no).tolist()
    [False, False, True]
    >>> current(year, one, np.array([0, 1, 2]), no, no).tolist()
    [True, True, True]
    """
    keep = np.ones(len(year), dtype=bool)
    listed = panels(year, series, entity, whole, single)
    at = np.flatnonzero(listed)
    if not len(at):
        return keep
    y = pd.Series(year[at])
    figure = y if stated is None else y.where(stated[at])
    keep[at] = ~(y.to_numpy() < figure.groupby(series[at]).transform("max").to_numpy())
    return keep


def counts(
    frame: pd.DataFrame, series: list[str], entity: list[str], sources: pd.DataFrame | None, whole: bool = False
) -> BoolArray:
    """Rows of a table of statistics that count today.

    Parameters
    ----------
    frame : DataFrame
        With ``year`` and ``source``; of trade by those who report it also ``origin`` and ``destination``.
    series, entity : list of str
        Columns that, with the publisher, make a series; and what a row of it speaks of.
    sources : DataFrame, optional
        Table of sources, whose ``lists`` says what each of them lists.
    whole : bool
        Of sources that say nothing: whether they list whole years. Default: if they state anything in two years.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> made = pd.DataFrame(dict(product="x", country=["COD", "CHN", "CHN"], year=[1975, 2022, 2023], source="bgs"))
    >>> counts(made, ["product"], ["country"], None).tolist()
    [False, False, True]
    """
    if one_year(years(frame)):
        return np.ones(len(frame), dtype=bool)
    codes, sure, single = _read(frame, series, sources, whole)
    stated = frame["quantity"].notna().to_numpy(dtype=bool) if "quantity" in frame else np.ones(len(frame), dtype=bool)
    if "value" in frame:
        stated = stated | frame["value"].notna().to_numpy(dtype=bool)
    stated = stated | ~pd.Series(stated).groupby(codes).transform("any").to_numpy(dtype=bool)
    return current(years(frame), codes, _code(*(frame[c] for c in entity)), sure, single, stated)


def _read(
    frame: pd.DataFrame, series: list[str], sources: pd.DataFrame | None, whole: bool
) -> tuple[IntArray, BoolArray, BoolArray]:
    """Series of each row, and whether its source lists whole years, or single facts."""
    told = lists_of(frame["source"], sources)
    reporter = np.full(len(frame), "", dtype=object)
    for rule, end in ((BY_IMPORTER, "destination"), (BY_EXPORTER, "origin")):
        if end in frame:
            reporter = np.where(told == rule, frame[end].to_numpy(dtype=object), reporter)
    codes = _code(*(frame[c] for c in series), family(frame["source"]).to_numpy(dtype=object), reporter)
    sure = np.asarray((told == COMPLETE) | (reporter != ""), dtype=bool)
    if whole:
        sure |= np.asarray(pd.isna(told), dtype=bool)
    return codes, sure, np.asarray(told == SINGLE, dtype=bool)


def mark(frame: pd.DataFrame, series: list[str], entity: list[str], sources: pd.DataFrame | None) -> pd.DataFrame:
    """The frame with the series of each row, and whether it lists whole years: for :func:`newest_of`."""
    codes, sure, single = _read(frame, series, sources, False)
    listed = panels(years(frame), codes, _code(*(frame[c] for c in entity)), sure, single)
    return frame.assign(series=np.where(listed, codes, -1))


def newest_of(marked: pd.DataFrame, key: str) -> pd.DataFrame:
    """The newest row of each key; of series that list whole years only those of the newest year.

    Parameters
    ----------
    marked : DataFrame
        As :func:`mark` returns it, with ``quantity`` and ``low``; or a part of it, such as the rows up to a year.
    key : str
        Column.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> made = pd.DataFrame(dict(node=["a", "b", "a"], year=[2022, 2022, 2023], quantity=1.0, low=np.nan, source="s"))
    >>> newest_of(mark(made, [], ["node"], None), "node")[["node", "year"]].values.tolist()
    [['a', 2023]]
    """
    last = marked.sort_values("year", kind="stable").drop_duplicates(key, keep="last")
    listed = marked["series"].ge(0).to_numpy(dtype=bool)
    if not listed.any():
        return last
    of = marked[listed & marked[["quantity", "low"]].notna().any(axis=1).to_numpy(dtype=bool)]
    newest = last["series"].map(of.groupby("series")["year"].max())
    return last[~(last["year"] < newest).to_numpy(dtype=bool)]


def _places(nodes: pd.Series) -> pd.Series:
    """Country of each node id."""
    ids, names = pd.factorize(nodes)
    where = np.array([*(str(n).partition("@")[2].partition("#")[0].partition(":")[0] for n in names), ""], dtype=object)
    return pd.Series(where[ids], index=nodes.index)


def stated_again(nodes: pd.DataFrame) -> pd.DataFrame:
    """Products, by owner of the rows, of which a pool is stated for several years: their markets are."""
    pools = nodes.loc[(nodes["kind"] == "demand").to_numpy(dtype=bool), ["node", "product", "origin_tag", "year"]]
    if not pools["node"].duplicated().any():
        return pools.iloc[:0][["product", "origin_tag"]]
    key = _code(pools["node"], pools["origin_tag"])
    by = pd.Series(years(pools)).groupby(key)
    several = (by.transform("min") < by.transform("max")).to_numpy(dtype=bool)
    return pools.loc[several, ["product", "origin_tag"]].drop_duplicates()


def among(frame: pd.DataFrame, columns: tuple[str, str], pairs: pd.DataFrame) -> BoolArray:
    """Whether two columns of each row are one of some pairs."""
    if not len(pairs):
        return np.zeros(len(frame), dtype=bool)
    mine = pd.MultiIndex.from_frame(frame[list(columns)].astype("object").fillna(""))
    return np.asarray(mine.isin(pd.MultiIndex.from_frame(pairs.astype("object").fillna(""))), dtype=bool)


def _links_series(
    links: pd.DataFrame, again: pd.DataFrame, sources: pd.DataFrame
) -> tuple[IntArray, BoolArray, BoolArray] | None:
    """Series of each link, whether it lists whole years, or single facts; None where nothing is stated twice."""
    year = years(links)
    told = lists_of(links["source"], sources, links["origin_tag"])
    estimated = links["method"].isin(ESTIMATED).to_numpy(dtype=bool)
    single = (told == SINGLE) & ~estimated
    sure = ~single & ~estimated & ~np.asarray(pd.isna(told), dtype=bool)
    if not len(again) and one_year(year[sure]) and not links.duplicated(["supplier", "buyer", "product"]).any():
        return None
    reporter = np.full(len(links), "", dtype=object)
    for rule, end in ((BY_IMPORTER, "buyer"), (BY_EXPORTER, "supplier")):
        hit = (told == rule) & ~estimated
        if hit.any():
            reporter[hit] = _places(links.loc[hit, end]).to_numpy(dtype=object)
    product = links["product"].astype("object").to_numpy(dtype=object, copy=True)
    product[reporter != ""] = ""  # who has reported anything of a year has reported that year
    name = family(links["source"]).to_numpy(dtype=object).copy()
    name[estimated] = "estimated"
    series = _code(product, reporter, name, links["origin_tag"], estimated)
    # A market whose pools are stated for several years is one of several years.
    whole = among(links, ("product", "origin_tag"), again) & (np.asarray(pd.isna(told), dtype=bool) | estimated)
    return series, np.asarray(whole | sure, dtype=bool), np.asarray(single, dtype=bool)


def _links_today(links: pd.DataFrame, found: tuple[IntArray, BoolArray, BoolArray] | None, key: IntArray) -> BoolArray:
    if found is None:
        return np.ones(len(links), dtype=bool)
    series, whole, single = found
    known = links[["quantity", "low", "high", "value"]].notna().any(axis=1).to_numpy(dtype=bool)
    stated = known | ~pd.Series(known).groupby(series).transform("any").to_numpy(dtype=bool)
    return current(years(links), series, key, whole, single, stated)


def _last(frame: pd.DataFrame, key: IntArray) -> BoolArray:
    """Newest rows of each key."""
    year = np.nan_to_num(years(frame), nan=-np.inf)
    top = pd.Series(year).groupby(key).transform("max").to_numpy()
    return np.asarray(year >= top, dtype=bool)


def figured(nodes: pd.DataFrame) -> BoolArray:
    """Rows that state a figure of output or capacity, or that there is one."""
    out = np.zeros(len(nodes), dtype=bool)
    for q in _OWN:
        out |= nodes[[q, f"{q}_low", f"{q}_high"]].notna().any(axis=1).to_numpy(dtype=bool)
        out |= nodes[f"{q}_missing"].isin(_STATED).to_numpy(dtype=bool)
    # "At least what it exports" and "inside the rest" are derived of others' figures.
    derived = (
        nodes["output"].isna() & nodes["capacity"].isna() & (nodes["output_missing"].fillna("unknown") == "unknown")
    )
    return out & ~derived.to_numpy(dtype=bool)


def _nodes_series(
    nodes: pd.DataFrame, figure: BoolArray, again: pd.DataFrame, sources: pd.DataFrame
) -> tuple[IntArray, BoolArray, BoolArray] | None:
    """Series of each row of nodes, whether it lists whole years, or single facts; None where nothing can be old."""
    source = nodes["output_source"].fillna(nodes["capacity_source"]).fillna(nodes["source"])
    told = lists_of(source, sources, nodes["origin_tag"])
    year = years(nodes)
    if not len(again) and one_year(year[figure & (told != SINGLE)]) and not nodes["node"][~figure].duplicated().any():
        return None
    name = np.where(figure, family(source).to_numpy(dtype=object), "silent")
    plate = (nodes["output"].isna() & nodes["capacity"].notna()).to_numpy(dtype=bool)
    series = _code(nodes["product"], name, plate, nodes["origin_tag"], figure)
    whole = np.where(figure, told == COMPLETE, among(nodes, ("product", "origin_tag"), again)).astype(bool)
    return series, whole, np.asarray(figure & (told == SINGLE), dtype=bool)


def _nodes_today(nodes: pd.DataFrame, again: pd.DataFrame, sources: pd.DataFrame) -> tuple[BoolArray, BoolArray]:
    """Rows of nodes that count, and those that state a figure."""
    figure = figured(nodes)
    found = None if one_year(years(nodes)) else _nodes_series(nodes, figure, again, sources)
    if found is None:
        return np.ones(len(nodes), dtype=bool), figure
    series, whole, single = found
    known = nodes[["output", "output_low", "capacity", "capacity_low"]].notna().any(axis=1).to_numpy(dtype=bool)
    stated = known | ~pd.Series(known).groupby(series).transform("any").to_numpy(dtype=bool)
    return current(years(nodes), series, _code(nodes["node"]), whole, single, stated), figure


def beside(tables: Frames, beneath: Frames, name: str) -> pd.DataFrame:
    """Rows of a table, and after them what :func:`supplyrisk.retained.outlived` kept of rows that are no longer in it."""
    extra = beneath.get(NEWEST + name)
    if extra is None or not len(extra):
        return tables[name]
    return pd.concat([tables[name], extra], ignore_index=True) if len(tables[name]) else extra


def listed(tables: Frames, name: str, beneath: Frames = NOTHING) -> IntArray:
    """Code of the series of each row of ``nodes`` or ``links`` that lists whole years, several of them; -1 of others."""
    return _listed(tables, name, beneath)[: len(tables[name])]


def _listed(tables: Frames, name: str, beneath: Frames) -> IntArray:
    """As :func:`listed`, of any table of statistics, and of the rows that are kept beside it."""
    frame, again = beside(tables, beneath, name), stated_again(beside(tables, beneath, "nodes"))
    if one_year(years(frame)):
        return np.full(len(frame), -1, dtype=np.int64)
    if name == "nodes":
        found = _nodes_series(frame, figured(frame), again, tables["sources"])
    elif name == "links":
        found = _links_series(frame, again, tables["sources"])
    else:
        found = _uses_series(frame, again, tables["sources"])
    if found is None:
        return np.full(len(frame), -1, dtype=np.int64)
    series, whole, single = found
    several = panels(years(frame), series, _code(*(frame[c] for c in ENTITY[name])), whole, single)
    return np.where(several, series, -1)


def today(tables: Frames, beneath: Frames = NOTHING) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nodes and links that are of today.

    Parameters
    ----------
    tables : mapping
        All tables of a graph.
    beneath : mapping, optional
        What is kept beside it: series that have lost their newest rows are still of that year.

    Returns
    -------
    tuple of DataFrame
        Rows of ``nodes`` and ``links``, in their order; in graphs of one year all of them. A node
        that states no figure leaves with its last link; a producer that its source no longer lists leaves too, unless
        somebody is still observed to deal with it: then it stays and its output is unknown.
    """
    nodes, links = tables["nodes"], tables["links"]
    every, flows = (beside(tables, beneath, name) for name in ("nodes", "links"))
    if one_year(years(every)) and one_year(years(flows)):
        return nodes, links
    sources = tables["sources"]
    again = stated_again(every)
    found = None if one_year(years(flows)) else _links_series(flows, again, sources)
    row, figure = (a[: len(nodes)] for a in _nodes_today(every, again, sources))
    if found is None and row.all():
        return nodes, links
    ids, names = pd.factorize(nodes["node"].astype("object"))
    n = len(names)
    position = pd.Index(names)
    src, dst = (codes(flows[c], position) for c in ("supplier", "buyer"))
    key = _code(src * (n + 1) + dst, flows["product"])
    now = _links_today(flows, found, key)
    n_links = len(links)
    src, dst, key, now = src[:n_links], dst[:n_links], key[:n_links], now[:n_links]
    if now.all() and row.all():
        return nodes, links
    # What a source says no longer is not brought back by something older still.
    now &= _last(links, key)
    row &= _last(nodes, ids)
    held = np.bincount(ids[row], minlength=n) > 0
    observed = ~links["method"].isin(ESTIMATED).to_numpy(dtype=bool)
    makes = np.bincount(ids[figure], minlength=n) > 0

    def marked(at: IntArray) -> BoolArray:
        return np.bincount(at[at >= 0], minlength=n) > 0

    def ends(which: BoolArray) -> BoolArray:
        return marked(src[which]) | marked(dst[which])

    named = np.zeros(n, dtype=bool)
    for name in ("demand", "stocks"):
        named |= marked(codes(today_of(tables, name, beneath)["node"], position))
    held |= ends(now & observed) | ~makes & named
    # Estimates of a market that is over go with its producers, and pools with their last link.
    gone = np.append(makes & ~held, False)
    now &= ~(gone[src] | gone[dst])
    left = ends(now)
    held |= ~makes & left
    had = ends(np.ones(len(links), dtype=bool))
    held &= makes | ~had | left | named
    lost = np.append(~held, False)
    now &= ~(lost[src] | lost[dst])
    # Of each node that stays the rows that count; where none does, its last one, without the figures.
    none = held & ~(np.bincount(ids[row], minlength=n) > 0)
    out = nodes[held[ids] & (row | none[ids])]
    dark = none[ids[held[ids] & (row | none[ids])]] & figure[held[ids] & (row | none[ids])]
    if dark.any():
        out = out.copy()
        for q in _OWN:
            told = [f"{q}{side}" for side in ("", "_low", "_high")]
            out[told] = out[told].mask(pd.Series(dark, index=out.index), np.nan)
        out["output_missing"] = out["output_missing"].mask(pd.Series(dark, index=out.index), "unknown")
    return out, links if now.all() else links[now]


def today_of(tables: Frames, name: str, beneath: Frames = NOTHING) -> pd.DataFrame:
    """Rows of ``demand`` or ``stocks`` whose series has no newer year without them; older ones of a key may be there."""
    frame, every = tables[name], beside(tables, beneath, name)
    year = years(every) if len(frame) else np.zeros(0)
    if one_year(year):
        return frame
    again = stated_again(beside(tables, beneath, "nodes"))
    series, whole, single = _uses_series(every, again, tables["sources"])
    keep = current(year, series, _code(*(every[c] for c in ENTITY[name])), whole, single)[: len(frame)]
    return frame if keep.all() else frame[keep]


def _uses_series(
    frame: pd.DataFrame, again: pd.DataFrame, sources: pd.DataFrame
) -> tuple[IntArray, BoolArray, BoolArray]:
    """Series of each row of ``demand`` or ``stocks``, whether it lists whole years, or single facts."""
    product = frame["node"].astype("object").str.partition("@")[0]
    told = lists_of(frame["source"], sources, frame["origin_tag"])
    derived = frame["source"].isna().to_numpy(dtype=bool)
    pair = pd.DataFrame({"product": product, "origin_tag": frame["origin_tag"]})
    whole = (told == COMPLETE) | (derived & among(pair, ("product", "origin_tag"), again))
    # What is left of an inflow is nobody's statistic: it is no newer year of a use that is stated without a source.
    left = frame["note"].fillna("").astype("str").str.endswith(LEFT)  # balanced or not
    series = _code(product, family(frame["source"]), frame["origin_tag"], left)
    return series, np.asarray(whole, dtype=bool), np.asarray((told == SINGLE) & ~derived, dtype=bool)


def only_today(graph: SupplyGraph) -> SupplyGraph:
    """The graph without history: for what alters flows, which would leave it standing beside the altered ones.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    SupplyGraph
        The graph itself where its newest rows all count; else one whose ``history`` says how many rows are left out.
    """
    nodes, links = today(graph.tables, graph.beneath)
    if nodes is graph.tables["nodes"] and links is graph.tables["links"]:
        return graph
    tables = {**graph.tables, "nodes": nodes, "links": links}
    alive = set(nodes["node"])
    for name in ("demand", "stocks"):
        frame = today_of(graph.tables, name, graph.beneath)
        tables[name] = frame[frame["node"].isin(alive)]
    lost = sum(len(graph.tables[n]) - len(tables[n]) for n in ("nodes", "links", "demand", "stocks"))
    settled = {n: f for n, f in graph.beneath.items() if not n.startswith(NEWEST)}
    return graph._with(tables, f"of today only: {lost:,} rows of earlier years left out", beneath=settled)


def stated_use(graph: SupplyGraph) -> pd.DataFrame:
    """Final use of today, one row a node and use.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    DataFrame
        Rows of ``demand``, in canonical order.
    """
    from .accounts import latest

    return latest(today_of(graph.tables, "demand", graph.beneath), ["node", "use"])


def vintages(graph: SupplyGraph) -> pd.DataFrame:
    """How many rows of a graph are of today, and how many are history.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    DataFrame
        A row per table, product and publisher with several years: ``table, product, publisher, newest, current,
        earlier, gone, oldest, first``: newest data year that counts, rows that count, rows that do not, those among them whose
        node or link is not stated in a newer year at all (it has stopped, or is no longer listed), the oldest year
        that still counts, and the oldest of all.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> out = vintages(sr.load_atlas())
    >>> int(out["gone"].sum())  # embedded facts are single ones: each counts until there is a newer one
    0
    """
    columns = ["table", "product", "publisher", "newest", "current", "earlier", "gone", "oldest", "first"]
    tables = graph.tables
    nodes, links = today(tables, graph.beneath)
    parts = []
    for name, now, key in (
        ("nodes", nodes, ["node"]),
        ("links", links, ["supplier", "buyer", "product"]),
        ("demand", today_of(tables, "demand", graph.beneath), ["node", "use"]),
    ):
        frame = tables[name]
        if not len(frame):
            continue
        of = frame["node"].astype("object").str.partition("@")[0] if name == "demand" else frame["product"]
        source = frame["output_source"].fillna(frame["source"]) if name == "nodes" else frame["source"]
        who = family(source).to_numpy(dtype=object)
        ids = pd.MultiIndex.from_frame(frame[key].astype("object"))
        counts = frame.index.isin(now.index) & _last(frame, _code(*(frame[k] for k in key)))
        parts.append(
            pd.DataFrame(
                {
                    "table": name,
                    "product": of.to_numpy(dtype=object),
                    "publisher": who,
                    "year": years(frame),
                    "counts": counts,
                    "gone": ~ids.isin(ids[counts]),
                }
            )
        )
    if not parts:
        return pd.DataFrame(columns=columns)
    rows = pd.concat(parts, ignore_index=True)
    rows["now"] = rows["year"].where(rows["counts"])
    by = rows.groupby(["table", "product", "publisher"], sort=True)
    out = by.agg(
        newest=("now", "max"),
        current=("counts", "sum"),
        rows=("counts", "size"),
        gone=("gone", "sum"),
        oldest=("now", "min"),
        first=("year", "min"),
        years=("year", "nunique"),
    ).reset_index()
    out = out[out["years"] > 1].assign(earlier=out["rows"] - out["current"])
    return out[columns].reset_index(drop=True)

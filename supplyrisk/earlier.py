"""Markets of earlier years, kept beside that of today: each year of a trade statistic is assembled as that year's market."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from .graph import SupplyGraph
from .overlays import still_covered
from .schema import TABLES
from .vintages import (
    COMPLETE,
    ENTITY,
    ESTIMATED,
    LEFT,
    SINGLE,
    beside,
    figured,
    lists_of,
    stated_again,
    today,
    today_of,
    vintages,
    years,
)

__all__ = ["told", "with_earlier", "with_history"]

Frames = Mapping[str, pd.DataFrame]


def with_earlier(out: Frames, frames: Frames, sources: pd.DataFrame | None, make: Callable[[Frames], Frames]) -> Frames:
    """Tables of today's market with those of earlier years beside them.

    Parameters
    ----------
    out : mapping
        ``nodes, links, demand`` of today, as assembled of all ``frames``.
    frames : mapping
        Statistics: inputs of :func:`supplyrisk.assemble.assemble`.
    sources : DataFrame, optional
        Table of sources.
    make : callable
        From statistics to ``nodes, links, demand``.

    Returns
    -------
    mapping
        The same tables. What is estimated of a market with several years bears the year of that market, so that the
        newest one counts and the graph of an earlier day has the one of its day.
    """
    years = _markets(frames, sources)
    if not len(years):
        return out
    out = dict(out)
    newest = years.groupby("product")["year"].max()
    top = _stamp(out, newest)
    # Figures may be newer than all trade: then today's market is not that of the last year of trade.
    later = top.index[top > newest.reindex(top.index)]
    past = years[years["year"].lt(years["product"].map(newest)) | years["product"].isin(later)]
    for year in sorted({int(y) for y in past["year"]}, reverse=True):
        products = set(past.loc[past["year"] == year, "product"])
        same = set(newest.index[newest == year])
        given = {k: f[~(f["year"] > year)] if "year" in f and k != "costs" else f for k, f in frames.items()}
        made = make({**given, "trade": _of_whole_years(given["trade"], sources)})
        for name, kept in _kept(made, year, products, same):
            key = list(TABLES[name].key)
            there = pd.MultiIndex.from_frame(out[name][key].astype("object"))
            kept = kept[~pd.MultiIndex.from_frame(kept[key].astype("object")).isin(there)]
            if name == "links":
                known = set(out["nodes"]["node"])
                kept = kept[kept["supplier"].isin(known) & kept["buyer"].isin(known)]
            if len(kept):
                out[name] = pd.concat([out[name].astype("object"), kept.astype("object")], ignore_index=True)
    out["nodes"] = _stated_again(out["nodes"], newest)
    return out


def _markets(frames: Frames, sources: pd.DataFrame | None) -> pd.DataFrame:
    """Products and years of trade, of products whose trade is stated for several years."""
    none = pd.DataFrame({"product": pd.Series(dtype="object"), "year": pd.Series(dtype="float64")})
    trade, con = frames["trade"], frames["concordance"]
    if not len(trade) or trade["year"].nunique() < 2:
        return none
    trade = trade[lists_of(trade["source"], sources) != SINGLE]
    off = con["use"].astype("string").str.strip().str.casefold().isin(["false", "0", "no"]).fillna(False)
    stated = trade[["hs6", "year"]].drop_duplicates().merge(con.loc[~off.astype(bool), ["hs6", "product"]], on="hs6")
    years = stated[["product", "year"]].drop_duplicates().dropna()
    several = years.groupby("product")["year"].transform("nunique") > 1
    out: pd.DataFrame = years[several]
    return out


def _of_whole_years(trade: pd.DataFrame, sources: pd.DataFrame | None) -> pd.DataFrame:
    """Trade without the years that nothing will be made of, where sources list whole years."""
    told = lists_of(trade["source"], sources)
    behind = trade["year"] < trade.groupby(["hs6", trade["source"].fillna("")])["year"].transform("max")
    keep = ~(behind.to_numpy(dtype=bool) & (pd.isna(told) | (told == COMPLETE)))
    kept: pd.DataFrame = trade[keep]
    return kept


def _of(frame: pd.DataFrame, name: str) -> pd.Series:
    """Product of each row."""
    return frame["node"].astype("object").str.split("@").str[0] if name in ("demand", "stocks") else frame["product"]


def _estimates(frame: pd.DataFrame, name: str) -> pd.Series:
    """Rows that the assembly derived: they speak of the whole market's year."""
    if name == "links":
        return frame["method"].isin(ESTIMATED)
    if name == "demand":
        return frame["note"].astype("object").eq(LEFT)
    return (frame["kind"] == "demand") | frame["output"].isna() & (frame["output_missing"] == "unknown")


def _stamp(out: dict[str, pd.DataFrame], newest: pd.Series) -> pd.Series:
    """Let what is estimated of today's markets bear one year: the last of its trade or of what else it rests on."""
    links = out["links"]
    mine = links["product"].isin(newest.index) & _estimates(links, "links")
    top = links[mine].groupby("product")["year"].max().astype("float64")
    top = top.reindex(newest.index).fillna(newest).clip(lower=newest)
    for name in ("links", "demand"):
        frame = out[name]
        product = _of(frame, name)
        hit = (product.isin(newest.index) & _estimates(frame, name)).to_numpy(dtype=bool)
        out[name] = frame.assign(
            year=np.where(hit, product.map(top).astype("float64"), frame["year"].astype("float64"))
        )
    return top


def _kept(made: Frames, year: int, products: set[str], same: set[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Of the market of a year what is not there already: its flows and what was estimated."""
    for name in ("nodes", "links", "demand"):
        frame = made[name]
        frame = frame[_of(frame, name).isin(products).to_numpy(dtype=bool)]
        guess = _estimates(frame, name).to_numpy(dtype=bool)
        if name == "links":  # flows of the newest year are in the market of today
            own = frame["year"].eq(year) & ~frame["product"].isin(same)
            keep = guess | own.to_numpy(dtype=bool)
            frame, guess = frame[keep], guess[keep]
        yield name, frame.assign(year=np.where(guess, float(year), frame["year"].astype("float64")))


def _stated_again(nodes: pd.DataFrame, newest: pd.Series) -> pd.DataFrame:
    """A market of several years shows by a pool that is stated in several; of those without one, one is stated again."""
    pools = nodes[(nodes["kind"] == "demand") & nodes["product"].isin(newest.index)]
    several = set(pools.loc[pools["node"].duplicated(), "product"])
    bare = pools[~pools["product"].isin(several)].sort_values("year", ascending=False)
    bare = bare[bare.groupby("product")["year"].transform("nunique") > 1].drop_duplicates("product")
    if not len(bare):
        return nodes
    first = pools.groupby("product")["year"].min()
    return pd.concat([nodes, bare.assign(year=bare["product"].map(first))], ignore_index=True)


def told(graph: SupplyGraph) -> tuple[str, ...]:
    """What of a graph's rows is history, in a line; nothing where all is of today."""
    v = vintages(graph)
    v = v[v["gone"] > 0]
    if not len(v):
        return ()
    words = {"nodes": "nodes", "links": "links", "demand": "rows of use"}
    parts = [f"{int(v.loc[v['table'] == t, 'gone'].sum()):,} {w}" for t, w in words.items() if (v["table"] == t).any()]
    since = f"{int(v['first'].min())} to {int(v['newest'].max())}"
    return (
        f"the newest year of each statistic counts: {', '.join(parts)} of earlier years ({since}) that it no longer "
        "lists are history",
    )


def with_history(market: SupplyGraph, whole: SupplyGraph) -> SupplyGraph:
    """A market of today with altered flows, and the earlier years of the graph that it was taken from beside it.

    Parameters
    ----------
    market : SupplyGraph
        :func:`only_today` of ``whole``, its flows altered.
    whole : SupplyGraph
        The graph with its history.

    Returns
    -------
    SupplyGraph
        Today's market in it is ``market``: what is estimated of one with several years bears the newest of them. A
        product of which that would not hold comes without its earlier years, and ``history`` says so.
    """
    nodes, links = today(whole.tables, whole.beneath)
    if nodes is whole.tables["nodes"] and links is whole.tables["links"]:
        return market
    again = stated_again(beside(whole.tables, whole.beneath, "nodes"))
    now = _one_day(market.tables, again)
    stays = {"nodes": nodes, "links": links}
    for name in ("demand", "stocks"):
        frame = today_of(whole.tables, name, whole.beneath)
        stays[name] = frame[frame["node"].isin(set(nodes["node"]))]
    past: dict[str, pd.DataFrame] = {}
    for name in ENTITY:
        frame = whole.tables[name]
        old = frame[~frame.index.isin(stays[name].index)]
        key = [*ENTITY[name], "year"]
        held = pd.MultiIndex.from_frame(now[name][key].astype("object").fillna(""))
        past[name] = old[~pd.MultiIndex.from_frame(old[key].astype("object").fillna("")).isin(held)]
    without: set[str] = set()
    while True:
        tables = dict(now)
        for name, old in past.items():
            old = old[~_of(old, name).isin(without)]
            tables[name] = pd.concat([now[name], old], ignore_index=True) if len(old) else now[name]
        odd = _differ(now, tables, whole.beneath) - without
        if not odd:
            break
        without |= odd
    told = tuple(line for line in market.history if line in whole.history or not line.startswith("of today only"))
    if without:
        told += (
            f"earlier years left out, beside which today's market would be another one: {', '.join(sorted(without))}",
        )
    frames = {k: v.reset_index(drop=True) for k, v in tables.items()}
    return replace(market, tables=frames, history=told, beneath=still_covered(whole.beneath, frames))


def _one_day(tables: Frames, again: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables in which the estimates of a market of several years all bear its newest year."""
    out = dict(tables)
    products = set(again["product"].astype(str))
    links = tables["links"]
    guess = {"links": links["method"].isin(ESTIMATED).to_numpy(dtype=bool)}
    guess["demand"] = tables["demand"]["note"].fillna("").astype("str").str.endswith(LEFT).to_numpy(dtype=bool)
    guess["nodes"] = ~figured(tables["nodes"])
    mine = {n: g & _of(tables[n], n).isin(products).to_numpy(dtype=bool) for n, g in guess.items()}
    ages = [(_of(tables[n], n)[m], years(tables[n])[m]) for n, m in mine.items() if m.any()]
    if not ages:
        return out
    by = pd.concat([pd.Series(y, index=p.to_numpy(dtype=object)) for p, y in ages])
    newest = by.groupby(level=0).max()
    for name, hit in mine.items():
        frame = tables[name]
        year = np.where(hit, _of(frame, name).map(newest).astype("float64"), frame["year"].astype("float64"))
        out[name] = frame.assign(year=pd.array(year, dtype="Float64").astype(frame["year"].dtype))
    return out


def _differ(now: Frames, tables: Frames, beneath: Frames) -> set[str]:
    """Products whose market of today is another one once earlier years stand beside it."""
    found = dict(zip(("nodes", "links"), today(tables, beneath), strict=True))
    found |= {name: today_of(tables, name, beneath) for name in ("demand", "stocks")}
    odd: set[str] = set()
    for name, entity in ENTITY.items():
        key = [*entity, "year"]
        mine, its = (pd.MultiIndex.from_frame(f[name][key].astype("object").fillna("")) for f in (now, found))
        lone = [now[name][~mine.isin(its)]]
        if name in ("nodes", "links"):  # of uses and stocks older rows of a key may be there
            lone.append(found[name][~its.isin(mine)])
        odd |= {str(p) for f in lone for p in _of(f, name)}
    return odd

"""When a figure became known, and what a graph looked like on a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from .accounts import latest
from .retained import STATED, cut
from .schema import TABLES, date_ceil, date_floor
from .vintages import ENTITY, ESTIMATED, NEWEST, NOTHING, beside, listed

__all__ = ["all_hold", "beneath_at", "known_from", "reference_date", "tables_at", "uncovered"]

# Statistics by data year. A row of any other table speaks of a dated act and is known from then on.
_STATISTICS = ("nodes", "links", "demand", "stocks", "countries")
_LATER = "published later: existence known now, quantity not known on the day"


def _days(dates: pd.Series, day: Callable[[str], str], blank: str) -> npt.NDArray[np.object_]:
    """First or last day of each date, each distinct one read once."""
    text = dates.astype("object")
    found = {d: day(str(d)) for d in text.dropna().unique() if d != ""}
    return np.array([found.get(d, blank) for d in text], dtype=object)


def _keeps_dates(tables: Mapping[str, pd.DataFrame]) -> bool:
    """Whether the graph records when its figures were published."""
    return any(bool(tables[name]["published_on"].notna().any()) for name in ("nodes", "links"))


def known_from(tables: Mapping[str, pd.DataFrame], name: str) -> npt.NDArray[np.object_]:
    """First day on which each row of a table was known.

    Parameters
    ----------
    tables : mapping
        All tables of a graph.
    name : str
        The table.

    Returns
    -------
    ndarray of str
        ISO days: that of publication; of a statistic without one, in a graph whose other figures have one, the end of
        the year after its data year; ``""`` where nothing is said. Nodes that state no figure are known with the
        links and uses that name them, see :func:`tables_at`.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame(dict(year=[2024, 2024], valid_from=None, published_on=["2025-03", None]))
    >>> known_from({"nodes": rows, "links": rows}, "nodes").tolist()
    ['2025-03-01', '2025-12-31']
    """
    frame = tables[name]
    day = _days(frame["published_on"], date_floor, "")
    if name in _STATISTICS and _keeps_dates(tables):
        year = frame["year"].astype("float64").to_numpy()
        dated = frame["valid_from"].fillna("").ne("").to_numpy(dtype=bool)
        bare = (day == "") & ~np.isnan(year) & ~dated
        day[bare] = [f"{int(y) + 1:04d}-12-31" for y in year[bare]]
    return day


def says_nothing(nodes: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Nodes that state no figure, nor that there is one: they are there for the links and uses that name them."""
    out = np.ones(len(nodes), dtype=bool)
    for q in TABLES["nodes"].quantities:
        known = nodes[[c for c in (q.name, q.low, q.high) if c in nodes.columns]].notna().any(axis=1)
        out &= ~(known | nodes[q.missing].isin(["withheld", "not_available"])).to_numpy(dtype=bool)
    return out


def reference_date(tables: Mapping[str, pd.DataFrame], year: int) -> str:
    """First day on which everything in a graph is known: its last publication, or the end of its newest data year.

    Parameters
    ----------
    tables : mapping
        All tables of a graph.
    year : int
        Newest data year.

    Returns
    -------
    str
    """
    days = [f"{year:04d}-12-31"]
    for name, spec in TABLES.items():
        if spec.fact and len(tables[name]):
            days.append(max(known_from(tables, name)))
    return max(days)


def all_hold(tables: Mapping[str, pd.DataFrame], day: str) -> bool:
    """Whether every fact is valid on a day: none ended before it, none begins after it.

    Parameters
    ----------
    tables : mapping
        All tables of a graph.
    day : str
        ISO day.

    Returns
    -------
    bool

    Examples
    --------
    >>> import supplyrisk as sr
    >>> all_hold(sr.SupplyGraph.from_tables().tables, "2024-12-31")
    True
    """
    return all(bool(_valid(tables[n], day).all()) for n, spec in TABLES.items() if spec.fact and len(tables[n]))


def tables_at(
    tables: Mapping[str, pd.DataFrame], day: str, known: str | None, beneath: Mapping[str, pd.DataFrame] = NOTHING
) -> dict[str, pd.DataFrame]:
    """Tables of a graph on a day.

    Parameters
    ----------
    tables : mapping
        All tables.
    day : str
        ISO day. Facts of later years and facts that are not valid on it are left out.
    known : str or None
        ISO day; what was published later is left out. None: all is known.
    beneath : mapping, optional
        What is kept beside the graph, see :func:`supplyrisk.retained.outlived`.

    Returns
    -------
    dict of DataFrame
        A producer whose figures were all published later stays, its quantities missing (``unknown``), where another
        producer of the product is known: that it makes the product is known now, and a market without it would read
        as the whole. The same holds of the links into a buyer. Of a statistic that lists whole years those of a later
        year than it had stated are not: that year is whole without them. A node that states no figure is there if a link
        or a use of the day names it, and by its own day and year otherwise.
    """
    out: dict[str, pd.DataFrame] = {}
    for name, spec in TABLES.items():
        frame = tables[name]
        if spec.fact and len(frame):
            frame = frame[_there(tables, name, day, known)]
        out[name] = frame
    if known is not None:
        later = {name: _of_a_later_year(tables, name, out[name], beneath) for name in ("nodes", "links")}
        late = {name: _of_a_year_begun(tables, name, out, beneath) for name in ("nodes", "links")}
        out["nodes"] = _with_unheard(tables["nodes"], ~later["nodes"], late["nodes"], out["nodes"], day)
        out["links"] = _with_unseen(tables["links"], ~later["links"], late["links"], out["links"], day)
    out["nodes"] = _with_named(tables["nodes"], out, day)
    # A link whose end has left has left too.
    alive = set(out["nodes"]["node"])
    for name, columns in (("links", ("supplier", "buyer")), ("demand", ("node",)), ("stocks", ("node",))):
        for c in columns:
            out[name] = out[name][out[name][c].isin(alive)]
    return out


def _there(tables: Mapping[str, pd.DataFrame], name: str, day: str, known: str | None) -> npt.NDArray[np.bool_]:
    """Rows of a table that are of the day, and known by then."""
    frame = tables[name]
    keep = frame["year"].astype("float64").fillna(-1).to_numpy() <= int(day[:4])
    keep &= _valid(frame, day)
    return keep if known is None else np.asarray(keep & (known_from(tables, name) <= known), dtype=bool)


def uncovered(
    tables: Mapping[str, pd.DataFrame], beneath: Mapping[str, pd.DataFrame], day: str, known: str | None
) -> dict[str, pd.DataFrame]:
    """Tables in which the rows of an overlay that are not of the day, or not known by then, cover nothing.

    Parameters
    ----------
    tables, beneath : mapping
        Of the graph.
    day, known
        As for :func:`tables_at`.

    Returns
    -------
    dict of DataFrame
        Public rows that such a row covers stand again, if they are of the day themselves.
    """
    out = dict(tables)
    for name, spec in TABLES.items():
        under = beneath.get(name)
        if not spec.fact or under is None or not len(under):
            continue
        frame, key = tables[name], list(spec.key)
        gone = ~_there(tables, name, day, known) & (frame["origin_tag"] != "public").to_numpy(dtype=bool)
        own = pd.MultiIndex.from_frame(frame.loc[gone, key].astype("object"))
        under = under[pd.MultiIndex.from_frame(under[key].astype("object")).isin(own)]
        under = under[_there({**tables, name: under}, name, day, known)]
        back = own.isin(pd.MultiIndex.from_frame(under[key].astype("object")))
        left = frame.drop(index=frame.index[gone][back])
        out[name] = pd.concat([left, under.astype(frame.dtypes.to_dict())], ignore_index=True) if len(under) else frame
    return out


def beneath_at(
    tables: Mapping[str, pd.DataFrame],
    beneath: Mapping[str, pd.DataFrame],
    day: str,
    known: str | None,
    overlays: bool = True,
) -> dict[str, pd.DataFrame]:
    """What is kept beside a graph, on a day: the years of a series and the earlier releases that were out by then.

    Parameters
    ----------
    tables, beneath : mapping
        Of the graph.
    day, known
        As for :func:`tables_at`.
    overlays : bool
        As for :func:`supplyrisk.retained.cut`.

    Returns
    -------
    dict of DataFrame
    """
    facts = [n for n, spec in TABLES.items() if spec.fact and len(tables[n])]
    out = cut(tables, {n: ~_there(tables, n, day, known) for n in facts}, beneath, overlays)
    for key in [k for k in beneath if k.startswith("earlier:") and known is not None]:
        out[key] = beneath[key][_days(beneath[key]["published_on"], date_floor, "") <= (known or "")]
    for key in [k for k in beneath if k.startswith(STATED)]:
        name = key.removeprefix(STATED)
        out[key] = beneath[key][_there({**tables, name: beneath[key]}, name, day, known)]
    for key in [k for k in beneath if k.startswith(NEWEST)]:
        name = key.removeprefix(NEWEST)
        every = {**tables, name: beside(tables, beneath, name)}
        there = _there(every, name, day, known)[len(tables[name]) :]
        out[key] = beneath[key][there]
    return out


def _of_a_later_year(
    tables: Mapping[str, pd.DataFrame], name: str, kept: pd.DataFrame, beneath: Mapping[str, pd.DataFrame]
) -> npt.NDArray[np.bool_]:
    """Rows of statistics that list whole years, of a later year than the last that they had stated by the day."""
    frame = tables[name]
    out = np.zeros(len(frame), dtype=bool)
    if not len(kept) or len(kept) == len(frame):
        return out
    series = listed(tables, name, beneath)
    year = frame["year"].astype("float64").to_numpy()
    had = pd.Series(year).where(frame.index.isin(kept.index)).groupby(series).transform("max").to_numpy()
    later = year > had
    if name == "links":  # of an estimate nothing is known before its year
        later |= np.isnan(had) & frame["method"].isin(ESTIMATED).to_numpy(dtype=bool)
    return np.asarray((series >= 0) & later, dtype=bool)


def _with_named(nodes: pd.DataFrame, out: Mapping[str, pd.DataFrame], day: str) -> pd.DataFrame:
    """Nodes without a figure that kept rows name, whatever the year or day of their own rows; others as they are."""
    kept = out["nodes"]
    ends = [out["links"]["supplier"], out["links"]["buyer"], out["demand"]["node"], out["stocks"]["node"]]
    named = set(pd.concat([e.astype("object") for e in ends]).dropna()) - set(kept["node"])
    lost = nodes[nodes["node"].isin(named).to_numpy(dtype=bool) & says_nothing(nodes)]
    lost = lost[_valid(lost, day)].sort_values("year", kind="stable").drop_duplicates("node")
    if not len(lost):
        return kept
    stub = lost.assign(year=lost["year"].clip(upper=int(day[:4])))
    return pd.concat([kept, stub.astype(kept.dtypes.to_dict())], ignore_index=True)


def _valid(frame: pd.DataFrame, day: str) -> npt.NDArray[np.bool_]:
    start, end = _days(frame["valid_from"], date_floor, ""), _days(frame["valid_to"], date_ceil, "9999-12-31")
    return np.asarray((start <= day) & (end >= day), dtype=bool)


def _of_a_year_begun(
    tables: Mapping[str, pd.DataFrame], name: str, out: Mapping[str, pd.DataFrame], beneath: Mapping[str, pd.DataFrame]
) -> npt.NDArray[np.bool_]:
    """Rows of statistics that come out piece by piece: of the last year stated by the day, and not out yet.

    Only of those whose earlier figure is history on the day: one that still stands for itself says more than none.
    """
    frame, kept = tables[name], out[name]
    if not len(kept) or len(kept) == len(frame):
        return np.zeros(len(frame), dtype=bool)
    series = listed(tables, name, beneath)
    year = frame["year"].astype("float64").to_numpy()
    here = frame.index.isin(kept.index)
    had = pd.Series(year).where(here).groupby(series).transform("max").to_numpy()
    late = (series >= 0) & (year == had) & ~here
    if not late.any():
        return np.asarray(late, dtype=bool)
    of_day, years = listed({**tables, **out}, name, beneath), kept["year"].astype("float64")
    newest = years.groupby(of_day).transform("max").to_numpy()
    stands = (of_day < 0) | (years.to_numpy() >= newest)
    who = pd.MultiIndex.from_frame(kept.loc[stands, ENTITY[name]].astype("object"))
    return np.asarray(late & ~pd.MultiIndex.from_frame(frame[ENTITY[name]].astype("object")).isin(who), dtype=bool)


def _with_unheard(
    every: pd.DataFrame, usable: npt.NDArray[np.bool_], late: npt.NDArray[np.bool_], kept: pd.DataFrame, day: str
) -> pd.DataFrame:
    """Producers of products of which something was known, whose own figures (of the year begun) were not."""
    there = kept[kept["kind"] == "producer"]
    maker = (every["kind"] == "producer").to_numpy(dtype=bool)
    lost = every[maker & ((usable & ~every["node"].isin(kept["node"]).to_numpy(dtype=bool)) | late)]
    lost = lost[lost["product"].isin(there["product"])]
    if not len(lost):
        return kept
    lost = latest(lost[_valid(lost, day)], ["node"])
    if not len(lost):
        return kept
    kept = _given_back(lost, kept)
    stub = lost.copy()
    for q in TABLES["nodes"].quantities:
        blank = [c for c in (q.name, q.low, q.high, q.missing, q.year, q.source, q.grade) if c in stub.columns]
        stub[blank] = stub[blank].mask(stub[blank].notna())
    blank = ["rest_low", "rest_high", "total", "source", "grade", "published_on"]
    stub[blank] = stub[blank].mask(stub[blank].notna())
    stub["output_missing"], stub["note"] = "unknown", _LATER
    stub["year"] = stub["year"].clip(upper=int(day[:4]))
    # Who was not listed yet was inside the rest of that day.
    rest = stub["product"].astype(str) + "@ROW"
    inside = rest.isin(set(there["node"])) & (stub["node"] != rest)
    stub["inside"] = stub["inside"].mask(inside, rest)
    return pd.concat([kept, stub.astype(kept.dtypes.to_dict())], ignore_index=True)


def _with_unseen(
    every: pd.DataFrame, usable: npt.NDArray[np.bool_], late: npt.NDArray[np.bool_], kept: pd.DataFrame, day: str
) -> pd.DataFrame:
    """Links into a buyer of whose supply something was known, whose own figures were not: there, quantity missing."""
    if not len(kept):
        return kept
    key = ["supplier", "buyer", "product"]

    def among(frame: pd.DataFrame, columns: list[str]) -> npt.NDArray[np.bool_]:
        here = pd.MultiIndex.from_frame(frame[columns].astype("object"))
        return np.asarray(here.isin(pd.MultiIndex.from_frame(kept[columns].astype("object"))), dtype=bool)

    lost = every[((usable & ~among(every, key)) | late) & among(every, ["buyer", "product"])]
    lost = lost[_valid(lost, day)]
    if not len(lost):
        return kept
    stub = latest(lost, key)
    blank = [
        "quantity",
        "low",
        "high",
        "stated_low",
        "stated_high",
        "value",
        "value_low",
        "value_high",
        "source",
        "grade",
        "published_on",
    ]
    stub[blank] = stub[blank].mask(stub[blank].notna())
    stub["missing"], stub["note"] = "unknown", "published later: the link is known now, its quantity was not on the day"
    stub["year"] = stub["year"].clip(upper=int(day[:4]))
    return pd.concat([kept, stub.astype(kept.dtypes.to_dict())], ignore_index=True)


def _given_back(lost: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """What was taken out of a residual for producers inside it who were not known yet is in it again."""
    back = lost.dropna(subset=["inside"]).groupby("inside")["output"].sum()
    back = back[back > 0]
    hit = kept["node"].isin(back.index)
    if not hit.any():
        return kept
    kept = kept.copy()
    more = kept["node"].map(back).astype("float64")[hit]
    kept.loc[hit, "output"] += more
    kept.loc[hit, "output_low"] = kept.loc[hit, "rest_low"].fillna(kept.loc[hit, "output_low"] + more)
    top = kept.loc[hit, ["output_high", "output"]].max(axis=1)
    kept.loc[hit, "output_high"] = top.where(kept.loc[hit, "output_high"].notna())
    return kept

"""What a country uses of a product: stated uses added up, a total beside its parts, and what industry draws of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .errors import Problem
from .retained import cite_strictest
from .schema import GRADES
from .vintages import counts

__all__ = ["TOTAL", "country_use", "draws_on_pools", "final_use", "one_account", "today_uses", "used_twice",
           "with_open_draws", "without_world"]  # fmt: skip

TOTAL = "total"
_KEY = ["product", "country"]
_ROUNDING = 1e-3  # of the source: parts that exceed their total by less are no contradiction


def used_twice(demand: pd.DataFrame) -> list[Problem]:
    """Uses that stand in a table of demand more than once: to add them up would count them twice.

    Parameters
    ----------
    demand : DataFrame
        ``product, country, use, year, quantity, source``; no use is the total.

    Returns
    -------
    list of Problem
        One for each product, country, use and year that has several rows, and for each use of less than nothing.

    Examples
    --------
    >>> rows = pd.DataFrame(dict(product="x", country="JPN", use=[None, "total"], year=2024, quantity=[5.0, 7.0], source=None))
    >>> [(p.row, p.value) for p in used_twice(rows)]
    [('x | JPN | total | 2024', '5, 7')]
    """
    less = demand[demand["quantity"].astype(float) < 0]
    out = [
        Problem(
            "demand",
            f"{r.product} | {r.country}",
            "quantity",
            "a use of less than nothing",
            f"{r.quantity:g}",
            "Correct it.",
        )
        for r in less.itertuples()
    ]
    key = [*_KEY, "use", "year"]
    named = demand.assign(use=_named(demand["use"]))
    plain = named.assign(use=named["use"].astype(str).str.casefold())  # LED and led are one use
    again = plain[plain.duplicated(key, keep=False)].sort_values("quantity", kind="stable")
    for (product, country, use, year), rows in again.groupby(key, dropna=False, sort=True):
        value = ", ".join("missing" if np.isnan(q) else f"{q:g}" for q in rows["quantity"].astype(float))
        sources = sorted({str(s) for s in rows["source"].dropna()})
        remedy = f"Keep one of the sources {', '.join(sources)}." if len(sources) > 1 else "Keep one of them."
        row = f"{product} | {country} | {use} | {year:g}"
        out.append(Problem("demand", row, "product+country+use+year", f"stands {len(rows)} times", value, remedy))
    return out


def _named(use: pd.Series) -> pd.Series:
    """Names of uses; nothing, and ``total`` however it is written, is the total."""
    text = use.astype("object").where(use.notna(), TOTAL).astype(str).str.strip()
    return text.mask((text == "") | (text.str.casefold() == TOTAL), TOTAL).astype("object")


def one_account(demand: pd.DataFrame, sources: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of use of which those of one country and year add up to its use, nothing counted twice.

    Uses without a total add up as they are. Where a total is stated, of whatever year, the country's use is told by
    totals: of a year with one it is the total, whose note names the parts; of another year what the parts add up to.
    Parts that are newer than every total and add up to less may be no full list: the total stands and names them.

    Parameters
    ----------
    demand : DataFrame
        ``product, country, use, year, quantity, low, high, missing, published_on, source, grade, note``, a row for
        each use and year.
    sources : DataFrame, optional
        Table of sources: a sum cites the one of its parts that has the strictest terms.

    Returns
    -------
    tuple of DataFrame
        The rows, and rows of ``gaps`` for parts that add up to more than their total: the total stands, its upper bound
        reaches up to the sum of its parts.

    Notes
    -----
    Missing policy: a total without a figure is at least what its known parts add up to. Parts with a missing one have
    no sum: without a total of their year they are named by the newest total and not added up.

    Examples
    --------
    >>> rows = pd.DataFrame(dict(product="x", country="JPN", use=["total", "led", "pv"], year=2024.0,
    ...     quantity=[100.0, 60.0, 50.0], low=np.nan, high=np.nan, missing=None, published_on=None, source=None,
    ...     grade="B", note=None))
    >>> kept, gaps = one_account(rows)
    >>> kept[["use", "quantity", "high", "note"]].values.tolist()
    [['total', 100.0, 110.0, 'of it led 60, pv 50']]
    >>> gaps["note"].tolist()
    ['parts of the use in 2024 add up to 110, their total is 100, which stands: led 60, pv 50']
    """
    none = pd.DataFrame(columns=["product", "what", "where", "reason", "note"])
    rows = demand.assign(use=_named(demand["use"])).sort_values([*_KEY, "year", "use"], kind="stable")
    total = rows["use"] == TOTAL
    key = pd.MultiIndex.from_frame(rows[_KEY].astype("object"))
    mixed = key.isin(key[total]) & key.isin(key[~total])
    if not mixed.any():
        return rows.reset_index(drop=True), none
    gaps: list[dict[str, object]] = []
    parts = [rows[~mixed]]
    for (product, country), its in rows[mixed].groupby(_KEY, sort=True):
        told, over = _totals(its)
        parts.append(told)
        if over:
            note = "; ".join(over)
            gaps.append({"product": product, "what": "use", "where": country, "reason": "unknown", "note": note})
    out = pd.concat([p for p in parts if len(p)], ignore_index=True)
    summed = out["note"].astype("object").where(out["note"].notna(), "").astype(str).str.startswith("sum of ")
    if summed.any():
        out = pd.concat([out[~summed], cite_strictest(out[summed], rows, [*_KEY, "year"], sources)]).sort_index()
    return out, pd.DataFrame(gaps, columns=none.columns) if gaps else none


def _totals(its: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row of the total for each year of a country's uses, and what contradicts."""
    columns = list(its.columns)
    its = its.assign(day=its["year"].astype(float).fillna(-np.inf))  # of no stated year: before all others
    whole: dict[float, dict[str, Any]] = {float(r["day"]): r for r in _records(its[its["use"] == TOTAL])}
    said: dict[float, list[str]] = {y: [str(r["note"])] if pd.notna(r["note"]) else [] for y, r in whole.items()}
    last, over = max(whole), []
    split = its[its["use"] != TOTAL]
    summed: list[dict[str, Any]] = []
    for year in sorted({float(y) for y in split["day"]}):
        rows = split[split["day"] == year]
        figures = zip(rows["use"], rows["quantity"].astype(float), strict=True)
        names = ", ".join(f"{u} {'not known' if np.isnan(q) else f'{q:g}'}" for u, q in figures)
        known = float(rows["quantity"].sum())
        row = whole.get(year)
        if row is None:
            gone = bool(rows["quantity"].isna().any())
            if gone or (year > last and not known >= float(whole[last]["quantity"])):
                said[last].append(f"parts {_in(year)}: {names}")
            else:
                summed.append(_summed(rows, known, names))
            continue
        said[year].append(f"of it {names}")
        value = float(row["quantity"])
        if np.isnan(value):
            row["low"] = float(np.fmax(row["low"], known))
            if row["high"] < row["low"]:
                over.append(
                    f"parts of the use {_in(year)} add up to {known:g}, their total is at most {row['high']:g}: {names}"
                )
                row["high"] = row["low"]
        elif known > value * (1.0 + _ROUNDING):
            row["high"] = float(np.fmax(row["high"], known))
            told = f"parts of the use {_in(year)} add up to {known:g}, their total is {value:g}, which stands: {names}"
            over.append(told)
    for year, texts in said.items():
        whole[year]["note"] = "; ".join(texts) or None
    return pd.DataFrame([*whole.values(), *summed], columns=columns), over


def _in(year: float) -> str:
    return f"in {year:g}" if np.isfinite(year) else "of no stated year"


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in r.items()} for r in rows.to_dict("records")]


def _summed(rows: pd.DataFrame, known: float, names: str) -> dict[str, Any]:
    """The total of a year of which only parts are stated."""
    days, sources = rows["published_on"].dropna(), rows["source"]
    stated = bool(rows[["low", "high"]].notna().any(axis=None))
    ends = {side: float(rows[side].fillna(rows["quantity"]).sum()) if stated else np.nan for side in ("low", "high")}
    return {
        **_records(rows)[0],
        **ends,
        "use": TOTAL,
        "quantity": known,
        "note": f"sum of {names}",
        "published_on": max(str(d) for d in days) if len(days) else None,
        "grade": max((g if g in GRADES else GRADES[-1] for g in rows["grade"]), key=GRADES.index),
        "source": _behind(rows, sources),
    }


def _behind(rows: pd.DataFrame, sources: pd.Series) -> str | None:
    """Source of a sum: the one of its parts, or that of the part with the lowest grade."""
    if sources.nunique(dropna=False) == 1:
        return None if sources.isna().all() else str(sources.iloc[0])
    rank = rows["grade"].map(lambda g: GRADES.index(g) if g in GRADES else len(GRADES))
    told = sources[sources.notna() & ~rows["grade"].eq("assumption")]
    return None if told.empty else str(told.loc[rank[told.index].sort_values(kind="stable").index[-1]])


def without_world(demand: pd.DataFrame, sources: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Uses in which a use of the world is what it leaves beyond the countries whose uses are stated too.

    Parameters
    ----------
    demand : DataFrame
        Rows as :func:`one_account` returns them; country ``WLD`` is the world.
    sources : DataFrame, optional
        Table of sources: a rest cites the one with the strictest terms of all that it is worked out from.

    Returns
    -------
    tuple of DataFrame
        The rows, and rows of ``gaps`` for countries that use more than the world: then nothing is left.

    Notes
    -----
    Of each country the uses of the world's year count, else the newest before it, else the oldest; of a use of the world
    with a name, those of that name. Missing policy: beside a country of unknown use the rest is between 0 and what the
    others leave.

    Examples
    --------
    >>> rows = pd.DataFrame(dict(product="x", country=["WLD", "JPN"], use="total", year=2024.0, quantity=[100.0, 30.0],
    ...     low=np.nan, high=np.nan, missing=None, published_on=None, source=None, grade="B", note=None))
    >>> without_world(rows)[0][["country", "quantity", "note"]].values.tolist()
    [['WLD', 70.0, 'world use of 100 less 30 of 1 country'], ['JPN', 30.0, None]]
    """
    gaps: list[dict[str, object]] = []
    columns = ["product", "what", "where", "reason", "note"]
    world = demand["country"] == "WLD"
    world &= demand["product"].isin(set(demand.loc[~world, "product"]))
    if not world.any():
        return demand, pd.DataFrame(columns=columns)
    out = demand.astype(dict.fromkeys(("note", "missing"), "object")).copy()
    for i, row in demand[world].iterrows():
        its = demand[(demand["product"] == row["product"]) & (demand["country"] != "WLD")]
        if row["use"] != TOTAL:
            its = its[its["use"].str.casefold() == str(row["use"]).casefold()]
        if not len(its) or pd.isna(row["quantity"]):
            continue
        year, age = float(row["year"]), its["year"].astype(float)
        far = np.where(age <= year, year - age, 1e4 + age - year)
        far = np.where(np.isnan(far), np.inf, far)
        its = its[far == pd.Series(far, index=its.index).groupby(its["country"]).transform("min")]
        known, gone = its["quantity"].sum(), bool(its["quantity"].isna().any())
        least, most = its["low"].fillna(its["quantity"]).sum(), its["high"].fillna(its["quantity"]).sum()
        bounded = its[["low", "high"]].notna().any(axis=None) or pd.notna(row["low"]) or pd.notna(row["high"])
        top = row["high"] if pd.notna(row["high"]) else row["quantity"]
        bottom = row["low"] if pd.notna(row["low"]) else row["quantity"]
        n = its["country"].nunique()
        many = f"{n} countr{'y' if n == 1 else 'ies'}"
        said = f"world use of {row['quantity']:g} less {known:g} of {many}"
        if known > row["quantity"] * (1.0 + _ROUNDING):
            told = f"a use of {known:g} in {many} is more than the {row['quantity']:g} of the world {_in(year)}"
            gap = {"product": row["product"], "what": "use", "where": "WLD", "reason": "unknown", "note": told}
            gaps.append(gap)
        out.loc[i, "quantity"] = np.nan if gone else max(row["quantity"] - known, 0.0)
        out.loc[i, "low"] = 0.0 if gone else max(bottom - most, 0.0) if bounded else np.nan
        out.loc[i, "high"] = max(top - least, 0.0) if gone or bounded else np.nan
        out.loc[i, "missing"] = "unknown" if gone else row["missing"]
        out.loc[i, "note"] = f"{row['note']}; {said}" if pd.notna(row["note"]) else said
        days = [str(d) for d in [row["published_on"], *its["published_on"]] if pd.notna(d)]
        out.loc[i, "published_on"] = max(days) if days else None
    cited = cite_strictest(out[world], demand, ["product"], sources)
    out = pd.concat([cited, out[~world]]).sort_index()
    return out, pd.DataFrame(gaps, columns=columns)


def country_use(demand: pd.DataFrame, sources: pd.DataFrame | None) -> pd.DataFrame:
    """Use of each country by now: the newest known figure of each of its uses, added up.

    Parameters
    ----------
    demand : DataFrame
        Rows as :func:`one_account` returns them.
    sources : DataFrame, optional
        Table of sources, whose ``lists`` says which years are history (:mod:`supplyrisk.vintages`).

    Returns
    -------
    DataFrame
        ``product, country, year, quantity, low, high``: what producers draw included. ``quantity`` is the sum of the
        known uses, NaN where none is known; bounds are NaN where no use states one.

    Examples
    --------
    >>> rows = pd.DataFrame(dict(product="x", country="JPN", use=["led", "pv"], year=2024.0, quantity=[60.0, 40.0],
    ...     low=np.nan, high=np.nan, source=None))
    >>> country_use(rows, None)[["country", "quantity"]].values.tolist()
    [['JPN', 100.0]]
    """
    now = demand[counts(demand, ["product"], ["country", "use"], sources)]
    told = now["quantity"].notna() | ~now["quantity"].notna().groupby([now[k] for k in (*_KEY, "use")]).transform("any")
    use = now[told][_newest(now[told])]
    stated = use[["low", "high"]].notna().any(axis=1).groupby([use[k] for k in _KEY]).any()
    bounded = use.assign(low=use["low"].fillna(use["quantity"]), high=use["high"].fillna(use["quantity"]))
    by = bounded.groupby(_KEY, sort=True)
    out = by[["quantity", "low", "high"]].sum(min_count=1).join(by["year"].max())
    # Beside a use of which nothing is said there is no upper end.
    open_end = bounded["high"].isna().groupby([use[k] for k in _KEY]).any()
    out["high"] = out["high"].mask(open_end)
    out[["low", "high"]] = out[["low", "high"]].where(stated, np.nan)
    return out.reset_index()[[*_KEY, "year", "quantity", "low", "high"]]


def today_uses(demand: pd.DataFrame, sources: pd.DataFrame | None) -> pd.Series:
    """Rows that are the use of today: of those that count the newest of each use."""
    now = pd.Series(counts(demand, ["product"], ["country", "use"], sources), index=demand.index, dtype=bool)
    return now & _newest(demand[now]).reindex(demand.index, fill_value=False)


def _newest(use: pd.DataFrame) -> pd.Series:
    year = use["year"].astype(float).fillna(-np.inf)
    return year == year.groupby([use[k] for k in (*_KEY, "use")]).transform("max")


def draws_on_pools(links: pd.DataFrame) -> pd.DataFrame:
    """What producers draw on each pool, listed ones or (where a pool sends into the world pool) not.

    Parameters
    ----------
    links : DataFrame
        ``supplier, buyer, quantity``.

    Returns
    -------
    DataFrame
        ``node, maker, quantity``: pool, product that is made of it (nothing where nobody says), sum of known quantities.

    Examples
    --------
    >>> links = pd.DataFrame(dict(supplier=["x@JPN:demand"] * 2, buyer=["y@JPN", "x@KOR:demand"], quantity=[30.0, 5.0]))
    >>> draws_on_pools(links).values.tolist()
    [['x@JPN:demand', 'y', 30.0]]
    """
    if not len(links):
        return pd.DataFrame({"node": [], "maker": [], "quantity": []}).astype({"node": "object", "maker": "object"})
    supplier, buyer = links["supplier"].astype(str), links["buyer"].astype(str)
    industry = ~buyer.str.endswith(":demand")
    world = buyer.str.endswith("@WLD:demand") & supplier.str.endswith(":demand")
    maker = buyer.str.split("@").str[0].astype("object").where(industry, None)
    rows = pd.DataFrame({"node": supplier, "maker": maker, "quantity": links["quantity"]})[industry | world]
    return rows.groupby(["node", "maker"], dropna=False, sort=True)["quantity"].sum().reset_index()


def final_use(demand: pd.DataFrame, drawn: pd.DataFrame, today: pd.Series, names: pd.Series) -> pd.DataFrame:
    """Stated uses less what producers draw, which is taken from a country's use once.

    A use that bears the id or the name of a product is that of the makers of this product: what they draw is taken from
    it first. All else is taken from the uses in proportion.

    Parameters
    ----------
    demand : DataFrame
        Rows as :func:`one_account` returns them, with ``node``.
    drawn : DataFrame
        ``node, maker, quantity``: what makers of the product ``maker`` (or nobody known) draw from a pool.
    today : Series of bool
        Rows that are today's use; of the others those of one year are taken together.
    names : Series of str
        Name of each product, by its id.

    Returns
    -------
    DataFrame
        The rows with ``quantity, low, high`` of final use, at least 0, and ``draw``, what was taken from each. Together
        the rows of a pool are its use less all draws.

    Notes
    -----
    Missing policy: a missing use stays missing. As the draws may come out of it, the uses beside it keep what they were
    stated to be as an upper bound.

    Examples
    --------
    >>> rows = pd.DataFrame(dict(node="x@JPN:demand", use=["led", "pv"], year=2024.0, quantity=[60.0, 40.0], low=np.nan,
    ...     high=np.nan, note=None))
    >>> taken = pd.DataFrame(dict(node=["x@JPN:demand"], maker=["y"], quantity=[30.0]))
    >>> now, nobody = pd.Series([True, True]), pd.Series({"y": "device"})
    >>> final_use(rows, taken, now, nobody)["quantity"].tolist()
    [42.0, 28.0]
    >>> final_use(rows, taken, now, pd.Series({"y": "PV"}))["quantity"].tolist()
    [60.0, 10.0]
    """
    out = demand.copy()
    q = out["quantity"].astype(float)
    group = [out["node"].astype(str), out["year"].where(~today.to_numpy(dtype=bool), np.inf)]
    draw = out["node"].map(drawn.groupby("node")["quantity"].sum()).astype(float).fillna(0.0)
    # What a use is known to be for: the makers whose product it is called after, by id or by name.
    made = drawn.dropna(subset=["maker"])
    ways = [made.assign(use=made["maker"].astype(str)), made.assign(use=made["maker"].map(names))]
    called = pd.concat(ways, ignore_index=True).dropna(subset=["use"])
    called["use"] = called["use"].astype(str).str.strip().str.casefold()
    called = called[called["use"] != TOTAL].drop_duplicates(["node", "maker", "use"])
    meant = called.groupby(["node", "use"])["quantity"].sum()
    at = pd.MultiIndex.from_arrays([out["node"].astype(str), out["use"].astype(str).str.casefold()])
    own = pd.Series(meant.reindex(at).to_numpy(dtype=float), index=out.index).fillna(0.0)
    # A use without a figure bears the draw that is its own, up to what it may be at most: the others do not.
    own = own.clip(upper=q.fillna(out["high"].astype(float)).fillna(np.inf))
    booked = own.groupby(group).transform("sum")
    own = own.where(booked <= draw, own * draw / booked)
    left = q - own
    rest = (draw - own.groupby(group).transform("sum")).clip(lower=0.0)
    of = left.groupby(group).transform("sum")
    part = (left / of).where(of > 0, other=0.0)
    one = q.groupby(group).transform("size") == 1
    # Alone a use bears all of it, missing or not: its bounds do too.
    taken = (own + np.fmin(rest, of) * part).where(~one, draw).fillna(0.0)
    unsure = q.isna().groupby(group).transform("any") & ~one & (draw > 0)
    top = out["high"].astype(float).fillna(q)
    for c in ("quantity", "low", "high"):
        out[c] = (out[c].astype(float) - taken).clip(lower=0.0)
    out["high"] = out["high"].mask(unsure & q.notna(), top)
    several = ~one & (taken > 0)
    note = out["note"].astype("object")
    how = ("less what its makers draw", "less what producers draw, in proportion to the uses")
    said = pd.Series(np.where(own > 0, *how), index=out.index, dtype="object")
    out["note"] = note.mask(several, note.where(note.isna(), note.astype(str) + "; ").fillna("") + said)
    return out.assign(draw=taken)


def with_open_draws(final: pd.DataFrame, links: pd.DataFrame, made: pd.Series, today: pd.Series) -> pd.DataFrame:
    """Final uses of pools on which makers of unknown output draw too, beside the stated use that these draws are part of.

    Parameters
    ----------
    final : DataFrame
        Rows as :func:`final_use` returns them.
    links : DataFrame
        ``supplier, buyer, quantity, missing``.
    made : Series
        Output of each producer, by its node; makers without a figure are missing or absent.
    today : Series of bool
        Rows that are today's use.

    Returns
    -------
    DataFrame
        The rows with ``with_draws, with_draws_low, with_draws_high``, the stated use of such a row and its stated bounds,
        NaN for all others. Where a draw has no figure at all, final use may be anything down to 0.

    Examples
    --------
    >>> rows = pd.DataFrame(dict(node=["x@JPN:demand"], use="total", year=2024.0, quantity=[60.0], low=np.nan, high=np.nan,
    ...     draw=0.0))
    >>> links = pd.DataFrame(dict(supplier=["x@JPN:demand"], buyer=["y@JPN"], quantity=[np.nan], missing=["unknown"]))
    >>> with_open_draws(rows, links, pd.Series(dtype=float), pd.Series([True]))[["low", "high", "with_draws"]].values.tolist()
    [[0.0, 60.0, 60.0]]
    """
    out = final.copy()
    buyer = links["buyer"].astype(str)
    open_ = ~buyer.str.endswith(":demand") & links["supplier"].astype(str).str.endswith(":demand")
    open_ &= buyer.map(made).astype(float).isna() & links["missing"].astype("object").ne("not_applicable")
    pools = set(links.loc[open_, "supplier"])
    # Every use of a pool has a figure or a bound, or what they are together nobody knows.
    told = out[["quantity", "low", "high"]].notna().any(axis=1)
    known = told.groupby(out["node"]).transform("all") & today.reindex(out.index, fill_value=False)
    mine = known & out["node"].isin(pools)
    for column, end in (("with_draws", "quantity"), ("with_draws_low", "low"), ("with_draws_high", "high")):
        out[column] = (out[end].astype(float) + out["draw"]).where(mine)
    blank = mine & out["node"].isin(set(links.loc[open_ & links["quantity"].isna(), "supplier"]))
    out["high"] = out["high"].where(~blank, out["high"].fillna(out["quantity"]))
    out["low"] = out["low"].mask(blank, 0.0)
    return out

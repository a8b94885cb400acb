"""What is kept beside a graph when rows leave it: of which years its series are, so that no earlier year comes back.

The rule of which year counts is in :mod:`supplyrisk.vintages`; here is what it needs to know of rows that an overlay
covers, or that a selection does not hold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from .schema import LICENCES, TABLES, coerce
from .vintages import ENTITY, ESTIMATED, NEWEST, BoolArray, Frames, among, beside, listed, one_year, stated_again, years

__all__ = [
    "CUT",
    "PUBLIC_LICENCES",
    "STATED",
    "WORKED",
    "barred_inputs",
    "behind",
    "cite_strictest",
    "cut",
    "inputs_of",
    "outlived",
    "rests_on_overlays",
    "stated_before",
    "tied",
    "worked_out",
]

# Terms under which a row may be passed on; what is private, restricted or non-commercial stays with its owner.
PUBLIC_LICENCES = ("public_domain", "cc0", "cc_by", "attribution", "facts")
# Beside a graph: products of which rows that are not for others have left it; what was worked out of them may still be there.
CUT = "cut:"
# Beside a graph: public rows as they were before balancing beside private ones moved them, or estimated what they leave open.
STATED = "stated:"
WORKED = ("balance_flows", "draw ")  # what balancing writes into the history


def worked_out(name: str, frame: pd.DataFrame) -> pd.Series:
    """Rows of ``nodes``, ``links`` or ``demand`` whose figures no source states: they follow from others.

    Parameters
    ----------
    name : str
        The table.
    frame : DataFrame
        Its rows.

    Returns
    -------
    Series of bool
        Residuals of world totals and outputs without a source; estimated flows; uses without a source.

    Examples
    --------
    >>> worked_out("demand", pd.DataFrame({"source": ["s", None]})).tolist()
    [False, True]
    """
    if name == "links":
        return frame["method"].isin(ESTIMATED) | frame["source"].isna()
    if name == "demand":
        return frame["source"].isna()
    if name != "nodes":
        return pd.Series(False, index=frame.index)
    residual = frame["country"].astype("object").isin(("ROW", "WLD")) & frame["output"].notna()
    return (frame["kind"] == "producer") & (residual | (frame["output"].notna() & frame["output_source"].isna()))


def rests_on_overlays(history: Sequence[str]) -> bool:
    """Whether figures of a graph may have been worked out of rows of overlays: balancing after one was laid over.

    Parameters
    ----------
    history : sequence of str
        What was done to the graph, oldest first.

    Returns
    -------
    bool

    Examples
    --------
    >>> rests_on_overlays(["balance_flows", "overlay acme"]), rests_on_overlays(["overlay acme", "balance_flows"])
    (False, True)
    """
    laid = next((i for i, h in enumerate(history) if h.startswith("overlay ")), len(history))
    return any(h.startswith(WORKED) for h in history[laid:])


def behind(tables: Frames, gone: Mapping[str, BoolArray] | None = None, overlays: bool = True) -> set[str]:
    """Products with rows that are not for others, so that what is worked out may rest on them.

    Parameters
    ----------
    tables : mapping
        All tables of a graph.
    gone : mapping of str to array of bool, optional
        By table, the rows to look at; tables that are absent are not looked at. Default: all rows of all tables.
    overlays : bool
        Whether rows of overlays count too.

    Returns
    -------
    set of str
        What these products are made of is among them: a producer's draw on an input is a part of its output.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> behind(sr.load_atlas().tables)
    set()
    """
    terms = tables["sources"]
    barred = set(terms.loc[~terms["licence_class"].isin(PUBLIC_LICENCES), "source"].astype(str))
    found: set[str] = set()
    made: set[str] = set()
    for name, spec in TABLES.items():
        frame = tables[name]
        if not spec.fact or not len(frame) or (gone is not None and name not in gone):
            continue
        hit = _barred(name, frame, barred)
        own = frame["origin_tag"].astype("object") != "public"
        hit = hit | own if overlays else hit & ~own
        if gone is not None:
            hit &= gone[name]
        column = next((c for c in ("product", "node", "asset") if c in frame), None)
        if hit.any() and column is not None:
            mine = set(frame.loc[hit, column].astype("object").dropna().astype(str).str.partition("@")[0])
            found |= mine
            made |= mine if name in ("nodes", "recipes", "links", "demand") else set()
    return found | inputs_of(tables, made)


def _terms(sources: pd.DataFrame | None) -> dict[str, str]:
    """Sources that are not for others, with their terms."""
    if sources is None or "licence_class" not in sources:
        return {}
    terms = zip(sources["source"].astype(str), sources["licence_class"].astype(str), strict=True)
    return {s: t for s, t in terms if t not in PUBLIC_LICENCES}


def stated_before(tables: Frames, written: Frames, beneath: Frames, note: str | None, overlays: bool) -> Frames:
    """What is kept beside a graph, with the public rows that balancing wrote anew, as they were.

    Whether a figure moves may rest on one that is not for others: exports go back to what was stated.

    Parameters
    ----------
    tables, written : mapping
        All tables, before and after.
    beneath : mapping
        What is kept beside the graph.
    note : str or None
        What was done, as in the history.
    overlays : bool
        Whether there are rows of overlays.

    Returns
    -------
    mapping
        The same where nothing was balanced, or all of it is public.

    Examples
    --------
    >>> stated_before({}, {}, {}, "select", False)
    {}
    """
    if (
        note is None
        or not note.startswith(WORKED)
        or not (CUT + "products" in beneath or behind(tables, None, overlays))
    ):
        return beneath
    out = dict(beneath)
    for name in ("nodes", "links", "demand"):
        old, key = tables[name], list(TABLES[name].key)
        old = old[(old["origin_tag"] == "public").to_numpy(dtype=bool) & ~worked_out(name, old).to_numpy(dtype=bool)]
        if not len(old):
            continue
        # A row is as it was if all of its cells are.
        same = pd.MultiIndex.from_frame(_cells(old)).isin(pd.MultiIndex.from_frame(_cells(written[name])))
        have, new = out.get(STATED + name), old[~same]
        if have is not None and len(have):
            kept = pd.MultiIndex.from_frame(_cells(have)[key])
            new = pd.concat([have, new[~pd.MultiIndex.from_frame(_cells(new)[key]).isin(kept)]], ignore_index=True)
        if len(new):
            out[STATED + name] = new.reset_index(drop=True)
    return out


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype("object").where(frame.notna(), "")


def barred_inputs(frames: Frames, sources: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """What is kept beside a graph that is assembled, with the products of which an input is not for others.

    A part beside its total, a year that no longer counts, a heading that adds up with others: there may be no row of it.

    Parameters
    ----------
    frames : mapping
        Inputs of :func:`supplyrisk.assemble.assemble`.
    sources : DataFrame, optional
        Table of sources.

    Returns
    -------
    dict of DataFrame
        Nothing where all inputs are public.

    Examples
    --------
    >>> made = pd.DataFrame({"product": ["gallium.refined"], "source": ["acme"]})
    >>> terms = pd.DataFrame({"source": ["acme"], "licence_class": ["private"]})
    >>> barred_inputs({"production": made}, terms)["cut:products"]["product"].tolist()
    ['gallium.refined']
    """
    barred = set(_terms(sources))
    found: set[str] = set()
    if not barred:
        return {}
    for name, frame in frames.items():
        hit = np.zeros(len(frame), dtype=bool)
        for c in ("source", "purity_source"):
            if c in frame:
                hit |= frame[c].isin(barred).to_numpy(dtype=bool)
        if hit.any() and "product" in frame:
            found |= set(frame.loc[hit, "product"].dropna().astype(str))
        elif hit.any() and name == "trade":
            con = frames["concordance"]
            found |= set(con.loc[con["hs6"].isin(set(frame.loc[hit, "hs6"])), "product"].dropna().astype(str))
    return {CUT + "products": pd.DataFrame({"product": pd.array(sorted(found), dtype="string")})} if found else {}


def cite_strictest(
    rows: pd.DataFrame, given: pd.DataFrame, keys: list[str], sources: pd.DataFrame | None, note: str = "note"
) -> pd.DataFrame:
    """Rows made of figures of several sources cite the one with the strictest terms; the others are in the note.

    Parameters
    ----------
    rows : DataFrame
        ``source``, a column of notes and the keys.
    given : DataFrame
        ``source`` (and ``purity_source``) and the keys: what the rows were made of.
    keys : list of str
        Columns that say which is made of which.
    sources : DataFrame, optional
        Table of sources.
    note : str
        Column of notes.

    Returns
    -------
    DataFrame
        Rows made of public figures alone, or of one source, stay as they are.

    Examples
    --------
    >>> rows = pd.DataFrame({"flow": [1], "source": ["open"], "note": [None]})
    >>> given = pd.DataFrame({"flow": [1, 1], "source": ["open", "acme"]})
    >>> terms = pd.DataFrame({"source": ["open", "acme"], "licence_class": ["cc0", "private"]})
    >>> cite_strictest(rows, given, ["flow"], terms)[["source", "note"]].values.tolist()
    [['acme', 'with figures of open']]
    """
    terms = _terms(sources)
    parts = [given[[*keys, c]].rename(columns={c: "_cited"}) for c in ("source", "purity_source") if c in given]
    every = pd.concat([p[p["_cited"].notna()] for p in parts], ignore_index=True)
    hit = every["_cited"].isin(terms)
    if not hit.any():
        return rows
    some = every.merge(every.loc[hit, keys].drop_duplicates(), on=keys)
    some = pd.concat(
        [
            some,
            rows[[*keys, "source"]].rename(columns={"source": "_cited"}).merge(some[keys].drop_duplicates(), on=keys),
        ]
    )
    some = some.dropna(subset=["_cited"]).astype({"_cited": "str"}).drop_duplicates()
    some["_rank"] = some["_cited"].map(lambda s: LICENCES.index(terms[s]) if s in terms else -1)
    some = some.sort_values(["_rank", "_cited"], ascending=[False, True], kind="stable")
    first = some.drop_duplicates(keys).set_index(keys)["_cited"]
    others = some[some.duplicated(keys)].groupby(keys, dropna=False)["_cited"].agg(", ".join)
    at = pd.MultiIndex.from_frame(rows[keys]) if len(keys) > 1 else pd.Index(rows[keys[0]])
    strict = pd.Series(first.reindex(at).to_numpy(dtype=object), index=rows.index)
    also = pd.Series(others.reindex(at).to_numpy(dtype=object), index=rows.index)
    said = [str(n) if isinstance(n, str) else "" for n in rows[note]]
    told = ["; ".join([*([n] if n else []), f"with figures of {a}"]) for n, a in zip(said, also, strict=True)]
    notes = rows[note].astype("object").where(also.isna(), pd.Series(told, index=rows.index, dtype="object"))
    return rows.assign(**{"source": strict.fillna(rows["source"].astype("object")), note: notes})


def inputs_of(tables: Frames, products: set[str]) -> set[str]:
    """What products are made of, and that in turn.

    Parameters
    ----------
    tables : mapping
        All tables of a graph.
    products : set of str
        Products.

    Returns
    -------
    set of str

    Examples
    --------
    >>> import supplyrisk as sr
    >>> "bauxite.mine" in inputs_of(sr.load_atlas().tables, {"gallium.refined"})
    True
    """
    recipes = tables["recipes"]
    made, of = recipes["product"].astype("object"), recipes["input"].astype("object")
    found: set[str] = set()
    new = set(products)
    while new:
        new = set(of[made.isin(new)].astype(str)) - found
        found |= new
    return found


def tied(recipes: pd.DataFrame, products: set[str], follow: Collection[str] = ()) -> set[str]:
    """Products with what they are made of, with their by-products and with what follows from them, and all that in turn.

    Parameters
    ----------
    recipes : DataFrame
        ``product, input, host``.
    products : set of str
        Products.
    follow : collection of str
        Products with makers of unknown output, of which balancing finds what their inputs allow.

    Returns
    -------
    set of str
        What is estimated of any of them may rest on figures of the others.

    Examples
    --------
    >>> r = pd.DataFrame({"product": ["wafer", "gallium"], "input": ["gallium", "alumina"], "host": [False, True]})
    >>> sorted(tied(r, {"wafer"})), sorted(tied(r, {"alumina"}))
    (['alumina', 'gallium', 'wafer'], ['alumina', 'gallium'])
    >>> sorted(tied(r, {"alumina"}, ["wafer"]))
    ['alumina', 'gallium', 'wafer']
    """
    made, of = recipes["product"].astype("object"), recipes["input"].astype("object")
    host = recipes["host"].astype("boolean").fillna(False).astype(bool) | made.isin(list(follow))
    found: set[str] = set()
    new = set(products)
    while new:
        found |= new
        new = (set(of[made.isin(new)].astype(str)) | set(made[host & of.isin(new)].astype(str))) - found
    return found


def _barred(name: str, frame: pd.DataFrame, barred: set[str]) -> pd.Series:
    """Rows that cite a source which is not for others."""
    hit = frame["source"].isin(barred)
    for q in TABLES[name].quantities:
        if q.prefixed:
            hit |= frame[q.source].isin(barred)
    return hit


def cut(
    tables: Frames, gone: Mapping[str, BoolArray], beneath: Frames, overlays: bool = True
) -> dict[str, pd.DataFrame]:
    """What is kept beside a graph, with the products of which rows that are not for others leave it.

    Parameters
    ----------
    tables, beneath : mapping
        As for :func:`outlived`.
    gone : mapping of str to array of bool
        By table, the rows that leave.
    overlays : bool
        Whether figures may have been worked out of rows of overlays, see :func:`rests_on_overlays`.

    Returns
    -------
    dict of DataFrame

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.load_atlas()
    >>> cut(g.tables, {"nodes": g.nodes["country"].eq("CHN").to_numpy()}, {})
    {}
    """
    found = behind(tables, gone, overlays)
    if not found:
        return dict(beneath)
    have = beneath.get(CUT + "products")
    found |= set() if have is None else set(have["product"].astype(str))
    out = {**beneath, CUT + "products": pd.DataFrame({"product": pd.array(sorted(found), dtype="string")})}
    recipes = tables["recipes"]
    # What is made of them too, and of that: balancing finds outputs that nobody states from their inputs.
    around = tied(recipes, found, set(recipes["product"]))
    needs = recipes.loc[recipes["product"].isin(around), ["product", "input"]].drop_duplicates()
    had = beneath.get(CUT + "recipes")
    needs = needs if had is None else pd.concat([had, needs]).drop_duplicates()
    return {**out, CUT + "recipes": needs.reset_index(drop=True)} if len(needs) else out


def outlived(
    tables: Frames, kept: Frames, beneath: Frames, until: int | None = None, overlays: bool = True
) -> dict[str, pd.DataFrame]:
    """What is kept beside a graph, with the years of series that are about to lose rows.

    What leaves a table because an overlay covers it or because it is not selected still says which year is the newest:
    without it the year before would be the market again. Of each year of such a series one row is kept, and of a place
    that shows the series to be one of whole years two; that there was a figure is kept, the figure is not.

    Parameters
    ----------
    tables : mapping
        All tables, before.
    kept : mapping
        Those rows of them that stay, index unchanged; a table that is absent stays as it is.
    beneath : mapping
        What is kept beside the graph, see :mod:`supplyrisk.overlays`.
    until : int, optional
        Last data year that is of interest.
    overlays : bool
        As for :func:`cut`.

    Returns
    -------
    dict of DataFrame

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> outlived(g.tables, {}, {})
    {}
    """
    left = {n: ~tables[n].index.isin(f.index) for n, f in kept.items() if TABLES[n].fact and f is not tables[n]}
    out = cut(tables, left, beneath, overlays)
    if until is not None:
        before = {n: f[f["year"].astype("float64").fillna(-1) <= until] for n, f in tables.items() if n in ENTITY}
        tables = {**tables, **before}
        for name in ENTITY:
            if NEWEST + name in beneath:
                of = beneath[NEWEST + name]
                beneath = {**beneath, NEWEST + name: of[of["year"].astype("float64").fillna(-1) <= until]}
                out[NEWEST + name] = beneath[NEWEST + name]
    again = stated_again(beside(tables, beneath, "nodes"))
    for name, entity in ENTITY.items():
        frame = tables[name]
        if name not in kept or len(frame) == 0:
            continue
        gone = ~frame.index.isin(kept[name].index)
        if not gone.any() or one_year(years(beside(tables, beneath, name))):
            continue
        series = listed(tables, name, beneath)[: len(frame)]
        some = gone & (series >= 0) & np.isin(series, series[~gone])
        rows = frame.assign(_series=series, _known=_told(frame, name))[some]
        rows = rows.sort_values("_known", ascending=False, kind="stable")
        year = ["_series", "year"]
        parts = [rows.drop_duplicates(year), _twice(rows, ["_series"], entity)]
        if name == "nodes":  # a market of several years shows by a pool
            pools = frame.assign(_series=0, _known=False)[gone & (frame["kind"] == "demand").to_numpy(dtype=bool)]
            pools = pools[among(pools, ("product", "origin_tag"), again)]
            parts.append(_twice(pools[pools["product"].isin(kept[name]["product"])], ["product", "origin_tag"], entity))
        found = pd.concat(parts)
        found = found[~found.index.duplicated()].sort_index()
        if not len(found):
            continue
        # As it would be read from a file: what is not said of a figure is said of its row.
        new = coerce(_without_figures(found.drop(columns=["_series", "_known"]), name), TABLES[name])[0]
        have = out.get(NEWEST + name)
        both = new if have is None or not len(have) else pd.concat([have, new])
        out[NEWEST + name] = both.drop_duplicates([*entity, "year", "origin_tag", "source"]).reset_index(drop=True)
    return {n: f for n, f in out.items() if len(f)}


def _told(frame: pd.DataFrame, name: str) -> BoolArray:
    """Rows that open a year."""
    columns = {
        "nodes": ["output", "output_low", "capacity", "capacity_low"],
        "links": ["quantity", "low", "high", "value"],
    }.get(name, ["quantity"])
    return frame[columns].notna().any(axis=1).to_numpy(dtype=bool)


def _twice(rows: pd.DataFrame, group: list[str], entity: list[str]) -> pd.DataFrame:
    """First and last year of one place of each group that is stated in several."""
    by = rows.groupby([*group, *entity], dropna=False)["year"]
    several = rows[(by.transform("min") < by.transform("max")).to_numpy(dtype=bool)]
    first = several.drop_duplicates(group)[[*group, *entity]]
    ends = several.merge(first, on=[*group, *entity], how="left", indicator=True).set_axis(several.index)
    mine = several[(ends["_merge"] == "both").to_numpy()].sort_values("year", kind="stable")
    ends = pd.concat([mine.drop_duplicates(group, keep="first"), mine.drop_duplicates(group, keep="last")])
    return ends[~ends.index.duplicated()]


def _without_figures(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows that say that there was a figure (0 stands for it), not which."""
    out = rows.copy()
    for q in TABLES[name].quantities:
        sides = [c for c in (q.name, q.low, q.high) if c in out]
        out[q.name] = out[q.name].mask(out[sides].notna().any(axis=1), 0.0)
    blank = {
        "low",
        "high",
        "value",
        "value_low",
        "value_high",
        "stated_low",
        "stated_high",
        "with_draws",
        "with_draws_low",
        "with_draws_high",
        "rest_low",
        "rest_high",
        "total",
        "note",
        "firm",
    }
    blank |= {c for q in TABLES[name].quantities for c in (q.low, q.high)}
    if name == "links":
        out["quantity"] = out["quantity"].mask(_told(rows, name), 0.0)
    for c in blank & set(out.columns):
        out[c] = out[c].mask(out[c].notna())
    return out

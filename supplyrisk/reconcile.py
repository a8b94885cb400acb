"""Unknown flows of a graph, estimated by entropy balancing within what is known, and how sure that is.

What comes into an account goes out of it: producers send what they make, pools use or pass on what they get,
industries draw by recipe. Figures that are known stay; the others move as little as they can (relative entropy) until
all accounts close. Whether they can close at all is tested first, by a maximum flow. What is missing of supply is an
unknown supplier, ``p@ROW``; what nobody is known to take goes to the world pool.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from .accounts import overstated
from .books import ESTIMATED, INFERRED, MOVED, own_bounds, use_bounds
from .bounding import UNIT_VALUES, weight_bounds
from .byproducts import byproduct_limits, cap_byproducts, caps, exceeding
from .earlier import with_history
from .ensemble import members, spread
from .errors import Problem, SchemaError, unknown_name
from .graph import SupplyGraph
from .ledger import Closed, Mode, close
from .posting import BEYOND, GUESSED, rows_of, write
from .schema import TABLES
from .settled import eased_draws
from .vintages import only_today

__all__ = ["balance_flows", "byproduct_limits", "conflicts", "holdout", "moved", "spread"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_TURNS = 3  # times that by-products are balanced anew under what their hosts are found to put through


@overload
def balance_flows(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = ...,
    *,
    conflicts: Mode = ...,
    tolerance: float = ...,
    ensemble: None = ...,
    seed: int = ...,
) -> SupplyGraph: ...


@overload
def balance_flows(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = ...,
    *,
    conflicts: Mode = ...,
    tolerance: float = ...,
    ensemble: int,
    seed: int = ...,
) -> list[SupplyGraph]: ...


def balance_flows(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = None,
    *,
    conflicts: Mode = "report",
    tolerance: float = 0.02,
    ensemble: int | None = None,
    seed: int = 0,
) -> SupplyGraph | list[SupplyGraph]:
    """Estimate unknown flows by entropy balancing within their bounds; one graph, or an ensemble.

    ``min sum_e x_e ln(x_e / p_e) - x_e`` subject to inflow = outflow at every account and ``low <= x <= high``.
    Unknown are links without a quantity and links of method ``balanced``, ``world_pool`` or ``assumed``; every other
    flow is fixed. Bounds of an unknown flow that somebody states (``low``, ``high``) hold. Producers send what they make, pools use what is stated, industries draw recipe times output;
    makers of unknown output (:mod:`supplyrisk.ties`) make no more than their essential inputs allow and draw recipe times what they are found to make.

    Parameters
    ----------
    graph : SupplyGraph
        The graph; its market of today is balanced. Earlier years stay beside it as they are (take ``graph.at(day)`` for that
        of a day), but in an ensemble, which is of today alone.
    products : str or iterable of str, optional
        Which products; default all that have links.
    conflicts : {"report", "relax", "raise"}
        Where known figures of a product clash by more than ``tolerance``: leave the product as it is and say so
        (``report``); move the figures that clash by the least sum of squares, each in units of its own half-width
        (``relax``); or raise. In every mode the rows of a smallest clashing set are named: in the error, or in the
        table ``gaps`` under ``balanced flows``. World totals below what their listed producers make (``world total``)
        and reported outputs of by-products above what their hosts allow (``by-product limit``) are clashes too; no flow
        mends them, so short of ``raise`` they are only named.
    tolerance : float
        Relative part by which any one known figure may be moved without calling it a conflict (rounding of sources).
    ensemble : int, optional
        Return so many graphs instead, all of which meet all known figures; unknown flows are spread as the known
        ones are about what would be guessed of them if they were hidden.
    seed : int
        Seed of the ensemble; the same seed gives the same bits.

    Returns
    -------
    SupplyGraph or list of SupplyGraph
        Estimated links are ``balanced`` (or ``world_pool``), graded B at best, with ``low`` and ``high`` from the
        bounds of all accounts (outer bounds). Withheld and unknown outputs stay so; one inferred from what is sent is an
        estimate. Supply that no listed producer can give is a residual ``p@ROW``, where a world total is known no more than
        it leaves, makers inside it included; output that nobody is known to take goes to the world pool. A figure that was moved says so in its note, with what it was, and its
        interval holds both; a stated bound that gave way does so too, and what an industry gets of an input where that is
        not what its recipe asks for stands in ``gaps`` (``draw``). Of a product of which no amount at all is known, nor of what
        is made of it, nothing is estimated. :func:`moved` lists all of them. An estimate bears the
        data year and the publication day of the last figure that it rests on.

    Raises
    ------
    SchemaError
        Figures clash and ``conflicts="raise"`` (all products at once, rows named), an output exceeds what the
        throughput of its host allows (same), or an argument is out of range.
    UnknownNameError
        No such product or mode.

    Notes
    -----
    What was balanced before and still closes within all bounds stays as it is, so to balance twice is to balance once. Bounds
    that the row of an estimate stated itself stay in ``stated_low`` and ``stated_high`` and hold in every later pass, and
    a figure that was moved stays a figure. Links of a by-product's host carry no quantity (throughput, not use) and are left alone; no estimated output of a
    by-product is above what its host allows. A flow with a value and no weight is bounded by the value over plausible
    unit values (:func:`supplyrisk.bounding.weight_bounds`, assumption ``A-UNITVALUE``). An estimate below 1e-9 of its
    product's sum, or 1e-6 of what passes at both of its ends, becomes exactly 0; its link goes where no more can be.
    In an ensemble makers of unknown output draw by recipe what each member has them make, but for draws that gave way.
    A pool that sends and of whose supply nothing is recorded gets it from ``p@ROW``. Alternatives (a
    substitute group) may each be drawn on anywhere from 0 to what the recipe asks, together for what it asks. A flow without any finite bound
    is bounded by all known supply of the product: an assumption. Source: Stone (1961); Bacharach (1970); Lenzen et
    al. (2009). Evidence T for the balancing, assumption for every single estimate.

    Examples
    --------
    >>> import pandas as pd
    >>> p = "x.refined"
    >>> nodes = pd.DataFrame([dict(node=f"{p}@{c}", product=p, country=c, kind="producer", year=2024, output=q,
    ...     output_grade="assumption") for c, q in (("CHN", 30.0), ("CHL", 10.0))] +
    ...     [dict(node=f"{p}@{c}:demand", product=p, country=c, kind="demand", year=2024) for c in ("JPN", "DEU")])
    >>> use = pd.DataFrame([dict(node=f"{p}@{c}:demand", use="total", year=2024, quantity=20.0, grade="assumption")
    ...     for c in ("JPN", "DEU")])
    >>> links = pd.DataFrame([dict(supplier=f"{p}@{a}", buyer=f"{p}@{b}:demand", product=p, year=2024,
    ...     method="assumed", missing="unknown") for a in ("CHN", "CHL") for b in ("JPN", "DEU")])
    >>> goods = pd.DataFrame([dict(product=p, name="X", commodity="x", chain="x", stage="refine", unit="t",
    ...     basis="gross", period="year")])
    >>> g = balance_flows(SupplyGraph.from_tables(products=goods, nodes=nodes, demand=use, links=links))
    >>> g.links[["supplier", "buyer", "quantity"]].round(6).values.tolist()[0]
    ['x.refined@CHN', 'x.refined@JPN:demand', 15.0]
    """
    if conflicts not in ("report", "relax", "raise"):
        raise unknown_name("conflicts", conflicts, ("report", "relax", "raise"), "balance_flows")
    if not 0.0 <= tolerance < 1.0:
        _refuse("tolerance", tolerance, "Give e.g. 0.02.")
    if ensemble is not None and ensemble < 1:
        _refuse("ensemble", ensemble, "Give how many graphs, 1 or more.")
    whole, graph = graph, only_today(graph)
    wanted = _wanted(graph, products, "balance_flows")
    beyond = _beyond(graph, wanted, tolerance)
    allowed = caps(_limits(graph, wanted))
    for _ in range(_TURNS):
        closed = close(graph, wanted, tolerance, conflicts, allowed)
        base = write(closed, _summary(closed, wanted, conflicts), beyond, allowed)
        limits = _limits(base.graph, wanted)
        # What the hosts are found to put through may allow less than their figures did; reported outputs stay.
        room = limits.groupby("node")["likely"].transform(lambda v: v.sum(skipna=False))
        over = limits.loc[limits["output"].isna() & (limits["sent"] > room * (1 + 1e-9)), "node"]
        # A limit that was not known before is one from now on, so that a second pass finds the same.
        tighter = caps(limits)
        tighter = tighter[tighter.index.isin(over) | ~tighter.index.isin(allowed.index)]
        tighter = tighter[~(tighter["likely"] >= allowed["likely"].reindex(tighter.index))]
        if not len(tighter):
            break
        allowed = tighter.combine_first(allowed)
    above = exceeding(limits)
    if conflicts == "raise" and (closed.clash or beyond or above):
        raise SchemaError([*closed.clash.values(), *beyond.values(), *above], "the flows to balance")
    capped = cap_byproducts(base.graph, limits, above)
    if ensemble is None:
        return with_history(capped, whole)
    return members(closed, dataclasses.replace(base, graph=capped), ensemble, seed)


def _limits(graph: SupplyGraph, wanted: Sequence[str]) -> pd.DataFrame:
    return byproduct_limits(graph).loc[lambda f: f["product"].isin(wanted)]


def _beyond(graph: SupplyGraph, wanted: Sequence[str], tolerance: float) -> dict[str, Problem]:
    """World totals that their listed producers exceed, by product."""
    out = {}
    eased = graph.tables["nodes"].loc[lambda f: f["note"].str.contains(f"output {MOVED}", na=False), "product"]
    seen = overstated(graph, tolerance, sent="known").loc[lambda f: ~f["product"].isin(eased)]
    for t in pd.concat([seen, overstated(graph, tolerance)]).itertuples():
        if t.product in wanted:
            also = " or are seen to send" if "what is sent of" in str(t.rows) else ""
            rule = f"the listed producers make{also} {t.have:g}, more than the world total of {t.need:g}"
            remedy = "Correct one of them, or leave the total out."
            out[str(t.product)] = Problem("nodes", str(t.node), "total", rule, str(t.rows), remedy)
    return out


def _summary(closed: Closed, wanted: Sequence[str], conflicts: Mode) -> str:
    left = len(closed.clash) if conflicts == "report" else 0
    done = len(wanted) - left - len(closed.mute)
    note = f"balance_flows: {done} products balanced"
    if closed.mute:
        note += f"; {len(closed.mute)} of which nobody states any amount left as they were"
    if closed.clash:
        names = ", ".join(wanted[k] for k in sorted(closed.clash))
        note += f"; figures clash in {names}: " + ("left as they were" if left else f"{closed.moved.sum()} moved")
    return note


def _refuse(what: str, value: object, remedy: str, where: str = "balance_flows") -> None:
    raise SchemaError([Problem(where, "-", what, "out of range", str(value), remedy)], where)


def _wanted(graph: SupplyGraph, products: Iterable[str] | str | None, where: str) -> list[str]:
    if products is None:
        return sorted(set(graph.index.links["product"].astype(str)))
    given = [products] if isinstance(products, str) else list(dict.fromkeys(products))
    return sorted(graph.check_product(p, where) for p in given)


def conflicts(graph: SupplyGraph, products: Iterable[str] | str | None = None, tolerance: float = 0.02) -> pd.DataFrame:
    """Products whose known figures cannot all hold, and the rows of a smallest set that clashes.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    products : str or iterable of str, optional
        Which products; default all that have links.
    tolerance : float
        As in :func:`balance_flows`.

    Returns
    -------
    DataFrame
        ``product, rule, rows``: what is off by how much (product units), and the figures, ``"; "`` between. Besides
        flows that cannot close: world totals below what their listed producers make, and outputs of by-products
        above what the throughput of their hosts allows.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> list(conflicts(sr.load_atlas(), "gallium.refined"))
    ['product', 'rule', 'rows']
    """
    wanted = _wanted(graph, products, "conflicts")
    limits = _limits(graph, wanted)
    clash = close(graph, wanted, tolerance, "report", caps(limits)).clash
    found = [(wanted[k], p.rule, p.value) for k, p in clash.items()]
    found += [(product, p.rule, p.value) for product, p in _beyond(graph, wanted, tolerance).items()]
    found += [(p.row.partition("@")[0], p.rule, f"{p.row} = {p.value}") for p in exceeding(limits)]
    return pd.DataFrame(sorted(found), columns=["product", "rule", "rows"])


def moved(before: SupplyGraph, after: SupplyGraph) -> pd.DataFrame:
    """Known figures, stated bounds and draws of industries that balancing has moved, beside what they were.

    Parameters
    ----------
    before, after : SupplyGraph
        A graph, and what :func:`balance_flows` made of it.

    Returns
    -------
    DataFrame
        ``table, row, what, before, after, relative`` (change over what it was)``, source``, greatest change first.
        ``what`` is ``quantity`` or ``output`` of a figure; ``low`` or ``high`` of a bound that gave way (stated, or by the
        value of a flow: the source then names ``A-UNITVALUE``), ``after`` being the estimate; ``draw`` of what recipes
        ask for (``before``: the nearest end of it) and the accounts leave (``after``).

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.load_atlas()
    >>> moved(g, g).empty
    True
    """
    parts = []
    for name, column in (("links", "quantity"), ("nodes", "output"), ("demand", "quantity")):
        key, cited = list(TABLES[name].key), "output_source" if name == "nodes" else "source"
        old, new = before.tables[name], after.tables[name]
        if name == "links":
            old = old[~old["method"].isin(ESTIMATED) | old["note"].fillna("").str.contains(MOVED, regex=False)]
        if name == "demand":  # a use with its makers' draws in it is the figure, not what these leave
            old, new = (t.assign(quantity=t["with_draws"].fillna(t["quantity"])) for t in (old, new))
            old = old[~old["note"].fillna("").str.startswith(("what is left of the inflow", "balanced: "))]
        both = old[old[column].notna()][[*key, column, cited]].merge(
            new[[*key, column]], on=key, suffixes=("", "_after")
        )
        both = both[both[column] != both[f"{column}_after"]]
        if name == "nodes":  # an output that was an estimate before is no figure
            both = both.merge(new.loc[~new["note"].str.contains(GUESSED, regex=False, na=False), key], on=key)
        parts.append(_told(name, column, both, key, both[column], both[f"{column}_after"], both[cited]))
    parts += [*_moved_bounds(before, after), _moved_draws(before, after)]
    out = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    out["relative"] = (out["after"] - out["before"]) / out["before"].where(out["before"] != 0)
    order = out["relative"].abs().sort_values(ascending=False, kind="stable").index
    return out.loc[order, ["table", "row", "what", "before", "after", "relative", "source"]].reset_index(drop=True)


def _told(
    table: str,
    what: str,
    rows: pd.DataFrame,
    key: Sequence[str],
    before: pd.Series,
    after: pd.Series,
    source: pd.Series,
) -> pd.DataFrame:
    label = rows[list(key)].astype("object").astype(str).agg(" | ".join, axis=1) if len(rows) else rows.index
    values = {"before": before.to_numpy(dtype=float), "after": after.to_numpy(dtype=float)}
    return pd.DataFrame({"table": table, "row": label, "what": what, **values, "source": source.to_numpy(dtype=object)})


def _moved_bounds(before: SupplyGraph, after: SupplyGraph) -> list[pd.DataFrame]:
    """Bounds that gave way: those that somebody states, and those by the values of flows without a weight."""
    key = list(TABLES["links"].key)
    old, new = before.tables["links"], after.tables["links"]
    guess = old["method"].isin(ESTIMATED).to_numpy(dtype=bool)
    own, value = own_bounds(old), weight_bounds(old, ~guess)
    old = old[[*key, "source"]].assign(low=own[0], high=own[1], least=value[0], most=value[2])
    fresh = new[[*key, "quantity", "stated_low", "stated_high"]]
    both = old.merge(fresh, on=key, how="left", indicator=True)
    gone = (both["_merge"] == "left_only").to_numpy(dtype=bool)  # an estimate of nothing is no link
    x = both["quantity"].mask(gone, 0.0)
    by_value = both["source"].astype("object").fillna("no source").astype(str) + f", by its value: {UNIT_VALUES}"
    given = both["source"].astype("object")
    slack = 1e-6 * x.abs()
    out = []
    for what, column, held, off, source in (
        ("low", "low", "stated_low", x < both["low"] - slack, given),
        ("high", "high", "stated_high", x > both["high"] + slack, given),
        ("low", "least", None, x < both["least"] - slack, by_value),
        ("high", "most", None, x > both["most"] + slack, by_value),
    ):
        eased = off & (gone | (both[held] != both[column]) if held else True)
        rows = both[eased.fillna(False).to_numpy(dtype=bool)]
        out.append(_told("links", what, rows, key, rows[column], x[rows.index], source[rows.index]))
    key = list(TABLES["demand"].key)
    uses = before.tables["demand"]
    low, high = use_bounds(uses)
    both = uses[[*key, "source"]].assign(low=low, high=high).merge(after.tables["demand"][[*key, "quantity"]], on=key)
    slack = 1e-6 * both["quantity"].abs()
    for what, off in (
        ("low", both["quantity"] < both["low"] - slack),
        ("high", both["quantity"] > both["high"] + slack),
    ):
        rows = both[off.fillna(False).to_numpy(dtype=bool)]
        out.append(_told("demand", what, rows, key, rows[what], rows["quantity"], rows["source"]))
    node = list(TABLES["nodes"].key)
    some = before.tables["nodes"]
    some = some[some["output"].isna()][[*node, "output_low", "output_high", "output_source"]]
    done = after.tables["nodes"][[*node, "output_low", "output_high", "note"]]
    both = some.merge(done, on=node, suffixes=("", "_after"))
    both = both[both["note"].fillna("").str.contains(BEYOND, regex=False)]
    for side, sign in (("low", -1.0), ("high", 1.0)):
        column = f"output_{side}"
        rows = both[sign * (both[f"{column}_after"] - both[column]) > 0]
        out.append(_told("nodes", side, rows, node, rows[column], rows[f"{column}_after"], rows["output_source"]))
    return out


def _moved_draws(before: SupplyGraph, after: SupplyGraph) -> pd.DataFrame:
    """What recipes ask for, and what the accounts leave of it, where balancing had to move it."""
    now, was = eased_draws(after), eased_draws(before)
    rows = now[~now.index.isin(was.index) | ~(now["left"] == was["left"].reindex(now.index))].reset_index()
    nearest = rows["asked_low"].where(rows["left"] < rows["asked_low"], rows["asked_high"])
    r = before.tables["recipes"].drop_duplicates(["product", "input"]).set_index(["product", "input"])["source"]
    user = [str(n).partition("@")[0] for n in rows["node"]]
    pairs = pd.MultiIndex.from_arrays([user, rows["product"].astype("object")])
    source = pd.Series(r.reindex(pairs).to_numpy(dtype=object), index=rows.index)
    return _told("recipes", "draw", rows, ["node", "product"], nearest, rows["left"], source)


def holdout(
    graph: SupplyGraph,
    products: Iterable[str] | str | None = None,
    *,
    part: float = 0.2,
    ensemble: int = 50,
    level: float = 0.9,
    seed: int = 0,
    hidden: Literal["observed", "all"] = "observed",
) -> pd.DataFrame:
    """Hide known flows, estimate them, and see how often the truth lies in the interval that is reported.

    Parameters
    ----------
    graph : SupplyGraph
        A graph with known flows. Estimates at the ends of a hidden flow, and outputs that were inferred from exports,
        are hidden too: they were made from it. Conflicts are relaxed.
    products : str or iterable of str, optional
        Which products; default all.
    part : float
        Part of the known flows of each product to hide, between 0 and 1; at least one.
    ensemble, seed
        As in :func:`balance_flows`.
    level : float
        Part of the draws inside the interval.
    hidden : {"observed", "all"}
        Hide observed and mirrored flows only, or any flow with a quantity.

    Returns
    -------
    DataFrame
        A row per hidden flow: ``supplier, buyer, product, true, quantity, low, high, true_share, share, share_low,
        share_high, bound_low, bound_high, inside, share_inside``. ``bound_*`` is what the accounts allow (the interval of
        the balanced graph).

    Raises
    ------
    SchemaError
        Nothing to hide, or an argument out of range.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> seen = holdout(sr.load_atlas(), "silicon.metal", ensemble=5)
    >>> list(seen.columns)[-2:], bool(seen["inside"].mean() <= 1)
    (['inside', 'share_inside'], True)
    """
    if not 0.0 < part < 1.0:
        _refuse("part", part, "Give e.g. 0.2.", "holdout")
    if hidden not in ("observed", "all"):
        raise unknown_name("hidden", hidden, ("observed", "all"), "holdout")
    ix = graph.index
    good = ~np.isnan(ix.quantity) & (ix.quantity > 0)
    if hidden == "observed":
        good &= ~ix.links["method"].isin(ESTIMATED).to_numpy(dtype=bool)
    of = ix.links["product"].to_numpy(dtype=object)
    if products is not None:
        good &= np.isin(of, _wanted(graph, products, "holdout"))
    rng = np.random.default_rng([seed, 7])
    picked: list[int] = []
    for product in sorted({str(p) for p in of[good]}):
        mine = np.flatnonzero(good & (of == product))
        picked += rng.choice(mine, max(1, round(part * len(mine))), replace=False).tolist()
    if not picked:
        _refuse("graph", "no known flow", "Give a graph with observed flows.", "holdout")
    hide = np.sort(np.array(picked, dtype=np.int64))
    blind = _blinded(graph, hide)
    about = sorted({str(p) for p in of[hide]})
    drawn = balance_flows(blind, about, ensemble=ensemble, seed=seed, conflicts="relax")
    truth = ix.links.iloc[hide][["supplier", "buyer", "product"]].astype("object")
    truth = truth.assign(true=ix.quantity[hide], true_share=ix.share[hide])
    key = ["supplier", "buyer", "product"]
    last = drawn[0].index.links
    bounds = last[[*key, "low", "high"]].astype(dict.fromkeys(key, "object"))
    bounds = bounds.rename(columns={"low": "bound_low", "high": "bound_high"})
    out = truth.merge(spread(drawn, level), on=key, how="left").merge(bounds, on=key, how="left")
    for name, true, low, high in (
        ("inside", "true", "low", "high"),
        ("share_inside", "true_share", "share_low", "share_high"),
    ):
        room = 1e-6 * out[true].abs()
        out[name] = (out[true] >= out[low] - room) & (out[true] <= out[high] + room)
    columns = ["true", "quantity", "low", "high", "true_share", "share", "share_low", "share_high", "bound_low",
               "bound_high", "inside", "share_inside"]  # fmt: skip
    return out[[*key, *columns]]


def _blinded(graph: SupplyGraph, hide: IntArray) -> SupplyGraph:
    """The graph without the chosen flows and without what was made from them."""
    ix = graph.index
    links, nodes = graph.table("links"), graph.table("nodes")
    of = ix.links["product"].to_numpy(dtype=object)
    gone = np.zeros(len(of), dtype=bool)
    gone[hide] = True
    ends = np.zeros(ix.n, dtype=bool)
    ends[ix.src[hide]] = ends[ix.dst[hide]] = True
    made = ix.links["method"].isin(ESTIMATED).to_numpy(dtype=bool) & (ends[ix.src] | ends[ix.dst])
    made &= ~np.isnan(ix.quantity) & np.isin(of, np.unique(of[hide].astype(str)))
    spots = rows_of(links, ix.links.iloc[np.flatnonzero(gone | made)], TABLES["links"].key)
    for column in ("quantity", "low", "high", "stated_low", "stated_high", "value", "value_low", "value_high"):
        links.loc[spots, column] = np.nan
    links.loc[spots, "missing"] = "unknown"
    note = nodes["note"].fillna("")
    names = set(ix.position[np.unique(np.concatenate([ix.src[hide], ix.dst[hide]]))])
    inferred = note.str.contains(INFERRED) & nodes["node"].isin(names)
    for column in ("output", "output_low", "output_high"):
        nodes.loc[inferred, column] = np.nan
    nodes.loc[inferred, "output_missing"] = "unknown"
    return graph.replace("holdout: known flows hidden", links=links, nodes=nodes)

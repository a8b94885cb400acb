"""By-products: never more than the throughput of the host, times grade, times recovery."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import Problem
from .schema import parse_node_id

if TYPE_CHECKING:
    from .graph import SupplyGraph

__all__ = ["byproduct_limits", "cap_byproducts", "caps", "ceilings", "exceeding", "flag_byproducts", "throughput"]

FloatArray = npt.NDArray[np.float64]
_ABOVE = "above what the throughput of"  # marks the sentence in a note, which is written anew when the figures change
_GAP = "by-product limit"
_SLACKNESS = 1 + 1e-9
_NOWHERE = ("ROW", "WLD", "UNK")
_BALANCED = "entropy balancing within the accounts"  # in the note of a flow that balancing has estimated
_ESTIMATED = ("balanced", "world_pool", "assumed")


def _least(v: pd.Series) -> float:
    """Least of some figures; nothing where one is not known."""
    return float(v.min(skipna=False))


def _sum(v: pd.Series) -> float:
    """Sum of some figures; nothing where one is not known."""
    return float(v.sum(skipna=False))


def byproduct_limits(graph: SupplyGraph, products: Iterable[str] | None = None) -> pd.DataFrame:
    """What the throughput of its host allows of each by-product, and where that binds.

    ``limit = throughput x grade x recovery = throughput / coefficient``: the coefficient of a host recipe is host
    units per unit of by-product. A by-product of the host's own stage arises where the host is made (cobalt with mined
    copper, gallium with alumina): throughput is what the country makes of the host, whatever becomes of it. One of a
    later stage arises where the host is worked up (indium from zinc ores): throughput is the known inflow of the
    country's pool that the producer draws on. Where only bounds of it are stated, throughput is at most the upper
    one; where nothing is stated but balancing found what is sent of the host, it is that.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    products : iterable of str, optional
        By-products; default all with a host recipe.

    Returns
    -------
    DataFrame
        ``node, product, host, throughput, coefficient, limit, likely, output, output_high, sent, status`` in product
        units, a row per producer and host; ``sent`` is what it is known or estimated to send. Limit uses the recipe's
        lower coefficient and the upper end of the throughput (it bounds intervals), ``likely`` the value of both, the
        upper end where there is no value (it bounds estimates). Status: ``exceeded`` (output, or what a producer of unknown
        output sends, above the sum of its hosts' limits), ``doubtful`` (the same, but the limit rests on an estimate
        of what the host puts through), ``binds`` (output_high above it or unbounded), ``slack``,
        or ``unknown`` (throughput or coefficient is not known: no limit, never zero).

    Notes
    -----
    A producer with several hosts has the sum of their limits; one unknown host makes the sum unknown, and so does one
    that nobody is known to make in the country. The world pool and the pool of another country tell nothing of a
    producer's own host: unknown.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> byproduct_limits(sr.load_atlas())["status"].isin(["exceeded", "doubtful", "binds", "slack", "unknown"]).all().item()
    True
    """
    columns = [
        "node",
        "product",
        "host",
        "throughput",
        "coefficient",
        "limit",
        "likely",
        "output",
        "output_high",
        "sent",
        "status",
    ]
    ix = graph.index
    r = graph.tables["recipes"]
    r = r[r["host"].fillna(False).astype(bool)]
    if products is not None:
        chosen = [graph.check_product(p, "byproduct_limits") for p in products]
        r = r[r["product"].isin(chosen)]
    if not len(r) or not len(ix.links):
        return pd.DataFrame(columns=columns)
    least = pd.DataFrame(
        {
            "product": r["product"].astype("object"),
            "host": r["input"].astype("object"),
            "coefficient": r["low"].fillna(r["coefficient"]).astype(float),
            "usual": r["coefficient"].astype(float),
        }
    )
    least = least.groupby(["product", "host"]).agg(_least).reset_index()
    nodes = ix.nodes[ix.nodes["kind"] == "producer"]
    _, _, top = graph.interval("nodes", "output", nodes)
    makers = pd.DataFrame(
        {
            "node": nodes["node"].astype("object"),
            "product": nodes["product"].astype("object"),
            "country": nodes["country"].astype("object"),
            "output": nodes["output"].astype(float),
            "output_high": top,
        }
    ).merge(least, on="product")
    through = throughput(graph, makers)
    makers["throughput"] = through["high"]
    makers["limit"] = makers["throughput"] / makers["coefficient"].where(makers["coefficient"] > 0)
    makers["likely"] = through["value"] / makers["usual"].where(makers["usual"] > 0)
    makers["likely"] = np.minimum(makers["likely"], makers["limit"])
    carried = pd.Series(ix.quantity).groupby(ix.links["supplier"].astype("object").to_numpy()).sum()
    makers["sent"] = makers["node"].map(carried).astype(float)
    by = makers["node"]
    total = makers["limit"].groupby(by).transform(_sum)
    stated = (through["stated"] / makers["coefficient"].where(makers["coefficient"] > 0)).groupby(by).transform(_sum)
    made_or_sent = makers["output"].fillna(makers["sent"])
    makers["status"] = np.select(
        [
            total.isna(),
            made_or_sent > stated * _SLACKNESS,
            made_or_sent > total * _SLACKNESS,
            makers["output_high"] > total * _SLACKNESS,
        ],
        ["unknown", "exceeded", "doubtful", "binds"],
        "slack",
    )
    return makers[columns].sort_values(["product", "node", "host"]).reset_index(drop=True)


def throughput(graph: SupplyGraph, wanted: pd.DataFrame, without: pd.Series | None = None) -> pd.DataFrame:
    """What makers of by-products have of their hosts: made beside them, or worked up by them.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    wanted : DataFrame
        ``product, host, country``, a row per by-product, host and place.
    without : Series of str, optional
        Nodes that count as not there.

    Returns
    -------
    DataFrame
        ``value, high, stated, known`` in units of the host on the index of ``wanted``; NaN where unknown, ``known`` only where
        nothing is there: it is the part with a figure, or what is made in the place where nobody is known to draw. Where
        only bounds of an output or a flow are stated, ``value`` and ``high`` are the upper one. An output of which
        nothing is stated counts with what balancing found its maker to send, in ``value`` and ``high`` but not in
        ``stated``. What is unlisted of a host and of a by-product need not be the same places: unknown.
    """
    ix = graph.index
    wanted = wanted[["product", "host", "country"]].astype("object")
    product = ix.nodes["product"].to_numpy(dtype=object)
    maker = (ix.nodes["kind"] == "producer").to_numpy(dtype=bool)
    if without is not None:
        maker &= ~ix.nodes["node"].isin(without).to_numpy(dtype=bool)
    _, _, top = graph.interval("nodes", "output", ix.nodes)
    output = ix.nodes["output"].to_numpy(dtype=float)
    place = ix.nodes["country"].to_numpy(dtype=object)
    stated = np.where(np.isfinite(top), top, np.nan)
    found, most = _found(graph)
    made = pd.DataFrame(
        {
            "key": product + "@" + place,
            "value": np.where(np.isnan(output), np.fmin(found, stated), output),
            "high": np.where(np.isnan(output), np.fmin(most, stated), stated),
            "stated": stated,
            "known": output,
        }
    )
    made = made[maker].groupby("key").agg({"value": _sum, "high": _sum, "stated": _sum, "known": "sum"})
    pool = product[ix.dst] == ix.links["product"].to_numpy(dtype=object)
    inflow = pd.DataFrame({"key": ix.links["buyer"].astype("object")[pool], "known": ix.quantity[pool]})
    inflow["high"] = inflow["stated"] = np.where(np.isfinite(ix.high[pool]), ix.high[pool], np.nan)
    inflow["value"] = inflow["known"].fillna(inflow["high"])
    inflow = inflow.groupby("key").agg({"value": _sum, "high": _sum, "stated": _sum, "known": "sum"})
    buyer = ix.nodes["product"].astype("object") + "@" + ix.nodes["country"].astype("object")  # of any plant of a place
    drawn_by = set(zip(ix.links["supplier"].astype("object"), buyer.to_numpy()[ix.dst], strict=True))
    here = wanted["host"] + "@" + wanted["country"]
    users = zip(here + ":demand", wanted["product"] + "@" + wanted["country"], strict=True)
    draws = pd.Series([k in drawn_by for k in users], index=wanted.index, dtype=bool)
    stage = graph.tables["products"].drop_duplicates("product").set_index("product")["stage"].astype("object")
    beside = wanted["host"].map(stage).to_numpy() == wanted["product"].map(stage).to_numpy()
    somewhere = ~wanted["country"].isin(_NOWHERE)
    out = pd.DataFrame(index=wanted.index)
    for column in ("value", "high", "stated", "known"):
        drawn = (here + ":demand").map(inflow[column]).astype(float).where(draws)
        out[column] = here.map(made[column]).astype(float).where(beside, drawn).where(somewhere)
    out["known"] = out["known"].fillna(here.map(made["known"]).astype(float).where(somewhere))
    return out


def _found(graph: SupplyGraph) -> tuple[FloatArray, FloatArray]:
    """What balancing found each node to send of its own product, and at most; nothing where an outflow has no figure."""
    ix = graph.index
    n = ix.n
    if not len(ix.src):
        return np.full(n, np.nan), np.full(n, np.nan)
    note = ix.links["note"].astype("object").fillna("").astype(str)
    closed = np.bincount(ix.src, note.str.contains(_BALANCED, regex=False).to_numpy(dtype=bool), n) > 0
    sent, most = np.bincount(ix.src, ix.quantity, n), np.bincount(ix.src, ix.high, n)  # one that is unknown: unknown
    whole = closed & ~np.isnan(sent)
    return np.where(whole, sent, np.nan), np.where(whole & np.isfinite(most), most, np.nan)


def ceilings(
    made: pd.DataFrame,
    links: pd.DataFrame,
    recipes: pd.DataFrame,
    products: pd.DataFrame,
    guessed: Collection[str] = (),
) -> pd.Series[float]:
    """What the hosts of by-products of unknown output allow by their figures, before there is a graph.

    Parameters
    ----------
    made : DataFrame
        Producers: ``product, country, quantity, high``, indexed by node.
    links, recipes, products : DataFrame
        In the columns of the data model.
    guessed : collection of str
        Nodes whose output is no figure but what they are seen to send.

    Returns
    -------
    Series
        By-product units by node: ``likely`` of :func:`byproduct_limits`; a node without a known limit is absent.
    """
    hosts = recipes[recipes["host"].fillna(False).astype(bool)]
    hosts = pd.DataFrame(
        {
            "product": hosts["product"].astype("object"),
            "host": hosts["input"].astype("object"),
            "usual": hosts["coefficient"].astype(float),
        }
    )
    made = made.assign(quantity=made["quantity"].mask(made.index.isin(list(guessed))))
    by = made[made["quantity"].isna() & ~made["country"].isin(_NOWHERE)]
    by = pd.DataFrame({"node": by.index, "product": by["product"].astype("object"), "country": by["country"].tolist()})
    wanted = by.merge(hosts.groupby(["product", "host"]).agg(_least).reset_index(), on="product")
    if not len(wanted):
        return pd.Series(dtype=float)
    most = made["quantity"].fillna(made["high"]).astype(float)
    through = most.groupby((made["product"].astype(str) + "@" + made["country"].astype(str)).to_numpy()).agg(_sum)
    flow = links["quantity"].fillna(links["high"]).astype(float)
    inflow = flow.groupby(links["buyer"].astype(str).to_numpy()).agg(_sum)
    drawn_by = set(zip(links["supplier"].astype(str), links["buyer"].astype(str), strict=True))
    here = wanted["host"] + "@" + wanted["country"]
    drawn = [k in drawn_by for k in zip(here + ":demand", wanted["node"], strict=True)]
    stage = products.drop_duplicates("product").set_index("product")["stage"].astype("object")
    beside = wanted["host"].map(stage).to_numpy() == wanted["product"].map(stage).to_numpy()
    has = here.map(through).where(beside, (here + ":demand").map(inflow).where(pd.Series(drawn, index=here.index)))
    allowed = has.astype(float) / wanted["usual"].where(wanted["usual"] > 0)
    return allowed.groupby(wanted["node"]).agg(_sum).dropna().astype(float)


def exceeding(limits: pd.DataFrame) -> list[Problem]:
    """Outputs above what their hosts allow, a problem per producer."""
    out = []
    for node, rows in limits[limits["status"] == "exceeded"].groupby("node"):
        hosts = " and ".join(
            f"{r.host} allows ({r.throughput:g} / {r.coefficient:g} = {r.limit:g})" for r in rows.itertuples()
        )
        made, sent = float(rows["output"].iloc[0]), float(rows["sent"].iloc[0])
        rule, figure = (
            (f"output {_ABOVE} {hosts}", made) if made == made else (f"what it sends is {_ABOVE} {hosts}", sent)
        )
        remedy = "Correct the output, the throughput or the recipe's coefficient."
        out.append(Problem("nodes", str(node), "output", rule, f"{figure:g}", remedy))
    return out


def caps(limits: pd.DataFrame) -> pd.DataFrame:
    """What each by-product's hosts allow: ``limit`` at most, ``likely`` by their values; unknown limits are absent."""
    total = limits.groupby("node")[["limit", "likely"]].agg(_sum)
    return total.dropna().astype(float)


def flag_byproducts(graph: SupplyGraph) -> SupplyGraph:
    """The graph with a note on every output that is above what the throughput of its host allows.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    SupplyGraph
        The same object where nothing exceeds its limit.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> empty = sr.SupplyGraph.from_tables()
    >>> flag_byproducts(empty) is empty
    True
    """
    limits = byproduct_limits(graph)
    over = exceeding(limits)
    return cap_byproducts(graph, limits[limits["status"] == "exceeded"], over) if over else graph


def cap_byproducts(graph: SupplyGraph, limits: pd.DataFrame, over: Sequence[Problem]) -> SupplyGraph:
    """Bring upper ends of by-products, and of what their makers are estimated to send, down to what their hosts allow.

    An output above that says so in its note and in ``gaps``, and its interval reaches down to the limit; one that no
    longer is loses both.
    """
    graph = _without_stale(graph, limits, {p.row for p in over})
    binds = limits[limits["status"] == "binds"].groupby("node")["limit"].sum()
    links = _cap_flows(graph, caps(limits[limits["status"].isin(["binds", "slack"])])["limit"])
    if not len(binds) and not over:
        return graph if links is None else dataclasses.replace(graph, tables={**graph.tables, "links": links})
    nodes = graph.table("nodes")
    newest = (nodes.groupby("node")["year"].transform("max") == nodes["year"]).astype(bool)
    cap = nodes["node"].astype("object").map(binds).astype(float).where(newest)
    hit = cap.notna() & (cap >= nodes["output"].fillna(0.0))
    nodes["output_high"] = nodes["output_high"].mask(hit, cap)
    # A lower end that nobody states stays unstated: a limit from above says nothing of the least.
    nodes["output_low"] = nodes["output_low"].mask(hit, np.minimum(nodes["output_low"], nodes["output_high"]))
    allowed = caps(limits)["limit"]
    gaps = graph.table("gaps")
    told = []
    for p in over:
        rows = newest & (nodes["node"] == p.row)
        said = [t for t in str(nodes.loc[rows, "note"].fillna("").iloc[0]).split("; ") if t and _ABOVE not in t]
        nodes["note"] = nodes["note"].mask(rows, "; ".join([*said, p.rule]))
        low = np.fmin(nodes["output_low"].fillna(np.inf), allowed[p.row])
        nodes["output_low"] = nodes["output_low"].mask(rows & nodes["output"].notna(), low)
        product, country, _, _ = parse_node_id(p.row)
        told.append((product, country, f"{p.row} = {p.value}: {p.rule}"))
    if told:
        rows_told = pd.DataFrame(told, columns=["product", "where", "note"])
        notes = rows_told.groupby(["product", "where"])["note"].agg("; ".join).reset_index()
        fresh = notes.assign(what=_GAP, reason="unknown")[list(gaps.columns)].astype("string")
        key = ["product", "what", "where"]
        old = pd.MultiIndex.from_frame(gaps[key].astype("object"))
        old_too = old.isin(pd.MultiIndex.from_frame(fresh[key].astype("object")))
        gaps = pd.concat([gaps[~old_too], fresh], ignore_index=True) if len(gaps) else fresh
    text = ", ".join([*(f"{n} <= {v:g}" for n, v in binds.items()), *(f"{p.row} exceeds it" for p in over)])
    note = f"throughput of the host binds: {text}"
    # Bounds are brought nearer and notes added: what was valid stays so.
    history = graph.history if note in graph.history else (*graph.history, note)
    tables = {**graph.tables, "nodes": nodes, "gaps": gaps}
    return dataclasses.replace(graph, tables=tables if links is None else {**tables, "links": links}, history=history)


def _cap_flows(graph: SupplyGraph, most: pd.Series) -> pd.DataFrame | None:
    """Links with the upper ends of estimated flows at what the hosts of their makers allow; nothing where none is above."""
    links = graph.tables["links"]
    top = links["supplier"].astype("object").map(most).astype(float)
    beyond = links["method"].isin(_ESTIMATED) & (links["high"] > top * _SLACKNESS)
    if not beyond.any():
        return None
    links = graph.table("links")
    links["high"] = links["high"].mask(beyond, np.fmax(top, links["quantity"]))
    return links


def _without_stale(graph: SupplyGraph, limits: pd.DataFrame, over: set[str]) -> SupplyGraph:
    """The graph without what was said of by-products that are not above their limits by now."""
    gaps, nodes = graph.tables["gaps"], graph.tables["nodes"]
    parsed = [parse_node_id(n)[:2] for n in sorted(over)]
    here = gaps["product"].isin(limits["product"]) & gaps["what"].eq(_GAP).fillna(False).astype(bool)
    still = pd.MultiIndex.from_frame(gaps[["product", "where"]].astype("object")).isin(parsed)
    said = nodes["note"].str.contains(_ABOVE, regex=False, na=False) & nodes["product"].isin(limits["product"])
    said &= ~nodes["node"].isin(over)
    if not (here & ~still).any() and not said.any():
        return graph
    nodes = graph.table("nodes")
    rest = ["; ".join(t for t in str(v).split("; ") if _ABOVE not in t) or None for v in nodes["note"]]
    nodes["note"] = nodes["note"].mask(said, pd.Series(rest, index=nodes.index, dtype=nodes["note"].dtype))
    tables = {**graph.tables, "nodes": nodes, "gaps": gaps[~here | still].reset_index(drop=True)}
    return dataclasses.replace(graph, tables=tables)

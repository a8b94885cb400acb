"""The rationing engine: who goes short, and through which chain, while nobody has spare capacity.

Everything is relative to the flows that the graph records. Losses are parts in [0, 1]:

* link: ``1 - (1 - loss of its supplier) * (1 - cut)``;
* pool (demand node): share-weighted mean of its links' losses, passed on to every user alike;
* producer: the greatest loss among its *essential* inputs (Leontief), or, where greater, the value-weighted sum of the
  losses of its *important* inputs; *minor* inputs never bind. Inputs of one substitute group are alternatives: the
  best one counts.

The losses are the least fixed point from zero upwards, so cycles converge and no cut means no loss, exactly. Low and
high run the same map with the worst and best shares, cuts and classes that the intervals admit; since the map is
monotone they bound every case in between. Spare capacity, stocks, prices and time are other engines' business.

References: essential and non-essential inputs after Diem, Borsos, Reisch, Kertész, Thurner (2022, Sci. Rep. 12:7719,
methods.md G3, downstream part); bottleneck F6; strict Leontief as an upper bound of damage G6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, UnknownNameError
from ..graph import SupplyGraph, check_graph
from ..metrics.baskets import warn_of_links
from ..registry import Spec, registries
from ..schema import date_text, is_date
from ..vintages import only_today
from .acts import state
from .impact import Impact
from .network import Net
from .reach import Cut, as_problem
from .resale import add_detours, through_third_countries

__all__ = ["Impact", "rationing", "simulate"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def _positions(frame: pd.DataFrame, key: list[str], order: list[str]) -> IntArray:
    """Row of the table behind each row of the graph's index (its newest vintage)."""
    year = frame["year"].astype("float64").fillna(-np.inf)
    f = frame[key].assign(_y=year, _i=np.arange(len(frame))).sort_values([*key, "_y"], kind="stable")
    f = f.drop_duplicates(key, keep="last").sort_values(order, kind="stable")
    return f["_i"].to_numpy(dtype=np.int64)


def _scaled(
    frame: pd.DataFrame,
    rows: IntArray,
    columns: tuple[str, str, str],
    given: tuple[FloatArray, FloatArray, FloatArray],
    kept: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Write value, low and high times what is kept of them, in place, where anything may be lost."""
    value, low, high = given
    keep, keep_low, keep_high = kept
    hit = keep_low < 1.0
    at = rows[hit]
    with np.errstate(invalid="ignore"):
        new = (value * keep)[hit]
        least = np.fmin((low * keep_low)[hit], np.where(np.isnan(new), np.inf, new))
        most = np.where((keep_high == 0.0)[hit], 0.0, (high * keep_high)[hit])
        most = np.fmax(most, np.where(np.isnan(new), -np.inf, new))
    for name, numbers in zip(columns, (new, least, np.where(np.isinf(most), np.nan, most)), strict=True):
        column = frame[name].to_numpy(dtype=np.float64).copy()
        column[at] = numbers
        frame[name] = column


def _after(
    graph: SupplyGraph,
    label: str,
    node: dict[str, FloatArray],
    kept: tuple[FloatArray, FloatArray, FloatArray],
    resold: pd.DataFrame,
) -> SupplyGraph:
    """The graph with flows, values and outputs as the shock leaves them."""
    ix = graph.index
    links, nodes = graph.table("links"), graph.table("nodes")
    rows = _positions(links, ["supplier", "buyer", "product"], ["buyer", "product", "supplier"])
    if len(rows):
        hit = rows[kept[0] < 1.0]
        worth = links["value"].to_numpy(dtype=np.float64).copy()
        worth[hit] *= kept[0][kept[0] < 1.0]
        links["value"] = worth
        _scaled(links, rows, ("quantity", "low", "high"), (ix.quantity, ix.low, ix.high), kept)
    at = _positions(nodes, ["node"], ["node"])
    made = ix.nodes["kind"].to_numpy(dtype=object) == "producer"
    left = tuple(np.where(made, 1.0 - node[b], 1.0) for b in ("value", "high", "low"))
    if len(at):
        _scaled(
            nodes,
            at,
            ("output", "output_low", "output_high"),
            graph.interval("nodes", "output", ix.nodes),
            (left[0], left[1], left[2]),
        )
    if len(resold):
        links = add_detours(links, rows, resold, graph)
    return graph._with({**graph.tables, "links": links, "nodes": nodes}, f"shock: {label}")


def _needs(graph: SupplyGraph) -> tuple[FloatArray, FloatArray, FloatArray, npt.NDArray[np.object_], list[str]]:
    """What each node needs or makes, its bounds, on which basis, and why it is unknown."""
    ix = graph.index
    d = graph.tables["demand"]
    d = d.iloc[_positions(d, ["node", "use"], ["node", "use"])]
    v, lo, hi = graph.interval("demand", "quantity", d)
    code = ix.position.get_indexer(pd.Index(d["node"].astype("object")))
    used = np.bincount(code, minlength=ix.n) > 0 if len(d) else np.zeros(ix.n, dtype=bool)

    def total(at: IntArray, x: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(at, x, ix.n) if len(at) else np.zeros(ix.n), dtype=np.float64)

    product = ix.nodes["product"].to_numpy(dtype=object)
    own = product[ix.dst] == ix.links["product"].to_numpy(dtype=object)
    into = ix.dst[own]
    made = ix.nodes["kind"].to_numpy(dtype=object) == "producer"
    fed = total(into, np.ones(len(into))) > 0
    output = graph.interval("nodes", "output", ix.nodes)
    out = []
    for use, flow, make in zip((v, lo, hi), (ix.quantity, ix.low, ix.high), output, strict=True):
        pool = np.where(used, total(code, use), np.where(fed, total(into, flow[own]), np.nan))
        out.append(np.where(made, make, pool))
    basis = np.where(made, "output", np.where(used, "use", np.where(fed, "inflow", ""))).astype(object)
    reason = []
    for m, b, x in zip(made, basis, out[0], strict=True):
        gone = "output unknown" if m else "no use and no inflow recorded" if not b else f"{b} not fully known"
        reason.append(gone if np.isnan(x) else "")
    return out[0], out[1], out[2], basis, reason


def rationing(
    graph: SupplyGraph,
    measures: Sequence[Spec],
    cuts: Sequence[Cut],
    *,
    resale: bool = False,
    notes: Sequence[str] = (),
) -> Impact:
    """Static proportional rationing without spare capacity: losses as the least fixed point from no loss upwards.

    Parameters
    ----------
    graph : SupplyGraph
        Baseline.
    measures : sequence of Spec
        As written; for the record.
    cuts : sequence of Cut
        What they cut. Where several touch a link the strictest counts, so that order never matters.
    resale : bool
        Third countries pass on what they additionally get; the high bound keeps resale out.
    notes : sequence of str
        Carried into the result.

    Returns
    -------
    Impact

    Raises
    ------
    SolverError
        No fixed point within the step limit.
    """
    ix = graph.index
    count = len(ix.src)
    whole: dict[str, FloatArray] = {b: np.zeros(count) for b in ("value", "low", "high")}
    for c in cuts:
        for b in whole:
            whole[b] = np.maximum(whole[b], getattr(c, b))
    back = np.zeros(count)
    resold = pd.DataFrame(columns=["supplier", "hub", "buyer", "product", "quantity", "row"])
    told = list(notes)
    if resale:
        back, resold = through_third_countries(graph, cuts, whole["value"])
        told.append("resale: third countries take in at most as much again as today and pass all of it on (assumption)")
        if not len(resold):
            told.append("resale: no third country that is still supplied could pass anything on")
    felt = {"value": whole["value"] * (1.0 - back), "low": whole["low"] * (1.0 - back), "high": whole["high"]}
    net = Net(graph)
    node: dict[str, FloatArray] = {}
    link: dict[str, FloatArray] = {}
    steps = 0
    for b, cut in felt.items():
        node[b], link[b], n = net.losses(cut, b)
        steps = max(steps, n)
    for part in (node, link):  # rounding must not part the bounds from the value
        part["low"], part["high"] = np.minimum(part["low"], part["value"]), np.maximum(part["high"], part["value"])
    # What travels on the link itself excludes what comes back by detour.
    source = {b: node[b][ix.src] for b in node}
    direct = {b: 1.0 - (source[b] + whole[b] - source[b] * whole[b]) for b in node}
    direct["high"] = np.minimum(direct["high"], direct["value"])
    direct["low"] = np.maximum(direct["low"], direct["value"])
    if len(resold):
        left = 1.0 - source["value"][resold["row"].to_numpy(dtype=np.int64)]
        resold = resold.assign(quantity=resold["quantity"] * left)
    label = ", ".join(map(repr, measures)) or "none"
    kept = (direct["value"], direct["high"], direct["low"])
    shocked = _after(graph, label, node, kept, resold)
    told += _assumed(net, node, link)
    unit = graph.tables["products"].set_index("product")
    unit_of = unit["unit"].astype(str) + "/" + unit["period"].astype(str)
    need, need_low, need_high, basis, reason = _needs(graph)
    supplied = need * (1.0 - node["value"])
    with np.errstate(invalid="ignore"):
        most = np.where(node["high"] > 0, need_high * node["high"], 0.0)
    unmet = pd.DataFrame(
        {
            "node": ix.nodes["node"].astype(str),
            "kind": ix.nodes["kind"].astype(str),
            "buyer": ix.nodes["country"].astype(str),
            "product": ix.nodes["product"].astype(str),
            "demand": need,
            "supplied": supplied,
            "unmet": need - supplied,
            "unmet_share": node["value"],
            "low": node["low"],
            "high": node["high"],
            "unmet_low": np.where(np.isnan(need_low), np.nan, need_low * node["low"]),
            "unmet_high": np.where(np.isnan(need_high), np.nan, most),
            "unit": ix.nodes["product"].map(unit_of).astype(str),
            "basis": basis,
            "reason": reason,
        }
    )
    lines = pd.DataFrame(
        {
            "supplier": ix.links["supplier"].astype(str),
            "buyer": ix.links["buyer"].astype(str),
            "product": ix.links["product"].astype(str),
            "before": ix.quantity,
            "after": ix.quantity * direct["value"],
            "after_low": ix.low * direct["high"],
            "after_high": np.where(direct["low"] > 0, ix.high, 0.0) * direct["low"],
            "cut": felt["value"],
            "loss": link["value"],
            "loss_low": link["low"],
            "loss_high": link["high"],
            "unit": ix.links["product"].map(unit_of).astype(str),
            "grade": ix.links["grade"],
        }
    )
    status = "no link is cut" if steps == 0 else f"fixed point in {steps} steps"
    resold = resold.drop(columns="row")
    return Impact(
        graph, shocked, tuple(measures), "rationing", unmet, lines, status, tuple(dict.fromkeys(told)), resold
    )


def _assumed(net: Net, node: dict[str, FloatArray], link: dict[str, FloatArray]) -> list[str]:
    """Assumptions that the result rests on, counted where the shock may reach."""
    ix = net.ix
    out: list[str] = []
    if not len(ix.src):
        return out
    reached = np.maximum.reduceat(link["high"], ix.segment_start) > 0
    for mask, text in (
        (net.unsplit, "inflows of which no amount is known are split equally in the value; bounds take any split"),
        (net.unsaid, "inputs without a recipe count as essential in the value; the low bound ignores them"),
        (
            net.capital,
            "tools and software are capital: running plants go on, so their loss counts in the high bound only",
        ),
        (net.important & ~net.priced, "important inputs without prices or coefficients weigh equally in the value"),
    ):
        hit = int((mask & reached).sum())
        if hit:
            out.append(f"{text} ({hit} affected)")
    lacking = len(set(net.lack_node[node["high"][net.lack_node] > 0].tolist()))
    if lacking:
        out.append(f"{lacking} producers have an essential input that no link brings: it counts in the high bound only")
    return out


registries["engine"].add(
    rationing, reference="Diem et al. 2022 (downstream part); methods.md F6, G3, G6", options=("resale",)
)


def simulate(
    graph: SupplyGraph,
    measures: Spec | Iterable[Spec],
    *,
    engine: str = "rationing",
    resale: bool = False,
    at: str | None = None,
) -> Impact:
    """Carry out measures on a graph.

    Parameters
    ----------
    graph : SupplyGraph
        Baseline; never changed.
    measures : Spec or iterable of Spec
        What :func:`~supplyrisk.shocks.measures.export_ban`, ``export_licence`` or ``enact`` returned. Dates matter
        only with ``at``.
    engine : str
        Name in ``registries["engine"]``.
    resale : bool
        Whether third countries pass on what they additionally get.
    at : str, optional
        Only measures that bind on this day count: by the state of the dated act behind a measure, where it has one
        (where that is unknown, the low bound leaves the measure out), else by its own first and last day. Default:
        every measure given.

    Returns
    -------
    Impact

    Raises
    ------
    UnknownNameError, SchemaError
        Of all measures, every problem at once.

    Warns
    -----
    BasketWarning
        A flow that is cut is of a heading that holds other goods too.

    Examples
    --------
    >>> import pandas as pd
    >>> from supplyrisk.shocks import export_ban
    >>> src = dict(source="s", grade="A", year=2024)
    >>> g = SupplyGraph.from_tables(
    ...     products=pd.DataFrame([dict(product="gallium.refined", name="Gallium", commodity="gallium",
    ...         chain="gallium", stage="refine", unit="kg", basis="contained", period="year")]),
    ...     nodes=pd.DataFrame([dict(node=n, product="gallium.refined", country=n[16:19], kind=k, year=2024)
    ...         for n, k in (("gallium.refined@CHN", "producer"), ("gallium.refined@CAN", "producer"),
    ...                      ("gallium.refined@JPN:demand", "demand"))]),
    ...     links=pd.DataFrame([dict(supplier=f"gallium.refined@{c}", buyer="gallium.refined@JPN:demand",
    ...         product="gallium.refined", method="observed", quantity=q, **src) for c, q in (("CHN", 60.), ("CAN", 40.))]),
    ...     sources=pd.DataFrame([dict(source="s", title="s", licence="cc0", licence_class="cc0")]))
    >>> hit = simulate(g, export_ban("CHN", product="gallium.refined", to="JPN"))
    >>> hit.unmet.set_index("node").loc["gallium.refined@JPN:demand", ["unmet", "unmet_share"]].tolist()
    [60.0, 0.6]
    """
    check_graph(graph, "simulate()")
    at = None if at is None else date_text(at)
    given: Any = measures
    one = isinstance(given, Spec) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
    asked: list[Any] = [given] if one else list(given)
    run = registries["engine"][engine].function
    if at is not None and not is_date(at):
        raise SchemaError([Problem("simulate", "-", "at", "not an ISO date", repr(at), "Write 2026-11-09.")], "the day")
    graph = only_today(graph)
    faults: list[SchemaError | UnknownNameError] = []
    specs: list[Spec] = []
    cuts: list[Cut] = []
    built: list[Cut] = []
    notes: list[str] = []
    for m in asked:
        if not isinstance(m, Spec) or m.kind != "measure":
            remedy = f"Write one of {', '.join(registries['measure'].names())}, or use enact() for a dated act."
            problem = Problem("simulate", "-", "measures", "not a measure", repr(m), remedy)
            faults.append(SchemaError([problem], "the measures"))
            continue
        try:
            cut = dataclasses.replace(m.build(graph), written=repr(m))
        except (SchemaError, UnknownNameError) as err:
            faults.append(err)
            continue
        specs.append(m)
        built.append(cut)
        said = cut.act or repr(m)
        notes += [n if n.startswith(said) else f"{said}: {n}" for n in cut.notes]
        if cut.missed is not None:
            notes.append(f"{m!r}: {cut.missed.rule} in this graph; nothing is cut")
        if at is not None:
            bound = _binding(graph, cut, at)
            if bound is None:
                notes.append(f"{m!r}: does not bind on {at}")
                continue
            if bound is not cut:
                notes.append(f"{m!r}: its state on {at} is unknown; the low bound leaves it out")
            cut = bound
        cuts.append(cut)
    # Of a dated act some products may be missing from the graph, but not all.
    for act in sorted({c.act for c in built if c.act is not None}):
        parts = [c.missed for c in built if c.act == act]
        lost = [p for p in parts if p is not None]
        if len(lost) == len(parts):
            faults.append(SchemaError(lost, f"act {act}"))
    if len(faults) == 1:
        raise faults[0]
    if faults:
        found: list[Problem] = []
        for fault in faults:
            found += fault.problems if isinstance(fault, SchemaError) else [as_problem(fault, "simulate")]
        raise SchemaError(found, "the measures")
    cut_somewhere = np.zeros(len(graph.index.links), dtype=bool)
    for cut in cuts:
        cut_somewhere |= cut.high > 0
    warn_of_links(graph.index.links[cut_somewhere], "simulation", 2)
    result: Impact = run(graph, tuple(specs), tuple(cuts), resale=resale, notes=tuple(notes))
    return result


def _binding(graph: SupplyGraph, cut: Cut, at: str) -> Cut | None:
    """The cut as it binds on a day; None where it does not."""
    if cut.act is not None:
        now = state(graph, cut.act, at).state
        if now == "unknown":
            return dataclasses.replace(cut, low=np.zeros_like(cut.low))
        return cut if now == "in_force" else None
    return cut if cut.covers(at) else None

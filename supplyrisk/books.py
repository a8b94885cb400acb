"""The accounts of a graph as arrays: producers send, pools receive and pass on, industries draw by recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .accounts import latest, whole_rests
from .bounding import UNIT_VALUES, weight_bounds
from .equilibrate import Edges
from .flows import MAY_MAKE
from .graph import SupplyGraph
from .vintages import stated_use, today_of

__all__ = ["BALANCED", "DRAW", "DRAWN_OFF", "ESTIMATED", "FED", "INFERRED", "LINK", "MOVED", "OUTPUT", "REST_MOVED", "STANDS", "STATED", "USE", "WHOLE", "Books", "loose",
           "open_books", "own_bounds", "use_bounds"]  # fmt: skip

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ESTIMATED = frozenset(("balanced", "world_pool", "assumed"))
STANDS = "what it sends stands for its output"  # note of assemble() on an output that is an estimate itself
INFERRED = "stands for its output|at least net exports"  # notes of assemble() on outputs made from exports
_DERIVED = "what is left of the inflow"  # the note of assemble() on use that it derived: no total to meet
# Notes of assemble() on flows whose bounds it derived, of a recipe or of what a trader sends: nobody states them.
_BY_RECIPE, _ASKED = "recipe times output", "needed by the recipe"
DRAWN_OFF = "less what makers of unknown output are found to draw"  # in the note of a final use that is what they leave
BALANCED = "entropy balancing within the accounts"  # in the note of a flow that was estimated before
MOVED = "moved by balancing from"  # in the note of a figure that was moved before; what it was moved to is a figure
GUESSED = "output estimated by balancing, was"  # in the note of an output that was an estimate before, too
FED = "balanced: no more than its inputs allow"  # in the note of a maker whose upper bound of output follows from them
REST_MOVED = f"rest of the total {MOVED}"  # in the note of a residual of a total that had to give way
# What an edge is; WHOLE is the rest of a world total, of which the residual and those inside it make parts.
# STATED is a use as it was stated, of which final use and what industries draw of the pool make parts.
LINK, OUTPUT, USE, DRAW, WHOLE, STATED = range(6)


@dataclass
class Books:
    """The accounts of all chosen products; a node's own product is account ``node code``, inputs follow."""

    graph: SupplyGraph
    products: list[str]
    edges: Edges
    kind: IntArray
    row: IntArray  # link: position in index.links; otherwise node code; -1: added here
    value: FloatArray  # NaN where unknown
    known: BoolArray
    span_low: FloatArray
    span_high: FloatArray
    stiff: FloatArray  # how far a figure may be off, in product units; NaN for estimates
    price: FloatArray
    aim: FloatArray  # an equal part of what alternatives are needed for; NaN elsewhere
    hint: FloatArray  # what the value of a flow without a weight suggests; NaN elsewhere
    again: BoolArray  # flows that balancing has estimated before
    ceiling: (
        FloatArray  # above which no figure is moved: what the host of a by-product allows, unless it is more already
    )
    new: dict[int, str] = field(default_factory=dict)  # accounts that the graph has no node for

    @cached_property
    def inferred(self) -> BoolArray:
        """Outputs that were made from what is sent: no knowledge of their own."""
        note = self.graph.index.nodes["note"].fillna("").str.contains(INFERRED).to_numpy(dtype=bool)
        made = (self.kind == OUTPUT) & (self.row >= 0) & (self.edges.head >= 0)
        return np.asarray(made & note[np.where(made, self.row, 0)])

    @property
    def unsure(self) -> BoolArray:
        """Flows that are estimated."""
        return np.asarray((self.kind == LINK) & ~self.known)

    @cached_property
    def home(self) -> BoolArray:
        """Flows that take what is left: inside a country, and to and from the world pool."""
        ix = self.graph.index
        of = np.concatenate([np.arange(ix.n), ix.segment_buyer, np.zeros(self.edges.n, dtype=np.int64)])[: self.edges.n]
        place = ix.nodes["country"].to_numpy(dtype=object)[of]
        for account, node in self.new.items():
            if account >= ix.n + len(ix.segment_buyer):
                place[account] = node.partition("@")[2].partition(":")[0]
        a, b = place[np.maximum(self.edges.tail, 0)], place[np.maximum(self.edges.head, 0)]
        inside = (self.kind == LINK) & (self.edges.tail >= 0) & (self.edges.head >= 0)
        return np.asarray(inside & ((a == b) | (a == "WLD") | (b == "WLD")), dtype=bool)

    def name(self, account: int) -> str:
        """Node of an account, and the input if it is of one."""
        ix = self.graph.index
        if account in self.new:
            return self.new[account]
        if account < ix.n:
            return str(ix.position[account])
        s = account - ix.n
        return f"{ix.position[ix.segment_buyer[s]]} (input {ix.segment_product[s]})"

    def label(self, edge: int) -> tuple[str, str, str]:
        """Table, row and figure of an edge, in words."""
        ix, kind, row = self.graph.index, int(self.kind[edge]), int(self.row[edge])
        low, high = float(self.edges.low[edge]), float(self.edges.high[edge])
        figure = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        if kind == LINK:
            ends = f"link {self.name(int(self.edges.tail[edge]))} -> {self.name(int(self.edges.head[edge]))}"
            if row < 0:
                return "links", ends, figure
            r = ix.links.iloc[row]
            source = r["source"] if pd.notna(r["source"]) else "no source"
            if not np.isnan(self.hint[edge]):
                source = f"{source}, by its value of {r['value']:g} USD: {UNIT_VALUES}"
            return "links", ends, f"{figure} ({r['method']}, {source})"
        node = str(ix.position[row]) if row >= 0 else self.name(int(max(self.edges.head[edge], self.edges.tail[edge])))
        if kind == OUTPUT:
            n = ix.nodes.iloc[row] if row >= 0 else None
            source = n["output_source"] if n is not None and pd.notna(n["output_source"]) else "no source"
            if n is not None and pd.notna(n["total"]):
                source = f"{source}, of a world total of {n['total']:g}"
            return "nodes", f"output of {node}", f"{figure} ({source})"
        if kind == USE:
            return "demand", f"use at {node}", figure
        if kind == STATED:
            return "demand", f"use at {node}, what its makers draw included", figure
        if kind == WHOLE:
            n = ix.nodes.iloc[row]
            source = n["output_source"] if pd.notna(n["output_source"]) else "no source"
            return (
                "nodes",
                f"output of {node} and of all inside it",
                f"{figure} ({source}, of a world total of {n['total']:g})",
            )
        product = self.products[int(self.edges.block[edge])]
        return "recipes", f"draw of {product} by {node} (recipe times output)", figure


# ---------------------------------------------------------------------- opening the books


def open_books(graph: SupplyGraph, products: Sequence[str], caps: pd.DataFrame | None = None) -> Books:
    """The accounts of some products; ``caps`` are what producers (of by-products) can make, ``limit`` and ``likely``."""
    ix = graph.index
    n = ix.n
    of_link = ix.links["product"].to_numpy(dtype=object)
    block_of = {p: k for k, p in enumerate(products)}
    block_link = np.array([block_of.get(str(p), -1) for p in of_link], dtype=np.int64)
    alive = (ix.links["missing"].fillna("") != "not_applicable").to_numpy(dtype=bool)
    at = np.flatnonzero((block_link >= 0) & alive)
    made = ix.nodes["product"].to_numpy(dtype=object)
    node_kind = ix.nodes["kind"].to_numpy(dtype=object)
    own_head, own_tail = made[ix.dst[at]] == of_link[at], made[ix.src[at]] == of_link[at]
    tail = np.where(own_tail, ix.src[at], -1)
    head = np.where(own_head, ix.dst[at], n + ix.segment[at])
    quantity = ix.quantity[at]
    method = ix.links["method"].to_numpy(dtype=object)[at]
    estimated = np.isin(method, list(ESTIMATED))
    note = ix.links["note"].fillna("")
    before = note.str.contains(MOVED, regex=False).to_numpy(dtype=bool)
    known = ~np.isnan(quantity) & (~estimated | before[at])
    again = ~known & note.str.contains(BALANCED, regex=False).to_numpy(dtype=bool)[at]
    said = [bound[at] for bound in own_bounds(ix.links)]
    derived = note.str.startswith((_BY_RECIPE, _ASKED, MAY_MAKE)).to_numpy(dtype=bool)[at]
    stated = ~known & ~derived & ~(np.isnan(said[0]) & np.isnan(said[1]))
    low = np.where(known, quantity, np.nan_to_num(said[0]))
    high = np.where(known, quantity, np.where(np.isnan(said[1]), np.inf, said[1]))
    # A flow without a weight weighs what its value can buy, estimated before or not; bounds that are stated count more.
    guess = ix.links["method"].isin(ESTIMATED).to_numpy(dtype=bool) & ~before
    weighed = guess & note.str.contains(UNIT_VALUES, regex=False).to_numpy(dtype=bool)
    bare = ix.links.assign(quantity=ix.links["quantity"].mask(weighed))
    least, hint, most = (v[at] for v in weight_bounds(bare, ~guess))
    hint = np.where((np.isnan(quantity) | weighed[at]) & (most >= low) & (least <= high), hint, np.nan)
    low, high = (np.where(np.isnan(hint), b, f(b, v)) for b, v, f in ((low, least, np.fmax), (high, most, np.fmin)))
    hint = np.clip(hint, low, high)
    parts: list[dict[str, object]] = [
        {
            "tail": tail, "head": head, "block": block_link[at], "kind": np.full(len(at), LINK), "row": at,
            "value": quantity, "known": known, "low": low, "high": high,
            "span_low": np.where(known, ix.low[at], low), "span_high": np.where(known, ix.high[at], high),
            "aim": np.full(len(at), np.nan),
        }
    ]  # fmt: skip
    own = np.unique(np.concatenate([tail, np.where(own_head, head, -1)]))
    own = own[own >= 0]
    block_own = np.array([block_of[str(p)] for p in made[own]], dtype=np.int64)
    output, out_low, out_high = graph.interval("nodes", "output", ix.nodes)
    fed = ix.nodes["note"].fillna("").str.contains(FED, regex=False).to_numpy(dtype=bool) & np.isnan(output)
    out_high = np.where(fed, np.inf, out_high)  # what the inputs allow is found anew
    maker = node_kind[own] == "producer"
    c = own[maker]
    # The unlisted rest of a total is up to what the total's own upper bound leaves; a by-product up to its host's limit.
    rest = ((ix.nodes["country"] == "ROW") & ix.nodes["total"].notna()).to_numpy(dtype=bool)
    inner = ix.nodes["note"].fillna("").str.contains(STANDS, regex=False).to_numpy(dtype=bool) & ~np.isnan(output)
    sure = ~np.isnan(output[c]) & ~(rest[c] & (output[c] == 0) & (out_high[c] > 0)) & ~inner[c]
    ceiling, likely = np.full(n + 1, np.inf), np.full(n, np.inf)
    if caps is not None and len(caps):
        given = caps.reindex(ix.position).fillna(np.inf)
        ceiling[:-1], likely = given["limit"].to_numpy(dtype=float), given["likely"].to_numpy(dtype=float)
    # An output that was made from what its maker sends is an estimate: only bounds that somebody states hold.
    out_high = np.where(inner, ix.nodes["output_high"].fillna(np.inf).to_numpy(dtype=float), out_high)
    out_low = np.where(inner, ix.nodes["output_low"].fillna(0.0).to_numpy(dtype=float), out_low)
    top = np.minimum(out_high, ceiling[:-1])[c]
    bottom = np.minimum(out_low[c], top)
    # The estimate keeps within what the host's own figure allows, unless more is stated; its interval, within its end.
    sent_least = np.bincount(tail[own_tail], low[own_tail], n)[c]
    most = np.minimum(top, np.maximum(likely[c], np.maximum(bottom, sent_least)))
    parts.append(
        {
            "tail": np.full(len(c), -1), "head": c, "block": block_own[maker], "kind": np.full(len(c), OUTPUT),
            "row": c, "value": np.where(sure | inner[c] & (output[c] > 0), output[c], np.nan), "known": sure,
            "low": np.where(sure, output[c], bottom), "high": np.where(sure, output[c], most),
            "span_low": np.where(sure, out_low[c], bottom), "span_high": np.where(sure, out_high[c], top), "aim": np.full(len(c), np.nan),
        }
    )  # fmt: skip
    u = own[~maker]
    use, use_low, use_high = _use(graph, u)
    sure = ~np.isnan(use)
    use_least, use_most = np.nan_to_num(use_low), np.where(np.isnan(use_high), np.inf, use_high)
    bounded = ~sure & ((use_least > 0) | np.isfinite(use_most))
    parts.append(
        {
            "tail": u, "head": np.full(len(u), -1), "block": block_own[~maker], "kind": np.full(len(u), USE),
            "row": u, "value": use, "known": sure,
            "low": np.where(sure, use, use_least), "high": np.where(sure, use, use_most),
            "span_low": use_least, "span_high": use_most,
            "aim": np.full(len(u), np.nan),
        }
    )  # fmt: skip
    held = u[node_kind[u] == "stock"]  # a stock gives what it held
    drawn_down = loose(np.full(len(held), -1), held, block_own[~maker][node_kind[u] == "stock"], OUTPUT, held)
    drawn_down["high"], drawn_down["span_high"] = _held(graph, held)
    parts.append(drawn_down)
    number = n + len(ix.segment_start)
    out_of = np.append(tail, -1), np.append(low, 0.0)
    shared, opened, new = _shared_rests(graph, parts[1], out_of, number, block_of, ceiling)
    parts.append(shared)
    unsure = ~np.isin(np.arange(n), c[np.asarray(parts[1]["known"])])
    whole, named = _stated_uses(graph, parts[2], parts[0], unsure, number + len(new))
    parts.append(whole)
    new |= named
    out_low, out_high = np.where(opened, 0.0, out_low), np.where(opened, np.fmax(out_high, output), out_high)
    parts.append(_draws(graph, np.unique(head[~own_head]) - n, block_of, (output, out_low, out_high)))
    cols = {k: np.concatenate([np.asarray(p[k]) for p in parts]) for k in parts[0]}
    edges = Edges(
        number + len(new),
        cols["tail"].astype(np.int64),
        cols["head"].astype(np.int64),
        cols["low"].astype(float),
        cols["high"].astype(float),
        cols["block"].astype(np.int64),
    )
    span_low, span_high = cols["span_low"].astype(float), cols["span_high"].astype(float)
    value, sure = cols["value"].astype(float), cols["known"].astype(bool)
    kind = cols["kind"].astype(np.int64)
    fixed = sure | ((kind == DRAW) & (edges.low > 0))
    middle = np.where(sure, value, 0.5 * (edges.low + np.where(fixed, edges.high, 0.0)))
    half = 0.5 * (span_high - span_low)
    stiff = np.where(fixed & (middle > 0), np.maximum(np.where(fixed, half, 0.0), 0.01 * middle), np.nan)
    # An output of nothing whose maker is seen to send is as sure as an assumption; the rest of a known total stays.
    carry = (kind == LINK) & sure & (edges.tail >= 0)
    sent = np.bincount(edges.tail[carry], value[carry], edges.n)[np.maximum(edges.head, 0)]
    nought = (kind == OUTPUT) & sure & (value == 0) & (edges.head < n) & (sent > 0)
    nought &= ~np.append(rest, True)[np.where(nought, edges.head, n)]
    stiff = np.where(nought, 0.5 * sent, stiff)
    # Bounds that somebody states of what is not known give way as figures do: by their own width, and named.
    bound = np.zeros(len(stiff), dtype=bool)
    bound[: len(at)] = stated
    bound |= ((kind == USE) & ~sure & np.isin(edges.tail, u[bounded])) | ((kind == STATED) & ~sure)
    bound |= (kind == OUTPUT) & ~sure & np.isin(edges.head, held) & np.isfinite(edges.high)
    bound |= (kind == OUTPUT) & ~sure & _of_output(ix.nodes, rest)[np.where(edges.head < n, edges.head, n)]
    lower, upper = (np.where(kind == LINK, b, s) for b, s in ((edges.low, span_low), (edges.high, span_high)))
    far = np.where(np.isfinite(upper), upper, 2.0 * lower)
    room = np.where(bound, np.maximum(0.5 * (far - lower), 0.005 * (far + lower)), np.nan)
    stiff = np.where(bound & (room > 0), room, stiff)
    price = np.zeros(len(value))
    more = len(value) - len(hint)
    hints, seen = np.append(hint, np.full(more, np.nan)), np.append(again, np.zeros(more, dtype=bool))
    most_of = np.fmax(np.where(kind == OUTPUT, ceiling[np.where(edges.head < n, edges.head, n)], np.inf), value)
    return Books(graph, list(products), edges, kind, cols["row"].astype(np.int64), value, sure, span_low, span_high,
                  stiff, price, cols["aim"].astype(float), hints, seen, most_of, new)  # fmt: skip


def _shared_rests(
    graph: SupplyGraph,
    made: dict[str, object],
    out_of: tuple[IntArray, FloatArray],
    number: int,
    block_of: dict[str, int],
    ceiling: FloatArray,
) -> tuple[dict[str, object], BoolArray, dict[int, str]]:
    """An account for each rest of a published total: the residual and the makers inside it share what the total leaves.

    ``made`` are the outputs (changed in place: those of an account come out of it), ``out_of`` tail and least of each
    flow. Where those inside are known to send more than the total leaves, it has no account: no flow mends that. Returned with the nodes whose output such an account leaves open.
    """
    ix = graph.index
    opened = np.zeros(ix.n, dtype=bool)
    found: list[dict[str, object]] = []
    new: dict[int, str] = {}
    row, sure = np.asarray(made["row"]), np.asarray(made["known"])
    inside = ix.nodes["inside"].astype("object").fillna("").to_numpy(dtype=object)
    totals = whole_rests(graph)
    altered = ix.nodes["note"].fillna("").str.contains(f"output {MOVED}", regex=False)
    shifted = set(ix.nodes.loc[altered, "product"].astype(str))
    sends = np.bincount(ix.src, np.nan_to_num(ix.quantity), ix.n) if len(ix.src) else np.zeros(ix.n)
    least = np.bincount(out_of[0][out_of[0] >= 0], out_of[1][out_of[0] >= 0], number)
    for record in totals[totals["product"].isin(list(block_of))].to_dict("records"):
        rest, k = ix.code(record["node"]), block_of[str(record["product"])]
        mine = np.flatnonzero((inside[row] == record["node"]) & (row != rest))
        if not len(mine) or sure[mine].all():
            continue
        about = ix.nodes.iloc[rest]
        account = number + len(new)
        new[account] = f"{record['node']} and all inside it"
        own = np.flatnonzero(row == rest)
        output = float(np.nan_to_num(about["output"]))
        ends = [v for v in (about["rest_low"], about["rest_high"]) if pd.notna(v)]
        value = float(record["whole"])
        # A rest that its source states may differ from what its total leaves.
        stated = float(np.nansum(np.asarray(made["value"])[mine])) + output
        apart = "world total less" not in str(about["note"]) and abs(stated - value) > 1e-6 * stated
        ends += [stated] if apart else []
        # Beside listed figures that were moved before, what is sent may be another part of the total.
        moved = REST_MOVED in str(about["note"])
        if str(record["product"]) in shifted:
            if not moved and GUESSED not in str(about["note"]):
                continue
            moved, ends = True, [*ends, float(sends[np.append(row[mine], rest)].sum())]
        low, high = (min([value, *ends]), max([value, *ends]))
        need = float(np.maximum(least[row[mine]], np.asarray(made["low"])[mine]).sum() + least[rest])
        if need > high * (1 + 1e-9):
            continue
        known = not moved and not apart and (value > 0 or high == 0)
        one = loose(np.array([-1]), np.array([account]), np.array([k]), WHOLE, np.array([rest]))
        one.update(
            value=np.array([value]), known=np.array([known]), span_low=np.array([low]), span_high=np.array([high])
        )
        one.update(low=np.array([value if known else low]), high=np.array([value if known else high]))
        found.append(one)
        if len(own):
            at = np.append(mine, own)
            for side in ("low", "span_low"):
                np.asarray(made[side])[own] = 0.0
            for side in ("high", "span_high"):
                np.asarray(made[side])[own] = min(high, float(ceiling[rest]))
            np.asarray(made["known"])[own] = False
            np.asarray(made["value"])[own] = output if output > 0 else np.nan
        else:  # a residual that sends nothing
            at = mine
            left = loose(np.array([account]), np.array([-1]), np.array([k]), OUTPUT, np.array([rest]))
            found.append({**left, "value": np.array([output])})
        np.asarray(made["tail"])[at] = account
        opened[row[at]] = True
    if not found:
        return loose(*(np.zeros(0, dtype=np.int64),) * 3, WHOLE, np.zeros(0, dtype=np.int64)), opened, new
    return {c: np.concatenate([np.asarray(f[c]) for f in found]) for c in found[0]}, opened, new


def _stated_uses(
    graph: SupplyGraph, used: dict[str, Any], flows: dict[str, Any], unsure: BoolArray, number: int
) -> tuple[dict[str, object], dict[int, str]]:
    """An account for each stated use on which makers of unknown output draw: final use is what they leave of it.

    ``used`` are the uses and ``flows`` the links (both changed: those of an account come out of it), ``unsure`` the nodes
    whose output is not known, ``number`` the first free account. A use that no longer is what its row was stated to be less what is drawn stands for itself.
    """
    ix = graph.index
    none = loose(*(np.zeros(0, dtype=np.int64),) * 3, STATED, np.zeros(0, dtype=np.int64))
    d = stated_use(graph)
    parts = ["with_draws", "with_draws_low", "with_draws_high"]
    d = d[d[parts].notna().any(axis=1).groupby(d["node"]).transform("all")] if len(d) else d
    if not len(d):
        return none, {}
    tail, head = np.asarray(flows["tail"]), np.asarray(flows["head"])
    industry = (tail >= 0) & (head >= ix.n)
    buyer = np.where(industry, ix.segment_buyer[np.where(industry, head - ix.n, 0)] if len(ix.segment_buyer) else 0, 0)
    asks = np.unique(tail[industry & unsure[buyer]])
    world = (ix.nodes["country"] == "WLD").to_numpy(dtype=bool)
    out_of = industry | ((tail >= 0) & (head >= 0) & (head < ix.n) & world[np.clip(head, 0, ix.n - 1)])
    drawn = np.bincount(tail[out_of], np.nan_to_num(np.asarray(flows["value"]))[out_of], ix.n)
    value, low, high = graph.interval(
        "demand", "quantity", d.assign(quantity=d[parts[0]], low=d[parts[1]], high=d[parts[2]])
    )
    # Of a use that only has bounds these are the use.
    blank = np.isnan(value)
    low = np.where(blank, d[parts[1]].fillna(0.0), low)
    high = np.where(blank, d[parts[2]].fillna(np.inf), high)
    sums = pd.DataFrame({"whole": np.where(blank, np.nan, value), "low": low, "high": high, "left": d["quantity"]})
    off = (
        d["note"].fillna("").str.contains(DRAWN_OFF, regex=False).to_numpy(dtype=bool) | d["quantity"].isna().to_numpy()
    )
    by = d["node"].to_numpy(dtype=object)
    gone, kept = pd.Series(blank).groupby(by).any(), pd.Series(off).groupby(by).all()
    sums = sums.astype(float).reset_index(drop=True).groupby(by).sum()
    codes = ix.position.get_indexer(sums.index)
    left = np.maximum(sums["whole"] - drawn[codes], 0.0)
    same = np.where(gone, kept, (left - sums["left"]).abs() <= 1e-6 * sums["whole"])
    taken = sums.assign(whole=sums["whole"].mask(gone)).set_axis(codes)[same]
    row = np.asarray(used["row"])
    at = np.flatnonzero(np.isin(row, asks) & np.isin(row, taken.index))
    if not len(at):
        return none, {}
    account = number + np.arange(len(at))
    made = loose(row[at], account, np.asarray(used["block"])[at], STATED, row[at])
    own = taken.loc[row[at]]
    value, low, high = (own[c].to_numpy(dtype=float) for c in ("whole", "low", "high"))
    sure = ~np.isnan(value)
    made.update(value=value, known=sure, low=np.where(sure, value, low), high=np.where(sure, value, high))
    made.update(span_low=low, span_high=high)
    opened = {
        "tail": account,
        "value": np.nan,
        "known": False,
        "low": 0.0,
        "span_low": 0.0,
        "high": np.inf,
        "span_high": np.inf,
    }
    for column, v in opened.items():
        used[column] = np.array(used[column])
        used[column][at] = v
    of = np.full(ix.n + 1, -1, dtype=np.int64)
    of[row[at]] = account
    moves = out_of & (of[tail] >= 0)
    flows["tail"] = np.where(moves, of[tail], tail)
    names = {int(k): f"{ix.position[i]} (stated use)" for k, i in zip(account, row[at], strict=True)}
    return made, names


def own_bounds(links: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Bounds that flows without a known figure have of their own, before any accounts; NaN where there are none.

    Those of a blank or assumed row are in ``low`` and ``high``; those of one that was balanced before, whose ``low``
    and ``high`` are what the accounts left of them, in ``stated_low`` and ``stated_high``.
    """
    blank = links["quantity"].isna().to_numpy(dtype=bool)
    recipe = links["note"].fillna("").str.startswith(_BY_RECIPE).to_numpy(dtype=bool)  # its draw holds these
    fresh = blank | ((links["method"] == "assumed").to_numpy(dtype=bool) & ~recipe)
    either = links["method"].isin(ESTIMATED).to_numpy(dtype=bool) | blank
    out = []
    for side in ("low", "high"):
        raw, held = links[side].to_numpy(dtype=float), links[f"stated_{side}"].to_numpy(dtype=float)
        out.append(np.where(either, np.where(fresh & ~np.isnan(raw), raw, held), np.nan))
    return out[0], out[1]


def _held(graph: SupplyGraph, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Most that each stock can give: what its holders held, and its upper end; infinite where one of them does not say."""
    rows = latest(today_of(graph.tables, "stocks", graph.beneath), ["node", "holder"])
    if not len(rows) or not len(codes):
        return np.full(len(codes), np.inf), np.full(len(codes), np.inf)
    value, _, top = graph.interval("stocks", "quantity", rows)
    both = pd.DataFrame({"value": np.where(np.isnan(value), top, value), "top": top})
    by = rows["node"].to_numpy(dtype=object)
    whole = both.groupby(by).sum().mask(both.isna().groupby(by).any())
    whole = whole.reindex(graph.index.position[codes]).fillna(np.inf)
    return whole["value"].to_numpy(dtype=np.float64), whole["top"].to_numpy(dtype=np.float64)


def _of_output(nodes: pd.DataFrame, rest: BoolArray) -> BoolArray:
    """Nodes without a figure of output whose bounds somebody states; the last one is none."""
    fed = nodes["note"].fillna("").str.contains(FED, regex=False)
    stated = nodes["output"].isna() & (nodes["output_low"].notna() | nodes["output_high"].notna() & ~fed)
    return np.append(stated.to_numpy(dtype=bool) & ~rest, False)


def loose(tail: IntArray, head: IntArray, block: IntArray, kind: int, row: IntArray) -> dict[str, object]:
    """Edges of which nothing is known."""
    m = len(tail)
    zero, top = np.zeros(m), np.full(m, np.inf)
    return {
        "tail": tail, "head": head, "block": block, "kind": np.full(m, kind), "row": row,
        "value": np.full(m, np.nan), "known": np.zeros(m, dtype=bool), "low": zero, "high": top,
        "span_low": zero, "span_high": top, "aim": np.full(m, np.nan),
    }  # fmt: skip


def use_bounds(demand: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Bounds that uses without a known figure have of their own, before any accounts; NaN where there are none."""
    derived = _derived(demand)
    blank = demand["quantity"].isna().to_numpy(dtype=bool)
    out = []
    for side in ("low", "high"):
        raw, held = demand[side].to_numpy(dtype=float), demand[f"stated_{side}"].to_numpy(dtype=float)
        out.append(np.where(derived, held, np.where(blank, np.where(np.isnan(raw), held, raw), np.nan)))
    return out[0], out[1]


def _derived(demand: pd.DataFrame) -> BoolArray:
    """Uses that are what is left of the inflow: no figure, and no bounds that somebody states."""
    return np.asarray(demand["note"].fillna("").str.startswith((_DERIVED, "balanced: ")), dtype=bool)


def _use(graph: SupplyGraph, codes: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Stated use of pools with its interval; use that was derived from inflow is no total. Without one, its stated bounds."""
    nothing = np.full(len(codes), np.nan)
    d = stated_use(graph)
    if not len(d):
        return nothing, nothing, nothing
    value, low, high = graph.interval("demand", "quantity", d)
    guess = _derived(d) | np.isnan(value)
    least, most = use_bounds(d)
    low, high = (
        np.where(guess, np.nan_to_num(least), low),
        np.where(guess, np.where(np.isnan(most), np.inf, most), high),
    )
    frame = pd.DataFrame({"node": d["node"].astype("object"), "v": value, "a": low, "b": high, "no": guess})
    g = frame.groupby("node").agg(v=("v", "sum"), a=("a", "sum"), b=("b", "sum"), no=("no", "any"))
    g["v"] = g["v"].mask(g["no"])
    g = g.reindex(graph.index.position[codes])
    return g["v"].to_numpy(dtype=float), g["a"].to_numpy(dtype=float), g["b"].to_numpy(dtype=float)


def _draws(
    graph: SupplyGraph, segments: IntArray, block_of: dict[str, int], output: tuple[FloatArray, FloatArray, FloatArray]
) -> dict[str, object]:
    """What each industry takes of each input: recipe times output, in the range of the recipe's processes."""
    ix = graph.index
    buyer = ix.segment_buyer[segments]
    product = ix.segment_product[segments]
    block = np.array([block_of[str(p)] for p in product], dtype=np.int64)
    account = ix.n + segments
    out = loose(account, np.full(len(account), -1), block, DRAW, buyer)
    r = graph.tables["recipes"]
    r = r[~r["host"].fillna(False).astype(bool)]
    if not len(r) or not len(segments):
        return out
    pairs = [r["product"].astype("object"), r["input"].astype("object")]
    choice = (r["substitute_group"].fillna("") != "").groupby(pairs).any()
    span = r["coefficient"].groupby(pairs).agg(["min", "max"])
    key = pd.MultiIndex.from_arrays([ix.nodes["product"].to_numpy(dtype=object)[buyer], product])
    least, most = (span[c].reindex(key).to_numpy(dtype=float) for c in ("min", "max"))
    # The interval of what is drawn is that of the recipe, too.
    ends = {c: r[c].fillna(r["coefficient"]).groupby(pairs) for c in ("low", "high")}
    bottom = np.fmin(ends["low"].min().reindex(key).to_numpy(dtype=float), least)
    top = np.fmax(ends["high"].max().reindex(key).to_numpy(dtype=float), most)
    free = choice.reindex(key).fillna(False).to_numpy(dtype=bool)
    q, a, b = (x[buyer] for x in output)
    told = ~np.isnan(q) & ~np.isnan(least)
    out["low"] = np.where(told & ~free, least * q, 0.0)
    out["high"] = np.where(told, most * q, np.inf)
    out["span_low"] = np.where(told & ~free, bottom * a, 0.0)
    out["span_high"] = np.where(told, top * b, np.inf)
    asked = free & told
    label = r["substitute_group"].fillna("").groupby(pairs).max().reindex(key).fillna("").to_numpy(dtype=object)
    among = pd.Series(1, index=range(len(buyer))).groupby([buyer, np.where(asked, label, product)]).transform("size")
    out["aim"] = np.where(asked, most * q / among.to_numpy(dtype=float), np.nan)
    out["known"] = told & ~free & (least == most)
    out["value"] = np.where(told & ~free & (least == most), least * q, np.nan)
    return out

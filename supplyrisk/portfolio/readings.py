"""What a constraint reads on the plan, and what the score reads on the plan's graph: they are the same number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from .. import control
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..metrics import concentration_ratio, score
from ..metrics.mix import Mix
from ..metrics.unknown import nothing_known
from ..registry import Term
from .model import GROUP, Build
from .views import node_shares

if TYPE_CHECKING:
    from .plan import Portfolio

__all__ = [
    "AS_ONE",
    "Reading",
    "as_one",
    "bound_but_not_counted",
    "counted",
    "met_in_what_is_known",
    "part_of_arrivals",
    "readings",
    "share_in_what_is_known",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Market = tuple[str, int, str, IntArray]
Coordinates = tuple[IntArray, IntArray, FloatArray]
# Holdings that bind a plant without owning it: what the rule "creditor" counts beside owners.
_BINDS = ("offtake", "finance", "technology", "operator")
# Coalition under which the score looks at the buyers as one.
AS_ONE = "(the buyers of the plan)"


@dataclass(frozen=True, eq=False)
class Reading:
    """How a constraint's block reads on a solution, and which metric of the score it bounds.

    Attributes
    ----------
    metric : str
        Column of the score, or ``cr1`` and ``n_suppliers`` with their parameters.
    sense : {"<=", ">="}
        Which way it is bounded.
    limit : float
        The bound.
    markets : list of tuple
        Where it holds.
    value : callable
        From a solution to the expression of each market, in the metric's unit.
    view : str
        View of the score.
    focal : tuple of str, optional
        Where the metric has a focal.
    rule : str
        What counts as control.
    worst : bool
        Whether the upper bound of each supplier's part is counted.
    least : float
        Part of the market from which a supplier counts.
    """

    metric: str
    sense: str
    limit: float
    markets: list[Market]
    value: Callable[[FloatArray], FloatArray]
    view: str = "location"
    focal: tuple[str, ...] | None = None
    rule: str = "majority"
    worst: bool = False
    least: float = 0.0
    # Whether the parts of suppliers are those at the mixes that the plan leads to (lookthrough.py).
    follows: bool = False
    # By market, the focal part of what is drawn from stock and all of it (held.py): goods count when they are used.
    stock: Callable[[FloatArray], tuple[FloatArray, FloatArray]] | None = None


def arrived(m: Build, markets: list[Market], x: FloatArray) -> FloatArray:
    """What each market gets."""
    return np.array([float(x[m.lanes_of(pools)].sum()) for *_, pools in markets], dtype=np.float64)


def part_of_arrivals(
    m: Build, markets: list[Market], used: IntArray | None = None
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Slope of a row a market whose parameter is a part of what arrives, :math:`D - z`; see ``Rows.slope``.

    Columns of what is drawn from stock and ``used`` lessen nothing.
    """
    lost = [m.missed(pools)[0] for *_, pools in markets]
    if used is not None and len(used):
        lost = [c[~np.isin(c, used)] for c in lost]
    col = np.concatenate([np.zeros(0, dtype=np.int64), *lost])
    row = np.repeat(np.arange(len(markets)), [len(c) for c in lost])
    need = np.array([m.case.need[pools].sum() for *_, pools in markets], dtype=np.float64)
    return row, col, np.ones(len(col)), need


def joined(a: Coordinates, b: Coordinates) -> Coordinates:
    """Two sets of coordinates as one."""
    return np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]]), np.concatenate([a[2], b[2]])


def summed(n: int, at: Coordinates, x: FloatArray) -> FloatArray:
    """Coordinates (row, column, value) times a solution, by row."""
    row, col, value = at
    return np.asarray(np.bincount(row, value * x[col], n), dtype=np.float64)


def _suppliers(least: float) -> Callable[[Mix], FloatArray]:
    def n_suppliers(mix: Mix) -> FloatArray:
        """Named suppliers that deliver at least a part of the market."""
        return mix.count(mix.known >= least * mix.total[mix.market] * (1.0 - 1e-7))

    return n_suppliers


def _largest(mix: Mix) -> FloatArray:
    """Share of the largest named supplier."""
    return np.asarray(concentration_ratio(mix, 1), dtype=np.float64)


def as_one(graph: SupplyGraph, buyers: tuple[str, ...]) -> SupplyGraph:
    """The graph with the buyers as a coalition, so that the score can look at them as one."""
    roll = pd.DataFrame({"coalition": AS_ONE, "country": list(buyers), "role": "member", "grade": "assumption"})
    roll["valid_from"] = "1900"
    both = pd.concat([graph.tables["memberships"], roll], ignore_index=True)
    return graph.replace(note="the buyers as one", memberships=both)


def _lines(graph: SupplyGraph, pools: BoolArray, product: str) -> IntArray:
    """Links that bring a product to some pools from outside them."""
    ix = graph.index
    traded = ix.links["product"].to_numpy(dtype=object)
    return np.flatnonzero(pools[ix.dst] & ~pools[ix.src] & (traded == product))


def entering(graph: SupplyGraph, pools: list[str], part: FloatArray) -> float:
    """Mean of a part over what enters some pools of one product, weighed by quantity; NaN where nothing does."""
    ix = graph.index
    code = ix.position.get_indexer(pd.Index(pools, dtype=object))
    inside = np.zeros(ix.n, dtype=bool)
    inside[code[code >= 0]] = True
    product = str(ix.nodes["product"].to_numpy(dtype=object)[code[0]])
    at = _lines(graph, inside, product)
    q = np.nan_to_num(ix.quantity[at])
    return float(q @ part[ix.src[at]] / q.sum()) if q.sum() > 0 else np.nan


def _scored(plan: Portfolio, graph: SupplyGraph, r: Reading) -> FloatArray:
    """The metric of each market on a graph with the buyers as a coalition."""
    m = plan._build
    if r.metric == "focal_share" and (r.rule != "majority" or r.worst):
        return _by_lines(m, graph, r, plan._solution.x)
    if r.metric == "cr1":
        column: Any = _largest
    elif r.metric == "n_suppliers":
        column = _suppliers(r.least)
    else:
        column = r.metric
    focal = r.focal if r.focal is not None else "CHN"
    out = np.full(len(r.markets), np.nan)
    for group in (True, False):
        at = [i for i, (_, _, b, _) in enumerate(r.markets) if (b == GROUP) == group]
        if not at:
            continue
        if group and r.metric == "focal_share" and r.view != "location":
            out[at] = _mean_of_buyers(plan, graph, r, [r.markets[i] for i in at])
            continue
        who: dict[str, Any] = {"by": ["product", "buyer"]}
        if group:
            who = {"by": ["product", "coalition"], "coalition": AS_ONE}
        frame = score(graph, focal, view=r.view, metrics=[column], **who)
        found = frame.droplevel(["focal", "view"]).iloc[:, 0]
        for i in at:
            p, _, b, _ = r.markets[i]
            key = (p, AS_ONE if group else b)
            out[i] = float(found.loc[key]) if key in found.index else np.nan
    return out


def _mean_of_buyers(plan: Portfolio, graph: SupplyGraph, r: Reading, markets: list[Market]) -> FloatArray:
    """The score of each buyer, weighed by what the plan brings it: goods that leave the group and return count once."""
    assert r.focal is not None
    m, x = plan._build, plan._solution.x
    frame = score(graph, r.focal, view=r.view, by=["product", "buyer"])
    found = frame.droplevel(["focal", "view"])["focal_share"]
    out = np.full(len(markets), np.nan)
    for i, (p, _, _, pools) in enumerate(markets):
        got = np.array([float(x[m.lanes_of(np.array([b]))].sum()) for b in pools.tolist()])
        keys = [(p, str(m.pool_country[b])) for b in pools.tolist()]
        each = np.array([float(found.loc[k]) if k in found.index else np.nan for k in keys])
        if np.isnan(each[got > 0]).any() and not np.isnan(each[got > 0]).all():
            # Of a buyer of whom no supplier's owner is on record the score says nothing; in the group's value it counts.
            one = _by_lines(m, graph, replace(r, markets=[(p, 0, "", np.array([b])) for b in pools.tolist()]), x)
            each = np.where(np.isnan(each), one, each)
        if got.sum() > 0:
            out[i] = float(got[got > 0] @ each[got > 0] / got.sum())
    return out


def _by_lines(m: Build, graph: SupplyGraph, r: Reading, x: FloatArray) -> FloatArray:
    """Focal share over the supply lines, where the score has no such column: another rule of control, upper bounds."""
    assert r.focal is not None
    if r.view == "origin":
        traced = node_shares(graph, r.focal, "origin")
        value, high = traced.value, traced.high
    else:
        value, _, high = control.focal_share(
            graph, r.focal, cast(control.View, r.view), rule=cast(control.Rule, r.rule)
        )
    part = high if r.worst else np.where(np.isnan(value), high, value)
    part = np.where(np.isnan(part), 1.0, part)
    names = m.node[m.pool_code]
    out = np.full(len(r.markets), np.nan)
    for i, (_, _, buyer, pools) in enumerate(r.markets):
        if buyer != GROUP or r.view == "location":
            out[i] = entering(graph, names[pools].tolist(), part)
            continue
        got = np.array([float(x[m.lanes_of(np.array([b]))].sum()) for b in pools.tolist()])
        each = np.array([entering(graph, [names[b]], part) for b in pools.tolist()])
        if got.sum() > 0:
            out[i] = float(got[got > 0] @ each[got > 0] / got.sum())
    return out


def _followed(m: Build, r: Reading, x: FloatArray) -> FloatArray:
    """The focal part of what arrives at the mixes in which the plan settled."""
    from .lookthrough import counted_part
    from .senders import relayed

    assert r.focal is not None
    s = counted_part(m, r.focal, r.worst)
    on = joined(m.share_rows(r.markets, 1.0, s[m.supplier]), relayed(m, r.markets, s, r.focal))
    bare = on[1] < m.n_lanes
    sent = np.concatenate([k.keep.at for k in m.sent.values()]) if m.sent else on[1][:0]
    mine = bare | np.isin(on[1], sent)
    amount, whole = summed(len(r.markets), (on[0][mine], on[1][mine], on[2][mine]), x), arrived(m, r.markets, x)
    return np.asarray(np.divide(amount, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def _ends(m: Build, r: Reading, x: FloatArray, mine: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds of a share: what is not known of each supplier's part, beside the value."""
    if r.metric != "focal_share" or r.focal is None:
        return mine, mine
    s = m.shares(r.focal, r.view, r.rule)
    value = np.where(np.isnan(s.value), s.high, s.value)
    base = np.nan_to_num(s.high if r.worst else value, nan=1.0)
    got, out = arrived(m, r.markets, x), []
    for end in (np.nan_to_num(s.low), np.nan_to_num(s.high, nan=1.0)):
        lanes = [m.lanes_of(pools) for *_, pools in r.markets]
        off = np.array([float(((end - base)[m.supplier[at]] * x[at]).sum()) for at in lanes])
        more = np.divide(off, got, out=np.full(len(got), np.nan), where=got > 0)
        out.append(np.clip(mine + more, 0.0, 1.0))
    return out[0], out[1]


def met_in_what_is_known(m: Build, x: FloatArray) -> list[str]:
    """Caps that hold for what is known of the owners, and would not if all of whom nothing is known were the focal's."""
    out: list[str] = []
    for block in m.matrix.rows:
        r = block.reading
        if r is None or r.metric != "focal_share" or r.sense != "<=" or r.worst or r.view not in ("equity", "control"):
            continue
        s = m.shares(r.focal, r.view, r.rule)
        value = np.where(np.isnan(s.value), s.high, s.value)
        high, got = np.nan_to_num(s.high, nan=1.0), arrived(m, r.markets, x)
        mine, gamma = r.value(x), block.spec is not None and block.spec.arguments.get("gamma") is not None
        for i, (p, _, b, pools) in enumerate(r.markets):
            if gamma or not got[i] > 0:
                continue
            lanes = m.lanes_of(pools)
            open_ = (high - value)[m.supplier[lanes]] * x[lanes]
            most = float(mine[i] + open_.sum() / got[i])
            if most <= r.limit + 1e-6:
                continue
            names = sorted({str(n) for n in m.node[m.supplier[lanes[open_ > 1e-9 * got[i]]]]})
            said = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            who = "the group" if b == GROUP else b
            out.append(
                f"{block.spec!r} is met only in what is known of {p} for {who}: with the owners that are not on record "
                f"({said}) the share may be up to {min(most, 1.0):.1%}; worst=True caps that"
            )
    return out


def bound_but_not_counted(m: Build, x: FloatArray, constraints: Sequence[Any]) -> list[str]:
    """Suppliers of a plan that the focal binds on record by what is no ownership, where a cap counts owners alone."""
    table = m.graph.tables["holdings"]
    binds = table[table["type"].astype("object").isin(_BINDS)]
    flow = x[: m.n_lanes]
    out: list[str] = []
    for c in constraints:
        a = c.arguments
        if c.name != "max_share" or a["view"] not in ("equity", "control") or a["rule"] == "creditor" or binds.empty:
            continue
        focal = scope(a["focal"], m.graph)
        counts, would = m.shares(focal, a["view"], a["rule"]), m.shares(focal, "control", "creditor")
        direct = binds[binds["holder_country"].astype("object").isin(focal)]
        more = np.nan_to_num(would.value) > np.nan_to_num(counts.value) + 1e-9
        more |= np.isin(m.node, direct["asset"].astype("object").to_numpy()) & (
            np.nan_to_num(counts.value) < 1.0 - 1e-9
        )
        lanes = np.concatenate([m.lanes_of(pools) for *_, pools in m.pick(a["product"], a["buyer"])])
        used = lanes[flow[lanes] > 1e-9 * m.lane_size[lanes]]
        found = []
        for v in np.unique(m.supplier[used[more[m.supplier[used]]]]).tolist():
            mine = direct[direct["asset"].astype("object") == m.node[v]]
            rows = [f"{r.type} of {r.holder} ({r.holder_country}), grade {r.grade}" for r in mine.itertuples()]
            found.append(f"{m.node[v]} ({'; '.join(rows) or 'through holders of holders, or upstream of a pool'})")
        if found:
            said = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
            by = f"by {a['view']}" if a["view"] == "equity" else f"under rule={a['rule']!r}"
            out.append(
                f"{c!r} counts who owns, {by}: {', '.join(_BINDS[:-1])} or {_BINDS[-1]} that the data name for suppliers of "
                f"the plan does not count in it: {said}; view='control' with rule='creditor' counts it"
            )
    return out


def share_in_what_is_known(
    plan: Portfolio, term: Term, frame: pd.DataFrame, name: str, points: list[FloatArray]
) -> list[str]:
    """Say how much a share may be with owners that are not on record; NaN where nothing is known of it."""
    a = term.arguments
    if term.name != "share" or a["worst"] or a["view"] not in ("equity", "control"):
        return []
    wide = getattr(plan, "_wide", None)
    bases = [plan._build] if wide is None else wide.bases
    length = [1.0] if wide is None else [p.length for p in wide.periods]
    who: set[str] = set()
    most, nothing = np.zeros(len(points)), np.zeros(len(points), dtype=bool)
    for i, whole in enumerate(points):
        got = least = more = 0.0
        for t, m in enumerate(bases):
            x = whole if wide is None else whole[wide.at[t]]
            product, _, _, pools = m.pick(a["product"], a["buyer"])[0]
            need, lanes, s = (
                float(m.case.need[pools].sum()),
                m.lanes_of(pools),
                m.shares(scope(a["focal"], m.graph), a["view"]),
            )
            part, at = x[lanes] * length[t] / need, m.supplier[lanes]
            top = np.nan_to_num(s.high, nan=1.0)
            open_ = (top - np.nan_to_num(np.where(np.isnan(s.value), s.high, s.value), nan=1.0))[at] * part
            got, least = got + part.sum(), least + float((np.nan_to_num(s.low)[at] * part).sum())
            more += float(open_.sum())
            who |= set(map(str, m.node[at[open_ > 1e-6 * max(part.sum(), 1e-9)]]))
        if got > 0:
            most[i] = min(float(frame[name][i]) + more / got, 1.0)
            value, low, high = (np.array([v]) for v in (float(frame[name][i]), least / got, most[i]))
            nothing[i] = bool(nothing_known(value, np.where(low <= 1e-9, 0.0, low), high)[0])
    wider = np.flatnonzero(most > frame[name].to_numpy(dtype=float) + 1e-6)
    if not len(wider):
        return []
    frame.loc[nothing, name] = np.nan
    names = sorted(who)
    said = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    nan = (
        f", nothing is known of it in point {', '.join(map(str, np.flatnonzero(nothing)))} (NaN)"
        if nothing.any()
        else ""
    )
    return [
        f"{term!r} is that of what is known of {product}: with the owners that are not on record ({said}) the share "
        f"may be up to {most.max():.1%} in {len(wider)} of {len(points)} points{nan}; worst=True counts them"
    ]


def readings(plan: Portfolio) -> pd.DataFrame:
    """Every constraint, as the model counts it and as the score measures it on the plan's graph.

    Parameters
    ----------
    plan : Portfolio
        A plan.

    Returns
    -------
    DataFrame
        A row per constraint and market: ``constraint, product, buyer, view, metric, sense, limit, model, score,
        low, high``.
        ``model`` is the constraint's own expression at the solution; ``score`` what :func:`supplyrisk.score` finds on
        :attr:`Portfolio.graph` for the buyer, or for the group as one buyer (goods count where they enter it). The two
        are equal up to the solver's tolerance; by ``origin`` with ``mixing="today"`` only where the plan leaves the mixes
        as they are. ``low`` and ``high`` bound a share by what is not known of owners and inputs (other metrics: the
        value). Of what the score does not measure ``score`` is worked out from the plan's printed tables, and ``metric``
        is the name in :data:`supplyrisk.portfolio.recomputed.READINGS`. NaN where nothing is defined: a market that gets nothing, or of whose owners nothing is on record.
    """
    from .recomputed import others

    columns = ["constraint", "product", "buyer", "view", "metric", "sense", "limit", "model", "score", "low", "high"]
    m, x = plan._build, plan._solution.x
    blocks = [b for b in m.matrix.rows if b.reading is not None]
    graph = as_one(plan.graph, m.case.buyers) if blocks else m.case.graph
    rows: list[dict[str, Any]] = []
    for block in blocks:
        r: Reading = block.reading
        mine, theirs = _followed(m, r, x) if r.follows else r.value(x), _scored(plan, graph, r)
        if r.stock is not None:  # the score counts deliveries: with what is drawn it is of what is used
            got, (focal, drawn) = arrived(m, r.markets, x), r.stock(x)
            theirs = np.where(got > 0, theirs, 0.0) * got + focal
            theirs = np.divide(theirs, got + drawn, out=np.full(len(got), np.nan), where=got + drawn > 0)
        low, high = _ends(m, r, x, mine)
        # A share of which nothing is known is none, whatever the rows count: its interval is all there is.
        # So is one of which more than half may be anybody's, and one of a market that gets nothing but rounding.
        mine = np.where(np.isnan(theirs) & (high - low > 0.5), np.nan, mine)
        need = np.array([m.case.need[pools].sum() for *_, pools in r.markets], dtype=np.float64)
        drawn_too = 0.0 if r.stock is None else r.stock(x)[1]
        void = arrived(m, r.markets, x) + drawn_too <= 1e-9 * need
        if r.metric == "focal_share" and void.any():
            mine, theirs = np.where(void, np.nan, mine), np.where(void, np.nan, theirs)
        for i, (p, _, b, _) in enumerate(r.markets):
            rows.append(
                {
                    "constraint": repr(block.spec),
                    "product": p,
                    "buyer": b,
                    "view": r.view,
                    "metric": r.metric,
                    "sense": r.sense,
                    "limit": r.limit,
                    "model": float(mine[i]),
                    "score": float(theirs[i]),
                    "low": float(low[i]),
                    "high": float(high[i]),
                }
            )
    rows += others(plan)
    return pd.DataFrame(rows, columns=columns)


def counted(m: Build, fed: pd.DataFrame, part: FloatArray, pools: IntArray) -> float:
    """A part of senders over what a plan brings to some pools from outside them; NaN where nothing comes."""
    inside = np.zeros(m.graph.index.n, dtype=bool)
    inside[m.pool_code[pools]] = True
    at = inside[fed["dst"].to_numpy()] & ~inside[fed["src"].to_numpy()]
    q = fed["quantity"].to_numpy(dtype=float)[at]
    return float(q @ part[fed["src"].to_numpy()[at]] / q.sum()) if q.sum() > 0 else np.nan

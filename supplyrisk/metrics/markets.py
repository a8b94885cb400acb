"""The markets of a graph: segments of links, the world's production, what a buyer or a coalition takes in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..drawing import newcomers
from ..errors import Problem, SchemaError, unknown_name
from ..flows import MAY_MAKE
from ..jurisdictions import day_of
from ..vintages import stated_use
from .joint import rest_of
from .lens import HEADLINE_GRADES, Lines
from .mix import UNTOLD, FloatArray, IntArray

if TYPE_CHECKING:
    from ..graph import SupplyGraph

__all__ = ["KEYS", "MARKETS", "Market", "Places", "alone", "lines_of"]

KEYS = ("link", "product", "buyer", "coalition", "stage", "chain", "commodity")
MARKETS = ("supply", "production", "capacity", "exports", "imports", "import_value")
# The European Union as one party, and the coalition that lists its members.
_UNION, _UNION_MEMBERS = "EUE", "EU27"


@dataclass(frozen=True, eq=False)
class Places:
    """Nodes as arrays, and what each pool uses."""

    graph: SupplyGraph

    @cached_property
    def kind(self) -> npt.NDArray[np.object_]:
        """Kind of each node."""
        return self.graph.index.nodes["kind"].to_numpy(dtype=object)

    @cached_property
    def country(self) -> npt.NDArray[np.object_]:
        """Country of each node."""
        return self.graph.index.nodes["country"].to_numpy(dtype=object)

    @cached_property
    def product(self) -> npt.NDArray[np.object_]:
        """Product of each node."""
        return self.graph.index.nodes["product"].to_numpy(dtype=object)

    @cached_property
    def link_product(self) -> npt.NDArray[np.object_]:
        """Product of each link."""
        return self.graph.index.links["product"].to_numpy(dtype=object)

    @cached_property
    def home_doubt(self) -> npt.NDArray[np.bool_]:
        """Links that stand for what a country may make itself: no imports, whoever the supplier is called."""
        return self.graph.index.links["note"].str.startswith(MAY_MAKE).fillna(False).to_numpy(dtype=bool)

    @cached_property
    def pool_links(self) -> npt.NDArray[np.bool_]:
        """Links into a pool of their own product, its own returns left out."""
        ix = self.graph.index
        if not len(ix.src):
            return np.zeros(0, dtype=bool)
        mine = (self.kind[ix.dst] == "demand") & (self.product[ix.dst] == self.link_product)
        return np.asarray(mine & (ix.src != ix.dst), dtype=bool)

    @cached_property
    def stated(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Final use of each pool as stated, with bounds; NaN where no figure is."""
        n = self.graph.index.n
        stated: list[FloatArray] = []
        d = stated_use(self.graph)
        at = self.graph.index.position.get_indexer(pd.Index(d["node"].astype("object")))
        for x in self.graph.interval("demand", "quantity", d):
            found = np.full(n, np.nan)
            if len(at):
                known = ~np.isnan(x) & (at >= 0)
                summed = np.bincount(at[known], x[known], n)
                found = np.where(np.bincount(at[known], minlength=n) > 0, summed, np.nan)
            stated.append(found)
        return stated[0], stated[1], stated[2]

    @cached_property
    def use(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What each pool uses: stated final use and what its producers draw; else what flows in and not on."""
        ix = self.graph.index
        n = ix.n
        out = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
        if not n:
            return out
        pool = self.kind == "demand"
        draws = np.zeros(len(ix.src), dtype=bool)
        onward = draws.copy()
        if len(ix.src):
            leaving = pool[ix.src] & (self.product[ix.src] == self.link_product) & (ix.src != ix.dst)
            draws = leaving & ~pool[ix.dst]
            onward = leaving & pool[ix.dst]

        def total(which: npt.NDArray[np.bool_], node: IntArray, x: FloatArray) -> FloatArray:
            return np.bincount(node[which], np.nan_to_num(x[which], posinf=0.0), n).astype(np.float64)

        def endless(which: npt.NDArray[np.bool_], node: IntArray, x: FloatArray) -> FloatArray:
            return np.bincount(node[which], np.where(np.isnan(x[which]), np.inf, x[which]), n).astype(np.float64)

        inflow = self.pool_links
        value, low, high = self.stated
        known = ~np.isnan(value)
        drawn = total(draws, ix.src, ix.quantity)
        taken = self.taken
        blind = total(inflow, ix.dst, np.isnan(ix.quantity).astype(np.float64)) > 0
        least = np.maximum(total(inflow, ix.dst, ix.low) - endless(onward, ix.src, ix.high), 0.0)
        most = np.maximum(endless(inflow, ix.dst, ix.high) - total(onward, ix.src, ix.low), 0.0)
        told = pool & (taken > 0) & ~blind
        # A flow into a pool that nobody has figured leaves its use open upwards, not unsaid.
        dark = pool & (blind | (taken <= 0))
        # Where all that flows in, by its figures, flows on, the bounds of the flows say how much may stay.
        passed = dark & ~blind & (np.bincount(ix.dst[inflow], minlength=n) > 0)
        least = np.where(told | dark, np.maximum(least, total(draws, ix.src, ix.low)), np.nan)
        open_ = np.where(passed, np.maximum(most, least), np.where(dark, np.inf, np.nan))
        return (
            np.where(known, value + drawn, np.where(told, taken, np.nan)),
            np.where(known, low + total(draws, ix.src, ix.low), np.where(told, np.minimum(least, taken), least)),
            np.where(
                known,
                high + total(draws, ix.src, np.where(np.isinf(ix.high), np.nan, ix.high)),
                np.where(told, np.maximum(most, taken), open_),
            ),
        )

    @cached_property
    def taken(self) -> FloatArray:
        """What flows into each pool and not on to another, as far as it has a figure."""
        ix = self.graph.index
        if not len(ix.src):
            return np.zeros(ix.n)
        pool = self.kind == "demand"
        onward = pool[ix.src] & pool[ix.dst] & (self.product[ix.src] == self.link_product) & (ix.src != ix.dst)
        known = np.nan_to_num(ix.quantity)
        inflow = self.pool_links
        out = np.bincount(ix.dst[inflow], known[inflow], ix.n) - np.bincount(ix.src[onward], known[onward], ix.n)
        return np.asarray(np.maximum(out, 0.0), dtype=np.float64)

    def pools(self, product: npt.NDArray[np.object_] | None = None) -> pd.DataFrame:
        """Pools but the world's: node code, product, country, use, and what flows in where the use is not known."""
        at = np.flatnonzero((self.kind == "demand") & (self.country != "WLD"))
        value, low, high = self.use
        frame = pd.DataFrame(
            {
                "node": at,
                "product": self.product[at],
                "country": self.country[at],
                "use": value[at],
                "use_low": low[at],
                "use_high": high[at],
                # What is known to flow into pools whose use nobody has stated.
                "unsaid": np.where(np.isnan(value[at]), self.taken[at], 0.0),
            }
        )
        return frame if product is None else frame[frame["product"].isin(product)]

    def union_members(self, at: str | None = None) -> tuple[str, ...]:
        """Members of the European Union, where the graph lists them."""
        m = self.graph.tables["memberships"]
        return self.graph.members(_UNION_MEMBERS, at) if (m["coalition"] == _UNION_MEMBERS).any() else ()

    def single(self, pools: pd.DataFrame, at: str | None = None) -> pd.DataFrame:
        """Pools without the members of the union where the union has a pool of its own: nothing counts twice."""
        union = pools.loc[pools["country"] == _UNION, "product"]
        if not len(union):
            return pools
        inside = pools["product"].isin(union) & pools["country"].isin(self.union_members(at))
        return pools[~inside]


@dataclass(frozen=True, eq=False)
class Market:
    """Lines of the markets that rows of a score are about, and which market each row belongs to."""

    lines: Lines
    rows: pd.DataFrame
    single: Lines | None = None


_NARROW = 3.0


def _stand_in(value: FloatArray, low: FloatArray, high: FloatArray, rows: pd.DataFrame, prefix: str = "") -> FloatArray:
    """What stands for a quantity that is stated only as a range: the middle of a narrow one, the least of a wide one.

    Wide is more than threefold: the middle of "at least 3, at most 500" would be an invention, while the 3 are known.
    Without both bounds stated the quantity stays missing: "at least what was exported" may be all of it or next to
    nothing, and shares of such leasts would be shares of exports. The bounds use the whole range either way.
    """
    least = rows[f"{prefix}low"].to_numpy(dtype=np.float64)
    gone = np.isnan(value) & (least > 0) & rows[f"{prefix}high"].notna().to_numpy(dtype=bool)
    narrow = high <= _NARROW * low
    with np.errstate(invalid="ignore"):
        return np.where(gone, np.where(narrow, 0.5 * (low + np.where(narrow, high, 0.0)), low), value)


def _grade(frame: pd.DataFrame, column: str) -> npt.NDArray[np.bool_]:
    return frame[column].isin(HEADLINE_GRADES).to_numpy(dtype=bool)


def _source(frame: pd.DataFrame, column: str) -> npt.NDArray[np.object_]:
    return frame[column].astype("object").where(frame[column].notna(), "").to_numpy(dtype=object)


def _from_links(graph: SupplyGraph, pick: IntArray, market: IntArray, keys: pd.DataFrame, **more: Any) -> Lines:
    """Lines from links, in order of market and link."""
    ix = graph.index
    order = np.argsort(market, kind="stable")
    pick, market = pick[order], market[order]
    n = len(keys)
    nothing = np.full(n, np.nan)
    fields: dict[str, Any] = {"demand": nothing, "demand_low": nothing, "demand_high": nothing, **more}
    rows = ix.links.iloc[pick]
    return Lines(
        keys=keys,
        market=market.astype(np.int64),
        node=ix.src[pick],
        row=pick.astype(np.int64),
        links=True,
        quantity=_stand_in(ix.quantity[pick], ix.low[pick], ix.high[pick], rows),
        low=ix.low[pick],
        high=ix.high[pick],
        graded=_grade(rows, "grade"),
        source=_source(rows, "source"),
        **fields,
    )


def _in_value(graph: SupplyGraph, lines: Lines) -> Lines:
    """The same lines by what was paid for them, as wide as quantities of their grade and age; without a value open."""
    rows = graph.index.links.iloc[lines.row]
    money = {"quantity": "value", "low": "value_low", "high": "value_high"}
    paid, low, high = graph.interval("links", "quantity", rows.assign(**{q: rows[v] for q, v in money.items()}))
    return replace(lines, quantity=paid, low=low, high=high)


def _segments(graph: SupplyGraph) -> Market:
    ix, places = graph.index, Places(graph)
    pick = np.arange(len(ix.src), dtype=np.int64)
    buyer = ix.segment_buyer
    ids = ix.nodes["node"].to_numpy(dtype=object)
    keys = pd.DataFrame({"buyer": ids[buyer], "product": ix.segment_product})
    demand = []
    pool = (places.kind[buyer] == "demand") & (places.product[buyer] == ix.segment_product)
    count = len(ix.segment_start)
    for use, flow in zip(places.use, (ix.quantity, ix.low, ix.high), strict=True):
        # What a producer takes in of an input is what it uses of it.
        taken = np.bincount(ix.segment, flow, count) if count else np.zeros(0)
        demand.append(np.where(pool, use[buyer], np.where(np.isfinite(taken), taken, np.nan)))
    lines = _from_links(graph, pick, ix.segment, keys, demand=demand[0], demand_low=demand[1], demand_high=demand[2])
    rows = pd.DataFrame(
        {
            "supplier": ix.links["supplier"].to_numpy(dtype=object),
            "buyer": ix.links["buyer"].to_numpy(dtype=object),
            "product": places.link_product,
        }
    )
    return Market(lines, rows, alone(lines))


def alone(lines: Lines) -> Lines:
    """Every line as a market of its own."""
    m = len(lines.market)
    nothing = np.full(m, np.nan)
    return replace(
        lines,
        keys=lines.keys.iloc[lines.market].reset_index(drop=True),
        market=np.arange(m, dtype=np.int64),
        demand=nothing,
        demand_low=nothing,
        demand_high=nothing,
        users=None,
    )


def _world(graph: SupplyGraph, market: str, at: str | None) -> Market:
    ix, places = graph.index, Places(graph)
    pools = places.single(places.pools(), at)
    # What buyers who are not named use belongs to the world's demand too.
    rest = np.flatnonzero((places.kind == "demand") & (places.country == "WLD"))
    value, low, high = (x[rest] for x in places.use)
    told = ~np.isnan(places.stated[0][rest])
    unnamed = pd.DataFrame(
        {
            "node": rest,
            "product": places.product[rest],
            "country": "WLD",
            # Only what is stated is the world pool's own: what flows in may be used by buyers who are not named, or be
            # what named ones draw.
            "use": np.where(told, value, np.nan),
            "use_low": np.where(told, low, 0.0),
            "use_high": high,
            "unsaid": np.where(told, 0.0, places.taken[rest]),
        }
    )
    every = pd.concat([pools, unnamed], ignore_index=True) if len(unnamed) else pools
    if market == "exports":
        far = np.zeros(0, dtype=bool)
        if len(ix.src):
            far = (places.product[ix.src] == places.link_product) & (places.product[ix.dst] == places.link_product)
            far &= (places.country[ix.src] != places.country[ix.dst]) & (places.country[ix.src] != "WLD")
        pick = np.flatnonzero(far)
        codes, labels = pd.factorize(places.link_product[pick], sort=True)
    else:
        pick = np.flatnonzero(places.kind == "producer")
        codes, labels = pd.factorize(places.product[pick], sort=True)
    keys = pd.DataFrame({"product": np.asarray(labels, dtype=object)})
    if market != "exports":
        # Those whose use nobody has stated cannot use more than there is, all together.
        most = pd.Series(graph.interval("nodes", "output", ix.nodes.iloc[pick])[2]).groupby(codes).sum()
        open_ = np.isinf(every["use_high"])
        one = open_ & ~every[open_]["product"].duplicated().reindex(every.index, fill_value=True)
        every.loc[open_, "use_high"] = 0.0
        every.loc[one, "use_high"] = every["product"].map(dict(zip(keys["product"], most, strict=True)))
    demand = _demand(every, ["product"], pd.Index(keys["product"]))
    where = pd.Index(keys["product"]).get_indexer(pd.Index(pools["product"]))
    users = _users(pools, where)
    if market == "exports":
        nothing = np.full(len(keys), np.nan)
        lines = _from_links(
            graph, pick, codes.astype(np.int64), keys, demand=nothing, demand_low=nothing, demand_high=nothing
        )
        return Market(lines, keys)
    order = np.argsort(codes, kind="stable")
    pick, codes = pick[order], codes[order]
    column = "capacity" if market == "capacity" else "output"
    rows = ix.nodes.iloc[pick]
    q, lo, hi = graph.interval("nodes", column, rows)
    q = _stand_in(q, lo, hi, rows, f"{column}_")
    lines = Lines(
        keys=keys,
        market=codes.astype(np.int64),
        node=pick.astype(np.int64),
        row=pick.astype(np.int64),
        links=False,
        quantity=q,
        low=lo,
        high=hi,
        graded=_grade(rows, f"{column}_grade"),
        source=_source(rows, f"{column}_source"),
        users=users,
        rest=rest_of(graph, rows, codes.astype(np.int64), len(keys), q, lo) if column == "output" else None,
        entrants=newcomers(graph, rows[f"{column}_year"].fillna(rows["year"]), codes, len(keys), q),
        **demand,
    )
    return Market(lines, keys)


def _users(pools: pd.DataFrame, market: IntArray) -> pd.DataFrame:
    """Use by (market, country) with its bounds; pools of no market are left out."""
    pools, market = pools[market >= 0], market[market >= 0]
    index = pd.MultiIndex.from_arrays([market, pools["country"].to_numpy(dtype=object)])
    out = pools[["use", "use_low", "use_high"]].astype("float64").set_axis(index)
    return out[~out.index.duplicated()]


def _demand(pools: pd.DataFrame, keys: list[str], at: pd.Index) -> dict[str, Any]:
    """Demand of each market with its bounds, as the sum over its pools.

    What flows into pools whose use nobody has stated is demand too. Where it is more than half of all, the value would
    be supply by another name: it is NaN. Where nothing is said of any pool there are no bounds either.
    """
    by = pools.groupby(keys)
    use = by["use"].sum(min_count=1)
    unsaid = by["unsaid"].sum()
    whole = use + unsaid
    use = whole.where(unsaid <= UNTOLD * whole)
    least, most = (by[c].sum(min_count=1) for c in ("use_low", "use_high"))
    most = most.where(np.isfinite(most) | (least > 0))
    least = least.where(most.notna())
    found = {"demand": use, "demand_low": least, "demand_high": most}
    return {k: x.reindex(at).to_numpy(dtype=np.float64) for k, x in found.items()}


def _buyers(graph: SupplyGraph, market: str) -> Market:
    ix, places = graph.index, Places(graph)
    keep = places.pool_links & (places.country[ix.dst] != "WLD") if len(ix.src) else np.zeros(0, dtype=bool)
    if market in ("imports", "import_value"):
        keep &= (places.country[ix.src] != places.country[ix.dst]) & ~places.home_doubt
    pick = np.flatnonzero(keep)
    frame = pd.DataFrame({"product": places.link_product[pick], "buyer": places.country[ix.dst[pick]]})
    market_of, keys = _factor(frame)
    use = places.pools().drop_duplicates(["product", "country"])
    demand = _demand(use, ["product", "country"], pd.MultiIndex.from_frame(keys[["product", "buyer"]]))
    if market == "import_value":
        return Market(_in_value(graph, _from_links(graph, pick, market_of, keys)), keys)
    return Market(_from_links(graph, pick, market_of, keys, **demand), keys)


def _factor(frame: pd.DataFrame) -> tuple[IntArray, pd.DataFrame]:
    if not len(frame):
        return np.zeros(0, dtype=np.int64), frame.reset_index(drop=True)
    grouped = frame.groupby(list(frame.columns), sort=True)
    keys = grouped.size().reset_index()[list(frame.columns)].astype("object")
    return np.asarray(grouped.ngroup(), dtype=np.int64), keys


def _coalitions(graph: SupplyGraph, names: Sequence[str], market: str, at: str | None, rolls: SupplyGraph) -> Market:
    ix, places = graph.index, Places(graph)
    asked, at = at, at if at is not None else day_of(rolls)
    pools = places.pools()
    union = set(pools.loc[pools["country"] == _UNION, "product"])
    parts: list[tuple[IntArray, pd.DataFrame]] = []
    users: list[pd.DataFrame] = []
    for name in names:
        members = set(rolls.members(name, at))
        if asked is None and not members:  # over by then: as it was last
            members = set(rolls.members(name))
        if name == _UNION_MEMBERS:  # its members together are the Union
            members.add(_UNION)
        belongs = pools["country"].isin(members)
        held = belongs & False  # pools of members of the Union, where the Union's own has what enters them
        if _UNION in members:
            has = pools["product"].isin(union)
            if not has.all():
                inside = set(rolls.members(_UNION_MEMBERS, at))
                belongs |= ~has & pools["country"].isin(inside)
            inside_all = set(Places(rolls).union_members(at))
            held = has & pools["country"].isin(inside_all)
            belongs &= ~held
            home = members | inside_all
        else:
            home = members
        mine, inside_of = np.zeros((2, ix.n), dtype=bool)
        mine[pools.loc[belongs, "node"].to_numpy(dtype=np.int64)] = True
        inside_of[pools.loc[belongs | held, "node"].to_numpy(dtype=np.int64)] = True
        keep = np.zeros(0, dtype=bool)
        if len(ix.src):
            # Goods are counted where they enter: what members send each other from pool to pool came in before.
            keep = places.pool_links & mine[ix.dst] & ~inside_of[ix.src]
            if market in ("imports", "import_value"):
                keep &= ~np.isin(places.country[ix.src], list(home)) & ~places.home_doubt
        pick = np.flatnonzero(keep)
        parts.append((pick, pd.DataFrame({"product": places.link_product[pick], "coalition": name})))
        users.append(pools[belongs].assign(coalition=name))
    pick = np.concatenate([p for p, _ in parts]) if parts else np.zeros(0, dtype=np.int64)
    frame = pd.concat([f for _, f in parts], ignore_index=True).astype("object")
    market_of, keys = _factor(frame)
    using = pd.concat(users, ignore_index=True)
    at_keys = pd.MultiIndex.from_frame(keys[["product", "coalition"]])
    demand = _demand(using, ["product", "coalition"], at_keys)
    where = at_keys.get_indexer(pd.MultiIndex.from_frame(using[["product", "coalition"]].astype("object")))
    own = _users(using, where)
    if market == "import_value":
        return Market(_in_value(graph, _from_links(graph, pick, market_of, keys)), keys)
    return Market(_from_links(graph, pick, market_of, keys, users=own, outsiders=0.0, **demand), keys)


def lines_of(
    graph: SupplyGraph,
    by: Sequence[str],
    market: str,
    coalition: str | Iterable[str] | None,
    at: str | None,
    rolls: SupplyGraph,
) -> Market:
    """Markets behind the rows of a score.

    Parameters
    ----------
    graph : SupplyGraph
        The graph on the day.
    by : sequence of str
        Keys of the rows.
    market : str
        One of :data:`MARKETS`.
    coalition : str or iterable of str, optional
        Coalitions, by id.
    at : str, optional
        Day on which members count.
    rolls : SupplyGraph
        Graph whose memberships are read.

    Returns
    -------
    Market

    Raises
    ------
    UnknownNameError
        A key, market or coalition that does not exist.
    SchemaError
        Keys that do not go together, or a market that the keys do not have.
    """
    for key in by:
        if key not in KEYS:
            raise unknown_name("key", key, KEYS, "score(by=...)")
    if market not in MARKETS:
        raise unknown_name("market", market, MARKETS, "score(market=...)")
    who = [k for k in ("link", "buyer", "coalition") if k in by]
    if len(who) > 1 or ("link" in by and len(by) > 1):
        raise SchemaError(
            [
                Problem(
                    "score",
                    "-",
                    "by",
                    "these keys do not go together",
                    ", ".join(by),
                    "Use 'link' alone, or one of buyer and coalition with product, stage, chain, commodity.",
                )
            ],
            "score()",
        )
    taken = ("supply", "imports", "import_value") if who and who[0] != "link" else ("supply",)
    allowed = taken if who else ("supply", "production", "capacity", "exports")
    if market not in allowed:
        raise SchemaError(
            [
                Problem(
                    "score",
                    "-",
                    "market",
                    f"rows by {', '.join(by)} have no market of that name",
                    market,
                    f"Use {' or '.join(map(repr, allowed))}, or other keys.",
                )
            ],
            "score()",
        )
    if who == ["link"]:
        return _segments(graph)
    if who == ["buyer"]:
        return _buyers(graph, market)
    if who == ["coalition"]:
        known = rolls.tables["memberships"]["coalition"].dropna().unique()
        if coalition is None:
            names = sorted(str(x) for x in known)
        else:
            names = [coalition] if isinstance(coalition, str) else list(coalition)
        if not names:
            raise unknown_name("coalition", "(any)", [], "score(by='coalition')")
        for name in names:
            if name not in known:
                raise unknown_name("coalition", name, [str(x) for x in known], "score(coalition=...)")
        return _coalitions(graph, names, market, at, rolls)
    return _world(graph, market, at)

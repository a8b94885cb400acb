"""Who stands behind each node under a view, and the supply lines of each market.

A :class:`Lens` says, for every node, whose it is; :class:`Lines` says which nodes feed which market with how much.
Together they make the :class:`Mix` that metrics measure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..drawing import Draws, draws_of
from ..errors import unknown_name
from ..holdings import HEADLINE_GRADES, book
from ..jurisdictions import SCOPES, scope
from ..schema import VIEWS
from ..tracing import known_alternatives
from .mix import FloatArray, IntArray, Mix
from .unknown import known_only

if TYPE_CHECKING:
    from scipy import sparse

    from ..graph import SupplyGraph
    from .joint import Rest

__all__ = ["HEADLINE_GRADES", "Lens", "Lines", "Recipe", "lens", "line_mix", "recipe", "scope_label"]

# Columns of a composition that are nobody: the unlisted rest is other suppliers, the others may be anyone.
_UNLISTED = ("ROW",)
_ANYONE = ("UNK", "WLD", "ALL")
_OWN = ("own", "own_low", "own_high")


def scope_label(focal: str | Iterable[str]) -> str:
    """How a focal argument is written in a result."""
    if isinstance(focal, str) and focal in SCOPES:
        return focal
    return "+".join(scope(focal))


@dataclass(frozen=True, eq=False)
class Lens:
    """What each node is under a view, in the order of ``graph.index.nodes``.

    Attributes
    ----------
    units : csr_matrix
        Nodes x countries: part of the node that each named country stands behind.
    countries : list of str
        Columns of ``units``.
    unlisted, anyone : ndarray
        Part of the node that belongs to unlisted others, and to nobody knows whom.
    focal, focal_low, focal_high : ndarray
        Part that is the focal's; in the origin view traced through all tiers. NaN where nothing is known of it.
    bottleneck, bottleneck_low, bottleneck_high : ndarray
        Part that fails if the focal withholds every essential input. NaN where nothing is known of it.
    graded : ndarray
        Part of what is said of the node's holders that is graded A or B; 1 where holders do not matter. In the origin
        view part of what it is traced to that rests on figures graded A or B in every tier.
    neck_graded : ndarray
        Part of the bottleneck that rests on figures graded A or B in every tier.
    assumed : ndarray
        In the origin view part that is traced through inputs whose weights are assumed; NaN in others.
    own : ndarray
        What tracing starts from: part of the node itself that is the focal's; NaN where nothing is traced.
    places : tuple of str
        The focal's countries where a supplier is the focal's by standing there, and nothing else; else empty.
    draws : Draws, optional
        The presumed draws on world pools.
    recorded : ndarray, optional
        In the control view, where unknown holders are not presumed the host's: part of the node whose holders are on
        record, or that stands in the focal, whose host can stop it whoever holds it.
    focals : tuple of str
        The focal's countries.
    wide_of : tuple, optional
        Graph, view and presumption of a lens on holders, whose bounds start from :attr:`wide`.
    anybody : bool
        Whether newcomers may be held by somebody who is listed.
    """

    units: sparse.csr_matrix
    countries: list[str]
    unlisted: FloatArray
    anyone: FloatArray
    focal: FloatArray
    focal_low: FloatArray
    focal_high: FloatArray
    bottleneck: FloatArray
    bottleneck_low: FloatArray
    bottleneck_high: FloatArray
    graded: FloatArray
    neck_graded: FloatArray
    assumed: FloatArray
    own: FloatArray
    places: tuple[str, ...] = ()
    recorded: FloatArray | None = None
    draws: Draws | None = None
    focals: tuple[str, ...] = ()
    wide_of: tuple[SupplyGraph, str, str] | None = None
    anybody: bool = False

    @cached_property
    def wide(self) -> Lens:
        """The same for bounds of concentration: units have what is surely theirs, and all else may be anyone's.

        Places are certain: in the location and origin views this is the lens itself.
        """
        from .owned import surely

        if self.wide_of is None:
            return self
        graph, view, unlisted = self.wide_of
        sure, free = surely(graph, view, unlisted, self.units, self.countries, self.focals)
        return replace(self, units=sure, anyone=free, unlisted=np.zeros(len(free)), wide_of=None, anybody=True)

    @cached_property
    def spread(self) -> tuple[Lens, Lens]:
        """The lens with a place for the focal in whatever may be its, and the same with what is sure: for draws."""
        from scipy import sparse

        from .owned import surely

        assert self.wide_of is not None
        graph, view, unlisted = self.wide_of
        names = [*self.countries, *(c for c in self.focals[:1] if c not in self.countries)]
        u = self.units.tocoo()
        mine = np.array([c in self.focals for c in names], dtype=bool)
        has = np.bincount(u.row[mine[u.col]], minlength=u.shape[0]) > 0
        new = np.flatnonzero((self.wide.anyone > 0) & ~has) if self.focals else np.zeros(0, dtype=np.int64)
        at = np.full(len(new), names.index(self.focals[0]) if self.focals else 0)
        data: FloatArray = np.append(u.data, np.zeros(len(new)))
        row, col = np.append(u.row, new).astype(np.int64), np.append(u.col, at).astype(np.int64)
        units: Any = sparse.csr_matrix((data, (row, col)), shape=(u.shape[0], len(names)))
        units.sort_indices()
        sure, _ = surely(graph, view, unlisted, units, names, self.focals)
        first = replace(self, units=units, countries=names)
        return first, replace(first, units=sure)

    def drawn(self, lines: Lines) -> npt.NDArray[np.bool_] | None:
        """Which lines are presumed draws on a world pool; None where none is."""
        if self.draws is None or not lines.links or not len(lines.row):
            return None
        out = np.zeros(len(lines.row), dtype=bool)
        out[self.draws.of(lines.row)[0]] = True
        return out if out.any() else None

    def ends(self, name: str, lines: Lines) -> tuple[FloatArray, FloatArray]:
        """Bounds of a part ("focal", "bottleneck") of each line: its node's, or of a draw on the world any maker's."""
        both = getattr(self, f"{name}_low"), getattr(self, f"{name}_high")
        out = both[0][lines.node], both[1][lines.node]
        if self.draws is not None and lines.links and len(lines.row):
            at, which = self.draws.of(lines.row)
            for y, x, high in zip(out, both, (False, True), strict=True):
                y[at] = self.draws.bound(x, high)[which]
        return out

    def together(self, name: str, lines: Lines) -> tuple[FloatArray, FloatArray] | None:
        """Bounds of the mean of a part over markets, from what makers have for direct sales and draws together.

        No more of a market is of the part than all makers can send of it, over the least that the market takes.

        Parameters
        ----------
        name : str
            The part, "focal" or "bottleneck".
        lines : Lines
            Supply lines.

        Returns
        -------
        tuple of ndarray or None
            Low and high by market, 0 and 1 where nothing is drawn; None where nothing is anywhere.
        """
        drawn = self.drawn(lines)
        if drawn is None or self.draws is None:
            return None
        d = self.draws
        at, which = d.of(lines.row)
        group = np.full(lines.n, -1, dtype=np.int64)
        group[lines.market[at]] = d.group[which]
        least = np.bincount(lines.market, np.where(np.isnan(lines.low), 0.0, lines.low), lines.n)
        ask = np.bincount(lines.market[at], lines.high[at], lines.n)
        some = (group >= 0) & (least > 0)
        with np.errstate(invalid="ignore"):  # of a draw without a limit
            beyond = np.maximum(ask[some] - d.spare[group[some]], 0.0)  # is somebody's whom nobody has named
        beyond = np.nan_to_num(beyond, nan=np.inf, posinf=np.inf)
        out = np.zeros(lines.n), np.ones(lines.n)
        plain = np.flatnonzero(~drawn)
        amount = d.direct(lines.row[plain], lines.node[plain], lines.low[plain], lines.high[plain])
        for high in (False, True):
            end = getattr(self, f"{name}_{'high' if high else 'low'}")
            e = np.nan_to_num(end, nan=1.0 if high else 0.0)
            e = e if high else 1.0 - e
            held = np.add.reduceat(_times(d.make, e[d.maker]), d.head) + d.new
            sold = np.bincount(lines.market[plain], _times(amount, e[lines.node[plain]]), lines.n)
            part = np.minimum((sold[some] + held[group[some]] + beyond) / least[some], 1.0)
            out[high][some] = part if high else 1.0 - part
        return out


def lens(
    graph: SupplyGraph, focal: str | Iterable[str], view: str, unlisted: str = "unknown", traced: bool = True
) -> Lens:
    """Look at every node under a view.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal : str or iterable of str
        Focal scope.
    view : {"location", "equity", "control", "origin"}
        The view.
    unlisted : {"unknown", "host"}
        What to presume of nodes without a recorded holder.
    traced : bool
        Whether bottlenecks are needed.

    Returns
    -------
    Lens
    """
    from .. import control, exposure, grounds

    if view not in VIEWS:
        raise unknown_name("view", view, VIEWS, "score()")
    if unlisted not in ("unknown", "host"):
        raise unknown_name("unlisted", unlisted, ("unknown", "host"), "score()")
    plain: Any = "location" if view == "origin" else view
    presume: Any = unlisted
    # Composition's own default: equity nobody is named for is nobody's; control without a holder is the host's.
    given = None if unlisted == "unknown" else presume
    matrix, countries = control.composition(graph, plain, unlisted=given, hosts=scope(focal, graph))
    matrix = matrix.tocsr()
    matrix.sort_indices()
    named = np.array([c not in _UNLISTED and c not in _ANYONE for c in countries])

    def part(codes: tuple[str, ...]) -> FloatArray:
        which = np.array([float(c in codes) for c in countries])
        return np.asarray(matrix @ which, dtype=np.float64).ravel()

    n = graph.index.n
    nothing = np.full(n, np.nan)
    neck: tuple[FloatArray, ...] = (nothing, nothing, nothing)
    own: tuple[FloatArray, ...]
    if traced or view == "origin":
        base: Any = "control" if view in ("equity", "control") else "location"
        e = exposure.exposure(graph, focal, base, unlisted=presume)
        neck = tuple(e[c].to_numpy(dtype=np.float64) for c in ("bottleneck", "bottleneck_low", "bottleneck_high"))
        # What a pool in the focal territory hands on is the focal's; the exposure of the pool is what it takes in.
        gate = ((e["kind"] != "producer") & (e["country"] != "WLD")).to_numpy(dtype=bool)
        hands = tuple(np.where(gate & (held >= 1.0), held, 0.0) for held in (e[c].to_numpy(dtype=float) for c in _OWN))
        neck = tuple(np.maximum(x, hand) for x, hand in zip(neck, hands, strict=True))
    held = np.ones(n) if plain == "location" else _graded(graph, scope(focal), plain == "control")
    fine, neck_fine, assumed, whose = held, nothing, nothing, nothing
    if traced or view == "origin":
        whose = e["own"].to_numpy(dtype=np.float64)
        neck_fine = grounds.graded_part(graph, whose, "bottleneck", held)
    if view == "origin":
        fine = grounds.graded_part(graph, whose, "linear")
        assumed = grounds.assumed_part(graph, whose)
        own = tuple(e[c].to_numpy(dtype=np.float64) for c in ("linear", "linear_low", "linear_high"))
        own = tuple(np.maximum(x, hand) for x, hand in zip(own, hands, strict=True))
    else:
        own = control.focal_share(graph, focal, plain, unlisted=presume)
    bottleneck = known_only(*neck)
    if traced or view == "origin":
        # An alternative that nobody has data on is no alternative of no exposure.
        lit = known_alternatives(graph, whose, e["own_high"].to_numpy(dtype=np.float64))
        if lit is not None:
            bottleneck = np.where((neck[0] <= 0) & (lit > 0), np.nan, bottleneck)
    return Lens(
        units=matrix[:, np.flatnonzero(named)].tocsr(),
        countries=[c for c, keep in zip(countries, named, strict=True) if keep],
        unlisted=part(_UNLISTED),
        anyone=part(_ANYONE),
        focal=known_only(*own),
        focal_low=own[1],
        focal_high=own[2],
        bottleneck=bottleneck,
        bottleneck_low=neck[1],
        bottleneck_high=neck[2],
        graded=fine,
        neck_graded=neck_fine,
        assumed=assumed,
        own=whose,
        places=scope(focal) if view == "location" else (),
        recorded=_recorded(graph, scope(focal), 1 - part(_UNLISTED) - part(_ANYONE))
        if view == "control" and unlisted == "unknown"
        else None,
        draws=draws_of(graph),
        focals=scope(focal),
        wide_of=(graph, view, unlisted) if view in ("equity", "control") else None,
    )


def _recorded(graph: SupplyGraph, focal: tuple[str, ...], named: FloatArray) -> FloatArray:
    """Part of each node of which it is on record who can stop it; of pools that of what feeds them."""
    ix, b = graph.index, book(graph)
    held = np.minimum(np.bincount(b.node, b.portion * b.recorded, ix.n), 1.0)
    here = ix.nodes["country"].isin(focal).to_numpy(dtype=bool)
    held = np.where(here, 1.0, _through_pools(graph, np.where(here, 1.0, held)))
    return np.asarray(np.clip(np.minimum(held, named), 0.0, 1.0))


def _graded(graph: SupplyGraph, focal: tuple[str, ...], host: bool) -> FloatArray:
    """Part of what is said of each node's holders that is graded A or B.

    Parts of a node count by their portion of its output. Nothing recorded is nothing graded, except (``host``) for a
    node that stands in the focal: the host can stop it whoever owns it. Pools are as their suppliers.
    """
    ix, b = graph.index, book(graph)
    whole = np.bincount(b.node, b.portion, ix.n)
    fine = np.bincount(b.node, b.portion * b.fine, ix.n)
    out = np.divide(fine, whole, out=np.zeros(ix.n), where=whole > 0)
    if host:
        out = np.where(ix.nodes["country"].isin(focal).to_numpy(dtype=bool), 1.0, out)
    return _through_pools(graph, out)


def _through_pools(graph: SupplyGraph, out: FloatArray) -> FloatArray:
    """Values of makers, with those of pools as the mean of what feeds them, through any number of pools and loops."""
    from .. import control

    return control.mixed(graph, out)


@dataclass(frozen=True, eq=False)
class Lines:
    """Supply lines of markets, sorted by market.

    Attributes
    ----------
    keys : DataFrame
        A row per market: ``product``, and ``buyer`` or ``coalition`` where the market is one.
    market, node : ndarray of int
        Market and supplying node of each line.
    row : ndarray of int
        Row of ``graph.index.links`` behind the line, or of ``graph.index.nodes`` where the line is a node.
    links : bool
        Which of the two.
    quantity, low, high : ndarray
        Volume.
    graded : ndarray of bool
        Whether the volume is graded A or B.
    source : ndarray of object
        Source id of the volume.
    demand, demand_low, demand_high : ndarray
        Use by market.
    users : DataFrame, optional
        ``use, use_low, use_high`` by (market, country), for the net form of N-1; None where each market has one user.
    outsiders : float
        Use within the market of a country that is not among the users: 0, or NaN where unknown.
    rest : Rest, optional
        Which lines share a residual.
    entrants : ndarray, optional
        By market, what suppliers may make who began after its figures were taken.
    pool, top : ndarray, optional
        By line, the buyer whose level is nominal (-1 where the volume is a figure), and how many times as large the
        volume may be.
    """

    keys: pd.DataFrame
    market: IntArray
    node: IntArray
    row: IntArray
    links: bool
    quantity: FloatArray
    low: FloatArray
    high: FloatArray
    graded: npt.NDArray[np.bool_]
    source: npt.NDArray[np.object_]
    demand: FloatArray
    demand_low: FloatArray
    demand_high: FloatArray
    users: pd.DataFrame | None = None
    outsiders: float = np.nan
    rest: Rest | None = None
    entrants: FloatArray | None = None
    pool: IntArray | None = None
    top: FloatArray | None = None

    @property
    def n(self) -> int:
        """Number of markets."""
        return len(self.keys)


@dataclass(frozen=True, eq=False)
class Recipe:
    """How lines turn into units, worked out once and used for every draw of the quantities.

    Of draws on a world pool ``most`` is what a unit may have at most and ``others`` what all others have, by pair of line
    and unit, and ``stranger`` what those have who are not among the units, by line. ``joint`` is the most that a unit of a
    market has of draws and of direct sales together.
    """

    line: IntArray
    weight: FloatArray
    start: IntArray
    market: IntArray
    unit: IntArray
    own_demand: FloatArray
    own_demand_low: FloatArray
    own_demand_high: FloatArray
    line_start: IntArray
    full: IntArray
    n: int
    draw: npt.NDArray[np.bool_] | None
    most: FloatArray | None
    others: FloatArray | None
    stranger: FloatArray | None
    joint: FloatArray | None = None

    @cached_property
    def held(self) -> npt.NDArray[np.bool_] | None:
        """Pairs of which the unit has something; None where all are. Nothing of an endless quantity is nothing."""
        some = self.weight > 0
        return None if some.all() else some

    def units(self, quantity: FloatArray, drawn: FloatArray | None = None) -> FloatArray:
        """Sum lines into units; ``quantity`` is (lines,) or (draws, lines).

        ``drawn``: by pair of line and unit, what is counted of a draw on the world pool instead of its part of the mix.
        """
        if not len(self.start):
            return np.zeros((*quantity.shape[:-1], 0))
        x = quantity[..., self.line]
        x = (
            x * self.weight
            if self.held is None
            else np.multiply(x, self.weight, out=np.zeros(x.shape), where=self.held)
        )
        if drawn is not None and self.draw is not None:
            x = np.where(self.draw[self.line], drawn, x)
        return np.asarray(np.add.reduceat(x, self.start, axis=-1))

    def markets(self, quantity: FloatArray) -> FloatArray:
        """Sum lines by market; markets without lines are 0."""
        out = np.zeros((*quantity.shape[:-1], self.n))
        if len(self.line_start):
            out[..., self.full] = np.add.reduceat(quantity, self.line_start, axis=-1)
        return out


def recipe(lines: Lines, view: Lens) -> Recipe:
    """Group the parts of all lines by (market, country)."""
    c = view.units[lines.node]
    line = np.repeat(np.arange(len(lines.node)), np.diff(c.indptr)).astype(np.int64)
    col, weight = c.indices.astype(np.int64), np.asarray(c.data, dtype=np.float64)
    k = max(len(view.countries), 1)
    key = lines.market[line] * k + col
    order = np.argsort(key, kind="stable")
    line, weight, key = line[order], weight[order], key[order]
    start = _starts(key)
    head = key[start]
    market, unit = head // k, head % k
    own = np.full((3, len(head)), np.nan)
    if lines.users is not None and len(head):
        which = pd.MultiIndex.from_arrays([market, np.array(view.countries, dtype=object)[unit]])
        at = lines.users.index.get_indexer(which)
        for i, name in enumerate(("use", "use_low", "use_high")):
            # -1 finds the last: an outsider
            known = np.append(lines.users[name].to_numpy(dtype=np.float64), lines.outsiders)
            own[i] = known[at]
    line_start, draw = _starts(lines.market), view.drawn(lines)
    amounts = _drawn_amounts(lines, view, draw, line, col)
    joint = None
    if draw is not None and view.draws is not None and amounts[0] is not None and len(start):
        sold = view.draws.direct(lines.row, lines.node, lines.low, lines.high)
        sold = np.where(draw[line], 0.0, _times(sold[line], weight))
        # One pool is behind all draws of a market: a unit has what it has left of it once.
        once = np.maximum.reduceat(np.where(draw[line], amounts[0], 0.0), start)
        some = np.bitwise_or.reduceat(draw[line], start)
        joint = np.where(some, np.add.reduceat(sold, start) + once, np.inf)
    return Recipe(
        line,
        weight,
        start,
        market,
        unit,
        own[0],
        own[1],
        own[2],
        line_start,
        lines.market[line_start],
        lines.n,
        draw,
        *amounts,
        joint,
    )


def _drawn_amounts(
    lines: Lines, view: Lens, draw: npt.NDArray[np.bool_] | None, line: IntArray, unit: IntArray
) -> tuple[FloatArray | None, FloatArray | None, FloatArray | None]:
    """Of draws on a world pool: the most that each pair's unit has, what all others have, and what strangers have."""
    if draw is None or view.draws is None:
        return None, None, None
    d = view.draws
    at, which = d.of(lines.row)
    pool = np.zeros(len(lines.row), dtype=np.int64)
    pool[at] = d.group[which]
    held = d.held(view.units)
    # Who is no unit of the line: makers outside the mix, unlisted ones, newcomers, and what exceeds them all.
    excess = np.zeros(len(lines.row))
    excess[at] = np.maximum(np.nan_to_num(lines.high[at], posinf=0.0) - d.spare[d.group[which]], 0.0)
    listed = np.zeros((len(lines.row), held.shape[1]), dtype=bool)
    listed[line, unit] = True
    rows = np.flatnonzero(draw)
    stranger = np.zeros(len(lines.row))
    nobody = d.spare - np.where(np.isfinite(d.spare), held.sum(axis=1, where=np.isfinite(held)), 0.0)
    outside = np.where(listed[rows], 0.0, held[pool[rows]]).sum(axis=1)
    stranger[rows] = np.maximum(nobody[pool[rows]], 0.0) + outside + excess[rows]
    most = held[pool[line], unit]
    inside = np.bincount(line, np.where(draw[line], most, 0.0), len(lines.row))
    with np.errstate(invalid="ignore"):
        others = inside[line] - most + stranger[line]
    return most, np.nan_to_num(others, nan=np.inf, posinf=np.inf), stranger


def _starts(codes: IntArray) -> IntArray:
    change = np.ones(len(codes), dtype=bool)
    change[1:] = codes[1:] != codes[:-1]
    return np.flatnonzero(change).astype(np.int64)


def _times(quantity: FloatArray, part: FloatArray) -> FloatArray:
    """Product in which nothing of an endless quantity is nothing."""
    return np.asarray(np.multiply(quantity, part, out=np.zeros_like(quantity), where=part > 0))


def line_mix(lines: Lines, view: Lens, how: Recipe | None = None) -> Mix:
    """The Mix of all markets: rows are countries under the view, ``.lines`` the supply lines.

    Parameters
    ----------
    lines : Lines
        Supply lines of the markets.
    view : Lens
        Who stands behind each node.
    how : Recipe, optional
        From :func:`recipe`, where it is at hand.

    Returns
    -------
    Mix
    """
    how = recipe(lines, view) if how is None else how
    value = np.nan_to_num(lines.quantity)
    told = how.units(np.where(np.isnan(lines.quantity), 0.0, 1.0)) > 0
    outside: dict[str, Any] = {}
    for name, part in (("residual", view.unlisted[lines.node]), ("unknown", view.anyone[lines.node])):
        outside[name] = how.markets(_times(value, part))
        ends = _times(lines.low, part), _times(lines.high, part)
        if how.draw is not None and how.stranger is not None:
            # Of a draw on the world any unit may have what it has left, and strangers theirs: as nobody knows whom.
            theirs = np.minimum(how.stranger, lines.high) if name == "unknown" else 0.0
            ends = np.where(how.draw, 0.0, ends[0]), np.where(how.draw, theirs, ends[1])
        outside[f"{name}_low"], outside[f"{name}_high"] = how.markets(ends[0]), how.markets(ends[1])
    if lines.entrants is not None:
        name = "unknown_high" if view.anybody else "residual_high"
        outside[name] = outside[name] + lines.entrants
    late: dict[str, Any] = {}
    if lines.entrants is not None:
        # Newcomers are nobody who is listed: none of them stands in the focal where all of it is. Whose they are, and
        # what they are made of, is open whoever is listed.
        full = np.zeros(lines.n, dtype=bool)
        if view.places:
            hit = np.isin(np.array(view.countries, dtype=object)[how.unit], view.places)
            full = np.bincount(how.market[hit], minlength=lines.n) == len(view.places)
        late = {
            "residual_high": np.where(full, lines.entrants, 0.0),
            "unknown_high": np.where(full, 0.0, lines.entrants),
        }
    inside = np.zeros(len(lines.node), dtype=bool)
    if lines.rest is not None:
        inside = lines.rest.member & ~lines.rest.residual
    ends, necks = view.ends("focal", lines), view.ends("bottleneck", lines)
    fine = Mix.build(
        lines.market,
        lines.n,
        lines.quantity,
        unit=lines.node,
        low=lines.low,
        high=lines.high,
        focal=known_only(view.focal[lines.node], *ends),
        focal_low=ends[0],
        focal_high=ends[1],
        bottleneck=known_only(view.bottleneck[lines.node], *necks),
        bottleneck_low=necks[0],
        bottleneck_high=necks[1],
        headline=lines.graded * view.graded[lines.node],
        room=np.where(inside, 0.0, lines.high),
        **late,
        bottleneck_headline=lines.graded * view.neck_graded[lines.node],
        assumed_weights=view.assumed[lines.node],
        recorded=None if view.recorded is None else view.recorded[lines.node],
    )
    # Never tighter than the mix of the pool, which is the value and what draws of quantities start from.
    mixed = how.units(lines.high)
    least = most = None
    if how.most is not None and how.others is not None:
        most = np.maximum(np.minimum(lines.high[how.line], how.most), _times(lines.high[how.line], how.weight))
        least = np.minimum(np.maximum(lines.low[how.line] - how.others, 0.0), lines.low[how.line] * how.weight)
    top = how.units(lines.high, most)
    return Mix.build(
        how.market,
        lines.n,
        np.where(told, how.units(value), np.nan),
        unit=how.unit,
        lines=fine,
        low=how.units(lines.low, least),
        high=top if how.joint is None else np.minimum(top, np.maximum(how.joint, mixed)),
        demand=lines.demand,
        demand_low=lines.demand_low,
        demand_high=lines.demand_high,
        own_demand=how.own_demand,
        own_demand_low=how.own_demand_low,
        own_demand_high=how.own_demand_high,
        **outside,
    )

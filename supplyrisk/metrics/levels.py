"""Bounds and coverage of markets in which some flows stand at a nominal level, a weight that nobody knows.

Of a buyer whose import shares are known and whose imports are not (assumption ``A-NOMINAL``), the level :math:`L_b` is
anything from 0 to what its suppliers make. A row of that buyer alone does not depend on it. A row of several buyers is a
mix of the buyers' shares with weights :math:`L_b`: a mean over lines, such as the focal's share, is then extreme with
every buyer's own mean at its bound and the levels at theirs; a measure that is convex in the shares is no more than
that of its worst buyer alone; all else has the bounds of the box in which each such flow is anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..nominal import nominal_of
from .lens import line_mix
from .mix import Mix

if TYPE_CHECKING:
    from ..graph import SupplyGraph
    from .lens import Lens, Lines
    from .mix import FloatArray, IntArray

__all__ = ["MEANS", "Levels", "levels_of", "uncounted", "with_levels"]

Interval = tuple["FloatArray", "FloatArray"]
# Means over lines, and the part of each line that they average.
MEANS = {"focal_share": "focal", "bottleneck": "bottleneck"}
# Of convex measures the worst buyer alone bounds the mix from above, of concave ones from below.
_CONVEX = frozenset(("hhi", "concentration_ratio", "hirschman_index"))
_CONCAVE = frozenset(("effective_suppliers", "shannon"))


def with_levels(graph: SupplyGraph, lines: Lines) -> Lines:
    """Lines that know which of them stand at a nominal level, and how much of the market's use does.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    lines : Lines
        Supply lines of its markets.

    Returns
    -------
    Lines
        With ``pool`` and ``top`` where any is nominal, and bounds of demand as wide as the levels in them are unknown.
    """
    found = nominal_of(graph)
    if found is None:
        return lines
    ix = graph.index
    if lines.links:
        pool, top = found.pool[lines.row], found.top[lines.row]
        if not (pool >= 0).any():
            return lines
        lines = replace(lines, pool=pool, top=top)
        flag = pool >= 0
        pairs = pd.DataFrame({"market": lines.market[flag], "pool": pool[flag], "top": top[flag]}).drop_duplicates()
    else:
        one = pd.DataFrame({"pool": found.pool, "top": found.top})[found.pool >= 0].drop_duplicates("pool")
        product = ix.nodes["product"].astype("object").to_numpy()[one["pool"]]
        pairs = one.assign(market=pd.Index(lines.keys["product"]).get_indexer(pd.Index(product)))
        pairs = pairs[pairs["market"] >= 0]
    return _open_use(graph, lines, pairs)


def _open_use(graph: SupplyGraph, lines: Lines, pairs: pd.DataFrame) -> Lines:
    """Use that is only what flows in at a nominal level is anything up to the level's end, beside other use."""
    from .markets import Places

    places = Places(graph)
    at = pairs["pool"].to_numpy(dtype=np.int64)
    derived = np.isnan(places.stated[0][at]) & ~np.isnan(places.use[0][at])
    if lines.links:  # a market of one such buyer scales as a whole: less is used where less comes
        levels = Levels(lines, None)
        derived &= levels.shared[pairs["market"].to_numpy(dtype=np.int64)]
    if not derived.any():
        return lines
    market, at = pairs["market"].to_numpy(dtype=np.int64)[derived], at[derived]
    top = pairs["top"].to_numpy(dtype=np.float64)[derived]
    low, high = (np.nan_to_num(x[at]) for x in places.use[1:])
    less = np.bincount(market, low, lines.n)
    more = np.bincount(market, np.multiply(high, top, out=np.zeros(len(high)), where=high > 0) - high, lines.n)
    users = lines.users
    if users is not None:
        key = pd.MultiIndex.from_arrays([market, places.country[at]])
        hit = users.index.isin(key)
        most = pd.Series(top, index=key).groupby(level=[0, 1]).max().reindex(users.index[hit]).to_numpy(dtype=float)
        users = users.copy()
        users.loc[hit, "use_low"] = 0.0
        known = users.loc[hit, "use_high"].to_numpy(dtype=float)
        users.loc[hit, "use_high"] = np.multiply(known, most, out=known.copy(), where=known > 0)
    return replace(
        lines,
        demand_low=np.maximum(lines.demand_low - less, 0.0),
        demand_high=lines.demand_high + np.nan_to_num(more, posinf=np.inf),
        users=users,
    )


def uncounted(lines: Lines) -> Lines:
    """The same lines without the quantities of nominal ones: what of a market is known."""
    if lines.pool is None or lines.top is None:
        return lines
    flag = lines.pool >= 0
    low, high = _ends(lines, flag)
    return replace(lines, quantity=np.where(flag, np.nan, lines.quantity), low=low, high=high)


def _ends(lines: Lines, which: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    top = np.ones(len(lines.row)) if lines.top is None else lines.top
    high = np.multiply(lines.high, top, out=np.zeros(len(top)), where=lines.high > 0)
    return np.where(which, 0.0, lines.low), np.where(which, high, lines.high)


@dataclass(frozen=True, eq=False)
class Levels:
    """Markets with flows at a nominal level, ready for bounds over every admissible level.

    Attributes
    ----------
    lines : Lines
        Supply lines with ``pool`` and ``top``.
    view : Lens, optional
        Who stands behind each node.
    """

    lines: Lines
    view: Lens | None

    @cached_property
    def flag(self) -> npt.NDArray[np.bool_]:
        """Lines at a nominal level."""
        pool = self.lines.pool
        return np.zeros(len(self.lines.row), dtype=bool) if pool is None else pool >= 0

    @cached_property
    def split(self) -> tuple[IntArray, IntArray, IntArray]:
        """Order of the lines by market and buyer, part of each, and market of each part; known flows are one part."""
        lines = self.lines
        pool = np.full(len(lines.row), -1) if lines.pool is None else lines.pool
        order = np.lexsort((pool, lines.market))
        m, g = lines.market[order], pool[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (m[1:] != m[:-1]) | (g[1:] != g[:-1])
        return order, np.cumsum(new) - 1, m[new]

    @cached_property
    def any(self) -> npt.NDArray[np.bool_]:
        """Markets with a flow at a nominal level."""
        return np.bincount(self.lines.market[self.flag], minlength=self.lines.n) > 0

    @cached_property
    def shared(self) -> npt.NDArray[np.bool_]:
        """Markets in which such a flow stands beside others, so that the level matters."""
        return self.any & (np.bincount(self.split[2], minlength=self.lines.n) > 1)

    def ends(self, amount: bool = False) -> tuple[FloatArray, FloatArray]:
        """Bounds of the lines where each nominal one is anything: in shared markets, or (``amount``) in all."""
        return _ends(self.lines, self.flag & (amount | self.shared[self.lines.market]))

    def _mix(self, lines: Lines) -> Mix:
        assert self.view is not None
        return line_mix(lines, self.view)

    @cached_property
    def _open(self) -> Mix:
        low, high = self.ends(amount=True)
        return self._mix(replace(self.lines, low=low, high=high, rest=None))

    @cached_property
    def _parts(self) -> Mix:
        """Every buyer at a nominal level, and all known flows of a market, as markets of their own."""
        lines = self.lines
        order, part, host = self.split
        nothing = np.full(len(host), np.nan)
        return self._mix(
            replace(
                lines,
                keys=lines.keys.iloc[host].reset_index(drop=True),
                market=part.astype(np.int64),
                **{k: getattr(lines, k)[order] for k in ("node", "row", "quantity", "low", "high", "graded", "source")},
                demand=nothing,
                demand_low=nothing,
                demand_high=nothing,
                users=None,
                rest=None,
                entrants=None,
                pool=None,
                top=None,
            )
        )

    def _mean(self, bounds: Callable[[Mix], Interval], name: str) -> Interval:
        """Bounds of a mean: each nominal buyer is one line of its own mean, of any amount that its level may be."""
        order, part, host = self.split
        fine, flag = self._parts.fine, self.flag[order]
        nominal = np.bincount(part, flag, len(host)) > 0
        high = self.ends(amount=True)[1][order]
        most = np.bincount(part[flag], high[flag], len(host)).astype(np.float64)
        own_low, own_high = bounds(self._parts)
        field = MEANS[name]
        known = np.flatnonzero(~flag)
        there = np.flatnonzero(nominal)
        market = np.concatenate([host[part[known]], host[there]])
        sort = np.argsort(market, kind="stable")

        def both(x: FloatArray, y: FloatArray) -> FloatArray:
            return np.concatenate([x[known], y[there]])[sort]

        zero = np.zeros(len(host))
        lows, highs = getattr(fine, f"{field}_low"), getattr(fine, f"{field}_high")
        mix = Mix.build(
            market[sort],
            self.lines.n,
            both(fine.quantity, np.bincount(part, np.nan_to_num(fine.quantity), len(host)).astype(np.float64)),
            low=both(fine.low, zero),
            high=both(fine.high, most),
        )
        ends = {f"{field}_low": both(lows, own_low), f"{field}_high": both(highs, own_high)}
        parts: dict[str, Any] = {field: both(getattr(fine, field), own_low), **ends}
        mix = replace(mix, **parts)
        return bounds(mix)

    def bounds(self, name: str | None, bounds: Callable[[Mix], Interval], found: Interval) -> Interval:
        """Bounds of a metric over every admissible level.

        Parameters
        ----------
        name : str or None
            The metric.
        bounds : callable
            Its bounds over a box.
        found : tuple of ndarray
            Low and high by market where nominal levels count as figures.

        Returns
        -------
        tuple of ndarray
            Low and high by market; those of markets without a nominal level, or of one buyer alone, are as they were, unless
            the metric is an amount.
        """
        where = self.any if name in ("quantity", "n_minus_1") else self.shared
        if name == "n_minus_1":  # what is used is a figure, or grows with what comes
            where = self.shared | (self.any & ~self._scaled)
        if not where.any():
            return found
        if name in MEANS:
            low, high = self._mean(bounds, name)
        else:
            low, high = bounds(self._open)
            if name in _CONVEX | _CONCAVE:
                host = self.split[2]
                there = self._parts.sum(self._parts.high) + self._parts.residual_high + self._parts.unknown_high > 0
                alone = bounds(self._parts)[name in _CONVEX]
                worst = np.full(self.lines.n, -np.inf if name in _CONVEX else np.inf)
                (np.maximum if name in _CONVEX else np.minimum).at(worst, host[there], alone[there])
                if name in _CONVEX:
                    high = np.where(np.isfinite(worst), np.minimum(high, worst), high)
                else:
                    low = np.where(np.isfinite(worst), np.maximum(low, worst), low)
        # An inner loop's rounding must not leave the value outside.
        return np.where(where, np.fmin(low, found[0]), found[0]), np.where(where, np.fmax(high, found[1]), found[1])

    @cached_property
    def _scaled(self) -> npt.NDArray[np.bool_]:
        """Markets of one nominal buyer whose use is what flows in: supply over use does not depend on the level."""
        inflow = self.lines.demand_high
        total = np.bincount(self.lines.market, np.nan_to_num(self.lines.quantity), self.lines.n)
        return np.asarray(~np.isnan(inflow) & (np.abs(self.lines.demand - total) <= 1e-9 * np.maximum(total, 1e-300)))


def levels_of(lines: Lines, view: Lens) -> Levels | None:
    """What is at a nominal level in some markets; None where nothing is.

    Parameters
    ----------
    lines : Lines
        Supply lines.
    view : Lens
        Who stands behind each node.

    Returns
    -------
    Levels or None
    """
    return None if lines.pool is None else Levels(lines, view)

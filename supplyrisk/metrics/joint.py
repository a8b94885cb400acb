"""Suppliers inside a residual: what they and the rest of it make adds up to one total.

A statistic lists the largest producers and a world total. Countries that are known to make the product, but not how
much, lie inside what is left (``nodes.inside``): none of them makes more than that, and together they and the rest
make just that. Taken one by one, twenty such countries could each make all of it; taken together, they cannot.

The admissible quantities of a market are then a box for the listed suppliers, and for the others a simplex: total
``R`` between ``low`` and ``high``, every member at least its own low. A measure that is convex, concave or a ratio of
sums in the quantities is extreme at a corner of the simplex, where one of them has all that is left to share out, so
its bounds are those of as many boxes as there are members: exact where the bounds of a box are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from ..graph import SupplyGraph
    from .lens import Lens, Lines
    from .mix import FloatArray, IntArray, Mix

__all__ = ["Rest", "Worlds", "bounds_of", "rest_of", "split_rest", "worlds_of"]

# Metrics that are extreme where one supplier has all of the residual that is left; of any other the bounds are those
# of the looser box in which each may have it.
_AT_CORNERS = frozenset(
    (
        "quantity",
        "focal_share",
        "bottleneck",
        "hhi",
        "concentration_ratio",
        "effective_suppliers",
        "hirschman_index",
        "n_minus_1",
    )
)


@dataclass(frozen=True, eq=False)
class Rest:
    """Which lines share a residual, and how large it is.

    Attributes
    ----------
    member : ndarray of bool
        Lines that share the residual of their market: those inside it, and the residual itself.
    residual : ndarray of bool
        The line that is the residual itself.
    value, low, high : ndarray
        What they make together, by market; NaN where there is no such residual.
    """

    member: npt.NDArray[np.bool_]
    residual: npt.NDArray[np.bool_]
    value: FloatArray
    low: FloatArray
    high: FloatArray

    def part(self, rows: slice, first: int, last: int) -> Rest:
        """The same for some markets and their lines."""
        markets = slice(first, last)
        return Rest(self.member[rows], self.residual[rows], self.value[markets], self.low[markets], self.high[markets])


def rest_of(
    graph: SupplyGraph, rows: pd.DataFrame, market: IntArray, n: int, quantity: FloatArray, low: FloatArray
) -> Rest | None:
    """Find the lines of each market that share its residual.

    Parameters
    ----------
    graph : SupplyGraph
        Whose policy widens what is not stated.
    rows : DataFrame
        Rows of the table of nodes behind the lines.
    market : ndarray of int
        Market of each line.
    n : int
        Number of markets.
    quantity, low : ndarray
        Output and its lower bound.

    Returns
    -------
    Rest or None
        None where no line lies inside a residual that is there.
    """
    inside = rows["inside"].astype("object")
    named = inside.notna().to_numpy(dtype=bool).copy()
    if not named.any():
        return None
    ids = rows["node"].astype("object").to_numpy()
    home = pd.Index(ids).get_indexer(pd.Index(inside.to_numpy(dtype=object)))
    named &= home >= 0
    named[named] &= market[home[named]] == market[named]
    # One residual a market: the statistic has one world total.
    first = np.full(n, -1, dtype=np.int64)
    first[market[named][::-1]] = home[named][::-1]
    named &= first[market] == home
    there = np.flatnonzero(first >= 0)
    if not len(there):
        return None
    residual = np.zeros(len(rows), dtype=bool)
    residual[first[there]] = True
    member = named | residual
    known = np.nan_to_num(quantity)
    value, least = np.bincount(market[member], known[member], n), np.bincount(market[named], low[named], n)
    total = rows.iloc[first[there]].assign(output=value[there])
    total["output_low"], total["output_high"] = total["rest_low"], total["rest_high"]
    # Stated bounds of a total and the sum of what is known may differ by rounding.
    total["output_low"] = total["output_low"].clip(upper=total["output"])
    total["output_high"] = total["output_high"].clip(lower=total["output"])
    _, total_low, total_high = graph.interval("nodes", "output", total)
    out = [np.full(n, np.nan) for _ in range(3)]
    out[0][there] = value[there]
    out[1][there] = np.maximum(total_low, least[there])
    out[2][there] = np.maximum(total_high, out[1][there])
    return Rest(member, residual, *out)


@dataclass(frozen=True, eq=False)
class Worlds:
    """Every market once for each supplier that may have what is left of its residual."""

    mix: Mix
    host: IntArray
    n: int

    def across(self, x: FloatArray, low: bool) -> FloatArray:
        """Lowest or highest over the copies of each market; NaN where one of them has none."""
        out = np.full(self.n, np.inf if low else -np.inf)
        with np.errstate(invalid="ignore"):  # a copy without a bound leaves none
            (np.minimum if low else np.maximum).at(out, self.host, x)
        return out


def worlds_of(lines: Lines, view: Lens) -> Worlds | None:
    """Copies of all markets, in each of which one of those who share a residual has what is left of it.

    Parameters
    ----------
    lines : Lines
        Supply lines with ``rest``.
    view : Lens
        Who stands behind each node.

    Returns
    -------
    Worlds or None
        None where no residual is shared.
    """
    from .lens import line_mix

    rest = lines.rest
    if rest is None:
        return None
    count = np.bincount(lines.market, rest.member, lines.n).astype(np.int64)
    copies = np.maximum(count, 1)
    host = np.repeat(np.arange(lines.n, dtype=np.int64), copies)
    turn = np.arange(len(host)) - np.repeat(np.cumsum(copies) - copies, copies)
    size = np.bincount(lines.market, minlength=lines.n)
    first = np.cumsum(size) - size
    market = np.repeat(np.arange(len(host), dtype=np.int64), size[host])
    offset = np.arange(len(market)) - np.repeat(np.cumsum(size[host]) - size[host], size[host])
    row = first[host[market]] + offset
    # The how-manieth of those who share the residual each line is.
    nth = np.cumsum(rest.member) - 1
    before = np.concatenate([[0], np.cumsum(rest.member)])[first]
    nth = nth - before[lines.market]
    member, winner = rest.member[row], rest.member[row] & (nth[row] == turn[market])
    own = np.where(rest.residual, 0.0, lines.low)
    least = np.bincount(lines.market[rest.member], own[rest.member], lines.n)
    spare_low, spare_high = rest.low - least, rest.high - least
    at = host[market]
    low = np.where(member, own[row] + np.where(winner, np.maximum(spare_low[at], 0.0), 0.0), lines.low[row])
    high = np.where(member, own[row] + np.where(winner, np.maximum(spare_high[at], 0.0), 0.0), lines.high[row])
    users = lines.users
    if users is not None:
        code = users.index.get_level_values(0).to_numpy(dtype=np.int64)
        start = np.cumsum(copies) - copies
        times = copies[code]
        pick = np.repeat(np.arange(len(users)), times)
        to = start[code[pick]] + np.arange(len(pick)) - np.repeat(np.cumsum(times) - times, times)
        names = users.index.get_level_values(1).to_numpy(dtype=object)[pick]
        users = users.iloc[pick].set_axis(pd.MultiIndex.from_arrays([to, names]))
    spread: dict[str, Any] = {k: getattr(lines, k)[row] for k in ("node", "row", "quantity", "graded", "source")}
    spread |= {k: getattr(lines, k)[host] for k in ("demand", "demand_low", "demand_high")}
    keys = lines.keys.iloc[host].reset_index(drop=True)
    spread["entrants"] = None if lines.entrants is None else lines.entrants[host]
    copied = replace(lines, keys=keys, market=market, low=low, high=high, users=users, rest=None, **spread)
    return Worlds(line_mix(copied, view), host, lines.n)


def bounds_of(
    name: str | None, bounds: Callable[[Mix], tuple[FloatArray, FloatArray]], mix: Mix, worlds: Worlds | None
) -> tuple[FloatArray, FloatArray]:
    """Bounds of a metric, residuals shared.

    Parameters
    ----------
    name : str or None
        The metric.
    bounds : callable
        Its bounds over a box.
    mix : Mix
        The markets.
    worlds : Worlds or None
        Their copies, where a residual is shared.

    Returns
    -------
    tuple of ndarray
        Low and high by market.
    """
    if worlds is None or name not in _AT_CORNERS:
        return bounds(mix)
    low, high = bounds(worlds.mix)
    return worlds.across(low, True), worlds.across(high, False)


def split_rest(
    lines: Lines, quantity: FloatArray, total: FloatArray, split: np.random.Generator, samples: int
) -> FloatArray:
    """Draws in which those who share a residual share one draw of it.

    The total is drawn, every member gets its low, and what is left is shared out by a Dirichlet draw whose mean is the
    split of the values; a member without a value counts as much as any other, out of what the residual itself has.

    Parameters
    ----------
    lines : Lines
        Supply lines with ``rest``.
    quantity : ndarray, shape (samples, lines)
        Draws of every line by itself; those of the members are replaced.
    total : ndarray, shape (samples, markets)
        Draws of each shared residual.
    split : Generator
        Stream of the shares.
    samples : int
        Number of draws.

    Returns
    -------
    ndarray
    """
    rest = lines.rest
    if rest is None or not rest.member.any():
        return quantity
    at = np.flatnonzero(rest.member)
    market = lines.market[at]
    low = np.where(rest.residual, 0.0, lines.low)[at]
    blank = np.isnan(lines.quantity[at]) & ~rest.residual[at]
    weight = np.where(blank, 0.0, np.maximum(np.nan_to_num(lines.quantity[at]) - low, 0.0))
    size = np.bincount(market, minlength=lines.n)
    blanks = np.bincount(market, blank, lines.n)
    left = np.bincount(market, np.where(rest.residual[at], weight, 0.0), lines.n) / (1.0 + blanks)
    weight = np.where(blank | rest.residual[at], left[market], weight)
    whole = np.bincount(market, weight, lines.n)
    mean = np.where(whole[market] > 0, weight / np.where(whole > 0, whole, 1.0)[market], rest.residual[at])
    g = split.gamma((mean * size[market])[:, None], size=(len(at), samples)).T
    start = np.flatnonzero(np.diff(market, prepend=-1))
    sums = np.zeros((samples, lines.n))
    sums[:, market[start]] = np.add.reduceat(g, start, axis=1)
    spare = np.zeros((samples, lines.n))
    spare[:, market[start]] = total[:, market[start]] - np.add.reduceat(low, start)
    share = np.divide(g, sums[:, market], out=np.broadcast_to(mean, g.shape).copy(), where=sums[:, market] > 0)
    out = quantity.copy()
    out[:, at] = low + share * np.maximum(spare[:, market], 0.0)
    return out

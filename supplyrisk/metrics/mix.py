"""``Mix``: who supplies a market, as arrays; what every metric is a function of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..compiled import ratios, ready, sorted_peaks, sorted_sums
from ..errors import unknown_name
from .arrays import read
from .cells import BLOCK, Cells, add_up, market_blocks, peaks

__all__ = ["Mix"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Concentration of a market of which more than this part has no named supplier is undefined: it would read as safe.
UNTOLD = 0.5
# So many largest suppliers of each market are kept.
_PLACES = 3
# Rows from which on sums are taken block by block: below, the two arrays in between cost less than the blocks.
_LONG = 1 << 21

# Keyword arguments that every metric takes when it is called on arrays.
DATA = {
    "by": None,
    "unit": None,
    "low": None,
    "high": None,
    "total": None,
    "residual": None,
    "unknown": None,
    "demand": None,
    "demand_of_largest": None,
    "focal": None,
    "focal_low": None,
    "focal_high": None,
    "bottleneck": None,
    "headline": None,
    "bottleneck_headline": None,
    "assumed_weights": None,
}


@dataclass(frozen=True, eq=False)
class Mix:
    """Who supplies each of many markets: rows are suppliers, laid end to end.

    Parameters
    ----------
    market : ndarray of int, shape (rows,)
        Market of each row, ``0 .. n-1``. Sorted unless ``ordered`` is False.
    n : int
        Number of markets; a market may have no row.
    unit : ndarray of int, shape (rows,)
        Who the row is (a country, a firm); a unit occurs once per market.
    quantity, low, high : ndarray, shape (rows,)
        Supply in one unit and period; NaN where missing, with its bounds in ``low`` and ``high``.
    residual, residual_low, residual_high : ndarray, shape (n,)
        Supply of suppliers who are not among the rows. Never one supplier.
    unknown, unknown_low, unknown_high : ndarray, shape (n,)
        Supply of nobody knows whom: rows of the market included.
    demand, demand_low, demand_high : ndarray, shape (n,)
        What the market uses; NaN where unknown.
    own_demand, own_demand_low, own_demand_high : ndarray, shape (rows,)
        What of the market's demand the row's own unit uses; NaN where unknown.
    focal, focal_low, focal_high : ndarray, shape (rows,)
        Part of the row's quantity that is the focal's, in [0, 1].
    bottleneck, bottleneck_low, bottleneck_high : ndarray, shape (rows,)
        Part of the row's quantity that fails if the focal withholds all essential inputs, in [0, 1].
    headline, bottleneck_headline : ndarray, shape (rows,)
        Part of the row's quantity whose figures are graded A or B, in [0, 1]; those behind the bottleneck.
    assumed_weights : ndarray, shape (rows,)
        Part of the row's quantity traced through inputs that count alike for want of prices, in [0, 1].
    room : ndarray, shape (rows,)
        What a row without a quantity may add at most to the market; its ``high``, or 0 where it is part of the residual.
    recorded : ndarray, shape (rows,), optional
        Part of the row's quantity of which it is on record whose it is, where that is less than what is named.
    lines : Mix, optional
        The same markets, finer: a row per supply line, where one line may have several units behind it.
    ordered : bool
        Whether ``market`` is sorted.
    labels : Index, optional
        Name of each market, where it was made by :meth:`of`.
    """

    market: IntArray
    n: int
    unit: IntArray
    quantity: FloatArray
    low: FloatArray
    high: FloatArray
    residual: FloatArray
    residual_low: FloatArray
    residual_high: FloatArray
    unknown: FloatArray
    unknown_low: FloatArray
    unknown_high: FloatArray
    demand: FloatArray
    demand_low: FloatArray
    demand_high: FloatArray
    own_demand: FloatArray
    own_demand_low: FloatArray
    own_demand_high: FloatArray
    focal: FloatArray
    focal_low: FloatArray
    focal_high: FloatArray
    bottleneck: FloatArray
    bottleneck_low: FloatArray
    bottleneck_high: FloatArray
    headline: FloatArray
    room: FloatArray
    bottleneck_headline: FloatArray
    assumed_weights: FloatArray
    lines: Mix | None = None
    ordered: bool = True
    labels: pd.Index | None = None
    recorded: FloatArray | None = None

    @classmethod
    def of(cls, supply: Any, **given: Any) -> Mix:
        """Group quantities once, to measure them with several metrics; these then return arrays.

        Parameters
        ----------
        supply : array-like or Series
            Quantities, one unit and period.
        **given
            As for every metric: ``by, unit, low, high, total, residual, unknown, demand, demand_of_largest, focal``
            and so on. Integer keys of a small range are fastest: they are counted, not sorted.

        Returns
        -------
        Mix
            ``labels`` names its markets; None where there is one.

        Raises
        ------
        SchemaError
            With every problem of the quantities.
        UnknownNameError
            A name that no metric takes.

        Examples
        --------
        >>> from supplyrisk.metrics import Mix, focal_share, hhi
        >>> mix = Mix.of([3.0, 1.0, 5.0], by=[[0, 0, 1]], focal=[True, False, False])
        >>> hhi(mix).tolist(), focal_share(mix).tolist(), mix.labels.tolist()
        ([0.625, 1.0], [0.75, 0.0], [0, 1])
        """
        for name in given:
            if name not in DATA:
                raise unknown_name("argument", name, DATA, "Mix.of()")
        mix, labels = grouped(supply, given, named=False, raw=True)
        return mix if isinstance(mix, _Late) else replace(mix, labels=labels)

    @classmethod
    def build(
        cls,
        market: IntArray,
        n: int,
        quantity: FloatArray,
        *,
        unit: IntArray | None = None,
        ordered: bool = True,
        lines: Mix | None = None,
        **fields: FloatArray | None,
    ) -> Mix:
        """Fill in what is not given: exact quantities, no residual, nothing known of demand and focal.

        Parameters
        ----------
        market, n, quantity, unit, ordered, lines
            As in :class:`Mix`.
        **fields : ndarray
            Any other field.

        Returns
        -------
        Mix
        """
        m = len(quantity)
        nobody, none, nothing = np.broadcast_to(np.nan, m), np.broadcast_to(np.nan, n), np.broadcast_to(0.0, n)

        def rows(name: str, base: str | None = None) -> FloatArray:
            given = fields.get(name)
            if given is None and base is not None:
                given = fields.get(base)
            if given is None:
                return nobody
            return given if given.dtype.kind == "b" else np.asarray(given, dtype=np.float64)

        def per(name: str, base: str | None = None, empty: FloatArray = nothing) -> FloatArray:
            given = fields.get(name)
            if given is None and base is not None:
                given = fields.get(base)
            return empty if given is None else np.asarray(given, dtype=np.float64)

        low, high = fields.get("low"), fields.get("high")
        return cls(
            market=market,
            n=n,
            unit=np.arange(m, dtype=np.int64) if unit is None else unit,
            quantity=quantity,
            low=quantity if low is None else low,
            high=quantity if high is None else high,
            residual=per("residual"),
            residual_low=per("residual_low", "residual"),
            residual_high=per("residual_high", "residual"),
            unknown=per("unknown"),
            unknown_low=per("unknown_low", "unknown"),
            unknown_high=per("unknown_high", "unknown"),
            demand=per("demand", empty=none),
            demand_low=per("demand_low", "demand", none),
            demand_high=per("demand_high", "demand", none),
            own_demand=rows("own_demand"),
            own_demand_low=rows("own_demand_low", "own_demand"),
            own_demand_high=rows("own_demand_high", "own_demand"),
            focal=rows("focal"),
            focal_low=rows("focal_low", "focal"),
            focal_high=rows("focal_high", "focal"),
            bottleneck=rows("bottleneck"),
            bottleneck_low=rows("bottleneck_low", "bottleneck"),
            bottleneck_high=rows("bottleneck_high", "bottleneck"),
            headline=rows("headline"),
            room=rows("room", "high"),
            bottleneck_headline=rows("bottleneck_headline"),
            assumed_weights=rows("assumed_weights"),
            recorded=fields.get("recorded"),
            lines=lines,
            ordered=ordered,
        )

    # ------------------------------------------------------------------ what metrics are written with

    @cached_property
    def start(self) -> IntArray:
        """First row of each market that has rows."""
        change = np.ones(len(self.market), dtype=bool)
        change[1:] = self.market[1:] != self.market[:-1]
        return np.flatnonzero(change).astype(np.int64, copy=False)

    @cached_property
    def full(self) -> IntArray:
        """Markets that have rows, in the order of :attr:`start`."""
        return self.market[self.start]

    @cached_property
    def known(self) -> FloatArray:
        """Quantity with missing rows at 0: they are not in any sum, and widen the bounds instead."""
        if not len(self.quantity) or not np.isnan(self.quantity.min()):  # the least of numbers and a NaN is NaN
            return self.quantity
        return np.where(np.isnan(self.quantity), 0.0, self.quantity)

    def _reduce(self, ufunc: np.ufunc, x: FloatArray, empty: float) -> FloatArray:
        out = np.full(self.n, empty)
        if len(self.market):
            if not self.ordered:
                order = np.argsort(self.market, kind="stable")
                return replace(self, market=self.market[order], ordered=True)._reduce(ufunc, x[order], empty)
            out[self.full] = ufunc.reduceat(x, self.start)
        return out

    def sum(self, x: FloatArray) -> FloatArray:
        """Sum of a row quantity by market."""
        if not self.ordered or len(x) < 8 * self.n:  # many short markets: counting beats a loop over them
            return np.asarray(np.bincount(self.market, x, self.n), dtype=np.float64)
        return self._reduce(np.add, x, 0.0)

    def max(self, x: FloatArray) -> FloatArray:
        """Largest of a row quantity by market (0 for a market without rows); not to be written to."""
        if x is self.known and self.ordered and len(x) > BLOCK:
            return self._peaks[0]
        return self._reduce(np.maximum, x, 0.0)

    def sums(self, *columns: Callable[[slice], FloatArray | None]) -> list[FloatArray]:
        """Sums of row quantities by market in one pass, each given as a function of a slice of rows; None counts."""
        m = len(self.quantity)
        if m > _LONG:
            found = add_up(market_blocks(self.market, self.ordered), m, self.n, columns)
            if found is not None:
                return found
        whole = slice(0, m)
        return [np.bincount(self.market, f(whole), self.n).astype(np.float64, copy=False) for f in columns]

    def at(self, rows: IntArray) -> IntArray:
        """Market of some rows."""
        return self.market[rows]

    def count(self, which: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        """Rows by market, or those that meet a condition."""
        if which is None:
            return self.size.copy()
        if which.all():
            return self.size.copy()
        return np.bincount(self.market, which.astype(np.float64), self.n).astype(np.float64, copy=False)

    @cached_property
    def size(self) -> FloatArray:
        """Rows of each market."""
        if not self.ordered or not len(self.market):
            return np.bincount(self.market, minlength=self.n).astype(np.float64)
        length = np.diff(self.start, append=len(self.market)).astype(np.float64)
        if len(length) == self.n:
            return length
        out = np.zeros(self.n)
        out[self.full] = length
        return out

    def top(self, x: FloatArray, k: int) -> FloatArray:
        """Sum of the k largest values of each market."""
        if k == 1:
            return self.max(x)
        if k <= _PLACES and x is self.known and self.ordered and len(x):
            out = self._peaks[0] + self._peaks[1]
            for more in self._peaks[2:k]:
                out += more
            return out
        order = np.lexsort((-x, self.market))
        rank = np.arange(len(x)) - np.repeat(*self._runs(self.market[order]))
        return np.asarray(np.bincount(self.market[order], np.where(rank < k, x[order], 0.0), self.n), dtype=np.float64)

    @cached_property
    def _peaks(self) -> list[FloatArray]:
        """Largest, second and third quantity of each market, 0 where there is none."""
        if ready(len(self.quantity)):
            *best, self.__dict__["size"] = sorted_peaks(self.market, self.known, self.n)
        else:
            best = peaks(self.known, self.start, _PLACES)
            if len(self.start) < self.n:  # some markets have no row
                found, best = best, [np.zeros(self.n) for _ in range(_PLACES)]
                for t, peak in zip(best, found, strict=True):
                    t[self.full] = peak
        for t in best:
            t.flags.writeable = False
        return best

    @staticmethod
    def _runs(codes: IntArray) -> tuple[IntArray, IntArray]:
        change = np.ones(len(codes), dtype=bool)
        change[1:] = codes[1:] != codes[:-1]
        start = np.flatnonzero(change).astype(np.int64)
        return start, np.diff(np.append(start, len(codes)))

    def of_largest(self, x: FloatArray) -> FloatArray:
        """Value of a row quantity at the largest supplier of each market (of equals, the largest such value)."""
        hit = self.known >= self.max(self.known)[self.market]
        return self._reduce(np.fmax, np.where(hit, x, np.nan), np.nan)

    @cached_property
    def total(self) -> FloatArray:
        """Supply of each market, residual and unknown included."""
        out = self.named
        for rest in (self.residual, self.unknown):
            if rest.strides != (0,) or rest[:1].any():  # one zero for all markets adds nothing
                out = out + rest
        return out

    @property
    def _fused(self) -> bool:
        """Whether the rows are long, sorted and have their markets: then sums are taken in compiled code."""
        return self.ordered and "market" in self.__dict__ and ready(len(self.quantity))

    @cached_property
    def named(self) -> FloatArray:
        """Supply of each market that has a named supplier."""
        if self._fused:
            found, self.__dict__["_index"] = sorted_sums(self.market, self.quantity, self.n)
            return found
        known = self.known
        return self.sums(lambda rows: known[rows])[0]

    @cached_property
    def squares(self) -> FloatArray:
        """Sum of the squared quantities of each market."""
        known = self.known
        if "named" in self.__dict__:
            return self.sums(lambda rows: known[rows] ** 2)[0]
        self.__dict__["named"], squares = self.sums(lambda rows: known[rows], lambda rows: known[rows] ** 2)
        return squares

    def squared_shares(self) -> FloatArray:
        """Sum of the squared shares in the total: the HHI and all that is made of it; NaN where more than half is unnamed."""
        if self._fused and self.total is self.named and self.fine.recorded is None:
            made = self.__dict__.pop("_index", None)  # made with the sums; whoever takes it owns it
            return np.asarray(sorted_sums(self.market, self.quantity, self.n)[1] if made is None else made)
        return self.per(self.squares, power=2)

    @cached_property
    def exact(self) -> bool:
        """Whether nothing is uncertain: no interval, no residual, no unknown."""
        return bool(
            np.array_equal(self.low, self.high)
            and not (self.residual_high > 0).any()
            and not (self.unknown_high > 0).any()
        )

    @property
    def fine(self) -> Mix:
        """The supply lines, or the mix itself where it has none."""
        return self if self.lines is None else self.lines

    @cached_property
    def told(self) -> npt.NDArray[np.bool_]:
        """Markets of which at least half has a named supplier, on record: those whose concentration has a value."""
        some = self.named > 0
        fine = self.fine
        if fine.recorded is not None:  # whose it is counts, where a name is presumed
            some &= fine.sum(fine.known * fine.recorded) >= UNTOLD * self.total * (1 - 1e-12)
        return some if self.total is self.named else some & (self.named >= UNTOLD * self.total)

    def per(self, numerator: FloatArray, denominator: FloatArray | None = None, power: int = 1) -> FloatArray:
        """Ratio by market (default: to the total), or to the square of that; NaN where more than half is unnamed."""
        if denominator is None and ready(self.n) and self.fine.recorded is None:
            return ratios(numerator, self.total, self.named, power, UNTOLD)
        below = self.total if denominator is None else denominator
        below = below if power == 1 else below**power
        good = self.told & (below > 0)
        if good.all():  # the usual case, and several times as fast as a division here and there
            return np.asarray(numerator / below)
        return np.asarray(np.divide(numerator, below, out=np.full(self.n, np.nan), where=good))


class _Late(Mix):
    """A mix of very many rows: which market each is in, and its name, stay with the keys until something asks."""

    @classmethod
    def held(cls, cells: Cells, quantity: FloatArray, fields: dict[str, Any]) -> Mix:
        """A mix of markets by integer keys."""
        none = np.zeros(0, dtype=np.int64)
        mix = cls.build(none, len(cells.used), quantity, unit=none, ordered=cells.ordered, **fields)
        for name in ("market", "unit", "labels"):
            del mix.__dict__[name]
        mix.__dict__["cells"] = cells
        mix.__dict__.update(cells.found)
        return mix

    @cached_property
    def market(self) -> IntArray:
        """Market of each row."""
        return self._cells.market()

    @cached_property
    def unit(self) -> IntArray:
        """Who each row is: a unit of its own."""
        return np.arange(len(self.quantity), dtype=np.int64)

    @cached_property
    def labels(self) -> pd.Index:
        """Name of each market."""
        return self._cells.labels

    @property
    def _cells(self) -> Cells:
        return cast(Cells, self.__dict__["cells"])

    @cached_property
    def size(self) -> FloatArray:
        """Rows of each market."""
        return self.sums(lambda rows: None)[0]

    def sums(self, *columns: Callable[[slice], FloatArray | None]) -> list[FloatArray]:
        """Sums of row quantities by market in one pass, straight from the keys."""
        return self._cells.sums(columns)

    def at(self, rows: IntArray) -> IntArray:
        """Market of some rows."""
        return self._cells.at(rows)


def grouped(
    supply: Any, given: Mapping[str, Any], named: bool = True, raw: bool = False
) -> tuple[Mix, pd.Index | None]:
    """A Mix from what a user hands to a metric, and the names of its markets unless they can wait."""
    market, n, quantity, unit, ordered, fields, labels = read(supply, given, raw)
    if isinstance(market, Cells):
        mix = _Late.held(market, quantity, fields)
        return mix, market.labels if named else None
    return Mix.build(market, n, quantity, unit=unit, ordered=ordered, lines=None, **fields), labels

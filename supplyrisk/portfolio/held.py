r"""Whose the goods in a stock are, so that a cap on a share counts them when they are used.

Over several periods goods are bought in one and used in another. A share of what is used in period :math:`t` counts what
is bought and not put by, and what is drawn from stock with the part of the focal in what filled it. Booked by mass
balance, every pool's stock :math:`S` has a focal part :math:`F`,

.. math:: \sum_l s_l x_{lt} + f_t \le \theta\, (D_t - z_t), \qquad F_t = (1-\lambda)^{\ell} F_{t-1} - \tau f_t, \qquad
    0 \le F_t \le S_t, \qquad -f_t \le \sum_l s_l x_{lt}, \qquad -(o_t - f_t) \le \sum_l (1 - s_l)\, x_{lt}

with :math:`f` the focal part of the draw :math:`o` (both below 0 where goods are put by): what is drawn as free of the focal
was put by as free of the focal, out of deliveries of that period to that pool. Stock on record is not used up by a plan,
only released in scenarios, so that its unknown origin counts nowhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .matrix import Columns
from .model import GROUP, Build
from .senders import relayed

__all__ = ["Held", "origin_notes", "used_share"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Market = tuple[str, int, str, IntArray]
Coordinates = tuple[IntArray, IntArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Booking:
    """The focal part of the stocks of a product in one period; caps on the same share have one booking.

    Attributes
    ----------
    pool, drawn : ndarray of int
        Pool number of each stock, and the column of what is drawn from it in all.
    focal, stock : Columns
        What of the draw is the focal's, and what of the stock.
    lanes, own : tuple of ndarray
        Stock, column and focal part of deliveries to its pool, and of kept re-exports.
    """

    pool: IntArray
    drawn: IntArray
    focal: Columns
    stock: Columns
    lanes: Coordinates
    own: Coordinates


@dataclass(frozen=True, eq=False)
class Held:
    """What a cap counts of stocks: by market, the column of what is drawn, and that of its focal part."""

    market: IntArray
    drawn: IntArray
    focal: IntArray

    def used(self, n: int, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """By market: the focal part of what is drawn, and all that is drawn, in a solution."""
        focal, drawn = (np.bincount(self.market, x[c], n) for c in (self.focal, self.drawn))
        return focal.astype(np.float64), drawn.astype(np.float64)


def used_share(
    m: Build, markets: list[Market], s: FloatArray, rows: Coordinates, focal: tuple[str, ...] | None, view: str
) -> tuple[Coordinates, Held | None]:
    """Let the row of a cap count goods when they are used; unchanged where the plan has no stock that is carried over.

    Parameters
    ----------
    m : Build
        The model of a period.
    markets : list of tuple
        From :meth:`Build.pick`.
    s : ndarray
        Focal part of every node.
    rows : tuple of ndarray
        Row, column and value of the cap.
    focal : tuple of str, optional
        As :func:`supplyrisk.portfolio.senders.relayed` takes it.
    view : str
        Which share; by ``equity`` re-exporters are seen through.
    """
    if m.periods is None or not any(r.stock for r in m.reliefs):
        return rows, None
    market: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    drawn: list[IntArray] = [market[0]]
    part: list[IntArray] = [market[0]]
    for i, (_, k, _, pools) in enumerate(markets):
        book = _booking(m, k, s, focal, view)
        on = np.isin(book.pool, pools)
        market.append(np.full(int(on.sum()), i, dtype=np.int64))
        drawn.append(book.drawn[on])
        part.append(book.focal.at[on])
    held = Held(*(np.concatenate(x) for x in (market, drawn, part)))
    if not len(held.market):
        return rows, None
    # What is drawn is used: it does not lessen the whole, and counts with its own origin.
    row, col, value = rows
    keep = ~np.isin(col, held.drawn)
    return (
        np.concatenate([row[keep], held.market]),
        np.concatenate([col[keep], held.focal]),
        np.concatenate([value[keep], np.ones(len(held.market))]),
    ), held


def _booking(m: Build, k: int, s: FloatArray, focal: tuple[str, ...] | None, view: str) -> Booking:
    """State the focal part of the stocks of a product, once for each share."""
    key = f"{k} {focal} {view == 'equity'} {hashlib.sha256(s.tobytes()).hexdigest()}"
    if key in m.tracked:
        found: Booking = m.tracked[key]
        return found
    relief = next(r for r in m.reliefs if r.stock)
    mine = np.flatnonzero(m.case.pool_product[relief.pool] == k)
    pool, n = relief.pool[mine], len(mine)
    size = m.pool_size[pool]
    names = [str(v) for v in m.node[m.pool_code[pool]]]
    focal_drawn = m.matrix.add_columns(
        "focal_drawn", n, lower=-np.inf, scale=size, keys=lambda: names,
        meaning="focal part of what is drawn from stock, below 0 where it is put by, product units a period",
    )  # fmt: skip
    focal_stock = m.matrix.add_columns(
        "focal_stock", n, scale=size, keys=lambda: names, meaning="focal part of the stock, product units"
    )
    lanes = [m.lanes_of(np.array([b])) for b in pool.tolist()]
    at = np.repeat(np.arange(n), [len(x) for x in lanes])
    col = np.concatenate([*lanes, np.zeros(0, dtype=np.int64)])
    own: Coordinates = (at[:0], col[:0], np.zeros(0))
    if view != "equity":
        own = relayed(m, [(m.case.products[k], k, GROUP, np.array([j])) for j in pool.tolist()], s, focal)
    out = Booking(pool, relief.at[mine], focal_drawn, focal_stock, (at, col, s[m.supplier[col]]), own)
    m.tracked[key] = out
    if n:
        m.across.append(lambda wide: _carried(wide, key))
    return out


def _carried(wide: Any, key: str) -> None:
    """The focal part of every stock over the periods."""
    t = len(wide.periods)
    first: Booking = wide.bases[0].tracked[key]
    n = len(first.pool)
    m = wide.bases[0]
    dt = [m.period[m.case.pool_product[first.pool]] * p.length for p in wide.periods]
    left = [(1.0 - m.tracked["rotation"]) ** p.length for p in wide.periods]
    size = np.tile(m.pool_size[first.pool], t)
    each = np.arange(n)
    pool_name = [str(m.node[m.pool_code[b]]) for b in first.pool.tolist()]
    balance: list[tuple[IntArray, IntArray, Any]] = []
    within: list[tuple[IntArray, IntArray, Any]] = []
    put: list[tuple[IntArray, IntArray, Any]] = []
    free: list[tuple[IntArray, IntArray, Any]] = []
    sent: list[tuple[IntArray, IntArray, Any]] = []
    for s, base in enumerate(wide.bases):
        h: Booking = base.tracked[key]
        at = wide.at[s]
        f, part, drawn = at[h.focal.at], at[h.stock.at], at[h.drawn]
        stock = wide.cols("stock", s)[h.pool]
        row = s * n + each
        balance += [(row, part, np.ones(n)), (row, f, dt[s])]
        if s:
            before = wide.at[s - 1][wide.bases[s - 1].tracked[key].stock.at]
            balance.append((row, before, np.full(n, -left[s])))
        within += [(row, part, np.ones(n)), (row, stock, -np.ones(n))]
        of, col, value = h.lanes
        by, re_export, extra = h.own
        less = np.minimum(extra, 0.0)  # what re-exporters add is not put by as theirs: it is in use
        put += [(row, f, -np.ones(n)), (s * n + of, at[col], -value), (s * n + by, at[re_export], -less)]
        rest = [(row, drawn, -np.ones(n)), (row, f, np.ones(n)), (s * n + of, at[col], -(1.0 - value))]
        free += rest
        sent += [*rest, (s * n + by, at[re_export], extra)]

    def state(words: str, parts: list[tuple[IntArray, IntArray, Any]], low: float, say: str) -> None:
        row, col, value = (np.concatenate([p[i] for p in parts]) for i in range(3))
        wide.build.matrix.add_rows(
            words, n * t, row, col, value, lower=low, upper=0.0, scale=size,
            keys=lambda: [(p.label, b) for p in wide.periods for b in pool_name],
            say=lambda i: f"{wide.periods[i // n].label}: {say} {pool_name[i % n]}",
        )  # fmt: skip

    state("focal_stock_balance", balance, 0.0, "the focal part of what is held, put by and drawn at")
    state("focal_stock_within", within, -np.inf, "no more than the stock is the focal's at")
    state("focal_put_by", put, -np.inf, "no more is put by as the focal's than is delivered of it to")
    state("free_put_by", free, -np.inf, "no more is put by as free of the focal than is delivered of it to")
    if any(len(base.tracked[key].own[0]) for base in wide.bases):
        state("free_sent_put_by", sent, -np.inf, "no more is put by as free of the focal than is sent so to")


def origin_notes(bases: Sequence[Build]) -> list[str]:
    """What constraints on mixes count of stocks, in words."""
    if not any(r.stock for r in bases[0].reliefs):
        return []
    tracked: set[str] = set()
    bought: set[str] = set()
    for block in (block for m in bases for block in m.matrix.rows):
        spec = block.spec
        if spec is None or spec.name not in _MIXES or not (np.isfinite(block.lower) | np.isfinite(block.upper)).any():
            continue
        by_use = block.reading is not None and block.reading.stock is not None
        (tracked if by_use else bought).add(repr(spec))
    notes = []
    if tracked:
        notes.append(
            f"{', '.join(sorted(tracked))}: goods count in the period in which they are used, those from stock with the "
            "focal part of what filled it, booked by mass balance; the tables of shares count deliveries"
        )
    if bought - tracked:
        notes.append(
            f"{', '.join(sorted(bought - tracked))}: goods count in the period in which they are bought, those put into "
            "stock included; what is drawn from stock does not count again"
        )
    return notes


# Constraints on what a mix is made of.
_MIXES = (
    "max_share",
    "max_supplier_share",
    "min_suppliers",
    "max_hhi",
    "n_minus_1",
    "no_decoupling",
    "governance_floor",
    "focal_free",
)

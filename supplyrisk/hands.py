"""Whose hands hold an entity: the controller by rule for stated votes, surely, and possibly.

Holdings are intervals, and what is not recorded may be anybody's. An entity is *surely* the focal's if it is under
every completion of the record (votes within their bounds, the unnamed rest with anyone, alone or in a recorded group,
homes nobody knows anywhere), and *possibly* if nothing recorded rules it out. Both are fixed points that err on the
safe side: never too narrow, exact where votes are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .holdings import CONTRACTS, Book
from .ownership import control_labels

__all__ = ["ordered", "overridden", "possible", "reached", "sure", "taken_part"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_EPS = 1e-12


@dataclass(frozen=True)
class _Classes:
    """Rows of one asset that vote as one hand."""

    row: IntArray  # class of each row
    owner: IntArray  # asset of each class
    label: IntArray  # top of each class, entity or group
    total: FloatArray
    certain: BoolArray  # a stated majority is in it

    def sum(self, x: FloatArray) -> FloatArray:
        """Sum over the rows of each class."""
        return np.asarray(np.bincount(self.row, x, len(self.owner)), dtype=np.float64)


def _stated(b: Book, threshold: float) -> BoolArray:
    """Rows that control whatever their votes: a stated majority is one of more than half, and of no more than that."""
    return b.sure & (threshold <= 0.5)


def _classes(b: Book, votes: FloatArray, threshold: float) -> _Classes:
    stated = _stated(b, threshold)
    _, label = control_labels(
        b.holder, b.asset, votes, b.n, group=b.group, threshold=threshold, sure=stated, mate=b.mate
    )
    size = max(len(b.name), 1)
    uniq, row = np.unique(b.asset * size + label, return_inverse=True)
    row, m = row.ravel(), len(uniq)
    total = np.bincount(row, votes, m).astype(np.float64)
    return _Classes(row, uniq // size, uniq % size, total, np.bincount(row, stated, m) > 0)


def _any(where: IntArray, flag: BoolArray, n: int) -> BoolArray:
    out = np.zeros(n, dtype=bool)
    out[where[flag]] = True
    return out


def reached(b: Book, flag: FloatArray, threshold: float, pooled: bool, golden: bool) -> FloatArray:
    """Entities in focal hands at the stated votes (least fixed point).

    A class of rows with one top votes as one; it is the focal's if more than half of its votes are. ``pooled`` adds the
    focal's own votes and those of all classes that the focal leads.
    """
    k = _classes(b, b.share, threshold)
    wins = (k.total > threshold + _EPS) | k.certain
    # Only a firm under nobody else's control answers to its home.
    held_by = _any(k.owner, wins & (k.label != k.owner), b.n)
    base = np.where(b.held & (held_by | (b.home >= 0)), 0.0, flag)
    gold = b.c_type == "golden_share"
    stated = _stated(b, threshold)
    x = base
    while True:
        mine = k.sum(b.share * x[b.holder])
        led = mine > 0.5 * k.total + _EPS
        new = base.copy()
        new[k.owner[wins & led]] = 1.0
        if pooled:
            votes = np.bincount(k.owner, np.where(led, k.total, mine), b.n)
            new[votes > threshold + _EPS] = 1.0
            new[b.asset[stated & (x[b.holder] > 0)]] = 1.0
        if golden:
            np.maximum.at(new, b.c_asset[gold], x[b.c_holder[gold]])
        if np.array_equal(new, x):
            return x
        x = new


def _crowds(b: Book, threshold: float) -> tuple[IntArray, BoolArray]:
    """Code of the crowd that each entity may come to vote with, and whether homes may mix in it.

    Homes mix only where a recorded group, or a golden share below somebody's chain, brings them together; or where the
    threshold lets several control.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    size = len(b.name)
    grouped = b.group >= 0
    gold = b.c_asset[b.c_type == "golden_share"]
    mate = np.flatnonzero(b.mate >= 0)
    if threshold < 0.5:
        return np.zeros(size, dtype=np.int64), np.ones(size, dtype=bool)
    mixed = np.zeros(size, dtype=bool)
    crowd = np.arange(size, dtype=np.int64)
    if not (grouped.any() or len(mate) or len(gold)):
        return crowd, mixed
    ends = [np.concatenate([b.holder[grouped], mate]), np.concatenate([b.group[grouped], b.mate[mate]])]
    all_low = np.bincount(b.asset, b.low, b.n)
    while True:
        net = sparse.csr_matrix((np.ones(len(ends[0])), (ends[0], ends[1])), shape=(size, size))
        crowd = np.asarray(csgraph.connected_components(net, directed=False)[1], dtype=np.int64)
        cell = b.asset * size + crowd[b.holder]
        uniq, row = np.unique(cell, return_inverse=True)
        mine = np.bincount(row.ravel(), b.low, len(uniq))
        owner = uniq // size
        may = 1 - (all_low[owner] - mine) > threshold + _EPS  # all votes but those that surely are others'
        may |= np.bincount(row.ravel(), b.sure, len(uniq)) > 0
        pick = may[row.ravel()] & (crowd[b.holder] != crowd[b.asset])
        if not pick.any():
            break
        ends = [np.concatenate([ends[0], b.holder[pick]]), np.concatenate([ends[1], b.asset[pick]])]
    seeds = np.concatenate([b.group[grouped], b.mate[mate], gold])
    return crowd, np.isin(crowd, np.unique(crowd[seeds]))


@dataclass(frozen=True)
class _Frame:
    """What both bounds need: the surest classes, the widest crowds, and what of each asset's votes is left over."""

    k: _Classes
    wins: BoolArray  # classes that control in every completion
    crowd: IntArray  # of each row, in its asset
    mixed: BoolArray  # of each row
    of_class: IntArray  # crowd cell of each class
    low_in: FloatArray  # of each crowd cell
    low_out: FloatArray  # of each crowd cell: votes that surely are outside it
    rest: FloatArray  # of each asset: the most that the unnamed may hold


def _frame(b: Book, threshold: float) -> _Frame:
    k = _classes(b, b.low, max(threshold, 0.5))
    wins = (k.total > threshold + _EPS) | k.certain
    crowd, mixed = _crowds(b, threshold)
    size = max(len(b.name), 1)
    uniq, cell = np.unique(b.asset * size + crowd[b.holder], return_inverse=True)
    cell = cell.ravel()
    total = np.bincount(b.asset, b.low, b.n)
    inside = np.bincount(cell, b.low, len(uniq)).astype(np.float64)
    of_class = np.zeros(len(k.owner), dtype=np.int64)
    of_class[k.row] = cell
    rest = np.where(b.held, np.clip(1 - total, 0.0, 1.0), 0.0)
    return _Frame(k, wins, cell, mixed[b.holder], of_class, inside, total[uniq // size] - inside, rest)


def sure(b: Book, flag: FloatArray, threshold: float, pooled: bool, golden: bool, host_rest: bool) -> FloatArray:
    """Entities in focal hands under every completion (least fixed point).

    A class is surely led if the least of its focal votes is more than the most that others may bring to it. A firm at
    home in the focal surely answers to its home if nobody else may have a majority of it.
    """
    f = _frame(b, threshold)
    k, cells = f.k, len(f.low_in)
    gold = b.c_type == "golden_share"
    stated = _stated(b, threshold)
    class_mixed = np.zeros(len(k.owner), dtype=bool)
    class_mixed[k.row] = f.mixed
    at_home = b.held & (b.home < 0) & (flag > 0)
    x = np.where(b.held, 0.0, flag)
    start = x.copy()
    while True:
        s = x[b.holder] > 0
        mine = k.sum(np.where(s, b.low, 0.0))
        against = np.bincount(f.crowd, b.high * ~s, cells)[f.of_class] + f.rest[k.owner]
        against = np.minimum(against, 1 - mine - f.low_out[f.of_class])
        led = np.where(class_mixed, mine > against + _EPS, (mine > 0) | (k.sum(s.astype(np.float64)) > 0))
        new = start.copy()
        new[k.owner[f.wins & led]] = 1.0
        safe = s & (~f.mixed | led[k.row])
        if pooled:
            votes = np.bincount(k.owner, np.where(led, k.total, mine), b.n)
            new[votes > threshold + _EPS] = 1.0
            new[b.asset[stated & s]] = 1.0
        ours = np.bincount(b.asset, b.low * safe, b.n)
        others = 1 - ours
        if host_rest:  # the unnamed rest is at home with the firm
            others = np.minimum(others, np.bincount(b.asset, b.high * ~safe, b.n))
        challenged = _any(k.owner, k.certain & ~led, b.n)
        new[at_home & (others <= threshold + _EPS) & ~challenged] = 1.0
        if golden:
            np.maximum.at(new, b.c_asset[gold], x[b.c_holder[gold]])
        if np.array_equal(new, x):
            return x
        x = new


def possible(b: Book, flag: FloatArray, threshold: float, host_rest: bool) -> FloatArray:
    """Entities that focal hands could control (greatest fixed point): nothing recorded rules it out.

    All who may be focal may act together, and votes of others come along where the focal may lead their group.
    """
    f = _frame(b, threshold)
    k, cells = f.k, len(f.low_in)
    rest = f.rest * (1 - flag) if host_rest else np.zeros(b.n)
    veto = (b.c_type == "golden_share") | (b.c_type == CONTRACTS[3])
    stated = _stated(b, threshold)
    # A firm that somebody surely controls does not answer to its home; a ring of firms may have any of them as its head.
    outside = np.ones(len(b.name), dtype=bool)
    outside[: b.n] = ~b.held
    taken = _any(k.owner, f.wins & outside[k.label] & (k.label != k.owner), b.n)
    home = np.where(b.held & (b.home < 0) & ~taken, flag, 0.0)
    x = np.where(b.held, 1.0, flag)
    while True:
        p = x[b.holder] > 0
        foreign = k.sum(np.where(p, 0.0, b.low))
        most = np.bincount(f.crowd, b.high * p, cells) + f.rest[_owner_of(f, b, cells)]
        most = np.minimum(most, 1 - f.low_out - np.bincount(f.crowd, b.low * ~p, cells))
        led = most[f.of_class] > foreign + _EPS
        turned = f.mixed & led[k.row]
        against = np.bincount(b.asset, b.low * (~p & ~turned), b.n) + rest
        new = np.where(b.held, (1 - against > threshold + _EPS) * 1.0, flag)
        new = np.maximum(new, home)
        np.maximum.at(new, b.asset[b.joint | stated], x[b.holder[b.joint | stated]])
        np.maximum.at(new, b.c_asset[veto], x[b.c_holder[veto]])
        if np.array_equal(new, x):
            return x
        x = new


def _owner_of(f: _Frame, b: Book, cells: int) -> IntArray:
    owner = np.zeros(cells, dtype=np.int64)
    owner[f.crowd] = b.asset
    return owner


def ordered(x: FloatArray) -> FloatArray:
    """Columns value, low, high in [0, 1] with low <= value <= high."""
    x = np.clip(x, 0.0, 1.0)
    x[:, 1] = np.minimum(x[:, 1], x[:, 0])
    x[:, 2] = np.maximum(x[:, 2], x[:, 0])
    return x


def taken_part(b: Book) -> FloatArray:
    """Part of each entity of which the host has the last word: value, low, high. Orders may overlap or add up."""
    out = np.zeros((b.n, 3))
    over = b.c_type == "host_override"
    at = b.c_asset[over]
    np.maximum.at(out[:, 0], at, b.c_share[over])
    np.maximum.at(out[:, 1], at, b.c_low[over])
    np.add.at(out[:, 2], at, b.c_high[over])
    return np.minimum(out, 1.0)


def overridden(b: Book, x: FloatArray, flag: FloatArray) -> FloatArray:
    """Control where a host has overruled the owners of a part; what it took is its own as long as the row is in force."""
    over = np.flatnonzero(b.c_type == "host_override")
    if not len(over):
        return x
    over = over[np.argsort(b.c_share[over], kind="stable")]
    at, f = b.c_asset[over], flag[b.c_holder[over]]
    part = taken_part(b)
    host = np.column_stack([np.zeros(b.n), np.full(b.n, np.inf), np.zeros(b.n)])
    host[at, 0] = f[:, 0]  # the largest order is written last
    np.minimum.at(host[:, 1], at, f[:, 1])
    np.maximum.at(host[:, 2], at, f[:, 2])
    e = np.unique(at)
    mixed = [(1 - part[e, k]) * x[e, c] + part[e, k] * host[e, c] for c, k in ((0, 0), (1, 1), (1, 2), (2, 1), (2, 2))]
    y = x.copy()
    y[e, 0] = mixed[0]
    y[e, 1] = np.minimum(mixed[1], mixed[2])
    y[e, 2] = np.maximum(mixed[3], mixed[4])
    return ordered(y)

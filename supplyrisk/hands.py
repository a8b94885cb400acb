"""Whose hands hold an entity: the controller by rule for stated votes, surely, and possibly.

Holdings are intervals, and what is not recorded may be anybody's. An entity is *surely* the focal's if it is under
every completion of the record (votes within their bounds, the unnamed rest with anyone, alone or in a recorded group,
homes nobody knows anywhere), and *possibly* if nothing recorded rules it out. Both are fixed points that err on the
safe side: never too narrow, exact where votes are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .holdings import CONTRACTS, Book
from .ownership import control_labels

__all__ = ["bound", "levels", "ordered", "overridden", "possible", "reached", "settled", "sure", "taken_part", "tops"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ObjectArray = npt.NDArray[np.object_]
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
    focal's own votes and those of all classes that the focal leads. Of several classes above a threshold below half the
    largest controls, and of equals none.
    """
    k = _classes(b, b.share, threshold)
    wins = (k.total > threshold + _EPS) | k.certain
    if threshold < 0.5:
        wins &= _largest(k) | k.certain
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
            other = np.zeros(b.n)
            np.maximum.at(other, k.owner, np.where(led, 0.0, k.total - mine))
            new[(votes > threshold + _EPS) & (votes > other + _EPS)] = 1.0
            new[b.asset[stated & (x[b.holder] > 0)]] = 1.0
        if golden:
            np.maximum.at(new, b.c_asset[gold], x[b.c_holder[gold]])
        if np.array_equal(new, x):
            return x
        x = new


def _largest(k: _Classes) -> BoolArray:
    """Classes that hold more of their asset than every other one."""
    if not len(k.owner):
        return np.zeros(0, dtype=bool)
    order = np.lexsort((-k.total, k.owner))
    owner, total = k.owner[order], k.total[order]
    first = np.append(True, owner[1:] != owner[:-1])
    beaten = np.append(~first[1:] & (total[1:] >= total[:-1] - _EPS), False)  # the next one is as large
    out = np.zeros(len(order), dtype=bool)
    out[order] = first & ~beaten
    return out


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


def possible(b: Book, flag: FloatArray, threshold: float, golden: bool, host_rest: bool) -> FloatArray:
    """Entities that focal hands could control (greatest fixed point): nothing recorded rules it out.

    All who may be focal may act together, and votes of others come along where the focal may lead their group.
    """
    f = _frame(b, threshold)
    k, cells = f.k, len(f.low_in)
    rest = f.rest * (1 - flag) if host_rest else np.zeros(b.n)
    veto = (golden & (b.c_type == "golden_share")) | (b.c_type == CONTRACTS[3])
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


# ---------------------------------------------------------------------- of firms: orders, golden shares and contracts


def _freed(b: Book, firms: IntArray, country: ObjectArray) -> Book:
    """The book in which none of a firm's holders has a say in it, nor its group, and it is at home where told."""
    gone = np.zeros(b.n, dtype=bool)
    gone[firms] = True
    home = b.country.copy()
    home[firms] = country
    row, other = ~gone[b.asset], ~gone[b.c_asset]
    return replace(
        b,
        country=home,
        held=b.held & ~gone,
        mate=np.where(gone, -1, b.mate),
        group=np.where(gone[b.holder], -1, b.group)[row],
        **{k: getattr(b, k)[row] for k in ("holder", "asset", "share", "low", "high", "sure", "joint")},
        **{f"c_{k}": getattr(b, f"c_{k}")[other] for k in ("type", "holder", "asset", "share", "low", "high")},
    )


@dataclass(frozen=True)
class _Orders:
    """Firms on which a state has the last word, and on how much of what they control."""

    firm: IntArray
    state: ObjectArray  # home of the largest order on each
    size: FloatArray  # value, low, high
    row: IntArray  # firm of each order, by position
    land: ObjectArray  # home of each order

    def open(self, flags: Callable[[ObjectArray], FloatArray]) -> ObjectArray:
        """Homes as ``state``, nobody's where of several orders some are the focal's and others are not."""
        f, n = flags(self.land), len(self.firm)
        least, most = np.ones(n), np.zeros(n)
        np.minimum.at(least, self.row, f[:, 1])
        np.maximum.at(most, self.row, f[:, 2])
        return np.where(least < most, "UNK", self.state).astype(object)


def _orders(b: Book) -> _Orders:
    over = np.flatnonzero((b.c_type == "host_override") & (b.home[b.c_asset] < 0))
    over = over[np.argsort(b.c_share[over], kind="stable")]
    at, land = b.c_asset[over], b.country[b.c_holder[over]]
    firm = np.unique(at)
    state = np.full(b.n, "UNK", dtype=object)
    state[at] = land  # the largest order is written last
    return _Orders(firm, state[firm], taken_part(b)[firm], np.searchsorted(firm, at), land)


def levels(b: Book) -> list[tuple[Book, float, BoolArray]]:
    """Books in which orders on firms hold or do not, the part of the whole that each stands for, and the firms ruled.

    A stated order counts by part, and the larger of two holds wherever the smaller does.
    """
    o = _orders(b)
    ends = np.unique(np.append(o.size[:, 0], [0.0, 1.0]))
    out = []
    for below, end in pairwise(ends.tolist()):
        which = o.size[:, 0] >= end
        ruled = np.zeros(b.n, dtype=bool)
        ruled[o.firm[which]] = True
        out.append((_freed(b, o.firm[which], o.state[which]) if which.any() else b, end - below, ruled))
    return out


def _behind(b: Book, firms: IntArray) -> BoolArray:
    """Whether each entity is one of these firms, or held, bound or vetoed by one through others: entities x firms."""
    from scipy import sparse

    up, down = np.append(b.holder, b.c_holder), np.append(b.asset, b.c_asset)
    net = sparse.csr_matrix((np.ones(len(up)), (down, up)), shape=(b.n, b.n))
    found = np.zeros((b.n, len(firms)), dtype=bool)
    found[firms, np.arange(len(firms))] = True
    while True:
        more = found | (np.asarray(net @ found.astype(np.float64)) > 0)
        if np.array_equal(more, found):
            return found
        found = more


def settled(b: Book, flags: Callable[[ObjectArray], FloatArray], rule: Callable[[Book], FloatArray]) -> FloatArray:
    """Control by a rule, value, low and high, where states have the last word on firms, whole or by part.

    An order on a firm puts the state in the place of whoever controls it: what the firm controls, the state does.
    ``flags`` tells of homes whether they are the focal's.
    """
    o = _orders(b)
    if not len(o.firm):
        return rule(b)
    vague = o.open(flags)
    kept: dict[tuple[bytes, bytes], FloatArray] = {}

    def under(which: BoolArray, home: ObjectArray) -> FloatArray:
        key = which.tobytes(), (which & (home != o.state)).tobytes()
        if key not in kept:
            kept[key] = rule(_freed(b, o.firm[which], home[which]))
        return kept[key]

    steps = np.unique(np.append(o.size[:, 0], [0.0, 1.0])).tolist()
    value = np.sum([(end - at) * under(o.size[:, 0] >= end, o.state)[:, 0] for at, end in pairwise(steps)], axis=0)
    low, most = o.size[:, 1], o.size[:, 2]
    firmly = low >= 1 - _EPS
    maybe = ~firmly & (most > 0)
    x = under(firmly, vague)
    lo, hi = x[:, 1], x[:, 2]
    if maybe.any():  # which of them hold, and where, is open: all, those of the focal, those of others, each alone
        mine = flags(vague)[:, 2] > 0
        behind = _behind(b, o.firm[maybe])
        several = np.flatnonzero(maybe)[behind[behind.sum(axis=1) > 1].any(axis=0)]
        picks = (maybe, maybe & mine, maybe & ~mine, *(np.arange(len(o.firm)) == i for i in several))
        some = [under(firmly | p, vague) for p in picks if p.any()]
        least, top = np.min([y[:, 1] for y in some], axis=0), np.max([y[:, 2] for y in some], axis=0)
        ends = (behind * low[maybe]).max(axis=1), np.minimum(behind @ most[maybe], 1.0)
        lo = np.minimum(*((1 - m) * x[:, 1] + m * least for m in ends))
        hi = np.maximum(*((1 - m) * x[:, 2] + m * top for m in ends))
    return ordered(np.column_stack([value, lo, hi]))


def tops(b: Book, threshold: float) -> IntArray:
    """End of the chain of control of each entity, golden shares before votes; whom nobody controls is its own."""
    gold = np.flatnonzero(b.c_type == "golden_share")
    asset, holder = b.c_asset[gold], b.c_holder[gold]
    firms = np.unique(asset[b.home[asset] < 0])
    k = _freed(b, firms, b.country[firms]) if len(firms) else b
    top, _ = control_labels(
        k.holder, k.asset, k.share, k.n, group=k.group, threshold=threshold, sure=k.sure, mate=k.mate
    )
    for _ in range(len(gold)):  # through golden shares in firms that have golden shares
        new = top.copy()
        new[asset] = np.where(top[holder] == asset, holder, top[holder])
        led = np.flatnonzero(np.isin(top, firms))
        new[led] = new[top[led]]
        if np.array_equal(new, top):
            break
        top = new
    return top


def bound(b: Book, x: FloatArray, threshold: float, golden: bool, host_rest: bool) -> FloatArray:
    """What contracts of those in control ``x`` bind of each entity: value, low and high.

    In the value offtake adds up, since what is sold is sold once, and of finance, technology and operation the largest
    counts. Contracts may be of the same part, or of others: the high bound adds all of them, the low is the largest of
    any. A firm that is bound is bound in what it controls.
    """
    lent = np.isin(b.c_type, CONTRACTS[1:])
    sold = b.c_type == "offtake"
    amount = np.column_stack([b.c_share, b.c_low, b.c_high]) * x[b.c_holder]
    out = np.zeros_like(x)
    np.add.at(out[:, 0], b.c_asset[sold], amount[sold, 0])
    np.maximum.at(out[:, 0], b.c_asset[lent], amount[lent, 0])
    np.maximum.at(out[:, 1], b.c_asset[sold | lent], amount[sold | lent, 1])
    np.add.at(out[:, 2], b.c_asset[sold | lent], amount[sold | lent, 2])
    out = np.minimum(out, 1.0)
    passed = out.copy()
    for firm in np.unique(b.c_asset[(sold | lent) & (b.home[b.c_asset] < 0)]):
        if not out[firm].any():
            continue
        one = np.array([firm], dtype=np.int64)
        k = _freed(b, one, b.country[one])
        own = np.zeros(b.n)
        own[firm] = 1.0
        passed[:, 0] = np.maximum(passed[:, 0], out[firm, 0] * reached(k, own, threshold, False, golden))
        passed[:, 1] = np.maximum(passed[:, 1], out[firm, 1] * sure(k, own, threshold, False, golden, host_rest))
        passed[:, 2] += out[firm, 2] * possible(k, own, threshold, golden, host_rest)
    return ordered(passed)

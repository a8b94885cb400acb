"""Who owns, who controls: array functions over a list of holdings (holder, asset, share).

Nothing here knows of supply graphs. A holder that is itself an asset is looked through. What nobody is named for stays
*unidentified*; it is never spread over the named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .arguments import floats, listed, number, whole
from .errors import Problem, SchemaError
from .kernels import closed_rows, solve_absorbing
from .voting import loop_exits, sampled_exits, shapley_shubik, tips

__all__ = ["UNIDENTIFIED", "equity", "majority", "network_power", "shapley_shubik"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
UNIDENTIFIED = "unidentified"
_TOLERANCE = 1e-9
# Printed shares of one asset may add to so much more than the whole.
ROUNDING = 0.02


@dataclass(frozen=True)
class _Rows:
    """Holdings as codes: ``entity`` lists assets first; ``holder`` and ``asset`` point into it."""

    entity: npt.NDArray[np.object_]
    n_assets: int
    holder: IntArray
    asset: IntArray
    share: FloatArray

    @property
    def n(self) -> int:
        return len(self.entity)


def _nameless(names: npt.NDArray[np.object_]) -> BoolArray:
    """Which names are missing or empty."""
    gone = np.asarray(pd.isna(names), dtype=bool)
    gone[~gone] = names[~gone] == ""
    return gone


def _labels(by: Sequence[Any], r: _Rows, column: str, what: str) -> npt.NDArray[np.object_]:
    """One label for each row; the holders who are not looked through must have one."""
    labels = np.asarray(pd.Series(listed(by, what, column), dtype=object))
    if len(labels) != len(r.holder):
        lengths = f"{len(labels)} for {len(r.holder)} rows"
        raise SchemaError([Problem(what, "-", column, "not one per row", lengths, "Give one per row.")], what)
    gone = np.flatnonzero(_nameless(labels) & (r.holder >= r.n_assets))
    if len(gone):
        remedy = "Say whose it is, or UNK where nobody knows."
        raise SchemaError(
            [
                Problem(what, f"row {i}", column, f"no label for {r.entity[r.holder[i]]}", repr(labels[i]), remedy)
                for i in gone
            ],
            what,
        )
    return labels


def _one_index(what: str, **columns: Any) -> None:
    """Refuse Series whose indexes differ: rows would be put together by position, whoever they are."""
    given = {k: x for k, x in columns.items() if isinstance(x, pd.Series)}
    first = next(iter(given.values()), None)
    wrong = [k for k, x in given.items() if first is not None and not x.index.equals(first.index)]
    if wrong and len({len(x) for x in given.values()}) == 1:
        remedy = "Take all columns of one frame, or give arrays."
        raise SchemaError(
            [Problem(what, "-", k, f"its index is not that of {next(iter(given))}", "", remedy) for k in wrong], what
        )


def _rows(holder: Sequence[Any] | Any, asset: Sequence[Any] | Any, share: Sequence[float] | Any, what: str) -> _Rows:
    _one_index(what, holder=holder, asset=asset, share=share)
    h, a = (
        np.asarray(pd.Series(listed(x, what, column), dtype=object))
        for column, x in (("holder", holder), ("asset", asset))
    )
    shares = listed(share, what, "share")
    s, odd = floats(share if hasattr(share, "dtype") else shares)
    if odd.any():
        raise SchemaError(
            [
                Problem(what, f"row {i}", "share", "not numbers", repr(shares[i]), "Give fractions.")
                for i in np.flatnonzero(odd).tolist()
            ],
            what,
        )
    if not len(h) == len(a) == len(s):
        raise SchemaError(
            [Problem(what, "-", "share", "lengths differ", f"{len(h)}, {len(a)}, {len(s)}", "Give one share per row.")],
            what,
        )
    problems = [
        Problem(what, f"row {i}", column, "no name", repr(names[i]), remedy)
        for column, names, remedy in (
            ("holder", h, "Name the holder, or drop the row: what nobody is named for counts as unidentified."),
            ("asset", a, "Name what is held, or drop the row."),
        )
        for i in np.flatnonzero(_nameless(names))
    ]
    problems += [
        Problem(what, f"{h[i]} > {a[i]}", "share", "not a fraction from 0 to 1", repr(float(s[i])), "Drop or mend it.")
        for i in np.flatnonzero(~((s >= 0) & (s <= 1)))
    ]
    if problems:
        raise SchemaError(problems, what)
    codes, entity = pd.factorize(np.concatenate([a, h]))
    asset_code, holder_code = codes[: len(a)].astype(np.int64), codes[len(a) :].astype(np.int64)
    n_assets = int(asset_code.max()) + 1 if len(a) else 0
    total = np.bincount(asset_code, s, n_assets)
    problems = [
        Problem(
            what,
            str(entity[i]),
            "share",
            "shares of one asset add to more than 1",
            f"{total[i]:.4g}",
            "Correct them; if holder and asset are swapped, give the holder first.",
        )
        for i in np.flatnonzero(total > 1 + ROUNDING + _TOLERANCE)
    ]
    if problems:
        raise SchemaError(problems, what)
    # What printed shares exceed the whole by is rounding.
    s = s / np.maximum(total, 1.0)[asset_code]
    return _Rows(np.asarray(entity, dtype=object), n_assets, holder_code, asset_code, s)


def closed_loop_error(names: Iterable[object], what: str) -> SchemaError:
    """The error for firms that own only each other."""
    ring = sorted(str(x) for x in names)
    shown = ", ".join(ring[:12]) + (f" and {len(ring) - 12} more" if len(ring) > 12 else "")
    return SchemaError(
        [
            Problem(
                what,
                shown,
                "holder",
                "a closed loop of owners: nobody outside holds any of it",
                "",
                "Add the outside holder, or lower a share: the unnamed rest counts as unidentified.",
            )
        ],
        what,
    )


def ownership_matrix(holder: IntArray, asset: IntArray, share: FloatArray, n: int) -> Any:
    """Sparse n x n matrix with ``[asset, holder] = share``: each asset looks at its holders."""
    from scipy import sparse

    return sparse.csr_matrix((share, (asset, holder)), shape=(n, n))


def equity(
    holder: Sequence[Any], asset: Sequence[Any], share: Sequence[float], *, by: Sequence[Any] | None = None
) -> pd.DataFrame:
    r"""Equity looked through all tiers: what part of each asset belongs in the end to whom.

    With :math:`A_{ij}` the share of j that i holds, the integrated share of an outside owner is its row of
    :math:`A(I-A)^{-1}`; loops and cross-holdings converge. Solved sparsely, one right-hand side per label.

    Parameters
    ----------
    holder, asset : sequence
        Who holds, and what is held; a holder that is also an asset is looked through.
    share : sequence of float
        Direct share, fraction 0 to 1.
    by : sequence, optional
        Label of each row's holder (e.g. its country) by which outside owners are added up. Default: the holder.

    Returns
    -------
    DataFrame
        Labels x assets, fractions in [0, 1]; the last row is ``unidentified``; every column adds to 1.

    Raises
    ------
    SchemaError
        A row without holder or asset, an outside owner without a label; a share outside 0 to 1, shares of an asset
        above 1.02 (less is rounding: divided by their sum), a closed loop without an outside owner (all named).

    Notes
    -----
    Missing policy: the unnamed rest is kept apart as ``unidentified``. Source: integrated ownership, Brioschi,
    Buzzacchi & Colombo (1989); Baldone, Brioschi & Paleari (1998).

    Examples
    --------
    >>> y = equity(["P", "Q", "F2", "F1", "Q", "P"], ["F1", "F1", "F1", "F2", "F2", "F2"],
    ...            [0.6, 0.3, 0.1, 0.5, 0.4, 0.1])
    >>> y.loc[["P", "Q"]].round(6).to_numpy().tolist()
    [[0.642105, 0.421053], [0.357895, 0.578947]]
    """
    _one_index("equity()", holder=holder, by=by)
    r = _rows(holder, asset, share, "equity()")
    code, names = pd.factorize(_labels(holder if by is None else by, r, "by", "equity()"))
    outside = r.holder >= r.n_assets
    # Only labels of outside owners are a column: firms that are looked through may be very many.
    used = np.bincount(code[outside], minlength=len(names)) > 0
    code, names = (np.cumsum(used) - 1)[code], names[used]
    k = len(names)
    # Outside owners are folded into the right-hand side: only firms stay in the system.
    b = np.zeros((r.n_assets, k + 1))
    np.add.at(b, (r.asset[outside], code[outside]), r.share[outside])
    total = np.bincount(r.asset, r.share, r.n_assets)
    rest = np.where(total < 1 - _TOLERANCE, 1 - total, 0.0)
    b[:, k] = rest
    w = ownership_matrix(r.holder[~outside], r.asset[~outside], r.share[~outside], r.n_assets)
    dead = closed_rows(w, b.sum(axis=1) > _TOLERANCE)
    if dead.any():
        raise closed_loop_error(r.entity[: r.n_assets][dead], "equity()")
    x = solve_absorbing(w, b)
    return pd.DataFrame(x.T, index=[*names, UNIDENTIFIED], columns=r.entity[: r.n_assets])


def control_labels(
    holder: IntArray,
    asset: IntArray,
    votes: FloatArray,
    n: int,
    *,
    group: IntArray | None = None,
    threshold: float = 0.5,
    sure: BoolArray | None = None,
    mate: IntArray | None = None,
) -> tuple[IntArray, IntArray]:
    """Label of the ultimate controller of each of n entities, and of the holder of each row.

    Entities and groups share one code space. An entity nobody controls carries its own code. ``sure`` marks rows that
    control whatever their votes (a stated majority); ``mate`` is the group an entity acts with, -1 for none. Sets of entities under one hand only ever grow, so the rounds end;
    a ring of firms that hold each other by majority is one hand, called by the first of them. Below half a firm is settled
    after its holders; where firms hold each other in rings, the strongest hands are settled first.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    top = np.arange(n, dtype=np.int64)
    size = max(n, *(int(x.max(initial=-1)) + 1 for x in (group, mate) if x is not None), 0)
    if mate is not None:
        top = np.where(mate >= 0, mate, top)
    fixed = np.full(len(holder), -1, dtype=np.int64) if group is None else group
    if threshold < 0.5:
        found = _down_the_tiers(holder, asset, votes, top, fixed, threshold, sure)
        if found is not None:
            return found, np.where(fixed >= 0, fixed, found[holder])
    now = max(threshold, 0.5)
    while True:
        label = np.where(fixed >= 0, fixed, top[holder])
        uniq, inverse = np.unique(asset * size + label, return_inverse=True)
        total = np.bincount(inverse, votes, len(uniq))
        wins = total > now + 1e-12
        if sure is not None and sure.any():
            stated = np.bincount(inverse, sure, len(uniq)) > 0
            wins, total = wins | stated, np.where(stated, 2.0 + total, total)
        at = np.flatnonzero(wins)
        # The largest is written last and stays; of equals none is the controller, whatever the order of the rows.
        host = uniq[at] // size
        best = np.zeros(n)
        np.maximum.at(best, host, total[at])
        lead = total[at] >= best[host] - 1e-12
        tied = np.bincount(host, lead, n) > 1
        at = at[lead & ~tied[host]]
        above = np.arange(size, dtype=np.int64)
        above[uniq[at] // size] = uniq[at] % size
        above[:n][top != np.arange(n)] = top[top != np.arange(n)]  # who is under a hand stays under it
        if (above[:n] == top).all():
            if now > threshold:
                now = max(threshold, now - 0.01)
                continue
            heads = np.unique(uniq[at][uniq[at] // size == uniq[at] % size] // size)  # led by what they lead themselves
            name = _first_of_rings(heads, top, holder[fixed < 0], asset[fixed < 0], votes[fixed < 0], threshold)
            name = np.append(name, np.arange(n, size))
            return name[top], name[label]
        moved = np.flatnonzero(above != np.arange(size))
        net = sparse.csr_matrix((np.ones(len(moved)), (moved, above[moved])), shape=(size, size))
        count, ring = csgraph.connected_components(net, directed=True, connection="strong")
        if count < size:
            first = np.full(count, size, dtype=np.int64)
            np.minimum.at(first, ring, np.arange(size))
            heads = first[np.bincount(ring, minlength=count) > 1]
            above[heads] = heads
        while True:  # everybody points at the last hand
            further = above[above]
            if (further == above).all():
                break
            above = further
        top = above[:n]


def _down_the_tiers(
    holder: IntArray,
    asset: IntArray,
    votes: FloatArray,
    top: IntArray,
    fixed: IntArray,
    threshold: float,
    sure: BoolArray | None,
) -> IntArray | None:
    """Controller of each entity, owners before what they own: the largest hand above the threshold, of equals none.

    None where firms hold each other in rings, so that there is no first.
    """
    n = len(top)
    top = top.copy()
    settled = np.ones(n, dtype=bool)
    settled[asset[top[asset] == asset]] = False
    stated = np.zeros(len(holder), dtype=bool) if sure is None else sure
    while not settled.all():
        waits = np.zeros(n, dtype=bool)
        known = (fixed >= 0) | settled[holder]
        waits[asset[~known]] = True
        ready = ~settled & ~waits
        if not ready.any():
            return None
        rows = np.flatnonzero(ready[asset])
        label = np.where(fixed[rows] >= 0, fixed[rows], top[holder[rows]])
        size = max(n, int(label.max(initial=0)) + 1)
        uniq, inverse = np.unique(asset[rows] * size + label, return_inverse=True)
        total = np.bincount(inverse, votes[rows], len(uniq)) + 2.0 * (np.bincount(inverse, stated[rows], len(uniq)) > 0)
        at = np.flatnonzero(total > threshold + 1e-12)
        host = uniq[at] // size
        best = np.zeros(n)
        np.maximum.at(best, host, total[at])
        lead = total[at] >= best[host] - 1e-12
        alone = lead & (np.bincount(host, lead, n)[host] == 1)
        top[host[alone]] = uniq[at[alone]] % size
        settled |= ready
    return top


def _first_of_rings(
    heads: IntArray, top: IntArray, holder: IntArray, asset: IntArray, votes: FloatArray, threshold: float
) -> IntArray:
    """Name of each entity as a hand: of heads of rings the first firm under them that leads the head in its turn."""
    name = np.arange(len(top), dtype=np.int64)
    if not len(heads):
        return name
    order = np.argsort(top[asset], kind="stable")
    start, end = (np.searchsorted(top[asset][order], heads, side=x) for x in ("left", "right"))
    for head, i, j in zip(heads, start, end, strict=True):
        mine = order[i:j]
        codes, local = np.unique(np.concatenate([holder[mine], asset[mine]]), return_inverse=True)
        h, a, v = local[: len(mine)], local[len(mine) :], votes[mine]
        last = int(np.searchsorted(codes, head))
        for firm in np.unique(a[a < last]):
            led = np.arange(len(codes)) == firm
            while not led[last]:
                more = led | (np.bincount(a, v * led[h], len(codes)) > threshold + 1e-12)
                if np.array_equal(more, led):
                    break
                led = more
            if led[last]:
                name[head] = codes[firm]
                break
    return name


def majority(
    holder: Sequence[Any],
    asset: Sequence[Any],
    votes: Sequence[float],
    *,
    threshold: float = 0.5,
    group: Sequence[Any] | None = None,
) -> pd.Series:
    r"""Ultimate controller of each asset by majority chain.

    j is controlled by u when the votes held by u and by everything u controls exceed the threshold (strictly),
    :math:`v_{uj} + \sum_{k \in C_u} v_{kj} > \theta`; repeated to a fixed point. Holders with the same group act in concert and are added first.

    Parameters
    ----------
    holder, asset : sequence
        Who holds, and what is held.
    votes : sequence of float
        Direct votes, fraction 0 to 1.
    threshold : float
        Default 0.5; at lower thresholds the largest above it counts, and of equals nobody.
    group : sequence, optional
        Group of each row's holder; empty or missing for none.

    Returns
    -------
    Series
        Asset to name of its ultimate controller or controlling group; missing where nobody controls it.

    Raises
    ------
    SchemaError
        A row without holder or asset; votes outside 0 to 1 or above 1.02 in sum (less is the rounding of a print:
        divided by the sum); firms that own only each other, all named; not one group per row.

    Notes
    -----
    Missing policy: the unnamed rest never votes. A ring of firms that control each other is one hand, called by the
    first of them by name, which nobody controls. Definition of this library, after the usual 50 % rule.

    Examples
    --------
    >>> majority(["P", "Q", "F2", "F1", "Q", "P"], ["F1", "F1", "F1", "F2", "F2", "F2"],
    ...          [0.6, 0.3, 0.1, 0.5, 0.4, 0.1]).to_dict()
    {'F1': 'P', 'F2': 'P'}
    """
    threshold = number(threshold, "majority()", "threshold", 0.0, 1.0, remedy="Give 0.5 for a majority.")
    r = _rows(holder, asset, votes, "majority()")
    codes: IntArray | None = None
    names = r.entity
    if group is not None:
        _one_index("majority()", holder=holder, group=group)
        g = pd.Series(listed(group, "majority()", "group"), dtype=object)
        if len(g) != len(r.holder):
            lengths = f"{len(g)} for {len(r.holder)} rows"
            raise SchemaError(
                [Problem("majority()", "-", "group", "not one per row", lengths, "Give one per row.")], "majority()"
            )
        g = g.where(g.notna() & (g != ""), None)
        found, labels = pd.factorize(np.asarray(g))
        codes = np.where(found >= 0, found + r.n, -1).astype(np.int64)
        names = np.concatenate([r.entity, np.asarray(labels, dtype=object)])
    w = ownership_matrix(r.holder, r.asset, r.share, r.n)
    dead = closed_rows(w, np.asarray(w.sum(axis=1)).ravel() < 1 - _TOLERANCE)
    if dead.any():
        raise closed_loop_error(r.entity[dead], "majority()")
    # A ring is called by the first of its firms: by name, so that it is not a matter of the order of the rows.
    place, firms = (
        np.arange(r.n),
        np.argsort(np.array([str(x) for x in names[: r.n_assets]], dtype=object), kind="stable"),
    )
    place[firms] = np.arange(r.n_assets)
    ctrl, _ = control_labels(place[r.holder], place[r.asset], r.share, r.n, group=codes, threshold=threshold)
    back = np.arange(max(len(names), r.n))
    back[: r.n_assets] = firms
    top = back[ctrl[place[: r.n_assets]]]
    own = np.arange(r.n_assets)
    out = names[top]
    out[top == own] = None
    return pd.Series(out, index=names[: r.n_assets], name="controller", dtype="object")


def network_power(
    holder: Sequence[Any],
    asset: Sequence[Any],
    votes: Sequence[float],
    *,
    quota: float = 0.5,
    by: Sequence[Any] | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Network power: the chance that an outside owner's will decides an asset, through all tiers.

    For every firm an order of its holders is drawn; the holder whose vote first lifts the sum over the quota passes
    its label down; :math:`N_{oj}` is the part of all draws in which the label that reaches j is that of o. No draws
    are needed for it: with :math:`\phi_{kj}` the Shapley-Shubik power of holder k in firm j,
    :math:`N_{oj} = \phi_{oj} + \sum_k \phi_{kj} N_{ok}` where firms hold no loop, and within a loop the sum of the
    products of :math:`\phi` over all paths that meet no firm twice, loop by loop.

    Parameters
    ----------
    holder, asset : sequence
        Who holds, and what is held.
    votes : sequence of float
        Direct votes, fraction 0 to 1.
    quota : float
        Strictly more than this wins; at least 0, below 1.
    by : sequence, optional
        Label of each row's holder (e.g. its country) by which outside owners are added up, each voting for itself.
        Default: the holder. With many owners, labels keep the answer small.
    draws : int
        Draws, for a loop that has too many paths to count (some twenty firms that all tip each other).
    seed : int
        Seed of these draws.

    Returns
    -------
    DataFrame
        Outside owners (or labels) x assets, probabilities in [0, 1]; the last row ``unidentified`` takes the unnamed rest and
        draws in which a loop decides itself. Columns add to 1. ``.attrs["method"]`` is ``"exact"`` or ``"sampled"``;
        ``"sampled"`` then lists the firms whose figure rests on draws, ``"standard_error"`` is the most that it can be
        (to first order, were every drawn loop above the firm), ``"draws"`` and ``"seed"`` say how it was drawn.
        ``"loops"`` is how many loops there are, ``"rounded"`` by how much votes of a firm with many holders were
        rounded at the most (:func:`shapley_shubik`).

    Raises
    ------
    SchemaError
        A row without holder or asset; votes outside 0 to 1, or above 1.02 in sum; a quota outside 0 to 1; an owner
        with two labels, or with none.

    Notes
    -----
    Missing policy: the unnamed rest of an asset votes as one holder, ``unidentified``. A holder who never tips a firm
    (a minority beside a majority) ties no loop. Source: after Mizuno, Doi & Kurizaki (2020), PLoS ONE 0237862, who
    draw.

    Examples
    --------
    >>> p = network_power(["P", "Q", "F1", "Q", "P"], ["F1", "F1", "F2", "F2", "F2"], [0.6, 0.3, 0.5, 0.4, 0.1])
    >>> round(float(p.loc["P", "F2"]), 6), p.attrs["method"]
    (0.833333, 'exact')
    """
    what = "network_power()"
    quota = number(quota, what, "quota", remedy="Give 0.5 for a majority.")
    whole(seed, what, "seed", high=2**63 - 1)
    whole(draws, what, "draws", 1)
    if not 0 <= quota < 1:
        raise SchemaError(
            [Problem(what, "-", "quota", "not from 0 to below 1", f"{quota:g}", "Give 0.5 for a majority.")], what
        )
    _one_index("network_power()", holder=holder, by=by)
    r = _rows(holder, asset, votes, what)
    n, m = r.n_assets, r.n
    column, names = _columns(r, by, what)
    # The unnamed rest of an asset votes as one unidentified holder with code m.
    total = np.bincount(r.asset, r.share, n)
    rest = np.flatnonzero(total < 1 - _TOLERANCE)
    h = np.concatenate([r.holder, np.full(len(rest), m)])
    a = np.concatenate([r.asset, rest])
    s = np.concatenate([r.share, 1 - total[rest]])
    order = np.argsort(a, kind="stable")
    h, a, s = h[order], a[order], s[order]
    # A holder with several rows of one asset casts its votes together.
    change = np.unique(a * (m + 1) + h, return_inverse=True)
    a, h = change[0] // (m + 1), change[0] % (m + 1)
    s = np.bincount(change[1].ravel(), s, len(change[0])).astype(np.float64)
    tip, rounded = _tips(a, s, n, quota)
    w, exits, loops = _loops(h, a, tip, n, draws, np.random.default_rng(seed))
    outside = h >= n
    b = np.zeros((n, len(names)))
    np.add.at(b, (a[outside], column[h[outside] - n]), tip[outside])
    if exits is not None:  # out of a loop by any of its firms, as often as the chain gets there
        b = exits @ b
    power = solve_absorbing(w, b)
    lost = 1 - power.sum(axis=1)
    power[:, -1] += np.where(lost > 1e-12, np.minimum(lost, 1.0), 0.0)  # what goes round in a loop for ever
    out = pd.DataFrame(power.T, index=names, columns=r.entity[:n])
    reached = _fed_by(w, loops.sampled)
    out.attrs.update(method="sampled" if reached.any() else "exact", loops=loops.count, rounded=rounded)
    if reached.any():
        out.attrs.update(
            sampled=[str(x) for x in r.entity[:n][reached]],
            standard_error=0.5 * float(np.sqrt(loops.drawn / draws)),
            draws=draws,
            seed=seed,
        )
    return out


def _columns(r: _Rows, by: Sequence[Any] | None, what: str) -> tuple[IntArray, list[Any]]:
    """Column of each outside owner, the unidentified last, and the names of the columns."""
    n = r.n_assets
    if by is None:
        return np.arange(r.n - n + 1, dtype=np.int64), [*r.entity[n:], UNIDENTIFIED]
    labels = _labels(by, r, "by", what)
    outside = r.holder >= n
    code, names = pd.factorize(labels[outside])
    who = r.holder[outside] - n
    first, last = np.full(r.n - n, len(code), dtype=np.int64), np.full(r.n - n, -1, dtype=np.int64)
    np.minimum.at(first, who, code)
    np.maximum.at(last, who, code)
    torn = np.flatnonzero(first != last)
    if len(torn):
        shown = ", ".join(str(x) for x in r.entity[n:][torn[:5]])
        raise SchemaError(
            [Problem(what, shown, "by", "not one label for each owner", str(len(labels)), "Give one per row.")], what
        )
    return np.append(first, len(names)), [*names, UNIDENTIFIED]


def _tips(a: IntArray, s: FloatArray, n: int, quota: float) -> tuple[FloatArray, float]:
    """Chance of each row (sorted by asset) to tip its asset's vote, and the largest rounding of a vote."""
    tip = np.zeros(len(s))
    start = np.searchsorted(a, np.arange(n + 1))
    alone = np.zeros(n, dtype=bool)
    if len(s):
        total, top = np.add.reduceat(s, start[:-1]), np.maximum.reduceat(s, start[:-1])
        alone = (top > quota + 1e-12) & (total - top <= quota + 1e-12)  # one hand decides: most firms of most tables
        tip[(s == top[a]) & alone[a]] = 1.0
    rounded = 0.0
    known: dict[bytes, tuple[FloatArray, float]] = {}  # splits recur: halves, thirds
    for i in np.flatnonzero(~alone):
        votes = s[start[i] : start[i + 1]]
        key = votes.tobytes()
        if key not in known:
            known[key] = tips(votes, quota)
        tip[start[i] : start[i + 1]], gap = known[key]
        rounded = max(rounded, gap)
    return tip, rounded


@dataclass(frozen=True)
class _Loops:
    count: int
    drawn: int
    sampled: BoolArray


def _loops(
    h: IntArray, a: IntArray, tip: FloatArray, n: int, draws: int, rng: np.random.Generator
) -> tuple[Any, Any, _Loops]:
    """Matrix of who tips whom among firms, every loop replaced by its exits; these exits; and what was drawn."""
    from scipy import sparse
    from scipy.sparse import csgraph

    use = (h < n) & (tip > 0)
    w = ownership_matrix(h[use], a[use], tip[use], n)
    count, ring = csgraph.connected_components(w, directed=True, connection="strong")
    size = np.bincount(ring, minlength=count)
    tied = (size[ring] > 1) | (w.diagonal() > 0)
    nobody = np.zeros(n, dtype=bool)
    if not tied.any():
        return w, None, _Loops(0, 0, nobody)
    firms = np.flatnonzero(tied)
    firms = firms[np.argsort(ring[firms], kind="stable")]
    parts = np.split(firms, np.flatnonzero(np.diff(ring[firms])) + 1)
    rows, cols, data = [np.flatnonzero(~tied)], [np.flatnonzero(~tied)], [np.ones(int((~tied).sum()))]
    drawn = 0
    for part in parts:
        step = sparse.csr_matrix(w[part][:, part])
        found = loop_exits(step)
        if found is None:
            found = sampled_exits(step, draws, rng)
            nobody[part] = True
            drawn += 1
        # Where the chain leaves, it goes to each outside holder in proportion to what tips from outside.
        leave = np.clip(1 - np.asarray(step.sum(axis=1)).ravel(), 0.0, 1.0)
        scale = np.divide(1.0, leave, out=np.zeros(len(part)), where=leave > 1e-15)
        block = (found @ sparse.diags(scale)).tocoo()
        rows.append(part[block.row])
        cols.append(part[block.col])
        data.append(block.data)
    exits = sparse.csr_matrix((np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=(n, n))
    e_ring = np.repeat(ring, np.diff(w.indptr))
    within = (e_ring == ring[w.indices]) & tied[w.indices]
    out_of = sparse.csr_matrix((np.where(within, 0.0, w.data), w.indices, w.indptr), shape=(n, n))
    out_of.eliminate_zeros()
    return sparse.csr_matrix(exits @ out_of), exits, _Loops(len(parts), drawn, nobody)


def _fed_by(w: Any, first: BoolArray) -> BoolArray:
    """Firms whose chain of tipping holders may lead to one of the first."""
    found = first
    while True:
        more = found | (np.asarray(w @ found.astype(np.float64)).ravel() > 0)
        if (more == found).all():
            return found
        found = more

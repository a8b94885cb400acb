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

from .errors import Problem, SchemaError
from .kernels import closed_rows, solve_absorbing

__all__ = ["UNIDENTIFIED", "equity", "majority", "network_power", "shapley_shubik"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
UNIDENTIFIED = "unidentified"
_TOLERANCE = 1e-9


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


def _rows(holder: Sequence[Any] | Any, asset: Sequence[Any] | Any, share: Sequence[float] | Any, what: str) -> _Rows:
    h, a = (np.asarray(pd.Series(list(x), dtype=object)) for x in (holder, asset))
    s = np.asarray(share, dtype=np.float64)
    if not len(h) == len(a) == len(s):
        raise SchemaError(
            [Problem(what, "-", "share", "lengths differ", f"{len(h)}, {len(a)}, {len(s)}", "Give one share per row.")],
            what,
        )
    problems = [
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
        for i in np.flatnonzero(total > 1 + _TOLERANCE)
    ]
    if problems:
        raise SchemaError(problems, what)
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
        A share outside 0 to 1, shares of an asset above 1, a closed loop without an outside owner (all named).

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
    r = _rows(holder, asset, share, "equity()")
    labels = pd.Series(list(holder if by is None else by), dtype=object)
    code, names = pd.factorize(np.asarray(labels))
    k = len(names)
    outside = r.holder >= r.n_assets
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
    out = pd.DataFrame(x.T, index=[*names, UNIDENTIFIED], columns=r.entity[: r.n_assets])
    used = np.append(np.bincount(code[outside], minlength=k) > 0, True)
    return out[used]


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
    a ring of firms that hold each other by majority is one hand, called by the first of them.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    top = np.arange(n, dtype=np.int64)
    size = max(n, *(int(x.max(initial=-1)) + 1 for x in (group, mate) if x is not None), 0)
    if mate is not None:
        top = np.where(mate >= 0, mate, top)
    fixed = np.full(len(holder), -1, dtype=np.int64) if group is None else group
    while True:
        label = np.where(fixed >= 0, fixed, top[holder])
        uniq, inverse = np.unique(asset * size + label, return_inverse=True)
        total = np.bincount(inverse, votes, len(uniq))
        wins = total > threshold + 1e-12
        if sure is not None and sure.any():
            stated = np.bincount(inverse, sure, len(uniq)) > 0
            wins, total = wins | stated, np.where(stated, np.maximum(total, 2.0), total)
        at = np.flatnonzero(wins)
        at = at[np.argsort(total[at], kind="stable")]  # the largest is written last and stays
        above = np.arange(size, dtype=np.int64)
        above[uniq[at] // size] = uniq[at] % size
        above[:n][top != np.arange(n)] = top[top != np.arange(n)]  # who is under a hand stays under it
        if (above[:n] == top).all():
            return top, label
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


def majority(
    holder: Sequence[Any],
    asset: Sequence[Any],
    votes: Sequence[float],
    *,
    threshold: float = 0.5,
    group: Sequence[Any] | None = None,
) -> pd.Series:
    """Ultimate controller of each asset by majority chain.

    j is controlled by u when the votes held by u and by everything u controls exceed the threshold (strictly);
    repeated to a fixed point. Holders with the same group act in concert and are added first.

    Parameters
    ----------
    holder, asset : sequence
        Who holds, and what is held.
    votes : sequence of float
        Direct votes, fraction 0 to 1.
    threshold : float
        Default 0.5; at lower thresholds the largest above it counts.
    group : sequence, optional
        Group of each row's holder; empty or missing for none.

    Returns
    -------
    Series
        Asset to name of its ultimate controller or controlling group; missing where nobody controls it.

    Raises
    ------
    SchemaError
        Votes outside 0 to 1 or above 1 in sum; firms that own only each other, all named.

    Notes
    -----
    Missing policy: the unnamed rest never votes. A ring of firms that control each other is one hand, called by the
    first of them, which nobody controls. Definition of this library, after the usual 50 % rule.

    Examples
    --------
    >>> majority(["P", "Q", "F2", "F1", "Q", "P"], ["F1", "F1", "F1", "F2", "F2", "F2"],
    ...          [0.6, 0.3, 0.1, 0.5, 0.4, 0.1]).to_dict()
    {'F1': 'P', 'F2': 'P'}
    """
    r = _rows(holder, asset, votes, "majority()")
    codes: IntArray | None = None
    names = r.entity
    if group is not None:
        g = pd.Series(list(group), dtype=object)
        g = g.where(g.notna() & (g != ""), None)
        found, labels = pd.factorize(np.asarray(g))
        codes = np.where(found >= 0, found + r.n, -1).astype(np.int64)
        names = np.concatenate([r.entity, np.asarray(labels, dtype=object)])
    w = ownership_matrix(r.holder, r.asset, r.share, r.n)
    dead = closed_rows(w, np.asarray(w.sum(axis=1)).ravel() < 1 - _TOLERANCE)
    if dead.any():
        raise closed_loop_error(r.entity[dead], "majority()")
    ctrl, _ = control_labels(r.holder, r.asset, r.share, r.n, group=codes, threshold=threshold)
    top = ctrl[: r.n_assets]
    own = np.arange(r.n_assets)
    out = names[top]
    out[top == own] = None
    return pd.Series(out, index=names[: r.n_assets], name="controller", dtype="object")


def shapley_shubik(votes: Sequence[float] | FloatArray, quota: float = 0.5) -> FloatArray:
    """Shapley-Shubik power of the holders of one asset: how often each tips the vote over the quota.

    Parameters
    ----------
    votes : sequence of float
        Votes, fractions 0 to 1; at most 20 holders (the count is exact over all coalitions).
    quota : float
        A coalition wins with strictly more than this.

    Returns
    -------
    ndarray
        Fractions; they add to 1 if all together win, and are all 0 if not.

    Raises
    ------
    SchemaError
        More than 20 holders.

    Notes
    -----
    Source: Shapley & Shubik (1954).

    Examples
    --------
    >>> shapley_shubik([0.5, 0.4, 0.1]).round(6).tolist()
    [0.666667, 0.166667, 0.166667]
    """
    v = np.asarray(votes, dtype=np.float64)
    n = len(v)
    if n > 20:
        raise SchemaError(
            [Problem("votes", "-", "-", "more than 20 holders", str(n), "Use network_power(), which samples.")],
            "shapley_shubik()",
        )
    if n == 0:
        return np.zeros(0)
    total = np.zeros(1)
    size = np.zeros(1, dtype=np.int64)
    for x in v:  # bit i of a coalition's code says whether holder i is in it
        total, size = np.concatenate([total, total + x]), np.concatenate([size, size + 1])
    fact = np.cumprod(np.concatenate([[1.0], np.arange(1.0, n + 1)]))
    weight = fact[size] * fact[np.maximum(n - size - 1, 0)] / fact[n]
    code = np.arange(1 << n)
    wins = total > quota + 1e-12
    out = np.zeros(n)
    for i in range(n):
        without = (code >> i) & 1 == 0
        tips = without & ~wins & wins[np.where(without, code | (1 << i), 0)]
        out[i] = weight[tips].sum()
    return out


def network_power(
    holder: Sequence[Any],
    asset: Sequence[Any],
    votes: Sequence[float],
    *,
    quota: float = 0.5,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Network power: the chance that an outside owner's will decides an asset, through all tiers.

    For every firm a random order of its holders is drawn; the holder whose vote first lifts the sum over the quota
    passes its label down. Without loops the average over draws is computed exactly from one-level Shapley-Shubik
    power; with loops, or with more than 20 holders of a firm, it is sampled.

    Parameters
    ----------
    holder, asset : sequence
        Who holds, and what is held.
    votes : sequence of float
        Direct votes, fraction 0 to 1.
    quota : float
        Strictly more than this wins.
    draws : int
        Samples, where sampling is needed.
    seed : int
        Seed of the sampling.

    Returns
    -------
    DataFrame
        Outside owners x assets, probabilities; the last row ``unidentified`` takes the unnamed rest and draws in
        which a loop decides itself. Columns add to 1. ``.attrs["method"]`` is ``"exact"`` or ``"sampled"``.

    Raises
    ------
    SchemaError
        Votes outside 0 to 1, or above 1 in sum.

    Notes
    -----
    Source: after Mizuno, Doi & Kurizaki (2020), PLoS ONE 0237862.

    Examples
    --------
    >>> p = network_power(["P", "Q", "F1", "Q", "P"], ["F1", "F1", "F2", "F2", "F2"], [0.6, 0.3, 0.5, 0.4, 0.1])
    >>> round(float(p.loc["P", "F2"]), 6)
    0.833333
    """
    r = _rows(holder, asset, votes, "network_power()")
    n, m = r.n_assets, r.n
    # The unnamed rest of an asset votes as one unidentified holder with code m.
    total = np.bincount(r.asset, r.share, n)
    rest = np.flatnonzero(total < 1 - _TOLERANCE)
    h = np.concatenate([r.holder, np.full(len(rest), m)])
    a = np.concatenate([r.asset, rest])
    s = np.concatenate([r.share, 1 - total[rest]])
    order = np.argsort(a, kind="stable")
    h, a, s = h[order], a[order], s[order]
    start = np.searchsorted(a, np.arange(n))
    count = np.diff(np.append(start, len(a)))
    firm = h < n
    nilpotent = not closed_rows(ownership_matrix(h[firm], a[firm], np.ones(int(firm.sum())), n), _ends(h, a, n)).any()
    outside = np.concatenate([np.arange(n, m), [m]])
    names = [*r.entity[n:], UNIDENTIFIED]
    if n and nilpotent and int(count.max()) <= 20 and _acyclic(h[firm], a[firm], n):
        tip = np.zeros(len(h))
        for i in range(n):
            tip[start[i] : start[i] + count[i]] = shapley_shubik(s[start[i] : start[i] + count[i]], quota)
        b = np.zeros((n, len(outside)))
        np.add.at(b, (a[~firm], h[~firm] - n), tip[~firm])
        power = solve_absorbing(ownership_matrix(h[firm], a[firm], tip[firm], n), b)
        method = "exact"
    else:
        rng = np.random.default_rng(seed)
        power = np.zeros((n, len(outside)))
        for _ in range(draws):
            o = np.lexsort((rng.random(len(h)), a))
            cum = np.cumsum(s[o])
            cum -= np.repeat(cum[start] - s[o][start], count)
            past = np.flatnonzero(cum > quota + 1e-12)
            first = past[np.searchsorted(past, start)]
            parent = np.concatenate([h[o][first], np.arange(n, m + 1)])
            for _ in range(max(1, int(np.ceil(np.log2(n + 1))))):
                parent = parent[parent]
            end = np.where(parent[:n] < n, m, parent[:n])
            power[np.arange(n), end - n] += 1.0
        power /= max(draws, 1)
        method = "sampled"
    out = pd.DataFrame(power.T, index=names, columns=r.entity[:n])
    out.attrs["method"] = method
    return out


def _ends(h: IntArray, a: IntArray, n: int) -> BoolArray:
    return np.bincount(a[h >= n], minlength=n).astype(bool)


def _acyclic(h: IntArray, a: IntArray, n: int) -> bool:
    from scipy.sparse import csgraph

    if (h == a).any():
        return False
    count, _ = csgraph.connected_components(ownership_matrix(h, a, np.ones(len(h)), n), True, "strong")
    return bool(count == n)

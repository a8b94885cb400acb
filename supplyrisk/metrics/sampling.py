"""What the intervals of the figures do to scores and to rankings: one draw, one seed, the same bits every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from .joint import split_rest
from .lens import Lens, Lines, Recipe, line_mix, recipe
from .levels import MEANS, Levels, uncounted
from .mix import FloatArray, IntArray, Mix
from .owned import Stakes, drawn_stakes

if TYPE_CHECKING:
    from .score import Asked

__all__ = ["draws", "quantiles", "rank_stability"]

# Numbers drawn at once; memory stays flat whatever the graph and the number of samples.
_BLOCK = 1_000_000
_QUANTILES = (0.05, 0.95)
# A nominal level that nothing bounds is drawn up to so many times itself: a tenth of world output up to all of it.
_ENDLESS = 10.0


def triangular(u: FloatArray, value: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Quantile of the triangle low-value-high; even between the bounds where there is no value."""
    width = np.where(np.isfinite(high), high - low, 0.0)
    mode = np.where(np.isnan(value), low, value)
    split = np.divide(mode - low, width, out=np.zeros_like(width), where=width > 0)
    left = low + np.sqrt(u * split) * width
    right = low + width - np.sqrt(np.maximum((1 - u) * (1 - split), 0.0)) * width
    q = np.where(u < split, left, right)
    q = np.where(np.isnan(value), low + u * width, q)
    # Endless and without a value: nothing to draw from, so it stays missing.
    return np.where(np.isnan(value) & ~np.isfinite(high), np.nan, np.where(width > 0, q, mode))


def _tiled(
    lines: Lines,
    view: Lens,
    how: Recipe,
    q: FloatArray,
    part: dict[str, Any],
    more: FloatArray | float = 0.0,
    stakes: Stakes | None = None,
) -> Mix:
    """All draws of all markets as one Mix: market ``d * n + m`` is market m in draw d."""
    d, n = q.shape[0], lines.n

    def tile(x: FloatArray) -> FloatArray:
        return np.tile(x, d)

    def spread(codes: IntArray) -> IntArray:
        return (codes[None, :] + (np.arange(d, dtype=np.int64) * n)[:, None]).ravel()

    known = np.nan_to_num(q)
    recorded = view.recorded
    if stakes is None:
        units = how.units(known)
        lost, nobody = how.markets(known * view.unlisted[lines.node]), how.markets(known * view.anyone[lines.node])
    else:
        how, units, lost, nobody = stakes.how, stakes.units, stakes.unlisted, stakes.anyone
        if recorded is None:  # what is named by chance of a draw is not on record
            recorded = 1.0 - view.unlisted - view.anyone
    given = (~np.isnan(q)).astype(np.float64)
    told = (how.units(given) if stakes is None else stakes.figures(given)) > 0
    fine = Mix.build(
        spread(lines.market),
        d * n,
        q.ravel(),
        unit=np.tile(lines.node, d),
        headline=tile(lines.graded * view.graded[lines.node]),
        bottleneck_headline=tile(lines.graded * view.neck_graded[lines.node]),
        assumed_weights=tile(view.assumed[lines.node]),
        recorded=None if recorded is None else tile(recorded[lines.node]),
        residual=np.broadcast_to(more, (d, n)).ravel(),
        focal=part["focal"].ravel(),
        bottleneck=part["bottleneck"].ravel(),
    )
    return Mix.build(
        spread(how.market),
        d * n,
        np.where(told, units, np.nan).ravel(),
        unit=np.tile(how.unit, d),
        lines=fine,
        residual=(lost + more).ravel(),
        unknown=nobody.ravel(),
        demand=tile(lines.demand),
        own_demand=tile(how.own_demand),
    )


def _block(lines: Lines, first: int, last: int) -> tuple[Lines, slice]:
    a, b = np.searchsorted(lines.market, [first, last])
    rows = slice(int(a), int(b))
    users = lines.users
    if users is not None:
        code = users.index.get_level_values(0).to_numpy(dtype=np.int64)
        keep = (code >= first) & (code < last)
        users = users[keep].set_axis(
            pd.MultiIndex.from_arrays([code[keep] - first, users.index.get_level_values(1)[keep]])
        )
    cut = {k: getattr(lines, k)[rows] for k in ("node", "row", "quantity", "low", "high", "graded", "source")} | {
        k: getattr(lines, k)[first:last] for k in ("demand", "demand_low", "demand_high")
    }
    return (
        replace(
            lines,
            keys=lines.keys.iloc[first:last],
            market=lines.market[rows] - first,
            users=users,
            rest=None if lines.rest is None else lines.rest.part(rows, first, last),
            entrants=None if lines.entrants is None else lines.entrants[first:last],
            pool=None if lines.pool is None else lines.pool[rows],
            top=None if lines.top is None else lines.top[rows],
            **cut,
        ),
        rows,
    )


def draws(
    lines: Lines,
    view: Lens,
    columns: Sequence[Asked],
    samples: int,
    seed: int,
    correlate: str | None = None,
    reliability: float | None = None,
    single: bool = False,
) -> Iterator[tuple[slice, slice, dict[str, FloatArray]]]:
    """Values of columns in every draw, market block by market block.

    Parameters
    ----------
    lines, view
        Markets and lens.
    columns : sequence of Asked
        Columns to evaluate.
    samples, seed : int
        Number of draws and seed. The draws do not depend on the size of the blocks.
    correlate : {None, "source"}
        Independent figures, or figures of one source erring together.
    reliability : float, optional
        Draw shares from a Dirichlet distribution with this pseudo-sample size, instead of from the intervals.
    single : bool
        Columns of grain ``line`` are said of every line.

    Yields
    ------
    tuple
        Slice of markets, slice of lines, and (draws, markets or lines) arrays by column.
    """
    from .markets import alone

    if correlate not in (None, "source"):
        raise unknown_name("correlation", correlate, ["source"], "score(correlate=...)")
    if samples < 2:
        raise SchemaError([Problem("score", "-", "samples", "fewer than 2", str(samples), "Give 1000.")], "score()")
    if reliability is not None and not 0 < reliability < np.inf:
        raise SchemaError(
            [
                Problem(
                    "score",
                    "-",
                    "reliability",
                    "not above 0 and finite",
                    str(reliability),
                    "Give a pseudo-sample size.",
                )
            ],
            "score()",
        )
    streams = np.random.SeedSequence(seed).spawn(9)
    amounts, parts, together, shapes, rests, splits, late, levels, held = (
        np.random.Generator(np.random.PCG64(s)) for s in streams
    )
    pools = np.zeros(0, dtype=np.int64) if lines.pool is None else np.unique(lines.pool[lines.pool >= 0])
    level = levels.random((len(pools), samples))
    names, source = np.unique(lines.source.astype(str), return_inverse=True)
    shared = together.random((len(names), samples)) if correlate == "source" else None
    count = np.bincount(lines.market, minlength=lines.n)
    size = np.cumsum(count + 1) * samples
    first = 0
    while first < lines.n:
        base = size[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(size, base + _BLOCK, side="right")))
        block, rows = _block(lines, first, last)
        m = len(block.market)
        u = amounts.random((m, samples)).T
        if shared is not None:
            own = names[source[rows]] == ""
            u = np.where(own, u, shared[source[rows]].T)
        if reliability is None:
            q = triangular(u, block.quantity, block.low, block.high)
            if block.rest is not None:
                total = triangular(
                    rests.random((block.n, samples)).T, block.rest.value, block.rest.low, block.rest.high
                )
                q = split_rest(block, q, total, splits, samples)
        else:
            q = _dirichlet(shapes, block, samples, reliability)
        free = _levelled(block, q, pools, level)
        if free is not q:  # in a market of one buyer the level cancels, except in the amount
            matters = Levels(block, view).shared[block.market]
            q = np.where(matters, free, q)
        v = parts.random((m, 2, samples))
        part: dict[str, Any] = {}
        both: dict[str, Any] = {}
        for i, name in enumerate(("focal", "bottleneck")):
            both[name] = view.together(name, block)
            low, high = view.ends(name, block)
            # Of a node of which nothing is known the draws start from the known part, none, as its market's value does.
            mode = np.where(np.isnan(low), np.nan, np.nan_to_num(getattr(view, name)[block.node]))
            u_part = v[:, i, :].T
            # Nobody says that the focal is among the unlisted: as likely as not it is not.
            unsaid = (view.unlisted[block.node] > 0) & (mode <= 0)
            part[name] = triangular(np.where(unsaid, np.maximum(2 * u_part - 1, 0.0), u_part), mode, low, high)
        how = recipe(block, view)
        more: FloatArray | float = 0.0
        if block.entrants is not None:
            # As likely as not there are no newcomers; if there are, rather few than many.
            came = np.maximum(2 * late.random((block.n, samples)).T - 1, 0.0)
            more = block.entrants * (1 - np.sqrt(1 - came))
        stakes = drawn_stakes(block, view, np.nan_to_num(q), part["focal"], held)
        whole = _tiled(block, view, how, q, part, more, stakes)
        lone: Mix | None = None
        out: dict[str, FloatArray] = {}
        for c in columns:
            at, width = whole, block.n
            if block.pool is not None and c.name in ("coverage", "quantity"):
                rows_of = alone(block) if single else block
                if c.name == "coverage":
                    out[c.name] = _counted(c, rows_of, view, q, part)
                else:
                    amounts_of = _tiled(rows_of, view, recipe(rows_of, view), free, part)
                    out[c.name] = c.value(amounts_of).reshape(samples, rows_of.n)
                continue
            if single and c.grain == "line":
                told = _of_lines(c, q, part, block, view)
                if told is not None:
                    out[c.name] = told
                    continue
                if lone is None:
                    one = alone(block)
                    lone = _tiled(one, view, recipe(one, view), q, part)
                at, width = lone, m
            out[c.name] = c.value(at).reshape(samples, width)
            ends = both.get(MEANS.get(c.name, "")) if at is whole else None
            if ends is not None:  # nobody sends more than it makes, whatever is drawn
                known = c.value(line_mix(block, view))
                out[c.name] = np.clip(out[c.name], np.fmin(ends[0], known), np.fmax(ends[1], known))
        yield slice(first, last), rows, out
        first = last


def _levelled(lines: Lines, q: FloatArray, pools: IntArray, level: FloatArray) -> FloatArray:
    """Draws with one factor for all flows at a nominal level of a buyer: from nothing over the level to what it may be."""
    if lines.pool is None or lines.top is None or not (lines.pool >= 0).any():
        return q
    at = np.flatnonzero(lines.pool >= 0)
    u = level[np.searchsorted(pools, lines.pool[at])].T
    one, none = np.ones(len(at)), np.zeros(len(at))
    top = np.where(np.isfinite(lines.top[at]), lines.top[at], _ENDLESS)
    out = q.copy()
    out[:, at] *= triangular(u, one, none, np.maximum(top, 1.0))
    return out


def _counted(c: Asked, lines: Lines, view: Lens, q: FloatArray, part: dict[str, Any]) -> FloatArray:
    """Coverage in every draw: volumes at a nominal level are not known, and may be as much as they may be."""
    flag = np.zeros(q.shape[1], dtype=bool) if lines.pool is None else lines.pool >= 0
    whole = _tiled(lines, view, recipe(lines, view), np.where(flag, np.nan, q), part)
    room = np.tile(uncounted(lines).high, len(q))
    assert whole.lines is not None
    return c.value(replace(whole, lines=replace(whole.lines, room=room))).reshape(len(q), lines.n)


def _of_lines(c: Asked, q: FloatArray, part: dict[str, Any], lines: Lines, view: Lens) -> FloatArray | None:
    """Columns of single lines that need no market: a line is wholly its own part."""
    if c.entry is None or c.entry.function.__module__ != "supplyrisk.metrics.volume":
        return None
    if c.name == "quantity":
        return q
    if c.name == "focal_share":
        return np.asarray(part["focal"], dtype=np.float64)
    if c.name == "bottleneck":
        return np.asarray(part["bottleneck"], dtype=np.float64)
    if c.name == "headline":
        return np.broadcast_to(lines.graded * view.graded[lines.node], q.shape)
    return None


def _dirichlet(rng: np.random.Generator, lines: Lines, samples: int, reliability: float) -> FloatArray:
    """Shares of each market's lines around the estimate, the market's volume kept."""
    total = np.bincount(lines.market, np.nan_to_num(lines.quantity), lines.n)[lines.market]
    share = np.divide(lines.quantity, total, out=np.full(len(total), np.nan), where=total > 0)
    shape = np.where(np.nan_to_num(share) > 0, share * reliability, 1.0)
    g = rng.gamma(shape[:, None], size=(len(shape), samples)).T
    g = np.where(np.nan_to_num(share) > 0, g, 0.0)
    start = np.flatnonzero(np.diff(lines.market, prepend=-1))
    whole = np.zeros((samples, lines.n))
    if len(start):
        whole[:, lines.market[start]] = np.add.reduceat(g, start, axis=1)
    whole = whole[:, lines.market]
    q = np.divide(g * total, whole, out=np.zeros_like(g), where=whole > 0)
    return np.where(np.isnan(lines.quantity), np.nan, q)


def quantiles(x: FloatArray) -> FloatArray:
    """5 % and 95 % along the first axis; a column of NaN stays NaN, without a warning."""
    y = np.sort(x, axis=0)  # NaN last
    known = (~np.isnan(y)).sum(axis=0)
    out = np.full((len(_QUANTILES), y.shape[1]), np.nan)
    some = known > 0
    at = np.arange(y.shape[1])
    for i, p in enumerate(_QUANTILES):
        place = p * np.maximum(known - 1, 0)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(known - 1, 0))
        value = y[low, at] + (place - low) * (y[high, at] - y[low, at])
        out[i] = np.where(some, value, np.nan)
    return out


def rank_stability(scores: pd.DataFrame, column: str = "focal_share", k: int = 10, largest: bool | None = None) -> Any:
    """How sure a ranking is: P(A outranks B) and how often each row is among the top k.

    Parameters
    ----------
    scores : DataFrame
        From ``score(..., samples=N)``; the same draws are taken again, from its seed.
    column : str
        Column by which rows are ranked.
    k : int
        Size of the top.
    largest : bool, optional
        Whether rank 1 is the largest; default: the column's dependent end.

    Returns
    -------
    DataFrame
        A row per row of the score, by its value: ``value, rank`` (by value), ``rank_p05, rank_p50, rank_p95`` (of the
        draws), ``rank_low, rank_high`` (the range to report: from 5 % to 95 % of the draws and the rank by value, which
        is one of the possible ones), ``top_k`` (part of the draws in which it is among the first k), ``beats_next`` and ``ties_next`` (part
        in which it outranks, or ties with, the row after it). Of the 50 first rows, ``.attrs["outranks"]`` has
        P(row outranks column) and ``.attrs["ties"]`` P(row ties with column), as lists of rows.

    Raises
    ------
    SchemaError
        The scores were made without samples, or k is below 1.

    Notes
    -----
    Rank 1 is the dependent end. Rows that tie share the mean of their ranks, and the places left in the top in equal
    parts: ``top_k`` adds to k, or to the number of rows where there are fewer. A row is ranked only in draws in which
    it has a value, and by its value only where it has one; two rows are compared in the draws in which both have one,
    so that P(A outranks B) + P(B outranks A) + P(tie) = 1, and all three are NaN where there is no such draw. Where a
    value sits at one end of its interval (unknown owners can only add to it), ``rank`` may lie outside the ranks
    drawn: the others rise too. Then ``rank_p50`` is the fairer single figure, and ``rank_low`` to ``rank_high`` hold
    both. What is drawn is said in the ``.attrs["prior"]`` of the score. Missing policy: draws without a value are left
    out, never ranked last. Definition of this library.

    Examples
    --------
    >>> from supplyrisk import load_atlas
    >>> from supplyrisk.metrics import score
    >>> s = score(load_atlas(), by="product", metrics=["focal_share"], samples=50)
    >>> r = rank_stability(s, k=5)
    >>> r["rank"].dropna().is_monotonic_increasing, round(float(r["top_k"].sum()), 6)
    (True, 5.0)
    """
    from .score import origin_of

    made = origin_of(scores, "rank_stability()")
    if made.samples is None:
        raise SchemaError(
            [
                Problem(
                    "scores", "-", "samples", "made without samples", "", "Call score(..., samples=1000) and rank that."
                )
            ],
            "rank_stability()",
        )
    if column not in scores.columns or column not in made.names:
        raise unknown_name("column", column, made.names, "rank_stability()")
    if k < 1:
        raise SchemaError([Problem("rank_stability", "-", "k", "below 1", str(k), "Give 10.")], "rank_stability()")
    asked = made.column(column)
    down = (asked.worse != "low") if largest is None else largest
    sign = -1.0 if down else 1.0
    point = scores[column].to_numpy(dtype=np.float64)
    order = np.argsort(sign * point, kind="stable")  # without a value: last
    point = point[order]
    key = sign * made.drawn(column)[:, made.frame_positions(scores.index)[order]]
    by_row = pd.DataFrame(key.T)
    ranks = by_row.rank(axis=0, method="average").to_numpy()
    first = by_row.rank(axis=0, method="min").to_numpy()
    # Rows that tie share what places are left in the top.
    inside = np.nan_to_num(np.clip((k + 1 - first) / (2 * (ranks - first) + 1), 0.0, 1.0))
    drawn = np.flatnonzero(~np.isnan(ranks).all(axis=1))
    spread = np.full((3, len(order)), np.nan)
    spread[:, drawn] = np.nanquantile(ranks[drawn], [0.05, 0.5, 0.95], axis=1)
    head = key[:, :50]
    pairs = [_beats(head[:, [i]], head) for i in range(head.shape[1])]
    wins, ties = _beats(key[:, :-1], key[:, 1:])
    rank = pd.Series(sign * point).rank(method="average").to_numpy()
    out = pd.DataFrame(
        {
            "value": point,
            "rank": rank,
            "rank_p05": spread[0],
            "rank_p50": spread[1],
            "rank_p95": spread[2],
            "rank_low": np.fmin(rank, spread[0]),
            "rank_high": np.fmax(rank, spread[2]),
            "top_k": inside.mean(axis=1),
            "beats_next": np.append(wins, np.nan)[: len(order)],
            "ties_next": np.append(ties, np.nan)[: len(order)],
        },
        index=scores.index[order],
    )
    out.attrs = {
        "column": column,
        "k": k,
        "samples": made.samples,
        "seed": made.seed,
        "outranks": [x[0].tolist() for x in pairs],
        "ties": [x[1].tolist() for x in pairs],
    }
    return out


def _beats(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Part of the draws in which a comes before b, and in which they tie, of those in which both have a value."""
    both = (~np.isnan(a) & ~np.isnan(b)).sum(axis=0)

    def part(x: npt.NDArray[np.bool_]) -> FloatArray:
        return np.asarray(np.divide(x.sum(axis=0), both, out=np.full(len(both), np.nan), where=both > 0))

    return part(a < b), part(a == b)

"""Parts of a score: how each metric is taken apart into contributions of supply lines that add up to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .lens import line_mix, recipe
from .levels import Levels, uncounted

if TYPE_CHECKING:
    from .lens import Lines
    from .mix import FloatArray, IntArray, Mix
    from .score import Asked, Origin

__all__ = ["SHARE", "at_bound", "link_share", "of_value"]

# Columns that are a mean over lines, and the field of the mix that is averaged.
MEANS = {
    "focal_share": "focal",
    "bottleneck": "bottleneck",
    "headline": "headline",
    "bottleneck_headline": "bottleneck_headline",
    "assumed_weights": "assumed_weights",
}
_SEARCHES = 4


def of_value(made: Origin, c: Asked, m: int, rows: IntArray, value: float) -> tuple[FloatArray, str]:
    """Contribution of each line of a market to the value of a column; they add up to it.

    Parameters
    ----------
    made : Origin
        The score.
    c : Asked
        The column.
    m : int
        The market.
    rows : ndarray of int
        Its lines.
    value : float
        The column's value there, not NaN.

    Returns
    -------
    tuple
        ``(len(rows),)`` and the rule in words.
    """
    lines = made.market.lines
    mix = made.mix
    name = c.entry.name if c.entry is not None else c.name
    if name == "coverage":  # a nominal volume is none that is known
        lines, mix = uncounted(lines), made.counted[0]
    fine = mix.fine
    q = np.nan_to_num(lines.quantity[rows])
    whole = float(fine.total[m])
    per = q / whole if whole > 0 else np.zeros(len(rows))
    if name in MEANS:
        part = np.nan_to_num(getattr(fine, MEANS[name])[rows])
        x = part if whole <= 0 and len(rows) == 1 else per * part
        if "headline" in name and x.sum() > 0:  # rows without a figure have no graded one
            x = x * (value / x.sum())
        return x, f"Share of the line times its {name.replace('_', ' ')}."
    if name == "quantity":
        return q, "Quantity of the line."
    how = recipe(lines, made.lens)
    take = lines.market[how.line] == m
    line, weight = how.line[take], how.weight[take]
    group = np.repeat(np.arange(len(how.start)), np.diff(np.append(how.start, len(how.line))))[take]
    known = mix.known
    here = mix.market == m
    place = np.searchsorted(rows, line)
    amount = np.nan_to_num(lines.quantity[line]) * weight

    def by_unit(of_unit: FloatArray) -> FloatArray:
        """Give each line its part of what its units contribute, by quantity."""
        each = np.divide(of_unit[group], known[group], out=np.zeros(len(group)), where=known[group] > 0)
        return np.asarray(np.bincount(place, amount * each, len(rows)), dtype=np.float64)

    def fitted(x: FloatArray) -> FloatArray:
        return x * (value / x.sum()) if x.sum() != 0 else np.zeros(len(x))

    named = float(known[here].sum())
    s = np.where(here, known, 0.0) / named if named > 0 else np.zeros(len(known))
    n = float((s > 0).sum())
    if name in ("hhi", "hirschman_index") and not c.params:
        return fitted(by_unit(s**2)), "Square of the country's share, by what the line adds to it."
    if name == "hhi_normalized":
        x = np.where(s > 0, s**2 - 1 / n**2, 0.0) if n > 1 else s
        return fitted(by_unit(x)), "What the square of the country's share exceeds that of equal shares by, rescaled."
    if name in ("shannon", "evenness"):
        x = -s * np.log(np.where(s > 0, s, 1.0))
        return fitted(by_unit(x)), "Its country's term of the entropy, -s ln s, by line."
    if name == "theil":
        x = s * np.log(np.where(s > 0, s * max(n, 1.0), 1.0))
        return fitted(by_unit(x)), "Its country's term s ln(s n): below 0 for shares under the mean."
    if name == "effective_suppliers":
        order = float(c.params.get("order", 2.0))
        x = np.where(s > 0, -s * np.log(np.where(s > 0, s, 1.0)), 0.0) if order == 1 else np.where(s > 0, s**order, 0.0)
        return fitted(by_unit(x)), f"Euler's parts: the number, split by the country's weight s^{order:g} in it."
    if name == "n_suppliers":
        return by_unit(np.where(here & (known > 0), 1.0, 0.0)), "One per country, by line."
    if name == "coverage":
        return fitted(by_unit(np.where(here, known, 0.0))), "In proportion to the known volume."
    if name == "concentration_ratio":
        rank = np.argsort(np.argsort(-np.where(here, known, -1.0), kind="stable"), kind="stable")
        top = np.where(here & (rank < c.params.get("n", 3)), known, 0.0)
        return by_unit(top) / float(mix.total[m]), "Share of the lines of the largest."
    if name == "n_minus_1":
        largest = int(np.argmax(np.where(here, known, -1.0)))
        left = np.where(here & (np.arange(len(known)) != largest), known, 0.0)
        node = lines.node[rows]
        x = by_unit(left) + q * (made.lens.unlisted[node] + made.lens.anyone[node])
        return fitted(x), "What is left without the largest, over demand."
    without = _leave_one_out(made, c, m, rows, lambda mix: c.value(mix))
    x = np.nan_to_num(value - without)
    if np.isfinite(x).all() and abs(x.sum()) > 1e-12:
        return x * (value / x.sum()), "What the score loses without the line, scaled to add up to it."
    return fitted(per), "In proportion to volume: no single line changes the score."


def _one_market(lines: Lines, m: int, rows: IntArray, copies: int, quantity: FloatArray, end: str = "") -> Lines:
    """``copies`` of one market with exact quantities of (copies, rows), and what it uses at an end of its range."""
    k = len(rows)
    node = np.tile(lines.node[rows], copies)
    q = quantity.ravel()
    users = None
    if lines.users is not None:
        own = lines.users[lines.users.index.get_level_values(0) == m]
        users = pd.concat([own] * copies)
        users.index = pd.MultiIndex.from_arrays(
            [np.repeat(np.arange(copies), len(own)), np.tile(own.index.get_level_values(1), copies)]
        )
    more: dict[str, Any] = {f: np.tile(getattr(lines, f)[[m]], copies) for f in ("demand", "demand_low", "demand_high")}
    if end:
        more["demand"] = more[f"demand{end}"]
    if getattr(lines, "entrants", None) is not None:
        more["entrants"] = None
    return replace(
        lines,
        keys=lines.keys.iloc[[m] * copies].reset_index(drop=True),
        market=np.repeat(np.arange(copies), k).astype(np.int64),
        node=node,
        row=np.tile(lines.row[rows], copies),
        quantity=q,
        low=q,
        high=q,
        pool=None,
        top=None,
        graded=np.tile(lines.graded[rows], copies),
        source=np.tile(lines.source[rows], copies),
        users=users,
        rest=None,
        **more,
    )


def _evaluate(
    made: Origin, m: int, rows: IntArray, quantity: FloatArray, of: Callable[[Mix], FloatArray], end: str = ""
) -> FloatArray:
    copies = _one_market(made.market.lines, m, rows, len(quantity), quantity, end)
    return of(line_mix(copies, made.lens))


def _leave_one_out(
    made: Origin, c: Asked, m: int, rows: IntArray, of: Callable[[Mix], FloatArray]
) -> npt.NDArray[np.float64]:
    q = np.tile(np.nan_to_num(made.market.lines.quantity[rows]), (len(rows), 1))
    np.fill_diagonal(q, 0.0)
    return _evaluate(made, m, rows, q, of) if len(rows) else np.zeros(0)


def at_bound(made: Origin, c: Asked, m: int, rows: IntArray, bound: float, high: bool) -> tuple[FloatArray, str]:
    """Contribution of each line to a bound of a column: at the figures within their ranges that attain it.

    Parameters
    ----------
    made, c, m, rows
        As in :func:`of_value`.
    bound : float
        The bound, not NaN.
    high : bool
        Upper or lower.

    Returns
    -------
    tuple
        ``(len(rows),)``, which add up to the bound, and the rule in words.
    """
    lines = made.market.lines
    name = c.entry.name if c.entry is not None else c.name
    end = "highest" if high else "lowest"
    lo, hi = lines.low[rows], lines.high[rows]
    if made.nominal is not None:
        lo, hi = (x[rows] for x in made.nominal.ends(amount=name == "quantity"))
    if np.isinf(bound) and name != "quantity":
        if np.isinf(hi).any():
            return np.where(np.isinf(hi), bound, 0.0), "Without a limit: these figures have none."
        return np.full(len(rows), np.nan), "Without a limit, by suppliers who are not listed: no line's part."
    if name == "quantity":
        x, what = (hi if high else lo).copy(), f"Quantity of the line at its {end}"
        if np.isinf(bound) or np.isinf(x).any():
            return x, what + "."
    elif name in ("focal_share", "bottleneck"):
        part = getattr(made.mix.fine, f"{MEANS[name]}_{'high' if high else 'low'}")[rows]
        part = np.nan_to_num(part, nan=1.0 if high else 0.0)
        sign = 1.0 if high else -1.0
        shared = made.nominal is not None and bool(made.nominal.shared[m])
        q = _best_levels(lines, rows, hi, part, sign) if shared else _best_mean(lo, hi, part, sign)
        x = q * part / q.sum() if q.sum() > 0 else (part if len(rows) == 1 else np.zeros(len(rows)))
        what = f"Share of the line times its {name.replace('_', ' ')}, at the {end} within the ranges of all figures"
    else:
        # Less is used where more of it is left without the largest, and the other way round.
        use = "_low" if high else "_high"
        q = _search(made, c, m, rows, lo, hi, high, use)
        at = float(_evaluate(made, m, rows, q[None, :], c.value, use)[0])
        if np.isnan(at):
            return np.full(len(rows), bound / max(len(rows), 1)), "In equal parts: no figures of the lines reach it."
        x, rule = of_value(_with(made, m, rows, q, use), c, 0, np.arange(len(rows)), at)
        what = f"{rule} At the {end} found within the ranges of all figures"
    total = float(x.sum())
    if abs(total - bound) <= 1e-9 * max(1.0, abs(bound)):
        return x, what + "."
    if total > 0:
        if name == "quantity":
            why = (
                "the open ends of several lines share one rest" if total > bound else "the rest belongs to no one line"
            )
            return x * (bound / total), what + f" ({total:.4g}), scaled to the bound: {why}."
        return x * (bound / total), what + f" ({total:.4g}), scaled to the bound: what is left belongs to no one line."
    return np.full(len(rows), bound / max(len(rows), 1)), "In equal parts: no one line makes the bound."


def _with(made: Origin, m: int, rows: IntArray, q: FloatArray, use: str) -> Origin:
    """The score of one market alone, with these quantities."""
    alone = _one_market(made.market.lines, m, rows, 1, q[None, :], use)
    market = replace(made.market, lines=alone, rows=made.market.rows.iloc[:1], single=None)
    return replace(made, market=market)


def _best_mean(lo: FloatArray, hi: FloatArray, part: FloatArray, sign: float) -> FloatArray:
    """Quantities within their ranges with the largest (``sign`` 1) or smallest mean of a part (Dinkelbach 1967)."""
    loose = ~np.isfinite(hi)
    if loose.any():
        best = int(np.flatnonzero(loose)[int(np.argmax(sign * part[loose]))])
        finite = _best_mean(lo, np.where(loose, lo, hi), part, sign)
        if not finite.sum() > 0 or sign * part[best] >= sign * float(finite @ part) / float(finite.sum()):
            return np.where(np.arange(len(lo)) == best, 1.0, 0.0)  # endless: it is all there is
        return finite
    q = hi.copy()
    for _ in range(100):
        t = float(q @ part) / float(q.sum()) if q.sum() > 0 else 0.0
        new = np.where(sign * part >= sign * t, hi, lo)
        if not new.sum() > 0 or np.array_equal(new, q):
            break
        q = new
    return q


def _best_levels(lines: Lines, rows: IntArray, most: FloatArray, part: FloatArray, sign: float) -> FloatArray:
    """The same where flows at a nominal level keep the shares of their buyer, whose level is anything."""
    pool = np.full(len(rows), -1) if lines.pool is None else lines.pool[rows]
    lo, hi = lines.low[rows], lines.high[rows]
    known, groups = np.flatnonzero(pool < 0), [np.flatnonzero(pool == p) for p in np.unique(pool[pool >= 0])]
    own = [_best_mean(lo[g], hi[g], part[g], sign) for g in groups]
    own = [x / x.sum() if x.sum() > 0 else x for x in own]
    means = np.array([float(x @ part[g]) for x, g in zip(own, groups, strict=True)])
    tops = np.array([float(most[g].sum()) for g in groups])
    all_low, all_high = np.append(lo[known], np.zeros(len(groups))), np.append(hi[known], tops)
    found = _best_mean(all_low, all_high, np.append(part[known], means), sign)
    q = np.zeros(len(rows))
    q[known] = found[: len(known)]
    for x, g, amount in zip(own, groups, found[len(known) :], strict=True):
        q[g] = x * amount
    return q


def _search(
    made: Origin, c: Asked, m: int, rows: IntArray, lo: FloatArray, hi: FloatArray, high: bool, use: str
) -> npt.NDArray[np.float64]:
    """Figures within their ranges at which a column is as high (low) as a search over ends and levels finds it."""
    sign = 1.0 if high else -1.0
    value = np.nan_to_num(made.market.lines.quantity[rows])
    top = np.where(np.isfinite(hi), hi, np.maximum(value, lo) + 10 * max(float(value.sum()), 1.0))
    levels = np.quantile(np.concatenate([lo, top]), np.linspace(0, 1, 60))
    start = [value, lo, top, *(np.clip(level, lo, top) for level in levels)]
    start += [np.where(np.arange(len(rows)) == i, top, lo) for i in range(len(rows))]

    def best(options: FloatArray) -> tuple[FloatArray, float]:
        found = np.nan_to_num(sign * _evaluate(made, m, rows, options, c.value, use), nan=-np.inf)
        i = int(np.argmax(found))
        return options[i], float(found[i])

    q, at = best(np.array(start))
    for _ in range(_SEARCHES):
        options = np.tile(q, (2 * len(rows), 1))
        for i in range(len(rows)):
            options[2 * i, i], options[2 * i + 1, i] = lo[i], top[i]
        new, better = best(options)
        if better <= at + 1e-12:
            break
        q, at = new, better
    return np.asarray(q)


# What a listing says of the share of a link.
SHARE: dict[str, Any] = {
    "meaning": "Share of the link in its buyer's supply.",
    "unit": "1",
    "low": 0.0,
    "high": 1.0,
    "method": "share",
    "params": {},
    "reference": "textbook identity",
    "worse": "",
    "bounds": "exact",
}


def link_share(lines: Lines, bounds: bool) -> dict[str, FloatArray]:
    """Share of each link in its segment.

    Parameters
    ----------
    lines : Lines
        Links by segment.
    bounds : bool
        Whether to give ``share_low`` and ``share_high`` too.

    Returns
    -------
    dict
        Columns by name.
    """
    q = np.nan_to_num(lines.quantity)
    total = np.bincount(lines.market, q, lines.n)[lines.market]
    count = np.bincount(lines.market, minlength=lines.n)[lines.market]
    share = np.divide(lines.quantity, total, out=np.full(len(q), np.nan), where=total > 0)
    out = {"share": np.where((count == 1) & np.isnan(share) & np.isnan(lines.quantity), 1.0, share)}
    if bounds:
        lo, hi = Levels(lines, None).ends()  # beside other flows a nominal one is anything
        finite = np.where(np.isfinite(hi), hi, 0.0)
        endless = np.bincount(lines.market, ~np.isfinite(hi), lines.n)[lines.market] - ~np.isfinite(hi)
        rest_low = np.bincount(lines.market, lo, lines.n)[lines.market] - lo
        rest_high = np.bincount(lines.market, finite, lines.n)[lines.market] - finite
        low = np.divide(lo, lo + rest_high, out=np.zeros(len(lo)), where=lo + rest_high > 0)
        high = np.divide(finite, finite + rest_low, out=np.zeros(len(lo)), where=finite + rest_low > 0)
        low = np.where(endless > 0, 0.0, low)
        out["share_low"] = np.where(count == 1, 1.0, np.where(np.isnan(out["share"]), 0.0, low))
        out["share_high"] = np.where((count == 1) | ~np.isfinite(hi), 1.0, np.minimum(high, 1.0))
    return out

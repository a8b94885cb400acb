"""The books of a graph as arrays: open the accounts, and close them. Written back by :mod:`supplyrisk.posting`.

Per product the graph is a network of accounts: producers send, pools receive and pass on, industries draw by recipe.
Output and stated use are flows from and to the outside. :mod:`supplyrisk.reconcile` is the door,
:mod:`supplyrisk.equilibrate` the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .books import DRAW, LINK, OUTPUT, STATED, USE, WHOLE, Books, open_books
from .equilibrate import Edges, forced, minimal_conflict, shortfall, solve, tighten
from .errors import Problem
from .graph import SupplyGraph
from .resorts import doubts, unfed_pools, with_last_resorts
from .settled import at_rest, eased_draws, nothing
from .ties import TOLD, Fitted, Ties, anchored, broken, find_ties, fit, least_draws, tie_bounds

__all__ = ["CLASH", "DUST", "Closed", "Mode", "close", "meet_ties", "priors", "residuals"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Mode = Literal["report", "relax", "raise"]

CLASH = "balanced flows"  # what a gap of figures that clash is called
_FAINT = 1e-6  # weight of estimates where figures clash: they give way to figures altogether
_MOVED = 1e-4  # a figure that moves by less than this part is left as it is
_SPREAD = 1.2  # standard deviation of ln(flow / prior) where too few known flows tell it
_NEEDLESS = 1e-6  # the same of a last resort
DUST = 1e-14  # part of a product's sum below which an estimate is nothing
_NOTHING = 1e-40  # a flow below this is a rounding, in whatever unit
_AMPLE = 1.1  # how much further than it must a figure may give way, so that estimates are not squeezed to nothing
_SHRINK = 1.5  # flows that a giver or taker must show before its habit counts by half
_LOOSE = (1e-8, 1e-6, 1e-4)  # parts by which what meets a recipe may be off for the flows about it to be found
_FEW = 40  # residuals below which a product borrows those of the others


# ---------------------------------------------------------------------- priors and their spread


def _two_way(books: Books, seen: BoolArray, value: FloatArray, fallback: FloatArray) -> FloatArray:
    """What each link would carry by the habits of its ends: ln(flow) = product + giver + taker, the ends shrunk.

    A flow that nobody has seen is so as large as those that are seen, of its giver and of its taker. Sums are left to
    the balancing.
    """
    e, count = books.edges, len(books.products)
    m = np.flatnonzero(seen & (value > 0))
    i, j = e.tail[m], e.head[m]
    many = np.bincount(e.block[m], minlength=count)
    level = np.bincount(e.block[m], np.log(value[m]), count) / np.maximum(many, 1)
    y = np.log(value[m]) - level[e.block[m]]
    give, take = np.zeros(e.n + 1), np.zeros(e.n + 1)  # the last one is the outside, which has no habits
    n_i, n_j = np.bincount(i[i >= 0], minlength=e.n), np.bincount(j[j >= 0], minlength=e.n)
    for _ in range(15):
        give[:-1] = np.bincount(i[i >= 0], (y - take[j])[i >= 0], e.n) / (n_i + _SHRINK)
        take[:-1] = np.bincount(j[j >= 0], (y - give[i])[j >= 0], e.n) / (n_j + _SHRINK)
    level = np.where(many > 1, level, np.log(fallback))
    return np.asarray(np.exp(level[e.block] + give[e.tail] + take[e.head]))


def priors(books: Books, hidden: BoolArray | None = None) -> FloatArray:
    """Prior of every edge: its figure; else, for a flow, what its ends' seen flows suggest; else what flows by.

    Flows inside a country and to and from the world pool take what the others leave. ``hidden`` edges count as
    unknown.
    """
    e, n = books.edges, books.edges.n
    link = books.kind == LINK
    known = books.known if hidden is None else books.known & ~hidden
    value = books.value if hidden is None else np.where(hidden, np.nan, books.value)
    seen, blank = link & ~np.isnan(value), link & np.isnan(value)
    i, j = np.maximum(e.tail, 0), np.maximum(e.head, 0)
    count = len(books.products)

    def total(mask: BoolArray, ends: IntArray, x: FloatArray) -> FloatArray:
        mask = mask & (ends >= 0)
        return np.asarray(np.bincount(ends[mask], x[mask], n), dtype=float)

    given = np.where(np.isnan(books.aim), np.nan_to_num(value), books.aim)
    one = np.ones(len(given))
    source = (books.kind == OUTPUT) & ~np.isnan(value) & (e.head >= 0)
    sink = (known | ~np.isnan(books.aim)) & np.isin(books.kind, (USE, DRAW, STATED))
    made, need = total(source, e.head, given), total(sink, e.tail, given)
    has_made, has_need = total(source, e.head, one) > 0, total(sink, e.tail, one) > 0
    # Where nothing of a product is seen, a flow is as large as the totals over the flows that share them.
    sums = np.bincount(e.block, np.where(source | sink, given, 0.0), count)
    blanks = np.maximum(np.bincount(e.block[blank], minlength=count), 1)
    fallback = np.where(sums > 0, sums / blanks, 1.0)
    guess = _two_way(books, seen, given, fallback)
    inflow, outflow = total(seen, e.head, given), total(seen, e.tail, given)
    home = blank & books.home
    away = blank & ~home
    left_i = np.maximum(made + inflow - outflow - need - total(away, e.tail, guess), 0.05 * made)
    left_j = np.maximum(need + outflow - inflow - made - total(away, e.head, guess), 0.05 * need)
    by_i = left_i / np.maximum(total(home, e.tail, one), 1.0)
    by_j = left_j / np.maximum(total(home, e.head, one), 1.0)
    rest = np.where(has_made[i], by_i[i], np.where(has_need[j], by_j[j], guess))
    least = 1e-6 * fallback[e.block]
    prior = np.where(home, rest, np.where(blank, guess, np.nan_to_num(value)))
    prior = np.where(blank & ~np.isnan(books.hint), books.hint, prior)
    prior = np.where(link & ~known, np.maximum(prior, 1e-3 * least), prior)
    # Taken for a trader: it makes no more of it than its accounts cannot do without. Up to how much it may, its bounds say.
    prior = np.where(doubts(books), 1e-3 * least, prior)
    prior = np.where(books.price > 0, fallback[e.block], prior)
    calm = link & (books.price == 0)
    feeds = calm & (books.row < 0)  # into pools of whose supply nothing is recorded: what these send on
    carry = calm | (books.kind == STATED)
    prior = np.where(feeds, total(carry, e.tail, prior)[j], prior)
    inflow, outflow = total(carry, e.head, prior), total(calm, e.tail, prior)
    into = np.isin(books.kind, (OUTPUT, WHOLE))
    by = np.where(into, (outflow - inflow)[j], (inflow - outflow)[i])
    through = np.where(into, outflow[j], inflow[i])
    prior = np.where(np.isnan(value) & ~link, np.maximum(by, np.maximum(0.01 * through, least)), prior)
    prior = np.where(np.isnan(books.aim), prior, books.aim)
    stated = books.kind == STATED
    if stated.any():
        prior = np.where(stated, np.clip(prior, e.low, e.high), prior)
        given = total(stated, e.head, prior)
        final = (books.kind == USE) & np.isin(e.tail, e.head[stated])
        prior = np.where(final, np.maximum((given - outflow)[i], np.maximum(0.01 * given[i], least)), prior)
    return np.where(link & ~known, prior, np.clip(prior, e.low, e.high))


def residuals(books: Books, folds: int = 5) -> list[FloatArray]:
    """ln(flow / prior) of the known flows of each product, each hidden in turn with others like it."""
    link = books.known & (books.kind == LINK) & (books.value > 0)
    at = np.flatnonzero(link)
    r = np.full(len(books.value), np.nan)
    turn = np.random.default_rng(0).permutation(len(at)) % folds
    for f in range(folds):
        hidden = np.zeros(len(r), dtype=bool)
        hidden[at[turn == f]] = True
        if hidden.any():
            guess = priors(books, hidden)
            r[hidden] = np.log(books.value[hidden] / guess[hidden])
    everyone = r[at]
    if len(everyone) < _FEW:
        bell = _SPREAD * np.array([-2.0, -1.3, -0.9, -0.6, -0.35, -0.1, 0.1, 0.35, 0.6, 0.9, 1.3, 2.0])
        everyone = np.concatenate([everyone, bell])
    out = []
    for k in range(len(books.products)):
        mine = r[at[books.edges.block[at] == k]]
        out.append(mine if len(mine) >= _FEW else everyone)
    return out


# ---------------------------------------------------------------------- closing them


@dataclass
class Closed:
    """Flows of every edge (NaN where a product was left alone), which figures moved, and what clashed."""

    books: Books
    prior: FloatArray
    x: FloatArray
    moved: BoolArray
    clash: dict[int, Problem]
    relaxed: set[int]
    calm: set[int]  # products that were balanced before and in which nothing moves
    mute: set[int]  # products of which there is no figure that an estimate could rest on


def _block_edges(books: Books, k: int) -> tuple[Edges, IntArray]:
    mine = books.edges.block == k
    return books.edges.part(mine)[0], np.flatnonzero(mine)


def _clash(books: Books, k: int, off: tuple[IntArray, FloatArray]) -> Problem:
    """The rows of a smallest set that cannot hold together."""
    part, at = _block_edges(books, k)
    miss, rows = minimal_conflict(part)
    rows = at[rows] if len(rows) else off[0]
    amount = miss if miss > 0 else float(off[1].max(initial=0.0))
    rule = f"they are off by {amount:.4g}: these figures cannot all hold"
    if not len(rows) or not amount > 0:  # no set of figures is at fault; never without the figures themselves
        known = np.flatnonzero((books.edges.block == k) & books.known)
        rows = known[np.argsort(-books.value[known], kind="stable")] if not len(rows) else rows
        rule = "no flows were found that do, though no set of figures forbids it"
    named = [" = ".join(books.label(int(r))[1:]) for r in rows]
    table = books.label(int(rows[0]))[0] if len(rows) else "links"
    return Problem(
        table,
        books.products[k],
        "quantity",
        f"the accounts of {books.products[k]} cannot close, {rule}",
        "; ".join(named[:12]) + ("; ..." if len(named) > 12 else ""),
        "Correct one of them, or let the least change be made with conflicts='relax'.",
    )


def _short(books: Books, k: int) -> bool:
    """Whether the accounts of a product cannot close; what estimated outputs draw is no figure then, but in its bounds."""
    if shortfall(_block_edges(books, k)[0])[0] <= 0:
        return False
    e = books.edges
    guessed = (books.kind == OUTPUT) & ~books.known & (books.value > 0)
    free = (e.block == k) & (books.kind == DRAW) & books.known & np.isin(books.row, books.row[guessed])
    if not free.any():
        return True
    books.aim[free], books.stiff[free], books.known[free] = books.value[free], np.nan, False
    books.value[free] = np.nan
    e.low[free], e.high[free] = books.span_low[free], books.span_high[free]
    return shortfall(_block_edges(books, k)[0])[0] > 0


def _ask_again(
    books: Books, x: FloatArray, changed: BoolArray, origin: tuple[FloatArray, FloatArray, FloatArray]
) -> None:
    """Draws of estimated outputs that were let go: what the recipe asks for is told beside what the accounts leave."""
    free = np.flatnonzero((books.kind == DRAW) & ~books.known & ~np.isnan(origin[2]))
    if not len(free):
        return
    made = np.flatnonzero((books.kind == OUTPUT) & ~books.known & (books.value > 0))
    ratio = pd.Series(x[made] / books.value[made], index=books.row[made]).reindex(books.row[free]).to_numpy(dtype=float)
    asked = origin[2][free] * np.where(np.isnan(ratio), 1.0, ratio)
    books.edges.low[free] = books.edges.high[free] = books.value[free] = asked
    books.known[free] = True
    changed[free] = np.abs(x[free] - asked) > _MOVED * asked


def close(
    graph: SupplyGraph, products: Sequence[str], tolerance: float, mode: Mode, caps: pd.DataFrame | None = None
) -> Closed:
    """Test, let last resorts in where they are needed, relax where figures clash, and balance; outputs within caps."""
    books = open_books(graph, products, caps)
    every = range(len(products))
    settled, calm = at_rest(books)
    mute = _mute(books) - calm
    unfed = {k: v for k, v in unfed_pools(books).items() if k not in calm | mute}
    books = with_last_resorts(books, unfed, unfed)
    own = books.edges.low, books.edges.high
    ties = _hold_ties(books, calm)
    short = [k for k in every if k not in calm | mute and shortfall(_block_edges(books, k)[0])[0] > 0]
    books = with_last_resorts(books, short)
    e = books.edges
    for k in short:
        _let_ties_go(books, k, ties, own)
    origin = e.low.copy(), e.high.copy(), books.value.copy()
    clashing = {k for k in short if _short(books, k)}
    prior = priors(books)
    x = np.full(len(prior), np.nan)
    changed = np.zeros(len(prior), dtype=bool)
    clash: dict[int, Problem] = {}
    relaxed: set[int] = set()
    held = np.isin(e.block, list(calm))
    x[held] = np.append(settled, np.zeros(len(x) - len(settled)))[held]
    for k in mute:
        part, at = _block_edges(books, k)
        if not tighten(part, part.low, part.high)[1][books.kind[at] == LINK].any():  # it is known to be nothing
            x[at] = 0.0
    todo = np.isin(e.block, [k for k in every if k not in clashing | calm | mute])
    good = _solve_part(books, todo, prior, x, price=books.price)
    failed = [int(k) for k in np.unique(e.block[todo]) if not good[k]]
    if freed := [k for k in failed if _let_ties_go(books, k, ties, own, True)]:
        good[freed] = _solve_part(books, np.isin(e.block, freed), prior, x, price=books.price)[freed]
    if stuck := [k for k in failed if not good[k]]:
        # Accounts that leave a flow one value have no inside for an estimate to be found in: such flows are fixed first.
        bounds = e.low.copy(), e.high.copy()
        for k in stuck:
            at = np.flatnonzero(e.block == k)
            only, value = forced(e.part(e.block == k)[0])
            bounds[0][at[only]] = bounds[1][at[only]] = value[only]
        # So dear a last resort may be out of reach of the arithmetic: a cheaper one is as far off.
        for part_of in (1.0, 0.25, 0.1, 0.025):
            if left := [k for k in stuck if not good[k]]:
                price = part_of * books.price
                todo = np.isin(e.block, left)
                good[left] = _solve_part(books, todo, prior, x, price=price, low=bounds[0], high=bounds[1])[left]
    clashing |= {k for k in failed if not good[k]}
    # What an estimated output is found to be decides what its maker draws.
    guessed = (books.kind == OUTPUT) & ~books.known & (books.value > 0)
    for _ in range(8):
        again = _draws_follow(books, x, guessed & ~np.isin(e.block, list(clashing)), origin) - clashing - calm
        if not again:
            break
        clashing |= {k for k in again if _short(books, k)}
        todo = np.isin(e.block, list(again - clashing))
        prior = np.where(books.kind == DRAW, np.clip(prior, e.low, e.high), prior)
        good = _solve_part(books, todo, prior, x, price=books.price)
        clashing |= {int(k) for k in np.unique(e.block[todo]) if not good[k]}
    for _ in range(8):
        if not clashing:
            break
        _relax(books, clashing, prior, x, changed, tolerance, mode, clash, relaxed)
        # What a maker is found to make decides what it draws.
        clashing = _draws_follow(books, x, changed | guessed, origin) - calm - set(clash if mode != "relax" else ())
        prior = np.where(books.kind == DRAW, np.clip(prior, e.low, e.high), prior)
    woken = _keep_ties(books, ties, prior, x, changed)
    held, calm = held & ~np.isin(e.block, list(woken)), calm - woken
    _ask_again(books, x, changed, origin)
    size = np.bincount(e.block, np.nan_to_num(x), len(products))[e.block]
    x = np.where(~books.known & (x < DUST * size), 0.0, x)
    x = np.where(held, x, _without_traces(books, x, changed))
    x = np.where(x < _NOTHING, 0.0, x)  # what cancels leaves a rounding of nothing
    return Closed(books, prior, x, changed, clash, relaxed, calm, mute)


def _mute(books: Books) -> set[int]:
    """Products of which no amount is known or bounded from below, nor of what is made of them: any level would do."""
    e, ties = books.edges, find_ties(books)
    figure = (books.value > 0) | (books.aim > 0) | (e.low > 0) | ~np.isnan(books.hint)
    heard = np.bincount(e.block[figure], minlength=len(books.products)) > 0
    for _ in books.products if len(ties) else ():
        asked = e.block[ties.draw[heard[e.block[ties.output]]]]
        if heard[asked].all():
            break
        heard[asked] = True
    return set(np.flatnonzero(~heard).tolist())


def _hold_ties(books: Books, calm: set[int]) -> Ties:
    """Bound what makers of unknown output make and draw by what can reach them and by what they are known to send."""
    ties, e = find_ties(books), books.edges
    if not len(ties):
        return ties
    low, (_, top) = least_draws(books, ties), tie_bounds(e, ties, e.low, e.high)
    out = (books.kind == LINK) & (e.tail >= 0)
    sent = np.bincount(e.tail[out], e.low[out], e.n)[e.head[ties.output]]
    high = e.high.copy()
    # Who is known to send more than its inputs allow is not held to them: no flow mends that.
    most = top[ties.output]
    fits = most > (1 + 1e-6) * np.maximum(sent, e.low[ties.output])
    high[ties.output] = np.where(fits, np.minimum(high[ties.output], most), high[ties.output])
    still = np.isin(e.block, list(calm))
    e.low, e.high = np.where(still, e.low, low), np.where(still, e.high, high)
    return ties


def _let_ties_go(books: Books, k: int, ties: Ties, own: tuple[FloatArray, FloatArray], failed: bool = False) -> bool:
    """Where a product cannot close with them, what its makers and users cannot do without is no bound of its own."""
    at = np.union1d(ties.draw, ties.output)
    at = at[books.edges.block[at] == k]
    lets = len(at) > 0 and (failed or shortfall(_block_edges(books, k)[0])[0] > 0)
    if lets:
        books.edges.low[at], books.edges.high[at] = own[0][at], own[1][at]
    return lets


def _keep_ties(books: Books, ties: Ties, prior: FloatArray, x: FloatArray, changed: BoolArray) -> set[int]:
    """Estimates by which makers of unknown output get of each input what their recipe asks for; the products that moved.

    What no flows can mend is marked as a draw that gave way, with what the recipe asks for as its bounds.
    """
    e = books.edges
    if not len(ties):
        return set()
    ties = ties.part(~np.isnan(x[ties.draw]) & ~np.isnan(x[ties.output]))
    ties, asked_of = anchored(books, ties, x)
    size = np.asarray(np.bincount(e.block, np.nan_to_num(x), len(books.products)), dtype=float)[e.block]
    bad = broken(ties, x, size)
    eased = eased_draws(books.graph)
    if bad.any() and len(eased):  # told before, of the same amounts
        names = [
            (books.products[int(e.block[i])], str(books.graph.index.position[int(books.row[i])])) for i in ties.draw
        ]
        told = eased.reindex(pd.MultiIndex.from_tuples(names, names=eased.index.names))
        same = np.isclose(told["left"], x[ties.draw], rtol=1e-4, atol=0)
        same &= np.isclose(told["asked_high"], ties.most * x[ties.output], rtol=1e-4, atol=0)
        bad &= ~np.isin(ties.need, ties.need[same])
    if not bad.any():
        return set()
    blocks = set(e.block[ties.draw[bad]].tolist()) | set(e.block[ties.output[bad]].tolist())
    pairs = set(zip(e.block[ties.draw].tolist(), e.block[ties.output].tolist(), strict=True))
    while more := {k for p in pairs if blocks & set(p) for k in p} - blocks:
        blocks |= more
    ties = ties.part(np.isin(e.block[ties.draw], list(blocks)))
    # Outputs that are estimates themselves, and what is drawn for them, stay as they were found.
    made = np.isin(books.kind, (OUTPUT, DRAW)) & ~np.isnan(books.value)
    stays = books.known | changed | (made & ((books.kind == DRAW) | (books.value > 0)))
    stays[ties.output] = (books.known | changed)[ties.output]
    low, high = (np.where(stays, x, f(b, x)) for f, b in ((np.fmin, e.low), (np.fmax, e.high)))
    found = meet_ties(books, ties, asked_of, prior, x, low, high, blocks)
    if found is None:
        return set()
    out = ties.output
    off = (np.abs(found.off) > TOLD * x[out] + 1e-9 * size[out]) & broken(ties, x, size)
    at = ties.draw[off]
    beside = ties.met(x, ties.least) - x[ties.draw] / ties.least
    asked = np.maximum(ties.least * (x[out] - beside), 0.0)
    e.low[at], e.high[at], changed[at] = asked[off], (ties.most * x[out])[off], True
    return blocks


def meet_ties(
    books: Books,
    ties: Ties,
    asked_of: FloatArray,
    prior: FloatArray,
    x: FloatArray,
    low: FloatArray,
    high: FloatArray,
    blocks: set[int],
) -> Fitted | None:
    """Flows of some products near ``x``, put in its place, by which makers draw what their recipes ask as far as may be.

    ``asked_of`` as :func:`supplyrisk.ties.anchored` has it. Nothing is changed where none are found.
    """
    e = books.edges
    mine = np.isin(e.block, list(blocks))
    size = np.asarray(np.bincount(e.block, np.nan_to_num(x), len(books.products)), dtype=float)[e.block]
    # Who uses what nobody states gives way as makers do.
    uses = np.flatnonzero(mine & (books.kind == USE) & (high > low) & (x > 1e-6 * size))
    added = (books.kind == LINK) & (books.row < 0)
    found = fit(e, ties, x, low, high, books.price, mine, asked_of, uses, added)
    if found is None:
        return None
    y, out = found.x, ties.output
    prior = np.where(added, np.maximum(y, 1e-9 * size), prior)
    rest = set(blocks)
    for loose_by in _LOOSE:
        lo, hi = low.copy(), high.copy()
        lo[out], hi[out] = np.maximum(lo[out], y[out] * (1 - loose_by)), np.minimum(hi[out], y[out] * (1 + loose_by))
        hi[out] = np.maximum(hi[out], lo[out])
        least = np.where(ties.alone, np.minimum(ties.least * y[out], y[ties.draw]), y[ties.draw]) * (1 - loose_by)
        most = np.where(ties.alone, np.maximum(ties.most * y[out], y[ties.draw]), y[ties.draw]) * (1 + loose_by)
        lo[ties.draw] = np.maximum(lo[ties.draw], np.where(ties.whole, least, 0.0))
        hi[ties.draw] = np.maximum(np.minimum(hi[ties.draw], most), lo[ties.draw])
        todo = np.isin(e.block, list(rest))
        z = x.copy()
        good = _solve_part(books, todo, np.clip(prior, lo, hi), z, price=books.price, low=lo, high=hi)
        fine = {k for k in rest if good[k]}
        x[np.isin(e.block, list(fine))] = z[np.isin(e.block, list(fine))]
        rest -= fine
        if not rest:
            break
    left = np.isin(e.block, list(rest))
    x[left] = y[left]
    return found


def _without_traces(books: Books, x: FloatArray, changed: BoolArray) -> FloatArray:
    """Estimates too small to be anything become exactly 0, and what they carried goes by the others."""
    e = books.edges
    least = nothing(books, x)
    size = np.bincount(e.block, np.nan_to_num(x), len(books.products))[e.block]
    least = np.where(books.price > 0, np.maximum(least, _NEEDLESS * size), least)
    trace = books.unsure & np.isnan(books.hint) & (e.low <= 0) & (x > 0) & (x < least)
    if not trace.any():
        return x
    todo = np.isin(e.block, np.unique(e.block[trace]))
    held = books.known | changed
    low, high = np.where(held, x, np.minimum(e.low, x)), np.where(held, x, np.maximum(e.high, x))
    prior, high = np.where(trace, 0.0, x), np.where(trace, 0.0, high)
    found = x.copy()
    good = _solve_part(books, todo, prior, found, price=np.zeros(len(x)), low=low, high=high, aims=False)
    return np.asarray(np.where(good[e.block], found, x))


def _solve_part(
    books: Books,
    chosen: BoolArray,
    prior: FloatArray,
    x: FloatArray,
    *,
    price: FloatArray,
    stiff: FloatArray | None = None,
    weight: float | FloatArray = 1.0,
    low: FloatArray | None = None,
    high: FloatArray | None = None,
    start: FloatArray | None = None,
    aims: bool = True,
) -> BoolArray:
    """Solve chosen edges into ``x``; which blocks converged (True for those not asked)."""
    good = np.ones(len(books.products), dtype=bool)
    if not chosen.any():
        return good
    e = books.edges
    asked = ~np.isnan(books.aim) & (books.aim > 0) & aims
    own = np.full(len(asked), np.nan) if stiff is None else stiff
    # Alternatives are drawn on alike as far as may be; against figures that clash they count for little.
    own = np.where(asked & np.isnan(own), books.aim * (20.0 if weight is _FAINT else 0.05), own)
    held = Edges(e.n, e.tail, e.head, e.low if low is None else low, e.high if high is None else high, e.block)
    part, _ = held.part(chosen)
    blocks = np.unique(e.block[chosen])
    x[chosen], fine = solve(
        part,
        prior[chosen],
        stiff=own[chosen],
        price=price[chosen],
        weight=weight if isinstance(weight, float) else weight[chosen],
        start=None if start is None else start[chosen],
    )
    good[blocks] = fine
    return good


def _relax(
    books: Books,
    blocks: set[int],
    prior: FloatArray,
    x: FloatArray,
    changed: BoolArray,
    tolerance: float,
    mode: Mode,
    clash: dict[int, Problem],
    relaxed: set[int],
) -> None:
    """Close products whose figures clash by moving them least, in units of each figure's own half-width."""
    e = books.edges
    changed &= ~np.isin(e.block, list(blocks))
    held = ~np.isnan(books.stiff)
    anchor = np.where(held & ~books.known, np.clip(prior, e.low, e.high), prior)
    anchor = np.where(books.known, books.value, anchor)
    low, high = np.where(held, 0.0, e.low), np.where(held, books.ceiling, e.high)
    cheap = np.where(books.price > 0, 100.0, 0.0)
    rest = set(blocks)
    # Where all figures can hold within their rounding, none moves by more.
    by = tolerance * np.where(held & (anchor <= 0), np.nan_to_num(books.stiff), np.maximum(anchor, 0.0))
    near = np.where(held, np.maximum(e.low - by, 0.0), e.low), np.where(held, np.minimum(e.high + by, high), e.high)
    fits = {k for k in blocks if shortfall(*_bounded(books, k, *near))[0] <= 0}
    for k in sorted(fits):
        todo, s = e.block == k, books.stiff
        for weight, part_of in ((_FAINT, 1.0), (1e-3, 0.1), (1e-2, 0.01)):  # so near the bounds the faintest may not do
            price = part_of * cheap
            if _solve_part(books, todo, anchor, x, price=price, stiff=s, weight=weight, low=near[0], high=near[1])[k]:
                rest.discard(k)
                break
    fits -= rest
    for floor in (low, np.zeros(len(low))):  # the second time lower bounds of unknown figures give way too
        if not rest:
            break
        for part in (sorted(rest), *([k] for k in sorted(rest))):  # together, and who fails so once more alone
            if rest.intersection(part):
                todo, s = np.isin(e.block, part), books.stiff
                good = _solve_part(books, todo, anchor, x, price=cheap, stiff=s, weight=_FAINT, low=floor, high=high)
                rest -= {k for k in part if good[k]}
    for k in rest:
        x[e.block == k] = np.nan
        clash[k] = _clash(books, k, (np.zeros(0, dtype=np.int64), np.zeros(0)))
    with np.errstate(invalid="ignore"):
        off = np.maximum(e.low - x, x - e.high) / np.where(
            held & (anchor <= 0), books.stiff, np.maximum(anchor, 1e-300)
        )
    for k in sorted(blocks - rest):
        mine = e.block == k
        rows = np.flatnonzero(mine & held & (off > _MOVED))
        worst_of = float(off[rows].max(initial=0.0))
        if worst_of > tolerance and k not in fits:
            clash[k] = _clash(books, k, (rows, off[rows] * np.abs(anchor[rows])))
            if mode != "relax":
                x[mine] = np.nan
                continue
        relaxed.add(k)
        # Short of relaxing them nothing moves by more than the rounding of sources; and nothing by much more than it must.
        span = _AMPLE * np.maximum(np.where(held, off, 0.0), 0.0) * np.where(held & (anchor <= 0), books.stiff, anchor)
        span = np.minimum(span, by) if k in fits or mode != "relax" else span
        # Which figures give way is found; how far is weighed against the estimates, which would else be squeezed to
        # nothing: each counts by its own uncertainty, a figure by its half-width, an estimate by that of its prior.
        for least in (_MOVED, 1e-2 * _MOVED, 0.0):
            shifted = mine & held & (off > least)
            firm = np.where(shifted, books.stiff, np.nan)
            lo = np.where(shifted, np.maximum(e.low - span, 0.0), np.minimum(e.low, np.where(held, np.inf, x)))
            hi = np.where(shifted, np.minimum(e.high + span, books.ceiling), e.high)
            found = x.copy()
            # What nobody states of outputs and uses is what the flows leave: the way that was found for it is no burden.
            loose_end = ((books.kind != LINK) | (books.price > 0)) & ~held
            base = np.where(loose_end & mine, np.maximum(anchor, x), anchor)
            price = np.where(x > 1e-6 * base[mine].sum(), 0.0, books.price)
            light = 1.0 / (_SPREAD**2 * np.maximum(base, 1e-9 * base[mine].sum()))
            options = {"stiff": firm, "low": lo, "high": hi, "weight": light, "start": x}
            if _solve_part(books, mine, base, found, price=price, **options)[k]:
                x[mine] = found[mine]
                break
        changed |= shifted


def _bounded(books: Books, k: int, low: FloatArray, high: FloatArray) -> tuple[Edges, FloatArray, FloatArray]:
    """Edges of a product, with other bounds."""
    part, at = _block_edges(books, k)
    return part, low[at], high[at]


def _draws_follow(
    books: Books, x: FloatArray, changed: BoolArray, origin: tuple[FloatArray, FloatArray, FloatArray]
) -> set[int]:
    """Set draws to the outputs that moved; the products that must be closed anew."""
    made = np.flatnonzero(changed & (books.kind == OUTPUT) & (books.row >= 0) & (books.value > 0))
    ratio = pd.Series(x[made] / books.value[made], index=books.row[made])
    let_go = np.isnan(books.value) & ~np.isnan(origin[2])  # see _short
    follows = (books.kind == DRAW) & ~let_go & np.isin(books.row, ratio.index) & np.isfinite(books.edges.high)
    draws = np.flatnonzero(follows)
    if not len(draws):
        return set()
    part = ratio.reindex(books.row[draws]).to_numpy(dtype=float)
    scaled = {k: getattr(books.edges, k)[draws] for k in ("low", "high")}
    whole = [o[draws] for o in origin]
    again = np.abs(scaled["high"] - part * whole[1]) > 1e-9 * np.maximum(whole[1], 1e-300)
    draws, part = draws[again], part[again]
    books.edges.low[draws], books.edges.high[draws] = part * whole[0][again], part * whole[1][again]
    books.value[draws] = part * whole[2][again]
    books.stiff[draws] = np.where(
        np.isnan(books.stiff[draws]), np.nan, np.maximum(0.05 * part * whole[1][again], 1e-300)
    )
    return {int(k) for k in np.unique(books.edges.block[draws])}

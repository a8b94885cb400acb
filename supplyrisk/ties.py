"""Makers of unknown output and their inputs: nobody makes more than what reaches it allows, nor draws but by its recipe.

The accounts of a product are a network of their own; recipes tie those of different products together. Bounds go along
the ties, and where estimates break one, a linear programme finds outputs near them that do not, if there are any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .books import DRAW, LINK, OUTPUT, USE, Books
from .equilibrate import Edges, tighten

__all__ = ["TOLD", "Fitted", "Ties", "anchored", "broken", "find_ties", "fit", "least_draws", "tie_bounds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

TOLD = 1e-3  # part of what a recipe asks for by which a draw may be off unsaid
_PASSES = 6  # times that bounds go through the accounts and along the ties
_STEPS = (1.1, 4 / 3, 2.0, 4.0, 10.0, 100.0)  # factors of an estimate at which it costs more to move it on
_LAST = 100.0  # against moving an output: cost of a last resort
_BREAK = 1e4  # and of breaking a tie
_LESSER = 0.03  # of an input without which something is made too
_LIGHT = 1e-3  # cost of moving an output of a product without any figure, against others
_SPARING = 1e-4  # cost of supply that nobody states: no more of it than somebody needs
_ZERO = 4e-9  # part of a product's sum that is nothing


@dataclass(frozen=True)
class Ties:
    """Draws of makers whose output nobody gives, each with its maker's output.

    Attributes
    ----------
    draw, output : ndarray of int
        Edges of the books.
    need : ndarray of int
        Which requirement of which maker a draw meets; alternatives meet one together.
    least, most : ndarray
        Input for a unit of output, in the range of the recipe's processes.
    low, high : ndarray
        The same with the bounds of the coefficients.
    essential, whole : ndarray of bool
        Whether nothing is made without it; whether all that can meet the requirement is in the books.
    alone : ndarray of bool
        Whether there is no alternative.
    """

    draw: IntArray
    output: IntArray
    need: IntArray
    least: FloatArray
    most: FloatArray
    low: FloatArray
    high: FloatArray
    essential: BoolArray
    whole: BoolArray
    alone: BoolArray

    def __len__(self) -> int:
        return len(self.draw)

    def part(self, keep: BoolArray) -> Ties:
        """Some of them; the others of a requirement go along with one that goes."""
        gone = np.unique(self.need[~keep])
        stays = ~np.isin(self.need, gone)
        return Ties(**{k: np.asarray(v)[stays] for k, v in self.__dict__.items()})

    def met(self, x: FloatArray, by: FloatArray) -> FloatArray:
        """Output that what is drawn allows, by requirement, at given inputs for a unit; of each tie."""
        return np.asarray(np.bincount(self.need, x[self.draw] / by)[self.need] if len(self) else np.zeros(0))


def find_ties(books: Books, every: bool = False) -> Ties:
    """Ties of the makers in the books of whose output no figure and no estimate is at hand, that share a rest, or draw on alternatives.

    With ``every`` those of makers whose output is an estimate, too.
    """
    ix, e = books.graph.index, books.edges
    draw = np.flatnonzero((books.kind == DRAW) & (books.row >= 0))
    r = books.graph.tables["recipes"]
    r = r[~r["host"].fillna(False).astype(bool) & (r["coefficient"] > 0)]
    of_node = np.full(ix.n, -1, dtype=np.int64)
    # Who shares the rest of a total may make any part of it, whatever it was estimated at.
    shares = e.tail >= 0
    open_ = ~books.known & (np.isnan(books.value) | shares | every)
    # Of alternatives a maker draws what its output asks together, and a known output is one, too.
    sure = books.known & (books.value > 0)
    made = np.flatnonzero((books.kind == OUTPUT) & (open_ | sure) & (books.row >= 0))
    made = made[e.head[made] == books.row[made]]
    maker = (ix.nodes["kind"] == "producer").to_numpy(dtype=bool)[books.row[made]]
    unsaid = ix.nodes["output"].isna().to_numpy(dtype=bool)[books.row[made]]
    made = made[maker & (unsaid | shares[made] | every | sure[made])]
    of_node[books.row[made]] = made
    draw = draw[of_node[books.row[draw]] >= 0] if len(draw) else draw
    i, f, b = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=bool)
    none = Ties(i, i, i, f, f, f, f, b, b, b)
    if not len(draw) or not len(r):
        return none
    pairs = [r["product"].astype("object"), r["input"].astype("object")]
    ends = pd.DataFrame(
        {
            "least": r["coefficient"],
            "most": r["coefficient"],
            "low": r["low"].fillna(r["coefficient"]).clip(lower=1e-300),
            "high": r["high"].fillna(r["coefficient"]),
            "essential": r["input_class"] == "essential",
            "group": r["substitute_group"].astype("object").fillna("").astype(str),
        }
    )
    how = {"least": "min", "most": "max", "low": "min", "high": "max", "essential": "any", "group": "max"}
    recipe = ends.groupby(pairs).agg(how)
    recipe.index.names = ["product", "input"]
    product = np.array(books.products, dtype=object)[e.block[draw]]
    maker = ix.nodes["product"].to_numpy(dtype=object)[books.row[draw]]
    its = recipe.reindex(pd.MultiIndex.from_arrays([maker, product]))
    asked = its["least"].notna().to_numpy(dtype=bool)
    either = (its["group"].fillna("") != "").to_numpy(dtype=bool)
    asked = asked & (either | ~books.known[of_node[books.row[draw]]])
    if not asked.any():
        return none
    draw, maker, product, its = draw[asked], maker[asked], product[asked], its[asked].reset_index(drop=True)
    label = np.where(its["group"] != "", its["group"], product)
    choice = (its["group"] != "").to_numpy(dtype=bool)
    need = pd.Series(list(zip(books.row[draw], choice, label, strict=True)), dtype="object")
    need_code = pd.factorize(need)[0].astype(np.int64)
    # An alternative that nobody is seen to bring may still be had: what the others bring is then no limit.
    size = recipe.reset_index().groupby(["product", "group"]).size()
    there = np.bincount(need_code)[need_code]
    among = size.reindex(pd.MultiIndex.from_arrays([maker, its["group"]])).to_numpy(dtype=float)
    least, most, low, high = (its[c].to_numpy(dtype=float) for c in ("least", "most", "low", "high"))
    essential = np.bincount(need_code, its["essential"].astype(bool))[need_code] >= there
    whole = ~choice | (there >= among)
    return Ties(draw, of_node[books.row[draw]], need_code, least, most, low, high, essential, whole, ~choice)


def tie_bounds(e: Edges, ties: Ties, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds that follow from the accounts and from the ties between them (outer bounds).

    A maker makes at most what the most of each essential input allows, and draws within its recipe of what it may make.
    """
    low, high = tighten(e, low, high)
    bind = ties.essential & ties.whole
    for _ in range(_PASSES if len(ties) else 0):
        before = low.copy(), high.copy()
        top = np.where(bind, ties.met(high, ties.low), np.inf)
        np.minimum.at(high, ties.output, np.maximum(top, low[ties.output]))
        most = ties.high * high[ties.output]
        high[ties.draw] = np.minimum(high[ties.draw], np.maximum(most, low[ties.draw]))
        least = np.where(bind, low[ties.draw] / ties.high, 0.0)
        np.maximum.at(low, ties.output, np.minimum(least, high[ties.output]))
        asked = np.where(bind & ties.alone, ties.low * low[ties.output], 0.0)
        low[ties.draw] = np.maximum(low[ties.draw], np.minimum(asked, high[ties.draw]))
        with np.errstate(invalid="ignore"):
            same = (low == before[0]) & ((high == before[1]) | (np.abs(high - before[1]) <= 1e-9 * high))
        if same.all():
            break
        low, high = tighten(e, low, high)
    return low, high


def least_draws(books: Books, ties: Ties) -> FloatArray:
    """Lower bound of every edge, what makers cannot do without for what they are known to send among them.

    Of a pool whose use is stated it is none: what its makers draw is inside that use, and no supply beside it.
    """
    e = books.edges
    low = e.low.copy()
    stated = np.zeros(e.n + 1, dtype=bool)
    stated[e.tail[(books.kind == USE) & books.known & (books.value > 0)]] = True
    fed = np.zeros(e.n + 1, dtype=bool)
    fed[e.head[(books.kind == LINK) & (e.head >= 0) & stated[e.tail]]] = True
    out = (books.kind == LINK) & (e.tail >= 0)
    sent = np.bincount(e.tail[out], e.low[out], e.n)
    needs = ties.essential & ties.alone & ~fed[e.tail[ties.draw]]
    asked = ties.least * np.maximum(sent[e.head[ties.output]], e.low[ties.output])
    low[ties.draw] = np.where(needs, np.maximum(low[ties.draw], np.minimum(asked, e.high[ties.draw])), low[ties.draw])
    return low


def anchored(books: Books, ties: Ties, x: FloatArray) -> tuple[Ties, FloatArray]:
    """Ties of products of which some amount is known, or that such a one is made of; and what these are needed for.

    Where no figure of a product or of what is made of it is known, what it is estimated at is a level like any other.
    The second is a number for each product: what is asked of one without any figure of its own, NaN for the others.
    """
    e = books.edges
    figure = books.known & (books.value > 0) | (books.aim > 0) | (e.low > 0)
    own = np.bincount(e.block[figure], minlength=len(books.products)) > 0
    held = own.copy()
    into, out = e.block[ties.draw], e.block[ties.output]
    asked = np.zeros(len(own))
    for _ in range(len(own)):
        made = np.maximum(x[ties.output], 0.0)
        # A product that is only asked for is made as much as that.
        made = np.where(own[out] | (asked[out] == 0), made, np.maximum(made, asked[out]))
        before = held.copy()
        need = np.where(held[out] & ~own[into], ties.most * made, 0.0)
        asked = np.asarray(np.bincount(into, need, len(own)), dtype=float)
        held[into[held[out]]] = True
        if (held == before).all():
            break
    return ties.part(held[out]), np.where(held & ~own, asked, np.nan)


def broken(ties: Ties, x: FloatArray, size: FloatArray) -> BoolArray:
    """Ties that estimates break by more than a rounding; ``size`` is what an edge's product sums to."""
    if not len(ties):
        return np.zeros(0, dtype=bool)
    made = x[ties.output]
    with np.errstate(invalid="ignore"):
        # A draw that is nothing beside what the input sums to is made 0, whoever needs it.
        dust = np.zeros(ties.need.max() + 1)
        np.maximum.at(dust, ties.need, _ZERO * size[ties.draw] / ties.least)
        room = TOLD * made + _ZERO * size[ties.output] + dust[ties.need]
        short = ties.whole & (ties.met(x, ties.least) < made - room)
        over = ties.met(x, ties.most) > made + room
    return np.asarray(short | over)


@dataclass
class Fitted:
    """Flows that meet the ties, and those that none can: of each tie, by how much output its draw is off."""

    x: FloatArray
    off: FloatArray


def fit(
    e: Edges,
    ties: Ties,
    x: FloatArray,
    low: FloatArray,
    high: FloatArray,
    price: FloatArray,
    chosen: BoolArray,
    asked: FloatArray,
    beside: IntArray,
    added: BoolArray,
) -> Fitted | None:
    """Outputs as near as may be to estimates with all accounts closed and all ties met, by a linear programme.

    ``min sum_o KL(o, o') / size`` by pieces of straight lines over the outputs ``o`` of tied makers and the flows
    ``beside`` that go without what they get, ``o'`` their estimates, subject to inflow = outflow at every account and the bounds; flows ``added`` where nothing is recorded cost
    next to nothing, last resorts more than any output, and what breaks a tie more than these. Nothing where no flows are found.
    """
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    at = np.flatnonzero(chosen)
    new = np.full(len(chosen), -1, dtype=np.int64)
    new[at] = np.arange(len(at))
    part, _ = e.part(chosen)
    only = asked[np.unique(e.block[at])]
    size = np.maximum(np.fmax(np.bincount(part.block, x[at]), only), 1e-300)[part.block]
    out = np.union1d(ties.output, beside)
    scale = np.maximum(x[out], 1e-4 * size[new[out]])
    # What an output is moved up or down by, in steps that cost more and more.
    steps = np.array(_STEPS)
    ends_up, ends_down = np.append(steps, np.inf), np.append(1.0 / steps, 0.0)
    wide_up = np.diff(np.append(1.0, ends_up))
    wide_down = -np.diff(np.append(1.0, ends_down))
    cost_up = np.log(np.append(0.5 * (np.append(1.0, steps[:-1]) + steps), 1e3))
    cost_down = -np.log(np.append(0.5 * (np.append(1.0, 1.0 / steps[:-1]) + 1.0 / steps), 1e-3))
    m, k, s = len(at), len(steps) + 1, len(out)
    weight = scale / size[new[out]]
    # What has no figure of its own is no hindrance: it follows what it is asked for.
    light = np.where(np.isnan(only), 1.0, _LIGHT)[part.block[new[out]]]
    # Variables in parts of the size of their product: flows, steps up, steps down (parts of the estimate), breaks.
    needs, first = np.unique(ties.need, return_index=True)
    asks = len(needs)
    count = m + 2 * s * k + 2 * asks
    rows: list[IntArray] = []
    cols: list[IntArray] = []
    values: list[FloatArray] = []

    def add(row: IntArray, col: IntArray, value: FloatArray) -> None:
        rows.append(row)
        cols.append(col)
        values.append(value)

    # inflow = outflow
    for side, sign in ((part.head, 1.0), (part.tail, -1.0)):
        inner = np.flatnonzero(side >= 0)
        add(side[inner], inner, np.full(len(inner), sign))
    # output = estimate + steps up - steps down
    line, own = part.n + np.arange(s), new[out]
    add(line, own, np.ones(s))
    each = np.repeat(np.arange(s), k)
    up, down = m + np.arange(s * k), m + s * k + np.arange(s * k)
    add(line[each], up, -weight[each])
    add(line[each], down, weight[each])
    equal = sparse.coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))), shape=(part.n + s, count)
    ).tocsr()
    right = np.concatenate([np.zeros(part.n), x[out] / size[own]])
    rows, cols, values = [], [], []
    # draws / most <= output + break, and output <= draws / least + break, a row each for every requirement
    made, drawn = new[ties.output], new[ties.draw]
    ratio = size[drawn] / size[made]
    each_need, line_of = np.searchsorted(needs, ties.need), np.arange(asks)
    over, short = m + 2 * s * k + line_of, m + 2 * s * k + asks + line_of
    add(each_need, drawn, ratio / ties.most)
    add(line_of, made[first], -np.ones(asks))
    add(line_of, over, -np.ones(asks))
    add(asks + line_of, made[first], np.ones(asks))
    add(asks + each_need, drawn, -ratio / ties.least)
    add(asks + line_of, short, -np.ones(asks))
    below = sparse.coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))), shape=(2 * asks, count)
    ).tocsr()
    binds = (ties.essential & ties.whole)[first]
    # A unit of a last resort costs more than the dearest output that it could make.
    dear = np.zeros(int(part.block.max()) + 1)
    np.maximum.at(dear, part.block[drawn], ratio / ties.least)
    last = np.where(price[at] > 0, _LAST * np.maximum(dear[part.block], 1.0), np.where(added[at], _SPARING, 0.0))
    cost = np.concatenate(
        [
            last,
            np.tile(cost_up, s) * (weight * light)[each],
            np.tile(cost_down, s) * (weight * light)[each],
            np.full(asks, _BREAK),
            np.where(binds, _BREAK, np.where(ties.whole[first], _LESSER, 0.0)),
        ]
    )
    bottom = np.concatenate([np.minimum(low[at], x[at]) / size, np.zeros(count - m)])
    top = np.concatenate(
        [np.maximum(high[at], x[at]) / size, np.tile(wide_up, s), np.tile(wide_down, s), np.full(2 * asks, np.inf)]
    )
    lines = sparse.vstack([equal, below])
    ends = np.append(right, np.full(below.shape[0], -np.inf)), np.append(right, np.zeros(below.shape[0]))
    done = milp(cost, constraints=LinearConstraint(lines, *ends), bounds=Bounds(bottom, top))
    if done.x is None or done.status != 0:
        return None
    found = x.copy()
    found[at] = np.clip(done.x[:m], bottom[:m], top[:m]) * size
    unit = size[made]
    missing = np.where(ties.whole[first], done.x[short], 0.0)[each_need]
    off = np.where(missing > 0, -missing, done.x[over][each_need]) * unit
    return Fitted(found, off)

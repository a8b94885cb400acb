"""The graph as the rationing engine sees it: segments, alternatives, classes of inputs, and the fixed point of losses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import SolverError
from ..graph import GraphIndex, SupplyGraph

__all__ = ["Net", "weights"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
_TOLERANCE = 1e-13
_MOST_STEPS = 200_000


def weights(ix: GraphIndex) -> tuple[FloatArray, BoolArray]:
    """Share of each link in its segment, and which segments' split is unknown (equal parts: an assumption).

    Parameters
    ----------
    ix : GraphIndex
        Index of a graph.

    Returns
    -------
    tuple of ndarray
        Shares by link, adding to 1 in every segment; by segment, whether no amount of it is known.
    """
    if not len(ix.src):
        return np.zeros(0), np.zeros(0, dtype=bool)
    gone = np.isnan(ix.share)
    some = np.isnan(ix.quantity) & gone
    any_some = np.add.reduceat(some.astype(np.float64), ix.segment_start)[ix.segment] > 0
    counted = np.where(any_some, some, gone).astype(np.float64)
    count = np.add.reduceat(counted, ix.segment_start)[ix.segment]
    weight = np.where(gone, counted / np.maximum(count, 1.0), ix.share)
    return weight, np.asarray(np.logical_or.reduceat(gone, ix.segment_start))


def _extreme(
    x: FloatArray, low: FloatArray, high: FloatArray, ix: GraphIndex, start: FloatArray, top: bool
) -> FloatArray:
    """Greatest (or least) mean of x over each segment, over all quantities in [low, high].

    The optimum takes the upper quantity where x lies beyond it and the lower elsewhere (Dinkelbach 1967); an
    unbounded quantity pulls the mean all the way to its own x.
    """
    sign = 1.0 if top else -1.0
    y = sign * x
    free = np.isinf(high)
    pull = np.maximum.reduceat(np.where(free, y, -np.inf), ix.segment_start)
    lam = np.maximum(sign * start, pull)
    for _ in range(len(x) + 1):
        q = np.where((y > lam[ix.segment]) & ~free, high, low)
        q = np.where(np.isinf(q), 0.0, q)
        total = np.add.reduceat(q, ix.segment_start)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.add.reduceat(q * y, ix.segment_start) / total
        better = np.fmax(lam, np.where(total > 0, mean, lam))
        if np.array_equal(better, lam):
            break
        lam = better
    return sign * lam


CAPITAL_STAGES = ("equipment", "design")


def _recipes(graph: SupplyGraph) -> pd.DataFrame:
    """Class and group of alternatives of each input of each product; of several processes the strictest class."""
    r = graph.tables["recipes"]
    frame = pd.DataFrame(
        {
            "product": r["product"].astype("object"),
            "input": r["input"].astype("object"),
            "rank": r["input_class"].map({"essential": 2, "important": 1, "minor": 0}).astype("float64"),
            "either": r["substitute_group"].astype("object").where(r["substitute_group"].notna(), None),
        }
    )
    return frame.groupby(["product", "input"]).agg(rank=("rank", "max"), either=("either", "first"))


class Net:
    """The graph as the engine sees it: segments with their class, groups of alternatives, weights."""

    def __init__(self, graph: SupplyGraph) -> None:
        ix = self.ix = graph.index
        nodes = ix.nodes
        product = nodes["product"].to_numpy(dtype=object)
        self.producer = nodes["kind"].to_numpy(dtype=object) == "producer"
        self.weight, self.unsplit = weights(ix)
        count = len(ix.segment_buyer)
        own = self.producer[ix.segment_buyer] if count else np.zeros(0, dtype=bool)
        needs = _recipes(graph)
        keys = pd.MultiIndex.from_arrays([product[ix.segment_buyer], ix.segment_product])
        found = needs.reindex(keys)
        self.cls = found["rank"].fillna(-1).to_numpy(dtype=np.int64)
        self.pool = np.asarray(~own)
        # An input link without a recipe: nobody said that the producer can do without. Essential in value and high.
        self.unsaid = own & (self.cls == -1)
        self.essential = own & (self.cls == 2) | self.unsaid
        self.important = own & (self.cls == 1)
        # Tools and software are capital: a plant that has them goes on when no more come. Their loss is felt as they
        # wear out and when plants are to grow, which this engine has no time for: it counts in the high bound only.
        p = graph.tables["products"]
        capital = set(p.loc[p["stage"].isin(CAPITAL_STAGES), "product"])
        self.capital = own & np.isin(ix.segment_product.astype(str), sorted(map(str, capital)))
        self.binds = self.pool | self.essential | self.important
        # Alternatives share a group; every other input is a group of its own.
        either = found["either"].astype("object").to_numpy(dtype=object)
        paired = own & ~pd.isna(either)
        label = np.where(paired, np.array([f"or {e}" for e in either], dtype=object), "and " + ix.segment_product)
        codes, names = pd.factorize(label)
        merged = ix.segment_buyer * max(len(names), 1) + codes
        self.group = np.unique(merged, return_inverse=True)[1].reshape(-1)
        self.groups = int(self.group.max()) + 1 if count else 0
        self.group_buyer = np.zeros(self.groups, dtype=np.int64)
        self.group_buyer[self.group] = ix.segment_buyer
        self._value_weights(graph, product)
        self._unlinked(product, needs, pd.Series(either, dtype=object))

    def _value_weights(self, graph: SupplyGraph, product: npt.NDArray[np.object_]) -> None:
        """Weight of each important input in the value of all inputs of its producer."""
        ix = self.ix
        count = len(ix.segment_buyer)
        self.part = np.zeros(count)
        self.priced = np.zeros(count, dtype=bool)
        if not count:
            return
        price = graph.tables["products"].set_index("product")["price"]
        r = graph.tables["recipes"]
        coefficient = r.groupby(["product", "input"])["coefficient"].mean()
        keys = pd.MultiIndex.from_arrays([product[ix.segment_buyer], ix.segment_product])
        cost = coefficient.reindex(keys).to_numpy(dtype=np.float64) * price.reindex(ix.segment_product).to_numpy(
            dtype=np.float64
        )
        own = ~self.pool
        known = np.bincount(ix.segment_buyer, np.isnan(cost) & own, ix.n)[ix.segment_buyer] == 0
        worth = np.where(known, np.nan_to_num(cost), 1.0) * own
        total = np.bincount(ix.segment_buyer, worth, ix.n)[ix.segment_buyer]
        self.part = np.where(total > 0, worth / np.where(total > 0, total, 1.0), 0.0)
        self.priced = known & (total > 0)

    def _unlinked(self, product: npt.NDArray[np.object_], needs: pd.DataFrame, either: pd.Series) -> None:
        """Essential inputs that a recipe asks for and no link brings: (producer, input product) pairs."""
        ix = self.ix
        makers = pd.DataFrame({"node": np.flatnonzero(self.producer), "product": product[self.producer]})
        asked = makers.merge(needs[needs["rank"] == 2].reset_index(), on="product")
        pairs = pd.MultiIndex.from_arrays([asked["node"], asked["input"]])
        linked = pairs.isin(pd.MultiIndex.from_arrays([ix.segment_buyer, ix.segment_product]))
        others = pd.MultiIndex.from_arrays([asked["node"], asked["either"].astype("object")])
        alternative = others.isin(pd.MultiIndex.from_arrays([ix.segment_buyer, either]))
        lack = asked[~linked & ~(alternative & asked["either"].notna().to_numpy(dtype=bool))]
        self.lack_node = lack["node"].to_numpy(dtype=np.int64)
        self.lack_item = lack["input"].to_numpy(dtype=object)

    def binding(self, node: int, loss: float, link: FloatArray) -> IntArray:
        """Links through which a node's loss comes: the inflow of a pool, the input of a producer that binds."""
        ix = self.ix
        here = np.flatnonzero(ix.dst == node)
        if not self.producer[node] or not len(here):
            return here
        segments = np.unique(ix.segment[here])
        seg = np.array([(self.weight * link)[here[ix.segment[here] == s]].sum() for s in segments])
        seg = np.where(self.capital[segments], 0.0, seg)
        hard = self.essential[segments]
        group = self.group[segments]
        best = np.array([seg[(group == k) & hard].min(initial=np.inf) for k in group])
        # An alternative that is worse than another of its group does not bind.
        firm = np.where(hard & (seg <= best), seg, -1.0)
        soft = np.where(self.important[segments], self.part[segments] * seg, -1.0)
        pick = firm if firm.max() >= loss - 1e-9 else soft
        return here[ix.segment[here] == segments[int(np.argmax(pick))]] if pick.max() > 0 else here[:0]

    def losses(self, cut: FloatArray, bound: str) -> tuple[FloatArray, FloatArray, int]:
        """Least fixed point of node and link losses for ``bound`` in value, low, high."""
        ix = self.ix
        node = np.zeros(ix.n)
        link = cut.copy()
        if not len(cut) or not cut.any():
            return node, np.zeros(len(cut)), 0
        names, item = pd.factorize(ix.links["product"].to_numpy(dtype=object)) if len(self.lack_item) else (None, None)
        lack = pd.Index(item).get_indexer(self.lack_item) if item is not None else np.zeros(0, dtype=np.int64)
        for step in range(1, _MOST_STEPS + 1):
            source = node[ix.src]
            link = source + cut - source * cut
            seg = np.add.reduceat(self.weight * link, ix.segment_start)
            if bound != "value":
                seg = _extreme(link, ix.low, ix.high, ix, seg, bound == "high")
            after = np.zeros(ix.n)
            after[ix.segment_buyer[self.pool]] = seg[self.pool]
            essential = self.essential & ~self.unsaid if bound == "low" else self.essential
            felt = seg if bound == "high" else np.where(self.capital, 0.0, seg)
            worst = self._essential(felt, essential, bound)
            soft = self._important(felt, bound)
            made = np.maximum(worst, soft)
            if bound == "high" and len(self.lack_node) and names is not None:
                # A supplier nobody has named is somewhere among those of that product.
                most = np.zeros(len(item) if item is not None else 0)
                np.maximum.at(most, names, link)
                np.maximum.at(made, self.lack_node[lack >= 0], most[lack[lack >= 0]])
            after = np.where(self.producer, made, after)
            after = np.clip(np.maximum(after, node), 0.0, 1.0)
            moved = float(np.max(after - node)) if len(after) else 0.0
            node = after
            if moved <= _TOLERANCE:
                source = node[ix.src]
                return node, source + cut - source * cut, step
        raise SolverError(f"rationing: no fixed point after {_MOST_STEPS} steps", "not converged")

    def _essential(self, seg: FloatArray, essential: BoolArray, bound: str) -> FloatArray:
        out = np.zeros(self.ix.n)
        if not essential.any():
            return out
        rows = np.flatnonzero(essential)
        if bound == "high":  # alternatives may be unable to make up for each other
            np.maximum.at(out, self.ix.segment_buyer[rows], seg[rows])
            return out
        best = np.full(self.groups, np.inf)
        np.minimum.at(best, self.group[rows], seg[rows])
        has = np.isfinite(best)
        np.maximum.at(out, self.group_buyer[has], best[has])
        return out

    def _important(self, seg: FloatArray, bound: str) -> FloatArray:
        out = np.zeros(self.ix.n)
        rows = np.flatnonzero(self.important)
        if not len(rows):
            return out
        loss = seg
        if bound != "high":
            best = np.full(self.groups, np.inf)
            np.minimum.at(best, self.group[rows], seg[rows])
            loss = np.where(self.important, best[self.group], seg)
        linear = np.bincount(self.ix.segment_buyer[rows], (self.part * loss)[rows], self.ix.n)
        if bound == "value":
            return np.asarray(linear)
        guess = rows[~self.priced[rows]]
        if bound == "low":  # without prices the weight may be nil
            linear = np.bincount(self.ix.segment_buyer[rows], (self.part * loss * self.priced)[rows], self.ix.n)
        elif len(guess):
            np.maximum.at(linear, self.ix.segment_buyer[guess], loss[guess])
        return np.asarray(linear)

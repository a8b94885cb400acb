"""Where accounts cannot close by what is listed: an unknown supplier, the world pool, and pools of whose supply nobody speaks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from .books import DRAW, LINK, OUTPUT, STATED, USE, Books, loose
from .equilibrate import Edges
from .flows import MAY_MAKE

__all__ = ["doubts", "unfed_pools", "with_last_resorts"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_LAST = 40.0  # price of the unknown supplier and of the world pool: used only where nothing else can close an account
_NONE: IntArray = np.zeros(0, dtype=np.int64)


def doubts(books: Books) -> BoolArray:
    """Flows that stand for what a trader may make itself (``MAY_MAKE``)."""
    may = np.append(books.graph.index.links["note"].fillna("").str.startswith(MAY_MAKE).to_numpy(dtype=bool), False)
    return np.asarray(
        (books.kind == LINK) & may[np.where(books.kind == LINK, books.row, -1)] & ~books.known, dtype=bool
    )


def unfed_pools(books: Books) -> dict[int, IntArray]:
    """Pools that send and of whose supply nothing at all is recorded, by product."""
    e, n = books.edges, books.graph.index.n
    kind = books.graph.index.nodes["kind"].to_numpy(dtype=object)
    sends = np.unique(e.tail[(books.kind == LINK) & (e.tail >= 0) & (e.tail < n)])
    lone = sends[(kind[sends] == "demand") & ~np.isin(sends, e.head)]
    block = np.zeros(n, dtype=np.int64)
    block[e.tail[(e.tail >= 0) & (e.tail < n)]] = e.block[(e.tail >= 0) & (e.tail < n)]
    return {int(k): lone[block[lone] == k] for k in np.unique(block[lone])}


def with_last_resorts(books: Books, blocks: Iterable[int], unfed: dict[int, IntArray] | None = None) -> Books:
    """Let an unlisted supplier send to every pool, and every known producer to the world pool, at a high price.

    Given ``unfed`` pools, it sends to those alone, as much as they send on, at no price: somebody must make it.
    """
    ix = books.graph.index
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    added: list[dict[str, object]] = []
    new = dict(books.new)
    codes = {name: code for code, name in new.items()}
    following = books.edges.n
    e = books.edges
    doubtful = np.isnan(books.value) | doubts(books)

    def account(node: str) -> int:
        nonlocal following
        code = codes.get(node, int(ix.position.get_indexer(pd.Index([node], dtype=object))[0]))
        if code >= 0:
            return code
        new[following] = node
        following += 1
        return following - 1

    for k in blocks:
        mine = e.block == k
        product = books.products[k]
        rest, world = account(f"{product}@ROW"), account(f"{product}@WLD:demand")
        ends = np.unique(np.concatenate([e.tail[mine], e.head[mine]]))
        ends = ends[(ends >= 0) & (ends < ix.n)]
        if unfed is not None:
            pairs = [(rest, int(j)) for j in unfed[k]]
            # Of what such a pool uses itself nobody knows: no supply is estimated for it.
            idle = mine & (books.kind == USE) & ~books.known & np.isin(e.tail, unfed[k])
            e.high[idle] = 0.0
        else:
            pools = np.union1d(ends[kind[ends] == "demand"], [world])
            fed = e.head[mine & (e.tail == rest)]
            # What an exporter may make itself says nothing of how much more an unlisted supplier brings to its users.
            industry = e.tail[mine & (books.kind == DRAW) & (e.low > 0)]
            bought = e.tail[mine & (books.kind == LINK) & np.isin(e.head, industry)]
            used = np.append(e.tail[mine & np.isin(books.kind, (USE, STATED)) & (books.known | (e.low > 0))], bought)
            wide = mine & (e.tail == rest) & doubtful & np.isin(e.head, used)
            e.high[wide] = books.span_high[wide] = np.inf
            to = np.setdiff1d(pools, fed)
            makers = ends[kind[ends] == "producer"]
            sends = e.tail[mine & (e.head == world)]
            out = np.setdiff1d(makers, np.append(sends, rest))
            least = mine & (books.kind == OUTPUT) & (books.known | (e.tail >= 0) | (e.low > 0))
            out = np.intersect1d(out, e.head[least])
            pairs = [(rest, int(j)) for j in to] + [(int(i), world) for i in out]
        t, h = (np.array(x, dtype=np.int64) for x in zip(*pairs, strict=True)) if pairs else (_NONE, _NONE)
        added.append(loose(t, h, np.full(len(t), k), LINK, np.full(len(t), -1)))
        silent = mine & (books.kind == OUTPUT) & (books.row == rest) & (e.head < 0)
        if silent.any():  # a residual that shares a total and sent nothing so far
            e.head[silent] = rest
        elif not (mine & (books.kind == OUTPUT) & (e.head == rest)).any():
            one = loose(np.array([-1]), np.array([rest]), np.array([k]), OUTPUT, np.array([-1]))
            if rest < ix.n and not np.isnan(v := float(ix.nodes["output"].iloc[rest])):
                top = float(np.nan_to_num(ix.nodes["output_high"].iloc[rest])) if v == 0 else v
                one.update({c: np.array([v]) for c in ("low", "span_low")})
                one.update(high=np.array([top]), span_high=np.array([top]), row=np.array([rest]))
                one.update(known=np.array([top <= v]), value=np.array([v if top <= v else np.nan]))
            added.append(one)
        if unfed is None and not (mine & np.isin(books.kind, (USE, STATED)) & (e.tail == world)).any():
            added.append(loose(np.array([world]), np.array([-1]), np.array([k]), USE, np.array([-1])))
    if not added:
        return books

    def grow(old: npt.NDArray[np.generic], key: str) -> npt.NDArray[np.generic]:
        return np.concatenate([old, *(np.asarray(a[key], dtype=old.dtype) for a in added)])

    more = sum(len(np.asarray(a["tail"])) for a in added)
    arrays = {k: grow(getattr(e, k), k) for k in ("tail", "head", "low", "high", "block")}
    edges = Edges(following, **arrays)  # type: ignore[arg-type]
    rest_of = {k: grow(getattr(books, k), k) for k in ("kind", "row", "value", "known", "span_low", "span_high", "aim")}
    rest_of["hint"] = np.append(books.hint, np.full(more, np.nan))
    rest_of["again"] = np.append(books.again, np.zeros(more, dtype=bool))
    rest_of["ceiling"] = np.append(books.ceiling, np.full(more, np.inf))
    sure = np.concatenate([np.asarray(a["known"]) for a in added])
    new_value = np.concatenate([np.asarray(a["value"]) for a in added])
    kinds = np.concatenate([np.asarray(a["kind"]) for a in added])
    stiff = np.append(books.stiff, np.where(sure & (new_value > 0), 0.1 * new_value, np.nan))
    price = np.append(books.price, np.where((kinds == LINK) & (unfed is None), _LAST, 0.0))
    return Books(books.graph, books.products, edges, stiff=stiff, price=price[: len(books.price) + more], new=new,
                  **rest_of)  # type: ignore[arg-type]  # fmt: skip

"""A generated graph with cycles: from table to sparse view, concentration of every market, exposure through all tiers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from supplyrisk.compiled import numpy_only
from supplyrisk.graph import SupplyGraph
from supplyrisk.metrics import Mix, concentration_ratio, effective_suppliers, hhi, n_suppliers
from supplyrisk.ordering import arrange, look_up, segments
from supplyrisk.schema import TABLES, coerce
from supplyrisk.tracing import plan_of, trace

from ..harness import Missing, Phases, Stopped, benchmark

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_SIZES = {"S": {"nodes": 200, "links": 1_200}, "M": {"nodes": 20_000, "links": 200_000}}
_SIZES["L"] = {"nodes": 100_000, "links": 1_000_000}
_PRODUCTS = 60
_FOCAL = ("CHN", "USA", "JPN", "DEU", "AUS", "CHL", "IDN", "COD")
_COUNTRIES = (*_FOCAL, "FRA", "ZAF", "KOR", "IND", "RUS", "CAN", "BRA", "GBR", "NLD", "BEL", "FIN", "MEX")


def _plain(call: Callable[[], Any]) -> Callable[[], Any]:
    """The same on the numpy route."""

    def run() -> Any:
        with numpy_only():
            return call()

    return run


def _networkx() -> Any:
    try:
        import networkx
    except ImportError as err:
        raise Missing("networkx") from err
    return networkx


@dataclass(frozen=True)
class _Net:
    """Codes of a generated graph: every node makes one product from at most three others, in loops."""

    product: IntArray
    country: IntArray
    src: IntArray
    dst: IntArray
    quantity: FloatArray

    @property
    def n(self) -> int:
        return len(self.product)


@lru_cache(maxsize=1)
def _net(seed: int, nodes: int, links: int) -> _Net:
    rng = np.random.default_rng(seed)
    product = rng.integers(0, _PRODUCTS, nodes)
    needs = rng.integers(0, _PRODUCTS, (_PRODUCTS, 3))
    makers = [np.flatnonzero(product == p) for p in range(_PRODUCTS)]
    # A tenth of the nodes are primary: nothing flows into them.
    buyer = rng.integers(nodes // 10, nodes, int(links * 1.15))
    wanted = needs[product[buyer], rng.integers(0, 3, len(buyer))]
    size = np.array([len(m) for m in makers])
    flat, first = np.concatenate(makers), np.concatenate([[0], np.cumsum(size)[:-1]])
    supplier = flat[first[wanted] + (rng.random(len(buyer)) * size[wanted]).astype(np.int64)]
    key = np.unique(buyer * nodes + supplier)
    key = key[key // nodes != key % nodes]
    key = rng.permutation(key)[:links]
    return _Net(
        product, rng.integers(0, len(_COUNTRIES), nodes), key % nodes, key // nodes, rng.lognormal(3.0, 1.5, len(key))
    )


def _graph(net: _Net) -> SupplyGraph:
    """The same as a graph; tables are coerced and not validated, which is not what is measured here."""
    name = np.array([f"p{i:02d}.refined" for i in range(_PRODUCTS)], dtype=object)
    place = np.array(_COUNTRIES, dtype=object)[net.country]
    made = name[net.product]
    number = np.char.zfill(np.arange(net.n).astype(str), 6).astype(object)
    ids = made + "@" + place + "#s" + number
    frames = {
        "products": pd.DataFrame(
            {"product": name, "name": name, "commodity": name, "chain": "c", "stage": "refine", "unit": "t"}
            | {"basis": "contained", "period": "year"}
        ),
        "nodes": pd.DataFrame({"node": ids, "product": made, "country": place, "kind": "producer", "year": 2024}),
        "links": pd.DataFrame(
            {"supplier": ids[net.src], "buyer": ids[net.dst], "product": made[net.src], "quantity": net.quantity}
            | {"year": 2024, "grade": "B", "method": "observed"}
        ),
    }
    tables = {k: t.empty() for k, t in TABLES.items()}
    tables |= {k: coerce(f, TABLES[k])[0] for k, f in frames.items()}
    return SupplyGraph(tables, "generated")


def _by_networkx(net: _Net) -> Any:
    nx = _networkx()
    frame = pd.DataFrame({"u": net.src, "v": net.dst, "q": net.quantity, "k": net.product[net.src]})
    return nx.from_pandas_edgelist(frame, "u", "v", ["q", "k"], create_using=nx.DiGraph)


@benchmark(sizes=_SIZES, aims={"from_codes": ("scipy coo.tocsr", 2.0), "from_ids": ("networkx", 0.35)}, repeat=3)
def graph_view(seed: int, nodes: int, links: int) -> Phases:
    """Links to a sparse view in canonical order with shares: from codes beside ``coo.tocsr``, from text ids beside networkx."""
    from scipy import sparse

    net = _net(seed, nodes, links)
    product = net.product[net.src]
    shape = (net.n, net.n)

    def from_codes() -> Any:
        order, src, dst, made = arrange(net.src, net.dst, product, net.n)
        start, _, share = segments(dst, made, look_up(net.quantity, order))
        count = np.bincount(dst, minlength=net.n)
        return sparse.csr_matrix((share, src, np.concatenate([[0], np.cumsum(count)])), shape=shape), start

    def scipy_alone() -> Any:
        return sparse.coo_matrix((net.quantity, (net.dst, net.src)), shape=shape).tocsr()

    graph = _graph(net)

    def from_ids() -> Any:
        return SupplyGraph(graph.tables, graph.name).index

    text = graph.tables["links"][["supplier", "buyer", "product", "quantity"]]

    def ids_networkx() -> Any:
        nx = _networkx()
        return nx.from_pandas_edgelist(text, "supplier", "buyer", ["product", "quantity"], create_using=nx.DiGraph)

    mine, ix, plain = from_codes()[0], from_ids(), scipy_alone()
    total = np.bincount(ix.segment, ix.quantity)[ix.segment]
    if not np.allclose(ix.share * total, ix.quantity):
        raise AssertionError("shares do not give back the flows")
    amount = sparse.csr_matrix((ix.quantity, (ix.dst, ix.src)), shape=shape)
    ranked = ix.nodes["node"].str.slice(-6).astype("int64").to_numpy()
    back = sparse.csr_matrix((np.ones(net.n), (ranked, np.arange(net.n))), shape=shape)
    if abs(back @ amount @ back.T - plain).max() > 1e-9 or mine.nnz != plain.nnz:
        raise AssertionError("the sparse views differ")
    return {
        "from_codes": {
            "supplyrisk": from_codes,
            "numpy route": _plain(from_codes),
            "scipy coo.tocsr": scipy_alone,
            "networkx": lambda: _by_networkx(net),
        },
        "from_ids": {"supplyrisk": from_ids, "networkx": ids_networkx},
    }


@benchmark(
    sizes={k: v | {"times": {"S": 1, "M": 4, "L": 16}[k]} for k, v in _SIZES.items()},
    aims={
        "columns": ("networkx", 0.01),
        "hhi_sorted": ("40 % of copying in cache", 1.0),
        "hhi_memory": ("40 % of copy bandwidth", 1.0),
    },
    repeat=5,
)
def graph_concentration(seed: int, nodes: int, links: int, times: int) -> Phases:
    """HHI, top three, effective and counted suppliers, largest share of every (buyer, product), beside networkx.

    The columns of a million links fit in the last cache of many machines, where copying has no bandwidth of the memory
    to keep to. ``hhi_sorted`` is beside a copy that runs there too; ``hhi_memory`` takes the graph several ``times``,
    to arrays of four times such a cache and more, as bandwidth is measured (McCalpin, 1995, STREAM).
    """
    net = _net(seed, nodes, links)
    product = net.product[net.src]
    order, src, dst, made = arrange(net.src, net.dst, product, net.n)
    quantity = net.quantity[order]
    start, segment, _ = segments(dst, made, quantity)
    graph = _by_networkx(net)

    def columns() -> FloatArray:
        mix = Mix.build(segment, len(start), quantity, unit=src)
        return np.column_stack(
            [
                hhi(mix),
                concentration_ratio(mix, 1),
                concentration_ratio(mix, 3),
                effective_suppliers(mix),
                n_suppliers(mix),
            ]
        )

    def by_networkx() -> FloatArray:
        out = []
        for v in range(net.n):
            by: dict[int, list[float]] = {}
            for _, _, d in graph.in_edges(v, data=True) if v in graph else ():
                by.setdefault(d["k"], []).append(d["q"])
            for k in sorted(by):
                q = sorted(by[k], reverse=True)
                total = sum(q)
                h = sum(x * x for x in q) / total**2
                out.append((h, q[0] / total, sum(q[:3]) / total, 1.0 / h, float(len(q))))
        return np.array(out)

    def sorted_hhi() -> FloatArray:
        return np.asarray(hhi(Mix.build(segment, len(start), quantity, unit=src)), dtype=np.float64)

    many = np.tile(quantity, times)
    markets = (np.arange(times)[:, None] * len(start) + segment).ravel()
    units = np.tile(src, times)

    def memory_hhi() -> FloatArray:
        return np.asarray(hhi(Mix.build(markets, times * len(start), many, unit=units)), dtype=np.float64)

    # The least that must be moved: quantity and market of each row are read, the index of each market is written. A
    # copied number moves 16 bytes: at 40 % of the speed of copying, these are so many rows of a copy.
    twin = np.empty_like(many)

    def copying(x: FloatArray, into: FloatArray, n: int) -> Callable[[], None]:
        rows = int((16 * len(x) + 8 * n) / 16 / 0.4)

        def run() -> None:
            for a in range(0, rows, len(x)):
                part = min(len(x), rows - a)
                np.copyto(into[:part], x[:part])

        return run

    if not np.allclose(columns(), by_networkx()):
        raise AssertionError("the two routes disagree")
    if not np.array_equal(memory_hhi(), np.tile(sorted_hhi(), times)):
        raise AssertionError("a market's index depends on the others")
    return {
        "columns": {"supplyrisk": columns, "numpy route": _plain(columns), "networkx": by_networkx},
        "hhi_sorted": {
            "supplyrisk": sorted_hhi,
            "numpy route": _plain(sorted_hhi),
            "40 % of copying in cache": copying(quantity, twin[: len(quantity)], len(start)),
        },
        "hhi_memory": {
            "supplyrisk": memory_hhi,
            "numpy route": _plain(memory_hhi),
            "40 % of copy bandwidth": copying(many, twin, times * len(start)),
        },
    }


@benchmark(
    sizes={
        k: v | {"most": None if k == "S" else 3, "needs": {"S": (0, 0), "M": (74, 154), "L": (73, 510)}[k]}
        for k, v in _SIZES.items()
    },
    aims={"origin": ("networkx", 0.02), "bottleneck": ("networkx", 0.02)},
    repeat=1,
)
def graph_tracing(seed: int, nodes: int, links: int, most: int | None, needs: tuple[int, int]) -> Phases:
    """Linear and bottleneck exposure of all nodes to eight focal countries, beside sweeps over a networkx graph.

    At sizes M and L the reference would run for minutes, and for more than half an hour. It is stopped after three sweeps,
    and its time is that of as many sweeps of the same pace as it ``needs`` until no exposure moves by more than 1e-10: at L
    73 (linear) and 510 (bottleneck) of graph 0, counted by a compiled loop that takes the nodes in the same order. There
    the equality is tried on two thousand nodes, each against its own suppliers.
    """
    import time

    net = _net(seed, nodes, links)
    graph = _graph(net)
    ix = graph.index
    code = ix.nodes["node"].str.slice(-6).astype("int64").to_numpy()  # place of each node in the generated codes
    place = ix.nodes["country"].to_numpy(dtype=object)
    own = np.column_stack([(place == c).astype(np.float64) for c in _FOCAL])
    plan_of(graph)
    other = _by_networkx(net)

    mine = [_FOCAL.index(c) if c in _FOCAL else -1 for c in (_COUNTRIES[i] for i in net.country)]

    def inputs_of(v: int) -> list[list[tuple[int, float]]]:
        by: dict[int, list[tuple[int, float]]] = {}
        for u, _, d in other.in_edges(v, data=True) if v in other else ():
            by.setdefault(d["k"], []).append((u, d["q"]))
        out = []
        for s in by.values():
            total = sum(q for _, q in s)
            out.append([(u, q / total) for u, q in s])
        return out

    def exposed(v: int, inputs: list[list[tuple[int, float]]], x: Any, worst: bool) -> list[float]:
        parts = []
        for s in inputs:
            e = [0.0] * len(_FOCAL)
            for u, share in s:
                e = [a + share * b for a, b in zip(e, x[u], strict=True)]
            parts.append(e)
        if not parts:
            new = [0.0] * len(_FOCAL)
        elif worst:
            new = [max(c) for c in zip(*parts, strict=True)]
        else:
            new = [sum(c) / len(parts) for c in zip(*parts, strict=True)]
        if mine[v] >= 0:
            new[mine[v]] = 1.0
        return new

    def sweeps(worst: bool) -> Callable[[], FloatArray | Stopped]:
        def run() -> FloatArray | Stopped:
            start = time.perf_counter()
            x = [[0.0] * len(_FOCAL) for _ in range(net.n)]
            inputs = [inputs_of(v) for v in range(net.n)]
            gap, done = 1.0, 0
            ready = time.perf_counter()
            while gap > 1e-10 and done != most:  # Gauss-Seidel, all focal countries of a node at once
                gap, done = 0.0, done + 1
                for v in range(net.n):
                    new = exposed(v, inputs[v], x, worst)
                    gap = max(gap, *(abs(a - b) for a, b in zip(new, x[v], strict=True)))
                    x[v] = new
            if most is not None:
                return Stopped(ready - start + (time.perf_counter() - ready) / done * needs[worst])
            return np.array(x)[code]

        return run

    def ours(mode: Any) -> Callable[[], FloatArray]:
        def run() -> FloatArray:
            return trace(graph, own, mode)

        return run

    for mode, worst in (("linear", False), ("bottleneck", True)):
        got = ours(mode)()
        if most is None:
            same = np.allclose(got, np.asarray(sweeps(worst)()), atol=1e-8)
        else:
            x = np.empty_like(got)
            x[code] = got
            some = np.random.default_rng(seed).choice(net.n, min(2_000, net.n), replace=False)
            same = all(np.allclose(x[v], exposed(v, inputs_of(v), x, worst), atol=1e-8) for v in some.tolist())
        if not same:
            raise AssertionError(f"the two routes disagree ({mode})")
    return {
        "origin": {"supplyrisk": ours("linear"), "networkx": sweeps(False)},
        "bottleneck": {
            "supplyrisk": ours("bottleneck"),
            "numpy route": _plain(ours("bottleneck")),
            "networkx": sweeps(True),
        },
    }

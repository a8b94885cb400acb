"""Compiled loops give what the numpy route gives, which is taken without the compiler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from supplyrisk import compiled
from supplyrisk.graph import SupplyGraph
from supplyrisk.metrics import Mix, arrays, concentration_ratio, focal_share, hhi, n_suppliers
from supplyrisk.ordering import arrange, segments
from supplyrisk.schema import TABLES, coerce
from supplyrisk.tracing import trace

needs = pytest.mark.skipif(compiled._numba() is None, reason="numba is not installed: pip install supplyrisk[fast]")


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(compiled, "LARGE", 1)
    assert compiled.route(1) == "compiled"


def both(call):
    with compiled.numpy_only():
        plain = call()
    return call(), plain


@needs
@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("several", [False, True])
def test_links_in_order(seed, several, always):
    rng = np.random.default_rng(seed)
    n, m, kinds = int(rng.integers(1, 30)), int(rng.integers(1, 300)), int(rng.integers(1, 6))
    src, dst = rng.integers(0, n, m), rng.integers(0, n, m)
    product = rng.integers(0, kinds, m) if several else rng.integers(0, kinds, n)[src]
    for x in (src, dst, product):
        x.flags.writeable = False
    fast, plain = both(lambda: arrange(src, dst, product, n))
    for a, b in zip(fast, plain, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)
    quantity = rng.lognormal(0, 2, m) * (rng.random(m) < 0.9)
    quantity[rng.random(m) < 0.1] = np.nan
    for kind in (np.int32, np.int64):
        d, k = (x.astype(kind) for x in fast[2:])
        for a, b in zip(*both(lambda d=d, k=k: segments(d, k, quantity)), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-12)


@needs
@pytest.mark.parametrize("gaps", [False, True])
def test_two_threads_sum_as_one(monkeypatch, gaps):
    rng = np.random.default_rng(3)
    n = 150_000
    market = np.sort(rng.integers(5, n - 7, 4 * compiled.LARGE + 11))  # nobody in the first and the last markets
    x = rng.lognormal(0, 2, len(market))
    if gaps:
        x[rng.random(len(x)) < 0.01] = np.nan
    found = {}
    for cores in (1, 2):
        monkeypatch.setattr(compiled, "_cores", lambda cores=cores: cores)
        found[cores] = compiled.sorted_sums(market, x, n) + compiled.sorted_peaks(market, np.nan_to_num(x), n)
    for one, two in zip(found[1], found[2], strict=True):
        np.testing.assert_array_equal(one, two)
    known = np.nan_to_num(x)
    total = np.bincount(market, known, n)
    np.testing.assert_allclose(found[2][0], total)
    assert np.isnan(found[2][1][total == 0]).all()
    np.testing.assert_allclose(
        found[2][1][total > 0], np.bincount(market, known**2, n)[total > 0] / total[total > 0] ** 2
    )


@needs
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_second_thread_of_its_own(monkeypatch):
    monkeypatch.setattr(compiled, "_cores", lambda: 2)
    market, x = np.arange(4 * compiled.LARGE), np.ones(4 * compiled.LARGE)
    compiled.sorted_sums(market, x, len(x))
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # rather than hang with a thread that is not there
        os._exit(0 if compiled.sorted_sums(market, x, len(x))[0].sum() == len(x) else 1)
    assert os.waitpid(child, 0)[1] == 0


@needs
@pytest.mark.parametrize("seed", range(20))
def test_sorted_markets(seed, always):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    market = np.sort(rng.integers(0, n, int(rng.integers(1, 400))))
    if seed % 4 == 0:
        market[:] = n - 1  # one market longer than a quarter of the rows
    q = rng.lognormal(0, 2, len(market)) * (rng.random(len(market)) < 0.9)
    low = high = None
    if seed % 3 == 0:
        q[rng.random(len(q)) < 0.1] = np.nan
        low, high = np.nan_to_num(q), np.where(np.isnan(q), 9.0, q)
    step = q[::-1][::-1]  # a view: no copy is taken for granted

    def columns():
        mix = Mix.build(market, n, step, low=low, high=high)
        return [
            *(
                hhi(mix),
                hhi(mix),
                n_suppliers(mix),
                concentration_ratio(mix, 1),
                concentration_ratio(mix, 2),
                mix.total,
            ),
            *(concentration_ratio(mix, 3), concentration_ratio(mix, 4), mix.size, mix.named, mix.squares),
        ]

    for a, b in zip(*both(columns), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    for a, b in zip(*both(lambda: [Mix.build(market, n, step).named]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@needs
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int16])
def test_markets_by_integer_keys(seed, kind, always, monkeypatch):
    monkeypatch.setattr(arrays, "LONG", 1)
    rng = np.random.default_rng(seed)
    rows = 5_000
    by = [np.sort(rng.integers(-4, 30, rows)).astype(kind), rng.integers(5, 40, rows).astype(kind)][: 1 + seed % 2]
    q = rng.lognormal(0, 2, rows)
    if seed % 3 == 0:
        q[rng.random(rows) < 0.1] = 0.0
    focal = rng.random(rows) < 0.2

    def measure():
        mix = Mix.of(q, by=by, focal=focal)
        return mix, [hhi(mix), focal_share(mix), n_suppliers(mix), concentration_ratio(mix), mix.market]

    (mix, fast), (other, plain) = both(measure)
    assert mix.labels.equals(other.labels)
    assert mix.ordered == other.ordered
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def chain(seed: int) -> SupplyGraph:
    """Pools and makers in loops, with alternatives, important and minor inputs, and flows nobody knows."""
    rng = np.random.default_rng(seed)
    kinds, places = ["a.mined", "b.refined", "c.alloy", "d.part"], ["CHN", "USA", "JPN", "WLD"]
    nodes = [
        (f"{p}@{c}" + s, p, c, k) for p in kinds for c in places for s, k in (("", "producer"), (":demand", "demand"))
    ]
    nodes = [x for x in nodes if not (x[2] == "WLD" and x[3] == "producer")]
    recipe = [
        ("b.refined", "a.mined", "essential", None), ("c.alloy", "a.mined", "essential", "g"),
        ("c.alloy", "b.refined", "essential", "g"), ("d.part", "c.alloy", "essential", None),
        ("d.part", "b.refined", "important", "h"), ("d.part", "a.mined", "important", "h"),
        ("a.mined", "d.part", "important", None), ("b.refined", "d.part", "minor", None),
    ]  # fmt: skip
    links = []
    for p in kinds:
        for c in places:
            for s in nodes:
                if s[1] == p and s[0] != f"{p}@{c}:demand" and rng.random() < 0.5:
                    links.append((s[0], f"{p}@{c}:demand", p))
    for made, k, _, _ in recipe:
        links += [(f"{k}@{c}:demand", f"{made}@{c}", k) for c in places[:3] if rng.random() < 0.9]
    frames = {
        "products": pd.DataFrame({"product": kinds, "name": kinds, "commodity": "x", "chain": "c", "stage": "refine"})
        .assign(unit="t", basis="contained", period="year"),
        "nodes": pd.DataFrame(nodes, columns=["node", "product", "country", "kind"]).assign(year=2024),
        "recipes": pd.DataFrame(recipe, columns=["product", "input", "input_class", "substitute_group"])
        .assign(coefficient=1.0, unit="t/t"),
        "links": pd.DataFrame(links, columns=["supplier", "buyer", "product"])
        .assign(quantity=np.where(rng.random(len(links)) < 0.1, np.nan, rng.lognormal(0, 1, len(links))), year=2024),
    }  # fmt: skip
    tables = {k: t.empty() for k, t in TABLES.items()}
    tables |= {k: coerce(f, TABLES[k])[0] for k, f in frames.items()}
    return SupplyGraph(tables, "loops")


@needs
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["linear", "bottleneck", "partial", "strict"])
def test_exposure_through_all_tiers(seed, mode, always):
    g = chain(seed)
    place = g.index.nodes["country"].to_numpy(dtype=object)
    rng = np.random.default_rng(seed)
    own = np.column_stack([(place == "CHN").astype(float), rng.random(len(place)), (place == "JPN") * 0.4])
    for unknown in (0.0, 0.5, 1.0):
        fast, plain = both(lambda unknown=unknown: trace(g, own, mode, unknown=unknown))
        np.testing.assert_allclose(fast, plain, atol=1e-9)
        np.testing.assert_allclose(trace(g, own[:, 1], mode, unknown=unknown), fast[:, 1], atol=1e-9)


def test_the_numpy_route_is_taken_without_the_compiler(monkeypatch):
    def absent(name):
        raise ImportError(name)

    compiled._numba.cache_clear()
    monkeypatch.setattr(compiled.importlib, "import_module", absent)
    try:
        assert compiled.route(10**9) == "numpy"
        monkeypatch.setattr(compiled, "LARGE", 1)
        assert hhi(Mix.build(np.array([0, 0, 1]), 2, np.array([3.0, 1.0, 5.0]))).tolist() == [0.625, 1.0]
    finally:
        compiled._numba.cache_clear()


def test_few_rows_do_not_load_the_compiler():
    probe = "import sys; from supplyrisk.metrics import hhi; hhi([1.0] * 1000); assert 'numba' not in sys.modules"
    done = subprocess.run([sys.executable, "-W", "error", "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs
def test_nowhere_to_keep_what_was_compiled(monkeypatch):
    numba = compiled._numba()
    real = numba.njit

    def njit(*args, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", njit)
    square = compiled._compile(_square, "lf")
    assert square(np.array([1]), np.array([3.0])) == 9.0


def _square(code, x):
    return x[0] * x[0]

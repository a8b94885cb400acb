"""Bounds: worked examples, and every exact bound against brute force."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from supplyrisk import metrics as m
from supplyrisk.errors import SchemaError
from supplyrisk.metrics.bounds import dirichlet_moments, hhi_bounds, hhi_interval, share_bounds


@pytest.fixture
def rng(request):
    """Numbers of a test's own, the same whichever tests run beside it."""
    return np.random.default_rng(list(request.node.name.encode()))


def test_h1_worked_example():
    s = [0.5, 0.2, 0.1]
    assert m.hhi_bounds(s, top=True) == pytest.approx((0.300000, 0.320000), abs=5e-7)
    assert m.hhi_bounds(s, count=8).low == pytest.approx(0.305000, abs=5e-7)
    assert m.hhi_bounds(s).high == pytest.approx(0.340000, abs=5e-7)
    assert m.hhi_bounds([0.6, 0.4]) == pytest.approx((0.52, 0.52))


def test_h1_rejects_what_cannot_be():
    with pytest.raises(SchemaError, match="cannot hold"):
        m.hhi_bounds([0.5, 0.2], largest=0.05, count=2)
    with pytest.raises(SchemaError, match="more than 1"):
        m.hhi_bounds([50, 20, 10])
    with pytest.raises(SchemaError, match="missing"):
        m.hhi_bounds([0.5, np.nan])


def test_h2_worked_example():
    low, high = hhi_interval([0.4, 0.1, 0.05, 0.0], [0.7, 0.3, 0.25, 0.2])
    assert low == pytest.approx(0.280000, abs=5e-7)
    assert high == pytest.approx(0.555000, abs=5e-7)
    with pytest.raises(SchemaError, match="no set of shares"):
        hhi_interval([0.6, 0.5], [0.7, 0.6])


def _vertices(low, high):
    """All points of the share box that add to 1 with at most one coordinate off its bounds."""
    n = len(low)
    for free in range(n):
        for ends in itertools.product((0, 1), repeat=n - 1):
            s = np.empty(n)
            others = [i for i in range(n) if i != free]
            for i, e in zip(others, ends, strict=True):
                s[i] = high[i] if e else low[i]
            s[free] = 1 - s[others].sum()
            if low[free] - 1e-12 <= s[free] <= high[free] + 1e-12:
                yield s


def test_h2_against_brute_force(rng):
    for _ in range(150):
        n = int(rng.integers(2, 8))
        mid = rng.dirichlet(np.ones(n))
        width = rng.random(n) * 0.3 * (rng.random(n) < 0.8)
        low, high = np.maximum(mid - width, 0), np.minimum(mid + width, 1)
        got = hhi_interval(low, high)
        want = max(float((s**2).sum()) for s in _vertices(low, high))
        assert got.high == pytest.approx(want, abs=1e-10)
        draws = rng.uniform(low, high, (2000, n))
        draws = draws[np.abs(draws.sum(axis=1) - 1) < 0.02]
        s = np.clip(draws - (draws.sum(axis=1, keepdims=True) - 1) / n, low, high)
        s = s[np.abs(s.sum(axis=1) - 1) < 1e-9]
        if len(s):
            assert got.low <= (s**2).sum(axis=1).min() + 1e-12


def _brute(rng, low, high, f):
    corners = [f(np.array(c)) for c in itertools.product(*zip(low, high, strict=True))]
    inside = [f(rng.uniform(low, high)) for _ in range(400)]
    levels = np.concatenate([low, high, np.linspace(low.min(), high.max(), 301)])
    cut = [f(np.clip(x, low, high)) for x in levels]
    return corners, inside, cut


def _box(rng, n):
    low = rng.random(n) * (rng.random(n) < 0.8)
    high = low + rng.random(n) * (rng.random(n) < 0.8) * rng.choice([0.1, 1.0, 5.0])
    return low, np.maximum(high, 1e-3)


def _h(q):
    return float((q**2).sum() / q.sum() ** 2) if q.sum() > 0 else np.nan


def test_hhi_of_a_box_of_quantities_against_brute_force(rng):
    for _ in range(200):
        n = int(rng.integers(1, 8))
        low, high = _box(rng, n)
        got = m.hhi.interval((low + high) / 2, low=low, high=high)
        corners, inside, cut = _brute(rng, low, high, _h)
        assert got[1] == pytest.approx(np.nanmax(corners), abs=1e-10)
        assert got[0] == pytest.approx(np.nanmin(cut), abs=2e-3)  # the water level is tried on a grid
        assert got[0] <= np.nanmin(inside + cut) + 1e-12
        assert m.hhi((low + high) / 2) <= got[1] + 1e-12


def test_hhi_of_a_box_with_residual_and_unknown_against_brute_force(rng):
    for _ in range(120):
        n = int(rng.integers(1, 6))
        low, high = _box(rng, n)
        rest, open_ = rng.random(2) * (rng.random(2) < 0.7)
        got = m.hhi.interval((low + high) / 2, low=low, high=high, residual=rest, unknown=open_)
        best = -1.0
        for corner in itertools.product(*zip(low, high, strict=True)):
            base = np.append(np.array(corner), rest)
            for k in range(n + 1):
                q = base.copy()
                q[k] += open_
                best = max(best, _h(q))
            best = max(best, _h(np.append(base, open_)))
        assert got[1] == pytest.approx(best, abs=1e-10)
        spread = rest + open_
        for x in np.linspace(low.min(), high.max(), 500):
            q = np.clip(x, low, high)
            if q.sum() + spread > 0:
                assert got[0] <= (q**2).sum() / (q.sum() + spread) ** 2 + 1e-12


def _shannon(q):
    s = q[q > 0] / q.sum()
    return float(-(s * np.log(s)).sum())


def _normal(q, root=False):
    n = (q > 0).sum()
    if n <= 1:
        return 1.0
    h, even = _h(q), 1 / n
    return (math.sqrt(h) - math.sqrt(even)) / (1 - math.sqrt(even)) if root else (h - even) / (1 - even)


AMONG = {
    "shannon": _shannon,
    "theil": lambda q: math.log((q > 0).sum()) - _shannon(q),
    "evenness": lambda q: _shannon(q) / math.log((q > 0).sum()) if (q > 0).sum() > 1 else np.nan,
    "hhi_normalized": _normal,
    "unctad_concentration": lambda q: _normal(q, True),
}


def _quantities(rng, low, high, more):
    """Corners, water levels and draws of a box, each with all, some or none of ``more`` added to the suppliers."""
    tiny = np.where(high + more > 0, 1e-12, 0.0)  # there, but as good as nothing
    n = len(low)
    for corner in itertools.product(*zip(low, high, strict=True)):
        for k in range(n + 1):
            q = np.array(corner)
            if k < n:
                q[k] += more
            yield np.maximum(q, tiny)
            yield q
    spare = np.flatnonzero(low <= 0)
    levels = np.unique(np.concatenate([low, high, np.linspace(0, high.max() + more, 120)]))
    for size in range(len(spare) + 1):
        for gone in itertools.combinations(spare, size):
            here = ~np.isin(np.arange(n), gone)
            for level in levels:
                q = np.where(here, np.clip(level, low, high), 0.0)
                yield q
                if more > 0:  # raise the lowest of those who are there
                    over = np.where(here, np.maximum(level - np.maximum(q, low), 0.0), 0.0)
                    if over.sum() <= more:
                        yield q + over
    for _ in range(100):
        yield rng.uniform(low, high) + more * rng.random() * rng.dirichlet(np.ones(n))


@pytest.mark.parametrize("name", AMONG)
@pytest.mark.parametrize("open_", [False, True], ids=["box", "unknown"])
def test_measures_among_the_named_against_brute_force(rng, name, open_):
    measure, f = getattr(m, name), AMONG[name]
    for _ in range(25):
        n = int(rng.integers(1, 5))
        low, high = _box(rng, n)
        low = low * (rng.random(n) < 0.7)
        more = float(rng.random()) if open_ else 0.0
        mid = (low + high) / 2
        # The bounds of the entropy hold whoever is behind the rest; all others leave it out.
        left = {} if name == "shannon" else {"residual": 0.3}
        if name == "shannon" and open_:
            continue
        got = measure.interval(mid, low=low, high=high, unknown=more, **left)
        tried = np.array([f(q) for q in _quantities(rng, low, high, more) if q.sum() > 0])
        tried = tried[~np.isnan(tried)]
        if not len(tried):
            assert np.isnan(got).all()
            continue
        assert got[0] <= tried.min() + 1e-9
        assert got[1] >= tried.max() - 1e-9
        corner = int(name in ("theil", "hhi_normalized", "unctad_concentration"))  # the other end lies on a level
        assert got[corner] == pytest.approx((tried.min(), tried.max())[corner], abs=1e-5)
        assert got[1 - corner] == pytest.approx((tried.min(), tried.max())[1 - corner], abs=5e-3)
        value = measure(mid, unknown=more, **left)
        assert np.isnan(value) or got[0] - 1e-9 <= value <= got[1] + 1e-9


def test_bounds_of_entropy_hold_whoever_is_behind_the_rest(rng):
    assert m.effective_suppliers.interval(pd.Series({"A": 1.0, "ROW": 4.0}), order=1) == pytest.approx(
        (math.exp(_shannon(np.array([1.0, 4.0]))), np.inf)
    )
    assert m.shannon.interval(pd.Series({"A": 1.0, "UNK": 4.0})) == (0.0, np.inf)  # it may all be of A
    assert m.shannon.interval(pd.Series({"ROW": 4.0})) == (0.0, np.inf)
    for _ in range(60):
        q = rng.uniform(0, 3, int(rng.integers(1, 5)))
        rest, anyone = (float(rng.choice([0.0, 1.0]) * rng.uniform(0, 2)) for _ in range(2))
        given = {"residual": rest, "unknown": anyone}
        low, high = m.shannon.interval(q, **given)
        ends = [m.effective_suppliers.interval(q, order=o, **given) for o in (1, 2)]
        values = [m.effective_suppliers(q, order=o, **given) for o in (1, 2)]
        assert np.isnan(values[0]) == np.isnan(values[1])
        assert not values[0] < values[1] - 1e-12  # a law of Hill numbers, with any rest
        assert ends[0][0] >= ends[1][0] - 1e-9
        assert ends[0][1] >= ends[1][1] - 1e-9
        for value, side in zip(values, ends, strict=True):
            assert np.isnan(value) or side[0] - 1e-9 <= value <= side[1] + 1e-9
        value = m.shannon(q, **given)
        assert np.isnan(value) or low - 1e-9 <= value <= high + 1e-9
        for _ in range(30):
            all_ = np.append(q, rest * rng.dirichlet(np.ones(int(rng.integers(1, 4)))))
            all_[rng.integers(0, len(all_)) if rng.random() < 0.7 else int(np.argmax(q))] += anyone
            assert low - 1e-9 <= _shannon(all_) <= high + 1e-9
            assert ends[0][0] - 1e-9 <= math.exp(_shannon(all_)) <= ends[0][1] + 1e-9


def test_order_0_is_the_number_of_suppliers():
    q = pd.Series({"A": 3.0, "B": 1.0, "C": 0.0, "ROW": 1.0})
    assert m.effective_suppliers(q, order=0) == m.n_suppliers(q) == 2.0
    assert m.effective_suppliers.interval(q, order=0) == m.n_suppliers.interval(q)
    values = [m.effective_suppliers([3.0, 1.0, 1.0], order=o) for o in (0, 1, 2, math.inf)]
    assert values == sorted(values, reverse=True)


def test_measures_among_the_named_at_their_ends():
    q, low, high = [3.0, 1.0, 2.0], [3.0, 0.0, 2.0], [3.0, np.inf, 2.0]
    assert m.shannon.interval(q, low=low, high=high)[0] == 0  # the second may be all there is
    assert m.evenness.interval(q, low=low, high=high)[1] == pytest.approx(
        _shannon(np.array([3, 2.4, 2])) / math.log(3), abs=1e-3
    )
    assert m.shannon.interval([4.0, 4.0]) == pytest.approx((math.log(2), math.log(2)))
    assert m.theil.interval([4.0, 4.0]) == pytest.approx((0, 0))
    assert m.hhi_normalized.interval([5.0]) == (1.0, 1.0)
    assert np.isnan(m.evenness.interval([5.0])).all()
    assert np.isnan(m.shannon.interval([0.0])).all()
    assert m.effective_suppliers.interval([1.0, 1.0], 1) == pytest.approx((2, 2))
    assert m.hhi_normalized.interval([1.0, 1.0], count=4) == pytest.approx((1 / 3, 1 / 3))
    by = np.repeat([0, 1, 2], [1, 3, 2])
    both = m.shannon.interval([1.0, 5, 3, 1, 7, 1], by=by, low=[0.0, 4, 2, 1, 7, 0], high=[2.0, 6, 3, 1, 7, 9])
    one = m.shannon.interval([5.0, 3, 1], low=[4.0, 2, 1], high=[6.0, 3, 1])
    assert (both[0][1], both[1][1]) == pytest.approx(one)


def test_markets_of_very_different_size_do_not_disturb_each_other():
    low, high = np.array([0.0217, 0.0192, 0.0042]), np.array([0.0747, 0.0662, 0.0058])
    alone = m.hhi.interval((low + high) / 2, low=low, high=high)
    big = np.concatenate([np.full(50, 1e9), low]), np.concatenate([np.full(50, 3e9), high])
    both = m.hhi.interval((big[0] + big[1]) / 2, low=big[0], high=big[1], by=np.repeat([0, 1], [50, 3]))
    assert (both[0][1], both[1][1]) == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_concentration_ratio_of_a_box_against_brute_force(rng, k):
    def top(q):
        return float(np.sort(q)[::-1][:k].sum() / q.sum()) if q.sum() > 0 else np.nan

    for _ in range(120):
        low, high = _box(rng, int(rng.integers(1, 7)))
        got = m.concentration_ratio.interval((low + high) / 2, k, low=low, high=high)
        corners, inside, cut = _brute(rng, low, high, top)
        assert got[1] == pytest.approx(np.nanmax(corners), abs=1e-10)
        assert got[0] <= np.nanmin(inside + cut) + 1e-12
        if (low > 0).any():
            assert got[0] == pytest.approx(np.nanmin(cut), abs=1e-2)


def test_focal_share_of_a_box_against_brute_force(rng):
    for _ in range(200):
        n = int(rng.integers(1, 7))
        low, high = _box(rng, n)
        f = rng.choice([0.0, 1.0, 0.3, 0.7], n)
        got = m.focal_share.interval((low + high) / 2, low=low, high=high, focal=f)
        corners, inside, _ = _brute(
            rng, low, high, lambda q, f=f: float((q * f).sum() / q.sum()) if q.sum() else np.nan
        )
        if (low > 0).any():
            assert got == pytest.approx((np.nanmin(corners), np.nanmax(corners)), abs=1e-10)
        assert got[0] - 1e-12 <= np.min(inside)
        assert np.max(inside) <= got[1] + 1e-12


def test_n_minus_1_of_a_box_against_brute_force(rng):
    for _ in range(100):
        low, high = _box(rng, int(rng.integers(1, 7)))
        got = m.n_minus_1.interval((low + high) / 2, low=low, high=high, demand=2.0)
        corners, _, _ = _brute(rng, low, high, lambda q: (q.sum() - q.max()) / 2)
        assert got == pytest.approx((min(corners), max(corners)), abs=1e-12)


def test_net_n_minus_1_holds_whoever_is_the_largest(rng):
    for _ in range(100):
        n = int(rng.integers(1, 6))
        low, high = _box(rng, n)
        own = rng.random(n) * 0.5
        frame = {
            "market": np.zeros(n, dtype=np.int64),
            "n": 1,
            "low": low,
            "high": high,
            "own_demand": own,
            "demand": np.array([2.0]),
        }
        got = m.n_minus_1.interval(m.Mix.build(quantity=(low + high) / 2, **frame), form="net")
        for _ in range(60):
            q = rng.uniform(low, high)
            value = (q.sum() - q.max()) / (2 - own[q.argmax()])
            assert got[0][0] - 1e-12 <= value <= got[1][0] + 1e-12
    sure = m.Mix.build(
        quantity=np.array([5.0, 1]),
        **{
            **frame,
            "market": np.zeros(2, dtype=np.int64),
            "low": np.array([4.0, 1]),
            "high": np.array([6.0, 2]),
            "own_demand": np.array([1.0, np.nan]),
        },
    )
    assert [float(x[0]) for x in m.n_minus_1.interval(sure, form="net")] == [1.0, 2.0]


def test_a_missing_quantity_widens_to_all_it_can_be():
    q, low, high = [3.0, np.nan], [3.0, 0.0], [3.0, np.inf]
    assert m.hhi(q, low=low, high=high) == 1.0  # of what is known; coverage says the rest
    assert m.hhi.interval(q, low=low, high=high) == pytest.approx((0.5, 1.0))
    assert m.focal_share.interval(q, low=low, high=high, focal=[0, 1]) == pytest.approx((0.0, 1.0))
    assert m.concentration_ratio.interval(q, 1, low=low, high=high) == pytest.approx((0.5, 1.0))
    assert np.isnan(m.coverage(q, low=low, high=high))  # the one without a figure may be most of it
    assert m.coverage(q, low=low, high=[3.0, 1.0]) == 0.75


def test_share_bounds_quantities_and_shares():
    low, high = m.share_bounds(pd.Series({"a": 50.0, "b": 20.0}), pd.Series({"a": 60.0, "b": 30.0}))
    assert low.tolist() == pytest.approx([0.625, 0.25])
    assert high.tolist() == pytest.approx([0.75, 0.375])
    low, high = m.share_bounds([0.0, 1.0], [np.inf, 2.0])
    assert low.tolist() == [0.0, 0.0]
    assert high.tolist() == [1.0, 1.0]
    low, high = m.share_bounds([0.4, 0.1], [0.7, 0.5], shares=True)
    assert low.tolist() == pytest.approx([0.5, 0.3])
    with pytest.raises(SchemaError):
        m.share_bounds([2.0], [1.0])


def test_closing_printed_shares():
    s, rest = m.close_shares(pd.Series([0.5, 0.3, 0.19]), renormalize=True)
    assert rest == 0
    assert s.sum() == pytest.approx(1)
    assert m.close_shares([0.5, 0.3, 0.19])[1] == pytest.approx(0.01)
    assert m.close_shares([0.5, 0.3, 0.14], renormalize=True)[1] == pytest.approx(0.06)
    with pytest.raises(SchemaError, match="more than 1"):
        m.close_shares([0.7, 0.4])
    assert m.below_limit(0.001) == (0.0005, 0.0, 0.001)


def test_focal_bounds_by_kind_of_list():
    assert m.focal_bounds({"CHN": 0.5, "JPN": 0.3}, "CHN") == (0.5, 0.5)
    assert m.focal_bounds({"USA": 0.5, "JPN": 0.3}, "CHN") == pytest.approx((0.0, 0.2))
    assert m.focal_bounds({"USA": 0.5, "JPN": 0.3}, "CHN", largest=0.1) == pytest.approx((0.0, 0.1))
    assert m.focal_bounds({"CHN": 0.5, "JPN": 0.3}, "CHN", firms=True) == pytest.approx((0.5, 0.7))


def test_h3_worked_example():
    s = [0.62, 0.18, 0.12, 0.08]
    got = dirichlet_moments(s, 50)
    assert got.attrs["expected_hhi"] == pytest.approx(0.448627, abs=5e-7)
    assert got["sd"].iloc[0] == pytest.approx(0.067968, abs=5e-7)
    assert got[["low", "high"]].iloc[0].tolist() == pytest.approx([0.505368, 0.729118], abs=5e-7)
    draws = m.dirichlet_shares(s, 50, samples=20_000, seed=3)
    assert (draws**2).sum(axis=1).mean() == pytest.approx(0.448627, abs=2e-3)
    assert np.array_equal(draws, m.dirichlet_shares(s, 50, samples=20_000, seed=3))
    assert (m.dirichlet_shares([1.0, 0.0], 50, samples=5)[:, 1] == 0).all()
    assert not math.isnan(draws.sum())


MEASURES = {
    "asymmetry": {"flow": (0, 1), "base": (1, 3), "reverse_flow": (0, 1), "reverse_base": (1, 3)},
    "indispensability": {"world_share": (0, 1), "partner_dependence": (0, 1)},
    "net_import_reliance": {"production": (1, 3), "imports": (0, 4), "exports": (0, 0.9), "stock_increase": (-1, 0)},
    "eu_import_reliance": {"imports": (0, 4), "exports": (0, 2), "production": (2, 5)},
    "resourcing_ratio": {
        "focal_imports": (0, 1), "imports": (1, 2), "world_exports": (5, 9), "focal_exports": (0, 2),
    },
    "eu_supply_risk": {"hhi_gs": (0, 5), "hhi_eu": (0, 5), "import_reliance": (0, 1), "eol_rir": (0, 1), "si_sr": (0.5, 1)},
}  # fmt: skip


@pytest.mark.parametrize("name", MEASURES)
def test_corners_bound_measures_that_rise_or_fall_in_every_figure(rng, name):
    f = getattr(m, name)
    for _ in range(10):
        box = {k: tuple(sorted(rng.uniform(a, b, 2))) for k, (a, b) in MEASURES[name].items()}
        got = m.corner_bounds(f, **box)
        inside = [float(f(**{k: rng.uniform(a, b) for k, (a, b) in box.items()})) for _ in range(60)]
        assert got.low - 1e-9 <= min(inside)
        assert max(inside) <= got.high + 1e-9


def test_corner_bounds_refuse_what_cannot_be():
    with pytest.raises(SchemaError, match="in this order"):
        m.corner_bounds(m.indispensability, world_share=(0.4, 0.2), partner_dependence=0.5)
    with pytest.raises(SchemaError, match="in this order"):
        m.corner_bounds(m.indispensability, world_share=np.nan, partner_dependence=0.5)
    got = m.corner_bounds(m.asymmetry, flow=0, base=(0, 2), reverse_flow=1, reverse_base=2)
    assert np.isnan(got).all()  # a base that may be 0
    assert m.corner_bounds(m.indispensability, world_share=0.5, partner_dependence=0.5) == (0.25, 0.25)


def test_a_single_supplier_has_all_however_little_it_makes():
    assert [x.tolist() for x in m.share_bounds([0], [3])] == [[1.0], [1.0]]
    assert [x.tolist() for x in m.share_bounds([0, 0], [3, 0])] == [[1.0, 0.0], [1.0, 0.0]]
    assert [x.tolist() for x in m.share_bounds([0, 0], [3, 2])] == [[0.0, 0.0], [1.0, 1.0]]
    assert [x.tolist() for x in m.share_bounds([0], [np.inf])] == [[1.0], [1.0]]
    assert np.isnan(m.share_bounds([0, 0], [0, 0])).all()


def test_the_net_form_of_n_minus_1_takes_the_largest_suppliers_demand_out():
    low, high = m.n_minus_1.interval(
        [60.0, 40.0], "net", low=[59, 39], high=[61, 41], demand=50.0, demand_of_largest=50
    )
    assert np.isnan([low, high]).all()  # as the value
    low, high = m.n_minus_1.interval(
        [60.0, 40.0], "net", low=[59, 39], high=[61, 41], demand=90.0, demand_of_largest=50
    )
    assert (low, high) == pytest.approx((39 / 40, 41 / 40))


def test_low_and_high_with_labels_are_paired_by_label() -> None:
    low = pd.Series({"CHN": 0.5, "JPN": 0.1, "USA": 0.0})
    high = pd.Series({"USA": 0.2, "CHN": 0.9, "JPN": 0.4})
    for shares in (True, False):
        a = share_bounds(low, high, shares=shares)
        b = share_bounds(low, high[low.index], shares=shares)
        pd.testing.assert_series_equal(a.low, b.low)
        pd.testing.assert_series_equal(a.high, b.high)
        pd.testing.assert_series_equal(share_bounds(low.to_dict(), high.to_dict(), shares=shares).high, b.high)
    assert hhi_interval(low, high) == hhi_interval(low, high[low.index])
    for f in (share_bounds, hhi_interval):
        with pytest.raises(SchemaError, match="TWN"):
            f(low, high.rename({"USA": "TWN"}))
        with pytest.raises(SchemaError, match="twice"):
            f(low, high.rename({"USA": "CHN"}))
    with pytest.raises(SchemaError, match="differ in length"):
        share_bounds([1.0, 2.0], [3.0])


@pytest.mark.parametrize("count", [2.5, float("nan"), -1])
def test_a_count_of_suppliers_is_whole(count: float) -> None:
    with pytest.raises(SchemaError, match="whole number"):
        hhi_bounds([0.5, 0.2], count=count)


@pytest.mark.parametrize("largest", [float("nan"), -0.1, 1.5])
def test_the_largest_share_is_a_fraction(largest: float) -> None:
    with pytest.raises(SchemaError, match="fraction"):
        hhi_bounds([0.5, 0.2], largest=largest)

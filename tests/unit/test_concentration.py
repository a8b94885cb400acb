"""Concentration: the worked examples of the methods reference to six digits, edge cases, traps and laws."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplyrisk import control
from supplyrisk import metrics as m
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.metrics.mix import Mix
from supplyrisk.metrics.registering import methods, metric, why
from supplyrisk.registry import registries

Q = pd.Series({"CHN": 620.0, "CHL": 180.0, "AUS": 120.0, "ARG": 80.0})
SOME = [e for e in registries["metric"] if e.function.__module__.startswith("supplyrisk.metrics.")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda: m.share(Q)["CHN"], 0.620000),
        (lambda: m.hhi(Q), 0.437600),
        (lambda: m.hhi(Q, scale=10_000), 4376.00),
        (lambda: m.hhi_normalized(Q), 0.250133),
        (lambda: m.concentration_ratio(Q, 1), 0.620000),
        (lambda: m.concentration_ratio(Q, 3), 0.920000),
        (lambda: m.shannon(Q), 1.061536),
        (lambda: m.theil(Q), 0.324759),
        (lambda: m.evenness(Q), 0.765736),
        (lambda: m.effective_suppliers(Q, order=1), 2.890807),
        (lambda: m.effective_suppliers(Q), 2.285192),
        (lambda: m.effective_suppliers(Q, order=math.inf), 1.612903),
        (lambda: m.hirschman_index(Q), 66.151342),
        (lambda: m.unctad_concentration(Q), 0.323027),
        (lambda: m.delta_hhi(0.12, 0.08, scale=10_000), 192.00),
        (lambda: m.contribution(Q)["CHN"], 0.878428),
        (lambda: m.n_minus_1(Q, demand=950), 0.400000),
        (lambda: m.n_minus_1(Q, form="net", demand=950, demand_of_largest=560), 0.974359),
        (lambda: m.n_minus_1(Q, form="share"), 0.380000),
    ],
)
def test_worked_examples(value, expected):
    assert value() == pytest.approx(expected, abs=5e-7)


def test_no_supply_is_undefined_with_a_reason_and_never_zero():
    for f in (m.hhi, m.concentration_ratio, m.effective_suppliers, m.shannon, m.n_suppliers):
        value = f([0.0, 0.0])
        assert math.isnan(value) or f is m.n_suppliers
    assert why(m.hhi, [0.0]) == "no supply: nothing to divide"
    assert "demand" in why(m.n_minus_1, [3.0, 4.0])
    assert why(m.hhi, [3.0, 4.0]) == ""


def test_negative_and_missing_supply_are_rejected_together():
    with pytest.raises(SchemaError) as caught:
        m.hhi(pd.Series({"a": -1.0, "b": np.nan, "c": 3.0}))
    text = str(caught.value)
    assert len(caught.value.problems) == 2
    assert "less than nothing" in text
    assert "missing: not zero" in text
    assert "a: -1.0" in text


def test_trap_2_percent_and_fraction_give_the_same():
    assert m.hhi([62, 18, 12, 8]) == pytest.approx(m.hhi([0.62, 0.18, 0.12, 0.08]))
    with pytest.raises(SchemaError, match=r"[Pp]ercent"):
        m.hhi([62, 18, 12, 8], total=1)
    with pytest.raises(UnknownNameError):
        m.hhi([62, 18], scale=100)


def test_trap_3_inactive_suppliers_do_not_count():
    assert m.hhi_normalized([620, 180, 120, 80, 0, 0]) == pytest.approx(0.250133, abs=5e-7)
    assert m.n_suppliers([620, 180, 0]) == 2
    assert m.evenness([620, 180, 120, 80, 0]) == pytest.approx(0.765736, abs=5e-7)


def test_trap_6_residual_is_not_squared():
    assert m.hhi([50, 20, 10], residual=20) == pytest.approx(0.30)
    assert m.hhi.interval([50, 20, 10], residual=20) == pytest.approx((0.30, 0.34))
    assert m.n_suppliers([50, 20, 10], residual=20) == 3
    # nobody knows whom: it may be the largest supplier itself
    assert m.hhi.interval([50, 20, 10], unknown=20)[1] == pytest.approx(0.49 + 0.04 + 0.01)


def test_mostly_unlisted_market_has_no_concentration():
    assert math.isnan(m.hhi([10, 5], total=100))
    assert "more than half" in why(m.hhi, [10, 5], total=100)
    low, high = m.hhi.interval([10, 5], total=100)
    assert low == pytest.approx(0.0125)
    assert high == pytest.approx(0.0125 + 0.85**2)


def test_one_supplier():
    assert m.hhi([7.0]) == 1
    assert m.hhi_normalized([7.0]) == 1
    assert m.theil([7.0]) == 0
    assert math.isnan(m.evenness([7.0]))
    assert m.concentration_ratio([7.0], 3) == 1
    assert m.unctad_concentration([7.0]) == 1


def test_n_minus_1_undefined_forms():
    assert math.isnan(m.n_minus_1(Q, demand=0))
    assert math.isnan(m.n_minus_1(Q, form="net", demand=560, demand_of_largest=560))
    assert m.n_minus_1(Q, demand=100) == pytest.approx(3.8)


def test_groups_keys_levels_and_alignment():
    frame = pd.DataFrame({"p": ["x", "x", "y"], "b": [1, 1, 2], "q": [3.0, 1.0, 5.0]})
    one = m.hhi(frame["q"], by=frame["p"])
    assert one.to_dict() == {"x": 0.625, "y": 1.0}
    two = m.hhi(frame["q"], by=frame[["p", "b"]])
    assert two.loc[("x", 1)] == 0.625
    assert two.index.names == ["p", "b"]
    level = m.hhi(frame.set_index(["p", "b"])["q"], by="p")
    assert level.to_dict() == one.to_dict()
    assert m.share(frame["q"], by=frame["p"]).tolist() == [0.75, 0.25, 1.0]
    with pytest.raises(UnknownNameError):
        m.hhi(frame.set_index("p")["q"], by="pp")
    with pytest.raises(SchemaError):
        m.hhi([1.0, 2.0], by=["a"])
    with pytest.raises(SchemaError, match="index"):
        m.hhi(frame["q"], by=frame["p"].iloc[::-1])
    # the same exporter twice is one supplier
    assert m.hhi([1.0, 1.0, 2.0], unit=["a", "a", "b"]) == 0.5


def test_wide_keys_take_the_hashed_route():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 10**9, 50), rng.integers(0, 5, 50)
    q = rng.random(50)
    got = m.hhi(q, by=[a, b])
    want = pd.DataFrame({"a": a, "b": b, "q": q}).groupby(["a", "b"])["q"].agg(lambda s: (s**2).sum() / s.sum() ** 2)
    assert np.allclose(got.sort_index(), want.sort_index())


def test_focal_share_values_and_bounds():
    assert m.focal_share([620, 180, 200], focal=[1, 0, 0.5]) == pytest.approx(0.72)
    assert math.isnan(m.focal_share([1.0, 2.0]))
    # listed: the residual cannot be the focal; not listed: it can
    assert m.focal_share.interval([60, 20], focal=[1, 0], residual=20) == pytest.approx((0.6, 0.6))
    assert m.focal_share.interval([60, 20], focal=[0, 0], residual=20) == pytest.approx((0.0, 0.2))


@pytest.mark.parametrize("entry", SOME, ids=lambda e: e.name)
@settings(max_examples=20, deadline=None)
@given(
    data=st.lists(st.floats(0.01, 1e6), min_size=2, max_size=9), factor=st.floats(1e-3, 1e3), seed=st.integers(0, 1000)
)
def test_laws(entry, data, factor, seed):
    q = np.array(data)
    rng = np.random.default_rng(seed)
    extra = {
        k: rng.random(len(q)) for k in ("focal", "bottleneck", "headline", "bottleneck_headline", "assumed_weights")
    }
    whole = {"demand": q.sum(), "demand_of_largest": 0.3 * q.sum()}
    for params in entry.columns.values():
        value = entry.function(q, **extra, **whole, **params)
        assert entry.bounds[0] - 1e-9 <= value <= entry.bounds[1] + 1e-9
        assert isinstance(value, float)
        p = rng.permutation(len(q))
        if "permutation" in entry.laws:
            moved = entry.function(q[p], **{k: v[p] for k, v in extra.items()}, **whole, **params)
            assert moved == pytest.approx(value, rel=1e-12)
        if "scale" in entry.laws:
            assert entry.function(q * factor, **extra, **params) == pytest.approx(
                entry.function(q, **extra, **params), rel=1e-9, abs=1e-9
            )
        merged = np.concatenate([[q[0] + q[1]], q[2:]])
        if "merge_up" in entry.laws:
            assert entry.function(merged, **params) >= value - 1e-12
        if "merge_down" in entry.laws:
            assert entry.function(merged, **params) <= value + 1e-12
        if "replication" in entry.laws:
            assert entry.function(np.tile(q, 3), **params) == pytest.approx(3 * value, rel=1e-9)
        if entry.interval and "demand" not in entry.needs:
            low, high = entry.function.interval(q, **extra, **params)
            assert low - 1e-9 <= value <= high + 1e-9
        # many markets at once give what each gives alone
        two = entry.function(
            np.concatenate([q, q[::-1]]),
            by=np.repeat([0, 1], len(q)),
            **{k: np.concatenate([v, v[::-1]]) for k, v in extra.items()},
            **whole,
            **params,
        )
        assert two.to_numpy() == pytest.approx([value, value], rel=1e-9)


def test_orders_of_effective_suppliers():
    values = [m.effective_suppliers(Q, order=o) for o in (1, 2, math.inf)]
    assert values == sorted(values, reverse=True)
    with pytest.raises(UnknownNameError):
        m.effective_suppliers(Q, order=3)


def test_a_metric_is_one_function_everywhere():
    @metric(unit="1", bounds=(0, 1), reference="test", laws=["scale"])
    def tail(mix: Mix, k: int = 1):
        """Share of all but the k largest."""
        return mix.per(mix.total - mix.top(mix.known, k))

    try:
        assert tail([62, 18, 12, 8]) == pytest.approx(0.38)
        assert tail([62, 18, 12, 8], k=2) == pytest.approx(0.20)
        assert tail([1.0, 1.0, 2.0], by=["a", "a", "b"]).tolist() == [0.5, 0.0]
        assert all(math.isnan(x) for x in tail.interval([1.0, 2.0]))
        assert methods().loc["tail", "bounds"] == "none"
    finally:
        registries["metric"].remove("tail")
    with pytest.raises(TypeError, match="reference"):
        metric(unit="1", reference="")(lambda mix: mix.total)


def test_listing_is_complete():
    table = methods()
    assert {"hhi", "concentration_ratio", "focal_share", "bottleneck"} <= set(table.index)
    assert (table[["meaning", "unit", "reference"]] != "").all(axis=None)
    assert "n_minus_1_net" in table.loc["n_minus_1", "columns"]


def test_bounds_of_entropy_hold_beside_a_supplier_who_can_have_nothing():
    rng = np.random.default_rng(0)

    def entropy(q):
        s = q[q > 0] / q.sum()
        return -(s * np.log(s)).sum()

    for _ in range(60):
        n = int(rng.integers(2, 6))
        low = rng.uniform(0, 5, n) * (rng.random(n) > 0.3)
        high = low + rng.uniform(0, 5, n)
        mid = (low + high) / 2
        plain = m.shannon.interval(mid, low=low, high=high)
        low, high, mid = (np.append(x, 0.0) for x in (low, high, mid))
        found = m.shannon.interval(mid, low=low, high=high)
        assert found == pytest.approx(plain)
        order1 = m.effective_suppliers.interval(mid, order=1, low=low, high=high)
        assert order1 == pytest.approx(tuple(np.exp(found)))
        tried = [entropy(rng.uniform(low, high)) for _ in range(20)]
        tried += [entropy(np.clip(t, low, high)) for t in np.linspace(0.01, 10, 60)]
        assert max(tried) <= found[1] + 1e-9
        assert min(tried) >= found[0] - 1e-9
        for f in (m.theil, m.evenness, m.hhi_normalized):
            assert f.interval(mid, low=low, high=high) == pytest.approx(
                f.interval(mid[:-1], low=low[:-1], high=high[:-1])
            )


def test_trap_06_the_rest_of_the_world_is_a_residual_by_index_level_and_by_unit():
    one = pd.Series({"a": 1.0, "ROW": 1.0})
    two = pd.concat({"p": one, "q": one}, names=["product", "country"])
    for f in (m.hhi, m.hhi_normalized, m.concentration_ratio, m.effective_suppliers, m.shannon, m.n_suppliers):
        assert f(two, by="product").to_list() == [f(one)] * 2
        for side in (0, 1):
            assert f.interval(two, by="product")[side].to_list() == pytest.approx([f.interval(one)[side]] * 2)
    assert m.hhi.interval(one) == (0.25, 0.5)
    frame = two.rename("q").reset_index()
    assert m.hhi(frame["q"], by=frame["product"], unit=frame["country"]).to_list() == [0.25, 0.25]
    assert m.hhi(frame["q"].to_numpy(), by=[frame["product"]], unit=frame["country"].to_numpy()).to_list() == [0.25] * 2
    only = pd.concat({"p": one, "q": one[["ROW"]]}, names=["product", "country"])
    assert np.isnan(m.hhi(only, by="product")["q"])  # nobody is named, and the market still stands
    low, high = pd.Series({"a": 1.0, "ROW": 0.0}), pd.Series({"a": 1.0, "ROW": 3.0})
    assert m.hhi.interval(one, low=low, high=high) == pytest.approx((1 / 16, 1.0))
    assert m.focal_share(one, focal=[1, 0]) == 0.5
    with pytest.raises(SchemaError, match="nobody's"):
        m.focal_share(one, focal=[0, 1])


def test_what_nobody_has_named_may_be_a_listed_suppliers():
    q = pd.Series({"CHN": 60.0, "UNK": 20.0, "AUS": 20.0})
    assert m.hhi(q) == pytest.approx(0.40)
    assert m.hhi.interval(q) == pytest.approx((0.40, 0.68))
    assert m.hhi.interval(q) == pytest.approx(m.hhi.interval([60.0, 20.0], unknown=20.0))
    two = pd.concat({"p": q, "q": q}, names=["product", "country"])
    assert m.hhi.interval(two, by="product")[1].to_list() == pytest.approx([0.68, 0.68])
    assert m.focal_share.interval(q, focal=[1, 0, 0]) == pytest.approx((0.6, 0.8))
    assert m.hhi_bounds({"CHN": 0.6, "UNK": 0.2, "AUS": 0.2}) == pytest.approx((0.40, 0.68))
    assert m.hhi_bounds(pd.Series({"a": 0.5, "ROW": 0.5})) == pytest.approx((0.25, 0.5))
    assert m.focal_bounds({"CHN": 0.6, "UNK": 0.2, "ROW": 0.2}, "CHN") == pytest.approx((0.6, 0.8))
    assert m.focal_bounds({"AUS": 0.6, "ROW": 0.4}, "CHN") == pytest.approx((0.0, 0.4))
    g = {"CHN": 5.0, "AUS": 2.0}
    assert m.hhi_governance(q, g).high >= 0.8**2 * 5 + 0.2**2 * 2 - 1e-12
    with pytest.raises(SchemaError, match="same thing"):
        m.hhi(q, unknown=3.0)


def test_share_is_aligned_and_a_rest_has_none():
    q = pd.Series({"a": 1.0, "ROW": 1.0})
    for data in (q, q.to_dict()):
        assert m.share(data)["a"] == 0.5
        assert np.isnan(m.share(data)["ROW"])
        assert m.share(data).index.tolist() == ["a", "ROW"]
    two = pd.concat({"p": q, "q": q}, names=["product", "country"])
    assert m.share(two, by="product").isna().tolist() == [False, True, False, True]
    assert m.contribution(two, by="product").dropna().tolist() == [1.0, 1.0]


def test_shares_that_close_within_the_rounding_of_a_print_are_accepted():
    for f in (lambda x: m.hhi([x] * 3, total=3 * 33.33), lambda x: m.hhi_bounds([x / 100] * 3).high):
        assert f(33.5) == pytest.approx(1 / 3, abs=1e-4)
        with pytest.raises(SchemaError):
            f(34.5)
    assert m.share([50.5, 50.5], total=100).tolist() == [0.5, 0.5]
    assert m.dirichlet_shares([0.335] * 3, 50, samples=2).sum(axis=1) == pytest.approx([1.0, 1.0])
    assert m.dirichlet_moments([0.335] * 3, 50)["share"].sum() == pytest.approx(1.0)
    with pytest.raises(SchemaError):
        m.dirichlet_shares([0.345] * 3, 50)
    with pytest.raises(SchemaError, match="no supplier"):
        m.dirichlet_shares({"a": 0.5, "ROW": 0.5}, 50)
    with pytest.raises(SchemaError, match="fraction"):
        m.hhi_governance({"A": 0.3, "B": 0.5}, {"A": 5, "B": 5}, kind="percent")


@pytest.mark.parametrize("size", [1e160, 5e307, 1e-170, 1e-300])
def test_quantities_of_any_size_give_the_same_shares(size):
    q = np.array([1.0, 0.5, 0.25])
    for f in (m.hhi, m.hhi_normalized, m.shannon, m.effective_suppliers, m.concentration_ratio, m.theil, m.evenness):
        assert f(q * size) == pytest.approx(f(q))
        assert f.interval(q * size) == pytest.approx(f.interval(q))
        assert f(np.append(q * size, 3.0), by=[[0, 0, 0, 1]])[0] == pytest.approx(f(q))
    assert m.share(q * size) == pytest.approx(m.share(q))
    assert m.n_minus_1(q * size, demand=size) == pytest.approx(m.n_minus_1(q, demand=1.0))


ODD = {
    "dates": pd.Series(pd.to_datetime(["2020-01-01", "2024-01-01"])),
    "zoned": pd.Series(pd.to_datetime(["2020-01-01", "2024-01-01"], utc=True)),
    "array of dates": np.array(["2020-01-01", "2024-01-01"], dtype="datetime64[D]"),
    "list of dates": [np.datetime64("2020-01-01"), np.datetime64("2024-01-01")],
    "durations": np.array([1, 2], dtype="timedelta64[D]"),
    "complex": np.array([1 + 0j, 2 + 0j]),
    "list of complex": [1 + 0j, 2.0],
}


@pytest.mark.parametrize("odd", ODD)
def test_dates_and_complex_numbers_are_no_quantities(odd):
    x = ODD[odd]
    by_key = dict(zip("AB", x, strict=True))
    for f in (m.hhi, m.share, m.contribution, m.shannon, m.hhi_bounds, m.hhi.interval):
        with pytest.raises(SchemaError, match="not numbers"):
            f(x)
        with pytest.raises(SchemaError, match="not numbers"):
            f(by_key)
    with pytest.raises(SchemaError, match="not numbers"):
        m.hhi([1.0, 2.0], low=x, high=x)
    with pytest.raises(SchemaError, match="not numbers"):
        m.hhi_governance(by_key, {"A": 1.0, "B": 1.0})
    with pytest.raises(SchemaError, match="not a finite number"):
        m.eu_import_reliance(by_key["A"], 1.0, 1.0)
    with pytest.raises(SchemaError, match="not numbers"):
        control.equity(["P", "Q"], ["F", "F"], x)


def test_bounds_refuse_a_supplier_who_stands_twice_as_the_index_does():
    twice = pd.Series([0.5, 0.2], index=["A", "A"])
    for f in (m.hhi, m.hhi_bounds):
        with pytest.raises(SchemaError, match="stands twice"):
            f(twice)
    rests = pd.Series([0.5, 0.2, 0.3], index=["A", "ROW", "ROW"])
    assert m.hhi_bounds(rests) == pytest.approx(m.hhi_bounds(pd.Series({"A": 0.5, "ROW": 0.5})))


def test_a_share_of_nothing_has_no_sign():
    assert not np.signbit(m.share([-0.0, 1.0])).any()
    assert not np.signbit(m.share(pd.Series({"a": -0.0, "b": 1.0}))).any()


def test_every_measure_says_what_is_done_with_what_is_missing_and_whose_it_is():
    for f in (m.contribution, m.delta_hhi, m.below_limit, m.n_suppliers, m.bottleneck, m.coverage, m.headline):
        assert "Missing policy" in f.__doc__, f
        assert "References" in f.__doc__ or "Definition of this" in f.__doc__, f

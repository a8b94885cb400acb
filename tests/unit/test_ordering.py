"""Links in order: by counting, and yet as a sort by comparing would have them."""

from __future__ import annotations

import numpy as np
import pytest

from supplyrisk.ordering import arrange, link_order, look_up, maxima, segments


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("several", [False, True])
def test_as_lexsort(seed, several):
    rng = np.random.default_rng(seed)
    n, m, kinds = int(rng.integers(1, 30)), int(rng.integers(1, 200)), int(rng.integers(1, 6))
    src, dst = rng.integers(0, n, m), rng.integers(0, n, m)
    product = rng.integers(0, kinds, m) if several else rng.integers(0, kinds, n)[src]
    order, s, d, k = arrange(src, dst, product, n)
    assert np.array_equal(order, np.lexsort((src, product, dst)))  # both are stable: twins keep their order
    assert np.array_equal(link_order(src, dst, product, n), order)
    assert np.array_equal(s, src[order])
    assert np.array_equal(d, dst[order])
    assert np.array_equal(k, product[order])
    assert {x.dtype for x in (order, s, d, k)} == {np.dtype(np.int32)}


def test_more_products_than_a_short_code_holds():
    src, dst = np.array([2, 0, 1]), np.array([0, 0, 0])
    product = np.array([7, 70_000, 40_000])
    assert arrange(src, dst, product, 3)[0].tolist() == [0, 2, 1]


def test_no_links():
    none = np.zeros(0, dtype=np.int64)
    assert [len(x) for x in arrange(none, none, none, 4)] == [0, 0, 0, 0]
    assert [len(x) for x in segments(none, none, np.zeros(0))] == [0, 0, 0]


def test_segments_with_missing_and_zero_flows():
    dst = np.array([0, 0, 0, 1, 2, 2, 3, 4])
    product = np.array([0, 0, 1, 0, 0, 0, 0, 0])
    quantity = np.array([3.0, 1.0, np.nan, 5.0, 0.0, 0.0, 0.0, np.nan])
    start, segment, share = segments(dst, product, quantity)
    assert start.tolist() == [0, 2, 3, 4, 6, 7]
    assert segment.tolist() == [0, 0, 1, 2, 3, 3, 4, 5]
    # A lone link of unknown size is all there is; a flow of nothing is divided among nobody.
    assert np.array_equal(share, [0.75, 0.25, 1.0, 1.0, np.nan, np.nan, np.nan, 1.0], equal_nan=True)


@pytest.mark.parametrize("longest", [1, 3, 40])
def test_maxima_and_look_up(longest):
    rng = np.random.default_rng(longest)
    size = rng.integers(1, longest + 1, 50)
    start = np.append(0, np.cumsum(size)[:-1])
    x = rng.normal(size=(int(size.sum()), 2))
    np.testing.assert_array_equal(maxima(x, start), np.maximum.reduceat(x, start, axis=0))
    np.testing.assert_array_equal(maxima(x[:, 0], start), np.maximum.reduceat(x[:, 0], start))
    code = rng.integers(0, len(x), 70_000).astype(np.int32)
    np.testing.assert_array_equal(look_up(x[:, 1].copy(), code), x[:, 1][code])

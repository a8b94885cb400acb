"""Look-through in a dense inter-country table, beside the inverse."""

from __future__ import annotations

from typing import Any

import numpy as np

import supplyrisk as sr

from ..harness import Missing, Phases, benchmark


@benchmark(
    sizes={
        "S": {"regions": 8, "sectors": 25},
        "M": {"regions": 40, "sectors": 40},
        "L": {"regions": 80, "sectors": 50},
    },
    aims={"lookthrough": ("pymrio, through L", 0.125)},
    repeat=3,
)
def io_lookthrough(seed: int, regions: int, sectors: int) -> Phases:
    """Three focal countries in a dense table: Krylov on four right-hand sides beside pymrio's ``calc_A``, ``calc_L``.

    pymrio has no other way to these figures: ``calc_all`` takes the same two steps, and its multipliers are a product
    with L. It gets plain arrays (frames cost it more), and the sums over L are numpy's.
    """
    try:
        import pymrio
    except ImportError as err:
        raise Missing("pymrio") from err
    rng = np.random.default_rng(seed)
    n = regions * sectors
    region = np.repeat([f"R{i:02d}" for i in range(regions)], sectors)
    flows = rng.lognormal(0.0, 2.0, (n, n))
    # Home flows are larger, and value added is between a third and two thirds of output, as in real tables.
    flows[region[:, None] == region[None, :]] *= 3.0 * regions
    x = flows.sum(axis=0) / (1.0 - rng.uniform(0.33, 0.67, n))
    focal = ["R00", "R01", "R02"]

    def ours() -> Any:
        return sr.exposure.io_lookthrough(flows, x, region=region.tolist(), focal=focal)["lookthrough"].to_numpy()

    def inverse() -> Any:
        deep = pymrio.calc_L(pymrio.calc_A(flows, x))
        deep[np.diag_indices(n)] -= 1.0
        total = deep.sum(axis=0)
        return np.column_stack([deep[region == f].sum(axis=0) / total for f in focal]).ravel()

    gap = float(np.abs(ours() - inverse()).max())
    if not gap <= 1e-9:
        raise AssertionError(f"look-through and the route through L differ by {gap:g}")
    return {"lookthrough": {"supplyrisk": ours, "pymrio, through L": inverse}}

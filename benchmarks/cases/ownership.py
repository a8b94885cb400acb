"""Equity looked through a hundred thousand firms that hold each other, beside sweeps in plain Python."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import supplyrisk as sr

from ..harness import Phases, benchmark

FloatArray = npt.NDArray[np.float64]


@benchmark(
    sizes={"S": {"firms": 500}, "M": {"firms": 10_000}, "L": {"firms": 100_000}},
    aims={"equity": ("plain Python sweeps", 0.1)},
    repeat=2,
)
def ownership(seed: int, firms: int) -> Phases:
    """Five holdings per firm, most of them of other firms (loops, cross-holdings), ten countries of outside owners."""
    rng = np.random.default_rng(seed)
    per = 5
    asset = np.repeat(np.arange(firms), per)
    firm = rng.random(len(asset)) < 0.6
    holder = np.where(
        firm, (asset + rng.integers(1, firms, len(asset))) % firms, firms + rng.integers(0, 10, len(asset))
    )
    asset, where = np.divmod(np.unique(asset * (firms + 10) + holder), firms + 10)
    holder = where
    share = rng.uniform(0.05, 0.19, len(asset))  # the unnamed rest leaks, so that every loop converges
    # Ten outside owners are the labels; holders that are firms are looked through.
    call = (holder.tolist(), asset.tolist(), share)

    def ours() -> FloatArray:
        y = sr.control.equity(call[0], call[1], call[2].tolist())
        return y.reindex(index=range(firms, firms + 10), columns=range(firms)).to_numpy(dtype=np.float64)

    def by_hand() -> FloatArray:
        into: list[list[tuple[int, float]]] = [[] for _ in range(firms)]
        base = [[0.0] * 10 for _ in range(firms)]
        for h, a, s in zip(holder.tolist(), asset.tolist(), share.tolist(), strict=True):
            if h >= firms:
                base[a][h - firms] += s
            else:
                into[a].append((h, s))
        x = [list(row) for row in base]
        gap = 1.0
        while gap > 1e-12:  # Gauss-Seidel: each firm in turn from the newest of its holders
            gap = 0.0
            for a in range(firms):
                new = list(base[a])
                for h, s in into[a]:
                    theirs = x[h]
                    for k in range(10):
                        new[k] += s * theirs[k]
                gap = max(gap, *(abs(p - q) for p, q in zip(new, x[a], strict=True)))
                x[a] = new
        return np.array(x).T

    if not np.allclose(np.nan_to_num(ours()), by_hand(), atol=1e-9):
        raise AssertionError("the two routes disagree")
    return {"equity": {"supplyrisk": ours, "plain Python sweeps": by_hand}}

"""A thousand draws on the whole atlas, beside one score without any."""

from __future__ import annotations

import numpy as np

import supplyrisk as sr

from ..harness import Phases, benchmark


@benchmark(
    sizes={"S": {"samples": 50}, "L": {"samples": 1000}},
    aims={"by_product": ("one score without draws", 100.0), "by_buyer": ("one score without draws", 100.0)},
    repeat=3,
)
def bounds_samples(seed: int, samples: int) -> Phases:
    """Scores of the atlas by product, and by buyer and product, with draws; the limit is the same score without."""
    graph = sr.load_atlas()
    out: dict[str, dict[str, object]] = {}
    for phase, by in (("by_product", ["product"]), ("by_buyer", ["product", "buyer"])):

        def drawn(by: list[str] = by) -> object:
            return sr.score(graph, by=by, samples=samples, seed=seed)

        def plain(by: list[str] = by) -> object:
            return sr.score(graph, by=by)

        first, again, bare = (f().select_dtypes("number") for f in (drawn, drawn, plain))  # type: ignore[attr-defined]
        if not first.equals(again) or not np.allclose(first[bare.columns], bare, equal_nan=True):
            raise AssertionError("a seed does not give the same bits, or draws move the value")
        out[phase] = {"supplyrisk": drawn, "one score without draws": plain}
    return out  # type: ignore[return-value]

"""A million variables from arrays into the solver, beside linopy and bare matrices."""

from __future__ import annotations

from supplyrisk.portfolio.solve import Persistent

from ..harness import Phases, benchmark
from ..instances import instance, linopy_model, ours, pass_raw, raw


@benchmark(
    sizes={
        "S": {"stages": 2, "suppliers": 6, "countries": 4, "scenarios": 5, "openings": 3},
        "M": {"stages": 3, "suppliers": 20, "countries": 10, "scenarios": 32, "openings": 6},
        "L": {"stages": 3, "suppliers": 60, "countries": 40, "scenarios": 139, "openings": 20},
    },
    aims={"handed over": ("linopy", 2.0)},
    repeat=3,
)
def plan_million(seed: int, **size: int) -> Phases:
    """Build and transfer alone; nothing is solved. Peak memory is the second figure that counts here."""
    d = instance(**size, seed=seed)
    c, args = ours(d).compile(), raw(d)
    if (c.n, c.m, len(c.value)) != args[:3]:
        raise AssertionError(f"the two routes state different models: {c.n, c.m, len(c.value)} and {args[:3]}")
    if linopy_model(d).to_highspy().getNumCol() != c.n:
        raise AssertionError("linopy states another number of variables")
    del c, args
    return {
        "handed over": {
            "supplyrisk": lambda: Persistent(ours(d).compile()),
            "linopy": lambda: linopy_model(d).to_highspy(),
            "highspy, matrices": lambda: pass_raw(raw(d)),
        }
    }

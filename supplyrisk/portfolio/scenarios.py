"""Scenarios: named bundles of measures with probabilities, as what is left of every delivery that a plan could choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError
from ..graph import SupplyGraph
from ..registry import Spec
from .calendar import Period, overlap

__all__ = ["LaneCut", "Scenarios", "lane_cuts", "lane_factors", "read_scenarios"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_TOLERANCE = 1e-9
# What rounding of each probability to three decimals can be off by.
_ROUNDED = 5e-4


@dataclass(frozen=True)
class Scenarios:
    """Names, probabilities and measures; ``assumed`` where none has a probability: an uncertainty set."""

    names: tuple[str, ...]
    probability: tuple[float, ...]
    measures: tuple[tuple[Spec, ...], ...]
    assumed: bool
    # What the probabilities added to as they were written, where rounding kept them from 1.
    added: float | None = None


def read_scenarios(given: Mapping[str, Any] | None) -> Scenarios | None:
    """Check what the user wrote; every fault is reported at once.

    Parameters
    ----------
    given : mapping, optional
        Name to a measure, a list of measures, or ``(probability, measures)``.

    Returns
    -------
    Scenarios or None

    Raises
    ------
    SchemaError
        Probabilities for some scenarios only, below 0, or not adding to 1 (but for the rounding of three decimals, which is
        made good); something that is no measure.
    """
    if given is None:
        return None
    problems: list[Problem] = []
    example = "Write {'calm': (0.8, []), 'ban': (0.2, [export_ban('CHN', ...)])}."
    if not isinstance(given, Mapping):
        problem = Problem("scenarios", "-", "scenarios", "not a mapping from name to measures", repr(given), example)
        raise SchemaError([problem], "the plan")
    if not given:
        return None
    probability: list[float | None] = []
    bundles: list[tuple[Spec, ...]] = []
    for name, value in given.items():
        p: float | None = None
        items: Any = value
        if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], Spec):
            p, items = value
            number = isinstance(p, (int, float)) and not isinstance(p, bool) and np.isfinite(p)
            if not number or not 0.0 <= float(p or 0.0) <= 1.0:
                remedy = "Write {name: (0.2, [measures])}."
                problems.append(Problem("scenarios", name, "probability", "not between 0 and 1", repr(p), remedy))
                p = None
        if not isinstance(items, (Spec, list, tuple, set, frozenset)):
            problems.append(Problem("scenarios", str(name), "measures", "not a list of measures", repr(items), example))
            items = ()
        listed = (items,) if isinstance(items, Spec) else tuple(items)
        for s in listed:
            if not isinstance(s, Spec) or s.kind != "measure":
                problems.append(
                    Problem(
                        "scenarios", name, "measures", "not a measure", repr(s), "Write e.g. export_ban('CHN', ...)."
                    )
                )
        probability.append(p)
        bundles.append(listed)
    said = [p for p in probability if p is not None]
    if said and len(said) < len(probability) and not problems:
        without = [n for n, p in zip(given, probability, strict=True) if p is None]
        problems.append(
            Problem("scenarios", ", ".join(without), "probability", "missing", "", "Give all of them one, or none.")
        )
    total = sum(said)
    # Figures of three decimals that add to 1 but for their rounding (0.333 three times) are made to.
    rounded = (
        all(abs(p - round(p, 3)) < _TOLERANCE for p in said) and abs(total - 1.0) < _ROUNDED * len(said) - _TOLERANCE
    )
    if said and not problems and abs(total - 1.0) > _TOLERANCE and not rounded:
        remedy = (
            "Give what may happen a probability above 0, or write none: then the worst of them counts."
            if total <= 0.0
            else "Correct them, or divide each by their sum: {k: (p / "
            + f"{total:.6g}"
            + ", m) for k, (p, m) in ...}; 0 is allowed."
        )
        problems.append(Problem("scenarios", "-", "probability", "do not add to 1", f"{total:.6g}", remedy))
    if problems:
        raise SchemaError(problems, "the plan")
    n = len(bundles)
    off = said and abs(total - 1.0) > _TOLERANCE
    filled = tuple(float(p) / (total if off else 1.0) if p is not None else 1.0 / n for p in probability)
    return Scenarios(tuple(map(str, given)), filled, tuple(bundles), not said, float(total) if off else None)


@dataclass(frozen=True, eq=False)
class LaneCut:
    """What a measure takes of each possible delivery, in [0, 1], and its first and last day (None: open)."""

    part: FloatArray
    start: str | None
    end: str | None


def lane_cuts(
    graph: SupplyGraph, scenarios: Scenarios, supplier: IntArray, buyer: IntArray, product: list[str]
) -> list[list[LaneCut]]:
    """What each measure of each scenario takes of every delivery that a plan could choose.

    Parameters
    ----------
    graph : SupplyGraph
        With a node for every supplier and buyer.
    scenarios : Scenarios
        Measures; each is asked what it cuts on a graph in which every possible delivery is a link.
    supplier, buyer : ndarray of int
        Node codes of the deliveries.
    product : list of str
        Product of each.

    Returns
    -------
    list of list of LaneCut
        By scenario. Direct cuts only: what a measure does further up the chain is not in it.
    """
    if not any(scenarios.measures):
        return [[] for _ in scenarios.names]
    names = graph.index.nodes["node"].to_numpy(dtype=object)
    lanes = pd.DataFrame(
        {
            "supplier": names[supplier],
            "buyer": names[buyer],
            "product": product,
            "year": graph.reference_year,
            "method": "assumed",
            "quantity": 1.0,
            "grade": "assumption",
        }
    ).drop_duplicates(["supplier", "buyer", "product"])
    wide = graph.replace(note="every possible delivery as a link", links=lanes)
    ix = wide.index
    keys = pd.MultiIndex.from_arrays(
        [
            ix.links["supplier"].astype("object"),
            ix.links["buyer"].astype("object"),
            ix.links["product"].astype("object"),
        ]
    )
    at = keys.get_indexer(pd.MultiIndex.from_arrays([names[supplier], names[buyer], np.array(product, dtype=object)]))
    out: list[list[LaneCut]] = []
    for bundle in scenarios.measures:
        cuts = [measure.build(wide) for measure in bundle]
        out.append([LaneCut(np.asarray(c.value, dtype=np.float64)[at], c.start, c.end) for c in cuts])
    return out


def lane_factors(cuts: list[list[LaneCut]], n: int, period: Period | None) -> FloatArray:
    """What is left of each possible delivery in each scenario, in [0, 1]; shape (scenarios, deliveries).

    Parameters
    ----------
    cuts : list of list of LaneCut
        From :func:`lane_cuts`.
    n : int
        Number of deliveries.
    period : Period, optional
        A dated measure cuts for the part of the period that it lasts; None: it holds throughout.
    """
    out = np.ones((len(cuts), n))
    for k, bundle in enumerate(cuts):
        for cut in bundle:
            out[k] *= 1.0 - cut.part * (1.0 if period is None else overlap(cut.start, cut.end, period))
    return out

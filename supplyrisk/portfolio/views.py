"""Part of each supplier that is the focal's, by view: the same ruler for the caps, the plan and the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .. import control, exposure
from ..errors import unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..schema import VIEWS

__all__ = ["NodeShares", "cap_part", "node_shares", "told_view"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NodeShares:
    """Value, low and high of a focal share for every node of a graph's index."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def node_shares(graph: SupplyGraph, focal: Any, view: str, rule: str = "majority") -> NodeShares:
    """Part of each node's supply that is the focal's.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal : str or tuple of str
        As everywhere.
    view : {"location", "equity", "control", "origin"}
        With a rule after a comma (``"control, creditor"``) by that rule. ``origin`` is the linear trace by location at the graph's present mixes; what a pool in the focal hands on is the
        focal's, as in the score.
    rule : {"majority", "aggregate", "creditor"}
        What counts as control, as in :func:`supplyrisk.control.focal_share`; ``creditor`` counts whose technology,
        finance, offtake or operation it is.

    Returns
    -------
    NodeShares
        In [0, 1]; NaN values stay NaN.
    """
    plain, _, named = view.partition(", ")
    if plain in VIEWS and named:
        view, rule = plain, named
    if view not in VIEWS:
        raise unknown_name("view", view, VIEWS)
    if rule not in control.RULES:
        raise unknown_name("rule", rule, control.RULES)
    places = scope(focal, graph)
    if view == "origin":
        traced = exposure.exposure(graph, places, "location")
        gate = ((traced["kind"] != "producer") & (traced["country"] != "WLD")).to_numpy(dtype=bool)
        # What a pool in the focal territory hands on can be stopped there, wherever it was made (metrics/lens.py).
        ends = []
        for of, own in (("linear", "own"), ("linear_low", "own_low"), ("linear_high", "own_high")):
            held = traced[own].to_numpy(dtype=float)
            ends.append(np.maximum(traced[of].to_numpy(dtype=float), np.where(gate & (held >= 1.0), held, 0.0)))
        value, low, high = ends
    else:
        value, low, high = control.focal_share(graph, places, cast(control.View, view), rule=cast(control.Rule, rule))
    return NodeShares(value, low, high)


def told_view(view: str, rule: str = "majority", worst: bool = False, hazard: float = 0.0) -> str:
    """A view with what a cap counts otherwise than by default: ``control, creditor, worst case, hazard 0.1``."""
    parts = [view, *([] if rule == "majority" else [rule]), *(["worst case"] if worst else [])]
    return ", ".join([*parts, *([f"hazard {hazard:g}"] if hazard else [])])


def cap_part(
    m: Any, focal: Any, view: str, rule: str = "majority", worst: bool = False, hazard: float = 0.0
) -> FloatArray:
    """Focal part of each node as a cap counts it: unknown as the focal's, plants on offer as likely sold as ``hazard``."""
    shares = m.shares(focal, view, rule)
    s = shares.high if worst else np.where(np.isnan(shares.value), shares.high, shares.value)
    s = np.where(np.isnan(s), 1.0, s)
    if hazard and m.candidates is not None and view in ("equity", "control"):
        plants = np.unique(m.supplier[m.project >= 0])
        s[plants] += hazard * (1.0 - s[plants])
    return np.asarray(s, dtype=np.float64)

"""What travels with a score in its ``attrs``: reasons, the worth of a ranking, what the draws assume, where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError
from .mix import FloatArray

if TYPE_CHECKING:
    from .score import Origin

__all__ = ["Kept", "Ranking", "Reasons", "Source", "check_draws", "prior"]


class Kept(dict[str, Any]):
    """A mapping that travels in ``attrs`` by reference: pandas copies attributes deeply at every step."""

    def __deepcopy__(self, memo: object) -> Kept:
        return self

    def __copy__(self) -> Kept:
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # to another process goes what it says, not the graph behind it
        return dict, (dict(self),)


class Reasons(Kept):
    """Column to reason to number of rows; ``rows(column)`` says it row by row."""

    def __init__(self, made: Origin, values: Mapping[str, FloatArray]) -> None:
        self.made = made
        self.bounds: dict[str, npt.NDArray[np.object_]] = {}
        super().__init__(
            {
                c.name: made.why(c).value_counts().drop("", errors="ignore").to_dict() if gone else {}
                for c, gone in ((c, bool(np.isnan(values[c.name]).any())) for c in made.asked)
            }
        )
        for c in made.asked:
            for name in (f"{c.name}_low", f"{c.name}_high"):
                if name in values:
                    text = np.where(np.isnan(values[c.name]), "undefined", c.unbounded).astype(object)
                    self.bounds[name] = np.where(np.isnan(values[name]), text, "")
                    self[name] = pd.Series(self.bounds[name]).value_counts().drop("", errors="ignore").to_dict()

    def rows(self, column: str) -> pd.Series:
        """Reason for every undefined row of a column, or of one of its bounds."""
        if column in self.bounds:
            out = pd.Series(self.bounds[column], index=self.made.group[1], name=column)
        else:
            out = self.made.why(self.made.column(column))
        return out[out != ""]


class Source(Kept):
    """Where a score came from; empty as a mapping, so that frames still write to files."""

    def __init__(self, made: Origin) -> None:
        super().__init__()
        self.made = made


class Ranking(Kept):
    """What a ranking of the rows of a score is worth; ``stability(column, k)`` is :func:`rank_stability` of it."""

    def __init__(self, made: Origin, values: Mapping[str, FloatArray], index: pd.Index) -> None:
        drawn = "sorted rows are ranked by value: see stability() for how sure each place is"
        bare = "ranked by value; stability not computed: call score(..., samples=1000)"
        super().__init__({"caution": bare if made.samples is None else drawn})
        self.made, self.drawn, self.index = made, values, index

    def stability(self, column: str, k: int = 10) -> pd.DataFrame:
        """Ranks of the draws, how often each row is among the top k, and how often it outranks the next."""
        from .sampling import rank_stability

        frame = pd.DataFrame({c: x for c, x in self.drawn.items() if c == column}, index=self.index)
        frame.attrs = {"source": Source(self.made)}
        found: pd.DataFrame = rank_stability(frame, column, k)
        return found


def check_draws(
    samples: int | None, correlate: str | None, reliability: float | None, seed: int | np.integer[Any] = 0
) -> None:
    """Refuse what says how to draw and makes no draw, and seeds that are none.

    Parameters
    ----------
    samples, correlate, reliability, seed
        As for :func:`supplyrisk.metrics.score.score`.

    Raises
    ------
    SchemaError
        ``correlate`` beside ``reliability``, or one of them without ``samples``; a seed that is not a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        rule = "must be a whole number of at least 0"
        raise SchemaError([Problem("score", "-", "seed", rule, repr(seed), "Write seed=0.")], "score()")
    if correlate is not None and reliability is not None:
        rule = "the Dirichlet distribution draws shares, and has no errors that could go together"
        remedy = "Leave one of them out: correlate= is for draws from the intervals."
        raise SchemaError([Problem("score", "-", "correlate", rule, f"reliability={reliability}", remedy)], "score()")
    if samples is not None and (isinstance(samples, bool) or samples != samples // 1):
        problem = Problem("score", "-", "samples", "not a whole number", repr(samples), "Give 1000.")
        raise SchemaError([problem], "score()")
    if samples is None and (correlate is not None or reliability is not None):
        given = "reliability" if reliability is not None else "correlate"
        remedy = "Say samples=1000, or leave it out."
        raise SchemaError(
            [Problem("score", "-", given, "says how to draw, and nothing is drawn", "", remedy)], "score()"
        )


def prior(made: Origin, columns: Mapping[str, FloatArray]) -> dict[str, Any]:
    """What the draws assume of what is not known, and in how many rows the value lies outside their quantiles."""
    figures = (
        "each figure from the triangle of its low, value and high, evenly between its bounds where it has no value"
        if made.reliability is None
        else f"shares of each market from a Dirichlet distribution of pseudo-sample size {made.reliability:g}"
    )
    apart = "figures of one source err together" if made.correlate == "source" else "independently of each other"
    outside = {}
    for name in made.names:
        if f"{name}_p05" in columns:
            out = (columns[name] < columns[f"{name}_p05"] - 1e-9) | (columns[name] > columns[f"{name}_p95"] + 1e-9)
            if out.any():
                outside[name] = int(out.sum())
    return {
        "value": "what is known: holders not on record and the unlisted rest hold nothing for the focal in it",
        "p05, p95": "quantiles over what is assumed here; a value at one end of what is possible may lie outside them",
        "figures": f"{figures}; {apart}",
        "parts": "what of a supplier is the focal's, from the triangle of its low, value and high: of one whose holders "
        "are not on record (equity, control) any part from 0 to 1, nought the likeliest, a third on average",
        "holders": "in concentration by equity and control the focal holds the part drawn for it; the others share the "
        "rest as they draw from the triangle of the least they surely have, the value and the most they can have",
        "unlisted": "the focal is not among unlisted suppliers in half of the draws",
        "rows with the value outside": outside,
    }

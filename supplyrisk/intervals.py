"""How wide a figure is when its source states no interval.

The half-width is relative, set by the grade, and grows with the age of the figure and faster once its source has
gone dark. Ageing or closing a source can only widen. The numbers are assumptions (register ids ``A-GRADE``,
``A-AGE`` and ``A-DARK``); a figure with its own ``low`` and ``high`` keeps them. A list of producers ages too: for
every year beyond the first, newcomers may have as much of its market as a figure widens by in a year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .schema import Quantity

__all__ = ["DEFAULT_POLICY", "IntervalPolicy", "intervals", "policy_from_json", "policy_to_json"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class IntervalPolicy:
    """Relative half-width of a figure without a stated interval.

    Parameters
    ----------
    by_grade : mapping
        Grade to half-width, dimensionless; monotone from A to assumption.
    per_year : float
        Added for every year between the data year and the reference date.
    per_dark_year : float
        Added for every year since the source stopped publishing.
    """

    by_grade: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"A": 0.05, "B": 0.10, "C": 0.25, "D": 0.50, "assumption": 0.50})
    )
    per_year: float = 0.01
    per_dark_year: float = 0.05

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy does not pickle
        return IntervalPolicy, (dict(self.by_grade), self.per_year, self.per_dark_year)

    def half_width(self, grade: pd.Series, age: FloatArray, dark: FloatArray) -> FloatArray:
        """Relative half-width of each figure; an ungraded figure counts as an assumption."""
        base = grade.map(dict(self.by_grade)).astype("float64").fillna(self.by_grade["assumption"]).to_numpy()
        width = base + self.per_year * np.maximum(age, 0.0) + self.per_dark_year * np.maximum(dark, 0.0)
        return np.asarray(width, dtype=np.float64)


DEFAULT_POLICY = IntervalPolicy()


def policy_to_json(policy: IntervalPolicy) -> dict[str, Any]:
    """Widths as plain values, for a file's description of itself.

    Parameters
    ----------
    policy : IntervalPolicy
        Widths of figures without a stated interval.

    Returns
    -------
    dict

    Examples
    --------
    >>> policy_to_json(DEFAULT_POLICY)["per_year"]
    0.01
    """
    widths = {g: policy.by_grade[g] for g in sorted(policy.by_grade)}
    return {"by_grade": widths, "per_year": policy.per_year, "per_dark_year": policy.per_dark_year}


def policy_from_json(given: Mapping[str, Any]) -> IntervalPolicy:
    """Widths as :func:`policy_to_json` wrote them.

    Parameters
    ----------
    given : mapping
        Plain values.

    Returns
    -------
    IntervalPolicy

    Examples
    --------
    >>> policy_from_json(policy_to_json(DEFAULT_POLICY)) == DEFAULT_POLICY
    True
    """
    widths = {str(k): float(v) for k, v in given["by_grade"].items()}
    return IntervalPolicy(widths, float(given["per_year"]), float(given["per_dark_year"]))


def intervals(
    frame: pd.DataFrame,
    quantity: Quantity,
    as_of: int,
    dark_from: Mapping[str, int] | None = None,
    policy: IntervalPolicy = DEFAULT_POLICY,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value, low and high of a quantity, with the policy's width where none is stated.

    Parameters
    ----------
    frame : DataFrame
        Rows of a fact table.
    quantity : Quantity
        The declared quantity.
    as_of : int
        Reference year: figures older than it are wider.
    dark_from : mapping, optional
        Source id to the year in which it went dark.
    policy : IntervalPolicy
        The widths.

    Returns
    -------
    tuple of ndarray
        ``value, low, high`` with ``low <= value <= high``; a missing value is NaN with ``low = 0`` and
        ``high = inf`` unless its row states bounds.
    """
    value = frame[quantity.name].to_numpy(dtype=np.float64)
    low = frame[quantity.low].to_numpy(dtype=np.float64).copy()
    high = frame[quantity.high].to_numpy(dtype=np.float64).copy()
    year = frame[quantity.year].astype("float64").fillna(float(as_of)).to_numpy()
    age = as_of - year
    dark = np.zeros(len(frame))
    if dark_from:
        since = frame[quantity.source].map(dict(dark_from)).astype("float64").to_numpy()
        dark = np.where(np.isnan(since), 0.0, as_of - since)
    width = policy.half_width(
        frame[quantity.grade], np.asarray(age, dtype=np.float64), np.asarray(dark, dtype=np.float64)
    )
    # A stated interval ages too: the part beyond what the grade alone would give is added on both sides.
    extra = policy.per_year * np.maximum(age, 0.0) + policy.per_dark_year * np.maximum(dark, 0.0)
    magnitude = np.abs(value)
    stated_low, stated_high = ~np.isnan(low), ~np.isnan(high)
    low = np.where(stated_low, low - np.nan_to_num(magnitude * extra), value - magnitude * width)
    high = np.where(stated_high, high + np.nan_to_num(magnitude * extra), value + magnitude * width)
    gone = np.isnan(value)
    low = np.where(gone & ~stated_low, 0.0, low)
    high = np.where(gone & ~stated_high, np.inf, high)
    if quantity.minimum is not None:
        low = np.maximum(low, quantity.minimum)
    if quantity.maximum is not None:
        high = np.minimum(high, quantity.maximum)
    return value, low, high

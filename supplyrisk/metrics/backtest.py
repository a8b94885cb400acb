"""Were past intervals right? Proper scores of what was said against what came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, close_matches
from .governance import Values, aligned, keyed, number, refuse

__all__ = ["Calibration", "calibration", "interval_score"]


@dataclass(frozen=True)
class Calibration:
    """How a set of intervals did against what came; see :func:`calibration`.

    Attributes
    ----------
    cases : int
        Cases with an outcome.
    level, coverage, coverage_low, coverage_high : float
        Part of outcomes that the intervals should hold, the part that they did hold, and Wilson's 95 % interval of it.
    score, reference_score, skill : float
        Mean interval scores (smaller is better) and ``1 - score / reference_score``; NaN without a reference.
    too_low, too_high : float
        Part of outcomes above their interval (the danger was underestimated) and below it (overestimated).
    bias : float
        Mean of value less outcome, in the unit of the outcomes; NaN where no case has a value.
    direction : float
        Part of cases in which value and outcome lie on the same side of ``before``; NaN without ``before``.
    table : DataFrame
        A row per case: ``low, value, high, actual, inside, score`` and ``reference`` where given.
    """

    cases: int
    level: float
    coverage: float
    coverage_low: float
    coverage_high: float
    score: float
    reference_score: float
    skill: float
    too_low: float
    too_high: float
    bias: float
    direction: float
    table: pd.DataFrame

    def summary(self) -> pd.Series:
        """All figures but the table, by name."""
        figures = {k: v for k, v in asdict(self).items() if k != "table"}
        return pd.Series(figures, name="calibration", dtype=np.float64)


def interval_score(low: Values, high: Values, actual: Values, *, level: float = 0.9) -> Any:
    r"""Interval score: the width of an interval and a fine for each outcome outside it; smaller is better.

    .. math:: S = (u - l) + \frac{2}{\alpha}(l - x)^+ + \frac{2}{\alpha}(x - u)^+, \qquad \alpha = 1 - level

    A proper score: who reports the quantiles believed in expects the least, so neither wide nor narrow pays.

    Parameters
    ----------
    low, high : Series, mapping or array
        Ends of the intervals; a Series is matched by key.
    actual : Series, mapping or array
        What came, in the same unit; a case without an outcome (NaN) is NaN in the result.
    level : float
        Part of outcomes that the intervals were meant to hold, in (0, 1).

    Returns
    -------
    Series
        At least 0, in the unit of the outcomes.

    Raises
    ------
    SchemaError
        An end is missing or infinite, an outcome infinite, ``low`` above ``high``, a key that is no case of ``actual``
        (give its outcome as NaN if it is not known yet), or a level outside (0, 1).

    Notes
    -----
    Source: Gneiting & Raftery (2007), Journal of the American Statistical Association 102, eq. 43. Missing policy: an
    outcome that is not known is not scored.

    Examples
    --------
    >>> interval_score([0.0, 0.0], [1.0, 1.0], [0.4, 1.2], level=0.9).round(6).tolist()
    [1.0, 5.0]
    """
    alpha = 1.0 - number(level, "level", 0.0, 1.0, "Give e.g. 0.9.")
    if not 0.0 < alpha < 1.0:
        refuse([Problem("level", "-", "-", "outside (0, 1)", f"{level!r}", "Give e.g. 0.9.")], "interval_score")
    x = _outcomes(actual)
    every = np.ones(len(x), dtype=bool)
    lo, hi = (_said(v, x, name, every) for v, name in ((low, "low"), (high, "high")))
    crossed = lo > hi
    problems = [
        Problem("low", str(k), "-", "above high", f"{a:g} > {b:g}", "Change them round.")
        for k, a, b in zip(x.index[crossed], lo[crossed], hi[crossed], strict=True)
    ]
    refuse(problems, "interval_score")
    seen = x.to_numpy(dtype=np.float64)
    fine = np.maximum(lo - seen, 0.0) + np.maximum(seen - hi, 0.0)
    return pd.Series((hi - lo) + 2.0 / alpha * fine, index=x.index, name="interval_score")


def calibration(
    low: Values,
    high: Values,
    actual: Values,
    *,
    value: Values | None = None,
    before: Values | None = None,
    reference: tuple[Values, Values] | None = None,
    level: float = 0.9,
) -> Calibration:
    """Score intervals that were given against what came, with the bias in both directions.

    Coverage is ``mean(low <= actual <= high)``, with Wilson's interval because cases are few; the score is the mean
    :func:`interval_score`; the skill is ``1 - score / reference_score``, above 0 where the intervals beat the
    reference (a constant worst case, last year's figure, a published forecast).

    Parameters
    ----------
    low, high : Series, mapping or array
        The intervals.
    actual : Series, mapping or array
        What came, in the same unit; cases without an outcome (NaN) are left out and not counted.
    value : Series, mapping or array, optional
        Central figures, for bias and direction; NaN where none was given.
    before : Series, mapping or array, optional
        The figure before, for the direction of change.
    reference : (low, high), optional
        Intervals to beat.
    level : float
        Part of outcomes that the intervals were meant to hold, in (0, 1).

    Returns
    -------
    Calibration
        Fractions in [0, 1], scores and bias in the unit of the outcomes, skill at most 1.

    Raises
    ------
    SchemaError
        As :func:`interval_score`; or no case has an outcome.

    Notes
    -----
    Source: Gneiting & Raftery (2007) for the score, Wilson (1927) for the interval of coverage.

    Examples
    --------
    >>> said = calibration([0.2, 0.3, 0.5], [0.8, 0.9, 0.9], [0.6, 0.2, 0.7], value=[0.5, 0.6, 0.8], before=[0, 0, 0],
    ...                    reference=([1, 1, 1], [1, 1, 1]))
    >>> round(said.coverage, 3), said.too_high > 0, round(said.skill, 3), said.direction
    (0.667, True, 0.88, 1.0)
    """
    x = _outcomes(actual)
    score = interval_score(low, high, x, level=level)
    every, none = np.ones(len(x), dtype=bool), np.zeros(len(x), dtype=bool)
    ends = {name: _said(v, x, name, every) for v, name in ((low, "low"), (high, "high"))}
    said = np.full(len(x), np.nan) if value is None else _said(value, x, "value", none)
    table = pd.DataFrame({"low": ends["low"], "value": said, "high": ends["high"], "actual": x}, index=x.index)
    table["inside"] = (table["actual"] >= table["low"]) & (table["actual"] <= table["high"])
    table["score"] = score
    if reference is not None:
        table["reference"] = interval_score(reference[0], reference[1], x, level=level)
    if before is not None:
        table["before"] = _said(before, x, "before", none)
    table = table[table["actual"].notna()]
    n = len(table)
    if n == 0:
        refuse([Problem("actual", "-", "-", "no case has an outcome", "", "Give what came.")], "calibration")
    covered = float(table["inside"].mean())
    end_low, end_high = _wilson(covered, n)
    mean = float(table["score"].mean())
    other = float(table["reference"].mean()) if "reference" in table else math.nan
    moved = math.nan
    if "before" in table:
        known = table.dropna(subset=["value", "before"])
        same = np.sign(known["value"] - known["before"]) == np.sign(known["actual"] - known["before"])
        moved = float(same.mean()) if len(known) else math.nan
    return Calibration(
        cases=n,
        level=float(level),
        coverage=covered,
        coverage_low=end_low,
        coverage_high=end_high,
        score=mean,
        reference_score=other,
        # A reference that was right to the last digit cannot be beaten: the ratio has no value there.
        skill=1.0 - mean / other if other > 0 else math.nan,
        too_low=float((table["actual"] > table["high"]).mean()),
        too_high=float((table["actual"] < table["low"]).mean()),
        bias=float((table["value"] - table["actual"]).mean()),
        direction=moved,
        table=table,
    )


def _outcomes(actual: Values) -> pd.Series:
    x = keyed(actual, "actual").astype(np.float64)
    endless = x.index[np.isinf(x.to_numpy())]
    refuse(
        [Problem("actual", str(k), "-", "infinite", f"{x[k]}", "Give a finite outcome, or NaN.") for k in endless],
        "actual",
    )
    return x


def _said(values: Values, x: pd.Series, what: str, needed: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """What was said of each case; a key that is no case is an error, not something to pass over."""
    if isinstance(values, pd.Series | Mapping):
        problems = []
        for key in keyed(values, what).index.difference(x.index, sort=False):
            close = close_matches(str(key), map(str, x.index), 1) if isinstance(key, str) else []
            hint = f"Did you mean {close[0]!r}? " if close else ""
            remedy = f"{hint}Give its outcome in actual, NaN where it is not known yet."
            problems.append(Problem(what, str(key), "-", "no such case", "", remedy))
        refuse(problems, what)
    return aligned(values, x, what, "Give both ends of every case.", needed)


def _wilson(p: float, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's interval of a fraction p of n cases."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)

"""Units of what a plan says: money with its price year, present value over periods, other units for other aims."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from ..registry import Objective
from .model import Build, in_unit, money

__all__ = ["capital_years", "dated", "dollars", "goal_unit", "price_years", "spoken", "worth"]

_MONEY = "USD/year"
_FIXED = " (yes-or-no decisions as they are)"


def price_years(m: Build) -> str:
    """Price years of the products in a plan, in words.

    Parameters
    ----------
    m : Build
        The model.

    Returns
    -------
    str
        ``"2024"``, ``"2022 to 2024"``, or ``""`` where none is on record.
    """
    years = _years(m)
    if not years:
        return ""
    return f"{years[0]}" if len(years) == 1 else f"{years[0]} to {years[-1]}"


def _years(m: Build) -> list[int]:
    own = m.case.graph.tables["products"].drop_duplicates("product").set_index("product")
    return sorted(set(own["price_year"].reindex(list(m.case.products)).dropna().astype(int).tolist()))


def capital_years(m: Build) -> dict[int, int]:
    """Years of the capital costs on record among the projects on offer, and how many are of each."""
    if m.candidates is None or "capex_year" not in m.candidates.frame:
        return {}
    if len(m.project_offered) != len(m.candidates.frame):
        return {}  # no lever offers them
    year = m.candidates.frame["capex_year"].to_numpy(dtype=float)
    mine = m.project_offered & ~np.isnan(year)
    mine[list(m.stages)] = False  # given by the user
    value, count = np.unique(year[mine].astype(int), return_counts=True)
    return dict(zip(value.tolist(), count.tolist(), strict=True))


def dollars(m: Build) -> str:
    """The unit of the money in a plan: ``"USD of 2024"``, or ``"USD of 2021-2026 (not deflated)"``.

    Money of several years is added up as it stands; :func:`supplyrisk.portfolio.in_prices_of` converts it before. What has
    no year on record (the plan's notes count it), and what the user gives, is taken as of the year of the prices.
    """
    years = sorted({*_years(m), *capital_years(m)})
    if not years:
        return "USD (year not recorded)"
    return f"USD of {years[0]}" if len(years) == 1 else f"USD of {years[0]}-{years[-1]} (not deflated)"


def dated(text: str, m: Build) -> str:
    """Money with the year of its prices."""
    return re.sub(r"\bUSD\b(?! of \d| \()", dollars(m), text)


def goal_unit(goal: Objective) -> str:
    """Unit of an objective: that of its terms, ``USD/year`` as soon as one of them is money.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> goal_unit(sr.cost() + 0.5 * sr.cvar(0.95))
    'USD/year'
    """
    units = list(dict.fromkeys(str(t.entry.meta.get("unit", "")) for _, t in goal.terms))
    if _MONEY in units:
        return _MONEY
    return units[0] if len(units) == 1 and len(goal.terms) == 1 and goal.terms[0][0] == 1.0 else ""


def worth(value: float, goal: Objective, m: Build, present: bool = False) -> str:
    """An objective value in words, with its unit."""
    unit = goal_unit(goal)
    if unit == _MONEY:
        return dated(money(value), m) + (" in present value" if present else " a year")
    if unit in ("", "1"):
        return f"{value:,.4g} ({goal!r})"
    return f"{value:,.6g} {unit} ({goal!r})"


def spoken(
    frame: pd.DataFrame, goal: Objective, m: Build, *, present: bool = False, fixed: bool = False
) -> pd.DataFrame:
    """Meanings of duals in the unit of the objective.

    Parameters
    ----------
    frame : DataFrame
        From :func:`supplyrisk.portfolio.explain.dual_table`, made inside :func:`unit_for`.
    goal : Objective
        The plan's objective.
    m : Build
        The model.
    present : bool
        Over several periods: present value.
    fixed : bool
        The model has integers, which the duals take as they are.
    """
    is_money = goal_unit(goal) == _MONEY

    def say(text: Any) -> str:
        words = str(text)
        if not words:
            return words
        if is_money:
            words = dated(words, m)
            words = re.sub(r" a year$", " in present value", words) if present else words
        else:
            # Amounts of the objective are told in its unit already (unit_for); what is left is the constraint's own money.
            words = dated(re.sub(r" a year$", "", words), m)
        return words + (_FIXED if fixed else "")

    return frame.assign(meaning=[say(x) for x in frame["meaning"]])


def unit_for(goal: Objective) -> Any:
    """Context in which amounts of money are read as amounts of the objective, where that is not money."""
    unit = goal_unit(goal)
    if unit == _MONEY:
        return in_unit(None)
    return in_unit("of the objective" if len(goal.terms) > 1 else f"of {goal!r}")


__all__ += ["unit_for"]

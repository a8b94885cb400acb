"""Whether a dated act stands on a day: the one rule by which every part of the package reads a row of ``measures``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .schema import date_ceil, date_floor

__all__ = ["STATES", "Standing", "reached", "standing"]

STATES = ("not_yet", "announced", "in_force", "suspended", "unknown", "ended")


@dataclass(frozen=True)
class Standing:
    """State of one row on a day.

    Parameters
    ----------
    state : str
        One of :data:`STATES`.
    because : str
        The reason in words.
    may_bind : bool
        Whether the act is, or for all that is known may be, in force.
    """

    state: str
    because: str
    may_bind: bool


def reached(day: str, date: Any) -> bool | None:
    """Whether a date has come; None inside a date of less than day precision, where nobody can say.

    Parameters
    ----------
    day : str
        ISO day.
    date : str
        ISO date of any precision.

    Returns
    -------
    bool or None
        True from the last day of the date, False before its first.

    Examples
    --------
    >>> reached("2025-04-30", "2025-04"), reached("2025-04-12", "2025-04"), reached("2025-03-31", "2025-04")
    (True, None, False)
    """
    text = str(date)
    if day >= date_ceil(text):
        return True
    return False if day < date_floor(text) else None


def standing(row: Mapping[Any, Any], day: str) -> Standing:
    """State of one row of ``measures`` on a day.

    Parameters
    ----------
    row : mapping
        Some of ``announced, effective, suspended, suspended_until, ended, valid_to``: ISO dates of any precision; an
        absent key, a missing cell and an empty text all mean that no date is recorded.
    day : str
        ISO day.

    Returns
    -------
    Standing
        An end comes before a suspension, a suspension before an effect, an effect before an announcement. The last
        day of a suspension is still suspended; from the day after, with nothing further recorded, the state is
        ``unknown``, never "no control". So it is past ``valid_to``, inside a date of month or year precision, and
        where no date is recorded at all.

    Notes
    -----
    Missing policy: what is not recorded is unknown and may bind. Definition of this library.

    Examples
    --------
    >>> ban = {"effective": "2024-12-03", "suspended": "2025-11-09", "suspended_until": "2026-11-27"}
    >>> [standing(ban, day).state for day in ("2024-12-02", "2025-01-01", "2026-11-27", "2026-11-28")]
    ['not_yet', 'in_force', 'suspended', 'unknown']
    """

    def date(name: str) -> str | None:
        value = row.get(name)
        return None if value is None or pd.isna(value) or str(value) == "" else str(value)

    announced, effective, ended = date("announced"), date("effective"), date("ended")
    suspended, until, valid_to = date("suspended"), date("suspended_until"), date("valid_to")
    if ended and (over := reached(day, ended)) is not False:
        if over:
            return Standing("ended", f"ended {ended}", False)
        return Standing("unknown", f"ended in {ended}, the day is not recorded", True)
    if suspended and until and day > date_ceil(until):
        return Standing("unknown", f"suspension lapsed after {until}; nothing found since", True)
    if suspended and (paused := reached(day, suspended)) is not False:
        if paused is None:
            return Standing("unknown", f"suspended in {suspended}, the day is not recorded", True)
        return Standing(
            "suspended", f"suspended {suspended}{f' to {until}' if until else ', no last day recorded'}", False
        )
    if effective and (begun := reached(day, effective)) is not False:
        if begun is None:
            return Standing("unknown", f"in force from {effective}, the day is not recorded", True)
        if valid_to and day > date_ceil(valid_to):
            return Standing("unknown", f"the evidence holds to {valid_to}; nothing found since", True)
        return Standing("in_force", f"in force since {effective}, as last found", True)
    if announced:
        said = reached(day, announced)
        if said:
            rest = f"to take effect {effective}" if effective else "no day of effect recorded"
            return Standing("announced", f"announced {announced}, {rest}", False)
        # Announced or not yet: in neither case does it bind.
        if said is None:
            return Standing("unknown", f"announced in {announced}, the day is not recorded", False)
        return Standing("not_yet", "before its announcement", False)
    if effective:
        return Standing("not_yet", "before its effect", False)
    return Standing("unknown", "no date is recorded", True)

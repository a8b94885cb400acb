"""Known faults of the USGS data releases: what they say, what is meant, and how that is known.

A fault is corrected only if it stands here; every corrected row carries the reason in its note, and the report says how
many there were. A unit is corrected only while the world total still has the magnitude that shows the fault: a file in
which the publisher has mended it is left alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from .cells import numbers
from .report import Report, plain

__all__ = ["BLANKS", "UNITS", "correct_units", "withheld_blanks"]


class Unit(NamedTuple):
    """A unit that a release states wrongly: for which commodity, which unit is meant, up to which total it is wrong."""

    commodity: str
    said: str
    meant: str
    below: float
    reason: str


# By release. ``below``: the largest world total, as printed, that can only be in the larger unit.
UNITS: dict[int, tuple[Unit, ...]] = {
    2025: (
        Unit("titaniummineralconcentrates", "metric tons", "thousand metric tons", 1e5,
             "the chapter's table is in thousand metric tons; so is the 2026 release (9,680 thousand tons in 2024)"),
        Unit("sandandgravelindustrial", "metric tons", "thousand metric tons", 1e7,
             "the chapter's table is in thousand metric tons; so is the 2026 release (434,000 thousand tons in 2024)"),
    ),
}  # fmt: skip
# Commodities whose cells are all blank in the release, where the chapter says that the figures are withheld.
BLANKS: dict[int, dict[str, str]] = {
    2025: {"gemanium": "blank in the release; withheld by the publisher, as in the chapter"}
}


def correct_units(tidy: pd.DataFrame, vintage: int, report: Report) -> pd.DataFrame:
    """Rows of a release with the units that are meant.

    Parameters
    ----------
    tidy : DataFrame
        ``commodity, place, what, text, unit, note``.
    vintage : int
        Year of the release.
    report : Report
        Says what was corrected.

    Returns
    -------
    DataFrame
    """
    out = tidy
    name = tidy["commodity"].map(plain)
    for fault in UNITS.get(vintage, ()):
        mine = name == fault.commodity
        rows = mine & (tidy["unit"] == fault.said).fillna(False).astype(bool)
        if rows.any():
            rows |= mine & (tidy["unit"].fillna("") == "").astype(bool)
        made = rows & (tidy["what"] == "output")
        world = made & tidy["place"].str.match(r"world", case=False).fillna(False)
        shown = numbers(tidy.loc[world if world.any() else made, "text"])["value"].max()
        if not rows.any() or not (shown <= fault.below):
            continue
        out = out.copy()
        out["unit"] = out["unit"].mask(rows, fault.meant)
        said = f"unit corrected from {fault.said} to {fault.meant}: {fault.reason}"
        before = out["note"].fillna("")
        out["note"] = out["note"].mask(rows, before.mask(before != "", before + "; ") + said)
        label = str(tidy.loc[rows, "commodity"].iloc[0])
        report.notes.append(f"{label}: {int(rows.sum())} rows, {said}")
    return out


def withheld_blanks(data: pd.DataFrame, vintage: int) -> pd.Series:
    """Codes of a release, with blanks that are known to be withheld."""
    name = data["commodity"].map(plain)
    blank = name.isin(list(BLANKS.get(vintage, {}))) & (data["code"] == "empty") & (data["what"] == "output")
    whole = data["value"].isna().groupby(name).transform("all")
    return data["code"].mask(np.asarray(blank & whole, dtype=bool), "withheld")

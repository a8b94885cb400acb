"""Rows that stand twice in a file: one file pasted under another doubles every sum without a sign."""

from __future__ import annotations

import pandas as pd

from .report import Report

__all__ = ["TWIN", "without_twins"]

TWIN = "a row that stands twice, the same in every cell"


def without_twins(raw: pd.DataFrame, report: Report) -> pd.DataFrame:
    """Drop rows that repeat another in every cell, and report them with their part of all rows.

    Parameters
    ----------
    raw : DataFrame
        Cells as they stand in the file, every column of it: rows that differ in any are two.
    report : Report
        Gets the count.

    Returns
    -------
    DataFrame
        The first of each, in order.

    Examples
    --------
    >>> report = Report("", "", "")
    >>> without_twins(pd.DataFrame({"place": ["A", "B", "A"], "value": ["1", "2", "1"]}), report)["place"].tolist()
    ['A', 'B']
    >>> report.rows_dropped
    1
    """
    twice = raw.duplicated()
    if not twice.any():
        return raw
    report.leave_out(TWIN, twice, pd.Series(1.0, index=raw.index), (), "rows")
    return raw[~twice].reset_index(drop=True)

"""Who makes what it exports, and who passes on what it imports: the one rule for statistics of trade (A-REEXPORT)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["NET_OF_EXPORTS", "TRADERS", "net_exporters"]

# Entrepots: what they export beyond what they import is a gap of the statistics, not output.
TRADERS = ("ARE", "HKG", "MAC", "NLD", "SGP")
NET_OF_EXPORTS = 0.5  # default of ``reexport_tolerance``
_SMALL = 0.002  # of all trade


def net_exporters(
    sold: pd.Series, got: pd.Series, market: Any, country: Any, tolerance: float = NET_OF_EXPORTS
) -> pd.Series:
    """Net exports of those who make what they export, by their trade alone.

    Parameters
    ----------
    sold, got : Series
        What each exporter sends and gets, in one unit; one index. An exporter that is not in ``got`` gets nothing.
    market : array-like
        Of each row of ``sold`` the market, e.g. product or product and year, whose trade is compared.
    country : array-like of str
        ISO3 of each row of ``sold``.
    tolerance : float
        Part of its exports, from 0 to 1, that net exports must exceed.

    Returns
    -------
    Series
        A part of ``sold``'s index: exporters whose net exports are more than ``tolerance`` of their exports and 0.2
        percent of all trade of the market, and which are no entrepot (ARE, HKG, MAC, NLD, SGP).

    Examples
    --------
    >>> sold = pd.Series({"CHN": 90.0, "DEU": 10.0, "HKG": 50.0, "FJI": 0.1})
    >>> got = pd.Series({"DEU": 9.0, "USA": 141.1})
    >>> net_exporters(sold, got, ["magnets"] * 4, sold.index)
    CHN    90.0
    dtype: float64
    """
    net = sold - got.reindex(sold.index).fillna(0.0)
    whole = sold.groupby(market).transform("sum") if len(sold) else sold
    makes = (net > tolerance * sold) & (net > _SMALL * whole)
    makes &= ~np.isin(np.asarray(country, dtype=object).astype(str), TRADERS)
    return net[makes]

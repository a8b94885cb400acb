"""A union beside its members is their sum, not one more producer: only what the members leave of it is the union's own."""

from __future__ import annotations

import pandas as pd

from .report import Report

__all__ = ["less_members"]

# The Union since 2020: statisticians print EU27 of earlier years by today's members too.
_MEMBERS = frozenset([
    "AUT", "BEL", "BGR", "CYP", "CZE", "DEU", "DNK", "ESP", "EST", "FIN", "FRA", "GRC", "HRV", "HUN", "IRL", "ITA",
    "LTU", "LUX", "LVA", "MLT", "NLD", "POL", "PRT", "ROU", "SVK", "SVN", "SWE",
])  # fmt: skip
_KEYS = ("product", "hs6", "year", "what", "unit", "basis", "source", "kind", "sector", "site")
_SAME = 1e-3  # of the union's figure: what rounding leaves


def less_members(frame: pd.DataFrame, quantity: str, report: Report) -> pd.DataFrame:
    """Take the members' figures off the European Union's; nothing is left where they add to it.

    Parameters
    ----------
    frame : DataFrame
        ``country``, the quantity, and whichever of ``product, year, what, unit ...`` there are; ``with_uk`` is true where
        the union's own label counts the United Kingdom (EU28).
    quantity : str
        Column of the figures; ``low``, ``high`` and ``missing`` go with it (``output_low`` ... with ``output``).
    report : Report
        Gets what was done.

    Returns
    -------
    DataFrame
        A union that its members make up is left out. One that exceeds them keeps the rest, as the members that are not
        listed. Where a member's figure is unknown, the rest may be that member's: it is a bound, 0 to the rest.

    Examples
    --------
    >>> rows = {"product": "gallium.refined", "country": ["DEU", "FRA", "EUE", "CHN"], "quantity": [5.0, 3.0, 10.0, 20.0]}
    >>> less_members(pd.DataFrame(rows), "quantity", Report("", "", ""))[["country", "quantity"]].values.tolist()
    [['DEU', 5.0], ['FRA', 3.0], ['EUE', 2.0], ['CHN', 20.0]]
    """
    union = frame["country"] == "EUE"
    inside = frame["country"].isin(_MEMBERS)
    if not union.any():
        return frame
    keys = [frame[k].astype("object").fillna("") for k in _KEYS if k in frame]
    at = pd.MultiIndex.from_arrays([pd.Series("", index=frame.index), *keys])
    if "with_uk" in frame:
        inside |= (frame["country"] == "GBR") & (union & frame["with_uk"]).groupby(at).transform("any")
    held = frame[quantity].where(inside)
    listed = inside.groupby(at).transform("any")
    known = held.groupby(at).transform("sum")
    unknown = (inside & frame[quantity].isna()).groupby(at).transform("any")
    beside = union & listed
    if not beside.any():
        return frame
    out = frame.copy()
    rest = (out[quantity] - known).where(beside)
    some = beside & (rest > _SAME * out[quantity].abs())
    made_up = beside & ~some
    prefix = "" if quantity == "quantity" else f"{quantity}_"
    low, high, missing = f"{prefix}low", f"{prefix}high", f"{prefix}missing"
    for column in (low, high):
        if column in out:
            out[column] = (out[column] - known).clip(lower=0.0).where(beside, out[column])
    open_ = some & unknown
    if open_.any():
        for column in (low, high):
            out[column] = out[column] if column in out else float("nan")
        out[low] = out[low].mask(open_, 0.0)
        out[high] = out[high].mask(open_, rest)
        out[missing] = (out[missing] if missing in out else pd.Series(None, index=out.index, dtype="object")).astype(
            "object"
        )
        out[missing] = out[missing].mask(open_, "unknown")
    out[quantity] = out[quantity].mask(some, rest).mask(open_)
    within = [frame[k] for k in ("product", "year", "what", "unit") if k in frame]
    report.leave_out("the European Union beside its members: their sum", made_up, frame[quantity], within, quantity)
    if some.any():
        report.notes.append(
            f"{int(some.sum())} rows of the European Union stand beside some of its members: less what those have, the rest "
            "counts as the members that are not listed"
            + (", a bound where one's figure is unknown" if open_.any() else "")
        )
    return out[~made_up].reset_index(drop=True)

"""What bounds a figure that nobody gives: the value of a flow without a weight, and a published world total."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["UNIT_VALUES", "weight_bounds"]

FloatArray = npt.NDArray[np.float64]

# Register id of the assumption that a flow without a weight has a plausible unit value.
UNIT_VALUES = "A-UNITVALUE"
_TAIL = 0.01  # part of the known unit values beyond each end of the range
_WIDER = 2.0  # factor by which that range is widened on both sides
_SOME = 20  # unit values below which their quantiles say little
_FEW_WIDER = 10.0  # factor for the range of so few


def weight_bounds(links: pd.DataFrame, seen: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Least, likely and greatest weight of flows that have a value and no quantity.

    ``value / u`` with ``u`` the known unit values (value over quantity) of the same product in the same source: their
    1st and 99th percentile, widened by a factor of 2 on both sides, and their median. Where a source has fewer than
    20 of a product, those of all sources count; where these are fewer than 20 too, their extremes widened by 10.

    Parameters
    ----------
    links : DataFrame
        Links with ``product, source, quantity, value``.
    seen : ndarray of bool
        Links whose quantity is a figure, not an estimate.

    Returns
    -------
    tuple of ndarray
        Low, middle and high in product units; NaN for a link with a quantity, without a value, or of a product of
        which no unit value is known.

    Notes
    -----
    Assumption ``A-UNITVALUE``, grade ``assumption``: unit values scatter by quality and by rounding of small flows,
    so the range is wide. Source: weights from standard unit values as in UN (2013), IMTS 2010 Compilers Manual.

    Examples
    --------
    >>> f = pd.DataFrame(dict(product="x", source="s", quantity=[1.0] * 20 + [np.nan], value=[10.0] * 20 + [100.0]))
    >>> [float(b[-1]) for b in weight_bounds(f, f["quantity"].notna().to_numpy())]
    [5.0, 10.0, 20.0]
    """
    quantity, value = (links[c].to_numpy(dtype=float) for c in ("quantity", "value"))
    blank = np.isnan(quantity) & (value > 0)
    out = tuple(np.full(len(links), np.nan) for _ in range(3))
    told = seen & (quantity > 0) & (value > 0)
    if not blank.any() or not told.any():
        return out[0], out[1], out[2]
    product = links["product"].astype("object").to_numpy()
    source = links["source"].astype("object").where(links["source"].notna(), "").to_numpy()
    known = pd.DataFrame({"product": product[told], "source": source[told], "u": value[told] / quantity[told]})
    for keys, enough in ((["product"], False), (["product"], True), (["product", "source"], True)):
        group = known.groupby(keys)["u"]
        count = group.size()
        parts = np.array([_TAIL, 0.5, 1.0 - _TAIL])
        ends = group.quantile(parts).unstack() if enough else group.agg(["min", "median", "max"])
        ends.columns = ["least", "middle", "most"]
        wider = _WIDER if enough else _FEW_WIDER
        ends = ends[count >= _SOME] if enough else ends
        at = {"product": product[blank], "source": source[blank]}
        key = pd.MultiIndex.from_arrays([at[k] for k in keys]) if len(keys) > 1 else pd.Index(at[keys[0]])
        found = ends.reindex(key).to_numpy(dtype=float)
        # The last rule that finds something counts: the product's own unit values in the same source.
        for column, unit, factor in zip(out, (2, 1, 0), (1.0 / wider, 1.0, wider), strict=True):
            fresh = factor * value[blank] / found[:, unit]
            column[blank] = np.where(np.isnan(fresh), column[blank], fresh)
    return out[0], out[1], out[2]

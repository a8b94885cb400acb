"""When a figure about the focal is not known at all, and why: what is missing never reads as nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .mix import FloatArray, Mix

__all__ = ["known_only", "nothing_known", "unfigured", "why_not"]

# A line of which at least this part is the focal's is the focal's own line.
_OWN = 0.5
_NO_FIGURE = "no figure for the focal's own supply: missing is not zero, see the bounds"
_NOBODY = {
    "location": "where the supply comes from is not known",
    "equity": "no owner is on record for any supplier with a figure",
    "control": "who controls is not on record for any supplier with a figure",
    "origin": "no input of any supplier with a figure is traced",
    "bottleneck": "no input of any supplier with a figure is traced",
}


def nothing_known(value: FloatArray, low: FloatArray, high: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether the bounds of a part leave everything open, so that a value of 0 would only say that nothing is known.

    Parameters
    ----------
    value, low, high : ndarray
        A part in [0, 1] and its bounds.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> nothing_known(np.zeros(2), np.zeros(2), np.array([1.0, 0.0])).tolist()
    [True, False]
    """
    return np.asarray((value <= 0) & (low <= 0) & (high >= 1 - 1e-9), dtype=bool)


def known_only(value: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The value, NaN where :func:`nothing_known`."""
    return np.where(nothing_known(value, low, high), np.nan, value)


def unfigured(mix: Mix, part: FloatArray) -> npt.NDArray[np.bool_]:
    """Markets in which the lines that are the focal's own have no figure, so that its part cannot be told.

    Parameters
    ----------
    mix : Mix
        Supply lines.
    part : ndarray
        Part of each line that is the focal's; own is at least one half.

    Returns
    -------
    ndarray of bool
        By market. False for a market of one line, which is its part whatever its volume, and where any of the
        focal's own lines has a figure: then the known part is the value and the bounds say how much is missing.

    Examples
    --------
    >>> from supplyrisk.metrics import Mix
    >>> unfigured(Mix.of([np.nan, 10.0], low=[0, 10], high=[9, 10]), np.array([1.0, 0.0])).tolist()
    [True]
    """
    gone = np.isnan(mix.quantity)
    if not gone.any():
        return np.zeros(mix.n, dtype=bool)
    own = np.nan_to_num(part.astype(np.float64)) >= _OWN
    lone = (mix.count() == 1) & (mix.residual + mix.unknown <= 0)
    told = mix.count(own & (mix.known > 0)) > 0
    return np.asarray((mix.count(own & gone) > 0) & ~told & ~lone, dtype=bool)


def why_not(mix: Mix, value: FloatArray, column: str, view: str, text: npt.NDArray[np.object_]) -> None:
    """Write into ``text`` why the part of the focal has no value, in the words of the view.

    Parameters
    ----------
    mix : Mix
        Markets.
    value : ndarray
        The column's value by market.
    column : {"focal_share", "bottleneck"}
        Which column.
    view : str
        The view of the score.
    text : ndarray of object
        Reasons found so far; changed in place.
    """
    fine = mix.fine
    part = fine.focal if column == "focal_share" else fine.bottleneck
    gone = np.isnan(value)
    some = fine.count(fine.known > 0) > 0
    told = fine.count(~np.isnan(part) & (fine.known > 0)) > 0
    lone = (fine.count() == 1) & (fine.count(np.isnan(part)) == 1)
    text[gone & ((some & ~told) | lone)] = _NOBODY["bottleneck" if column == "bottleneck" else view]
    text[gone & unfigured(fine, part)] = _NO_FIGURE

"""Coalitions by name and date, from the embedded register of memberships."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from ..jurisdictions import members
from .registers import registers

__all__ = ["coalition"]


@lru_cache(maxsize=1)
def _memberships() -> pd.DataFrame:
    return registers()["memberships"]


def coalition(name: str, at: str | None = None) -> tuple[str, ...]:
    """Members of a coalition on a day, as the atlas has them.

    Parameters
    ----------
    name : str
        Coalition id: ``"MSP"``, ``"G7"``, ``"QUAD"``, ``"EU27"`` ...
    at : str, optional
        ISO date of any precision. Default: the last day on which the coalition had a member.

    Returns
    -------
    tuple of str
        ISO3, sorted; the European Union as a party stands as ``EUE``.

    Raises
    ------
    UnknownNameError
        No such coalition; the nearest ones are named.

    Examples
    --------
    >>> coalition("QUAD")
    ('AUS', 'IND', 'JPN', 'USA')
    >>> len(coalition("MSP", at="2022-06-14")), coalition("MSP", at="2026-03")
    (11, ())
    """
    return members(_memberships(), name, at)

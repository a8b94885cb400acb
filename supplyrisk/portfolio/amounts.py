"""Amounts of money in words, or of whatever else a plan minimises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["in_unit", "money", "most"]

# What amounts are told in where the objective is no money.
_UNIT: ContextVar[str | None] = ContextVar("unit", default=None)


@contextmanager
def in_unit(unit: str | None) -> Iterator[None]:
    """Tell amounts in another unit than money for a while."""
    token = _UNIT.set(unit)
    try:
        yield
    finally:
        _UNIT.reset(token)


def money(usd: float) -> str:
    """An amount of money for people.

    Examples
    --------
    >>> money(1_234_567.0), money(12.3456), money(0.0)
    ('1.23 million USD', '12.35 USD', '0 USD')
    """
    size = abs(usd)
    if (unit := _UNIT.get()) is not None:
        return f"{usd:,.4g} {unit}"
    for limit, word in ((1e9, " billion"), (1e6, " million"), (1e4, " thousand")):
        if size >= limit:
            return f"{usd / (1e3 if limit == 1e4 else limit):,.3g}{word} USD"
    return f"{usd:,.2f} USD" if size else "0 USD"


def most(usd: float) -> str:
    """An amount of money that is certainly enough: whole and rounded up.

    Examples
    --------
    >>> most(1_234_567.2), most(0.31)
    ('1,234,568 USD', '0.31 USD')
    """
    if abs(usd) < 100.0:
        return f"{math.ceil(usd * 100 - 1e-6) / 100:,.2f} USD"
    return f"{math.ceil(usd - 1e-6 * abs(usd) * 1e-6):,} USD"

"""Amounts of money in words, or of whatever else a plan minimises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["above", "below", "in_unit", "money", "most"]

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


def above(x: float, digits: int = 6) -> str:
    """A number that is certainly enough: rounded up at a number of digits.

    Examples
    --------
    >>> above(79.162, 4), above(60.0000000001, 4), above(-0.12341, 4), above(0.0)
    ('79.17', '60', '-0.1234', '0')
    """
    return _cut(x, digits, math.ceil)


def below(x: float, digits: int = 6) -> str:
    """A number that is certainly small enough: rounded down at a number of digits.

    Examples
    --------
    >>> below(79.168, 4), below(123.6, 3), below(59.9999999999, 4), below(1234567.0, 4)
    ('79.16', '123', '60', '1,234,000')
    """
    return _cut(x, digits, math.floor)


def _cut(x: float, digits: int, how: Callable[[float], int]) -> str:
    if x == 0.0 or not math.isfinite(x):
        return f"{x:g}"
    places = digits - 1 - math.floor(math.log10(abs(x)))
    near = round(x, places)
    # What is a figure of so many digits but for the noise of the solver stays that.
    out = near if abs(near - x) <= 1e-7 * abs(x) else how(x * 10.0**places) / 10.0**places
    text = f"{out:,.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

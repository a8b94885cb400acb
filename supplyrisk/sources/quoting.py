"""Quotation marks that are left open: a reader of csv takes the rows below into one cell, without a sign."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain

__all__ = ["END", "noted", "swallowed"]

END = "\x1eend of the file\x1e"


def noted(lines: Iterable[str], record: list[str]) -> Iterator[str]:
    """Lines as they come, and :data:`END` after the last; each is put down in ``record`` too, for who empties it."""
    for line in chain(lines, [END]):
        record.append(line)
        yield line


def swallowed(cells: list[str], lines: list[str], width: int, delimiter: str) -> bool:
    """Whether a record of several lines took rows of the table into a cell.

    It did where its mark is open at the end of the file, where text follows a closing mark (that opened another cell), or
    where its lines have as many cells as the table; prose may have one or the other such line.
    """
    if END in cells[-1]:
        return True
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return True
    inside = [line for c in cells if "\n" in c for line in c.splitlines()[1:-1] if line.strip()]
    whole = sum(line.count(delimiter) == width - 1 for line in inside)
    return width > 2 and whole >= 2 and whole > 0.6 * len(inside)

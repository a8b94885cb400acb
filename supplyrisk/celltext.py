"""Cells of a graph's tables as text that any program can hold, and back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import Problem, SourceError
from .schema import Table

__all__ = ["Frames", "Meta", "PathLike", "as_table", "escape", "number", "plain", "records", "refuse", "shown", "tame",
           "unescape", "untame"]  # fmt: skip

PathLike = str | os.PathLike[str]
Meta = dict[str, Any]
Frames = dict[str, pd.DataFrame]


def refuse(path: PathLike, rule: str, remedy: str, value: str = "", row: str = "-") -> SourceError:
    """The error for a file that cannot be read; it names the file, never its folders."""
    name = Path(path).name
    return SourceError([Problem(name, row, "-", rule, value, remedy)], f"the file {name}")


def plain(value: Any) -> Any:
    """A cell as None, bool, int, float or text."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    return value.item() if hasattr(value, "item") else value


def records(frame: pd.DataFrame) -> Iterator[list[Any]]:
    """Rows of a table as plain values."""
    columns = [frame[c].astype("object").tolist() for c in frame.columns]
    for row in zip(*columns, strict=True):
        yield [plain(v) for v in row]


# XML and sheets hold no control characters and no unpaired surrogates; a carriage return would come back as a line feed.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-F]{4}_)")
_SAFE = re.compile(r"_x([0-9A-F]{4})_")
_FORMULA = ("=", "+", "-", "@", "'", "\t")


def escape(text: str) -> str:
    """Text without characters that XML or a sheet cannot hold."""
    return _UNSAFE.sub(lambda m: f"_x{ord(m[0]):04X}_", text)


def unescape(text: str) -> str:
    """What :func:`escape` made, taken back."""
    return _SAFE.sub(lambda m: chr(int(m[1], 16)), text)


def tame(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    out = escape(text)
    return f"'{out}" if out.startswith(_FORMULA) else out


def untame(text: str) -> str:
    """What :func:`tame` made, taken back."""
    return unescape(text[1:] if text.startswith("'") else text)


def number(text: str, dtype: str) -> Any:
    """The number in a text cell; what is none stays text, and validation names it."""
    try:
        if dtype == "int":
            return int(text)
        if dtype == "float":
            return float(text)
    except ValueError:
        return text
    return text


def as_table(spec: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A table of the data model from rows of a file."""
    if any(len(r) != len(columns) for r in rows):
        raise ValueError(f"{spec.name}: a row has another number of cells than the header")
    return pd.DataFrame(rows, columns=list(columns), dtype="object") if rows else spec.empty()


def shown(value: Any) -> str:
    """A cell as text; floats with as many digits as they need."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)

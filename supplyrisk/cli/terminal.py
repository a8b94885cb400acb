"""What the command line reads and shows: amounts, shares, tables, JSON, progress."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import SupplyRiskError, close_matches

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Parser",
    "Progress",
    "Refused",
    "as_ascii",
    "as_json",
    "as_table",
    "cell",
    "complain",
    "day",
    "fraction",
    "given",
    "say",
    "usd",
]

_MONEY = re.compile(
    r"^(?:USD|\$)?\s*([0-9][0-9_,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*(k|m|mn|mln|million|bn|b|billion|tn|trillion)?$",
    re.I,
)
_TIMES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


class Refused(SupplyRiskError):
    """Arguments that cannot be read."""


def fraction(text: str) -> float:
    """A share as the user writes it: ``0.65`` or ``65%``.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> fraction("65%"), fraction("0.65")
    (0.65, 0.65)
    """
    raw = text.strip()
    scale = 100.0 if raw.endswith("%") else 1.0
    try:
        value = float(raw.rstrip("%").strip()) / scale
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        near = f" Did you mean {raw}%?" if scale == 1.0 and 1.0 < value <= 100.0 else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: write 0.65 or 65%.{near}")
    return value


def usd(text: str) -> float:
    """An amount of money as the user writes it: ``5e9``, ``5bn``, ``500m``, ``250,000``.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    float
        US dollars.

    Examples
    --------
    >>> usd("5bn"), usd("5e9"), usd("USD 750 million")
    (5000000000.0, 5000000000.0, 750000000.0)
    """
    hit = _MONEY.match(text.strip())
    if not hit:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount in US dollars: write 5e9, 5bn or 500m.")
    value = float(hit[1].replace(",", "").replace("_", "")) * _TIMES.get((hit[2] or " ")[0].lower(), 1.0)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite amount.")
    return value


def given(text: str) -> str:
    """A name or file as the user writes it; nothing at all is refused, because it would otherwise mean the default.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    str

    Examples
    --------
    >>> given("gallium.refined")
    'gallium.refined'
    """
    if not text.strip(" ,"):
        raise argparse.ArgumentTypeError(f"{text!r} is empty: give a value, or leave the option out.")
    return text


def day(text: str) -> str:
    """A date as the user writes it: ``2025``, ``2025-06`` or ``2025-06-30``.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    str

    Examples
    --------
    >>> day("2025-06-30")
    '2025-06-30'
    """
    from ..schema import is_date

    if not is_date(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO date: write 2025, 2025-06 or 2025-06-30.")
    return text


class Parser(argparse.ArgumentParser):
    """Raises instead of leaving the process, and says which option or command was nearly right."""

    def error(self, message: str) -> Any:
        """Refuse the arguments."""
        own = [s for a in self._actions for s in a.option_strings]
        known = list(own)
        for action in self._actions:
            if isinstance(action.choices, Mapping):
                known += list(action.choices)
        near: list[str] = []
        for action in list(self._actions):
            if isinstance(action.choices, Mapping) and "unrecognized" in message:
                # Options of the command that was given; of all of them where none can be told.
                command = next((p for c, p in action.choices.items() if c in sys.argv[1:2]), None)
                parsers = [command] if command is not None else list(action.choices.values())
                known += [o for p in parsers for a in p._actions for o in a.option_strings]
        for word in re.findall(r"'([^']+)'", message)[:1] + re.findall(r"arguments?: (\S+)", message):
            wanted = word.split("=")[0]
            # What stands as a value is not a misspelt option, and an option is not near itself.
            if "argument -" not in message and wanted not in own:
                near += close_matches(wanted, known)
        hint = f" Did you mean {' or '.join(dict.fromkeys(near))}?" if near and "invalid choice" not in message else ""
        if "invalid choice" in message and near:
            hint = f" Did you mean {near[0]}?"
        raise Refused(f"{message}.{hint} See: {self.prog} --help".replace("..", "."))


class Progress:
    """A line on standard error that is rewritten at each step, on a terminal only."""

    def __init__(self, quiet: bool) -> None:
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.dirty = False

    def __call__(self, text: str) -> None:
        """Show a step in place of the one before."""
        if self.shown:
            sys.stderr.write(f"\r\x1b[2K{as_ascii(text, sys.stderr)} ...")
            sys.stderr.flush()
            self.dirty = True

    def done(self) -> None:
        """Wipe the line."""
        if self.dirty:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self.dirty = False


_FOLD = {
    "–": "-",
    "—": "-",
    "−": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "…": "...",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "·": ".",
    "×": "x",
}


def as_ascii(text: str, stream: Any) -> str:
    """The text as the stream can show it: letters lose their accents before anything becomes a question mark."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        folded = "".join(_FOLD.get(ch, ch) for ch in text)
        folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
        return folded.encode("ascii", "replace").decode()
    return text


def say(text: str) -> None:
    """Print the result, whatever the terminal can show."""
    sys.stdout.write(as_ascii(text if text.endswith("\n") else text + "\n", sys.stdout))


def complain(text: str) -> None:
    """Print an error, one message, on standard error."""
    from ..report.blocks import plain

    lines = [plain(line) for line in str(text).splitlines()] or ["failed"]
    sys.stderr.write(as_ascii("supplyrisk: " + "\n".join(lines) + "\n", sys.stderr))


def as_json(value: Any) -> str:
    """JSON of plain types; NaN and infinity become null."""
    return json.dumps(_clean(value), indent=1, ensure_ascii=True, allow_nan=False)


def _clean(value: Any) -> Any:
    """Plain JSON types; NaN and infinity become null, because JSON has neither."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): _clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [_clean(r) for r in value.to_dict("records")]
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        text = str(value)
        return None if text in ("<NA>", "NaT") else text
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) and "int" in type(value).__name__.lower() else number


def as_table(frame: pd.DataFrame, top: int | None = None) -> str:
    """A frame as text for a terminal."""
    from ..report.blocks import plain

    shown = frame if top is None else frame.head(top)
    text = []
    for name in shown.columns:
        column = shown[name]
        cells = [cell(v) for v in column]
        text.append([plain(name), *map(plain, cells)])
    wide = [max(map(len, c)) for c in text]
    number = [shown[c].dtype.kind in "fiu" for c in shown.columns]
    lines = []
    for i in range(len(shown) + 1):
        row = [c[i].rjust(w) if n else c[i].ljust(w) for c, w, n in zip(text, wide, number, strict=True)]
        lines.append("  ".join(row).rstrip())
    if len(frame) > len(shown):
        lines.append(f"... {len(frame) - len(shown)} more rows; --all shows them, --json gives them whole")
    return "\n".join(lines)


def cell(value: Any) -> str:
    """One cell of a table for people."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    text = str(value)
    return "-" if text in ("<NA>", "nan", "None") else text

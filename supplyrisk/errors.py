"""Errors that say what is wrong, where, with which values, and every way out.

All messages a user can meet are built here, so that they read alike. Checks collect every problem of an
input first and raise once: a table with ten bad rows gives one error that lists ten rows.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

__all__ = [
    "BasketWarning",
    "BoundaryWarning",
    "InfeasibleError",
    "PrivateDataWarning",
    "Problem",
    "SchemaError",
    "SolverError",
    "SourceError",
    "SupplyRiskError",
    "UnitError",
    "UnknownNameError",
    "UnknownPlaceWarning",
    "close_matches",
    "printable",
    "unknown_name",
]

_SHOWN = 20
# Control characters, line and paragraph separators, and marks that reorder or hide text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text from a file as it may be shown on a terminal: control and bidirectional characters become escapes.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str

    Examples
    --------
    >>> printable("tin\x1b[2J")
    'tin\\x1b[2J'
    """
    return _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


class SupplyRiskError(Exception):
    """Base class of every error that this package raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One fault of one input: what, where, which value, and how to mend it.

    Parameters
    ----------
    table : str
        Table or file in which the fault lies.
    row : str
        Row label or key, or ``"-"`` where the fault is of the whole table.
    column : str
        Column name, or ``"-"``.
    rule : str
        The rule that is broken, in words.
    value : str
        The offending value as it was read.
    remedy : str
        What the user can do about it.
    """

    table: str
    row: str
    column: str
    rule: str
    value: str
    remedy: str

    def __str__(self) -> str:
        where = self.table
        if self.row != "-":
            where += f"[{self.row}]"
        if self.column != "-":
            where += f".{self.column}"
        got = f" (got {self.value})" if self.value else ""
        return printable(f"{where}: {self.rule}{got}. {self.remedy}".rstrip())


class SchemaError(SupplyRiskError):
    """An input breaks rules of the data model; ``.problems`` lists all of them."""

    def __init__(self, problems: Sequence[Problem], what: str = "the input") -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        n = len(self.problems)
        lines = [f"{printable(what)} has {n} problem{'s' if n != 1 else ''}:"]
        lines += [f"  - {p}" for p in self.problems[:_SHOWN]]
        if n > _SHOWN:
            lines.append(f"  ... and {n - _SHOWN} more; see the .problems of this error")
        super().__init__("\n".join(lines))


class UnitError(SchemaError):
    """Units or bases that cannot be converted into each other; both are named."""


class UnknownNameError(SupplyRiskError, KeyError):
    """A name matches nothing; the message gives the nearest good ones."""

    def __init__(self, message: str, name: str = "", close: Sequence[str] = ()) -> None:
        self.name = name
        self.close: tuple[str, ...] = tuple(close)
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return self.message


class InfeasibleError(SupplyRiskError):
    """No plan meets all constraints; ``.conflict`` names the smallest set that clashes.

    Attributes
    ----------
    conflict : tuple of str
        Constraints in the user's own words, with the data rows behind them.
    """

    def __init__(self, message: str, conflict: Sequence[str] = ()) -> None:
        self.conflict: tuple[str, ...] = tuple(conflict)
        super().__init__(message)


class BasketWarning(UserWarning):
    """A figure rests on a heading that holds several goods."""


class BoundaryWarning(UserWarning):
    """Totals leave cells of a table no room: they are 0 in the answer, although the prior is not."""


class PrivateDataWarning(UserWarning):
    """A file is written that holds rows of overlays or of private sources."""


class UnknownPlaceWarning(UserWarning):
    """Rows of a table were left out when it was read, because no concordance knows their place."""


class SolverError(SupplyRiskError):
    """The solver stopped without a proven optimum; ``.status`` says how."""

    def __init__(self, message: str, status: str) -> None:
        self.status = status
        super().__init__(message)


_FOLDERS = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:[\\/]|/)(?:[^/\\'\",;:\n]+[/\\])+")


class SourceError(SchemaError):
    """A file could not be read as the format it was said to be; the message names files, never their folders."""

    def __init__(self, problems: Sequence[Problem], what: str = "the input") -> None:
        # What a library says of a file may hold its whole path.
        bare = [replace(p, table=_bare(p.table), value=_bare(p.value), remedy=_bare(p.remedy)) for p in problems]
        super().__init__(bare, _bare(what))


def _bare(text: str) -> str:
    return _FOLDERS.sub("", text)


def close_matches(name: str, names: Iterable[str], n: int = 3) -> list[str]:
    """Nearest names to a misspelt one, best first, case ignored.

    Parameters
    ----------
    name : str
        The name that matched nothing.
    names : iterable of str
        The names that exist.
    n : int
        At most so many.

    Returns
    -------
    list of str

    Examples
    --------
    >>> close_matches("galium.refined", ["gallium.refined", "germanium.refined", "cobalt.mine"], n=1)
    ['gallium.refined']
    """
    by_fold: dict[str, str] = {}
    for known in names:
        by_fold.setdefault(known.casefold(), known)
    folded = name.casefold()
    likeness = difflib.SequenceMatcher(b=folded)

    # Of equally alike names one of the same letters (two changed places) is meant, or else one that begins alike.
    def rank(known: str) -> tuple[float, bool, int, str]:
        likeness.set_seq1(known)
        alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(folded, known, strict=False)))
        return -likeness.ratio(), sorted(known) != sorted(folded), -alike, known

    near = difflib.get_close_matches(folded, list(by_fold), n=max(len(by_fold), 1), cutoff=0.5)
    hits = sorted(near, key=rank)[:n]
    if len(hits) < n and len(folded) >= 3:
        hits += [f for f in sorted(by_fold) if folded in f and f not in hits][: n - len(hits)]
    return [by_fold[h] for h in hits]


def unknown_name(
    kind: str, name: object, names: Iterable[str], where: str = "", meant: str | None = None
) -> UnknownNameError:
    """Build the error for a name that matches nothing.

    Parameters
    ----------
    kind : str
        What the name should have been, e.g. ``"product"``.
    name : object
        The name given.
    names : iterable of str
        All names that would have been good.
    where : str
        Argument or table in which it was given.
    meant : str, optional
        The name that this surely stands for, e.g. ``DEU`` for ``Germany``; default: those that are spelt alike.

    Returns
    -------
    UnknownNameError

    Examples
    --------
    >>> print(unknown_name("view", "controll", ["location", "equity", "control", "origin"]))
    unknown view 'controll'. Did you mean 'control'? There are 4: control, equity, location, origin
    """
    known = sorted({str(x) for x in names})
    short = [n if len(n) <= 80 else n[:77] + "..." for n in known]  # a header may be as long as a page
    close = [meant] if meant is not None else close_matches(str(name), known)
    text = f"unknown {kind} {str(name)[:200]!r}"
    if where:
        text += f" in {where}"
    text += "."
    if close:
        text += " Did you mean " + " or ".join(repr(c[:80]) for c in close) + "?"
    if not known:
        text += f" There is no {kind} here."
    elif len(known) <= 12:
        text += f" There are {len(known)}: " + ", ".join(short)
    else:
        text += f" There are {len(known)}, among them: " + ", ".join(short[:8]) + ", ..."
    return UnknownNameError(printable(text), str(name), close)

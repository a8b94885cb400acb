"""What a reader says of a file: the tables that it fills, and what was read, dropped, unmapped and withheld."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..columns import is_date
from ..errors import Problem, SchemaError, SourceError, printable

__all__ = ["PathLike", "Reading", "Report", "day_in", "plain", "refuse", "released", "shares"]

PathLike = str | os.PathLike[str]


@dataclass
class Report:
    """What a reader did with a file.

    Parameters
    ----------
    source : str
        Registered name of the reader.
    path : str
        Name of what was read, without its folders.
    licence_class : str
        Class of the terms of the data.
    vintage : str
        Release or year that the file says it is.
    published_on : str, optional
        Day (month, year) on which it came out, as the file or the caller states it; never guessed.
    rows_read : int
        Rows seen.
    dropped : list of dict
        ``reason, rows, value, share, of, within`` of rows left out: the sum and the share of what they carried, where known.
    unmapped : list of dict
        ``kind, name, rows, value_share, of, within`` of names that no concordance knows. ``of`` is what the share is a share
        of: ``value``, ``quantity``, or another amount that the reader names; ``within`` names the columns (commodity,
        year ...) in whose groups it is the largest, where amounts of several groups have no sum.
    missing : dict
        Missingness code to number of cells.
    notes : list of str
        What a reader of the figures must know.
    """

    source: str
    path: str
    licence_class: str
    vintage: str = ""
    rows_read: int = 0
    dropped: list[dict[str, Any]] = field(default_factory=list)
    unmapped: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    published_on: str | None = None
    delimiter: str = field(default="", repr=False, compare=False)  # of the text file read last

    def drop(
        self,
        reason: str,
        rows: int,
        value: float | None = None,
        share: float | None = None,
        of: str = "value",
        within: str = "",
    ) -> None:
        """Count rows left out, and why; ``value`` is what they carried and ``share`` its part of all that was read.

        ``within`` names the columns in whose groups the share is the largest.
        """
        if not rows:
            return
        for entry in self.dropped:
            if entry["reason"] == reason:
                entry["rows"] += int(rows)
                if value is not None:
                    entry["value"] = (entry["value"] or 0.0) + value
                if share is not None:
                    entry |= {"share": max(share, entry.get("share") or 0.0), "of": of}
                    entry |= {"within": within} if within else {}
                return
        fresh: dict[str, Any] = {"reason": reason, "rows": int(rows), "value": value}
        if share is not None:
            fresh |= {"share": share, "of": of, **({"within": within} if within else {})}
        self.dropped.append(fresh)

    def leave_out(
        self,
        reason: str,
        hit: pd.Series,
        amount: pd.Series | None = None,
        within: Sequence[pd.Series] = (),
        of: str = "value",
    ) -> None:
        """Count the rows that ``hit`` marks as left out, with their share of an amount.

        Parameters
        ----------
        reason : str
            Why.
        hit : Series of bool
            True for rows that are left out; over all rows read.
        amount : Series, optional
            What the rows carry, aligned with ``hit``.
        within, of
            As for :func:`shares`.
        """
        hit = hit.fillna(False).astype(bool)
        if not hit.any():
            return
        if amount is None:
            self.drop(reason, int(hit.sum()))
            return
        share = shares(pd.Series("", index=hit.index[hit]), amount, within).get("")
        whole = None if len(within) else float(pd.to_numeric(amount[hit], errors="coerce").sum())
        self.drop(reason, int(hit.sum()), whole, share, of, _within(within))

    def unknown(
        self,
        kind: str,
        names: pd.Series,
        value: pd.Series | None = None,
        within: Sequence[pd.Series] = (),
        of: str = "value",
    ) -> None:
        """Record names that no concordance knows, with their share of an amount where there is one.

        ``value`` holds all rows, not only the unknown ones: the share is of all, or of all of the group, see
        :func:`shares`. A name met again in a later part of the same file adds its rows and keeps its larger share.
        """
        if not len(names):
            return
        before = {(u["kind"], u["name"]): u for u in self.unmapped}
        parts = shares(names, value, within) if value is not None else {}
        for name, rows in names.value_counts().items():
            part = parts.get(str(name))
            entry = before.get((kind, str(name)[:120]))
            if entry is None:
                fresh: dict[str, Any] = {"kind": kind, "name": str(name)[:120], "rows": int(rows), "value_share": part}
                if part is not None:
                    fresh |= {"of": of, **({"within": _within(within)} if _within(within) else {})}
                self.unmapped.append(fresh)
                continue
            entry["rows"] += int(rows)
            if part is not None:
                entry["value_share"] = max(part, entry["value_share"] or 0.0)

    def count(self, codes: pd.Series) -> None:
        """Count the cells of each missingness code; a dash (``zero``) is counted too, a number is not."""
        for code, cells in codes.value_counts().items():
            if code:
                self.missing[str(code)] = self.missing.get(str(code), 0) + int(cells)

    def unread(self, cells: pd.Series, codes: pd.Series) -> None:
        """Note the cells that hold something which is neither a number nor a code, with their part of all that hold one."""
        hit = (codes == "text").fillna(False)
        if hit.any():
            filled = int((codes != "empty").sum())
            shown = ", ".join(repr(str(v)[:40]) for v in cells[hit].drop_duplicates().head(3))
            self.notes.append(
                f"{int(hit.sum()):,} of {filled:,} figures ({hit.sum() / filled:.1%}) cannot be read: {shown}"
            )

    @property
    def rows_dropped(self) -> int:
        """Rows left out, in all."""
        return sum(d["rows"] for d in self.dropped)

    def frame(self) -> pd.DataFrame:
        """The report as a table: what, detail, rows, share of value; control characters are shown, not passed on.

        ``share_of`` says what a share is of: the value, the quantity or another amount of all rows, or (``at most``) that of
        the rows of one group, where amounts of several groups have no sum: the largest of the groups stands there.
        """
        rows: list[tuple[str, str, int | None, float | None, str | None]] = []
        rows += [("read", self.path, self.rows_read, None, None)]
        rows += [("dropped", d["reason"], d["rows"], d.get("share"), _of(d.get("share"), d)) for d in self.dropped]
        for u in self.unmapped:
            share = u["value_share"]
            rows.append((f"unmapped {u['kind']}", u["name"], u["rows"], share, _of(share, u)))
        rows += [("missing", k, v, None, None) for k, v in self.missing.items()]
        rows += [("note", n, None, None, None) for n in self.notes]
        shown = [(printable(a), printable(str(b)), n, share, of and printable(of)) for a, b, n, share, of in rows]
        return pd.DataFrame(shown, columns=["what", "detail", "rows", "value_share", "share_of"])

    def __str__(self) -> str:
        def part(share: float | None, entry: Mapping[str, Any]) -> str:
            if share is None:
                return ""
            most = "at most " if "within" in entry else ""
            return f", {most}{share:.2%} of {(_of(share, entry) or '').removeprefix('at most: ')}"

        out = [f"{self.source}: {self.path} ({self.vintage or 'vintage not stated'}; {self.licence_class})"]
        out.append(f"  {self.rows_read:,} rows read, {self.rows_dropped:,} dropped")
        out += [f"  dropped {d['rows']:,}: {d['reason']}{part(d.get('share'), d)}" for d in self.dropped]
        largest = sorted(
            self.unmapped, key=lambda u: -1.0 if u["value_share"] is None else u["value_share"], reverse=True
        )
        for u in largest[:10]:
            text = part(u["value_share"], u)
            out.append(f"  unmapped {u['kind']} {u['name']!r}: {u['rows']} rows{text}")
        if len(self.unmapped) > 10:
            out.append(f"  ... and {len(self.unmapped) - 10} more unmapped names")
        out += [f"  {n} cells {code}" for code, n in self.missing.items()]
        out += [f"  note: {n}" for n in self.notes]
        return "\n".join(printable(line) for line in out)


def _of(share: float | None, entry: Mapping[str, Any]) -> str | None:
    """What a share is a share of; of one of several groups it is the largest."""
    if share is None:
        return None
    of = str(entry.get("of", "value"))
    return f"at most: the {of} of rows with the same {entry['within']}" if "within" in entry else of


def _within(groups: Sequence[pd.Series]) -> str:
    """Columns in whose groups a share is the largest: without them it would be read as that of the whole file."""
    return ", ".join(str(k.name) for k in groups if k.name)


def shares(names: pd.Series, amount: pd.Series, within: Sequence[pd.Series] = ()) -> dict[str, float]:
    """Share of an amount that each name carries.

    Parameters
    ----------
    names : Series
        Names of some of the rows.
    amount : Series
        What all rows carry; missing counts as nothing.
    within : sequence of Series, optional
        Groups whose amounts may be added (commodity, unit, year ...). With them a name's share is the largest that it has
        in any group: tonnes of one good and carats of another have no sum.

    Returns
    -------
    dict
        Name to share, 0 to 1. Empty where nothing is carried.

    Examples
    --------
    >>> names = pd.Series(["Atlantis", "Atlantis"], index=[0, 2])
    >>> shares(names, pd.Series([1.0, 3.0, 0.0, 9.0]), [pd.Series(["Ga", "Ga", "Sb", "Sb"])])
    {'Atlantis': 0.25}
    """
    carried = pd.to_numeric(amount, errors="coerce").astype("float64").clip(lower=0.0).fillna(0.0)
    keys = [k.reindex(carried.index).astype("object").fillna("") for k in within]
    total = carried.groupby(keys).transform("sum") if keys else pd.Series(carried.sum(), index=carried.index)
    part = (carried / total).where(total > 0).reindex(names.index)
    by = [names.astype("str"), *(k.reindex(names.index) for k in keys)]
    sums = part.groupby(by).sum(min_count=1)
    most = sums.groupby(level=0).max() if keys else sums
    return {str(k): float(v) for k, v in most.dropna().items()}


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader returns.

    Parameters
    ----------
    tables : mapping
        Tables of the data model that the file fills, ready for :meth:`SupplyGraph.overlay` or
        :func:`supplyrisk.assemble`.
    data : DataFrame
        The tidy frame behind them, in the publisher's own terms, with every row that was kept.
    report : Report
        What was read, dropped, unmapped and withheld.
    inputs : mapping
        The same as keyword arguments of :func:`supplyrisk.assemble.assemble`: ``products, production, trade,
        concordance, demand, sourcing``, as far as the file fills them.
    """

    tables: Mapping[str, pd.DataFrame]
    data: pd.DataFrame
    report: Report
    inputs: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{k} {len(v):,}" for k, v in {**self.inputs, **self.tables}.items())
        return f"<Reading of {self.report.path}: {sizes or 'no tables'}; {len(self.data):,} rows of data>"


_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
           "december")  # fmt: skip
_DAY = re.compile(
    rf"\b(?:(\d{{1,2}})\s+)?({'|'.join(_MONTHS)})\s+(?:(\d{{1,2}}),\s*)?((?:19|20)\d{{2}})\b", re.IGNORECASE
)


def day_in(text: str) -> str | None:
    """First date that a text states in words, as ISO day or month.

    Examples
    --------
    >>> day_in("Last updated: 21 May 2025"), day_in("September 2025"), day_in("May 3, 2024"), day_in("2024")
    ('2025-05-21', '2025-09', '2024-05-03', None)
    """
    hit = _DAY.search(text)
    if hit is None:
        return None
    month, day = _MONTHS.index(hit[2].casefold()) + 1, hit[1] or hit[3]
    return f"{hit[4]}-{month:02d}" + (f"-{int(day):02d}" if day and 1 <= int(day) <= 31 else "")


def released(report: Report, given: str | None, stated: str | None = None) -> str | None:
    """Day of publication: the caller's, else the one that the file states, else none, with a note; never a guess.

    Parameters
    ----------
    report : Report
        Gets the day, or the note.
    given : str, optional
        What the caller says: ``2025``, ``2025-03`` or ``2025-03-31``.
    stated : str, optional
        What the file says.

    Returns
    -------
    str or None

    Raises
    ------
    SchemaError
        ``given`` is no date.
    """
    if given is not None and not is_date(str(given)):
        rule, remedy = "no date", "Give 2025, 2025-03 or 2025-03-31."
        raise SchemaError([Problem(report.path, "-", "published_on", rule, repr(given), remedy)], f"{report.source}()")
    report.published_on = str(given) if given is not None else stated
    if report.published_on is None:
        report.notes.append(
            "the file states no day of publication: give published_on=; without it figures count as known from the end of "
            "the year after their own"
        )
    return report.published_on


def plain(name: object) -> str:
    """A header or commodity name as it is compared: letters and digits only, case folded."""
    return re.sub(r"[^0-9a-z]", "", str(name).casefold())


def refuse(path: PathLike, rule: str, remedy: str, value: str = "", row: str = "-") -> SourceError:
    """The error for a file that cannot be read; it names the file, never its folders."""
    name = Path(path).name
    return SourceError([Problem(name, row, "-", rule, value, remedy)], f"the file {name}")

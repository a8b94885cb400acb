"""What rows of trade carry, counted while they stream past: shares of all files together, not of one file or batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from .report import Report

__all__ = ["UNREAD", "Tally", "amount_role", "batch_amount"]

UNREAD = "a value that is no number, is negative or beyond all measure: what the row carries is not known"

_SCALE = {"v": 1000.0, "usd": 1.0, "q": 1.0}
_MEASURE = {"v": "value", "usd": "value", "q": "quantity"}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"


@dataclass
class Tally:
    """Sums of value (USD) and of quantity (t): over all rows read, over those asked for, and of each class left out.

    Parameters
    ----------
    read, other, asked : dict
        Measure to its sum over all rows, over those of other headings, and over those of headings that were asked for.
    unasked : int
        Rows of other headings.
    left, names : dict
        Reason, or unknown place, to its rows and sums.
    """

    read: dict[str, float] = field(default_factory=dict)
    other: dict[str, float] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)
    unasked: int = 0
    left: dict[str, dict[str, float]] = field(default_factory=dict)
    names: dict[str, dict[str, float]] = field(default_factory=dict)

    def filtered(self, measure: str, total: float, kept: float) -> None:
        """A batch of which only the rows of some headings are kept."""
        self.read[measure] = self.read.get(measure, 0.0) + total
        self.other[measure] = self.other.get(measure, 0.0) + total - kept

    def add(self, rows: pd.DataFrame) -> None:
        """Rows of headings that were asked for."""
        for measure in ("value", "quantity"):
            self.asked[measure] = self.asked.get(measure, 0.0) + _sum(rows[measure])

    def leave_out(self, reason: str, hit: pd.Series, rows: pd.DataFrame) -> None:
        """Rows that are left out, and why."""
        if hit.any():
            _put(self.left, reason, rows[hit])

    def unknown(self, names: pd.Series, rows: pd.DataFrame) -> None:
        """Places that no concordance knows; ``names`` holds the rows that have one."""
        for name, part in rows.loc[names.index].groupby(names):
            _put(self.names, str(name)[:120], part)

    def write(self, report: Report) -> None:
        """Everything into the report, in value, or in quantity where no row has a value."""
        of = "value" if self.asked.get("value") or self.read.get("value") else "quantity"
        total, whole = self.read.get(of, 0.0), self.asked.get(of, 0.0)
        other = self.other.get(of, 0.0)
        value = other if of == "value" and total else None
        report.drop("heading not asked for", self.unasked, value, other / total if total else None, of)
        for reason, held in self.left.items():
            if reason == UNREAD:
                report.drop(reason, int(held["rows"]))
                report.notes.append(f"{int(held['rows']):,} rows whose {of} cannot be read are in no share of {of}")
                continue
            value = held["value"] if of == "value" else None
            report.drop(reason, int(held["rows"]), value, held[of] / whole if whole else None, of)
        for name, held in sorted(self.names.items(), key=lambda item: -item[1][of]):
            part = held[of] / whole if whole else None
            entry = {"kind": "country", "name": name, "rows": int(held["rows"]), "value_share": part}
            report.unmapped.append(entry if part is None else {**entry, "of": of})


def _sum(cells: pd.Series) -> float:
    return float(pd.to_numeric(cells, errors="coerce").clip(lower=0.0).sum())


def _put(into: dict[str, dict[str, float]], key: str, rows: pd.DataFrame) -> None:
    held = into.setdefault(key, {"rows": 0, "value": 0.0, "quantity": 0.0})
    held["rows"] += len(rows)
    for measure in ("value", "quantity"):
        held[measure] += _sum(rows[measure])


def amount_role(roles: dict[str, str], name: str, thousands: bool, report: Report) -> dict[str, str]:
    """A bare ``value`` is USD, and the report says so, unless the caller or the file's name says of what."""
    if roles.get("usd", "").casefold() != "value" or "v" in roles:
        return roles
    if thousands:
        return {"v": roles["usd"], **{k: c for k, c in roles.items() if k != "usd"}}
    if "usd" not in name.casefold():
        report.notes.append(f"{name}: the column 'value' is read as USD; thousands=True if it is thousand USD, as v is")
    return roles


def batch_amount(batch: Any, roles: Mapping[str, str], asked: Any) -> tuple[str, float, float]:
    """Measure of a batch of text columns, its sum, and the sum of the rows that are asked for; no number counts as nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    part = next(p for p in _SCALE if p in roles)
    cells = batch[roles[part]]
    amount = _numbers(cells)
    amount = pc.if_else(pc.is_finite(amount), amount, pa.scalar(None, pa.float64()))
    sums = [pc.sum(a).as_py() or 0.0 for a in (amount, amount.filter(asked))]
    total, kept = (_SCALE[part] * s if abs(s) != float("inf") and s == s else 0.0 for s in sums)
    return _MEASURE[part], total, kept


def _numbers(cells: Any) -> Any:
    """Cells of text as numbers, none where there is no number.

    Amounts as CEPII publishes them are padded with blanks, ``NA`` too; what is neither costs a look at every cell.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def cast(texts: Any) -> Any:
        try:
            return pc.cast(texts, pa.float64())
        except pa.ArrowInvalid:
            return None

    out = cast(cells) if cast(cells[:64]) is not None else None  # every cell that is no number costs a message
    if out is None:
        cells = pc.ascii_trim_whitespace(cells)
        out = cast(pc.if_else(pc.equal(cells, "NA"), pa.scalar(None, pa.string()), cells))
    if out is None:
        cells = pc.utf8_trim_whitespace(cells)
        plain = pc.match_substring_regex(cells, _NUMBER)
        out = cast(pc.if_else(plain, cells, pa.scalar(None, pa.string())))
    return out

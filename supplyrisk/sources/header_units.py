"""Units that the header of a column states: ``Quantity [kt]``, ``quantity_kg``, ``Value (thousand USD)``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import Problem, SchemaError
from ..units import convertible, is_unit
from .report import Report

__all__ = ["unit_in_header", "unit_of_columns"]

_BRACKETS = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)")
_PER_YEAR = re.compile(r"\s*(?:/|per\s+|\bp\.?\s?)(?:a|y|yr|year|annum)\.?$", re.IGNORECASE)
_YEAR = re.compile(r"(?:1[5-9]|2[01])\d\d(?:\s*[-/]\s*\d+)?")
_NOTHING = re.compile(
    r"(?:[a-fh-su-z]|est|estimated?|prel?im\w*|net|gross|mine[ds]?|mining|total|final|rounded)\.?", re.IGNORECASE
)
# What looks like a mass, but may be two of them (mt: tonnes or million tonnes; oz: of which pound), or says more than one.
_MASSES = re.compile(
    r"\b(?:[km]?t|mtpa|k?tpa|mg|g|kg|st|oz|lbs?|pounds?|tons?|tonn\w+|kilo(?:s|ton\w*|gram\w*)|ounces?|grams?)\b",
    re.IGNORECASE,
)
_TWO_FOLD = re.compile(r"(?:mt|mg|st|oz|ounces?|[km]?tpa)", re.IGNORECASE)
_SURE = re.compile(
    r"[kMGK]?[tT]|k?g|K[Gg]|Mg|lbs?|pounds?|(?:kilo|mega)?(?:gram|gramme|ton|tonne)s?|klb|Mlb|mlb|carats?",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"thousands?|million|billion|1,?000|1,?000,?000|'?000|metric|short|long|troy|kilo|mio|mln|tds", re.IGNORECASE
)
# Words of other languages for what is the same mass everywhere.
_WORDS = {
    "tonnen": "t",
    "toneladas": "t",
    "tonnellate": "t",
    "kilotonnen": "kt",
    "kilogramm": "kg",
    "tausend": "thousand",
}
# Money in anything but USD: a multiple of it or another currency.
_MONEY = re.compile(
    r"\b(?:thousands?|millions?|billions?|mio|mln|mn|bn|tds|1,?000|k ?usd|m ?usd|k\$|m\$|eur(?:os?)?|gbp|jpy|yen|cny|rmb|yuan)\b|'000|\u20ac|\xa3|\xa5",
    re.IGNORECASE,
)


def unit_in_header(header: str) -> tuple[str | None, str | None]:
    """Unit in the header of a column of amounts, and what looks like one and is none that can be told.

    Parameters
    ----------
    header : str
        Name of the column in the file.

    Returns
    -------
    tuple of (str or None, str or None)

    Examples
    --------
    >>> [unit_in_header(h)[0] for h in ("Quantity [kt]", "quantity_kg", "Output in thousand t", "t", "Output (2022)")]
    ['kt', 'kg', 'thousand t', 't', None]
    >>> unit_in_header("Output (MT)"), unit_in_header("Menge [Paletten]"), unit_in_header("quantity (est.)")
    ((None, 'MT'), (None, 'Paletten'), (None, None))
    """
    odd = None
    header = re.sub(r"[^\W\d_]+", lambda m: _WORDS.get(m[0].casefold(), m[0]), header)
    for hit in _BRACKETS.finditer(header):
        square = hit[1] is not None
        text = _YEAR.sub("", _PER_YEAR.sub("", (hit[1] if square else hit[2]).strip())).strip(" ,;")
        text = re.sub(r"^in\s+", "", text)
        if not text or not re.search(r"[^\W\d_]", text) or _NOTHING.fullmatch(text):
            continue
        if is_unit(text) and not _TWO_FOLD.fullmatch(text):
            return text, None
        if square or _MASSES.search(text):
            odd = text
    if odd is not None:
        return None, odd
    bare = _PER_YEAR.sub("", _BRACKETS.sub(" ", header).strip())
    words = [w for w in re.split(r"[\s_,;:-]+", bare) if w and not _YEAR.fullmatch(w)]
    if not words or not (_SURE.fullmatch(words[-1]) or _TWO_FOLD.fullmatch(words[-1])):
        return None, None
    start = len(words) - 1
    while start and _TIMES.fullmatch(words[start - 1]):
        start -= 1
    text = " ".join(words[start:])
    if is_unit(text) and convertible(text, "t") and not _TWO_FOLD.fullmatch(text):
        return text, None
    return None, text


def unit_of_columns(
    columns: Mapping[str, str], given: str | None, money: Mapping[str, str], report: Report
) -> str | None:
    """Unit of a table whose amounts have it in their headers alone.

    Parameters
    ----------
    columns : mapping of str to str
        Our name to the file's, of columns of amounts.
    given : str, optional
        What states the unit beside the headers: that counts, and a header that says otherwise is noted.
    money : mapping of str to str
        Our name to the file's, of columns of USD.
    report : Report
        Says which unit was taken.

    Returns
    -------
    str or None

    Raises
    ------
    SchemaError
        Headers that state different units, one that cannot be told, or money that is not in USD; all at once.
    """
    problems = []
    for theirs in money.values():
        if hit := _MONEY.search(theirs.replace("_", " ")):
            rule, hint = (
                "values are in USD, and the header says otherwise",
                "Convert them to USD, and name the column so.",
            )
            problems.append(Problem(report.path, "-", theirs, rule, repr(hit[0]), hint))
    found: dict[str, str] = {}
    for theirs in columns.values():
        unit, odd = unit_in_header(theirs)
        if odd is not None and given is None:
            rule, hint = (
                "the header has a unit that cannot be told",
                'Give unit=, e.g. unit="kt", or map a column to unit.',
            )
            problems.append(Problem(report.path, "-", theirs, rule, repr(odd[:60]), hint))
        if unit is not None:
            found.setdefault(unit, theirs)
    if len(found) > 1 and given is None:
        rule, hint = (
            "columns of one table in several units",
            "Convert them to one unit, or read them one by one with unit=.",
        )
        problems.append(Problem(report.path, "-", ", ".join(found.values()), rule, ", ".join(found), hint))
    if problems:
        raise SchemaError(problems, f"the file {report.path}")
    for unit, theirs in found.items():
        if given is None:
            report.notes.append(f"amounts are in {unit}, as the column {theirs!r} says")
        elif unit != given:
            report.notes.append(f"the column {theirs!r} says {unit}; {given} counts, as stated beside it")
    return next(iter(found)) if found and given is None else None

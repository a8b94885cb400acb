"""Owners as reports print them: names with percentages in text."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Owner", "control_type", "parse_owners"]


class Owner(NamedTuple):
    """One owner in a text: name, share (None where none is printed), day of sale, and bounds (``<5%``) where printed."""

    name: str
    share: float | None
    sold: str | None = None
    low: float | None = None
    high: float | None = None


_NUMBER = r"\d{1,3}(?:[.,]\d*)?"
_BELOW = r"<=?|\u2264|\bup\s+to|\bless\s+than|\bbelow|\bunder|\bat\s+most"
_ABOVE = r">=?|\u2265|\bmore\s+than|\babove|\bover|\bat\s+least"


def _figure(k: int) -> str:
    return rf"""(?:(?P<sign{k}>{_BELOW}|{_ABOVE}|~|\bapprox(?:\.|imately)?|\babout|\bca?\.)\s*)?
        (?<![\d.,])(?:(?P<low{k}>{_NUMBER})\s*%?\s*(?:-|\u2013|\bto\b)\s*)?(?P<figure{k}>{_NUMBER})\s*%"""


# In brackets after a name, with words before a dash in front and whatever words behind; or bare after it.
_SHARE = re.compile(
    rf"""\(\s*(?:[^()%]*?(?:[^()%\d\s]\s*[-\u2013]|:)\s*)?{_figure(1)}(?:(?P<tail>[^()%]*)\)|[()])?|{_figure(2)}""",
    re.IGNORECASE | re.VERBOSE,
)
_FRACTION = re.compile(r"\(\s*(0?[.,]\d+)\s*\)")
# A share of something else than the asset: of another firm, of a class of stock.
_ELSEWHERE = re.compile(r"\b(subsidiary|owned|held by|stake in|interest in|of)\b", re.IGNORECASE)
_SOLD = re.compile(r"\bsold\b.*?\bon\s+(\d{1,2})\s+([A-Za-z]+)\s+(\d{4})", re.IGNORECASE)
_MONTHS = {
    m: k + 1 for k, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
}
_NOBODY = re.compile(r"^(others?|rest|minorit(y|ies)( interests?)?|unknown|public|free ?float|n/?a)$", re.IGNORECASE)
_MARKS = " ,;/&|:="
_REMARK = re.compile(r"\[([^\[\]%]*)\]")
_PERCENT = re.compile(r"(?<=\d)\s*(?:per ?cent|pct\.?|pc)(?![^\W\d_])|\bper ?cent\b", re.IGNORECASE)
_BARE = re.compile(r"\s*\(\s*\d[\d.,]*\s*\)")
# Characters of full width, as East Asian publishers set them, and percent signs of other scripts.
_NARROW = {c: c - 0xFEE0 for c in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x3001: 0x2C, 0xFE6A: 0x25, 0x066A: 0x25}


def parse_owners(text: str) -> tuple[list[Owner], str]:
    """Owners and shares in a text, and what of it was not understood.

    Parameters
    ----------
    text : str
        E.g. ``Zijin Mining Group Co., Ltd. (72%), A and B (28%)``, ``X 49%/ Y 51%``, ``BHP 57.5%, Rio Tinto 30%``,
        ``51% X, 49% Y``, ``X (<5%), Y (95%)`` or ``Z (100%), sold on 1 June 2013``.

    Returns
    -------
    tuple of (list of Owner, str)
        Shares are 0 to 1. Owners without a printed share have None; a bound or a range (``>50%``, ``10-15%``) is ``low`` and
        ``high`` and no share. "Others" are left out: they are nobody. Two names before one percentage stay one owner, as
        printed. A text with a percentage that cannot be told to belong to a name gives no owner at all.

    Examples
    --------
    >>> parse_owners("Zijin Mining Group Co., Ltd. (72%), Others (28%)")[0]
    [Owner(name='Zijin Mining Group Co., Ltd.', share=0.72, sold=None, low=None, high=None)]
    >>> [(o.name, o.share) for o in parse_owners("Mercedes-Benz 49%/ BAIC 51%")[0]]
    [('Mercedes-Benz', 0.49), ('BAIC', 0.51)]
    >>> [(o.name, o.share, o.low, o.high) for o in parse_owners("A (<5%), B (95%)")[0]]
    [('A', None, 0.0, 0.05), ('B', 0.95, None, None)]
    >>> parse_owners("Rio Tinto (80%), sold their interest on 1 December 2013")[0][0].sold
    '2013-12-01'
    """
    clean = _PERCENT.sub("%", " ".join(str(text).translate(_NARROW).split()))
    remarks = [r.strip() for r in _REMARK.findall(clean) if r.strip()]  # "[operator]" is no part of a name
    clean = " ".join(_REMARK.sub(" ", clean).split()) if remarks else clean
    if "%" not in clean:
        clean = _FRACTION.sub(lambda m: f"({float(m[1].replace(',', '.')) * 100:.10g}%)", clean)
    hits = list(_SHARE.finditer(clean))
    if not hits:
        beside = _BARE.findall(clean)  # 60 in brackets may be percent, a footnote or a number of shares
        if "%" in clean or re.search(r"\d\s*[:/]\s*\d", clean) or len(beside) > 1:
            return [], clean
        return _without_shares(_BARE.sub("", clean)), "; ".join(t.strip() for t in [*beside, *remarks])
    if sum(h[0].count("%") for h in hits) != clean.count("%"):
        return [], clean  # a percentage that is none of a name
    first = not clean[: hits[0].start()].strip(_MARKS) and not hits[0][0].startswith("(")
    ends = [h.end() for h in hits]
    starts = [h.start() for h in hits]
    spans = zip(ends, [*starts[1:], len(clean)], strict=True) if first else zip([0, *ends], starts, strict=False)
    names = [_trim(clean[i:j]) for i, j in spans]
    rest = "" if first else clean[ends[-1] :]
    tails = [h["tail"] or "" for h in hits]
    if not all(map(_is_name, names)) or any(_ELSEWHERE.search(t) for t in tails):
        return [], clean
    if first and any(_ELSEWHERE.search(n) for n in names):
        return [], clean
    bare = not first and not hits[-1][0].startswith("(")
    if bare and rest.strip() and not re.match(r"\s*[,;/&|.]|\s+and\b", rest):
        return [], clean  # "A, 63.9% subsidiary of Z"
    out = [_owner(name, hit) for name, hit in zip(names, hits, strict=True)]
    sold = _SOLD.search(rest)
    if sold and sold[2][:3].casefold() in _MONTHS:
        day = f"{sold[3]}-{_MONTHS[sold[2][:3].casefold()]:02d}-{int(sold[1]):02d}"
        out, rest = [o._replace(sold=day) for o in out], ""
    elif re.match(r"\s*/", rest) and _is_name(_trim(rest)):  # X 40% / Y
        out, rest = [*out, *_without_shares(rest)], ""
    rest = " ".join(t.strip(_MARKS) for t in [*tails, rest, *remarks]).strip(_MARKS + ").")
    return [o for o in _together(out) if not _NOBODY.match(o.name)], rest


def _owner(name: str, hit: re.Match[str]) -> Owner:
    sign, low, figure = ((hit[f"{k}1"] or hit[f"{k}2"] or "").casefold() for k in ("sign", "low", "figure"))
    share = float(figure.replace(",", ".")) / 100.0
    if low:
        ends = sorted((float(low.replace(",", ".")) / 100.0, share))
        return Owner(name, None, None, *ends)
    if re.fullmatch(_BELOW, sign):
        return Owner(name, None, None, 0.0, share)
    if re.fullmatch(_ABOVE, sign):
        return Owner(name, None, None, share, 1.0)
    return Owner(name, share)


def _together(owners: list[Owner]) -> list[Owner]:
    """One row per name: stakes of one owner add up, and with an unknown one among them nothing is known but the bounds."""
    out: dict[str, Owner] = {}
    for o in owners:
        had = out.get(o.name)
        if had is None:
            out[o.name] = o
        elif had.share is not None and o.share is not None:
            out[o.name] = had._replace(share=had.share + o.share)
        else:
            low = sum(v.share if v.share is not None else v.low or 0.0 for v in (had, o))
            out[o.name] = Owner(o.name, None, o.sold, min(low, 1.0), 1.0)
    return list(out.values())


def _is_name(text: str) -> bool:
    """Something with letters, with brackets that close, and no owner of the owner."""
    closed = text.count("(") == text.count(")")
    return closed and any(c.isalpha() for c in text) and not re.match(r"(?:owned|held|of)\b", text, re.IGNORECASE)


def _without_shares(clean: str) -> list[Owner]:
    """Names parted by slashes."""
    names = [_trim(part) for part in clean.split("/")]
    return [Owner(n, None) for n in dict.fromkeys(names) if n and not _NOBODY.match(n)]


def _trim(name: str) -> str:
    out = name.strip(_MARKS)
    out = re.sub(r"^\([^()]*\)\s*[,;/&|]\s*", "", out)  # a remark on the owner before
    out = re.sub(r"^(?:(?:and|with)\s+|\+\s*)|\s+(?:and|with|owns|holds)$", "", out, flags=re.IGNORECASE)
    return re.sub(r"\s[-\u2013]$", "", out).strip(_MARKS)[:200]


def control_type(share: float | None, low: float | None = None, high: float | None = None) -> str:
    """Channel of control that a share of equity stands for.

    Parameters
    ----------
    share : float or None
        0 to 1.
    low, high : float, optional
        Bounds, where the share is not known.

    Returns
    -------
    str

    Examples
    --------
    >>> control_type(0.72), control_type(0.5), control_type(0.1), control_type(None)
    ('majority', 'joint', 'minority', 'equity')
    >>> control_type(None, 0.6, 0.7), control_type(None, 0.0, 0.05), control_type(None, 0.4, 0.6)
    ('majority', 'minority', 'equity')
    """
    if share is None:
        return "majority" if (low or 0.0) > 0.5 else "minority" if high is not None and high < 0.5 else "equity"
    return "majority" if share > 0.5 else "joint" if share == 0.5 else "minority"

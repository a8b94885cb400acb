"""Owners as reports print them: names with percentages in text."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Owner", "control_type", "parse_owners"]


class Owner(NamedTuple):
    """One owner in a text: name, share (None where none is printed), day of sale where one is printed."""

    name: str
    share: float | None
    sold: str | None = None


_BRACKET = re.compile(r"\(\s*(?:[^()%]*?[-\u2013:]\s*)?(\d{1,3}(?:\.\d*)?)\s*%\s*[()]?")
_BARE = re.compile(r"^(.*?\D)\s*(\d{1,3}(?:\.\d+)?)\s*%$")
_SOLD = re.compile(r"\bsold\b.*?\bon\s+(\d{1,2})\s+([A-Za-z]+)\s+(\d{4})", re.IGNORECASE)
_MONTHS = {
    m: k + 1 for k, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
}
_NOBODY = re.compile(r"^(others?|rest|minorit(y|ies)( interests?)?|unknown|public|free ?float|n/?a)$", re.IGNORECASE)


def parse_owners(text: str) -> tuple[list[Owner], str]:
    """Owners and shares in a text, and what of it was not understood.

    Parameters
    ----------
    text : str
        E.g. ``Zijin Mining Group Co., Ltd. (72%), A and B (28%)``, ``X 49%/ Y 51%`` or ``Z (100%), sold on 1 June 2013``.

    Returns
    -------
    tuple of (list of Owner, str)
        Shares are 0 to 1. Owners without a printed share have None. "Others" are left out: they are nobody. Two names
        before one percentage stay one owner, as printed.

    Examples
    --------
    >>> parse_owners("Zijin Mining Group Co., Ltd. (72%), Others (28%)")[0]
    [Owner(name='Zijin Mining Group Co., Ltd.', share=0.72, sold=None)]
    >>> [(o.name, o.share) for o in parse_owners("Mercedes-Benz 49%/ BAIC 51%")[0]]
    [('Mercedes-Benz', 0.49), ('BAIC', 0.51)]
    >>> parse_owners("Rio Tinto (80%), sold their interest on 1 December 2013")[0][0].sold
    '2013-12-01'
    """
    clean = " ".join(str(text).split())
    out: list[Owner] = []
    end = 0
    for hit in _BRACKET.finditer(clean):
        name = _trim(clean[end : hit.start()])
        end = hit.end()
        if name:
            out.append(Owner(name, float(hit[1]) / 100.0))
    rest = clean[end:].strip(" ,;/&)")
    if not out:
        return _bare(clean)
    sold = _SOLD.search(rest)
    if sold and sold[2][:3].casefold() in _MONTHS:
        day = f"{sold[3]}-{_MONTHS[sold[2][:3].casefold()]:02d}-{int(sold[1]):02d}"
        out, rest = [o._replace(sold=day) for o in out], ""
    return [o for o in out if not _NOBODY.match(o.name)], rest


def _bare(clean: str) -> tuple[list[Owner], str]:
    """``A 49% / B 51%``, or names without any share, parted by slashes."""
    parts = [p.strip() for p in re.split(r"\s*/\s*", clean) if p.strip()]
    out = []
    for part in parts:
        hit = _BARE.match(part)
        if hit:
            out.append(Owner(_trim(hit[1]), float(hit[2]) / 100.0))
        elif "%" in part:
            return [], clean  # "63.9% subsidiary of Z": a share of another firm, not of this asset
        else:
            out.append(Owner(_trim(part), None))
    return [o for o in out if o.name and not _NOBODY.match(o.name)], ""


def _trim(name: str) -> str:
    out = name.strip(" ,;/&")
    out = re.sub(r"^and\s+", "", out)
    return out.strip(" ,;/&")[:200]


def control_type(share: float | None) -> str:
    """Channel of control that a share of equity stands for.

    Parameters
    ----------
    share : float or None
        0 to 1.

    Returns
    -------
    str

    Examples
    --------
    >>> control_type(0.72), control_type(0.5), control_type(0.1), control_type(None)
    ('majority', 'joint', 'minority', 'equity')
    """
    if share is None:
        return "equity"
    return "majority" if share > 0.5 else "joint" if share == 0.5 else "minority"

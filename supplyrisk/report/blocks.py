"""A report as a list of plain blocks, and the two ways to write it: Markdown for the terminal, one HTML file.

Blocks hold plain text. Whatever comes from data is escaped in HTML and freed of control characters on the way to a
terminal, here and nowhere else.
"""

from __future__ import annotations

import base64
import html
import math
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "Block",
    "Bullets",
    "Grid",
    "Heading",
    "Picture",
    "Text",
    "amount",
    "listed",
    "money",
    "percent",
    "plain",
    "share",
    "to_html",
    "to_markdown",
]


@dataclass(frozen=True)
class Heading:
    """A heading of a section; ``level`` 2 or 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; ``tone`` is normal, lead (the finding) or note (small print)."""

    text: str
    tone: str = "normal"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences; ``tone`` as of :class:`Text`."""

    items: tuple[str, ...]
    tone: str = "normal"


@dataclass(frozen=True)
class Grid:
    """A table; ``numeric`` says which columns are set to the right, ``wide`` which may break lines."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A figure as SVG text with its alternative text."""

    title: str
    alt: str
    svg: str


Block = Heading | Text | Bullets | Grid | Picture


def percent(value: float | None) -> str:
    """A fraction as per cent for people; what is not known says so.

    Examples
    --------
    >>> percent(0.689), percent(0.0), percent(0.002), percent(float("nan")), percent(0.9989)
    ('69%', '0%', 'under 1%', 'not known', 'over 99%')
    """
    if value is None or not math.isfinite(value):
        return "not known"
    if 0 < value < 0.005:
        return "under 1%"
    if 0.995 <= value < 1:
        return "over 99%"
    return f"{value:.0%}"


def share(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A fraction with its interval.

    Examples
    --------
    >>> share(0.69, 0.62, 0.74)
    '69% (62 to 74)'
    """
    text = percent(value)
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return text
    return f"{text} ({low * 100:.0f} to {high * 100:.0f})"


def money(value: float | None) -> str:
    """US dollars for people.

    Examples
    --------
    >>> money(1.234e9), money(5.2e7), money(8300.0), money(-2.0e6)
    ('USD 1.23 billion', 'USD 52 million', 'USD 8,300', 'minus USD 2 million')
    """
    if value is None or not math.isfinite(value):
        return "not known"
    sign, size = ("minus " if value < 0 else ""), abs(value)
    for unit, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if size >= 0.9995 * unit:
            return f"{sign}USD {size / unit:,.3g} {name}"
    return f"{sign}USD {size:,.0f}" if size >= 10 or size == 0 else f"{sign}USD {size:.2g}"


def amount(value: float | None, unit: str) -> str:
    """A quantity with its unit, three digits.

    Examples
    --------
    >>> amount(39000.0, "t"), amount(0.1234, "world_share")
    ('39,000 t', '12.3% of the world market')
    """
    if value is None or not math.isfinite(value):
        return "not known"
    unit = unit.removesuffix("/year")
    if unit == "world_share":
        return f"{value * 100:.3g}% of the world market"
    size = abs(value)
    if size >= 1000:
        digits = 2 - math.floor(math.log10(size))
        return f"{round(value, digits):,.0f} {unit}"
    return f"{value:.3g} {unit}"


def listed(items: Sequence[str], most: int = 8, joint: str = "and") -> str:
    """Words in a row: ``a, b and c``; beyond ``most`` the rest is counted.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a, b and 2 more')
    """
    given = [str(i) for i in items]
    if len(given) > most:
        return ", ".join(given[:most]) + f" {joint} {len(given) - most} more"
    if len(given) < 2:
        return "".join(given)
    return ", ".join(given[:-1]) + f" {joint} {given[-1]}"


def plain(text: object) -> str:
    """Text without control, format and bidirectional characters; line breaks and tabs become spaces."""
    out = []
    for ch in str(text):
        if ch in "\n\r\t":
            out.append(" ")
        elif unicodedata.category(ch) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            out.append(ch)
    return "".join(out)


# --------------------------------------------------------------------------------------------------- Markdown


def to_markdown(title: str, blocks: Sequence[Block], width: int = 100) -> str:
    """Blocks as Markdown that reads well unrendered.

    Parameters
    ----------
    title : str
        First heading.
    blocks : sequence of Block
        What follows. Pictures are left out; their data stand in the tables.
    width : int
        Columns.

    Returns
    -------
    str
    """
    out = [f"# {plain(title)}", ""]
    for block in blocks:
        if isinstance(block, Heading):
            out += [f"{'#' * block.level} {plain(block.text)}", ""]
        elif isinstance(block, Text):
            out += [*textwrap.wrap(plain(block.text), width), ""]
        elif isinstance(block, Bullets):
            for item in block.items:
                out += textwrap.wrap(plain(item), width, initial_indent="- ", subsequent_indent="  ")
            out.append("")
        elif isinstance(block, Grid):
            out += [*_markdown_table(block, width), ""]
    return "\n".join(out).rstrip() + "\n"


def _markdown_table(grid: Grid, width: int) -> list[str]:
    cells = [[plain(c).replace("|", "/") for c in row] for row in (grid.header, *grid.rows)]
    # The widest text column gives way where the table does not fit the terminal; nothing is cut, cells break lines.
    wide = [max(len(r[k]) for r in cells) for k in range(len(grid.header))]
    spare = width - 3 * len(wide) - 1
    while sum(wide) > spare:
        k = max(range(len(wide)), key=lambda i: (i not in grid.numeric, wide[i]))
        if wide[k] <= 14:
            break
        wide[k] -= 1
    lines: list[str] = []
    if grid.caption:
        lines += [*textwrap.wrap(plain(grid.caption), width), ""]
    for i, row in enumerate(cells):
        parts = [textwrap.wrap(c, max(w, 4)) or [""] for c, w in zip(row, wide, strict=True)]
        for n in range(max(map(len, parts))):
            shown = []
            for k, w in enumerate(wide):
                text = parts[k][n] if n < len(parts[k]) else ""
                shown.append(text.rjust(w) if k in grid.numeric else text.ljust(w))
            lines.append("| " + " | ".join(shown) + " |")
        if i == 0:
            rule = ["-" * (w - 1) + ":" if k in grid.numeric else "-" * w for k, w in enumerate(wide)]
            lines.append("| " + " | ".join(rule) + " |")
    return lines


# ------------------------------------------------------------------------------------------------------- HTML

_CSS = """
:root{--ink:#1b1f24;--muted:#59626b;--rule:#d5dade;--accent:#0072B2;--pale:#f4f7f9}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:#fff;color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans","DejaVu Sans",sans-serif}
main{max-width:60rem;margin:0 auto;padding:0 1.5rem 3rem}
header{border-top:.5rem solid var(--accent);padding:2rem 0 .5rem;margin-bottom:1rem}
h1{font-size:1.95rem;line-height:1.2;margin:0 0 .6rem;letter-spacing:-.01em}
h2{font-size:1.28rem;line-height:1.25;margin:2.4rem 0 .7rem;padding-top:.7rem;border-top:1px solid var(--rule)}
h3{font-size:1.03rem;margin:1.5rem 0 .4rem}
p{margin:.55rem 0;max-width:48rem}
.kicker{color:var(--muted);margin:0;max-width:none}
.lead{font-size:1.1rem;line-height:1.5}
.note{font-size:.86rem;color:var(--muted)}
ul{margin:.5rem 0;padding-left:1.2rem;max-width:49rem}
li{margin:.3rem 0}
.box{background:var(--pale);border-left:.3rem solid var(--accent);padding:.7rem 1.2rem;margin:1.1rem 0}
.box ul{margin:.2rem 0}
.scroll{overflow-x:auto;margin:.9rem 0}
table{border-collapse:collapse;width:100%;font-size:.875rem;line-height:1.35}
caption{caption-side:top;text-align:left;color:var(--muted);padding:0 0 .4rem;font-size:.86rem}
th,td{padding:.36rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th{background:var(--pale);font-weight:600;vertical-align:bottom;border-bottom:2px solid var(--ink)}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
figure{margin:1.4rem 0;border:1px solid var(--rule);padding:.5rem}
figure img{display:block;width:100%;height:auto}
footer{margin-top:2.5rem;padding-top:.8rem;border-top:1px solid var(--rule);color:var(--muted);font-size:.84rem}
p,li,h1{overflow-wrap:anywhere}
td{overflow-wrap:break-word}
@page{size:A4;margin:16mm 14mm}
@media print{body{font-size:10.5pt}main{max-width:none;padding:0}header{padding-top:1rem}h2,h3{break-after:avoid}figure,tr,.box{break-inside:avoid}thead{display:table-header-group}.scroll{overflow:visible}}
"""


def to_html(title: str, kicker: str, blocks: Sequence[Block], foot: str) -> str:
    """Blocks as one self-contained HTML page.

    Parameters
    ----------
    title, kicker : str
        Heading, and the line beneath it.
    blocks : sequence of Block
        What follows.
    foot : str
        Last line.

    Returns
    -------
    str
        No script, no reference to anything outside; figures are data URIs with alternative text.
    """
    body: list[str] = []
    n = 0
    for block in blocks:
        if isinstance(block, Heading):
            level = min(max(block.level, 2), 3)
            body.append(f"<h{level}>{_e(block.text)}</h{level}>")
        elif isinstance(block, Text):
            kind = f' class="{_e(block.tone)}"' if block.tone != "normal" else ""
            body.append(f"<p{kind}>{_e(block.text)}</p>")
        elif isinstance(block, Bullets):
            items = "".join(f"<li>{_e(i)}</li>" for i in block.items)
            text = f"<ul>{items}</ul>"
            body.append(
                f'<div class="box">{text}</div>'
                if block.tone == "lead"
                else text.replace("<ul>", f'<ul class="{_e(block.tone)}">', 1)
            )
        elif isinstance(block, Grid):
            body.append(_html_table(block))
        else:
            n += 1
            data = base64.b64encode(block.svg.encode()).decode()
            body.append(
                f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{_e(block.alt)}" title="{_e(block.title)}"></figure>'
            )
    inner = "\n".join(body)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_e(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<header><h1>{_e(title)}</h1><p class="kicker">{_e(kicker)}</p></header>\n{inner}\n'
        f"<footer>{_e(foot)}</footer>\n</main>\n</body>\n</html>\n"
    )


def _e(text: object) -> str:
    return html.escape(plain(text), quote=True)


def _html_table(grid: Grid) -> str:
    def cell(tag: str, k: int, text: str) -> str:
        kind = ' class="n"' if k in grid.numeric else ""
        scope = ' scope="col"' if tag == "th" else ""
        return f"<{tag}{scope}{kind}>{_e(text)}</{tag}>"

    head = "".join(cell("th", k, h) for k, h in enumerate(grid.header))
    rows = "".join("<tr>" + "".join(cell("td", k, c) for k, c in enumerate(row)) + "</tr>\n" for row in grid.rows)
    caption = f"<caption>{_e(grid.caption)}</caption>" if grid.caption else ""
    return f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>'

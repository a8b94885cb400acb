"""What all figures share: colours, type sizes, title, footer, alternative text, export.

Figures are plain :class:`matplotlib.figure.Figure` objects made without pyplot, so that drawing one leaves no
global state behind and works on any thread and without a display.
"""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from ..jurisdictions import display_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FOCAL_COLOUR",
    "INK",
    "OTHERS",
    "UNKNOWN_COLOUR",
    "alt_text",
    "colours",
    "country",
    "figure",
    "finish",
    "place",
    "plain_axes",
    "png",
    "save",
    "scope_text",
    "sources_text",
    "svg",
    "wrap",
]

# After Okabe and Ito (2008) and Tol (2021). The focal country has one fixed colour in every chart, whoever it is.
FOCAL_COLOUR = "#0072B2"
OTHERS = ("#E69F00", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#882255", "#44AA99", "#999933", "#AA4499", "#56B4E9")
REST_COLOUR = "#C9C2B5"  # named countries that are too small for a colour of their own
UNKNOWN_COLOUR = "#DDDDDD"  # who supplies is not known; always hatched as well
INK, MUTED, RULE = "#1b1f24", "#59626b", "#c8cdd2"
SIZE = {"title": 13.0, "subtitle": 9.5, "label": 8.5, "small": 7.5, "footer": 7.0}
_CHARS_PER_INCH = {"title": 8.9, "subtitle": 14.6, "footer": 18.0}
_HASH = "supplyrisk"


def country(code: str) -> str:
    """Short display name of a place for labels and sentences.

    Parameters
    ----------
    code : str
        ISO3 or declared extra.

    Returns
    -------
    str
    """
    return {"ROW": "Rest of world", "WLD": "World market", "EUE": "EU"}.get(code, display_name(code))


def scope_text(focal: Sequence[str]) -> str:
    """The focal scope in words: names and codes, and that Taiwan is apart where China is meant.

    Parameters
    ----------
    focal : sequence of str
        ISO3 codes.

    Returns
    -------
    str

    Examples
    --------
    >>> scope_text(("CHN",))
    'China (CHN; mainland only: HKG, MAC and TWN are counted apart)'
    """
    names = ", ".join(country(c) for c in focal)
    codes = "+".join(focal)
    apart = [c for c in ("HKG", "MAC", "TWN") if c not in focal]
    if "CHN" in focal and apart:
        listed = apart[0] if len(apart) == 1 else ", ".join(apart[:-1]) + f" and {apart[-1]}"
        if len(apart) == 3:
            return f"{names} ({codes}; mainland only: {listed} are counted apart)"
        return f"{names} ({codes}; {listed} counted apart)"
    return f"{names} ({codes})"


def wrap(text: str, width: float, size: str) -> str:
    """Break a text into lines that fit a width in inches."""
    return "\n".join(textwrap.wrap(text, max(20, int(width * _CHARS_PER_INCH[size])))) if text else ""


def colours(codes: Iterable[str], focal: Sequence[str]) -> dict[str, str]:
    """Colour of each place: the focal fixed, the others in the order given, the unknown neutral.

    Parameters
    ----------
    codes : iterable of str
        Places, the most important first.
    focal : sequence of str
        Focal scope.

    Returns
    -------
    dict

    Examples
    --------
    >>> colours(["AUS", "CHN", "ROW"], ("CHN",))["CHN"]
    '#0072B2'
    """
    out: dict[str, str] = {}
    free = list(OTHERS)
    for code in codes:
        if code in focal:
            out[code] = FOCAL_COLOUR
        elif code in ("ROW", "UNK", "WLD"):
            out[code] = UNKNOWN_COLOUR
        elif free:
            out[code] = free.pop(0)
        else:
            out[code] = REST_COLOUR
    return out


def figure(width: float, height: float) -> Figure:
    """A white figure of so many inches, without pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white")


def plain_axes(ax: Axes, grid: Literal["x", "y"] | None = None) -> Axes:
    """Take away what is not data: box, ticks; leave a light grid."""
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0, labelsize=SIZE["label"], colors=INK)
    if grid:
        ax.grid(axis=grid, color=RULE, linewidth=0.6)
        ax.set_axisbelow(True)
    return ax


def sources_text(ids: Iterable[str], table: pd.DataFrame | None = None, shown: int = 3) -> str:
    """Sources of a figure in a line: the most used first, the rest counted.

    Parameters
    ----------
    ids : iterable of str
        Source id of each figure drawn.
    table : DataFrame, optional
        The ``sources`` table, for titles.
    shown : int
        How many are named.

    Returns
    -------
    str
    """
    counts = pd.Series([s for s in ids if isinstance(s, str) and s], dtype="object").value_counts(sort=True)
    if not len(counts):
        return "as given in the data"
    order = sorted(counts.index, key=lambda s: (-int(counts[s]), str(s)))
    titles = {} if table is None else dict(zip(table["source"].astype(str), table["title"].astype(str), strict=True))
    named = [textwrap.shorten(titles.get(s, s), 90, placeholder=" ...") for s in order[:shown]]
    rest = len(order) - len(named)
    return "; ".join(named) + (f"; and {rest} more" if rest > 0 else "")


def place(fig: Figure, left: float, right: float, title: str, subtitle: str, footer: str) -> tuple[float, float]:
    """Write title, subtitle and footer, and return the room left between them.

    Parameters
    ----------
    fig : Figure
        The figure.
    left, right : float
        Margins in inches.
    title, subtitle, footer : str
        Texts; wrapped here.

    Returns
    -------
    tuple of float
        ``(bottom, top)`` of the free room, in inches from the lower edge.
    """
    width, height = (float(x) for x in fig.get_size_inches())
    inner = width - 0.3
    lines = wrap(title, inner, "title")
    y = height - 0.12
    fig.text(
        0.15 / width,
        y / height,
        lines,
        size=SIZE["title"],
        weight="bold",
        color=INK,
        va="top",
        ha="left",
        linespacing=1.2,
    )
    y -= 0.235 * (lines.count("\n") + 1) + 0.04
    if subtitle:
        lines = wrap(subtitle, inner, "subtitle")
        fig.text(
            0.15 / width, y / height, lines, size=SIZE["subtitle"], color=MUTED, va="top", ha="left", linespacing=1.3
        )
        y -= 0.18 * (lines.count("\n") + 1)
    lines = wrap(footer, inner, "footer")
    fig.text(
        0.15 / width, 0.08 / height, lines, size=SIZE["footer"], color=MUTED, va="bottom", ha="left", linespacing=1.3
    )
    bottom = 0.08 + 0.13 * (lines.count("\n") + 1) + 0.08
    return bottom, y - 0.06


def finish(
    fig: Figure, frame: pd.DataFrame, *, kind: str, title: str, alt: str, footer: str, unit: str
) -> tuple[Figure, pd.DataFrame]:
    """Attach what a reader without eyes, or a test, needs; return the pair that every plot returns."""
    fig.set_label(alt)
    frame = frame.reset_index(drop=True)
    frame.attrs.update({"plot": kind, "title": title, "alt": alt, "footer": footer, "unit": unit})
    return fig, frame


def alt_text(fig: Figure) -> str:
    """Alternative text of a figure made by this package.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    str
    """
    return str(fig.get_label())


def svg(fig: Figure) -> str:
    """The figure as one SVG element; the same figure gives the same bytes.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    str
        ``<svg ...>...</svg>`` without prologue, document type or metadata; text is drawn as paths, so that it
        looks the same on every machine.
    """
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": _HASH, "svg.fonttype": "path"}):
        fig.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    return text[text.index("<svg") :].strip()


def png(fig: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG, with its alternative text in the file's description.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure.
    dpi : int
        Dots per inch.

    Returns
    -------
    bytes
    """
    out = io.BytesIO()
    fig.savefig(out, format="png", dpi=dpi, metadata={"Description": alt_text(fig), "Software": None})
    return out.getvalue()


def save(fig: Figure, path: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Write a figure as .svg or .png, whole or not at all.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure.
    path : path-like
        Target; the ending picks the format.
    dpi : int
        Dots per inch of a PNG.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        Another ending.
    """
    target = Path(path)
    if target.suffix == ".svg":
        data = ('<?xml version="1.0" encoding="utf-8"?>\n' + svg(fig) + "\n").encode()
    elif target.suffix == ".png":
        data = png(fig, dpi)
    else:
        raise ValueError(f"cannot write a figure as {target.suffix!r}: give a name that ends in .svg or .png")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target

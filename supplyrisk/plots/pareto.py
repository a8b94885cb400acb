"""The chart of a frontier: what each step away from dependence costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import unknown_name
from ..registry import plot
from . import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["pareto"]

_ROOM = 3.3


def _units(top: float, usd: str) -> tuple[float, str]:
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if top >= size:
            return size, f"{word} {usd}"
    return 1.0, usd


def _money(front: Any) -> str | None:
    """Unit of the plan behind a frontier: money with its year, or the objective where that is none."""
    from ..portfolio.words import dollars, goal_unit

    plan = getattr(front, "_plan", None)
    if plan is None:
        return None
    return dollars(plan._build) if goal_unit(front.objective) == "USD/year" else f"of {front.objective!r}"


@plot(reads="frontier, or its frame", shows="extra cost of each level of dependence")
def pareto(
    front: Any,
    *,
    x: str | None = None,
    label: str | None = None,
    buyers: str = "the buyers",
    source: str = "as given in the data",
    year: str = "not stated",
    price_year: str | int | None = None,
) -> tuple[Figure, pd.DataFrame]:
    """Extra cost a year of each non-dominated plan, against the level of an aim it reaches.

    Each point is a plan nobody can better in all aims at once; the knee is marked as the suggestion that it is. With
    more than one aim the others are given by the size of the points.

    Parameters
    ----------
    front : Frontier or DataFrame
        What :func:`supplyrisk.portfolio.frontier` returns, or its frame: ``extra``, ``knee`` and a column per aim.
    x : str, optional
        Column of the aim on the horizontal axis; default the first.
    label : str, optional
        What the aim is called; default the term as it was written.
    buyers : str
        Who buys, in words.
    source, year : str
        For the footer.
    price_year : str or int, optional
        Year of the money, for title, axis and footer; default that of the frontier's plan, else "not stated".

    Returns
    -------
    (Figure, DataFrame)

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"extra": [0.0, 1e6, 9e6], "share": [0.9, 0.5, 0.2], "knee": [False, True, False]})
    >>> figure, drawn = pareto(frame, label="share that China can stop", price_year=2024)
    >>> drawn.attrs["title"]
    'From 90% to 50% costs 1.0 million USD of 2024 a year, the rest of the way to 20% another 8.0 million'
    """
    frame = getattr(front, "frame", front).copy()
    aims = [c for c in frame.columns if c not in ("objective", "extra", "marginal", "gap", "knee", "level")]
    x = x or (aims[0] if aims else "share")
    for column in (x, "extra", "knee"):
        if column not in frame.columns:
            raise unknown_name("column", column, map(str, frame.columns), "the frontier given to pareto()")
    terms = getattr(front, "against", ())
    if label is None:
        label = repr(terms[aims.index(x)]) if terms else x
    unknown = int(frame[x].isna().sum())  # a share of which nothing is known has no place on the axis
    frame = frame[frame[x].notna()].sort_values(x, ascending=False, kind="stable").reset_index(drop=True)
    usd = f"USD of {price_year}" if price_year is not None else _money(front)
    size, word = _units(float(frame["extra"].max()) if len(frame) else 0.0, usd or "USD")
    short = word.removesuffix(usd or "USD").strip()
    at, extra = frame[x].to_numpy(dtype=float), frame["extra"].to_numpy(dtype=float)
    knee = np.flatnonzero(frame["knee"].to_numpy(dtype=bool))
    if len(knee):
        k = int(knee[0])
        title = (
            f"From {at[0]:.0%} to {at[k]:.0%} costs {extra[k] / size:.1f} {word} a year, the rest of the way to "
            f"{at[-1]:.0%} another {(extra[-1] - extra[k]) / size:.1f} {short}".rstrip()
        )
    elif len(frame) > 1:
        title = f"From {at[0]:.0%} to {at[-1]:.0%} costs {extra[-1] / size:.1f} {word} a year"
    else:
        title = f"No plan is below {at[0]:.0%}" if len(frame) else "No plan was found"
    others = [c for c in aims if c != x]
    subtitle = f"Each point is the cheapest plan for {buyers} at its level of: {label}"
    if unknown:
        subtitle += f"; not drawn: {unknown} of which it is not known"
    if others:
        subtitle += f"; larger points have more {others[0]}"
    footer = (
        f"Unit: {usd or 'USD (price year not stated)'} a year over the cheapest plan. Only plans that no other plan betters in all aims. The knee lies "
        f"farthest from the line between the ends: a suggestion, not a rule. Data years: {year}. Sources: {source}."
    )
    alt = f"Line chart of extra cost a year against {label}. " + "; ".join(
        f"{a:.0%}: {e / size:.2f} {word}" + (" (knee)" if i in knee else "")
        for i, (a, e) in enumerate(zip(at, extra, strict=True))
    )
    width, left, right, axis = 7.6, 0.85, 0.3, 0.62
    height = 4.6
    for _ in range(2):
        fig = style.figure(width, height)
        bottom, top = style.place(fig, left, right, title, subtitle, footer)
        height = bottom + axis + _ROOM + (height - top)
    ax = fig.add_axes(
        (left / width, (bottom + axis) / height, (width - left - right) / width, _ROOM / height), label="frontier"
    )
    style.plain_axes(ax, grid="y")
    area: Any = 34.0
    if others:
        spread = frame[others[0]].to_numpy(dtype=float)
        area = 20.0 + 120.0 * (spread - spread.min()) / max(float(np.ptp(spread)), 1e-12)
    else:
        ax.plot(100 * at, extra / size, color=style.FOCAL_COLOUR, linewidth=1.4, zorder=2)
    ax.scatter(100 * at, extra / size, s=area, color=style.FOCAL_COLOUR, edgecolor="white", linewidth=0.8, zorder=3)
    for k in knee.tolist():
        ax.scatter(
            [100 * at[k]], [extra[k] / size], s=150, facecolor="none", edgecolor=style.INK, linewidth=1.4, zorder=4
        )
        ax.annotate(
            f"knee (suggestion): {at[k]:.0%}, {extra[k] / size:.1f} {short}".rstrip(),
            (100 * at[k], extra[k] / size),
            xytext=(34, -3),  # the knee bulges down and to the left, so that there is room on its right
            textcoords="offset points",
            ha="left",
            va="center",
            size=style.SIZE["label"],
            color=style.INK,
            arrowprops={"arrowstyle": "-", "color": style.RULE},
        )
    ax.invert_xaxis()
    ax.set_xlabel(f"{label}, per cent", size=style.SIZE["label"], color=style.INK)
    ax.set_ylabel(f"extra cost, {word} a year", size=style.SIZE["label"], color=style.INK)
    ax.set_ylim(bottom=min(-0.04 * float(np.max(extra, initial=0.0)), float(np.min(extra, initial=0.0))) / size - 1e-12)
    ax.margins(x=0.06)
    drawn = frame[[x, "extra", "knee", *others]]
    return style.finish(fig, drawn, kind="pareto", title=title, alt=alt, footer=footer, unit=f"{usd or 'USD'}/year")

"""Charts that set two readings side by side: location against control, before against after."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import unknown_name
from ..jurisdictions import scope
from ..registry import plot
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["before_after", "dependence_bars"]

AFTER_COLOUR = "#009E73"


def _need(frame: pd.DataFrame, columns: Iterable[str], where: str) -> None:
    for c in columns:
        if c not in frame.columns:
            raise unknown_name("column", c, frame.columns, where)


def _label(name: str, width: int = 42) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(name, width)[:2])


@plot(reads="frame of shares by product", shows="focal share by location and by control, with intervals")
def dependence_bars(
    data: pd.DataFrame,
    *,
    focal: str | Iterable[str] = "CHN",
    buyers: str = "the buyers",
    source: str = "as given in the data",
    year: str = "not stated",
) -> tuple[Figure, pd.DataFrame]:
    """Focal share of each product by location and by control, side by side, with intervals.

    Location is the filled bar, control the hatched one; a whisker is the interval [low, high]. A share that is not
    known has no bar but says so.

    Parameters
    ----------
    data : DataFrame
        In drawing order: ``name, location, location_low, location_high, control, control_low, control_high`` as
        fractions, ``grade`` where known.
    focal : str or iterable of str
        Focal scope.
    buyers : str
        Who buys, in words.
    source, year : str
        For the footer.

    Returns
    -------
    (Figure, DataFrame)

    Examples
    --------
    >>> import pandas as pd
    >>> row = dict(name="Refined gallium", location=0.9, location_low=0.8, location_high=0.95,
    ...            control=0.92, control_low=0.8, control_high=0.99)
    >>> figure, drawn = dependence_bars(pd.DataFrame([row]))
    >>> drawn.attrs["plot"]
    'dependence_bars'
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    views = ("location", "control")
    _need(
        data,
        ["name", *(f"{v}{s}" for v in views for s in ("", "_low", "_high"))],
        "the frame given to dependence_bars()",
    )
    codes = scope(focal)
    who = " and ".join(style.country(c) for c in codes)
    frame = data.reset_index(drop=True)
    n = len(frame)
    over = int((frame["control_low"] > 0.5).sum())
    apart = int(((frame["control"] - frame["location"]) > 0.05).sum())
    title = f"For at least {over} of these {n} products {who} can stop more than half of the supply of {buyers}"
    if n == 1:
        surely = "can stop more than half of" if over else "is not sure to be able to stop half of"
        title = f"{who} {surely} the supply of {frame['name'].iloc[0]} to {buyers}"
    if not n:
        title = f"No product of {buyers} has a known share of {who}"
    alt = (
        f"Bar chart of the share of {who} in the supply of {buyers} for {n} products, by location and by control, with intervals. "
        + "; ".join(
            f"{r['name']}: {_percent(r['location'])} by location, {_percent(r['control'])} by control"
            for r in frame.to_dict("records")
        )
        + f". Control exceeds location by more than 5 points for {apart}."
    )
    footer = (
        f"Unit: per cent of supply. Whiskers: lowest and highest value that the sources and unknown owners allow. Data years: {year}. "
        f"Weakest grade behind a row: {_grades(frame)}. Focal: {style.scope_text(codes)}. Sources: {source}."
    )
    width, row = 8.6, 0.46
    fig, ax, height = _bars_sheet(n, row, width, title, footer)
    y = np.arange(n, dtype=float)
    for k, view in enumerate(views):
        offset = y + (-0.19 if k == 0 else 0.19)
        value = frame[view].to_numpy(dtype=float)
        ax.barh(
            offset,
            np.nan_to_num(value),
            height=0.34,
            color=style.FOCAL_COLOUR if k == 0 else "#cfe3f1",
            edgecolor=style.FOCAL_COLOUR,
            hatch=None if k == 0 else "/////",
            linewidth=0.8,
            zorder=2,
        )
        low, high = (frame[f"{view}_{e}"].to_numpy(dtype=float) for e in ("low", "high"))
        known = ~(np.isnan(low) | np.isnan(high))
        ax.hlines(offset[known], low[known], high[known], color=style.INK, linewidth=1.3, zorder=3)
        for end in (low, high):
            ax.vlines(end[known], offset[known] - 0.1, offset[known] + 0.1, color=style.INK, linewidth=1.3, zorder=3)
        for i in range(n):
            edge = np.nanmax([value[i], high[i], 0.0])
            text = _interval(value[i], low[i], high[i])
            ax.text(edge + 0.012, offset[i], text, va="center", ha="left", size=style.SIZE["small"], color=style.INK)
    handles = [
        Patch(facecolor=style.FOCAL_COLOUR, edgecolor=style.FOCAL_COLOUR, label="by location (where it comes from)"),
        Patch(facecolor="#cfe3f1", edgecolor=style.FOCAL_COLOUR, hatch="/////", label="by control (who can stop it)"),
        Line2D([], [], color=style.INK, linewidth=1.3, marker="|", markersize=6, label="interval"),
    ]
    _finish_axis(ax, frame["name"].astype(str).tolist(), y, handles, height)
    return style.finish(fig, frame, kind="dependence_bars", title=title, alt=alt, footer=footer, unit="1")


@plot(reads="plan, or frame of shares before and after", shows="focal share before and after a plan")
def before_after(
    data: pd.DataFrame,
    *,
    focal: str | Iterable[str] = "CHN",
    buyers: str = "the buyers",
    view: str = "control",
    cap: float | None = None,
    source: str = "as given in the data",
    year: str = "not stated",
) -> tuple[Figure, pd.DataFrame]:
    """Focal share of each product before and after a plan, with intervals, by the same ruler.

    Parameters
    ----------
    data : DataFrame
        In drawing order: ``name, before, before_low, before_high, after, after_low, after_high`` as fractions.
    focal : str or iterable of str
        Focal scope.
    buyers : str
        Who buys, in words.
    view : str
        View of the shares.
    cap : float, optional
        Cap that the plan had to meet, drawn as a line.
    source, year : str
        For the footer.

    Returns
    -------
    (Figure, DataFrame)

    Examples
    --------
    >>> import pandas as pd
    >>> row = dict(name="Refined gallium", before=0.9, before_low=0.8, before_high=0.95,
    ...            after=0.6, after_low=0.5, after_high=0.65)
    >>> figure, drawn = before_after(pd.DataFrame([row]), cap=0.65)
    >>> drawn.attrs["title"]
    'The plan lowers the control share of China in Refined gallium from 90% to 60%'
    """
    from matplotlib.lines import Line2D

    _need(
        data,
        ["name", *(f"{v}{s}" for v in ("before", "after") for s in ("", "_low", "_high"))],
        "the frame given to before_after()",
    )
    codes = scope(focal)
    who = " and ".join(style.country(c) for c in codes)
    frame = data.reset_index(drop=True)
    n = len(frame)
    fall = (frame["before"] - frame["after"]).to_numpy(dtype=float)
    lower = int((fall > 0.005).sum())
    title = f"The plan lowers the {view} share of {who} in {lower} of {n} product{'s' if n != 1 else ''}"
    if lower:
        k = int(np.nanargmax(fall))
        r = frame.iloc[k]
        span = f"from {_percent(r['before'])} to {_percent(r['after'])}"
        if n == 1:
            title = f"The plan lowers the {view} share of {who} in {r['name']} {span}"
        else:
            title += f"; the largest fall is {r['name']}, {span}"
    alt = (
        f"Dumbbell chart of the {view} share of {who} in the supply of {buyers}, before and after the plan. "
        + "; ".join(
            f"{r['name']}: {_percent(r['before'])} before, {_percent(r['after'])} after"
            for r in frame.to_dict("records")
        )
        + "."
    )
    footer = (
        f"Unit: per cent of supply, view {view}, scored by the same function before and after. Thin lines: intervals. Data years: {year}. "
        f"Weakest grade behind a row: {_grades(frame)}. Focal: {style.scope_text(codes)}. Sources: {source}."
    )
    fig, ax, height = _bars_sheet(n, 0.42, 8.6, title, footer)
    y = np.arange(n, dtype=float)
    for stage, colour, offset in (("before", style.FOCAL_COLOUR, -0.12), ("after", AFTER_COLOUR, 0.12)):
        low, high = (frame[f"{stage}_{e}"].to_numpy(dtype=float) for e in ("low", "high"))
        ok = ~(np.isnan(low) | np.isnan(high))
        ax.hlines(y[ok] + offset, low[ok], high[ok], color=colour, linewidth=1.2, alpha=0.75, zorder=2)
        for end in (low, high):
            ax.vlines(
                end[ok], y[ok] + offset - 0.07, y[ok] + offset + 0.07, color=colour, linewidth=1.2, alpha=0.75, zorder=2
            )
    for position, (_, r) in enumerate(frame.iterrows()):
        line = float(position)
        both = not (pd.isna(r["before"]) or pd.isna(r["after"]))
        if both and abs(r["before"] - r["after"]) > 1e-9:
            ax.annotate(
                "",
                xy=(r["after"], line + 0.12),
                xytext=(r["before"], line - 0.12),
                arrowprops={"arrowstyle": "-|>", "color": "#8a939b", "linewidth": 1.4, "shrinkA": 5, "shrinkB": 5},
                zorder=3,
            )
        for stage, colour, marker, offset in (
            ("before", style.FOCAL_COLOUR, "o", -0.12),
            ("after", AFTER_COLOUR, "D", 0.12),
        ):
            if not pd.isna(r[stage]):
                face = "white" if stage == "before" else colour
                ax.scatter(
                    [r[stage]],
                    [line + offset],
                    s=44,
                    marker=marker,
                    facecolor=face,
                    edgecolor=colour,
                    linewidth=1.8,
                    zorder=4,
                )
        edge = np.nanmax([r["before"], r["before_high"], r["after_high"], r["after"], 0.0])
        ax.text(
            edge + 0.02,
            line,
            f"{_percent(r['before'])} → {_percent(r['after'])}",
            va="center",
            ha="left",
            size=style.SIZE["label"],
            color=style.INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )
    handles = [
        Line2D(
            [],
            [],
            color=style.FOCAL_COLOUR,
            marker="o",
            markerfacecolor="white",
            markeredgewidth=1.8,
            linewidth=1.2,
            label="before",
        ),
        Line2D([], [], color=AFTER_COLOUR, marker="D", linewidth=1.2, label="after the plan"),
    ]
    if cap is not None:
        ax.axvline(cap, color=style.INK, linestyle=(0, (4, 3)), linewidth=1.1, zorder=1)
        handles.append(Line2D([], [], color=style.INK, linestyle=(0, (4, 3)), linewidth=1.1, label=f"cap {cap:.0%}"))
    _finish_axis(ax, frame["name"].astype(str).tolist(), y, handles, height)
    return style.finish(fig, frame, kind="before_after", title=title, alt=alt, footer=footer, unit="1")


def _bars_sheet(n: int, row: float, width: float, title: str, footer: str) -> tuple[Figure, Axes, float]:
    left, axis = 2.95, 0.62
    height = 4.0
    for _ in range(2):
        fig = style.figure(width, height)
        bottom, top = style.place(fig, left, 0.2, title, "", footer)
        height = bottom + axis + row * max(n, 1) + 0.1 + (height - top)
    ax = style.plain_axes(
        fig.add_axes(
            (left / width, (bottom + axis) / height, (width - left - 0.25) / width, row * max(n, 1) / height),
            label="shares",
        ),
        grid="x",
    )
    return fig, ax, row * max(n, 1)


def _finish_axis(ax: Axes, names: list[str], y: Any, handles: list[Any], height: float) -> None:
    ax.set_yticks(y, [_label(n) for n in names], size=style.SIZE["label"])
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.set_xlim(0, 1.22)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"], size=style.SIZE["label"])
    ax.axvline(0, color=style.INK, linewidth=0.8)
    below = -0.28 / (height)
    labels = [str(h.get_label()) for h in handles]
    ax.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(-0.01, below),
        ncols=len(handles),
        frameon=False,
        fontsize=style.SIZE["label"],
        handlelength=1.8,
        columnspacing=1.6,
        borderaxespad=0.0,
    )


def _grades(frame: pd.DataFrame) -> str:
    if "grade" not in frame.columns:
        return "not stated"
    counts = frame["grade"].astype("object").fillna("assumption").value_counts()
    return ", ".join(f"{g} {int(c)}" for g, c in sorted(counts.items()))


def _percent(value: float) -> str:
    return "not known" if pd.isna(value) else "<1%" if 0 < value < 0.005 else f"{value:.0%}"


def _interval(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return "not known"
    if pd.isna(low) or pd.isna(high):
        return f"{value:.0%}"
    return f"{value:.0%} ({low * 100:.0f}–{high * 100:.0f})"

"""Heat map of stage by country."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..registry import plot
from . import style
from .shares import output_shares, stage_rank

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

__all__ = ["heatmap"]

_RAMP = ("#fdf8ee", "#f8dfae", "#eeb15f", "#cf7527", "#8f3e0e", "#4d1d06")
_UNLISTED = ("ROW",)


@plot(reads="graph or score frame", shows="share of each country at each stage")
def heatmap(
    data: SupplyGraph | pd.DataFrame,
    *,
    focal: str | Iterable[str] = "CHN",
    chains: str | Iterable[str] | None = None,
    products: Iterable[str] | None = None,
    countries: int = 11,
    rows: int = 40,
) -> tuple[Figure, pd.DataFrame]:
    """Stage by country: which part of world output each country makes of each product.

    Rows are products, ordered by chain and stage; the focal comes first among the columns, then the countries with
    the largest shares, then the unlisted rest. A figure that exists but is not known (hatched, ``?``), one of which
    nothing is recorded (a dot) and a true zero (``0``) look different. A circle marks grade C; a triangle marks
    a recalled figure (D) or an assumption.

    Parameters
    ----------
    data : SupplyGraph or DataFrame
        A graph, or a frame with ``product, country, share`` and, where known, ``name, chain, stage, grade, year,
        source, status``. Shares are fractions.
    focal : str or iterable of str
        Focal scope.
    chains : str or iterable of str, optional
        Only these chains.
    products : iterable of str, optional
        Only these products.
    countries : int
        How many countries beside the focal get a column of their own.
    rows : int
        At most so many products, those with the largest focal share first chosen.

    Returns
    -------
    (Figure, DataFrame)
        Figure, and a row per cell: ``product, name, chain, stage, country, share, grade, year, source, status``
        with status ``known``, ``missing`` (a producer without a figure) or ``not_listed``.

    Raises
    ------
    UnknownNameError
        A chain or product that does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"product": ["gallium.refined"] * 2, "country": ["CHN", "JPN"], "share": [0.99, 0.01]})
    >>> figure, drawn = heatmap(frame)
    >>> drawn["status"].tolist()
    ['known', 'known']
    """
    codes = scope(focal)
    shares, source_table = _shares(data)
    for column, wanted in (("chain", [chains] if isinstance(chains, str) else chains), ("product", products)):
        if wanted is not None:
            values = list(wanted)
            for value in values:
                if not (shares[column] == value).any():
                    raise unknown_name(column, value, shares[column].dropna().unique(), "heatmap()")
            shares = shares[shares[column].isin(values)]
    own = shares[shares["country"].isin(codes)].groupby("product")["share"].sum(min_count=1)
    everyone = shares["product"].drop_duplicates()
    kept = own.reindex(everyone).fillna(-1.0).sort_values(ascending=False, kind="stable").index[:rows]
    shares = shares[shares["product"].isin(kept)]
    labels = shares.drop_duplicates("product").set_index("product")[["name", "chain", "stage"]]
    labels = (
        labels.assign(_s=stage_rank(labels["stage"]))
        .sort_values(["chain", "_s", "name"], kind="stable")
        .drop(columns="_s")
    )
    order = list(labels.index)
    weight = (
        shares[~shares["country"].isin([*codes, *_UNLISTED])]
        .groupby("country")["share"]
        .sum()
        .sort_values(kind="stable")
    )
    columns = [*codes, *weight.index[::-1][:countries]]
    columns += [c for c in _UNLISTED if (shares["country"] == c).any()]
    cells = pd.MultiIndex.from_product([order, columns], names=["product", "country"]).to_frame(index=False)
    cells = cells.merge(labels.reset_index(), on="product", how="left")
    facts = shares[["product", "country", "share", "grade", "year", "source", "status"]]
    frame = cells.merge(facts, on=["product", "country"], how="left")
    frame["status"] = frame["status"].fillna("not_listed")
    title, alt = _words(frame, codes, len(order))
    ids = frame["source"].dropna()
    years = frame["year"].dropna()
    span = (
        ""
        if not len(years)
        else f"{int(years.min())}" + (f" to {int(years.max())}" if years.min() < years.max() else "")
    )
    footer = (
        f"Unit: per cent of recorded world output of the product, by place of production. Data years: {span or 'not stated'}. "
        f"Focal: {style.scope_text(codes)}. Circle: grade C (low confidence); triangle: grade D (recalled) or assumption. "
        f"Hatched ?: producer known, figure not known. Dot: not listed apart, may be part of the rest of the world; 0 is a true zero. "
        f"Sources: {style.sources_text(ids, source_table)}."
    )
    fig = _draw(frame, order, columns, labels, codes, title, footer)
    return style.finish(fig, frame, kind="heatmap", title=title, alt=alt, footer=footer, unit="1")


def _shares(data: SupplyGraph | pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    if isinstance(data, SupplyGraph):
        return output_shares(data), data.tables["sources"]
    frame = data.copy()
    for need in ("product", "country", "share"):
        if need not in frame.columns:
            raise unknown_name("column", need, frame.columns, "the frame given to heatmap()")
    for column in ("name", "chain", "stage", "grade", "year", "source", "status"):
        if column not in frame.columns:
            frame[column] = None
    frame["name"] = frame["name"].fillna(frame["product"])
    frame["chain"] = frame["chain"].fillna("")
    frame["year"] = pd.to_numeric(frame["year"])
    status = pd.Series(np.where(frame["share"].isna(), "missing", "known"), index=frame.index)
    frame["status"] = frame["status"].fillna(status)
    return frame, None


def _words(frame: pd.DataFrame, codes: Sequence[str], n: int) -> tuple[str, str]:
    own = frame[frame["country"].isin(codes)].groupby("product", sort=False)["share"].sum(min_count=1)
    firsts = frame.drop_duplicates("product")
    names = dict(zip(firsts["product"].astype(str), firsts["name"].astype(str), strict=True))
    who = " and ".join(style.country(c) for c in codes)
    known = own.dropna()
    over = known[known > 0.5]
    title = f"{who} makes more than half of world output in {len(over)} of the {n} products shown"
    top = known.sort_values(ascending=False, kind="stable").head(3)
    best = "; ".join(f"{names[str(p)]} {v:.0%}" for p, v in top.items())
    alt = (
        f"Heat map of {n} products by country, share of world output. {title}. Largest shares of {who}: {best or 'none known'}. "
        f"{int((frame['status'] == 'missing').sum())} cells hold a producer whose figure is not known."
    )
    return title, alt


def _draw(
    frame: pd.DataFrame,
    order: list[str],
    columns: list[str],
    labels: pd.DataFrame,
    codes: Sequence[str],
    title: str,
    footer: str,
) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    n, m = len(order), len(columns)
    left, cell_w, cell_h, head, right = _gutter(labels, order), 0.52, 0.235, 0.88, 0.75
    width = max(left + cell_w * m + right, 8.6)
    fig_h = 0.62 + head + cell_h * n + 1.05
    fig = style.figure(width, fig_h)
    bottom, top = style.place(fig, left, 0.2, title, "", footer)
    # The room is known only now: stretch or shrink the sheet so that cells keep their size.
    need = bottom + cell_h * n + head + (fig_h - top)
    if abs(need - fig_h) > 0.01:
        fig = style.figure(width, need)
        bottom, top = style.place(fig, left, 0.2, title, "", footer)
        fig_h = need
    cell_w = (width - left - right) / m
    ax = style.plain_axes(
        fig.add_axes((left / width, bottom / fig_h, cell_w * m / width, cell_h * n / fig_h), label="heatmap")
    )
    ramp = LinearSegmentedColormap.from_list("supplyrisk", list(_RAMP))
    grid = frame["share"].to_numpy(dtype=float).reshape(n, m)
    ax.imshow(
        np.ma.masked_invalid(grid), cmap=ramp, vmin=0, vmax=1, aspect="auto", interpolation="nearest", origin="upper"
    )
    ax.set_xlim(-0.5, m - 0.5)
    ax.set_ylim(n - 0.5, -0.5)
    for k in range(m + 1):
        ax.axvline(k - 0.5, color="white", linewidth=1.2)
    for k in range(n + 1):
        ax.axhline(k - 0.5, color="white", linewidth=1.2)
    _cells(ax, frame, n, m)
    ax.set_xticks(range(m), [style.country(c) for c in columns], rotation=40, ha="left", size=style.SIZE["label"])
    ax.tick_params(axis="x", top=False, labeltop=True, bottom=False, labelbottom=False, pad=1)
    ax.set_yticks(range(n), labels.loc[order, "name"].astype(str).tolist(), size=style.SIZE["label"])
    for k, tick in enumerate(ax.get_xticklabels()):
        if columns[k] in codes:
            tick.set_color(style.FOCAL_COLOUR)
            tick.set_fontweight("bold")
    width_f = len(codes)
    ax.add_patch(_frame(width_f, n))
    chain = labels.loc[order, "chain"].astype(str).tolist()
    start = 0
    for k in range(1, n + 1):
        if k == n or chain[k] != chain[start]:
            fig.text(
                0.15 / width,
                (bottom + cell_h * (n - (start + k) / 2)) / fig_h,
                _chain_label(chain[start], k - start),
                size=style.SIZE["label"],
                weight="bold",
                color=style.MUTED,
                va="center",
                ha="left",
            )
            if k < n:
                y = (bottom + cell_h * (n - k)) / fig_h
                fig.add_artist(_line(0.15 / width, (left + cell_w * m) / width, y))
            start = k
    return fig


def _gutter(labels: pd.DataFrame, order: list[str]) -> float:
    """Width of the row labels in inches."""
    longest = max((len(str(labels.loc[p, "name"])) for p in order), default=10)
    chains = max((max(map(len, _chain_label(str(labels.loc[p, "chain"]), 2).split("\n"))) for p in order), default=8)
    return 0.15 + 0.088 * chains + 0.25 + 0.072 * longest + 0.1


def _chain_label(chain: str, rows: int) -> str:
    text = chain.replace("_", " ")
    text = text[:1].upper() + text[1:]
    words = text.split(" ")
    if len(text) > 16 and rows > 1 and len(words) > 1:
        half = (len(words) + 1) // 2
        return " ".join(words[:half]) + "\n" + " ".join(words[half:])
    return text if len(text) <= 20 else text[:19] + "…"


def _line(x0: float, x1: float, y: float) -> Artist:
    from matplotlib.lines import Line2D

    return Line2D([x0, x1], [y, y], color=style.RULE, linewidth=0.7)


def _frame(columns: int, rows: int) -> Patch:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (-0.5, -0.5), columns, rows, fill=False, edgecolor=style.FOCAL_COLOUR, linewidth=1.8, clip_on=False, zorder=4
    )


def _cells(ax: Axes, frame: pd.DataFrame, n: int, m: int) -> None:
    from matplotlib.patches import Rectangle

    marks: dict[str, list[tuple[float, float]]] = {"o": [], "^": []}
    for k, (share, grade, status) in enumerate(zip(frame["share"], frame["grade"], frame["status"], strict=True)):
        i, j = divmod(k, m)
        if status == "missing":
            ax.add_patch(
                Rectangle(
                    (j - 0.47, i - 0.44),
                    0.94,
                    0.88,
                    facecolor="#f1f1f1",
                    edgecolor="#a9a9a9",
                    hatch="//////",
                    linewidth=0,
                )
            )
            ax.text(j, i, "?", ha="center", va="center", size=style.SIZE["label"], color=style.INK, weight="bold")
            continue
        if status == "not_listed" or pd.isna(share):
            ax.text(j, i, "·", ha="center", va="center", size=style.SIZE["label"], color="#9aa3ab")
            continue
        text = "0" if share == 0 else "<1" if share < 0.01 else f"{share:.0%}".rstrip("%")
        ax.text(
            j, i, text, ha="center", va="center", size=style.SIZE["label"], color="white" if share > 0.5 else style.INK
        )
        if grade == "C":
            marks["o"].append((j + 0.37, i - 0.28))
        elif grade in ("D", "assumption") or (isinstance(grade, float) and np.isnan(grade)):
            marks["^"].append((j + 0.37, i - 0.28))
    for marker, at in marks.items():
        if at:
            x, y = zip(*at, strict=True)
            ax.scatter(x, y, marker=marker, s=11, facecolor="white", edgecolor=style.INK, linewidth=0.6, zorder=5)

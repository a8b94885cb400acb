"""Sankey of one chain, from stage to stage by country, drawn with matplotlib paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..registry import plot
from . import style
from .shares import output_shares, stage_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["chain_flows", "chain_path", "sankey"]

UNKNOWN, OTHER = "UNK", "OTH"
_NAMES = {UNKNOWN: "Unknown, unlisted", OTHER: "Other countries"}


def chain_path(graph: SupplyGraph, chain: str) -> list[str]:
    """Products of a chain from its first stage to its last: the longest run of inputs, best recorded first.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    chain : str
        Chain.

    Returns
    -------
    list of str
        One product per step. Where branches are equally long, the one with more recorded producers wins.

    Raises
    ------
    UnknownNameError
        No such chain.
    """
    products = graph.tables["products"]
    if not (products["chain"] == chain).any():
        raise unknown_name("chain", chain, products["chain"].dropna().unique(), "sankey()")
    own = products[products["chain"] == chain]
    rank = dict(zip(own["product"].astype(str), stage_rank(own["stage"]), strict=True))
    ix = graph.index
    known = ix.nodes[(ix.nodes["kind"] == "producer") & ix.nodes["output"].notna()]
    records = {str(p): int(n) for p, n in known["product"].value_counts().items()}
    near = _inputs(graph)
    linked = {(p, q) for q in records for p in near.get(q, ())}
    reach = {q: _upstream(q, near, set(records)) for q in records}
    sold = set(ix.links.loc[ix.links["method"].isin(["observed", "mirrored", "imputed"]), "product"].astype(str))
    steps = sorted((p for p in rank if records.get(p)), key=lambda p: (rank[p], p))
    best: dict[str, tuple[float, list[str]]] = {}
    for q in steps:
        own_worth = 1.0 + 0.02 * min(records[q], 20)
        best[q] = (own_worth, [q])
        for p in steps:
            if rank[p] >= rank[q] or p not in best or p not in reach[q]:
                continue
            score = best[p][0] + own_worth + 0.3 * ((p, q) in linked)
            if score > best[q][0]:
                best[q] = (score, [*best[p][1], q])
    # A chain is worth more where it ends in something that is seen to be traded.
    best = {q: (v + 0.5 * (q in sold), path) for q, (v, path) in best.items()}
    if not best:
        raise SchemaError(
            [
                Problem(
                    "nodes",
                    "-",
                    "output",
                    f"chain {chain!r} has no recorded producer",
                    "",
                    "Pick another chain, or add its output.",
                )
            ],
            "sankey()",
        )
    return max(best.values(), key=lambda b: (b[0], b[1]))[1]


def _inputs(graph: SupplyGraph) -> dict[str, set[str]]:
    """Products that go into each product, by recipe or by recorded link."""
    out: dict[str, set[str]] = {}
    recipes = graph.tables["recipes"]
    for q, p in zip(recipes["product"].astype(str), recipes["input"].astype(str), strict=True):
        out.setdefault(q, set()).add(p)
    ix = graph.index
    maker = ix.nodes["product"].to_numpy(dtype=object)
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    for p, b in zip(ix.segment_product, ix.segment_buyer, strict=True):
        if kind[b] == "producer":
            out.setdefault(str(maker[b]), set()).add(str(p))
    return out


def _upstream(product: str, near: dict[str, set[str]], recorded: set[str]) -> set[str]:
    """Recorded products that go into a product, directly or through steps of which no output is on record."""
    out: set[str] = set()
    seen: set[str] = set()
    todo = list(near.get(product, ()))
    while todo:
        p = todo.pop()
        if p in seen or p == product:
            continue
        seen.add(p)
        if p in recorded:
            out.add(p)
        else:
            todo += near.get(p, ())
    return out


def _traced(graph: SupplyGraph, product: str, source: str, depth: int = 0) -> pd.DataFrame:
    """Origins of an input, also where steps without recorded output lie between."""
    near = _inputs(graph)
    direct = _origins(graph, product, source)
    if source in near.get(product, ()) or depth > 3:
        return direct
    parts: list[pd.DataFrame] = []
    recorded = set(graph.index.nodes.loc[graph.index.nodes["output"].notna(), "product"].astype(str))
    through = [
        r
        for r in sorted(near.get(product, ()))
        if r not in recorded and source in near.get(r, set()) | _upstream(r, near, recorded)
    ]
    for r in through[:1]:
        first, second = _origins(graph, product, r), _traced(graph, r, source, depth + 1)
        both = first.merge(second, left_on="country_from", right_on="country_to", suffixes=("", "_r"))
        both = both.assign(share=both["share"] * both["share_r"], country_from=both["country_from_r"])
        found = both.groupby(["country_from", "country_to"])["share"].sum().reset_index()
        known = found.groupby("country_to")["share"].sum()
        places = first["country_to"].drop_duplicates()
        rest = pd.DataFrame(
            {"country_from": UNKNOWN, "country_to": places, "share": 1.0 - places.map(known).fillna(0.0).astype(float)}
        )
        parts = [found, rest[rest["share"] > 1e-9]]
    return pd.concat([f for f in parts if len(f)], ignore_index=True) if parts else direct


def _pool_mix(graph: SupplyGraph, product: str) -> pd.DataFrame:
    """Which country made what part of each pool's product, seen through other pools; the rest is unknown."""
    ix = graph.index
    nodes = ix.nodes
    own = (ix.links["product"] == product).to_numpy(dtype=bool)
    kind = nodes["kind"].to_numpy(dtype=object)
    place = nodes["country"].to_numpy(dtype=object)
    prod = nodes["product"].to_numpy(dtype=object)
    into = own & (kind[ix.dst] == "demand") & (prod[ix.dst] == product)
    pools = np.flatnonzero((kind == "demand") & (prod == product))
    at = {int(v): i for i, v in enumerate(pools)}
    src, dst, share = ix.src[into], ix.dst[into], np.nan_to_num(ix.share[into])
    made = kind[src] == "producer"
    makers = sorted({str(c) for c in place[src[made]]})
    column = {c: i for i, c in enumerate(makers)}
    direct = np.zeros((len(pools), len(makers)))
    np.add.at(direct, ([at[int(d)] for d in dst[made]], [column[str(c)] for c in place[src[made]]]), share[made])
    through = np.zeros((len(pools), len(pools)))
    relay = (kind[src] == "demand") & (prod[src] == product)
    np.add.at(through, ([at[int(d)] for d in dst[relay]], [at[int(s)] for s in src[relay]]), share[relay])
    mix = direct.copy()
    for _ in range(60):  # loops of re-export fade by their share at each turn
        new = direct + through @ mix
        if np.abs(new - mix).max(initial=0.0) < 1e-10:
            break
        mix = new
    return pd.DataFrame(mix, index=nodes["node"].to_numpy(dtype=object)[pools], columns=makers)


def _origins(graph: SupplyGraph, product: str, source: str) -> pd.DataFrame:
    """Share of each country in the input ``source`` of ``product``, by country of the maker; columns add to 1."""
    ix = graph.index
    nodes = ix.nodes
    prod = nodes["product"].to_numpy(dtype=object)
    kind = nodes["kind"].to_numpy(dtype=object)
    place = nodes["country"].to_numpy(dtype=object)
    ids = nodes["node"].to_numpy(dtype=object)
    mix = _pool_mix(graph, source)
    output = nodes["output"].to_numpy(dtype=float)
    rows: dict[tuple[str, str], float] = {}
    total: dict[str, float] = {}
    segment_of = {
        int(b): s
        for s, (b, p) in enumerate(zip(ix.segment_buyer, ix.segment_product, strict=True))
        if p == source and prod[b] == product and kind[b] == "producer"
    }
    ends = np.append(ix.segment_start[1:], len(ix.src))
    for v in np.flatnonzero((prod == product) & (kind == "producer")):
        weight = output[v]
        if np.isnan(weight):
            weight = 1.0  # recorded without a figure: its inputs count, alone or beside equals
        if not weight > 0:
            continue
        here = str(place[v])
        total[here] = total.get(here, 0.0) + weight
        s = segment_of.get(int(v))
        if s is None:
            continue
        for k in range(int(ix.segment_start[s]), int(ends[s])):
            share = ix.share[k]
            if not share > 0:
                continue
            u = int(ix.src[k])
            if kind[u] == "producer":
                key = (str(place[u]), here)
                rows[key] = rows.get(key, 0.0) + weight * share
            else:
                for c, part in mix.loc[ids[u]].items():
                    if part > 0:
                        rows[(str(c), here)] = rows.get((str(c), here), 0.0) + weight * share * float(part)
    out = [(a, b, v / total[b]) for (a, b), v in rows.items()]
    frame = pd.DataFrame(out, columns=["country_from", "country_to", "share"])
    traced = frame.groupby("country_to")["share"].sum()
    lost = [(UNKNOWN, b, 1.0 - float(traced.get(b, 0.0))) for b in total]
    rest = pd.DataFrame([r for r in lost if r[2] > 1e-9], columns=frame.columns)
    return pd.concat([f for f in (frame, rest) if len(f)], ignore_index=True) if len(rest) or len(frame) else frame


def chain_flows(graph: SupplyGraph, path: Sequence[str], buyers: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flows between the steps of a chain, in parts of what the receiving step makes.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    path : sequence of str
        Products in order.
    buyers : bool
        Add the countries that take the last product as a last step.

    Returns
    -------
    (DataFrame, DataFrame)
        Flows ``step, product_from, country_from, product_to, country_to, share``; for each receiving step they add
        to 1. Heights ``step, product, country, made`` of each step, which add to 1 as well.
    """
    shares = output_shares(graph)
    heights: list[pd.DataFrame] = []
    flows: list[pd.DataFrame] = []
    for step, p in enumerate(path):
        own = shares[(shares["product"] == p) & (shares["share"] > 0)]
        heights.append(pd.DataFrame({"step": step, "product": p, "country": own["country"], "made": own["share"]}))
        if step:
            origin = _traced(graph, p, path[step - 1])
            made = dict(zip(own["country"], own["share"], strict=True))
            origin = origin[origin["country_to"].isin(made)]
            part = origin["share"] * origin["country_to"].map(made).astype(float)
            flows.append(
                pd.DataFrame(
                    {
                        "step": step,
                        "product_from": path[step - 1],
                        "country_from": origin["country_from"],
                        "product_to": p,
                        "country_to": origin["country_to"],
                        "share": part,
                    }
                )
            )
    last = path[-1]
    ix = graph.index
    prod = ix.nodes["product"].to_numpy(dtype=object)
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    place = ix.nodes["country"].to_numpy(dtype=object)
    into = (
        (ix.links["product"] == last).to_numpy(dtype=bool)
        & (kind[ix.dst] == "demand")
        & (prod[ix.dst] == last)
        & (kind[ix.src] == "producer")
        & (np.nan_to_num(ix.quantity) > 0)
    )
    if buyers and into.any():
        q = ix.quantity[into]
        frame = pd.DataFrame(
            {"country_from": place[ix.src[into]], "country_to": place[ix.dst[into]], "share": q / q.sum()}
        )
        frame = frame.groupby(["country_from", "country_to"])["share"].sum().reset_index()
        frame = frame.assign(step=len(path), product_from=last, product_to="use")
        flows.append(frame[["step", "product_from", "country_from", "product_to", "country_to", "share"]])
        taken = frame.groupby("country_to", as_index=False)["share"].sum()
        heights.append(
            pd.DataFrame({"step": len(path), "product": "use", "country": taken["country_to"], "made": taken["share"]})
        )
    columns = ["step", "product_from", "country_from", "product_to", "country_to", "share"]
    full = [f for f in flows if len(f)]
    return (
        pd.concat(full, ignore_index=True) if full else pd.DataFrame(columns=columns),
        pd.concat(heights, ignore_index=True),
    )


@plot(reads="graph", shows="one chain from stage to stage by country")
def sankey(
    graph: SupplyGraph,
    *,
    chain: str | None = None,
    products: Sequence[str] | None = None,
    focal: str | Iterable[str] = "CHN",
    countries: int = 6,
    buyers: bool = True,
) -> tuple[Figure, pd.DataFrame]:
    """Sankey of one chain: which country makes each stage, and from whom the next stage has its input.

    Every column is 100 per cent of the recorded world output of its product. Left edge of a bar: the country's part of
    that output. Right edge: its part of what the next column takes in; so both edges of a column add to 100 per
    cent, and a bar that narrows is a country whose output goes elsewhere. Trade is seen through: what a country
    re-exports is drawn from where it was made. Supply that nobody has attributed is a grey hatched band of its own.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    chain : str, optional
        Chain to draw. Needed unless ``products`` is given.
    products : sequence of str, optional
        Products in order, instead of the chain's own path (:func:`chain_path`).
    focal : str or iterable of str
        Focal scope.
    countries : int
        How many countries beside the focal are drawn apart in a column.
    buyers : bool
        Add a last column with who takes the last product.

    Returns
    -------
    (Figure, DataFrame)
        Figure, and a row per band: ``step, product_from, country_from, product_to, country_to, share``; ``share`` is
        the part of what the receiving step makes (takes, in the last step). ``OTH`` are named countries drawn together, ``UNK`` is
        unknown.

    Raises
    ------
    UnknownNameError
        Unknown chain or product, or neither given.
    """
    codes = scope(focal)
    if products is None:
        if chain is None:
            raise unknown_name("chain", chain, graph.tables["products"]["chain"].dropna().unique(), "sankey()")
        path = chain_path(graph, chain)
    else:
        path = [graph.check_product(p, "sankey()") for p in products]
    flows, heights = chain_flows(graph, path, buyers)
    flows, heights = _grouped(flows, heights, codes, countries)
    rows = graph.tables["products"].set_index("product").loc[list(path)]
    shown = chain or str(rows["chain"].iloc[0])
    rows = rows.assign(total=[_total(graph, p) for p in path])
    title, alt = _words(heights, flows, rows, codes, shown)
    nodes = graph.index.nodes
    made = nodes[nodes["product"].isin(path) & (nodes["kind"] == "producer")]
    years = made["output_year"].fillna(made["year"]).dropna().astype(int)
    span = (
        f"{years.min()} to {years.max()}"
        if len(years) and years.min() < years.max()
        else f"{years.max()}"
        if len(years)
        else "not stated"
    )
    links = graph.index.links
    used = links[links["product"].isin(path)]
    guessed = float(used["method"].isin(["world_pool", "assumed", "balanced", "imputed"]).mean()) if len(used) else 1.0
    grades = made["output_grade"].astype("object").fillna("assumption").value_counts()
    mix = ", ".join(f"{g} {int(c)}" for g, c in sorted(grades.items()))
    footer = (
        "Unit: per cent of recorded world output of each column's product; columns are not to each other's scale. Left edge of a bar: made "
        "there; right edge: part of the next column's input that comes from there. "
        f"{guessed:.0%} of the links behind the bands are estimated, not observed. Data years: {span}. Output figures by grade: {mix}. "
        f"Focal: {style.scope_text(codes)}. "
        f"Sources: {style.sources_text([*made['output_source'].dropna(), *used['source'].dropna()], graph.tables['sources'])}."
    )
    fig = _draw(flows, heights, rows, codes, title, footer, path)
    return style.finish(fig, flows, kind="sankey", title=title, alt=alt, footer=footer, unit="1")


def _grouped(
    flows: pd.DataFrame, heights: pd.DataFrame, codes: Sequence[str], top: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Small countries of each column into one band, unlisted and unknown into another; both edges of each bar."""
    flows = flows.assign(key_from=flows["country_from"].replace({"ROW": UNKNOWN, "WLD": UNKNOWN}))
    flows = flows.assign(key_to=flows["country_to"].replace({"ROW": UNKNOWN, "WLD": UNKNOWN}))
    heights = heights.assign(key=heights["country"].replace({"ROW": UNKNOWN, "WLD": UNKNOWN}))
    for step in heights["step"].unique():
        left = heights[heights["step"] == step].groupby("key")["made"].sum()
        right = flows[flows["step"] == step + 1].groupby("key_from")["share"].sum()
        size = pd.concat([left, right], axis=1).fillna(0.0).max(axis=1).drop(labels=[UNKNOWN], errors="ignore")
        apart = size.drop(labels=list(codes), errors="ignore").sort_values(ascending=False, kind="stable")
        keep = {*codes, UNKNOWN, *apart[apart >= 0.01].index[:top]}
        small = [k for k in apart.index if k not in keep]
        heights.loc[(heights["step"] == step) & heights["key"].isin(small), "key"] = OTHER
        flows.loc[(flows["step"] == step + 1) & flows["key_from"].isin(small), "key_from"] = OTHER
        flows.loc[(flows["step"] == step) & flows["key_to"].isin(small), "key_to"] = OTHER
    keys = ["step", "product_from", "key_from", "product_to", "key_to"]
    flows = flows.groupby(keys)["share"].sum().reset_index()
    flows = flows.rename(columns={"key_from": "country_from", "key_to": "country_to"})
    left = heights.groupby(["step", "key"])["made"].sum()
    right = flows.assign(step=flows["step"] - 1).groupby(["step", "country_from"])["share"].sum()
    right.index.names = ["step", "key"]
    bars = pd.concat([left.rename("left"), right.rename("right")], axis=1).fillna(0.0).reset_index()
    return flows, bars


def _words(
    bars: pd.DataFrame, flows: pd.DataFrame, rows: pd.DataFrame, codes: Sequence[str], chain: str
) -> tuple[str, str]:
    who = " and ".join(style.country(c) for c in codes)
    part = bars[bars["key"].isin(codes)].groupby("step")["left"].sum()
    said = [f"{part.get(i, 0.0):.0%} of {_lower(str(n))}" for i, n in enumerate(rows["name"])]
    lead = chain.replace("_", " ").capitalize()
    title = f"{lead}: {who} makes {said[0]}" + (f" and {said[-1]}" if len(said) > 1 else "")
    unknown = flows[flows["country_from"] == UNKNOWN].groupby("step")["share"].sum()
    lost = "; ".join(
        f"{v:.0%} of the supply of step {s + 1}"
        for s, v in zip(unknown.index.astype(int), unknown.to_numpy(dtype=float), strict=True)
        if v > 0.005
    )
    alt = f"Sankey diagram of the chain {lead} in {len(rows)} stages by country. {who} makes {'; '.join(said)}. " + (
        f"Not attributed to any country: {lost}." if lost else "All supply is attributed."
    )
    return title, alt


def _total(graph: SupplyGraph, product: str) -> str:
    nodes = graph.index.nodes
    made = nodes[(nodes["product"] == product) & (nodes["kind"] == "producer") & nodes["output"].notna()]
    row = graph.tables["products"].set_index("product").loc[product]
    if str(row["unit"]) in ("world_share", "1", "percent"):
        return "shares of the world total"
    total = float(made["output"].sum())
    return (
        f"100% = {total:,.4g}".replace(".0", "") + f" {row['unit']} ({row['basis']})"
        if total < 1e4
        else (f"100% = {total:,.0f} {row['unit']} ({row['basis']})")
    )


def _lower(name: str) -> str:
    first = name.split(" ", 1)[0]
    return name if any(c.isupper() or c.isdigit() for c in first[1:]) else name[:1].lower() + name[1:]


@dataclass
class _Bar:
    key: str
    left: float
    right: float
    top: float = 0.0
    used_left: float = 0.0
    used_right: float = 0.0


def _layout(
    bars: pd.DataFrame, codes: Sequence[str], room: float, gap: float, pitch: float
) -> tuple[list[list[_Bar]], float]:
    """Bars of each column from top to bottom, and the height of 100 per cent in inches."""
    columns: list[list[_Bar]] = []
    for _, part in bars.groupby("step", sort=True):
        late = {OTHER: 1, UNKNOWN: 2}
        items = [
            _Bar(str(k), float(a), float(b)) for k, a, b in zip(part["key"], part["left"], part["right"], strict=True)
        ]
        items = [b for b in items if max(b.left, b.right) > 0.0005]
        items.sort(key=lambda b: (b.key not in codes, late.get(b.key, 0), -max(b.left, b.right), b.key))
        columns.append(items)

    def tall(scale: float) -> float:
        return max(sum(max(max(b.left, b.right) * scale + gap, pitch) for b in column) for column in columns)

    low, high = 0.0, room
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if tall(middle) <= room else (low, middle)
    for column in columns:
        y = room
        for bar in column:
            bar.top = y
            y -= max(max(bar.left, bar.right) * low + gap, pitch)
    return columns, low


def _draw(
    flows: pd.DataFrame,
    bars: pd.DataFrame,
    rows: pd.DataFrame,
    codes: Sequence[str],
    title: str,
    footer: str,
    path: Sequence[str],
) -> Figure:
    import matplotlib.patheffects as effects
    from matplotlib.patches import Polygon

    steps = int(bars["step"].max()) + 1
    width, fig_h = max(9.2, 1.9 * steps + 1.6), 6.6
    fig = style.figure(width, fig_h)
    bottom, top = style.place(fig, 0.2, 0.2, title, "", footer)
    head = 0.66
    room = top - bottom - head
    columns, scale = _layout(bars, codes, room, 0.07, 0.185)
    span = width - 0.3 - 1.45
    bar_w = 0.2
    ax = style.plain_axes(fig.add_axes((0, bottom / fig_h, 1, (top - bottom) / fig_h), label="sankey"))
    ax.set_xlim(0, width)
    ax.set_ylim(0, top - bottom)
    ax.set_xticks([])
    ax.set_yticks([])
    xs = [0.2 + (span - bar_w) * i / max(1, steps - 1) for i in range(steps)]
    size = bars.groupby("key")[["left", "right"]].max().max(axis=1).sort_values(ascending=False, kind="stable")
    paint = style.colours([k for k in size.index if k != OTHER], codes) | {OTHER: style.REST_COLOUR}
    halo = [effects.withStroke(linewidth=2.6, foreground="white", alpha=0.9)]
    for step in range(1, steps):
        at = {b.key: b for b in columns[step - 1]}
        to = {b.key: b for b in columns[step]}
        part = flows[flows["step"] == step]
        order_from = {b.key: i for i, b in enumerate(columns[step - 1])}
        order_to = {b.key: i for i, b in enumerate(columns[step])}
        bands = [
            (order_from[a], order_to[b], a, b, float(v))
            for a, b, v in zip(part["country_from"], part["country_to"], part["share"], strict=True)
            if a in at and b in to
        ]
        ends: dict[tuple[str, str], float] = {}
        for _, _, a, b, v in sorted(bands, key=lambda x: (x[1], x[0])):
            ends[(a, b)] = to[b].top - to[b].used_left
            to[b].used_left += v * scale
        for _, _, a, b, v in sorted(bands):
            y0 = at[a].top - at[a].used_right
            at[a].used_right += v * scale
            _band(ax, xs[step - 1] + bar_w, xs[step], y0, ends[(a, b)], v * scale, paint[a], a == UNKNOWN, a in codes)
    for i, column in enumerate(columns):
        for b in column:
            right = b.right if i < steps - 1 else b.left
            ax.add_patch(
                Polygon(
                    [
                        (xs[i], b.top),
                        (xs[i] + bar_w, b.top),
                        (xs[i] + bar_w, b.top - max(right * scale, 0.006)),
                        (xs[i], b.top - max(b.left * scale, 0.006)),
                    ],
                    closed=True,
                    facecolor=paint[b.key],
                    edgecolor="#8a8a8a" if b.key == UNKNOWN else "white",
                    hatch="////" if b.key == UNKNOWN else None,
                    linewidth=0.4,
                    zorder=3,
                )
            )
            slot = max(b.left, b.right) * scale
            name = _NAMES.get(b.key, style.country(b.key))
            share = f"{b.left:.0%}" if b.left >= 0.005 else "<1%" if b.left > 0 else "not listed"
            ax.text(
                xs[i] + bar_w + 0.06,
                b.top - min(slot / 2, max(slot / 2, 0.0)) if slot > 0.14 else b.top - slot / 2,
                f"{name} {share}",
                size=style.SIZE["label"],
                color=style.FOCAL_COLOUR if b.key in codes else style.INK,
                weight="bold" if b.key in codes else "normal",
                va="center",
                ha="left",
                zorder=5,
                path_effects=halo,
            )
        _header(ax, xs[i], room, rows, path, i, span / max(1, steps - 1))
    return fig


def _header(ax: Axes, x: float, room: float, rows: pd.DataFrame, path: Sequence[str], i: int, pitch: float) -> None:
    import textwrap

    name = "Taken by" if i >= len(path) else str(rows["name"].iloc[i])
    under = "known buyers" if i >= len(path) else str(rows["total"].iloc[i])
    ax.text(x, room + 0.1, under, size=style.SIZE["small"], color=style.MUTED, va="bottom", ha="left")
    lines = textwrap.wrap(name, max(12, int(pitch * 11.5)))[:2]
    ax.text(
        x,
        room + 0.26,
        "\n".join(lines),
        size=9.0,
        weight="bold",
        color=style.INK,
        va="bottom",
        ha="left",
        linespacing=1.1,
    )


def _band(
    ax: Any, x0: float, x1: float, y0: float, y1: float, h: float, colour: str, unknown: bool, focal: bool
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    xm = (x0 + x1) / 2
    points = [
        (x0, y0), (xm, y0), (xm, y1), (x1, y1),
        (x1, y1 - h), (xm, y1 - h), (xm, y0 - h), (x0, y0 - h), (x0, y0),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    ax.add_patch(
        PathPatch(
            Path(points, codes),
            facecolor=colour,
            edgecolor="#b5b5b5" if unknown else "none",
            hatch="////" if unknown else None,
            alpha=0.75 if unknown else 0.5 if focal else 0.38,
            linewidth=0.0,
            zorder=1 if unknown else 2,
        )
    )

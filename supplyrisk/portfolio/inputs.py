"""What the plan's new output asks of pools that the plan does not buy for: figures, whose it is, and how to plan it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .kept import uses
from .model import Build

__all__ = ["asked_outside", "whose"]

FloatArray = npt.NDArray[np.float64]
# Part of a product's need below which nothing is asked, makers and inputs that are named, each with its pool.
_NONE = 1e-6
_SHOWN = 4
_INPUTS = 6


def whose(m: Build, pool: int, focal: Sequence[str]) -> str:
    """What part of a pool is the focal's, traced through all tiers, and what its suppliers have to spare on record.

    Parameters
    ----------
    m : Build
        The model.
    pool : int
        A pool, as a code of ``Build.graph.index``.
    focal : sequence of str
        Codes of countries.

    Returns
    -------
    str
        ``"60% of CHN by origin (50% to 60%), 80 t to spare at its suppliers"``; capacity that is not on record is said.
    """
    ix = m.graph.index
    shares = m.shares(tuple(focal), "origin")
    value, low, high = (float(a[pool]) for a in (shares.value, shares.low, shares.high))
    who = "+".join(focal)
    if np.isnan(value):
        part = f"what part is of {who} is not known"
    else:
        span = f" ({low:.0%} to {high:.0%})" if high - low > 5e-3 else ""
        part = f"{value:.0%} of {who} by origin{span}"
    product = ix.nodes["product"].to_numpy(dtype=object)
    own = product[pool]
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    feeds = np.unique(ix.src[(ix.dst == pool) & (product[ix.src] == own) & (kind[ix.src] == "producer")])
    unit = str(m.graph.tables["products"].drop_duplicates("product").set_index("product")["unit"].get(own, ""))
    if not len(feeds):
        return f"{part}, no maker behind it on record"
    capacity = ix.nodes["capacity"].to_numpy(dtype=float)[feeds]
    output = ix.nodes["output"].to_numpy(dtype=float)[feeds]
    known = ~np.isnan(capacity) & ~np.isnan(output)
    if not known.any():
        return f"{part}, no capacity of its suppliers on record"
    spare = float(np.maximum(capacity - output, 0.0)[known].sum())
    rest = f" (of {int(known.sum())} of {len(feeds)} with a capacity on record)" if not known.all() else ""
    return f"{part}, {_number(spare)} {unit} of capacity beyond output at its suppliers{rest}"


def _number(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 1e5 else f"{x:,.6g}"


def asked_outside(m: Build, x: FloatArray, focal: Sequence[str]) -> list[str]:
    r"""What output beyond today's asks of inputs that are no product of the plan, in words.

    A maker :math:`v` that delivers :math:`n_v` beyond today's output draws :math:`a_{pk}\, n_v` of input :math:`k`, by the
    recipe, or, where that has no coefficient, as much a unit of output as its links carry today. It is no row of the
    model: capacity behind an outside pool is mostly not on record, and a limit at what is would call unknown none. So
    the plan says what it leans on: how much, from which pool, what part of that is the focal's, what its suppliers could
    make beyond today, and the products to plan instead.

    Parameters
    ----------
    m : Build
        The model.
    x : ndarray
        A solution.
    focal : sequence of str
        Whose part is told.

    Returns
    -------
    list of str
        One note an input; empty where nothing new is made, or nothing is drawn from outside.
    """
    frame = m.graph.tables["recipes"]
    frame = frame[frame["product"].isin(m.case.products) & ~frame["input"].isin(m.case.products)]
    frame = frame[~frame["host"].fillna(False).astype(bool)]
    if not len(frame):
        return []
    ix, taken = m.graph.index, uses(m, x)
    more = taken.spare + np.bincount(m.supplier[m.project >= 0], taken.flow[m.project >= 0], ix.n)
    made = ix.nodes["product"].to_numpy(dtype=object)
    size = dict(zip(m.case.products, m.size, strict=True))
    makers = [int(v) for v in np.flatnonzero(more > 0) if more[v] > _NONE * size.get(made[v], np.inf)]
    if not makers:
        return []
    linked = ix.links["product"].to_numpy(dtype=object) if len(ix.src) else np.zeros(0, dtype=object)
    output = ix.nodes["output"].to_numpy(dtype=float)
    known = frame.groupby(["product", "input"])["coefficient"].agg(lambda c: c.iloc[0] if c.nunique() == 1 else np.nan)
    rows: list[dict[str, Any]] = []
    for v in makers:
        for k in sorted(frame.loc[frame["product"] == made[v], "input"].unique()):
            at = np.flatnonzero((ix.dst == v) & (linked == k))
            q = np.nan_to_num(ix.quantity[at])
            if not q.sum() > 0.0:
                continue  # nothing says where it comes from: the score counts it as unknown, a plan cannot say how much
            rate = float(known.get((made[v], k), np.nan))
            today = np.isnan(rate)
            rate = float(q.sum()) / output[v] if today else rate
            if not np.isfinite(rate):
                continue
            rows += [
                {"input": k, "maker": v, "pool": int(p), "amount": rate * more[v] * a / q.sum(), "today": today}
                for p, a in zip(ix.src[at], q, strict=True)
                if a > 0.0
            ]
    if not rows:
        return []
    unit = m.graph.tables["products"].drop_duplicates("product").set_index("product")["unit"]
    asked = pd.DataFrame(rows)
    notes, inputs = [], sorted({str(r["input"]) for r in rows})
    for k in inputs[:_INPUTS]:
        mine = asked[asked["input"] == k]
        mine = mine.sort_values("amount", ascending=False, kind="stable")
        said = [
            f"{m.node[v]} {_number(n)} {unit[k]} from {m.node[b]} ({whose(m, b, focal)})"
            for v, b, n in zip(*(mine[name].head(_SHOWN).tolist() for name in ("maker", "pool", "amount")), strict=True)
        ]
        beside = f"; and {len(mine) - _SHOWN} more" if len(mine) > _SHOWN else ""
        how = ", by what their links carry today" if mine["today"].any() else ""
        both = ", ".join(repr(p) for p in sorted({k, *(str(made[v]) for v in mine["maker"])}))
        abroad = sorted({str(m.country[p]) for p in mine["pool"]} - set(m.case.buyers) - {"WLD"})
        beyond = f", with {', '.join(abroad)} among the buyers" if abroad else ""
        notes.append(
            f"inputs outside the plan: output beyond today's asks for {_number(float(mine['amount'].sum()))} {unit[k]} more "
            f"of {k}{how}, which the plan neither buys nor limits: {'; '.join(said)}{beside}. product=({both}){beyond} plans it too"
        )
    if len(inputs) > _INPUTS:
        notes.append(f"inputs outside the plan: and {len(inputs) - _INPUTS} more inputs, the same way")
    return notes

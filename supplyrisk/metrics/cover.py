"""What is left without the largest supplier or the focal: by itself, with spare capacity, with stocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..accounts import latest
from ..jurisdictions import scope
from .markets import lines_of

if TYPE_CHECKING:
    from ..graph import SupplyGraph

__all__ = ["cover_without"]


def cover_without(
    graph: SupplyGraph, without: str | Iterable[str] | None = None, *, at: str | None = None
) -> pd.DataFrame:
    """N-1 in three steps: supply left over demand, with the spare capacity of the others, and with their stocks.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    without : str or iterable of str, optional
        Country, scope preset, coalition or several of these that stop; default: of each product its largest producing country.
    at : str, optional
        Measure the graph on this day, as known then.

    Returns
    -------
    DataFrame
        A row per product with a producer, index ``product``; quantities in the product's unit and year.
        ``without`` (who stops), ``stage``, ``year``; ``demand``; ``left`` (output of all others), ``spare`` (their
        capacity above output), ``stocks`` (held outside the country that stops); ``cover = left / demand``,
        ``cover_spare = (left + spare) / demand`` and ``cover_stocks = (left + spare + stocks) / demand``: what one year
        of demand meets; ``gap`` is the demand of a year that none of them meets. ``unit`` of the quantities.

    Raises
    ------
    UnknownNameError
        A country that does not exist.

    Notes
    -----
    Missing policy: producers without a figure are in no sum. ``spare`` and ``stocks`` are NaN where nobody's is on
    record: then ``cover_spare`` and ``cover_stocks`` leave them out only if the other is known, and are NaN where
    neither is. ``cover`` is the world's ``n_minus_1`` (gross) where the largest country stops. Definition of this
    library.

    Examples
    --------
    >>> from supplyrisk import load_atlas
    >>> row = cover_without(load_atlas(), "CHN").loc["gallium.refined"]
    >>> bool(row["cover"] < row["cover_spare"] < 1)
    True
    """
    here = graph if at is None else graph.at(at)
    rows, lines = here.index.nodes, lines_of(here, ["product"], "supply", None, at, graph).lines
    known = np.flatnonzero(~np.isnan(lines.quantity))
    made = lines.node[known]
    frame = pd.DataFrame(
        {
            "product": lines.keys["product"].astype(str).to_numpy()[lines.market[known]],
            "country": rows["country"].astype(str).to_numpy()[made],
            "output": lines.quantity[known],
            "capacity": rows["capacity"].to_numpy(dtype=float)[made],
            "year": rows["output_year"].fillna(rows["year"]).to_numpy(dtype=float)[made],
        }
    )
    by = frame.groupby(["product", "country"])["output"].sum()
    if without is None:
        named = by[by.index.get_level_values("country") != "ROW"]
        top = named.groupby("product").idxmax()
        gone: dict[str, tuple[str, ...]] = {str(p): (str(key[1]),) for p, key in top.items()}
    else:
        stopped = scope(without, graph, at)
        gone = {str(p): stopped for p in frame["product"].unique()}
    stops = np.array(
        [c in gone.get(p, ()) for p, c in zip(frame["product"], frame["country"], strict=True)], dtype=bool
    )
    others = frame[~stops]
    out = pd.DataFrame(index=pd.Index(sorted(gone), name="product", dtype="object"))
    info = here.tables["products"].set_index("product").reindex(out.index)
    out["without"] = ["+".join(gone[p]) for p in out.index]
    out["stage"], out["unit"] = info["stage"].astype("object"), info["unit"].astype("object")
    out["year"] = frame.groupby("product")["year"].max().reindex(out.index)
    use = pd.Series(lines.demand, index=lines.keys["product"].astype(str))
    out["demand"] = use.reindex(out.index).where(lambda x: x > 0)
    # Nobody else on record: nothing is left, as far as is known.
    out["left"] = others.groupby("product")["output"].sum().reindex(out.index).fillna(0.0)
    room = (others["capacity"] - others["output"]).clip(lower=0.0)
    out["spare"] = room.groupby(others["product"]).sum(min_count=1).reindex(out.index)
    stocks = latest(here.tables["stocks"], ["node", "holder"])
    held = pd.DataFrame(
        {
            "product": stocks["node"].astype(str).str.partition("@")[0],
            "country": stocks["node"].astype(str).str.partition("@")[2].str.slice(0, 3),
            "quantity": here.interval("stocks", "quantity", stocks)[0],
        }
    )
    away = np.array(
        [c not in gone.get(p, ()) for p, c in zip(held["product"], held["country"], strict=True)], dtype=bool
    )
    out["stocks"] = held[away].groupby("product")["quantity"].sum(min_count=1).reindex(out.index)
    out["cover"] = out["left"] / out["demand"]
    out["cover_spare"] = (out["left"] + out["spare"]) / out["demand"]
    more = out[["spare", "stocks"]].sum(axis=1, min_count=1)
    out["cover_stocks"] = (out["left"] + more) / out["demand"]
    best = out[["cover", "cover_spare", "cover_stocks"]].max(axis=1)
    out["gap"] = ((1 - best).clip(lower=0.0) * out["demand"]).where(best.notna())
    return out

"""Where a score rests on trade headings that hold several goods."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import BasketWarning

if TYPE_CHECKING:
    from ..graph import SupplyGraph
    from .lens import Lines

__all__ = ["baskets", "warn_of_baskets", "warn_of_links"]

_MARK = "basket: "


def baskets(links: pd.DataFrame, products: Iterable[str]) -> dict[str, str]:
    """Products whose links rest on basket headings, and what is known of the headings' purity.

    Parameters
    ----------
    links : DataFrame
        The table of that name; :func:`supplyrisk.assemble` marks links of baskets in ``note``.
    products : iterable of str
        Products that are scored.

    Returns
    -------
    dict
        Product to a sentence; empty where no link rests on a basket.

    Examples
    --------
    >>> note = "HS 850511: all permanent magnets; basket: purity 0.5 to 1"
    >>> baskets(pd.DataFrame({"product": ["ndfeb.magnet"], "note": [note]}), ["ndfeb.magnet"])
    {'ndfeb.magnet': '1 of 1 links rest on a heading that holds other goods too (purity 0.5 to 1)'}
    """
    rows = links.loc[links["product"].isin(set(products)), ["product", "note"]]
    marked = rows[rows["note"].str.contains(_MARK, regex=False, na=False)]
    out = {}
    for product, part in marked.groupby("product", sort=True):
        spans = sorted(set(part["note"].str.rpartition(_MARK)[2]))
        whole = int((rows["product"] == product).sum())
        out[str(product)] = (
            f"{len(part):,} of {whole:,} links rest on a heading that holds other goods too ({'; '.join(spans[:3])})"
        )
    return out


def warn_of_baskets(graph: SupplyGraph, lines: Lines, traced: bool, depth: int) -> dict[str, str]:
    """Warn, once, of the scored products that rest on basket headings, where the score was asked for from outside.

    Parameters
    ----------
    graph : SupplyGraph
        The graph behind the lines.
    lines : Lines
        Lines of the scored markets: links, or nodes.
    traced : bool
        Whether figures go through all tiers, and with them through any link of the graph.
    depth : int
        Frames between the caller to blame and this function.

    Returns
    -------
    dict
        :func:`baskets` of the graph.

    Warns
    -----
    BasketWarning
        Names products and headings. Silence it with ``warnings.simplefilter("ignore", BasketWarning)``.
    """
    found = baskets(graph.tables["links"], graph.tables["products"]["product"])
    if not found or not (traced or lines.links):
        return found
    links = graph.index.links
    if not traced:
        product = lines.keys["product"].isin(list(found)).to_numpy(dtype=bool)
        links = links.iloc[np.unique(lines.row[product[lines.market]])]
    warn_of_links(links[links["product"].isin(list(found))], "score", depth + 1)
    return found


def warn_of_links(links: pd.DataFrame, what: str, depth: int) -> None:
    """Warn, once, of basket headings behind links that a result rests on, where it was asked for from outside.

    Parameters
    ----------
    links : DataFrame
        Rows of that table.
    what : str
        What the result is called.
    depth : int
        Frames between the caller to blame and this function.

    Warns
    -----
    BasketWarning
        Names products and headings.
    """
    rest = links[["product", "note"]]
    rest = rest[rest["note"].str.contains(_MARK, regex=False, na=False)]
    if not len(rest):
        return
    heading = rest["note"].str.extract(r"HS (\d[\d, ]*)")[0].fillna("?").str.strip()
    caller = str(sys._getframe(depth).f_globals.get("__name__", ""))
    if caller.partition(".")[0] == __name__.partition(".")[0]:
        return  # a report or a plan that scores in passing: the user did not ask for this frame
    names = heading.groupby(rest["product"].astype("object")).agg(lambda h: ", ".join(sorted(set(h))))
    purity = rest["note"].str.rpartition(_MARK)[2].groupby(rest["product"].astype("object")).first()
    text = "; ".join(f"{p} (HS {h}, {span})" for p, h, span in zip(names.index, names, purity, strict=True))
    more = "; see .attrs['baskets']" if what == "score" else ""
    warnings.warn(
        f"This {what} rests on headings that hold other goods too: {text}. Where the purity is not known, values take "
        f"all of the heading and bounds go down to none of it{more}.",
        BasketWarning,
        stacklevel=depth + 1,
    )

"""Where a score rests on trade headings that hold several goods."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

__all__ = ["baskets"]

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

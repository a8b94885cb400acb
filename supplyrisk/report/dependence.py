"""How much a group of buyers depends on the focal, product by product, by location and by control."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..graph import SupplyGraph
from ..metrics import score
from ..plots.shares import worst_grade
from ..schema import TABLES, coerce, parse_node_id
from .who import UNION, nominal_links, pool_rows

__all__ = ["HEADLINE", "dependence", "grouped", "top", "unknown_flows"]

# A product carries a headline where at least this part of the buyers' volume is graded A or B.
HEADLINE = 0.5
# And where at least so many of the buyers have figures of their own: one buyer's figures do not speak for a group.
FEWEST = 2
_ASKED = "buyers of this brief"
_MEASURED = ("quantity", "focal_share", "headline", "coverage")


def grouped(graph: SupplyGraph, buyers: Sequence[str]) -> tuple[SupplyGraph, str]:
    """The graph with the buyers as a coalition of its own, and that coalition's id.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    buyers : sequence of str
        ISO3 codes.

    Returns
    -------
    (SupplyGraph, str)
    """
    rows = pd.DataFrame({"coalition": _ASKED, "country": list(buyers), "role": "member", "grade": "assumption"})
    rows, _ = coerce(rows, TABLES["memberships"])
    members = pd.concat([graph.tables["memberships"], rows], ignore_index=True)
    tables = {**graph.tables, "memberships": members}
    return SupplyGraph(tables, graph.name, graph.as_of, graph.history, graph.policy), _ASKED


def dependence(
    graph: SupplyGraph, focal: Sequence[str], buyers: Sequence[str], products: Sequence[str] = ()
) -> pd.DataFrame:
    """Focal share of what the buyers take in of each product, by location and by control, with intervals.

    The shares are those of :func:`supplyrisk.score` for the buyers as one coalition: what they send each other counts once, where it
    enters, and re-exporters are seen through.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal, buyers : sequence of str
        ISO3 codes.
    products : sequence of str
        Only these; default all that the buyers have a pool of.

    Returns
    -------
    DataFrame
        ``product, name, chain, stage, unit, volume, location, location_low, location_high, control, control_low, control_high, graded,
        headline, grade, buyers, nominal, basket``, largest control share first. ``graded`` is the part of the volume graded A or B;
        ``headline`` whether that is enough, two buyers have figures of their own, and, where control adds to location, the focal holdings recorded are mostly
        graded A or B too; ``grade`` the weakest grade of a flow; ``buyers`` those with a pool of the product;
        ``nominal`` the part of the weight whose quantity is not known and stands at a nominal level (assumption A-NOMINAL): above 0 there
        is no volume, above one half a group's product carries no headline. ``basket`` says of a product whether its links
        rest on a trade heading that holds other goods too; else it is empty.
    """
    here, coalition = grouped(graph, buyers)
    frames = {}
    for view in ("location", "control"):
        frame = score(
            here, focal=list(focal), view=view, by="product", coalition=coalition, bounds=True, metrics=_MEASURED
        )
        mixed = frame.attrs["baskets"]
        frames[view] = frame.reset_index(level=[n for n in frame.index.names if n != "product"], drop=True)
    at, ctrl = frames["location"], frames["control"]
    info = graph.tables["products"].set_index("product").reindex(at.index)
    out = pd.DataFrame({"product": at.index.astype(str)})
    for c in ("name", "chain", "stage", "unit"):
        out[c] = info[c].astype("object").to_numpy()
    out["volume"] = at["quantity"].to_numpy(dtype=float)
    for view, frame in (("location", at), ("control", ctrl.reindex(at.index))):
        for tail in ("", "_low", "_high"):
            out[f"{view}{tail}"] = frame[f"focal_share{tail}"].to_numpy(dtype=float)
    out["graded"] = at["headline"].to_numpy(dtype=float)
    if products:
        out = out[out["product"].isin(list(products))]
    # A product of which only one of the two is known stays: the other is "not known", never 0 and never left out.
    out = out[out["location"].notna() | out["control"].notna()].reset_index(drop=True)
    adds = out["control"] - out["location"] > 0.02
    pools = pool_rows(graph, buyers)
    pools = pools[pools["product"].isin(out["product"])]
    weakest, who = _behind(graph, pools)
    out["grade"] = out["product"].map(weakest).fillna("assumption")
    out["buyers"] = out["product"].map(who)
    out["nominal"] = out["product"].map(_nominal(graph, pools)).fillna(0.0).astype(float)
    resting = set(pools["product"].astype(str)) & set(mixed)
    out["basket"] = [mixed[p] if p in resting else "" for p in out["product"]]
    # The level of a nominal flow is assumed: a sum that holds one is not a volume.
    out["volume"] = out["volume"].where(out["nominal"] <= 0)
    weighed = (out["nominal"] <= 0.5) | (len(set(buyers)) == 1)  # the shares of one buyer need no weights
    several = out["buyers"].map(len) >= min(FEWEST, len(buyers))
    out["headline"] = (
        several
        & weighed
        & (out["graded"] >= HEADLINE)
        & (~adds | out["product"].map(_held(graph, focal)).map(lambda held: held is not False).astype(bool))
    )
    # What is not known stands last, behind what is known to be nothing.
    order = out.sort_values(["control", "location", "product"], ascending=[False, False, True], kind="stable")
    return order.reset_index(drop=True)


def top(scored: pd.DataFrame, n: int, key: str = "control") -> pd.DataFrame:
    """The first products that may carry a headline; products of one stage with the very same figures count as one.

    Parameters
    ----------
    scored : DataFrame
        As of :func:`dependence`.
    n : int
        At most so many.
    key : {"control", "location"}
        Ranked by this share.

    Returns
    -------
    DataFrame
        Rows of ``scored`` with ``also``: names of products with the same figures, which the name then says.
    """
    good = scored[scored["headline"] & (scored[key] > 0)].sort_values(
        [key, "product"], ascending=[False, True], kind="stable"
    )
    if not len(good):  # joining the columns of no row has no type
        return good.assign(also=pd.Series(dtype="object")).reset_index(drop=True)
    figures = [c for v in ("location", "control") for c in (v, f"{v}_low", f"{v}_high")]
    same = good[["chain", "stage"]].astype(str).agg("|".join, axis=1) + good[figures].round(9).astype(str).agg(
        "|".join, axis=1
    )
    others = {k: tuple(s.astype(str).iloc[1:]) for k, s in good["name"].groupby(same)}
    out = good[~same.duplicated().to_numpy()].head(n)
    also = [others[k] for k in same[out.index]]
    names = [f"{a} and {len(b)} more of the same stage" if b else a for a, b in zip(out["name"], also, strict=True)]
    out = out.assign(name=names)
    out["also"] = pd.Series(also, index=out.index, dtype="object")
    return out.reset_index(drop=True)


def _held(graph: SupplyGraph, focal: Sequence[str]) -> dict[str, bool]:
    """Whether at least half of the focal holdings recorded of a product's producers are graded A or B."""
    h = graph.tables["holdings"]
    h = h[h["holder_country"].isin(list(focal))]
    product = h["asset"].map(lambda a: parse_node_id(str(a))[0])
    good = h["grade"].isin(["A", "B"]).astype(float)
    return {str(k): bool(v >= 0.5) for k, v in good.groupby(product).mean().items()}


def _nominal(graph: SupplyGraph, pools: pd.DataFrame) -> dict[str, float]:
    """Part of what enters the pools of each product that stands at a nominal level."""
    product = dict(zip(pools["node"], pools["product"], strict=True))
    into = graph.index.links["buyer"].map(product)
    level = pd.Series(np.nan_to_num(graph.index.quantity), index=into.index)
    total = level.groupby(into).sum()
    assumed = level.where(nominal_links(graph), 0.0).groupby(into).sum()
    return {str(k): float(v) for k, v in (assumed / total.where(total > 0)).dropna().items()}


def _behind(graph: SupplyGraph, pools: pd.DataFrame) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Weakest grade of the flows into the pools of each product, and whose pools they are."""
    ix = graph.index
    product = dict(zip(pools["node"], pools["product"], strict=True))
    into = ix.links["buyer"].map(product)
    hit = into.notna().to_numpy() & (np.nan_to_num(ix.quantity) > 0)
    weakest = {str(k): worst_grade(g) for k, g in ix.links["grade"][hit].groupby(into[hit])}
    who = {
        str(k): tuple(sorted(set(s.astype(str)), key=lambda c: (c != UNION, c)))
        for k, s in pools["country"].groupby(pools["product"])
    }
    return weakest, who


def unknown_flows(graph: SupplyGraph, buyers: Sequence[str], products: Sequence[str]) -> pd.DataFrame:
    """Flows into the buyers' pools of which nothing but their existence is known: they leave an interval open.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    buyers, products : sequence of str
        Whose pools, of what.

    Returns
    -------
    DataFrame
        ``product, supplier, buyer`` (countries).
    """
    ix = graph.index
    pools = pool_rows(graph, buyers)
    product = dict(zip(pools["node"], pools["product"], strict=True))
    into = ix.links["buyer"].map(product)
    hit = into.isin(list(products)).to_numpy() & ~np.isfinite(ix.high)
    place = ix.nodes["country"].to_numpy(dtype=object)
    return pd.DataFrame({"product": into[hit].to_numpy(), "supplier": place[ix.src[hit]], "buyer": place[ix.dst[hit]]})

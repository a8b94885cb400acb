"""What public rows say by themselves, and what they imply: rests of totals, flows that others leave, pools they name.

Where a row of a product may not be passed on, nothing that was worked out is: no estimate, no bound and no note that the
library wrote, for it may rest on that row. It is worked out again of the public rows alone, so that two graphs that differ
in nothing but figures which stay at home have one public part.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .books import FED, GUESSED, INFERRED, MOVED
from .exporters import net_exporters
from .flows import FLOW_METHODS, worst
from .posting import BEYOND
from .remainder import worked_out_on
from .vintages import LEFT, mark, newest_of

__all__ = ["bound_again", "homes", "left_uses", "makers_named", "pools_named", "renamed", "rests", "stated_nodes",
           "stated_uses"]  # fmt: skip

REST = "world total less the listed producers"
_NEAR = 1e-9
_ROUNDING = 1e-3  # of a total: no producer, see flows
_MAKERS = (
    "at least net exports|named as a supplier and makes what it needs|producers that nobody lists|an unknown supplier"
)
_WORKED = "|".join((INFERRED, GUESSED, MOVED, BEYOND))  # notes on figures that are estimates
_LIMITS = "above what the throughput of"
_SHARED = "makers of unknown output are inside it"
ESTIMATE = "balanced: what is left of the inflow"  # in the note of a use of which its source gives no figure
_EXPORTS = "exports more than it imports, so it makes it"
_NOWHERE = ("ROW", "WLD")
_PARTS = "of it |parts in |parts of no "


def _cleared(notes: pd.Series, words: str) -> pd.Series:
    """Notes without the sentences that hold or begin with such words."""
    said = notes.astype("object").where(notes.notna(), "").astype(str)
    hit = said.str.contains(words, regex=True)
    if not hit.any():
        return notes
    new = said.str.split("; ").explode().loc[lambda t: (t.str.strip(" ;") != "") & ~t.str.contains(words, regex=True)]
    joined = new.groupby(level=0).agg("; ".join).reindex(notes.index)
    return notes.astype("object").where(~hit, joined.astype("object")).astype(notes.dtype)


def stated_nodes(nodes: pd.DataFrame, products: set[str], limited: set[str]) -> pd.DataFrame:
    """Makers of some products with what their own rows state: no estimate of an output, no bound that others set.

    Parameters
    ----------
    nodes : DataFrame
        Rows of the table.
    products : set of str
        Products whose rows are looked at. Those that no row states go, residuals of totals stay.
    limited : set of str
        By-products whose bounds may be the throughput of a host.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import supplyrisk as sr
    >>> len(stated_nodes(sr.SupplyGraph.from_tables().nodes, set(), set()))
    0
    """
    mine = nodes["product"].isin(products) & nodes["kind"].eq("producer")
    if not mine.any():
        return nodes
    note = nodes["note"].astype("object").where(nodes["note"].notna(), "").astype(str)
    empty_rest = nodes["country"].isin(_NOWHERE) & nodes["output"].isna() & nodes["source"].isna()
    out = nodes[~(mine & (note.str.contains(_MAKERS, regex=True) | empty_rest))].copy()
    place = mine[out.index] & ~out["country"].isin(_NOWHERE)
    # A bound that follows from what its inputs allow tells these, and what others make of them.
    fed = place & out["output"].isna() & note[out.index].str.contains(FED, regex=False)
    out["output_high"] = out["output_high"].mask(fed)
    guess = place & note[out.index].str.contains(_WORKED, regex=True)
    guess |= place & out["output"].isna() & out["output_grade"].astype("object").eq("assumption")
    # A rest of nothing has nobody inside; of the public rows alone it may be more.
    rest = nodes["country"].eq("ROW") & (nodes["output"] > 0).fillna(False).to_numpy(dtype=bool)
    listed = set(nodes.loc[nodes["country"].eq("ROW") & nodes["total"].notna(), "product"])
    told = set(nodes.loc[mine & (rest | nodes["inside"].notna()), "product"])
    out["inside"] = out["inside"].astype("object")
    within = set(nodes.loc[mine & nodes["inside"].notna(), "node"])  # a year of a maker is as any other
    apart = place & out["output"].isna() & out["output_high"].isna()
    apart &= out["product"].isin(listed - told) | out["node"].isin(within)
    apart &= out["output_missing"].isin(["unknown", "not_available", "withheld"])
    apart &= ~note[out.index].str.contains("world total leaves it out", case=False, regex=False)
    out.loc[apart, "inside"] = out.loc[apart, "product"].astype("object") + "@ROW"
    out["inside"] = out["inside"].astype(nodes["inside"].dtype)
    open_ = guess | (place & out["output"].isna() & out["inside"].notna())
    for c in ("output", "output_low", "output_high", "output_grade", "grade"):
        out[c] = out[c].mask(open_)
    out["output_missing"] = out["output_missing"].mask(open_, "unknown")
    out["published_on"] = out["published_on"].mask(open_ & out["capacity"].isna())
    for c in ("output_low", "output_high"):
        out[c] = out[c].mask(mine[out.index] & out["product"].isin(limited))
    rows = mine[out.index]
    out.loc[rows, "note"] = _cleared(out.loc[rows, "note"], f"{_WORKED}|{_LIMITS}|{_SHARED}|{FED}")
    return out


def stated_uses(uses: pd.DataFrame, products: set[str], drawn: pd.Series) -> tuple[pd.DataFrame, int]:
    """Uses of some products as their own rows state them.

    A use less what makers draw tells the draw, one that balancing moved tells what moved it, and the note of a total
    tells its parts, as its bounds do.

    Parameters
    ----------
    uses : DataFrame
        Rows of ``demand``.
    products : set of str
        Products whose rows are looked at.
    drawn : Series of bool
        Uses out of which makers may draw.

    Returns
    -------
    DataFrame, int
        The rows, and how many lost their figure.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> stated_uses(g.demand, set(), g.demand["node"].notna())[1]
    0
    """
    mine = _product(uses["node"]).isin(products)
    note = uses["note"].astype("object").where(uses["note"].notna(), "").astype(str)
    stated = mine & uses["source"].notna()
    moved = note.str.contains(f"{MOVED}|{BEYOND}", regex=True)
    hit = stated & (drawn | moved)
    parts = stated & note.str.contains(_PARTS, regex=True)
    found = stated & note.str.contains(ESTIMATE, regex=False)  # its source gives no figure, or bounds alone
    lost = int((hit & uses["quantity"].notna() & ~found).sum())
    if not mine.any():
        return uses, 0
    out = uses.copy()
    out["quantity"] = out["quantity"].mask(hit | found)
    for c in ("low", "high"):
        out[c] = out[c].mask(found, out[f"stated_{c}"]).mask(hit | parts)
        out[f"stated_{c}"] = out[f"stated_{c}"].mask(hit | found)
        out[f"with_draws_{c}"] = out[f"with_draws_{c}"].mask(hit)  # what is left of it, and the draws
    # The stated use itself stays; it was put together again of what is left and what is drawn, to the last digit but one.
    out["with_draws"] = _rounded(out["with_draws"], stated & drawn).mask(stated & moved)
    out["missing"] = out["missing"].mask(hit, "withheld").mask(found, "unknown")
    for c in ("grade", "published_on"):
        out[c] = out[c].mask(found | hit if c == "grade" else found)
    words = f"{_PARTS}|{MOVED}|{BEYOND}|{ESTIMATE}|less what its makers|less what makers|less what prod"
    out.loc[stated, "note"] = _cleared(out.loc[stated, "note"], words)
    return out, lost


def _rounded(column: pd.Series, hit: pd.Series) -> pd.Series:
    return column.where(~hit, column.map(lambda v: float(f"{v:.9g}")))


def _product(node: pd.Series) -> pd.Series:
    return node.astype("str").str.replace("@.*", "", regex=True).astype("object")


def _newest(links: pd.DataFrame) -> pd.DataFrame:
    """Of each flow its newest year, of trade the newest year of all."""
    year = links["year"].astype("float64").fillna(-np.inf)
    last = year.groupby([links[c].astype("object") for c in ("supplier", "buyer", "product")]).transform("max")
    trade = _headings(links)
    of_trade = year.where(trade).groupby(links["product"].astype("object")).transform("max")
    return links[((year == last) & (~trade | (year == of_trade))).to_numpy(dtype=bool)]


def _headings(links: pd.DataFrame) -> pd.Series:
    said = links["note"].astype("object").where(links["note"].notna(), "").astype(str)
    return links["method"].isin(FLOW_METHODS) & said.str.startswith("HS ")


def renamed(links: pd.DataFrame, products: set[str], makers: set[str]) -> pd.DataFrame:
    """Flows of trade tables with their exporters told anew, by the given flows, where no row states that they make it.

    Parameters
    ----------
    links : DataFrame
        Given flows.
    products : set of str
        Products to look at.
    makers : set of str
        Nodes ``product@country`` that are stated to make it.

    Returns
    -------
    DataFrame
        An exporter whose net exports are more than half of its exports and 0.2 percent of all trade of the year, and no
        entrepot, is a producer; any other one a pool that sends on, as in :func:`supplyrisk.assemble.assemble`.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> len(renamed(sr.SupplyGraph.from_tables().links, set(), set()))
    0
    """
    trade = _headings(links) & links["product"].isin(products)
    supplier = links["supplier"].astype("str").str.replace(":demand", "", regex=False).astype("object")
    trade &= ~supplier.isin(makers)
    if not trade.any():
        return links
    every = links[_headings(links) & links["product"].isin(products)]
    seller = supplier[every.index]
    buyer = every["buyer"].astype("str").str.replace(":demand", "", regex=False).astype("object")
    year = every["year"].astype("float64")
    sold = every["quantity"].groupby([seller, year]).sum()
    got = every["quantity"].groupby([buyer, year]).sum()
    node = sold.index.get_level_values(0).to_series()
    market = [_product(node).to_numpy(), sold.index.get_level_values(1).to_numpy()]
    makes = net_exporters(sold, got, market, node.astype("str").str.rsplit("@").str[-1])
    keys = pd.MultiIndex.from_arrays([supplier[trade], links.loc[trade, "year"].astype("float64")])
    yes = keys.isin(makes.index)
    out = links.copy()
    names = supplier[trade].where(yes, supplier[trade] + ":demand")
    out.loc[trade, "supplier"] = names.astype(out["supplier"].dtype)
    # A market of an earlier year may have called the same exporter otherwise.
    return out[~out.duplicated(["supplier", "buyer", "product", "year"])]


def makers_named(nodes: pd.DataFrame, links: pd.DataFrame, products: set[str]) -> pd.DataFrame:
    """Rows of makers that given flows name and no row states: they make it, nobody says how much.

    Parameters
    ----------
    nodes, links : DataFrame
        Given rows.
    products : set of str
        Products to look at.

    Returns
    -------
    DataFrame
        As nodes; inside the rest of a total where one stands.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> len(makers_named(g.nodes, g.links, set()))
    0
    """
    name = links["supplier"].astype("str")
    some = links[
        links["product"].isin(products) & ~name.str.contains(":", regex=False) & ~name.isin(set(nodes["node"]))
    ]
    rows = some.groupby(some["supplier"].astype("object"))["year"].max().rename("year").reset_index()
    rows = rows.rename(columns={"supplier": "node"}).astype({"node": "object"})
    if not len(rows):
        return nodes.iloc[:0]
    where = rows["node"].str.partition("@")
    rest = where[0] + "@ROW"
    stands = nodes.loc[nodes["country"].eq("ROW") & nodes["output"].notna(), "node"]
    site = where[2].str.partition("#")
    rows = rows.assign(
        product=where[0],
        country=site[0],
        site=site[2].where(site[2] != "", None),
        kind="producer",
        inside=rest.where(rest.isin(set(stands)), None),
        output_missing="unknown",
        origin_tag="public",
        note=_EXPORTS,
    )
    return _as(rows, nodes)


def _as(rows: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    return rows.reindex(columns=like.columns).astype(like.dtypes.to_dict())


def rests(nodes: pd.DataFrame, candidates: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """Residuals of published totals, as the given producers leave them.

    Parameters
    ----------
    nodes : DataFrame
        Rows of the table, without the residuals.
    candidates : DataFrame
        Rows of residuals as they were worked out before, the one that counts for a total and a year first. Those
        without a published total tell nothing that could be worked out.
    sources : DataFrame
        Table of sources.

    Returns
    -------
    DataFrame
        A row per residual and year, with what its total less the newest outputs of the others, of its year or before,
        leaves.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> empty = sr.SupplyGraph.from_tables()
    >>> len(rests(empty.nodes, empty.nodes, empty.sources))
    0
    """
    own = candidates["note"].astype("object").where(candidates["note"].notna(), "").astype(str).str.startswith(REST)
    given = candidates[candidates["total"].notna() & own]  # a rest that a source lists itself is its own figure
    if not len(given):
        return given
    makers = nodes[(nodes["kind"] == "producer") & nodes["product"].isin(given["product"])]
    makers = makers[~makers["country"].isin(["ROW", "WLD"])]
    # A total of two years shows, as any figure, that its source lists whole years.
    totals = given.drop_duplicates(["node", "year"]).assign(output=given["total"], output_low=np.nan)
    both = pd.concat([makers.astype("object"), totals.astype("object")], ignore_index=True)
    both = both.astype({"output": "float64", "output_low": "float64", "year": "float64"})
    made = both.assign(quantity=both["output"], low=both["output_low"])
    made = mark(made.assign(source=made["output_source"].fillna(made["source"])), ["product"], ["node"], sources)
    made = made[~made["node"].isin(given["node"])]
    by_product = dict(tuple(made.groupby(made["product"].astype("object"))))
    found = []
    for _, rows in given.groupby(["node", "year"], sort=True, dropna=False):
        top = rows.iloc[0]
        mine = by_product.get(top["product"], made.iloc[:0])
        until = mine[(mine["year"] <= float(top["year"])).to_numpy(dtype=bool)]
        taken = newest_of(until, "node")
        total = float(top["total"])
        left = _left(total, float(taken["quantity"].sum()))
        same = rows[(rows["total"].astype(float) - total).abs() <= _NEAR * total]
        known = taken.loc[taken["quantity"].notna(), ["year", "published_on"]]
        days = sorted(str(d) for d in same["published_on"].dropna())
        new = top.copy()
        new["output"], new["output_missing"], new["note"] = left, None, REST
        for c in ("output_low", "output_high", "rest_low", "rest_high"):
            new[c] = np.nan
        if taken["quantity"].isna().any():
            new["output_low"], new["output_high"], new["note"] = 0.0, left, f"{REST}; {_SHARED}"
        new["published_on"] = worked_out_on(days[0] if days else None, float(top["year"]), known)
        found.append(new)
    return pd.DataFrame(found).astype(candidates.dtypes.to_dict())


def _left(total: float, known: float) -> float:
    value = total - known
    return value if value > _ROUNDING * total else 0.0


def homes(nodes: pd.DataFrame, links: pd.DataFrame, products: set[str], sources: pd.DataFrame) -> pd.DataFrame:
    """Flows that stand for what makers of given output are not known to send: at home, or into the world pool.

    Parameters
    ----------
    nodes, links : DataFrame
        Given rows, the residuals of totals among them.
    products : set of str
        Products to look at.
    sources : DataFrame
        Table of sources.

    Returns
    -------
    DataFrame
        As links: at home (``balanced``) where flows of a trade table are given, else into the world pool.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> len(homes(g.nodes, g.links, set(), g.sources))
    0
    """
    made = nodes[nodes["kind"].eq("producer") & nodes["product"].isin(products)]
    if not len(made):
        return links.iloc[:0]
    made = made.astype({"output": "float64", "output_low": "float64", "year": "float64"})
    made = made.assign(quantity=made["output"], low=made["output_low"], own=made["source"])
    made = mark(made.assign(source=made["output_source"].fillna(made["source"])), ["product"], ["node"], sources)
    made = newest_of(made, "node")
    now = _newest(links[links["method"].isin(FLOW_METHODS)])
    sender = now["supplier"].astype("object")
    open_ = (
        made.loc[made["quantity"].isna() & made["inside"].notna()].drop_duplicates("node").set_index("node")["inside"]
    )
    sent = pd.concat([now["quantity"].groupby(k).sum() for k in (sender, sender.map(open_).dropna())])
    sent = sent.groupby(level=0).sum()  # what those inside a rest send is a part of the rest
    made = made[made["quantity"].notna()]
    traded = links[_headings(links)]
    last = traded["year"].astype("float64").groupby(traded["product"].astype("object")).max()
    node, of = made["node"].astype("object"), made["product"].astype("object")
    left = made["quantity"] - node.map(sent).astype("float64").fillna(0.0)
    home = of.isin(last.index)
    base = of + "@" + made["country"].astype("object")
    rows = pd.DataFrame(
        {
            "supplier": node,
            "buyer": base.where(home, of + "@WLD") + ":demand",
            "product": of,
            "year": np.fmax(made["year"], of.map(last).astype("float64")),
            "method": np.where(home, "balanced", "world_pool"),
            "quantity": left,
            "grade": worst(made["grade"].astype("object"), ["B"] * len(made)),
            "source": made["source"],
            "published_on": made["published_on"],
            "origin_tag": "public",
            "note": np.where(home, "output less exports", "output that no named buyer accounts for"),
        }
    )
    return _as(rows[left > _NEAR], links).reset_index(drop=True)


def left_uses(links: pd.DataFrame, uses: pd.DataFrame, products: set[str]) -> pd.DataFrame:
    """Uses of pools of which none is stated: what is left of the given inflow.

    Parameters
    ----------
    links : DataFrame
        Given flows.
    uses : DataFrame
        Given rows of ``demand``.
    products : set of str
        Products to look at: those that nothing is made of.

    Returns
    -------
    DataFrame
        As ``demand``.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> len(left_uses(g.links, g.demand, set()))
    0
    """
    now = _newest(links[links["product"].isin(products)])
    now = now[now["buyer"].astype("str").str.endswith(":demand") & ~now["buyer"].isin(set(uses["node"]))]
    by = now.groupby(now["buyer"].astype("object"))
    got = by["quantity"].agg(lambda q: float(q.sum(skipna=False))).astype("float64")
    every = _newest(links[links["product"].isin(products)])
    given = every.groupby(every["supplier"].astype("object"))["quantity"].sum().reindex(got.index).fillna(0.0)
    days = now.dropna(subset=["published_on"]).astype({"published_on": "str"})
    day = days.groupby(days["buyer"].astype("object"))["published_on"].max().reindex(got.index)
    rows = pd.DataFrame({"quantity": (got - given).clip(lower=0.0), "year": by["year"].max(), "published_on": day})
    rows = rows[rows["quantity"].notna()].rename_axis("node").reset_index()
    rows = rows.assign(use="total", grade="assumption", note=LEFT, origin_tag="public")
    return _as(rows, uses)


def pools_named(nodes: pd.DataFrame, links: pd.DataFrame, uses: pd.DataFrame, products: set[str]) -> pd.DataFrame:
    """Pools that state nothing, as given flows and uses name them.

    Parameters
    ----------
    nodes : DataFrame
        Given rows, without these pools.
    links, uses : DataFrame
        Given flows, and rows of use or stock.
    products : set of str
        Products to look at.

    Returns
    -------
    DataFrame
        As nodes: of the last year in which it is named, where trade of several years is given of each of them; known with
        the first of what names it.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> g = sr.SupplyGraph.from_tables()
    >>> len(pools_named(g.nodes, g.links, g.demand, set()))
    0
    """
    links = links[["supplier", "buyer", "product", "year", "published_on", "note", "method"]]
    links = links.assign(trade=_headings(links) & links["product"].isin(products))
    years = links[links["trade"]].groupby("product")["year"].nunique()
    several = set(years.index[years > 1])
    names = ["node", "year", "published_on", "trade"]
    ends = [links[[c, *names[1:]]].set_axis(names, axis=1) for c in ("supplier", "buyer")]
    named = pd.concat([e.astype("object") for e in (*ends, uses[names[:3]].assign(trade=False))], ignore_index=True)
    of = _product(named["node"])
    named = named[named["node"].astype("str").str.endswith(":demand") & of.isin(products)]
    named = named[~named["node"].isin(set(nodes["node"]))]
    if not len(named):
        return nodes.iloc[:0]
    day = named.dropna(subset=["published_on"]).astype({"published_on": "str"}).groupby("node")["published_on"].min()
    markets = named[named["trade"].astype(bool) & _product(named["node"]).isin(several)]
    last = named.assign(year=named["year"].astype("float64")).groupby("node")["year"].max().reset_index()
    last = last[~last["node"].isin(set(markets["node"]))]
    rows = pd.concat([markets[["node", "year"]].drop_duplicates().astype({"year": "float64"}), last], ignore_index=True)
    rows = rows.sort_values(["node", "year"], kind="stable").reset_index(drop=True)
    where = rows["node"].astype("str").str.replace(":demand", "", regex=False).str.partition("@")
    rows = rows.assign(
        product=where[0], country=where[2], kind="demand", published_on=rows["node"].map(day), origin_tag="public"
    )
    return _as(rows, nodes)


def bound_again(nodes: pd.DataFrame, products: set[str]) -> pd.DataFrame:
    """Nodes in which makers inside a rest make no more than the rest that stands there; inside none where none does.

    Parameters
    ----------
    nodes : DataFrame
        Rows of the table.
    products : set of str
        Products to look at.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import supplyrisk as sr
    >>> len(bound_again(sr.SupplyGraph.from_tables().nodes, set()))
    0
    """
    hit = nodes["inside"].notna() & nodes["product"].isin(products) & nodes["output"].isna()
    if not hit.any():
        return nodes
    rest = nodes[(nodes["country"] == "ROW") & nodes["output"].notna() & nodes["site"].isna()]
    rest = rest.sort_values("year", kind="stable").drop_duplicates("node", keep="last").set_index("node")
    top = nodes["inside"].astype("object").map(rest["output_high"].fillna(rest["output"])).astype("float64")
    out = nodes.copy()
    out["output_high"] = out["output_high"].where(~hit, top)
    out["inside"] = out["inside"].mask(hit & top.isna())
    holds = out["node"].isin(set(out.loc[hit, "inside"].dropna())) & out["output"].notna() & (out["country"] == "ROW")
    out["output_low"] = out["output_low"].mask(holds, 0.0)
    out["output_high"] = out["output_high"].mask(holds, out["output"])
    return out

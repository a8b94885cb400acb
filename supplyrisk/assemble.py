"""Statistics become a supply graph: who makes it, who gets it, and what it is made of.

One pure function on tables, :func:`assemble`. The atlas uses it, and so do readers of users' own files. Every link
says how it came about (``method``), and nothing that is estimated is graded better than B.

The rules, in the order in which they are applied:

1. A production row of country ``WLD`` is the world total; what the listed producers leave of it is the producer
   ``p@ROW``. A withheld figure stays withheld and is never part of the sum; where the source does not say that the
   total leaves it out, its maker is inside the rest, as any maker of unknown output: the rest is then ``[0, what is
   left]``, and what all of them make is what is left.
2. Trade (``observed``) links the producer ``p@i`` to the pool ``p@j:demand``. An exporter without a production
   record is a producer of unknown output if it exports more than it imports, and a re-exporting pool otherwise.
3. What a producer does not export stays at home (``balanced``). Where the headings cover only part of the trade of
   a product this holds for net importers alone; a net exporter's rest goes to the world pool.
4. Import-source shares (``observed``) link buyers whose trade is not at hand; times a level that nobody gives they
   are ``assumed`` quantities in observed proportions (``A-NOMINAL``). A supplier that nobody lists is a
   producer inside the unlisted rest if it mines the product or makes what it is made of, and a trader otherwise. The
   unnamed rest is split over the other producers in proportion to what they have left (where three or more are
   named, nobody gets more than the smallest of them), and beyond that over unnamed re-exporters (``assumed``), who are
   elsewhere by location. They, and traders without a known inflow, draw on the world pool.
5. Where no trade is at hand, industries that need a product draw first on their own country's output
   (``assumed``) and then on the world pool (``world_pool``).
6. Everything a producer has left goes to the world pool ``p@WLD:demand`` (``world_pool``).
7. Recipes link pools to producers. A by-product's host is throughput, not consumption: its links carry no quantity.
8. A country's use is the sum of its stated uses, or their total where one is stated (:mod:`supplyrisk.uses`). A user
   of whom nothing else is known draws on the world pool. Final use is that use less what producers draw, taken from it
   once, else what is left of the inflow.

The market is that of the newest year of each statistic (:mod:`supplyrisk.vintages`); earlier years stay in the graph.
With ``balanced=True`` what is estimated of it by these rules is where entropy balancing begins
(:func:`supplyrisk.reconcile.balance_flows`): every account closes within all bounds, and the rows of products whose
figures clash are named.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, get_args, overload

import numpy as np
import pandas as pd

from .books import STANDS
from .byproducts import flag_byproducts
from .earlier import told, with_earlier
from .errors import Problem, SchemaError, unknown_name
from .feeding import UNLISTED
from .flows import FLOW_METHODS, MAY_MAKE, TRADERS, Build, pool_id, worst
from .graph import SupplyGraph
from .inputs import INPUTS, read_inputs, say_left_out, stock_nodes, unmapped, would_be_lost
from .ledger import Mode
from .ordering import in_own_order
from .reconcile import balance_flows
from .remainder import last_text
from .retained import barred_inputs
from .schema import TABLES, coerce, parse_node_id
from .uses import draws_on_pools, final_use, today_uses, with_open_draws
from .vintages import LEFT

__all__ = ["INPUTS", "assemble"]


@overload
def assemble(
    *,
    products: pd.DataFrame,
    production: pd.DataFrame,
    trade: pd.DataFrame | None = ...,
    concordance: pd.DataFrame | None = ...,
    recipes: pd.DataFrame | None = ...,
    demand: pd.DataFrame | None = ...,
    sourcing: pd.DataFrame | None = ...,
    costs: pd.DataFrame | None = ...,
    stocks: pd.DataFrame | None = ...,
    nominal: float = ...,
    reexport_tolerance: float = ...,
    name: str = ...,
    as_of: str | None = ...,
    history: Sequence[str] = ...,
    tables: Mapping[str, pd.DataFrame] | None = ...,
    balanced: bool = ...,
    conflicts: Mode = ...,
    ensemble: None = ...,
    seed: int = ...,
) -> SupplyGraph: ...


@overload
def assemble(
    *,
    products: pd.DataFrame,
    production: pd.DataFrame,
    trade: pd.DataFrame | None = ...,
    concordance: pd.DataFrame | None = ...,
    recipes: pd.DataFrame | None = ...,
    demand: pd.DataFrame | None = ...,
    sourcing: pd.DataFrame | None = ...,
    costs: pd.DataFrame | None = ...,
    stocks: pd.DataFrame | None = ...,
    nominal: float = ...,
    reexport_tolerance: float = ...,
    name: str = ...,
    as_of: str | None = ...,
    history: Sequence[str] = ...,
    tables: Mapping[str, pd.DataFrame] | None = ...,
    balanced: bool = ...,
    conflicts: Mode = ...,
    ensemble: int,
    seed: int = ...,
) -> list[SupplyGraph]: ...


def assemble(
    *,
    products: pd.DataFrame,
    production: pd.DataFrame,
    trade: pd.DataFrame | None = None,
    concordance: pd.DataFrame | None = None,
    recipes: pd.DataFrame | None = None,
    demand: pd.DataFrame | None = None,
    sourcing: pd.DataFrame | None = None,
    costs: pd.DataFrame | None = None,
    stocks: pd.DataFrame | None = None,
    nominal: float = 0.1,
    reexport_tolerance: float = 0.5,
    name: str = "assembled",
    as_of: str | None = None,
    history: Sequence[str] = (),
    tables: Mapping[str, pd.DataFrame] | None = None,
    balanced: bool = False,
    conflicts: Mode = "report",
    ensemble: int | None = None,
    seed: int = 0,
) -> SupplyGraph | list[SupplyGraph]:
    """Build a graph from tables of production, trade, recipes, use and import sources.

    Parameters
    ----------
    products : DataFrame
        As in the data model.
    production : DataFrame
        ``product, country, year, quantity`` and optionally ``what`` (``output`` or ``capacity``), ``low, high,
        missing, unit, basis, source, grade, note, published_on, site, firm``. Country ``WLD`` is the world total. Here
        and below ``unit`` and ``basis`` (``kg``, ``LCE``) are those of the row's figures, where they are not the product's.
    trade : DataFrame, optional
        ``hs6, origin, destination, year, quantity`` (tonnes) and optionally ``low, high`` (tonnes), ``value,
        value_low, value_high`` (USD), ``method`` (``observed``, ``mirrored`` or ``imputed``; default observed) and ``flag`` (goes into the link's
        note), as :attr:`supplyrisk.sources.repair.Repaired.inputs` has them; a row per flow: different
        headings of one product add up, one flow that stands twice is refused. Taiwan, Hong Kong and
        Macao stand apart from China, as in the source. ``ROW`` is what the source lumps together.
    concordance : DataFrame, optional
        ``hs6, product, factor`` (product units per tonne) and optionally ``factor_low, factor_high``, ``purity,
        purity_low, purity_high, purity_source`` (part of the heading that is the product: flows count times it; below 1 or
        missing, the links are marked as resting on a basket and their intervals widen by it; with bounds alone the value
        is the upper one),
        ``coverage`` (``complete`` or ``partial``: does the heading hold all trade of the product?), ``use`` (false:
        keep the row as a caveat, make no link). Trade needs it.
    recipes : DataFrame, optional
        As in the data model.
    demand : DataFrame, optional
        ``product, country, year, quantity`` and optionally ``use, low, high, missing, unit, basis``: use in a country, what its
        producers draw included. Rows of different ``use`` add up to the country's use. ``total`` (or nothing) beside
        them is their total: then it counts alone, its note names its parts, and parts above it are a row of ``gaps``. What
        producers draw is taken from a use that bears the name or id of their product, else in proportion from all uses.
        ``WLD`` beside countries is the world: what these leave of it is the use of all others, in the world pool.
        Every stated use is a row of ``demand``: of a place without any other record it draws on the world pool, or, where
        there is none, has an open account in :meth:`SupplyGraph.balance`.
    sourcing : DataFrame, optional
        ``product, buyer, supplier, share`` (0 to 1 of the buyer's imports; where empty, between ``share_low`` and
        ``share_high``, and then the unnamed rest is not known either), optionally ``reliance`` (imports over use) or ``imports`` (product units, or ``unit, basis``). For products without trade: a
        buyer of whom the trade on record of a product says nothing is a row of ``gaps``.
    costs : DataFrame, optional
        ``product, country, what`` (``unit_cost`` in USD per product unit, or ``lead_time`` in years), ``quantity``; other
        units by ``unit`` (``USD/t``, or ``t`` for USD a tonne; ``month``) and ``basis``.
        ``ROW`` stands for every producer but China without a row of its own, graded C at best.
    stocks : DataFrame, optional
        As in the data model: ``node`` (``product@ISO3:stock``) or ``product, country``, ``quantity`` and optionally ``low, high,
        missing, holder, source, grade``. Not beside a table ``stocks`` in ``tables``.
    nominal : float
        Part of known world output that a buyer takes whose import shares are known but whose quantity is not:
        an assumption (register id ``A-NOMINAL``) that sets the level only, never the shares. 0 < nominal < 1.
    reexport_tolerance : float
        An exporter without a production record counts as a producer only if its net exports are more than this
        part of its exports and more than 0.2 percent of all trade in the product, and if it is no entrepot (ARE,
        HKG, MAC, NLD, SGP); otherwise it is a trader (assumption ``A-REEXPORT``).
    name, as_of, history
        Passed to :meth:`SupplyGraph.from_tables`.
    tables : mapping of str to DataFrame, optional
        Further tables of the data model (``sources``, ``holdings``, ``measures`` ...), taken as they are; none of those
        that are assembled.
    balanced : bool
        Whether :func:`supplyrisk.reconcile.balance_flows` then estimates the unknown flows of all products. If false, they are
        as the rules of this module say, each account on its own; import shares and reliance then stay as stated, where
        balancing sees to it that all of a use is supplied.
    conflicts, ensemble, seed
        As in :func:`supplyrisk.reconcile.balance_flows`; an ensemble is always balanced.

    Returns
    -------
    SupplyGraph, or list of SupplyGraph for an ensemble
        Validated. Estimated links carry a note and are graded B at best. A by-product of which more is made than the
        throughput of its host allows says so in its note.

    Raises
    ------
    SchemaError
        Every unreadable column, unknown product, missing concordance, flow or use that stands twice, at once.

    Warns
    -----
    UnknownPlaceWarning
        Once, with count and share, where readers left rows out of these tables because no concordance knows their place.

    Notes
    -----
    Several years: of a statistic that lists whole years (trade; a source whose ``lists`` in ``sources`` says so, or that
    states anything in two years) only the newest year is today's market, and who is not listed in it is in no market, or in the
    rest. Of trade by those who report it each reporter's newest year counts. Every earlier year of trade is assembled as a
    market of its own and kept, not balanced: :meth:`SupplyGraph.at` has the one of its day; not in an ensemble, whose
    graphs hold today's market alone. ``history`` says what is no longer listed;
    :func:`supplyrisk.vintages.vintages` counts it by product and publisher.

    The order of rows changes nothing, in any table.

    Unless ``balanced``, nothing is fitted to totals and nothing observed is altered. If attributed exports exceed
    output, trade is kept and :meth:`SupplyGraph.balance` shows the gap. Balanced, observed flows are altered by what sources
    round (the ``tolerance`` of the balancing, 2 percent, said in the note) and by what ``conflicts="relax"`` moves.

    Examples
    --------
    >>> import pandas as pd
    >>> products = pd.DataFrame([dict(product="magnesium.refined", name="Magnesium", commodity="magnesium",
    ...     chain="magnesium", stage="metal", unit="t", basis="gross", period="year")])
    >>> made = pd.DataFrame([dict(product="magnesium.refined", country=c, year=2024, quantity=q, grade="assumption")
    ...     for c, q in (("CHN", 900.0), ("WLD", 1000.0))])
    >>> sold = pd.DataFrame([dict(hs6="810411", origin="CHN", destination="DEU", year=2024, quantity=300.0)])
    >>> heading = pd.DataFrame([dict(hs6="810411", product="magnesium.refined", factor=1.0)])
    >>> g = assemble(products=products, production=made, trade=sold, concordance=heading)
    >>> for supplier, buyer, quantity, method in g.links[["supplier", "buyer", "quantity", "method"]].values.tolist():
    ...     print(supplier, buyer.partition("@")[2], quantity, method)
    magnesium.refined@CHN DEU:demand 300.0 observed
    magnesium.refined@CHN CHN:demand 600.0 balanced
    magnesium.refined@ROW ROW:demand 100.0 balanced
    """
    given = {
        "production": production,
        "trade": trade,
        "concordance": concordance,
        "demand": demand,
        "sourcing": sourcing,
        "costs": costs,
    }
    frames, problems = read_inputs(given, products)
    if not 0.0 < nominal < 1.0:
        problems.append(Problem("assemble", "-", "nominal", "not between 0 and 1", str(nominal), "Give e.g. 0.1."))
    if conflicts not in get_args(Mode):
        raise unknown_name("conflicts", conflicts, get_args(Mode), "assemble()")
    needs, found = coerce(TABLES["recipes"].empty() if recipes is None else recipes, TABLES["recipes"])
    problems += found
    further = dict(tables or {})
    if stocks is not None and "stocks" in further:
        problems.append(Problem("assemble", "-", "stocks", "given twice", "stocks=, tables['stocks']", "Give one."))
    elif stocks is not None:
        further["stocks"] = stock_nodes(stocks)
    problems += would_be_lost(further, {**frames, "products": products, "recipes": needs})
    if problems:
        raise SchemaError(problems, "the tables to assemble")
    say_left_out(given)
    frames, asked = {k: in_own_order(f) for k, f in frames.items()}, in_own_order(needs)
    sources = further.get("sources")
    gaps: list[pd.DataFrame] = []

    def made(of: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        build = Build(products, of, asked, nominal, reexport_tolerance, sources).run()
        if of is frames:
            gaps.extend([build.use_gaps, _sources_not_used(build)])
        use = _use(build)
        nodes = _nodes(build, use)
        doubt, unlisted = _doubtful_exporters(build)
        unlisted = unlisted[~unlisted["node"].isin(nodes["node"])] if len(unlisted) else unlisted
        links = pd.concat([build.links, doubt], ignore_index=True) if len(doubt) else build.links
        nodes = pd.concat([nodes, unlisted], ignore_index=True) if len(unlisted) else nodes
        if "stocks" in further and of is frames:
            nodes = _with_stocks(nodes, further["stocks"])
        return {"nodes": nodes, "links": links, "demand": use} | _published(build, of, nodes, links, use)

    out = {**with_earlier(made(frames), frames, sources, made), "products": products, "recipes": needs}
    if told_of := [g for g in (further.get("gaps"), *gaps) if g is not None and len(g)]:
        further["gaps"] = pd.concat(told_of, ignore_index=True).drop_duplicates(["product", "what", "where"])
    graph = SupplyGraph.from_tables({**further, **out}, name=name, as_of=as_of, history=history)
    graph = replace(graph, beneath={**graph.beneath, **barred_inputs(frames, sources)})
    graph = flag_byproducts(graph)
    left = unmapped(frames)
    graph = replace(graph, history=(*graph.history, *([left] if left else []), *told(graph)))
    if ensemble is not None:
        return balance_flows(graph, conflicts=conflicts, ensemble=ensemble, seed=seed)
    if balanced:
        return balance_flows(graph, conflicts=conflicts)
    return graph


def _sources_not_used(b: Build) -> pd.DataFrame:
    """Import sources of buyers of whom the trade on record says nothing: its product goes by trade, and they have none."""
    s = b.f["sourcing"]
    s = s[s["product"].isin(b.traded)]
    fed = set(b.links.loc[b.links["method"].isin(FLOW_METHODS), "buyer"].astype(str)) if len(b.links) else set()
    s = s[~pool_id(s["product"], s["buyer"]).isin(fed)] if len(s) else s
    rows = []
    for (product, buyer), its in s.sort_values(["year", "supplier"]).groupby(["product", "buyer"], sort=True):
        its = its[its["year"].fillna(-1) == its["year"].fillna(-1).max()]
        said = ", ".join(f"{r.supplier} {r.share:.3g}" for r in its.itertuples())
        note = f"import sources not used ({said}): the product goes by trade, which has no imports of {buyer}"
        rows.append({"product": product, "what": "import sources", "where": buyer, "reason": "unknown", "note": note})
    return pd.DataFrame(rows, columns=["product", "what", "where", "reason", "note"])


def _doubtful_exporters(b: Build) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Links from the unlisted rest to traders that may make what they export, and the rest where there is none.

    An exporter without a production record that imports about as much is taken for a trader: what it sends is a mix of
    what it gets. It may as well make it. So nothing to all of its exports may come from an unlisted producer: a flow
    without a value, which leaves shares as they are and widens their intervals. Entrepots make nothing (A-REEXPORT).
    Where the listed producers make the world's output, so that nothing is left for others, there is no doubt.
    """
    none = pd.DataFrame(columns=b.links.columns), pd.DataFrame()
    if not b.traded or not len(b.links):
        return none
    links = b.links
    observed = links[links["method"].isin(FLOW_METHODS) & links["product"].isin(b.traded)]
    ends = observed["supplier"].astype(str).str.endswith(":demand") & observed["buyer"].astype(str).str.endswith(
        ":demand"
    )
    sent = (
        observed[ends]
        .groupby(["supplier", "product"], as_index=False)
        .agg(high=("quantity", "sum"), year=("year", "max"), source=("source", "first"))
    )
    days = last_text(observed[ends], ["supplier", "product"], "published_on")
    sent["published_on"] = days.reindex(pd.MultiIndex.from_frame(sent[["supplier", "product"]])).to_numpy(dtype=object)
    if not len(sent):
        return none
    place = sent["supplier"].map(lambda n: parse_node_id(str(n))[1])
    whole = observed.groupby("product")["quantity"].sum()
    fed = set(links["buyer"].astype(str))
    keep = ~place.isin([*TRADERS, "ROW", "WLD"]) & (sent["high"] > 0.002 * sent["product"].map(whole).astype(float))
    keep &= sent["supplier"].isin(fed)
    sent = sent[keep]
    rest = sent["product"].astype(str) + "@ROW"
    # What the source lumps together is seen to send to it already: that flow is the unlisted rest's.
    seen = pd.MultiIndex.from_frame(links[["supplier", "buyer", "product"]].astype("object"))
    there = pd.MultiIndex.from_arrays([rest, sent["supplier"].astype(str), sent["product"].astype(str)]).isin(seen)
    sent, rest = sent[~there], rest[~there]
    if not len(sent):
        return none
    made = b.made.reindex(rest)
    top = made["high"].fillna(made["quantity"]).to_numpy(dtype=float)
    listed = rest.isin(b.made.index).to_numpy(dtype=bool)
    total = sent["product"].isin(b.world.index).to_numpy(dtype=bool)
    sent = sent.assign(
        rest=rest, high=np.fmin(sent["high"], np.where(listed & ~np.isnan(top), top, np.inf)), listed=listed
    )
    sent = sent[(listed | ~total) & (sent["high"] > 0).to_numpy(dtype=bool)]
    if not len(sent):
        return none
    new = sent.assign(
        supplier=sent["rest"],
        buyer=sent["supplier"],
        quantity=np.nan,
        low=0.0,
        missing="unknown",
        method="assumed",
        grade="assumption",
        note=MAY_MAKE,
    )
    absent = sent[~sent["listed"]].drop_duplicates("rest")
    nodes = pd.DataFrame(
        {
            "node": absent["rest"],
            "product": absent["product"],
            "country": "ROW",
            "kind": "producer",
            "year": absent["year"],
            "output_missing": "unknown",
            "grade": "assumption",
            "note": UNLISTED,
        }
    )
    return new.reindex(columns=b.links.columns), nodes


def _with_stocks(nodes: pd.DataFrame, stocks: pd.DataFrame) -> pd.DataFrame:
    """Every stock node that the table of stocks speaks of."""
    ids = pd.Series(sorted(set(stocks["node"].dropna().astype(str)) - set(nodes["node"])), dtype="object")
    if not len(ids):
        return nodes
    parsed = [parse_node_id(i) for i in ids]
    year = stocks.dropna(subset=["year"]).groupby("node")["year"].max()
    told = stocks.dropna(subset=["published_on"]) if "published_on" in stocks.columns else stocks.iloc[:0]
    published: Any = told.astype({"node": "str"}).groupby("node")["published_on"].max() if len(told) else {}
    new = pd.DataFrame(
        {
            "node": ids,
            "product": [p[0] for p in parsed],
            "country": [p[1] for p in parsed],
            "site": [p[2] for p in parsed],
            "kind": [p[3] for p in parsed],
            "year": ids.map(year),
            "published_on": ids.map(published).astype("object"),
        }
    )
    return pd.concat([nodes, new], ignore_index=True)


def _use(b: Build) -> pd.DataFrame:
    """Final use of every pool: stated use less what producers draw, else what is left of the inflow."""
    links = b.links
    columns = list(TABLES["demand"].names)
    pools = pd.Index(sorted({str(n) for c in ("supplier", "buyer") for n in links[c] if str(n).endswith(":demand")}))
    got, given = b.flow("buyer"), b.flow("supplier")
    unsure_in = set(links.loc[links["quantity"].isna(), "buyer"])
    year = links.groupby("buyer")["year"].max()
    published = last_text(links.dropna(subset=["published_on"]), "buyer", "published_on")
    stated = b.stated_use.copy()
    stated["node"] = pool_id(stated["product"], stated["country"]) if len(stated) else None
    if len(stated):
        names = b.products.set_index("product")["name"]
        stated = final_use(stated, draws_on_pools(links), today_uses(stated, b.sources), names)
        stated = with_open_draws(stated, links, _sure_output(b.made), today_uses(stated, b.sources))
        less = stated["draw"] > 0
        stated["grade"] = np.where(less, worst(stated["grade"], ["B"] * len(stated)), stated["grade"])
    silent = pools.difference(pd.Index(stated["node"].dropna().unique()))
    rest = pd.DataFrame({"node": silent.astype("object")})
    rest["quantity"] = (
        rest["node"].map(got).astype(float).fillna(0.0) - rest["node"].map(given).astype(float).fillna(0.0)
    ).clip(lower=0.0)
    rest["low"] = rest["quantity"].where(rest["node"].isin(unsure_in))
    rest["quantity"] = rest["quantity"].where(~rest["node"].isin(unsure_in))
    rest["missing"] = pd.Series("unknown", index=rest.index, dtype="object").where(rest["quantity"].isna(), None)
    rest["use"] = "total"
    rest["year"] = rest["node"].map(year).fillna(links["year"].max())
    rest["published_on"] = rest["node"].map(published)
    rest["grade"] = "assumption"
    rest["note"] = LEFT
    parts = [part for part in (stated, rest) if len(part)]
    if not parts:
        return TABLES["demand"].empty()
    out = pd.concat(parts, ignore_index=True)
    return out.reindex(columns=[c for c in columns if c in out.columns])


def _sure_output(made: pd.DataFrame) -> pd.Series:
    """Output of each producer of which there is a figure: none where what it sends stands for it."""
    guess = made["note"].fillna("").str.contains(STANDS, regex=False) if len(made) else pd.Series(dtype=bool)
    return made["quantity"].mask(guess)


def _nodes(b: Build, demand: pd.DataFrame) -> pd.DataFrame:
    """All producers and pools; capacity, cost and lead time beside the output."""
    idle = b.idle_rest.astype("object")
    p = pd.concat([b.production, idle], ignore_index=True) if len(idle) else b.production
    nodes = pd.DataFrame(
        {
            "node": p["node"],
            "product": p["product"],
            "country": p["country"],
            "site": p["site"],
            "kind": "producer",
            "firm": p["firm"],
            "inside": p["inside"],
            "rest_low": p["rest_low"],
            "rest_high": p["rest_high"],
            "total": p["total"],
            "year": p["year"],
            "output": p["quantity"],
            "output_low": p["low"],
            "output_high": p["high"],
            "output_missing": p["missing"],
            "output_year": p["year"],
            "output_source": p["source"],
            "output_grade": p["grade"],
            "published_on": p["published_on"],
            "source": p["source"],
            "grade": p["grade"],
            "note": p["note"],
        }
    )
    cap = b.capacity[["node", "product", "country", "year", "quantity", "low", "high", "source", "grade"]]
    cap = cap.rename(
        columns={
            "quantity": "capacity",
            "low": "capacity_low",
            "high": "capacity_high",
            "source": "capacity_source",
            "grade": "capacity_grade",
        }
    )
    cap = cap.assign(capacity_year=cap["year"])
    keys = dict.fromkeys(("node", "product", "country"), "object")  # an empty column of text has no type to merge on
    nodes = nodes.astype(keys).merge(cap.astype(keys), on=["node", "product", "country", "year"], how="outer")
    nodes["kind"] = "producer"
    nodes["source"] = nodes["source"].fillna(nodes["capacity_source"])
    nodes["grade"] = nodes["grade"].fillna(nodes["capacity_grade"])
    for what in ("unit_cost", "lead_time"):
        nodes = _attach(b, nodes, what)
    ends = [b.links["supplier"], b.links["buyer"], demand["node"]]
    pools = pd.Series(sorted({str(n) for s in ends for n in s.dropna() if str(n).endswith(":demand")}), dtype="object")
    last = b.links.groupby("buyer")["year"].max()
    where = pools.str.replace(":demand", "", regex=False).str.partition("@")
    pool = pd.DataFrame({"node": pools, "kind": "demand"})
    if len(pools):
        pool["product"], pool["country"] = where[0], where[2]
        said = demand.groupby("node")["year"].max()  # of pools that nothing is known to flow into
        pool["year"] = pool["node"].map(last).astype(float)
        for year in (b.made["year"].max() if len(b.made) else np.nan, pool["node"].map(said).astype(float)):
            pool["year"] = pool["year"].fillna(year)
    return pd.concat([nodes, pool], ignore_index=True)


def _attach(b: Build, nodes: pd.DataFrame, what: str) -> pd.DataFrame:
    """Cost or lead time of a producer; the ROW row stands for every producer but China without one."""
    c = b.f["costs"]
    c = c[c["what"] == what].sort_values("year").drop_duplicates(["product", "country"], keep="last")
    fields = {"quantity": what, **{k: f"{what}_{k}" for k in ("low", "high", "year", "source", "grade")}}
    c = c[["product", "country", *fields]].rename(columns=fields)
    out = nodes.merge(c, on=["product", "country"], how="left")
    spare = c[c["country"] == "ROW"].drop(columns="country").set_index("product")
    if not len(spare):
        return out
    lend = out[what].isna() & (out["country"] != "CHN") & out["product"].isin(spare.index)
    for column in fields.values():
        out[column] = out[column].where(~lend, out["product"].map(spare[column]))
    grade = f"{what}_grade"
    out[grade] = out[grade].where(~lend, pd.Series(worst(out[grade], ["C"] * len(out)), index=out.index))
    return out


def _published(
    b: Build, frames: Mapping[str, pd.DataFrame], nodes: pd.DataFrame, links: pd.DataFrame, use: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """When what is derived was known: with the last publication of the figures of the product that it rests on."""
    seen = [frames[k][["product", "published_on"]] for k in ("production", "demand", "sourcing")]
    if len(frames["trade"]):
        pairs = frames["trade"][["hs6", "published_on"]].drop_duplicates()
        seen.append(pairs.merge(frames["concordance"][["hs6", "product"]], on="hs6")[["product", "published_on"]])
    dates = pd.concat(seen, ignore_index=True).dropna().drop_duplicates().astype(str)
    last = last_text(dates, "product", "published_on")
    if not len(last):
        return {}

    def latest(*products: pd.Series) -> pd.Series:
        found = pd.DataFrame({i: p.astype(str).map(last).fillna("") for i, p in enumerate(products)})
        day = found[0].astype("object")
        for i in range(1, len(products)):
            day = day.where((day >= found[i]).to_numpy(dtype=bool), found[i].astype("object"))
        return day.where(day != "", None)

    links, nodes, use = links.copy(), nodes.copy(), use.copy()
    made = links["buyer"].astype(str).str.split("@").str[0]
    links["published_on"] = links["published_on"].astype("object").fillna(latest(links["product"], made))
    use["published_on"] = (
        use["published_on"].astype("object").fillna(latest(use["node"].astype(str).str.split("@").str[0]))
    )
    # A producer of whom only the name is known has no figure that was published.
    figure = nodes[["output", "output_low", "capacity"]].notna().any(axis=1) & (nodes["kind"] == "producer")
    dated = latest(nodes["product"]).where(figure, None)
    ends = pd.concat(
        [links[[c, "published_on"]].set_axis(["node", "day"], axis=1) for c in ("supplier", "buyer")], ignore_index=True
    ).dropna()
    first = last_text(ends, "node", "day", least=True)
    dated = dated.mask(nodes["kind"] != "producer", nodes["node"].map(first).astype("object"))
    nodes["published_on"] = nodes["published_on"].astype("object").fillna(dated)
    return {"nodes": nodes, "links": links, "demand": use}


class _Room(ModuleType):
    """``supplyrisk.assemble`` is the room and, called, the function of the same name that it is built around.

    Importing a submodule binds its name in the package, over the function that ``sr.assemble`` resolves to.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return assemble(*args, **kwargs)


sys.modules[__name__].__class__ = _Room

"""Statistics become a supply graph: who makes it, who gets it, and what it is made of.

One pure function on tables, :func:`assemble`. The atlas uses it, and so do readers of users' own files. Every link
says how it came about (``method``), and nothing that is estimated is graded better than B.

The rules, in the order in which they are applied:

1. A production row of country ``WLD`` is the world total; what the listed producers leave of it is the producer
   ``p@ROW``. A withheld figure stays withheld and is never part of the sum.
2. Trade (``observed``) links the producer ``p@i`` to the pool ``p@j:demand``. An exporter without a production
   record is a producer of unknown output if it exports more than it imports, and a re-exporting pool otherwise.
3. What a producer does not export stays at home (``balanced``). Where the headings cover only part of the trade of
   a product this holds for net importers alone; a net exporter's rest goes to the world pool.
4. Import-source shares (``observed``) link buyers whose trade is not at hand; the unnamed rest is split over the
   other producers in proportion to what they have left, and beyond that over unnamed re-exporters (``assumed``).
5. Where no trade is at hand, industries that need a product draw first on their own country's output
   (``assumed``) and then on the world pool (``world_pool``).
6. Everything a producer has left goes to the world pool ``p@WLD:demand`` (``world_pool``).
7. Recipes link pools to producers. A by-product's host is throughput, not consumption: its links carry no quantity.
8. Final use is what the statistics of use say less what producers draw, else what is left of the inflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .errors import Problem, SchemaError, close_matches
from .graph import SupplyGraph
from .schema import GRADES, TABLES, parse_node_id

__all__ = ["INPUTS", "assemble"]

# Columns of the tables that assemble() reads besides those of the data model; bold facts only, all optional but the
# first few.
INPUTS: dict[str, tuple[str, ...]] = {
    "production": (
        "product",
        "country",
        "site",
        "firm",
        "year",
        "what",
        "quantity",
        "low",
        "high",
        "missing",
        "unit",
        "published_on",
        "source",
        "grade",
        "note",
    ),
    "trade": ("hs6", "origin", "destination", "year", "quantity", "value", "published_on", "source", "grade"),
    "concordance": ("hs6", "product", "factor", "factor_low", "factor_high", "purity", "coverage", "use", "note"),
    "demand": (
        "product",
        "country",
        "use",
        "year",
        "quantity",
        "low",
        "high",
        "missing",
        "published_on",
        "source",
        "grade",
        "note",
    ),
    "sourcing": (
        "product",
        "buyer",
        "supplier",
        "share",
        "year",
        "reliance",
        "imports",
        "published_on",
        "source",
        "grade",
        "note",
    ),
    "costs": (
        "product",
        "country",
        "what",
        "quantity",
        "low",
        "high",
        "year",
        "published_on",
        "source",
        "grade",
        "note",
    ),
}
_REQUIRED = {
    "production": ("product", "country", "year"),
    "trade": ("hs6", "origin", "destination", "year", "quantity"),
    "concordance": ("hs6", "product", "factor"),
    "demand": ("product", "country", "year"),
    "sourcing": ("product", "buyer", "supplier", "share", "year"),
    "costs": ("product", "country", "what", "quantity"),
}
_NUMBERS = ("quantity", "low", "high", "value", "factor", "factor_low", "factor_high", "purity", "share", "reliance")
_RANK = {g: i for i, g in enumerate(GRADES)}
_LINK = (
    "supplier",
    "buyer",
    "product",
    "year",
    "method",
    "value",
    "quantity",
    "low",
    "high",
    "missing",
    "published_on",
    "source",
    "grade",
    "note",
)


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
    nominal: float = 0.1,
    reexport_tolerance: float = 0.05,
    name: str = "assembled",
    as_of: str | None = None,
    history: Sequence[str] = (),
    **tables: pd.DataFrame,
) -> SupplyGraph:
    """Build a graph from tables of production, trade, recipes, use and import sources.

    Parameters
    ----------
    products : DataFrame
        As in the data model.
    production : DataFrame
        ``product, country, year, quantity`` and optionally ``what`` (``output`` or ``capacity``), ``low, high,
        missing, unit, source, grade, note, published_on, site, firm``. Country ``WLD`` is the world total.
    trade : DataFrame, optional
        ``hs6, origin, destination, year, quantity`` (tonnes) and optionally ``value`` (USD). Taiwan, Hong Kong and
        Macao stand apart from China, as in the source. ``ROW`` is what the source lumps together.
    concordance : DataFrame, optional
        ``hs6, product, factor`` (product units per tonne) and optionally ``factor_low, factor_high, purity``,
        ``coverage`` (``complete`` or ``partial``: does the heading hold all trade of the product?), ``use`` (false:
        keep the row as a caveat, make no link). Trade needs it.
    recipes : DataFrame, optional
        As in the data model.
    demand : DataFrame, optional
        ``product, country, year, quantity``: total use in a country, what its producers draw included.
    sourcing : DataFrame, optional
        ``product, buyer, supplier, share`` (0 to 1 of the buyer's imports), optionally ``reliance`` (imports over
        use) or ``imports`` (product units).
    costs : DataFrame, optional
        ``product, country, what`` (``unit_cost`` in USD per product unit, or ``lead_time`` in years), ``quantity``.
        ``ROW`` stands for every producer but China without a row of its own, graded C at best.
    nominal : float
        Part of known world output that a buyer takes whose import shares are known but whose quantity is not:
        an assumption (register id ``A-NOMINAL``) that sets the level only, never the shares. 0 < nominal < 1.
    reexport_tolerance : float
        An exporter without a production record counts as a producer only if its exports exceed its imports by
        more than this part of its exports (assumption ``A-REEXPORT``).
    name, as_of, history
        Passed to :meth:`SupplyGraph.from_tables`.
    **tables : DataFrame
        Further tables of the data model (``sources``, ``holdings``, ``measures`` ...), taken as they are.

    Returns
    -------
    SupplyGraph
        Validated. Estimated links carry a note and are graded B at best.

    Raises
    ------
    SchemaError
        Every unreadable column, unknown product or missing concordance at once.

    Notes
    -----
    Balancing to marginals (iterative proportional fitting) is another step; here nothing observed is altered. If
    attributed exports exceed output, trade is kept and :meth:`SupplyGraph.balance` shows the gap.

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
    >>> g.links[["supplier", "buyer", "quantity", "method"]].values.tolist()[:2]
    [['magnesium.refined@CHN', 'magnesium.refined@CHN:demand', 600.0, 'balanced'], \
['magnesium.refined@CHN', 'magnesium.refined@DEU:demand', 300.0, 'observed']]
    """
    given = {
        "production": production,
        "trade": trade,
        "concordance": concordance,
        "demand": demand,
        "sourcing": sourcing,
        "costs": costs,
    }
    frames, problems = {}, []
    for key, frame in given.items():
        frames[key], found = _read(frame, key)
        problems += found
    problems += _unknown_products(frames, products)
    if len(frames["trade"]) and not len(frames["concordance"]):
        problems.append(
            Problem("trade", "-", "hs6", "no concordance", "", "Give one: hs6, product, factor (units per tonne).")
        )
    if not 0.0 < nominal < 1.0:
        problems.append(Problem("assemble", "-", "nominal", "not between 0 and 1", str(nominal), "Give e.g. 0.1."))
    if problems:
        raise SchemaError(problems, "the tables to assemble")
    build = _Build(products, frames, recipes, nominal, reexport_tolerance)
    out = build.run()
    if "stocks" in tables:
        out["nodes"] = _with_stocks(out["nodes"], tables["stocks"])
    return SupplyGraph.from_tables({**tables, **out}, name=name, as_of=as_of, history=history)


def _with_stocks(nodes: pd.DataFrame, stocks: pd.DataFrame) -> pd.DataFrame:
    """Every stock node that the table of stocks speaks of."""
    ids = pd.Series(sorted(set(stocks["node"].dropna().astype(str)) - set(nodes["node"])), dtype="object")
    if not len(ids):
        return nodes
    parsed = [parse_node_id(i) for i in ids]
    year = stocks.dropna(subset=["year"]).groupby("node")["year"].max()
    new = pd.DataFrame(
        {
            "node": ids,
            "product": [p[0] for p in parsed],
            "country": [p[1] for p in parsed],
            "site": [p[2] for p in parsed],
            "kind": [p[3] for p in parsed],
            "year": ids.map(year),
        }
    )
    return pd.concat([nodes, new], ignore_index=True)


def _read(frame: pd.DataFrame | None, key: str) -> tuple[pd.DataFrame, list[Problem]]:
    """Bring an input table to its columns; numbers become floats, text becomes object with None for nothing."""
    columns = INPUTS[key]
    if frame is None or not len(frame):
        return pd.DataFrame({c: pd.Series(dtype="object") for c in columns}).astype(
            {c: "float64" for c in columns if c in (*_NUMBERS, "year", "imports")}
        ), []
    problems: list[Problem] = []
    for c in frame.columns:
        if c not in columns:
            close = close_matches(str(c), columns)
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known: {', '.join(columns)}."
            problems.append(Problem(key, "-", str(c), "unknown column", "", hint))
    for c in _REQUIRED[key]:
        if c not in frame.columns:
            problems.append(Problem(key, "-", c, "required column is absent", "", f"{key} needs {_REQUIRED[key]}."))
    out: dict[str, Any] = {}
    n = len(frame)
    for c in columns:
        if c not in frame.columns:
            out[c] = np.full(n, np.nan) if c in (*_NUMBERS, "year", "imports") else np.full(n, None, dtype=object)
            continue
        raw = frame[c].reset_index(drop=True)
        if c in (*_NUMBERS, "year", "imports"):
            number = pd.to_numeric(raw, errors="coerce")
            bad = number.isna() & raw.notna() & (raw.astype("string").str.strip() != "")
            for i in np.flatnonzero(bad.to_numpy(dtype=bool)):
                problems.append(Problem(key, f"row {i}", c, "not a number", repr(raw.iloc[i]), "Give a number."))
            out[c] = number.to_numpy(dtype=float)
        else:
            text = raw.astype("object").where(raw.notna(), None)
            out[c] = text.where(text.map(lambda v: v != "" and v is not None), None)
    return pd.DataFrame(out), problems


def _unknown_products(frames: Mapping[str, pd.DataFrame], products: pd.DataFrame) -> list[Problem]:
    known = set(products["product"].astype(str))
    out = []
    for key, frame in frames.items():
        if "product" in frame.columns:
            for p in sorted({str(v) for v in frame["product"].dropna()} - known):
                close = close_matches(p, known)
                hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Add it to products."
                out.append(Problem(key, "-", "product", "not in products", repr(p), hint))
    return out


def _worst(*grades: Any) -> Any:
    """Element-wise worst of grades; nothing known counts as an assumption."""
    ranks = [pd.Series(g).map(_RANK).fillna(len(GRADES) - 1).to_numpy() for g in grades]
    return np.array(GRADES, dtype=object)[np.maximum.reduce(ranks).astype(int)]


def _pool(product: Any, country: Any) -> Any:
    return product.astype(str) + "@" + country.astype(str) + ":demand"


class _Build:
    """The working state of one assembly: outputs, pools and links, each rule one method."""

    def __init__(
        self,
        products: pd.DataFrame,
        frames: Mapping[str, pd.DataFrame],
        recipes: pd.DataFrame | None,
        nominal: float,
        tolerance: float,
    ) -> None:
        self.products = products
        self.f = frames
        self.recipes = TABLES["recipes"].empty() if recipes is None else recipes
        self.nominal, self.tolerance = nominal, tolerance
        self.parts: list[pd.DataFrame] = []
        self.links = pd.DataFrame(columns=list(_LINK))

    def run(self) -> dict[str, pd.DataFrame]:
        """All rules in order."""
        self._outputs()
        self._trade()
        self._domestic()
        self._sources()
        self._needs()
        self._world()
        self._recipes()
        demand = self._use()
        return {
            "products": self.products,
            "recipes": self.recipes,
            "nodes": self._nodes(demand),
            "links": self.links,
            "demand": demand,
        }

    # ------------------------------------------------------------------ producers

    def _outputs(self) -> None:
        """Production in product units, and the rest of the world as the residual of each vintage."""
        p = self.f["production"].copy()
        p["what"] = p["what"].fillna("output")
        units = self.products.set_index("product")["unit"]
        if p["unit"].notna().any():
            from .units import factor

            pairs = p.loc[p["unit"].notna(), ["product", "unit"]].drop_duplicates()
            for product, unit in pairs.itertuples(index=False):
                rows = (p["product"] == product) & (p["unit"] == unit)
                p.loc[rows, ["quantity", "low", "high"]] *= factor(str(unit), str(units[product]))
        p["node"] = p["product"].astype(str) + "@" + p["country"].astype(str)
        p["node"] = p["node"].where(p["site"].isna(), p["node"] + "#" + p["site"].astype(str))
        self.capacity = p[(p["what"] == "capacity") & (p["country"] != "WLD")]
        out = p[p["what"] == "output"]
        listed, world = out[out["country"] != "WLD"], out[out["country"] == "WLD"]
        rest = [self._rest(listed, row) for row in world.to_dict("records")]
        self.production = pd.concat([listed, pd.DataFrame([r for r in rest if r])], ignore_index=True)
        latest = self.production.sort_values("year", kind="stable").drop_duplicates("node", keep="last")
        self.made = latest.set_index("node")
        self.world = world.sort_values("year").drop_duplicates("product", keep="last").set_index("product")

    def _rest(self, listed: pd.DataFrame, total: dict[str, Any]) -> dict[str, Any] | None:
        mine = listed[(listed["product"] == total["product"]) & (listed["year"] <= total["year"])]
        if (mine["country"] == "ROW").any():
            return None
        mine = mine.sort_values("year", kind="stable").drop_duplicates("node", keep="last")
        known = mine["quantity"].sum()
        value = total["quantity"] - known
        if not value > 1e-3 * total["quantity"]:  # rounding of the source, not a producer
            value = 0.0
            if not ((listed["product"] == total["product"]) & (listed["year"] < total["year"])).any():
                return None
        low, high = total["low"] - known, total["high"] - known
        return {
            **{c: total[c] for c in ("product", "year", "what", "published_on", "source")},
            "country": "ROW",
            "node": f"{total['product']}@ROW",
            "quantity": value,
            "low": np.nan if np.isnan(low) else max(0.0, min(low, value)),
            "high": np.nan if np.isnan(high) else max(high, value),
            "grade": _worst([total["grade"]], ["B"])[0],
            "note": "world total less the listed producers",
        }

    # ------------------------------------------------------------------ links

    def _add(self, frame: pd.DataFrame, method: str | None = None, note: str | None = None) -> None:
        if not len(frame):
            return
        frame = frame.copy()
        if method is not None:
            frame["method"] = method
        if note is not None:
            frame["note"] = note
        frame = frame.reindex(columns=list(_LINK))
        gone = frame["quantity"].isna() & frame["missing"].isna()
        frame["missing"] = frame["missing"].astype("object").mask(gone, "unknown")
        self.parts.append(frame)
        self.links = pd.concat(self.parts, ignore_index=True)

    def _flow(self, column: str, known_only: bool = True) -> pd.Series:
        """Known quantity of own product by supplier or buyer."""
        return self.links.groupby(column)["quantity"].sum(min_count=0 if known_only else 1)

    def _trade(self) -> None:
        """Observed flows; exporters are producers or re-exporting pools."""
        con = self.f["concordance"]
        used = con["use"].map(lambda v: str(v).strip().casefold() not in ("false", "0", "no")) if len(con) else []
        con = con[used] if len(con) else con
        self.coverage = (
            con.assign(partial=con["coverage"].astype("string").fillna("complete") == "partial")
            .groupby("product")["partial"]
            .any()
            .to_dict()
        )
        t = self.f["trade"].merge(con.drop(columns=["use"]), on="hs6", how="inner", suffixes=("", "_heading"))
        t = t[t["origin"] != t["destination"]]
        self.traded = set(t["product"].astype(str))
        if not len(t):
            self.exports = self.imports = pd.Series(dtype=float)
            return
        t["low"] = t["quantity"] * t["factor_low"]
        t["high"] = t["quantity"] * t["factor_high"]
        t["quantity"] = t["quantity"] * t["factor"]
        t["mixed"] = t["purity"].isna() | (t["purity"] < 1.0)
        keys = ["product", "origin", "destination", "year"]
        worst = t["grade"].map(_RANK).fillna(len(GRADES) - 1)
        t["rank"] = np.where(t["mixed"], np.maximum(worst, _RANK["B"]), worst)
        flows = t.groupby(keys, as_index=False).agg(
            quantity=("quantity", "sum"),
            low=("low", lambda s: s.sum(min_count=len(s))),
            high=("high", lambda s: s.sum(min_count=len(s))),
            value=("value", lambda s: s.sum(min_count=1)),
            rank=("rank", "max"),
            published_on=("published_on", "max"),
            source=("source", "first"),
            hs6=("hs6", lambda s: ", ".join(sorted(set(s.astype(str))))),
            caveat=("note", "first"),
        )
        flows = flows.sort_values("year").drop_duplicates(keys[:3], keep="last")
        flows["grade"] = np.array(GRADES, dtype=object)[flows["rank"].astype(int)]
        sold = flows.groupby(["product", "origin"])["quantity"].sum()
        got = flows.groupby(["product", "destination"])["quantity"].sum()
        got.index.names = sold.index.names = ["product", "country"]
        self.exports, self.imports = sold, got
        net = sold.sub(got, fill_value=0.0)
        ids = pd.Series(
            net.index.get_level_values(0).astype(str) + "@" + net.index.get_level_values(1).astype(str), index=net.index
        )
        new = (net > self.tolerance * sold.reindex(net.index).fillna(0.0)) & ~ids.isin(self._makers())
        self._new_producers(net[new], int(flows["year"].max()), flows["source"].iloc[0], flows["published_on"].iloc[0])
        producer = flows["product"].astype(str) + "@" + flows["origin"].astype(str)
        flows["supplier"] = producer.where(producer.isin(self._makers()), producer + ":demand")
        flows["buyer"] = _pool(flows["product"], flows["destination"])
        flows["note"] = "HS " + flows["hs6"] + flows["caveat"].map(lambda v: f": {v}" if v else "")
        self._add(flows, "observed")

    def _makers(self) -> set[str]:
        return {str(n).partition("#")[0] for n in self.made.index}

    def _new_producers(self, net: pd.Series, year: int, source: object, published: object) -> None:
        """Net exporters that nobody lists: they make it, nobody says how much, and the unlisted rest bounds it."""
        if not len(net):
            return
        product = net.index.get_level_values(0).astype(str)
        frame = pd.DataFrame(
            {
                "product": product,
                "country": net.index.get_level_values(1).astype(str),
                "year": year,
                "what": "output",
                "quantity": np.nan,
                "low": net.to_numpy(),
                "missing": "unknown",
                "published_on": published,
                "source": source,
                "grade": "assumption",
                "note": "exports more than it imports, so it makes it; at least net exports",
            }
        )
        frame["node"] = frame["product"] + "@" + frame["country"]
        rest = (frame["product"] + "@ROW").map(self.made["high"].fillna(self.made["quantity"]))
        frame["high"] = rest.where(rest >= frame["low"])
        self.production = pd.concat([self.production, frame], ignore_index=True)
        self.made = pd.concat([self.made, frame.set_index("node")])

    def _left(self) -> pd.DataFrame:
        """Producers with what they have not yet sent anywhere; NaN where output is unknown."""
        sent = self._flow("supplier") if len(self.links) else pd.Series(dtype=float)
        out = self.made.reset_index()
        out["left"] = (out["quantity"] - out["node"].map(sent).fillna(0.0)).clip(lower=0.0)
        return out

    def _domestic(self) -> None:
        """What traded producers keep at home."""
        left = self._left()
        left = left[left["product"].isin(self.traded) & (left["country"] != "ROW")]
        if not len(left):
            return
        key = pd.MultiIndex.from_arrays([left["product"], left["country"]])
        net = self.imports.reindex(key).fillna(0.0).to_numpy() - self.exports.reindex(key).fillna(0.0).to_numpy()
        partial = left["product"].map(self.coverage).astype(bool).to_numpy()
        left = left[~partial | (net > 0)]
        left = left.assign(
            supplier=left["node"],
            buyer=_pool(left["product"], left["country"]),
            quantity=left["left"],
            low=np.nan,
            high=np.nan,
            missing=None,
            grade=_worst(left["grade"], ["B"] * len(left)),
        )
        self._add(left[~(left["quantity"] <= 0)], "balanced", "output less exports")

    def _sources(self) -> None:
        """Buyers known by import-source shares."""
        s = self.f["sourcing"]
        s = s[~s["product"].isin(self.traded)]
        if not len(s):
            return
        s = s.sort_values("year").drop_duplicates(["product", "buyer", "supplier"], keep="last")
        level = self._levels(s)
        s = s.merge(level, on=["product", "buyer"])
        producer = s["product"].astype(str) + "@" + s["supplier"].astype(str)
        s["node"] = producer.where(producer.isin(self._makers()), producer + ":demand")
        named = s.assign(
            supplier=s["node"],
            buyer=_pool(s["product"], s["buyer"]),
            quantity=s["share"] * s["level"],
            grade=_worst(s["grade"], ["B"] * len(s)),
            note=s["note"].fillna("import share").astype(str) + s["level_note"],
            year=s["level_year"],
        )
        self._add(named, "observed")
        rest = s.groupby(["product", "buyer"], as_index=False).agg(
            named=("share", "sum"),
            level=("level", "first"),
            year=("level_year", "first"),
            source=("source", "first"),
            published_on=("published_on", "max"),
        )
        rest["open"] = (1.0 - rest["named"]).clip(lower=0.0) * rest["level"]
        self._split_rest(rest[rest["open"] > 1e-9 * rest["level"]], s)

    def _levels(self, s: pd.DataFrame) -> pd.DataFrame:
        """Imports of each buyer: stated, or use times import reliance, or a nominal part of world output."""
        use = self.f["demand"]
        use = use[use["quantity"].notna()].sort_values("year").drop_duplicates(["product", "country"], keep="last")
        use = use.rename(columns={"country": "buyer", "quantity": "used", "year": "use_year"})
        level = s.groupby(["product", "buyer"], as_index=False).agg(
            imports=("imports", "max"), reliance=("reliance", "max"), year=("year", "max")
        )
        level = level.merge(use[["product", "buyer", "used", "use_year"]], on=["product", "buyer"], how="left")
        known = self.made["quantity"].groupby(self.made["product"].astype(str)).sum(min_count=1)
        world = level["product"].map(known).fillna(1.0)
        stated = level["imports"].notna()
        derived = ~stated & level["reliance"].notna() & level["used"].notna()
        level["level"] = np.where(
            stated, level["imports"], np.where(derived, level["reliance"] * level["used"], self.nominal * world)
        )
        level["level_year"] = np.where(derived, level["use_year"], level["year"])
        level["level_note"] = np.where(
            stated,
            "",
            np.where(
                derived,
                "; quantity: use times import reliance",
                f"; quantity unknown: nominal level of {self.nominal:.0%} of known world output (A-NOMINAL), "
                "only the shares are facts",
            ),
        )
        return level[["product", "buyer", "level", "level_year", "level_note"]]

    def _split_rest(self, rest: pd.DataFrame, named: pd.DataFrame) -> None:
        """The unnamed rest of a buyer's imports: other producers by what they have left, then re-exporters."""
        if not len(rest):
            return
        left = self._left()[["node", "product", "country", "left"]].dropna(subset=["left"])
        pairs = rest.merge(left, on="product")
        taken = set(zip(named["product"], named["buyer"], named["supplier"], strict=True))
        free = [
            k not in taken and k[1] != k[2]
            for k in zip(pairs["product"], pairs["buyer"], pairs["country"], strict=True)
        ]
        pairs = pairs[np.array(free, dtype=bool)]
        total = pairs.groupby(["product", "buyer"])["left"].transform("sum")
        pairs = pairs[total > 0].assign(total=total)
        # Two buyers may want the same producer's rest: each gets at most its part of what all of them want.
        wanted = pairs["open"] * pairs["left"] / pairs["total"]
        crowd = wanted.groupby(pairs["node"]).transform("sum")
        pairs["quantity"] = wanted * np.minimum(1.0, np.where(crowd > 0, pairs["left"] / crowd, 1.0))
        common = {"missing": None, "low": np.nan, "high": np.nan, "grade": "assumption"}
        part = pairs[pairs["quantity"] > 0]
        self._add(
            part.assign(supplier=part["node"], buyer=_pool(part["product"], part["buyer"]), **common),
            "assumed",
            "unnamed rest of imports, split over the other producers by what they have left",
        )
        got = pairs.groupby(["product", "buyer"])["quantity"].sum().rename("got").reset_index()
        more = rest.merge(got, on=["product", "buyer"], how="left")
        more["quantity"] = more["open"] - more["got"].fillna(0.0)
        more = more[more["quantity"] > 1e-6 * more["level"]]
        row = pd.Series("ROW", index=more.index)
        self._add(
            more.assign(supplier=_pool(more["product"], row), buyer=_pool(more["product"], more["buyer"]), **common),
            "assumed",
            "unnamed rest of imports beyond what other producers make: unnamed re-exporters",
        )

    def _draws(self) -> pd.DataFrame:
        """Every (producer, input) pair with what the recipe asks for."""
        r = self.recipes
        if not len(r):
            return pd.DataFrame(columns=["node", "product", "country", "input", "quantity", "low", "high", "host"])
        r = pd.DataFrame(
            {
                "product": r["product"].astype(str),
                "input": r["input"].astype(str),
                "coefficient": pd.to_numeric(r["coefficient"], errors="coerce").astype(float),
                "c_low": pd.to_numeric(r.get("low"), errors="coerce") if "low" in r else np.nan,
                "c_high": pd.to_numeric(r.get("high"), errors="coerce") if "high" in r else np.nan,
                "host": r["host"].map(lambda v: str(v).casefold() in ("true", "1", "1.0")) if "host" in r else False,
                "group": r["substitute_group"].astype("object") if "substitute_group" in r else None,
                "r_grade": r["grade"].astype("object") if "grade" in r else None,
                "r_source": r["source"].astype("object") if "source" in r else None,
            }
        )
        r["group"] = r["group"].map(lambda v: v if isinstance(v, str) and v else None)
        r["alternatives"] = (
            r.assign(n=1).groupby(["product", "group"], dropna=True)["n"].transform("size").reindex(r.index).fillna(1)
        )
        r = r.drop_duplicates(["product", "input"])
        d = self.made.reset_index()[["node", "product", "country", "quantity", "low", "high", "year", "grade"]]
        d = d.rename(columns={"quantity": "output", "low": "o_low", "high": "o_high"}).merge(r, on="product")
        d["need"] = d["coefficient"] * d["output"]
        plain = ~d["host"].astype(bool) & (d["alternatives"] <= 1)
        d["quantity"] = d["need"].where(plain)
        top = d["c_high"].fillna(d["coefficient"]) * d["o_high"].fillna(d["output"])
        bottom = d["c_low"].fillna(d["coefficient"]) * d["o_low"].fillna(d["output"])
        stated = d[["c_low", "c_high", "o_low", "o_high"]].notna().any(axis=1)
        d["low"] = bottom.where(plain & stated & d["quantity"].notna())
        d["high"] = top.where((plain & stated & d["quantity"].notna()) | (~plain & ~d["host"].astype(bool)))
        d["grade"] = np.where(d["quantity"].notna(), _worst(d["grade"], d["r_grade"], ["B"] * len(d)), d["r_grade"])
        d["missing"] = np.where(
            d["quantity"].notna(), None, np.where(d["host"].astype(bool), "not_applicable", "unknown")
        )
        return d

    def _needs(self) -> None:
        """Industries and users without trade data draw on their own country first, then on the world pool."""
        draws = self._draws()
        draws = draws[~draws["input"].isin(self.traded)]
        need = draws.groupby(["input", "country"])["quantity"].sum(min_count=1).rename("draw")
        need.index.names = ["product", "country"]
        use = self.f["demand"]
        use = use[use["quantity"].notna() & ~use["product"].isin(self.traded)]
        use = use.sort_values("year").drop_duplicates(["product", "country"], keep="last")
        use = use.set_index(["product", "country"])["quantity"].rename("use")
        both = pd.concat([need, use], axis=1)
        if not len(both):
            return
        both["need"] = both[["draw", "use"]].max(axis=1)
        both = both[both["need"] > 0].reset_index()
        supplied = self._flow("buyer") if len(self.links) else pd.Series(dtype=float)
        both["buyer"] = _pool(both["product"], both["country"])
        both["has"] = both["buyer"].map(supplied)
        left = self._left().groupby("node")["left"].sum(min_count=1)
        year = self.made["year"].groupby(self.made["product"].astype(str)).max()
        both["supplier"] = both["product"] + "@" + both["country"]
        both["own"] = both["supplier"].map(left)
        both["year"] = both["product"].map(year).fillna(max(year.max() if len(year) else 2000, 1900))
        both["short"] = (both["need"] - both["has"].fillna(0.0)).clip(lower=0.0)
        own = both[(both["own"] > 0) & (both["short"] > 0) & (both["country"] != "ROW")]
        self._add(
            own.assign(quantity=np.minimum(own["own"], own["short"]), grade="assumption"),
            "assumed",
            "no trade at hand: what the country needs is taken from its own output first",
        )

    def _world(self) -> None:
        """What is left goes to the world pool; pools that send more than they get draw on it."""
        left = self._left()
        unknown = left["left"].isna() & ~left["product"].isin(self.traded)
        rest = left[(left["left"] > 1e-9) | unknown]
        rest = rest.assign(
            supplier=rest["node"],
            buyer=rest["product"].astype(str) + "@WLD:demand",
            quantity=rest["left"],
            low=np.nan,
            high=np.nan,
            missing=None,
            grade=_worst(rest["grade"], ["B"] * len(rest)),
        )
        self._add(rest, "world_pool", "output that no named buyer accounts for")
        self.pools = {str(b) for b in self.links["buyer"]} if len(self.links) else set()

    def _recipes(self) -> None:
        """Pool to producer, for every input of every recipe; then the pools' own shortfalls."""
        d = self._draws()
        makers = set(self.made["product"].astype(str))
        d = d[d["input"].isin(makers)]
        if len(d):
            own, rest, world = (
                _pool(d["input"], c) for c in (d["country"], pd.Series("ROW", d.index), pd.Series("WLD", d.index))
            )
            pool = own.where(own.isin(self.pools), world.where(world.isin(self.pools), rest))
            d = d[pool.isin(self.pools)].assign(
                supplier=pool, buyer=d["node"], product=d["input"], source=d["r_source"]
            )
            named = ~d["supplier"].str.endswith("@WLD:demand")
            d["method"] = np.where(named, "assumed", "world_pool")
            d["note"] = np.where(
                d["host"].astype(bool),
                "by-product of this throughput, which it does not use up",
                np.where(d["quantity"].notna(), "recipe times output", "needed by the recipe; quantity not known"),
            )
            self._add(d)
        self._shortfalls()

    def _shortfalls(self) -> None:
        """Pools of untraded or partly covered products that give more than they get draw on the world pool."""
        links = self.links
        if not len(links):
            return
        given, got = self._flow("supplier"), self._flow("buyer")
        unsure = set(links.loc[links["quantity"].isna(), "buyer"])
        pools = pd.Series(sorted({s for s in links["supplier"] if str(s).endswith(":demand")}), dtype="object")
        use = self.f["demand"]
        use = use[use["quantity"].notna()].sort_values("year").drop_duplicates(["product", "country"], keep="last")
        used = pd.Series(use["quantity"].to_numpy(), index=_pool(use["product"], use["country"]), dtype=float)
        sourced = (
            set(_pool(self.f["sourcing"]["product"], self.f["sourcing"]["buyer"])) if len(self.f["sourcing"]) else set()
        )
        pools = pd.Series(sorted(set(pools) | {u for u in used.index if u not in sourced}), dtype="object")
        frame = pd.DataFrame({"buyer": pools})
        frame["product"] = frame["buyer"].str.partition("@")[0]
        frame["need"] = np.fmax(
            frame["buyer"].map(given).fillna(0.0),
            frame["buyer"].map(used).where(~frame["buyer"].isin(sourced)).fillna(0.0),
        )
        frame["quantity"] = frame["need"] - frame["buyer"].map(got).fillna(0.0)
        complete = frame["product"].isin({p for p in self.traded if not self.coverage[p]})
        world = frame["product"] + "@WLD:demand"
        frame["supplier"] = world
        keep = (frame["quantity"] > 1e-6 * frame["need"]) & ~complete & (frame["buyer"] != world)
        keep &= world.isin(self.pools) & ~frame["buyer"].isin(unsure)
        year = self.made["year"].groupby(self.made["product"].astype(str)).max()
        frame["year"] = frame["product"].map(year)
        frame["grade"] = "assumption"
        self._add(frame[keep], "world_pool", "sent on or used beyond the known inflow: drawn on the world pool")

    # ------------------------------------------------------------------ use and nodes

    def _use(self) -> pd.DataFrame:
        """Final use of every pool: stated use less what producers draw, else what is left of the inflow."""
        links = self.links
        columns = list(TABLES["demand"].names)
        if not len(links):
            return TABLES["demand"].empty()
        pools = pd.Index(
            sorted({str(n) for c in ("supplier", "buyer") for n in links[c] if str(n).endswith(":demand")})
        )
        got, given = self._flow("buyer"), self._flow("supplier")
        to_producer = links[~links["buyer"].astype(str).str.endswith(":demand")]
        drawn = to_producer.groupby("supplier")["quantity"].sum()
        unsure_in = set(links.loc[links["quantity"].isna(), "buyer"])
        year = links.groupby("buyer")["year"].max()
        published = links.dropna(subset=["published_on"]).groupby("buyer")["published_on"].max()
        stated = self.f["demand"].copy()
        stated["node"] = _pool(stated["product"], stated["country"]) if len(stated) else None
        stated["use"] = stated["use"].fillna("total")
        draw = stated["node"].map(drawn).fillna(0.0) if len(stated) else pd.Series(dtype=float)
        for c in ("quantity", "low", "high"):
            stated[c] = (stated[c] - draw).clip(lower=0.0)
        stated["grade"] = np.where(draw > 0, _worst(stated["grade"], ["B"] * len(stated)), stated["grade"])
        stated["use"] = np.where(stated["use"] == "total", "final", stated["use"])
        silent = pools.difference(pd.Index(stated["node"].dropna().unique()))
        rest = pd.DataFrame({"node": silent.astype("object")})
        rest["quantity"] = (rest["node"].map(got).fillna(0.0) - rest["node"].map(given).fillna(0.0)).clip(lower=0.0)
        rest["low"] = rest["quantity"].where(rest["node"].isin(unsure_in))
        rest["quantity"] = rest["quantity"].where(~rest["node"].isin(unsure_in))
        rest["missing"] = np.where(rest["quantity"].isna(), "unknown", None)
        rest["use"] = "final"
        rest["year"] = rest["node"].map(year).fillna(links["year"].max())
        rest["published_on"] = rest["node"].map(published)
        rest["grade"] = "assumption"
        rest["note"] = "what is left of the inflow"
        known = set(pools)
        stated = stated[stated["node"].isin(known)] if len(stated) else stated
        out = pd.concat([stated, rest], ignore_index=True)
        return out.reindex(columns=[c for c in columns if c in out.columns])

    def _nodes(self, demand: pd.DataFrame) -> pd.DataFrame:
        """All producers and pools; capacity, cost and lead time beside the output."""
        p = self.production
        nodes = pd.DataFrame(
            {
                "node": p["node"],
                "product": p["product"],
                "country": p["country"],
                "site": p["site"],
                "kind": "producer",
                "firm": p["firm"],
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
        cap = self.capacity[["node", "product", "country", "year", "quantity", "low", "high", "source", "grade"]]
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
        nodes = nodes.merge(cap, on=["node", "product", "country", "year"], how="outer")
        nodes["kind"] = "producer"
        nodes["source"] = nodes["source"].fillna(nodes["capacity_source"])
        nodes["grade"] = nodes["grade"].fillna(nodes["capacity_grade"])
        for what in ("unit_cost", "lead_time"):
            nodes = self._attach(nodes, what)
        ends = [self.links["supplier"], self.links["buyer"], demand["node"]]
        pools = pd.Series(
            sorted({str(n) for s in ends for n in s.dropna() if str(n).endswith(":demand")}), dtype="object"
        )
        last = self.links.groupby("buyer")["year"].max()
        where = pools.str.replace(":demand", "", regex=False).str.partition("@")
        pool = pd.DataFrame({"node": pools, "kind": "demand"})
        if len(pools):
            pool["product"], pool["country"] = where[0], where[2]
            pool["year"] = pool["node"].map(last).fillna(self.made["year"].max())
        return pd.concat([nodes, pool], ignore_index=True)

    def _attach(self, nodes: pd.DataFrame, what: str) -> pd.DataFrame:
        """Cost or lead time of a producer; the ROW row stands for every producer but China without one."""
        c = self.f["costs"]
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
        out[grade] = out[grade].where(~lend, pd.Series(_worst(out[grade], ["C"] * len(out)), index=out.index))
        return out

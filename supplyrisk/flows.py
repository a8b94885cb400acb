"""The rules that turn statistics into links; :func:`supplyrisk.assemble.assemble` is the door.

Each rule is one method, applied in the order of :meth:`Build.run`. A rule only ever adds links: what an earlier rule
observed, a later one does not touch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .byproducts import ceilings
from .exporters import TRADERS, net_exporters
from .feeding import UNLISTED, shortfalls, world_feed
from .intervals import DEFAULT_POLICY
from .remainder import bound_by_rest, joined_texts, last_text, share_rest, spanned_values, unsaid_rest, worked_out_on
from .retained import cite_strictest
from .schema import GRADES, TABLES
from .uses import country_use, one_account, without_world
from .vintages import counts, mark, newest_of

__all__ = ["FLOW_METHODS", "NOMINAL", "NOT_SAID_WHO", "TRADERS", "Build", "pool_id", "worst"]

# How flows of a trade table came about, best first: stated, mean of two statements, derived from other figures.
FLOW_METHODS = ("observed", "mirrored", "imputed")
_RANK = {g: i for i, g in enumerate(GRADES)}
_LINK = tuple(c.name for c in TABLES["links"].columns if c.name not in ("valid_from", "valid_to", "origin_tag"))


def _rank(grade: Any) -> int:
    return _RANK.get(grade, len(GRADES) - 1)


def worst(*grades: Any) -> Any:
    """Element-wise worst of grades; nothing known counts as an assumption."""
    ranks = [pd.Series(g).map(_RANK).fillna(len(GRADES) - 1).to_numpy() for g in grades]
    return np.array(GRADES, dtype=object)[np.maximum.reduce(ranks).astype(int)]


def _product(node: Any) -> Any:
    return node.map(lambda n: str(n).partition("@")[0]).astype("object")


def pool_id(product: Any, country: Any) -> Any:
    """Ids of the demand pools of products in countries."""
    return product.astype(str) + "@" + country.astype(str) + ":demand"


# Register id of the assumption that a buyer of unknown volume takes a part of world output: named in the note of such flows.
NOMINAL = "A-NOMINAL"
# Note of flows of which not even the supplier is stated.
NOT_SAID_WHO = "unnamed rest of imports"
# Note of a flow that stands for what a trader may make itself: home make, whoever the supplier is called.
MAY_MAKE = "taken for a trader; what it exports may be its own make"


class Build:
    """The working state of one assembly: outputs, pools and links, each rule one method."""

    def __init__(
        self,
        products: pd.DataFrame,
        frames: Mapping[str, pd.DataFrame],
        recipes: pd.DataFrame,
        nominal: float,
        tolerance: float,
        sources: pd.DataFrame | None = None,
    ) -> None:
        self.products = products
        # Every stated use, and (in place of the table) what each country uses by now; that of earlier years is history.
        self.sources = sources
        stated, gaps = one_account(frames["demand"], sources)
        self.stated_use, beyond = without_world(stated, sources)
        self.use_gaps = pd.concat([gaps, beyond], ignore_index=True) if len(beyond) else gaps
        self.f = {**frames, "demand": country_use(self.stated_use, sources)}
        self.recipes = recipes
        self.nominal, self.tolerance = nominal, tolerance
        self.parts: list[pd.DataFrame] = []
        self.production = pd.DataFrame()
        self.carved: set[str] = set()
        self.links = pd.DataFrame(columns=list(_LINK))
        # What pools are presumed to get at home, for want of trade data.
        self.presumed = pd.Series(dtype=float)

    def run(self) -> Build:
        """All rules in order."""
        self._outputs()
        self._trade()
        self._domestic()
        self._sources()
        self._needs()
        self._world()
        self._recipes()
        self.production = share_rest(self.production)
        return self

    # ------------------------------------------------------------------ producers

    def _outputs(self) -> None:
        """Production in product units, and the rest of the world as the residual of each vintage."""
        p = self.f["production"].copy()
        p["what"] = p["what"].fillna("output")
        p["node"] = p["product"].astype(str) + "@" + p["country"].astype(str)
        p["node"] = p["node"].where(p["site"].isna(), p["node"] + "#" + p["site"].astype(str))
        idle = p[(p["what"] == "capacity") & ~p["node"].isin(p.loc[p["what"] == "output", "node"])]
        idle = idle[~idle["country"].isin(["WLD", "ROW"])]
        p["told"] = p["what"]
        idle = idle.assign(what="output", quantity=np.nan, low=np.nan, high=np.nan, missing="unknown", grade=None)
        p = pd.concat([p, idle.assign(note="only the capacity is published")], ignore_index=True)
        self.capacity = p[(p["what"] == "capacity") & (p["country"] != "WLD")]
        out = p[p["what"] == "output"]
        # Of a statistic of several years the newest year before a total (and today) counts, not each row's newest.
        out = mark(out, ["product", "told"], ["node"], self.sources)
        listed, world = out[out["country"] != "WLD"], out[out["country"] == "WLD"]
        rest: list[dict[str, Any]] = []
        idle_rest: list[dict[str, Any]] = []
        positive: set[str] = set()
        by_product = dict(tuple(listed.sort_values("year", kind="stable").groupby("product")))
        for row in world.sort_values("year", kind="stable").to_dict("records"):
            found = self._rest(by_product.get(row["product"], listed.iloc[:0]), row)
            # A residual of nothing makes and draws nothing; it only says that there is no more, or too much already.
            if found is not None and (found["quantity"] > 0 or row["product"] in positive):
                positive.add(row["product"])
                rest.append(found)
            elif found is not None:
                idle_rest.append(found)
        # Where a source lists the rest itself, its total stands beside it.
        totals = world.dropna(subset=["quantity"]).drop_duplicates(["product", "year"], keep="last")
        totals = totals[["product", "year", "quantity"]].rename(columns={"quantity": "total"})
        listed = listed.merge(totals.assign(country="ROW"), on=["product", "country", "year"], how="left")
        self.production = pd.concat([listed, pd.DataFrame(rest)], ignore_index=True)
        columns = list(dict.fromkeys([*self.production.columns, "inside", "rest_low", "rest_high", "total"]))
        self.production = self.production.reindex(columns=columns)
        self.idle_rest = pd.DataFrame(idle_rest).reindex(columns=columns)
        self.production["inside"] = self.production["inside"].astype("object")
        stated_rest = self.production["country"] == "ROW"  # given as a row, with its own bounds
        for side in ("low", "high"):
            bound = self.production[f"rest_{side}"].astype("float64")
            self.production[f"rest_{side}"] = bound.mask(stated_rest & bound.isna(), self.production[side])
        self.production = bound_by_rest(self.production, self.f["production"], set(self.idle_rest["product"]))
        self.made = newest_of(self.production, "node").set_index("node")
        self.world = world.sort_values("year").drop_duplicates("product", keep="last").set_index("product")

    def _rest(self, listed: pd.DataFrame, total: Mapping[Any, Any]) -> dict[str, Any] | None:
        """World total less the newest figure, of that year or before, of every listed producer; at least 0."""
        if (listed["country"] == "ROW").any() or np.isnan(total["quantity"]):
            return None
        taken = newest_of(listed[listed["year"] <= total["year"]], "node")
        known = taken["quantity"].sum()
        value = total["quantity"] - known
        if not value > 1e-3 * total["quantity"]:  # rounding of the source, not a producer
            value = 0.0
        low, high = total["low"] - known, total["high"] - known
        return {
            **{c: total[c] for c in ("product", "year", "what", "source", "series")},
            "published_on": worked_out_on(total["published_on"], total["year"], taken[taken["quantity"].notna()]),
            "country": "ROW",
            "node": f"{total['product']}@ROW",
            "quantity": value,
            "low": np.nan if np.isnan(low) else max(0.0, min(low, value)),
            "high": np.nan if np.isnan(high) else max(high, value),
            "rest_low": np.nan if np.isnan(low) else max(0.0, min(low, value)),
            "rest_high": np.nan if np.isnan(high) else max(high, value),
            "total": total["quantity"],
            "grade": max(total["grade"] or GRADES[-1], "B", key=_rank),
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

    def flow(self, column: str, known_only: bool = True) -> pd.Series:
        """Known quantity of own product by supplier or buyer."""
        return self.links.groupby(column)["quantity"].sum(min_count=0 if known_only else 1)

    def _trade(self) -> None:
        """Observed flows; exporters are producers or re-exporting pools."""
        con = self.f["concordance"]
        off = con["use"].astype("string").str.strip().str.casefold().isin(["false", "0", "no"])
        con = con[~off.fillna(False).astype(bool)]
        self.coverage = (
            con.assign(partial=con["coverage"].astype("string").fillna("complete") == "partial")
            .groupby("product")["partial"]
            .any()
            .to_dict()
        )
        t = self.f["trade"].merge(con.drop(columns=["use"]), on="hs6", how="inner", suffixes=("", "_heading"))
        t = t[(t["origin"] != t["destination"]).to_numpy()]
        t = t[counts(t, ["product"], ["hs6", "origin", "destination"], self.sources, whole=True)]
        self.traded = set(t["product"].astype(str))
        if not len(t):
            self.exports = self.imports = pd.Series(dtype=float)
            return
        self.trade_year = t.groupby(t["product"].astype(str))["year"].max()
        part = t["purity"].fillna(t["purity_high"]).fillna(1.0)
        bounded = {
            side: t[f"factor_{side}"].notna() | (t[f"purity_{side}"] != 1.0) & t["purity_low"].notna()
            for side in ("low", "high")
        }
        t["mixed"] = t["purity"].isna() | (t["purity"] < 1.0) | (t["purity_low"] < 1.0)
        stated = t[["low", "high"]].notna()  # the flow's own bounds: repaired
        for side, known in bounded.items():
            amount = t["quantity"].where(~stated[side], t[side])
            end = amount * t[f"factor_{side}"].fillna(t["factor"]) * t[f"purity_{side}"].fillna(part)
            t[side] = end.where(known | stated[side])
        half = bounded["low"] & t["low"].notna() & t["high"].isna()  # a basket may hold nothing else
        t["high"] = t["high"].mask(half, t["quantity"] * t["factor"])
        t["quantity"] = t["quantity"] * t["factor"] * part
        span = t["purity_low"].map("{:g}".format) + " to " + t["purity_high"].map("{:g}".format)
        span = span.where(
            t["purity_low"].notna(), t["purity"].map("{:g}".format).where(t["purity"].notna(), "not known")
        )
        t["basket"] = ("basket: purity " + span).where(t["mixed"])
        keys = ["product", "origin", "destination", "year"]
        worst = t["grade"].map(_RANK).fillna(len(GRADES) - 1)
        t["rank"] = np.where(t["mixed"], np.maximum(worst, _RANK["B"]), worst)
        t["how"] = t["method"].map({m: k for k, m in enumerate(FLOW_METHODS)}).fillna(0).astype("int64")
        # Beside a heading with bounds, one without is as wide as its grade.
        width = np.array([DEFAULT_POLICY.by_grade[g] for g in GRADES])[t["rank"].astype(int)]
        for side, sign in (("low", -1.0), ("high", 1.0)):
            several = t[side].notna().groupby([t[k] for k in keys]).transform("any") & t[side].isna()
            t[side] = t[side].mask(several, t["quantity"] * (1.0 + sign * width))
        by = t.groupby(keys)
        flows = by[["quantity", "value"]].sum(min_count=1)
        t = spanned_values(t, keys)
        by, ends = t.groupby(keys), ["low", "high", "value_low", "value_high"]
        bounds = by[ends].sum().where(~t[ends].isna().groupby([t[k] for k in keys]).any())
        flows = flows.join(bounds).join(by[["rank", "how"]].max()).join(last_text(t, keys, "published_on"))
        flows = flows.join(by[["source", "note", "basket"]].first()).rename(columns={"note": "caveat"}).reset_index()
        flows = cite_strictest(flows, t, keys, self.sources, "caveat")
        texts = joined_texts(t[[*keys, "hs6"]].drop_duplicates().sort_values("hs6", kind="stable"), keys, "hs6", ", ")
        flows["hs6"] = texts.reindex(pd.MultiIndex.from_frame(flows[keys])).to_numpy(dtype=object)
        told = t.loc[t["flag"].notna(), [*keys, "flag"]].drop_duplicates().sort_values("flag")
        texts = joined_texts(told, keys, "flag", "; ")
        flows["flag"] = texts.reindex(pd.MultiIndex.from_frame(flows[keys])).to_numpy(dtype=object)
        flows = flows.sort_values("year").drop_duplicates(keys[:3], keep="last")
        flows["grade"] = np.array(GRADES, dtype=object)[flows["rank"].astype(int)]
        sold = flows.groupby(["product", "origin"])["quantity"].sum()
        got = flows.groupby(["product", "destination"])["quantity"].sum()
        got.index.names = sold.index.names = ["product", "country"]
        self.exports, self.imports = sold, got
        net = net_exporters(sold, got, sold.index.get_level_values(0), sold.index.get_level_values(1), self.tolerance)
        ids = net.index.get_level_values(0).astype(str) + "@" + net.index.get_level_values(1).astype(str)
        new = ~ids.isin(self._makers())
        self._new_producers(net[new], flows)
        producer = flows["product"].astype(str) + "@" + flows["origin"].astype(str)
        flows["supplier"] = producer.where(producer.isin(self._makers()), producer + ":demand")
        flows["buyer"] = pool_id(flows["product"], flows["destination"])
        flows["note"] = "HS " + flows["hs6"] + flows["caveat"].map(lambda v: f": {v}" if v else "")
        flows["note"] += flows["basket"].map(lambda v: f"; {v}" if isinstance(v, str) else "")
        flows["note"] += flows["flag"].map(lambda v: f"; {v}" if isinstance(v, str) else "")
        flows["missing"] = pd.Series("not_available", index=flows.index).where(flows["quantity"].isna())
        flows["method"] = np.array(FLOW_METHODS, dtype=object)[flows["how"].astype(int)]
        self._add(flows)
        self._carve_rest()

    def _carve_rest(self) -> None:
        """Unlisted exporters are part of the rest of the world: their exports are taken out of its output."""
        made = self.made
        mine = made["quantity"].isna() & made["missing"].isin(["not_available", "unknown"]) & (made["country"] != "ROW")
        mine |= made["quantity"].isna() & (made["missing"] == "withheld") & made["inside"].notna()
        mine &= made["product"].isin(self.traded) & made["site"].isna()
        key = pd.MultiIndex.from_frame(made.loc[mine, ["product", "country"]])
        sent = pd.Series(self.exports.reindex(key).to_numpy(), index=made.index[mine], dtype=float)
        self._carve(sent.dropna())

    def _carve(self, sent: pd.Series) -> None:
        """Let what unlisted producers are known to send stand for their output, and take it out of the rest.

        What such a producer keeps at home is not known: net exports bound its output from below and the whole rest
        from above. Where they send more than the rest makes, sources contradict: output stays unknown.
        """
        if not len(sent):
            return
        # Who is said to make more than is seen to leave it makes that.
        frame = pd.DataFrame({"sent": np.fmax(sent, self.made["low"].reindex(sent.index).astype(float))})
        frame["rest"] = frame.index.map(lambda n: str(n).partition("@")[0] + "@ROW")
        total = frame.groupby("rest")["sent"].transform("sum")
        frame = frame[total <= frame["rest"].map(self.made["quantity"])]
        if not len(frame):
            return
        taken_out = frame.groupby("rest")["sent"].sum()
        for table, index in ((self.made, self.made.index), (self.production, self.production["node"])):
            own = pd.Series(index).map(frame["sent"]).to_numpy(dtype=float)
            hit = ~np.isnan(own) & table["quantity"].isna().to_numpy()
            table.loc[hit, "quantity"] = own[hit]
            table.loc[hit, "low"] = np.minimum(table.loc[hit, "low"].fillna(0.0), own[hit])
            table.loc[hit, "missing"] = None
            table.loc[hit, "grade"] = "assumption"
            said = table.loc[hit, "note"].fillna("") + "; what it sends stands for its output"
            table.loc[hit, "note"] = said.str.lstrip("; ")
            less = pd.Series(index).map(taken_out).to_numpy(dtype=float)
            rows = ~np.isnan(less)
            for column in ("quantity", "low"):
                table.loc[rows, column] = (table.loc[rows, column] - less[rows]).clip(lower=0.0)
        self.carved |= set(frame.index)

    def _makers(self) -> set[str]:
        return {str(n).partition("#")[0] for n in self.made.index}

    def _new_producers(self, net: pd.Series, flows: pd.DataFrame) -> None:
        """Net exporters that nobody lists: they make it, nobody says how much, and the unlisted rest bounds it."""
        product = pd.Series(net.index.get_level_values(0).astype(str))
        by = flows.groupby(flows["product"].astype(str))
        frame = pd.DataFrame(
            {
                "product": product,
                "country": net.index.get_level_values(1).astype(str),
                "year": product.map(by["year"].max()),
                "low": net.to_numpy(),
                "published_on": product.map(by["published_on"].first()),
                "source": product.map(by["source"].first()),
                "note": "exports more than it imports, so it makes it; at least net exports",
            }
        )
        self._append(frame.assign(node=frame["product"] + "@" + frame["country"]))

    def _append(self, frame: pd.DataFrame) -> None:
        """Producers of unknown output, bounded by the unlisted rest where there is one."""
        if not len(frame):
            return
        frame = frame.assign(what="output", quantity=np.nan, missing="unknown", grade="assumption")
        rest = (frame["product"] + "@ROW").map(self.made["high"].fillna(self.made["quantity"])).astype(float)
        frame["high"] = rest.where(~(rest < frame["low"]))
        frame["inside"] = (frame["product"] + "@ROW").astype("object").where(frame["high"].notna(), None)
        self.production = pd.concat([self.production, frame], ignore_index=True)
        self.made = pd.concat([self.made, frame.set_index("node")])

    def _left(self) -> pd.DataFrame:
        """Producers with what they have not yet sent anywhere; NaN where output is unknown."""
        sent = self.flow("supplier") if len(self.links) else pd.Series(dtype=float)
        out = self.made.reset_index()
        out["left"] = (out["quantity"] - out["node"].map(sent).astype(float).fillna(0.0)).clip(lower=0.0)
        return out

    def _most(self, makers: pd.DataFrame) -> pd.Series:
        """The most that makers can make: a stated bound, else nameplate, which output does not exceed for long."""
        c = self.capacity
        plate = c.assign(top=c["high"].fillna(c["quantity"])).groupby("node")["top"].max()
        return makers["high"].fillna(makers["node"].map(plate).astype(float))

    def _domestic(self) -> None:
        """What traded producers keep at home."""
        left = self._left()
        left = left[left["product"].isin(self.traded)]
        if not len(left):
            return
        key = pd.MultiIndex.from_arrays([left["product"], left["country"]])
        net = self.imports.reindex(key).fillna(0.0).to_numpy() - self.exports.reindex(key).fillna(0.0).to_numpy()
        partial = left["product"].map(self.coverage).astype(bool).to_numpy()
        left = left[~partial | ((net > 0) & (left["country"] != "ROW").to_numpy())]
        left["left"] = left["left"].mask(left["node"].isin(self.carved))  # exports are known, the rest is not
        # What a maker of unknown output keeps is at most what it can make, less what it sends.
        sent = left["node"].map(self.flow("supplier")).astype(float).fillna(0.0) if len(self.links) else 0.0
        most = (self._most(left) - sent).clip(lower=0.0)
        left = left.assign(
            supplier=left["node"],
            buyer=pool_id(left["product"], left["country"]),
            quantity=left["left"],
            low=np.nan,
            high=most.where(left["left"].isna()),
            missing=None,
            grade=worst(left["grade"], ["B"] * len(left)),
            year=np.fmax(left["year"], left["product"].astype(str).map(self.trade_year)),
        )
        self._add(left[~(left["quantity"] <= 0)], "balanced", "output less exports")

    def _sources(self) -> None:
        """Buyers known by import-source shares."""
        s = self.f["sourcing"]
        s = s[~s["product"].isin(self.traded)]
        if not len(s):
            return
        s = s[counts(s, ["product", "buyer"], ["supplier"], self.sources, whole=True)]
        s = s.sort_values("year").drop_duplicates(["product", "buyer", "supplier"], keep="last")
        level = self._levels(s)
        s = s.merge(level, on=["product", "buyer"])
        s["maker"] = s["product"].astype(str) + "@" + s["supplier"].astype(str)
        likely = self._likely_makers(s)
        s["unsaid"] = s["share"].isna()
        known = s["share"].fillna(0.0).groupby([s["product"], s["buyer"]]).transform("sum")
        s["least"] = s["share"].fillna(s["share_low"]).fillna(0.0)
        s["most"] = s["share"].fillna(s["share_high"].fillna(1.0).clip(upper=(1.0 - known).clip(lower=0.0)))
        s["node"] = s["maker"].where(s["maker"].isin(self._makers()), s["maker"] + ":demand")
        named = s.assign(
            supplier=s["node"],
            buyer=pool_id(s["product"], s["buyer"]),
            quantity=s["share"] * s["level"],
            low=s["least"].where(s["unsaid"]) * s["level"],
            high=s["most"].where(s["unsaid"]) * s["level"],
            missing=s["missing"].fillna("not_available").where(s["unsaid"], None),
            # The shares are facts; times a level that nobody gives, the quantity is not.
            grade=np.where(s["nominal"], "assumption", worst(s["grade"], ["B"] * len(s))),
            method=np.where(s["nominal"], "assumed", "observed"),
            note=s["note"].fillna("import share").astype(str) + s["level_note"],
            year=s["level_year"],
        )
        stated = s.loc[s[["imports", "reliance"]].notna().any(axis=1), ["product", "buyer", "source"]]
        used = self.stated_use.rename(columns={"country": "buyer"})[["product", "buyer", "source"]]
        used = used.merge(s.loc[s["level_note"].str.contains("use times"), ["product", "buyer"]].drop_duplicates())
        levels = pd.concat([stated, used]).assign(buyer=lambda f: pool_id(f["product"], f["buyer"]))
        named = cite_strictest(named, levels, ["product", "buyer"], self.sources)
        self._add(named)
        firm = named[named["supplier"].isin(likely) & ~named["nominal"]]
        self._carve(firm.groupby("supplier")["quantity"].sum(min_count=1).dropna())
        rest = s.groupby(["product", "buyer"], as_index=False).agg(
            named=("share", "sum"),
            count=("share", "size"),
            least=("share", "min"),
            unsaid=("unsaid", "any"),
            top=("most", "sum"),
            bottom=("least", "sum"),
            level=("level", "first"),
            year=("level_year", "first"),
            source=("source", "first"),
            published_on=("published_on", "max"),
            nominal=("nominal", "first"),
        )
        # Parts of a nominal level are nominal.
        rest["of"] = np.where(rest["nominal"], f"; of a nominal level ({NOMINAL})", "")
        rest["open"] = (1.0 - rest["named"]).clip(lower=0.0) * rest["level"]
        rest["most"] = (rest["least"] * rest["level"]).where(rest["count"] >= 3)
        open_ = rest["open"] > 1e-9 * rest["level"]
        self._split_rest(rest[open_ & ~rest["unsaid"]], s)
        self._add(unsaid_rest(rest[open_ & rest["unsaid"]], NOT_SAID_WHO), "assumed")

    def _levels(self, s: pd.DataFrame) -> pd.DataFrame:
        """Imports of each buyer: stated, or use times import reliance, or a nominal part of world output."""
        use = self.f["demand"]
        use = use[use["quantity"].notna()]
        use = use.rename(columns={"country": "buyer", "quantity": "used", "year": "use_year"})
        level = s.groupby(["product", "buyer"], as_index=False).agg(
            imports=("imports", "max"), reliance=("reliance", "max"), year=("year", "max")
        )
        level = level.merge(use[["product", "buyer", "used", "use_year"]], on=["product", "buyer"], how="left")
        known = self.made["quantity"].groupby(self.made["product"].astype(str)).sum(min_count=1)
        world = level["product"].map(known).fillna(1.0)
        share = s.assign(node=s["product"].astype(str) + "@" + s["supplier"].astype(str))
        can = share["node"].map(ceilings(self.made, self.links, self.recipes, self.products, self.carved))
        can = can.astype(float) / share.groupby("node")["node"].transform("size")  # all its buyers together
        share["top"] = share["node"].map(self.made["quantity"]).fillna(can) / share["share"]  # no more than it makes
        level = level.merge(share.groupby(["product", "buyer"])["top"].min().reset_index(), on=["product", "buyer"])
        nominal = np.fmin(self.nominal * world.to_numpy(dtype=float), 0.5 * level["top"].to_numpy(dtype=float))
        stated = level["imports"].notna()
        derived = ~stated & level["reliance"].notna() & level["used"].notna()
        level["level"] = np.where(
            stated, level["imports"], np.where(derived, level["reliance"] * level["used"], nominal)
        )
        level["level_year"] = np.where(derived, level["use_year"], level["year"])
        level["level_note"] = np.where(
            stated,
            "",
            np.where(
                derived,
                "; quantity: use times import reliance",
                f"; quantity unknown: a nominal level ({NOMINAL}), only the shares are facts",
            ),
        )
        level["nominal"] = ~stated & ~derived
        return level[["product", "buyer", "level", "level_year", "level_note", "nominal"]]

    def _likely_makers(self, s: pd.DataFrame) -> set[str]:
        """Unlisted suppliers that mine the product, or make what it is made of: producers inside the rest.

        Any other unlisted supplier is a trader, and so are the entrepots (assumption ``A-REEXPORT``).
        """
        stage = self.products.set_index("product")["stage"]
        need = self.recipes.groupby("product")["input"].agg(set).to_dict()
        made = {(str(p), str(c)) for p, c in zip(self.made["product"], self.made["country"], strict=True)}
        new = s[~s["maker"].isin(self._makers()) & ~s["supplier"].isin(TRADERS)].drop_duplicates("maker")
        fits = [
            stage[p] == "mine" or any((str(i), str(c)) in made for i in need.get(p, ()))
            for p, c in zip(new["product"], new["supplier"], strict=True)
        ]
        new = new[np.array(fits, dtype=bool)]
        frame = new[["product", "year", "source", "published_on"]].assign(
            country=new["supplier"], node=new["maker"], low=np.nan, note="named as a supplier and makes what it needs"
        )
        self._append(frame)
        return set(new["maker"])

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
        # A list of the largest suppliers leaves nobody out who sells more than the smallest of them.
        pairs["quantity"] = pairs["quantity"].where(
            pairs["country"] == "ROW", np.fmin(pairs["quantity"], pairs["most"])
        )
        common = {"missing": None, "low": np.nan, "high": np.nan, "grade": "assumption"}
        part = pairs[pairs["quantity"] > 0]
        said = f"{NOT_SAID_WHO}, split over the other producers by what they have left"
        self._add(
            part.assign(
                supplier=part["node"],
                buyer=pool_id(part["product"], part["buyer"]),
                note=said + part["of"].astype(str),
                **common,
            ),
            "assumed",
        )
        got = pairs.groupby(["product", "buyer"])["quantity"].sum().rename("got").reset_index()
        more = rest.merge(got, on=["product", "buyer"], how="left")
        more["quantity"] = more["open"] - more["got"].fillna(0.0)
        more = more[more["quantity"] > 1e-6 * more["level"]]
        row = pd.Series("ROW", index=more.index)
        said = f"{NOT_SAID_WHO} beyond what other producers make: unnamed re-exporters"
        self._add(
            more.assign(
                supplier=pool_id(more["product"], row),
                buyer=pool_id(more["product"], more["buyer"]),
                note=said + more["of"].astype(str),
                **common,
            ),
            "assumed",
        )

    def _draws(self) -> pd.DataFrame:
        """Every (producer, input) pair with what the recipe asks for."""
        if not len(self.recipes):
            return pd.DataFrame(columns=["node", "product", "country", "input", "quantity", "low", "high", "host"])
        table = self.recipes
        r = pd.DataFrame(
            {
                "product": table["product"].astype("object"),
                "input": table["input"].astype("object"),
                "coefficient": table["coefficient"],
                "c_low": table["low"],
                "c_high": table["high"],
                "host": table["host"].fillna(False).astype(bool),
                "group": table["substitute_group"].astype("object"),
                "r_grade": table["grade"].astype("object"),
                "r_source": table["source"].astype("object"),
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
        d["grade"] = np.where(d["quantity"].notna(), worst(d["grade"], d["r_grade"], ["B"] * len(d)), d["r_grade"])
        why = d["host"].astype(bool).map({True: "not_applicable", False: "unknown"}).astype("object")
        d["missing"] = why.where(d["quantity"].isna(), None)
        return d

    def _needs(self) -> None:
        """Industries and users without trade data draw on their own country first, then on the world pool."""
        draws = self._draws()
        draws = draws[~draws["input"].isin(self.traded)]
        need = draws.groupby(["input", "country"])["quantity"].sum(min_count=1).rename("draw")
        need.index.names = ["product", "country"]
        use = self.f["demand"]
        use = use[use["quantity"].notna() & ~use["product"].isin(self.traded)]
        both = pd.concat([need, use.set_index(["product", "country"])["quantity"].rename("use")], axis=1)
        if not len(both):
            return
        both["need"] = both[["draw", "use"]].max(axis=1)
        both = both[both["need"] > 0].reset_index()
        if not len(both):
            return
        supplied = self.flow("buyer") if len(self.links) else pd.Series(dtype=float)
        both["buyer"] = pool_id(both["product"], both["country"])
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
        self.presumed = pd.Series(own[["own", "short"]].min(axis=1).to_numpy(dtype=float), index=own["buyer"])

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
            grade=worst(rest["grade"], ["B"] * len(rest)),
        )
        self._add(rest, "world_pool", "output that no named buyer accounts for")
        self.pools = {str(b) for b in self.links["buyer"]} if len(self.links) else set()
        used = self.f["demand"]  # a stated use holds what industry draws: one pool, whoever feeds it
        self.pools |= {*pool_id(used["product"], used["country"])}

    def _recipes(self) -> None:
        """Pool to producer, for every input of every recipe; then the pools' own shortfalls."""
        d = self._draws()
        makers = set(self.made["product"].astype(str))
        d = d[d["input"].isin(makers)]
        if len(d):
            own, world = pool_id(d["input"], d["country"]), d["input"] + "@WLD:demand"
            traded = d["input"].isin(self.traded)
            # The rest of the world as a maker is not the rest of the world as a customs destination.
            local = own.isin(self.pools) & ~(traded & (d["country"] == "ROW"))
            pool = own.where(local, world)
            d = d[pool.isin(self.pools) | traded].assign(
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
        self._feed_world()

    def _feed_world(self) -> None:
        """Unlisted users of traded products buy of makers, in proportion to what these are known to export."""
        if not len(self.links):
            return
        can = ceilings(self.made, self.links, self.recipes, self.products, self.carved)
        whole = {*self.made["product"][self.made["country"] == "ROW"], *self.world.index}
        fed = world_feed(self.links, self.traded, self.nominal, can, whole)
        new = fed[fed["quantity"].isna()].rename(columns={"supplier": "node"})
        self._append(new[["node", "product", "year"]].assign(country="ROW", low=np.nan, note=UNLISTED))
        # What goes out into the world no longer stays at home: every maker still sends what it makes.
        taken = fed[fed["row"] >= 0].set_index("row")["quantity"]
        at = 0
        for i, part in enumerate(self.parts):
            less = taken.reindex(np.arange(at, at + len(part))).fillna(0.0).to_numpy(dtype=float)
            at += len(part)
            self.parts[i] = part.assign(quantity=(part["quantity"] - less).clip(lower=0.0)) if less.any() else part
        self._add(
            fed.assign(grade="assumption"),
            "world_pool",
            "unlisted users: makers by what they are known to export (level nominal if unknown)",
        )

    def _shortfalls(self) -> None:
        """Pools that give more than they get, or are only presumed to be served at home, draw on the world pool.

        So do users of whom nothing but the use is known.
        """
        if not len(self.links):
            return
        s = self.f["sourcing"]
        use = self.f["demand"]
        told = pool_id(use["product"], use["country"]).isin(pool_id(s["product"], s["buyer"]) if len(s) else [])
        use = use[~told | use["product"].isin(self.traded)]
        partial = {p for p in self.traded if not self.coverage[p]}
        draws = shortfalls(self.links, use, self.traded, partial, self.presumed)
        draws = draws[draws["supplier"].isin(self.pools) | draws["product"].isin(self.traded)]
        year = draws["product"].map(self.made["year"].groupby(self.made["product"].astype(str)).max())
        draws["year"] = year.fillna(draws["year"])
        self._add(draws.assign(grade="assumption"), "world_pool")

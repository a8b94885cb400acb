"""The books of a graph: what does not balance, and which rows stand behind a number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .byproducts import byproduct_limits
from .errors import printable, unknown_name
from .jurisdictions import day_of
from .schema import TABLES, Table, parse_node_id
from .vintages import ESTIMATED, stated_use, today

if TYPE_CHECKING:
    from .graph import SupplyGraph

BoolArray = npt.NDArray[np.bool_]

OVER_REST = "at least more than the rest of the world total"  # in the note of a maker of unknown output

__all__ = ["OVER_REST", "balance", "explain", "latest", "overstated", "stated_day", "whole_rests"]


def latest(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Newest vintage of each key, in canonical order; rows without a year count as oldest."""
    if not len(frame):
        return frame
    order = frame.assign(_y=frame["year"].astype("float64").fillna(-np.inf))
    order = order.sort_values([*key, "_y"], kind="stable")
    return order.drop_duplicates(key, keep="last").drop(columns="_y").reset_index(drop=True)


def stated_day(graph: SupplyGraph) -> str:
    """Day of which a graph speaks, for people; a graph whose rows bear no date says so."""
    return day_of(graph) or "no stated day"


def _until(nodes: pd.DataFrame, since: pd.Series) -> pd.DataFrame:
    """Producers of products with a world total, of its year or before."""
    made = nodes[(nodes["kind"] == "producer") & nodes["product"].isin(since.index)]
    return made[made["year"].astype("float64").fillna(-np.inf) <= made["product"].map(since).astype(float)]


def whole_rests(graph: SupplyGraph) -> pd.DataFrame:
    """What the listed producers leave of each published world total: of the residual, and of all who are inside it.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    DataFrame
        A row per residual ``product@ROW`` with a published total: ``node, product, total, whole``. ``whole`` is the total less
        the newest known output, of its year or before, of everyone who is not inside the residual; never below 0.
    """
    nodes = today(graph.tables, graph.beneath)[0]
    rest = latest(nodes[nodes["total"].notna() & (nodes["country"] == "ROW")], ["node"])
    made = _until(nodes, rest.set_index("product")["year"].astype("float64"))
    made = latest(made[made["output"].notna()], ["node"])
    beside = made[made["inside"].isna() & (made["country"] != "ROW")].groupby("product")["output"].sum()
    out = rest[["node", "product", "total"]].astype({"node": "object", "product": "object"})
    out = out.assign(whole=out["total"] - out["product"].map(beside).astype(float).fillna(0.0))
    return out.assign(whole=out["whole"].where(out["whole"] > 1e-3 * out["total"], 0.0))  # rounding of the source


def overstated(
    graph: SupplyGraph, tolerance: float = 0.02, sent: Literal["known", "all"] | None = None
) -> pd.DataFrame:
    """World totals below what their listed producers make, by more than a relative tolerance.

    Parameters
    ----------
    graph : SupplyGraph
        The graph; a published world total stands in ``total`` of the residual ``product@ROW``.
    tolerance : float
        Part of the listed sum that still counts as rounding of the total.
    sent : {"known", "all"}, optional
        Whether a maker of unknown output counts with what it is known to send, or known or estimated: one inside the rest, and
        one that sends more than the rest holds; not one whose output is withheld from the total too.

    Returns
    -------
    DataFrame
        ``node, product, have, need, rows``: the residual, what is listed (the rest included) for the year of the total (or before it,
        where a producer has no figure for that year), the total, and the figures in words, greatest first.
        A total whose own upper bound reaches the listed sum is none of them. Withheld outputs that are in no total are in no sum.
    """
    nodes = today(graph.tables, graph.beneath)[0]
    rest = latest(nodes[nodes["total"].notna() & (nodes["country"] == "ROW")], ["node"])
    columns = ["node", "product", "have", "need", "rows"]
    if not len(rest):
        return pd.DataFrame(columns=columns)
    since = rest.set_index("product")["year"].astype("float64")
    made = _until(nodes, since)
    # Who exports more than a rest can hold lies in the total all the same; what is withheld may be in none.
    stated = made.loc[made["output"].notna() | (made["country"] == "ROW"), "node"]
    apart = made["output"].isna() & (made["output_missing"] != "withheld").fillna(True) & ~made["node"].isin(stated)
    named = made["node"].where(made["inside"].notna() | apart)
    blank = latest(made[made["node"].isin(named)], ["node"])
    blank = blank[blank["output"].isna() & (blank["inside"].notna() | ~blank["node"].isin(stated))]
    blank = blank[blank["inside"].notna() | (blank["output_missing"] != "withheld").fillna(True)]
    # Of withheld outputs whose least is more than the rest (and which no words leave out) that least counts.
    least = latest(made, ["node"])
    least = least[least["output"].isna() & least["note"].str.contains(OVER_REST, regex=False, na=False)]
    least = least.assign(output=least["output_low"], figure="output at least")
    blank = blank[~blank["node"].isin(least["node"])]
    made = latest(made[made["output"].notna()], ["node"]).assign(figure="output")
    made = pd.concat([made[~made["node"].isin(least["node"])], least], ignore_index=True) if len(least) else made
    if sent and len(blank):
        ix = graph.index
        guess = np.isin(ix.links["method"], list(ESTIMATED)) if sent == "known" else np.zeros(len(ix.links), dtype=bool)
        flows = (
            pd.Series(np.where(guess, np.nan, ix.quantity))
            .groupby(ix.links["supplier"].astype("object").to_numpy())
            .sum(min_count=1)
        )
        blank = blank.assign(output=blank["node"].astype("object").map(flows).astype(float), figure="what is sent")
        made = pd.concat([made[~made["node"].isin(blank["node"])], blank[blank["output"].notna()]], ignore_index=True)
    if sent == "known":  # what the rest makes is an estimate, what it is seen to send is none
        made = made[made["country"] != "ROW"]
    have = made.groupby("product")["output"].sum()
    part = made["inside"].notna() | (made["country"] == "ROW") | ~made["figure"].str.startswith("output")
    listed = made[~part].groupby("product")["output"].sum()
    out = pd.DataFrame({"node": rest["node"], "product": rest["product"], "need": rest["total"].astype(float)})
    out["have"] = rest["product"].map(have).astype(float).fillna(0.0)
    high = rest["rest_high"].fillna(0.0).astype(float)
    most = (rest["product"].map(listed).astype(float).fillna(0.0) + high).where(high > 0, -np.inf)
    room = out["have"] <= most * (1.0 + 1e-9) if sent else high > 0
    out = out[(out["have"] - out["need"] > tolerance * out["have"]) & ~room].reset_index(drop=True)
    told = []
    for row in out.itertuples():
        its = made[(made["product"] == row.product) & (made["output"] > 0)].sort_values("output", ascending=False)
        figures = [f"{w} of {n} = {q:g}" for w, n, q in zip(its["figure"], its["node"], its["output"], strict=True)]
        told.append("; ".join([f"world total of {row.product} = {row.need:g}", *figures]))
    return out.assign(rows=pd.Series(told, index=out.index, dtype="object"))[columns]


def balance(graph: SupplyGraph, tolerance: float = 0.02) -> pd.DataFrame:
    """Every node whose account does not close within a relative tolerance, or cannot be closed.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    tolerance : float
        Relative gap that still counts as closed.

    Returns
    -------
    DataFrame
        ``node, product, account, have, need, gap, relative, status, reason``. Accounts: ``output`` (output against what
        leaves; a maker that sends nothing is a gap too), ``supply`` (inflow against use and what leaves; a pool that sends
        or has a use and gets nothing is a gap too), ``input``
        (inflow of an input against recipe times output, of alternatives together in units of the first, and every essential input of a maker that no link brings: of
        alternatives the first, where none is linked), ``stock`` (what was held and came in, against what is sent; only where
        that is more), ``world`` (at the residual ``product@ROW``: what the listed
        producers make and makers of unknown output send, where that is more than the published world total),
        ``by-product`` (output, or what is sent where that is unknown, against what the throughput of the hosts allows,
        :func:`supplyrisk.byproducts.byproduct_limits`; only what is above). Status ``open`` beyond the tolerance;
        ``unknown`` where the account cannot be closed because a figure is missing. ``reason`` names what is missing, or
        says which side is the greater. A side is
        the sum of its known figures, and NaN where none is known or a use is not: never 0 for what is withheld.
    """
    ix = graph.index
    rows: list[dict[str, Any]] = []
    ids = ix.nodes["node"].to_numpy(dtype=object)
    kind = ix.nodes["kind"].to_numpy(dtype=object)
    prod = ix.nodes["product"].to_numpy(dtype=object)
    # A host's throughput is no flow: it is neither known nor missing.
    flow = ix.links["missing"].astype("object").ne("not_applicable").to_numpy(dtype=bool) | ~np.isnan(ix.quantity)
    blank = np.isnan(ix.quantity) & flow
    out_known = np.bincount(ix.src, np.nan_to_num(ix.quantity), ix.n) if len(ix.src) else np.zeros(ix.n)
    out_count = np.bincount(ix.src, flow, ix.n) if len(ix.src) else np.zeros(ix.n)
    out_gone = np.bincount(ix.src, blank, ix.n) if len(ix.src) else np.zeros(ix.n)
    own = prod[ix.dst] == ix.links["product"].to_numpy(dtype=object) if len(ix.dst) else np.zeros(0, bool)
    in_known = np.bincount(ix.dst, np.nan_to_num(ix.quantity) * own, ix.n) if len(ix.dst) else np.zeros(ix.n)
    in_gone = np.bincount(ix.dst, blank & own, ix.n) if len(ix.dst) else np.zeros(ix.n)
    output = ix.nodes["output"].to_numpy(dtype=float)
    in_count = np.bincount(ix.dst, own & flow, ix.n) if len(ix.dst) else np.zeros(ix.n)
    uses = stated_use(graph).groupby("node")["quantity"]
    use = uses.sum(min_count=1).reindex(ix.position).to_numpy(dtype=float)
    use_gone = (uses.size() - uses.count()).reindex(ix.position).fillna(0).to_numpy(dtype=int)
    withheld = ix.nodes["output_missing"].astype("object").fillna("unknown").to_numpy(dtype=object)
    stocks = latest(graph.tables["stocks"], ["node", "holder"])
    held = stocks["quantity"].astype(float).groupby(stocks["node"].astype("object")).agg(lambda v: v.sum(skipna=False))
    nothing = "no flow in is listed"

    def known(total: float, count: float, gone: float) -> float:
        """A sum of flows; nothing where none of them has a figure."""
        return float("nan") if gone and gone == count else total

    def flows(side: str, count: float, gone: float) -> list[str]:
        return [f"{int(gone)} of {int(count)} flows {side} not known"] if gone else []

    def add(i: int, product: object, account: str, have: float, need: float, why: list[str], said: str) -> None:
        gap = have - need
        scale = max(abs(have), abs(need))
        rel = abs(gap) / scale if scale > 0 else 0.0
        unknown = bool(why) or np.isnan(gap)
        if unknown or rel > tolerance:
            rows.append(
                {
                    "node": ids[i],
                    "product": product,
                    "account": account,
                    "have": have,
                    "need": need,
                    "gap": gap,
                    "relative": np.nan if unknown else rel,
                    "status": "unknown" if unknown else "open",
                    "reason": "; ".join(why) or said,
                }
            )

    for i in range(ix.n):
        out = known(out_known[i], out_count[i], out_gone[i])
        if kind[i] == "producer" and (out_count[i] or not output[i] <= 0):
            why = [] if output[i] == output[i] else [f"output {withheld[i]}"]
            why += flows("out", out_count[i], out_gone[i]) if out_count[i] else ["no flow out is listed"] * len(why)
            said = "more leaves than is made" if out > output[i] else "not all that is made leaves"
            add(i, prod[i], "output", output[i], out, why, said if out_count[i] else "no flow out is listed")
        elif kind[i] == "stock" and out_count[i]:
            kept = held.get(ids[i], np.nan)
            why = [] if kept == kept else ["what it held is not known"]
            why += flows("in", in_count[i], in_gone[i]) + flows("out", out_count[i], out_gone[i])
            if why or out > kept + in_known[i]:
                add(i, prod[i], "stock", kept + in_known[i], out, why, "more is sent than was held and came in")
        elif kind[i] == "demand" and (in_count[i] or out_count[i] or use_gone[i] or not np.isnan(use[i])):
            why = flows("in", in_count[i], in_gone[i]) + flows("out", out_count[i], out_gone[i])
            if np.isnan(use[i]) and (in_gone[i] or in_known[i] > (1.0 + tolerance) * out_known[i] or not out_count[i]):
                # What is not sent on is used, and how much that is nobody says.
                if in_known[i] or in_gone[i] or use_gone[i]:
                    have = known(in_known[i], in_count[i], in_gone[i])
                    add(i, prod[i], "supply", have, np.nan, [*why, "use unknown"], "")
                continue
            why += [f"{use_gone[i]} uses not known"] if use_gone[i] else []
            why += [nothing] if why and not in_count[i] else []
            have = known(in_known[i], in_count[i], in_gone[i])
            need = np.nan if np.isnan(use[i]) and np.isnan(out) else np.nansum([use[i], out])
            said = "less comes in than is used and sent" if have < need else "more comes in than is used and sent"
            add(i, prod[i], "supply", have, need, why, said if in_count[i] else nothing)
    recipe = graph.tables["recipes"]
    coef = recipe.groupby(["product", "input"])["coefficient"].agg(["min", "max", "size"])
    label = recipe["substitute_group"].astype("object").fillna("").astype(str)
    choice = label.groupby([recipe["product"], recipe["input"]]).max().to_dict()
    either: dict[tuple[int, str], list[tuple[str, float, float, float, int, int]]] = {}
    inflow = np.add.reduceat(np.nan_to_num(ix.quantity), ix.segment_start) if len(ix.src) else np.zeros(0)
    gone = np.add.reduceat(blank.astype(int), ix.segment_start) if len(ix.src) else np.zeros(0)
    width = np.add.reduceat(flow.astype(int), ix.segment_start) if len(ix.src) else np.zeros(0)
    for s, (buyer, inp) in enumerate(zip(ix.segment_buyer, ix.segment_product, strict=True)):
        if not width[s] or kind[buyer] != "producer" or prod[buyer] == inp or (prod[buyer], inp) not in coef.index:
            continue
        c = coef.loc[(prod[buyer], inp)]
        need = float(c["min"]) * output[buyer]
        top = float(c["max"]) * output[buyer]
        have = float(inflow[s])
        if group := choice.get((prod[buyer], inp)):  # alternatives meet what is asked together
            its = (str(inp), have, float(c["min"]), float(c["max"]), int(width[s]), int(gone[s]))
            either.setdefault((int(buyer), group), []).append(its)
            continue
        if not need <= have <= top:
            count = int(width[s])
            side = need if have < need or np.isnan(need) else top
            why = [] if output[buyer] == output[buyer] else [f"output {withheld[buyer]}"]
            why += flows("in", count, gone[s])
            said = f"{'less' if have < need else 'more'} than the recipe asks for"
            add(int(buyer), inp, "input", known(have, count, gone[s]), side, why, said)
    for (i, _), parts in sorted(either.items()):
        unit = parts[0][2]  # all of it in units of the first
        most = sum(q * unit / low for _, q, low, _, _, _ in parts if low > 0)
        least = sum(q * unit / high for _, q, _, high, _, _ in parts if high > 0)
        need, count, blanks = unit * output[i], sum(p[4] for p in parts), sum(p[5] for p in parts)
        if not least <= need <= most:
            why = [] if output[i] == output[i] else [f"output {withheld[i]}"]
            why += flows("in", count, blanks)
            said = f"{'less' if most < need else 'more'} than the recipe asks for"
            said += f", of {' or '.join(p[0] for p in parts)} together" if len(parts) > 1 else ""
            have = least if least > need else most
            add(i, parts[0][0], "input", known(have, count, blanks), need, why, said)
    for lack in _not_linked(graph, kind == "producer", out_count > 0).to_dict("records"):
        i = int(lack["code"])
        why = [] if output[i] == output[i] else [f"output {withheld[i]}"]
        add(i, lack["input"], "input", np.nan, lack["coefficient"] * output[i], [*why, lack["reason"]], "")
    limits = byproduct_limits(graph)
    above = limits[limits["status"].isin(["exceeded", "doubtful"])]
    for (node, product, status), hosts in above.groupby(["node", "product", "status"]):
        have = hosts["output"].fillna(hosts["sent"]).iloc[0]
        guess = f"throughput of {' and '.join(hosts['host'])} is an estimate"
        why = [guess] if status == "doubtful" else []
        said = "above what the throughput of its hosts allows"
        add(ix.code(str(node)), product, "by-product", have, hosts["limit"].sum(), why, said)
    for total in overstated(graph, tolerance, sent="all").to_dict("records"):
        said = "more is listed than the published total"
        add(ix.code(total["node"]), total["product"], "world", total["have"], total["need"], [], said)
    columns = ["node", "product", "account", "have", "need", "gap", "relative", "status", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"reason": "string"})


def _not_linked(graph: SupplyGraph, maker: BoolArray, sends: BoolArray) -> pd.DataFrame:
    """Essential inputs of makers that make or send something, and that no link brings; of alternatives the first.

    Returns
    -------
    DataFrame
        ``code`` of the maker, ``input, coefficient`` (the least on record), ``reason``. A host is throughput, no input.
    """
    ix = graph.index
    table = graph.tables["recipes"]
    table = table[(table["input_class"] == "essential") & ~table["host"].fillna(False).astype(bool)]
    r = pd.DataFrame({c: table[c].astype("object") for c in ("product", "input")})
    r["coefficient"] = table["coefficient"].astype(float)
    group = table["substitute_group"].astype("object").fillna("").astype(str)
    r["need"] = r["input"].where(group == "", "\x1f" + group)
    r = r.groupby(["product", "input", "need"])["coefficient"].min().reset_index()
    product = ix.nodes["product"].astype("object")
    active = maker & (sends | (ix.nodes["output"].to_numpy(dtype=float) > 0))
    asked = pd.DataFrame({"code": np.flatnonzero(active), "product": product[active].to_numpy()}).merge(r, on="product")
    linked = pd.MultiIndex.from_arrays([ix.segment_buyer, ix.segment_product])
    asked["got"] = pd.MultiIndex.from_arrays([asked["code"], asked["input"]]).isin(linked)
    lacks = asked[~asked["got"].groupby([asked["code"], asked["need"]]).transform("any")] if len(asked) else asked
    made = set(product[maker])
    rows = []
    for (code, _), its in lacks.groupby(["code", "need"]):
        reason = f"no flow of {' or '.join(its['input'])} in is listed"
        reason += "" if made.intersection(its["input"]) else ", and nobody is listed to make it"
        rows.append({**its.iloc[0][["input", "coefficient"]].to_dict(), "code": code, "reason": reason})
    return pd.DataFrame(rows, columns=["code", "input", "coefficient", "reason"])


def explain(graph: SupplyGraph, what: str, **keys: Any) -> pd.DataFrame:
    """The rows behind a number, down to the source.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    what : str
        A node id (everything said of it), or a table name with key values as keywords.
    **keys
        Column values that rows of the table must have, e.g. ``explain("links", product="ndfeb.magnet")``.

    Returns
    -------
    DataFrame
        A row per figure: ``table, row, quantity, value, low, high, missing, unit, year, method, grade, source,
        title, licence, url, note``. Control characters in its text are escaped: it may be printed. The tables keep
        them.

    Raises
    ------
    UnknownNameError
        The name is neither a node nor a table, or no row matches.
    """
    own = graph.tables["products"]
    units = {str(p): f"{u} ({b})" for p, u, b in zip(own["product"], own["unit"], own["basis"], strict=True)}
    picked: list[tuple[Table, pd.DataFrame]] = []
    if what in TABLES:
        spec = TABLES[what]
        frame = graph.tables[what]
        for k, v in keys.items():
            spec.column(k)
            values = [v] if isinstance(v, str) or not isinstance(v, Iterable) else list(v)
            hit = frame[k].isin(values)
            if not hit.any():
                raise unknown_name(k, v, frame[k].dropna().astype(str).unique(), f"explain({what!r})")
            frame = frame[hit]
        picked.append((spec, frame))
    else:
        graph.index.code(what)
        for name, column in (
            ("nodes", "node"),
            ("demand", "node"),
            ("stocks", "node"),
            ("holdings", "asset"),
            ("links", "buyer"),
            ("links", "supplier"),
        ):
            frame = graph.tables[name]
            picked.append((TABLES[name], frame[frame[column] == what]))
    rows: list[dict[str, Any]] = []
    for spec, frame in picked:
        for record in frame.to_dict("records"):
            product = record.get("product")
            if product is None and "node" in record:
                product = parse_node_id(str(record["node"]))[0]
            for q in spec.quantities:
                told = any(pd.notna(record[c]) for c in (q.name, q.low, q.high, q.grade))
                if not told and (pd.isna(record[q.missing]) or record[q.missing] == "unknown"):
                    continue
                unit = q.unit
                if product in units and "product" in unit:
                    unit = units[str(product)]
                rows.append(
                    {
                        "table": spec.name,
                        "row": " | ".join(str(record[k]) for k in spec.key if pd.notna(record[k]) and record[k] != ""),
                        "quantity": q.name,
                        "value": record[q.name],
                        "low": record[q.low],
                        "high": record[q.high],
                        "missing": record[q.missing],
                        "unit": unit,
                        "year": record[q.year] if pd.notna(record[q.year]) else record.get("year"),
                        "method": record.get("method"),
                        "grade": record[q.grade],
                        "source": record[q.source],
                        "note": record.get("note"),
                    }
                )
    columns = [
        "table",
        "row",
        "quantity",
        "value",
        "low",
        "high",
        "missing",
        "unit",
        "year",
        "method",
        "grade",
        "source",
        "note",
    ]
    out = pd.DataFrame(rows, columns=columns)
    s = graph.tables["sources"].rename(columns={"note": "source_note"})[["source", "title", "licence", "url"]]
    return _printed(out.astype({"source": "string"}).merge(s, on="source", how="left"))


def _printed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it may be shown on a terminal; the tables keep their text as it was read."""

    def shown(v: object) -> object:
        if not isinstance(v, str) or v.isprintable():
            return v
        return "".join(part if part in "\n\t" else printable(part) for part in re.split("([\n\t])", v))

    words = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
    return frame.assign(**{c: frame[c].map(shown, na_action="ignore").astype(frame[c].dtype) for c in words})

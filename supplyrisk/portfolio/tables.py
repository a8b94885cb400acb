"""A solution as plain tables: what to buy, what to build, what it costs, and all the data the model rests on."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..jurisdictions import scope
from .model import Build
from .tiers import derived
from .views import cap_part, told_view

__all__ = [
    "availability",
    "costs",
    "counted_parts",
    "decisions",
    "needs",
    "offers",
    "outbids",
    "plants",
    "re_export_mixes",
    "re_exports",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
# Flows below this part of the group's need are the solver's noise.
NOISE = 1e-9


def _names(m: Build) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    return np.array(m.case.products, dtype=object), np.array(m.unit, dtype=object)


def counted_parts(m: Build, pairs: Any, constraints: Any) -> dict[str, FloatArray]:
    """Focal part of each node in every view of the plan's shares, and as every cap counts it, by name of its column."""
    out = {f"share {'+'.join(focal)} ({view})": cap_part(m, focal, view) for focal, view in pairs}
    for c in constraints:
        a = c.arguments
        if c.name != "max_share" or a["mixing"] == "mass_balance":
            continue
        focal, how = scope(a["focal"], m.graph), {k: a[k] for k in ("rule", "worst", "hazard")}
        how["rule"] = a["rule"] if a["view"] == "control" else "majority"
        name = f"share {'+'.join(focal)} ({told_view(a['view'], **how)})"
        if name not in out:
            out[name] = cap_part(m, focal, a["view"], **how)
    return out


def _yearly(m: Build) -> FloatArray:
    return np.asarray(m.lane_cost * m.period[m.lane_product], dtype=np.float64)


def offers(m: Build, x: FloatArray, taken: BoolArray | None = None) -> pd.DataFrame:
    """Every delivery the plan could choose from, or those in a mask, with what the plan takes of it."""
    at = np.arange(m.n_lanes) if taken is None else np.flatnonzero(taken)
    names, units = _names(m)
    project = np.full(len(at), None, dtype=object)
    start = np.full(len(at), np.nan)
    of = m.project[at]
    if m.candidates is not None and len(m.candidates.frame):
        frame, on = m.candidates.frame, of >= 0
        project[on] = frame["project"].to_numpy(dtype=object)[of[on]]
        start[on] = frame["start"].to_numpy(dtype=float)[of[on]]
    product = m.lane_product[at]
    yearly = _yearly(m)[at]
    return pd.DataFrame(
        {
            "lever": m.lever[at],
            "product": names[product],
            "supplier": m.node[m.supplier[at]],
            "country": m.country[m.supplier[at]],
            "project": project,
            "buyer": m.pool_country[m.pool[at]],
            "upper": m.flow.upper[at],
            "quantity": x[at],
            "unit": units[product],
            "unit_cost": m.lane_cost[at],
            "yearly_cost": yearly,
            "cost": x[at] * yearly,
            "delivers": start,
            "grade": m.lane_grade[at],
        }
    )


def re_exports(m: Build, x: FloatArray) -> pd.DataFrame:
    """Kept re-exports that the model counts by themselves."""
    names, units = _names(m)
    frames = [
        pd.DataFrame(
            {
                "product": names[k],
                "re_exporter": m.node[s.relay],
                "country": m.country[s.relay],
                "buyer": m.pool_country[s.pool],
                "most": s.most,
                "quantity": x[s.keep.at],
                "unit": units[k],
            }
        )
        for k, s in m.sent.items()
    ]
    columns = ["product", "re_exporter", "country", "buyer", "most", "quantity", "unit"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def re_export_mixes(m: Build) -> pd.DataFrame:
    """Makers behind each re-exporter that the model counts by itself, or outbids.

    Over re-exporters, ``part`` times what is kept adds up to at most what the buyer buys of each maker.
    """
    names, _ = _names(m)
    frames = [pd.DataFrame(columns=["product", "re_exporter", "supplier", "part"])]
    for k, s in m.sent.items():
        for relay, mix in ((s.relay, s.mix), *(((o[0], o[2]),) if (o := s.outbid) is not None else ())):
            coo = mix.tocoo()
            who, of = m.node[relay[coo.row]], m.node[coo.col]
            frames.append(pd.DataFrame({"product": names[k], "re_exporter": who, "supplier": of, "part": coo.data}))
    out = pd.concat([f for f in frames if len(f)] or frames, ignore_index=True)
    return out.drop_duplicates(["product", "re_exporter", "supplier"], ignore_index=True)


def outbids(m: Build, x: FloatArray) -> pd.DataFrame:
    """What re-exporters send elsewhere, which the plan can outbid at their mix.

    Deliveries of a maker that exists stay within ``without_outbids`` and ``part`` times these, over the re-exporters.
    """
    names, units = _names(m)
    columns = ["product", "re_exporter", "most", "quantity", "unit"]
    frames = [
        pd.DataFrame(dict(zip(columns, (names[k], m.node[who], column.upper, x[column.at], units[k]), strict=True)))
        for k, s in m.sent.items()
        if s.outbid is not None
        for who, column in ((s.outbid[0], s.outbid[1]),)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def decisions(m: Build, x: FloatArray) -> pd.DataFrame:
    """The deliveries of the plan, dearest first within each product, with what is substituted and put into stock."""
    taken = x[: m.n_lanes] > NOISE * m.lane_size
    out = offers(m, x, taken).drop(columns=["upper", "yearly_cost"])
    more = [f for f in (_substituted(m, x), _stocked(m, x)) if len(f)]
    if more:
        out = pd.concat([out, *(f.reindex(columns=out.columns) for f in more)], ignore_index=True)
    out = out.sort_values(["product", "cost"], ascending=[True, False], kind="stable")
    return out.reset_index(drop=True)


def _substituted(m: Build, x: FloatArray) -> pd.DataFrame:
    """Need that something else takes over: no supplier."""
    frames = []
    names, units = _names(m)
    for relief in m.reliefs:
        product = m.case.pool_product[relief.pool]
        amount = x[relief.at]
        on = (amount > NOISE * m.pool_size[relief.pool]) & (not relief.stock)
        yearly = relief.cost * m.period[product]
        frame = pd.DataFrame(
            {
                "lever": relief.lever,
                "product": names[product],
                "supplier": None,
                "country": None,
                "project": None,
                "buyer": m.pool_country[relief.pool],
                "quantity": amount,
                "unit": units[product],
                "unit_cost": relief.cost,
                "cost": amount * yearly,
                "delivers": np.nan,
                "grade": "assumption",
            }
        )
        frames.append(frame[on])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _stocked(m: Build, x: FloatArray) -> pd.DataFrame:
    """Deliveries into stock, beside the need, in a plan of one year; cost is what they are charged with a year."""
    group = next((g for g in m.matrix.columns if g.name == "stocked"), None)
    if group is None:
        return pd.DataFrame()
    place = {key: i for i, key in enumerate(m.flow.keys)}
    lane = np.array([place[key] for key in group.keys], dtype=np.int64)
    amount = x[group.at]
    flow = np.zeros(m.n_lanes)
    flow[lane] = amount
    paid = next(o for o in m.outlays if o.item == "stock bought")
    out = offers(m, flow, flow > NOISE * m.lane_size)
    usd = np.zeros(m.n_lanes)
    usd[lane] = amount * paid.usd
    return out.assign(lever="stockpile", cost=usd[flow > NOISE * m.lane_size])


def needs(m: Build, x: FloatArray) -> pd.DataFrame:
    """What each pool needs, what the plan's own production adds to it, and what of it stays unmet."""
    case = m.case
    names, units = _names(m)
    return pd.DataFrame(
        {
            "product": names[case.pool_product],
            "buyer": m.pool_country,
            "need": case.need,
            "beyond_today": m.growth,
            "derived": derived(m, x),
            "unit": units[case.pool_product],
            "unmet": x[m.shortfall.at] if m.shortfall is not None else 0.0,
            "unmet_price": np.nan if m.shortfall_price is None else m.shortfall_price,
        }
    )


def _without_outbids(m: Build) -> FloatArray:
    """What producers can deliver without what re-exporters send elsewhere; NaN where that is no limit of its own."""
    out = np.full(m.graph.index.n, np.nan)
    for block in m.matrix.rows:
        if re.fullmatch(r"left_to_relays(_\d+)?", block.name):
            out[m.graph.index.position.get_indexer(pd.Index(block.keys, dtype=object))] = block.upper
    return out[m.rationed]


def availability(m: Build, x: FloatArray) -> pd.DataFrame:
    """What each producer that exists can deliver to the group, by where it comes from, and what the plan uses."""
    names, units = _names(m)
    old = m.project < 0
    return pd.DataFrame(
        {
            "product": names[m.rationed_product],
            "supplier": m.node[m.rationed],
            **{k: v[m.rationed] for k, v in m.availability_parts.items()},
            "available": m.availability[m.rationed],
            "without_outbids": _without_outbids(m),
            "used": np.bincount(m.supplier[old], x[: m.n_lanes][old], m.graph.index.n)[m.rationed],
            "unit": units[m.rationed_product],
        }
    )


def plants(m: Build, x: FloatArray) -> pd.DataFrame:
    """Every project on offer, and whether it is built."""
    columns = ["project", "name", "product", "country", "node", "capacity", "usable", "delivered", "unit", "capex"]
    columns += ["capex_year", "estimated", "annuity", "start", "status", "built", "grade"]
    if m.projects is None or m.candidates is None:
        return pd.DataFrame(columns=columns)
    frame, on = m.candidates.frame, m.project >= 0
    same = (
        "project",
        "name",
        "product",
        "country",
        "node",
        "capacity",
        "capex",
        "estimated",
        "start",
        "status",
        "grade",
    )
    return pd.DataFrame(
        {
            **{c: frame[c].to_numpy() for c in same},
            "usable": m.project_capacity,
            "delivered": np.bincount(m.project[on], x[: m.n_lanes][on], len(frame)),
            "unit": _names(m)[1][m.project_product],
            "annuity": m.project_annuity,
            "built": x[m.projects.at] > 0.5,
            "capex_year": frame["capex_year"].to_numpy(dtype=float) if "capex_year" in frame else np.nan,
        }
    )[columns]


def costs(m: Build, x: FloatArray) -> pd.DataFrame:
    """USD a year by product and item, today and with the plan."""
    case = m.case
    n = len(case.products)
    yearly = _yearly(m)
    kinds = list(dict.fromkeys(m.lever.tolist()))
    items: list[dict[str, Any]] = []
    today = np.bincount(case.pool_product[case.base_pool], case.base * yearly[m.lever == "keep"], n)
    for kind in kinds:
        mine = m.lever == kind
        plan = np.bincount(m.lane_product[mine], (x[: m.n_lanes] * yearly)[mine], n)
        now = today if kind == "keep" else np.zeros(n)
        items += [{"product": p, "item": kind, "today": now[k], "plan": plan[k]} for k, p in enumerate(case.products)]
    if m.projects is not None:
        paid = np.bincount(m.project_product, x[m.projects.at] * m.project_annuity, n)
        items += [{"product": p, "item": "plants", "today": 0.0, "plan": paid[k]} for k, p in enumerate(case.products)]
    if m.shortfall is not None and m.shortfall_price is not None:
        lost = np.bincount(case.pool_product, x[m.shortfall.at] * np.nan_to_num(m.shortfall_price), n) * m.period
        items += [{"product": p, "item": "unmet", "today": 0.0, "plan": lost[k]} for k, p in enumerate(case.products)]
    for outlay in m.outlays:
        paid = np.bincount(outlay.product, x[outlay.col] * outlay.usd, n)
        item = f"{outlay.item} outlay" if outlay.item in kinds else outlay.item  # beside its deliveries
        items += [{"product": p, "item": item, "today": 0.0, "plan": paid[k]} for k, p in enumerate(case.products)]
    out = pd.DataFrame(items, columns=["product", "item", "today", "plan"])
    # One line an item, also where a lever is given twice.
    return out.groupby(["product", "item"], sort=False, as_index=False)[["today", "plan"]].sum()

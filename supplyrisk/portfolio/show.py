"""A plan as text and as HTML: what was asked, what it does, what it costs, what binds, what could go wrong."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from .marginal import dual_words
from .model import GROUP, Build, money
from .recourse import losses
from .risk import LOSS_TIMES_PRICE
from .tiers import draw_terms
from .words import dated, dollars, worth

__all__ = [
    "agreements",
    "cuts",
    "html_of_periods",
    "html_of_plan",
    "risk",
    "scenario_table",
    "summary_of_plan",
    "terms",
]

_ROWS = 20
# Gaps that a summary names.
_NAMED = 3
_STYLE = (
    "<style>.srplan{font-family:sans-serif;font-size:13px;max-width:1060px}.srplan table{font-size:12px;"
    "border-collapse:collapse}.srplan td,.srplan th{padding:1px 6px;text-align:right;overflow-wrap:anywhere;"
    "white-space:normal}.srplan td:first-child,.srplan th:first-child{text-align:left}"
    ".srplan .wide{overflow-x:auto}.srplan h4{margin:10px 0 2px}.srplan ul{margin:2px 0;padding-left:18px}</style>"
)


# ---------------------------------------------------------------------- tables


def agreements(m: Build, x: Any) -> pd.DataFrame:
    """Contracts that are signed and sources that are qualified: what they deliver, and their outlay in USD a year."""
    rows: list[dict[str, Any]] = []
    for kind in ("contract", "qualify"):
        group = next((g for g in m.matrix.columns if g.name == f"{kind}_with"), None)
        if group is None:
            continue
        paid = np.zeros(m.matrix.n)
        for outlay in m.outlays:
            if outlay.item == kind:
                paid[outlay.col] += outlay.usd
        mine = m.lever == kind
        for who, col in zip(group.keys, group.at, strict=True):
            if x[col] > 0.5:
                lanes = np.flatnonzero(mine & (m.node[m.supplier] == who))
                k = int(m.lane_product[lanes[0]]) if len(lanes) else 0
                amount = float(x[lanes].sum())
                row = {"kind": kind, "with": who, "product": m.case.products[k], "quantity": amount, "unit": m.unit[k]}
                rows.append(row | {"outlay": float(paid[col] * x[col])})
    return pd.DataFrame(rows, columns=["kind", "with", "product", "quantity", "unit", "outlay"])


def _levels(goal: Any) -> tuple[float, float]:
    """Level of the CVaR and value of a loss over the price, as the objective has them."""
    alpha, times = 0.95, LOSS_TIMES_PRICE
    for _, term in goal.terms:
        alpha = float(term.arguments.get("alpha", alpha))
        times = float(term.arguments.get("times_price", times))
    return alpha, times


def scenario_table(m: Build, x: Any, goal: Any) -> pd.DataFrame:
    """What happens in each scenario: lost, released, bought at short notice (product units a period), loss in USD a year."""
    columns = ["scenario", "probability", "product", "need", "lost", "released", "rerouted", "unit", "loss"]
    if m.losses is None or m.scenarios is None:
        return pd.DataFrame(columns=columns)
    said = len(m.notes)
    found = losses(m, _levels(goal)[1])
    del m.notes[said:]
    n, k, p = len(m.case.pool), len(found.names), len(m.case.products)
    product = np.tile(m.case.pool_product, k) + np.repeat(np.arange(k), n) * p
    groups = {g.name: g for g in m.matrix.columns}

    def total(name: str) -> Any:
        if name not in groups:
            return np.zeros(k * p)
        return np.bincount(product, x[groups[name].at], k * p)

    again = np.zeros(k * p)
    of_lost = np.zeros(k * p)
    here = np.isin(found.col, m.losses.at)
    np.add.at(of_lost, product, (found.usd * x[found.col])[here])
    if "rerouted" in groups:
        lane, of = m.rerouted
        place = m.lane_product[lane] + of * p
        np.add.at(again, place, x[groups["rerouted"].at])
        np.add.at(of_lost, place, (found.usd * x[found.col])[~here])
    chance = np.full(k, np.nan) if found.probability is None else found.probability
    out = pd.DataFrame(
        {
            "scenario": np.repeat(np.array(found.names, dtype=object), p),
            "probability": np.repeat(chance, p),
            "product": np.tile(np.array(m.case.products, dtype=object), k),
            "need": np.tile(np.bincount(m.case.pool_product, m.case.need, p), k),
            "lost": total("lost"),
            "released": total("release"),
            "rerouted": again,
            "unit": np.tile(np.array(m.unit, dtype=object), k),
            "loss": of_lost,
        }
    )[columns]
    out.attrs["money"] = dollars(m)
    return out


def risk(frame: pd.DataFrame, goal: Any) -> pd.Series:
    """Expected loss, value at risk, CVaR and worst loss of a scenario table, money a year; NaN without probabilities."""
    alpha, _ = _levels(goal)
    each = frame.groupby("scenario", sort=False).agg({"loss": "sum", "probability": "first"})
    loss, p = each["loss"].to_numpy(dtype=float), each["probability"].to_numpy(dtype=float)
    out = {"alpha": alpha, "expected_loss": np.nan, "value_at_risk": np.nan, "cvar": np.nan}
    if len(loss) and not np.isnan(p).any():
        order = np.argsort(loss, kind="stable")
        loss, p = loss[order], p[order]
        below = np.cumsum(p)
        at = min(int(np.searchsorted(below, alpha - 1e-12)), len(loss) - 1)
        out["expected_loss"], out["value_at_risk"] = float(loss @ p), float(loss[at])
        over = np.maximum(loss - loss[at], 0.0)
        out["cvar"] = float(loss[at] + (over @ p) / (1.0 - alpha)) if alpha < 1.0 else float(loss[p > 0].max())
    out["worst_loss"] = float(loss.max()) if len(loss) else np.nan
    return pd.Series(out, name=f"{frame.attrs.get('money', 'USD')} a year", dtype=float)


def terms(m: Build, goal: Any) -> pd.DataFrame:
    """What levers allow and cost beside deliveries and plants: ``lever, product, where, what, value, unit``."""
    rows: list[tuple[str, str, str, str, float, str]] = []
    groups = {g.name: g for g in m.matrix.columns}
    products, usd_of = m.case.products, dollars(m)
    a_year = f"{usd_of} a year"

    def priced(group: Any, item: str) -> Any:
        out = np.zeros(group.n)
        for o in m.outlays:
            if o.item == item:
                hit = (o.col >= group.start) & (o.col < group.start + group.n)
                np.add.at(out, o.col[hit] - group.start, o.usd[hit])
        return out

    for block in m.matrix.rows:
        kind, _, what = block.name.partition("_")
        if kind not in ("contract", "qualify") or what not in ("most", "least"):
            continue
        z = groups[f"{kind}_with"]
        for r, c, v in zip(block.row.tolist(), block.col.tolist(), block.value.tolist(), strict=True):
            if z.start <= c < z.start + z.n:
                name = str(block.keys[r]).partition("@")[0]
                unit = m.unit[products.index(name)] if name in products else ""
                rows.append((kind, name, str(block.keys[r]), f"at {what} a period, once agreed", -v, unit))
    for kind in ("contract", "qualify"):
        if f"{kind}_with" in groups:
            group = groups[f"{kind}_with"]
            for who, usd in zip(group.keys, priced(group, kind).tolist(), strict=True):
                if usd > 0:
                    rows.append((kind, str(who).partition("@")[0], str(who), "outlay", usd, a_year))
    rows += draw_terms(m)
    for relief in m.reliefs:
        if relief.stock or relief.made:
            continue
        for b, most, usd in zip(relief.pool.tolist(), relief.upper.tolist(), relief.cost.tolist(), strict=True):
            p, c = int(m.case.pool_product[b]), str(m.pool_country[b])
            rows.append((relief.lever, products[p], c, "at most a period", most, m.unit[p]))
            rows.append((relief.lever, products[p], c, "price of a unit", usd, f"{usd_of}/{m.unit[p]}"))
    if m.stock is not None and m.stock_known is not None:
        for what, values in (("at most", m.stock.upper), ("on record", m.stock_known)):
            for b, v in enumerate(values.tolist()):
                p = int(m.case.pool_product[b])
                rows.append(("stockpile", products[p], str(m.pool_country[b]), what, v, m.unit[p]))
        for b, v in enumerate(priced(m.stock, "stockpile").tolist()):
            p = int(m.case.pool_product[b])
            rows.append(("stockpile", products[p], str(m.pool_country[b]), "holding", v, f"{a_year}/{m.unit[p]}"))
        if "stocked" in groups:
            usd = priced(groups["stocked"], "stock bought")
            for key, v in zip(groups["stocked"].keys, usd.tolist(), strict=True):
                name = str(key[1]).partition("@")[0]
                unit = m.unit[products.index(name)]
                rows.append(("stockpile", name, f"{key[1]} to {key[2]}", "charge on a delivery", v, f"{a_year}/{unit}"))
    if m.losses is not None:
        said = len(m.notes)
        found = losses(m, _levels(goal)[1])
        del m.notes[said:]
        for b in range(len(m.case.pool)):
            p = int(m.case.pool_product[b])
            rows.append(
                ("scenarios", products[p], str(m.pool_country[b]), "loss of a unit", float(found.usd[b]), a_year)
            )
    return pd.DataFrame(rows, columns=["lever", "product", "where", "what", "value", "unit"])


def cuts(m: Build) -> pd.DataFrame:
    """What scenarios leave of deliveries: a row where it is less than all."""
    columns = ["scenario", "probability", "lever", "supplier", "buyer", "left"]
    if m.scenarios is None:
        return pd.DataFrame(columns=columns)
    left = m.factors
    s, lane = np.nonzero(left < 1.0)
    chance = np.array([np.nan if m.scenarios.assumed else p for p in m.scenarios.probability], dtype=float)
    return pd.DataFrame(
        {
            "scenario": np.array(m.scenarios.names, dtype=object)[s],
            "probability": chance[s],
            "lever": m.lever[lane],
            "supplier": m.node[m.supplier[lane]],
            "buyer": m.pool_country[m.pool[lane]],
            "left": left[s, lane],
        }
    )[columns]


# ---------------------------------------------------------------------- text


def _bought(d: pd.DataFrame) -> list[str]:
    lines: list[str] = []
    new = d[d["lever"].isin(["re-source", "grow", "contract", "qualify", "recycle"])].nlargest(8, "cost")
    verb = {"recycle": "recycle", "contract": "contract", "qualify": "buy, once qualified,"}
    for r in new.itertuples():
        lines.append(f"{verb.get(str(r.lever), 'buy')} {r.quantity:,.6g} {r.unit} more from {r.supplier} for {r.buyer}")
    for r in d[d["lever"] == "substitute"].itertuples():
        lines.append(f"substitute {r.quantity:,.6g} {r.unit} of {r.product} in {r.buyer}")
    return lines


def _stocks(frame: pd.DataFrame) -> list[str]:
    return [
        f"hold {r.added:,.6g} {r.unit} of {r.product} more in stock in {r.buyer} ({r.days:,.3g} days with what is on record)"
        for r in frame[frame["added"] > 1e-9].itertuples()
    ]


def _dangers(plan: Any) -> list[str]:
    frame = plan.scenarios
    if not len(frame):
        return []
    r = plan.risk
    chance = f"expected loss {money(r['expected_loss'])}, CVaR({r['alpha']:g}) {money(r['cvar'])}, "
    lines = [f"over the scenarios: {'' if np.isnan(r['cvar']) else chance}worst loss {money(r['worst_loss'])} a year"]
    for s in frame[frame["loss"] > 0].nlargest(5, "loss").itertuples():
        lines.append(
            f"in {s.scenario}: {s.lost:,.4g} of {s.need:,.4g} {s.unit} of {s.product} lost, {s.released:,.4g} released"
        )
    return lines


def steps_of_periods(plan: Any) -> list[str]:
    """What a plan over several periods signs, substitutes and holds, in words."""
    lines: list[str] = []
    for (kind, who), years in plan.agreements.groupby(["kind", "with"], sort=False)["year"]:
        lines.append(f"{kind} with {who}, {years.iloc[0]} to {years.iloc[-1]}")
    d = plan.decisions
    swapped = d[d["lever"] == "substitute"].groupby(["year", "product", "unit"], sort=False)["quantity"].sum()
    lines += [f"{y}: substitute {q:,.6g} {unit} of {p}" for (y, p, unit), q in swapped.items()]
    if len(plan.stocks):
        held = plan.stocks.groupby(["year", "product", "unit"], sort=False)["added"].sum()
        lines += [f"{y}: {q:,.6g} {unit} of {p} more in stock" for (y, p, unit), q in held.items() if q > 1e-9]
    return lines


def share_words(value: float, low: float, high: float) -> str:
    """A share with its bounds, in words where there is none."""
    if pd.isna(value):
        known = not (pd.isna(low) or pd.isna(high))
        return f"not known [{low:.1%}, {high:.1%}]" if known else "not defined (nothing known arrives)"
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def _left_out(gaps: pd.DataFrame) -> list[str]:
    """What was left out, the first of it by name."""
    said = [f"left out: {g.product}, {g.what} {g.where}: {g.note}" for g in gaps.head(_NAMED).itertuples()]
    more = len(gaps) - _NAMED
    return said + ([f"left out: {more} more; see .gaps"] if more > 0 else [])


def _capital(q: Any) -> str:
    """Capital cost of a plant in money of its own year."""
    said = money(q["capex"])
    if not pd.isna(q.get("capex_year")):
        return f"{said} of {int(q['capex_year'])}"
    return said if not q.get("estimated") else f"{said} (estimate)"


def _beside_cost(written: dict[str, Any]) -> str:
    """What keeps a plan from the least cost: constraints, what it minimises beside cost, or both."""
    more = [t for w, t in written["objective"].terms if w != 0 and t.name != "cost"]
    why = ["the constraints"] if written["constraints"] else []
    if more:
        why.append(f"{' + '.join(map(repr, more))} in the objective")
    return f" without {' and '.join(why)}" if why else ""


def summary_of_plan(plan: Any) -> str:
    """The plan in a dozen lines of text."""
    w, m = plan.written, plan._build
    lines = [
        f"Plan for {', '.join(w['products'])} of {', '.join(w['buyers'])}",
        f"objective {w['objective']}: {worth(plan.objective_value, w['objective'], m)} ({plan.status}, gap "
        f"{plan.gap:.2g}, {plan.solver} {plan.version}, {plan.seconds:.2f} s, seed {plan.seed}, input {plan.fingerprint}, "
        f"question {plan.question})",
    ]
    planned, free = float(plan.costs["plan"].sum()), float(plan.costs["unconstrained"].sum())
    lines.append(
        f"cost a year: {money(planned)} with the plan, {money(planned - free)} more than the least cost of the same need"
        f"{_beside_cost(w)} ({money(free)}); today's deliveries cost {money(float(plan.costs['today'].sum()))}"
    )
    for r in plan.shares.itertuples():
        if r.buyer == GROUP:
            lines.append(
                f"{r.product}: {r.focal} share ({r.view}) {share_words(r.before, r.before_low, r.before_high)}"
                f" -> {share_words(r.after, r.after_low, r.after_high)}"
            )
    for q in plan.plants.to_dict("records"):
        start = "" if pd.isna(q["start"]) else f", from {int(q['start'])}"
        words = f"{q['delivered']:,.6g} {q['unit']}, {_capital(q)}{start}"
        lines.append(f"build {q['project']} ({q['country']}): {words}")
    lines += [*_bought(plan.decisions), *_stocks(plan.stocks)]
    for a in plan.agreements.to_dict("records"):
        if a.get("outlay", 0.0) > 0:
            lines.append(f"{a['kind']} {a['with']}: {money(a['outlay'])} a year")
    lines += _dangers(plan)
    lines += [f"binds: {b}" for b in plan.binding]
    own = dual_words(plan, both=False)
    spoken = own[own["constraint"].isin([repr(c) for c in w["constraints"]])]
    lines += [str(s) for s in spoken["meaning"].head(5) if s]
    lines += [f"note: {n}" for n in plan.notes]
    lines += _left_out(plan.gaps)
    return dated("\n".join(lines), m)


# ---------------------------------------------------------------------- HTML


def _figure(x: float) -> str:
    """A number for people: no powers of ten, no noise of the solver.

    Examples
    --------
    >>> _figure(2237190000.0), _figure(14157.68), _figure(0.0123), _figure(5e-9)
    ('2,237,190,000', '14,158', '0.0123', '0')
    """
    size = abs(x)
    if size >= 1000.0:
        return f"{x:,.0f}"
    return f"{x:,.4g}" if size >= 1e-4 else "0"


def _whole(x: float) -> str:
    return f"{x:,.0f}".replace("-0", "0") if abs(x) < 0.5 else f"{x:,.0f}"


def _percent(x: float) -> str:
    return f"{x:.1%}"


def _table(
    title: str, frame: pd.DataFrame, columns: Iterable[str] | None = None, digits: Callable[[float], str] = _figure
) -> str:
    if not len(frame):
        return ""
    shown = frame if columns is None else frame[[c for c in columns if c in frame]]
    shown = shown.rename_axis(columns=None)
    text: dict[str, Any] = {str(c): shown[c].where(shown[c].notna(), "") for c in shown if shown[c].dtype == object}
    text |= {str(c): ["" if pd.isna(y) else str(y).removesuffix(".0") for y in shown[c]] for c in shown if c in _YEARS}
    shown = shown.assign(**text)
    more = f" <small>({len(shown):,} rows, the first {_ROWS})</small>" if len(shown) > _ROWS else ""
    body = shown.head(_ROWS).to_html(index=False, float_format=digits, border=0, na_rep="")
    return f"<h4>{html.escape(title)}{more}</h4><div class='wide'>{body}</div>"


def _group_first(shares: pd.DataFrame) -> pd.DataFrame:
    """Rows of the group as a whole before those of single buyers."""
    return shares.iloc[np.argsort((shares["buyer"] != GROUP).to_numpy(), kind="stable")]


def _list(title: str, items: Iterable[str]) -> str:
    lines = [f"<li>{html.escape(x)}</li>" for x in items]
    return f"<h4>{html.escape(title)}</h4><ul>{''.join(lines)}</ul>" if lines else ""


def _asked(plan: Any) -> str:
    w = plan.written
    rows = [
        ("buyers", ", ".join(w["buyers"])),
        ("products", ", ".join(w["products"])),
        ("objective", repr(w["objective"])),
        ("constraints", "; ".join(map(repr, w["asked"])) or "none"),
        ("levers", "; ".join(map(repr, w["levers"]))),
        ("scenarios", ", ".join(map(str, w["scenarios"] or ())) or "none"),
    ]
    return "<ul>" + "".join(f"<li><b>{k}</b> {html.escape(v)}</li>" for k, v in rows) + "</ul>"


def _foot(plan: Any) -> str:
    return (
        f"<small>{plan.status}, {plan.solver} {plan.version}, gap {plan.gap:.2g}, {plan.seconds:.2f} s, seed {plan.seed}, "
        f"input {plan.fingerprint}, question {plan.question}</small>"
    )


# Pools of which a page tells what one unit more costs.
_FEW = 40
# Years are names, not amounts.
_YEARS = ("year", "start", "capex_year", "decided", "delivers", "until")
_DECIDED = ("year", "lever", "product", "supplier", "buyer", "quantity", "unit", "unit_cost", "cost", "grade")
_SHARES = ("product", "buyer", "focal", "view", "before", "after", "after_low", "after_high", "model")
_PLANTS = (
    "project",
    "product",
    "country",
    "capacity",
    "delivered",
    "unit",
    "capex",
    "capex_year",
    "annuity",
    "start",
    "status",
)


def _plants(frame: pd.DataFrame) -> pd.DataFrame:
    year = ["not recorded" if pd.isna(y) else str(int(y)) for y in frame["capex_year"]]
    return frame.assign(capex_year=pd.Series(year, index=frame.index, dtype=object))


def _words(plan: Any) -> str:
    few = len(plan._build.case.pool) <= _FEW  # of many needs each would have to be solved for
    found = plan.duals if few else dual_words(plan, both=False)
    said = [str(x) for x in found["meaning"].head(8) if x]
    return _list("Binding constraints", plan.binding) + _list("Marginal values", said)


def html_of_plan(plan: Any) -> str:
    """A plan of one year as HTML that fits into 1,100 pixels."""
    m, goal = plan._build, plan.written["objective"]
    usd = dollars(m)
    parts = [
        f"<b>Portfolio</b> {html.escape(plan.status)}, {html.escape(worth(plan.objective_value, goal, m))}",
        _asked(plan),
        _table("Focal shares, the group first", _group_first(plan.shares), _SHARES, _percent),
        _table(f"Costs, {usd} a year", plan.costs, None, _whole),
        _table(f"Decisions, costs in {usd}", plan.decisions, _DECIDED),
        _table(
            "Plants, capital cost in USD of its own year, annuity in the same a year", _plants(plan.plants), _PLANTS
        ),
        _table(f"Contracts and qualified sources, outlay in {usd} a year", plan.agreements),
        _table(f"Stocks, {usd}", plan.stocks[plan.stocks["added"] > 1e-9]),
        _table(f"Scenarios, loss in {usd} a year", plan.scenarios),
        _table(f"Risk, {usd} a year", plan.risk.to_frame().T) if len(plan.scenarios) else "",
        _words(plan),
        _list("Notes", plan.notes),
        _foot(plan),
    ]
    return f"<div class='srplan'>{_STYLE}{''.join(parts)}</div>"


def html_of_periods(plan: Any) -> str:
    """A plan over several periods as HTML that fits into 1,100 pixels."""
    m, goal = plan._build, plan.written["objective"]
    usd = dollars(m)
    group = plan.shares[plan.shares["buyer"] == GROUP]
    wide = group.pivot_table(index=["product", "focal", "view"], columns="year", values="after", observed=True)
    total = plan.costs.pivot_table(index="item", columns="year", values="plan", aggfunc="sum").reset_index()
    grown = plan.decisions[plan.decisions["lever"] != "keep"]
    flows = grown.pivot_table(
        index=["lever", "product", "supplier", "unit"], columns="year", values="quantity", aggfunc="sum"
    ).reset_index()
    stocks = plan.stocks[plan.stocks["added"] > 1e-9] if len(plan.stocks) else plan.stocks
    moved = plan.releases
    parts = [
        f"<b>Plan {plan.years[0]} to {plan.years[-1]}</b> {html.escape(plan.status)}, "
        f"{html.escape(worth(plan.objective_value, goal, m, present=True))}",
        _asked(plan),
        _table("Focal share of the group after the plan", wide.reset_index(), None, _percent),
        _table(f"Plants, capital cost in {usd}", plan.schedule),
        _table("Contracts and qualified sources", plan.agreements),
        _table(f"Costs, {usd} a year", total, None, _whole),
        _table("What is new: quantities a period", flows),
        _table("Stocks at the end of each period", stocks),
        _table("Stock released and need lost in scenarios", moved[moved[["released", "lost"]].sum(axis=1) > 1e-9]),
        _words(plan),
        _list("Notes", plan.notes),
        _foot(plan),
    ]
    return f"<div class='srplan'>{_STYLE}{''.join(parts)}</div>"

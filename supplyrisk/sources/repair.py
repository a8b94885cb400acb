"""Repair of trade statistics: asked for, never automatic; the original stands beside, every row says what was done.

Four steps, each a function of its own and all together in :func:`repair`: sub-totals and duplicates out
(:func:`dedupe`), the two sides of a flow brought to one (:func:`reconcile`), missing and absurd weights from unit
values (:func:`fill_weights`), re-exports traced to where the goods were made (:func:`trace_origins`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError
from ..intervals import DEFAULT_POLICY
from ..schema import GRADES
from .repair_origins import OPEN, PASSED, RULES, TRACED, both, measured, need, say, trace, trace_origins, weaker

__all__ = ["Repaired", "dedupe", "fill_weights", "reconcile", "repair", "trace_origins"]

FILLED, MIRRORED = "weight from unit values", "mirror average"
_IMPUTED = DEFAULT_POLICY.by_grade["C"]  # half-width of a weight imputed from unit values that are all equal
BESIDE = "month beside the figure of its year"
APART = "the two sides differ more than threefold"
_TRADE = ("hs6", "origin", "destination", "year", "quantity", "low", "high", "value", "value_low", "value_high", "method", "flag", "published_on",
          "source", "grade")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Repaired:
    """Repaired trade and what was done to it.

    Parameters
    ----------
    trade : DataFrame
        ``year, hs6, origin, destination, value, quantity`` and beside them ``value_original, quantity_original``,
        ``flag`` (what was wrong) and ``method`` (what was done); empty where nothing was.
    report : dict
        Rows touched by each step and, as ``tonnage_imputed``, the share of tonnage that no statistic states: filled
        weights, and means of two sides that differ. After tracing also the share of what remains that was given another
        origin (``quantity_traced``), that may yet have another (``quantity_open``) and of whose makers nobody says anything
        (``quantity_of_unsaid_makers``: left as reported); ``value_`` with ``by="value"``.
    rules : tuple of str
        The rules in words by which re-exports were told from own make; empty where nothing was traced.
    """

    trade: pd.DataFrame
    report: dict[str, float]
    rules: tuple[str, ...] = ()

    @property
    def inputs(self) -> dict[str, pd.DataFrame]:
        """The trade alone, as :func:`supplyrisk.assemble.assemble` takes it.

        ``low`` and ``high`` (t) where repair states them; ``method`` as links have it: ``imputed`` (weight from unit values,
        origin traced), ``mirrored`` (mean of two sides) or ``observed``; ``flag`` says what was found and done. Grades are
        C at best where a weight is imputed (whose width is the grade's where its quartiles meet) or two sides are more than threefold apart, B where else a figure was altered or its
        origin is open; there the grade's width comes on top of the bounds of the origin.
        Flows that were passed on whole, or came back to their maker, are left out.
        """
        full = self.trade
        text = full["method"] if "method" in full else pd.Series("", index=full.index, dtype="object")
        flag = full["flag"] if "flag" in full else text.mask(text != "", "")
        trade = full[[c for c in _TRADE if c in full.columns]].copy()
        filled = text.str.contains(FILLED, regex=False)
        traced = text.str.contains(TRACED, regex=False) & flag.str.contains("through others|passed on", regex=True)
        mirrored = text.str.contains(MIRRORED, regex=False)
        trade["method"] = np.select([filled | traced, mirrored], ["imputed", "mirrored"], "observed")
        trade["flag"] = (flag + ": ").where((flag != "") & (text != ""), flag) + text
        if {"low", "high"} <= set(trade.columns):  # where quartiles meet the width is the grade's, which grows with age
            off = (trade["low"] / trade["quantity"] - (1.0 - _IMPUTED)).abs()
            off += (trade["high"] / trade["quantity"] - (1.0 + _IMPUTED)).abs()
            point = (filled & (off <= 1e-9)).to_numpy()
            trade.loc[point, ["low", "high"]] = np.nan
        doubtful = flag.str.contains(OPEN, regex=False)
        if "grade" in trade:
            weak = filled | flag.str.contains(APART, regex=False)
            trade["grade"] = weaker(weaker(trade["grade"], (text != "") | doubtful, "B"), weak, "C")
        if doubtful.any():  # who made it is one doubt, how much there is another
            width = (
                trade["grade"].map(dict(DEFAULT_POLICY.by_grade)) if "grade" in trade else text.map(lambda _: np.nan)
            )
            width = width.astype("float64").fillna(DEFAULT_POLICY.by_grade["assumption"])
            trade["low"] = trade["low"].mask(doubtful, trade["low"] * (1.0 - width))
            trade["high"] = trade["high"].mask(doubtful, trade["high"] * (1.0 + width))
        gone = (full["quantity"] == 0) & flag.str.contains(rf"(?:^|; ){PASSED}(?:;|$)", regex=True)
        gone |= full["origin"] == full["destination"]
        return {"trade": trade[~gone]}


def _kept(keep: pd.Series) -> pd.Series:
    """Which rows a reader keeps; also from a file that holds the column as text."""
    text = keep.astype("object").map(lambda v: str(v).strip().casefold())
    known = text.isin(["true", "1", "1.0", "false", "0", "0.0"])
    if not known.all():
        bad = ", ".join(sorted(set(text[~known])))
        remedy = "Give true or false on every row, or leave the column out."
        raise SchemaError([Problem("trade", "-", "keep", "neither true nor false", bad, remedy)], "the flows to repair")
    return text.isin(["true", "1", "1.0"])


def dedupe(
    flows: pd.DataFrame,
    keys: Iterable[str] = ("year", "month", "reporter", "partner", "area", "hs6", "flow"),
    tolerance: float = 0.02,
) -> pd.DataFrame:
    """Find rows that repeat a flow or are parts of one that is there as a whole.

    Statistics broken down by transport, customs procedure or second partner hold the whole beside its parts. The whole
    is never smaller than a part, so of the rows with one key the largest is kept. Months are flows of their own, unless
    the year's figure of the same flow is there (a row without a month): they are parts of it.

    Parameters
    ----------
    flows : DataFrame
        With ``value`` in USD, the keys, and optionally ``quantity``.
    keys : iterable of str
        What makes a flow; those that are no columns are passed over. ``area``: of which part of ``ROW`` it is.
    tolerance : float
        Relative gap at which parts still add up to the whole, or to a multiple of it.

    Returns
    -------
    DataFrame
        All rows, with ``keep`` and ``flag``: ``exact duplicate``; ``part of a total`` where the parts add up to it
        once or several times; ``smaller than another row of the key`` where they do not, which deserves a look;
        ``month beside the figure of its year``.

    Examples
    --------
    >>> f = pd.DataFrame({"year": 2022, "reporter": "USA", "partner": "CHN", "hs6": "850511", "flow": "M",
    ...     "value": [100.0, 60.0, 40.0, 100.0]})
    >>> dedupe(f)[["keep", "flag"]].values.tolist()
    [[True, ''], [False, 'part of a total'], [False, 'part of a total'], [False, 'exact duplicate']]
    """
    keys = [k for k in keys if k in flows.columns]
    need(flows, ["value", "hs6"], "dedupe")
    out = flows.reset_index(drop=True).copy()
    amounts = [c for c in ("value", "quantity") if c in out]
    months = _months(out)
    key = out.assign(month=months)[keys].groupby(keys, dropna=False).ngroup() if keys else months * 0
    held = out[amounts].assign(_key=key)
    same = held.duplicated()
    order = held.assign(_same=same).sort_values(
        ["_same", *amounts], ascending=[True, *[False] * len(amounts)], kind="stable"
    )
    first = ~order.duplicated("_key")
    whole = order[first].set_index("_key")["value"]
    out["keep"] = first.reindex(out.index)
    rest = held[~same & ~out["keep"]]
    parts = rest.groupby("_key")["value"].sum()
    ratio = (parts / whole.reindex(parts.index)).replace([np.inf, -np.inf], np.nan)
    near = ratio.round()
    adds = (near >= 1) & ((ratio - near).abs() <= tolerance * near)
    fits = key.map(adds).eq(True)
    flag = pd.Series("smaller than another row of the key", index=out.index, dtype="object")
    flag = flag.mask(fits, "part of a total").mask(same, "exact duplicate").mask(out["keep"], "")
    if "month" in keys:
        inside = _beside(out, keys)
        flag = flag.mask(inside & out["keep"], BESIDE)
        out["keep"] &= ~inside
    out["flag"] = flag
    return out


def _beside(flows: pd.DataFrame, keys: Iterable[str]) -> pd.Series:
    """Months of a flow whose figure for the year is there as well."""
    month = _months(flows)
    within = [flows[k] for k in keys if k in flows.columns and k not in ("month", "area")]
    if not within or not (month > 0).any():
        return pd.Series(False, index=flows.index)
    yearly = (month == 0) & flows["value"].notna()
    return (month > 0) & yearly.groupby(within, dropna=False).transform("any")


def _months(flows: pd.DataFrame) -> pd.Series:
    """Month of each row, 0 where it is of a whole year."""
    if "month" not in flows.columns:
        return pd.Series(0.0, index=flows.index)
    given = flows["month"]
    text = given.astype("string").str.strip()
    month = pd.to_numeric(text, errors="coerce").astype("float64")
    odd = (month.isna() & (text.fillna("") != "")) | (month.notna() & ~month.isin(range(13)))
    if odd.any():
        bad = ", ".join(sorted(set(given[odd].astype(str)))[:5])
        raise SchemaError([Problem("flows", "-", "month", "not a month", bad, "Give 1 to 12, or leave it empty.")])
    return month.fillna(0.0)


def _by_year(flows: pd.DataFrame) -> pd.DataFrame:
    """Months, and parts of the rest of the world, added up to the flows of a year.

    A sum of which a part is not known is not known: a month without a weight is no month of nothing.
    """
    parts = [c for c in ("month", "area") if c in flows.columns]
    flows = flows.reset_index(drop=True)
    keys = [k for k in ("year", "hs6", "reporter", "partner", "flow", "origin", "destination") if k in flows.columns]
    if not parts or not flows.duplicated(keys).any():
        return flows.drop(columns=parts)
    group = flows.groupby(keys, dropna=False, sort=False).ngroup()
    out = flows.drop(columns=parts)[~group.duplicated()].reset_index(drop=True)
    for name, ends in (("value", ("value_low", "value_high")), ("quantity", ("low", "high"))):
        if name not in flows:
            continue
        amount = pd.to_numeric(flows[name], errors="coerce").astype("float64")
        if name == "quantity" and "value" in flows:  # a weight of 0 beside a value is a weight not reported
            amount = amount.mask((amount == 0) & (flows["value"] > 0))
        out[name] = _whole(amount, group)
        stated = {c: pd.to_numeric(flows[c], errors="coerce") for c in ends if c in flows}
        bounded = pd.DataFrame(stated).notna().any(axis=1).groupby(group).any().to_numpy() if stated else False
        for column, end in stated.items():
            out[column] = np.where(bounded, _whole(end.fillna(amount), group), np.nan)
    rank = {g: k for k, g in enumerate(GRADES)}
    for column, order in (("grade", rank), ("published_on", None)):  # of the weakest and the latest part
        if column in flows:
            by = flows[column].map(order) if order is not None else flows[column].astype("string").fillna("")
            worst = by.to_frame("by").assign(g=group, was=flows[column]).sort_values("by", kind="stable")
            out[column] = worst.drop_duplicates("g", keep="last").sort_values("g")["was"].to_numpy()
    return out


def _fuller_sides(flows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Flows without the side that reports fewer months of the year, where both sides report one; months by reporter.

    Half a year and a whole one have no mean. Reporters that give years, or all twelve months, count as whole.
    """
    month = _months(flows)
    if not (month > 0).any():
        return flows, pd.Series(dtype=float)
    count = month[month > 0].groupby([flows["reporter"], flows["year"]]).nunique().astype(float)

    def months_of(who: str) -> pd.Series:
        at = pd.MultiIndex.from_frame(flows[[who, "year"]])
        return pd.Series(count.reindex(at).fillna(12.0).to_numpy(), index=flows.index)

    other = flows["flow"].map({"M": "X", "X": "M"})
    key = ["year", "hs6", "reporter", "partner", "flow"]
    mirror = pd.MultiIndex.from_arrays([flows["year"], flows["hs6"], flows["partner"], flows["reporter"], other])
    there = mirror.isin(pd.MultiIndex.from_frame(flows[key]))
    return flows[~(there & (months_of("reporter") < months_of("partner")))], count


def _with_months(frame: pd.DataFrame, count: pd.Series) -> pd.Series:
    """Flags, with the number of months where the side that is used reports fewer than twelve."""
    if not len(count):
        return frame["flag"]
    side = frame["destination"].where(frame["value_import"].notna(), frame["origin"])
    months = count.reindex(pd.MultiIndex.from_arrays([side, frame["year"]])).to_numpy(dtype=float)
    text = [f"{m:.0f} of 12 months" if m < 12 else "" for m in months]
    return pd.Series(
        [f"{a}; {b}" if a and b else a or b for a, b in zip(frame["flag"], text, strict=True)], frame.index
    )


def reconcile(
    flows: pd.DataFrame, cif_fob: float | None = None, default_margin: float = 0.05, limit: float = 0.5
) -> pd.DataFrame:
    """One figure per flow from what the exporter and the importer report.

    The importer's value includes insurance and freight (CIF), the exporter's does not (FOB). The margin is the median
    of the importer's over the exporter's value where both report the same weight within a tenth; both sides are then
    averaged in logarithms, weighted by how well each reporter agrees with its partners otherwise.

    Parameters
    ----------
    flows : DataFrame
        ``year, hs6, reporter, partner, flow`` (``M`` import, ``X`` export), ``value`` (USD), ``quantity`` (t); one row
        per key: see :func:`dedupe`.
    cif_fob : float, optional
        Margin, e.g. 0.05; default estimated from the flows.
    default_margin : float
        Margin where fewer than 30 pairs are at hand: an assumption.
    limit : float
        Largest margin that is believed.

    Returns
    -------
    DataFrame
        ``year, hs6, origin, destination, value`` (FOB), ``quantity``, what each side said (``value_import,
        value_export, quantity_import, quantity_export``), ``method`` (``mirror average``, ``importer's figure, margin
        taken off``, ``exporter's figure``) and ``flag`` where the sides differ more than threefold in value or weight;
        there ``low`` and ``high`` (quantity) and ``value_low`` and ``value_high`` span what the two say; ``margin``;
        and ``source, grade, published_on`` where the flows have them: the importer's source, the worse grade, the later day.

    References
    ----------
    Gaulier and Zignago (2010), BACI, CEPII WP 2010-23, sections 3 and 4 (simplified: one margin, one pass of weights).

    Examples
    --------
    >>> f = pd.DataFrame({"year": 2022, "hs6": "850511", "reporter": ["USA", "CHN"], "partner": ["CHN", "USA"],
    ...     "flow": ["M", "X"], "value": [110.0, 100.0], "quantity": [2.0, 2.0]})
    >>> reconcile(f, cif_fob=0.1)[["origin", "destination", "value", "method"]].round(6).values.tolist()
    [['CHN', 'USA', 100.0, 'mirror average']]
    """
    need(flows, ["year", "hs6", "reporter", "partner", "flow", "value", "quantity"], "reconcile")
    flows = measured(flows)
    keys = ["year", "hs6", "origin", "destination"]
    sides = {}
    for code, name, start, end in (("M", "import", "partner", "reporter"), ("X", "export", "reporter", "partner")):
        side = flows[flows["flow"] == code].rename(columns={start: "origin", end: "destination"})
        twice = side.duplicated(keys)
        if twice.any():
            remedy = (
                "Sub-totals or duplicates: dedupe() first, and keep the rows with keep=True; add months up by year, and headings "
                "of another HS revision that become one by hs.convert()."
            )
            raise SchemaError(
                [Problem("flows", "-", "flow", f"{int(twice.sum())} {name} rows repeat a key", code, remedy)]
            )
        record = [c for c in ("source", "grade", "published_on") if c in side]
        sides[name] = side.set_index(keys)[["value", "quantity", *record]].add_suffix(f"_{name}")
    out = sides["import"].join(sides["export"], how="outer").reset_index()
    both = out[(out["value_import"] > 0) & (out["value_export"] > 0)]
    margin = cif_fob if cif_fob is not None else _margin(both, default_margin, limit)
    out["margin"] = margin
    fob = out["value_import"] / (1.0 + margin)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.log(fob.where(fob > 0)) - np.log(out["value_export"].where(out["value_export"] > 0))
    trust = pd.DataFrame({"i": out["destination"], "x": out["origin"], "gap": gap.abs()}).dropna()
    noise_m, noise_x = trust.groupby("i")["gap"].median(), trust.groupby("x")["gap"].median()
    a = 1.0 / (0.05 + out["destination"].map(noise_m).fillna(1.0))
    b = 1.0 / (0.05 + out["origin"].map(noise_x).fillna(1.0))
    part = a / (a + b)
    has_m, has_x = fob > 0, out["value_export"] > 0
    mean = np.exp(part * np.log(fob.where(has_m, 1.0)) + (1 - part) * np.log(out["value_export"].where(has_x, 1.0)))
    mean = mean.clip(np.fmin(fob, out["value_export"]), np.fmax(fob, out["value_export"]))
    out["value"] = mean.where(has_m & has_x, fob.where(has_m, out["value_export"]))
    qm, qx = out["quantity_import"].where(lambda s: s > 0), out["quantity_export"].where(lambda s: s > 0)
    weight = np.exp(part * np.log(qm.fillna(1.0)) + (1 - part) * np.log(qx.fillna(1.0)))
    weight = weight.clip(np.fmin(qm, qx), np.fmax(qm, qx))  # a mean of equal figures is that figure, to the last digit
    out["quantity"] = weight.where(qm.notna() & qx.notna(), qm.fillna(qx))
    out["method"] = np.select(
        [has_m & has_x, has_m], [MIRRORED, "importer's figure, margin taken off"], "exporter's figure"
    )
    far = (gap.abs() > np.log(3.0)) | ((qm / qx).gt(3.0) | (qx / qm).gt(3.0))
    out["flag"] = np.where(far, APART, "")
    values = pd.DataFrame({"m": fob.where(has_m), "x": out["value_export"].where(has_x)})
    out["value_low"], out["value_high"] = values.min(axis=1).where(far), values.max(axis=1).where(far)
    weights = pd.DataFrame({"m": qm, "x": qx})
    one = weights.notna().sum(axis=1) == 1  # a single weight is as far off as the values are apart
    per_value = out["quantity"] / out["value"]
    ends = weights.min(axis=1), weights.max(axis=1)
    low, high = (
        end.mask(one, per_value * out[side]) for end, side in zip(ends, ("value_low", "value_high"), strict=True)
    )
    out["low"] = low.clip(upper=out["quantity"]).where(far)
    out["high"] = high.clip(lower=out["quantity"]).where(far)
    for c in [c for c in ("source", "grade", "published_on") if c in flows]:  # of the weaker, newer, or importing side
        m, x = out.pop(f"{c}_import").astype("object"), out.pop(f"{c}_export").astype("object")
        if c == "source":
            out[c] = m.where(has_m, x)
        else:
            rank = {g: k for k, g in enumerate(GRADES)}
            later = m.map(rank) < x.map(rank) if c == "grade" else m.fillna("").astype(str) < x.fillna("").astype(str)
            out[c] = m.mask(has_x & (later | ~has_m), x)
    said = [c for c in ("source", "grade", "published_on") if c in out]
    amounts = [c for c in map(str, out.columns) if c.endswith(("_import", "_export"))]
    bounds = ["value", "value_low", "value_high", "quantity", "low", "high"]
    return out[[*keys, *bounds, *amounts, "margin", "method", "flag", *said]]


def _margin(both: pd.DataFrame, default: float, limit: float) -> float:
    near = (both["quantity_import"] / both["quantity_export"] - 1.0).abs() <= 0.1
    ratio = (both["value_import"] / both["value_export"] - 1.0)[near & (both["quantity_export"] > 0)]
    ratio = ratio[(ratio > -limit) & (ratio < limit)]
    return float(np.clip(ratio.median(), 0.0, limit)) if len(ratio) >= 30 else default


def fill_weights(trade: pd.DataFrame, outlier: float = 4.0, floor: int = 5) -> pd.DataFrame:
    """Tonnes from values, where the weight is missing or absurd.

    A unit value is an outlier where its logarithm is further from the median of its heading and year than ``outlier``
    robust standard deviations (1.4826 times the median absolute deviation, at least 0.25). The unit value used is the
    value-weighted median of the heading's good flows from the same origin, where there are ``floor`` of them, else of
    all; the interval spans the quartiles.

    Parameters
    ----------
    trade : DataFrame
        ``year, hs6, origin, destination, value, quantity``.
    outlier : float
        Robust standard deviations.
    floor : int
        Flows that a median needs.

    Returns
    -------
    DataFrame
        The same rows; ``quantity`` repaired, ``quantity_original`` beside, ``low`` and ``high`` for what was imputed,
        ``flag`` and ``method``. Where the quartiles meet, the interval is that of grade C. A heading and year without
        enough good flows stays as it is.

    References
    ----------
    Gaulier and Zignago (2010), section 2.3; Iglewicz and Hoaglin (1993) for the outlier rule.

    Examples
    --------
    >>> t = pd.DataFrame({"year": 2024, "hs6": "850511", "origin": list("ABCDEFG"), "destination": "X",
    ...     "value": [100.0] * 7, "quantity": [1.0, 1.1, 0.9, 1.0, 1.05, None, 5000.0]})
    >>> fill_weights(t)[["quantity", "flag"]].round(2).values.tolist()[-2:]
    [[1.0, 'no weight'], [1.0, 'unit value out of range']]
    """
    need(trade, ["year", "hs6", "origin", "value", "quantity"], "fill_weights")
    out = both(trade)
    group = ["hs6", "year"]
    q = out["quantity"].where(out["quantity"] > 0)
    u: pd.Series = (out["value"].where(out["value"] > 0) / q).astype("float64").map(np.log)
    by = [out[c] for c in group]
    centre = u.groupby(by).transform("median")
    spread = (u - centre).abs().groupby(by).transform("median") * 1.4826
    absurd = ((u - centre).abs() > outlier * spread.clip(lower=0.25)) & (u.groupby(by).transform("count") >= floor)
    lacking = q.isna() & (out["value"] > 0)
    good = u.where(~absurd)
    world, own = _quartiles(good, out["value"], by, floor), _quartiles(good, out["value"], [*by, out["origin"]], floor)
    levels = own.where(own["mid"].notna(), world)
    hit = (lacking | absurd) & levels["mid"].notna()
    for column, level in (("quantity", "mid"), ("low", "high"), ("high", "low")):
        imputed = out["value"] / np.exp(levels[level])
        before = out[column] if column in out else pd.Series(np.nan, index=out.index)
        out[column] = before.where(~hit, imputed)
    # Unit values that are all equal make no imputed weight exact: it is as wide as the grade of an imputed weight.
    point = hit & ((out["high"] - out["low"]).abs() <= 1e-9 * out["quantity"].abs())
    out["low"] = out["low"].mask(point, out["quantity"] * (1.0 - _IMPUTED))
    out["high"] = out["high"].mask(point, out["quantity"] * (1.0 + _IMPUTED))
    out["flag"] = say(out["flag"], lacking, "no weight")
    out["flag"] = say(out["flag"], absurd, "unit value out of range")
    out["method"] = say(out["method"], hit & own["mid"].notna(), f"{FILLED} of the same origin")
    out["method"] = say(out["method"], hit & own["mid"].isna(), f"{FILLED} of the heading")
    return out


def _quartiles(logs: pd.Series, value: pd.Series, by: list[pd.Series], floor: int) -> pd.DataFrame:
    """Quartiles of log unit values, weighted by value, of each group on each of its rows."""
    group = pd.DataFrame({k: b.to_numpy() for k, b in enumerate(by)}).groupby(list(range(len(by)))).ngroup()
    frame = pd.DataFrame({"u": logs, "w": value.where(logs.notna(), 0.0)}).assign(g=group.to_numpy())
    frame = frame.sort_values(["g", "u"], kind="stable")
    known = frame["u"].notna()
    before = frame["w"].groupby(frame["g"]).cumsum()
    total = frame["w"].groupby(frame["g"]).transform("sum")
    out = {}
    for name, level in (("low", 0.25), ("mid", 0.5), ("high", 0.75)):
        reached = frame[known & (before >= level * total)]
        out[name] = frame["g"].map(reached.groupby("g")["u"].first())
    enough = known.groupby(frame["g"]).transform("sum") >= floor
    return pd.DataFrame(out).where(enough).reindex(logs.index)


def _whole(amount: pd.Series, group: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Sum of each group; none where a part of it is not known."""
    return np.asarray(amount.groupby(group).sum().mask(amount.isna().groupby(group).any()), dtype=float)


def _added_up(flows: pd.DataFrame, report: dict[str, float]) -> pd.DataFrame:
    """Flows by year, with the number of rows that went into sums."""
    out = _by_year(flows)
    if len(out) < len(flows):
        report["rows_added_up_to_years"] = float(len(flows))
    return out


def repair(
    trade: pd.DataFrame,
    *,
    weights: bool = True,
    reexports: Mapping[str, Iterable[str]] | Iterable[str] | None = None,
    production: pd.DataFrame | None = None,
    by: str = "quantity",
) -> Repaired:
    """Repair a table of flows: both sides to one, weights, re-exports; in that order, as far as asked.

    Parameters
    ----------
    trade : DataFrame
        Either reported flows (``reporter, partner, flow``: duplicates go and the sides are reconciled) or one row per
        flow (``origin, destination``: rows that repeat another in every cell go; headings of another HS revision that become
        one are no such rows, :func:`supplyrisk.sources.hs.convert` adds them up). Rows that the reader marks ``keep=False``
        (sub-totals, the world) stay out. Months (column ``month``) and parts of the rest of the world (``area``) are added
        up to years, unless the year's own figure is there; where a part has no weight the year has none. Where one side
        reports fewer months of the year than the other, the other's figure is taken; fewer than twelve are flagged.
    weights : bool
        Fill missing and absurd weights.
    reexports : mapping or iterable of str, optional
        Makers, as for :func:`trace_origins`; without it re-exports stay in. Name as no makers only countries that make
        nothing: a maker without output on record keeps what it exports, between bounds.
    production, by
        As for :func:`trace_origins`.

    Returns
    -------
    Repaired

    Examples
    --------
    >>> t = pd.DataFrame({"year": 2024, "hs6": "850511", "origin": list("ABCDEF"), "destination": "X",
    ...     "value": [100.0] * 6, "quantity": [1.0, 1.1, 0.9, 1.0, 1.05, None]})
    >>> round(repair(t).report["tonnage_imputed"], 3)
    0.165
    """
    report: dict[str, float] = {}
    rules: tuple[str, ...] = ()
    frame = trade = measured(trade)
    if "keep" in trade.columns:
        kept = _kept(trade["keep"])
        report["subtotals_dropped"] = float((~kept).sum())
        frame = trade = trade[kept].drop(columns="keep")
    if {"reporter", "partner", "flow"} <= set(trade.columns):
        checked = dedupe(trade)
        beside = checked["flag"] == BESIDE
        report["duplicates_dropped"] = float((~checked["keep"] & ~beside).sum())
        fuller, part = _fuller_sides(checked[checked["keep"]])
        if (less := int(checked["keep"].sum()) - len(fuller)) > 0:
            report["months_of_a_shorter_year_left_out"] = float(less)
        frame = reconcile(_added_up(fuller, report))
        frame["flag"] = _with_months(frame, part)
        report["cif_fob_margin"] = float(frame["margin"].iloc[0]) if len(frame) else float("nan")
        for method, count in frame["method"].value_counts().items():
            report[str(method)] = float(count)
        frame["value_original"] = frame["value_import"].fillna(frame["value_export"])
        frame["quantity_original"] = frame["quantity_import"].fillna(frame["quantity_export"])
    else:
        twice = trade.duplicated()
        if twice.any():
            report["duplicates_dropped"] = float(twice.sum())
        beside = _beside(trade, ["year", "hs6", "origin", "destination"]) & ~twice
        frame = _added_up(trade[~twice & ~beside], report)
    if beside.any():
        report["months_beside_their_year_dropped"] = float(beside.sum())
    out = both(frame)
    imputed = pd.Series(False, index=out.index)
    if weights:
        out = fill_weights(out)
        imputed = out["method"].str.contains(FILLED, regex=False)
        report["weights_imputed"] = float(imputed.sum())
    if {"quantity_import", "quantity_export"} <= set(out.columns):  # a mean of two statements is neither of them
        stated = out["quantity_import"].eq(out["quantity"]) | out["quantity_export"].eq(out["quantity"])
        averaged = (out["quantity_import"] > 0) & (out["quantity_export"] > 0) & ~stated & ~imputed
        averaged &= out["quantity_import"] != out["quantity_export"]
        report["weights_averaged"] = float(averaged.sum())
        imputed |= averaged
    total = float(out["quantity"].sum())
    report["tonnage_imputed"] = float(out.loc[imputed, "quantity"].sum()) / total if total else float("nan")
    if reexports is not None:
        before = float(out[by].sum())
        out["_imputed"] = out["quantity"].where(imputed, 0.0).fillna(0.0) if "quantity" in out else 0.0
        out, facts = trace(out, reexports, production, by, also=["_imputed"])
        filled = out.pop("_imputed")
        report["reexports_removed"] = 1.0 - float(out[by].sum()) / before if before else float("nan")
        report |= facts
        if "quantity" in out and (total := float(out["quantity"].sum())):
            report["tonnage_imputed"] = float(filled.sum()) / total
        rules = RULES
    return Repaired(out, report, rules)

"""Where traded goods were made: re-exports out of a table of flows, missing kept missing and the record kept whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..schema import GRADES

__all__ = ["trace", "trace_origins", "weaker"]

RULES = (
    "Exporters that are no makers pass on what they import; what they send beyond it is of unknown origin (ROW).",
    "A maker with output on record sends its own make first and passes on only what it exports beyond it.",
    "A maker without one is taken to send its own make; nobody knows, so bounds reach to the mix of least home make.",
    "A heading that a mapping of makers leaves out, and of which no output is on record, stays as it was reported.",
)
PASSED, PART, THROUGH, MORE = "passed on", "in part passed on", "came through others", "in part through others"
UNSAID = "nobody says who makes it: not traced"
OPEN, HOME, LACKS, TRACED = (
    "own make or re-exports, nobody knows",
    "returned home",
    "no {}: not traced",
    "origin traced",
)
_KEYS = ["year", "hs6", "origin", "destination"]
_EPS = 1e-9
_MATERIAL = 0.01  # a change or a doubt below this part of a flow is less than any grade's width
_BOUNDS = {"quantity": ("low", "high"), "value": ("value_low", "value_high")}

Array = npt.NDArray[np.float64]


def need(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Refuse flows without a column that the step rests on."""
    problems = [
        Problem(what, "-", c, "column is absent", ", ".join(map(str, frame.columns[:12])), "Name it so.")
        for c in columns
        if c not in frame.columns
    ]
    if problems:
        raise SchemaError(problems, f"the flows to {what}")


def measured(frame: pd.DataFrame) -> pd.DataFrame:
    """Flows whose amounts are numbers: a column of nothing but None has no type of its own, and text is refused."""
    out, problems = frame, []
    for c in ("value", "quantity"):
        if c not in frame or pd.api.types.is_numeric_dtype(frame[c].dtype):
            continue
        amount = pd.to_numeric(frame[c], errors="coerce").astype("float64")
        lost = amount.isna() & frame[c].notna()
        if lost.any():
            shown = ", ".join(repr(str(v)[:40]) for v in frame.loc[lost, c].head(3))
            problems.append(
                Problem("flows", f"{int(lost.sum())} rows", c, "no number", shown, "Give numbers, or None.")
            )
        out = out.assign(**{c: amount})
    if problems:
        raise SchemaError(problems, "the flows to repair")
    return out


def both(frame: pd.DataFrame) -> pd.DataFrame:
    """The originals beside, and columns for what was found and done."""
    out = measured(frame).reset_index(drop=True).copy()
    for c in ("value", "quantity"):
        if c in out and f"{c}_original" not in out:
            out[f"{c}_original"] = out[c]
    for c in ("flag", "method"):
        out[c] = out[c].fillna("").astype("object") if c in out else pd.Series("", index=out.index, dtype="object")
    return out


def say(old: pd.Series, rows: pd.Series, text: str) -> pd.Series:
    """Append a text on some rows."""
    return old.mask(rows, old.where(old == "", old + "; ") + text)


def weaker(grade: pd.Series, rows: pd.Series, at_best: str) -> pd.Series:
    """Grades, on some rows no better than a given one; no grade stays none."""
    rank = grade.map({g: k for k, g in enumerate(GRADES)})
    return grade.mask(rows & rank.lt(GRADES.index(at_best)), at_best)


def trace_origins(
    trade: pd.DataFrame,
    makers: Mapping[str, Iterable[str]] | Iterable[str],
    production: pd.DataFrame | None = None,
    by: str = "quantity",
) -> pd.DataFrame:
    """Take re-exports out: who made what each importer keeps, seen through entrepots.

    Of what country ``i`` sends, ``s_i``, a part ``r_i`` was imported before and the rest is its own make. The origins of
    what it sends are ``E_i = (1 - r_i / s_i) own_i + r_i / s_i * sum_h x[h, i] E_h / m_i`` with imports ``m_i``, solved
    as one sparse system per heading and year. Each flow is then split by the origins of its sender, weight and value
    alike, and of what a country imports the part ``r / m`` that it passes on is taken out. So a maker that sends its
    own make keeps its flows as they are, and a destination that passes nothing on has the same total as before.

    ``r`` by the kind of sender: *no maker*: all it sends, as far as it imports as much; what it sends beyond is of unknown
    origin, ``ROW``. *Maker with output on record*, ``p``: what it sends beyond ``p`` (or beyond net exports, where the
    record is below them). *Maker without one*: nothing, for nobody knows. Makers may mix as well: the bounds span this
    and the reading that what leaves a maker carries what it makes and imports in proportion (Kastner et al.), where a
    maker without a record makes no more than its net exports.

    Parameters
    ----------
    trade : DataFrame
        ``year, hs6, origin, destination`` and ``quantity`` or ``value``, or both; further columns are kept.
    makers : mapping or iterable of str
        Countries that make the good; by heading, or for all headings. Those with output on record are makers too. Of a
        heading that a mapping leaves out and that has no output on record nobody says who makes it: its flows stay as they
        are, flagged. An empty collection says that nobody named makes it.
    production : DataFrame, optional
        ``hs6, country, quantity`` in the unit of ``by``, and optionally ``year`` (then of the flows' year only).
    by : {"quantity", "value"}
        What says who passes on how much; the other amount is split with it, each flow at its own unit value.

    Returns
    -------
    DataFrame
        The columns of ``trade``, a row per ``year, hs6, origin`` (maker), ``destination`` (who keeps it), with
        ``quantity_original, value_original`` (the direct flow as reported, if any), ``low, high, value_low, value_high``,
        and ``flag`` and ``method`` with what tracing found and did appended. Flows that are new take source and date from
        the flow they came with; a grade is the worst of what a figure is made of. A flow without ``by`` stays as it is,
        flagged; where a part lacks the other amount the sum is missing and ``low`` is its known part. Goods that come back
        to their maker have the maker as destination.

    Raises
    ------
    SchemaError
        A column is absent, or no flow at all has the amount that is traced.

    References
    ----------
    Kastner, Kastner and Nonhebel (2011), Ecological Economics 70, 1032-1040.

    Examples
    --------
    >>> t = pd.DataFrame({"year": 2024, "hs6": "850511", "origin": ["CHN", "HKG"], "destination": ["HKG", "USA"],
    ...     "quantity": [10.0, 8.0], "value": [100.0, 96.0]})
    >>> trace_origins(t, ["CHN"])[["origin", "destination", "quantity", "value"]].values.tolist()
    [['CHN', 'HKG', 2.0, 20.0], ['CHN', 'USA', 8.0, 96.0], ['HKG', 'USA', 0.0, 0.0]]
    """
    return trace(trade, makers, production, by)[0]


def trace(
    trade: pd.DataFrame,
    makers: Mapping[str, Iterable[str]] | Iterable[str],
    production: pd.DataFrame | None = None,
    by: str = "quantity",
    also: Iterable[str] = (),
) -> tuple[pd.DataFrame, dict[str, float]]:
    """:func:`trace_origins`, further amounts split along, and what it counted."""
    if by not in ("quantity", "value"):
        raise unknown_name("amount", by, ("quantity", "value"), "by")
    need(trade, [*_KEYS, by], "trace")
    if production is not None:
        need(production, ["hs6", "country", "quantity"], "production")
    other = "value" if by == "quantity" else "quantity"
    if len(trade) and not (trade[by] > 0).any():
        has = other in trade and (trade[other] > 0).any()
        remedy = f'Trace by="{other}".' if has else f"Give flows with {by}."
        raise SchemaError(
            [Problem("trace", "-", by, "no flow has it", f"{len(trade)} rows", remedy)], "the flows to trace"
        )
    frame = _once(both(trade))
    amounts = [c for c in (by, other) if c in frame]
    for c in amounts:
        for side in _BOUNDS[c]:
            frame[side] = frame[side].astype("float64") if side in frame else np.nan
    split = [*amounts, *(s for c in amounts for s in _BOUNDS[c]), *also]
    facts = dict.fromkeys(
        ("reexporters", "makers_on_record", "makers_record_below_net_exports", "makers_without_record"), 0.0
    )
    fixed = () if isinstance(makers, Mapping) else (makers,) if isinstance(makers, str) else tuple(makers)
    parts = []
    by_heading = {str(k): v for k, v in makers.items()} if isinstance(makers, Mapping) else {}
    unsaid = np.zeros(len(frame), dtype=bool)
    groups: Any = frame.groupby(["hs6", "year"], sort=True)
    for (code, year), flows in groups:
        named = by_heading.get(str(code)) if isinstance(makers, Mapping) else fixed
        if named is None and not _on_record(production, code, year):
            unsaid |= ((frame["hs6"] == code) & (frame["year"] == year)).to_numpy(dtype=bool)
            continue
        named = named if named is not None else ()
        own = {named} if isinstance(named, str) else set(named)
        output = None
        if production is not None:
            mine = production[production["hs6"] == code]
            mine = mine[mine["year"] == year] if "year" in mine else mine
            output = mine.groupby("country")["quantity"].sum(min_count=1).dropna()
            own |= {str(c) for c in output.index[output > 0]}
        parts.append(_split(flows, own, output, by, amounts, split, facts))
    rest = frame[unsaid]
    rest = rest.assign(flag=say(rest["flag"], pd.Series(True, index=rest.index), UNSAID))
    facts["flows_of_unsaid_makers"] = float(len(rest))
    known = float(frame[by].sum())
    facts[f"{by}_of_unsaid_makers"] = float(rest[by].sum()) / known if known > 0 else 0.0
    if not parts:
        return frame if not len(rest) else rest, facts
    frame = frame[~unsaid]  # row numbers as parts have them
    out = _added(frame, pd.concat(parts, ignore_index=True), by, amounts, split)
    low = out[_BOUNDS[by][0]].where(out["flag"].str.contains(OPEN, regex=False), out[by])
    was = frame.set_index(_KEYS)[by].reindex(pd.MultiIndex.from_frame(out[_KEYS])).fillna(0.0).to_numpy()
    whole = float(out[by].sum()) + float(rest[by].sum())
    if whole > 0:
        facts[f"{by}_traced"] = float((out[by] - was).clip(lower=0.0).sum()) / whole
        facts[f"{by}_open"] = float((out[by] - low).sum()) / whole
    facts["flows_not_traced"] = float(out["flag"].str.contains(LACKS.format(_word(by)), regex=False).sum())
    if len(rest):
        every = pd.concat([out, rest[out.columns].astype(out.dtypes.to_dict())], ignore_index=True)
        out = every.sort_values(_KEYS, ignore_index=True)
    return out, facts


def _on_record(production: pd.DataFrame | None, code: object, year: object) -> bool:
    """Whether output of a heading is on record for a year."""
    if production is None:
        return False
    mine = (production["hs6"] == code) & (production["quantity"] > 0)
    return bool((mine & (production["year"] == year)).any() if "year" in production else mine.any())


def _word(by: str) -> str:
    return "weight" if by == "quantity" else "value"


def _once(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a flow: rows of one key add up, and a sum with a missing part is missing."""
    if not frame.duplicated(_KEYS).any():
        return frame
    by = [frame[k] for k in _KEYS]
    sides = {s: c for c, pair in _BOUNDS.items() for s in pair if s in frame}
    sums = [c for c in ("quantity", "value", "quantity_original", "value_original") if c in frame]
    amounts = frame[[*sums, *sides]].assign(**{s: frame[s].fillna(frame[c]) for s, c in sides.items()})
    grouped = frame.groupby(by, sort=False)
    out = grouped.first()
    out[amounts.columns] = amounts.groupby(by, sort=False).sum(min_count=1)
    for c in amounts:  # a bound that no row has is none; a sum with a missing part is missing
        lacking = frame[c].isna().groupby(by, sort=False)
        out[c] = out[c].mask(lacking.all() if c in sides else lacking.any())
    return out.rename_axis(_KEYS).drop(columns=_KEYS, errors="ignore").reset_index()[list(frame.columns)]


def _split(
    flows: pd.DataFrame,
    makers: set[str],
    output: pd.Series | None,
    by: str,
    amounts: list[str],
    split: list[str],
    facts: dict[str, float],
) -> pd.DataFrame:
    """The flows of one heading and year, each in parts by the origins of what its sender sends."""
    from scipy.sparse import coo_array, csc_array

    names = pd.Index(sorted(set(flows["origin"]) | set(flows["destination"])))
    n = len(names)
    moving = ((flows[by] > 0) & (flows["origin"] != flows["destination"])).to_numpy()
    used = flows[moving]
    i, j = names.get_indexer(pd.Index(used["origin"])), names.get_indexer(pd.Index(used["destination"]))
    x = csc_array(coo_array((used[by].to_numpy(dtype=float), (i, j)), shape=(n, n)))
    sold: Array = np.asarray(x.sum(axis=1), dtype=np.float64).ravel()
    got: Array = np.asarray(x.sum(axis=0), dtype=np.float64).ravel()
    excess = np.maximum(sold - got, 0.0)
    maker = np.isin(names, sorted(makers))
    said = output.reindex(names).to_numpy(dtype=float) if output is not None else np.full(n, np.nan)
    known = maker & ~np.isnan(said)
    made = np.where(known, np.fmax(said, excess), excess)
    most = np.minimum(sold, got)
    value = np.where(maker, np.where(known, np.clip(sold - made, 0.0, most), 0.0), most)
    through = made + got
    mixed = np.where(maker, np.divide(sold * got, through, out=np.zeros(n), where=through > 0), most)
    facts["reexporters"] += float(((value > 0) & (sold > 0)).sum())
    facts["makers_on_record"] += float((known & (sold > 0)).sum())
    facts["makers_record_below_net_exports"] += float((known & (said < excess * (1 - _EPS))).sum())
    facts["makers_without_record"] += float((maker & ~known & (sold > 0)).sum())

    mix, kept = _origins(x, maker, sold, got, value)
    at = np.repeat(np.arange(len(used)), np.diff(mix.indptr)[i])
    start = np.repeat(mix.indptr[:-1][i], np.diff(mix.indptr)[i])
    first = np.repeat(np.cumsum(np.diff(mix.indptr)[i]) - np.diff(mix.indptr)[i], np.diff(mix.indptr)[i])
    entry = start + np.arange(len(at)) - first
    part = mix.data[entry] * kept[j[at]]
    labels = np.array([*names, "ROW"], dtype=object)
    parts = pd.DataFrame({"origin": labels[mix.indices[entry]], "destination": used["destination"].to_numpy()[at]})
    parts["_row"] = used.index.to_numpy()[at]
    parts["_whole"] = part == 1.0
    for c in split:
        middle = used[next((a for a in amounts if c in _BOUNDS[a]), c)]
        parts[c] = used[c].fillna(middle).to_numpy(dtype=float)[at] * part
    # The other reading: what leaves a maker is mixed with what it imports.
    other, remains = _origins(x, maker, sold, got, mixed)
    for c in amounts:
        v = csc_array(coo_array((used[c].fillna(0.0).to_numpy(dtype=float), (i, j)), shape=(n, n)))
        dense = np.asarray((other.T @ v).todense()) * remains[None, :]
        column = np.where(parts["origin"] == "ROW", n, names.get_indexer(pd.Index(parts["origin"])))
        parts[f"_{c}"] = dense[column, j[at]]
    stay = flows[~moving]
    rest = stay[["origin", "destination", *split]].assign(_row=stay.index, _whole=True)
    for c in amounts:
        for side in _BOUNDS[c]:
            rest[side] = rest[side].fillna(rest[c])
        rest[f"_{c}"] = rest[c]
    sender, taker = names.get_indexer(pd.Index(stay["origin"])), names.get_indexer(pd.Index(stay["destination"]))
    touched = (value[sender] > 0) | (kept[taker] < 1.0) | ~maker[sender]
    rest["_lacks"] = touched & stay[by].isna().to_numpy()
    frames = [f for f in (parts.assign(_lacks=False, _stays=False), rest.assign(_stays=True)) if len(f)]
    return pd.concat(frames, ignore_index=True).assign(year=flows["year"].iloc[0], hs6=flows["hs6"].iloc[0])


def _origins(x: Any, maker: Any, sold: Array, got: Array, passed: Array) -> tuple[Any, Array]:
    """Origins of what each country sends (rows; the last column is unknown), and the part of imports that it keeps."""
    from scipy.sparse import csc_array, csr_array, diags_array, eye_array
    from scipy.sparse.linalg import splu

    n = len(sold)
    passed = np.where(sold - passed < 1e-12 * sold, sold, passed)
    kept = np.divide(np.maximum(got - passed, 0.0), got, out=np.ones(n), where=got > 0)
    kept[kept < 1e-12] = 0.0
    again = np.divide(passed, sold, out=np.zeros(n), where=sold > 0)
    fresh = np.where(sold > 0, 1.0 - again, 0.0)
    lost = (sold > 0) & ~_reached(x, fresh > 0)  # a closed circle without a maker: of unknown origin
    again, fresh = np.where(lost, 0.0, again), np.where(lost, 1.0, fresh)
    right = np.zeros((n, n + 1))
    right[np.arange(n), np.where(maker & ~lost, np.arange(n), n)] = fresh
    if again.any():
        scale = np.divide(again, got, out=np.zeros(n), where=got > 0)
        columns = np.flatnonzero(right.any(axis=0))
        system = csc_array(eye_array(n, format="csc") - csc_array(diags_array(scale) @ x.T))
        solved = splu(system).solve(right[:, columns])
        whole = again == 0  # what is not passed on is exactly what it was
        solved[whole] = right[np.ix_(whole, columns)]
        right[:, columns] = solved
        right[right < 1e-12] = 0.0
    return csr_array(right), kept


def _reached(x: Any, start: Any) -> Any:
    """Places that goods from the starting places can get to."""
    out = start
    while True:
        grown = out | (np.asarray(x.T @ out.astype(float)) > 0)
        if (grown == out).all():
            return out
        out = grown


def _added(frame: pd.DataFrame, parts: pd.DataFrame, by: str, amounts: list[str], split: list[str]) -> pd.DataFrame:
    """Parts of one maker and destination together, beside the record of the flow that was there."""
    parts = parts.sort_values(by, ascending=False, kind="stable", na_position="last")
    grouped = parts.groupby(_KEYS, sort=False)
    moved, stayed = (parts[parts["_stays"] == side].groupby(_KEYS, sort=False) for side in (False, True))
    sums = grouped[split].sum(min_count=1)
    lacking = parts[amounts].isna().groupby([parts[k] for k in _KEYS], sort=False).any()
    for c in amounts:
        gone, (low, high) = lacking[c].reindex(sums.index), _BOUNDS[c]
        sums[low] = sums[low].where(~gone, sums[low].where(sums[c] > 0))
        sums[high], sums[c] = sums[high].mask(gone), sums[c].mask(gone)
        mixed = (
            pd.concat([moved[f"_{c}"].first(), stayed[f"_{c}"].sum()]).groupby(level=_KEYS).sum().reindex(sums.index)
        )
        apart = ((mixed - sums[c]).abs() > _MATERIAL * sums[c]) & ~gone
        sums[f"_open_{c}"] = apart
        # A stated interval keeps its relative width around the other reading too.
        with np.errstate(divide="ignore", invalid="ignore"):
            times = (mixed / sums[c]).where(sums[c] > 0, 1.0)
        sums[low] = sums[low].mask(apart, np.fmin(sums[low], sums[low] * times))
        sums[high] = sums[high].mask(apart, np.fmax(sums[high], sums[high] * times))
        sums[low] = sums[low].mask(sums[low] > sums[c], sums[c])  # sums of parts round each in its own way
        sums[high] = sums[high].mask(sums[high] < sums[c], sums[c])
        exact = ~gone & (sums[low] >= sums[c] * (1 - _EPS)) & (sums[high] <= sums[c] * (1 + _EPS))
        sums[low], sums[high] = sums[low].mask(exact), sums[high].mask(exact)
    sums["_came"] = grouped["_row"].first()
    sums["_whole"] = grouped["_whole"].all() & (grouped.size() == 1)
    sums["_lacks"] = grouped["_lacks"].any()
    if "grade" in frame:
        rank = parts["_row"].map(frame["grade"].map({g: k for k, g in enumerate(GRADES)})).fillna(len(GRADES) - 1)
        sums["_rank"] = rank.groupby([parts[k] for k in _KEYS], sort=False).max()
    direct = frame.assign(_direct=True).set_index(_KEYS)
    keys = direct.index.union(sums.index, sort=False)
    out = direct.reindex(keys)
    new = out.pop("_direct").isna()
    sums = sums.reindex(keys)
    was = out[by].where(~new, 0.0)
    donor = frame.loc[sums.loc[new, "_came"].astype("int64")]
    own = {*_KEYS, *split, "quantity_original", "value_original", "margin"}
    for c in [str(c) for c in frame if c not in own and not str(c).endswith(("_import", "_export"))]:
        came = pd.Series(donor[c].to_numpy(), index=keys[new], dtype="object").reindex(keys)
        out[c] = out[c].where(~new, came) if new.any() else out[c]
    whole = sums["_whole"].eq(True) & ~new
    absent = sums["_came"].isna()  # nothing is left of it
    for c in split:
        zero = 0.0 if c in amounts or c == "_imputed" else np.nan
        opened = next((sums[f"_open_{a}"].eq(True) for a in amounts if c in _BOUNDS[a]), absent)
        out[c] = out[c].where(whole & ~opened, sums[c].mask(absent, zero))
    now = out[by]
    back = pd.Series(out.index.get_level_values("origin") == out.index.get_level_values("destination"), index=keys)
    changed = new | ((now - was).abs() > _EPS * was.abs()) | (~whole & now.isna())
    flags = [
        (PASSED, ~new & changed & (now < 0.01 * was)),
        (PART, ~new & changed & (now >= 0.01 * was) & (now < (1 - _MATERIAL) * was)),
        (THROUGH, new),
        (MORE, ~new & changed & (now > (1 + _MATERIAL) * was)),
        (HOME, back & new),
        (OPEN, sums[f"_open_{by}"].eq(True) & (now > 0)),
        (LACKS.format(_word(by)), sums["_lacks"].eq(True)),
    ]
    for text, rows in flags:
        out["flag"] = say(out["flag"], rows, text)
    out["method"] = say(out["method"], changed, TRACED)
    if "grade" in out:
        names = sums["_rank"].map(dict(enumerate(GRADES)))
        out["grade"] = out["grade"].mask(changed & sums["_rank"].notna(), names)
    out = out.reset_index().sort_values(_KEYS, ignore_index=True)
    return out[[*_KEYS, *[c for c in frame.columns if c not in _KEYS]]]

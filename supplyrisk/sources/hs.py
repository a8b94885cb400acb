"""Harmonized System: which heading is which product, and what became of a heading between revisions.

Two tables: ``hs.csv`` (HS 2017 heading to product: product units per tonne, purity, coverage, whether a link may rest on
it) and ``hs_revisions.csv`` (splits and merges of the headings that matter here, and the headings that no revision
touched), both checked heading by heading against the conversion tables of the United Nations Statistics Division (HS 1992
to HS 2022), which name one old heading for each new one; merges are listed in full here, as in their correlation tables
but for what these add of other goods: mercury compounds (28.52, since 2007), multi-component circuits and transducers
(85.41, 85.42, since 2017 and 2022), electronic waste (85.49) and display modules (85.24), both since 2022. Chips and the machines that make
them have headings of their own since HS 2007; whence these came is not told, and refused. A heading that neither table
knows is refused, never passed through.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from ..errors import BasketWarning, Problem, SchemaError, close_matches, unknown_name
from ..intervals import DEFAULT_POLICY
from ..schema import GRADES

__all__ = [
    "REVISIONS",
    "BasketWarning",
    "concord",
    "convert",
    "headings",
    "product_headings",
    "revision",
    "warn_of_mixed",
]

REVISIONS = ("HS1992", "HS1996", "HS2002", "HS2007", "HS2012", "HS2017", "HS2022")
BASE = "HS2017"
_DOTTED = re.compile(r"^(\d{2})[. ]?(\d{2})[. ](\d{2})$")


@cache
def _headings() -> pd.DataFrame:
    with resources.files(__package__).joinpath("hs.csv").open("r", encoding="utf-8") as handle:
        out = pd.read_csv(
            handle, dtype={"hs6": "str", "note": "str", "use": "str"}, keep_default_na=False, na_values=[""]
        )
    out["use"] = out["use"].eq("True")
    out["note"] = out["note"].fillna("")
    return out


@cache
def _steps() -> dict[str, dict[str, tuple[str, ...]]]:
    """Targets by source for each step between neighbouring revisions, where anything changed."""
    with resources.files(__package__).joinpath("hs_revisions.csv").open("r", encoding="utf-8") as handle:
        table = pd.read_csv(handle, dtype="str")
    out: dict[str, dict[str, tuple[str, ...]]] = {"same": {}}
    for row in table.itertuples(index=False):
        whole = row[0] == REVISIONS[0] and row[1] == REVISIONS[-1]
        part = not whole and REVISIONS.index(row[1]) - REVISIONS.index(row[0]) > 1
        if part:  # a heading that no revision touched since it came, or until it went
            out.setdefault("part", {})[str(row[2])] = (str(row[0]), str(row[1]))
            continue
        step = out.setdefault("same" if whole else str(row[0]), {})
        step[str(row[2])] = (*step.get(str(row[2]), ()), str(row[3]))
    return out


@cache
def _known(at: str) -> frozenset[str]:
    """Headings of the tables that exist in a revision."""
    steps, k = _steps(), REVISIONS.index(at)
    moves = [s for name, s in steps.items() if name != "part"]
    codes = set(steps["same"]) | {c for s in moves for c in s} | {t for s in moves for v in s.values() for t in v}
    spans = steps.get("part", {}).items()
    out = {code for code, (first, last) in spans if REVISIONS.index(first) <= k <= REVISIONS.index(last)}
    for code in codes:
        start, end = 0, len(REVISIONS) - 1
        for i, rev in enumerate(REVISIONS[:-1]):
            step = steps.get(rev, {})
            came = any(code in v for v in step.values())
            if came and code not in step:
                start = i + 1
            if code in step and not came:
                end = i
        if start <= k <= end:
            out.add(code)
    return frozenset(out)


def revision(name: str) -> str:
    """Canonical name of an HS revision.

    Parameters
    ----------
    name : str
        ``HS2017``, ``HS17``, ``H5`` or the like.

    Returns
    -------
    str

    Raises
    ------
    UnknownNameError
        No such revision.

    Examples
    --------
    >>> revision("HS17"), revision("h0"), revision("HS 2022")
    ('HS2017', 'HS1992', 'HS2022')
    """
    text = re.sub(r"[^0-9A-Z]", "", str(name).upper())
    hit = re.fullmatch(r"H([0-6])", text)
    if hit:
        return REVISIONS[int(hit[1])]
    hit = re.fullmatch(r"(?:HS)?(?:19|20)?(\d{2})", text)
    if hit:
        for r in REVISIONS:
            if r.endswith(hit[1]):
                return r
    raise unknown_name("HS revision", name, REVISIONS)


@cache
def _relation(source: str, target: str) -> pd.DataFrame:
    """All known headings of one revision to those of another, equal parts at every split."""
    i, j = REVISIONS.index(source), REVISIONS.index(target)
    frame = pd.DataFrame({"source": sorted(_known(source))})
    frame["target"] = frame["source"]
    frame["weight"] = 1.0
    # Where a heading came from, or went, beyond the revisions that it is known in, the tables do not say.
    known = frame["source"].isin(_known(target)) | ~frame["source"].isin(set(_steps().get("part", {})))
    frame = frame[known]
    hops = range(i, j) if i <= j else range(i - 1, j - 1, -1)
    for k in hops:
        step = [(s, t) for s, v in _steps().get(REVISIONS[k], {}).items() for t in v]
        if i > j:
            step = [(t, s) for s, t in step]
        if not step:
            continue
        hop = pd.DataFrame(step, columns=["target", "next"])
        hop["part"] = 1.0 / hop.groupby("target")["next"].transform("size")
        frame = frame.merge(hop, on="target", how="left")
        frame["weight"] *= frame["part"].fillna(1.0)
        frame["target"] = frame["next"].fillna(frame["target"])
        frame = frame.groupby(["source", "target"], as_index=False).agg(weight=("weight", "sum"))
    many = frame.groupby("source")["target"].transform("size") > 1
    shared = frame.groupby("target")["source"].transform("size") > 1
    frame["relation"] = np.select([many & shared, many, shared], ["n:n", "1:n", "n:1"], "1:1")
    frame["basis"] = np.where(frame["relation"].isin(["1:n", "n:n"]), _EQUAL, "whole heading")
    return frame.sort_values(["source", "target"]).reset_index(drop=True)


def _plain(codes: pd.Series) -> pd.Series:
    """Headings as six digits: without the dots of a tariff, with the zero that a number loses; other lengths as given."""
    text = codes.astype("str").str.strip().str.replace(_DOTTED, r"\1\2\3", regex=True)
    text = text.str.replace(r"^(\d{5,6})\.0$", r"\1", regex=True)  # a heading saved as a decimal number
    return text.mask(text.str.fullmatch(r"\d{5}"), "0" + text)


def _absent(
    codes: Iterable[str], source: str, target: str, counts: Mapping[str, int], share: Mapping[str, float]
) -> list[Problem]:
    out = []
    for code in codes:
        lives = [r for r in REVISIONS if code in _known(r)]
        close = close_matches(code, _known(source))
        here = source in lives and target not in lives
        if here:
            span = f"from {lives[0]} to {lives[-1]}" if len(lives) > 1 else f"in {lives[0]}"
            hint = f"It exists {span} only, and the tables do not say which heading that is in {target}: give table=."
        elif lives:
            hint = f"The heading exists from {lives[0]} to {lives[-1]}: is the revision right?"
        elif close:
            hint = f"Near it: {', '.join(close)}. The tables hold the headings of the products here; give table= for others."
        else:
            hint = "The tables hold the headings of the products here; give table= for others."
        if len(code) != 6:
            hint = f"A heading has six digits, this has {len(code)}." + (
                f" Near it: {', '.join(close)}." if close else ""
            )
        value = repr(code)
        if code in counts:
            value += f", {counts[code]:,} rows" + (f", {share[code]:.2%} of value" if code in share else "")
        rule = f"of {source}, has no counterpart in {target}" if here else f"no concordance from {source}"
        out.append(Problem("hs", code, "hs6", rule, value, hint))
    return out


def concord(
    code: str | int | Iterable[str | int],
    source: str,
    target: str,
    values: pd.Series | None = None,
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """All headings of another revision that a heading became, with weights; forwards and backwards.

    Parameters
    ----------
    code : str or iterable of str
        Six-digit headings, with or without dots (``8505.11``); whole numbers get back the zero that they lose.
    source, target : str
        Revisions, e.g. ``"HS2012"`` and ``"HS2022"``; either may be the newer one.
    values : Series, optional
        Trade by target heading (written as ``code``): splits are then weighted by it. Every target of a split is in it; 0
        says that there was no trade, and a split of which all targets have none is in equal parts, as without ``values``:
        an assumption, which says so.
    table : DataFrame, optional
        Your own concordance, ``source, target`` and optionally ``weight``; used instead of the built-in one.

    Returns
    -------
    DataFrame
        ``source, target, weight, relation, basis``. Weights of a source sum to 1. ``relation`` is ``1:1``, ``1:n``,
        ``n:1`` or ``n:n``.

    Raises
    ------
    SchemaError
        Headings that do not exist in the source revision, that have no known counterpart in the target, that the table does
        not know, or that are neither text nor whole numbers; targets of a split that ``values`` says nothing of; all are listed.

    Notes
    -----
    Source: World Customs Organization correlation tables of the amendments 1996 to 2022, restricted to the headings
    of the products here. There and back again is the identity only where the relation is 1:1.

    Examples
    --------
    >>> concord("811292", "HS2012", "HS2022")[["target", "relation"]].values.tolist()
    [['811231', '1:n'], ['811241', '1:n'], ['811292', '1:n']]
    >>> concord("811231", "HS2022", "HS2012")[["target", "weight", "relation"]].values.tolist()
    [['811292', 1.0, 'n:1']]
    """
    codes: list[Any] = [code] if isinstance(code, str) or not isinstance(code, Iterable) else list(code)
    wrong = [c for c in codes if isinstance(c, bool) or not isinstance(c, (str, int, np.integer))]
    if wrong:
        remedy = 'Give six digits, as text such as "811292" or a whole number.'
        found = [Problem("hs", "-", "code", "no heading", repr(c)[:80], remedy) for c in wrong[:10]]
        raise SchemaError(found, "concord()")
    codes = _plain(pd.Series(codes, dtype="object")).tolist()
    a, b = revision(source), revision(target)
    relation = _relation(a, b) if table is None else _own(table)
    unknown = sorted(set(codes) - set(relation["source"]))
    if unknown:
        raise SchemaError(_absent(unknown, a, b if table is None else a, {}, {}), f"the concordance from {a} to {b}")
    out = relation[relation["source"].isin(codes)].copy()
    if values is not None:
        many = out["relation"].isin(["1:n", "n:n"])
        part = out["target"].map(_by_heading(values, out.loc[many, "target"], b))
        total = part.groupby(out["source"]).transform("sum")
        use = (total > 0) & many
        out["weight"] = (part / total).where(use, out["weight"])
        out["basis"] = out["basis"].mask(use, "trade of the targets")
    return out.reset_index(drop=True)


def _by_heading(values: pd.Series, targets: pd.Series, at: str) -> pd.Series:
    """Trade by target heading, each of six digits; refused where it says nothing of a target, or what is no amount."""
    known = pd.to_numeric(values, errors="coerce").astype("float64")
    known.index = pd.Index(_plain(pd.Series(list(values.index), dtype="object")))
    here = known.index.isin(set(targets))
    seen, values, known = list(known.index[:5]), values[here], known[here]
    what = "values to split headings by"
    twice = sorted(set(known.index[known.index.duplicated()]))
    remedy = f"Give one amount a heading of {at}, added up."
    found = [Problem("hs", c, "values", "heading stands twice", "", remedy) for c in twice]
    bad = known.index[~((known >= 0) & np.isfinite(known))]
    told = dict(zip(known.index, values, strict=True))
    remedy = "Give an amount of trade, 0 where there was none."
    found += [Problem("hs", c, "values", "no amount of trade", repr(told[c])[:80], remedy) for c in bad]
    shown = ", ".join(map(str, seen)) or "nothing"
    remedy = f"Give its trade, 0 where there was none, or leave out values=; it has {shown}."
    lacking = sorted(set(targets) - set(known.index))
    found += [Problem("hs", c, "values", f"nothing is said of this heading of {at}", "", remedy) for c in lacking]
    if found:
        raise SchemaError(found, what)
    return known


def _own(table: pd.DataFrame) -> pd.DataFrame:
    out = table[["source", "target"]].astype("str").copy()
    for c in ("source", "target"):
        out[c] = out[c].str.zfill(6)
    stated = "weight" in table
    out["weight"] = table["weight"].astype(float) if stated else 1.0
    out["weight"] /= out.groupby("source")["weight"].transform("sum")
    many = out.groupby("source")["target"].transform("size") > 1
    shared = out.groupby("target")["source"].transform("size") > 1
    out["relation"] = np.select([many & shared, many, shared], ["n:n", "1:n", "n:1"], "1:1")
    split = "weights of the table given" if stated else _EQUAL
    out["basis"] = np.where(many, split, "whole heading")
    return out


# Columns of trade that a split divides and a merge adds up, and the bounds of each.
_ENDS = {"value": ("value_low", "value_high"), "quantity": ("low", "high")}
_BESIDE = ("original", "import", "export")
_AMOUNTS = (*_ENDS, *(e for ends in _ENDS.values() for e in ends), *(f"{n}_{b}" for n in _ENDS for b in _BESIDE))
_TOLD = ("flag", "note", "method", "grade", "published_on")
_METHODS = {"observed": 0, "mirrored": 1, "imputed": 2}
_EQUAL = "equal parts, assumption"
_PART_UNKNOWN = "is not known of a part: at least the others'"


def convert(
    frame: pd.DataFrame,
    source: str,
    target: str,
    *,
    code: str = "hs6",
    amounts: Iterable[str] | None = None,
    unmapped: str = "raise",
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Rewrite trade of one HS revision in another: a row per flow and new heading, with the totals of the old ones.

    Parameters
    ----------
    frame : DataFrame
        Trade with a column of headings.
    source, target : str
        Revisions.
    code : str
        Column of headings.
    amounts : iterable of str, optional
        Columns that a split divides and a merge adds up, and with them their bounds (``low, high`` of ``quantity``, else
        ``_low`` and ``_high``); the first that is there weighs what is unmapped. Default: ``value, quantity``, their bounds, and what
        repair keeps beside them (``_original, _import, _export``).
    unmapped : {"raise", "drop"}
        Headings that no table knows: fail with their count and share of value, or leave them out knowingly.
    table : DataFrame, optional
        As for :func:`concord`.

    Returns
    -------
    DataFrame
        The columns of the input and ``flag``, as :func:`supplyrisk.assemble.assemble` and
        :func:`supplyrisk.sources.repair.repair` take them. ``flag`` says which part of which heading a row is and how the split
        was weighed, or which headings it adds up; ``attrs["hs"]`` lists these with their weights. Totals of the amounts and of
        their bounds are those of the input less what was dropped, there and back again too.

    Raises
    ------
    SchemaError
        Unmapped headings, with their number of rows and share of value.

    Notes
    -----
    Headings that become one are added up where all other columns agree (columns that this does not know tell flows
    apart, and so does ``source``): amounts and bounds add, a part without bounds being as wide as its grade beside one
    that has them; the sum has the weakest grade and method and the latest day of its parts, and all of their flags and
    notes. A sum of which a part is missing is missing, never less: what the others carry is its ``low``
    (``value_low``), and the flag says so. A weight of 0 beside a value is a weight not reported. A flow that stood twice
    under one heading still stands twice. A split in equal parts is an assumption: graded C at best.
    Of what both sides report, repair first and convert its ``inputs["trade"]``: bringing sides to one has flags of its own.

    Examples
    --------
    >>> trade = pd.DataFrame({"hs6": ["850511", "811231", "811292"], "value": [90.0, 10.0, 5.0]})
    >>> convert(trade, "HS2022", "HS2017")[["hs6", "value", "flag"]].values.tolist()
    [['850511', 90.0, ''], ['811292', 15.0, 'sum of HS2022 811231, 811292']]
    """
    if unmapped not in ("raise", "drop"):
        raise unknown_name("policy", unmapped, ("raise", "drop"), "unmapped")
    a, b = revision(source), revision(target)
    relation = _relation(a, b) if table is None else _own(table)
    codes = _plain(frame[code])
    lost = ~codes.isin(set(relation["source"]))
    held = _held(frame, amounts)
    if lost.any() and unmapped == "raise":
        counts = {str(k): int(v) for k, v in codes[lost].value_counts().items()}
        share: dict[str, float] = {}
        if held:
            total = float(frame[held[0]].sum())
            part = frame.loc[lost, held[0]].groupby(codes[lost]).sum() / total if total else pd.Series(dtype=float)
            share = {str(k): float(v) for k, v in part.items()}
        raise SchemaError(
            _absent(sorted(counts), a, b if table is None else a, counts, share), f"the concordance from {a} to {b}"
        )
    used = relation[relation["source"].isin(set(codes[~lost]))].add_prefix("_")
    out = frame[~lost].assign(_source=codes[~lost]).merge(used, on="_source", how="inner")
    out[code] = out["_target"]
    split = out["_weight"] < 1.0
    for c in held:
        out[c] = out[c] * out["_weight"]
    text = out["_weight"].map("{:.4g}".format).astype("str") + f" of {a} " + out["_source"] + " (" + out["_basis"] + ")"
    out["flag"] = _joined(_said(out, "flag"), text.where(split, ""))
    if "grade" in out:
        rank = out["grade"].map(_RANK)
        out["grade"] = out["grade"].mask(split & out["_basis"].eq(_EQUAL) & rank.lt(_RANK["C"]), "C")
    out = _added(out, code, held, a).drop(columns=list(used.columns))
    moved = used[(used["_weight"] < 1.0) | (used["_source"] != used["_target"]) | used["_relation"].ne("1:1")]
    told = moved.rename(columns=lambda c: c[1:]).to_dict("records")
    out.attrs = {**frame.attrs, "hs": [{"from": a, "to": b, **r} for r in told]}
    return out


_RANK = {g: k for k, g in enumerate(GRADES)}
_WIDTH = dict(DEFAULT_POLICY.by_grade)


def _held(frame: pd.DataFrame, amounts: Iterable[str] | None) -> list[str]:
    """Columns of amounts that are there, with the bounds of each."""
    if amounts is None:
        return [c for c in _AMOUNTS if c in frame.columns]
    asked = list(amounts)
    ends = [e for c in asked for e in _ends_of(c)]
    return [c for c in dict.fromkeys([*asked, *ends]) if c in frame.columns]


def _said(frame: pd.DataFrame, column: str) -> pd.Series:
    """Texts of a column, empty where nothing is said."""
    if column not in frame:
        return pd.Series("", index=frame.index, dtype="object")
    return frame[column].astype("object").where(frame[column].notna(), "").astype("str").astype("object")


def _joined(first: pd.Series, second: pd.Series) -> pd.Series:
    both = (first != "") & (second != "")
    return first.where(~both, first + "; ") + second


def _added(rows: pd.DataFrame, code: str, held: list[str], at: str) -> pd.DataFrame:
    """Rows of one flow that come from several headings, added up; a row that stood twice before stands twice."""
    flow = [c for c in rows.columns if c not in (*held, *_TOLD) and not str(c).startswith("_")]
    once = rows.groupby([*flow, "_source"], dropna=False, sort=False).cumcount()
    group = rows.groupby([*(rows[c] for c in flow), once], dropna=False, sort=False).ngroup()
    several = group.duplicated(keep=False)
    if not several.any():
        return rows
    first = ~group.duplicated()
    out = rows[first].set_index(group[first])
    part, g = rows[several].copy(), group[several]
    new = pd.DataFrame(index=pd.Index(g.unique()))
    width = part["grade"].map(_WIDTH) if "grade" in part else pd.Series(np.nan, index=part.index)
    width = width.astype("float64").fillna(_WIDTH["assumption"])
    new["flag"] = f"sum of {at} " + _texts(part["_source"], g, ", ")
    names = [c for c in held if not any(c in _ends_of(n) for n in held)]
    for name in names:
        amount = pd.to_numeric(part[name], errors="coerce").astype("float64")
        if name == "quantity" and "value" in part:
            amount = amount.mask((amount == 0) & (part["value"] > 0))
        unknown = amount.isna().groupby(g).any()
        new[name] = amount.groupby(g).sum().mask(unknown)
        low, high = _ends_of(name)
        for end, sign in ((low, -1.0), (high, 1.0)):
            if end in held:
                stated = part[end].notna().groupby(g).any()
                full = part[end].astype("float64").fillna(amount * (1.0 + sign * width))
                new[end] = full.groupby(g).sum().where(stated & ~full.isna().groupby(g).any())
        if name not in _ENDS:
            continue
        least = (part[low].astype("float64") if low in held else amount).fillna(amount).groupby(g).sum()
        short = unknown & (least > 0)
        if short.any():
            known = new[low] if low in new else pd.Series(np.nan, index=new.index)
            new[low] = known.fillna(least.where(short))
            new["flag"] = new["flag"].mask(short, new["flag"] + f"; {name} {_PART_UNKNOWN}")
    new["flag"] = _joined(_texts(_said(part, "flag"), g, "; "), new["flag"])
    if "note" in part:
        new["note"] = _texts(_said(part, "note"), g, "; ")
    if "grade" in part:
        new["grade"] = _last(part["grade"], part["grade"].map(_RANK), g)
    if "published_on" in part:
        new["published_on"] = _last(part["published_on"], _said(part, "published_on"), g)
    if "method" in part:
        rank = part["method"].map(_METHODS)
        plain = rank.notna().groupby(g).all()
        new["method"] = _last(part["method"], rank, g).where(plain, _texts(_said(part, "method"), g, "; "))
    for c in new.columns:
        if c not in out:
            out[c] = np.nan
        out[c] = out[c].astype("object") if c in _TOLD else out[c].astype("float64")
        out.loc[new.index, c] = new[c]
    return out.reset_index(drop=True)


def _ends_of(name: str) -> tuple[str, str]:
    return _ENDS.get(name, (f"{name}_low", f"{name}_high"))


def _texts(texts: pd.Series, group: pd.Series, sign: str) -> pd.Series:
    """Different texts of each group, in one."""
    return texts.groupby(group, sort=False).agg(lambda v: sign.join(dict.fromkeys(t for t in v if t)))


def _last(values: pd.Series, rank: pd.Series, group: pd.Series) -> pd.Series:
    """Of each group the value with the highest rank."""
    order = pd.DataFrame({"v": values.astype("object"), "r": rank, "g": group}).sort_values(
        "r", na_position="first", kind="stable"
    )
    return order.drop_duplicates("g", keep="last").set_index("g")["v"]


def headings(at: str = BASE) -> pd.DataFrame:
    """Heading to product in a revision, in the shape that :func:`supplyrisk.assemble.assemble` takes.

    Parameters
    ----------
    at : str
        HS revision of the trade.

    Returns
    -------
    DataFrame
        ``hs6, product, factor, factor_low, factor_high, purity, purity_low, purity_high, purity_source, coverage, use,
        note``: product units per tonne of the heading, and part of its value that is the product, from at least
        ``purity_low`` to at most ``purity_high``. Of a basket that no statistic parts, ``purity`` is missing and 0 to 1 is
        all that is known; ``purity_source`` says so. ``use`` is false where no link may rest on the heading.

    Examples
    --------
    >>> headings().query("hs6 == '850511'")[["product", "factor", "use"]].values.tolist()
    [['ndfeb.magnet', 1.0, True]]
    >>> headings("HS1992").query("product == 'antimony.refined'")[["hs6", "use"]].values.tolist()
    [['811000', False]]
    """
    at = revision(at)
    table = _headings()
    if at == BASE:
        return table[table["hs6"].isin(_known(BASE)) | ~table["hs6"].isin(_known("HS2022"))].reset_index(drop=True)
    kept = table[table["hs6"].isin(_known(at))]
    moved = table[table["hs6"].isin(_known(BASE) - _known(at))]
    relation = _relation(BASE, at)
    moved = moved.merge(relation[["source", "target"]], left_on="hs6", right_on="source")
    wide = _relation(at, BASE).groupby("source").size()
    moved["basket"] = moved["target"].map(wide) > 1
    moved["use"] = moved["use"] & ~moved["basket"]
    moved["purity"] = moved["purity"].mask(moved["basket"])
    moved["purity_low"] = moved["purity_low"].mask(moved["basket"], 0.0)
    moved["purity_high"] = moved["purity_high"].mask(moved["basket"], 1.0)
    why = f"not known: in {at} the heading holds other goods too"
    moved["purity_source"] = moved["purity_source"].mask(moved["basket"], why)
    moved["coverage"] = moved["coverage"].mask(moved["basket"], "partial")
    moved["note"] = f"{at} heading; HS 2017 " + moved["hs6"] + ": " + moved["note"]
    moved["hs6"] = moved["target"]
    declared = set(kept["hs6"])
    moved = moved[~moved["hs6"].isin(declared)]
    out = pd.concat([kept, moved[list(table.columns)]], ignore_index=True)
    return out.drop_duplicates(["hs6", "product"]).reset_index(drop=True)


def product_headings(products: Iterable[str] | None = None, at: str = BASE, warn: bool = True) -> pd.DataFrame:
    """Headings of a list of products; baskets warn.

    Parameters
    ----------
    products : iterable of str, optional
        Product ids; default all.
    at : str
        HS revision.
    warn : bool
        Warn where a product stands in a basket heading.

    Returns
    -------
    DataFrame
        Rows of :func:`headings`.

    Raises
    ------
    UnknownNameError
        A product without a heading.

    Examples
    --------
    >>> product_headings(["ndfeb.magnet"])["hs6"].tolist()
    ['850511']
    """
    table = headings(at)
    if products is None:
        return table
    wanted = list(dict.fromkeys(products))
    for p in wanted:
        if p not in set(table["product"]):
            raise unknown_name("product", p, table["product"], f"headings of {revision(at)}")
    out = table[table["product"].isin(wanted)].reset_index(drop=True)
    basket = out[~out["use"]]
    if warn and len(basket):
        for code, rows in basket.groupby("hs6"):
            names = ", ".join(rows["product"])
            warnings.warn(
                f"HS {code} is a basket: {rows['note'].iloc[0]}. A share computed on it says little about {names};"
                " products of one basket share the same flows and must never be added.",
                BasketWarning,
                stacklevel=2,
            )
    return out


def warn_of_mixed(codes: Iterable[str], table: pd.DataFrame, what: str, depth: int) -> None:
    """Warn, once, of headings under which several goods are traded, none of which is the heading's own.

    Parameters
    ----------
    codes : iterable of str
        Headings that a result rests on.
    table : DataFrame
        Rows of :func:`headings`.
    what : str
        What the result is called.
    depth : int
        Frames between the caller to blame and this function.

    Warns
    -----
    BasketWarning
        Names headings and what is known to be in them.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     warn_of_mixed(["811292", "850511"], headings(), "share", 1)
    >>> str(said[0].message)[:30]
    'This share rests on baskets: H'
    """
    mine = table[table["hs6"].isin(set(codes))]
    mixed = mine[~mine["use"] & (mine["purity_low"] < 1).to_numpy(dtype=bool)]
    mixed = mixed[~mixed["hs6"].isin(mine.loc[mine["use"], "hs6"])]
    if not len(mixed):
        return
    names = mixed["product"].groupby(mixed["hs6"].astype("object")).agg(", ".join)
    text = "; ".join(f"HS {code} ({products})" for code, products in names.items())
    warnings.warn(
        f"This {what} rests on baskets: {text}. It is of the heading as a whole, which holds other goods too, and says"
        " little about any of these.",
        BasketWarning,
        stacklevel=depth + 1,
    )

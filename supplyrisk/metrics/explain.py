"""What is behind a score, and what changed between two."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..registry import Entry
from .about import data_years, of_view
from .drivers import Drivers, drivers, evidence
from .parts import at_bound, link_share, of_value
from .score import Asked, Origin, origin_of, score
from .volume import bottleneck_headline, headline

__all__ = ["Explanation", "compare", "explain"]

# The share of a link is no metric of a market.
_OF_LINK = {"unit": "1", "bounds": (0.0, 1.0), "reference": "textbook identity", "grain": "line", "interval": True}
_SHARE = Asked("share", link_share, {}, Entry("metric", "share", link_share, _OF_LINK))


@dataclass(frozen=True, eq=False)
class Explanation:
    """One number of a score, taken apart.

    Attributes
    ----------
    row : dict
        Keys of the row.
    column : str
        Column explained.
    value : float
        The score, NaN where undefined.
    reason : str
        Why it is undefined, or ''.
    method : Mapping
        Unit, range, method and reference.
    contributions : DataFrame
        A row per supply line, largest first: ``supplier, buyer, product, quantity, low, high, share, focal,
        contribution, grade, source, origin_tag, year``. ``contribution`` adds up to ``value``.
    rule : str
        How the contributions were made; of a traced score also for how much of the volume it is graded in every tier, and
        its bounds.
    rows : DataFrame
        The source rows behind the lines, as :meth:`SupplyGraph.explain` gives them; of a traced score also the
        links, recipes and nodes on the ways that carry a hundredth of it or more.
    drivers : Drivers, optional
        Of a traced score (``bottleneck``, and all of the origin view): where the focal enters and in which tier
        (``.sources``, which add up to the score), what passes over each link (``.links``), the largest way (``.path``).
    """

    row: Mapping[str, Any]
    column: str
    value: float
    reason: str
    method: Mapping[str, Any]
    contributions: pd.DataFrame
    rule: str
    rows: pd.DataFrame = field(repr=False)
    drivers: Drivers | None = field(default=None, repr=False)

    @property
    def by_tier(self) -> pd.Series:
        """Contributions to a traced score by the tier in which the focal enters; they add up to it."""
        if self.drivers is None:
            return pd.Series(dtype="float64", name="contribution")
        return self.drivers.sources.groupby("tier")["contribution"].sum()

    @property
    def by_country(self) -> pd.Series:
        """Contributions to a traced score by the country in which the focal enters; they add up to it."""
        if self.drivers is None:
            return pd.Series(dtype="float64", name="contribution")
        return self.drivers.sources.groupby("country")["contribution"].sum().sort_values(ascending=False)

    def __repr__(self) -> str:
        where = ", ".join(f"{k}={v}" for k, v in self.row.items())
        head = f"{self.column} of {where}: " + (f"{self.value:.6g}" if not np.isnan(self.value) else "undefined")
        if self.reason:
            head += f" ({self.reason})"
        body = self.contributions[["supplier", "quantity", "share", "focal", "contribution", "grade", "source"]]
        text = f"{head}\n{self.rule}\n{body.head(12).to_string(index=False)}"
        if self.drivers is not None and len(self.drivers.path):
            way = " < ".join([str(self.drivers.path["buyer"].iloc[0]), *self.drivers.path["supplier"].astype(str)])
            text += f"\nMost of it by: {way}"
        return text

    def _repr_html_(self) -> str:
        head, rule = html.escape(repr(self).split("\n")[0]), html.escape(self.rule)
        return f"<div><b>{head}</b><br><small>{rule}</small>{self.contributions.to_html(index=False)}</div>"


def _pick(made: Origin, row: Any, keys: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Position in the frame of one row, given as an index entry or by its keys."""
    index = made.group[1]
    if row is not None:
        entry = row if isinstance(row, tuple) else (row,)
        full = entry if len(entry) == index.nlevels else (made.focal, made.view, *entry)
        if len(full) != index.nlevels or full not in index:
            raise unknown_name("row", entry, [" | ".join(map(str, i[2:])) for i in index], "explain()")
        at = int(index.get_indexer(pd.MultiIndex.from_tuples([full]))[0])
        return at, dict(zip(map(str, index.names), full, strict=True))
    hit = np.ones(len(index), dtype=bool)
    for k, v in keys.items():
        if k not in made.levels:
            raise unknown_name("key", k, made.levels, "explain()")
        level = index.get_level_values(k)
        if v not in level:
            if k == "product" and v in set(made.graph.tables["products"]["product"]):
                day = made.graph.as_of
                fix = f"Look back with what is known now: graph.at({day!r}, known_on='latest')." if day else ""
                fix = fix or "See graph.balance() for what is known of it."
                rule = f"has no row: nothing of it was published by {day}" if day else "has no row in these scores"
                raise SchemaError([Problem("explain", str(v), k, rule, "", fix)], "explain()")
            raise unknown_name(k, v, level.unique().astype(str), "explain()")
        hit &= np.asarray(level == v)
    found = np.flatnonzero(hit)
    if len(found) != 1:
        raise SchemaError(
            [
                Problem(
                    "explain",
                    "-",
                    ", ".join(made.levels),
                    f"{len(found)} rows match",
                    ", ".join(f"{k}={v!r}" for k, v in keys.items()),
                    "Give every key of the row, or the row's index entry.",
                )
            ],
            "explain()",
        )
    return int(found[0]), dict(zip(map(str, index.names), index[int(found[0])], strict=True))


def _contributions(made: Origin, c: Asked, m: int, own: int | None, value: float, end: str) -> tuple[Any, str, Any]:
    """Contribution of each line of a market to the value of a column, or to a bound; they add up to it."""
    lines = made.market.lines
    if own is not None and c.grain == "line":
        return np.array([value]), "The row is one link: all of it is its own.", np.array([own])
    rows = np.flatnonzero(lines.market == m)
    if np.isnan(value):
        return np.full(len(rows), np.nan), "Undefined: there is nothing to take apart.", rows
    if end:
        return *at_bound(made, c, m, rows, value, end == "_high"), rows
    return *of_value(made, c, m, rows, value), rows


def _driven(made: Origin, c: Asked, rows: npt.NDArray[np.int64], value: float) -> Drivers | None:
    """What drives a traced column; None where it is not traced, or nothing drives it."""
    name = c.entry.name if c.entry is not None else ""
    if not (name == "bottleneck" or (name == "focal_share" and made.view == "origin")) or not value > 0:
        return None
    q = np.nan_to_num(made.market.lines.quantity[rows])
    weight = q / q.sum() if q.sum() > 0 and len(rows) > 1 else np.ones(len(rows)) / max(len(rows), 1)
    mode = "bottleneck" if name == "bottleneck" else "linear"
    return drivers(made.graph, made.lens.own, mode, made.market.lines.node[rows], weight)


def _split(made: Origin, column: str) -> tuple[str, str]:
    """A column and which end of it: '', '_low' or '_high'."""
    for end in ("_low", "_high"):
        base = column.removesuffix(end)
        if base != column and (base in made.names or (base == "share" and made.lone is not None)):
            return base, end
    return column, ""


def explain(
    scores: Any,
    row: Any = None,
    *,
    column: str = "focal_share",
    focal: Any = "CHN",
    view: str = "location",
    **keys: Any,
) -> Explanation:
    """Take one number of a score apart, down to source rows.

    Parameters
    ----------
    scores : DataFrame or SupplyGraph
        A result of ``score``; or a graph, which is then scored by the keys given.
    row : tuple, optional
        Index entry of the row, with or without focal and view.
    column : str
        Which number.
    focal, view
        For a graph: how to score it.
    **keys
        Instead of ``row``: the row's keys, e.g. ``product="gallium.refined", buyer="JPN"``. For a graph also any
        other argument of ``score``, e.g. ``at="2023"``.

    Returns
    -------
    Explanation
        ``.contributions`` add up to ``.value``; ``.rows`` are the source rows. For a row of several products it is
        the worst of them that is explained.

    Raises
    ------
    UnknownNameError
        No such row, key or column.
    SchemaError
        The frame is not a score, or several rows match.

    Notes
    -----
    Missing policy: lines without a quantity are listed without a share of their own; where the value is undefined it is
    NaN and ``.reason`` says why. Definition of this library.

    Examples
    --------
    >>> from supplyrisk import load_atlas
    >>> e = explain(load_atlas(), product="gallium.refined")
    >>> round(e.value, 2), e.contributions["supplier"].iloc[0]
    (0.99, 'gallium.refined@CHN')
    >>> bool(abs(e.contributions["contribution"].sum() - e.value) < 1e-9)
    True
    """
    from ..graph import SupplyGraph

    if isinstance(scores, SupplyGraph):
        options: dict[str, Any] = {k: keys.pop(k) for k in ("market", "at", "unlisted") if k in keys}
        if row is not None or not keys:
            by: Any = "link"
        else:
            by = "link" if "supplier" in keys else list(keys)
        if "coalition" in keys:
            options["coalition"] = keys["coalition"]
        scores = score(scores, focal, view, by, metrics=[column] if column != "share" else None, **options)
    made = origin_of(scores, "explain()")
    name, end = _split(made, column)
    of_link = name == "share" and made.lone is not None
    if name == "data_year":
        remedy = "Explain a figure of the row: .contributions has the year of each line."
        raise SchemaError([Problem("explain", "-", "column", "a date, not made of parts", name, remedy)], "explain()")
    if name.endswith(("_p05", "_p95")) and name[:-4] in made.names:
        remedy = f"Explain {name[:-4]} itself, or one of its bounds."
        problem = Problem("explain", "-", "column", "a quantile of draws, not made of parts", name, remedy)
        raise SchemaError([problem], "explain()")
    c = _SHARE if of_link else made.column(name)
    at, labels = _pick(made, row, keys)
    code = made.group[0]
    members = np.flatnonzero(code == at)
    lone = made.lone is not None
    if of_link:
        fine = link_share(made.market.lines, bool(end))[column]
        value = float(fine[members[0]])
    else:
        point = made.fine(c)[0]
        fine = made.fine(c, "bounds")[end == "_high"] if end else point
        known = made.gather(c, point)
        value = float((made.gather_bound(c, fine, point, end == "_low") if end else known)[at])
    if lone:
        own: int | None = int(members[0])
        m = int(made.market.lines.market[own])
    else:
        each = fine[members]
        best = members[np.flatnonzero(each == value)] if not np.isnan(value) else members
        own, m = None, int(best[0])
    x, rule, rows = _contributions(made, c, m, own, value, end)
    if len(members) > 1:
        rule += f" Of {len(members)} products, the worst: {made.market.rows['product'].iloc[m]}."
    lines, ix = made.market.lines, made.graph.index
    ids = ix.nodes["node"].to_numpy(dtype=object)
    table = "links" if lines.links else "nodes"
    facts = (ix.links if lines.links else ix.nodes).iloc[lines.row[rows]]
    prefix = "" if lines.links else ("capacity_" if made.market_name == "capacity" else "output_")
    total = float(np.nansum(lines.quantity[rows]))
    frame = pd.DataFrame(
        {
            "supplier": ids[lines.node[rows]],
            "buyer": facts["buyer"].to_numpy(dtype=object) if lines.links else "",
            "product": facts["product"].to_numpy(dtype=object),
            "quantity": lines.quantity[rows],
            "low": lines.low[rows],
            "high": lines.high[rows],
            "share": lines.quantity[rows] / total if total > 0 else np.full(len(rows), np.nan),
            "focal": made.lens.focal[lines.node[rows]],
            "contribution": x,
            "grade": facts[f"{prefix}grade"].to_numpy(dtype=object),
            "source": facts[f"{prefix}source"].to_numpy(dtype=object),
            "origin_tag": facts["origin_tag"].to_numpy(dtype=object),
            "year": facts["year"].to_numpy(dtype=object),
        }
    ).sort_values(["contribution", "supplier"], ascending=[False, True], kind="stable", ignore_index=True)
    behind: list[pd.DataFrame] = []
    if len(frame):
        if table == "links":
            behind.append(
                made.graph.explain(
                    "links",
                    supplier=sorted(set(frame["supplier"])),
                    buyer=sorted(set(frame["buyer"])),
                    product=sorted(set(frame["product"])),
                )
            )
        else:
            behind.append(made.graph.explain("nodes", node=sorted(set(frame["supplier"]))))
        held = made.graph.tables["holdings"]["asset"]
        owned = sorted(set(frame["supplier"]) & set(held.astype(str)))
        if owned and made.view in ("equity", "control"):
            behind.append(made.graph.explain("holdings", asset=owned))
    driven = _driven(made, c, rows, value) if not end else None
    if driven is not None:
        behind += evidence(made.graph, driven, value)
    source_rows = pd.concat([b.astype("object") for b in behind], ignore_index=True) if behind else pd.DataFrame()
    source_rows = source_rows.drop_duplicates(ignore_index=True)
    why = "" if of_link or (end and not np.isnan(value)) else made.why(c).iloc[at]
    if driven is not None:
        rule += _footing(made, c, int(at), m if own is None else own)
    method = of_view(c.listing(), made.view, made.market_name)
    return Explanation(labels, column, value, str(why), method, frame, rule, source_rows, driven)


def _footing(made: Origin, c: Asked, at: int, m: int) -> str:
    """On how much a traced value rests, so that a single guessed way does not read as a finding."""
    name = c.entry.name if c.entry is not None else ""
    graded = bottleneck_headline if name == "bottleneck" else headline
    part = float(made.fine(Asked(graded.__name__, graded))[0][m])
    point, ends = made.fine(c)[0], made.fine(c, "bounds")
    low, high = (float(made.gather_bound(c, x, point, i == 0)[at]) for i, x in enumerate(ends))
    told = "an unknown part" if np.isnan(part) else f"{part:.0%}"
    text = f" Graded A or B in every tier for {told} of the volume; anything from {low:.3g} to {high:.3g} is possible."
    return text + (" It is no finding: no graded figure carries it." if part <= 0 and low <= 0 else "")


def _stale(frame: pd.DataFrame, year: int) -> npt.NDArray[np.bool_]:
    """Rows none of whose figures is of the year: what stands there is an earlier year's."""
    if not len(frame):
        return np.zeros(0, dtype=bool)
    made = origin_of(frame, "compare()")
    lines = made.market.lines
    of = data_years(made.graph, lines, "capacity" if made.market_name == "capacity" else "output")
    fresh = of >= year
    if made.lone is None:
        fresh = np.bincount(lines.market, fresh, lines.n) > 0
    code, rows, _ = made.group
    return ~(np.bincount(code, fresh, len(rows)) > 0)


def _scored(x: Any, column: str, options: Mapping[str, Any], years: int | None) -> list[pd.DataFrame]:
    """Scores of one side, oldest first."""
    from ..graph import SupplyGraph

    if isinstance(x, pd.DataFrame):
        if column not in x.columns:
            raise unknown_name("column", column, x.columns.astype(str), "compare()")
        return [x]
    if isinstance(x, SupplyGraph):
        asked = None if column == "share" else [column]  # the share of a link comes with its quantity
        if years is None or years == 1:
            return [score(x, metrics=asked, **options)]
        last = x.reference_year
        found = []
        for y in range(last - years + 1, last + 1):
            frame = score(x.at(str(y), known_on="latest"), metrics=asked, **options)
            frame.attrs["stale"] = _stale(frame, y)
            found.append(frame)
        return found
    if isinstance(x, Sequence) and len(x):
        return [s for part in x for s in _scored(part, column, options, None)]
    raise SchemaError(
        [Problem("compare", "-", "-", "neither a score nor a graph", type(x).__name__, "Give scores or graphs.")],
        "compare()",
    )


def _rows_by(sides: Sequence[Any], options: Mapping[str, Any]) -> str | list[str]:
    """What a row of a comparison of graphs is, where nobody says: the dependence of whoever uses a product."""
    from ..graph import SupplyGraph

    if options.get("coalition") is not None:
        return "product"
    graphs = [g for x in sides for g in (x if isinstance(x, Sequence) else [x]) if isinstance(g, SupplyGraph)]
    pools = any((g.tables["nodes"]["kind"] == "demand").any() for g in graphs)
    return ["product", "buyer"] if pools else "product"


def _alike(sides: list[list[pd.DataFrame]]) -> list[list[pd.DataFrame]]:
    """Both sides under one name of focal and view, where each has one and they differ."""
    for level in ("focal", "view"):
        if any(level not in s.index.names for side in sides for s in side):
            continue
        found = [{x for s in side for x in s.index.unique(level)} for side in sides]
        if found[0] != found[1] and all(len(x) == 1 for x in found):
            both = " > ".join(str(next(iter(x))) for x in found)
            sides = [
                [s.set_axis(pd.MultiIndex.from_frame(s.index.to_frame().assign(**{level: both}))) for s in side]
                for side in sides
            ]
    return sides


def _reasons(s: pd.DataFrame, column: str) -> pd.Series:
    """Why each row has no value, '' where it has one."""
    made = s.attrs.get("source")
    gone = s[column].isna()
    if made is not None and getattr(made, "made", None) is not None and column in made.made.names:
        why: pd.Series = made.made.why(made.made.column(column)).reindex(s.index).where(gone, "")
        return why
    return pd.Series(np.where(gone, "no value", ""), index=s.index, dtype="object")


def _absent(there: pd.DataFrame, not_there: pd.DataFrame, index: pd.Index) -> pd.Series:
    """Why rows of one side are not on the other: all their figures came out after its day, or it has no such market."""
    day = not_there.attrs.get("as_of")
    source = there.attrs.get("source")
    made = getattr(source, "made", None)
    out = pd.Series("no such row", index=index, dtype="object")
    if made is None or not day or not len(there):
        return out
    out[:] = "no such row: the market is not in that graph"
    lines = made.market.lines
    table = made.graph.index.links if lines.links else made.graph.index.nodes
    names = ["published_on"] if lines.links else ["output_published_on", "published_on"]
    said = pd.concat([table[n] for n in names if n in table.columns], axis=1).astype("object").bfill(axis=1).iloc[:, 0]
    # A date of less precision than the day counts from its first day on.
    late = (said.fillna("").astype(str) > str(day)).to_numpy(dtype=bool)[lines.row]
    early = np.bincount(lines.market, ~late, lines.n) > 0
    if made.lone is not None:
        early = ~late
    code, rows, _ = made.group
    known = np.bincount(code, early, len(rows)) > 0
    fresh = pd.Series(~known, index=there.index if len(there) == len(rows) else rows).reindex(index)
    return out.mask(fresh.eq(True).to_numpy(), "no such row: its figures were not published then")


# Statuses, most serious first.
_STATUS = (
    "new",
    "worsened",
    "resolved",
    "improved",
    "entered",
    "left",
    "changed",
    "within noise",
    "unknown",
    "unchanged",
)


def compare(
    a: Any,
    b: Any,
    column: str = "focal_share",
    threshold: float = 0.5,
    tolerance: float = 0.02,
    persistence: tuple[int, int] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """What changed between two scores or graphs: dependencies new, resolved, worsened, improved; rows come and gone.

    Parameters
    ----------
    a, b : DataFrame, SupplyGraph, or a sequence of them
        Before and after; a sequence is years, oldest first. Rows are joined on their keys; where the two sides are of
        one focal or view each, and not of the same, on all other keys.
    column : str
        What is compared. Its dependent end decides which way is worse.
    threshold : float
        A dependency is strictly beyond it (above, or below for columns where low is worse).
    tolerance : float
        A change of no more than this is noise.
    persistence : (int, int), optional
        ``(k, n)``: a side counts as dependent if at least k of its last n years are; a single graph is then scored
        for each of its last n years, with hindsight. Where years without a figure of their own, or not given at all, could
        decide, nothing is said.
    **options
        For graphs: arguments of ``score``. Unless told ``by=``, a row is a (product, buyer), or a product where the
        graphs have no buyers or ``coalition=`` is given; ``by="link"`` follows links by the ids of both ends, so that
        a supplier told under another id leaves and enters.

    Returns
    -------
    DataFrame
        Most serious first, of one status the largest change first. By key: ``before, after, change``; ``status``;
        ``dependent`` (on which side: before, after, both, neither; '' where a side has no value);
        ``years_before, years_after`` dependent; ``sure`` whether the bounds of both sides leave no doubt of the way it
        went (missing where a side has none); ``reason`` why a side has no value, or no such row: none of its figures
        was published then, or the market is not in that graph.

        ============  ==========================================================================================
        new           dependent after, and was not; by more than the tolerance, or by the persistence rule
        resolved      dependent before, and is no more; likewise
        worsened      changed by more than the tolerance towards dependence, dependent on both sides
        improved      the other way, dependent on both sides
        changed       by more than the tolerance, dependent on neither side
        entered       there is no such row before: see ``reason``
        left          there is no such row after: see ``reason``
        within noise  changed by no more than the tolerance; where both scores were made with ``samples=``, also
                      where their 5 to 95 % ranges overlap
        unchanged     the same
        unknown       the row is on both sides, and has no value on one: see ``reason``
        ============  ==========================================================================================

        ``.attrs`` holds the ``rule`` in words and the ``counts`` of each status.

    Raises
    ------
    UnknownNameError
        The column is not in a score.
    SchemaError
        What is given is neither score nor graph, rows of the scores have different keys, or the persistence rule cannot
        be met.

    Notes
    -----
    Missing policy: a side without a value is neither dependent nor not: the row is ``unknown``, with the reason.
    Definition of this library.

    Examples
    --------
    >>> import pandas as pd
    >>> key = pd.MultiIndex.from_tuples([("CHN", "location", p) for p in "wxyz"], names=["focal", "view", "product"])
    >>> a = pd.DataFrame({"focal_share": [0.4, 0.6, 0.7]}, index=key[1:])
    >>> b = pd.DataFrame({"focal_share": [0.3, 0.6, 0.4, 0.8]}, index=key)
    >>> compare(a, b)["status"].droplevel(["focal", "view"]).to_dict()
    {'x': 'new', 'z': 'worsened', 'y': 'resolved', 'w': 'entered'}
    """
    k, n = persistence if persistence is not None else (1, 1)
    if not 1 <= k <= n:
        raise SchemaError(
            [Problem("compare", "-", "persistence", "not k of n years", str(persistence), "Give (2, 3).")], "compare()"
        )
    options = {"by": _rows_by((a, b), options)} | options
    sides = [_scored(x, column, options, n if persistence is not None else None) for x in (a, b)]
    why = [_reasons(side[-1], column) for side in sides]
    sides = _alike(sides)
    entry = sides[1][-1].attrs.get("columns", {}).get(column, {})
    low_is_worse = entry.get("worse") == "low"
    _within(threshold, tolerance, column, entry)
    named = [list(s.index.names) for side in sides for s in side]
    if any(names != named[0] for names in named):
        both = " and ".join(dict.fromkeys("(" + ", ".join(map(str, names)) + ")" for names in named))
        problem = Problem(
            "compare", "-", "by", "rows of the scores are not the same thing", both, "Score all with one by=."
        )
        raise SchemaError([problem], "compare()")
    frames = []
    for label, side in zip(("before", "after"), sides, strict=True):
        last = side[-n:]
        if len(last) < k:
            raise SchemaError(
                [
                    Problem(
                        "compare",
                        "-",
                        "persistence",
                        f"{label}: {len(last)} years given, {k} needed",
                        "",
                        "Give a sequence of scores, or a graph with a longer panel.",
                    )
                ],
                "compare()",
            )
        table = pd.concat([s[column] for s in last], axis=1, sort=True, keys=range(len(last)))
        flag = (table < threshold) if low_is_worse else (table > threshold)
        # A year without a figure of its own is not known, whatever an earlier one still says; nor is one that is not given.
        old = [pd.Series(s.attrs.get("stale", False), index=s.index, dtype=bool) for s in last]
        stale = pd.concat(old, axis=1, sort=True, keys=range(len(last))).reindex(table.index)
        stale = stale.eq(True) & table.notna()
        flag &= ~stale
        hits = flag.sum(axis=1).astype(float)
        unknown = table.isna().sum(axis=1) + stale.sum(axis=1) + (n - len(last))
        frames.append(
            pd.DataFrame(
                {label: table.iloc[:, -1], f"years_{label}": hits, f"open_{label}": (hits < k) & (hits + unknown >= k)}
            )
        )
    out = frames[0].join(frames[1], how="outer", sort=True)
    was, now = out["years_before"] >= k, out["years_after"] >= k
    change = out["after"] - out["before"]
    up = -change if low_is_worse else change
    open_ = [out[f"open_{x}"].eq(True).to_numpy() for x in ("before", "after")]  # absent rows are not open
    told = ~(open_[0] | open_[1])
    here = [out.index.isin(s[-1].index) for s in sides]
    noise = (change.abs() <= tolerance + 1e-12) | _overlap(sides[0][-1], sides[1][-1], column, out.index)
    crossed = (was != now) & (~noise | (n > 1))
    status = np.select(
        [
            ~here[0],
            ~here[1],
            ~told,
            crossed & now,
            crossed & was,
            change.abs() <= 1e-12,
            noise & change.notna(),
            was & now & (up > 0),
            was & now & (up < 0),
            change.notna(),
        ],
        [
            "entered",
            "left",
            "unknown",
            "new",
            "resolved",
            "unchanged",
            "within noise",
            "worsened",
            "improved",
            "changed",
        ],
        "unknown",
    )
    dependent = np.select([was & now, now, was], ["both", "after", "before"], "neither")
    why = [
        w.set_axis(side[-1].index).reindex(out.index).where(~(o & (out[x].notna())), "too few years with a value")
        for w, side, o, x in zip(why, sides, open_, ("before", "after"), strict=True)
    ]
    why = [
        w.where(here[i], _absent(sides[1 - i][-1], sides[i][-1], out.index)) if not here[i].all() else w
        for i, w in enumerate(why)
    ]
    text = [
        "; ".join(f"{side}: {x}" for side, x in zip(("before", "after"), pair, strict=True) if isinstance(x, str) and x)
        for pair in zip(*why, strict=True)
    ]
    result = pd.DataFrame(
        {
            "before": out["before"],
            "after": out["after"],
            "change": change,
            "status": status,
            "dependent": np.where(told | ~here[0] | ~here[1], dependent, ""),
            "years_before": out["years_before"],
            "years_after": out["years_after"],
            "sure": _sure(sides[0][-1], sides[1][-1], column, out.index),
            "reason": text,
        }
    )
    rank = np.array([_STATUS.index(s) for s in status])
    # Of what came and went, dependencies first; of the rest the largest change.
    size = change.abs().fillna(0.0).to_numpy() + (was | now).to_numpy()
    result = result.iloc[np.lexsort((-size, rank))]
    sign = "<" if low_is_worse else ">"
    years = f" in {k} of {n} years" if n > 1 else ""
    result.attrs = {
        "rule": f"dependent: {column} {sign} {threshold:g}{years}; noise: a change of {tolerance:g} or less",
        "counts": {s: int((status == s).sum()) for s in _STATUS if (status == s).any()},
    }
    return result


def _within(threshold: float, tolerance: float, column: str, entry: Mapping[str, Any]) -> None:
    """Refuse a threshold that no value can pass, and a tolerance below nothing."""
    low, high = (entry.get(k) for k in ("low", "high"))
    low, high = (-np.inf if low is None else float(low)), (np.inf if high is None else float(high))
    problems = []
    if not low <= threshold <= high:
        fix = f"{column} is between {low:g} and {high:g}" + ("; percent? Divide by 100." if high == 1.0 else ".")
        problems.append(Problem("compare", "-", "threshold", "no value can pass it", f"{threshold:g}", fix))
    if not tolerance >= 0:
        problems.append(
            Problem("compare", "-", "tolerance", "below nothing", f"{tolerance:g}", "Give 0 or more, e.g. 0.02.")
        )
    if problems:
        raise SchemaError(problems, "compare()")


def _sure(a: pd.DataFrame, b: pd.DataFrame, column: str, index: pd.Index) -> pd.Series:
    """Whether every value within the bounds before is below, or above, every one after; missing where a side has none."""
    names = [f"{column}_low", f"{column}_high"]
    none = pd.Series(pd.NA, index=index, dtype="boolean")
    if not (set(names) <= set(a.columns) and set(names) <= set(b.columns)):
        return none
    x, y = a[names].reindex(index).astype("float64"), b[names].reindex(index).astype("float64")
    apart = (x[names[1]] < y[names[0]]) | (y[names[1]] < x[names[0]])
    same = (x[names[0]] == x[names[1]]) & x.eq(y).all(axis=1)  # both exact, and the same: surely no change
    return (apart | same).astype("boolean").mask(x.isna().any(axis=1) | y.isna().any(axis=1))


def _overlap(a: pd.DataFrame, b: pd.DataFrame, column: str, index: pd.Index) -> npt.NDArray[np.bool_]:
    """Rows whose drawn ranges overlap, where both scores have them."""
    names = [f"{column}_p05", f"{column}_p95"]
    if not (set(names) <= set(a.columns) and set(names) <= set(b.columns)):
        return np.zeros(len(index), dtype=bool)
    x, y = a[names].reindex(index), b[names].reindex(index)
    return np.asarray((x[names[0]] <= y[names[1]]) & (y[names[0]] <= x[names[1]]))

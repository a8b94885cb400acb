"""``score``: the ruler laid over a graph; a tidy frame, a row per link, product, buyer or coalition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..jurisdictions import scope
from ..registry import Entry, registries
from ..schema import date_text
from .about import YEAR, basis, data_year, data_years, of_view, place
from .attached import Kept, Ranking, Reasons, Source, check_draws, prior
from .baskets import warn_of_baskets
from .joint import Worlds, bounds_of, worlds_of
from .lens import Lens, lens, line_mix, scope_label
from .levels import MEANS, Levels, levels_of, uncounted, with_levels
from .markets import KEYS, Market, alone, lines_of
from .mix import FloatArray, Mix
from .owned import labelled, widened
from .parts import SHARE, link_share
from .registering import reasons
from .unknown import why_not

if TYPE_CHECKING:
    from ..graph import SupplyGraph

__all__ = ["Asked", "Origin", "Reasons", "columns_of", "origin_of", "score"]

# Order of the columns that every score has; registered metrics follow by name.
_ORDER = (
    "quantity",
    "share",
    "n_suppliers",
    "focal_share",
    "hhi",
    "cr3",
    "effective_suppliers",
    "n_minus_1_gross",
    "n_minus_1_net",
    "bottleneck",
    "bottleneck_headline",
    "coverage",
    "headline",
)
# Columns that say what of a market is the focal's.
_OF_FOCAL = ("focal_share", "bottleneck")
# Columns that speak of the figures, not of the world.
_KNOWLEDGE = ("coverage", "headline", "bottleneck_headline", "assumed_weights")
_OUTER = {"n_minus_1_net": "exact where one supplier is the largest in every completion, else outer"}
# Stands for any column of which high is worse.
_HIGH = Entry("metric", "any", max, {"worse": "high"})


@dataclass(frozen=True, eq=False)
class Asked:
    """One column of a score: a metric and the parameters it is computed with."""

    name: str
    function: Callable[..., Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    entry: Entry | None = None

    def _meta(self, key: str, default: Any) -> Any:
        return self.entry.meta.get(key, default) if self.entry is not None else default

    @property
    def grain(self) -> str:
        """Said of the market, or of each line."""
        return str(self._meta("grain", "market"))

    @property
    def worse(self) -> str | None:
        """The dependent end."""
        found: str | None = self._meta("worse", None)
        return found

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields without which it is undefined."""
        both: tuple[str, ...] = self._meta("needs", ())
        if self.params.get("form") == "gross":
            return tuple(x for x in both if x != "own_demand")
        return both

    def value(self, mix: Mix) -> FloatArray:
        """Value of every market."""
        out = np.asarray(self.function(mix, **self.params), dtype=np.float64)
        if out.shape != (mix.n,):
            raise SchemaError(
                [
                    Problem(
                        self.name,
                        "-",
                        "-",
                        f"must return one number for each of {mix.n} markets",
                        f"shape {out.shape}",
                        "Use mix.sum, mix.max, mix.per; they give an array by market.",
                    )
                ],
                f"metric {self.name!r}",
            )
        return out

    def bounds(self, mix: Mix) -> tuple[FloatArray, FloatArray]:
        """Bounds of every market; NaN where the metric declares none."""
        if self.entry is None:
            return np.full(mix.n, np.nan), np.full(mix.n, np.nan)
        interval: Any = getattr(self.entry.function, "interval", None)
        if interval is None:
            return np.full(mix.n, np.nan), np.full(mix.n, np.nan)
        low, high = interval(mix, **self.params)
        return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)

    @property
    def unbounded(self) -> str:
        """Why a bound is missing."""
        if self.entry is None:
            return "no bounds: a function given by the caller declares none"
        if not self._meta("interval", False):
            return "no bounds: it says how much is known, and is exact" if self.name in _KNOWLEDGE else "no bounds"
        return "no bound holds for every completion of this row"

    def listing(self) -> dict[str, Any]:
        """What a listing says of the column."""
        low, high = self._meta("bounds", (-np.inf, np.inf))
        return {
            "meaning": self.entry.summary if self.entry else (self.function.__doc__ or "").strip().split("\n")[0],
            "unit": self._meta("unit", "?"),
            "low": float(low),
            "high": float(high),
            "method": self.entry.name if self.entry else self.name,
            "params": dict(self.params),
            "reference": self._meta("reference", "given by the caller"),
            "worse": self.worse or "",
            "bounds": _OUTER.get(self.name, "exact") if self._meta("interval", False) else "none",
        }


def columns_of(metrics: Iterable[Any] | None = None) -> list[Asked]:
    """Columns that a score has.

    Parameters
    ----------
    metrics : iterable, optional
        Names of metrics or of columns, metrics, or any function of a :class:`Mix`; default: every metric that is
        registered to be shown.

    Returns
    -------
    list of Asked

    Raises
    ------
    UnknownNameError
        A name that is neither.

    Examples
    --------
    >>> [c.name for c in columns_of(["hhi", "cr3"])]
    ['hhi', 'cr3']
    """
    every = {
        name: Asked(name, e.function, params, e) for e in registries["metric"] for name, params in e.columns.items()
    }
    if metrics is None:
        rank = {name: i for i, name in enumerate(_ORDER)}
        shown = [a for a in every.values() if a.entry is not None and a.entry.shown]
        return sorted(shown, key=lambda a: (rank.get(a.name, len(rank)), a.name))
    out: dict[str, Asked] = {}
    for m in [metrics] if isinstance(metrics, str) or callable(metrics) else metrics:
        entry = getattr(m, "entry", None)
        name = m if isinstance(m, str) else entry.name if isinstance(entry, Entry) else None
        if name is None:
            if not callable(m):
                raise unknown_name("metric", m, [*registries["metric"].names(), *every], "score(metrics=...)")
            label = getattr(m, "__name__", type(m).__name__)
            out[label] = Asked(label, m)
        elif name in every:
            out[name] = every[name]
        elif name in registries["metric"]:
            found = registries["metric"][name]
            out |= {c: every[c] for c in found.columns}
        else:
            raise unknown_name("metric", name, [*registries["metric"].names(), *every], "score(metrics=...)")
    return list(out.values())


@dataclass(frozen=True, eq=False)
class Origin:
    """A score before it is a frame: graph, markets, lens and settings."""

    graph: SupplyGraph
    focal: str
    focal_given: Any
    view: str
    by: tuple[str, ...]
    market: Market
    lens: Lens
    asked: tuple[Asked, ...]
    samples: int | None
    seed: int
    correlate: str | None
    reliability: float | None
    market_name: str

    @cached_property
    def mix(self) -> Mix:
        """All markets."""
        return line_mix(self.market.lines, self.lens)

    @cached_property
    def lone(self) -> Mix | None:
        """Every line as a market, where rows are lines."""
        return None if self.market.single is None else line_mix(self.market.single, self.lens)

    @cached_property
    def open(self) -> tuple[Mix, Mix | None]:
        """The same markets and lines for bounds: suppliers have what is surely theirs, the rest is anyone's."""
        wide, single = self.lens.wide, self.market.single
        if wide is self.lens:
            return self.mix, self.lone
        return line_mix(self.market.lines, wide), None if single is None else line_mix(single, wide)

    @cached_property
    def worlds(self) -> Worlds | None:
        """Copies of the markets in which suppliers share a residual, for bounds."""
        return worlds_of(self.market.lines, self.lens.wide)

    @cached_property
    def nominal(self) -> Levels | None:
        """Flows at a nominal level in the markets, for bounds."""
        return levels_of(self.market.lines, self.lens.wide)

    @cached_property
    def counted(self) -> tuple[Mix, Mix | None]:
        """All markets, and all lines, without volumes that stand at a nominal level: for what says how much is known."""
        if self.nominal is None:
            return self.mix, self.lone
        lines, single = self.market.lines, self.market.single
        lone = None if single is None else line_mix(uncounted(single), self.lens)
        return line_mix(uncounted(lines), self.lens), lone

    @property
    def names(self) -> list[str]:
        """Columns with a metric behind them."""
        return [a.name for a in self.asked]

    def column(self, name: str) -> Asked:
        """The column of that name."""
        for a in self.asked:
            if a.name == name:
                return a
        raise unknown_name("column", name, self.names)

    def _at(self, c: Asked) -> tuple[Mix, npt.NDArray[np.int64] | None]:
        """Mix that a column is computed on, and the market of each row of the frame."""
        mix, lone = self.counted if c.name == "coverage" else (self.mix, self.lone)
        if lone is None:
            return mix, None
        return (lone, None) if c.grain == "line" else (mix, self.market.lines.market)

    def fine(self, c: Asked, what: str = "value") -> list[FloatArray]:
        """Value, or low and high, for each market (or link)."""
        mix, at = self._at(c)
        if what == "value":
            found = [c.value(mix)]
        else:
            name = c.entry.name if c.entry is not None else None
            whole = mix is self.mix
            wide = self.open[0] if whole else self.open[1] if mix is self.lone else None
            found = list(bounds_of(name, c.bounds, mix if wide is None else wide, self.worlds if whole else None))
            if name in MEANS and whole:
                ends = self.lens.together(MEANS[name], self.market.lines)
                if ends is not None:  # never tighter than what the mix of the pool makes of it
                    value = c.value(mix)
                    found[0] = np.maximum(found[0], np.minimum(np.fmin(ends[0], value), found[1]))
                    found[1] = np.minimum(found[1], np.maximum(np.fmax(ends[1], value), found[0]))
            lone = self.market.single if mix is self.lone else None
            levels = self.nominal if whole else None if lone is None else levels_of(lone, self.lens.wide)
            if levels is not None:
                found = list(levels.bounds(name, c.bounds, (found[0], found[1])))
            found = list(widened(self, c, mix, None if wide is mix else wide, found))
        return found if at is None else [x[at] for x in found]

    @cached_property
    def row_keys(self) -> pd.DataFrame:
        """Keys of each market (or link), all that a row can be grouped by."""
        rows = self.market.rows.reset_index(drop=True)
        if "link" in self.by:
            return rows
        products = self.graph.tables["products"].set_index("product")
        more = {
            k: products[k].reindex(rows["product"]).to_numpy(dtype=object)
            for k in ("stage", "chain", "commodity")
            if k in self.by
        }
        return rows.assign(**more)

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """Index levels after focal and view."""
        return ("supplier", "buyer", "product") if "link" in self.by else self.by

    @cached_property
    def group(self) -> tuple[npt.NDArray[Any], pd.MultiIndex, bool]:
        """Row of the frame of each market, the frame's index, and whether rows stand for several markets."""
        keys = self.row_keys[list(self.levels)].astype("object")
        grouped = keys.groupby(list(self.levels), sort=True) if len(keys) else None
        code = grouped.ngroup().to_numpy(dtype=np.int64) if grouped is not None else np.zeros(0, dtype=np.int64)
        first = np.zeros(int(code.max()) + 1 if len(code) else 0, dtype=np.int64)
        first[code[::-1]] = np.arange(len(code), dtype=np.int64)[::-1]
        head = keys.iloc[first]
        n = len(head)
        index = pd.MultiIndex.from_arrays(
            [
                np.full(n, self.focal, dtype=object),
                np.full(n, self.view, dtype=object),
                *(head[k] for k in self.levels),
            ],
            names=["focal", "view", *self.levels],
        )
        return code, index, len(code) != n

    def frame_positions(self, index: pd.Index) -> npt.NDArray[np.int64]:
        """Position in the full score of the rows of an index."""
        at = self.group[1].get_indexer(index)
        if (at < 0).any():
            raise unknown_name("row", index[int(np.flatnonzero(at < 0)[0])], [], "scores")
        return np.asarray(at, dtype=np.int64)

    def gather_bound(self, c: Asked, x: FloatArray, value: FloatArray, low: bool) -> FloatArray:
        """From markets to rows, a bound: of the worst of several only what keeps it a bound of the value."""
        if self.group[2]:
            # The worst of several is at least as bad as each whose value is known; how bad it may be, all decide.
            gone = np.isnan(value)
            if low == (c.worse == "high"):
                x = np.where(gone, np.nan, x)
            lost = self.gather(Asked("", c.function, {}, _HIGH), (~gone & np.isnan(x)).astype(np.float64)) > 0
            return np.where(lost, np.nan, self.gather(c, x))
        return self.gather(c, x)

    def gather(self, c: Asked, x: FloatArray) -> FloatArray:
        """From markets to rows; a row of several markets has the worst of them. ``x`` is (..., markets)."""
        code, index, several = self.group
        n = len(index)
        if not several:
            out = np.empty((*x.shape[:-1], n))
            out[..., code] = x
            return out
        order = np.argsort(code, kind="stable")
        start = np.flatnonzero(np.diff(code[order], prepend=-1))
        y = x[..., order]
        if c.worse == "high":
            return np.asarray(np.fmax.reduceat(y, start, axis=-1))
        if c.worse == "low":
            return np.asarray(np.fmin.reduceat(y, start, axis=-1))
        # No dependent end, and products of different units: only a row of one market has a value.
        size = np.diff(np.append(start, len(order)))
        return np.where(size == 1, y[..., start], np.nan)

    def why(self, c: Asked) -> pd.Series:
        """Reason for each undefined row of a column, '' where it is defined."""
        code, index, several = self.group
        mix, at = self._at(c)
        fine = c.value(mix)
        text = reasons(mix, fine, c.needs)
        if c.entry is not None and c.entry.name in _OF_FOCAL:
            why_not(mix, fine, c.entry.name, self.view, text)
        if c.name == "coverage":
            text[np.isnan(fine)] = "a supplier without a figure may make any quantity"
        text = text if at is None else text[at]
        out = np.full(len(index), "", dtype=object)
        if several and c.worse is None:
            size = np.bincount(code, minlength=len(index))
            out[size > 1] = "products of different units do not add"
            one = size[code] == 1
            out[code[one]] = text[one]
        else:
            value = self.gather(c, self.fine(c)[0])
            out[code] = text
            out[~np.isnan(value)] = ""
        return pd.Series(out, index=index, name=c.name)

    def drawn(self, name: str) -> FloatArray:
        """The draws of one column: (samples, rows)."""
        from .sampling import draws

        c = self.column(name)
        parts = [
            out[c.name]
            for _, _, out in draws(
                self.market.lines,
                self.lens,
                [c],
                int(self.samples or 0),
                self.seed,
                self.correlate,
                self.reliability,
                self.lone is not None,
            )
        ]
        x = np.concatenate(parts, axis=1) if parts else np.zeros((int(self.samples or 0), 0))
        if self.lone is not None and c.grain != "line":
            x = x[:, self.market.lines.market]
        return self.only_known(c, self.gather(c, x))

    def only_known(self, c: Asked, rows: FloatArray) -> FloatArray:
        """Draws of a part of which nothing is known are inventions: a row without a value has none."""
        if c.entry is None or c.entry.name not in _OF_FOCAL:
            return rows
        return np.where(np.isnan(self.gather(c, self.fine(c)[0])), np.nan, rows)

    def quantiles(self) -> dict[str, list[FloatArray]]:
        """5 % and 95 % of the draws of every column."""
        from .sampling import draws, quantiles

        several = self.group[2]
        if several:
            out: dict[str, list[FloatArray]] = {}
            for c in self.asked:
                out[c.name] = list(quantiles(self.drawn(c.name)))
            return out
        found: dict[str, list[FloatArray]] = {c.name: [] for c in self.asked}
        for _, _, part in draws(
            self.market.lines,
            self.lens,
            self.asked,
            int(self.samples or 0),
            self.seed,
            self.correlate,
            self.reliability,
            self.lone is not None,
        ):
            for name, x in part.items():
                found[name].append(quantiles(x))
        rows = {}
        for c in self.asked:
            q = np.concatenate(found[c.name], axis=1) if found[c.name] else np.zeros((2, 0))
            if self.lone is not None and c.grain != "line":
                q = q[:, self.market.lines.market]
            rows[c.name] = list(self.only_known(c, self.gather(c, q)))
        return rows


_OLDEST = Asked("data_year", max, {}, Entry("metric", "data_year", max, {"worse": "low"}))


def origin_of(scores: object, where: str) -> Origin:
    """What a score was made from.

    Parameters
    ----------
    scores : DataFrame
        A result of :func:`score`.
    where : str
        Who asks.

    Returns
    -------
    Origin

    Raises
    ------
    SchemaError
        The frame is not a score, or lost its attributes on the way.
    """
    source = getattr(scores, "attrs", {}).get("source")
    if not isinstance(source, Source):
        raise SchemaError(
            [
                Problem(
                    "scores",
                    "-",
                    "-",
                    "not a result of score(), or its attributes were lost on the way",
                    type(scores).__name__,
                    "Give the frame that score() returned, or the graph.",
                )
            ],
            where,
        )
    return source.made


def score(
    graph: SupplyGraph,
    focal: str | Iterable[str] = "CHN",
    view: str = "location",
    by: str | Sequence[str] = "link",
    *,
    market: str = "supply",
    bounds: bool = False,
    metrics: Iterable[Any] | None = None,
    samples: int | None = None,
    seed: int = 0,
    at: str | None = None,
    unlisted: str = "unknown",
    coalition: str | Iterable[str] | None = None,
    correlate: str | None = None,
    reliability: float | None = None,
) -> pd.DataFrame:
    """Measure how a supply graph depends on few suppliers and on a focal country.

    Parameters
    ----------
    graph : SupplyGraph
        What to measure.
    focal : str or iterable of str
        Country, scope preset, coalition of the graph (its members on the day of the graph, listed in
        ``.attrs["places"]``) or several of these; printed in every row.
    view : {"location", "equity", "control", "origin"}
        Whose a supplier is: where it stands, who owns it, who can stop it, or (``origin``) what of it depends on the
        focal through all tiers. Concentration in the origin view is that of places.
    by : str or sequence of str
        What a row is. ``link``; or any of ``product``, ``stage``, ``chain``, ``commodity`` with at most one of
        ``buyer`` and ``coalition``. Without a buyer the market is the world's production; with one, what flows into
        the buyer's pool (no pool, no row). A row of several products has the worst of them, never a mean.
    market : {"supply", "production", "capacity", "exports", "imports", "import_value"}
        Which volume. ``supply`` is production without a buyer, and all intake with one; ``imports`` leaves home
        supply out; ``import_value`` is ``imports`` in USD, as far as links state it.
    bounds : bool
        Add ``*_low`` and ``*_high``: the range over all admissible completions of what is uncertain.
    metrics : iterable, optional
        Names, metrics, or functions of a :class:`Mix`; default every metric registered to be shown.
    samples : int, optional
        Draw so many times from the intervals and add ``*_p05`` and ``*_p95``. The value is what is known; the quantiles
        are over a prior, stated in ``.attrs["prior"]``: a figure from the triangle of its low, value and high; what of a
        supplier is the focal's likewise, so that with holders not on record it is any part from 0 to 1, nought the
        likeliest and a third on average (with an unlisted supplier nought in half of the draws). Where many holders
        are not on record the value of control or equity therefore lies below its own ``p05``: ``.attrs["prior"]``
        counts such rows. ``.attrs["ranking"]`` says what a ranking of the rows is worth, and with draws
        ``.attrs["ranking"].stability(column, k)`` is :func:`rank_stability`.
    seed : int
        A whole number of at least 0; the same seed gives the same bits.
    at : str, optional
        Measure the graph on this day, as known then; coalitions have the members of the day.
    unlisted : {"unknown", "host"}
        Nodes without a recorded holder: width of the interval, or presumed the host country's (an assumption). With
        ``unknown`` a value of control is what the focal is known to be able to stop, as host or holder (NaN where that
        is nothing), ``coverage`` counts suppliers by the part of them on record, and concentration counts what has no
        holder on record as its host's (NaN where less than half is on record); its bounds give it to anyone.
    coalition : str or iterable of str, optional
        Coalitions for ``by="coalition"``; default all. What members send each other counts once, where it enters;
        the European Union stands as one buyer where the product has a pool of it, else as its members.
    correlate : {None, "source"}
        Draws of figures of one source are independent, or err together; of draws from the intervals, not with
        ``reliability``.
    reliability : float, optional
        Draw shares from a Dirichlet distribution of this pseudo-sample size instead of from the intervals.

    Returns
    -------
    DataFrame
        All columns numeric, so that ``score(a) - score(b)`` aligns; index ``focal, view`` and the keys. By link, the
        link's own ``quantity, share, focal_share, bottleneck, bottleneck_headline, coverage, headline``, and the concentration of the
        buyer's segment. ``headline`` speaks of ``focal_share``, in the origin view through all tiers, where
        ``assumed_weights`` says how much is traced by weights that are assumed; ``bottleneck_headline`` of
        ``bottleneck``, which in the equity view is that of control: equity gives no power to stop. ``data_year`` is the oldest data year of a figure of the market.
        ``.attrs["columns"]`` says unit, range, method, reference and version of each, and what it rests on (the
        volume, the direct market under the view, or all tiers): coverage, mix of grades and range of data years; ``.attrs["baskets"]``
        names the products whose links rest on headings that hold other goods too; ``.attrs["reasons"]``
        why values are undefined (NaN). ``coverage`` and ``headline`` say how much is known: they have no bounds, and
        their columns of bounds are NaN, said so in both attributes.

    Raises
    ------
    UnknownNameError
        A focal, view, key, market, metric or coalition that does not exist.
    SchemaError
        Keys that do not go together; a seed that is no whole number.

    Warns
    -----
    BasketWarning
        Once a call: rows that are links resting on headings that hold other goods too; by origin, any link on the way.

    Notes
    -----
    Missing policy: a missing quantity is in no sum and widens the bounds; unlisted suppliers and unknown holders are
    never one supplier; where more than half of a market has no named supplier its concentration is NaN. Use of a
    pool that states none is what flows in and not on. By equity and control, bounds of concentration give each country
    what it surely has (by control all that stands in the one focal), the rest to anyone: safe, and exact where holders are known. Source: each measure's in ``.attrs["columns"]``; views, markets
    and the prior of the draws are definitions of this library.

    Examples
    --------
    >>> import pandas as pd
    >>> import supplyrisk as sr
    >>> nodes = [dict(node=f"gallium.refined@{c}", product="gallium.refined", country=c, kind="producer", year=2024,
    ...     output=q, output_grade="A", output_source="s") for c, q in (("CHN", 98.0), ("JPN", 2.0))]
    >>> g = sr.SupplyGraph.from_tables(
    ...     products=pd.DataFrame([dict(product="gallium.refined", name="Gallium", commodity="gallium", chain="gallium",
    ...         stage="refine", unit="t", basis="contained", period="year")]),
    ...     nodes=pd.DataFrame(nodes),
    ...     sources=pd.DataFrame([dict(source="s", title="T", licence="public", licence_class="facts")]))
    >>> from supplyrisk.metrics import score
    >>> score(g, by="product")[["focal_share", "hhi", "headline"]].round(4).to_dict("list")
    {'focal_share': [0.98], 'hhi': [0.9608], 'headline': [1.0]}
    """
    from ..graph import check_graph

    check_graph(graph, "score()")
    at = None if at is None else date_text(at)
    check_draws(samples, correlate, reliability, seed)
    places = scope(focal, graph, at)
    label = focal if isinstance(focal, str) else scope_label(places)
    keys = [by] if isinstance(by, str) else list(by)
    if coalition is not None and "coalition" not in keys:
        keys = [*keys, "coalition"]
    if not keys or len(set(keys)) != len(keys):
        raise SchemaError(
            [Problem("score", "-", "by", "no key, or the same key twice", str(by), f"Use {', '.join(KEYS)}.")],
            "score()",
        )
    here = graph if at is None else graph.at(at)
    found = lines_of(here, keys, market, coalition, at, graph)
    lines = with_levels(here, found.lines)
    found = replace(found, lines=lines, single=None if found.single is None else alone(lines))
    asked = columns_of(metrics)
    if metrics is None and view == "origin":
        asked += columns_of(["assumed_weights"])
    need = {n for a in asked for n in a.needs}
    plain = any(a.entry is None for a in asked)
    made = Origin(
        here,
        label,
        focal,
        view,
        tuple(keys),
        found,
        lens(here, places, view, unlisted, traced=plain or bool({"bottleneck", "bottleneck_headline"} & need)),
        tuple(asked),
        samples,
        seed,
        correlate,
        reliability,
        market,
    )
    columns: dict[str, FloatArray] = {}
    listing: dict[str, dict[str, Any]] = {}
    drawn = made.quantiles() if samples is not None else {}
    code, index, _ = made.group
    for a in asked:
        values = {a.name: made.fine(a)[0]}
        if bounds:
            low, high = made.fine(a, "bounds")
            columns[a.name] = made.gather(a, values[a.name])
            columns[f"{a.name}_low"] = made.gather_bound(a, low, values[a.name], True)
            columns[f"{a.name}_high"] = made.gather_bound(a, high, values[a.name], False)
            values |= {f"{a.name}_low": low, f"{a.name}_high": high}
        about = labelled(of_view(a.listing(), view, market), made.lens, found.lines)
        for name, x in values.items():
            if name not in columns:
                columns[name] = made.gather(a, x)
            listing[name] = about | {"statistic": name[len(a.name) + 1 :] or "value"}
        if samples is not None:
            for tail, x in zip(("p05", "p95"), drawn[a.name], strict=True):
                columns[f"{a.name}_{tail}"] = x
                listing[f"{a.name}_{tail}"] = about | {"statistic": tail, "over": 'the draws of .attrs["prior"]'}
        if a.name == "quantity" and "link" in keys:
            for name, x in link_share(found.lines, bounds).items():
                columns[name] = np.empty(len(index))
                columns[name][code] = x
                listing[name] = SHARE | {"statistic": name[6:] or "value"}
    measured = "capacity" if market == "capacity" else "output"
    year = data_years(here, found.lines, measured)
    own = found.single if found.single is not None else found.lines
    if metrics is None:
        columns = place(columns, made.gather(_OLDEST, data_year(own, year)))
        listing["data_year"] = YEAR
    listing = basis(made, year, measured, columns, listing)
    mixed = warn_of_baskets(here, found.lines, view == "origin", 2)
    out = pd.DataFrame(columns, index=index)
    out.attrs = {
        "focal": label,
        "places": list(places),
        "view": view,
        "by": list(made.levels),
        "market": market,
        "graph": graph.name,
        "as_of": here.as_of or here.reference_date,
        "seed": seed if samples is not None else None,
        "columns": Kept(listing),
        "baskets": mixed,
        "reasons": Reasons(made, columns),
        "ranking": Ranking(made, columns, index),
        **({"prior": prior(made, columns)} if samples is not None else {}),
        "source": Source(made),
    }
    return out

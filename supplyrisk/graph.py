"""``SupplyGraph``: a frozen bundle of typed tables. The only module that imports networkx.

Tables are canonical; sparse views are built on demand and cached; networkx is a view for users. Nothing writes
back: every method returns a new graph or a new frame.
"""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .accounts import balance, explain, latest, stated_day
from .dating import all_hold, beneath_at, reference_date, tables_at, uncovered
from .entry import bundle_problems, convert_units
from .errors import Problem, SchemaError, UnitError, unknown_name
from .indexing import GraphIndex, numbered
from .intervals import DEFAULT_POLICY, IntervalPolicy, intervals, policy_from_json, policy_to_json
from .jurisdictions import dated, members
from .overlays import as_published, beneath_from_json, earlier_of, laid_over, still_covered, warn_of_private_rows
from .retained import outlived, rests_on_overlays, stated_before
from .schema import TABLES, coerce, date_ceil, date_text, is_date, table
from .selecting import selected
from .storage import as_written, described, fingerprint, read_parquet, write_parquet

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["GraphIndex", "SupplyGraph", "check_graph"]

FloatArray = npt.NDArray[np.float64]


def check_graph(graph: object, where: str) -> None:
    """Refuse what is no graph, with how to get one.

    Parameters
    ----------
    graph : object
        What was given as a graph.
    where : str
        Function that it was given to, e.g. ``"score()"``.

    Raises
    ------
    SchemaError
        Anything but a :class:`SupplyGraph`.
    """
    if not isinstance(graph, SupplyGraph):
        shown = repr(graph) if isinstance(graph, str | None) else type(graph).__name__
        remedy = "Give a SupplyGraph: load_atlas(), read(path), assemble(...) or SupplyGraph.from_tables(...)."
        raise SchemaError([Problem(where.strip("()"), "-", "graph", "not a graph", shown, remedy)], where)


def _again(kind: type[SupplyGraph], held: dict[str, Any]) -> SupplyGraph:
    return kind(**held)


@dataclass(frozen=True, eq=False, repr=False)
class SupplyGraph:
    """A supply graph: products, recipes, nodes, links and all that is known of them.

    Build one with :meth:`from_tables`, a reader of :mod:`supplyrisk.sources` and
    :func:`supplyrisk.assemble`, or :func:`supplyrisk.load_atlas`; the bare constructor takes tables that are valid
    already.

    Parameters
    ----------
    tables : mapping
        Table name to frame, coerced and valid.
    name : str
        What the graph is called in results.
    as_of : str, optional
        Reference date; intervals of older figures are wider. Default: the last day on which something in it was
        published, or the end of its newest data year; age is then counted from that year.
    history : tuple of str
        What was done to it, oldest first.
    policy : IntervalPolicy
        Width of figures whose source states no interval.
    beneath : mapping
        Public rows that overlays cover, see :mod:`supplyrisk.overlays`.

    Examples
    --------
    >>> import pandas as pd
    >>> g = SupplyGraph.from_tables(
    ...     products=pd.DataFrame([dict(product="gallium.refined", name="Refined gallium", commodity="gallium",
    ...         chain="gallium", stage="refine", unit="kg", basis="contained", period="year")]),
    ...     nodes=pd.DataFrame([dict(node="gallium.refined@CHN", product="gallium.refined", country="CHN",
    ...         kind="producer", year=2024, output=0.839, output_source="usgs", output_grade="A", unit="kt")]),
    ...     sources=pd.DataFrame([dict(source="usgs", title="USGS MCS 2026", licence="public domain",
    ...         licence_class="public_domain")]))
    >>> g
    <SupplyGraph 'graph': 1 product, 1 node, 0 links, as of 2024-12-31>
    >>> float(g.nodes["output"].iloc[0])
    839000.0
    """

    tables: Mapping[str, pd.DataFrame]
    name: str = "graph"
    as_of: str | None = None
    history: tuple[str, ...] = ()
    policy: IntervalPolicy = DEFAULT_POLICY
    beneath: Mapping[str, pd.DataFrame] = dataclasses.field(default_factory=dict)

    # ------------------------------------------------------------------ making one

    @classmethod
    def from_tables(
        cls,
        tables: Mapping[str, pd.DataFrame] | None = None,
        *,
        name: str = "graph",
        as_of: str | None = None,
        history: Iterable[str] = (),
        policy: IntervalPolicy = DEFAULT_POLICY,
        **frames: pd.DataFrame,
    ) -> SupplyGraph:
        """Validate tables and bundle them; every problem of every table is reported at once.

        Parameters
        ----------
        tables : mapping, optional
            Table name to frame. Tables that are left out are empty.
        name : str
            What the graph is called in results.
        as_of : str, optional
            Reference date for the ageing of intervals.
        history : iterable of str
            What was done before.
        policy : IntervalPolicy
            Width of figures without a stated interval.
        **frames : DataFrame
            Tables by keyword, e.g. ``nodes=...``. ``nodes``, ``links``, ``demand`` and ``stocks`` may carry a
            ``unit`` and a ``basis`` column: quantities are converted to the product's own, once, here.

        Returns
        -------
        SupplyGraph

        Raises
        ------
        SchemaError
            With all problems in ``.problems``.
        UnitError
            The only problems are units or bases that do not convert.
        """
        given = {**(tables or {}), **frames}
        for key in given:
            if key not in TABLES:
                raise unknown_name("table", key, TABLES)
        problems: list[Problem] = []
        out: dict[str, pd.DataFrame] = {}
        raw = dict(given)
        if "products" in raw:
            products, found = coerce(raw.pop("products"), TABLES["products"])
            problems += found
        else:
            products = TABLES["products"].empty()
        out["products"] = products
        unit_problems = 0
        for key, spec in TABLES.items():
            if key == "products":
                continue
            frame = raw.get(key)
            if frame is None or not len(frame):
                out[key] = spec.empty()
                continue
            frame, found = convert_units(frame.reset_index(drop=True), spec, products)
            unit_problems += len(found)
            problems += found
            out[key], found = coerce(frame, spec)
            problems += found
        out["nodes"] = dated(out["nodes"])
        graph = cls(out, name, as_of, tuple(history), policy)
        problems += bundle_problems(out, as_of)
        if problems:
            error = UnitError if unit_problems == len(problems) else SchemaError
            raise error(problems, f"graph {name!r}")
        return graph

    def validate(self) -> pd.DataFrame:
        """Every broken rule as a table; empty for a valid graph.

        Returns
        -------
        DataFrame
            Columns table, row, column, rule, value, remedy.
        """
        return pd.DataFrame(
            [dataclasses.asdict(p) for p in bundle_problems(self.tables, self.as_of)],
            columns=["table", "row", "column", "rule", "value", "remedy"],
        )

    # ------------------------------------------------------------------ looking at one

    def table(self, name: str) -> pd.DataFrame:
        """A copy of one table; editing it never reaches the graph.

        Parameters
        ----------
        name : str
            Table name.

        Returns
        -------
        DataFrame
        """
        table(name)
        return self.tables[name].copy()

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name in TABLES and "tables" in self.__dict__:
            return self.table(name)
        raise AttributeError(f"SupplyGraph has no attribute {name!r}; its tables are {', '.join(TABLES)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Tables and what is said of them, without arrays worked out of them: for pickle, deepcopy and other processes."""
        held = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in held.items()}
        return _again, (type(self), plain)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *TABLES})

    @cached_property
    def reference_year(self) -> int:
        """Year against which the age of a figure is counted."""
        if self.as_of:
            return int(self.as_of[:4])
        years = [self.tables[t]["year"].max() for t in ("nodes", "links", "demand") if len(self.tables[t])]
        years = [int(y) for y in years if pd.notna(y)]
        return max(years) if years else 2000

    @cached_property
    def reference_date(self) -> str:
        """Day of which the graph speaks: ``as_of``, or the first day on which all that is in it is known."""
        return date_ceil(self.as_of) if self.as_of else reference_date(self.tables, self.reference_year)

    @cached_property
    def dark_from(self) -> dict[str, int]:
        """Source id to the year in which it stopped publishing."""
        s = self.tables["sources"].dropna(subset=["dark_from"])
        return {str(k): int(str(v)[:4]) for k, v in zip(s["source"], s["dark_from"], strict=True)}

    @cached_property
    def index(self) -> GraphIndex:
        """Latest vintage as integer arrays, built once."""
        return numbered(
            self.tables, self.beneath, self.reference_year, lambda rows: self.interval("links", "quantity", rows)
        )

    def interval(
        self, name: str, quantity: str, frame: pd.DataFrame | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, low and high of a quantity of a table, widened by grade, age and darkness.

        Parameters
        ----------
        name, quantity : str
            Table and quantity.
        frame : DataFrame, optional
            Rows of that table; default all.

        Returns
        -------
        tuple of ndarray
        """
        spec = table(name)
        rows = self.tables[name] if frame is None else frame
        return intervals(rows, spec.quantity(quantity), self.reference_year, self.dark_from, self.policy)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all content and of the widths of intervals; equal graphs have equal ones whatever their row order."""
        return fingerprint(self.tables, None if self.policy == DEFAULT_POLICY else policy_to_json(self.policy))

    def __repr__(self) -> str:
        def n(count: int, word: str) -> str:
            return f"{count:,} {word}{'' if count == 1 else 's'}"

        at = stated_day(self)
        products, nodes, links = (self.tables[t] for t in ("products", "nodes", "links"))
        return (
            f"<SupplyGraph {self.name!r}: {n(len(products), 'product')}, {n(nodes['node'].nunique(), 'node')}, "
            f"{n(len(links), 'link')}, as of {at}>"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(t)}</td><td style='text-align:right'>{len(self.tables[t]):,}</td>"
            f"<td>{html.escape(TABLES[t].meaning)}</td></tr>"
            for t in TABLES
            if len(self.tables[t])
        )
        grades = self.grades()
        mix = ", ".join(f"{g}: {s:.0%}" for g, s in grades.items() if s > 0)
        at = stated_day(self)
        return (
            f"<div><b>SupplyGraph {html.escape(self.name)}</b> as of {html.escape(at)}"
            f"<table><tr><th>table</th><th>rows</th><th>a row is</th></tr>{rows}</table>"
            f"<small>figures by grade: {html.escape(mix)} &middot; fingerprint {self.fingerprint}</small></div>"
        )

    def grades(self) -> dict[str, float]:
        """Share of the graph's figures by grade.

        Returns
        -------
        dict
            Grade to fraction of all graded figures; ``ungraded`` for the rest.
        """
        counts: dict[str, int] = {}
        for name, spec in TABLES.items():
            frame = self.tables[name]
            for q in spec.quantities:
                grade = frame.loc[frame[q.name].notna(), q.grade].astype("object")
                for g, c in grade.where(grade.notna(), "ungraded").value_counts().items():
                    counts[str(g)] = counts.get(str(g), 0) + int(c)
        total = sum(counts.values()) or 1
        return {g: counts.get(g, 0) / total for g in ("A", "B", "C", "D", "assumption", "ungraded")}

    def check_product(self, product: str, where: str = "product") -> str:
        """Return the product id, or raise with close matches.

        Parameters
        ----------
        product : str
            Id.
        where : str
            Argument in which it was given.

        Returns
        -------
        str
        """
        known = self.tables["products"]["product"]
        if (known == product).any():
            return product
        raise unknown_name("product", product, known.astype(str), where)

    def members(self, coalition: str, at: str | None = None, roles: Iterable[str] = ("member",)) -> tuple[str, ...]:
        """Countries of a coalition on a day.

        Parameters
        ----------
        coalition : str
            Coalition id, e.g. ``"MSP"``.
        at : str, optional
            ISO date of any precision; its last day counts. Default: the last day on which the coalition had a
            member.
        roles : iterable of str
            Which roles count.

        Returns
        -------
        tuple of str
            ISO3, sorted. The European Union as a party stands as ``EUE``.

        Raises
        ------
        UnknownNameError
            No such coalition.
        """
        return members(self.tables["memberships"], coalition, at, roles)

    # ------------------------------------------------------------------ other graphs from one

    def replace(self, note: str | None = None, **frames: pd.DataFrame) -> SupplyGraph:
        """A graph with some tables exchanged, validated anew.

        Parameters
        ----------
        note : str, optional
            Line for the history.
        **frames : DataFrame
            Tables by name.

        Returns
        -------
        SupplyGraph
        """
        graph = SupplyGraph.from_tables(
            {**self.tables, **frames},
            name=self.name,
            as_of=self.as_of,
            history=(*self.history, note or f"replaced {', '.join(frames)}"),
            policy=self.policy,
        )
        kept = stated_before(self.tables, graph.tables, self.beneath, note, True)
        return dataclasses.replace(graph, beneath=still_covered(kept, graph.tables))

    def _with(
        self,
        tables: Mapping[str, pd.DataFrame],
        note: str,
        as_of: str | None = None,
        beneath: Mapping[str, pd.DataFrame] | None = None,
    ) -> SupplyGraph:
        frames = {k: v.reset_index(drop=True) for k, v in tables.items()}
        beneath = still_covered(self.beneath if beneath is None else beneath, frames)
        return SupplyGraph(frames, self.name, as_of or self.as_of, (*self.history, note), self.policy, beneath)

    def at(self, date: str, known_on: str | None = None) -> SupplyGraph:
        """The graph on a day, as known then.

        Parameters
        ----------
        date : str
            ISO date of any precision; its last day counts. Facts of later years, and facts whose validity ended
            before or begins after the day, are left out.
        known_on : str, optional
            Facts published after this day are left out too. Default: the same day. ``"latest"`` looks back with
            all that is known today.

        Returns
        -------
        SupplyGraph
            On its own :attr:`reference_date` the graph itself, less what is not valid on that day.

        Notes
        -----
        Missing policy: a statistic without a day of publication, in a graph whose other figures have one, is known
        from the end of the year after its data year. A producer whose figures were all published later stays as a
        node with missing figures (``unknown``) as long as another producer of the product is known: the market is
        then known to be larger, and the shares in it are missing or wide, never 0. A product of which nothing was
        known is absent. Of statistics that list whole years the newest year of the day is the market; who is not out yet
        in it is missing in it. A row of an overlay that is not of the day covers no public row. A node that states
        no figure is there with the links and uses that name it.
        """
        for given, optional in ((date, False), (known_on, True)):
            if not (optional and given in (None, "latest")) and not is_date(date_text(given)):
                raise SchemaError(
                    [Problem("at", "-", "date", "not an ISO date", repr(given), "Write 2023-08-01.")], "the date"
                )
        date, known_on = date_text(date), None if known_on is None else date_text(known_on)
        day = date_ceil(date)
        known = None if known_on == "latest" else date_ceil(known_on or date)
        # A date that the user gave says nothing of what was known on it; on the graph's own all is
        # known (and as old as it is), not all holds.
        own = self.as_of is None and day == self.reference_date and known in (day, None)
        if own and all_hold(self.tables, day):
            return self
        tables = self.tables if known is None else as_published(self.tables, self.beneath, known)
        tables = uncovered(tables, self.beneath, day, known)
        out = tables_at(tables, day, known, self.beneath)
        note = f"at {day}" + ("" if known is None else f", as known on {known}")
        under = beneath_at(tables, self.beneath, day, known, rests_on_overlays(self.history))
        graph = self._with(out, note, as_of=None if own else day, beneath=under)
        return graph if graph.reference_date == day else dataclasses.replace(graph, as_of=day)

    def select(
        self,
        *,
        product: str | Iterable[str] | None = None,
        chain: str | Iterable[str] | None = None,
        stage: str | Iterable[str] | None = None,
        country: str | Iterable[str] | None = None,
        year: int | None = None,
    ) -> SupplyGraph:
        """The part of the graph that meets all conditions.

        Parameters
        ----------
        product, chain, stage, country : str or iterable of str, optional
            Values to keep. A name that matches nothing raises with close matches.
        year : int, optional
            Keep figures of this data year or older, with hindsight.

        Returns
        -------
        SupplyGraph
            What is of today in it is what was of today in the whole: a series whose newest rows are not selected does
            not fall back to an earlier year.
        """
        out, places = selected(self.tables, product, chain, stage, country, year)
        conditions = {"product": product, "chain": chain, "stage": stage, "country": country, "year": year}
        note = "select " + ", ".join(f"{k}={v!r}" for k, v in conditions.items() if v is not None)
        under = earlier_of(out, self.beneath, places, year)
        return self._with(out, note, beneath=outlived(self.tables, out, under, year, rests_on_overlays(self.history)))

    def overlay(self, other: Any, name: str = "overlay") -> SupplyGraph:
        """The graph with rows added or overridden by key; overlaid rows carry the overlay's name.

        Parameters
        ----------
        other : SupplyGraph, mapping of frames, or anything with ``.tables``
            E.g. what a reader of :mod:`supplyrisk.sources` returns; it brings products that are new here.
        name : str
            Written to ``origin_tag`` of the overlaid rows; rows that are not ``public`` stay out of exports, whatever
            source they cite. The public rows that they cover are kept in ``beneath`` and come back in exports.
            A series whose newest rows are covered does not fall back to an earlier year.

        Returns
        -------
        SupplyGraph

        Raises
        ------
        SchemaError
            A reserved name such as ``public``, or rows that break the rules of the data model.
        """
        given: dict[str, pd.DataFrame] = dict(getattr(other, "tables", other))
        inputs: Mapping[str, pd.DataFrame] | None = getattr(other, "inputs", None)
        if inputs is not None:  # a reading brings the products that its rows speak of, and alters none that is here
            frames = [f for f in (given.get("products"), inputs.get("products")) if f is not None and len(f)]
            if frames:
                new = pd.concat(frames, ignore_index=True).drop_duplicates("product")
                given["products"] = new[~new["product"].isin(self.tables["products"]["product"])]
        tables, beneath = laid_over(self.tables, self.beneath, given, name, rests_on_overlays(self.history))
        history = (*self.history, f"overlay {name}")
        graph = SupplyGraph.from_tables(tables, name=self.name, as_of=self.as_of, history=history, policy=self.policy)
        return dataclasses.replace(graph, beneath=beneath)

    # ------------------------------------------------------------------ accounts

    def balance(self, tolerance: float = 0.02) -> pd.DataFrame:
        """Every node whose account does not close within a relative tolerance, or cannot be closed.

        Parameters
        ----------
        tolerance : float
            Relative gap that still counts as closed.

        Returns
        -------
        DataFrame
            See :func:`supplyrisk.accounts.balance`.
        """
        return balance(self, tolerance)

    def explain(self, what: str, **keys: Any) -> pd.DataFrame:
        """The rows behind a number, down to the source.

        Parameters
        ----------
        what : str
            A node id, or a table name with key values as keywords.
        **keys
            Column values that rows of the table must have, e.g. ``explain("links", product="ndfeb.magnet")``.

        Returns
        -------
        DataFrame
            See :func:`supplyrisk.accounts.explain`.
        """
        return explain(self, what, **keys)

    # ------------------------------------------------------------------ networkx and parquet

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """The graph as a networkx MultiDiGraph, without loss.

        Returns
        -------
        networkx.MultiDiGraph
            A node per node id with the latest vintage's columns as attributes, an edge per link keyed by
            ``(product, year)``; everything else in ``.graph["tables"]``.
        """
        import networkx as nx

        def attributes(record: Mapping[Any, Any], skip: tuple[str, ...]) -> dict[str, Any]:
            return {str(k): v for k, v in record.items() if k not in skip and pd.notna(v)}

        out: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        nodes = self.tables["nodes"]
        newest = latest(nodes, ["node"])
        keys = pd.MultiIndex.from_frame(newest[["node", "year"]].astype("object"))
        older = ~pd.MultiIndex.from_frame(nodes[["node", "year"]].astype("object")).isin(keys)
        for record in newest.to_dict("records"):
            out.add_node(record["node"], **attributes(record, ("node",)))
        for record in self.tables["links"].to_dict("records"):
            year = None if pd.isna(record["year"]) else int(record["year"])
            out.add_edge(
                record["supplier"],
                record["buyer"],
                key=(record["product"], year),
                **attributes(record, ("supplier", "buyer", "product", "year")),
            )
        out.graph["tables"] = {k: v.copy() for k, v in self.tables.items() if k not in ("nodes", "links")}
        out.graph["older_nodes"] = nodes[older].reset_index(drop=True)
        out.graph["as_of"], out.graph["history"], out.graph["policy"] = self.as_of, self.history, self.policy
        out.graph["beneath"] = {k: v.copy() for k, v in self.beneath.items()}
        return out

    @classmethod
    def from_networkx(cls, graph: nx.MultiDiGraph[str]) -> SupplyGraph:
        """Inverse of :meth:`to_networkx`; edits made in networkx are validated on the way in.

        Parameters
        ----------
        graph : networkx.MultiDiGraph
            As made by :meth:`to_networkx`.

        Returns
        -------
        SupplyGraph
        """
        nodes = pd.DataFrame([{"node": n, **a} for n, a in graph.nodes(data=True)])
        older = graph.graph.get("older_nodes")
        if older is not None and len(older):
            nodes = pd.concat([nodes.astype("object"), older.astype("object")], ignore_index=True)
        links = pd.DataFrame(
            [
                {"supplier": u, "buyer": v, "product": k[0], "year": k[1], **a}
                for u, v, k, a in graph.edges(keys=True, data=True)
            ]
        )
        tables: dict[str, pd.DataFrame] = dict(graph.graph.get("tables", {}))
        if len(nodes):
            tables["nodes"] = nodes
        if len(links):
            tables["links"] = links
        made = cls.from_tables(
            tables,
            name=graph.graph.get("name", "graph"),
            as_of=graph.graph.get("as_of"),
            history=graph.graph.get("history", ()),
            policy=graph.graph.get("policy", DEFAULT_POLICY),
        )
        return dataclasses.replace(made, beneath=still_covered(graph.graph.get("beneath", {}), made.tables))

    def to_parquet(self, path: str | os.PathLike[str], private: bool = False) -> Path:
        """Write a folder of parquet files, one per table, units in the field metadata; replaced as a whole.

        Parameters
        ----------
        path : path-like
            Folder. An existing one is replaced only if it is such a folder, and only once all files are written.
        private : bool
            Rows of overlays and of private sources are meant to be in it; else there is a warning.

        Returns
        -------
        Path

        Warns
        -----
        PrivateDataWarning
            The graph holds such rows; :func:`supplyrisk.export` leaves them out.
        """
        if not private:
            warn_of_private_rows(self.tables, Path(path).name)
        return write_parquet(self.tables, described(self), path)

    @classmethod
    def from_parquet(cls, path: str | os.PathLike[str]) -> SupplyGraph:
        """Read what :meth:`to_parquet` wrote.

        Parameters
        ----------
        path : path-like
            Folder.

        Returns
        -------
        SupplyGraph
            With a line in its history if the content is not what was written.

        Raises
        ------
        SourceError
            Not such a folder, or a file in it is absent, truncated or of another row count; all are listed.
        """
        tables, meta = read_parquet(path)
        policy = policy_from_json(meta["policy"]) if "policy" in meta else DEFAULT_POLICY
        graph = cls.from_tables(tables, name=meta["name"], as_of=meta["as_of"], history=meta["history"], policy=policy)
        graph = as_written(graph, meta.get("fingerprint"), Path(path).name)
        return dataclasses.replace(graph, beneath=beneath_from_json(meta.get("beneath", {})))

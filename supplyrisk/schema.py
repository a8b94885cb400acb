"""The data model: every table and column declared once.

A declaration drives validation, the Arrow schema with unit metadata, the data dictionary and the property
tests' strategies. Tables are tidy and long; keys are text; magnitudes are plain floats in the unit that the
column states. ``unit="product"`` means: the unit and basis of the row's product.

Missing is four different things, kept apart by the ``*_missing`` code beside every quantity:
``withheld`` (known to the publisher, not published), ``not_available`` (nobody published it),
``not_applicable`` (cannot exist) and ``unknown`` (we have not found it). Zero is a value, not a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from .errors import Problem, close_matches, unknown_name

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CONTROL_TYPES",
    "FACT",
    "GRADES",
    "INPUT_CLASSES",
    "LICENCES",
    "LINK_METHODS",
    "MEASURE_KINDS",
    "MISSING",
    "NODE_KINDS",
    "PSEUDO_COUNTRIES",
    "STAGES",
    "TABLES",
    "VIEWS",
    "Column",
    "Quantity",
    "Table",
    "arrow_schema",
    "coerce",
    "data_dictionary",
    "date_ceil",
    "date_floor",
    "node_id",
    "parse_node_id",
    "table",
    "validate_table",
]

STAGES = (
    "mine",
    "refine",
    "chemical",
    "metal",
    "component",
    "wafer",
    "front_end",
    "back_end",
    "equipment",
    "design",
    "device",
    "scrap",
)
NODE_KINDS = ("producer", "demand", "stock")
VIEWS = ("location", "equity", "control", "origin")
INPUT_CLASSES = ("essential", "important", "minor")
LINK_METHODS = ("observed", "mirrored", "balanced", "world_pool", "assumed")
CONTROL_TYPES = (
    "equity",
    "majority",
    "joint",
    "minority",
    "golden_share",
    "offtake",
    "finance",
    "technology",
    "operator",
    "host_override",
)
MEASURE_KINDS = (
    "ban",
    "licence",
    "quota",
    "tax",
    "customs_stop",
    "technology_ban",
    "price_flood",
    "entity_listing",
    "information_cut",
    "easing",
    "other",
)
MISSING = ("withheld", "not_available", "not_applicable", "unknown")
# A: read or derived, confidence high. B: the same, medium. C: low confidence. D: recalled, act or filing not opened.
GRADES = ("A", "B", "C", "D", "assumption")
LICENCES = ("public_domain", "cc0", "cc_by", "attribution", "facts", "non_commercial", "restricted", "private")
# ISO codes come from pycountry; these are declared extras. WLD is the anonymous world pool, ROW the unlisted rest,
# UNK an owner or supplier nobody has named, EUE the European Union as one buyer.
PSEUDO_COUNTRIES = {
    "EUE": "European Union",
    "ROW": "Rest of world",
    "WLD": "World market",
    "UNK": "Unknown",
    "ALL": "Every destination",
    "XKX": "Kosovo",
    "ASE": "South-East Asia",
}

DType = Literal["text", "float", "int", "bool", "date"]
_DATE = re.compile(r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$")


@dataclass(frozen=True)
class Column:
    """One column of one table.

    Parameters
    ----------
    name, meaning : str
        Name and what it holds, in a sentence.
    dtype : {"text", "float", "int", "bool", "date"}
        ``date`` is ISO text of any precision: ``2023``, ``2023-07`` or ``2023-07-03``.
    unit : str, optional
        pint unit; ``"product"`` for the unit of the row's product, ``"product_total"`` for the same without
        the period (stocks); ``"1"`` for a fraction; None for text.
    key : bool
        Part of the row's identity.
    nullable : bool
        Whether it may be empty.
    minimum, maximum : float, optional
        Closed bounds.
    choices : tuple of str
        The only admitted values, where not empty.
    refers : str, optional
        ``table.column`` in which the value must occur.
    """

    name: str
    meaning: str
    dtype: DType = "text"
    unit: str | None = None
    key: bool = False
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    refers: str | None = None


@dataclass(frozen=True)
class Quantity:
    """A number with all that belongs to it: interval, missingness, year, source and grade.

    A table with one quantity uses the plain names ``low, high, missing, year, source, grade``; where a table has
    several (``nodes``), the others carry their name as a prefix.
    """

    name: str
    meaning: str
    unit: str
    minimum: float | None = 0.0
    maximum: float | None = None
    prefixed: bool = False

    def _n(self, part: str) -> str:
        return f"{self.name}_{part}" if self.prefixed else part

    @property
    def low(self) -> str:
        """Name of the column with the lower bound."""
        return self._n("low")

    @property
    def high(self) -> str:
        """Name of the column with the upper bound."""
        return self._n("high")

    @property
    def missing(self) -> str:
        """Name of the column with the missingness code."""
        return self._n("missing")

    @property
    def year(self) -> str:
        """Name of the column with the data year."""
        return self._n("year")

    @property
    def source(self) -> str:
        """Name of the column with the source id."""
        return self._n("source")

    @property
    def grade(self) -> str:
        """Name of the column with the grade."""
        return self._n("grade")

    def columns(self) -> tuple[Column, ...]:
        """All columns of the quantity."""
        lo, hi = self.minimum, self.maximum
        own = (
            Column(self.name, self.meaning, "float", self.unit, minimum=lo, maximum=hi),
            Column(self.low, f"lower bound of {self.name}", "float", self.unit, minimum=lo, maximum=hi),
            Column(self.high, f"upper bound of {self.name}", "float", self.unit, minimum=lo, maximum=hi),
            Column(self.missing, f"why {self.name} is empty", choices=MISSING),
        )
        if not self.prefixed:
            return own
        return (
            *own,
            Column(self.year, f"data year of {self.name}", "int", minimum=1900, maximum=2100),
            Column(self.source, f"source of {self.name}", refers="sources.source"),
            Column(self.grade, f"grade of {self.name}", choices=GRADES),
        )


# What every row of a fact table carries.
FACT: tuple[Column, ...] = (
    Column("year", "data year of the figure", "int", minimum=1900, maximum=2100),
    Column("valid_from", "first day on which the fact holds", "date"),
    Column("valid_to", "last day on which the fact holds", "date"),
    Column("published_on", "day on which the figure became public", "date"),
    Column("source", "id of the source; rows without one must be graded 'assumption'", refers="sources.source"),
    Column("grade", "A read, high; B read, medium; C low confidence; D recalled; assumption", choices=GRADES),
    Column("origin_tag", "'public', or the name of the overlay that the row came from"),
    Column("note", "what a reader must know of the figure"),
)


@dataclass(frozen=True)
class Table:
    """One table: its columns and what a row is."""

    name: str
    meaning: str
    plain: tuple[Column, ...]
    quantities: tuple[Quantity, ...] = ()
    fact: bool = True

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in canonical order: keys and attributes, quantities, then what every fact carries."""
        out = list(self.plain)
        for q in self.quantities:
            out += q.columns()
        if self.fact:
            own = {c.name for c in out}
            out += [c for c in FACT if c.name not in own]
        return tuple(out)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names in canonical order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that identify a row; ``year`` is part of it where the table is a panel."""
        return tuple(c.name for c in self.columns if c.key)

    def column(self, name: str) -> Column:
        """The declaration of one column."""
        for c in self.columns:
            if c.name == name:
                return c
        raise unknown_name("column", name, self.names, f"table {self.name}")

    def quantity(self, name: str) -> Quantity:
        """The quantity of that name."""
        for q in self.quantities:
            if q.name == name:
                return q
        raise unknown_name("quantity", name, [q.name for q in self.quantities], f"table {self.name}")

    def empty(self) -> pd.DataFrame:
        """A frame with all columns and no row."""
        return self._empty.copy()

    @cached_property
    def _empty(self) -> pd.DataFrame:
        return pd.DataFrame({c.name: _blank(c, 0) for c in self.columns}, columns=list(self.names))

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """Pandas dtype of each column, as :func:`coerce` leaves it."""
        return {str(k): str(v) for k, v in self._empty.dtypes.items()}


def _c(name: str, meaning: str, **kw: object) -> Column:
    return Column(name, meaning, **kw)  # type: ignore[arg-type]


_PANEL_YEAR = Column(
    "year",
    "data year of the figure; several vintages may stand side by side",
    "int",
    key=True,
    minimum=1900,
    maximum=2100,
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        Table(
            "products",
            "a good at one stage of a chain, with one unit and one basis",
            (
                _c("product", "id, commodity.form, e.g. gallium.refined", key=True, nullable=False),
                _c("name", "name for people", nullable=False),
                _c("commodity", "commodity or chip family the product belongs to", nullable=False),
                _c("chain", "chain it is shown in, e.g. rare_earths or chips", nullable=False),
                _c("stage", "stage of the chain", nullable=False, choices=STAGES),
                _c("unit", "unit of quantities of the product (t, kg, wafer, world_share, ...)", nullable=False),
                _c("basis", "what the unit counts: contained, gross, oxide, LCE, 200mm_eq, ...", nullable=False),
                _c("period", "flows are per this time", nullable=False, choices=("year", "month")),
                _c("hs6", "HS 2017 headings in which it is traded, ';' between"),
                _c(
                    "hs_purity",
                    "part of the heading's value that is this product; empty = unknown",
                    dtype="float",
                    unit="1",
                    minimum=0.0,
                    maximum=1.0,
                ),
                _c("price", "price of a unit", dtype="float", unit="USD", minimum=0.0),
                _c("price_low", "lower price", dtype="float", unit="USD", minimum=0.0),
                _c("price_high", "upper price", dtype="float", unit="USD", minimum=0.0),
                _c("price_year", "year of the price", dtype="int", minimum=1900, maximum=2100),
                _c("price_source", "source of the price", refers="sources.source"),
                _c("price_grade", "grade of the price", choices=GRADES),
                _c("note", "what a reader must know"),
            ),
            fact=False,
        ),
        Table(
            "recipes",
            "input requirement: one product needs another",
            (
                _c("product", "product made", key=True, nullable=False, refers="products.product"),
                _c("input", "product needed", key=True, nullable=False, refers="products.product"),
                _c("process", "process for which the coefficient holds", key=True, nullable=False),
                _c("input_class", "what happens without the input", nullable=False, choices=INPUT_CLASSES),
                _c("substitute_group", "inputs with the same group are alternatives (or), not both (and)"),
                _c("host", "true where the output is a by-product that the input's throughput limits", dtype="bool"),
                _c(
                    "process_yield", "output over theoretical output", dtype="float", unit="1", minimum=0.0, maximum=1.0
                ),
            ),
            (Quantity("coefficient", "input units per unit of output", "input/product"),),
        ),
        Table(
            "nodes",
            "who makes, uses or holds a product where",
            (
                _c(
                    "node",
                    "id: product@ISO3, with #site, and :demand or :stock for those kinds",
                    key=True,
                    nullable=False,
                ),
                _c("product", "product", nullable=False, refers="products.product"),
                _c("country", "ISO 3166-1 alpha-3 of the place; CHN, HKG, MAC, TWN apart", nullable=False),
                _c("site", "plant or firm, where the node is finer than the country"),
                _c("kind", "what the node does", nullable=False, choices=NODE_KINDS),
                _c("firm", "operating firm"),
                _PANEL_YEAR,
            ),
            (
                Quantity("output", "production, as reported", "product", prefixed=True),
                Quantity("capacity", "nameplate capacity; never read as production", "product", prefixed=True),
                Quantity("unit_cost", "cost of a unit at the gate", "USD/product", minimum=None, prefixed=True),
                Quantity("lead_time", "time from decision to first output", "year", prefixed=True),
            ),
        ),
        Table(
            "links",
            "a directed supply relation: what carries a quantity, is scored, and can be cut",
            (
                _c("supplier", "node that sends", key=True, nullable=False, refers="nodes.node"),
                _c("buyer", "node that receives", key=True, nullable=False, refers="nodes.node"),
                _c("product", "product sent", key=True, nullable=False, refers="products.product"),
                _PANEL_YEAR,
                _c("method", "how the figure came about", nullable=False, choices=LINK_METHODS),
                _c("value", "trade value", dtype="float", unit="USD", minimum=0.0),
            ),
            (Quantity("quantity", "flow", "product"),),
        ),
        Table(
            "demand",
            "what is used of a product in a place",
            (
                _c("node", "demand node", key=True, nullable=False, refers="nodes.node"),
                _c("use", "end use, or 'total'", key=True, nullable=False),
                _PANEL_YEAR,
            ),
            (Quantity("quantity", "use", "product"),),
        ),
        Table(
            "holdings",
            "who can stop a node, or a firm that can",
            (
                _c("asset", "node id, or a firm that is itself a holder elsewhere", key=True, nullable=False),
                _c("part", "asset within the node (mine, plant); '' = the whole node", key=True),
                _c(
                    "portion",
                    "part of the node's output that this asset makes",
                    dtype="float",
                    unit="1",
                    minimum=0.0,
                    maximum=1.0,
                ),
                _c("portion_low", "lower bound of portion", dtype="float", unit="1", minimum=0.0, maximum=1.0),
                _c("portion_high", "upper bound of portion", dtype="float", unit="1", minimum=0.0, maximum=1.0),
                _c("holder", "firm, state or person; 'unknown' is a holder too", key=True, nullable=False),
                _c("holder_country", "ISO3 of the holder's home; UNK where unknown", nullable=False),
                _c("group", "holders that act in concert carry the same group"),
                _c("type", "channel of control", key=True, nullable=False, choices=CONTROL_TYPES),
                Column("valid_from", "first day on which the holding exists", "date", key=True),
            ),
            (Quantity("share", "equity or votes held", "1", maximum=1.0),),
        ),
        Table(
            "stocks",
            "what is held of a product",
            (
                _c("node", "stock node", key=True, nullable=False, refers="nodes.node"),
                _c("holder", "who holds it", key=True, nullable=False),
                _PANEL_YEAR,
                _c("days", "days of cover", dtype="float", unit="day", minimum=0.0),
            ),
            (Quantity("quantity", "stock", "product_total"),),
        ),
        Table(
            "countries",
            "governance of a place",
            (
                _c("country", "ISO3", key=True, nullable=False),
                _c("indicator", "e.g. wgi_pv", key=True, nullable=False),
                _PANEL_YEAR,
            ),
            (Quantity("value", "estimate, -2.5 to 2.5, higher is better governance", "1", minimum=-4.0, maximum=4.0),),
        ),
        Table(
            "memberships",
            "who is in a coalition from when to when",
            (
                _c("coalition", "id", key=True, nullable=False),
                _c("coalition_name", "name for people"),
                _c("country", "member", key=True, nullable=False),
                _c("role", "member, partner, guest ...", key=True, nullable=False),
                Column("valid_from", "date of joining", "date", key=True),
            ),
        ),
        Table(
            "measures",
            "a dated policy act on one product and one target",
            (
                _c("measure", "id of the act", key=True, nullable=False),
                _c("name", "what it is called"),
                _c("actor", "ISO3 of who acts", nullable=False),
                _c("target", "ISO3 or ALL", key=True, nullable=False),
                _c("product", "product hit", key=True, nullable=False, refers="products.product"),
                _c("kind", "instrument", nullable=False, choices=MEASURE_KINDS),
                _c("announced", "day of announcement", dtype="date"),
                _c("effective", "day of effect", dtype="date"),
                _c("suspended", "day of suspension", dtype="date"),
                _c("suspended_until", "day on which the suspension lapses", dtype="date"),
                _c("ended", "day of the end", dtype="date"),
                _c("status", "status in words, with the date at which it was found"),
            ),
            (Quantity("severity", "part of the flow that is stopped while in force", "1", maximum=1.0),),
        ),
        Table(
            "projects",
            "a plant that can be built, is being built, or was",
            (
                _c("project", "id", key=True, nullable=False),
                _c("name", "name for people", nullable=False),
                _c("product", "product it would make", key=True, nullable=False, refers="products.product"),
                _c("country", "ISO3", nullable=False),
                _c("company", "who builds"),
                _c("holder_country", "ISO3 of the owner's home, where known"),
                _c("status", "operating, construction, financed, planned, study, idled ...", nullable=False),
                _c("start", "year of first output, latest plan", dtype="int", minimum=1900, maximum=2100),
                _c("public_funding", "public money", dtype="float", unit="USD", minimum=0.0),
            ),
            (
                Quantity("capacity", "nameplate", "product", prefixed=True),
                Quantity("capex", "capital cost", "USD", prefixed=True),
            ),
        ),
        Table(
            "pairings",
            "a province matched to a partner state in a sector",
            (
                _c("province", "name", nullable=False),
                _c("province_iso", "ISO 3166-2", key=True, nullable=False),
                _c("partner", "ISO3", key=True, nullable=False),
                _c("sector", "sector", key=True, nullable=False),
                _c("instrument", "official_pairing, park, acquisition ...", key=True, nullable=False),
                _c("lead", "lead firm or zone", key=True),
                Column("valid_from", "since", "date", key=True),
            ),
        ),
        Table(
            "zones",
            "an overseas zone or park",
            (
                _c("zone", "name", key=True, nullable=False),
                _c("country", "ISO3 of the host", nullable=False),
                _c("operator", "who runs it"),
                _c("operator_province", "home province of the operator"),
                _c("sectors", "sectors, ';' between"),
                _c("mineral_relevant", "whether minerals or metals are processed", dtype="bool"),
            ),
        ),
        Table(
            "elasticities",
            "response of quantity to price",
            (
                _c("commodity", "commodity", key=True, nullable=False),
                _c("stage", "stage the estimate is for", key=True, nullable=False),
                _c("kind", "demand, supply, armington ...", key=True, nullable=False),
                _c("horizon", "short_run or long_run", key=True, nullable=False),
                Column("source", "id of the source", key=True, refers="sources.source"),
            ),
            (Quantity("value", "d ln Q / d ln P", "1", minimum=None),),
        ),
        Table(
            "gaps",
            "what was looked for and not found",
            (
                _c("product", "product", key=True, nullable=False, refers="products.product"),
                _c("what", "output, holdings, trade, price, recipe coefficient ...", key=True, nullable=False),
                _c("where", "ISO3, or WLD", key=True, nullable=False),
                _c("reason", "missingness code", nullable=False, choices=MISSING),
                _c("note", "what is known all the same"),
            ),
            fact=False,
        ),
        Table(
            "sources",
            "where a figure comes from",
            (
                _c("source", "id", key=True, nullable=False),
                _c("title", "title and publisher", nullable=False),
                _c("year", "year of publication", dtype="int", minimum=1500, maximum=2100),
                _c("licence", "terms in words", nullable=False),
                _c("licence_class", "machine-readable class of the terms", nullable=False, choices=LICENCES),
                _c("url", "address or doi"),
                _c("retrieved", "day of retrieval", dtype="date"),
                _c("dark_from", "day from which the source no longer publishes", dtype="date"),
                _c("note", "what a reader must know"),
            ),
            fact=False,
        ),
    )
}


def table(name: str) -> Table:
    """The declaration of a table.

    Parameters
    ----------
    name : str
        Table name.

    Returns
    -------
    Table

    Raises
    ------
    UnknownNameError
        No such table.

    Examples
    --------
    >>> table("links").key
    ('supplier', 'buyer', 'product', 'year')
    """
    try:
        return TABLES[name]
    except KeyError:
        raise unknown_name("table", name, TABLES) from None


def node_id(product: str, country: str, site: str | None = None, kind: str = "producer") -> str:
    """Canonical id of a node.

    Parameters
    ----------
    product, country : str
        Product id and ISO3.
    site : str, optional
        Plant or firm.
    kind : {"producer", "demand", "stock"}
        What the node does.

    Returns
    -------
    str

    Examples
    --------
    >>> node_id("cobalt.mine", "COD", "tenke-fungurume"), node_id("cobalt.mine", "CHN", kind="demand")
    ('cobalt.mine@COD#tenke-fungurume', 'cobalt.mine@CHN:demand')
    """
    out = f"{product}@{country}"
    if site:
        out += f"#{site}"
    return out if kind == "producer" else f"{out}:{kind}"


def parse_node_id(node: str) -> tuple[str, str, str | None, str]:
    """Product, country, site and kind of a canonical node id.

    Parameters
    ----------
    node : str
        Id as made by :func:`node_id`.

    Returns
    -------
    tuple
        ``(product, country, site or None, kind)``.

    Examples
    --------
    >>> parse_node_id("cobalt.mine@CHN:demand")
    ('cobalt.mine', 'CHN', None, 'demand')
    """
    product, _, rest = node.partition("@")
    kind = "producer"
    for k in ("demand", "stock"):
        if rest.endswith(f":{k}"):
            kind, rest = k, rest[: -len(k) - 1]
    country, _, site = rest.partition("#")
    return product, country, site or None, kind


def date_floor(text: str) -> str:
    """First day of a partial ISO date.

    Parameters
    ----------
    text : str
        ``2023``, ``2023-07`` or ``2023-07-03``.

    Returns
    -------
    str

    Examples
    --------
    >>> date_floor("2023"), date_floor("2023-07")
    ('2023-01-01', '2023-07-01')
    """
    return (text + "-01-01") if len(text) == 4 else (text + "-01") if len(text) == 7 else text


def date_ceil(text: str) -> str:
    """Last day of a partial ISO date.

    Parameters
    ----------
    text : str
        ``2023``, ``2023-07`` or ``2023-07-03``.

    Returns
    -------
    str

    Examples
    --------
    >>> date_ceil("2023"), date_ceil("2024-02")
    ('2023-12-31', '2024-02-29')
    """
    if len(text) == 4:
        return text + "-12-31"
    if len(text) == 7:
        return str((pd.Period(text, freq="M").end_time).date())
    return text


def is_date(text: str) -> bool:
    """Whether the text is an ISO date of any precision.

    Parameters
    ----------
    text : str
        Candidate.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_date("2023-07"), is_date("July 2023")
    (True, False)
    """
    return bool(_DATE.match(text))


def _row_label(frame: pd.DataFrame, spec: Table, i: int) -> str:
    parts = [str(frame[k].iloc[i]) for k in spec.key if k in frame.columns and pd.notna(frame[k].iloc[i])]
    return " | ".join(parts) if parts else f"row {i}"


_PANDAS = {"float": "float64", "int": "Int64", "bool": "boolean", "text": "string", "date": "string"}


def _blank(col: Column, n: int) -> pd.Series:
    """An empty column of the declared dtype; an optional text key is '' rather than missing."""
    if col.key and col.nullable and col.dtype == "text":
        return pd.Series([""] * n, dtype="string")
    value = np.nan if col.dtype == "float" else pd.NA
    return pd.Series([value] * n, dtype=_PANDAS[col.dtype])


def coerce(frame: pd.DataFrame, spec: Table) -> tuple[pd.DataFrame, list[Problem]]:
    """Bring a frame to a table's columns and dtypes; nothing is dropped silently.

    Parameters
    ----------
    frame : DataFrame
        Any column order; optional columns may be absent.
    spec : Table
        The declaration.

    Returns
    -------
    tuple of (DataFrame, list of Problem)
        The frame with all declared columns in canonical order, and everything that could not be read: unknown
        columns, text where a number belongs, absent required columns.
    """
    problems: list[Problem] = []
    if not len(frame) and not len(frame.columns):
        return spec.empty(), problems
    frame = frame.reset_index(drop=True)
    if tuple(frame.columns) == spec.names and {str(k): str(v) for k, v in frame.dtypes.items()} == spec.dtypes:
        return _complete(frame, spec), problems  # the frame came out of coerce() before: only gaps need filling
    twice = frame.columns[frame.columns.duplicated()]
    for name in twice:
        problems.append(Problem(spec.name, "-", str(name), "column stands twice", "", "Keep one of the two."))
    if len(twice):
        frame = frame.loc[:, ~frame.columns.duplicated()]
    for name in frame.columns:
        if name not in spec.names:
            close = close_matches(str(name), spec.names)
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known: {', '.join(spec.names)}."
            problems.append(Problem(spec.name, "-", str(name), "unknown column", "", hint))
    out: dict[str, pd.Series] = {}
    n = len(frame)
    for col in spec.columns:
        if col.name not in frame.columns:
            if not col.nullable and n:
                problems.append(
                    Problem(spec.name, "-", col.name, "required column is absent", "", f"Add it: {col.meaning}.")
                )
            out[col.name] = _blank(col, n)
        else:
            out[col.name] = _coerce_column(frame[col.name], col, frame, spec, problems)
    return _complete(pd.DataFrame(out, columns=list(spec.names)), spec), problems


def _complete(out: pd.DataFrame, spec: Table) -> pd.DataFrame:
    """Fill what follows from the row itself: unknown for the unsaid, the row's year, source and grade, the tag."""
    for q in spec.quantities:
        if q.prefixed:  # a node need not state its capacity or cost; what it does not state is unknown, never zero
            silent = out[q.name].isna() & out[q.missing].isna()
            if silent.any():
                out[q.missing] = out[q.missing].mask(silent, "unknown")
            for own, shared in ((q.year, "year"), (q.source, "source"), (q.grade, "grade")):
                inherit = out[own].isna() & out[q.name].notna()  # what is not said of the figure is said of its row
                if inherit.any():
                    out[own] = out[own].mask(inherit, out[shared])
    if "origin_tag" in out and out["origin_tag"].isna().any():
        out["origin_tag"] = out["origin_tag"].fillna("public")
    return out


def _coerce_column(raw: pd.Series, col: Column, frame: pd.DataFrame, spec: Table, problems: list[Problem]) -> pd.Series:
    if str(raw.dtype) == _PANDAS[col.dtype] and col.dtype in ("float", "int", "bool"):
        return raw
    if col.dtype in ("float", "int"):
        if pd.api.types.is_numeric_dtype(raw.dtype) and col.dtype == "float":
            return raw.astype("float64")
        blank = raw.isna() | (raw.astype("string").str.strip() == "").fillna(False)
        num = pd.to_numeric(raw.where(~blank), errors="coerce").astype("float64")
        bad = num.isna() & ~blank
        # An explicit NaN is indistinguishable from an empty cell in pandas: both are "missing", with a code or without.
        for i in np.flatnonzero(bad.to_numpy()):
            problems.append(
                Problem(
                    spec.name,
                    _row_label(frame, spec, int(i)),
                    col.name,
                    "not a number",
                    repr(raw.iloc[int(i)]),
                    "Give a number; put withheld, not_available ... into the missing column.",
                )
            )
        if col.dtype == "float":
            return num
        whole = num.dropna()
        if not np.equal(np.mod(whole[np.isfinite(whole)], 1), 0).all():
            problems.append(Problem(spec.name, "-", col.name, "not a whole number", "", "Give whole numbers."))
            num = num.round()
        return num.replace([np.inf, -np.inf], np.nan).astype("Int64")
    if col.dtype == "bool":
        mapped = raw.map(
            lambda v: (
                None
                if v is None or (isinstance(v, float) and np.isnan(v)) or v is pd.NA or v == ""
                else str(v).strip().casefold() in ("true", "1", "1.0", "yes", "y")
            )
        )
        return mapped.astype("boolean")
    text = raw.astype("string")
    if len(text):
        text = text.str.strip()
        text = text.mask(text == "", pd.NA)
    if col.key and col.nullable and col.dtype == "text":
        text = text.fillna("")
    return text.astype("string")


def validate_table(
    frame: pd.DataFrame, spec: Table, others: Mapping[str, Iterable[str]] | None = None
) -> list[Problem]:
    """Every broken rule of one coerced table.

    Parameters
    ----------
    frame : DataFrame
        As returned by :func:`coerce`.
    spec : Table
        The declaration.
    others : mapping, optional
        ``"table.column"`` to the values that occur there, for references.

    Returns
    -------
    list of Problem
        Empty for a valid table. Checked: empty required cells, duplicate keys, infinite numbers, bounds, choices,
        dates, references, ``low <= value <= high``, and a source for every graded figure.
    """
    out: list[Problem] = []

    def add(mask: np.ndarray, col: str, rule: str, remedy: str) -> None:
        for i in np.flatnonzero(mask):
            got = frame[col].iloc[int(i)]
            shown = f"{got:g}" if isinstance(got, float) else repr(got)
            out.append(Problem(spec.name, _row_label(frame, spec, int(i)), col, rule, shown, remedy))

    if not len(frame):
        return out
    for col in spec.columns:
        s = frame[col.name]
        isna = s.isna().to_numpy()
        if not col.nullable:
            empty = isna | ((s == "").fillna(False).to_numpy(dtype=bool) if col.dtype == "text" else False)
            add(np.asarray(empty), col.name, "required value is empty", f"Give {col.meaning}.")
        if col.dtype in ("float", "int"):
            v = s.astype("float64").to_numpy()
            add(np.isinf(v), col.name, "infinite", "Give a finite number, or leave it empty with a missing code.")
            with np.errstate(invalid="ignore"):
                if col.minimum is not None:
                    add(
                        (v < col.minimum) & np.isfinite(v),
                        col.name,
                        f"below {col.minimum:g}",
                        "Negative or too small: check sign and unit.",
                    )
                if col.maximum is not None:
                    add(
                        (v > col.maximum) & np.isfinite(v),
                        col.name,
                        f"above {col.maximum:g}",
                        "A fraction is 0 to 1, not percent." if col.maximum == 1.0 else "Check the unit.",
                    )
        if col.choices:
            bad = ~isna & ~s.isin(list(col.choices)).to_numpy() & ~((s == "").fillna(False).to_numpy(dtype=bool))
            for i in np.flatnonzero(bad):
                value = str(s.iloc[int(i)])
                close = close_matches(value, col.choices)
                hint = f"Did you mean {close[0]!r}? " if close else ""
                out.append(
                    Problem(
                        spec.name,
                        _row_label(frame, spec, int(i)),
                        col.name,
                        "not an admitted value",
                        repr(value),
                        f"{hint}Admitted: {', '.join(col.choices)}.",
                    )
                )
        if col.dtype == "date":
            given = s.dropna()
            good = given.map(is_date)
            for i in given.index[~good.astype(bool)]:
                out.append(
                    Problem(
                        spec.name,
                        _row_label(frame, spec, int(i)),
                        col.name,
                        "not an ISO date",
                        repr(s.loc[i]),
                        "Write 2023, 2023-07 or 2023-07-03.",
                    )
                )
        if col.refers and others is not None and col.refers in others:
            known = set(others[col.refers])
            for i in np.flatnonzero(~isna & ~s.isin(known).to_numpy()):
                value = str(s.iloc[int(i)])
                if value == "":
                    continue
                close = close_matches(value, known) if len(known) < 20000 else []
                hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Add it to {col.refers}."
                out.append(
                    Problem(
                        spec.name, _row_label(frame, spec, int(i)), col.name, f"not in {col.refers}", repr(value), hint
                    )
                )
    if spec.key:
        dup = frame.duplicated(list(spec.key), keep=False).to_numpy()
        for i in np.flatnonzero(dup):
            out.append(
                Problem(
                    spec.name,
                    _row_label(frame, spec, int(i)),
                    "+".join(spec.key),
                    "duplicate row",
                    f"row {i}",
                    "Merge the two, or give them different years.",
                )
            )
    for q in spec.quantities:
        v, lo, hi = (frame[c].to_numpy(dtype=float) for c in (q.name, q.low, q.high))
        with np.errstate(invalid="ignore"):
            add(lo > hi, q.low, f"low above high ({q.high})", "Swap or correct them.")
            add(v < lo, q.name, f"below its own {q.low}", "low <= value <= high must hold.")
            add(v > hi, q.name, f"above its own {q.high}", "low <= value <= high must hold.")
        coded = frame[q.missing].notna().to_numpy()
        add(coded & ~np.isnan(v), q.missing, f"{q.name} has a value and a missing code", "Keep the value, or the code.")
        if not q.prefixed:
            add(
                np.isnan(v) & ~coded,
                q.name,
                "empty without a reason",
                f"Give a number, or say why not in {q.missing}: {', '.join(MISSING)}.",
            )
        grade = frame[q.grade]
        sourceless = (
            ~np.isnan(v) & frame[q.source].isna().to_numpy() & (grade != "assumption").fillna(True).to_numpy(dtype=bool)
        )
        add(sourceless, q.source, f"{q.name} has no source", "Name a source, or grade the row 'assumption'.")
    return out


def arrow_schema(spec: Table, version: str = "1") -> pa.Schema:
    """Arrow schema of a table, with unit, meaning and key in the field metadata.

    Parameters
    ----------
    spec : Table
        The declaration.
    version : str
        Version of the data model.

    Returns
    -------
    pyarrow.Schema

    Examples
    --------
    >>> arrow_schema(table("links")).field("value").metadata[b"unit"]
    b'USD'
    """
    import pyarrow as pa

    kinds = {"text": pa.string(), "date": pa.string(), "float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}
    fields = [
        pa.field(
            c.name,
            kinds[c.dtype],
            nullable=True,
            metadata={"unit": c.unit or "", "meaning": c.meaning, "key": str(c.key).lower()},
        )
        for c in spec.columns
    ]
    return pa.schema(fields, metadata={"supplyrisk.table": spec.name, "supplyrisk.schema": version})


def data_dictionary() -> pd.DataFrame:
    """All tables and columns: dtype, unit, key, bounds, admitted values, meaning.

    Returns
    -------
    DataFrame
        A row per column.

    Examples
    --------
    >>> data_dictionary().query("table == 'links' and key")["column"].tolist()
    ['supplier', 'buyer', 'product', 'year']
    """
    rows = [
        {
            "table": t.name,
            "column": c.name,
            "dtype": c.dtype,
            "unit": c.unit or "",
            "key": c.key,
            "required": not c.nullable,
            "minimum": c.minimum,
            "maximum": c.maximum,
            "admitted": ", ".join(c.choices),
            "refers_to": c.refers or "",
            "meaning": c.meaning,
        }
        for t in TABLES.values()
        for c in t.columns
    ]
    return pd.DataFrame(rows)

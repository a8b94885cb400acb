"""The data model: every table and column declared once.

A declaration drives validation, the Arrow schema with unit metadata, the data dictionary and the property
tests' strategies. Tables are tidy and long; keys are text; magnitudes are plain floats in the unit that the
column states. ``unit="product"`` means: the unit and basis of the row's product.

Missing is four different things, kept apart by the ``*_missing`` code beside every quantity:
``withheld`` (known to the publisher, not published), ``not_available`` (nobody published it),
``not_applicable`` (cannot exist) and ``unknown`` (we have not found it). Zero is a value, not a code.
"""

from __future__ import annotations

import pandas as pd

from .columns import (
    FACT,
    GRADES,
    MISSING,
    Column,
    Quantity,
    Table,
    arrow_schema,
    coerce,
    date_ceil,
    date_floor,
    date_text,
    is_date,
    validate_table,
)
from .errors import unknown_name

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
    "date_text",
    "is_date",
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
LINK_METHODS = ("observed", "mirrored", "imputed", "balanced", "world_pool", "assumed")
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
                _c(
                    "inside",
                    "residual product@ROW that the node lies inside: what those inside it and it make adds up to one total",
                ),
                _c(
                    "rest_low",
                    "of a residual: lower bound of all it stands for, those inside it included",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
                _c(
                    "rest_high",
                    "of a residual: upper bound of all it stands for, those inside it included",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
                _c(
                    "total",
                    "of a residual: the published total of which it is the rest",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
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
                _c("value_low", "lower bound of value, where stated", dtype="float", unit="USD", minimum=0.0),
                _c("value_high", "upper bound of value, where stated", dtype="float", unit="USD", minimum=0.0),
                _c(
                    "stated_low",
                    "of an estimate: lower bound that its own row had before it was estimated; it holds in every balancing",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
                _c(
                    "stated_high",
                    "of an estimate: upper bound that its own row had before it was estimated; it holds in every balancing",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
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
                _c(
                    "with_draws",
                    "the use that was stated, what producers draw of it included, where nobody knows how much that is",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
                _c(
                    "stated_low",
                    "of an estimate: lower bound that its own row had before it was estimated; it holds in every balancing",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
                _c(
                    "stated_high",
                    "of an estimate: upper bound that its own row had before it was estimated; it holds in every balancing",
                    dtype="float",
                    unit="product",
                    minimum=0.0,
                ),
                _c("with_draws_low", "lower bound of it, where stated", dtype="float", unit="product", minimum=0.0),
                _c("with_draws_high", "upper bound of it, where stated", dtype="float", unit="product", minimum=0.0),
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
                _c("where", "ISO3, WLD, or the node", key=True, nullable=False),
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
                _c(
                    "lists",
                    "whether what its newest year does not list has stopped: all of a year (complete), all of those who "
                    "report it (by_importer, by_exporter), single facts, or all of a year in an overlay over single facts "
                    "(complete_overlay); empty: all of a year if it states anything in two",
                    choices=("complete", "by_importer", "by_exporter", "single", "complete_overlay"),
                ),
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

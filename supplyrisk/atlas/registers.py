"""The atlas' registers: who holds what, who did what, who belongs where, what could be built.

Nine CSV files beside this module, a row per fact, each with source, year and grade; no figure stands in code.
How the rows were made, so that a reader can judge them:

*Holdings.* ``asset`` is the country's producer node or a firm that is looked through; ``part`` is the mine or plant.
``portion``, the part of the node's output that the plant makes, comes from one of three rules, named in ``note``:
output or shipments of the plant over those of the country; or nameplate over country output, where capacity is not
output: low = 0.5 x the smallest and high = 1.0 x the largest ratio over the vintages at hand, value = 0.75 x the ratio
of 2024, graded no better than B; or nothing: then ``portion`` is empty, low 0, high what the named parts leave.
A majority without a published share stands as 0.5 to 1. A loan or order of which no fraction of the asset is stated is
``not_applicable``: of the whole asset, whatever part of the country's output that is. Holders that act in concert carry one ``group``.
The unnamed rest of shares is left unnamed. Where a holding has dates, ``year`` is the year of its start.

*Measures.* One row per act, target and product. ``severity`` is given only where a source measured it: the drop in the
first full month under the act (other periods are named in ``note``), ``low`` the smallest drop seen later, 0 after a
full recovery. Acts whose goods are no product of the atlas, and acts against imports, are not listed.

*Projects.* Capacity is converted to the unit of the product with the factor in ``note``, or left empty. Joint capital
cost stands on the first row of a project. ``holder_country`` is the home of the first-named company.

*Grades.* Read or derived with high confidence A, medium B, low C; recalled D, unless the recalled item is another than
the figure (then B).
"""

from __future__ import annotations

import io
from importlib import resources

import pandas as pd

from ..errors import Problem, SchemaError
from ..schema import TABLES, coerce, parse_node_id

__all__ = ["REGISTERS", "registers"]

REGISTERS = (
    "holdings",
    "measures",
    "memberships",
    "projects",
    "pairings",
    "zones",
    "elasticities",
    "stocks",
    "sources",
)


def _read(name: str) -> tuple[pd.DataFrame, list[Problem]]:
    text = resources.files(__package__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    raw = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
    return coerce(raw, TABLES[name])


def _stock_nodes(stocks: pd.DataFrame) -> pd.DataFrame:
    """A stock node for each place that holds some, in the newest year it reports."""
    newest = stocks.groupby("node", as_index=False)["year"].max()
    parts = newest["node"].map(parse_node_id)
    nodes = pd.DataFrame(
        {
            "node": newest["node"],
            "product": [p[0] for p in parts],
            "country": [p[1] for p in parts],
            "kind": [p[3] for p in parts],
            "year": newest["year"],
            "output_missing": "not_applicable",
            "capacity_missing": "not_applicable",
            "unit_cost_missing": "not_applicable",
            "lead_time_missing": "not_applicable",
        }
    )
    first = stocks.drop_duplicates("node").set_index("node")
    nodes["source"] = nodes["node"].map(first["source"])
    nodes["grade"] = nodes["node"].map(first["grade"])
    return coerce(nodes, TABLES["nodes"])[0]


def registers() -> dict[str, pd.DataFrame]:
    """Read the registers that ship with the package.

    Returns
    -------
    dict of str to DataFrame
        ``holdings``, ``measures``, ``memberships``, ``projects``, ``pairings``, ``zones``, ``elasticities``,
        ``stocks`` and ``sources`` in the columns of :data:`supplyrisk.schema.TABLES`; and ``nodes``: the stock nodes
        to which ``stocks`` refers. Fresh frames at each call.

    Raises
    ------
    SchemaError
        A file does not read as its table; all problems are listed.

    Notes
    -----
    Missing policy: an empty quantity carries its code; nothing is filled in. Sources: table ``sources``.

    Examples
    --------
    >>> h = registers()["holdings"]
    >>> k = h[(h["part"] == "Kisanfu (KFM)") & (h["asset"] == "cobalt.mine@COD")].set_index("holder")["share"]
    >>> {name: float(share) for name, share in k.items()}
    {'CATL (Brunp)': 0.2375, 'CMOC': 0.7125, 'Gecamines': 0.05}
    """
    out: dict[str, pd.DataFrame] = {}
    problems: list[Problem] = []
    for name in REGISTERS:
        out[name], found = _read(name)
        problems += found
    if problems:
        raise SchemaError(problems, "the registers of the atlas")
    out["nodes"] = _stock_nodes(out["stocks"])
    return out

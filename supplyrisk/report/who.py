"""Who asks: buyers by name or coalition, the pools they draw on, and the day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ..errors import Problem, SchemaError, UnknownNameError, close_matches, unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import check_country, country_codes
from ..plots.style import country
from ..schema import date_ceil, date_floor, is_date

__all__ = ["NOMINAL", "buyers_named", "day_of", "group_name", "nominal_links", "pool_rows"]

NOMINAL = "A-NOMINAL"  # assumption: a buyer of unknown volume takes a tenth of world output

DEFAULT_GROUP = "MSP"
UNION, UNION_MEMBERS = "EUE", "EU27"


def day_of(graph: SupplyGraph, at: str | None = None) -> str:
    """Day to which a brief refers: the one given, else the last on which its sources were looked at, or the graph's own.

    Sources retrieved in a month count from its first day: nothing later is sure to have been seen.
    """
    if at is not None:
        if not is_date(str(at)):
            wrong = Problem("brief", "-", "at", "not an ISO date", repr(at), "Write 2025, 2025-06 or 2025-06-30.")
            raise SchemaError([wrong], "the brief's arguments")
        return date_ceil(at)
    seen = [date_floor(str(d)) for d in graph.tables["sources"]["retrieved"].dropna()]
    own = graph.reference_date
    return max([own, *seen])


def buyers_named(graph: SupplyGraph, buyers: str | Iterable[str] | None) -> tuple[tuple[str, ...], str]:
    """Countries behind a buyers argument, and what to call them.

    Parameters
    ----------
    graph : SupplyGraph
        Its memberships are read.
    buyers : str or iterable of str, optional
        Coalition ids and ISO3 codes. Default: the Minerals Security Partnership at its last date.

    Returns
    -------
    (tuple of str, str)

    Raises
    ------
    UnknownNameError
        A name that is neither; the nearest countries and coalitions are given.
    """
    given = [DEFAULT_GROUP] if buyers is None else [buyers] if isinstance(buyers, str) else list(buyers)
    m = graph.tables["memberships"]
    coalitions = sorted(set(m["coalition"].dropna().astype(str)))
    out: set[str] = set()
    labels: list[str] = []
    for name in given:
        if name in coalitions:
            members = graph.members(name)
            out |= set(members)
            labels.append(group_name(graph, name))
            continue
        try:
            out.add(check_country(name, "buyer"))
        except UnknownNameError as err:
            # Letters out of order first, coalitions and countries in one pool: MPS is MSP before it is PSE.
            mixed = sorted(str(name).upper())
            turned = [c for c in [*coalitions, *sorted(country_codes())] if sorted(c.upper()) == mixed]
            if turned:
                raise unknown_name("buyer", name, turned[:3], "buyer") from None
            near = close_matches(str(name), coalitions)
            if near or not err.close:
                raise unknown_name("buyer", name, [*coalitions, *err.close], "buyer") from None
            raise
        labels.append(country(str(name)))
    if not out:
        raise unknown_name("buyer", "(empty)", [*coalitions, "JPN", "USA", "EUE"], "buyer")
    return tuple(sorted(out)), " and ".join(labels) if len(labels) < 4 else ", ".join(
        labels[:-1]
    ) + f" and {labels[-1]}"


def group_name(graph: SupplyGraph, coalition: str) -> str:
    """Name of a coalition for people."""
    m = graph.tables["memberships"]
    names = m.loc[m["coalition"] == coalition, "coalition_name"].dropna()
    return f"the {names.iloc[0]}" if len(names) and not str(names.iloc[0]).lower().startswith("the ") else coalition


def nominal_links(graph: SupplyGraph) -> pd.Series:
    """Which links of the latest vintage have a nominal quantity: their shares are facts, their volume is assumed."""
    return graph.index.links["note"].astype("object").fillna("").astype(str).str.contains(NOMINAL, regex=False)


def pool_rows(graph: SupplyGraph, buyers: Sequence[str]) -> pd.DataFrame:
    """Demand nodes that the buyers draw on; the Union as a party is one pool where a product has one.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    buyers : sequence of str
        ISO3 codes; ``EUE`` stands for the Union.

    Returns
    -------
    DataFrame
        ``node, product, country``.
    """
    nodes = graph.index.nodes
    pools = nodes.loc[nodes["kind"] == "demand", ["node", "product", "country"]]
    if UNION not in buyers:
        return pools[pools["country"].isin(list(buyers))].reset_index(drop=True)
    m = graph.tables["memberships"]
    union = set(graph.members(UNION_MEMBERS)) if (m["coalition"] == UNION_MEMBERS).any() else set()
    as_one = set(pools.loc[pools["country"] == UNION, "product"])
    inside = pools["country"].isin(union)
    keep = (pools["country"].isin(list(buyers)) & ~(inside & pools["product"].isin(as_one))) | (
        inside & ~pools["product"].isin(as_one)
    )
    return pools[keep].reset_index(drop=True)

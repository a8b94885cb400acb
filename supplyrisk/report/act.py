"""One dated act read for a brief: what it is, whether it is in force on the day, who loses what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from ..errors import SchemaError, unknown_name
from ..graph import SupplyGraph
from ..schema import date_floor
from ..shocks import Impact, enact, simulate, state
from .who import nominal_links, pool_rows

__all__ = ["ActReading", "newest_act", "read_act", "read_impact"]

WORDS = {
    "not_yet": "not yet announced",
    "announced": "announced, not in force",
    "in_force": "in force, as last found",
    "suspended": "suspended",
    "unknown": "unknown: its suspension has lapsed and nothing later was found",
    "ended": "ended",
}


@dataclass(frozen=True, eq=False)
class ActReading:
    """An act, its state with evidence, and what it does to the buyers.

    Attributes
    ----------
    measure, name, actor, kind : str
        Id, name, ISO3 of who acts, instrument.
    products, targets : tuple of str
        What and whom it hits.
    announced, effective, on, state, because : str
        Dates, the day looked at, the state on it and why.
    sources, grades : tuple of str
        Titles of the sources, and grades of the rows.
    losses : DataFrame
        A row per pool of the buyers that loses part of a need above zero; amounts are NaN where the level of the need is
        not known or nominal: ``buyer, product, name, demand, unmet, unmet_share, low,
        high, unit, grade``.
    others : DataFrame
        The same for producers in the buyers' countries that lose an input.
    impact : Impact
        The whole result.
    """

    measure: str
    name: str
    actor: str
    kind: str
    products: tuple[str, ...]
    targets: tuple[str, ...]
    announced: str
    effective: str
    on: str
    state: str
    because: str
    sources: tuple[str, ...]
    grades: tuple[str, ...]
    losses: pd.DataFrame
    others: pd.DataFrame
    impact: Impact


def newest_act(
    graph: SupplyGraph, focal: Sequence[str], buyers: Iterable[str], products: Sequence[str], at: str
) -> tuple[str | None, str]:
    """Id of the act a brief looks at by default, and why there is none where there is none.

    The newest act of the focal, announced by the day, that hits one of the products and everybody or one of the
    buyers, has not ended, stops a present flow, and whose effect on one of the products was measured; failing that,
    the newest of the others, whose severity is then the documented default of its kind, an assumption. Acts on
    products higher in the list win among those of the same day.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    focal, buyers, products : sequence of str
        Who acts, who is hit, on what (most important first).
    at : str
        The day.

    Returns
    -------
    (str or None, str)
    """
    m = graph.tables["measures"]
    hit = set(buyers) | {"ALL"}
    rows = m[m["actor"].isin(list(focal)) & m["product"].isin(list(products)) & m["target"].isin(hit)]
    if not len(rows):
        return None, "no act of the focal on these products and buyers is recorded"
    place = {p: i for i, p in enumerate(products)}
    rows = rows.assign(
        _day=[date_floor(str(d)) if pd.notna(d) else "" for d in rows["effective"].fillna(rows["announced"])],
        _place=rows["product"].map(place).astype(float),
        _measured=rows["severity"].notna() & rows["grade"].isin(["A", "B"]),
    )
    rows["_measured"] = rows.groupby("measure")["_measured"].transform("any")
    rows = rows.sort_values(
        ["_measured", "_day", "_place", "measure"], ascending=[False, False, True, True], kind="stable"
    )
    reasons: list[str] = []
    for measure in rows["measure"].drop_duplicates().astype(str):
        found = state(graph, measure, at).state
        if found in ("ended", "not_yet"):
            reasons.append(f"{measure} is {WORDS[found]}")
            continue
        try:
            simulate(graph, enact(graph, measure))
        except SchemaError:
            reasons.append(f"{measure} stops no present flow, or its severity is not known")
            continue
        return measure, ""
    return None, "none of the recorded acts can be applied: " + "; ".join(reasons[:5])


def read_act(graph: SupplyGraph, measure: str, buyers: Iterable[str], at: str) -> ActReading:
    """Read an act and apply it as if it were in force, whatever its state on the day.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    measure : str
        Id of the act.
    buyers : iterable of str
        Whose losses are listed.
    at : str
        The day on which its state is read.

    Returns
    -------
    ActReading

    Raises
    ------
    UnknownNameError
        No such act.
    SchemaError
        An act that stops no present flow.
    """
    known = graph.tables["measures"]["measure"].dropna().astype(str).unique()
    if measure not in known:
        raise unknown_name("measure", measure, known, "measure")
    return read_impact(graph, simulate(graph, enact(graph, measure)), buyers, at, measure)


def read_impact(
    graph: SupplyGraph, impact: Impact, buyers: Iterable[str], at: str, measure: str | None = None
) -> ActReading:
    """What an impact means for the buyers; the act behind it is looked up where it has one.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.
    impact : Impact
        Result of :func:`supplyrisk.shocks.simulate`.
    buyers : iterable of str
        Whose losses are listed.
    at : str
        The day on which the act's state is read.
    measure : str, optional
        Id of the act.

    Returns
    -------
    ActReading
    """
    everyone = list(buyers)
    names = graph.tables["products"].set_index("product")["name"]
    unmet = impact.unmet[(impact.unmet["high"] > 0) & ~(impact.unmet["demand"] <= 0)]  # all of nothing is no loss
    weighed = set(graph.index.links.loc[nominal_links(graph), "buyer"])
    pools = set(pool_rows(graph, everyone)["node"])
    grade = graph.index.nodes.set_index("node")["output_grade"]
    columns = ["node", "buyer", "product", "demand", "unmet", "unmet_share", "low", "high", "unit"]
    assumed = unmet["node"].isin(weighed)  # the share is a fact, the level is not
    unmet = unmet.assign(_known=unmet["demand"].notna(), **{c: unmet[c].mask(assumed) for c in ("demand", "unmet")})
    columns.append("_known")
    rows = unmet.assign(name=unmet["product"].map(names))[["name", *columns]]
    losses = _worst_first(rows[rows["node"].isin(pools)])
    makers = _worst_first(rows[(unmet["kind"] == "producer") & rows["buyer"].isin(everyone)])
    makers = makers.assign(grade=makers["node"].map(grade))
    ids = [measure] if measure else sorted({str(v) for s in impact.measures for k, v in s.params if k == "act" and v})
    if not ids:
        written = "; ".join(map(repr, impact.measures)) or "no measure"
        return ActReading(
            "", written, "", "", tuple(sorted(set(rows["product"]))), (), "", "", at, "hypothetical",
            "written down by the user, not a recorded act", (), (), losses, makers, impact,
        )  # fmt: skip
    found = state(graph, ids[0], at)
    act = graph.tables["measures"]
    act = act[act["measure"] == ids[0]]
    return ActReading(
        ids[0],
        str(act["name"].dropna().iloc[0]) if act["name"].notna().any() else ids[0],
        str(act["actor"].iloc[0]),
        str(act["kind"].iloc[0]),
        tuple(sorted(set(act["product"].astype(str)))),
        tuple(sorted(set(act["target"].astype(str)))),
        _first(act["announced"]),
        _first(act["effective"]),
        at,
        found.state,
        found.because,
        found.sources,
        tuple(sorted(set(act["grade"].dropna().astype(str)))),
        losses,
        makers,
        impact,
    )


def _worst_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest share first; where the need itself is undefined, after all others."""
    order = rows.sort_values(
        ["_known", "unmet_share", "unmet", "node"], ascending=[False, False, False, True], kind="stable"
    )
    return order.drop(columns="_known").reset_index(drop=True)


def _first(dates: pd.Series) -> str:
    given = sorted(str(d) for d in dates.dropna())
    return given[0] if given else "not recorded"

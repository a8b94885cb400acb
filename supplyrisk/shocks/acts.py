"""Dated acts: whether one is in force on a day, on what evidence, and as measures to simulate."""

from __future__ import annotations

import html
import sys
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..graph import SupplyGraph, check_graph
from ..lifecycle import STATES, standing
from ..registry import Spec, registries
from ..schema import date_ceil, date_floor, is_date
from .reach import APPROVED, QUEUE_DAYS

__all__ = ["STATES", "State", "enact", "kinds", "state", "states"]

# Kinds with a default severity, and the measure that carries them out; a partial stop needs a severity.
_CARRIED = {"ban": "export_ban", "licence": "export_licence", "customs_stop": "export_ban"}
_PARTIAL = ("quota", "entity_listing", "other")


def _act(graph: SupplyGraph, measure_id: str) -> pd.DataFrame:
    check_graph(graph, "the acts of a graph")
    m = graph.tables["measures"]
    rows = m[m["measure"] == measure_id] if isinstance(measure_id, str) else m.iloc[:0]
    if not len(rows):
        raise unknown_name("act", measure_id, m["measure"].dropna().astype(str).unique(), "the measures table")
    return rows


@dataclass(frozen=True, eq=False)
class State:
    """Whether a dated act is in force on a day, and on what evidence.

    Parameters
    ----------
    measure : str
        Id of the act.
    on : str
        The day.
    state : str
        One of :data:`STATES`; where rows of the act differ, the most binding one
        (in_force, unknown, suspended, announced, ended, not_yet).
    because : str
        The reason in words.
    evidence : DataFrame
        The act's rows with their own ``state``, ``because``, source id, title and grade.
    """

    measure: str
    on: str
    state: str
    because: str
    evidence: pd.DataFrame

    @property
    def sources(self) -> tuple[str, ...]:
        """Titles of the sources behind it."""
        return tuple(sorted(set(self.evidence["title"].dropna().astype(str))))

    def __str__(self) -> str:
        return f"{self.measure} on {self.on}: {self.state} ({self.because}; {'; '.join(self.sources) or 'no source'})"

    def _repr_html_(self) -> str:
        return f"<div><b>{html.escape(str(self))}</b>{self.evidence.to_html(index=False)}</div>"


_BINDING = ("in_force", "unknown", "suspended", "announced", "ended", "not_yet")


def state(graph: SupplyGraph, measure_id: str, on: str) -> State:
    """State of a dated act on a day, with the evidence.

    Parameters
    ----------
    graph : SupplyGraph
        With a ``measures`` table.
    measure_id : str
        Id of the act, e.g. ``"CHN-2024-US-BAN"``.
    on : str
        ISO date of any precision; its last day counts.

    Returns
    -------
    State
        ``announced``, ``in_force``, ``suspended``, ``ended``, ``unknown`` or ``not_yet``. A suspension counts
        through its last day; from the day after, with nothing further known, the state is ``unknown``, never "no
        control". A date of month or year precision leaves the state unknown within that month or year.

    Raises
    ------
    UnknownNameError
        No such act.
    SchemaError
        The day is not a date.

    Examples
    --------
    >>> import pandas as pd
    >>> g = SupplyGraph.from_tables(
    ...     products=pd.DataFrame([dict(product="gallium.refined", name="Gallium", commodity="gallium",
    ...         chain="gallium", stage="refine", unit="kg", basis="contained", period="year")]),
    ...     measures=pd.DataFrame([dict(measure="BAN", actor="CHN", target="USA", product="gallium.refined",
    ...         kind="ban", announced="2024-12-03", effective="2024-12-03", suspended="2025-11-09",
    ...         suspended_until="2026-11-27", severity_missing="unknown", missing="unknown")]
    ...     ).drop(columns="severity_missing"))
    >>> [state(g, "BAN", day).state for day in ("2024-12-02", "2025-01-01", "2026-11-27", "2026-11-28")]
    ['not_yet', 'in_force', 'suspended', 'unknown']
    """
    rows = _act(graph, measure_id)
    return _state(graph, measure_id, rows, _day(on))


def _day(on: object) -> str:
    if not is_date(str(on)):
        raise SchemaError([Problem("state", "-", "on", "not an ISO date", repr(on), "Write 2026-11-09.")], "the date")
    return date_ceil(str(on))


def _state(graph: SupplyGraph, measure_id: str, rows: pd.DataFrame, day: str) -> State:
    found = [standing(r, day) for r in rows.to_dict("records")]
    names = [s.state for s in found]
    top = next(s for s in _BINDING if s in names)
    columns = ["target", "product", "kind", "announced", "effective", "suspended", "suspended_until", "ended"]
    evidence = rows[[*columns, "status", "severity", "source", "grade", "note"]].reset_index(drop=True)
    evidence.insert(0, "state", names)
    evidence.insert(1, "because", [s.because for s in found])
    titles = graph.tables["sources"].set_index("source")["title"]
    evidence["title"] = evidence["source"].map(titles)
    return State(measure_id, day, top, found[names.index(top)].because, evidence)


def states(graph: SupplyGraph, on: str) -> pd.DataFrame:
    """State of every act of the graph on a day.

    Parameters
    ----------
    graph : SupplyGraph
        With a ``measures`` table.
    on : str
        ISO date of any precision; its last day counts.

    Returns
    -------
    DataFrame
        ``measure, name, actor, targets, kind, products, state, because, source, grade``; a row per act, sorted by id.

    Raises
    ------
    SchemaError
        The day is not a date.
    """
    check_graph(graph, "states()")
    day = _day(on)
    out = []
    for measure_id, rows in graph.tables["measures"].groupby("measure", sort=True):
        s = _state(graph, str(measure_id), rows, day)
        out.append(
            {
                "measure": measure_id,
                "name": rows["name"].iloc[0],
                "actor": rows["actor"].iloc[0],
                "targets": ", ".join(sorted(set(rows["target"].astype(str)))),
                "kind": rows["kind"].iloc[0],
                "products": ", ".join(sorted(set(rows["product"].astype(str)))),
                "state": s.state,
                "because": s.because,
                "source": ", ".join(sorted(set(rows["source"].dropna().astype(str)))),
                "grade": ", ".join(sorted(set(rows["grade"].dropna().astype(str)))),
            }
        )
    columns = ["measure", "name", "actor", "targets", "kind", "products", "state", "because", "source", "grade"]
    return pd.DataFrame(out, columns=columns)


def enact(
    graph: SupplyGraph,
    measure_id: str,
    *,
    severity: float | tuple[float, float, float] | None = None,
    on: str | None = None,
    reach: str = "location",
) -> tuple[Spec, ...]:
    """A dated act of the graph's ``measures`` table as measures to simulate.

    Parameters
    ----------
    graph : SupplyGraph
        With a ``measures`` table.
    measure_id : str
        Id of the act.
    severity : float or (low, value, high), optional
        Overrides what the row states. Default: the row's severity with its interval; where the row has none, the
        default of its kind (a ban or customs stop: 1; a licence: queue and approval share), which the result marks as
        an assumption. Quotas and listings have no default: they need a number.
    on : str, optional
        Only as in force on that day: raises if the act is announced, suspended or ended then. Where the state is
        unknown the low bound of the severity is 0. Default: what if it were in force, whatever its state.
    reach : {"location", "control"}
        As in :func:`export_ban`.

    Returns
    -------
    tuple of Spec
        One for each target and set of products that share kind, dates and severity. A customs stop is read as a stop
        of the actor's exports.

    Raises
    ------
    UnknownNameError
        No such act.
    SchemaError
        Not in force on that day, a kind that does not stop a present flow (technology, information, easing ...), or
        no severity; all problems at once.
    """
    rows = _act(graph, measure_id)
    problems: list[Problem] = []
    unknown = False
    if on is not None:
        s = state(graph, measure_id, on)
        unknown = s.state == "unknown"
        if s.state not in ("in_force", "unknown"):
            problems.append(
                Problem(
                    "measures",
                    measure_id,
                    "on",
                    f"{s.state} on {s.on}: {s.because}",
                    f"source: {'; '.join(s.sources) or 'none'}",
                    "Leave `on` out to ask what if it were in force, or give a day on which it is.",
                )
            )
    value, low, high = graph.interval("measures", "severity", rows)
    work = rows.assign(_v=value, _l=low, _h=high).reset_index(drop=True)
    for column in ("effective", "announced", "ended"):
        work[column] = work[column].astype("object").where(work[column].notna(), None)
    specs: list[Spec] = []
    keys = ["actor", "target", "kind", "effective", "announced", "ended", "_v", "_l", "_h"]
    for key, group in work.groupby(keys, dropna=False, sort=True):
        actor, target, kind, effective, announced, ended, v, lo, hi = cast("tuple[Any, ...]", key)
        default = _carrier(str(kind))
        given = severity if severity is not None else None if pd.isna(v) else (float(lo), float(v), float(hi))
        if default is None and kind not in _PARTIAL:
            problems.append(
                Problem(
                    "measures",
                    measure_id,
                    "kind",
                    "an act of this kind does not stop a present flow",
                    repr(str(kind)),
                    f"Kinds that can be enacted: {', '.join(sorted({*_CARRIED, *_PARTIAL, *kinds()}))}.",
                )
            )
            continue
        if default is None and given is None:
            problems.append(
                Problem(
                    "measures",
                    measure_id,
                    "severity",
                    f"a {kind} has no default severity and the row gives none",
                    "",
                    "Give severity=: the part of the flow that is stopped, 0 to 1.",
                )
            )
            continue
        params: dict[str, Any] = {}
        if given is None and default == "export_ban":
            given = 1.0
        if unknown:
            # The state is unknown: anything from no effect to the whole.
            if given is None:
                params["approved"] = APPROVED
                params["queue_days"] = (0.0, QUEUE_DAYS, QUEUE_DAYS)
            else:
                span = (given, given, given) if isinstance(given, (int, float)) else tuple(given)
                given = (0.0, span[1], span[2])
        if given is not None:
            same = isinstance(given, tuple) and len(set(given)) == 1
            params["severity"] = given[0] if same and isinstance(given, tuple) else given
        products = sorted(set(group["product"].astype(str)))
        first, last = _first_last(effective, announced, ended)
        params |= {k: v for k, v in (("start", first), ("end", last)) if v is not None}
        if not isinstance(reach, str) or reach != "location":
            params["reach"] = reach
        make = _factory(default or "export_ban")
        specs.append(
            make(
                str(actor),
                product=products[0] if len(products) == 1 else products,
                to=str(target),
                **dict(
                    sorted(
                        params.items(), key=lambda kv: ("start", "end").index(kv[0]) if kv[0] in ("start", "end") else 2
                    )
                ),
                act=measure_id,
            )
        )
    if problems:
        raise SchemaError(problems, f"act {measure_id}")
    return tuple(specs)


def _first_last(effective: Any, announced: Any, ended: Any) -> tuple[str | None, str | None]:
    first = next((str(d) for d in (effective, announced) if d is not None and not pd.isna(d)), None)
    if ended is None or pd.isna(ended):
        return first, None
    last = str(ended)
    if len(last) == 10:  # the day of the end is the first day without it
        eve = str((pd.Timestamp(last) - pd.Timedelta(days=1)).date())
        last = eve if first is None or eve >= date_floor(first) else last
    return first, last


def _carrier(kind: str) -> str | None:
    """Name of the measure that carries out acts of a kind; what a user registers for another kind is found too."""
    registered = kinds().get(kind, [])
    return _CARRIED.get(kind) or (registered[0] if registered else None)


def _factory(name: str) -> Any:
    function = registries["measure"][name].function
    return getattr(sys.modules[function.__module__], function.__name__)


def kinds() -> dict[str, list[str]]:
    """Registered measures by the kind of act that they carry out.

    Returns
    -------
    dict
        Kind to names.

    Examples
    --------
    >>> kinds()["ban"]
    ['export_ban']
    """
    out: dict[str, list[str]] = {}
    for entry in registries["measure"]:
        out.setdefault(str(entry.meta["kind_of_act"]), []).append(entry.name)
    return out

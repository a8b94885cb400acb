"""Measures: dated policy acts written down as specs, and what they cut.

A measure function gets the graph and says which links it cuts, by how much and between which days; an engine
(:mod:`supplyrisk.shocks.rationing`) works out what follows. :func:`~supplyrisk.shocks.acts.enact` turns a dated act
of the graph's ``measures`` table into such specs, :func:`~supplyrisk.shocks.acts.state` says whether an act is in
force on a day, with the evidence.

A severity is the part of a flow that is *not delivered* while the measure lasts: 1 stops it, 0 does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..graph import SupplyGraph
from ..registry import measure
from .acts import STATES, State, enact, kinds, state, states
from .reach import APPROVED, QUEUE_DAYS, Ask, Cut

__all__ = [
    "APPROVED",
    "QUEUE_DAYS",
    "STATES",
    "Cut",
    "State",
    "enact",
    "export_ban",
    "export_licence",
    "kinds",
    "state",
    "states",
]

WORKING_DAYS_PER_MONTH = 21.75


@measure(kind_of_act="ban", direction="export", reference="methods.md I5")
def export_ban(
    graph: SupplyGraph,
    actor: str | Iterable[str],
    *,
    product: str | Iterable[str],
    to: str | Iterable[str] | None = None,
    start: str | None = None,
    months: float | None = None,
    end: str | None = None,
    severity: float | tuple[float, float, float] = 1.0,
    reach: str = "location",
    act: str | None = None,
) -> Cut:
    """Stop exports of products from the actor to the targets.

    Every link whose supplier lies in the actor, whose product is named and whose buyer is a target loses
    ``severity`` of its flow. Links inside the actor are never cut. Of what a target draws from the anonymous world
    pool, the actor's part (by proportion; between the least and the most that the amounts allow) is cut too. Under a
    measure on everyone the actor's link into that pool is cut instead where its use at home is recorded apart; where
    it is not, the pool may hold that use: buyers abroad lose by proportion, and the link shows in ``high`` only.
    Likewise for a product made only by an unlisted rest of the world on which the actor itself draws: that rest may be
    the actor. Notes say where this is so.

    Parameters
    ----------
    graph : SupplyGraph
        Supplied by the engine; a user never writes it.
    actor : str or iterable of str
        ISO3, or a scope preset such as ``"CHN+HKG+MAC"``.
    product : str or iterable of str
        Product ids; ``"ALL"`` for everything the actor sends.
    to : str or iterable of str, optional
        ISO3 codes and coalition ids (members on the first day); ``"ALL"`` or None for everyone. ``"EUE"`` is the
        EU pool and the pools of its members (coalition ``EU27``). A single EU member whose only pool is the EU's is
        not cut in the value, since its part of that pool is not recorded: ``high`` shows the whole pool cut, a note
        says so, and a measure that reaches nothing else raises.
    start : str, optional
        First day, ISO date of any precision.
    months : float, optional
        Length; or give ``end``. Neither: open.
    end : str, optional
        Last day, ISO date of any precision.
    severity : float or (low, value, high)
        Part of the flow stopped, in [0, 1].
    reach : {"location", "control"}
        ``"control"``: plants abroad that the actor's holders control obey too, by the controlled part of their
        output (low and high from the holdings).
    act : str, optional
        Id of the dated act in the ``measures`` table.

    Returns
    -------
    Cut
        A spec, when called without the graph.

    Raises
    ------
    UnknownNameError, SchemaError
        On build: unknown names, a severity outside [0, 1], an end before the start, or no link that is reached; all
        problems at once.

    Notes
    -----
    Source: severity 1 for a ban, methods.md I5; not modelled: what the exporter does with what it keeps.

    Examples
    --------
    >>> export_ban("CHN", product="gallium.refined", to=["JPN"], start="2026-01", months=12)
    export_ban('CHN', product='gallium.refined', to=['JPN'], start='2026-01', months=12)
    """
    written = _written("export_ban", actor, product, to, start, months, end, severity, reach, act)
    ask = Ask(graph, written)
    span = ask.span("severity", severity)
    return ask.cut(actor, product, to, start, months, end, span, reach, act)


@measure(kind_of_act="licence", direction="export", reference="methods.md I5; MOFCOM rule 2023; CLEPA 2025")
def export_licence(
    graph: SupplyGraph,
    actor: str | Iterable[str],
    *,
    product: str | Iterable[str],
    to: str | Iterable[str] | None = None,
    start: str | None = None,
    months: float | None = None,
    end: str | None = None,
    queue_days: float | tuple[float, float, float] | None = None,
    approved: float | tuple[float, float, float] | None = None,
    severity: float | tuple[float, float, float] | None = None,
    reach: str = "location",
    act: str | None = None,
) -> Cut:
    """Make exports of products to the targets wait for a licence that may be refused.

    Over the ``H`` working days that the measure lasts, the part of the flow that does not arrive is
    ``1 - approved * max(0, 1 - queue_days / H)``: refused applications never arrive, approved ones miss the queue
    once. An open measure is counted over its first 12 months.

    Parameters
    ----------
    graph : SupplyGraph
        Supplied by the engine; a user never writes it.
    actor, product, to, start, months, end, reach, act
        As in :func:`export_ban`.
    queue_days : float or (low, value, high), optional
        Working days in the queue. Default 45 (MOFCOM licensing rule, as reported 2023).
    approved : float or (low, value, high), optional
        Part of applications approved. Default ``(0, 0.25, 1)``: a quarter of European magnet buyers' applications
        by mid-2025 (CLEPA, 2025); for other goods and times an assumption, hence the interval.
    severity : float or (low, value, high), optional
        The undelivered part itself, in place of the two.

    Returns
    -------
    Cut
        A spec, when called without the graph.

    Raises
    ------
    UnknownNameError, SchemaError
        On build, as :func:`export_ban`; also if severity is given together with queue_days or approved.

    Examples
    --------
    >>> export_licence("CHN", product="ndfeb.magnet", to="MSP", start="2025-04-04", months=12)
    export_licence('CHN', product='ndfeb.magnet', to='MSP', start='2025-04-04', months=12)
    """
    written = _written(
        "export_licence", actor, product, to, start, months, end, severity, reach, act, queue_days, approved
    )
    ask = Ask(graph, written)
    if severity is not None:
        if queue_days is not None or approved is not None:
            ask.fault(
                "severity", "given together with queue_days or approved", repr(severity), "Give one or the other."
            )
        span = ask.span("severity", severity)
    else:
        queue = ask.span("queue_days", QUEUE_DAYS if queue_days is None else queue_days, top=np.inf)
        share = ask.span("approved", APPROVED if approved is None else approved)
        horizon = ask.length(start, months, end) * WORKING_DAYS_PER_MONTH

        def late(q: float, a: float) -> float:
            return 1.0 - a * max(0.0, 1.0 - q / horizon) if horizon > 0 else 1.0

        span = (late(queue[0], share[2]), late(queue[1], share[1]), late(queue[2], share[0]))
        if approved is None:
            ask.note("approval share 0.25 (0 to 1) is one industry's figure of mid-2025: an assumption elsewhere")
        if queue_days is None:
            ask.note("45 working days in the queue is the rule of 2023: practice may be longer")
    return ask.cut(actor, product, to, start, months, end, span, reach, act)


def _written(name: str, actor: object, product: object, to: object, *rest: object) -> str:
    """Short name of a measure in messages."""
    spec_names = ("start", "months", "end", "severity", "reach", "act", "queue_days", "approved")
    shown = [repr(actor), f"product={product!r}"]
    if to is not None:
        shown.append(f"to={to!r}")
    plain = {"severity": 1.0, "reach": "location"}
    shown += [f"{k}={v!r}" for k, v in zip(spec_names, rest, strict=False) if v is not None and v != plain.get(k)]
    return f"{name}({', '.join(shown)})"

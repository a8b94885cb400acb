"""Plants in steps: expansions at their own cost and lead, ramps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name
from ..registry import Spec, constraint, lever
from .candidates import Candidates, with_nodes
from .model import Build, money, number
from .supply import Gap

__all__ = ["expand", "ramp_up", "read_stages", "with_expansion", "with_stages"]


def with_expansion(found: Candidates | None, utilisation: float, spec: Spec) -> Candidates:
    """The candidates with an expansion of one of them, which stands where it stands and belongs to its owner.

    Where the plant is known but cannot be built by the plan's horizon, or cannot be costed, the expansion is a gap too.
    """
    a = spec.arguments
    names = [] if found is None else found.frame["project"].astype(str).tolist()
    left_out = [] if found is None else [g for g in found.gaps if g.what == "project" and g.where == a["project"]]
    if found is not None and a["project"] not in names and left_out:
        what = f"{a['project']} {a['name']}"
        gaps = tuple(Gap(g.product, "expansion", what, f"{a['project']} is no part of it: {g.note}") for g in left_out)
        return Candidates(found.graph, found.frame, (*found.gaps, *gaps))
    if found is None or a["project"] not in names:
        raise unknown_name("project", str(a["project"]), names, f"{spec!r} (the lever build() comes with it)")
    capacity = number("capacity", a["capacity"], 0.0, open_low=True)
    capex, years = number("capex", a["capex"], 0.0), number("years", a["years"], 0.0)
    parents = found.frame[found.frame["project"].astype(str) == a["project"]]
    if len(parents) != 1:
        products = ", ".join(parents["product"].astype(str))
        raise SchemaError(
            [
                Problem(
                    "expand",
                    str(a["project"]),
                    "project",
                    "makes several products",
                    products,
                    "Expand one that makes one.",
                )
            ],
            "the plan",
        )
    label = f"{a['project']} {a['name']}"
    if label in names:
        raise SchemaError(
            [Problem("expand", label, "name", "stands twice", repr(spec), "Give each expansion a name of its own.")],
            "the plan",
        )
    row = parents.assign(
        project=label,
        name=label,
        node=[f"{n}-{str(a['name']).lower().replace(' ', '-')}" for n in parents["node"]],
        capacity=capacity,
        capex=capex,
        start=np.nan,
        status="planned",
        source=None,
        grade="assumption",
        estimated=False,
        years=years,
        expands=a["project"],
    )
    frame = found.frame
    if "expands" not in frame:
        frame = frame.assign(years=np.nan, expands=None)
    frame = pd.concat([frame, row.astype(frame.dtypes.to_dict(), errors="ignore")], ignore_index=True)
    return Candidates(with_nodes(found.graph, row, utilisation), frame, found.gaps)


@lever()
def expand(m: Build, project: str, capacity: float, capex: float, years: float = 0.0, name: str = "expansion") -> None:
    r"""Expand a plant in a second stage, at its own cost and lead: an option once the plant stands.

    .. math:: \sum_b x_{eb} \le u\,K_e\,y_e,\qquad y_e \le y_j, \qquad \text{over several periods } y_{et} \le p_{jt}

    with :math:`p_{jt}` whether plant :math:`j` stands in the period in which the expansion is decided.

    Parameters
    ----------
    m : Build
        Given by the engine.
    project : str
        Id of the project that is expanded; the lever ``build`` offers it.
    capacity : float
        Capacity that is added, product units a period, above 0.
    capex : float
        Its capital cost in USD.
    years : float
        Years from the decision to its first output.
    name : str
        What the expansion is called in tables, after the project.
    """
    if m.projects is None and not m.project_label:
        return  # with_expansion has checked that build() offers the project
    assert m.candidates is not None
    frame = m.candidates.frame
    ids = frame["project"].astype(str).tolist()
    if project not in ids:
        return  # with_expansion has told why
    child, parent = ids.index(f"{project} {name}"), ids.index(project)
    m.expands.append((child, parent))
    m.stages[child] = ((float(years), float(capex)),)

    def state() -> None:
        if m.projects is None or m.periods is not None:
            return
        label = m.project_label
        m.matrix.add_rows(
            "expands_plant",
            1,
            [0, 0],
            m.projects.at[[child, parent]],
            [1.0, -1.0],
            upper=0.0,
            keys=lambda: [label[child]],
            say=lambda i: f"{label[child]} needs {label[parent]}",
        )

    m.later.append(state)
    m.notes.append(f"expansion of {project}: {capacity:g} for {money(capex)}, {years:g} years (given)")


def read_stages(given: Any, ids: list[str], where: str) -> dict[int, tuple[tuple[float, float], ...]]:
    """Stages of projects by candidate number: years and USD of each."""
    out: dict[int, tuple[tuple[float, float], ...]] = {}
    pairs = tuple(given.items()) if isinstance(given, Mapping) else given or ()
    if not isinstance(pairs, tuple) or not all(isinstance(p, tuple) and len(p) == 2 for p in pairs):
        hint = "Write {project: ((years, usd), ...)}, e.g. {'New': ((2, 5e6), (3, 8e7))}."
        raise SchemaError([Problem("build", "-", "stages", "not a mapping by project", repr(given), hint)], "the plan")
    for project, listed in pairs:
        if project not in ids:
            raise unknown_name("project", str(project), ids, where)
        both = tuple(listed) if isinstance(listed, (tuple, list)) else ()
        if not both or not all(isinstance(s, (tuple, list)) and len(s) == 2 for s in both):
            what, hint = "not pairs of years and USD", "Write ((years, usd), ...), e.g. ((2, 5e6), (3, 8e7))."
            raise SchemaError([Problem("build", str(project), "stages", what, repr(listed), hint)], "the plan")
        steps = tuple((number("years", y, 0.0), number("capex", c, 0.0)) for y, c in both)
        if not sum(c for _, c in steps) > 0:
            raise SchemaError(
                [Problem("build", str(project), "stages", "cost nothing", repr(listed), "Write ((years, usd), ...).")],
                "the plan",
            )
        out |= {i: steps for i, p in enumerate(ids) if p == project}
    return out


def with_stages(found: Candidates, spec: Spec) -> Candidates:
    """The candidates at the capital cost of their stages, where they are given."""
    ids = found.frame["project"].astype(str).tolist()
    stages = read_stages(spec.arguments["stages"], ids, f"{spec!r}")
    if not stages:
        return found
    capex = found.frame["capex"].to_numpy(dtype=float).copy()
    for j, steps in stages.items():
        capex[j] = sum(c for _, c in steps)
    return Candidates(found.graph, found.frame.assign(capex=capex), found.gaps)


@constraint(
    reference="plants reach nameplate over years: McNulty (1998) curves, given by the user", metric="plant_output"
)
def ramp_up(m: Build, first: Any = (0.4, 0.7, 1.0), only: Any = ()) -> None:
    r"""A plant that has just begun delivers a part of its output only.

    .. math:: \sum_b x_{jb} \le \rho_{T - t_j}\, u\, K_j

    with :math:`t_j` the start on record and :math:`T` the plan's year. Over several periods the decision moves the
    start: write ``ramp=`` of :func:`supplyrisk.portfolio.optimize` there, which takes the same figures by project.

    Parameters
    ----------
    m : Build
        Given by the engine; the plan has a year, ``horizon=2030``.
    first : tuple of float
        Part :math:`\rho` of full output in the first, second, ... year, in [0, 1]; the last holds from then on.
    only : str or tuple of str
        Project ids that this concerns; default all.
    """
    steps = tuple(number("first", r, 0.0, 1.0) for r in ((first,) if isinstance(first, (int, float)) else tuple(first)))
    if not steps:
        raise SchemaError([Problem("ramp_up", "-", "first", "empty", repr(first), "Write (0.5, 1.0).")], "the plan")
    if m.periods is not None or m.horizon is None:
        what = "a plan over several periods ramps by its decisions" if m.periods else "the plan has no year"
        raise SchemaError(
            [Problem("optimize", "-", "constraints", what, f"{m.spec!r}", "Write ramp= , or horizon=2030.")], "the plan"
        )
    if m.projects is None or m.candidates is None:
        return
    frame = m.candidates.frame
    ids = frame["project"].astype(str)
    wanted = (only,) if isinstance(only, str) else tuple(only)
    for name in wanted:
        if name not in set(ids):
            raise unknown_name("project", name, ids, f"{m.spec!r}")
    start = frame["start"].to_numpy(dtype=float)
    age = np.where(np.isnan(start), len(steps), np.maximum(m.horizon - np.nan_to_num(start), 0.0)).astype(np.int64)
    part = np.array(steps)[np.minimum(age, len(steps) - 1)]
    j = np.flatnonzero((part < 1.0) & (ids.isin(wanted).to_numpy(dtype=bool) if wanted else True))
    blind = int(np.isnan(start).sum())
    if blind:
        m.notes.append(f"ramp: {blind} projects have no start year on record and count as ramped up (assumption)")
    fed = np.flatnonzero(m.project >= 0)
    place = np.full(m.projects.n, -1, dtype=np.int64)
    place[j] = np.arange(len(j))
    mine = fed[place[m.project[fed]] >= 0]
    spec = m.spec
    m.add_rows(
        "ramp_up",
        len(j),
        np.concatenate([place[m.project[mine]], np.arange(len(j))]),
        np.concatenate([mine, m.projects.at[j]]),
        np.concatenate([np.ones(len(mine)), -part[j] * m.project_capacity[j]]),
        upper=0.0,
        scale=m.tied(place[m.project[mine]], mine, part[j] * m.project_capacity[j]),
        keys=lambda: [m.project_label[i] for i in j],
        say=lambda i: f"{spec!r}: {m.project_label[j[i]]} delivers {part[j[i]]:.0%} of its output in {m.horizon}",
        say_relax=lambda i, a: f"{spec!r} would have to let {m.project_label[j[i]]} deliver {a:.6g} more",
    )

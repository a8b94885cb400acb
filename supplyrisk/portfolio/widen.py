"""All periods of a plan in one model: a copy of the columns and rows of each, and what ties them together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError, unknown_name
from .calendar import Period
from .matrix import Columns, Matrix, Rows
from .model import Build, number

__all__ = ["Wide", "read_ramp", "widen"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Ramp = tuple[float, ...]


@dataclass(eq=False)
class Wide:
    """The model of all periods.

    Attributes
    ----------
    bases : list of Build
        The model of each period by itself; the same object where nothing differs.
    build : Build
        The model of all, its matrix and its live Pyomo model.
    periods : tuple of Period
        Steps of the plan.
    weight : ndarray
        Present value of a USD a year in each period, times the period's length.
    discount : float
        Rate a year.
    lead : ndarray of int
        Periods from decision to first output of each plant.
    at, row : list of ndarray
        Where the columns and rows of each period stand; -1 for rows that stand once for all.
    decide : Columns, optional
        1 = decide in this period to build a plant; periods by plants.
    ramp : sequence of tuple of float
        Output over full output in each year of operation, by plant.
    """

    bases: list[Build]
    build: Build
    periods: tuple[Period, ...]
    weight: FloatArray
    discount: float
    lead: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    at: list[IntArray] = field(default_factory=list)
    row: list[IntArray] = field(default_factory=list)
    decide: Columns | None = None
    ramp: tuple[Ramp, ...] = ()

    @property
    def labels(self) -> tuple[int | str, ...]:
        """Names of the periods."""
        return tuple(p.label for p in self.periods)

    @property
    def end(self) -> float:
        """Present value of a USD at the end of the plan."""
        return float((1.0 + self.discount) ** -(self.periods[-1].end - self.periods[0].begin))

    def place(self, name: str, s: int) -> Columns:
        """A group of columns of one period by itself."""
        for g in self.bases[s].matrix.columns:
            if g.name == name:
                return g
        raise unknown_name("columns", name, [g.name for g in self.bases[s].matrix.columns])

    def cols(self, name: str, s: int) -> IntArray:
        """Where a group of columns of one period stands in the model of all."""
        return np.asarray(self.at[s][self.place(name, s).at], dtype=np.int64)

    def keys(self, name: str) -> list[Any]:
        """Keys of a group in the first period."""
        return self.place(name, 0).keys

    def part(self, x: FloatArray, s: int) -> FloatArray:
        """The solution of one period, as its own model numbers it."""
        return np.asarray(x[self.at[s]], dtype=np.float64)


def read_ramp(given: Any, m: Build) -> list[Ramp]:
    """Output over full output in each year of operation, by plant."""

    def steps(value: Any) -> Ramp:
        out = tuple(
            number("ramp", r, 0.0, 1.0) for r in ((value,) if isinstance(value, (int, float)) else tuple(value))
        )
        if not out or out[-1] <= 0.0:
            problem = Problem("optimize", "-", "ramp", "ends at nothing", repr(value), "Write e.g. (0.5, 0.8, 1.0).")
            raise SchemaError([problem], "the plan")
        return out

    names = [] if m.candidates is None else m.candidates.frame["project"].astype(str).tolist()
    if not isinstance(given, Mapping):
        return [steps(given)] * len(names)
    every = {str(k): steps(v) for k, v in given.items()}
    for k in every:
        if k != "*" and k not in names:
            raise unknown_name("project", k, [*names, "*"], "ramp=")
    default = every.get("*", (1.0,))
    return [every.get(n, default) for n in names]


def widen(bases: list[Build], periods: tuple[Period, ...], discount: float, ramp: list[Ramp]) -> Wide:
    r"""State the model of all periods.

    .. math:: \min \sum_s \ell_s (1+r)^{-(s - s_0)}\, c_s^\top x_s, \quad A_s x_s \le b_s, \quad
        p_{js} = \sum_{t + L_j \le s} y_{jt}, \quad \sum_b x_{jbs} \le K_j \sum_t \rho_{j,s - t - L_j}\, y_{jt}

    with :math:`\ell` the length of a period, :math:`y_{jt}` the decision in period :math:`t` to build plant :math:`j`,
    which arrives :math:`L_j` periods later and then ramps up by :math:`\rho_j`. Levers add what ties their own decisions
    together (stocks, terms of contracts).

    Parameters
    ----------
    bases : list of Build
        The model of each period.
    periods : tuple of Period
        Steps of the plan.
    discount : float
        Rate a year.
    ramp : list of tuple of float
        Output over full output in each year of operation, by plant.

    Returns
    -------
    Wide
    """
    m = bases[0]
    elapsed = np.array([p.begin - periods[0].begin for p in periods])
    weight = np.array([p.length for p in periods]) * (1.0 + discount) ** -elapsed
    new = copy.copy(m)
    new.matrix, new._model, new.user_blocks = Matrix(), None, set()
    wide = Wide(bases, new, periods, weight, discount, ramp=tuple(ramp))
    _columns(wide)
    if m.projects is not None:
        _decisions(wide)
    _rows(wide, ramp)
    if m.projects is not None:
        _plants(wide)
    _costs(wide)
    for tie in m.across:
        tie(wide)
    if m.projects is not None:
        _spending(wide)
    return wide


def _labelled(label: Any, key: Any) -> Any:
    return (label, *(key if isinstance(key, tuple) else (key,)))


def _columns(w: Wide) -> None:
    groups = [{g.name: g for g in b.matrix.columns} for b in w.bases]
    w.at = [np.zeros(b.matrix.n, dtype=np.int64) for b in w.bases]
    standing = None if w.bases[0].projects is None else w.bases[0].projects.name
    for name in dict.fromkeys(n for g in groups for n in g):
        parts = [(s, g[name]) for s, g in enumerate(groups) if name in g]
        first = parts[0][1]
        if name in w.bases[0].once:
            made = w.build.matrix.add_columns(
                name,
                first.n,
                lower=first.lower,
                upper=first.upper,
                scale=first.scale,
                integer=first.integer,
                keys=first.make_keys,
                meaning=first.meaning,
            )
            for s, g in parts:
                w.at[s][g.at] = made.at
            continue

        def keys(parts: list[tuple[int, Columns]] = parts) -> list[Any]:
            return [_labelled(w.periods[s].label, k) for s, g in parts for k in g.keys]

        made = w.build.matrix.add_columns(
            name,
            sum(g.n for _, g in parts),
            lower=np.concatenate([g.lower for _, g in parts]),
            upper=np.concatenate([g.upper for _, g in parts]),
            scale=np.concatenate([g.scale for _, g in parts]),
            integer=first.integer and name != standing,  # whole because the decisions are
            keys=keys,
            meaning=f"{first.meaning}, by period",
        )
        start = made.start
        for s, g in parts:
            w.at[s][g.at] = start + np.arange(g.n)
            start += g.n
        if name == standing:
            w.build.projects = made
    wide_of = {g.name: g for g in w.build.matrix.columns}
    for q, square in w.bases[0].matrix.squares:
        w.build.matrix.squares.append((wide_of[q.name], wide_of[square.name]))
        if square.name in w.bases[0].matrix.wholes:
            w.build.matrix.wholes[wide_of[square.name].name] = wide_of[w.bases[0].matrix.wholes[square.name].name]


def _decisions(w: Wide) -> None:
    """Columns of what is decided when, and how long each plant takes."""
    m, t = w.bases[0], len(w.periods)
    assert m.projects is not None
    assert m.candidates is not None
    begin, length = w.periods[0].begin, w.periods[0].length
    start = m.candidates.frame["start"].to_numpy(dtype=float)
    slip = np.zeros(len(start)) if m.slip is None else m.slip
    years = np.maximum(np.where(np.isnan(start), begin, start + slip) - begin, 0.0)
    for j, stages in m.stages.items():
        years[j] = sum(y for y, _ in stages) + slip[j]
    w.lead = np.ceil(years / length - 1e-9).astype(np.int64)
    for j, parent in m.expands:  # it can only be begun where the plant stands
        w.lead[j] = max(w.lead[j], 0)
        assert parent != j
    arrives = np.arange(t)[:, None] + w.lead[None, :]
    offered = m.project_offered.astype(float)[None, :] * (arrives < t)
    w.decide = w.build.matrix.add_columns(
        "decide",
        m.projects.n * t,
        upper=offered.ravel(),
        integer=True,
        keys=lambda: [(p.label, k) for p in w.periods for k in m.project_label],
        meaning="1 = decide in this period to build it",
    )


def _rows(w: Wide, ramp: list[Ramp]) -> None:
    blocks = [{b.name: b for b in m.matrix.rows} for m in w.bases]
    w.row = [np.full(m.matrix.m, -1, dtype=np.int64) for m in w.bases]
    for name in dict.fromkeys(n for g in blocks for n in g):
        parts = [(s, g[name]) for s, g in enumerate(blocks) if name in g]
        if name in w.bases[0].once:
            _row_of_all(w, parts)
        elif name in w.bases[0].deadlines:
            _row_of_decisions(w, parts)
        else:
            _row_of_each(w, name, parts, ramp)


def _row_of_all(w: Wide, parts: list[tuple[int, Rows]]) -> None:
    """A block over the whole plan: what is a period's adds up at its present value."""
    first = parts[0][1]
    row, col, value = [], [], []
    for i, (s, b) in enumerate(parts):
        shared = np.zeros(w.bases[s].matrix.n, dtype=bool)
        for g in w.bases[s].matrix.columns:
            shared[g.at] = g.name in w.bases[0].once
        of = shared[b.col]
        use = ~of | (i == 0)
        row.append(b.row[use])
        col.append(w.at[s][b.col[use]])
        value.append(b.value[use] * np.where(of, 1.0, w.weight[s])[use])
    w.build.matrix.add_rows(
        first.name,
        first.n,
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=first.lower,
        upper=first.upper,
        scale=first.scale * max(float(w.weight.sum()), 1.0),
        keys=first.make_keys,
        spec=first.spec,
        say=first.say,
        say_dual=first.say_dual,
        say_relax=first.say_relax,
        pools=first.pools,
    )


def _row_of_decisions(w: Wide, parts: list[tuple[int, Rows]]) -> None:
    """Decisions that lead to a plant after a year are barred, in the periods in which that is asked."""
    first = parts[0][1]
    by, plants, never = w.bases[0].deadlines[first.name]
    assert w.decide is not None
    n, spec = len(w.lead), first.spec
    length, begin = w.periods[0].length, w.periods[0].begin
    asked = np.array([s for s, b in parts for _ in range(b.n) if np.isfinite(b.upper).all()], dtype=np.int64)
    j = np.tile(plants, len(asked) // max(len(plants), 1))
    arrives = begin + (asked + w.lead[j]) * length
    late = (arrives > by + 1e-9) | np.tile(never, len(asked) // max(len(plants), 1))
    s, j, unknown = asked[late], j[late], np.tile(never, len(asked) // max(len(plants), 1))[late]
    label = w.bases[0].project_label

    def say(i: int) -> str:
        when = (
            "in a year that is not on record" if unknown[i] else f"from {begin + (s[i] + w.lead[j[i]]) * length:g} on"
        )
        return f"{spec!r}: {label[j[i]]} decided in {w.periods[s[i]].label} delivers {when}"

    w.build.matrix.add_rows(
        first.name,
        len(s),
        np.arange(len(s)),
        w.decide.at[s * n + j],
        np.ones(len(s)),
        upper=0.0,
        keys=lambda: [(w.periods[a].label, label[b]) for a, b in zip(s.tolist(), j.tolist(), strict=True)],
        spec=spec,
        say=say,
        say_relax=lambda i, a: f"{spec!r} would have to wait for {label[j[i]]}, decided in {w.periods[s[i]].label}",
    )


def _row_of_each(w: Wide, name: str, parts: list[tuple[int, Rows]], ramp: list[Ramp]) -> None:
    offset = np.concatenate([[0], np.cumsum([b.n for _, b in parts])]).astype(np.int64)
    row, col, value = [], [], []
    for i, (s, b) in enumerate(parts):
        keep = np.ones(len(b.col), dtype=bool)
        if name in ("plant", "rerouted_plant") and w.decide is not None:
            p = w.bases[s].projects
            assert p is not None
            keep = (b.col < p.start) | (b.col >= p.start + p.n)
            j, decision, factor = _ramped(w, s, ramp)
            for k in np.unique(b.row[~keep] // p.n).tolist() if name == "rerouted_plant" else [0]:
                row.append(offset[i] + k * p.n + j)
                col.append(decision)
                value.append(factor)
        row.append(offset[i] + b.row[keep])
        col.append(w.at[s][b.col[keep]])
        value.append(b.value[keep])

    def where(i: int) -> tuple[Any, Rows, int]:
        k = int(np.searchsorted(offset, i, side="right")) - 1
        s, b = parts[k]
        return w.periods[s].label, b, int(i - offset[k])

    def words(what: str) -> Callable[..., str] | None:
        if all(getattr(b, what) is None for _, b in parts):
            return None

        def said(i: int, *more: Any) -> str:
            label, b, k = where(i)
            speak = getattr(b, what)
            s = parts[int(np.searchsorted(offset, i, side="right")) - 1][0]
            w.bases[s].found = None if w.build.found is None else w.part(w.build.found, s)
            return f"{label}: {speak(k, *more)}" if speak else f"{label}: {b.name}"

        return said

    def pools(i: int) -> IntArray:
        _, b, k = where(i)
        assert b.pools is not None
        return b.pools(k)

    def slope() -> Any:
        gives = [
            (offset[i] + b.slope[0], w.at[s][b.slope[1]], *b.slope[2:]) for i, (s, b) in enumerate(parts) if b.slope
        ]
        return tuple(np.concatenate(x) for x in zip(*gives, strict=True)) if len(gives) == len(parts) else None

    first = parts[0][1]
    made = w.build.matrix.add_rows(
        name,
        int(offset[-1]),
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=np.concatenate([b.lower for _, b in parts]),
        upper=np.concatenate([b.upper for _, b in parts]),
        scale=np.concatenate([b.scale for _, b in parts]),
        keys=lambda: [_labelled(w.periods[s].label, k) for s, b in parts for k in b.keys],
        spec=first.spec,
        say=words("say"),
        say_dual=words("say_dual"),
        say_relax=words("say_relax"),
        pools=None if first.pools is None else pools,
        slope=slope(),
    )
    for i, (s, b) in enumerate(parts):
        w.row[s][b.at] = made.start + offset[i] + np.arange(b.n)
    if name == "need":
        w.build.need_rows = made


def restate(w: Wide) -> None:
    """Take over what moved in the periods' own models: coefficients and bounds of rows that follow the mixes."""
    for block in w.build.matrix.rows:
        parts = [(s, b) for s, m in enumerate(w.bases) for b in m.matrix.rows if b.name == block.name]
        if not any(b.moves for _, b in parts):
            continue
        offset = np.concatenate([[0], np.cumsum([b.n for _, b in parts])])
        block.row = np.concatenate([offset[i] + b.row for i, (_, b) in enumerate(parts)]).astype(np.int64)
        block.col = np.concatenate([w.at[s][b.col] for s, b in parts])
        block.value = np.concatenate([b.value for _, b in parts])
        block.upper[:] = np.concatenate([b.upper for _, b in parts])
    for group in w.build.matrix.columns:
        for s, m in enumerate(w.bases):
            for g in m.matrix.columns:
                if g.name == group.name and g.name.startswith("missed_cap"):
                    group.upper[w.at[s][g.at] - group.start] = g.upper


def _ramped(w: Wide, s: int, ramp: list[Ramp]) -> tuple[IntArray, IntArray, FloatArray]:
    """Plant, column of a decision, and minus what it can deliver in a period because of that decision."""
    m = w.bases[s]
    assert w.decide is not None
    assert m.projects is not None
    n = m.projects.n
    u, j = np.nonzero(s >= np.arange(len(w.periods))[:, None] + w.lead[None, :])
    age = np.floor((s - u - w.lead[j]) * w.periods[0].length + 1e-9).astype(np.int64)
    part = np.array([ramp[k][min(a, len(ramp[k]) - 1)] for a, k in zip(age.tolist(), j.tolist(), strict=True)])
    return j, w.decide.at[u * n + j], -m.project_capacity[j] * part


def _plants(w: Wide) -> None:
    """A plant stands once it was decided and its time is over; it is built once; expansions need their plant."""
    m, t = w.bases[0], len(w.periods)
    assert m.projects is not None
    assert w.decide is not None
    n = m.projects.n
    standing = [w.at[s][b.projects.at] for s, b in enumerate(w.bases) if b.projects is not None]
    then, when, j = np.nonzero(np.arange(t)[:, None, None] >= np.arange(t)[None, :, None] + w.lead[None, None, :])
    labels, lead = m.project_label, w.lead
    w.build.matrix.add_rows(
        "standing",
        n * t,
        np.concatenate([np.arange(n * t), then * n + j]),
        np.concatenate([*standing, w.decide.at[when * n + j]]),
        np.concatenate([np.ones(n * t), -np.ones(len(j))]),
        lower=0.0,
        upper=0.0,
        keys=lambda: [(p.label, k) for p in w.periods for k in labels],
        say=lambda i: f"{w.periods[i // n].label}: {labels[i % n]} stands once decided {lead[i % n]} periods before",
    )
    w.build.matrix.add_rows(
        "once",
        n,
        np.tile(np.arange(n), t),
        w.decide.at,
        np.ones(n * t),
        upper=1.0,
        keys=lambda: labels,
        say=lambda i: f"{labels[i]} is built once",
    )
    if not m.expands:
        return
    child, parent = (np.array(x, dtype=np.int64) for x in zip(*m.expands, strict=True))
    k = len(child)
    s = np.repeat(np.arange(t), k)
    c, p = np.tile(child, t), np.tile(parent, t)
    w.build.matrix.add_rows(
        "expands_plant",
        k * t,
        np.tile(np.arange(k * t), 2),
        np.concatenate([w.decide.at[s * n + c], np.stack(standing)[s, p]]),
        np.concatenate([np.ones(k * t), -np.ones(k * t)]),
        upper=0.0,
        keys=lambda: [(q.label, labels[i]) for q in w.periods for i in child.tolist()],
        say=lambda i: f"{w.periods[i // k].label}: {labels[c[i]]} needs {labels[p[i]]} to stand",
    )


def profile(w: Wide, j: int) -> FloatArray:
    """Part of a plant's capital cost that is spent in each period after its decision, the first included."""
    m = w.bases[0]
    length = w.periods[0].length
    lead = max(int(w.lead[j]), 1)
    stages = m.stages.get(j, ((lead * length, 1.0),))
    whole = sum(part for _, part in stages)
    out = np.zeros(lead)
    at = 0.0
    for years, part in stages:
        if years <= 0:
            out[min(int(at / length + 1e-9), lead - 1)] += part / whole
            continue
        edge = np.clip((np.arange(lead + 1) * length - at) / years, 0.0, 1.0)
        out += part / whole * np.diff(edge)
        at += years
    return out


def spending(w: Wide) -> tuple[IntArray, IntArray, FloatArray]:
    """Period, column of a decision, and USD of capital that it makes the plan spend in that period."""
    m, t = w.bases[0], len(w.periods)
    assert w.decide is not None
    assert m.projects is not None
    assert m.candidates is not None
    n = m.projects.n
    capex = m.candidates.frame["capex"].to_numpy(dtype=float)
    row, col, value = [], [], []
    for j in range(n):
        for k, part in enumerate(profile(w, j).tolist()):
            for u in range(t - k):
                row.append(u + k)
                col.append(int(w.decide.at[u * n + j]))
                value.append(part * capex[j])
    return np.array(row, dtype=np.int64), np.array(col, dtype=np.int64), np.array(value)


def _spending(w: Wide) -> None:
    """Capital is spent from the decision to the first output, evenly within each stage."""
    names = {g.name for g in w.bases[0].matrix.columns}
    if "capex_spent" not in names:
        return
    row, col, value = spending(w)
    t = len(w.periods)
    spent = np.concatenate([w.cols("capex_spent", s) for s in range(t)])
    w.build.matrix.add_rows(
        "capex_by_period",
        t,
        np.concatenate([np.arange(t), row]),
        np.concatenate([spent, col]),
        np.concatenate([np.ones(t), -value]),
        lower=0.0,
        upper=0.0,
        scale=max(float(np.max(value, initial=0.0)), 1.0),
        keys=lambda: list(w.labels),
        say=lambda i: f"{w.periods[i].label}: capital spent on what was decided",
    )


def _costs(w: Wide) -> None:
    once, plain = w.bases[0].once, w.bases[0].undiscounted
    for s, m in enumerate(w.bases):
        factor = np.full(m.matrix.n, w.weight[s])
        for g in m.matrix.columns:
            if g.name in once:
                factor[g.at] = 1.0 if s == 0 else 0.0
            elif g.name in plain:
                factor[g.at] = w.periods[s].length
        for col, value in m.matrix.costs:
            w.build.matrix.add_cost(w.at[s][col], value * factor[col])
        w.build.matrix.offset += m.matrix.offset * float(w.weight[s])

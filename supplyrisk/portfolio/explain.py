"""Words for solver output: what a dual means, what binds, and why nothing is feasible."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InfeasibleError, SolverError
from .matrix import Compiled, Rows
from .model import Build
from .solve import Solution, conflict_rows, feasible, solve, without_rows
from .words import dated

__all__ = ["binding_rows", "cut_short", "dual_table", "infeasible", "stopped"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_SHOWN = 8
_TOLERANCE = 1e-6
# A marginal value that is less than this part of what its own row decides about is noise of the solver.
_PENNY = 1e-9
# Rows over which costs are looked for behind columns that cost nothing themselves.
_CHAIN = 4
# Steps of the parametric rule for how much a constraint must give.
_STEPS = 25
# How much more than the least a way out gives where what is printed is not enough, relative to it.
_NOISE = (0.0, 3e-7, 3e-6, 3e-5, 3e-4)
# Least unit of a give, as a part of the row's own size: a solver drops coefficients below 1e-9 of it.
_UNIT = 1e-3
# Constraints whose bound is their one parameter, as it stands.
_ONE_NUMBER = ("budget", "min_suppliers")
# Blocks of which each row has a parameter of its own.
_EACH = ("equal_burden",)
# Blocks that only say what a column is.
_UNTIL: ContextVar[float] = ContextVar("supplyrisk_explain_until", default=float("inf"))  # when to stop looking
_DEFINES = ("part_of", "arrives_of", "free_of", "hhi_part_of", "hhi_arrives_of")
_LEVER = {"stock": "stockpile", "substitute": "substitute"}


def dual_table(m: Build, c: Compiled, s: Solution, told: Mapping[int, tuple[str, float]] | None = None) -> pd.DataFrame:
    """Marginal values of all rows that have any, in words.

    ``told`` are words and size of rows of which the effect is not their dual alone (:mod:`supplyrisk.portfolio.marginal`).

    Returns
    -------
    DataFrame
        ``constraint, row, dual, meaning``; ``dual`` is the change of the objective for one unit more on the right
        hand side, in objective units a product unit (or what the row counts). Sorted by the size of the effect.
    """
    m.found = s.x
    rows: list[dict[str, Any]] = []
    noise = _PENNY * _stakes(c)
    # Rows that only say what the columns of a constraint are have no price of their own: it is in that of the limit.
    limits = {repr(b.spec) for b in m.matrix.rows if b.spec is not None and b.say_dual is not None}
    for block in m.matrix.rows:
        if block.spec is not None and block.say_dual is None and repr(block.spec) in limits:
            continue
        if block.start + block.n > c.m:
            break  # written into the live model after this plan was solved
        dual = s.row_dual[block.start : block.start + block.n]
        words = {r - block.start: v for r, v in (told or {}).items() if block.start <= r < block.start + block.n}
        effect = np.abs(dual)
        effect[list(words)] = [v for _, v in words.values()]
        weight = effect * block.scale
        for i in np.flatnonzero(weight > noise[block.start : block.start + block.n]):
            if block.name == "plant" and m.projects is not None and s.x[m.projects.start + i] < 0.5:
                continue  # what a plant that is not built could deliver has no price
            said = block.say_dual(int(i), float(dual[i])) if block.say_dual else ""
            said = words[int(i)][0] if int(i) in words else said
            rows.append(
                {
                    "constraint": repr(block.spec) if block.spec is not None else block.name,
                    "row": str(block.keys[int(i)]),
                    "dual": float(dual[i]),
                    "meaning": said,
                    "_size": float(weight[i]) + (1e300 if block.spec is not None else 0.0),
                }
            )
    out = pd.DataFrame(rows, columns=["constraint", "row", "dual", "meaning", "_size"])
    return out.sort_values("_size", ascending=False, kind="stable").drop(columns="_size").reset_index(drop=True)


def _stakes(c: Compiled) -> FloatArray:
    """Greatest cost that each row decides about: what its marginal value is noise against.

    A row of columns that cost nothing by themselves has that of the rows which say what they are.
    """
    size = np.abs(c.cost * np.where(c.col_scale > 0, c.col_scale, 1.0))
    largest = float(size.max(initial=0.0))
    row = np.repeat(np.arange(c.m), np.diff(c.start))
    out = np.zeros(c.m)
    for _ in range(_CHAIN):
        np.maximum.at(out, row, size[c.index])
        free = (size[c.index] == 0.0) & (out[row] > 0.0)
        if not free.any():
            break
        near = np.full(c.n, np.inf)
        np.minimum.at(near, c.index[free], out[row[free]])
        size = np.where(np.isfinite(near), near, size)
    return np.where(out > 0.0, out, largest)


def _in_any_case(m: Build) -> None:
    """A constraint that does not say how it may give is told to by its own words and the amount."""
    for spec in {repr(b.spec): b.spec for b in m.matrix.rows if b.spec is not None}.values():
        mine = [b for b in m.matrix.rows if b.spec == spec]
        if any(b.say_relax is not None for b in mine):
            continue
        for block in mine:
            if block.say is not None:
                block.say_relax = _of_itself(block.say)


def _of_itself(say: Callable[[int], str]) -> Callable[[int, float], str]:
    return lambda i, a: f"{say(i)}: its limit would have to give by {a:.6g}, in the unit of its row"


def binding_rows(m: Build, c: Compiled, x: FloatArray) -> tuple[str, ...]:
    """Constraints of the user that hold with equality at the plan, in the user's words."""
    _in_any_case(m)
    activity = c.activity(x)
    out: list[str] = []
    for block in m.matrix.rows:
        if block.start + block.n > c.m:
            break  # written into the live model after this plan was solved
        mine = block.spec is not None or block.name in m.user_blocks
        if not mine or block.say is None or block.say_relax is None:
            continue
        at = slice(block.start, block.start + block.n)
        room = np.minimum(activity[at] - c.row_lower[at], c.row_upper[at] - activity[at])
        held = np.flatnonzero(room <= _TOLERANCE * block.scale)
        if block.pools is not None:  # where nothing is needed nothing binds
            held = np.array([i for i in held.tolist() if m.case.need[block.pools(i)].sum() > 0], dtype=np.int64)
        out += [block.say(int(i)) for i in held]
    return tuple(out)


def _part(gap: float) -> str:
    return f"{gap:.2%}" if gap >= 1e-4 or gap == 0.0 else f"{gap:.1e} of itself"


def cut_short(s: Solution) -> str:
    """What a plan says of itself that was found but not proven best."""
    known = (
        f"at most {_part(s.gap)} above the least that is possible"
        if np.isfinite(s.gap)
        else "of unknown distance to it"
    )
    if s.status == "near_optimal":
        return (
            f"squares could not be met as closely as was asked: the objective is at most {s.gap:.1e} of itself above the "
            "least that is possible"
        )
    return (
        f"{s.solver} ran out of time after {s.seconds:.1f} s: this is the best plan found until then, not proven best; its "
        f"objective is {known}"
    )


def stopped(s: Solution) -> SolverError:
    """The error for a solver that ended without proof."""
    if s.status == "time_limit":
        had = f" (the least objective is at least {s.bound:,.6g})" if np.isfinite(s.bound) else ""
        return SolverError(
            f"{s.solver} {s.version} hit the time limit after {s.seconds:.1f} s before it found any plan{had}. "
            "Allow more time (time_limit=), fewer products or buyers at once, or fewer yes-or-no decisions (build(only=)).",
            "time_limit",
        )
    if s.status == "unbounded":
        return SolverError(
            "the plan's cost has no lower limit: a negative unit cost or weight rewards buying without end.",
            "unbounded",
        )
    return SolverError(f"{s.solver} {s.version} stopped: {s.status}. No plan is returned.", s.status)


@dataclass(frozen=True, eq=False)
class _Give:
    """Rows that may give way: the sides that bound, and what a unit of each row's parameter is worth at a point."""

    rows: IntArray
    take: IntArray  # row of each side
    sign: FloatArray  # of its slack in the row: an upper side gives by -slack, a lower side by +slack
    size: FloatArray
    slope: Any  # coefficients that a unit of the parameter adds, sides by columns
    bound: FloatArray  # and what it adds to the bound
    own: npt.NDArray[np.bool_]  # sides with a parameter; of the others the size is the unit

    def worth(self, x: FloatArray) -> FloatArray:
        """How far a side gives way for a unit of its parameter."""
        return np.asarray(np.maximum(self.bound - self.slope @ x, 0.0), dtype=np.float64)

    def unit(self, worth: FloatArray) -> FloatArray:
        """What a side gives in: the worth of its parameter, or its own size where that is nothing to a solver."""
        return np.where(worth > _UNIT * self.size, worth, self.size)


def _giving(m: Build, c: Compiled, rows: IntArray) -> _Give:
    import scipy.sparse as sp

    up, low = np.isfinite(c.row_upper[rows]), np.isfinite(c.row_lower[rows])
    take = np.concatenate([rows[up], rows[low]])
    sign = np.concatenate([-np.ones(int(up.sum())), np.ones(int(low.sum()))])
    size = c.row_scale[take]
    bound, own = np.zeros(c.m), np.zeros(c.m, dtype=bool)
    parts: list[tuple[IntArray, IntArray, FloatArray]] = []
    for block in m.matrix.rows:
        if block.slope is not None and block.start + block.n <= c.m:
            row, col, value, more = block.slope
            own[block.at] = True
            bound[block.at] = more
            parts.append((row + block.start, col, value))
    row, col, value = (np.concatenate(x) for x in zip(*parts, strict=True)) if parts else (take[:0], take[:0], size[:0])
    slope = sp.csr_array((value, (row, col)), shape=(c.m, c.n))[take]
    return _Give(rows, take, sign, size, slope, np.where(own[take], bound[take], size), own[take])


def _relaxed(c: Compiled, g: _Give, at: float, unit: FloatArray | None, cap: float | None = None) -> Any:
    """Solve with the rows' parameter moved to ``at``, and what they still have to give; point and slacks, or None.

    The least in total, or, with the ``unit`` of each side, the least multiple of it that is enough for all: then a side
    may also have room to spare. With ``cap`` no side gives more than what that much of its parameter is worth.
    """
    import scipy.sparse as sp

    n, k = c.n, len(g.take)
    a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, n))
    low, high = c.row_lower.copy(), c.row_upper.copy()
    if at:
        place = sp.csr_array((-g.sign, (g.take, np.arange(k))), shape=(c.m, k))
        a = sp.csr_array(a + at * (place @ g.slope))
        np.add.at(high, g.take[g.sign < 0], at * g.bound[g.sign < 0])
        np.add.at(low, g.take[g.sign > 0], -at * g.bound[g.sign > 0])
    slack = sp.csr_array((g.sign, (g.take, np.arange(k))), shape=(c.m, k))
    whole = sp.csr_array(sp.hstack([a, slack]))
    cost = np.concatenate([np.zeros(n), 1.0 / g.size])
    lower = np.concatenate([c.lower, np.full(k, -np.inf if at else 0.0)])
    upper = np.concatenate([c.upper, np.full(k, np.inf)])
    scale, row_scale = np.concatenate([c.col_scale, g.size]), c.row_scale
    if cap is not None:  # slack <= cap * (bound - slope x)
        more = sp.csr_array(sp.hstack([cap * g.slope, sp.eye_array(k)]))
        whole = sp.csr_array(sp.vstack([whole, more]))
        low = np.concatenate([low, np.full(k, -np.inf)])
        high = np.concatenate([high, cap * (1.0 + 1e-9) * g.bound + 1e-9 * g.size])
        row_scale = np.concatenate([row_scale, g.size])
    if unit is not None:
        more = sp.csr_array(sp.hstack([sp.csr_array((k, n)), sp.eye_array(k), sp.csr_array(-unit[:, None])]))
        whole = sp.csr_array(sp.vstack([sp.hstack([whole, sp.csr_array((whole.shape[0], 1))]), more]))
        cost = np.append(np.zeros(n + k), 1.0)
        lower, upper, scale = np.append(lower, -at), np.append(upper, np.inf), np.append(scale, 1.0)
        low, high = np.concatenate([low, np.full(k, -np.inf)]), np.concatenate([high, np.zeros(k)])
        row_scale = np.concatenate([row_scale, g.size])
    d = replace(
        c,
        cost=cost,
        offset=0.0,
        lower=lower,
        upper=upper,
        integer=np.concatenate([c.integer, np.zeros(len(cost) - n, dtype=bool)]),
        start=whole.indptr.astype(np.int32),
        index=whole.indices.astype(np.int32),
        value=whole.data,
        row_lower=low,
        row_upper=high,
        row_scale=row_scale,
        col_scale=scale,
    )
    left = _UNTIL.get() - time.perf_counter()
    if left <= 0:
        return None
    s = solve(d, duals=False, time_limit=None if np.isinf(left) else left)
    return (s.x[:n], s.x[n : n + k]) if s.status == "optimal" else None


def _elastic(m: Build, c: Compiled, rows: IntArray, even: bool = False) -> FloatArray | None:
    r"""How much some rows must give, in units of their parameter, so that the model is feasible; None if that is no help.

    In total, or (``even``) the rows share one parameter :math:`\delta` and what it must move at least is found: a row
    whose parameter is a part of what arrives gives by :math:`\delta\,(D - z)`, so that the least is that of a ratio,

    .. math:: \min_x \max_i \frac{N_i(x)}{D_i - z_i(x)},

    by the parametric rule of Dinkelbach (1967; for several ratios Crouzeix, Ferland and Schaible, 1985).
    """
    g = _giving(m, c, rows)
    found = _relaxed(c, g, 0.0, g.unit(g.bound) if even else None)
    if found is None:
        return None
    x, slack = found
    if not even:
        return _amounts(c, g, x, slack)
    ratio = _ratios(c, g, x, slack)
    delta = float(ratio.max(initial=0.0))
    for _ in range(_STEPS if g.slope.nnz and delta > 0.0 else 0):
        found = _relaxed(c, g, delta, g.unit(g.worth(x)))
        if found is None:
            break
        x, slack = found
        lower = delta + float(_ratios(c, g, x, slack, signed=True).max())
        if not lower < delta - 1e-9 * max(delta, 1e-3):
            break
        delta = lower
    if len(g.take) == 1:
        return np.array([delta * (1.0 if g.own[0] else g.size[0])])
    found = _relaxed(c, g, 0.0, None, delta)  # which rows need it
    return _amounts(c, g, *found) if found is not None else _amounts(c, g, x, delta * g.worth(x))


def _ratios(c: Compiled, g: _Give, x: FloatArray, slack: FloatArray, signed: bool = False) -> FloatArray:
    """What each side gives in units of its parameter; a side where nothing arrives has nothing to give."""
    worth = g.worth(x)
    real = (np.abs(slack) > 1e-7 * g.size) & (worth > 1e-9 * g.size)
    out = np.divide(slack, worth, out=np.full(len(slack), -np.inf if signed else 0.0), where=real)
    return np.where(~real & (slack > -1e-7 * g.size), 0.0, out) if signed else np.maximum(out, 0.0)


def _amounts(c: Compiled, g: _Give, x: FloatArray, slack: FloatArray) -> FloatArray:
    give = np.zeros(len(g.rows))
    position = {int(r): i for i, r in enumerate(g.rows)}
    ratio = _ratios(c, g, x, slack) * np.where(g.own, 1.0, g.size)
    for r, v in zip(g.take.tolist(), ratio.tolist(), strict=True):
        give[position[r]] += v
    return give


def _supply_lines(m: Build, pools: IntArray, ramps: Sequence[Sequence[float]] = ()) -> list[str]:
    """What the suppliers of some pools can deliver at most, largest first; ``ramps`` of plants in plans over periods."""
    lanes = m.lanes_of(pools)
    who = np.unique(m.supplier[lanes])
    limit = np.where(np.isin(who, m.rationed), m.availability[who], 0.0)
    words: dict[int, str] = {}
    at = {int(v): i for i, v in enumerate(m.rationed)}
    for v, most in zip(who.tolist(), limit.tolist(), strict=True):
        if v in at and m.availability_block.say:
            words[v] = m.availability_block.say(at[v])
        else:
            j = np.unique(m.project[lanes][m.supplier[lanes] == v])
            j = j[j >= 0]
            if len(j):
                most = float(m.project_capacity[j].sum())
                unit = m.unit[int(m.project_product[j[0]])]
                pace = {tuple(ramps[int(k)]) for k in j if int(k) < len(ramps)} - {(1.0,)}
                slow = " or ".join(", ".join(f"{r:.0%}" for r in steps) for steps in sorted(pace))
                words[v] = f"{m.node[v]} (project) can deliver at most {most:.6g} {unit}, once built"
                words[v] += f" ({slow} of it in its first periods)" if slow else ""
        limit[np.searchsorted(who, v)] = most
    known = _evidence(m)
    words = {v: f"{w} {known.get(str(m.node[v]), '')}".rstrip() for v, w in words.items()}
    order = np.argsort(-limit, kind="stable")
    lines = [words[int(who[i])] for i in order if int(who[i]) in words and limit[i] > 0]
    more = len(lines) - _SHOWN
    return lines[:_SHOWN] + ([f"... and {more} smaller suppliers"] if more > 0 else [])


def _bounds(m: Build, cols: IntArray) -> list[str]:
    """Limits of levers on single decisions, other than deliveries, that take part in a clash."""
    out: list[str] = []
    for group in m.matrix.columns:
        if group.name not in ("stock", "substitute"):
            continue
        for i in (cols[(cols >= group.start) & (cols < group.start + group.n)] - group.start).tolist():
            out.append(f"lever {_LEVER[group.name]}: at most {group.upper[i]:.6g} at {group.keys[i]}")
    return out


def _evidence(m: Build) -> dict[str, str]:
    """Year, source and grade of each node's output, for people."""
    frame = m.graph.tables["nodes"]
    out: dict[str, str] = {}
    columns = [c for c in ("year", "source", "output_source", "output_grade", "grade") if c in frame]
    for row in frame[["node", *columns]].to_dict("records"):
        year = "" if pd.isna(row.get("year")) else f"{int(row['year'])}"
        source = next(
            (str(row[c]) for c in ("output_source", "source") if c in row and not pd.isna(row[c])),
            "no source on record",
        )
        grade = next((str(row[c]) for c in ("output_grade", "grade") if c in row and not pd.isna(row[c])), "none")
        said = grade if grade in ("assumption", "none") else f"grade {grade}"
        out[str(row["node"])] = f"[output {year}: {source}, {said}]"
    return out | _project_evidence(m)


def _project_evidence(m: Build) -> dict[str, str]:
    """First output, source and grade of what is on record of each project, by its node."""
    out: dict[str, str] = {}
    frame = m.candidates.frame if m.candidates is not None else pd.DataFrame()
    for row in frame.to_dict("records"):
        start = row.get("start")
        when = "no start on record" if start is None or pd.isna(start) else f"first output {start:g}"
        source, grade = (None if pd.isna(row.get(k)) else str(row[k]) for k in ("source", "grade"))
        said = "ungraded" if grade is None else grade if grade == "assumption" else f"grade {grade}"
        out[str(row["node"])] = f"[project, {when}: {source or 'no source on record'}, {said}]"
    return out


def _relaxing(m: Build, c: Compiled, rows: IntArray, even: bool = False) -> list[str]:
    """What some rows have to give, in words; a constraint of one parameter is told the one number that is enough."""
    amount = _elastic(m, c, rows, even) if len(rows) else None
    asks: dict[Any, _Ask] = {}
    for r, a in zip(rows.tolist(), (amount if amount is not None else np.zeros(0)).tolist(), strict=False):
        block, i = m.matrix.block_of_row(int(r))
        if block.say_relax is None:
            continue
        one = block.slope is not None and not block.name.startswith(_EACH)
        one = block.spec is not None and (one or block.name.startswith(_ONE_NUMBER))
        ask = asks.setdefault((block.name, repr(block.spec)) if one else int(r), _Ask(block, i, one))
        ask.rows.append(int(r))
        if a > ask.amount * (1.0 + 1e-6):  # not by the noise of the solver
            ask.amount, ask.i = a, i
    found = [a for a in asks.values() if a.amount > 0]
    if len(found) > 1:  # one after the other no more than what the others leave it to give
        for ask in found:
            others = [x for x in found if x is not ask and x.amount > 0]
            less = _elastic(m, _moved(m, c, others), np.array(ask.rows, dtype=np.int64), True)
            if less is not None and float(less.max(initial=0.0)) < ask.amount * (1.0 - 1e-6):
                k = int(np.argmax(less))
                ask.amount, ask.i = float(less[k]), m.matrix.block_of_row(ask.rows[k])[1]
        found = [a for a in found if a.amount > 0]
    return _enough(m, c, found)


@dataclass(eq=False)
class _Ask:
    """What one parameter, or one row, has to give."""

    block: Rows
    i: int
    one: bool
    amount: float = 0.0
    rows: list[int] = field(default_factory=list)

    def text(self, more: float = 0.0) -> str:
        """In words, and a little more than that where what is printed would not be enough."""
        assert self.block.say_relax is not None
        said = self.block.say_relax(self.i, self.amount + more)
        return _whole_span(self.block.keys[self.i], said) if self.one else said

    def printed(self, text: str) -> float:
        """What a text gives: the number in it, to that of a text that gives nothing."""
        assert self.block.say_relax is not None
        two = [_number(t) for t in (text, self.block.say_relax(self.i, 0.0))]
        return self.amount if two[0] is None or two[1] is None else abs(two[0] - two[1])


def _number(text: str) -> float | None:
    """The number that a way out names, after what is asked; percent as a part."""
    found = re.search(r"(-?\d[\d,]*(?:\.\d+)?)(%?)", text.partition(" would have to ")[2])
    if found is None:
        return None
    return float(found.group(1).replace(",", "")) / (100.0 if found.group(2) else 1.0)


def _enough(m: Build, c: Compiled, asks: list[_Ask]) -> list[str]:
    """Ways out in words of which the printed numbers are enough: each is tried, and a digit more given where not."""
    texts = [a.text() for a in asks]
    for step in _NOISE if asks else ():
        tried = [a.text(step * max(abs(_number(t) or 0.0), a.amount)) for a, t in zip(asks, texts, strict=True)]
        near = [a.printed(t) for a, t in zip(asks, tried, strict=True)]
        if any(abs(v - a.amount) > 1e-3 * max(a.amount, 1e-3) + 2e-4 for a, v in zip(asks, near, strict=True)):
            break  # no plain number
        if feasible(_moved(m, c, [replace(a, amount=v) for a, v in zip(asks, near, strict=True)])):
            return tried
    return texts


def _moved(m: Build, c: Compiled, asks: list[_Ask]) -> Compiled:
    """The model with some parameters moved by what they give."""
    import scipy.sparse as sp

    rows = [r for a in asks for r in a.rows]
    g = _giving(m, c, np.array(rows, dtype=np.int64))
    of = {r: a.amount for a in asks for r in a.rows}
    by = np.array([of[int(r)] for r in g.take]) / np.where(g.own, 1.0, g.size)
    k = len(g.take)
    place = sp.csr_array((-g.sign * by, (g.take, np.arange(k))), shape=(c.m, k))
    a = sp.csr_array(sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n)) + place @ g.slope)
    low, high = c.row_lower.copy(), c.row_upper.copy()
    np.add.at(high, g.take[g.sign < 0], (by * g.bound)[g.sign < 0])
    np.add.at(low, g.take[g.sign > 0], -(by * g.bound)[g.sign > 0])
    return replace(
        c,
        start=a.indptr.astype(np.int32),
        index=a.indices.astype(np.int32),
        value=np.asarray(a.data, dtype=np.float64),
        row_lower=low,
        row_upper=high,
    )


def _whole_span(key: Any, text: str) -> str:
    """What holds in all periods, without the name of the one that asks for most; over periods it stands in the row's key."""
    label = key[0] if isinstance(key, tuple) else key
    return text.removeprefix(f"{label}: ")


def _whole_rows(m: Build, user: list[tuple[Rows, int]]) -> list[IntArray]:
    """Rows that give way together: those of a constraint, which share one parameter, and single rows of the user's own."""
    by_spec: dict[Any, list[int]] = {}
    for block, i in user:
        if block.spec is None:
            name = block.name if block.name.endswith("_least") else (block.name, i)
            by_spec.setdefault(name, []).append(block.start + i)
        elif block.spec not in by_spec:
            own = [
                b.at for b in m.matrix.rows if b.spec is not None and b.spec == block.spec and b.say_relax is not None
            ]
            by_spec[block.spec] = np.concatenate(own).tolist()
    return [np.array(rows, dtype=np.int64) for rows in by_spec.values()]


def _ways_out(m: Build, c: Compiled, user: list[tuple[Rows, int]]) -> list[str]:
    """What giving way would take: each clashing constraint alone, else all of them."""
    groups = _whole_rows(m, user)
    alone = [w for rows in groups if (w := _relaxing(m, c, rows, True))]
    if alone:
        return [("or " if k else "") + " and ".join(w) for k, w in enumerate(alone)]
    return _relaxing(m, c, np.concatenate(groups)) if groups else []


def _smallest(c: Compiled, groups: list[IntArray], rows: IntArray, seed: int) -> list[int]:
    """Constraints that clash and do not without any one of them: whole ones are left out in turn (deletion filter).

    ``rows`` clash already, so that what has none of them is left out at once.
    """
    kept = [k for k, g in enumerate(groups) if np.isin(g, rows).any()]
    for k in list(kept):
        rest = [j for j in kept if j != k]
        gone = [g for j, g in enumerate(groups) if j not in rest]
        if not feasible(without_rows(c, np.concatenate(gone)), seed):
            kept = rest
    return kept


def _own_limits(m: Build, c: Compiled, seed: int) -> tuple[list[str], list[str]]:
    """Bounds that the user set in the live model and that clash, by variable, and what would help, in words."""
    gone = {j: x for j, x in m.limits.items() if j < c.n}

    def without(names: set[str]) -> Compiled:
        lower, upper = c.lower.copy(), c.upper.copy()
        for j, x in gone.items():
            if x.variable in names:
                lower[j], upper[j] = x.lower, x.upper
        return replace(c, lower=lower, upper=upper)

    names = sorted({x.variable for x in gone.values()})
    if not names or not feasible(without(set(names)), seed):
        return [], []
    for name in list(names):
        if feasible(without(set(names) - {name}), seed):
            names.remove(name)
    said, give = [], []
    for name in names:
        words = [x.words for x in gone.values() if x.variable == name]
        more = f"; and {len(words) - _SHOWN} more of {name}" if len(words) > _SHOWN else ""
        said.append(f"your limit: {'; '.join(words[:_SHOWN])}{more}")
        give.append(f"what you set on {name} in the live model is taken back")
    return said, give


def infeasible(
    m: Build, c: Compiled, seed: int = 0, ramps: Sequence[Sequence[float]] = (), seconds: float | None = None
) -> InfeasibleError:
    """The error that names a smallest clashing set in the user's words, the supply behind it, and what would help.

    Parameters
    ----------
    m : Build
        The model as stated.
    c : Compiled
        The same, compiled.
    seed : int
        Of the solver.
    ramps : sequence, optional
        Of each plant the part of its output in each period of operation.
    seconds : float, optional
        How long to look for what would have to give.

    Returns
    -------
    InfeasibleError
    """
    until = np.inf if seconds is None else time.perf_counter() + seconds
    token = _UNTIL.set(until)
    try:
        return _named_clash(m, c, seed, ramps)
    finally:
        _UNTIL.reset(token)


def _named_clash(m: Build, c: Compiled, seed: int, ramps: Sequence[Sequence[float]]) -> InfeasibleError:
    _in_any_case(m)
    specs: list[Any] = []
    asked: set[str] = set()  # blocks that the user asked for: constraints, own Pyomo, least quantities of levers
    for block in sorted(m.matrix.rows, key=lambda b: b.name.endswith("_least")):
        # Rows without a spec that are not ours come from the user's own Pyomo.
        key = block.spec if block.spec is not None else block.name
        if block.spec is not None or block.name in m.user_blocks or block.name.endswith("_least"):
            asked.add(block.name)
            if key not in specs:
                specs.append(key)
    mine: list[IntArray] = [
        np.concatenate([b.at for b in m.matrix.rows if (b.spec if b.spec is not None else b.name) == k]) for k in specs
    ]
    none = np.zeros(0, dtype=np.int64)
    rows, how, cols = conflict_rows(c, mine, seed, m.need_rows.at) if mine else (none, "none", none)
    if how == "iis":  # rows of a smallest clash can belong to more constraints than a smallest clash of these
        kept = _smallest(c, mine, rows, seed)
        others = [g for k, g in enumerate(mine) if k not in kept]
        if np.isin(rows, np.concatenate([none, *others])).any():
            near = without_rows(c, np.concatenate(others))
            rows, how, cols = conflict_rows(near, [mine[k] for k in kept], seed, m.need_rows.at)
        if not kept:
            how = "supply"
    said, taken_back = _own_limits(m, c, seed)
    pools: list[IntArray] = []
    blocks: list[tuple[Rows, int]] = [m.matrix.block_of_row(int(r)) for r in rows]
    user = [(b, i) for b, i in blocks if b.name in asked]
    if how == "deletion":  # whole constraints clash: one line per market is enough
        user = [(b, i) for b, i in user if b.say_relax is not None or b.name in m.user_blocks] or user
    for b, i in user:
        if not b.name.startswith(_DEFINES):
            said.append(b.say(i) if b.say else f"{b.spec or b.name}")
        if b.pools:
            pools.append(b.pools(i))
    for b, i in blocks:
        if b.name == "need":
            said.append(b.say(i) if b.say else b.name)
            pools.append(np.array([i % len(m.case.pool)]))
    if not pools:
        pools.append(np.arange(len(m.case.pool)))
    touched = np.unique(np.concatenate(pools))
    needed = any(b.name == "need" for b, _ in blocks)
    if not needed and how not in ("iis", "deletion"):
        for i in touched[:_SHOWN]:
            said.append(m.need_rows.say(int(i)) if m.need_rows.say else "need")
    said += _bounds(m, cols)
    # What nobody needs is not limited by supply: then the constraints clash among themselves.
    supply = _supply_lines(m, touched, ramps) if needed or how not in ("iis", "deletion") else []
    if not supply:
        known = _evidence(m)
        for b, i in blocks:
            if b.name == "availability" and b.say:
                node = b.keys[i][-1] if isinstance(b.keys[i], tuple) else b.keys[i]
                supply.append(f"{b.say(i)} {known.get(str(node), '')}".rstrip())
    if not supply and any(getattr(b.spec, "name", "") == "min_suppliers" for b, _ in blocks):
        supply = _supply_lines(m, touched, ramps)  # those that there are to be counted
    told = [(blk, i) for blk, i in user if blk.say_relax is not None]
    give, ends, beside = _ways_out(m, c, told), [], []
    give += taken_back
    if not give and told:  # there is another clash beside this one
        own = [g for g in mine if np.isin(g, rows).any()]
        others = [g for g in mine if not np.isin(g, rows).any()]
        ends = _ways_out(m, without_rows(c, np.concatenate([none, *others])), told) if own and others else []
        every = [b.at for b in m.matrix.rows if b.say_relax is not None]
        beside = _relaxing(m, c, np.concatenate(every)) if every else []
        give, beside = ([], beside) if ends else (beside, [])
    if not give and not ends:
        amount = _elastic(m, c, m.need_rows.at)
        if amount is not None:
            for i, a in enumerate(amount.tolist()):
                if a > 0:
                    pool = i % len(m.case.pool)  # a row a year where there are several
                    p = int(m.case.pool_product[pool])
                    who = m.need_rows.keys[i]
                    who = " ".join(map(str, who)) if isinstance(who, tuple) else who
                    give.append(
                        f"supply for {who} falls short by {a:.6g} of {m.case.need[pool]:.6g} {m.unit[p]}: "
                        "give it more levers (resource(redirect=...), build()), or allow a shortfall with unmet(price)"
                    )
    names = ", ".join(dict.fromkeys(m.case.products[int(m.case.pool_product[i])] for i in touched))
    text = [f"no plan for {names} meets all constraints. These clash:"]
    text += [f"  - {x}" for x in dict.fromkeys(said)]
    if supply:
        text += ["supply behind them:"] + [f"  - {x}" for x in supply]
    if ends:
        text += ["this clash ends if:"] + [f"  - {x}" for x in ends]
    if beside:
        text += ["other constraints clash beside it; all are met if:"] + [f"  - {x}" for x in beside]
    if told and time.perf_counter() >= _UNTIL.get():
        text.append("the time limit ended the search for all that would have to give")
    elif told and not (give or ends or beside):
        text.append(
            "they miss each other by less than a solver can tell (about 1e-7 of the figures): round them, or ask a little less"
        )
    if give:
        text += ["it becomes feasible if:"] + [f"  - {x}" for x in give]
    return InfeasibleError(dated("\n".join(text), m), tuple(dated(x, m) for x in (*dict.fromkeys(said), *supply)))


__all__ += ["feasible"]

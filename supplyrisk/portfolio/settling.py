"""Rows that follow the mixes of a plan: each plan keeps the state it settled in, and every other starts from its own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError, SolverError
from .matrix import Compiled, Matrix
from .mixing import bounded, with_gap
from .model import Build
from .solve import Solution
from .widen import Wide, restate

__all__ = ["Live", "follow", "forked", "refuse_mixes", "settle"]

FloatArray = npt.NDArray[np.float64]
# Successive solves of a model that a constraint moves with its solution.
ROUNDS = 60


def follow(wide: Wide, x: FloatArray) -> bool:
    """Let the rows of mixes follow a solution in every period; True where one moved."""
    moved = False
    for i, b in enumerate(wide.bases):
        part = wide.part(x, i)
        moved |= bool([f for f in b.refine if f(b, part)])
        x[wide.at[i]] = part
    if moved:
        restate(wide)
    return moved


def settle(wide: Wide, s: Solution) -> Solution:
    """Let what constraints settle after a solve (kept re-exports) settle in every period."""
    if not any(b.refine for b in wide.bases):
        return s
    x = s.x.copy()
    for i, b in enumerate(wide.bases):
        part = wide.part(x, i)
        for f in b.refine:
            f(b, part)
        x[wide.at[i]] = part
    return replace(s, x=x)


def _apart(matrix: Matrix, rows: set[str], columns: set[str]) -> Matrix:
    """A matrix of which some blocks and groups can move by themselves."""
    return replace(
        matrix,
        rows=[
            replace(b, lower=b.lower.copy(), upper=b.upper.copy()) if b.name in rows else replace(b)
            for b in matrix.rows
        ],
        columns=[replace(g, upper=g.upper.copy()) if g.name in columns else g for g in matrix.columns],
    )


def forked(m: Build) -> Build:
    """A model with mixes of its own; the other keeps those in which it stands. Its live model is a new one."""
    own = copy.copy(m)
    own.notes = list(m.notes)
    own._shares = dict(m._shares)
    own.before = {k: list(v) for k, v in m.before.items()}
    own.off = {k: set(v) for k, v in m.off.items()}
    own.matrix = _apart(m.matrix, {f.block for f in m.movers}, {f.missed for f in m.movers})
    own._model = None
    return own


def forked_wide(w: Wide) -> Wide:
    """The same of a plan over several periods."""
    each = {id(b): forked(b) for b in w.bases}
    rows = {f.block for b in w.bases for f in b.movers}
    build = copy.copy(w.build)
    build.matrix = _apart(w.build.matrix, rows, {f.missed for b in w.bases for f in b.movers})
    build._model = None
    return replace(w, bases=[each[id(b)] for b in w.bases], build=build)


def refuse_mixes(m: Build, what: str) -> None:
    """What needs the least of all costs is not asked of a plan that is a local optimum."""
    if m.movers:
        text = "the mixes follow the plan, which is a local optimum: the figure would compare what does not compare"
        hint = "Plan with mixing='today' or 'mass_balance'."
        raise SchemaError([Problem(what, "-", "mixing", text, "proportional", hint)], f"{what}()")


@dataclass(eq=False)
class Live:
    """The model of a plan, of one period or several, that can settle beside it.

    Attributes
    ----------
    build : Build
        That of one period, or of the first.
    wide : Wide, optional
        That of several.
    """

    build: Build
    wide: Wide | None = None

    @classmethod
    def of(cls, plan: Any) -> Live:
        """A copy of a plan's model, as the plan left it."""
        wide = getattr(plan, "_wide", None)
        if wide is None:
            return cls(forked(plan._build))
        own = forked_wide(wide)
        return cls(own.bases[0], own)

    @property
    def bases(self) -> list[Build]:
        """The model of each period."""
        return [self.build] if self.wide is None else self.wide.bases

    @property
    def moves(self) -> bool:
        """Whether any row follows the mixes."""
        return any(b.movers for b in self.bases)

    @property
    def whole(self) -> Build:
        """The model that is solved."""
        return self.build if self.wide is None else self.wide.build

    def fork(self) -> Live:
        """The same with mixes of its own."""
        if self.wide is None:
            return Live(forked(self.build))
        own = forked_wide(self.wide)
        return Live(own.bases[0], own)

    def around(self, x: FloatArray) -> None:
        """Linearise restarted rows around a point as it is, whatever was delivered before."""
        for i, b in enumerate(self.bases):
            part = x if self.wide is None else self.wide.part(x, i)
            for f in b.movers:
                b.before[f.block] = [part[: b.n_lanes].copy()]
        self.follow(x.copy())

    def restart(self) -> None:
        """Forget the plan around which rows were linearised."""
        if self.wide is not None:  # what was let go in the live model of all periods is free in each of them
            upper = np.concatenate([b.upper for b in self.whole.matrix.rows])
            for i, b in enumerate(self.wide.bases):
                for f in b.movers:
                    block = f.rows(b)
                    gone = np.isinf(upper[self.wide.row[i][block.at]])
                    block.upper[gone] = np.inf
        for b in {id(b): b for b in self.bases}.values():
            for f in b.movers:
                f.restart(b)
        if self.wide is not None:
            restate(self.wide)

    def bound(self, *, time_limit: float | None, gap: float | None, seed: int) -> float:
        """Least objective under any mixes; the rows must have been restarted."""
        return self.relaxed(time_limit=time_limit, gap=gap, seed=seed)[0]

    def relaxed(self, *, time_limit: float | None, gap: float | None, seed: int) -> tuple[float, FloatArray | None]:
        """The same, and the point of the relaxation, if one was found."""
        at = [np.arange(self.whole.matrix.n)] if self.wide is None else self.wide.at
        parts = [(f.relaxed(b), at[i]) for i, b in enumerate(self.bases) for f in b.movers]
        return bounded(self.whole.matrix.compile(), parts, time_limit=time_limit, gap=gap, seed=seed)

    def follow(self, x: FloatArray) -> bool:
        """Let the rows follow a solution; True where one moved."""
        if self.wide is not None:
            return follow(self.wide, x)
        return bool([f for f in self.build.refine if f(self.build, x)])

    def settled(self, again: Callable[[Compiled], Solution]) -> tuple[Solution, Compiled] | None:
        """Solve and follow until the rows say what is measured; None where they do not settle, or nothing is left."""
        c = self.whole.matrix.compile()
        s = again(c)
        try:
            for _ in range(ROUNDS):
                if s.status != "optimal":
                    return None
                if not self.follow(s.x):
                    return s, c
                c = self.whole.matrix.compile()
                s = again(c)
        except SolverError as err:
            if err.status != "not_settled":
                raise
        return None

    def into(self, plan: Any, s: Solution, c: Compiled, **more: Any) -> Any:
        """A plan like another, with this model and a solution of it."""
        holds: dict[str, Any] = {"_build": self.build, "_compiled": c, "_solution": s}
        if self.wide is not None:
            holds["_wide"] = self.wide
        given = {"objective_value": s.objective, "gap": s.gap, "bound": s.bound, "status": s.status}
        return replace(plan, **(given | holds | more))

    def said(self, s: Solution, bound: float, tolerance: float | None) -> Solution:
        """The solution with its true gap, said in the notes."""
        return with_gap(s, bound, self.bases, tolerance)

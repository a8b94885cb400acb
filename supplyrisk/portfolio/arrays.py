"""The live Pyomo model over the arrays: containers at once, their members when somebody touches them.

A square that is only paid for (``quadratic.py``) stands in the objective as what it is, :math:`w q^2`; the variable of the
square is there too, and is tied to :math:`q` by a constraint of its own as soon as anything else asks for it.

Only public Pyomo is used: sparse ``Var`` (``dense=False``) and ``Constraint`` over ``Any`` with a rule, both of which
make a member on first use. :func:`complete` makes all members, after which the model is an ordinary
``ConcreteModel`` that any Pyomo solver or writer takes whole; :attr:`Portfolio.model` always returns a completed one,
so no solver can miss rows that were not yet made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SupplyRiskError, UnknownNameError, unknown_name
from .matrix import Columns, Matrix, Rows, held

__all__ = ["Limit", "absorb", "attach", "complete", "live_model", "load_values"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
_OURS = "_supplyrisk_components"
_THEIRS = "written by the user"
# Part of the largest term of a row below which its bound does not set its size.
_ROUNDING = 1e-6


def _position(name: str, group: Columns | Rows) -> Callable[[Any], int]:
    table: dict[Any, int] = {}

    def find(key: Any) -> int:
        if not table:
            table.update({k: i for i, k in enumerate(group.keys)})
        try:
            return table[key]
        except KeyError:
            raise unknown_name(f"index of {name}", key, map(str, table)) from None

    return find


def live_model(name: str) -> Any:
    """An empty Pyomo model that groups and blocks are attached to.

    Parameters
    ----------
    name : str
        Name of the model.

    Returns
    -------
    pyomo.environ.ConcreteModel
    """
    import pyomo.environ as pyo

    m = pyo.ConcreteModel(name=name)
    ours: dict[str, Any] = {
        name: []
        for name in (
            "groups",
            "blocks",
            "vars",
            "cons",
            "made",
            "squares",
            "curves",
            "flat",
            "freed",
            "whole",
            "theirs",
        )
    }
    object.__setattr__(m, _OURS, ours | {"objective": None, "paid": {}, "given": {}})
    return m


def attach(m: Any, matrix: Matrix) -> None:
    """Give every group and block of the matrix, not yet there, its Pyomo container.

    Parameters
    ----------
    m : ConcreteModel
        Made by :func:`live_model`.
    matrix : Matrix
        The arrays.
    """
    import pyomo.environ as pyo
    from pyomo.core.expr.numeric_expr import LinearExpression

    ours = getattr(m, _OURS)

    def inf(v: float) -> float | None:
        return float(v) if np.isfinite(v) else None

    for group in matrix.columns[len(ours["groups"]) :]:
        find = _position(group.name, group)

        def bounds(_: Any, *key: Any, g: Columns = group, f: Callable[[Any], int] = find) -> tuple[Any, Any]:
            index = key[0] if len(key) == 1 else key
            try:
                i = f(index)
            except UnknownNameError:
                del m.component(g.name)[index]  # Pyomo has entered it already
                raise
            return inf(g.lower[i]), inf(g.upper[i])

        domain = pyo.Integers if group.integer else pyo.Reals
        var = pyo.Var(pyo.Any, dense=False, bounds=bounds, within=domain, doc=group.meaning)
        m.add_component(group.name, var)
        ours["groups"].append(group)
        ours["vars"].append(var)
        ours["given"][id(group)] = group.lower.copy(), group.upper.copy()

    def variable(column: int) -> Any:
        flat = ours["flat"]
        if column < len(flat):
            return flat[column]
        for group, var in zip(ours["groups"], ours["vars"], strict=True):
            if group.start <= column < group.start + group.n:
                return var[group.keys[column - group.start]]
        raise IndexError(column)

    theirs = {id(b) for b, _ in ours["theirs"]}
    for block in [b for b in matrix.rows if id(b) not in theirs][len(ours["blocks"]) :]:
        find = _position(block.name, block)
        order = np.argsort(block.row, kind="stable")
        start = np.searchsorted(block.row[order], np.arange(block.n + 1))

        made: dict[int, Any] = {}

        def rule(
            _: Any,
            *key: Any,
            b: Rows = block,
            f: Callable[[Any], int] = find,
            order: Any = order,
            start: Any = start,
            made: dict[int, Any] = made,
        ) -> Any:
            i = f(key[0] if len(key) == 1 else key)
            mine = order[start[i] : start[i + 1]]
            merged: dict[int, float] = {}
            for c, v in zip(b.col[mine].tolist(), b.value[mine].tolist(), strict=True):
                merged[c] = merged[c] + v if c in merged else v
            if 0.0 in merged.values():
                merged = {c: v for c, v in merged.items() if v != 0.0}
            lo, hi = inf(b.lower[i]), inf(b.upper[i])
            if not merged or (lo is None and hi is None):
                good = (lo is None or lo <= 0.0) and (hi is None or hi >= 0.0)
                return pyo.Constraint.Feasible if good else pyo.Constraint.Infeasible
            body = LinearExpression(
                constant=0.0, linear_coefs=list(merged.values()), linear_vars=[variable(c) for c in merged]
            )
            made[i] = (body, lo, hi)
            return (body, hi) if lo == hi else (lo, body, hi)

        con = pyo.Constraint(pyo.Any, rule=rule)
        m.add_component(block.name, con)
        ours["blocks"].append(block)
        ours["cons"].append(con)
        ours["made"].append(made)
    for quantity, square in matrix.squares[len(ours["squares"]) :]:
        q, t = (ours["vars"][ours["groups"].index(g)] for g in (quantity, square))
        over = matrix.wholes.get(square.name)
        w = None if over is None else ours["vars"][ours["groups"].index(over)]

        def curve(_: Any, *key: Any, q: Any = q, t: Any = t, w: Any = w) -> Any:
            index = key[0] if len(key) == 1 else key
            return q[index] ** 2 - t[index] * (1.0 if w is None else w[index]) <= 0.0

        con = pyo.Constraint(pyo.Any, rule=curve)
        m.add_component(f"{square.name}_square", con)
        ours["squares"].append((con, quantity, square))
    object.__setattr__(m, "_supplyrisk_variable", variable)


def complete(m: Any, matrix: Matrix) -> Any:
    """Make every member and the objective; afterwards the model stands on its own.

    Parameters
    ----------
    m : ConcreteModel
        Made by :func:`live_model`.
    matrix : Matrix
        The arrays.

    Returns
    -------
    pyomo.environ.ConcreteModel
        The same model.
    """
    import pyomo.environ as pyo
    from pyomo.core.expr.numeric_expr import LinearExpression

    attach(m, matrix)
    ours = getattr(m, _OURS)
    ours["flat"] = [var[key] for group, var in zip(ours["groups"], ours["vars"], strict=True) for key in group.keys]
    for k in range(len(ours["whole"]), len(ours["blocks"])):
        block, con = ours["blocks"][k], ours["cons"][k]
        stated = set(np.unique(block.row).tolist())
        for i, key in enumerate(block.keys):
            if i in stated:
                con[key]
        ours["whole"].append(True)
    asked = _asked_for(matrix)
    for k in range(len(ours["curves"]), len(ours["squares"])):
        square = ours["squares"][k][2]
        ours["curves"].append([])
        if ours["objective"] is None and square.name not in matrix.wholes and not asked[square.at].any():
            ours["paid"][k] = square
            continue
        _tie(ours, k)
    if ours["objective"] is None:
        cost = matrix.cost()
        pairs = [(q, t) for k, (_, q, t) in enumerate(ours["squares"]) if k in ours["paid"]]
        linear = cost.copy()
        for _, t in pairs:
            linear[t.at] = 0.0
        used = np.flatnonzero(linear)
        body: Any = LinearExpression(
            constant=matrix.offset,
            linear_coefs=linear[used].tolist(),
            linear_vars=[m._supplyrisk_variable(int(c)) for c in used],
        )
        terms = [
            float(w) * m._supplyrisk_variable(int(i)) ** 2
            for q, t in pairs
            for i, w in zip(q.at, cost[t.at], strict=True)
            if w
        ]
        if terms:
            body = sum(terms, body)
        goal = pyo.Objective(expr=body, sense=pyo.minimize)
        m.add_component("objective", goal)
        ours["objective"] = (goal, goal.expr)
    return m


def _asked_for(matrix: Matrix) -> BoolArray:
    """Columns that stand in a row."""
    out = np.zeros(matrix.n, dtype=bool)
    for block in matrix.rows:
        out[block.col] = True
    return out


def _tie(ours: dict[str, Any], k: int) -> None:
    """Make the constraints between squares and what they are of."""
    con, quantity, _ = ours["squares"][k]
    ours["curves"][k] = [(con[key], con[key].expr) for key in quantity.keys]


def load_values(m: Any, x: FloatArray) -> None:
    """Write a solution into a completed model."""
    ours = getattr(m, _OURS)
    for group, var in zip(ours["groups"], ours["vars"], strict=True):
        for key, value in zip(group.keys, x[group.start : group.start + group.n].tolist(), strict=True):
            var[key].set_value(value, skip_validation=True)


@dataclass(frozen=True)
class Limit:
    """A bound that the user set on a column of ours: its variable, in words, and the bounds that it had."""

    variable: str
    words: str
    lower: float
    upper: float


def absorb(m: Any, matrix: Matrix) -> tuple[list[str], set[str], dict[int, Limit]]:
    """Bring what a user did to the live model into the matrix: all that can be meant acts, the rest is refused.

    Own variables and linear constraints (also in blocks) are taken in; members of ours that were written anew,
    deactivated or deleted act as they stand; bounds, fixed values and domains of variables are read again.

    Parameters
    ----------
    m : ConcreteModel
        The live model, with components that are not ours.
    matrix : Matrix
        Extended in place.

    Returns
    -------
    tuple of (list of str, set of str, dict)
        What was changed of ours, in words, the names of the blocks that the user wrote, and by column the bounds that were
        set.

    Raises
    ------
    SupplyRiskError
        What the plan cannot follow: a constraint that is not linear, an objective beside or instead of ours, a variable
        of ours that was taken out, a group of variables of which only some are whole.
    """
    import pyomo.environ as pyo

    attach(m, matrix)
    ours = getattr(m, _OURS)
    for block, i, lower, upper in reversed(ours["freed"]):  # what was let go stands again, unless it still is
        block.lower[i], block.upper[i] = lower, upper
    ours["freed"].clear()
    for block, _ in reversed(ours["theirs"]):  # only the last block can be taken away whole
        _take_out(matrix, block)
    ours["theirs"].clear()
    _refuse_others(m)
    column, limits = _variables(m, matrix)
    changed: list[str] = []
    anew: list[tuple[str, list[Any]]] = []
    for k, (block, con, made) in enumerate(zip(ours["blocks"], ours["cons"], ours["made"], strict=True)):
        gone = con.parent_block() is not m
        if gone or not con.active:
            changed.append(f"{block.name} was {'taken out' if gone else 'deactivated'}")
            _free(ours, block, np.arange(block.n))
            continue
        if not len(con):
            if k < len(ours["whole"]) and made:
                changed.append(f"all of {block.name} was taken out")
                _free(ours, block, np.arange(block.n))
            continue
        position = {key: i for i, key in enumerate(block.keys)}
        there: set[int] = set()
        off: list[int] = []
        written: list[Any] = []
        for key, data in con.items():
            i = position.get(key)
            if i is None:  # a member that the user added
                written.append(data)
                continue
            there.add(i)
            was = made.get(i)
            same = was is not None and data.body is was[0] and (data.lb, data.ub) == (was[1], was[2])
            if same and data.active:
                continue
            off.append(i)
            changed.append(f"{data.name} was {'deactivated' if same else 'written anew'}")
            if not same and data.active:
                written.append(data)
        if k < len(ours["whole"]):
            lost = [i for i in made if i not in there]
            changed += [f"{block.name}[{block.keys[i]}] was taken out" for i in lost]
            off += lost
        if off:
            _free(ours, block, np.array(sorted(off), dtype=np.int64))
        if written:
            anew.append((f"{block.name}_rewritten", written))
    for curve in ours["curves"]:
        for data, expr in curve:
            if not data.active or data.parent_component().parent_block() is not m or data.expr is not expr:
                raise SupplyRiskError(
                    f"{data.name!r} is the square that a limit on concentration rests on and cannot be changed by "
                    "itself; change or deactivate the limit"
                )
    if ours["objective"] is not None:
        goal, body = ours["objective"]
        if goal.parent_block() is not m or not goal.active or goal.expr is not body or goal.sense != pyo.minimize:
            raise SupplyRiskError(
                "the objective of the live model was changed; costs and units of a plan come from its terms: give the "
                "objective to optimize(objective=...), with a term of your own (sr.objective) where none fits"
            )
    for objective in m.component_data_objects(pyo.Objective, active=True):
        if ours["objective"] is None or objective is not ours["objective"][0]:
            raise SupplyRiskError(f"objective {objective.name!r} stands beside the plan's own; give it to optimize()")
    known = {id(c) for c in ours["cons"]} | {id(c) for c, _, _ in ours["squares"]}
    for con in m.component_objects(pyo.Constraint, active=True):
        members = [d for d in con.values() if d.active]
        if id(con) not in known and members:
            anew.append((con.name, members))
    names = {_written(matrix, ours, name, members, column) for name, members in anew}
    asked = _asked_for(matrix)
    for k, square in list(ours["paid"].items()):
        q = ours["squares"][k][1]
        top = np.maximum(np.abs(q.lower), np.abs(q.upper)) ** 2
        if asked[square.at].any() or (square.lower > 0.0).any() or (square.upper < top * (1.0 - 1e-12)).any():
            del ours["paid"][k]  # the objective may go on as it is: both say the same
            _tie(ours, k)
    return changed + [x.words for x in limits.values()], names, limits


def _free(ours: dict[str, Any], block: Rows, rows: Any) -> None:
    """Let rows go; the next reading sets them again before it looks."""
    ours["freed"].append((block, rows, block.lower[rows].copy(), block.upper[rows].copy()))
    block.lower[rows], block.upper[rows] = -np.inf, np.inf


def _take_out(matrix: Matrix, block: Rows) -> None:
    """Take a block of the user's out again, or empty it where others were stated after it."""
    if matrix.rows[-1] is block:
        matrix.rows.pop()
        matrix.m -= block.n
        return
    block.row, block.col, block.value = block.row[:0], block.col[:0], block.value[:0]
    block.lower[:], block.upper[:] = -np.inf, np.inf


def _refuse_others(m: Any) -> None:
    import pyomo.environ as pyo
    from pyomo.core.base.set import Set

    plain = {pyo.Var, pyo.Constraint, pyo.Objective, pyo.Block, pyo.Param, pyo.Expression, pyo.Suffix, Set}
    plain |= {pyo.Set, pyo.RangeSet, pyo.BuildAction, pyo.BuildCheck}
    for kind in m.collect_ctypes(active=True, descend_into=pyo.Block):
        if kind not in plain:
            one = next(iter(m.component_objects(kind, active=True)), None)
            name = getattr(one, "name", "?")
            raise SupplyRiskError(f"{name!r} is a {kind.__name__}; plans have linear rows: write linear constraints")


def _variables(m: Any, matrix: Matrix) -> tuple[dict[int, int], dict[int, Limit]]:
    """Bounds of all variables as they stand now: the column of each, and by column what the user set of ours."""
    import pyomo.environ as pyo

    ours = getattr(m, _OURS)
    column: dict[int, int] = {}
    limits: dict[int, Limit] = {}
    for group, var in zip(ours["groups"], ours["vars"], strict=True):
        given = ours["given"].get(id(group))
        if var.parent_block() is not m and group.meaning != _THEIRS:
            raise SupplyRiskError(f"variable {group.name!r} of the plan was taken out; fix its members instead")
        if len(var) < group.n and group.start + group.n <= len(ours["flat"]):
            raise SupplyRiskError(f"members of {group.name!r} were taken out; fix them at 0 instead")
        position = {k: i for i, k in enumerate(group.keys)} if len(var) else {}
        whole = np.full(group.n, group.integer)
        for key, data in var.items():
            i = position.get(key)
            if i is None:
                raise SupplyRiskError(
                    f"{data.name!r} is no member of the plan; give new variables a component of their own"
                )
            column[id(data)] = group.start + i
            lo, hi = data.bounds
            fixed = data.value if data.fixed else None
            group.lower[i] = fixed if fixed is not None else -np.inf if lo is None else lo
            group.upper[i] = fixed if fixed is not None else np.inf if hi is None else hi
            whole[i] = data.is_integer() or data.is_binary()
            if given is not None and (group.lower[i] != given[0][i] or group.upper[i] != given[1][i]):
                limits[group.start + i] = Limit(
                    group.name, _limit(data, group, i, given), float(given[0][i]), float(given[1][i])
                )
        if group.n and whole.any() != whole.all():
            raise SupplyRiskError(
                f"only some members of {group.name!r} are whole numbers; tie a whole variable of your own to them instead"
            )
        group.integer = bool(whole.any()) if group.n else group.integer
    known = {id(v) for v in ours["vars"]}
    for var in m.component_objects(pyo.Var, active=True):
        if id(var) in known:
            continue
        members = list(var.values())
        whole_ones = any(v.is_integer() for v in members)
        if whole_ones and not all(v.is_integer() for v in members):
            raise SupplyRiskError(f"variable {var.name!r} mixes whole and fractional members; split it in two")
        keys = list(var.keys())

        def least(v: Any) -> float:
            return -np.inf if v.lb is None else float(v.lb)

        def most(v: Any) -> float:
            return np.inf if v.ub is None else float(v.ub)

        group = matrix.add_columns(
            var.name,
            len(members),
            lower=[float(v.value) if v.fixed else least(v) for v in members],
            upper=[float(v.value) if v.fixed else most(v) for v in members],
            integer=whole_ones,
            keys=held(keys),
            meaning=_THEIRS,
        )
        ours["groups"].append(group)
        ours["vars"].append(var)
        column |= {id(v): group.start + i for i, v in enumerate(members)}
    return column, limits


def _limit(data: Any, group: Columns, i: int, given: tuple[Any, Any]) -> str:
    """A bound that the user set, in words."""
    if data.fixed:
        return f"{data.name} fixed at {float(data.value):.6g}"
    least = f"at least {group.lower[i]:.6g}" if group.lower[i] != given[0][i] else ""
    most = f"at most {group.upper[i]:.6g}" if group.upper[i] != given[1][i] else ""
    return f"{data.name} {' and '.join(x for x in (least, most) if x)}"


def _written(matrix: Matrix, ours: dict[str, Any], name: str, members: list[Any], column: dict[int, int]) -> str:
    """State constraints that the user wrote."""
    import pyomo.environ as pyo
    from pyomo.repn import generate_standard_repn

    row: list[int] = []
    col: list[int] = []
    value: list[float] = []
    lower: list[float] = []
    upper: list[float] = []
    shift: list[float] = []  # constants of the body: limits are told as they were written
    for i, data in enumerate(members):
        repn = generate_standard_repn(data.body, compute_values=True)
        if not repn.is_linear():
            raise SupplyRiskError(f"constraint {data.name!r} is not linear; plans have linear rows here")
        for v, k in zip(repn.linear_vars, repn.linear_coefs, strict=True):
            if id(v) not in column:
                raise SupplyRiskError(
                    f"constraint {data.name!r} uses {v.name!r}, which is no active part of this model"
                )
            row.append(i)
            col.append(column[id(v)])
            value.append(float(k))
        const = float(pyo.value(repn.constant))
        shift.append(const)
        lower.append(-np.inf if data.lb is None else float(data.lb) - const)
        upper.append(np.inf if data.ub is None else float(data.ub) - const)
    names = [d.name for d in members]
    low, high = np.array(lower), np.array(upper)

    def relax(i: int, a: float) -> str:
        if np.isfinite(low[i]) and np.isfinite(high[i]):
            return f"your constraint {names[i]} would have to give way by {a:.6g}"
        if np.isfinite(high[i]):
            to, was = high[i] + shift[i] + a, high[i] + shift[i]
            return f"your constraint {names[i]} would have to allow {to:.6g}, not {was:.6g}"
        to, was = low[i] + shift[i] - a, low[i] + shift[i]
        return f"your constraint {names[i]} would have to be content with {to:.6g}, not {was:.6g}"

    # Its own size: its bound, or what one of its terms can come to where the bound is 0.
    size = np.concatenate([g.scale for g in matrix.columns])
    terms = np.zeros(len(members))
    np.maximum.at(terms, np.asarray(row, dtype=np.int64), np.abs(value) * size[np.asarray(col, dtype=np.int64)])
    bound = np.abs(np.where(np.isfinite(high), high, np.where(np.isfinite(low), low, 0.0)))
    own = np.maximum(np.where(bound > 0.0, bound, terms), _ROUNDING * terms)
    block = matrix.add_rows(
        name,
        len(members),
        row,
        col,
        value,
        lower=lower,
        upper=upper,
        scale=np.where(own > 0.0, own, 1.0),
        keys=held(names),
        say=lambda i, k=names: f"your constraint {k[i]}",
        say_relax=relax,
    )
    ours["theirs"].append((block, name))
    return block.name

"""The live Pyomo model over the arrays: containers at once, their members when somebody touches them.

Only public Pyomo is used: sparse ``Var`` (``dense=False``) and ``Constraint`` over ``Any`` with a rule, both of which
make a member on first use. :func:`complete` makes all members, after which the model is an ordinary
``ConcreteModel`` that any Pyomo solver or writer takes whole; :attr:`Portfolio.model` always returns a completed one,
so no solver can miss rows that were not yet made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SupplyRiskError, UnknownNameError, unknown_name
from .matrix import Columns, Matrix, Rows

__all__ = ["absorb", "attach", "complete", "live_model", "load_values"]

FloatArray = npt.NDArray[np.float64]
_OURS = "_supplyrisk_components"


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
    object.__setattr__(m, _OURS, {"groups": [], "blocks": [], "vars": [], "squares": [], "flat": []})
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

    def variable(column: int) -> Any:
        flat = ours["flat"]
        if column < len(flat):
            return flat[column]
        for group, var in zip(ours["groups"], ours["vars"], strict=True):
            if group.start <= column < group.start + group.n:
                return var[group.keys[column - group.start]]
        raise IndexError(column)

    for block in matrix.rows[len(ours["blocks"]) :]:
        find = _position(block.name, block)
        order = np.argsort(block.row, kind="stable")
        start = np.searchsorted(block.row[order], np.arange(block.n + 1))

        def rule(
            _: Any, *key: Any, b: Rows = block, f: Callable[[Any], int] = find, order: Any = order, start: Any = start
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
            return (body, hi) if lo == hi else (lo, body, hi)

        m.add_component(block.name, pyo.Constraint(pyo.Any, rule=rule))
        ours["blocks"].append(block)
    for quantity, square in matrix.squares[len(ours["squares"]) :]:
        q, t = (ours["vars"][ours["groups"].index(g)] for g in (quantity, square))

        def curve(_: Any, *key: Any, q: Any = q, t: Any = t) -> Any:
            index = key[0] if len(key) == 1 else key
            return q[index] ** 2 - t[index] <= 0.0

        name = f"{square.name}_square"
        m.add_component(name, pyo.Constraint(pyo.Any, rule=curve))
        ours["squares"].append((name, quantity))
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
    for block in ours["blocks"]:
        con = m.component(block.name)
        made = set(np.unique(block.row).tolist())
        for i, key in enumerate(block.keys):
            if i in made:
                con[key]
    for name, quantity in ours["squares"]:
        con = m.component(name)
        for key in quantity.keys:
            con[key]
    if m.component("objective") is None:
        cost = matrix.cost()
        used = np.flatnonzero(cost)
        body = LinearExpression(
            constant=matrix.offset,
            linear_coefs=cost[used].tolist(),
            linear_vars=[m._supplyrisk_variable(int(c)) for c in used],
        )
        m.add_component("objective", pyo.Objective(expr=body, sense=pyo.minimize))
    return m


def load_values(m: Any, x: FloatArray) -> None:
    """Write a solution into a completed model."""
    ours = getattr(m, _OURS)
    for group, var in zip(ours["groups"], ours["vars"], strict=True):
        for key, value in zip(group.keys, x[group.start : group.start + group.n].tolist(), strict=True):
            var[key].set_value(value, skip_validation=True)


def absorb(m: Any, matrix: Matrix) -> None:
    """Bring what a user wrote in Pyomo into the matrix: own variables, own linear constraints, deactivated blocks.

    Parameters
    ----------
    m : ConcreteModel
        The live model, with components that are not ours.
    matrix : Matrix
        Extended in place.

    Raises
    ------
    SupplyRiskError
        A constraint that is not linear, or an objective of the user's beside ours.
    """
    import pyomo.environ as pyo
    from pyomo.repn import generate_standard_repn

    attach(m, matrix)
    ours = getattr(m, _OURS)
    known = {g.name for g in ours["groups"]} | {b.name for b in ours["blocks"]} | {"objective"}
    known |= {name for name, _ in ours["squares"]}
    column: dict[int, int] = {}
    for group, var in zip(ours["groups"], ours["vars"], strict=True):
        position = {k: i for i, k in enumerate(group.keys)} if len(var) else {}
        for key, data in var.items():
            i = position[key]
            column[id(data)] = group.start + i
            lo, hi = data.bounds
            fixed = data.value if data.fixed else None
            group.lower[i] = fixed if fixed is not None else -np.inf if lo is None else lo
            group.upper[i] = fixed if fixed is not None else np.inf if hi is None else hi
    for var in m.component_objects(pyo.Var, active=True):
        if var.name in known:
            continue
        members = list(var.values())
        whole = any(v.is_integer() for v in members)
        if whole and not all(v.is_integer() for v in members):
            raise SupplyRiskError(f"variable {var.name!r} mixes whole and fractional members; split it in two")
        keys = list(var.keys())
        group = matrix.add_columns(
            var.name,
            len(members),
            lower=[-np.inf if v.lb is None else v.lb for v in members],
            upper=[np.inf if v.ub is None else v.ub for v in members],
            integer=whole,
            keys=lambda k=keys: k,  # type: ignore[misc]
            meaning="written by the user",
        )
        ours["groups"].append(group)
        ours["vars"].append(var)
        column |= {id(v): group.start + i for i, v in enumerate(members)}
    for con in m.component_objects(pyo.Constraint, active=True):
        if con.name in known:
            continue
        row: list[int] = []
        col: list[int] = []
        value: list[float] = []
        lower: list[float] = []
        upper: list[float] = []
        members = [d for d in con.values() if d.active]
        for i, data in enumerate(members):
            repn = generate_standard_repn(data.body, compute_values=True)
            if not repn.is_linear():
                raise SupplyRiskError(f"constraint {data.name!r} is not linear; plans are solved as LP or MIP here")
            for v, k in zip(repn.linear_vars, repn.linear_coefs, strict=True):
                row.append(i)
                col.append(column[id(v)])
                value.append(float(k))
            lower.append(-np.inf if data.lower is None else float(pyo.value(data.lower)) - float(repn.constant))
            upper.append(np.inf if data.upper is None else float(pyo.value(data.upper)) - float(repn.constant))
        names = [d.name for d in members]
        block = matrix.add_rows(
            con.name,
            len(members),
            row,
            col,
            value,
            lower=lower,
            upper=upper,
            keys=lambda k=names: k,  # type: ignore[misc]
            say=lambda i, k=names: f"your constraint {k[i]}",
        )
        ours["blocks"].append(block)
    for objective in m.component_objects(pyo.Objective, active=True):
        if objective.name not in known:
            raise SupplyRiskError(f"objective {objective.name!r} stands beside the plan's own; give it to optimize()")
    for block in ours["blocks"]:
        component = m.component(block.name)
        if component is not None and not component.active:
            block.lower[:], block.upper[:] = -np.inf, np.inf

"""Words for solver output: what a dual means, what binds, and why nothing is feasible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InfeasibleError, SolverError
from .matrix import Compiled, Rows
from .model import Build
from .solve import Solution, conflict_rows, feasible, solve

__all__ = ["binding_rows", "dual_table", "infeasible", "stopped"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_SHOWN = 8
_TOLERANCE = 1e-6
_LEVER = {"stock": "stockpile", "substitute": "substitute"}


def dual_table(m: Build, c: Compiled, s: Solution) -> pd.DataFrame:
    """Marginal values of all rows that have any, in words.

    Returns
    -------
    DataFrame
        ``constraint, row, dual, meaning``; ``dual`` is the change of the objective for one unit more on the right
        hand side, in objective units a product unit (or what the row counts). Sorted by the size of the effect.
    """
    m.found = s.x
    rows: list[dict[str, Any]] = []
    largest = float(np.max(np.abs(c.cost * np.where(c.col_scale > 0, c.col_scale, 1.0)), initial=0.0))
    for block in m.matrix.rows:
        if block.start + block.n > c.m:
            break  # written into the live model after this plan was solved
        dual = s.row_dual[block.start : block.start + block.n]
        weight = np.abs(dual) * block.scale
        for i in np.flatnonzero(weight > 1e-9 * largest):
            if block.name == "plant" and m.projects is not None and s.x[m.projects.start + i] < 0.5:
                continue  # what a plant that is not built could deliver has no price
            said = block.say_dual(int(i), float(dual[i])) if block.say_dual else ""
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


def binding_rows(m: Build, c: Compiled, x: FloatArray) -> tuple[str, ...]:
    """Constraints of the user that hold with equality at the plan, in the user's words."""
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
        out += [block.say(int(i)) for i in np.flatnonzero(room <= _TOLERANCE * block.scale)]
    return tuple(out)


def stopped(s: Solution) -> SolverError:
    """The error for a solver that ended without proof."""
    if s.status == "time_limit":
        had = f"; best plan so far costs {s.objective:,.6g}, bound {s.bound:,.6g}" if np.isfinite(s.bound) else ""
        return SolverError(
            f"{s.solver} {s.version} hit the time limit after {s.seconds:.1f} s without a proven optimum{had}. "
            "Allow more time (time_limit=), or a wider gap (gap=).",
            "time_limit",
        )
    if s.status == "unbounded":
        return SolverError(
            "the plan's cost has no lower limit: a negative unit cost or weight rewards buying without end.",
            "unbounded",
        )
    return SolverError(f"{s.solver} {s.version} stopped: {s.status}. No plan is returned.", s.status)


def _elastic(m: Build, c: Compiled, rows: IntArray, even: bool = False) -> FloatArray | None:
    """Least give of some rows, relative to their size, that makes the model feasible; None if none does.

    In total, or (``even``) of the row that gives most: rows of one constraint share one parameter.
    """
    k = len(rows)
    up = np.isfinite(c.row_upper[rows])
    low = np.isfinite(c.row_lower[rows])
    # One slack per side: upper sides give by -slack, lower sides by +slack.
    take = np.concatenate([rows[up], rows[low]])
    sign = np.concatenate([-np.ones(int(up.sum())), np.ones(int(low.sum()))])
    import scipy.sparse as sp

    a = sp.csr_array((c.value, c.index, c.start), shape=(c.m, c.n))
    size = c.row_scale[take]
    extra = sp.csr_array((sign, (take, np.arange(len(take)))), shape=(c.m, len(take)))
    wide = sp.csr_array(sp.hstack([a, extra], format="csr"))
    d = replace(
        c,
        cost=np.concatenate([np.zeros(c.n), 1.0 / size]),
        offset=0.0,
        lower=np.concatenate([c.lower, np.zeros(len(take))]),
        upper=np.concatenate([c.upper, np.full(len(take), np.inf)]),
        integer=np.concatenate([c.integer, np.zeros(len(take), dtype=bool)]),
        start=wide.indptr.astype(np.int32),
        index=wide.indices.astype(np.int32),
        value=wide.data,
        col_scale=np.concatenate([c.col_scale, size]),
    )
    if even:
        n, w = len(take), c.n + len(take)
        most = sp.hstack([sp.csr_array((n, c.n)), sp.eye_array(n), sp.csr_array(-size[:, None])])
        whole = sp.csr_array(sp.vstack([sp.hstack([wide, sp.csr_array((c.m, 1))]), most]))
        d = replace(
            d,
            cost=np.concatenate([np.zeros(c.n), 1e-3 / (size * n), np.ones(1)]),
            lower=np.append(d.lower, 0.0),
            upper=np.append(d.upper, np.inf),
            integer=np.append(d.integer, False),
            start=whole.indptr.astype(np.int32),
            index=whole.indices.astype(np.int32),
            value=whole.data,
            row_lower=np.concatenate([c.row_lower, np.full(n, -np.inf)]),
            row_upper=np.concatenate([c.row_upper, np.zeros(n)]),
            row_scale=np.concatenate([c.row_scale, size]),
            col_scale=np.append(d.col_scale, 1.0),
        )
        assert d.n == w + 1
    s = solve(d, duals=False)
    if s.status != "optimal":
        return None
    give = np.zeros(k)
    position = {int(r): i for i, r in enumerate(rows)}
    for r, v in zip(take.tolist(), s.x[c.n : c.n + len(take)].tolist(), strict=True):
        give[position[r]] += v
    give[give <= 1e-7 * c.row_scale[rows]] = 0.0
    return give


def _supply_lines(m: Build, pools: IntArray) -> list[str]:
    """What the suppliers of some pools can deliver at most, largest first."""
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
                words[v] = f"{m.node[v]} (project) can deliver at most {most:.6g} {unit}, once built"
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
    return out


def _ways_out(m: Build, c: Compiled, user: list[tuple[Rows, int]]) -> list[str]:
    """What giving way would take: each clashing constraint alone, else all of them, else every constraint."""

    def words(rows: IntArray, even: bool = False) -> list[str]:
        amount = _elastic(m, c, rows, even) if len(rows) else None
        out: list[str] = []
        for r, a in zip(rows.tolist(), (amount if amount is not None else np.zeros(0)).tolist(), strict=False):
            block, i = m.matrix.block_of_row(int(r))
            if a > 0 and block.say_relax:
                out.append(block.say_relax(i, a))
        return out

    # A constraint gives way as a whole: its rows share one parameter.
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
    alone = [w for rows in by_spec.values() if (w := words(np.array(rows, dtype=np.int64), True))]
    if alone:
        return [("or " if k else "") + " and ".join(w) for k, w in enumerate(alone)]
    together = words(np.array([r for rows in by_spec.values() for r in rows], dtype=np.int64))
    if together:
        return together
    every = [b.at for b in m.matrix.rows if b.say_relax is not None]
    return words(np.concatenate(every)) if every else []


def infeasible(m: Build, c: Compiled, seed: int = 0) -> InfeasibleError:
    """The error that names a smallest clashing set in the user's words, the supply behind it, and what would help.

    Parameters
    ----------
    m : Build
        The model as stated.
    c : Compiled
        The same, compiled.
    seed : int
        Of the solver.

    Returns
    -------
    InfeasibleError
    """
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
    if how == "iis" and not np.isin(rows, np.concatenate(mine)).any():
        how = "supply"
    said: list[str] = []
    pools: list[IntArray] = []
    blocks: list[tuple[Rows, int]] = [m.matrix.block_of_row(int(r)) for r in rows]
    user = [(b, i) for b, i in blocks if b.name in asked]
    if how == "deletion":  # whole constraints clash: one line per market is enough
        user = [(b, i) for b, i in user if b.say_relax is not None or b.name in m.user_blocks] or user
    for b, i in user:
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
    supply = _supply_lines(m, touched) if needed or how not in ("iis", "deletion") else []
    if not supply:
        known = _evidence(m)
        for b, i in blocks:
            if b.name == "availability" and b.say:
                node = b.keys[i][-1] if isinstance(b.keys[i], tuple) else b.keys[i]
                supply.append(f"{b.say(i)} {known.get(str(node), '')}".rstrip())
    give = _ways_out(m, c, [(blk, i) for blk, i in user if blk.say_relax is not None])
    if not give:
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
    if give:
        text += ["it becomes feasible if:"] + [f"  - {x}" for x in give]
    return InfeasibleError("\n".join(text), (*dict.fromkeys(said), *supply))


__all__ += ["feasible"]

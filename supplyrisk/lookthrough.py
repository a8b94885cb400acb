"""Look-through on plain tables: inter-country input-output tables, flows with primary sources, assemblies.

Nothing here knows of a data model: arrays and frames in, frames out. No inverse of a table is ever formed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import Problem, SchemaError, unknown_name
from .kernels import closed_rows, solve_absorbing
from .schema import INPUT_CLASSES

__all__ = ["bottleneck", "face_value", "io_lookthrough", "mix_origin", "mix_touch"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
# Multiplications in a product that linear algebra libraries leave to one thread.
_SMALL = 250_000


def _problem(what: str, column: str, rule: str, value: object, remedy: str) -> SchemaError:
    return SchemaError([Problem(what, "-", column, rule, str(value), remedy)], what)


# ---------------------------------------------------------------------- input-output tables


class _Table:
    """A flow or coefficient table that is only ever multiplied from the left."""

    def __init__(self, table: Any, x: Any, what: str) -> None:
        self.names: pd.Index | None = table.columns if isinstance(table, pd.DataFrame) else None
        if isinstance(table, pd.DataFrame) and table.shape[0] == table.shape[1]:
            rows = table.index
            if not rows.equals(table.columns) and rows.isin(table.columns).any():
                remedy = "Bring both to one order, e.g. table.reindex(index=table.columns)."
                raise _problem(what, "table", "rows and columns are not the same sectors in one order", "", remedy)
        z = table.to_numpy(dtype=np.float64) if isinstance(table, pd.DataFrame) else table
        self.z = z if hasattr(z, "tocsr") else np.asarray(z, dtype=np.float64)
        if self.z.ndim != 2 or self.z.shape[0] != self.z.shape[1]:
            raise _problem(what, "table", "not square", self.z.shape, "Rows supply columns: one of each per sector.")
        self.n = int(self.z.shape[0])
        self.x: FloatArray | None = None
        self.inputs: FloatArray = self.left(np.ones((self.n, 1)))[:, 0]
        if not np.isfinite(self.inputs).all():
            raise _problem(what, "table", "not finite", "", "Replace NaN and infinite cells.")
        least = float(self.z.min()) if self.n else 0.0
        if least < 0:
            remedy = "Set changes in stocks and corrections apart; shares of negative inputs are no shares."
            raise _problem(what, "table", "a sector takes in less than nothing", f"{least:g}", remedy)
        if x is not None:
            total = np.asarray(_by_sector(x, self, what, "x"), dtype=np.float64).ravel()
            if len(total) != self.n or not np.isfinite(total).all() or (total < 0).any():
                raise _problem(what, "x", "not one non-negative output per sector", len(total), f"Give {self.n}.")
            bad = (total == 0) & (self.inputs != 0)
            if bad.any():
                where = np.flatnonzero(bad)[:5].tolist()
                raise _problem(what, "x", "sectors with inputs but no output", where, "Mend the table.")
            self.x = np.where(total > 0, total, np.inf)  # a sector without output has an empty column
            self.inputs = self.inputs / self.x

    def left(self, e: FloatArray) -> FloatArray:
        """Aᵀe, one column per column of e."""
        if hasattr(self.z, "tocsr"):
            out = np.asarray(self.z.T @ e)
        else:
            # A few rows of the table at a time, whole as they lie in memory. Products this small stay on one thread:
            # threads that meet many times in every pass wait for each other as soon as a core has other work, and a
            # pass is bound by memory anyway.
            flat = np.ascontiguousarray(e.T)
            k, step = len(flat), max(_SMALL // max(flat.size, 1), 1)
            if k > 8:
                out = (flat @ self.z).T
            else:
                sums = np.zeros_like(flat)
                for i in range(0, self.n, step):
                    sums += flat[:, i : i + step] @ self.z[i : i + step]
                out = sums.T
        return out if self.x is None else out / self.x[:, None]


def _by_sector(values: Any, table: _Table, what: str, column: str) -> Any:
    """Values in the order of the sectors: by label where they bear the table's, else by position."""
    v = values.iloc[:, 0] if isinstance(values, pd.DataFrame) and values.shape[1] == 1 else values
    names = pd.RangeIndex(table.n) if table.names is None else table.names
    if not isinstance(v, pd.Series) or len(v) != table.n:
        return v
    if v.index.equals(names) or not v.index.isin(names).any():
        return v.to_numpy()
    if v.index.is_unique and names.is_unique and names.isin(v.index).all():
        return v.reindex(names).to_numpy()
    raise _problem(what, column, "its index is not that of the table", "", "Align them, or give an array.")


def _domestic(table: _Table, labels: npt.NDArray[np.object_]) -> Callable[[FloatArray], FloatArray]:
    """What undoes the inputs that sectors of one region buy of each other: most of (I - Aᵀ) in any real table.

    Large regions are cut into blocks of 128 sectors. It only speeds the solution up: a sparse table, or a block that
    cannot be inverted, goes without.
    """
    if hasattr(table.z, "tocsr"):
        return lambda v: v
    code = pd.factorize(labels)[0]
    order = np.argsort(code, kind="stable")
    first = np.flatnonzero(np.diff(code[order], prepend=-1))
    place = np.arange(table.n) - np.repeat(first, np.diff(np.append(first, table.n)))
    start = np.flatnonzero(place % 128 == 0)
    size = np.diff(np.append(start, table.n))
    blocks: list[tuple[IntArray, FloatArray]] = []
    for width in np.unique(size):
        at = order[start[size == width][:, None] + np.arange(width)].astype(np.int64)
        a = table.z[at[:, None, :], at[:, :, None]]
        a = a if table.x is None else a / table.x[at][:, :, None]
        try:
            blocks.append((at, np.linalg.inv(np.eye(width) - a)))
        except np.linalg.LinAlgError:
            return lambda v: v

    def undo(v: FloatArray) -> FloatArray:
        out = np.empty_like(v)
        for at, block in blocks:
            out[at] = block @ v[at]
        return out

    return undo


def _cycle(table: _Table, undo: Callable[[FloatArray], FloatArray], b: FloatArray, cap: int = 40) -> FloatArray:
    """One cycle of GMRES on (I - Aᵀ) Y = B, all columns at once: one pass over the table per step."""
    k = b.shape[1]
    beta = np.linalg.norm(b, axis=0)
    scale = np.maximum(beta, 1e-300)
    basis = [b / scale]
    h = np.zeros((k, cap + 1, cap))
    for m in range(cap):
        w = undo(basis[m])
        w = w - table.left(w)
        for _ in range(2):  # twice is enough
            for i, v in enumerate(basis):
                c = np.einsum("ij,ij->j", v, w)
                h[:, i, m] += c
                w = w - c * v
        size = np.linalg.norm(w, axis=0)
        h[:, m + 1, m] = size
        basis.append(w / np.maximum(size, 1e-300))
        # A column that is done has a zero row below: its least squares stay as they were.
        goal = np.eye(m + 2)[0]
        y = [np.linalg.lstsq(h[j, : m + 2, : m + 1], beta[j] * goal, rcond=None)[0] for j in range(k)]
        left = [np.linalg.norm(beta[j] * goal - h[j, : m + 2, : m + 1] @ y[j]) / scale[j] for j in range(k)]
        if max(left) <= 1e-13:
            break
    step = np.zeros_like(b)
    for i in range(m + 1):
        step += basis[i] * np.array([yj[i] for yj in y])
    return undo(step)


def _direct(table: _Table, b: FloatArray) -> FloatArray | None:
    """The same by elimination; None where (I - Aᵀ) is singular."""
    if hasattr(table.z, "tocsr"):
        from scipy import sparse
        from scipy.sparse.linalg import splu

        column = np.ones(table.n) if table.x is None else 1 / table.x
        system = sparse.identity(table.n) - (table.z @ sparse.diags(column)).T
        try:
            lu = splu(sparse.csc_matrix(system))
        except RuntimeError:
            return None
        return np.asarray(lu.solve(b))
    try:
        return np.asarray(np.linalg.solve(np.eye(table.n) - (table.z if table.x is None else table.z / table.x).T, b))
    except np.linalg.LinAlgError:
        return None


def _reached(table: _Table, b: FloatArray) -> BoolArray:
    """Where there is any of it, in the inputs or in theirs. Elsewhere there is nothing, exactly."""
    found = b > 0
    buys = table.inputs > 0
    while True:
        cols = np.flatnonzero(~found[buys].all(axis=0))
        if not len(cols):
            return found
        more = found[:, cols] | (table.left(found[:, cols].astype(np.float64)) > 0)
        if (more == found[:, cols]).all():
            return found
        found[:, cols] = more


def _solve(
    table: _Table, labels: npt.NDArray[np.object_], b: FloatArray, part: BoolArray, whole: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Solve (I - Aᵀ) Y = B; the solution and what is left of each equation.

    The first columns are sums of what is never negative: 0 where nothing is reached, exactly. Where ``part`` is set a
    figure is a share of the sum of those of its row where ``whole`` is set, and right beside that sum, however small
    it is. GMRES errs by a part of the largest figure; what is left of it is solved again, which is next to nothing
    beside the small ones. What GMRES does not bring to rounding is solved by elimination.
    """
    counts = part.shape[1]
    some = _reached(table, b[:, :counts])

    def swept(y: FloatArray) -> tuple[FloatArray, FloatArray]:
        y[:, :counts][~some] = 0.0
        new = b + table.left(y)
        return new, new - y

    def done(y: FloatArray, left: FloatArray) -> bool:
        size = np.abs(left)
        if not (size.max(axis=0, initial=0.0) <= 1e-12 * (1 + np.abs(y).max(axis=0, initial=0.0))).all():
            return False
        base = (y[:, :counts] * whole).sum(axis=1, keepdims=True)
        return bool((size[:, :counts] * part <= 1e-11 * base).all())

    undo = _domestic(table, labels)
    y, left = np.zeros_like(b), b
    for step in range(6):
        if step == 3:
            exact = _direct(table, b)
            if exact is None:
                break
            y, left = swept(exact)
        elif np.isfinite(left).all():
            y, left = swept(y + _cycle(table, undo, left))
        if done(y, left):
            break
    return y, left


def _regions(region: Any, table: _Table, focal: Any, what: str) -> tuple[list[Any], npt.NDArray[np.object_], list[Any]]:
    labels = np.asarray(pd.Series(list(_by_sector(region, table, what, "region")), dtype="object"))
    if len(labels) != table.n:
        raise _problem(what, "region", "not one region per sector", len(labels), f"Give {table.n}.")
    known = list(dict.fromkeys(labels.tolist()))
    wanted = known if focal is None else [focal] if isinstance(focal, str) else list(focal)
    for f in wanted:
        if f not in known:
            raise unknown_name("region", f, [str(r) for r in known], what)
    return known, labels, wanted


def face_value(
    table: Any, x: Any = None, *, region: Sequence[Any], focal: str | Sequence[Any] | None = None
) -> pd.DataFrame:
    r"""Share of each buyer's direct inputs that come from each focal region.

    :math:`FV_r(j) = \sum_{i \in r} A_{ij} / \sum_i A_{ij}`.

    Parameters
    ----------
    table : DataFrame, ndarray or sparse matrix
        Flows Z (rows supply columns) if ``x`` is given, or coefficients A.
    x : array-like, optional
        Output of each sector; a Series that bears the labels of the table is taken by label.
    region : sequence
        Region of each sector; a Series likewise.
    focal : str or sequence, optional
        Regions to report; default all.

    Returns
    -------
    DataFrame
        Sectors x focal regions, fractions; NaN for a column without inputs.

    Raises
    ------
    SchemaError
        The table is not square or finite, has a cell below 0, or ``x`` or ``region`` does not fit it.
    UnknownNameError
        A focal region that does not occur.

    Notes
    -----
    Missing policy: a missing cell is refused, it is not zero. The direct inputs only, as in an import table: what they
    are made of is in :func:`io_lookthrough`. Source: after Baldwin & Freeman (2022); definition of this library.

    Examples
    --------
    >>> a = [[.40, .02, .03], [.05, .45, .08], [.08, .06, .35]]
    >>> face_value(a, region=["HOME", "CHN", "ROW"]).iloc[0].round(6).tolist()
    [0.754717, 0.09434, 0.150943]
    """
    t = _Table(table, x, "face_value()")
    _, labels, wanted = _regions(region, t, focal, "face_value()")
    e = np.column_stack([np.ones(t.n), *((labels == f).astype(float) for f in wanted)])
    y = t.left(e)
    share = np.divide(y[:, 1:], y[:, :1], out=np.full_like(y[:, 1:], np.nan), where=y[:, :1] != 0)
    return pd.DataFrame(share, index=t.names, columns=wanted)


def io_lookthrough(
    table: Any,
    x: Any = None,
    *,
    region: Sequence[Any],
    focal: str | Sequence[Any] | None = None,
    of: Literal["all", "foreign"] = "all",
    rows: Sequence[bool] | None = None,
    value_added: bool = False,
) -> pd.DataFrame:
    r"""Direct and look-through reliance of every buyer on each focal region, in an inter-country table.

    With :math:`L = (I-A)^{-1}`, :math:`LT_r(j) = \sum_{i \in r}(L-I)_{ij} / \sum_i (L-I)_{ij}`; the identity is left
    out, so that a sector's own output does not swell the denominator. Solved for ``(I - Aᵀ)`` with one right-hand side
    per focal region and one for the total.

    Parameters
    ----------
    table : DataFrame, ndarray or sparse matrix
        Flows Z (rows supply columns) if ``x`` is given, or coefficients A.
    x : array-like, optional
        Output of each sector; a Series that bears the labels of the table is taken by label.
    region : sequence
        Region of each sector; a Series likewise.
    focal : str or sequence, optional
        Regions to report; default all.
    of : {"all", "foreign"}
        Shares of all inputs, or of inputs from outside the buyer's own region.
    rows : sequence of bool, optional
        Supplying sectors that count (e.g. manufacturing).
    value_added : bool
        Add the share of value added by origin, :math:`\sum_{i \in r} v_i L_{ij}` with :math:`v = 1 - iA`.

    Returns
    -------
    DataFrame
        A row per (sector, focal region): ``sector, region, focal, face, lookthrough, hidden, multiplier, visits``
        and, on request, ``value_added``. Shares in [0, 1]; ``visits`` (expected passages through the region when one
        unit is traced upstream) may exceed 1; NaN where a column has no inputs.

    Raises
    ------
    SchemaError
        As :func:`face_value`; or the table does not converge (spectral radius of A not below 1).
    UnknownNameError
        A focal region that does not occur.

    Notes
    -----
    Missing policy: a missing cell is refused; a column without inputs is NaN, never 0; other sectors may buy of a
    sector without output. With ``of="foreign"`` a buyer whose whole chain stays at home is NaN: there is nothing to
    share out. Sums of foreign inputs are added up region by region, and each share is right beside its own
    denominator, however little that is; where iteration does not end in rounding the system is solved by elimination.
    Source: Leontief (1936) for L; gross output counts at each border: this measures reliance on production, not value
    added. Concept: Baldwin & Freeman (2022); Baldwin, Freeman & Theodorakopoulos (2023); passages: after Inomata &
    Hanaka (2024). The exact normalisation is this library's own.

    Examples
    --------
    >>> a = [[.40, .02, .03], [.05, .45, .08], [.08, .06, .35]]
    >>> r = io_lookthrough(a, region=["HOME", "CHN", "ROW"], focal="CHN").iloc[0]
    >>> r[["face", "lookthrough", "hidden", "multiplier"]].astype(float).round(6).tolist()
    [0.09434, 0.169744, 0.075405, 1.799291]
    """
    what = "io_lookthrough()"
    if of not in ("all", "foreign"):
        raise unknown_name("of", of, ("all", "foreign"), what)
    t = _Table(table, x, what)
    known, labels, wanted = _regions(region, t, focal, what)
    mask = np.ones(t.n) if rows is None else np.asarray(_by_sector(rows, t, what, "rows"), dtype=bool).astype(float)
    if len(mask) != t.n:
        raise _problem(what, "rows", "not one per sector", len(mask), f"Give {t.n}.")
    solved = known if of == "foreign" else wanted
    e = np.column_stack([mask, *((labels == f) * mask for f in solved)])
    direct = t.left(e)
    rhs = [direct]
    if rows is not None:  # convergence is proved on all rows
        rhs.append(t.inputs.reshape(-1, 1))
    if value_added:
        v = 1 - t.inputs
        rhs.append(np.column_stack([(labels == f) * v for f in wanted]))
    part, whole = np.ones((2, *e.shape), dtype=bool)
    whole[:, 1:] = False
    if of == "foreign":
        home = pd.Index(known).get_indexer(pd.Index(labels))
        part = whole = np.column_stack([np.zeros(t.n, dtype=bool), home[:, None] != np.arange(len(known))])
    y, left = _solve(t, labels, np.column_stack(rhs), part, whole)
    at = e.shape[1] if rows is not None else 0
    total, gap = y[:, at], np.abs(left[:, at]).max(initial=0.0)
    # (I - Aᵀ)(1 + y) = 1 with 1 + y > 0 proves that the series converges.
    if not (1 + total > 0).all() or not gap <= 1e-8 * max(1.0, float(np.abs(total).max(initial=0.0))):
        raise _problem(
            what,
            "table",
            "the inputs of inputs do not converge",
            "",
            "Check that each sector's output exceeds its use.",
        )
    deep, k = y[:, : e.shape[1]], len(wanted)
    pick = np.array([solved.index(f) + 1 for f in wanted], dtype=np.int64)
    base_direct, base_deep = direct[:, :1], deep[:, :1]
    keep = np.ones((t.n, k), dtype=bool)
    if of == "foreign":
        # The sum of the others, not the total less the own: next to nothing abroad would drown in its rounding.
        base_direct, base_deep = ((v * whole).sum(axis=1, keepdims=True) for v in (direct, deep))
        keep = np.array([[f != r for f in wanted] for r in labels])

    def over(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.divide(a, b, out=np.full_like(a, np.nan), where=np.broadcast_to(b > 0, a.shape) & keep)

    face, look = over(direct[:, pick], base_direct), over(deep[:, pick], base_deep)
    names = t.names if t.names is not None else pd.RangeIndex(t.n)
    out = pd.DataFrame(
        {
            "sector": np.repeat(np.arange(t.n), k) if t.names is None else np.repeat(names.to_numpy(dtype=object), k),
            "region": np.repeat(labels, k),
            "focal": np.tile(np.asarray(wanted, dtype=object), t.n),
            "face": face.ravel(),
            "lookthrough": look.ravel(),
            "hidden": (look - face).ravel(),
            "multiplier": np.divide(look, face, out=np.full_like(look, np.nan), where=face > 0).ravel(),
            "visits": deep[:, pick].ravel(),
        }
    )
    if value_added:
        out["value_added"] = y[:, -k:].ravel()
    return out


# ---------------------------------------------------------------------- flows with primary sources


class Flows:
    """Flows between named nodes, and what each node adds of its own, as an absorbing chain."""

    def __init__(self, flows: pd.DataFrame, supply: Mapping[str, float], what: str) -> None:
        from scipy import sparse

        q = flows["quantity"].to_numpy(dtype=np.float64)
        names = pd.unique(
            pd.concat(
                [
                    flows["supplier"].astype("object"),
                    flows["buyer"].astype("object"),
                    pd.Series(list(supply), dtype="object"),
                ]
            )
        )
        self.nodes = pd.Index(names, dtype="object")
        own = np.array([float(v) for v in supply.values()], dtype=np.float64)
        problems = [
            Problem(what, f"{flows['supplier'].iloc[i]} > {flows['buyer'].iloc[i]}", "quantity", rule, str(q[i]), fix)
            for i, rule, fix in (
                (int(i), "negative or not a number", "Give the flow, or drop the row.")
                for i in np.flatnonzero(~(np.isfinite(q) & (q >= 0)))
            )
        ]
        problems += [
            Problem(what, str(k), "supply", "negative or not a number", str(v), "Give the primary supply.")
            for k, v in supply.items()
            if not (np.isfinite(v) and v >= 0)
        ]
        if problems:
            raise SchemaError(problems, what)
        n = len(self.nodes)
        src = self.nodes.get_indexer(pd.Index(flows["supplier"].astype("object")))
        dst = self.nodes.get_indexer(pd.Index(flows["buyer"].astype("object")))
        primary = np.zeros(n)
        primary[self.nodes.get_indexer(pd.Index(list(supply), dtype="object"))] = own
        total = np.bincount(dst, q, n) + primary
        share = np.divide(q, total[dst], out=np.zeros_like(q), where=total[dst] > 0)
        self.w = sparse.csr_matrix((share, (dst, src)), shape=(n, n))
        self.primary = np.divide(primary, total, out=np.zeros(n), where=total > 0)

    def columns(self, values: Mapping[str, float], what: str) -> FloatArray:
        """A value per node, 0 where none is given."""
        out = np.zeros(len(self.nodes))
        for k, v in values.items():
            if k not in self.nodes:
                raise unknown_name("node", k, [str(x) for x in self.nodes], what)
            if not 0 <= v <= 1:
                raise _problem(what, str(k), "not a fraction from 0 to 1", v, "Give the focal's share of the node.")
            out[self.nodes.get_loc(k)] = v
        return out

    def check(self, ends: FloatArray, what: str) -> None:
        """Every node must reach a primary source (or an end)."""
        dead = closed_rows(self.w, ends > 0)
        if dead.any():
            raise SchemaError(
                [
                    Problem(
                        what,
                        ", ".join(str(x) for x in self.nodes[dead][:12]),
                        "supply",
                        "no primary source can be reached from here",
                        "",
                        "Give the node its own supply, or the flow that enters the loop from outside.",
                    )
                ],
                what,
            )


def mix_origin(flows: pd.DataFrame, supply: Mapping[str, float], by: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Primary origin of what each node holds; the table form of :func:`supplyrisk.exposure.origin`."""
    f = Flows(flows, supply, "origin()")
    f.check(f.primary, "origin()")
    label = [by.get(str(x), x) if by else x for x in f.nodes]
    code, names = pd.factorize(np.asarray(pd.Series(label, dtype="object")))
    used = np.unique(code[f.primary > 0])
    b = np.zeros((len(f.nodes), len(used)))
    at = np.searchsorted(used, code)
    rows = np.flatnonzero(f.primary > 0)
    b[rows, at[rows]] = f.primary[rows]
    return pd.DataFrame(solve_absorbing(f.w, b), index=f.nodes, columns=names[used])


def mix_touch(flows: pd.DataFrame, own: Mapping[str, float], supply: Mapping[str, float]) -> pd.Series:
    """Chance of meeting the focal upstream; the table form of :func:`supplyrisk.exposure.touch_probability`."""
    what = "touch_probability()"
    f = Flows(flows, supply, what)
    a = f.columns(own, what)
    f.check(np.maximum(f.primary, a), what)
    y = solve_absorbing(f.w, a.reshape(-1, 1), (1 - a).reshape(-1, 1))[:, 0]
    return pd.Series(y, index=f.nodes, name="touch")


# ---------------------------------------------------------------------- assemblies


def bottleneck(
    exposures: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    essential: Sequence[bool] | None = None,
    group: Sequence[Any] | None = None,
    classes: Sequence[str] | None = None,
) -> pd.Series:
    r"""Exposure of an assembly of several inputs, three ways that belong together.

    Parameters
    ----------
    exposures : sequence of float
        Exposure :math:`y_k` of each input, 0 to 1.
    weights : sequence of float, optional
        Value weights :math:`w_k`, normalised here; default equal.
    essential : sequence of bool, optional
        Inputs without which nothing is made; default all.
    group : sequence, optional
        Inputs with the same group are alternatives: they count as the least exposed of them.
    classes : sequence of {"essential", "important", "minor"}, optional
        Instead of ``essential``: important inputs hold the assembly back by their weight, minor ones do not.

    Returns
    -------
    Series
        ``linear`` :math:`\sum w_k y_k`; ``bottleneck`` :math:`\max y_k` over essential inputs (the part of output
        lost if the focal stops), and the weighted sum of important ones where that is more; ``independent``
        :math:`1 - \prod (1 - y_k)`. With ``classes`` also ``partial``, in which alternatives do not help, and
        ``strict``, in which every input stops the assembly. Fractions in [0, 1].

    Raises
    ------
    SchemaError
        Values outside 0 to 1, or lengths that differ; no input at all.

    Notes
    -----
    Linear and bottleneck bound the answer: report both. Missing policy: a missing exposure is refused; give the two
    ends 0 and 1 in turn. Definition of this library.

    Examples
    --------
    >>> bottleneck([.20, .75, .50], [.6, .1, .3]).round(6).to_dict()
    {'linear': 0.345, 'bottleneck': 0.75, 'independent': 0.9}
    """
    y = np.asarray(exposures, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    need = np.ones(len(y), dtype=bool) if essential is None else np.asarray(essential, dtype=bool)
    g = pd.Series(list(range(len(y))) if group is None else list(group), dtype="object")
    what = "bottleneck()"
    every: tuple[Any, ...] = (exposures, weights, essential, group, classes)
    given = [x.index for x in every if isinstance(x, pd.Series)]
    if any(not x.equals(given[0]) for x in given[1:]):
        raise _problem(what, "-", "Series of different indexes", "", "Align them, or give arrays.")
    if not (len(y) == len(w) == len(need) == len(g)) or not len(y):
        raise _problem(what, "-", "not one value of each kind per input", len(y), "Give lists of one length.")
    if not ((y >= 0) & (y <= 1)).all():
        raise _problem(what, "exposures", "outside 0 to 1, or missing", y.tolist(), "A missing one needs bounds 0, 1.")
    if not (w >= 0).all() or w.sum() <= 0:
        raise _problem(what, "weights", "negative, missing or all zero", w.tolist(), "Give value weights.")
    alone = g.isna() | (g == "")
    g = g.where(~alone, pd.Series([("", i) for i in range(len(g))], dtype="object"))
    least = pd.Series(y).groupby(pd.factorize(g)[0]).transform("min").to_numpy()
    soft = np.zeros(len(y), dtype=bool)
    if classes is not None:
        if essential is not None or len(classes) != len(y) or not set(classes) <= set(INPUT_CLASSES):
            raise _problem(
                what, "classes", "not one class per input", list(classes), f"Use {', '.join(INPUT_CLASSES)}."
            )
        need, soft = (np.array([c == name for c in classes]) for name in ("essential", "important"))
        # Of alternatives, those of a class stand in for each other.
        pair = pd.factorize(pd.MultiIndex.from_arrays([pd.factorize(g)[0], list(classes)]))[0]
        least = pd.Series(y).groupby(pair).transform("min").to_numpy()

    def held(x: FloatArray) -> float:
        return max(float(x[need].max(initial=0.0)), float((w * x)[soft].sum() / w.sum()))

    out = {"linear": float(w @ y / w.sum()), "bottleneck": held(least), "independent": float(1 - np.prod(1 - y))}
    if classes is not None:
        out |= {"partial": held(y), "strict": float(y.max())}
    return pd.Series(out)

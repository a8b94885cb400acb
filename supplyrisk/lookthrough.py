"""Look-through on plain tables: inter-country input-output tables, flows with primary sources, assemblies.

Nothing here knows of a data model: arrays and frames in, frames out. No inverse of a table is ever formed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .arguments import by_name, cell_faults, choice, flag, in_order, nameless, names, single, square, truths, vector
from .errors import Problem, SchemaError, unknown_name
from .kernels import closed_rows, solve_absorbing
from .linked import Links, links
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
        self.z, self.names = square(table, what, "table")
        self.n = int(self.z.shape[0])
        self.x: FloatArray | None = None
        self.idle: list[Any] = []  # sectors that take in and make nothing
        self.inputs: FloatArray = self.left(np.ones((self.n, 1)))[:, 0]
        if not np.isfinite(self.inputs).all() or (self.n and float(self.z.min()) < 0):
            remedies = (
                "Replace NaN and infinite cells.",
                "A sector takes in less than nothing: set changes in stocks and corrections apart; shares of negative "
                "inputs are no shares.",
            )
            problems = cell_faults(self.z, self.names, what, "table", remedies)
            if not problems:
                raise _problem(what, "table", "sums of cells are not finite", "", "Give smaller numbers.")
            raise SchemaError(problems, what)
        if x is not None:
            total = vector(x, self.names, self.n, what, "x", remedy="Give the output of the sector, 0 for none.")
            labels = self.names if self.names is not None else pd.RangeIndex(self.n)
            self.idle = [labels[i] for i in np.flatnonzero((total == 0) & (self.inputs != 0)).tolist()]
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
        before = np.linalg.norm(w, axis=0)
        for _ in range(2):  # twice is enough
            for i, v in enumerate(basis):
                c = np.einsum("ij,ij->j", v, w)
                h[:, i, m] += c
                w = w - c * v
        size = np.linalg.norm(w, axis=0)
        size = np.where(size > 1e-14 * before, size, 0.0)  # less is rounding: the column has all that it can have
        w = np.where(size > 0, w, 0.0)
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
        # What is left errs by as much as all rounds multiply it: it is measured by what is asked, not by the answer.
        rounding = 8 * np.finfo(float).eps * np.abs(y).max(axis=0, initial=0.0)
        if not (size.max(axis=0, initial=0.0) <= 1e-12 * (1 + np.abs(b).max(axis=0, initial=0.0)) + rounding).all():
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
    given = list(in_order(region, table.names, table.n, what, "region"))
    bare = [i for i, r in enumerate(given) if nameless(r)]
    if bare:
        labels = table.names if table.names is not None else pd.RangeIndex(table.n)
        fix = "Name the region of each sector."
        raise SchemaError(
            [Problem(what, f"sector {labels[i]}", "region", "missing", str(given[i]), fix) for i in bare], what
        )
    known = list(dict.fromkeys(given))
    wanted = known if focal is None else list(dict.fromkeys(names(focal, what, "focal")))
    if focal is not None and not wanted:
        raise _problem(what, "focal", "names no region", "", "Name one or more, or leave it out for all.")
    for f in wanted:
        if f not in known:
            raise unknown_name("region", f, [str(r) for r in known], what)
    return known, np.asarray(pd.Series(given, dtype="object")), wanted


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
        Output of each sector. A Series or mapping that bears the labels of the table is taken by label, an array by
        position. The column of a sector without output is empty, whatever the table says that it takes in.
    region : sequence
        Region of each sector; likewise.
    focal : str or sequence, optional
        Regions to report; default all.

    Returns
    -------
    DataFrame
        Sectors x focal regions, fractions; NaN for a column without inputs. ``.attrs["without_output"]`` lists the
        sectors that take in and make nothing: their shares are NaN for that.

    Raises
    ------
    SchemaError
        The table is not square or finite, has a cell below 0, or ``x`` or ``region`` does not fit it; the cells and
        sectors are named.
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
    out = pd.DataFrame(share, index=t.names, columns=pd.Index(wanted, dtype=None if wanted else object))
    out.attrs["without_output"] = t.idle
    return out


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
        Output of each sector. A Series or mapping that bears the labels of the table is taken by label, an array by
        position. The column of a sector without output is empty, whatever the table says that it takes in.
    region : sequence
        Region of each sector; likewise.
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
        unit is traced upstream) may exceed 1; NaN where a column has no inputs. ``.attrs["without_output"]`` lists the
        sectors that take in and make nothing: their column of A is empty.

    Raises
    ------
    SchemaError
        As :func:`face_value`; or the table does not converge (spectral radius of A not below 1).
    UnknownNameError
        A focal region that does not occur.

    Notes
    -----
    Missing policy: a missing cell is refused; a column without inputs is NaN, never 0; other sectors may buy of a
    sector without output, and one that takes in without output has no inputs per unit made: its column is 0. With ``of="foreign"`` a buyer whose whole chain stays at home is NaN: there is nothing to
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
    choice("of", of, ("all", "foreign"), what)
    flag(value_added, what, "value_added")
    t = _Table(table, x, what)
    known, labels, wanted = _regions(region, t, focal, what)
    mask = np.ones(t.n) if rows is None else truths(rows, t.names, t.n, what, "rows").astype(float)
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
    out = pd.DataFrame(
        {
            "sector": np.repeat(np.arange(t.n), k) if t.names is None else np.repeat(t.names.to_numpy(dtype=object), k),
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
    out.attrs["without_output"] = t.idle
    return out


# ---------------------------------------------------------------------- flows with primary sources


class Flows:
    """Flows between named nodes, and what each node adds of its own, as an absorbing chain."""

    def __init__(self, flows: Any, supply: Any, what: str) -> None:
        from scipy import sparse

        self.links: Links = links(flows, what)
        own = by_name(supply, what, "supply", remedy="Give the primary supply of the node, or leave it out.")
        self.nodes, src, dst, q = self.links.nodes, self.links.src, self.links.dst, self.links.quantity
        n = len(self.nodes)
        primary = np.zeros(n)
        primary[self.links.at(own, what, "supply")] = list(own.values())
        total = np.bincount(dst, q, n) + primary
        share = np.divide(q, total[dst], out=np.zeros_like(q), where=total[dst] > 0)
        self.w = sparse.csr_matrix((share, (dst, src)), shape=(n, n))
        self.primary = np.divide(primary, total, out=np.zeros(n), where=total > 0)

    def columns(self, values: Any, what: str) -> FloatArray:
        """A fraction per node, 0 where none is given."""
        own = by_name(
            values, what, "own", high=1.0, remedy="Give the focal's share of the node, a fraction from 0 to 1."
        )
        out = np.zeros(len(self.nodes))
        out[self.links.at(own, what, "own")] = list(own.values())
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


def origin_labels(by: Any, nodes: Sequence[Any], sources: BoolArray, what: str) -> list[Any]:
    """Label of each node: its own name where ``by`` says none.

    A name in ``by`` that is no node is in order as long as every source has its label: a longer list of places. Else
    it is taken for a misspelt source.
    """
    if by is None:
        return list(nodes)
    if not isinstance(by, (Mapping, pd.Series)):
        rule, fix = "not a mapping or Series of node to label", "Name them: {'CD': 'Africa'}."
        raise _problem(what, "by", rule, type(by).__name__, fix)
    keys, labels = (list(by.index), list(by)) if isinstance(by, pd.Series) else (list(by), list(by.values()))
    twice = sorted(str(k) for k, count in Counter(keys).items() if count > 1)
    bare = [str(k) for k, x in zip(keys, labels, strict=True) if nameless(x)]
    problems = [Problem(what, k, "by", "given twice", "", "Keep one label.") for k in twice]
    problems += [Problem(what, k, "by", "no label", "", "Give one, or leave the node out.") for k in bare]
    if problems:
        raise SchemaError(problems, what)
    label = dict(zip(keys, labels, strict=True))
    if not all(x in label for x, s in zip(nodes, sources.tolist(), strict=True) if s):
        known = set(nodes)
        for k in keys:
            if k not in known:
                raise unknown_name("node", k, [str(x) for x in nodes], f"{what} by")
    return [label.get(x, x) for x in nodes]


def mix_origin(flows: Any, supply: Any, by: Any = None) -> pd.DataFrame:
    """Primary origin of what each node holds; the table form of :func:`supplyrisk.exposure.origin`."""
    f = Flows(flows, supply, "origin()")
    f.check(f.primary, "origin()")
    label = origin_labels(by, list(f.nodes), f.primary > 0, "origin()")
    cells = np.empty(len(label), dtype=object)
    cells[:] = label
    code, found = pd.factorize(cells)
    used = np.unique(code[f.primary > 0])
    b = np.zeros((len(f.nodes), len(used)))
    at = np.searchsorted(used, code)
    rows = np.flatnonzero(f.primary > 0)
    b[rows, at[rows]] = f.primary[rows]
    return pd.DataFrame(solve_absorbing(f.w, b), index=f.nodes, columns=pd.Index(found[used], tupleize_cols=False))


def mix_touch(flows: Any, own: Any, supply: Any) -> pd.Series:
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
        Inputs with the same group are alternatives: they count as the least exposed of them; with ``classes`` those of
        one class do, as what is minor in a product does not do the work of what it cannot be made without.
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
    what = "bottleneck()"
    columns = {"exposures": exposures, "weights": weights, "essential": essential, "group": group, "classes": classes}
    given = {name: single(x, what, name) for name, x in columns.items()}
    rows = [x.index for name, x in given.items() if isinstance(x, pd.Series) and not isinstance(columns[name], Mapping)]
    keyed = [given[name].index for name, x in columns.items() if isinstance(x, Mapping)]
    every = [*rows, *keyed]
    if any(not x.equals(rows[0]) for x in rows[1:]) or any(set(x) != set(every[0]) for x in every[1:]):
        shown = "; ".join(", ".join(str(k) for k in x[:5]) for x in every)
        raise _problem(what, "-", "Series of different indexes", shown, "Align them, or give arrays.")
    inputs = every[0] if every else None
    head = given["exposures"]
    sized = hasattr(head, "__len__") and getattr(head, "ndim", 1) > 0 and not isinstance(head, (str, bytes, set))
    n = len(head) if sized and not hasattr(head, "tocsr") else -1
    if n <= 0:
        got = "none" if not n else type(exposures).__name__
        raise _problem(what, "exposures", "not one value per input", got, "Give one or more, in a list or a Series.")
    fix = "From 0 to 1; where it is not known give the ends 0 and 1 in turn."
    y = vector(exposures, inputs, n, what, "exposures", kind="input", high=1.0, remedy=fix)
    w, need = np.ones(n), np.ones(n, dtype=bool)
    if weights is not None:
        w = vector(weights, inputs, n, what, "weights", kind="input", remedy="Give value weights.")
        if w.sum() <= 0:
            raise _problem(what, "weights", "all zero", w.tolist(), "Give value weights.")
    if essential is not None:
        need = truths(essential, inputs, n, what, "essential", "input")
    named = list(range(n) if group is None else in_order(group, inputs, n, what, "group", "input"))
    odd = [f"input {i}" for i, x in enumerate(named) if not isinstance(x, Hashable)]
    if odd:
        raise _problem(what, "group", "not a label", ", ".join(odd), "Name the group, or None for none.")
    g = pd.Series(named, dtype="object")
    alone = g.isna() | (g == "")
    g = g.where(~alone, pd.Series([("", i) for i in range(len(g))], dtype="object"))
    least = pd.Series(y).groupby(pd.factorize(g)[0]).transform("min").to_numpy()
    soft = np.zeros(len(y), dtype=bool)
    if classes is not None:
        if essential is not None:
            raise _problem(what, "classes", "both classes and essential given", "", "Give one of them.")
        kinds = list(in_order(classes, inputs, n, what, "classes", "input"))
        wrong = [f"input {i}: {c!r}" for i, c in enumerate(kinds) if not isinstance(c, str) or c not in INPUT_CLASSES]
        if wrong:
            raise _problem(what, "classes", "not a class", ", ".join(wrong), f"Use {', '.join(INPUT_CLASSES)}.")
        need, soft = (np.array([c == name for c in kinds]) for name in ("essential", "important"))
        # Of alternatives, those of a class stand in for each other.
        pair = pd.factorize(pd.MultiIndex.from_arrays([pd.factorize(g)[0], kinds]))[0]
        least = pd.Series(y).groupby(pair).transform("min").to_numpy()

    def held(x: FloatArray) -> float:
        return max(float(x[need].max(initial=0.0)), float((w * x)[soft].sum() / w.sum()))

    out = {"linear": float(w @ y / w.sum()), "bottleneck": held(least), "independent": float(1 - np.prod(1 - y))}
    if classes is not None:
        out |= {"partial": held(y), "strict": float(y.max())}
    return pd.Series(out)

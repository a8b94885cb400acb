"""Systemic risk of firms and industries: ESRI on a firm network, inoperability on an input-output table.

Both are bounds of a kind: ESRI lets a lost essential input stop all of a buyer's output; the inoperability model
is linear. Read them beside the inventory and market engines, not instead of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..arguments import cell_faults, choice, flag, in_order, nameless, names, number, square, vector, whole
from ..errors import Problem, SchemaError, SolverError, unknown_name

__all__ = ["EsriResult", "esri", "inoperability", "inoperability_path", "interdependency", "recovery_rate"]

FloatArray = npt.NDArray[np.float64]
_CELLS = 4_000_000  # firms x scenarios held at once: some 200 MB for the six arrays of a batch
_DENSE = 5_000


@dataclass(frozen=True)
class EsriResult:
    """Scores of a run, and what is needed to read them.

    Attributes
    ----------
    scores : Series
        ESRI by scenario (by firm closed), part of the network's weight that is lost, [0, 1].
    downstream, upstream : Series
        The same for each channel alone: inputs that fail, orders that fail.
    iterations : Series
        Rounds until the largest decrease was at most ``epsilon``.
    epsilon : float
        The stopping rule; part of the definition of the score.
    replaceability : bool
        Whether the market share of a supplier limits what its loss costs.
    closed_network : bool
        Whether some group of firms sells to itself alone.
    closed_firms : int
        Firms in such groups.
    warning : str
        What that means for the scores; empty for an open network.
    remaining_downstream, remaining_upstream : DataFrame or None
        Output left, firms by scenarios, [0, 1]; kept on request.
    """

    scores: pd.Series
    downstream: pd.Series
    upstream: pd.Series
    iterations: pd.Series
    epsilon: float
    replaceability: bool
    closed_network: bool
    closed_firms: int
    warning: str
    remaining_downstream: pd.DataFrame | None = None
    remaining_upstream: pd.DataFrame | None = None
    method: str = "ESRI, generalised Leontief"


def esri(
    sales: Any,
    sectors: Sequence[Any] | pd.Series | Mapping[Any, Any],
    importance: pd.DataFrame | pd.Series | Mapping[tuple[Any, Any], int],
    *,
    shock: pd.Series | pd.DataFrame | Mapping[Any, float] | Sequence[float] | None = None,
    firms: Any = None,
    revenue: pd.Series | Mapping[Any, float] | Sequence[float] | None = None,
    weights: pd.Series | Mapping[Any, float] | Sequence[float] | None = None,
    material_cost: pd.Series | Mapping[Any, float] | Sequence[float] | None = None,
    replaceability: bool = True,
    epsilon: float = 0.01,
    keep: bool = False,
) -> EsriResult:
    """Economic systemic risk index: weight of a network lost when firms close (generalised Leontief production).

    With sales W, sectors p and output left psi, from ``hd = hu = psi`` in synchronous rounds::

        sigma_i = min(1, s_i / sum_{k in market of i} s_k hd_k)
        hd_j    = max(0, min{psi_j, 1 - max_{sector k} sum_{i in k, class 2} sigma_i Ld_ij (1 - hd_i),
                                    1 - sum_{class 1} sigma_i Ld_ij (1 - hd_i)})
        hu_i    = max(0, min{psi_i, 1 - sum_j Lu_ij (1 - hu_j)})

    until the largest decrease is at most ``epsilon``; ``ESRI = sum w_i (1 - min(hd_i, hu_i)) / sum w_i``.
    ``Ld_ij`` is i's share of j's inputs from i's sector (essential) or of all of j's inputs (non-essential);
    ``Lu_ij = W_ij / s_i``.

    Parameters
    ----------
    sales : DataFrame, ndarray or sparse matrix
        W, square: row sells to column; one currency or unit; at least 0.
    sectors : sequence, Series or mapping
        Sector (product) of each firm, in the order of ``sales`` or by firm; so are all figures of firms below.
    importance : DataFrame, Series or mapping
        Class of (supplier's sector, buyer's sector): 2 essential, 1 non-essential, 0 irrelevant. Every pair that
        trades needs one.
    shock : Series, mapping, DataFrame or sequence, optional
        psi: capacity left by firm, [0, 1]; firms not named keep 1; a sequence has one for each firm. A DataFrame has a
        column per scenario. Left out, each firm is closed in turn.
    firms : name or iterable, optional
        Firms to close in turn, instead of all.
    revenue : Series, mapping or sequence, optional
        s: revenue with sales to final demand, at least the row sum of W. Left out, the row sum.
    weights : Series, mapping or sequence, optional
        w; left out, s.
    material_cost : Series, mapping or sequence, optional
        Cost of material by firm: its downstream shares are multiplied by inputs / cost.
    replaceability : bool
        False sets sigma to 1: no supplier can be replaced.
    epsilon : float
        Stopping rule, above 0. The published scores use 0.01.
    keep : bool
        Keep output left by firm and scenario (firms x scenarios numbers).

    Returns
    -------
    EsriResult
        Scores, dimensionless, in [0, 1]; missing sales are an error, never 0. In a closed network ``warning`` says that the upstream channel has total collapse as its
        only fixed point: such scores exist only because the iteration stops at ``epsilon``.

    Raises
    ------
    SchemaError
        W not square, negative or missing figures, a firm without figure or sector, a pair of sectors without class,
        revenue below sales, epsilon 0; the firms are named.
    UnknownNameError
        ``shock`` or ``firms`` names a firm that does not occur.

    Notes
    -----
    Missing policy: missing flows and revenues are refused, never 0.
    Source: Diem, Borsos, Reisch, Kertesz & Thurner (2022), Sci. Rep. 12:7719. Evidence R. A firm without customers
    keeps its upstream psi; an empty market leaves sigma at 1.

    Examples
    --------
    >>> w = np.zeros((4, 4)); w[0, 2], w[1, 2], w[2, 3] = 4, 2, 6
    >>> classes = {("a", "b"): 2, ("b", "c"): 1}
    >>> esri(w, ["a", "a", "b", "c"], classes).scores.round(6).tolist()
    [0.666667, 0.25, 1.0, 1.0]
    """
    flag(replaceability, "esri()", "replaceability")
    flag(keep, "esri()", "keep")
    net = _Network(sales, sectors, importance, revenue, weights, material_cost)
    epsilon = number(epsilon, "esri()", "epsilon", remedy="0.01 is the published value.")
    if not epsilon > 0:
        net.refuse(
            "epsilon",
            "not above 0",
            repr(epsilon),
            "Without a stopping rule a closed network collapses whole: 0.01 is the published value.",
        )
    psi, scenarios = net.scenarios(shock, firms)
    down, up, both = (np.empty(len(scenarios)) for _ in range(3))
    rounds = np.zeros(len(scenarios), dtype=np.int64)
    kept: list[tuple[FloatArray, FloatArray]] = []
    step = max(1, min(256, _CELLS // max(net.n, 1)))
    total = float(net.w.sum())
    for start in range(0, len(scenarios), step):
        part = slice(start, min(start + step, len(scenarios)))
        hd, hu, rounds[part] = net.run(psi(part), epsilon, replaceability)
        with np.errstate(divide="ignore", invalid="ignore"):
            down[part] = net.w @ (1.0 - hd) / total
            up[part] = net.w @ (1.0 - hu) / total
            both[part] = net.w @ (1.0 - np.minimum(hd, hu)) / total
        if keep:
            kept.append((hd, hu))
    index = pd.Index(scenarios)
    closed = net.closed()
    warning = ""
    if closed:
        warning = (
            f"{closed} firms sell to one another alone: there the upstream channel has total collapse as its only "
            f"fixed point, and scores below 1 exist only because iteration stops at epsilon = {epsilon:g}. Give "
            "revenue with final demand, or use the downstream part."
        )

    def table(which: int) -> pd.DataFrame | None:
        return (
            pd.DataFrame(np.concatenate([k[which] for k in kept], axis=1), index=net.names, columns=index)
            if kept
            else None
        )

    return EsriResult(
        scores=pd.Series(both, index=index, name="esri"),
        downstream=pd.Series(down, index=index, name="downstream"),
        upstream=pd.Series(up, index=index, name="upstream"),
        iterations=pd.Series(rounds, index=index, name="iterations"),
        epsilon=float(epsilon),
        replaceability=replaceability,
        closed_network=bool(closed),
        closed_firms=closed,
        warning=warning,
        remaining_downstream=table(0),
        remaining_upstream=table(1),
    )


class _Network:
    """The operators of one network, built once: essential segments, non-essential inputs, orders, markets."""

    def __init__(
        self, sales: Any, sectors: Any, importance: Any, revenue: Any, weights: Any, material_cost: Any
    ) -> None:
        from scipy import sparse

        table, labels = square(sales, "esri()", "sales", "firm")
        problems = self.cells(table, labels)
        if problems:
            raise SchemaError(problems, "esri()")
        matrix = sparse.coo_array(table, dtype=np.float64)
        matrix.sum_duplicates()
        self.names: pd.Index = pd.RangeIndex(matrix.shape[0]) if labels is None else pd.Index(labels)
        if self.names.has_duplicates:
            twice = ", ".join(str(x) for x in self.names[self.names.duplicated()].unique()[:8])
            self.refuse("sales", "a firm occurs twice", twice, "Merge its rows.")
        data = np.asarray(matrix.data, dtype=np.float64)
        good = data > 0
        i, j, x = matrix.row[good].astype(np.int64), matrix.col[good].astype(np.int64), data[good]
        n = self.n = matrix.shape[0]
        sector = list(in_order(sectors, self.names, n, "esri()", "sectors", "firm"))
        bare = [str(self.names[i]) for i, x in enumerate(sector) if nameless(x)]
        if bare:
            raise SchemaError(
                [Problem("esri()", f"firm {f}", "sectors", "no sector", "", "Give one per firm.") for f in bare],
                "esri()",
            )
        cells = np.empty(n, dtype=object)
        cells[:] = sector
        code, found = pd.factorize(cells)
        self.code = code.astype(np.int64)
        out = np.bincount(i, x, n)
        self.s = out if revenue is None else self.vector(revenue, "revenue")
        if (out > self.s * (1 + 1e-9) + 1e-300).any():
            bad = ", ".join(str(self.names[int(k)]) for k in np.flatnonzero(out > self.s * (1 + 1e-9))[:10])
            self.refuse("revenue", "below sales to firms", bad, "Revenue includes sales to final demand.")
        self.w = self.s if weights is None else self.vector(weights, "weights")
        cls = self.classes(importance, found, self.code[i], self.code[j])
        ones = np.ones(n)
        inputs = np.bincount(j, x, n)
        if material_cost is not None:
            cost = self.vector(material_cost, "material_cost")
            ones = np.divide(inputs, cost, out=np.ones(n), where=cost > 0)
        k = len(found)
        ess, non = cls == 2, cls == 1
        # Essential links of one buyer and one supplying sector form a segment; segments are sorted by buyer, so
        # that the maximum over a buyer's segments is one reduceat.
        segment, where = np.unique(j[ess] * k + self.code[i[ess]], return_inverse=True)
        of_segment = np.bincount(where, x[ess], len(segment))
        value = x[ess] / of_segment[where] * ones[j[ess]]
        self.essential = sparse.csr_array((value, (where, i[ess])), shape=(len(segment), n))
        self.buyers, self.starts = np.unique(segment // max(k, 1), return_index=True)
        self.other = sparse.csr_array((x[non] / inputs[j[non]] * ones[j[non]], (j[non], i[non])), shape=(n, n))
        self.orders = sparse.csr_array((x / self.s[i], (i, j)), shape=(n, n))
        self.market = sparse.csr_array((np.ones(n), (self.code, np.arange(n))), shape=(k, n))

    @staticmethod
    def refuse(what: str, rule: str, value: str, remedy: str) -> None:
        """Raise for one fault of one input."""
        raise SchemaError([Problem("esri()", "-", what, rule, value, remedy)], "esri()")

    @staticmethod
    def cells(table: Any, labels: pd.Index | None) -> list[Problem]:
        """Sales that cannot be, by seller and buyer."""
        fix = "Missing is not zero: leave the pair out."
        return cell_faults(table, labels, "esri()", "sales", (fix, "Give what was sold, returns apart."))

    def vector(self, values: Any, what: str) -> FloatArray:
        """Figures by firm: finite and at least 0."""
        return vector(values, self.names, self.n, "esri()", what, kind="firm")

    def classes(
        self, importance: Any, sectors: Any, supplier: npt.NDArray[np.int64], buyer: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Class of each link, looked up once for each pair of sectors that trades."""
        if not isinstance(importance, (pd.DataFrame, pd.Series, Mapping)):
            fix = "Give {(supplier's sector, buyer's sector): 2, 1 or 0}, or a frame of suppliers by buyers."
            self.refuse("importance", "not a mapping or frame", type(importance).__name__, fix)
        axes = [importance.index] if isinstance(importance, (pd.DataFrame, pd.Series)) else []
        axes += [importance.columns] if isinstance(importance, pd.DataFrame) else []
        for axis in axes:
            if axis.has_duplicates:
                twice = ", ".join(str(x) for x in axis[axis.duplicated()].unique()[:8])
                self.refuse("importance", "a sector occurs twice", twice, "Keep one class.")
        k = max(len(sectors), 1)
        pairs, where = np.unique(supplier * k + buyer, return_inverse=True)
        found = np.zeros(len(pairs), dtype=np.int64)
        problems: list[Problem] = []
        known = (
            dict(zip(list(importance.index), list(importance), strict=True))
            if isinstance(importance, pd.Series)
            else importance
        )
        for at, pair in enumerate(pairs.tolist()):
            p, q = sectors[pair // k], sectors[pair % k]
            if isinstance(known, pd.DataFrame):
                value: Any = known.at[p, q] if p in axes[0] and q in axes[1] else None
            else:
                value = known.get((p, q))
            if nameless(value) or value not in (0, 1, 2):
                rule = "no class" if nameless(value) else "not 0, 1 or 2"
                remedy = "2 essential, 1 non-essential, 0 irrelevant."
                if (q, p) in known if isinstance(known, Mapping) else False:
                    remedy += " The pair is (supplier's sector, buyer's sector)."
                problems.append(
                    Problem("esri()", f"{p} to {q}", "importance", rule, "" if value is None else repr(value), remedy)
                )
            else:
                found[at] = int(value)
        if problems:
            raise SchemaError(problems, "esri()")
        return found[where]

    def scenarios(self, shock: Any, firms: Any) -> tuple[Any, list[Any]]:
        """A function that gives psi for a slice of scenarios, and the scenarios' names."""
        if shock is None:
            wanted = (
                list(self.names)
                if firms is None
                else [firms]
                if self.is_firm(firms)
                else names(firms, "esri()", "firms")
            )
            at = self.places(wanted, "firms")

            def closing(part: slice) -> FloatArray:
                which = at[part]
                psi = np.ones((self.n, len(which)))
                psi[which, np.arange(len(which))] = 0.0
                return psi

            return closing, wanted
        if firms is not None:
            self.refuse("shock", "both shock and firms given", "", "Give one of them.")
        fix = "psi is capacity left: 0 closed, 1 untouched."
        columns: list[Any] = list(shock.columns) if isinstance(shock, pd.DataFrame) else ["shock"]
        full = np.ones((self.n, len(columns)))
        labelled = isinstance(shock, (pd.DataFrame, pd.Series, Mapping))
        rows = (
            (shock.index if isinstance(shock, (pd.DataFrame, pd.Series)) else pd.Index(list(shock)))
            if labelled
            else None
        )
        if rows is None or (rows.equals(pd.RangeIndex(self.n)) and not rows.isin(self.names).any()):
            # No labels, or row numbers beside names: the order is all there is.
            at = np.arange(self.n)
        else:
            at = self.places(list(rows), "shock")
            twice = rows[rows.duplicated()].unique()
            if len(twice):
                self.refuse("shock", "a firm occurs twice", ", ".join(map(str, twice[:8])), "Keep one row.")
        labels = self.names[at]
        for i, column in enumerate(columns):
            values: Any = shock.iloc[:, i] if isinstance(shock, pd.DataFrame) else shock
            if isinstance(values, Mapping):
                values = list(values.values())
            values = values.array if isinstance(values, pd.Series) else values
            where = "shock" if len(columns) == 1 else f"shock[{column}]"
            full[at, i] = vector(values, labels, len(at), "esri()", where, kind="firm", high=1.0, remedy=fix)
        return (lambda part: full[:, part].copy()), columns

    def is_firm(self, name: Any) -> bool:
        """Whether a name, a tuple of several levels too, is that of one firm."""
        return isinstance(name, Hashable) and name in set(self.names)

    def places(self, wanted: list[Any], column: str) -> npt.NDArray[np.int64]:
        """Positions of firms; the first that does not occur raises with close matches."""
        place = {name: i for i, name in enumerate(self.names)}
        for name in wanted:
            if not isinstance(name, Hashable) or name not in place:
                raise unknown_name("firm", name, map(str, self.names), f"esri({column}=)")
        return np.array([place[name] for name in wanted], dtype=np.int64)

    def run(self, psi: FloatArray, epsilon: float, replaceability: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Iterate all scenarios of a batch; each stops by itself."""
        hd, hu = psi.copy(), psi.copy()
        rounds = np.zeros(psi.shape[1], dtype=np.int64)
        live = np.arange(psi.shape[1])
        s = self.s[:, None]
        while len(live):
            p, d, u = psi[:, live], hd[:, live], hu[:, live]
            loss = 1.0 - d
            if replaceability:
                left = (self.market @ (s * d))[self.code]
                with np.errstate(divide="ignore", invalid="ignore"):
                    loss *= np.where(left > 0, np.minimum(1.0, s / left), 1.0)
            new_d = np.minimum(p, 1.0 - np.asarray(self.other @ loss))
            if len(self.buyers):
                worst = np.maximum.reduceat(self.essential @ loss, self.starts, axis=0)
                new_d[self.buyers] = np.minimum(new_d[self.buyers], 1.0 - worst)
            new_d = np.maximum(new_d, 0.0)
            new_u = np.maximum(np.minimum(p, 1.0 - np.asarray(self.orders @ (1.0 - u))), 0.0)
            fall = np.maximum((d - new_d).max(axis=0, initial=0.0), (u - new_u).max(axis=0, initial=0.0))
            hd[:, live], hu[:, live] = new_d, new_u
            rounds[live] += 1
            live = live[fall > epsilon]
        return hd, hu, rounds.astype(np.float64)

    def closed(self) -> int:
        """Firms in groups (with a cycle) whose sales all stay inside the group."""
        from scipy.sparse.csgraph import connected_components

        if not self.orders.nnz:
            return 0
        count, label = connected_components(self.orders, directed=True, connection="strong")
        links = self.orders.tocoo()
        inside = label[links.row] == label[links.col]
        kept = np.bincount(links.row[inside], links.data[inside], self.n)
        tight = np.ones(count, dtype=bool)
        np.logical_and.at(tight, label, kept >= 1.0 - 1e-9)
        return int(tight[label].sum())


def _square(matrix: Any, what: str, column: str) -> tuple[Any, pd.Index]:
    from scipy import sparse

    table, labels = square(matrix, what, column)
    fix = "Missing is not zero."
    problems = cell_faults(table, labels, what, column, (fix, "Coefficients are at least 0."))
    if problems:
        raise SchemaError(problems, what)
    out = sparse.csc_array(table, dtype=np.float64)
    return out, pd.RangeIndex(out.shape[0]) if labels is None else pd.Index(labels)


def _by_sector(values: Any, index: pd.Index, what: str, column: str, high: float = 1.0) -> FloatArray:
    fix = "Missing is not zero." if math.isinf(high) else f"A part of 1, from 0 to {high:g}; missing is not zero."
    return vector(values, index, len(index), what, column, high=high, scalar=True, remedy=fix)


def _solver(a: Any) -> Callable[[FloatArray], FloatArray]:
    """Factor I - A once. Tables of up to a few thousand sectors fill in anyhow: there a dense factor is faster."""
    from scipy import linalg, sparse
    from scipy.sparse.linalg import splu

    n = a.shape[0]
    if n <= _DENSE:
        lu, pivots, info = linalg.lapack.dgetrf(np.eye(n) - a.toarray())
        if info > 0:
            raise SolverError("I - A* is singular: the spectral radius of A* is 1 or more.", "singular")
        return lambda b: np.asarray(linalg.lu_solve((lu, pivots), b), dtype=np.float64)
    try:
        factor = splu(sparse.csc_matrix(sparse.eye_array(n, format="csc") - a))
    except RuntimeError as exc:  # SuperLU's word for a singular matrix
        raise SolverError("I - A* is singular: the spectral radius of A* is 1 or more.", "singular") from exc
    return lambda b: np.asarray(factor.solve(b), dtype=np.float64)


def inoperability(a_star: Any, perturbation: Any) -> pd.Series:
    """Inoperability input-output model: part of each sector's output lost once a perturbation has spread.

    ``q = A* q + c*``, hence ``q = (I - A*)^-1 c*``, clipped to [0, 1]. Solved by one factorisation, never inverted.

    Parameters
    ----------
    a_star : DataFrame, ndarray or sparse matrix
        A*: interdependency by output (:func:`interdependency`); at least 0, spectral radius below 1.
    perturbation : float, Series, mapping or array
        c*: part of output lost at the source, [0, 1]; one for each sector, or one for all.

    Returns
    -------
    Series
        q by sector, dimensionless, [0, 1]; ``.attrs["clipped"]`` names sectors that the linear model puts above 1.

    Raises
    ------
    SchemaError
        Not square, negative or missing figures, c* outside [0, 1] or without some sector; cells and sectors are named.
    SolverError
        Spectral radius of A* not below 1: losses would grow without end.

    Notes
    -----
    Missing policy: a missing coefficient or perturbation is an error, never 0. Source: Haimes & Jiang (2001), whose
    printed examples it gives back; Santos & Haimes (2004). Evidence V, R.

    Examples
    --------
    >>> inoperability([[0.10, 0.30], [0.20, 0.05]], [0.08, 0.0]).round(6).tolist()
    [0.095597, 0.020126]
    """
    what = "inoperability()"
    a, index = _square(a_star, what, "a_star")
    c = _by_sector(perturbation, index, what, "perturbation")
    n = len(index)
    if not n:
        return pd.Series([], index=index, dtype="float64", name="inoperability")
    solve = _solver(a)
    # For A* >= 0 the radius is below 1 exactly if (I - A*) x = 1 has a solution with all x >= 1.
    ones = solve(np.ones(n))
    if not (np.isfinite(ones).all() and (ones >= 1.0 - 1e-9).all()):
        raise SolverError("the spectral radius of A* is 1 or more: losses would grow without end.", "diverges")
    raw = solve(c)
    q = pd.Series(np.clip(raw, 0.0, 1.0), index=index, name="inoperability")
    q.attrs["clipped"] = [index[int(i)] for i in np.flatnonzero(raw > 1.0)]
    return q


def inoperability_path(a_star: Any, perturbation: Any, resilience: Any, start: Any, steps: int) -> pd.DataFrame:
    """Dynamic inoperability model: the way to the equilibrium of :func:`inoperability`, and back.

    ``q(t+1) = q(t) + K [A* q(t) + c*(t) - q(t)]``, clipped to [0, 1].

    Parameters
    ----------
    a_star : DataFrame, ndarray or sparse matrix
        A*.
    perturbation : Series, mapping, array or DataFrame
        c*, constant; or a DataFrame with a row per step and a column per sector.
    resilience : float, Series, mapping or array
        Diagonal of K, [0, 1] per step (:func:`recovery_rate`).
    start : float, Series, mapping or array
        q(0), [0, 1].
    steps : int
        Number of steps.

    Returns
    -------
    DataFrame
        Rows 0 to ``steps``, a column per sector, [0, 1].

    Raises
    ------
    SchemaError
        Figures out of range, by sector and step; fewer rows of c* than steps, or rows out of order.

    Notes
    -----
    Source: Haimes et al. (2005); Lian & Haimes (2006). Evidence V, R.

    Examples
    --------
    >>> path = inoperability_path([[0.10, 0.30], [0.20, 0.05]], [0.08, 0.0], [0.5, 0.25], 0.0, 5)
    >>> path.loc[1].round(6).tolist(), path.loc[5].round(6).tolist()
    ([0.04, 0.0], [0.085975, 0.009606])
    """
    what = "inoperability_path()"
    a, index = _square(a_star, what, "a_star")
    a = a.tocsr()
    k = _by_sector(resilience, index, what, "resilience")
    q = _by_sector(start, index, what, "start")
    steps = whole(steps, what, "steps")
    if isinstance(perturbation, pd.DataFrame):
        table = _by_step(perturbation, index, int(steps), what)
    else:
        table = np.broadcast_to(_by_sector(perturbation, index, what, "perturbation"), (max(steps, 1), len(index)))
    out = np.empty((steps + 1, len(index)))
    out[0] = q
    for t in range(steps):  # each step needs the one before
        q = np.clip(q + k * (a @ q + table[t] - q), 0.0, 1.0)
        out[t + 1] = q
    return pd.DataFrame(out, columns=index, index=pd.RangeIndex(steps + 1, name="step"))


def _by_step(table: pd.DataFrame, index: pd.Index, steps: int, what: str) -> FloatArray:
    """c* by step and sector."""
    column = "perturbation"
    if len(table) < steps:
        fix = f"Give {steps} rows, or a Series for a constant perturbation."
        raise SchemaError([Problem(what, "-", column, "needs a row per step", str(len(table)), fix)], what)
    if not table.index.is_monotonic_increasing or table.index.has_duplicates:
        rows, fix = ", ".join(str(x) for x in table.index[:8]), "Sort them: table.sort_index()."
        raise SchemaError([Problem(what, "-", column, "rows are not steps in order", rows, fix)], what)
    at = in_order(pd.Series(range(table.shape[1]), index=table.columns), index, len(index), what, column)
    place = np.asarray(at, dtype=np.int64)
    out = np.empty((len(table), len(index)))
    fix = "A part of 1, from 0 to 1; missing is not zero."
    for i, label in enumerate(index):
        cells = table.iloc[:, place[i]].array
        out[:, i] = vector(
            cells, table.index, len(table), what, f"{column}[{label}]", kind="step", high=1.0, remedy=fix
        )
    return out


def recovery_rate(start: float, end: float, periods: float, own: float = 0.0) -> float:
    """Resilience coefficient of a sector from its recovery.

    ``k = ln(q(0) / q(T)) / T / (1 - a*_ii)``.

    Parameters
    ----------
    start, end : float
        Inoperability at the start and after ``periods``, ``0 < end <= start <= 1``.
    periods : float
        T, in steps, above 0.
    own : float
        a*_ii, [0, 1).

    Returns
    -------
    float
        Per step, at least 0; above 1 means recovery within a step, which the path cannot follow.

    Raises
    ------
    SchemaError
        Figures that do not fit.

    Notes
    -----
    Source: Lian & Haimes (2006). Evidence V, R.

    Examples
    --------
    >>> round(recovery_rate(0.08, 0.001, 30, own=0.10), 6)
    0.162297
    """
    what = "recovery_rate()"
    start, end, periods, own = (
        number(x, what, name, remedy="Give a number.")
        for name, x in (("start", start), ("end", end), ("periods", periods), ("own", own))
    )
    if not (0 < end <= start <= 1 and periods > 0 and 0 <= own < 1):
        text = f"start={start!r}, end={end!r}, periods={periods!r}, own={own!r}"
        rule = "needs 0 < end <= start <= 1, periods > 0, 0 <= own < 1"
        raise SchemaError([Problem(what, "-", "-", rule, text, "Check what was lost, and when.")], what)
    return math.log(start / end) / periods / (1.0 - own)


def interdependency(coefficients: Any, output: Any, kind: Literal["demand", "supply"] = "demand") -> pd.DataFrame:
    """A* of the inoperability model from an input-output table.

    ``demand``: ``A* = diag(x)^-1 A diag(x)``, loss of sales by fallen orders. ``supply``: the transpose of A,
    loss of inputs in proportion to their coefficients.

    Parameters
    ----------
    coefficients : DataFrame, ndarray or sparse matrix
        A = Z diag(x)^-1, input per unit of output, row supplies column.
    output : Series, mapping or array
        x, above 0 where the sector buys or sells.
    kind : {"demand", "supply"}
        Which way losses travel.

    Returns
    -------
    DataFrame
        A*, dimensionless. Sectors without output have rows of 0 under ``demand``.

    Raises
    ------
    SchemaError
        Not square, negative or missing figures.

    Notes
    -----
    Source: Santos & Haimes (2004) for demand; Xu et al. (2011), whose printed table it gives back, for supply. Evidence V.

    Examples
    --------
    >>> interdependency([[0.1, 0.2], [0.3, 0.1]], [100, 50]).round(6).to_numpy().tolist()
    [[0.1, 0.1], [0.6, 0.1]]
    """
    choice("kind", kind, ("demand", "supply"), "interdependency()")
    what = "interdependency()"
    a, index = _square(coefficients, what, "coefficients")
    x = vector(output, index, len(index), what, "output")
    dense = a.toarray()
    if kind == "supply":
        return pd.DataFrame(dense.T.copy(), index=index, columns=index)
    scaled = np.divide(dense * x[None, :], x[:, None], out=np.zeros_like(dense), where=x[:, None] > 0)
    return pd.DataFrame(scaled, index=index, columns=index)

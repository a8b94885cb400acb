"""The model as matrices: named groups of columns and named blocks of rows, written once and compiled once.

Levers and constraints state their rows as arrays. The same arrays become the live Pyomo model (``arrays.py``) and
the one call that hands the model to the solver (``solve.py``), so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError
from ..registry import Spec

__all__ = ["Columns", "Compiled", "Matrix", "Rows", "held"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Keys = Callable[[], Sequence[Any]]


@dataclass(eq=False)
class Columns:
    """A group of variables: where it starts, its bounds, and its keys, made only when somebody asks."""

    name: str
    start: int
    lower: FloatArray
    upper: FloatArray
    scale: FloatArray
    integer: bool
    make_keys: Keys
    meaning: str
    _keys: list[Any] | None = None

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.lower)

    @property
    def at(self) -> IntArray:
        """Column numbers."""
        return np.arange(self.start, self.start + self.n)

    @property
    def keys(self) -> list[Any]:
        """A key per variable, as the Pyomo model is indexed."""
        if self._keys is None:
            self._keys = list(self.make_keys())
        return self._keys


@dataclass(eq=False)
class Rows:
    """A block of rows: coefficients in coordinate form, bounds, and how to speak about it."""

    name: str
    start: int
    row: IntArray
    col: IntArray
    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    scale: FloatArray
    make_keys: Keys
    spec: Spec | None
    # Words for a row: what one unit of its dual means, and what giving way means, by an amount of its parameter where it
    # has a ``slope`` and of its bound otherwise.
    say_dual: Callable[[int, float], str] | None = None
    say_relax: Callable[[int, float], str] | None = None
    say: Callable[[int], str] | None = None
    pools: Callable[[int], IntArray] | None = None
    # How the block reads in units of a metric (readings.py), where it bounds one of the score.
    reading: Any = None
    # What one unit more of the parameter adds: row, column and value of coefficients, and to the bound of each row.
    slope: tuple[IntArray, IntArray, FloatArray, FloatArray] | None = None
    # Whether its coefficients follow the solution (lookthrough.py).
    moves: bool = False
    _keys: list[Any] | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.lower)

    @property
    def at(self) -> IntArray:
        """Row numbers."""
        return np.arange(self.start, self.start + self.n)

    @property
    def keys(self) -> list[Any]:
        """A key per row."""
        if self._keys is None:
            self._keys = list(self.make_keys())
        return self._keys


@dataclass(frozen=True, eq=False)
class Compiled:
    """The model in the form the solver takes; rows are stored by row."""

    cost: FloatArray
    offset: float
    lower: FloatArray
    upper: FloatArray
    integer: npt.NDArray[np.bool_]
    start: npt.NDArray[np.int32]
    index: npt.NDArray[np.int32]
    value: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    col_scale: FloatArray
    row_scale: FloatArray
    # Columns with x[square] * x[square_whole] >= x[square_of]^2, see cone.py; -1 where the whole is 1.
    square_of: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    square: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    square_whole: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    # Constraint and key of a row, in words.
    name_of: Callable[[int], str] | None = None

    @property
    def n(self) -> int:
        """Number of columns."""
        return len(self.cost)

    @property
    def m(self) -> int:
        """Number of rows."""
        return len(self.row_lower)

    def activity(self, x: FloatArray) -> FloatArray:
        """Value of every row at a point."""
        import scipy.sparse as sp

        return np.asarray(sp.csr_array((self.value, self.index, self.start), shape=(self.m, self.n)) @ x)


def held(items: Sequence[Any]) -> Keys:
    """Keys that are at hand."""
    return lambda: items


def _full(value: Any, n: int) -> FloatArray:
    return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)))  # a copy: bounds may be edited


@dataclass(eq=False)
class Matrix:
    """Collects columns, rows and costs in the order in which they are stated."""

    columns: list[Columns] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    costs: list[tuple[IntArray, FloatArray]] = field(default_factory=list)
    squares: list[tuple[Columns, Columns]] = field(default_factory=list)
    # The wholes that squares are over, by the name of the squares' columns.
    wholes: dict[str, Columns] = field(default_factory=dict)
    offset: float = 0.0
    n: int = 0
    m: int = 0

    def add_columns(
        self,
        name: str,
        n: int,
        *,
        lower: Any = 0.0,
        upper: Any = np.inf,
        scale: Any = 1.0,
        integer: bool = False,
        keys: Keys | None = None,
        meaning: str = "",
    ) -> Columns:
        """State a group of variables.

        Parameters
        ----------
        name : str
            Name in the Pyomo model.
        n : int
            How many.
        lower, upper : float or ndarray
            Bounds.
        scale : float or ndarray
            Typical size, so that tolerances mean the same in any unit.
        integer : bool
            Whole numbers only.
        keys : callable, optional
            Gives the keys when asked; default 0, 1, 2 ...
        meaning : str
            In words, with the unit.

        Returns
        -------
        Columns
        """
        names = {c.name for c in self.columns}
        unique, i = name, 2
        while unique in names:
            unique, i = f"{name}_{i}", i + 1
        group = Columns(
            unique,
            self.n,
            _full(lower, n),
            _full(upper, n),
            _full(scale, n),
            integer,
            keys or (lambda: range(n)),
            meaning,
        )
        self.columns.append(group)
        self.n += n
        return group

    def add_rows(
        self,
        name: str,
        n: int,
        row: Any,
        col: Any,
        value: Any,
        *,
        lower: Any = -np.inf,
        upper: Any = np.inf,
        scale: Any = 1.0,
        keys: Keys | Sequence[Any] | None = None,
        spec: Spec | None = None,
        **words: Any,
    ) -> Rows:
        """State a block of rows ``lower <= A x <= upper``.

        Parameters
        ----------
        name : str
            Name in the Pyomo model; a number is added where it stands already.
        n : int
            How many rows.
        row, col, value : array-like
            Coordinates within the block (rows from 0) and coefficients; repeats add up.
        lower, upper : float or ndarray
            Bounds.
        scale : float or ndarray
            Typical size of the row's activity. Where it is 0 or no number (a market without need), the size of the row's
            own terms and bounds is taken instead.
        keys : callable or sequence, optional
            Gives the keys when asked; or the keys.
        spec : Spec, optional
            The user's own words, where the block comes from them.
        **words
            ``say``, ``say_dual``, ``say_relax``, ``pools``, ``reading``, ``slope``: see :class:`Rows`. The same words for
            all rows may be text: ``say="..."``, and ``say_dual="... costs {:,.0f} USD a year"`` with a place for the dual.

        Returns
        -------
        Rows
        """
        self._check(name, n, row, col, spec)
        names = {r.name for r in self.rows}
        unique, i = name, 2
        while unique in names:
            unique, i = f"{name}_{i}", i + 1
        if keys is not None and not callable(keys):
            keys = partial(list, list(keys))
        if isinstance(text := words.get("say"), str):
            words["say"] = lambda i, text=text: text
        if isinstance(price := words.get("say_dual"), str):
            words["say_dual"] = lambda i, d, price=price: price.format(d)
        block = Rows(
            unique,
            self.m,
            np.asarray(row, dtype=np.int64),
            np.asarray(col, dtype=np.int64),
            _full(value, len(np.asarray(row))),
            _full(lower, n),
            _full(upper, n),
            _full(scale, n),
            keys or (lambda: range(n)),
            spec,
            **words,
        )
        odd = ~(np.isfinite(block.scale) & (block.scale > 0.0))
        if odd.any():
            block.scale = np.where(odd, self._own_size(block), block.scale)
        self.rows.append(block)
        self.m += n
        return block

    def _check(self, name: str, n: int, row: Any, col: Any, spec: Spec | None) -> None:
        """Refuse coordinates that are none, before they spill into the rows and columns of others."""
        problems = []
        for what, given, end in (("row", row, n), ("col", col, self.n)):
            at = np.asarray(given)
            part = at[at != np.floor(at)] if at.dtype.kind == "f" else at[:0]
            bad = part if len(part) else at[(at < 0) | (at >= end)]
            if len(bad):
                rule = "no whole numbers" if len(part) else f"outside 0 .. {end - 1}"
                value = ", ".join(str(v) for v in np.unique(bad)[:5])
                where = name if spec is None else repr(spec)
                problems.append(Problem("add_rows", where, what, rule, value, "Give positions of rows and columns."))
        if len(np.asarray(row)) != len(np.asarray(col)):
            value = f"{len(np.asarray(row))} and {len(np.asarray(col))}"
            where = name if spec is None else repr(spec)
            problems.append(
                Problem("add_rows", where, "row, col", "not of one length", value, "Give a pair for each term.")
            )
        if problems:
            raise SchemaError(problems, f"the constraint {name}")

    def _own_size(self, block: Rows) -> FloatArray:
        """Greatest term or bound of each row, 1 where it has none."""
        sizes = np.concatenate([np.zeros(0), *(c.scale for c in self.columns)])
        out = np.zeros(block.n)
        np.maximum.at(out, block.row, np.nan_to_num(np.abs(block.value), posinf=0.0) * sizes[block.col])
        for bound in (block.lower, block.upper):
            out = np.maximum(out, np.nan_to_num(np.abs(bound), posinf=0.0))
        return np.where(out > 0.0, out, 1.0)

    def add_cost(self, col: IntArray, value: FloatArray) -> None:
        """Add to the objective."""
        self.costs.append((np.asarray(col, dtype=np.int64), np.asarray(value, dtype=np.float64)))

    def cost(self) -> FloatArray:
        """Objective coefficient of every column."""
        out = np.zeros(self.n)
        for col, value in self.costs:
            out += np.bincount(col, value, minlength=self.n)
        return out

    def block_of_row(self, i: int) -> tuple[Rows, int]:
        """The block a row belongs to and its place in it."""
        for block in self.rows:
            if block.start <= i < block.start + block.n:
                return block, i - block.start
        raise IndexError(i)

    def name_of_row(self, i: int) -> str:
        """The constraint of a row, as the user wrote it where he did, and the row's key."""
        if i >= self.m:
            return f"row {i}"
        block, k = self.block_of_row(i)
        return f"{block.spec!r} at {block.keys[k]}" if block.spec is not None else f"{block.name} at {block.keys[k]}"

    def compile(self) -> Compiled:
        """All of it as one sparse matrix by rows, with bounds, costs and scales.

        Returns
        -------
        Compiled
        """
        import scipy.sparse as sp

        def cat(parts: list[Any], dtype: Any) -> Any:
            return np.concatenate(parts).astype(dtype, copy=False) if parts else np.zeros(0, dtype=dtype)

        row = cat([r.row + r.start for r in self.rows], np.int32)
        col = cat([r.col for r in self.rows], np.int32)
        value = cat([r.value for r in self.rows], np.float64)
        a = sp.coo_array((value, (row, col)), shape=(self.m, self.n)).tocsr()
        a.eliminate_zeros()
        integer = cat([np.full(c.n, c.integer) for c in self.columns], np.bool_)
        return Compiled(
            self.cost(),
            self.offset,
            cat([c.lower for c in self.columns], np.float64),
            cat([c.upper for c in self.columns], np.float64),
            integer,
            a.indptr.astype(np.int32, copy=False),
            a.indices.astype(np.int32, copy=False),
            a.data,
            cat([r.lower for r in self.rows], np.float64),
            cat([r.upper for r in self.rows], np.float64),
            cat([c.scale for c in self.columns], np.float64),
            cat([r.scale for r in self.rows], np.float64),
            cat([q.at for q, _ in self.squares], np.int64),
            cat([t.at for _, t in self.squares], np.int64),
            cat(
                [self.wholes[t.name].at if t.name in self.wholes else -np.ones(t.n) for _, t in self.squares], np.int64
            ),
            self.name_of_row,
        )

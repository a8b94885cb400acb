"""Links between named nodes, read from a frame."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .arguments import faults, floats, refuse, shown
from .errors import Problem, SchemaError, close_matches, unknown_name

__all__ = ["Links", "links"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Links:
    """Links of a frame as arrays.

    Attributes
    ----------
    nodes : Index
        Names, suppliers first, in the order they occur.
    src, dst : ndarray of int
        Position of supplier and buyer of each link.
    quantity : ndarray
        Of each link, NaN where it is not known.
    """

    nodes: pd.Index
    src: IntArray
    dst: IntArray
    quantity: FloatArray

    def at(self, wanted: Iterable[Any], what: str, column: str) -> IntArray:
        """Positions of names; the first that does not occur raises with close matches."""
        given = list(wanted)
        if not given:
            return np.zeros(0, dtype=np.int64)
        cells = np.empty(len(given), dtype=object)
        cells[:] = [x if isinstance(x, Hashable) else str(x) for x in given]
        out = self.nodes.get_indexer(pd.Index(cells, dtype="object", tupleize_cols=False))
        for name, code in zip(given, out.tolist(), strict=True):
            if code < 0:
                raise unknown_name("node", name, [str(x) for x in self.nodes], f"{what} {column}")
        return np.asarray(out, dtype=np.int64)


def links(
    flows: Any,
    what: str,
    *,
    quantity: bool = True,
    finite: bool = True,
    missing: bool = False,
    extra: Iterable[Any] = (),
) -> Links:
    """Read links from a frame with columns ``supplier, buyer`` and ``quantity``; others are left alone.

    Parameters
    ----------
    flows : DataFrame
        A row per link; several of one pair add up.
    what : str
        Function, for the messages.
    quantity : bool
        Whether ``quantity`` must be there; without it all are NaN.
    finite, missing : bool
        Whether infinity is refused, and whether a quantity may be missing.
    extra : iterable
        Names that are nodes too.

    Returns
    -------
    Links

    Raises
    ------
    SchemaError
        No frame, a column that is missing or there twice, a link without name, a quantity that cannot be one.

    Examples
    --------
    >>> f = pd.DataFrame([("a", "b", 1)], columns=["supplier", "buyer", "quantity"])
    >>> links(f, "f()").nodes.tolist()
    ['a', 'b']
    """
    need = ["supplier", "buyer", *(["quantity"] if quantity else [])]
    if not isinstance(flows, pd.DataFrame):
        remedy = f"Give a DataFrame with columns {', '.join(need)}, or a SupplyGraph."
        raise refuse(what, "-", "flows", "not a table of links", type(flows).__name__, remedy)
    have = [str(c) for c in flows.columns]
    problems = []
    for c in need if "quantity" in need or "quantity" not in flows.columns else [*need, "quantity"]:
        count = sum(x is c or x == c for x in flows.columns if isinstance(x, str))
        if count == 1:
            continue
        near = close_matches(c, [h for h in have if h not in need], n=1)
        fix = f"There are {', '.join(have)}." if have else "There are no columns."
        if near:
            fix += f" Rename {near[0]!r}?"
        rule = f"needs columns {', '.join(need)}: {c!r} is " + ("there twice" if count else "missing")
        problems.append(Problem(what, "-", c, rule, "", fix))
    if problems:
        raise SchemaError(problems, what)
    ends = [flows[c].astype("object") for c in ("supplier", "buyer")]
    for c, end in zip(("supplier", "buyer"), ends, strict=True):
        cells = end.to_numpy(dtype=object)
        blank = np.asarray(pd.isna(cells), dtype=bool)
        # Compared as objects: == of a list would go by its elements.
        blank |= np.array([(type(x) is str and not x) or not isinstance(x, Hashable) for x in cells], dtype=bool)
        fix = "Name it, or drop the row."
        problems += [
            Problem(what, f"row {flows.index[i]}", c, "a link without name", str(cells[i]), fix)
            for i in np.flatnonzero(blank).tolist()
        ]
    q = np.full(len(flows), np.nan)
    if "quantity" in flows.columns:
        given = flows["quantity"]
        q, odd = floats(given)
        problems += [
            Problem(
                what,
                f"{ends[0].iloc[i]} > {ends[1].iloc[i]}",
                "quantity",
                rule,
                shown(given.iloc[i]),
                "Give a number from 0 up (pd.to_numeric reads text), or drop the row.",
            )
            for i, rule in faults(q, odd, 0.0, math.inf, finite, missing)
        ]
    if problems:
        raise SchemaError(problems, what)
    more = list(extra)
    tail = np.empty(len(more), dtype=object)
    tail[:] = more
    both = np.concatenate([ends[0].to_numpy(dtype=object), ends[1].to_numpy(dtype=object), tail])
    code, found = pd.factorize(both)
    nodes = pd.Index(found, dtype="object", tupleize_cols=False)
    m = len(flows)
    return Links(nodes, code[:m].astype(np.int64), code[m : 2 * m].astype(np.int64), q)

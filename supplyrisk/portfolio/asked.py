"""What is handed to a plan, checked before anything is built: each error names what was called and what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import Problem, SchemaError, close_matches, unknown_name
from ..registry import Spec
from .supply import Case

__all__ = ["figures", "known_words", "listed", "number", "require_any", "require_comparable"]

# Needs of one product further apart than this are refused: up to here each gets what it would get alone.
_FURTHEST = 1e11


def number(name: str, value: Any, low: float, high: float = np.inf, *, open_low: bool = False) -> float:
    """Check a parameter of a lever or constraint; the error says what it must be."""
    ok = not isinstance(value, bool) and isinstance(value, (int, float, np.number)) and np.isfinite(float(value))
    if ok:
        v = float(value)
        ok = (v > low if open_low else v >= low) and v <= high
    if not ok:
        least = f"above {low:g}" if open_low else f"at least {low:g}"
        top = "" if np.isinf(high) else f" and at most {high:g}"
        hint = "Shares are fractions." if high == 1.0 else ""
        raise SchemaError(
            [Problem("parameter", "-", name, f"must be a number {least}{top}", repr(value), hint)], "the plan"
        )
    return float(value)


def figures(spec: Any, argument: str, given: Any, example: str) -> dict[str, float]:
    """Figures by name as a user gives them; one that is NaN or None is missing and left out.

    Parameters
    ----------
    spec : Spec
        What asks for them.
    argument : str
        Under which name.
    given : mapping
        Names to figures.
    example : str
        How it is written.

    Returns
    -------
    dict

    Raises
    ------
    SchemaError
        No mapping, or figures that are no numbers, all of them at once.
    """
    name = str(getattr(spec, "name", spec))
    pairs = given.items() if isinstance(given, Mapping) else given
    pairs = tuple(pairs) if isinstance(pairs, Iterable) and not isinstance(pairs, str) else None
    if pairs is None or not all(isinstance(p, tuple) and len(p) == 2 for p in pairs):
        raise SchemaError([Problem(name, "-", argument, "not a mapping", repr(given), example)], "the plan")
    out: dict[str, float] = {}
    problems: list[Problem] = []
    for key, value in pairs:
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or np.isinf(float(value)):
            problems.append(Problem(name, str(key), argument, "not a number", repr(value), example))
        elif not np.isnan(float(value)):
            out[str(key)] = float(value)
    if problems:
        raise SchemaError(problems, f"{spec!r}")
    return out


def listed(given: Any) -> tuple[Any, ...]:
    """One thing or several of them, as several: text and functions are one, whatever they are made of."""
    return (
        tuple(given) if isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping, Spec)) else (given,)
    )


def known_words(name: str, function: Callable[..., Any], given: Iterable[str], *others: Callable[..., Any]) -> None:
    """Refuse keywords that neither a function nor those that it hands them on to take.

    Parameters
    ----------
    name : str
        What the user called.
    function : callable
        The same.
    given : iterable of str
        Keywords that it does not take itself.
    *others : callable
        What takes them.

    Raises
    ------
    TypeError
        With what comes near, and what there is.
    """
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes = [p.name for f in (function, *others) for p in inspect.signature(f).parameters.values() if p.kind in plain]
    takes = list(dict.fromkeys(takes))
    for word in given:
        if word not in takes:
            near = "".join(f" Did you mean {n!r}?" for n in close_matches(word, takes, n=1))
            raise TypeError(
                f"{name}() got an unexpected keyword argument {word!r}.{near} It takes {', '.join(sorted(takes))}."
            )


def require_comparable(case: Case) -> None:
    """Refuse needs of one product that are too far apart for any solver to see both."""
    total = case.product_need[case.pool_product]
    small = np.flatnonzero((case.need > 0.0) & (case.need * _FURTHEST < total))
    if not len(small):
        return
    names = case.graph.index.nodes["node"].to_numpy(dtype=object)[case.pool]
    what = f"less than {1.0 / _FURTHEST:.0e} of what all buyers need: a solver cannot tell it from nothing"
    hint = "Plan this buyer by itself (buyers=), or correct the quantity or its unit."
    told = [
        Problem("the plan's needs", str(names[i]), "quantity", what, f"{case.need[i]:.6g} of {total[i]:.6g}", hint)
        for i in small
    ]
    raise SchemaError(told, "the plan")


def require_any(names: Iterable[str], what: str, of: Iterable[str], where: str) -> None:
    """Every name must be among the known ones."""
    known = list(of)
    for n in names:
        if n not in known:
            raise unknown_name(what, n, known, where)

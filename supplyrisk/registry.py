"""The one extension pattern: a decorated function in one file.

Two kinds of things are registered. *Functions* (metrics, sources, plots, benchmarks) are called as they are.
*Specs* (measures, levers, constraints, objective terms) are written down first and carried out later: calling the
decorated function gives a frozen :class:`Spec` that prints as it was written, compares by value, and is built by
the engine with its own first argument.

The function's signature is the API; what the decorator is told (unit, range, reference, laws) feeds the docs, the
property tests, the command line's listings and the footnotes of reports.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar

from .errors import close_matches, unknown_name

__all__ = [
    "Entry",
    "Objective",
    "Registry",
    "Spec",
    "Term",
    "constraint",
    "lever",
    "measure",
    "objective",
    "plot",
    "registries",
    "source",
]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """One registered function and what its decorator was told."""

    kind: str
    name: str
    function: Callable[..., Any]
    meta: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    @property
    def signature(self) -> str:
        """Name and parameters as a user writes them."""
        return f"{self.name}{inspect.signature(self.function)}"

    def __getattr__(self, name: str) -> Any:
        meta = object.__getattribute__(self, "meta")
        if name in meta:
            return meta[name]
        raise AttributeError(name)


class Registry(Generic[F]):
    """Entries of one kind by name; a name that matches nothing raises with close matches."""

    def __init__(self, kind: str, required: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.required = required
        self._entries: dict[str, Entry] = {}

    def add(self, function: Callable[..., Any], name: str | None = None, **meta: Any) -> Entry:
        """Register a function; what the kind requires must be given."""
        label = name or function.__name__
        lacking = [r for r in self.required if not meta.get(r)]
        if lacking:
            raise TypeError(f"{self.kind} {label!r} must state {', '.join(lacking)} in its decorator")
        if not (function.__doc__ or "").strip():
            raise TypeError(f"{self.kind} {label!r} has no docstring: its first line is its entry in the listings")
        before = self._entries.get(label)
        if before is not None and before.function.__module__ != function.__module__:
            raise TypeError(f"{self.kind} {label!r} is registered already, by {before.function.__module__}")
        entry = Entry(self.kind, label, function, MappingProxyType(dict(meta)))
        self._entries[label] = entry
        return entry

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise unknown_name(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries[k] for k in sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        """Sorted names."""
        return sorted(self._entries)

    def remove(self, name: str) -> None:
        """Take an entry out again (for tests and notebooks)."""
        self[name]
        del self._entries[name]

    def listing(self) -> list[dict[str, Any]]:
        """A row per entry: name, summary, signature, and what the decorator was told."""
        return [
            {"kind": self.kind, "name": e.name, "summary": e.summary, "signature": e.signature, **e.meta} for e in self
        ]


registries: dict[str, Registry[Any]] = {
    "metric": Registry("metric", ("unit", "reference")),
    "measure": Registry("measure", ("kind_of_act",)),
    "engine": Registry("engine", ("reference",)),
    "lever": Registry("lever"),
    "constraint": Registry("constraint", ("reference",)),
    "objective": Registry("objective"),
    "source": Registry("source", ("licence",)),
    "plot": Registry("plot"),
    "benchmark": Registry("benchmark"),
}


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(_frozen(v) for v in value))
    if isinstance(value, dict):
        return tuple(sorted((k, _frozen(v)) for k, v in value.items()))
    return value


@dataclass(frozen=True)
class Spec:
    """A measure, lever, constraint or objective term, written down but not carried out.

    Specs print as they were written, compare by value and can be hashed, so they travel into reports, manifests
    and error messages unchanged.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> sr.max_share("CHN", 0.65, view="control")
    max_share('CHN', 0.65, view='control')
    """

    kind: str
    name: str
    params: tuple[tuple[str, Any], ...]
    written: str = field(compare=False)

    def __repr__(self) -> str:
        return self.written

    def __getitem__(self, name: str) -> Any:
        for k, v in self.params:
            if k == name:
                return v
        raise unknown_name("parameter", name, [k for k, _ in self.params], self.written)

    @property
    def arguments(self) -> dict[str, Any]:
        """Parameters by name, defaults filled in."""
        return dict(self.params)

    @property
    def entry(self) -> Entry:
        """The registered function behind the spec."""
        return registries[self.kind][self.name]

    def build(self, *context: Any) -> Any:
        """Carry it out: call the function with the engine's own arguments first."""
        return self.entry.function(*context, **self.arguments)


@dataclass(frozen=True, repr=False)
class Term(Spec):
    """A written-down objective term: terms add up, and numbers weigh them.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> sr.cost() + 0.5 * sr.cvar(0.95)
    cost() + 0.5*cvar(0.95)
    """

    def __add__(self, other: Term | Objective) -> Objective:
        return Objective(((1.0, self),)) + other

    def __radd__(self, other: Any) -> Objective:
        return Objective(((1.0, self),)).__radd__(other)

    def __sub__(self, other: Term | Objective) -> Objective:
        return Objective(((1.0, self),)) - other

    def __neg__(self) -> Objective:
        return Objective(((-1.0, self),))

    def __mul__(self, weight: float) -> Objective:
        return Objective(((1.0, self),)) * weight

    __rmul__ = __mul__

    def __truediv__(self, by: float) -> Objective:
        return Objective(((1.0, self),)) / by


@dataclass(frozen=True)
class Objective:
    """A weighted sum of objective terms, to be minimised.

    Parameters
    ----------
    terms : tuple of (float, Spec)
        Weight and term.
    """

    terms: tuple[tuple[float, Spec], ...]

    def __add__(self, other: Term | Objective) -> Objective:
        if isinstance(other, Objective):
            return Objective(self.terms + other.terms)
        if isinstance(other, Term):
            return Objective((*self.terms, (1.0, other)))
        return NotImplemented

    def __radd__(self, other: Any) -> Objective:
        # sum([...]) begins with 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __neg__(self) -> Objective:
        return self * -1.0

    def __sub__(self, other: Term | Objective) -> Objective:
        return self + (-other) if isinstance(other, (Term, Objective)) else NotImplemented

    def __mul__(self, weight: float) -> Objective:
        if isinstance(weight, bool) or not isinstance(weight, Real):
            return NotImplemented
        return Objective(tuple((w * float(weight), t) for w, t in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, by: float) -> Objective:
        if isinstance(by, bool) or not isinstance(by, Real):
            return NotImplemented
        return self * (1.0 / float(by))

    def __repr__(self) -> str:
        return " + ".join(f"{t!r}" if w == 1.0 else f"{w:g}*{t!r}" for w, t in self.terms)


def _shown(value: Any) -> str:
    return repr(value)


def _meant(given: Mapping[str, Any], call: inspect.Signature) -> str:
    near = {k: close_matches(k, call.parameters, n=1) for k in given if k not in call.parameters}
    return "." + "".join(f" Did you mean {c[0]!r}?" for c in near.values() if c)


def _asked(call: inspect.Signature) -> str:
    plain = [p.replace(annotation=p.empty) for p in call.parameters.values()]
    return str(inspect.Signature(plain))


def _spec_factory(
    kind: str, function: Callable[..., Any], skip: int, meta: dict[str, Any], cls: type[Spec] = Spec
) -> Callable[..., Any]:
    entry = registries[kind].add(function, **meta)
    sig = inspect.signature(function)
    own = list(sig.parameters.values())[skip:]
    call = sig.replace(parameters=own, return_annotation=Spec)

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Spec:
        try:
            bound = call.bind(*args, **kwargs)
        except TypeError as err:
            raise TypeError(
                f"{entry.name}(): {err}{_meant(kwargs, call)} It takes {entry.name}{_asked(call)}."
            ) from None
        written = ", ".join([*map(_shown, args), *(f"{k}={_shown(v)}" for k, v in kwargs.items())])
        bound.apply_defaults()
        params: list[tuple[str, Any]] = []
        for name, value in bound.arguments.items():
            if call.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                params += [(k, _frozen(v)) for k, v in value.items()]
            else:
                params.append((name, _frozen(value)))
        return cls(kind, entry.name, tuple(params), f"{entry.name}({written})")

    make.__signature__ = call  # type: ignore[attr-defined]
    make.entry = entry  # type: ignore[attr-defined]
    return make


def measure(*, kind_of_act: str, **meta: Any) -> Callable[[Callable[..., Any]], Callable[..., Spec]]:
    """Register a measure: ``f(graph, **params) -> Cut`` decorated into a factory of specs.

    Parameters
    ----------
    kind_of_act : str
        One of :data:`supplyrisk.schema.MEASURE_KINDS`.
    **meta
        Anything a listing should show.

    Returns
    -------
    callable
        Decorator.
    """
    return lambda f: _spec_factory("measure", f, 1, {"kind_of_act": kind_of_act, **meta})


def lever(**meta: Any) -> Callable[[Callable[..., Any]], Callable[..., Spec]]:
    """Register a lever: ``f(build, **params)`` adds decisions to a model; decorated into a factory of specs.

    Parameters
    ----------
    **meta
        Anything a listing should show.

    Returns
    -------
    callable
        Decorator.
    """
    return lambda f: _spec_factory("lever", f, 1, meta)


def constraint(*, reference: str, **meta: Any) -> Callable[[Callable[..., Any]], Callable[..., Spec]]:
    """Register a constraint: ``f(build, **params)`` adds one named block; decorated into a factory of specs.

    Parameters
    ----------
    reference : str
        Where the formula comes from; the docstring holds the maths.
    **meta
        ``metric`` names the metric that reports the same quantity, so that plan and score can be compared.

    Returns
    -------
    callable
        Decorator.
    """
    return lambda f: _spec_factory("constraint", f, 1, {"reference": reference, **meta})


def objective(**meta: Any) -> Callable[[Callable[..., Any]], Callable[..., Term]]:
    """Register an objective term: ``f(build, **params) -> expression``; decorated into a factory of specs.

    Parameters
    ----------
    **meta
        Anything a listing should show, ``unit`` among it.

    Returns
    -------
    callable
        Decorator.
    """
    return lambda f: _spec_factory("objective", f, 1, meta, Term)


def source(*, licence: str, **meta: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a reader of a published format.

    Parameters
    ----------
    licence : str
        Class of the terms (:data:`supplyrisk.schema.LICENCES`).
    **meta
        ``publisher``, ``formats``, ``reads`` ... as a listing should show them.

    Returns
    -------
    callable
        Decorator that returns the function unchanged.
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        registries["source"].add(function, licence=licence, **meta)
        return function

    return register


def plot(**meta: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a figure: a function that returns the figure and the data drawn.

    Parameters
    ----------
    **meta
        Anything a listing should show.

    Returns
    -------
    callable
        Decorator that returns the function unchanged.
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        registries["plot"].add(function, **meta)
        return function

    return register

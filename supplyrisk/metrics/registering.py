"""``@metric``: one function of a :class:`Mix`, usable everywhere.

A metric is written once, as a function of many markets laid end to end. The decorator makes the same function
callable on a list or a Series (a float, or a Series by group, comes back), a column of :func:`supplyrisk.score`,
a row of :func:`methods` and a subject of the property laws.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..registry import Entry, registries
from .documented import documented
from .mix import DATA, FloatArray, Mix, grouped

__all__ = ["MetricFunction", "methods", "metric", "why"]

Interval = Callable[..., tuple[FloatArray, FloatArray]]


class MetricFunction(Protocol):
    """What :func:`metric` returns: the metric, callable on arrays, Series and :class:`Mix`."""

    __name__: str
    entry: Entry

    def __call__(self, supply: Any, *args: Any, **kwargs: Any) -> Any:
        """Float for one market, Series for markets by group, array for a Mix."""

    def interval(self, supply: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Lower and upper bound in the same shapes."""


def metric(
    *,
    unit: str,
    reference: str,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    laws: Iterable[str] = (),
    columns: Mapping[str, Mapping[str, Any]] | None = None,
    interval: Interval | None = None,
    worse: str | None = None,
    needs: Iterable[str] = (),
    shown: bool = True,
    grain: str = "market",
    name: str | None = None,
) -> Callable[[Callable[..., FloatArray]], MetricFunction]:
    """Register a metric: one function of a :class:`Mix` that returns an array, a value per market.

    Parameters
    ----------
    unit : str
        Unit of the result; ``"1"`` for a fraction.
    reference : str
        Where the formula comes from.
    bounds : tuple of float
        Range of the result.
    laws : iterable of str
        Laws it obeys, tested for every registered metric: ``scale`` (multiplying all quantities changes nothing),
        ``permutation``, ``merge_up`` / ``merge_down`` (merging two suppliers never lowers / raises it),
        ``replication`` (k equal copies of the market give k times the value).
    columns : mapping, optional
        Columns of the score and the parameters they are computed with; default: one, of the metric's own name.
    interval : callable, optional
        ``interval(mix, **params) -> (low, high)``, exact for independent quantities; without it the columns of
        bounds are NaN.
    worse : {"high", "low"}, optional
        Which end is the dependent one; decides what stands for several products (the worst, never a mean).
    needs : iterable of str
        Fields of the mix without which the metric is undefined, e.g. ``("demand",)``.
    shown : bool
        Whether it is a column of every score, or only where asked for.
    grain : {"market", "line"}
        In a score by link: whether it is said of the market that the link is part of, or of the link alone.
    name : str, optional
        Default: the function's name.

    Returns
    -------
    callable
        Decorator. The metric can then be called on a Mix, or on quantities with ``by=, unit=, low=, high=, total=,
        residual=, unknown=, demand=, demand_of_largest=, focal=``.

    Examples
    --------
    >>> import numpy as np
    >>> from supplyrisk.metrics import metric
    >>> from supplyrisk.registry import registries
    >>> @metric(unit="1", bounds=(0, 1), reference="example", laws=["scale", "permutation"])
    ... def berger_parker(mix):
    ...     '''Share of the largest supplier.'''
    ...     return mix.per(mix.max(mix.known))
    >>> berger_parker([62, 18, 12, 8])
    0.62
    >>> registries["metric"].remove("berger_parker")
    """

    def register(function: Callable[..., FloatArray]) -> MetricFunction:
        label = name or function.__name__
        own = list(inspect.signature(function).parameters.values())[1:]

        def prepared(supply: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Mix, Any, dict[str, Any]]:
            params = dict(zip([p.name for p in own], args, strict=False))
            params |= {k: v for k, v in kwargs.items() if k not in DATA}
            if isinstance(supply, Mix):
                return supply, None, params
            data = {k: v for k, v in kwargs.items() if k in DATA}
            mix, labels = grouped(supply, data, raw=unit == "product")
            return mix, labels, params

        def shaped(x: FloatArray, mix_given: bool, labels: Any) -> Any:
            if mix_given:
                return x
            return float(x[0]) if labels is None else pd.Series(x, index=labels, name=label)

        @functools.wraps(function)
        def call(supply: Any, *args: Any, **kwargs: Any) -> Any:
            mix, labels, params = prepared(supply, args, kwargs)
            return shaped(function(mix, **params), isinstance(supply, Mix), labels)

        def both(supply: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            """Lower and upper bound of the metric over all admissible quantities."""
            mix, labels, params = prepared(supply, args, kwargs)
            if interval is None:
                low = high = np.full(mix.n, np.nan)
            else:
                low, high = interval(mix, **params)
            given = isinstance(supply, Mix)
            return shaped(low, given, labels), shaped(high, given, labels)

        first = inspect.Parameter("supply", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        data = [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in DATA.items()]
        clash = sorted({p.name for p in own} & set(DATA))
        if clash:
            raise TypeError(f"metric {label!r} has a parameter that every metric has: {', '.join(clash)}")
        call.__doc__ = documented(function.__doc__)
        call.__signature__ = inspect.Signature([first, *own, *data])  # type: ignore[attr-defined]
        call.interval = both  # type: ignore[attr-defined]
        call.entry = registries["metric"].add(  # type: ignore[attr-defined]
            call,
            name=label,
            unit=unit,
            bounds=bounds,
            reference=reference,
            laws=tuple(laws),
            columns={k: dict(v) for k, v in (columns or {label: {}}).items()},
            interval=interval is not None,
            worse=worse,
            needs=tuple(needs),
            shown=shown,
            grain=grain,
        )
        return cast(MetricFunction, call)

    return register


def why(function: Callable[..., Any], supply: Any, **kwargs: Any) -> str:
    """Say why a metric is undefined for a market, or '' where it is defined.

    Parameters
    ----------
    function : callable
        A registered metric.
    supply : array-like or Mix
        One market.
    **kwargs
        As for the metric.

    Returns
    -------
    str

    Examples
    --------
    >>> from supplyrisk.metrics import hhi, why
    >>> hhi([0.0, 0.0]), why(hhi, [0.0, 0.0])
    (nan, 'no supply: nothing to divide')
    """
    mix = supply if isinstance(supply, Mix) else grouped(supply, {k: v for k, v in kwargs.items() if k in DATA})[0]
    value = np.atleast_1d(function(mix, **{k: v for k, v in kwargs.items() if k not in DATA}))
    entry = getattr(function, "entry", None)
    return str(reasons(mix, value, entry.needs if entry is not None else ())[0])


def reasons(mix: Mix, value: FloatArray, needs: Sequence[str] = ()) -> npt.NDArray[np.object_]:
    """Why each undefined value is undefined; '' where there is a value."""
    out = np.full(mix.n, "", dtype=object)
    gone = np.isnan(value)
    if not gone.any():
        return out
    missing = mix.count(np.isnan(mix.quantity)) > 0
    gone_named = mix.named <= 0
    text = {
        "demand": "no figure for demand, or none beside the largest supplier's own",
        "own_demand": "no figure for the largest supplier's own demand, or the market has only one user",
        "focal": "no supplier whose focal part is known",
        "bottleneck": "not traced",
        "headline": "no grade",
        "bottleneck_headline": "not traced",
        "assumed_weights": "this view does not trace inputs by weight",
    }
    out[gone] = "not defined for this market"
    for field in reversed(list(needs)):
        holder = getattr(mix.fine if field in text and "demand" not in field else mix, field)
        lacking = np.isnan(holder)
        if len(holder) == mix.n and field == "demand":
            hit = lacking | (holder <= 0)
        elif field == "own_demand":
            hit = np.isnan(mix.of_largest(holder))
        else:
            fine = mix.fine
            hit = fine.count(lacking) >= np.maximum(fine.count(), 1)
        out[gone & hit] = text.get(field, f"no {field}")
        if field == "demand":
            out[gone & lacking & ~np.isnan(mix.demand_high)] = (
                "more than half of demand is unstated use: see the bounds"
            )
    half = "named supplier" if mix.fine.recorded is None else "holder on record"
    out[gone & ~mix.told & ~gone_named] = f"more than half has no {half}: see the bounds"
    out[gone & gone_named] = "no named supplier: all of it comes from nobody knows whom"
    out[gone & (mix.total <= 0)] = "no supply: nothing to divide"
    out[gone & (mix.total <= 0) & missing] = "no quantity is known: missing is not zero"
    return out


def methods(shown: bool | None = None) -> pd.DataFrame:
    """Every registered metric: what it means, its unit, range, reference, laws and columns.

    Parameters
    ----------
    shown : bool, optional
        Only those that are (or are not) columns of every score.

    Returns
    -------
    DataFrame
        Indexed by metric.

    Examples
    --------
    >>> import supplyrisk.metrics as m
    >>> m.methods().loc["hhi", "unit"]
    '1'
    """
    rows = [
        {
            "metric": e.name,
            "meaning": e.summary,
            "unit": e.unit,
            "low": float(e.bounds[0]),
            "high": float(e.bounds[1]),
            "reference": e.reference,
            "laws": ", ".join(e.laws),
            "columns": ", ".join(e.columns),
            "bounds": "exact" if e.interval else "none",
            "needs": ", ".join(e.needs),
            "shown": e.shown,
            "signature": e.signature,
        }
        for e in registries["metric"]
        if shown is None or e.shown == shown
    ]
    names = ["metric", "meaning", "unit", "low", "high", "reference", "laws", "columns", "bounds", "needs", "shown"]
    return pd.DataFrame(rows, columns=[*names, "signature"]).set_index("metric")

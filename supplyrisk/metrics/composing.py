"""One number of several columns of a score, always with what it weighs in goods and how far the weights decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import Problem, SchemaError, unknown_name

if TYPE_CHECKING:
    from .mix import FloatArray

__all__ = ["composite"]

_WAYS = ("arithmetic", "geometric", "outranking")


def composite(
    scores: pd.DataFrame,
    weights: Mapping[str, float],
    how: str = "arithmetic",
    *,
    samples: int = 1000,
    seed: int = 0,
    firmness: float = 20.0,
    k: int = 10,
) -> pd.DataFrame:
    r"""Weigh several columns of a score into one, and say how much of the ranking the weights make.

    Parameters
    ----------
    scores : DataFrame
        A result of :func:`score` with ``quantity`` and ``focal_share``.
    weights : mapping
        Column to weight above 0; columns within [0, 1] that have a dependent end. Where low is worse, 1 - x counts.
    how : {"arithmetic", "geometric", "outranking"}
        :math:`\sum w x`; :math:`\prod x^w` (one good criterion is not made up for by another's being bad); or the part
        of weight by which a row is beyond each other row, less that by which it is behind, from 0 to 1.
    samples, seed : int
        Draws of the weights.
    firmness : float
        How close the drawn weights are to those given: Dirichlet with ``firmness * w``.
    k : int
        Size of the top.

    Returns
    -------
    DataFrame
        Most dependent first: ``composite`` in [0, 1], ``rank``; ``rank_p05, rank_p95`` and ``top_k`` (part of the draws in
        the first k) under drawn weights; ``rank_without_<column>`` when a column is left out; ``at_risk``, the volume
        that is the focal's, in the product's unit, and ``quantity``. Rows without a value in some column have NaN
        and stand last; ``.attrs["missing"]`` counts them by column.

    Raises
    ------
    SchemaError
        Weights that are not above 0, columns without a dependent end or not within [0, 1], no quantity.
    UnknownNameError
        No such column or way.

    Notes
    -----
    Missing policy: a row without a value in some column has no composite, and is counted, not filled in.
    A composite orders; it measures nothing. The volume at risk stands beside it for that reason. Method of this library.

    Examples
    --------
    >>> from supplyrisk import load_atlas
    >>> from supplyrisk.metrics import score
    >>> c = composite(score(load_atlas(), by="product"), {"focal_share": 2, "hhi": 1}, samples=50)
    >>> c.columns[:2].tolist(), bool(c["composite"].dropna().between(0, 1).all())
    (['composite', 'rank'], True)
    """
    if how not in _WAYS:
        raise unknown_name("way", how, _WAYS, "composite(how=)")
    about = scores.attrs.get("columns", {})
    problems: list[Problem] = []
    for name in (*weights, "quantity", "focal_share"):
        if name not in scores.columns:
            raise unknown_name("column", name, scores.columns.astype(str), "composite()")
    for name, w in weights.items():
        entry = about.get(name, {})
        bounded = entry.get("low") == 0.0 and entry.get("high") == 1.0
        if not bounded or entry.get("worse") not in ("high", "low"):
            problems.append(
                Problem(
                    "weights", "-", name, "no fraction with a dependent end", "", "Use focal_share, hhi, bottleneck."
                )
            )
        if not w > 0:
            problems.append(Problem("weights", "-", name, "not above 0", str(w), "Leave the column out."))
    if not weights or problems:
        raise SchemaError(
            problems or [Problem("weights", "-", "-", "no column", "{}", "Name at least one.")], "composite()"
        )
    names = list(weights)
    given = np.array([float(weights[c]) for c in names])
    part = given / given.sum()
    x = scores[names].to_numpy(dtype=np.float64)
    low = np.array([about[c]["worse"] == "low" for c in names])
    x = np.where(low, 1 - x, x)
    known = ~np.isnan(x).any(axis=1)
    rng = np.random.default_rng(seed)
    drawn = rng.dirichlet(firmness * part, size=samples) if len(names) > 1 else np.ones((samples, 1))
    out = pd.DataFrame(index=scores.index)
    value = np.full(len(x), np.nan)
    value[known] = _weigh(x[known], part[None, :], how)[0]
    out["composite"] = value
    out["rank"] = out["composite"].rank(ascending=False)
    spread = np.full((3, len(x)), np.nan)
    if known.any():
        ranks = pd.DataFrame(_weigh(x[known], drawn, how)).rank(axis=1, ascending=False).to_numpy()
        spread[:2, known] = np.quantile(ranks, [0.05, 0.95], axis=0)
        spread[2, known] = (ranks <= k).mean(axis=0)
    out["rank_p05"], out["rank_p95"], out["top_k"] = spread
    for i, name in enumerate(names):
        if len(names) > 1:
            less = np.delete(part, i) / np.delete(part, i).sum()
            rest = np.full(len(x), np.nan)
            rest[known] = _weigh(np.delete(x[known], i, axis=1), less[None, :], how)[0]
            out[f"rank_without_{name}"] = pd.Series(rest, index=out.index).rank(ascending=False)
    out["at_risk"] = scores["quantity"] * scores["focal_share"]
    out["quantity"] = scores["quantity"]
    order = np.argsort(-out["composite"].to_numpy(), kind="stable")
    out = out.iloc[order]
    missing = {c: int(np.isnan(x[:, i]).sum()) for i, c in enumerate(names)}
    out.attrs = {"weights": dict(zip(names, part.tolist(), strict=True)), "how": how, "seed": seed, "missing": missing}
    return out


def _weigh(x: FloatArray, w: FloatArray, how: str) -> FloatArray:
    """Composite of every row (columns) under every set of weights (rows)."""
    if how == "arithmetic":
        return np.asarray(w @ x.T)
    if how == "geometric":
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(w @ np.log(x).T))
    # The part of the other rows that a row is beyond, by column, less that which is beyond it.
    net = np.empty_like(x)
    for j in range(x.shape[1]):
        order = np.sort(x[:, j])
        less = np.searchsorted(order, x[:, j], "left")
        more = len(order) - np.searchsorted(order, x[:, j], "right")
        net[:, j] = (less - more) / max(len(order) - 1, 1)
    return np.asarray(0.5 + 0.5 * (w @ net.T))

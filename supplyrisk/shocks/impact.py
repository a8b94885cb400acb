"""``Impact``: what measures do to a graph."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..errors import unknown_name
from ..graph import SupplyGraph
from ..registry import Spec
from .network import Net, weights

__all__ = ["Impact"]

_BY = ("buyer", "product", "chain", "stage")


def _ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """Worst first; places whose need is known come before those where only a share can be told."""
    told = frame.assign(_dark=frame["unmet"].isna() | (frame["buyer"] == "WLD"))
    order = ["_dark", "unmet_share", "node"]
    return told.sort_values(order, ascending=[True, False, True], kind="stable").drop(columns="_dark")


@dataclass(frozen=True, eq=False, repr=False)
class Impact:
    """What measures do to a graph.

    Parameters
    ----------
    before, graph : SupplyGraph
        The graph as it was, and after the shock: flows, trade values and outputs scaled, demand as it was.
    measures : tuple of Spec
        As they were written.
    engine : str
        Which engine.
    unmet : DataFrame
        A row per node: ``node, kind, buyer, product, demand, supplied, unmet, unmet_share, low, high, unmet_low,
        unmet_high, unit, basis, reason``. ``buyer`` is the node's country. For demand nodes ``demand`` is the final
        use recorded (basis ``use``) or, without one, what the pool received (``inflow``); for producers it is the
        output that is lost (``output``). ``unmet_share`` with its bounds ``low`` and ``high`` is always stated; amounts are
        NaN, with a ``reason``, where the quantity is unknown.
    links : DataFrame
        A row per link: ``supplier, buyer, product, before, after, after_low, after_high, cut, loss, loss_low,
        loss_high, unit, grade``. ``cut`` is the measures' own part, ``loss`` the whole.
    status : str
        How the engine ended.
    notes : tuple of str
        Assumptions used and what was not reached.
    resold : DataFrame
        ``supplier, hub, buyer, product, quantity``: what third countries pass on; empty without resale.

    Examples
    --------
    >>> Impact.__doc__.splitlines()[0]
    'What measures do to a graph.'
    """

    before: SupplyGraph
    graph: SupplyGraph
    measures: tuple[Spec, ...]
    engine: str
    unmet: pd.DataFrame
    links: pd.DataFrame
    status: str
    notes: tuple[str, ...]
    resold: pd.DataFrame

    def __repr__(self) -> str:
        hit = int((self.unmet["unmet_share"] > 0).sum())
        return f"<Impact of {', '.join(map(repr, self.measures)) or 'nothing'}: {hit} of {len(self.unmet)} nodes short>"

    @cached_property
    def grades(self) -> dict[str, int]:
        """Affected links by grade of the figure behind them."""
        grade = self.links.loc[self.links["loss_high"] > 0, "grade"].fillna("ungraded")
        return {str(k): int(v) for k, v in grade.value_counts().sort_index().items()}

    def _wanting(self) -> pd.DataFrame:
        """Demand nodes that want something; a place that only passes on wants nothing itself."""
        return self.unmet[(self.unmet["kind"] == "demand") & (self.unmet["demand"] != 0.0)]

    def by(self, groups: str | Sequence[str]) -> pd.DataFrame:
        """Shortfall by buyer, product, chain or stage.

        Parameters
        ----------
        groups : str or sequence of str
            Of ``buyer``, ``product``, ``chain``, ``stage``.

        Returns
        -------
        DataFrame
            Of the demand nodes that want something: ``nodes`` (how many), ``short`` (how many lose anything), ``worst`` (the node that
            loses the greatest share) with its ``unmet_share, low, high``, and ``unmet`` in ``unit``: the sum, NaN
            where the group mixes products or an amount is unknown.

        Raises
        ------
        UnknownNameError
            Another group.
        """
        keys = [groups] if isinstance(groups, str) else list(groups)
        for k in keys:
            if k not in _BY:
                raise unknown_name("group", k, _BY, "Impact.by()")
        columns = [*keys, "nodes", "short", "worst", "unmet_share", "low", "high", "unmet", "unit"]
        frame = self._wanting()
        products = self.before.tables["products"].set_index("product")
        frame = frame.assign(
            chain=frame["product"].map(products["chain"]), stage=frame["product"].map(products["stage"])
        )
        if not len(frame):
            return pd.DataFrame(columns=columns)
        order = frame.sort_values(["unmet_share", "node"], ascending=[False, True], kind="stable")
        grouped = order.groupby(keys, sort=True)
        out = grouped.agg(
            nodes=("node", "size"),
            short=("unmet_share", lambda s: int((s > 0).sum())),
            worst=("node", "first"),
            unmet_share=("unmet_share", "first"),
            low=("low", "first"),
            high=("high", "first"),
            unmet=("unmet", lambda s: s.sum(skipna=False)),
            unit=("unit", "first"),
        )
        mixed = grouped["product"].nunique() > 1
        out["unmet"] = out["unmet"].mask(mixed)
        out["unit"] = out["unit"].mask(mixed)
        return (
            out.reset_index()
            .sort_values(["unmet_share", *keys], ascending=[False, *[True] * len(keys)])[columns]
            .reset_index(drop=True)
        )

    def transmission(self, node: str) -> pd.DataFrame:
        """The chain of links through which the shock reaches a node, from the cut to the node.

        Walks upstream from the node: at a producer into the input that binds, then along the link that contributes
        most of the loss, until a link that a measure cuts.

        Parameters
        ----------
        node : str
            Node id.

        Returns
        -------
        DataFrame
            ``step, supplier, buyer, product, share, cut, loss, buyer_loss``; empty where the node loses nothing.
            ``share`` is the link's part of the buyer's inflow of that product.

        Raises
        ------
        UnknownNameError
            No such node.
        """
        ix = self.before.index
        at = ix.code(node)
        loss, cut = self.links["loss"].to_numpy(dtype=np.float64), self.links["cut"].to_numpy(dtype=np.float64)
        node_loss = self.unmet.set_index("node")["unmet_share"].reindex(ix.position).to_numpy(dtype=np.float64)
        weight = weights(ix)[0]
        ids = ix.nodes["node"].to_numpy(dtype=object)
        net = Net(self.before)
        seen: set[int] = set()
        rows: list[dict[str, Any]] = []
        while node_loss[at] > 0 and at not in seen:
            seen.add(at)
            here = net.binding(at, float(node_loss[at]), loss)
            if not len(here):
                break
            best = int(here[np.argmax((weight * loss)[here])])
            if loss[best] <= 0:
                break
            rows.append(
                {
                    "supplier": ids[ix.src[best]],
                    "buyer": ids[at],
                    "product": ix.links["product"].iloc[best],
                    "share": weight[best],
                    "cut": cut[best],
                    "loss": loss[best],
                    "buyer_loss": node_loss[at],
                }
            )
            if cut[best] > 0 and cut[best] >= node_loss[ix.src[best]]:
                break
            at = int(ix.src[best])
        columns = ["step", "supplier", "buyer", "product", "share", "cut", "loss", "buyer_loss"]
        return pd.DataFrame([{"step": i + 1, **r} for i, r in enumerate(reversed(rows))], columns=columns)

    def summary(self, top: int = 5) -> str:
        """The result in a few lines of text.

        Parameters
        ----------
        top : int
            How many demand nodes to name.

        Returns
        -------
        str
        """
        need = self._wanting()
        hit = _ranked(need[need["unmet_share"] > 0])
        lines = ["Measures: " + ("; ".join(map(repr, self.measures)) or "none")]
        made = self.unmet[(self.unmet["kind"] == "producer") & (self.unmet["unmet_share"] > 0)]
        lines.append(
            f"{len(hit)} of {len(need)} demand nodes and {len(made)} producers go short ({self.engine}; {self.status})."
        )
        for r in hit.head(top).to_dict("records"):
            amount = f", {r['unmet']:,.4g} {r['unit']}" if np.isfinite(r["unmet"]) else ""
            lines.append(f"  {r['node']}: {r['unmet_share']:.1%} unmet ({r['low']:.1%} to {r['high']:.1%}){amount}")
        if self.grades:
            lines.append("Affected links by grade: " + ", ".join(f"{g}: {c}" for g, c in self.grades.items()))
        lines += [f"Note: {n}" for n in self.notes]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        need = self._wanting()
        need = need[need["unmet_share"] > 0]
        shown = _ranked(need).head(10)
        first = self.summary(0).splitlines()
        table = shown[["node", "demand", "supplied", "unmet", "unmet_share", "low", "high", "unit"]].to_html(
            index=False
        )
        return (
            f"<div><b>{html.escape(first[0])}</b><br>{html.escape(first[1])}{table}"
            + "".join(f"<br><small>{html.escape(line)}</small>" for line in first[2:])
            + "</div>"
        )

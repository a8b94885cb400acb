"""Projects that could be built, as nodes of a graph: each with its inputs and its owner, so that views apply to it."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..graph import SupplyGraph
from ..schema import node_id
from .supply import Gap

__all__ = ["BUILDABLE", "Candidates", "read_candidates", "with_nodes"]

FloatArray = npt.NDArray[np.float64]
# What runs already is in the nodes' output; what was given up is not on offer. All else can be built.
_NOT_ON_OFFER = ("operating", "cancelled", "closed", "abandoned", "ramping")
BUILDABLE = "every status but " + ", ".join(_NOT_ON_OFFER)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidate projects of the products in scope, and the graph with a node for each.

    Attributes
    ----------
    graph : SupplyGraph
        The graph with a node, inputs and an owner for every candidate.
    frame : DataFrame
        ``project, product, node, country, capacity, capex, capex_year, start, status``; the position is the candidate number.
    gaps : tuple of Gap
        Projects that cannot be costed or sized.
    """

    graph: SupplyGraph
    frame: pd.DataFrame
    gaps: tuple[Gap, ...]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "project"


# Plans of one graph are often solved many times over: the last few answers are kept as long as the graph is.
_KNOWN: weakref.WeakKeyDictionary[SupplyGraph, dict[tuple[object, ...], Candidates]] = weakref.WeakKeyDictionary()
_MOST = 4


def read_candidates(
    graph: SupplyGraph,
    products: Iterable[str],
    utilisation: float = 1.0,
    horizon: int | None = None,
    estimate: bool = False,
) -> Candidates:
    """Projects on offer, with what each would need and who would own it.

    Parameters
    ----------
    graph : SupplyGraph
        Its ``projects`` and ``recipes`` are read.
    products : iterable of str
        Products in scope.
    utilisation : float
        Output over nameplate capacity.
    horizon : int, optional
        Projects with a later first output are left out.
    estimate : bool
        Give projects without a capital cost the median cost per capacity of the product's other projects.

    Returns
    -------
    Candidates
    """
    wanted = tuple(products)
    known = _KNOWN.setdefault(graph, {})
    key = (wanted, utilisation, horizon, estimate)
    if key not in known:
        found = _read(graph, wanted, utilisation, horizon, estimate)
        if found.graph is graph:
            return found  # kept, it would keep the graph alive
        while len(known) >= _MOST:
            del known[next(iter(known))]
        known[key] = found
    return known[key]


def _read(
    graph: SupplyGraph, wanted: tuple[str, ...], utilisation: float, horizon: int | None, estimate: bool
) -> Candidates:
    frame = graph.tables["projects"]
    frame = frame[frame["product"].isin(wanted)].reset_index(drop=True)
    intensity = (frame["capex"] / frame["capacity"].where(frame["capacity"] > 0)).groupby(frame["product"]).median()
    guess = frame["capacity"] * frame["product"].map(intensity).astype(float)
    frame = frame.assign(estimated=frame["capex"].isna() & guess.notna() & estimate)
    frame["capex"] = frame["capex"].where(~frame["estimated"], guess)
    stated = frame[~frame["estimated"] & frame["capex"].notna()].groupby("product")["capex_year"]
    same = stated.min().where((stated.nunique(dropna=False) == 1).reindex(stated.min().index))
    # An estimate is of the year of what it is taken from, if that is one year.
    frame["capex_year"] = frame["capex_year"].mask(frame["estimated"], frame["product"].map(same))
    frame = frame[~frame["status"].astype("object").isin(_NOT_ON_OFFER)].reset_index(drop=True)
    gaps: list[Gap] = []
    keep = np.ones(len(frame), dtype=bool)
    for i, row in enumerate(frame.to_dict("records")):
        p, project, start = str(row["product"]), str(row["project"]), row["start"]
        lacking = [w for w in ("capacity", "capex") if pd.isna(row[w])]
        if lacking:
            keep[i] = False
            gaps.append(Gap(p, "project", project, f"{' and '.join(lacking)} unknown: cannot be planned"))
        elif horizon is not None and pd.notna(start) and int(start) > horizon:
            keep[i] = False
            gaps.append(Gap(p, "project", project, f"first output {start}, after {horizon}"))
    frame = frame[keep].reset_index(drop=True)
    existing = set(graph.tables["nodes"]["node"].astype(str))
    ids: list[str] = []
    for project, p, country in zip(frame["project"], frame["product"], frame["country"], strict=True):
        site = _slug(str(project))
        node, i = node_id(str(p), str(country), site), 2
        while node in existing:
            node, i = node_id(str(p), str(country), f"{site}-{i}"), i + 1
        existing.add(node)
        ids.append(node)
    out = pd.DataFrame(
        {
            "project": frame["project"].to_numpy(dtype=object),
            "name": frame["name"].to_numpy(dtype=object),
            "product": frame["product"].to_numpy(dtype=object),
            "node": np.array(ids, dtype=object),
            "country": frame["country"].to_numpy(dtype=object),
            "capacity": frame["capacity"].to_numpy(dtype=float),
            "capex": frame["capex"].to_numpy(dtype=float),
            "capex_year": frame["capex_year"].astype("float64").to_numpy(),
            "start": frame["start"].astype("float64").to_numpy(),
            "status": frame["status"].to_numpy(dtype=object),
            "company": frame["company"].to_numpy(dtype=object),
            "holder_country": frame["holder_country"].to_numpy(dtype=object),
            "source": frame["source"].to_numpy(dtype=object),
            "grade": frame["grade"].mask(frame["estimated"], "assumption").to_numpy(dtype=object),
            "estimated": frame["estimated"].to_numpy(dtype=bool),
        }
    )
    if not len(out):
        return Candidates(graph, out, tuple(gaps))
    return Candidates(with_nodes(graph, out, utilisation), out, tuple(gaps))


def with_nodes(graph: SupplyGraph, candidates: pd.DataFrame, utilisation: float) -> SupplyGraph:
    """The graph with a node, inputs and an owner for each candidate."""
    year = graph.reference_year
    output = candidates["capacity"] * utilisation
    nodes = pd.DataFrame(
        {
            "node": candidates["node"],
            "product": candidates["product"],
            "country": candidates["country"],
            "site": [n.partition("#")[2] for n in candidates["node"]],
            "kind": "producer",
            "firm": candidates["company"],
            "year": year,
            "output": output,
            "output_grade": "assumption",
            "capacity": candidates["capacity"],
            "capacity_grade": "assumption",
            "note": [f"project {p}, as planned" for p in candidates["project"]],
        }
    )
    known = graph.tables["nodes"]
    pools = known.loc[known["kind"] == "demand", ["node", "product", "country"]].drop_duplicates("node")
    fed = set(graph.tables["links"]["buyer"].astype(str))
    pools = pools[pools["node"].isin(fed)]
    at = {(str(p), str(c)): str(n) for n, p, c in zip(pools["node"], pools["product"], pools["country"], strict=True)}
    recipes = graph.tables["recipes"].sort_values(["product", "input", "process"])
    recipes = recipes.drop_duplicates(["product", "input"])
    links: list[dict[str, object]] = []
    for node, p, country, made in zip(
        candidates["node"], candidates["product"], candidates["country"], output, strict=True
    ):
        need = recipes[recipes["product"] == p]
        for inp, coefficient in zip(need["input"], need["coefficient"].astype(float), strict=True):
            supplier = at.get((str(inp), str(country)), at.get((str(inp), "WLD")))
            if supplier is None:
                continue  # nobody is known to deliver the input: the trace counts it as unknown
            links.append(
                {
                    "supplier": supplier,
                    "buyer": node,
                    "product": inp,
                    "year": year,
                    "method": "assumed",
                    "quantity": float(made) * coefficient,
                    "missing": "unknown" if np.isnan(coefficient) else None,
                    "grade": "assumption",
                    "note": "inputs of a planned plant, from the host's pool or the world's",
                }
            )
    owned = candidates[candidates["holder_country"].notna()]
    holdings = pd.DataFrame(
        {
            "asset": owned["node"],
            "part": "",
            "portion": 1.0,
            "holder": [
                str(c) if pd.notna(c) else f"owner of {p}"
                for c, p in zip(owned["company"], owned["project"], strict=True)
            ],
            "holder_country": owned["holder_country"],
            "type": "equity",
            "share": 1.0,
            "grade": "assumption",
            "note": "sole owner as far as the project's record says",
        }
    )
    frames = {"nodes": pd.concat([known, nodes], ignore_index=True)}
    if links:
        frames["links"] = pd.concat([graph.tables["links"], pd.DataFrame(links)], ignore_index=True)
    if len(holdings):
        frames["holdings"] = pd.concat([graph.tables["holdings"], holdings], ignore_index=True)
    return graph.replace(note=f"{len(candidates)} candidate projects", **frames)

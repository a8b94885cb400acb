"""The brief: who depends on whom for what, one act, one plan, on one page."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from ..errors import Problem, SchemaError, UnknownNameError, unknown_name
from ..graph import SupplyGraph
from ..jurisdictions import scope
from ..plots.style import scope_text, sources_text
from ..registry import registries
from ..schema import GRADES, TABLES, parse_node_id
from ..shocks import Impact
from .act import ActReading, newest_act, read_act, read_impact
from .blocks import Picture, listed, to_html, to_markdown
from .dependence import HEADLINE, dependence, top, unknown_flows
from .plan import PlanReading, make_plan, read_plan
from .story import RESPONSIBLE_USE, kicker, story, title
from .who import buyers_named, day_of

__all__ = ["Brief", "WriteError", "brief"]

TOP = 10
DEFAULT_CAP = 0.65  # benchmark of Regulation (EU) 2024/1252, article 5: at most 65 % from one third country
Progress = Callable[[str], None]


class WriteError(SchemaError):
    """The page cannot be written where it was asked for."""


@dataclass(frozen=True, eq=False, repr=False)
class Brief:
    """A brief: computed values, and the ways to read them.

    Attributes
    ----------
    graph : SupplyGraph
        The graph it is about.
    focal, buyers : tuple of str
        ISO3 codes.
    buyers_name : str
        What the buyers are called.
    at : str
        The day.
    scored : DataFrame
        A row per product that the buyers use: ``product, name, chain, stage, unit, volume, location, location_low, location_high,
        control, control_low, control_high, graded, headline, grade``; shares are fractions of the buyers' supply.
    ten : DataFrame
        Those of ``scored`` that are named: the ten with the largest share by control among the well documented.
    act : ActReading or None
        The act applied; ``act_missing`` says why there is none.
    plan : PlanReading or None
        The diversification plan.
    evidence : mapping
        Figures by grade (``A .. assumption``, ``total``), ``links`` and ``world_pool``: how many, and how many of them estimated.
    gaps, sources, methods : DataFrame
        Recorded gaps, sources with terms, methods, of what is in the brief.
    unscored : tuple of str
        Products asked for that cannot be scored: no flow to the buyers is known.
    """

    graph: SupplyGraph
    focal: tuple[str, ...]
    buyers: tuple[str, ...]
    buyers_name: str
    at: str
    products_asked: tuple[str, ...]
    scored: pd.DataFrame
    ten: pd.DataFrame
    act: ActReading | None
    act_missing: str
    plan: PlanReading | None
    evidence: Mapping[str, int]
    gaps: pd.DataFrame
    sources: pd.DataFrame
    methods: pd.DataFrame
    unknown: pd.DataFrame
    headline_at: float
    years: str
    chain: str
    unscored: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Brief: {title(self)}; as of {self.at}>"

    def _repr_html_(self) -> str:
        from .blocks import Bullets, _e
        from .story import _findings

        items = "".join(f"<li>{_e(i)}</li>" for i in Bullets(tuple(_findings(self))).items)
        return f"<div><b>{_e(title(self))}</b><br><small>{_e(kicker(self))}</small><ul>{items}</ul></div>"

    @property
    def title(self) -> str:
        """Title."""
        return title(self)

    @cached_property
    def figures(self) -> dict[str, tuple[Any, pd.DataFrame]]:
        """Figures by name with the data that they draw: ``heat``, ``flow``, ``bars``, ``plan``, as far as there is something to draw."""
        from .. import plots

        out: dict[str, tuple[Any, pd.DataFrame]] = {}
        source = sources_text(self._source_ids, self.graph.tables["sources"])
        chains = self.ten["chain"].drop_duplicates().tolist() or self.scored["chain"].drop_duplicates().tolist()
        products = self.graph.tables["products"]
        made = set(plots.output_shares(self.graph)["product"])
        inside = products.loc[products["chain"].isin(chains) & products["product"].isin(made), "product"].astype(str)
        if len(inside):
            out["heat"] = plots.heatmap(self.graph, focal=self.focal, products=list(inside), rows=36)
        if self.chain:
            out["flow"] = plots.sankey(self.graph, chain=self.chain, focal=self.focal)
        named: dict[str, Any] = {"focal": self.focal, "buyers": self.buyers_name, "source": source, "year": self.years}
        if len(self.ten):
            out["bars"] = plots.dependence_bars(self.ten, **named)
        if self.plan is not None and self.plan.status == "optimal" and len(self.plan.shares):
            cap = None if pd.isna(self.plan.cap) else self.plan.cap
            out["plan"] = plots.before_after(self.plan.shares, view=self.plan.view, cap=cap, **named)
        return out

    @property
    def _source_ids(self) -> list[str]:
        return [s for s, n in zip(self.sources["source"], self.sources["figures"], strict=True) for _ in range(int(n))]

    def text(self, width: int = 100) -> str:
        """The brief as Markdown for a terminal.

        Parameters
        ----------
        width : int
            Columns.

        Returns
        -------
        str
        """
        return to_markdown(title(self), [*_lead(self), *story(self)], width)

    def html(self) -> str:
        """The brief as one self-contained page, figures included.

        Returns
        -------
        str
        """
        from ..plots import alt_text, svg

        pictures = {k: Picture(str(d.attrs["title"]), alt_text(f), svg(f)) for k, (f, d) in self.figures.items()}
        foot = (
            f"Made by supplyrisk {__version__} from {self.graph.name} (fingerprint {self.graph.fingerprint}), focal {scope_text(self.focal)}. "
            "Every sentence is a template filled with computed values."
        )
        return to_html(title(self), kicker(self), story(self, pictures), foot)

    def to_dict(self) -> dict[str, Any]:
        """The numbers of the brief as plain data, the same as in the text.

        Returns
        -------
        dict
            Frames are lists of records.
        """
        act = self.act
        plan = self.plan
        return {
            "format": "supplyrisk.brief/1",
            "version": __version__,
            "title": title(self),
            "graph": self.graph.name,
            "fingerprint": self.graph.fingerprint,
            "at": self.at,
            "focal": list(self.focal),
            "focal_scope": scope_text(self.focal),
            "buyers": list(self.buyers),
            "buyers_name": self.buyers_name,
            "top": self.ten.to_dict("records"),
            "scored": self.scored.to_dict("records"),
            "headline_at": self.headline_at,
            "not_scoreable": list(self.unscored),
            "measure": None
            if act is None
            else {
                "id": act.measure,
                "name": act.name,
                "actor": act.actor,
                "kind": act.kind,
                "products": list(act.products),
                "targets": list(act.targets),
                "announced": act.announced,
                "effective": act.effective,
                "on": act.on,
                "state": act.state,
                "because": act.because,
                "sources": list(act.sources),
                "grades": list(act.grades),
                "losses": act.losses.to_dict("records"),
                "makers": act.others.to_dict("records"),
                "notes": list(act.impact.notes),
            },
            "measure_missing": self.act_missing or None,
            "plan": None if plan is None else plan.to_dict(),
            "evidence": dict(self.evidence),
            "gaps": self.gaps.to_dict("records"),
            "sources": self.sources.to_dict("records"),
            "methods": self.methods.to_dict("records"),
            "responsible_use": RESPONSIBLE_USE,
        }

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; an existing file is replaced only by a whole one.

        Parameters
        ----------
        path : path-like
            HTML file: ``.html``, ``.htm`` or without a suffix.

        Returns
        -------
        Path

        Raises
        ------
        WriteError
            The name says another format, or the folder does not exist or may not be written to.
        """
        return _write(_as_page(Path(path)), self.html())


def _lead(b: Brief) -> list[Any]:
    from .blocks import Text

    return [Text(kicker(b))]


def check_target(path: str | os.PathLike[str]) -> Path:
    """Whether a page can be written there, before any work is done; nothing is left behind.

    Parameters
    ----------
    path : path-like
        The file to be.

    Returns
    -------
    Path

    Raises
    ------
    WriteError
        It cannot, or the name says another format than HTML.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(21, "is a folder")
        _as_page(target)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
        Path(name).unlink()
    except OSError as err:
        raise _refused(target, err) from err
    return target


def _as_page(target: Path) -> Path:
    """The path, if its name says a page: another program would stumble over HTML under the name of its own format."""
    if target.suffix.lower() in ("", ".html", ".htm"):
        return target
    remedy = (
        f"Name it {target.stem}.html. For other formats: brief(...).text() is the plain text, brief(...).to_dict() the data, "
        "and sr.write() writes the graph itself, as a workbook too."
    )
    found = Problem(str(target), "-", "-", "a brief is written as HTML", target.suffix, remedy)
    raise WriteError([found], "the output")


def _refused(target: Path, err: OSError) -> WriteError:
    return WriteError(
        [
            Problem(
                str(target),
                "-",
                "-",
                "cannot be written",
                str(err.strerror or err),
                "Give a file in a folder that exists and that you may write to.",
            )
        ],
        "the output",
    )


def _write(target: Path, text: str) -> Path:
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as f:
            f.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(target)
    except OSError as err:
        raise _refused(target, err) from err
    finally:
        if name:
            Path(name).unlink(missing_ok=True)
    return target


def brief(
    graph: SupplyGraph,
    *results: Any,
    focal: str | Iterable[str] = "CHN",
    buyers: str | Iterable[str] | None = None,
    products: str | Iterable[str] | None = None,
    measure: str | None = None,
    cap: float | None = None,
    view: str = "control",
    budget: float | None = None,
    at: str | None = None,
    path: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Brief:
    """A brief on how far buyers depend on a focal: the products, one dated act, one plan.

    Parameters
    ----------
    graph : SupplyGraph
        E.g. ``load_atlas()``.
    *results : Impact or Portfolio
        Results of :func:`supplyrisk.simulate` and :func:`supplyrisk.optimize` to report instead of those that the brief would
        compute itself.
    focal : str or iterable of str
        Whose grip is measured.
    buyers : str or iterable of str, optional
        Coalition ids and ISO3 codes. Default: the Minerals Security Partnership at its last date.
    products : str or iterable of str, optional
        Only these products; default all that the buyers use.
    measure : str, optional
        Id of an act in the ``measures`` table. Default: the newest act of the focal that hits one of the products named, has not ended,
        and stops a flow.
    cap : float, optional
        Greatest focal share in each product after the plan, in [0, 1]; a cap that cannot be met raises. Default: 0.65, or the lowest share that
        can be reached where that is higher, which the brief then says.
    view : {"location", "equity", "control"}
        View that the cap is set in.
    budget : float, optional
        Most that the plan may spend on capital, USD.
    at : str, optional
        Day to which states of acts refer. Default: the graph's own date. It filters no figure: for what was known on a day give
        ``graph.at(day)``, which leaves out figures published later (the command line's ``--at`` does both).
    path : path-like, optional
        Write the page there, as HTML (``.html`` or ``.htm``); whether that is possible is tried first.
    progress : callable, optional
        Called with a few words at each step.

    Returns
    -------
    Brief

    Raises
    ------
    UnknownNameError
        A product, buyer, focal or measure that does not exist; the nearest are named. Also where none of the products
        can be scored for the buyers; those that can are listed.
    SchemaError
        A cap outside [0, 1], a negative budget, a date that is none.
    InfeasibleError
        A cap that was given cannot be met; the conflict is named.
    WriteError
        The page cannot be written, or the path names another format; nothing is left behind.
    """
    tell: Progress = progress or (lambda _: None)
    if path is not None:
        check_target(path)
    codes = scope(focal)
    countries, name = buyers_named(graph, buyers)
    day = day_of(graph, at)
    asked = _products(graph, products)
    _check_numbers(cap, budget)
    impact, portfolio = _given(results)
    tell("scoring by location and by control")
    scored = dependence(graph, codes, countries)
    if not len(scored) or (asked and not scored["product"].isin(asked).any()):
        raise _none_scored(graph, asked, scored, name, at)
    unscored = tuple(p for p in asked if p not in set(scored["product"]))
    if asked:
        scored = scored[scored["product"].isin(asked)].reset_index(drop=True)
    ten = top(scored, TOP)
    tell("applying an act")
    act: ActReading | None = None
    missing = ""
    if impact is not None:
        act = read_impact(graph, impact, countries, day)
    elif measure is not None:
        act = read_act(graph, measure, countries, day)
    else:
        order = [*ten["product"], *(p for p in scored["product"] if p not in set(ten["product"]))]
        found, missing = newest_act(graph, codes, countries, list(asked) or order, day)
        act = None if found is None else read_act(graph, found, countries, day)
    tell("planning")
    goal = [p for p in asked if p not in unscored] or ten["product"].astype(str).tolist()
    if portfolio is not None:
        plan: PlanReading | None = read_plan(graph, portfolio, codes, countries, view, cap, scored=scored)
    else:
        plan = make_plan(graph, codes, countries, goal, scored, cap, DEFAULT_CAP, view, budget)
    tell("collecting sources")
    used = scored["product"].astype(str).tolist()
    inside = ten if len(ten) else scored
    evidence, sources, years = _evidence(graph, used)
    gaps = graph.tables["gaps"]
    labels = graph.tables["products"].set_index("product")["name"]
    gaps = gaps[gaps["product"].isin(used)].assign(name=lambda f: f["product"].map(labels)).reset_index(drop=True)
    out = Brief(
        graph, codes, countries, name, day, tuple(asked), scored, ten, act, missing, plan, evidence, gaps, sources,
        _methods(plan), unknown_flows(graph, countries, ten["product"].tolist()), HEADLINE, years, _chain(graph, inside), unscored,
    )  # fmt: skip
    if path is not None:
        tell("drawing and writing")
        out.write(path)
    return out


def _products(graph: SupplyGraph, products: str | Iterable[str] | None) -> list[str]:
    if products is None:
        return []
    given = [products] if isinstance(products, str) else list(products)
    return list(dict.fromkeys(graph.check_product(p, "product") for p in given))


def _none_scored(
    graph: SupplyGraph, asked: list[str], scored: pd.DataFrame, name: str, at: str | None
) -> UnknownNameError:
    """Why there is nothing to report, and what there would be."""
    day = f" as known on {at}" if at else ""
    links = graph.index.links
    elsewhere = []
    for p in asked:
        ends = links.loc[links["product"] == p, "buyer"].astype(str)
        pools = sorted({n.partition("@")[2].removesuffix(":demand") for n in ends if n.endswith(":demand")})
        if pools:
            elsewhere.append(f"Flows of {p} are on record into: {'; '.join(pools)}.")
        elif len(ends):
            elsewhere.append(f"Flows of {p} are on record to makers that use it, not to a country's pool.")
        else:
            elsewhere.append(f"No flow of {p} is on record{day}.")
    what = listed(asked, 20, "or") if asked else "any product"
    there = sorted(scored["product"].astype(str))
    have = (
        f"Products with flows to {name}{day}: {', '.join(there)}."
        if there
        else f"No product has a flow to {name} on record{day}."
    )
    rest = "" if there else " Give another --buyer or a later --at."
    lines = [
        f"nothing to report: no flow of {what} to {name} is on record{day}, so no share can be stated.",
        *elsewhere,
    ]
    return UnknownNameError(" ".join([*lines, have]) + rest, what, there)


def _check_numbers(cap: float | None, budget: float | None) -> None:
    problems = []
    if cap is not None and not 0.0 <= cap <= 1.0:
        problems.append(Problem("brief", "-", "cap", "not a share", repr(cap), "A share is 0 to 1, not per cent."))
    if budget is not None and not 0.0 <= budget < float("inf"):
        problems.append(Problem("brief", "-", "budget", "not an amount", repr(budget), "Give US dollars, at least 0."))
    if problems:
        raise SchemaError(problems, "the brief's arguments")


def _given(results: tuple[Any, ...]) -> tuple[Impact | None, Any]:
    impact: Impact | None = None
    portfolio: Any = None
    for r in results:
        if isinstance(r, Impact):
            impact = r
        elif hasattr(r, "purchases") or type(r).__name__ == "Portfolio":
            portfolio = r
        else:
            raise unknown_name("kind of result", type(r).__name__, ["Impact", "Portfolio"], "brief()")
    return impact, portfolio


def _evidence(graph: SupplyGraph, used: list[str]) -> tuple[dict[str, int], pd.DataFrame, str]:
    """Figures by grade, sources by use, and data years, of the tables behind the products scored."""
    wanted = set(used)
    counts = dict.fromkeys(GRADES, 0)
    cited: dict[str, int] = {}
    years: list[int] = []
    for name in ("nodes", "links", "demand", "holdings", "measures", "projects"):
        frame = graph.index.nodes if name == "nodes" else graph.index.links if name == "links" else graph.tables[name]
        column = {"demand": "node", "holdings": "asset"}.get(name)
        product = frame["product"] if column is None else frame[column].map(lambda n: parse_node_id(str(n))[0])
        frame = frame[product.isin(wanted).to_numpy(dtype=bool)]
        for q in TABLES[name].quantities:
            known = frame[frame[q.name].notna()]
            for g, n in known[q.grade].astype("object").fillna("assumption").value_counts().items():
                counts[str(g)] += int(n)
            for s, n in known[q.source].dropna().astype(str).value_counts().items():
                cited[str(s)] = cited.get(str(s), 0) + int(n)
            if name in ("nodes", "links") and q.name in ("output", "quantity"):
                years += known[q.year].dropna().astype(int).tolist()
    links = graph.index.links
    links = links[links["product"].isin(wanted)]
    guessed = int(links["method"].isin(["world_pool", "assumed", "balanced", "imputed"]).sum())
    table = graph.tables["sources"][["source", "title", "year", "licence", "licence_class", "url"]]
    table = table[table["source"].isin(cited)].astype("object")
    table = table.assign(figures=table["source"].map(cited))
    table = table.sort_values(["figures", "source"], ascending=[False, True], kind="stable").reset_index(drop=True)
    span = "not stated" if not years else f"{min(years)} to {max(years)}" if min(years) < max(years) else str(years[0])
    return {**counts, "total": sum(counts.values()), "links": len(links), "world_pool": guessed}, table, span


def _chain(graph: SupplyGraph, named: pd.DataFrame) -> str:
    """The chain that is drawn: of those named, the one with most steps, then the one named first."""
    from ..plots.flow import chain_path

    best, steps = "", 0
    for chain in named["chain"].dropna().astype(str).drop_duplicates():
        try:
            found = len(chain_path(graph, chain))
        except SchemaError:
            continue
        if found > steps:
            best, steps = chain, found
    return best if steps > 1 else ""


def _methods(plan: PlanReading | None) -> pd.DataFrame:
    """What is in the brief and how it was computed, from the registries."""
    rows = [
        {
            "name": "share by location, by control",
            "summary": "part of the buyers' supply whose seller stands in the focal; that the focal can stop (re-exports seen through, holdings looked through)",
            "reference": "registered metric focal_share",
        }
    ]
    for kind, names in (
        ("metric", ("focal_share", "headline")),
        ("engine", ("rationing",)),
        ("constraint", ("max_share", "budget")),
    ):
        for n in names:
            if n in registries[kind] and (kind != "constraint" or plan is not None):
                e = registries[kind][n]
                rows.append(
                    {
                        "name": f"{kind} {n}",
                        "summary": re.sub(r",?\s*:math:`[^`]*`", "", e.summary),
                        "reference": str(e.meta.get("reference", "")),
                    }
                )
    return pd.DataFrame(rows, columns=["name", "summary", "reference"])

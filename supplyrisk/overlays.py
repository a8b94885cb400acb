"""A user's own rows over a graph: which row wins, who it belongs to, and what lies beneath it.

Facts carry the overlay's name in ``origin_tag``. Registers (products, sources, gaps) have no such column: the keys of
their overlaid rows are kept beside the graph, with every public row that an overlay covers. Exports drop the overlay and
take back what lies beneath; nothing private is needed for that, and nothing public is lost.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from .columns import encodes
from .entry import convert_units
from .errors import PrivateDataWarning, Problem, SchemaError, printable
from .retained import CUT, STATED, outlived
from .schema import TABLES, Table, coerce, date_floor, table
from .vintages import NEWEST

__all__ = [
    "EARLIER",
    "OVERLAID",
    "as_published",
    "beneath_from_json",
    "beneath_to_json",
    "earlier_of",
    "laid_over",
    "still_covered",
    "warn_of_private_rows",
]

Frames = Mapping[str, pd.DataFrame]
# Names that would make an overlay look like public data.
RESERVED = ("public", "all", "nan", "none", "")
# Before the name of a register: the keys of its overlaid rows.
OVERLAID = "overlaid:"
# Before the name of a table: what an earlier release of the same publisher said.
EARLIER = "earlier:"


def laid_over(
    tables: Frames, beneath: Frames, given: Frames, name: str, overlays: bool = True
) -> tuple[Frames, Frames]:
    """Tables with rows added or overridden by key, and what lies beneath them.

    Parameters
    ----------
    tables, beneath : mapping
        Of the graph.
    given : mapping
        Tables of the overlay.
    name : str
        Name of the overlay.
    overlays : bool
        Whether figures may have been worked out of rows of earlier overlays.

    Returns
    -------
    tuple of mappings
        Tables, and covered public rows.

    Raises
    ------
    SchemaError
        A reserved name, or rows that cannot be read.
    """
    if not isinstance(name, str) or name.strip().casefold() in RESERVED or not encodes(name):
        rule = (
            "half a character, which is no text" if isinstance(name, str) and not encodes(name) else "a reserved name"
        )
        remedy = "Name the overlay after whoever owns the rows."
        problem = Problem("overlay", "-", "name", rule, printable(repr(name)), remedy)
        raise SchemaError([problem], "the overlay")
    out, under = dict(tables), dict(beneath)
    kept: dict[str, pd.DataFrame] = {}
    problems: list[Problem] = []
    products = out["products"]
    if "products" in given and len(given["products"]):
        frame, found = coerce(given["products"], TABLES["products"])
        problems += found
        products = pd.concat([products[~products["product"].isin(frame["product"])], frame], ignore_index=True)
    for key, frame in given.items():
        spec = table(key)
        frame, found = convert_units(frame.reset_index(drop=True), spec, products)
        problems += found
        frame, found = coerce(frame, spec)
        problems += found
        if not len(frame):
            continue
        old = out[key]
        if spec.fact:
            tag = frame["origin_tag"]
            frame["origin_tag"] = tag.mask(tag.isna() | tag.str.strip().str.casefold().isin(RESERVED), name)
        if key == "nodes":  # a row that only says that a node exists takes nothing from one that says more
            silent = frame[[q.name for q in spec.quantities] + [q.high for q in spec.quantities]].isna().all(axis=1)
            for q in spec.quantities:
                silent &= frame[q.missing].fillna("unknown") == "unknown"
            frame = frame[~(silent & frame["node"].isin(old["node"]))]
        hit = _keys(old, spec).isin(_keys(frame, spec))
        if key == "sources":  # single facts stay so beneath a statistic of whole years from the same source
            single = old.loc[hit & old["lists"].isin(["single", "complete_overlay"]).to_numpy(), "source"]
            both = frame["source"].isin(single) & (frame["lists"] == "complete").fillna(False)
            frame["lists"] = frame["lists"].mask(both, "complete_overlay")
        _cover(under, old[hit], frame, spec)
        kept[key] = old[~hit]
        out[key] = pd.concat([old[~hit], frame], ignore_index=True) if len(old) else frame
    if problems:
        raise SchemaError(problems, f"overlay {name!r}")
    return out, outlived(tables, kept, under, overlays=overlays)


def _keys(frame: pd.DataFrame, spec: Table) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(frame[list(spec.key)].astype("object"))


def _cover(under: dict[str, pd.DataFrame], covered: pd.DataFrame, frame: pd.DataFrame, spec: Table) -> None:
    """Keep public rows that are covered; rows of an earlier overlay need no keeping."""
    if spec.fact:
        covered = covered[covered["origin_tag"] == "public"]
    else:
        mark = OVERLAID + spec.name
        before = under.get(mark, spec.empty()[list(spec.key)])
        if len(before):
            covered = covered[~_keys(covered, spec).isin(_keys(before, spec))]
        mine = frame[list(spec.key)]
        under[mark] = pd.concat([before, mine], ignore_index=True).drop_duplicates() if len(before) else mine
    if len(covered):
        have = under.get(spec.name)
        under[spec.name] = (covered if have is None else pd.concat([have, covered])).reset_index(drop=True)


def still_covered(beneath: Frames, tables: Frames) -> dict[str, pd.DataFrame]:
    """Covered rows whose covering row is still in the tables."""
    out = {}
    for name, frame in beneath.items():
        if not name.startswith((OVERLAID, EARLIER, NEWEST, CUT, STATED)):
            frame = frame[_keys(frame, TABLES[name]).isin(_keys(tables[name], TABLES[name]))]
        if len(frame):
            out[name] = frame.reset_index(drop=True)
    return out


def as_published(tables: Frames, beneath: Frames, known: str) -> dict[str, pd.DataFrame]:
    """Tables with what earlier releases said, where later ones were not out yet.

    Parameters
    ----------
    tables, beneath : mapping
        Of the graph.
    known : str
        ISO day.

    Returns
    -------
    dict of DataFrame
        On a day on which everything is out, the tables as they are.
    """
    out = dict(tables)

    def late(frame: pd.DataFrame) -> pd.Series:
        return frame["published_on"].map(lambda d: pd.notna(d) and date_floor(str(d)) > known).astype(bool)

    names = [n.removeprefix(EARLIER) for n in beneath if n.startswith(EARLIER)]
    if not any(late(tables[n]).any() for n in names if len(tables[n])):
        return out
    for name in names:
        spec, frame, older = TABLES[name], tables[name], beneath[EARLIER + name]
        older = older[~late(older)].sort_values("published_on", kind="stable", na_position="first")
        older = older.drop_duplicates(list(spec.key), keep="last")
        there = _keys(frame, spec)
        gone = late(frame) if len(frame) else pd.Series(dtype=bool)
        older = older[~_keys(older, spec).isin(there[~gone.to_numpy(dtype=bool)])]
        kept = frame[~(gone & there.isin(_keys(older, spec)))] if len(frame) else frame
        out[name] = pd.concat([kept, older], ignore_index=True) if len(older) else frame
    return out


def earlier_of(
    tables: Frames, beneath: Frames, countries: Collection[str] | None = None, year: int | None = None
) -> dict[str, pd.DataFrame]:
    """What is kept beneath a selection: of earlier releases only what meets its conditions too.

    Parameters
    ----------
    tables : mapping
        The tables of the selection.
    beneath : mapping
        What was kept beside the whole.
    countries : collection of str, optional
        Places that were selected.
    year : int, optional
        Last data year that was selected.

    Returns
    -------
    dict of DataFrame
    """
    out = dict(beneath)
    products = set(tables["products"]["product"])
    ids = set(tables["nodes"]["node"])
    for name in sorted((n for n in beneath if n.startswith(EARLIER)), key=lambda n: n != f"{EARLIER}nodes"):
        frame, key = beneath[name], name.removeprefix(EARLIER)
        keep = pd.Series(True, index=frame.index)
        if "product" in frame:
            keep &= frame["product"].isin(products)
        if key == "nodes" and countries is not None:
            keep &= frame["country"].isin(list(countries))
        if key == "recipes":
            keep &= frame["input"].isin(products)
        if year is not None and key in ("nodes", "links", "demand", "stocks", "countries"):
            keep &= frame["year"].astype("float64").fillna(-1) <= year
        for end in {"links": ("supplier", "buyer"), "demand": ("node",), "stocks": ("node",)}.get(key, ()):
            keep &= frame[end].isin(ids)
        out[name] = frame[keep].reset_index(drop=True)
        if key == "nodes":
            ids |= set(out[name]["node"])
    return {n: f for n, f in out.items() if len(f)}


def beneath_to_json(beneath: Frames) -> dict[str, Any]:
    """Covered rows as plain lists, for a file's description of itself."""
    out = {}
    for name, frame in beneath.items():
        cells = frame.astype("object").where(frame.notna(), None)
        out[name] = {"columns": list(cells.columns), "rows": [list(r) for r in cells.itertuples(index=False)]}
    return out


def beneath_from_json(given: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """What :func:`beneath_to_json` wrote."""
    out = {}
    for name, content in given.items():
        spec = table(str(name).rpartition(":")[2])
        frame = pd.DataFrame(content["rows"], columns=[str(c) for c in content["columns"]], dtype="object")
        out[str(name)] = coerce(frame, spec)[0][list(frame.columns)]
    return out


def warn_of_private_rows(tables: Frames, where: str) -> None:
    """Warn that a file about to be written holds rows that are not for others."""
    sources = tables["sources"]
    own = set(sources.loc[sources["licence_class"] == "private", "source"])
    rows = 0
    for name, spec in TABLES.items():
        frame = tables[name]
        if spec.fact and len(frame):
            rows += int(((frame["origin_tag"] != "public") | frame["source"].isin(own)).sum())
    if rows:
        text = f"{where} holds {rows:,} private or overlaid rows; export(share='public') leaves them out"
        warnings.warn(f"{text}. Say private=True if that is meant.", PrivateDataWarning, stacklevel=4)

"""A graph as GraphML: nodes and links as elements, all other tables as JSON in the graph's own data; and back, exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from .accounts import latest
from .celltext import Frames, Meta, as_table, escape, number, records, refuse, shown, unescape
from .schema import TABLES

__all__ = ["read_graphml", "write_graphml"]

_NS = "http://graphml.graphdrawing.org/xmlns"
_GRAPHML = {"float": "double", "int": "long", "bool": "boolean", "text": "string", "date": "string"}
_ENDS = ("supplier", "buyer")


def write_graphml(frames: Frames, meta: Meta, work: Path) -> None:
    """Newest row of each node and every link as elements; all other tables as JSON in the graph's own data."""
    nodes, links = frames["nodes"], frames["links"]
    newest = latest(nodes, ["node"])
    keys = pd.MultiIndex.from_frame(newest[["node", "year"]].astype("object"))
    every = pd.MultiIndex.from_frame(nodes[["node", "year"]].astype("object"))
    older = nodes[~every.isin(keys)]
    # Elements stand first, in an order of their own: where each row was, so that tables come back row by row.
    order = [*every.get_indexer(keys).tolist(), *np.flatnonzero(~every.isin(keys)).tolist()] if len(nodes) else []
    rest = {n: f for n, f in frames.items() if n not in ("nodes", "links")} | {"nodes": older}
    root = ElementTree.Element("graphml", xmlns=_NS)
    for kind, name, skip in (("node", "nodes", ("node",)), ("edge", "links", _ENDS)):
        for c in TABLES[name].columns:
            if c.name not in skip:
                key = {"id": f"{kind}_{c.name}", "for": kind, "attr.name": c.name, "attr.type": _GRAPHML[c.dtype]}
                element = ElementTree.SubElement(root, "key", key)
                ElementTree.SubElement(element, "desc").text = f"{c.meaning}{f' [{c.unit}]' if c.unit else ''}"
    for what in ("meta", "tables"):
        key = {"id": f"graph_{what}", "for": "graph", "attr.name": f"supplyrisk.{what}", "attr.type": "string"}
        ElementTree.SubElement(root, "key", key)
    graph = ElementTree.SubElement(root, "graph", edgedefault="directed", id="G")
    tables: dict[str, dict[str, Any]] = {
        n: {"columns": list(f.columns), "rows": list(records(f))} for n, f in rest.items()
    }
    tables["nodes"]["order"] = order
    for what, value in (("meta", meta), ("tables", tables)):
        ElementTree.SubElement(graph, "data", key=f"graph_{what}").text = json.dumps(value)
    _elements(graph, "node", newest, ("node",))
    _elements(graph, "edge", links, _ENDS)
    ElementTree.indent(root, " ")
    ElementTree.ElementTree(root).write(work, encoding="utf-8", xml_declaration=True)


def _elements(graph: ElementTree.Element, kind: str, frame: pd.DataFrame, ends: tuple[str, ...]) -> None:
    names = list(frame.columns)
    for row in records(frame):
        cells = dict(zip(names, row, strict=True))
        at = [escape(str(cells[e])) for e in ends]
        given = {"id": at[0]} if kind == "node" else {"source": at[0], "target": at[1]}
        element = ElementTree.SubElement(graph, kind, given)
        for name, value in cells.items():
            if name not in ends and value is not None:
                text = escape(value) if isinstance(value, str) else shown(value)
                ElementTree.SubElement(element, "data", key=f"{kind}_{name}").text = text


def read_graphml(file: Path) -> tuple[Frames, Meta]:
    """Tables and description of what :func:`write_graphml` wrote."""
    raw = file.read_bytes()
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw or b"\x00" in raw[:200]:
        raise refuse(file, "declares entities, or is no UTF-8", "Give the file that write() returned.")
    frames: Frames = {}
    try:
        root = ElementTree.fromstring(raw)
        graph = cast(ElementTree.Element, root.find(f"{{{_NS}}}graph"))
        data = {str(d.get("key")): d.text or "" for d in graph.findall(f"{{{_NS}}}data")}
        meta, tables = json.loads(data["graph_meta"]), json.loads(data["graph_tables"])
        for name, spec in TABLES.items():
            if name != "links":
                frames[name] = as_table(spec, tables[name]["columns"], tables[name]["rows"])
        nodes = _rows(graph, "node", "nodes", ("id",), ("node",))
        frames["links"] = _rows(graph, "edge", "links", ("source", "target"), _ENDS)
    except (ElementTree.ParseError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as err:
        raise refuse(file, "not a GraphML file written by write()", "Write the graph again.", str(err)[:200]) from err
    older = frames["nodes"]
    parts = [f.astype("object") for f in (nodes, older) if len(f)]
    frames["nodes"] = pd.concat(parts, ignore_index=True) if parts else TABLES["nodes"].empty()
    order = tables["nodes"].get("order")
    if isinstance(order, list) and sorted(map(str, order)) == sorted(map(str, range(len(frames["nodes"])))):
        frames["nodes"] = frames["nodes"].iloc[np.argsort(np.array(order, dtype=np.int64))].reset_index(drop=True)
    return frames, meta


def _rows(
    graph: ElementTree.Element, kind: str, table: str, given: tuple[str, ...], ends: tuple[str, ...]
) -> pd.DataFrame:
    spec = TABLES[table]
    dtype = {f"{kind}_{c.name}": (c.name, c.dtype) for c in spec.columns}
    out = []
    for element in graph.findall(f"{{{_NS}}}{kind}"):
        row: dict[str, Any] = {e: unescape(element.attrib[g]) for e, g in zip(ends, given, strict=True)}
        for d in element.findall(f"{{{_NS}}}data"):
            name, kind_ = dtype.get(str(d.get("key")), (str(d.get("key")), "text"))
            text = d.text or ""
            row[name] = number(text, kind_) if kind_ in ("float", "int") else unescape(text)
        out.append(row)
    return pd.DataFrame(out, dtype="object") if out else spec.empty()

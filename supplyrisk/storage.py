"""Folders of parquet files, swapped in as a whole: a reader never meets half a graph."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .errors import Problem, SourceError
from .intervals import policy_to_json
from .schema import TABLES, arrow_schema

if TYPE_CHECKING:
    from .graph import SupplyGraph

__all__ = [
    "SCHEMA_VERSION",
    "as_written",
    "atomic_directory",
    "described",
    "fingerprint",
    "read_parquet",
    "write_parquet",
]

SCHEMA_VERSION = "1"


_USE = ("stated_low", "stated_high", "with_draws", "with_draws_low", "with_draws_high")
_VALUE = ("value_low", "value_high")  # once in every table that has them
_LATE = {**dict.fromkeys(TABLES, _VALUE), "demand": (*_VALUE, *_USE)}  # columns that came after the first fingerprints


def fingerprint(tables: Mapping[str, pd.DataFrame], widths: Mapping[str, Any] | None = None) -> str:
    """Hash of all content, whatever the order of the rows.

    Parameters
    ----------
    tables : mapping
        All tables of the data model.
    widths : mapping, optional
        Widths of figures without a stated interval, where they are not those of every graph.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    if widths is not None:
        digest.update(json.dumps(widths, sort_keys=True).encode())
    for name in TABLES:
        frame = tables[name]
        if len(frame):
            late = [c for c in _LATE.get(name, ()) if c in frame and frame[c].isna().all()]
            frame = frame.drop(columns=late)  # of a graph without them as before there were such columns
            rows = pd.util.hash_pandas_object(
                frame.astype("object").where(frame.notna(), None).astype("string"), index=False
            ).to_numpy()
            digest.update(name.encode() + np.sort(rows).tobytes())
    return digest.hexdigest()[:16]


def described(graph: SupplyGraph) -> dict[str, Any]:
    """What a file says of a graph beside its tables.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    dict
        Plain values: name, day, history, fingerprint, widths of intervals, what lies beneath.

    Examples
    --------
    >>> import supplyrisk as sr
    >>> sorted(described(sr.SupplyGraph.from_tables()))
    ['as_of', 'fingerprint', 'history', 'name', 'policy']
    """
    from .overlays import beneath_to_json

    out: dict[str, Any] = {"name": graph.name, "as_of": graph.as_of, "history": list(graph.history)}
    out |= {"fingerprint": graph.fingerprint, "policy": policy_to_json(graph.policy)}
    return {**out, "beneath": beneath_to_json(graph.beneath)} if graph.beneath else out


def as_written(graph: SupplyGraph, stated: str | None, where: str) -> SupplyGraph:
    """The graph that was read, with a line in its history if it is not the one whose fingerprint the file states.

    Parameters
    ----------
    graph : SupplyGraph
        As it was read.
    stated : str or None
        Fingerprint in the file.
    where : str
        Name of the file.

    Returns
    -------
    SupplyGraph

    Examples
    --------
    >>> import supplyrisk as sr
    >>> as_written(sr.SupplyGraph.from_tables(), "0000", "g.json").history
    ('read from g.json, which was edited after it was written',)
    """
    if not stated or stated == graph.fingerprint:
        return graph
    note = f"read from {where}, which was edited after it was written"
    return dataclasses.replace(graph, history=(*graph.history, note))


def write_parquet(tables: Mapping[str, pd.DataFrame], meta: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write one parquet file per table, with units in the field metadata, and a manifest.

    Parameters
    ----------
    tables : mapping
        All tables of the data model.
    meta : mapping
        Goes into the manifest.
    path : path-like
        Folder; replaced as a whole, once all files are written.

    Returns
    -------
    Path
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(path)
    with atomic_directory(target, marker="supplyrisk.json") as work:
        for name, spec in TABLES.items():
            arrow = pa.Table.from_pandas(tables[name], preserve_index=False, schema=arrow_schema(spec, SCHEMA_VERSION))
            pq.write_table(
                arrow.replace_schema_metadata(arrow_schema(spec, SCHEMA_VERSION).metadata), work / f"{name}.parquet"
            )
        full = {"schema": SCHEMA_VERSION, **meta, "rows": {t: len(tables[t]) for t in TABLES}}
        (work / "supplyrisk.json").write_text(json.dumps(full, indent=1) + "\n", encoding="utf-8")
    return target


def read_parquet(path: str | os.PathLike[str]) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read what :func:`write_parquet` wrote.

    Parameters
    ----------
    path : path-like
        Folder.

    Returns
    -------
    tuple
        Tables and manifest.

    Raises
    ------
    SourceError
        With every file that is absent, truncated or of another row count.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(path)
    try:
        meta = json.loads((folder / "supplyrisk.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise SourceError(
            [
                Problem(
                    folder.name,
                    "-",
                    "-",
                    "not a folder written by to_parquet()",
                    str(err),
                    "Give the folder that to_parquet() returned.",
                )
            ],
            folder.name,
        ) from err
    problems: list[Problem] = []
    if meta.get("schema") != SCHEMA_VERSION:
        problems.append(
            Problem(
                folder.name,
                "-",
                "schema",
                "written with another data model",
                repr(meta.get("schema")),
                f"This version reads {SCHEMA_VERSION}.",
            )
        )
    tables: dict[str, pd.DataFrame] = {}
    for name in TABLES:
        file = folder / f"{name}.parquet"
        try:
            tables[name] = pq.read_table(file).to_pandas()
        except (OSError, pa.ArrowException) as err:
            problems.append(
                Problem(
                    file.name,
                    "-",
                    "-",
                    "cannot be read",
                    str(err).splitlines()[0],
                    "The file is absent, truncated or no parquet: write the graph again.",
                )
            )
            continue
        if len(tables[name]) != meta.get("rows", {}).get(name):
            problems.append(
                Problem(
                    file.name,
                    "-",
                    "-",
                    "another number of rows than was written",
                    str(len(tables[name])),
                    "Write the graph again.",
                )
            )
    if problems:
        raise SourceError(problems, folder.name)
    return tables, meta


class atomic_directory:
    """Context that fills a temporary sibling folder and swaps it in only if nothing failed.

    Parameters
    ----------
    target : Path
        Folder to write.
    marker : str
        File that proves an existing folder to be ours; any other non-empty folder is refused.
    """

    def __init__(self, target: Path, marker: str) -> None:
        self.target, self.marker = target, marker

    def __enter__(self) -> Path:
        t = self.target
        if t.exists() and (not t.is_dir() or (any(t.iterdir()) and not (t / self.marker).exists())):
            raise SourceError(
                [
                    Problem(
                        t.name,
                        "-",
                        "-",
                        "exists and was not written by this package",
                        "",
                        "Give another folder, or remove it.",
                    )
                ],
                t.name,
            )
        try:
            t.parent.mkdir(parents=True, exist_ok=True)
            self.work = Path(tempfile.mkdtemp(prefix=f".{t.name}-", dir=t.parent))
        except OSError as err:
            raise SourceError(
                [
                    Problem(
                        t.parent.name,
                        "-",
                        "-",
                        "cannot be written to",
                        str(err.strerror),
                        "Give a folder that you may write to.",
                    )
                ],
                t.name,
            ) from err
        return self.work

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if kind is not None:
            shutil.rmtree(self.work, ignore_errors=True)
            return
        self.work.chmod(0o755)
        old = None
        if self.target.exists():
            old = self.work.with_name(self.work.name + ".old")
            self.target.rename(old)
        self.work.rename(self.target)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)

"""EXIOBASE as published: a folder, or a zip of one, with Z (or A), Y, x and unit; regions over sectors on both sides."""

from __future__ import annotations

import codecs
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from .base import check_member, files_in, open_binary, read_text
from .report import PathLike, Report, refuse

__all__ = ["Part", "part_of", "parts_in", "two_headers"]

_NAMES = ("z", "a", "y", "x", "unit")
_ENDS = (".txt", ".tsv", ".csv")
_SAVED = (*_ENDS, ".parquet")  # as pymrio saves them, in a folder; not in an archive
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DAMAGED = (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError)


@dataclass(frozen=True)
class Part:
    """One table of several: a file, or a member of an archive."""

    file: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """Name without folders."""
        return self.file.name if self.member is None else PurePosixPath(self.member).name


def part_of(path: PathLike | Part) -> Part:
    """A path as a part."""
    return path if isinstance(path, Part) else Part(Path(path))


def parts_in(path: PathLike) -> dict[str, Part]:
    """Tables of a folder or an archive by their names in small letters; none where the path is a single table.

    Tables of extensions (``satellite/A.txt``) are no table of flows, whether that is there or not.

    Parameters
    ----------
    path : path-like
        Folder with ``Z.txt`` (or ``A.txt``), or with one folder that has it; or a zip of such.

    Returns
    -------
    dict
        ``z, a, y, x, unit``, as far as they are there.

    Raises
    ------
    SourceError
        A folder, or an archive of such tables, without one of flows; several of them.
    """
    file = Path(path)
    if file.is_dir():
        homes = [file, *sorted(d for d in file.iterdir() if d.is_dir() and not d.is_symlink())]
        found = [(str(h.name), _named((f.name, Part(f)) for f in _files(h))) for h in homes]
        own = found[:1] if _is_home(found[0][1]) else found[1:]
        return _the_one(file, [(n, t) for n, t in own if _is_table(t)]) or _no_table(file)
    if file.suffix.lower() != ".zip" or not file.is_file() or not zipfile.is_zipfile(file):
        return {}
    with zipfile.ZipFile(file) as archive:
        infos = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX")]
    members = [PurePosixPath(i.filename) for i in infos]
    by_home: dict[PurePosixPath, list[PurePosixPath]] = {}
    for m in members:
        by_home.setdefault(m.parent, []).append(m)
    tables = [(h, _named((m.name, Part(file, str(m))) for m in ms)) for h, ms in by_home.items()]
    tables = [(h, t) for h, t in tables if _is_home(t)]
    depth = min((len(h.parts) for h, _ in tables), default=0)
    top = [(str(h), t) for h, t in tables if len(h.parts) == depth]
    out = _the_one(file, [(h, t) for h, t in top if _is_table(t)])
    if top and not out and len(members) > 1:
        return _no_table(file, "an archive")
    used = {p.member for p in out.values()}
    for info in infos:
        if info.filename in used:
            check_member(file, info)
    return out


def _files(folder: Path) -> list[Path]:
    return files_in(folder, _SAVED) if any(f.name.lower().endswith(_SAVED) for f in folder.iterdir()) else []


def _named(files: Iterable[tuple[str, Part]]) -> dict[str, Part]:
    held = [(Path(name), part) for name, part in files]
    held = [(n, p) for n, p in held if n.suffix.lower() in _SAVED[: 3 if p.member else 4]]
    last = sorted(held, key=lambda h: _SAVED.index(h[0].suffix.lower()), reverse=True)  # text goes before parquet
    return {n.stem.casefold(): p for n, p in last if n.stem.casefold() in _NAMES}


def _is_table(parts: dict[str, Part]) -> bool:
    return "z" in parts or "a" in parts


def _is_home(parts: dict[str, Part]) -> bool:
    return not {"z", "a", "y", "x"}.isdisjoint(parts)


def _the_one(path: Path, tables: list[tuple[str, dict[str, Part]]]) -> dict[str, Part]:
    if len(tables) > 1:
        names = ", ".join(n for n, _ in tables[:6])
        raise refuse(path, "holds several tables", "Unpack it, and give the folder of one of them.", names)
    return tables[0][1] if tables else {}


def _no_table(path: Path, kind: str = "a folder") -> dict[str, Part]:
    remedy = f"Give the file of the table, or {kind} with Z.txt (or A.txt and x.txt) and Y.txt."
    raise refuse(path, f"{kind} without Z.txt or A.txt", remedy)


def _lines(part: Part) -> Generator[bytes, None, None]:
    with open_binary(part.file, part.member) as stream:
        first = stream.readline()
        if first[:2] in _UTF16:
            yield from (line.encode() for line in read_text(part.file, member=part.member)[0].splitlines())
            return
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from stream


def _text(cell: bytes) -> str:
    try:
        return cell.decode("utf-8").strip()
    except UnicodeDecodeError:
        return cell.decode("cp1252", errors="replace").strip()


def two_headers(path: PathLike | Part, report: Report) -> pd.DataFrame | None:
    """Regions over sectors on both sides, tab separated, as EXIOBASE and others write Z.txt and Y.txt.

    Parameters
    ----------
    path : path-like or Part
        Table.
    report : Report
        Rows read.

    Returns
    -------
    DataFrame or None
        Labels ``AT.Wheat`` on both sides; None where it is no such file.

    Raises
    ------
    SourceError
        Labels stand twice, rows of another length, cells that are no number.
    """
    part = part_of(path)
    try:
        with closing(_lines(part)) as lines:
            top = [_text(c) for c in next(lines, b"").rstrip(b"\r\n").split(b"\t")]
            second = [_text(c) for c in next(lines, b"").rstrip(b"\r\n").split(b"\t")]
            start = next((k for k, c in enumerate(top) if c not in ("", "region")), 0)
            if start != 2 or len(top) != len(second):
                return None
            columns = [f"{a}.{b}" for a, b in zip(top[2:], second[2:], strict=True)]
            labels, body = _body(part, lines, len(columns))
    except _DAMAGED as err:
        raise refuse(part.name, "damaged or truncated", "Download it again.", str(err)) from err
    if not labels:
        return None
    if len(set(labels)) < len(labels) or len(set(columns)) < len(columns):
        raise refuse(part.name, "labels stand twice", "Every row and column needs a label of its own.")
    report.rows_read += len(labels)
    return pd.DataFrame(body, index=labels, columns=columns)


def _body(
    part: Part, lines: Iterator[bytes], width: int
) -> tuple[list[str], np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Labels and numbers of the rows, read one by one: a table of 10,000 sectors has a hundred million cells."""
    labels: list[str] = []
    body = np.empty((max(width, 64), width))
    for line in lines:
        cells = line.rstrip(b"\r\n").split(b"\t")
        if not any(c.strip() for c in cells[2:]):
            continue  # the names of the row labels, or nothing
        if len(cells) != width + 2:
            value = f"{len(cells)} cells, {width + 2} in the header"
            raise refuse(
                part.name, "a row of another length than the header", "Download it again.", value, _text(cells[1])
            )
        if len(labels) == len(body):
            body = np.concatenate([body, np.empty_like(body)])
        try:
            body[len(labels)] = [float(c) for c in cells[2:]]
        except ValueError as err:
            remedy = "Keep labels in the first two columns and rows only."
            raise refuse(part.name, "cells that are no number", remedy, str(err)[:80], _text(cells[1])) from err
        labels.append(f"{_text(cells[0])}.{_text(cells[1])}")
    body = body[: len(labels)]
    if not np.isfinite(body).all():
        raise refuse(part.name, "cells that are no number", "Give a number, or 0 where nothing flows.", "nan or inf")
    return labels, body

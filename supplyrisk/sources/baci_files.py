"""The files that make up BACI: a year each, a folder of them, or a tree of partitions (``t=2023/part-0.parquet``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from .base import PathLike, Report, files_in, refuse, refuse_link_out

__all__ = ["baci_files", "check_amounts", "country_file_in", "year_of"]

_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".zip")
_PARTITION = re.compile(r"\w+=.+")
_YEAR = re.compile(r"(?:_Y|[^0-9])((?:19|20)\d{2})(?=[^0-9]|$)")
_CODES = re.compile(r"(country|product)_codes", re.IGNORECASE)
_LIKE_VALUE = re.compile(r"val|usd|us\$|dollar|fob|cif|^v(?![a-z])|trade", re.IGNORECASE)
_DEEPEST = 8  # partitions within partitions: more are a loop or a mistake


def baci_files(path: PathLike | Iterable[PathLike], notes: list[str]) -> tuple[list[Path], str]:
    """Files to read, in order, and how the report calls them; links that lead out of a folder are refused.

    Raises
    ------
    SourceError
        No file, none of BACI's in the folder, or a link out of it.
    """
    if not isinstance(path, (str, Path)) and not hasattr(path, "__fspath__"):
        files = [Path(p) for p in path]
        if not files:
            raise refuse("files", "no file to read", "Give the file of a year at least.")
        return files, ", ".join(f.name for f in files[:3]) + (" ..." if len(files) > 3 else "")
    root = Path(path)  # type: ignore[arg-type]
    if not root.is_dir():
        return [root], root.name
    if any(_PARTITION.fullmatch(d.name) and d.is_dir() for d in root.iterdir()):
        found = sorted(_parts(root, root, 0, notes))
        beside = [f.name for f in sorted(root.iterdir()) if f.is_file() and _is_data(f)]
        if beside:
            notes.append(f"files beside the partitions are not read: {', '.join(n[:60] for n in beside[:8])}")
        if not found:
            raise refuse(root, "no file in the partitions", f"Expected files that end in {', '.join(_SUFFIXES)}.")
        return found, f"{root.name}/ ({len(found)} parts)"
    found = [f for f in files_in(root, _SUFFIXES) if not _CODES.match(f.name)]
    years = [f for f in found if re.match(r"baci", f.name, re.IGNORECASE)]
    if years and len(years) < len(found):  # beside files of that name, others are no years of it
        others = [f.name for f in found if f not in years]
        notes.append(f"files that are not named as BACI's are not read: {', '.join(others[:8])}")
        found = years
    if not found:
        raise refuse(root, "no year of BACI in the folder", f"Expected files that end in {', '.join(_SUFFIXES)}.")
    return found, f"{root.name}/ ({len(found)} files)"


def _is_data(file: Path) -> bool:
    return file.name.lower().endswith(_SUFFIXES) and file.name[0] not in "._" and not _CODES.match(file.name)


def _parts(folder: Path, root: Path, depth: int, notes: list[str]) -> list[Path]:
    """Files of a folder's partitions, however deep; a link within the tree would be read twice, so it is left out."""
    out: list[Path] = []
    for entry in sorted(folder.iterdir()):
        partition = bool(_PARTITION.fullmatch(entry.name)) and entry.is_dir()
        if not partition and not (depth and entry.is_file() and _is_data(entry)):
            continue
        refuse_link_out(entry, root)
        if entry.is_symlink():
            notes.append(f"{entry.name[:60]} is a link within the folder: not read")
        elif not partition:
            out.append(entry)
        elif depth < _DEEPEST:
            out += _parts(entry, root, depth + 1, notes)
        else:
            raise refuse(root, "partitions within partitions beyond all measure", f"{_DEEPEST} levels at most.")
    return out


def country_file_in(path: object) -> Path | None:
    """CEPII's ``country_codes_V....csv`` where it lies in the folder."""
    if not isinstance(path, (str, Path)) or not Path(path).is_dir():
        return None
    file = next(iter(sorted(Path(path).glob("country_codes*.csv"))), None)
    if file is not None:
        refuse_link_out(file, path)
    return file


def year_of(name: str, file: Path, year: int | None) -> int:
    """Year of a file without a column for it: the caller's, its partition's, or the one in its name."""
    if year is not None:
        return year
    above = (re.fullmatch(r"(?:t|year|period)=(\d{4})", p.name, re.IGNORECASE) for p in file.parents)
    hit = next((h for h in above if h), None) or _YEAR.search(Path(name).stem)
    if hit:
        return int(hit[1])
    raise refuse(file, "no column for the year, and none in the name", "Give year=.", name)


def check_amounts(file: Path, columns: list[str], roles: Mapping[str, str], report: Report) -> None:
    """A file of quantities alone is said to be one; a column that looks like the value under another name is refused.

    Raises
    ------
    SourceError
        A column such as ``v_kusd`` beside no column of value: whether it is in USD or in thousands nobody can tell.
    """
    if {"v", "usd"} & set(roles):
        return
    spare = [c for c in columns if c not in roles.values()]
    like = [c for c in spare if _LIKE_VALUE.search(c.strip())]
    if like:
        remedy = "Rename it: v is thousand USD, value_usd is USD; or drop it, and read the quantities alone."
        raise refuse(file, "no known column of value, but one that looks like it", remedy, ", ".join(like[:5])[:200])
    rest = f"; columns not read: {', '.join(c[:40] for c in spare[:8])}" if spare else ""
    report.notes.append(f"{file.name}: no column of value, so its flows have quantities alone{rest}")

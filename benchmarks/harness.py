"""What a case is, and how it is timed.

A case is one decorated function in a file of ``cases/``. Given a size and a seed it prepares its input once and
returns, for each phase, the contestants: ``"supplyrisk"`` and at least one named peer or limit, each a callable
without arguments. The contestants of a phase run in turn (A B A B ...), so that a ratio holds when the machine's
speed drifts; peak memory is measured apart, in a forked child per contestant.

A timing never fails a test: a case may state what ratio it aims at, and the table says whether this run met it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from supplyrisk.compiled import route
from supplyrisk.registry import registries

__all__ = ["Case", "Missing", "Stopped", "benchmark", "cases", "compare", "environment", "measure", "render"]

OURS = "supplyrisk"
Contestants = Mapping[str, Callable[[], Any]]
Phases = Mapping[str, Contestants]


class Missing(Exception):
    """A case cannot run here; the message says which package it lacks."""


@dataclass(frozen=True)
class Stopped:
    """What a contestant returns that was stopped early: the seconds that its whole run takes at the pace it had."""

    seconds: float


@dataclass(frozen=True)
class Case:
    """A frozen spec: sizes by letter, repetitions, and the ratio aimed at for each phase."""

    name: str
    prepare: Callable[..., Phases]
    sizes: Mapping[str, Mapping[str, Any]]
    aims: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    repeat: int = 5
    memory: bool = True
    aimed: str = "SML"

    @property
    def summary(self) -> str:
        """First line of the case's docstring."""
        return (self.prepare.__doc__ or "").strip().split("\n", 1)[0]


def benchmark(
    *,
    sizes: Mapping[str, Mapping[str, Any]],
    aims: Mapping[str, tuple[str, float]] | None = None,
    repeat: int = 5,
    memory: bool = True,
    aimed: str = "SML",
) -> Callable[[Callable[..., Phases]], Callable[..., Phases]]:
    """Register a case.

    Parameters
    ----------
    sizes : mapping
        ``"S"``, ``"M"``, ``"L"`` to the keyword arguments of the function.
    aims : mapping, optional
        Phase to ``(peer, ratio)``: our median time over the peer's is meant to be at most that.
    repeat : int
        Counted runs of each contestant.
    memory : bool
        False where a contestant keeps threads of its own, which do not live on in a forked child.
    aimed : str
        Letters of the sizes for which the aims are.
    """

    def register(function: Callable[..., Phases]) -> Callable[..., Phases]:
        case = Case(function.__name__, function, sizes, aims or {}, repeat, memory, aimed)
        registries["benchmark"].add(function, case=case)
        return function

    return register


def cases() -> dict[str, Case]:
    """All cases by name; importing a case file needs no peer to be installed."""
    package = importlib.import_module("benchmarks.cases")
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        importlib.import_module(f"benchmarks.cases.{info.name}")
    return {entry.name: entry.meta["case"] for entry in registries["benchmark"]}


def environment() -> dict[str, Any]:
    """Machine and versions that the figures belong to."""
    versions = {}
    for name in (
        "supplyrisk",
        "numpy",
        "pandas",
        "pyarrow",
        "scipy",
        "networkx",
        "pint",
        "pyomo",
        "highspy",
        "linopy",
        "cvxpy",
        "clarabel",
        "duckdb",
        "polars",
        "pymrio",
        "numba",
    ):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "route": route(1 << 30),
        "versions": versions,
    }


def _peak(call: Callable[[], Any]) -> float | None:
    """Peak resident memory in MiB that a call adds, in a forked child; None where the system cannot fork."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return None
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:  # the child: its own peak, from the resident size it starts with
        code = 1
        try:
            os.close(read)
            before = _resident()
            call()
            grown = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before, 0.0)
            os.write(write, f"{grown:.3f}".encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return float(text) if text else None


def _resident() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(
    case: Case, size: str, seed: int = 0, repeat: int | None = None, memory: bool = True
) -> list[dict[str, Any]]:
    """Run all phases of a case at one size.

    Parameters
    ----------
    case : Case
        The case.
    size : str
        Letter of the size.
    seed : int
        Given to the case.
    repeat : int, optional
        Counted runs of each contestant; default as the case says.
    memory : bool
        Measure peak memory too.

    Returns
    -------
    list of dict
        A row per phase and contestant: median, minimum, maximum and quartile spread in seconds, peak in MiB, and for
        our own rows the median of the pairwise ratios to each peer.
    """
    phases = case.prepare(seed=seed, **case.sizes[size])
    rows: list[dict[str, Any]] = []
    for phase, contestants in phases.items():
        n = repeat or case.repeat
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        stopped: set[str] = set()
        for round_ in range(n + 1):  # the first round warms up and is not counted
            for name, call in contestants.items():
                told = None  # what the one before gave is freed outside of this one's time
                gc.collect()
                start = time.perf_counter()
                told = call()
                spent = time.perf_counter() - start
                if isinstance(told, Stopped):
                    spent = told.seconds
                    stopped.add(name)
                if round_ or n == 1:
                    seconds[name].append(spent)
        if n == 1:
            seconds = {k: v[-1:] for k, v in seconds.items()}
        peaks = {name: _peak(call) for name, call in contestants.items()} if memory and case.memory else {}
        for name, times in seconds.items():
            quartiles = statistics.quantiles(times, n=4) if len(times) > 1 else [times[0]] * 3
            row: dict[str, Any] = {
                "case": case.name,
                "size": size,
                "phase": phase,
                "contestant": name,
                "runs": len(times),
                "median_s": statistics.median(times),
                "min_s": min(times),
                "max_s": max(times),
                "spread": (quartiles[2] - quartiles[0]) / statistics.median(times) if statistics.median(times) else 0.0,
                "peak_mib": peaks.get(name),
                "stopped": name in stopped,
            }
            if name == OURS:
                row["ratio_to"] = {
                    peer: statistics.median(a / b for a, b in zip(times, other, strict=True) if b > 0)
                    for peer, other in seconds.items()
                    if peer != OURS and any(b > 0 for b in other)
                }
                aim = case.aims.get(phase) if size in case.aimed else None
                if aim is not None and aim[0] in row["ratio_to"]:
                    row["aim"] = {"peer": aim[0], "ratio": aim[1], "met": row["ratio_to"][aim[0]] <= aim[1]}
            rows.append(row)
    return rows


def render(rows: list[dict[str, Any]]) -> str:
    """The rows as a table for people."""
    out = [
        f"{'case':26} {'size':4} {'phase':12} {'contestant':18} {'median':>10} {'spread':>7} {'peak MiB':>9}  ratio to peers"
    ]
    for r in rows:
        name = r["contestant"] + ("*" if r.get("stopped") else "")
        peak = f"{r['peak_mib']:9.1f}" if r.get("peak_mib") is not None else f"{'-':>9}"
        ratio = ", ".join(f"{p} {v:.2f}x" for p, v in r.get("ratio_to", {}).items())
        if "aim" in r:
            ratio += f"  [aim: {r['aim']['ratio']:g}x {r['aim']['peer']}: {'met' if r['aim']['met'] else 'missed'}]"
        out.append(
            f"{r['case']:26} {r['size']:4} {r['phase']:12} {name:18} {_seconds(r['median_s']):>10} "
            f"{r['spread']:7.0%} {peak}  {ratio}"
        )
    if any(r.get("stopped") for r in rows):
        out.append("* stopped early; the time of its whole run at that pace")
    return "\n".join(out)


def _seconds(s: float) -> str:
    return f"{s:.3f} s" if s >= 1 else f"{s * 1e3:.2f} ms" if s >= 1e-3 else f"{s * 1e6:.1f} us"


def compare(old: Path, new: Path) -> tuple[str, float]:
    """Table of how our ratios to the peers moved between two result files, and the worst factor.

    Parameters
    ----------
    old, new : Path
        JSON files of ``run``.

    Returns
    -------
    tuple of (str, float)
        Ratios are compared, not seconds: the peers ran beside us both times, so the machines may differ.
    """

    def ratios(path: Path) -> dict[tuple[str, str, str, str], float]:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {
            (r["case"], r["size"], r["phase"], p): v for r in data["results"] for p, v in r.get("ratio_to", {}).items()
        }

    a, b = ratios(old), ratios(new)
    lines = [f"{'case':26} {'size':4} {'phase':12} {'peer':18} {'old':>8} {'new':>8} {'factor':>7}"]
    worst = 0.0
    for key in sorted(a.keys() | b.keys()):
        if key not in a or key not in b:
            lines.append(
                f"{key[0]:26} {key[1]:4} {key[2]:12} {key[3]:18} {'only in ' + ('new' if key in b else 'old'):>25}"
            )
            continue
        change = b[key] / a[key]
        worst = max(worst, change)
        lines.append(f"{key[0]:26} {key[1]:4} {key[2]:12} {key[3]:18} {a[key]:8.3f} {b[key]:8.3f} {change:7.2f}")
    return "\n".join(lines), worst

"""``python -m benchmarks run | smoke | list | compare OLD NEW``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from supplyrisk.compiled import LARGE, route
from supplyrisk.errors import UnknownNameError, unknown_name

from .harness import Missing, cases, compare, environment, measure, render


def _run(names: list[str], sizes: str, seed: int, repeat: int | None, memory: bool, out: Path | None) -> int:
    known = cases()
    for name in names:
        if name not in known:
            raise unknown_name("case", name, known)
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for name in names or sorted(known):
        case = known[name]
        for size in sizes:
            if size not in case.sizes:
                continue
            try:
                got = measure(case, size, seed, repeat, memory)
            except Missing as why:
                skipped[f"{name} {size}"] = str(why)
                continue
            rows += got
            sys.stderr.write(f"{name} {size}: done\n")
    sys.stdout.write(render(rows) + "\n")
    sys.stdout.write(f"route of supplyrisk from {LARGE:,} rows on: {route(LARGE)}\n")
    for label, lack in skipped.items():
        sys.stdout.write(f"skipped {label}: {lack}\n")
    if out is not None:
        payload = {"seed": seed, "environment": environment(), "results": rows, "skipped": skipped}
        out.write_text(json.dumps(payload, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"wrote {out}\n")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; exit code 0 whatever the timings, 1 only where ``compare --fail-above`` asks for it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sub = parser.add_subparsers(dest="command", required=True)
    run = sub.add_parser("run", help="time cases against their peers")
    run.add_argument("cases", nargs="*", help="names; default all")
    run.add_argument("--sizes", default="SM", help="letters out of S, M, L (default SM)")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--repeat", type=int, default=None, help="counted runs of each contestant")
    run.add_argument("--no-memory", action="store_true", help="do not measure peak memory")
    run.add_argument("--out", type=Path, default=None, help="write JSON with machine and versions")
    smoke = sub.add_parser("smoke", help="every case once, smallest size: does it still run?")
    smoke.add_argument("--seed", type=int, default=0)
    sub.add_parser("list", help="the cases")
    comp = sub.add_parser("compare", help="how the ratios moved between two result files")
    comp.add_argument("old", type=Path)
    comp.add_argument("new", type=Path)
    comp.add_argument("--fail-above", type=float, default=None, help="exit 1 if a ratio grew by more than this factor")
    args = parser.parse_args(argv)
    try:
        if args.command == "run":
            return _run(args.cases, args.sizes.upper(), args.seed, args.repeat, not args.no_memory, args.out)
        if args.command == "smoke":
            return _run([], "S", args.seed, 1, False, None)
        if args.command == "list":
            for name, case in sorted(cases().items()):
                sys.stdout.write(f"{name:26} {'/'.join(case.sizes):6} {case.summary}\n")
            return 0
        table, worst = compare(args.old, args.new)
    except (UnknownNameError, OSError) as err:
        sys.stderr.write(f"{err}\n")
        return 2
    sys.stdout.write(table + "\n")
    return int(args.fail_above is not None and worst > args.fail_above)


if __name__ == "__main__":
    sys.exit(main())

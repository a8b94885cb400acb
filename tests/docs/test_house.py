"""The plan of the house holds: layers, where a library may be imported, what an import does."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "supplyrisk"
LAYERS = {
    "arguments": 0,
    "columns": 0,
    "compiled": 0,
    "errors": 0,
    "units": 0,
    "schema": 0,
    "registry": 0,
    "jurisdictions": 0,
    "intervals": 0,
    "kernels": 0,
    "lifecycle": 0,
    "linked": 0,
    "entry": 1,
    "accounts": 1,
    "byproducts": 1,
    "dating": 1,
    "ordering": 1,
    "celltext": 1,
    "overlays": 1,
    "storage": 1,
    "retained": 1,
    "vintages": 1,
    "indexing": 1,
    "selecting": 1,
    "graph": 1,
    "control": 2,
    "ownership": 2,
    "binding": 2,
    "books": 2,
    "bounding": 2,
    "equilibrate": 2,
    "exporters": 2,
    "exposure": 2,
    "feeding": 2,
    "uses": 2,
    "inputs": 2,
    "flows": 2,
    "formats": 2,
    "graphml": 2,
    "grounds": 2,
    "hands": 2,
    "holdings": 2,
    "ledger": 2,
    "lookthrough": 2,
    "mixing": 2,
    "nominal": 2,
    "paths": 2,
    "posting": 2,
    "reconcile": 2,
    "remainder": 2,
    "sharing": 2,
    "implied": 2,
    "tracing": 2,
    "drawing": 2,
    "ties": 2,
    "settled": 2,
    "resorts": 2,
    "ensemble": 2,
    "earlier": 2,
    "voting": 2,
    "metrics": 2,
    "assemble": 2,
    "sources": 2,
    "atlas": 2,
    "shocks": 3,
    "portfolio": 4,
    "plots": 5,
    "report": 5,
    "cli": 6,
    "__main__": 6,
}
ONLY_IN = {
    "pint": "units.py",
    "networkx": "graph.py",
    "pyomo": "portfolio/",
    "highspy": "portfolio/",
    "matplotlib": "plots",
}


def modules():
    return sorted(p for p in PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path):
    """(absolute module, line, at the top of the file) of every import; type-checking imports do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["supplyrisk", *path.relative_to(PACKAGE).with_suffix("").parts]
    if package[-1] == "__init__":
        package = package[:-1]
        base = package
    else:
        base = package[:-1]
    typing_only: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only |= {id(n) for child in node.body for n in ast.walk(child)}
    top = {id(n) for n in tree.body}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in top
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                stem = base[: len(base) - node.level + 1]
                module = ".".join([*stem, *(node.module.split(".") if node.module else [])])
                if node.module is None:
                    for alias in node.names:
                        yield f"{module}.{alias.name}", node.lineno, id(node) in top
                    continue
            else:
                module = node.module or ""
            yield module, node.lineno, id(node) in top


def test_every_room_has_a_floor():
    assert {room(p) for p in modules()} - {"__init__"} <= set(LAYERS)


def test_imports_point_down_only():
    wrong = []
    for path in modules():
        here = LAYERS.get(room(path))
        if here is None:
            continue
        for module, line, _ in imports(path):
            parts = module.split(".")
            if parts[0] == "supplyrisk" and len(parts) > 1 and parts[1] in LAYERS and LAYERS[parts[1]] > here:
                wrong.append(
                    f"{path.relative_to(ROOT)}:{line} (floor {here}) imports {module} (floor {LAYERS[parts[1]]})"
                )
    assert not wrong, "\n".join(wrong)


def test_each_library_has_its_room():
    wrong = []
    for path in modules():
        where = path.relative_to(PACKAGE).as_posix()
        for module, line, _ in imports(path):
            library = module.split(".")[0]
            if library in ONLY_IN and not where.startswith(ONLY_IN[library]):
                wrong.append(f"{where}:{line} imports {module}; only {ONLY_IN[library]} may")
    assert not wrong, "\n".join(wrong)


def test_rooms_are_not_halls():
    big = {p.relative_to(ROOT).as_posix(): n for p in modules() if (n := p.read_text().count("\n")) > 1100}
    assert not big, big


IMPORT_PROBE = textwrap.dedent(
    """
    import sys, builtins, socket, logging, io
    import pandas, pyarrow, numpy  # what the package may take for granted
    before = set(sys.modules)
    opened, handlers = [], list(logging.getLogger().handlers)
    def audit(event, args):
        if event == "open" and isinstance(args[0], str) and not args[0].endswith((".py", ".pyc", ".so")):
            opened.append(args[0])
        if event.startswith("socket."):
            opened.append(event)
    sys.addaudithook(audit)
    out = io.StringIO(); sys.stdout = sys.stderr = out
    import supplyrisk
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    heavy = {"pyomo", "highspy", "networkx", "matplotlib", "pint", "scipy", "openpyxl", "pycountry"}
    loaded = {m.split(".")[0] for m in set(sys.modules) - before}
    assert not (loaded & heavy), loaded & heavy
    assert not opened, opened
    assert not out.getvalue(), out.getvalue()
    assert logging.getLogger().handlers == handlers
    """
)


def test_import_is_silent_and_light():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_PROBE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_public_names_resolve_and_are_documented():
    import supplyrisk as sr

    for name in sr.__all__:
        thing = getattr(sr, name)
        if callable(thing):
            assert (thing.__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="load_atlas"):
        sr.load_atlass  # noqa: B018


def test_the_repository_speaks_of_the_project_alone():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    words = [b"/wo" + b"rk/", b"/ro" + b"ot/", b"ETO, Advanced" + b" Semiconductor", b"Pro" + b"TEE"]
    for name in listed.stdout.split():
        path = ROOT / name
        if path.is_file() and path.suffix not in (".png", ".svg"):
            content = path.read_bytes()
            for word in words:
                assert word not in content, (name, word)


NAMES_PROBE = textwrap.dedent(
    """
    import importlib, pkgutil
    import supplyrisk as sr
    for info in sorted(pkgutil.walk_packages(sr.__path__, "supplyrisk."), key=lambda m: m.name):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
    bad = [n for n in sr.__all__ if n != "__version__" and not callable(getattr(sr, n))]
    assert not bad, bad
    """
)


def test_no_module_takes_the_name_of_a_function():
    done = subprocess.run([sys.executable, "-c", NAMES_PROBE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""Docstrings: present, in numpydoc form, and their examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import supplyrisk
from supplyrisk.registry import registries

MODULES = sorted(
    m.name for m in pkgutil.walk_packages(supplyrisk.__path__, "supplyrisk.") if not m.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert not failed


# What a user can reach without an underscore or a detour; helpers of one room follow the room's own taste.
PUBLIC = (
    "assemble",
    "atlas",
    "columns",
    "control",
    "errors",
    "exposure",
    "graph",
    "intervals",
    "jurisdictions",
    "metrics",
    "plots",
    "portfolio",
    "registry",
    "report",
    "schema",
    "shocks",
    "sources",
    "units",
)


def public_functions():
    seen = set()
    for name in PUBLIC:
        module = importlib.import_module(f"supplyrisk.{name}")
        things = [(label, getattr(module, label)) for label in module.__all__]
        if name == "sources":
            module.load_all()
            things += [(e.name, e.function) for e in registries["source"]]
        if name == "graph":
            things += [(f"SupplyGraph.{k}", v) for k, v in vars(module.SupplyGraph).items() if k[0] != "_"]
        for label, thing in things:
            if inspect.isfunction(thing) and id(thing) not in seen:
                seen.add(id(thing))
                yield f"{name}.{label}", thing


def test_public_functions_say_what_they_take_return_and_show():
    lacking = []
    for label, f in public_functions():
        doc = inspect.getdoc(f) or ""
        takes = [p for p in inspect.signature(f).parameters if p != "self"]
        if takes and "Parameters\n---" not in doc:
            lacking.append(f"{label}: Parameters")
        spec = hasattr(f, "entry")  # every measure, lever, constraint and objective returns a Spec
        if (
            not spec
            and inspect.signature(f).return_annotation not in (None, "None")
            and "Returns\n---" not in doc
            and "Yields\n---" not in doc
        ):
            lacking.append(f"{label}: Returns")
    assert not lacking, "\n".join(lacking)


def test_registered_things_state_what_their_kind_requires():
    importlib.import_module("supplyrisk.metrics")
    importlib.import_module("supplyrisk.shocks")
    importlib.import_module("supplyrisk.portfolio")
    for kind, registry in registries.items():
        for entry in registry:
            for need in registry.required:
                assert entry.meta.get(need), (kind, entry.name, need)
            assert entry.summary, (kind, entry.name)

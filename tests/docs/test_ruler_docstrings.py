"""Every measure of the ruler says what it takes, by its real names, and what it gives."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

NAMES = {
    "metrics": "share hhi hhi_normalized concentration_ratio shannon theil evenness effective_suppliers n_minus_1 "
    "governance_weight hhi_governance trade_parameter eu_supply_risk eu_economic_importance substitution_index "
    "geopolrisk net_import_reliance price_response dependency_screen resourcing_ratio asymmetry indispensability "
    "hhi_bounds share_bounds dirichlet_shares ras",
    "exposure": "io_lookthrough face_value origin touch_probability bottleneck free_flow dominators paths",
    "control": "equity majority network_power effective_control",
    "shocks": "esri inoperability",
}
ALL = [(module, name) for module, names in NAMES.items() for name in names.split()]


def documented(doc: str) -> set[str]:
    """Names that stand in the section of parameters."""
    part = re.search(r"^Parameters\n-+\n(.*?)^Returns\n-+", doc, re.S | re.M)
    heads = re.findall(r"^(?=\S)([\w*, ]+?)(?: : .*)?$", part.group(1), re.M) if part else []
    return {x.strip().lstrip("*") for head in heads for x in head.split(",")}


@pytest.mark.parametrize(("module", "name"), ALL)
def test_a_measure_is_documented_in_full(module: str, name: str) -> None:
    function = getattr(importlib.import_module(f"supplyrisk.{module}"), name)
    doc = inspect.getdoc(function) or ""
    assert documented(doc) == set(inspect.signature(function).parameters)
    lower = doc.lower()
    assert "raises\n---" in lower
    assert ">>>" in doc
    assert "missing" in lower
    assert re.search(r"references\n---|source|definition of this|after ", lower)
    assert re.search(r"fraction|dimensionless|\[0, 1\]|unit|percent|nats|name|points|probab", lower)
    assert re.search(r"\[0|\[1|\(0|\[-|\(-inf|0 or more|1 or more|0 to|from 0|above 0|may exceed|0 up", doc)


MORE = [
    ("metrics", name)
    for name in ("score", "explain", "compare", "rank_stability", "gras", "balance", "trade_profile", "persistence")
]


@pytest.mark.parametrize(("module", "name"), ALL + MORE)
def test_notes_say_what_is_done_with_what_is_missing_and_whose_method_it_is(module: str, name: str) -> None:
    doc = inspect.getdoc(getattr(importlib.import_module(f"supplyrisk.{module}"), name)) or ""
    found = re.search(r"^Notes\n-+\n(.*?)(?=^[A-Z][a-z]+\n-+$|\Z)", doc, re.S | re.M)
    assert found
    notes = found.group(1)
    assert "issing" in notes
    assert re.search(r"Source|[Dd]efinition|after [A-Z]|this library", notes) or "References\n---" in doc

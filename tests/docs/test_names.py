"""The names under which every standard measure is found, and what each of their docstrings must say."""

from __future__ import annotations

import inspect
import re

import pytest

import supplyrisk as sr
from supplyrisk.registry import registries

NAMES = {
    "metrics": (
        "share", "hhi", "hhi_normalized", "concentration_ratio", "shannon", "theil", "evenness", "effective_suppliers",
        "n_minus_1", "governance_weight", "hhi_governance", "trade_parameter", "eu_supply_risk",
        "eu_economic_importance", "substitution_index", "geopolrisk", "net_import_reliance", "price_response",
        "dependency_screen", "resourcing_ratio", "asymmetry", "indispensability", "hhi_bounds", "share_bounds",
        "dirichlet_shares", "ras",
    ),
    "exposure": (
        "io_lookthrough", "face_value", "origin", "touch_probability", "bottleneck", "free_flow", "dominators", "paths",
    ),
    "control": ("equity", "majority", "network_power", "effective_control"),
    "shocks": ("esri", "inoperability"),
}  # fmt: skip
FURTHER = (
    "EU27", "SCREENS", "Value", "balance", "doe_type", "eu_group_supply_risk", "eu_import_reliance",
    "eu_material_supply_risk", "expected_loss", "gras", "nassar_type", "nstc_screen", "persistence", "trade_parameters",
    "trade_profile", "vulnerability_profile", "yale_concentration", "yale_magnitude",
)  # fmt: skip
ALL = [(room, name) for room, names in NAMES.items() for name in names]

# What a docstring must hold. Unit and range of a registered metric are fields of its entry, its formula may be words.
SAYS = {
    "formula": r"=|:math:|[Ll]argest|[Nn]odes that everything|product of|exceed",
    "unit": r"[Dd]imensionless|[Uu]nit|[Pp]ercent|[Ff]raction|[Pp]oints|[Ss]hares?\b|[Pp]robabilit|nats|[Ii]n \[0|[Nn]ame",
    "range": r"[\[(]-?(0|1|inf)|0 to 1|[Ff]ractions|1 or more|1 for one|[Ll]ist of|[Nn]ame of|samples, suppliers|NaN",
    "missing data": r"[Mm]issing|NaN|not known|[Uu]n(known|named|identified)|undefined|[Nn]egative|Empty|gap",
    "source": r"[Ss]ource|\((1[89]|20)\d\d|[Dd]efinition of this library|[Tt]extbook|[Dd]efined here",
    "example": r">>> ",
}
SECTIONS = ("Parameters", "Returns", "Raises", "Examples")


def reached(room, name):
    return getattr(getattr(sr, room), name)


@pytest.mark.parametrize(("room", "name"), ALL, ids=[f"{r}.{n}" for r, n in ALL])
def test_each_measure_says_what_it_is(room, name):
    f = reached(room, name)
    assert callable(f)
    doc = inspect.getdoc(f) or ""
    lacking = {what for what, pattern in SAYS.items() if not re.search(pattern, doc)}
    if name in registries["metric"]:
        entry = registries["metric"][name]
        assert entry.unit
        assert entry.reference
        assert entry.bounds[0] <= entry.bounds[1]
        lacking -= {"unit", "range", "source"}
    lacking |= {title for title in SECTIONS if f"{title}\n{'-' * len(title)}\n" not in doc}
    assert not lacking, f"sr.{room}.{name}: {sorted(lacking)}"


def test_further_methods_are_found_and_nonsense_gets_close_names():
    for name in (*FURTHER, *sr.metrics.__all__):
        assert getattr(sr.metrics, name) is not None, name
    assert set(FURTHER) <= set(dir(sr.metrics))
    with pytest.raises(AttributeError, match="eu_supply_risk"):
        sr.metrics.eu_supply_risks  # noqa: B018


def test_the_orders_rules_and_arguments_that_are_asked_for_exist():
    effective = [sr.metrics.effective_suppliers([1.0, 1.0], order=o) for o in (1, 2, float("inf"))]
    assert effective == pytest.approx([2, 2, 2])
    assert set(sr.metrics.SCREENS) == {"EC2021", "HJS2020", "MERICS2020", "MERICS2024", "CEPII", "EU65"}
    assert {"to", "via", "k"} <= set(inspect.signature(sr.exposure.paths).parameters)


def test_methods_list_everything_with_unit_range_reference_and_evidence():
    table = sr.methods()
    assert table.index.is_unique
    calls = set(table["call"])
    for room, name in ALL:
        assert f"{room}.{name}" in calls, name
    for call in calls - {"score"}:
        room, name = call.split(".")
        assert callable(reached(room, name)), call
    ours = table[table["call"] != "score"]
    assert (ours["unit"] != "").all()
    assert (ours["reference"] != "").all()
    assert ours["evidence"].isin(list("VRTSUD")).all()
    named = ours[ours["unit"] != "-"]
    assert (named["low"] <= named["high"]).all()
    assert set(sr.methods(True).index) <= set(table.index)
    assert sr.methods(True)["shown"].all()

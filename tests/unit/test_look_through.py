"""Naive against look-through on the atlas, by the code of the notebook that shows it: nickel of Indonesia, cobalt of Congo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "09_look_through.ipynb"


@pytest.fixture(scope="module")
def cases() -> dict[str, dict[str, Any]]:
    """Names after each comparison of the notebook."""
    known: dict[str, Any] = {}
    out: dict[str, dict[str, Any]] = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and "print(" not in code:
            exec(compile(code, str(NOTEBOOK), "exec"), known)
            if "compare(g" in code or "compare(case" in code:
                out["nickel" if "nickel" in code else "cobalt"] = dict(known)
    return out


@pytest.mark.parametrize(("metal", "place", "cap"), [("nickel", "IDN", 0.02), ("cobalt", "COD", 0.30)])
def test_the_naive_plan_moves_into_chinese_held_capacity_and_the_other_does_not(
    cases: dict[str, dict[str, Any]], metal: str, place: str, cap: float
) -> None:
    case = cases[metal]
    plans, where, covered = case["plans"], case["where"], case["COVERED"]
    naive, through = plans["map"], plans["look-through"]
    # The cap of the map binds, and makes another plan than none would.
    assert any("location" in b for b in naive.binding)
    assert naive.objective_value > plans["no cap"].objective_value * (1 + 1e-6)
    # It moves into what Chinese groups hold: China can stop no less than today, and than without the cap.
    china = naive.share("control")
    assert china["after"] >= china["before"] - 1e-9
    assert china["after"] >= plans["no cap"].share("control")["after"] - 1e-9
    assert where.at[place, "map"] >= where.at[place, "no cap"] - 1e-6
    # The other keeps to the cap in fact, leaves that place, and costs more.
    assert through.share("control", covered)["after"] <= cap + 1e-6
    assert where.at[place, "look-through"] < where.at[place, "map"]
    assert case["extra"] > 0
    assert case["extra"] == pytest.approx(through.objective_value - naive.objective_value)


def test_the_cost_of_the_difference_is_printed_in_money_of_a_year() -> None:
    printed = [
        "".join(o.get("text", ""))
        for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
        for o in cell.get("outputs", [])
    ]
    told = [t for t in printed if "The difference costs" in t]
    assert len(told) == 2
    assert all("USD of 2024 a year" in t and "binds: max_share" in t for t in told)

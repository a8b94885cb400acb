"""Golden LP files of forms that the word alone does not show: robust, over kept re-exports, in years, with unmet need."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import supplyrisk.portfolio as sp
from supplyrisk.portfolio import Portfolio
from tests.golden.test_plan_lp import P, constrained, tiny

FOLDER = Path(__file__).parent / "plan_lp"


def relayed() -> Portfolio:
    """The Netherlands pass on what China and Australia make."""
    graph = tiny()
    pool = {"node": f"{P}@NLD:demand", "product": P, "country": "NLD", "kind": "demand", "year": 2024}
    flows = [("CHN", "NLD", 3.0), ("AUS", "NLD", 1.0), ("NLD:demand", "USA", 4.0)]
    fact = {"product": P, "year": 2024, "method": "observed", "grade": "assumption"}
    links = [{"supplier": f"{P}@{a}", "buyer": f"{P}@{b}:demand", "quantity": q} | fact for a, b, q in flows]
    more = {"nodes": pd.DataFrame([pool]), "links": pd.DataFrame(links)}
    graph = graph.replace(**{k: pd.concat([graph.tables[k], v], ignore_index=True) for k, v in more.items()})
    return sp.optimize(graph, "USA", product=P, levers=sp.resource(redirect=1.0), constraints=sp.max_share("CHN", 0.4))


def years() -> Portfolio:
    """A cap that holds from the second of two years on, over a plant that takes one."""
    cap = sp.during(sp.max_share("CHN", 0.5), 2028)
    levers = [sp.resource(), sp.build()]
    return sp.optimize(tiny(), "USA", product=P, levers=levers, constraints=cap, horizon=(2027, 2028), discount=0.1)


CASES: dict[str, Callable[[], Portfolio]] = {
    "max_share-gamma": lambda: constrained(sp.max_share("CHN", 0.9, view="equity", gamma=1.0)),
    "max_share-relayed": relayed,
    "max_share-years": lambda: years(),
    "max_hhi-unmet": lambda: sp.optimize(
        tiny(), "USA", product=P, levers=[sp.resource(), sp.unmet(9.0)], constraints=sp.max_hhi(0.5)
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden_lp(name: str, tmp_path: Path) -> None:
    written = tmp_path / "plan.lp"
    CASES[name]().model.write(str(written), io_options={"symbolic_solver_labels": True})
    text = written.read_text(encoding="utf-8")
    golden = FOLDER / f"constraint-{name}.lp"
    if os.environ.get("SUPPLYRISK_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")

"""Values have intervals, stated or by grade and age, and shares by value inherit them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError

P = "ndfeb.magnet"


def assembled(**bounds: Any) -> Any:
    goods = pd.DataFrame(
        [{"product": P, "name": P, "commodity": "ndfeb", "chain": "magnets", "stage": "component", "unit": "t",
          "basis": "gross", "period": "year"}]
    )  # fmt: skip
    trade = pd.DataFrame({"hs6": "850511", "origin": ["CHN", "DEU"], "destination": "USA", "year": 2024})
    trade = trade.assign(quantity=[75.0, 25.0], value=[300.0, 100.0], grade="A", source="customs", **bounds)
    made = pd.DataFrame({"product": P, "country": ["CHN", "DEU"], "year": 2024, "quantity": [90.0, 30.0]})
    source = {"source": "customs", "title": "Customs", "licence": "open", "licence_class": "facts"}
    return sr.assemble(
        products=goods,
        production=made.assign(grade="assumption"),
        trade=trade,
        concordance=pd.DataFrame([{"hs6": "850511", "product": P, "factor": 1.0, "purity": 1.0}]),
        tables={"sources": pd.DataFrame([source])},
        as_of="2024-12-31",
    )


def share(g: Any) -> tuple[float, float, float]:
    s = sr.score(g, focal="CHN", by=["product", "buyer"], market="import_value", bounds=True).reset_index()
    row = s[(s["buyer"] == "USA") & (s["view"] == s["view"].iloc[0])].iloc[0]
    return row["focal_share"], row["focal_share_low"], row["focal_share_high"]


def test_a_share_by_value_is_as_wide_as_the_grade_of_its_values() -> None:
    value, low, high = share(assembled())
    assert value == pytest.approx(0.75)
    assert low == pytest.approx(0.95 * 300 / (0.95 * 300 + 1.05 * 100))
    assert high == pytest.approx(1.05 * 300 / (1.05 * 300 + 0.95 * 100))


def test_stated_bounds_of_values_reach_the_share() -> None:
    value, low, high = share(assembled(value_low=[200.0, 100.0], value_high=[300.0, 200.0]))
    assert value == pytest.approx(0.75)
    assert (low, high) == pytest.approx((0.5, 0.75))


def test_bounds_of_values_come_back_from_every_format(tmp_path: Path) -> None:
    g = assembled(value_low=[200.0, np.nan], value_high=[310.0, np.nan])
    seen = g.links[g.links["value"].notna()].set_index("supplier")
    assert seen.loc[f"{P}@CHN", ["value_low", "value_high"]].tolist() == [200.0, 310.0]
    for name, kind in (
        ("a.json", None),
        ("a.xlsx", None),
        ("a.sqlite", None),
        ("a.graphml", None),
        ("c", "csv"),
        ("p", "parquet"),
    ):
        back = sr.read(sr.write(g, tmp_path / name, kind))
        assert back.fingerprint == g.fingerprint
        pd.testing.assert_frame_equal(back.links, g.links)


def test_tables_without_bounds_of_values_still_load_and_are_the_same_graph() -> None:
    g = assembled()
    tables = {n: f.drop(columns=["value_low", "value_high"], errors="ignore") for n, f in g.tables.items() if len(f)}
    again = sr.SupplyGraph.from_tables(**tables, name=g.name, as_of=g.as_of)
    assert again.fingerprint == g.fingerprint


def test_bounds_of_values_on_the_wrong_side_are_refused() -> None:
    with pytest.raises(SchemaError, match="value_low"):
        assembled(value_low=[310.0, 90.0])

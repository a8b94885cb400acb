"""Cells and files that no statistic should hold, and some do: read, flagged or refused in words."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError

S = sr.sources
FLOW = {"period": "2022", "reporterISO": "USA", "partnerISO": "CHN", "flowCode": "M", "cmdCode": "850511",
        "primaryValue": 100, "netWgt": 1000, "classificationCode": "H6"}  # fmt: skip
BGS = {"year": "2023-01-01", "bgs_statistic_type_trans": "Production", "bgs_commodity_trans": "gallium, primary",
       "country_trans": "China", "country_iso3_code": "CHN", "quantity": 600, "units": "tonnes (metric)"}  # fmt: skip


def features(*rows):
    return {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": r} for r in rows]}


def save(folder, name, content):
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_half_a_character_is_shown_and_noted(tmp_path):
    r = S.comtrade(save(tmp_path, "a.json", {"data": [FLOW, {**FLOW, "partnerISO": "\ud800", "primaryValue": 50}]}))
    assert r.inputs["trade"]["value"].tolist() == [100.0]
    assert [u["name"] for u in r.report.unmapped] == ["\ufffd"]
    r = S.bgs(save(tmp_path, "b.json", features({**BGS, "concat_figure_notes_text": "\ud800 estimate"})))
    assert r.inputs["production"]["quantity"].tolist() == [600_000.0]
    assert any("half a character" in n for n in r.report.notes)


def test_half_a_character_in_a_table_is_a_problem_of_its_row():
    p = "gallium.refined"
    goods = pd.DataFrame([{"product": p, "name": "Ga\udc00", "commodity": "gallium", "chain": "gallium", "stage": "refine",
                           "unit": "kg", "basis": "contained", "period": "year"}], dtype=object)  # fmt: skip
    nodes = pd.DataFrame([{"node": f"{p}@CHN", "product": p, "country": "CHN", "kind": "producer", "year": 2024,
                           "note": "\ud800"}], dtype=object)  # fmt: skip
    with pytest.raises(SchemaError, match="half a character") as told:
        sr.SupplyGraph.from_tables(products=goods, nodes=nodes)
    assert [(x.table, x.column) for x in told.value.problems] == [("products", "name"), ("nodes", "note")]
    str(told.value).encode()

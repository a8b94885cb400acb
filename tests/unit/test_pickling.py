"""Graphs and readings go to other processes and into caches: pickle and deepcopy keep all that was said."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import pickle

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SchemaError
from supplyrisk.intervals import IntervalPolicy

WAYS = {"pickle": lambda x: pickle.loads(pickle.dumps(x)), "deepcopy": copy.deepcopy, "copy": copy.copy}


def same(a, b):
    assert type(a) is type(b)
    assert set(a.tables) == set(b.tables)
    for name, frame in a.tables.items():
        pd.testing.assert_frame_equal(frame, b.tables[name])


@pytest.mark.parametrize("way", WAYS)
def test_a_graph_comes_back_whole(atlas, way):
    policy = IntervalPolicy(per_year=0.02)
    own = pd.DataFrame([{"product": "ndfeb.magnet", "node": "ndfeb.magnet@JPN", "country": "JPN", "kind": "producer",
                         "year": 2024, "output": 1.0, "output_source": "own", "output_grade": "B"}])  # fmt: skip
    register = pd.DataFrame([{"source": "own", "title": "t", "licence": "l", "licence_class": "private"}])
    g = dataclasses.replace(atlas.overlay({"nodes": own, "sources": register}, name="own"), policy=policy)
    assert g.index.n  # arrays that were worked out stay behind
    h = WAYS[way](g)
    same(g, h)
    assert (h.name, h.as_of, h.history, h.fingerprint) == (g.name, g.as_of, g.history, g.fingerprint)
    assert dict(h.policy.by_grade) == dict(policy.by_grade)
    assert h.policy.per_year == 0.02
    assert list(h.beneath) == list(g.beneath)
    assert h.beneath
    if way != "copy":
        assert "index" not in vars(h)
    pd.testing.assert_frame_equal(h.index.links, g.index.links)


def test_a_deep_copy_shares_nothing(atlas):
    h = copy.deepcopy(atlas)
    assert all(h.tables[t] is not atlas.tables[t] for t in atlas.tables)


@pytest.mark.parametrize("way", WAYS)
def test_a_reading_and_its_report_come_back(tmp_path, way):
    file = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    file.write_text("t,i,j,k,v,q\n2024,156,842,850511,745.5,10\n2024,9999,842,850511,255.25,5\n")
    r = sr.sources.baci(file)
    s = WAYS[way](r)
    same(r, s)
    assert s.report == r.report
    assert str(s.report) == str(r.report)
    pd.testing.assert_frame_equal(s.data, r.data)
    for key, frame in r.inputs.items():
        pd.testing.assert_frame_equal(frame, s.inputs[key])


def _nodes(graph):
    return len(graph.index.nodes)


def test_another_process_reads_the_graph(atlas):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_nodes, [atlas]) == [_nodes(atlas)]


def test_an_inter_country_table_comes_back(tmp_path):
    file = tmp_path / "icio.csv"
    file.write_text("V1,CHN_A,JPN_A,CHN_HFCE,OUT\nCHN_A,1,2,7,10\nJPN_A,3,1,1,5\nVA,6,2,,\nOUT,10,5,,\n")
    table = sr.sources.inter_country_table(file)
    again = pickle.loads(pickle.dumps(table))
    pd.testing.assert_frame_equal(again.z, table.z)
    assert again.report == table.report


def test_a_score_travels_without_the_graph_behind_it(atlas):
    scores = sr.score(atlas, by="product", view="control")
    back = pickle.loads(pickle.dumps(scores))
    pd.testing.assert_frame_equal(back, scores)
    assert back.attrs["focal"] == "CHN"
    with pytest.raises(SchemaError, match="score"):
        sr.explain(back, "nickel.refined")

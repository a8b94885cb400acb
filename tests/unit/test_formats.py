"""Files and back: equal fingerprints for every format; what may not be passed on stays."""

from __future__ import annotations

import json
import sqlite3
import sys
import zipfile

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplyrisk import celltext, formats
from supplyrisk.errors import SchemaError, SourceError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.intervals import IntervalPolicy
from supplyrisk.schema import TABLES
from tests.graphs import graphs, make

ENDING = {"parquet": "", "csv": "_csv", "xlsx": ".xlsx", "sqlite": ".sqlite", "graphml": ".graphml", "json": ".json"}
NASTY = [
    "=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "'quoted", "\tx", "bell\x07", "_x0007_", "line\nbreak", "carriage\r\nreturn",
    'quote " and , comma', "<b>&amp;]]>", "NA", "null", "nan", "1e5", "007", "\U0001f600", "é", "TRUE", "#N/A",
]  # fmt: skip


def same(a: SupplyGraph, b: SupplyGraph) -> None:
    assert a.fingerprint == b.fingerprint
    assert (a.name, a.as_of, a.history) == (b.name, b.as_of, b.history)


def with_notes(texts) -> SupplyGraph:
    g = make(3)
    notes = pd.Series([texts[k % len(texts)] for k in range(len(g.nodes))], dtype="object")
    return g.replace(nodes=g.nodes.assign(note=notes))


@pytest.mark.parametrize("name", formats.FORMATS)
@settings(max_examples=3)
@given(graph=graphs())
def test_round_trip_of_random_graphs(name, graph, tmp_path_factory):
    place = tmp_path_factory.mktemp("g") / f"g{ENDING[name]}"
    same(graph, formats.read(formats.write(graph, place, name)))


@pytest.mark.parametrize("name", formats.FORMATS)
def test_round_trip_of_the_atlas(name, atlas, tmp_path):
    place = tmp_path / f"g{ENDING[name]}"
    same(atlas, formats.read(formats.write(atlas, place, name)))


@pytest.mark.parametrize("name", formats.FORMATS)
def test_awkward_text_and_numbers(name, tmp_path):
    g = with_notes(NASTY)
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 123456789.12345679, 0.0]
    nodes = g.nodes
    made = nodes["output"].notna()
    nodes.loc[made, "capacity"] = [values[k % len(values)] for k in range(int(made.sum()))]
    g = g.replace(nodes=nodes)
    back = formats.read(formats.write(g, tmp_path / f"g{ENDING[name]}", name))
    same(g, back)
    assert sorted(back.nodes["note"]) == sorted(g.nodes["note"])
    assert sorted(back.nodes["capacity"].dropna()) == sorted(g.nodes["capacity"].dropna())


@settings(max_examples=40)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_tamed_text_comes_back(text):
    assert celltext.untame(celltext.tame(text)) == text
    assert not celltext.tame(text).startswith(("=", "+", "-", "@", "\t"))


@pytest.mark.parametrize("name", [f for f in formats.FORMATS if f != "parquet"])
def test_vintages_missing_codes_intervals_and_policy(name, tmp_path):
    g = make(5)
    nodes = g.nodes
    old = nodes[nodes["output"].notna()].head(2).assign(year=2020)
    old["output_missing"], old["output_low"], old["output_high"] = "withheld", 1.5, 2.5
    old["output"] = float("nan")
    g = g.replace(nodes=pd.concat([nodes, old], ignore_index=True))
    g = SupplyGraph.from_tables(
        g.tables, name="née", as_of="2024-06", history=["a", "b"], policy=IntervalPolicy(per_year=0.125)
    )
    back = formats.read(formats.write(g, tmp_path / f"g{ENDING[name]}", name))
    same(g, back)
    assert back.policy.per_year == 0.125
    rows = back.nodes[back.nodes["year"] == 2020]
    assert rows["output_missing"].tolist() == ["withheld", "withheld"]
    assert rows["output_low"].tolist() == [1.5, 1.5]


def test_formulas_are_text_in_the_workbook(tmp_path):
    place = formats.write(with_notes(["=1+1", "@x", "+2", "-3"]), tmp_path / "g.xlsx")
    book = openpyxl.load_workbook(place)
    kinds = {c.data_type for sheet in book for row in sheet.iter_rows() for c in row}
    assert "f" not in kinds
    assert book.sheetnames[0] == "README"
    assert book["nodes"].freeze_panes == "A2"
    assert "nodes" in book.sheetnames
    assert "data_dictionary" in book.sheetnames
    with zipfile.ZipFile(place) as archive:
        assert not any(b"<f>" in archive.read(n) for n in archive.namelist())


def test_csv_folder_has_a_dictionary_with_units_and_no_formula(tmp_path):
    place = formats.write(with_notes(["=1+1"]), tmp_path / "tables", "csv")
    words = pd.read_csv(place / "data_dictionary.csv")
    assert words.query("table == 'links' and column == 'value'")["unit"].tolist() == ["USD"]
    assert "'=1+1" in (place / "nodes.csv").read_text(encoding="utf-8")
    assert sorted(p.stem for p in place.glob("*.csv")) == sorted([*TABLES, "data_dictionary"])


def test_an_edited_file_says_so(tmp_path):
    place = formats.write(make(1), tmp_path / "g.json")
    content = json.loads(place.read_text())
    at = content["tables"]["links"]["columns"].index("quantity")
    content["tables"]["links"]["rows"][0][at] = 12345.0
    place.write_text(json.dumps(content))
    back = formats.read(place)
    assert "edited" in back.history[-1]
    assert 12345.0 in back.links["quantity"].tolist()


@pytest.mark.parametrize("name", ["csv", "json", "graphml", "sqlite", "xlsx"])
def test_an_edited_cell_that_is_no_number_is_named(name, tmp_path):
    g = make(1)
    place = formats.write(g, tmp_path / f"g{ENDING[name]}", name)
    if name == "sqlite":
        with sqlite3.connect(place) as base:
            base.execute("UPDATE links SET quantity = 'many'")
        base.close()
    elif name == "xlsx":
        book = openpyxl.load_workbook(place)
        sheet = book["links"]
        column = [c.value for c in sheet[1]].index("quantity") + 1
        sheet.cell(2, column).value = "many"
        book.save(place)
    elif name == "csv":
        frame = pd.read_csv(place / "links.csv", dtype=str)
        frame.loc[0, "quantity"] = "many"
        frame.to_csv(place / "links.csv", index=False)
    elif name == "json":
        content = json.loads(place.read_text())
        at = content["tables"]["links"]["columns"].index("quantity")
        content["tables"]["links"]["rows"][0][at] = "many"
        place.write_text(json.dumps(content))
    else:
        text = place.read_text()
        at = text.index('key="edge_quantity">') + len('key="edge_quantity">')
        place.write_text(text[:at] + "many" + text[text.index("<", at) :])
    with pytest.raises(SchemaError, match="many"):
        formats.read(place)


@pytest.mark.parametrize("name", ["csv", "xlsx", "sqlite", "graphml", "json"])
def test_damaged_files_are_refused_clearly(name, tmp_path):
    place = formats.write(make(1), tmp_path / f"g{ENDING[name]}", name)
    if name == "csv":
        (place / "nodes.csv").write_bytes(b"node,product\n\xff\xfe")
    else:
        raw = place.read_bytes()
        place.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(SourceError):
        formats.read(place)


def test_entities_links_and_foreign_files_are_refused(tmp_path):
    bomb = tmp_path / "g.graphml"
    bomb.write_text('<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a "b">]><graphml>&a;</graphml>')
    with pytest.raises(SourceError, match="entities"):
        formats.read(bomb)
    foreign = tmp_path / "g.db"
    base = sqlite3.connect(foreign)
    base.execute('CREATE TABLE "a; DROP TABLE b" (x)')
    base.commit()
    base.close()
    with pytest.raises(SourceError, match="database"):
        formats.read(foreign)
    for name, raw in (("x.json", b"{}"), ("y.bin", b"\x00\x01"), ("z.xlsx", b"PK\x03\x04junk"), ("w.json", b"[" * 100)):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(SourceError):
            formats.read(tmp_path / name)
    with pytest.raises(SourceError):
        formats.read(tmp_path / "absent.json")
    folder = formats.write(make(1), tmp_path / "tables", "csv")
    outside = tmp_path / "outside.csv"
    (folder / "nodes.csv").rename(outside)
    (folder / "nodes.csv").symlink_to(outside)
    with pytest.raises(SourceError, match="leads out"):
        formats.read(folder)


def test_a_view_in_the_place_of_a_table_is_refused(tmp_path):
    place = formats.write(make(1), tmp_path / "g.sqlite")
    base = sqlite3.connect(place)
    base.executescript("ALTER TABLE links RENAME TO l2; CREATE VIEW links AS SELECT * FROM l2;")
    base.close()
    with pytest.raises(SourceError, match="links"):
        formats.read(place)


def test_failure_leaves_the_old_file(tmp_path):
    place = formats.write(make(1), tmp_path / "g.xlsx")
    before = place.read_bytes()
    with pytest.raises(SourceError, match="longer than a cell") as told:
        formats.write(with_notes(["x" * 40_000]), place)
    assert "the graph to write as a workbook" in str(told.value)
    assert "[row 0].note: text longer than a cell holds (got 40,000 characters)" in str(told.value)
    assert "the file" not in str(told.value)
    assert place.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["g.xlsx"]


def test_names_that_match_nothing(tmp_path):
    with pytest.raises(UnknownNameError, match="graphml"):
        formats.write(make(1), tmp_path / "g", "graphmll")
    with pytest.raises(UnknownNameError, match="json"):
        formats.write(make(1), tmp_path / "g.jsn")
    with pytest.raises(UnknownNameError, match="public"):
        formats.export(make(1), tmp_path / "g.json", share="publik")


def test_networkx_is_not_loaded_for_graphml(tmp_path):
    loaded = "networkx" in sys.modules
    formats.read(formats.write(make(1), tmp_path / "g.graphml"))
    assert ("networkx" in sys.modules) == loaded


# ------------------------------------------------------------------ export

SECRET = "acme private plan"


def overlaid(licence="private", plants=4) -> SupplyGraph:
    g = make(7, products=2, countries=4)
    product = "x0.form"
    nodes = pd.DataFrame(
        [
            {"node": f"{product}@DEU#{SECRET} {k}", "product": product, "country": "DEU", "site": f"{SECRET} {k}",
             "kind": "producer", "year": 2024, "output": 10.0 + k, "output_source": "mine", "output_grade": "A"}
            for k in range(plants)
        ]
    )  # fmt: skip
    pool = g.nodes.query("kind == 'demand' and product == @product")["node"].iloc[0]
    links = pd.DataFrame(
        [{"supplier": nodes["node"][0], "buyer": pool, "product": product, "year": 2024, "method": "observed",
          "quantity": 3.0, "source": "mine", "grade": "A"}]
    )  # fmt: skip
    source = pd.DataFrame([{"source": "mine", "title": SECRET, "licence": "secret", "licence_class": licence}])
    return g.overlay({"nodes": nodes, "links": links, "sources": source}, name=SECRET)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_export_holds_no_word_of_the_overlay(name, tmp_path):
    place = tmp_path / f"g{ENDING[name]}"
    g = overlaid()
    report = formats.export(g, place, format=name)
    assert set(report["reason"]) >= {"overlay"}
    assert (tmp_path / f"{place.name}.left_out.csv").is_file()
    back = formats.read(place)
    assert not back.nodes["node"].str.contains("acme").any()
    for file in [place] if place.is_file() else sorted(place.iterdir()):
        content = file.read_bytes()
        if content.startswith(b"PK"):
            with zipfile.ZipFile(file) as archive:
                content = b"".join(archive.read(n) for n in archive.namelist())
        assert b"acme" not in content
    assert back.nodes["origin_tag"].eq("public").all()


def restricted(plants=4) -> SupplyGraph:
    g = overlaid("restricted", plants)
    return SupplyGraph({k: v.assign(origin_tag="public") if "origin_tag" in v else v for k, v in g.tables.items()})


def test_small_or_dominated_groups_are_dropped_and_larger_ones_added_up(tmp_path):
    few = formats.export(restricted(plants=2), tmp_path / "a.json")
    assert "added up" not in set(few["what"])
    many = formats.export(restricted(plants=4), tmp_path / "b.json")
    assert many.query("what == 'added up'")["rows"].tolist() == [4]
    total = formats.read(tmp_path / "b.json").nodes.query("node == 'x0.form@ROW#aggregate'")["output"]
    assert total.tolist() == [46.0]


def test_figures_of_restricted_sources_are_withheld_not_zero(tmp_path):
    g = make(2)
    g = g.replace(
        sources=pd.concat(
            [
                g.sources,
                pd.DataFrame([{"source": "eto", "title": "t", "licence": "NC", "licence_class": "non_commercial"}]),
            ]
        ),
        nodes=g.nodes.assign(output_source=g.nodes["output_source"].mask(g.nodes["output"].notna(), "eto")),
    )
    report = formats.export(g, tmp_path / "g.json")
    back = formats.read(tmp_path / "g.json")
    made = back.nodes.query("kind == 'producer'")
    assert made["output"].isna().all()
    assert made["output_missing"].eq("withheld").all()
    assert "eto" not in set(back.sources["source"])
    assert report.query("what == 'output blanked'")["rows"].sum() == g.nodes["output"].notna().sum()
    assert "added up" not in set(report["what"])


def test_export_of_a_public_graph_changes_nothing(tmp_path):
    g = make(4)
    assert not len(formats.export(g, tmp_path / "g.json"))
    assert formats.read(tmp_path / "g.json").fingerprint == g.fingerprint
    assert not len(formats.export(overlaid(), tmp_path / "h.json", share="all"))


def test_export_of_the_atlas_stays_valid(atlas, tmp_path):
    formats.export(atlas, tmp_path / "g.sqlite")
    assert not len(formats.read(tmp_path / "g.sqlite").validate())


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_zero_with_a_sign_is_a_zero_in_every_format(name, tmp_path):
    graph = make(3, products=1, countries=3)
    links = graph.links
    links.loc[links.index[links["low"].isna()][:1], "quantity"] = -0.0
    signed = SupplyGraph.from_tables({**graph.tables, "links": links})
    place = tmp_path / f"g{ENDING[name]}"
    assert formats.read(formats.write(signed, place, name, private=True)).fingerprint == signed.fingerprint

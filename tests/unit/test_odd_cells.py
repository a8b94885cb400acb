"""Cells and files that no statistic should hold, and some do: read, flagged or refused in words."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pandas as pd
import pytest
from brief_toy import toy_graph

import supplyrisk as sr
from supplyrisk.cli import main
from supplyrisk.errors import Problem, SchemaError, SourceError
from supplyrisk.schema import TABLES, coerce

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


def test_no_message_of_a_file_holds_its_folders(tmp_path, capsys):
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1junkPAR1")
    for reader in (lambda: S.tidy(bad, "production"), lambda: S.inter_country_table(bad), lambda: S.baci(bad),
                   lambda: S.comtrade(bad), lambda: sr.read(tmp_path), lambda: sr.SupplyGraph.from_parquet(tmp_path / "none")):  # fmt: skip
        with pytest.raises(SourceError) as told:
            reader()
        assert str(tmp_path) not in str(told.value)
    error = SourceError(
        [Problem("f", "-", "-", "odd", r"at 'C:\data\x y\f.csv', /srv/a b/f.csv, n/a, https://a.b/c", "")]
    )
    assert error.problems[0].value == "at 'f.csv', f.csv, n/a, https://a.b/c"
    for name in ("absent", "empty"):
        folder = tmp_path / name
        if name == "empty":
            folder.mkdir()
        assert main(["score", "--graph", str(folder)]) != 0
        told = capsys.readouterr()
        assert name in told.err
        assert str(tmp_path) not in told.err + told.out


@pytest.mark.parametrize("name", ["g.json", "g.xlsx", "g.sqlite", "g.graphml", "csv", "parquet"])
def test_the_command_line_reads_whatever_write_wrote(tmp_path, capsys, name):
    path = tmp_path / name
    sr.write(toy_graph(), path, name if "." not in name else None, private=True)
    assert main(["score", "--graph", str(path), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_a_table_without_a_name_does_not_hide_the_others(tmp_path):
    def base(*names):
        file = tmp_path / f"wmd{len(names)}.db"
        with contextlib.closing(sqlite3.connect(file)) as con, con:
            for name in names:
                con.execute(f'CREATE TABLE "{name}" (Country TEXT, unit TEXT, "2021" REAL, "2022" REAL)')
                con.execute(f"INSERT INTO \"{name}\" VALUES ('China', 'metr. t', 1, 2)")
        return file

    r = S.wmd(base("Gallium", ""))
    assert r.inputs["production"]["product"].unique().tolist() == ["gallium.refined"]
    assert [(d["reason"], d["rows"]) for d in r.report.dropped] == [
        ("table '': without a name nobody knows of what", 1)
    ]
    with pytest.raises(SourceError, match="Name the table after its commodity"):
        S.wmd(base(""))


def test_an_answer_without_rows_is_an_answer(tmp_path):
    r = S.comtrade(save(tmp_path, "none.json", {"elapsedTime": "0.1 secs", "count": 0, "data": [], "error": ""}))
    assert (r.report.rows_read, len(r.data), len(r.inputs["trade"])) == (0, 0, 0)
    assert any("nothing was found" in n for n in r.report.notes)


@pytest.mark.parametrize("year", ["999999999999", "-1", "99999999999999999999", "0024", "9999"])
def test_a_year_that_is_none_is_dropped_with_its_reason(tmp_path, year):
    mcs = "MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes\n"
    row = "GALLIUM,World Production,Gallium,{},Production,Primary production,kilograms,{},5,\n"
    readings = [
        S.usgs_mcs(save(tmp_path, "MCS2026_a.csv", mcs + row.format("China", year) + row.format("Japan", 2024))),
        S.bgs(save(tmp_path, "b.json", features({**BGS, "year": year}, BGS))),
        S.comtrade(save(tmp_path, "c.json", {"data": [{**FLOW, "period": year}, FLOW]})),
        S.baci(save(tmp_path, "BACI_HS17_Y2024_V202601.csv",
                    f"t,i,j,k,v,q\n{year},156,842,850511,1,1\n2024,156,842,850511,745.0,10\n"), headings="all"),
    ]  # fmt: skip
    for r in readings:
        table = r.inputs.get("trade", r.inputs.get("production"))
        assert table["year"].between(2020, 2026).all()
        assert len(table) == 1
        assert [d["rows"] for d in r.report.dropped if "year" in d["reason"]] == [1]
    period = S.comtrade(save(tmp_path, "d.json", {"data": [{**FLOW, "period": "20240131"}]}))
    assert period.data["year"].tolist() == [2024]


def test_efta_of_baci_is_the_rest_with_and_without_the_country_file(tmp_path):
    save(tmp_path, "BACI_HS17_Y2024_V202601.csv", "t,i,j,k,v,q\n2024,697,842,850511,1.0,1\n2024,156,842,850511,1.0,1\n")
    save(tmp_path, "notes.csv", "a,b\n1,2\n")
    r = S.baci(tmp_path, headings="all")  # a stray file beside files of that name is left out, and named
    assert "files that are not named as BACI's are not read: notes.csv" in r.report.notes
    codes = 'country_code,country_name,country_iso2,country_iso3\n697,"Europe EFTA, nes",,R20\n156,China,CN,CHN\n842,USA,US,USA\n'
    for _ in range(2):
        assert set(S.baci(tmp_path, headings="all").data["origin"]) == {"ROW", "CHN"}
        save(tmp_path, "country_codes_V202601.csv", codes)


def test_cells_of_tidy_tables_that_nobody_can_mean_are_told(tmp_path):
    head = "product,country,quantity,year,unit\n"
    r = S.tidy(
        save(tmp_path, "made.csv", head + "gallium.refined,China,1,2024,t\ngallium.refined,,5,2024,t\n"), "production"
    )
    assert len(r.inputs["production"]) == 1
    assert [(d["reason"], d["rows"]) for d in r.report.dropped] == [("no place in the cell", 1)]
    with pytest.raises(SchemaError, match=r"1 row.*unknown unit.*bananas"):
        S.tidy(save(tmp_path, "odd.csv", head + "gallium.refined,China,1,2024,bananas\n"), "production")
    text = "asset,holder,holder_country,share,year\nantimony.mine@CHN,Foo,China,120%,2024\n"
    r = S.tidy(save(tmp_path, "held.csv", text), "holdings", values={"type": "equity"})
    assert any("above 1 (100 %): 120%" in n for n in r.report.notes)


def test_a_decimal_comma_is_told_where_coordinates_and_estimates_are_not_read(tmp_path):
    head = "ICMMID,Confidence Factor,Mine Name,Latitude,Longitude,Asset Type,Country,Primary Commodity\n"
    r = S.icmm_facilities(save(tmp_path, "i.csv", head + 'ICMM1,High,K,"-12,1","26,4",Mine,Zambia,copper\n'))
    assert any("decimal comma" in n for n in r.report.notes)
    text = (
        'code,countryname,year,indicator,estimate,stddev\nCHN,China,2023,rl,"-0,04","0,1"\nJPN,Japan,2023,rl,1.5,0.1\n'
    )
    r = S.wgi(save(tmp_path, "w.csv", text))
    assert any('give decimal=","' in n for n in r.report.notes)


def test_a_share_says_of_what_and_dir_lists_the_readers(tmp_path):
    head = "MCS chapter,Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes\n"
    row = "GALLIUM,World Production,Gallium,{},Production,Primary production,kilograms,2024,5,\n"
    r = S.usgs_mcs(save(tmp_path, "MCS2026_a.csv", head + row.format("Atlantis") + row.format("Japan")))
    (lost,) = r.report.unmapped
    assert "commodity" in lost["within"]
    assert "'Atlantis': 1 rows, at most 50.00% of the quantity of rows with the same commodity" in str(r.report)
    assert {"usgs_mcs", "baci", "tidy", "together", "listing"} <= set(dir(sr.sources))


def test_graphml_brings_the_rows_back_in_their_order(tmp_path):
    g = toy_graph()
    nodes = g.table("nodes").iloc[::-1]
    old = nodes.head(2).assign(year=2015)
    g = g.replace("mixed", nodes=pd.concat([nodes.head(1), old, nodes.iloc[1:]], ignore_index=True))
    back = sr.read(sr.write(g, tmp_path / "g.graphml", private=True))
    assert back.nodes[["node", "year"]].values.tolist() == g.nodes[["node", "year"]].values.tolist()
    pd.testing.assert_frame_equal(back.nodes, g.nodes)


@pytest.mark.parametrize("cell", ["maybe", "alumina.refined", 2, 0.5])
def test_a_cell_of_truth_that_is_neither_is_a_problem(cell) -> None:
    row = {"product": "a", "input": "b", "process": "p", "input_class": "essential", "grade": "assumption"}
    _, problems = coerce(pd.DataFrame([row | {"host": cell}]), TABLES["recipes"])
    assert [p.rule for p in problems] == ["neither true nor false"]
    for good, meant in (("TRUE", True), (0, False), ("no", False), (1.0, True), (True, True)):
        frame, problems = coerce(pd.DataFrame([row | {"host": good}]), TABLES["recipes"])
        assert (frame["host"].tolist(), problems) == ([meant], [])

"""World Mining Data: sqlite, workbook, wide csv."""

from __future__ import annotations

import sqlite3

import openpyxl
import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError

ROWS = [
    ("China", 156, "CHN", 400.0, 600.0, "metr. t", "e"),
    ("Congo, D.R.", 180, "COD", 1.0, 2.0, "metr. t", "r"),
    ("Turkyie", 792, "TUR", None, 3.0, "metr. t", "r"),
    ("Total", "", "", 401.0, 605.0, "metr. t", ""),
]
HEAD = ["Country", "Country_Code", "Country_ISO", "2021", "2022", "unit", "data_source"]


def database(path, tables):
    con = sqlite3.connect(path)
    for name in tables:
        quoted = '"' + name.replace('"', '""') + '"'
        columns = ", ".join(f'"{h}"' for h in HEAD)
        con.execute(f"CREATE TABLE {quoted} ({columns})")
        con.executemany(f"INSERT INTO {quoted} VALUES (?,?,?,?,?,?,?)", ROWS)
    con.execute("CREATE TABLE logging (sheet_name, log_message)")
    con.commit()
    con.close()


def made(reading, year=2022):
    p = reading.inputs["production"]
    return p[p["year"] == year].set_index(["product", "country"])["quantity"]


def test_sqlite_with_units_and_bases(tmp_path):
    database(tmp_path / "wmd.db", ["Gallium", "Lithium (Li2O)", "Unobtainium"])
    reading = sr.sources.wmd(tmp_path / "wmd.db")
    assert made(reading)["gallium.refined", "CHN"] == 600_000.0
    assert made(reading)["lithium.mine", "CHN"] == pytest.approx(600 * 0.4645)
    assert made(reading)["gallium.refined", "WLD"] == made(reading)["gallium.refined"].drop("WLD").sum()
    assert made(reading)["gallium.refined", "TUR"] == 3000.0
    (lost,) = reading.report.unmapped
    assert (lost["kind"], lost["name"], lost["rows"], lost["of"]) == ("commodity", "Unobtainium", 8, "tonnage")
    assert lost["value_share"] == pytest.approx(1 / 3)  # three tables of the same rows
    assert reading.inputs["production"]["year"].min() == 2021


def test_odd_table_names_are_quoted_and_views_ignored(tmp_path):
    file = tmp_path / "odd.sqlite"
    database(file, ['Gallium"; DROP TABLE logging; --', "Gallium"])
    con = sqlite3.connect(file)
    con.execute("CREATE VIEW Antimony AS SELECT load_extension('x') AS Country, 1 AS \"2022\"")
    con.commit()
    con.close()
    before = file.read_bytes()
    reading = sr.sources.wmd(file)
    assert made(reading)["gallium.refined", "CHN"] == 600_000.0
    assert file.read_bytes() == before


def test_workbook_with_a_sheet_per_commodity_and_a_title_above_the_header(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Gallium"
    sheet.append(["Gallium, metric tons"])
    sheet.append(HEAD)
    for r in ROWS:
        sheet.append(r)
    book.create_sheet("Notes").append(["=1+1", "nothing here"])
    book.save(tmp_path / "wmd.xlsx")
    assert made(sr.sources.wmd(tmp_path / "wmd.xlsx"))["gallium.refined", "CHN"] == 600_000.0


def test_csv_of_one_commodity_needs_its_name(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("Country,2022,unit\nChina,600,metr. t\n")
    with pytest.raises(SourceError, match="commodity"):
        sr.sources.wmd(file)
    assert made(sr.sources.wmd(file, commodity="Gallium"))["gallium.refined", "CHN"] == 600_000.0


def test_what_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "x.db").write_bytes(b"SQLite format 3\x00" + b"rubbish" * 100)
    with pytest.raises(SourceError, match="sqlite"):
        sr.sources.wmd(tmp_path / "x.db")


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["world_mining_data.db", "wmd_production_2018_2022.csv"])
def test_published_totals(published, name):
    reading = sr.sources.wmd(published / "world_mining_data" / name)
    q = made(reading)
    listed = q.drop("WLD", level=1).groupby(level=0).sum()
    gap = (listed / q.xs("WLD", level=1) - 1).dropna().abs()
    assert len(gap) >= 50
    assert gap.max() < 1e-3
    assert q["antimony.mine", "CHN"] == 39000.0
    assert not [u for u in reading.report.unmapped if u["kind"] == "country"]

"""Files that cannot be trusted, over every registered reader: a clear error or flagged rows, nothing run, nothing followed.

Every reader of this package is called on every hostile file. It may refuse (with this package's own errors, never a
traceback of another library) or read what is sound.
"""

from __future__ import annotations

import gzip
import io
import os
import sqlite3
import struct
import warnings
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import supplyrisk as sr
from supplyrisk.errors import SourceError, SupplyRiskError
from supplyrisk.sources.base import Report, numbers, open_binary, read_delimited, read_sheet

READERS = [row["name"] for row in sr.sources.listing()]
# A header that each of the text readers takes for its own, so that the rows below it are looked at.
HEADERS = {
    "usgs_mcs": "Section,Commodity,Country,Statistics,Statistics_detail,Unit,Year,Value,Notes",
    "wmd": "commodity,Country,Country_Code,Country_ISO,2021,2022,unit,data_source",
    "bgs": "year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans",
    "baci": "t,i,j,k,v,q",
    "comtrade": "period,reporterISO,partnerISO,flowCode,cmdCode,primaryValue,netWgt",
}
ROWS = {
    "usgs_mcs": "World Production,Gallium,China,Production,Primary production,kilograms,2024,5,",
    "wmd": "Gallium,China,156,CHN,1,2,metr. t,r",
    "bgs": "2023-01-01,China,CHN,antimony mine,tonnes (metric),5,Production",
    "baci": "2024,156,842,850511,5,1",
    "comtrade": "2022,USA,CHN,M,850511,5,1",
}


def attempt(name: str, path: Path, **kw):
    """Read; the outcome is a reading or an error of this package."""
    reader = getattr(sr.sources, name)
    before = {p: p.stat().st_mtime_ns for p in path.parent.rglob("*") if p.is_file()} if path.parent.exists() else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a basket heading may warn
        try:
            out = reader(path, **kw)
        except SupplyRiskError:
            out = None
    after = {p: p.stat().st_mtime_ns for p in path.parent.rglob("*") if p.is_file()} if path.parent.exists() else {}
    assert before == after, "a reader wrote to the folder"
    return out


def hostile_files(folder: Path) -> dict[str, Path]:
    out: dict[str, Path] = {}

    def put(name: str, raw: bytes) -> None:
        out[name] = folder / name
        out[name].write_bytes(raw)

    put("empty.csv", b"")
    put("blank_lines.csv", b"\n\n\n")
    put("header_only.csv", b"a,b,c\n")
    put("nul.csv", b"t,i,j,k,v,q\n\x00\x00\x00\n")
    put("latin.csv", "L\xe4nder,K\xfcrzel\n\x80,1\n".encode("latin-1"))
    put("utf16.csv", "t,i,j\n1,2,3\n".encode("utf-16"))
    put("bad_utf8.csv", b"t,i,j,k,v,q\n2024,156,842,850511,\xff\xfe\x81,1\n")
    put("ragged.csv", b"t,i,j,k,v,q\n1,2\n1,2,3,4,5,6,7,8\n\n")
    put("twins.csv", b"t,t,i,j,k,v\n1,2,3,4,5,6\n")
    put("big_cell.csv", b"t,i,j,k,v,q\n2024,156,842,850511,5," + b"9" * 10_000_000 + b"\n")
    put("big_header.csv", b"a" * 3_000_000)
    put("quotes.csv", b't,i,j,k,v,q\n"2024,156\n842,850511,5,1\n')
    put("decimal.csv", b't,i,j,k,v,q\n2024,156,842,850511,"1.234,5","7,5"\n')
    put("formula.csv", b"t,i,j,k,v,q\n2024,156,842,850511,\"=cmd|' /C calc'!A0\",1\n")
    put("truncated.csv.gz", gzip.compress(b"t,i,j,k,v,q\n" * 1000)[:-20])
    put("bomb.csv.gz", gzip.compress(b"t,i,j,k,v,q\n" + b"0" * 60_000_000))
    put("not_a_zip.zip", b"PK\x03\x04rubbish")
    put("rubbish.xlsx", b"PK\x03\x04rubbish")
    put("rubbish.parquet", b"PAR1rubbishPAR1")
    put("rubbish.db", b"SQLite format 3\x00rubbish" + struct.pack(">200I", *range(200)))
    put("rubbish.json", b'{"a": [' * 50_000)
    put("rubbish.RData", b"RDX3\nX\n" + os.urandom(200))
    put("random.bin", os.urandom(4096))

    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as z:
        z.writestr("a.csv", "t,i,j,k,v,q\n")
    with zipfile.ZipFile(folder / "nested.zip", "w") as z:
        z.writestr("inner.zip", inner.getvalue())
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("BACI_HS17_Y2024.csv", b"0" * 80_000_000)
    with zipfile.ZipFile(folder / "up.zip", "w") as z:
        z.writestr("../../outside.csv", "t,i,j,k,v,q\n2024,156,842,850511,5,1\n")
    with zipfile.ZipFile(folder / "link.zip", "w") as z:
        info = zipfile.ZipInfo("BACI_HS17_Y2024.csv")
        info.external_attr = 0o120777 << 16
        z.writestr(info, "/etc/passwd")
    book = openpyxl.Workbook()
    book.active.append(["Country", "2022", "unit"])
    book.active.append(['=HYPERLINK("http://x")', "=1/0", "=cmd|' /C calc'!A0"])
    book.save(folder / "formula.xlsx")
    with zipfile.ZipFile(folder / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("xl/workbook.xml", b" " * 80_000_000)
    con = sqlite3.connect(folder / "odd.db")
    for name in ('a"; DROP TABLE x; --', "", "sélect", "wide"):
        con.execute(f'CREATE TABLE "{name.replace(chr(34), chr(34) * 2)}" ("Country", "2022", "unit" BLOB)')
    con.execute("INSERT INTO wide VALUES (?, ?, ?)", (b"\xff\xfe", "1e999", "metr. t"))
    con.execute(
        'CREATE VIEW forever AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x AS Country, x AS "2022" FROM c'
    )
    con.commit()
    con.close()
    for name in ("nested.zip", "bomb.zip", "up.zip", "link.zip", "formula.xlsx", "bomb.xlsx", "odd.db"):
        out[name] = folder / name
    out["absent.csv"] = folder / "absent.csv"
    return out


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return hostile_files(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("name", READERS)
def test_every_reader_survives_every_hostile_file(name, files):
    for label, path in files.items():
        reading = attempt(name, path)
        if reading is not None:
            assert "/etc" not in repr(reading.data.head(50).to_dict()), label


@pytest.mark.parametrize("name", READERS)
def test_an_absent_file_and_an_empty_folder_are_refused(name, tmp_path):
    (tmp_path / "box").mkdir()
    for path in (tmp_path / "no.csv", tmp_path / "box"):
        with pytest.raises(SupplyRiskError):
            getattr(sr.sources, name)(path)


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_no_rows_is_an_empty_reading_and_not_a_crash(name, tmp_path):
    (tmp_path / "MCS2026_2024.csv").write_text(HEADERS[name] + "\n")
    reading = attempt(name, tmp_path / "MCS2026_2024.csv")
    assert reading is not None
    assert len(reading.data) == 0
    assert reading.report.rows_read == 0


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_ragged_rows_are_counted_and_never_shifted(name, tmp_path):
    file = tmp_path / "MCS2026_2024.csv"
    file.write_text(f"{HEADERS[name]}\n{ROWS[name]}\n1,2\n{ROWS[name].replace('5', '7', 1)},x,y\n")
    reading = attempt(name, file)
    assert reading.report.rows_read == 3
    assert {"reason": "another number of cells than the header", "rows": 2, "value": None} in reading.report.dropped


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_duplicate_headers_are_refused(name, tmp_path):
    file = tmp_path / "MCS2026_2024.csv"
    first = HEADERS[name].split(",")[0]
    file.write_text(f"{HEADERS[name]},{first}\n{ROWS[name]},1\n")
    with pytest.raises(SourceError, match="twice"):
        getattr(sr.sources, name)(file)


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_byte_order_mark_and_line_ends_do_not_matter(name, tmp_path):
    file = tmp_path / "MCS2026_2024.csv"
    file.write_text(f"{HEADERS[name]}\n{ROWS[name]}\n")
    plain = attempt(name, file).data
    file.write_bytes(f"\ufeff{HEADERS[name]}\r\n{ROWS[name]}\r\n".encode())
    pd.testing.assert_frame_equal(attempt(name, file).data, plain)


@pytest.mark.parametrize("name", ["usgs_mcs", "wmd", "bgs", "comtrade"])
def test_decimal_comma_is_refused_never_misread(name, tmp_path):
    file = tmp_path / "MCS2026_2024.csv"
    number = {"usgs_mcs": ",5,", "wmd": ",1,2", "bgs": ",5,", "comtrade": ",5,1"}[name]
    comma = {"usgs_mcs": ',"1.234,5",', "wmd": ',"1.234,5",2', "bgs": ',"1.234,5",', "comtrade": ',"1.234,5",1'}[name]
    file.write_text(f"{HEADERS[name]}\n{ROWS[name].replace(number, comma)}\n")
    with pytest.raises(SourceError, match="decimal comma"):
        getattr(sr.sources, name)(file)
    reading = getattr(sr.sources, name)(file, decimal=",")
    column = "value"
    assert reading.data[column].max() == 1234.5


def test_link_out_of_a_folder_is_refused(tmp_path):
    box = tmp_path / "box"
    box.mkdir()
    outside = tmp_path / "BACI_HS17_Y2023.csv"
    outside.write_text("t,i,j,k,v,q\n2023,156,842,850511,5,1\n")
    (box / "BACI_HS17_Y2024.csv").symlink_to(outside)
    with pytest.raises(SourceError, match="leads out"):
        sr.sources.baci(box)
    (box / "BACI_HS17_Y2024.csv").unlink()
    (box / "BACI_HS17_Y2024.csv").write_text("t,i,j,k,v,q\n2024,156,842,850511,5,1\n")
    (box / "country_codes_V1.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "secret.csv").write_text("country_code,country_iso3\n156,CHN\n")
    with pytest.raises(SourceError, match="leads out"):
        sr.sources.baci(box)


def test_formulas_are_text_and_are_not_run(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Country", "2022", "unit"])
    book.active.append(["China", "=1+1", "metr. t"])
    book.active.append(["'=cmd|' /C calc'!A0", 5, "metr. t"])
    book.save(tmp_path / "Gallium.xlsx")
    frame = read_sheet(tmp_path / "Gallium.xlsx", Report("t", "t", "facts"))
    assert frame["2022"].tolist() == ["", "5"]  # a formula without a stored value is empty, not computed


def test_archives(files, tmp_path):
    for name, rule in (
        ("nested.zip", "archive inside"),
        ("bomb.zip", "unpacks"),
        ("link.zip", "link"),
        ("not_a_zip.zip", "zip"),
    ):
        with pytest.raises(SourceError, match=rule), open_binary(files[name]) as stream:
            stream.read()
    with pytest.raises(SourceError, match="unpacks"):
        read_delimited(files["bomb.csv.gz"], Report("t", "t", "facts"))
    assert not (files["up.zip"].parent.parent / "outside.csv").exists()


def test_a_cell_beyond_all_measure_is_refused(files):
    with pytest.raises(SourceError, match="characters"):
        read_delimited(files["big_cell.csv"], Report("t", "t", "facts"))
    with pytest.raises(SourceError, match="beyond all measure"):
        sr.sources.baci(files["big_cell.csv"])


def test_errors_name_the_file_and_not_its_folder(files):
    with pytest.raises(SourceError) as caught:
        sr.sources.usgs_mcs(files["twins.csv"])
    assert "twins.csv" in str(caught.value)
    assert str(files["twins.csv"].parent) not in str(caught.value)


cells = st.one_of(
    st.text(max_size=20),
    st.floats().map(str),
    st.sampled_from(["W", "NA", "--", "\u2014", ">50", "<0.1%", "1.234,5", "1,234", "330 - 390", "=1+1", "1e400", "-5", "", " ", '"', "\x00", "nan", "inf"]),
    st.sampled_from(["China", "World total", "490", "W00", "S19", "850511", "Gallium", "2024", "2021\u201324", "kilograms", "percent", "Production", "M"]),
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(HEADERS))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_fuzzed_rows_under_the_right_header(name, data, tmp_path):
    width = HEADERS[name].count(",") + 1
    rows = data.draw(st.lists(st.lists(cells, min_size=width - 1, max_size=width + 1), max_size=6))
    quote = data.draw(st.booleans())
    text = HEADERS[name] + "\n"
    for row in rows:
        text += ",".join('"' + c.replace('"', '""') + '"' if quote else c for c in row) + "\n"
    file = tmp_path / "MCS2026_2024.csv"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    reading = attempt(name, file)
    if reading is not None:
        assert reading.report.rows_read >= len(reading.inputs.get("trade", ()))
        production = reading.inputs.get("production")
        if production is not None and len(production):
            assert production["quantity"].dropna().map(lambda v: v == v and abs(v) != float("inf")).all()


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(raw=st.binary(max_size=300), suffix=st.sampled_from([".csv", ".csv.gz", ".zip", ".xlsx", ".parquet", ".db", ".json", ".tsv"]),
       head=st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"PAR1", b"SQLite format 3\x00", b"\xef\xbb\xbf", b"{"]))  # fmt: skip
def test_fuzzed_bytes(name, raw, suffix, head, tmp_path):
    file = tmp_path / f"x{suffix}"
    file.write_bytes(head + raw)
    attempt(name, file)
    file.unlink()


@given(st.lists(cells, max_size=20))
def test_numbers_are_total_and_never_infinite(texts):
    out = numbers(pd.Series(texts, dtype="string"))
    assert len(out) == len(texts)
    known = out["value"].notna()
    assert ((out["code"].isin(["", "zero"])) == known).all()
    assert (out["value"].abs() != float("inf")).all()
    assert (out["low"].fillna(0) <= out["high"].fillna(float("inf"))).all()


def test_a_formula_without_a_stored_value_is_noted(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "=1+1"], ["=HYPERLINK(1)", 2]):
        book.active.append(row)
    book.save(tmp_path / "f.xlsx")
    report = Report("x", "f.xlsx", "private")
    frame = read_sheet(tmp_path / "f.xlsx", report)
    assert frame.to_numpy().tolist() == [["1", ""], ["", "2"]]
    assert any("2 formula cells" in n for n in report.notes)


def test_text_from_files_is_shown_without_control_characters(tmp_path):
    report = Report("x", "f.csv", "private")
    report.unknown("country", pd.Series(["tin\x1b[2J\u202e"]), pd.Series([1.0]))
    assert "\x1b" not in str(report)
    assert "\x1b" not in report.frame()["detail"].iloc[1]
    assert report.frame()["value_share"].iloc[1] == 1.0
    with pytest.raises(SourceError) as err:
        open_binary(tmp_path / "deep" / "gone\x1b.csv").__enter__()
    assert "\x1b" not in str(err.value)
    assert str(tmp_path) not in str(err.value)


ODD = {
    "only carriage returns": lambda text: text.replace("\n", "\r").encode(),
    "utf-16 without a mark": lambda text: text.encode("utf-16-le"),
    "utf-32": lambda text: text.encode("utf-32"),
    "a ragged row of no encoding": lambda text: text.encode() + b"\x81\x8d\x8f,\xff\n",
    "a cell of no encoding": lambda text: text.encode().rstrip(b"\n") + b"\x81\xff\n",
    "unclosed quote": lambda text: text.replace("\n", '\n"', 1).encode(),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", sorted(HEADERS))
def test_odd_bytes_are_refused_or_read_without_a_traceback(name, kind, tmp_path):
    file = tmp_path / "MCS2026_2024.csv"
    file.write_bytes(ODD[kind](f"{HEADERS[name]}\n{ROWS[name]}\n"))
    attempt(name, file)


def test_bytes_of_no_encoding_are_noted_and_counted(tmp_path):
    file = tmp_path / "BACI_HS17_Y2024.csv"
    head = HEADERS["baci"].encode() + b"\n" + ROWS["baci"].encode() + b"\n"
    file.write_bytes(head + b"2024,C\xf4te,842,850511,5,1\n\x81,\xff\n")
    report = attempt("baci", file).report
    assert report.rows_dropped == 2
    assert [u["name"] for u in report.unmapped] == ["C\ufffdte"]
    assert sum("no UTF-8" in n for n in report.notes) == 1
    file.write_bytes(head + "2024,C\u00f4te d'Ivoire,842,850511,5,1\n".encode() * 2000)
    flows = attempt("baci", file).data
    assert flows["origin"].tolist() == ["CHN", "CIV"]


def test_a_workbook_with_a_sheet_that_is_a_chart(tmp_path):
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart")
    book.save(tmp_path / "chart.xlsx")
    for name in READERS:
        attempt(name, tmp_path / "chart.xlsx")


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.zip", "pipe.xlsx", "pipe.parquet"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    for reader in (sr.sources.baci, sr.sources.usgs_mcs, sr.sources.wgi, sr.sources.bgs, sr.sources.wmd):
        with pytest.raises(SourceError):
            reader(pipe)
    with pytest.raises(SourceError):
        sr.sources.tidy(pipe, "production")

"""Inter-country tables: wide files, parts, labels, balance."""

from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError
from supplyrisk.exposure import io_lookthrough

WIDE = """V1,CN1_A,CN2_A,JPN_A,TWN_A,ROW_A,CHN_HFCE,JPN_INVNT,OUT
CN1_A,1,0,2,0,0,7,0,10
CN2_A,0,1,1,0,0,3,0,5
JPN_A,2,0,3,1,0,5,-1,10
TWN_A,0,0,1,1,0,2,0,4
ROW_A,0,0,0,0,0,0,0,0
TLS,1,1,1,1,0,,,
VA,6,3,2,1,0,,,
OUT,10,5,10,4,0,,,
"""


def test_wide_table_as_the_oecd_publishes_it(tmp_path):
    file = tmp_path / "ICIO2021.csv"
    file.write_text(WIDE)
    t = sources.inter_country_table(file)
    assert t.z.shape == (5, 5)
    assert list(t.y.columns) == ["CHN_HFCE", "JPN_INVNT"]
    assert list(t.inputs["region"]) == ["CHN", "CHN", "JPN", "TWN", "ROW"]
    assert t.balance["gap"].abs().max() == 0
    assert "1 without output" in " ".join(t.report.notes)
    out = io_lookthrough(**t.inputs, focal="CHN")
    assert len(out) == 5
    assert out.loc[out["region"] == "JPN", "lookthrough"].between(0, 1).all()


def test_parts_in_files_of_their_own_any_order(tmp_path):
    labels = ["AUS.c1", "RoW.c1"]
    pd.DataFrame([[1, 2], [3, 4]], index=labels, columns=labels).to_parquet(tmp_path / "z.parquet")
    pd.DataFrame({"AUS.f1": [7.0, -1.0]}, index=labels).iloc[::-1].to_parquet(tmp_path / "y.parquet")
    (tmp_path / "x.csv").write_text("region_sector,region,sector,output_musd\nRoW.c1,RoW,c1,6\nAUS.c1,AUS,c1,10\n")
    t = sources.inter_country_table(tmp_path / "z.parquet", y=tmp_path / "y.parquet", x=tmp_path / "x.csv")
    assert t.x.tolist() == [10.0, 6.0]
    assert list(t.inputs["region"]) == ["AUS", "ROW"]
    assert t.balance["gap"].tolist() == [0.0, 0.0]
    alone = sources.inter_country_table(tmp_path / "z.parquet", y=tmp_path / "y.parquet")
    assert "balance says nothing" in " ".join(alone.report.notes)


def test_gaps_are_reported_never_rebalanced(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("l,A_1,B_1,A_F,OUT\nA_1,1,2,7,20\nB_1,3,1,1,5\n")
    t = sources.inter_country_table(file)
    assert t.balance["gap"].tolist() == [-10.0, 0.0]
    assert "1 rows beyond" in " ".join(t.report.notes)
    np.testing.assert_array_equal(t.z, [[1, 2], [3, 1]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("l,A_1,B_1\nC_1,1,2\n", "both sides"),
        ("l,A,B,F,OUT\nA,1,2,1,4\nB,1,2,1,4\n", "without a region"),
        ("l,A_1,B_1,OUT\nA_1,1,many,3\nB_1,1,2,3\n", "no number"),
        ("l,A_1,B_1,OUT\nA_1,1,2,3\nA_1,1,2,3\n", "twice"),
        ("l,A_1,B_1\nA_1,1,2\nB_1,3,4\n", "neither output"),
        ('l,A_1,B_1,OUT\nA_1,"1.234,5",2,3\nB_1,1,2,3\n', "decimal comma"),
    ],
)
def test_clear_refusals(tmp_path, text, words):
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(SourceError, match=words):
        sources.inter_country_table(file)


def test_formats_of_other_programs_are_refused(tmp_path):
    file = tmp_path / "t.RData"
    file.write_bytes(b"RDX3")
    with pytest.raises(SourceError, match="another program"):
        sources.inter_country_table(file)
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match="parquet"):
        sources.inter_country_table(tmp_path / "t.parquet")


@pytest.mark.realdata
def test_the_published_table(published):
    at = published / "wiod"
    t = sources.inter_country_table(at / "wiot_2011_Z.parquet", y=at / "wiot_2011_Y.parquet", x=at / "wiot_2011_x.csv")
    assert t.z.shape == (1435, 1435)
    assert t.balance["gap"].abs().max() == 108
    assert int((t.x == 0).sum()) == 22
    assert len(set(t.inputs["region"])) == 41
    assert "TWN" in set(t.inputs["region"])


SECTORS = [("AT", "Paddy rice"), ("AT", "Wheat"), ("TW", "Paddy rice"), ("WE", "Wheat")]
FLOWS = np.array([[1.0, 2, 0, 1], [3, 0, 1, 0], [0, 2, 2, 0], [1, 0, 0, 1]])
FINAL = np.array([[5.0, 1], [2, 2], [6, 0], [0, 3]])
OUTPUT = FLOWS.sum(axis=1) + FINAL.sum(axis=1)


def exiobase(folder, names=("Z", "Y", "x", "unit"), unit=("M.EUR",) * 4):
    """The files that EXIOBASE consists of, as published: tabs, two rows of headers, a row of their names."""
    folder.mkdir(parents=True, exist_ok=True)

    def table(cells, columns, second):
        head = [["region", "", *[a for a, _ in columns]], [second, "", *[b for _, b in columns]]]
        head.append(["region", "sector", *[""] * len(columns)])
        rows = [[*s, *map(repr, map(float, r))] for s, r in zip(SECTORS, cells, strict=True)]
        return "".join("\t".join(r) + "\n" for r in [*head, *rows])

    uses = [("AT", "Final consumption"), ("TW", "Final consumption")]
    text = {
        "Z": table(FLOWS, SECTORS, "sector"),
        "A": table(FLOWS / OUTPUT, SECTORS, "sector"),
        "Y": table(FINAL, uses, "category"),
        "x": "region\tsector\tindout\n"
        + "".join(f"{a}\t{b}\t{v}\n" for (a, b), v in zip(SECTORS, OUTPUT, strict=True)),
        "unit": "region\tsector\tunit\n" + "".join(f"{a}\t{b}\t{u}\n" for (a, b), u in zip(SECTORS, unit, strict=True)),
    }
    for name in names:
        (folder / f"{name}.txt").write_text(text[name])
    (folder / "satellite").mkdir(exist_ok=True)
    (folder / "satellite" / "F.txt").write_text("a stressor\t1\n")
    (folder / "metadata.json").write_text("{}")
    return folder


def packed(folder, within="IOT_2019_pxp/"):
    target = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for f in sorted(folder.rglob("*.*")):
            archive.write(f, within + f.relative_to(folder).as_posix())
    return target


@pytest.mark.parametrize(
    "names", [("Z", "Y", "x", "unit"), ("A", "Y", "x", "unit"), ("Z", "A", "Y", "x", "unit"), ("Z", "Y")]
)
def test_exiobase_as_published_folder_zip_and_files(tmp_path, names):
    folder = exiobase(tmp_path / "IOT_2019_pxp", names)
    outer = exiobase(tmp_path / "unpacked" / "IOT_2019_pxp", names).parent
    for place in (folder, packed(folder), packed(folder, ""), outer):
        t = sources.inter_country_table(place)
        np.testing.assert_allclose(t.z, FLOWS)
        np.testing.assert_allclose(t.y, FINAL)
        np.testing.assert_allclose(t.x, OUTPUT)
        assert list(t.inputs["region"]) == ["AUT", "AUT", "TWN", "ROW"]
        assert t.balance["gap"].abs().max() < 1e-9
        assert t.report.vintage == f"table of 2019, as the {'folder' if place is outer else 'file'}'s name says"
        assert ("flows in M.EUR" in t.report.notes) == ("unit" in names)
        assert any("coefficients of A" in n for n in t.report.notes) == ("Z" not in names)
    if "x" in names and "Z" in names:
        parts = {k: folder / f"{k}.txt" for k in ("x", "Y")}
        np.testing.assert_allclose(sources.inter_country_table(folder / "Z.txt", x=parts["x"], y=parts["Y"]).x, OUTPUT)


def test_what_is_wrong_with_exiobase_is_told_with_a_way_out(tmp_path):
    bare = exiobase(tmp_path / "bare", ("A", "Y"))
    with pytest.raises(SourceError, match=r"coefficients without output.*x="):
        sources.inter_country_table(bare)
    with pytest.raises(SourceError, match=r"without Z.txt or A.txt"):
        sources.inter_country_table(exiobase(tmp_path / "none", ("Y",)))
    both = tmp_path / "both"
    exiobase(both / "IOT_2018_pxp")
    exiobase(both / "IOT_2019_pxp")
    for place in (both, packed(both, "")):
        with pytest.raises(SourceError, match=r"several tables .*IOT_2018_pxp, .*give the folder"):
            sources.inter_country_table(place)
    hybrid = exiobase(tmp_path / "hybrid", unit=("tonnes", "tonnes", "TJ", "M.EUR"))
    notes = " ".join(sources.inter_country_table(hybrid).report.notes)
    assert "several units (M.EUR, TJ, tonnes)" in notes
    broken = exiobase(tmp_path / "broken")
    text = (broken / "Z.txt").read_text()
    for wrong, said in ((text.replace("\t2.0\t", "\tn/a\t", 1), "no number"), (text[:-5], "another length")):
        (broken / "Z.txt").write_text(wrong)
        with pytest.raises(SourceError, match=said):
            sources.inter_country_table(broken)
    two = tmp_path / "two.zip"
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("one.csv", WIDE)
        archive.writestr("other.csv", WIDE)
    with pytest.raises(SourceError, match="Unpack it, and give the file") as told:
        sources.inter_country_table(two)
    assert "member=" not in str(told.value)


def test_an_archive_without_flows_is_told_whatever_its_extensions_hold(tmp_path):
    folder = exiobase(tmp_path / "IOT_2020_pxp", ("Y", "x", "unit"))
    (folder / "satellite" / "A.txt").write_text((exiobase(tmp_path / "full") / "Z.txt").read_text())
    for place, kind in ((folder, "a folder"), (packed(folder), "an archive"), (packed(folder, ""), "an archive")):
        with pytest.raises(SourceError, match=rf"{kind} without Z.txt or A.txt.*Y.txt"):
            sources.inter_country_table(place)


def test_the_year_of_an_archive_is_that_of_the_folder_in_it(tmp_path):
    archive = packed(exiobase(tmp_path / "download"))
    assert sources.inter_country_table(archive).report.vintage == "table of 2019, as the folder's name says"


def pairs(labels):
    return pd.MultiIndex.from_tuples([tuple(v.split(".", 1)) for v in labels], names=["region", "sector"])


def test_regions_over_sectors_in_parquet(tmp_path):
    labels = ["AT.Wheat", "AT.Rice, raw", "CN.Wheat"]
    both = pairs(labels)
    flows = pd.DataFrame(np.arange(9.0).reshape(3, 3), index=both, columns=both)
    final = pd.DataFrame([[10.0], [20.0], [30.0]], index=both, columns=pairs(["AT.HFCE"]))
    output = pd.DataFrame({"indout": flows.sum(axis=1) + 10.0 * np.arange(1, 4)}, index=both)
    units = pd.DataFrame({"unit": ["M.EUR"] * 3}, index=both)
    folder = tmp_path / "IOT_2021_ixi"
    folder.mkdir()
    for name, frame in (("Z", flows), ("Y", final), ("x", output), ("unit", units)):
        frame.to_parquet(folder / f"{name}.parquet")
    alone = sources.inter_country_table(folder / "Z.parquet", y=folder / "Y.parquet", x=folder / "x.parquet")
    flat = flows.set_axis(labels, axis=1).reset_index()  # labels in columns of their own
    flat.to_parquet(tmp_path / "flat.parquet", index=False)
    loose = sources.inter_country_table(tmp_path / "flat.parquet", y=folder / "Y.parquet", x=folder / "x.parquet")
    whole = sources.inter_country_table(folder)
    for t in (alone, loose, whole):
        assert list(t.z.index) == list(t.z.columns) == labels
        np.testing.assert_array_equal(t.z, flows)
        assert t.balance["gap"].abs().max() == 0
        assert list(t.inputs["region"]) == ["AUT", "AUT", "CHN"]
    assert whole.report.vintage == "table of 2021, as the file's name says"
    assert "flows in M.EUR" in whole.report.notes
    (folder / "Z.parquet").rename(folder / "A.parquet")
    np.testing.assert_allclose(sources.inter_country_table(folder).z, flows * output["indout"].to_numpy())


def wiot(path, *years):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["Notes"])
    for k, year in enumerate(years, 1):
        page = book.create_sheet(f"WIOT_{year}")
        blank = [None] * 4
        for row in (
            ["World table"], [*blank, "Agr", "Min", "Agr", "Min", "Final", "Out"],
            [*blank, "AUS", "AUS", "RoW", "RoW", "AUS", "TOT"], [*blank, "c1", "c2", "c1", "c2", "c37", "c42"],
            *(["A", "x", c, s, *(k * v for v in (1, 2, 3, 4, 5, 15))] for c in ("AUS", "RoW") for s in ("c1", "c2")),
        ):  # fmt: skip
            page.append(row)
    book.save(path)
    return path


def test_of_a_workbook_of_several_years_the_one_that_is_read_is_told(tmp_path):
    book = wiot(tmp_path / "WIOT_1995_2011_row_apr12.xlsx", 1995, 1996)
    first = sources.inter_country_table(book)
    assert first.z.to_numpy().sum() == 40
    assert first.report.vintage == "table of 1995, as the sheet's name says; edition 2012-04"
    assert "read is the sheet 'WIOT_1995'; not read: 'WIOT_1996': name one with sheet=" in first.report.notes
    for k, year in ((1, 1995), (2, 1996)):
        t = sources.inter_country_table(book, sheet=f"WIOT_{year}")
        assert t.z.to_numpy().sum() == 40 * k
        assert not any("not read" in n for n in t.report.notes)
        assert t.report.vintage == f"table of {year}, as the sheet's name says; edition 2012-04"
    with pytest.raises(SourceError, match="no such sheet"):
        sources.inter_country_table(book, sheet="WIOT_2001")
    one = sources.inter_country_table(wiot(tmp_path / "w.xlsx", 2004))
    assert one.report.vintage == "table of 2004, as the sheet's name says"


def test_a_span_of_years_in_the_name_is_no_year(tmp_path):
    file = tmp_path / "ICIO_1995-2018.csv"
    file.write_text(WIDE)
    assert sources.inter_country_table(file).report.vintage == "year not stated (the file's name says 1995, 2018)"


def test_the_rest_of_the_world_of_newer_editions(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("l,AUT_A,WRL_REST_A,AUT_F,OUT\nAUT_A,1,2,7,10\nWRL_REST_A,3,1,1,5\n")
    assert list(sources.inter_country_table(file).inputs["region"]) == ["AUT", "ROW"]

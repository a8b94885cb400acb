"""Inter-country tables: wide files, parts, labels, balance."""

from __future__ import annotations

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

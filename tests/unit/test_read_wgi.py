"""Worldwide Governance Indicators: both layouts, old codes, dots that are not zero."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError
from supplyrisk.graph import SupplyGraph

HEAD = "codeindyr,code,countryname,year,indicator,estimate,stddev,nsource,pctrank"


def file(tmp_path, *rows, name="wgi.csv", head=HEAD):
    path = tmp_path / name
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_old_codes_taiwan_and_places_without_a_code(tmp_path):
    codes = {"ADO": "AND", "ZAR": "COD", "ROM": "ROU", "TMP": "TLS", "KSV": "XKX", "WBG": "PSE", "TWN": "TWN"}
    rows = [f"x,{c},Somewhere,2023,pv,0.{k + 1},0.2,3,50" for k, c in enumerate([*codes, "XYZ"])]
    reading = sources.wgi(file(tmp_path, *rows))
    table = reading.tables["countries"]
    assert table["country"].tolist() == list(codes.values())
    assert [u["name"] for u in reading.report.unmapped] == ["XYZ"]
    assert len(reading.data) == 8


def test_dots_and_blanks_are_not_available_never_zero(tmp_path):
    table = sources.wgi(file(tmp_path, "x,ASM,American Samoa,1996,cc,..,..,..,..", "x,FRA,France,1996,cc,,,,")).tables
    assert table["countries"]["value"].isna().all()
    assert table["countries"]["missing"].eq("not_available").all()
    SupplyGraph.from_tables(table)


def test_interval_is_ninety_percent(tmp_path):
    row = sources.wgi(file(tmp_path, "x,FRA,France,2023,rl,1.0,0.2,9,88")).tables["countries"].iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((1 - 0.329, 1 + 0.329))
    assert row["indicator"] == "wgi_rl"


def test_databank_table_with_a_column_per_year_and_its_footer(tmp_path):
    head = "Country Name,Country Code,Series Name,Series Code,2022 [YR2022],2023 [YR2023]"
    rows = ['"Congo, Dem. Rep.",COD,Rule of Law: Estimate,RL.EST,-1.7,..',
            '"Congo, Dem. Rep.",COD,Rule of Law: Percentile Rank,RL.PER.RNK,3,4', ",,,,,"]  # fmt: skip
    reading = sources.wgi(file(tmp_path, *rows, head=head))
    table = reading.tables["countries"]
    assert table[["country", "year"]].values.tolist() == [["COD", 2022], ["COD", 2023]]
    assert table["missing"].tolist() == [None, "not_available"]
    assert {u["name"] for u in reading.report.unmapped} == {"RL.PER.RNK"}


def test_workbook_equals_csv(tmp_path):
    rows = [
        ["x", "FRA", "France", 2023, "rl", 1.25, 0.2, 9, 88],
        ["x", "TWN", "Taiwan", 2023, "pv", "..", "..", "..", ".."],
    ]
    book = openpyxl.Workbook()
    for row in [HEAD.split(","), *rows]:
        book.active.append(row)
    book.save(tmp_path / "wgi.xlsx")
    text = sources.wgi(file(tmp_path, *(",".join(map(str, r)) for r in rows))).tables["countries"]
    pd.testing.assert_frame_equal(sources.wgi(tmp_path / "wgi.xlsx").tables["countries"], text)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(SourceError, match="indicator"):
        sources.wgi(file(tmp_path, "1,2", head="a,b"))


@pytest.mark.realdata
def test_the_published_files(published):
    book, text = (sources.wgi(published / "wgi" / f"wgidataset.{e}") for e in ("xlsx", "csv.gz"))
    for r in (book, text):
        assert len(r.data) == 32_100
        table = r.tables["countries"]
        assert table["country"].nunique() == 214  # the Netherlands Antilles under their own code
        assert table["indicator"].nunique() == 6
        row = table[(table["country"] == "TWN") & (table["indicator"] == "wgi_pv") & (table["year"] == 2023)]
        assert row["value"].tolist() == pytest.approx([0.7638], abs=1e-4)
    assert book.tables["countries"]["value"].sum() == pytest.approx(text.tables["countries"]["value"].sum())


def test_a_file_of_the_programming_interface_is_read(tmp_path):
    path = tmp_path / "API_PV.EST_DS2_en_csv_v2_1.csv"
    rows = ['"Data Source","World Development Indicators",', "", '"Last Updated Date","2025-10-07",', ""]
    rows += ['"Country Name","Country Code","Indicator Name","Indicator Code","1960","2022","2023","2024",']
    for name, code, a, b in (("Aruba", "ABW", "1.4", "1.5"), ("China", "CHN", "-0.4", ""), ("World", "WLD", "", "")):
        rows += [f'"{name}","{code}","Political Stability: Estimate","GOV_WGI_PV.EST","","{a}","{b}","",']
    path.write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    reading = sources.wgi(path)
    table = reading.tables["countries"].set_index(["country", "year"])
    assert table["value"].dropna().to_dict() == {("ABW", 2022): 1.4, ("ABW", 2023): 1.5, ("CHN", 2022): -0.4}
    assert table.loc[("CHN", 2023), "missing"] == "not_available"
    assert set(table["indicator"]) == {"wgi_pv"}
    assert set(table["published_on"]) == {"2025-10-07"}
    assert "2 years without any figure" in str(reading.report)


@pytest.mark.parametrize(
    ("lower", "upper", "bounds"),
    [("2.1", "9.9", (None, None)), ("-2.2", "-1.6", (-2.2, -1.6)), ("-2.2", "9.9", (None, None))],
)
def test_bounds_of_the_percentile_rank_are_none_of_the_estimate(tmp_path, lower, upper, bounds):
    file = tmp_path / "wgi.csv"
    head = "Country Code,Country,Year,Indicator,Estimate,StdErr,NumSrc,Rank,Lower,Upper\n"
    file.write_text(f'{head}COD,"Congo, Dem. Rep.",2022,Rule of Law,-1.9,,8,5.2,{lower},{upper}\n')
    reading = sources.wgi(file)
    row = reading.tables["countries"].iloc[0]
    assert row["value"] == -1.9
    assert (
        None if row["low"] != row["low"] else row["low"],
        None if row["high"] != row["high"] else row["high"],
    ) == bounds
    assert any("Lower and Upper" in n for n in reading.report.notes) == (bounds == (None, None))

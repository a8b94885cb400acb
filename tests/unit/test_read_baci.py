"""BACI: every container, every trap, streamed; dependence on the published figures."""

from __future__ import annotations

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import supplyrisk as sr
from supplyrisk.errors import SchemaError, SourceError, UnknownNameError
from supplyrisk.sources.hs import BasketWarning
from supplyrisk.sources.read_baci import _Text, dependence

TEXT = (
    "t,i,j,k,v,q\n2024,156,842,850511,745,10\n2024,490,842,850511,100,1\n2024,344,842,850511,55,  NA\n"
    "2024,280,842,850511,60,1\n2024,276,842,850511,40,1\n2024,156,344,850511,80,2\n2024,156,842,811292,9,1\n"
    "2024,4,842,10121,5,1\n2024,998,842,850511,1,1\n"
)
NAME = "BACI_HS17_Y2024_V202601"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / f"{NAME}.csv"
    path.write_text(TEXT)
    return path


def usa(reading):
    return dependence(reading).loc[("850511", 2024, "USA")]


def test_thousands_of_dollars_taiwan_former_states_and_missing_weights(file):
    reading = sr.sources.baci(file)
    flows = reading.data[reading.data["hs6"] == "850511"].set_index(["origin", "destination"])
    assert flows.loc[("CHN", "USA"), "value"] == 745_000.0
    assert flows.loc[("TWN", "USA"), "flag"] == "UN 490, Other Asia nes, read as TWN"
    assert flows.loc[("DEU", "USA"), "value"] == 100_000.0  # codes 276 and 280
    assert pd.isna(flows.loc[("HKG", "USA"), "quantity"])
    assert usa(reading)["share"] == pytest.approx(0.745)
    assert [u["name"] for u in reading.report.unmapped] == ["998"]
    assert reading.report.unmapped[0]["value_share"] == pytest.approx(1 / 1090, rel=0.01)
    assert {d["reason"]: d["rows"] for d in reading.report.dropped} == {
        "heading not asked for": 1,
        "unreadable year, number or place": 1,
    }


@pytest.mark.parametrize("container", ["csv.gz", "zip", "parquet", "folder", "bom", "crlf", "semicolon"])
def test_every_container_reads_the_same(file, tmp_path, container):
    want = sr.sources.baci(file).data
    box = tmp_path / "box"
    box.mkdir()
    path = box / f"{NAME}.{container}"
    if container == "csv.gz":
        path.write_bytes(gzip.compress(TEXT.encode()))
    elif container == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr(f"{NAME}.csv", TEXT)
            z.writestr("country_codes_V202601.csv", "country_code,country_name\n")
            z.writestr("Readme.txt", "about")
    elif container == "parquet":
        pd.read_csv(file, na_values=["  NA"]).to_parquet(path)
    elif container == "folder":
        (box / f"{NAME}.csv").write_text(TEXT)
        (box / "country_codes_V202601.csv").write_text(
            "country_code,country_name,country_iso2,country_iso3\n156,China,CN,CHN\n"
        )
        path = box
    else:
        path = box / f"{NAME}.csv"
        text = {"bom": "\ufeff" + TEXT, "crlf": TEXT.replace("\n", "\r\n"), "semicolon": TEXT.replace(",", ";")}[
            container
        ]
        path.write_bytes(text.encode())
    pd.testing.assert_frame_equal(sr.sources.baci(path).data, want)


def test_a_zip_of_years_and_the_years_wanted(tmp_path):
    path = tmp_path / "BACI_HS17_V202601.zip"
    with zipfile.ZipFile(path, "w") as z:
        for y in (2022, 2023, 2024):
            z.writestr(f"BACI_HS17_Y{y}_V202601.csv", TEXT.replace("2024", str(y)))
    reading = sr.sources.baci(path, years=[2023, 2024], products=["ndfeb.magnet"])
    assert sorted(reading.data["year"].unique()) == [2023, 2024]
    assert reading.report.vintage == "BACI HS2017 V202601, 2023 to 2024"


def test_revision_of_the_name_and_its_headings(tmp_path):
    path = tmp_path / "BACI_HS92_Y2000_V202601.csv"
    path.write_text("t,i,j,k,v,q\n2000,156,842,811000,5,1\n2000,156,842,850511,5,1\n")
    reading = sr.sources.baci(path)
    assert reading.report.vintage.startswith("BACI HS1992")
    con = reading.inputs["concordance"].set_index("hs6")
    assert con.loc["850511", "use"]
    assert not con.loc["811000", "use"]  # in HS 1992 it holds waste and articles too
    assert set(reading.tables["links"]["product"]) == {"ndfeb.magnet"}


def test_a_basket_warns_and_makes_no_link(file):
    with pytest.warns(BasketWarning, match="811292"):
        reading = sr.sources.baci(file, products=["gallium.refined", "germanium.refined"])
    assert len(reading.data) == 1  # one flow, not one per metal
    assert not len(reading.tables["links"])
    assert any("never add" in n for n in reading.report.notes)


def test_entrepots_do_not_become_producers(file):
    links = sr.sources.baci(file).tables["links"]
    assert "ndfeb.magnet@HKG:demand" in set(links["supplier"])
    assert "ndfeb.magnet@HKG" not in set(links["supplier"])
    assert "ndfeb.magnet@CHN" in set(links["supplier"])


def test_headings_all_and_by_code(file):
    assert "010121" in set(sr.sources.baci(file, headings="all").data["hs6"])
    assert set(sr.sources.baci(file, headings=["850511"]).data["hs6"]) == {"850511"}


def test_values_in_dollars_without_a_year_column(tmp_path):
    path = tmp_path / "baci_2022_value_usd.csv"
    path.write_text("i,j,cmd,value\nCHN,USA,850511,100\nS19,USA,850511,50\n")
    data = sr.sources.baci(path).data
    assert data[["year", "origin", "value"]].values.tolist() == [[2022, "CHN", 100.0], [2022, "TWN", 50.0]]
    bare = tmp_path / "flows.csv"
    bare.write_text("i,j,cmd,value\nCHN,USA,850511,100\n")
    with pytest.raises(SourceError, match="year="):
        sr.sources.baci(bare)
    assert sr.sources.baci(bare, year=2020).data["year"].tolist() == [2020]


def test_materials_that_share_a_heading_are_one_flow(tmp_path):
    path = tmp_path / "panel.parquet"
    rows = [(2024, "CN", "US", m, 100, np.nan) for m in ("gallium", "germanium", "hafnium")] + [
        (2024, "NA", "CN", "copper", 7, 1.0)
    ]
    pd.DataFrame(rows, columns=["year", "exporter", "importer", "material", "value_usd", "qty_t"]).to_parquet(path)
    data = sr.sources.baci(path).data
    assert data["value"].sum() == 107.0
    assert "NAM" in set(data["origin"])  # Namibia, not a missing value


def test_periods_of_several_years_become_yearly_means(tmp_path):
    path = tmp_path / "p.parquet"
    pd.DataFrame(
        {"period": ["2012_2014"], "k": ["260500"], "sources": ["DR Congo"], "targets": ["China"], "q_total": [30.0]}
    ).to_parquet(path)
    assert sr.sources.baci(path, headings="all").data[["year", "origin", "quantity"]].values.tolist() == [
        [2014, "COD", 10.0]
    ]


def test_faults_are_said_and_not_guessed(file, tmp_path):
    with pytest.raises(UnknownNameError, match=r"ndfeb\.magnet"):
        sr.sources.baci(file, products=["ndfeb.magnets"])
    (tmp_path / "a.csv").write_text("foo,bar\n1,2\n")
    with pytest.raises(SourceError, match="column is absent"):
        sr.sources.baci(tmp_path / "a.csv")
    (tmp_path / "BACI_HS12_Y2024.csv").write_text(TEXT)
    with pytest.raises(SourceError, match="several HS revisions"):
        sr.sources.baci([file, tmp_path / "BACI_HS12_Y2024.csv"])
    comma = tmp_path / "BACI_HS17_Y2024_c.csv"
    comma.write_text("t;i;j;k;v;q\n2024;156;842;850511;1.234,5;1\n")
    out = sr.sources.baci(comma)
    assert (len(out.data), out.report.rows_dropped) == (0, 1)


def test_streaming_in_blocks_gives_the_same_as_at_once(tmp_path, monkeypatch):
    import supplyrisk.sources.read_baci as module

    rng = np.random.default_rng(0)
    n = 20_000
    frame = pd.DataFrame({"t": 2024, "i": rng.choice([156, 392, 276, 842], n), "j": rng.choice([251, 410, 826], n),
                          "k": rng.choice(["850511", "810411", "010121"], n), "v": rng.random(n).round(3), "q": rng.random(n).round(3)})  # fmt: skip
    path = tmp_path / f"{NAME}.csv"
    frame.to_csv(path, index=False)
    whole = sr.sources.baci(path)
    monkeypatch.setattr(module, "_BLOCK", 1 << 12)
    pd.testing.assert_frame_equal(sr.sources.baci(path).data, whole.data)
    once = frame.drop_duplicates()  # BACI holds a flow once: the very same row is dropped
    assert whole.report.rows_read - whole.report.rows_dropped == (once["k"] != "010121").sum()
    want = once[once["k"] != "010121"].assign(v=lambda f: f["v"] * 1000).groupby("k")["v"].sum()
    assert whole.data.groupby("hs6")["value"].sum().to_dict() == pytest.approx(want.to_dict())


def test_reading_goes_over_the_atlas_without_wiping_output(file, atlas):
    before = atlas.nodes
    g = atlas.overlay(sr.sources.baci(file, products=["ndfeb.magnet"]), name="baci")
    links = g.links[g.links["origin_tag"] == "baci"]
    assert len(links) == 5
    known = before[before["output"].notna() & (before["product"] == "ndfeb.magnet")]
    now = g.nodes[g.nodes["output"].notna() & (g.nodes["product"] == "ndfeb.magnet")]
    assert len(now) == len(known)


@pytest.mark.realdata
def test_magnet_dependence_of_2024(published):
    reading = sr.sources.baci(published / "baci" / "BACI_HS17_Y2024_V202601_crm30.csv.gz")
    share = dependence(reading)["share"]
    assert round(share["850511", 2024, "USA"], 3) == 0.745
    assert round(share["850511", 2024, "JPN"], 3) == 0.276
    magnets = reading.data[reading.data["hs6"] == "850511"]
    assert round(magnets.loc[magnets["origin"] == "CHN", "value"].sum() / magnets["value"].sum(), 3) == 0.627
    assert (reading.report.rows_read, reading.report.rows_dropped) == (21723, 0)
    assert not reading.report.unmapped


@pytest.mark.realdata
def test_readings_together_make_a_graph(published):
    usgs = sr.sources.usgs_mcs(published / "usgs_mcs" / "MCS2026_Commodities_Data.csv", products=["rare_earths.mine"])
    baci = sr.sources.baci(published / "baci" / "BACI_HS17_Y2024_V202601_crm30.csv.gz", products=["ndfeb.magnet"])
    g = sr.sources.together(usgs, baci)
    links = g.links[(g.links["product"] == "ndfeb.magnet") & (g.links["method"] == "observed")]
    for place, want in (("USA", 0.745), ("JPN", 0.276)):
        mine = links[links["buyer"] == f"ndfeb.magnet@{place}:demand"]
        assert (
            round(mine.loc[mine["supplier"].str.startswith("ndfeb.magnet@CHN"), "value"].sum() / mine["value"].sum(), 3)
            == want
        )


@pytest.mark.realdata
def test_other_published_files(published):
    panel = sr.sources.baci(published / "baci" / "baci_crm32_panel_2002_2024.parquet", years=[2024])
    assert round(dependence(panel)["share"]["850511", 2024, "USA"], 2) == 0.75  # small flows are left out of this file
    names = sr.sources.baci(published / "baci" / "baci_cobalt_products_quantity_2012_2020.parquet", headings="all")
    assert names.report.rows_dropped == 0
    with pytest.raises((SourceError, SchemaError)):
        sr.sources.baci(published / "wgi" / "wgidataset.csv.gz")


@pytest.mark.parametrize("bad", ["1.234,5", "-5", "inf", "1e400", "abc"])
def test_what_an_unreadable_value_carries_is_not_known(tmp_path, bad):
    file = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    file.write_text(f't,i,j,k,v,q\n2024,156,842,850511,745.0,10\n2024,156,392,850511,"{bad}",10\n')
    r = sr.sources.baci(file, products=["ndfeb.magnet"])
    assert r.inputs["trade"]["value"].tolist() == [745e3]
    (lost,) = r.report.dropped
    assert (lost["rows"], lost.get("share"), "not known" in lost["reason"]) == (1, None, True)
    assert "% of value" not in str(r.report)
    assert any("in no share of value" in n for n in r.report.notes)


def test_a_quotation_mark_that_is_not_closed_is_refused_and_empty_lines_are_not(tmp_path):
    file = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    head, row = "t,i,j,k,v,q\n", "2024,156,{},850511,745.0,10\n"
    for text in ('2024,156,392,"850511,745.0,10\n' + row.format(276),
                 '2024,156,392,"850511,745.0,10\n' + row.format(276) + '2024,156,410,"850511,745.0,10\n'):  # fmt: skip
        file.write_text(head + row.format(842) + text + row.format(826))
        with pytest.raises(SourceError, match="not closed"):
            sr.sources.baci(file, headings="all")
    for end in ("\n", "\r\n"):
        text = (
            head + "\n\n" + row.format(842) + "\n\n\n" + '"2024","156","392","850511","745.0","10"\n' + row.format(826)
        )
        file.write_bytes(text.replace("\n", end).encode())
        assert len(sr.sources.baci(file, headings="all").data) == 3


@given(
    st.lists(st.sampled_from(["a", "b,c", "\n", "\r\n", "\n\n"]), max_size=25), st.integers(0, 40), st.integers(1, 6)
)
def test_lines_are_counted_however_a_stream_is_cut(parts, cut, size):
    text = "".join(parts).encode()
    stream, buffer, out = _Text(text[:cut], io.BytesIO(text[cut:]), "utf-8", None), bytearray(size), b""
    while n := stream.readinto(buffer):
        out += bytes(buffer[:n])
    assert out == text
    assert stream.lines == sum(1 for line in text.replace(b"\r\n", b"\n").split(b"\n") if line)


def test_rows_of_another_year_than_the_name_says_are_told(tmp_path):
    path = tmp_path / "BACI_HS17_Y2023_V202601.csv"
    path.write_text("t,i,j,k,v,q\n2023,156,842,850511,10,1\n2024,156,276,850511,30,2\n")
    notes = [n for n in sr.sources.baci(path).report.notes if "another year" in n]
    assert notes == [
        "the name of BACI_HS17_Y2023_V202601.csv says 2023, but rows are of another year (1 of 2024): the year in the rows counts"
    ]
    path.write_text("t,i,j,k,v,q\n2023,156,842,850511,10,1\n")
    assert not [n for n in sr.sources.baci(path).report.notes if "another year" in n]

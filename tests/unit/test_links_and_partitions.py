"""Folders as they are found: links that lead out, trees of partitions, a column of value under an unknown name."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError

FLOWS = {"i": [156], "j": [842], "k": ["850511"], "v": [1.0], "q": [2.0]}
CSV = "i,j,k,v,q\n156,842,850511,1,2\n"


def parquet(file, **other):
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**FLOWS, **{k: [v] for k, v in other.items()}}), file)


def flows(reading):
    return reading.data[["year", "origin", "destination", "value"]].values.tolist()


def test_a_partition_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    parquet(tmp_path / "outside" / "secret.parquet", v=777.0)
    parquet(tmp_path / "baci" / "t=2023" / "a.parquet")
    (tmp_path / "baci" / "t=2022").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(SourceError, match="a link that leads out of the folder"):
        sr.sources.baci(tmp_path / "baci")


def test_a_part_or_a_deeper_partition_that_is_a_link_out_is_refused(tmp_path):
    parquet(tmp_path / "outside" / "secret.parquet", v=777.0)
    for n, link in enumerate(("t=2022/hs=85", "t=2022/b.parquet")):
        root = tmp_path / f"baci{n}"
        parquet(root / "t=2022" / "hs=84" / "a.parquet")
        target = tmp_path / "outside" if n == 0 else tmp_path / "outside" / "secret.parquet"
        (root / link).symlink_to(target)
        with pytest.raises(SourceError, match="a link that leads out of the folder"):
            sr.sources.baci(root)


def test_a_link_within_the_tree_is_not_read_twice(tmp_path):
    parquet(tmp_path / "t=2023" / "a.parquet")
    (tmp_path / "t=2022").symlink_to(tmp_path / "t=2023", target_is_directory=True)
    (tmp_path / "t=2023" / "t=2021").symlink_to(tmp_path, target_is_directory=True)  # a loop
    reading = sr.sources.baci(tmp_path)
    assert flows(reading) == [[2023, "CHN", "USA", 1000.0]]
    assert any("t=2022 is a link within the folder" in n for n in reading.report.notes)


def test_partitions_within_partitions_and_of_csv_are_read_with_the_year_of_their_folder(tmp_path):
    parquet(tmp_path / "year=2023" / "hs=85" / "part-0-2019-7.parquet")
    (tmp_path / "year=2022").mkdir()
    (tmp_path / "year=2022" / "a.csv").write_text(CSV)
    (tmp_path / "year=2022" / "_SUCCESS").write_text("")
    (tmp_path / "year=2022" / "_metadata.parquet").write_text("")
    (tmp_path / "BACI_HS17_Y2021_V202501.csv").write_text(CSV)
    reading = sr.sources.baci(tmp_path)
    assert sorted(flows(reading)) == [[2022, "CHN", "USA", 1000.0], [2023, "CHN", "USA", 1000.0]]
    assert any("BACI_HS17_Y2021_V202501.csv" in n and "not read" in n for n in reading.report.notes)


def test_partitions_without_a_file_and_no_files_at_all_are_refused(tmp_path):
    (tmp_path / "year=2022").mkdir()
    (tmp_path / "year=2022" / "read.me").write_text("")
    with pytest.raises(SourceError, match="no file in the partitions"):
        sr.sources.baci(tmp_path)
    with pytest.raises(SourceError, match="no file to read"):
        sr.sources.baci([])


def test_a_table_beside_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("country_code,country_name,country_iso3\n156,France,FRA\n")
    folder = tmp_path / "baci"
    folder.mkdir()
    (folder / "BACI_HS17_Y2023_V202501.csv").write_text(CSV)
    (folder / "country_codes_V202501.csv").symlink_to(secret)
    with pytest.raises(SourceError, match="a link that leads out of the folder"):
        sr.sources.baci(folder)
    study = tmp_path / "study"
    study.mkdir()
    (study / "fact_GlobalSupplyShares.csv").write_text("Material,Stage,Country,Share\nGallium,P,China,94%\n")
    (study / "dimension_CRMsOverTime.csv").symlink_to(secret)
    with pytest.raises(SourceError, match="a link that leads out of the folder"):
        sr.sources.eu_crm(study / "fact_GlobalSupplyShares.csv")


@pytest.mark.parametrize("name", ["v_kusd", "Value (1000 USD)", "tradevalue", "fob", "V1"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_value_under_an_unknown_name_is_refused(tmp_path, name, kind):
    file = tmp_path / f"BACI_HS17_Y2023_V202501.{kind}"
    if kind == "csv":
        file.write_text(CSV.replace(",v,", f",{name},"))
    else:
        pq.write_table(pa.table({name if k == "v" else k: v for k, v in FLOWS.items()}), file)
    with pytest.raises(SourceError, match="no known column of value") as error:
        sr.sources.baci(file)
    assert name in str(error.value)
    assert "thousand USD" in str(error.value)


def test_quantities_alone_are_said_to_be_that(tmp_path):
    file = tmp_path / "BACI_HS17_Y2023_V202501.csv"
    file.write_text("i,j,k,q,source\n156,842,850511,2,x\n")
    reading = sr.sources.baci(file)
    assert reading.data["value"].isna().all()
    assert any("no column of value" in n and "columns not read: source" in n for n in reading.report.notes)
    file.write_text(CSV)
    assert not any("no column of value" in n for n in sr.sources.baci(file).report.notes)

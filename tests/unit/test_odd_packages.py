"""Files as they come: zips of many tables, parquet instead of csv, binary workbooks, names whose code is another place."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError

API = (
    '"Data Source","Worldwide Governance Indicators",\n\n"Last Updated Date","2025-01-28",\n\n'
    '"Country Name","Country Code","Indicator Name","Indicator Code","2022","2023",\n'
    '"China","CHN","{name}: Estimate","{code}.EST","{a}","{b}",\n'
)


def packed(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return path


def test_governance_as_a_zip_of_csv_files(tmp_path: Path) -> None:
    pv = API.format(name="Political Stability and Absence of Violence/Terrorism", code="PV", a="-0.4", b="-0.5")
    rl = API.format(name="Rule of Law", code="RL", a="-0.1", b="..")
    about = {"Metadata_Country_API_PV": '"Country Code","Region",\n"CHN","East Asia",\n'}
    about["Metadata_Indicator_API_PV"] = '"INDICATOR_CODE","INDICATOR_NAME",\n"PV.EST","Political",\n'
    lone = sr.sources.wgi(packed(tmp_path / "API_PV.zip", API_PV_EST_DS2_en_csv_v2=pv, **about))
    table = lone.tables["countries"].set_index(["indicator", "year"])["value"]
    assert table.to_dict() == {("wgi_pv", 2022): -0.4, ("wgi_pv", 2023): -0.5}
    assert set(lone.tables["countries"]["published_on"]) == {"2025-01-28"}
    both = sr.sources.wgi(packed(tmp_path / "wgi.zip", API_PV=pv, API_RL=rl, **about))
    rows = both.tables["countries"].set_index(["indicator", "year"])
    assert sorted(rows.index) == [("wgi_pv", 2022), ("wgi_pv", 2023), ("wgi_rl", 2022), ("wgi_rl", 2023)]
    assert rows.loc[("wgi_rl", 2023), "missing"] == "not_available"
    long = 'code,countryname,year,estimate,stddev\nZAR,"Congo, Dem. Rep.",2023,-2.0,0.2\n'
    named = sr.sources.wgi(packed(tmp_path / "x.zip", pv=long, rl=long)).tables["countries"]
    assert sorted(named["indicator"]) == ["wgi_pv", "wgi_rl"]
    assert set(named["country"]) == {"COD"}
    with pytest.raises(SourceError):
        sr.sources.wgi(packed(tmp_path / "y.zip", cats="a,b\n1,2\n", dogs="a,b\n1,2\n"))


def test_a_zip_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="far more"):
        sr.sources.wgi(packed(tmp_path / "z.zip", pv="a" * 5_000_000, rl="b" * 5_000_000))


def test_a_trade_extract_as_parquet_reads_as_its_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "refYear": [2022, 2022, 2022],
            "reporterCode": [842, 842, 842],
            "reporterISO": ["USA"] * 3,
            "partnerISO": ["CHN", "S19", "W00"],
            "partnerDesc": ["China", "Other Asia, nes", "World"],
            "flowCode": ["M"] * 3,
            "cmdCode": ["050800", "850511", "850511"],
            "primaryValue": [75.5, 25.0, 100.5],
            "netWgt": [5000.0, None, 9.0],
            "isReported": [True, False, True],
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.astype({"flowCode": "category"}).to_parquet(tmp_path / "a.parquet")
    one, two = (sr.sources.comtrade(tmp_path / f"a.{kind}") for kind in ("csv", "parquet"))
    pd.testing.assert_frame_equal(one.data, two.data)
    pd.testing.assert_frame_equal(one.inputs["trade"], two.inputs["trade"])
    assert two.report.rows_read == 3
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match="no readable parquet"):
        sr.sources.comtrade(tmp_path / "b.parquet")
    with pytest.raises(SourceError, match="no such file"):
        sr.sources.comtrade(tmp_path / "absent.parquet")


@pytest.mark.parametrize(
    "name",
    ["usgs_mcs", "wmd", "bgs", "baci", "comtrade", "eu_crm", "iea", "wgi", "inter_country_table",
     "fineprint", "icmm_facilities", "aei_investments", "hs_map", "tidy"],
)  # fmt: skip
def test_a_binary_workbook_is_refused_with_a_remedy(tmp_path: Path, name: str) -> None:
    file = tmp_path / "data.xlsb"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.bin", b"\x00\x01")
    more: dict[str, Any] = {"tidy": {"table": "production", "columns": {}}}.get(name, {})
    with pytest.raises(SourceError, match=r"another format than \.xlsx.*save it as \.xlsx, or its sheet as csv"):
        getattr(sr.sources, name)(file, **more)


def notes(reading: Any) -> str:
    return " ".join(n for n in reading.report.notes if "another place" in n)


def test_a_name_whose_code_is_another_place_counts_and_is_told(tmp_path: Path) -> None:
    gov = tmp_path / "wgi.csv"
    gov.write_text('code,countryname,year,indicator,estimate,stddev\nCOD,"Congo, Rep.",2023,pv,-1.0,0.2\n')
    reading = sr.sources.wgi(gov)
    assert reading.tables["countries"]["country"].tolist() == ["COG"]
    assert "bear the code COD" in notes(reading)
    extract = tmp_path / "extract.csv"
    head = "period,reporterISO,reporterDesc,partnerISO,partnerDesc,flowCode,cmdCode,primaryValue,netWgt\n"
    extract.write_text(head + '2022,USA,USA,PRK,"Rep. of Korea",M,850511,75,5\n2022,USA,USA,CHN,China,M,850511,5,1\n')
    reading = sr.sources.comtrade(extract)
    assert reading.inputs["trade"]["origin"].tolist() == ["CHN", "KOR"]
    assert "bear the code PRK" in notes(reading)
    codes = tmp_path / "country_codes_V202601.csv"
    codes.write_text(
        "country_code,country_name,country_iso2,country_iso3\n178,Dem. Rep. of the Congo,CG,COG\n842,USA,US,USA\n"
    )
    flows = tmp_path / "BACI_HS17_Y2024_V202601.csv"
    flows.write_text("t,i,j,k,v,q\n2024,178,842,810520,745.5,10\n")
    reading = sr.sources.baci(flows, country_file=codes)
    assert reading.inputs["trade"]["origin"].tolist() == ["COD"]
    assert "bear the code COG" in notes(reading)
    loans = tmp_path / "loans.csv"
    loans.write_text(
        "AidData Record ID,Amount (Constant USD 2021),Title,Status,Sector Name,Recipient,Recipient ISO-3,Commitment Year\n"
        "1,5,Loan,Completion,INDUSTRY,Niger,NGA,2010\n"
    )
    reading = sr.sources.aiddata_projects(loans)
    assert reading.data["country"].tolist() == ["NER"]
    assert "bear the code NGA" in notes(reading)

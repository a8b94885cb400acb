"""Names of places that are easily taken for each other: never the wrong one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.sources.places import agreed, countries, country
from supplyrisk.sources.report import Report

RIVALS = {
    "PRK": "Korea, Dem. P.R.; Korea, Democratic Republic; Korea (Dem. P.R. of); Korea, DPR; DPRK; Korea, North; "
    "North Korea; Dem. People's Rep. of Korea; Korea, Democratic People's Republic of; Korea D.P.R.; Korea, Dem. P.R. of",
    "KOR": "Korea, Rep.; Korea, Republic of; Korea (Rep. of); Republic of Korea; South Korea; Korea, South; Korea; Korea, R.",
    "COD": "Congo (Kinshasa); Congo, Dem. Rep.; Congo, D.R.; DR Congo; Congo, Democratic Republic; Congo (Democratic Rep.)",
    "COG": "Congo; Congo (Brazzaville); Congo, Rep.; Republic of the Congo; Congo, Republic; Congo, People's Republic",
    "GIN": "Guinea; Guinea, Republic of",
    "GNB": "Guinea-Bissau; Guinea Bissau",
    "GNQ": "Equatorial Guinea; Guinea, Equatorial; Guinea (Equatorial)",
    "PNG": "Papua New Guinea; Papua-New Guinea",
    "NER": "Niger; Niger, Republic of",
    "NGA": "Nigeria; Nigeria, Federal Republic of",
    "DMA": "Dominica",
    "DOM": "Dominican Republic; Dominican Rep.",
    "GUY": "Guyana; Guyana, Republic of",
    "GUF": "French Guiana; Guiana, French; French Guyana; Guyana (French)",
    "MUS": "Mauritius",
    "MRT": "Mauritania; Mauritania, Islamic Republic of",
    "SVK": "Slovakia; Slovak Republic; Slovak Rep.",
    "SVN": "Slovenia",
    "SDN": "Sudan; Sudan, Republic of",
    "SSD": "South Sudan; Sudan, South; Republic of South Sudan",
    "WSM": "Samoa; Western Samoa",
    "ASM": "American Samoa; Samoa, American; Samoa (American)",
    "VIR": "Virgin Islands, U.S.; US Virgin Isds; U.S. Virgin Islands; Virgin Islands (U.S.)",
    "VGB": "British Virgin Islands; Virgin Islands, British; Br. Virgin Isds; Virgin Islands (UK)",
    "MKD": "North Macedonia; FYR Macedonia; Macedonia, FYR; Macedonia, Former Yugoslav Republic of",
    "FSM": "Micronesia, Fed. Sts.; Micronesia (Federated States of); FS Micronesia",
    "YEM": "Yemen; Yemen, Rep.; Yemen Arab Republic",
    "YMD": "Yemen, Democratic; South Yemen; Yemen, South; Yemen, P.D.R.",
    "VNM": "Viet Nam; Vietnam; Vietnam, Socialist Republic of",
    "VDR": "North Vietnam; Viet Nam, Dem. Rep.",
    "DEU": "Germany; Germany, Fed. Rep.; Germany, Federal Republic of; Germany (West)",
    "DDR": "German Dem. Rep.; German Democratic Republic; East Germany; Germany, East; Germany, Dem. Rep.",
    "TWN": "Taiwan; China, Republic of; Republic of China; China (Republic of); Taiwan, R.O.C.; Taiwan Province of China",
    "CHN": "China; PRC; China, P.R.; China, People's Republic of; China, P.R.: Mainland; People's Republic of China",
    "HKG": "Hong Kong; Hong Kong, China; China, Hong Kong SAR; China, P.R.: Hong Kong; Hong Kong, China SAR",
    "MAC": "Macao; Macau; Macao, China; China, Macao SAR",
    "USA": "U.S.A.; United States; USA; U.S.",
    "GBR": "U.K.; United Kingdom; Northern Ireland",
    "IRL": "Ireland; Republic of Ireland; Ireland, Republic of",
    "RUS": "Russian Fed.; Russian Federation; Russia",
}


@pytest.mark.parametrize("code", RIVALS)
def test_names_that_are_easily_taken_for_each_other(code: str) -> None:
    for name in RIVALS[code].split("; "):
        assert (name, country(name, "name")) == (name, code)
        assert country(name.upper(), "name") == code


@pytest.mark.parametrize(
    "name",
    ["Virgin Islands", "Vietnam, South", "Dominica, Rep.", "China and Hong Kong", "China, Hong Kong, Macao", "Korea, China",
     "China (incl. Hong Kong)", "Georgia, United States", "China, United States", "Koreas", "Bermuda, United Kingdom", "NA"],
)  # fmt: skip
def test_a_name_that_may_be_two_places_is_none(name: str) -> None:
    assert country(name, "name") is None
    assert country(name) is None


def test_codes_in_small_letters_count_and_na_is_namibia_among_codes_only() -> None:
    assert countries(pd.Series(["chn", "Usa", "per"]), "iso3").tolist() == ["CHN", "USA", "PER"]
    assert country("chn") == "CHN"
    assert countries(pd.Series(["NA", "CN", "ZA"])).tolist() == ["NAM", "CHN", "ZAF"]
    assert country("NA", "iso2") == "NAM"
    assert countries(pd.Series(["NA", "China"])).isna().tolist() == [True, False]


def test_a_name_counts_where_its_code_is_another_place() -> None:
    report = Report("x", "x.csv", "cc_by")
    names = pd.Series(["Congo", "Congo", "Zaire", "Atlantis", "Nowhere"])
    found = agreed(report, names, pd.Series(["COD", "COG", "COD", "PER", ""]))
    assert found.fillna("").tolist() == ["COG", "COG", "COD", "PER", ""]
    assert report.notes == ["1 rows of 'Congo' bear the code COD, which is another place: read as COG by the name"]


def test_bgs_adds_no_congo_to_the_other(tmp_path: Path) -> None:
    path = tmp_path / "copper.csv"
    head = "year,country_trans,country_iso3_code,bgs_commodity_trans,units,quantity,bgs_statistic_type_trans\n"
    rows = 'T,Congo,COD,"copper, mine",tonnes (metric),8400,Production\n'
    rows += 'T,"Congo, Democratic Republic",COD,"copper, mine",tonnes (metric),3148567,Production\n'
    path.write_text(head + rows.replace("T,", "2023-01-01 00:00:00,"), encoding="utf-8")
    reading = sr.sources.bgs(path)
    made = reading.inputs["production"].set_index("country")["quantity"]
    assert made.to_dict() == {"COG": 8400.0, "COD": 3148567.0}
    assert "'Congo' bear the code COD" in str(reading.report)


@pytest.mark.parametrize("name", ["baci92", "baci96", "baci02", "baci07", "baci12", "baci17", "baci22"])
def test_old_names_of_baci_state_the_revision(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}_2016.csv"
    path.write_text("t,hs6,i,j,v,q\n2016,850511,156,842,12.345,3.2\n", encoding="utf-8")
    report = sr.sources.baci(path).report
    assert f"BACI HS{'19' if name[4] == '9' else '20'}{name[4:]}" in report.vintage
    assert not any("no HS revision" in n for n in report.notes)

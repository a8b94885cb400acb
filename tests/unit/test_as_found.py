"""Files as strangers have them: old releases, units that nobody states, rows that stand twice."""

from __future__ import annotations

import openpyxl
import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError


def write(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_wgi_of_2022_has_its_sheet_of_political_stability_and_names_what_it_skips(tmp_path):
    book = openpyxl.Workbook()
    for name in ("Political StabilityNoViolence", "RuleofLaw", "Press Freedom"):
        sheet = book.create_sheet(name)
        for row in (["", "", 2021, 2021, 2022, 2022], ["Country/Territory", "Code", *["Estimate", "StdErr"] * 2],
                    ["France", "FRA", 0.5, 0.2, 0.6, 0.2]):  # fmt: skip
            sheet.append(row)
    book.save(tmp_path / "wgidataset.xlsx")
    reading = sources.wgi(tmp_path / "wgidataset.xlsx")
    assert set(reading.tables["countries"]["indicator"]) == {"wgi_pv", "wgi_rl"}
    assert "'Press Freedom'" in str(reading.report)


def test_wmd_without_units_is_read_in_those_that_the_publisher_prints(tmp_path):
    rows = "commodity,Country,2022{}\nGold,China,3000{}\nGallium,China,600{}\nUnheard of,China,9{}\n"
    file = write(tmp_path, "wmd.csv", rows.format("", "", "", ""))
    reading = sources.wmd(file)
    made = reading.inputs["production"].set_index("product")["quantity"]
    assert made["gold.mine"] == 3.0  # t, of 3000 kg
    assert made["gallium.refined"] == 600_000.0  # kg
    assert "without a unit" in str(reading.report)
    file = write(tmp_path, "stated.csv", rows.format(",unit", ",t", ",metr. t", ",t"))
    assert sources.wmd(file).inputs["production"].set_index("product")["quantity"]["gold.mine"] == 3000.0


@pytest.mark.parametrize(
    ("head", "tail", "tonnes", "told"),
    [
        ("value,unit", "50,t", 50.0, False),
        ("value,unit", "50,thousand tonnes", 50_000.0, False),
        ("value (t)", "50", 50.0, False),
        ("value", "50", 50_000.0, True),
        ("kt", "50", 50_000.0, False),
        ("2024", "50", 50_000.0, True),
        ("2024,unit", "50,t", 50.0, False),
    ],
)
def test_iea_figures_have_the_unit_that_the_file_states(tmp_path, head, tail, tonnes, told):
    wide = head.startswith("2024")
    file = write(tmp_path, "s.csv", f"mineral,stage,country{'' if wide else ',year'},{head}\n"
                 f"Copper,mining,Chile{'' if wide else ',2024'},{tail}\n")  # fmt: skip
    reading = sources.iea(file)
    assert reading.inputs["production"]["quantity"].tolist() == [tonnes]
    assert reading.data["value"].tolist() == [tonnes / 1000]
    assert ("without a unit" in str(reading.report)) is told
    if told:
        assert sources.iea(file, unit="t").inputs["production"]["quantity"].tolist() == [50.0]


def test_iea_units_that_are_no_mass_are_refused(tmp_path):
    with pytest.raises(SourceError, match="litres"):
        sources.iea(
            write(tmp_path, "s.csv", "mineral,stage,country,year,value,unit\nCopper,mining,Chile,2024,5,litres\n")
        )


@pytest.mark.parametrize(
    ("cells", "shares"),
    [
        (["1", "85", "45; 35"], [0.01, 0.85]),
        (["1", "0.85", ".2"], [1.0, 0.85, 0.2]),
        (["1%", "85%", "0.2"], [0.01, 0.85, 0.2]),
        (["1%", "85", "1"], [0.01, 0.85, 0.01]),
    ],
)
def test_shares_of_the_tracker_without_a_mark_are_read_by_their_column(tmp_path, cells, shares):
    rows = [f"2007,May,Firm,$100,{c},Mine {k},Metals,Copper,Peru" for k, c in enumerate(cells)]
    head = "Year,Month,Investor/Contractor,Millions,Share Size,Partner/Target,Sector,Subsector,Country"
    reading = sources.aei_investments(write(tmp_path, "t.csv", "\n".join([head, *rows]) + "\n"))
    assert reading.tables["holdings"]["share"].tolist() == pytest.approx(shares)
    assert ("without a % sign" in str(reading.report)) is any(c in cells for c in ("85",))


def test_a_share_that_is_no_number_is_not_said_to_be_absent(tmp_path):
    head = "Year,Month,Investor,Millions,Share Size,Partner/Target,Sector,Subsector,Country"
    row = "2007,May,Firm,$100,most of it,Mine,Metals,Copper,Peru"
    notes = str(sources.aei_investments(write(tmp_path, "t.csv", f"{head}\n{row}\n")).report)
    assert "the share cannot be read" in notes
    assert "no share is given" not in notes

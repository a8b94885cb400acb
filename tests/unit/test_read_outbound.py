"""Chinese deals and finance abroad: shares of several investors, amounts as text, regions that are no country."""

from __future__ import annotations

import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError
from supplyrisk.graph import SupplyGraph

HEAD = "Year,Month,Investor,Millions,Share Size,Partner/Target,Sector,Subsector,Country,Region,BRI"


def tracker(tmp_path, *rows):
    file = tmp_path / "tracker.csv"
    file.write_bytes("\r\n".join([HEAD, *rows]).encode())
    return file


def test_shares_of_several_investors_in_their_order(tmp_path):
    rows = [
        '2007,February,"Zijin Mining, China Nonferrous, Xiamen C&D",$190 ,"45%, 35%, 20%",Monterrico,Metals,Copper,Peru,S,'
    ]
    reading = sources.aei_investments(tracker(tmp_path, *rows))
    held = reading.tables["holdings"]
    assert held["holder"].tolist() == ["Zijin Mining", "China Nonferrous", "Xiamen C&D"]
    assert held["share"].tolist() == pytest.approx([0.45, 0.35, 0.20])
    assert held["valid_from"].unique().tolist() == ["2007-02"]
    assert reading.data["value_usd"].tolist() == [190e6]
    SupplyGraph.from_tables(reading.tables)


def test_commas_in_brackets_do_not_part_names_and_mismatches_make_no_holding(tmp_path):
    rows = ['2006,October,"CITIC (a, b), Chinalco",$940 ,50%,Target,Metals,Aluminum,Egypt,A,',
            "2005,January,Minmetals,$500 ,,Cubapetroleo,Metals,,Cuba,N,",
            "2005,January,MCC,$100 ,85%,,Metals,Steel,Papua New Guinea,E,"]  # fmt: skip
    reading = sources.aei_investments(tracker(tmp_path, *rows))
    assert not len(reading.tables["holdings"])
    assert len([n for n in reading.report.notes if "published_on" not in n]) == 3
    assert reading.data["product"].tolist()[0] == "bauxite.mine"
    assert reading.data["product"].isna().tolist() == [False, True, True]


def test_deals_of_one_target_that_add_to_more_than_one(tmp_path):
    rows = [f"20{y},May,Firm{y},$100 ,60%,Mine,Metals,Copper,Peru,S," for y in ("07", "12")]
    reading = sources.aei_investments(tracker(tmp_path, *rows))
    assert not len(reading.tables["holdings"])
    assert "more than 1" in " ".join(reading.report.notes)


def test_names_of_the_tracker(tmp_path):
    places = {
        "Britain": "GBR",
        "Trinidad-Tobago": "TTO",
        "Sao Tome": "STP",
        "Bosnia": "BIH",
        "Russian Federation": "RUS",
    }
    rows = [f"2010,May,X,$100 ,10%,T,Energy,,{p},R," for p in places]
    assert sources.aei_investments(tracker(tmp_path, *rows)).data["country"].tolist() == list(places.values())


AID = "AidData.Record.ID,Amount.(Constant.USD.2021),Title,Status,Sector.Name,Recipient,Recipient.ISO-3,Commitment.Year"


def finance(tmp_path, *rows):
    file = tmp_path / "gcdf.csv"
    file.write_text("\n".join([AID, *rows]) + "\n")
    return file


def test_amounts_that_are_absent_are_not_zero_and_records_stand_once(tmp_path):
    reading = sources.aiddata_projects(finance(
        tmp_path, "1,100.5,Loan for Sicomines Copper Mine,Completion,I,Congo,COD,2008",
        "1,100.5,Loan for Sicomines Copper Mine,Completion,I,Congo,COD,2008",
        '2,,Gift,Completion,HEALTH,"Africa, regional",,2009',
        "3,7,Copper mine and cobalt mine,Completion,I,Zambia,ZMB,2010"))  # fmt: skip
    data = reading.data
    assert data["value_usd"].isna().tolist() == [False, True, False]
    assert data["code"].tolist() == ["", "not_available", ""]
    assert data["country"].isna().tolist() == [False, True, False]
    assert data["product"].isna().tolist() == [False, True, True]
    assert reading.report.rows_dropped == 1
    assert set(reading.tables) == {"sources"}


@pytest.mark.parametrize("reader", ["aei_investments", "aiddata_projects"])
def test_other_files_are_refused(tmp_path, reader):
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="column is absent"):
        getattr(sources, reader)(file)


@pytest.mark.realdata
def test_the_published_files(published):
    deals = sources.aei_investments(published / "china_outbound" / "china_investment_tracker.csv")
    metals = deals.data[deals.data["sector"] == "Metals"]
    assert (len(deals.data), len(metals), int((metals["shares"].map(len) > 0).sum())) == (2396, 327, 194)
    assert deals.data["value_usd"].notna().all()
    assert not deals.report.unmapped
    SupplyGraph.from_tables(deals.tables)
    loans = sources.aiddata_projects(published / "china_outbound" / "gcdf3_geo_projects.csv.gz")
    assert len(loans.data) == 9404
    assert (loans.data["sector"] == "INDUSTRY, MINING, CONSTRUCTION").sum() == 628
    assert not loans.report.unmapped


def test_decimal_commas_of_the_tracker_are_refused_or_read_as_such(tmp_path):
    file = tmp_path / "t.csv"
    head = "Year;Month;Investor;Millions;Share Size;Partner/Target;Sector;Subsector;Country\n"
    file.write_text(
        f"{head}2016;May;CMOC;2.650,5;56,5%;Tenke;Metals;Copper;Zaire\n2016;May;CMOC;2.650;0,8%;T;Metals;Copper;Peru\n"
        "2017;May;A, B;700;24%, 11,5%;U;Metals;Copper;Peru\n"
    )
    with pytest.raises(SourceError, match=r"decimal comma.*2\.650,5.*decimal=\",\""):
        sources.aei_investments(file)
    data = sources.aei_investments(file, decimal=",").data
    assert data["value_usd"].tolist() == [2650.5e6, 2650e6, 700e6]
    assert [list(s) for s in data["shares"]] == [
        [pytest.approx(0.565)],
        [pytest.approx(0.008)],
        pytest.approx([0.24, 0.115]),
    ]


@pytest.mark.parametrize(("who", "share"), [("CMOC", "56,5%"), ("CMOC", "0,56"), ('"A, B"', "0,56"), ("A", "45,35")])
def test_a_share_with_a_decimal_comma_is_no_two_shares(tmp_path, who, share):
    rows = [f'2016,May,{who},"$2,650 ","{share}",Tenke,Metals,Copper,Zaire,S,']
    with pytest.raises(SourceError, match="shares with a decimal comma"):
        sources.aei_investments(tracker(tmp_path, *rows))


def test_commas_without_blanks_part_the_shares_of_as_many_investors(tmp_path):
    rows = [
        '2016,May,"A, B",$100 ,"45,35%",T,Metals,Copper,Peru,S,',
        '2016,May,"A, B",$1 ,"10%,5%",U,Metals,Copper,Peru,S,',
    ]
    reading = sources.aei_investments(tracker(tmp_path, *rows))
    assert [pytest.approx(s) for s in reading.data["shares"]] == [(0.45, 0.35), (0.10, 0.05)]


def test_a_decimal_point_beside_an_announced_comma_is_refused(tmp_path):
    rows = ["2016,May,A,100,56.5%,T,Metals,Copper,Peru,S,"]
    with pytest.raises(SourceError, match="decimal point"):
        sources.aei_investments(tracker(tmp_path, *rows), decimal=",")


def test_decimal_commas_of_aiddata_are_refused_or_read_as_such(tmp_path):
    file = tmp_path / "g.csv"
    head = "AidData Record ID;Recipient;Recipient ISO-3;Title;Status;Commitment Year;Sector Name;Amount (Constant USD 2021)\n"
    file.write_text(
        f"{head}1;Zambia;ZMB;x;C;2010;I;1.234.567,5\n2;Zambia;ZMB;x;C;2010;I;250.000\n2;Zambia;ZMB;x;C;2010;I;7\n"
    )
    with pytest.raises(SourceError, match='decimal=","'):
        sources.aiddata_projects(file)
    assert sources.aiddata_projects(file, decimal=",").data["value_usd"].tolist() == [1_234_567.5, 250_000.0]

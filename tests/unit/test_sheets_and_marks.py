"""Several sheets, quotation marks left open, stray bytes, names of columns on a terminal, flows of nothing left out."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

from supplyrisk import sources
from supplyrisk.errors import SchemaError, SourceError, UnknownNameError, unknown_name
from supplyrisk.sources.base import Report, read_delimited, read_text
from supplyrisk.sources.trade_links import links_of

BGS = [
    "year",
    "country_trans",
    "country_iso3_code",
    "bgs_commodity_trans",
    "units",
    "quantity",
    "bgs_statistic_type_trans",
]
USGS = ["Section", "Commodity", "Country", "Statistics", "Statistics_detail", "Unit", "Year", "Value", "Notes"]
COMTRADE = ["period", "reporterISO", "partnerISO", "flowCode", "cmdCode", "primaryValue", "netWgt"]
WGI = ["countrycode", "year", "indicator", "estimate"]


def bgs(country, iso, year, quantity):
    return [f"{year}-01-01", country, iso, "antimony, mine", "tonnes (metal content)", quantity, "Production"]


def usgs(country, year, value):
    return ["World", "Gallium", country, "Production", "Primary production", "kilograms", year, value, ""]


def book(tmp_path, sheets, name="MCS2026.xlsx"):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made.save(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize(
    ("reader", "header", "one", "two", "key", "n"),
    [
        ("bgs", BGS, [bgs("China", "CHN", 2022, 5)], [bgs("Peru", "PER", 2023, 6)], "production", 2),
        ("usgs_mcs", USGS, [usgs("China", 2024, 5)], [usgs("Japan", 2024, 6)], "production", 2),
        ("comtrade", COMTRADE, [[2022, "USA", "CHN", "M", 850511, 100, 9]], [[2023, "USA", "CHN", "M", 850511, 90, 8]], "trade", 2),
        ("wgi", WGI, [["CHN", 2022, "pv", -0.5]], [["CHN", 2023, "pv", -0.4], ["CHN", 2022, "pv", -0.5]], "countries", 2),
    ],
)  # fmt: skip
def test_sheets_of_one_layout_are_one_table(tmp_path, reader, header, one, two, key, n):
    path = book(tmp_path, {"About": [["this workbook"]], "a": [header, *one], "b": [header, *two]})
    reading = getattr(sources, reader)(path)
    assert len({**reading.tables, **reading.inputs}[key]) == n
    assert reading.report.rows_read == len(one) + len(two)
    assert "2 sheets of the same layout are read as one table: 'a', 'b'" in reading.report.notes


def test_a_sheet_of_another_layout_is_named_with_its_rows(tmp_path):
    other = [*BGS, "data_precision_description"]
    rows = [[*bgs("Peru", "PER", 2023, 6), ""], [*bgs("Chile", "CHL", 2023, 6), ""]]
    path = book(tmp_path, {"a": [BGS, bgs("China", "CHN", 2022, 5)], "b": [other, *rows]})
    reading = sources.bgs(path)
    assert reading.inputs["production"]["country"].tolist() == ["CHN"]
    assert "not read: 'b' (2 rows)" in str(reading.report)
    # Imports and exports that only the sheets' names tell apart are not added up.
    flat = [c for c in COMTRADE if c != "flowCode"]
    row = [2022, "USA", "CHN", 850511, 100, 9]
    path = book(tmp_path, {"imports": [flat, row], "exports": [flat, row]})
    reading = sources.comtrade(path, flow="M")
    assert reading.inputs["trade"]["value"].tolist() == [100.0]
    assert "not read: 'exports' (1 rows)" in str(reading.report)


def test_tidy_reads_one_sheet_and_names_the_others(tmp_path):
    head = ["product", "country", "year", "quantity"]
    first, second = ["gallium.refined", "China", 2024, 5], ["gallium.refined", "Japan", 2024, 6]
    path = book(tmp_path, {"2024": [head, first], "2023": [head, second, second], "empty": []})
    reading = sources.tidy(path, "production")
    assert reading.inputs["production"]["country"].tolist() == ["CHN"]
    assert "not read: '2023' (2 rows)" in str(reading.report)
    assert "not read" not in str(sources.tidy(path, "production", sheet="2023").report)
    # A table of flows of another year on a sheet of its own is named too.
    wide = [["V1", "CHN_A", "JPN_A", "CHN_HFCE"], ["CHN_A", 1, 2, 7], ["JPN_A", 3, 1, 1]]
    table = sources.inter_country_table(book(tmp_path, {"2019": wide, "2020": wide}, "t.xlsx"))
    assert "not read: '2020' (2 rows): name one with sheet=" in str(table.report)
    assert table.report.vintage == "table of 2019, as the sheet's name says"


ROWS = [f"gallium.refined,{c},{y},{q}" for y in range(1990, 2024) for c, q in (("CHN", 10), ("JPN", 5))]


@pytest.mark.parametrize("at", [0, 5, len(ROWS) - 1])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_quotation_mark_that_is_not_closed_is_an_error(tmp_path, at, end):
    rows = list(ROWS)
    rows[at] = '"' + rows[at]
    path = tmp_path / "f.csv"
    path.write_bytes(((end or "\n").join(["product,country,year,quantity", *rows]) + end).encode())
    with pytest.raises(SourceError, match=f"line {at + 2}.*quotation mark that is not closed"):
        sources.tidy(path, "production")


@pytest.mark.parametrize("closed", [6, 7, 30])
def test_a_quotation_mark_that_another_row_closes_is_an_error_too(tmp_path, closed):
    rows = list(ROWS)
    rows[5], rows[closed] = '"' + rows[5], 'gallium.refined,"Korea, South",2001,3'
    path = tmp_path / "f.csv"
    path.write_text("\n".join(["product,country,year,quantity", *rows]))
    with pytest.raises(SourceError, match=r"line 7.*not closed"):
        sources.tidy(path, "production")


def test_cells_of_several_lines_are_read(tmp_path):
    path = tmp_path / "f.csv"
    text = 'product,"the\ncountry",year,note\ngallium.refined,China,2024,"first, with a comma\na, b, c, d\nthird ""said"""\n'
    path.write_text(text + "gallium.refined,Japan,2024,\n")
    report = Report("", "", "")
    frame = read_delimited(path, report)
    assert list(frame.columns) == ["product", "the country", "year", "note"]
    assert frame["note"].tolist() == ['first, with a comma\na, b, c, d\nthird "said"', ""]
    assert report.rows_read == 2


def test_a_stray_byte_in_a_file_with_a_mark_of_utf8(tmp_path):
    path = tmp_path / "f.csv"
    text = "product,country,year,quantity\ngallium.refined,T\xfcrkiye,2024,5\n".encode("cp1252")
    path.write_bytes(b"\xef\xbb\xbf" + text + "gallium.refined,C\xf4te d'Ivoire,2024,6\n".encode())
    assert read_text(path)[0].startswith("product")
    made = sources.tidy(path, "production").inputs["production"]
    assert made[["product", "country"]].values.tolist() == [["gallium.refined", "TUR"], ["gallium.refined", "CIV"]]


def test_names_of_columns_do_not_reach_a_terminal_raw(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("product,country,year,\x1b[31mEvil\x07\u202e\nx,y,2024,1\n", encoding="utf-8")
    with pytest.raises(UnknownNameError) as err:
        sources.tidy(path, "production", {"product": "product", "quantity": "zz"})
    assert not set("\x1b\x07\u202e") & set(str(err.value))
    assert len(str(unknown_name("column", "y" * 10_000, ["x" * 10_000]))) < 500


HEAD = "AidData Record ID,Title,Status,Sector Name,Recipient,Recipient ISO-3,Commitment Year,Amount (Constant USD {})\n"


def test_finance_in_dollars_of_another_year(tmp_path):
    path = tmp_path / "aid.csv"
    path.write_text(HEAD.format(2024) + "1,Copper mine,Completion,INDUSTRY,Peru,PER,2021,500\n")
    reading = sources.aiddata_projects(path)
    assert reading.data["value_usd"].tolist() == [500.0]
    assert "Constant USD 2024" in str(reading.report)
    path.write_text(HEAD.format("of some year") + "1,Copper mine,Completion,INDUSTRY,Peru,PER,2021,500\n")
    with pytest.raises(SourceError) as err:
        sources.aiddata_projects(path)
    assert "another kind" not in str(err.value)


def test_flat_tables_without_flows_of_nothing(tmp_path):
    flows = {("CN_A", "CN_A"): 1, ("CN_A", "JP_A"): 2, ("JP_A", "CN_A"): 3, ("CN_T", "CN_P3"): 4, ("JP_T", "JP_P3"): 5,
             ("JP_T", "CN_A"): 7, ("CN_A", "CN_P3"): 6, ("JP_A", "JP_P3"): 8, ("CN_A", "US_A"): 9, ("W2_D21X31", "CN_A"): 2,
             ("W2_B2A3G", "JP_T"): 1}  # fmt: skip
    rows = []
    for (a, b), v in flows.items():
        rows.append([2022, *a.split("_", 1), *b.split("_", 1), v])
    columns = ["year", "refArea", "rowPi", "counterpartArea", "colPi", "obsValue"]
    file = tmp_path / "flat_24ed_2022.csv"
    pd.DataFrame(rows, columns=columns).to_csv(file, index=False)
    table = sources.inter_country_table(file)
    # CN_T buys nothing; US_A sells nothing.
    assert set(table.z.index) == {"CN_A", "JP_A", "CN_T", "JP_T", "US_A"}
    assert list(table.y.columns) == ["CN_P3", "JP_P3"]
    assert table.y.to_numpy().sum() == 4 + 5 + 6 + 8
    assert table.x[["CN_T", "US_A"]].tolist() == [4.0, 0.0]
    assert "2 sectors buy nothing or sell nothing" in str(table.report)


def test_months_without_a_weight_leave_the_year_with_a_lower_bound(tmp_path):
    path = tmp_path / "x.csv"
    rows = ["202301,USA,CHN,M,850511,100,9000", "202302,USA,CHN,M,850511,50,0", "202301,USA,JPN,M,850511,5,1000"]
    path.write_text("\n".join([",".join(COMTRADE), *rows]))
    reading = sources.comtrade(path)
    trade = reading.inputs["trade"].set_index("origin")
    assert pd.isna(trade.loc["CHN", "quantity"])
    assert (trade.loc["CHN", "value"], trade.loc["CHN", "low"]) == (150.0, 9.0)
    assert trade.loc["JPN", "quantity"] == 1.0
    assert "a part has no weight" in str(reading.report)


@pytest.mark.parametrize("day", ["", "2025-01-01"])
@pytest.mark.parametrize(
    ("table", "head", "row"),
    [
        ("production", "product,country,year,quantity", "gallium.refined,China,2024,{}"),
        ("trade", "hs6,origin,destination,year,quantity", "850511,China,USA,2024,{}"),
        ("demand", "product,country,year,quantity", "gallium.refined,USA,2024,{}"),
    ],
)
def test_a_release_that_states_a_figure_twice_is_refused_dated_or_not(tmp_path, table, head, row, day):
    """With a day of publication the last row counted, and the others were gone without a word."""
    lines = [f"{row.format(q)},{day}" for q in (600, 100)]
    (tmp_path / "f.csv").write_text("\n".join([f"{head},published_on", *lines]))
    reading = sources.tidy(tmp_path / "f.csv", table)
    con = pd.DataFrame([{"hs6": "850511", "product": "ndfeb.magnet", "factor": 1.0, "purity": 1.0}])
    more = {"concordance": con} if table == "trade" else {}
    with pytest.raises(SchemaError):
        sources.together(reading, **more)
    (tmp_path / "f.csv").write_text("\n".join([f"{head},published_on", lines[0], lines[0]]))
    if day:
        sources.together(sources.tidy(tmp_path / "f.csv", table), **more)  # the same row twice says one thing


def test_a_heading_without_a_weight_is_no_heading_of_nothing():
    trade = pd.DataFrame({"hs6": ["810411", "810419", "810411"], "origin": "CHN", "destination": ["USA", "USA", "JPN"], "year": 2024,
                          "quantity": [5.0, None, 2.0], "value": [9.0, 4.0, 3.0], "source": "s", "published_on": None})  # fmt: skip
    con = pd.DataFrame(
        {"hs6": ["810411", "810419"], "product": "magnesium.refined", "factor": 1.0, "purity": 1.0, "use": True}
    )
    links = links_of(trade, con)["links"].set_index("buyer")
    usa, japan = (links.loc[f"magnesium.refined@{c}:demand"] for c in ("USA", "JPN"))
    assert pd.isna(usa["quantity"])
    assert (usa["low"], usa["value"], usa["missing"]) == (5.0, 13.0, "not_available")
    assert japan["quantity"] == 2.0

"""UN Comtrade: the present and the older columns, World, sub-totals, monthly, Taiwan."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import SourceError, UnknownNameError
from supplyrisk.sources.repair import repair

NEW = (
    "period,reporterCode,reporterISO,partnerCode,partnerISO,flowCode,cmdCode,primaryValue,netWgt,motCode,customsCode,partner2Code,classificationCode\n"
    "2022,842,USA,0,W00,M,850511,175,15,0,C00,0,H6\n"
    "2022,842,USA,156,CHN,M,850511,100,10,0,C00,0,H6\n"
    "2022,842,USA,156,CHN,M,850511,60,6,1000,C00,0,H6\n"
    "2022,842,USA,156,CHN,M,850511,40,4,2100,C00,0,H6\n"
    "2022,842,USA,490,S19,M,850511,75,0,0,C00,0,H6\n"
    "2022,156,CHN,842,USA,X,850511,90,10,0,C00,0,H6\n"
    "2022,842,USA,156,CHN,RX,850511,7,1,0,C00,0,H6\n"
)
OLD = (
    "Classification,Year,Period,Trade Flow Code,Trade Flow,Reporter Code,Reporter,Reporter ISO,Partner Code,Partner,Partner ISO,"
    "Commodity Code,Qty Unit Code,Qty,Netweight (kg),Trade Value (US$)\n"
    "H3,2009,2009,1,Import,842,USA,USA,156,China,CHN,850511,8,1000,1000,100\n"
    "H3,2009,2009,2,Export,842,USA,USA,276,Germany,DEU,850511,8,,,50\n"
    "H3,2009,2009,3,Re-Export,842,USA,USA,276,Germany,DEU,850511,8,,,5\n"
)


def read(tmp_path, text, **kw):
    (tmp_path / "c.csv").write_text(text)
    return sr.sources.comtrade(tmp_path / "c.csv", **kw)


def test_present_columns(tmp_path):
    reading = read(tmp_path, NEW)
    trade = reading.inputs["trade"].set_index(["origin", "destination"])
    assert trade["value"].to_dict() == {("CHN", "USA"): 100.0, ("TWN", "USA"): 75.0}
    assert trade.loc[("CHN", "USA"), "quantity"] == 0.01
    assert pd.isna(trade.loc[("TWN", "USA"), "quantity"])  # a weight of 0 beside a value is not reported
    assert reading.report.vintage == "HS2022, 2022 to 2022"
    reasons = {d["reason"]: d["rows"] for d in reading.report.dropped}
    assert reasons == {
        "not kept: World or another aggregate": 1,
        "not kept: part of a total (transport, customs or second partner)": 2,
        "not kept: re-export, re-import or another flow": 1,
    }
    assert len(reading.data) == 7  # nothing is deleted


def test_side_of_the_exporter(tmp_path):
    trade = read(tmp_path, NEW, side="export").inputs["trade"]
    assert trade[["origin", "destination", "value"]].values.tolist() == [["CHN", "USA", 90.0]]
    with pytest.raises(UnknownNameError, match="export"):
        read(tmp_path, NEW, side="exports")


def test_both_sides_reconciled(tmp_path):
    reading = read(tmp_path, NEW)
    fixed = repair(reading.data[reading.data["keep"]], weights=False)
    row = fixed.trade.set_index(["origin", "destination"]).loc[("CHN", "USA")]
    assert row["method"] == "mirror average"
    assert 90.0 <= row["value"] <= 100.0
    assert row["value_original"] == 100.0


def test_sub_totals_without_a_column_that_says_so(tmp_path):
    text = "year,reporter,partner,cmd,flow,value,netwgt\n" + "".join(
        f"2022,842,156,850511,M,{v},{w}\n" for v, w in ((100, 10), (60, 6), (40, 4), (60, 6), (40, 4), (100, 10))
    )
    reading = read(tmp_path, text)
    assert reading.inputs["trade"]["value"].tolist() == [100.0]
    assert reading.data["flag"].value_counts().to_dict() == {"exact duplicate": 3, "part of a total": 2, "": 1}


def test_older_columns(tmp_path):
    reading = read(tmp_path, OLD, side="import")
    assert reading.inputs["trade"][["origin", "destination", "value", "quantity"]].values.tolist() == [
        ["CHN", "USA", 100.0, 1.0]
    ]
    assert reading.report.vintage.startswith("HS2007")
    assert (~reading.data["keep"]).sum() == 1


def test_monthly_rows_without_reporter_and_flow(tmp_path):
    text = "period_dt,partner_name,hs6,val,qty,uv\n2023-01-01,Korea (Rep. of),811292,10,5,2\n2023-02-01,Korea (Rep. of),811292,30,0,inf\n"
    with pytest.raises(SourceError, match="reporter"):
        read(tmp_path, text)
    reading = read(tmp_path, text, reporter="CHN", flow="X")
    assert reading.data["month"].tolist() == [1, 2]
    assert reading.inputs["trade"][["origin", "destination", "year", "value"]].values.tolist() == [
        ["CHN", "KOR", 2023, 40.0]
    ]


def monthly(tmp_path, spans, name="m.csv", **kw):
    """Magnets of China to each partner, a tonne a month; ``spans`` is a list of (year, months)."""
    rows = [f"{y}{m:02d},CHN,{p},X,850511,100,1000" for y, ms in spans for m in ms for p in ("USA", "JPN")]
    path = tmp_path / name
    path.write_text("period,reporterISO,partnerISO,flowCode,cmdCode,primaryValue,netWgt\n" + "\n".join(rows) + "\n")
    return sr.sources.comtrade(path, **kw)


YEAR = range(1, 13)


def test_an_unfinished_newest_year_is_not_the_market_of_today_in_silence(tmp_path):
    spans = [(2022, YEAR), (2023, YEAR), (2024, range(1, 4))]
    r = monthly(tmp_path, spans)
    assert r.inputs["trade"].groupby("year")["quantity"].sum().to_dict() == {2022: 24.0, 2023: 24.0}
    assert "flag" not in r.inputs["trade"]
    left = r.data[r.data["year"] == 2024]
    assert (len(left), left["keep"].any()) == (6, False)
    assert set(left["flag"]) == {"3 of 12 months of a year that has not ended: not in inputs"}
    note = next(n for n in r.report.notes if n.startswith("WARNING"))
    assert "2024 has 3 of 12 months (CHN)" in note
    assert "partial='keep'" in note
    g = sr.sources.together(r)
    assert set(g.links.loc[g.links["method"] == "observed", "year"].astype(int)) <= {2022, 2023}
    assert g.gaps[["product", "what", "where", "reason"]].values.tolist() == [
        ["ndfeb.magnet", "trade of a whole year", "CHN", "not_available"]
    ]
    assert "2024: 3 of 12 months" in g.gaps["note"].iloc[0]
    both = sr.sources.repair.repair(r.data, weights=False)
    assert both.trade["year"].max() == 2023


def test_an_unfinished_year_that_is_asked_for_says_so_on_every_row_and_link(tmp_path):
    r = monthly(tmp_path, [(2023, YEAR), (2024, range(1, 4))], partial="keep")
    trade = r.inputs["trade"].set_index(["year", "destination"])["flag"]
    assert trade.isna().to_dict()[2023, "USA"]
    assert trade[2024, "USA"] == "3 of 12 months"
    assert r.data["keep"].all()
    links = r.tables["links"]
    assert set(links.loc[links["year"] == 2024, "note"]) == {"3 of 12 months"}
    g = sr.sources.together(r)
    assert g.links.loc[g.links["year"] == 2024, "note"].str.contains("3 of 12 months").any()
    assert "taken as it is" in g.gaps["note"].iloc[0]
    with pytest.raises(UnknownNameError, match="keep"):
        monthly(tmp_path, [(2023, YEAR)], partial="keap")


@pytest.mark.parametrize(
    ("spans", "kept", "flags"),
    [
        ([(2024, range(1, 7))], [2024], {2024: "6 of 12 months"}),  # nothing else to go by
        ([(2022, range(7, 13)), (2023, YEAR)], [2022, 2023], {2022: "6 of 12 months"}),  # starts in July
        ([(2023, YEAR), (2024, (2, 5, 12))], [2023, 2024], {2024: "3 of 12 months"}),  # traded now and then
        ([(2023, YEAR), (2024, YEAR)], [2023, 2024], {}),
    ],
)
def test_which_years_of_months_are_whole(tmp_path, spans, kept, flags):
    r = monthly(tmp_path, spans)
    trade = r.inputs["trade"]
    assert sorted(set(trade["year"])) == kept
    said = {y: f for y, f in zip(trade["year"], trade.get("flag", [None] * len(trade)), strict=True) if pd.notna(f)}
    assert said == flags
    assert [n for n in r.report.notes if "part of a year" in n] == [n for n in r.report.notes if "WARNING" in n]
    assert any("part of a year" in n for n in r.report.notes) == bool(flags)


def test_each_reporter_has_its_own_newest_year(tmp_path):
    rows = [f"{y}{m:02d},{c},USA,X,850511,100,1000" for c in ("CHN", "JPN") for y in (2023, 2024) for m in YEAR
            if c == "CHN" or y == 2023 or m < 5]  # fmt: skip
    path = tmp_path / "x.csv"
    path.write_text("period,reporterISO,partnerISO,flowCode,cmdCode,primaryValue,netWgt\n" + "\n".join(rows) + "\n")
    trade = sr.sources.comtrade(path).inputs["trade"]
    assert trade.groupby("origin")["year"].max().to_dict() == {"CHN": 2024, "JPN": 2023}


def test_years_written_as_their_first_day_are_years(tmp_path):
    text = "period_dt,partner_name,hs6,val,qty\n2022-01-01,Japan,850511,10,5\n2023-01-01,Japan,850511,30,9\n"
    r = read(tmp_path, text, reporter="CHN", flow="X")
    assert r.data["month"].isna().all()
    assert any("first of January" in n for n in r.report.notes)
    coded = "freqCode,refPeriodId,reporterISO,partnerISO,flowCode,cmdCode,primaryValue,netWgt\nA,20220101,CHN,USA,X,850511,1,1\n"
    assert read(tmp_path, coded).data["month"].isna().all()


@pytest.mark.realdata
def test_published_extracts(published):
    nickel = sr.sources.comtrade(published / "comtrade" / "UN_nickel_trade.csv.gz")
    assert not nickel.report.unmapped
    world = nickel.data[(nickel.data["flag"] == "World or another aggregate") & (nickel.data["flow"] == "M")]
    kept = nickel.data[nickel.data["keep"] & (nickel.data["flow"] == "M")]
    assert kept["value"].sum() == pytest.approx(world["value"].sum(), rel=0.02)
    raw = sr.sources.comtrade(published / "comtrade" / "comtrade_raw_2022_10codes.csv.gz")
    value = raw.data[raw.data["keep"] & (raw.data["flow"] == "M")].groupby("hs6")["value"].sum()
    naive = raw.data[raw.data["flow"] == "M"].groupby("hs6")["value"].sum()
    baci = sr.sources.baci(published / "baci" / "baci_2022_value_usd.csv.gz").data.groupby("hs6")["value"].sum()
    for code in ("280469", "283691", "810411", "811010"):  # naive sums are two to six times too large
        assert value[code] == pytest.approx(baci[code], rel=0.15)
        assert naive[code] > 2 * baci[code]
    china = published / "comtrade" / "china_exports_monthly_hs6_partner.csv"
    monthly = sr.sources.comtrade(china, reporter="CHN", flow="X")
    assert monthly.report.rows_dropped == 0


PLUS = "freqCode,period,reporterCode,reporterISO,partnerCode,partnerISO,flowCode,cmdCode,primaryValue,netWgt\n"


def plus(tmp_path, *rows, name="x.csv"):
    path = tmp_path / name
    path.write_text(PLUS + "".join(",".join(map(str, r)) + "\n" for r in rows))
    return sr.sources.comtrade(path)


def test_months_beside_their_year_are_not_added(tmp_path):
    flow = (842, "USA", 156, "CHN", "M", "850511")
    months = [("M", f"2023{m:02d}", *flow, 10, 1) for m in range(1, 13)]
    r = plus(tmp_path, ("A", "2023", *flow, 120, 12), *months)
    assert r.inputs["trade"][["value", "quantity"]].to_numpy().tolist() == [[120.0, 0.012]]
    (lost,) = r.report.dropped
    assert (lost["reason"], lost["rows"], lost["share"]) == ("not kept: month beside the figure of its year", 12, 0.5)
    assert plus(tmp_path, *months).inputs["trade"]["value"].tolist() == [120.0]


def test_rows_without_iso_codes_count_by_number_and_special_areas_are_the_rest(tmp_path):
    rows = [
        ("A", 2023, 842, "", 156, "", "M", "850511", 100, 9),
        ("A", 2023, 842, "null", 490, "null", "M", "850511", 20, 2),
        ("A", 2023, 842, "USA", 899, "_X ", "M", "850511", 3, 1),
        ("A", 2023, 842, "USA", 837, "X1", "M", "850511", 2, 1),
        ("A", 2023, 842, "USA", 97, "EUR", "M", "850511", 50, 1),
    ]
    r = plus(tmp_path, *rows)
    trade = r.inputs["trade"].set_index("origin")["value"]
    assert trade.to_dict() == {"CHN": 100.0, "TWN": 20.0, "ROW": 5.0}
    (lost,) = r.report.dropped
    assert (lost["rows"], lost["share"]) == (1, pytest.approx(50 / 175))


def test_the_answer_of_the_service_as_json(tmp_path):
    import json

    record = {"period": "2023", "reporterCode": 842, "reporterISO": None, "partnerCode": 156, "partnerISO": None,
              "flowCode": "M", "cmdCode": "850511", "primaryValue": 120.5, "netWgt": 12.0}  # fmt: skip
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"elapsedTime": "0.1", "count": 1, "data": [record], "error": ""}))
    trade = sr.sources.comtrade(path).inputs["trade"]
    assert trade[["origin", "destination", "value"]].to_numpy().tolist() == [["CHN", "USA", 120.5]]
    path.write_text("[1, 2")
    with pytest.raises(SourceError, match="not an answer"):
        sr.sources.comtrade(path)


PARTED = (
    "refYear,freqCode,reporterISO,flowCode,partnerISO,partner2ISO,cmdCode,customsCode,motCode,netWgt,primaryValue\n"
)


@pytest.mark.parametrize(
    ("rows", "value", "quantity"),
    [
        (["CHN,W00,850511,C00,1000,600,60", "CHN,W00,850511,C00,2100,400,40"], 100.0, 1.0),
        (["CHN,W00,850511,C01,0,500,50", "CHN,W00,850511,C04,0,500,50"], 100.0, 1.0),
        (["CHN,HKG,850511,C00,0,600,60", "CHN,CHN,850511,C00,0,,40"], 100.0, float("nan")),
        # Two ways to split one flow are one flow, and sea is a part of water.
        (["CHN,W00,850511,C00,2000,400,40", "CHN,W00,850511,C00,2100,400,40", "CHN,W00,850511,C00,1000,600,60",
          "CHN,HKG,850511,C00,0,1000,100"], 100.0, 1.0),
        # Beside a total, parts are parts.
        (["CHN,W00,850511,C00,0,1000,100", "CHN,W00,850511,C00,1000,600,60"], 100.0, 1.0),
    ],
)  # fmt: skip
def test_a_flow_in_parts_only_is_their_sum(tmp_path, rows, value, quantity):
    text = PARTED + "".join(f"2022,A,USA,M,{r}\n" for r in rows)
    file = tmp_path / "extract.csv"
    file.write_text(text)
    r = sr.sources.comtrade(file, revision="HS2022")
    assert r.data["year"].tolist() == [2022] * len(r.data)
    assert r.data["year"].dtype == "int64"
    trade = r.inputs["trade"]
    assert len(trade) == 1
    assert trade["value"].iloc[0] == value
    assert trade["quantity"].iloc[0] == pytest.approx(quantity, nan_ok=True)
    whole = any("C00,0," in x and "W00" in x for x in rows)
    assert any("parts only" in n for n in r.report.notes) != whole
    assert (r.data["flag"] == "sum of its parts: no total in the file").sum() == (0 if whole else 1)
    again = repair(r.data[r.data["keep"]]).trade
    assert again["value"].sum() == pytest.approx(value / 1.06, rel=0.1)  # brought to one price basis


def test_reporters_who_last_reported_years_ago_are_named(tmp_path):
    later = NEW.replace("2022,", "2024,")
    old = "2014,682,SAU,156,CHN,M,850511,300,10,0,C00,0,H5\n"
    told = [n for n in read(tmp_path, later + old).report.notes if "last reported" in n]
    assert len(told) == 1
    assert "SAU 2014" in told[0]
    assert "A-AGE" in told[0]
    assert not [n for n in read(tmp_path, later).report.notes if "last reported" in n]


# ---------------------------------------------------------------------- units of quantities


def quantities(folder, columns, *cells):
    head = "refYear,reporterISO,partnerISO,flowCode,cmdCode,classificationCode,primaryValue"
    rows = [f"2023,USA,{p},M,850511,H5,100,{c}" for p, c in zip(("CHN", "JPN", "DEU", "FRA"), cells, strict=False)]
    file = folder / "extract.csv"
    file.write_text("\n".join([f"{head},{columns}", *rows]) + "\n", encoding="utf-8")
    reading = sr.sources.comtrade(file)
    found = reading.inputs["trade"].set_index("origin")["quantity"]
    return reading, [found[p] for p in ("CHN", "JPN", "DEU", "FRA")[: len(cells)]]


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("netWgt,qty,qtyUnitAbbr,qtyUnitCode", (",5000,,12", "0,5000,,5", ",5000,null,12", ",5000,,8")),
        ("netWgt,qty,qtyUnitCode", (",5000,12", ",5000,5.0", ",5000,-1", ",5000,8.0")),
        ("netWgt,qty,qtyUnitAbbr,qtyUnitCode", (",5000,m³,12", ",5000,u,5", ",5000,kg,5", ",5000,kg,8")),
        ("netWgt,qty,qtyUnitAbbr", (",5000,", ",5000,u", ",5000,t", ",5000,kg")),
    ],
)
def test_a_quantity_is_a_weight_only_where_all_that_is_said_of_it_is_kilograms(tmp_path, columns, cells):
    reading, found = quantities(tmp_path, columns, *cells)
    assert found == [pytest.approx(v, nan_ok=True) for v in (float("nan"),) * 3 + (5.0,)]
    assert any("are no weight" in n for n in reading.report.notes)
    assert reading.report.missing["quantity not_available"] == 3


def test_a_quantity_of_no_unit_is_a_weight_only_where_the_file_has_no_other_and_is_said(tmp_path):
    reading, found = quantities(tmp_path, "qty", "5000", "7000")
    assert found == [5.0, 7.0]
    assert "2 quantities whose unit the file does not say are read as kilograms" in reading.report.notes
    reading, found = quantities(tmp_path, "netWgt,qty", "3000,5000", ",7000")
    assert found == [3.0, pytest.approx(float("nan"), nan_ok=True)]
    assert "1 quantities whose unit the file does not say are no weight" in reading.report.notes


def test_values_that_are_not_there_are_counted(tmp_path):
    file = tmp_path / "extract.csv"
    head = "period,reporterISO,partnerISO,flowCode,cmdCode,classificationCode,primaryValue,netWgt\n"
    file.write_text(
        head + "2023,USA,CHN,M,850511,H5,N/A,10\n2023,USA,JPN,M,850511,H5,,10\n2023,USA,FRA,M,850511,H5,5,1\n"
    )
    assert sr.sources.comtrade(file).report.missing == {"value not_available": 2}

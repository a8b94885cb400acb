"""Tidy tables of an analyst's own, however they were saved."""

from __future__ import annotations

import contextlib

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplyrisk import sources
from supplyrisk.assemble import assemble
from supplyrisk.errors import SchemaError, SourceError, UnknownNameError
from supplyrisk.sources.commodities import product_rows
from tests.graphs import make

MAP = {"origin": "from", "destination": "to", "product": "good", "quantity": "amount"}


def csv(tmp_path, text, name="flows.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_links_from_country_names_join_a_graph(tmp_path):
    path = csv(tmp_path, "from,to,good,amount,comment\nChina,Japan,x0.form,12,=1+1\nTaiwan,USA,x0.form,W,\n")
    reading = sources.tidy(path, "links", MAP, unit="kg", year=2024, source="mine", values={"method": "observed"})
    links = reading.tables["links"]
    assert links["supplier"].tolist() == ["x0.form@CHN", "x0.form@TWN"]
    assert links["missing"].tolist() == [None, "withheld"]
    assert "comment" in " ".join(reading.report.notes)
    nodes = sources.tidy(csv(tmp_path, "product,country,kind\nx0.form,China,producer\nx0.form,Taiwan,producer\n"
                             "x0.form,Japan,demand\nx0.form,USA,demand\n", "n.csv"), "nodes", year=2024, source="mine")  # fmt: skip
    g = make(0, countries=2).overlay({**nodes.tables, **reading.tables}, "mine")
    mine = g.links[g.links["origin_tag"] == "mine"]
    assert mine["quantity"].dropna().tolist() == [0.012]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_encodings_and_delimiters(tmp_path, encoding, mark):
    text = f"from{mark}to{mark}good{mark}amount\nTürkiye{mark}Côte d'Ivoire{mark}x0.form{mark}5\n"
    links = sources.tidy(csv(tmp_path, text, encoding=encoding), "links", MAP, values={"method": "observed"}).tables[
        "links"
    ]
    assert links["supplier"].tolist() == ["x0.form@TUR"]
    assert links["buyer"].tolist() == ["x0.form@CIV:demand"]


def test_decimal_commas_are_refused_unless_announced(tmp_path):
    path = csv(tmp_path, "from;to;good;amount\nChina;Japan;x0.form;1.234,5\nChina;USA;x0.form;1.234\n")
    with pytest.raises(SourceError, match='decimal=","'):
        sources.tidy(path, "links", MAP)
    links = sources.tidy(path, "links", MAP, decimal=",").tables["links"]
    assert links["quantity"].tolist() == [1234.5, 1234.0]


def test_workbook_parquet_and_csv_are_the_same(tmp_path):
    rows = [["China", "Japan", "x0.form", 12.5], ["Chile", "Japan", "x0.form", "<5"]]
    book = openpyxl.Workbook()
    for row in [list(MAP.values()), *rows]:
        book.active.append(row)
    book.save(tmp_path / "f.xlsx")
    frame = pd.DataFrame(rows, columns=list(MAP.values()))
    frame.assign(amount=frame["amount"].astype(str)).to_parquet(tmp_path / "f.parquet")
    frame.to_csv(tmp_path / "f.csv", index=False)
    a, b, c = (
        sources.tidy(tmp_path / f"f.{e}", "links", MAP, source="s").tables["links"] for e in ("xlsx", "parquet", "csv")
    )
    pd.testing.assert_frame_equal(a, b)
    pd.testing.assert_frame_equal(a, c)
    assert a[["low", "high", "missing"]].values.tolist()[1] == [0.0, 5.0, "not_available"]


def test_percent_and_bounds_in_holdings(tmp_path):
    text = "mine,owner,home,pct\nP,Zijin,China,72%\nP,Fund,Unknown place,0.28\n"
    columns = {"asset": "mine", "holder": "owner", "holder_country": "home", "share": "pct"}
    reading = sources.tidy(csv(tmp_path, text), "holdings", columns, values={"type": "equity", "part": ""})
    assert reading.tables["holdings"]["share"].tolist() == [0.72, 0.28]
    assert [u["name"] for u in reading.report.unmapped] == ["Unknown place"]


def test_production_for_assemble(tmp_path):
    text = "c,q\nChina,900\nOther countries,50\nWorld total,1000\n"
    reading = sources.tidy(csv(tmp_path, text), "production", {"country": "c", "quantity": "q"}, unit="t", year=2024,
                           source="mine", grade="assumption", values={"product": "magnesium.refined"})  # fmt: skip
    made = reading.inputs["production"]
    assert made["country"].tolist() == ["CHN", "ROW", "WLD"]
    g = assemble(products=product_rows(["magnesium.refined"]), production=made, tables=reading.tables)
    assert g.nodes.set_index("node").loc["magnesium.refined@CHN", "output"] == 900.0


def test_every_bad_cell_at_once_and_names_with_hints(tmp_path):
    path = csv(tmp_path, "from,to,good,amount\nChina,Japan,x0.form,many\nChina,USA,x0.form,few\n")
    with pytest.raises(SchemaError) as err:
        sources.tidy(path, "links", MAP)
    assert len(err.value.problems) == 2
    with pytest.raises(UnknownNameError, match="quantity"):
        sources.tidy(path, "links", {**MAP, "quantitty": "amount"})
    with pytest.raises(UnknownNameError, match="amount"):
        sources.tidy(path, "links", {**MAP, "quantity": "amonut"})
    with pytest.raises(UnknownNameError, match="links"):
        sources.tidy(path, "linkss", MAP)
    with pytest.raises(UnknownNameError, match="cc_by"):
        sources.tidy(path, "links", MAP, licence="cc-by")


def test_empty_ragged_and_doubled(tmp_path):
    assert not len(sources.tidy(csv(tmp_path, "from,to,good,amount\n"), "links", MAP).tables["links"])
    with pytest.raises(SourceError, match="twice"):
        sources.tidy(csv(tmp_path, "from,from,good,amount\n1,2,3,4\n"), "links", MAP)
    reading = sources.tidy(csv(tmp_path, "from,to,good,amount\nChina,Japan,x,1\nChina,Japan\n"), "links", MAP)
    assert reading.report.rows_dropped == 1
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="parquet"):
        sources.tidy(tmp_path / "x.parquet", "links", MAP)


def test_formula_cells_are_flagged(tmp_path):
    book = openpyxl.Workbook()
    for row in [["product", "country", "output", "note"], ["x0.form", "China", 3, "=HYPERLINK(1)"]]:
        book.active.append(row)
    book.save(tmp_path / "f.xlsx")
    nodes = sources.tidy(tmp_path / "f.xlsx", "nodes", source="s").tables["nodes"]
    assert nodes["note"].isna().all()


@settings(max_examples=60)
@given(
    raw=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda t: ("from,to,good,amount\n" + t).encode("utf-8", "replace")),
    )
)
def test_any_bytes_give_a_reading_or_a_clear_error(raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("f") / "f.csv"
    path.write_bytes(raw)
    with contextlib.suppress(SchemaError, UnknownNameError):  # anything else is a fault of the reader
        sources.tidy(path, "links", MAP)


def test_an_unknown_place_is_never_the_world(tmp_path):
    text = "c,q\nAtlantis,900\nChina (Taiwan),50\nChina,50\nEU27,20\nAfrica,7\n"
    columns = {"country": "c", "quantity": "q"}
    more = {"unit": "t", "year": 2024, "values": {"product": "magnesium.refined"}}
    reading = sources.tidy(csv(tmp_path, text), "production", columns, **more)
    assert reading.inputs["production"]["country"].tolist() == ["TWN", "CHN", "EUE"]
    lost = {u["name"]: (u["value_share"], u["of"]) for u in reading.report.unmapped}
    assert lost["Atlantis"] == (pytest.approx(900 / 1027), "quantity")
    assert list(lost) == ["Atlantis"]
    assert [(d["rows"], round(d["share"], 3)) for d in reading.report.dropped] == [(1, 0.876), (1, 0.007)]
    with pytest.raises(SchemaError, match="Atlantis") as err:
        sources.tidy(csv(tmp_path, text), "production", columns, **more, strict=True)
    assert len(err.value.problems) == 1


def test_unknown_places_in_links_trade_and_owners(tmp_path):
    text = "from,to,good,amount\nChina,Japan,x0.form,12\nAtlantis,Japan,x0.form,3\nChina,,x0.form,1\n"
    links = sources.tidy(csv(tmp_path, text.replace("China,,x0.form,1\n", "")), "links", MAP)
    assert links.tables["links"]["supplier"].tolist() == ["x0.form@CHN"]
    assert links.report.unmapped[0]["value_share"] == 0.2
    text = "hs6,origin,destination,year,quantity\n850511,China,World,2024,9\n850511,China,Japan,2024,5\n"
    trade = sources.tidy(csv(tmp_path, text), "trade")
    assert trade.inputs["trade"]["destination"].tolist() == ["JPN"]
    text = "asset,holder,holder_country,share\nP,Zijin,China,0.7\nP,Fund,Atlantis,0.3\n"
    owners = sources.tidy(csv(tmp_path, text), "holdings", values={"type": "equity", "part": ""})
    assert owners.tables["holdings"]["holder_country"].tolist() == ["CHN", "UNK"]
    assert owners.report.unmapped[0]["value_share"] == pytest.approx(0.3)


@pytest.mark.parametrize("year", ["2024.5", "24", "20240101"])
def test_what_is_no_year_is_refused(tmp_path, year):
    text = f"country,product,year,quantity\nChina,gallium.refined,{year},3\n"
    with pytest.raises(SchemaError, match="not a year"):
        sources.tidy(csv(tmp_path, text), "production")


def test_a_lone_dash_is_not_available_unless_told_to_be_nothing(tmp_path):
    path = tmp_path / "made.csv"
    rows = ["product,country,year,quantity", "ndfeb.magnet,China,2024,60", "ndfeb.magnet,Japan,2024,-"]
    path.write_text("\n".join([*rows, "ndfeb.magnet,USA,2024,--"]), encoding="utf-8")
    for told, japan in ((False, None), (True, 0.0)):
        reading = sources.tidy(path, "production", grade="assumption", dash_is_zero=told)
        made = reading.inputs["production"].set_index("country")["quantity"].astype(object)
        assert made["USA"] == 0.0
        assert made["JPN"] == japan if told else pd.isna(made["JPN"])
        assert ("lone dash" in str(reading.report)) != told


def file(tmp_path, text, name="f.csv"):
    return csv(tmp_path, text, name)


def test_units_of_use_trade_sources_and_costs_count(tmp_path):
    made = sources.tidy(
        file(tmp_path, "product,country,year,quantity\ngallium.refined,China,2024,600000\n"), "production"
    )
    use = "country,product,quantity\nUSA,gallium.refined,20\n"
    stated = sources.tidy(file(tmp_path, use, "d.csv"), "demand", year=2024, unit="t")
    g = sources.together(made, stated)
    assert g.demand.set_index("node").loc["gallium.refined@USA:demand", "quantity"] == 20_000.0  # kg
    own = "country,product,quantity,unit\nUSA,gallium.refined,20,t\nJapan,gallium.refined,9,kg\n"
    both = sources.tidy(file(tmp_path, own, "d.csv"), "demand", year=2024)
    assert "not read" not in str(both.report)
    used = sources.together(made, both).demand.set_index("node")["quantity"]
    assert used["gallium.refined@USA:demand"] == 20_000.0
    assert used["gallium.refined@JPN:demand"] == 9.0
    trade = "hs6,origin,destination,quantity,low,unit\n850511,China,USA,9000000,8000000,kg\n850511,China,Japan,3,2,t\n"
    flows = sources.tidy(file(tmp_path, trade, "t.csv"), "trade", year=2024).inputs["trade"]
    assert flows[["quantity", "low"]].values.tolist() == [[9000.0, 8000.0], [3.0, 2.0]]
    with pytest.raises(SchemaError, match="no unit of mass"):
        sources.tidy(file(tmp_path, trade.replace(",t\n", ",m3\n"), "t.csv"), "trade", year=2024)
    costs = "product,country,what,quantity,unit\ngallium.refined,China,unit_cost,300000,{}\ngallium.refined,China,lead_time,6,month\n"
    for unit in ("USD/t", "t"):
        read = file(tmp_path, costs.format(unit), "c.csv")
        node = sources.together(made, sources.tidy(read, "costs", year=2024)).nodes.set_index("node")
        assert node.loc["gallium.refined@CHN", ["unit_cost", "lead_time"]].tolist() == pytest.approx([300.0, 0.5])
    shares = "product,buyer,supplier,share,imports,unit\ngallium.refined,USA,China,100%,2,t\n"
    bought = sources.tidy(file(tmp_path, shares, "s.csv"), "sourcing", year=2024)
    links = sources.together(made, bought).links.set_index("buyer")["quantity"]
    assert links["gallium.refined@USA:demand"] == 2000.0
    with pytest.raises(SchemaError, match="takes no unit"):
        sources.tidy(file(tmp_path, "hs6,product,factor\n850511,ndfeb.magnet,1\n", "k.csv"), "concordance", unit="t")


def test_the_basis_of_production_counts_or_is_refused(tmp_path):
    text = "product,country,year,quantity,unit,basis\nlithium.refined,China,2024,100,t,LCE\nlithium.refined,Chile,2024,100,t,{}\n"
    made = sources.tidy(file(tmp_path, text.format("contained")), "production")
    out = sources.together(made).nodes.set_index("node")["output"]
    assert out["lithium.refined@CHN"] == pytest.approx(100 / 5.323, rel=1e-3)
    assert out["lithium.refined@CHL"] == 100.0
    with pytest.raises(SchemaError, match="basis 'spodumene' is not 'contained'"):
        sources.together(sources.tidy(file(tmp_path, text.format("spodumene")), "production"))


def test_a_table_for_assemble_has_its_own_products_units(tmp_path):
    products = product_rows(["gallium.refined"]).assign(unit="t")
    made = sources.tidy(
        file(tmp_path, "product,country,year,quantity,unit\ngallium.refined,China,2024,600,t\n"), "production"
    )
    use = sources.tidy(
        file(tmp_path, "country,product,year,quantity,unit\nUSA,gallium.refined,2024,2000,kg\n"), "demand"
    )
    g = assemble(products=products, tables={"sources": pd.concat([made.tables["sources"], use.tables["sources"]]).drop_duplicates()},
                 **made.inputs, **use.inputs)  # fmt: skip
    assert g.demand.set_index("node").loc["gallium.refined@USA:demand", "quantity"] == 2.0


def test_buyers_and_suppliers_are_places_and_unknown_shares_stay_unknown(tmp_path):
    made = sources.tidy(file(tmp_path, "product,country,year,quantity\ngallium.refined,China,2024,600000\n"
                             "gallium.refined,Japan,2024,10000\ngallium.refined,Germany,2024,5000\n"), "production")  # fmt: skip
    text = "product,buyer,supplier,share,year,imports\ngallium.refined,United States,China,60%,2024,1000\n" \
        "gallium.refined,United States,Japan,{},2024,1000\ngallium.refined,United States,Atlantis,1%,2024,1000\n"  # fmt: skip
    read = sources.tidy(file(tmp_path, text.format(">30%"), "s.csv"), "sourcing")
    assert read.report.unmapped[0]["name"] == "Atlantis"
    assert read.inputs["sourcing"][["buyer", "supplier"]].values.tolist() == [["USA", "CHN"], ["USA", "JPN"]]
    assert read.inputs["sourcing"].loc[1, ["share_low", "share_high", "missing"]].tolist() == [
        0.3,
        1.0,
        "not_available",
    ]
    links = sources.together(made, sources.tidy(file(tmp_path, text.format(">30%").replace("Atlantis,1%", "Peru,1%"), "s.csv"),
                                                "sourcing")).links  # fmt: skip
    to = links[links["buyer"] == "gallium.refined@USA:demand"].set_index("supplier")
    assert to.loc["gallium.refined@JPN", ["low", "high"]].tolist() == pytest.approx([300.0, 390.0])
    assert pd.isna(to.loc["gallium.refined@JPN", "quantity"])
    assert to.loc["gallium.refined@ROW:demand", ["low", "high"]].tolist() == pytest.approx([0.0, 90.0])
    assert "gallium.refined@DEU" not in to.index  # nothing of what Japan may have is given to others


def test_bounds_and_codes_of_trade_and_costs_stay(tmp_path):
    text = "hs6,origin,destination,quantity,value\n850511,China,USA,<5,100\n850511,China,Japan,3-4,>50\n850511,China,Korea,W,50\n"
    trade = sources.tidy(file(tmp_path, text), "trade", year=2024).inputs["trade"]
    assert trade[["low", "high"]].head(2).values.tolist() == [[0.0, 5.0], [3.0, 4.0]]
    assert trade.loc[1, "value_low"] == 50.0
    assert trade.loc[2, "flag"] == "quantity printed as W (withheld)"
    text = "product,country,what,quantity\ngallium.refined,China,unit_cost,300-400\ngallium.refined,Japan,unit_cost,W\n"
    costs = sources.tidy(file(tmp_path, text), "costs", year=2024).inputs["costs"]
    assert costs.loc[0, ["low", "high"]].tolist() == [300.0, 400.0]
    assert costs.loc[1, "note"] == "quantity printed as W (withheld)"
    text = "hs6,product,factor,purity\n811292,gallium.refined,1000,10-20%\n"
    con = sources.tidy(file(tmp_path, text), "concordance").inputs["concordance"]
    assert con.loc[0, ["purity_low", "purity_high"]].tolist() == [0.1, 0.2]
    text = "product,buyer,supplier,share,imports\ngallium.refined,USA,China,50%,5-6\n"
    read = sources.tidy(file(tmp_path, text), "sourcing", year=2024)
    assert "no room" in str(read.report)


def test_stocks_of_products_and_countries_stand_at_the_stock_of_the_country(tmp_path):
    head, rows = "product,country,holder,year,quantity,unit", ("Japan,JOGMEC,2024,2.5,t", "USA,,2024,300,kg")
    text = "\n".join([head, *(f"gallium.refined,{r}" for r in rows)])
    (tmp_path / "held.csv").write_text(text)
    reading = sources.tidy(tmp_path / "held.csv", table="stocks")
    graph = sources.together(reading)
    held = graph.stocks.set_index("node")
    unit = graph.products.set_index("product").loc["gallium.refined", "unit"]
    per = {"kg": 1000.0, "t": 1.0}[unit]
    assert held.loc["gallium.refined@JPN:stock", ["holder", "quantity"]].tolist() == ["JOGMEC", 2.5 * per]
    assert held.loc["gallium.refined@USA:stock", ["holder", "quantity"]].tolist() == ["USA", 0.3 * per]


def test_of_several_world_totals_of_one_list_one_counts(tmp_path):
    file = tmp_path / "made.csv"
    rows = ["China,600", "World,610", "Total,610", "Grand total,640", "Asia,605"]
    file.write_text("country,quantity,product,year\n" + "".join(f"{r},gallium.refined,2024\n" for r in rows))
    reading = sources.tidy(file, "production", unit="t")
    made = reading.inputs["production"]
    assert made[["country", "quantity"]].values.tolist() == [["CHN", 600.0], ["WLD", 610.0]]
    assert {d["reason"]: d["rows"] for d in reading.report.dropped}[
        "a further world total of the same: never added"
    ] == 2
    assert any("1 world totals differ" in n for n in reading.report.notes)


def test_the_same_total_twice_is_for_the_user_to_mend(tmp_path):
    file = tmp_path / "made.csv"
    file.write_text("country,quantity,product,year\nWorld,610,gallium.refined,2024\nWorld,640,gallium.refined,2024\n")
    assert sources.tidy(file, "production", unit="t").inputs["production"]["quantity"].tolist() == [610.0, 640.0]

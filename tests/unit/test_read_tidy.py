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

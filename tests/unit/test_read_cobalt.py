"""Firm network of cobalt: a graph of firms with mostly unknown quantities."""

from __future__ import annotations

import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError
from supplyrisk.graph import SupplyGraph
from supplyrisk.sources.read_cobalt import _per_year

FILES = {
    "companies": "node_id,name,country_name\nc::a,A@1 #x: y,China\nc::b,B,\nc::v,V,China\nc::p,P,The Netherlands\n",
    "facilities": "node_id,name,display_name,country_name\nf::1,S,Smelter,Democratic Republic Of The Congo\nf::2,P,Plant,UAE\n",
    "transactions": "node_id,amount_tonnes_raw,date_of_transaction,transaction_realised\n"
    "t::1,40 000 tonnes / annum,2020,Yes\nt::2,29 300 tonnes,15/3/19-31/12/21,Yes\nt::3,,,No\nt::4,,,\n",
    "relationships": "start_id,end_id,type,composition\n",
}


def folder(tmp_path, *extra, drop=()):
    lines = []
    for k in (1, 2, 3):
        lines += [f"c::a,t::{k},SUPPLIER_IN,", f"c::b,t::{k},BUYER_IN,", f"t::{k},f::1,SUPPLIER_FACILITY,",
                  f"t::{k},f::2,BUYER_FACILITY,", f"t::{k},chain_step::smelting,INPUT_CHAIN_STEP,",
                  f"t::{k},chain_step::refining,OUTPUT_CHAIN_STEP,"]  # fmt: skip
    for name, text in FILES.items():
        if name not in drop:
            body = text + "\n".join([*lines, *extra]) + "\n" if name == "relationships" else text
            (tmp_path / f"graph_{name}.csv").write_text(body, encoding="utf-8")
    return tmp_path


def test_one_link_per_pair_and_contract_totals_are_no_flows(tmp_path):
    reading = sources.cobalt_network(folder(tmp_path))
    g = SupplyGraph.from_tables(reading.tables)
    assert g.links["quantity"].tolist() == [40_000.0]
    assert g.links["note"].tolist() == ["transactions 1, 2"]
    assert g.nodes["country"].tolist() == ["ARE", "COD"]
    assert g.nodes["node"].str.count("#").eq(1).all()
    assert g.nodes["output"].isna().all()
    assert g.nodes["output_missing"].eq("not_available").all()
    reasons = {d["reason"]: d["rows"] for d in reading.report.dropped}
    assert sum(reasons.values()) == 2  # one that was not realised, one without firms
    assert len(reading.data) == 4


def test_operators_parents_and_ventures(tmp_path):
    extra = ["c::p,c::v,ASSOCIATED_WITH_JV,Shalina (95%) / DRC (5%)", "c::p,c::b,PARENT_OF,", "c::a,c::p,HAS_SUBSIDIARY,",
             "c::v,c::p,PARENT_OF,"]  # fmt: skip
    held = sources.cobalt_network(folder(tmp_path, *extra)).tables["holdings"].set_index(["asset", "holder"])
    assert held.loc[("V", "Shalina"), ["share", "type"]].tolist() == [0.95, "majority"]
    assert held.loc[("B", "P"), ["type", "holder_country", "low"]].tolist() == ["majority", "NLD", 0.5]
    assert held.loc[("P", "V"), ["type", "low"]].tolist() == ["equity", 0.0]  # one of two parents
    assert (held["type"] == "operator").sum() == 2


@pytest.mark.parametrize(
    ("text", "tonnes"),
    [("40 000 tonnes / annum", 40_000), ("5,000 tonnes of low carbon cobalt sulfate annually", 5_000),
     ("3000tonnes/annum", 3_000), ("up to 1.6 million", None), ("29 300 tonnes", None), ("950000", None),
     ("1.5 tonnes / annum", 1.5), ("5 000.5 t per year", 5_000.5), ("12,5 tonnes per year", None), ("40.000 t/y", None),
     ("10-15 tonnes / annum", None), ("10 to 15 000 tonnes / annum", None), ("up to 5 000 tonnes per year", None)],
)  # fmt: skip
def test_amounts_per_year(text, tonnes):
    value = _per_year(text)
    assert value == tonnes if tonnes is not None else value != value


def test_absent_tables_are_named_at_once(tmp_path):
    with pytest.raises(SourceError) as err:
        sources.cobalt_network(folder(tmp_path, drop=("companies", "facilities")))
    assert len(err.value.problems) == 2


@pytest.mark.realdata
def test_the_published_network(published):
    reading = sources.cobalt_network(published / "cobalt_chain")
    g = SupplyGraph.from_tables(reading.tables)
    assert len(reading.data) == 509
    assert len(g.products) == 13
    assert len(g.links) > 400
    assert g.links["quantity"].notna().sum() <= 5
    assert not [u for u in reading.report.unmapped if u["kind"] == "country"]

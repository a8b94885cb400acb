"""What may be passed on: nothing private in sums, registers or names; what an overlay covers comes back."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import formats
from supplyrisk.errors import PrivateDataWarning, SchemaError

GOOD = "gallium.refined"
PRODUCTS = pd.DataFrame([{"product": GOOD, "name": "Ga", "commodity": "gallium", "chain": "gallium", "stage": "refine", "unit": "kg",
                              "basis": "contained", "period": "year"}])  # fmt: skip
PUBLIC = pd.DataFrame(
    [{"source": "pub", "title": "P", "licence": "cc", "licence_class": "public_domain", "year": 2024}]
)
OWN = pd.DataFrame(
    [{"source": "acme", "title": "ACME internal", "licence": "private", "licence_class": "private", "year": 2024}]
)
NODES = pd.DataFrame(
    [
        {"node": f"{GOOD}@CHN", "product": GOOD, "country": "CHN", "kind": "producer", "year": 2024, "output": 100.0, "output_grade": "A",
             "output_source": "pub", "source": "pub", "grade": "A"},
        {"node": f"{GOOD}@JPN:demand", "product": GOOD, "country": "JPN", "kind": "demand", "year": 2024, "source": "pub", "grade": "A"},
    ]
)  # fmt: skip
LINKS = pd.DataFrame([{"supplier": f"{GOOD}@CHN", "buyer": f"{GOOD}@JPN:demand", "product": GOOD, "year": 2024, "quantity": 50.0,
                           "method": "observed", "source": "pub", "grade": "A"}])  # fmt: skip


def base():
    tables = {"products": PRODUCTS, "sources": PUBLIC, "nodes": NODES, "links": LINKS}
    return sr.SupplyGraph.from_tables(tables, name="g", as_of="2025-01-01")


def plants(source="acme", firm="ACME SECRET", places=("DEU", "DEU", "DEU")):
    return pd.DataFrame(
        [{"node": f"{GOOD}@{c}#plant{i}", "product": GOOD, "country": c, "site": f"plant{i}", "kind": "producer", "year": 2024,
              "output": v, "output_grade": "A", "output_source": source, "source": source, "grade": "A", "firm": firm and f"{firm}{i}"}
         for i, (c, v) in enumerate(zip(places, (10.0, 20.0, 12.0), strict=True))]
    )  # fmt: skip


def exported(graph, tmp_path, format="json"):
    place = tmp_path / f"out.{format}"
    report = sr.export(graph, place, share="public")
    text = place.read_bytes() + (tmp_path / f"out.{format}.left_out.csv").read_bytes()
    return sr.read(place), report, text.decode("utf-8", "replace").casefold()


@pytest.mark.parametrize("source", ["acme", "pub"])
def test_private_rows_are_in_no_sum_whatever_they_cite(tmp_path, source):
    g = base().overlay({"nodes": plants(source), "sources": OWN}, name="acme-secret")
    back, report, text = exported(g, tmp_path)
    assert set(back.nodes["node"]) == set(NODES["node"])
    assert not [w for w in ("acme", "secret", "plant0", "42.0", "aggregate") if w in text]
    assert "added up" not in set(report["what"])


def test_a_private_source_of_the_graph_itself_is_in_no_sum(tmp_path):
    g = sr.SupplyGraph.from_tables(
        {**base().tables, "nodes": pd.concat([NODES, plants()]), "sources": pd.concat([PUBLIC, OWN])}
    )
    back, _, text = exported(g, tmp_path)
    assert set(back.nodes["node"]) == set(NODES["node"])
    assert "acme" not in text


def test_restricted_rows_are_added_up_only_with_three_owners_behind_them(tmp_path):
    def graph(firm):
        rows = plants("wmd", firm)
        rows = rows.assign(firm=["A", "A", "B"] if firm == "two" else rows["firm"])
        restricted = OWN.assign(source="wmd", title="W", licence_class="restricted")
        tables = {"nodes": pd.concat([NODES, rows]), "sources": pd.concat([PUBLIC, restricted])}
        return sr.SupplyGraph.from_tables({**base().tables, **tables})

    two, _, _ = exported(graph("two"), tmp_path)
    assert not two.nodes["node"].str.contains("aggregate").any()
    back, _, _ = exported(graph("F"), tmp_path)
    row = back.nodes.set_index("node").loc[f"{GOOD}@ROW#aggregate"]
    assert row["output"] == 42.0
    assert back.sources.set_index("source").loc[row["source"], "licence_class"] == "restricted"


@pytest.mark.parametrize("way", ["straight", "parquet", "xlsx", "sqlite", "graphml", "json", "csv", "at", "select"])
def test_registers_of_an_overlay_stay_at_home_and_the_public_ones_come_back(tmp_path, way):
    mine = PRODUCTS.assign(name="ACME SECRET NAME", note="acme-secret note", price=777.0, price_source="acme",
                           price_grade="A", price_year=2024)  # fmt: skip
    own_node = NODES.iloc[:1].assign(output=55.0, output_source="acme", source="acme")
    title = PUBLIC.assign(source="acme2", title="ACME strategy paper")
    g = base().overlay({"products": mine, "sources": pd.concat([OWN, title]), "nodes": own_node}, name="acme-secret")
    assert g.nodes.set_index("node").loc[f"{GOOD}@CHN", "output"] == 55.0
    if way == "at":
        g = g.at("2025", known_on="latest")
    elif way == "select":
        g = g.select(product=GOOD)
    elif way != "straight":
        ending = {"parquet": "", "csv": ""}.get(way, f".{way}")
        place = sr.write(g, tmp_path / f"whole{ending}", way, private=True)
        g = sr.read(place)
    back, report, text = exported(g, tmp_path)
    assert "acme" not in text
    assert "777" not in text
    assert back.nodes.set_index("node").loc[f"{GOOD}@CHN", "output"] == 100.0
    assert back.products["name"].tolist() == ["Ga"]
    assert back.links["quantity"].tolist() == [50.0]
    assert {"dropped", "restored"} <= set(report["what"])
    assert back.fingerprint == base().fingerprint


def test_a_second_overlay_covers_the_first_and_the_public_row_is_kept():
    node = NODES.iloc[:1].assign(output_source="acme", source="acme")
    g = base().overlay({"nodes": node.assign(output=55.0), "sources": OWN}, name="one")
    h = g.overlay({"nodes": node.assign(output=66.0)}, name="two")
    assert h.beneath["nodes"]["output"].tolist() == [100.0]


@pytest.mark.parametrize("name", ["public", "Public ", "", "all"])
def test_reserved_names_are_refused(name):
    with pytest.raises(SchemaError, match="reserved"):
        base().overlay({"nodes": plants("pub")}, name=name)


@pytest.mark.parametrize("way", ["json", "parquet"])
def test_writing_a_graph_with_private_rows_says_so(tmp_path, way):
    g = base().overlay({"nodes": plants(), "sources": OWN}, name="acme")
    with pytest.warns(PrivateDataWarning, match="3 private"):
        sr.write(g, tmp_path / f"x{'.json' if way == 'json' else ''}")
    with pytest.warns(PrivateDataWarning):
        g.to_parquet(tmp_path / "p")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sr.write(g, tmp_path / "y.json", private=True)
        g.to_parquet(tmp_path / "q", private=True)
        sr.write(base(), tmp_path / "z.json")
        sr.export(g, tmp_path / "e.json")
        formats.export(g, tmp_path / "all.json", share="all")

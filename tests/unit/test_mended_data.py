"""Data on its way into a graph and out again: faults that were found by trying, each with its case."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import formats
from supplyrisk.errors import SchemaError
from supplyrisk.intervals import IntervalPolicy
from supplyrisk.sharing import public_part
from supplyrisk.sources import hs
from supplyrisk.sources.repair import reconcile, repair, trace_origins
from supplyrisk.sources.tally import batch_amount
from supplyrisk.sources.trade_links import links_of

# ---------------------------------------------------------------------- re-exports of some headings only


def mixed_headings():
    rows = [
        ("260400", "IDN", "CHN", 5.0, "D", "unsaid"),
        ("850511", "CHN", "HKG", 10.0, "A", "customs"),
        ("850511", "HKG", "USA", 8.0, "C", "guess"),
        ("850511", "CHN", "DEU", 3.0, "A", "customs"),
    ]
    frame = pd.DataFrame(rows, columns=["hs6", "origin", "destination", "quantity", "grade", "source"])
    return frame.assign(year=2024, value=frame["quantity"] * 10)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 3), slice(0, 2)])
def test_a_heading_of_which_nobody_says_who_makes_it_lends_nothing_to_the_traced_one(rows):
    given = mixed_headings()[rows]
    whole = trace_origins(given, {"850511": ["CHN"]})
    alone = trace_origins(given[given["hs6"] == "850511"], {"850511": ["CHN"]})
    told = whole[whole["hs6"] == "850511"].reset_index(drop=True)
    pd.testing.assert_frame_equal(told, alone, check_dtype=False)
    assert whole.loc[whole["hs6"] == "260400", ["source", "grade"]].values.tolist() == [["unsaid", "D"]]


# ---------------------------------------------------------------------- repaired flows


def two_sides(weights_m, weights_x, values=(100.0, 97.0)):
    rows = []
    for k, (m, x) in enumerate(zip(weights_m, weights_x, strict=True)):
        base = {"year": 2022, "hs6": "850511"}
        here, there = f"A{k % 26:02d}", f"B{k // 26:02d}"
        rows.append({**base, "reporter": here, "partner": there, "flow": "M", "value": values[0] + k, "quantity": m})
        rows.append({**base, "reporter": there, "partner": here, "flow": "X", "value": values[1], "quantity": x})
    return pd.DataFrame(rows)


def test_a_mean_of_two_sides_lies_between_them_to_the_last_digit():
    weights = np.random.default_rng(1).lognormal(2.0, 1.0, 300)
    same = reconcile(two_sides(weights, weights, (1000.0, 10.0)))
    assert (same["quantity"] == same["quantity_import"]).all()
    assert ((same["low"] <= same["quantity"]) & (same["quantity"] <= same["high"])).all()
    other = weights * np.random.default_rng(2).choice([0.2, 1.0, 5.0], 300)
    out = reconcile(two_sides(weights, other, (1000.0, 10.0)))
    for value, low, high in (("quantity", "low", "high"), ("value", "value_low", "value_high")):
        far = out[low].notna()
        assert far.any()
        assert ((out[low] <= out[value]) & (out[value] <= out[high]))[far].all()


@pytest.mark.realdata
def test_repaired_extracts_cite_their_source_and_stay_at_home(published, tmp_path):
    reading = sr.sources.comtrade(published / "comtrade" / "comtrade_raw_2022_10codes.csv.gz")
    mended = repair(reading.data).inputs["trade"]
    assert set(mended["source"]) == {"comtrade_hs17"}
    assert mended["grade"].isin(["B", "C"]).all()
    bounded = mended.dropna(subset=["low", "high"])
    assert ((bounded["low"] <= bounded["quantity"]) & (bounded["quantity"] <= bounded["high"])).all()
    mined = sr.sources.usgs_mcs(published / "usgs_mcs" / "MCS2025_World_Data.csv")
    products, sources = (
        pd.concat([a, b]).drop_duplicates(key)
        for a, b, key in (
            (reading.inputs["products"], mined.inputs["products"], "product"),
            (reading.tables["sources"], mined.tables["sources"], "source"),
        )
    )
    graph = sr.assemble(
        products=products,
        production=mined.inputs["production"],
        trade=mended,
        concordance=reading.inputs["concordance"],
        tables={"sources": sources},
    )
    flows = graph.links["method"].isin(["observed", "mirrored", "imputed"])
    assert set(graph.links.loc[flows, "source"]) == {"comtrade_hs17"}
    formats.export(graph, tmp_path / "g.json")
    public = formats.read(tmp_path / "g.json").links
    assert not public["method"].isin(["observed", "mirrored", "imputed"]).any()


# ---------------------------------------------------------------------- who makes what it exports

MAGNET = "ndfeb.magnet"
CON = pd.DataFrame([{"hs6": "850511", "product": MAGNET, "factor": 1.0, "purity": 1.0, "use": True}])


def sold(rows, year=2024, source="baci_hs17_202601"):
    out = pd.DataFrame(rows, columns=["origin", "destination", "quantity"])
    out["value"] = out["quantity"] * 1000.0
    return out.assign(hs6="850511", year=year, source=source, published_on=None)


ENTREPOTS = [
    ("CHN", "USA", 900.0), ("CHN", "HKG", 5.0), ("CHN", "SGP", 5.0), ("CHN", "DEU", 60.0),
    *((e, "USA", 100.0) for e in ("HKG", "SGP", "NLD", "ARE", "MAC")),  # far more than they import
    ("DEU", "USA", 70.0),  # passes on most: net exports are no half of exports
    ("FJI", "USA", 1.0),  # next to nothing of all trade
    ("JPN", "USA", 200.0),
]  # fmt: skip


def makers_of(tables, year=None):
    nodes = tables["nodes"]
    rows = nodes[nodes["kind"] == "producer"]
    return sorted(rows["country"] if year is None else rows.loc[rows["year"] == year, "country"])


def test_links_of_a_reader_have_the_makers_of_assembly_and_no_entrepot():
    trade = sold(ENTREPOTS)
    tables = links_of(trade, CON)
    assert makers_of(tables) == ["CHN", "JPN"]
    sent = tables["links"].set_index("supplier")["quantity"]
    assert sent[f"{MAGNET}@HKG:demand"] == 100.0  # a pool that sends on, nothing is lost
    products = pd.DataFrame([{"product": MAGNET, "name": "m", "commodity": "ndfeb", "chain": "m", "stage": "component",
                              "unit": "t", "basis": "gross", "period": "year"}])  # fmt: skip
    sources = pd.DataFrame([{"source": "baci_hs17_202601", "title": "t", "licence": "l", "licence_class": "cc0"}])
    made = pd.DataFrame(
        [
            {
                "product": MAGNET,
                "country": "CHN",
                "year": 2024,
                "quantity": 2000.0,
                "grade": "A",
                "source": "baci_hs17_202601",
            }
        ]
    )
    graph = sr.assemble(products=products, production=made, trade=trade, concordance=CON, tables={"sources": sources})
    made = graph.nodes[(graph.nodes["kind"] == "producer") & (graph.nodes["country"] != "ROW")]
    assert sorted(made["country"]) == makers_of(tables)


def test_each_year_has_its_makers_and_reporters_that_lag_count_with_their_newest():
    trade = pd.concat([sold([("CHN", "USA", 100.0), ("JPN", "CHN", 40.0)]), sold([("JPN", "CHN", 10.0)], 2023)])
    assert makers_of(links_of(trade, CON), 2024) == ["CHN", "JPN"]
    late = pd.concat([sold([("CHN", "USA", 100.0)]), sold([("JPN", "CHN", 90.0)], 2023)])
    lists = pd.DataFrame([{"source": "baci_hs17_202601", "lists": "by_importer"}])
    assert makers_of(links_of(late, CON, lists), 2024) == []  # what CHN imports it says a year later
    assert makers_of(links_of(late, CON, lists.assign(lists="complete")), 2024) == ["CHN"]


@pytest.mark.realdata
def test_overlaid_trade_as_published_makes_no_producer_of_an_entrepot(published):
    reading = sr.sources.baci(published / "baci" / "BACI_HS17_Y2024_V202601_crm30.csv.gz")
    nodes = sr.load_atlas().overlay(reading, name="baci").nodes
    mine = nodes[(nodes["kind"] == "producer") & (nodes["origin_tag"] == "baci")]
    assert len(mine)
    assert not mine["country"].isin(["HKG", "SGP", "NLD", "ARE", "MAC"]).any()


# ---------------------------------------------------------------------- overlays that cover each other


@pytest.fixture(scope="module")
def own():
    graph = sr.load_atlas()
    made = graph.nodes[(graph.nodes["product"] == "gallium.refined") & (graph.nodes["kind"] == "producer")]
    row = made[made["output"].notna()].iloc[[0]].drop(columns="origin_tag")
    row = row.assign(output=9.0, output_low=None, output_high=None, published_on="2026-02", note=None)
    return graph, row


@pytest.mark.parametrize("again", ["co one", "co two"])
def test_an_overlay_laid_over_another_takes_nothing_public_with_it(own, again):
    graph, row = own
    once = graph.overlay({"nodes": row}, name="co one")
    twice = once.overlay({"nodes": row.assign(output=10.0)}, name=again)
    public = public_part(graph, 3)[0]
    for laid in (once, twice):
        assert public_part(laid, 3)[0].fingerprint == public.fingerprint
    for change in (lambda g: g.at("2025-06"), lambda g: g.select(product="gallium.refined")):
        assert public_part(change(twice), 3)[0].fingerprint == public_part(change(graph), 3)[0].fingerprint


def test_what_was_balanced_upon_an_overlay_stays_at_home_once_the_overlay_is_covered(own):
    graph, row = own
    once = graph.overlay({"nodes": row}, name="co one")
    rests = dataclasses.replace(once, history=(*once.history, "balance_flows: 1 flow"))
    for left in (rests.overlay({"nodes": row.assign(output=10.0)}, name="co one"), rests.at("2025-06")):
        assert "gallium.refined" in set(left.beneath["cut:products"]["product"])


# ---------------------------------------------------------------------- what a file says of a graph

ENDING = {"parquet": "", "csv": "_csv", "xlsx": ".xlsx", "sqlite": ".sqlite", "graphml": ".graphml", "json": ".json"}


def small(**more):
    products = [{"product": "x.form", "name": "x", "commodity": "x", "chain": "x", "stage": "mine", "unit": "t",
                 "basis": "c", "period": "year"}]  # fmt: skip
    sources = [{"source": "s", "title": "s", "licence": "c", "licence_class": "cc0"}]
    row = {"node": "x.form@AUS", "product": "x.form", "country": "AUS", "kind": "producer", "year": 2020, "output": 5.0}
    nodes = pd.DataFrame([{**row, "source": "s", "grade": "A"} | more], dtype="object")
    return {"products": pd.DataFrame(products), "sources": pd.DataFrame(sources), "nodes": nodes}


@pytest.mark.parametrize("form", ENDING)
def test_widths_of_intervals_come_back_and_are_part_of_the_fingerprint(form, tmp_path):
    plain = sr.SupplyGraph.from_tables(small(), as_of="2024")
    wide = sr.SupplyGraph.from_tables(small(), as_of="2024", policy=IntervalPolicy(per_year=0.2))
    assert wide.fingerprint != plain.fingerprint
    back = formats.read(formats.write(wide, tmp_path / f"g{ENDING[form]}", form))
    assert back.policy == wide.policy
    assert (back.fingerprint, back.history) == (wide.fingerprint, wide.history)
    assert [v.tolist() for v in back.interval("nodes", "output")] == [[5.0], [0.75], [9.25]]
    assert formats.read(formats.write(plain, tmp_path / f"p{ENDING[form]}", form)).fingerprint == plain.fingerprint


def test_a_network_keeps_the_widths_of_intervals():
    wide = sr.SupplyGraph.from_tables(small(), policy=IntervalPolicy(per_year=0.2))
    assert sr.SupplyGraph.from_networkx(wide.to_networkx()).policy == wide.policy


def test_a_folder_of_parquet_files_that_was_edited_says_so(tmp_path):
    graph = sr.SupplyGraph.from_tables(small())
    folder = formats.write(graph, tmp_path / "g")
    assert formats.read(folder).history == graph.history
    file = folder / "nodes.parquet"
    pd.read_parquet(file).assign(output=6.0).to_parquet(file)
    again = formats.read(folder)
    assert again.nodes["output"].tolist() == [6.0]
    assert again.history[-1] == "read from g, which was edited after it was written"


@pytest.mark.parametrize("column", ["note", "node", "unit", "basis", "product"])
def test_half_a_character_is_named_by_row_and_column(column):
    with pytest.raises(SchemaError, match=rf"nodes\[.*{column}: half a character") as caught:
        sr.SupplyGraph.from_tables(small(**{"unit": "kt", "basis": "c", column: "x\ud800y"}))
    assert "\\ud800" in str(caught.value)
    str(caught.value).encode()


def test_half_a_character_names_no_overlay():
    graph = sr.SupplyGraph.from_tables(small())
    with pytest.raises(SchemaError, match="half a character"):
        graph.overlay(small(output=6.0), name="a\ud800")


# ---------------------------------------------------------------------- splits by trade


def test_a_split_by_trade_takes_headings_as_numbers_and_refuses_what_says_nothing():
    def split(values):
        return hs.concord("810600", "HS2012", "HS2022", values=values).set_index("target")["weight"].to_dict()

    want = {"810610": 0.25, "810690": 0.75}
    for index in (["810610", "810690"], [810610, 810690], ["8106.10", "8106.90"]):
        assert split(pd.Series([1.0, 3.0], index=index)) == want
    assert split(pd.Series([4.0, 0.0], index=[810610, 810690])) == {"810610": 1.0, "810690": 0.0}
    assert hs.concord("850511", "HS2012", "HS2017", values=pd.Series({"1": 2.0}))["weight"].tolist() == [1.0]
    with pytest.raises(SchemaError, match=r"hs\[810690\].values: nothing is said of this heading"):
        split(pd.Series({"810610": 1.0}))
    with pytest.raises(SchemaError, match="no amount of trade"):
        split(pd.Series({"810610": 1.0, "810690": np.nan}))
    with pytest.raises(SchemaError, match="stands twice"):
        split(pd.Series([1.0, 2.0, 3.0], index=["810610", "810690", "8106.90"]))


# ---------------------------------------------------------------------- years that are kept beside a graph


@pytest.mark.parametrize("form", ENDING)
def test_what_is_kept_of_covered_years_comes_back_as_it_was(form, tmp_path):
    frames = small(capacity=None, capacity_low=1.0, capacity_high=2.0, capacity_missing="withheld")
    rows = frames["nodes"]
    later = rows.assign(year=2021)
    other = pd.concat([rows, later]).assign(node="x.form@CHN", country="CHN")
    graph = sr.SupplyGraph.from_tables({**frames, "nodes": pd.concat([rows, later, other])})
    own = pd.DataFrame([{"node": "x.form@AUS", "product": "x.form", "country": "AUS", "kind": "producer", "year": 2021,
                         "output": 7.0, "source": "s", "grade": "A"}])  # fmt: skip
    laid = graph.overlay({"nodes": own}, name="acme")
    kept = laid.beneath["newest:nodes"]
    assert len(kept)
    assert kept["capacity_year"].notna().all()
    back = formats.read(formats.write(laid, tmp_path / f"g{ENDING[form]}", form, private=True))
    assert set(back.beneath) == set(laid.beneath)
    for name, frame in laid.beneath.items():
        pd.testing.assert_frame_equal(back.beneath[name], frame)


# ---------------------------------------------------------------------- amounts padded with blanks


def test_padded_amounts_count_as_bare_ones_and_are_not_looked_at_one_by_one(monkeypatch):
    import pyarrow as pa
    import pyarrow.compute as pc

    def sums(cells):
        batch = pa.record_batch({"v": pa.array(cells)})
        return batch_amount(batch, {"v": "v"}, pa.array([k % 2 == 0 for k in range(len(cells))]))

    bare = [f"{k / 8:.3f}" for k in range(200)]
    want = sums(bare)
    assert want == ("value", 1000.0 * sum(k / 8 for k in range(200)), 1000.0 * sum(k / 8 for k in range(0, 200, 2)))
    padded = [f"{v:>12}" for v in bare]
    late = [*bare[:150], *padded[150:]]
    odd = [*padded, "\u00a0  1.5", "n.a.", "  NA", "  -", ""]
    assert sums(odd) == ("value", want[1] + 1500.0, want[2] + 1500.0)
    monkeypatch.setattr(pc, "match_substring_regex", None)  # nothing here is worth a look at every cell
    assert sums(padded) == sums(late) == want
    assert sums([*padded, "          NA"]) == want


def test_the_benchmark_reads_amounts_as_they_are_published(tmp_path):
    case = pytest.importorskip("benchmarks.cases.baci_stream")
    folders = {padded: tmp_path / str(padded) for padded in (True, False)}
    for padded, folder in folders.items():
        folder.mkdir()
        case.generate(folder, 1, 3000, 7, countries=40, products=60, padded=padded)
    line = next(folders[True].glob("*.csv")).read_text().splitlines()[1]
    v, q = line.split(",")[4:]
    assert (len(v), len(q), v[0]) == (12, 12, " ")
    padded, bare = (case.stream(folders[p]) for p in (True, False))
    assert len(bare)
    pd.testing.assert_frame_equal(padded, bare)

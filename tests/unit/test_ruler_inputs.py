"""What is given under another key, order or scale than asked is told, never taken for something else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import metrics as M
from supplyrisk.errors import SchemaError, UnknownNameError

MARKETS = pd.MultiIndex.from_tuples(
    [("li", "CHN"), ("li", "AUS"), ("ni", "IDN"), ("ni", "PHL")], names=["product", "country"]
)
WORLD = pd.Series([5.0, 3.0, 2.0, 1.0], index=MARKETS)
BOUGHT = pd.Series([3.0, 1.0, 4.0, 2.0], index=MARKETS)
WEIGHT = {"CHN": 0.56, "AUS": 0.2, "IDN": 0.5, "PHL": 0.55}


@pytest.mark.parametrize("kind", [dict, pd.Series, lambda d: pd.Series(d).rename_axis("product")])
def test_production_by_market_goes_by_the_key_of_the_market(kind) -> None:
    made = {"ni": 30.0, "li": 2.0}
    found = M.geopolrisk(WORLD, BOUGHT, WEIGHT, production=kind(made), by="product")["value"]
    for p, q in made.items():
        assert found[p] == pytest.approx(float(M.geopolrisk(WORLD[p], BOUGHT[p], WEIGHT, production=q)))


@pytest.mark.parametrize("made", [{"li": 2.0}, pd.Series({"li": 2.0})])
def test_a_market_without_its_production_is_named(made) -> None:
    with pytest.raises(SchemaError, match=r"ni.*no figure for this market"):
        M.geopolrisk(WORLD, BOUGHT, WEIGHT, production=made, by="product")


def test_several_levels_without_by_are_refused_with_a_remedy() -> None:
    for call in (
        lambda: M.geopolrisk(WORLD, BOUGHT, WEIGHT, production=1.0),
        lambda: M.hhi_governance(WORLD, WEIGHT),
        lambda: M.hhi_governance(WORLD, pd.Series([1.0] * 4, MARKETS.set_names([None, None])), by="product"),
    ):
        with pytest.raises(SchemaError, match="several levels, and no by="):
            call()


def test_units_in_another_order_are_refused_as_every_other_column() -> None:
    q = pd.Series([60.0, 20.0, 20.0], index=list("xyz"))
    assert M.hhi(q, unit=pd.Series(["B", "A", "A"], index=list("xyz"))) == pytest.approx(0.52)
    with pytest.raises(SchemaError, match=r"unit.*index is not that of supply"):
        M.hhi(q, unit=pd.Series(["A", "A", "B"], index=list("zyx")))


def test_a_market_without_a_total_and_a_level_that_is_none_are_named() -> None:
    with pytest.raises(SchemaError, match=r"total: markets without a total \(got ni\)"):
        M.hhi(WORLD, by="product", total=pd.Series({"li": 20.0}))
    with pytest.raises(SchemaError, match=r"by: names no level of \['product', 'country'\]"):
        M.hhi(WORLD, by=0)


def test_political_stability_alone_makes_the_weight_of_geopolrisk() -> None:
    six = pd.DataFrame({"va": [-1.6, 1.0], "PV": [-0.5, 0.9], "GE.EST": [0.5, 1.0]}, index=["CHN", "AUS"])
    assert M.governance_weight(six, "g01").to_dict() == pytest.approx({"CHN": 0.6, "AUS": 0.32})
    assert M.governance_weight(six)["CHN"] == pytest.approx(2 * (2.5 - (-1.6 - 0.5 + 0.5) / 3))
    years = pd.DataFrame({2022: [-0.4], 2023: [-0.6]}, index=["CHN"])
    assert M.governance_weight(years, "g01")["CHN"] == pytest.approx(0.6)
    with pytest.raises(SchemaError, match="PV: absent"):
        M.governance_weight(six.drop(columns="PV"), "g01")


def test_import_reliance_in_percent_is_refused_and_a_little_over_one_clamped() -> None:
    given = {"eol_rir": 0.12, "si_sr": 0.94}
    with pytest.raises(SchemaError, match="divide percent by 100"):
        M.eu_supply_risk(2.5, 2.1, import_reliance=75, **given)
    assert "import reliance clamped" in M.eu_supply_risk(2.5, 2.1, import_reliance=1.3, **given).flags


def test_names_that_are_no_country_have_no_trade_parameter() -> None:
    acts = sr.load_atlas().measures
    for name in ("CHX", "China", "chn"):
        with pytest.raises(UnknownNameError, match="CHN"):
            M.trade_parameters([name], acts, "2025-06-01", product="gallium.refined")
    lone = M.trade_parameters(["CHN"], acts, "2025-06-01", product="gallium.refind").loc["CHN"]
    assert lone["reason"] == "no measure on 'gallium.refind' is in this table"


@pytest.mark.parametrize("name", ["WLD", "ROW", "UNK"])
def test_the_world_and_its_rest_are_no_focal(atlas, name) -> None:
    with pytest.raises(SchemaError, match=r"no country|nobody"):
        sr.score(atlas, name, by="product")


def test_draws_that_nothing_is_made_of_are_refused(atlas) -> None:
    with pytest.raises(SchemaError, match="no errors that could go together"):
        sr.score(atlas, by="product", samples=20, reliability=50, correlate="source")
    for given in ({"reliability": 50.0}, {"correlate": "source"}):
        with pytest.raises(SchemaError, match="nothing is drawn"):
            sr.score(atlas, by="product", **given)


def test_scores_of_other_rows_are_not_compared(atlas) -> None:
    one = sr.score(atlas, by="product", metrics=["focal_share"])
    for by in ("buyer", "stage", ["product", "buyer"]):
        with pytest.raises(SchemaError, match="rows of the scores are not the same thing"):
            sr.compare(one, sr.score(atlas, by=by, metrics=["focal_share"]))


def test_bounds_of_quantities_come_apart(atlas) -> None:
    s = sr.score(atlas, by="product", bounds=True, metrics=["quantity"])
    tried = 0
    for row in s.index[::2]:
        for c in ("quantity_low", "quantity_high"):
            if np.isfinite(s.loc[row, c]):
                e = sr.explain(s, row, column=c)
                assert e.contributions["contribution"].sum() == pytest.approx(e.value, rel=1e-9, abs=1e-9)
                tried += 1
    assert tried > 40
    with pytest.raises(SchemaError, match="a date, not made of parts"):
        sr.explain(s, row, column="data_year")


def test_what_is_no_graph_and_no_number_is_told() -> None:
    for call in (lambda x: sr.score(x), lambda x: sr.simulate(x, [])):
        for given in (None, "atlas", pd.DataFrame()):
            with pytest.raises(SchemaError, match=r"not a graph.*load_atlas\(\)"):
                call(given)
    q, table = pd.Series([0.6, 0.4]), pd.DataFrame({"a": [1.0]})
    for call in (
        lambda: M.concentration_ratio(q, "3"),
        lambda: M.delta_hhi(q, 0.1),
        lambda: M.net_import_reliance(table, 1, 1, 1),
        lambda: M.eu_supply_risk(table, 2.1, import_reliance=0.5, eol_rir=0, si_sr=1),
        lambda: M.effective_suppliers(q, order="2"),
    ):
        with pytest.raises((SchemaError, UnknownNameError)):
            call()


def test_a_day_may_be_a_year_or_a_date(atlas) -> None:
    asked = [2024, pd.Timestamp("2024-12-31"), "2024-12-31"]
    prints = {atlas.at(day).fingerprint for day in asked}
    assert len(prints) == 1
    s = [sr.score(atlas, by="product", metrics=["focal_share"], at=day) for day in asked]
    pd.testing.assert_frame_equal(s[0], s[1])


def test_a_panel_by_product_and_importer_takes_world_production_by_product() -> None:
    keys = [("li", "JPN", "CHN"), ("li", "JPN", "AUS"), ("li", "DEU", "CHN"), ("ni", "JPN", "IDN")]
    bought = pd.Series([3.0, 1.0, 4.0, 2.0], pd.MultiIndex.from_tuples(keys, names=["product", "importer", "country"]))
    made = {("li", "JPN"): 1.0, ("li", "DEU"): 0.0, ("ni", "JPN"): 2.0}
    found = M.geopolrisk(WORLD, bought, WEIGHT, production=pd.Series(made), by=["product", "importer"])["value"]
    assert found.index.names == ["product", "importer"]
    for (p, c), q in made.items():
        alone = M.geopolrisk(WORLD[p], bought[p][c], WEIGHT, production=q)
        assert found[p, c] == pytest.approx(float(alone))


def test_tables_of_estimates_that_lie_otherwise_are_refused() -> None:
    six = pd.DataFrame({"VA": [-1.6, 1.0], "PV": [-0.5, 0.9]}, index=["CHN", "AUS"])
    with pytest.raises(SchemaError, match="indicators as rows"):
        M.governance_weight(six.T, "g01")
    with pytest.raises(SchemaError, match="a column of text"):
        M.governance_weight(six.melt(ignore_index=False))


def test_what_a_member_of_the_union_passes_on_is_not_counted_again(atlas) -> None:
    """CHN > DEU 100, DEU > USA 100, CHN > the Union's pool 50, KOR > USA 100: 50 of 150 enter from China."""
    nodes = [
        {"node": f"x.refined@{c}", "country": c, "kind": "producer", "output": q}
        for c, q in (("CHN", 300.0), ("KOR", 100.0))
    ]
    nodes += [{"node": f"x.refined@{c}:demand", "country": c, "kind": "demand"} for c in ("USA", "DEU", "EUE")]
    flows = [("x.refined@CHN", "DEU", 100.0), ("x.refined@DEU:demand", "USA", 100.0), ("x.refined@CHN", "EUE", 50.0),
             ("x.refined@KOR", "USA", 100.0)]  # fmt: skip
    links = [{"supplier": a, "buyer": f"x.refined@{b}:demand", "quantity": q} for a, b, q in flows]
    members = [("C", "USA"), ("C", "DEU"), ("C", "EUE"), ("EU27", "DEU")]
    stated = {"product": "x.refined", "year": 2024}
    g = sr.SupplyGraph.from_tables(
        products=atlas.products.iloc[:1].assign(product="x.refined"),
        nodes=pd.DataFrame(nodes).assign(output_grade="A", output_source="s", **stated),
        links=pd.DataFrame(links).assign(method="observed", grade="A", source="s", **stated),
        memberships=pd.DataFrame(
            [{"coalition": k, "country": c, "role": "member", "valid_from": "1990-01-01"} for k, c in members]
        ),
        sources=pd.DataFrame([{"source": "s", "title": "S", "licence": "CC0", "licence_class": "cc0"}]),
    )
    s = sr.score(g, by=["product", "coalition"], coalition="C")
    assert s[["quantity", "focal_share"]].iloc[0].tolist() == pytest.approx([150.0, 50 / 150])


def test_a_change_is_sure_where_the_bounds_leave_no_doubt() -> None:
    key = pd.MultiIndex.from_tuples([("CHN", "location", p) for p in "vwxyz"], names=["focal", "view", "product"])
    a = pd.DataFrame({"focal_share": [0.2, 0.2, 0.2, 0.5, 0.2]}, index=key)
    b = pd.DataFrame({"focal_share": [0.8, 0.8, 0.8, 0.5, 0.8]}, index=key)
    assert sr.compare(a, b)["sure"].isna().all()
    a = a.assign(focal_share_low=[0.1, 0.1, 0.1, 0.5, 0.1], focal_share_high=[0.3, 1.0, 0.7, 0.5, np.nan])
    b = b.assign(focal_share_low=[0.6, 0.6, 0.7, 0.5, 0.6], focal_share_high=[0.9, 0.9, 0.9, 0.5, 0.9])
    found = sr.compare(a, b)["sure"].droplevel(["focal", "view"])
    assert found[["v", "w", "x", "y"]].tolist() == [True, False, False, True]
    assert found.isna()["z"]


def test_a_product_of_which_nothing_was_published_by_the_day_is_no_unknown_name(atlas) -> None:
    with pytest.raises(SchemaError, match=r"nothing of it was published by 2024-12-31.*known_on='latest'"):
        sr.explain(atlas, product="gallium.refined", at="2024-12-31")
    with pytest.raises(UnknownNameError, match="gallium"):
        sr.explain(atlas, product="galium.refined")


@pytest.mark.parametrize("day", ["2024-02-30", "2023-02-29", "2024-06-31", "0000"])
def test_a_day_that_is_none_is_refused(atlas, day: str) -> None:
    with pytest.raises(SchemaError, match=day):
        atlas.at(day)


def test_bounds_of_a_market_of_which_no_figure_is_known_are_those_of_any_split() -> None:
    nothing, endless = [np.nan] * 3, [np.inf] * 3
    for metric, wanted in (
        (M.hhi, (1 / 3, 1.0)),
        (M.effective_suppliers, (1.0, 3.0)),
        (M.hirschman_index, (100 / 3**0.5, 100.0)),
    ):
        assert metric.interval(nothing, low=[0.0] * 3, high=endless) == pytest.approx(wanted)
    assert M.hhi.interval([np.nan], low=[0.0], high=[np.inf]) == (1.0, 1.0)


def test_reliance_of_columns_takes_missing_cells_and_names_bad_rows() -> None:
    columns = [np.array(v, dtype=float) for v in ([120, np.nan], [300, 5], [40, 0], [-10, 0])]
    for given in (columns, [pd.Series(c, index=["x", "y"]) for c in columns]):
        got = M.net_import_reliance(*given)["value"].to_numpy()
        assert got[0] == pytest.approx(69.230769)
        assert np.isnan(got[1])
    with pytest.raises(SchemaError, match=r"production\[y\].*negative"):
        M.net_import_reliance(*[pd.Series([1.0, -3.0], index=["x", "y"])] * 3, 0)
    with pytest.raises(SchemaError, match="not finite"):
        M.net_import_reliance(np.array([1.0, np.inf]), 1, 1, 0)


def test_a_threshold_in_percent_and_a_tolerance_below_nothing_are_refused(atlas) -> None:
    scores = sr.score(atlas, by="product")
    with pytest.raises(SchemaError) as error:
        sr.compare(scores, scores, threshold=50, tolerance=-1)
    assert [p.column for p in error.value.problems] == ["threshold", "tolerance"]
    assert "Divide by 100" in str(error.value)


def _dated(rows: list[tuple[str, str, int, float]], **tables: pd.DataFrame) -> sr.SupplyGraph:
    about = {"commodity": "c", "chain": "c", "stage": "refine", "unit": "t", "basis": "contained", "period": "year"}
    goods = [{"product": p, "name": p, **about} for p in sorted({r[0] for r in rows})]
    nodes = [{"node": f"{p}@{c}", "product": p, "country": c, "kind": "producer", "year": y, "output": q,
              "output_grade": "assumption"} for p, c, y, q in rows]  # fmt: skip
    return sr.SupplyGraph.from_tables(products=pd.DataFrame(goods), nodes=pd.DataFrame(nodes), **tables)


def test_an_old_figure_is_no_evidence_of_later_years() -> None:
    both = [("a.refined", 2020), ("b.refined", 2024)]
    g = _dated([(p, c, y, q) for p, y in both for c, q in (("CHN", 60.0), ("JPN", 40.0))])
    found = sr.compare(g, g, persistence=(3, 3))
    assert found["status"].tolist() == ["unknown", "unknown"]
    assert sr.compare(g, g)["status"].tolist() == ["unchanged", "unchanged"]
    years = [("b.refined", c, y, q) for y in (2022, 2023, 2024) for c, q in (("CHN", 60.0), ("JPN", 40.0))]
    h = _dated(years)
    assert sr.compare(h, h, persistence=(3, 3))["dependent"].tolist() == ["both"]


def test_a_coalition_has_the_members_of_the_day_of_a_graph_that_states_none() -> None:
    since = [("JPN", "2000-01-01"), ("KOR", "2025-06-01")]
    club = [
        {"coalition": "CLUB", "country": c, "role": "member", "valid_from": d, "grade": "assumption"} for c, d in since
    ]
    rows = [("c.refined", c, 2024, q) for c, q in (("CHN", 60.0), ("JPN", 10.0), ("KOR", 30.0))]
    g = _dated(rows, memberships=pd.DataFrame(club))
    for options in ({}, {"at": "2024-12-31"}):
        assert sr.score(g, focal="CLUB", by="product", **options)["focal_share"].tolist() == pytest.approx([0.1])


def test_the_union_as_a_focal_is_its_members(atlas) -> None:
    one, all_ = (
        sr.score(atlas, focal=f, by="product", metrics=["focal_share"]).droplevel("focal") for f in ("EUE", "EU27")
    )
    pd.testing.assert_frame_equal(one, all_)
    assert (one["focal_share"] > 0).any()

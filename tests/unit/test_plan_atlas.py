"""Plans on the embedded atlas: gallium, and Indonesian nickel seen naively and through its owners."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from supplyrisk.atlas import load_atlas
from supplyrisk.errors import InfeasibleError
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import max_share, optimize, resource


@pytest.fixture(scope="module")
def atlas() -> SupplyGraph:
    return load_atlas()


def test_gallium_for_the_default_buyers(atlas: SupplyGraph) -> None:
    plan = optimize(atlas, product="gallium.refined", constraints=max_share("CHN", 0.8, view="control"))
    group = plan.shares[plan.shares["buyer"] == "group"].set_index("view")
    assert group["before_made"]["location"] > 0.7
    assert group["after"]["control"] <= 0.8 + 1e-6
    assert np.allclose(group["after"], group["model"], atol=1e-9)
    # By location a delivery counts where its sender stands, as in the score: re-exports hide who made them.
    assert group["after"]["location"] < group["after"]["control"]
    by_place = optimize(atlas, product="gallium.refined", constraints=max_share("CHN", 0.8))
    assert any("re-exporter that is kept counts as the supplier" in n for n in by_place.notes)
    assert by_place.objective_value < plan.objective_value
    assert len(by_place.re_exports)
    assert len(plan.plants) + (plan.decisions["lever"] == "re-source").sum() > 0
    assert any("one point less CHN share" in s for s in plan.duals["meaning"])
    assert plan.graph.validate().empty


def test_impossible_gallium_cap_names_supply_rows(atlas: SupplyGraph) -> None:
    with pytest.raises(InfeasibleError) as caught:
        optimize(atlas, product="gallium.refined", levers=resource(), constraints=max_share("CHN", 0.1))
    text = str(caught.value)
    for words in ("max_share('CHN', 0.1)", "gallium.refined@JPN can deliver at most", "would have to allow at least"):
        assert words in text


def test_nickel_naive_against_look_through(atlas: SupplyGraph) -> None:
    """Without Chinese soil, the naive plan may still stand on Chinese-held plants; the other must pay to avoid them."""
    lever = resource(redirect=0.5)
    naive = optimize(
        atlas, "MSP", product="nickel.refined", levers=lever, constraints=max_share("CHN", 0.0, view="location")
    )
    held = float(naive.share("control", product="nickel.refined")["after"])
    assert held > 0.01
    through = optimize(
        atlas,
        "MSP",
        product="nickel.refined",
        levers=lever,
        constraints=[max_share("CHN", 0.0, view="location"), max_share("CHN", 0.5 * held, view="control")],
    )
    assert through.share("control", product="nickel.refined")["after"] <= 0.5 * held + 1e-6
    assert through.objective_value >= naive.objective_value - 1e-6 * abs(naive.objective_value)
    indonesia = [float(p.decisions.loc[p.decisions["country"] == "IDN", "quantity"].sum()) for p in (naive, through)]
    assert indonesia[1] < indonesia[0]


@pytest.mark.parametrize("view", ["location", "control"])
def test_the_score_of_the_plan_graph_is_the_reported_share(atlas: SupplyGraph, view: str) -> None:
    from supplyrisk.metrics import score

    plan = optimize(atlas, product="gallium.refined", constraints=max_share("CHN", 0.8, view="control"))
    table = score(plan.graph, focal="CHN", view=view, by=["product", "buyer"]).reset_index()
    table = table[table["product"] == "gallium.refined"].set_index("buyer")["focal_share"]
    mine = plan.shares[plan.shares["view"] == view].set_index("buyer")["after"].drop("group").dropna()
    assert len(mine) > 1
    assert np.allclose(table[mine.index], mine, atol=1e-9)


@pytest.mark.parametrize("product", ["bismuth.refined", "graphite_natural.mine"])
def test_a_plan_that_changes_nothing_leaves_every_link_and_score(atlas: SupplyGraph, product: str) -> None:
    from supplyrisk.metrics import score

    plan = optimize(atlas, "MSP", product=product, constraints=max_share("CHN", 1.0, view="control"))
    key = ["supplier", "buyer", "product", "year"]
    before, after = (
        x[x["product"] == product].sort_values(key).reset_index(drop=True)
        for x in (atlas.tables["links"], plan.graph.tables["links"])
    )
    assert before[[*key, "quantity", "low", "high", "method", "grade", "source"]].equals(
        after[[*key, "quantity", "low", "high", "method", "grade", "source"]]
    )
    for view in ("location", "equity", "control", "origin"):
        was, now = (score(g, focal="CHN", view=view, by=["product", "buyer"]) for g in (atlas, plan.graph))
        rows = was.index.get_level_values("product") == product
        columns = ["focal_share", "focal_share_low", "focal_share_high"]
        columns = [c for c in columns if c in was]
        pd.testing.assert_frame_equal(was.loc[rows, columns], now.loc[rows, columns], check_exact=True)
    assert np.allclose(plan.shares["before"], plan.shares["after"], equal_nan=True, atol=1e-12)


def test_the_cost_of_a_cap_compares_the_same_need(atlas: SupplyGraph) -> None:
    """Japan's use on record is above its deliveries: the difference is not a cost of the cap."""
    plan = optimize(atlas, "JPN", product="gallium.refined", constraints=max_share("CHN", 0.8, view="control"))
    assert plan.unconstrained.needs["need"].equals(plan.needs["need"])
    assert plan.cost_increase == pytest.approx(plan.objective_value - plan.unconstrained.objective_value)
    assert 0.0 < plan.cost_increase < float(plan.costs["plan"].sum() - plan.costs["today"].sum())
    assert "more than the least cost of the same need" in plan.summary()


def test_the_programme_can_be_rebuilt_from_the_printed_tables(atlas: SupplyGraph) -> None:
    import highspy

    plan = optimize(
        atlas, product="gallium.refined", levers=resource(), constraints=max_share("CHN", 0.93, view="control")
    )
    offers, needs, have = plan.offers, plan.needs, plan.availability
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    for r in offers.itertuples():
        h.addCol(r.yearly_cost, 0.0, r.upper, 0, [], [])

    def row(low: float, high: float, at: np.ndarray, value: np.ndarray) -> None:
        h.addRow(low, high, len(at), at.astype(np.int32), value.astype(float))

    for r in needs.itertuples():
        at = np.flatnonzero(offers["buyer"] == r.buyer)
        row(r.need, r.need, at, np.ones(len(at)))
    for r in have.itertuples():
        at = np.flatnonzero(offers["supplier"] == r.supplier)
        row(-np.inf, r.available, at, np.ones(len(at)))
    for r in needs[needs["beyond_today"] > 0].itertuples():
        at = np.flatnonzero((offers["buyer"] == r.buyer) & (offers["lever"] == "grow"))
        row(-np.inf, r.beyond_today, at, np.ones(len(at)))
    share = offers["share CHN (control)"].to_numpy()
    row(-np.inf, 0.93 * needs["need"].sum(), np.flatnonzero(share), share[share != 0])
    h.run()
    assert h.getInfo().objective_function_value == pytest.approx(plan.objective_value, rel=1e-7)

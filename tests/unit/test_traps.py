"""The eighteen known traps of the methods reference, one test each, by number."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import InfeasibleError, SchemaError
from supplyrisk.metrics.balancing import ras
from supplyrisk.metrics.dependency import dependency_screen
from supplyrisk.metrics.governance import governance_weight, hhi_governance
from supplyrisk.metrics.trade import (
    EU27,
    eu_group_supply_risk,
    eu_import_reliance,
    eu_material_supply_risk,
    eu_supply_risk,
    geopolrisk,
    trade_parameter,
    trade_parameters,
)
from supplyrisk.shocks.systemic import esri

WGI = {"COD": -1.7, "CHN": -0.3, "FIN": 1.8}


def test_trap_01_governance_is_inverted() -> None:
    for variant in ("g10", "g01"):
        g = governance_weight(WGI, variant)
        assert g["COD"] > g["CHN"] > g["FIN"]
    assert governance_weight(90.0, "g_pr") < governance_weight(10.0, "g_pr")


def test_trap_02_percent_and_fraction_give_one_scale() -> None:
    g = governance_weight(WGI)
    s = {"COD": 0.7, "CHN": 0.2, "FIN": 0.1}
    percent = {k: 100 * v for k, v in s.items()}
    one = hhi_governance(s, g, kind="fraction")
    assert hhi_governance(percent, g, kind="percent") == pytest.approx(one)
    assert hhi_governance(percent, g) == pytest.approx(one)
    with pytest.raises(SchemaError, match="kind='percent'"):
        hhi_governance(percent, g, kind="fraction")
    with pytest.raises(SchemaError, match="1e4"):
        eu_supply_risk(one * 1e4, one, import_reliance=0.5, eol_rir=0, si_sr=1)


def small_graph(nodes: list[dict], links: list[tuple[str, str, float]]) -> sr.SupplyGraph:
    """Nodes (node, kind, output) and flows of one year, graded A."""
    ids = [(n["node"], *n["node"].split("@")) for n in nodes]
    stage = {"cobalt.mine": "mine", "cobalt.refined": "refine"}
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame(
            [
                {
                    "product": p,
                    "name": p,
                    "commodity": "cobalt",
                    "chain": "cobalt",
                    "stage": stage[p],
                    "unit": "t",
                    "basis": "contained",
                    "period": "year",
                }
                for p in sorted({p for _, p, _ in ids})
            ]
        ),
        nodes=pd.DataFrame(
            [
                {
                    "kind": "producer",
                    **n,
                    "product": p,
                    "country": place.split(":")[0],
                    "year": 2024,
                    "output_source": "s" if "output" in n else None,
                    "output_grade": "A" if "output" in n else None,
                }
                for n, (_, p, place) in zip(nodes, ids, strict=True)
            ]
        ),
        links=pd.DataFrame(
            [
                {
                    "supplier": a,
                    "buyer": b,
                    "product": a.split("@")[0],
                    "year": 2024,
                    "method": "observed",
                    "quantity": q,
                    "source": "s",
                    "grade": "A",
                }
                for a, b, q in links
            ]
        )
        if links
        else None,
        sources=pd.DataFrame([{"source": "s", "title": "made up", "licence": "CC0", "licence_class": "cc0"}]),
    )


def test_trap_03_inactive_suppliers_do_not_dilute_the_normalised_index() -> None:
    active = [620.0, 180.0, 120.0, 80.0]
    h = sr.metrics.hhi_normalized(active)
    assert sr.metrics.hhi_normalized([*active, 0.0, 0.0]) == pytest.approx(h)
    assert sr.metrics.theil([*active, 0.0]) == pytest.approx(sr.metrics.theil(active))
    assert sr.metrics.evenness([*active, 0.0]) == pytest.approx(sr.metrics.evenness(active))
    assert sr.metrics.hhi_normalized(active, count=6) != pytest.approx(h)  # a fixed universe only on request


def test_trap_04_import_reliance_stays_in_0_1() -> None:
    for m, x, p in ((0, 60, 30), (10, 90, 100), (500, 0, 0), (5, 5, 0), (100, 20, 1)):
        ir = eu_import_reliance(m, x, p)
        assert 0.0 <= ir <= 1.0
    assert eu_import_reliance(0, 60, 30) == 0.0  # (-60) / (-30) would be 2
    same = [eu_supply_risk(3.0, 1.0, import_reliance=v, eol_rir=0, si_sr=1) for v in (1.0, 2.0)]
    assert same[0] == same[1]


def test_trap_05_agreement_partners_do_not_get_point_eight() -> None:
    assert trade_parameter(fta=True) == 1.0
    assert trade_parameter(fta=True, tax=0.1) > 1.0
    acts = pd.DataFrame(columns=["measure", "actor", "target", "product", "kind", "effective"])
    t = trade_parameters([*EU27, "NOR", "CHE", "CAN", "CHL", "JPN", "GBR"], acts, "2024-01-01")["value"]
    assert (t[list(EU27)] == 0.8).all()
    assert (t[["NOR", "CHE", "CAN", "CHL", "JPN", "GBR"]] == 1.0).all()


def test_trap_06_residual_is_not_squared() -> None:
    g = {"A": 5.0}
    r = hhi_governance({"A": 60.0, "ROW": 40.0}, g)
    assert float(r) == pytest.approx(0.36 * 5)
    assert r.high > r.low
    score = geopolrisk({"A": 60.0, "ROW": 40.0}, {"A": 1.0}, {"A": 0.5}, production=0)
    assert (float(score), score.high) == (pytest.approx(0.36 * 0.5), pytest.approx((0.36 + 0.16) * 0.5))
    flows = pd.DataFrame({"product": "x", "exporter": ["A", "ROW"], "importer": "B", "value": [40.0, 60.0]})
    profile = sr.metrics.trade_profile(flows, ["B"], ["A"]).loc["x"]
    assert profile["hhi_origins"] == pytest.approx(0.16)
    assert profile["top_origin"] == "A"


def test_trap_07_missing_governance_is_never_zero() -> None:
    supply = {"CHN": 50.0, "TWN": 50.0}
    with pytest.raises(SchemaError, match="TWN"):
        hhi_governance(supply, governance_weight(WGI))
    with pytest.raises(SchemaError, match="TWN"):
        governance_weight({**WGI, "TWN": math.nan})
    for policy in ("neutral", "mean"):
        assert governance_weight(WGI, countries=supply, missing=policy)["TWN"] > 0
    with pytest.raises(SchemaError, match="TWN"):
        geopolrisk({"CHN": 1}, {"TWN": 1}, {"CHN": 0.6}, production=0)


def test_trap_08_material_is_the_maximum_over_stages() -> None:
    assert eu_material_supply_risk({"E": 0.5, "P": 4.1}) == 4.1


def test_trap_09_rounding_comes_last() -> None:
    sr = eu_supply_risk(2.529808, 2.1134, import_reliance=0.75, eol_rir=0.12, si_sr=0.94)
    assert sr != round(sr, 1)
    members = {"a": 1.44, "b": 1.44, "c": 1.48}
    assert round(eu_group_supply_risk(members), 1) == 1.5
    assert round(eu_group_supply_risk({k: round(v, 1) for k, v in members.items()}), 1) == 1.4


def test_trap_10_the_mine_does_not_answer_for_the_refinery() -> None:
    g = small_graph(
        [
            {"node": "cobalt.mine@COD", "output": 90.0},
            {"node": "cobalt.mine@CHN", "output": 10.0},
            {"node": "cobalt.refined@CHN", "output": 80.0},
            {"node": "cobalt.refined@FIN", "output": 20.0},
        ],
        [],
    )
    share = sr.score(g, by="product")["focal_share"].droplevel(["focal", "view"])
    assert share.to_dict() == pytest.approx({"cobalt.mine": 0.10, "cobalt.refined": 0.80})
    whole = sr.score(g, by="commodity")["focal_share"].droplevel(["focal", "view"])
    assert whole["cobalt"] == pytest.approx(0.80)  # the worst stage, neither the mine nor a mean


def test_trap_11_a_hub_that_makes_nothing_is_no_producer() -> None:
    g = small_graph(
        [
            {"node": "cobalt.refined@CHN", "output": 80.0},
            {"node": "cobalt.refined@AUS", "output": 70.0},
            {"node": "cobalt.refined@SGP:demand", "kind": "demand"},
            {"node": "cobalt.refined@JPN:demand", "kind": "demand"},
        ],
        [
            ("cobalt.refined@CHN", "cobalt.refined@SGP:demand", 80.0),
            ("cobalt.refined@AUS", "cobalt.refined@SGP:demand", 20.0),
            ("cobalt.refined@SGP:demand", "cobalt.refined@JPN:demand", 50.0),
            ("cobalt.refined@AUS", "cobalt.refined@JPN:demand", 50.0),
        ],
    )
    world = sr.score(g, by="product").iloc[0]
    assert world["n_suppliers"] == 2
    assert world["focal_share"] == pytest.approx(80 / 150)
    origin = sr.score(g, by=["product", "buyer"], view="origin")["focal_share"]
    assert origin.xs("JPN", level="buyer").iloc[0] == pytest.approx(0.4)
    assert sr.exposure.origin(g).loc["cobalt.refined@JPN:demand"].to_dict() == pytest.approx(
        {"AUS": 0.6, "CHN": 0.4, "UNK": 0}
    )


def test_trap_12_tonnes_and_values_are_not_exchanged() -> None:
    world, g = {"A": 1.0, "B": 1.0}, {"A": 0.9, "B": 0.1}
    tonnes, value = {"A": 90.0, "B": 10.0}, {"A": 10.0, "B": 90.0}
    right = geopolrisk(world, tonnes, g, production=0, values=value)
    assert right.parts["import_risk"] == pytest.approx(0.82)  # by quantity; by value it would be 0.18
    assert right.parts["price"] == pytest.approx(1.0)


def test_trap_13_esri_is_not_run_to_zero() -> None:
    ring = np.array([[0, 1.0, 0.0], [0, 0, 1.0], [1.0, 0, 0]])
    with pytest.raises(SchemaError, match="epsilon"):
        esri(ring, list("abc"), {("a", "b"): 0, ("b", "c"): 0, ("c", "a"): 0}, epsilon=0.0)
    r = esri(ring, list("abc"), {("a", "b"): 0, ("b", "c"): 0, ("c", "a"): 0})
    assert r.epsilon == 0.01
    assert r.warning


def test_trap_14_lookthrough_leaves_the_identity_out() -> None:
    a = np.array([[0.40, 0.02, 0.03], [0.05, 0.45, 0.08], [0.08, 0.06, 0.35]])
    full = np.linalg.inv(np.eye(3) - a)
    got = sr.exposure.io_lookthrough(a, region=["HOME", "CHN", "ROW"], focal="CHN")["lookthrough"].astype(float).iloc[0]
    assert got == pytest.approx(0.169744, abs=5e-7)
    assert got > full[1, 0] / full[:, 0].sum() + 0.05  # with the buyer's own unit in the denominator it would hide


def test_trap_15_the_holder_owns_the_asset_and_not_the_reverse() -> None:
    holder, asset, share = ["P", "Q", "F2", "F1", "Q", "P"], ["F1", "F1", "F1", "F2", "F2", "F2"], [6, 3, 1, 5, 4, 1]
    y = sr.control.equity(holder, asset, [s / 10 for s in share])
    assert y.loc[["P", "Q"], ["F1", "F2"]].to_numpy().ravel() == pytest.approx(
        [0.642105, 0.421053, 0.357895, 0.578947], abs=5e-7
    )
    assert y.sum(axis=0).to_numpy() == pytest.approx(1.0)  # each asset is owned whole; each owner need not be
    assert sr.control.majority(["A", "B"], ["B", "C"], [0.6, 0.6]).to_dict() == {"B": "A", "C": "A"}


def test_trap_16_infeasible_margins_are_named_not_iterated() -> None:
    with pytest.raises(InfeasibleError) as e:
        ras([[1.0, 0.0], [1.0, 1.0]], [5.0, 1.0], [3.0, 3.0])
    assert e.value.conflict == ("row 0", "column 0")


def test_trap_17_thresholds_are_strict() -> None:
    row = {"hhi_origins": 0.4, "outside_imports": 1.0, "inside_imports": 1.0, "exports": 1.0}
    assert not bool(dependency_screen(row, "EC2021")["dependent"].iloc[0])
    assert not bool(dependency_screen({"top_imports": 65.0, "consumption": 100.0}, "EU65")["dependent"].iloc[0])


def test_trap_18_one_year_is_not_enough_for_persistence() -> None:
    year = {"product": ["x"], "year": [2023], "hhi_origins": [0.9]}
    one = pd.DataFrame({**year, "outside_imports": [9.0], "inside_imports": [1.0], "exports": [1.0]})
    assert bool(dependency_screen(one, "EC2021")["dependent"].iloc[0])
    assert dependency_screen(one, "CEPII")["dependent"].iloc[0] is pd.NA


def test_each_of_the_eighteen_traps_has_its_test() -> None:
    names = sorted(name for name in globals() if name.startswith("test_trap_"))
    assert [int(name.split("_")[2]) for name in names] == list(range(1, 19))

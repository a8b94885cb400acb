"""Worked examples of the methods reference, to the digits printed there.

The inputs are invented; each example fixes one formula. The comment before a group names the publication.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from supplyrisk.metrics.balancing import ras
from supplyrisk.metrics.dependency import (
    asymmetry,
    dependency_screen,
    indispensability,
    net_import_reliance,
    resourcing_ratio,
    trade_profile,
    vulnerability_profile,
)
from supplyrisk.metrics.governance import governance_weight, hhi_governance
from supplyrisk.metrics.market import (
    doe_type,
    expected_loss,
    nassar_type,
    price_response,
    yale_concentration,
    yale_magnitude,
)
from supplyrisk.metrics.trade import (
    eu_economic_importance,
    eu_import_reliance,
    eu_supply_risk,
    geopolrisk,
    substitution_index,
    trade_parameter,
)
from supplyrisk.shocks.systemic import esri, inoperability, inoperability_path, recovery_rate

Q = {"CHN": 620.0, "CHL": 180.0, "AUS": 120.0, "ARG": 80.0}
WGI = {"CHN": -0.30, "CHL": 1.00, "AUS": 1.50, "ARG": -0.05}
T = {"CHN": 1.1, "CHL": 1.0, "AUS": 1.0, "ARG": 1.1}


def six(value: float) -> object:
    """As printed to six decimals."""
    return pytest.approx(value, abs=5.0000001e-7)


# European Commission (2017), methodology for the list of critical raw materials.
def test_governance_weights() -> None:
    assert governance_weight(WGI).to_dict() == {k: six(v) for k, v in zip(WGI, (5.6, 3.0, 2.0, 5.1), strict=True)}


def test_weighted_concentration() -> None:
    g = governance_weight(WGI)
    assert hhi_governance(Q, g) == six(2.311280)
    assert hhi_governance(Q, g, T) == six(2.529808)
    s = pd.Series(Q) / 1000
    assert hhi_governance(s, g, T, kind="fraction") == six(2.529808)
    assert hhi_governance(s * 100, g, T, kind="percent") == six(2.529808)


def test_eu_supply_risk() -> None:
    hhi_gs = hhi_governance(Q, governance_weight(WGI), T)
    g = governance_weight([-0.30, 1.20, 1.00])
    hhi_eu = hhi_governance([0.55, 0.25, 0.20], g, [1.1, 0.8, 1.0], kind="fraction")
    assert hhi_eu == six(2.113400)
    ir = eu_import_reliance(90, 15, 25)
    assert ir == six(0.750000)
    sr = eu_supply_risk(hhi_gs, hhi_eu, import_reliance=ir, eol_rir=0.12, si_sr=0.94)
    assert sr == six(1.877374)
    assert round(sr, 1) == 1.9
    assert sr.parts["gs_only"] == six(2.092657)
    assert sr.parts["eu_only"] == six(1.748204)
    assert eu_supply_risk(hhi_gs, scope="GS only", eol_rir=0.12, si_sr=0.94) == six(2.092657)
    assert eu_supply_risk(hhi_eu=hhi_eu, scope="EU only", eol_rir=0.12, si_sr=0.94) == six(1.748204)


def test_substitution_and_importance() -> None:
    subs = pd.DataFrame({"application": ["a"], "sub": [0.6], "SP": [0.8], "SCr": [1.0], "SCo": [0.8], "SCP": [0.8]})
    assert substitution_index({"a": 0.25}, subs) == six(0.979266)
    assert substitution_index({"a": 0.25}, subs, "EI") == six(0.970000)
    ei = eu_economic_importance([0.5, 0.3, 0.2], [150_000, 90_000, 60_000], 0.93, maximum=200_000)
    assert ei.parts["sum_AQ"] == six(114000.0)
    assert ei == six(5.301000)


def test_trade_parameter_of_the_2017_quota() -> None:
    assert trade_parameter(quota=30, production=100) == six(1.7)


# Gemechu et al. (2015); geopolrisk-py.
def test_geopolrisk() -> None:
    g = governance_weight([-0.5, 0.9], "g01")
    assert list(g) == [six(0.600000), six(0.320000)]
    r = geopolrisk([500, 200, 100], [30, 10], g, production=20, values=[270, 110])
    assert r.parts["hhi"] == six(0.468750)
    assert r.parts["import_risk"] == six(0.353333)
    assert r == six(0.165625)
    assert r.parts["price"] == six(9.500000)
    assert r.parts["midpoint"] == six(1.573438)
    assert r.parts["gsp_constant"] == six(3.843155)


# USGS, Mineral Commodity Summaries; Nassar et al. (2020); USGS OFR 2025-1047.
def test_united_states_methods() -> None:
    nir = net_import_reliance(120, 300, 40, -10)
    assert nir.parts["apparent_consumption"] == 390.0
    assert nir == six(69.230769)
    assert nassar_type(0.55, 0.80, 0.30) == six(0.509164)
    r = price_response([30, 70], demand_elasticity=-0.15, supply_elasticity=0.20, remaining={0: 0})
    assert (r.price_ratio, r.quantity_ratio, r.shortfall) == (six(2.770620), six(0.858249), six(0.141751))
    assert r.price_ratio == pytest.approx(0.7 ** (1 / (-0.15 - 0.20)), rel=1e-12)
    r = price_response(
        [30, 60, 10], demand_elasticity=-0.15, supply_elasticity=0.20, remaining={0: 0}, capacity=[math.inf, 63, 11]
    )
    assert (r.price_ratio, r.quantity) == (six(7.443694), six(74.0))
    assert expected_loss([0.05, 0.02, 0.10], [800, 3000, -50]) == six(95.0)


# Graedel et al. (2012, 2015); US Department of Energy.
def test_two_axis_methods() -> None:
    assert yale_concentration(0.437600) == six(85.538081)
    assert yale_concentration(1.0).parts["raw"] == pytest.approx(100.0010, abs=5e-5)
    assert yale_magnitude(60, 45, 30) == six(46.636895)
    assert doe_type(3, 2, 4, 2, 4) == six(3.20)


# European Commission (2021), SWD(2021) 352; Henry Jackson Society (2020); Piccardi & Tajoli (2018).
def test_strategic_dependency() -> None:
    flows = pd.DataFrame(
        {
            "product": "x",
            "exporter": ["A", "B", "C", "EU1", "EU2"],
            "importer": ["EU1", "EU1", "EU2", "EU2", "A"],
            "value": [640.0, 200.0, 160.0, 400.0, 700.0],
        }
    )
    out = dependency_screen(trade_profile(flows, ["EU1", "EU2"], ["A"]), "EC2021").iloc[0]
    assert [out["cdf1"], out["cdf2"], out["cdf3"]] == [six(0.475200), six(0.714286), six(1.428571)]
    assert bool(out["dependent"])
    row = {"outside_imports": 900, "exports": 0, "focal_imports": 520, "world_exports": 9400, "focal_exports": 3100}
    hjs = dependency_screen(row, "HJS2020").iloc[0]
    assert [hjs["focal_import_share"], hjs["focal_world_share"]] == [six(0.577778), six(0.329787)]
    assert bool(hjs["dependent"])
    assert resourcing_ratio(520, 900, 9400, 3100) == six(0.087838)
    profile = vulnerability_profile([[0, 50, 40], [6, 0, 4], [5, 5, 0]])
    assert list(profile) == [six(v) for v in (1.0, 0.081818, 0.0, 0.0)]


# Diem et al. (2022), Scientific Reports 12:7719.
def test_esri() -> None:
    w = np.zeros((4, 4))
    w[0, 2], w[1, 2], w[2, 3] = 4, 2, 6
    sectors, classes = ["a", "a", "b", "c"], {("a", "b"): 2, ("b", "c"): 1}
    r = esri(w, sectors, classes, keep=True)
    assert list(r.scores) == [six(v) for v in (0.666667, 0.25, 1.0, 1.0)]
    assert list(r.downstream) == [six(v) for v in (0.666667, 0.25, 0.5, 0.0)]
    assert list(r.upstream) == [six(v) for v in (0.333333, 0.166667, 1.0, 1.0)]
    assert list(r.remaining_downstream[0]) == [six(v) for v in (0.0, 1.0, 0.333333, 0.333333)]
    off = esri(w, sectors, classes, replaceability=False)
    assert list(off.scores) == [six(v) for v in (0.666667, 0.333333, 1.0, 1.0)]


# Haimes & Jiang (2001); Lian & Haimes (2006).
def test_inoperability() -> None:
    a, c = [[0.10, 0.30], [0.20, 0.05]], [0.08, 0.0]
    assert list(inoperability(a, c)) == [six(0.095597), six(0.020126)]
    path = inoperability_path(a, c, [0.5, 0.25], 0.0, 5)
    assert list(path.loc[1]) == [six(0.04), six(0.0)]
    assert list(path.loc[5]) == [six(0.085975), six(0.009606)]
    assert recovery_rate(0.08, 0.001, 30, own=0.10) == six(0.162297)


# Stone (1961), Bacharach (1970).
def test_ras() -> None:
    x = ras([[5, 3, 2], [1, 6, 2], [2, 2, 4]], [12, 10, 9], [10, 11, 10])
    printed = [6.369686, 3.032696, 2.597618, 1.282021, 6.103879, 2.614101, 2.348293, 1.863425, 4.788281]
    assert list(x.ravel()) == [six(v) for v in printed]


# Hirschman (1945); definitions of this library.
def test_asymmetry_and_indispensability() -> None:
    a = asymmetry(40, 200, 40, 900)
    assert (a.parts["d_ij"], a.parts["d_ji"], float(a)) == (six(0.2), six(0.044444), six(0.155556))
    assert indispensability(0.45, 0.70) == six(0.315)

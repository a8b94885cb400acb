"""Worked figures printed in textbooks, guidelines and statistics, to the rounding of the print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr


def test_hhi_of_the_department_of_justice() -> None:
    # US DOJ, "Herfindahl-Hirschman Index": shares of 30, 30, 20 and 20 per cent give 2,600; one firm gives 10,000.
    assert sr.metrics.hhi([30, 30, 20, 20], scale=10_000) == pytest.approx(2600)
    assert sr.metrics.hhi([7.0], scale=10_000) == pytest.approx(10_000)
    # US DOJ and FTC (2010), Horizontal Merger Guidelines 5.3: firms of 5 and 10 per cent merge: the HHI rises by 100.
    assert sr.metrics.delta_hhi(0.05, 0.10, scale=10_000) == pytest.approx(100)
    rest = [20.0, 20.0, 15.0, 30.0]
    apart, joined = (sr.metrics.hhi([*rest, *x], scale=10_000) for x in ((5.0, 10.0), (15.0,)))
    assert joined - apart == pytest.approx(100)
    # Investopedia's market of eight.
    assert sr.metrics.hhi([10, 9, 12, 15, 12, 11, 15, 16], scale=10_000) == pytest.approx(1296)


def test_hill_numbers_of_an_even_and_of_a_skewed_market() -> None:
    # Hill (1973): n equal kinds count as n at every order.
    for n in (2, 5, 17):
        effective = [sr.metrics.effective_suppliers(np.full(n, 3.0), order=o) for o in (1, 2, np.inf)]
        assert effective == pytest.approx([n] * 3)


def test_leontief_inverse_of_miller_and_blair() -> None:
    # Miller & Blair (2009), Input-Output Analysis, 2.3: Z, x, A = [.15 .25; .20 .05], L = [1.254 .330; .264 1.122].
    z, x = [[150.0, 500.0], [200.0, 100.0]], [1000.0, 2000.0]
    inverse = np.array([[1.254, 0.330], [0.264, 1.122]])
    face = sr.exposure.face_value(z, x, region=["1", "2"]).to_numpy()
    np.testing.assert_allclose(face, [[0.15 / 0.35, 0.20 / 0.35], [0.25 / 0.30, 0.05 / 0.30]], atol=1e-12)
    r = sr.exposure.io_lookthrough(z, x, region=["1", "2"])
    visits = r.pivot_table(index="focal", columns="region", values="visits").to_numpy(dtype=float)
    np.testing.assert_allclose(visits, inverse - np.eye(2), atol=5e-4)
    q = sr.shocks.inoperability(pd.DataFrame([[0.15, 0.25], [0.20, 0.05]]), [0.10, 0.0])
    np.testing.assert_allclose(q, 0.10 * inverse[:, 0], atol=5e-5)


def test_two_regions_of_miller_and_blair() -> None:
    # Miller & Blair (2009), 3.3.2: two regions of three and two sectors; the Leontief inverse to 4 digits.
    z = [[150, 500, 50, 25, 75], [200, 100, 400, 200, 100], [300, 500, 50, 60, 40], [75, 100, 60, 200, 250]]
    table = np.array([*z, [50, 25, 25, 150, 100]], dtype=float)
    x = np.array([1000.0, 2000.0, 1000.0, 1200.0, 800.0])
    inverse = np.array(
        [
            [1.4234, 0.4652, 0.2909, 0.1917, 0.3041],
            [0.6346, 1.4237, 0.6707, 0.4092, 0.4558],
            [0.6383, 0.5369, 1.3363, 0.2501, 0.3108],
            [0.2672, 0.2000, 0.1973, 1.3406, 0.5473],
            [0.1468, 0.0908, 0.0926, 0.2155, 1.2538],
        ]
    )
    r = sr.exposure.io_lookthrough(table, x, region=list("rrrss"))
    visits = r.pivot_table(index="focal", columns="sector", values="visits").loc[["r", "s"]].to_numpy(dtype=float)
    more = inverse - np.eye(5)
    np.testing.assert_allclose(visits, [more[:3].sum(axis=0), more[3:].sum(axis=0)], atol=2e-4)


def test_mergers_in_markets_of_eight() -> None:
    # Lecture notes on the guidelines of 1992: the two smallest, or the two largest, of nine firms merge.
    assert sr.metrics.hhi([25, 20, 15, 10, 9, 8, 7, 6], scale=10_000) == pytest.approx(1580)
    assert sr.metrics.hhi([45, 15, 10, 8, 7, 6, 5, 4], scale=10_000) == pytest.approx(2540)
    # Three of several firms listed: what is not listed is no one firm.
    assert sr.metrics.hhi([70, 15, 5], total=100, scale=10_000) == pytest.approx(5150)
    assert sr.metrics.hhi([70, 20], total=100, scale=10_000) == pytest.approx(5300)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("commodity", "kind", "country", "stated"),
    [
        ("Cobalt", "Mine production", "Congo (Kinshasa)", 0.76),
        ("Gallium", "Primary production", "China", 0.98),
        ("Graphite", "Mine production", "China", 0.79),
        ("Antimony", "Mine production", "China", 0.60),
        ("Niobium", "Mine production", "Brazil", 0.91),
        ("Rare earths", "Mine production", "China", 0.69),
        ("Tungsten", "Mine production", "China", 0.83),
        ("Nickel", "Mine production", "Indonesia", 0.59),
    ],
)
def test_well_known_shares_of_2024(published: Path, commodity: str, kind: str, country: str, stated: float) -> None:
    # USGS (2025). Shares commonly quoted are over the rounded world total; ours are over what the rows add up to.
    table = pd.read_csv(published / "usgs_mcs" / "MCS2025_World_Data.csv", encoding="utf-8-sig")
    rows = table[
        table["COMMODITY"].str.contains(commodity, na=False)
        & table["TYPE"].str.startswith(kind)
        & ~table["COUNTRY"].str.contains("World", na=False)
    ]
    made = rows.assign(country=rows["COUNTRY"].str.strip()).groupby("country")["PROD_EST_ 2024"].sum()
    made = made[made > 0]
    other = made.index[made.index.str.startswith("Other")]
    named = made.drop(other)
    share = sr.metrics.share(named, total=float(made.sum()))
    assert share.idxmax() == country
    assert share[country] == pytest.approx(stated, abs=0.025)
    assert sr.metrics.concentration_ratio(named, 1, total=float(made.sum())) == pytest.approx(share[country])


# Inoperability as printed by the authors of the model.
@pytest.mark.parametrize(
    ("a_star", "c_star", "printed", "places"),
    [
        # Haimes & Jiang (2001), Leontief-based model of risk in complex interconnected infrastructures.
        ([[0.0, 0.8], [0.2, 0.0]], [0.0, 0.6], [0.571, 0.714], 3),
        (
            [[0.0, 0.9, 0.0, 0.0], [0.4, 0.0, 0.0, 0.0], [1.0, 0.8, 0.0, 0.0], [1.0, 0.9, 0.0, 0.0]],
            [0.0, 0.5, 0.0, 0.0],
            [0.70, 0.78, 1.0, 1.0],  # the linear model puts the last two above 1
            2,
        ),
        ([[0.0, 0.0, 0.3], [0.4, 0.0, 0.0], [0.2, 0.6, 0.0]], [0.0, 0.0, 0.12], [0.04, 0.02, 0.14], 2),
        # Lian & Haimes (2006), Managing the risk of terrorism to interdependent infrastructure systems.
        ([[0.15, 0.50], [0.10, 0.05]], [0.0, 0.1], [0.066, 0.112], 3),
    ],
)
def test_inoperability_of_the_authors(a_star: list, c_star: list, printed: list, places: int) -> None:
    q = sr.shocks.inoperability(a_star, c_star)
    np.testing.assert_allclose(q, printed, rtol=0, atol=0.5000001 * 10**-places)
    assert (q == 1.0).tolist() == [v == 1.0 for v in printed]


def test_dynamic_inoperability_of_lian_and_haimes() -> None:
    # The example above, lost for 30 steps, K = 0.2; the integral over 0 to 99 as in the test case 12 of stigrs/diim (MIT).
    a, k = [[0.15, 0.50], [0.10, 0.05]], 0.2
    lost = pd.DataFrame(np.zeros((99, 2)))
    lost.iloc[:30, 1] = 0.1
    path = sr.shocks.inoperability_path(a, lost, k, 0.0, 99).to_numpy()
    whole = (path[1:] + path[:-1]).sum(axis=0) / 2
    np.testing.assert_allclose(whole, [1.980144350, 3.366317449], rtol=0, atol=1e-6)
    held = sr.shocks.inoperability_path(a, [0.0, 0.1], k, 0.0, 200)
    np.testing.assert_allclose(held.iloc[-1], sr.shocks.inoperability(a, [0.0, 0.1]), atol=1e-9)


def test_supply_side_interdependency_of_xu() -> None:
    # Xu, Hong, He, Wang & Chen (2011), equations 31 and 34; printed to two decimals (0.087 as 0.10).
    z = np.array([[175, 280, 280, 140], [140, 315, 350, 280], [245, 140, 280, 140], [175, 280, 105, 280]], dtype=float)
    x = np.array([1225.0, 1610.0, 1085.0, 1015.0])
    printed = [[0.14, 0.11, 0.20, 0.14], [0.17, 0.20, 0.10, 0.17], [0.26, 0.32, 0.26, 0.10], [0.14, 0.28, 0.14, 0.28]]
    got = sr.shocks.interdependency(z / x, x, "supply")
    np.testing.assert_allclose(got, printed, rtol=0, atol=0.015)


@pytest.mark.realdata
def test_leverage_runs_both_ways_along_the_chip_chain(published: Path) -> None:
    # ETO Chip Explorer (2026): all EUV lithography is Dutch; dry etch tools of Chinese firms about 12 %, near nothing in 2019.
    reading = sr.sources.eto_chipexplorer(published / "eto_chipexplorer" / "2026-08")
    names = reading.inputs["products"].set_index("name")["product"]
    graph = sr.assemble(**reading.inputs, tables=reading.tables)

    def held(focal: str, product: str) -> float:
        scores = sr.score(graph, focal=focal, view="location", by="product")
        return float(scores.loc[(focal, "location", names[product]), "focal_share"])

    assert held("NLD", "EUV lithography tools") == pytest.approx(1.0)
    assert held("CHN", "EUV lithography tools") == 0.0
    assert held("NLD", "ArF immersion (DUV) lithography tools") == pytest.approx(0.993, abs=5e-4)
    assert held("CHN", "Dry etch tools") == pytest.approx(0.12, abs=0.01)

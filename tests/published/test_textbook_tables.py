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

"""The instance written again from the printed tables alone, by scipy: the same objective, re-exports included."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
from scipy.optimize import linprog
from test_portfolio import P, link, node, product

import supplyrisk as sr
import supplyrisk.portfolio as sp
from supplyrisk.graph import SupplyGraph
from supplyrisk.portfolio import Portfolio, optimize

FREE = sp.resource(revealed=False)


def again(plan: Portfolio, share: str, cap: float) -> float:
    """The least cost under a cap by location, from tables that a reader sees."""
    o, n, a, kept, out = plan.offers, plan.needs, plan.availability, plan.re_exports, plan.outbids
    part = plan.re_export_mixes.set_index(["re_exporter", "supplier"])["part"]
    nx, nk = len(o), len(kept)
    size = nx + nk + len(out)
    rows: list[np.ndarray] = []
    bounds: list[float] = []

    def row(upper: float) -> np.ndarray:
        rows.append(np.zeros(size))
        bounds.append(upper)
        return rows[-1]

    behind = kept.merge(plan.re_export_mixes, on="re_exporter")[["supplier", "buyer"]].drop_duplicates()
    for maker, buyer in behind.itertuples(index=False):
        r = row(0.0)
        r[:nx] -= ((o["supplier"] == maker) & (o["buyer"] == buyer)).to_numpy()
        for j, (who, to) in enumerate(zip(kept["re_exporter"], kept["buyer"], strict=True)):
            r[nx + j] += part.get((who, maker), 0.0) if to == buyer else 0.0
    for s in a.to_dict("records"):
        mine = ((o["supplier"] == s["supplier"]) & o["project"].isna()).to_numpy()
        row(s["available"])[:nx] = mine
        if not np.isnan(s["without_outbids"]):
            r = row(s["without_outbids"])
            r[:nx] = mine
            r[nx + nk :] = [-part.get((who, s["supplier"]), 0.0) for who in out["re_exporter"]]
    r = row(cap * float(n["need"].sum()))
    r[:nx], r[nx : nx + nk] = o[share], kept[share]
    meets = np.zeros((len(n), size))
    for i, buyer in enumerate(n["buyer"]):
        meets[i, :nx] = o["buyer"] == buyer
    usd = np.concatenate([o["yearly_cost"], np.zeros(size - nx)])
    top = np.concatenate([o["upper"], kept["most"], out["most"]]).astype(float)
    scale = float(usd.max())
    found = linprog(
        usd / scale,
        sparse.csr_matrix(np.array(rows)),
        np.array(bounds),
        sparse.csr_matrix(meets),
        n["need"].to_numpy(),
        bounds=np.column_stack([np.zeros(size), top]),
        method="highs",
    )
    assert found.status == 0
    return float(found.fun * scale)


def passed_on() -> SupplyGraph:
    """China and Korea sell to America through a re-exporter in Malaysia, which has customers elsewhere too."""
    nodes = [node(f"{P}@CHN", output=100.0, unit_cost=1.0), node(f"{P}@KOR", output=40.0, unit_cost=1.5)]
    nodes += [node(f"{P}@AUS", output=20.0, capacity=30.0, unit_cost=4.0)]
    nodes += [node(f"{P}@{c}:demand", "demand") for c in ("USA", "MYS", "VNM")]
    links = [link("CHN", "MYS:demand", 60), link("KOR", "MYS:demand", 20), link("MYS:demand", "USA:demand", 40)]
    links += [link("MYS:demand", "VNM:demand", 30), link("CHN", "USA:demand", 30), link("AUS", "USA:demand", 10)]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product(price=2.0)]), nodes=pd.DataFrame(nodes), links=pd.DataFrame(links)
    )


@pytest.mark.parametrize("cap", [0.1, 0.25, 0.4])
def test_a_cap_by_location_is_written_again_with_its_re_exports(cap: float) -> None:
    levers = [sp.resource(redirect=0.5, revealed=False)]
    plan = optimize(passed_on(), "USA", product=P, levers=levers, constraints=sp.max_share("CHN", cap))
    assert len(plan.re_exports)
    assert len(plan.outbids)
    assert plan.availability["without_outbids"].notna().any()
    mixes = plan.re_export_mixes.set_index("supplier")["part"]
    assert mixes.to_dict() == pytest.approx({f"{P}@CHN": 0.75, f"{P}@KOR": 0.25})
    assert again(plan, "share CHN (location)", cap) == pytest.approx(plan.objective_value, rel=1e-8)
    assert plan.outbids.columns.tolist() == ["product", "re_exporter", "most", "quantity", "unit"]


@pytest.mark.parametrize("cap", [0.02, 0.05])
def test_so_is_one_on_the_atlas(cap: float) -> None:
    focal = ("CHN", "RUS", "IRN", "PRK")
    plan = optimize(
        sr.load_atlas(),
        ["JPN", "KOR", "USA", "EUE"],
        product="nickel.refined",
        levers=FREE,
        constraints=sp.max_share(focal, cap),
    )
    assert len(plan.outbids)
    share = f"share {'+'.join(sr.jurisdictions.scope(focal))} (location)"
    assert again(plan, share, cap) == pytest.approx(plan.objective_value, rel=1e-8)


def test_over_several_periods_each_has_its_own() -> None:
    plan = optimize(
        passed_on(),
        "USA",
        product=P,
        levers=[sp.resource(redirect=0.5, revealed=False)],
        constraints=sp.max_share("CHN", 0.25),
        horizon=(2026, 2027),
    )
    for year in (2026, 2027):
        assert again(plan.year(year), "share CHN (location)", 0.25) == pytest.approx(plan.year(year).objective_value)
    assert sorted(set(plan.outbids["year"])) == [2026, 2027]

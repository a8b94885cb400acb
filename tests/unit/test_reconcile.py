"""reconcile: small networks solved by hand, by brute force, and with their truth hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.reconcile import balance_flows, byproduct_limits, holdout, spread

P = "x.refined"


def goods(*names: str) -> pd.DataFrame:
    rest = {"chain": "t", "stage": "refine", "unit": "t", "basis": "gross", "period": "year"}
    return pd.DataFrame([{"product": n, "name": n, "commodity": n.split(".")[0], **rest} for n in names])


def net(
    made: dict[str, float],
    used: dict[str, float],
    cells: dict[tuple[str, str], tuple[float, str]],
    bounds: dict[tuple[str, str], tuple[float, float]] | None = None,
) -> SupplyGraph:
    """Producers, pools and the links between them; NaN is unknown."""
    nodes = [
        {
            "node": f"{P}@{c}",
            "country": c,
            "kind": "producer",
            "output": q,
            "output_missing": "unknown" if np.isnan(q) else None,
        }
        for c, q in made.items()
    ]
    nodes += [{"node": f"{P}@{c}:demand", "country": c, "kind": "demand"} for c in used]
    frame = pd.DataFrame(nodes).assign(product=P, year=2024)
    frame["output_grade"] = np.where(frame["output"].notna(), "assumption", None)
    use = pd.DataFrame([{"node": f"{P}@{c}:demand", "quantity": q} for c, q in used.items() if not np.isnan(q)])
    rows: list[dict[str, Any]] = []
    for (a, b), (q, method) in cells.items():
        low, high = (bounds or {}).get((a, b), (np.nan, np.nan))
        row = {"supplier": f"{P}@{a}", "buyer": f"{P}@{b}:demand", "quantity": q, "method": method}
        row["missing"] = "unknown" if np.isnan(q) else None
        rows.append({**row, "low": low, "high": high, "grade": "assumption"})
    links = pd.DataFrame(rows).assign(product=P, year=2024)
    if len(use):
        use = use.assign(use="total", year=2024, grade="assumption")
    return SupplyGraph.from_tables(products=goods(P), nodes=frame, links=links, demand=use)


def flows(g: SupplyGraph) -> dict[tuple[str, str], float]:
    return {
        (a.split("@")[1], b.split("@")[1].split(":")[0]): q
        for a, b, q in g.links[["supplier", "buyer", "quantity"]].values.tolist()
    }


NAN = float("nan")


def test_two_by_two_by_hand() -> None:
    cells = {(a, b): (NAN, "assumed") for a in ("CHN", "CHL") for b in ("JPN", "DEU")}
    g = balance_flows(net({"CHN": 30.0, "CHL": 10.0}, {"JPN": 24.0, "DEU": 16.0}, cells))
    want = {("CHN", "JPN"): 18.0, ("CHN", "DEU"): 12.0, ("CHL", "JPN"): 6.0, ("CHL", "DEU"): 4.0}
    assert flows(g) == pytest.approx(want)
    assert set(g.links["method"]) == {"balanced"}
    assert set(g.links["grade"]) == {"assumption"}
    assert (g.links["low"] < g.links["quantity"]).all()
    assert (g.links["high"] > g.links["quantity"]).all()
    assert g.balance().empty
    assert "balance_flows" in g.history[-1]


def test_a_known_flow_stays_and_decides_the_rest() -> None:
    cells = {(a, b): (NAN, "world_pool") for a in ("CHN", "CHL") for b in ("JPN", "DEU")}
    cells["CHN", "JPN"] = (20.0, "observed")
    g = balance_flows(net({"CHN": 30.0, "CHL": 10.0}, {"JPN": 24.0, "DEU": 16.0}, cells))
    want = {("CHN", "JPN"): 20.0, ("CHN", "DEU"): 10.0, ("CHL", "JPN"): 4.0, ("CHL", "DEU"): 6.0}
    assert flows(g) == pytest.approx(want)
    assert g.links["method"].tolist().count("world_pool") == 3
    assert g.balance().empty


@pytest.mark.parametrize("seed", range(4))
def test_against_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    makers, users = ("CHN", "CHL", "AUS"), ("JPN", "DEU", "FRA")
    truth = rng.lognormal(2.0, 1.0, (3, 3))
    prior = truth * rng.lognormal(0.0, 0.5, (3, 3))
    top = {("CHN", "JPN"): (0.0, 1.05 * truth[0, 0])}
    cells = {(a, b): (float(prior[i, j]), "assumed") for i, a in enumerate(makers) for j, b in enumerate(users)}
    cells["CHN", "JPN"] = (min(float(prior[0, 0]), top["CHN", "JPN"][1]), "assumed")
    p = np.array([q for q, _ in cells.values()])
    made = dict(zip(makers, truth.sum(axis=1).tolist(), strict=True))
    used = dict(zip(users, truth.sum(axis=0).tolist(), strict=True))
    got = np.array(list(flows(balance_flows(net(made, used, cells, top))).values()))
    order = list(flows(net(made, used, cells, top)))
    p = np.array([cells[k][0] for k in order])
    start = np.array([truth[makers.index(a), users.index(b)] for a, b in order])
    held = [
        {"type": "eq", "fun": lambda x, k=k, s=s, t=t: sum(v for v, o in zip(x, order, strict=True) if o[s] == k) - t}
        for s, totals in ((0, made), (1, used))
        for k, t in list(totals.items())[: 3 - s]
    ]
    best = minimize(
        lambda x: float((x * np.log(x / p) - x).sum()),
        start,
        jac=lambda x: np.log(x / p),
        constraints=held,
        bounds=[(1e-9, top.get(k, (0.0, None))[1]) for k in order],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert best.success
    assert got == pytest.approx(best.x, rel=1e-3, abs=1e-3)


def test_a_conflict_names_its_rows() -> None:
    cells = {("CHN", "JPN"): (50.0, "observed"), ("CHN", "DEU"): (NAN, "assumed")}
    with pytest.raises(SchemaError) as e:
        balance_flows(net({"CHN": 30.0}, {"JPN": 50.0, "DEU": NAN}, cells))
    text = str(e.value)
    assert f"output of {P}@CHN = 30" in text
    assert f"link {P}@CHN -> {P}@JPN:demand = 50 (observed" in text
    assert "off by 20" in text


def test_all_conflicts_of_all_products_at_once_and_bad_arguments() -> None:
    g = net({"CHN": 30.0}, {"JPN": 30.0}, {("CHN", "JPN"): (NAN, "assumed")})
    for wrong in ({"tolerance": 1.0}, {"tolerance": -0.1}, {"ensemble": 0}):
        with pytest.raises(SchemaError):
            balance_flows(g, **wrong)
    with pytest.raises(UnknownNameError):
        balance_flows(g, "x.refind")


def test_small_clashes_are_spread_within_the_tolerance() -> None:
    g = net({"CHN": 100.0}, {"JPN": 101.0}, {("CHN", "JPN"): (NAN, "assumed")})
    done = balance_flows(g, tolerance=0.02)
    assert 100.0 < flows(done)["CHN", "JPN"] < 101.0
    assert done.balance(0.02).empty
    assert done.nodes.set_index("node").loc[f"{P}@CHN", "output"] == 100.0  # the published figure stays


def test_what_is_missing_is_an_unknown_supplier() -> None:
    g = balance_flows(net({"CHN": 30.0}, {"JPN": 50.0}, {("CHN", "JPN"): (30.0, "observed")}))
    row = g.links.set_index("supplier").loc[f"{P}@ROW"]
    assert row["quantity"] == pytest.approx(20.0, rel=1e-4)
    assert (row["method"], row["grade"]) == ("balanced", "assumption")
    assert "unknown supplier" in g.history[-1]
    assert g.balance().empty


def test_withheld_output_stays_withheld() -> None:
    cells = {("CHN", "JPN"): (NAN, "assumed"), ("USA", "JPN"): (NAN, "assumed")}
    g = balance_flows(net({"CHN": 30.0, "USA": NAN}, {"JPN": 40.0}, cells))
    assert flows(g) == pytest.approx({("CHN", "JPN"): 30.0, ("USA", "JPN"): 10.0})
    n = g.nodes.set_index("node").loc[f"{P}@USA"]
    assert np.isnan(n["output"])
    assert n["output_missing"] == "unknown"


def test_an_ensemble_is_consistent_and_repeats() -> None:
    cells = {(a, b): (NAN, "assumed") for a in ("CHN", "CHL") for b in ("JPN", "DEU")}
    g = net({"CHN": 30.0, "CHL": 10.0}, {"JPN": 24.0, "DEU": 16.0}, cells)
    one, two = (balance_flows(g, ensemble=5, seed=3) for _ in range(2))
    assert [a.fingerprint for a in one] == [b.fingerprint for b in two]
    assert len({a.fingerprint for a in one}) == 5
    assert balance_flows(g, ensemble=1, seed=4)[0].fingerprint != one[0].fingerprint
    for a in one:
        assert a.balance(1e-4).empty
    s = spread(one)
    assert (s["low"] < s["high"]).all()
    assert s.groupby("buyer")["share"].sum().between(0.8, 1.2).all()


def synthetic(seed: int, n: int = 9) -> SupplyGraph:
    """A gravity world with noise, all of it known."""
    rng = np.random.default_rng(seed)
    makers = ["CHN", "CHL", "AUS", "PER", "CAN", "USA", "ZAF", "BRA", "IDN"][:n]
    users = ["JPN", "DEU", "FRA", "ITA", "KOR", "ESP", "GBR", "IND", "MEX"][:n]
    x = np.outer(rng.lognormal(3, 0.8, n), rng.lognormal(0, 0.8, n)) * rng.lognormal(0, 0.7, (n, n))
    cells = {(a, b): (float(x[i, j]), "observed") for i, a in enumerate(makers) for j, b in enumerate(users)}
    made = dict(zip(makers, x.sum(axis=1).tolist(), strict=True))
    used = dict(zip(users, x.sum(axis=0).tolist(), strict=True))
    return net(made, used, cells)


def test_hidden_flows_are_found_again() -> None:
    seen = pd.concat([holdout(synthetic(s), part=0.2, ensemble=40, seed=s) for s in range(8)])
    assert len(seen) == 8 * 16
    assert seen["inside"].mean() >= 0.85
    assert (seen["share_high"] - seen["share_low"]).median() < 0.5  # and not by saying that all is possible
    assert (seen["share"] - seen["true_share"]).abs().median() < 0.05


def byproduct(gallium: float) -> SupplyGraph:
    nodes = pd.DataFrame(
        [
            {"node": "a.refined@CHN", "product": "a.refined", "kind": "producer", "output": 1000.0},
            {"node": "a.refined@CHN:demand", "product": "a.refined", "kind": "demand"},
            {"node": "g.refined@CHN", "product": "g.refined", "kind": "producer", "output": gallium},
            {"node": "g.refined@CHN:demand", "product": "g.refined", "kind": "demand"},
        ]
    ).assign(country="CHN", year=2024)
    nodes["output_grade"] = np.where(nodes["output"].notna(), "assumption", None)
    nodes["output_high"] = np.where(nodes["product"].eq("g.refined") & nodes["output"].notna(), 5 * gallium, np.nan)
    links = pd.DataFrame(
        [
            {"supplier": "a.refined@CHN", "buyer": "a.refined@CHN:demand", "product": "a.refined", "missing": "unknown"},
            {"supplier": "a.refined@CHN:demand", "buyer": "g.refined@CHN", "product": "a.refined",
             "missing": "not_applicable"},
            {"supplier": "g.refined@CHN", "buyer": "g.refined@CHN:demand", "product": "g.refined", "missing": "unknown"},
        ]
    ).assign(year=2024, method="assumed")  # fmt: skip
    recipes = pd.DataFrame(
        [
            {
                "product": "g.refined",
                "input": "a.refined",
                "process": "p",
                "input_class": "essential",
                "host": True,
                "coefficient": 200.0,
                "grade": "assumption",
            }
        ]
    )
    return SupplyGraph.from_tables(products=goods("a.refined", "g.refined"), nodes=nodes, links=links, recipes=recipes)


def test_a_byproduct_is_limited_by_its_host() -> None:
    g = balance_flows(byproduct(4.0))
    row = byproduct_limits(g).iloc[0]
    assert row["throughput"] == pytest.approx(1500.0)  # the upper end of an assumption: 1000 +- 50 %
    assert row["limit"] == pytest.approx(7.5)
    n = g.nodes.set_index("node").loc["g.refined@CHN"]
    assert n["output_high"] == pytest.approx(7.5)  # stated 20, more than the host allows
    assert n["output"] == 4.0
    assert any("throughput of the host binds" in h for h in g.history)
    with pytest.raises(SchemaError, match=r"throughput of a\.refined"):
        balance_flows(byproduct(8.0))


def test_an_unknown_host_limits_nothing() -> None:
    limits = byproduct_limits(byproduct(4.0))
    assert limits["status"].tolist() == ["unknown"]
    assert np.isnan(limits["limit"].iloc[0])

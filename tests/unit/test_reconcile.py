"""reconcile: small networks solved by hand and by other routes, conflicts named, and known flows hidden and found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog, minimize

import supplyrisk as sr
from supplyrisk.equilibrate import Edges, minimal_conflict, shortfall, solve
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.metrics.balancing import ras
from supplyrisk.reconcile import balance_flows, byproduct_limits, conflicts, holdout, moved, spread
from tests.conftest import data_folder

P = "x.refined"
NAN = float("nan")


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


def blank(makers: tuple[str, ...] = ("CHN", "CHL"), users: tuple[str, ...] = ("JPN", "DEU")) -> dict[Any, Any]:
    return {(a, b): (NAN, "assumed") for a in makers for b in users}


def test_two_by_two_by_hand() -> None:
    g = balance_flows(net({"CHN": 30.0, "CHL": 10.0}, {"JPN": 24.0, "DEU": 16.0}, blank()))
    want = {("CHN", "JPN"): 18.0, ("CHN", "DEU"): 12.0, ("CHL", "JPN"): 6.0, ("CHL", "DEU"): 4.0}
    assert flows(g) == pytest.approx(want, rel=1e-9)
    assert set(g.links["method"]) == {"balanced"}
    assert set(g.links["grade"]) == {"assumption"}
    assert (g.links["low"] < g.links["quantity"]).all()
    assert (g.links["high"] > g.links["quantity"]).all()
    assert g.balance(1e-9).empty
    assert "balance_flows" in g.history[-1]


def test_a_known_flow_stays_and_decides_the_rest() -> None:
    cells = dict.fromkeys(blank(), (NAN, "world_pool"))
    cells["CHN", "JPN"] = (20.0, "observed")
    g = balance_flows(net({"CHN": 30.0, "CHL": 10.0}, {"JPN": 24.0, "DEU": 16.0}, cells))
    want = {("CHN", "JPN"): 20.0, ("CHN", "DEU"): 10.0, ("CHL", "JPN"): 4.0, ("CHL", "DEU"): 6.0}
    assert flows(g) == pytest.approx(want)
    assert g.links["method"].tolist().count("world_pool") == 3


def test_agrees_with_ras_and_keeps_zeros_whatever_the_order_of_rows() -> None:
    rng = np.random.default_rng(1)
    makers, users = ("CHN", "CHL", "AUS", "PER"), ("JPN", "DEU", "FRA", "USA", "KOR")
    prior = rng.lognormal(2.0, 1.0, (4, 5))
    truth = prior * rng.lognormal(0.0, 0.8, prior.shape)
    prior[1, 2] = truth[1, 2] = prior[3, 0] = truth[3, 0] = 0.0
    cells = {(a, b): (float(prior[i, j]), "assumed") for i, a in enumerate(makers) for j, b in enumerate(users)}
    cells = {k: v for k, v in cells.items() if v[0] > 0}
    made = dict(zip(makers, truth.sum(axis=1).tolist(), strict=True))
    used = dict(zip(users, truth.sum(axis=0).tolist(), strict=True))
    g = net(made, used, cells)
    want = ras(prior, truth.sum(axis=1), truth.sum(axis=0))
    got = flows(balance_flows(g))
    assert set(got) == set(cells)
    for (a, b), q in got.items():
        assert q == pytest.approx(want[makers.index(a), users.index(b)], rel=1e-7)
    shuffled = g.replace("shuffled", links=g.links.sample(frac=1, random_state=3), nodes=g.nodes.iloc[::-1])
    assert flows(balance_flows(shuffled)) == pytest.approx(got, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_least_divergence_within_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = m = 3
    i, j = (v.ravel() for v in np.indices((n, m)))
    truth = rng.lognormal(2.0, 1.0, n * m)
    p = truth * rng.lognormal(0.0, 0.5, n * m)
    top = np.full(n * m, np.inf)
    top[0] = 1.05 * truth[0]
    rows, cols = np.bincount(i, truth), np.bincount(j, truth)
    outside_in, outside_out = np.full(n, -1), np.full(m, -1)
    e = Edges(
        n + m,
        np.concatenate([outside_in, i, n + np.arange(m)]),
        np.concatenate([np.arange(n), n + j, outside_out]),
        np.concatenate([rows, np.zeros(n * m), cols]),
        np.concatenate([rows, top, cols]),
        np.zeros(n + m + n * m, dtype=int),
    )
    x, good = solve(e, np.concatenate([rows, p, cols]))
    assert good.all()
    assert np.abs(e.net(x)).max() <= 1e-9 * truth.sum()
    a = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))[:-1]])
    best = minimize(
        lambda v: float((v * np.log(v / p) - v).sum()),
        truth,
        jac=lambda v: np.log(v / p),
        constraints=[{"type": "eq", "fun": lambda v: a @ v - np.append(rows, cols[:-1]), "jac": lambda v: a}],
        bounds=[(1e-9, None if np.isinf(t) else t) for t in top],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert x[n : n + n * m] == pytest.approx(best.x, rel=1e-3, abs=1e-3)


def test_clarabel_finds_the_same() -> None:
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(5)
    tail, head = np.array([-1, -1, 0, 0, 1, 1, 2, 2, 3]), np.array([0, 1, 2, 3, 2, 3, 3, -1, -1])
    p = rng.lognormal(1.0, 0.7, len(tail))
    low, high = np.zeros(len(p)), np.full(len(p), np.inf)
    low[0] = high[0] = 10.0
    high[1], low[7] = 6.0, 3.0
    x, good = solve(Edges(4, tail, head, low, high, np.zeros(len(p), dtype=int)), p)
    v = cp.Variable(len(p))
    a = np.zeros((4, len(p)))
    for k, (t, h) in enumerate(zip(tail, head, strict=True)):
        if t >= 0:
            a[t, k] -= 1
        if h >= 0:
            a[h, k] += 1
    upper = np.isfinite(high)
    free = [k for k in range(len(p)) if k != 0]
    cost = cp.sum(cp.rel_entr(v[free], p[free]) - v[free])
    cp.Problem(cp.Minimize(cost), [a @ v == 0, v >= low, v[upper] <= high[upper]]).solve(solver=cp.CLARABEL)
    assert good.all()
    assert x == pytest.approx(v.value, rel=1e-4, abs=1e-4)


def random_network(seed: int) -> Edges:
    rng = np.random.default_rng(seed)
    n, m = 5, 14
    tail, head = rng.integers(-1, n, m), rng.integers(-1, n, m)
    keep = tail != head
    tail, head = tail[keep], head[keep]
    low = np.where(rng.random(len(tail)) < 0.4, rng.integers(0, 10, len(tail)), 0).astype(float)
    high = np.where(rng.random(len(tail)) < 0.5, low + rng.integers(0, 6, len(tail)), np.inf)
    return Edges(n, tail, head, low, high, np.zeros(len(tail), dtype=int))


def possible(e: Edges, low: np.ndarray, high: np.ndarray) -> bool:
    a = np.zeros((e.n, len(e.tail)))
    for k, (t, h) in enumerate(zip(e.tail, e.head, strict=True)):
        if t >= 0:
            a[t, k] -= 1
        if h >= 0:
            a[h, k] += 1
    box = [(lo, None if np.isinf(hi) else hi) for lo, hi in zip(low, high, strict=True)]
    return linprog(np.zeros(len(low)), A_eq=a, b_eq=np.zeros(e.n), bounds=box).status == 0


@pytest.mark.parametrize("seed", range(40))
def test_feasible_as_linear_programming_says_and_conflicts_are_minimal(seed: int) -> None:
    e = random_network(seed)
    assert (shortfall(e)[0] == 0) == possible(e, e.low, e.high)
    _, rows = minimal_conflict(e)
    assert (len(rows) == 0) == possible(e, e.low, e.high)

    def held(rows: list[int]) -> bool:
        low, high = np.zeros(len(e.tail)), np.full(len(e.tail), np.inf)
        low[rows], high[rows] = e.low[rows], e.high[rows]
        return possible(e, low, high)

    if len(rows):
        assert not held(rows.tolist())
        for r in rows:
            assert held([k for k in rows if k != r])


CLASH = {("CHN", "JPN"): (50.0, "observed"), ("CHN", "DEU"): (NAN, "assumed")}


def test_a_conflict_names_its_rows_in_every_mode() -> None:
    g = net({"CHN": 30.0}, {"JPN": 50.0, "DEU": NAN}, CLASH)
    with pytest.raises(SchemaError) as e:
        balance_flows(g, conflicts="raise")
    text = str(e.value)
    assert f"output of {P}@CHN = 30" in text
    assert f"link {P}@CHN -> {P}@JPN:demand = 50 (observed" in text
    assert "off by 20" in text
    assert "use at" not in text  # no part of the smallest set
    kept = balance_flows(g)
    assert kept.links.equals(g.links)
    row = kept.gaps.set_index("what").loc["balanced flows"]
    assert row["product"] == P
    assert f"output of {P}@CHN = 30" in row["note"]
    assert conflicts(g)["product"].tolist() == [P]
    assert conflicts(net({"CHN": 30.0}, {"JPN": 30.0}, {("CHN", "JPN"): (30.0, "observed")})).empty


def test_relaxed_figures_move_least_and_say_what_they_were() -> None:
    g = net({"CHN": 30.0}, {"JPN": 50.0, "DEU": NAN}, CLASH)
    done = balance_flows(g, conflicts="relax")
    assert done.balance(1e-9).empty
    m = moved(g, done)
    assert set(m["table"]) <= {"nodes", "links", "demand"}
    node = done.nodes.set_index("node").loc[f"{P}@CHN"]
    assert node["output"] > 30.0
    assert node["output_low"] <= 30.0 <= node["output_high"]
    assert "moved by balancing from 30" in node["note"]
    assert g.nodes.set_index("node").loc[f"{P}@CHN", "output"] == 30.0


def test_bad_arguments() -> None:
    g = net({"CHN": 30.0}, {"JPN": 30.0}, {("CHN", "JPN"): (NAN, "assumed")})
    for wrong in ({"tolerance": 1.0}, {"tolerance": -0.1}, {"ensemble": 0}):
        with pytest.raises(SchemaError):
            balance_flows(g, **wrong)
    with pytest.raises(UnknownNameError):
        balance_flows(g, "x.refind")
    with pytest.raises(UnknownNameError):
        balance_flows(g, conflicts="ignore")
    with pytest.raises(SchemaError, match="level"):
        spread([g], level=1.0)
    with pytest.raises(SchemaError, match="part"):
        holdout(g, part=1.5)


def test_small_clashes_are_closed_within_the_tolerance() -> None:
    g = net({"CHN": 100.0}, {"JPN": 101.0}, {("CHN", "JPN"): (100.0, "observed")})
    assert conflicts(g, tolerance=0.02).empty
    assert balance_flows(g, conflicts="raise").balance(1e-9).empty


def test_what_is_missing_is_an_unknown_supplier_and_what_is_left_goes_to_the_world() -> None:
    g = balance_flows(net({"CHN": 30.0}, {"JPN": 50.0}, {("CHN", "JPN"): (30.0, "observed")}))
    row = g.links.set_index("supplier").loc[f"{P}@ROW"]
    assert row["quantity"] == pytest.approx(20.0, rel=1e-6)
    assert (row["method"], row["grade"], row["low"]) == ("balanced", "assumption", 0.0)
    assert g.balance(1e-9).empty
    g = balance_flows(net({"CHN": 30.0}, {"JPN": 20.0}, {("CHN", "JPN"): (20.0, "observed")}))
    row = g.links.set_index("buyer").loc[f"{P}@WLD:demand"]
    assert (row["method"], row["quantity"]) == ("world_pool", pytest.approx(10.0, rel=1e-6))


def test_withheld_output_stays_withheld() -> None:
    g = balance_flows(net({"CHN": 30.0, "USA": NAN}, {"JPN": 40.0}, blank(("CHN", "USA"), ("JPN",))))
    assert flows(g) == pytest.approx({("CHN", "JPN"): 30.0, ("USA", "JPN"): 10.0})
    n = g.nodes.set_index("node").loc[f"{P}@USA"]
    assert np.isnan(n["output"])
    assert n["output_missing"] == "unknown"


def test_an_ensemble_meets_all_totals_and_repeats() -> None:
    g = net({"CHN": 30.0, "CHL": 10.0}, {"JPN": 24.0, "DEU": 16.0}, blank())
    one, two = (balance_flows(g, ensemble=5, seed=3) for _ in range(2))
    assert [a.fingerprint for a in one] == [b.fingerprint for b in two]
    assert len({a.fingerprint for a in one}) == 5
    assert balance_flows(g, ensemble=1, seed=4)[0].fingerprint != one[0].fingerprint
    for a in one:
        assert a.balance(1e-9).empty
        assert a.validate().empty
    s = spread(one)
    assert (s["low"] < s["high"]).all()
    with pytest.raises(SchemaError, match="other links"):
        spread([one[0], net({"CHN": 1.0}, {"JPN": 1.0}, {("CHN", "JPN"): (1.0, "observed")})])


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


def test_a_hidden_synthetic_network_is_found_again() -> None:
    seen = pd.concat([holdout(synthetic(s), ensemble=30, seed=s) for s in range(6)])
    assert len(seen) == 6 * 16
    inside, share = seen["inside"].mean(), seen["share_inside"].mean()
    assert min(inside, share) >= 0.85, f"coverage of 90 % intervals: values {inside:.1%}, shares {share:.1%}"
    assert (seen["share_high"] - seen["share_low"]).median() < 0.5  # and not by saying that all is possible
    assert (seen["share"] - seen["true_share"]).abs().median() < 0.06


@pytest.mark.slow
def test_hidden_flows_of_the_atlas_lie_in_their_intervals() -> None:
    seen = holdout(sr.load_atlas(), ensemble=40, seed=0)
    inside, share = seen["inside"].mean(), seen["share_inside"].mean()
    room = ((seen["high"] - seen["low"]) / (seen["bound_high"] - seen["bound_low"])).median()
    width = (seen["share_high"] - seen["share_low"]).median()
    told = f"values {inside:.1%}, shares {share:.1%} of {len(seen)}; median width {room:.3f} of the bounds, {width:.2f} of the share"
    assert min(inside, share) >= 0.85, told
    assert room < 0.5, told
    assert width < 0.6, told


def traded(frame: pd.DataFrame, code: int) -> SupplyGraph:
    """One heading of a trade file: exporters with what they export, importers with what they import."""
    p = f"h{code}.traded"
    out, into = frame.groupby("o")["q"].sum(), frame.groupby("d")["q"].sum()
    nodes = pd.concat(
        [
            pd.DataFrame({"node": p + "@" + out.index, "country": out.index, "kind": "producer", "output": out.values}),
            pd.DataFrame({"node": p + "@" + into.index + ":demand", "country": into.index, "kind": "demand"}),
        ]
    ).assign(product=p, year=2024)
    nodes["output_grade"] = np.where(nodes["output"].notna(), "assumption", None)
    links = pd.DataFrame({"supplier": p + "@" + frame["o"], "buyer": p + "@" + frame["d"] + ":demand", "product": p})
    links = links.assign(year=2024, quantity=frame["q"].to_numpy(), method="observed", grade="assumption")
    use = pd.DataFrame({"node": p + "@" + into.index + ":demand", "use": "total", "quantity": into.to_numpy()})
    use = use.assign(year=2024, grade="assumption")
    return SupplyGraph.from_tables(products=goods(p), nodes=nodes, links=links, demand=use)


@pytest.mark.realdata
def test_hidden_flows_of_a_trade_file_lie_in_their_intervals() -> None:
    folder = data_folder()
    path = folder / "baci" / "BACI_HS17_Y2024_V202601_crm30.csv.gz" if folder else None
    if path is None or not path.is_file():
        pytest.skip("the trade file is not here")
    frame = pd.read_csv(path, na_values=["NA"])
    codes = pd.read_csv(path.parent / "country_codes_V202601.csv").set_index("country_code")["country_iso3"]
    frame = frame.assign(o=frame["i"].map(codes), d=frame["j"].map(codes), q=pd.to_numeric(frame["q"], errors="coerce"))
    known = sr.jurisdictions.country_codes()
    frame = frame[frame["o"].isin(known) & frame["d"].isin(known) & (frame["q"] > 0)]
    parts = []
    for code in BACI:
        one = frame[frame["k"] == code]
        seen = holdout(traded(one, code), ensemble=40, seed=0)
        limit = np.minimum(
            seen["supplier"].str.split("@").str[1].map(one.groupby("o")["q"].sum()),
            seen["buyer"].str.split("@").str[1].str[:3].map(one.groupby("d")["q"].sum()),
        )
        parts.append(seen.assign(room=(seen["high"] - seen["low"]) / limit))
    seen = pd.concat(parts)
    inside, share, room = seen["inside"].mean(), seen["share_inside"].mean(), seen["room"].mean()
    told = f"values {inside:.1%}, shares {share:.1%} of {len(seen)}; mean width {room:.3f} of what totals allow alone"
    assert min(inside, share) >= 0.85, told
    assert room < 0.5, told


BACI = (810411, 280469, 740311)


def byproduct(gallium: float, host: float = 1000.0) -> SupplyGraph:
    nodes = pd.DataFrame(
        [
            {"node": "a.refined@CHN", "product": "a.refined", "kind": "producer", "output": host},
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
        balance_flows(byproduct(8.0), conflicts="raise")
    flagged = balance_flows(byproduct(8.0)).nodes.set_index("node").loc["g.refined@CHN"]
    assert flagged["output"] == 8.0
    assert "above what the throughput of a.refined allows" in flagged["note"]


def test_an_unknown_host_limits_nothing() -> None:
    limits = byproduct_limits(byproduct(4.0, host=np.nan))
    assert limits["status"].tolist() == ["unknown"]
    assert np.isnan(limits["limit"].iloc[0])

"""ESRI against a plain loop over firms, and the inoperability model."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from supplyrisk.errors import SchemaError, SolverError, UnknownNameError
from supplyrisk.shocks.systemic import esri, inoperability, inoperability_path, interdependency, recovery_rate

W = np.zeros((4, 4))
W[0, 2], W[1, 2], W[2, 3] = 4.0, 2.0, 6.0
SECTORS = ["a", "a", "b", "c"]
CLASSES = {("a", "b"): 2, ("b", "c"): 1}


def _loop(w, sectors, cls, psi, revenue, replaceability, epsilon):  # the formulas, written down once more
    n = len(w)
    s = [w[i].sum() if revenue is None else revenue[i] for i in range(n)]
    hd, hu = list(psi), list(psi)
    while True:
        sigma = []
        for i in range(n):
            market = sum(s[k] * hd[k] for k in range(n) if sectors[k] == sectors[i])
            sigma.append(min(1.0, s[i] / market) if replaceability and market > 0 else 1.0)
        nd, nu = [], []
        for j in range(n):
            inputs = w[:, j].sum()
            worst = 0.0
            for k in set(sectors):
                of_k = sum(w[i, j] for i in range(n) if sectors[i] == k)
                if of_k > 0:
                    worst = max(
                        worst,
                        sum(
                            sigma[i] * w[i, j] / of_k * (1 - hd[i])
                            for i in range(n)
                            if sectors[i] == k and w[i, j] > 0 and cls[k, sectors[j]] == 2
                        ),
                    )
            mild = sum(
                sigma[i] * w[i, j] / inputs * (1 - hd[i])
                for i in range(n)
                if w[i, j] > 0 and cls[sectors[i], sectors[j]] == 1
            )
            nd.append(max(0.0, min(psi[j], 1 - worst, 1 - mild)))
        for i in range(n):
            lost = sum(w[i, j] / s[i] * (1 - hu[j]) for j in range(n) if w[i, j] > 0)
            nu.append(max(0.0, min(psi[i], 1 - lost)))
        fall = max(max(a - b for a, b in zip(hd, nd, strict=True)), max(a - b for a, b in zip(hu, nu, strict=True)))
        hd, hu = nd, nu
        if fall <= epsilon:
            return np.array(hd), np.array(hu), np.array(s)


@pytest.mark.parametrize("seed", range(12))
def test_equals_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 14))
    w = rng.random((n, n)) * (rng.random((n, n)) < 0.35)
    np.fill_diagonal(w, 0.0)
    sectors = [str(k) for k in rng.integers(0, 4, n)]
    cls = {(a, b): int(rng.integers(0, 3)) for a, b in itertools.product("0123", repeat=2)}
    revenue = w.sum(axis=1) + rng.random(n) if seed % 2 else None
    replaceability, epsilon = bool(seed % 3), float(rng.choice([0.01, 1e-6 if seed % 2 else 0.1]))
    r = esri(w, sectors, cls, revenue=revenue, replaceability=replaceability, epsilon=epsilon, keep=True)
    for f in range(n):
        psi = np.ones(n)
        psi[f] = 0.0
        hd, hu, s = _loop(w, sectors, cls, psi, revenue, replaceability, epsilon)
        np.testing.assert_allclose(r.remaining_downstream[f], hd, atol=1e-12)
        np.testing.assert_allclose(r.remaining_upstream[f], hu, atol=1e-12)
        if s.sum():
            assert r.scores[f] == pytest.approx(s @ (1 - np.minimum(hd, hu)) / s.sum(), abs=1e-12)


def test_partial_shocks_names_and_weights() -> None:
    firms = ["F1", "F2", "F3", "F4"]
    frame = pd.DataFrame(W, index=firms, columns=firms)
    classes = pd.DataFrame(0, index=list("abc"), columns=list("abc"))
    classes.loc["a", "b"], classes.loc["b", "c"] = 2, 1
    one = esri(frame, pd.Series(SECTORS, index=firms).iloc[::-1], classes, firms=["F2"])
    assert one.scores.to_dict() == pytest.approx({"F2": 0.25})
    half = esri(frame, SECTORS, classes, shock={"F1": 0.5}, keep=True)
    assert half.remaining_downstream.loc["F1", "shock"] == 0.5
    assert half.scores["shock"] < esri(frame, SECTORS, classes, firms=["F1"]).scores["F1"]
    table = pd.DataFrame({"x": [0.0], "y": [1.0]}, index=["F1"])
    both = esri(sparse.csr_array(W), SECTORS, CLASSES, shock=table.rename(index={"F1": 0}))
    assert both.scores["x"] == pytest.approx(2 / 3)
    assert both.scores["y"] == 0.0
    uniform = esri(frame, SECTORS, classes, firms=["F1"], weights=[1, 1, 1, 1], keep=True)
    left = np.minimum(uniform.remaining_downstream["F1"], uniform.remaining_upstream["F1"])
    assert uniform.scores["F1"] == pytest.approx(float((1 - left).mean()))
    cheap = esri(frame, SECTORS, classes, firms=["F1"], material_cost=[1, 1, 12, 6])
    assert cheap.downstream["F1"] == pytest.approx(0.5)  # firm 3 buys half as much as it spends: half the loss
    with pytest.raises(UnknownNameError, match="F1"):
        esri(frame, SECTORS, classes, firms=["F9"])
    with pytest.raises(UnknownNameError):
        esri(frame, SECTORS, classes, shock={"F9": 0.5})


def test_closed_network_is_said_and_open_one_is_not() -> None:
    ring = np.array([[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    classes = {("s", "s"): 1}
    r = esri(ring, ["s"] * 3, classes)
    assert r.closed_network
    assert r.closed_firms == 3
    assert "epsilon = 0.01" in r.warning
    opened = esri(ring, ["s"] * 3, classes, revenue=[2.0, 2.0, 2.0])
    assert not opened.closed_network
    assert opened.warning == ""
    assert (opened.upstream < 1).all()
    # One firm may sell to an end: the loop leaks, and the fixed point is no longer collapse.
    leak = np.zeros((4, 4))
    leak[:3, :3] = ring
    leak[2, 3] = 1.0
    assert not esri(leak, ["s"] * 4, classes).closed_network


def test_esri_refuses() -> None:
    with pytest.raises(SchemaError, match="stopping rule"):
        esri(W, SECTORS, CLASSES, epsilon=0.0)
    with pytest.raises(SchemaError, match="b to c"):
        esri(W, SECTORS, {("a", "b"): 2})
    with pytest.raises(SchemaError, match="not 0, 1 or 2"):
        esri(W, SECTORS, {**CLASSES, ("b", "c"): 3})
    with pytest.raises(SchemaError, match="below sales"):
        esri(W, SECTORS, CLASSES, revenue=[1, 1, 1, 1])
    with pytest.raises(SchemaError, match="negative"):
        esri(-W, SECTORS, CLASSES)
    with pytest.raises(SchemaError, match="capacity left"):
        esri(W, SECTORS, CLASSES, shock={0: 1.5})
    with pytest.raises(SchemaError, match="sector"):
        esri(W, SECTORS[:3], CLASSES)


def test_inoperability_solves_and_refuses() -> None:
    rng = np.random.default_rng(0)
    a = rng.random((8, 8)) * 0.1
    c = rng.random(8) * 0.1
    q = inoperability(sparse.csr_array(a), c)
    np.testing.assert_allclose(q, np.linalg.solve(np.eye(8) - a, c), rtol=1e-12)
    names = list("abcdefgh")
    frame = pd.DataFrame(a, index=names, columns=names)
    keyed = inoperability(frame, pd.Series(c, index=names).iloc[::-1])
    np.testing.assert_allclose(keyed, q)
    over = inoperability([[0.9]], [0.5])
    assert over.tolist() == [1.0]
    assert over.attrs["clipped"] == [0]
    for bad in ([[1.0]], [[0.0, 2.0], [2.0, 0.0]], [[1.2]]):
        with pytest.raises(SolverError):
            inoperability(bad, np.full(len(bad), 0.1))
    with pytest.raises(SchemaError):
        inoperability(a, c * 100)
    with pytest.raises(SchemaError):
        inoperability(frame, pd.Series(c[:7], index=names[:7]))


def test_path_tends_to_the_equilibrium() -> None:
    a, c = [[0.10, 0.30], [0.20, 0.05]], [0.08, 0.0]
    path = inoperability_path(a, c, [0.5, 0.25], 0.0, 200)
    np.testing.assert_allclose(path.loc[200], inoperability(a, c), atol=1e-9)
    pulse = pd.DataFrame([[0.08, 0.0]] * 5 + [[0.0, 0.0]] * 195)
    assert inoperability_path(a, pulse, 0.4, 0.0, 200).loc[200].max() < 1e-6
    with pytest.raises(SchemaError, match="row per step"):
        inoperability_path(a, pulse, 0.4, 0.0, 201)
    k = recovery_rate(0.08, 0.001, 30)
    one = inoperability_path([[0.0]], [0.0], 1 - math.exp(-k), 0.08, 30)
    assert one[0].iloc[-1] == pytest.approx(0.001)
    with pytest.raises(SchemaError):
        recovery_rate(0.001, 0.08, 30)
    np.testing.assert_allclose(interdependency(a, [1.0, 2.0], "supply"), np.array(a).T)
    with pytest.raises(UnknownNameError):
        interdependency(a, [1.0, 2.0], "ghosh")

"""What the process of another solver does: arrays in, arrays out. It imports nothing of this package, to start fast."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["work"]

_TOLERANCE = 1e-7
_INF = 1e20


def _scip(m: Any, limit: float, gap: float, seed: int) -> dict[str, Any]:
    scip: Any = importlib.import_module("pyscipopt")
    model = scip.Model()
    model.hideOutput()
    for name, value in (
        ("limits/gap", gap),
        ("numerics/feastol", _TOLERANCE),
        ("randomization/randomseedshift", seed),
        ("limits/time", min(limit, _INF)),
    ):
        model.setParam(name, value)
    inf = model.infinity()

    def end(v: float) -> float:
        return float(np.clip(v, -inf, inf))

    kinds = ["I" if k else "C" for k in m["integer"]]
    x = [
        model.addVar(lb=end(a), ub=end(b), obj=float(c), vtype=k)
        for a, b, c, k in zip(m["lower"], m["upper"], m["cost"], kinds, strict=True)
    ]
    start, index, value = m["start"], m["index"].tolist(), m["value"].tolist()
    for i, (a, b) in enumerate(zip(m["row_lower"].tolist(), m["row_upper"].tolist(), strict=True)):
        at = range(start[i], start[i + 1])
        if not len(at):
            if a > 0.0 or b < 0.0:
                return {"status": "infeasible", "version": str(model.version())}
            continue
        body = scip.quicksum(value[k] * x[index[k]] for k in at)
        if a == b:
            model.addCons(body == a)
        elif np.isfinite(a) or np.isfinite(b):
            model.addCons((end(a) <= body) <= end(b))
    for q, t, w, f in zip(m["of"], m["square"], m["whole"], m["factor"], strict=True):
        model.addCons(float(f) * x[q] * x[q] <= (x[t] * x[w] if w >= 0 else x[t]))
    model.optimize()
    names = {"optimal": "optimal", "gaplimit": "optimal", "infeasible": "infeasible", "unbounded": "unbounded"}
    names |= {"timelimit": "time_limit", "inforunbd": "infeasible"}
    out = {"status": names.get(str(model.getStatus()), str(model.getStatus())), "version": str(model.version())}
    more: dict[str, Any] = {"bound": float(model.getDualbound())}
    if model.getNSols() and out["status"] in ("optimal", "time_limit"):
        best = model.getBestSol()
        more |= {"x": np.array([best[v] for v in x]), "objective": float(model.getObjVal())}
    return out | more


def _gurobi(m: Any, limit: float, gap: float, seed: int) -> dict[str, Any]:
    import scipy.sparse as sp

    gp: Any = importlib.import_module("gurobipy")
    env = gp.Env(params={"OutputFlag": 0})
    model = gp.Model(env=env)
    for name, v in (("MIPGap", gap), ("FeasibilityTol", _TOLERANCE), ("IntFeasTol", _TOLERANCE), ("Seed", seed)):
        model.setParam(name, v)
    if np.isfinite(limit):
        model.setParam("TimeLimit", limit)
    kinds = np.where(m["integer"], "I", "C")
    x = model.addMVar(len(m["cost"]), lb=m["lower"], ub=m["upper"], obj=m["cost"], vtype=kinds)
    a = sp.csr_array((m["value"], m["index"], m["start"]), shape=(len(m["row_lower"]), len(m["cost"])))
    low, high = m["row_lower"], m["row_upper"]
    same = low == high
    for rows, sense, side in (
        (same, "=", high),
        (~same & np.isfinite(high), "<", high),
        (~same & np.isfinite(low), ">", low),
    ):
        if rows.any():
            model.addMConstr(a[np.flatnonzero(rows)], x, sense, side[rows])
    one = x.tolist()
    for q, t, w, f in zip(m["of"], m["square"], m["whole"], m["factor"], strict=True):
        model.addConstr(float(f) * one[q] * one[q] <= (one[t] * one[w] if w >= 0 else one[t]))
    model.optimize()
    code, known = gp.GRB.Status, "other"
    for name, status in (
        ("OPTIMAL", "optimal"),
        ("INFEASIBLE", "infeasible"),
        ("INF_OR_UNBD", "infeasible"),
        ("UNBOUNDED", "unbounded"),
        ("TIME_LIMIT", "time_limit"),
    ):
        known = status if model.Status == getattr(code, name) else known
    out: dict[str, Any] = {"status": known, "version": ".".join(map(str, gp.gurobi.version()))}
    if model.SolCount and known in ("optimal", "time_limit"):
        out |= {"x": x.X, "objective": float(model.ObjVal)}
        mixed = bool(m["integer"].any())
        out["bound"] = float(model.ObjBound) if mixed else float(model.ObjVal)
    return out


def work(solver: str, folder: str) -> None:
    """What the process does."""
    path = Path(folder)
    with np.load(path / "model.npz") as found:
        model = {k: found[k] for k in found.files}
    limit, gap, seed = model.pop("options").tolist()
    began = time.perf_counter()
    answer = {"scip": _scip, "gurobi": _gurobi}[solver](model, limit, gap, int(seed))
    plain: dict[str, Any] = {
        "x": np.zeros(0),
        "objective": np.nan,
        "bound": np.nan,
        "seconds": time.perf_counter() - began,
    }
    np.savez(path / "answer.npz", **(plain | answer))

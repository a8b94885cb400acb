"""Net import reliance, screens on trade data, re-sourcing, profiles."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.metrics.dependency import (
    SCREENS,
    asymmetry,
    dependency_screen,
    indispensability,
    net_import_reliance,
    persistence,
    resourcing_ratio,
    trade_profile,
    vulnerability_profile,
)
from supplyrisk.metrics.market import nassar_type


def test_net_import_reliance_by_key_and_labels() -> None:
    p = pd.Series({"Ga": 0.0, "S": 120.0, "X": 10.0, "N": math.nan})
    m = pd.Series({"X": 0.0, "S": 10.0, "Ga": 20.0, "N": 5.0})
    x = pd.Series({"X": 20.0, "S": 40.0, "Ga": 0.0, "N": 1.0})
    out = net_import_reliance(p, m, x, 0.0)
    assert out["value"]["Ga"] == 100.0
    assert out["value"]["S"] == pytest.approx(-100 * 30 / 90)
    assert out["label"].to_dict() == {"Ga": "net importer", "S": "net exporter", "X": "undefined", "N": "undefined"}
    assert out["reason"]["N"] == "missing input"
    assert "not positive" in out["reason"]["X"]
    with pytest.raises(SchemaError, match="X"):
        net_import_reliance(p, m, x.drop("X"), 0.0)
    with pytest.raises(SchemaError, match="negative"):
        net_import_reliance(-1.0, 2.0, 0.0, 0.0)
    with pytest.raises(SchemaError, match="not zero"):
        net_import_reliance(1.0, math.nan, 0.0, 0.0)
    assert net_import_reliance(120.0, 10.0, 40.0, 0.0).flags == ("net exporter",)
    assert net_import_reliance(10.0, 0.0, 20.0, 0.0).reason


@pytest.mark.realdata
def test_net_import_reliance_against_the_summaries(published: Path) -> None:
    d = pd.read_csv(published / "usgs_mcs" / "MCS2026_Commodities_Data.csv", encoding="cp1252")
    d = d[d["Section"].str.startswith("Salient")].copy()
    d["v"] = pd.to_numeric(d["Value"].astype(str).str.replace(",", "").replace({"—": "0"}), errors="coerce")
    found = {}
    for key, s in d.groupby(["MCS chapter", "Year"]):
        rows = {k: s[s["Statistics"] == k] for k in ("Production", "Import", "Export", "Net import reliance")}
        if any(len(r) != 1 for r in rows.values()):
            continue
        p, m, x, n = (r.iloc[0] for r in rows.values())
        plain = "imports – exports." in str(n["Notes"])  # no stock change in the definition
        if plain and p["Unit"] == m["Unit"] == x["Unit"] and np.isfinite([p["v"], m["v"], x["v"]]).all():
            found[key] = (net_import_reliance(p["v"], m["v"], x["v"], 0.0), n["Value"], n["v"])
    ours = pd.DataFrame(found, index=["value", "text", "published"]).T
    exporters = ours[ours["text"] == "E"]
    assert len(exporters) >= 5
    assert all(v < 0 and v.flags == ("net exporter",) for v in exporters["value"])
    numeric = ours[ours["published"].astype(float).notna()]
    diff = (numeric["value"].astype(float) - numeric["published"].astype(float)).abs()
    assert len(diff) >= 35
    assert (diff <= 1.0).mean() > 0.95  # both sides are rounded: inputs to three digits, the result to a percent
    assert diff.max() < 2.0


FLOWS = pd.DataFrame(
    [
        ("magnets", "CHN", "DEU", 60.0), ("magnets", "CHN", "FRA", 20.0), ("magnets", "JPN", "DEU", 20.0),
        ("magnets", "DEU", "FRA", 30.0), ("magnets", "FRA", "USA", 10.0), ("magnets", "CHN", "USA", 60.0),
        ("salt", "DEU", "USA", 5.0),
    ],
    columns=["product", "exporter", "importer", "value"],
)  # fmt: skip


def test_trade_profile() -> None:
    t = trade_profile(FLOWS, ["DEU", "FRA"], ["CHN"])
    row = t.loc["magnets"]
    assert row["outside_imports"] == 100
    assert row["inside_imports"] == 30
    assert row["exports"] == 10
    assert row["hhi_origins"] == pytest.approx(0.68)
    assert (row["focal_imports"], row["world_exports"], row["focal_exports"]) == (80, 200, 140)
    assert (row["top_origin"], row["top_imports"]) == ("CHN", 80)
    assert math.isnan(t.loc["salt", "hhi_origins"])
    with pytest.raises(SchemaError, match="part of the buyer"):
        trade_profile(FLOWS, ["DEU"], ["DEU"])
    with pytest.raises(SchemaError, match="required column"):
        trade_profile(FLOWS.drop(columns="value"), ["DEU"])
    shuffled = trade_profile(FLOWS.sample(frac=1, random_state=1), ["FRA", "DEU"], ["CHN"])
    pd.testing.assert_frame_equal(t, shuffled)
    kinds = FLOWS.astype({"product": "category", "exporter": "category", "importer": "category"})
    assert trade_profile(kinds, ["DEU", "FRA"])["outside_imports"].to_dict() == t["outside_imports"].to_dict()
    assert trade_profile(FLOWS.iloc[:0], ["DEU"]).empty
    with pytest.raises(SchemaError, match="missing keys"):
        trade_profile(FLOWS.assign(exporter=[None, *FLOWS["exporter"][1:]]), ["DEU"])


def test_rules_read_one_profile() -> None:
    t = trade_profile(FLOWS, ["DEU", "FRA"]).assign(consumption=120.0, sector="electronics")
    for rule, expected in {
        "EC2021": True,
        "HJS2020": True,
        "MERICS2020": True,
        "MERICS2024": True,
        "EU65": True,
    }.items():
        out = dependency_screen(t, rule)
        assert bool(out.loc["magnets", "dependent"]) is expected
        assert out.attrs["thresholds"] == dict(SCREENS[rule])
    assert bool(dependency_screen(t, "MERICS2020").loc["magnets", "critical"])
    salt = dependency_screen(t, "EC2021").loc["salt"]
    assert salt["dependent"] is False or not salt["dependent"]
    assert dependency_screen(t, "HJS2020").loc["salt", "focal_import_share_flag"] is pd.NA


def test_thresholds_are_strict() -> None:
    at = {"hhi_origins": 0.4, "outside_imports": 50, "inside_imports": 50, "exports": 50}
    out = dependency_screen(at, "EC2021").iloc[0]
    assert not out[["cdf1_flag", "cdf2_flag", "cdf3_flag"]].any()
    hjs = {"outside_imports": 100, "exports": 100, "focal_imports": 50, "world_exports": 100, "focal_exports": 30}
    out = dependency_screen(hjs, "HJS2020").iloc[0]
    assert not out[["focal_import_share_flag", "net_imports_flag", "focal_world_share_flag"]].any()
    merics = {"outside_imports": 100, "exports": 0, "focal_imports": 30, "hhi_origins": 0.5}
    assert bool(dependency_screen(merics, "MERICS2024")["dependent"].iloc[0])  # here the publication says 30 % or more
    assert not bool(dependency_screen({"top_imports": 65, "consumption": 100}, "EU65")["dependent"].iloc[0])
    assert bool(dependency_screen({"top_imports": 65, "consumption": 100}, "EU65", top_share=0.6)["dependent"].iloc[0])


def test_no_exports_is_infinite_and_passes() -> None:
    row = {"hhi_origins": 0.9, "outside_imports": 10, "inside_imports": 0, "exports": 0}
    out = dependency_screen(row, "EC2021").iloc[0]
    assert out["cdf3"] == math.inf
    assert bool(out["dependent"])


def test_undefined_criteria_stay_undefined() -> None:
    row = {"hhi_origins": math.nan, "outside_imports": 10, "inside_imports": 0, "exports": 1}
    assert dependency_screen(row, "EC2021")["dependent"].iloc[0] is pd.NA
    row = {"hhi_origins": math.nan, "outside_imports": 1, "inside_imports": 10, "exports": 1}
    assert not bool(dependency_screen(row, "EC2021")["dependent"].iloc[0])  # another criterion fails already


def test_screen_refuses_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="EC2021"):
        dependency_screen({}, "EC2012")
    with pytest.raises(UnknownNameError, match="cdf1"):
        dependency_screen({"hhi_origins": 1}, "EC2021", cdf=0.5)
    with pytest.raises(SchemaError) as e:
        dependency_screen({"hhi_origins": 1}, "EC2021")
    assert len(e.value.problems) == 3


def test_persistence_counts_years() -> None:
    years = pd.DataFrame(
        [(p, y, h) for p, hs in {"a": (0.5, 0.5, 0.1), "b": (0.9, 0.1, 0.1), "c": (0.1, 0.9, math.nan)}.items()
         for y, h in zip((2021, 2022, 2023), hs, strict=True)],
        columns=["product", "year", "hhi_origins"],
    ).assign(outside_imports=10.0, inside_imports=0.0, exports=1.0)  # fmt: skip
    out = dependency_screen(years, "CEPII")
    assert bool(out.loc["a", "dependent"])
    assert not bool(out.loc["b", "dependent"])
    assert out.loc["c", "dependent"] is pd.NA  # the unknown year decides
    assert bool(dependency_screen(years, "CEPII", k=1)["dependent"].all())
    with pytest.raises(SchemaError, match="k <= n"):
        dependency_screen(years, "CEPII", k=4)
    with pytest.raises(SchemaError, match="twice"):
        persistence(pd.Series([True, True]), pd.Series(["a", "a"]), pd.Series([2020, 2020]), k=1, n=1)


def test_resourcing_ratio_edges() -> None:
    assert resourcing_ratio(10, 10, 100, 100) == math.inf
    assert resourcing_ratio(0, 10, 100, 50) == 0.0
    assert resourcing_ratio(60, 60, 100, 50).flags == ("not replaceable from trade",)
    assert math.isnan(resourcing_ratio(0, 0, 100, 50))
    with pytest.raises(SchemaError, match="part of imports"):
        resourcing_ratio(11, 10, 100, 50)


def test_vulnerability_profile_equals_removal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = int(rng.integers(1, 8))
        w = rng.random((n, n)) * (rng.random((n, n)) < 0.5)
        np.fill_diagonal(w, 0.0)
        got = vulnerability_profile(pd.DataFrame(w, index=range(n), columns=range(n)))
        left = w.copy()
        expected = [left.sum()]
        for k in np.argsort(-w.sum(axis=1), kind="stable"):
            left[k, :] = 0.0
            left[:, k] = 0.0
            expected.append(left.sum())
        if w.sum() == 0:
            assert got.isna().all()
        else:
            np.testing.assert_allclose(got, np.array(expected) / w.sum(), atol=1e-12)


def test_asymmetry_and_indispensability() -> None:
    a, b = asymmetry(40, 200, 40, 900), asymmetry(40, 900, 40, 200)
    assert a == pytest.approx(-b)
    assert (a.parts["d_ij"], a.parts["d_ji"]) == pytest.approx((0.2, 40 / 900))
    assert math.isnan(asymmetry(0, 0, 1, 2))
    with pytest.raises(SchemaError):
        asymmetry(3, 2, 1, 2)
    assert indispensability(0.5, [0.2, 0.4]) == pytest.approx(0.15)
    assert nassar_type(0.0, 1.0, 1.0) == 0.0
    with pytest.raises(SchemaError, match="TE"):
        nassar_type(0.5, 1.5, 0.5)


def test_without_imports_there_is_no_deficit() -> None:
    for exports in (100.0, 0.0, math.nan):
        row = {"outside_imports": 0.0, "exports": exports, "focal_imports": 0.0, "hhi_origins": 0.9}
        out = dependency_screen(row, "MERICS2024").iloc[0]
        assert not out["deficit_ratio_flag"]
        assert out["dependent"] is not pd.NA
        assert not out["dependent"]
        assert out["reason"] == ""


def test_infinite_figures_are_refused() -> None:
    row = {"hhi_origins": 0.9, "outside_imports": math.inf, "inside_imports": 0, "exports": math.inf}
    with pytest.raises(SchemaError, match=r"(?s)outside_imports: infinite.*exports: infinite"):
        dependency_screen(row, "EC2021")


def test_a_share_of_no_consumption_is_undefined_with_a_reason() -> None:
    t = pd.DataFrame({"top_imports": [1.0, 0.0, 70.0, 70.0], "consumption": [0.0, 0.0, 100.0, math.nan]})
    out = dependency_screen(t, "EU65")
    assert out["top_share"].isna().tolist() == [True, True, False, True]
    assert out["dependent"].isna().tolist() == [True, True, False, True]
    assert out["reason"].tolist() == [
        "a share of nothing: consumption 0",
        "a share of nothing: consumption 0",
        "",
        "consumption missing",
    ]


def _flows(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame([("p", *r) for r in rows], columns=["product", "exporter", "importer", "value"])


FOCAL_RULES = ("HJS2020", "MERICS2020", "MERICS2024")


@pytest.mark.parametrize("rest", ["ROW", "UNK"])
def test_screens_say_nothing_where_the_unnamed_could_decide(rest: str) -> None:
    t = trade_profile(_flows((rest, "DEU", 900.0), ("JPN", "DEU", 100.0)), ["DEU"]).assign(consumption=1000.0)
    assert t.loc["p", "hhi_origins_high"] == pytest.approx(0.82 if rest == "ROW" else 1.0)
    for rule in ("EC2021", *FOCAL_RULES, "EU65"):
        out = dependency_screen(t, rule).loc["p"]
        assert out["dependent"] is pd.NA, rule
        assert "without a named origin" in out["reason"]
    assert math.isnan(dependency_screen(t, "EC2021").loc["p", "cdf1"])
    assert math.isnan(dependency_screen(t, "MERICS2020").loc["p", "focal_import_share"])
    panel = pd.concat([t.assign(product="p", year=y).set_index(["product", "year"]) for y in (2021, 2022, 2023)])
    assert dependency_screen(panel, "CEPII").loc["p", "dependent"] is pd.NA


def test_screens_keep_what_is_certain_beside_unnamed_trade() -> None:
    # The focal has most of it already; a rest that is no listed supplier cannot make the other verdict true.
    t = trade_profile(_flows(("CHN", "DEU", 700.0), ("ROW", "DEU", 300.0)), ["DEU"])
    for rule in ("EC2021", "HJS2020", "MERICS2020", "MERICS2024"):
        out = dependency_screen(t, rule).loc["p"]
        assert bool(out["dependent"]), rule
        assert out["reason"] == ""
    few = trade_profile(_flows(("JPN", "DEU", 600.0), ("CHN", "DEU", 200.0), ("ROW", "DEU", 200.0)), ["DEU"])
    assert few.loc["p", "focal_imports_high"] == 200.0  # the importer lists China: its rest of the world is not China
    assert not bool(dependency_screen(few, "MERICS2020").loc["p", "dependent"])
    maybe = trade_profile(_flows(("JPN", "DEU", 450.0), ("CHN", "DEU", 350.0), ("UNK", "DEU", 200.0)), ["DEU"])
    assert maybe.loc["p", "focal_imports_high"] == 550.0
    out = dependency_screen(maybe, "MERICS2020").loc["p"]
    assert (out["dependent"], out["focal_import_share"]) == (pd.NA, pytest.approx(0.35))
    assert not bool(dependency_screen(maybe, "MERICS2020", focal_import_share=0.6).loc["p", "dependent"])


def test_unnamed_origins_of_a_bloc_are_bounded_by_every_completion() -> None:
    rng = np.random.default_rng(3)
    for _ in range(15):
        rows = [
            (str(x), str(m), float(rng.integers(1, 9)))
            for m in ("DEU", "FRA")
            for x in rng.choice(["CHN", "JPN", "USA", "ROW", "UNK"], rng.integers(1, 5), replace=False)
        ]
        t = trade_profile(_flows(*rows), ["DEU", "FRA"], ["CHN"]).loc["p"]
        for _ in range(8):
            true = []
            for x, m, v in rows:
                listed = {y for y, n, _ in rows if n == m}
                who = [c for c in ("CHN", "JPN", "USA", "NEW") if x == "UNK" or c not in listed]
                true.append((x if x not in ("ROW", "UNK") else str(rng.choice(who)), m, v))
            u = trade_profile(_flows(*true), ["DEU", "FRA"], ["CHN"]).loc["p"]
            assert t["hhi_origins"] - 1e-12 <= u["hhi_origins"] <= t["hhi_origins_high"] + 1e-12
            assert t["focal_imports"] <= u["focal_imports"] <= t["focal_imports_high"]
            assert t["focal_exports"] <= u["focal_exports"] <= t["focal_exports_high"]
            assert u["top_imports"] <= t["top_imports_high"]


def test_bounds_of_a_profile_are_checked() -> None:
    row = {"hhi_origins": 0.3, "outside_imports": 10, "inside_imports": 0, "exports": 1}
    with pytest.raises(SchemaError, match="below the figure"):
        dependency_screen(row | {"hhi_origins_high": 0.2}, "EC2021")
    with pytest.raises(SchemaError, match="above 1"):
        dependency_screen(row | {"hhi_origins_high": 4000}, "EC2021")
    assert dependency_screen(row | {"hhi_origins_high": 0.5}, "EC2021")["dependent"].iloc[0] is pd.NA

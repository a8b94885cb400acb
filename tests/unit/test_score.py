"""score, explain, compare, rank_stability on a small graph whose numbers are worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from supplyrisk import load_atlas
from supplyrisk import metrics as m
from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.graph import SupplyGraph
from supplyrisk.metrics.registering import metric
from supplyrisk.metrics.score import Origin, columns_of
from supplyrisk.registry import registries

GA, WAFER = "ga.refined", "chip.wafer"
BYS = ["link", "product", ["product", "buyer"], ["product", "coalition"], "stage", "chain", ["buyer"]]
VIEWS = ["location", "equity", "control", "origin"]


def _product(name, stage):
    return {
        "product": name,
        "name": name,
        "commodity": name.split(".")[0],
        "chain": name.split(".")[0],
        "stage": stage,
        "unit": "t",
        "basis": "contained",
        "period": "year",
    }


def _node(product, country, kind="producer", output=None, grade="A"):
    return {
        "node": f"{product}@{country}" + ("" if kind == "producer" else f":{kind}"),
        "product": product,
        "country": country,
        "kind": kind,
        "year": 2024,
        "output": output,
        "output_grade": grade if output else None,
        "output_source": "s" if output else None,
    }


def _link(supplier, buyer, product, quantity, grade="A"):
    return {
        "supplier": supplier,
        "buyer": buyer,
        "product": product,
        "year": 2024,
        "method": "observed",
        "quantity": quantity,
        "missing": None if quantity is not None else "unknown",
        "grade": grade,
        "source": None if grade == "assumption" else "s",
    }


def tables(scale=1.0):
    """China 600, Japan 150, Germany 100 (a Chinese majority holder), 50 unlisted."""
    k = scale
    nodes = [_node(GA, c, output=q * k) for c, q in (("CHN", 600.0), ("JPN", 150.0), ("DEU", 100.0), ("ROW", 50.0))]
    nodes += [_node(GA, c, "demand") for c in ("JPN", "DEU", "USA", "CHN", "WLD")]
    nodes += [_node(WAFER, "JPN", output=10.0 * k), _node(WAFER, "USA", "demand")]
    links = [
        _link(f"{GA}@CHN", f"{GA}@JPN:demand", GA, 100.0 * k),
        _link(f"{GA}@JPN", f"{GA}@JPN:demand", GA, 100.0 * k),
        _link(f"{GA}@DEU", f"{GA}@DEU:demand", GA, 80.0 * k, "C"),
        _link(f"{GA}@CHN", f"{GA}@DEU:demand", GA, 60.0 * k),
        _link(f"{GA}@DEU:demand", f"{GA}@USA:demand", GA, 40.0 * k),
        _link(f"{GA}@ROW", f"{GA}@USA:demand", GA, 20.0 * k),
        _link(f"{GA}@CHN", f"{GA}@USA:demand", GA, None, "assumption"),
        _link(f"{GA}@CHN", f"{GA}@CHN:demand", GA, 300.0 * k),
        _link(f"{GA}@JPN:demand", f"{WAFER}@JPN", GA, 50.0 * k),
        _link(f"{WAFER}@JPN", f"{WAFER}@USA:demand", WAFER, 10.0 * k),
    ]
    demand = [
        {"node": f"{GA}@{c}:demand", "use": "total", "year": 2024, "quantity": q * k, "grade": "B", "source": "s"}
        for c, q in (("CHN", 300.0), ("JPN", 150.0), ("DEU", 100.0))
    ]
    holding = {
        "asset": f"{GA}@DEU",
        "part": "",
        "portion": 1.0,
        "holder": "X",
        "holder_country": "CHN",
        "type": "majority",
        "share": 0.6,
        "grade": "C",
        "source": "s",
        "year": 2024,
    }
    return {
        "products": pd.DataFrame([_product(GA, "refine"), _product(WAFER, "wafer")]),
        "nodes": pd.DataFrame(nodes),
        "links": pd.DataFrame(links),
        "demand": pd.DataFrame(demand),
        "holdings": pd.DataFrame([holding]),
        "memberships": pd.DataFrame(
            [
                {"coalition": "MSP", "country": c, "role": "member", "valid_from": "2022-06"}
                for c in ("JPN", "USA", "DEU")
            ]
        ),
        "recipes": pd.DataFrame(
            [
                {
                    "product": WAFER,
                    "input": GA,
                    "process": "x",
                    "input_class": "essential",
                    "coefficient": 5.0,
                    "grade": "assumption",
                }
            ]
        ),
        "sources": pd.DataFrame([{"source": "s", "title": "T", "licence": "x", "licence_class": "facts"}]),
    }


@pytest.fixture(scope="module")
def g():
    return SupplyGraph.from_tables(tables())


def row(frame, *key):
    return frame.loc[(frame.index[0][0], frame.index[0][1], *key)]


def test_world_market_by_hand(g):
    s = row(m.score(g, by="product"), GA)
    shares = np.array([600, 150, 100]) / 900
    assert s["quantity"] == 900
    assert s["n_suppliers"] == 3
    assert s["focal_share"] == pytest.approx(600 / 900)
    assert s["hhi"] == pytest.approx((shares**2).sum())  # the unlisted 50 are not one supplier
    assert s["cr3"] == pytest.approx(850 / 900)
    # use: China 300, Japan 150 + 50 drawn by its wafers, Germany 100; of the United States' 60 of two flows are known
    assert s["n_minus_1_gross"] == pytest.approx(300 / 660)
    assert s["n_minus_1_net"] == pytest.approx(300 / 360)
    assert s["coverage"] == pytest.approx(850 / 900)
    assert s["headline"] == 1


def test_buyer_market_by_hand(g):
    s = m.score(g, by=["product", "buyer"])
    jpn, deu = row(s, GA, "JPN"), row(s, GA, "DEU")
    assert jpn[["quantity", "focal_share", "hhi"]].tolist() == [200, 0.5, 0.5]
    assert jpn["n_minus_1_gross"] == pytest.approx(100 / 200)
    assert np.isnan(jpn["n_minus_1_net"])
    assert deu["headline"] == pytest.approx(60 / 140)  # the German line is graded C
    assert np.isnan(row(s, GA, "USA")["coverage"])  # a link without a quantity may be any
    assert "WLD" not in s.index.get_level_values("buyer")
    control = m.score(g, by=["product", "buyer"], view="control")
    assert row(control, GA, "DEU")["focal_share"] == 1
    origin = m.score(g, by=["product", "buyer"], view="origin")
    assert row(origin, WAFER, "USA")["focal_share"] == pytest.approx(0.5)
    assert row(origin, WAFER, "USA")["bottleneck"] == pytest.approx(0.5)
    imports = m.score(g, by=["product", "buyer"], market="imports")
    assert row(imports, GA, "JPN")["focal_share"] == 1


def test_coalition_counts_what_enters_once(g):
    s = row(m.score(g, by=["product", "coalition"], coalition="MSP"), GA, "MSP")
    assert s["quantity"] == 360  # not the 40 that Germany passes on to the United States
    assert s["focal_share"] == pytest.approx(160 / 360)
    assert row(m.score(g, by="product", coalition="MSP"), GA, "MSP")["quantity"] == 360
    with pytest.raises(UnknownNameError, match="MSP"):
        m.score(g, by="coalition", coalition="MPS")


def test_the_union_stands_as_one_buyer_or_as_its_members():
    t = tables()
    more = [
        {"coalition": "MSP", "country": "EUE", "role": "member", "valid_from": "2022-06"},
        *({"coalition": "EU27", "country": c, "role": "member", "valid_from": "1995"} for c in ("DEU", "FRA")),
    ]
    t["memberships"] = pd.concat([t["memberships"].query("country != 'DEU'"), pd.DataFrame(more)], ignore_index=True)
    as_members = SupplyGraph.from_tables(t)
    assert row(m.score(as_members, by="product", coalition="MSP"), GA, "MSP")["quantity"] == 360
    t["nodes"] = pd.concat([t["nodes"], pd.DataFrame([_node(GA, "EUE", "demand")])], ignore_index=True)
    t["links"] = pd.concat(
        [t["links"], pd.DataFrame([_link(f"{GA}@CHN", f"{GA}@EUE:demand", GA, 70.0)])], ignore_index=True
    )
    as_one = SupplyGraph.from_tables(t)
    got = row(m.score(as_one, by="product", coalition="MSP"), GA, "MSP")
    # Germany's pool is within the union's now: 200 Japan, 70 union, and what comes to the United States from outside;
    # the 40 that Germany's pool passes on to it have entered the union before.
    assert got["quantity"] == 200 + 70 + 60 - 40
    # and so it is where the coalition is the Union itself: its own figure, not what is known of a member's pool
    one = row(m.score(as_one, by="product", coalition="EU27"), GA, "EU27")
    assert (one["quantity"], one["focal_share"]) == (70, 1.0)
    assert row(m.score(as_members, by="product", coalition="EU27"), GA, "EU27")["quantity"] == 140


def test_links_have_their_own_share_and_their_segments_concentration(g):
    s = m.score(g, view="origin")
    pool = s.loc[("CHN", "origin", f"{GA}@JPN:demand", f"{WAFER}@JPN", GA)]
    assert pool["share"] == 1
    assert pool["focal_share"] == pytest.approx(0.5)
    german = s.loc[("CHN", "origin", f"{GA}@DEU", f"{GA}@DEU:demand", GA)]
    assert german["share"] == pytest.approx(80 / 140)
    assert german["hhi"] == pytest.approx((80 / 140) ** 2 + (60 / 140) ** 2)
    assert german["headline"] == 0
    blank = s.loc[("CHN", "origin", f"{GA}@CHN", f"{GA}@USA:demand", GA)]
    assert np.isnan(blank["quantity"])
    assert blank["coverage"] == 0
    assert blank["focal_share"] == 1


@pytest.mark.parametrize("by", BYS, ids=str)
@pytest.mark.parametrize("view", VIEWS)
def test_bounds_hold_the_value_and_columns_are_numeric(g, by, view):
    s = m.score(g, view=view, by=by, bounds=True)
    assert all(pd.api.types.is_float_dtype(t) for t in s.dtypes)
    for c in m.score(g, view=view, by=by).columns.drop("data_year"):
        low, high = s[f"{c}_low"], s[f"{c}_high"]
        ok = ((low <= s[c] + 1e-9) & (s[c] <= high + 1e-9)) | s[c].isna() | low.isna()
        assert ok.all(), (c, s.loc[~ok, [c, f"{c}_low", f"{c}_high"]])
    about = s.attrs["columns"]["hhi"]
    assert {"unit", "low", "high", "method", "reference", "version"} <= set(about)
    assert about["data_years"] == (int(s["data_year"].min()), int(s["data_year"].max()))
    assert sum(about["grade_mix"].values()) == pytest.approx(1)
    assert 0 <= about["coverage"] <= 1


def test_unknown_owners_are_width_and_a_presumption_is_asked_for(g):
    s = row(m.score(g, by="product", view="equity", bounds=True), GA)
    assert s["focal_share"] == pytest.approx(60 / 900)
    assert s["focal_share_high"] == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(s["hhi"])
    assert s["hhi_high"] == pytest.approx(1.0)
    presumed = row(m.score(g, by="product", view="equity", unlisted="host"), GA)
    assert presumed["focal_share"] == pytest.approx(660 / 900)


@pytest.mark.parametrize("by", BYS, ids=str)
@pytest.mark.parametrize("view", VIEWS)
def test_contributions_add_up_to_the_score_or_there_is_a_reason(g, by, view):
    s = m.score(g, by=by, view=view)
    for index in s.index[len(s) // 2 :: len(s)]:
        for c in columns_of():
            e = m.explain(s, index, column=c.name)
            if np.isnan(e.value):
                assert e.reason
                assert e.reason in s.attrs["reasons"][c.name]
            else:
                assert e.contributions["contribution"].sum() == pytest.approx(e.value, abs=1e-9)


def test_explain_reaches_source_rows_and_names_what_it_cannot_find(g):
    e = m.explain(g, product=GA, buyer="DEU", view="control")
    assert e.contributions["supplier"].tolist() == [f"{GA}@DEU", f"{GA}@CHN"]
    assert {"links", "holdings"} <= set(e.rows["table"])
    assert "T" in set(e.rows["title"])
    assert "focal_share" in repr(e)
    with pytest.raises(UnknownNameError):
        m.explain(m.score(g, by="product"), product="ga.refind")
    with pytest.raises(SchemaError, match="not a result of score"):
        m.explain(pd.DataFrame({"hhi": [1.0]}), 0)
    with pytest.raises(SchemaError, match="rows match"):
        m.explain(m.score(g, by=["product", "buyer"]), product=GA)


def test_scores_align_and_subtract(g):
    other = tables()
    other["links"].loc[0, "quantity"] = 10.0
    d = m.score(SupplyGraph.from_tables(other)) - m.score(g)
    assert d.loc[("CHN", "location", f"{GA}@CHN", f"{GA}@JPN:demand", GA), "share"] == pytest.approx(10 / 110 - 0.5)
    assert (m.score(g) - m.score(g)).abs().sum().sum() == 0


def test_row_order_and_scale_never_change_a_result(g):
    t = tables()
    rng = np.random.default_rng(5)
    mixed = SupplyGraph.from_tables({k: v.iloc[rng.permutation(len(v))].reset_index(drop=True) for k, v in t.items()})
    for by in BYS:
        pd.testing.assert_frame_equal(
            m.score(g, by=by, bounds=True, samples=20), m.score(mixed, by=by, bounds=True, samples=20), check_exact=True
        )
    bigger = m.score(SupplyGraph.from_tables(tables(1e6)), by="product").drop(columns="quantity")
    pd.testing.assert_frame_equal(bigger, m.score(g, by="product").drop(columns="quantity"), rtol=1e-9)


def test_a_registered_metric_becomes_a_column_and_a_plain_function_may_be_handed_in(g):
    @metric(unit="1", bounds=(0, 1), reference="test", worse="high")
    def largest(mix):
        """Share of the largest supplier."""
        return mix.per(mix.max(mix.known))

    try:
        s = m.score(g, by="product")
        assert row(s, GA)["largest"] == pytest.approx(600 / 900)
        assert list(s.columns)[-1] == "largest"
    finally:
        registries["metric"].remove("largest")

    def twice(mix):
        return 2 * mix.per(mix.max(mix.known))

    s = m.score(g, by="product", metrics=["cr3", m.hhi, twice])
    assert list(s.columns) == ["cr3", "hhi", "twice"]
    with pytest.raises(SchemaError, match="one number for each"):
        m.score(g, metrics=[lambda mix: np.zeros(3)])
    with pytest.raises(UnknownNameError, match="hhi"):
        m.score(g, metrics=["hih"])


def test_wrong_names_and_keys_are_refused(g):
    for bad in ({"view": "controll"}, {"by": "suplier"}, {"focal": "China"}, {"market": "suply"}, {"unlisted": "x"}):
        with pytest.raises(UnknownNameError):
            m.score(g, **bad)
    for bad in ({"by": ["link", "product"]}, {"by": ["buyer", "coalition"]}, {"by": []}, {"market": "capacity"}):
        with pytest.raises(SchemaError):
            m.score(g, **bad)


def test_an_empty_graph_has_no_rows():
    s = m.score(SupplyGraph.from_tables(), bounds=True)
    assert len(s) == 0
    assert "hhi" in s


def test_samples_are_seeded_and_ranks_are_given_with_their_stability(g):
    by = ["product", "buyer"]
    a, b = (m.score(g, by=by, samples=200, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(a, b)
    assert (a["hhi_p05"].dropna() <= a["hhi_p95"].dropna()).all()
    assert not a["hhi_p05"].equals(m.score(g, by=by, samples=200, seed=5)["hhi_p05"])
    together = m.score(g, by=by, samples=200, seed=4, correlate="source")
    assert together["quantity_p95"].ge(a["quantity_p95"] - 1e-9).any()
    shares = m.score(g, by=by, samples=400, reliability=50)
    assert row(shares, GA, "JPN")["focal_share_p05"] == pytest.approx(0.385, abs=0.03)
    ranks = m.rank_stability(a, k=2)
    assert ranks["rank"].tolist()[:4] == [1, 2, 3, 4]
    assert np.isnan(ranks["rank"].iloc[4])  # the focal's own delivery has no figure: not ranked as 0
    assert ranks.loc[("CHN", "location", GA, "CHN"), "top_k"] == 1
    assert ranks.attrs["outranks"][0][1] == 1
    with pytest.raises(SchemaError, match="without samples"):
        m.rank_stability(m.score(g, by=by))
    with pytest.raises(UnknownNameError):
        m.score(g, samples=10, correlate="sauce")


def test_entropies_are_taken_apart_exactly(g):
    names = ["shannon", "theil", "evenness", "hhi_normalized", "unctad_concentration"]
    s = m.score(g, by=["product", "buyer"], metrics=names)
    seen = 0
    for index in s.index:
        for name in names:
            e = m.explain(s, index, column=name)
            if not np.isnan(e.value):
                seen += 1
                assert e.contributions["contribution"].sum() == pytest.approx(e.value, abs=1e-12)
                assert "no rule" not in e.rule
    assert seen > 10


def test_compare_names_what_changed_and_the_rule():
    key = pd.MultiIndex.from_product([["CHN"], ["location"], list("abcdefghi")], names=["focal", "view", "product"])
    before = pd.DataFrame({"focal_share": [0.4, 0.6, 0.7, 0.9, 0.1, np.nan, 0.1, 0.49]}, index=key[:8])
    after = pd.DataFrame({"focal_share": [0.6, 0.4, 0.8, 0.7, 0.1, 0.9, 0.3, 0.51, 0.9]}, index=key)
    out = m.compare(before, after)
    assert out["status"].droplevel([0, 1]).to_dict() == {
        "a": "new",
        "b": "resolved",
        "c": "worsened",
        "d": "improved",
        "e": "unchanged",
        "f": "unknown",
        "g": "changed",
        "h": "within noise",
        "i": "entered",
    }
    assert out.attrs["counts"]["new"] == 1
    assert out["dependent"].droplevel([0, 1])[list("abcefi")].tolist() == [
        "after",
        "before",
        "both",
        "neither",
        "",
        "after",
    ]
    assert out["reason"]["CHN", "location", "f"] == "before: no value"
    assert m.compare(after, before)["status"]["CHN", "location", "i"] == "left"
    kept = m.compare([before, before, before], [before, after, after], persistence=(2, 3))
    assert kept["status"]["CHN", "location", "a"] == "new"
    once = m.compare([before, before, before], [before, before, after], persistence=(2, 3))
    assert once["status"]["CHN", "location", "a"] == "changed"  # one year is no dependency yet
    assert "2 of 3 years" in once.attrs["rule"]
    gap = before.assign(focal_share=np.nan)
    short = m.compare([gap, gap, before], [after, after, after], persistence=(2, 3))
    assert short["status"]["CHN", "location", "b"] == "unknown"  # dependent in one year, the others could make it two
    assert short["reason"]["CHN", "location", "b"] == "before: too few years with a value"
    assert short["status"]["CHN", "location", "i"] == "entered"
    with pytest.raises(SchemaError):
        m.compare(before, after, persistence=(3, 2))
    ranges = [
        x.assign(focal_share_p05=x["focal_share"] - 0.15, focal_share_p95=x["focal_share"] + 0.15)
        for x in (before, after)
    ]
    assert m.compare(*ranges)["status"]["CHN", "location", "a"] == "within noise"


def test_compare_of_two_views_joins_on_the_other_keys(g):
    out = m.compare(m.score(g, by="product"), m.score(g, by="product", view="control"))
    assert set(out.index.get_level_values("view")) == {"location > control"}
    assert not set(out["status"]) & {"entered", "left"}
    assert (out["reason"][out["status"] == "unknown"] != "").all()


def test_compare_of_graphs_is_of_users_unless_told(g):
    same = m.compare(g, g)
    assert same.index.names == ["focal", "view", "product", "buyer"]
    assert set(same["status"]) <= {"unchanged", "unknown"}
    links = m.compare(g, g, by="link")
    assert links.index.names[2:] == ["supplier", "buyer", "product"]
    less = SupplyGraph.from_tables({**g.tables, "links": g.tables["links"].iloc[1:]}, as_of=g.as_of)
    gone = m.compare(g, less, by="link", column="share")
    assert gone.attrs["counts"]["left"] == 1
    assert m.compare(less, g, by="link").attrs["counts"]["entered"] == 1
    assert m.compare(g, less, by="product").index.names[2:] == ["product"]
    low = m.compare(g, less, column="effective_suppliers", threshold=2.0, tolerance=0.1)
    assert "effective_suppliers < 2" in low.attrs["rule"]


def test_scores_still_write_to_files(g, tmp_path):
    s = m.score(g, by="product")
    s.to_parquet(tmp_path / "s.parquet")
    assert pd.read_parquet(tmp_path / "s.parquet")["hhi"].tolist() == s["hhi"].tolist()


def test_ranks_of_draws_are_complete(monkeypatch, g):
    s = m.score(g, by=["product", "buyer"], samples=50, seed=4)
    n = len(s)
    rng = np.random.default_rng(7)
    d = rng.integers(0, 3, (50, n)).astype(float)  # many ties
    d[rng.random((50, n)) < 0.1] = np.nan
    d[:, 2] = np.nan
    monkeypatch.setattr(Origin, "drawn", lambda self, column: d)
    for k in (1, 3, n + 4):
        for largest in (True, False):
            r = m.rank_stability(s, k=k, largest=largest)
            wins, ties = np.array(r.attrs["outranks"]), np.array(r.attrs["ties"])
            total = wins + wins.T + ties
            lost = r.index.get_loc(s.index[2])
            fine = np.arange(n) != lost
            assert np.allclose(total[np.ix_(fine, fine)], 1)
            assert np.isnan(total[lost]).all()
            assert np.allclose(np.diag(ties)[fine], 1)
            assert r["top_k"].sum() == pytest.approx(np.minimum(k, (~np.isnan(d)).sum(axis=1)).mean())
            assert (r["rank_p05"].dropna() <= r["rank_p50"].dropna()).all()
            assert np.isnan(r["rank_p50"].iloc[lost])
            assert r["beats_next"].iloc[:-1].tolist() == pytest.approx(np.diag(wins, 1), nan_ok=True)
            # rank 1 is the dependent end: whoever has it in a draw has the largest (smallest) value there
            at = [s.index.get_loc(i) for i in r.index]
            best = np.nanmax(d, axis=1) if largest else np.nanmin(d, axis=1)
            if k == 1:
                share = (d == best[:, None]) / (d == best[:, None]).sum(axis=1, keepdims=True)
                assert np.allclose(r["top_k"], share.mean(axis=0)[at])
    with pytest.raises(SchemaError, match="below 1"):
        m.rank_stability(s, k=0)


def test_equal_values_share_a_rank(g):
    s = m.score(g, by=["product", "buyer"], samples=20, seed=4)
    s = s.assign(focal_share=0.5)
    s.iloc[0, s.columns.get_loc("focal_share")] = np.nan
    r = m.rank_stability(s)
    assert r["rank"].iloc[:-1].tolist() == [(len(s)) / 2] * (len(s) - 1)
    assert np.isnan(r["rank"].iloc[-1])


def test_the_range_of_ranks_holds_the_rank_by_value():
    """Unknown owners can only add to the others' values: the draws alone may leave the rank by value outside."""
    s = m.score(load_atlas(), by="product", view="origin", metrics=["focal_share"], samples=100)
    r = m.rank_stability(s)
    known = r["rank"].notna()
    assert ((r["rank"] < r["rank_p05"]) | (r["rank"] > r["rank_p95"])).any()
    assert (r["rank_low"] <= r["rank"])[known].all()
    assert (r["rank"] <= r["rank_high"])[known].all()
    assert (r["rank_low"] <= r["rank_p05"])[known].all()
    assert (r["rank_high"] >= r["rank_p95"])[known].all()


def test_columns_without_bounds_say_so(g):
    s = m.score(g, by="product", bounds=True, metrics=["hhi", "theil", "coverage", "headline", lambda mix: mix.total])
    assert s.attrs["columns"]["theil_low"]["bounds"] == "exact"
    for name in ("coverage", "headline"):
        assert s.attrs["columns"][f"{name}_low"]["bounds"] == "none"
        assert s[f"{name}_low"].isna().all()
        assert "how much is known" in next(iter(s.attrs["reasons"][f"{name}_high"]))
    assert "given by the caller" in next(iter(s.attrs["reasons"]["<lambda>_low"]))
    assert s.attrs["reasons"]["hhi_low"] == {}
    fine = s[["theil", "theil_low", "theil_high"]].dropna()
    assert len(fine)
    assert (fine["theil_low"] - 1e-9 <= fine["theil"]).all()
    assert (fine["theil"] <= fine["theil_high"] + 1e-9).all()
    assert len(s.attrs["reasons"].rows("coverage_low")) == len(s)


def test_the_prior_of_the_draws_is_said_beside_them() -> None:
    """Owners not on record: the value is what is known, and below its own quantiles; the score says why and how often."""
    made = {"CHN": 30.0, "JPN": 30.0, "USA": 40.0}
    g = SupplyGraph.from_tables(
        products=pd.DataFrame(
            [
                {
                    "product": "ga", "name": "G", "commodity": "g", "chain": "g", "stage": "refine", "unit": "t",
                    "basis": "contained", "period": "year",
                }
            ]
        ),
        nodes=pd.DataFrame(
            [
                {
                    "node": f"ga@{c}", "product": "ga", "country": c, "kind": "producer", "year": 2020, "output": q,
                    "output_grade": "assumption",
                }
                for c, q in made.items()
            ]
        ),
    )  # fmt: skip
    s = m.score(g, by="product", view="control", samples=500, metrics=["focal_share"])
    row = s.iloc[0]
    assert row["focal_share"] < row["focal_share_p05"]  # two suppliers of whom nobody says who holds them
    # The triangle with its peak at nought has a mean of a third: 0.3 + 0.7 / 3.
    assert row["focal_share_p05"] < 0.3 + 0.7 / 3 < row["focal_share_p95"]
    prior = s.attrs["prior"]
    assert "what is known" in prior["value"]
    assert "from 0 to 1, nought the likeliest" in prior["parts"]
    assert prior["rows with the value outside"] == {"focal_share": 1}
    assert "prior" in s.attrs["columns"]["focal_share_p05"]["over"]
    placed = m.score(g, by="product", samples=500, metrics=["focal_share"], reliability=50).attrs["prior"]
    assert placed["rows with the value outside"] == {}
    assert "Dirichlet" in placed["figures"]
    assert "prior" not in m.score(g, by="product", metrics=["hhi"]).attrs
    assert "The value is what is known" in (m.score.__doc__ or "")


def test_what_enters_and_leaves_says_why(g):
    nodes = g.tables["nodes"].assign(published_on="2024-03-01")
    later = g.replace(nodes=nodes.assign(published_on=nodes["published_on"].mask(nodes["product"] == GA, "2025-05")))
    out = m.compare(later.at("2024-12-31"), later, by="product")
    came = out[out["status"] == "entered"]
    assert set(came.index.get_level_values("product")) == {GA}
    assert came["reason"].tolist() == ["before: no such row: its figures were not published then"]
    less = g.select(product=[p for p in g.tables["products"]["product"] if p != GA])
    gone = m.compare(g, less, by="product")
    assert gone.loc[gone["status"] == "left", "reason"].tolist() == [
        "after: no such row: the market is not in that graph"
    ]


def test_use_that_is_nothing_at_the_point_is_open_within_the_flows():
    """All that comes in, by its figures, goes on; within their bounds some may stay: supply left is over that."""
    nodes = {"x@AUS": 9.0, "x@JPN": 4.0, "x@NLD:demand": None, "x@DEU:demand": None}
    links = [
        ("x@AUS", "x@NLD:demand", 3.0, 1.0, 5.0),
        ("x@AUS", "x@DEU:demand", 4.0, 2.0, 5.0),
        ("x@JPN", "x@DEU:demand", 1.0, 1.0, 1.0),
        ("x@NLD:demand", "x@DEU:demand", 3.0, 2.0, 4.0),
    ]
    s = m.score(_flows_of(nodes, links), by=["product", "buyer"], bounds=True, metrics=["n_minus_1_gross"]).droplevel(
        [0, 1]
    )
    row = s.loc[("x", "NLD")]
    assert np.isnan(row["n_minus_1_gross"])
    assert (row["n_minus_1_gross_low"], row["n_minus_1_gross_high"]) == (0.0, np.inf)


def _flows_of(nodes, links):
    product = {"product": "x", "name": "x", "commodity": "x", "chain": "x", "stage": "mine", "unit": "t"}
    product |= {"basis": "contained", "period": "year"}
    fixed = {"product": "x", "year": 2024, "source": "s", "grade": "A"}
    rows = [
        {"node": k, "product": "x", "country": k[2:5], "kind": "producer" if q else "demand", "year": 2024}
        | ({"output": q, "output_low": q, "output_high": q, "output_grade": "A", "output_source": "s"} if q else {})
        for k, q in nodes.items()
    ]
    columns = ("supplier", "buyer", "quantity", "low", "high")
    flows = [dict(zip(columns, x, strict=True)) | fixed | {"method": "observed"} for x in links]
    return SupplyGraph.from_tables(
        products=pd.DataFrame([product]),
        sources=pd.DataFrame([{"source": "s", "title": "t", "licence": "CC0", "licence_class": "cc0"}]),
        nodes=pd.DataFrame(rows),
        links=pd.DataFrame(flows),
    )

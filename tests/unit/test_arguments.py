"""What a user may hand to the functions on plain tables: one contract for all of them, right or refused by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import supplyrisk as sr
from supplyrisk import control, exposure
from supplyrisk.errors import SchemaError, SupplyRiskError, UnknownNameError
from supplyrisk.shocks import systemic

ROWS = [("CD", "CN", 80.0), ("CD", "FI", 20.0), ("AU", "CN", 10.0), ("AU", "FI", 30.0), ("CN", "home", 54.0)]
FLOWS = pd.DataFrame([*ROWS, ("FI", "home", 36.0)], columns=["supplier", "buyer", "quantity"])
SUPPLY = {"CD": 100.0, "AU": 40.0}
ABC, PQRS = list("abc"), list("pqrs")
A = pd.DataFrame([[0.40, 0.02, 0.03], [0.05, 0.45, 0.08], [0.08, 0.06, 0.35]], index=ABC, columns=ABC)
W = pd.DataFrame(0.0, index=PQRS, columns=PQRS)
W.iloc[0, 2], W.iloc[1, 2], W.iloc[2, 3] = 4.0, 2.0, 6.0
CLASSES = {("a", "b"): 2, ("b", "c"): 1}
PRODUCT = {
    "product": "x",
    "name": "X",
    "commodity": "x",
    "chain": "x",
    "stage": "mine",
    "unit": "t",
    "basis": "gross",
    "period": "year",
}
MADE = {"product": "x", "country": "CHN", "kind": "producer", "year": 2024, "output": 5.0, "grade": "assumption"}
LINK = {"product": "x", "year": 2024, "method": "observed", "quantity": 5.0, "grade": "assumption"}
HELD = {
    "asset": "x@CHN",
    "holder": "H",
    "holder_country": "USA",
    "share": 0.6,
    "type": "equity",
    "year": 2024,
    "grade": "assumption",
}
GRAPH = sr.SupplyGraph.from_tables(
    products=pd.DataFrame([PRODUCT]),
    nodes=pd.DataFrame(
        [
            dict(MADE, node="x@CHN"),
            {"node": "x@JPN:demand", "product": "x", "country": "JPN", "kind": "demand", "year": 2024},
        ]
    ),
    links=pd.DataFrame([dict(LINK, supplier="x@CHN", buyer="x@JPN:demand")]),
    holdings=pd.DataFrame([HELD]),
)
POOL = "x@JPN:demand"

# Every public function on plain tables, with arguments that are good.
CALLS = {
    "origin": (exposure.origin, {"flows": FLOWS, "supply": SUPPLY, "by": {"CD": "Africa"}}),
    "touch_probability": (exposure.touch_probability, {"flows": FLOWS, "own": {"CN": 1.0}, "supply": SUPPLY}),
    "free_flow": (
        exposure.free_flow,
        {
            "flows": FLOWS,
            "to": "home",
            "supply": SUPPLY,
            "demand": {"home": 90.0},
            "capacity": {"FI": 50.0},
            "without": ["CN"],
        },
    ),
    "dominators": (exposure.dominators, {"flows": FLOWS, "to": "home", "sources": ["CD"]}),
    "face_value": (exposure.face_value, {"table": A, "x": [1.0, 1.0, 2.0], "region": ["H", "C", "R"], "focal": "C"}),
    "io_lookthrough": (
        exposure.io_lookthrough,
        {
            "table": A,
            "x": [1.0, 1.0, 2.0],
            "region": ["H", "C", "R"],
            "focal": ["C"],
            "rows": [True, True, False],
            "of": "all",
        },
    ),
    "bottleneck": (
        exposure.bottleneck,
        {
            "exposures": [0.2, 0.75, 0.5],
            "weights": [0.6, 0.1, 0.3],
            "essential": [True, True, False],
            "group": ["a", "a", "b"],
        },
    ),
    "bottleneck by class": (
        exposure.bottleneck,
        {"exposures": [0.2, 0.75, 0.5], "classes": ["essential", "important", "minor"]},
    ),
    "esri": (
        systemic.esri,
        {
            "sales": W,
            "sectors": ["a", "a", "b", "c"],
            "importance": CLASSES,
            "firms": ["p"],
            "revenue": [4.0, 2.0, 6.0, 1.0],
            "weights": [1.0, 1.0, 1.0, 2.0],
            "material_cost": [1.0, 1.0, 7.0, 7.0],
            "epsilon": 0.01,
        },
    ),
    "esri of a shock": (
        systemic.esri,
        {"sales": W, "sectors": ["a", "a", "b", "c"], "importance": CLASSES, "shock": {"p": 0.5}},
    ),
    "inoperability": (systemic.inoperability, {"a_star": A, "perturbation": [0.1, 0.0, 0.2]}),
    "inoperability_path": (
        systemic.inoperability_path,
        {"a_star": A, "perturbation": [0.1, 0.0, 0.2], "resilience": [0.5, 0.5, 0.4], "start": 0.0, "steps": 3},
    ),
    "interdependency": (systemic.interdependency, {"coefficients": A, "output": [1.0, 2.0, 3.0], "kind": "demand"}),
    "recovery_rate": (systemic.recovery_rate, {"start": 0.08, "end": 0.001, "periods": 30, "own": 0.1}),
    "shapley_shubik": (control.shapley_shubik, {"votes": [0.5, 0.4, 0.1], "quota": 0.5}),
    "equity": (control.equity, {"holder": ["A", "B"], "asset": ["B", "C"], "share": [0.6, 0.7]}),
    "majority": (
        control.majority,
        {"holder": ["A", "B"], "asset": ["B", "C"], "votes": [0.6, 0.7], "threshold": 0.5, "group": ["g", "h"]},
    ),
    "network_power": (
        control.network_power,
        {"holder": ["A", "B"], "asset": ["B", "C"], "votes": [0.6, 0.7], "quota": 0.5, "draws": 10, "seed": 0},
    ),
    "override": (control.override, {"graph": GRAPH, "taken": {"x@CHN": 0.5}}),
    "mixed": (control.mixed, {"graph": GRAPH, "x": np.array([0.2, 0.3])}),
    "focal_share": (control.focal_share, {"graph": GRAPH, "focal": "CHN", "view": "location", "threshold": 0.5}),
    "composition": (control.composition, {"graph": GRAPH, "view": "location", "threshold": 0.5}),
    "exposure": (exposure.exposure, {"graph": GRAPH, "focal": "CHN", "base": "location"}),
    "by_tier": (exposure.by_tier, {"graph": GRAPH, "focal": "CHN", "tiers": 2}),
    "trace": (exposure.trace, {"graph": GRAPH, "own": np.array([0.5, 0.0]), "mode": "linear", "unknown": 0.0}),
    "input_weights": (exposure.input_weights, {"graph": GRAPH}),
    "paths": (exposure.paths, {"graph": GRAPH, "to": POOL, "via": "CHN", "k": 3, "longest": 4}),
    "origin of a graph": (exposure.origin, {"flows": GRAPH, "by": {"x@CHN": "A"}}),
    "touch of a graph": (exposure.touch_probability, {"flows": GRAPH, "own": np.array([0.5, 0.0])}),
    "free flow of a graph": (
        exposure.free_flow,
        {"flows": GRAPH, "to": POOL, "supply": {"x@CHN": 5.0}, "demand": {POOL: 3.0}, "without": (), "focal": "JPN"},
    ),
}
CASES = [(name, arg) for name, (_, good) in CALLS.items() for arg in good]


def _anything():
    """Values of every kind, most of them wrong wherever they are put."""
    nested = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    return [None, "xyz", 3, -1, np.nan, np.inf, pd.NA, True, 1j, b"x", dt.date(2020, 1, 1), Decimal("0.5"), object(), len,
            [], {}, {1, 2}, ("a", "b"), [[1, 2], [3, 4]], [None] * 3, ["x"] * 3, [1j] * 3, [-1.0] * 4, [np.nan] * 2,
            {None: 1.0}, {"CD": [1]}, {"zzz": 1.0}, {"CD": "1"}, {"CD": None}, np.array(1.0), np.zeros((2, 2, 2)),
            np.zeros((3, 1)), pd.Series([], dtype=float), pd.Series([1.0, 2.0], index=nested), pd.Series([1.0, 1.0], ["a", "a"]),
            pd.Series([1, None, 1], list("abc"), dtype="Int64"), pd.Series(["1", "2", "3"], list("abc")), pd.DataFrame(),
            pd.DataFrame({"u": [1.0], "v": [2.0]}), pd.Index(["CD"]), sparse.csr_matrix(np.eye(2)),
            (x for x in (1, 2)), 10**400]  # fmt: skip


def _tables(table):
    """Frames like a good one, each with one thing about it that is different."""
    out = [
        table.iloc[:0],
        table.iloc[:-1],
        table.assign(more=1),
        table.reset_index(drop=True),
        table.to_numpy(),
        table.T,
    ]
    n = len(table)
    out += [
        table.set_axis(pd.MultiIndex.from_product([["l"], table.columns]), axis=1),
        table.iloc[::-1],
        table.to_dict(),
    ]
    out += [table.set_axis(["a"] * n, axis=0), table.set_axis([f"z{i}" for i in range(n)], axis=0)]
    for cell in (None, np.nan, pd.NA, "x", -1.0, np.inf, 1j, [1], Decimal("0.1"), pd.Timestamp("2020")):
        for at in (0, -1):
            other = table.astype(object)
            other.iat[0, at] = cell
            out.append(other)
    if "supplier" in table:
        out += [table.drop(columns=c) for c in table]
        out += [pd.concat([table, table[["supplier"]]], axis=1), table.assign(quantity=1j), table.assign(supplier="")]
    return out


@pytest.mark.parametrize(("name", "arg"), CASES)
def test_whatever_is_given_is_right_or_refused_by_name(name, arg):
    function, good = CALLS[name]
    function(**good)
    given = [*_anything(), *(_tables(good[arg]) if isinstance(good[arg], pd.DataFrame) else [])]
    told = []
    for value in given:
        try:
            function(**{**good, arg: value})
        except SupplyRiskError as error:  # any other error fails the test
            told.append((error, value))
    for error, value in told:
        problems = getattr(error, "problems", ())
        assert all(p.rule and p.table for p in problems), (value, error)
        assert problems or "unknown" in str(error), (value, error)


def _same(got, want):
    got, want = (
        getattr(x, "scores", getattr(x, "share", x)) if not isinstance(x, pd.DataFrame) else x for x in (got, want)
    )
    if isinstance(want, pd.DataFrame):
        pd.testing.assert_frame_equal(got, want)
    elif isinstance(want, pd.Series):
        pd.testing.assert_series_equal(got, want)
    elif isinstance(want, sr.SupplyGraph):
        pd.testing.assert_frame_equal(got.tables["holdings"], want.tables["holdings"])
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("name", "arg"), [c for c in CASES if isinstance(CALLS[c[0]][1][c[1]], dict) and c[1] != "importance"]
)
def test_figures_by_name_may_be_a_mapping_a_series_or_a_frame(name, arg):
    function, good = CALLS[name]
    want, s = function(**good), pd.Series(good[arg])
    forms = [s, s.iloc[::-1], s.astype(object), s.astype("category")]
    if s.dtype == float:
        forms += [s.to_frame(arg), s.astype("Float64"), {k: Fraction(v) for k, v in good[arg].items()}]
        forms += [{k: Decimal(v) for k, v in good[arg].items()}, {k: np.float32(v) for k, v in good[arg].items()}]
    for form in forms:
        if name == "origin of a graph" and isinstance(form, pd.DataFrame):
            continue
        _same(function(**{**good, arg: form}), want)


ORDERED = [
    (name, arg)
    for name, arg in CASES
    if name.split()[0]
    in ("face_value", "io_lookthrough", "esri", "inoperability", "inoperability_path", "interdependency")
    and isinstance(CALLS[name][1][arg], list)
    and arg not in ("focal", "firms")
]


@pytest.mark.parametrize(("name", "arg"), ORDERED)
def test_figures_beside_a_table_go_by_label_or_are_refused(name, arg):
    function, good = CALLS[name]
    want, n = function(**good), len(good[arg])
    labels = PQRS if n == 4 else ABC
    s = pd.Series(good[arg], index=labels)
    alike = [s, s.iloc[::-1], s.to_dict(), dict(reversed(list(s.items()))), s.to_numpy()]
    alike += [s.reset_index(drop=True), np.array(good[arg], dtype=object).reshape(-1, 1), tuple(good[arg])]
    if arg != "perturbation":  # there a frame has a row per step
        alike.append(s.to_frame("v").iloc[::-1])
    for form in alike:
        _same(function(**{**good, arg: form}), want)
    wrong = {
        "index is not that of the table.*No .* is called zz": s.rename({labels[0]: "zz"}),
        f"{labels[-1]}": s.iloc[:-1],
        "twice": pd.concat([s, s.iloc[:1]]),
        "not one per": "x" * n,  # not letter by letter
        "called ": pd.Series(good[arg], index=[f"z{x}" for x in labels]),
    }
    for words, form in wrong.items():
        with pytest.raises(SchemaError, match=words):
            function(**{**good, arg: form})
    if isinstance(good[arg][0], float):
        for bad in (np.nan, -1.0, "x", np.inf):
            given = s.astype(object)
            given[labels[1]] = bad
            with pytest.raises(SchemaError, match=rf"(sector|firm) {labels[1]}\]\.{arg}: .*\(got "):
                function(**{**good, arg: given})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: exposure.origin(f, SUPPLY), r"needs columns supplier, buyer, quantity: 'supplier' is missing"),
        (lambda f: exposure.touch_probability(f, {"CN": 1.0}, SUPPLY), r"Rename 'Suppliers'\?"),
        (lambda f: exposure.free_flow(f, supply=SUPPLY, demand={"home": 9.0}), "There are Suppliers, buyer, quantity"),
        (lambda f: exposure.dominators(f, "home"), "needs columns supplier, buyer"),
        (lambda f: exposure.paths(f, "home"), "not a graph .*DataFrame"),
        (lambda f: exposure.bottleneck(f), "frame of several columns"),
    ],
)
def test_columns_that_are_needed_are_named(call, words):
    with pytest.raises(SchemaError, match=words):
        call(FLOWS.rename(columns={"supplier": "Suppliers"}))


def test_one_name_is_one_node():
    free = {"supply": SUPPLY, "demand": {"home": 90.0}}
    listed = exposure.free_flow(FLOWS, without=["CN"], **free)
    assert exposure.free_flow(FLOWS, without="CN", **free).share == listed.share == 0.4
    assert exposure.dominators(FLOWS, "FI", sources="CD") == exposure.dominators(FLOWS, ["FI"], sources=["CD"])
    closed = systemic.esri(W, ["a", "a", "b", "c"], CLASSES, firms="p").scores
    assert closed.index.tolist() == ["p"]
    with pytest.raises(UnknownNameError, match=r"'hom' in free_flow\(\) to.*'home'"):
        exposure.free_flow(FLOWS, to=["home", "hom"], **free)
    with pytest.raises(UnknownNameError, match=r"unknown node 'CNN'.*'CN'"):
        exposure.free_flow(FLOWS, without="CNN", **free)
    with pytest.raises(SchemaError, match="not one node"):
        exposure.dominators(FLOWS, ["FI", "CN"])


def test_names_that_are_no_nodes_are_no_sources():
    with pytest.raises(UnknownNameError, match="unknown node 'DC'"):
        exposure.origin(FLOWS, {**SUPPLY, "DC": 1.0})
    with pytest.raises(UnknownNameError, match=r"'Au'.*'AU'"):
        exposure.origin(FLOWS, SUPPLY, by={"CD": "Africa", "Au": "Oceania"})
    # A longer list of places is no misspelling, as long as no source is without its label.
    by = pd.Series({"CD": "Africa", "AU": "Oceania", "ZA": "Africa"})
    assert exposure.origin(FLOWS, SUPPLY, by=by).columns.tolist() == ["Africa", "Oceania"]
    with pytest.raises(SchemaError, match=r"\[CD\].by: no label"):
        exposure.origin(FLOWS, SUPPLY, by={"CD": np.nan})
    numbers = FLOWS.replace({"CD": 1, "AU": 2}).infer_objects()
    assert exposure.origin(numbers, {1: 100, 2: 40}, by={1: "Africa"}).columns.tolist() == ["Africa", 2]


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(SchemaError) as told:
        exposure.origin(FLOWS, {"CD": -1.0, "AU": "much"})
    assert [(p.row, p.rule, p.value) for p in told.value.problems] == [
        ("CD", "negative", "-1.0"),
        ("AU", "not a number", "'much'"),
    ]
    broken = A.astype(object)
    broken.loc["b", "c"], broken.loc["a", "a"] = -0.1, np.nan
    for call in (
        lambda: systemic.inoperability(broken, [0.1, 0, 0]),
        lambda: exposure.face_value(broken, region=["H", "C", "R"]),
        lambda: systemic.interdependency(broken, [1, 1, 1]),
    ):
        with pytest.raises(SchemaError) as told:
            call()
        assert {p.row for p in told.value.problems} == {"a to a", "b to c"}


def test_a_shock_names_its_firms():
    def lost(shock):
        return systemic.esri(W, ["a", "a", "b", "c"], CLASSES, shock=shock).scores.iloc[0]

    want = lost({"p": 0.5})
    assert (
        lost(pd.Series({"p": 0.5})) == lost([0.5, 1, 1, 1]) == lost(pd.DataFrame({"s": {"p": Decimal("0.5")}})) == want
    )
    with pytest.raises(SchemaError, match=r"firm p\]\.shock: above 1 \(got 1.5\)"):
        lost({"p": 1.5})
    with pytest.raises(SchemaError, match=r"firm q\]\.shock\[t\]: missing"):
        lost(pd.DataFrame({"s": [0.5, 0.5], "t": [0.1, np.nan]}, index=["p", "q"]))
    with pytest.raises(SchemaError, match=r"twice.*p"):
        lost(pd.Series([0.5, 0.2], index=["p", "p"]))
    with pytest.raises(UnknownNameError, match="'pp'"):
        lost({"pp": 0.5})
    with pytest.raises(SchemaError, match="not one per firm"):
        lost([0.5])


def test_steps_of_a_perturbation_go_by_sector_and_in_order():
    table = pd.DataFrame([[0.1, 0.0, 0.2]] * 3, columns=ABC)
    want = systemic.inoperability_path(A, [0.1, 0.0, 0.2], 0.5, 0.0, 3)
    pd.testing.assert_frame_equal(systemic.inoperability_path(A, table[["c", "a", "b"]], 0.5, 0.0, 3), want)
    with pytest.raises(SchemaError, match=r"step 1\]\.perturbation\[b\]: above 1"):
        systemic.inoperability_path(A, table.assign(b=[0.0, 2.0, 0.0]), 0.5, 0.0, 3)
    with pytest.raises(SchemaError, match="in order"):
        systemic.inoperability_path(A, table.iloc[::-1], 0.5, 0.0, 3)


def test_sectors_of_two_levels():
    both = pd.MultiIndex.from_product([["CN"], ABC])
    table = A.set_axis(both, axis=0).set_axis(both, axis=1)
    x = pd.Series([1.0, 1.0, 2.0], index=both)
    want = exposure.face_value(A, [1.0, 1.0, 2.0], region=["H", "C", "R"])
    got = exposure.face_value(table, x.iloc[::-1], region={("CN", "b"): "C", ("CN", "a"): "H", ("CN", "c"): "R"})
    np.testing.assert_array_equal(got[want.columns], want)
    with pytest.raises(SchemaError, match="index is not that of the table"):
        exposure.face_value(table, x.droplevel(0), region=["H", "C", "R"])
    w = W.set_axis(pd.MultiIndex.from_product([["CN"], PQRS]), axis=0)
    w.columns = w.index
    with pytest.raises(UnknownNameError):  # part of a name is no name
        systemic.esri(w, ["a", "a", "b", "c"], CLASSES, shock={"CN": 0.5})

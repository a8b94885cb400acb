"""assemble() and stated use: several uses of one country, a total beside its parts, users of whom nothing else is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from supplyrisk.assemble import assemble
from supplyrisk.errors import SchemaError
from supplyrisk.graph import SupplyGraph
from supplyrisk.sources import eto_chipexplorer, tidy, together
from supplyrisk.uses import country_use, final_use, one_account

X, JPN, WLD = "x.refined", "x.refined@JPN:demand", "x.refined@WLD:demand"


def rows(*of: tuple[Any, ...], columns: str = "product country use quantity", year: int = 2024) -> pd.DataFrame:
    frame = pd.DataFrame(of, columns=columns.split())
    return frame.assign(**{c: v for c, v in (("year", year), ("grade", "assumption")) if c not in frame})


PRODUCTS = pd.DataFrame(
    [
        {
            "product": p,
            "name": n,
            "commodity": "x",
            "chain": "x",
            "stage": s,
            "unit": "t",
            "basis": "gross",
            "period": "year",
        }
        for p, n, s in ((X, "Refined x", "metal"), ("x.device", "Led", "device"), ("x.wafer", "Wafer", "device"))
    ]
)
MADE = rows((X, "CHN", 900.0), (X, "JPN", 30.0), columns="product country quantity")
TRADE = pd.DataFrame([{"hs6": "850511", "origin": "CHN", "destination": "DEU", "year": 2024, "quantity": 200.0}])
HEADING = pd.DataFrame([{"hs6": "850511", "product": X, "factor": 1.0, "purity": 1.0}])
RECIPE = pd.DataFrame(
    [
        {
            "product": "x.device",
            "input": X,
            "process": "p",
            "coefficient": 1.0,
            "input_class": "essential",
            "grade": "assumption",
        }
    ]
)


def used(*uses: tuple[str | None, float], country: str = "JPN") -> pd.DataFrame:
    return rows(*((X, country, u, q) for u, q in uses))


def built(demand: pd.DataFrame, made: pd.DataFrame = MADE, **more: Any) -> SupplyGraph:
    return assemble(products=PRODUCTS, production=made, demand=demand, **more)


def flow(g: SupplyGraph, supplier: str, buyer: str) -> float:
    return float(g.links.set_index(["supplier", "buyer"])["quantity"][supplier, buyer])


def use_of(g: SupplyGraph, node: str) -> float:
    return float(g.demand.loc[g.demand["node"] == node, "quantity"].sum())


PARTS = [("led", 60.0), ("pv", 40.0)]


@pytest.mark.parametrize(
    "uses",
    [
        [("total", 100.0)],
        [(None, 100.0)],
        PARTS,
        PARTS[::-1],
        [("total", 100.0), *PARTS],
        [*PARTS[::-1], ("Total ", 100.0)],
    ],
)
def test_what_a_country_uses_is_the_same_however_it_is_stated(uses: list[tuple[str | None, float]]) -> None:
    g = built(used(*uses))
    assert flow(g, f"{X}@JPN", JPN) == 30.0
    assert flow(g, WLD, JPN) == 70.0
    assert (use_of(g, JPN), use_of(g, WLD)) == (100.0, 830.0)
    assert g.balance().empty
    assert not len(g.gaps)


@pytest.mark.parametrize("uses", [[("total", 100.0)], PARTS, [("led lamps", 50.0), ("pv", 30.0), ("other", 20.0)]])
def test_what_producers_draw_is_taken_from_a_use_once(uses: list[tuple[str, float]]) -> None:
    made = rows((X, "JPN", 500.0), ("x.device", "JPN", 30.0), columns="product country quantity")
    g = built(used(*uses), made, recipes=RECIPE)
    assert use_of(g, JPN) == pytest.approx(70.0)
    assert g.balance().empty


def test_a_use_called_after_a_product_is_that_of_its_makers() -> None:
    made = rows((X, "JPN", 500.0), ("x.device", "JPN", 30.0), columns="product country quantity")
    for name in ("LED", "x.device"):  # the product x.device is named "Led"
        g = built(used((name, 60.0), ("pv", 40.0)), made, recipes=RECIPE)
        assert dict(zip(g.demand["use"], g.demand["quantity"], strict=True)) | {"total": 0} == {
            name: 30.0,
            "pv": 40.0,
            "total": 0,
        }
    # More than that use is taken from the others.
    g = built(used(("led", 20.0), ("pv", 80.0)), made, recipes=RECIPE)
    assert g.demand.set_index(["node", "use"])["quantity"].loc[JPN].to_dict() == {"led": 0.0, "pv": 70.0}


def test_parts_above_their_total_are_a_gap_that_names_them() -> None:
    g = built(used(("total", 100.0), ("led", 80.0), ("pv", 50.0)))
    row = g.demand.set_index("node").loc[JPN]
    assert (row["use"], row["quantity"], row["high"]) == ("total", 100.0, 130.0)
    assert row["note"] == "of it led 80, pv 50"
    (gap,) = g.gaps.to_dict("records")
    assert (gap["product"], gap["what"], gap["where"]) == (X, "use", "JPN")
    assert "add up to 130, their total is 100" in gap["note"]
    assert "led 80, pv 50" in gap["note"]


def test_gaps_of_use_stand_beside_given_ones() -> None:
    given = pd.DataFrame([{"product": X, "what": "price", "where": "WLD", "reason": "unknown", "note": None}])
    g = built(used(("total", 100.0), ("led", 130.0)), tables={"gaps": given})
    assert sorted(g.gaps["what"]) == ["price", "use"]


def test_a_total_of_another_year_and_its_parts_are_never_added() -> None:
    def both(total: tuple[int, float], *parts: tuple[int, str, float]) -> SupplyGraph:
        of = [rows((X, "JPN", "total", total[1]), year=total[0])]
        return built(pd.concat([*of, *(rows((X, "JPN", u, q), year=y) for y, u, q in parts)]))

    newer = both((2020, 100.0), (2022, "led", 80.0), (2022, "pv", 50.0))  # newer parts of more than there was
    assert flow(newer, WLD, JPN) == 100.0
    assert newer.balance().empty
    partial = both((2020, 100.0), (2022, "led", 80.0))  # may be no full list
    assert flow(partial, WLD, JPN) == 70.0
    assert partial.demand.set_index("node").loc[JPN, "note"] == "parts in 2022: led 80"
    older = both((2022, 100.0), (2020, "led", 80.0), (2020, "pv", 50.0))
    assert flow(older, WLD, JPN) == 70.0
    assert older.demand.set_index(["node", "year"]).loc[(JPN, 2020), "quantity"] == 130.0
    assert older.balance().empty


def test_uses_of_no_stated_year_are_older_than_all_others() -> None:
    d = used(("total", 100.0), *PARTS).assign(year=[2024, np.nan, np.nan])
    assert flow(built(d), WLD, JPN) == 70.0
    d = used(("total", 100.0), ("led", 20.0)).assign(year=[np.nan, 2024])
    g = built(d)
    assert flow(g, WLD, JPN) == 70.0
    assert g.demand.set_index("node").loc[JPN, "note"] == "parts in 2024: led 20"


def test_a_use_given_twice_is_refused_with_both() -> None:
    with pytest.raises(SchemaError) as err:
        built(used(("led", 60.0), ("led", 65.0)))
    for piece in ("x.refined | JPN | led | 2024", "stands 2 times", "60, 65"):
        assert piece in str(err.value)
    with pytest.raises(SchemaError, match="stands 2 times"):
        built(used(("total", 60.0), (None, 60.0)))


def test_use_of_a_country_without_trade_draws_on_the_world() -> None:
    demand = pd.concat([used(("total", 100.0)), used(("total", 150.0), country="DEU")])
    made = MADE[:1].assign(quantity=500.0)
    g = built(demand, made, trade=TRADE, concordance=HEADING)
    assert use_of(g, JPN) == 100.0
    assert flow(g, WLD, JPN) == 100.0
    assert flow(g, f"{X}@CHN", WLD) == 100.0  # the only known exporter
    assert flow(g, f"{X}@CHN", f"{X}@CHN:demand") == 200.0
    assert g.balance()["node"].tolist() == [f"{X}@DEU:demand"]


def test_use_of_what_nobody_makes_is_an_open_account() -> None:
    demand = rows(("x.device", "JPN", "total", 5.0), ("x.wafer", "JPN", "total", 2.0))
    for made in (MADE, MADE.iloc[:0]):
        g = built(demand, made)
        assert set(demand["product"] + "@JPN:demand") <= set(g.demand["node"]) & set(g.nodes["node"])
        open_ = g.balance().set_index("node").loc["x.device@JPN:demand"]
        assert (open_["have"], open_["need"], open_["status"]) == (0.0, 5.0, "open")


def test_use_alone_is_a_graph(tmp_path: Any) -> None:
    path = tmp_path / "use.csv"
    path.write_text("product,country,year,quantity\ngallium.refined,Japan,2024,5\n", encoding="utf-8")
    g = together(tidy(path, "demand"))
    assert g.demand[["node", "quantity"]].values.tolist() == [["gallium.refined@JPN:demand", 5.0]]
    assert g.balance()["node"].tolist() == ["gallium.refined@JPN:demand"]


@pytest.mark.parametrize("product", [X, "x.device"])
@pytest.mark.parametrize("traded", [False, True])
def test_a_missing_use_stays_and_is_listed(product: str, traded: bool) -> None:
    demand = rows((product, "JPN", "total", np.nan)).assign(missing="withheld", high=9.0)
    more = {"trade": TRADE, "concordance": HEADING} if traded else {}
    g = built(demand, MADE[:1], **more)
    node = f"{product}@JPN:demand"
    assert g.demand.set_index("node").loc[node, "missing"] == "withheld"
    assert g.balance().set_index("node").loc[node, "status"] == "unknown"
    if product == X:
        link = g.links.set_index("buyer").loc[node]
        assert np.isnan(link["quantity"])
        assert (link["supplier"], link["high"]) == (WLD, 9.0)


def test_beside_a_missing_use_draws_leave_the_known_one_its_upper_end() -> None:
    made = rows((X, "JPN", 500.0), ("x.device", "JPN", 30.0), columns="product country quantity")
    demand = used(("lamps", 60.0), ("pv", np.nan)).assign(missing=[None, "withheld"])
    g = built(demand, made, recipes=RECIPE)
    d = g.demand.set_index(["node", "use"]).loc[JPN]
    assert d.loc["lamps", ["quantity", "high"]].tolist() == [30.0, 60.0]
    assert np.isnan(d.loc["pv", "quantity"])
    assert (g.balance().set_index("node").loc[JPN, "reason"]) == "1 uses not known"


def test_use_of_another_year_than_production_counts() -> None:
    g = built(used(("total", 100.0)).assign(year=2019))
    assert (flow(g, WLD, JPN), use_of(g, JPN)) == (70.0, 100.0)
    assert g.balance().empty
    # Two years of a use without a source: the newest counts, whatever the year of what is left of other inflows.
    both = pd.concat([used(("total", q)).assign(year=y) for y, q in ((2019, 50.0), (2022, 100.0))])
    for g in (built(both), built(both, balanced=True)):
        assert flow(g, WLD, JPN) == pytest.approx(70.0)
        assert g.balance().empty


def test_bounds_of_uses_add_up_and_keep_to_their_use() -> None:
    parts = used(*PARTS).assign(low=[50.0, 30.0], high=[70.0, np.nan])
    kept, gaps = one_account(parts.assign(missing=None, published_on=None, source=None, note=None))
    assert not len(gaps)
    (all_,) = country_use(kept, None).to_dict("records")
    assert (all_["quantity"], all_["low"], all_["high"]) == (100.0, 80.0, 110.0)
    g = built(parts)
    assert g.demand.set_index(["node", "use"]).loc[JPN, "low"].tolist() == [50.0, 30.0]


def test_draws_never_exceed_what_is_taken_and_never_go_below_nothing() -> None:
    frame = pd.DataFrame(
        {
            "node": "n",
            "use": ["a", "y", "device"],
            "year": 2024.0,
            "quantity": [10.0, 20.0, 20.0],
            "low": np.nan,
            "high": np.nan,
            "note": None,
        }
    )
    names, now = pd.Series({"y": "Device"}), pd.Series(True, index=frame.index)
    for drawn, left in ((30.0, 20.0), (45.0, 5.0), (99.0, 0.0)):
        got = final_use(frame, pd.DataFrame({"node": ["n"], "maker": ["y"], "quantity": [drawn]}), now, names)
        assert got["quantity"].sum() == pytest.approx(left)
        assert (got["quantity"] >= 0).all()


def test_stocks_of_places_without_another_record_stay() -> None:
    stocks = pd.DataFrame(
        [
            {"node": f"{p}@KOR:stock", "holder": "state", "year": 2023, "quantity": 4.0, "grade": "assumption"}
            for p in (X, "x.device")
        ]
    )
    g = built(used(*PARTS), tables={"stocks": stocks})
    assert set(stocks["node"]) <= set(g.nodes["node"])
    assert g.stocks["quantity"].tolist() == [4.0, 4.0]


@pytest.mark.parametrize("key", ["demand", "nodes", "links"])
def test_a_table_that_is_assembled_is_not_lost_in_silence(key: str) -> None:
    with pytest.raises(SchemaError, match="this table is assembled"):
        built(used(*PARTS), tables={key: pd.DataFrame([{"node": f"{X}@FRA:demand"}])})


def test_what_a_reading_says_twice_is_lost_nowhere(published) -> None:
    reading = eto_chipexplorer(published / "eto_chipexplorer" / "2026-08")
    graph = assemble(**reading.inputs, tables=reading.tables)
    assert set(reading.tables["nodes"]["node"]) <= set(graph.nodes["node"])
    assert set(reading.tables["products"]["product"]) == set(graph.products["product"])


def every_input() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(7)
    places = ["CHN", "JPN", "DEU", "USA", "KOR", "FRA", "BRA"]
    devices = rows(
        *(("x.device", c, 0.1 * k + 1.7) for k, c in enumerate(places[1:5])), columns="product country quantity"
    )
    made = rows(
        *((X, c, float(q)) for c, q in zip(places[:4], rng.uniform(10, 300, 4), strict=True)),
        (X, "WLD", 1500.3),
        *(("x.wafer", c, 11.1 + k) for k, c in enumerate(places[:3])),
        columns="product country quantity",
    )
    flows = pd.DataFrame(
        [
            {"hs6": h, "origin": a, "destination": b, "year": y, "quantity": float(rng.uniform(0.1, 20)), "source": s}
            for h, s in (("850511", "s1"), ("850519", "s2"))
            for y in (2023, 2024)
            for a, b in (("CHN", "JPN"), ("CHN", "DEU"), ("DEU", "FRA"), ("USA", "KOR"), ("KOR", "BRA"))
        ]
    )
    two = HEADING.assign(note="one")
    sourcing = pd.DataFrame(
        [
            {
                "product": "x.wafer",
                "buyer": "USA",
                "supplier": c,
                "share": s,
                "year": 2024,
                "reliance": 0.7,
                "source": "s1",
                "grade": "B",
            }
            for c, s in (("CHN", 0.4), ("JPN", 0.3), ("TWN", 0.1))
        ]
    )
    uses = [
        rows(*((p, c, u, float(rng.uniform(1, 9))) for u in ("led", "pv", "medical")), year=y)
        for p in (X, "x.device", "x.wafer")
        for c in ("JPN", "DEU", "USA", "IND")
        for y in (2023, 2024)
    ]
    uses.append(rows((X, "DEU", "total", 10.0), ("x.wafer", "USA", "total", 40.0), ("x.wafer", "GBR", None, 3.3)))
    alternatives = RECIPE.assign(process="q", coefficient=1.2)
    return {
        "products": PRODUCTS,
        "production": pd.concat([made, devices], ignore_index=True),
        "trade": flows,
        "concordance": pd.concat([two, two.assign(hs6="850519", factor=0.9, note="two")], ignore_index=True),
        "recipes": pd.concat([RECIPE, alternatives, RECIPE.assign(product="x.wafer")], ignore_index=True),
        "demand": pd.concat(uses, ignore_index=True),
        "sourcing": sourcing,
        "costs": rows(
            (X, "CHN", "unit_cost", 2.0), (X, "ROW", "unit_cost", 3.0), columns="product country what quantity"
        ),
    }


@pytest.mark.parametrize("balanced", [False, True])
def test_the_order_of_rows_changes_nothing(balanced: bool) -> None:
    given = every_input()
    listed = pd.DataFrame([{"source": s, "title": s, "licence": "own", "licence_class": "cc0"} for s in ("s1", "s2")])
    stocks = pd.DataFrame(
        [
            {"node": f"{X}@{c}:stock", "holder": "state", "year": 2023, "quantity": 4.0, "grade": "assumption"}
            for c in ("KOR", "IND")
        ]
    )

    def made(turn: int | None) -> SupplyGraph:
        def turned(frame: pd.DataFrame) -> pd.DataFrame:
            return frame if turn is None else frame.sample(frac=1.0, random_state=turn)

        tables = {"sources": turned(listed), "stocks": turned(stocks)}
        return assemble(**{k: turned(f) for k, f in given.items()}, tables=tables, balanced=balanced)

    first = made(None)
    assert len(first.gaps)  # DEU: parts above their total
    for turn in range(1, 2 if balanced else 3):
        other = made(turn)
        for key in first.tables:
            one, two = (
                g.tables[key].sort_values(list(g.tables[key].columns), ignore_index=True) for g in (first, other)
            )
            pd.testing.assert_frame_equal(one, two, check_exact=True, obj=f"{key} of turn {turn}")
        assert other.fingerprint == first.fingerprint


def _used(**given: Any) -> dict[str, Any]:
    return {"product": X, "country": "JPN", "year": 2024.0, "low": np.nan, "high": np.nan, "note": None} | given


def test_a_use_without_a_figure_bears_the_draw_that_is_its_own() -> None:
    rows = pd.DataFrame([_used(use="pv", quantity=np.nan), _used(use="casting", quantity=80.0)]).assign(node=JPN)
    taken = pd.DataFrame({"node": [JPN], "maker": ["y"], "quantity": [100.0]})
    now, names = pd.Series([True, True]), pd.Series({"y": "PV"})
    assert final_use(rows, taken, now, names)["quantity"].fillna(-1).tolist() == [-1, 80.0]
    rows.loc[0, "high"] = 60.0  # forty of the hundred cannot be its own
    assert final_use(rows, taken, now, names)["quantity"].fillna(-1).tolist() == [-1, 40.0]


def test_parts_of_an_earlier_year_may_cite_different_sources() -> None:
    parts = [_used(use=u, quantity=q, year=2022.0, source=s, grade=g, missing=None, published_on=None)
             for u, q, s, g in (("led", 60.0, "a", "A"), ("pv", 40.0, "b", "C"))]  # fmt: skip
    whole = _used(use="total", quantity=90.0, year=2023.0, source="a", grade="A", missing=None, published_on=None)
    kept = one_account(pd.DataFrame([*parts, whole]))[0].set_index("year")
    assert kept.loc[2022, ["quantity", "source", "grade"]].tolist() == [100.0, "b", "C"]


def test_import_sources_of_a_buyer_without_trade_are_a_gap_where_the_product_goes_by_trade() -> None:
    row = {"product": X, "buyer": "FRA", "year": 2024, "grade": "assumption", "imports": 9.0}
    sourcing = pd.DataFrame([row | {"supplier": c, "share": q} for c, q in (("CHN", 0.6), ("AUS", 0.4))])
    sold = pd.DataFrame([{"hs6": "810411", "origin": "CHN", "destination": "DEU", "year": 2024, "quantity": 5.0}])
    heading = pd.DataFrame([{"hs6": "810411", "product": X, "factor": 1.0}])
    graph = built(used(*PARTS), sourcing=sourcing, trade=sold, concordance=heading)
    assert not (graph.links["buyer"] == f"{X}@FRA:demand").any()
    told = graph.gaps.set_index(["what", "where"])["note"]
    assert "CHN 0.6" in told["import sources", "FRA"]


def test_a_use_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(SchemaError, match="a use of less than nothing"):
        built(used(("total", -5.0)))


def test_parts_above_the_upper_end_of_an_unknown_total_are_a_gap() -> None:
    given = {"missing": None, "published_on": None, "source": "a", "grade": "A"}
    rows = [_used(use="led", quantity=50.0, **given), _used(use="pv", quantity=100.0, **given)]
    rows.append(_used(use="total", quantity=np.nan, **given) | {"low": 10.0, "high": 90.0})
    kept, gaps = one_account(pd.DataFrame(rows))
    assert kept[["low", "high"]].iloc[0].tolist() == [150.0, 150.0]
    assert "add up to 150, their total is at most 90" in gaps["note"].iloc[0]


def test_a_use_of_the_world_is_what_it_leaves_beyond_the_countries() -> None:
    whole = pd.concat([used(("total", 1000.0), country="WLD"), used(*PARTS), used(("total", 50.0), country="DEU")])
    for balanced in (False, True):
        graph = built(whole, balanced=balanced)
        assert use_of(graph, f"{X}@WLD:demand") == pytest.approx(850.0)
        assert use_of(graph, f"{X}@JPN:demand") == pytest.approx(100.0)
        row = graph.demand.set_index("node").loc[f"{X}@WLD:demand"]
        assert "world use of 1000 less 150 of 2 countries" in row["note"]
    over = built(pd.concat([used(("total", 80.0), country="WLD"), used(*PARTS)]))
    assert use_of(over, f"{X}@WLD:demand") == 0.0
    assert "a use of 100 in 1 country is more than the 80 of the world in 2024" in over.gaps["note"].tolist()
    gone = used(("total", np.nan), country="DEU").assign(missing="withheld")
    dark = pd.concat([used(("total", 1000.0), country="WLD"), used(*PARTS), gone])
    row = built(dark).demand.set_index("node").loc[f"{X}@WLD:demand"]
    assert np.isnan(row["quantity"])
    assert row[["low", "high"]].tolist() == [0.0, 900.0]
    alone = built(used(("total", 1000.0), country="WLD"))
    assert use_of(alone, f"{X}@WLD:demand") == 1000.0


def test_a_use_written_in_two_cases_stands_twice() -> None:
    with pytest.raises(SchemaError, match="stands 2 times"):
        built(used(("LED", 60.0), ("led", 60.0)))

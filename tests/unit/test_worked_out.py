"""What was worked out of private figures stays at home too; purity counts; dates given by the user say nothing."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

import supplyrisk as sr

GA = "gallium.refined"
PRODUCT = sr.sources.commodities.product_rows([GA])


def public_graph() -> sr.SupplyGraph:
    stated = {"source": "pub", "grade": "A", "year": 2024, "product": GA}
    made = [
        {
            "node": f"{GA}@{c}",
            "country": c,
            "kind": "producer",
            "output": q,
            "output_grade": "A",
            "output_source": "pub",
        }
        | stated
        for c, q in (("CHN", 100.0), ("KAZ", 3.0))
    ]
    pool = [{"node": f"{GA}@JPN:demand", "country": "JPN", "kind": "demand"} | stated]
    return sr.SupplyGraph.from_tables(
        products=PRODUCT,
        sources=pd.DataFrame(
            [{"source": "pub", "title": "P", "licence": "open", "licence_class": "public_domain", "year": 2024}]
        ),
        nodes=pd.DataFrame(made + pool),
        links=pd.DataFrame(
            [{"supplier": f"{GA}@CHN", "buyer": f"{GA}@JPN:demand", "quantity": 50.0, "method": "observed"} | stated]
        ),
        demand=pd.DataFrame(
            [
                {
                    "node": f"{GA}@JPN:demand",
                    "use": "total",
                    "quantity": 80.0,
                    "year": 2024,
                    "source": "pub",
                    "grade": "A",
                }
            ]
        ),
    )


ACME = pd.DataFrame(
    [{"source": "acme", "title": "internal", "licence": "own", "licence_class": "private", "year": 2024}]
)


def shared(graph: sr.SupplyGraph, folder) -> sr.SupplyGraph:
    sr.export(graph, folder / "public.json")
    return sr.read(folder / "public.json")


def test_use_that_follows_from_a_private_figure_is_not_exported(tmp_path):
    (tmp_path / "p.csv").write_text("country,product,year,quantity\nJapan,gallium.refined,2024,30\n")
    graph = sr.sources.together(sr.sources.tidy(tmp_path / "p.csv", "production", unit="kg", source="secretco"))
    out = shared(graph, tmp_path)
    text = " ".join(frame.to_csv() for frame in out.tables.values())
    assert "30.0" not in text
    assert "secretco" not in text


@pytest.mark.parametrize("table", ["links", "demand"])
def test_what_balancing_makes_of_an_overlay_is_not_exported(tmp_path, table):
    graph = public_graph()
    own = graph.tables[table].assign(quantity=777.7, source="acme")
    laid = graph.overlay({table: own, "sources": ACME}, name="acme")
    balanced = sr.balance_flows(laid)
    out = shared(balanced, tmp_path)
    text = " ".join(frame.to_csv() for frame in out.tables.values())
    assert "777.7" not in text
    assert "727.7" not in text
    assert "acme" not in text
    links = out.tables["links"].set_index("method")["quantity"]
    assert links["observed"] == 50.0  # the public row comes back
    assert set(links.drop("observed")) <= {100.0 - 50.0, 3.0}  # of estimates only what the public rows alone leave


def test_a_public_graph_that_was_balanced_keeps_its_estimates(tmp_path):
    balanced = sr.balance_flows(public_graph())
    assert len(shared(balanced, tmp_path).tables["links"]) == len(balanced.tables["links"])


def test_a_date_that_the_user_gave_filters_by_publication():
    late = public_graph()
    nodes = late.tables["nodes"].assign(published_on="2026-01-31")
    graph = sr.SupplyGraph.from_tables(**{**late.tables, "nodes": nodes}, as_of="2025-06-30")
    sizes = {
        day: int(graph.at(day).nodes["output"].notna().sum()) for day in ("2025-06-29", "2025-06-30", "2026-02-01")
    }
    assert sizes == {"2025-06-29": 0, "2025-06-30": 0, "2026-02-01": 2}


@pytest.mark.parametrize(
    ("purity", "want"),
    [({"purity": 0.2}, 600.0), ({"purity_low": 0.1, "purity_high": 0.3}, 900.0), ({"purity": 0.2, "purity_low": 0.1, "purity_high": 0.3}, 600.0)],
)  # fmt: skip
def test_the_purity_of_a_heading_counts(purity, want):
    made = pd.DataFrame([{"product": GA, "country": "CHN", "year": 2024, "quantity": 9000.0, "grade": "assumption"}])
    sold = pd.DataFrame([{"hs6": "811292", "origin": "CHN", "destination": "USA", "year": 2024, "quantity": 3.0}])
    heading = pd.DataFrame([{"hs6": "811292", "product": GA, "factor": 1000.0, **purity}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sr.sources.hs.BasketWarning)
        link = sr.assemble(products=PRODUCT, production=made, trade=sold, concordance=heading).links.iloc[0]
    assert link["quantity"] == pytest.approx(want)
    if "purity_low" in purity:
        assert (link["low"], link["high"]) == pytest.approx((300.0, 900.0))
    assert "basket" in link["note"]


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ({"factor": 1000.0, "purity": 20.0}, "Divide by 100"),
        ({"factor": -1.0}, r"outside \[0, inf\]"),
        ({"factor": 1000.0, "purity": 0.5, "purity_low": 0.6, "purity_high": 0.9}, "does not hold"),
    ],
)
def test_a_concordance_off_its_scale_is_refused(heading, words):
    made = pd.DataFrame([{"product": GA, "country": "CHN", "year": 2024, "quantity": 1.0, "grade": "assumption"}])
    sold = pd.DataFrame([{"hs6": "811292", "origin": "CHN", "destination": "USA", "year": 2024, "quantity": 3.0}])
    table = pd.DataFrame([{"hs6": "811292", "product": GA, **heading}])
    with pytest.raises(sr.errors.SchemaError, match=words):
        sr.assemble(products=PRODUCT, production=made, trade=sold, concordance=table)


def test_a_misspelt_policy_is_refused_though_nothing_is_balanced():
    made = pd.DataFrame([{"product": GA, "country": "CHN", "year": 2024, "quantity": 1.0, "grade": "assumption"}])
    with pytest.raises(sr.errors.UnknownNameError, match="relax"):
        sr.assemble(products=PRODUCT, production=made, conflicts="relaxed")

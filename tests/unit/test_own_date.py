"""What ended before a day is not there on it, whichever day it is; and headings that are baskets say so."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk.errors import BasketWarning, UnknownNameError
from supplyrisk.sources.read_baci import dependence

GOOD = "x.form"
FACT = {"source": "s", "grade": "A"}


def dated(until: str | None = "2020") -> sr.SupplyGraph:
    held = {"asset": f"{GOOD}@AUS", "part": "", "type": "equity", "share": 1.0, **FACT}
    figures = {"output": 5.0, "output_source": "s", "output_grade": "A"}
    return sr.SupplyGraph.from_tables(
        products=pd.DataFrame([{"product": GOOD, "name": "x", "commodity": "x", "chain": "x", "stage": "mine", "unit": "t",
                                "basis": "gross", "period": "year"}]),
        sources=pd.DataFrame([{"source": "s", "title": "s", "licence": "c", "licence_class": "cc0"}]),
        nodes=pd.DataFrame([{"node": f"{GOOD}@AUS", "product": GOOD, "country": "AUS", "kind": "producer", "year": 2023, **figures, **FACT}]),
        holdings=pd.DataFrame([{**held, "holder": "old", "holder_country": "CHN", "valid_from": "2010", "valid_to": until},
                               {**held, "holder": "new", "holder_country": "JPN", "valid_from": "2021", "valid_to": None}]),
        memberships=pd.DataFrame([{"coalition": "C", "country": "USA", "role": "member", "valid_from": "2010", "valid_to": "2015", **FACT},
                                  {"coalition": "D", "country": "USA", "role": "member", "valid_from": "2010", "valid_to": None, **FACT}]),
    )  # fmt: skip


@pytest.mark.parametrize("day", ["2023-12-31", "2023", "2024-01-01"])
@pytest.mark.parametrize("known_on", [None, "latest"])
def test_what_has_ended_is_not_there_on_the_own_date_either(day: str, known_on: str | None) -> None:
    graph = dated()
    assert graph.reference_date == "2023-12-31"
    here = graph.at(day, known_on)
    assert here.holdings["holder"].tolist() == ["new"]
    assert here.members("D") == ("USA",)
    with pytest.raises(UnknownNameError):
        here.members("C")
    assert here.reference_date == ("2024-01-01" if day == "2024-01-01" else "2023-12-31")
    assert here.at(day, known_on).fingerprint == here.fingerprint


def test_on_its_own_date_figures_are_no_older_than_in_the_graph() -> None:
    graph = dated()
    here = graph.at(graph.reference_date)
    assert here.as_of is None
    for one, two in zip(graph.interval("nodes", "output"), here.interval("nodes", "output"), strict=True):
        assert list(one) == list(two)


def test_where_all_holds_the_own_date_is_the_graph_itself() -> None:
    tables = dict(dated().tables)
    tables["holdings"] = tables["holdings"][tables["holdings"]["holder"] == "new"]
    tables["memberships"] = tables["memberships"][tables["memberships"]["coalition"] == "D"]
    graph = sr.SupplyGraph.from_tables(tables)
    assert graph.at("2023-12-31") is graph


def flows(*codes: str) -> pd.DataFrame:
    rows = [{"year": 2024, "hs6": c, "origin": o, "destination": "USA", "value": v, "quantity": 1.0}
            for c in codes for o, v in (("CHN", 75.0), ("JPN", 25.0))]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("way", ["frame", "headings", "all", "products"])
def test_a_share_of_a_basket_heading_warns(way: str, tmp_path) -> None:
    trade = flows("811292", "850511")
    if way != "frame":
        file = tmp_path / "BACI_HS17_Y2024_V202601.csv"
        file.write_text("t,i,j,k,v,q\n2024,156,842,811292,75,1\n2024,392,842,811292,25,1\n2024,156,842,850511,9,1\n")
        asked = {
            "headings": {"headings": ["811292"]},
            "all": {"headings": "all"},
            "products": {"products": ["gallium.refined"]},
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader warns of products that are asked for by name
            trade = sr.sources.baci(file, **asked[way])
    with pytest.warns(BasketWarning, match="HS 811292 .*gallium.refined") as said:
        out = dependence(trade)
    assert out.loc[("811292", 2024, "USA"), "share"] == 0.75
    assert len(said) == 1
    assert said[0].filename == __file__
    assert "850511" not in str(said[0].message)


def test_a_share_of_headings_of_their_own_is_silent() -> None:
    assert dependence(flows("850511", "282200"))["share"].tolist() == [0.75, 0.75]

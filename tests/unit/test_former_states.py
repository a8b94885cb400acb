"""Former states keep their own codes to the day of their end, and are never shared out among successors."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr
from supplyrisk import sources
from supplyrisk.jurisdictions import FORMER, country_codes, display_name, is_country
from supplyrisk.sources.commodities import product_rows
from supplyrisk.sources.places import country


def test_every_former_state_is_known_and_has_an_end():
    assert set(FORMER) <= country_codes()
    for code, state in FORMER.items():
        assert is_country(code)
        assert state.until[4] == "-"
        assert set(state.successors) <= country_codes() - set(FORMER)
        assert country(code) == code
        assert display_name(code) == state.name
    assert country("USSR") == "SUN"
    assert country(278, "numeric") == "DDR"
    assert country("Fmr Fed. Rep. of Germany") == "DEU"


def test_old_output_stays_dated_and_out_of_the_newest_state():
    made = pd.DataFrame(
        [("SUN", 1985, 90.0), ("CHN", 1985, 10.0), ("CHN", 2022, 60.0), ("RUS", 2022, 40.0), ("WLD", 2022, 100.0)],
        columns=["country", "year", "quantity"],
    ).assign(product="tungsten.mine", grade="assumption")
    reading = sources.Reading(
        {},
        made,
        sources.Report("mine", "m.csv", "private"),
        {"production": made, "products": product_rows(["tungsten.mine"])},
    )
    g = sources.together(reading)
    row = g.nodes.set_index("node").loc["tungsten.mine@SUN"]
    assert row["valid_to"] == "1991-12-31"
    assert "tungsten.mine@SUN" not in set(g.index.nodes["node"])
    assert "tungsten.mine@SUN" in set(g.at("1985-12-31", known_on="latest").index.nodes["node"])
    assert "tungsten.mine@RUS" not in set(g.at("1985-12-31", known_on="latest").index.nodes["node"])
    shares = sr.score(g, by="product", market="production")["focal_share"]
    assert shares.iloc[0] == pytest.approx(0.6)


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name", ["REs", "antimony", "copper", "ferroalloys", "gallium", "germanium", "graphite", "magnesium", "manganese",
             "nickel", "platinum", "tungsten"],
)  # fmt: skip
def test_every_bgs_file_becomes_a_graph(published, name):
    g = sources.together(sources.bgs(published / "bgs_wms" / f"BGS_{name}_production.csv.gz"))
    assert len(g.links)
    assert not set(g.index.nodes["country"]) & set(FORMER)


@pytest.mark.realdata
def test_nickel_trade_of_two_decades_becomes_a_graph(published, tmp_path):
    rows = pd.read_csv(published / "comtrade" / "UN_nickel_trade.csv.gz", dtype=str, keep_default_na=False)
    rows[rows["period"].isin(["2001", "2002", "2007", "2008", rows["period"].max()])].to_csv(
        tmp_path / "few.csv", index=False
    )
    g = sources.together(sources.comtrade(tmp_path / "few.csv"))
    assert {"SCG", "ANT"} <= set(g.nodes["country"])
    assert not set(g.index.nodes["country"]) & set(FORMER)

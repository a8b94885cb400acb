"""From files as published to a score, without the atlas."""

from __future__ import annotations

import pandas as pd
import pytest

import supplyrisk as sr


@pytest.mark.realdata
def test_published_files_become_a_score_of_magnet_dependence(published):
    usgs = sr.sources.usgs_mcs(published / "usgs_mcs" / "MCS2026_Commodities_Data.csv", products=["rare_earths.mine"])
    baci = sr.sources.baci(published / "baci" / "BACI_HS17_Y2024_V202601_crm30.csv.gz", products=["ndfeb.magnet"])
    wgi = sr.sources.wgi(published / "wgi" / "wgidataset.csv.gz")
    holdings = pd.DataFrame(
        [{"asset": "ndfeb.magnet@VNM", "holder": "parent", "holder_country": "CHN", "share": 1.0, "year": 2024}]
    )
    g = sr.sources.together(usgs, baci, wgi, holdings=holdings.assign(type="equity", grade="assumption"))
    scored = sr.score(g, by=["product", "buyer"], market="import_value", bounds=True)
    magnets = scored.xs("ndfeb.magnet", level="product").droplevel(["focal", "view"])
    assert round(magnets.loc["USA", "focal_share"], 3) == 0.745
    assert round(magnets.loc["JPN", "focal_share"], 3) == 0.276
    controlled = sr.score(g, by=["product", "buyer"], view="control", market="import_value")["focal_share"]
    assert (
        controlled.xs("ndfeb.magnet", level="product").loc["CHN", "control", "USA"] >= magnets.loc["USA", "focal_share"]
    )
    assert {"wgi_rl", "wgi_cc"} <= set(g.table("countries")["indicator"])


def test_import_value_leaves_home_supply_and_valueless_flows_open():
    trade = pd.DataFrame(
        {"hs6": "850511", "origin": ["CHN", "DEU"], "destination": "USA", "year": 2024, "quantity": [1.0, 1.0]}
    ).assign(value=[75.0, 25.0], grade="assumption")
    parts = {
        "trade": trade,
        "products": sr.sources.commodities.product_rows(["ndfeb.magnet"]),
        "concordance": sr.sources.hs.product_headings(["ndfeb.magnet"]),
        "production": pd.DataFrame(
            [{"product": "ndfeb.magnet", "country": "USA", "year": 2024, "quantity": 9.0}]
        ).assign(grade="assumption"),
    }
    g = sr.assemble(**parts)
    by = {"by": ["product", "buyer"]}
    assert sr.score(g, market="import_value", **by)["focal_share"].xs("USA", level="buyer").iloc[0] == 0.75
    assert sr.score(g, market="imports", **by)["focal_share"].xs("USA", level="buyer").iloc[0] == 0.5
    bare = sr.assemble(**{**parts, "trade": trade.assign(value=[75.0, None])})
    scored = sr.score(bare, market="import_value", bounds=True, **by).xs("USA", level="buyer").iloc[0]
    assert (scored["focal_share_low"], scored["focal_share_high"]) == (0.0, 1.0)

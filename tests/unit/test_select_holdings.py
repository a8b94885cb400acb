"""A selection cuts the owners of what it cuts, so that it can be changed and read again."""

from __future__ import annotations

import pytest

import supplyrisk as sr


@pytest.mark.parametrize(
    "conditions", [{"product": ["gallium.refined", "alumina.refined"]}, {"country": ["CHN", "IDN"]}]
)
def test_a_selection_can_be_changed(conditions):
    atlas = sr.load_atlas()
    part = atlas.select(**conditions)
    again = part.replace("the same", nodes=part.nodes)
    assert len(again.nodes) == len(part.nodes)
    held = part.tables["holdings"]["asset"].astype("str")
    named = held[held.str.contains("@", regex=False)]
    gone = set(atlas.nodes["node"]) - set(part.nodes["node"])
    assert not set(named) & gone
    kept = atlas.tables["holdings"]["asset"].astype("str")
    assert (~kept.str.contains("@", regex=False)).sum() == len(held) - len(named)


def test_what_is_selected_keeps_its_owners():
    atlas = sr.load_atlas()
    part = atlas.select(product="nickel.refined")
    whole = sr.score(atlas, by="product", view="equity").xs("nickel.refined", level="product")["focal_share"]
    mine = sr.score(part, by="product", view="equity").xs("nickel.refined", level="product")["focal_share"]
    assert mine.iloc[0] == pytest.approx(whole.iloc[0])

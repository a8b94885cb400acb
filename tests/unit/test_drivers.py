"""What drives a traced score adds up to it, also where a way out is in the dark."""

import numpy as np
import pytest

import supplyrisk as sr
from supplyrisk import metrics
from tests.unit.test_unknown import graph


def test_inputs_with_a_way_out_in_the_dark_drive_nothing():
    need = {"product": "met", "input_class": "essential", "coefficient": 1.0}
    g = graph(
        {"ore@CHN": 90.0, "met@CHN": 40.0, "met@JPN": 60.0, "scrap@JPN:demand": None},
        links=[("ore@CHN", "met@JPN", 8.0), ("scrap@JPN:demand", "met@JPN", 8.0)],
        recipes=[need | {"input": i, "substitute_group": "feed"} for i in ("ore", "scrap")],
        products=("ore", "scrap", "met"),
    )
    for view in ("origin", "location"):
        e = metrics.explain(metrics.score(g, view=view, by="product"), product="met", column="bottleneck")
        assert e.value == pytest.approx(0.4)
        assert e.by_tier.to_dict() == {0: pytest.approx(0.4)}
        assert e.by_country.to_dict() == {"CHN": pytest.approx(0.4)}
        assert e.drivers.sources["node"].tolist() == ["met@CHN"]


@pytest.mark.parametrize(("view", "column"), [("origin", "bottleneck"), ("control", "bottleneck"), ("origin", None)])
def test_drivers_add_up_on_the_atlas(view, column):
    s = metrics.score(sr.load_atlas(), by="product", view=view)
    column = column or "focal_share"
    found = 0
    every = list(s.index.get_level_values("product"))
    some = {"germanium.refined", "graphite.anode", "magnesium.refined", "titanium.sponge", "cobalt.mine", *every[::12]}
    for product in sorted(some):
        e = metrics.explain(s, product=product, column=column)
        if e.drivers is not None and np.isfinite(e.value):
            assert e.by_tier.sum() == pytest.approx(e.value, abs=1e-9), product
            assert e.by_country.sum() == pytest.approx(e.value, abs=1e-9), product
            assert e.drivers.sources["contribution"].sum() == pytest.approx(e.value, abs=1e-9), product
            found += 1
    assert found > 8

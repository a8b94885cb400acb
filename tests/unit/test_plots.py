"""Figures: the data they return, what they say, what a reader without eyes gets, the same bytes twice."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from xml.etree import ElementTree

import pandas as pd
import pytest
from brief_toy import toy_graph

from supplyrisk import plots
from supplyrisk.errors import UnknownNameError
from supplyrisk.plots.flow import chain_path
from supplyrisk.plots.style import FOCAL_COLOUR, OTHERS, UNKNOWN_COLOUR, colours, scope_text
from supplyrisk.registry import registries

BARS = pd.DataFrame(
    [
        {"name": "A", "location": 0.9, "location_low": 0.8, "location_high": 0.95, "control": 0.97, "control_low": 0.9, "control_high": 1.0, "grade": "A"},
        {"name": "B", "location": 0.1, "location_low": 0.0, "location_high": 0.2, "control": 0.5, "control_low": 0.3, "control_high": 1.0, "grade": "C"},
    ]
)  # fmt: skip
MOVES = pd.DataFrame(
    [
        {"name": "A", "before": 0.9, "before_low": 0.8, "before_high": 0.95, "after": 0.6, "after_low": 0.5, "after_high": 0.7},
        {"name": "B", "before": 0.4, "before_low": 0.3, "before_high": 0.5, "after": 0.4, "after_low": 0.3, "after_high": 0.5},
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def graph():
    return toy_graph()


@pytest.fixture(scope="module")
def drawn(graph):
    return {
        "heatmap": plots.heatmap(graph),
        "sankey": plots.sankey(graph, chain="rare_earths"),
        "dependence_bars": plots.dependence_bars(BARS, buyers="the group"),
        "before_after": plots.before_after(MOVES, cap=0.65),
    }


def test_every_plot_is_registered_and_tried(drawn):
    assert set(drawn) | {"pareto"} == set(registries["plot"].names())  # a frontier is drawn beside its own tests


def test_every_figure_is_accessible(drawn):
    for name, (figure, frame) in drawn.items():
        assert frame.attrs["plot"] == name
        assert len(plots.alt_text(figure)) > 60
        assert frame.attrs["title"] in " ".join(t.get_text().replace("\n", " ") for t in figure.texts)
        footer = frame.attrs["footer"]
        for part in ("Unit: ", "years", "rade", "Focal: China (CHN", "Sources: "):
            assert part in footer, (name, part)


def test_alt_text_says_the_numbers(drawn):
    assert "99%" in plots.alt_text(drawn["heatmap"][0])
    assert "90% before, 60% after" in plots.alt_text(drawn["before_after"][0])
    assert "97% by control" in plots.alt_text(drawn["dependence_bars"][0])


def test_heatmap_tells_missing_from_zero_and_from_not_listed(drawn, graph):
    frame = drawn["heatmap"][1]
    cells = frame.set_index(["product", "country"])
    assert cells.loc[("ndfeb.magnet", "VNM"), "status"] == "missing"
    assert pd.isna(cells.loc[("ndfeb.magnet", "VNM"), "share"])
    assert cells.loc[("gallium.refined", "VNM"), "status"] == "not_listed"
    assert cells.loc[("gallium.refined", "CHN"), "share"] == pytest.approx(750 / 760)
    texts = [t.get_text() for t in drawn["heatmap"][0].axes[0].texts]
    assert texts.count("?") == 1
    zero = pd.DataFrame({"product": ["p", "p"], "country": ["CHN", "JPN"], "share": [1.0, 0.0]})
    assert "0" in [t.get_text() for t in plots.heatmap(zero)[0].axes[0].texts]


def test_heatmap_rows_follow_chain_and_stage(drawn):
    order = list(drawn["heatmap"][1]["product"].drop_duplicates())
    assert order == ["gallium.refined", "ree.mine", "ree.oxide", "ndfeb.magnet"]


def test_heatmap_refuses_unknown_names(graph):
    with pytest.raises(UnknownNameError, match="gallium"):
        plots.heatmap(graph, chains="galium")
    with pytest.raises(UnknownNameError, match="share"):
        plots.heatmap(pd.DataFrame({"product": ["p"], "country": ["CHN"]}))


def test_sankey_balances_and_keeps_the_unknown_apart(drawn):
    frame = drawn["sankey"][1]
    assert frame.groupby("step")["share"].sum().tolist() == pytest.approx([1.0, 1.0, 1.0])
    unknown = frame[(frame["step"] == 1) & (frame["country_from"] == "UNK")]
    assert unknown["share"].sum() == pytest.approx(1 / 204)  # Estonia's input is nowhere recorded


def test_sankey_sees_through_pools(drawn):
    frame = drawn["sankey"][1].set_index(["step", "country_from", "country_to"])["share"]
    # Chinese oxide makers buy from the Chinese pool, whose mix is that of mine output without the unlisted rest.
    assert frame[(1, "CHN", "CHN")] == pytest.approx(180 / 204 * 270 / 360)


def test_chain_path_and_its_errors(graph):
    assert chain_path(graph, "rare_earths") == ["ree.mine", "ree.oxide", "ndfeb.magnet"]
    with pytest.raises(UnknownNameError, match="rare_earths"):
        plots.sankey(graph, chain="rare_earth")
    with pytest.raises(UnknownNameError):
        plots.sankey(graph)
    assert len(plots.sankey(graph, products=["ree.mine", "ree.oxide"], buyers=False)[1]["step"].unique()) == 1


def test_focal_has_one_colour_and_the_unknown_another():
    for order in (["AUS", "CHN", "ROW"], ["CHN", "USA"]):
        assert colours(order, ("CHN",))["CHN"] == FOCAL_COLOUR
    assert FOCAL_COLOUR not in OTHERS
    assert UNKNOWN_COLOUR not in OTHERS
    assert colours(["ROW"], ("CHN",))["ROW"] == UNKNOWN_COLOUR


def test_scope_is_spelt_out():
    assert "TWN" in scope_text(("CHN", "HKG", "MAC"))
    assert scope_text(("RUS",)) == "Russia (RUS)"


def test_svg_is_one_clean_element_and_repeats(graph):
    first = plots.svg(plots.heatmap(graph)[0])
    assert first == plots.svg(plots.heatmap(graph)[0])
    ElementTree.fromstring(first)
    assert "<!DOCTYPE" not in first
    assert "<metadata" not in first


def test_save_is_whole_or_nothing(tmp_path, drawn):
    figure = drawn["before_after"][0]
    assert plots.save(figure, tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert plots.save(figure, tmp_path / "a.svg").read_text().startswith("<?xml")
    with pytest.raises(ValueError, match="svg"):
        plots.save(figure, tmp_path / "a.docx")
    with pytest.raises(OSError, match="absent"):
        plots.save(figure, tmp_path / "absent" / "a.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "a.svg"]


def test_a_frame_that_lacks_a_column_is_refused():
    with pytest.raises(UnknownNameError, match="control"):
        plots.dependence_bars(BARS.drop(columns="control"))
    with pytest.raises(UnknownNameError, match="after_low"):
        plots.before_after(MOVES.drop(columns="after_low"))


def test_unknown_share_says_so():
    frame = BARS.assign(control=float("nan"), control_low=float("nan"), control_high=float("nan"))
    figure, _ = plots.dependence_bars(frame)
    assert "not known" in [t.get_text() for t in figure.axes[0].texts]


def test_no_pyplot_and_nothing_on_import():
    code = (
        "import sys, supplyrisk.plots as p; assert 'matplotlib' not in sys.modules\n"
        "import pandas as pd\n"
        "p.save(p.heatmap(pd.DataFrame({'product': ['p'], 'country': ['CHN'], 'share': [1.0]}))[0], sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code, f"{folder}/a.svg"], check=True)

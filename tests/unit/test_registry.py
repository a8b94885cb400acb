from __future__ import annotations

import pytest

import supplyrisk as sr
from supplyrisk.errors import UnknownNameError, close_matches
from supplyrisk.registry import Registry, constraint, registries


@pytest.fixture
def cap():
    @constraint(reference="made for a test")
    def test_cap(build, focal, limit=0.5, *, view="location", among=()):
        """Cap that exists only here."""
        return build, focal, limit, view, among

    yield test_cap
    registries["constraint"].remove("test_cap")


def test_specs_print_as_written_compare_by_value_and_build(cap):
    a, b = cap("CHN", 0.65, view="control"), cap("CHN", limit=0.65, view="control")
    assert repr(a) == "test_cap('CHN', 0.65, view='control')"
    assert a == b
    assert hash(a) == hash(b)
    assert a != cap("CHN", 0.6, view="control")
    assert a["limit"] == 0.65
    assert a["among"] == ()
    assert cap("CHN", among=["JPN", "USA"]) == cap("CHN", among=("JPN", "USA"))
    assert a.build("model") == ("model", "CHN", 0.65, "control", ())
    with pytest.raises(TypeError, match="unexpected keyword"):
        cap("CHN", veiw="control")
    with pytest.raises(UnknownNameError, match="limit"):
        a["limt"]


def test_registry_names_what_is_lacking_and_what_is_near():
    r = Registry("metric", ("unit",))
    with pytest.raises(TypeError, match="unit"):
        r.add(lambda x: x, name="nameless")

    def documented(x):
        """Say something."""

    with pytest.raises(TypeError, match="must state unit"):
        r.add(documented)
    r.add(documented, unit="1")
    assert r["documented"].summary == "Say something."
    assert r["documented"].unit == "1"
    with pytest.raises(UnknownNameError) as caught:
        r["documneted"]
    assert caught.value.close == ("documented",)


def test_a_misspelt_argument_says_which_there_are():
    with pytest.raises(
        TypeError, match=r"max_share\(\): .*'veiw'. Did you mean 'view'\? It takes max_share\(focal='CHN', cap"
    ):
        sr.max_share("CHN", 0.5, veiw="control")


def test_of_equally_alike_names_the_one_that_begins_alike_comes_first():
    names = ["KHM", "HMD", "CYM", "CHN", "CHL"]
    assert close_matches("CHM", names, n=2) == ["CHL", "CHN"]
    assert close_matches("CHM", ["xyz"]) == [] == close_matches("CHM", [])

"""Measures: how they read, which links they reach, and what is said when they are wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from supplyrisk.errors import SchemaError, UnknownNameError
from supplyrisk.registry import measure, registries
from supplyrisk.shocks import Cut, enact, export_ban, export_licence, simulate, state, states
from supplyrisk.shocks.measures import kinds
from tests.unit.test_rationing import build, loss

P = "gallium.refined"
FLOWS = {
    (f"{P}@CHN", f"{P}@CHN:demand"): 100.0,
    (f"{P}@CHN", f"{P}@JPN:demand"): 60.0,
    (f"{P}@CHN", f"{P}@EUE:demand"): 30.0,
    (f"{P}@CHN", f"{P}@USA:demand"): 30.0,
    (f"{P}@CHN", f"{P}@TWN:demand"): 5.0,
    (f"{P}@CHN", f"{P}@HKG:demand"): 5.0,
    (f"{P}@IDN", f"{P}@JPN:demand"): 40.0,
    (f"{P}@IDN", f"{P}@CHN:demand"): 10.0,
    ("neon.pure@CHN", "neon.pure@JPN:demand"): 7.0,
    ("neon.pure@CHN", "neon.pure@DEU:demand"): 7.0,
    ("neon.pure@CHN", "neon.pure@POL:demand"): 3.0,
}


def member(coalition, country, start="2020", end=None):
    return {
        "coalition": coalition,
        "country": country,
        "role": "member",
        "valid_from": start,
        "valid_to": end,
        "source": "made",
    }


MEMBERS = [
    member("QUAD", "JPN"),
    member("QUAD", "USA"),
    member("QUAD", "AUS"),
    member("OLD", "JPN", "2010", "2015-01-01"),
    *(member("EU27", c) for c in ("DEU", "POL", "FRA")),
]


def act(name, target="USA", product=P, kind="ban", **kw):
    row = {
        "measure": name,
        "actor": "CHN",
        "target": target,
        "product": product,
        "kind": kind,
        "announced": "2024-12-03",
        "effective": "2024-12-03",
        "missing": None if "severity" in kw else "unknown",
        "source": "made",
        "grade": "A",
    }
    return row | kw


ACTS = [
    act("US-BAN", suspended="2025-11-09", suspended_until="2026-11-27"),
    act("LIC", "ALL", kind="licence", effective="2025-01-04"),
    act("LIC", "ALL", "neon.pure", kind="licence", effective="2025-01-04"),
    act("QUOTA", "JPN", kind="quota", severity=0.4, low=0.3, high=0.5),
    act("QUOTA-BARE", "JPN", kind="quota"),
    act("TECH", "ALL", kind="technology_ban"),
    act("OVER", "JPN", ended="2025-06-01"),
    act("VAGUE", "JPN", ended="2025-06"),
]


@pytest.fixture(scope="module")
def g():
    held = {
        "asset": f"{P}@IDN",
        "part": "",
        "portion": 0.5,
        "holder": "Firm",
        "holder_country": "CHN",
        "type": "majority",
        "share": 0.8,
        "source": "made",
        "grade": "A",
    }
    return build(FLOWS, {}, []).replace(
        memberships=pd.DataFrame(MEMBERS), measures=pd.DataFrame(ACTS), holdings=pd.DataFrame([held])
    )


def cut_links(g, spec):
    cut = spec.build(g)
    ix = g.index.links
    return {
        (s.partition("@")[2], b.partition("@")[2].partition(":")[0]): (lo, v, hi)
        for s, b, lo, v, hi in zip(ix["supplier"], ix["buyer"], cut.low, cut.value, cut.high, strict=True)
        if hi > 0
    }


def test_specs_read_as_written_compare_by_value_and_hash():
    a = export_ban("CHN", product=P, to=["JPN"], start="2026-01", months=12, severity=1.0)
    assert repr(a) == f"export_ban('CHN', product='{P}', to=['JPN'], start='2026-01', months=12, severity=1.0)"
    assert a == export_ban(actor="CHN", to=("JPN",), product=P, months=12, start="2026-01")
    assert a != export_ban("CHN", product=P, to=["JPN"], start="2026-01", months=11)
    assert len({a, export_licence("CHN", product=P)}) == 2


def test_targets_are_countries_coalitions_or_everyone(g):
    everyone = {("CHN", c) for c in ("JPN", "EUE", "USA", "TWN", "HKG")}
    assert set(cut_links(g, export_ban("CHN", product=P))) == everyone
    assert set(cut_links(g, export_ban("CHN", product=P, to="ALL"))) == everyone
    assert set(cut_links(g, export_ban("CHN", product=P, to="QUAD"))) == {("CHN", "JPN"), ("CHN", "USA")}
    assert set(cut_links(g, export_ban("CHN", product=P, to=["TWN", "QUAD"]))) == {
        ("CHN", "JPN"),
        ("CHN", "USA"),
        ("CHN", "TWN"),
    }
    assert len(cut_links(g, export_ban("CHN", product="ALL", to="JPN"))) == 1 + 0  # both products, one pair of places
    assert export_ban("CHN", product="ALL", to="JPN").build(g).mask.sum() == 2


def test_the_actors_own_links_are_never_cut(g):
    assert ("CHN", "HKG") not in cut_links(g, export_ban("CHN+HKG+MAC", product=P))
    assert all(b != "CHN" for _, b in cut_links(g, export_ban("CHN", product=P, to=["CHN", "JPN"])))


def test_the_union_and_its_members(g):
    assert set(cut_links(g, export_ban("CHN", product=[P, "neon.pure"], to="EUE"))) == {
        ("CHN", "EUE"),
        ("CHN", "DEU"),
        ("CHN", "POL"),
    }
    # All members together are the union.
    assert set(cut_links(g, export_ban("CHN", product=P, to="EU27"))) == {("CHN", "EUE")}
    one = export_ban("CHN", product=[P, "neon.pure"], to="DEU")
    assert cut_links(g, one) == {("CHN", "DEU"): (1.0, 1.0, 1.0), ("CHN", "EUE"): (0.0, 0.0, 1.0)}
    assert any("split by member is not recorded" in n for n in one.build(g).notes)
    with pytest.raises(SchemaError, match="name 'EUE'"):
        export_ban("CHN", product=P, to="DEU").build(g)


def test_control_reaches_plants_abroad(g):
    there = cut_links(g, export_ban("CHN", product=P, to="JPN", reach="control"))
    assert there[("CHN", "JPN")] == (1.0, 1.0, 1.0)
    low, value, high = there[("IDN", "JPN")]
    assert (low, value) == (0.5, 0.5)
    assert high == 1.0  # nobody knows who holds the other half
    assert ("IDN", "CHN") not in there
    hit = simulate(g, export_ban("CHN", product=P, to="JPN", reach="control"))
    assert loss(hit, f"{P}@JPN:demand") == pytest.approx(0.6 + 0.4 * 0.5)


def test_licence_is_queue_and_discretion(g):
    assert cut_links(g, export_licence("CHN", product=P, to="JPN", queue_days=0, approved=1.0)) == {}
    year = 12 * 21.75
    spec = export_licence("CHN", product=P, to="JPN", start="2025-04", months=12, queue_days=45, approved=0.25)
    assert cut_links(g, spec)[("CHN", "JPN")][1] == pytest.approx(1 - 0.25 * (1 - 45 / year))
    low, value, high = cut_links(g, export_licence("CHN", product=P, to="JPN"))[("CHN", "JPN")]
    assert (low, value, high) == (pytest.approx(45 / year), pytest.approx(1 - 0.25 * (1 - 45 / year)), 1.0)
    # A queue longer than the measure stops everything.
    short = export_licence("CHN", product=P, to="JPN", start="2025-04", months=2, approved=1.0)
    assert cut_links(g, short)[("CHN", "JPN")][1] == 1.0
    assert cut_links(g, export_licence("CHN", product=P, to="JPN", severity=(0.1, 0.2, 0.3)))[("CHN", "JPN")] == (
        0.1,
        0.2,
        0.3,
    )
    assert any("assumption" in n for n in export_licence("CHN", product=P).build(g).notes)


def test_length_and_dates(g):
    cut = export_ban("CHN", product=P, start="2026-01", months=12).build(g)
    assert (cut.start, cut.end) == ("2026-01", "2026-12-31")
    assert cut.covers("2026-12-31")
    assert not cut.covers("2027-01-01")
    assert not cut.covers("2025-12-31")
    assert export_ban("CHN", product=P, end="2026-06").build(g).covers("2026-06-30")
    assert "5 of 11 links" in repr(cut)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (export_ban("CHN", product="galium.refined"), P),
        (export_ban("CHNN", product=P), "CHN"),
        (export_ban("CHN", product=P, to="Japan"), "JPN"),
        (export_ban("CHN", product=P, to="QUAT"), "QUAD"),
        (export_ban("CHN", product=P, reach="controll"), "control"),
        (export_ban("CHN", product=P, act="US-BAM"), "US-BAN"),
    ],
)
def test_unknown_names_give_close_matches(g, spec, names):
    with pytest.raises(UnknownNameError) as err:
        simulate(g, spec)
    assert names in err.value.close


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (export_ban("CHN", product=P, severity=100), "fraction, 0 to 1, not percent"),
        (export_ban("CHN", product=P, severity=-0.1), "outside"),
        (export_ban("CHN", product=P, severity=float("nan")), "outside"),
        (export_ban("CHN", product=P, severity="full"), "not a number"),
        (export_ban("CHN", product=P, severity=(0.9, 0.5, 1.0)), "not ordered"),
        (export_ban("CHN", product=P, start="2026-01", end="2025-12"), "before the start"),
        (export_ban("CHN", product=P, start="2026-01", months=0), "not after the start"),
        (export_ban("CHN", product=P, start="2026-01", months=3, end="2026-05"), "together with end"),
        (export_ban("CHN", product=P, months=3), "needs a first day"),
        (export_ban("CHN", product=P, start="soon"), "not an ISO date"),
        (export_ban("CHN", product=P, to=[]), "no target"),
        (export_ban("CHN", product=[]), "no product"),
        (export_ban("CHN", product=P, to="OLD", start="2026-01"), "has no member on that day"),
        (export_ban("CHN", product=P, to="KOR"), "EUE, HKG, JPN, TWN, USA"),
        (export_ban("JPN", product=P), "sends nothing abroad"),
        (export_ban("IDN", product="neon.pure"), "gallium.refined"),
        (export_licence("CHN", product=P, severity=0.5, approved=0.5), "together with queue_days"),
        (export_licence("CHN", product=P, queue_days=-1), "outside"),
    ],
)
def test_bad_values_say_what_to_do(g, spec, text):
    with pytest.raises(SchemaError, match=text):
        simulate(g, spec)


def test_all_faults_at_once(g):
    bad = export_ban("CHINA", product=["galium", P], to=["Japan"], start="2026-02", end="2026-01", severity=2)
    with pytest.raises(SchemaError) as err:
        simulate(g, bad)
    text = str(err.value)
    assert len(err.value.problems) == 5
    for part in ("'CHINA'", "'galium'", "'Japan'", "before the start", "outside [0, 1]"):
        assert part in text


def test_a_product_that_is_not_reached_is_told(g):
    hit = simulate(g, export_ban("CHN", product=[P, "neon.pure"], to="USA"))
    assert any(n.endswith("nothing is cut") and "neon.pure" in n for n in hit.notes)


# ----------------------------------------------------------------------------------------------- dated acts


def test_enact_writes_measures(g):
    assert repr(enact(g, "US-BAN")) == (
        f"(export_ban('CHN', product='{P}', to='USA', start='2024-12-03', severity=1.0, act='US-BAN'),)"
    )
    (lic,) = enact(g, "LIC")
    assert repr(lic) == f"export_licence('CHN', product=['{P}', 'neon.pure'], to='ALL', start='2025-01-04', act='LIC')"
    assert any("assumption" in n for n in simulate(g, enact(g, "US-BAN")).notes)
    (quota,) = enact(g, "QUOTA")
    low, value, high = quota["severity"]
    assert (value, low <= 0.3, high >= 0.5) == (0.4, True, True)
    assert not any("default of its kind" in n for n in simulate(g, quota).notes)
    assert enact(g, "US-BAN", severity=0.5)[0]["severity"] == 0.5
    (over,) = enact(g, "OVER", reach="control")
    assert (over["end"], over["reach"]) == ("2025-05-31", "control")


def test_enact_refuses_what_it_cannot_carry_out(g):
    with pytest.raises(UnknownNameError, match="US-BAN"):
        enact(g, "USBAN")
    with pytest.raises(SchemaError, match="does not stop a present flow"):
        enact(g, "TECH")
    with pytest.raises(SchemaError, match="Give severity="):
        enact(g, "QUOTA-BARE")
    assert enact(g, "QUOTA-BARE", severity=0.2)[0]["severity"] == 0.2
    with pytest.raises(SchemaError, match="suspended on 2026-01-31"):
        enact(g, "US-BAN", on="2026-01")
    with pytest.raises(SchemaError, match="announced on 2024-12-31"):
        enact(g, "LIC", on="2024-12-31")


def test_where_the_state_is_unknown_the_low_bound_is_nothing(g):
    hit = simulate(g, enact(g, "US-BAN", on="2026-11-28"))
    row = hit.unmet.set_index("node").loc[f"{P}@USA:demand"]
    assert (row["low"], row["unmet_share"], row["high"]) == (0.0, 1.0, 1.0)
    same = simulate(g, enact(g, "US-BAN"), at="2026-11-28")
    assert any("unknown" in n for n in same.notes)
    assert same.unmet.set_index("node").loc[f"{P}@USA:demand", "low"] == 0.0
    assert loss(simulate(g, enact(g, "US-BAN"), at="2026-11-27"), f"{P}@USA:demand") == 0.0
    assert loss(simulate(g, enact(g, "US-BAN"), at="2025-06"), f"{P}@USA:demand") == 1.0


def test_states(g):
    assert state(g, "US-BAN", "2024-12-02").state == "not_yet"
    assert state(g, "LIC", "2024-12-10").state == "announced"
    assert state(g, "LIC", "2026-11-22").state == "in_force"
    assert "as last found" in str(state(g, "LIC", "2026-11-22"))
    assert state(g, "OVER", "2025-06-01").state == "ended"
    assert state(g, "OVER", "2025-05-31").state == "in_force"
    assert [state(g, "VAGUE", d).state for d in ("2025-05-31", "2025-06-15", "2025-06-30")] == [
        "in_force",
        "unknown",
        "ended",
    ]
    s = state(g, "US-BAN", "2026-11-28")
    assert s.sources == ("made up for a test",)
    assert s.evidence["state"].tolist() == ["unknown"]
    assert "lapsed" in s.because
    assert "<table" in s._repr_html_()
    table = states(g, "2026-11-28").set_index("measure")
    assert table.loc["US-BAN", "state"] == "unknown"
    assert len(table) == 7
    with pytest.raises(SchemaError, match="ISO date"):
        state(g, "US-BAN", "tomorrow")


def test_a_second_measure_is_one_decorated_function(g):
    assert kinds() == {"ban": ["export_ban"], "licence": ["export_licence"]}

    @measure(kind_of_act="tax")
    def export_tax(graph, actor, *, product, to=None, start=None, end=None, severity=0.1, act=None):
        """Make a part of the flow too dear to ship."""
        base = export_ban(actor, product=product, to=to).build(graph)
        return Cut(base.value * severity, base.low * severity, base.high * severity)

    try:
        assert "export_tax" in registries["measure"]
        spec = export_tax("CHN", product=P, to="USA", severity=0.25)
        hit = simulate(g, spec)
        assert loss(hit, f"{P}@USA:demand") == pytest.approx(0.25)
        assert repr(spec) in hit.summary()
        other = g.replace(measures=pd.DataFrame([act("TAX", kind="tax", severity=0.2)]))
        globals()["export_tax"] = export_tax
        assert np.isclose(loss(simulate(other, enact(other, "TAX", severity=0.2)), f"{P}@USA:demand"), 0.2)
    finally:
        registries["measure"].remove("export_tax")
        globals().pop("export_tax", None)

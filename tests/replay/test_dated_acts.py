"""Dated acts of the atlas: their state on the days on which suspensions lapse, and what they do to the chains."""

from __future__ import annotations

import numpy as np
import pytest

from supplyrisk.errors import SchemaError
from supplyrisk.shocks import enact, simulate, state, states
from supplyrisk.shocks.measures import kinds

DAYS = ("2026-11-09", "2026-11-10", "2026-11-27", "2026-11-28")


def test_states_change_as_the_suspensions_lapse(atlas):
    def row(act):
        return [state(atlas, act, d).state for d in DAYS]

    assert row("CHN-2025-OCT-REE-EXT") == ["suspended", "suspended", "unknown", "unknown"]
    assert row("CHN-2024-US-BAN") == ["suspended", "suspended", "suspended", "unknown"]
    assert row("CHN-2023-GAGE") == ["in_force"] * 4
    assert row("COD-2025-CO") == ["ended"] * 4
    assert state(atlas, "CHN-2024-US-BAN", "2025-06-30").state == "in_force"
    assert state(atlas, "CHN-2025-OCT-REE-EXT", "2025-11-08").state == "suspended"  # suspended before it took effect
    assert state(atlas, "CHN-2025-OCT-REE-EXT", "2025-10-20").state == "announced"


def test_no_act_turns_into_no_control_after_a_lapse(atlas):
    table = states(atlas, "2026-11-28")
    m = atlas.measures
    lapsed = m[m["suspended_until"].notna() & m["ended"].isna() & (m["suspended_until"].fillna("9999") <= "2026-11-27")]
    assert len(lapsed)
    assert (table.set_index("measure").loc[sorted(set(lapsed["measure"])), "state"] == "unknown").all()


def test_every_state_names_its_source(atlas):
    for act in sorted(set(atlas.measures["measure"])):
        s = state(atlas, act, "2026-11-22")
        assert s.sources, act
        assert s.because


def test_every_act_runs_or_says_why_not(atlas):
    done, silent = [], []
    for act in sorted(set(atlas.measures["measure"])):
        try:
            hit = simulate(atlas, enact(atlas, act))
        except SchemaError as err:
            silent += [p for p in err.problems if not p.remedy]
            continue
        done.append(act)
        u = hit.unmet
        assert ((u["low"] <= u["unmet_share"]) & (u["unmet_share"] <= u["high"])).all(), act
        known = u.dropna(subset=["demand"])
        np.testing.assert_allclose(known["supplied"] + known["unmet"], known["demand"], rtol=1e-12)
    assert silent == []
    assert {"CHN-2023-GAGE", "CHN-2024-SB", "CHN-2024-US-BAN", "CHN-2025-MREE", "CHN-2023-GRAPHITE"} <= set(done)


def test_gallium_reaches_wafers_and_devices(atlas):
    hit = simulate(atlas, enact(atlas, "CHN-2023-GAGE"))
    short = set(hit.unmet.loc[hit.unmet["unmet_share"] > 0, "product"])
    assert {"gallium.refined", "gaas.wafer", "front_end.compound"} <= short
    device = hit.unmet.loc[(hit.unmet["product"] == "front_end.compound") & (hit.unmet["unmet_share"] > 0), "node"]
    path = hit.transmission(device.iloc[0])["product"].tolist()
    assert path.index("gallium.refined") < path.index("gaas.wafer")


def test_a_ban_on_one_ally_spares_the_others_and_resale_softens_it(atlas):
    acts = enact(atlas, "CHN-2024-US-BAN")
    plain, resold = simulate(atlas, acts), simulate(atlas, acts, resale=True)
    p, r = (h.unmet.set_index("node")["unmet_share"] for h in (plain, resold))
    assert p["gallium.refined@USA:demand"] > 0.0
    assert p["gallium.refined@JPN:demand"] == 0.0
    assert r["gallium.refined@USA:demand"] < p["gallium.refined@USA:demand"]
    assert resold.graph.validate().empty


def test_dates_and_states_bind(atlas):
    acts = enact(atlas, "CHN-2024-US-BAN")
    while_suspended = simulate(atlas, acts, at="2026-06-30")
    assert (while_suspended.unmet["high"] == 0.0).all()
    lapsed = simulate(atlas, acts, at="2026-11-28").unmet.set_index("node").loc["gallium.refined@USA:demand"]
    assert lapsed["low"] == 0.0
    assert lapsed["unmet_share"] > 0.0


def test_acts_that_stop_no_flow_are_refused(atlas):
    with pytest.raises(SchemaError, match="does not stop a present flow"):
        enact(atlas, "CHN-2023-REE-TECH")


def test_ban_and_licence_are_the_first_of_their_kind():
    assert {"ban", "licence"} <= set(kinds())

"""The registers of the atlas: they validate, every row says where it is from, and known facts stand as known."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pandas as pd
import pytest

from supplyrisk.atlas.registers import REGISTERS, registers
from supplyrisk.entry import bundle_problems, owner_problems
from supplyrisk.graph import SupplyGraph
from supplyrisk.jurisdictions import is_country
from supplyrisk.ownership import equity, majority
from supplyrisk.schema import GRADES, LICENCES, MEASURE_KINDS, TABLES, coerce, parse_node_id

STATUSES = {"operating", "commissioning", "construction", "financed", "planned", "study", "idled", "halted", "captured"}


@pytest.fixture(scope="module")
def reg() -> dict[str, pd.DataFrame]:
    return registers()


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    text = resources.files("supplyrisk.atlas").joinpath("products.csv")
    with resources.as_file(text) as path:
        raw = pd.read_csv(path, dtype="str", keep_default_na=False)
    frame = raw[[c for c in raw.columns if c in TABLES["products"].names and "source" not in c]]
    return coerce(frame, TABLES["products"])[0]


# ---------------------------------------------------------------------- form


def test_all_registers_validate_together(reg: dict[str, pd.DataFrame], products: pd.DataFrame) -> None:
    tables = {k: spec.empty() for k, spec in TABLES.items()} | {"products": products} | reg
    found = bundle_problems(tables)
    assert found == [], "\n".join(map(str, found[:10]))
    assert owner_problems(reg["holdings"]) == []
    assert set(reg) == {*REGISTERS, "nodes"}


def test_columns_are_those_of_the_schema_and_frames_are_fresh(reg: dict[str, pd.DataFrame]) -> None:
    for name, frame in reg.items():
        assert tuple(frame.columns) == TABLES[name].names
    again = registers()
    again["holdings"].loc[:, "holder"] = "nobody"
    assert not (registers()["holdings"]["holder"] == "nobody").any()


def test_nothing_is_empty(reg: dict[str, pd.DataFrame]) -> None:
    least = {"holdings": 150, "measures": 90, "memberships": 390, "projects": 100, "pairings": 150, "zones": 50}
    for name, count in least.items():
        assert len(reg[name]) >= count, name
    assert len(reg["elasticities"])
    assert len(reg["stocks"])
    assert len(reg["sources"]) > 100


# ---------------------------------------------------------------------- provenance


def test_every_source_states_its_licence(reg: dict[str, pd.DataFrame]) -> None:
    s = reg["sources"]
    assert s["licence"].str.len().min() > 3
    assert s["licence_class"].isin(LICENCES).all()
    assert not s["licence_class"].isin(["non_commercial", "restricted", "private"]).any()
    assert s["title"].notna().all()
    assert s["year"].notna().all()
    assert s["source"].is_unique


def test_every_row_has_an_admitted_grade_and_a_source(reg: dict[str, pd.DataFrame]) -> None:
    for name in REGISTERS:
        if name == "sources":
            continue
        f = reg[name]
        assert f["grade"].isin(GRADES).all(), name
        bare = f["source"].isna() | (f["source"] == "")
        assert (f.loc[bare, "grade"] == "assumption").all(), name
        assert f["year"].notna().all(), name
        assert f["published_on"].notna().all(), name
        assert (f["origin_tag"] == "public").all(), name


def test_every_source_is_used(reg: dict[str, pd.DataFrame]) -> None:
    used: set[str] = set()
    for name in REGISTERS:
        for column in ("source", "capacity_source", "capex_source"):
            if name != "sources" and column in reg[name]:
                used |= set(reg[name][column].dropna())
    assert used == set(reg["sources"]["source"])


def test_rows_that_rest_on_recall_are_never_headline_worthy(reg: dict[str, pd.DataFrame]) -> None:
    for name in REGISTERS:
        if name != "sources":
            f = reg[name]
            assert not f.loc[f["source"].isin(["recalled", "public_membership_lists"]), "grade"].isin(["A", "B"]).any()


def test_no_figure_of_unsettled_licence() -> None:
    for name in REGISTERS:
        text = resources.files("supplyrisk.atlas").joinpath(f"{name}.csv").read_text(encoding="utf-8").casefold()
        for word in ("protee", "cset/eto", "eto chip", "emerging technology observatory", "cc by-nc"):
            assert word not in text, (name, word)


# ---------------------------------------------------------------------- memberships


def test_the_minerals_security_partnership_by_date(reg: dict[str, pd.DataFrame]) -> None:
    g = SupplyGraph.from_tables(memberships=reg["memberships"], sources=reg["sources"])
    first = g.members("MSP", at="2022-06-14")
    assert len(first) == 11
    assert "EUE" in first
    later = g.members("MSP", at="2024-10")
    assert len([c for c in later if c != "EUE"]) == 14
    assert "EUE" in later
    assert {"ITA", "NOR", "IND", "EST"} == set(later) - set(first)
    assert g.members("MSP", at="2026-03") == ()
    assert g.members("MSP", at="2022-06-13") == ()
    assert g.members("MSP") == later  # default: the last day on which it had a member
    assert g.members("FORGE", at="2026-03", roles=("chair", "initiator")) == ("KOR", "USA")


def test_other_coalitions(reg: dict[str, pd.DataFrame]) -> None:
    g = SupplyGraph.from_tables(memberships=reg["memberships"], sources=reg["sources"])
    assert len(g.members("EU27", at="2024")) == 27
    assert "GBR" in g.members("EU27", at="2019")
    assert "GBR" not in g.members("EU27", at="2021")
    assert len(g.members("G7", at="2024")) == 7
    left = reg["memberships"].query("coalition == 'BRI' and country == 'ITA'")
    assert left["valid_to"].tolist() == ["2023-12"]
    assert "TWN" not in g.members("BRI", roles=("participant",))


# ---------------------------------------------------------------------- pairings and zones


def test_gansu_is_paired_with_six_states_in_three_sectors(reg: dict[str, pd.DataFrame]) -> None:
    p = reg["pairings"]
    gansu = p[(p["province_iso"] == "CN-GS") & (p["instrument"] == "official_pairing")]
    assert len(gansu) == 18
    assert set(gansu["partner"]) == {"TJK", "KGZ", "TKM", "IRN", "KAZ", "AZE"}
    assert set(gansu["sector"]) == {"mineral_resources", "non_ferrous_metals", "energy"}
    assert not gansu.duplicated(["partner", "sector"]).any()


def test_official_pairings_only_where_a_text_states_them(reg: dict[str, pd.DataFrame]) -> None:
    p = reg["pairings"]
    assert set(p.loc[p["instrument"] == "official_pairing", "province"]) == {"Gansu", "Qinghai"}
    assert p["province_iso"].str.match(r"^CN-[A-Z]{2}$").all()
    unnamed = p[p["partner"] == "UNK"]
    assert unnamed["lead"].str.startswith("region: ").all()


def test_zones(reg: dict[str, pd.DataFrame]) -> None:
    z = reg["zones"]
    assert z["note"].str.startswith("passed the confirmation").sum() == 20
    assert z["mineral_relevant"].notna().all()
    assert 10 <= int(z["mineral_relevant"].sum()) < len(z)
    assert z["country"].map(is_country).all()


# ---------------------------------------------------------------------- holdings


def test_kisanfu_adds_to_95_percent_chinese(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    for asset in ("cobalt.mine@COD", "copper.mine@COD"):
        k = h[(h["asset"] == asset) & (h["part"] == "Kisanfu (KFM)")].set_index("holder")
        assert k.loc["CMOC", "share"] == pytest.approx(0.7125)
        assert k.loc["CATL (Brunp)", "share"] == pytest.approx(0.2375)
        assert k.loc[k["holder_country"] == "CHN", "share"].sum() == pytest.approx(0.95)
        assert k["share"].sum() == pytest.approx(1.0)
        assert k.loc[k["holder_country"] == "CHN", "group"].nunique() == 1
        assert k.loc["Gecamines", "group"] is pd.NA or k.loc["Gecamines", "group"] == ""


def test_the_weda_bay_park_is_one_group(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    park = h[h["asset"].str.startswith("IWIP")]
    assert sorted(park["share"]) == pytest.approx([0.3, 0.3, 0.4])
    assert park["group"].nunique() == 1
    top = majority(park["holder"], park["asset"], park["share"], group=park["group"])
    assert top.tolist() == ["IWIP consortium"]
    assert majority(park["holder"], park["asset"], park["share"]).isna().all()


def test_greenbushes_is_51_percent_at_one_level_and_26_looked_through(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    g = h[h["asset"].isin(["Talison", "TLEA"]) | (h["part"] == "Greenbushes")]
    node = "lithium.mine@AUS"
    own = equity(g["holder"], g["asset"], g["share"], by=g["holder_country"])
    assert own.loc["CHN", node] == pytest.approx(0.51 * 0.51)
    assert g.set_index(["asset", "holder"]).loc[("Talison", "TLEA"), "share"] == pytest.approx(0.51)
    assert majority(g["holder"], g["asset"], g["share"])[node] == "Tianqi"


def test_cobalt_of_the_congo_is_known_to_be_controlled_from_china(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    c = h[(h["asset"] == "cobalt.mine@COD") & (h["type"] == "majority") & (h["holder_country"] == "CHN")]
    parts = c[c["portion"].notna()].drop_duplicates("part")
    # CMOC alone made 114,165 t in 2024 of a country total of 226,000 t.
    assert parts["portion"].sum() == pytest.approx(114165 / 226000, abs=1e-3)
    assert 0.3 < parts["portion_low"].sum() < parts["portion"].sum() < parts["portion_high"].sum() < 0.7
    # As part of the world (the country makes three quarters): far above 10 percent even at the low end.
    assert 0.73 * parts["portion_low"].sum() > 0.2


def test_indonesian_nickel_refining_is_a_lower_bound_of_75_percent(reg: dict[str, pd.DataFrame]) -> None:
    n = reg["holdings"].query("asset == 'nickel.refined@IDN'")
    assert len(n) == 1
    row = n.iloc[0]
    assert (row["portion"], row["portion_low"], row["portion_high"]) == (0.75, 0.75, 1.0)
    assert row["holder_country"] == "CHN"
    assert row["type"] == "majority"
    assert row["share"] == 1.0
    assert row["grade"] == "B"  # capacity stands for output


def test_shares_and_portions_are_consistent(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    on_node = h["asset"].str.contains("@")
    assert h.loc[~on_node, ["portion", "portion_low", "portion_high"]].isna().all().all()
    node = h[on_node]
    assert node["portion_low"].notna().all()
    assert node["portion_high"].notna().all()
    value = node["portion"].fillna(node["portion_low"])
    assert ((node["portion_low"] <= value) & (value <= node["portion_high"])).all()
    one = node.groupby(["asset", "part"])[["portion_low", "portion_high"]].nunique()
    assert (one == 1).all().all()  # every holder of a part states the same portion
    kind = node["asset"].map(lambda a: parse_node_id(a)[3])
    assert (kind == "producer").all()
    total = node.drop_duplicates(["asset", "part"]).groupby("asset")["portion"].sum()
    assert (total <= 1 + 1e-9).all()


def test_nameplate_never_becomes_the_best_grade(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    nameplate = h[h["note"].fillna("").str.contains("portion: nameplate")]
    assert len(nameplate)
    assert not (nameplate["grade"] == "A").any()
    assert (nameplate["portion_low"] < nameplate["portion_high"]).all()


def test_debt_is_not_ownership(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    lent = h[h["type"] == "finance"]
    assert len(lent) >= 3
    assert lent["share"].isna().all()
    kaz = h[h["asset"] == "copper.mine@KAZ"]
    assert set(kaz["type"]) == {"finance"}


def test_control_rows_that_are_not_chinese(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    lamp = h[h["part"] == "Lynas Malaysia (LAMP)"]
    assert len(lamp)
    assert not (lamp["holder_country"] == "CHN").any()
    assert lamp["share"].sum() == pytest.approx(1.0)


def test_control_ends_when_it_ended(reg: dict[str, pd.DataFrame]) -> None:
    h = reg["holdings"]
    fab = h[h["part"] == "Newport Wafer Fab"].set_index("holder")
    assert fab.loc["Nexperia", "valid_from"] == "2021-07"
    assert fab.loc["Nexperia", "valid_to"][:4] == "2024"
    assert fab.loc["Vishay", "valid_from"] > fab.loc["Nexperia", "valid_to"]
    over = h[(h["type"] == "host_override") & (h["part"] == "Nexperia")]
    assert over["valid_from"].min() == "2025-09-30"
    owner = h[(h["asset"] == "Nexperia") & (h["holder"] == "Wingtech")].iloc[0]
    assert owner["share"] == 1.0
    assert pd.isna(owner["valid_to"])
    exit_ = h[(h["part"] == "Centenario") & (h["holder"] == "Tsingshan")]
    assert (exit_["valid_to"] == "2024").all()
    assert len(exit_) == 2


# ---------------------------------------------------------------------- measures


def test_measures_name_products_of_the_atlas(reg: dict[str, pd.DataFrame], products: pd.DataFrame) -> None:
    m = reg["measures"]
    assert set(m["product"]) <= set(products["product"])
    assert m["kind"].isin(MEASURE_KINDS).all()
    assert m["announced"].fillna(m["effective"]).notna().all()
    assert m["status"].str.contains("as last found; nothing after late June 2026 was found").all()
    assert {"CHN", "USA", "COD", "IDN", "JPN"} <= set(m["actor"])


def test_severity_only_where_measured(reg: dict[str, pd.DataFrame]) -> None:
    m = reg["measures"].set_index(["measure", "product"])
    known = m[m["severity"].notna()]
    assert known["note"].str.contains("severity: ").all()
    assert set(m.loc[m["severity"].isna(), "missing"]) == {"not_available", "not_applicable"}
    assert m.loc[("CHN-2025-MREE", "ndfeb.magnet"), "severity"] == pytest.approx(0.74)
    assert m.loc[("CHN-2023-GRAPHITE", "graphite_natural.mine"), "severity"] == pytest.approx(0.785)
    assert m.loc[("CHN-2024-SB", "antimony.refined"), "severity"] == pytest.approx(0.971)
    technology = m[m["kind"] == "technology_ban"]
    assert technology["severity"].isna().all()
    assert (technology["missing"] == "not_applicable").all()
    banned = m.loc[("CHN-2024-US-BAN", "gallium.refined")]
    assert np.isnan(banned["severity"])


def test_life_cycle_of_the_suspended_acts(reg: dict[str, pd.DataFrame]) -> None:
    m = reg["measures"]
    ban = m[m["measure"] == "CHN-2024-US-BAN"]
    assert set(ban["product"]) == {"gallium.refined", "germanium.refined", "antimony.refined", "antimony.trioxide"}
    assert (ban["target"] == "USA").all()
    assert (ban["suspended"] == "2025-11-09").all()
    assert (ban["suspended_until"] == "2026-11-27").all()
    oct9 = m[m["measure"].str.startswith("CHN-2025-OCT-")]
    assert (oct9["suspended_until"] == "2026-11-10").all()
    assert len(oct9)
    covert = m[m["measure"] == "CHN-2010-REE-JPN"]
    assert (covert["kind"] == "customs_stop").all()
    assert (covert["ended"] == "2010-11").all()


# ---------------------------------------------------------------------- projects, elasticities, stocks


def test_projects(reg: dict[str, pd.DataFrame], products: pd.DataFrame) -> None:
    p = reg["projects"]
    assert set(p["status"]) <= STATUSES
    assert set(p["product"]) <= set(products["product"])
    ngualla = p[p["name"] == "Ngualla"].iloc[0]
    assert ngualla["status"] == "captured"
    assert ngualla["holder_country"] == "CHN"
    assert p.loc[p["name"] == "Boguty", "holder_country"].tolist() == ["CHN"]
    for q in ("capacity", "capex"):
        given = p[q].notna()
        assert p.loc[given, f"{q}_source"].notna().all()
        assert p.loc[given, f"{q}_grade"].notna().all()
        assert p.loc[~given, f"{q}_missing"].notna().all()
    assert not p.duplicated(["project", "capex"])[p["capex"].notna()].any()  # joint cost is counted once


def test_project_capacities_are_in_the_unit_of_their_product(reg: dict[str, pd.DataFrame]) -> None:
    p = reg["projects"].set_index(["name", "product"])["capacity"]
    assert p[("Wagerup gallium", "gallium.refined")] == pytest.approx(100_000)  # kg
    assert p[("Thacker Pass", "lithium.refined")] == pytest.approx(40_000 / 5.3231, rel=1e-4)  # Li, not LCE
    assert p[("Onsan germanium", "germanium.refined")] == pytest.approx(10_000)  # kg
    assert p[("Sangdong", "tungsten.mine")] == pytest.approx(2300 / 1.2611, rel=1e-4)  # W, not WO3
    assert np.isnan(p[("Mountain Pass", "rare_earths.mine")])  # output of a year is no nameplate
    grade = reg["projects"].set_index(["name", "product"])["capacity_grade"]
    assert grade[("Sangdong", "tungsten.mine")] == "D"


def test_elasticities(reg: dict[str, pd.DataFrame]) -> None:
    e = reg["elasticities"]
    boer = e[e["source"] == "imf_wp_2021_243"]
    assert len(boer) == 8
    assert (boer["grade"] == "D").all()
    assert (e.loc[e["kind"] == "demand", "value"] < 0).all()
    assert (e.loc[e["kind"] == "supply", "value"] > 0).all()


def test_stocks_have_their_nodes(reg: dict[str, pd.DataFrame]) -> None:
    s, n = reg["stocks"], reg["nodes"]
    assert set(s["node"]) == set(n["node"])
    assert (n["kind"] == "stock").all()
    assert n["output"].isna().all()
    assert (n["output_missing"] == "not_applicable").all()
    withheld = s[s["missing"] == "withheld"]
    assert withheld["quantity"].isna().all()
    assert "tungsten.mine@USA:stock" in set(withheld["node"])
    copper = s[(s["node"] == "copper.refined@USA:stock") & (s["year"] == 2024)]["quantity"].item()
    assert copper == 123_000
    gallium = s[(s["node"] == "gallium.refined@USA:stock") & (s["year"] == 2024)]["quantity"].item()
    assert gallium == 3410

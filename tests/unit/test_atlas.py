"""The embedded facts: known figures, connected chains, honest grades and licences."""

from __future__ import annotations

from collections import deque

import numpy as np
import pandas as pd
import pytest

from supplyrisk.atlas import contents, figures, load_atlas
from supplyrisk.errors import UnknownNameError
from supplyrisk.graph import SupplyGraph

NON_COMMERCIAL = ("eto", "cset, the semiconductor supply chain", "protee")


@pytest.fixture(scope="module")
def atlas() -> SupplyGraph:
    return load_atlas()


def made(g: SupplyGraph, product: str, year: int | None = None) -> pd.Series:
    """Output by country: of one vintage, or the latest of each producer."""
    n = g.nodes
    n = n[(n["product"] == product) & (n["kind"] == "producer") & n["output"].notna()]
    if year is not None:
        n = n[n["year"] == year]
    n = n.sort_values("year").drop_duplicates("node", keep="last")
    return n.set_index("country")["output"]


def share(s: pd.Series, country: str) -> float:
    return float(s[country] / s.sum())


def test_valid_and_named(atlas: SupplyGraph) -> None:
    assert atlas.name == "atlas"
    assert atlas.validate().empty
    assert load_atlas() is atlas


def test_refined_gallium_2024(atlas: SupplyGraph) -> None:
    assert share(made(atlas, "gallium.refined", 2024), "CHN") == pytest.approx(0.989, abs=5e-4)


def test_rare_earth_mining_2025(atlas: SupplyGraph) -> None:
    assert share(made(atlas, "rare_earths.mine"), "CHN") == pytest.approx(0.6935, abs=5e-4)


def test_indonesian_nickel_2024(atlas: SupplyGraph) -> None:
    assert share(made(atlas, "nickel.refined"), "IDN") == pytest.approx(0.415, abs=0.001)


@pytest.mark.parametrize(
    ("product", "country", "expected"),
    [
        ("cobalt.refined", "CHN", 0.784),
        ("lithium.refined", "CHN", 0.702),
        ("graphite.anode", "CHN", 0.957),
        ("rare_earths.magnet_refined", "CHN", 0.913),
        ("rare_earths.oxide", "CHN", 0.854),
        ("ndfeb.magnet", "CHN", 0.916),
        ("polysilicon.solar", "CHN", 0.935),
        ("dysprosium.oxide", "CHN", 1.0),
        ("germanium.refined", "CHN", 0.831),
        ("neon.pure", "UKR", 0.297),
        ("front_end.logic_lt10nm", "TWN", 0.69),
        ("front_end.logic_ge28nm", "CHN", 0.33),
    ],
)
def test_published_shares(atlas: SupplyGraph, product: str, country: str, expected: float) -> None:
    assert share(made(atlas, product), country) == pytest.approx(expected, abs=2e-3)


def test_two_vintages_side_by_side(atlas: SupplyGraph) -> None:
    n = atlas.nodes
    assert set(n.loc[n["node"] == "gallium.refined@CHN", "year"]) == {2024, 2025}


def test_taiwan_hong_kong_macao_stand_apart(atlas: SupplyGraph) -> None:
    n = atlas.nodes
    assert {"CHN", "TWN", "HKG"} <= set(n["country"])
    assert "front_end.logic_lt10nm@TWN" in set(n["node"])
    links = atlas.links
    assert (links["buyer"] == "nickel.refined@TWN:demand").any()
    # BACI books Taiwan as "Other Asia": no such code may be left.
    assert "S19" not in set(figures()["trade"]["origin"]) | set(figures()["trade"]["destination"])


def test_magnet_import_mix(atlas: SupplyGraph) -> None:
    """China's part of import value: 76.3 and 27.8 percent among named partners.

    The full statistics say 74.5 and 27.6; the embedded flows end at 95 percent of the heading's value and what is cut
    off comes mostly from elsewhere, hence two points of tolerance.
    """
    links = atlas.links
    for buyer, full in (("USA", 0.745), ("JPN", 0.276)):
        into = links[(links["buyer"] == f"ndfeb.magnet@{buyer}:demand") & (links["method"] == "observed")]
        value = into.set_index("supplier")["value"]
        assert float(value["ndfeb.magnet@CHN"] / value.sum()) == pytest.approx(full, abs=0.02)


def test_united_states_gallium(atlas: SupplyGraph) -> None:
    links = atlas.links
    into = links[(links["buyer"] == "gallium.refined@USA:demand")].set_index("supplier")["quantity"]
    assert into["gallium.refined@CHN"] / into.sum() == pytest.approx(0.18)
    # Canada makes no primary gallium: it passes on, and what it passes on is traced to the world pool.
    assert "gallium.refined@CAN:demand" in into.index
    back = links[links["buyer"] == "gallium.refined@CAN:demand"]
    assert back["supplier"].tolist() == ["gallium.refined@WLD:demand"]


def test_shares_of_union_supply(atlas: SupplyGraph) -> None:
    ix = atlas.index
    for product, expected in (("gallium.refined", 0.69), ("yttrium.oxide", 0.61), ("neodymium.oxide", 0.85)):
        rows = (ix.links["supplier"] == f"{product}@CHN") & (ix.links["buyer"] == f"{product}@EUE:demand")
        assert ix.share[rows.to_numpy(dtype=bool)].tolist() == pytest.approx([expected])


def reach(g: SupplyGraph, product: str) -> set[str]:
    """Products that some producer of the product reaches along the links."""
    links = g.links
    out: dict[str, list[str]] = {}
    for s, b in zip(links["supplier"], links["buyer"], strict=True):
        out.setdefault(str(s), []).append(str(b))
    nodes = g.nodes
    start = nodes[(nodes["product"] == product) & (nodes["kind"] == "producer")]["node"].astype(str).tolist()
    seen, todo = set(start), deque(start)
    while todo:
        for b in out.get(todo.popleft(), []):
            if b not in seen:
                seen.add(b)
                todo.append(b)
    return {n.partition("@")[0] for n in seen}


@pytest.mark.parametrize(
    ("ore", "end"),
    [
        ("rare_earths.mine", "front_end.logic_lt10nm"),
        ("rare_earths.magnet_mine", "front_end.logic_lt10nm"),
        ("rare_earths.heavy_mine", "ndfeb.magnet"),
        ("bauxite.mine", "front_end.compound"),
        ("zinc.mine", "front_end.analog"),
        ("tungsten.mine", "front_end.memory"),
        ("fluorspar.mine", "front_end.logic_lt10nm"),
        ("quartz.mine", "front_end.logic_lt10nm"),
        ("neon.crude", "front_end.logic_ge28nm"),
        ("cobalt.mine", "front_end.logic_lt10nm"),
        ("copper.mine", "front_end.logic_lt10nm"),
        ("tantalum.mine", "front_end.logic_10_22nm"),
        ("magnesite.mine", "front_end.power"),
        ("tin.mine", "back_end.packaging"),
        ("antimony.mine", "back_end.packaging"),
        ("graphite_natural.mine", "graphite.anode"),
        ("lithium.mine", "lithium.refined"),
        ("nickel.mine", "nickel.refined"),
        ("manganese.mine", "manganese.refined"),
        ("eda.software", "back_end.packaging"),
    ],
)
def test_chain_is_connected(atlas: SupplyGraph, ore: str, end: str) -> None:
    assert end in reach(atlas, ore)


def test_networkx_agrees_on_one_path(atlas: SupplyGraph) -> None:
    nx = pytest.importorskip("networkx")
    links = atlas.links
    graph = nx.DiGraph(list(zip(links["supplier"].astype(str), links["buyer"].astype(str), strict=True)))
    assert nx.has_path(graph, "fluorspar.mine@CHN", "front_end.logic_lt10nm@TWN")
    assert nx.has_path(graph, "bauxite.mine@GIN", "gallium.refined@CHN")


def test_every_product_has_a_producer(atlas: SupplyGraph) -> None:
    n = atlas.nodes
    assert set(atlas.products["product"]) == set(n.loc[n["kind"] == "producer", "product"])


def test_unknown_is_never_zero(atlas: SupplyGraph) -> None:
    n = atlas.nodes
    withheld = n[n["output_missing"] == "withheld"]
    assert len(withheld)
    assert withheld["output"].isna().all()
    gaps = atlas.gaps
    for product in ("tool.etch", "photoresist.krf", "ndfeb.metal"):
        assert n.loc[n["node"] == f"{product}@ROW", "output"].isna().all()
        assert ((gaps["product"] == product) & (gaps["what"] == "output")).any()


def test_grades_are_honest(atlas: SupplyGraph) -> None:
    links = atlas.links
    estimated = links[links["method"].isin(["balanced", "assumed", "world_pool"]) & links["quantity"].notna()]
    assert not (estimated["grade"] == "A").any()
    assert estimated["note"].notna().all()
    # Chip recipes are from general knowledge, and say so.
    recipes = atlas.recipes
    chips = recipes[recipes["product"].str.startswith("front_end.logic") & (recipes["input"] == "hf.electronic")]
    assert set(chips["grade"]) == {"D"}
    assert chips["coefficient"].isna().all()


def test_baskets_make_no_links(atlas: SupplyGraph) -> None:
    links = atlas.links
    observed = links[links["note"].fillna("").str.startswith("HS 8112")]
    assert observed.empty
    p = atlas.products.set_index("product")
    assert "811292" in p.loc["gallium.refined", "hs6"]
    assert np.isnan(p.loc["gallium.refined", "hs_purity"])


def test_licences_allow_shipping(atlas: SupplyGraph) -> None:
    own = figures()["sources"]
    assert set(own["licence_class"]) <= {"public_domain", "cc_by", "attribution", "facts"}
    for title in own["title"].str.casefold():
        words = title.replace(",", " ").split()
        assert not any(bad in (words if bad == "eto" else title) for bad in NON_COMMERCIAL)


def test_by_product_hosts_are_not_consumed(atlas: SupplyGraph) -> None:
    links = atlas.links
    host = links[(links["product"] == "alumina.refined") & (links["buyer"] == "gallium.refined@CHN")]
    assert host["missing"].tolist() == ["not_applicable"]


def test_domestic_ore_first(atlas: SupplyGraph) -> None:
    """Separation in Malaysia does not live on Chinese ore, which is all needed at home."""
    links = atlas.links
    pool = links[links["buyer"] == "rare_earths.magnet_mine@WLD:demand"]
    assert len(pool)
    assert not pool["supplier"].str.contains("@CHN").any()


def test_world_pools_do_not_feed_themselves(atlas: SupplyGraph) -> None:
    links = atlas.links
    assert not (links["supplier"] == links["buyer"]).any()
    assert (links["quantity"].dropna() >= 0).all()
    use = atlas.demand["quantity"].dropna()
    assert (use >= 0).all()


def test_balance_is_open_only_where_sources_contradict(atlas: SupplyGraph) -> None:
    open_ = atlas.balance(tolerance=0.05)
    open_ = open_[open_["status"] == "open"]
    assert open_["account"].isin(["supply", "output"]).sum() < 20
    assert (open_["account"] == "by-product").sum() < 6  # reported above what their hosts can yield
    assert (open_["account"] == "world").sum() < 5
    assert not open_["product"].isin(["nickel.refined", "ndfeb.magnet", "cobalt.mine", "antimony.refined"]).any()


def test_costs_and_lead_times(atlas: SupplyGraph) -> None:
    n = atlas.nodes.sort_values("year").drop_duplicates("node", keep="last").set_index("node")
    assert n.loc["magnesium.refined@CHN", "unit_cost"] == 2849.0
    assert n.loc["magnesium.refined@RUS", "unit_cost"] == 3655.0
    assert n.loc["magnesium.refined@RUS", "unit_cost_grade"] in ("C", "D", "assumption")
    assert n.loc["front_end.logic_lt10nm@TWN", "lead_time"] == pytest.approx(654 / 365.25, rel=1e-6)
    assert n.loc["gallium.refined@CHN", "capacity"] > n.loc["gallium.refined@CHN", "output"]


def test_contents_says_what_is_inside() -> None:
    c = contents()
    assert c.loc["tool.etch", "with_output"] == 0
    assert c.loc["tool.etch", "gaps"] > 0
    assert c.loc["ndfeb.magnet", "observed"] > 100
    assert {"A", "B", "C", "D", "assumption", "latest"} <= set(c.columns)


def test_one_chain_and_unknown_chain() -> None:
    g = load_atlas(chain="gallium")
    assert set(g.products["chain"]) == {"gallium"}
    with pytest.raises(UnknownNameError, match="gallium"):
        load_atlas(chain="galium")


def test_figures_are_copies() -> None:
    f = figures()
    f["production"].loc[:, "quantity"] = 0.0
    assert figures()["production"]["quantity"].max() > 0


def test_what_comes_of_the_world_pool_is_located_where_it_is_made(atlas: SupplyGraph) -> None:
    """Trap 11: no country that only bought a thing is the sender of what the world has of it."""
    from supplyrisk.exposure import exposure
    from supplyrisk.metrics import score

    links = atlas.links
    fed = links[links["buyer"].astype(str).str.endswith("@WLD:demand")]
    assert not fed["supplier"].astype(str).str.endswith(":demand").any()
    own = exposure(atlas, "CHN").set_index("node")["own"]
    assert own["manganese.mine@WLD:demand"] < 0.05  # China buys most ore and sells next to none
    assert own["ndfeb.magnet@WLD:demand"] > 0.8  # and sells most magnets
    s = score(atlas, "CHN", by=["product", "buyer"], metrics=["focal_share"])
    assert s["focal_share"]["CHN", "location", "manganese.mine", "MAR"] < 0.05


def test_the_rest_of_magnets_is_as_firm_as_the_chinese_share(atlas: SupplyGraph) -> None:
    """Share and level are two figures: what is not Chinese rises and falls with the level and is no wider for it."""
    from supplyrisk.metrics import score

    s = score(atlas, "CHN", by="product", bounds=True, metrics=["focal_share"]).xs("ndfeb.magnet", level="product")
    assert s["focal_share"].item() == pytest.approx(0.916, abs=5e-4)
    assert s["focal_share_low"].item() > 0.85
    assert s["focal_share_high"].item() < 0.96


def test_mine_copper_is_the_whole_published_table(atlas: SupplyGraph) -> None:
    """Every country of the table (MCS 2026) stands by itself; the rest is what the table calls other countries."""
    n = atlas.table("nodes").query("product == 'copper.mine' and kind == 'producer'")
    made = n.pivot(index="country", columns="year", values="output") / 1000
    listed = {
        "AUS": (765, 730), "CAN": (515, 500), "CHL": (5510, 5300), "CHN": (1840, 1800), "COD": (2990, 3200),
        "IDN": (1010, 710), "IND": (27, 23), "KAZ": (724, 710), "MEX": (717, 690), "PER": (2740, 2700),
        "POL": (400, 410), "ROW": (2850, 3000), "RUS": (1020, 1300), "USA": (1050, 1000), "ZMB": (823, 940),
    }  # fmt: skip
    assert {c: tuple(row) for c, row in made[[2024, 2025]].iterrows()} == listed
    assert set(n.loc[(n["year"] == 2024) & (n["country"] != "ROW"), "output_grade"]) == {"A"}


def test_kazakh_copper_is_the_lenders_by_the_creditor_rule_alone(atlas: SupplyGraph) -> None:
    """No equity, no majority, some six billion dollars of loans to two mines: only one rule speaks."""
    from supplyrisk.control import effective_control

    c = effective_control(atlas).set_index("node").loc["copper.mine@KAZ"]
    assert (c["location"], c["equity"], c["majority"], c["aggregate"]) == (0, 0, 0, 0)
    assert c["creditor"] == pytest.approx((131.4 + 101.6) / 724, abs=1e-3)
    # Whether a loan decides is not known, nor who owns the rest.
    assert (c["creditor_low"], c["creditor_high"]) == (0, 1)

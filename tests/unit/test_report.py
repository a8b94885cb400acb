"""The brief: words from values, one self-contained page, nothing half-written."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from brief_toy import toy_graph

from supplyrisk.errors import InfeasibleError, SchemaError, UnknownNameError
from supplyrisk.metrics import score
from supplyrisk.portfolio import max_share, optimize
from supplyrisk.report import WriteError, brief
from supplyrisk.report.blocks import Bullets, Grid, Text, amount, money, percent, plain, share, to_html, to_markdown
from supplyrisk.report.dependence import grouped, top
from supplyrisk.report.who import buyers_named, day_of, pool_rows
from supplyrisk.shocks import enact, simulate


@pytest.fixture(scope="module")
def graph():
    return toy_graph()


@pytest.fixture(scope="module")
def made(graph):
    return brief(graph)


@pytest.fixture(scope="module")
def page(made):
    return made.html()


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def test_shares_are_those_of_the_score(graph, made):
    here, coalition = grouped(graph, made.buyers)
    for view in ("location", "control"):
        s = score(here, "CHN", view, "product", coalition=coalition, bounds=True)["focal_share"]
        s.index = s.index.get_level_values("product")
        for r in made.scored.to_dict("records"):
            assert r[view] == pytest.approx(s[r["product"]], abs=1e-12)
    # The buyers as a coalition of its own are the coalition itself.
    msp = score(graph, "CHN", "control", "product", coalition="MSP")["focal_share"]
    msp.index = msp.index.get_level_values("product")
    assert made.scored.set_index("product")["control"].to_dict() == pytest.approx(msp.to_dict())


def test_intervals_hold_the_value(made):
    for v in ("location", "control"):
        assert (made.scored[f"{v}_low"] <= made.scored[v] + 1e-12).all()
        assert (made.scored[v] <= made.scored[f"{v}_high"] + 1e-12).all()


def test_the_text_is_made_of_the_values(made):
    text = " ".join(made.text().split())
    first = made.ten.iloc[0]
    assert percent(first["control"]) in text
    assert "Focal: China (CHN; mainland only: HKG, MAC and TWN are counted apart)" in text
    assert "the Minerals Security Partnership" in text
    assert "suspended" in text
    assert "2026-11-22" in text
    assert "Responsible use" in text
    assert "evidence, not an accusation" in text
    assert money(made.plan.capex) in text
    for section in ("What would change the conclusion", "How far the evidence goes", "Methods", "Sources"):
        assert section in text


def test_the_act_is_the_newest_that_fits(made):
    assert made.act.measure == "CHN-2024-GA-US-BAN"
    assert made.act.state == "suspended"
    assert made.act.losses["buyer"].tolist() == ["USA"]


def test_after_the_suspension_the_state_is_unknown(graph):
    late = brief(graph, at="2026-11-28", measure="CHN-2024-GA-US-BAN")
    assert late.act.state == "unknown"
    assert "Whether Ban on gallium to the United States is in force" in " ".join(late.text(100000).split())


def test_plan_is_scored_by_the_same_ruler(made):
    plan = made.plan
    here, coalition = grouped(plan.portfolio.graph, made.buyers)
    s = score(here, "CHN", "control", "product", coalition=coalition)["focal_share"]
    s.index = s.index.get_level_values("product")
    for r in plan.shares.to_dict("records"):
        assert r["after"] == pytest.approx(s[r["product"]], abs=1e-9)
    assert (plan.caps["used"] >= plan.caps["asked"].clip(upper=plan.shares["before"]) - 1e-6).all()


def test_a_cap_that_was_asked_for_and_cannot_be_met_raises(graph):
    with pytest.raises(InfeasibleError, match=r"gallium\.refined"):
        brief(graph, cap=0.05, products="gallium.refined")


def test_a_plan_that_is_not_proven_is_not_called_so(graph):
    plan = optimize(graph, "MSP", product="ndfeb.magnet", constraints=[max_share("CHN", 0.95, view="control")])
    assert "proven optimal" in brief(graph, plan).text()
    text = " ".join(brief(graph, replace(plan, status="time_limit", gap=0.25)).text().split())
    assert "not proven optimal (time limit), relative gap 0.2" in text


def test_results_that_are_given_are_used(graph):
    impact = simulate(graph, enact(graph, "CHN-2023-GA"))
    plan = optimize(graph, "MSP", product="ndfeb.magnet", constraints=[max_share("CHN", 0.95, view="control")])
    b = brief(graph, impact, plan, products="ndfeb.magnet")
    assert b.act.measure == "CHN-2023-GA"
    assert b.plan.portfolio is plan
    with pytest.raises(UnknownNameError, match="DataFrame"):
        brief(graph, pd.DataFrame())


def test_thin_evidence_is_listed_apart():
    g = toy_graph()
    links = g.links
    links.loc[links["product"] == "gallium.refined", "grade"] = "D"
    b = brief(g.replace(links=links))
    assert "gallium.refined" not in set(b.ten["product"])
    assert "Listed apart" in b.text()
    assert b.evidence["D"] > 0


def test_products_with_the_same_figures_count_once(made):
    twin = made.scored.assign(name=made.scored["name"] + " II", product=made.scored["product"] + "2")
    both = pd.concat([made.scored, twin], ignore_index=True)
    assert len(top(both, 10)) == len(made.ten)
    assert top(both, 10)["name"].str.contains("1 more").all()


def test_the_page_is_self_contained(page):
    p = Page()
    p.feed(page)
    for tag, attrs in p.tags:
        assert tag not in ("script", "link", "iframe", "object", "base", "form")
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert str(value).startswith("data:image/svg+xml;base64,")
    images = [a for t, a in p.tags if t == "img"]
    assert len(images) >= 3
    for a in images:
        assert len(a["alt"]) > 60
        svg = base64.b64decode(a["src"].partition(",")[2]).decode()
        assert 'href="http' not in svg
        assert "url(http" not in svg
    assert "url(" not in page.replace("url(#", "")
    assert "default-src 'none'" in page


def test_text_from_data_is_escaped(page, made):
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<sep>" not in page
    assert "\x1b" not in made.text()


def test_terminal_text_has_no_control_characters():
    text = to_markdown("T\x1b[2J", [Text("a\x07b\u202ec\nd"), Bullets(("x\x1b]0;y",)), Grid(("h|",), (("1|2",),))])
    assert not any(ord(ch) < 32 and ch != "\n" for ch in text)
    assert "\u202e" not in text
    assert "1/2" in text
    assert plain("a\tb\u2028c") == "a bc"


def test_html_escapes_titles():
    page = to_html("<b>", '"k"', [Text("<i>", "note")], "&")
    assert "<b>" not in page.partition("</head>")[2]
    assert "&lt;i&gt;" in page


def test_numbers_for_people():
    assert share(0.69, 0.62, 0.74) == "69% (62 to 74)"
    assert percent(None) == percent(float("nan")) == "not known"
    assert percent(0.0) == "0%"
    assert money(float("inf")) == "not known"
    assert money(999_600_000.0) == "USD 1 billion"
    assert amount(0.5, "world_share/year") == "50% of the world market"
    assert amount(1234567.0, "t") == "1,230,000 t"


def test_json_is_plain_and_equal(made):
    from supplyrisk.cli.terminal import as_json as _json

    data = json.loads(_json(made.to_dict()))
    assert [r["product"] for r in data["top"]] == made.ten["product"].tolist()
    assert data["top"][0]["control"] == pytest.approx(made.ten["control"].iloc[0])
    assert data["measure"]["state"] == made.act.state
    assert data["plan"]["capex_usd"] == pytest.approx(made.plan.capex)
    assert data["responsible_use"]


def test_the_page_is_written_whole(tmp_path, graph, made):
    target = made.write(tmp_path / "a.html")
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_the_same_brief_gives_the_same_bytes(graph, page):
    assert brief(graph).html() == page


@pytest.mark.parametrize("where", ["absent/x.html", "."])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path, graph, where):
    with pytest.raises(WriteError, match="cannot be written"):
        brief(graph, path=tmp_path / where)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["b.xlsx", "b.md", "b.json", "b.PDF"])
def test_html_is_not_written_under_the_name_of_another_format(tmp_path, graph, made, name):
    for write in (lambda: brief(graph, path=tmp_path / name), lambda: made.write(tmp_path / name)):
        with pytest.raises(WriteError, match=r"written as HTML.*Name it b\.html.*text\(\)"):
            write()
    assert list(tmp_path.iterdir()) == []
    assert made.write(tmp_path / "b.HTM").read_text().startswith("<!")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path, graph):
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError):
        brief(graph, path=tmp_path / "x.html")


def test_a_failure_leaves_the_old_page(tmp_path, made, monkeypatch):
    target = tmp_path / "a.html"
    target.write_text("old")

    def broken(self, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", broken)
    with pytest.raises(WriteError, match="No space"):
        made.write(target)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_arguments_are_checked(graph):
    with pytest.raises(SchemaError, match="per cent"):
        brief(graph, cap=65)
    with pytest.raises(SchemaError, match="not an ISO date"):
        brief(graph, at="2025-13-01")
    with pytest.raises(SchemaError, match="budget"):
        brief(graph, budget=-1)
    with pytest.raises(UnknownNameError, match=r"gallium\.refined"):
        brief(graph, products="galium.refined")
    with pytest.raises(UnknownNameError, match="CHN-2024-GA-US-BAN"):
        brief(graph, measure="CHN-2024-GA-BAN")
    with pytest.raises(UnknownNameError, match="MSP"):
        brief(graph, buyers="MSPP")
    with pytest.raises(UnknownNameError, match="CHN"):
        brief(graph, focal="China")


def test_buyers_and_day(graph):
    assert buyers_named(graph, None) == (("DEU", "JPN", "USA"), "the Minerals Security Partnership")
    assert buyers_named(graph, ["JPN", "USA"]) == (("JPN", "USA"), "Japan and United States")
    assert set(pool_rows(graph, ("JPN",))["country"]) == {"JPN"}
    assert day_of(graph) == "2026-11-22"
    assert day_of(graph, "2025-06") == "2025-06-30"


def test_another_focal(graph):
    b = brief(graph, focal="USA", buyers="JPN")
    assert b.focal == ("USA",)
    assert "United States (USA)" in b.text()


def test_repr_and_notebook(made):
    assert repr(made).startswith("<Brief: How far the Minerals Security Partnership depends on China")
    assert made._repr_html_().startswith("<div><b>")


def test_nothing_to_score_is_one_clear_message(graph):
    with pytest.raises(UnknownNameError, match=r"no flow of any product to Luxembourg is on record") as caught:
        brief(graph, buyers="LUX")
    assert "No product has a flow to Luxembourg" in str(caught.value)
    with pytest.raises(UnknownNameError, match=r"Flows of gallium\.refined are on record into: CHN; DEU; JPN; USA"):
        brief(graph, products="gallium.refined", buyers="MYS")
    with pytest.raises(UnknownNameError, match=r"Products with flows to Malaysia: ree\.mine"):
        brief(graph, products="gallium.refined", buyers="MYS")


def test_products_without_rows_are_listed_and_the_rest_goes_on(graph):
    b = brief(graph, products=["ree.mine", "gallium.refined"], buyers="MYS")
    assert b.scored["product"].tolist() == ["ree.mine"]
    assert b.unscored == ("gallium.refined",)
    assert "Not scoreable: gallium.refined" in b.text(100000)
    assert b.to_dict()["not_scoreable"] == ["gallium.refined"]


def test_no_row_may_carry_a_headline(made):
    assert not len(top(made.scored.assign(headline=False), 10))
    assert "also" in top(made.scored.iloc[:0], 10)


def nominal(product):
    g = toy_graph()
    links = g.links
    links["note"] = links["note"].astype("object")
    links.loc[links["product"] == product, "note"] = "quantity unknown: a nominal level (A-NOMINAL)"
    return g.replace(links=links)


def test_a_nominal_level_gives_no_volume_and_no_headline():
    b = brief(nominal("gallium.refined"))
    row = b.scored.set_index("product").loc["gallium.refined"]
    assert row["nominal"] == 1.0
    assert pd.isna(row["volume"])
    assert not row["headline"]
    assert row["control"] > 0.9
    assert "a tenth of world output (assumption A-NOMINAL): so in 1 of" in b.text(100000)
    losses = brief(nominal("gallium.refined"), measure="CHN-2023-GA").act.losses
    assert len(losses)
    assert losses["unmet"].isna().all()
    assert losses["unmet_share"].gt(0).all()


def test_one_product_one_buyer_reads_well(graph):
    b = brief(graph, products="gallium.refined", buyers="JPN")
    text = b.text(100000)
    assert "one product, one act" in b.title
    assert "one products" not in text
    assert "that is Japan" not in text


def test_the_loss_of_a_zero_need_is_left_out(graph):
    impact = simulate(graph, enact(graph, "CHN-2023-GA"))
    nothing = impact.unmet.assign(demand=impact.unmet["demand"].where(impact.unmet["buyer"] != "JPN", 0.0))
    from dataclasses import replace

    b = brief(graph, replace(impact, unmet=nothing), products="gallium.refined")
    assert "JPN" not in set(b.act.losses["buyer"])
    assert "USA" in set(b.act.losses["buyer"])


def test_letters_out_of_order_find_the_coalition(graph):
    with pytest.raises(UnknownNameError, match="Did you mean 'MSP'"):
        brief(graph, buyers="MPS")


def test_in_short_speaks_of_the_products_asked_for_only(graph):
    from supplyrisk.report.story import _findings

    said = " ".join(_findings(brief(graph, products="ree.mine", measure="CHN-2023-GA")))
    assert "does not touch the product asked for" in said
    assert "gallium" not in said.replace("Licence for gallium", "")


def test_ids_in_notes_stay_whole(made):
    from supplyrisk.report.story import _said

    assert _said(made, "ree.mine@JPN:demand: use on record") == "ree.mine@JPN:demand: use on record"
    assert _said(made, "the act CHN-2025-MREE hits ree.mine@CHN") == "The act CHN-2025-MREE hits ree.mine@CHN"
    assert _said(made, "share of CHN in gallium.refined") == "Share of China in refined gallium"


def test_a_product_without_a_headline_is_still_shown_apart():
    b = brief(nominal("gallium.refined"), products="gallium.refined")
    text = b.text(100000)
    assert "no well-documented product" in b.title
    assert "Listed apart" in text
    assert "no products" not in text

"""The Commission's raw-material tables: censored shares, stages, odd names, shares that do not sum to 100."""

from __future__ import annotations

import pytest

from supplyrisk import sources
from supplyrisk.assemble import assemble
from supplyrisk.errors import SourceError, UnknownNameError


def folder(tmp_path, world, union=()):
    for name, rows in (("fact_GlobalSupplyShares&t.csv", world), ("fact_EUSupplyShares&t.csv", union)):
        text = "\r\n".join(["Material,Stage,Country,Share,t", *rows]) + "\r\n"
        (tmp_path / name).write_bytes(text.encode("cp1252"))
    (tmp_path / "dimension_CRMsOverTime.csv").write_text("Material,Year,SR,EI\nGallium,2020,1,1\nGallium,2023,1,1\n")
    return tmp_path


def test_censored_cells_are_intervals_and_t_is_no_tonnage(tmp_path):
    reading = sources.eu_crm(folder(tmp_path, ["Gallium,P,China,93.8%,1.3", "Gallium,P,Japan,<0.1%,0.8"]))
    made = reading.inputs["production"].set_index("country")
    assert made.loc["CHN", "quantity"] == pytest.approx(0.938)
    assert (made.loc["JPN", "low"], made.loc["JPN", "high"]) == (0.0, 0.001)
    assert made.loc["JPN", "missing"] == "not_available"
    assert made["quantity"].isna().tolist() == [False, True]
    assert reading.data["t"].tolist() == [1.3, 0.8]
    assert reading.report.missing == {"bound": 1}


def test_names_of_countries_in_cp1252(tmp_path):
    names = {"Turkyie": "TUR", "Türkiye": "TUR", "Congo, D.R.": "COD", "Congo": "COG", "Brasilia": "BRA", "Brazil": "BRA",
             "Korea, South": "KOR", "Libanon": "LBN", "Surinam": "SUR", "Taiwan": "TWN", "Hong Kong": "HKG"}  # fmt: skip
    rows = [f'Copper,E,"{n}",1%,1.0' for n in names]
    assert sources.eu_crm(folder(tmp_path, rows)).data["country"].tolist() == list(names.values())


def test_stages_are_different_products(tmp_path):
    reading = sources.eu_crm(
        folder(tmp_path, ["Cobalt,E,China,1%,1", "Cobalt,P,China,60%,1", "Natural cork,E,Portugal,50%,1"])
    )
    assert reading.inputs["production"]["product"].tolist() == ["cobalt.mine", "cobalt.refined"]
    assert [u["name"] for u in reading.report.unmapped] == ["Natural cork E"]


def test_union_shares_become_sourcing_from_outside(tmp_path):
    union = ["Magnesium,P,China,90%,1.3", "Magnesium,P,Israel,6,1.0", "Magnesium,P,Germany,4%,0.8"]
    reading = sources.eu_crm(folder(tmp_path, ["Magnesium,P,China,91%,1"], union))
    s = reading.inputs["sourcing"].set_index("supplier")
    assert s["share"].tolist() == pytest.approx([90 / 96, 6 / 96])
    assert s["reliance"].tolist() == pytest.approx([0.96, 0.96])
    assert "without a percent sign" in "".join(reading.report.notes)
    g = assemble(**reading.inputs, tables=reading.tables)
    assert g.products["unit"].eq("world_share").all()


def test_scores_and_uses_come_as_data_with_dashes_as_unknown(tmp_path):
    file = tmp_path / "dimension_CRMsOverTime.csv"
    file.write_text("Material,Year,SR,EI\nAggregates,2011,-,-\nAntimony,2011,2.6,5.8\n")
    data = sources.eu_crm(file).data
    assert data["SR"].isna().tolist() == [True, False]
    assert data["EI"].tolist()[1] == 5.8


def test_a_file_that_does_not_say_whose_shares(tmp_path):
    file = tmp_path / "shares.csv"
    file.write_text("Material,Stage,Country,Share,t\nGallium,P,China,94%,1\n")
    with pytest.raises(UnknownNameError, match="global"):
        sources.eu_crm(file)
    assert len(sources.eu_crm(file, scope="global", edition=2023).inputs["production"]) == 1


def test_the_edition_is_found_or_asked_for(tmp_path):
    text = "Material,Stage,Country,Share,t\nGallium,P,China,94%,1\n"
    bare = tmp_path / "fact_GlobalSupplyShares&t.csv"
    bare.write_text(text)
    with pytest.raises(SourceError, match=r"which edition .*edition=2023"):
        sources.eu_crm(bare)
    named = tmp_path / "GlobalSupplyShares_2017.csv"
    named.write_text(text)
    titled = tmp_path / "GlobalSupplyShares.csv"
    titled.write_text("Study on the EU's list of critical raw materials (2020),,,,\n" + text)
    for file, edition, year in ((named, 2017, 2014), (titled, 2020, 2016)):
        reading = sources.eu_crm(file)
        assert reading.report.vintage == str(edition)
        assert reading.inputs["production"][["year", "source"]].values.tolist() == [[year, f"ec_crm_{edition}"]]
    (tmp_path / "study").mkdir()
    beside = sources.eu_crm(folder(tmp_path / "study", ["Gallium,P,China,94%,1"]))
    assert beside.report.vintage == "2023"
    assert set(beside.inputs["production"]["published_on"]) == {"2023"}


def test_an_absent_file_of_the_commission(tmp_path):
    with pytest.raises(SourceError):
        sources.eu_crm(tmp_path / "absent.csv")


@pytest.mark.realdata
def test_the_published_files(published):
    reading = sources.eu_crm(published / "eu_crm")
    assert reading.report.rows_read == 2561 + 907
    assert reading.report.missing["bound"] == 514
    assert reading.data["country"].notna().all()
    assert "88.7 to 103.9" in " ".join(reading.report.notes)
    made = reading.inputs["production"].set_index(["product", "country"])["quantity"]
    assert made["gallium.refined", "CHN"] == pytest.approx(0.938)
    assert len(assemble(**reading.inputs, tables=reading.tables).links)


BOTH = "Material;Stage;Country;Global supply share;EU sourcing share;t\n"


def test_a_table_with_the_shares_of_both_scopes_gives_both(tmp_path):
    file = tmp_path / "CRM_2023.csv"
    file.write_text(f"{BOTH}Gallium;Processing;China;94%;69%;1.3\nGallium;Processing;Germany;1%;;0.8\n")
    data = sources.eu_crm(file).data
    shares = data.set_index(["scope", "country"])["share"].to_dict()
    assert shares == {("global", "CHN"): 94.0, ("global", "DEU"): 1.0, ("eu", "CHN"): 69.0}
    for scope, count in (("global", 2), ("eu", 1)):
        one = sources.eu_crm(file, scope=scope).data
        assert one["scope"].tolist() == [scope] * count


@pytest.mark.parametrize(
    "text",
    [
        "Material;Stage;Country;Global supply share;t\nGallium;P;China;94%;1,3\n",
        "Material;Stage;Country;Global supply share;t\nGallium;P;Japan;<0,1%;1\n",
        "Material;Year;SR;EI\nGallium;2023;3,9;4,2\n",
    ],
)
def test_decimal_commas_are_refused_in_every_column(tmp_path, text):
    file = tmp_path / "CRM_2023.csv"
    file.write_text(text)
    with pytest.raises(SourceError, match='decimal=","'):
        sources.eu_crm(file)
    assert len(sources.eu_crm(file, decimal=",").data) == 1

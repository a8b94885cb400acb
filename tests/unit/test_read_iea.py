"""IEA explorer: projections are not production; footnotes are not countries."""

from __future__ import annotations

import json

import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError
from supplyrisk.graph import SupplyGraph

NOTE = "Notes: Supply projections for the key energy transition minerals are built using the data for the pipeline."


def as_json(tmp_path):
    years = {"2024": 100.0, "2030": 150.0}
    supply = {"Copper": {"mining": {"countries": {"Chile": years, "Rest of world": {"2024": 7.0}, NOTE: {"2024": 0.0}},
                                    "total": {"2024": 107.0}}}}  # fmt: skip
    demand = {"Copper": {"sectors": {"Wind": {"2024": 5.0, "STEPS": {"2030": 9.0}}}}}
    file = tmp_path / "iea.json"
    file.write_text(json.dumps({"source": "IEA (2024), CC BY 4.0", "supply": supply, "totalDemand": demand}))
    return file


def test_projections_stay_out_of_production(tmp_path):
    reading = sources.iea(as_json(tmp_path))
    made = reading.inputs["production"]
    assert made[["country", "year", "quantity"]].values.tolist() == [["CHL", 2024, 1e5], ["ROW", 2024, 7e3]]
    assert reading.tables["nodes"]["year"].tolist() == [2024, 2024]
    data = reading.data
    assert data.loc[data["year"] == 2030, "projected"].all()
    assert not data.loc[data["year"] == 2024, "projected"].any()
    assert set(data["scenario"].dropna()) == {"STEPS"}
    assert data.loc[data["branch"] == "demand", "product"].isna().all()
    SupplyGraph.from_tables({**reading.tables, "products": reading.inputs["products"]})


def test_footnotes_are_dropped_and_kept_as_notes(tmp_path):
    report = sources.iea(as_json(tmp_path)).report
    assert report.rows_dropped == 1
    assert NOTE in report.notes


def test_csv_and_years_that_follow_one_another(tmp_path):
    file = tmp_path / "s.csv"
    rows = [f"Lithium,Refining,China,{y},{y - 2000}" for y in (2021, 2022, 2023, 2024, 2030, 2035)]
    file.write_text("mineral,stage,country,year,kt\n" + "\n".join(rows) + "\n")
    assert sources.iea(file).inputs["production"]["year"].tolist() == [2021, 2022, 2023, 2024]
    assert sources.iea(file, actual_through=2022).inputs["production"]["year"].tolist() == [2021, 2022]
    assert sources.iea(file, actual_through=2035).inputs["production"]["product"].unique().tolist() == [
        "lithium.refined"
    ]


@pytest.mark.parametrize("text", ["[]", "{", '{"supply": 3}', '{"a": 1}', "[" * 200_000])
def test_other_json_is_refused(tmp_path, text):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(SourceError):
        sources.iea(file)


@pytest.mark.realdata
def test_the_published_files(published):
    a = sources.iea(published / "iea" / "iea_critical_minerals_explorer.json")
    b = sources.iea(published / "iea" / "iea_supply_by_country.csv")
    totals = {"copper.mine": 22_794_000, "copper.refined": 26_944_000}
    for r in (a, b):
        made = r.inputs["production"]
        for product, total in totals.items():
            assert made.loc[made["product"] == product, "quantity"].sum() == pytest.approx(total)
        assert made["year"].unique().tolist() == [2024]
    # the explorer's own totals, mineral by mineral
    content = json.loads((published / "iea" / "iea_critical_minerals_explorer.json").read_text())["supply"]
    for mineral, stages in content.items():
        for stage, part in stages.items():
            d = a.data
            rows = d[(d["mineral"] == mineral) & (d["stage"] == stage) & (d["year"] == 2024).fillna(False)]
            total = part["total"]["2024"]
            told = any(n.startswith(f"{mineral}, {stage}, 2024: countries sum to") for n in a.report.notes)
            assert told or rows["value"].sum() == pytest.approx(total, rel=0.01)
    assert "Nickel, mining, 2024: countries sum to 3961 kt, stated total 3861" in a.report.notes


def supply(tmp_path, years, head="mineral,stage,country,year,kt", tail=""):
    path = tmp_path / "supply.csv"
    path.write_text(head + "\n" + "".join(f"Copper,mining,Chile,{y},{5000 + i}{tail}\n" for i, y in enumerate(years)))
    return sources.iea(path)


@pytest.mark.parametrize(
    ("years", "figures"),
    [
        ([2021, 2022, 2023, 2030], [2021, 2022, 2023]),
        ([2024, 2030, 2035], [2024]),
        ([2024, 2025, 2026, 2030], [2024, 2025]),
        ([2030, 2035], []),
    ],
)
def test_projections_are_never_production(tmp_path, years, figures):
    r = supply(tmp_path, years)
    assert r.inputs["production"]["year"].tolist() == figures
    assert r.data["projected"].sum() == len(years) - len(figures)


def test_rows_of_a_scenario_are_projections(tmp_path):
    head = "mineral,stage,country,year,kt,scenario"
    assert not len(supply(tmp_path, [2023, 2024], head, ",STEPS").inputs["production"])
    assert len(supply(tmp_path, [2023, 2024], head, ",Historical").inputs["production"]) == 2


def test_an_outlook_counts_from_its_day(tmp_path):
    assert supply(tmp_path, [2024, 2030]).inputs["production"]["published_on"].tolist() == ["2025-05-31"]


def as_book(tmp_path, left, right, years=("2024", "2030", "2035")):
    """Two blocks side by side, copper above and what is asked for below."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "2 Total supply for key minerals"
    over = [int(y) for y in years]
    for row in [
        ["2 Total supply"], ["kt"], [None, *over, None, None, *over],
        ["Copper - Mining", *[None] * 4, "Copper - Refining"] if right else ["Copper - Mining"],
        ["Chile", 5476, 1, 1, None, "China", 12000, 1, 1],
        [left, *[None] * 4, right],
        ["Australia", 90, 1, 1, None, "China", 140, 1, 1],
    ]:  # fmt: skip
        sheet.append(row)
    book.save(tmp_path / "explorer.xlsx")
    return sources.iea(tmp_path / "explorer.xlsx")


def tonnes(reading):
    made = reading.inputs["production"]
    return {f"{p}@{c}": q for p, c, q in made[["product", "country", "quantity"]].values.tolist()}


COPPER = {"copper.mine@CHL": 5_476_000.0, "copper.refined@CHN": 12_000_000.0}


@pytest.mark.parametrize(
    "form", ["Lithium - {}", "Lithium, {}", "Lithium ({})", "Lithium {}", "Lithium: {}", "Lithium - primary {}"]
)
def test_headings_of_blocks_in_several_forms(tmp_path, form):
    reading = as_book(tmp_path, form.format("Mining"), form.format("Refining"))
    assert tonnes(reading) == {**COPPER, "lithium.mine@AUS": 90_000.0, "lithium.refined@CHN": 140_000.0}
    assert not reading.report.unmapped


def test_a_heading_that_names_no_stage_ends_the_block_above(tmp_path):
    reading = as_book(tmp_path, "Graphite - Natural mining", "Graphite - Anode")
    assert tonnes(reading) == {**COPPER, "graphite_natural.mine@AUS": 90_000.0}
    (lost,) = reading.report.unmapped
    assert (lost["kind"], lost["name"], lost["rows"]) == ("mineral", "Graphite - Anode", 3)


def test_a_block_beside_without_any_known_heading_is_told_and_added_to_none(tmp_path):
    reading = as_book(tmp_path, "Lithium - Mining", None)
    assert tonnes(reading) == {"copper.mine@CHL": 5_476_000.0, "lithium.mine@AUS": 90_000.0}
    assert [u["name"] for u in reading.report.unmapped] == ["(no heading)"]


def test_a_country_without_figures_is_no_heading(tmp_path):
    reading = as_book(tmp_path, "Peru", "Rest of world")
    assert tonnes(reading) == {
        "copper.mine@CHL": 5_476_000.0,
        "copper.mine@AUS": 90_000.0,
        "copper.refined@CHN": 12_140_000.0,
    }


def test_a_csv_with_decimal_commas_is_refused_or_read_as_such(tmp_path):
    file = tmp_path / "s.csv"
    file.write_text("mineral;stage;country;year;kt\nCopper;mining;Chile;2024;5.476,5\nCopper;mining;Peru;2024;2.700\n")
    with pytest.raises(SourceError, match='decimal=","'):
        sources.iea(file)
    assert tonnes(sources.iea(file, decimal=",")) == {"copper.mine@CHL": 5_476_500.0, "copper.mine@PER": 2_700_000.0}

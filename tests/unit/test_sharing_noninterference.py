"""Two graphs that differ in nothing but private figures have one public export, to the byte."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import supplyrisk as sr

PLACES = ("AUS", "CHN", "DEU", "FRA", "JPN", "KOR", "USA")
BAUXITE, ALUMINA, GALLIUM, WAFER, MAGNESIUM = (
    "bauxite.mine",
    "alumina.refined",
    "gallium.refined",
    "gaas.wafer",
    "mg.metal",
)
GOODS = pd.DataFrame(
    [
        {
            "product": p,
            "name": p,
            "commodity": p,
            "chain": "x",
            "stage": s,
            "unit": "t",
            "basis": "gross",
            "period": "year",
        }
        for p, s in zip(
            (BAUXITE, ALUMINA, GALLIUM, WAFER, MAGNESIUM),
            ("mine", "refine", "refine", "component", "metal"),
            strict=True,
        )
    ]
)
SOURCES = pd.DataFrame(
    [
        {"source": s, "title": s, "licence": t, "licence_class": t}
        for s, t in (("open", "public_domain"), ("also", "cc_by"), ("own", "private"), ("study", "non_commercial"))
    ]
)
HEADINGS = ((BAUXITE, "260600"), (ALUMINA, "281820"), (ALUMINA, "281830"), (GALLIUM, "811292"))
HOME = ("own", "study")


def assembled(seed: int, factor: float) -> Any:
    """A small graph with private figures here and there; ``factor`` scales each of these by a number of its own."""
    rnd = random.Random(seed)
    shift = random.Random(seed + 1000)

    def row(amount: float, part: float = 0.3, **key: Any) -> dict[str, Any]:
        source = rnd.choice(HOME) if rnd.random() < part else rnd.choice(("open", "also"))
        scale = 1.0 + (factor - 1.0) * shift.uniform(0.5, 1.0)
        figure = amount * scale if source in HOME else amount
        return {**key, "quantity": round(figure, 6), "source": source, "grade": "B"}

    years = rnd.choice(((2024,), (2023, 2024)))
    made, sold, used, asked = [], [], [], []
    for product in GOODS["product"]:
        size = 1.0 if product in (GALLIUM, WAFER) else 1000.0
        for year in years:
            whole = 0.0
            for place in PLACES:
                if rnd.random() < 0.5:
                    amount = size * rnd.randint(10, 400)
                    whole += amount
                    made.append(row(amount, product=product, country=place, year=year))
                    if rnd.random() < 0.15:
                        made[-1] |= {"quantity": float("nan"), "missing": "withheld"}
            if rnd.random() < 0.7 and whole:
                made.append(row(whole * 1.3, 0.15, product=product, country="WLD", year=year))
        for place in PLACES:
            if rnd.random() < 0.3:
                for use in rnd.choice((["total"], ["total", "alloy", "casting"], ["alloy", "casting"])):
                    amount = size * rnd.randint(20, 300) * (2 if use == "total" else 1)
                    used.append(row(amount, product=product, country=place, use=use, year=2024))
    for product, heading in HEADINGS:
        for year in years:
            for a in PLACES:
                for b in PLACES:
                    if a != b and rnd.random() < 0.12:
                        size = 1.0 if product == GALLIUM else 1000.0
                        sold.append(row(size * rnd.randint(1, 40), hs6=heading, origin=a, destination=b, year=year))
                        sold[-1]["value"] = 900.0 * sold[-1]["quantity"]
    for buyer in PLACES:
        if rnd.random() < 0.4:
            for a, share in zip(rnd.sample(PLACES, 2), (0.5, 0.25), strict=True):
                if a != buyer:
                    line = row(rnd.randint(10, 90), product=MAGNESIUM, buyer=buyer, supplier=a, share=share, year=2024)
                    amount = line.pop("quantity") * 1000.0
                    line |= rnd.choice(({"imports": amount}, {"reliance": 0.5}, {}))
                    asked.append(line)
    needs = []
    for product, good, much, host in (
        (ALUMINA, BAUXITE, 2.2, False),
        (GALLIUM, ALUMINA, 900.0, True),
        (WAFER, GALLIUM, 0.2, False),
    ):
        line = row(much, product=product, input=good, host=host, process="p", input_class="essential")
        needs.append({"coefficient": line.pop("quantity"), **line})
    balanced = rnd.random() < 0.4
    graph = sr.assemble(
        products=GOODS,
        production=pd.DataFrame(made),
        trade=pd.DataFrame(sold),
        concordance=pd.DataFrame([{"product": p, "hs6": h, "factor": 1.0, "purity": 1.0} for p, h in HEADINGS]),
        recipes=pd.DataFrame(needs),
        demand=pd.DataFrame(used) if used else None,
        sourcing=pd.DataFrame(asked) if asked else None,
        tables={"sources": SOURCES},
        balanced=balanced,
        as_of="2025-12-31",
    )
    if rnd.random() < 0.4:
        mine = graph.nodes[(graph.nodes["kind"] == "producer") & graph.nodes["output"].notna()]
        mine = mine[~mine["country"].isin(["ROW", "WLD"]) & mine["output_source"].isin(["open", "also"])]
        mine = mine.drop_duplicates("product").assign(
            output=77.0 * factor, output_low=float("nan"), output_high=float("nan")
        )
        graph = graph.overlay({"nodes": mine}, name="mine")
    way = rnd.random()
    if way < 0.2:
        return graph.select(product=[GALLIUM])
    return graph.at("2025-06-30", known_on="latest") if way < 0.35 else graph


def exported(graph: Any, folder: Path) -> tuple[str, str]:
    folder.mkdir()
    sr.export(graph, folder / "out.json", share="public")
    return (folder / "out.json").read_text("utf-8"), (folder / "out.json.left_out.csv").read_text("utf-8")


DEEP = [pytest.param(s, marks=pytest.mark.deep) for s in range(4, 40)]


@pytest.mark.parametrize("seed", [0, 1, 2, 3, *DEEP])
def test_no_private_figure_shows_in_an_export(seed: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = (exported(assembled(seed, f), tmp_path / n) for f, n in ((1.0, "one"), (1.09, "two")))
    assert one == two

"""Points that may part thousands: never read a thousandfold too small in silence, and honest decimals read as they are."""

from __future__ import annotations

import pandas as pd
import pytest

from supplyrisk import sources
from supplyrisk.errors import SourceError
from supplyrisk.sources.cells import refuse_points
from supplyrisk.sources.report import Report

WMD = "Commodity;Country;unit;2021;2022\nTungsten (W);China;metr. t;66.000;63.000\nTungsten (W);Vietnam;metr. t;4.500;3.500\n"
BGS = (
    "year;country_trans;country_iso3_code;bgs_commodity_trans;bgs_sub_commodity_trans;units;quantity;bgs_statistic_type_trans\n"
    "2022-01-01;China;CHN;tungsten, mine;;tonnes (metal content);66.000;Production\n"
    "2022-01-01;Portugal;PRT;tungsten, mine;;tonnes (metal content);502;Production\n"
)
USGS = "Source;Country;Type;Prod_t_2022;Prod_t_est_2023\nMCS2024;China;Mine production;66.000;63.000\n"
TIDY = "country;product;year;quantity;unit\nCHN;tungsten.mine;2022;66.000;t\nVNM;tungsten.mine;2022;4.500;t\n"


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("wmd.csv", WMD, sources.wmd),
        ("bgs.csv", BGS, sources.bgs),
        ("mcs2024-tungs_world.csv", USGS, sources.usgs_mcs),
        ("own.csv", TIDY, lambda path, **k: sources.tidy(path, "production", **k)),
        (
            "own.csv",
            TIDY.replace(";", ",").replace("4.500", "450"),
            lambda path, **k: sources.tidy(path, "production", **k),
        ),
    ],
)
def test_points_that_may_part_thousands_are_asked_about(tmp_path, name, text, read):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(SourceError, match=r'Give decimal="," if 66.000 is sixty-six thousand, decimal="." if'):
        read(file)
    for decimal, figure in ((",", 66000.0), (".", 66.0)):
        made = read(file, decimal=decimal).inputs["production"]
        assert made.loc[made["country"] == "CHN", "quantity"].iloc[0] == figure


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "cells",
    [
        ["66.500", "4.500", "1234.500"],  # four digits before a point: nothing parts thousands
        ["66.500", "4.500", "0.500"],
        ["66.500", "4.500", "4.5", "12"],
        ["66.500", "4.500", "1,234.500"],
        ["66.500", "4.500", "1234"],
        ["66.500", "4.500", "12", "1234"],
        ["66", "4"],
        ["W", "--", None],
    ],
)
def test_columns_that_say_how_they_are_written_are_read(cells, delimiter):
    refuse_points("a.csv", pd.Series(cells, dtype="string"), None, Report("", "", "", delimiter=delimiter))


def test_three_decimals_in_a_file_of_commas_are_decimals(tmp_path):
    file = tmp_path / "own.csv"
    file.write_text(TIDY.replace(";", ",").replace("4.500", "4.512"))
    assert sources.tidy(file, "production").inputs["production"]["quantity"].tolist() == [66.0, 4.512]


def test_shares_have_no_thousands(tmp_path):
    file = tmp_path / "own.csv"
    file.write_text("product;buyer;supplier;share;year\nx.mine;USA;CHN;45.125%;2022\nx.mine;USA;JPN;25.250%;2022\n")
    assert sources.tidy(file, "sourcing").inputs["sourcing"]["share"].tolist() == pytest.approx([0.45125, 0.2525])

"""Lists of holdings with names that are missing: refused with the rows, whatever function reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from supplyrisk.control import equity, majority, network_power
from supplyrisk.errors import SchemaError


@pytest.mark.parametrize("function", [equity, majority, network_power])
@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, ""])
def test_rows_without_holder_or_asset_are_named(function: Callable[..., Any], nothing: Any) -> None:
    with pytest.raises(SchemaError, match=r"(?s)\[row 0\]\.holder: no name.*\[row 2\]\.asset: no name") as e:
        function([nothing, "P", "Q"], ["F", "F", nothing], [0.3, 0.2, 0.1])
    assert len(e.value.problems) == 2
    with pytest.raises(SchemaError, match="no name"):
        function([nothing], ["F"], [1.0])


@pytest.mark.parametrize("function", [equity, network_power])
def test_an_outside_owner_needs_a_label_and_a_firm_looked_through_does_not(function: Callable[..., Any]) -> None:
    holder, asset, share = ["P", "F1"], ["F1", "F2"], [0.6, 0.5]
    with pytest.raises(SchemaError, match=r"\[row 0\]\.by: no label for P"):
        function(holder, asset, share, by=[None, "CHN"])
    with pytest.raises(SchemaError, match="1 for 2 rows"):
        function(holder, asset, share, by=["CHN"])
    got = function(holder, asset, share, by=["CHN", None])
    assert got.loc["CHN", "F2"] == pytest.approx(0.3 if function is equity else 0.5)


def test_not_one_group_per_row() -> None:
    with pytest.raises(SchemaError, match="1 for 2 rows"):
        majority(["P", "Q"], ["F", "F"], [0.3, 0.3], group=["g"])
    assert majority(["P", "Q"], ["F", "F"], [0.3, 0.3], group=["g", "g"]).to_dict() == {"F": "g"}

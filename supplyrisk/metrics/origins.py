"""What a buyer imports from whom, out of bilateral trade; and what the part without a named origin may be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem
from .governance import RESIDUALS, amounts, refuse

__all__ = ["trade_profile"]


def trade_profile(
    flows: pd.DataFrame, buyer: Iterable[str], focal: Iterable[str] = ("CHN",), by: Iterable[str] = ("product",)
) -> pd.DataFrame:
    """What the screens need to know of each product, from bilateral trade.

    Parameters
    ----------
    flows : DataFrame
        Rows with ``exporter``, ``importer``, ``value`` and the columns of ``by`` (add ``"year"`` for a panel).
        Drop aggregates (EU27, World) first; average at least three years where one year is not the question.
    buyer : iterable of str
        Country, or members of a bloc: trade among them is inside trade.
    focal : iterable of str
        Supplier in question.
    by : iterable of str
        Columns that identify a market.

    Returns
    -------
    DataFrame
        A row per market: ``outside_imports``, ``inside_imports``, ``exports`` (to outside), ``hhi_origins`` (of the
        named outside origins, a lower bound where some have no name; NaN without imports), ``focal_imports``,
        ``world_exports``, ``focal_exports``, ``top_origin``, ``top_imports`` (of those named). Sums of observed rows: a
        market without a row is absent, not zero. ``unnamed_imports`` is what comes from ``"ROW"`` or ``"UNK"``; what it
        may be is in ``hhi_origins_high``, ``focal_imports_high``, ``focal_exports_high`` and ``top_imports_high``,
        which :func:`dependency_screen` reads.

    Raises
    ------
    SchemaError
        Columns are absent, values negative or missing, the focal is part of the buyer.

    Notes
    -----
    Missing policy: missing values and keys are refused; a market without a row is absent, not zero. An unnamed origin
    is taken to be outside the buyer. ``"ROW"`` may be anyone whom that importer does not list, ``"UNK"`` anyone; one
    hand or many. ``world_exports`` counts what the file holds, trade inside the bloc included. Definition of this
    library. Evidence T.

    Examples
    --------
    >>> flows = pd.DataFrame({"product": ["magnets"] * 4, "exporter": ["CHN", "JPN", "DEU", "DEU"],
    ...     "importer": ["DEU", "DEU", "FRA", "USA"], "value": [80.0, 20.0, 10.0, 5.0]})
    >>> trade_profile(flows, ["DEU", "FRA"]).loc["magnets", ["outside_imports", "inside_imports", "exports"]].tolist()
    [100.0, 10.0, 5.0]
    """
    keys = list(by)
    home, other = sorted(set(buyer)), sorted(set(focal))
    problems = [
        Problem("flows", "-", c, "required column is absent", "", "Add it.")
        for c in ("exporter", "importer", "value", *keys)
        if c not in flows.columns
    ]
    problems += [
        Problem("trade_profile", k, "focal", "is part of the buyer", "", "A focal is outside the buyer.")
        for k in other
        if k in home
    ]
    refuse(problems, "trade_profile")
    problems += [
        Problem("flows", "-", c, "missing keys", f"{n} rows", "Name them or drop them: a sum would lose them.")
        for c in ("exporter", "importer", *keys)
        if (n := int(flows[c].isna().sum()))
    ]
    refuse(problems, "trade_profile")
    value = amounts(flows["value"].reset_index(drop=True), "flows.value").to_numpy()
    frame = (
        flows[keys]
        .reset_index(drop=True)
        .assign(value=value, exporter=flows["exporter"].to_numpy(), importer=flows["importer"].to_numpy())
    )
    from_home, to_home = frame["exporter"].isin(home).to_numpy(), frame["importer"].isin(home).to_numpy()
    from_focal = frame["exporter"].isin(other).to_numpy()
    inward = to_home & ~from_home
    frame["outside_imports"] = np.where(inward, value, 0.0)
    frame["inside_imports"] = np.where(to_home & from_home, value, 0.0)
    frame["exports"] = np.where(from_home & ~to_home, value, 0.0)
    frame["focal_imports"] = np.where(inward & from_focal, value, 0.0)
    frame["world_exports"] = value
    frame["focal_exports"] = np.where(from_focal, value, 0.0)
    columns = ["outside_imports", "inside_imports", "exports", "focal_imports", "world_exports", "focal_exports"]
    out = frame.groupby(keys, sort=True, observed=True)[columns].sum()
    # An unnamed rest ("ROW") is part of the imports, never one origin.
    unnamed = frame["exporter"].isin(RESIDUALS).to_numpy()
    origins = frame.loc[inward & ~unnamed].groupby([*keys, "exporter"], sort=True, observed=True)["value"].sum()
    squares = (origins**2).groupby(level=keys, observed=True).sum().reindex(out.index)
    total = out["outside_imports"].where(out["outside_imports"] > 0)
    frame["unnamed_imports"] = np.where(inward & unnamed, value, 0.0)
    out["unnamed_imports"] = frame.groupby(keys, sort=True, observed=True)["unnamed_imports"].sum()
    best = origins.reset_index().sort_values("value", kind="stable").drop_duplicates(keys, keep="last").set_index(keys)
    out["top_origin"] = best["exporter"].reindex(out.index)
    out["top_imports"] = best["value"].reindex(out.index)
    out["hhi_origins"] = squares.fillna(0.0) / total**2
    may = _may_be(frame.assign(market=frame.groupby(keys, sort=True, observed=True).ngroup()), inward, unnamed, other)
    most = squares.fillna(0.0).to_numpy() + may.reindex(range(len(out)), fill_value=0.0)["squares"].to_numpy()
    out["hhi_origins_high"] = np.where(
        out["unnamed_imports"] > 0, np.minimum(most / total.to_numpy() ** 2, 1.0), out["hhi_origins"]
    )
    for name in ("focal_imports", "focal_exports"):
        out[f"{name}_high"] = out[name] + may[name].reindex(range(len(out)), fill_value=0.0).to_numpy()
    top = may["top"].reindex(range(len(out)), fill_value=0.0).to_numpy()
    out["top_imports_high"] = np.fmax(out["top_imports"], np.where(out["unnamed_imports"] > 0, top, np.nan))
    return out


def _may_be(
    frame: pd.DataFrame, inward: npt.NDArray[np.bool_], unnamed: npt.NDArray[np.bool_], focal: list[str]
) -> pd.DataFrame:
    """What the unnamed of each market may add: to the focal's imports and exports, to the sum of squares, to the first.

    Of markets with unnamed trade alone. ``ROW`` cannot be anyone whom the importer of that row lists already.
    """
    value = frame["value"].to_numpy(dtype=np.float64)
    concerned = frame["market"].isin(frame["market"][unnamed & (value > 0)]).to_numpy()
    f = frame.loc[concerned, ["market", "exporter", "importer"]].reset_index(drop=True).astype({"exporter": object})
    value, inward, unnamed = value[concerned], inward[concerned], unnamed[concerned]
    f["pair"] = f.groupby(["market", "importer"], sort=False, observed=True).ngroup()
    rest = unnamed & (f["exporter"] == "ROW").to_numpy()
    listed = f[~unnamed].drop_duplicates(["pair", "exporter"])
    told = listed[listed["exporter"].isin(focal)].groupby("pair").size().reindex(f["pair"], fill_value=0).to_numpy()
    needed = len(focal) - f["importer"].isin(focal).to_numpy()
    hidden = np.where(unnamed & ~(rest & (told >= needed)), value, 0.0)
    out = pd.DataFrame({"market": f["market"], "focal_imports": np.where(inward, hidden, 0.0), "focal_exports": hidden})
    out = out.groupby("market").sum()

    # Squares grow most if one hand has all it may have, and another one what is left.
    f = f.assign(free=np.where(inward & unnamed, value, 0.0), rest=np.where(inward & rest, value, 0.0))
    f["named"] = np.where(inward & ~unnamed, value, 0.0)
    f = f[inward]
    free, row = f.groupby("market")["free"].sum(), f.groupby("pair")["rest"].sum()
    named = f[~unnamed[inward]]
    seen = named.drop_duplicates(["pair", "exporter"])
    seen = seen.assign(shut=row.reindex(seen["pair"]).to_numpy())
    hand = named.groupby(["market", "exporter"])["named"].sum().reset_index()
    shut = seen.groupby(["market", "exporter"])["shut"].sum()
    q = hand["named"].to_numpy()
    all_ = free.reindex(hand["market"]).to_numpy()
    takes = np.maximum(all_ - shut.reindex(pd.MultiIndex.from_frame(hand[["market", "exporter"]])).to_numpy(), 0.0)
    anyone = (f["free"] - f["rest"]).groupby(f["market"]).sum().reindex(hand["market"]).to_numpy()
    heir = pd.Series(np.where(takes > anyone + 1e-12 * all_, q, 0.0)).groupby(hand["market"].to_numpy()).max()
    left = all_ - takes
    more = 2 * q * takes + takes**2 + 2 * heir.reindex(hand["market"]).to_numpy() * left + left**2
    gains = pd.DataFrame({"squares": more, "top": q + takes}).groupby(hand["market"].to_numpy()).max()
    gains = gains.reindex(out.index)
    size = free.reindex(out.index).fillna(0.0)
    out["squares"] = np.fmax(gains["squares"], size**2)
    out["top"] = np.fmax(gains["top"], size)
    return out

"""Publishers' commodity names to product ids, with what their figures must be multiplied by.

One table (``commodities.csv``), a row per name and publisher's edition: the name, words that must stand in its detail
(``!word``: must not), the product, and the factor from the publisher's basis (Li2O, Nb2O5, beryl ...) to the product's.
The first row that fits counts. Products that the atlas does not hold are declared in ``products.csv``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

import numpy as np
import pandas as pd

from ..errors import unknown_name
from ..units import convertible, factor, is_unit
from .base import Report, plain

__all__ = ["concordance", "declared", "map_products", "node_rows", "product_rows", "schemes", "tonnes"]


@cache
def _table() -> pd.DataFrame:
    with resources.files(__package__).joinpath("commodities.csv").open("r", encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype="str", keep_default_na=False)


@cache
def _declared() -> pd.DataFrame:
    frames = []
    for package, name in (("supplyrisk.atlas", "products.csv"), (str(__package__), "products.csv")):
        with resources.files(package).joinpath(name).open("r", encoding="utf-8") as handle:
            frames.append(
                pd.read_csv(handle, dtype={"hs6": "str", "note": "str"}, keep_default_na=False, na_values=[""])
            )
    both = pd.concat(frames, ignore_index=True)
    keep = ["product", "name", "commodity", "chain", "stage", "unit", "basis", "period"]
    return both.drop_duplicates("product")[keep].reset_index(drop=True)


def schemes() -> dict[str, str]:
    """Publishers whose names are known, and the editions that the names were taken from.

    Returns
    -------
    dict
        Scheme to edition.

    Examples
    --------
    >>> sorted(schemes())
    ['baci_trim', 'bgs', 'ec', 'iea', 'oecd', 'usgs', 'usgs_import', 'usgs_use', 'wmd']
    """
    return dict(_table().drop_duplicates("scheme")[["scheme", "version"]].itertuples(index=False, name=None))


def concordance(scheme: str) -> pd.DataFrame:
    """The names of one publisher.

    Parameters
    ----------
    scheme : str
        See :func:`schemes`.

    Returns
    -------
    DataFrame
        ``commodity, detail, product, factor, version, note``; an empty product means: known, and left out on purpose.

    Raises
    ------
    UnknownNameError
        No such scheme.

    Examples
    --------
    >>> t = concordance("wmd").set_index("commodity")
    >>> t.loc["Lithium (Li2O)", "product"], float(t.loc["Lithium (Li2O)", "factor"])
    ('lithium.mine', 0.4645)
    """
    table = _table()
    if scheme not in set(table["scheme"]):
        raise unknown_name("scheme", scheme, schemes())
    out = table[table["scheme"] == scheme].drop(columns="scheme").reset_index(drop=True)
    out["factor"] = pd.to_numeric(out["factor"], errors="coerce")
    return out


@cache
def _rules(scheme: str) -> dict[str, list[tuple[list[str], list[str], str, float, str]]]:
    out: dict[str, list[tuple[list[str], list[str], str, float, str]]] = {}
    for row in concordance(scheme).itertuples(index=False):
        words = str(row.detail).casefold().split()
        must = [w for w in words if not w.startswith("!")]
        mustnt = [w[1:] for w in words if w.startswith("!")]
        rule = (must, mustnt, str(row.product), float(str(row.factor)), str(row.note))
        out.setdefault(plain(row.commodity), []).append(rule)
    return out


def map_products(scheme: str, commodity: pd.Series, detail: pd.Series | None = None) -> pd.DataFrame:
    """Product and factor of each row of a publisher's table.

    Parameters
    ----------
    scheme : str
        See :func:`schemes`.
    commodity : Series
        Names as printed; case, spaces and punctuation do not matter.
    detail : Series, optional
        Type, stage or form as printed.

    Returns
    -------
    DataFrame
        ``product, factor, note, known``, indexed as the names. ``product`` is missing where the name is not known
        (``known`` is false) or left out on purpose.

    Examples
    --------
    >>> map_products("usgs", pd.Series(["Gallium ", "Silicon"]), pd.Series(["", "Silicon metal"]))["product"].tolist()
    ['gallium.refined', 'silicon.metal']
    """
    rules = _rules(scheme)
    text = detail if detail is not None else pd.Series("", index=commodity.index)
    pairs = pd.DataFrame({"c": commodity.astype("object"), "d": text.astype("object")}).fillna("")
    found: dict[tuple[object, object], tuple[str | None, float, str, bool]] = {}
    for c, d in pairs.drop_duplicates().itertuples(index=False, name=None):
        low = f" {str(d).casefold()} "
        exact = plain(d)
        found[c, d] = (None, np.nan, "", plain(c) in rules)
        for must, mustnt, product, scale, note in rules.get(plain(c), []):
            fits = all((w in low if len(w) > 1 else w == exact) for w in must)
            if fits and not any(w in low for w in mustnt):
                found[c, d] = (product or None, scale, note, True)
                break
    rows = [found[pair] for pair in zip(pairs["c"], pairs["d"], strict=True)]
    out = pd.DataFrame(rows, columns=["product", "factor", "note", "known"], index=commodity.index)
    return out.astype({"product": "string", "factor": "float64", "note": "string", "known": "bool"})


def product_rows(ids: Iterable[str], unit: str | None = None) -> pd.DataFrame:
    """Rows of the ``products`` table for product ids.

    Parameters
    ----------
    ids : iterable of str
        Products of the atlas or of this package's concordances.
    unit : str, optional
        Give products that are measured as a share of the world this unit (noble gases: m3), and the basis
        ``contained``: for graphs that are built of quantities alone.

    Returns
    -------
    DataFrame

    Raises
    ------
    UnknownNameError
        An id that is declared nowhere.

    Examples
    --------
    >>> product_rows(["gallium.refined"])[["unit", "basis"]].values.tolist()
    [['kg', 'contained']]
    """
    table = _declared().set_index("product")
    wanted = sorted(set(ids))
    for product in wanted:
        if product not in table.index:
            raise unknown_name("product", product, table.index)
    out = table.loc[wanted].reset_index()
    if unit is not None:
        share = out["unit"] == "world_share"
        gas = share & (out["chain"] == "noble_gases")
        out["unit"] = out["unit"].mask(share, unit).mask(gas, "m3")
        out["basis"] = out["basis"].mask(share, "contained")
    return out


def in_product_units(frame: pd.DataFrame, report: Report) -> pd.DataFrame:
    """Bring ``quantity, low, high`` of rows with a product from the unit as published to the product's own.

    Parameters
    ----------
    frame : DataFrame
        ``product, factor, value, low, high, unit``.
    report : Report
        Units that do not convert are reported.

    Returns
    -------
    DataFrame
        With ``quantity``, ``low``, ``high`` in ``product_unit``. A product that the atlas measures as a share of the
        world gets tonnes here, and a noble gas cubic metres.
    """
    out = frame.copy()
    known = out["product"].dropna().unique()
    own = out["product"].map(product_rows(known, unit="t").set_index("product")["unit"]).astype("object")
    scale = pd.Series(np.nan, index=out.index)
    pairs = pd.DataFrame({"u": out["unit"].astype("object"), "p": own})[out["product"].notna()]
    for unit, target in pairs.drop_duplicates().itertuples(index=False, name=None):
        rows = pairs.index[(pairs["u"] == unit) & (pairs["p"] == target)]
        if convertible(str(unit), str(target)):
            scale[rows] = factor(str(unit), str(target))
        else:
            held = [c for c in (out.get("product"), out.get("year")) if c is not None]
            lost = pd.Series([str(unit)] * len(rows), index=rows, dtype="object")
            report.unknown("unit", lost, pd.Series(1.0, index=out.index), held, "rows of a product and year")
    scale *= out["factor"]
    for column, source in (("quantity", "value"), ("low", "low"), ("high", "high")):
        out[column] = out[source] * scale
    out["product_unit"] = own.where(scale.notna())
    return out


def node_rows(production: pd.DataFrame) -> pd.DataFrame:
    """Production in the shape of :func:`supplyrisk.assemble.assemble` as rows of the ``nodes`` table.

    Parameters
    ----------
    production : DataFrame
        ``product, country, year, what, quantity, low, high, missing, source, grade, published_on, unit``.

    Returns
    -------
    DataFrame
        Producers, a row per node and year; world totals are left out.
    """
    keys = ["product", "country", "year"]
    rows = production[production["country"] != "WLD"]
    out = rows.drop_duplicates(keys)[[*keys, "unit", "published_on", "source", "grade", "note"]].copy()
    for what in ("output", "capacity"):
        part = rows[rows["what"] == what].set_index(keys)
        at = pd.MultiIndex.from_frame(out[keys])
        for column in ("quantity", "low", "high", "missing", "grade", "source"):
            name = what if column == "quantity" else f"{what}_{column}"
            out[name] = part[column].reindex(at).to_numpy()
    out["node"] = out["product"].astype(str) + "@" + out["country"].astype(str)
    out["kind"] = "producer"
    return out.reset_index(drop=True)


def declared() -> set[str]:
    """Ids of all products that the atlas or this package's concordances declare."""
    return set(_declared()["product"].astype(str))


def shares_of_world(products: Iterable[str]) -> set[str]:
    """Products that the atlas measures as a share of the world, not as a quantity."""
    declared = _declared().set_index("product")["unit"]
    return {p for p in products if declared.get(p) == "world_share"}


def tonnes(amount: pd.Series, unit: pd.Series) -> pd.Series:
    """Amounts in tonnes, for shares over goods of several units; missing where the unit is no mass.

    Examples
    --------
    >>> tonnes(pd.Series([2.0, 3.0]), pd.Series(["thousand metric tons", "million carat weights"])).tolist()
    [2000.0, nan]
    """
    scale = {u: factor(str(u), "t") for u in unit.dropna().unique() if is_unit(str(u)) and convertible(str(u), "t")}
    return amount * unit.map(scale).astype("float64")


MISSING_CODE = {
    "withheld": "withheld",
    "not_available": "not_available",
    "not_applicable": "not_applicable",
    "net_exporter": "not_applicable",
    "bound": "not_available",
    "range": "not_available",
    "less_than_half_unit": "not_available",
    "empty": "unknown",
    "text": "unknown",
    "decimal_comma": "unknown",
    "decimal_point": "unknown",
}


def production_rows(tidy: pd.DataFrame, source: str, published_on: str | None) -> pd.DataFrame:
    """One production row per product, place, year and statistic; parts that are withheld leave the sum unknown.

    Parameters
    ----------
    tidy : DataFrame
        ``product, country, year, what, quantity, low, high, code, estimated, product_unit, note``.
    source : str
        Written to every row.
    published_on : str, optional
        Written to every row; missing where nobody states it.

    Returns
    -------
    DataFrame
        As ``production`` of :func:`supplyrisk.assemble.assemble`, in product units.
    """
    whole = tidy[["product", "product_unit", "country", "year"]].notna().all(axis=1)
    rows = tidy[whole].assign(year=tidy.loc[whole, "year"].astype("int64"))
    rows["missing"] = rows["code"].map(MISSING_CODE).astype("object")
    rows["note"] = rows["note"].mask(rows["note"] == "")
    keys = ["product", "country", "year", "what"]
    nothing = rows["code"].isin(["empty", "text"]) & rows["low"].isna() & rows["high"].isna()
    said = (~nothing).groupby([rows[k] for k in keys]).transform("any")
    rows = rows[~nothing | ~said]  # an empty cell beside a figure of the same product and place adds nothing
    known = rows["quantity"].notna()
    rows["lo"] = rows["quantity"].where(known, rows["low"])
    rows["hi"] = rows["quantity"].where(known, rows["high"])
    grouped = rows.groupby(keys, sort=True)
    out = grouped.agg(n=("product", "size"), known=("quantity", "count"), quantity=("quantity", "sum"),
                      lo=("lo", "sum"), hi=("hi", "sum"), his=("hi", "count"), missing=("missing", "first"),
                      estimated=("estimated", "max"), unit=("product_unit", "first"), note=("note", "first")).reset_index()  # fmt: skip
    whole = out["known"] == out["n"]
    out["quantity"] = out["quantity"].where(whole)
    out["low"] = out["lo"].where(~whole & (out["lo"] > 0))
    out["high"] = out["hi"].where(~whole & (out["his"] == out["n"]))
    out["low"] = out["low"].mask(out["high"].notna() & out["low"].isna() & ~whole, 0.0)
    out["missing"] = out["missing"].where(~whole, None)
    out["grade"] = np.where(out["estimated"].astype(bool), "B", "A")
    return out.assign(source=source, published_on=published_on)[
        [*keys, "quantity", "low", "high", "missing", "unit", "published_on", "source", "grade", "note"]
    ]

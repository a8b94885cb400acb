"""U.S. statistics of one commodity in older releases of the summaries: ``mcs2023-germa_salient.csv``."""

from __future__ import annotations

import re

import pandas as pd

from .report import plain

__all__ = ["is_salient", "tidy_salient"]

# What the end of a column's name says of its unit; prices are in dollars or cents for a unit of weight.
_UNITS = {
    "t": "metric tons", "kt": "thousand metric tons", "kg": "kilograms", "mt": "million metric tons", "g": "grams",
    "mct": "million carats", "kct": "thousand carats", "mcm": "million cubic meters", "pct": "percent", "num": "number",
    "dt": "dollars per metric ton", "dkg": "dollars per kilogram", "dlb": "dollars per pound", "ctslb": "cents per pound",
    "ctlb": "cents per pound", "dtoz": "dollars per troy ounce", "dmtu": "dollars per metric ton unit",
}  # fmt: skip
_KINDS = {
    "usprod": "production", "import": "imports", "export": "exports", "consump": "use", "price": "price",
    "stock": "stocks", "employ": "employment", "nir": "reliance", "ship": "shipments",
}  # fmt: skip
_UNSAID = "Consumption, of unstated kind: apparent, reported or estimated"


def is_salient(columns: pd.Index) -> bool:
    """Whether a header is that of U.S. statistics of one commodity: source, commodity and year, and no country."""
    have = {plain(c) for c in columns}
    return {"datasource", "commodity", "year"} <= have and "country" not in have


def tidy_salient(raw: pd.DataFrame, name: str) -> pd.DataFrame:
    """A row per year and column of figures, as the reader of the releases takes them.

    Parameters
    ----------
    raw : DataFrame
        ``DataSource, Commodity, Year`` and columns such as ``USprod_Primary_kg, Imports_Metal_kg, Consump_kg, NIR_pct``, text.
    name : str
        Commodity where the column is empty.

    Returns
    -------
    DataFrame
        ``commodity, detail, place, what, year, text, unit, estimated, note, world``. Use is ``use``, net import reliance
        ``reliance`` (percent), all else ``us_...``: U.S. production is not a figure of the table of the world.

    Examples
    --------
    >>> raw = pd.DataFrame({"DataSource": ["MCS2023"], "Commodity": ["Germanium"], "Year": ["2022"],
    ...     "USprod_Primary_kg": ["W"], "Consump_kg": ["30000"], "NIR_pct": [">50"]}, dtype="string")
    >>> tidy_salient(raw, "")[["what", "text", "unit"]].values.tolist()
    [['us_production', 'W', 'kilograms'], ['use', '30000', 'kilograms'], ['reliance', '>50', 'percent']]
    """
    named = {plain(c): str(c) for c in raw.columns}
    keys = [named[k] for k in ("datasource", "commodity", "year")]
    commodity = raw[keys[1]].str.strip()
    blank = pd.Series("", index=raw.index, dtype="string")
    figures = [str(c) for c in raw.columns if str(c) not in keys and "note" not in str(c).casefold()]
    used = [c for c in figures if c.casefold().startswith("consump")]
    parts = []
    for column in figures:
        words = [w for w in re.split(r"[\s_]+", column) if w]
        unit = _UNITS.get(words[-1].casefold(), "") if len(words) > 1 else ""
        head = words[0].casefold()
        kind = next((v for k, v in _KINDS.items() if head.startswith(k)), plain(head))
        form = " ".join(words[1:-1] if unit else words[1:])
        detail, note = form, ""
        if kind == "use":
            detail = f"Consumption, {form}" if form else _UNSAID if len(used) == 1 else "Consumption"
            note = "" if form else "the file does not say whether apparent, reported or estimated"
        part = {
            "commodity": commodity.where(commodity.fillna("") != "", name),
            "detail": blank + detail,
            "place": "United States",
            "what": kind if kind in ("use", "reliance") else f"us_{kind}",
            "year": pd.to_numeric(raw[keys[2]].str.extract(r"(\d{4})")[0], errors="coerce"),
            "text": raw[column].str.strip(),
            "unit": unit,
            "estimated": raw[keys[2]].str.contains(r"e$|est", case=False).fillna(False),
            "note": note,
        }
        parts.append(pd.DataFrame(part))
    out = pd.concat(parts, ignore_index=True)
    return out.astype(dict.fromkeys(("place", "what", "unit", "note"), "string")).assign(world=False)

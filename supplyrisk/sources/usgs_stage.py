"""Stage of making that a row of the summaries speaks of: what is of another stage is never added to a product."""

from __future__ import annotations

import pandas as pd

from .report import Report

__all__ = ["as_capacity", "fits_stage", "other_forms", "say_left_out"]

_STAGES = {
    "mine": r"\bmin(?:e|es|ed|ing)\b",
    "smelter": r"\bsmelt",
    "refinery": r"\brefiner|\brefining\b|\brefined\b(?! borates)",
}
_OF_PRODUCT = {"smelter": {"smelter"}, "refined": {"smelter", "refinery"}}
_FROM_BRINES = {"iodine.refined"}  # won at the well, which the summaries call a mine
_SECOND_HAND = r"\bsecondary\b|\bscrap\b|\brecycl|\breclaim"
_NOT_MADE = r"\breserves?\b|\bresources?\b|\bconsumption\b|\bimports?\b|\bexports?\b|\bstocks?\b"
_MADE = r"production|poduction|capacity"  # the 2025 release misspells it


def as_capacity(data: pd.DataFrame) -> pd.Series:
    """Statistic of each row: a figure of a capacity that stands in the column of production is none of output.

    Examples
    --------
    >>> rows = pd.DataFrame({"what": ["output"] * 2, "detail": ["Clinker capacity", "Cement production"], "text": ["9", "8"]})
    >>> as_capacity(rows).tolist()
    ['capacity', 'output']
    """
    detail = data["detail"].fillna("").astype("str").str.casefold()
    capacity = detail.str.contains("capacity") & ~detail.str.contains("production|poduction")
    hit = capacity & data["what"].eq("output").fillna(False).astype(bool) & data["text"].fillna("").ne("").astype(bool)
    return data["what"].mask(hit, "capacity")


def fits_stage(product: pd.Series, detail: pd.Series) -> pd.Series:
    """Whether a row's type is of the stage of the product that its commodity stands for.

    A commodity without a rule for each of its types would give a smelter's output to the mine. What is made of scrap
    counts only where the publisher adds it to the primary (``Primary and secondary refinery production``), and
    reserves, stocks and trade are nothing that is made.

    Examples
    --------
    >>> products = pd.Series(["tin.mine", "tin.mine", "gallium.refined", "germanium.refined"])
    >>> types = pd.Series(["Mine production", "Smelter production", "Secondary production",
    ...     "Primary and secondary refinery production"])
    >>> fits_stage(products, types).tolist()
    [True, False, False, True]
    """
    pairs = pd.DataFrame({"p": product.astype("object"), "d": detail.astype("object")}).fillna("")
    known = pairs.drop_duplicates().reset_index(drop=True)
    text = known["d"].astype("str").str.casefold()
    names = known["p"].astype("str")
    stage = names.str.replace(r"^[^.]*\.?", "", regex=True).str.replace(r"^(mine_.+|ore|natural)$", "mine", regex=True)
    allowed = [_OF_PRODUCT.get(s, {"mine"} if s == "mine" else set(_STAGES)) for s in stage]
    allowed = [a | ({"mine"} if p in _FROM_BRINES else set()) for a, p in zip(allowed, names, strict=True)]
    said = pd.DataFrame({s: text.str.contains(pattern) for s, pattern in _STAGES.items()})
    fits = [
        not any(row.values()) or any(row[s] for s in ok)
        for row, ok in zip(said.to_dict("records"), allowed, strict=True)
    ]
    known["fits"] = pd.Series(fits, index=known.index, dtype=bool)
    known["fits"] &= ~text.str.contains(_SECOND_HAND) | text.str.contains(r"\bprimary\b") | stage.eq("scrap")
    known["fits"] &= ~text.str.contains(_NOT_MADE) | text.str.contains(_MADE)
    known["fits"] |= names.eq("")
    return pairs.merge(known, on=["p", "d"], how="left")["fits"].astype(bool).set_axis(product.index)


def other_forms(data: pd.DataFrame) -> pd.Series:
    """Rows of a further type of a product whose place, year and statistic have a figure of its usual type.

    Two types are two goods, or a sum and its part: they are never added up. The usual type is the commonest of the
    product in the file, of several the shortest.
    """
    out = pd.Series(False, index=data.index)
    made = data["what"].isin(["output", "capacity", "use"]).fillna(False).astype(bool)
    rows = data[data["product"].notna() & data["country"].notna() & made & (data["code"] != "empty")]
    if not len(rows):
        return out
    pairs = zip(rows["detail"].fillna(""), rows["place"].fillna(""), strict=True)
    form = pd.Series([str(d).removesuffix(str(p)).strip().casefold() for d, p in pairs], index=rows.index)
    often = form.groupby([rows["product"], rows["what"], form]).transform("size")
    keys = [rows[c] for c in ("product", "country", "year", "what")]
    order = pd.DataFrame({"often": -often, "long": form.str.len(), "form": form})
    order = order.sort_values(["often", "long", "form"], kind="stable")
    usual = order["form"].groupby([k.reindex(order.index) for k in keys]).transform("first").reindex(rows.index)
    other = form != usual
    out.loc[rows.index[other.to_numpy(dtype=bool)]] = True
    world = rows[(rows["country"] == "WLD") & ~other]  # a second world total is no part of the world
    known = world.iloc[world["value"].isna().to_numpy().argsort(kind="stable")]
    out.loc[known.index[known.duplicated(["product", "year", "what"])]] = True
    return out


def say_left_out(report: Report, name: pd.Series, why: pd.Series, hit: pd.Series) -> None:
    """A note of the types of figures that are left out, and why.

    Parameters
    ----------
    report : Report
        Gets the notes.
    name, why : Series
        Commodity with its type, and the reason, of each row.
    hit : Series of bool
        Rows that are left out.
    """
    for reason, names in name[hit].groupby(why[hit].astype("str"), sort=True):
        shown = sorted(set(names.astype("str")))
        more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
        report.notes.append(f"not in production: {'; '.join(n[:100] for n in shown[:6])}{more}: {reason}")

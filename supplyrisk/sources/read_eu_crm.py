"""European Commission, study on the critical raw materials for the EU: supply shares by stage, uses, scores."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ..errors import unknown_name
from ..registry import source
from .base import (
    PathLike,
    Reading,
    Report,
    files_in,
    find_columns,
    numbers,
    plain,
    read_text,
    refuse,
    refuse_decimal_comma,
    refuse_link_out,
    released,
    source_row,
)
from .commodities import map_products, product_rows
from .layout import first_rows, is_workbook, read_table
from .places import AGGREGATE, countries
from .twins import without_twins

__all__ = ["eu_crm"]

_SHARES = {
    "material": ["Material", "Raw material", "Raw materials", "CRM"],
    "stage": ["Stage"],
    "place": ["Country", "Supplier", "Supplier country", "Countries"],
    "share": [
        "Share",
        "Global supply share",
        "EU sourcing share",
        "Supply share",
        "Share (%)",
        "Share of supply",
        "Share of global supply",
        "Global supply share (%)",
        "Global share",
        "EU sourcing share (%)",
        "Share of EU sourcing",
        "EU supply share",
        "EU share",
    ],
    "t": ["t", "trade-related variable", "t parameter"],
}
_EU27 = frozenset(
    [
        "AUT",
        "BEL",
        "BGR",
        "HRV",
        "CYP",
        "CZE",
        "DNK",
        "EST",
        "FIN",
        "FRA",
        "DEU",
        "GRC",
        "HUN",
        "IRL",
        "ITA",
        "LVA",
        "LTU",
        "LUX",
        "MLT",
        "NLD",
        "POL",
        "PRT",
        "ROU",
        "SVK",
        "SVN",
        "ESP",
        "SWE",
    ]
)
_STAGES = {"e": "E", "extraction": "E", "p": "P", "processing": "P", "refining": "P"}
_NEEDED = ["material", "stage", "place", "share"]
# Editions of the study: publication year to the last year of the five that it averages.
# A column that only the study's other tables have.
_OTHER = frozenset(
    plain(c)
    for c in (
        "Application",
        "SR",
        "EI",
        "Group",
        "Supply risk",
        "Economic importance",
        "screened_material",
        "NACE sector",
    )
)
_EDITIONS = {2011: 2009, 2014: 2012, 2017: 2014, 2020: 2016, 2023: 2020}


@source(
    licence="cc_by",
    publisher="European Commission",
    formats=("csv", "csv.gz", "xlsx", "folder"),
    reads="global supply shares, EU sourcing shares, trade factor t, uses and published scores by material and stage",
)
def eu_crm(
    path: PathLike,
    *,
    scope: str | None = None,
    year: int | None = None,
    edition: int | None = None,
    sheet: str | None = None,
    decimal: str = ".",
    published_on: str | None = None,
) -> Reading:
    r"""Read tables of the European Commission's study on critical raw materials.

    Parameters
    ----------
    path : path-like
        ``fact_GlobalSupplyShares&t.csv``, ``fact_EUSupplyShares&t.csv``, a folder with both, or one of the tables of uses
        (``Application``), scores (``SR, EI``) and groups: those come as ``data`` only.
    scope : {"global", "eu"}, optional
        Whose supply the shares of a file are; default from its name, or from the name of the column of shares.
    year : int, optional
        Year that the figures stand for; default the last of the five that the edition averages (2020 for that of 2023).
    edition : int, optional
        Year of the study: 2011, 2014, 2017, 2020, 2023 or a later one. Default the year in the file's or folder's name
        (``CRM_study_2020``), else the last one in the study's ``dimension_CRMsOverTime.csv`` in the same folder, else the
        one in the title above the table or in the name of its sheet; where none of these says it, the reader asks for it.
    sheet : str, optional
        Sheet of a workbook; default the first with such a table.
    decimal : {".", ","}
        Decimal mark.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the year of the edition.

    Returns
    -------
    Reading
        ``inputs``: ``products`` (measured in shares of the world), ``production`` (global shares, 0 to 1) and ``sourcing``
        (the Union's imports: shares of what comes from outside, and reliance on it). ``data``: ``material, stage, place,
        country, scope, share, low, high, code, t``, shares in percent as printed; ``code`` is ``bound`` for ``<0.1%``,
        ``no_percent_sign`` where only the sign is absent, and ``fraction`` where a whole table states parts of 1.

    Raises
    ------
    SourceError
        Not such a table, shares of which nothing says the edition, a file whose name does not say whose shares it holds and no ``scope``, or numbers with a decimal
        comma and no ``decimal=","``.

    Notes
    -----
    Shares are kept as printed: they sum to between 88.7 and 103.9 percent by material and stage. ``<0.1%`` is the interval
    from 0 to 0.1, without a value. Rows of one place under two names (Brazil, Brasilia) add up in ``inputs``, with a note.
    ``t`` is the study's trade factor (0.8 within the Union to 1.5), not tonnes.

    References
    ----------
    Grohol, M., Veeh, C. (2023), Study on the critical raw materials for the EU 2023, European Commission.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "Material,Stage,Country,Share,t\nGallium,P,China,94%,1.3\nGallium,P,Japan,<0.1%,1.0\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "GlobalSupplyShares_2023.csv")
    ...     _ = file.write_text(text)
    ...     reading = eu_crm(file)
    >>> reading.data[["country", "share", "high", "t"]].values.tolist()
    [['CHN', 94.0, nan, 1.3], ['JPN', nan, 0.1, 1.0]]
    """
    report = Report("eu_crm", Path(path).name, "cc_by")
    said = edition or _edition(Path(path)) or _beside(Path(path))
    report.vintage = str(said or "")
    if scope not in (None, "global", "eu"):
        raise unknown_name("scope", scope, ("global", "eu"), "eu_crm()")
    if Path(path).is_dir():
        files = [f for f in files_in(path, (".csv", ".csv.gz", ".xlsx")) if "supplyshares" in plain(f.name)]
    else:
        files = [Path(path)]
    parts = []
    for file in files:
        raw = read_table(file, report, _SHARES, _NEEDED, sheet=sheet)
        have = {plain(c) for c in raw.columns}
        if plain("Application") in have or not all(any(plain(n) in have for n in _SHARES[k]) for k in _NEEDED):
            if not have & _OTHER:
                find_columns(file, raw.columns, _SHARES, _NEEDED)  # says which columns are absent
            report.notes.append("not a table of supply shares: see data")
            released(report, published_on, str(said) if said else None)
            return Reading({}, _other(file, raw, report, decimal), report)
        parts.append(_shares(file, without_twins(raw, report), scope))
        said = said or _in_title(file)
    if not parts:
        raise unknown_name("table", Path(path).name, ["fact_GlobalSupplyShares&t.csv"], "eu_crm()")
    data = pd.concat(parts, ignore_index=True)
    parsed = numbers(data["text"].str.replace("\u202f", ""), decimal, percent=True)
    refuse_decimal_comma(path, data["text"], parsed)
    if said is None:
        remedy = "Give edition=, e.g. edition=2023, or keep the file beside the study's dimension_CRMsOverTime.csv."
        raise refuse(
            path,
            "nothing says of which edition of the study the shares are",
            remedy,
            f"editions: {', '.join(map(str, _EDITIONS))}",
        )
    report.vintage = str(said)
    day = released(report, published_on, str(said))
    year = year if year is not None else _EDITIONS.get(said, said - 3)
    signless = (parsed["code"] == "") & ~data["text"].str.strip().str.endswith("%")
    parsed["code"] = parsed["code"].mask(signless, "no_percent_sign")
    off = (parsed["value"] < 0) | (parsed["value"] > 100)
    parsed.loc[off, "value"] = float("nan")
    parsed["code"] = parsed["code"].mask(off, "no_share")
    if off.any():
        report.notes.append(f"{int(off.sum())} shares below 0 or above 100 percent are emptied")
    unit = _fractions(data, parsed, signless)
    if unit.any():
        parsed.loc[unit, ["value", "low", "high"]] *= 100.0
        parsed["code"] = parsed["code"].mask(unit, "fraction")
        signless &= ~unit
        report.notes.append(f"{int(unit.sum())} shares of tables that add to 1 are fractions; read as such")
    if signless.any():
        report.notes.append(f"{int(signless.sum())} shares without a percent sign are read as percent")
    data = pd.concat([data, parsed.rename(columns={"value": "share"})], axis=1)
    factor = numbers(data["t"], decimal)
    refuse_decimal_comma(path, data["t"], factor)
    data["t"] = factor["value"]
    place = countries(data["place"], "name")
    data["country"] = place.mask(place == AGGREGATE)
    sums = (place == AGGREGATE).fillna(False).astype(bool)
    listed, within = data["share"].mask(sums), [data["scope"], data["material"], data["stage"]]
    report.unknown("country", data.loc[place.isna(), "place"], listed, within, "supply of a material")
    report.leave_out(
        "totals and unions", sums, data["share"].fillna(0.0), within, "the shares of a material, totals too"
    )
    report.missing = {str(k): int(v) for k, v in data["code"].value_counts().items() if k}
    mapped = map_products("ec", data["material"], data["stage"])
    data["product"] = mapped["product"]
    lost = (data["material"] + " " + data["stage"].fillna(""))[mapped["product"].isna()]
    report.unknown("material", lost, listed, [data["scope"]], "the shares of all materials")
    world = data[data["scope"] == "global"]
    known = world.groupby(["material", "stage"])["share"].sum()
    most = world["share"].fillna(world["high"]).groupby([world["material"], world["stage"]]).sum()
    if len(known):
        text = f"{known.min():.1f} to {most.max():.1f} percent by material and stage, '<0.1%' counted as up to 0.1"
        report.notes.append(f"global shares sum to {text}; kept as printed")
    return Reading(_tables(said), data, report, _inputs(data, year, said, day, report))


def _edition(path: Path) -> int | None:
    """Year of a study in the name of the file or of its folder."""
    for name in (path.stem, path.resolve().parent.name):
        hit = [int(y) for y in re.findall(r"(?<!\d)(20\d\d)(?!\d)", name) if int(y) in _EDITIONS]
        if len(hit) == 1:
            return hit[0]
    return None


def _beside(path: Path) -> int | None:
    """Last edition in the study's own table of scores over the years that lies in the same folder."""
    folder = path if path.is_dir() else path.parent
    found = sorted(folder.glob("*CRMsOverTime*.csv")) if folder.is_dir() else []
    for file in found[:1]:
        refuse_link_out(file, folder)
        raw = read_table(file, Report("", "", ""), {"year": ["Year"], "score": ["SR"]}, ["year", "score"])
        years = pd.to_numeric(raw["Year"], errors="coerce") if "Year" in raw else pd.Series(dtype=float)
        hit = years[years.isin(list(_EDITIONS))]
        return int(hit.max()) if len(hit) else None
    return None


def _in_title(file: Path) -> int | None:
    """Edition that the lines above a table, or the name of its sheet, state; none where they state several."""
    if is_workbook(file):
        rows = first_rows(file, count=10)
        lines = [*rows, *(" ".join(cells) for sheet in rows.values() for cells in sheet)]
    else:
        lines = read_text(file)[0][:4000].splitlines()[:10]
    titles = [t for t in lines if not re.search(r"\d\s*%", t)]
    hit = {int(y) for t in titles for y in re.findall(r"(?<!\d)(20\d\d)(?!\d)", t) if int(y) in _EDITIONS}
    return hit.pop() if len(hit) == 1 else None


def _fractions(data: pd.DataFrame, parsed: pd.DataFrame, signless: pd.Series) -> pd.Series:
    """Rows of a scope whose signless shares are all at most 1 and add to about 1, not 100, by material and stage."""
    out = pd.Series(False, index=data.index)
    for said in data["scope"].unique():
        here = signless & (data["scope"] == said)
        if not here.any() or (parsed.loc[here, "value"] > 1.05).any():
            continue
        total = parsed.loc[here, "value"].groupby([data.loc[here, "material"], data.loc[here, "stage"]]).sum()
        if total.median() > 0.2:  # a table in percent whose shares are all below 1 does not add to this little
            out |= here
    return out


def _shares(file: Path, raw: pd.DataFrame, scope: str | None) -> pd.DataFrame:
    """Rows of shares with their scope; of a table with a column for the world and one for the Union those of both."""
    names = {plain(n) for n in _SHARES["share"]}
    own = {k: str(c) for c in raw.columns if plain(c) in names and (k := _scope_in(plain(c)))}
    if len(own) > 1:
        beside = {k: [c for j, c in own.items() if j != k] for k in own if scope in (None, k)}
        whole = pd.concat([_shares(file, raw.drop(columns=c), k) for k, c in beside.items()], ignore_index=True)
        return whole[whole["text"].str.strip() != ""].reset_index(drop=True)
    cols = find_columns(file, raw.columns, _SHARES, _NEEDED)
    said = scope or (
        "eu" if plain(file.name).find("eusupply") >= 0 else "global" if "global" in plain(file.name) else None
    )
    said = said or _scope_in(plain(cols["share"]))
    if said is None:
        raise unknown_name(
            "scope", file.name, ("global", "eu"), "eu_crm(): the file does not say whose shares it holds"
        )
    stage = raw[cols["stage"]].map(lambda s: _STAGES.get(plain(s), str(s))).astype("string")
    return pd.DataFrame(
        {
            "material": raw[cols["material"]].str.strip(),
            "stage": stage,
            "place": raw[cols["place"]].str.strip(),
            "scope": said,
            "text": raw[cols["share"]].fillna(""),
            "t": raw[cols["t"]] if "t" in cols else pd.Series("", index=raw.index, dtype="string"),
        }
    )


def _scope_in(header: str) -> str | None:
    """Whose shares a header names."""
    return "global" if "global" in header else "eu" if header.startswith("eu") or "eusourcing" in header else None


def _other(path: Path, raw: pd.DataFrame, report: Report, decimal: str) -> pd.DataFrame:
    """Uses and scores: numbers as numbers, a dash as what was not assessed."""
    out = raw.copy()
    for c in raw.columns:
        if plain(c) in ("sr", "ei", "share", "vainmillion", "year") or "million" in str(c).casefold():
            parsed = numbers(raw[c].fillna(""), decimal, percent=True)
            refuse_decimal_comma(path, raw[c], parsed)
            lacking = parsed["code"].isin(["zero", "empty"])  # a dash means "not assessed" here, not nil
            out[c] = parsed["value"].mask(lacking)
            report.missing["not_available"] = report.missing.get("not_available", 0) + int(lacking.sum())
    return out


def _tables(edition: int) -> dict[str, pd.DataFrame]:
    title = f"European Commission, Study on the critical raw materials for the EU {edition}"
    return {"sources": source_row(f"ec_crm_{edition}", title, edition, "CC BY 4.0", "cc_by")}


def _one_row_each(rows: pd.DataFrame, report: Report) -> pd.DataFrame:
    """One row per scope, product and country: shares of a country under two names (or two of its rows) add up."""
    keys = ["scope", "product", "country"]
    first = rows.groupby(keys)["material"].transform("first")
    further = rows["material"] != first
    if further.any():
        names = ", ".join(sorted(set(rows.loc[further, "material"].astype("str")))[:6])
        report.notes.append(f"another material of a product that has its shares already, in data alone: {names}")
        rows = rows[~further]
    twice = rows.duplicated(keys, keep=False)
    out = rows.assign(told="")
    if not twice.any():
        return out
    out = out[~rows.duplicated(keys)].set_index(keys)
    for key, part in rows[twice].groupby(keys, sort=True):
        ends = [part["share"].fillna(part[side]).sum(skipna=False) for side in ("low", "high")]
        known = bool(part["share"].notna().all())
        told = " + ".join(f"{p} {t}" for p, t in zip(part["place"], part["text"], strict=True))
        if ends[0] > 100.0:
            report.notes.append(f"{key[1]}: rows of {key[2]} make more than all, so the share is unknown: {told}")
            ends, known = [float("nan")] * 2, False
        else:
            report.notes.append(f"{key[1]}: rows of one place are added up, {key[2]}: {told}")
        nan = float("nan")
        figures = [ends[0], nan, nan] if known else [nan, *ends]
        out.loc[key, ["share", "low", "high"]] = figures
        out.loc[key, "told"] = told
    return out.reset_index()


def _inputs(data: pd.DataFrame, year: int, edition: int, day: str | None, report: Report) -> dict[str, pd.DataFrame]:
    rows = _one_row_each(data[data["product"].notna() & data["country"].notna()], report)
    world = rows[rows["scope"] == "global"]
    censored = world["share"].isna() & world["high"].notna()
    production = pd.DataFrame(
        {
            "product": world["product"],
            "country": world["country"],
            "year": year,
            "what": "output",
            "quantity": world["share"] / 100.0,
            "low": world["low"].where(censored) / 100.0,
            "high": world["high"].where(censored) / 100.0,
            "missing": pd.Series("not_available", index=world.index, dtype="object").where(world["share"].isna(), None),
            "published_on": day,
            "source": f"ec_crm_{edition}",
            "grade": "B",
            "note": "share of world supply, average of five years"
            + ("; " + world["told"]).where(world["told"] != "", ""),
        }
    )
    union = rows[(rows["scope"] == "eu") & rows["share"].notna()]
    outside = union[~union["country"].isin(_EU27)]
    total = union.groupby("product")["share"].sum()
    foreign = outside.groupby("product")["share"].sum()
    sourcing = pd.DataFrame(
        {
            "product": outside["product"],
            "buyer": "EUE",
            "supplier": outside["country"],
            "share": outside["share"] / outside["product"].map(foreign).astype("float64"),
            "year": year,
            "reliance": outside["product"].map(foreign / total).astype("float64"),
            "published_on": day,
            "source": f"ec_crm_{edition}",
            "grade": "B",
            "note": "share of EU sourcing from outside the Union",
        }
    )
    sourcing = sourcing[sourcing["share"] > 0]
    ids = set(production["product"]) | set(sourcing["product"])
    return {
        "products": product_rows(ids).assign(unit="world_share", basis="supply by location"),
        "production": production.reset_index(drop=True),
        "sourcing": sourcing.reset_index(drop=True),
    }

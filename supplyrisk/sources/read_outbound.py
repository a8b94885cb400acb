"""Chinese investment and finance abroad: the AEI tracker and AidData's projects, to holdings where a share can be told."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from ..registry import source
from .base import PathLike, Reading, Report, find_columns, numbers, plain, refuse_decimal_comma, released, source_row
from .layout import read_table
from .places import AGGREGATE, agreed, countries
from .report import refuse

__all__ = ["aei_investments", "aiddata_projects"]

_EXTRA = {
    "Africa, regional": AGGREGATE, "Asia, regional": AGGREGATE,
    "Oceania, regional": AGGREGATE, "America, regional": AGGREGATE, "Europe, regional": AGGREGATE,
    "Middle East, regional": AGGREGATE, "Multi-Region": AGGREGATE,
}  # fmt: skip
# Subsectors that name one product; "Steel" covers iron ore, chrome and mills alike, so it names none.
_PRODUCTS = {"copper": "copper.mine", "aluminum": "bauxite.mine", "aluminium": "bauxite.mine"}
_AEI = {
    "year": ["Year"], "month": ["Month"], "investor": ["Investor", "Investor/Contractor", "Contractor", "Chinese Entity"],
    "value": ["Millions", "Quantity in Millions", "Value", "Investment in Millions"],
    "share": ["Share Size", "Share"], "target": ["Partner/Target", "Partner", "Transaction Party"], "sector": ["Sector"],
    "subsector": ["Subsector"], "country": ["Country"], "region": ["Region"], "bri": ["BRI"],
}  # fmt: skip
_MONTHS = {
    m: k + 1 for k, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
}
_BARE = re.compile(r"\d*\.?\d+(?:\s*[,;/&]\s*\d*\.?\d+)*")
_BOUND = re.compile(r"[<>\u2264\u2265~]")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_COMMA = re.compile(r"(\d),(\d)")
_ZERO = re.compile(r"(?<!\d)0,\d")


def _text(cells: pd.Series) -> pd.Series:
    out = cells.str.strip()
    return out.mask(out == "")


def _split(text: str) -> list[str]:
    """Names between commas, but not between brackets."""
    return [p.strip() for p in re.split(r",(?![^(]*\))", text) if p.strip()]


@source(
    licence="restricted",
    publisher="American Enterprise Institute",
    formats=("csv", "xlsx"),
    reads="Chinese investments abroad with investor, target, value and equity share",
)
def aei_investments(
    path: PathLike,
    *,
    sheet: str | None = None,
    sectors: tuple[str, ...] = ("Metals",),
    decimal: str = ".",
    published_on: str | None = None,
) -> Reading:
    r"""Read the China Global Investment Tracker.

    Parameters
    ----------
    path : path-like
        The tracker as csv or xlsx.
    sheet : str, optional
        Sheet of a workbook.
    sectors : tuple of str
        Sectors whose deals become holdings.
    decimal : {".", ","}
        Decimal mark of amounts and shares in text. With a comma, several shares are parted by other marks (``56,5%; 24%``).
    published_on : str, optional
        Day (or month, or year) on which the release came out; default unknown: the tracker does not state it.

    Returns
    -------
    Reading
        ``tables``: ``holdings`` and ``sources``: a row per investor of a deal with a target and a share; the asset is the
        target as a firm (``Peru Copper (PER)``), so that it joins a node only once somebody says that the firm owns it.
        ``data``: every deal, ``value_usd``, ``shares``, ``product`` where the subsector names one, ``valid_from``.

    Raises
    ------
    SourceError
        Not the tracker, or a decimal comma without ``decimal=","``.

    Notes
    -----
    ``20%, 35%`` are the shares of as many investors in their order; where the numbers of shares and investors differ, the
    shares stay in ``data`` and no holding is made. Shares without a ``%`` are percent where any of the column is above 1, else
    fractions. A deal says what was bought, not what is held today: grade C. A deal of a
    target that was sold on later is not taken back by anything in the file.

    References
    ----------
    American Enterprise Institute, China Global Investment Tracker.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = ("Year,Month,Investor,Millions,Share Size,Partner/Target,Sector,Subsector,Country\n"
    ...     "2007,June,Chinalco,$790 ,100%,Peru Copper,Metals,Copper,Peru\n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "tracker.csv")
    ...     _ = file.write_text(text)
    ...     held = aei_investments(file).tables["holdings"]
    >>> held[["asset", "holder", "share", "valid_from", "type"]].values.tolist()
    [['Peru Copper (PER)', 'Chinalco', 1.0, '2007-06', 'majority']]
    """
    report = Report("aei_investments", Path(path).name, "restricted")
    required = ["year", "investor", "value", "sector", "country"]
    raw = read_table(path, report, _AEI, required, sheet=sheet)
    cols = find_columns(path, raw.columns, _AEI, required)
    text = {k: _text(raw[c]) for k, c in cols.items()}
    data = pd.DataFrame({k: text.get(k, pd.Series(pd.NA, index=raw.index, dtype="string")) for k in _AEI})
    money = data["value"].str.replace("$", "", regex=False).str.strip()
    amount = numbers(money, decimal)
    refuse_decimal_comma(path, money, amount)
    data["value_usd"] = amount["value"] * 1e6
    report.missing = {str(k): int(v) for k, v in amount["code"].value_counts().items() if k}
    data["code"] = amount["code"]
    data["country"] = _places(report, data["country"], data["value_usd"])
    month = data["month"].astype("object").map(lambda m: _MONTHS.get(str(m)[:3].casefold()))
    year = pd.to_numeric(data["year"], errors="coerce").astype("float64")
    year = year.where(year.between(1900, 2100) & (year % 1 == 0))
    data["valid_from"] = [
        None if y != y else f"{int(y)}" if m is None or m != m else f"{int(y)}-{int(m):02d}"
        for y, m in zip(year, month, strict=True)
    ]
    data["year"] = year.astype("Int64")
    data["shares"] = _shares(path, data["share"].fillna(""), data["investor"], report, decimal)
    data["product"] = data["subsector"].map(lambda s: _PRODUCTS.get(plain(s)), na_action="ignore").astype("string")
    if len(data) and data["year"].notna().any():
        report.vintage = f"deals of {int(data['year'].min())} to {int(data['year'].max())}"
    holdings, reasons = _deals(data[data["sector"].isin(sectors)])
    for reason, rows in reasons.items():
        report.notes.append(f"{rows} deals of {', '.join(sectors)} make no holding: {reason}")
    out, day = "aei_cgit", released(report, published_on)
    title = "American Enterprise Institute, China Global Investment Tracker"
    tables = {
        "holdings": holdings.assign(source=out, grade="C", published_on=day),
        "sources": source_row(
            out, title, None if day is None else int(day[:4]), "to be cited; terms of the publisher", "restricted"
        ),
    }
    return Reading(tables, data, report)


def _shares(
    path: PathLike, cells: pd.Series, investors: pd.Series, report: Report, decimal: str
) -> list[tuple[float, ...]]:
    """``20%, 35%`` as fractions; a workbook stores 24% as 0.24; ``>50%`` states a bound and no share.

    Figures without the mark are read by their column as a whole: percent if any of them is above 1, else fractions.
    ``56,5`` is the shares of two investors where there are two, else a share with a decimal comma.
    """
    texts = [str(cell).strip() for cell in cells.astype("object")]
    if decimal == ",":
        pointed = [t for t in texts if re.search(r"\d\.\d", t)]
        if pointed:
            shown = ", ".join(map(repr, pointed[:3]))
            raise refuse(path, "shares with a decimal point where decimal=','", 'Leave out decimal=",".', shown)
        texts = [_COMMA.sub(r"\1.\2", t) for t in texts]
    else:
        names = investors.fillna("").astype("object")
        odd = [
            t for t, who in zip(texts, names, strict=True)
            if _COMMA.search(t) and (len(_split(str(who))) != len(_split(t)) or _ZERO.search(t))
        ]  # fmt: skip
        if odd:
            remedy = 'Give decimal="," if they are, else a blank after each comma that parts two shares.'
            raise refuse(path, "shares with a decimal comma", remedy, ", ".join(map(repr, odd[:3])))
    bare = {t: tuple(float(p) for p in re.split(r"[,;/&]", t)) for t in set(texts) if _BARE.fullmatch(t)}
    whole = any(v > 1.0 for parts in bare.values() for v in parts)
    if whole:
        report.notes.append(
            f"{sum(t in bare for t in texts)} shares without a % sign: read as percent, because some of them are above 1"
        )
    out: list[tuple[float, ...]] = []
    bounds = 0
    for text in texts:
        if _BOUND.search(text):
            bounds += 1
            out.append(())
        elif "%" in text and _BARE.fullmatch(text.replace("%", "")):  # one mark stands for all of the cell
            out.append(tuple(float(p) / 100.0 for p in re.split(r"[,;/&]", text.replace("%", ""))))
        elif text in bare:
            out.append(tuple(v / 100.0 if whole else v for v in bare[text]))
        else:
            out.append(tuple(float(p) / 100.0 for p in _PERCENT.findall(text)))
    if bounds:
        report.notes.append(f"{bounds} deals state a bound of the share (such as >50%), not the share: no holding")
    return out


def _places(report: Report, names: pd.Series, value: pd.Series) -> pd.Series:
    place = countries(names, "name", _EXTRA)
    report.unknown("country", names[place.isna() & names.notna()], value.fillna(0.0))
    several = place == AGGREGATE
    if several.any():
        report.notes.append(f"{int(several.sum())} rows speak of several countries; they have none")
    return place.mask(several)


def _deals(deals: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    rows: list[dict[str, object]] = []
    reasons: dict[str, int] = {}

    def skip(reason: str) -> None:
        reasons[reason] = reasons.get(reason, 0) + 1

    for d in deals.to_dict("records"):
        shares = d["shares"]
        investors = _split(str(d["investor"]))
        if not shares:
            text = "" if pd.isna(d["share"]) else str(d["share"])
            skip("no share is given" if not text or _BOUND.search(text) else "the share cannot be read")
        elif pd.isna(d["target"]) or plain(d["target"]) in ("", "na") or pd.isna(d["country"]):
            skip("no target, or no country, is given")
        elif len(shares) != len(investors) and not (len(shares) == 1 and len(investors) == 1):
            skip("shares and investors differ in number")
        elif sum(shares) > 1.0 + 1e-9:
            skip("shares add to more than 1")
        else:
            kind = ["majority" if s > 0.5 else "joint" if s == 0.5 else "minority" for s in shares]
            note = "share bought in the deal; what is held today may differ"
            for who, share, k in zip(investors, shares, kind, strict=True):
                rows.append(
                    {"asset": f"{d['target']} ({d['country']})", "part": "", "portion": 1.0, "holder": who,
                     "holder_country": "CHN", "type": k, "share": share, "valid_from": d["valid_from"], "year": d["year"],
                     "note": note}
                )  # fmt: skip
    held = pd.DataFrame(rows) if rows else pd.DataFrame({c: pd.Series(dtype="object") for c in _HELD})
    keys = ["asset", "holder", "valid_from"]
    held = held.drop_duplicates([*keys, "type"])
    # Later deals in one target may sum above one: each is a purchase, and what was sold on is not in the file.
    total = held["share"].astype("float64").groupby(held["asset"]).transform("sum")
    over = total > 1.0 + 1e-9
    if over.any():
        reasons["deals of one target add to more than 1"] = int(held.loc[over, "asset"].nunique())
    return held[~over].reset_index(drop=True), reasons


_HELD = ("asset", "part", "portion", "holder", "holder_country", "type", "share", "valid_from", "year", "note")
_AID = {
    "id": ["AidData.Record.ID", "AidData Record ID", "AidData TUFF Project ID", "project_id"],
    "value": [form.format(year) for form in ("Amount (Constant USD {})", "Adjusted Amount (Constant USD {})", "usd_defl_{}")
              for year in range(2040, 2004, -1)] + ["usd_defl"], "title": ["Title"], "status": ["Status"],
    "sector": ["Sector.Name", "Sector Name", "AidData Sector Name", "ad_sector_names"],
    "recipient": ["Recipient", "recipients"], "iso3": ["Recipient.ISO-3", "Recipient ISO-3"],
    "year": ["Commitment.Year", "Commitment Year", "year"], "funder": ["Funding Agencies", "Funding.Agencies"],
    "committed": ["Commitment.Date.(MM/DD/YYYY)", "Commitment Date (MM/DD/YYYY)"],
    "completed": ["Actual.Completion.Date.(MM/DD/YYYY)", "Actual Completion Date (MM/DD/YYYY)"],
    "precision": ["Level.of.precision", "Level of precision"], "kind": ["Flow Type", "Flow.Type"],
    "aggregate": ["Recommended For Aggregates", "Recommended.For.Aggregates"],
}  # fmt: skip
_VERSIONS = {"2021": "2023", "2017": "2021", "2014": "2017"}  # year of constant USD to that of the version with it
_WORDS = {
    "copper.mine": r"copper (?:mine|mining|project)", "copper.refined": r"copper (?:smelter|refinery|refining)",
    "cobalt.mine": r"cobalt (?:mine|mining|project)", "nickel.mine": r"nickel (?:mine|mining)",
    "nickel.refined": r"nickel (?:smelter|refinery)", "bauxite.mine": r"bauxite (?:mine|mining|project)",
    "alumina.refined": r"alumina (?:refinery|plant)", "aluminium.refined": r"alumini?um (?:smelter|plant)",
    "lithium.mine": r"lithium (?:mine|mining|project)", "tin.mine": r"tin (?:mine|mining)",
    "manganese.mine": r"manganese (?:mine|mining)", "graphite_natural.mine": r"graphite (?:mine|mining|project)",
}  # fmt: skip


@source(
    licence="attribution",
    publisher="AidData at William & Mary",
    formats=("csv", "csv.gz", "xlsx"),
    reads="Chinese official loans and grants by recipient, sector, status and amount",
)
def aiddata_projects(
    path: PathLike, *, sheet: str | None = None, decimal: str = ".", published_on: str | None = None
) -> Reading:
    r"""Read AidData's Global Chinese Development Finance dataset.

    Parameters
    ----------
    path : path-like
        The dataset or its subset with places, as csv or xlsx.
    sheet : str, optional
        Sheet of a workbook.
    decimal : {".", ","}
        Decimal mark of amounts in text.
    published_on : str, optional
        Day (or month, or year) on which the release came out; default the year of the version that the column of amounts tells (constant USD of 2021: version 3, 2023).

    Returns
    -------
    Reading
        ``data``: every record with ``country``, ``value_usd`` (constant USD of the year that the column names: 2021 in
        version 3, 2017 in version 2; ``report.notes`` says which), ``status``, ``sector``, ``year`` and
        ``product`` where the title names the plant of one product. ``tables``: ``sources`` alone. Finance is no equity: a
        record never becomes a holding, because it states no share.

    Raises
    ------
    SourceError
        Not the dataset, or a decimal comma without ``decimal=","``.

    Notes
    -----
    ``aggregate`` is the publisher's advice: rows with "No" (umbrella agreements, pledges) are not to be added up. An absent amount is ``not_available``, never zero: totals by recipient are lower bounds. Records of a region are kept
    without a country. Cancelled and suspended records stay, with their status.

    References
    ----------
    Custer, S. et al. (2023), Tracking Chinese development finance: TUFF 3.0, AidData at William & Mary.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = ("AidData.Record.ID,Amount.(Constant.USD.2021),Title,Status,Sector.Name,Recipient,Recipient.ISO-3,"
    ...     "Commitment.Year\n1,5e6,Loan for the X copper mine,Completion,INDUSTRY,Zambia,ZMB,2010\n"
    ...     "2,,Clinic,Completion,HEALTH,Zambia,ZMB,2011\n")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "gcdf.csv")
    ...     _ = file.write_text(text)
    ...     data = aiddata_projects(file).data
    >>> data["product"].tolist()[0], data["code"].tolist()
    ('copper.mine', ['', 'not_available'])
    """
    report = Report("aiddata_projects", Path(path).name, "attribution")
    required = ["id", "value", "title", "sector", "recipient"]
    raw = read_table(path, report, _AID, required, sheet=sheet, stack=required)
    cols = find_columns(path, raw.columns, _AID, required)
    blank = pd.Series(pd.NA, index=raw.index, dtype="string")
    data = pd.DataFrame({k: _text(raw[cols[k]]) if k in cols else blank for k in _AID})
    twice = data["id"].duplicated() & data["id"].notna()
    given = numbers(data["value"], decimal)
    refuse_decimal_comma(path, data["value"], given)
    report.leave_out("a second row of the same record", twice, given["value"])
    data, amount = data[~twice].reset_index(drop=True), given[~twice].reset_index(drop=True)
    report.notes.append(f"amounts as in the column {cols['value']!r}")
    data["value_usd"] = amount["value"]
    data["code"] = amount["code"].replace("empty", "not_available")
    report.missing = {str(k): int(v) for k, v in data["code"].value_counts().items() if k}
    place = agreed(report, data["recipient"], data["iso3"], extra=_EXTRA)
    report.unknown("country", data.loc[place.isna(), "recipient"].dropna(), data["value_usd"].fillna(0.0))
    data["country"] = place.mask(place == AGGREGATE)
    year = pd.to_numeric(data["year"], errors="coerce").astype("float64")
    data["year"] = year.where(year.between(1900, 2100) & (year % 1 == 0)).astype("Int64")
    title = data["title"].fillna("").str.casefold()
    hits = pd.DataFrame({p: title.str.contains(words) for p, words in _WORDS.items()})
    one = hits.sum(axis=1).to_numpy() == 1  # a title that names two plants says nothing of the split
    named = pd.Series(hits.columns.to_numpy()[hits.to_numpy(dtype=bool).argmax(axis=1)], index=hits.index)
    data["product"] = named.where(pd.Series(one, index=hits.index)).astype("string")
    if data["year"].notna().any():
        report.vintage = f"commitments of {int(data['year'].min())} to {int(data['year'].max())}"
    report.notes.append("finance states no share: no holdings; data has the records")
    base = re.search(r"20\d\d", cols["value"])
    day = released(report, published_on, _VERSIONS.get(base[0] if base else ""))
    year_of = None if day is None else int(day[:4])
    out = source_row(
        "aiddata_gcdf", "AidData, Global Chinese Development Finance", year_of, "to be cited", "attribution"
    )
    return Reading({"sources": out}, data, report)

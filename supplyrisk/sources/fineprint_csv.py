"""FINEPRINT's final tables (a folder of csv, facilities as csv or GeoPackage) in the shape of its workbook."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd

from .base import files_in, find_columns, numbers, read_delimited
from .places import agreed
from .report import PathLike, Report, refuse

__all__ = ["tables_of_folder"]

_FACILITY = {"id": ["facility_id"], "name": ["facility_name"], "site": ["sub_site_name"], "country": ["country"],
             "code": ["gid_0", "iso3"]}  # fmt: skip
_NAMES = {"cu": "copper", "zn": "zinc", "ni": "nickel", "mo": "molybdenum", "sn": "tin", "rh": "rhodium", "sb": "antimony",
          "nb": "niobium", "fe": "iron", "cuca": "copper cathode"}  # fmt: skip


def tables_of_folder(path: PathLike, report: Report, decimal: str | None = None) -> dict[str, pd.DataFrame]:
    """``general``, ``commodities`` and ``other_info`` as the workbook has them, out of the final tables.

    Parameters
    ----------
    path : path-like
        Folder with ``facilities.csv`` or ``facilities.gpkg``, ``commodities.csv`` and ``ownership.csv``.
    report : Report
        Counts and notes go here.
    decimal : {".", ","}, optional
        Decimal mark of amounts.

    Returns
    -------
    dict of DataFrame

    Raises
    ------
    SourceError
        A table or column is absent.

    Notes
    -----
    One metal is counted once: where a facility has it in concentrate, what it has in ore in that year is left out.
    """
    files = {f.name.casefold(): f for f in files_in(path, (".csv", ".gpkg"))}
    absent = [n for n in ("commodities.csv", "ownership.csv") if n not in files]
    absent += [] if {"facilities.csv", "facilities.gpkg"} & set(files) else ["facilities.csv or facilities.gpkg"]
    if absent:
        raise refuse(path, "a table is absent", "Copy it into the folder, or give the workbook.", ", ".join(absent))
    places = _facilities(files, report)
    made = read_delimited(files["commodities.csv"], report)
    wanted = {c: [c] for c in ("facility_id", "year", "commodity", "material")} | {"value": ["value_tonnes", "value"]}
    cols = find_columns(files["commodities.csv"], made.columns, wanted, ["facility_id", "year", "commodity", "value"])
    rows = pd.DataFrame({k: made[c].str.strip() for k, c in cols.items()})
    material = rows.get("material", pd.Series("", index=rows.index, dtype="string")).fillna("").str.casefold()
    ore, keys = material.str.startswith("o."), [rows["facility_id"], rows["year"], rows["commodity"]]
    better = material.str.startswith("con.").groupby(keys).transform("any")
    again = ore & better
    amount = numbers(rows["value"], decimal)["value"]
    report.leave_out(
        "metal in ore that stands in concentrate too", again, amount, [rows["commodity"], rows["year"]], "tonnage"
    )
    symbol = rows["commodity"].str.rpartition(".")[2].str.casefold()
    named = symbol.map(_NAMES).astype("string").fillna(symbol)
    commodities = _at(rows["facility_id"], places).assign(
        commodity=named, year=rows["year"], unit="t", value=rows["value"]
    )[~again]
    held = read_delimited(files["ownership.csv"], report)
    cols = find_columns(
        files["ownership.csv"],
        held.columns,
        {c: [c] for c in ("facility_id", "owners", "year")},
        ["facility_id", "owners"],
    )
    year = held[cols["year"]] if "year" in cols else pd.Series("", index=held.index, dtype="string")
    owners = _at(held[cols["facility_id"]].str.strip(), places).assign(owners=held[cols["owners"]], year=year)
    whole = places[~places.index.duplicated()]
    general = pd.DataFrame({"mine_fac": whole["label"], "country": whole["country"]}).drop_duplicates("mine_fac")
    return {
        "general": general.reset_index(drop=True).astype("string"),
        "commodities": commodities.reset_index(drop=True).astype("string"),
        "other_info": owners.reset_index(drop=True).astype("string"),
    }


def _facilities(files: dict[str, Path], report: Report) -> pd.DataFrame:
    """Facilities by id: label (unique), sub-site and country; a sub-site has its facility's label."""
    file = files.get("facilities.csv") or files["facilities.gpkg"]
    raw = read_delimited(file, report) if file.suffix.lower() == ".csv" else _geopackage(file, report)
    cols = find_columns(file, raw.columns, _FACILITY, ["id", "name", "country"])
    out = pd.DataFrame({k: raw[c].fillna("").str.strip() for k, c in cols.items()})
    if "code" in out:  # a note of those that contradict; the name is what is read
        agreed(report, out["country"], out["code"])
    out["base"] = out["id"].str.partition(".")[0]
    out["whole"] = ~out["id"].str.contains(".", regex=False) | out["id"].str.endswith(".00")
    name = out["base"].map(out[out["whole"]].drop_duplicates("base").set_index("base")["name"]).fillna(out["name"])
    bases = pd.DataFrame({"base": out["base"], "name": name, "country": out["country"]}).drop_duplicates("base")
    twice = bases.duplicated(["name", "country"], keep=False) | bases.duplicated("name", keep=False)
    double = set(bases.loc[twice, "base"])
    out["label"] = name.where(~out["base"].isin(double), name + " (" + out["base"] + ")")
    site = out["site"] if "site" in out else pd.Series("", index=out.index, dtype="string")
    out["sub"] = site.mask(site == "", out["id"]).mask(out["whole"], "")
    return out.set_index("id")[["label", "sub", "country"]]


def _at(ids: pd.Series, places: pd.DataFrame) -> pd.DataFrame:
    first = places[~places.index.duplicated()]
    return pd.DataFrame(
        {
            "mine_fac": ids.map(first["label"]).fillna(ids).astype("string"),
            "sub_site": ids.map(first["sub"]).fillna("").astype("string"),
        }
    )


def _geopackage(file: Path, report: Report) -> pd.DataFrame:
    """Columns of text of the table ``facilities``; geometry is not needed, and nothing in the file is run."""
    try:
        con = sqlite3.connect(file.resolve().as_uri() + "?mode=ro&immutable=1", uri=True)
        try:
            con.execute("PRAGMA trusted_schema=OFF")
            found = con.execute(
                "SELECT name, sql FROM sqlite_master WHERE type='table' AND lower(name)='facilities'"
            ).fetchone()
            if found is None or str(found[1]).lstrip().upper().startswith("CREATE VIRTUAL"):
                raise refuse(file, "no table of facilities", "Is this FINEPRINT's GeoPackage?")
            quoted = '"' + str(found[0]).replace('"', '""') + '"'
            names = [str(r[1]) for r in con.execute(f"PRAGMA table_info({quoted})")]
            keep = [n for n in names if n.casefold() in {c for v in _FACILITY.values() for c in v}]
            columns = ", ".join('"' + n.replace('"', '""') + '"' for n in keep) or "NULL"
            rows = [["" if v is None else str(v) for v in r] for r in con.execute(f"SELECT {columns} FROM {quoted}")]
        finally:
            con.close()
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as err:
        raise refuse(file, "not a readable GeoPackage", "Download it again.", str(err)[:200]) from err
    report.rows_read += len(rows)
    return pd.DataFrame(rows, columns=keep or ["none"], dtype="string")

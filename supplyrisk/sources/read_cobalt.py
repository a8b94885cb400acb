"""Firm network of cobalt: companies, facilities, transactions and joint ventures from artisanal mine to car."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import Problem, SourceError
from ..registry import source
from ..schema import node_id
from .base import PathLike, Reading, Report, files_in, find_columns, numbers, read_delimited, released, source_row
from .owners import control_type, parse_owners
from .places import AGGREGATE, countries

__all__ = ["cobalt_network"]

_TABLES = {
    "companies": {"id": ["node_id"], "name": ["name"], "place": ["country_name"]},
    "facilities": {"id": ["node_id"], "name": ["display_name", "name"], "place": ["country_name"]},
    "relationships": {"start": ["start_id"], "end": ["end_id"], "type": ["type"], "text": ["composition"]},
    "transactions": {"id": ["node_id"], "tonnes": ["amount_tonnes_raw"], "date": ["date_of_transaction"],
                     "expected": ["expected_date_of_transaction"], "realised": ["transaction_realised"],
                     "link": ["link_in_chain"]},
}  # fmt: skip
# Steps of the chain: product stage, and what it is called.
_STEPS = {
    "artisanal-mining": ("mine", "Cobalt, artisanally mined"),
    "mining": ("mine", "Cobalt, mined"),
    "artisanal-processing": ("refine", "Cobalt, artisanally processed"),
    "smelting": ("refine", "Cobalt, smelted (hydroxide)"),
    "refining": ("refine", "Cobalt, refined"),
    "trading": ("refine", "Cobalt, traded"),
    "recycling": ("scrap", "Cobalt, recycled"),
    "precursor-manufacturing": ("chemical", "Cathode precursor"),
    "cathode-manufacturing": ("chemical", "Cathode material"),
    "battery-cell-manufacturing": ("component", "Battery cells"),
    "battery-pack-manufacturing": ("component", "Battery packs"),
    "electric-car-manufacturing": ("device", "Electric cars"),
    "electric-scooter-manufacturing": ("device", "Electric scooters"),
}
_SOURCE = "cobalt_supply_chains"
_ROLES = {"SUPPLIER_IN": ("end", "start", "supplier"), "BUYER_IN": ("end", "start", "buyer"),
          "SUPPLIER_FACILITY": ("start", "end", "supplier_site"), "BUYER_FACILITY": ("start", "end", "buyer_site"),
          "INPUT_CHAIN_STEP": ("start", "end", "from_step"), "OUTPUT_CHAIN_STEP": ("start", "end", "to_step")}  # fmt: skip
_YEARLY = re.compile(
    r"(?<![\d.,])(\d[\d ,.\u00a0]*)\s*t(?:on(?:ne)?s?)?\b.*(?:annum|annual|per year|a year|/ ?y)", re.IGNORECASE
)

_VAGUE = re.compile(
    r"(?:\d\s*(?:-|\u2013|to|or)|up to|over|above|more than|less than|below|at least|at most|[<>\u2264\u2265/])\s*$",
    re.IGNORECASE,
)
_EITHER = re.compile(r"[1-9]\d{0,2}\.\d{3}")


@source(
    licence="restricted",
    publisher="Resource Matters",
    formats=("folder of csv",),
    reads="companies, facilities, transactions, parents and joint ventures of the cobalt chain",
)
def cobalt_network(path: PathLike, *, published_on: str | None = None) -> Reading:
    r"""Read the normalised tables of the cobalt firm network into a firm-level graph.

    Parameters
    ----------
    path : path-like
        Folder with ``graph_companies.csv, graph_facilities.csv, graph_relationships.csv, graph_transactions.csv`` (the prefix
        may be absent).
    published_on : str, optional
        Day (or month, or year) on which the release came out; default unknown: the tables do not state it.

    Returns
    -------
    Reading
        ``tables``: ``products`` (one per step of the chain, ``cobalt_chain.smelting``), ``nodes`` (a producer per step, company,
        facility and country), ``links`` (one per pair of nodes; the ids of its transactions are in the note), ``recipes``,
        ``holdings`` (operators of nodes, parents, joint ventures with their shares) and ``sources``: a graph of their own for
        ``SupplyGraph.from_tables(reading.tables)``. ``data``: every transaction.

    Raises
    ------
    SourceError
        A table or column is absent.

    Notes
    -----
    Quantities are mostly missing, and stay so: only an amount that is said to be per year becomes a flow. Transactions marked
    as not realised make no link. A transaction shows that two firms dealt, at some time; it says nothing of today. Parents
    hold more than half and at most all (value unknown); joint ventures whose text has no shares are counted in the report.

    References
    ----------
    Resource Matters, Cobalt supply chains.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> files = {"companies": "node_id,name,country_name\ncompany::a,A,China\ncompany::b,B,\n",
    ...     "facilities": "node_id,display_name,country_name\nf::1,Smelter,Zambia\nf::2,Plant,China\n",
    ...     "transactions": "node_id,amount_tonnes_raw,transaction_realised\nt::1,40 000 tonnes / annum,Yes\n",
    ...     "relationships": "start_id,end_id,type,composition\ncompany::a,t::1,SUPPLIER_IN,\ncompany::b,t::1,BUYER_IN,\n"
    ...         "t::1,f::1,SUPPLIER_FACILITY,\nt::1,f::2,BUYER_FACILITY,\nt::1,chain_step::smelting,INPUT_CHAIN_STEP,\n"
    ...         "t::1,chain_step::refining,OUTPUT_CHAIN_STEP,\n"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, text in files.items():
    ...         _ = pathlib.Path(folder, f"graph_{name}.csv").write_text(text)
    ...     reading = cobalt_network(folder)
    >>> reading.tables["links"][["supplier", "buyer", "quantity"]].values.tolist()
    [['cobalt_chain.smelting@ZMB#A, Smelter', 'cobalt_chain.refining@CHN#B, Plant', 40000.0]]
    """
    report = Report("cobalt_network", Path(path).name, "restricted")
    t = _tables(path, report)
    firms, sites = _places(t["companies"], report), _places(t["facilities"], report)
    data = _transactions(t["transactions"], t["relationships"], report)
    for side in ("supplier", "buyer"):
        firm, site = data[side], data[f"{side}_site"]
        data[f"{side}_name"] = firm.map(firms["name"]).astype("object")
        land = site.map(sites["country"]).astype("object")
        data[f"{side}_country"] = land.fillna(firm.map(firms["country"]).astype("object")).fillna("UNK")
    no = data["realised"].str.casefold().eq("no")
    ones = pd.Series(1.0, index=data.index)
    report.leave_out("transactions that were not realised: in data alone", no, ones, (), "transactions")
    steps = data[["from_step", "to_step"]].isin(list(_STEPS)).all(axis=1)
    strange = pd.concat([data["from_step"], data["to_step"]], ignore_index=True)
    ends = pd.Series(1.0, index=strange.index)
    report.unknown("step", strange[~strange.isin(list(_STEPS)) & strange.notna()], ends, (), "ends of transactions")
    whole = steps & data["supplier_name"].notna() & data["buyer_name"].notna()
    report.leave_out("transactions without two firms and two known steps", ~whole & ~no, ones, (), "transactions")
    dealt = data[whole & ~no].copy()
    for side, step in (("supplier", "from_step"), ("buyer", "to_step")):
        parts = zip(dealt[step], dealt[f"{side}_country"], dealt[f"{side}_name"],
                    dealt[f"{side}_site"].map(sites["name"]).astype("object"), strict=True)  # fmt: skip
        dealt[f"{side}_node"] = [node_id(f"cobalt_chain.{s}", str(c), _site(n, f)) for s, c, n, f in parts]
    self_ = dealt["supplier_node"] == dealt["buyer_node"]
    again = self_.reindex(ones.index, fill_value=False)
    report.leave_out("transactions of a node with itself", again, ones, (), "transactions")
    dealt = dealt[~self_]
    yearly = int(dealt["yearly"].notna().sum())
    report.missing = {"quantity not_available": int(len(dealt) - yearly)}
    report.notes.append(f"{yearly} of {len(dealt)} transactions state an amount per year; the others have no quantity")
    nodes = _nodes(dealt)
    day = released(report, published_on)
    tables = {
        "products": _products(dealt),
        "nodes": nodes.assign(published_on=day),
        "links": _links(dealt).assign(published_on=day),
        "recipes": _recipes(dealt),
        "holdings": _holdings(dealt, t["relationships"], firms, report),
        "sources": source_row(
            _SOURCE,
            "Resource Matters, cobalt supply chains",
            None if day is None else int(day[:4]),
            "unstated",
            "restricted",
        ),
    }
    return Reading(tables, data, report)


def _tables(path: PathLike, report: Report) -> dict[str, pd.DataFrame]:
    name = Path(path).name
    if not Path(path).is_dir():
        remedy = "Give the folder with graph_companies.csv and the others; links.tsv and the like are their raw form."
        problem = Problem(name, "-", "-", "not a folder", "", remedy)
        raise SourceError([problem], name)
    files = {
        f.name.casefold().removeprefix("graph_").removesuffix(".gz"): f for f in files_in(path, (".csv", ".csv.gz"))
    }
    absent = [k for k in _TABLES if f"{k}.csv" not in files]
    if absent:
        rows = [
            Problem(name, "-", "-", "a table is absent", f"graph_{a}.csv", "Copy it into the folder.") for a in absent
        ]
        raise SourceError(rows, name)
    out = {}
    for key, wanted in _TABLES.items():
        raw = read_delimited(files[f"{key}.csv"], report)
        required = [c for c in wanted if c in ("id", "start", "end", "type")]
        cols = find_columns(files[f"{key}.csv"], raw.columns, wanted, required)
        blank = pd.Series(pd.NA, index=raw.index, dtype="string")
        frame = pd.DataFrame({k: raw[cols[k]].str.strip() if k in cols else blank for k in wanted})
        out[key] = frame.mask(frame == "")
    return out


def _places(frame: pd.DataFrame, report: Report) -> pd.DataFrame:
    place = countries(frame["place"], "name")
    ones = pd.Series(1.0, index=frame.index)  # amounts are mostly absent: shares are of rows
    report.unknown("country", frame.loc[place.isna(), "place"].dropna(), ones, (), "companies or facilities")
    out = frame.assign(country=place.mask(place == AGGREGATE))
    return out.drop_duplicates("id").set_index("id")


def _transactions(given: pd.DataFrame, relations: pd.DataFrame, report: Report) -> pd.DataFrame:
    twice, ones = given["id"].duplicated(), pd.Series(1.0, index=given.index)
    report.leave_out("a second row of the same transaction", twice, ones, (), "transactions")
    out = given[~twice].reset_index(drop=True)
    for kind, (of, to, role) in _ROLES.items():
        rows = relations[relations["type"] == kind]
        found = rows.drop_duplicates(of).set_index(of)[to]
        out[role] = out["id"].map(found).astype("object")
    for c in ("from_step", "to_step"):
        out[c] = out[c].map(lambda s: str(s).rpartition("::")[2], na_action="ignore")
    out["year"] = pd.to_numeric(out["date"].str.extract(r"((?:19|20)\d{2})")[0], errors="coerce").astype("Int64")
    out["yearly"] = out["tonnes"].map(_per_year, na_action="ignore").astype("float64")
    out["realised"] = out["realised"].fillna("")
    return out


def _per_year(text: object) -> float:
    """Tonnes a year, where the text says so: a contract's total is no yearly flow, a bound or a range is no amount.

    Nothing in a text says whether ``40.000`` has a decimal mark: it is not read.
    """
    hit = _YEARLY.search(str(text))
    if hit is None or _VAGUE.search(str(text)[: hit.start()]) or _EITHER.fullmatch(hit[1].strip()):
        return np.nan
    value = float(numbers(pd.Series([hit[1].strip(" ,.\u00a0")]))["value"].iloc[0])
    return value if value < 1e9 else np.nan


def _site(firm: object, facility: object) -> str:
    text = str(firm) if not isinstance(facility, str) else f"{firm}, {facility}"
    plain = unicodedata.normalize("NFC", " ".join(text.split()))
    return re.sub(r"[#@:]", "-", plain)[:120]


def _products(dealt: pd.DataFrame) -> pd.DataFrame:
    steps = sorted(set(dealt["from_step"]) | set(dealt["to_step"]))
    rows = [
        {"product": f"cobalt_chain.{s}", "name": _STEPS[s][1], "commodity": "cobalt", "chain": "cobalt",
         "stage": _STEPS[s][0], "unit": "t", "basis": "gross", "period": "year"}
        for s in steps
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["product", "name", "commodity", "chain", "stage", "unit", "basis", "period"])


def _nodes(dealt: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for side, step in (("supplier", "from_step"), ("buyer", "to_step")):
        parts.append(
            pd.DataFrame(
                {
                    "node": dealt[f"{side}_node"],
                    "product": "cobalt_chain." + dealt[step].astype("str"),
                    "country": dealt[f"{side}_country"],
                    "firm": dealt[f"{side}_name"],
                }
            )
        )
    out = pd.concat(parts, ignore_index=True).drop_duplicates("node").sort_values("node", ignore_index=True)
    site = out["node"].map(lambda n: str(n).partition("#")[2])
    return out.assign(site=site, kind="producer", output_missing="not_available", source=_SOURCE, grade="C")


def _links(dealt: pd.DataFrame) -> pd.DataFrame:
    keys = ["supplier_node", "buyer_node", "from_step"]
    # Two contracts of one pair may be one deal told twice: the larger yearly amount stands, they never add up.
    out = dealt.groupby(keys, sort=True).agg(
        quantity=("yearly", "max"), ids=("id", lambda s: ", ".join(str(v).rpartition("::")[2] for v in s))
    )
    out = out.reset_index()
    return pd.DataFrame(
        {
            "supplier": out["supplier_node"],
            "buyer": out["buyer_node"],
            "product": "cobalt_chain." + out["from_step"].astype("str"),
            "method": "observed",
            "quantity": out["quantity"],
            "missing": pd.Series("not_available", index=out.index, dtype="object").where(out["quantity"].isna(), None),
            "source": _SOURCE,
            "grade": "C",
            "note": "transactions " + out["ids"].astype("str").str.slice(0, 300),
        }
    )


def _recipes(dealt: pd.DataFrame) -> pd.DataFrame:
    pairs = dealt[["to_step", "from_step"]].drop_duplicates()
    pairs = pairs[pairs["to_step"] != pairs["from_step"]].sort_values(["to_step", "from_step"], ignore_index=True)
    return pd.DataFrame(
        {
            "product": "cobalt_chain." + pairs["to_step"].astype("str"),
            "input": "cobalt_chain." + pairs["from_step"].astype("str"),
            "process": "observed",
            "input_class": "important",
            "missing": "not_available",
            "source": _SOURCE,
            "grade": "C",
            "note": "firms of the one sell to firms of the other; how much is needed is not said",
        }
    )


def _holdings(dealt: pd.DataFrame, relations: pd.DataFrame, firms: pd.DataFrame, report: Report) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    name, home = firms["name"].to_dict(), firms["country"].to_dict()
    by_name = {str(n): str(home[i]) for i, n in name.items() if not pd.isna(home[i])}

    def row(asset: str, holder: str, kind: str, share: float | None, missing: str | None, **kw: Any) -> None:
        rows.append(
            {"asset": asset, "part": "", "portion": 1.0, "holder": holder, "holder_country": by_name.get(holder, "UNK"),
             "type": kind, "share": np.nan if share is None else share, "missing": missing, "low": np.nan, "high": np.nan,
             "source": _SOURCE, "grade": "C", **kw}
        )  # fmt: skip

    for side in ("supplier", "buyer"):
        for node, firm in dealt[[f"{side}_node", f"{side}_name"]].drop_duplicates().itertuples(index=False, name=None):
            row(str(node), str(firm), "operator", None, "not_applicable")
    ventures = relations[(relations["type"] == "ASSOCIATED_WITH_JV") & relations["text"].notna()]
    told: set[str] = set()
    vague = 0
    for end, part in ventures.groupby("end", sort=True):
        asset = str(name.get(end, end))
        for text in part["text"].drop_duplicates():
            found, _ = parse_owners(str(text))
            shares = [o.share for o in found if o.share is not None]
            if asset in told or len(shares) != len(found) or not found or sum(shares) > 1.0 + 1e-9:
                continue
            told.add(asset)
            for o in found:
                row(asset, o.name, control_type(o.share), o.share, None, note=str(text)[:200])
        vague += asset not in told
    if vague:
        report.notes.append(f"{vague} joint ventures have no shares that add up; they make no holding")
    pairs = relations[relations["type"].isin(["PARENT_OF", "HAS_SUBSIDIARY"])].drop_duplicates(["start", "end"])
    parents = pairs.groupby("end")["start"].transform("nunique")
    for r, several in zip(pairs.to_dict("records"), parents > 1, strict=True):
        asset, holder = str(name.get(r["end"], "")), str(name.get(r["start"], ""))
        if asset and holder and asset != holder and asset not in told:
            # One parent holds more than half; of several nobody knows who does.
            kind, low, note = ("equity", 0.0, "one of several parents") if several else ("majority", 0.5, "parent")
            row(asset, holder, kind, None, "unknown", low=low, high=1.0, note=f"{note}, share not told")
    out = pd.DataFrame(rows)
    return out.drop_duplicates(["asset", "holder", "type"], ignore_index=True) if len(out) else out

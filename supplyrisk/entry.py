"""What is checked and converted when tables enter a graph: units, references, places, node ids, owners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd

from .errors import Problem, UnitError, unknown_name
from .jurisdictions import country_codes
from .schema import TABLES, Table, date_ceil, date_floor, is_date, parse_node_id, validate_table

__all__ = ["bundle_problems", "convert_units", "owner_problems"]

_COUNTRY_COLUMNS = {
    "nodes": ("country",),
    "holdings": ("holder_country",),
    "countries": ("country",),
    "memberships": ("country",),
    "measures": ("actor", "target"),
    "projects": ("country", "holder_country"),
    "pairings": ("partner",),
    "zones": ("country",),
}
_REFERENCED = {c.refers for t in TABLES.values() for c in t.columns if c.refers}


def bundle_problems(tables: Mapping[str, pd.DataFrame], as_of: str | None = None) -> list[Problem]:
    """Every broken rule of a bundle of coerced tables.

    Parameters
    ----------
    tables : mapping
        All tables by name.
    as_of : str, optional
        The bundle's reference date.

    Returns
    -------
    list of Problem
    """
    refs = {
        f"{spec.name}.{c.name}": set(tables[spec.name][c.name].dropna().astype(str))
        for spec in TABLES.values()
        for c in spec.columns
        if f"{spec.name}.{c.name}" in _REFERENCED
    }
    out: list[Problem] = []
    for key, spec in TABLES.items():
        out += validate_table(tables[key], spec, refs)
    codes = country_codes()
    for key, columns in _COUNTRY_COLUMNS.items():
        frame = tables[key]
        for column in columns:
            values = frame[column].dropna()
            for value in sorted({str(v) for v in values.unique()} - codes):
                err = unknown_name("country", value, codes)
                rows = list(values.index[values == value][:3])
                hint = f"Did you mean {' or '.join(map(repr, err.close))}?" if err.close else "Use ISO 3166 alpha-3."
                out.append(Problem(key, f"row {rows[0]}", column, "unknown country", repr(value), hint))
    out += _unit_problems(tables["products"])
    out += _order_problems(tables)
    out += _orphan_problems(tables)
    nodes = tables["nodes"]
    for i, (node, product, country, kind) in enumerate(
        zip(nodes["node"], nodes["product"], nodes["country"], nodes["kind"], strict=True)
    ):
        if pd.isna(node) or pd.isna(product) or pd.isna(country) or pd.isna(kind):
            continue
        p, c, _, k = parse_node_id(str(node))
        if (p, c, k) != (product, country, kind):
            out.append(
                Problem(
                    "nodes",
                    str(node),
                    "node",
                    "id does not match product, country and kind",
                    f"row {i}",
                    "Write product@ISO3, then #site, then :demand or :stock; see schema.node_id().",
                )
            )
    out += owner_problems(tables["holdings"])
    if as_of is not None and not is_date(as_of):
        out.append(Problem("graph", "-", "as_of", "not an ISO date", repr(as_of), "Write 2024-12-31."))
    return out


def _unit_problems(products: pd.DataFrame) -> list[Problem]:
    """Products counted in something that is no unit."""
    from .units import counts_goods, near_units

    out = []
    for unit in sorted(set(products["unit"].dropna().astype(str))):
        if not counts_goods(unit):
            rows = products.loc[products["unit"] == unit, "product"].astype(str)
            close = near_units(unit)
            hint = (
                f"Did you mean {' or '.join(map(repr, close))}?"
                if close
                else "Use t, kg, wafer, piece, world_share ..."
            )
            out.append(
                Problem(
                    "products",
                    ", ".join(rows.head(3)),
                    "unit",
                    "not a unit that goods are counted in",
                    repr(unit),
                    hint,
                )
            )
    return out


def _order_problems(tables: Mapping[str, pd.DataFrame]) -> list[Problem]:
    """Facts that end before they begin."""
    out = []
    for name, spec in TABLES.items():
        frame = tables[name]
        if not spec.fact or not len(frame):
            continue
        both = frame[frame["valid_from"].fillna("").ne("") & frame["valid_to"].notna()]
        for start, end, i in zip(both["valid_from"], both["valid_to"], both.index, strict=True):
            if is_date(str(start)) and is_date(str(end)) and date_floor(str(start)) > date_ceil(str(end)):
                out.append(
                    Problem(
                        name,
                        f"row {i}",
                        "valid_to",
                        "ends before it begins",
                        f"{start} to {end}",
                        "Swap or correct them.",
                    )
                )
    return out


def _orphan_problems(tables: Mapping[str, pd.DataFrame]) -> list[Problem]:
    """Holdings on a node id that looks like one of this graph's products and is none of its nodes, by a slip of the pen.

    An asset may be a firm, and a place may hold assets of a product whose output nobody lists: only ids whose product or
    country do not exist here are faults.
    """
    h = tables["holdings"]
    if not len(h):
        return []
    products = set(tables["products"]["product"].dropna().astype(str))
    out = []
    for asset in sorted({str(a) for a in h["asset"].dropna() if "@" in str(a)}):
        product, country, _, _ = parse_node_id(asset)
        if product not in products or country not in country_codes():
            known = tables["nodes"]["node"].dropna().astype(str)
            err = unknown_name("node", asset, known)
            hint = f"Did you mean {' or '.join(map(repr, err.close))}?" if err.close else "A firm's name holds no '@'."
            out.append(Problem("holdings", asset, "asset", "no such product or place", repr(asset), hint))
    return out


def _holding(row: pd.Series) -> str:
    part = f" / {row['part']}" if pd.notna(row["part"]) and row["part"] else ""
    return f"{row['asset']}{part}: {row['holder']}"


def owner_problems(holdings: pd.DataFrame) -> list[Problem]:
    """Majorities below half, shares of one asset above 1, parts of one node above 1."""
    out: list[Problem] = []
    if not len(holdings):
        return out
    h = holdings[holdings["type"].isin(["equity", "majority", "joint", "minority"])]
    most = h["high"].fillna(h["share"])
    for i in np.flatnonzero(((h["type"] == "majority") & (most < 0.5 - 1e-9)).to_numpy(dtype=bool)):
        row = h.iloc[i]
        out.append(
            Problem(
                "holdings",
                _holding(row),
                "type",
                "a majority of less than half",
                f"{most.iloc[i]:.4g}",
                "Give type minority or equity; who decides with less than half of the votes has a golden_share besides.",
            )
        )
    for keys, part in h.groupby(["asset", "part"], dropna=False):
        # Holdings of different dates may follow one another: count those that overlap the latest start.
        latest = part["valid_from"].fillna("").max()
        alive = part[part["valid_to"].isna() | (part["valid_to"].fillna("9999") >= latest)]
        least = alive["low"].fillna(alive["share"]).fillna(0.0)
        least = least.where(alive["type"] != "majority", least.clip(lower=0.5))
        total = float(least.sum())
        if total > 1.0 + 1e-9:
            asset = str(keys[0]) + (f" / {keys[1]}" if isinstance(keys[1], str) and keys[1] else "")
            asset += ": " + ", ".join(f"{x} {s:.4g}" for x, s in zip(alive["holder"], least, strict=True) if s > 0)
            out.append(
                Problem(
                    "holdings",
                    asset,
                    "share",
                    "shares of one asset add to more than 1",
                    f"{total:.4g}",
                    "Correct them, give each its dates, or, where sources differ, low and high; a majority has half at the least.",
                )
            )
    portion = h.drop_duplicates(["asset", "part"])
    sums = portion["portion_low"].fillna(portion["portion"]).groupby(portion["asset"]).sum()
    for node, total in sums[sums > 1.0 + 1e-9].items():
        out.append(
            Problem(
                "holdings",
                str(node),
                "portion",
                "parts of one node add to more than 1",
                f"{total:.4g}",
                "A portion is the part of the node's output that the asset makes.",
            )
        )
    return out


def convert_units(frame: pd.DataFrame, spec: Table, products: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """Bring quantities given with a ``unit`` or ``basis`` column to the unit of the row's product."""
    extra = [c for c in ("unit", "basis") if c in frame.columns and c not in spec.names]
    if not extra:
        return frame, []
    from .units import basis_factor, convertible, factor, is_unit

    problems: list[Problem] = []
    if "product" in frame.columns:
        product = frame["product"].astype("string")
    elif "node" in frame.columns:
        product = frame["node"].astype("string").str.partition("@")[0]
    else:
        return frame, [Problem(spec.name, "-", "unit", "this table has no product to take a unit from", "", "Drop it.")]
    own = products.drop_duplicates("product").set_index("product")
    scale = np.ones(len(frame))
    blank = pd.Series(pd.NA, index=frame.index, dtype="string")
    units = frame["unit"].astype("string") if "unit" in extra else blank
    bases = frame["basis"].astype("string") if "basis" in extra else blank
    combos = pd.DataFrame({"p": product, "u": units, "b": bases})
    for keys, rows in combos.groupby(["p", "u", "b"], dropna=False).indices.items():
        p, u, b = cast("tuple[Any, Any, Any]", keys)
        if p not in own.index:
            continue  # reported by the reference check
        k = 1.0
        want_unit, want_basis = str(own.loc[p, "unit"]), str(own.loc[p, "basis"])
        if pd.notna(u):
            if not is_unit(str(u)):
                problems.append(
                    Problem(
                        spec.name,
                        f"row {rows[0]}",
                        "unit",
                        "unknown unit",
                        repr(u),
                        f"{p} is counted in {want_unit!r}.",
                    )
                )
                continue
            if not convertible(str(u), want_unit):
                problems.append(
                    Problem(
                        spec.name,
                        f"row {rows[0]}",
                        "unit",
                        f"{u!r} does not convert to {want_unit!r}, the unit of {p}",
                        repr(u),
                        "Give the quantity in the product's dimension.",
                    )
                )
                continue
            k *= factor(str(u), want_unit)
        if pd.notna(b) and str(b) != want_basis:
            commodity = "wafer" if "wafer" in want_unit else str(own.loc[p, "commodity"])
            try:
                k *= basis_factor(commodity, str(b), want_basis)
            except UnitError as err:
                first = err.problems[0]
                problems.append(
                    Problem(
                        spec.name,
                        f"row {rows[0]}",
                        "basis",
                        f"basis {b!r} is not {want_basis!r}, the basis of {p}",
                        repr(b),
                        first.remedy,
                    )
                )
                continue
        scale[np.asarray(rows)] = k
    frame = frame.drop(columns=extra)
    powers = {"product": 1.0, "product_total": 1.0, "USD/product": -1.0}
    own_columns = {c for q in spec.quantities for c in (q.name, q.low, q.high)}
    plain = [(c.unit, (c.name,)) for c in spec.columns if c.name not in own_columns and c.unit == "product"]
    for unit, names in [*((q.unit, (q.name, q.low, q.high)) for q in spec.quantities), *plain]:
        power = powers.get(unit, 0.0)
        if power:
            for c in names:
                if c in frame.columns:
                    numeric = pd.to_numeric(frame[c], errors="coerce")
                    unread = numeric.isna() & frame[c].notna()
                    frame[c] = (numeric * scale**power).astype("object").where(~unread, frame[c])
    return frame, problems

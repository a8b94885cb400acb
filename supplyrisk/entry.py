"""What is checked and converted when tables enter a graph: units, references, places, node ids, owners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd

from .columns import mended_texts
from .errors import Problem, UnitError, unknown_name
from .jurisdictions import country_codes
from .schema import TABLES, Table, date_ceil, date_floor, is_date, parse_node_id, validate_table

__all__ = ["bundle_problems", "convert_units", "in_own_units", "owner_problems", "unit_scale"]

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
    halves: list[Problem] = []
    texts = frame[[c for c in (*extra, "product", "node") if c in frame.columns]].copy()
    for c in texts:
        try:
            texts[c] = texts[c].astype("string")
        except UnicodeEncodeError:
            texts[c], found = mended_texts(frame, str(c), spec)
            halves += found if c in extra else []  # of the table's own columns coerce() says it
    if halves:
        return frame.drop(columns=extra), halves
    if "product" in frame.columns:
        product = texts["product"].astype("string")
    elif "node" in frame.columns:
        product = texts["node"].astype("string").str.partition("@")[0]
    else:
        return frame, [Problem(spec.name, "-", "unit", "this table has no product to take a unit from", "", "Drop it.")]
    scale, problems = unit_scale(spec.name, product, frame, products)
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


def unit_scale(
    table: str, product: pd.Series, frame: pd.DataFrame, products: pd.DataFrame, per: str = ""
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], list[Problem]]:
    """Number by which each row's quantity is multiplied to be in the unit and on the basis of its product.

    Parameters
    ----------
    table : str
        Name of the table, for what is said of it.
    product : Series of str
        Product of each row.
    frame : DataFrame
        With ``unit``, ``basis`` or both; an empty cell means the product's own.
    products : DataFrame
        ``product, unit, basis, commodity``.
    per : str
        Unit of money where the figures are prices (``USD``): then ``unit`` is ``USD/t``, or ``t`` for USD a tonne, and
        what grows with the unit falls with it.

    Returns
    -------
    tuple of (ndarray, list of Problem)
        1 where nothing is said, and where it is wrong.
    """
    from .units import basis_factor, convertible, factor, is_unit

    problems: list[Problem] = []
    have = products.reindex(columns=["product", "commodity", "unit", "basis"])
    own = have.drop_duplicates("product").set_index("product")
    scale = np.ones(len(frame))
    blank = pd.Series(pd.NA, index=frame.index, dtype="string")
    text = {c: frame[c].astype("string").str.strip() if c in frame.columns else blank for c in ("unit", "basis")}
    combos = pd.DataFrame({"p": product.astype("string"), **{c: t.mask(t == "") for c, t in text.items()}})
    for keys, rows in combos.groupby(["p", "unit", "basis"], dropna=False).indices.items():
        p, u, b = cast("tuple[Any, Any, Any]", keys)
        if p not in own.index:
            continue  # reported by the reference check
        k, row = 1.0, f"row {rows[0]}"
        want_unit, want_basis = str(own.loc[p, "unit"]), str(own.loc[p, "basis"])
        if pd.notna(u):
            price = f"{per}/{want_unit}" if per else ""
            if not is_unit(str(u)):
                remedy = f"{p} is counted in {want_unit!r}."
                problems.append(Problem(table, row, "unit", "unknown unit", repr(u), remedy))
                continue
            if price and convertible(str(u), price):
                k *= factor(str(u), price)
            elif convertible(str(u), want_unit):
                k *= factor(want_unit, str(u)) if per else factor(str(u), want_unit)
            else:
                rule = f"{u!r} does not convert to {price or want_unit!r}, the unit of {p}"
                remedy = "Give the quantity in the product's dimension."
                problems.append(Problem(table, row, "unit", rule, repr(u), remedy))
                continue
        if pd.notna(b) and str(b) != want_basis:
            commodity = "wafer" if "wafer" in want_unit else str(own.loc[p, "commodity"])
            try:
                as_basis = basis_factor(commodity, str(b), want_basis)
            except UnitError as err:
                rule, remedy = f"basis {b!r} is not {want_basis!r}, the basis of {p}", err.problems[0].remedy
                problems.append(Problem(table, row, "basis", rule, repr(b), remedy))
                continue
            k *= 1.0 / as_basis if per else as_basis
        scale[np.asarray(rows)] = k
    return scale, problems


# Columns of the tables that assemble() reads that count goods of the row's product.
_COUNTED = {
    "production": ("quantity", "low", "high"),
    "demand": ("quantity", "low", "high"),
    "sourcing": ("imports",),
    "costs": ("quantity", "low", "high"),
}


def in_own_units(key: str, frame: pd.DataFrame, products: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """A table for ``assemble`` with its quantities in the units and on the bases of their products.

    ``unit`` and ``basis`` are gone afterwards. Costs are in money per unit (``USD/t``, or ``t`` for USD a tonne), lead times
    in years unless ``unit`` is another time.
    """
    extra = [c for c in ("unit", "basis") if c in frame.columns]
    if key not in _COUNTED or not extra or "product" not in frame.columns:
        return frame, []
    if not frame[extra].notna().any(axis=None):
        return frame.drop(columns=extra), []
    time = pd.Series(False, index=frame.index)
    if key == "costs" and "what" in frame.columns:
        time = (frame["what"].astype("string") == "lead_time").fillna(False).astype(bool)
    said = frame.assign(**{c: frame[c].astype("object").mask(time) for c in extra})
    scale, problems = unit_scale(key, frame["product"], said, products, "USD" if key == "costs" else "")
    if "unit" in extra and time.any():
        from .units import convertible, factor

        for unit, rows in frame.loc[time & frame["unit"].notna()].groupby("unit").indices.items():
            at = np.flatnonzero((time & frame["unit"].notna()).to_numpy(dtype=bool))[rows]
            if not convertible(str(unit), "year"):
                rule = "no unit of time for a lead time"
                problems.append(Problem(key, f"row {at[0]}", "unit", rule, repr(unit), "Give e.g. month or year."))
            else:
                scale[at] = factor(str(unit), "year")
    out = frame.drop(columns=extra)
    for c in _COUNTED[key]:
        if c in out.columns:
            number = pd.to_numeric(out[c], errors="coerce").astype("float64")
            out[c] = (number * scale).where(number.notna(), out[c]) if out[c].dtype == object else number * scale
    return out, problems

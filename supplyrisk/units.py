"""Units and bases: one factor per column at the boundary, plain floats inside.

The only module that imports pint, and it does so on first use: importing the package does not load it.
A *unit* says how much (``t``, ``kg``, ``wafer``); a *basis* says of what (``contained``, ``gross``, ``oxide``,
``LCE``, ``200mm_eq``). Units convert by dimension, bases only by a stated factor.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import Problem, UnitError, close_matches

if TYPE_CHECKING:
    import pint

__all__ = [
    "BASIS_FACTORS",
    "BasisFactor",
    "basis_factor",
    "convertible",
    "counts_goods",
    "factor",
    "is_unit",
    "near_units",
    "registry",
]

_DEFINITIONS = (
    "wafer = [wafer]",
    "piece = [piece]",
    "world_share = [world_share] = worldshare",
    "USD = [money]",
    "percent_of_world = 0.01 * world_share",
    "short_ton = 2000 * pound",
)

# What a unit may look like: at most one number before names that are multiplied, divided or raised to a small power. What
# stands in a file is text: no sum of powers in it is ever worked out.
_NAME = r"[^\W\d_][\w%]*(?:\s*(?:\^|\*\*)\s*-?[1-9])?"
_GRAMMAR = re.compile(
    rf"(?:\d{{1,12}}(?:\.\d{{1,12}})?(?:e[+-]?\d{{1,2}})?)?\s*\*?\s*(?:{_NAME}(?:(?:\s*[*/]\s*|\s+){_NAME}){{0,5}})?"
)
_LONGEST = 80
# Spellings with two meanings a thousandfold and more apart, and what to write instead.
_TWO_MEANINGS = {
    "mt": ("metric tons, or million tonnes", ("t", "Mt")),
    "MT": ("metric tons, or million tonnes", ("t", "Mt")),
    "gr": ("grams, or grains", ("g",)),
}

# Names as the statistics print them. pint's own names (kg, t, lb, troy_ounce, ...) need no entry.
_ALIASES = {
    "t": "t",
    "kt": "1e3 t",
    "metric ton": "t",
    "metric tons": "t",
    "metric tonne": "t",
    "metric tonnes": "t",
    "metr. t": "t",
    "tonne": "t",
    "tonnes": "t",
    "ton": "t",
    "tons": "t",
    "m.t.": "t",
    "kiloton": "1e3 t",
    "kilotons": "1e3 t",
    "kilotonne": "1e3 t",
    "kilotonnes": "1e3 t",
    "kton": "1e3 t",
    "ktons": "1e3 t",
    "000 t": "1e3 t",
    "'000 t": "1e3 t",
    "000 tons": "1e3 t",
    "'000 tons": "1e3 t",
    "000 tonnes": "1e3 t",
    "'000 tonnes": "1e3 t",
    "000 metric tons": "1e3 t",
    "'000 metric tons": "1e3 t",
    "thousand t": "1e3 t",
    "thousand tons": "1e3 t",
    "thousand metric tonnes": "1e3 t",
    "million t": "Mt",
    "million tons": "Mt",
    "million metric tonnes": "Mt",
    "mio t": "Mt",
    "mln t": "Mt",
    "kgs": "kg",
    "kg": "kg",
    "000 kg": "t",
    "'000 kg": "t",
    "tonnes/year": "t/year",
    "short ton": "short_ton",
    "short tons": "short_ton",
    "long ton": "long_ton",
    "long tons": "long_ton",
    "tonnes (metric)": "t",
    "metric dry tons": "t",
    "thousand metric tons": "1e3 t",
    "thousand metric dry tons": "1e3 t",
    "thousand tonnes": "1e3 t",
    "million metric tons": "Mt",
    "million tonnes": "Mt",
    "kilograms": "kg",
    "kilogram": "kg",
    "grams": "g",
    "pounds": "pound",
    "lb": "pound",
    "carats": "carat",
    "ct": "carat",
    "troy ounces": "troy_ounce",
    "mio m3": "1e6 m^3",
    "million cubic meters": "1e6 m^3",
    "million cubic metres": "1e6 m^3",
    "thousand cubic meters": "1e3 m^3",
    "cubic meters": "m^3",
    "m3": "m^3",
    "m2": "m^2",
    "million liters": "1e6 liter",
    "million litres": "1e6 liter",
    "wafers": "wafer",
    "%": "0.01",
    "percent": "0.01",
    "fraction": "1",
    "share": "1",
    "% of world market": "percent_of_world",
    "% of world supply": "percent_of_world",
    "thousand usd": "1e3 USD",
    "kusd": "1e3 USD",
    "million usd": "1e6 USD",
    "usd_m": "1e6 USD",
    "usd": "USD",
}


@cache
def registry() -> pint.UnitRegistry[Any]:
    """The one pint registry of the package, made on first use.

    Returns
    -------
    pint.UnitRegistry
        With ``wafer``, ``piece``, ``world_share`` and ``USD`` as dimensions of their own, so that tonnes
        and wafers never add up.

    Examples
    --------
    >>> str(registry()("2 t").to("kg"))
    '2000.0 kilogram'
    """
    import pint

    ureg: pint.UnitRegistry[Any] = pint.UnitRegistry(cache_folder=None)
    for line in _DEFINITIONS:
        ureg.define(line)
    return ureg


def _clean(unit: str) -> str:
    text = " ".join(str(unit).split())
    return _ALIASES.get(text.casefold(), text)


@lru_cache(maxsize=4096)
def _quantity(unit: str) -> tuple[float, str, str]:
    """Magnitude in base units, dimensionality, canonical name."""
    import pint

    text = _clean(unit)
    if not text:
        raise ValueError("empty unit")
    if text in _TWO_MEANINGS:
        raise ValueError(f"{text!r} has two meanings: {_TWO_MEANINGS[text][0]}")
    if len(text) > _LONGEST or not _GRAMMAR.fullmatch(text):
        raise ValueError("not the name of a unit")
    try:
        q = registry().Quantity(text) if text[0].isdigit() else registry().Quantity(1, text)
        base = q.to_base_units()
    except (
        pint.errors.PintError, AttributeError, TypeError, ValueError, AssertionError, SyntaxError, ArithmeticError,
    ) as err:  # fmt: skip
        raise ValueError(str(err)) from err
    if not 0.0 < float(base.magnitude) < float("inf"):
        raise ValueError("a unit of nothing")
    return float(base.magnitude), str(base.dimensionality), text


def is_unit(unit: str) -> bool:
    """Whether the text is a unit that this package knows.

    Parameters
    ----------
    unit : str
        A pint unit or a name as printed by a statistical office.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_unit("thousand metric tons"), is_unit("bushels of wishes")
    (True, False)
    """
    try:
        _quantity(unit)
    except ValueError:
        return False
    return True


_COMMON = (
    "t",
    "kg",
    "g",
    "kt",
    "Mt",
    "m3",
    "m2",
    "wafer",
    "piece",
    "USD",
    "world_share",
    "pound",
    "troy_ounce",
    "carat",
)


_COUNTED = (
    "[mass]",
    "[length] ** 2",
    "[length] ** 3",
    "[wafer]",
    "[piece]",
    "[world_share]",
    "[money]",
    "dimensionless",
)


def counts_goods(unit: str) -> bool:
    """Whether goods are counted in the unit: mass, area, volume, wafers, pieces, money or a share of the world.

    Parameters
    ----------
    unit : str
        A unit.

    Returns
    -------
    bool

    Examples
    --------
    >>> counts_goods("t"), counts_goods("wafer"), counts_goods("parsec"), counts_goods("tonz")
    (True, True, False, False)
    """
    return is_unit(unit) and _quantity(unit)[1] in _COUNTED


def near_units(unit: str) -> list[str]:
    """Units in use whose names are near a misspelt one.

    Parameters
    ----------
    unit : str
        What was given.

    Returns
    -------
    list of str

    Examples
    --------
    >>> near_units("kilogramm")[0]
    'kilogram'
    """
    plain = " ".join(str(unit).split())
    return (
        list(_TWO_MEANINGS[plain][1])
        if plain in _TWO_MEANINGS
        else close_matches(plain[:_LONGEST], [*_COMMON, *_ALIASES])
    )


def convertible(source: str, target: str) -> bool:
    """Whether two known units have the same dimension.

    Parameters
    ----------
    source, target : str
        Units.

    Returns
    -------
    bool

    Examples
    --------
    >>> convertible("kg", "t"), convertible("t", "wafer")
    (True, False)
    """
    return is_unit(source) and is_unit(target) and _quantity(source)[1] == _quantity(target)[1]


@lru_cache(maxsize=4096)
def factor(source: str, target: str) -> float:
    """Number by which a magnitude in ``source`` is multiplied to be one in ``target``.

    Parameters
    ----------
    source, target : str
        Units of the same dimension.

    Returns
    -------
    float
        Dimensionless and positive.

    Raises
    ------
    UnitError
        A unit is unknown, or the two measure different things. Both are named.

    Examples
    --------
    >>> factor("kt", "t")
    1000.0
    >>> factor("thousand metric tons", "kg")
    1000000.0
    """
    for unit in (source, target):
        if not is_unit(unit):
            close = near_units(unit)
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Use a pint unit such as 't' or 'kg'."
            raise UnitError([Problem("units", "-", "-", "unknown unit", repr(str(unit)[:60]), hint)], "a unit")
    a, dim_a, name_a = _quantity(source)
    b, dim_b, name_b = _quantity(target)
    if dim_a != dim_b:
        raise UnitError(
            [
                Problem(
                    "units",
                    "-",
                    "-",
                    f"cannot convert {source!r} ({dim_a}) to {target!r} ({dim_b})",
                    "",
                    "Give the quantity in a unit of the product's own dimension.",
                )
            ],
            "a unit",
        )
    if name_a == name_b:
        return 1.0
    ratio = a / b
    return float(f"{ratio:.15g}")


class BasisFactor(NamedTuple):
    """A stated factor between two bases of one element: ``amount[target] = factor * amount[source]``."""

    commodity: str
    source: str
    target: str
    factor: float
    reference: str


_IUPAC = "atomic masses, IUPAC 2021 standard values"

BASIS_FACTORS: tuple[BasisFactor, ...] = (
    BasisFactor("lithium", "contained", "LCE", 5.3231, _IUPAC + ", Li2CO3"),
    BasisFactor("neodymium", "contained", "oxide", 1.1664, _IUPAC + ", Nd2O3"),
    BasisFactor("praseodymium", "contained", "oxide", 1.2082, _IUPAC + ", Pr6O11"),
    BasisFactor("dysprosium", "contained", "oxide", 1.1477, _IUPAC + ", Dy2O3"),
    BasisFactor("terbium", "contained", "oxide", 1.1762, _IUPAC + ", Tb4O7"),
    BasisFactor("samarium", "contained", "oxide", 1.1596, _IUPAC + ", Sm2O3"),
    BasisFactor("gadolinium", "contained", "oxide", 1.1526, _IUPAC + ", Gd2O3"),
    BasisFactor("yttrium", "contained", "oxide", 1.2699, _IUPAC + ", Y2O3"),
    BasisFactor("lanthanum", "contained", "oxide", 1.1728, _IUPAC + ", La2O3"),
    BasisFactor("cerium", "contained", "oxide", 1.2284, _IUPAC + ", CeO2"),
    BasisFactor("tungsten", "contained", "oxide", 1.2611, _IUPAC + ", WO3"),
    BasisFactor("antimony", "contained", "oxide", 1.1971, _IUPAC + ", Sb2O3"),
    BasisFactor("wafer", "300mm", "200mm_eq", 2.25, "ratio of areas, (300/200)^2"),
    BasisFactor("wafer", "150mm", "200mm_eq", 0.5625, "ratio of areas, (150/200)^2"),
)


def basis_factor(commodity: str, source: str, target: str) -> float:
    """Factor between two bases of a commodity, from the stated table only.

    Parameters
    ----------
    commodity : str
        Commodity id, e.g. ``"lithium"``; wafers of every kind are ``"wafer"``.
    source, target : str
        Bases, e.g. ``"contained"`` and ``"LCE"``.

    Returns
    -------
    float
        ``amount[target] = factor * amount[source]``.

    Raises
    ------
    UnitError
        No factor is stated for the pair; both bases are named.

    Examples
    --------
    >>> round(basis_factor("lithium", "contained", "LCE"), 3)
    5.323
    """
    if source == target:
        return 1.0
    for row in BASIS_FACTORS:
        if row.commodity == commodity and (row.source, row.target) == (source, target):
            return row.factor
        if row.commodity == commodity and (row.target, row.source) == (source, target):
            return 1.0 / row.factor
    stated = sorted({f"{r.source}->{r.target}" for r in BASIS_FACTORS if r.commodity == commodity})
    hint = f"Stated for {commodity}: {', '.join(stated)}." if stated else f"No factor is stated for {commodity}."
    raise UnitError(
        [
            Problem(
                "units",
                "-",
                "basis",
                f"no stated factor from basis {source!r} to {target!r} of {commodity}",
                "",
                hint + " Convert the figures first and say by which factor.",
            )
        ],
        "a basis",
    )

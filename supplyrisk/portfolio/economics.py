"""What a unit costs, and what a plant costs a year. Every default is a documented figure or a counted assumption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..graph import SupplyGraph

__all__ = ["LIFE", "PREMIUM", "PREMIUMS", "RATE", "Premium", "capital_recovery", "supply_costs"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]

# Commercial discount rate of feasibility studies: 8 % (range 5 to 10) in the overview by MiningDoc (2025), 8 % in the
# studies of Arafura Nolans (2022, Australia) and Nouveau Monde Graphite (2022, Canada), 7 % in HyProMag USA (2024).
RATE = 0.08
# Life over which capital is recovered, in years: an assumption.
LIFE = 20.0
# Premium of supply from outside the dominant producer where no product figure is documented: an assumption, the median
# of the border price gaps of 2024 in CEPII BACI (5, 28, 28, 30, 39 and 62 %: see PREMIUMS).
PREMIUM = 0.29


@dataclass(frozen=True)
class Premium:
    """Price of supply from outside China over the Chinese price, as a fraction."""

    value: float
    low: float
    high: float
    source: str
    grade: str


_BACI = "CEPII BACI HS17 2024 (version 202601), own unit values, FOB: a price gap at the border, not a cost"
PREMIUMS: dict[str, Premium] = {
    "gallium.refined": Premium(0.49, 0.37, 0.62, "Fastmarkets (Sep-Oct 2023), after licensing began", "A"),
    "magnesium.refined": Premium(0.283, 0.283, 0.283, _BACI, "B"),
    "ndfeb.magnet": Premium(0.617, 0.617, 0.617, _BACI + "; product mix differs", "C"),
    "silicon.metal": Premium(0.30, 0.30, 0.30, _BACI, "B"),
    "graphite.natural_other": Premium(0.284, 0.284, 0.284, _BACI, "B"),
    "graphite.spherical": Premium(1.5, 1.0, 2.0, "Stanford study (arXiv 2503.21521), production cost", "A"),
    "polysilicon.solar": Premium(0.82, 0.67, 1.0, "pv magazine (Aug 2020), cash cost", "B"),
    "tantalum.unwrought": Premium(0.389, 0.389, 0.389, _BACI, "B"),
    "tungsten.apt": Premium(0.08, 0.05, 0.11, "SMM (Dec 2025 - Jan 2026); Argus (2022) 5-9 %", "B"),
    "vanadium.ferrovanadium": Premium(0.052, 0.052, 0.052, _BACI, "B"),
}


def capital_recovery(rate: float = RATE, life: float = LIFE) -> float:
    r"""Part of a capital cost to be paid every year so that it is recovered with interest.

    .. math:: r(1+r)^n / ((1+r)^n - 1), \qquad 1/n \text{ for } r = 0

    Parameters
    ----------
    rate : float
        Discount rate a year, as a fraction, not below 0.
    life : float
        Years, above 0.

    Returns
    -------
    float
        1/year.

    Raises
    ------
    ValueError
        Rate below 0 or life not above 0.

    Examples
    --------
    >>> round(capital_recovery(0.08, 20), 6), capital_recovery(0.0, 20)
    (0.101852, 0.05)
    """
    if not rate >= 0 or not life > 0:
        raise ValueError(f"capital_recovery needs rate >= 0 and life > 0 (got rate={rate!r}, life={life!r})")
    if rate == 0:
        return 1.0 / life
    return float(rate / -np.expm1(-life * np.log1p(rate)))


def supply_costs(
    graph: SupplyGraph,
    products: Sequence[str],
    product: IntArray,
    abroad: npt.NDArray[np.bool_],
    own: FloatArray,
    premium: float | None = None,
) -> tuple[FloatArray, TextArray]:
    """Cost of a unit from each supplier, and what the figure rests on.

    Parameters
    ----------
    graph : SupplyGraph
        Its ``products`` hold the prices.
    products : sequence of str
        Product ids.
    product : ndarray of int
        Position in ``products`` of what each supplier makes.
    abroad : ndarray of bool
        Whether each supplier stands outside China.
    own : ndarray
        ``unit_cost`` of each supplier where known, else NaN.
    premium : float, optional
        Use this premium for every place outside China instead of the documented ones.

    Returns
    -------
    tuple of ndarray
        USD per product unit (NaN where neither a cost nor a price is known), and a grade: the grade of the price,
        ``assumption`` where the premium is one, ``stated`` where the unit cost is on record.
    """
    frame = graph.tables["products"].drop_duplicates("product").set_index("product").reindex(list(products))
    price = frame["price"].to_numpy(dtype=float)
    grade = frame["price_grade"].fillna("assumption").to_numpy(dtype=object)
    known = np.array([premium is None and p in PREMIUMS for p in products], dtype=bool)
    default = PREMIUM if premium is None else premium
    extra = np.array([PREMIUMS[p].value if k else default for p, k in zip(products, known, strict=True)])
    outside = np.where(known, grade, "assumption").astype(object)
    dear = price * (1.0 + extra)
    stated = ~np.isnan(own)
    cost = np.where(stated, own, np.where(abroad, dear[product], price[product]))
    basis = np.where(abroad, outside[product], grade[product])
    basis[stated] = "stated"
    # A newcomer to a product whose makers state costs but that has no price: as dear as the dearest maker outside China.
    lost = np.isnan(cost) & abroad
    if lost.any():
        nodes = graph.index.nodes
        dearest = nodes[nodes["country"] != "CHN"].groupby("product")["unit_cost"].max()
        cost[lost] = dearest.reindex(list(products)).to_numpy(dtype=float)[product][lost]
        basis[lost] = "assumption"
    return cost, basis

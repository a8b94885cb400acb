"""What a plan can do. Each lever is one decorated function that offers deliveries (or decisions) to the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..registry import lever
from .economics import LIFE, RATE, capital_recovery
from .model import Build, number, require_any
from .stages import read_stages
from .supply import Gap
from .tiers import couple

__all__ = ["NOBODY", "build", "keep", "resource", "unmet"]

# Codes that are no place: nobody can be asked to deliver more.
NOBODY = ("ROW", "WLD", "UNK", "ALL")


def keep(m: Build) -> None:
    """Today's deliveries, which every plan may keep at today's cost; tiers that are both planned feed one another."""
    couple(m)
    case = m.case
    product = case.pool_product[case.base_pool]
    cost, grade = m.unit_cost(m.base_supplier, product)
    m.add_lanes("keep", m.base_supplier, case.base_pool, case.base, cost, grade)
    today = np.bincount(m.base_supplier, case.base, m.graph.index.n).astype(np.float64)
    m.availability = today.copy()
    m.availability_parts = {"today": today}


@lever()
def resource(
    m: Build,
    redirect: float = 0.2,
    premium: float | None = None,
    switching: float = 0.02,
    spare: bool = True,
    revealed: bool = True,
) -> None:
    r"""Buy more from producers that exist: their spare capacity, and part of what they sell to others now.

    For producer :math:`u` with output :math:`q_u`, capacity :math:`c_u` and deliveries :math:`b_u` to the group today:

    .. math:: \sum_b x_{ub} \le b_u + (c_u - q_u)^+ + \rho\,(q_u - b_u)^+

    where the capacity term is 0 if the capacity is not known. A new delivery costs

    .. math:: (1 + \sigma) \max\big(c_u,\; \max_{v:\, b_{vb} > 0} c_v\big)

    since a buyer that could have saved by switching would have done so: a plan without constraints changes nothing.
    Need beyond today's deliveries (lever ``grow``) costs :math:`(1+\sigma)\,c_u`.
    Nobody can buy more from the unlisted rest of the world.

    Parameters
    ----------
    m : Build
        Given by the engine.
    redirect : float
        Part :math:`\rho` of a producer's sales to others that the group can outbid, in [0, 1]. The default is an
        assumption.
    premium : float, optional
        Price of supply from outside China over the product's price, for every product. Default: the documented figure
        of :data:`supplyrisk.portfolio.economics.PREMIUMS`, else an assumption.
    switching : float
        Extra cost :math:`\sigma` of a new delivery as a part of its price. The default is an assumption.
    spare : bool
        Whether spare capacity can be used.
    revealed : bool
        Whether a new delivery costs at least what the buyer pays for its dearest one today (an assumption); without
        it a plan may also switch to whoever is cheapest on record, the focal included.
    """
    m.once_only("resource")
    redirect = number("redirect", redirect, 0.0, 1.0)
    switching = number("switching", switching, 0.0)
    if premium is not None:
        premium = number("premium", premium, -1.0)
    case, nodes = m.case, m.graph.index.nodes
    n = m.graph.index.n
    kind = nodes["kind"].to_numpy(dtype=object)
    output = nodes["output"].to_numpy(dtype=float)
    capacity = nodes["capacity"].to_numpy(dtype=float)
    today = m.availability_parts["today"]
    ix = m.graph.index
    sold = np.bincount(ix.src, np.nan_to_num(ix.quantity), ix.n) if len(ix.src) else np.zeros(n)
    made = np.where(np.isnan(output), sold, output)
    idle = np.where(np.isnan(capacity) | np.isnan(output), 0.0, np.maximum(capacity - output, 0.0)) * spare
    others = np.maximum(made - today, 0.0) * redirect
    product = {p: k for k, p in enumerate(case.products)}
    code = np.array([product.get(p, -1) for p in nodes["product"].tolist()], dtype=np.int64)
    candidate = np.zeros(n, dtype=bool)
    if m.candidates is not None and len(m.candidates.frame):
        candidate[ix.position.get_indexer(pd.Index(m.candidates.frame["node"], dtype=object))] = True
    named = ~np.isin(m.country, NOBODY)
    able = (kind == "producer") & (code >= 0) & ~candidate & named & (today + idle + others > 0)
    suppliers = np.flatnonzero(able)
    order = np.argsort(case.pool_product, kind="stable")
    start = np.searchsorted(case.pool_product[order], np.arange(len(case.products) + 1))
    count = np.diff(start)[code[suppliers]]
    who = np.repeat(suppliers, count)
    offset = np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    pool = order[start[code[who]] + offset]
    cost, grade = m.unit_cost(who, case.pool_product[pool], premium)
    known = ~np.isnan(cost)
    who, pool, cost, grade = who[known], pool[known], cost[known], grade[known]
    if revealed:
        # Need beyond today's deliveries has no present supplier to be weighed against: it pays the plain price.
        grows = np.flatnonzero(m.growth[pool] > 0)
        if len(grows):
            none = np.full(len(grows), np.inf)
            m.add_lanes("grow", who[grows], pool[grows], none, cost[grows] * (1.0 + switching), grade[grows])
        cost = np.maximum(cost, m.dearest[pool])
        m.notes.append("re-sourcing: a new delivery costs no less than the buyer's dearest today (assumption)")
    m.add_lanes("re-source", who, pool, np.full(len(who), np.inf), cost * (1.0 + switching), grade)
    m.availability = m.availability + np.where(able, idle + others, 0.0)
    m.availability_parts |= {"spare": np.where(able, idle, 0.0), "outbid": np.where(able, others, 0.0)}
    m.notes.append(
        f"re-sourcing: {redirect:.0%} of what a producer sells to others can be outbid, at {switching:.0%} extra "
        "(assumptions); spare capacity only where a capacity is on record"
    )


@lever()
def build(
    m: Build,
    utilisation: float = 0.85,
    rate: float = RATE,
    life: float = LIFE,
    running: float = 1.0,
    premium: float | None = None,
    switching: float = 0.02,
    revealed: bool = True,
    estimate: bool = True,
    only: tuple[str, ...] | None = None,
    stages: Any = None,
) -> None:
    r"""Build plants from the projects table: whole or not at all, at their annualised capital cost.

    .. math:: \sum_b x_{jb} \le u\,K_j\,y_j,\quad y_j \in \{0, 1\},\qquad \text{cost } = \mathrm{crf}(r, n)\,I_j\,y_j

    with capacity :math:`K_j`, capital cost :math:`I_j`, and crf from
    :func:`supplyrisk.portfolio.economics.capital_recovery`.

    Parameters
    ----------
    m : Build
        Given by the engine.
    utilisation : float
        Output over nameplate, in (0, 1]. The default is an assumption.
    rate : float
        Discount rate; 8 % is what feasibility studies use (MiningDoc 2025; Arafura 2022; Nouveau Monde 2022).
    life : float
        Years over which the capital is recovered; an assumption.
    running : float
        Running cost as a part of the price outside China; 1 takes the full price, so that the annuity is the extra
        cost and the plan errs on the dear side. An assumption.
    premium : float, optional
        As in :func:`resource`.
    switching, revealed
        As in :func:`resource`.
    estimate : bool
        Whether a project without a capital cost on record is given the median cost per capacity of the product's
        other projects (an assumption); otherwise it is left out, as a gap.
    only : tuple of str, optional
        Project ids; default every project that can be built.
    stages : mapping, optional
        Project id to its stages, ``((years, usd), ...)``: over several periods the plant delivers once all are over, and
        each is paid evenly over its own time. They replace the lead and the capital cost on record. Default: one stage
        from the decision to the start on record.
    """
    m.once_only("build")
    utilisation = number("utilisation", utilisation, 0.0, 1.0, open_low=True)
    running = number("running", running, 0.0)
    crf = capital_recovery(number("rate", rate, 0.0), number("life", life, 0.0, open_low=True))
    case = m.case
    assert m.candidates is not None
    frame = m.candidates.frame
    if only is not None:
        names = (only,) if isinstance(only, str) else tuple(only)
        known = m.case.graph.tables["projects"]["project"].astype(str)
        require_any(names, "project", known, "build(only=)")
    m.gaps += list(m.candidates.gaps)
    if not len(frame):
        m.notes.append("building: no project of these products has a capacity and a capital cost on record")
        told = {g.product for g in m.candidates.gaps}
        m.gaps += [
            Gap(p, "lever build", "projects", "none on record that could be built: the lever offers nothing")
            for p in case.products
            if p not in told
        ]
        return
    offered = np.ones(len(frame), dtype=bool) if only is None else frame["project"].isin(list(names)).to_numpy()
    node = m.graph.index.position.get_indexer(pd.Index(frame["node"], dtype=object)).astype(np.int64)
    product = np.array([case.products.index(p) for p in frame["product"]], dtype=np.int64)
    cap = frame["capacity"].to_numpy(dtype=float) * utilisation
    m.stages |= read_stages(stages, frame["project"].astype(str).tolist(), f"{m.spec!r}")
    label = [f"{p} ({q})" for p, q in zip(frame["project"], frame["product"], strict=True)]
    m.offer_projects(label, product, cap, frame["capex"].to_numpy(dtype=float) * crf, offered)
    pools = [np.flatnonzero(case.pool_product == k) for k in product]
    count = np.array([len(x) for x in pools])
    j = np.repeat(np.arange(len(frame)), count)
    pool = np.concatenate(pools)
    cost, grade = m.unit_cost(node[j], case.pool_product[pool], premium)
    cost = cost * running
    if revealed:
        cost = np.maximum(cost, m.dearest[pool])
    cost = cost * (1.0 + number("switching", switching, 0.0))
    m.add_lanes("build", node[j], pool, np.where(offered[j], cap[j], 0.0), cost, grade, j)
    guessed = frame["estimated"].to_numpy(dtype=bool)
    if guessed.any():
        m.notes.append(
            f"building: the capital cost of {int(guessed.sum())} of {len(frame)} projects is the median per capacity of "
            "the product's other projects (assumption)"
        )
    m.notes.append(
        f"building: {utilisation:.0%} utilisation, {life:g} years, running cost {running:.0%} of the price outside "
        f"China (assumptions); {rate:.0%} discount rate (feasibility studies)"
    )
    _money_years(m, frame, offered)
    unstarted = int(np.isnan(frame["start"].to_numpy(dtype=float)).sum())
    if unstarted:
        m.notes.append(f"building: {unstarted} projects have no start year on record and count as available")


def _money_years(m: Build, frame: pd.DataFrame, offered: Any) -> None:
    """Say which years the money is of, where it is not all of one."""
    from .words import capital_years, price_years

    years, prices = capital_years(m), price_years(m)
    if years and (len(years) > 1 or str(next(iter(years))) != prices):
        told = ", ".join(f"{y} ({n})" for y, n in years.items())
        m.notes.append(
            f"money of different years is added up as it stands: prices of {prices or 'years not recorded'}, capital costs "
            f"of {told}; in_prices_of(graph, year, deflator) converts it"
        )
    unknown = frame["capex_year"].isna().to_numpy(dtype=bool) & offered
    unknown[list(m.stages)] = False
    guessed = frame["estimated"].to_numpy(dtype=bool)
    if (unknown & ~guessed).any():
        m.notes.append(
            f"building: the capital cost of {int((unknown & ~guessed).sum())} projects has no year on record and counts as "
            f"money of the prices' ({prices or 'not recorded'}; assumption)"
        )


@lever()
def unmet(m: Build, price: float, product: Any = None) -> None:
    r"""Leave need unmet at a price; without this lever every need is met exactly.

    .. math:: \sum_u x_{ub} + z_b = D_b, \quad 0 \le z_b \le D_b, \quad \text{at a cost of } \pi z_b

    with :math:`z_b` what pool :math:`b` goes without and :math:`\pi` the price.

    Parameters
    ----------
    m : Build
        Given by the engine.
    price : float
        USD per product unit that is not delivered, at least 0.
    product : str or tuple of str, optional
        Products of which need may stay unmet; default all.
    """
    price = number("price", price, 0.0)
    case = m.case
    if m.shortfall_price is None:
        m.shortfall_price = np.full(len(case.pool), np.nan)
    for _, _, _, pools in m.pick(product, None):
        m.shortfall_price[pools] = price

"""More things a plan can do: recycle, substitute, contract for long, qualify a second source."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import unknown_name
from ..registry import lever
from ..schema import node_id
from .candidates import Candidates
from .economics import LIFE, RATE, capital_recovery
from .levers import NOBODY
from .model import Build, Outlay, Relief, number
from .supply import Case, Gap

__all__ = ["contract", "qualify", "recycle", "substitute", "with_recyclers"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
RECYCLED = "recycled"
# Levers that open what producers sell to others; together they open the larger part, whatever their order.
_AGREED = ("contract", "qualify")
# Note of the nodes that the lever adds; a plan's graph keeps those that recycle something.
RECYCLER = "recycling, as planned"


def _by_product(m: Build, given: Any, name: str, what: str, top: float) -> FloatArray:
    """A parameter for each product in scope; NaN and a gap where nothing is given."""
    out = np.full(len(m.case.products), np.nan)
    if given is None:
        figures: dict[str, Any] = {}
    elif isinstance(given, (int, float)):
        figures = dict.fromkeys(m.case.products, given)
    else:
        figures = dict(given)
        for p in figures:
            if p not in m.case.products:
                raise unknown_name("product", p, m.case.products, f"{m.spec!r}")
    for k, p in enumerate(m.case.products):
        if p in figures:
            out[k] = number(name, figures[p], 0.0, top)
        else:
            m.gaps.append(Gap(p, what, "-", f"no {name} is on record or given: the lever does nothing for it"))
    return out


def with_recyclers(case: Case, found: Candidates | None) -> Candidates:
    """The graph with a recycler for every pool of the group, ``product@country#recycled``."""
    graph = case.graph if found is None else found.graph
    names = np.array(case.products, dtype=object)[case.pool_product]
    country = case.graph.index.nodes["country"].to_numpy(dtype=object)[case.pool]
    known = graph.tables["nodes"]
    ids = [node_id(str(p), str(c), RECYCLED) for p, c in zip(names, country, strict=True)]
    extra = pd.DataFrame(
        {
            "node": ids,
            "product": names,
            "country": country,
            "site": RECYCLED,
            "kind": "producer",
            "year": graph.reference_year,
            "output": 0.0,
            "output_grade": "assumption",
            "note": RECYCLER,
        }
    ).drop_duplicates("node")
    extra = extra[~extra["node"].isin(set(known["node"].astype(str)))]
    wide = graph.replace(note="recyclers", nodes=pd.concat([known, extra], ignore_index=True))
    if found is None:
        return Candidates(wide, pd.DataFrame(columns=["project", "product", "node", "country", "capacity"]), ())
    return Candidates(wide, found.frame, found.gaps)


@lever()
def recycle(m: Build, rate: Any = None, cost: float = 1.0, premium: float | None = None) -> None:
    r"""Win part of the need back from scrap in the buyer's own country.

    .. math:: 0 \le x_{r(b)\,b} \le \rho_p\, D_b

    Parameters
    ----------
    m : Build
        Given by the engine.
    rate : float or mapping, optional
        Part :math:`\rho` of the yearly need that can be recovered, by product or one for all, in [0, 1]: collection
        times recovery. Products without a figure are a gap; nothing is guessed.
    cost : float
        Cost of a unit over the price outside China; the default is an assumption.
    premium : float, optional
        As in :func:`supplyrisk.portfolio.resource`.
    """
    m.once_only("recycle")
    share = _by_product(m, rate, "rate", "recycling", 1.0)
    cost = number("cost", cost, 0.0)
    case = m.case
    pool = np.flatnonzero(~np.isnan(share[case.pool_product]))
    if not len(pool):
        return
    names = np.array(case.products, dtype=object)[case.pool_product[pool]]
    ids = [node_id(str(p), str(c), RECYCLED) for p, c in zip(names, m.pool_country[pool], strict=True)]
    node = m.graph.index.position.get_indexer(pd.Index(ids, dtype=object)).astype(np.int64)
    usd, grade = m.unit_cost(node, case.pool_product[pool], premium)
    known = ~np.isnan(usd)
    pool, node, usd, grade = pool[known], node[known], usd[known], grade[known]
    upper = share[case.pool_product[pool]] * case.need[pool]
    m.add_lanes("recycle", node, pool, upper, usd * cost, grade)
    part = np.zeros(m.graph.index.n)
    part[node] = upper
    m.availability = m.availability + part
    m.availability_parts = m.availability_parts | {"recycled": part}
    m.notes.append(f"recycling: given part of the need, at {cost:.0%} of the price outside China (assumptions)")


@lever()
def substitute(m: Build, part: Any = None, price: float = 1.0, loss: float = 0.0, ready: int | None = None) -> None:
    r"""Use something else instead: part of the need goes away, at a price and with a loss of performance.

    .. math:: \sum_u x_{ub} + z_b = D_b, \qquad 0 \le z_b \le \sigma_p\, D_b, \qquad
        \text{cost } = v_p\, \frac{\pi}{1 - \lambda}\, z_b

    Parameters
    ----------
    m : Build
        Given by the engine.
    part : float or mapping, optional
        Part :math:`\sigma` of the need that can be substituted, by product or one for all, in [0, 1]. Products
        without a figure are a gap.
    price : float
        Price :math:`\pi` of the substitute for a unit, over the product's price (or dearest delivery today).
    loss : float
        Performance :math:`\lambda` that is lost, in [0, 1): so much more of the substitute is needed.
    ready : int, optional
        First year in which it can be done; over several periods it stays out of those before, and a plan whose horizon
        ends before goes without. A plan without a year counts it as ready, and says so.
    """
    share = _by_product(m, part, "part", "substitution", 1.0)
    price = number("price", price, 0.0)
    loss = number("loss", loss, 0.0, 1.0 - 1e-9)
    last = m.horizon
    if ready is not None:
        ready = int(number("ready", ready, 1900.0, 2200.0))
        if last is not None and ready > last:
            m.gaps += [Gap(p, "substitution", "-", f"ready in {ready}, after {last}") for p in m.case.products]
            return
        if last is None:
            m.notes.append(f"substitution: the plan has no year, so that it counts as ready (from {ready})")
    # Over several periods it stays out of those before it is ready.
    early = ready is not None and m.periods is not None and m.now is not None and m.now.begin < ready - 1e-9
    pool = np.flatnonzero(np.nan_to_num(share)[m.case.pool_product] > 0)
    if not len(pool):
        return
    listed = m.case.graph.tables["products"].drop_duplicates("product").set_index("product")["price"]
    value = listed.reindex(list(m.case.products)).to_numpy(dtype=float)[m.case.pool_product[pool]]
    value = np.where(np.isnan(value), m.dearest[pool], value)
    upper = share[m.case.pool_product[pool]] * m.case.need[pool] * (0.0 if early else 1.0)
    m.reliefs.append(Relief("substitute", pool, upper, value * price / (1.0 - loss)))
    m.notes.append(f"substitution: at {price:.0%} of the price, {loss:.0%} of the performance lost (assumptions)")


def _open_sources(
    m: Build,
    name: str,
    redirect: float,
    premium: float | None,
    switching: float,
    price: float,
    least: float,
    usd: float,
    term: float = 0.0,
    years: float = 0.0,
) -> None:
    """Offer more of what producers sell to others, once all levers have said what they offer of it."""
    m.once_only(name)
    spec = m.spec
    m.last.append((name, lambda: _offer(m, name, redirect, premium, switching, price, least, usd, term, years, spec)))


def _opens_nothing(name: str, most: float, take: float, unit: str) -> str:
    """Why a lever offers nothing of a product."""
    if most > 0:
        return (
            f"a {name} must take at least {take:.6g} {unit}, and no producer has more than {most:.6g} to give beyond what "
            "can be bought anyway: none can be signed"
        )
    return "opens nothing: no producer on record sells to others beyond what can be bought anyway"


def _offer(
    m: Build,
    name: str,
    redirect: float,
    premium: float | None,
    switching: float,
    price: float,
    least: float,
    usd: float,
    term: float,
    years: float,
    spec: Any,
) -> None:
    several = m.periods is not None
    case, nodes, n = m.case, m.graph.index.nodes, m.graph.index.n
    ix = m.graph.index
    output = nodes["output"].to_numpy(dtype=float)
    sold = np.bincount(ix.src, np.nan_to_num(ix.quantity), n) if len(ix.src) else np.zeros(n)
    made = np.where(np.isnan(output), sold, output)
    parts = m.availability_parts
    extra = np.maximum(made * m.supply_factor - parts["today"], 0.0) * redirect
    # What re-sourcing may outbid already is part of it: the contract secures more of the same sales.
    extra = np.maximum(extra - parts.get("outbid", np.zeros(n)), 0.0)
    product = {p: k for k, p in enumerate(case.products)}
    code = np.array([product.get(p, -1) for p in nodes["product"].tolist()], dtype=np.int64)
    candidate = np.zeros(n, dtype=bool)
    if m.candidates is not None and len(m.candidates.frame):
        candidate[ix.position.get_indexer(pd.Index(m.candidates.frame["node"], dtype=object))] = True
    able = (nodes["kind"] == "producer").to_numpy(dtype=bool) & (code >= 0) & ~candidate & (extra > 0)
    able &= ~np.isin(m.country, NOBODY)
    # Less than a contract must take is no offer; it stays in the model, so that a clash can name its least take.
    take = least * np.where(case.product_need > 0, case.product_need, 1.0)
    enough = able & (extra >= take[code] * (1.0 - 1e-9))
    for k, p in enumerate(case.products):
        mine, kept = able & (code == k), enough & (code == k)
        if not kept.any():
            most = float(extra[mine].max(initial=0.0))
            m.gaps.append(Gap(p, f"lever {name}", "-", _opens_nothing(name, most, float(take[k]), m.unit[k])))
    suppliers = np.flatnonzero(able)
    pairs = [(u, b) for u in suppliers.tolist() for b in np.flatnonzero(case.pool_product == code[u]).tolist()]
    who = np.array([u for u, _ in pairs], dtype=np.int64)
    pool = np.array([b for _, b in pairs], dtype=np.int64)
    cost, grade = m.unit_cost(who, case.pool_product[pool], premium)
    known = ~np.isnan(cost)
    who, pool, cost, grade = who[known], pool[known], cost[known], grade[known]
    cost = np.maximum(cost, m.dearest[pool]) * (1.0 + switching) * price
    m.add_lanes(name, who, pool, extra[who], cost, grade)
    suppliers = np.unique(who)
    # Contracts and qualified sources open the same sales: the larger part of them counts, not the sum.
    opened = [parts[other] for other in _AGREED if other in parts]
    add = np.zeros(n)
    add[suppliers] = np.maximum(extra - sum(opened, np.zeros(n)), 0.0)[suppliers]
    m.availability = m.availability + add
    m.availability_parts = parts | {name: add}

    def state() -> None:
        mine = np.flatnonzero(m.lever == name)
        place = np.full(n, -1, dtype=np.int64)
        place[suppliers] = np.arange(len(suppliers))
        k = len(suppliers)
        keys = [str(v) for v in m.node[suppliers]]
        size = m.size[code[suppliers]]
        z = m.matrix.add_columns(
            f"{name}_with",
            k,
            upper=1.0,
            integer=not (several and name == "qualify"),
            keys=lambda: keys,
            meaning="1 = agree with this supplier",
        )
        if several:  # the year in which it is signed or paid for
            decide = m.matrix.add_columns(
                f"{name}_signed",
                k,
                upper=1.0,
                integer=name == "qualify",
                keys=lambda: keys,
                meaning="1 = decide on it in this period",
            )
        at = place[m.supplier[mine]]
        rows = np.concatenate([at, np.arange(k)])
        cols = np.concatenate([mine, z.at])
        m.matrix.add_rows(
            f"{name}_most",
            k,
            rows,
            cols,
            np.concatenate([np.ones(len(mine)), -extra[suppliers]]),
            upper=0.0,
            scale=m.tied(at, mine, extra[suppliers]),
            keys=lambda: keys,
            say=lambda i: f"{name} with {keys[i]}: at most {extra[suppliers[i]]:.6g}, once agreed",
        )
        if least > 0:
            m.matrix.add_rows(
                f"{name}_least",
                k,
                rows,
                cols,
                np.concatenate([np.ones(len(mine)), -least * size]),
                lower=0.0,
                scale=size,
                keys=lambda: keys,
                say=lambda i: (
                    f"{spec!r}: a {name} with {keys[i]} takes at least {least * size[i]:.6g} ({least:.1%} of the need)"
                ),
                say_relax=lambda i, a: (
                    f"{spec!r} would have to be content with {max(least - a / size[i], 0.0):.2%} of the need for {keys[i]}"
                ),
            )
        agreed = sum((m.availability_parts[x] for x in _AGREED if x in m.availability_parts), np.zeros(n))
        both = np.flatnonzero((place[m.supplier] >= 0) & np.isin(m.lever, _AGREED))
        if len(both) > len(mine):
            m.matrix.add_rows(
                f"{name}_shared",
                k,
                place[m.supplier[both]],
                both,
                np.ones(len(both)),
                upper=agreed[suppliers],
                scale=m.scale_of(agreed[suppliers], code[suppliers]),
                keys=lambda: keys,
                say=lambda i: (
                    f"contracts and qualification together open at most {agreed[suppliers[i]]:.6g} of {keys[i]}"
                ),
            )
        rest = np.flatnonzero((m.project < 0) & (place[m.supplier] >= 0) & ~np.isin(m.lever, _AGREED))
        if len(rest):
            m.matrix.add_rows(
                f"without_{name}",
                k,
                place[m.supplier[rest]],
                rest,
                np.ones(len(rest)),
                upper=m.availability[suppliers] - agreed[suppliers],
                scale=m.scale_of(m.availability[suppliers] - agreed[suppliers], code[suppliers]),
                keys=lambda: keys,
                say=lambda i: f"{keys[i]} delivers more only under a {name}",
            )
        if usd > 0:
            # A year's money: what is paid in a shorter period weighs that much more.
            paid = usd / (m.here.length if m.here is not None else 1.0)
            m.outlays.append(Outlay(name, decide.at if several else z.at, np.full(k, paid), code[suppliers]))

    m.later.append(state)
    if several:
        m.across.append(lambda wide: _lasts(wide, name, term) if name == "contract" else _once(wide, name, years))


def _steps(wide: Any, years: float) -> int:
    """Periods that a number of years takes, part of one counted whole."""
    return int(np.ceil(years / wide.periods[0].length - 1e-9))


def _lasts(wide: Any, name: str, term: float) -> None:
    r"""A contract that is signed holds for its term: :math:`g_t \ge z_t - z_{t-1}`, :math:`\sum_{t-L<s\le t} g_s \le z_t`."""
    t, length = len(wide.periods), max(_steps(wide, term), 1)
    z, g = ([wide.cols(f"{name}_{part}", s) for s in range(t)] for part in ("with", "signed"))
    k = len(z[0])
    who = wide.keys(f"{name}_with")
    one, at = np.ones(k), np.arange(k)
    row, col, value = [], [], []
    for s in range(t):
        row += [s * k + at, s * k + at] + ([s * k + at] if s else [])
        col += [g[s], z[s]] + ([z[s - 1]] if s else [])
        value += [one, -one] + ([one] if s else [])
    wide.build.matrix.add_rows(
        f"{name}_begins",
        k * t,
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=0.0,
        keys=lambda: [(p.label, w) for p in wide.periods for w in who],
        say=lambda i: f"{wide.periods[i // k].label}: a {name} with {who[i % k]} begins when it is signed",
    )
    row, col, value = [], [], []
    for s in range(t):
        window = range(max(s - length + 1, 0), s + 1)
        row += [s * k + at for _ in window] + [s * k + at]
        col += [g[u] for u in window] + [z[s]]
        value += [one for _ in window] + [-one]
    wide.build.matrix.add_rows(
        f"{name}_term",
        k * t,
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        upper=0.0,
        keys=lambda: [(p.label, w) for p in wide.periods for w in who],
        say=lambda i: f"{wide.periods[i // k].label}: a {name} with {who[i % k]} holds {term:g} years once signed",
    )


def _once(wide: Any, name: str, years: float) -> None:
    r"""A source is qualified once, and open from then on: :math:`z_t = \sum_{s \le t-L} q_s`, :math:`\sum_s q_s \le 1`."""
    t, lead = len(wide.periods), _steps(wide, years)
    z, q = ([wide.cols(f"{name}_{part}", s) for s in range(t)] for part in ("with", "signed"))
    k = len(z[0])
    who = wide.keys(f"{name}_with")
    one, at = np.ones(k), np.arange(k)
    row, col, value = [], [], []
    for s in range(t):
        before = range(max(s - lead + 1, 0))
        row += [s * k + at] + [s * k + at for _ in before]
        col += [z[s]] + [q[u] for u in before]
        value += [one] + [-one for _ in before]
    wide.build.matrix.add_rows(
        f"{name}_ready",
        k * t,
        np.concatenate(row),
        np.concatenate(col),
        np.concatenate(value),
        lower=0.0,
        upper=0.0,
        keys=lambda: [(p.label, w) for p in wide.periods for w in who],
        say=lambda i: f"{wide.periods[i // k].label}: {who[i % k]} is open {years:g} years after it is paid for",
    )
    wide.build.matrix.add_rows(
        f"{name}_once",
        k,
        np.tile(at, t),
        np.concatenate(q),
        np.ones(k * t),
        upper=1.0,
        keys=lambda: who,
        say=lambda i: f"{who[i]} is qualified once",
    )


@lever()
def contract(
    m: Build,
    min_take: float = 0.02,
    redirect: float = 0.5,
    price: float = 1.0,
    premium: float | None = None,
    switching: float = 0.02,
    term: float = 3.0,
) -> None:
    r"""Contract for long with producers that sell to others now: more than can be outbid, but take or pay.

    .. math:: \mu D\, z_u \le \sum_b x_{ub} \le (\rho' - \rho)\,(q_u - b_u)^+\, z_u, \qquad z_u \in \{0, 1\}

    A semi-continuous decision: nothing, or at least the minimum take.

    Parameters
    ----------
    m : Build
        Given by the engine.
    min_take : float
        Least quantity :math:`\mu` of a contract as a part of the group's need of the product, in [0, 1].
    redirect : float
        Part :math:`\rho'` of a producer's sales to others that a long contract secures, in [0, 1], what
        :func:`supplyrisk.portfolio.resource` may outbid anyway included, in whichever order the levers are given. Sales
        that a qualified source opens are the same: together the larger part counts. The default is an assumption.
    price : float
        Price of a contracted unit over that of a spot delivery.
    premium, switching
        As in :func:`supplyrisk.portfolio.resource`.
    term : float
        Years that a contract holds once signed, over several periods (or to the plan's end); 3 is an assumption.
    """
    term = number("term", term, 0.0, open_low=True)
    _open_sources(
        m,
        "contract",
        number("redirect", redirect, 0.0, 1.0),
        None if premium is None else number("premium", premium, -1.0),
        number("switching", switching, 0.0),
        number("price", price, 0.0),
        number("min_take", min_take, 0.0, 1.0),
        0.0,
        term=term,
    )
    m.notes.append(
        f"contracts secure {redirect:.0%} of what a producer sells to others"
        + (f" and hold {term:g} years once signed (assumptions)" if m.periods is not None else " (assumption)")
    )


@lever()
def qualify(
    m: Build,
    usd: Any = None,
    redirect: float = 0.5,
    years: float = 0.0,
    life: float = LIFE,
    rate: float = RATE,
    premium: float | None = None,
    switching: float = 0.02,
) -> None:
    r"""Qualify second sources: pay once, and a producer's goods can be used where they could not be before.

    .. math:: \sum_b x_{ub} \le (\rho' - \rho)\,(q_u - b_u)^+\, z_u, \qquad \text{cost } = \mathrm{crf}(r, n)\, F\, z_u

    Parameters
    ----------
    m : Build
        Given by the engine.
    usd : float
        Outlay :math:`F` for one source (tests, tools, documents). No figure is on record: without one the lever is a
        gap.
    redirect : float
        Part of a producer's sales to others that opens up, in [0, 1], counted as in
        :func:`supplyrisk.portfolio.contract`; an assumption.
    years : float
        Years it takes; over several periods a source is open so long after it was paid for, and a plan whose horizon ends
        before goes without. A plan without a year counts it as done, and says so.
    life, rate
        Years and discount rate over which the outlay is spread in a plan of one year. Over several periods it is paid
        once, in the period that decides on it, and nothing is counted for what it is worth after the plan.
    premium, switching
        As in :func:`supplyrisk.portfolio.resource`.
    """
    if usd is None:
        m.gaps += [Gap(p, "qualification", "-", "no outlay is on record or given") for p in m.case.products]
        return
    crf = capital_recovery(number("rate", rate, 0.0), number("life", life, 0.0, open_low=True))
    years = number("years", years, 0.0)
    last = m.horizon
    if m.periods is not None:
        crf, late = 1.0, m.periods[0].begin + years >= m.periods[-1].end - 1e-9
        why = f"takes {years:g} years, longer than the plan"
    else:
        late = last is not None and m.graph.reference_year + years > last
        why = f"takes {years:g} years, after {last}"
        if last is None and years > 0:
            m.notes.append(f"qualification: the plan has no year, so that it counts as done (takes {years:g} years)")
    usd = number("usd", usd, 0.0) * crf
    if late:
        m.gaps += [Gap(p, "qualification", "-", why) for p in m.case.products]
        return
    _open_sources(
        m,
        "qualify",
        number("redirect", redirect, 0.0, 1.0),
        None if premium is None else number("premium", premium, -1.0),
        number("switching", switching, 0.0),
        1.0,
        0.0,
        usd,
        years=years,
    )
    m.notes.append(f"qualified sources give {redirect:.0%} of what they sell to others (assumption)")

"""Constraints on the mix a plan ends with: concentration, what is left without the largest, standards, fairness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Problem, SchemaError, unknown_name
from ..jurisdictions import scope
from ..metrics.markets import Places
from ..registry import constraint
from ..schema import VIEWS
from .amounts import above, below, most
from .asked import figures
from .cone import add_squares
from .levers import NOBODY
from .model import GROUP, Build, money, number
from .readings import Coordinates, Reading, arrived, joined, part_of_arrivals, summed
from .senders import by_place, relayed

__all__ = ["equal_burden", "governance_floor", "max_hhi", "n_minus_1", "no_decoupling"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Market = tuple[str, int, str, IntArray]


# What tangents leave of an index.
_ROUND = 2e-6


def where(market: Market) -> str:
    """A market in words."""
    p, _, b, _ = market
    return f"{p} for {'the group' if b == GROUP else b}"


def down(part: float) -> str:
    """A part that is certainly possible, in percent: rounded down."""
    return f"{np.floor(max(part, 0.0) * 1e4 + 1e-5) / 1e4:.2%}"


def needs(m: Build, markets: list[Market]) -> FloatArray:
    """Need of each market."""
    return np.array([m.case.need[pools].sum() for *_, pools in markets], dtype=np.float64)


def _use(m: Build) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """What each pool uses, as the score counts it, and whether that is inferred from what arrives."""
    found = Places(m.graph).use[0][m.pool_code]
    used = m.graph.tables["demand"]
    stated = set(used.loc[used["quantity"].notna(), "node"].astype(str))
    inferred = np.array([str(x) not in stated for x in m.node[m.pool_code]], dtype=bool)
    if m.grown is not None:
        found = found * m.grown
    if m.added is not None:
        found = found + m.added
    return np.where(np.isnan(found), m.case.need, found), inferred


@constraint(
    reference="Herfindahl (1950), Hirschman (1964); tangents of Vielma, Dunning, Huchette and Lubin (2017)",
    metric="hhi",
    score={"hhi": "<="},
)
def max_hhi(m: Build, cap: float = 0.25, product: Any = None, buyer: str | None = None) -> None:
    r"""Cap the Herfindahl-Hirschman index of what the buyers get, by supplier country.

    .. math:: \sum_c s_c^2 \le \theta, \qquad s_c = \frac{1}{Q} \sum_{u \in c,\, b} x_{ub}

    which is the cone :math:`\lVert q \rVert_2 \le \sqrt{\theta}\, Q` with :math:`Q` what arrives: the need :math:`D`, or
    less where some of it may stay unmet or is substituted. It is stated as :math:`\sum_c t_c \le \theta Q`,
    :math:`t_c Q \ge q_c^2`. Each square is approached from below by tangents that are added until the index is met to
    within 1e-6 of its scale; the plan's ``.gap`` and bound stay valid, since tangents only ever allow too much. What an
    infeasible plan would have to allow is therefore said as "about". A country supplies what its makers and its re-exporters send, as in the score by
    location; the unlisted rest of the world adds to the need and is no supplier.

    Parameters
    ----------
    m : Build
        Given by the engine.
    cap : float
        Greatest index, in (0, 1]; 0.25 and 0.18 are usual thresholds.
    product, buyer
        As in :func:`supplyrisk.portfolio.max_share`. A market without any need is left alone.
    """
    cap = number("cap", cap, 0.0, 1.0, open_low=True)
    markets = [x for x in m.pick(product, buyer) if m.case.need[x[3]].sum() > 0]
    need = needs(m, markets)
    pair, row, lane, amount = by_place(m, markets)
    k, spec = len(pair), m.spec
    market = np.array([i for i, _ in pair], dtype=np.int64)
    keys = [(markets[i][0], markets[i][2], c) for i, c in pair]
    part = m.matrix.add_columns(
        "part", k, upper=1.0, keys=lambda: keys, meaning="share of a country in the need of a market"
    )
    missed = [m.missed(x[3])[0] for x in markets]
    arrives = None
    if any(len(c) for c in missed):
        arrives = m.matrix.add_columns("arrives", k, keys=lambda: keys, meaning="part of the need that is delivered")
        lost = [missed[i] for i in market.tolist()]
        m.add_rows(
            "arrives_of",
            k,
            np.concatenate([np.arange(k), *(np.full(len(c), r) for r, c in enumerate(lost))]),
            np.concatenate([arrives.at, *lost]),
            np.concatenate([np.ones(k), *(np.full(len(c), 1.0 / need[market[r]]) for r, c in enumerate(lost))]),
            lower=1.0,
            upper=1.0,
            keys=lambda: keys,
            say=lambda r: f"what of the need of {where(markets[pair[r][0]])} arrives",
        )
    square = add_squares(m.matrix, "part_square", part, arrives)
    m.add_rows(
        "part_of",
        k,
        np.concatenate([row, np.arange(k)]),
        np.concatenate([lane, part.at]),
        np.concatenate([amount / need[market[row]], -np.ones(k)]),
        lower=0.0,
        upper=0.0,
        keys=lambda: keys,
        say=lambda r: f"share of {pair[r][1]} in {where(markets[pair[r][0]])}",
    )

    def index(x: FloatArray) -> FloatArray:
        got = arrived(m, markets, x)
        squares = np.bincount(market, summed(k, (row, lane, amount), x) ** 2, len(markets))
        return np.asarray(np.divide(squares, got**2, out=np.full(len(got), np.nan), where=got > 0))

    m.add_rows(
        "max_hhi",
        len(markets),
        np.concatenate([market, *(np.full(len(c), i) for i, c in enumerate(missed))]),
        np.concatenate([square.at, *missed]),
        np.concatenate([np.ones(k), *(np.full(len(c), cap / need[i]) for i, c in enumerate(missed))]),
        upper=cap,
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        say=lambda i: f"{spec!r}: HHI of {where(markets[i])} at most {cap:g}",
        say_dual=lambda i, d: (
            f"0.01 less HHI in {where(markets[i])} costs {money(-d * 0.01 * m.arriving(markets[i][3]) / need[i])} a year"
        ),
        say_relax=lambda i, a: (
            f"{spec!r} would have to allow about {min(np.ceil((cap + a + _ROUND) * 1e4) / 1e4, 1.0):.4f} "
            f"in {where(markets[i])}"
        ),
        slope=(
            np.repeat(np.arange(len(markets)), [len(c) for c in missed]),
            np.concatenate([np.zeros(0, dtype=np.int64), *missed]),
            np.concatenate([np.zeros(0), *(np.full(len(c), 1.0 / need[i]) for i, c in enumerate(missed))]),
            np.ones(len(markets)),
        ),
        pools=lambda i: markets[i][3],
        reading=Reading("hhi", "<=", cap, markets, index),
    )


@constraint(
    reference="IEA (2025), Global Critical Minerals Outlook: supply without the largest supplier, over demand",
    metric="n_minus_1_gross",
    score={"n_minus_1_gross": ">="},
)
def n_minus_1(
    m: Build, kappa: float = 0.5, product: Any = None, buyer: str | None = None, of: str = "deliveries"
) -> None:
    r"""Without any one supplier country, enough must be left.

    .. math:: Q - q_c \ge \kappa D \quad \forall c

    with :math:`q_c` what the plan takes from country :math:`c` (``deliveries``: makers and re-exporters there, as in the
    score by location), or what makers there could deliver, spare capacity, plants that are built and stocks included
    (``supply``). :math:`D` is what the buyers use: their need without what they pass on to others.

    Parameters
    ----------
    m : Build
        Given by the engine.
    kappa : float
        Part of the need that must be left, in [0, 1].
    product, buyer
        As in :func:`supplyrisk.portfolio.max_share`. For ``supply`` the group as a whole.
    of : {"deliveries", "supply"}
        What is counted.
    """
    kappa = number("kappa", kappa, 0.0, 1.0)
    if of not in ("deliveries", "supply"):
        raise unknown_name("supply", of, ("deliveries", "supply"), f"{m.spec!r}")
    if of == "supply":
        buyer = None
    markets = m.pick(product, buyer)
    use, inferred = _use(m)
    need = np.array([use[pools].sum() for *_, pools in markets], dtype=np.float64)
    spec = m.spec
    row: list[Any] = []
    col: list[Any] = []
    value: list[Any] = []
    lower: list[float] = []
    names: list[tuple[int, str]] = []
    gives: list[tuple[Any, Any, Any]] = []
    none = np.zeros(0, dtype=np.int64)
    by: Coordinates = (none, none, np.zeros(0))
    if of == "deliveries":
        names, own, lane, amount = by_place(m, markets)
        by = (own, lane, amount)
        row.append(own)
        col.append(lane)
        value.append(-amount)
        for r, (i, _) in enumerate(names):
            lanes = m.lanes_of(markets[i][3])
            lost = m.missed(markets[i][3])
            gone = lost[0][inferred[markets[i][3][lost[1]]]]  # use that is what arrives is less by what does not
            row.append(np.full(len(lanes) + len(gone), r))
            col += [lanes, gone]
            value += [np.ones(len(lanes)), np.full(len(gone), kappa)]
            lower.append(kappa * need[i])
            gives.append((np.full(len(gone), r), gone, np.ones(len(gone))))
    for i, (_, k, _, pools) in enumerate(markets if of == "supply" else []):
        lanes = m.lanes_of(pools)
        places = m.country[m.supplier[lanes]].astype(str)
        known = m.rationed[m.rationed_product == k]
        for c in sorted(set(places.tolist()) - set(NOBODY)):
            r = len(names)
            names.append((i, c))
            limit = m.availability[known]
            lower.append(kappa * need[i] - float(limit[m.country[known] != c].sum()))
            if m.projects is not None and m.candidates is not None:
                mine = (m.project_product == k) & (m.candidates.frame["country"].to_numpy(dtype=object) != c)
                row.append(np.full(int(mine.sum()), r))
                col.append(m.projects.at[mine])
                value.append(m.project_capacity[mine])
            if m.stock is not None and m.stock_known is not None:
                lower[-1] -= float(m.stock_known[pools].sum())
                row.append(np.full(len(pools), r))
                col.append(m.stock.at[pools])
                value.append(np.ones(len(pools)))

    def used(i: int) -> float:
        """What the buyers use in the solution that is spoken of."""
        if m.found is None:
            return float(need[i])
        pools = markets[i][3]
        lost = m.missed(pools)
        return float(need[i] - m.found[lost[0]] @ inferred[pools[lost[1]]]) if of == "deliveries" else float(need[i])

    def left(x: FloatArray) -> FloatArray:
        top = np.zeros(len(markets))
        np.maximum.at(top, at, summed(len(names), by, x))
        below = need.copy()
        for i, (*_, pools) in enumerate(markets):
            lost = m.missed(pools)
            below[i] -= float(x[lost[0]] @ inferred[pools[lost[1]]])
        return np.asarray(
            np.divide(arrived(m, markets, x) - top, below, out=np.full(len(below), np.nan), where=below > 0)
        )

    at = np.array([i for i, _ in names], dtype=np.int64)
    m.add_rows(
        "n_minus_1",
        len(names),
        np.concatenate([np.zeros(0, dtype=np.int64), *row]),
        np.concatenate([np.zeros(0, dtype=np.int64), *col]),
        np.concatenate([np.zeros(0), *value]),
        lower=lower,
        scale=np.where(need[at] > 0, need[at], 1.0),
        keys=lambda: [(markets[i][0], markets[i][2], c) for i, c in names],
        say=lambda r: f"{spec!r}: {of} for {where(markets[names[r][0]])} without {names[r][1]} at least {kappa:.1%}",
        say_dual=lambda r, d: (
            f"one point more of {where(markets[names[r][0]])} covered without {names[r][1]} costs "
            f"{money(d * 0.01 * used(names[r][0]))} a year"
        ),
        say_relax=lambda r, a: (
            f"{spec!r} would have to be content with "
            f"{down(kappa - a)} without {names[r][1]} in {where(markets[names[r][0]])}"
        ),
        slope=(
            *(np.concatenate([none, *x]) for x in zip(*(gives or [(none, none, np.zeros(0))]), strict=True)),
            need[at],
        ),
        pools=lambda r: markets[names[r][0]][3],
        reading=Reading("n_minus_1_gross", ">=", kappa, markets, left) if of == "deliveries" else None,
    )


@constraint(
    reference="definition of this library: what a plan of de-risking keeps",
    metric="focal_share",
    score={"focal_share": ">="},
)
def no_decoupling(
    m: Build,
    focal: Any = "CHN",
    floor: float = 0.2,
    view: str = "location",
    product: Any = None,
    buyer: str | None = None,
) -> None:
    r"""Keep at least a part of the supply from the focal: lessen the dependence, do not cut the tie.

    .. math:: \sum_{u,b} s_u\, x_{ub} \ge \phi\, Q

    Its dual is what keeping one point of the tie costs.

    Parameters
    ----------
    m : Build
        Given by the engine.
    focal : str or tuple of str
        As everywhere.
    floor : float
        Least share :math:`\phi`, in [0, 1]. An unknown share counts as none.
    view : {"location", "equity", "control", "origin"}
        Which share.
    product, buyer
        As in :func:`supplyrisk.portfolio.max_share`.
    """
    floor = number("floor", floor, 0.0, 1.0)
    if view not in VIEWS:
        raise unknown_name("view", view, VIEWS, f"{m.spec!r}")
    places = scope(focal, m.graph)
    name = focal if isinstance(focal, str) else "+".join(places)
    s = np.nan_to_num(m.shares(places, view).value)
    markets = m.pick(product, buyer)
    from .lookthrough import todays_mixes  # which itself builds on this module

    todays_mixes(m, view, markets)
    need = needs(m, markets)
    row, col, value = m.share_rows(markets, floor, s[m.supplier])
    on = m.share_rows(markets, 1.0, s[m.supplier])
    if view != "equity":
        own = relayed(m, markets, s, places if view != "location" else None)
        row, col, value = (np.concatenate([a, b]) for a, b in zip((row, col, value), own, strict=True))
        on = joined(on, own)

    def part(x: FloatArray) -> FloatArray:
        got = arrived(m, markets, x)
        amount = summed(len(markets), on, x)
        return np.asarray(np.divide(amount, got, out=np.full(len(got), np.nan), where=got > 0))

    spec = m.spec
    m.add_rows(
        "no_decoupling",
        len(markets),
        row,
        col,
        value,
        lower=floor * need,
        scale=np.where(need > 0, need, 1.0),
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        say=lambda i: f"{spec!r}: share of {name} ({view}) in {where(markets[i])} at least {floor:.2%}",
        say_dual=lambda i, d: (
            f"keeping one point more {name} share ({view}) in {where(markets[i])} costs "
            f"{money(d * 0.01 * m.arriving(markets[i][3]))} a year"
        ),
        say_relax=lambda i, a: f"{spec!r} would have to be content with {down(floor - a)} in {where(markets[i])}",
        slope=part_of_arrivals(m, markets),
        pools=lambda i: markets[i][3],
        reading=Reading("focal_share", ">=", floor, markets, part, view, places),
    )


def attribute_of(m: Build, indicator: Any) -> tuple[str, dict[str, float]]:
    if not isinstance(indicator, str):
        example = 'Write {"AUS": 0.9, "CHN": 0.4}, or the name of an indicator.'
        return "your figures", figures(m.spec, "indicator", indicator, example)
    frame = m.graph.tables["countries"]
    known = frame["indicator"].astype(str)
    if not (known == indicator).any():
        raise unknown_name("indicator", indicator, sorted(set(known)), f"the countries table, asked by {m.spec!r}")
    mine = frame[(known == indicator).to_numpy()].sort_values("year", kind="stable").dropna(subset=["value"])
    last = mine.drop_duplicates("country", keep="last")
    return indicator, dict(zip(last["country"].astype(str), last["value"].astype(float), strict=True))


@constraint(
    reference="weighted mean of a country attribute, as in the supply risk of the European Commission (2017)",
    metric="attribute_mean",
)
def governance_floor(
    m: Build,
    indicator: str | Mapping[str, float],
    floor: float,
    product: Any = None,
    buyer: str | None = None,
    least: bool = True,
) -> None:
    r"""Keep the supply-weighted mean of a country attribute above a floor (or below a ceiling).

    .. math:: \sum_{u,b} (g_{c(u)} - \gamma)\, x_{ub} \ge 0

    A linear form of :math:`\sum_c s_c g_c \ge \gamma`, whatever the total. Governance, labour standards, emissions per
    unit: any number that belongs to a country.

    Parameters
    ----------
    m : Build
        Given by the engine.
    indicator : str or mapping
        Indicator of the ``countries`` table (newest year), or figures by ISO3.
    floor : float
        Least mean :math:`\gamma`, in the attribute's own unit.
    product, buyer
        As in :func:`supplyrisk.portfolio.max_share`.
    least : bool
        False turns it into a ceiling, for attributes where less is better.

    Raises
    ------
    SchemaError
        A supplier country without the attribute: missing is not zero.
    """
    floor = number("floor", floor, -np.inf)
    name, of = attribute_of(m, indicator)
    markets = m.pick(product, buyer)
    spec = m.spec
    lanes = [m.lanes_of(x[3]) for x in markets]
    col = np.concatenate(lanes)
    row = np.repeat(np.arange(len(markets)), [len(x) for x in lanes])
    country = m.country[m.supplier[col]].astype(str)
    offered = m.flow.upper[col] > 0
    lost = sorted(set(country[offered].tolist()) - set(of))
    if lost:
        unknown = f"{name} is unknown" if isinstance(indicator, str) else "has no figure"
        raise SchemaError(
            [
                Problem("countries", c, "value", f"{unknown}, and the plan may buy there", "", "Give it a value.")
                for c in lost
            ],
            f"{spec!r}",
        )
    g = np.array([of.get(c, floor) for c in country.tolist()])
    sign = 1.0 if least else -1.0
    need = needs(m, markets)
    spread = float(np.max(np.abs(g - floor), initial=0.0)) or 1.0
    words = "at least" if least else "at most"
    m.add_rows(
        "governance",
        len(markets),
        row,
        col,
        sign * (g - floor),
        lower=0.0,
        scale=np.where(need > 0, need, 1.0) * spread,
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        say=lambda i: f"{spec!r}: mean of {name} in {where(markets[i])} {words} {floor:g}",
        say_dual=lambda i, d: (
            f"{0.01 * spread:.3g} {'more' if least else 'less'} in the mean of {name} in {where(markets[i])} costs "
            f"{money(d * 0.01 * spread * m.arriving(markets[i][3]))} a year"
        ),
        say_relax=lambda i, a: (
            f"{spec!r} would have to be content with {(below if least else above)(floor - sign * a)} in {where(markets[i])}"
        ),
        slope=(row, col, -np.ones(len(col)), np.zeros(len(markets))),
        pools=lambda i: markets[i][3],
    )


@constraint(reference="proportional and stand-alone bounds of cost sharing (Moulin, 1988)", metric="burden")
def equal_burden(m: Build, times: float = 1.0, against: str | Mapping[str, float] = "share") -> None:
    r"""No member pays more than a multiple of its fair part of what the plan costs above today.

    With :math:`e_b` the cost of member :math:`b`'s deliveries, stock, substitutes and unmet need above today's,

    .. math:: e_b \le \tau\, w_b \sum_k e_k \quad (\texttt{share}), \qquad
        e_b \le \tau\, C_b \quad (\text{figures by member})

    where :math:`w_b` is the member's part of today's cost and :math:`C_b` e.g. what it would pay on its own
    (:func:`supplyrisk.portfolio.stand_alone`). Plants are paid for jointly, by need, so that they burden all alike.

    Parameters
    ----------
    m : Build
        Given by the engine.
    times : float
        Multiple :math:`\tau`, at least 0. Below 1 with ``share`` only a plan without extra cost is left.
    against : "share" or mapping
        Proportional to today's cost, or USD a year by ISO3.
    """
    times = number("times", times, 0.0)
    members = sorted(set(m.pool_country.tolist()))
    case = m.case
    yearly = m.lane_cost * m.period[m.lane_product]
    lanes = np.arange(m.n_lanes)
    own = np.array([members.index(c) for c in m.pool_country])
    keep = m.lever == "keep"
    today = np.bincount(own[m.pool[keep]], case.base * yearly[keep], len(members))
    col, row, value = [lanes], [own[m.pool]], [yearly]
    if m.shortfall is not None and m.shortfall_price is not None:
        col.append(m.shortfall.at)
        row.append(own)
        value.append(np.nan_to_num(m.shortfall_price) * m.period[case.pool_product])
    for relief in m.reliefs:
        col.append(relief.at)
        row.append(own[relief.pool])
        value.append(relief.cost * m.period[case.pool_product[relief.pool]])
    for outlay in m.outlays:
        if outlay.pool is not None:  # a member's own stock
            col.append(outlay.col)
            row.append(own[outlay.pool])
            value.append(outlay.usd)
    c, r, v = np.concatenate(col), np.concatenate(row), np.concatenate(value)
    n, spec = len(members), m.spec
    total = float(today.sum())
    whole = max(total, 1.0)
    if isinstance(against, str):
        if against != "share":
            raise unknown_name("burden", against, ("share",), f"{spec!r}")
        w = today / total if total > 0 else np.full(n, 1.0 / n)
        full = np.concatenate([r, np.tile(np.arange(n), len(c))])
        cols = np.concatenate([c, np.repeat(c, n)])
        vals = np.concatenate([v, (-times * w[None, :] * v[:, None]).ravel()])
        upper, fair = today - times * w * total, w * total
    else:
        example = 'Write "share", or USD a year of every buyer, {"JPN": 2e6, "USA": 3e6}.'
        given = figures(spec, "against", against, example)
        lacking = [b for b in members if b not in given]
        if lacking:
            what = "has no figure of its own, and the plan buys for it"
            raise SchemaError([Problem("equal_burden", b, "against", what, "", example) for b in lacking], f"{spec!r}")
        full, cols, vals = r, c, v
        upper = today + times * np.array([given[b] for b in members])
        fair = np.maximum(today, np.abs(upper))
    m.add_rows(
        "equal_burden",
        n,
        full,
        cols,
        vals,
        upper=upper,
        scale=np.where(fair > 0, fair, whole),
        keys=lambda: members,
        say=lambda i: f"{spec!r}: what {members[i]} pays above today at most {times:g} times its fair part",
        say_dual=lambda i, d: f"one more USD a year asked of {members[i]} saves the group {money(-d)} a year",
        say_relax=lambda i, a: f"{spec!r} would have to let {members[i]} pay {most(a * whole)} a year more",
        slope=(col[0][:0], col[0][:0], np.zeros(0), np.full(n, whole)),  # USD, whatever the size of a member
        pools=lambda i: np.flatnonzero(own == i),
    )

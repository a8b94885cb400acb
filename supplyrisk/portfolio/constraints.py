"""What a plan must respect. Each constraint is one decorated function; its docstring holds the maths."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import Problem, SchemaError, unknown_name
from ..jurisdictions import scope
from ..registry import constraint
from ..schema import VIEWS
from .amounts import most
from .held import Held, used_share
from .levers import NOBODY
from .lookthrough import book_origin, follow_mixes, protect, which_mixes
from .model import GROUP, Build, money, number
from .readings import Coordinates, Reading, arrived, joined, part_of_arrivals, summed
from .senders import by_place, relayed
from .views import cap_part

__all__ = ["budget", "max_share", "max_supplier_share", "min_suppliers"]


def up(part: float) -> str:
    """A part that is certainly possible as a cap, in percent: rounded up."""
    return f"{min(np.ceil(part * 1e4 - 1e-6) / 1e4, 1.0):.2%}"


def _part(amount: Any, whole: Any) -> Any:
    """A part of what arrives; NaN where nothing does."""
    return np.divide(amount, whole, out=np.full(len(whole), np.nan), where=whole > 0)


@constraint(
    reference="linear form of CR1 <= theta; view shares as in supplyrisk.control and supplyrisk.exposure",
    metric="focal_share",
    score={"focal_share": "<="},
)
def max_share(
    m: Build,
    focal: Any = "CHN",
    cap: float = 0.65,
    view: str = "location",
    product: Any = None,
    buyer: str | None = None,
    worst: bool = False,
    gamma: float | None = None,
    hazard: float = 0.0,
    mixing: str | None = None,
    rule: str = "majority",
) -> None:
    r"""Cap the focal's share of what the buyers get, by any view.

    .. math:: \sum_{u,b} s_u\, x_{ub} \le \theta \sum_b D_b

    with :math:`s_u` the focal share of supplier :math:`u` in the view (1 in ``location`` if it stands in the focal; the
    looked-through equity, the part the focal can stop, or the traced exposure in the others) and :math:`D_b` the need.
    Where need stays unmet or is substituted, the cap is on the share of what arrives.

    Whose a delivery is, is what the score says of the plan's graph. By location it is the sender's, a re-exporter
    included, so that a cap by location can be met by goods that the focal made and a third country passes on: cap
    control, equity or origin to see through it. By control and origin a re-exporter counts as its makers do, unless it
    stands in the focal, which can then stop it. Goods count where they enter the group, whichever members they pass
    through; re-exports whose mix the plan can change are replaced by deliveries from where they come
    (:mod:`supplyrisk.portfolio.senders`). :attr:`Portfolio.readings` shows both numbers.

    Over several periods goods count in the period in which they are used: what is drawn from stock counts with the part of
    the focal in what filled it (:mod:`supplyrisk.portfolio.held`); with ``gamma``, ``proportional`` mixes and mass balance
    in that in which they are bought.

    Robust to share intervals with a budget of uncertainty (Bertsimas and Sim, 2004): at most :math:`\Gamma` suppliers
    are as far from their value as their upper bound :math:`s_u + \delta_u` (a fraction counts in part),

    .. math:: \sum_u s_u X_u + \Gamma z + \sum_u p_u \le \theta D, \quad z + p_u \ge \delta_u X_u, \quad z, p \ge 0

    so that 0 is the value and as many as there are suppliers is ``worst``.

    Parameters
    ----------
    m : Build
        Given by the engine.
    focal : str or tuple of str
        Country, scope preset, coalition of the graph (its members of the day), or several of these.
    cap : float
        Greatest share, in [0, 1].
    view : {"location", "equity", "control", "origin"}
        Which share.
    product : str or tuple of str, optional
        Default: every product in scope, each by itself.
    buyer : str, optional
        ISO3 of one buyer, ``"each"`` for every buyer by itself; default the group as a whole.
    worst : bool
        Cap the upper bound of the share (unknown owners may all be focal), not the value.
    gamma : float, optional
        Budget of uncertainty :math:`\Gamma`, at least 0.
    hazard : float
        Probability, in [0, 1], that a plant the plan builds is bought by the focal: so much of what is not the focal's
        counts as its own (Ngualla was sold to a Chinese group in 2025). In the views of ownership.
    mixing : {"today", "proportional", "mass_balance"}, optional
        For ``origin``. Default: at today's upstream mixes where the plan cannot change them, so that they are exact, and
        at those that it leads to where planned products feed one another; the plan's notes say which. ``proportional``:
        at the mixes that the plan itself leads to (bilinear; solved by successive linearisation, to the plan's ``.gap``
        from a relaxation, :mod:`supplyrisk.portfolio.mixing`; without ``gamma``). ``today``: linear whatever the plan
        changes; :attr:`Portfolio.readings` shows what the score finds then. Or booked by mass balance, where
        focal-free inputs may be led to where they free most (linear, see :func:`supplyrisk.portfolio.focal_free`; goes
        without ``worst``, ``gamma``, ``hazard`` and ``rule``).
    rule : {"majority", "aggregate", "creditor"}
        What counts as control in the view ``control``. ``majority``, the default: one focal holder, or a group that it
        leads, with more than half of the votes. ``aggregate``: all focal holders and their groups added up. Neither counts
        what is no ownership: a plant that runs on the focal's technology, finance, offtake or operator and is owned by
        others counts as nothing, and the plan's notes name the suppliers of whom such holdings are on record. Under
        ``creditor`` it is the focal's by that part, whoever owns it. The plan's tables show the share by this rule beside that by
        majority, as view ``control, creditor``.
    """
    cap = number("cap", cap, 0.0, 1.0)
    if view not in VIEWS:
        raise unknown_name("view", view, VIEWS, f"{m.spec!r}")
    places = scope(focal, m.graph)
    name = focal if isinstance(focal, str) else "+".join(places)
    shares = m.shares(places, view, rule)
    if mixing not in (None, "today", "proportional", "mass_balance"):
        raise unknown_name("mixing", mixing, ("today", "proportional", "mass_balance"), f"{m.spec!r}")
    if mixing not in (None, "today") and view != "origin":
        raise unknown_name("view", view, ("origin",), f"{m.spec!r} with mixing={mixing!r}")
    if mixing == "mass_balance":
        asked = {"worst": worst, "gamma": gamma is not None, "hazard": hazard != 0.0, "rule": rule != "majority"}
        if any(asked.values()):
            names = ", ".join(k for k, on in asked.items() if on)
            text = f"{names}: mass balance books whole flows by where nodes stand and knows no such thing"
            hint = "Leave it out, or use mixing='today' (worst, gamma), or another view (hazard, rule)."
            raise SchemaError([Problem("constraint", "-", "mixing", text, repr(m.spec), hint)], "the plan")
        book_origin(m, places, name, cap, product, buyer)
        return
    if view == "origin":
        mixing = which_mixes(m, mixing, m.pick(product, buyer), gamma is not None)
    hazard = number("hazard", hazard, 0.0, 1.0)
    plain, s = cap_part(m, places, view, rule, worst), cap_part(m, places, view, rule, worst, hazard)
    markets = m.pick(product, buyer)
    need = np.array([m.case.need[pools].sum() for *_, pools in markets])
    weight = s[m.supplier]
    own = relayed(m, markets, s, places if view != "location" else None) if view != "equity" else None
    row, col, value = m.share_rows(markets, cap, weight)
    if own is not None:
        row, col, value = (np.concatenate([a, b]) for a, b in zip((row, col, value), own, strict=True))
    on: Coordinates = m.share_rows(markets, 1.0, plain[m.supplier])  # the bare share: no need that is missed, no hazard
    if own is not None:
        on = joined(on, own)
    stocks: Held | None = None
    if gamma is None and mixing != "proportional":
        (row, col, value), stocks = used_share(
            m, markets, s, (row, col, value), places if view != "location" else None, view
        )
    kind = f"{view}, worst case" if worst else view if rule == "majority" else f"{view}, {rule}"

    def where(i: int) -> str:
        p, _, b, _ = markets[i]
        return f"{p} for {'the group' if b == GROUP else b}"

    def relax(i: int, amount: float) -> str:
        return f"{m_spec!r} would have to allow at least {up(cap + amount)} in {where(i)}"

    def used(x: Any) -> tuple[Any, Any]:
        nothing = np.zeros(len(markets))
        return (nothing, nothing) if stocks is None else stocks.used(len(markets), x)

    def drawn(i: int) -> float:
        return 0.0 if m.found is None else float(used(m.found)[1][i])

    none = np.zeros(0, dtype=np.int64)
    m_spec = m.spec
    if gamma is not None:
        high = np.fmax(np.nan_to_num(shares.high, nan=1.0), s)
        more = protect(m, markets, s, high, number("gamma", gamma, 0.0), own)
        row, col, value = (np.concatenate([a, b]) for a, b in zip((row, col, value), more, strict=True))
    block = m.add_rows(
        "max_share",
        len(markets),
        row,
        col,
        value,
        upper=cap * need,
        scale=np.where(need > 0, need, 1.0),
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        say=lambda i: f"{m_spec!r}: share of {name} ({kind}) in {where(i)} at most {cap:.2%}",
        say_dual=lambda i, d: (
            f"one point less {name} share ({kind}) in {where(i)} costs "
            f"{money(-d * 0.01 * (m.arriving(markets[i][3]) + drawn(i)))} a year"
        ),
        say_relax=relax,
        slope=part_of_arrivals(m, markets, none if stocks is None else stocks.drawn),
        pools=lambda i: markets[i][3],
        reading=Reading(
            "focal_share",
            "<=",
            cap,
            markets,
            lambda x: _part(summed(len(markets), on, x) + used(x)[0], arrived(m, markets, x) + used(x)[1]),
            view,
            places,
            rule,
            worst,
            follows=mixing == "proportional",
            stock=used if stocks is not None else None,
        ),
    )
    if mixing == "proportional":
        follow_mixes(m, block, places, markets, worst)


@constraint(reference="linear form of CR1 <= theta for every supplier country", metric="cr1", score={"cr1": "<="})
def max_supplier_share(m: Build, cap: float = 0.65, product: Any = None, buyer: str | None = None) -> None:
    r"""Cap the share of every single supplier country, whichever it is.

    .. math:: \sum_{u \in c,\, b} x_{ub} \le \theta \sum_b D_b \quad \forall c

    A country supplies what its makers and its re-exporters send, as in the score by location. The unlisted rest of
    the world is no supplier and has no cap.

    Parameters
    ----------
    m : Build
        Given by the engine.
    cap : float
        Greatest share of any country, in [0, 1]. Benchmark of Regulation (EU) 2024/1252: 0.65 from one third country.
    product, buyer
        As in :func:`max_share`.
    """
    cap = number("cap", cap, 0.0, 1.0)
    markets = m.pick(product, buyer)
    names, row, col, value = by_place(m, markets)
    of = np.array([i for i, _ in names], dtype=np.int64)
    need = np.array([m.case.need[markets[i][3]].sum() for i, _ in names])
    spec, plain, named = m.spec, (row, col, value), len(names)

    def largest(x: Any) -> Any:
        top = np.zeros(len(markets))
        np.maximum.at(top, of, summed(named, plain, x))
        return _part(top, arrived(m, markets, x))

    lost = [m.missed(x[3])[0] for x in markets]
    if any(len(c) for c in lost):  # what stays unmet lessens the whole
        for r, i in enumerate(of.tolist()):
            row = np.concatenate([row, np.full(len(lost[i]), r)])
            col = np.concatenate([col, lost[i]])
            value = np.concatenate([value, np.full(len(lost[i]), cap)])

    def where(r: int) -> str:
        p, _, b, _ = markets[names[r][0]]
        return f"{p} for {'the group' if b == GROUP else b}"

    m.add_rows(
        "max_supplier_share",
        len(names),
        row,
        col,
        value,
        upper=cap * need,
        scale=np.where(need > 0, need, 1.0),
        keys=lambda: [(markets[i][0], markets[i][2], c) for i, c in names],
        say=lambda r: f"{spec!r}: share of {names[r][1]} in {where(r)} at most {cap:.2%}",
        say_dual=lambda r, d: (
            f"one point less share of {names[r][1]} in {where(r)} costs "
            f"{money(-d * 0.01 * m.arriving(markets[names[r][0]][3]))} a year"
        ),
        say_relax=lambda r, a: f"{spec!r} would have to allow {names[r][1]} at least {up(cap + a)} in {where(r)}",
        slope=part_of_arrivals(m, [markets[i] for i, _ in names]),
        pools=lambda r: markets[names[r][0]][3],
        reading=Reading("cr1", "<=", cap, markets, largest),
    )


def _by_maker(m: Build, markets: Any) -> tuple[list[tuple[int, str]], Any, Any, Any]:
    """What each market gets by maker; the unlisted rest and pools whose own supply is unknown are none."""
    kind = m.graph.index.nodes["kind"].to_numpy(dtype=object)
    row, col = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    pair: list[tuple[int, str]] = []
    for i, (_, _, _, pools) in enumerate(markets):
        lanes = m.lanes_of(pools)
        lanes = lanes[(kind[m.supplier[lanes]] == "producer") & ~np.isin(m.country[m.supplier[lanes]], NOBODY)]
        names, code = np.unique(m.node[m.supplier[lanes]].astype(str), return_inverse=True)
        row.append(code + len(pair))
        col.append(lanes)
        pair += [(i, str(c)) for c in names]
    at = np.concatenate(col)
    return pair, np.concatenate(row), at, np.ones(len(at))


@constraint(
    reference="number of suppliers with a minimum part; definition of this library",
    metric="n_suppliers",
    score={"n_suppliers": ">="},
)
def min_suppliers(
    m: Build, n: int = 3, min_part: float = 0.05, product: Any = None, buyer: str | None = None, of: str = "country"
) -> None:
    r"""Require a number of suppliers that each deliver a minimum part.

    .. math:: \sum_{u \in c,\, b} x_{ub} \ge \mu D\, z_c, \qquad \sum_c z_c \ge n, \qquad z_c \in \{0, 1\}

    A country supplies what its makers and its re-exporters send, as in the score by location; the unlisted rest of
    the world does not count. By ``producer`` only makers count.

    Parameters
    ----------
    m : Build
        Given by the engine.
    n : int
        How many suppliers at least.
    min_part : float
        Part :math:`\mu` of the need that makes a supplier count, in (0, 1].
    product, buyer
        As in :func:`max_share`. A market without any need is left alone.
    of : {"country", "producer"}
        What counts as one supplier.
    """
    n = int(number("n", n, 0.0))
    min_part = number("min_part", min_part, 0.0, 1.0, open_low=True)
    if of not in ("country", "producer"):
        raise unknown_name("supplier kind", of, ("country", "producer"), f"{m.spec!r}")
    if n * min_part > 1.0 + 1e-12:
        raise SchemaError(
            [
                Problem(
                    "parameter",
                    "-",
                    "min_part",
                    f"{n} suppliers of at least {min_part:.0%} each are more than the whole",
                    repr(min_part),
                    f"At most {1 / n:.4g} is possible for {n} suppliers.",
                )
            ],
            "the plan",
        )
    markets = [x for x in m.pick(product, buyer) if m.case.need[x[3]].sum() > 0]
    spec = m.spec
    pair, row, col, value = by_place(m, markets) if of == "country" else _by_maker(m, markets)
    need = np.array([m.case.need[x[3]].sum() for x in markets])
    market = np.array([i for i, _ in pair], dtype=np.int64)
    keys = [(markets[i][0], markets[i][2], c) for i, c in pair]
    counts = m.matrix.add_columns(
        "counts", len(pair), upper=1.0, integer=True, keys=lambda: keys, meaning="1 = counts as a supplier"
    )
    k = len(pair)

    def number_of(x: Any) -> Any:
        enough = summed(k, (row, col, value), x) >= min_part * arrived(m, markets, x)[market] * (1.0 - 1e-7)
        return np.bincount(market, enough, len(markets)).astype(np.float64)

    def where(i: int) -> str:
        p, _, b, _ = markets[i]
        return f"{p} for {'the group' if b == GROUP else b}"

    m.add_rows(
        "min_part",
        k,
        np.concatenate([row, np.arange(k)]),
        np.concatenate([col, counts.at]),
        np.concatenate([value, -min_part * need[market]]),
        lower=0.0,
        scale=need[market],
        keys=lambda: keys,
        say=lambda r: f"{spec!r}: {pair[r][1]} counts in {where(pair[r][0])} only from {min_part:.1%} on",
        pools=lambda r: markets[pair[r][0]][3],
    )
    m.add_rows(
        "min_suppliers",
        len(markets),
        market,
        counts.at,
        np.ones(k),
        lower=float(n),
        reading=Reading("n_suppliers", ">=", float(n), markets, number_of, least=min_part) if of == "country" else None,
        keys=lambda: [(p, b) for p, _, b, _ in markets],
        say=lambda i: f"{spec!r}: at least {n} suppliers ({of}) of {min_part:.1%} or more in {where(i)}",
        say_relax=lambda i, a: f"{spec!r} would have to ask for at most {int(np.floor(n - a + 1e-6))} in {where(i)}",
        pools=lambda i: markets[i][3],
    )


@constraint(reference="linear", metric="spending")
def budget(m: Build, usd: float, of: str = "capex") -> None:
    r"""Limit what the plan may spend.

    .. math:: \sum_j I_j y_j \le B \quad\text{or}\quad
        \sum_{u,b} c_u x_{ub} + \sum_j a_j y_j \le B \;(+\; \text{cost today for } \texttt{extra})

    Over several periods the capital is that which is spent in each of them, :math:`\sum_{j,s} I_j \phi_{j,t-s} y_{js}`,
    with :math:`\phi` the part of the outlay that falls so long after the decision: evenly until the first output, or by
    the stages of the project (:attr:`HorizonPlan.spending`).

    Parameters
    ----------
    m : Build
        Given by the engine.
    usd : float
        Limit :math:`B`, at least 0.
    of : {"capex", "cost", "extra"}
        Capital outlay of the projects built; the plan's cost a year; that cost above today's deliveries at their cost.
    """
    usd = number("usd", usd, 0.0)
    if of not in ("capex", "cost", "extra"):
        raise unknown_name("budget", of, ("capex", "cost", "extra"), f"{m.spec!r}")
    spec = m.spec
    if of == "capex":
        built = m.projects is not None and m.candidates is not None
        value = m.candidates.frame["capex"].to_numpy(dtype=float) if built and m.candidates else np.zeros(0)
        col = m.projects.at if built and m.projects else np.zeros(0, dtype=np.int64)
        limit = usd
        if built and m.periods is not None:
            if m.spent is None:
                m.spent = m.matrix.add_columns(
                    "capex_spent", 1, scale=max(float(value.max(initial=0.0)), 1.0), meaning="capital spent, USD"
                )
            col, value = m.spent.at, np.ones(1)
    else:
        col, value = m.yearly_cost()
        limit = usd + (m.cost_today if of == "extra" else 0.0)
    words = {"capex": "capital outlay", "cost": "cost a year", "extra": "cost a year above today's"}[of]
    scale = max(limit, float(np.max(np.abs(value), initial=0.0)), 1.0)
    m.add_rows(
        "budget",
        1,
        np.zeros(len(col), dtype=np.int64),
        col,
        value,
        upper=limit,
        scale=scale,
        keys=lambda: [of],
        say=lambda i: f"{spec!r}: {words} at most {money(usd)}",
        say_dual=lambda i, d: f"one more USD of {words} allowed saves {money(-d)} a year",
        say_relax=lambda i, a: f"{spec!r} would have to allow at least {most(usd + a)}, {most(a)} more",
    )

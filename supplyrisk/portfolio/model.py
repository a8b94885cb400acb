"""``Build``: the model while it is being stated. Levers add decisions, constraints add rows, objectives add costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, UnknownNameError, unknown_name
from ..graph import SupplyGraph
from .amounts import in_unit, money
from .asked import number, require_any
from .calendar import Period
from .candidates import Candidates
from .economics import supply_costs
from .matrix import Columns, Matrix, Rows, held
from .scenarios import LaneCut, Scenarios, lane_cuts, lane_factors
from .supply import Case, Gap
from .views import NodeShares, node_shares

__all__ = ["GROUP", "Build", "Lane", "Outlay", "Relief"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]
# How the group as a whole is called where a buyer's name stands.
GROUP = "group"
# Part of a sum that is not asked for: little more than the rounding of its terms.
_ROUNDING = 1e-6
YEAR = {"year": 1.0, "month": 12.0}


@dataclass(frozen=True, eq=False)
class Lane:
    """Deliveries that a lever offers: who, to which pool, how much at most, at what cost."""

    lever: str
    supplier: IntArray
    pool: IntArray
    upper: FloatArray
    cost: FloatArray
    grade: TextArray
    project: IntArray


@dataclass(frozen=True, eq=False)
class Relief:
    """Need that a lever takes away instead of meeting it: by pool, how much at most, at what cost a unit."""

    lever: str
    pool: IntArray
    upper: FloatArray
    cost: FloatArray
    columns: list[Columns] = field(default_factory=list)
    # What the plan takes out of its stock; below 0 where it puts by. Scenarios have a stock of their own.
    stock: bool = False
    # Need that the plan's own production adds (tiers.py): at most 0.
    made: bool = False

    @property
    def at(self) -> IntArray:
        """Column numbers, once the model is frozen."""
        return self.columns[0].at


@dataclass(frozen=True, eq=False)
class Outlay:
    """Columns that cost money beside deliveries, plants and unmet need: USD a year of a unit, by product (and pool)."""

    item: str
    col: IntArray
    usd: FloatArray
    product: IntArray
    pool: IntArray | None = None


@dataclass(eq=False)
class Build:
    """What levers, constraints and objective terms are given: the case, the lanes, the matrix, the live Pyomo model.

    Attributes
    ----------
    case : Case
        Needs and present supply.
    graph : SupplyGraph
        The graph with a node for every candidate project.
    lanes : list of Lane
        Blocks of deliveries, filled by the levers; after :meth:`freeze` their flows are columns ``0 .. n_lanes-1``.
    matrix : Matrix
        Columns and rows stated so far.
    scenarios : Scenarios, optional
        Names, probabilities and measures; :attr:`factors` is what they leave of each lane's deliveries.
    """

    case: Case
    utilisation: float = 1.0
    horizon: int | None = None
    matrix: Matrix = field(default_factory=Matrix)
    lanes: list[Lane] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    availability: FloatArray = field(default_factory=lambda: np.zeros(0))
    availability_parts: dict[str, FloatArray] = field(default_factory=dict)
    candidates: Candidates | None = None
    projects: Columns | None = None
    project_label: list[str] = field(default_factory=list)
    project_product: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    project_capacity: FloatArray = field(default_factory=lambda: np.zeros(0))
    project_annuity: FloatArray = field(default_factory=lambda: np.zeros(0))
    project_offered: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    shortfall_price: FloatArray | None = None
    shortfall: Columns | None = None
    scenarios: Scenarios | None = None
    losses: Columns | None = None
    user_blocks: set[str] = field(default_factory=set)
    # What the user changed of ours in the live model, in words; by column, bounds that were set (arrays.py).
    edits: list[str] = field(default_factory=list)
    limits: dict[int, Any] = field(default_factory=dict)
    reliefs: list[Relief] = field(default_factory=list)
    outlays: list[Outlay] = field(default_factory=list)
    # What levers state once the lanes have their columns.
    later: list[Callable[[], None]] = field(default_factory=list)
    # Levers that offer more of what others offer already: carried out last, by name, whatever their order.
    last: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    # Levers that can be given once only, and what a path of supply leaves of each node's output.
    given: set[str] = field(default_factory=set)
    supply_factor: Any = 1.0
    # Called with the model and each solution; True where it moved the model, which is then solved again.
    refine: list[Callable[[Any, FloatArray], bool]] = field(default_factory=list)
    # Rows that follow the mixes (lookthrough.py), plans they are linearised around, members let go; rounds, and what is missed.
    movers: list[Any] = field(default_factory=list)
    before: dict[str, list[FloatArray]] = field(default_factory=dict)
    off: dict[str, set[int]] = field(default_factory=dict)
    mixed: tuple[int, float] | None = None
    raised: list[tuple[IntArray, IntArray]] = field(default_factory=list)
    # Over several periods (periods.py): all of them, the one that is being stated, and what ties them together.
    periods: tuple[Period, ...] | None = None
    here: Period | None = None
    # Need of each pool over today's, where it changes.
    grown: FloatArray | None = None
    # What is needed beside it, and the model stated again with such nudges (marginal.py).
    added: FloatArray | None = None
    anew: Callable[[Any], Any] | None = None
    # Set by whoever asks what time it is: the next period is then stated anew.
    dated: bool = False
    across: list[Callable[[Any], None]] = field(default_factory=list)
    # Columns and rows that stand once for all periods; columns of which the cost is not discounted.
    once: set[str] = field(default_factory=set)
    undiscounted: set[str] = field(default_factory=set)
    # Columns and coefficients of terms that are not minimised but traced (frontier.py).
    aims: list[tuple[Any, Any]] = field(default_factory=list)
    # Expansions: candidate number and that of the plant it stands on.
    expands: list[tuple[int, int]] = field(default_factory=list)
    # Years and USD of each stage, by candidate number.
    stages: dict[int, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    # Years that each candidate slips, and by block of rows: a year, the candidates it is for, which never make it.
    slip: FloatArray | None = None
    deadlines: dict[str, tuple[float, IntArray, Any]] = field(default_factory=dict)
    reroute: float | None = None
    # Lanes that can be used once a scenario has come, and the scenario of each (recourse.py).
    rerouted: tuple[IntArray, IntArray] = field(
        default_factory=lambda: (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    )
    # Capital spent in a period, where a constraint asks for it.
    spent: Columns | None = None
    # What makers draw of planned inputs for output beyond today's (tiers.py).
    draws: Any = None
    # What is known of stocks that are carried over (held.py).
    tracked: dict[str, Any] = field(default_factory=dict)
    stock: Columns | None = None
    stock_known: FloatArray | None = None
    # Kept re-exports (senders.py): by product, their nodes, products of which buyers are looked at one by one.
    sent: dict[int, Any] = field(default_factory=dict)
    still: set[int] = field(default_factory=set)
    apart: set[int] = field(default_factory=set)
    settling: bool = False
    spec: Any = None
    # Aims that are parts of what arrives: columns that lessen it, in parts of the need, by the term's words.
    over: dict[str, tuple[IntArray, FloatArray]] = field(default_factory=dict)
    # The solution of which duals are told in words.
    found: FloatArray | None = None
    _shares: dict[tuple[Any, str], NodeShares] = field(default_factory=dict)
    _cuts: dict[tuple[bytes, bytes], list[list[LaneCut]]] = field(default_factory=dict)
    known: dict[Any, Any] = field(default_factory=dict)  # of today's links alone (senders.py)
    _model: Any = None

    # ------------------------------------------------------------------ what is known

    @property
    def graph(self) -> SupplyGraph:
        """The graph with candidate projects."""
        return self.case.graph if self.candidates is None else self.candidates.graph

    @cached_property
    def node(self) -> TextArray:
        """Ids of the nodes of ``graph.index``."""
        return self.graph.index.nodes["node"].to_numpy(dtype=object)

    @cached_property
    def country(self) -> TextArray:
        """Country of each node."""
        return self.graph.index.nodes["country"].to_numpy(dtype=object)

    @cached_property
    def unit(self) -> list[str]:
        """Unit of each product in scope."""
        own = self.graph.tables["products"].drop_duplicates("product").set_index("product")["unit"]
        return [str(own[p]) for p in self.case.products]

    @cached_property
    def period(self) -> FloatArray:
        """Periods a year of each product in scope: flows are per period, costs per year."""
        own = self.graph.tables["products"].drop_duplicates("product").set_index("product")["period"]
        return np.array([YEAR[str(own[p])] for p in self.case.products])

    @cached_property
    def pool_country(self) -> TextArray:
        """Country of each pool."""
        return np.asarray(self.case.graph.index.nodes["country"].to_numpy(dtype=object)[self.case.pool])

    def shares(self, focal: Any, view: str, rule: str = "majority") -> NodeShares:
        """Focal share of every node; computed once for each focal, view and rule of control."""
        key = (focal, view) if rule == "majority" else (focal, f"{view}, {rule}")
        if key not in self._shares:
            self._shares[key] = node_shares(self.graph, focal, view, rule)
        return self._shares[key]

    @cached_property
    def base_supplier(self) -> IntArray:
        """Makers of today's deliveries, as codes of ``graph.index``."""
        names = self.case.graph.index.nodes["node"].astype("object").to_numpy()[self.case.supplier]
        return self.graph.index.position.get_indexer(pd.Index(names, dtype=object)).astype(np.int64)

    @cached_property
    def pool_code(self) -> IntArray:
        """Pools as codes of ``graph.index``."""
        names = self.case.graph.index.nodes["node"].astype("object").to_numpy()[self.case.pool]
        return self.graph.index.position.get_indexer(pd.Index(names, dtype=object)).astype(np.int64)

    @property
    def now(self) -> Period | None:
        """The period that is being stated; None in a plan of one year."""
        self.dated = self.dated or self.here is not None
        return self.here

    @cached_property
    def factors(self) -> FloatArray:
        """What is left of each lane in each scenario in the period that is stated; shape (scenarios, lanes)."""
        assert self.scenarios is not None
        known = (self.supplier.tobytes(), self.pool.tobytes())
        if known not in self._cuts:
            names = [self.case.products[int(k)] for k in self.lane_product]
            self._cuts[known] = lane_cuts(self.graph, self.scenarios, self.supplier, self.pool_code[self.pool], names)
        cuts = self._cuts[known]
        moving = any(c.start is not None or c.end is not None for bundle in cuts for c in bundle)
        if moving and self.here is None:
            self.notes.append("dates of acts are not looked at in a plan of one year: they hold throughout it")
        return lane_factors(cuts, self.n_lanes, self.now if moving else None)

    # ------------------------------------------------------------------ lanes

    def unit_cost(self, supplier: IntArray, product: IntArray, premium: float | None = None) -> tuple[Any, Any]:
        """USD per unit of each supplier, and the grade of the figure."""
        own = self.graph.index.nodes["unit_cost"].to_numpy(dtype=float)[supplier]
        abroad = (self.country != "CHN")[supplier]
        return supply_costs(self.graph, self.case.products, product, abroad, own, premium)

    @cached_property
    def dearest(self) -> FloatArray:
        """What each pool pays today for its dearest delivery, USD a unit; 0 where it gets none."""
        out = np.zeros(len(self.case.pool))
        cost, _ = self.unit_cost(self.base_supplier, self.case.pool_product[self.case.base_pool])
        taken = (self.case.base > 0) & ~np.isnan(cost)
        np.maximum.at(out, self.case.base_pool[taken], cost[taken])
        return out

    @cached_property
    def growth(self) -> FloatArray:
        """Need of each pool beyond today's deliveries."""
        today = np.bincount(self.case.base_pool, self.case.base, len(self.case.pool))
        extra = self.case.need - today
        return np.where(extra > 1e-9 * np.maximum(self.case.need, today), extra, 0.0)

    def add_lanes(
        self,
        lever: str,
        supplier: IntArray,
        pool: IntArray,
        upper: FloatArray,
        cost: FloatArray,
        grade: TextArray,
        project: IntArray | None = None,
    ) -> None:
        """Offer deliveries: one column each.

        Parameters
        ----------
        lever : str
            Lever that the deliveries belong to in the plan's tables.
        supplier, pool : ndarray of int
            Node code of the maker and pool number.
        upper : ndarray
            Most that can flow.
        cost : ndarray
            USD a product unit.
        grade : ndarray of str
            What each cost rests on.
        project : ndarray of int, optional
            Candidate number, or -1.
        """
        none = np.full(len(supplier), -1, dtype=np.int64) if project is None else project
        self.lanes.append(Lane(lever, supplier, pool, upper, cost, grade, none))

    def once_only(self, name: str) -> None:
        """Refuse a lever that is given a second time: both would count the same supply."""
        if name in self.given:
            what = "given twice: both would count the same supply"
            raise SchemaError([Problem("optimize", "-", "levers", what, repr(self.spec), "Give one.")], "the plan")
        self.given.add(name)

    def offer_projects(
        self,
        label: list[str],
        product: IntArray,
        capacity: FloatArray,
        annuity: FloatArray,
        offered: npt.NDArray[np.bool_],
    ) -> None:
        """Offer plants: a yes-or-no decision each, which the lanes of the same candidate number need.

        Parameters
        ----------
        label : list of str
            Names in the Pyomo model.
        product : ndarray of int
            Position of each plant's product.
        capacity : ndarray
            Output a period, product units.
        annuity : ndarray
            USD a year.
        offered : ndarray of bool
            Whether it can be chosen.
        """
        self.project_label, self.project_product, self.project_capacity = label, product, capacity
        self.project_annuity, self.project_offered = annuity, offered

    def freeze(self) -> None:
        """Lay all lanes end to end as the first columns of the matrix, with the rows of need and availability."""
        for _, offer in sorted(self.last, key=lambda x: x[0]):
            offer()
        case, lanes = self.case, self.lanes

        def cat(name: str, dtype: Any) -> Any:
            return np.concatenate([getattr(x, name) for x in lanes]).astype(dtype)

        self.supplier: IntArray = cat("supplier", np.int64)
        self.pool: IntArray = cat("pool", np.int64)
        self.lane_cost: FloatArray = cat("cost", np.float64)
        self.lane_grade: TextArray = cat("grade", object)
        self.project: IntArray = cat("project", np.int64)
        self.lever: TextArray = np.concatenate([np.full(len(x.supplier), x.lever, dtype=object) for x in lanes])
        self.n_lanes = len(self.supplier)
        self.lane_product: IntArray = case.pool_product[self.pool]
        upper: FloatArray = cat("upper", np.float64)
        size = np.where(case.product_need > 0, case.product_need, 1.0)
        self.size: FloatArray = size
        # Tolerances are parts of what each buyer needs, however small it is beside the others.
        self.pool_size: FloatArray = np.where(case.need > 0, case.need, size[case.pool_product])
        self.lane_size: FloatArray = self.pool_size[self.pool]
        pool_name = case.graph.index.nodes["node"].to_numpy(dtype=object)[case.pool]

        def keys() -> list[tuple[str, str, str]]:
            who, to = self.node[self.supplier].tolist(), pool_name[self.pool].tolist()
            return list(zip(self.lever.tolist(), who, to, strict=True))

        self.flow = self.matrix.add_columns(
            "flow",
            self.n_lanes,
            upper=upper,
            scale=self.lane_size,
            keys=keys,
            meaning="delivery by (lever, supplier, pool), product units a period",
        )
        if self.project_label:
            self.projects = self.matrix.add_columns(
                "project",
                len(self.project_label),
                upper=self.project_offered.astype(float),
                integer=True,
                keys=lambda: self.project_label,
                meaning="1 = build it",
            )
        if self.shortfall_price is not None:
            self.shortfall = self.matrix.add_columns(
                "shortfall",
                len(case.pool),
                upper=np.where(np.isnan(self.shortfall_price), 0.0, np.inf),
                scale=self.pool_size,
                keys=lambda: pool_name.tolist(),
                meaning="need that is not met, product units a period",
            )
        for relief in self.reliefs:
            relief.columns.append(
                self.matrix.add_columns(
                    relief.lever,
                    len(relief.pool),
                    lower=-np.inf if relief.stock or relief.made else 0.0,
                    upper=relief.upper,
                    scale=self.pool_size[relief.pool],
                    keys=held(pool_name[relief.pool].tolist()),
                    meaning="need that is taken away, below 0 where it is added, product units a period",
                )
            )
            if relief.stock or relief.made:
                continue  # what goes into stock, or into production, is paid as a delivery
            product = case.pool_product[relief.pool]
            self.outlays.append(Outlay(relief.lever, relief.at, relief.cost * self.period[product], product))
        self._need_rows(pool_name)
        self._availability_rows()
        if self.projects is not None:
            self._plant_rows(self.projects)
        grows = np.flatnonzero(self.lever == "grow")
        if len(grows):
            pools, row = np.unique(self.pool[grows], return_inverse=True)
            self.matrix.add_rows(
                "growth",
                len(pools),
                row,
                grows,
                np.ones(len(grows)),
                upper=self.growth[pools],
                scale=self.pool_size[pools],
                keys=lambda: pool_name[pools].tolist(),
                say=lambda i: f"need of {pool_name[pools[i]]} beyond today's deliveries: {self.growth[pools[i]]:.6g}",
            )
        for state in self.later:
            state()

    def scale_of(self, limit: Any, product: Any) -> FloatArray:
        """Size of rows that keep deliveries within a limit: the limit, between the least and the whole need there is."""
        product = np.asarray(product, dtype=np.int64)
        least = self.size.copy()
        np.minimum.at(least, self.case.pool_product, self.pool_size)
        return np.clip(np.asarray(limit, dtype=np.float64), least[product], self.size[product])

    def tied(self, row: IntArray, lane: IntArray, limit: Any) -> FloatArray:
        """Size of rows that open some lanes up to a limit, or not at all: the least buyer that is fed counts.

        Not built, a plant must not feed a small buyer out of what a solver lets pass of a large one's delivery.
        """
        out = np.asarray(limit, dtype=np.float64).copy()
        most = np.bincount(row, self.lane_size[lane], len(out))
        out = np.where(out > 0.0, out, np.where(most > 0.0, most, 1.0))
        rounding = _ROUNDING * out
        np.minimum.at(out, row, self.lane_size[lane])
        return np.asarray(np.maximum(out, rounding), dtype=np.float64)

    def missed(self, pools: IntArray) -> tuple[IntArray, IntArray]:
        """Columns that lessen what pools get (unmet, substituted), and which of the pools each belongs to."""
        if self.shortfall is None and not self.reliefs:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        place = np.full(len(self.case.pool), -1, dtype=np.int64)
        place[pools] = np.arange(len(pools))
        col: list[IntArray] = []
        row: list[IntArray] = []
        if self.shortfall is not None:
            col.append(self.shortfall.at)
            row.append(place)
        col += [relief.at for relief in self.reliefs]
        row += [place[relief.pool] for relief in self.reliefs]
        c, r = np.concatenate(col), np.concatenate(row)
        return c[r >= 0], r[r >= 0]

    def arriving(self, pools: IntArray) -> float:
        """What some pools get in the solution that is spoken of: their need without what is unmet or substituted."""
        need = float(self.case.need[pools].sum())
        return need if self.found is None else need - float(self.found[self.missed(pools)[0]].sum())

    def share_rows(
        self, markets: list[tuple[str, int, str, IntArray]], cap: float, weight: Any
    ) -> tuple[IntArray, IntArray, FloatArray]:
        r"""Coordinates of :math:`\sum_l w_l x_l + \theta \sum_b z_b \lessgtr \theta \sum_b D_b`, a row a market.

        With need that is not met or taken away (:math:`z`) the share is one of what arrives, :math:`D - z`.

        Parameters
        ----------
        markets : list of tuple
            From :meth:`pick`.
        cap : float
            The share :math:`\theta`.
        weight : ndarray
            :math:`w_l` of every lane.
        """
        lanes = [self.lanes_of(pools) for *_, pools in markets]
        row = [np.repeat(np.arange(len(markets)), [len(x) for x in lanes])]
        col = [np.concatenate(lanes)]
        value = [np.asarray(weight, dtype=np.float64)[col[0]]]
        for i, (*_, pools) in enumerate(markets):
            if cap >= 1.0:
                continue  # nothing can be above the whole
            c, _ = self.missed(pools)
            row.append(np.full(len(c), i, dtype=np.int64))
            col.append(c)
            value.append(np.full(len(c), cap))
        return np.concatenate(row).astype(np.int64), np.concatenate(col).astype(np.int64), np.concatenate(value)

    def _plant_rows(self, plants: Columns) -> None:
        fed = np.flatnonzero(self.project >= 0)
        n = plants.n
        label, cap = self.project_label, self.project_capacity
        unit = [self.unit[int(k)] for k in self.project_product]
        self.matrix.add_rows(
            "plant",
            n,
            np.concatenate([self.project[fed], np.arange(n)]),
            np.concatenate([fed, plants.at]),
            np.concatenate([np.ones(len(fed)), -cap]),
            upper=0.0,
            scale=self.tied(self.project[fed], fed, cap),
            keys=lambda: label,
            say=lambda i: f"project {label[i]} can deliver at most {cap[i]:.6g} {unit[i]}, once built",
            say_dual=lambda i, d: f"one more {unit[i]} from project {label[i]} saves {money(-d)} a year",
        )

    def _need_rows(self, pool_name: TextArray) -> None:
        case = self.case
        row, col = [self.pool], [np.arange(self.n_lanes)]
        if self.shortfall is not None:
            row.append(np.arange(len(case.pool)))
            col.append(self.shortfall.at)
        row += [relief.pool for relief in self.reliefs]
        col += [relief.at for relief in self.reliefs]
        lines = np.concatenate(row)

        def say(i: int) -> str:
            p = int(case.pool_product[i])
            return f"need of {pool_name[i]}: {case.need[i]:.6g} {self.unit[p]}"

        self.need_rows = self.matrix.add_rows(
            "need",
            len(case.pool),
            lines,
            np.concatenate(col),
            np.ones(len(lines)),
            lower=case.need,
            upper=case.need,
            scale=self.pool_size,
            keys=lambda: pool_name.tolist(),
            say=say,
            pools=lambda i: np.array([i]),
        )

    def _availability_rows(self) -> None:
        existing = np.flatnonzero(self.project < 0)
        who, where = np.unique(self.supplier[existing], return_inverse=True)
        product = np.zeros(len(who), dtype=np.int64)
        product[where] = self.lane_product[existing]
        self.rationed, self.rationed_product = who.astype(np.int64), product
        limit, parts = self.availability[who], self.availability_parts

        def say(i: int) -> str:
            v = int(who[i])
            words = " + ".join(f"{k} {x[v]:.6g}" for k, x in parts.items() if x[v] > 0) or "nothing"
            return f"{self.node[v]} can deliver at most {limit[i]:.6g} {self.unit[int(product[i])]} ({words})"

        self.availability_block = self.matrix.add_rows(
            "availability",
            len(who),
            where,
            existing,
            np.ones(len(existing)),
            upper=limit,
            scale=self.scale_of(limit, product),
            keys=lambda: self.node[who].tolist(),
            say=say,
            say_dual=lambda i, d: (
                f"one more {self.unit[product[i]]} to be had from {self.node[who[i]]} saves {money(-d)} a year"
            ),
        )

    # ------------------------------------------------------------------ for constraints

    def pick(self, product: str | tuple[str, ...] | None, buyer: str | None) -> list[tuple[str, int, str, IntArray]]:
        """Markets that a constraint means.

        Parameters
        ----------
        product : str or tuple, optional
            Default: every product in scope, each by itself.
        buyer : str, optional
            ISO3 for one pool, ``"each"`` for every pool by itself; default the group as a whole.

        Returns
        -------
        list of tuple
            ``(product, position, buyer, pools)``.

        Raises
        ------
        UnknownNameError
            A product or buyer that is not in the plan.
        """
        case = self.case
        names = case.products if product is None else (product,) if isinstance(product, str) else tuple(product)
        out: list[tuple[str, int, str, IntArray]] = []
        for p in names:
            if p not in case.products:
                raise unknown_name("product", p, case.products, f"{self.spec!r}")
            k = case.products.index(p)
            mine = np.flatnonzero(case.pool_product == k)
            if buyer is None or buyer == GROUP:
                out.append((p, k, GROUP, mine))
                continue
            hit = mine if buyer == "each" else mine[self.pool_country[mine] == buyer]
            if not len(hit) and product is not None:
                raise unknown_name("buyer", buyer, self.pool_country[mine], f"{self.spec!r}")
            out += [(p, k, str(self.pool_country[i]), np.array([i])) for i in hit]
        if not out:
            raise unknown_name("buyer", buyer, self.pool_country, f"{self.spec!r}")
        return out

    def yearly_cost(self) -> tuple[IntArray, FloatArray]:
        """Columns that cost, and USD a year of a unit of each."""
        col = [np.arange(self.n_lanes)]
        value = [self.lane_cost * self.period[self.lane_product]]
        if self.projects is not None:
            col.append(self.projects.at)
            value.append(self.project_annuity)
        if self.shortfall is not None and self.shortfall_price is not None:
            col.append(self.shortfall.at)
            value.append(np.nan_to_num(self.shortfall_price) * self.period[self.case.pool_product])
        for outlay in self.outlays:
            col.append(outlay.col)
            value.append(outlay.usd)
        return np.concatenate(col), np.concatenate(value)

    @cached_property
    def cost_today(self) -> float:
        """USD a year of today's deliveries at their unit cost."""
        keep = self.lever == "keep"
        yearly = self.case.base * self.lane_cost[keep] * self.period[self.lane_product[keep]]
        return float(yearly.sum())

    def lanes_of(self, pools: IntArray) -> IntArray:
        """Lane columns that deliver to any of the pools."""
        order, start = self._by_pool
        return np.sort(np.concatenate([order[start[i] : start[i + 1]] for i in pools.tolist()] or [order[:0]]))

    @cached_property
    def _by_pool(self) -> tuple[IntArray, IntArray]:
        order = np.argsort(self.pool, kind="stable")
        return order, np.searchsorted(self.pool[order], np.arange(len(self.case.pool) + 1))

    def add_rows(self, name: str, n: int, row: Any, col: Any, value: Any, **more: Any) -> Rows:
        """State rows that belong to the constraint being carried out; see :meth:`Matrix.add_rows`."""
        return self.matrix.add_rows(name, n, row, col, value, spec=self.spec, **more)

    def absorb(self) -> None:
        """Take in what the user wrote in Pyomo, if anybody touched the live model."""
        if self._model is None:
            return
        from .arrays import absorb

        self.edits, self.user_blocks, self.limits = absorb(self._model, self.matrix)

    @property
    def model(self) -> Any:
        """The live Pyomo model: add ``Var`` and ``Constraint`` components of your own, they are solved with the rest.

        Its variables are ``flow[lever, supplier, pool]``, ``project[id]`` and ``shortfall[pool]``. Members are made
        when touched; loop over a completed model (:attr:`Portfolio.model`), not over this one.
        """
        from .arrays import attach, live_model

        if self._model is None:
            self._model = live_model("plan")
        attach(self._model, self.matrix)
        return self._model


def missing_costs(build: Build) -> dict[str, str]:
    """Products of which some baseline supplier has neither a unit cost nor a price."""
    case = build.case
    cost, _ = build.unit_cost(case.supplier, case.pool_product[case.base_pool])
    price = case.graph.tables["products"].drop_duplicates("product").set_index("product")["price"]
    out: dict[str, str] = {}
    for k, p in enumerate(case.products):
        mine = case.pool_product[case.base_pool] == k
        if np.isnan(cost[mine]).any() or (not mine.any() and pd.isna(price[p])):
            out[p] = "no price and no unit cost is known, so no plan for it can be costed"
    return out


__all__ += ["UnknownNameError", "in_unit", "missing_costs", "money", "number", "require_any"]

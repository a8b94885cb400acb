"""From the words of a measure to the links of a graph: who acts, on what, against whom, when, how hard.

Every argument is checked before anything is raised, so that one error lists all that is wrong with a measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem, SchemaError, UnknownNameError, unknown_name
from ..graph import GraphIndex, SupplyGraph
from ..jurisdictions import check_country, country_codes, scope
from ..schema import date_ceil, date_floor, is_date

__all__ = ["APPROVED", "QUEUE_DAYS", "Ask", "Cut", "Span", "as_problem"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Span = tuple[float, float, float]
# Working days that a Chinese dual-use licence takes by the rule (MOFCOM licensing rule, trade press 2023).
QUEUE_DAYS = 45.0
# Part of applications approved, as (low, value, high). 0.25: European magnet buyers by mid-2025 (CLEPA, June 2025).
# Exports were back at the earlier level by July-August 2025, and for watch-listed firms the deadline is suspended:
# nothing to everything is what has been seen, so the interval is the whole range.
APPROVED: Span = (0.0, 0.25, 1.0)
OPEN_ENDED_MONTHS = 12.0
EVERYONE = "ALL"


@dataclass(frozen=True, eq=False)
class Cut:
    """What a measure does to each link of ``graph.index.links``.

    Parameters
    ----------
    value, low, high : ndarray
        Part of the flow that is not delivered, by link, in [0, 1]; 0 where the measure does not reach.
    start, end : str, optional
        First and last day; None is open.
    written : str
        The measure as it was written.
    act : str, optional
        Id of the dated act that it carries out.
    notes : tuple of str
        What the reader must know: assumptions, and what was named but not reached.
    missed : Problem, optional
        Set where a part of a dated act matches no link; the whole act must match one.

    Examples
    --------
    >>> Cut(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([0.0, 1.0]), written="export_ban('CHN')")
    <Cut export_ban('CHN'): 1 of 2 links>
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    start: str | None = None
    end: str | None = None
    written: str = ""
    act: str | None = None
    notes: tuple[str, ...] = ()
    missed: Problem | None = None

    @property
    def mask(self) -> BoolArray:
        """Links that the measure may touch."""
        return np.asarray(self.high > 0.0)

    def covers(self, day: str) -> bool:
        """Whether the measure's own dates include the (last) day."""
        d = date_ceil(day)
        return (self.start is None or date_floor(self.start) <= d) and (self.end is None or d <= date_ceil(self.end))

    def __repr__(self) -> str:
        return f"<Cut {self.written}: {int(self.mask.sum())} of {len(self.value)} links>"


def _listed(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else [str(v) for v in value]


@dataclass
class Ask:
    """Checks the arguments of one measure, all of them, and finds its links."""

    graph: SupplyGraph
    written: str
    faults: list[Problem | UnknownNameError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missed: Problem | None = None

    def fault(self, column: str, rule: str, value: str, remedy: str) -> None:
        """Put a fault on the list."""
        self.faults.append(Problem(self.written, "-", column, rule, value, remedy))

    def note(self, text: str) -> None:
        """Put a note on the list."""
        self.notes.append(text)

    def span(self, name: str, given: float | Sequence[float], top: float = 1.0) -> Span:
        """A number, or (low, value, high), within [0, top]."""
        parts = list(given) if isinstance(given, (tuple, list)) else [cast(float, given)] * 3
        if len(parts) != 3 or not all(
            isinstance(p, (int, float, np.number)) and not isinstance(p, bool) for p in parts
        ):
            self.fault(name, "not a number", repr(given), "Give a number, or (low, value, high).")
            return (0.0, 0.0, 0.0)
        low, value, high = (float(p) for p in parts)
        bad = False
        if any(not 0.0 <= p <= top or not np.isfinite(p) for p in (low, value, high)):
            bad = True
            hint = "It is a fraction, 0 to 1, not percent." if top == 1.0 else "Give a finite number of at least 0."
            self.fault(name, f"outside [0, {top:g}]", repr(given), hint)
        elif not low <= value <= high:
            bad = True
            self.fault(name, "not ordered", repr(given), "Write (low, value, high).")
        return (0.0, 0.0, 0.0) if bad else (low, value, high)

    def dates(
        self, start: str | None, months: float | None, end: str | None, report: bool = True
    ) -> tuple[str | None, str | None]:
        """First and last day; faults go on the list."""
        good = True

        def fault(*args: str) -> None:
            nonlocal good
            good = False
            if report:
                self.fault(*args)

        for name, day in (("start", start), ("end", end)):
            if day is not None and not is_date(str(day)):
                fault(name, "not an ISO date", repr(day), "Write 2026, 2026-01 or 2026-01-31.")
        if months is not None and end is not None:
            fault("months", "given together with end", repr(months), "Give one of the two.")
        if months is not None and not (isinstance(months, (int, float)) and np.isfinite(months) and months > 0):
            fault("months", "the end is not after the start", repr(months), "Give a length above 0.")
        if months is not None and start is None:
            fault("months", "a length needs a first day", repr(months), "Give start.")
        if good and start is not None and end is not None and date_ceil(end) < date_floor(start):
            fault("end", "before the start", f"{end!r}, start {start!r}", "Swap the two, or leave end out.")
        if not good:
            return None, None
        if months is not None and start is not None:
            first = pd.Timestamp(date_floor(start))
            whole, part = divmod(float(months), 1.0)
            last = first + pd.DateOffset(months=int(whole)) + pd.Timedelta(days=round(part * 30.4375) - 1)
            end = str(last.date())
        return start, end

    def length(self, start: str | None, months: float | None, end: str | None) -> float:
        """Months that the measure lasts; an open one counts over its first twelve."""
        if isinstance(months, (int, float)) and np.isfinite(months) and months > 0:
            return float(months)
        first, last = self.dates(start, months, end, report=False)
        if first is not None and last is not None:
            days = (pd.Timestamp(date_ceil(last)) - pd.Timestamp(date_floor(first))).days + 1
            return float(days / 30.4375)
        return OPEN_ENDED_MONTHS

    def actor(self, actor: str | Iterable[str]) -> tuple[str, ...]:
        """ISO3 codes of who acts."""
        try:
            return scope(actor)
        except UnknownNameError as err:
            self.faults.append(
                unknown_name("country", err.name, err.close or country_codes(), f"actor of {self.written}")
            )
            return ()

    def products(self, product: str | Iterable[str]) -> list[str] | None:
        """Known product ids; None is every product."""
        wanted = _listed(product)
        if wanted == [EVERYONE]:
            return None
        if not wanted:
            self.fault("product", "no product is named", "()", "Name a product, or 'ALL'.")
        known = self.graph.tables["products"]["product"].astype(str)
        for p in wanted:
            if not (known == p).any():
                self.faults.append(unknown_name("product", p, known, f"product of {self.written}"))
        return wanted

    def targets(self, to: str | Iterable[str] | None, day: str | None) -> frozenset[str] | None:
        """Countries named or reached through a coalition; None is everyone."""
        if to is None:
            return None
        names = _listed(to)
        if EVERYONE in names:
            return None
        if not names:
            self.fault("to", "no target is named", "()", "Name a target, or leave it out for everyone.")
        coalitions = sorted(self.graph.tables["memberships"]["coalition"].dropna().astype(str).unique())
        out: set[str] = set()
        for name in names:
            if name in coalitions:
                found = self.graph.members(name, at=day if day is not None and is_date(day) else None)
                if not found:
                    remedy = f"It may have ended: leave start out, or name the countries {', '.join(self._ever(name))}."
                    self.fault("to", f"coalition {name} has no member on that day", repr(day), remedy)
                out |= set(found)
                continue
            try:
                out.add(check_country(name))
            except UnknownNameError as err:
                known = {*coalitions, *(err.close or country_codes())}
                self.faults.append(unknown_name("country or coalition", name, known, f"to of {self.written}"))
        if "EUE" in out:
            out |= set(self._union())
        elif self._union() and set(self._union()) <= out:
            out.add("EUE")
        return frozenset(out)

    def _ever(self, coalition: str) -> tuple[str, ...]:
        return self.graph.members(coalition)

    def _union(self) -> tuple[str, ...]:
        m = self.graph.tables["memberships"]
        return self.graph.members("EU27") if (m["coalition"] == "EU27").any() else ()

    def cut(
        self,
        actor: str | Iterable[str],
        product: str | Iterable[str],
        to: str | Iterable[str] | None,
        start: str | None,
        months: float | None,
        end: str | None,
        span: Span,
        reach: str,
        act: str | None,
    ) -> Cut:
        """Resolve names to links; raise with every fault found."""
        who = self.actor(actor)
        products = self.products(product)
        first, last = self.dates(start, months, end)
        targets = self.targets(to, start)
        if reach not in ("location", "control"):
            self.faults.append(unknown_name("reach", reach, ["location", "control"], self.written))
        if act is not None:
            known = self.graph.tables["measures"]["measure"].astype(str).unique()
            if act not in known:
                self.faults.append(unknown_name("act", act, known, f"act of {self.written}"))
        self.stop()
        value, low, high = self.links(who, products, targets, span, reach)
        if self.missed is not None and act is None:
            raise SchemaError([self.missed], self.written)
        if act is not None:
            self._act_note(act, products)
        return Cut(value, low, high, first, last, self.written, act, tuple(self.notes), self.missed)

    def _act_note(self, act: str, products: list[str] | None) -> None:
        m = self.graph.tables["measures"]
        rows = m[(m["measure"] == act) & (True if products is None else m["product"].isin(products))]
        if rows["severity"].isna().any():
            self.note(f"{act}: its row gives no severity; the default of its kind is an assumption")

    def stop(self) -> None:
        """Raise if there is a fault: a lone unknown name as such, all else in one error."""
        if not self.faults:
            return
        if len(self.faults) == 1 and isinstance(self.faults[0], UnknownNameError):
            raise self.faults[0]
        raise SchemaError([as_problem(f, self.written) for f in self.faults], self.written)

    def links(
        self, who: tuple[str, ...], products: list[str] | None, targets: frozenset[str] | None, span: Span, reach: str
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Part of each link that is cut."""
        ix = self.graph.index
        country = ix.nodes["country"].to_numpy(dtype=object)
        s_country, b_country = country[ix.src], country[ix.dst]
        item = ix.links["product"].to_numpy(dtype=object)
        inside = np.isin(country, list(who))
        named = np.ones(len(item), dtype=bool) if products is None else np.isin(item, products)
        abroad = named & ~inside[ix.dst]
        aimed = abroad if targets is None else abroad & np.isin(b_country, list(targets - set(who)))
        hand = [inside.astype(np.float64)] * 3
        if reach == "control":
            hand = self.controlled(who, inside)
        # What flows out of a pool came from whoever fed it; a pool whose inflow is cut itself is not cut twice.
        pool = (ix.nodes["kind"].to_numpy(dtype=object) == "demand") & ~inside
        anonymous = pool & (country == "WLD")
        fed = pool & (np.isin(country, list(targets)) if targets is not None else ~anonymous)
        if targets is None:
            fed |= anonymous & np.isin(ix.nodes["product"].to_numpy(dtype=object), self.used_at_home(inside))
        into = (aimed & (anonymous & ~fed)[ix.dst]) if targets is None else np.zeros(len(item), dtype=bool)
        hand = [np.where(fed, 0.0, h) for h in hand]
        part = [h[ix.src] for h in hand]
        flows = aimed & (anonymous & ~fed)[ix.src]
        if flows.any():
            mixed = pool_parts(ix, hand, flows)
            part = [np.where(flows, m, p) for m, p in zip(mixed, part, strict=True)]
        low, value, high = (np.where(aimed, p * s, 0.0) for p, s in zip(part, span, strict=True))
        rest = self.faceless(inside)[ix.dst] & (b_country == "ROW")
        own = rest & self.drawn_on(inside)[ix.dst]
        low = np.where(rest | into, 0.0, low)
        value = np.where(own | into, 0.0, value)
        self.hidden(ix, who, country, item, abroad & ~aimed, into & (high > 0), own & (high > 0), targets)
        if targets is not None:
            high = self.union_only(ix, targets, abroad, b_country, item, part[2] * span[2], high)
        if not (aimed & (part[2] > 0)).any():
            self.none_found(who, products, targets, s_country, b_country, item, named & (hand[2][ix.src] > 0))
        elif products is not None:
            lost = sorted(set(products) - set(item[aimed & (part[2] > 0)]))
            if lost:
                self.note(
                    f"{', '.join(lost)}: no link from {'+'.join(who)} to the targets in the graph; nothing is cut"
                )
        return value, low, high

    def faceless(self, inside: BoolArray) -> BoolArray:
        """Nodes of products that the rest of the world makes and the actor is not listed for: it may be in that rest."""
        nodes = self.graph.index.nodes
        product = nodes["product"].to_numpy(dtype=object)
        maker = nodes["kind"].to_numpy(dtype=object) == "producer"
        rest = set(product[maker & (nodes["country"].to_numpy(dtype=object) == "ROW")])
        return np.isin(product, list(rest - set(product[maker & inside])))

    def drawn_on(self, inside: BoolArray) -> BoolArray:
        """Nodes of products of which the actor draws on the world pool."""
        ix = self.graph.index
        pool = ix.nodes["country"].to_numpy(dtype=object) == "WLD"
        drawn = set(ix.links["product"].to_numpy(dtype=object)[inside[ix.dst] & pool[ix.src]])
        return np.isin(ix.nodes["product"].to_numpy(dtype=object), list(drawn))

    def used_at_home(self, inside: BoolArray) -> list[str]:
        """Products of which the actor's own use is recorded apart, so that what it sends to the world pool is export."""
        ix = self.graph.index
        home = inside[ix.src] & inside[ix.dst] & (ix.nodes["kind"].to_numpy(dtype=object) == "demand")[ix.dst]
        return sorted(set(ix.links["product"].to_numpy(dtype=object)[home]))

    def hidden(
        self,
        ix: GraphIndex,
        who: tuple[str, ...],
        country: npt.NDArray[np.object_],
        item: npt.NDArray[np.object_],
        missed: BoolArray,
        into: BoolArray,
        own: BoolArray,
        targets: frozenset[str] | None,
    ) -> None:
        """Say where anonymous buyers keep the value from being known."""
        if into.any():
            self.note(
                f"{', '.join(sorted(set(item[into])))}: what {'+'.join(who)} sends to the world pool is not split into "
                "exports and use at home; buyers abroad lose by proportion, anonymous use in the high bound only"
            )
        if own.any():
            made = sorted(set(ix.nodes["product"].to_numpy(dtype=object)[ix.dst[own]]))
            self.note(
                f"{', '.join(made)}: made only by an unlisted rest of the world on which {'+'.join(who)} itself draws and "
                "which may be itself; cut in the high bound only"
            )
        rest = missed & np.isin(country[ix.dst], ["ROW", "WLD"]) & (np.isin(country[ix.src], [*who, "WLD"]))
        if targets is not None and rest.any():
            self.note(
                f"{', '.join(sorted(set(item[rest])))}: buyers counted only as the rest of the world may include targets; "
                "they are not cut"
            )

    def controlled(self, who: tuple[str, ...], inside: BoolArray) -> list[FloatArray]:
        """Part of each node's output that the actor can stop: low, value, high."""
        from ..control import focal_share

        value, low, high = focal_share(self.graph, who, view="control")
        known = ~np.isnan(value)  # a plant of which nobody knows the holder may obey, or not
        return [np.where(inside, 1.0, np.where(known, x, fill)) for x, fill in ((low, 0.0), (value, 0.0), (high, 1.0))]

    def union_only(
        self,
        ix: GraphIndex,
        targets: frozenset[str],
        abroad: BoolArray,
        b_country: npt.NDArray[np.object_],
        item: npt.NDArray[np.object_],
        full: FloatArray,
        high: FloatArray,
    ) -> FloatArray:
        """Members of the EU that are named, but whose only pool of a product is the EU's: high shows it, value not."""
        members = set(self._union())
        if "EUE" in targets or not members & targets:
            return high
        country = ix.nodes["country"].to_numpy(dtype=object)
        product = ix.nodes["product"].to_numpy(dtype=object)
        pools = ix.nodes["kind"].to_numpy(dtype=object) == "demand"
        own = {(p, c) for p, c in zip(product[pools], country[pools], strict=True) if c in members & targets}
        to_union = abroad & (b_country == "EUE") & (full > 0)
        for p in sorted(set(item[to_union])):
            lost = sorted(c for c in members & targets if (p, c) not in own)
            if lost:
                self.note(
                    f"{p}: {', '.join(lost)} {'is' if len(lost) == 1 else 'are'} supplied through the EU pool, whose "
                    "split by member is not recorded; not cut in the value, high shows the whole pool cut"
                )
                rows = to_union & (item == p)
                high = np.where(rows, np.maximum(high, full), high)
        return high

    def none_found(
        self,
        who: tuple[str, ...],
        products: list[str] | None,
        targets: frozenset[str] | None,
        s_country: npt.NDArray[np.object_],
        b_country: npt.NDArray[np.object_],
        item: npt.NDArray[np.object_],
        sent: BoolArray,
    ) -> None:
        """The measure reaches no link: say which buyers and products it could reach."""
        foreign = sent & ~np.isin(b_country, list(who))
        buyers = sorted({str(c) for c in b_country[foreign]})
        goods = sorted({str(p) for p in item[np.isin(s_country, list(who)) & ~np.isin(b_country, list(who))]})
        label = "+".join(who)
        if buyers:
            remedy = f"Buyers of it from {label} in the graph: {', '.join(buyers[:12])}."
            if "EUE" in buyers and targets is not None and targets & set(self._union()):
                remedy += (
                    " EU members are supplied through the pool EUE: name 'EUE', with a severity for the whole pool."
                )
        elif goods:
            remedy = (
                f"{label} sends these abroad in the graph: {', '.join(goods[:12])}{' ...' if len(goods) > 12 else ''}."
            )
        else:
            remedy = f"{label} sends nothing abroad in the graph."
        got = f"product {'ALL' if products is None else ', '.join(products)}"
        got += f" from {label} to {'everyone' if targets is None else ', '.join(sorted(targets)[:8])}"
        self.missed = Problem(self.written, "-", "-", "matches no link", got, remedy)


def as_problem(fault: Problem | UnknownNameError, where: str) -> Problem:
    """An unknown name as one problem among others.

    Parameters
    ----------
    fault : Problem or UnknownNameError
        What is wrong.
    where : str
        The measure or argument.

    Returns
    -------
    Problem
    """
    if isinstance(fault, Problem):
        return fault
    rule, _, rest = str(fault).partition(". ")
    return Problem(where, "-", "-", rule, "", rest)


def pool_parts(ix: GraphIndex, hand: Sequence[FloatArray], flows: BoolArray) -> list[FloatArray]:
    """Part of each pool's outflow that came from the actor: low, value, high, by link.

    The value mixes by proportion. The bounds hold whatever the pool sends to whom: at least what the others' inflow
    cannot cover, at most all that the actor sent in.
    """
    n = ix.n
    pool_in = np.zeros(n, dtype=bool)
    pool_in[ix.src[flows]] = True
    feeds = pool_in[ix.dst]
    low, value, high = (h[ix.src] for h in hand)
    known = np.nan_to_num(ix.quantity)

    def total(x: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(ix.dst[feeds], x[feeds], n), dtype=np.float64)

    with np.errstate(invalid="ignore", divide="ignore"):
        count = total(np.ones_like(known))
        inflow = total(known)
        share = np.where(inflow > 0, total(known * value) / inflow, total(value) / np.maximum(count, 1.0))
        ours_high = total(np.where(high > 0, ix.high, 0.0) * np.where(high > 0, high, 1.0))
        theirs_high = total(np.where(low < 1, ix.high, 0.0) * np.where(low < 1, 1.0 - low, 1.0))
        top = np.minimum(1.0, np.where(ours_high[ix.src] > 0, ours_high[ix.src] / ix.low, 0.0))
        bottom = np.maximum(0.0, 1.0 - theirs_high[ix.src] / ix.low)
    mid = share[ix.src]
    top = np.where(np.isnan(top), 1.0, top)
    bottom = np.where(np.isnan(bottom), 0.0, bottom)
    return [np.minimum(bottom, mid), mid, np.maximum(top, mid)]

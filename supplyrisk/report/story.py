"""The words of a brief: sentences from templates, filled with computed values only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ..plots.style import country, scope_text
from .act import WORDS, ActReading
from .blocks import Block, Bullets, Grid, Heading, Picture, Text, amount, listed, money, percent, share
from .dependence import top

if TYPE_CHECKING:
    from .brief import Brief
    from .plan import PlanReading

__all__ = ["RESPONSIBLE_USE", "story", "title"]

RESPONSIBLE_USE = (
    "This brief describes what published figures allow one to say about supply, with an interval and a grade for each figure. "
    "It is evidence, not an accusation: that a firm is owned or financed from a country does not say that it would act on that "
    "country's behalf, and recorded holdings say nothing of the people who hold or work in it. A share is not a forecast of "
    "conduct. Check the source rows of any figure before it is used in a decision about a named firm or country."
)
_GRADE_WORDS = {
    "A": "read in the source, high confidence",
    "B": "read in the source, medium confidence",
    "C": "low confidence",
    "D": "recalled; the act or filing was not opened",
    "assumption": "assumed by this package, no source",
}


def title(b: Brief) -> str:
    """Title of a brief."""
    return f"How far {_group(b)} depends on {_who(b)}: {_products(len(b.ten)) if len(b.ten) else 'no well-documented product'}, {'one act' if b.act is not None else 'no act'}, {'one plan' if b.plan is not None and b.plan.status == 'optimal' else 'no plan'}"


def _products(n: int) -> str:
    return f"{_counted(n)} product{'' if n == 1 else 's'}"


def _counted(n: int) -> str:
    small = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return small[n] if n < len(small) else str(n)


def _who(b: Brief) -> str:
    return listed([_the(c) for c in b.focal])


def _group(b: Brief) -> str:
    return b.buyers_name


def kicker(b: Brief) -> str:
    """Line under the title: day, scope, data."""
    return f"As of {b.at}. Focal: {scope_text(b.focal)}. Data: {b.graph.name}, fingerprint {b.graph.fingerprint}."


def story(b: Brief, pictures: dict[str, Picture] | None = None) -> list[Block]:
    """All blocks of a brief.

    Parameters
    ----------
    b : Brief
        The computed values.
    pictures : dict of Picture, optional
        Figures by name; left out on a terminal.

    Returns
    -------
    list of Block
    """
    p = pictures or {}
    out: list[Block] = [Heading("In short"), Bullets(tuple(_findings(b)), "lead")]
    out += _asked(b)
    out += _ten(b, p)
    out += _where(b, p)
    out += _act(b, b.act)
    out += _plan(b, p)
    out += [Heading("What would change the conclusion"), Bullets(tuple(_change(b)))]
    out += _evidence(b)
    out += _methods(b, 0 if pictures else 10)
    out += [Heading("Responsible use"), Text(RESPONSIBLE_USE)]
    return out


# ------------------------------------------------------------------------------------------------- the findings


def _findings(b: Brief) -> list[str]:
    who, group = _who(b), _group(b)
    out: list[str] = []
    if len(b.ten):
        top = b.ten.iloc[0]
        out.append(
            f"{_cap(group)} depends on {who} most for {_low(top['name'])}: {share(top['control'], top['control_low'], top['control_high'])} "
            f"of its supply can be stopped from there, {share(top['location'], top['location_low'], top['location_high'])} comes from sellers there."
        )
        if len(b.ten) == 1:
            low = float(top["control_low"])
            out.append(f"Even at the low end of the interval {percent(low)} of it can be stopped by {who}.")
        over = int((b.ten["control_low"] > 0.5).sum())
        if len(b.ten) > 1:
            out.append(
                f"For {over} of the {_counted(len(b.ten))} products named below, more than half of the supply can be stopped by {who} even at the low end of the interval."
            )
        gap = (b.scored["control"] - b.scored["location"]).where(b.scored["headline"])
        if gap.notna().any() and gap.max() > 0.05:
            g = b.scored.iloc[int(gap.fillna(-1.0).to_numpy().argmax())]
            out.append(
                f"Where a seller stands understates who can stop the flow. The widest difference among well-documented products is {_low(g['name'])}: "
                f"{percent(g['location'])} by location, {share(g['control'], g['control_low'], g['control_high'])} by control."
            )
    else:
        out.append(f"No product of {group} has a share of {who} that rests on figures of grade A or B.")
    if b.act is not None:
        out.append(_act_line(b.act, b.products_asked))
    elif b.act_missing:
        out.append(f"No act is applied: {b.act_missing}.")
    if b.plan is not None:
        out += _plan_line(b, b.plan)
    weak = int((~b.scored["headline"]).sum())
    if len(b.scored) == 1:
        out.append(
            f"The one product scored {'does not rest' if weak else 'rests'} on figures of grade A or B{' and carries no headline' if weak else ''}. "
            f"{b.evidence['assumption']} of {b.evidence['total']} figures are assumptions, {b.evidence['D']} are recalled."
        )
        return out
    out.append(
        f"{len(b.scored) - weak} of {len(b.scored)} products that could be scored rest on figures of grade A or B and may carry a headline; {weak} do not and are "
        f"listed apart. {b.evidence['assumption']} of {b.evidence['total']} figures are assumptions, {b.evidence['D']} are recalled."
    )
    return out


def _the(code: str) -> str:
    """Name of a place as it stands in a sentence."""
    name = country(code)
    first = name.split(" ", 1)[0]
    needs = (
        first in ("United", "European", "Rest", "World", "DR", "Philippines", "Netherlands", "Central", "Dominican")
        or code == "EUE"
    )
    return f"the {name[:1].lower() + name[1:] if first in ('Rest', 'World') else name}" if needs else name


def _covered(buyers: tuple[str, ...]) -> str:
    """Which buyers have figures of their own."""
    names = [country(c) for c in buyers]
    return ", ".join(names) if len(names) <= 2 else f"{len(names)} buyers"


def _low(name: object) -> str:
    """Name of a product in the middle of a sentence."""
    text = str(name)
    first = text.split(" ", 1)[0]
    return text if any(c.isupper() or c.isdigit() for c in first[1:]) else text[:1].lower() + text[1:]


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _act_line(act: ActReading, asked: tuple[str, ...] = ()) -> str:
    when = "" if act.state == "hypothetical" else f" On {act.on} it was {WORDS.get(act.state, act.state)}."
    losses = act.losses[act.losses["product"].isin(asked)] if asked else act.losses
    if asked and not len(losses) and not set(asked) & set(act.products):
        return f"{_cap(act.name)} does not touch {'the product' if len(asked) == 1 else 'any of the products'} asked for.{when}"
    if not len(losses):
        return f"{_cap(act.name)} would take nothing measurable from the buyers.{when}"
    top = losses.iloc[0]
    return f"{_cap(act.name)}: applied, it would take {share(top['unmet_share'], top['low'], top['high'])} of the {_low(top['name'])} of {_the(str(top['buyer']))}.{when}"


def _plan_line(b: Brief, plan: PlanReading) -> list[str]:
    who = _who(b)
    if plan.status == "nothing_to_do":
        return [f"No plan is needed: no product scored stands above the cap of {percent(plan.cap)}."]
    if plan.status != "optimal":
        return [f"No plan is given: {plan.why}."]
    moved = plan.shares.dropna(subset=["before", "after"])
    falls = moved[moved["before"] - moved["after"] > 0.005]
    cost = (
        f"costs {money(plan.cost_change)} a year more than the same need at least cost without the cap"
        if plan.cost_change >= 0
        else f"costs {money(-plan.cost_change)} a year less than the same need at least cost without the cap"
    )
    if len(b.scored) == 1:
        text = f"A plan for it {'lowers' if len(falls) else 'does not lower'} the {plan.view} share of {who} and {cost}"
    else:
        text = f"A plan for the {_counted(len(moved))} of them that can be costed lowers the {plan.view} share of {who} in {len(falls)} and {cost}"
    text += (
        f", with {money(plan.capex)} of capital for {len(plan.builds)} project{'s' if len(plan.builds) != 1 else ''}."
        if len(plan.builds)
        else "; it builds nothing."
    )
    out = [text]
    hard = plan.caps[plan.caps["used"] > plan.caps["asked"] + 1e-9]
    if len(hard):
        out.append(
            f"A cap of {percent(plan.cap)} is out of reach for {len(hard)} of {_products(len(plan.caps))} with the suppliers and projects on record; the lowest share that can be reached is "
            + listed([f"{percent(r['used'])} for {_low(r['name'])}" for r in hard.to_dict("records")], 4)
            + "."
        )
    return out


# ------------------------------------------------------------------------------------------------- the sections


def _asked(b: Brief) -> list[Block]:
    items = [
        f"Focal: {scope_text(b.focal)}. A share is its part of supply.",
        f"Buyers: {_group(b)}"
        + (f", that is {listed([_the(c) for c in b.buyers], 40)}." if b.buyers_name != country(b.buyers[0]) else "."),
        f"Day: {b.at}. Output and trade are of the latest year on record, {b.years}.",
        "By location counts what comes from sellers in the focal. By control counts what the focal can stop: what is made there, also "
        "where it arrives by way of third countries, and what firms from there control elsewhere. The bracket after a share is the interval [low, high] in per cent: what the sources' "
        "own ranges and unknown suppliers and owners allow.",
        f"A product is named here only if at least {percent(b.headline_at)} of the buyers' volume is graded A or B and, in a group, at least two buyers have figures of their own.",
    ]
    assumed = int((b.scored["nominal"] > 0).sum())
    if assumed:
        items.append(
            f"Where a buyer's volume is not known it is weighted as a tenth of world output (assumption A-NOMINAL): so in {assumed} of {len(b.scored)} "
            "products, which show no volume; a group's product with more than half of its weight so assumed carries no headline."
        )
    mixed = b.scored[b.scored["basket"] != ""]
    if len(mixed):
        items.append(
            f"Trade headings that hold other goods too stand behind {listed([_low(n) for n in mixed['name']], 8)}: where the part that is "
            "the product is not known, shares take all of the heading and intervals go down to none of it."
        )
    if b.products_asked:
        items.append(f"Products asked for: {listed(list(b.products_asked), 20)}.")
    if b.unscored:
        items.append(
            f"Not scoreable: {listed(list(b.unscored), 20)}. No flow to {_group(b)} is known, so no share is stated and nothing below speaks of "
            f"{'it' if len(b.unscored) == 1 else 'them'}."
        )
    return [Heading("What was asked"), Bullets(tuple(items))]


def _ten(b: Brief, p: dict[str, Picture]) -> list[Block]:
    out: list[Block] = [
        Heading(
            f"The {_counted(len(b.ten))} products on which {_group(b)} depends most"
            if len(b.ten) != 1
            else f"The product on which {_group(b)} depends most"
        )
    ]
    if not len(b.ten):
        none = Text("None may be named: no product scored rests on figures of grade A or B.")
        return [Heading(f"The products on which {_group(b)} depends most"), none, *_apart(b)]
    by_location = top(b.scored, len(b.ten), "location")
    rows = []
    for i, (c, loc) in enumerate(zip(b.ten.to_dict("records"), by_location.to_dict("records"), strict=False)):
        rows.append(
            (
                str(i + 1),
                str(loc["name"]),
                share(loc["location"], loc["location_low"], loc["location_high"]),
                str(c["name"]),
                share(c["control"], c["control_low"], c["control_high"]),
            )
        )
    out.append(
        Grid(
            ("", "By location", "comes from there", "By control", "can be stopped"),
            tuple(rows),
            f"Share of {_who(b)} in the supply of {_group(b)}, two rankings side by side; interval in brackets, per cent.",
            (0, 2, 4),
        )
    )
    if "bars" in p:
        out.append(p["bars"])
    out.append(
        Grid(
            ("Product", "By location", "By control", "Volume", "Figures from", "Graded A or B"),
            tuple(
                (
                    str(r["name"]),
                    share(r["location"], r["location_low"], r["location_high"]),
                    share(r["control"], r["control_low"], r["control_high"]),
                    amount(r["volume"], str(r["unit"])),
                    _covered(r["buyers"]),
                    percent(r["graded"]),
                )
                for r in b.ten.to_dict("records")
            ),
            "The ten by control, with both readings." if len(b.ten) == 10 else "The same products, with both readings.",
            (1, 2, 3, 5),
        )
    )
    joined = b.ten[b.ten["also"].map(len) > 0]
    for r in joined.to_dict("records"):
        out.append(
            Text(f"{r['name']}: {listed([_low(n) for n in r['also']], 12)}, whose figures are the same.", "note")
        )
    return [*out, *_apart(b)]


def _apart(b: Brief) -> list[Block]:
    """Products whose evidence is too thin for a headline."""
    out: list[Block] = []
    weak = b.scored[~b.scored["headline"]].head(12)
    if len(weak):
        out += [
            Heading("Listed apart: the evidence is too thin", 3),
            Text(
                "These shares rest to a large part on figures of low confidence, on recalled facts or on assumptions (for example that "
                "a buyer without trade figures buys like the world), or on the figures of one buyer alone. Where no volume is known the weights "
                "of the buyers are assumed too (A-NOMINAL). They show where to look, not what is so.",
                "note",
            ),
            Grid(
                ("Product", "By location", "By control", "Graded A or B", "Figures from"),
                tuple(
                    (
                        str(r["name"]),
                        share(r["location"], r["location_low"], r["location_high"]),
                        share(r["control"], r["control_low"], r["control_high"]),
                        percent(r["graded"]),
                        _covered(r["buyers"]),
                    )
                    for r in weak.to_dict("records")
                ),
                f"The {len(weak)} with the largest share by control among {int((~b.scored['headline']).sum())}.",
                (1, 2, 3),
            ),
        ]
    return out


def _where(b: Brief, p: dict[str, Picture]) -> list[Block]:
    if not p:
        return []
    out: list[Block] = [Heading("Where it is made, stage by stage")]
    if "heat" in p:
        out.append(p["heat"])
    if "flow" in p:
        out += [Heading(f"One chain from end to end: {b.chain.replace('_', ' ')}", 3), p["flow"]]
    return out


def _act(b: Brief, act: ActReading | None) -> list[Block]:
    out: list[Block] = [Heading("One act applied")]
    if act is None:
        return [*out, Text(f"No act is applied: {b.act_missing}.")]
    names = dict(
        zip(
            b.graph.tables["products"]["product"].astype(str),
            b.graph.tables["products"]["name"].astype(str),
            strict=True,
        )
    )
    if act.state == "hypothetical":
        out.append(Text(f"Applied as written: {act.name}."))
    else:
        targets = listed(["every destination" if t == "ALL" else _the(t) for t in act.targets], 12)
        out.append(
            Text(
                f"{_cap(act.name)} ({act.measure}): a {act.kind.replace('_', ' ')} by {_the(act.actor)} against {targets}, announced {act.announced}, "
                f"in effect from {act.effective}; it covers {listed([_low(names.get(x, x)) for x in act.products], 10)}."
            )
        )
        out.append(
            Text(
                f"State on {act.on}: {WORDS.get(act.state, act.state)} ({act.because}). Source: {'; '.join(act.sources) or 'none recorded'}; "
                f"grade {', '.join(act.grades) or 'none'}."
            )
        )
    out.append(
        Text(
            "The table shows what would be lost if the act were in force and nobody resold, drew on stocks or found another supplier: the first "
            "round, an upper bound of the lasting loss."
        )
    )
    out.append(Text("The measure as it was applied: " + "; ".join(map(repr, act.impact.measures)) + ".", "note"))
    if not len(act.losses):
        out.append(Text("None of the buyers loses anything that the data show."))
    else:
        out.append(
            Grid(
                ("Buyer", "Product", "Lost", "Quantity"),
                tuple(
                    (
                        country(str(r["buyer"])),
                        str(r["name"]),
                        share(r["unmet_share"], r["low"], r["high"]),
                        amount(r["unmet"], str(r["unit"])),
                    )
                    for r in act.losses.head(12).to_dict("records")
                ),
                f"Who loses what: {min(12, len(act.losses))} of {len(act.losses)} pools of the buyers that lose anything, largest part first.",
                (2, 3),
            )
        )
    felt = act.others[act.others["unmet_share"] >= 0.005] if len(act.others) else act.others
    if len(felt):
        hit = felt.head(6).to_dict("records")
        out.append(
            Text(
                "Makers in the buyers' countries that would lose an input: "
                + listed(
                    [
                        f"{_low(r['name'])} in {_the(str(r['buyer']))} ({share(r['unmet_share'], r['low'], r['high'])} of output)"
                        for r in hit
                    ],
                    6,
                )
                + "."
            )
        )
    out += [Text(f"Note: {_said(b, n)}", "note") for n in act.impact.notes[:6]]
    return out


def _plan(b: Brief, p: dict[str, Picture]) -> list[Block]:
    plan = b.plan
    out: list[Block] = [Heading("A diversification plan")]
    if plan is None:
        return [*out, Text("No plan was asked for.")]
    if plan.status == "nothing_to_do":
        return [
            *out,
            Text(
                f"No product scored stands above the cap of {percent(plan.cap)} by {plan.view}: there is nothing to plan."
            ),
        ]
    if plan.status != "optimal":
        return [*out, Text(f"No plan is given: {plan.why}."), Bullets(plan.conflict)]
    out.append(
        Text(
            f"Least-cost plan for {_group(b)}: meet every need of today, with the {plan.view} share of {_who(b)} in each product at most the cap in the table, and nowhere above today's. "
            f"Means: buy more from producers that exist (spare capacity, and up to a fifth of what they sell to others), and build recorded projects. "
            f"Solved with {plan.solver}: {plan.solver_status}."
        )
    )
    out.append(
        Grid(
            ("Product", "Before", "After", "Cap asked", "Cap used"),
            tuple(
                (
                    str(r["name"]),
                    share(r["before"], r["before_low"], r["before_high"]),
                    share(r["after"], r["after_low"], r["after_high"]),
                    percent(r["asked"]),
                    percent(r["used"]),
                )
                for r in plan.shares.merge(plan.caps[["product", "asked", "used"]], on="product", how="left").to_dict(
                    "records"
                )
            ),
            f"Share of {_who(b)} by {plan.view}, before and after, scored by the same function on both graphs.",
            (1, 2, 3, 4),
        )
    )
    if "plan" in p:
        out.append(p["plan"])
    out.append(
        Text(
            f"Cost: {money(plan.cost)} a year, against {money(plan.cost_without_cap)} for the same need at least cost without the cap: a difference of {money(plan.cost_change)} a year. "
            f"Capital outlay: {money(plan.capex)}."
        )
    )
    if len(plan.buys):
        out.append(
            Grid(
                ("Product", "From", "Today", "Plan", "Change"),
                tuple(
                    (
                        str(r["name"]),
                        country(str(r["supplier"])),
                        amount(r["today"], str(r["unit"])),
                        amount(r["plan"], str(r["unit"])),
                        ("+" if r["change"] > 0 else "-") + amount(abs(r["change"]), str(r["unit"])),
                    )
                    for r in plan.buys.head(16).to_dict("records")
                ),
                f"What to buy from whom: the {min(16, len(plan.buys))} largest changes of {len(plan.buys)}.",
                (2, 3, 4),
            )
        )
    if len(plan.builds):
        out.append(
            Grid(
                ("Project", "Product", "Where", "Capacity", "Capital", "Status"),
                tuple(
                    (
                        str(r["name"]),
                        str(r["product_name"]),
                        country(str(r["country"])),
                        amount(r["capacity"], str(r["unit"])),
                        money(r["capex"]),
                        str(r["status"]),
                    )
                    for r in plan.builds.head(14).to_dict("records")
                ),
                "What to build.",
                (3, 4),
            )
        )
    else:
        out.append(Text("The plan builds nothing."))
    if plan.prices:
        out += [Heading("The price of one point", 3), Bullets(tuple(_said(b, t) for t in plan.prices[:10]))]
    if plan.binding:
        out += [Heading("What binds", 3), Bullets(tuple(_said(b, t) for t in plan.binding[:10]))]
    if plan.left_out:
        out += [
            Text(
                "Not in the plan: "
                + "; ".join(plan.left_out[:8])
                + (f"; and {len(plan.left_out) - 8} more" if len(plan.left_out) > 8 else "")
                + ".",
                "note",
            )
        ]
    out += [Text(f"Note: {_said(b, n)}", "note") for n in plan.notes[:8]]
    return out


def _said(b: Brief, text: str) -> str:
    """A line of the optimiser with names for ids; the constraint as it was written stays out of it."""
    import re

    out = re.sub(r"^\w+\(.*?\): ", "", text)
    products = b.graph.tables["products"]
    for p, n in sorted(
        zip(products["product"].astype(str), products["name"].astype(str), strict=True), key=lambda x: -len(x[0])
    ):
        out = re.sub(rf"(?<![\w.]){re.escape(p)}(?![\w.@])", _low(n).replace("\\", ""), out)
    for c in b.focal:
        out = re.sub(rf"(?<![\w.@#-]){c}(?![\w-])", _the(c), out)
    out = out.replace(" for the group", " for the buyers as a group")
    return out if re.match(r"[\w.]+@", out) else _cap(out)  # an id keeps its letters


def _change(b: Brief) -> list[str]:
    out: list[str] = []
    who = _who(b)
    if len(b.ten):
        wide = (b.ten["control_high"] - b.ten["control_low"]).fillna(0.0)
        r = b.ten.iloc[int(wide.to_numpy().argmax())]
        out.append(
            f"Better figures for {_low(r['name'])}: its share by control may lie anywhere from {percent(r['control_low'])} to {percent(r['control_high'])}, the widest interval of those named."
        )
        floor = float(b.ten["control"].min())
        rest = b.scored[~b.scored["product"].isin(b.ten["product"])]
        near = rest[rest["headline"] & (rest["control_high"] > floor)]
        if len(near):
            out.append(
                f"The membership of the list: {listed(near['name'].map(_low).tolist(), 5)} could rank above {_low(b.ten.iloc[-1]['name'])} ({percent(floor)}) at the upper end of "
                f"{'its interval' if len(near) == 1 else 'their intervals'}."
            )
        thin = rest[~rest["headline"] & (rest["control"] > floor)]
        if len(thin):
            out.append(
                f"A first-hand source for {listed(thin['name'].map(_low).tolist(), 5)}: on what is recorded {'it' if len(thin) == 1 else 'they'} would belong to the list, but the evidence is too thin."
            )
    for product, rows in b.unknown.groupby("product", sort=False):
        named = b.ten.loc[b.ten["product"] == product, "name"]
        where = listed([_the(str(c)) for c in sorted(set(rows["supplier"]))], 4)
        out.append(
            f"A figure for what makers in {where} deliver of {_low(named.iloc[0])}: nothing but their existence is recorded, which leaves the interval open downwards."
        )
    if b.act is not None and b.act.state == "unknown":
        out.append(f"Whether {b.act.name} is in force: nothing after the lapse of its suspension has been found.")
    if b.act is not None and b.act.state == "suspended":
        out.append(f"The end of the suspension of {b.act.name} ({b.act.because}).")
    if b.plan is not None and b.plan.status == "optimal":
        out.append(
            "The plan's assumptions: that producers outside the focal can redirect a fifth of their other sales, the premium paid for their supply, and the capital cost of projects without a published one."
        )
        soft = b.plan.shares[b.plan.shares["after_high"] > b.plan.shares["after"] + 0.05]
        if len(soft):
            out.append(
                f"Who owns the new suppliers: counting every unknown as {who}'s, the share after the plan would be up to "
                + listed([f"{percent(r['after_high'])} for {_low(r['name'])}" for r in soft.to_dict("records")], 4)
                + "."
            )
    out.append(
        "A change of the focal scope or of the buyer group: both are arguments (--focal, --buyer), and every figure above is of the scope stated at the top."
    )
    return out


def _evidence(b: Brief) -> list[Block]:
    total = b.evidence["total"] or 1
    rows = tuple((g, _GRADE_WORDS[g], f"{b.evidence[g]:,}", percent(b.evidence[g] / total)) for g in _GRADE_WORDS)
    out: list[Block] = [
        Heading("How far the evidence goes"),
        Grid(
            ("Grade", "Meaning", "Figures", "Part"),
            rows,
            f"All figures behind the products scored, by grade: {total:,} in all.",
            (2, 3),
        ),
        Text(
            f"{b.evidence['world_pool']} of {b.evidence['links']} links between suppliers and buyers are not observed trade but estimates: what a maker does not export stays at "
            "home, or goes to a world pool on which buyers without figures draw."
        ),
    ]
    if len(b.gaps):
        named = b.gaps[b.gaps["product"].isin(b.ten["product"])] if len(b.ten) else b.gaps
        out.append(
            Text(
                f"{len(b.gaps)} gaps are recorded for the products scored"
                + (f", {len(named)} of them for those named above:" if len(named) and len(b.ten) else ".")
            )
        )
        if len(named):
            out.append(
                Bullets(
                    tuple(
                        f"{r['name']}, {r['what']} ({country(str(r['where']))}): {str(r['reason']).replace('_', ' ')}"
                        + (f"; {r['note']}" if pd.notna(r["note"]) else "")
                        for r in named.head(12).to_dict("records")
                    ),
                    "note",
                )
            )
    return out


def _methods(b: Brief, most: int) -> list[Block]:
    sources = b.sources.head(most) if most else b.sources
    rest = len(b.sources) - len(sources)
    out: list[Block] = [
        Heading("Methods"),
        Grid(
            ("Figure", "How it is computed", "Reference"),
            tuple((str(r["name"]), str(r["summary"]), str(r["reference"])) for r in b.methods.to_dict("records")),
        ),
        Heading("Sources"),
        Grid(
            ("Source", "Year", "Terms", "Figures"),
            tuple(
                (
                    str(r["title"]) + (f" ({r['url']})" if pd.notna(r["url"]) else ""),
                    str(r["year"]) if pd.notna(r["year"]) else "",
                    str(r["licence"]),
                    f"{int(r['figures']):,}",
                )
                for r in sources.to_dict("records")
            ),
            "Sources of the figures behind the products scored, with their terms of use."
            + (f" The {len(sources)} most used; the page and --json have {rest} more." if rest else ""),
            (1, 3),
        ),
    ]
    return out

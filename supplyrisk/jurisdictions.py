"""Places: ISO3 codes, display names, focal scopes.

CHN, HKG, MAC and TWN are four places and are stored apart, always. Which of them a question means is a *scope*
that the user picks and that every result prints; how they are called in a figure is a display setting.

Former states (ISO 3166-3) keep their own codes to the day on which they ended: Soviet output of 1985 is nobody else's, and
is never shared out among successors. After that day they are in no graph's newest state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

import pandas as pd

from .errors import Problem, SchemaError, UnknownNameError, unknown_name
from .schema import PSEUDO_COUNTRIES, date_ceil, date_floor

__all__ = [
    "FORMER",
    "SCOPES",
    "Former",
    "check_country",
    "code_of",
    "country_codes",
    "dated",
    "day_of",
    "display_name",
    "ended",
    "is_country",
    "members",
    "scope",
]

# Focal scopes by name. A scope is a tuple of ISO3 codes; the default focal is mainland China alone.
SCOPES: dict[str, tuple[str, ...]] = {
    "CHN": ("CHN",),
    "CHN+HKG+MAC": ("CHN", "HKG", "MAC"),
    "greater_customs_area": ("CHN", "HKG", "MAC"),
}


class Former(NamedTuple):
    """A state that ended: name, last day, and who succeeded it (for information: nothing is ever merged into them)."""

    name: str
    until: str
    successors: tuple[str, ...]


# ISO 3166-3 codes that statistics of production and trade since 1970 use, with the day on which the state ended.
FORMER: dict[str, Former] = {
    "ANT": Former("Netherlands Antilles (to 2010)", "2010-10-10", ("BES", "CUW", "SXM")),
    "CSK": Former("Czechoslovakia (to 1992)", "1992-12-31", ("CZE", "SVK")),
    "DDR": Former("German Democratic Republic (to 1990)", "1990-10-02", ("DEU",)),
    "PCI": Former("Pacific Islands, trust territory (to 1986)", "1986-11-03", ("FSM", "MHL", "MNP", "PLW")),
    "SCG": Former("Serbia and Montenegro (2003 to 2006)", "2006-06-05", ("MNE", "SRB")),
    "SUN": Former("Soviet Union (to 1991)", "1991-12-31", ("ARM", "AZE", "BLR", "EST", "GEO", "KAZ", "KGZ", "LTU", "LVA",
                  "MDA", "RUS", "TJK", "TKM", "UKR", "UZB")),
    "VDR": Former("North Vietnam (to 1976)", "1976-07-01", ("VNM",)),
    "YMD": Former("South Yemen (to 1990)", "1990-05-21", ("YEM",)),
    "YUG": Former("Yugoslavia (to 2003)", "2003-02-03", ("BIH", "HRV", "MKD", "MNE", "SRB", "SVN")),
}  # fmt: skip

_SHORT = {
    "CHN": "China",
    "HKG": "Hong Kong",
    "MAC": "Macao",
    "TWN": "Taiwan",
    "KOR": "South Korea",
    "PRK": "North Korea",
    "COD": "DR Congo",
    "RUS": "Russia",
    "USA": "United States",
    "GBR": "United Kingdom",
    "VNM": "Vietnam",
    "BOL": "Bolivia",
    "IRN": "Iran",
    "TZA": "Tanzania",
    "VEN": "Venezuela",
    "LAO": "Laos",
    "CZE": "Czechia",
    "TUR": "Türkiye",
    "MDA": "Moldova",
    "SYR": "Syria",
    "BRN": "Brunei",
    "NLD": "Netherlands",
}


@cache
def country_codes() -> frozenset[str]:
    """All ISO 3166-1 alpha-3 codes, former states, and the declared extras (XKX, EUE, ROW, WLD, UNK, ALL).

    Returns
    -------
    frozenset of str

    Examples
    --------
    >>> "TWN" in country_codes(), "CHN" in country_codes(), "China" in country_codes()
    (True, True, False)
    """
    import pycountry

    return frozenset({c.alpha_3 for c in pycountry.countries} | set(PSEUDO_COUNTRIES) | set(FORMER))


def ended(countries: pd.Series, year: int) -> pd.Series:
    """Whether a place is a state that ended before a year.

    Parameters
    ----------
    countries : Series of str
        Codes.
    year : int
        Year.

    Returns
    -------
    Series of bool

    Examples
    --------
    >>> ended(pd.Series(["SUN", "RUS"]), 2024).tolist(), ended(pd.Series(["SUN"]), 1991).tolist()
    ([True, False], [False])
    """
    return countries.isin([code for code, state in FORMER.items() if int(state.until[:4]) < year])


def dated(nodes: pd.DataFrame) -> pd.DataFrame:
    """Rows of the ``nodes`` table, those of former states with the day of their end where they give none.

    Parameters
    ----------
    nodes : DataFrame
        Coerced table.

    Returns
    -------
    DataFrame
    """
    gone = nodes["country"].isin(list(FORMER)) & nodes["valid_to"].isna()
    if not gone.any():
        return nodes
    until = nodes["country"].map({code: state.until for code, state in FORMER.items()})
    return nodes.assign(valid_to=nodes["valid_to"].mask(gone, until.astype(nodes["valid_to"].dtype)))


def is_country(code: str) -> bool:
    """Whether the text is a stored country code.

    Parameters
    ----------
    code : str
        Candidate.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_country("TWN"), is_country("Taiwan")
    (True, False)
    """
    return code in country_codes()


@cache
def _names() -> dict[str, str]:
    import pycountry

    out = {c.name.casefold(): c.alpha_3 for c in pycountry.countries}
    out |= {c.alpha_2.casefold(): c.alpha_3 for c in pycountry.countries}
    out |= {name.casefold(): code for code, name in {**PSEUDO_COUNTRIES, **_SHORT}.items()}
    out |= {"eu": "EUE", "eu27": "EUE", "uk": "GBR", "south korea": "KOR", "taiwan": "TWN", "usa": "USA"}
    return out


def check_country(code: object, where: str = "") -> str:
    """Return the ISO3 code, or raise with the nearest good ones.

    Parameters
    ----------
    code : object
        What the user gave. Names and ISO2 codes raise too, but the message says the right code.
    where : str
        Argument in which it was given.

    Returns
    -------
    str

    Raises
    ------
    UnknownNameError
        Not a stored code.

    Examples
    --------
    >>> check_country("JPN")
    'JPN'
    """
    text = str(code)
    if is_country(text):
        return text
    raise unknown_name("country", text, country_codes(), where, code_of(text))


def code_of(text: str) -> str | None:
    """The code that a name, or a code in small letters, surely stands for.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    str or None

    Examples
    --------
    >>> code_of("Japan"), code_of("jpn"), code_of("Atlantis")
    ('JPN', 'JPN', None)
    """
    return text.upper() if text.upper() in country_codes() else _names().get(text.casefold())


def display_name(code: str, names: Mapping[str, str] | None = None) -> str:
    """Name of a place for people; a setting, never stored.

    Parameters
    ----------
    code : str
        ISO3 or declared extra.
    names : mapping, optional
        The user's own names, which win.

    Returns
    -------
    str
        The code itself where no name is known.

    Examples
    --------
    >>> display_name("TWN"), display_name("TWN", {"TWN": "Chinese Taipei"})
    ('Taiwan', 'Chinese Taipei')
    """
    if names and code in names:
        return names[code]
    if code in _SHORT:
        return _SHORT[code]
    if code in PSEUDO_COUNTRIES:
        return PSEUDO_COUNTRIES[code]
    if code in FORMER:
        return FORMER[code].name
    import pycountry

    hit = pycountry.countries.get(alpha_3=code)
    if hit is None:
        return code
    return str(getattr(hit, "common_name", hit.name))


_NO_FOCAL = {"WLD": "the world is no country", "ROW": "the unlisted rest is no country", "UNK": "nobody in particular"}


class Rolls(Protocol):
    """What :func:`scope` reads of a graph: its date and who belonged to which coalition when."""

    @property
    def as_of(self) -> str | None: ...

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]: ...

    @property
    def reference_date(self) -> str: ...


def day_of(graph: Rolls) -> str | None:
    """Day of which a graph speaks: the one that it was given, else that of its last fact; None where nothing is dated.

    Parameters
    ----------
    graph : SupplyGraph
        The graph.

    Returns
    -------
    str or None

    Examples
    --------
    >>> from supplyrisk.graph import SupplyGraph
    >>> day_of(SupplyGraph.from_tables()) is None
    True
    """
    if graph.as_of:
        return graph.as_of
    facts = [graph.tables[t] for t in ("nodes", "links", "demand")]
    dated = any(f["year"].notna().any() or f["published_on"].notna().any() for f in facts)
    return graph.reference_date if dated else None


def scope(focal: str | Iterable[str], graph: Rolls | None = None, at: str | None = None) -> tuple[str, ...]:
    """ISO3 codes that a focal argument stands for.

    Parameters
    ----------
    focal : str or iterable of str
        An ISO3 code, a preset of :data:`SCOPES`, a coalition of the graph, or several of these.
    graph : SupplyGraph, optional
        Its table ``memberships`` says who belongs to a coalition.
    at : str, optional
        Day of the membership; default the day of the graph (:func:`day_of`), or without one the last day with members.

    Returns
    -------
    tuple of str
        Sorted, without repeats. The European Union as a party (``EUE``) stands with its members of the day, and its
        members together (``EU27``) with the Union.

    Raises
    ------
    UnknownNameError
        A code, preset or coalition that does not exist, with what is close.
    SchemaError
        A coalition without members on that day.

    Examples
    --------
    >>> scope("CHN"), scope("CHN+HKG+MAC"), scope(["MAC", "CHN"])
    (('CHN',), ('CHN', 'HKG', 'MAC'), ('CHN', 'MAC'))
    >>> from supplyrisk.atlas import load_atlas
    >>> scope("QUAD", load_atlas())
    ('AUS', 'IND', 'JPN', 'USA')
    """
    one = isinstance(focal, str) or not isinstance(focal, Iterable) or getattr(focal, "ndim", 1) == 0
    given: list[Any] = [focal] if one else list(focal)
    for name in given:
        if not isinstance(name, str):
            remedy = "Give an ISO3 code such as 'CHN', a preset, a coalition, or a list of these."
            raise SchemaError([Problem("focal", "-", "-", "not a name", repr(name)[:80], remedy)], "focal")
        if name in _NO_FOCAL:
            remedy = "Name a country or a coalition; an unlisted rest belongs to nobody in particular."
            raise SchemaError([Problem("focal", str(name), "-", _NO_FOCAL[name], "", remedy)], "focal")
    codes = {c for name in given for c in _stands_for(name, graph, at)}
    if not codes:
        raise unknown_name("focal country", "(empty)", ["CHN"], "focal")
    return tuple(sorted(codes))


def _stands_for(name: str, graph: Rolls | None, at: str | None) -> tuple[str, ...]:
    if name in SCOPES:
        return SCOPES[name]
    if graph is None:
        return (check_country(name, "focal"),)
    table = graph.tables["memberships"]
    known = sorted(table["coalition"].dropna().astype(str).unique())
    if name == "EUE" and "EU27" in known:  # the Union as a party is its members together
        return _stands_for("EU27", graph, at)
    if is_country(str(name)):
        return (check_country(name, "focal"),)
    if name not in known:
        try:
            return (check_country(name, "focal"),)
        except UnknownNameError:
            names = [*country_codes(), *known]
            raise unknown_name("country or coalition", name, names, "focal", code_of(name)) from None
    day = at if at is not None else day_of(graph)
    found = members(table, name, day)
    if not found:
        remedy = f"Choose another day, or name the countries: last {', '.join(members(table, name))}."
        raise SchemaError([Problem("focal", name, "-", f"coalition without a member on {day}", "", remedy)], "focal")
    union = members(table, "EU27", day) if "EU27" in known else ()
    return (*found, *(union if "EUE" in found else ()), *(("EUE",) if name == "EU27" else ()))


def members(
    memberships: pd.DataFrame, coalition: str, at: str | None = None, roles: Iterable[str] = ("member",)
) -> tuple[str, ...]:
    """Countries of a coalition on a day.

    Parameters
    ----------
    memberships : DataFrame
        The table of that name.
    coalition : str
        Coalition id, e.g. ``"MSP"``.
    at : str, optional
        ISO date of any precision; its last day counts. Default: the last day on which the coalition had a member.
    roles : iterable of str
        Which roles count.

    Returns
    -------
    tuple of str
        ISO3, sorted; empty before the coalition's first and after its last day.

    Raises
    ------
    UnknownNameError
        No such coalition.

    Examples
    --------
    >>> table = pd.DataFrame([dict(coalition="MSP", country="JPN", role="member", valid_from="2022-06-14",
    ...     valid_to="2026-02-04")])
    >>> members(table, "MSP", "2024"), members(table, "MSP", "2026-03"), members(table, "MSP")
    (('JPN',), (), ('JPN',))
    """
    if not (memberships["coalition"] == coalition).any():
        raise unknown_name("coalition", coalition, memberships["coalition"].unique())
    m = memberships[(memberships["coalition"] == coalition) & memberships["role"].isin(list(roles))]
    start = m["valid_from"].map(lambda d: date_floor(str(d)) if pd.notna(d) and d != "" else "0000-00-00").astype(str)
    end = m["valid_to"].map(lambda d: date_ceil(str(d)) if pd.notna(d) else "9999-12-31").astype(str)
    if at is not None:
        day = date_ceil(at)
    else:
        last = max(end) if len(end) else "9999-12-31"
        # valid_to is the day of the end: its eve is the last day with members. An open end: any day before all time.
        day = "9999-12-30" if last == "9999-12-31" else str((pd.Timestamp(last) - pd.Timedelta(days=1)).date())
    hit = m[(start <= day) & (end > day)]
    return tuple(sorted(set(hit["country"].astype(str))))

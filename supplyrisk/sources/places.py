"""Country names and codes of every publisher, to ISO 3166-1 alpha-3.

pycountry knows the standard; the aliases here know the statisticians. CHN, HKG, MAC and TWN stay four places: UN code
490, "Other Asia, nes", is where trade statistics put Taiwan, so it is read as TWN with a flag. Aggregates (World,
EU27, Other countries) are recognised as such and are never a country.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

import pandas as pd

__all__ = ["AGGREGATE", "REST", "countries", "country"]

AGGREGATE = "aggregate"  # World, EU27, a continent: drop before summing
REST = "ROW"  # "Other countries": an unlisted rest, kept as a residual

_ALIASES = {
    "burma": "MMR", "burma (myanmar)": "MMR", "congo (kinshasa)": "COD", "congo, d.r.": "COD", "congo d.r.": "COD",
    "congo, dem. rep.": "COD", "dem. rep. of the congo": "COD", "democratic republic of congo": "COD", "drc": "COD",
    "democratic republic of the congo": "COD", "congo (dr)": "COD", "dr congo": "COD", "congo, dr": "COD",
    "congo, democratic republic": "COD", "congo, democratic republic of": "COD", "zaire": "COD",
    "congo, democratic republic of the": "COD", "congo dem. rep.": "COD", "congo, dem.rep.": "COD", "d.r. congo": "COD",
    "congo (brazzaville)": "COG", "congo, rep.": "COG", "congo, republic of": "COG", "republic of congo": "COG",
    "republic of the congo": "COG", "congo, rep. of the": "COG", "congo": "COG", "congo, rep": "COG",
    "turkey": "TUR", "turkyie": "TUR", "turkiye": "TUR", "korea, republic of": "KOR", "korea, south": "KOR",
    "korea (rep. of)": "KOR", "korea, rep.": "KOR", "korea, rep": "KOR", "rep. of korea": "KOR", "south korea": "KOR",
    "republic of korea": "KOR", "korea": "KOR", "korea (the republic of)": "KOR", "korea (republic of)": "KOR",
    "korea, north": "PRK", "north korea": "PRK", "korea, dem. people's rep.": "PRK", "dem. people's rep. of korea": "PRK",
    "korea (d.p.r. of)": "PRK", "korea, dem. p.r. of": "PRK", "korea, dem. rep.": "PRK", "dpr korea": "PRK",
    "brasilia": "BRA", "brasil": "BRA", "taiwan": "TWN", "taiwan, china": "TWN", "chinese taipei": "TWN",
    "other asia, nes": "TWN", "other asia, not elsewhere specified": "TWN", "taiwan, province of china": "TWN",
    "china (taiwan)": "TWN", "china, taiwan": "TWN", "china, taiwan province of": "TWN", "china (taiwan province)": "TWN",
    "taiwan province of china": "TWN", "taiwan, prov. of china": "TWN", "taipei, chinese": "TWN", "taipei": "TWN",
    "taiwan (china)": "TWN", "asia, other": "TWN", "hong kong": "HKG", "hong kong, china": "HKG", "china, hong kong sar": "HKG",
    "hong kong sar, china": "HKG", "china, hong kong special administrative region": "HKG", "macao": "MAC", "macau": "MAC",
    "china, macao sar": "MAC", "macao sar, china": "MAC", "china, mainland": "CHN", "china (mainland)": "CHN",
    "mainland china": "CHN", "china": "CHN", "people's republic of china": "CHN", "pr china": "CHN", "china, people's republic": "CHN",
    "russia": "RUS", "russian federation": "RUS", "russia, asia": "RUS", "russia, europe": "RUS", "ussr": "SUN", "soviet union": "SUN", "rhodesia": "ZWE", "yugoslavia": "YUG", "czechoslovakia": "CSK", "german d.r.": "DDR",
    "german democratic republic": "DDR", "east germany": "DDR", "germany, democratic republic": "DDR", "fmr dem. rep. of germany": "DDR",
    "fmr ussr": "SUN", "ussr (former)": "SUN", "former ussr": "SUN", "u.s.s.r.": "SUN", "union of soviet socialist republics": "SUN", "soviet union (former)": "SUN",
    "fmr yugoslavia": "YUG", "yugoslavia (former)": "YUG", "yugoslavia, sfr": "YUG", "yugoslavia, federal republic of": "YUG",
    "czechoslovakia (former)": "CSK", "fmr czechoslovakia": "CSK", "neth. antilles": "ANT", "fmr serbia and montenegro": "SCG",
    "south yemen": "YMD", "yemen, democratic": "YMD", "fmr dem. yemen": "YMD", "democratic yemen": "YMD", "north vietnam": "VDR",
    "trust territory of the pacific islands": "PCI", "the bahamas": "BHS",
    "the former yugoslav republic of macedonia": "MKD", "china, macao special administrative region": "MAC",
    "saint maarten (dutch part)": "SXM", "cocos islands": "CCK", "saint helena": "SHN", "christmas islands": "CXR",
    "british indian ocean territories": "IOT", "norfolk islands": "NFK", "french south antarctic territories": "ATF",
    "federated state of micronesia": "FSM", "st. helena": "SHN", "saint pierre and miquelon": "SPM", "wallis and futuna islands": "WLF",
    "br. virgin isds": "VGB", "us virgin isds": "VIR", "turks and caicos isds": "TCA", "cayman isds": "CYM", "cook isds": "COK",
    "faeroe isds": "FRO", "faroe isds": "FRO", "marshall isds": "MHL", "solomon isds": "SLB", "n. mariana isds": "MNP",
    "falkland isds (malvinas)": "FLK", "christmas isds": "CXR", "norfolk isds": "NFK", "br. indian ocean terr.": "IOT",
    "fs micronesia": "FSM", "state of libya": "LBY", "libyan arab jamahiriya": "LBY", "the gambia": "GMB",
    "usa": "USA", "united states": "USA", "united states of america": "USA", "usa, puerto rico and us virgin islands": "USA",
    "u.s.": "USA", "us": "USA", "uk": "GBR", "great britain": "GBR", "united kingdom": "GBR", "viet nam": "VNM", "vietnam": "VNM",
    "bolivia": "BOL", "bolivia (plurinational state of)": "BOL", "plurinational state of bolivia": "BOL", "iran": "IRN",
    "iran, islamic rep.": "IRN", "iran (islamic rep. of)": "IRN", "tanzania": "TZA", "united rep. of tanzania": "TZA",
    "venezuela": "VEN", "venezuela, rb": "VEN", "laos": "LAO", "lao pdr": "LAO", "lao people's dem. rep.": "LAO",
    "czech republic": "CZE", "czechia": "CZE", "macedonia": "MKD", "north macedonia": "MKD", "tfyr of macedonia": "MKD",
    "macedonia, fyr": "MKD", "kosovo": "XKX", "ivory coast": "CIV", "cote d'ivoire": "CIV", "swaziland": "SWZ",
    "eswatini": "SWZ", "cape verde": "CPV", "cabo verde": "CPV", "east timor": "TLS", "timor-leste": "TLS",
    "syria": "SYR", "syrian arab republic": "SYR", "egypt, arab rep.": "EGY", "gambia, the": "GMB", "bahamas, the": "BHS",
    "yemen, rep.": "YEM", "kyrgyz republic": "KGZ", "kyrgyzstan": "KGZ", "slovak republic": "SVK", "slovakia": "SVK",
    "moldova": "MDA", "rep. of moldova": "MDA", "micronesia, fed. sts.": "FSM", "brunei": "BRN", "brunei darussalam": "BRN",
    "st. lucia": "LCA", "st. kitts and nevis": "KNA", "st. vincent and the grenadines": "VCT", "sao tome and principe": "STP",
    "west bank and gaza": "PSE", "palestine": "PSE", "state of palestine": "PSE", "reunion": "REU", "netherlands antilles": "ANT",
    "netherlands antilles (former)": "ANT", "virgin islands (u.s.)": "VIR", "bosnia herzegovina": "BIH", "bosnia-herzegovina": "BIH",
    "bosnia & herzegovina": "BIH", "serbia": "SRB", "serbia and montenegro": "SCG", "trinidad & tobago": "TTO",
    "papua new guinea": "PNG", "new caledonia": "NCL", "central african rep.": "CAF", "dominican rep.": "DOM",
    "uae": "ARE", "united arab emirates": "ARE", "britain": "GBR", "trinidad-tobago": "TTO", "sao tome": "STP", "bosnia": "BIH",
    "micronesia": "FSM", "west bank and gaza strip": "PSE", "the netherlands": "NLD", "libanon": "LBN", "hongkong": "HKG", "korea s.": "KOR", "saudi arabia": "SAU", "surinam": "SUR", "guyana": "GUY",
    "south africa": "ZAF", "south africa, republic": "ZAF", "guinea-bissau": "GNB", "germany": "DEU", "germany, fr": "DEU",
    "fmr fed. rep. of germany": "DEU", "germany, federal republic of": "DEU", "belgium-luxembourg": "BEL",
    "france, monaco": "FRA", "france (incl. monaco)": "FRA", "switzerland, liechtenstein": "CHE", "norway, svalbard and jan mayen": "NOR",
    "sudan (former)": "SDN", "fmr sudan": "SDN", "cyprus, southern": "CYP", "marshall is.": "MHL", "solomon is.": "SLB",
    "falkland islands": "FLK", "cook is.": "COK", "vatican": "VAT", "nauru": "NRU", "greenland": "GRL", "kazahkstan": "KAZ",
    "kazahstan": "KAZ", "phillipines": "PHL", "columbia": "COL", "tadzhikistan": "TJK", "usbekistan": "UZB", "marocco": "MAR",
    "bonaire, saint eustatius and saba": "BES", "curacao": "CUW", "saint barthelemy": "BLM", "jersey": "JEY", "channel islands": "JEY",
}  # fmt: skip

# Codes that are not ISO 3166-1 alpha-3 (old World Bank, BACI and Comtrade specials).
_CODES = {
    "ADO": "AND", "ZAR": "COD", "ROM": "ROU", "TMP": "TLS", "KSV": "XKX", "WBG": "PSE", "S19": "TWN", "E19": "ROW",
    "R20": "XKX", "SCG": "SCG", "YUG": "YUG", "SUN": "SUN", "ANT": "ANT", "DDR": "DDR", "CSK": "CSK", "KOS": "XKX", "ROW": "ROW", "RoW": "ROW",
    "UVK": "XKX", "XK": "XKX", "PCI": "PCI", "VDR": "VDR", "YMD": "YMD", "BUR": "MMR", "DAH": "BEN", "RHO": "ZWE",
}  # fmt: skip

_NUMERIC = {490: "TWN", 251: "FRA", 381: "ITA", 579: "NOR", 699: "IND", 757: "CHE", 842: "USA", 841: "USA", 58: "BEL",
            280: "DEU", 278: "DDR", 720: "YMD", 886: "YEM", 582: "PCI", 866: "VDR", 230: "ETH", 717: "ZWE", 711: "ZAF", 736: "SDN", 412: "XKX", 568: "ROW", 577: "ROW", 637: "ROW", 899: "ROW",
            839: "ROW", 838: "ROW", 837: "ROW", 527: "ROW", 290: "ROW", 530: "ANT", 532: "ANT", 891: "SCG", 890: "YUG",
            810: "SUN", 200: "CSK", 97: AGGREGATE, 0: AGGREGATE, 156: "CHN", 344: "HKG", 446: "MAC", 158: "TWN", 656: "ROW",
            849: "ROW", 129: "ROW", 221: "ROW", 472: "ROW", 473: "ROW", 471: "ROW", 492: "ROW", 536: "ROW", 636: "ROW"}  # fmt: skip

_AGGREGATES = re.compile(
    r"^(world( total)?\b|total\b|grand total|eu\b|eu-?\d\d|eu27|(extra|intra)[ -]?eu|ea\b|europe(an union)?\b|africa$|asia$|america$|oceania$"
    r"|latin america|north america|south america|sub-saharan|middle east|oecd|wld$|w00$|all countries|euro area|g-?20|g-?7|north africa)",
    re.IGNORECASE,
)
_REST = re.compile(r"^(other countries|others?$|rest of( the)? world|other$|row$|all others?|areas, nes|unspecified|not specified|"
                   r"other europe|other africa|bunkers|free zones|special categories|countries nes|other, nes)", re.IGNORECASE)  # fmt: skip


_STYLES = frozenset(
    [
        "republic",
        "rep",
        "of",
        "the",
        "united",
        "democratic",
        "dem",
        "people",
        "people's",
        "peoples",
        "islamic",
        "federal",
        "federation",
        "federated",
        "state",
        "states",
        "kingdom",
        "plurinational",
        "bolivarian",
        "socialist",
        "arab",
        "former",
        "fmr",
        "pr",
        "p",
        "r",
        "sar",
        "province",
        "and",
        "principality",
        "fed",
        "sts",
    ]
)


def _fold(name: str) -> str:
    text = unicodedata.normalize("NFKD", str(name))
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"[\u2018\u2019`]", "'", text)
    text = re.sub(r"\s*(\(\d+\)|\d+(/|\))|\*+|\^\S*)$", "", text.strip())  # footnote marks at the end
    return " ".join(text.split()).casefold()


@cache
def _standard() -> dict[str, str]:
    import pycountry

    out: dict[str, str] = {}
    for c in pycountry.countries:
        for name in (c.name, getattr(c, "common_name", None), getattr(c, "official_name", None)):
            if name:
                out.setdefault(_fold(name), c.alpha_3)
    return out


@cache
def _by_code() -> tuple[dict[str, str], dict[str, str], dict[int, str]]:
    import pycountry

    three = {c.alpha_3: c.alpha_3 for c in pycountry.countries} | _CODES
    two = {c.alpha_2: c.alpha_3 for c in pycountry.countries} | {
        "UK": "GBR",
        "EL": "GRC",
        "XK": "XKX",
        "CS": "SCG",
        "AN": "ANT",
        "SU": "SUN",
        "YU": "YUG",
        "TP": "TLS",
    }
    numeric = {int(c.numeric): c.alpha_3 for c in pycountry.countries} | _NUMERIC
    return three, two, numeric


def country(name: object, scheme: str = "any") -> str | None:
    """ISO3 code of a name or code; None where no concordance knows it.

    Parameters
    ----------
    name : object
        Name in a publisher's spelling, ISO2, ISO3, or UN/BACI number.
    scheme : {"any", "name", "iso3", "iso2", "numeric"}
        What the column holds, where that is known.

    Returns
    -------
    str or None
        ISO3; ``"ROW"`` for an unlisted rest; :data:`AGGREGATE` for World, EU and the like.

    Examples
    --------
    >>> country("Congo (Kinshasa)"), country("Burma"), country("Other Asia, nes"), country(490, "numeric")
    ('COD', 'MMR', 'TWN', 'TWN')
    >>> country("World total (rounded)"), country("Other Countries"), country("Atlantis")
    ('aggregate', 'ROW', None)
    """
    if name is None or name is pd.NA or (isinstance(name, float) and name != name):
        return None
    text = " ".join(str(name).split())
    if not text:
        return None
    three, two, numeric = _by_code()
    if scheme in ("any", "numeric") and re.fullmatch(r"\d{1,3}(\.0)?", text):
        return numeric.get(int(float(text)))
    if scheme in ("any", "iso3") and text.upper() in three and len(text) == 3 and text.isupper():
        return three[text.upper()]
    if scheme in ("any", "iso2") and len(text) == 2 and text.upper() in two and text.isupper():
        return two[text.upper()]
    if scheme in ("iso3", "iso2", "numeric"):
        return AGGREGATE if _AGGREGATES.match(text) else None
    folded = _fold(text)
    if folded in _ALIASES:
        return _ALIASES[folded]
    if folded in _standard():
        return _standard()[folded]
    if _REST.match(folded):
        return REST
    if _AGGREGATES.match(folded):
        return AGGREGATE
    head, _, tail = folded.partition(",")
    if tail and set(re.findall(r"[a-z']+", tail)) <= _STYLES:  # "Tanzania, United Republic of", not "China, Germany"
        for trial in (f"{tail.strip()} {head}", head):
            if trial in _ALIASES or trial in _standard():
                return _ALIASES.get(trial) or _standard()[trial]
    hit = re.fullmatch(r"(.+?)\s*\(([^()]*)\)", text)  # "Denmark (processed)", but never "China (Taiwan)"
    if (
        hit
        and scheme in ("any", "name")
        and country(hit[2], "name") in (None, REST, AGGREGATE)
        and _fold(hit[1]) not in ("congo", "korea")
    ):
        return country(hit[1], "name")
    return None


def countries(names: pd.Series, scheme: str = "any", extra: Mapping[str, str] | None = None) -> pd.Series:
    """ISO3 of a column, each distinct value looked up once.

    Parameters
    ----------
    names : Series
        Names or codes.
    scheme : str
        As for :func:`country`.
    extra : mapping, optional
        The user's own names, which win.

    Returns
    -------
    Series
        Missing where unknown; the caller reports those with their share of value.

    Examples
    --------
    >>> countries(pd.Series(["Korea, South", "Narnia"])).tolist()
    ['KOR', <NA>]
    """
    own = dict(extra or {})
    table = {v: own.get(str(v)) or country(v, scheme) for v in names.dropna().unique()}
    return names.map(table).astype("string")

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

from .report import Report

__all__ = ["AGGREGATE", "REST", "agreed", "countries", "country"]

AGGREGATE = "aggregate"  # World, EU27, a continent: drop before summing
REST = "ROW"  # "Other countries": an unlisted rest, kept as a residual

_ALIASES = {
    "papua-new guinea": "PNG", "dprk": "PRK", "rok": "KOR", "u.s.a.": "USA", "u.s.a": "USA", "u.k.": "GBR", "prc": "CHN", "p.r.c.": "CHN", "gdr": "DDR",
    "russian fed.": "RUS", "russian fed": "RUS", "northern ireland": "GBR", "scotland": "GBR", "western samoa": "WSM",
    "french guyana": "GUF", "slovak rep.": "SVK", "slovak rep": "SVK", "great britain and northern ireland": "GBR",
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
            697: "ROW", 849: "ROW", 129: "ROW", 221: "ROW", 472: "ROW", 473: "ROW", 471: "ROW", 492: "ROW", 536: "ROW", 636: "ROW"}  # fmt: skip

_AGGREGATES = re.compile(
    r"^(world( total)?\b|total\b|grand total|eu\b|eu-?\d\d|eu27|(extra|intra)[ -]?eu|ea\b|europe(an union)?\b|africa$|asia$|america$|oceania$"
    r"|latin america|north america|south america|sub-saharan|middle east|oecd|wld$|w00$|all countries|euro area|g-?20|g-?7|north africa"
    r"|sub-?totals?\b|sum$|global$|eurozone$|asean$|eec$|mercosur$)",
    re.IGNORECASE,
)
_REST = re.compile(r"^(other countries|others?$|rest of( the)? world|other$|row$|all others?|areas, nes|unspecified|not specified|"
                   r"other europe|europe efta|other africa|bunkers|free zones|special categories|countries nes|other, nes)", re.IGNORECASE)  # fmt: skip


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


# Places that share a name with others. Words of a name that stand for each, in the order in which they decide; "" is
# the name with nothing but words of style. A name of a family that fits none of its members is nobody's, never a guess.
_DEMOCRATIC = "dem democratic dpr dprk pdr dr d"
_REPUBLIC = "rep republic r"
_PEOPLES = "people people's peoples pr prc p"
_FAMILIES: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (r"koreas?|dprk", "korea dprk", ((f"{_DEMOCRATIC} {_PEOPLES} north n", "PRK"), (f"south s rok {_REPUBLIC}", "KOR"))),
    (r"congo", "congo", (("people people's peoples brazzaville", "COG"), (f"{_DEMOCRATIC} drc kinshasa zaire", "COD"),
                         (f"{_REPUBLIC} ", "COG"))),
    (r"german|germany", "german germany",
     ((f"{_DEMOCRATIC} gdr east", "DDR"), (f"federal fed fr west {_REPUBLIC} ", "DEU"))),
    (r"yemen", "yemen", ((f"{_DEMOCRATIC} {_PEOPLES} south", "YMD"), (f"arab north {_REPUBLIC} ", "YEM"))),
    (r"vietnam|viet nam", "vietnam viet nam", ((f"north {_DEMOCRATIC}", "VDR"), (f"socialist {_REPUBLIC} ", "VNM"))),
    (r"china|taiwan|taipei", "china chinese",
     (("taiwan taipei roc", "TWN"), ("hong kong", "HKG"), ("macao macau", "MAC"), (f"{_PEOPLES} mainland ", "CHN"),
      (_REPUBLIC, "TWN"))),
    (r"sudan", "sudan", (("south", "SSD"), (f"north democratic dem {_REPUBLIC} ", "SDN"))),
    (r"samoa", "samoa", (("american us", "ASM"), ("western independent ", "WSM"))),
    (r"guinea", "guinea", (("equatorial eq", "GNQ"), ("bissau portuguese", "GNB"), ("papua", "PNG"),
                           (f"french revolutionary people's {_REPUBLIC} ", "GIN"))),
    (r"guyana|guiana", "guyana guiana", (("french", "GUF"), ("dutch netherlands", "SUR"), (f"british cooperative co operative {_REPUBLIC} ", "GUY"))),
    (r"ireland", "ireland", ((f"south southern {_REPUBLIC} ", "IRL"),)),
    (r"macedonia", "macedonia", ((f"fyr fyrom tfyr fmr former yugoslav north {_REPUBLIC} ", "MKD"),)),
    (r"dominican?", "dominica", (("commonwealth ", "DMA"),)),
    (r"virgin (?:islands|isds?|is)", "virgin islands isds isd is",
     (("british br uk u.k.", "VGB"), ("us usa united states", "VIR"))),
)  # fmt: skip
_STYLE_ALONE = frozenset(
    [
        "of",
        "the",
        "state",
        "states",
        "fed",
        "federal",
        "federated",
        "kingdom",
        "sar",
        "special",
        "administrative",
        "region",
        "province",
        "prov",
    ]
)
_MARKS = frozenset(w for _, _, choices in _FAMILIES for marks, _ in choices for w in marks.split())
_LETTERS = re.compile(r"\b(?:[a-z]\.\s?){2,}")


def _of_family(folded: str) -> str | None:
    """Which of the places that share a name is meant: its code, "" if none of them for certain, None for other names."""
    text = re.sub(r"^(?:dprk|rok)$", lambda m: f"{m[0]} korea", folded)
    text = _LETTERS.sub(lambda m: re.sub(r"[.\s]", "", m[0]) + " ", f"{text} ")
    text = " ".join(re.sub(r"[^a-z']+", " ", text).split())
    for name, own, choices in _FAMILIES:
        if not re.search(rf"\b(?:{name})\b", text):
            continue
        words = set(text.split()) - set(own.split()) - _STYLE_ALONE
        allowed = set().union(*(set(marks.split()) for marks, _ in choices))
        if not words <= allowed:
            return ""
        for marks, code in choices:
            chosen = set(marks.split())
            if words & chosen or (not words and marks.endswith(" ")):
                # A mark of two of them ("Hong Kong and Macao") is neither.
                rest = words - chosen - set(f"{_REPUBLIC} {_PEOPLES} {_DEMOCRATIC} socialist islamic".split())
                return "" if rest else code
        return ""
    return None


def _fold(name: str) -> str:
    text = unicodedata.normalize("NFKD", str(name))
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"[\u2018\u2019`]", "'", text)
    text = re.sub(r"\s*(\(\d+\)|\d+(/|\))|\*+|\^\S*)$", "", text.strip())  # footnote marks at the end
    return " ".join(text.split()).casefold()


_SHORT = {"rep": "republic", "dem": "democratic", "fed": "federal", "st": "saint", "isl": "islands", "is": "islands",
          "isds": "islands", "isd": "islands", "terr": "territory", "utd": "united", "n": "northern", "fr": "french"}  # fmt: skip
_SAR = re.compile(
    r"[\s,(]+(?:s\.?\s?a\.?\s?r\.?|special administrative region)(?:[\s,(]+(?:of )?(?:pr )?china)?\s*\)*$"
)
_STYLED = re.compile(r"(?: (?:islamic|arab|bolivarian|united|federal|rb))*(?: republic| rb)(?: of)?$")


def _spelt_out(folded: str) -> str:
    """A name without abbreviations: ``czech rep.`` is ``czech republic``, ``macao sar`` is ``macao``."""
    name = _SAR.sub("", folded)
    words = [_SHORT.get(w.rstrip(".").strip("()"), w) if w not in ("is", "n", "fr") else w for w in name.split()]
    return " ".join(words)


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
    >>> country("Korea, Dem. P.R."), country("China, Republic of"), country("Korea, China"), country("NA")
    ('PRK', 'TWN', None, None)
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
    if scheme in ("any", "iso3") and len(text) == 3 and text.upper() in three and (text.isupper() or scheme == "iso3"):
        return three[text.upper()]
    if scheme == "any" and text == "NA":  # Namibia only among codes, see countries(): elsewhere it is "not available"
        return None
    if scheme in ("any", "iso2") and len(text) == 2 and text.upper() in two and (text.isupper() or scheme == "iso2"):
        return two[text.upper()]
    if scheme in ("iso3", "iso2", "numeric"):
        return AGGREGATE if _AGGREGATES.match(text) else None
    folded = _fold(text)
    if folded in _ALIASES:
        return _ALIASES[folded]
    if folded in _standard():
        return _standard()[folded]
    if "&" in folded:
        return country(" and ".join(text.split("&")), scheme)
    if _REST.match(folded):
        return REST
    if _AGGREGATES.match(folded):
        return AGGREGATE
    family = _of_family(folded)
    if family:
        return family
    spelt = _spelt_out(folded)
    plain = _STYLED.sub("", spelt) if family is None else spelt  # "Egypt Arab Rep.", without its comma
    for trial in (spelt, plain):
        if trial in _ALIASES or trial in _standard():
            return _ALIASES.get(trial) or _standard()[trial]
    head, _, tail = folded.partition(",")
    # "Tanzania, United Republic of", but never "China, Germany" or "Georgia, United States".
    styled = set(re.findall(r"[a-z']+", tail)) <= _STYLES and tail.strip() not in _ALIASES
    if tail and styled and tail.strip() not in _standard() and family is None:
        for trial in (f"{tail.strip()} {head}", head):
            if trial in _ALIASES or trial in _standard():
                return _ALIASES.get(trial) or _standard()[trial]
    hit = re.fullmatch(r"(.+?)\s*\(([^()]*)\)", text)  # "Denmark (processed)", but never "China (Taiwan)"
    if hit and scheme in ("any", "name") and (both := country(hit[1], "name")) and both == country(hit[2], "name"):
        return both  # "Myanmar (Burma)": two names of one place
    if (
        hit
        and scheme in ("any", "name")
        and country(hit[2], "name") in (None, REST, AGGREGATE)
        and _fold(hit[1]) not in ("congo", "korea")
        and not (family == "" and set(re.findall(r"[a-z']+", _fold(hit[2]))) & (_STYLES | _MARKS))
    ):
        return country(hit[1], "name")
    if scheme == "any" and len(text) == 3 and text.upper() in three and text.islower():
        return three[text.upper()]
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
    given = names.dropna().unique()
    table = {v: own.get(str(v)) or country(v, scheme) for v in given}
    others = [str(v) for v in given if str(v) != "NA" and table[v] is not None]
    if "NA" in table and scheme == "any" and others and all(len(v) == 2 and v.isupper() for v in others):
        table["NA"] = own.get("NA") or country("NA", "iso2")
    return names.map(table).astype("string")


def agreed(
    report: Report, names: pd.Series, codes: pd.Series, scheme: str = "iso3", extra: Mapping[str, str] | None = None
) -> pd.Series:
    """ISO3 of rows that give a name and a code; the code, but the name where the two contradict, with a note.

    Parameters
    ----------
    report : Report
        Gets a note for every name whose code is that of another place.
    names : Series
        Names in a publisher's spelling.
    codes : Series
        Codes, as they stand.
    scheme : str
        Of the codes, as for :func:`country`.
    extra : mapping, optional
        The publisher's own spellings of names.

    Returns
    -------
    Series
        Missing where neither is known.

    Examples
    --------
    >>> report = Report("bgs", "copper.csv", "restricted")
    >>> agreed(report, pd.Series(["Congo", "Congo, Democratic Republic"]), pd.Series(["COD", "COD"])).tolist()
    ['COG', 'COD']
    >>> report.notes
    ["1 rows of 'Congo' bear the code COD, which is another place: read as COG by the name"]
    """
    by_name, by_code = countries(names, "name", extra), countries(codes, scheme)
    named = by_name.notna() & ~by_name.isin([AGGREGATE, REST])
    other = (
        (named & by_code.notna() & ~by_code.isin([AGGREGATE, REST]) & (by_name != by_code)).fillna(False).astype(bool)
    )
    rows = pd.DataFrame({"name": names[other], "code": codes[other], "place": by_name[other]})
    for key, count in rows.value_counts(sort=False).items():
        name, given, place = tuple(key) if isinstance(key, tuple) else (key, "", "")
        report.notes.append(
            f"{count} rows of {name!r} bear the code {given}, which is another place: read as {place} by the name"
        )
    return by_code.fillna(by_name).mask(other, by_name)

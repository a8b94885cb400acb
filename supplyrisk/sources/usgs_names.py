"""Short names by which the USGS calls the files of one commodity, e.g. ``mcs2023-lithi_world.csv``."""

from __future__ import annotations

__all__ = ["SHORT"]

# Short name to the commodity as the concordance spells it. Two names joined by a dash are one chapter.
SHORT = {
    "abras": "Abrasives", "alumi": "Aluminum", "antim": "Antimony", "arsen": "Arsenic", "asbes": "Asbestos",
    "barit": "Barite", "bauxi": "Bauxite", "bauxi-alumi": "Bauxite", "beryl": "Beryllium", "bismu": "Bismuth",
    "boron": "Boron", "bromi": "Bromine", "cadmi": "Cadmium", "cemen": "Cement", "chrom": "Chromium", "clays": "Clays",
    "cobal": "Cobalt", "coppe": "Copper", "diamo": "Diamond", "diato": "Diatomite", "feore": "Iron ore",
    "felds": "Feldspar and nepheline syenite", "festee": "Iron and steel", "feste": "Iron and steel",
    "fluor": "Fluorspar", "galli": "Gallium", "garne": "Garnet (industrial)", "germa": "Germanium", "gold": "Gold",
    "graph": "Graphite (natural)", "gypsu": "Gypsum", "heliu": "Helium", "indiu": "Indium", "iodin": "Iodine",
    "lead": "Lead", "lime": "Lime", "lithi": "Lithium", "mgcom": "Magnesium compounds", "mgmet": "Magnesium metal",
    "manga": "Manganese", "mercu": "Mercury", "mica": "Mica (natural)", "molyb": "Molybdenum", "nicke": "Nickel",
    "niobi": "Niobium (columbium)", "nitro": "Nitrogen (fixed) - ammonia", "peat": "Peat", "perli": "Perlite",
    "phosp": "Phosphate rock", "plati": "Platinum-group metals", "potas": "Potash", "pumic": "Pumice and pumicite",
    "raree": "Rare earths", "rheni": "Rhenium", "salt": "Salt", "sandi": "Sand and gravel (industrial)",
    "scand": "Scandium", "selen": "Selenium", "silve": "Silver", "simet": "Silicon", "silic": "Silicon",
    "sodaa": "Soda ash", "stron": "Strontium", "sulfu": "Sulfur", "talc": "Talc and pyrophyllite", "tanta": "Tantalum",
    "tellu": "Tellurium", "timet": "Titanium and titanium dioxide", "timin": "Titanium mineral concentrates",
    "tin": "Tin", "tungs": "Tungsten", "vanad": "Vanadium", "vermi": "Vermiculite", "wolla": "Wollastonite",
    "yttri": "Yttrium", "zeoli": "Zeolites (natural)", "zinc": "Zinc", "zirco": "Zirconium and hafnium",
    "zirco-hafni": "Zirconium and hafnium",
}  # fmt: skip

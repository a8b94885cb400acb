"""The embedded facts: one graph from ore to chip, every figure with its source, year, licence and grade.

The CSV files beside this module hold facts, not a model: what was produced, traded, used and priced, what one product
needs of another, who owns, joins and restricts. :func:`load_atlas` puts them together by the rules of
:mod:`supplyrisk.assemble`; :func:`contents` says what is inside and what is not. What was looked for and not found is
in the table ``gaps``. Figures under non-commercial terms are not here: readers take them from the user's own copy.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module, resources

import pandas as pd

from ..assemble import assemble
from ..graph import SupplyGraph

__all__ = ["contents", "figures", "load_atlas"]

_FIGURES = ("products", "production", "trade", "concordance", "recipes", "demand", "sourcing", "costs", "gaps")

# Releases whose month is known.
_RELEASED = {"baci_hs17_202601": "2026-01"}

# Codes and dates that would read as numbers.
_TEXT = {"hs6": "str", "published_on": "str", "retrieved": "str", "dark_from": "str", "note": "str", "missing": "str"}


def _csv(name: str) -> pd.DataFrame:
    with resources.files(__package__).joinpath(f"{name}.csv").open("r", encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype=_TEXT, keep_default_na=False, na_values=[""])


def figures() -> dict[str, pd.DataFrame]:
    """The figures as they stand in the files, before they are put together.

    Returns
    -------
    dict of DataFrame
        ``products, production, trade, concordance, recipes, demand, sourcing, costs, gaps`` and ``sources``; see
        :data:`supplyrisk.assemble.INPUTS` for the columns. Copies: editing them changes nothing.

    Examples
    --------
    >>> f = figures()["production"]
    >>> f[(f["product"] == "gallium.refined") & (f["country"] == "CHN") & (f["year"] == 2024)]["quantity"].tolist()
    [839000.0]
    """
    return {name: frame.copy() for name, frame in _tables().items()}


@lru_cache(maxsize=1)
def _tables() -> dict[str, pd.DataFrame]:
    out = {name: _csv(name) for name in _FIGURES}
    out["sources"] = _csv("sources_figures")
    # A figure without a date of its own was published with its source.
    sources = out["sources"].dropna(subset=["year"])
    released = dict(zip(sources["source"], sources["year"].astype(int).astype(str), strict=True)) | _RELEASED
    for name in ("production", "trade", "demand", "sourcing"):
        frame = out[name]
        own = frame["published_on"] if "published_on" in frame.columns else pd.Series(pd.NA, index=frame.index)
        frame["published_on"] = own.astype("object").fillna(frame["source"].map(released))
    return out


def _registers() -> dict[str, pd.DataFrame]:
    registers = import_module(f"{__package__}.registers").registers()
    return {str(name): frame for name, frame in registers.items()}


@lru_cache(maxsize=1)
def _whole() -> SupplyGraph:
    figures_, registers = _tables(), _registers()
    sources = pd.concat([figures_["sources"], registers.pop("sources", pd.DataFrame())], ignore_index=True)
    gaps = pd.concat([figures_["gaps"], registers.pop("gaps", pd.DataFrame())], ignore_index=True)
    return assemble(
        products=figures_["products"],
        production=figures_["production"],
        trade=figures_["trade"],
        concordance=figures_["concordance"],
        recipes=figures_["recipes"],
        demand=figures_["demand"],
        sourcing=figures_["sourcing"],
        costs=figures_["costs"],
        name="atlas",
        history=("embedded facts, assembled",),
        tables={
            **registers,
            "sources": sources.drop_duplicates("source").assign(lists="single"),  # selected figures, no whole years
            "gaps": gaps.drop_duplicates(["product", "what", "where"]),
        },
    )


def load_atlas(*, chain: str | None = None) -> SupplyGraph:
    """The embedded facts as one supply graph; offline.

    Parameters
    ----------
    chain : str, optional
        Only the products of one chain, e.g. ``"gallium"``. The graph is then cut at the chain's edge: what feeds it
        from other chains is left out.

    Returns
    -------
    SupplyGraph
        Valid and frozen. Quantities are in the unit and basis of each product; Taiwan, Hong Kong and Macao stand
        apart from China. The same object is handed out on every call.

    Raises
    ------
    UnknownNameError
        No such chain; close matches are named.

    Notes
    -----
    Sources: USGS Mineral Commodity Summaries 2026 (public domain), IEA Critical Minerals Data Explorer 2025 (CC BY
    4.0), European Commission Study on the Critical Raw Materials 2023 (CC BY 4.0), CEPII BACI 202601 (Etalab 2.0),
    and single facts; see ``load_atlas().sources``.

    Examples
    --------
    >>> g = load_atlas()
    >>> g.name, len(g.validate())
    ('atlas', 0)
    >>> n = g.nodes
    >>> made = n[(n["product"] == "gallium.refined") & (n["kind"] == "producer") & (n["year"] == 2024)]
    >>> round(float((made.set_index("country")["output"] / made["output"].sum())["CHN"]), 3)
    0.989
    """
    g = _whole()
    return g if chain is None else g.select(chain=chain)


def contents() -> pd.DataFrame:
    """What the atlas holds, product by product.

    Returns
    -------
    DataFrame
        Indexed by product: chain, stage, unit, basis, number of producers, of them with an output figure, latest
        year of output, links, links observed, figures by grade (``A`` to ``assumption``), gaps.

    Examples
    --------
    >>> contents().loc["gallium.refined", ["chain", "stage", "unit", "latest"]].astype(str).tolist()
    ['gallium', 'refine', 'kg', '2025']
    """
    g = _whole()
    products = g.products.set_index("product")
    nodes, links, gaps = g.nodes, g.links, g.gaps
    makers = nodes[nodes["kind"] == "producer"]
    known = makers[makers["output"].notna()]
    out = products[["chain", "stage", "unit", "basis"]].copy()

    def count(values: pd.Series) -> pd.Series:
        return values.value_counts().reindex(out.index).fillna(0).astype(int)

    out["producers"] = count(makers.drop_duplicates("node")["product"])
    out["with_output"] = count(known.drop_duplicates("node")["product"])
    out["latest"] = known.groupby("product")["year"].max().reindex(out.index)
    out["links"] = count(links["product"])
    out["observed"] = count(links.loc[links["method"] == "observed", "product"])
    graded = pd.concat(
        [
            known[["product", "output_grade"]].rename(columns={"output_grade": "grade"}),
            links.loc[links["quantity"].notna(), ["product", "grade"]],
        ]
    )
    for grade in ("A", "B", "C", "D", "assumption"):
        out[grade] = count(graded.loc[graded["grade"] == grade, "product"])
    out["gaps"] = count(gaps["product"])
    return out

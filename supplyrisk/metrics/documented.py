"""What every metric takes, said once: the parameters that its decorator adds stand in each docstring."""

from __future__ import annotations

import inspect

__all__ = ["SHARED", "documented"]

SHARED = """\
by : array-like, Series, DataFrame, list of them, or index level names, optional
    Market of each row; a Series by market comes back. Levels named by text are those of the index of ``supply``.
unit : array-like, optional
    Who each row is (a country): rows of one unit in one market are one supplier. ``"ROW"``, here or in the index of
    ``supply``, is an unlisted rest: a residual; ``"UNK"`` is what nobody has named: unknown, maybe a listed supplier's.
low, high : array-like, optional
    Bounds of each quantity, 0 or more, in its unit; give both. A missing quantity needs them.
total : float or array-like, optional
    Size of each market where not all suppliers are listed; what is left of it is the residual. Suppliers may add to
    2 % more than it, the rounding of a print: then there is no residual.
residual : float or array-like, optional
    Supply of each market by those who are not listed; instead of ``total``.
unknown : float or array-like, optional
    Supply of each market by nobody knows whom, listed suppliers included.
demand, demand_of_largest : float or array-like, optional
    Use of each market, and what of it its largest supplier uses itself, in the unit of ``supply``.
focal, focal_low, focal_high : array-like, optional
    Part of each row that is the focal's, 0 to 1, and its bounds.
bottleneck, headline, bottleneck_headline, assumed_weights : array-like, optional
    Parts of each row, 0 to 1, that the metrics of these names average; no other metric reads them."""

_FIRST = "mix : Mix or array-like"
_NAMED = "supply : array-like, Series, mapping or Mix"


def documented(doc: str | None) -> str | None:
    r"""The docstring of a metric as it is called: its first parameter is ``supply``, and the shared ones follow.

    Parameters
    ----------
    doc : str or None
        Docstring of the function of a mix.

    Returns
    -------
    str or None
        Unchanged where it does not describe a mix.

    Examples
    --------
    >>> text = documented("Share.\n\nParameters\n----------\nmix : Mix or array-like\n    q.\n\nReturns\n-------\nx")
    >>> text.splitlines()[4], "\nlow, high :" in text
    ('supply : array-like, Series, mapping or Mix', True)
    """
    if doc is None or _FIRST not in doc:
        return doc
    text = inspect.cleandoc(doc).replace(_FIRST, _NAMED)
    before, mark, after = text.partition("\n\nReturns\n")
    return f"{before}\n{SHARED}{mark}{after}" if mark else text

"""Figures. Each function takes a graph or a result and returns the figure and the data that it draws.

Everything registered here is listed by ``supplyrisk methods``. To add one, write a function that returns
``(Figure, DataFrame)`` and decorate it with :func:`supplyrisk.registry.plot`.
"""

from __future__ import annotations

from .compare import before_after, dependence_bars
from .flow import sankey
from .heat import heatmap
from .pareto import pareto
from .shares import output_shares
from .style import alt_text, png, save, svg

__all__ = [
    "alt_text",
    "before_after",
    "dependence_bars",
    "heatmap",
    "output_shares",
    "pareto",
    "png",
    "sankey",
    "save",
    "svg",
]

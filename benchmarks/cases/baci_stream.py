"""Several years of bilateral trade in BACI's format, streamed to dependence inputs, beside pyarrow's csv reader alone.

The issue's figure is that of full years (L: 57.5 million rows). S has 400,000 rows, which pyarrow reads in about 0.05 s;
what is made of the kept rows (places, report, nodes and links, shares by importer) takes about 0.1 s of pandas calls
whatever the size, so that S misses the ratio and says nothing of the throughput.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..harness import Phases, benchmark

PRODUCTS = ("ndfeb.magnet", "magnesium.refined", "antimony.refined", "silicon.metal", "copper.refined")
_WIDTH, _DARK = 12, 0.03  # of an amount as text; part of flows without a weight
_FOLDERS: dict[tuple[int, int, int], tempfile.TemporaryDirectory[str]] = {}  # kept for the run, gone with the process


def generate(
    folder: Path, years: int, rows: int, seed: int, countries: int = 226, products: int = 5000, padded: bool = True
) -> int:
    """Write a folder of years in BACI's format; every flow stands once.

    Amounts are padded with blanks to a fixed width, with three decimals, and a weight that is not known is a padded ``NA``.

    Parameters
    ----------
    folder : Path
        Where the files go.
    years, rows : int
        Number of files, and rows of each.
    seed : int
        Of the generator.
    countries, products : int
        Places and headings that occur.
    padded : bool
        Whether amounts are padded; else they are bare numbers.

    Returns
    -------
    int
        Bytes written.
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv
    from pycountry import countries as known

    from supplyrisk.sources.hs import product_headings

    rng = np.random.default_rng(seed)
    wanted = product_headings(PRODUCTS)["hs6"].astype(int).to_numpy()
    other = np.setdiff1d(np.arange(10_100, 970_000), wanted)
    codes = np.sort(np.concatenate([wanted, rng.choice(other, products - len(wanted), replace=False)]))
    places = np.sort(rng.choice([int(c.numeric) for c in known], countries, replace=False))
    text = pa.array([f"{c:06d}" for c in codes])
    size = 0
    for k in range(years):
        year = 2024 - k
        file = folder / f"BACI_HS17_Y{year}_V202601.csv"
        picked = np.unique(rng.integers(0, products * countries * countries, int(rows * 1.05)))[:rows]
        code, pair = np.divmod(picked, countries * countries)
        i, j = np.divmod(pair, countries)
        n = len(picked)
        schema = pa.schema(
            [
                ("t", pa.int32()),
                ("i", pa.int32()),
                ("j", pa.int32()),
                ("k", pa.string()),
                ("v", amount := pa.string() if padded else pa.float64()),
                ("q", amount),
            ]
        )
        with pacsv.CSVWriter(file, schema, write_options=pacsv.WriteOptions(quoting_style="none")) as out:
            for a in range(0, n, 1 << 20):
                b = min(n, a + (1 << 20))
                values = np.round(rng.lognormal(3.0, 2.0, b - a), 3)
                weights = np.round(values * rng.lognormal(-1.0, 1.0, b - a), 3)
                dark = rng.random(b - a) < _DARK
                v, q = (
                    _text(c, m) if padded else pa.array(c, mask=m)
                    for c, m in ((values, np.zeros_like(dark)), (weights, dark))
                )
                batch = [np.full(b - a, year, np.int32), places[i[a:b]].astype(np.int32), places[j[a:b]].astype(np.int32),
                         text.take(pa.array(code[a:b]))]  # fmt: skip
                out.write_batch(pa.record_batch([*(pa.array(c) for c in batch), v, q], schema=schema))
        size += file.stat().st_size
    return size


def _text(amounts: np.ndarray[Any, np.dtype[np.float64]], dark: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
    """Amounts as text of one width, three decimals; ``NA`` where none is known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole, rest = np.divmod(np.round(amounts * 1000.0).astype(np.int64), 1000)
    units = pc.ascii_lpad(pc.cast(pa.array(whole), pa.string()), _WIDTH - 4)
    text = pc.binary_join_element_wise(units, pc.ascii_lpad(pc.cast(pa.array(rest), pa.string()), 3, "0"), ".")
    return pc.if_else(pa.array(dark), "NA".rjust(_WIDTH), text)


def stream(folder: Path) -> Any:
    """What is measured: a folder of years to dependence inputs of five products."""
    import supplyrisk as sr
    from supplyrisk.sources.read_baci import dependence

    return dependence(sr.sources.baci(folder, products=PRODUCTS))


def _alone(folder: Path) -> Callable[[], int]:
    import pyarrow.csv as pacsv

    def run() -> int:
        return sum(pacsv.read_csv(file).num_rows for file in sorted(folder.glob("BACI_*.csv")))

    return run


@benchmark(
    sizes={
        "S": {"years": 2, "rows": 200_000},
        "M": {"years": 3, "rows": 3_000_000},
        "L": {"years": 5, "rows": 11_500_000},
    },
    aims={"read": ("pyarrow read_csv", 2.0)},
    repeat=3,
)
def baci_stream(seed: int, years: int, rows: int) -> Phases:
    """Filter a folder of BACI years to a product list and aggregate it, streaming; pyarrow's reader keeps nothing."""
    key = (years, rows, seed)
    if key not in _FOLDERS:
        _FOLDERS[key] = tempfile.TemporaryDirectory(prefix="baci_")
        generate(Path(_FOLDERS[key].name), years, rows, seed)
    folder = Path(_FOLDERS[key].name)
    return {"read": {"supplyrisk": lambda: stream(folder), "pyarrow read_csv": _alone(folder)}}

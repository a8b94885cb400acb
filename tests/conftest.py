"""Shared test set-up: hypothesis profiles, the published files' folder, small graphs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

# The same examples every time, and no hunt for a smaller one: a suite of minutes. `thorough` draws anew and shrinks.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=20,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=300,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ROOT = Path(__file__).resolve().parents[1]


def data_folder() -> Path | None:
    """Folder with files as published, where there is one."""
    for candidate in (os.environ.get("SUPPLYRISK_DATA"), ROOT.parent / "shared" / "data"):
        if candidate and Path(candidate).is_dir():
            return Path(candidate)
    return None


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of published files; the test skips, with the reason, where it is absent."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no folder of published files: set SUPPLYRISK_DATA, or put it at ../shared/data")
    return folder


@pytest.fixture(scope="session")
def atlas():
    """The embedded atlas, loaded once."""
    import supplyrisk as sr

    return sr.load_atlas()

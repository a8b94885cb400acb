"""Import of the package against the two imports it cannot do without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from ..harness import Phases, benchmark


def fresh_python(code: str) -> Callable[[], None]:
    """A call that runs a line of Python in an interpreter of its own."""

    def run() -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    return run


@benchmark(sizes={"S": {}}, aims={"import": ("pandas+pyarrow", 1.3)}, repeat=9)
def import_time(seed: int) -> Phases:
    """Fresh interpreter: ``import supplyrisk`` beside ``import pandas, pyarrow``."""
    return {
        "import": {
            "supplyrisk": fresh_python("import supplyrisk"),
            "pandas+pyarrow": fresh_python("import pandas, pyarrow"),
        }
    }

"""`python -m bootstrap` on the lab, as an operator types it."""

from __future__ import annotations

import subprocess
import sys

from tests.lab.machines import PROJECT

INVENTORY = "inventories/lab.yaml"


def bootstrap(*arguments: str, seconds: float = 900) -> subprocess.CompletedProcess[str]:
    """Run it from the checkout, whatever it ends with; progress goes to standard error."""
    return subprocess.run(
        [sys.executable, "-m", "bootstrap", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )

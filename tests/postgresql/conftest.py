"""The scripts of the chart lie in one folder of a pod and import one another by their bare names."""

from __future__ import annotations

import sys
from pathlib import Path

FILES = Path(__file__).resolve().parents[2] / "generator/blueprint/charts/postgresql/files"
sys.path.insert(0, str(FILES))

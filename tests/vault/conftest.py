"""The scripts of the chart lie in one folder of a pod and import one another by their bare names."""

from __future__ import annotations

import sys
from pathlib import Path

# As rendered: web.py is made of a template.
FILES = Path(__file__).resolve().parents[2] / "charts/custos-platform/charts/vault/files"
sys.path.insert(0, str(FILES))

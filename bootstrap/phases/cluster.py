"""Phase `cluster`: a Kubernetes cluster whose nodes are ready."""

from __future__ import annotations

from bootstrap.engines import Engine
from bootstrap.inventory import Inventory
from bootstrap.steps import Phase


def phase(_inventory: Inventory, engine: Engine) -> Phase:
    """The engine forms it, or looks at the one that there is."""
    return Phase("cluster", engine.cluster())

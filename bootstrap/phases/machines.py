"""Phase `machines`: what every machine needs before Kubernetes."""

from __future__ import annotations

from bootstrap.engines import Engine
from bootstrap.inventory import Inventory
from bootstrap.steps import Phase


def phase(_inventory: Inventory, engine: Engine) -> Phase:
    """The engine knows what its machines need."""
    return Phase("machines", engine.machines())

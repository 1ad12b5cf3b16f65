"""The phases in the order of `apply`, one file each."""

from __future__ import annotations

from collections.abc import Sequence

from bootstrap.engines import Engine, engine
from bootstrap.inventory import Inventory
from bootstrap.phases import backups, cluster, edge, machines, platform, preflight, storage, verify
from bootstrap.steps import Phase

NAMES = ("preflight", "machines", "cluster", "storage", "platform", "edge", "backups", "verify")


def all_phases(inventory: Inventory) -> Sequence[Phase]:
    """Every phase for the inventory; those without a step for its engine are left out."""
    chosen: Engine = engine(inventory)
    phases = (
        preflight.phase(inventory, chosen),
        machines.phase(inventory, chosen),
        cluster.phase(inventory, chosen),
        storage.phase(inventory, chosen),
        platform.phase(inventory, chosen),
        edge.phase(inventory, chosen),
        backups.phase(inventory, chosen),
        verify.phase(inventory, chosen),
    )
    return [phase for phase in phases if phase.steps]

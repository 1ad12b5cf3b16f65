"""Who makes the cluster: one interface, an engine a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bootstrap.engines.existing import Existing
from bootstrap.engines.kubeadm import Kubeadm
from bootstrap.inventory import Inventory
from bootstrap.steps import Step


class Engine(Protocol):
    """What bootstrap asks of an engine."""

    def preflight(self) -> Sequence[Step]:
        """Checks before anything is changed."""

    def machines(self) -> Sequence[Step]:
        """Steps that prepare the machines."""

    def cluster(self) -> Sequence[Step]:
        """Steps that form the cluster."""

    def losses(self) -> Sequence[str]:
        """What `reset` would take away, for people."""

    def reset(self) -> Sequence[Step]:
        """Steps that undo `cluster`."""


def engine(inventory: Inventory) -> Engine:
    """The engine that the inventory names; load() has refused those that there are not."""
    engines: dict[str, type[Kubeadm] | type[Existing]] = {"kubeadm": Kubeadm, "existing": Existing}
    return engines[inventory.cluster.engine](inventory)

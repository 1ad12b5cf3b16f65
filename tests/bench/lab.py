"""The lab's cluster, where there is one: benchmarks use it and never make it."""

from __future__ import annotations

from functools import cache

from bootstrap import inventory, paths
from bootstrap.inventory import Inventory
from generator.errors import FindingsError
from tests.bench.errors import BenchError
from tests.bench.machine import PROJECT
from tests.lab.cluster import Cluster

INVENTORY = PROJECT / "inventories" / "lab.yaml"
ABSENT = "there is no lab: `make up` makes it"


@cache
def described() -> Inventory:
    """The lab's inventory. Raises BenchError."""
    try:
        return inventory.load(INVENTORY)
    except FindingsError as wrong:
        raise BenchError(f"{INVENTORY.relative_to(PROJECT)}: {wrong}", "mend the inventory") from wrong


def cluster() -> Cluster | None:
    """The lab's cluster by its kubeconfig; None where there is none."""
    found = described().cluster
    kubeconfig = found.kubeconfig or paths.state(found.name) / "kubeconfig"
    return Cluster(kubeconfig) if kubeconfig.is_file() else None

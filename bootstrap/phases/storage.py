"""Phase `storage`: the class that the stores' volumes are of."""

from __future__ import annotations

from bootstrap import manifests
from bootstrap.context import Context
from bootstrap.engines import Engine
from bootstrap.errors import Problem
from bootstrap.inventory import Inventory
from bootstrap.objects import ApplyObjects
from bootstrap.steps import CheckOnly, Phase, Step

_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def phase(inventory: Inventory, _engine: Engine) -> Phase:
    """Make the class, or see that the one that is named is there."""
    if inventory.storage.provisioner == "local-path":
        step: Step = ApplyObjects("local volumes and their class", manifests.storage)
    else:
        step = CheckOnly("storage class", _look)
    return Phase("storage", [step])


def _look(context: Context) -> None:
    classes = {c["metadata"]["name"]: c for c in context.kube.items("/apis/storage.k8s.io/v1/storageclasses")}
    wanted = context.inventory.storage.class_name
    there = ", ".join(classes) or "none"
    if wanted and wanted not in classes:
        raise Problem(
            f"the cluster has no storage class {wanted}; there are: {there}",
            "name one of them as storage.className, or write `storage: {provisioner: local-path}`",
        )
    defaults = [n for n, c in classes.items() if c["metadata"].get("annotations", {}).get(_DEFAULT) == "true"]
    if not wanted and not defaults:
        raise Problem(
            f"the cluster has no default storage class; there are: {there}",
            "name one of them as storage.className, or write `storage: {provisioner: local-path}`",
        )

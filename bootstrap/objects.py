"""Steps that make objects of the cluster what our manifests say."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

from bootstrap.clients.kube import Manifest, title
from bootstrap.context import Context
from bootstrap.errors import NotYet
from bootstrap.inventory import Inventory
from bootstrap.steps import Change, Step
from bootstrap.workloads import unready_workloads

WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
TIMEOUT = 600  # seconds; images may have to be pulled


class Objects(Step):
    """Applies the objects of `manifests`, and waits until the workloads among them run."""

    @abstractmethod
    def manifests(self, context: Context) -> list[Manifest]:
        """The objects, in the order in which they are made."""

    def check(self, context: Context) -> Sequence[Change]:
        """What a dry run at the API server would change, and workloads that are not well."""
        changes = []
        manifests = self.manifests(context)
        try:
            kube = context.kube
        except NotYet:
            return [Change("cluster", f"make {title(manifest)}") for manifest in manifests]
        for manifest in manifests:
            difference = kube.difference(manifest)
            if difference is not None:
                verb = "change" if difference else "make"
                changes.append(Change("cluster", f"{verb} {title(manifest)}", _shown(manifest, difference)))
        return changes or [Change("cluster", f"wait for {line}") for line in self._unready(context)]

    def change(self, context: Context) -> Sequence[Change]:
        """Apply them in their order."""
        changes = []
        for manifest in self.manifests(context):
            difference = context.kube.difference(manifest)
            if difference is not None:
                context.kube.apply(manifest)
                done = "changed" if difference else "made"
                changes.append(Change("cluster", f"{done} {title(manifest)}", _shown(manifest, difference)))
        return changes

    def verify(self, context: Context) -> None:
        """The workloads run in the version that was applied."""
        context.wait(
            self.title,
            TIMEOUT,
            lambda: "; ".join(self._unready(context)),
            lambda: "see `kubectl describe` of the pod it names",
        )

    def _unready(self, context: Context) -> list[str]:
        workloads = [m for m in self.manifests(context) if m["kind"] in WORKLOADS]
        return unready_workloads(context.kube, workloads)


class ApplyObjects(Objects):
    """The objects that `manifests` gives for the inventory."""

    def __init__(self, title: str, manifests: Callable[[Inventory], list[Manifest]]) -> None:
        super().__init__(title)
        self._manifests = manifests

    def manifests(self, context: Context) -> list[Manifest]:
        """What the function gives."""
        return self._manifests(context.inventory)


def _shown(manifest: Manifest, difference: str) -> str:
    """The lines that people see; of a Secret none."""
    return "" if manifest["kind"] == "Secret" else difference

"""What Kubernetes never changes in a StatefulSet: seen before an upgrade; volumes grow, all else is refused.

Only replicas, ordinals, template, updateStrategy, revisionHistoryLimit, persistentVolumeClaimRetentionPolicy and
minReadySeconds can be changed in place (the API server's own message).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bootstrap.clients.kube import Kube, Manifest
from bootstrap.context import Context
from bootstrap.errors import NotYet, Problem
from bootstrap.steps import Change, Step
from bootstrap.upgrade import meetings
from generator import quantity

LET_GO_SECONDS = 120
# Read back by the API server with defaults that no chart writes.
_FIXED = {"serviceName": "", "podManagementPolicy": "OrderedReady"}


@dataclass(frozen=True)
class Growth:
    """A claim that is to become larger, and the StatefulSet whose template says so."""

    workload: str  # API path
    claim: str  # API path
    before: str
    after: str

    @property
    def is_due(self) -> bool:
        """False where it is large enough already, by hand or by a try that was cut off."""
        return (quantity.parse(self.before) or 0) < (quantity.parse(self.after) or 0)


class GrowVolumes(Step):
    """Larger volumes are made for the user: the claims grow, and the StatefulSet is made anew around its pods.

    Kubernetes lets nobody change the template of the claims. So the StatefulSet alone is deleted, its pods and volumes
    stay and go on, and the upgrade that follows makes it again.
    """

    def check(self, context: Context) -> Sequence[Change]:
        """The claims to grow. Raises Problem where the chart wants what cannot be changed in place."""
        return _changes(_growths(context))

    def change(self, context: Context) -> Sequence[Change]:
        """Grow the claims, then let go of the StatefulSets; in this order nothing is lost when it is cut off."""
        growths = _growths(context)
        for growth in growths:
            if growth.is_due:
                context.kube.patch(growth.claim, {"spec": {"resources": {"requests": {"storage": growth.after}}}})
        for workload in dict.fromkeys(growth.workload for growth in growths):
            context.kube.delete(workload, propagation="Orphan")
            _wait_until_gone(context, workload)
        return _changes(growths)


def _wait_until_gone(context: Context, workload: str) -> None:
    """The controllers let its pods go first."""

    def state() -> str:
        try:
            context.kube.get(workload)
        except NotYet:
            return ""
        return "its pods still belong to it"

    title = f"StatefulSet {_name(workload)} to let go of its pods"
    context.wait(title, LET_GO_SECONDS, state, lambda: "see that kube-controller-manager runs, then run this again")


def _changes(growths: Sequence[Growth]) -> list[Change]:
    claims = [f"grow {_name(g.claim)} from {g.before} to {g.after}" for g in growths if g.is_due]
    workloads = dict.fromkeys(_name(growth.workload) for growth in growths)
    anew = [f"make the StatefulSet {name} anew around its pods" for name in workloads]
    return [Change("volumes", what) for what in (*claims, *anew)]


def _growths(context: Context) -> list[Growth]:
    stores = meetings(context, "StatefulSet")
    return [growth for store in stores for growth in _compared(context.kube, *store)]


def _compared(kube: Kube, path: str, live: Manifest, wanted: Manifest) -> Iterator[Growth]:
    name = f"StatefulSet {wanted['metadata']['name']}"
    before, after = live["spec"], wanted["spec"]
    for key, default in _FIXED.items():
        if before.get(key, default) != after.get(key, default):
            raise _refusal(name, key, str(before.get(key, default)), str(after.get(key, default)))
    if before["selector"] != after["selector"]:
        raise _refusal(name, "selector", str(before["selector"]), str(after["selector"]))
    old, new = ({c["metadata"]["name"]: c["spec"] for c in s.get("volumeClaimTemplates", ())} for s in (before, after))
    if old.keys() != new.keys():
        raise _refusal(name, "volumeClaimTemplates", ", ".join(old) or "none", ", ".join(new) or "none")
    for claim, spec in new.items():
        if old[claim]["accessModes"] != spec["accessModes"]:
            raise _refusal(name, f"accessModes of {claim}", str(old[claim]["accessModes"]), str(spec["accessModes"]))
        kind = spec.get("storageClassName")
        if kind is not None and kind != old[claim].get("storageClassName"):
            raise _refusal(name, f"storageClassName of {claim}", str(old[claim].get("storageClassName")), kind)
        yield from _grown(kube, path, live, claim, _size(old[claim]), _size(spec))


def _grown(kube: Kube, path: str, live: Manifest, template: str, before: str, after: str) -> Iterator[Growth]:
    smaller, larger = (quantity.parse(size) or 0 for size in (before, after))
    if smaller == larger:
        return
    name, namespace = live["metadata"]["name"], live["metadata"]["namespace"]
    if larger < smaller:
        raise Problem(
            f"StatefulSet {name}: its volumes ({template}) have {before}, and the values ask for {after}; no volume"
            " becomes smaller",
            f"ask for {before} or more",
        )
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    pattern = re.compile(rf"{re.escape(template)}-{re.escape(name)}-[0-9]+")
    for claim in kube.items(claims):
        its_name, its_class = claim["metadata"]["name"], claim["spec"].get("storageClassName", "")
        if not pattern.fullmatch(its_name):
            continue
        if not _grows(kube, its_class):
            raise Problem(
                f"StatefulSet {name}: its volumes ({template}) have {before}, and the values ask for {after}, but"
                f" the storage class {its_class} of claim {its_name} grows no volumes (allowVolumeExpansion)",
                f"ask for {before}; or let the class grow them, where its storage can; or replace the members one by"
                ' one (docs/operating.md, "Larger volumes")',
            )
        yield Growth(path, f"{claims}/{its_name}", _size(claim["spec"]), after)


def _grows(kube: Kube, name: str) -> bool:
    try:
        return bool(kube.get(f"/apis/storage.k8s.io/v1/storageclasses/{name}").get("allowVolumeExpansion"))
    except NotYet:
        return False


def _refusal(name: str, what: str, found: str, wanted: str) -> Problem:
    return Problem(
        f"{name}: Kubernetes changes no {what} in place (found {found}, the chart wants {wanted}); nothing was changed",
        'keep what is there; or make it anew around its data (docs/operating.md, "What Kubernetes cannot change")',
    )


def _size(spec: Manifest) -> str:
    return str(spec["resources"]["requests"]["storage"])


def _name(path: str) -> str:
    return path.rpartition("/")[2]

"""The pod that holds the dumps: what the chart says of it, what runs in it, and what its volume holds.

While a restore is under way the chart has none, for Velero makes it of the backup: with its volume as it was, but in
the form of today's values (registry, scheduling, storage class), which need not be those of the cluster that is gone.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap import velero
from bootstrap.chart import rendered
from bootstrap.clients.execute import execute
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.errors import Problem
from bootstrap.velero import Velero
from bootstrap.workloads import is_ready

VOLUME = "dumps"
_VERIFY = ("python3", "/custos/scripts/kit.py", "verify")
_DAMAGED = 2  # its exit code where a person has to decide
# What places a pod, and is not to come from the cluster that is gone: today's values say it, or nobody.
_PLACING = (
    *("affinity", "imagePullSecrets", "nodeSelector", "preemptionPolicy", "priority", "priorityClassName"),
    *("runtimeClassName", "schedulerName", "tolerations", "topologySpreadConstraints"),
)


class Damaged(Problem):
    """The volume was brought back, and its dumps cannot be used."""


@dataclasses.dataclass(frozen=True)
class Dumps:
    """What the volume's own list says, compared with what is there: `files` by name; `kit` is the kit that fits."""

    files: Mapping[str, Mapping[str, Any]]
    kit: str

    def bytes(self, file: str) -> int:
        """The size of one dump."""
        return int(self.files[file]["bytes"])


def live(context: Context) -> Manifest | None:
    """The pod as it is now, None where there is none."""
    return context.kube.find(pod_path(context))


def runs(context: Context) -> bool:
    """Whether all of its containers are ready."""
    pod = live(context)
    return pod is not None and is_ready(pod)


def run(context: Context, container: str, command: Sequence[str]) -> tuple[int, str]:
    """Run a program in it; its exit code and what it said. Raises Problem where that cannot be."""
    settings = velero.settings(context.inventory)
    started = time.monotonic()

    def working() -> None:
        context.console.progress(f"{' '.join(command)} ({time.monotonic() - started:.0f} s)")

    return execute(context.kube.client, settings.release_namespace, settings.pod, container, command, working)


def dumps(context: Context) -> Dumps:
    """What is on its volume, read to its end. Raises Damaged where that is not what a backup put there."""
    code, said = run(context, "kit", _VERIFY)
    if code == _DAMAGED:
        raise Damaged(said.strip(), "take an older backup")
    if code:
        raise Problem(f"{' '.join(_VERIFY)} ended with {code}: {said.strip()}", "run the same command again")
    found = json.loads(said)
    return Dumps(found["files"], str(found.get("kit", "")))


def pod_path(context: Context) -> str:
    """Its API path."""
    settings = velero.settings(context.inventory)
    return f"/api/v1/namespaces/{settings.release_namespace}/pods/{settings.pod}"


def claim_path(context: Context) -> str:
    """The API path of its volume's claim."""
    settings = velero.settings(context.inventory)
    return f"/api/v1/namespaces/{settings.release_namespace}/persistentvolumeclaims/{_claim(settings)}"


def _claim(settings: Velero) -> str:
    """As a StatefulSet calls it, which is to take it over."""
    return f"{VOLUME}-{settings.pod}"


def wanted(context: Context) -> tuple[Manifest, Manifest]:
    """The pod's template and its volume's claim, as today's values have them when no restore is under way."""
    settings, platform = velero.settings(context.inventory), context.inventory.platform
    usual = dataclasses.replace(context, restoring="")
    objects = context.helm.template(platform.release, platform.namespace, rendered(usual).folder)
    (mine,) = (o for o in objects if o["kind"] == "StatefulSet" and o["metadata"]["name"] == settings.workload)
    (claim,) = mine["spec"]["volumeClaimTemplates"]
    metadata = {**claim["metadata"], "name": _claim(settings), "namespace": platform.namespace}
    return mine["spec"]["template"], {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": claim["spec"],
    }


def is_todays(pod: Manifest, template: Manifest) -> bool:
    """Whether the pod has the containers of `template`, of the same images."""
    return _images(pod) == _images(template)


def _images(pod: Manifest) -> dict[str, str]:
    return {container["name"]: container["image"] for container in pod["spec"]["containers"]}


def modifier(context: Context, template: Manifest) -> dict[str, Any]:
    """Velero's rule (resourcemodifiers, v1) that gives the pod of a backup the form of `template`."""
    settings = velero.settings(context.inventory)
    volume = {"name": VOLUME, "persistentVolumeClaim": {"claimName": _claim(settings)}}
    spec = {**dict.fromkeys(_PLACING), **template["spec"], "volumes": [*template["spec"]["volumes"], volume]}
    return {
        "version": "v1",
        "resourceModifierRules": [
            {
                "conditions": {
                    "groupResource": "pods",
                    "resourceNameRegex": f"^{settings.pod}$",
                    "namespaces": [settings.release_namespace],
                },
                # As RFC 7386 has it: a list is replaced as a whole, null takes a key away.
                "mergePatches": [{"patchData": json.dumps({"metadata": template["metadata"], "spec": spec})}],
            }
        ],
    }

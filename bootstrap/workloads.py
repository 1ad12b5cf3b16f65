"""Which workloads do not run yet, and what holds them up: the pod, its state, and the last event about it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bootstrap.clients.kube import Kube, Manifest
from bootstrap.errors import NotYet

# What the kubelet calls an image that it cannot get.
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


@dataclass(frozen=True)
class Trouble:
    """A pod that is not well: why, the last event, and what to do. `hard`: waiting alone will not mend it."""

    namespace: str
    pod: str
    why: str
    remedy: str
    hard: bool = False
    event: str = ""

    def __str__(self) -> str:
        return f"{self.pod}: {self.why}" + (f" [{self.event}]" if self.event else "")


def unready_workloads(kube: Kube, workloads: Sequence[Manifest], explained: int | None = None) -> list[str]:
    """A line for each Deployment, StatefulSet or DaemonSet that does not fully run in its newest version.

    The first `explained` (all for None) say what holds them up. Waits look again and again, on a cluster that is
    busy starting: they ask once for each list, and for what they show.
    """
    lines: list[str] = []
    live: dict[str, dict[str, Manifest]] = {}
    for workload in workloads:
        name = f"{workload['kind']} {workload['metadata']['name']}"
        found = _live(kube, workload, live)
        if not found:
            lines.append(f"{name} is not there")
            continue
        wanted, ready = _counts(workload["kind"], found)
        if found.get("status", {}).get("observedGeneration", 0) < found["metadata"]["generation"]:
            lines.append(f"{name} has not been taken up yet")
        elif ready < wanted:
            why = _blocking(kube, found) if explained is None or len(lines) < explained else ""
            lines.append(f"{name}: {ready} of {wanted} pods are ready{why}")
    return lines


def _live(kube: Kube, workload: Manifest, known: dict[str, dict[str, Manifest]]) -> Manifest | None:
    """The workload as it is in the cluster; lists that were asked for are `known`."""
    try:
        folder, _, name = kube.path(workload).rpartition("/")
    except NotYet:
        return None
    if folder not in known:
        known[folder] = {item["metadata"]["name"]: item for item in kube.items(folder)}
    return known[folder].get(name)


def _counts(kind: str, live: Manifest) -> tuple[int, int]:
    """Pods that are wanted, and those that are ready in the newest version."""
    status = live.get("status", {})
    match kind:
        case "DaemonSet":
            # Nodes that are down count as wanted, so that a wait names them.
            wanted = status.get("desiredNumberScheduled", 0)
            return wanted, min(status.get("updatedNumberScheduled", 0), status.get("numberReady", 0))
        case "Deployment":
            wanted, updated = live["spec"].get("replicas", 1), status.get("updatedReplicas", 0)
            # Those of the former version may be the ones that are available, as in `kubectl rollout status`.
            former = status.get("replicas", 0) - updated
            return wanted, min(updated, max(0, status.get("availableReplicas", 0) - former))
        case _:
            wanted = live["spec"].get("replicas", 1)
            return wanted, min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))


def _blocking(kube: Kube, live: Manifest) -> str:
    labels = live["spec"]["selector"].get("matchLabels", {})
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    namespace = live["metadata"]["namespace"]
    found = troubles(kube, kube.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector), shown=1)
    return f"; {found[0]}" if found else ""


def troubles(kube: Kube, pods: Sequence[Manifest], shown: int | None = None) -> list[Trouble]:
    """The first `shown` (all for None) of the pods that are not well, those that will not mend themselves first."""
    found = sorted((_trouble(kube, pod) for pod in pods if not _is_well(pod)), key=lambda trouble: not trouble.hard)
    return [
        trouble if trouble.event else replace(trouble, event=kube.last_event(trouble.namespace, "Pod", trouble.pod))
        for trouble in found[:shown]
    ]


def lasting(pods: Sequence[Manifest]) -> list[Manifest]:
    """Without the pods of Helm's hooks and tests, and tries of Jobs that failed: Helm and the Job have judged those."""
    return [
        pod
        for pod in pods
        if "helm.sh/hook" not in pod["metadata"].get("annotations", {})
        and not any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", ()))
    ]


def _is_well(pod: Manifest) -> bool:
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded" or "deletionTimestamp" in pod["metadata"]:
        return True
    return is_ready(pod)


def is_ready(pod: Manifest) -> bool:
    """Whether the pod's condition Ready is true."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _trouble(kube: Kube, pod: Manifest) -> Trouble:
    name, namespace = pod["metadata"]["name"], pod["metadata"].get("namespace", "default")
    trouble = functools.partial(Trouble, namespace, name)
    describe = f"see `kubectl --namespace {namespace} describe pod {name}`"
    status = pod.get("status", {})
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind, ()):
            state = container.get("state", {})
            waiting = state.get("waiting", {}).get("reason", "")
            log = f"see `kubectl --namespace {namespace} logs {name} --container {container['name']}`"
            if waiting in _IMAGE:
                image, node = container["image"], pod["spec"].get("nodeName")
                remedy = f"see that the image {image} exists and that {node} reaches its registry"
                return trouble(f"cannot get the image {image}", remedy, hard=True)
            if waiting == "CrashLoopBackOff":
                ended = container.get("lastState", {}).get("terminated", {})
                code = f"{ended.get('exitCode')} ({ended.get('reason')})"
                why = f"container {container['name']} ended with {code}, again and again"
                return trouble(why, log + " with --previous", hard=True)
            if waiting and waiting not in ("PodInitializing", "ContainerCreating"):
                return trouble(f"container {container['name']}: {waiting}", describe, hard=True)
            if "running" in state and not container["ready"] and kind == "initContainerStatuses":
                return trouble(f"its step {container['name']} is under way", log)
            if "running" in state and not container["ready"]:
                return trouble(f"container {container['name']} runs, but is not ready", log)
    if status.get("phase") == "Failed":
        return trouble(_failure(status), f"see `kubectl --namespace {namespace} logs {name}`", hard=True)
    for volume in pod["spec"].get("volumes", ()):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        said = kube.last_event(namespace, "PersistentVolumeClaim", claim) if claim else ""
        if "Failed" in said:
            remedy = f"see `kubectl --namespace {namespace} describe persistentvolumeclaim {claim}`"
            return trouble(f"its volume {claim} cannot be made", remedy, hard=True, event=said)
    scheduled: Manifest = next((c for c in status.get("conditions", ()) if c["type"] == "PodScheduled"), {})
    if scheduled.get("status") == "False":
        return trouble(f"no node takes it: {scheduled.get('message')}", describe)
    return trouble(f"is {status.get('phase', 'Pending')}", describe)


def _failure(status: Manifest) -> str:
    """Why a pod failed: the exit codes of its containers, or the kubelet's own reason (evicted, shut down)."""
    ended = [
        f"container {container['name']} ended with {container['state']['terminated']['exitCode']}"
        for container in status.get("containerStatuses", ())
        if container.get("state", {}).get("terminated", {}).get("exitCode")
    ]
    return ", ".join(ended) or f"failed: {status.get('reason', '')} {status.get('message', '')}".strip()

"""When a workload fully runs in its newest version, by what its status says on a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.clients.kube import Kube, Manifest
from bootstrap.workloads import unready_workloads

NAMESPACE = "workloads"


def _workload(kind: str, replicas: int) -> Manifest:
    labels = {"app": "trial"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "example.org/none:1"}]},
    }
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    if kind == "StatefulSet":
        spec["serviceName"] = "trial"
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "trial", "namespace": NAMESPACE},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("kind", "replicas", "status", "line"),
    [
        ("Deployment", 1, {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}, ""),
        # The one that is available is of the former version.
        (
            "Deployment",
            1,
            {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
            "Deployment trial: 0 of 1 pods are ready",
        ),
        (
            "Deployment",
            2,
            {"replicas": 3, "updatedReplicas": 2, "readyReplicas": 3, "availableReplicas": 3},
            "",  # the last of the former version is just going
        ),
        ("Deployment", 1, {}, "Deployment trial: 0 of 1 pods are ready"),
        ("StatefulSet", 3, {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}, ""),
        (
            "StatefulSet",
            3,
            {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 3},
            "StatefulSet trial: 1 of 3 pods are ready",
        ),
        (
            "DaemonSet",
            0,
            {"desiredNumberScheduled": 4, "updatedNumberScheduled": 4, "numberReady": 3},
            "DaemonSet trial: 3 of 4 pods are ready",
        ),
    ],
)
def test_a_workload_runs_when_its_newest_pods_are_ready(
    kube: Kube, kind: str, replicas: int, status: dict[str, int], line: str
) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    workload = _workload(kind, replicas)
    kube.apply(workload)
    path = kube.path(workload)
    try:
        generation = kube.get(path)["metadata"]["generation"]
        needed = {"currentNumberScheduled": 4, "numberMisscheduled": 0} if kind == "DaemonSet" else {}
        kube.patch(f"{path}/status", {"status": {**needed, **status, "observedGeneration": generation}})
        assert unready_workloads(kube, [workload]) == ([line] if line else [])
    finally:
        kube.delete(path)

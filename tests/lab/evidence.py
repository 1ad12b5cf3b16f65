"""Evidence of a failure: what an engineer would ask the cluster next."""

from __future__ import annotations

from pathlib import Path

from tests.lab.cluster import Cluster, CommandFailed, is_ready

SYSTEM_NAMESPACES = {"kube-public", "kube-node-lease"}


def collect(cluster: Cluster, folder: Path) -> None:
    """Write events, pods, nodes and, for each namespace, descriptions and logs into `folder`.

    A question that the cluster cannot answer any more is answered by its error: evidence never fails a test.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(cluster, folder / "events.txt", "get", "events", "-A", "--sort-by=.lastTimestamp")
    _write(cluster, folder / "pods.txt", "get", "pods", "-A", "-o", "wide", "--show-labels")
    _write(cluster, folder / "nodes.txt", "describe", "nodes")
    try:
        namespaces = [item["metadata"]["name"] for item in cluster.get("namespaces")["items"]]
    except CommandFailed:
        return  # no API: the files above say so
    for namespace in sorted(set(namespaces) - SYSTEM_NAMESPACES):
        _namespace(cluster, folder / namespace, namespace)


def _namespace(cluster: Cluster, folder: Path, namespace: str) -> None:
    try:
        pods = cluster.pods(namespace)
    except CommandFailed:
        return
    suspects = [pod for pod in pods if not is_ready(pod) or "mysql" in pod["metadata"]["name"]]
    if not suspects:
        return
    folder.mkdir(exist_ok=True)
    _write(cluster, folder / "describe.txt", "describe", "all,pvc,cm,lease", "-n", namespace)
    for pod in suspects:
        name = pod["metadata"]["name"]
        logs = ["logs", name, "-n", namespace, "--all-containers", "--prefix", "--tail=2000"]
        _write(cluster, folder / f"{name}.log", *logs)
        _write(cluster, folder / f"{name}.previous.log", *logs, "--previous")


def _write(cluster: Cluster, file: Path, *arguments: str) -> None:
    try:
        text = cluster.kubectl(*arguments, seconds=60)
    except CommandFailed as failure:
        text = str(failure)
    file.write_text(text)

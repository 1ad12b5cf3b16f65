"""The installed platform: everything ready, everything reached, nothing left to do."""

from __future__ import annotations

from bootstrap.inventory import Inventory
from tests.lab.cluster import Cluster, is_ready
from tests.lab.operating import INVENTORY, bootstrap


def test_every_pod_is_ready(cluster: Cluster) -> None:
    pods = cluster.get("pods", "-A")["items"]
    assert pods, "no pod at all"
    waiting = [f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in pods if not is_ready(p)]
    assert waiting == []


def test_helm_test_is_green(cluster: Cluster, inventory: Inventory) -> None:
    platform = inventory.platform
    out = cluster.helm("test", platform.release, "-n", platform.namespace, "--timeout", "10m")
    assert "Succeeded" in out


def test_a_second_apply_changes_nothing_and_says_so() -> None:
    done = bootstrap("plan", INVENTORY)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "nothing to change" in said


def test_the_namespace_enforces_restricted_pods(cluster: Cluster, inventory: Inventory) -> None:
    namespace = cluster.get("namespace", inventory.platform.namespace)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

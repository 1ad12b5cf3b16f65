"""The way through the front door (edge, Traefik, a service's sidecar) beside a direct call to the same pod."""

from __future__ import annotations

import base64
import json
import shlex
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bootstrap import paths
from bootstrap.inventory import Inventory, Machine, load
from generator.catalogue import load_catalogue
from tests.bench.errors import BenchError
from tests.bench.machine import PROJECT
from tests.bench.remote import ssh
from tests.bench.results import Result, loaded
from tests.lab.cluster import Cluster, is_ready

TOPIC = "door"
SERVICE = "user-management-service"
CONNECTIONS = 4
SECONDS = 10
PROGRAM = Path(__file__).with_name("load.py")
TRAEFIK = "app.kubernetes.io/name=ingress"


@dataclass(frozen=True)
class Run:
    """One run of the load: requests in a second, and what the slowest of a hundred took, in milliseconds."""

    per_second: float
    p50: float
    p99: float


def lacks() -> str:
    """Why it cannot be measured now; empty where it can."""
    kubeconfig = paths.state(_inventory().cluster.name) / "kubeconfig"
    return "" if kubeconfig.is_file() else "the lab is not up: make up"


def measure(times: int) -> Result:
    """Both ways in turn, from the same worker, so that both see the same machine at the same time.

    Raises BenchError where requests are not answered.
    """
    inventory = _inventory()
    cluster = Cluster(paths.state(inventory.cluster.name) / "kubeconfig")
    namespace = inventory.platform.namespace
    pods = {pod["metadata"]["name"]: pod for pod in cluster.pods(namespace) if is_ready(pod)}
    target = next(pod for name, pod in pods.items() if SERVICE in name)
    door = next(pod for pod in cluster.pods(namespace, TRAEFIK) if is_ready(pod))
    worker = next(machine for machine in inventory.workers if machine.name == door["spec"]["nodeName"])
    facts = load_catalogue().services[SERVICE]
    secret = cluster.secret(f"{inventory.platform.release}-ingress-tls", namespace)
    through: dict[str, Any] = {
        "address": inventory.edges[0].address,
        "port": 443,
        "host": _public_host(inventory),
        "path": f"{facts['rest']['path']}/v1.0.0/anything",
        "authority": base64.b64decode(secret["ca.crt"]).decode(),
    }
    direct = {
        "address": target["status"]["podIP"],
        "port": 50000,
        "host": SERVICE,
        "path": "/user-management/v1.0.0/anything",
        "authority": "",
    }
    result = Result(
        TOPIC,
        "Through the front door",
        f"{CONNECTIONS} connections that are kept, {SECONDS} s, {times} times each, in turn; both from the machine of a"
        " pod of Traefik's, the direct one from that pod's network (no other is let through). GET of a REST route of"
        f" {SERVICE}, answered by its stand-in behind its sidecar. Edge, Traefik, service and load share the"
        " computer's processors.",
    )
    with loaded(result):
        runs = [(_run(worker, direct, door), _run(worker, through)) for _ in range(times)]
    for what, unit, name in (
        ("requests through edge and Traefik", "1/s", "per_second"),
        ("median latency through edge and Traefik", "ms", "p50"),
        ("99th percentile through edge and Traefik", "ms", "p99"),
    ):
        beside, value = (statistics.median(getattr(run, name) for run in side) for side in zip(*runs, strict=True))
        result.add(what, unit, value, "direct call to the same pod", beside)
    return result


def _inventory() -> Inventory:
    return load(PROJECT / "inventories" / "lab.yaml")


def _public_host(inventory: Inventory) -> str:
    values = yaml.safe_load(inventory.platform.values.read_text(encoding="utf-8"))
    return str(urlsplit(values["global"]["publicUrl"]).hostname)


def _run(worker: Machine, question: dict[str, Any], inside: dict[str, Any] | None = None) -> Run:
    """The load from the machine, or from the network of one of its pods."""
    asked = json.dumps({**question, "connections": CONNECTIONS, "seconds": SECONDS})
    prefix = ""
    if inside:
        container = inside["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
        task = f"$(ctr --namespace k8s.io task list | awk '$1 == \"{container}\" {{ print $2 }}')"
        prefix = f"nsenter --net=/proc/{task}/ns/net "
    program = shlex.quote(PROGRAM.read_text(encoding="utf-8"))
    said = json.loads(ssh(worker, "sudo", "bash", "-c", f"{prefix}python3 -c {program}", stdin=asked.encode()))
    took = sorted(said["seconds"])
    if not took or said["wrong"]:
        raise BenchError(
            f"{question['host']}{question['path']} at {question['address']} was not answered well: {said['wrong']}",
            "see `kubectl logs` of the service and of Traefik, and /var/log/nginx/error.log of the edge",
        )
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    return Run(len(took) / said["took"], statistics.median(took) * 1000, p99 * 1000)

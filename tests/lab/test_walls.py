"""The walls on the lab: what answers whom, over every port of every machine, and between all pods of the platform."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bootstrap import firewall
from bootstrap.clients.ansible import Ansible
from bootstrap.console import Console
from bootstrap.errors import Problem
from bootstrap.inventory import Inventory, Machine
from lab.description import load as described
from tests.chart.policies import opened
from tests.lab.cluster import Cluster, CommandFailed, wait_for
from tests.lab.machines import PROJECT, lab, on_machine
from tests.lab.walls import EVERY_PORT, PROGRAM, Port, from_here, from_pods, stranger

NAMESPACE = "custos"
STRANGER = "10.231.0.99"
# Up to the last node port: what lies above is given to connections that go out.
SERVED = range(1, 32768)


def _ports_of(machine: Machine, ports: range = EVERY_PORT) -> list[Port]:
    return [(machine.address, port) for port in ports]


@contextmanager
def _outside(inventory: Inventory) -> Iterator[list[str]]:
    network = inventory.cluster.network
    way = inventory.workers[0].address
    bridge = described(PROJECT / "lab" / "lab.yaml").bridge
    with stranger(bridge, STRANGER, {network.pod_cidr: way, network.service_cidr: way}) as there:
        yield there


@pytest.fixture
def outside(inventory: Inventory) -> Iterator[list[str]]:
    """A stranger who knows the ways to pods and Services, as anybody in the same network could."""
    with _outside(inventory) as there:
        yield there


def test_a_stranger_reaches_the_front_door_and_nothing_else(inventory: Inventory, outside: list[str]) -> None:
    asked = [port for machine in inventory.machines for port in _ports_of(machine)]
    doors = {(machine.address, port) for machine in inventory.edges for port in (80, 443)}
    assert from_here(asked, outside) == doors


def test_an_operator_reaches_ssh_and_the_kubernetes_api(inventory: Inventory) -> None:
    asked = [port for machine in inventory.machines for port in _ports_of(machine, SERVED)]
    expected = {(machine.address, 22) for machine in inventory.machines}
    expected |= {(machine.address, 6443) for machine in inventory.control_planes}
    expected |= {(machine.address, port) for machine in inventory.edges for port in (80, 443)}
    assert from_here(asked) == expected


def test_the_edge_reaches_node_ports_only(cluster: Cluster, inventory: Inventory) -> None:
    services = cluster.get("services", "--all-namespaces")["items"]
    given = {port["nodePort"] for service in services for port in service["spec"]["ports"] if "nodePort" in port}
    (edge,) = inventory.edges
    asked = [port for machine in inventory.nodes for port in _ports_of(machine, SERVED)]
    answered = from_pods(edge.name, {"edge": ""}, asked)["edge"]
    assert answered and {port for _, port in answered} <= given, answered


def test_pods_and_services_are_not_reached_around_the_door(cluster: Cluster, outside: list[str]) -> None:
    """CoreDNS has no NetworkPolicy: only the machines' own walls keep a stranger from it."""
    pods = cluster.pods("kube-system", "k8s-app=kube-dns")
    service = cluster.get("service", "kube-dns", "-n", "kube-system")["spec"]["clusterIP"]
    assert from_here([*((pod["status"]["podIP"], 53) for pod in pods), (service, 53)], outside) == set()


def _kind(pod: dict[str, Any]) -> str:
    labels = pod["metadata"]["labels"]
    return f"{labels['app.kubernetes.io/name']}/{labels.get('app.kubernetes.io/component', '')}"


@dataclass(frozen=True)
class Network:
    """The platform's pods as they are, every TCP port that one of them names, and the policies that hold for them."""

    pods: list[dict[str, Any]]
    policies: list[dict[str, Any]]
    ports: dict[Port, dict[str, Any]]

    def opens(self, labels: dict[str, str]) -> set[Port]:
        """The ports that the policies open to a pod with these labels."""
        return {
            (address, port)
            for (address, port), pod in self.ports.items()
            if port in opened(self.policies, "egress", labels, pod["metadata"]["labels"])
            and port in opened(self.policies, "ingress", pod["metadata"]["labels"], labels)
        }

    def shown(self, ports: set[Port]) -> list[str]:
        """Kinds and ports, for people."""
        return sorted({f"{_kind(self.ports[port])} at port {port[1]}" for port in ports})


@pytest.fixture
def network(cluster: Cluster) -> Network:
    pods = [p for p in cluster.pods(NAMESPACE) if p["status"]["phase"] == "Running"]
    ports = {
        (pod["status"]["podIP"], port["containerPort"]): pod
        for pod in pods
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if port.get("protocol", "TCP") == "TCP"
    }
    return Network(pods, cluster.get("networkpolicies", "-n", NAMESPACE)["items"], ports)


def test_pods_reach_what_the_policies_say_and_nothing_else(network: Network) -> None:
    """From the network of one pod of each kind to every port that any pod names.

    tests/chart/test_network.py holds the policies against the catalogue; this holds the network against the policies.
    """
    sources: dict[str, dict[str, Any]] = {}
    for pod in network.pods:
        sources.setdefault(_kind(pod), pod)
    by_machine: dict[str, dict[str, str]] = defaultdict(dict)
    for kind, pod in sources.items():
        status = next(s for s in pod["status"]["containerStatuses"] if "running" in s["state"])
        by_machine[pod["spec"]["nodeName"]][kind] = status["containerID"].partition("://")[2]
    wrong = []
    for machine, containers in by_machine.items():
        for kind, reached in from_pods(machine, containers, network.ports).items():
            own = {port for port in network.ports if port[0] == sources[kind]["status"]["podIP"]}
            allowed = network.opens(sources[kind]["metadata"]["labels"])
            if more := network.shown(reached - allowed - own):
                wrong.append(f"{kind} reaches {', '.join(more)}")
            if less := network.shown(allowed - reached - own):
                wrong.append(f"{kind} does not reach {', '.join(less)}")
    print(f"{len(sources)} kinds of pods, {len(network.ports)} ports, {len(sources) * len(network.ports)} pairs")
    assert not wrong, "\n".join(sorted(wrong))


def test_a_new_pod_reaches_nothing_more_in_its_first_seconds(cluster: Cluster, network: Network) -> None:
    """It asks as soon as it runs, before the network may have heard of it. It is of a service without any store."""
    swagger = next(pod for pod in network.pods if "swagger" in pod["metadata"]["name"])
    labels = {key: value for key, value in swagger["metadata"]["labels"].items() if key != "pod-template-hash"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "first-seconds", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": swagger["spec"]["securityContext"],
            "containers": [
                {
                    "name": "ask",
                    "image": "python:3.13-slim-trixie",
                    "command": [
                        "sh",
                        "-c",
                        'for round in 1 2 3 4 5; do echo "$PORTS" | python3 -c "$PROGRAM"; echo; done',
                    ],
                    "env": [
                        {"name": "PROGRAM", "value": PROGRAM.read_text(encoding="utf-8")},
                        {"name": "PORTS", "value": json.dumps(list(network.ports))},
                    ],
                    # It is never ready: no Service sends anybody there.
                    "readinessProbe": {"exec": {"command": ["false"]}},
                    "securityContext": swagger["spec"]["containers"][0]["securityContext"],
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                }
            ],
        },
    }
    allowed = network.opens(labels)
    try:
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))

        def ended() -> bool:
            phase: str = cluster.get("pod", "first-seconds", "-n", NAMESPACE)["status"]["phase"]
            assert phase != "Failed", cluster.kubectl("logs", "first-seconds", "-n", NAMESPACE)
            return phase == "Succeeded"

        wait_for("the new pod to have asked", ended, seconds=300)
        rounds = cluster.kubectl("logs", "first-seconds", "-n", NAMESPACE).split()
    finally:
        cluster.kubectl("delete", "pod", "first-seconds", "-n", NAMESPACE, "--ignore-not-found", "--wait=false")
    answered = [{(address, port) for address, port in json.loads(said)} for said in rounds]
    assert len(answered) == 5
    more = [network.shown(reached - allowed) for reached in answered]
    assert not any(more), f"round by round: {more}"


def test_rules_that_lock_the_operator_out_are_taken_back(inventory: Inventory, tmp_path: Path) -> None:
    (edge,) = inventory.edges
    before = on_machine(edge.name, "nft list table inet custos")
    shut = firewall.wanted(inventory, edge)
    shut["openings"] = [opening for opening in shut["openings"] if opening["ports"] != "22"]
    ansible = Ansible(inventory, tmp_path, Console())
    given = {edge.name: {"custos_firewall": shut, "probe": {"missing_packages": []}}}
    with pytest.raises(Problem, match=r"takes the rules back by itself|cannot be reached"):
        ansible.run("firewall", {"custos_firewall_trial": 30}, machines=[edge], host_variables=given)

    def let_in() -> bool:
        try:
            return on_machine(edge.name, "nft list table inet custos") == before
        except CommandFailed:
            return False

    wait_for("the machine to let its operator in again", let_in, seconds=120)
    unchanged = Ansible(inventory, tmp_path / "again", Console()).run(
        "firewall",
        {"custos_firewall_trial": 30},
        machines=[edge],
        host_variables={edge.name: {**given[edge.name], "custos_firewall": firewall.wanted(inventory, edge)}},
    )
    assert not unchanged.changes, "the rules that were confirmed are in force and on the disk"


@pytest.mark.drill  # minutes; the power cut of a store's machine is in every run
def test_the_firewall_is_there_after_a_power_cut(inventory: Inventory) -> None:
    (edge,) = inventory.edges
    lab("power-off", edge.name)
    lab("power-on", edge.name)
    doors = {(edge.address, 80), (edge.address, 443)}
    with _outside(inventory) as there:
        wait_for("the front door", lambda: from_here(doors, there) == doors, seconds=120)
        assert from_here([(edge.address, port) for port in range(1, 1024)], there) == doors

"""The walls on the lab: what answers whom, over every port of every machine, and between all pods of the platform."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
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
from tests.lab.walls import EVERY_PORT, Port, from_here, from_pods, stranger

NAMESPACE = "custos"
STRANGER = "10.231.0.99"
NODE_PORTS = range(30000, 32768)


def _ports_of(machine: Machine) -> list[Port]:
    return [(machine.address, port) for port in EVERY_PORT]


@pytest.fixture(scope="module")
def outside(inventory: Inventory) -> Iterator[list[str]]:
    """A stranger who knows the ways to pods and Services, as anybody in the same network could."""
    network = inventory.cluster.network
    way = inventory.workers[0].address
    with stranger(
        described(PROJECT / "lab" / "lab.yaml").bridge, STRANGER, {network.pod_cidr: way, network.service_cidr: way}
    ) as there:
        yield there


def test_a_stranger_reaches_the_front_door_and_nothing_else(inventory: Inventory, outside: list[str]) -> None:
    asked = [port for machine in inventory.machines for port in _ports_of(machine)]
    doors = {(machine.address, port) for machine in inventory.edges for port in (80, 443)}
    assert from_here(asked, outside) == doors


def test_an_operator_reaches_ssh_and_the_kubernetes_api(inventory: Inventory) -> None:
    asked = [port for machine in inventory.machines for port in _ports_of(machine)]
    expected = {(machine.address, 22) for machine in inventory.machines}
    expected |= {(machine.address, 6443) for machine in inventory.control_planes}
    expected |= {(machine.address, port) for machine in inventory.edges for port in (80, 443)}
    assert from_here(asked) == expected


def test_the_edge_reaches_node_ports_only(cluster: Cluster, inventory: Inventory) -> None:
    services = cluster.get("services", "--all-namespaces")["items"]
    given = {port["nodePort"] for service in services for port in service["spec"]["ports"] if "nodePort" in port}
    (edge,) = inventory.edges
    asked = [port for machine in inventory.nodes for port in _ports_of(machine)]
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


def test_pods_reach_what_the_policies_say_and_nothing_else(cluster: Cluster) -> None:
    """From the network of one pod of each kind to every port that any pod names, both where it is open and where not.

    tests/chart/test_network.py holds the policies against the catalogue; this holds the network against the policies.
    """
    pods = [p for p in cluster.pods(NAMESPACE) if p["status"]["phase"] == "Running"]
    policies = cluster.get("networkpolicies", "-n", NAMESPACE)["items"]
    ports: dict[Port, dict[str, Any]] = {
        (pod["status"]["podIP"], port["containerPort"]): pod
        for pod in pods
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if port.get("protocol", "TCP") == "TCP"
    }
    sources: dict[str, dict[str, Any]] = {}
    for pod in pods:
        sources.setdefault(_kind(pod), pod)
    by_machine: dict[str, dict[str, str]] = defaultdict(dict)
    for pod in sources.values():
        status = next(s for s in pod["status"]["containerStatuses"] if "running" in s["state"])
        by_machine[pod["spec"]["nodeName"]][pod["metadata"]["name"]] = status["containerID"].partition("://")[2]
    reached = {
        name: found
        for machine, containers in by_machine.items()
        for name, found in from_pods(machine, containers, ports).items()
    }
    wrong = []
    for pod in sources.values():
        own = pod["metadata"]["labels"]
        for (address, port), target in ports.items():
            if target["metadata"]["uid"] == pod["metadata"]["uid"]:
                continue
            other = target["metadata"]["labels"]
            allowed = port in opened(policies, "egress", own, other) & opened(policies, "ingress", other, own)
            # A port that is open may have nobody behind it at this moment.
            if (address, port) in reached[pod["metadata"]["name"]] and not allowed:
                wrong.append(f"{_kind(pod)} reaches {_kind(target)} at port {port}")
            elif allowed and (address, port) not in reached[pod["metadata"]["name"]]:
                wrong.append(f"{_kind(pod)} does not reach {_kind(target)} at port {port}")
    print(f"{len(sources)} kinds of pods, {len(ports)} ports, {len(sources) * len(ports)} pairs")
    assert not wrong, "\n".join(sorted(wrong))


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


def test_the_firewall_is_there_after_a_power_cut(inventory: Inventory, outside: list[str]) -> None:
    (edge,) = inventory.edges
    lab("power-off", edge.name)
    lab("power-on", edge.name)
    wait_for("the front door", lambda: from_here([(edge.address, 443)], outside) != set(), seconds=120)
    assert from_here([(edge.address, port) for port in range(1, 1024)], outside) == {
        (edge.address, 80),
        (edge.address, 443),
    }

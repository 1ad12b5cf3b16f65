"""Who may reach which port, machine by machine; and rules that would lock the operator out."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap import firewall
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.engines import engine
from bootstrap.errors import Problem
from bootstrap.inventory import Inventory, load
from bootstrap.journal import NoJournal
from bootstrap.phases import machines
from bootstrap.probe import Facts
from tests.bootstrap.conftest import Write

MACHINES = """\
cluster: {name: trial, engine: kubeadm}
ssh: {user: ubuntu}
machines:
  - {name: cp1, address: 10.9.0.1, roles: [control-plane, etcd]}
  - {name: w1, address: 10.9.0.2, roles: [worker], ssh: {port: 2222}}
  - {name: w2, address: 10.9.0.3, roles: [worker]}
  - {name: edge, address: 10.9.0.9, roles: [edge]}
"""
EVERYBODY: list[str] = []


def _open(inventory: Inventory, name: str) -> dict[str, list[str]]:
    machine = next(machine for machine in inventory.machines if machine.name == name)
    return {f"{o.ports}/{o.protocol}": list(o.sources) for o in firewall.openings(inventory, machine)}


@pytest.mark.parametrize(
    ("firewall_lines", "machine", "ports"),
    [
        pytest.param(
            "{}",
            "cp1",
            {"22/tcp": EVERYBODY, "6443/tcp": EVERYBODY, "2379-2380/tcp": ["10.9.0.1"], "10250/tcp": ["10.9.0.1"]},
            id="operators are everybody until somebody says",
        ),
        pytest.param(
            "{operators: [10.8.0.0/16]}",
            "cp1",
            {
                "22/tcp": ["10.8.0.0/16"],
                # Nodes side by side become one network.
                "6443/tcp": ["10.8.0.0/16", "10.9.0.1", "10.9.0.2/31", "10.244.0.0/16"],
                "2379-2380/tcp": ["10.9.0.1"],
                "10250/tcp": ["10.9.0.1"],
            },
            id="a control plane",
        ),
        pytest.param(
            "{operators: [10.8.0.0/16]}",
            "w1",
            {"2222/tcp": ["10.8.0.0/16"], "10250/tcp": ["10.9.0.1"]},
            id="a worker, whose SSH has another port",
        ),
        pytest.param(
            "{operators: [10.8.0.0/16]}",
            "edge",
            {"22/tcp": ["10.8.0.0/16"], "80/tcp": EVERYBODY, "443/tcp": EVERYBODY},
            id="the edge",
        ),
        pytest.param(
            '{operators: [10.8.0.0/16], open: [{ports: "8472", protocol: udp, from: [nodes], roles: [worker]}]}',
            "w2",
            {"22/tcp": ["10.8.0.0/16"], "10250/tcp": ["10.9.0.1"], "8472/udp": ["10.9.0.1", "10.9.0.2/31"]},
            id="a further port for the nodes",
        ),
        pytest.param(
            '{operators: [10.8.0.0/16], open: [{ports: "8472", protocol: udp, from: [nodes], roles: [worker]}]}',
            "edge",
            {"22/tcp": ["10.8.0.0/16"], "80/tcp": EVERYBODY, "443/tcp": EVERYBODY},
            id="a further port of other machines",
        ),
        pytest.param(
            '{operators: [10.8.0.0/16], open: [{ports: "9100-9101", from: [operators, 10.7.0.5/32]}]}',
            "edge",
            {
                "22/tcp": ["10.8.0.0/16"],
                "80/tcp": EVERYBODY,
                "443/tcp": EVERYBODY,
                "9100-9101/tcp": ["10.7.0.5", "10.8.0.0/16"],
            },
            id="a range for operators and one more",
        ),
    ],
)
def test_what_is_open_to_whom(write: Write, firewall_lines: str, machine: str, ports: dict[str, list[str]]) -> None:
    inventory = load(write(MACHINES + f"firewall: {firewall_lines}\n"))
    assert _open(inventory, machine) == ports


@pytest.mark.parametrize(
    ("firewall_lines", "cluster"),
    [
        ("{}", {"door": ["10.9.0.9"], "anyone": False}),
        ("{nodePorts: [10.7.0.0/24]}", {"door": ["10.7.0.0/24", "10.9.0.9"], "anyone": False}),
        ("{nodePorts: [0.0.0.0/0]}", {"door": [], "anyone": True}),
    ],
)
def test_node_ports_are_the_edges(write: Write, firewall_lines: str, cluster: dict[str, Any]) -> None:
    inventory = load(write(MACHINES + f"firewall: {firewall_lines}\n"))
    node, edge = (firewall.wanted(inventory, inventory.machines[index]) for index in (1, 3))
    assert cluster.items() <= node["cluster"].items()
    assert node["cluster"]["inside"] == ["10.9.0.1", "10.9.0.2/31", "10.244.0.0/16"]
    assert edge["cluster"] is None


@pytest.mark.parametrize(
    ("operators", "asked", "said"),
    [
        ("0.0.0.0/0", {"address": "10.8.0.1", "port": 22}, ""),
        ("10.8.0.0/16", {"address": "10.8.0.1", "port": 22}, ""),
        ("10.8.0.0/16", None, ""),  # on the machine itself
        (
            "10.8.0.0/16",
            {"address": "10.7.0.1", "port": 22},
            "the firewall would lock you out:\n"
            "cp1: you come from 10.7.0.1, and firewall.operators lets in 10.8.0.0/16 only",
        ),
        (
            "10.8.0.0/16",
            {"address": "10.8.0.1", "port": 2222},
            "the firewall would lock you out:\ncp1: its SSH listens on port 2222, and 22 would be open",
        ),
    ],
)
def test_the_operator_is_not_locked_out(write: Write, operators: str, asked: dict[str, Any] | None, said: str) -> None:
    lines = [line for line in MACHINES.splitlines() if "w1" not in line]
    inventory = load(write("\n".join([*lines, f"firewall: {{operators: [{operators}]}}"])))
    context = Context(inventory, Console(), NoJournal())
    well = {"asked_from": {"address": "10.8.0.1", "port": 22}}
    facts = {machine.name: Facts(well) for machine in inventory.machines}
    context.__dict__["facts"] = {**facts, "cp1": Facts({"asked_from": asked})}
    phase = machines.phase(inventory, engine(inventory))
    step = next(step for step in phase.steps if step.title == "the firewall lets you in")
    if not said:
        assert step.check(context) == ()
        return
    with pytest.raises(Problem) as refused:
        step.check(context)
    assert refused.value.what == said
    assert "nothing was changed" in refused.value.remedy

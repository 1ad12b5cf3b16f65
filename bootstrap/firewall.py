"""Who may reach which port of a machine: worked out from the inventory, before anything is written.

The nodes' ports are kubeadm's own table (kubernetes.io, "Ports and Protocols"); node ports are asked for before
kube-proxy sends them on to pods, so that they have a rule of their own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bootstrap.inventory import Inventory, Machine


@dataclass(frozen=True)
class Opening:
    """A port, or a range of them, that is open to `sources`; to everybody where there are none."""

    why: str
    protocol: str
    ports: str
    sources: tuple[str, ...] = ()


def openings(inventory: Inventory, machine: Machine) -> Iterator[Opening]:
    """What the machine answers to, and to whom."""
    wall, pods = inventory.firewall, inventory.cluster.network.pod_cidr
    yield Opening("SSH: operators", "tcp", str(machine.ssh.port), _sources(wall.operators))
    if "edge" in machine.roles:
        yield Opening("users: HTTP (sent on to HTTPS) and HTTPS", "tcp", "80")
        yield Opening("users: HTTPS", "tcp", "443")
    if machine.is_control_plane:
        api = (*wall.operators, *_addresses(inventory.nodes), pods)
        yield Opening("Kubernetes API: operators, nodes, pods", "tcp", "6443", _sources(api))
    if machine.is_control_plane or "etcd" in machine.roles:
        members = [m for m in inventory.nodes if m.is_control_plane or "etcd" in m.roles]
        yield Opening("etcd: control planes and its other members", "tcp", "2379-2380", _sources(_addresses(members)))
    if machine.is_node:
        planes = _sources(_addresses(inventory.control_planes))
        yield Opening("kubelet: control planes (logs, exec, metrics)", "tcp", "10250", planes)
    for extra in wall.open:
        if not extra.roles or set(extra.roles) & set(machine.roles):
            sources = [source for word in extra.sources for source in _meant(inventory, word)]
            yield Opening("firewall.open", extra.protocol, extra.ports, _sources(sources))


def wanted(inventory: Inventory, machine: Machine) -> dict[str, Any]:
    """What the role `firewall` is told about the machine."""
    network = inventory.cluster.network
    edges = _addresses(inventory.edges)
    own: dict[str, Any] = {
        "openings": [
            {"why": o.why, "protocol": o.protocol, "ports": o.ports, "sources": list(o.sources)}
            for o in openings(inventory, machine)
        ],
        "cluster": None,
    }
    if machine.is_node:
        inside = (network.pod_cidr, *_addresses(inventory.nodes))
        asked = inventory.firewall.node_ports
        own["cluster"] = {
            "inside": list(_sources(inside)),
            "pods": network.pod_cidr,
            "services": network.service_cidr,
            "anyone": _everybody(asked),
            "door": list(_sources((*edges, *asked))),
        }
    return own


def lets_in(inventory: Inventory, address: str) -> bool:
    """Whether who comes from this address reaches the machines' SSH."""
    here = ipaddress.ip_address(address)
    networks = [ipaddress.ip_network(network) for network in inventory.firewall.operators]
    return _everybody(inventory.firewall.operators) or any(here in network for network in networks)


def _meant(inventory: Inventory, word: str) -> Iterable[str]:
    match word:
        case "nodes":
            return _addresses(inventory.nodes)
        case "operators":
            return inventory.firewall.operators
        case "everybody":
            return ("0.0.0.0/0",)
        case _:
            return (word,)


def _addresses(machines: Iterable[Machine]) -> tuple[str, ...]:
    return tuple(machine.address for machine in machines)


def _everybody(networks: Iterable[str]) -> bool:
    return any(ipaddress.ip_network(network).prefixlen == 0 for network in networks)


def _sources(networks: Iterable[str]) -> tuple[str, ...]:
    """The networks as a set of nftables takes them, without overlaps; none where one of them is everybody's."""
    found = tuple(networks)
    if _everybody(found):
        return ()
    joined = ipaddress.collapse_addresses(ipaddress.IPv4Network(network) for network in found)
    return tuple(str(network).removesuffix("/32") for network in joined)

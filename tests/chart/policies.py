"""What NetworkPolicies say: of a rendered chart, or of a namespace as it is in the cluster."""

from __future__ import annotations

from typing import Any

from tests.chart.helm import Object, kind, selects

Peer = dict[str, Any]


def policies_of(objects: list[Object], labels: dict[str, str]) -> list[Object]:
    return [p for p in kind(objects, "NetworkPolicy") if selects(p["spec"]["podSelector"], labels)]


def matches(peers: list[Peer], labels: dict[str, str]) -> bool:
    """Whether pods of the release with these labels are among the peers of a rule."""
    return any("podSelector" in p and "namespaceSelector" not in p and selects(p["podSelector"], labels) for p in peers)


def opened(objects: list[Object], direction: str, own: dict[str, str], other: dict[str, str]) -> set[int]:
    """TCP ports that the policies of `own` open to or from `other`."""
    key = {"egress": "to", "ingress": "from"}[direction]
    return {
        port["port"]
        for policy in policies_of(objects, own)
        for rule in policy["spec"].get(direction, [])
        if matches(rule.get(key, []), other)
        for port in rule.get("ports", [])
    }

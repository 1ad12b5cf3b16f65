"""Network policies: exactly the edges of the catalogue, both ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.conftest import Case
from tests.chart.helm import Object, find, kind, name, of_namespace, pod_templates, selects
from tests.chart.policies import Peer, opened, policies_of
from tests.chart.test_rules import SET_BY_AGENTS


def component(labels: dict[str, str]) -> str:
    return (
        labels["app.kubernetes.io/component"]
        if labels["app.kubernetes.io/name"] == "custos"
        else labels["app.kubernetes.io/name"]
    )


def policies_of_pod(objects: list[Object], item: Object, pod: Object) -> list[Object]:
    """The policies for a pod of `item`: those of its namespace that select it."""
    return policies_of(of_namespace(objects, item["metadata"].get("namespace")), pod["metadata"]["labels"])


def custos_edges(objects: list[Object]) -> set[tuple[str, str, int]]:
    """Every (from, to, port) that both ends allow, where a Custos service takes part."""
    objects = of_namespace(objects)
    pods = [
        pod["metadata"]["labels"]
        for item, pod in pod_templates(objects)
        if item["kind"] in ("Deployment", "StatefulSet")
    ]
    return {
        (component(source), component(target), port)
        for source in pods
        for target in pods
        if "custos" in (source["app.kubernetes.io/name"], target["app.kubernetes.io/name"])
        for port in opened(objects, "egress", source, target) & opened(objects, "ingress", target, source)
    }


STORE_PORTS = {"mysql": 3306, "kafka": 9092, "vault": 8200}


def expected_edges(catalogue: dict[str, Any], objects: list[Object]) -> set[tuple[str, str, int]]:
    """What the catalogue says, among the services that run."""
    objects = of_namespace(objects)
    running = {i["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for i in kind(objects, "Deployment")}
    config = next(n for n, s in catalogue["services"].items() if s["kind"] == "config")
    edges = set()
    for service, facts in catalogue["services"].items():
        if service not in running:
            continue
        edges |= {(service, peer, 7000) for peer in facts.get("peers", []) if peer in running}
        if "application" in facts and service != config and facts.get("configClient", True):
            edges.add((service, config, 9000))
        stores = {i["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] for i in kind(objects, "StatefulSet")}
        needs = {*facts.get("needs", []), *(store for store in ("mysql", "vault") if store in facts)}
        edges |= {(service, store, STORE_PORTS[store]) for store in needs & stores}
        if "keycloak" in facts.get("needs", []) and "server" in running:  # Keycloak's is the only Deployment called so
            edges.add((service, "keycloak", 8443))
        if "controller" in running and catalogue["kinds"][facts["kind"]]["public"]:
            ports = ([50000 if facts["kind"] == "integration" else 8080] if "rest" in facts else []) + (
                [7000] if "grpc" in facts else []
            )
            edges |= {("ingress", service, port) for port in ports}
    return edges


def test_edges_are_the_catalogues(objects: list[Object], catalogue: dict[str, Any]) -> None:
    assert custos_edges(objects) == expected_edges(catalogue, objects)


def test_every_pod_is_closed_both_ways(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        closed = {t for p in policies_of_pod(objects, item, pod) for t in p["spec"]["policyTypes"]}
        assert closed == {"Ingress", "Egress"}, name(item)


def test_every_pod_may_look_names_up(objects: list[Object]) -> None:
    for item, pod in pod_templates(objects):
        rules = [
            rule
            for policy in policies_of_pod(objects, item, pod)
            for rule in policy["spec"].get("egress", [])
            if {"protocol": "UDP", "port": 53} in rule.get("ports", [])
        ]
        assert rules, name(item)
        assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}} in rules[0]["to"]


def test_only_those_with_rights_reach_the_api(objects: list[Object]) -> None:
    bound = {s["name"] for b in kind(objects, "RoleBinding") for s in b["subjects"]}
    for item, pod in pod_templates(objects):
        anywhere = [
            rule
            for policy in policies_of_pod(objects, item, pod)
            for rule in policy["spec"].get("egress", [])
            if "to" not in rule
        ]
        assert bool(anywhere) is (pod["spec"]["serviceAccountName"] in bound), name(item)
        for rule in anywhere:
            assert {p["port"] for p in rule["ports"]} == {443, 6443}


# Ports that clients use, and not the members among themselves.
FOR_CLIENTS = {3306, 5432, 7000, 8080, 8200, 8501, 9000, 9092, 9094, 40000, 50000}


def test_the_test_pod_reaches_every_service(objects: list[Object]) -> None:
    objects = of_namespace(objects)
    test = next(pod["metadata"]["labels"] for item, pod in pod_templates(objects) if item["kind"] == "Pod")
    for service in kind(objects, "Service"):
        selector = {k: v for k, v in service["spec"]["selector"].items() if k not in SET_BY_AGENTS}
        pods = [
            pod["metadata"]["labels"]
            for item, pod in pod_templates(objects)
            if selects({"matchLabels": selector}, pod["metadata"]["labels"])
        ]
        for labels in pods:
            ports = {p["port"] for p in service["spec"]["ports"]} & FOR_CLIENTS
            both = opened(objects, "egress", test, labels) & opened(objects, "ingress", labels, test)
            assert ports <= both, f"{name(service)}: {ports - both}"


def test_stores_outside_are_reached_at_their_port_only(external: list[Object]) -> None:
    expected = {
        "iam-admin-core-service": {3306, 443},
        "custos-messaging-core-service": {3306, 9092, 587},
        "credential-store-core-service": {3306, 8200},
        "user-management-service": set(),
    }
    for service, ports in expected.items():
        policy = next(
            p
            for p in kind(external, "NetworkPolicy")
            if p["metadata"]["labels"].get("app.kubernetes.io/component") == service
        )
        outside = {
            port["port"]
            for rule in policy["spec"]["egress"]
            if rule.get("to") == [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]
            for port in rule["ports"]
        }
        assert outside == ports, service


@pytest.mark.parametrize(
    ("host", "peers", "ports"),
    [
        ("10.1.2.3", [{"ipBlock": {"cidr": "10.1.2.3/32"}}], [8443]),
        ("fd00::1", [{"ipBlock": {"cidr": "fd00::1/128"}}], [8443]),
        # A policy sees the port of the Service's pods, which may be another than the Service's.
        (
            "keycloak.identity.svc.cluster.local",
            [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "identity"}}}],
            None,
        ),
        (
            "keycloak.svc-hosting.example",
            [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}],
            [8443],
        ),
    ],
)
def test_a_store_elsewhere_is_as_narrow_as_its_host_allows(
    objects_of: Callable[[Case], list[Object]], host: str, peers: list[Peer], ports: list[int] | None
) -> None:
    objects = objects_of(
        Case("elsewhere", "external", settings=(f"global.keycloak.host={host}", "global.keycloak.port=8443"))
    )
    policy = find(objects, "NetworkPolicy", "custos-identity-core-service")
    rules = [rule for rule in policy["spec"]["egress"] if rule.get("to") == peers]
    assert any(opens(rule, ports) for rule in rules)


def opens(rule: Object, ports: list[int] | None) -> bool:
    """Whether a rule opens these ports alone; None is every port."""
    return rule.get("ports") == (None if ports is None else [{"protocol": "TCP", "port": port} for port in ports])


def test_an_ipv6_address_stands_in_brackets(objects_of: Callable[[Case], list[Object]]) -> None:
    hosts = ("global.mysql.host=fd00::1", "global.keycloak.host=fd00::2", "global.kafka.host=fd00::3")
    text = json.dumps(objects_of(Case("ipv6", "external", settings=hosts)))
    for expected in ("//[fd00::1]:3306/core_iam", "tcp=[fd00::1]:3306", "//[fd00::2]:443/auth/", "[fd00::3]:9092"):
        assert expected in text


def test_policies_can_be_left_out(objects_of: Callable[[Case], list[Object]]) -> None:
    objects = objects_of(Case("open", "prod", settings=("global.networkPolicy.enabled=false",)))
    assert kind(objects, "NetworkPolicy") == []

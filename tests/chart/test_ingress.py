"""The front door: routes from the catalogue, through our Traefik, another controller, or a Gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.chart.conftest import Case
from tests.chart.helm import Object, find, kind

Render = Callable[[Case], list[Object]]


def routes(objects: list[Object]) -> Any:
    return yaml.safe_load(find(objects, "ConfigMap", "custos-ingress-routes")["data"]["routes.yaml"])


def backends(traefik: Any) -> dict[str, str]:
    """Where each path goes."""
    found = {}
    for router in traefik["http"]["routers"].values():
        path = router["rule"].split("Path(`")[1].split("`")[0]
        (server,) = traefik["http"]["services"][router["service"]]["loadBalancer"]["servers"]
        found[path] = server["url"].replace(".custos.svc.cluster.local.", "")
    return found


REST = [
    "tenant-management", "user-management", "identity-management", "group-management", "sharing-management",
    "agent-management", "resource-secret-management", "log-management",
]  # fmt: skip


def test_every_public_route_of_the_catalogue_and_no_other(prod: list[Object]) -> None:
    expected = {f"/{path}": f"http://custos-{path}-service:50000" for path in REST}
    expected |= {
        f"/org.apache.custos.{path.replace('-', '.')}.service.{path.title().replace('-', '')}Service": (
            f"h2c://custos-{path}-service:7000"
        )
        for path in REST
    }
    expected |= {
        "/scim": "http://custos-scim-service:8080",
        "/services": "http://custos-integration-services-swagger:8080",
        "/auth": "https://custos-keycloak:443",
        "/auth/admin": "https://custos-keycloak:443",
        "/auth/metrics": "https://custos-keycloak:443",
        "/auth/health": "https://custos-keycloak:443",
    }
    assert backends(routes(prod)) == expected


def test_a_route_is_its_whole_first_segments_under_the_public_name(lab: list[Object]) -> None:
    rule = routes(lab)["http"]["routers"]["scim-service"]["rule"]
    assert rule == "Host(`custos.lab.internal`) && (Path(`/scim`) || PathPrefix(`/scim/`))"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("user-management-service", ["hsts", "retry"]),
        ("user-management-service-grpc", ["hsts", "grpc-web", "retry"]),
        ("scim-service", ["hsts", "scim-service-strip", "retry"]),
        ("keycloak", ["hsts", "retry"]),
        ("keycloak-admin", ["hsts", "operators", "retry"]),
    ],
)
def test_what_stands_before_a_route(prod: list[Object], route: str, expected: list[str]) -> None:
    http = routes(prod)["http"]
    assert http["routers"][route]["middlewares"] == expected
    assert set(expected) <= set(http["middlewares"])


def test_a_service_that_is_off_has_no_route(objects_of: Render) -> None:
    off = Case("off", "prod", settings=("custos.services.scim-service.enabled=false",))
    assert "/scim" not in backends(routes(objects_of(off)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param((), {"sourceRange": ["255.255.255.255/32"]}, id="nobody is an operator"),
        pytest.param(("ingress.operators={10.1.0.0/16}",), {"sourceRange": ["10.1.0.0/16"]}, id="by their address"),
        pytest.param(
            ("ingress.operators={10.1.0.0/16}", "ingress.trustedProxies={10.2.0.5}"),
            {"sourceRange": ["10.1.0.0/16"], "ipStrategy": {"depth": 1}},
            id="by the address that the edge has seen",
        ),
    ],
)
def test_who_reaches_keycloaks_administration(
    objects_of: Render, settings: tuple[str, ...], expected: dict[str, Any]
) -> None:
    found = routes(objects_of(Case("operators", "prod", settings=settings)))
    assert found["http"]["middlewares"]["operators"]["ipAllowList"] == expected


def test_the_door_has_no_right_and_no_token(prod: list[Object]) -> None:
    pod = find(prod, "Deployment", "custos-ingress")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    bound = {s["name"] for k in ("RoleBinding", "ClusterRoleBinding") for b in kind(prod, k) for s in b["subjects"]}
    assert "custos-ingress" not in bound
    secrets = [s["secret"] for v in pod["volumes"] for s in v.get("projected", {}).get("sources", []) if "secret" in s]
    shown = {(s["name"], i["key"]) for s in secrets for i in s["items"]}
    expected = {("custos-ingress-tls", "tls.crt"), ("custos-ingress-tls", "tls.key"), ("custos-truststore", "ca.crt")}
    assert shown == expected


def test_headers_are_believed_of_proxies_that_are_named_only(prod: list[Object], objects_of: Render) -> None:
    def https(objects: list[Object]) -> Any:
        options = find(objects, "ConfigMap", "custos-ingress-options")["data"]["traefik.yaml"]
        return yaml.safe_load(options)["entryPoints"]["https"]

    assert "forwardedHeaders" not in https(prod)
    behind = objects_of(Case("edge", "prod", settings=("ingress.trustedProxies={10.2.0.5}",)))
    assert https(behind)["forwardedHeaders"] == {"trustedIPs": ["10.2.0.5"]}


def test_another_controller_gets_the_same_routes(objects_of: Render) -> None:
    settings = ("ingress.className=nginx", "global.ingress.controllerNamespace=ingress-nginx")
    theirs = objects_of(Case("theirs", "prod", settings=settings))
    ours = [item for item in theirs if item["metadata"]["name"] in ("custos-ingress", "custos-ingress-routes")]
    assert not ours
    found = {item["metadata"]["name"]: item for item in kind(theirs, "Ingress")}
    kinds = ["grpc", "keycloak", "operators", "rest", "stripped"]
    assert sorted(found) == [f"custos-ingress-{each}" for each in kinds]
    paths = {p["path"] for item in found.values() for p in item["spec"]["rules"][0]["http"]["paths"]}
    assert {path.removesuffix("(/|$)(.*)") for path in paths} == set(backends(routes(objects_of(Case("prod", "prod")))))
    assert found["custos-ingress-grpc"]["metadata"]["annotations"] == {
        "nginx.ingress.kubernetes.io/backend-protocol": "GRPC"
    }
    for item in found.values():
        assert item["spec"]["ingressClassName"] == "nginx"
        assert item["spec"]["tls"] == [{"hosts": ["custos.example.org"], "secretName": "custos-ingress-tls"}]


def test_a_gateway_gets_them_but_for_the_operators(objects_of: Render) -> None:
    settings = (
        "ingress.api=gateway",
        "ingress.gateway.name=shared",
        "ingress.gateway.namespace=gateways",
        "global.ingress.controllerNamespace=gateways",
    )
    found = objects_of(Case("gateway", "prod", settings=settings))
    plain = {i["metadata"]["name"]: i for i in kind(found, "HTTPRoute")}
    assert len(plain) == len(REST) + 3 and len(kind(found, "GRPCRoute")) == len(REST)
    assert not [route for route in plain if "admin" in route]
    (rule,) = plain["custos-route-scim-service"]["spec"]["rules"]
    assert rule["filters"][0]["urlRewrite"]["path"] == {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    assert plain["custos-route-keycloak"]["spec"]["parentRefs"] == [{"name": "shared", "namespace": "gateways"}]
    (tls,) = kind(found, "BackendTLSPolicy")
    assert tls["spec"]["validation"]["hostname"] == "custos-keycloak.custos.svc.cluster.local"

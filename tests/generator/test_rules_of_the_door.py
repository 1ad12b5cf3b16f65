"""Rules between the keys of the front door: what is found, and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Findings = Callable[[str | bytes], list[str]]

WITHOUT = "custos: {withoutStores: [smtp, cilogon]}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="the defaults"),
        pytest.param(
            "global: {publicUrl: 'http://custos.example.org'}",
            [
                "values.yaml:2: global.publicUrl: is without TLS, which the front door always has; "
                'found "http://custos.example.org"; allowed: an address that begins with https://; '
                "mend: begin it with https://, or set ingress.enabled to false"
            ],
            id="an address without TLS",
        ),
        pytest.param(
            "global: {publicUrl: 'http://custos.example.org'}\ningress: {enabled: false}",
            [],
            id="an address without TLS, and no front door",
        ),
        pytest.param(
            "ingress: {className: nginx}",
            [
                "values.yaml: global.ingress.controllerNamespace: is empty, and network policies would keep your "
                'controller out; found ""; allowed: the namespace that its pods run in; '
                "mend: name it, or set global.networkPolicy.enabled to false"
            ],
            id="a controller that policies keep out",
        ),
        pytest.param(
            "ingress: {className: nginx}\nglobal: {networkPolicy: {enabled: false}}", [], id="no policies at all"
        ),
        pytest.param(
            "ingress: {api: gateway}\nglobal: {ingress: {controllerNamespace: gateways}}",
            [
                "values.yaml:2: ingress.gateway.name: is empty, and routes need a Gateway; "
                'found ""; allowed: the name of a Gateway that the cluster has; '
                "mend: name it, or set ingress.api to ingress"
            ],
            id="no Gateway",
        ),
        pytest.param(
            "ingress: {api: gateway, className: nginx, gateway: {name: shared}}\n"
            "global: {ingress: {controllerNamespace: gateways}}",
            [
                'values.yaml:2: ingress.className: is given, but a Gateway has no ingress class; found "nginx"; '
                "mend: leave it empty, or set ingress.api to ingress"
            ],
            id="a Gateway with a class",
        ),
        pytest.param(
            "ingress: {service: {nodePorts: {http: 30443}}}",
            [
                "values.yaml:2: ingress.service.nodePorts.https: is the port of http, too; found 30443; "
                "allowed: another one, or null for any that is free; mend: take another"
            ],
            id="one port twice",
        ),
        pytest.param("ingress: {service: {nodePorts: {http: null, https: null}}}", [], id="any ports"),
        pytest.param(
            "ingress: {operators: [10.0.0.1/8]}",
            [
                "values.yaml:2: ingress.operators: has a network that is none (10.0.0.1/8 has host bits set); "
                'found "10.0.0.1/8"; allowed: an IP address, or a network whose address ends in zeros, such as '
                "10.0.0.0/8; mend: perhaps 10.0.0.0/8"
            ],
            id="a host for a network",
        ),
        pytest.param(
            "ingress: {networks: [300.1.1.1]}",
            [
                "values.yaml:2: ingress.networks: has a network that is none (does not appear to be an IPv4 or IPv6 "
                'network); found "300.1.1.1"; allowed: an IP address, or a network whose address ends in zeros, such '
                "as 10.0.0.0/8; mend: correct it"
            ],
            id="no address",
        ),
        pytest.param(
            "keycloak: {trustedProxies: [10.0.0.0/8, 10.1.0.0/16, fd00::1]}",
            [
                "values.yaml:2: keycloak.trustedProxies: has networks that overlap; found 10.0.0.0/8 and 10.1.0.0/16; "
                "mend: keep the larger one"
            ],
            id="one network in another",
        ),
    ],
)
def test_messages(findings_of: Findings, text: str, expected: list[str]) -> None:
    assert findings_of(WITHOUT + text) == expected

"""Rules between the keys of the front door: who stands there, and the networks that it knows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from generator.errors import Finding
from generator.messages import show

if TYPE_CHECKING:
    from generator.checks import Context

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Lists of networks, by their path.
NETWORKS = ("ingress.networks", "ingress.trustedProxies", "ingress.operators", "keycloak.trustedProxies")


def the_door(context: Context) -> Iterator[Finding]:
    """The front door has an address with TLS, and one who stands there."""
    get = context.values.get
    if not get("ingress.enabled"):
        return
    if not get("global.publicUrl").startswith("https://"):
        yield context.finding(
            "global.publicUrl",
            "is without TLS, which the front door always has",
            allowed="an address that begins with https://",
            mend="begin it with https://, or set ingress.enabled to false",
        )
    is_gateway = get("ingress.api") == "gateway"
    theirs = is_gateway or bool(get("ingress.className"))
    if is_gateway and not get("ingress.gateway.name"):
        yield context.finding(
            "ingress.gateway.name",
            "is empty, and routes need a Gateway",
            allowed="the name of a Gateway that the cluster has",
            mend="name it, or set ingress.api to ingress",
        )
    if is_gateway and get("ingress.className"):
        yield context.finding(
            "ingress.className",
            "is given, but a Gateway has no ingress class",
            mend="leave it empty, or set ingress.api to ingress",
        )
    namespace = "global.ingress.controllerNamespace"
    if theirs and get("global.networkPolicy.enabled") and not get(namespace):
        yield context.finding(
            namespace,
            "is empty, and network policies would keep your controller out",
            allowed="the namespace that its pods run in",
            mend="name it, or set global.networkPolicy.enabled to false",
        )
    ports = get("ingress.service.nodePorts")
    if not theirs and ports.get("http") and ports.get("http") == ports.get("https"):
        yield context.finding(
            "ingress.service.nodePorts.https",
            "is the port of http, too",
            allowed="another one, or null for any that is free",
            mend="take another",
        )


def networks(context: Context) -> Iterator[Finding]:
    """Networks are such, and none of a list lies in another."""
    for path in NETWORKS:
        found: list[tuple[str, Network]] = []
        for text in context.values.get(path):
            try:
                found.append((text, ipaddress.ip_network(text)))
            except ValueError as error:
                yield context.finding(
                    path,
                    f"has a network that is none ({str(error).removeprefix(f'{text!r} ')})",
                    found=show(text),
                    allowed="an IP address, or a network whose address ends in zeros, such as 10.0.0.0/8",
                    mend=_nearest(text),
                )
        for (one, first), (other, second) in combinations(found, 2):
            if first.version == second.version and first.overlaps(second):
                yield context.finding(
                    path,
                    "has networks that overlap",
                    found=f"{one} and {other}",
                    mend="keep the larger one",
                )


def _nearest(text: str) -> str:
    try:
        return f"perhaps {ipaddress.ip_network(text, strict=False)}"
    except ValueError:
        return "correct it"

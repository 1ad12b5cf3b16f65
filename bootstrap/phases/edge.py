"""Phase `edge`: Nginx on the machines at which users arrive, before the nodes of the cluster."""

from __future__ import annotations

import base64
import functools
import shutil
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bootstrap import paths
from bootstrap.certificates import findings
from bootstrap.chart import values
from bootstrap.clients.kube import Manifest
from bootstrap.context import Context
from bootstrap.engines import Engine
from bootstrap.errors import NotYet, Problem
from bootstrap.inventory import Inventory
from bootstrap.steps import Change, CheckOnly, MachineWork, Phase

ANSWER_SECONDS = 60
# Where a machine has the certificates that everybody knows.
_EVERYBODYS = "/etc/ssl/certs/ca-certificates.crt"
_OURS = "/etc/nginx/custos/ca.crt"


def phase(inventory: Inventory, _engine: Engine) -> Phase:
    """Nothing where the inventory has no edge."""
    if not inventory.edges:
        return Phase("edge", [])
    return Phase(
        "edge",
        [
            CheckOnly("the front door believes the edge", _check_belief),
            CheckOnly("certificate", _check_certificate),
            Proxy("Nginx before the nodes"),
        ],
    )


@dataclass(frozen=True)
class Door:
    """The platform's own front door: public name, node port of https, proxies it believes, its certificate."""

    host: str
    port: int
    believes: tuple[str, ...]
    certificate: bytes
    key: bytes
    authority: bytes  # empty: one that everybody knows


class Proxy(MachineWork):
    """Ansible's role edge; Ansible itself changes only what is not right."""

    def verify(self, context: Context) -> None:
        """Each edge answers for the public name, and not that nothing is up."""
        found = door(context)
        certificate, _ = _certificate(context, found)
        for machine in context.inventory.edges:
            context.wait(
                f"{found.host} at the edge {machine.name}",
                ANSWER_SECONDS,
                functools.partial(_silence, machine.address, found, certificate),
                functools.partial(str, f"see /var/log/nginx/error.log on {machine.name}, and Traefik's pods"),
            )

    def run(self, context: Context, *, check: bool) -> Sequence[Change]:
        """The playbook's changes."""
        inventory = context.inventory
        found = door(context)
        edge = inventory.edge
        folder = context.state / "edge"
        try:
            certificate, key = _certificate(context, found)
            for name, content in (("tls.crt", certificate), ("tls.key", key), ("ca.crt", found.authority)):
                paths.write_private(folder / name, content)
            return context.ansible.run(
                "edge",
                {
                    "custos_edge": {
                        "files": str(folder),
                        "host": found.host,
                        "port": found.port,
                        "nodes": [machine.address for machine in inventory.workers],
                        "trusted": _OURS if found.authority else _EVERYBODYS,
                        "requests_per_second": edge.requests_per_second,
                        "connections": edge.connections,
                        "body_size": edge.body_size,
                    }
                },
                check=check,
                machines=inventory.edges,
                host_variables={m.name: {"probe": context.facts[m.name].raw} for m in inventory.edges},
            ).changes
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _silence(address: str, found: Door, certificate: bytes) -> str:
    """Why users would get nothing from the edge at this address; empty where they get something."""
    trusted = ssl.create_default_context(cadata=found.authority.decode() or None)
    # The edge's own chain: what it is of, `findings` has looked at.
    trusted.load_verify_locations(cadata=certificate.decode())
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    request = f"GET / HTTP/1.1\r\nHost: {found.host}\r\nConnection: close\r\n\r\n".encode()
    try:
        with (
            socket.create_connection((address, 443), timeout=5) as plain,
            trusted.wrap_socket(plain, server_hostname=found.host) as connection,
        ):
            connection.sendall(request)
            status = connection.recv(64).split(b" ")[1:2]
    except OSError as error:
        return f"no answer ({error})"
    return "it answers 503: no node lets it in" if status == [b"503"] else ""


def door(context: Context) -> Door:
    """What stands behind the edge. Raises NotYet where it is not installed yet, Problem where it is of no use so."""
    namespace = context.inventory.platform.namespace
    service, deployment = (
        _one(context, f"{group}/namespaces/{namespace}/{plural}")
        for group, plural in (("/api/v1", "services"), ("/apis/apps/v1", "deployments"))
    )
    port = next((p.get("nodePort") for p in service["spec"]["ports"] if p["name"] == "https"), None)
    if not port:
        raise Problem(
            f"Service {service['metadata']['name']} has no port on the nodes (type {service['spec']['type']})",
            "set ingress.service.type to NodePort, or take the edge out of the inventory",
        )
    sources = [
        source
        for volume in deployment["spec"]["template"]["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
    ]
    secret = next(
        s["secret"]["name"]
        for s in sources
        if any(item["path"] == "tls.key" for item in s.get("secret", {}).get("items", ()))
    )
    content = context.kube.get(f"/api/v1/namespaces/{namespace}/secrets/{secret}").get("data", {})
    parts = {name: base64.b64decode(content.get(name, "")) for name in ("tls.crt", "tls.key", "ca.crt")}
    wanted = values(context)
    return Door(
        host=str(urlsplit(wanted["global"]["publicUrl"]).hostname),
        port=int(port),
        believes=tuple(wanted["ingress"]["trustedProxies"]),
        certificate=parts["tls.crt"],
        key=parts["tls.key"],
        authority=parts["ca.crt"],
    )


def _one(context: Context, path: str) -> Manifest:
    release = context.inventory.platform.release
    labels = {"app.kubernetes.io/name": "ingress", "app.kubernetes.io/instance": release}
    for item in context.kube.items(path):
        if labels.items() <= item["metadata"].get("labels", {}).items():
            return item
    raise NotYet("the machine before it, once the platform's front door is installed (ingress.enabled)")


def _certificate(context: Context, found: Door) -> tuple[bytes, bytes]:
    edge = context.inventory.edge
    if edge.certificate and edge.key:
        return edge.certificate.read_bytes(), edge.key.read_bytes()
    return found.certificate, found.key


def _check_belief(context: Context) -> None:
    """An edge that the front door does not believe would hide who its clients are."""
    believed = door(context).believes
    missing = [machine.address for machine in context.inventory.edges if machine.address not in believed]
    if missing:
        raise Problem(
            f"the front door does not believe the edge ({', '.join(missing)}) who its clients are",
            f"add the address to ingress.trustedProxies in {context.inventory.platform.values}, and apply",
        )


def _check_certificate(context: Context) -> None:
    found = door(context)
    certificate, key = _certificate(context, found)
    wrong = list(findings(certificate, key, found.host))
    if wrong:
        theirs: Path | None = context.inventory.edge.certificate
        of = f"{theirs} (edge.certificate)" if theirs else "the certificate of the platform's front door"
        remedy = (
            "bring another certificate; nothing was changed on the edge"
            if theirs
            else "replace it (`rotate`, or your own Secret), or name one for the edge: edge.certificate and edge.key"
        )
        raise Problem("\n".join(f"{of}: {finding}" for finding in wrong), remedy)

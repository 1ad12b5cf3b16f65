"""Passwords and certificates are replaced while the platform runs, and everything goes on with the new ones."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import tools
from bootstrap.inventory import Inventory, Platform
from tests.lab.cluster import Cluster, is_ready, run, wait_for
from tests.lab.conftest import ROOT
from tests.lab.stores.base import Pod

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module")
def platform(inventory: Inventory) -> Platform:
    """The release of the lab."""
    return inventory.platform


def data(cluster: Cluster, platform: Platform, name: str) -> dict[str, bytes]:
    """What a Secret of the release holds."""
    found = cluster.secret(f"{platform.release}-{name}", platform.namespace)
    return {key: base64.b64decode(value) for key, value in found.items()}


def rotate(platform: Platform, name: str) -> str:
    """`python -m bootstrap rotate`, as an operator runs it."""
    command = [sys.executable, "-m", "bootstrap", "rotate", "inventories/lab.yaml", f"{platform.release}-{name}"]
    return run(command, cwd=ROOT, seconds=1500)


@contextmanager
def forwarded(cluster: Cluster, platform: Platform, pod: str, port: int) -> Iterator[int]:
    """A port of this computer's loopback that leads to the pod's."""
    kubectl = [str(tools.ensure("kubectl")), "--kubeconfig", str(cluster.kubeconfig), "-n", platform.namespace]
    command = [*kubectl, "port-forward", f"pod/{pod}", f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 8501
            yield int(line.split(" -> ")[0].rpartition(":")[2])
        finally:
            process.terminate()


def served(port: int) -> bytes:
    """The certificate that is served now, DER; nothing where nobody answers."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 5) as connection,
            tls.wrap_socket(connection, server_hostname="localhost") as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


@pytest.mark.parametrize(("store", "port"), [("keycloak", 8443), ("consul", 8501), ("vault", 8200), ("kafka", 9094)])
def test_a_new_certificate_is_served_without_a_restart(
    cluster: Cluster, platform: Platform, store: str, port: int
) -> None:
    selector = f"app.kubernetes.io/name={store},app.kubernetes.io/instance={platform.release}"
    pods = [pod["metadata"] for pod in cluster.pods(platform.namespace, selector) if _serves(pod, port)]
    assert pods
    rotate(platform, f"{store}-tls")
    wanted = ssl.PEM_cert_to_DER_cert(data(cluster, platform, f"{store}-tls")["tls.crt"].decode())
    for pod in pods:
        with forwarded(cluster, platform, pod["name"], port) as local:
            _wait_for_certificate(pod["name"], local, wanted)
    after = {pod["metadata"]["uid"] for pod in cluster.pods(platform.namespace, selector)}
    assert {pod["uid"] for pod in pods} <= after, "a pod was replaced"


def _wait_for_certificate(pod: str, port: int, wanted: bytes) -> None:
    """The kubelet writes what changed into the pod's files within two minutes, sooner where it is hurried."""
    wait_for(f"the new certificate of {pod}", lambda: served(port) == wanted, seconds=240)


def _serves(pod: Pod, port: int) -> bool:
    """Whether one of its containers has this port."""
    return any(p.get("containerPort") == port for c in pod["spec"]["containers"] for p in c.get("ports", ()))


@pytest.mark.parametrize(
    ("secret", "key", "reader"),
    [
        ("mysql-users", "custos-logging", "custos-logging"),
        ("postgresql-users", "keycloak", "keycloak"),
        ("kafka", "custos-password", ""),
        ("keycloak", "admin-password", "iam-admin-core-service"),
    ],
)
def test_a_new_password_is_taken_over_and_its_readers_restart(
    cluster: Cluster, platform: Platform, secret: str, key: str, reader: str
) -> None:
    before, pods = data(cluster, platform, secret), _pods(cluster, platform, reader)
    rotate(platform, f"{secret}/{key}")
    after = data(cluster, platform, secret)
    assert after[key] != before[key]
    assert {name: value for name, value in after.items() if name != key} == {
        n: v for n, v in before.items() if n != key
    }
    if reader:  # pods that still have the former password end what they are at
        wait_for("the former pods to be gone", lambda: not pods & _pods(cluster, platform, reader), seconds=120)
    wait_for("all pods ready", lambda: all(map(is_ready, cluster.pods(platform.namespace))), seconds=600, steady=5)


def _pods(cluster: Cluster, platform: Platform, component: str) -> set[str]:
    """The pods of a service or store."""
    selector = (
        f"app.kubernetes.io/component={component}" if component != "keycloak" else "app.kubernetes.io/name=keycloak"
    )
    return {pod["metadata"]["uid"] for pod in cluster.pods(platform.namespace, selector)} if component else set()


def test_everything_is_reached_with_what_is_new(cluster: Cluster, platform: Platform) -> None:
    """After the tests above: `helm test` uses every store with the services' own logins."""
    out = cluster.helm("test", platform.release, "-n", platform.namespace, "--timeout", "10m")
    assert "Succeeded" in out

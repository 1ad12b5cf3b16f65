"""A release whose stores are all elsewhere (values/external.yaml): here those of the lab's own release.

To the second release they are outside: it reaches them by their names, with copies of their Secrets, and only because
the first one's namespace lets it in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap.inventory import Inventory, Platform
from generator.catalogue import load_catalogue
from tests.lab.cluster import Cluster, is_ready
from tests.lab.conftest import ROOT

pytestmark = pytest.mark.drill

RELEASE, NAMESPACE = "outside", "outside"
# At least one for each store.
SERVICES = (
    "custos-configuration-service",
    "credential-store-core-service",  # MySQL, Vault
    "custos-messaging-core-service",  # MySQL, Kafka
    "iam-admin-core-service",  # MySQL, Keycloak
    "identity-core-service",
    "user-profile-core-service",
)
VAULT_ROLE = "credential-store-core-service"


@pytest.fixture
def values(cluster: Cluster, inventory: Inventory, tmp_path: Path) -> Iterator[Path]:
    """The values of the second release, whose Secrets and way to the stores are there; all is taken away afterwards."""
    platform = inventory.platform
    try:
        cluster.kubectl("create", "namespace", NAMESPACE)
        cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([_let_in(platform), *_secrets(cluster, platform)]))
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(_values(platform)), encoding="utf-8")
        yield file
    finally:
        cluster.helm("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found")
        cluster.kubectl("delete", "networkpolicy", "let-outside-in", "-n", platform.namespace, "--ignore-not-found")
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", seconds=600)


def test_a_release_with_stores_elsewhere(cluster: Cluster, values: Path) -> None:
    chart = str(ROOT / "charts/custos-platform")
    cluster.helm(
        *("upgrade", "--install", RELEASE, chart, "-n", NAMESPACE, "-f", str(values), "--wait", "--timeout", "15m"),
        seconds=1000,
    )
    assert cluster.get("statefulsets", "-n", NAMESPACE)["items"] == []
    pods = [pod for pod in cluster.pods(NAMESPACE) if pod["status"]["phase"] != "Succeeded"]
    assert len(pods) == len(SERVICES)
    assert [pod["metadata"]["name"] for pod in pods if not is_ready(pod)] == []
    # Each service says itself what it reaches: that is used, not only connected to.
    said = cluster.helm("test", RELEASE, "-n", NAMESPACE, "--logs", "--timeout", "10m", seconds=700)
    for store in ("database", "keycloak", "vault", "kafka"):
        assert store in said, said


def _values(platform: Platform) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "values/external.yaml").read_text(encoding="utf-8"))
    stores = {"mysql": "mysql-primary", "keycloak": "keycloak", "vault": "vault", "kafka": "kafka"}
    for store, service in stores.items():
        values["global"][store]["host"] = f"{platform.release}-{service}.{platform.namespace}.svc.cluster.local"
    del values["custos"]["cilogon"], values["custos"]["smtp"]
    values["custos"] |= {
        "image": {"repository": "custos-standin", "tag": "0.1.0"},
        "sidecarImage": {"repository": "custos-standin", "tag": "0.1.0"},
        "replicas": 1,
        "resources": {"requests": {"cpu": "10m"}},
        "withoutStores": ["smtp", "cilogon"],
        "services": {name: {"enabled": False} for name in load_catalogue().services if name not in SERVICES},
    }
    return values


def _let_in(platform: Platform) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "let-outside-in", "namespace": platform.namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/instance": platform.release}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}]}],
        },
    }


def _secrets(cluster: Cluster, platform: Platform) -> list[dict[str, Any]]:
    """Copies of the first release's Secrets, under the names that values/external.yaml gives them."""

    def data(name: str) -> dict[str, str]:
        return cluster.secret(f"{platform.release}-{name}", platform.namespace)

    trust = data("truststore")
    mysql_ca = {
        "ca.crt": trust["ca.crt"],
        "truststore.p12": trust["truststore.p12"],
        "truststore-password": trust["password"],
    }
    return [
        # Keycloak's and Vault's certificates come from this authority: the second release has it for its own too.
        _secret(f"{RELEASE}-ca", data=data("ca")),
        _secret("custos-mysql-users", data=data("mysql-users")),
        _secret("custos-mysql-ca", data=mysql_ca),
        _secret("custos-keycloak", data=data("keycloak")),
        _secret("custos-vault", stringData={"token": _vault_token(cluster, platform)}),
    ]


def _secret(name: str, **content: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, **content}


def _vault_token(cluster: Cluster, platform: Platform) -> str:
    """What Vault gives to a service of the first release."""
    account = f"{platform.release}-{VAULT_ROLE}"
    jwt = cluster.kubectl("create", "token", account, "-n", platform.namespace).strip()
    login = 'vault write -format=json auth/kubernetes/login role="$0" jwt=-'
    pod = cluster.pods(platform.namespace, "app.kubernetes.io/name=vault,vault-active=true")[0]["metadata"]["name"]
    command = ("exec", "-i", pod, "-n", platform.namespace, "-c", "vault", "--", "sh", "-c", login, VAULT_ROLE)
    answer = json.loads(cluster.kubectl(*command, stdin=jwt))
    return str(answer["auth"]["client_token"])

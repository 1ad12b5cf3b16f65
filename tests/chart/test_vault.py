"""Consul and Vault: who may do what, what is secret and where it is not, and what each seal makes of the chart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.conftest import Case
from tests.chart.helm import Object, containers, find, kind

ObjectsOf = Callable[[Case], list[Object]]
MOUNTS = {"credential-store-core-service": "secret", "resource-secret-core-service": "resourcesecret"}
SERVER = "server.dc1.consul"  # whoever has a certificate with this name is a server to the others


def text_of(objects: list[Object], name: str, key: str) -> Any:
    """A ConfigMap's entry, read as JSON."""
    return json.loads(find(objects, "ConfigMap", name)["data"][key])


def spec_of(objects: list[Object], name: str) -> Any:
    """What the pods of a StatefulSet are."""
    return find(objects, "StatefulSet", name)["spec"]["template"]["spec"]


def wanted(objects: list[Object], name: str) -> Any:
    """What the Secrets Job makes under this name."""
    return next(entry for entry in text_of(objects, "custos-secrets", "wanted.json") if entry["name"] == name)


# --- Consul


def test_consul_is_spoken_to_over_tls_only(prod: list[Object]) -> None:
    options = text_of(prod, "custos-consul-config", "server.json")
    assert options["ports"] == {"http": -1, "https": 8501, "dns": -1, "grpc": -1, "grpc_tls": -1, "serf_wan": -1}
    assert options["tls"]["defaults"]["verify_incoming"] and options["tls"]["defaults"]["verify_outgoing"]
    assert options["tls"]["internal_rpc"] == {"verify_server_hostname": True}
    assert options["acl"]["default_policy"] == "deny"


def test_only_consuls_certificate_makes_a_server(prod: list[Object]) -> None:
    with_name = [
        entry["name"]
        for entry in text_of(prod, "custos-secrets", "wanted.json")
        if SERVER in entry.get("certificate", {}).get("dnsNames", [])
    ]
    assert with_name == ["custos-consul-tls"]
    mounted = [item["metadata"]["name"] for item in kind(prod, "StatefulSet") if "consul-tls" in json.dumps(item)]
    assert sorted(mounted) == ["custos-consul", "custos-consul-snapshot"]
    volumes = spec_of(prod, "custos-consul-snapshot")["volumes"]
    assert next(v for v in volumes if v["name"] == "tls")["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]


@pytest.mark.parametrize(("values", "servers"), [("prod", 3), ("minimal", 1)])
def test_as_many_voters_as_servers(objects_of: ObjectsOf, values: str, servers: int) -> None:
    """Fewer, and an acknowledged write is on fewer disks than was promised."""
    objects = objects_of(Case(values, values))
    options = text_of(objects, "custos-consul-config", "server.json")
    assert options["bootstrap_expect"] == options["autopilot"]["min_quorum"] == servers
    assert options["leave_on_terminate"] is False
    assert find(objects, "StatefulSet", "custos-consul")["spec"]["replicas"] == servers


def test_vault_may_write_its_own_keys_and_no_others(prod: list[Object]) -> None:
    tokens = text_of(prod, "custos-consul-wanted", "tokens.json")
    assert tokens["tokens"]["vault"] == "custos-vault"
    rules = tokens["policies"]["custos-vault"]
    assert re.findall(r'(\w+) "([^"]*)" \{ policy = "(\w+)" \}', rules) == [
        ("key_prefix", "vault/", "write"),
        ("session_prefix", "", "write"),
    ]
    assert "acl" not in rules and "operator" not in rules


def test_each_token_of_consul_is_made_and_guarded(prod: list[Object]) -> None:
    entry = wanted(prod, "custos-consul")
    named = text_of(prod, "custos-consul-wanted", "tokens.json")["tokens"]
    assert entry["keys"] == {"gossip-key": {"base64": 32}} | {f"{name}-token": {"uuid": True} for name in named}
    assert entry["volumes"] == [f"data-custos-consul-{number}" for number in range(3)]


def test_secrets_are_in_no_argument_and_no_configuration(prod: list[Object]) -> None:
    """They come as files, or (Vault's token for Consul) as environment from the Secret."""
    for name in ("custos-consul", "custos-consul-snapshot", "custos-vault"):
        for container in containers(find(prod, "StatefulSet", name)["spec"]["template"]):
            assert "encrypt" not in json.dumps(container["command"]) and "token" not in json.dumps(container["command"])
            for entry in container.get("env", []):
                assert "TOKEN" not in entry["name"] or "valueFrom" in entry or entry["value"].startswith("/etc/custos/")
    for text in (
        text_of(prod, "custos-consul-config", "server.json"),
        text_of(prod, "custos-vault-config", "vault.json"),
    ):
        assert not re.search("encrypt|token|initial_management", json.dumps(text))


def test_snapshots_can_be_left_out(objects_of: ObjectsOf) -> None:
    objects = objects_of(Case("no-snapshots", "prod", settings=("consul.snapshots.enabled=false",)))
    assert not [item for item in objects if "consul-snapshot" in item["metadata"]["name"]]


# --- Vault


def test_each_service_reads_its_own_mount_only(prod: list[Object]) -> None:
    setup = text_of(prod, "custos-vault-wanted", "vault.json")
    assert setup["mounts"] == {mount: {"type": "kv", "options": {"version": "1"}} for mount in MOUNTS.values()}
    for service, mount in MOUNTS.items():
        capabilities = '["create", "read", "update", "delete", "list"]'
        assert setup["policies"][service] == f'path "{mount}/*" {{ capabilities = {capabilities} }}'
        role = setup["roles"][service]
        assert role["bound_service_account_names"] == [f"custos-{service}"]
        assert role["bound_service_account_namespaces"] == ["custos"]
        assert role["token_policies"] == [service]


def test_who_sets_vault_up_reads_no_secret(prod: list[Object]) -> None:
    setup = text_of(prod, "custos-vault-wanted", "vault.json")
    paths = re.findall(r'^path "([^"]+)"', setup["policies"][setup["configurator"]], re.MULTILINE)
    assert paths and all(path.startswith(("sys/", "auth/kubernetes/")) for path in paths)
    assert setup["roles"][setup["configurator"]]["bound_service_account_names"] == ["custos-vault"]


def test_clients_of_vault_find_the_active_one(prod: list[Object]) -> None:
    service = find(prod, "Service", "custos-vault")["spec"]
    assert service["selector"]["vault-active"] == "true"
    assert "vault-active" not in find(prod, "Service", "custos-vault-internal")["spec"]["selector"]


def test_two_releases_bind_two_cluster_rights(objects_of: ObjectsOf) -> None:
    installed = [objects_of(Case(release, "prod", release=release)) for release in ("custos", "team-a")]
    names = {item["metadata"]["name"] for objects in installed for item in kind(objects, "ClusterRoleBinding")}
    assert names == {"custos-custos-vault-token-review", "team-a-custos-vault-token-review"}


SEALS = [
    ("kubernetesSecret", (), None, True),
    ("manual", (), None, False),
    ("transit", ("vault.seal.options.address=https://v:8200",), {"transit": {"address": "https://v:8200"}}, False),
    (
        "kms",
        ("vault.seal.provider=gcpckms", "vault.seal.options.region=eu", "vault.seal.existingSecret=keys"),
        {"gcpckms": {"region": "eu"}},
        False,
    ),
]


@pytest.mark.parametrize(("seal", "settings", "stanza", "by_secret"), SEALS, ids=[seal[0] for seal in SEALS])
def test_what_a_seal_makes_of_the_chart(
    objects_of: ObjectsOf, seal: str, settings: tuple[str, ...], stanza: Any, by_secret: bool
) -> None:
    objects = objects_of(Case(f"seal-{seal}", "prod", settings=(f"vault.seal.type={seal}", *settings)))
    assert text_of(objects, "custos-vault-config", "vault.json").get("seal") == stanza
    made = {entry["name"] for entry in text_of(objects, "custos-secrets", "wanted.json")}
    assert ("custos-vault-unseal" in made) is by_secret
    rights = {resource for rule in find(objects, "Role", "custos-vault")["rules"] for resource in rule["resources"]}
    assert rights == ({"pods", "secrets"} if by_secret else {"pods"})
    vault = next(c for c in spec_of(objects, "custos-vault")["containers"] if c["name"] == "vault")
    assert vault.get("envFrom") == ([{"secretRef": {"name": "keys"}}] if seal == "kms" else None)


def test_storage_outside_is_reached_directly(objects_of: ObjectsOf) -> None:
    settings = (
        "consul.enabled=false",
        "global.consul.host=consul.example.org",
        "global.consul.existingSecret=token",
        "global.consul.caSecret=ca",
    )
    objects = objects_of(Case("consul-outside", "prod", settings=settings))
    storage = text_of(objects, "custos-vault-config", "vault.json")["storage"]["consul"]
    assert storage["address"] == "https://consul.example.org:8501"
    spec = spec_of(objects, "custos-vault")
    assert [c["name"] for c in spec["initContainers"]] == ["keeper"]
    assert {v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v} == {"custos-vault-tls", "token", "ca"}


def test_vault_outside_leaves_nothing_of_it_here(external: list[Object]) -> None:
    assert not [item for item in external if re.search("consul|vault", item["metadata"]["name"])]

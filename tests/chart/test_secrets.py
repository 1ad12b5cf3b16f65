"""The Secrets Jobs: their scripts against a real Kubernetes API, with the chart's rights, and a real openssl."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes
import pytest

from tests.chart.conftest import PROJECT
from tests.chart.helm import NAMESPACE, Object, find, kind
from tests.chart.kubernetes_api import ApiServer, account
from tools.cache import cache_root

SCRIPT = PROJECT / "generator/blueprint/files/make_secrets.py"
JKS_TRUST = (3, 2)  # the openssl that can mark entries as trusted for Java
Data = dict[str, bytes]


def openssl_version(program: str) -> tuple[int, ...]:
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=False)
    found = re.match(r"OpenSSL ([0-9]+)\.([0-9]+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@pytest.fixture(scope="session")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an openssl as the toolbox image has it: this computer's, or that of the lab's Debian."""
    folder = tmp_path_factory.mktemp("openssl")
    own = shutil.which("openssl")
    if own and openssl_version(own) >= JKS_TRUST:
        (folder / "openssl").symlink_to(own)
        return folder
    for root in sorted(cache_root().glob("roots/*/usr/bin/openssl")):
        system = root.parents[2]
        loader = next(iter(system.glob("lib*/ld-linux-*")), None)
        libraries = next(iter(system.glob("usr/lib/*/libcrypto.so.3")), None)
        if loader and libraries:
            program = folder / "openssl"
            program.write_text(f'#!/bin/sh\nexec "{loader}" --library-path "{libraries.parent}" "{root}" "$@"\n')
            program.chmod(0o755)
            if openssl_version(str(program)) >= JKS_TRUST:
                return folder
    pytest.skip("openssl 3.2 or newer is missing; Debian 13 has it, and `make up`, which makes the lab's, brings one")


@dataclass
class Cluster:
    """One namespace of the API server, and the script in it with the rights of the chart's Job."""

    core: Any
    namespace: str
    run: Callable[[list[Object]], int]
    renew: Callable[..., int]  # as `run`, and the Secrets to replace

    def data(self, name: str) -> Data:
        secret = self.core.read_namespaced_secret(name, self.namespace)
        return {key: base64.b64decode(value) for key, value in secret.data.items()}

    def everything(self) -> dict[str, tuple[str, Data]]:
        """Resource version and data of every Secret."""
        return {
            s.metadata.name: (s.metadata.resource_version, self.data(s.metadata.name))
            for s in self.core.list_namespaced_secret(self.namespace).items
        }


def load_script(name: str = "make_secrets") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPT.with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where the other script looks for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cluster(
    server: ApiServer,
    openssl: Path,
    prod: list[Object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Cluster:
    """A fresh namespace with the chart's ServiceAccount, Role and RoleBinding of the Job."""
    client = server.client()
    core: Any = kubernetes.client.CoreV1Api(client)
    create_from_dict: Any = kubernetes.utils.create_from_dict  # untyped
    digest = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    namespace = "t-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:45].strip("-") + f"-{digest}"
    core.create_namespace({"metadata": {"name": namespace}})
    names = ("custos-secrets", "custos-secrets-renewal")
    for item in (find(prod, k, n) for n in names for k in ("ServiceAccount", "Role", "RoleBinding")):
        own = json.loads(json.dumps(item).replace(f'"namespace": "{NAMESPACE}"', f'"namespace": "{namespace}"'))
        create_from_dict(client, own, namespace=namespace)
    making, renewing = (account(server, core, namespace, name, tmp_path / name) for name in names)
    script = load_script()
    renewal = load_script("renew_secrets")
    monkeypatch.setenv("PATH", f"{openssl}:{os.environ['PATH']}")
    for name, value in (("HOST", "127.0.0.1"), ("PORT", str(server.port))):
        monkeypatch.setenv(f"KUBERNETES_SERVICE_{name}", value)
    monkeypatch.setenv("NAMESPACE", namespace)
    monkeypatch.setenv("RELEASE", "custos")

    def run(wanted: list[Object]) -> int:
        return work(script.main, making, wanted)

    def renew(wanted: list[Object], *asked: str) -> int:
        return work(renewal.main, renewing, wanted, *asked)

    def work(main: Callable[[list[str]], int], folder: Path, wanted: list[Object], *asked: str) -> int:
        monkeypatch.setattr(script, "ACCOUNT", folder)
        (tmp_path / "wanted.json").write_text(json.dumps(wanted))
        return main([str(tmp_path / "wanted.json"), *asked])

    return Cluster(core, namespace, run, renew)


@pytest.fixture(scope="session")
def wanted(prod: list[Object]) -> list[Object]:
    """What production wants."""
    config = next(i for i in kind(prod, "ConfigMap") if "wanted.json" in i.get("data", {}))
    loaded: list[Object] = json.loads(config["data"]["wanted.json"])
    return loaded


def test_everything_is_made_and_a_second_run_changes_nothing(
    cluster: Cluster, wanted: list[Object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cluster.run(wanted) == 0
    first = cluster.everything()
    assert set(first) == {entry["name"] for entry in wanted}
    printed = capsys.readouterr()
    # A text that the chart itself gives, such as a user's name, is no secret.
    given = {key for entry in wanted for key, how in entry.get("keys", {}).items() if "text" in how}
    for _, data in first.values():
        for key, value in data.items():
            if not key.endswith((".crt", ".p12")) and key not in given:
                assert value.decode() not in printed.out + printed.err, f"{key} was printed"
    assert cluster.run(wanted) == 0
    assert cluster.everything() == first
    assert set(capsys.readouterr().out.splitlines()) == {f"{name}: is there" for name in first}


def test_secrets_carry_the_labels_that_tell_whose_they_are(cluster: Cluster, wanted: list[Object]) -> None:
    cluster.run(wanted)
    for secret in cluster.core.list_namespaced_secret(cluster.namespace).items:
        assert secret.metadata.labels["app.kubernetes.io/managed-by"] == "custos-platform-secrets"
        assert secret.metadata.labels["app.kubernetes.io/instance"] == "custos"
        assert not secret.metadata.owner_references, "they outlive an uninstall"


def test_random_keys_are_long_different_and_safe_everywhere(cluster: Cluster) -> None:
    keys = {"a": {"random": 32}, "b": {"random": 32}}
    assert cluster.run([{"name": "custos-mysql-users", "keys": keys}]) == 0
    data = cluster.data("custos-mysql-users")
    assert data["a"] != data["b"]
    assert all(re.fullmatch(rb"[A-Za-z0-9]{32}", value) for value in data.values())


@pytest.mark.parametrize(
    ("how", "pattern"),
    [
        ({"random": 20}, "[A-Za-z0-9]{20}"),
        ({"uuid": True}, "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ({"base64": 32}, "[A-Za-z0-9+/]{43}="),
        ({"base64url": 16}, "[A-Za-z0-9_][A-Za-z0-9_-]{21}"),
        ({"text": "admin"}, "admin"),
    ],
)
def test_each_kind_of_key_looks_as_its_program_wants_it(how: dict[str, Any], pattern: str) -> None:
    assert re.fullmatch(pattern, load_script().make_value(how).decode())


def test_an_unknown_kind_of_key_is_named() -> None:
    with pytest.raises(ValueError, match="no such kind of key: rnadom"):
        load_script().make_value({"rnadom": 20})


def test_a_new_key_is_added_and_the_old_ones_stay(cluster: Cluster) -> None:
    entry = {"name": "custos-mysql-users", "keys": {"old": {"random": 16}}}
    cluster.run([entry])
    old = cluster.data("custos-mysql-users")
    entry["keys"] = {"old": {"random": 40}, "new": {"random": 20}}
    assert cluster.run([entry]) == 0
    assert cluster.data("custos-mysql-users")["old"] == old["old"]
    assert len(cluster.data("custos-mysql-users")["new"]) == 20


def test_what_an_operator_made_is_kept(cluster: Cluster, wanted: list[Object], tmp_path: Path) -> None:
    made = load_script().make_authority({"commonName": "mine", "days": 30}, tmp_path)
    own = {"tls.crt": made["ca.crt"], "tls.key": made["ca.key"]}
    data = {key: base64.b64encode(value).decode() for key, value in own.items()}
    body = {"metadata": {"name": "tls-services-secret"}, "type": "kubernetes.io/tls", "data": data}
    cluster.core.create_namespaced_secret(cluster.namespace, body)
    assert cluster.run(wanted) == 0
    assert cluster.data("tls-services-secret") == own


def test_certificates_are_signed_by_the_authority_and_bear_their_names(
    cluster: Cluster, wanted: list[Object], tmp_path: Path, openssl: Path
) -> None:
    cluster.run(wanted)
    authority = cluster.data("custos-ca")
    (tmp_path / "ca.crt").write_bytes(authority["ca.crt"])
    for entry in (e for e in wanted if "certificate" in e):
        made = cluster.data(entry["name"])
        assert made["ca.crt"] == authority["ca.crt"] and "ca.key" not in made
        (tmp_path / "tls.crt").write_bytes(made["tls.crt"])
        (tmp_path / "tls.key").write_bytes(made["tls.key"])

        def ask(*arguments: str) -> str:
            command = [str(openssl / "openssl"), *arguments]
            return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

        assert ask("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.crt", "tls.crt")
        for dns in entry["certificate"]["dnsNames"]:
            host = dns.replace("*", "one")
            assert "does match" in ask("x509", "-in", "tls.crt", "-noout", "-checkhost", host), dns
        assert ask("x509", "-in", "tls.crt", "-noout", "-pubkey") == ask("pkey", "-in", "tls.key", "-pubout")


def keytool(store: Path, password: bytes) -> str:
    program = shutil.which("keytool")
    if program is None:
        pytest.skip("keytool is missing: apt-get install default-jdk-headless")
    done = subprocess.run(
        [program, "-list", "-v", "-keystore", str(store), "-storepass:env", "PASSWORD"],
        env={**os.environ, "PASSWORD": password.decode(), "LC_ALL": "C"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_java_reads_the_trust_stores_as_trusted(
    cluster: Cluster, wanted: list[Object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.run(wanted)
    data = cluster.data("custos-truststore")
    counts = {}
    for name in ("truststore.p12", "public.p12"):
        (tmp_path / name).write_bytes(data[name])
        counts[name] = keytool(tmp_path / name, data["password"]).count("Entry type: trustedCertEntry")
    assert counts["truststore.p12"] == 1, "the internal CA alone: nobody else may vouch for a store"
    public = load_script().PUBLIC_AUTHORITIES
    expected = public.read_text().count("BEGIN CERTIFICATE") if public.is_file() else 0
    assert counts["public.p12"] == expected + 1
    assert "ca.key" not in data


def claim(cluster: Cluster, name: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"metadata": {"name": name}, "spec": spec}
    cluster.core.create_namespaced_persistent_volume_claim(cluster.namespace, body)


def guarded(wanted: list[Object]) -> Object:
    """An entry whose loss would lock a volume up."""
    return next(entry for entry in wanted if entry.get("volumes"))


def test_a_volume_without_its_secret_stops_everything(
    cluster: Cluster, wanted: list[Object], capsys: pytest.CaptureFixture[str]
) -> None:
    entry = guarded(wanted)
    claim(cluster, entry["volumes"][0])
    assert cluster.run(wanted) == 2
    message = capsys.readouterr().err
    assert f"Secret {entry['name']} is gone, but the volume of {entry['volumes'][0]}" in message
    assert "Restore the Secret from a backup" in message
    assert cluster.everything() == {}, "nothing is made before all is decided"


def test_a_volume_with_its_secret_is_fine(cluster: Cluster, wanted: list[Object]) -> None:
    assert cluster.run(wanted) == 0
    claim(cluster, guarded(wanted)["volumes"][0])
    assert cluster.run(wanted) == 0


def change(cluster: Cluster, name: str, data: dict[str, bytes]) -> None:
    body = {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}
    cluster.core.patch_namespaced_secret(name, cluster.namespace, body)


def held(wanted: list[Object]) -> list[tuple[str, str]]:
    """Secret and key of what only the volumes hold besides."""
    return [(entry["name"], key) for entry in wanted for key in entry.get("held", ())]


def test_what_only_the_volumes_hold_is_known(wanted: list[Object]) -> None:
    mysql = [("custos-mysql-admin", f"{account}-password") for account in ("root", "replication", "agent")]
    assert held(wanted) == [*mysql, ("custos-vault-unseal", "unseal-key")]


def test_a_wrong_password_is_caught_before_anything_restarts(
    cluster: Cluster, wanted: list[Object], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.run(wanted)
    change(cluster, "custos-vault-unseal", {"unseal-key": b"made by Vault"})
    cluster.run(wanted)
    former = cluster.everything()
    for name, key in held(wanted):
        change(cluster, name, {key: b"wrong"})
    cluster.core.delete_namespaced_secret("custos-kafka-tls", cluster.namespace)
    edited = cluster.everything()
    assert cluster.run(wanted) == 2
    message = capsys.readouterr().err
    for name, key in held(wanted):
        assert f"Secret {name}: {key} is not what the volumes were written with" in message
        assert f"kubectl annotate secret {name} custos-platform/sha256-of-{key}-" in message
    assert "wrong" not in message
    assert cluster.everything() == edited, "nothing is made before all is decided"

    for name, key in held(wanted):
        change(cluster, name, {key: former[name][1][key]})
    assert cluster.run(wanted) == 0, "the former ones are fine"


def test_a_change_that_was_meant_is_taken_for_the_new_truth(cluster: Cluster, wanted: list[Object]) -> None:
    cluster.run(wanted)
    name, key = held(wanted)[0]
    change(cluster, name, {key: b"another"})
    without = {"metadata": {"annotations": {f"custos-platform/sha256-of-{key}": None}}}
    cluster.core.patch_namespaced_secret(name, cluster.namespace, without)
    assert cluster.run(wanted) == 0
    change(cluster, name, {key: b"a third"})
    assert cluster.run(wanted) == 2


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("custos-mysql-tls", "tls.key", "of another"),
        ("custos-mysql-tls", "tls.crt", "no certificate"),
        ("custos-ca", "ca.key", "of another"),
    ],
)
def test_a_key_that_does_not_fit_its_certificate_is_caught(
    cluster: Cluster, wanted: list[Object], name: str, key: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.run(wanted)
    other = cluster.data("custos-kafka-tls")["tls.key"]
    change(cluster, name, {key: other if value == "of another" else value.encode()})
    assert cluster.run(wanted) == 2
    message = capsys.readouterr().err
    assert (
        f"Secret {name}: {key.partition('.')[0]}.key and {key.partition('.')[0]}.crt do not belong together" in message
    )
    assert "PRIVATE" not in message


def test_an_authority_that_is_gone_is_not_replaced_behind_those_it_signed(
    cluster: Cluster, wanted: list[Object], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.run(wanted)
    cluster.core.delete_namespaced_secret("custos-ca", cluster.namespace)
    before = cluster.everything()
    assert cluster.run(wanted) == 2
    assert "Secret custos-ca (the internal CA) is gone, but custos-truststore" in capsys.readouterr().err
    assert cluster.everything() == before


def test_half_a_secret_is_named(cluster: Cluster, wanted: list[Object], capsys: pytest.CaptureFixture[str]) -> None:
    body = {"metadata": {"name": "custos-ca"}, "data": {"ca.crt": "eA=="}}
    cluster.core.create_namespaced_secret(cluster.namespace, body)
    assert cluster.run(wanted) == 2
    assert "Secret custos-ca exists, but lacks ca.key" in capsys.readouterr().err


def test_a_certificate_that_lacks_a_name_is_told_and_kept(
    cluster: Cluster, wanted: list[Object], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.run(wanted)
    before = cluster.everything()
    changed = json.loads(json.dumps(wanted))
    certificate = next(entry for entry in changed if "certificate" in entry)
    certificate["certificate"]["dnsNames"].append("new.example.org")
    assert cluster.run(changed) == 0
    assert f"{certificate['name']}: the certificate is not for new.example.org" in capsys.readouterr().err
    assert cluster.everything() == before


def test_the_jobs_rights_do_not_reach_other_secrets(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"metadata": {"name": "somebody-elses"}, "data": {"a": "eA=="}}
    cluster.core.create_namespaced_secret(cluster.namespace, body)
    assert cluster.run([{"name": "somebody-elses", "keys": {"b": {"random": 8}}}]) == 2
    assert "the Kubernetes API refuses GET secrets/somebody-elses: 403" in capsys.readouterr().err
    assert cluster.data("somebody-elses") == {"a": b"x"}


ROTATABLE = {"a": {"random": 16, "rotatable": True}, "b": {"random": 16}}


def aged(wanted: list[Object], kind: str, days: int) -> list[Object]:
    """The same entries, where those of a kind live for so many days."""
    copy: list[Object] = json.loads(json.dumps(wanted))
    for entry in copy:
        if kind in entry:
            entry[kind]["days"] = days
    return copy


def verified(folder: Path, openssl: Path, authority: bytes, certificate: bytes) -> bool:
    """Whether openssl accepts the certificate under the authority."""
    (folder / "authority.crt").write_bytes(authority)
    (folder / "certificate.crt").write_bytes(certificate)
    command = [str(openssl / "openssl"), "verify", "-CAfile", "authority.crt", "certificate.crt"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def test_what_is_new_is_not_renewed(cluster: Cluster, wanted: list[Object]) -> None:
    cluster.run(wanted)
    before = cluster.everything()
    assert cluster.renew(wanted) == 0
    assert cluster.everything() == before


def test_certificates_are_renewed_in_the_last_third_of_their_life_and_nothing_else(
    cluster: Cluster, wanted: list[Object], tmp_path: Path, openssl: Path
) -> None:
    cluster.run(aged(wanted, "certificate", 200))
    before = cluster.everything()
    assert cluster.renew(wanted) == 0  # which live for 825 days, of which more than two thirds would be gone
    after = cluster.everything()
    assert {name for name in after if after[name] != before[name]} == {e["name"] for e in wanted if "certificate" in e}
    new, old = after["custos-mysql-tls"][1], before["custos-mysql-tls"][1]
    assert new["tls.key"] != old["tls.key"]
    assert verified(tmp_path, openssl, old["ca.crt"], new["tls.crt"])


def test_a_certificate_gets_the_name_that_it_lacks(cluster: Cluster, wanted: list[Object]) -> None:
    cluster.run(wanted)
    changed = json.loads(json.dumps(wanted))
    entry = next(entry for entry in changed if "certificate" in entry)
    entry["certificate"]["dnsNames"].append("new.example.org")
    before = cluster.everything()
    assert cluster.renew(changed) == 0
    assert [name for name, state in cluster.everything().items() if state != before[name]] == [entry["name"]]
    assert load_script().problems_of(entry, cluster.data(entry["name"]), 0) == []


def test_a_new_certificate_of_the_authority_leaves_nobody_out(
    cluster: Cluster, wanted: list[Object], tmp_path: Path, openssl: Path
) -> None:
    cluster.run(aged(wanted, "authority", 400))
    before = {name: data for name, (_, data) in cluster.everything().items()}
    assert cluster.renew(wanted) == 0
    after = {name: data for name, (_, data) in cluster.everything().items()}
    authority = after["custos-ca"]["ca.crt"]
    assert authority != before["custos-ca"]["ca.crt"] and after["custos-ca"]["ca.key"] == before["custos-ca"]["ca.key"]
    for entry in (entry for entry in wanted if "certificate" in entry):
        data = after[entry["name"]]
        assert data["ca.crt"] == authority and data["tls.crt"] == before[entry["name"]]["tls.crt"]
        assert verified(tmp_path, openssl, authority, data["tls.crt"]), "under the new one"
        assert verified(tmp_path, openssl, before["custos-ca"]["ca.crt"], data["tls.crt"]), "for who has the old one"
    trust = after["custos-truststore"]
    assert trust["ca.crt"] == authority and trust["password"] == before["custos-truststore"]["password"]


def test_what_an_operator_made_is_not_renewed(
    cluster: Cluster, wanted: list[Object], capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"tls.crt": "bWluZQ==", "tls.key": "bWluZQ=="}
    body = {"metadata": {"name": "tls-services-secret"}, "type": "kubernetes.io/tls", "data": own}
    cluster.core.create_namespaced_secret(cluster.namespace, body)
    cluster.run(wanted)
    assert cluster.renew(wanted) == 0
    assert "tls-services-secret: somebody else's, left alone" in capsys.readouterr().out
    assert cluster.renew(wanted, "tls-services-secret") == 2
    assert "Secret tls-services-secret is your own: replace it where it comes from." in capsys.readouterr().err
    assert cluster.data("tls-services-secret") == {"tls.crt": b"mine", "tls.key": b"mine"}


@pytest.mark.parametrize("asked", ["custos-mysql-users", "custos-mysql-users/a"])
def test_what_is_asked_for_is_replaced_and_nothing_else(cluster: Cluster, asked: str) -> None:
    wanted = [{"name": "custos-mysql-users", "keys": ROTATABLE}]
    cluster.run(wanted)
    before = cluster.data("custos-mysql-users")
    assert cluster.renew(wanted, asked) == 0
    after = cluster.data("custos-mysql-users")
    assert after["a"] != before["a"] and after["b"] == before["b"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            "custos-mysql-admin",
            "custos-mysql-admin is none of this release's Secrets. They are: custos-mysql-users, ca.",
        ),
        ("custos-mysql-users/c", "Secret custos-mysql-users has no key c. It has: a, b."),
        (
            "custos-mysql-users/b",
            "key b of Secret custos-mysql-users cannot be replaced: data or members hold on to it."
            " Its keys that can: a.",
        ),
        ("ca/ca.crt", "ca is replaced as a whole: leave /ca.crt out."),
        ("custos-mysql-users/a", "Secret custos-mysql-users is not there yet: `helm upgrade` makes it."),
    ],
)
def test_what_cannot_be_replaced_is_said_and_nothing_is_changed(
    cluster: Cluster, asked: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [
        {"name": "custos-mysql-users", "keys": ROTATABLE},
        {"name": "ca", "authority": {"commonName": "x", "days": 400}},
    ]
    assert cluster.renew(wanted[:1] if "not there" in message else wanted, asked) == 2
    assert message in capsys.readouterr().err
    assert cluster.everything() == {}


@pytest.mark.parametrize("script", sorted((PROJECT / "generator/blueprint").rglob("files/*.py")), ids=lambda p: p.name)
def test_a_script_hides_no_module_of_the_standard_library(script: Path) -> None:
    """Its folder comes first where Python looks for modules: a secrets.py takes the place of Python's own."""
    assert script.stem not in sys.stdlib_module_names

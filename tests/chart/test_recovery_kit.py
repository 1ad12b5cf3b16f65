"""The keeper of the recovery kit (files/backup/kit.py), with the chart's rights at a real Kubernetes API."""

from __future__ import annotations

import base64
import copy
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from tests.chart.conftest import CASES, PROJECT, Case
from tests.chart.helm import Object, kind
from tests.chart.kubernetes_api import ApiServer, account

FILES = PROJECT / "generator/blueprint/files"
FILES_OF = ("mysql.sql", "postgresql.sql", "consul.snap", "consul.sum", "kafka.topics")


@dataclass
class Keeper:
    """One namespace with the backup pod's account, and the script in it."""

    core: Any
    namespace: str
    run: Callable[..., subprocess.CompletedProcess[str]]
    dumps: Path
    key: Path

    def secret(self, name: str, data: dict[str, str], type_: str = "Opaque") -> None:
        body = kubernetes.client.V1Secret(
            metadata=kubernetes.client.V1ObjectMeta(name=name), string_data=data, type=type_
        )
        self.core.create_namespaced_secret(self.namespace, body)

    def kit(self) -> Any:
        return self.core.read_namespaced_config_map("custos-recovery-kit", self.namespace)

    def opened(self) -> dict[str, Any]:
        """What the holder of the key finds in the kit."""
        plain = subprocess.run(
            ["openssl", "cms", "-decrypt", "-binary", "-inform", "PEM", "-inkey", str(self.key)],
            input=self.kit().data["kit.pem"].encode(),
            capture_output=True,
            check=True,
        ).stdout
        found: dict[str, Any] = json.loads(gzip.decompress(plain))
        return found


@pytest.fixture
def keeper(
    server: ApiServer,
    objects_of: Callable[[Case], list[Object]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Keeper:
    """A fresh namespace with the chart's ServiceAccount, Role and RoleBinding of the backup's pod."""
    client = server.client()
    core: Any = kubernetes.client.CoreV1Api(client)
    create: Any = kubernetes.utils.create_from_dict
    namespace = f"kit-{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}"
    core.create_namespace({"metadata": {"name": namespace}})
    objects = copy.deepcopy(objects_of(next(case for case in CASES if case.name == "backups")))
    for item in kind(objects, "ServiceAccount", "Role", "RoleBinding"):
        if item["metadata"]["name"] == "custos-backup":
            own = {**item, "metadata": {"name": item["metadata"]["name"]}}
            for subject in own.get("subjects", ()):
                subject["namespace"] = namespace
            create(client, own, namespace=namespace)
    pod = next(i for i in kind(objects, "StatefulSet") if i["metadata"]["name"] == "custos-backup")
    container = next(c for c in pod["spec"]["template"]["spec"]["containers"] if c["name"] == "kit")
    environment = {e["name"]: e["value"] for e in container["env"] if "value" in e}
    folder = account(server, core, namespace, "custos-backup", tmp_path / "account")
    dumps, key = tmp_path / "dumps", tmp_path / "key.pem"
    dumps.mkdir()
    # The script as it is, at other places.
    text = (FILES / "backup/kit.py").read_text()
    for place, other in (  # the last first: the others lie below it
        ("/tmp/", f"{tmp_path}/"),
        ("/var/run/secrets/kubernetes.io/serviceaccount", str(folder)),
        ("/dumps", str(dumps)),
    ):
        assert place in text
        text = text.replace(place, other)
    script = tmp_path / "kit.py"
    script.write_text(text)
    environment |= {
        "NAMESPACE": namespace,
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "PYTHONPATH": str(FILES),
        "PATH": os.environ["PATH"],
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(script), *arguments], env=environment, capture_output=True, text=True, check=False
        )

    subject = ["-x509", "-days", "2", "-subj", "/CN=operator", "-out", str(tmp_path / "operator.crt")]
    subprocess.run(
        ["openssl", "req", "-newkey", "rsa:2048", "-noenc", "-keyout", str(key), *subject],
        check=True,
        capture_output=True,
    )
    made = Keeper(core, namespace, run, dumps, key)
    made.secret("custos-recovery-key", {"tls.crt": (tmp_path / "operator.crt").read_text()})
    made.secret("custos-mysql-admin", {"root-password": "very-secret"})
    return made


def test_the_holder_of_the_key_finds_every_secret_and_nobody_else_any(keeper: Keeper) -> None:
    keeper.secret("sh.helm.release.v1.custos.v1", {"release": "x"}, "helm.sh/release.v1")
    first = keeper.run("check")
    assert first.returncode == 1, first.stderr  # it was made just now: the backup has not got it
    assert "made anew" in first.stderr
    found = keeper.opened()
    assert (found["format"], found["namespace"], found["release"]) == (1, keeper.namespace, "custos")
    secrets = {secret["name"]: secret for secret in found["secrets"]}
    assert set(secrets) == {"custos-mysql-admin", "custos-recovery-key"}
    assert base64.b64decode(secrets["custos-mysql-admin"]["data"]["root-password"]) == b"very-secret"
    everything = str(keeper.kit())
    for hidden in ("very-secret", base64.b64encode(b"very-secret").decode()):
        assert hidden not in everything
    der = subprocess.run(
        ["openssl", "x509", "-in", str(keeper.key.with_name("operator.crt")), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert keeper.kit().data["certificate"] == re.sub(r".*=|:", "", der).strip().lower()


def test_a_kit_that_fits_is_left_as_it_is(keeper: Keeper) -> None:
    keeper.run("check")
    before = keeper.kit().metadata.resource_version
    assert keeper.run("check").returncode == 0
    assert keeper.kit().metadata.resource_version == before


def test_a_backup_with_an_older_kit_fails_and_the_next_does_not(keeper: Keeper) -> None:
    keeper.run("check")
    keeper.secret("custos-new", {"password": "new"})
    late = keeper.run("check")
    assert (late.returncode, late.stderr) == (
        1,
        "the recovery kit was older than the Secrets; it is made anew: back up once more\n",
    )
    assert keeper.run("check").returncode == 0
    assert "custos-new" in {secret["name"] for secret in keeper.opened()["secrets"]}


def test_without_the_operators_certificate_there_is_no_backup(keeper: Keeper) -> None:
    keeper.core.delete_namespaced_secret("custos-recovery-key", keeper.namespace)
    done = keeper.run("check")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "there is no recovery kit: Secret custos-recovery-key with the operator's certificate"
    )


def test_the_account_reads_secrets_and_writes_none(keeper: Keeper) -> None:
    """More than that and its own kit the pod may not do."""
    review: Any = kubernetes.client.AuthorizationV1Api(keeper.core.api_client)
    allowed = set()
    for resource in ("secrets", "configmaps", "pods"):
        for verb in ("get", "list", "create", "update", "patch", "delete"):
            spec = {
                "user": f"system:serviceaccount:{keeper.namespace}:custos-backup",
                "resourceAttributes": {"namespace": keeper.namespace, "resource": resource, "verb": verb},
            }
            answer = review.create_subject_access_review({"spec": spec})
            if answer.status.allowed:
                allowed.add((resource, verb))
    assert allowed == {("secrets", "list"), ("configmaps", "create")}


def checked(keeper: Keeper) -> None:
    """The kit is there, and the hook before the dumps has run."""
    keeper.run("check")
    assert keeper.run("check").returncode == 0


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda dumps: None, 0, ""),
        (lambda dumps: (dumps / "mysql.sql").write_text("x"), 2, "damaged: mysql.sql"),
        (lambda dumps: (dumps / "consul.snap").unlink(), 2, "the dump consul.snap is not there"),
        (lambda dumps: (dumps / "consul.snap").write_text(""), 2, "the dump consul.snap is empty"),
        (lambda dumps: (dumps / "manifest.json").unlink(), 2, "the backup was not finished or is damaged"),
        (lambda dumps: (dumps / "manifest.json").write_text("{"), 2, "the backup was not finished or is damaged"),
    ],
)
def test_dumps_are_what_their_list_says(keeper: Keeper, spoil: Callable[[Path], Any], code: int, said: str) -> None:
    for name in FILES_OF:
        (keeper.dumps / name).write_text(f"data of {name}")
    checked(keeper)
    assert keeper.run("seal").returncode == 0
    spoil(keeper.dumps)
    done = keeper.run("verify")
    assert done.returncode == code, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_dump_of_zero_bytes_fails_the_backup(keeper: Keeper, state: str) -> None:
    for name in FILES_OF[1:]:
        (keeper.dumps / name).write_text("data")
    if state == "empty":
        (keeper.dumps / FILES_OF[0]).write_text("")
    checked(keeper)
    done = keeper.run("seal")
    assert done.returncode == 2
    assert "mysql.sql is " in done.stderr
    assert not (keeper.dumps / "manifest.json").exists()


def test_the_list_names_the_kit_that_fits_the_dumps(keeper: Keeper) -> None:
    for name in FILES_OF:
        (keeper.dumps / name).write_text("data")
    checked(keeper)
    keeper.run("seal")
    found = json.loads(keeper.run("verify").stdout)
    assert found["kit"] == keeper.kit().metadata.annotations["custos-platform/sha256-of-secrets"]
    assert set(found["files"]) == set(FILES_OF)


@pytest.mark.parametrize("noticed", ["by the seal", "by the keeper"])
def test_a_secret_that_changes_while_the_stores_are_dumped_fails_the_backup(keeper: Keeper, noticed: str) -> None:
    for name in FILES_OF:
        (keeper.dumps / name).write_text("data")
    checked(keeper)
    keeper.secret("custos-new", {"password": "new"})
    if noticed == "by the keeper":
        keeper.run("check")  # its endless loop does what this does
        (keeper.dumps.parent / "kit-of-this-backup").write_text("the kit of before")
    done = keeper.run("seal")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("back up once more")
    assert not (keeper.dumps / "manifest.json").exists()

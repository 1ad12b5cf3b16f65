"""Backups of the running platform, into the lab's real object store.

The circle to a new cluster is in test_recovery.py, which is one of the drill.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bootstrap import objectstore, recovery
from bootstrap.console import Console
from bootstrap.context import Context
from bootstrap.inventory import Inventory
from bootstrap.journal import NoJournal
from generator.catalogue import load_catalogue
from tests.lab.cluster import Cluster, CommandFailed
from tests.lab.conftest import ROOT
from tests.lab.machines import lab
from tests.lab.operating import INVENTORY, bootstrap

STORE = "/var/lib/object-store"  # on its machine


def opened(inventory: Inventory, name: str) -> recovery.Recovery:
    """The backup, looked at as `restore` does before it touches anything."""
    context = Context(inventory, Console(quiet=True), NoJournal())
    found = recovery.Recovery(context, name)
    found.check(context)
    return found


@pytest.fixture(scope="module")
def backup() -> str:
    """The name of a backup that was made just now."""
    name = f"custos-test-{time.time_ns() // 10**9}"
    done = bootstrap("backup", INVENTORY, "--name", name)
    assert done.returncode == 0, done.stdout + done.stderr
    return name


def test_a_backup_holds_dumps_of_all_stores(backup: str, cluster: Cluster, inventory: Inventory) -> None:
    assert opened(inventory, backup).backup.good
    pod, namespace = f"{inventory.platform.release}-backup-0", inventory.platform.namespace
    kit = ("exec", pod, "-n", namespace, "-c", "kit", "--")
    files: dict[str, Any] = json.loads(cluster.kubectl(*kit, "python3", "/custos/scripts/kit.py", "verify"))["files"]
    assert set(files) == {"mysql.sql", "postgresql.sql", "consul.snap", "consul.sum", "kafka.topics"}
    dumped = cluster.kubectl(*kit, "cat", "/dumps/mysql.sql")
    for service in load_catalogue().schemas:
        assert f"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `{service['schema']}`" in dumped
    assert "INSERT INTO" in dumped
    realms = cluster.kubectl(*kit, "grep", "-c", "^COPY public.", "/dumps/postgresql.sql")
    assert int(realms) > 50  # Keycloak's tables
    # All that was dumped was copied.
    assert objectstore.of(inventory).copied(backup) >= sum(file["bytes"] for file in files.values())


def test_the_recovery_key_opens_every_secret(backup: str, cluster: Cluster, inventory: Inventory) -> None:
    kept = {str(secret["name"]): secret for secret in opened(inventory, backup).kit.secrets}
    for secret in cluster.get("secrets", "-n", inventory.platform.namespace)["items"]:
        if secret["type"] in ("helm.sh/release.v1", "kubernetes.io/service-account-token"):
            continue
        assert kept[secret["metadata"]["name"]]["data"] == secret.get("data", {})
    assert "values.yaml" in kept[f"{inventory.platform.release}-site"]["data"]


def test_no_secret_lies_open_in_the_object_store(backup: str, cluster: Cluster, inventory: Inventory) -> None:
    coded = cluster.secret(f"{inventory.platform.release}-mysql-admin", inventory.platform.namespace)["root-password"]
    looked = subprocess.run(
        [sys.executable, "-m", "lab", *("ssh", "store", "sudo", "grep", "-rlaF", "-f", "/dev/stdin"), STORE],
        input=f"{coded}\n{base64.b64decode(coded).decode()}\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (looked.returncode, looked.stdout) == (1, ""), looked.stdout + looked.stderr


def test_the_backups_are_listed_without_a_cluster(backup: str) -> None:
    done = bootstrap("backups", INVENTORY, "--json")
    assert done.returncode == 0, done.stderr
    assert backup in {each["name"] for each in json.loads(done.stdout) if each["usable"]}


def test_a_restore_over_a_running_platform_is_refused(backup: str) -> None:
    done = bootstrap("restore", backup, INVENTORY)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "release custos is in namespace custos already" in said
    assert "machines" not in said.split()  # the phase: none was touched


@pytest.mark.drill  # a minute and a half, of which the store's machine is off
def test_a_backup_without_its_object_store_says_so_and_spoils_none(backup: str, inventory: Inventory) -> None:
    lab("power-off", "store")
    try:
        done = bootstrap("backup", INVENTORY, "--name", "custos-test-without-store")
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "10.231.0.41" in said or "BackupStorageLocation" in said, said
    finally:
        lab("power-on", "store")
    assert opened(inventory, backup).backup.good


@pytest.mark.parametrize(
    ("store", "shell"), [("mysql", "bash"), ("postgresql", "bash"), ("consul", "sh"), ("kafka", "bash")]
)
def test_a_store_with_data_takes_no_backup(
    backup: str, cluster: Cluster, inventory: Inventory, store: str, shell: str
) -> None:
    """Whoever runs the loader by hand on a living platform changes nothing."""
    pod, namespace = f"{inventory.platform.release}-backup-0", inventory.platform.namespace
    loading = (pod, "-n", namespace, "-c", store, "--", shell, f"/custos/scripts/load-{store}.sh")
    try:
        said = cluster.kubectl("exec", *loading)  # nobody has written since
    except CommandFailed as refused:
        said = str(refused)
    # A real load of the others ends with these words too.
    answers = ("already: nothing was loaded", "holds what is in the backup", "Kafka: ")
    assert any(answer in said for answer in answers), said


@pytest.mark.parametrize(
    ("store", "shell", "host"),
    [
        ("mysql", "bash", "MYSQL_HOST"),
        ("postgresql", "bash", "PGHOST"),
        ("consul", "sh", "CONSUL_HTTP_ADDR"),
        ("kafka", "bash", "SERVERS"),
    ],
)
def test_a_store_that_does_not_answer_fails_the_backup(
    cluster: Cluster, inventory: Inventory, store: str, shell: str, host: str
) -> None:
    """It must not look like a store without data."""
    pod, namespace = f"{inventory.platform.release}-backup-0", inventory.platform.namespace
    inside = ("exec", pod, "-n", namespace, "-c", store, "--")
    with pytest.raises(CommandFailed):
        cluster.kubectl(*inside, "env", f"{host}=nobody.invalid", shell, f"/custos/scripts/dump-{store}.sh")
    left = cluster.kubectl(*inside, "sh", "-c", "ls /dumps")
    assert store not in {Path(name).stem for name in left.split() if not name.endswith(".part")}

"""The full circle: a backup, all machines of the cluster gone with their disks, and the platform back on new ones.

It takes the lab apart, and leaves no cluster: it is the last of `make drill`. Where it fails, all is left to be looked
at; `make down` before the next `make up`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bootstrap import paths
from bootstrap.inventory import Inventory, load
from tests.lab import bucket, recovery_report
from tests.lab.cluster import Cluster
from tests.lab.conftest import ROOT
from tests.lab.machines import lab
from tests.lab.operating import INVENTORY, bootstrap
from tests.lab.recovery_report import Circle
from tests.lab.stores.base import name_of
from tests.lab.stores.mysql import SCHEMA, Mysql

pytestmark = pytest.mark.drill
TABLE = f"{SCHEMA}.recovery_marks"
# Long enough for the largest restore that the lab can have.
RESTORE_SECONDS = 5400
DAMAGED = "damaged"  # a prefix in the bucket
VAULT = """\
set -eu
token=$(cat)
VAULT_TOKEN=$(vault write -field=token auth/kubernetes/login role=credential-store-core-service jwt="$token")
export VAULT_TOKEN
"""
SECRET = "-mount=secret writes-of-the-test/recovery"


@dataclass(frozen=True)
class Platform:
    """The stores of one installation, asked from inside."""

    cluster: Cluster
    inventory: Inventory

    @property
    def release(self) -> str:
        """The release's name."""
        return self.inventory.platform.release

    @property
    def namespace(self) -> tuple[str, str]:
        """As kubectl takes it."""
        return ("-n", self.inventory.platform.namespace)

    def mysql(self, query: str) -> str:
        """What MySQL's primary answers."""
        store = Mysql(self.cluster, self.release, self.inventory.platform.namespace)
        return store.sql(name_of(store.leader()), query)

    def users(self) -> set[str]:
        """Keycloak's users, as its database has them: id and name."""
        query = "SELECT id || ' ' || coalesce(username, '') FROM user_entity"
        script = f'source /custos/scripts/postgresql.sh && sql "{query}"'
        pod = (f"{self.release}-backup-0", *self.namespace, "-c", "postgresql")
        return set(self.cluster.kubectl("exec", *pod, "--", "bash", "-c", script).splitlines())

    def vault(self, command: str) -> str:
        """What Vault answers to a service that has logged in with its account."""
        token = self.cluster.kubectl(
            "create", "token", f"{self.release}-credential-store-core-service", *self.namespace
        )
        pod = (f"{self.release}-vault-0", *self.namespace, "-c", "vault")
        return self.cluster.kubectl("exec", "-i", *pod, "--", "sh", "-c", VAULT + command, stdin=token.strip())


@dataclass(frozen=True)
class Site:
    """The new place: other names of the machines, another storage class, one place for its backups or another."""

    folder: Path

    def inventory(self, name: str, prefix: str = "") -> str:
        """Its inventory, called `name`, with values that look for backups below `prefix`."""
        values = yaml.safe_load((ROOT / "values/lab.yaml").read_text(encoding="utf-8"))
        values["global"]["storageClass"] = "other-class"
        values["velero"]["objectStore"]["prefix"] = prefix
        (self.folder / f"{name}-values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        machines = yaml.safe_load((ROOT / INVENTORY).read_text(encoding="utf-8"))
        for number, machine in enumerate(machines["machines"]):
            machine["name"] = f"new{number}"
        machines["storage"]["className"] = "other-class"
        machines["platform"]["values"] = str(self.folder / f"{name}-values.yaml")
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(machines), encoding="utf-8")
        return str(file)


def lose_everything(inventory: Inventory) -> None:
    """All machines, and all that bootstrap knew of the cluster; the recovery key comes from where it was kept."""
    for machine in inventory.machines:
        lab("destroy", machine.name)
    assert inventory.backups
    key = inventory.backups.recovery_key
    kept = key.read_bytes()
    shutil.rmtree(paths.state(inventory.cluster.name))
    paths.write_private(key, kept)


@pytest.fixture
def site(tmp_path: Path, inventory: Inventory) -> Iterator[Site]:
    """Nothing of it is there yet."""
    yield Site(tmp_path)
    bucket.remove(inventory, DAMAGED)


def test_everything_comes_back_on_new_machines(cluster: Cluster, inventory: Inventory, site: Site) -> None:
    before = Platform(cluster, inventory)
    before.mysql(f"CREATE TABLE IF NOT EXISTS {TABLE} (id INT PRIMARY KEY, text VARCHAR(200)); DELETE FROM {TABLE}")
    before.mysql(
        f"SET cte_max_recursion_depth = 10000; INSERT INTO {TABLE} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
        " SELECT i + 1 FROM n WHERE i < 5000) SELECT i, SHA2(i, 256) FROM n"
    )
    marks, users = before.mysql(f"CHECKSUM TABLE {TABLE}"), before.users()
    assert users
    before.vault(f"vault kv put {SECRET} value=kept")

    name = f"custos-circle-{time.time_ns() // 10**9}"
    began = time.time()
    done = bootstrap("backup", INVENTORY, "--name", name)
    assert done.returncode == 0, done.stdout + done.stderr
    backed_up = time.time()
    before.mysql(f"INSERT INTO {TABLE} VALUES (900001, 'written after the backup')")
    before.vault(f"vault kv put {SECRET} value=late")
    assert bucket.copy_damaged(inventory, DAMAGED) > 0

    lost = time.time()
    lose_everything(inventory)
    lab("up", seconds=1200)

    # First from a copy in which bytes have flipped: it is noticed before any store has taken any of it.
    bare = time.time()
    failed = bootstrap("restore", name, site.inventory("damaged", DAMAGED), seconds=RESTORE_SECONDS)
    noticed = time.time()
    said = failed.stdout + failed.stderr
    print(said)
    assert failed.returncode == 1, said
    assert "the backup's volume" in said and "data into the stores" not in said, said
    refused = bootstrap("apply", site.inventory("new"), "--phase", "platform")
    assert f"the restore of {name} has not ended" in refused.stdout + refused.stderr

    bucket.remove(inventory, DAMAGED)  # Velero takes a bucket with a stranger's folder for none
    ready = time.time()
    new = site.inventory("new")
    done = bootstrap("restore", name, new, "--json", seconds=RESTORE_SECONDS)
    back = time.time()
    assert done.returncode == 0, done.stdout + done.stderr

    after = Platform(Cluster(cluster.kubeconfig), load(Path(new)))
    assert after.mysql(f"CHECKSUM TABLE {TABLE}") == marks  # all of before, and nothing of after
    assert users <= after.users()  # the services go on making some
    assert after.vault(f"vault kv get -field=value {SECRET}").strip() == "kept"
    classes = {c["spec"]["storageClassName"] for c in after.cluster.get("pvc", *after.namespace)["items"]}
    assert classes == {"other-class"}
    again = bootstrap("plan", new)
    assert "nothing to change" in again.stdout + again.stderr, again.stdout + again.stderr
    made = bootstrap("backup", new, "--name", f"{name}-after")  # the place takes backups again
    assert made.returncode == 0, made.stdout + made.stderr
    said = json.loads(done.stdout)
    loaded = next(step for step in said["steps"] if step["step"] == "data into the stores")
    recovery_report.write(
        Circle(
            backup_seconds=round(backed_up - began, 1),
            age=round(lost - began, 1),
            refused_seconds=round(noticed - bare, 1),
            restore_seconds=round(back - ready, 1),
            phases=said["seconds"],
            stores={change["where"]: change["what"] for change in loaded["changes"]},
        )
    )
    lose_everything(inventory)  # `make up` begins with machines that know nothing

"""The full circle: a backup, all machines of the cluster gone with their disks, and the platform back on new ones.

It takes the lab apart and leaves a new one: it is the last of `make drill`.
"""

from __future__ import annotations

import json
import shutil
import time

import pytest

from bootstrap import paths
from bootstrap.inventory import Inventory
from tests.lab.cluster import Cluster
from tests.lab.conftest import ROOT
from tests.lab.machines import lab
from tests.lab.operating import INVENTORY, bootstrap
from tests.lab.stores.base import name_of
from tests.lab.stores.mysql import SCHEMA, Mysql

pytestmark = pytest.mark.drill
RESULT = ROOT / "docs/results/recovery/report.json"
TABLE = f"{SCHEMA}.recovery_marks"
# Long enough for the largest restore that the lab can have.
RESTORE_SECONDS = 5400


def sql(store: Mysql, query: str) -> str:
    """What the primary answers."""
    return store.sql(name_of(store.leader()), query)


def mysql_of(cluster: Cluster, inventory: Inventory) -> Mysql:
    """That of the platform on this cluster."""
    return Mysql(cluster, inventory.platform.release, inventory.platform.namespace)


def users_of(cluster: Cluster, inventory: Inventory) -> set[str]:
    """Keycloak's users, as its database has them: id and name."""
    query = "SELECT id || ' ' || coalesce(username, '') FROM user_entity"
    script = f'source /custos/scripts/postgresql.sh && sql "{query}"'
    pod = (f"{inventory.platform.release}-backup-0", "-n", inventory.platform.namespace, "-c", "postgresql")
    return set(cluster.kubectl("exec", *pod, "--", "bash", "-c", script).splitlines())


def lose_the_operators_computer(inventory: Inventory) -> None:
    """All that bootstrap knew of the cluster is gone; the recovery key comes from where the operator kept it."""
    assert inventory.backups
    key = inventory.backups.recovery_key
    kept = key.read_bytes()
    shutil.rmtree(paths.state(inventory.cluster.name))
    paths.write_private(key, kept)


def test_everything_comes_back_on_new_machines(cluster: Cluster, inventory: Inventory) -> None:
    mysql = mysql_of(cluster, inventory)
    sql(mysql, f"CREATE TABLE IF NOT EXISTS {TABLE} (id INT PRIMARY KEY, text VARCHAR(200)); DELETE FROM {TABLE}")
    sql(mysql, f"SET cte_max_recursion_depth = 10000; INSERT INTO {TABLE} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
        f" SELECT i + 1 FROM n WHERE i < 5000) SELECT i, SHA2(i, 256) FROM n")  # fmt: skip
    marks, users = sql(mysql, f"CHECKSUM TABLE {TABLE}"), users_of(cluster, inventory)
    assert users

    name = f"custos-circle-{time.time_ns() // 10**9}"
    began = time.time()
    done = bootstrap("backup", INVENTORY, "--name", name)
    assert done.returncode == 0, done.stdout + done.stderr
    backed_up = time.time()
    sql(mysql, f"INSERT INTO {TABLE} VALUES (900001, 'written after the backup')")

    lost = time.time()
    for machine in inventory.machines:
        lab("destroy", machine.name)
    lose_the_operators_computer(inventory)
    lab("up", seconds=1200)
    ready = time.time()
    done = bootstrap("restore", name, INVENTORY, seconds=RESTORE_SECONDS)
    print(done.stdout, done.stderr, sep="\n")
    assert done.returncode == 0, done.stdout + done.stderr
    back = time.time()

    assert sql(mysql, f"CHECKSUM TABLE {TABLE}") == marks  # all of before, and nothing of after
    assert users <= users_of(cluster, inventory)  # the services go on making some
    again = bootstrap("plan", INVENTORY)
    assert "nothing to change" in again.stdout + again.stderr, again.stdout + again.stderr
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(
            {
                "backup_seconds": round(backed_up - began, 1),
                "data_loss_seconds": round(lost - began, 1),
                "machines_seconds": round(ready - lost, 1),
                "restore_seconds": round(back - ready, 1),
                "said": [line.strip() for line in done.stderr.splitlines() if "bytes" in line or "backup" in line],
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )

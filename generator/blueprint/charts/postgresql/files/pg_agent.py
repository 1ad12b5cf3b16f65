"""Beside PostgreSQL: keeps what Patroni does not, each a few seconds after it changed.

On the primary: Keycloak's database and role and all passwords as the Secrets have them, Patroni's dynamic settings as
the values have them, the one label `role: primary`, and the label that keeps Patroni's objects out of backups. On
every member: a restart where PostgreSQL needs one for a setting, one member after the other, the primary last. On
standbys: pg_leader.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any

import pg_accounts
import pg_api
import pg_cluster
import pg_leader
import pg_members
import pg_settings
import psycopg2

PAUSE_SECONDS = 3
BEATS = ("agent", "leader")
EXCLUDED = {"velero.io/exclude-from-backup": "true"}


class Agent:
    """One turn after the other; what fails is said once and tried again at the next."""

    def __init__(self) -> None:
        self._scope = os.environ["SCOPE"]
        self._name = os.environ["POD_NAME"]
        self._labelled: set[str] = set()
        self._said: dict[str, str] = {}

    def run(self) -> None:
        """Turn for ever."""
        while True:
            beat("agent")
            self._try("settings", self._settings)
            self._try("accounts", self._accounts)
            time.sleep(PAUSE_SECONDS)

    def _try(self, what: str, action: Any) -> None:
        try:
            action()
            self._said.pop(what, None)
        except (pg_api.ApiError, pg_cluster.ClusterError, pg_settings.Refusal, psycopg2.Error, OSError) as error:
            said = " ".join(str(error).split())
            if self._said.get(what) != said:
                print(f"pg_agent: {what}: {said}", flush=True)
            self._said[what] = said

    def _settings(self) -> None:
        members = pg_api.ask("GET", "/cluster")["members"]
        waiting = pg_members.next_to_restart(members)
        if waiting == self._name:
            print("pg_agent: restarting PostgreSQL, which a changed setting needs", flush=True)
            pg_api.ask("POST", "/restart", {"restart_pending": True}, seconds=60)
        leader = pg_members.leader_of(members)
        if leader is None or leader["name"] != self._name:
            return
        wanted = json.loads((pg_settings.CONFIGURATION / "dynamic.json").read_text(encoding="utf-8"))
        present = pg_api.ask("GET", "/config")
        if "pause" in present:
            wanted["pause"] = present["pause"]  # the operator's, by patronictl
        if present != wanted:
            pg_api.ask("PUT", "/config", wanted)
            print("pg_agent: gave Patroni the settings of the values", flush=True)
        for name in pg_cluster.take_label_from_others(self._name):
            print(f"pg_agent: took the label from {name}", flush=True)
        self._label_objects()

    def _label_objects(self) -> None:
        """A restored cluster is a new one: what Patroni knew of the old one must not come back with it."""
        for kind in ("config", "leader", "sync", "failover"):
            name = f"{self._scope}-{kind}"
            if name in self._labelled:
                continue
            try:
                pg_cluster.patch("configmaps", name, {"labels": EXCLUDED})
                self._labelled.add(name)
            except pg_cluster.ClusterError as error:
                if error.status != 404:  # not made yet
                    raise

    def _accounts(self) -> None:
        with pg_accounts.primary(str(pg_settings.SOCKETS), pg_settings.SUPERUSER) as cursor:
            if not pg_accounts.is_primary(cursor):
                return
            admin = {role: pg_settings.secret(pg_settings.ADMIN, key) for role, key in pg_settings.ADMIN_KEYS.items()}
            for role in pg_accounts.keep_passwords(cursor, admin):
                print(f"pg_agent: set the password of {role}", flush=True)
            for entry in json.loads((pg_settings.CONFIGURATION / "databases.json").read_text(encoding="utf-8")):
                password = pg_settings.secret(pg_settings.USERS, entry["key"])
                wanted = pg_accounts.Database(entry["database"], entry["owner"], password)
                for done in pg_accounts.keep_database(cursor, wanted):
                    print(f"pg_agent: {done}", flush=True)


def beat(what: str) -> None:
    """Say to the liveness probe that a loop turns."""
    (pg_settings.RUN / f"beat-{what}").touch()


def main() -> int:
    """Run in the container `agent`."""
    # The container's first process dies of no signal that it does not take.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    pg_settings.RUN.mkdir(parents=True, exist_ok=True)
    patience = float(os.environ["RELEASE_AFTER"])
    for what in BEATS:
        beat(what)
    if patience:
        watching = threading.Thread(target=pg_leader.watch, args=(patience, lambda: beat("leader")), daemon=True)
        watching.start()
    Agent().run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

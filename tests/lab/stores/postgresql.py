"""PostgreSQL under Patroni, written to with Keycloak's account."""

from __future__ import annotations

import json
import time

from tests.lab.stores.base import ClientPod, Store, name_of

LEVEL_SECONDS = 120


class Postgresql(Store):
    """Streaming replication with a quorum of synchronous standbys."""

    name = "postgresql"
    container = "postgresql"

    def client(self) -> ClientPod:
        """Rows through the primary Service, over TLS."""
        host = f"{self.release}-postgresql-primary.{self.namespace}.svc.cluster.local."
        statefulset = self.cluster.get("statefulset", self.workload, "-n", self.namespace)
        return ClientPod(
            module="postgresql",
            arguments=[f"--host={host}", "--user=keycloak", "--database=keycloak", "--ca=/trust/ca.crt"],
            environment={"PGPASSWORD": (f"{self.release}-postgresql-users", "keycloak")},
            secrets={"/trust": f"{self.release}-truststore"},
            image=statefulset["spec"]["template"]["spec"]["containers"][0]["image"],
        )

    def kill_command(self) -> str:
        """The postmaster writes its number down."""
        return "kill -9 $(head -n 1 /home/postgres/pgdata/pgroot/data/postmaster.pid)"

    def divergence(self) -> list[str]:
        """What members lack of the primary's log, or that they are on another timeline, if it stays so."""
        deadline = time.monotonic() + LEVEL_SECONDS
        while True:
            target = self._position(name_of(self.leader()))
            behind = [
                f"{name_of(pod)}: {state}, the primary {target}"
                for pod in self.members()
                if not level(state := self._position(name_of(pod)), target)
            ]
            if not behind or time.monotonic() > deadline:
                return behind

    def _position(self, pod: str) -> dict[str, int]:
        """Timeline and position in the log, from Patroni of that pod."""
        ask = "import json, pg_api; print(json.dumps(pg_api.ask('GET', '/patroni')))"
        answer = self.kubectl(
            "exec", pod, "-c", self.container, "--", "sh", "-c", f'cd /custos/scripts && exec python3 -c "{ask}"'
        )
        state = json.loads(answer)
        log = state.get("xlog", {})
        return {"timeline": state.get("timeline", 0), "position": log.get("location", log.get("replayed_location", 0))}


def level(state: dict[str, int], target: dict[str, int]) -> bool:
    """Whether a member has all that the primary had."""
    return state["timeline"] == target["timeline"] and state["position"] >= target["position"]

"""Keycloak's replicas: users log in and refresh their tokens."""

from __future__ import annotations

from tests.lab.cluster import is_ready
from tests.lab.stores.base import ClientPod, Pod, Store


class Keycloak(Store):
    """Replicas of a Deployment, none of which leads: the one that has served longest is struck."""

    name = "keycloak"
    container = "keycloak"
    has_volumes = False

    def client(self) -> ClientPod:
        """A user, through the Service, over TLS; the name is the certificate's, hence without a last dot."""
        host = f"{self.release}-keycloak.{self.namespace}.svc.cluster.local"
        return ClientPod(
            module="keycloak",
            arguments=[f"--host={host}", "--ca=/trust/ca.crt"],
            environment={"KEYCLOAK_PASSWORD": (f"{self.release}-keycloak", "admin-password")},
            secrets={"/trust": f"{self.release}-truststore"},
        )

    def kill_command(self) -> str:
        """Java is the one child of the script that the container starts with."""
        return "kill -9 $(< /proc/1/task/1/children)"

    def leaders(self) -> list[Pod]:
        """The oldest replica that is ready."""
        ready = [pod for pod in self.members() if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
        return sorted(ready, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))[:1]

    def size(self) -> int:
        """How many replicas there should be."""
        return int(self.cluster.get("deployment", self.workload, "-n", self.namespace)["spec"]["replicas"])

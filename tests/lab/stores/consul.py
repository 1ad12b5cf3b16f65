"""Consul's servers, written to with the management token: Vault's may write nothing but Vault's own keys."""

from __future__ import annotations

from tests.lab.cluster import CommandFailed
from tests.lab.stores.base import ClientPod, Pod, Store, name_of


class Consul(Store):
    """Servers with one raft leader."""

    name = "consul"
    container = "consul"

    @property
    def selector(self) -> str:
        """The servers; the snapshots' pod is of the same chart."""
        return f"{super().selector},app.kubernetes.io/component=server"

    def kill_command(self) -> str:
        """It is the first process of its container."""
        return ""

    def client(self) -> ClientPod:
        """Keys, through any of the servers."""
        return ClientPod(
            module="consul",
            arguments=[f"--host={self.release}-consul.{self.namespace}.svc.cluster.local", "--ca=/trust/ca.crt"],
            environment={"CONSUL_TOKEN": (f"{self.release}-consul", "management-token")},
            secrets={"/trust": f"{self.release}-truststore"},
        )

    def leaders(self) -> list[Pod]:
        """The leader, as the first server that answers knows it. No label says it, for no Service needs it."""
        members = self.members()
        for pod in members:
            try:
                listed = self.kubectl(
                    "exec", name_of(pod), "-c", self.container, "--", "consul", "operator", "raft", "list-peers"
                )
            except CommandFailed:
                continue
            rows = [line.split() for line in listed.splitlines()[1:]]
            if any("false" in row for row in rows) or len(rows) != self.size():
                return []  # somebody is not a voter (again)
            leading = {row[0] for row in rows if "leader" in row}
            return [pod for pod in members if name_of(pod) in leading]
        return []

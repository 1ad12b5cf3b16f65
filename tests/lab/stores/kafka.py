"""Kafka, written to with TLS and the login of a user; its leader is that of the topic which the client writes to."""

from __future__ import annotations

import base64

from tests.clients import kafka
from tests.clients.pulse import Refused
from tests.lab.cluster import CommandFailed, is_ready, wait_for
from tests.lab.stores.base import ClientPod, Pod, Store, name_of

SETTLE_SECONDS = 180
# Asks the pod's own broker, at the port without a login: a request in, the answer in base64 out.
ASK = r"""
set -e
exec 3<> /dev/tcp/127.0.0.1/9092
printf '%b' "$1" >&3
length=$(head -c 4 <&3 | od -An -tx1 | tr -d ' \n')
head -c $((16#$length)) <&3 | base64 -w 0
"""


class Kafka(Store):
    """Brokers that vote as well."""

    name = "kafka"
    container = "kafka"

    def client(self) -> ClientPod:
        """Records with acks=all."""
        host = f"{self.release}-kafka.{self.namespace}.svc.cluster.local"
        return ClientPod(
            module="kafka",
            arguments=[f"--host={host}", "--user=custos", "--ca=/trust/ca.crt"],
            environment={"KAFKA_PASSWORD": (f"{self.release}-kafka", "custos-password")},
            secrets={"/trust": f"{self.release}-truststore"},
        )

    def leaders(self) -> list[Pod]:
        """The broker that leads the topic of the client."""
        partition = self._partition()
        return [pod for pod in self.members() if partition and name_of(pod).endswith(f"-{partition.leader}")]

    def divergence(self) -> list[str]:
        """Replicas that have not caught up after minutes."""
        found: list[str] = []

        def settled() -> bool:
            partition = self._partition()
            found[:] = [str(partition)] if not partition or set(partition.replicas) != set(partition.in_sync) else []
            return not found

        try:
            wait_for("all replicas in sync", settled, seconds=SETTLE_SECONDS)
        except AssertionError:
            return found
        return []

    def _partition(self) -> kafka.Partition | None:
        whole = "".join(f"\\x{byte:02x}" for byte in kafka.metadata_request(kafka.TOPIC))
        for pod in self.members():
            if is_ready(pod):
                try:
                    ask = ("--", *self.shell, ASK, "ask", whole)
                    answer = self.kubectl("exec", name_of(pod), "-c", self.container, *ask)
                    return kafka.metadata(base64.b64decode(answer)[4:])[1]
                except (CommandFailed, Refused):
                    continue
        return None

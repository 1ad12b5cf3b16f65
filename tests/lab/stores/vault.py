"""Vault, written to with the account of a service."""

from __future__ import annotations

from typing import ClassVar

from tests.lab.stores.base import ClientPod, Pod, Store

SERVICE = "credential-store-core-service"
MOUNT = "secret"


class Vault(Store):
    """One active node and its standbys."""

    name = "vault"
    container = "vault"
    has_volumes = False
    leader_label: ClassVar[tuple[str, str]] = ("vault-active", "true")

    def kill_command(self) -> str:
        """It is the first process of its container."""
        return ""

    def client(self) -> ClientPod:
        """Secrets on the service's mount, with its login."""
        return ClientPod(
            module="vault",
            arguments=[
                f"--host={self.release}-vault.{self.namespace}.svc.cluster.local",
                "--ca=/trust/ca.crt",
                f"--role={SERVICE}",
                f"--mount={MOUNT}",
            ],
            secrets={"/trust": f"{self.release}-truststore"},
            account=f"{self.release}-{SERVICE}",
        )

    def peers(self, pod: Pod) -> list[Pod]:
        """What an active node must not go on without is its storage: Consul's servers."""
        servers = f"app.kubernetes.io/name=consul,app.kubernetes.io/instance={self.release}"
        return self.cluster.pods(self.namespace, f"{servers},app.kubernetes.io/component=server")

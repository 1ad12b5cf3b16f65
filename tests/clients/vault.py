"""Writes a secret every 50 ms to Vault and proves that no acknowledged one is lost (pulse.py).

python -m tests.clients.vault --host custos-vault.NAMESPACE.svc.cluster.local --ca /ca.crt --role R --mount secret

The login is the pod's own account, as the services' is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.clients import pulse
from tests.clients.pulse import Refused
from tests.clients.web import Web

ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Secrets:
    """Secrets below one path of this run's own, on a KV mount of version 1."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._role = options.role
        self._folder = f"/v1/{options.mount}/writes-of-the-test/{options.run}"
        self._token = ""
        self._web = Web(options.host, options.port, options.ca, options.timeout)

    def write(self, number: int) -> None:
        """Writes a secret."""
        self._web.ask("POST", f"{self._folder}/{number}", self._headers(), json.dumps({"number": number}).encode())

    def numbers(self) -> set[int]:
        """The secrets of this run, each read back by itself."""
        listed = self._web.ask("LIST", self._folder, self._headers())["data"]["keys"]
        return {number for key in listed if (number := self._read(key)) is not None}

    def close(self) -> None:
        """Gives the connection up, and the token: whoever is active then shall know the account as well."""
        self._web.close()
        self._token = ""

    def _read(self, key: str) -> int | None:
        """The secret's number; None where Vault lists it and does not know it.

        So it is with a write that was cut off, and not acknowledged: Vault's cache remembers that there was nothing
        before, while Consul did the write all the same.
        """
        try:
            return int(self._web.ask("GET", f"{self._folder}/{key}", self._headers())["data"]["number"])
        except Refused as refused:
            if str(refused).startswith("404 "):
                return None
            raise

    def _headers(self) -> dict[str, str]:
        if not self._token:
            login = {"role": self._role, "jwt": ACCOUNT_TOKEN.read_text(encoding="utf-8").strip()}
            answer = self._web.ask("POST", "/v1/auth/kubernetes/login", {}, json.dumps(login).encode())
            self._token = str(answer["auth"]["client_token"])
        return {"X-Vault-Token": self._token}


def main() -> int:
    """Runs the command line; returns its exit code."""
    options = pulse.parser("Writes secrets to Vault and proves that none is lost.", 8200)
    options.add_argument("--ca", required=True, help="certificate of the CA")
    options.add_argument("--role", required=True, help="role of Kubernetes' login")
    options.add_argument("--mount", required=True, help="mount of the role's own")
    return pulse.beat(Secrets, options)


if __name__ == "__main__":
    sys.exit(main())

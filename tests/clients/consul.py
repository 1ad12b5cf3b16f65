"""Writes a key every 50 ms to Consul and proves that no acknowledged one is lost (pulse.py).

CONSUL_TOKEN=… python -m tests.clients.consul --host custos-consul.NAMESPACE.svc.cluster.local --ca /ca.crt
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.clients import pulse
from tests.clients.web import Web


class Keys:
    """Keys below one of this run's own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._prefix = f"/v1/kv/writes-of-the-test/{options.run}/"
        self._headers = {"X-Consul-Token": os.environ["CONSUL_TOKEN"]}
        self._web = Web(options.host, options.port, options.ca, options.timeout)

    def write(self, number: int) -> None:
        """Sets a key."""
        if self._web.ask("PUT", f"{self._prefix}{number}", self._headers, b"x") is not True:
            raise pulse.Refused("not written")

    def numbers(self) -> set[int]:
        """The keys of this run, as the leader has them."""
        keys = self._web.ask("GET", f"{self._prefix}?keys&consistent", self._headers)
        return {int(key.rpartition("/")[2]) for key in keys}

    def close(self) -> None:
        """Gives the connection up; the next one may go to another server."""
        self._web.close()


def main() -> int:
    """Runs the command line; returns its exit code."""
    options = pulse.parser("Writes keys to Consul and proves that none is lost.", 8501)
    options.add_argument("--ca", required=True, help="certificate of the CA")
    return pulse.beat(Keys, options)


if __name__ == "__main__":
    sys.exit(main())

"""kubectl and helm against one cluster, raising with what they said."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tools


class CommandFailed(AssertionError):
    """A command of a test ended with an error; the message holds all that it said."""


def run(command: list[str], *, stdin: str | None = None, seconds: float = 300, cwd: Path | None = None) -> str:
    """Run `command` and return its standard output; CommandFailed with both streams otherwise."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False, cwd=cwd)
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for(
    what: str, condition: Callable[[], bool], *, seconds: float, interval: float = 0.5, steady: float = 0
) -> float:
    """Wait until `condition` holds, for `steady` seconds on end, and return the seconds until it began to.

    Fails after `seconds`, naming `what`.
    """
    start = time.monotonic()
    held_since: float | None = None
    while True:
        now = time.monotonic()
        if not condition():
            held_since = None
        else:
            held_since = now if held_since is None else held_since
            if now - held_since >= steady:
                return held_since - start
        if now - start > seconds:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(interval)


@dataclass(frozen=True)
class Cluster:
    """One cluster, reached by its kubeconfig."""

    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 300) -> str:
        """Run kubectl; returns its standard output."""
        return run(
            [str(tools.ensure("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments],
            stdin=stdin,
            seconds=seconds,
        )

    def helm(self, *arguments: str, seconds: float = 1200) -> str:
        """Run helm; returns its standard output."""
        return run([str(tools.ensure("helm")), "--kubeconfig", str(self.kubeconfig), *arguments], seconds=seconds)

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def secret(self, name: str, namespace: str) -> dict[str, str]:
        """What the Secret holds, each value in base64."""
        return dict(self.get("secret", name, "-n", namespace)["data"])

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """The pods of `namespace` that `selector` picks."""
        return list(self.get("pods", "-n", namespace, *(["-l", selector] if selector else []))["items"])


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the pod's condition Ready is true (a finished Job's pod counts as ready)."""
    if pod["status"].get("phase") == "Succeeded":
        return True
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

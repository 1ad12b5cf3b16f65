"""Runs a program in a container, as `kubectl exec` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import yaml
from kubernetes import client, stream
from kubernetes.client.exceptions import ApiException
from websocket import WebSocketException

from bootstrap.errors import Problem

LOOK_SECONDS = 2.0


def execute(
    api: client.ApiClient,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    working: Callable[[], None],
) -> tuple[int, str]:
    """Run `command` to its end; returns its exit code and what it wrote, both streams as one text.

    `working` is called every other second meanwhile. Raises Problem where it cannot be run, or the connection ends
    before the program.
    """
    said: list[str] = []
    try:
        connection: Any = stream.stream(
            client.CoreV1Api(api).connect_get_namespaced_pod_exec,
            pod,
            namespace,
            container=container,
            command=list(command),
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        while connection.is_open():
            connection.update(timeout=LOOK_SECONDS)
            said += _read(connection)
            working()
        said += _read(connection)
        code = _code(connection)
    except (ApiException, OSError, WebSocketException) as error:
        raise Problem(
            f"{command[-1]} cannot be run in container {container} of pod {namespace}/{pod}: {error}",
            "see that the pod runs, and run the same command again",
        ) from error
    if code is None:
        raise Problem(
            f"the connection to container {container} of pod {namespace}/{pod} ended before {command[-1]} did",
            "it may go on by itself: run the same command again",
        )
    return code, "".join(said)


def _code(connection: Any) -> int | None:
    """The program's exit code; None where the connection ended first: the client then stumbles over the answer."""
    try:
        return int(connection.returncode)
    except (TypeError, ValueError, KeyError, IndexError, yaml.YAMLError):
        return None


def _read(connection: Any) -> list[str]:
    return [
        str(read())
        for peek, read in (
            (connection.peek_stdout, connection.read_stdout),
            (connection.peek_stderr, connection.read_stderr),
        )
        if peek()
    ]

"""What Kubernetes sees of the pods while a fault strikes: the time line of an experiment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes
import urllib3

from tests.lab.cluster import Cluster

WATCH_SECONDS = 20  # a watch ends so often, and looks whether it is still wanted
LABELS = ("role", "vault-active", "vault-sealed")


class Trace:
    """Changes of pods as (time since 1970, pod, what), in the order in which they were seen."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str, str]] = []
        self._known: dict[str, dict[str, str]] = {}

    def see(self, pod: dict[str, Any], gone: bool = False) -> None:
        """Note what is new about a pod."""
        name = str(pod["metadata"]["name"])
        state = {} if gone else _state(pod)
        before = self._known.get(name)
        self._known[name] = state
        if before is None and not gone:
            return  # as it was when the watch began
        for key in sorted({*state, *(before or {})}):
            old, new = (before or {}).get(key, ""), state.get(key, "")
            if old != new:
                self.lines.append((time.time(), name, f"{key}: {old or 'none'} → {new or 'none'}"))


@contextmanager
def traced(cluster: Cluster, namespace: str) -> Iterator[Trace]:
    """Watch the pods of a namespace until the end of the block."""
    trace, ended = Trace(), threading.Event()
    untyped: Any = kubernetes
    api = untyped.client.CoreV1Api(untyped.config.new_client_from_config(str(cluster.kubeconfig)))

    def watch() -> None:
        while not ended.is_set():
            stream = untyped.watch.Watch()
            try:
                for event in stream.stream(api.list_namespaced_pod, namespace, timeout_seconds=WATCH_SECONDS):
                    trace.see(event["raw_object"], event["type"] == "DELETED")
                    if ended.is_set():
                        stream.stop()
            except (kubernetes.client.ApiException, urllib3.exceptions.HTTPError) as error:
                trace.lines.append((time.time(), "Kubernetes API", f"does not answer: {error}"[:200]))
                ended.wait(1)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield trace
    finally:
        ended.set()
        thread.join(WATCH_SECONDS + 10)


def _state(pod: dict[str, Any]) -> dict[str, str]:
    metadata, status = pod["metadata"], pod.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    state = {label: metadata["labels"][label] for label in LABELS if label in metadata.get("labels", {})}
    state["ready"] = "yes" if ready else "no"
    state["phase"] = "Terminating" if "deletionTimestamp" in metadata else str(status.get("phase", ""))
    restarts = sum(c.get("restartCount", 0) for c in status.get("containerStatuses") or [])
    return state | {"restarts": str(restarts)}

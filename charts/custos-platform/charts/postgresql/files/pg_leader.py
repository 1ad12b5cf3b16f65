"""Frees the leader's lock when the leader's machine is gone, sooner than Patroni's ttl, which is never below 20 s.

A standby's agent does so only where all of this held for the whole of `patience` seconds: every try to connect to
the leader's pod ended in silence (a machine that is there would refuse), and the leader did not renew its lock. The
lock is changed only in the very version that was seen, so a renewal at the last moment wins. Who becomes leader, and
whether anyone may, Patroni decides as ever; a leader that lives unseen cannot acknowledge a write, for its standbys
no longer confirm any.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pg_api
import pg_cluster
import pg_members

CONNECT_SECONDS = 1.0
ROUND_SECONDS = 1.0
SILENCE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}


@dataclass(frozen=True)
class Lock:
    """The leader's lock as it was seen: who holds it, and the version of the object."""

    holder: str
    version: str

    @classmethod
    def read(cls) -> Lock:
        """Raises pg_cluster.ClusterError."""
        metadata = pg_cluster.config_map(f"{os.environ['SCOPE']}-leader")["metadata"]
        return cls((metadata.get("annotations") or {}).get("leader", ""), metadata["resourceVersion"])

    def free(self) -> None:
        """Take the holder out. Raises pg_cluster.ClusterError, status 409 if somebody changed the lock meanwhile."""
        metadata = {"resourceVersion": self.version, "annotations": {"leader": None}}
        pg_cluster.patch("configmaps", f"{os.environ['SCOPE']}-leader", metadata)


class Patience:
    """Counts how long a leader has been silent, from its first silence on, and forgets at any sign of life."""

    def __init__(self, seconds: float, read: Callable[[], Lock]) -> None:
        self._seconds = seconds
        self._read = read
        self._since = 0.0
        self._lock: Lock | None = None

    def sign_of_life(self) -> None:
        """The leader answered, or there is none to watch."""
        self._lock = None

    def silence(self, leader: str, now: float) -> Lock | None:
        """The leader was silent at `now` (seconds); the lock to free once the patience is used up, else None.

        Raises what reading the lock raises.
        """
        seen = self._read()
        if self._lock != seen or seen.holder != leader:
            self._lock, self._since = seen, now
            return None
        return seen if now - self._since >= self._seconds else None


def is_silent(host: str, port: int = pg_api.PORT, seconds: float = CONNECT_SECONDS) -> bool:
    """Whether nothing at all comes back from `host`; a refusal is an answer."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except TimeoutError:
        return True
    except OSError as error:
        return error.errno in SILENCE
    return False


def watch(patience: float, heartbeat: Callable[[], None]) -> None:
    """Watch the leader for ever, unless it is this pod. `heartbeat` is called at every turn."""
    waiting = Patience(patience, Lock.read)
    me = os.environ["POD_NAME"]
    leader: dict[str, Any] | None = None
    round_began = time.monotonic()
    while True:
        heartbeat()
        time.sleep(max(0.0, round_began + ROUND_SECONDS - time.monotonic()))
        round_began = time.monotonic()
        try:
            leader = pg_members.leader_of(pg_api.ask("GET", "/cluster", seconds=2)["members"]) or leader
        except pg_api.ApiError:
            leader = None  # this member is just starting or ending; another one watches
        if leader is None or leader["name"] == me or not is_silent(leader["host"]):
            waiting.sign_of_life()
            continue
        try:
            lock = waiting.silence(leader["name"], time.monotonic())
            if lock:
                print(f"pg_leader: {leader['name']} has been silent for {patience:g} s, freeing its lock", flush=True)
                lock.free()
                waiting.sign_of_life()
        except pg_cluster.ClusterError as error:
            print(f"pg_leader: {error}", flush=True)

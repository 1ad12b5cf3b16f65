"""What was done to a cluster, when and by whom; and the lock that keeps two runs from doing it at once.

The journal is a file of JSON lines that is only ever appended to, and flushed to the disk line by line, so that a run
that was killed leaves the name of the step it was in. What is true is always asked of the machines; the journal tells
people, it decides nothing.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bootstrap.errors import Problem

if TYPE_CHECKING:
    from bootstrap.steps import Result


class Recorder(Protocol):
    """Whoever is told what the steps do."""

    def step_started(self, phase: str, step: str) -> None:
        """A step begins."""

    def step_finished(self, result: Result) -> None:
        """A step ended."""


class NoJournal:
    """For commands that change nothing."""

    def step_started(self, phase: str, step: str) -> None:
        """Nothing is kept."""

    def step_finished(self, result: Result) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class Unfinished:
    """The last run ended without saying so: who ran it, since when, and the step it was in."""

    by: str
    since: str
    step: str


class Journal:
    """The journal of one cluster, at `path`. Raises Problem where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run_started(self, command: str, inventory: str) -> None:
        """A command begins."""
        self._append("run-started", command=command, inventory=inventory, by=identity(), pid=os.getpid())

    def run_finished(self, status: str) -> None:
        """The command ended: done, failed or interrupted."""
        self._append("run-finished", status=status)

    def step_started(self, phase: str, step: str) -> None:
        """A step begins."""
        self._append("step-started", phase=phase, step=step)

    def step_finished(self, result: Result) -> None:
        """A step ended. Diffs are left out: they may show what is in files."""
        record: dict[str, Any] = {
            "phase": result.phase,
            "step": result.step,
            "status": result.status,
            "seconds": round(result.seconds, 2),
        }
        if result.changes:
            record["changes"] = [f"{change.where}: {change.what}" for change in result.changes]
        if result.problem:
            record["problem"] = result.problem.what
        self._append("step-finished", **record)

    def records(self) -> list[dict[str, Any]]:
        """Every whole line; one that a power cut left unfinished is passed over."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict):
                found.append(record)
        return found

    def unfinished(self) -> Unfinished | None:
        """The last run, if it never ended; call it before `run_started`."""
        last: Unfinished | None = None
        for record in self.records():
            event = record.get("event")
            if event == "run-started":
                last = Unfinished(str(record.get("by")), str(record.get("at")), "the beginning")
            elif event == "step-started" and last:
                last = Unfinished(last.by, last.since, f"{record.get('phase')}: {record.get('step')}")
            elif event == "run-finished":
                last = None
        return last

    def _append(self, event: str, **fields: Any) -> None:
        line = json.dumps({"at": _now(), "event": event, **fields}, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "r+b", buffering=0) as stream:
                end = stream.seek(0, os.SEEK_END)
                if end:
                    stream.seek(end - 1)
                    # A line that a power cut left unfinished must not swallow this one.
                    line = line if stream.read(1) == b"\n" else "\n" + line
                stream.write(line.encode())
                os.fsync(stream.fileno())
        except OSError as error:
            raise Problem(
                f"the journal {self.path} cannot be written: {error.strerror}", "free room or mend its permissions"
            ) from error


@contextmanager
def lock(path: Path, command: str) -> Iterator[None]:
    """Hold the cluster's lock; it goes with the process, however that one dies.

    Raises Problem that names the holder where another run holds it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(
                f"another run holds this cluster: {stream.read().strip() or 'it has not said who it is'} (lock {path})",
                "wait until it has ended, or stop it; the lock ends with its process, there is nothing to remove",
            ) from None
        stream.truncate(0)
        stream.write(f"{command} by {identity()}, process {os.getpid()}, since {_now()}\n")
        stream.flush()
        yield
        stream.truncate(0)


def identity() -> str:
    """user@host of whoever runs this."""
    try:
        user = getpass.getuser()
    except KeyError:  # a user id without a name, as in containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

"""The container's first process: starts Patroni, tells it of changed files, and wakes it when PostgreSQL has died.

Patroni looks at PostgreSQL once in `loop_wait` seconds. The postmaster is handed to the first process of its
container, which therefore knows at once when it dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import pg_api
import pg_settings

# The kubelet needs a minute or so until a changed Secret is in its volume; looking costs next to nothing.
LOOK_SECONDS = 2
TERMINATION = Path("/dev/termination-log")


class Supervisor:
    """Patroni, and what its container's first process owes it."""

    def __init__(self) -> None:
        self._certificates = certificates()
        self._patroni = subprocess.Popen(["patroni", str(pg_settings.PARTS)])
        self._complaint = ""

    def run(self) -> int:
        """Watch until Patroni ends; returns its exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._forward)
        threading.Thread(target=self._follow_files, daemon=True).start()
        while True:
            pid, status = os.wait()
            if pid == self._patroni.pid:
                return os.waitstatus_to_exitcode(status) % 256
            if pid == postmaster():
                print(f"pg_start: the postmaster {pid} has ended ({os.waitstatus_to_exitcode(status)})", flush=True)
                threading.Thread(target=self._wake, daemon=True).start()

    def _forward(self, number: int, frame: FrameType | None) -> None:
        os.kill(self._patroni.pid, number)

    @staticmethod
    def _wake() -> None:
        try:
            pg_api.wake()
        except pg_api.ApiError as error:
            print(f"pg_start: Patroni could not be woken and looks at its next turn: {error}", flush=True)

    def _follow_files(self) -> None:
        """SIGHUP makes Patroni read its files again, take its new certificate, and reload PostgreSQL with its own."""
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                changed = pg_settings.write_parts()
                now = certificates()
            except (pg_settings.Refusal, OSError) as error:
                if str(error) != self._complaint:
                    print(f"pg_start: going on with the former settings: {error}", flush=True)
                self._complaint = str(error)
                continue
            self._complaint = ""
            if changed or now != self._certificates:
                self._certificates = now
                print("pg_start: settings, passwords or certificate changed, reloading", flush=True)
                os.kill(self._patroni.pid, signal.SIGHUP)


def certificates() -> tuple[bytes, ...]:
    """What the TLS Secret holds, to see a change. Raises OSError."""
    return tuple((pg_settings.TLS / name).read_bytes() for name in ("ca.crt", "tls.crt", "tls.key"))


def postmaster() -> int | None:
    """The postmaster's process, as its own file has it; the file stays when it is killed."""
    try:
        return int((pg_settings.DATA / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def main() -> int:
    """Run in the container `postgresql`. Returns the exit code."""
    try:
        pg_settings.check_major(pg_settings.DATA, pg_settings.image_major())
        pg_settings.write_parts()
    except pg_settings.Refusal as refusal:
        print(refusal, file=sys.stderr)
        TERMINATION.write_text(str(refusal), encoding="utf-8")
        return 1
    pg_settings.DATA.parent.mkdir(mode=0o700, exist_ok=True)
    return Supervisor().run()


if __name__ == "__main__":
    sys.exit(main())

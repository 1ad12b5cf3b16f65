"""Waiting until a machine that was powered on lets us in."""

import re
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import access, boot, cgroups, disks
from lab.description import Lab, Machine
from lab.errors import LabError

# A machine takes 2 to 3 s on a quiet computer, and up to ten times as long on one that is busy.
BOOT_SECONDS = 180.0
_INTERVAL = 0.1
_CONSOLE_LINES = 5
_JOURNAL_LINES = 15


def wait(state: Path, lab: Lab, machines: list[Machine], say: Callable[[str, str], None]) -> dict[str, str]:
    """Wait for all `machines` at once, telling `say(machine, what it does)`.

    Returns systemd's word on each: `running`, or `degraded: ` and the units that failed.
    Raises LabError for a machine that ends or does not answer within BOOT_SECONDS, with its last words.
    """
    if not machines:
        return {}
    with ThreadPoolExecutor(len(machines)) as pool:
        states = pool.map(lambda machine: _wait_one(state, lab, machine, say), machines)
        return dict(zip((machine.name for machine in machines), states, strict=True))


def _wait_one(state: Path, lab: Lab, machine: Machine, say: Callable[[str, str], None]) -> str:
    deadline = time.monotonic() + BOOT_SECONDS
    say(machine.name, "boots")
    while not answers(machine):
        _check(state, lab, machine, deadline, f"nothing listens on {machine.address} port 22")
        time.sleep(_INTERVAL)
    say(machine.name, "logging in")
    while True:
        done = _ask(state, machine, deadline)
        word = done.stdout.strip()
        if word in ("running", "degraded"):
            say(machine.name, word)
            return word if word == "running" else f"degraded: {failed_units(state, machine)}"
        _check(state, lab, machine, deadline, f"ssh says: {(done.stderr or word).strip()}")
        time.sleep(_INTERVAL)


def _ask(state: Path, machine: Machine, deadline: float) -> "subprocess.CompletedProcess[str]":
    """systemd's word once it has started everything."""
    command = access.command(state, machine, "systemctl", "is-system-running", "--wait")
    left = max(1.0, deadline - time.monotonic())
    try:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=left
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 255, "", "logged in, but systemd is still starting units")


def _check(state: Path, lab: Lab, machine: Machine, deadline: float, found: str) -> None:
    remedy = (
        f"power it on again: `python -m lab power-on {machine.name}`; "
        f"if it stays so, `python -m lab down` and `up` install it anew"
    )
    if not cgroups.pids(lab.name, machine.name):
        raise LabError(
            f"{machine.name} went off while it started; its last words:\n{tail(state, machine)}", remedy
        )
    if time.monotonic() > deadline:
        raise LabError(
            f"{machine.name} is not ready {BOOT_SECONDS:.0f} s after power-on: {found}; its last words:\n"
            f"{tail(state, machine)}",
            remedy,
        )


def answers(machine: Machine) -> bool:
    """Does an SSH server greet us?"""
    try:
        with socket.create_connection((str(machine.address), 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def failed_units(state: Path, machine: Machine) -> str:
    """The names of the units that failed, or ssh's error."""
    command = access.command(
        state, machine, "systemctl", "list-units", "--state=failed", "--plain", "--no-legend"
    )
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30
    )
    return (
        ", ".join(line.split()[0] for line in done.stdout.splitlines() if line.strip()) or done.stderr.strip()
    )


def tail(state: Path, machine: Machine) -> str:
    """The end of what the machine said since it was powered on: console, and journal read from its disk."""
    lines = []
    console = boot.console(state, machine.name)
    if console.exists():
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.read_text(errors="replace"))
        lines += [line for line in text.splitlines() if line.strip()][-_CONSOLE_LINES:]
    journal = disks.folder(state, machine.name) / "upper/var/log/journal"
    since = boot.powered_on(state, machine.name)
    if journal.exists() and since.exists():
        command = ["journalctl", "--directory", str(journal), f"--since=@{since.stat().st_mtime:.0f}"]
        command += ["--lines", str(_JOURNAL_LINES), "--no-pager", "--quiet"]
        lines += subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(f"  {line}" for line in lines) or "  (it said nothing)"

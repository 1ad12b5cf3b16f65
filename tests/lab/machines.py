"""The lab's machines, by its own command."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab.cluster import run

PROJECT = Path(__file__).resolve().parents[2]


def lab(*arguments: str) -> str:
    """`python -m lab …`, from the checkout; its output. Raises CommandFailed with what it said."""
    return run([sys.executable, "-m", "lab", *arguments], cwd=PROJECT)


def kill_in_pod(machine: str, uid: str, program: str) -> None:
    """SIGKILL from the machine: within its container a server is process 1, which no signal from there kills.

    Raises CommandFailed where the pod (by its UID) runs no such program.
    """
    script = f"""
found=
for process in /proc/[0-9]*; do
  if [ "$(cat "$process/comm" 2>/dev/null)" = {program} ] && grep -q {uid} "$process/cgroup" 2>/dev/null; then
    kill -9 "${{process#/proc/}}"
    found=yes
  fi
done
[ "$found" ] || {{ echo "no process {program} in pod {uid}" >&2; exit 1; }}
"""
    on_machine(machine, script)


def on_machine(machine: str, script: str) -> str:
    """Run a script as root on a machine; its output. Raises CommandFailed with what it said."""
    return run([sys.executable, "-m", "lab", "ssh", machine, "sudo", "bash", "-s"], stdin=script, cwd=PROJECT)

"""The lab's machines, by its own command."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.lab.cluster import run

PROJECT = Path(__file__).resolve().parents[2]


def lab(*arguments: str, seconds: float = 300) -> str:
    """`python -m lab …`, from the checkout; its output. Raises CommandFailed with what it said."""
    return run([sys.executable, "-m", "lab", *arguments], cwd=PROJECT, seconds=seconds)


def on_machine(machine: str, script: str) -> str:
    """Run a script as root on a machine; its output. Raises CommandFailed with what it said."""
    return run([sys.executable, "-m", "lab", "ssh", machine, "sudo", "bash", "-s"], stdin=script, cwd=PROJECT)

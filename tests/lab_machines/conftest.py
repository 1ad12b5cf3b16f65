"""A small lab of its own, described in a temporary folder; nothing of it runs unless a test starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = """\
name: tiny
network: {bridge: tiny0, subnet: 10.232.0.0/24}
requires: {memory: 256Mi, disk: 1G}
machines:
  t1: {address: 10.232.0.11, memory: 512Mi, cpus: 1, volumes: [{path: /var/lib/custos-volumes, size: 64Mi}]}
  t2: {address: 10.232.0.12}
"""
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab_file(tmp_path: Path) -> Path:
    """The description of the small lab."""
    path = tmp_path / "lab.yaml"
    path.write_text(DESCRIPTION)
    return path


@pytest.fixture
def environment(tmp_path: Path, lab_file: Path) -> dict[str, str]:
    """What points every command to the small lab."""
    return {
        **os.environ,
        "CUSTOS_LAB_FILE": str(lab_file),
        "CUSTOS_LAB_STATE": str(tmp_path / "state"),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }


@pytest.fixture
def lab(environment: dict[str, str]) -> Command:
    """`lab("status")` runs `python -m lab status` on the small lab."""

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**environment, **changes},
            stdin=subprocess.DEVNULL,
        )

    return run

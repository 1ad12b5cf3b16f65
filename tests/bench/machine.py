"""The computer and the versions that a figure belongs to."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tools
from tests.bench.errors import BenchError

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Machine:
    """This computer; memory in GiB."""

    cpu: str
    cores: int
    memory: float
    kernel: str
    system: str


def describe() -> Machine:
    """What Linux says about this computer."""
    return Machine(
        cpu=_field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory=round(int(_field(Path("/proc/meminfo"), "MemTotal").split()[0]) / 2**20, 1),
        kernel=platform.release(),
        system=platform.freedesktop_os_release()["PRETTY_NAME"],
    )


@cache
def versions() -> dict[str, str]:
    """Versions of what is measured and of what measures it."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return {
        "platform": str(project["version"]),
        "commit": commit.stdout.strip() or "unknown",
        "python": platform.python_version(),
        "helm": _helm_version(),
    }


def _helm_version() -> str:
    helm = program("helm")
    said = subprocess.run([helm, "version", "--short"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def program(name: str) -> str:
    """Path of one of the project's tools. Raises BenchError."""
    try:
        return str(tools.ensure(name))
    except (tools.ToolMissing, tools.ToolError) as error:
        raise BenchError(str(error), f"`make tools`, or put {name} on the PATH") from error


def _field(file: Path, name: str) -> str:
    """The value of the first line `name: value`; empty where there is none."""
    for line in file.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
